/* compile_state.c: one state of any type: what all of them share first, then a function per type. */
#include "base/timestamp.h"
#include "dsl/compile.h"
#include <stdio.h>

/* AWS's order, as its messages list them. */
static const struct {
	const char *name;
	enum state_type type;
} type_names[] = {
	{ "Task", STATE_TASK },         { "Wait", STATE_WAIT }, { "Pass", STATE_PASS },
	{ "Succeed", STATE_SUCCEED },   { "Fail", STATE_FAIL }, { "Choice", STATE_CHOICE },
	{ "Parallel", STATE_PARALLEL }, { "Map", STATE_MAP },
};
enum { TYPES = sizeof type_names / sizeof *type_names };

const char *state_type_name(enum state_type type)
{
	for (unsigned i = 0; i < TYPES; i++)
		if (type_names[i].type == type)
			return type_names[i].name;
	return "";
}

static bool read_type(struct compiler *c, const struct djson *node, enum state_type *ret_type)
{
	const struct djson *type = djson_get(node, STR("Type"));
	if (!type) {
		report_object(c, node, STR("a state with Type"), "These fields are required: [Type]");
		return false;
	}
	for (unsigned i = 0; i < TYPES && type->kind == VALUE_STRING; i++)
		if (str_eqz(type->text, type_names[i].name)) {
			*ret_type = type_names[i].type;
			return true;
		}
	if (type->kind == VALUE_STRING)
		report_value(c, type, STR("a state type, with a capital letter"),
			     "The field 'Type' should have one of these values: [Task, Wait, Pass, Succeed, Fail, "
			     "Choice, Parallel, Map]");
	else
		report_value(c, type, STR("a state type"), "Expected value of type String");
	return false;
}

/* The state's own language, or the machine's: not that of the Map or Parallel around it. */
static enum query_language read_language(struct compiler *c, const struct djson *node)
{
	const struct djson *language = djson_get(node, STR("QueryLanguage"));
	if (!language || language->kind != VALUE_STRING)
		return c->program->language;
	if (str_eqz(language->text, "JSONata"))
		return QUERY_JSONATA;
	if (!str_eqz(language->text, "JSONPath")) {
		report_value(c, language, STR("JSONPath or JSONata"),
			     "The field 'QueryLanguage' should have one of these values: [JSONPath, JSONata]");
		return c->program->language;
	}
	if (c->program->language == QUERY_JSONATA)
		report_key(c, node, language, STR("JSONata, or JSONPath for the machine"),
			   "'QueryLanguage' can not be 'JSONPath' if set to 'JSONata' for whole state machine");
	return QUERY_JSONPATH;
}

/* "A, B, C and 7 more": the states one could have meant. */
static struct str names_of_scope(struct compiler *c)
{
	char text[400] = "";
	uint32_t shown = 0;
	for (const struct djson *state = c->states_object->first; state && shown < 5; state = state->next, shown++) {
		size_t len = strlen(text);
		struct str name = str_sub(state->key, 0, 40);
		snprintf(text + len, sizeof text - len, "%s%.*s", shown ? ", " : "", STR_FMT(name));
	}
	if (c->states_object->count > shown)
		return expecting(c, "%s and %u more", text, c->states_object->count - shown);
	return arena_str(c->scratch, str_of(text));
}

uint32_t compile_target(struct compiler *c, const struct djson *node)
{
	if (!node)
		return STATE_NONE;
	uintptr_t found = (uintptr_t)str_map_get(&c->scope_names, node->text);
	if (found)
		return (uint32_t)(found - 1);
	struct str names = names_of_scope(c), shown = str_sub(node->text, 0, 200);
	bool elsewhere = str_map_get(&c->names, node->text) != NULL;
	report(
	    c,
	    &(struct report){ AT_VALUE(node), .code = DIAGNOSTIC_MISSING_TRANSITION_TARGET,
			      .expected = expecting(c, "a state of the same scope: %.*s%s", STR_FMT(names),
						    elsewhere ? "; the one of that name stands outside of it" : "") },
	    "Missing 'Next' target: %.*s", STR_FMT(shown));
	return STATE_NONE;
}

/* Next or End, of the states that have them. */
static void compile_transition(struct compiler *c, const struct fields *fields, struct state *state)
{
	const struct djson *next = fields->at[F_Next], *end = fields->at[F_End];
	bool ends = end && end->boolean;
	state->next = compile_target(c, next);
	if (next && ends)
		report_key(c, fields->object, next->offset > end->offset ? next : end, STR("either Next or End: true"),
			   "Only one of these fields is allowed: [Next, End]");
	else if (!fields->members[F_Next] && !ends && !(fields->members[F_End] && !end))
		report_object(c, fields->object, STR("Next with a state's name, or End: true"),
			      "One of these fields is required: [Next, End]");
}

/* A path that may be null. */
static struct expr *nullable_path(struct compiler *c, const struct djson *node, enum path_use use, bool *ret_null)
{
	*ret_null = node && node->kind == VALUE_NULL;
	return *ret_null ? NULL : compile_path(c, node, use);
}

/* A string that looks like a path but stands as a constant is a likely slip: AWS warns of it. */
static void warn_of_constant_paths(struct compiler *c, const struct djson *template, enum diagnostic_code code,
				   const char *message)
{
	for (const struct djson *node = template; node; node = djson_walk(node, template)) {
		bool path = node->kind == VALUE_STRING &&
			    (str_starts(node->text, STR("$.")) || str_starts(node->text, STR("$$.")) ||
			     str_starts(node->text, STR("States.")));
		bool named = node->parent && node->parent->kind == VALUE_OBJECT && node != template;
		if (path && named && !str_ends(node->key, STR(".$")))
			report(c,
			       &(struct report){ AT_VALUE(node), .severity = DIAGNOSTIC_WARNING, .code = code,
						 .expected = expecting(c, "\"%.*s.$\" if it is meant as a path",
								       STR_FMT(node->key)) },
			       "%s", message);
	}
}

static void compile_data_flow(struct compiler *c, const struct fields *fields, struct state *state)
{
	const struct djson *const *at = fields->at;
	static const char no_dollar[] = "The value looks like a path, but the field's name does not end with '.$'";
	state->input_path = nullable_path(c, at[F_InputPath], PATH_ANY, &state->input_path_null);
	state->output_path = nullable_path(c, at[F_OutputPath], PATH_ANY, &state->output_path_null);
	state->result_path = nullable_path(c, at[F_ResultPath], PATH_RESULT, &state->result_path_null);
	if (state->type != STATE_MAP)
		state->parameters = compile_template(c, at[F_Parameters], QUERY_JSONPATH);
	state->result_selector = compile_template(c, at[F_ResultSelector], QUERY_JSONPATH);
	warn_of_constant_paths(c, at[F_Parameters], DIAGNOSTIC_NO_DOLLAR, no_dollar);
	warn_of_constant_paths(c, at[F_ResultSelector], DIAGNOSTIC_NO_DOLLAR, no_dollar);
	state->arguments = compile_template(c, at[F_Arguments], QUERY_JSONATA);
	bool has_result = state->type == STATE_TASK || state->type == STATE_PARALLEL || state->type == STATE_MAP;
	c->states_fields = has_result ? EXPR_STATES_RESULT : 0;
	state->output = compile_template(c, at[F_Output], QUERY_JSONATA);
	state->assign = compile_assign(c, at[F_Assign], state->language);
	c->states_fields = 0;
	compile_retry(c, at[F_Retry], state);
	compile_catch(c, at[F_Catch], state);
}

/* ---- by type ---------------------------------------------------------------------------- */

static struct expr *compile_credentials(struct compiler *c, const struct djson *node, enum query_language language)
{
	if (!node)
		return NULL;
	if (node->kind == VALUE_OBJECT && !djson_get(node, STR("RoleArn")) && !djson_get(node, STR("RoleArn.$")))
		report_object(c, node, STR("Credentials with RoleArn or RoleArn.$"),
			      "The field 'RoleArn' is required but was missing");
	return compile_template(c, node, language);
}

static void compile_task(struct compiler *c, const struct fields *fields, struct state *state)
{
	const struct djson *heartbeat = fields->at[F_HeartbeatSeconds];
	if (fields->at[F_Resource])
		compile_resource(c, fields->at[F_Resource], &state->task.resource);
	state->task.timeout_s = compile_number(c, fields, F_TimeoutSeconds, F_TimeoutSecondsPath);
	state->task.heartbeat_s = compile_number(c, fields, F_HeartbeatSeconds, F_HeartbeatSecondsPath);
	state->task.credentials = compile_credentials(c, fields->at[F_Credentials], state->language);
	int64_t timeout_s = state->task.timeout_s.value, heartbeat_s = state->task.heartbeat_s.value;
	if (timeout_s > 0 && heartbeat_s >= timeout_s)
		report_value(c, heartbeat, expecting(c, "less than %lld", (long long)timeout_s),
			     "HeartbeatSeconds must be smaller than TimeoutSeconds");
}

static void compile_pass(struct compiler *c, const struct fields *fields, struct state *state)
{
	const struct djson *result = fields->at[F_Result];
	if (!result)
		return;
	state->pass.result = compile_value(c, result);
	warn_of_constant_paths(c, result, DIAGNOSTIC_PASS_RESULT_IS_STATIC,
			       "A Pass state's Result is static: the path in it is not evaluated");
}

static void compile_wait(struct compiler *c, const struct fields *fields, struct state *state)
{
	static const enum field choices[] = { F_Seconds, F_SecondsPath, F_Timestamp, F_TimestampPath };
	bool jsonata = state->language == QUERY_JSONATA;
	const char *names = jsonata ? "Seconds, Timestamp" : "Seconds, SecondsPath, Timestamp, TimestampPath";
	const struct djson *last = NULL, *timestamp = fields->at[F_Timestamp];
	unsigned given = 0;
	for (unsigned i = 0; i < 4; i++) {
		const struct djson *member = fields->members[choices[i]];
		given += member != NULL;
		if (member && (!last || member->offset > last->offset))
			last = member;
	}
	if (given == 0)
		report_object(c, fields->object, expecting(c, "exactly one of %s", names),
			      "One of these fields is required: [%s]", names);
	else if (given > 1)
		report_key(c, fields->object, last, expecting(c, "exactly one of %s", names),
			   "Only one of these fields is allowed: [%s]", names);
	state->wait.seconds = compile_number(c, fields, F_Seconds, F_SecondsPath);
	state->wait.timestamp_path = compile_path(c, fields->at[F_TimestampPath], PATH_REFERENCE);
	if (!timestamp)
		return;
	if (jsonata && node_is_jsonata(timestamp)) {
		state->wait.timestamp_path = compile_template(c, timestamp, QUERY_JSONATA);
		return;
	}
	state->wait.timestamp = compile_str(c, timestamp);
	state->wait.has_timestamp = timestamp_parse(timestamp->text, &state->wait.timestamp_ms);
	if (!state->wait.has_timestamp)
		report_value(c, timestamp, STR("a timestamp such as 2016-03-14T01:59:00Z"),
			     "String does not match RFC3339 timestamp");
}

static struct expr *error_or_cause(struct compiler *c, const struct djson *constant, const struct djson *path,
				   enum query_language language)
{
	if (!constant)
		return compile_path(c, path, PATH_OR_INTRINSIC);
	return language == QUERY_JSONATA ? compile_template(c, constant, language) : compile_constant(c, constant);
}

void compile_state(struct compiler *c, const struct djson *node, struct state *state)
{
	state->name = arena_str(c->arena, node->key);
	state->scope = c->scope;
	state->next = STATE_NONE;
	state->offset = node->offset;
	state->length = node->length;
	if (node->kind != VALUE_OBJECT) {
		report_value(c, node, STR("a state"), "Expected value of type Object");
		c->terminal = true; /* who knows: no second complaint about it */
		return;
	}
	state->language = read_language(c, node);
	if (!read_type(c, node, &state->type)) {
		c->terminal = true;
		return;
	}
	struct fields fields;
	fields_read(c, node, OWNER_STATE + state->type, state->language, false, &fields);
	state->comment = compile_str(c, fields.at[F_Comment]);
	compile_data_flow(c, &fields, state);
	switch (state->type) {
	case STATE_TASK:
		compile_task(c, &fields, state);
		break;
	case STATE_PASS:
		compile_pass(c, &fields, state);
		break;
	case STATE_CHOICE:
		compile_choice(c, &fields, state);
		return; /* its rules say where it goes on */
	case STATE_WAIT:
		compile_wait(c, &fields, state);
		break;
	case STATE_FAIL:
		state->fail.error = error_or_cause(c, fields.at[F_Error], fields.at[F_ErrorPath], state->language);
		state->fail.cause = error_or_cause(c, fields.at[F_Cause], fields.at[F_CausePath], state->language);
		c->terminal = true;
		return;
	case STATE_SUCCEED:
		c->terminal = true;
		return;
	case STATE_PARALLEL:
		compile_parallel(c, &fields, state);
		break;
	case STATE_MAP:
		compile_map(c, &fields, state);
		break;
	}
	compile_transition(c, &fields, state);
	c->terminal |= fields.at[F_End] && fields.at[F_End]->boolean;
}
