/* state_parallel.c: Parallel starts all its branches at once, with the same input. What it has in common with Map is in
 * fan.c. */
#include "engine/core/step.h"

void run_parallel(struct core_step *step, struct frame *frame, const struct state *state)
{
	const struct value *arguments;
	struct failure failure = { 0 };
	if (step_effective_arguments(step, frame, state, false, &arguments, &failure) < 0) {
		fail_state(step, frame, state, &failure);
		return;
	}
	if (step->env->test) {
		end_tested_fan(step, frame, state, NULL);
		return;
	}
	step_emit(step, frame,
		  &(struct event){ .type = EVENT_PARALLEL_STATE_STARTED,
				   .fields = FIELD_LENGTH,
				   .previous_id = frame->last_id,
				   .length = state->parallel.branches_count });
	for (uint32_t i = 0; i < state->parallel.branches_count; i++)
		step_emit(step, NULL,
			  &(struct event){ .type = EVENT_BRANCH_STARTED,
					   .fields = FIELD_PARENT | FIELD_INDEX | FIELD_PAYLOAD,
					   .frame = step->execution->next_frame,
					   .parent = frame->id,
					   .index = i,
					   .payload = (struct value *)arguments });
}
