/* test.c: see test.h. What the interpreter tells of a state under test comes here by the test_… functions of step.h.
 */
#include "engine/core/test.h"
#include "base/mem.h"
#include "engine/core/step.h"

#define TEST_MOST_MS 300000 /* five minutes: what lasts longer has timed out */

/* ---- keeping what is seen ----------------------------------------------------------------- */

static void release_value(void *data)
{
	value_unref(data);
}

static const struct value *keep(struct core_test *test, const struct value *value)
{
	struct value *kept = value_ref(value);
	arena_on_reset(&test->arena, release_value, kept);
	return kept;
}

void test_saw(struct core_test *test, enum test_stage stage, const struct value *value)
{
	if (!test->left && test->seen[stage] != value)
		test->seen[stage] = keep(test, value);
}

void test_saw_number(struct core_test *test, enum test_stage stage, double number)
{
	_cleanup_(value_unrefp) struct value *value = value_from_double(number);
	test_saw(test, stage, value);
}

void test_failed(struct core_test *test, const struct failure *failure)
{
	if (test->left)
		return;
	test->has_error = failure->has_error;
	test->has_cause = failure->has_cause;
	test->error = arena_str(&test->arena, failure->error);
	test->cause = arena_str(&test->arena, failure->cause);
}

void test_left(struct core_test *test, const struct leaving *leaving, struct str next)
{
	if (test->left)
		return;
	test_saw(test, TEST_OUTPUT, leaving->output);
	test->next = arena_str(&test->arena, next);
	test->left = true;
}

/* ---- what is given ------------------------------------------------------------------------ */

const struct value *test_context(struct core_step *step, uint64_t item)
{
	const struct core_test *test = step->env->test;
	if (item == NO_ITEM || !test->seen[TEST_ITEMS_PATH])
		return test->context;
	const struct value *value = value_at(test->seen[TEST_ITEMS_PATH], item);
	struct value *inner = step_keep(step, value_new_object(2)), *outer = step_keep(step, value_new_object(1));
	value_object_take(inner, STR("Index"), value_from_int((int64_t)item));
	value_object_set(inner, STR("Value"), value);
	value_object_set(outer, STR("Item"), inner);
	const struct value_step map = { .key = STR("Map"), .index = -1 };
	return step_keep(step, value_with(test->context, &map, 1, outer));
}

/* The inputs that the iterations would get. */
static int select_items(struct core_step *step, struct frame *frame, const struct state *state,
			const struct value *items, struct failure *ret_failure)
{
	struct view view = { .item = 0 };
	size_t bytes = 2, count = value_count(items);
	struct value *inputs;
	if (!state->map.item_selector)
		return 0;
	if (step_effective_input(step, frame, state, &view.input, ret_failure) < 0)
		return -1;
	inputs = step_keep(step, value_new_array(count));
	for (; view.item < count; view.item++) {
		const struct value *input;
		if (step_evaluate(step, frame, state->map.item_selector, "ItemSelector", &view, &input, ret_failure) <
		    0)
			return -1;
		bytes += value_text_len(input) + 1;
		if (bytes > (size_t)step->env->limits->payload_bytes)
			return 0; /* they are nobody's payload together: only not shown */
		value_array_add(inputs, input);
	}
	test_saw(step->env->test, TEST_ITEM_SELECTOR, inputs);
	return 0;
}

static bool exceeds_tolerance(const struct core_test *test, size_t iterations)
{
	const struct value *count = test->seen[TEST_TOLERATED_COUNT], *percent = test->seen[TEST_TOLERATED_PERCENTAGE];
	double failed = (double)test->failed_iterations;
	return (count && failed > value_number(count)) ||
	       (percent && iterations && failed * 100 > value_number(percent) * (double)iterations);
}

/* Its branches or iterations are not run: it ends as the mock says. `items`: a Map's. */
void end_tested_fan(struct core_step *step, struct frame *frame, const struct state *state, const struct value *items)
{
	struct core_test *test = step->env->test;
	const struct test_mock *mock = test->mock;
	size_t iterations = items ? value_count(items) : 0;
	struct failure failure = { 0 };
	if (items && select_items(step, frame, state, items, &failure) < 0) {
		fail_state(step, frame, state, &failure);
		return;
	}
	if (items && test->failed_iterations > iterations)
		test->too_many_failures = true;
	if (!mock->result) {
		failure = (struct failure){ .error = mock->error,
					    .cause = mock->cause,
					    .has_error = mock->has_error,
					    .has_cause = mock->has_cause };
	} else if (exceeds_tolerance(test, iterations)) {
		failure = (struct failure){ .error = STR("States.ExceedToleratedFailureThreshold"),
					    .cause = STR("The specified tolerated failure threshold was exceeded"),
					    .has_error = true,
					    .has_cause = true };
	} else {
		complete_state(step, frame, state, "", mock->result);
		return;
	}
	fail_state(step, frame, state, &failure);
}

/* ---- playing ------------------------------------------------------------------------------- */

static void timed_out(struct core_test *test)
{
	test_failed(test, &(struct failure){ .error = STR(ERROR_NAME_TIMEOUT), .has_error = true });
}

static void play(struct core_test *test, const struct core_env *env, const struct core_input *input)
{
	struct core_result result;
	struct core_step *step = core_begin(test->execution, env, &test->arena);
	core_apply(step, input);
	core_finish(step, &result);
	if (result.commands_count)
		test->task = result.commands[0];
}

static enum test_status status_of(struct core_test *test)
{
	const struct execution *execution = test->execution;
	if (test->left)
		return test->catcher >= 0 ? TEST_CAUGHT_ERROR : TEST_SUCCEEDED;
	if (execution->root.phase == PHASE_RETRYING)
		return TEST_RETRIABLE;
	return execution->root.phase == PHASE_TASK ? TEST_TASK : TEST_FAILED;
}

enum test_status core_test_begin(struct core_test *test, const struct core_env *env, const struct value *input)
{
	test->retrier = test->catcher = test->backoff_s = -1;
	test->error = test->cause = test->next = STR_EMPTY;
	test->execution = execution_new();
	value_set(&test->execution->root.variables, test->variables);
	play(test, env, &(struct core_input){ .kind = INPUT_START, .value = input });
	if (test->execution->root.phase == PHASE_WAITING) {
		struct core_env later = *env;
		later.now_ms = test->execution->root.due_ms;
		if (later.now_ms - env->now_ms > TEST_MOST_MS)
			timed_out(test);
		else
			play(test, &later, &(struct core_input){ .kind = INPUT_WAKE });
	}
	return status_of(test);
}

enum test_status core_test_answer(struct core_test *test, const struct core_env *env, const struct test_mock *answer)
{
	play(test, env,
	     &(struct core_input){ .kind = answer->result ? INPUT_TASK_SUCCEEDED : INPUT_TASK_FAILED,
				   .task_id = test->task.task_id,
				   .value = answer->result,
				   .error = answer->error,
				   .cause = answer->cause,
				   .has_error = answer->has_error,
				   .has_cause = answer->has_cause,
				   .token = true });
	return status_of(test);
}

const struct value *core_test_variables(const struct core_test *test)
{
	return test->execution ? test->execution->root.variables : NULL;
}

void core_test_done(struct core_test *test)
{
	if (test->execution)
		execution_free(test->execution);
	test->execution = NULL;
	arena_done(&test->arena);
}
