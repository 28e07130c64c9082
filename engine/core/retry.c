/* retry.c: which retrier takes a failure, and when it is tried again.
 *
 * Only the first retrier that names the error counts: once its attempts are used up the ones after it are not asked.
 * The jitter is drawn here and recorded with the due time, so that recovery never draws again. */
#include "engine/core/step.h"

/* A year in seconds times a thousand: no delay is longer. */
#define DELAY_MAX_S 31622400000.0

static double delay_s(const struct retrier *retrier, uint32_t attempts_made)
{
	double delay = (double)retrier->interval_s;
	for (uint32_t i = 0; i < attempts_made && delay < DELAY_MAX_S && retrier->backoff_rate > 1.0; i++)
		delay *= retrier->backoff_rate;
	if (retrier->max_delay_s && delay > (double)retrier->max_delay_s)
		delay = (double)retrier->max_delay_s;
	return delay < DELAY_MAX_S ? delay : DELAY_MAX_S;
}

bool retry_failure(struct core_step *step, struct frame *frame, const struct state *state,
		   const struct failure *failure)
{
	for (uint32_t i = 0; i < state->retriers_count; i++) {
		const struct retrier *retrier = &state->retriers[i];
		if (!error_matches(retrier->errors, retrier->errors_count, failure))
			continue;
		struct core_test *test = step->env->test;
		uint32_t made = test ? test->retries : i < frame->attempts_count ? frame->attempts[i] : 0;
		if (test && !test->left)
			test->retrier = i;
		if (made >= retrier->max_attempts)
			return false;
		int64_t delay_ms = (int64_t)(delay_s(retrier, made) * 1000.0);
		if (test && !test->left)
			test->backoff_s = delay_ms / 1000;
		if (retrier->jitter_full)
			delay_ms = (int64_t)random_below(&step->random, (uint64_t)delay_ms + 1);
		step_emit(step, frame,
			  &(struct event){ .type = EVENT_RETRY_SCHEDULED,
					   .fields = FIELD_INDEX | FIELD_ATTEMPT | FIELD_DUE,
					   .index = i,
					   .attempt = made + 1,
					   .due_ms = step->env->now_ms + delay_ms });
		return true;
	}
	return false;
}
