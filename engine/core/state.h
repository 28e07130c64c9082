/* state.h: the state of one execution: its frames, their timers, the queue of those that can go on. Internal to
 * engine/core.
 *
 * Only evolve.c changes it (and snapshot.c, which builds one). Everything that is not in a snapshot is derived from
 * what is: the timer heap, the map of open tasks, the hints that decide leaves for itself.
 *
 *     execution ─ root ─┬─ frame (branch 0 or iteration 0)
 *                       └─ frame (branch 1 …) ─┬─ frame …
 *
 * A frame's life, by the events that move it:
 *
 *     READY ──Entered──▶ ENTERED ──Scheduled──▶ TASK ──Succeeded──▶ ANSWERED ─┐
 *       ▲                   │ │ └──WaitScheduled──▶ WAITING ─────────────────┤
 *       │                   │ └──Started (Parallel, Map)──▶ CHILDREN ─────────┤
 *       │                   └────────────────────────────────────────────────┤
 *       └──────────────── Exited with a next state ◀─────────────────────────┤
 *                         Exited without one ──▶ EXITED ──▶ gone             │
 *     FAILING ◀── TaskFailed, EvaluationFailed, a failed child               │
 *       ├── RetryScheduled ──▶ RETRYING ── runs the state again ─────────────┘
 *       ├── Exited by a catcher ──▶ READY
 *       └── the scope fails ──▶ FAILED (kept, so that a redrive can reopen it) */
#pragma once
#include "base/map.h"
#include "engine/core/core.h"

#define FRAME_PHASES(X)                                                                                                \
	X(READY, "ready")       /* about to enter `state`; an empty name is its scope's start */                       \
	X(ENTERED, "running")   /* inside `state`, which has not acted yet */                                          \
	X(WAITING, "waiting")   /* a Wait, until due_ms */                                                             \
	X(TASK, "task")         /* `task` is open */                                                                   \
	X(ANSWERED, "answered") /* a task's `result` is there */                                                       \
	X(CHILDREN, "children") /* its `fan` runs */                                                                   \
	X(FAILING, "failing")   /* `error` is there; retry, catch or fail */                                           \
	X(RETRYING, "retrying") /* until due_ms */                                                                     \
	X(EXITED, "exited")     /* the last state has exited with `input` as the scope's output */                     \
	X(FAILED, "failed")                                                                                            \
	X(ABORTED, "aborted")

enum frame_phase {
#define X(name, text) PHASE_##name,
	FRAME_PHASES(X)
#undef X
	    PHASES
};

/* A string of its own that is overwritten without allocating while it fits. */
struct kept_text {
	char *ptr;
	uint32_t len, capacity;
};
void kept_text_set(struct kept_text *text, struct str from);
void kept_text_done(struct kept_text *text);
static inline struct str kept_text_str(const struct kept_text *text)
{
	return text->len ? (struct str){ text->ptr, text->len } : STR_EMPTY;
}

struct open_task {
	uint64_t id; /* of its scheduled event */
	enum event_type scheduled;
	struct kept_text arn;                   /* the whole resource */
	struct value *parameters, *credentials; /* credentials may be NULL */
	int64_t deadline_ms, heartbeat_due_ms;  /* INT64_MAX: none */
	int64_t heartbeat_s;                    /* 0: none */
	uint32_t attempt;
	bool started, submitted;
};

/* What a Parallel or Map in CHILDREN (or failed there) knows of its branches or iterations. */
struct fan {
	bool map;
	uint64_t length;      /* branches or items */
	uint64_t concurrency; /* 0: no bound */
	uint64_t tolerated;   /* iterations that may fail */
	uint64_t begun, active, succeeded, failed;
	uint64_t begin_after_id; /* what the next MapIterationStarted points at */
	struct value *items;     /* Map */
	struct value **results;  /* [begun]; NULL while it runs */
	size_t results_capacity;
};

#define NO_TIMER SIZE_MAX

struct frame {
	uint32_t id;
	uint32_t index; /* which branch or iteration */
	struct frame *parent, *first_child, *last_child, *previous, *next;
	struct frame *queue_previous, *queue_next;
	bool queued;

	enum frame_phase phase;
	struct kept_text state;
	struct value *input;            /* the raw input of `state`; READY: what it will be; EXITED: the output */
	struct value *result;           /* ANSWERED */
	struct value *variables;        /* its own scope's, an object; NULL: none */
	uint64_t last_id;               /* the event that its next one points at */
	uint64_t entered_id, before_id; /* StateEntered, and what that one points at */
	int64_t entered_ms;

	uint32_t *attempts; /* retries made, by retrier */
	uint32_t attempts_count;
	uint32_t retries; /* the sum */

	struct kept_text error, cause;
	bool has_error, has_cause;
	bool heartbeat_missed; /* a States.Timeout that is also a States.HeartbeatTimeout */
	bool child_failed;     /* FAILING because of a branch or iteration */

	struct open_task *task;
	struct fan *fan;

	int64_t due_ms; /* when its timer fires; INT64_MAX: no timer */
	size_t timer;   /* place in the heap, or NO_TIMER */

	/* For decide only, never stored: `state` resolved, valid within the step `at_step`. */
	const struct state *at;
	uint64_t at_step;
};

struct execution {
	bool started;
	enum execution_status status;
	int64_t start_ms, stop_ms;
	int64_t last_ms;     /* of the newest event: times never decrease */
	int64_t deadline_ms; /* the machine's TimeoutSeconds; INT64_MAX: none */
	uint64_t next_id;
	uint32_t next_frame;
	uint64_t redrives;
	int64_t redriven_ms; /* the last time */
	uint64_t redrive_job, revision; /* that redrove it last; that a redrive gave it last; 0: none */
	struct value *input, *output;
	struct kept_text raw; /* the caller's input text; empty: the same as input's */
	struct kept_text error, cause;
	bool has_error, has_cause;

	struct frame root;
	struct u64_map frames;                  /* all but the root, by id */
	struct u64_map tasks;                   /* frames with an open task, by its id */
	struct frame *queue_first, *queue_last; /* frames that can go on, in the order in which they will */

	struct frame **timers; /* binary heap by (due_ms, id) */
	size_t timers_count, timers_capacity;

	uint64_t steps; /* for the hints */
};

/* ---- frames.c --------------------------------------------------------------------------- */

struct frame *execution_frame(const struct execution *execution, uint32_t id); /* NULL if there is none */
/* The frame that waits for this task; NULL if none does. */
struct frame *execution_task_frame(const struct execution *execution, uint64_t task_id);
struct frame *frame_open(struct execution *execution, struct frame *parent, uint32_t id, uint32_t index);
/* Takes a child, and all below it, out of the tree and frees it. */
void frame_close(struct execution *execution, struct frame *frame);
void frame_close_children(struct execution *execution, struct frame *frame);
void frame_clear_task(struct execution *execution, struct frame *frame);
void frame_clear_fan(struct execution *execution, struct frame *frame); /* with its children */
void frame_clear_error(struct frame *frame);
void fan_free(struct fan *fan);

/* Whether decide has something to do for it. */
bool frame_can_go_on(const struct frame *frame);
/* Puts it into the queue's end, or takes it out, as frame_can_go_on says. */
void frame_update_queue(struct execution *execution, struct frame *frame);
/* Puts it behind the others, so that branches take turns. */
void frame_yield(struct execution *execution, struct frame *frame);

/* Where one that ended badly stands: the innermost frame that failed, else the innermost first one. */
struct frame *execution_failed_frame(const struct execution *execution);

/* The next frame of `top`'s subtree after `frame`, parents first; NULL after the last. */
struct frame *frame_walk(const struct frame *top, const struct frame *frame);

/* Replaces a value: references the new one, drops the old. NULL is fine. */
static inline void value_set(struct value **place, const struct value *value)
{
	struct value *old = *place;
	*place = value ? value_ref(value) : NULL;
	value_unref(old);
}

/* ---- timers.c --------------------------------------------------------------------------- */

/* Sets a frame's timer; INT64_MAX takes it away. */
void frame_timer_set(struct execution *execution, struct frame *frame, int64_t due_ms);
/* The frame whose timer is due first; NULL if there is none. */
struct frame *frame_timer_first(const struct execution *execution);
/* When a frame's state says it is due. */
int64_t frame_due_ms(const struct frame *frame);

/* ---- evolve.c --------------------------------------------------------------------------- */

/* Folds an event. 0, or ERR(CORRUPT) if it does not follow from the state; then the state may be half changed and is
 * good for nothing. */
int evolve(struct execution *execution, const struct event *event, struct wf_error *err);
