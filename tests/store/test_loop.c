#include "tests/store/test_loop.h"
#include "base/clock.h"
#include "base/mem.h"
#include <assert.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define WATCHES_MAX 64
#define TIMERS_MAX 256

struct test_loop {
	struct loop loop; /* first */
	int wake_fd;
	bool stopped;
	bool (*turn)(void *data);
	void *turn_data;
	struct loop_watch *watches[WATCHES_MAX];
	struct armed {
		struct loop_timer *timer;
		int64_t due_us;
	} timers[TIMERS_MAX];
	pthread_mutex_t mutex;
	struct loop_post *first, **tail; /* under the mutex */
};

static struct test_loop *of(struct loop *loop)
{
	return (struct test_loop *)loop;
}

static int64_t now_us(void)
{
	return clock_system()->monotonic_us(clock_system());
}

static void loop_unwatch_(struct loop *loop, struct loop_watch *watch)
{
	for (int i = 0; i < WATCHES_MAX; i++)
		if (of(loop)->watches[i] == watch)
			of(loop)->watches[i] = NULL;
}

static void loop_watch_(struct loop *loop, struct loop_watch *watch, int fd, unsigned events)
{
	loop_unwatch_(loop, watch);
	watch->fd = fd;
	watch->events = events;
	for (int i = 0; i < WATCHES_MAX; i++)
		if (!of(loop)->watches[i]) {
			of(loop)->watches[i] = watch;
			return;
		}
	assert(!"too many watches");
}

static void loop_timer_clear_(struct loop *loop, struct loop_timer *timer)
{
	for (int i = 0; i < TIMERS_MAX; i++)
		if (of(loop)->timers[i].timer == timer)
			of(loop)->timers[i].timer = NULL;
	timer->active = false;
}

static void loop_timer_set_(struct loop *loop, struct loop_timer *timer, int64_t delay_ms)
{
	loop_timer_clear_(loop, timer);
	for (int i = 0; i < TIMERS_MAX; i++)
		if (!of(loop)->timers[i].timer) {
			of(loop)->timers[i] = (struct armed){ timer, now_us() + delay_ms * 1000 };
			timer->active = true;
			return;
		}
	assert(!"too many timers");
}

static void loop_post_(struct loop *loop, struct loop_post *post)
{
	struct test_loop *test = of(loop);
	post->next = NULL;
	pthread_mutex_lock(&test->mutex);
	*test->tail = post;
	test->tail = &post->next;
	pthread_mutex_unlock(&test->mutex);
	uint64_t one = 1;
	ssize_t written = write(test->wake_fd, &one, sizeof one);
	assert(written == sizeof one);
}

static void run_posts(struct test_loop *test)
{
	pthread_mutex_lock(&test->mutex);
	struct loop_post *post = test->first;
	test->first = NULL;
	test->tail = &test->first;
	pthread_mutex_unlock(&test->mutex);
	while (post) {
		struct loop_post *next = post->next;
		post->callback(post);
		post = next;
	}
}

static void run_timers(struct test_loop *test)
{
	int64_t now = now_us();
	for (int i = 0; i < TIMERS_MAX; i++) {
		struct loop_timer *timer = test->timers[i].timer;
		if (!timer || test->timers[i].due_us > now)
			continue;
		test->timers[i].timer = NULL;
		timer->active = false;
		timer->callback(timer);
	}
}

static int wait_ms(const struct test_loop *test, bool busy)
{
	int64_t least = 1000000, now = now_us();
	for (int i = 0; i < TIMERS_MAX; i++)
		if (test->timers[i].timer && test->timers[i].due_us - now < least)
			least = test->timers[i].due_us - now;
	return busy || least < 0 ? 0 : (int)(least / 1000 + 1);
}

static void poll_once(struct test_loop *test, bool busy)
{
	struct pollfd fds[WATCHES_MAX + 1] = { { test->wake_fd, POLLIN, 0 } };
	for (int i = 0; i < WATCHES_MAX; i++) {
		const struct loop_watch *watch = test->watches[i];
		fds[i + 1].fd = watch ? watch->fd : -1;
		if (watch)
			fds[i + 1].events = (watch->events & LOOP_READ ? POLLIN : 0) | (watch->events & LOOP_WRITE ? POLLOUT : 0);
	}
	poll(fds, WATCHES_MAX + 1, wait_ms(test, busy));
	uint64_t ignored;
	if (fds[0].revents && read(test->wake_fd, &ignored, sizeof ignored) < 0)
		perror("eventfd");
	for (int i = 0; i < WATCHES_MAX; i++) {
		struct loop_watch *watch = test->watches[i];
		short got = fds[i + 1].revents;
		if (watch && got)
			watch->callback(watch, watch->fd, (got & (POLLIN | POLLHUP) ? LOOP_READ : 0) | (got & POLLOUT ? LOOP_WRITE : 0));
	}
}

static void run_once(struct test_loop *test, bool *busy)
{
	poll_once(test, *busy);
	run_timers(test);
	run_posts(test);
	*busy = test->turn && test->turn(test->turn_data);
}

static void loop_run_(struct loop *loop)
{
	bool busy = false;
	of(loop)->stopped = false;
	while (!of(loop)->stopped)
		run_once(of(loop), &busy);
}

static void loop_stop_(struct loop *loop)
{
	of(loop)->stopped = true;
}

static void loop_set_turn_(struct loop *loop, bool (*callback)(void *data), void *data)
{
	of(loop)->turn = callback;
	of(loop)->turn_data = data;
}

static void loop_free_(struct loop *loop)
{
	run_posts(of(loop));
	close(of(loop)->wake_fd);
	pthread_mutex_destroy(&of(loop)->mutex);
	free(loop);
}

struct loop *test_loop_new(void)
{
	struct test_loop *test = NEW(struct test_loop);
	test->loop = (struct loop){
		.watch = loop_watch_,
		.unwatch = loop_unwatch_,
		.timer_set = loop_timer_set_,
		.timer_clear = loop_timer_clear_,
		.post = loop_post_,
		.set_turn = loop_set_turn_,
		.run = loop_run_,
		.stop = loop_stop_,
		.free = loop_free_,
	};
	test->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	assert(test->wake_fd >= 0);
	test->tail = &test->first;
	pthread_mutex_init(&test->mutex, NULL);
	return &test->loop;
}

void test_loop_until(struct loop *loop, const bool *flag, int seconds)
{
	int64_t end_us = now_us() + (int64_t)seconds * 1000000;
	bool busy = false;
	while (!*flag) {
		if (now_us() > end_us) {
			fprintf(stderr, "the loop waited %d s for something that did not come\n", seconds);
			abort();
		}
		run_once(of(loop), &busy);
	}
}
