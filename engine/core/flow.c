/* flow.c: data on its way through a state.
 *
 *     JSONPath   raw input ─ InputPath ─ Parameters ─▶ [the work] ─▶ result ─ ResultSelector ─ ResultPath ─ OutputPath ─▶
 *     JSONata    raw input ─ Arguments ─▶ [the work] ─▶ result ─ Output ─▶
 *
 * Where a step has nothing to do the same value goes on, so a payload that passes through is neither parsed nor
 * printed. */
#include "base/mem.h"
#include "engine/core/step.h"

/* ---- evaluating -------------------------------------------------------------------------- */

struct eyes {
	struct core_step *step;
	struct frame *frame;
	const struct view *view;
};

static const struct value *see_context(void *data)
{
	struct eyes *eyes = data;
	return context_object(eyes->step, eyes->frame, eyes->view->item, eyes->view->token);
}

/* A variable of the frame's scope, or of one around it. */
static const struct value *see_variable(void *data, struct str name)
{
	struct eyes *eyes = data;
	for (const struct frame *frame = eyes->frame; frame; frame = frame->parent) {
		const struct value *value = frame->variables ? value_get(frame->variables, name) : NULL;
		if (value)
			return value;
	}
	return NULL;
}

static struct expr_env expression_env(struct eyes *eyes, const char *field)
{
	const struct view *view = eyes->view;
	return (struct expr_env){ .input = view->input,
				  .result = view->result,
				  .error_output = view->error_output,
				  .context = see_context,
				  .variable = see_variable,
				  .data = eyes,
				  .random = &eyes->step->random,
				  .now_ms = eyes->step->env->now_ms,
				  .limits = eyes->step->env->limits,
				  .field = field };
}

int step_evaluate(struct core_step *step, struct frame *frame, const struct expr *expr, const char *field,
		  const struct view *view, const struct value **ret_value, struct failure *ret_failure)
{
	if (expr_is_root(expr)) {
		*ret_value = view->input;
		return 0;
	}
	struct eyes eyes = { step, frame, view };
	struct expr_env env = expression_env(&eyes, field);
	struct expr_failure failure = { 0 };
	struct value *value;
	if (expr_eval(expr, &env, step->arena, &value, &failure) < 0) {
		fail_with(step, frame, ret_failure, "", "%.*s", STR_FMT(failure.cause));
		ret_failure->error = failure.error;
		ret_failure->location = failure.location;
		ret_failure->evaluation = str_eqz(failure.error, ERROR_NAME_QUERY_EVALUATION_ERROR);
		return -1;
	}
	*ret_value = step_keep(step, value);
	return 0;
}

bool step_evaluate_present(struct core_step *step, struct frame *frame, const struct expr *path,
			   const struct view *view, const struct value **ret_value)
{
	struct eyes eyes = { step, frame, view };
	struct expr_env env = expression_env(&eyes, "Variable");
	struct value *value;
	if (!expr_eval_present(path, &env, step->arena, &value))
		return false;
	*ret_value = step_keep(step, value);
	return true;
}

static const struct value *empty_object(struct core_step *step)
{
	return step_keep(step, value_new_object(0));
}

static int evaluate_input_path(struct core_step *step, struct frame *frame, const struct state *state,
			       const struct value **ret_input, struct failure *ret_failure)
{
	if (state->input_path_null) {
		*ret_input = empty_object(step);
		return 0;
	}
	if (!state->input_path) {
		*ret_input = frame->input;
		return 0;
	}
	struct view view = { .input = frame->input, .item = NO_ITEM };
	return step_evaluate(step, frame, state->input_path, "InputPath", &view, ret_input, ret_failure);
}

int step_effective_input(struct core_step *step, struct frame *frame, const struct state *state,
			 const struct value **ret_input, struct failure *ret_failure)
{
	if (evaluate_input_path(step, frame, state, ret_input, ret_failure) < 0)
		return -1;
	step_saw(step, TEST_INPUT_PATH, *ret_input);
	return 0;
}

int step_effective_arguments(struct core_step *step, struct frame *frame, const struct state *state, bool token,
			     const struct value **ret_arguments, struct failure *ret_failure)
{
	struct view view = { .input = frame->input, .item = NO_ITEM, .token = token };
	if (state->language == QUERY_JSONATA) {
		*ret_arguments = frame->input;
		if (state->arguments && step_evaluate(step, frame, state->arguments, "Arguments", &view, ret_arguments,
						      ret_failure) < 0)
			return -1;
		step_saw(step, TEST_ARGUMENTS, *ret_arguments);
		return 0;
	}
	if (step_effective_input(step, frame, state, &view.input, ret_failure) < 0)
		return -1;
	*ret_arguments = view.input;
	if (state->parameters &&
	    step_evaluate(step, frame, state->parameters, "Parameters", &view, ret_arguments, ret_failure) < 0)
		return -1;
	step_saw(step, TEST_PARAMETERS, *ret_arguments);
	return 0;
}

bool is_whole_number(const struct value *value, int64_t *ret_number)
{
	_cleanup_(value_unrefp) struct value *number = NULL;
	if (value_is(value, VALUE_STRING) && value_parse(value_string(value), NULL, &number, NULL) == 0)
		value = number;
	return value_is(value, VALUE_NUMBER) && value_int64(value, ret_number);
}

int step_evaluate_number(struct core_step *step, struct frame *frame, const struct number_field *number,
			 const struct value *input, int64_t *ret_number, struct failure *ret_failure)
{
	if (!number->expr) {
		*ret_number = number->value;
		return 0;
	}
	struct view view = { .input = input, .item = NO_ITEM };
	const struct value *value;
	if (step_evaluate(step, frame, number->expr, number->field, &view, &value, ret_failure) < 0)
		return -1;
	bool jsonata = frame_state(step, frame)->language == QUERY_JSONATA;
	int64_t found;
	if ((jsonata ? value_int64(value, &found) : is_whole_number(value, &found)) && found >= 0) {
		*ret_number = found;
		return 0;
	}
	if (jsonata) {
		if (!value_is(value, VALUE_NUMBER))
			return fail_wrong_type(step, frame, ret_failure, number->expr, number->field, "number", value);
		return fail_evaluation(step, frame, ret_failure, number->field,
				       "The %s field must be a non-negative integer but was: %.*s", number->field,
				       STR_FMT(value_text(value)));
	}
	return fail_with(step, frame, ret_failure, ERROR_NAME_RUNTIME,
			 "The %s field refers to value \"%.*s\" which is not a valid integer: %.*s", number->field,
			 STR_FMT(value_is(value, VALUE_STRING) ? value_string(value) : value_text(value)),
			 STR_FMT(expr_text(number->expr)));
}

int step_evaluate_assign(struct core_step *step, struct frame *frame, const struct assignment *assign,
			 const char *field, const struct view *view, const struct value **ret_assigned,
			 struct failure *ret_failure)
{
	*ret_assigned = NULL;
	if (!assign->values)
		return 0;
	const struct value *assigned;
	if (step_evaluate(step, frame, assign->values, field, view, &assigned, ret_failure) < 0)
		return -1;
	if (!value_count(assigned))
		return 0;
	size_t bytes = value_text_len(assigned), all = bytes;
	for (const struct frame *outer = frame; outer; outer = outer->parent)
		all += outer->variables ? value_text_len(outer->variables) : 0;
	if (bytes > (size_t)step->env->limits->assign_bytes || all > (size_t)step->env->limits->variables_bytes)
		return fail_data_limit(step, ret_failure, kept_text_str(&frame->state));
	*ret_assigned = assigned;
	return 0;
}

/* ---- leaving ------------------------------------------------------------------------------ */

static bool has_result(const struct state *state)
{
	return state->type == STATE_TASK || state->type == STATE_PARALLEL || state->type == STATE_MAP;
}

static int put_result(struct core_step *step, struct frame *frame, const struct state *state,
		      const struct value *result, const struct value **ret_output, struct failure *ret_failure)
{
	*ret_output = result;
	if (state->result_path_null) {
		*ret_output = frame->input;
	} else if (state->result_path && !expr_is_root(state->result_path)) {
		struct expr_failure failure = { 0 };
		struct value *output;
		if (expr_put(state->result_path, frame->input, result, step->arena, &output, &failure) < 0) {
			fail_with(step, frame, ret_failure, "", "%.*s", STR_FMT(failure.cause));
			ret_failure->error = failure.error;
			return -1;
		}
		*ret_output = step_keep(step, output);
	}
	return 0;
}

static int leave_jsonpath(struct core_step *step, struct frame *frame, const struct state *state,
			  const struct value *result, struct leaving *leaving, struct failure *ret_failure)
{
	struct view view = { .input = result, .item = NO_ITEM };
	if (state->result_selector &&
	    step_evaluate(step, frame, state->result_selector, "ResultSelector", &view, &view.input, ret_failure) < 0)
		return -1;
	step_saw(step, TEST_RESULT_SELECTOR, view.input);
	if (step_evaluate_assign(step, frame, &state->assign, "Assign", &view, &leaving->assigned, ret_failure) < 0 ||
	    put_result(step, frame, state, view.input, &view.input, ret_failure) < 0)
		return -1;
	step_saw(step, TEST_RESULT_PATH, view.input);
	leaving->output = view.input;
	if (state->output_path_null)
		leaving->output = empty_object(step);
	else if (state->output_path)
		return step_evaluate(step, frame, state->output_path, "OutputPath", &view, &leaving->output,
				     ret_failure);
	return 0;
}

/* The path of a field within the state. */
static const char *at_field(struct core_step *step, const char *within, const char *field)
{
	return within[0] ? arena_printf(step->arena, "%s%s", within, field) : field;
}

static int leave_jsonata(struct core_step *step, struct frame *frame, const struct state *state, const char *within,
			 const struct value *result, struct leaving *leaving, struct failure *ret_failure)
{
	struct view view = { .input = frame->input, .result = has_result(state) ? result : NULL, .item = NO_ITEM };
	leaving->output = result;
	if (state->output && step_evaluate(step, frame, state->output, at_field(step, within, "Output"), &view,
					   &leaving->output, ret_failure) < 0)
		return -1;
	return step_evaluate_assign(step, frame, &state->assign, at_field(step, within, "Assign"), &view,
				    &leaving->assigned, ret_failure);
}

int leave_with(struct core_step *step, struct frame *frame, const struct state *state, const char *within,
	       const struct value *result, struct leaving *ret_leaving, struct failure *ret_failure)
{
	struct leaving leaving = { .next = state->next };
	step_saw(step, TEST_RESULT, result);
	int r = state->language == QUERY_JSONATA
		    ? leave_jsonata(step, frame, state, within, result, &leaving, ret_failure)
		    : leave_jsonpath(step, frame, state, result, &leaving, ret_failure);
	if (r < 0)
		return -1;
	if (exceeds_payload_limit(step, leaving.output))
		return fail_data_limit(step, ret_failure, state->name);
	*ret_leaving = leaving;
	return 0;
}

void exit_state(struct core_step *step, struct frame *frame, const struct state *state, const struct leaving *leaving)
{
	const struct state *next = leaving->next == STATE_NONE ? NULL : &step->env->program->states[leaving->next];
	struct event event = { .type = exited_event(state->type),
			       .fields = FIELD_NAME | FIELD_PAYLOAD,
			       .previous_id = frame->last_id,
			       .name = state->name,
			       .payload = (struct value *)leaving->output };
	if (step->env->test)
		test_left(step->env->test, leaving, next ? next->name : STR_EMPTY);
	if (leaving->assigned) {
		event.fields |= FIELD_VARIABLES;
		event.variables = (struct value *)leaving->assigned;
	}
	if (next) {
		event.fields |= FIELD_NEXT;
		event.next = next->name;
	}
	step_emit(step, frame, &event);
	if (next && !step->history_full)
		frame->at = next; /* saves looking it up by name in the next unit */
}

void complete_state(struct core_step *step, struct frame *frame, const struct state *state, const char *within,
		    const struct value *result)
{
	struct leaving leaving;
	struct failure failure = { 0 };
	if (leave_with(step, frame, state, within, result, &leaving, &failure) < 0)
		fail_state(step, frame, state, &failure);
	else
		exit_state(step, frame, state, &leaving);
}
