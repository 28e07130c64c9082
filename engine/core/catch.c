/* catch.c: which catcher takes a failure, and with what output. */
#include "base/mem.h"
#include "engine/core/step.h"

/* {"Error": …, "Cause": …}. A failure reported without one of them has null there; a timeout, which AWS makes itself,
 * an empty cause. */
static const struct value *error_output(struct core_step *step, const struct failure *failure)
{
	bool timeout = failure->has_error && str_eqz(failure->error, ERROR_NAME_TIMEOUT);
	struct value *output = value_new_object(2);
	value_object_take(output, STR("Error"),
			  failure->has_error ? value_from_string(failure->error) : value_new_null());
	value_object_take(output, STR("Cause"),
			  failure->has_cause || timeout
			      ? value_from_string(failure->has_cause ? failure->cause : STR_EMPTY)
			      : value_new_null());
	return step_keep(step, output);
}

static int output_of(struct core_step *step, struct frame *frame, const struct state *state,
		     const struct catcher *catcher, const char *within, const struct value *errors,
		     struct leaving *leaving, struct failure *ret_failure)
{
	struct view view = { .input = errors, .item = NO_ITEM };
	leaving->output = errors;
	if (state->language == QUERY_JSONATA) {
		view = (struct view){ .input = frame->input, .error_output = errors, .item = NO_ITEM };
		const char *field = arena_printf(step->arena, "%sOutput", within);
		if (catcher->output &&
		    step_evaluate(step, frame, catcher->output, field, &view, &leaving->output, ret_failure) < 0)
			return -1;
	} else if (catcher->result_path_null) {
		leaving->output = frame->input;
	} else if (catcher->result_path && !expr_is_root(catcher->result_path)) {
		struct expr_failure failure = { 0 };
		struct value *output;
		if (expr_put(catcher->result_path, frame->input, errors, step->arena, &output, &failure) < 0) {
			fail_with(step, frame, ret_failure, "", "%.*s", STR_FMT(failure.cause));
			ret_failure->error = failure.error;
			return -1;
		}
		leaving->output = step_keep(step, output);
	}
	const char *field = arena_printf(step->arena, "%sAssign", within);
	if (step_evaluate_assign(step, frame, &catcher->assign, field, &view, &leaving->assigned, ret_failure) < 0)
		return -1;
	return exceeds_payload_limit(step, leaving->output) ? fail_data_limit(step, ret_failure, state->name) : 0;
}

enum caught catch_failure(struct core_step *step, struct frame *frame, const struct state *state,
			  struct failure *failure)
{
	for (uint32_t i = 0; i < state->catchers_count; i++) {
		const struct catcher *catcher = &state->catchers[i];
		if (!error_matches(catcher->errors, catcher->errors_count, failure))
			continue;
		struct leaving leaving = { .next = catcher->next };
		if (step->env->test && !step->env->test->left)
			step->env->test->catcher = i;
		struct failure own = { 0 };
		const char *within = arena_printf(step->arena, "Catch[%u]/", (unsigned)i);
		if (output_of(step, frame, state, catcher, within, error_output(step, failure), &leaving, &own) < 0) {
			*failure = own;
			return CAUGHT_FAILED;
		}
		exit_state(step, frame, state, &leaving);
		return CAUGHT;
	}
	return CAUGHT_NOT;
}
