/* engine_loop.h: for fuzzers of a whole engine: a loop whose time is a number, and an engine on a memory store of its own, so that what is found can be
 * played again. */
#pragma once
#include "base/clock.h"
#include "base/mem.h"
#include "engine/engine.h"
#include <assert.h>
#include <stdlib.h>

#define ROUNDS_MAX 20000 /* of the loop, for one call */
#define TIMERS_MAX 32

struct number_loop {
	struct loop loop;
	struct clock_manual clock;
	struct loop_post *first, **tail;
	struct {
		struct loop_timer *timer;
		int64_t due_ms;
	} timers[TIMERS_MAX];
	bool (*turn)(void *data);
	void *turn_data;
};

static struct number_loop loop;

static void watch(struct loop *self, struct loop_watch *watch, int fd, unsigned events) {}

static void unwatch(struct loop *self, struct loop_watch *watch) {}

static void timer_clear(struct loop *self, struct loop_timer *timer)
{
	for (unsigned i = 0; i < TIMERS_MAX; i++)
		if (loop.timers[i].timer == timer)
			loop.timers[i].timer = NULL;
}

static void timer_set(struct loop *self, struct loop_timer *timer, int64_t delay_ms)
{
	timer_clear(self, timer);
	for (unsigned i = 0; i < TIMERS_MAX; i++)
		if (!loop.timers[i].timer) {
			loop.timers[i].timer = timer;
			loop.timers[i].due_ms = delay_ms > 0 && delay_ms < INT64_MAX - loop.clock.now_ms ? loop.clock.now_ms + delay_ms
										  : delay_ms > 0 ? INT64_MAX : 0;
			return;
		}
	abort(); /* TIMERS_MAX is too small */
}

static void post(struct loop *self, struct loop_post *post)
{
	post->next = NULL;
	*loop.tail = post;
	loop.tail = &post->next;
}

static void set_turn(struct loop *self, bool (*callback)(void *data), void *data)
{
	loop.turn = callback;
	loop.turn_data = data;
}

static void nothing(struct loop *self) {}

/* One round; false when nothing is left to do now. */
static inline bool go_round(void)
{
	struct loop_post *next, *posted = loop.first;
	bool busy = posted;
	loop.first = NULL;
	loop.tail = &loop.first;
	for (unsigned i = 0; i < TIMERS_MAX; i++) {
		struct loop_timer *timer = loop.timers[i].timer;
		if (timer && loop.timers[i].due_ms <= loop.clock.now_ms) {
			loop.timers[i].timer = NULL;
			timer->callback(timer);
			busy = true;
		}
	}
	for (; posted; posted = next) {
		next = posted->next;
		posted->callback(posted);
	}
	return (loop.turn && loop.turn(loop.turn_data)) || busy || loop.first;
}

static inline void settle(void)
{
	for (unsigned i = 0; i < ROUNDS_MAX && go_round(); i++)
		;
}

static struct engine *begin(struct store **ret_store)
{
	static const struct loop functions = {
		.watch = watch, .unwatch = unwatch, .timer_set = timer_set, .timer_clear = timer_clear, .post = post,
		.set_turn = set_turn, .run = nothing, .stop = nothing, .free = nothing,
	};
	struct wf_error err = { 0 };
	struct engine *engine;
	loop = (struct number_loop){ .loop = functions };
	loop.tail = &loop.first;
	clock_manual_init(&loop.clock, 1700000000000);
	int code = store_open("memory:", NULL, &loop.loop, ret_store, &err);
	assert(code == 0);
	struct engine_options options = {
		.loop = &loop.loop, .clock = &loop.clock.source, .store = *ret_store, .limits = LIMITS_DEFAULT, .seed = 1
	};
	options.limits.history_events = 500; /* endless loops of states end soon */
	options.limits.expression_steps = 100000;
	code = engine_new(&options, &engine, &err);
	assert(code == 0);
	engine_recover(engine);
	return engine;
}
