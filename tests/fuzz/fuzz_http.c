/* fuzz_http.c: any bytes as an API request: "OPERATION\nBODY". Every operation answers, once, and with JSON; an error
 * is a __type and a message. The engine behind is a whole one, on a memory store that lives through the run, so that
 * requests meet what others have made. Its loop goes round only as long as there is something to do: nothing waits, and
 * no time passes. */
#include "base/clock.h"
#include "base/mem.h"
#include "server/api.h"
#include <assert.h>
#include <stdlib.h>
#include <unistd.h>

#define ROUNDS_MAX 20000 /* of the loop, for one request */

/* ---- a loop without a world ------------------------------------------------------------------------------------ */

struct still_loop {
	struct loop loop;
	struct loop_post *first, **tail;
	struct loop_timer *timer; /* the one that is due at once */
	bool (*turn)(void *data);
	void *turn_data;
};

static struct still_loop *still(struct loop *loop)
{
	return (struct still_loop *)(void *)loop;
}

static void watch(struct loop *loop, struct loop_watch *watch, int fd, unsigned events) {}

static void unwatch(struct loop *loop, struct loop_watch *watch) {}

static void timer_set(struct loop *loop, struct loop_timer *timer, int64_t delay_ms)
{
	if (delay_ms <= 0)
		still(loop)->timer = timer;
	else if (still(loop)->timer == timer)
		still(loop)->timer = NULL;
}

static void timer_clear(struct loop *loop, struct loop_timer *timer)
{
	if (still(loop)->timer == timer)
		still(loop)->timer = NULL;
}

static void post(struct loop *loop, struct loop_post *post)
{
	post->next = NULL;
	*still(loop)->tail = post;
	still(loop)->tail = &post->next;
}

static void set_turn(struct loop *loop, bool (*callback)(void *data), void *data)
{
	still(loop)->turn = callback;
	still(loop)->turn_data = data;
}

static void no_run(struct loop *loop) {}

/* One round; false when nothing is left to do. */
static bool go_round(struct still_loop *loop)
{
	struct loop_timer *timer = loop->timer;
	struct loop_post *next, *posted = loop->first;
	bool busy = timer || posted;
	loop->timer = NULL;
	loop->first = NULL;
	loop->tail = &loop->first;
	if (timer)
		timer->callback(timer);
	for (; posted; posted = next) {
		next = posted->next;
		posted->callback(posted);
	}
	return loop->turn(loop->turn_data) || busy || loop->first || loop->timer;
}

/* ---- the engine ------------------------------------------------------------------------------------------------ */

static struct still_loop loop = {
	.loop = { .watch = watch,
		  .unwatch = unwatch,
		  .timer_set = timer_set,
		  .timer_clear = timer_clear,
		  .post = post,
		  .set_turn = set_turn,
		  .run = no_run,
		  .stop = no_run,
		  .free = no_run },
	.tail = &loop.first,
};
static struct clock_manual now;
static struct engine *engine;

static void begin(void)
{
	struct wf_error err = { 0 };
	struct store *store = NULL;
	clock_manual_init(&now, 1700000000000);
	int code = store_open("memory:", NULL, &loop.loop, &store, &err);
	assert(code == 0);
	struct engine_options options = {
		.loop = &loop.loop, .clock = &now.source, .store = store, .limits = LIMITS_DEFAULT, .seed = 1
	};
	/* Endless loops of states are allowed to workflows; a history that is full ends them soon. */
	options.limits.history_events = 500;
	options.limits.expression_steps = 100000;
	code = engine_new(&options, &engine, &err);
	assert(code == 0);
	engine_recover(engine);
}

/* ---- one request ----------------------------------------------------------------------------------------------- */

struct outcome {
	unsigned answers;
};

static void answered(struct api_call *call)
{
	struct outcome *outcome = call->data;
	_cleanup_(value_unrefp) struct value *answer = NULL;
	outcome->answers++;
	assert(call->status == 200 || call->status == 400 || call->status == 500 || call->status == 503);
	int code = value_parse(buffer_str(&call->body), NULL, &answer, NULL);
	assert(code == 0 && value_is(answer, VALUE_OBJECT));
	if (call->status != 200)
		assert(call->error && value_getz(answer, "__type") && value_getz(answer, "message"));
}

static bool gone(struct api_call *call)
{
	return true; /* nobody stays for a task that may never come */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *bytes = (const char *)data, *newline = memchr(bytes, '\n', size);
	if (!engine)
		begin();
	if (!newline)
		return 0;
	struct str operation = { bytes, (size_t)(newline - bytes) };
	struct str body = { newline + 1, size - operation.len - 1 };
	struct outcome outcome = { 0 };
	struct api_call *call = NEW(struct api_call);
	*call = (struct api_call){ .engine = engine, .answered = answered, .gone = gone, .data = &outcome };
	api_begin(call, operation, body);
	assert(outcome.answers == (call->status != 0));
	for (unsigned i = 0; i < ROUNDS_MAX && go_round(&loop); i++)
		;
	/* A worker, and who waits for an Express execution, may still be waiting: the call stays for the answer. */
	if (!outcome.answers) {
		call->data = mem_zalloc(sizeof outcome);
		return 0;
	}
	assert(outcome.answers == 1);
	api_call_done(call);
	free(call);
	return 0;
}
