/* loop.h: the event loop as a vtable: watch a descriptor, set a timer, post from a thread.
 *
 * Everything happens on the loop's one thread, except loop_post, which any thread may call. A
 * callback only translates what happened into an input and queues it (see engine/turn.h).
 * engine/loop_libev.c is the real one; tests and the simulator bring their own. */
#pragma once
#include "base/error.h"
#include <stdbool.h>
#include <stdint.h>

struct loop;

enum loop_event {
	LOOP_READ = 1,
	LOOP_WRITE = 2,
};

/* Embedded in the owner's struct and zeroed; `callback` and `data` set by the owner before use. */
struct loop_watch {
	void (*callback)(struct loop_watch *watch, int fd, unsigned events);
	void *data;
	int fd;
	unsigned events;
	void *impl; /* the loop's own */
};

struct loop_timer {
	void (*callback)(struct loop_timer *timer);
	void *data;
	bool active;
	void *impl; /* the loop's own */
};

/* A task posted from a thread; embedded; must stay alive until its callback ran. */
struct loop_post {
	void (*callback)(struct loop_post *post);
	struct loop_post *next; /* the loop's own */
};

struct loop {
	/* Starts watching, or changes what is watched (fd, events are copied into the watch). */
	void (*watch)(struct loop *loop, struct loop_watch *watch, int fd, unsigned events);
	void (*unwatch)(struct loop *loop, struct loop_watch *watch);
	/* (Re)arms a timer `delay_ms` from now (0: in the next iteration) / disarms it (fine if not armed). Fires once. */
	void (*timer_set)(struct loop *loop, struct loop_timer *timer, int64_t delay_ms);
	void (*timer_clear)(struct loop *loop, struct loop_timer *timer);
	/* Queues `post` and wakes the loop. Any thread. In order of posting. */
	void (*post)(struct loop *loop, struct loop_post *post);
	/* `callback` is called after each iteration's events were handled and before the loop sleeps. One per loop: the engine's turn.
	 * Returns true if it has more to do at once (the loop then polls without sleeping). */
	void (*set_turn)(struct loop *loop, bool (*callback)(void *data), void *data);
	/* Runs until stop / makes run return after the current iteration. */
	void (*run)(struct loop *loop);
	/* For a loop with a thread of its own: starts the thread, unless it runs, and whoever posts to the loop calls it
	 * first. NULL: whoever made the loop runs it. */
	int (*start)(struct loop *loop, struct wf_error *err);
	void (*stop)(struct loop *loop);
	/* Frees the loop; nothing may be armed. What is posted and has not run yet runs now: it may own what it points at. */
	void (*free)(struct loop *loop);
};

static inline void loop_watch_fd(struct loop *l, struct loop_watch *w, int fd, unsigned events) { l->watch(l, w, fd, events); }
static inline void loop_unwatch(struct loop *l, struct loop_watch *w) { l->unwatch(l, w); }
static inline void loop_timer_set(struct loop *l, struct loop_timer *t, int64_t delay_ms) { l->timer_set(l, t, delay_ms); }
static inline void loop_timer_clear(struct loop *l, struct loop_timer *t) { l->timer_clear(l, t); }
static inline void loop_post(struct loop *l, struct loop_post *p) { l->post(l, p); }
