/* connector.h: what runs a task: start it, cancel it, and report how it ended.
 *
 * A connector knows nothing of the engine: it gets a task, works on the loop's thread without blocking, and reports
 * through the host. It may fork, open sockets, ask threads. Each task is reported exactly once, unless it was cancelled
 * first; never from within start().
 *
 *     engine ── start(task) ──► connector ──► host->heartbeat / log / progress …
 *            ── cancel(key) ──►           ──► host->finished(key, result)          once
 *
 * All calls happen on the loop's thread. */
#pragma once
#include "base/buffer.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/loop.h"
#include "value/value.h"

/* (execution, scheduled event id): the same for a task that runs again after a recovery, so it is the idempotency key
 * too. */
struct task_key {
	uint64_t execution_id;
	uint64_t event_id;
};

/* Borrowed during start(); the connector copies or references what it keeps. */
struct task_request {
	struct task_key key;
	struct str idempotency_key; /* the key as text, for headers and environment: "x-…-…" */
	struct str execution_arn, execution_name, state_machine_name, state_name;
	struct str resource_arn;        /* as written in the definition */
	struct str type;                /* "exec", "http", "lambda" … */
	struct str api;                 /* "invoke", or the NAME of arn:ratchet:CONNECTOR:::NAME */
	const struct value *parameters; /* effective input */
	int64_t timeout_ms;             /* from now; INT64_MAX: none. The engine cancels by itself at that time. */
	int64_t heartbeat_ms;           /* 0: none */
	uint32_t attempt;
	bool lambda_arn; /* plain function ARN: the payload is the result, not wrapped */
	/* The execution's folder, for hosts without work_dir(); the others make it when a connector first asks for it. */
	struct str work_dir;
	struct str trace_parent;
};

enum task_end { TASK_SUCCEEDED, TASK_FAILED, TASK_START_FAILED, TASK_TIMED_OUT };

/* Borrowed during finished(). */
struct task_result {
	enum task_end end;
	struct value *output;    /* SUCCEEDED */
	struct str error, cause; /* FAILED, START_FAILED, TIMED_OUT; ptr NULL: absent */
};

/* The engine's side. */
struct connector_host {
	struct loop *loop;
	/* Where connectors may do what would take the loop's time (http/client.h): a loop with a thread of its own, the
	 * same loop, or NULL, which means the same loop. */
	struct loop *io;
	const struct limits *limits;
	void (*finished)(struct connector_host *host, struct task_key key, const struct task_result *result);
	void (*heartbeat)(struct connector_host *host, struct task_key key);
	/* One line of a task's live log (no newline), UTF-8 cleaned. */
	void (*log)(struct connector_host *host, struct task_key key, struct str line);
	/* 0..1 */
	void (*progress)(struct connector_host *host, struct task_key key, double fraction);
	/* The execution's work folder, made if it is not there; NUL-terminated, valid until the next call. Empty and
	 * *err on failure. */
	const char *(*work_dir)(struct connector_host *host, uint64_t execution_id, struct wf_error *err);
	/* Appends the secret of that name: the configuration's {secret: NAME}. May be NULL: then such settings are
	 * refused when they are used. */
	int (*secret)(struct connector_host *host, struct str name, struct buffer *ret_text, struct wf_error *err);
};

struct connector;

struct connector_class {
	const char *name; /* what resources name it by: "exec", "http", "lambda" */
	/* Whether resource type/api is one it can run ("lambda", "invoke"). */
	bool (*accepts)(const struct connector *connector, struct str type, struct str api);
	/* Starts a task. 0, or a negative code and *err: then the engine reports the task as failed to start (it will
	 * not be cancelled or finished). */
	int (*start)(struct connector *connector, const struct task_request *request, struct wf_error *err);
	/* Ends a task without a report: kills its processes, drops its request. Unknown keys are ignored. */
	void (*cancel)(struct connector *connector, struct task_key key);
	/* Tasks that run now. */
	uint32_t (*running)(const struct connector *connector);
	/* Cancels all and frees. */
	void (*free)(struct connector *connector);
};

struct connector {
	const struct connector_class *class;
	struct connector_host *host;
};

/* ---- the connectors of this build. `config` is a JSON object (its section of the configuration), may be NULL;
 * mistakes: ERR(INVALID) with err->where. */

/* exec: programs that the configuration allows, each under a name that resources use (arn:ratchet:exec:::NAME):
 *
 *     program          path, or a name looked up in PATH
 *     args             texts; "{$.path}" alone becomes one argument, an array several, null none;
 *                      "scale={$.width}:-2" puts a value inside; "{{$" is a plain "{$". No shell, ever.
 *                      A value that begins with "-" may look like an option: put "--" before it.
 *     cwd              default: the execution's work folder
 *     env              {NAME: text, {env: …}, {file: …} or {secret: …}} on top of PATH, HOME, LANG, TMPDIR and
 *                      RATCHET_WORKDIR, _EXECUTION_ARN, _STATE, _IDEMPOTENCY_KEY, _ATTEMPT
 *     timeout_s        from when the program starts; the task then ends with States.Timeout
 *     max_concurrent   programs at once, over all executions; the others wait in order. Default: the processors
 *     output           json (default; printing nothing is null) or text (one newline at the end is dropped)
 *     errors           {"3": "Media.BadInput"}: names for exit statuses, instead of Exec.Exit.3
 *
 * Errors: Exec.Exit.N, Exec.Signal.NAME, Exec.InvalidOutput, Exec.OutputTooLarge, Exec.StartFailed, Exec.GuardLost.
 * The cause is a sentence and the end of what the program wrote to stderr. `lock_dir` holds a lock file for each
 * running task (made if it is not there; NULL: no locks). */
int connector_exec_new(struct connector_host *host, const struct value *config, const char *lock_dir,
		       struct connector **ret_connector, struct wf_error *err);

/* http: arn:aws:states:::http:invoke, with AWS's parameters and result (http/http.c). config, all optional:
 *
 *     connections        {ARN or NAME: {headers: {NAME: secret}, query: {NAME: secret}, basic: {username, password}}}:
 *                        added to what the task sends
 *     timeout_s          of one request, default 60
 *     connect_timeout_s  default 10
 *     ca_file            certificates to trust instead of the system's
 *     max_connections_per_host  default 512; requests beyond it wait in order */
int connector_http_new(struct connector_host *host, const struct value *config, struct connector **ret_connector,
		       struct wf_error *err);

/* lambda: plain function ARNs and arn:aws:states:::lambda:invoke over the Lambda Invoke API at `endpoint`
 * (AWS_ENDPOINT_URL_LAMBDA, passed in by the caller) or, if that is NULL, at config's endpoint. With neither every
 * function is not found. config: endpoint, timeout_s (default 910: functions run 900 s at most), connect_timeout_s,
 * ca_file, max_connections_per_host. */
int connector_lambda_new(struct connector_host *host, const struct value *config, const char *endpoint,
			 struct connector **ret_connector, struct wf_error *err);

/* The guard of exec tasks is this same program, started as /proc/self/exe with EXEC_GUARD_ARGUMENT. So main() begins,
 * before it does anything else, with
 *
 *     if (exec_guard_wanted(argc, argv))
 *             exec_guard_main(argc, argv);
 *
 * The same holds for tests that run exec tasks. See exec/guard.c. */
#define EXEC_GUARD_ARGUMENT "exec-guard"
static inline bool exec_guard_wanted(int argc, char **argv)
{
	return argc == 2 && strcmp(argv[1], EXEC_GUARD_ARGUMENT) == 0;
}
void exec_guard_main(int argc, char **argv) __attribute__((noreturn));
