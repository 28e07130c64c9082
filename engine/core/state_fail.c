/* state_fail.c: Fail ends its scope with an Error and a Cause, each a constant, a path, an intrinsic function or
 * JSONata, each optional. */
#include "engine/core/step.h"

static const char *field_name(const struct state *state, const struct expr *expr, const char *constant,
			      const char *path)
{
	struct str text = expr_text(expr);
	bool is_path =
	    state->language == QUERY_JSONPATH && (str_starts(text, STR("$")) || str_starts(text, STR("States.")));
	return is_path ? path : constant;
}

static int evaluate_text(struct core_step *step, struct frame *frame, const struct expr *expr, const char *field,
			 struct str *ret_text, struct failure *ret_failure)
{
	struct view view = { .input = frame->input, .item = NO_ITEM };
	const struct value *value;
	if (step_evaluate(step, frame, expr, field, &view, &value, ret_failure) < 0)
		return -1;
	if (value_is(value, VALUE_STRING)) {
		*ret_text = value_string(value);
		return 0;
	}
	if (frame_state(step, frame)->language == QUERY_JSONATA)
		return fail_wrong_type(step, frame, ret_failure, expr, field, "string", value);
	return fail_with(step, frame, ret_failure, ERROR_NAME_RUNTIME,
			 "The %s field refers to value \"%.*s\" which is not a string: %.*s", field,
			 STR_FMT(value_text(value)), STR_FMT(expr_text(expr)));
}

void run_fail(struct core_step *step, struct frame *frame, const struct state *state)
{
	const struct expr *error = state->fail.error, *cause = state->fail.cause;
	struct failure failed = { .has_error = error != NULL, .has_cause = cause != NULL }, failure = { 0 };
	step_saw(step, TEST_INPUT_PATH, frame->input);
	if ((error && evaluate_text(step, frame, error, field_name(state, error, "Error", "ErrorPath"), &failed.error,
				    &failure) < 0) ||
	    (cause && evaluate_text(step, frame, cause, field_name(state, cause, "Cause", "CausePath"), &failed.cause,
				    &failure) < 0))
		fail_state(step, frame, state, &failure);
	else
		fail_state(step, frame, state, &failed);
}
