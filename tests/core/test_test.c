/* test_test.c: one state played by itself (engine/core/test.h): what it is given, what is seen, how it ends. What the
 * service answers to the same questions is in tests/conformance. */
#include "engine/core/test.h"
#include "base/mem.h"
#include "tests/core/driver.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

struct bench {
	struct arena arena;
	struct program *program;
	struct limits limits;
	struct core_env env;
	struct core_test test;
	struct test_mock mock;
};

static void release_value(void *data)
{
	value_unref(data);
}

static const struct value *json(struct bench *bench, const char *text)
{
	struct value *value;
	assert_int_equal(value_parse(str_of(text), NULL, &value, NULL), 0);
	arena_on_reset(&bench->arena, release_value, value);
	return value;
}

/* The state is the start of a machine in which X ends; `fields` are its own. */
static void bench_init(struct bench *bench, const char *fields)
{
	struct diagnostics diagnostics;
	*bench = (struct bench){ .limits = LIMITS_DEFAULT };
	const char *text = arena_printf(
	    &bench->arena, "{\"StartAt\":\"S\",\"States\":{\"S\":{%s},\"X\":{\"Type\":\"Succeed\"}}}", fields);
	if (program_compile(str_of(text), &(struct program_options){ .distributed = true }, &bench->arena, &diagnostics,
			    &bench->program) < 0)
		fail_msg("%.*s", STR_FMT(diagnostics.first->message));
	bench->env = (struct core_env){
		.program = bench->program, .limits = &bench->limits, .now_ms = DRIVER_START_MS, .test = &bench->test
	};
	bench->test.context = json(bench, "{\"Execution\":{\"Id\":\"e\"}}");
	bench->test.mock = &bench->mock;
}

static void bench_done(struct bench *bench)
{
	core_test_done(&bench->test);
	program_unref(bench->program);
	arena_done(&bench->arena);
}

static void fails_with(struct bench *bench, const char *error)
{
	bench->mock = (struct test_mock){ .error = str_of(error), .has_error = true };
}

static void assert_seen(const struct bench *bench, enum test_stage stage, const char *text)
{
	const struct value *value = bench->test.seen[stage];
	if (!text) {
		assert_null(value);
		return;
	}
	assert_non_null(value);
	assert_int_equal(value_text(value).len, strlen(text));
	assert_memory_equal(value_text(value).ptr, text, strlen(text));
}

#define TASK "\"Type\":\"Task\",\"Resource\":\"arn:ratchet:exec:::x\",\"Next\":\"X\""
#define MAP                                                                                                            \
	"\"Type\":\"Map\",\"ItemsPath\":\"$.items\",\"Next\":\"X\",\"ItemProcessor\":{\"StartAt\":\"P\",\"States\":{"  \
	"\"P\":{\"Type\":\"Pass\",\"End\":true}}}"

static void a_task_waits_for_its_answer(void **state)
{
	struct bench bench;
	bench_init(&bench, TASK ",\"Parameters\":{\"v.$\":\"$.a\"},\"ResultPath\":\"$.r\"");
	assert_int_equal(core_test_begin(&bench.test, &bench.env, json(&bench, "{\"a\":1}")), TEST_TASK);
	assert_seen(&bench, TEST_PARAMETERS, "{\"v\":1}");
	assert_seen(&bench, TEST_RESULT, NULL);
	assert_true(str_eqz(value_text(bench.test.task.parameters), "{\"v\":1}"));
	struct test_mock answer = { .result = json(&bench, "[2]") };
	assert_int_equal(core_test_answer(&bench.test, &bench.env, &answer), TEST_SUCCEEDED);
	assert_seen(&bench, TEST_RESULT, "[2]");
	assert_seen(&bench, TEST_OUTPUT, "{\"a\":1,\"r\":[2]}");
	assert_true(str_eqz(bench.test.next, "X"));
	bench_done(&bench);
}

static void retries_made_before_count(void **state)
{
	for (uint32_t made = 0; made <= 3; made++) {
		struct bench bench;
		bench_init(&bench,
			   TASK ",\"Retry\":[{\"ErrorEquals\":[\"E\"],\"IntervalSeconds\":5,\"MaxAttempts\":2}],"
				"\"Catch\":[{\"ErrorEquals\":[\"E\"],\"Next\":\"X\"}]");
		bench.test.retries = made;
		fails_with(&bench, "E");
		assert_int_equal(core_test_begin(&bench.test, &bench.env, json(&bench, "{}")), TEST_TASK);
		enum test_status status = core_test_answer(&bench.test, &bench.env, &bench.mock);
		assert_int_equal(status, made < 2 ? TEST_RETRIABLE : TEST_CAUGHT_ERROR);
		assert_int_equal(bench.test.retrier, 0);
		assert_int_equal(bench.test.backoff_s, made == 0 ? 5 : made == 1 ? 10 : -1);
		assert_int_equal(bench.test.catcher, made < 2 ? -1 : 0);
		assert_true(str_eqz(bench.test.error, "E"));
		assert_false(bench.test.has_cause);
		bench_done(&bench);
	}
}

static void a_map_ends_with_the_mock_and_runs_no_iteration(void **state)
{
	struct bench bench;
	bench_init(
	    &bench,
	    MAP ",\"ItemSelector\":{\"i.$\":\"$$.Map.Item.Index\",\"e.$\":\"$$.Execution.Id\"},\"MaxConcurrency\":3");
	bench.mock.result = json(&bench, "[7]");
	assert_int_equal(core_test_begin(&bench.test, &bench.env, json(&bench, "{\"items\":[\"a\",\"b\"]}")),
			 TEST_SUCCEEDED);
	assert_seen(&bench, TEST_ITEMS_PATH, "[\"a\",\"b\"]");
	assert_seen(&bench, TEST_ITEM_SELECTOR, "[{\"i\":0,\"e\":\"e\"},{\"i\":1,\"e\":\"e\"}]");
	assert_seen(&bench, TEST_MAX_CONCURRENCY, "3");
	assert_seen(&bench, TEST_OUTPUT, "[7]");
	bench_done(&bench);
}

static void selected_items_that_are_too_large_together_are_not_shown(void **state)
{
	struct bench bench;
	bench_init(&bench, MAP ",\"ItemSelector\":{\"all.$\":\"$.items\"}");
	bench.limits.payload_bytes = 100;
	bench.mock.result = json(&bench, "[]");
	assert_int_equal(core_test_begin(&bench.test, &bench.env, json(&bench, "{\"items\":[1,2,3,4,5,6,7,8,9,10]}")),
			 TEST_SUCCEEDED);
	assert_seen(&bench, TEST_ITEM_SELECTOR, NULL);
	bench_done(&bench);
}

static void a_map_bears_as_many_failures_as_it_may(void **state)
{
	static const struct {
		const char *bounds;
		uint64_t failed;
		bool bears;
	} rows[] = {
		{ "", 4, true }, /* no bound: the mocked result counts */
		{ ",\"ToleratedFailureCount\":2", 2, true },
		{ ",\"ToleratedFailureCount\":2", 3, false },
		{ ",\"ToleratedFailurePercentage\":50", 2, true },
		{ ",\"ToleratedFailurePercentage\":50", 3, false },
		{ ",\"ToleratedFailureCount\":4,\"ToleratedFailurePercentage\":25", 2, false },
	};
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct bench bench;
		char fields[512];
		snprintf(fields, sizeof fields, MAP "%s", rows[i].bounds);
		bench_init(&bench, fields);
		bench.test.failed_iterations = rows[i].failed;
		bench.mock.result = json(&bench, "[]");
		enum test_status status =
		    core_test_begin(&bench.test, &bench.env, json(&bench, "{\"items\":[1,2,3,4]}"));
		assert_int_equal(status, rows[i].bears ? TEST_SUCCEEDED : TEST_FAILED);
		assert_false(bench.test.too_many_failures);
		bench_done(&bench);
	}
}

static void more_failures_than_iterations_are_told(void **state)
{
	struct bench bench;
	bench_init(&bench, MAP);
	bench.test.failed_iterations = 2;
	fails_with(&bench, "E");
	core_test_begin(&bench.test, &bench.env, json(&bench, "{\"items\":[1]}"));
	assert_true(bench.test.too_many_failures);
	bench_done(&bench);
}

static void a_wait_takes_no_time_and_at_most_five_minutes(void **state)
{
	static const struct {
		int seconds;
		enum test_status status;
	} rows[] = { { 0, TEST_SUCCEEDED }, { 300, TEST_SUCCEEDED }, { 301, TEST_FAILED }, { 99999999, TEST_FAILED } };
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct bench bench;
		char fields[100];
		snprintf(fields, sizeof fields, "\"Type\":\"Wait\",\"Seconds\":%d,\"Next\":\"X\"", rows[i].seconds);
		bench_init(&bench, fields);
		assert_int_equal(core_test_begin(&bench.test, &bench.env, json(&bench, "{}")), rows[i].status);
		assert_int_equal(str_eqz(bench.test.error, "States.Timeout"), rows[i].status == TEST_FAILED);
		bench_done(&bench);
	}
}

static void variables_are_given_and_left(void **state)
{
	struct bench bench;
	bench_init(&bench, "\"Type\":\"Pass\",\"Assign\":{\"b.$\":\"$a\"},\"Next\":\"X\"");
	bench.test.variables = json(&bench, "{\"a\":[1]}");
	assert_int_equal(core_test_begin(&bench.test, &bench.env, json(&bench, "{}")), TEST_SUCCEEDED);
	assert_true(str_eqz(value_text(core_test_variables(&bench.test)), "{\"a\":[1],\"b\":[1]}"));
	bench_done(&bench);
}

static void a_state_that_leads_to_itself_is_played_once(void **state)
{
	struct bench bench;
	bench_init(&bench, "\"Type\":\"Choice\",\"Choices\":[{\"Variable\":\"$.n\",\"IsPresent\":true,\"Next\":\"S\"}],"
			   "\"Default\":\"X\"");
	assert_int_equal(core_test_begin(&bench.test, &bench.env, json(&bench, "{\"n\":1}")), TEST_SUCCEEDED);
	assert_true(str_eqz(bench.test.next, "S"));
	assert_seen(&bench, TEST_OUTPUT, "{\"n\":1}");
	bench_done(&bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_task_waits_for_its_answer),
		cmocka_unit_test(retries_made_before_count),
		cmocka_unit_test(a_map_ends_with_the_mock_and_runs_no_iteration),
		cmocka_unit_test(selected_items_that_are_too_large_together_are_not_shown),
		cmocka_unit_test(a_map_bears_as_many_failures_as_it_may),
		cmocka_unit_test(more_failures_than_iterations_are_told),
		cmocka_unit_test(a_wait_takes_no_time_and_at_most_five_minutes),
		cmocka_unit_test(variables_are_given_and_left),
		cmocka_unit_test(a_state_that_leads_to_itself_is_played_once),
	};
	return cmocka_run_group_tests_name("core test", tests, NULL, NULL);
}
