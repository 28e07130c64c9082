/* state_map.c: an inline Map: its items, its bounds, and how one iteration begins. What it has in common with Parallel
 * is in fan.c. */
#include "base/mem.h"
#include "engine/core/step.h"

static int find_items(struct core_step *step, struct frame *frame, const struct state *state, const struct value *input,
		      const struct value **ret_items, struct failure *ret_failure)
{
	struct view view = { .input = input, .item = NO_ITEM };
	const struct expr *items = state->map.items;
	const char *field = state->language == QUERY_JSONATA ? "Items" : "ItemsPath";
	*ret_items = input;
	if (step->env->test && step->env->test->items)
		*ret_items = step->env->test->items;
	else if (items && step_evaluate(step, frame, items, field, &view, ret_items, ret_failure) < 0)
		return -1;
	if (value_is(*ret_items, VALUE_ARRAY)) {
		step_saw(step, TEST_ITEMS_PATH, *ret_items);
		return 0;
	}
	if (state->language == QUERY_JSONPATH) {
		struct str path = items ? expr_text(items) : STR("$");
		if (str_starts(path, STR("$$")))
			path = str_sub(path, 1, path.len); /* within the context object */
		return fail_with(step, frame, ret_failure, ERROR_NAME_RUNTIME,
				 "Reference path \"%.*s\" must point to array.", STR_FMT(path));
	}
	if (items)
		return fail_wrong_type(step, frame, ret_failure, items, "Items", "array", *ret_items);
	return fail_evaluation(step, frame, ret_failure, "", "Map state input must be an array but was: %.*s",
			       STR_FMT(value_text(*ret_items)));
}

/* How many iterations run at once: never more than the limit. */
static int find_concurrency(struct core_step *step, struct frame *frame, const struct state *state,
			    const struct value *input, uint64_t *ret_concurrency, struct failure *ret_failure)
{
	int64_t asked, most = step->env->limits->map_concurrency;
	if (step_evaluate_number(step, frame, &state->map.max_concurrency, input, &asked, ret_failure) < 0)
		return -1;
	*ret_concurrency = (uint64_t)(asked > 0 && asked < most ? asked : most);
	if (step->env->test)
		test_saw_number(step->env->test, TEST_MAX_CONCURRENCY, asked > 0 ? (double)asked : 0);
	return 0;
}

/* A number, or a string that is one. */
static bool decimal_number(const struct value *value, double *ret_number)
{
	_cleanup_(value_unrefp) struct value *number = NULL;
	if (value_is(value, VALUE_STRING) && value_parse(value_string(value), NULL, &number, NULL) == 0)
		value = number;
	*ret_number = value_number(value);
	return value_is(value, VALUE_NUMBER);
}

static int find_percentage(struct core_step *step, struct frame *frame, const struct state *state,
			   const struct value *input, uint64_t length, uint64_t *ret_tolerated,
			   struct failure *ret_failure)
{
	const struct expr *percentage = state->map.tolerated_percentage;
	struct view view = { .input = input, .item = NO_ITEM };
	const struct value *value;
	if (!percentage)
		return 0;
	if (step_evaluate(step, frame, percentage, "ToleratedFailurePercentage", &view, &value, ret_failure) < 0)
		return -1;
	if (!value_is(value, VALUE_NUMBER) && state->language == QUERY_JSONATA)
		return fail_wrong_type(step, frame, ret_failure, percentage, "ToleratedFailurePercentage", "number",
				       value);
	double percent;
	if (!decimal_number(value, &percent))
		return fail_with(step, frame, ret_failure, ERROR_NAME_RUNTIME,
				 "The ToleratedFailurePercentagePath field refers to value \"%.*s\" which is not a "
				 "valid float: %.*s",
				 STR_FMT(value_is(value, VALUE_STRING) ? value_string(value) : value_text(value)),
				 STR_FMT(expr_text(percentage)));
	if (!(percent >= 0 && percent <= 100))
		return fail_with(step, frame, ret_failure, ERROR_NAME_RUNTIME,
				 "ToleratedFailurePercentage must be between 0 and 100.");
	if (step->env->test)
		test_saw_number(step->env->test, TEST_TOLERATED_PERCENTAGE, percent);
	uint64_t failures = (uint64_t)((double)length * percent / 100.0);
	if (failures > *ret_tolerated)
		*ret_tolerated = failures;
	return 0;
}

static int find_tolerated(struct core_step *step, struct frame *frame, const struct state *state,
			  const struct value *input, uint64_t length, uint64_t *ret_tolerated,
			  struct failure *ret_failure)
{
	int64_t count;
	if (step_evaluate_number(step, frame, &state->map.tolerated_count, input, &count, ret_failure) < 0)
		return -1;
	*ret_tolerated = count > 0 ? (uint64_t)count : 0;
	if (step->env->test && count >= 0)
		test_saw_number(step->env->test, TEST_TOLERATED_COUNT, (double)count);
	return find_percentage(step, frame, state, input, length, ret_tolerated, ret_failure);
}

void run_map(struct core_step *step, struct frame *frame, const struct state *state)
{
	const struct value *input, *items;
	uint64_t concurrency, tolerated;
	struct failure failure = { 0 };
	if (step_effective_input(step, frame, state, &input, &failure) < 0 ||
	    find_concurrency(step, frame, state, input, &concurrency, &failure) < 0 ||
	    find_items(step, frame, state, input, &items, &failure) < 0 ||
	    find_tolerated(step, frame, state, input, value_count(items), &tolerated, &failure) < 0) {
		fail_state(step, frame, state, &failure);
		return;
	}
	if (step->env->test) {
		end_tested_fan(step, frame, state, items);
		return;
	}
	step_emit(step, frame,
		  &(struct event){ .type = EVENT_MAP_STATE_STARTED,
				   .fields = FIELD_LENGTH | FIELD_PAYLOAD | FIELD_CONCURRENCY |
					     (tolerated ? FIELD_TOLERATED : 0),
				   .previous_id = frame->last_id,
				   .length = value_count(items),
				   .payload = (struct value *)items,
				   .concurrency = concurrency,
				   .tolerated = tolerated });
}

/* The next item's iteration: the item itself, or what ItemSelector makes of it. */
void begin_iteration(struct core_step *step, struct frame *frame, const struct state *state)
{
	struct fan *fan = frame->fan;
	const struct value *input = value_at(fan->items, fan->begun);
	struct view view = { .item = fan->begun };
	struct failure failure = { 0 };
	if (state->map.item_selector &&
	    (step_effective_input(step, frame, state, &view.input, &failure) < 0 ||
	     step_evaluate(step, frame, state->map.item_selector, "ItemSelector", &view, &input, &failure) < 0)) {
		fail_state(step, frame, state, &failure);
		return;
	}
	step_emit(step, NULL,
		  &(struct event){ .type = EVENT_MAP_ITERATION_STARTED,
				   .fields = FIELD_PARENT | FIELD_INDEX | FIELD_PAYLOAD | FIELD_NAME,
				   .previous_id = fan->begin_after_id,
				   .frame = step->execution->next_frame,
				   .parent = frame->id,
				   .index = fan->begun,
				   .name = state->name,
				   .payload = (struct value *)input });
}
