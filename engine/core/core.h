/* core.h: the deterministic interpreter: (program, execution, input, now, seed) → (records, new state, commands, outcome).
 *
 * No I/O, no clock, no threads, no randomness but the seed. Two halves:
 *   decide  (step.c, state_*.c) turns an input into events and commands, reading the program and the state;
 *   evolve  (evolve.c) folds one event into the state and never reads the program or the clock.
 * decide changes the state only through evolve: every event it emits is folded at once, and appended to the step's records. So folding
 * the stored records, from any snapshot at a record boundary, gives exactly the state, and a newer binary or a corrected
 * definition can load an old execution.
 *
 *     struct core_step *step = core_begin(execution, &env, &arena);
 *     core_apply(step, &input) …            once for each waiting input
 *     core_finish(step, &result);           records to store, commands to start after the commit
 *
 * An execution is a tree of frames: the root, one for each active Parallel branch and Map iteration. A frame is in one state and one phase:
 *
 *     READY → (enter state) → WAITING on a timer, a task, a retry, or its child frames → (exit) → READY …  → gone
 *
 * One thread per execution at a time. */
#pragma once
#include "base/arena.h"
#include "base/limits.h"
#include "dsl/program.h"
#include "engine/core/record.h"

struct execution;
struct core_test;

enum execution_status { EXECUTION_RUNNING, EXECUTION_SUCCEEDED_, EXECUTION_FAILED_, EXECUTION_TIMED_OUT_, EXECUTION_ABORTED_, EXECUTION_PENDING_REDRIVE };
const char *execution_status_name(enum execution_status status); /* "RUNNING" … */
bool execution_status_parse(struct str name, enum execution_status *ret_status);

/* What a step may know of the world. Borrowed for the step. */
struct core_env {
	const struct program *program;
	const struct limits *limits;
	int64_t now_ms; /* wall clock */
	uint64_t seed; /* fresh for every step */
	/* Who it is, for the context object and events. */
	struct str execution_arn, execution_name, state_machine_arn, state_machine_name, role_arn, region;
	bool synchronous; /* of StartSyncExecution: its context object has no Execution.RedriveCount */
	int64_t duration_ms; /* the longest that the execution may take, whatever its definition says; 0: no bound */
	/* Appends the task token of the task whose scheduled event will be `task_id` (token.h of the engine has the key). NULL: no tokens. */
	void (*task_token)(void *data, uint64_t task_id, struct buffer *out);
	/* Whether an activity with this ARN is registered: a task that names an unknown one fails at once. NULL: all are. */
	bool (*activity_exists)(void *data, struct str arn);
	void *data; /* for both */
	/* Errors (patterns of base/glob.h) that are neither retried nor caught: the execution fails with them at once, and is a dead letter. */
	const struct str *dead_errors;
	uint32_t dead_errors_count;
	/* A state that is played by itself (test.h); NULL: this is an execution. */
	struct core_test *test;
};

enum core_input_kind {
	INPUT_START, /* value: the input; raw: the caller's text */
	INPUT_TASK_STARTED, /* task_id; worker (activities). May be left out, or come late: the core records the start before the answer at the
				latest. A heartbeat's time runs from here, or from INPUT_TASK_SUBMITTED. */
	INPUT_TASK_SUBMITTED, /* task_id; value: the submit's answer (.waitForTaskToken, .sync) */
	INPUT_TASK_SUCCEEDED, /* task_id; value */
	INPUT_TASK_FAILED, /* task_id; error, cause */
	INPUT_TASK_TIMED_OUT, /* task_id: the connector itself ran into the deadline */
	INPUT_TASK_HEARTBEAT, /* task_id */
	INPUT_WAKE, /* whatever timer is due at env.now_ms fires; a wake that is too early does nothing */
	INPUT_CONTINUE, /* goes on after `more` */
	INPUT_STOP, /* error, cause (both optional) */
	INPUT_REDRIVE, /* an execution that failed, timed out or was aborted goes on where it stood; CLOSED if it runs, has succeeded, or was redriven
			* by this job last; value: instead of the failed state's input (UNKNOWN if that cannot be) */
};

/* Borrowed during core_apply. */
struct core_input {
	enum core_input_kind kind;
	uint64_t task_id; /* id of the task's scheduled event */
	const struct value *value;
	struct str raw;
	struct str error, cause;
	bool has_error, has_cause;
	struct str worker;
	bool token; /* the answer came by task token (SendTask*), not from the connector that ran the request */
	uint64_t job, revision; /* INPUT_REDRIVE: the bulk job that asks, the definition that it goes on with; 0: none, the same */
	struct str state, reason; /* INPUT_START: the state to begin with instead of StartAt, and why; empty: StartAt */
	const struct value *variables; /* INPUT_START: what is assigned already, an object; NULL: nothing */
	bool start_failed; /* INPUT_TASK_FAILED: the connector could not even start it (TaskStartFailed, LambdaFunctionScheduleFailed …) */
};

enum core_outcome {
	CORE_ACCEPTED, /* it had its effect */
	CORE_CLOSED, /* the execution has ended, or that task has been answered, timed out or cancelled */
	CORE_UNKNOWN, /* there never was such a task */
};

enum command_kind { COMMAND_START_TASK, COMMAND_CANCEL_TASK };

/* To be carried out after the commit of the records they came with, in this order. Texts and values live in the step's arena. */
struct command {
	enum command_kind kind;
	uint64_t task_id;
	struct resource resource;
	struct value *parameters; /* the task's effective input */
	/* START_TASK */
	struct str state_name;
	struct value *credentials; /* or NULL */
	int64_t deadline_ms; /* wall clock, when the core times it out; INT64_MAX: none. The runtime also cancels then. */
	int64_t heartbeat_s; /* 0: none */
	uint32_t attempt; /* 0 for the first */
};

struct core_result {
	struct record *records; /* in the arena; to append to the journal */
	uint32_t records_count;
	struct command *commands;
	uint32_t commands_count;
	bool more; /* the budget (step_events, step_bytes) is spent and it could go on: apply INPUT_CONTINUE in a later turn */
	bool changed; /* anything was recorded */
};

struct execution *execution_new(void);
void execution_free(struct execution *execution);

/* Begins a step: `env`, `arena` must live until core_finish. */
struct core_step *core_begin(struct execution *execution, const struct core_env *env, struct arena *arena);
enum core_outcome core_apply(struct core_step *step, const struct core_input *input);
/* Ends the step. A task that was started and cancelled within the step leaves no command. */
void core_finish(struct core_step *step, struct core_result *ret_result);

/* Commands that start again every task without an answer, with the same ids: after a recovery. */
void core_redispatch(const struct execution *execution, const struct core_env *env, struct arena *arena,
		     struct command **ret_commands, uint32_t *ret_count);

/* ---- the state ---------------------------------------------------------------------------- */

/* Folds one stored record. ERR(CORRUPT) if it does not follow. */
int execution_fold(struct execution *execution, const struct record *record, struct wf_error *err);
/* A snapshot: canonical (equal states give equal bytes), versioned, self-contained. / An execution from one. */
void execution_snapshot(const struct execution *execution, struct buffer *out);
int execution_from_snapshot(struct str bytes, struct execution **ret_execution, struct wf_error *err);

enum execution_status execution_status(const struct execution *execution);
int64_t execution_start_ms(const struct execution *execution);
int64_t execution_stop_ms(const struct execution *execution); /* 0 while it runs */
uint64_t execution_next_event_id(const struct execution *execution); /* last public id + 1; 1 for a new one */
const struct value *execution_input(const struct execution *execution); /* borrowed */
struct str execution_input_text(const struct execution *execution); /* as the caller gave it */
const struct value *execution_output(const struct execution *execution); /* NULL unless it succeeded */
bool execution_error(const struct execution *execution, struct str *ret_error, struct str *ret_cause); /* false if neither is set; an absent one has ptr NULL */
/* How often it was redriven, and when last (0: never). */
uint64_t execution_redrives(const struct execution *execution);
int64_t execution_redriven_ms(const struct execution *execution);
/* The bulk job that redrove it last, the definition that a redrive gave it last; 0: none. */
uint64_t execution_redrive_job(const struct execution *execution);
uint64_t execution_revision(const struct execution *execution);
/* Of one that ended badly: the name of the state that failed (the innermost; empty: none), its input (borrowed, NULL: none), and whether a redrive may
 * replace that. */
struct str execution_failed_state(const struct execution *execution, const struct value **ret_input, bool *ret_editable);
/* The effective input of a task that has no answer yet; borrowed. NULL if there is no such task. */
const struct value *execution_task_parameters(const struct execution *execution, uint64_t task_id);
/* Whether such a task's request went well, so that only the end of what it began is missing (.sync, .waitForTaskToken). */
bool execution_task_submitted(const struct execution *execution, uint64_t task_id);
/* The earliest time a timer of it is due; INT64_MAX if none is. */
int64_t execution_wake_ms(const struct execution *execution);
/* Tasks that a connector was asked to run and has not answered (a submitted .waitForTaskToken task and a queued activity do not count). */
uint32_t execution_tasks_in_flight(const struct execution *execution);
/* Whether it could go on at once (a step ended with `more`, or recovery found it so). */
bool execution_runnable(const struct execution *execution);
/* Resident bytes, roughly: for the cache. */
size_t execution_memory_bytes(const struct execution *execution);

/* One line per active frame for people and the live tree: calls visit(depth, frame, state name, phase ("running", "waiting", "retrying", …), entered_ms). */
void execution_visit_frames(const struct execution *execution,
			    void (*visit)(void *data, int depth, uint32_t frame, struct str state, const char *phase, int64_t entered_ms), void *data);
