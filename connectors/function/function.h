/* function.h: functions: folders with a handler that become callable, as Lambda functions are.
 *
 *     Task state, POST /2015-03-31/… ──► functions_invoke ──► a pool of the function's version ──► a worker process
 *                                                                                      ▲ next, response, error
 *                                                           the Lambda Runtime API, on a loopback address of its own
 *
 * A function has $LATEST, which runs straight from its folder, and versions 1, 2, 3 …, which are immutable copies of that
 * folder, kept by their content's hash. An alias is a name for a version. Functions come from the configuration
 * (`functions:`, not stored) or from functions_put (stored through a vtable, so that this room knows no store).
 *
 * Settings of a function, in the configuration and over HTTP alike:
 *
 *     handler         the folder (or one file in it)
 *     entry           module.function for python and nodejs; found by itself where there is only one sensible answer
 *     runtime         python, nodejs, provided (an executable `bootstrap`) or command; found by itself
 *     command         a shell command: the event on stdin, the result on stdout; one process for each invocation
 *     interpreter     instead of python3 or node
 *     timeout_s       default 3, as on AWS
 *     init_timeout_s  until a worker asks for its first event; default 10
 *     memory_mb       default 128; a limit only when it is given
 *     cpus            of how many processors a worker may take the time (where cgroups allow it)
 *     cpu_s           processor seconds of one invocation
 *     max_concurrent  workers at most; default 10 or twice the processors
 *     reserved        workers that others cannot take; default 0
 *     warm            workers that are kept ready; default 0
 *     queue           invocations that wait at most; default 10000
 *     idle_s          how long a worker without work is kept; default 300
 *     env             {NAME: text, {env: …}, {file: …} or {secret: …}}
 *     event_retries   of an event that nobody waits for; default 2 (AWS's MaximumRetryAttempts)
 *     event_age_s     for how long it is tried; default 21600 (MaximumEventAgeInSeconds)
 *     description
 *
 * Everything on the loop's thread. */
#pragma once
#include "connectors/connector.h"

struct functions;
struct invocation;
struct worker_launcher;
struct clock_source;

/* ---- where definitions are kept: offered by the owner -------------------------------------------------------- */

struct function_records {
	/* Stores, or (bytes.ptr NULL) removes, the record of that key; calls back once, later, when it is durable or is not
	 * (err->code != 0). */
	void (*put)(struct function_records *records, struct str key, struct str bytes,
		    void (*done)(void *data, const struct wf_error *err), void *data);
	/* All that are stored, at start. */
	void (*each)(struct function_records *records, void (*visit)(void *data, struct str key, struct str bytes), void *data);
};

/* ---- events that nobody waits for: kept by the owner ----------------------------------------------------------- */

/* An event (InvocationType Event) and what its function's settings say of it. Borrowed during keep(). */
struct function_event {
	struct str id; /* the same event has the same id: a repeat is no second one */
	struct str function, qualifier; /* names; qualifier empty: none was given */
	struct str arn; /* of both: a Task's resource */
	struct str event, trace; /* JSON text; traceparent or X-Amzn-Trace-Id, may be empty */
	uint32_t retries;
	int64_t age_ms, timeout_ms; /* timeout_ms: of one invocation */
};

/* State machines of this prefix are the owner's: their tasks invoke events that were kept, under the events' ids. */
#define FUNCTION_EVENTS "lambda."

struct function_events {
	/* Puts an event on disk, from where the function will get it. Calls back once, later (err->code: it is not kept; ERR(LIMIT): it
	 * is too large), unless the owner ends before. */
	void (*keep)(struct function_events *events, const struct function_event *event,
		     void (*done)(void *data, const struct wf_error *err), void *data);
};

/* ---- life ---------------------------------------------------------------------------------------------------- */

struct functions_options {
	struct connector_host *host;
	const struct value *config; /* {NAME: settings}; NULL: none */
	const char *region, *account;
	const char *folder;               /* for versions' copies and our runtime clients; made when needed */
	struct function_records *records; /* NULL: functions are those of the configuration only. Outlives the functions. */
	struct function_events *events;   /* NULL: events run once, and are lost with the process. Outlives the functions. */
	struct connector *next;           /* the connector for functions that are not here; taken over on success */
	/* Of the simulator; NULL and 0: the machine's clock, processes, and the system's randomness. */
	struct clock_source *clock;
	const struct worker_launcher *launcher;
	uint64_t seed;
};

/* The connector of type "lambda" (freed by its class, and the functions with it) and its functions. Mistakes in the
 * configuration: ERR(INVALID) with err->where. */
int connector_function_new(const struct functions_options *options, struct functions **ret_functions,
			   struct connector **ret_connector, struct wf_error *err);

/* ---- invoking ------------------------------------------------------------------------------------------------ */

struct invoke_request {
	struct str function;  /* NAME[:QUALIFIER], ACCOUNT:function:NAME, or an ARN */
	struct str qualifier; /* empty: the name's, else $LATEST */
	struct str event;     /* JSON text; copied */
	struct str client_context; /* JSON text; empty: none */
	struct str trace_parent;
	const struct task_request *task; /* whose log and heartbeats these are; NULL: nobody's */
	bool dry_run;
};

enum invoke_end {
	INVOKE_RETURNED, /* payload: what the handler gave */
	INVOKE_FAILED,   /* payload: {errorMessage, errorType, …}: the function failed */
	INVOKE_REFUSED,  /* status, error and message: it was not run */
};

/* Borrowed during the callback. */
struct invoke_result {
	enum invoke_end end;
	struct str payload;
	struct str version; /* that ran: "$LATEST", "3" */
	struct str log;     /* the last 4 KiB, with AWS's START, END and REPORT lines */
	struct str said;    /* FAILED by us (crash, timeout): the last 4 KiB that the function itself printed; else empty */
	const char *request_id;
	unsigned status;    /* REFUSED: HTTP's */
	const char *error;  /* "ResourceNotFoundException" */
	struct str message;
};
typedef void invoke_done(void *data, const struct invoke_result *result);

/* Never calls back from within. Returns what functions_cancel takes; valid until the callback. */
struct invocation *functions_invoke(struct functions *functions, const struct invoke_request *request, invoke_done *done,
				    void *data);
/* The same for one whose answer nobody waits for (InvocationType Event): what `done` gets is INVOKE_REFUSED, with status 202 if
 * the event was accepted. By then it is on disk (function_events). */
struct invocation *functions_invoke_event(struct functions *functions, const struct invoke_request *request,
					  invoke_done *done, void *data);
/* Without a callback. One that runs takes its worker with it; an event that is being kept stays. */
void functions_cancel(struct invocation *invocation);
/* Whether there is a function that this name or ARN means (whatever its qualifier). */
bool functions_has(const struct functions *functions, struct str function);

/* ---- administering ------------------------------------------------------------------------------------------- */

/* `err` has a code, or `answer` the function's description (or NULL when it is gone). Called once, now or later. */
typedef void functions_done(void *data, const struct wf_error *err, const struct value *answer);

/* Makes a function, or replaces its $LATEST. ERR(INVALID) (err->where: the setting), ERR(EXISTS): it is the configuration's. */
void functions_put(struct functions *functions, struct str name, const struct value *settings, functions_done *done,
		   void *data);
/* With its versions and aliases. ERR(NOT_FOUND). */
void functions_remove(struct functions *functions, struct str name, functions_done *done, void *data);
/* $LATEST becomes the next version; if it is the same as the newest one, that is given. The answer is the version. */
void functions_publish(struct functions *functions, struct str name, struct str description, functions_done *done,
		       void *data);
/* version 0 removes the alias. */
void functions_alias(struct functions *functions, struct str name, struct str alias, uint64_t version,
		     functions_done *done, void *data);
/* alias empty: $LATEST becomes what `version` is (0: the newest version that it is not). Else: the alias goes back to
 * `version` (0: what it named before). */
void functions_rollback(struct functions *functions, struct str name, struct str alias, uint64_t version,
			functions_done *done, void *data);

/* For people and the console: an array of all, by name; one with its versions, aliases and pools, or NULL; the kept end of
 * its log behind line number `after`: {lines: [{number, time_ms, request_id, version, text}], next}. Yours. */
struct value *functions_list(struct functions *functions);
struct value *functions_show(struct functions *functions, struct str name);
struct value *functions_logs(struct functions *functions, struct str name, uint64_t after);
/* AWS's FunctionConfiguration of a function or one of its versions; NULL: there is none. Yours. */
struct value *functions_configuration(struct functions *functions, struct str function, struct str qualifier);
/* Array of the same: all functions' $LATEST, or (name not empty) all versions of one; NULL: there is none. */
struct value *functions_configurations(struct functions *functions, struct str name);
