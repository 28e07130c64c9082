/* answer.c: what came of the test. Which stages of the data are shown depends on the kind of state, as recorded from
 * the service. */
#include "server/test_state/test_state.h"

#define BIT(stage) (1u << TEST_##stage)
#define RESULT_STAGES (BIT(RESULT_SELECTOR) | BIT(RESULT_PATH))
#define MAP_NUMBERS (BIT(MAX_CONCURRENCY) | BIT(TOLERATED_COUNT) | BIT(TOLERATED_PERCENTAGE))

static const struct {
	unsigned jsonpath, jsonata;
} shown_stages[] = {
	[STATE_TASK] = { BIT(INPUT_PATH) | BIT(PARAMETERS) | BIT(RESULT) | RESULT_STAGES,
			 BIT(ARGUMENTS) | BIT(RESULT) },
	[STATE_PASS] = { BIT(INPUT_PATH) | BIT(PARAMETERS) | RESULT_STAGES, 0 },
	[STATE_CHOICE] = { BIT(INPUT_PATH), 0 },
	[STATE_WAIT] = { BIT(INPUT_PATH), 0 },
	[STATE_SUCCEED] = { BIT(INPUT_PATH), 0 },
	[STATE_FAIL] = { BIT(INPUT_PATH), 0 },
	[STATE_PARALLEL] = { RESULT_STAGES, 0 },
	[STATE_MAP] = { BIT(INPUT_PATH) | BIT(ITEMS_PATH) | BIT(ITEM_SELECTOR) | RESULT_STAGES | MAP_NUMBERS,
			BIT(ITEM_SELECTOR) | MAP_NUMBERS },
};

static const char *const stage_names[TEST_STAGES] = {
	[TEST_INPUT_PATH] = "afterInputPath",
	[TEST_PARAMETERS] = "afterParameters",
	[TEST_ARGUMENTS] = "afterArguments",
	[TEST_ITEMS_PATH] = "afterItemsPath",
	[TEST_ITEM_SELECTOR] = "afterItemSelector",
	[TEST_RESULT] = "result",
	[TEST_RESULT_SELECTOR] = "afterResultSelector",
	[TEST_RESULT_PATH] = "afterResultPath",
	[TEST_MAX_CONCURRENCY] = "maxConcurrency",
	[TEST_TOLERATED_COUNT] = "toleratedFailureCount",
	[TEST_TOLERATED_PERCENTAGE] = "toleratedFailurePercentage",
};

static unsigned stages_of(const struct test_state *t)
{
	const struct state *state = t->state;
	unsigned stages =
	    state->language == QUERY_JSONATA ? shown_stages[state->type].jsonata : shown_stages[state->type].jsonpath;
	if (state->type == STATE_PASS && state->pass.result)
		stages |= BIT(RESULT);
	if (t->test.items)
		stages &= ~BIT(ITEMS_PATH); /* they came from the reader */
	if (!t->test.seen[TEST_ITEMS_PATH])
		stages &= ~MAP_NUMBERS; /* a Map finds its items first */
	return stages;
}

/* JSON, carried as a text. */
static void put_value(struct buffer *out, const char *name, const struct value *value)
{
	if (value)
		api_put_text(out, name, value_text(value));
}

static void put_error_details(struct buffer *out, const struct core_test *test)
{
	if (test->retrier < 0 && test->catcher < 0)
		return;
	api_put_json(out, "errorDetails", STR("{"));
	if (test->catcher >= 0)
		api_put_number(out, "catchIndex", test->catcher);
	if (test->retrier >= 0)
		api_put_number(out, "retryIndex", test->retrier);
	if (test->backoff_s >= 0)
		api_put_number(out, "retryBackoffIntervalSeconds", test->backoff_s);
	buffer_byte(out, '}');
}

static void put_inspection(struct buffer *out, const struct test_state *t)
{
	const struct core_test *test = &t->test;
	unsigned stages = stages_of(t);
	api_put_json(out, "inspectionData", STR("{"));
	put_value(out, "input", t->input);
	for (unsigned stage = 0; stage < TEST_STAGES; stage++) {
		if (!(stages & 1u << stage) || !test->seen[stage])
			continue;
		if (1u << stage & MAP_NUMBERS)
			api_put_json(out, stage_names[stage], value_text(test->seen[stage]));
		else
			put_value(out, stage_names[stage], test->seen[stage]);
	}
	put_value(out, "variables", core_test_variables(test));
	put_error_details(out, test);
	buffer_byte(out, '}');
}

void test_state_answer(struct test_state *t, enum test_status status)
{
	static const char *const names[] = { [TEST_SUCCEEDED] = "SUCCEEDED",
					     [TEST_FAILED] = "FAILED",
					     [TEST_RETRIABLE] = "RETRIABLE",
					     [TEST_CAUGHT_ERROR] = "CAUGHT_ERROR",
					     [TEST_TASK] = "FAILED" };
	const struct core_test *test = &t->test;
	struct buffer *out = &t->call->body;
	struct str level = api_text(t->call, "inspectionLevel");
	bool left = status == TEST_SUCCEEDED || status == TEST_CAUGHT_ERROR;
	buffer_byte(out, '{');
	if (left)
		put_value(out, "output", test->seen[TEST_OUTPUT]);
	if (status != TEST_SUCCEEDED && test->has_error)
		api_put_text(out, "error", test->error);
	if (status != TEST_SUCCEEDED && test->has_cause)
		api_put_text(out, "cause", test->cause);
	if (str_eqz(level, "DEBUG") || str_eqz(level, "TRACE"))
		put_inspection(out, t);
	if (left && test->next.len)
		api_put_text(out, "nextState", test->next);
	api_put_text(out, "status", str_of(names[status]));
	buffer_byte(out, '}');
	api_answer(t->call);
}
