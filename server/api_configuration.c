/* api_configuration.c: the logging, tracing and encryption configurations of state machines: checked, with their defaults, and written. */
#include "server/api.h"
#include <stdlib.h>

#define LOG_LEVELS "ALL, ERROR, FATAL, OFF"

static void release_value(void *data)
{
	value_unref(data);
}

static bool is_log_level(struct str level)
{
	return str_eqz(level, "ALL") || str_eqz(level, "ERROR") || str_eqz(level, "FATAL") || str_eqz(level, "OFF");
}

static bool is_log_destination(const struct value *destination)
{
	const struct value *group = value_getz(destination, "cloudWatchLogsLogGroup");
	const struct value *arn = group ? value_getz(group, "logGroupArn") : NULL;
	return arn && value_is(arn, VALUE_STRING);
}

bool api_read_logging(struct api_call *call, const struct value **ret_logging)
{
	const struct value *given = api_member_value(call, "loggingConfiguration");
	*ret_logging = NULL;
	if (!given)
		return true;
	const struct value *level = value_getz(given, "level"), *destinations = value_getz(given, "destinations"),
			   *include = value_getz(given, "includeExecutionData");
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
	if (count && !is_log_destination(value_at(destinations, 0))) {
		api_refuse(call, "InvalidLoggingConfiguration", "Invalid Logging Configuration: Log Destination not found.");
		return false;
	}
	struct value *logging = value_new_object(3);
	value_object_take(logging, STR("level"), value_from_string(name));
	value_object_take(logging, STR("includeExecutionData"), value_new_bool(include && value_bool(include)));
	if (destinations)
		value_object_set(logging, STR("destinations"), destinations);
	arena_on_reset(&call->arena, release_value, logging);
	*ret_logging = logging;
	return true;
}

static bool check_encryption(struct api_call *call, const struct value *encryption)
{
	const struct value *type = value_getz(encryption, "type"), *key = value_getz(encryption, "kmsKeyId");
	const struct value *seconds = value_getz(encryption, "kmsDataKeyReusePeriodSeconds");
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
	const struct value *enabled = tracing ? value_getz(tracing, "enabled") : NULL;
	if (encryption && !check_encryption(call, encryption))
		return false;
	if (enabled && !value_is(enabled, VALUE_BOOL)) {
		api_refuse(call, "InvalidTracingConfiguration", "Invalid Tracing Configuration: 'enabled must be a boolean'");
		return false;
	}
	return true;
}

static void put_configuration(struct buffer *out, const char *name, const struct value *given, const char *otherwise)
{
	api_put_json(out, name, given ? value_text(given) : str_of(otherwise));
}

void api_put_configurations(struct buffer *out, const struct value *logging, const struct value *tracing, const struct value *encryption)
{
	put_configuration(out, "loggingConfiguration", logging, "{\"level\":\"OFF\",\"includeExecutionData\":false}");
	put_configuration(out, "tracingConfiguration", tracing, "{\"enabled\":false}");
	put_configuration(out, "encryptionConfiguration", encryption, "{\"type\":\"AWS_OWNED_KEY\"}");
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
