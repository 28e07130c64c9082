/* state_succeed.c: Succeed ends its scope with its input, through InputPath and OutputPath or Output. */
#include "engine/core/step.h"

void run_succeed(struct core_step *step, struct frame *frame, const struct state *state)
{
	const struct value *input;
	struct failure failure = { 0 };
	if (step_effective_input(step, frame, state, &input, &failure) < 0)
		fail_state(step, frame, state, &failure);
	else
		complete_state(step, frame, state, "", input);
}
