/* definition.c: the one state that is tested, compiled as a machine of its own.
 *
 * The state stands alone, or (stateName) anywhere in a whole definition, which is then checked as a whole first. Either
 * way its text is put into a small machine as its start; the states that it names as next are put beside it as ends, so
 * that all rules of the language hold for it as they do in a machine. */
#include "base/mem.h"
#include "dsl/definition_yaml.h"
#include "server/test_state/test_state.h"

static void release_program(void *data)
{
	program_unref(data);
}

/* Both NULL after the call was refused. */
static struct program *compile(struct test_state *t, struct str text)
{
	const struct program_options options = { .limits = engine_limits(t->call->engine), .distributed = true };
	struct diagnostics diagnostics = { 0 };
	struct program *program = NULL;
	_cleanup_(buffer_done) struct buffer words = { 0 };
	if (program_compile(text, &options, &t->call->arena, &diagnostics, &program) == 0) {
		arena_on_reset(&t->call->arena, release_program, program);
		return program;
	}
	diagnostics_say(&diagnostics, &words);
	api_refuse(t->call, "InvalidDefinition", "Invalid State Machine Definition: '%.*s'",
		   STR_FMT(buffer_str(&words)));
	return NULL;
}

/* ---- the states that come next ------------------------------------------------------------------------ */

static void add_target(struct value *targets, const struct value *object, const char *field)
{
	const struct value *name = value_getz(object, field);
	if (name && value_is(name, VALUE_STRING) && value_string(name).len &&
	    !str_eqz(value_string(name), TEST_STATE_NAME))
		value_object_take(targets, value_string(name), value_new_null());
}

static void add_targets_of(struct value *targets, const struct value *state, const char *field)
{
	const struct value *list = value_getz(state, field);
	for (size_t i = 0; list && value_is(list, VALUE_ARRAY) && i < value_count(list); i++)
		add_target(targets, value_at(list, i), "Next");
}

/* The names of all states that it may go to, as keys. */
static struct value *targets_of(const struct value *state)
{
	struct value *targets = value_new_object(4);
	add_target(targets, state, "Next");
	add_target(targets, state, "Default");
	add_targets_of(targets, state, "Choices");
	add_targets_of(targets, state, "Catch");
	return targets;
}

static struct program *compile_alone(struct test_state *t, struct str text, enum query_language language)
{
	_cleanup_(buffer_done) struct buffer machine = { 0 };
	_cleanup_(value_unrefp) struct value *targets = targets_of(t->object);
	buffer_addz(&machine, "{\"StartAt\":\"" TEST_STATE_NAME "\",");
	if (language == QUERY_JSONATA)
		buffer_addz(&machine, "\"QueryLanguage\":\"JSONata\",");
	buffer_addz(&machine, "\"States\":{\"" TEST_STATE_NAME "\":");
	buffer_add(&machine, text);
	for (size_t i = 0; i < value_count(targets); i++) {
		buffer_byte(&machine, ',');
		value_write_string(value_key_at(targets, i), &machine);
		buffer_addz(&machine, ":{\"Type\":\"Succeed\"}");
	}
	buffer_addz(&machine, "}}");
	return compile(t, buffer_str(&machine));
}

/* ---- which state ---------------------------------------------------------------------------------------- */

static const struct state *find_state(const struct program *program, struct str name)
{
	for (uint32_t i = 0; i < program->states_count; i++)
		if (str_eq(program->states[i].name, name))
			return &program->states[i];
	return NULL;
}

/* The text of the state within the definition, and its machine's language. */
static bool cut_out(struct test_state *t, struct str name, struct str *ret_text, enum query_language *ret_language)
{
	const struct program *whole = compile(t, *ret_text);
	if (!whole)
		return false;
	const struct state *state = find_state(whole, name);
	if (!state) {
		api_refuse(t->call, "ValidationException", "State '%.*s' not found in the state machine definition.",
			   STR_FMT(name));
		return false;
	}
	*ret_text = str_sub(*ret_text, state->offset, state->length);
	*ret_language = whole->language;
	return true;
}

/* Whether `name` is a state somewhere inside the tested one. */
static bool is_inside(const struct test_state *t, struct str name)
{
	const struct state *state = find_state(t->program, name);
	return state && state->scope != 0;
}

static bool is_fan(const struct state *state)
{
	return state->type == STATE_MAP || state->type == STATE_PARALLEL;
}

/* What kinds of states may be mocked, and which must be. */
static bool check_type(struct test_state *t)
{
	const struct state *state = t->state;
	if (t->mock && state->type != STATE_TASK && !is_fan(state)) {
		api_refuse(t->call, "ValidationException", "State type '%s' is not supported when a mock is specified",
			   state_type_name(state->type));
		return false;
	}
	if (t->error_state.len && !(is_fan(state) && is_inside(t, t->error_state))) {
		api_refuse(t->call, "ValidationException",
			   "ErrorCausedByState '%.*s' is not a state of the tested Map or Parallel state.",
			   STR_FMT(t->error_state));
		return false;
	}
	if (t->mock)
		return true;
	if (is_fan(state)) {
		api_refuse(t->call, "InvalidDefinition",
			   "TestState API does not support Map or Parallel states. Supported state types include: "
			   "[Task, Wait, Pass, Succeed, Fail, Choice]");
		return false;
	}
	const struct resource *resource = state->type == STATE_TASK ? &state->task.resource : NULL;
	if (resource && (resource->kind == RESOURCE_ACTIVITY || resource->pattern != PATTERN_REQUEST_RESPONSE)) {
		api_refuse(t->call, "InvalidDefinition",
			   "TestState API does not support activities, .sync or .waitForTaskToken when a mock is not "
			   "specified: %.*s",
			   STR_FMT(resource->arn));
		return false;
	}
	return true;
}

bool test_state_read_definition(struct test_state *t)
{
	const struct limits *limits = engine_limits(t->call->engine);
	struct str text = api_text(t->call, "definition");
	enum query_language language = QUERY_JSONPATH;
	if (text.len > (size_t)limits->definition_bytes) {
		api_refuse(
		    t->call, "InvalidDefinition",
		    "Invalid State Machine Definition: 'The definition is %zu bytes long, at most %lld are allowed'",
		    text.len, (long long)limits->definition_bytes);
		return false;
	}
	text = definition_as_json(text, &t->call->arena);
	if (api_has(t->call, "stateName") && !cut_out(t, api_text(t->call, "stateName"), &text, &language))
		return false;
	t->object = test_state_parse(t, text);
	t->program = t->object ? compile_alone(t, text, language) : compile(t, text);
	if (!t->program)
		return false;
	t->state = &t->program->states[t->program->scopes[0].start];
	return check_type(t);
}
