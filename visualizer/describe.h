/* describe.h: states, rules, catchers and retriers in few words. Texts are at most a few hundred bytes, whatever the
 * definition holds, and live in the arena. */
#pragma once
#include "visualizer/graph.h"

/* "lambda · Resize", "exec · probe", "wait 5 min", "3 rules", "2 branches"; never empty. */
struct str describe_state(struct arena *arena, const struct state *state);
/* "$.media.height ≥ 1080" */
struct str describe_rule(struct arena *arena, const struct choice_rule *rule);
/* "Media.BadInput, States.Timeout" */
struct str describe_errors(struct arena *arena, const struct str *errors, uint32_t count);
/* "States.Timeout: 3 times, after 1 s × 2", a line for each retrier; the most attempts of one in *ret_attempts. */
struct str describe_retries(struct arena *arena, const struct state *state, int64_t *ret_attempts);
