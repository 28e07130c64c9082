/* state_pass.c: Pass hands on its Result, or its input through Parameters. */
#include "engine/core/step.h"

void run_pass(struct core_step *step, struct frame *frame, const struct state *state)
{
	const struct value *result = state->pass.result;
	struct failure failure = { 0 };
	if (!result && step_effective_arguments(step, frame, state, false, &result, &failure) < 0)
		fail_state(step, frame, state, &failure);
	else
		complete_state(step, frame, state, "", result);
}
