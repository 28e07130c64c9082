/* struct loop on poll(2). Every watch and armed timer has a slot; removing one only empties its slot, so callbacks may
 * remove whatever they like while the slots are walked. */
#include "tests/common/test_loop.h"
#include "base/mem.h"
#include <assert.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

struct slot {
	struct loop_watch *watch;
	struct loop_timer *timer;
	int64_t due_us;
	uint64_t order; /* timers of the same time fire in the order they were set */
};

struct slots {
	struct slot **items;
	size_t count, capacity;
};

struct test_loop {
	struct loop loop;
	struct slots watches, timers;
	uint64_t order;
	bool stopping;
	bool (*turn)(void *data);
	void *turn_data;
	int wake[2];
	pthread_mutex_t lock;
	struct loop_post *first, *last;
};

static int64_t now_us(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static struct slot *slot_add(struct slots *slots)
{
	MEM_GROW(slots->items, slots->capacity, slots->count + 1);
	return slots->items[slots->count++] = NEW(struct slot);
}

static void slots_sweep(struct slots *slots)
{
	size_t kept = 0;
	for (size_t i = 0; i < slots->count; i++) {
		if (slots->items[i]->watch || slots->items[i]->timer)
			slots->items[kept++] = slots->items[i];
		else
			free(slots->items[i]);
	}
	slots->count = kept;
}

static void loop_watch_(struct loop *loop, struct loop_watch *watch, int fd, unsigned events)
{
	struct test_loop *self = (struct test_loop *)loop;
	if (!watch->impl) {
		struct slot *slot = slot_add(&self->watches);
		slot->watch = watch;
		watch->impl = slot;
	}
	watch->fd = fd;
	watch->events = events;
}

static void loop_unwatch_(struct loop *loop, struct loop_watch *watch)
{
	if (watch->impl)
		((struct slot *)watch->impl)->watch = NULL;
	watch->impl = NULL;
}

static void loop_timer_clear_(struct loop *loop, struct loop_timer *timer)
{
	if (timer->active)
		((struct slot *)timer->impl)->timer = NULL;
	timer->active = false;
	timer->impl = NULL;
}

static void loop_timer_set_(struct loop *loop, struct loop_timer *timer, int64_t delay_ms)
{
	struct test_loop *self = (struct test_loop *)loop;
	loop_timer_clear_(loop, timer);
	struct slot *slot = slot_add(&self->timers);
	slot->timer = timer;
	slot->due_us = now_us() + delay_ms * 1000;
	slot->order = self->order++;
	timer->impl = slot;
	timer->active = true;
}

static void loop_post_(struct loop *loop, struct loop_post *post)
{
	struct test_loop *self = (struct test_loop *)loop;
	pthread_mutex_lock(&self->lock);
	post->next = NULL;
	*(self->last ? &self->last->next : &self->first) = post;
	self->last = post;
	pthread_mutex_unlock(&self->lock);
	(void)!write(self->wake[1], "", 1);
}

static void loop_set_turn_(struct loop *loop, bool (*callback)(void *data), void *data)
{
	struct test_loop *self = (struct test_loop *)loop;
	self->turn = callback;
	self->turn_data = data;
}

static void run_posts(struct test_loop *self)
{
	char bytes[64];
	while (read(self->wake[0], bytes, sizeof bytes) > 0)
		;
	pthread_mutex_lock(&self->lock);
	struct loop_post *post = self->first;
	self->first = self->last = NULL;
	pthread_mutex_unlock(&self->lock);
	while (post) {
		struct loop_post *next = post->next;
		post->callback(post);
		post = next;
	}
}

static int64_t next_due_us(const struct test_loop *self)
{
	int64_t due = INT64_MAX;
	for (size_t i = 0; i < self->timers.count; i++)
		if (self->timers.items[i]->timer && self->timers.items[i]->due_us < due)
			due = self->timers.items[i]->due_us;
	return due;
}

/* Those that are due and were set before this iteration, earliest first. */
static void run_timers(struct test_loop *self)
{
	int64_t now = now_us();
	uint64_t set_before = self->order;
	for (;;) {
		struct slot *next = NULL;
		for (size_t i = 0; i < self->timers.count; i++) {
			struct slot *slot = self->timers.items[i];
			if (slot->timer && slot->due_us <= now && slot->order < set_before &&
			    (!next || slot->due_us < next->due_us ||
			     (slot->due_us == next->due_us && slot->order < next->order)))
				next = slot;
		}
		if (!next)
			return;
		struct loop_timer *timer = next->timer;
		loop_timer_clear_(&self->loop, timer);
		timer->callback(timer);
	}
}

static unsigned events_of(short revents)
{
	bool broken = revents & (POLLERR | POLLHUP | POLLNVAL);
	return (revents & POLLIN || broken ? LOOP_READ : 0u) | (revents & POLLOUT || broken ? LOOP_WRITE : 0u);
}

static void iterate(struct test_loop *self, int64_t until_us)
{
	slots_sweep(&self->watches);
	slots_sweep(&self->timers);
	size_t count = self->watches.count;
	struct pollfd *fds = mem_alloc(sizeof *fds * (count + 1));
	for (size_t i = 0; i < count; i++) {
		struct loop_watch *watch = self->watches.items[i]->watch;
		fds[i] = (struct pollfd){ .fd = watch->fd,
					  .events = (short)((watch->events & LOOP_READ ? POLLIN : 0) |
							    (watch->events & LOOP_WRITE ? POLLOUT : 0)) };
	}
	fds[count] = (struct pollfd){ .fd = self->wake[0], .events = POLLIN };
	int64_t due = next_due_us(self), now = now_us();
	due = due < until_us ? due : until_us;
	poll(fds, count + 1, due <= now ? 0 : due - now > 1000000000 ? 1000000 : (int)((due - now + 999) / 1000));
	for (size_t i = 0; i < count; i++) {
		struct loop_watch *watch = self->watches.items[i]->watch;
		unsigned events = events_of(fds[i].revents);
		if (watch && (events & watch->events))
			watch->callback(watch, watch->fd, events & watch->events);
	}
	free(fds);
	run_timers(self);
	run_posts(self);
	while (self->turn && self->turn(self->turn_data) && !self->stopping)
		;
}

static void loop_run_(struct loop *loop)
{
	struct test_loop *self = (struct test_loop *)loop;
	for (self->stopping = false; !self->stopping;)
		iterate(self, INT64_MAX);
}

static void loop_stop_(struct loop *loop)
{
	((struct test_loop *)loop)->stopping = true;
}

unsigned test_loop_armed(const struct loop *loop)
{
	const struct test_loop *self = (const struct test_loop *)loop;
	unsigned armed = 0;
	for (size_t i = 0; i < self->watches.count; i++)
		armed += self->watches.items[i]->watch != NULL;
	for (size_t i = 0; i < self->timers.count; i++)
		armed += self->timers.items[i]->timer != NULL;
	return armed;
}

static void loop_free_(struct loop *loop)
{
	struct test_loop *self = (struct test_loop *)loop;
	assert(test_loop_armed(loop) == 0);
	run_posts(self); /* what is held frees itself (store.h, store_close) */
	slots_sweep(&self->watches);
	slots_sweep(&self->timers);
	free(self->watches.items);
	free(self->timers.items);
	close(self->wake[0]);
	close(self->wake[1]);
	pthread_mutex_destroy(&self->lock);
	free(self);
}

struct loop *test_loop_new(void)
{
	struct test_loop *self = NEW(struct test_loop);
	self->loop = (struct loop){ .watch = loop_watch_,
				    .unwatch = loop_unwatch_,
				    .timer_set = loop_timer_set_,
				    .timer_clear = loop_timer_clear_,
				    .post = loop_post_,
				    .set_turn = loop_set_turn_,
				    .run = loop_run_,
				    .stop = loop_stop_,
				    .free = loop_free_ };
	if (pipe2(self->wake, O_CLOEXEC | O_NONBLOCK) < 0)
		abort();
	pthread_mutex_init(&self->lock, NULL);
	return &self->loop;
}

bool test_loop_until(struct loop *loop, bool (*done)(void *data), void *data, int64_t timeout_ms)
{
	struct test_loop *self = (struct test_loop *)loop;
	int64_t end = now_us() + timeout_ms * 1000;
	while (!done(data)) {
		if (now_us() >= end)
			return false;
		iterate(self, end);
	}
	return true;
}

static bool never(void *data)
{
	return false;
}

void test_loop_for(struct loop *loop, int64_t duration_ms)
{
	test_loop_until(loop, never, NULL, duration_ms);
}

static bool is_true(void *data)
{
	return *(const bool *)data;
}

void test_loop_until_true(struct loop *loop, const bool *flag, int seconds)
{
	if (test_loop_until(loop, is_true, (void *)(uintptr_t)flag, seconds * 1000LL))
		return;
	fprintf(stderr, "nothing happened within %d s\n", seconds);
	abort();
}
