/* engine.h: the runtime: what the server, the command line and the tests see of it.
 *
 * The engine owns the registry of state machines, the mailbox of inputs, the turn, the cache of executions, timers, and the dispatch of tasks. It
 * brings the pure core, the store and the connectors together (DESIGN: one execution, from request to history):
 *
 *     request ─► mailbox ─► turn: core steps ─► one batch ─► store ─► committed ─► replies, commands
 *                  ▲                                                                     │
 *                  └──────── timers, connectors' answers, task tokens ◄──────────────────┘
 *
 * Everything here is called, and calls back, on the loop's thread; callbacks never come from within the call that asked. A
 * callback's arguments are borrowed for its duration. A reply is given when everything that it depends on is durable.
 *
 * ARNs name things, as on AWS:
 *     arn:aws:states:REGION:ACCOUNT:stateMachine:NAME      arn:aws:states:REGION:ACCOUNT:execution:MACHINE:NAME */
#pragma once
#include "base/clock.h"
#include "base/loop.h"
#include "connectors/connector.h"
#include "connectors/log_sink.h"
#include "engine/core/core.h"
#include "state-store/store.h"

struct engine;

/* AWS's error names of the operations here. X(ENUM, name) */
#define ENGINE_ERRORS(X)                                                 \
	X(INVALID_ARN, "InvalidArn")                                     \
	X(INVALID_NAME, "InvalidName")                                   \
	X(INVALID_DEFINITION, "InvalidDefinition")                       \
	X(INVALID_EXECUTION_INPUT, "InvalidExecutionInput")              \
	X(INVALID_TOKEN, "InvalidToken")                                 \
	X(INVALID_OUTPUT, "InvalidOutput")                               \
	X(STATE_MACHINE_DOES_NOT_EXIST, "StateMachineDoesNotExist")      \
	X(STATE_MACHINE_ALREADY_EXISTS, "StateMachineAlreadyExists")     \
	X(STATE_MACHINE_DELETING, "StateMachineDeleting")                \
	X(STATE_MACHINE_TYPE_NOT_SUPPORTED, "StateMachineTypeNotSupported") \
	X(STATE_MACHINE_LIMIT_EXCEEDED, "StateMachineLimitExceeded")     \
	X(EXECUTION_DOES_NOT_EXIST, "ExecutionDoesNotExist")             \
	X(EXECUTION_ALREADY_EXISTS, "ExecutionAlreadyExists")            \
	X(EXECUTION_LIMIT_EXCEEDED, "ExecutionLimitExceeded")            \
	X(TASK_DOES_NOT_EXIST, "TaskDoesNotExist")                       \
	X(TASK_TIMED_OUT, "TaskTimedOut")                                \
	X(MISSING_REQUIRED_PARAMETER, "MissingRequiredParameter")        \
	X(CONFLICT, "ConflictException")                                 \
	X(VALIDATION, "ValidationException")                             \
	X(ACTIVITY_DOES_NOT_EXIST, "ActivityDoesNotExist")               \
	X(ACTIVITY_ALREADY_EXISTS, "ActivityAlreadyExists")              \
	X(ACTIVITY_WORKER_LIMIT_EXCEEDED, "ActivityWorkerLimitExceeded") \
	X(RESOURCE_NOT_FOUND, "ResourceNotFound")                        \
	X(TOO_MANY_TAGS, "TooManyTags")                                  \
	X(SERVICE_QUOTA_EXCEEDED, "ServiceQuotaExceededException")       \
	X(EXECUTION_NOT_REDRIVABLE, "ExecutionNotRedrivable")            \
	X(UNAVAILABLE, "ServiceUnavailable") /* 503: queue full, disk full, shutting down: try again */ \
	X(INTERNAL, "InternalFailure")       /* 500 */

enum engine_error_code {
	ENGINE_OK = 0,
#define X(id, name) ENGINE_##id,
	ENGINE_ERRORS(X)
#undef X
};
const char *engine_error_name(enum engine_error_code code);

/* Every reply carries one. `message` is AWS's text, e.g. "State Machine Does Not Exist: 'arn…'". */
struct engine_error {
	enum engine_error_code code;
	struct str message;
	bool passing; /* of this moment (a full disk, a read that failed): the same request may go well in a while */
};

typedef void engine_done_fn(void *data, const struct engine_error *error);

/* ---- life ---------------------------------------------------------------------------------- */

struct engine_options {
	struct loop *loop;
	struct loop *io; /* for connectors: connector.h; NULL: the same loop */
	struct clock_source *clock;
	struct store *store; /* opened; the engine acquires the lease; the caller closes it after engine_free */
	struct limits limits;
	const char *region, *account; /* NULL: us-east-1, 000000000000; the store's settings win and a different explicit one is an error */
	const char *work_root; /* folder for executions' work folders; NULL: none */
	uint64_t seed; /* 0: from the operating system. Tests set it. */
	double time_scale; /* 0 or 1: real; waits and timeouts are divided by it (`--time-scale`) */
	/* This process cannot go on: another owner has the lease, or it is not known what the store holds. Called once, from within a turn; nothing
	 * more is decided after it. The owner exits, and the next start recovers. NULL: only logged. */
	void (*fatal)(void *data, const char *reason);
	void *fatal_data;
	/* File for notes of crashes (crash.c): an execution whose step ends the process three times is stopped as quarantined. NULL: none. Installs handlers for
	 * SIGABRT, SIGSEGV, SIGBUS, SIGFPE and SIGILL, which pass the signal on. */
	const char *crash_notes;
};

/* Blocking: takes the lease, reads the registry. Connectors are added before engine_run_recovery. */
int engine_new(const struct engine_options *options, struct engine **ret_engine, struct wf_error *err);
/* What connectors report to. */
struct connector_host *engine_host(struct engine *engine);
/* Takes ownership. */
void engine_add_connector(struct engine *engine, struct connector *connector);
/* Where the log of executions goes (loggingConfiguration); borrowed, NULL: nowhere. It must live until engine_free. */
void engine_set_log(struct engine *engine, struct log_sink *sink);
/* Answers of a file instead of services, for executions that are started with MACHINE_ARN#CASE: the mock configuration of Step Functions Local
 * (mock.c). Read now, and again when it has changed. */
int engine_load_mocks(struct engine *engine, const char *path, struct wf_error *err);
/* Begins recovery: loads the ACTIVE open rows, wakes one horizon ahead; goes on in the background in turns. Call once; new starts are served at once. */
void engine_recover(struct engine *engine);
/* Stops taking starts; calls done when every batch is stored and no reply is outstanding (running tasks are left to the next process). */
void engine_drain(struct engine *engine, void (*done)(void *data), void *data);
/* Cancels running tasks of connectors (their guards end), frees. The loop no longer runs; waits for nothing. */
void engine_free(struct engine *engine);

/* Wall clock, scaled by time_scale. */
int64_t engine_now_ms(const struct engine *engine);
const char *engine_region(const struct engine *engine);
const char *engine_account(const struct engine *engine);
const struct limits *engine_limits(const struct engine *engine);

/* ---- state machines --------------------------------------------------------------------------- */

struct machine_info {
	struct str arn, name, definition, role_arn;
	struct str type; /* "STANDARD", "EXPRESS" */
	struct str revision_id; /* changes with the definition, role or a configuration; empty for the first ("INITIAL" on the wire) */
	struct str description, label;
	struct value *logging, *tracing, *encryption; /* as given; NULL: default */
	const struct program *program; /* compiled */
	int64_t created_ms, updated_ms;
	bool deleting;
	uint64_t number; /* store_execution.machine_id */
	struct str version_arn; /* in the answer to one that published: the version's; else empty */
};

struct machine_request {
	struct str name; /* create */
	struct str arn; /* update, delete */
	struct str definition, role_arn, type;
	bool has_definition, has_role_arn; /* update */
	const struct value *logging, *tracing, *encryption; /* NULL: absent */
	const struct value *tags; /* array of {key, value}, or NULL */
	bool publish;
	struct str version_description;
	bool has_version_description;
};

/* `machine` is NULL on an error. For update, machine->updated_ms and revision_id are new. */
typedef void engine_machine_fn(void *data, const struct engine_error *error, const struct machine_info *machine);
void engine_create_machine(struct engine *engine, const struct machine_request *request, engine_machine_fn *done, void *data);
void engine_update_machine(struct engine *engine, const struct machine_request *request, engine_machine_fn *done, void *data);
/* Deleting one that does not exist succeeds, as on AWS. Its executions go on; it is DELETING until they have ended. */
void engine_delete_machine(struct engine *engine, struct str arn, engine_machine_fn *done, void *data);
/* From memory; NULL if there is none. Borrowed until the next turn. */
const struct machine_info *engine_find_machine(struct engine *engine, struct str arn);
/* Those whose name is after `after` (empty: from the first), by name; at most `count`; returns how many. */
uint32_t engine_list_machines(struct engine *engine, struct str after, const struct machine_info **ret_machines, uint32_t count);

/* ---- versions and aliases ----------------------------------------------------------------------- */

struct version_info {
	struct str arn, description;
	int64_t created_ms;
	uint64_t number;
};
typedef void engine_version_fn(void *data, const struct engine_error *error, const struct version_info *version);
/* The current revision under the next number, or the newest version if it is that. revision_id: ptr NULL: any; "INITIAL" is the first. */
void engine_publish_version(struct engine *engine, struct str arn, struct str revision_id, struct str description, engine_version_fn *done, void *data);
/* Deleting one that does not exist succeeds; one that an alias names is CONFLICT. */
void engine_delete_version(struct engine *engine, struct str version_arn, engine_done_fn *done, void *data);
/* Newest first, numbers below `before`. */
uint32_t engine_list_versions(struct engine *engine, struct str arn, uint64_t before, const struct version_info **ret_versions, uint32_t count);
/* What engine_find_machine gives, of a version (for an alias: of its first). Borrowed until the next turn; NULL if there is none. */
const struct machine_info *engine_find_version(struct engine *engine, struct str version_arn);

struct alias_route {
	struct str version_arn;
	int64_t weight;
};
struct alias_info {
	struct str arn, name, description;
	int64_t created_ms, updated_ms;
	struct alias_route routes[2];
	unsigned routes_count;
};
struct alias_request {
	struct str name; /* create */
	struct str arn; /* update */
	struct str description;
	bool has_description;
	struct alias_route routes[2];
	unsigned routes_count; /* 0 in an update: as they are */
};
typedef void engine_alias_fn(void *data, const struct engine_error *error, const struct alias_info *alias);
void engine_create_alias(struct engine *engine, const struct alias_request *asked, engine_alias_fn *done, void *data);
void engine_update_alias(struct engine *engine, const struct alias_request *asked, engine_alias_fn *done, void *data);
void engine_delete_alias(struct engine *engine, struct str alias_arn, engine_done_fn *done, void *data);
void engine_describe_alias(struct engine *engine, struct str alias_arn, engine_alias_fn *done, void *data);
/* By name, those after `after`; `version` 0: all, else those that route to it. */
uint32_t engine_list_aliases(struct engine *engine, struct str arn, uint64_t version, struct str after, const struct alias_info **ret_aliases, uint32_t count);

/* ---- executions -------------------------------------------------------------------------------- */

/* The execution begins at a state of the machine's own scope instead of StartAt: another one is run again from there. Its history says so
 * (private fields of ExecutionStarted). Standard machines only. */
struct start_rerun {
	struct str state;
	struct str reason; /* kept with it: the ARN of the other one */
	const struct value *variables; /* an object; NULL: none are assigned */
	uint64_t revision, version; /* as struct execution_info has them of the other one */
	struct str alias;
};
struct start_request {
	struct str machine_arn;
	struct str name; /* empty: a name is made */
	struct str input; /* JSON text; ptr NULL: {}. Given but empty is refused, as on AWS. */
	struct str trace_header;
	struct str trace_parent; /* traceparent, as it came: one that is none is ignored; empty: what trace_header says */
	struct task_key parent; /* the task of another execution that starts it; zero: none. A repeat for the same task is the same execution, always */
	const struct start_rerun *rerun; /* NULL: begins where it begins; `name` is empty then */
	bool begun; /* the task was told before that this name is its execution: it is, whatever has become of it and whoever began it */
	enum integration_pattern waited_for; /* by that task: PATTERN_SYNC or PATTERN_SYNC2 (Express executions cannot be); any other: it is not */
};
struct execution_info {
	struct str arn, name, machine_arn, machine_name;
	uint64_t id;
	enum execution_status status;
	int64_t start_ms, stop_ms; /* stop_ms 0: runs */
	/* describe only: */
	struct str input; /* as given */
	const struct value *output; /* NULL unless SUCCEEDED */
	struct str error, cause; /* ptr NULL: absent */
	struct str version_arn, alias_arn, trace_header; /* empty: none */
	uint64_t revision, version; /* numbers of the definition it runs, and of the version (0: none) and the alias (empty: none) it was started by */
	struct str alias;
	struct str definition, role_arn, revision_id; /* of the definition it runs */
	const struct value *logging, *tracing, *encryption; /* of the same; NULL: default */
	const struct program *program; /* compiled */
	int64_t updated_ms; /* when it became current */
	size_t memory_bytes; /* engine_start_sync: what its state held at its end */
	uint32_t redrive_count;
	int64_t redrive_ms;
	bool tells; /* engine_start with a parent: the task's wait is on the execution's row, and its end comes as a message */
};
typedef void engine_execution_fn(void *data, const struct engine_error *error, const struct execution_info *execution);
/* Replies when the start is durable (with the first step already taken). Idempotent as on AWS: the same name and input while it runs gives the same execution. */
void engine_start(struct engine *engine, const struct start_request *request, engine_execution_fn *done, void *data);
/* Starts an Express execution and replies when it has ended; its input, output, error and cause are filled in. */
void engine_start_sync(struct engine *engine, const struct start_request *request, engine_execution_fn *done, void *data);
/* error, cause: ptr NULL if absent. */
void engine_stop(struct engine *engine, struct str execution_arn, struct str error, struct str cause, engine_execution_fn *done, void *data);
/* An execution that failed, timed out or was aborted goes on from where it stood, in the same history; redrive_ms says when. */
void engine_redrive(struct engine *engine, struct str execution_arn, engine_execution_fn *done, void *data);
/* The same, once for a client token: a repeat with the token of its last redrive, within 15 minutes, is answered as that was. */
void engine_redrive_once(struct engine *engine, struct str execution_arn, struct str client_token, engine_execution_fn *done, void *data);
void engine_describe(struct engine *engine, struct str execution_arn, engine_execution_fn *done, void *data);

struct list_request {
	struct str machine_arn; /* empty: all */
	int status; /* enum execution_status, -1: all */
	struct str token; /* from the page before; empty: first */
	uint32_t count;
};
/* Newest start first; `token` empty: the last page. */
typedef void engine_list_fn(void *data, const struct engine_error *error, const struct execution_info *executions, uint32_t count, struct str token);
void engine_list(struct engine *engine, const struct list_request *request, engine_list_fn *done, void *data);

struct history_request {
	struct str execution_arn;
	bool reverse;
	uint32_t count; /* at most */
	struct str token;
};
/* Public events only. */
typedef void engine_history_fn(void *data, const struct engine_error *error, const struct event *events, uint32_t count, struct str token);
void engine_history(struct engine *engine, const struct history_request *request, engine_history_fn *done, void *data);

/* The committed records of an execution's journal, private events and all, for who folds them: `each` is called for every one from number
 * `first` on (UINT32_MAX: for none), until it returns false; then `done`, with what its row says (no input or output). `info` and `record` are borrowed. A store
 * that fails, or a failed batch, may make it begin again from `first`: who folds looks at record->number. */
struct journal_request {
	struct str execution_arn;
	uint32_t first;
	bool (*each)(void *data, const struct execution_info *info, const struct store_record *record);
};
void engine_journal(struct engine *engine, const struct journal_request *request, engine_execution_fn *done, void *data);

/* Calls `event` for each public event of an execution as it becomes durable, from now on, `record` for each record of its journal (private events and
 * all), and `log` for its tasks' live log lines, numbered from 1, and progress (fraction < 0: none; number 0: no line, only that). Each may be NULL. For `ratchet run` and server-sent events. */
struct engine_watcher {
	void (*event)(struct engine_watcher *watcher, const struct event *event);
	void (*record)(struct engine_watcher *watcher, const struct store_record *record);
	void (*log)(struct engine_watcher *watcher, uint64_t task_id, uint64_t number, struct str line, double fraction);
	void *data;
	struct engine_watcher *next; /* the engine's */
	struct str arn; /* the engine's */
	uint64_t execution_id; /* the engine's */
};
/* Until engine_unwatch, which must come before engine_free. ERR(INVALID): no ARN of an execution. */
int engine_watch(struct engine *engine, struct str execution_arn, struct engine_watcher *watcher);
/* Nothing, if it does not watch. */
void engine_unwatch(struct engine *engine, struct engine_watcher *watcher);

/* ---- tasks by token ------------------------------------------------------------------------------ */

void engine_task_success(struct engine *engine, struct str token, struct str output, engine_done_fn *done, void *data);
void engine_task_failure(struct engine *engine, struct str token, struct str error, struct str cause, engine_done_fn *done, void *data);
void engine_task_heartbeat(struct engine *engine, struct str token, engine_done_fn *done, void *data);

/* ---- activities: tasks that workers fetch ------------------------------------------------------ */

struct activity_info {
	struct str arn, name;
	int64_t created_ms;
	const struct value *encryption; /* as given; NULL: default */
};
typedef void engine_activity_fn(void *data, const struct engine_error *error, const struct activity_info *activity);
/* Idempotent by name. `encryption`, `tags` may be NULL. */
void engine_create_activity(struct engine *engine, struct str name, const struct value *encryption, const struct value *tags, engine_activity_fn *done, void *data);
/* Deleting one that does not exist succeeds. Its queued tasks stay until they time out. */
void engine_delete_activity(struct engine *engine, struct str arn, engine_done_fn *done, void *data);
/* From memory; borrowed until the next turn. NULL with *ret_error's code and message (in `arena`). */
const struct activity_info *engine_find_activity(struct engine *engine, struct str arn, struct arena *arena, struct engine_error *ret_error);
/* Those whose name is after `after`, by name; at most `count`. */
uint32_t engine_list_activities(struct engine *engine, struct str after, const struct activity_info **ret_activities, uint32_t count);

/* Waits up to 60 s for a task; the one that has waited longest goes to the worker that has waited longest, each to one only. `token` is empty
 * if none came. The start of the task is durable before the answer. `gone` (may be NULL) says whether the worker has left: it gets none then. */
typedef void engine_activity_task_fn(void *data, const struct engine_error *error, struct str token, struct str input);
void engine_get_activity_task(struct engine *engine, struct str arn, struct str worker, bool (*gone)(void *data), engine_activity_task_fn *done, void *data);

/* ---- tags of state machines and activities ------------------------------------------------------- */

/* `tags`: array of {key, value}; `keys`: array of strings. */
void engine_tag(struct engine *engine, struct str arn, const struct value *tags, engine_done_fn *done, void *data);
void engine_untag(struct engine *engine, struct str arn, const struct value *keys, engine_done_fn *done, void *data);
/* The tags (an array; NULL: none), borrowed until the next turn; false with *ret_error (its message in `arena`). */
bool engine_tags(struct engine *engine, struct str arn, struct arena *arena, const struct value **ret_tags, struct engine_error *ret_error);

/* The kept end of a task's live log (lines joined by newlines) and how many lines came in all, which is the number of its last; empty and 0 if there is
 * none. Borrowed until the next call. */
struct str engine_task_log(struct engine *engine, struct str execution_arn, uint64_t task_id, uint64_t *ret_lines);

/* The tasks of an execution that connectors run now, in no order. progress < 0: it has told none. */
typedef void engine_task_fn(void *data, uint64_t task_id, struct str state, int64_t started_ms, double progress);
void engine_each_task(struct engine *engine, struct str execution_arn, engine_task_fn *visit, void *data);

/* One task by itself, outside of any execution (TestState): a command of a tested state (engine/core/test.h). `done` is called once, with how it
 * ended, never from within the call; after timeout_ms the task is cancelled and has timed out. Not called if the engine is freed before. */
typedef void engine_trial_fn(void *data, const struct task_result *result);
void engine_try_task(struct engine *engine, const struct command *command, int64_t timeout_ms, engine_trial_fn *done, void *data);

/* ---- records: small named things that the rooms above keep in the store --------------------------- */

/* Keys are short texts, of a room's own prefix ("keys/AKIA…"); bytes are its own to encode. All are in memory from the start on. */
typedef void engine_record_fn(void *data, struct str key, struct str bytes);
/* Those whose key begins with `prefix`, in no order. Borrowed for the call. */
void engine_each_record(struct engine *engine, struct str prefix, engine_record_fn *visit, void *data);
/* Writes one (bytes.ptr NULL: deletes it). In memory at once; `done`, which may be NULL, when it is stored. */
void engine_put_record(struct engine *engine, struct str key, struct str bytes, engine_done_fn *done, void *data);

/* ---- what was committed, for who keeps something beside the store (search/) ---------------------- */

/* What one execution had in a batch that is durable. Borrowed for the call. */
struct engine_commit {
	uint64_t execution_id, machine; /* machine: machine_info.number */
	struct str name;                /* made or given */
	enum execution_status status;
	int64_t start_ms, stop_ms;      /* stop_ms 0: runs */
	bool begun;                     /* its first batch */
	uint64_t version;               /* it was started by; 0: none */
	struct task_key parent;         /* the task that started it; zero: none */
	const struct store_record *const *records; /* that were appended */
	uint32_t records_count;
};
typedef void engine_commit_fn(void *data, const struct engine_commit *commit);
/* One for an engine; called on the loop's thread, in the order of commits; must not call the engine. Express executions are not told. */
void engine_on_commit(struct engine *engine, engine_commit_fn *told, void *data);
/* What the row of an execution says beside its columns: name (made into `ret_name` if the row has none), version, parent. */
#define ENGINE_MADE_NAME 37
void engine_read_row(struct engine *engine, const struct store_execution *row, char ret_made[ENGINE_MADE_NAME], struct str *ret_name,
		     uint64_t *ret_version, struct task_key *ret_parent);
/* A machine by its number, deleted ones too (program is NULL); NULL if there is none. Borrowed until the next turn. */
const struct machine_info *engine_machine_by_number(struct engine *engine, uint64_t number);
/* Appends the ARN of an execution. */
void engine_write_execution_arn(struct engine *engine, struct str machine, struct str name, struct buffer *out);

/* ---- figures --------------------------------------------------------------------------------------- */

/* counts[i] of those that took at most ENGINE_HISTOGRAM_FIRST_US << i; the last: all others. */
#define ENGINE_HISTOGRAM_BUCKETS 24
#define ENGINE_HISTOGRAM_FIRST_US 125
struct engine_histogram {
	uint64_t counts[ENGINE_HISTOGRAM_BUCKETS];
	uint64_t sum_us;
};
#define ENGINE_CONNECTORS_MAX 16

struct engine_stats {
	uint64_t started, succeeded, failed, timed_out, aborted; /* since this process began */
	uint64_t open, cached, queued_inputs, tasks_in_flight;
	uint64_t turns, steps, events, batches, batches_failed;
	struct store_stats store;
	/* From the acceptance of a start to the commit of its terminal event, of executions that ended. */
	struct engine_histogram accept_to_end;
	struct engine_histogram commit; /* a batch, from its submission to the store's answer */
	/* Tasks that connectors ran, from the call of start() to the report, in the order the connectors were added. */
	struct {
		const char *connector;
		uint64_t running;
		struct engine_histogram took;
	} tasks[ENGINE_CONNECTORS_MAX];
	uint32_t tasks_count;
	uint64_t tasks_queued; /* behind the bound on tasks in flight */
	uint64_t activity_polls, activity_tasks; /* workers that wait; tasks that no worker has */
	uint64_t batches_outstanding;
	uint64_t memory_bytes; /* of executions in memory, about */
	bool recovering;
};
void engine_stats(struct engine *engine, struct engine_stats *ret_stats);
