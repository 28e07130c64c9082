/* state_choice.c: Choice takes the first rule that holds, else Default. A rule has an Assign and an Output of its own;
 * the state's apply when Default is taken. */
#include "engine/core/step.h"

/* The state as it leaves by this rule: where to, and what it assigns and puts out. */
static struct state leaving_by(const struct state *state, const struct choice_rule *rule)
{
	struct state taken = *state;
	if (rule) {
		taken.next = rule->next;
		taken.assign = rule->assign;
		taken.output = rule->output;
	} else {
		taken.next = state->choice.fallback;
	}
	return taken;
}

static int choose(struct core_step *step, struct frame *frame, const struct state *state, const struct value *input,
		  const struct choice_rule **ret_rule, struct failure *ret_failure)
{
	*ret_rule = NULL;
	for (uint32_t i = 0; i < state->choice.rules_count; i++) {
		int holds = choice_holds(step, frame, &state->choice.rules[i].test, i, input, ret_failure);
		if (holds < 0)
			return -1;
		if (holds) {
			*ret_rule = &state->choice.rules[i];
			return 0;
		}
	}
	if (state->choice.fallback == STATE_NONE)
		return fail_with(step, frame, ret_failure, ERROR_NAME_NO_CHOICE_MATCHED,
				 "Failed to transition out of the state. The state does not point to a next state.");
	return 0;
}

void run_choice(struct core_step *step, struct frame *frame, const struct state *state)
{
	const struct value *input;
	const struct choice_rule *rule;
	struct failure failure = { 0 };
	if (step_effective_input(step, frame, state, &input, &failure) < 0 ||
	    choose(step, frame, state, input, &rule, &failure) < 0) {
		fail_state(step, frame, state, &failure);
		return;
	}
	struct state taken = leaving_by(state, rule);
	bool inside = rule && state->language == QUERY_JSONATA;
	const char *within =
	    inside ? arena_printf(step->arena, "Choices[%u]/", (unsigned)(rule - state->choice.rules)) : "";
	complete_state(step, frame, &taken, within, input);
}
