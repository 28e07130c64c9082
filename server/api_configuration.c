/* api_configuration.c: the logging, tracing and encryption configurations of state machines: checked, with their defaults, and written. */
#include "server/api.h"
#include <stdlib.h>

#define LOG_LEVELS "ALL, ERROR, FATAL, OFF"

static void release_value(void *data)
{
	value_unref(data);
}

/* A member inside a configuration; null is as good as absent. */
static const struct value *inner(const struct value *object, const char *name)
{
	const struct value *value = value_getz(object, name);
	return value && !value_is(value, VALUE_NULL) ? value : NULL;
}

static bool is_log_level(struct str level)
{
	return str_eqz(level, "ALL") || str_eqz(level, "ERROR") || str_eqz(level, "FATAL") || str_eqz(level, "OFF");
}

/* The group's ARN; NULL if the destination has none. */
static const struct value *log_group(const struct value *destination)
{
	const struct value *group = inner(destination, "cloudWatchLogsLogGroup");
	const struct value *arn = group ? inner(group, "logGroupArn") : NULL;
	return arn && value_is(arn, VALUE_STRING) ? arn : NULL;
}

/* Only what is known: what a client sends beside it is dropped. */
static struct value *destinations_of(const struct value *given)
{
	struct value *list = value_new_array(1);
	for (size_t i = 0; i < value_count(given); i++) {
		struct value *group = value_new_object(1), *destination = value_new_object(1);
		value_object_set(group, STR("logGroupArn"), log_group(value_at(given, i)));
		value_object_take(destination, STR("cloudWatchLogsLogGroup"), group);
		value_array_take(list, destination);
	}
	return list;
}

bool api_read_logging(struct api_call *call, const struct value **ret_logging)
{
	const struct value *given = api_member_value(call, "loggingConfiguration");
	*ret_logging = NULL;
	if (!given)
		return true;
	const struct value *level = inner(given, "level"), *destinations = inner(given, "destinations"),
			   *include = inner(given, "includeExecutionData");
	if ((level && !value_is(level, VALUE_STRING)) || (destinations && !value_is(destinations, VALUE_ARRAY)) ||
	    (include && !value_is(include, VALUE_BOOL))) {
		api_refuse(call, "SerializationException",
			   "loggingConfiguration must have a string as level, a list as destinations, a boolean as includeExecutionData");
		return false;
	}
	struct str name = level ? value_string(level) : STR("OFF");
	if (!is_log_level(name)) {
		api_refuse(call, "ValidationException",
			   "1 validation error detected: Value '%.*s' at 'loggingConfiguration.level' failed to satisfy constraint: "
			   "Member must satisfy enum value set: [" LOG_LEVELS "]",
			   STR_FMT(name));
		return false;
	}
	size_t count = destinations ? value_count(destinations) : 0;
	if (count > 1 || (!str_eqz(name, "OFF") && !count)) {
		api_refuse(call, "InvalidLoggingConfiguration", "Invalid Logging Configuration: Must specify exactly one Log Destination.");
		return false;
	}
	if (count && !log_group(value_at(destinations, 0))) {
		api_refuse(call, "InvalidLoggingConfiguration", "Invalid Logging Configuration: Log Destination not found.");
		return false;
	}
	struct value *logging = value_new_object(3);
	value_object_take(logging, STR("level"), value_from_string(name));
	value_object_take(logging, STR("includeExecutionData"), value_new_bool(include && value_bool(include)));
	if (destinations)
		value_object_take(logging, STR("destinations"), destinations_of(destinations));
	arena_on_reset(&call->arena, release_value, logging);
	*ret_logging = logging;
	return true;
}

static bool check_encryption(struct api_call *call, const struct value *encryption)
{
	const struct value *type = inner(encryption, "type"), *key = inner(encryption, "kmsKeyId");
	const struct value *seconds = inner(encryption, "kmsDataKeyReusePeriodSeconds");
	bool text = type && value_is(type, VALUE_STRING);
	bool owned = text && str_eqz(value_string(type), "AWS_OWNED_KEY");
	int64_t number = 0;
	const char *problem = NULL;
	if (!owned && !(text && str_eqz(value_string(type), "CUSTOMER_MANAGED_KMS_KEY"))) {
		api_refuse(call, "ValidationException",
			   "1 validation error detected: Value at 'encryptionConfiguration.type' failed to satisfy constraint: "
			   "Member must satisfy enum value set: [AWS_OWNED_KEY, CUSTOMER_MANAGED_KMS_KEY]");
		return false;
	}
	if (owned && (key || seconds))
		problem = "kmsKeyId and kmsDataKeyReusePeriodSeconds must not be set when type is AWS_OWNED_KEY";
	else if (!owned && (!key || !value_is(key, VALUE_STRING) || !value_string(key).len))
		problem = "kmsKeyId must be set when type is CUSTOMER_MANAGED_KMS_KEY";
	else if (seconds && (!value_int64(seconds, &number) || number < 60 || number > 900))
		problem = "kmsDataKeyReusePeriodSeconds must be between 60 and 900";
	if (problem)
		api_refuse(call, "InvalidEncryptionConfiguration", "Invalid Encryption Configuration: '%s'", problem);
	return !problem;
}

bool api_check_configurations(struct api_call *call)
{
	const struct value *encryption = api_member_value(call, "encryptionConfiguration");
	const struct value *tracing = api_member_value(call, "tracingConfiguration");
	const struct value *enabled = tracing ? inner(tracing, "enabled") : NULL;
	if (encryption && !check_encryption(call, encryption))
		return false;
	if (enabled && !value_is(enabled, VALUE_BOOL)) {
		api_refuse(call, "InvalidTracingConfiguration", "Invalid Tracing Configuration: 'enabled must be a boolean'");
		return false;
	}
	return true;
}

/* What was given, as far as it is known. */
static void put_known(struct buffer *out, const char *name, const struct value *given, const char *const *members)
{
	api_put_json(out, name, STR("{"));
	for (; *members; members++) {
		const struct value *value = inner(given, *members);
		if (value)
			api_put_json(out, *members, value_text(value));
	}
	buffer_byte(out, '}');
}

void api_put_encryption(struct buffer *out, const struct value *encryption)
{
	static const char *const members[] = { "kmsKeyId", "kmsDataKeyReusePeriodSeconds", "type", NULL };
	if (encryption)
		put_known(out, "encryptionConfiguration", encryption, members);
	else
		api_put_json(out, "encryptionConfiguration", STR("{\"type\":\"AWS_OWNED_KEY\"}"));
}

void api_put_configurations(struct buffer *out, const struct value *logging, const struct value *tracing, const struct value *encryption)
{
	bool traced = tracing && inner(tracing, "enabled") && value_bool(inner(tracing, "enabled"));
	api_put_json(out, "loggingConfiguration", logging ? value_text(logging) : STR("{\"level\":\"OFF\",\"includeExecutionData\":false}"));
	api_put_json(out, "tracingConfiguration", traced ? STR("{\"enabled\":true}") : STR("{\"enabled\":false}"));
	api_put_encryption(out, encryption);
}

/* ---- variableReferences: which variables each state reads ---------------------------------------- */

struct references {
	struct str *names;
	size_t count, capacity;
	struct arena *arena;
};

static void note_reference(void *data, struct str name, struct str reference)
{
	struct references *references = data;
	if (!name.len || name.ptr[0] == '$')
		return;
	for (size_t i = 0; i < references->count; i++)
		if (str_eq(references->names[i], name))
			return;
	if (references->count == references->capacity) {
		size_t capacity = references->capacity ? references->capacity * 2 : 8;
		struct str *names = ARENA_ARRAY(references->arena, struct str, capacity);
		if (references->count)
			memcpy(names, references->names, references->count * sizeof *names);
		references->names = names;
		references->capacity = capacity;
	}
	references->names[references->count++] = arena_str(references->arena, name);
}

static int by_name(const void *a, const void *b)
{
	return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static void visit(struct references *references, const struct expr *expr)
{
	if (expr)
		expr_references(expr, note_reference, references);
}

/* Tests nest as deep as the definition's JSON, which is bounded. */
static void visit_test(struct references *references, const struct choice_test *test)
{
	visit(references, test->variable);
	visit(references, test->operand_path);
	visit(references, test->condition);
	for (uint32_t i = 0; i < test->children_count; i++)
		visit_test(references, &test->children[i]);
}

static void visit_type(struct references *references, const struct state *state)
{
	switch (state->type) {
	case STATE_TASK:
		visit(references, state->task.timeout_s.expr);
		visit(references, state->task.heartbeat_s.expr);
		visit(references, state->task.credentials);
		break;
	case STATE_CHOICE:
		for (uint32_t i = 0; i < state->choice.rules_count; i++) {
			const struct choice_rule *rule = &state->choice.rules[i];
			visit_test(references, &rule->test);
			visit(references, rule->assign.values);
			visit(references, rule->output);
		}
		break;
	case STATE_WAIT:
		visit(references, state->wait.seconds.expr);
		visit(references, state->wait.timestamp_path);
		break;
	case STATE_FAIL:
		visit(references, state->fail.error);
		visit(references, state->fail.cause);
		break;
	case STATE_MAP:
		visit(references, state->map.items);
		visit(references, state->map.item_selector);
		visit(references, state->map.max_concurrency.expr);
		visit(references, state->map.tolerated_count.expr);
		visit(references, state->map.tolerated_percentage);
		break;
	case STATE_PASS:
	case STATE_SUCCEED:
	case STATE_PARALLEL:
		break;
	}
}

static void visit_state(struct references *references, const struct state *state)
{
	visit(references, state->input_path);
	visit(references, state->parameters);
	visit(references, state->arguments);
	visit_type(references, state);
	visit(references, state->result_selector);
	visit(references, state->assign.values);
	visit(references, state->result_path);
	visit(references, state->output_path);
	visit(references, state->output);
	for (uint32_t i = 0; i < state->catchers_count; i++) {
		visit(references, state->catchers[i].output);
		visit(references, state->catchers[i].assign.values);
	}
}

void api_put_variable_references(struct api_call *call, const struct program *program)
{
	struct buffer *out = &call->body;
	bool any = false;
	for (uint32_t i = 0; program && i < program->states_count; i++) {
		struct references references = { .arena = &call->arena };
		visit_state(&references, &program->states[i]);
		if (!references.count)
			continue;
		qsort(references.names, references.count, sizeof *references.names, by_name);
		if (!any)
			api_put_json(out, "variableReferences", STR("{"));
		else
			buffer_byte(out, ',');
		any = true;
		value_write_string(program->states[i].name, out);
		buffer_addz(out, ":[");
		for (size_t n = 0; n < references.count; n++) {
			if (n)
				buffer_byte(out, ',');
			value_write_string(references.names[n], out);
		}
		buffer_byte(out, ']');
	}
	if (any)
		buffer_byte(out, '}');
}
