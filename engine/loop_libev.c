/* loop_libev.c: the event loop over libev, the only file that includes ev.h.
 *
 * The turn runs in a prepare watcher: after an iteration's events were handled, before the loop sleeps. When it says
 * that it has more to do, an idle watcher is kept active, and the loop polls without sleeping. Posts from threads go
 * into a list under a mutex; an async watcher wakes the loop, which takes the whole list at once.
 *
 * A loop with a thread of its own has, until it is started, neither the thread nor anything of libev's. */
#include "engine/loop_libev.h"
#include "base/mem.h"
#include <assert.h>
#include <ev.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>

struct loop_libev {
	struct loop loop;
	struct ev_loop *ev;
	ev_prepare prepare;
	ev_idle idle;
	ev_async async;
	ev_signal signals[2];
	bool has_signals;
	bool (*turn)(void *data);
	void *turn_data;
	void (*on_signal)(void *data, int signal);
	void *signal_data;
	pthread_mutex_t mutex; /* guards the posts */
	struct loop_post *posts, **posts_tail;
	const char *thread_name; /* NULL: it has no thread of its own */
	pthread_t thread;        /* once `ev` is there */
	struct loop_post end;
};

/* A watch's or timer's half of libev; the owner's struct points at it with `impl`. */
struct ev_watch {
	ev_io io;
	struct loop_watch *watch;
};
struct ev_timeout {
	ev_timer timer;
	struct loop_timer *owner;
};

static struct loop_libev *of(struct loop *loop)
{
	return (struct loop_libev *)loop;
}

static void on_io(struct ev_loop *ev, ev_io *io, int revents)
{
	struct loop_watch *watch = ((struct ev_watch *)io)->watch;
	unsigned events = (revents & EV_READ ? LOOP_READ : 0) | (revents & EV_WRITE ? LOOP_WRITE : 0);
	watch->callback(watch, io->fd, events);
}

static void libev_watch(struct loop *loop, struct loop_watch *watch, int fd, unsigned events)
{
	struct ev_watch *impl = watch->impl;
	if (!impl) {
		impl = NEW(struct ev_watch);
		impl->watch = watch;
		ev_init(&impl->io, on_io);
		watch->impl = impl;
	}
	ev_io_stop(of(loop)->ev, &impl->io);
	watch->fd = fd;
	watch->events = events;
	ev_io_set(&impl->io, fd, (events & LOOP_READ ? EV_READ : 0) | (events & LOOP_WRITE ? EV_WRITE : 0));
	if (events)
		ev_io_start(of(loop)->ev, &impl->io);
}

static void libev_unwatch(struct loop *loop, struct loop_watch *watch)
{
	struct ev_watch *impl = watch->impl;
	if (!impl)
		return;
	ev_io_stop(of(loop)->ev, &impl->io);
	watch->impl = NULL;
	free(impl);
}

static void on_timer(struct ev_loop *ev, ev_timer *timer, int revents)
{
	struct loop_timer *owner = ((struct ev_timeout *)timer)->owner;
	owner->active = false;
	owner->impl = NULL;
	free(timer);
	owner->callback(owner);
}

static void libev_timer_clear(struct loop *loop, struct loop_timer *timer)
{
	struct ev_timeout *impl = timer->impl;
	if (!impl)
		return;
	ev_timer_stop(of(loop)->ev, &impl->timer);
	timer->impl = NULL;
	timer->active = false;
	free(impl);
}

static void libev_timer_set(struct loop *loop, struct loop_timer *timer, int64_t delay_ms)
{
	struct ev_timeout *impl = timer->impl;
	if (impl) {
		ev_timer_stop(of(loop)->ev, &impl->timer);
	} else {
		impl = NEW(struct ev_timeout);
		impl->owner = timer;
		timer->impl = impl;
	}
	/* libev counts from the start of the iteration; a long turn must not shorten the delay. */
	ev_now_update(of(loop)->ev);
	ev_timer_init(&impl->timer, on_timer, delay_ms > 0 ? (double)delay_ms / 1000 : 0, 0);
	ev_timer_start(of(loop)->ev, &impl->timer);
	timer->active = true;
}

static void libev_post(struct loop *loop, struct loop_post *post)
{
	struct loop_libev *self = of(loop);
	post->next = NULL;
	pthread_mutex_lock(&self->mutex);
	*self->posts_tail = post;
	self->posts_tail = &post->next;
	pthread_mutex_unlock(&self->mutex);
	ev_async_send(self->ev, &self->async);
}

static struct loop_post *take_posts(struct loop_libev *self)
{
	pthread_mutex_lock(&self->mutex);
	struct loop_post *first = self->posts;
	self->posts = NULL;
	self->posts_tail = &self->posts;
	pthread_mutex_unlock(&self->mutex);
	return first;
}

static void run_posts(struct loop_post *post)
{
	while (post) {
		struct loop_post *next = post->next; /* the callback may free it */
		post->callback(post);
		post = next;
	}
}

static void on_async(struct ev_loop *ev, ev_async *async, int revents)
{
	run_posts(take_posts(async->data));
}

static void on_prepare(struct ev_loop *ev, ev_prepare *prepare, int revents)
{
	struct loop_libev *self = prepare->data;
	if (self->turn && self->turn(self->turn_data))
		ev_idle_start(ev, &self->idle);
	else
		ev_idle_stop(ev, &self->idle);
}

/* Its being active is all: the loop does not sleep. */
static void on_idle(struct ev_loop *ev, ev_idle *idle, int revents) {}

static void on_signal(struct ev_loop *ev, ev_signal *signal, int revents)
{
	struct loop_libev *self = signal->data;
	self->on_signal(self->signal_data, signal->signum);
}

static void libev_set_turn(struct loop *loop, bool (*callback)(void *data), void *data)
{
	of(loop)->turn = callback;
	of(loop)->turn_data = data;
}

static void libev_run(struct loop *loop)
{
	ev_run(of(loop)->ev, 0);
}

static void libev_stop(struct loop *loop)
{
	ev_break(of(loop)->ev, EVBREAK_ALL);
}

static void open_ev(struct loop_libev *self)
{
	self->ev = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOENV);
	assert(self->ev);
	ev_prepare_init(&self->prepare, on_prepare);
	self->prepare.data = self;
	ev_prepare_start(self->ev, &self->prepare);
	ev_idle_init(&self->idle, on_idle);
	ev_async_init(&self->async, on_async);
	self->async.data = self;
	ev_async_start(self->ev, &self->async);
}

static void close_ev(struct loop_libev *self)
{
	ev_prepare_stop(self->ev, &self->prepare);
	ev_idle_stop(self->ev, &self->idle);
	ev_async_stop(self->ev, &self->async);
	for (int i = 0; self->has_signals && i < 2; i++)
		ev_signal_stop(self->ev, &self->signals[i]);
	ev_loop_destroy(self->ev);
}

/* ---- a thread of its own ---- */

static void *run_thread(void *data)
{
	struct loop_libev *self = data;
	ev_run(self->ev, 0);
	return NULL;
}

static int libev_start(struct loop *loop, struct wf_error *err)
{
	struct loop_libev *self = of(loop);
	if (self->ev)
		return 0;
	open_ev(self);
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int failed = pthread_create(&self->thread, NULL, run_thread, self);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (failed) {
		close_ev(self);
		self->ev = NULL;
		return error_errno(err, failed, "cannot start the thread %s", self->thread_name);
	}
	pthread_setname_np(self->thread, self->thread_name);
	return 0;
}

static void on_end(struct loop_post *post)
{
	struct loop_libev *self = (struct loop_libev *)((char *)post - offsetof(struct loop_libev, end));
	ev_break(self->ev, EVBREAK_ALL);
}

static void end_thread(struct loop_libev *self)
{
	if (!self->ev)
		return;
	self->end.callback = on_end;
	loop_post(&self->loop, &self->end);
	pthread_join(self->thread, NULL);
}

static void libev_free(struct loop *loop)
{
	struct loop_libev *self = of(loop);
	if (self->thread_name)
		end_thread(self);
	for (struct loop_post *posts; (posts = take_posts(self));)
		run_posts(posts);
	if (self->ev)
		close_ev(self);
	pthread_mutex_destroy(&self->mutex);
	free(self);
}

static struct loop_libev *loop_new(void)
{
	struct loop_libev *self = NEW(struct loop_libev);
	self->loop = (struct loop){ .watch = libev_watch,
				    .unwatch = libev_unwatch,
				    .timer_set = libev_timer_set,
				    .timer_clear = libev_timer_clear,
				    .post = libev_post,
				    .set_turn = libev_set_turn,
				    .run = libev_run,
				    .stop = libev_stop,
				    .free = libev_free };
	pthread_mutex_init(&self->mutex, NULL);
	self->posts_tail = &self->posts;
	return self;
}

struct loop *loop_libev_new_threaded(const char *name)
{
	struct loop_libev *self = loop_new();
	self->loop.start = libev_start;
	self->thread_name = name;
	return &self->loop;
}

struct loop *loop_libev_new(void (*signal_callback)(void *data, int signal), void *data)
{
	static const int signals[2] = { SIGINT, SIGTERM };
	struct loop_libev *self = loop_new();
	open_ev(self);
	if (signal_callback) {
		self->on_signal = signal_callback;
		self->signal_data = data;
		self->has_signals = true;
		for (int i = 0; i < 2; i++) {
			ev_signal_init(&self->signals[i], on_signal, signals[i]);
			self->signals[i].data = self;
			ev_signal_start(self->ev, &self->signals[i]);
		}
	}
	return &self->loop;
}
