/* history_json.c: an event as GetExecutionHistory answers it.
 *
 * One table says for each type of event which members its details object has, in AWS's (alphabetical) order, and which
 * field of struct event each is printed from. A field that an event does not carry is left out; a type without a row
 * has no details. */
#include "engine/core/history.h"
#include <inttypes.h>
#include <stddef.h>

enum detail_kind {
	DETAIL_TEXT, /* a string */
	DETAIL_NUMBER,
	DETAIL_DATA,      /* a value, as a string that holds JSON, followed by "KEYDetails": {"truncated": false} */
	DETAIL_INPUT,     /* the same, but the caller's own text where it was kept */
	DETAIL_JSON,      /* a value, as a string that holds JSON */
	DETAIL_VARIABLES, /* an object of such strings, followed by its …Details */
	DETAIL_CREDENTIALS,
};

struct detail {
	const char *key;
	enum event_field field;
	enum detail_kind kind;
	size_t offset;
};

/* clang-format off */
#define AT(member) offsetof(struct event, member)
#define ERROR_CAUSE { "cause", FIELD_CAUSE, DETAIL_TEXT, AT(cause) }, { "error", FIELD_ERROR, DETAIL_TEXT, AT(error) }
#define SERVICE { "resource", FIELD_RESOURCE, DETAIL_TEXT, AT(resource) }, \
		{ "resourceType", FIELD_RESOURCE_TYPE, DETAIL_TEXT, AT(resource_type) }
#define INPUT_DATA { "input", FIELD_PAYLOAD, DETAIL_DATA, AT(payload) }
#define OUTPUT_DATA { "output", FIELD_PAYLOAD, DETAIL_DATA, AT(payload) }
#define NAME { "name", FIELD_NAME, DETAIL_TEXT, AT(name) }
#define TIMEOUT { "timeoutInSeconds", FIELD_TIMEOUT, DETAIL_NUMBER, AT(timeout_s) }
#define HEARTBEAT { "heartbeatInSeconds", FIELD_HEARTBEAT, DETAIL_NUMBER, AT(heartbeat_s) }
#define CREDENTIALS { "taskCredentials", FIELD_CREDENTIALS, DETAIL_CREDENTIALS, AT(credentials) }
#define ITERATION { "index", FIELD_INDEX, DETAIL_NUMBER, AT(index) }, NAME

enum { DETAILS_MAX = 8 };

static const struct detail table[EVENT_PUBLIC_COUNT][DETAILS_MAX] = {
	[EVENT_EXECUTION_STARTED] = { { "input", FIELD_PAYLOAD, DETAIL_INPUT, AT(payload) },
				      { "roleArn", FIELD_ROLE, DETAIL_TEXT, AT(role_arn) },
				      { "stateMachineVersionArn", FIELD_ARN, DETAIL_TEXT, AT(arn) } },
	[EVENT_EXECUTION_SUCCEEDED] = { OUTPUT_DATA },
	[EVENT_EXECUTION_FAILED] = { ERROR_CAUSE },
	[EVENT_EXECUTION_TIMED_OUT] = { ERROR_CAUSE },
	[EVENT_EXECUTION_ABORTED] = { ERROR_CAUSE },
	[EVENT_EXECUTION_REDRIVEN] = { { "redriveCount", FIELD_ATTEMPT, DETAIL_NUMBER, AT(attempt) } },
#define X(TYPE) [EVENT_##TYPE##_STATE_ENTERED] = { INPUT_DATA, NAME },
	X(TASK) X(PASS) X(CHOICE) X(WAIT) X(SUCCEED) X(FAIL) X(PARALLEL) X(MAP)
#undef X
#define X(TYPE)                                                                                     \
	[EVENT_##TYPE##_STATE_EXITED] = { { "assignedVariables", FIELD_VARIABLES, DETAIL_VARIABLES, AT(variables) }, \
					  NAME, OUTPUT_DATA },
	X(TASK) X(PASS) X(CHOICE) X(WAIT) X(SUCCEED) X(PARALLEL) X(MAP)
#undef X
	[EVENT_MAP_STATE_STARTED] = { { "length", FIELD_LENGTH, DETAIL_NUMBER, AT(length) } },
	[EVENT_MAP_ITERATION_STARTED] = { ITERATION },
	[EVENT_MAP_ITERATION_SUCCEEDED] = { ITERATION },
	[EVENT_MAP_ITERATION_FAILED] = { ITERATION },
	[EVENT_MAP_ITERATION_ABORTED] = { ITERATION },
	[EVENT_MAP_RUN_STARTED] = { { "mapRunArn", FIELD_ARN, DETAIL_TEXT, AT(arn) } },
	[EVENT_MAP_RUN_FAILED] = { ERROR_CAUSE },
	[EVENT_MAP_RUN_REDRIVEN] = { { "mapRunArn", FIELD_ARN, DETAIL_TEXT, AT(arn) },
				     { "redriveCount", FIELD_ATTEMPT, DETAIL_NUMBER, AT(attempt) } },
	[EVENT_LAMBDA_FUNCTION_SCHEDULED] = { { "input", FIELD_PARAMETERS, DETAIL_DATA, AT(parameters) },
					      { "resource", FIELD_ARN, DETAIL_TEXT, AT(arn) }, CREDENTIALS, TIMEOUT },
	[EVENT_LAMBDA_FUNCTION_SCHEDULE_FAILED] = { ERROR_CAUSE },
	[EVENT_LAMBDA_FUNCTION_START_FAILED] = { ERROR_CAUSE },
	[EVENT_LAMBDA_FUNCTION_SUCCEEDED] = { OUTPUT_DATA },
	[EVENT_LAMBDA_FUNCTION_FAILED] = { ERROR_CAUSE },
	[EVENT_LAMBDA_FUNCTION_TIMED_OUT] = { ERROR_CAUSE },
	[EVENT_ACTIVITY_SCHEDULED] = { HEARTBEAT, { "input", FIELD_PARAMETERS, DETAIL_DATA, AT(parameters) },
				       { "resource", FIELD_ARN, DETAIL_TEXT, AT(arn) }, TIMEOUT },
	[EVENT_ACTIVITY_SCHEDULE_FAILED] = { ERROR_CAUSE },
	[EVENT_ACTIVITY_STARTED] = { { "workerName", FIELD_WORKER, DETAIL_TEXT, AT(worker) } },
	[EVENT_ACTIVITY_SUCCEEDED] = { OUTPUT_DATA },
	[EVENT_ACTIVITY_FAILED] = { ERROR_CAUSE },
	[EVENT_ACTIVITY_TIMED_OUT] = { ERROR_CAUSE },
	[EVENT_TASK_SCHEDULED] = { HEARTBEAT, { "parameters", FIELD_PARAMETERS, DETAIL_JSON, AT(parameters) },
				   { "region", FIELD_REGION, DETAIL_TEXT, AT(region) }, SERVICE, CREDENTIALS, TIMEOUT },
	[EVENT_TASK_STARTED] = { SERVICE },
	[EVENT_TASK_START_FAILED] = { ERROR_CAUSE, SERVICE },
	[EVENT_TASK_SUBMITTED] = { OUTPUT_DATA, SERVICE },
	[EVENT_TASK_SUBMIT_FAILED] = { ERROR_CAUSE, SERVICE },
	[EVENT_TASK_SUCCEEDED] = { OUTPUT_DATA, SERVICE },
	[EVENT_TASK_FAILED] = { ERROR_CAUSE, SERVICE },
	[EVENT_TASK_TIMED_OUT] = { ERROR_CAUSE, SERVICE },
	[EVENT_EVALUATION_FAILED] = { ERROR_CAUSE, { "location", FIELD_LOCATION, DETAIL_TEXT, AT(location) },
				      { "state", FIELD_NAME, DETAIL_TEXT, AT(name) } },
};

/* clang-format on */

static const char *const members[EVENT_PUBLIC_COUNT] = {
#define X(name, wire, details) [EVENT_##name] = details,
	HISTORY_EVENTS(X)
#undef X
};

static void key(const char *name, const char *suffix, bool *first, struct buffer *out)
{
	if (!*first)
		buffer_byte(out, ',');
	*first = false;
	buffer_byte(out, '"');
	buffer_addz(out, name);
	buffer_addz(out, suffix);
	buffer_addz(out, "\":");
}

static void truncated(const char *name, bool is, bool *first, struct buffer *out)
{
	key(name, "Details", first, out);
	buffer_addz(out, is ? "{\"truncated\":true}" : "{\"truncated\":false}");
}

static void print_variables(const struct value *variables, struct buffer *out)
{
	buffer_byte(out, '{');
	for (size_t i = 0; i < value_count(variables); i++) {
		if (i)
			buffer_byte(out, ',');
		value_write_string(value_key_at(variables, i), out);
		buffer_byte(out, ':');
		value_write_string(value_text(value_at(variables, i)), out);
	}
	buffer_byte(out, '}');
}

/* Inputs and outputs, and their …Details. */
enum payloads {
	PAYLOADS_PRINTED,
	PAYLOADS_DESCRIBED, /* their …Details only: a history without data */
	PAYLOADS_CUT,       /* the same, saying that they were cut */
	PAYLOADS_LEFT_OUT,  /* a log without data */
};

static void print_detail(const struct event *event, const struct detail *detail, enum payloads payloads, bool *first,
			 struct buffer *out)
{
	const char *field = (const char *)event + detail->offset;
	const struct value *value = NULL;
	switch (detail->kind) {
	case DETAIL_TEXT:
		key(detail->key, "", first, out);
		value_write_string(*(const struct str *)field, out);
		return;
	case DETAIL_NUMBER:
		key(detail->key, "", first, out);
		buffer_printf(out, "%" PRId64, *(const int64_t *)field);
		return;
	case DETAIL_INPUT:
	case DETAIL_DATA:
	case DETAIL_JSON:
	case DETAIL_VARIABLES:
	case DETAIL_CREDENTIALS:
		value = *(struct value *const *)field;
		break;
	}
	if (detail->kind == DETAIL_CREDENTIALS) {
		key(detail->key, "", first, out);
		buffer_addz(out, "{\"roleArn\":");
		const struct value *role = value_getz(value, "RoleArn");
		value_write_string(role ? value_string(role) : STR_EMPTY, out);
		buffer_byte(out, '}');
		return;
	}
	if (payloads == PAYLOADS_PRINTED) {
		key(detail->key, "", first, out);
		if (detail->kind == DETAIL_VARIABLES)
			print_variables(value, out);
		else if (detail->kind == DETAIL_INPUT && event->fields & FIELD_RAW)
			value_write_string(event->raw, out);
		else
			value_write_string(value_text(value), out);
	}
	if (detail->kind != DETAIL_JSON && payloads != PAYLOADS_LEFT_OUT)
		truncated(detail->key, payloads == PAYLOADS_CUT, first, out);
}

static void print_details(const struct event *event, enum payloads payloads, struct buffer *out)
{
	bool first = true;
	buffer_byte(out, '{');
	for (const struct detail *detail = table[event->type];
	     detail < table[event->type] + DETAILS_MAX && detail->key; detail++)
		if (event->fields & detail->field)
			print_detail(event, detail, payloads, &first, out);
	buffer_byte(out, '}');
}

void history_event_json(const struct event *event, bool include_data, struct buffer *out)
{
	buffer_printf(out,
		      "{\"timestamp\":%" PRId64 ".%03d,\"type\":\"%s\",\"id\":%" PRIu64 ",\"previousEventId\":%" PRIu64,
		      event->timestamp_ms / 1000, (int)(event->timestamp_ms % 1000), event_type_name(event->type),
		      event->id, event->previous_id);
	if (members[event->type][0]) {
		buffer_printf(out, ",\"%s\":", members[event->type]);
		print_details(event, include_data ? PAYLOADS_PRINTED : PAYLOADS_DESCRIBED, out);
	}
	buffer_byte(out, '}');
}

static void print_logged(const struct event *event, struct str execution_arn, uint64_t redrives, enum payloads payloads,
			 struct buffer *out)
{
	buffer_printf(out, "{\"id\":\"%" PRIu64 "\",\"type\":\"%s\",\"details\":", event->id,
		      event_type_name(event->type));
	print_details(event, payloads, out);
	buffer_printf(out,
		      ",\"redrive_count\":\"%" PRIu64 "\",\"previous_event_id\":\"%" PRIu64
		      "\",\"event_timestamp\":\"%" PRId64 "\",\"execution_arn\":",
		      redrives, event->previous_id, event->timestamp_ms);
	value_write_string(execution_arn, out);
	buffer_byte(out, '}');
}

void history_event_log_json(const struct event *event, struct str execution_arn, uint64_t redrives, bool include_data,
			    size_t bytes_max, struct buffer *out)
{
	size_t before = out->len;
	print_logged(event, execution_arn, redrives, include_data ? PAYLOADS_PRINTED : PAYLOADS_LEFT_OUT, out);
	if (include_data && out->len - before > bytes_max) {
		out->len = before;
		print_logged(event, execution_arn, redrives, PAYLOADS_CUT, out);
	}
}
