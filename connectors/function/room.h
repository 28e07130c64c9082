/* room.h: what the files of connectors/function share.
 *
 *     function   a name, with its versions and aliases                                  function.c, admin.c
 *     version    what runs: settings and a folder, and its pool of workers              settings.c, package.c, pool.c
 *     worker     takes events; a process under a guard, with a loopback address of its own   worker.c, process.c, launch.c
 *     runtime    the Lambda Runtime API that the workers speak to                       runtime_api.c
 *     invocation an event on its way through a queue and a worker to its answer         invoke.c
 *
 *     invoke ─► queue ─► an idle worker, or a new one ─► next ─► response | error | exit | timeout ─► done
 *
 * A version object lives as long as it is current, or has workers or invocations. */
#pragma once
#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/random.h"
#include "connectors/exec/exec.h"
#include "connectors/function/function.h"
#include "connectors/outcome.h"
#include <netinet/in.h>

#define FUNCTION_LATEST "$LATEST"
#define FUNCTION_NAME_MAX 64
#define LOG_LINE_MAX 4096
#define LOG_TAIL_BYTES 4096
#define RESPONSE_BYTES_MAX 6291556

/* ---- settings (settings.c) ----------------------------------------------------------------- */

enum runtime { RUNTIME_PYTHON, RUNTIME_NODEJS, RUNTIME_PROVIDED, RUNTIME_COMMAND };
extern const char *const runtime_names[];

struct settings {
	struct value *source; /* as given */
	char *folder;         /* absolute; NULL: none (a command) */
	enum runtime runtime;
	char *entry, *command, *interpreter; /* NULL: none */
	int64_t timeout_ms, init_timeout_ms, idle_ms, cpu_s, memory_mb;
	double cpus; /* 0: not limited */
	bool memory_limited;
	uint32_t max_concurrent, reserved, warm, queue_max, event_retries;
	int64_t event_age_ms;
	const struct value *env; /* NULL: none */
	char *description;       /* NULL: none */
};
/* `folder` NULL: the one in the settings; else a version's copy of it. */
int settings_init(struct settings *settings, const struct value *source, const char *folder, struct wf_error *err);
void settings_done(struct settings *settings);
bool function_name_valid(struct str name);

/* ---- versions' copies (package.c) ------------------------------------------------------------ */

struct package_job;
/* Copies a folder to ROOT/packages/HASH in a thread. `done` is called on the loop: err->code, or the hash of its content. */
struct package_job *package_begin(struct loop *loop, const char *root, const char *folder,
				  void (*done)(void *data, const struct wf_error *err, const char *hash), void *data);
/* Waits for its thread; no callback. */
void package_cancel(struct package_job *job);
/* Removes copies that `used` does not want. Blocking, at start. */
void package_sweep(const char *root, bool (*used)(void *data, const char *hash), void *data);
/* mkdir -p. */
int make_folders(const char *path, struct wf_error *err);

/* ---- functions ---------------------------------------------------------------------------------- */

#define LIST_OF(type) struct { type *first, *last; }

struct version {
	struct function *function;
	uint64_t number; /* 0: $LATEST */
	char text[24];   /* "$LATEST", "3" */
	struct settings settings;
	bool current; /* else it goes when nothing uses it */
	/* The pool. */
	LIST_OF(struct invocation) queue;
	uint32_t queued;
	LIST_OF(struct worker) workers; /* all */
	struct worker *idle;            /* stack, by idle_next */
	uint32_t workers_count, starting, idle_count;
	struct version *next; /* in function->versions */
};

#define LOG_LINES 1000
struct function_line {
	int64_t time_ms;
	char request_id[37];
	char version[24];
	char *text;
};

struct function {
	struct functions *owner;
	char *name, *arn;
	bool configured; /* not stored */
	bool removed;    /* goes when its last version has gone */
	bool publishing;
	struct value *source;   /* settings of $LATEST */
	char *package;          /* rolled back: $LATEST runs from that copy; NULL: from its folder */
	struct value *published; /* array of {version, package, settings, description, created_ms}, oldest first */
	struct value *aliases;   /* {NAME: {version, previous, updated_ms}} */
	uint64_t next_version;
	int64_t created_ms, updated_ms;
	struct version *versions; /* those with a pool: current ones, and others that still run */
	uint32_t workers_count, reserved, max_concurrent;
	uint64_t invocations, events, errors, throttles, cold_starts, timeouts;
	struct function_line log[LOG_LINES]; /* a ring */
	uint64_t log_count;             /* ever */
	struct function *next;          /* of all, removed ones that still run included */
	struct function *round;         /* next in the round of those with something queued */
	bool in_round;
};

struct functions {
	struct connector connector;
	struct connector_host *host;
	struct connector *next;
	struct function_records *records;
	struct function_events *events;
	char *region, *account, *folder;
	struct clock_source *clock;
	const struct worker_launcher *launcher;
	struct random random;
	struct str_map by_name;
	struct function *all;
	struct str_map tasks; /* struct task_key → struct local_task */
	struct spawner spawner;
	struct runtime_api *api;
	struct u64_map by_address; /* → struct worker */
	uint32_t workers_count;
	uint32_t starting_max;
	struct function *round_first, *round_last;
	struct loop_timer schedule_timer, reap_timer, impatience;
	LIST_OF(struct invocation) answered; /* to be told in the next iteration */
	struct loop_timer answer_timer;
	LIST_OF(struct invocation) keeping; /* events on their way to the disk */
	struct publishing *publishing; /* under way (admin.c) */
	char *clients; /* folder with our runtime clients; NULL: not written yet */
	char *cgroup;  /* where workers' groups are made; NULL: none */
	bool cgroup_looked;
	bool ending;
};

/* ---- invocations (invoke.c) ---------------------------------------------------------------------- */

enum invocation_stage { STAGE_QUEUED, STAGE_RUNNING, STAGE_KEEPING, STAGE_ANSWERED };

struct invocation {
	struct invocation *next, *previous; /* in its version's queue, among those that are answered, or kept */
	enum invocation_stage stage;
	struct functions *functions;
	struct version *version; /* NULL: refused */
	struct worker *worker;   /* NULL: queued, or answered */
	char request_id[37];
	char *arn; /* as it was invoked */
	char *event;
	size_t event_len;
	char *client_context, *trace_id; /* NULL: none */
	char *idempotency_key, *execution_arn, *state_name; /* NULL: not of a task */
	uint32_t attempt;
	bool of_task;
	struct task_key key;
	struct loop_timer timer; /* its deadline, while it runs */
	int64_t deadline_ms, started_us, queued_us;
	bool delivered, cold;
	struct buffer said; /* the end of what it printed */
	/* The answer. */
	enum invoke_end end;
	struct buffer payload, message;
	bool ours; /* the error is made here */
	unsigned status;
	const char *error;
	invoke_done *done;
	void *data;
};
/* The answer is told in the next iteration. The worker is no longer its. */
void invocation_return(struct invocation *invocation, struct str payload);
void invocation_fail(struct invocation *invocation, struct str payload);
/* {errorType, errorMessage: "RequestId: … Error: text"}. */
void invocation_break(struct invocation *invocation, const char *type, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void invocation_refuse(struct invocation *invocation, unsigned status, const char *error, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
void invocation_free(struct invocation *invocation);
/* Calls back for those that are answered. */
void invocations_tell(struct functions *functions);
/* What a qualifier of the function names: 0 $LATEST, else a version's number; -1: nothing. */
int64_t function_resolve(const struct function *function, struct str qualifier);
/* The version object with its pool, made if need be; NULL: ERR(NOT_FOUND), or its settings are no good any more. */
struct version *function_version(struct function *function, uint64_t number, struct wf_error *err);
/* A line that a worker printed. */
void invocation_line(struct functions *functions, struct version *version, struct invocation *invocation, struct str line);
void function_log(struct function *function, const struct version *version, const char *request_id, struct str line);

/* ---- functions (function.c, admin.c) -------------------------------------------------------------- */
/* The row of a published version; NULL: there is none. */
const struct value *version_row(const struct function *function, uint64_t number);

struct function *function_new(struct functions *functions, struct str name);
void function_remove(struct function *function);
/* $LATEST anew, after its settings or package changed. */
int function_refresh(struct function *function, struct wf_error *err);
void admin_load(struct functions *functions);
void admin_done(struct functions *functions);

/* ---- pools (pool.c) --------------------------------------------------------------------------------- */

void pool_put(struct version *version, struct invocation *invocation);
void pool_forget(struct invocation *invocation); /* out of the queue */
/* A worker asks for its next event: it gets one, or is idle. */
void pool_ready(struct worker *worker);
/* It is not idle any more: it is to end, or has ended by itself. */
void pool_take_idle(struct worker *worker);
/* A worker could not begin: who waits for it hears why. `payload` empty: by type and text. */
void pool_start_failed(struct version *version, struct str payload, const char *type, const char *text);
void pool_worker_gone(struct version *version);
/* It is not current any more: idle workers end, queued invocations still run. May free it. */
void pool_retire(struct version *version);
void pool_prewarm(struct version *version);
void pool_schedule(struct functions *functions); /* in the next iteration */
void pool_init(struct functions *functions);
void pool_begin_reaping(struct functions *functions);
void pool_done(struct functions *functions);
void round_leave(struct function *function);
void version_free_if_unused(struct version *version);
/* By the clock that never jumps, in microseconds; by the wall clock. */
int64_t functions_now_us(const struct functions *functions);
int64_t functions_wall_ms(const struct functions *functions);

/* ---- workers (worker.c) --------------------------------------------------------------------------------- */

enum worker_state { WORKER_STARTING, WORKER_IDLE, WORKER_BUSY, WORKER_ENDING };

struct line_reader {
	struct worker *worker;
	int fd; /* -1: closed */
	struct loop_watch watch;
	struct buffer line;
	bool is_output; /* a command's stdout */
};

struct worker {
	struct worker *next, *previous; /* in version->workers */
	struct worker *idle_next;
	struct version *version;
	struct functions *functions;
	enum worker_state state;
	bool stale; /* ends after its invocation */
	bool reported; /* why it could not begin is told */
	uint32_t address; /* host byte order; 0: a command */
	int listener;
	struct loop_watch listen_watch;
	int control;
	struct loop_watch control_watch;
	pid_t pid;
	struct line_reader out, err;
	struct buffer output; /* of a command */
	bool output_too_large;
	struct invocation *invocation;
	struct exchange *waiting; /* its suspended request for the next event */
	struct loop_timer timer;  /* to begin */
	int64_t idle_since_us, begun_us, answered_us;
	uint64_t invocations;
	char *cgroup;
	void *launched; /* another launcher's own */
};
/* What makes workers, speaks to them and ends them: processes (process.c), or scripts that stand for them (tests/simulation). What it learns of them it
 * says by the functions below; none of it from within these. */
struct worker_launcher {
	/* `invocation` for a command only. 0, or a code with *err; then it is released. */
	int (*launch)(struct worker *worker, struct invocation *invocation, struct wf_error *err);
	/* The worker has an invocation now. */
	void (*deliver)(struct worker *worker, const struct invocation *invocation);
	/* Gives on what it has printed. */
	void (*drain)(struct worker *worker);
	/* worker_ended comes later. */
	void (*kill)(struct worker *worker);
	/* Frees what it has of the launcher's. */
	void (*release)(struct worker *worker);
};
extern const struct worker_launcher process_launcher;
/* A worker asks for its next event. */
void worker_asks(struct worker *worker);
/* Nothing of it is alive any more (`report` NULL: it is not known why), or its program could not be started. It is freed. */
void worker_ended(struct worker *worker, const struct guard_report *report);
void worker_start_failed(struct worker *worker, const struct guard_report *report);
/* Starts one for a version; `invocation` for a command only. 0, or a code with *err. */
int worker_start(struct version *version, struct invocation *invocation, struct wf_error *err);
/* The invocation becomes the worker's, which is idle. */
void worker_give(struct worker *worker, struct invocation *invocation);
/* Its invocation has ended well or not; the worker goes on. Called before invocation_return/fail. */
void worker_drain_logs(struct worker *worker);
/* Kills it; its invocation, if it has one, must be gone. */
void worker_kill(struct worker *worker);
/* Frees it at once (the engine ends). */
void worker_free(struct worker *worker);

/* ---- what a guard is told (launch.c) ------------------------------------------------------------------ */

int launch_spec(struct functions *functions, const struct version *version, const struct worker *worker,
		const struct invocation *invocation, struct buffer *out, struct wf_error *err);
/* The worker's own cgroup, made; NULL: none. To be freed. */
char *cgroup_make(struct functions *functions, const struct version *version);
void cgroup_remove(const char *path);

/* ---- the Runtime API (runtime_api.c) --------------------------------------------------------------------- */

int runtime_api_new(struct functions *functions, struct runtime_api **ret_api, struct wf_error *err);
void runtime_api_free(struct runtime_api *api);
/* Listens on a loopback address that no other worker has: worker->listener and ->address. */
int runtime_api_listen(struct runtime_api *api, struct worker *worker, struct wf_error *err);
void runtime_api_unlisten(struct runtime_api *api, struct worker *worker);
uint16_t runtime_api_port(const struct runtime_api *api);
/* Answers the suspended request with the worker's invocation / tells that there will be none. */
void runtime_api_deliver(struct exchange *exchange, const struct invocation *invocation);
void runtime_api_abandon(struct exchange *exchange);

/* Reads a path of the API; pure, for the fuzzer too. */
enum runtime_call { RUNTIME_UNKNOWN, RUNTIME_NEXT, RUNTIME_RESPONSE, RUNTIME_ERROR, RUNTIME_INIT_ERROR, RUNTIME_WRONG_METHOD };
enum runtime_call runtime_route(const char *method, const char *path, struct str *ret_request_id);
/* Whether a body may be passed on as a payload: JSON of at most the limit. */
bool runtime_payload_valid(struct str body);
