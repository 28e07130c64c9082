/* api_test_state.c: TestState: one state of a definition, played by itself (server/test_state). */
#include "base/mem.h"
#include "engine/json_problem.h"
#include "server/test_state/test_state.h"

#define LONGEST_MS 300000 /* a state under test runs five minutes at most, as on AWS */

static void release_value(void *data)
{
	value_unref(data);
}

static void release_test(void *data)
{
	core_test_done(data);
}

const struct value *test_state_keep(struct test_state *t, struct value *value)
{
	arena_on_reset(&t->call->arena, release_value, value);
	return value;
}

const struct value *test_state_parse(struct test_state *t, struct str text)
{
	const struct value_parse_options options = { .depth_max = (int)engine_limits(t->call->engine)->json_depth };
	struct value *value;
	return value_parse(text, &options, &value, NULL) == 0 ? test_state_keep(t, value) : NULL;
}

static bool read_input(struct test_state *t)
{
	struct str text = api_has(t->call, "input") ? api_text(t->call, "input") : STR("{}");
	_cleanup_(buffer_done) struct buffer words = { 0 };
	t->input = test_state_parse(t, text);
	if (t->input)
		return true;
	json_problem(text, &words);
	api_refuse(t->call, "InvalidExecutionInput", "Invalid State Machine Execution Input: '%.*s'",
		   STR_FMT(buffer_str(&words)));
	return false;
}

static bool read_variables(struct test_state *t)
{
	if (!api_has(t->call, "variables"))
		return true;
	t->test.variables = test_state_parse(t, api_text(t->call, "variables"));
	if (t->test.variables && value_is(t->test.variables, VALUE_OBJECT))
		return true;
	api_refuse(t->call, "ValidationException", "Variables must be a JSON object.");
	return false;
}

static void finish(struct test_state *t, enum test_status status)
{
	if (t->test.too_many_failures)
		api_refuse(t->call, "ValidationException",
			   "Map iteration failure count must be less than or equal to the number of Map iterations");
	else
		test_state_answer(t, status);
}

static void task_ended(void *data, const struct task_result *result)
{
	struct test_state *t = data;
	const struct test_mock answer = { .result = result->end == TASK_SUCCEEDED ? result->output : NULL,
					  .error = result->error,
					  .cause = result->cause,
					  .has_error = result->error.ptr != NULL,
					  .has_cause = result->cause.ptr != NULL };
	t->env.now_ms = engine_now_ms(t->call->engine);
	finish(t, core_test_answer(&t->test, &t->env, &answer));
}

static void run_task(struct test_state *t)
{
	int64_t left_ms = t->test.task.deadline_ms == INT64_MAX ? LONGEST_MS : t->test.task.deadline_ms - t->env.now_ms;
	engine_try_task(t->call->engine, &t->test.task, left_ms < LONGEST_MS ? left_ms : LONGEST_MS, task_ended, t);
}

static void play(struct test_state *t)
{
	t->test.items = test_state_items(t);
	t->test.retries = t->retries > 0 ? (uint32_t)(t->retries < UINT32_MAX ? t->retries : UINT32_MAX) : 0;
	t->test.failed_iterations = t->failed_iterations > 0 ? (uint64_t)t->failed_iterations : 0;
	t->env.program = t->program;
	t->env.test = &t->test;
	enum test_status status = core_test_begin(&t->test, &t->env, t->input);
	if (status != TEST_TASK)
		finish(t, status);
	else if (t->mock)
		finish(t, core_test_answer(&t->test, &t->env, &t->answer));
	else
		run_task(t);
}

void api_test_state(struct api_call *call)
{
	struct test_state *t = ARENA_NEW(&call->arena, struct test_state);
	t->call = call;
	t->env = (struct core_env){ .limits = engine_limits(call->engine),
				    .now_ms = engine_now_ms(call->engine),
				    .region = str_of(engine_region(call->engine)) };
	random_secure(&t->env.seed, sizeof t->env.seed);
	arena_on_reset(&call->arena, release_test, &t->test);
	if (test_state_read_request(t) && test_state_read_definition(t) && test_state_read_mock(t) && read_input(t) &&
	    read_variables(t) && test_state_read_context(t))
		play(t);
}
