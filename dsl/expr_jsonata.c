/* expr_jsonata.c: binds dsl/jsonata/ to expr.h. Built without it (RATCHET_JSONATA not set), every field that has an
 * expression in it is refused with a clear problem. */
#include "dsl/expr_internal.h"

#ifdef RATCHET_JSONATA
#include "dsl/jsonata/jsonata.h"

struct expr *expr_compile_jsonata_template(struct arena *arena, const struct value *json, unsigned states,
					   struct expr_template_problem **ret_problems)
{
	struct jsonata_template_problem *problems = NULL;
	struct expr *expr = expr_new_json(arena, EXPR_JSONATA, json);
	struct expr_template_problem **tail = ret_problems;
	unsigned fields = JSONATA_STATES_INPUT | JSONATA_STATES_CONTEXT;
	fields |= states & EXPR_STATES_RESULT ? JSONATA_STATES_RESULT : 0;
	fields |= states & EXPR_STATES_ERROR_OUTPUT ? JSONATA_STATES_ERROR_OUTPUT : 0;
	expr->jsonata = jsonata_template_compile(arena, json, fields, &problems);
	*ret_problems = NULL;
	for (; problems; problems = problems->next) {
		struct expr_template_problem *problem = ARENA_NEW(arena, struct expr_template_problem);
		problem->pointer = problems->pointer;
		problem->problem = (struct expr_problem){ .message = problems->message,
							  .offset = problems->offset,
							  .length = problems->length,
							  .unsupported = problems->unsupported };
		*tail = problem;
		tail = &problem->next;
	}
	if (!*ret_problems && jsonata_template_is_constant(expr->jsonata))
		expr->kind = EXPR_CONSTANT;
	return expr;
}

int expr_jsonata_eval(const struct expr *expr, const struct expr_env *env, struct arena *arena,
		      struct value **ret_value, struct expr_failure *ret_failure)
{
	static const struct limits limits_default = { LIMITS_DEFAULT_FIELDS_ };
	const struct limits *limits = env->limits ? env->limits : &limits_default;
	struct jsonata_states states = {
		.input = env->input,
		.result = env->result,
		.error_output = env->error_output,
		.context = env->context,
	};
	struct jsonata_env jsonata_env = {
		.variable = env->variable,
		.states = &states,
		.data = env->data,
		.random = env->random,
		.now_ms = env->now_ms,
		.steps_max = limits->expression_steps,
		.depth_max = limits->expression_depth,
		.bytes_max = limits->expression_bytes,
		.value_bytes_max = limits->expression_value_bytes,
	};
	struct jsonata_failure failure;
	if (jsonata_template_evaluate(expr->jsonata, &jsonata_env, str_of(env->field), arena, ret_value, &failure) == 0)
		return 0;
	*ret_failure = (struct expr_failure){
		.error = STR("States.QueryEvaluationError"),
		.cause = failure.cause,
		.location = failure.location,
	};
	return -1;
}

void expr_jsonata_references(const struct expr *expr, void (*visit)(void *data, struct str name, struct str reference),
			     void *data)
{
	jsonata_template_references(expr->jsonata, visit, data);
}

bool expr_jsonata_is_input(const struct expr *expr)
{
	return jsonata_template_is_input(expr->jsonata);
}

#else

/* Whether a string "{% … %}" stands anywhere in it. */
static bool has_expression(const struct value *json)
{
	if (value_is(json, VALUE_STRING))
		return expr_is_jsonata(value_string(json));
	for (size_t i = 0; i < value_count(json); i++)
		if (has_expression(value_at(json, i)))
			return true;
	return false;
}

struct expr *expr_compile_jsonata_template(struct arena *arena, const struct value *json, unsigned states,
					   struct expr_template_problem **ret_problems)
{
	*ret_problems = NULL;
	if (has_expression(json)) {
		struct expr_template_problem *problem = ARENA_NEW(arena, struct expr_template_problem);
		problem->pointer = STR_EMPTY;
		problem->problem.message = STR("JSONata is not supported yet");
		problem->problem.unsupported = true;
		*ret_problems = problem;
	}
	return expr_constant(arena, json);
}

int expr_jsonata_eval(const struct expr *expr, const struct expr_env *env, struct arena *arena,
		      struct value **ret_value, struct expr_failure *ret_failure)
{
	*ret_failure = (struct expr_failure){ .error = STR("States.QueryEvaluationError"),
					      .cause = STR("JSONata is not supported yet"),
					      .location = str_of(env->field) };
	return -1;
}

void expr_jsonata_references(const struct expr *expr, void (*visit)(void *data, struct str name, struct str reference),
			     void *data)
{
}

bool expr_jsonata_is_input(const struct expr *expr)
{
	return false;
}
#endif
