/* The real loop: what struct loop promises, on libev. */
#include "base/mem.h"
#include "engine/loop_libev.h"
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

struct seen {
	struct loop *loop;
	char order[64];
	size_t count;
	int turns, more;
	pthread_t thread;
	struct loop_post posts[3];
	struct loop_timer timers[3];
	struct loop_watch watch;
	int pipe[2];
};
static struct seen *seen;

static void note(char what)
{
	seen->order[seen->count++] = what;
}

static void on_timer(struct loop_timer *timer)
{
	note((char)('a' + (timer - seen->timers)));
	if (timer == &seen->timers[2])
		seen->loop->stop(seen->loop);
}

static void on_post(struct loop_post *post)
{
	note((char)('0' + (post - seen->posts)));
	if (post == &seen->posts[2])
		seen->loop->stop(seen->loop);
}

static void *post_all(void *data)
{
	for (int i = 0; i < 3; i++)
		loop_post(seen->loop, &seen->posts[i]);
	return NULL;
}

static int make(void **state)
{
	seen = NEW(struct seen);
	seen->loop = loop_libev_new(NULL, NULL);
	for (int i = 0; i < 3; i++) {
		seen->posts[i].callback = on_post;
		seen->timers[i].callback = on_timer;
	}
	return 0;
}

static int destroy(void **state)
{
	seen->loop->free(seen->loop);
	free(seen);
	return 0;
}

static void timers_fire_once_and_in_order(void **state)
{
	loop_timer_set(seen->loop, &seen->timers[2], 600);
	loop_timer_set(seen->loop, &seen->timers[1], 300);
	loop_timer_set(seen->loop, &seen->timers[0], 400);
	loop_timer_set(seen->loop, &seen->timers[0], 0); /* moved */
	assert_true(seen->timers[0].active);
	seen->loop->run(seen->loop);
	assert_string_equal(seen->order, "abc");
	assert_false(seen->timers[0].active);
	loop_timer_clear(seen->loop, &seen->timers[0]); /* fine if not armed */
}

static void posts_of_a_thread_come_in_order(void **state)
{
	pthread_create(&seen->thread, NULL, post_all, NULL);
	seen->loop->run(seen->loop);
	pthread_join(seen->thread, NULL);
	assert_string_equal(seen->order, "012");
}

static bool on_turn(void *data)
{
	seen->turns++;
	if (seen->more-- > 0)
		return true; /* at once again, without sleeping */
	seen->loop->stop(seen->loop);
	return false;
}

static void the_turn_runs_before_the_first_sleep_and_again_while_it_has_more(void **state)
{
	seen->more = 5;
	seen->loop->set_turn(seen->loop, on_turn, NULL);
	loop_timer_set(seen->loop, &seen->timers[2], 10000); /* were it to sleep */
	seen->loop->run(seen->loop);
	assert_int_equal(seen->turns, 6);
	loop_timer_clear(seen->loop, &seen->timers[2]);
}

static void on_ready(struct loop_watch *watch, int fd, unsigned events)
{
	char byte;
	assert_int_equal(read(fd, &byte, 1), 1);
	note(byte);
	loop_unwatch(seen->loop, watch);
	seen->loop->stop(seen->loop);
}

static void a_watched_descriptor_calls_back_until_it_is_unwatched(void **state)
{
	assert_int_equal(pipe(seen->pipe), 0);
	seen->watch.callback = on_ready;
	loop_watch_fd(seen->loop, &seen->watch, seen->pipe[0], LOOP_WRITE); /* changed before anything came */
	loop_watch_fd(seen->loop, &seen->watch, seen->pipe[0], LOOP_READ);
	assert_int_equal(write(seen->pipe[1], "x", 1), 1);
	seen->loop->run(seen->loop);
	assert_string_equal(seen->order, "x");
	loop_unwatch(seen->loop, &seen->watch);
	close(seen->pipe[0]);
	close(seen->pipe[1]);
}

static void on_signal(void *data, int number)
{
	*(int *)data = number;
	seen->loop->stop(seen->loop);
}

static void a_signal_is_reported_on_the_loop(void **state)
{
	int number = 0;
	seen->loop->free(seen->loop);
	seen->loop = loop_libev_new(on_signal, &number);
	kill(getpid(), SIGTERM);
	seen->loop->run(seen->loop);
	assert_int_equal(number, SIGTERM);
}

struct owned_post {
	struct loop_post post;
	bool again;
};

static void free_itself(struct loop_post *post)
{
	struct owned_post *owned = (struct owned_post *)post;
	note(owned->again ? 'x' : 'y');
	if (owned->again) {
		owned->again = false;
		loop_post(seen->loop, post);
	} else {
		free(owned);
	}
}

static void what_is_posted_runs_before_the_loop_is_freed(void **state)
{
	struct owned_post *owned = NEW(struct owned_post);
	*owned = (struct owned_post){ { .callback = free_itself }, .again = true };
	loop_post(seen->loop, &seen->posts[0]);
	loop_post(seen->loop, &owned->post);
	seen->loop->free(seen->loop);
	assert_string_equal(seen->order, "0xy");
	seen->loop = loop_libev_new(NULL, NULL); /* for destroy */
}

#define WITH_LOOP(test) cmocka_unit_test_setup_teardown(test, make, destroy)

/* ---- a loop with a thread of its own */

struct errand {
	struct loop *loop;
	struct loop_post post;
	struct loop_timer timer;
	pthread_t thread; /* that it ran on */
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	bool done;
};

static void errand_is_done(struct loop_timer *timer)
{
	struct errand *errand = timer->data;
	pthread_mutex_lock(&errand->mutex);
	errand->thread = pthread_self();
	errand->done = true;
	pthread_cond_signal(&errand->changed);
	pthread_mutex_unlock(&errand->mutex);
}

static void on_errand(struct loop_post *post)
{
	struct errand *errand = (struct errand *)((char *)post - offsetof(struct errand, post));
	errand->timer = (struct loop_timer){ .callback = errand_is_done, .data = errand };
	loop_timer_set(errand->loop, &errand->timer, 1);
}

static void a_loop_with_a_thread_works_there_from_its_start_to_its_end(void **state)
{
	struct errand errand = { .loop = loop_libev_new_threaded("errands"),
				 .post = { .callback = on_errand },
				 .mutex = PTHREAD_MUTEX_INITIALIZER,
				 .changed = PTHREAD_COND_INITIALIZER };
	for (int i = 0; i < 2; i++) /* the second time it runs already */
		assert_int_equal(errand.loop->start(errand.loop, NULL), 0);
	for (int round = 0; round < 100; round++) {
		errand.done = false;
		loop_post(errand.loop, &errand.post);
		pthread_mutex_lock(&errand.mutex);
		while (!errand.done)
			pthread_cond_wait(&errand.changed, &errand.mutex);
		pthread_mutex_unlock(&errand.mutex);
	}
	assert_false(pthread_equal(errand.thread, pthread_self()));
	errand.loop->free(errand.loop);
}

static void a_loop_that_is_never_started_has_no_thread(void **state)
{
	struct loop *loop = loop_libev_new_threaded("errands");
	loop->free(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_LOOP(timers_fire_once_and_in_order),
		WITH_LOOP(posts_of_a_thread_come_in_order),
		WITH_LOOP(the_turn_runs_before_the_first_sleep_and_again_while_it_has_more),
		WITH_LOOP(a_watched_descriptor_calls_back_until_it_is_unwatched),
		WITH_LOOP(a_signal_is_reported_on_the_loop),
		WITH_LOOP(what_is_posted_runs_before_the_loop_is_freed),
		cmocka_unit_test(a_loop_with_a_thread_works_there_from_its_start_to_its_end),
		cmocka_unit_test(a_loop_that_is_never_started_has_no_thread),
	};
	return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
