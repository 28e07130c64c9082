/* api.h: the Step Functions API (AWS JSON 1.0), apart from how it is carried.
 *
 * One table (api_operations) names every operation with its members: name, type, bounds. A request is checked against its row before its
 * handler sees it, with AWS's validation texts; tests compare the table with AWS's model. A handler reads the request, calls the engine, and
 * answers at once or from the engine's callback: always exactly once, with api_answer or api_refuse. */
#pragma once
#include "engine/engine.h"
#include "server/auth.h"

/* One call under way. Made by the transport, freed by api_call_free after the answer was sent. */
struct api_call {
	struct engine *engine;
	const struct api_operation *operation;
	struct value *request; /* a checked object */
	struct arena arena; /* lives as long as the call */
	struct buffer body; /* the answer */
	unsigned status; /* 0: not answered yet */
	const char *error; /* AWS's name of the error; NULL */
	/* The transport's, may be NULL: whether the client has closed its connection, as far as is known. */
	bool (*gone)(struct api_call *call);
	/* The transport's: headers traceparent and X-Amzn-Trace-Id of the request; empty: none. Borrowed for as long as the call lives. */
	struct str trace_parent, trace_id;
	/* The transport's: called once when the answer is there (possibly from within api_begin). */
	void (*answered)(struct api_call *call);
	void *data;
};

enum api_type { API_STRING, API_BOOLEAN, API_INTEGER, API_NUMBER, API_OBJECT, API_LIST };

struct api_member {
	const char *name;
	enum api_type type;
	bool required;
	int64_t least, most; /* length of a string or list, or an integer's value; most 0: unbounded */
	const char *choices; /* an enumeration: "A, B, C" in AWS's order; NULL: any */
};

struct api_operation {
	const char *name;
	const struct api_member *members; /* ended by a NULL name */
	void (*handle)(struct api_call *call);
	const char *output; /* the members of its answer, as server/api_shape.h writes them; NULL: none */
	const char *errors; /* AWS's names, a blank between them */
	enum role role; /* the least that may call it */
};

extern const struct api_operation api_operations[];
extern const unsigned api_operations_count;

/* The row of an operation; NULL: there is none of that name. */
const struct api_operation *api_find(struct str operation);

/* Begins a call of `operation` ("StartExecution") with the request's body. The transport has set engine, answered and data of a zeroed `call`. */
void api_begin(struct api_call *call, struct str operation, struct str body);
/* Releases what the call holds (not the struct). */
void api_call_done(struct api_call *call);

/* ---- for handlers ----------------------------------------------------------------------------- */

/* A member of the request: its text (empty if absent), whether it is there, its number or `otherwise`. */
struct str api_text(const struct api_call *call, const char *name);
bool api_has(const struct api_call *call, const char *name);
int64_t api_number(const struct api_call *call, const char *name, int64_t otherwise);
bool api_flag(const struct api_call *call, const char *name, bool otherwise);
const struct value *api_member_value(const struct api_call *call, const char *name);

/* Answers with status 200 and what was written to call->body ("{}" if nothing was). */
void api_answer(struct api_call *call);
/* Answers with an error by AWS's name. */
void api_refuse(struct api_call *call, const char *error, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* The same for an engine's error. */
void api_refuse_engine(struct api_call *call, const struct engine_error *error);

/* Writing JSON objects by hand, member by member: api_open writes "{", each member takes care of its comma, api_close "}". */
void api_put_text(struct buffer *out, const char *name, struct str text);
void api_put_time(struct buffer *out, const char *name, int64_t ms);
void api_put_number(struct buffer *out, const char *name, int64_t number);
void api_put_flag(struct buffer *out, const char *name, bool flag);
void api_put_json(struct buffer *out, const char *name, struct str json);
/* The comma or nothing, and "name": */
void api_put_name(struct buffer *out, const char *name);

/* Check what stands inside `tags` and inside the encryption and tracing configurations; false after they refused the call. */
bool api_check_tags(struct api_call *call);
bool api_check_configurations(struct api_call *call);
/* The logging configuration with its defaults; NULL if none is given; false after it refused the call. */
bool api_read_logging(struct api_call *call, const struct value **ret_logging);
/* Members of an answer that describes a machine. */
void api_put_configurations(struct buffer *out, const struct value *logging, const struct value *tracing, const struct value *encryption);
void api_put_encryption(struct buffer *out, const struct value *encryption);
void api_put_variable_references(struct api_call *call, const struct program *program);

/* The handlers, by file. */
void api_create_activity(struct api_call *call);
void api_describe_activity(struct api_call *call);
void api_list_activities(struct api_call *call);
void api_delete_activity(struct api_call *call);
void api_get_activity_task(struct api_call *call);
void api_tag_resource(struct api_call *call);
void api_untag_resource(struct api_call *call);
void api_list_tags_for_resource(struct api_call *call);
void api_publish_state_machine_version(struct api_call *call);
void api_delete_state_machine_version(struct api_call *call);
void api_list_state_machine_versions(struct api_call *call);
void api_create_state_machine_alias(struct api_call *call);
void api_update_state_machine_alias(struct api_call *call);
void api_delete_state_machine_alias(struct api_call *call);
void api_describe_state_machine_alias(struct api_call *call);
void api_list_state_machine_aliases(struct api_call *call);
void api_describe_state_machine_for_execution(struct api_call *call);
void api_test_state(struct api_call *call);
void api_create_state_machine(struct api_call *call);
void api_describe_state_machine(struct api_call *call);
void api_list_state_machines(struct api_call *call);
void api_update_state_machine(struct api_call *call);
void api_delete_state_machine(struct api_call *call);
void api_validate_state_machine_definition(struct api_call *call);
void api_start_execution(struct api_call *call);
void api_start_sync_execution(struct api_call *call);
void api_redrive_execution(struct api_call *call);
void api_list_map_runs(struct api_call *call);
void api_describe_map_run(struct api_call *call);
void api_update_map_run(struct api_call *call);
void api_stop_execution(struct api_call *call);
void api_describe_execution(struct api_call *call);
void api_list_executions(struct api_call *call);
void api_get_execution_history(struct api_call *call);
void api_send_task_success(struct api_call *call);
void api_send_task_failure(struct api_call *call);
void api_send_task_heartbeat(struct api_call *call);
