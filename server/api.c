/* api.c: the table of operations, the check of a request against it, and answers (api.h). */
#include "server/api.h"
#include "server/api_shape.h"
#include "base/log.h"
#include "base/mem.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- the table: operation, members with type, required, bounds, choices -------------------------- */

#define TEXT(name, required, least, most) { name, API_STRING, required, least, most, NULL }
#define CHOICE(name, required, choices) { name, API_STRING, required, 0, 0, choices }
#define NUMBER(name, least, most) { name, API_INTEGER, false, least, most, NULL }
#define FRACTION(name, least, most) { name, API_NUMBER, false, least, most, NULL }
#define FLAG(name) { name, API_BOOLEAN, false, 0, 0, NULL }
#define OBJECT(name) { name, API_OBJECT, false, 0, 0, NULL }
#define LIST(name, least, most) { name, API_LIST, false, least, most, NULL }
#define NEEDED_LIST(name, least, most) { name, API_LIST, true, least, most, NULL }
#define END { NULL, API_STRING, false, 0, 0, NULL }

#define PAGE NUMBER("maxResults", 0, 1000), TEXT("nextToken", false, 1, 1024)
#define INCLUDED CHOICE("includedData", false, "ALL_DATA, METADATA_ONLY")
#define MACHINE_TYPES "STANDARD, EXPRESS"
#define STATUSES "SUCCEEDED, TIMED_OUT, PENDING_REDRIVE, ABORTED, FAILED, RUNNING"
/* Lengths that limits.h can raise are the engine's to check. */
#define PAYLOAD_MOST 0

#define MEMBERS(...) (const struct api_member[]) { __VA_ARGS__, END }

/* What is answered, in the words of api_shape.h, and which errors an operation has beside those that all have (api_shape.c). */
#define NEEDS(least) .role = ROLE_##least
#define GIVES(...) .output = __VA_ARGS__
#define REFUSES(...) .errors = __VA_ARGS__
#define KMS_KEY " KmsAccessDeniedException KmsThrottlingException"
#define KMS " KmsInvalidStateException" KMS_KEY
#define SHAPE_LOGGING ":{level includeExecutionData:flag destinations:[{cloudWatchLogsLogGroup:{logGroupArn}}]}"
#define SHAPE_TRACING ":{enabled:flag}"
#define SHAPE_ENCRYPTION ":{kmsKeyId kmsDataKeyReusePeriodSeconds:integer type!}"
#define SHAPE_COUNTS \
	":{pending:integer! running:integer! succeeded:integer! failed:integer! timedOut:integer! " \
	"aborted:integer! total:integer! resultsWritten:integer! failuresNotRedrivable:integer pendingRedrive:integer}"

const struct api_operation api_operations[] = {
	{ "CreateStateMachine",
	  MEMBERS(TEXT("name", true, 1, 80), TEXT("definition", true, 1, PAYLOAD_MOST), TEXT("roleArn", true, 1, 256),
		  CHOICE("type", false, MACHINE_TYPES), OBJECT("loggingConfiguration"), LIST("tags", 0, 0), OBJECT("tracingConfiguration"),
		  FLAG("publish"), TEXT("versionDescription", false, 0, 256), OBJECT("encryptionConfiguration")),
	  api_create_state_machine, NEEDS(ADMINISTER),
	  GIVES("stateMachineArn! creationDate:time! stateMachineVersionArn"),
	  REFUSES("InvalidArn InvalidDefinition InvalidName InvalidLoggingConfiguration InvalidTracingConfiguration "
		  "StateMachineAlreadyExists StateMachineDeleting StateMachineLimitExceeded StateMachineTypeNotSupported TooManyTags "
		  "ValidationException ConflictException InvalidEncryptionConfiguration" KMS_KEY) },
	{ "DescribeStateMachine", MEMBERS(TEXT("stateMachineArn", true, 1, 256), INCLUDED), api_describe_state_machine, NEEDS(READ),
	  GIVES("stateMachineArn! name! status definition! roleArn! type! creationDate:time! loggingConfiguration" SHAPE_LOGGING " "
		"tracingConfiguration" SHAPE_TRACING " label revisionId description encryptionConfiguration" SHAPE_ENCRYPTION " "
		"variableReferences:map"),
	  REFUSES("InvalidArn StateMachineDoesNotExist" KMS) },
	{ "ListStateMachines", MEMBERS(PAGE), api_list_state_machines, NEEDS(READ),
	  GIVES("stateMachines:[{stateMachineArn! name! type! creationDate:time!}]! nextToken"),
	  REFUSES("InvalidToken") },
	{ "UpdateStateMachine",
	  MEMBERS(TEXT("stateMachineArn", true, 1, 256), TEXT("definition", false, 1, PAYLOAD_MOST), TEXT("roleArn", false, 1, 256),
		  OBJECT("loggingConfiguration"), OBJECT("tracingConfiguration"), FLAG("publish"), TEXT("versionDescription", false, 0, 256),
		  OBJECT("encryptionConfiguration")),
	  api_update_state_machine, NEEDS(ADMINISTER),
	  GIVES("updateDate:time! revisionId stateMachineVersionArn"),
	  REFUSES("InvalidArn InvalidDefinition InvalidLoggingConfiguration InvalidTracingConfiguration MissingRequiredParameter "
		  "StateMachineDeleting StateMachineDoesNotExist ServiceQuotaExceededException ConflictException ValidationException "
		  "InvalidEncryptionConfiguration" KMS_KEY) },
	{ "DeleteStateMachine", MEMBERS(TEXT("stateMachineArn", true, 1, 256)), api_delete_state_machine, NEEDS(ADMINISTER),
	  REFUSES("InvalidArn ValidationException") },
	{ "ValidateStateMachineDefinition",
	  MEMBERS(TEXT("definition", true, 1, PAYLOAD_MOST), CHOICE("type", false, MACHINE_TYPES), CHOICE("severity", false, "ERROR, WARNING"),
		  NUMBER("maxResults", 0, 100)),
	  api_validate_state_machine_definition, NEEDS(READ),
	  GIVES("result! diagnostics:[{severity! code! message! location}]! truncated:flag"),
	  REFUSES("ValidationException") },
	{ "StartExecution",
	  MEMBERS(TEXT("stateMachineArn", true, 1, 256), TEXT("name", false, 1, 80), TEXT("input", false, 0, PAYLOAD_MOST),
		  TEXT("traceHeader", false, 0, 256)),
	  api_start_execution, NEEDS(OPERATE),
	  GIVES("executionArn! startDate:time!"),
	  REFUSES("ExecutionLimitExceeded ExecutionAlreadyExists InvalidArn InvalidExecutionInput InvalidName StateMachineDoesNotExist "
		  "StateMachineDeleting ValidationException" KMS) },
	{ "StartSyncExecution",
	  MEMBERS(TEXT("stateMachineArn", true, 1, 256), TEXT("name", false, 1, 80), TEXT("input", false, 0, PAYLOAD_MOST),
		  TEXT("traceHeader", false, 0, 256), INCLUDED),
	  api_start_sync_execution, NEEDS(OPERATE),
	  GIVES("executionArn! stateMachineArn name startDate:time! stopDate:time! status! error cause input inputDetails:{included:flag} "
		"output outputDetails:{included:flag} traceHeader billingDetails:{billedMemoryUsedInMB:integer "
		"billedDurationInMilliseconds:integer}"),
	  REFUSES("InvalidArn InvalidExecutionInput InvalidName StateMachineDoesNotExist StateMachineDeleting StateMachineTypeNotSupported"
		  KMS) },
	{ "StopExecution",
	  MEMBERS(TEXT("executionArn", true, 1, 256), TEXT("error", false, 0, 256), TEXT("cause", false, 0, 32768)), api_stop_execution, NEEDS(OPERATE),
	  GIVES("stopDate:time!"),
	  REFUSES("ExecutionDoesNotExist InvalidArn ValidationException" KMS) },
	{ "DescribeExecution", MEMBERS(TEXT("executionArn", true, 1, 256), INCLUDED), api_describe_execution, NEEDS(READ),
	  GIVES("executionArn! stateMachineArn! name status! startDate:time! stopDate:time input inputDetails:{included:flag} output "
		"outputDetails:{included:flag} traceHeader mapRunArn error cause stateMachineVersionArn stateMachineAliasArn "
		"redriveCount:integer redriveDate:time redriveStatus redriveStatusReason"),
	  REFUSES("ExecutionDoesNotExist InvalidArn" KMS) },
	{ "ListExecutions",
	  MEMBERS(TEXT("stateMachineArn", false, 1, 256), CHOICE("statusFilter", false, STATUSES), NUMBER("maxResults", 0, 1000),
		  TEXT("nextToken", false, 1, 3096), TEXT("mapRunArn", false, 1, 2000),
		  CHOICE("redriveFilter", false, "REDRIVEN, NOT_REDRIVEN")),
	  api_list_executions, NEEDS(READ),
	  GIVES("executions:[{executionArn! stateMachineArn! name! status! startDate:time! stopDate:time mapRunArn itemCount:integer "
		"stateMachineVersionArn stateMachineAliasArn redriveCount:integer redriveDate:time}]! nextToken"),
	  REFUSES("InvalidArn InvalidToken StateMachineDoesNotExist StateMachineTypeNotSupported ValidationException ResourceNotFound") },
	{ "GetExecutionHistory",
	  MEMBERS(TEXT("executionArn", true, 1, 256), NUMBER("maxResults", 0, 1000), FLAG("reverseOrder"), TEXT("nextToken", false, 1, 1024),
		  FLAG("includeExecutionData")),
	  api_get_execution_history, NEEDS(READ),
	  GIVES("events:any! nextToken"),
	  REFUSES("ExecutionDoesNotExist InvalidArn InvalidToken" KMS) },
	{ "SendTaskSuccess", MEMBERS(TEXT("taskToken", true, 1, 2048), TEXT("output", true, 0, PAYLOAD_MOST)), api_send_task_success, NEEDS(OPERATE),
	  REFUSES("TaskDoesNotExist InvalidOutput InvalidToken TaskTimedOut" KMS) },
	{ "SendTaskFailure",
	  MEMBERS(TEXT("taskToken", true, 1, 2048), TEXT("error", false, 0, 256), TEXT("cause", false, 0, 32768)), api_send_task_failure, NEEDS(OPERATE),
	  REFUSES("TaskDoesNotExist InvalidToken TaskTimedOut" KMS) },
	{ "SendTaskHeartbeat", MEMBERS(TEXT("taskToken", true, 1, 2048)), api_send_task_heartbeat, NEEDS(OPERATE),
	  REFUSES("TaskDoesNotExist InvalidToken TaskTimedOut") },
	{ "RedriveExecution", MEMBERS(TEXT("executionArn", true, 1, 256), TEXT("clientToken", false, 1, 64)), api_redrive_execution, NEEDS(OPERATE),
	  GIVES("redriveDate:time!"),
	  REFUSES("ExecutionDoesNotExist ExecutionNotRedrivable ExecutionLimitExceeded InvalidArn ValidationException") },
	{ "DescribeMapRun", MEMBERS(TEXT("mapRunArn", true, 1, 2000)), api_describe_map_run, NEEDS(READ),
	  GIVES("mapRunArn! executionArn! status! startDate:time! stopDate:time maxConcurrency:integer! toleratedFailurePercentage:float! "
		"toleratedFailureCount:integer! itemCounts" SHAPE_COUNTS "! executionCounts" SHAPE_COUNTS "! redriveCount:integer "
		"redriveDate:time"),
	  REFUSES("ResourceNotFound InvalidArn") },
	{ "ListMapRuns",
	  MEMBERS(TEXT("executionArn", true, 1, 256), NUMBER("maxResults", 0, 1000), TEXT("nextToken", false, 1, 1024)), api_list_map_runs, NEEDS(READ),
	  GIVES("mapRuns:[{executionArn! mapRunArn! stateMachineArn! startDate:time! stopDate:time}]! nextToken"),
	  REFUSES("ExecutionDoesNotExist InvalidArn InvalidToken") },
	{ "UpdateMapRun",
	  MEMBERS(TEXT("mapRunArn", true, 1, 2000), NUMBER("maxConcurrency", 0, 0), FRACTION("toleratedFailurePercentage", 0, 100),
		  NUMBER("toleratedFailureCount", 0, 0)),
	  api_update_map_run, NEEDS(OPERATE),
	  REFUSES("ResourceNotFound InvalidArn ValidationException") },
	{ "CreateActivity", MEMBERS(TEXT("name", true, 1, 80), LIST("tags", 0, 0), OBJECT("encryptionConfiguration")), api_create_activity, NEEDS(ADMINISTER),
	  GIVES("activityArn! creationDate:time!"),
	  REFUSES("ActivityLimitExceeded ActivityAlreadyExists InvalidName TooManyTags InvalidEncryptionConfiguration" KMS_KEY) },
	{ "DescribeActivity", MEMBERS(TEXT("activityArn", true, 1, 256)), api_describe_activity, NEEDS(READ),
	  GIVES("activityArn! name! creationDate:time! encryptionConfiguration" SHAPE_ENCRYPTION),
	  REFUSES("ActivityDoesNotExist InvalidArn") },
	{ "ListActivities", MEMBERS(PAGE), api_list_activities, NEEDS(READ),
	  GIVES("activities:[{activityArn! name! creationDate:time!}]! nextToken"),
	  REFUSES("InvalidToken") },
	{ "DeleteActivity", MEMBERS(TEXT("activityArn", true, 1, 256)), api_delete_activity, NEEDS(ADMINISTER),
	  REFUSES("InvalidArn") },
	{ "GetActivityTask", MEMBERS(TEXT("activityArn", true, 1, 256), TEXT("workerName", false, 1, 80)), api_get_activity_task, NEEDS(OPERATE),
	  GIVES("taskToken input"),
	  REFUSES("ActivityDoesNotExist ActivityWorkerLimitExceeded InvalidArn" KMS) },
	{ "TagResource", MEMBERS(TEXT("resourceArn", true, 1, 256), NEEDED_LIST("tags", 0, 0)), api_tag_resource, NEEDS(ADMINISTER),
	  REFUSES("InvalidArn ResourceNotFound TooManyTags") },
	{ "UntagResource", MEMBERS(TEXT("resourceArn", true, 1, 256), NEEDED_LIST("tagKeys", 0, 0)), api_untag_resource, NEEDS(ADMINISTER),
	  REFUSES("InvalidArn ResourceNotFound") },
	{ "ListTagsForResource", MEMBERS(TEXT("resourceArn", true, 1, 256)), api_list_tags_for_resource, NEEDS(READ),
	  GIVES("tags:[{key value}]"),
	  REFUSES("InvalidArn ResourceNotFound") },
	{ "DescribeStateMachineForExecution", MEMBERS(TEXT("executionArn", true, 1, 256), INCLUDED), api_describe_state_machine_for_execution, NEEDS(READ),
	  GIVES("stateMachineArn! name! definition! roleArn! updateDate:time! loggingConfiguration" SHAPE_LOGGING " tracingConfiguration"
		SHAPE_TRACING " mapRunArn label revisionId encryptionConfiguration" SHAPE_ENCRYPTION " variableReferences:map"),
	  REFUSES("ExecutionDoesNotExist InvalidArn" KMS) },
	{ "PublishStateMachineVersion",
	  MEMBERS(TEXT("stateMachineArn", true, 1, 256), TEXT("revisionId", false, 0, 0), TEXT("description", false, 0, 256)),
	  api_publish_state_machine_version, NEEDS(ADMINISTER),
	  GIVES("creationDate:time! stateMachineVersionArn!"),
	  REFUSES("ValidationException StateMachineDeleting StateMachineDoesNotExist ServiceQuotaExceededException ConflictException "
		  "InvalidArn") },
	{ "DeleteStateMachineVersion", MEMBERS(TEXT("stateMachineVersionArn", true, 1, 2000)), api_delete_state_machine_version, NEEDS(ADMINISTER),
	  REFUSES("ValidationException InvalidArn ConflictException") },
	{ "ListStateMachineVersions",
	  MEMBERS(TEXT("stateMachineArn", true, 1, 256), TEXT("nextToken", false, 1, 1024), NUMBER("maxResults", 0, 1000)),
	  api_list_state_machine_versions, NEEDS(READ),
	  GIVES("stateMachineVersions:[{stateMachineVersionArn! creationDate:time!}]! nextToken"),
	  REFUSES("ValidationException InvalidArn InvalidToken") },
	{ "CreateStateMachineAlias",
	  MEMBERS(TEXT("description", false, 0, 256), TEXT("name", true, 1, 80), NEEDED_LIST("routingConfiguration", 1, 2)),
	  api_create_state_machine_alias, NEEDS(ADMINISTER),
	  GIVES("stateMachineAliasArn! creationDate:time!"),
	  REFUSES("InvalidArn InvalidName ValidationException StateMachineDeleting ResourceNotFound ConflictException "
		  "ServiceQuotaExceededException") },
	{ "UpdateStateMachineAlias",
	  MEMBERS(TEXT("stateMachineAliasArn", true, 1, 256), TEXT("description", false, 0, 256), LIST("routingConfiguration", 1, 2)),
	  api_update_state_machine_alias, NEEDS(ADMINISTER),
	  GIVES("updateDate:time!"),
	  REFUSES("ValidationException InvalidArn ResourceNotFound ConflictException StateMachineDeleting") },
	{ "DeleteStateMachineAlias", MEMBERS(TEXT("stateMachineAliasArn", true, 1, 256)), api_delete_state_machine_alias, NEEDS(ADMINISTER),
	  REFUSES("ValidationException InvalidArn ResourceNotFound ConflictException") },
	{ "DescribeStateMachineAlias", MEMBERS(TEXT("stateMachineAliasArn", true, 1, 256)), api_describe_state_machine_alias, NEEDS(READ),
	  GIVES("stateMachineAliasArn name description routingConfiguration:[{stateMachineVersionArn! weight:integer!}] creationDate:time "
		"updateDate:time"),
	  REFUSES("ValidationException InvalidArn ResourceNotFound") },
	{ "ListStateMachineAliases",
	  MEMBERS(TEXT("stateMachineArn", true, 1, 256), TEXT("nextToken", false, 1, 1024), NUMBER("maxResults", 0, 1000)),
	  api_list_state_machine_aliases, NEEDS(READ),
	  GIVES("stateMachineAliases:[{stateMachineAliasArn! creationDate:time!}]! nextToken"),
	  REFUSES("InvalidArn InvalidToken ResourceNotFound StateMachineDoesNotExist StateMachineDeleting") },
	{ "TestState",
	  MEMBERS(TEXT("definition", true, 1, PAYLOAD_MOST), TEXT("roleArn", false, 1, 256), TEXT("input", false, 0, 262144),
		  CHOICE("inspectionLevel", false, "INFO, DEBUG, TRACE"), FLAG("revealSecrets"), TEXT("variables", false, 0, 262144),
		  TEXT("stateName", false, 1, 80), OBJECT("mock"), TEXT("context", false, 0, 262144), OBJECT("stateConfiguration")),
	  api_test_state, NEEDS(OPERATE),
	  GIVES("output error cause inspectionData:any nextState status"),
	  REFUSES("InvalidArn InvalidDefinition InvalidExecutionInput ValidationException") },
};
const unsigned api_operations_count = sizeof api_operations / sizeof api_operations[0];

/* ---- checking a request ------------------------------------------------------------------------- */

/* What fails is collected, as AWS does: "2 validation errors detected: …; …". */
struct findings {
	struct buffer text;
	unsigned count;
};

static void found(struct findings *findings, const char *name, const char *shown, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
static void found(struct findings *findings, const char *name, const char *shown, const char *format, ...)
{
	va_list args;
	if (findings->count++)
		buffer_addz(&findings->text, "; ");
	if (shown)
		buffer_printf(&findings->text, "Value '%s' at '%s' failed to satisfy constraint: ", shown, name);
	else
		buffer_printf(&findings->text, "Value at '%s' failed to satisfy constraint: ", name);
	va_start(args, format);
	buffer_vprintf(&findings->text, format, args);
	va_end(args);
}

/* Characters, not bytes. */
static int64_t text_length(struct str text)
{
	int64_t count = 0;
	for (size_t i = 0; i < text.len; i++)
		count += (text.ptr[i] & 0xc0) != 0x80;
	return count;
}

/* Whether `word` is in "A, B, C". */
static bool is_choice(const char *choices, struct str word)
{
	const char *at = choices;
	while (*at) {
		size_t len = strcspn(at, ",");
		if (word.len == len && memcmp(at, word.ptr, len) == 0)
			return true;
		at += len;
		at += strspn(at, ", ");
	}
	return false;
}

/* AWS's bound, raised as far as limits.name_chars raises names: an ARN holds two of them at most. */
static int64_t most_of(const struct api_member *member, const struct limits *limits)
{
	static const struct limits defaults = LIMITS_DEFAULT;
	int64_t more = limits->name_chars > defaults.name_chars ? limits->name_chars - defaults.name_chars : 0;
	struct str name = str_of(member->name);
	bool named = member->most == defaults.name_chars && (str_eqz(name, "name") || str_eqz(name, "workerName"));
	bool located = member->most == 256 && str_ends(name, STR("Arn")) && !str_eqz(name, "roleArn");
	return member->most + (named ? more : located ? 2 * more : 0);
}

static void check_string(struct findings *findings, const struct api_member *member, const struct limits *limits, struct str text)
{
	int64_t most = most_of(member, limits);
	_cleanup_free_ char *shown = mem_strndup(text.ptr, text.len);
	if (member->choices && !is_choice(member->choices, text))
		found(findings, member->name, shown, "Member must satisfy enum value set: [%s]", member->choices);
	int64_t length = text_length(text);
	if (length < member->least)
		found(findings, member->name, shown, "Member must have length greater than or equal to %lld", (long long)member->least);
	if (most && length > most)
		found(findings, member->name, shown, "Member must have length less than or equal to %lld", (long long)most);
}

static void check_number(struct findings *findings, const struct api_member *member, const struct value *value)
{
	struct str token = value_number_text(value);
	_cleanup_free_ char *shown = mem_strndup(token.ptr, token.len);
	double number = value_number(value);
	if (number < (double)member->least)
		found(findings, member->name, shown, "Member must have value greater than or equal to %lld", (long long)member->least);
	if (member->most && number > (double)member->most)
		found(findings, member->name, shown, "Member must have value less than or equal to %lld", (long long)member->most);
}

static const enum value_kind kinds[] = {
	[API_STRING] = VALUE_STRING, [API_BOOLEAN] = VALUE_BOOL, [API_INTEGER] = VALUE_NUMBER, [API_NUMBER] = VALUE_NUMBER, [API_OBJECT] = VALUE_OBJECT, [API_LIST] = VALUE_ARRAY,
};
static const char *const kind_words[] = {
	[API_STRING] = "a string", [API_BOOLEAN] = "a boolean", [API_INTEGER] = "an integer", [API_NUMBER] = "a number", [API_OBJECT] = "an object", [API_LIST] = "a list",
};

/* False after it refused the call. Members that the table does not know are ignored: clients may be newer than we are. */
static bool check_request(struct api_call *call)
{
	_cleanup_(buffer_done) struct buffer message = { 0 };
	struct findings findings = { 0 };
	for (const struct api_member *member = call->operation->members; member->name; member++) {
		const struct value *value = value_getz(call->request, member->name);
		if (!value || value_is(value, VALUE_NULL)) {
			if (member->required)
				found(&findings, member->name, "null", "Member must not be null");
			continue;
		}
		int64_t whole;
		if (!value_is(value, kinds[member->type]) || (member->type == API_INTEGER && !value_int64(value, &whole))) {
			buffer_done(&findings.text);
			api_refuse(call, "SerializationException", "%s must be %s, not %s", member->name, kind_words[member->type],
				   value_kind_name(value_kind(value)));
			return false;
		}
		if (member->type == API_STRING)
			check_string(&findings, member, engine_limits(call->engine), value_string(value));
		else if (member->type == API_INTEGER || member->type == API_NUMBER)
			check_number(&findings, member, value);
		else if (member->type == API_LIST && member->most && (int64_t)value_count(value) > member->most)
			found(&findings, member->name, NULL, "Member must have length less than or equal to %lld", (long long)member->most);
	}
	if (findings.count) {
		buffer_printf(&message, "%u validation error%s detected: %s", findings.count, findings.count == 1 ? "" : "s", findings.text.data);
		api_refuse(call, "ValidationException", "%s", message.data);
	}
	buffer_done(&findings.text);
	return findings.count == 0;
}

const struct api_operation *api_find(struct str operation)
{
	for (unsigned i = 0; i < api_operations_count; i++)
		if (str_eqz(operation, api_operations[i].name))
			return &api_operations[i];
	return NULL;
}

void api_begin(struct api_call *call, struct str operation, struct str body)
{
	struct wf_error err = { 0 };
	call->operation = api_find(operation);
	if (!call->operation) {
		api_refuse(call, "UnknownOperationException", "there is no operation '%.*s'", STR_FMT(str_sub(operation, 0, 80)));
		return;
	}
	if (value_parse(body.len ? body : STR("{}"), &(struct value_parse_options){ .depth_max = 64 }, &call->request, &err) != 0) {
		api_refuse(call, "SerializationException", "the request is no JSON: %s (%s)", err.message, err.where);
		return;
	}
	if (!value_is(call->request, VALUE_OBJECT)) {
		api_refuse(call, "SerializationException", "the request must be a JSON object");
		return;
	}
	if (check_request(call))
		call->operation->handle(call);
}

void api_call_done(struct api_call *call)
{
	value_unref(call->request);
	arena_done(&call->arena);
	buffer_done(&call->body);
	call->request = NULL;
}

/* ---- reading members ------------------------------------------------------------------------------ */

const struct value *api_member_value(const struct api_call *call, const char *name)
{
	const struct value *value = value_getz(call->request, name);
	return value && !value_is(value, VALUE_NULL) ? value : NULL;
}

bool api_has(const struct api_call *call, const char *name)
{
	return api_member_value(call, name) != NULL;
}

struct str api_text(const struct api_call *call, const char *name)
{
	const struct value *value = api_member_value(call, name);
	return value ? value_string(value) : STR_EMPTY;
}

int64_t api_number(const struct api_call *call, const char *name, int64_t otherwise)
{
	const struct value *value = api_member_value(call, name);
	int64_t number = otherwise;
	if (value)
		value_int64(value, &number);
	return number;
}

bool api_flag(const struct api_call *call, const char *name, bool otherwise)
{
	const struct value *value = api_member_value(call, name);
	return value ? value_bool(value) : otherwise;
}

/* ---- answering ------------------------------------------------------------------------------------ */

void api_put_name(struct buffer *out, const char *name)
{
	char last = out->len ? out->data[out->len - 1] : '{';
	if (last != '{' && last != '[')
		buffer_byte(out, ',');
	buffer_byte(out, '"');
	buffer_addz(out, name);
	buffer_append(out, "\":", 2);
}

void api_put_text(struct buffer *out, const char *name, struct str text)
{
	api_put_name(out, name);
	value_write_string(text, out);
}

/* Seconds since 1970 with three decimals, as AWS's JSON protocol has it. */
void api_put_time(struct buffer *out, const char *name, int64_t ms)
{
	api_put_name(out, name);
	buffer_printf(out, "%lld.%03lld", (long long)(ms / 1000), (long long)(ms % 1000));
}

void api_put_number(struct buffer *out, const char *name, int64_t number)
{
	api_put_name(out, name);
	buffer_printf(out, "%lld", (long long)number);
}

void api_put_flag(struct buffer *out, const char *name, bool flag)
{
	api_put_name(out, name);
	buffer_addz(out, flag ? "true" : "false");
}

void api_put_json(struct buffer *out, const char *name, struct str json)
{
	api_put_name(out, name);
	buffer_add(out, json);
}

static void finish(struct api_call *call, unsigned status)
{
	call->status = status;
#ifdef RATCHET_CHECK_ANSWERS
	_cleanup_(buffer_done) struct buffer problem = { 0 };
	if (!api_answer_fits(call, &problem)) {
		log_error("api", "%s: %s", problem.data, call->body.data);
		abort();
	}
#endif
	call->answered(call);
}

void api_answer(struct api_call *call)
{
	if (!call->body.len)
		buffer_addz(&call->body, "{}");
	finish(call, 200);
}

static unsigned status_of(const char *error)
{
	if (strcmp(error, "ServiceUnavailable") == 0)
		return 503;
	if (strcmp(error, "InternalFailure") == 0)
		return 500;
	return 400;
}

static void refuse(struct api_call *call, const char *error, struct str message)
{
	buffer_clear(&call->body);
	buffer_byte(&call->body, '{');
	api_put_text(&call->body, "__type", str_of(error));
	api_put_text(&call->body, "message", message);
	buffer_byte(&call->body, '}');
	call->error = error;
	finish(call, status_of(error));
}

void api_refuse(struct api_call *call, const char *error, const char *format, ...)
{
	_cleanup_(buffer_done) struct buffer message = { 0 };
	va_list args;
	va_start(args, format);
	buffer_vprintf(&message, format, args);
	va_end(args);
	refuse(call, error, buffer_str(&message));
}

void api_refuse_engine(struct api_call *call, const struct engine_error *error)
{
	refuse(call, engine_error_name(error->code), error->message);
}
