/* The engine as a whole, on both stores: executions from their start to their history, and everything that goes wrong
 * on the way. */
#include "base/mem.h"
#include "engine/runtime.h"
#include "tests/engine/harness.h"
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define TASK(name) "{\"Type\":\"Task\",\"Resource\":\"arn:ratchet:test:::" name "\""
static const char LINEAR[] = "{\"StartAt\":\"A\",\"States\":{\"A\":{\"Type\":\"Pass\",\"Next\":\"B\"},"
			     "\"B\":" TASK("echo") ",\"Next\":\"C\"},\"C\":{\"Type\":\"Succeed\"}}}";
static const char LINEAR_HISTORY[] =
    "1 ExecutionStarted\n2 PassStateEntered A\n3 PassStateExited A\n4 TaskStateEntered B\n"
    "5 TaskScheduled\n6 TaskStarted\n7 TaskSucceeded\n8 TaskStateExited B\n9 SucceedStateEntered C\n"
    "10 SucceedStateExited C\n11 ExecutionSucceeded\n";
static const char PASS[] = "{\"StartAt\":\"A\",\"States\":{\"A\":{\"Type\":\"Pass\",\"End\":true}}}";
static const char LOOP[] =
    "{\"StartAt\":\"A\",\"States\":{\"A\":{\"Type\":\"Pass\",\"Next\":\"B\"},\"B\":{\"Type\":\"Choice\",\"Choices\":"
    "[{\"Variable\":\"$.stop\",\"IsPresent\":true,\"Next\":\"C\"}],\"Default\":\"A\"},\"C\":{\"Type\":\"Succeed\"}}}";
static const char WAIT_HOUR[] =
    "{\"StartAt\":\"W\",\"States\":{\"W\":{\"Type\":\"Wait\",\"Seconds\":3600,\"End\":true}}}";
static const char NEVER[] = "{\"StartAt\":\"T\",\"States\":{\"T\":" TASK("never") ",\"End\":true}}}";
static const char SLOW[] = "{\"StartAt\":\"T\",\"States\":{\"T\":" TASK("slow") ",\"End\":true}}}";
static const char TOKEN[] = "{\"StartAt\":\"T\",\"States\":{\"T\":" TASK(
    "echo.waitForTaskToken") ",\"Parameters\":{\"token.$\":\"$$.Task.Token\"},\"End\":true}}}";
static const char RETRY[] = "{\"StartAt\":\"T\",\"States\":{\"T\":" TASK(
    "flaky") ",\"Retry\":[{\"ErrorEquals\":[\"States.ALL\"],"
	     "\"IntervalSeconds\":100,\"MaxAttempts\":5,\"BackoffRate\":1.0}],\"End\":true}}}";
static const char MAP[] =
    "{\"StartAt\":\"M\",\"States\":{\"M\":{\"Type\":\"Map\",\"MaxConcurrency\":8,\"ItemProcessor\":{\"StartAt\":\"T\","
    "\"States\":{\"T\":" TASK("echo") ",\"End\":true}}},\"End\":true}}}";
static const char BRANCHES[] =
    "{\"StartAt\":\"P\",\"States\":{\"P\":{\"Type\":\"Parallel\",\"Branches\":["
    "{\"StartAt\":\"X\",\"States\":{\"X\":" TASK("never") ",\"End\":true}}},"
							  "{\"StartAt\":\"Y\",\"States\":{\"Y\":" TASK(
							      "fail") ",\"End\":true}}}],\"End\":true}}}";

static struct harness *setup(void **state)
{
	return harness_new(*state);
}

static void create(struct harness *h, const char *name, const char *definition)
{
	struct answer *created = harness_create(h, name, definition);
	if (created->error)
		fail_msg("%s", created->message);
}

static void assert_history(struct harness *h, const char *arn, const char *expected)
{
	assert_string_equal(harness_history(h, arn, false, 10000, "")->text, expected);
}

static struct engine_stats stats_of(struct harness *h)
{
	struct engine_stats stats;
	engine_stats(h->engine, &stats);
	return stats;
}

/* ---- running ---------------------------------------------------------------------------------- */

static void a_linear_workflow_runs_and_its_history_can_be_read(void **state)
{
	struct harness *h = setup(state);
	create(h, "linear", LINEAR);
	struct answer *started = harness_start(h, "linear", "one", "{\"a\": 1.0}");
	assert_string_equal(started->arn, "arn:aws:states:us-east-1:000000000000:execution:linear:one");
	struct answer *ended = harness_wait_end(h, started->arn);
	assert_int_equal(ended->status, EXECUTION_SUCCEEDED_);
	assert_string_equal(ended->output, "{\"a\":1.0}");
	assert_string_equal(ended->input, "{\"a\": 1.0}");
	assert_history(h, started->arn, LINEAR_HISTORY);
	harness_free(h);
}

static void numbers_pass_through_unchanged(void **state)
{
	struct harness *h = setup(state);
	create(h, "linear", LINEAR);
	static const char input[] = "[0.1,1E6,18446744073709551616,1.0,-0,1e400,0.10]";
	struct answer *ended = harness_wait_end(h, harness_start(h, "linear", "", input)->arn);
	assert_string_equal(ended->output, input);
	harness_free(h);
}

static void without_an_input_it_is_an_empty_object(void **state)
{
	struct harness *h = setup(state);
	create(h, "pass", PASS);
	assert_string_equal(harness_wait_end(h, harness_start(h, "pass", "", NULL)->arn)->output, "{}");
	harness_free(h);
}

static void an_endless_loop_starves_nobody(void **state)
{
	struct harness *h = setup(state);
	h->limits.history_events = 100000000;
	h->limits.step_events = 256;
	harness_restart(h);
	create(h, "loop", LOOP);
	create(h, "linear", LINEAR);
	struct answer *loop = harness_start(h, "loop", "endless", "{}");
	for (int i = 0; i < 5; i++) {
		struct answer *started = harness_start(h, "linear", "", "{}");
		assert_int_equal(harness_wait_end(h, started->arn)->status, EXECUTION_SUCCEEDED_);
	}
	assert_int_equal(harness_describe(h, loop->arn)->status, EXECUTION_RUNNING);
	assert_true(stats_of(h).steps < 2000);
	struct answer *stopped = harness_stop(h, loop->arn, "Enough", NULL);
	assert_int_equal(stopped->status, EXECUTION_ABORTED_);
	harness_free(h);
}

static void a_task_that_fails_is_retried_when_its_time_has_come(void **state)
{
	struct harness *h = setup(state);
	create(h, "retry", RETRY);
	struct answer *ended = harness_wait_end(h, harness_start(h, "retry", "r", "{}")->arn);
	assert_int_equal(ended->status, EXECUTION_SUCCEEDED_);
	assert_int_equal(ended->stop_ms - ended->start_ms, 200000);
	assert_int_equal(h->scripted->starts, 3);
	harness_free(h);
}

static void a_task_past_its_timeout_is_cancelled(void **state)
{
	struct harness *h = setup(state);
	create(h, "timeout",
	       "{\"StartAt\":\"T\",\"States\":{\"T\":" TASK("never") ",\"TimeoutSeconds\":5,\"End\":true}}}");
	struct answer *ended = harness_wait_end(h, harness_start(h, "timeout", "", "{}")->arn);
	assert_int_equal(ended->status, EXECUTION_FAILED_);
	assert_string_equal(ended->error_name, "States.Timeout");
	assert_int_equal(ended->stop_ms - ended->start_ms, 5000);
	assert_int_equal(h->scripted->cancels, 1);
	harness_free(h);
}

static void heartbeats_keep_a_task_alive_and_cost_few_commits(void **state)
{
	struct harness *h = setup(state);
	create(h, "beats",
	       "{\"StartAt\":\"T\",\"States\":{\"T\":" TASK("beat") ",\"HeartbeatSeconds\":16,\"End\":true}}}");
	struct answer *ended = harness_wait_end(h, harness_start(h, "beats", "", "{}")->arn);
	assert_int_equal(ended->status, EXECUTION_SUCCEEDED_);
	assert_true(stats_of(h).batches < 20); /* 20 heartbeats, one in two given on */
	create(h, "silent",
	       "{\"StartAt\":\"T\",\"States\":{\"T\":" TASK("never") ",\"HeartbeatSeconds\":3,\"End\":true}}}");
	ended = harness_wait_end(h, harness_start(h, "silent", "", "{}")->arn);
	assert_int_equal(ended->status, EXECUTION_FAILED_);
	assert_int_equal(ended->stop_ms - ended->start_ms, 3000);
	harness_free(h);
}

static void a_failing_branch_cancels_the_others_after_the_commit(void **state)
{
	struct harness *h = setup(state);
	create(h, "branches", BRANCHES);
	struct answer *ended = harness_wait_end(h, harness_start(h, "branches", "", "{}")->arn);
	assert_int_equal(ended->status, EXECUTION_FAILED_);
	assert_string_equal(ended->error_name, "Test.Failed");
	assert_int_equal(h->scripted->cancels, 1);
	assert_int_equal(h->scripted->running_now, 0);
	harness_free(h);
}

static void tasks_in_flight_are_bounded(void **state)
{
	struct harness *h = setup(state);
	h->limits.tasks_in_flight = 3;
	harness_restart(h);
	create(h, "map", MAP);
	struct answer *ended = harness_wait_end(h, harness_start(h, "map", "", "[1,2,3,4,5,6,7,8,9,10]")->arn);
	assert_string_equal(ended->output, "[1,2,3,4,5,6,7,8,9,10]");
	assert_int_equal(h->scripted->starts, 10);
	assert_int_equal(h->scripted->running_max, 3);
	harness_free(h);
}

static void what_no_connector_runs_fails_with_a_reason(void **state)
{
	struct harness *h = setup(state);
	create(h, "refused", "{\"StartAt\":\"T\",\"States\":{\"T\":" TASK("refuse") ",\"End\":true}}}");
	assert_string_equal(harness_wait_end(h, harness_start(h, "refused", "", "{}")->arn)->error_name,
			    "Test.StartFailed");
	create(h, "lambda",
	       "{\"StartAt\":\"T\",\"States\":{\"T\":{\"Type\":\"Task\",\"Resource\":"
	       "\"arn:aws:lambda:us-east-1:000000000000:function:f\",\"End\":true}}}");
	assert_string_equal(harness_wait_end(h, harness_start(h, "lambda", "", "{}")->arn)->error_name,
			    "Lambda.ResourceNotFoundException");
	harness_free(h);
}

/* ---- stopping, tokens ---------------------------------------------------------------------------- */

static void an_execution_is_stopped_with_its_cause(void **state)
{
	struct harness *h = setup(state);
	create(h, "never", NEVER);
	struct answer *started = harness_start(h, "never", "s", "{}");
	harness_run_for(h, 50);
	struct answer *stopped = harness_stop(h, started->arn, "Why", "because");
	assert_int_equal(stopped->error, ENGINE_OK);
	assert_true(stopped->stop_ms >= stopped->start_ms && stopped->stop_ms);
	struct answer *described = harness_describe(h, started->arn);
	assert_int_equal(described->status, EXECUTION_ABORTED_);
	assert_string_equal(described->error_name, "Why");
	assert_string_equal(described->cause, "because");
	harness_run_for(h, 50);
	assert_int_equal(h->scripted->cancels, 1);
	/* Again: as it was. */
	assert_int_equal(harness_stop(h, started->arn, NULL, NULL)->stop_ms, stopped->stop_ms);
	harness_free(h);
}

static void a_task_token_answers_its_task_once(void **state)
{
	struct harness *h = setup(state);
	create(h, "token", TOKEN);
	struct answer *started = harness_start(h, "token", "t", "{}");
	harness_run_for(h, 1000);
	char token[256];
	snprintf(token, sizeof token, "%s", harness_last_token);
	assert_int_equal(harness_task_success(h, "nonsense", "1")->error, ENGINE_INVALID_TOKEN);
	token[5] ^= 1;
	assert_int_equal(harness_task_success(h, token, "1")->error, ENGINE_INVALID_TOKEN);
	token[5] ^= 1;
	assert_int_equal(harness_task_success(h, token, "{x")->error, ENGINE_INVALID_OUTPUT);
	harness_restart(h);
	assert_int_equal(harness_task_success(h, token, "{\"by\":\"hand\"}")->error, ENGINE_OK);
	assert_string_equal(harness_wait_end(h, started->arn)->output, "{\"by\":\"hand\"}");
	assert_int_equal(harness_task_success(h, token, "2")->error, ENGINE_TASK_TIMED_OUT);
	harness_free(h);
}

/* ---- the commit --------------------------------------------------------------------------------------- */

static void nothing_leaves_before_the_commit(void **state)
{
	struct harness *h = setup(state);
	create(h, "never", NEVER);
	h->delay_all = true;
	struct answer *started = harness_begin(h, "never", "x", "{}");
	int64_t now_ms = h->loop.clock.now_ms;
	for (int i = 0; i < 50; i++)
		harness_iterate(h, false);
	assert_false(started->done);
	assert_int_equal(h->scripted->starts, 0);
	/* A second start of that name, and a describe of what is only in memory, wait as well. */
	struct answer *again = harness_begin(h, "never", "x", "{}");
	for (int i = 0; i < 50; i++)
		harness_iterate(h, false);
	assert_false(again->done);
	harness_await(h, started);
	harness_await(h, again);
	assert_true(h->loop.clock.now_ms > now_ms);
	assert_string_equal(started->arn, again->arn);
	harness_run_for(h, 10);
	assert_int_equal(h->scripted->starts, 1);
	harness_free(h);
}

static void a_failed_commit_loses_nothing(void **state)
{
	/* Wherever it fails, once or three times, the history is the same and every task runs once. */
	for (uint32_t at = 0; at < 8; at++)
		for (uint32_t count = 1; count <= 3; count += 2) {
			struct harness *h = setup(state);
			create(h, "linear", LINEAR);
			create(h, "map", MAP);
			harness_fault(h, FAULT_FAIL, at, count);
			struct answer *first = harness_begin(h, "linear", "a", "{\"n\":1}");
			struct answer *second = harness_begin(h, "map", "b", "[1,2,3]");
			harness_await(h, first);
			harness_await(h, second);
			assert_string_equal(harness_wait_end(h, first->arn)->output, "{\"n\":1}");
			assert_string_equal(harness_wait_end(h, second->arn)->output, "[1,2,3]");
			assert_history(h, first->arn, LINEAR_HISTORY);
			assert_int_equal(h->scripted->starts, 4);
			harness_free(h);
		}
}

static void starts_are_refused_while_the_disk_is_full(void **state)
{
	struct harness *h = setup(state);
	create(h, "pass", PASS);
	harness_fault(h, FAULT_FAIL, 0, 2);
	struct answer *first = harness_begin(h, "pass", "a", "{}");
	harness_run_for(h, 500);
	assert_false(first->done);
	struct answer *refused = harness_start(h, "pass", "b", "{}");
	assert_int_equal(refused->error, ENGINE_UNAVAILABLE);
	harness_await(h, first);
	assert_int_equal(first->error, ENGINE_OK);
	assert_int_equal(harness_start(h, "pass", "b", "{}")->error, ENGINE_OK);
	assert_int_equal(stats_of(h).batches_failed, 2);
	harness_free(h);
}

static void a_lost_answer_is_looked_up(void **state)
{
	struct harness *h = setup(state);
	create(h, "linear", LINEAR);
	harness_fault(h, FAULT_LOSE_STORED, 0, 4);
	struct answer *started = harness_start(h, "linear", "a", "{}");
	assert_int_equal(harness_wait_end(h, started->arn)->status, EXECUTION_SUCCEEDED_);
	assert_history(h, started->arn, LINEAR_HISTORY);
	assert_null(h->fatal);
	harness_free(h);
}

static void a_lost_batch_or_a_fence_stops_the_engine(void **state)
{
	static const enum fault faults[] = { FAULT_LOSE, FAULT_FENCE };
	for (int i = 0; i < 2; i++) {
		struct harness *h = setup(state);
		create(h, "linear", LINEAR);
		harness_fault(h, faults[i], 0, 1);
		struct answer *started = harness_begin(h, "linear", "a", "{}");
		for (int n = 0; n < 1000 && !h->fatal; n++)
			harness_iterate(h, true);
		assert_non_null(h->fatal);
		assert_false(started->done);
		harness_restart(h);
		/* It was never acknowledged and is not there; the name is free. */
		started = harness_start(h, "linear", "a", "{}");
		assert_int_equal(harness_wait_end(h, started->arn)->status, EXECUTION_SUCCEEDED_);
		assert_history(h, started->arn, LINEAR_HISTORY);
		harness_free(h);
	}
}

/* ---- names ---------------------------------------------------------------------------------------------- */

static void a_start_is_idempotent_under_concurrent_duplicates(void **state)
{
	struct harness *h = setup(state);
	create(h, "never", NEVER);
	struct answer *starts[20];
	for (int i = 0; i < 20; i++)
		starts[i] = harness_begin(h, "never", "same", i == 13 ? "{\"other\":1}" : "{}");
	for (int i = 0; i < 20; i++) {
		harness_await(h, starts[i]);
		assert_int_equal(starts[i]->error, i == 13 ? ENGINE_EXECUTION_ALREADY_EXISTS : ENGINE_OK);
		if (i != 13)
			assert_int_equal(starts[i]->start_ms, starts[0]->start_ms);
	}
	assert_string_equal(starts[13]->message,
			    "Execution Already Exists: 'arn:aws:states:us-east-1:000000000000:execution:never:same'");
	harness_run_for(h, 100);
	assert_int_equal(harness_list(h, "never", -1, 100, "")->count, 1);
	assert_int_equal(harness_start(h, "never", "same", "{}")->error, ENGINE_OK);
	harness_restart(h);
	assert_int_equal(harness_start(h, "never", "same", "{}")->error, ENGINE_OK);
	harness_stop(h, starts[0]->arn, NULL, NULL);
	assert_int_equal(harness_start(h, "never", "same", "{}")->error, ENGINE_EXECUTION_ALREADY_EXISTS);
	harness_free(h);
}

static void a_generated_name_leads_to_its_execution(void **state)
{
	struct harness *h = setup(state);
	create(h, "pass", PASS);
	create(h, "other", PASS);
	struct answer *started = harness_start(h, "pass", "", "{\"x\":1}");
	harness_restart(h);
	assert_string_equal(harness_describe(h, started->arn)->input, "{\"x\":1}");
	/* The same name given by hand: taken here, free in another machine. */
	assert_int_equal(harness_start(h, "pass", started->name, "{}")->error, ENGINE_EXECUTION_ALREADY_EXISTS);
	struct answer *named = harness_start(h, "other", started->name, "{\"y\":2}");
	assert_int_equal(named->error, ENGINE_OK);
	assert_string_equal(harness_describe(h, named->arn)->input, "{\"y\":2}");
	harness_free(h);
}

/* ---- restarts --------------------------------------------------------------------------------------------- */

static void a_wait_survives_a_restart_and_ends_on_time(void **state)
{
	struct harness *h = setup(state);
	create(h, "wait", WAIT_HOUR);
	struct answer *started = harness_start(h, "wait", "w", "{}");
	harness_run_for(h, 1000000);
	harness_restart(h);
	harness_run_for(h, 1000);
	assert_int_equal(stats_of(h).cached, 0);
	harness_run_for(h, 3599999 - 1000000 - 1000);
	assert_int_equal(harness_describe(h, started->arn)->status, EXECUTION_RUNNING);
	struct answer *ended = harness_wait_end(h, started->arn);
	assert_int_equal(ended->status, EXECUTION_SUCCEEDED_);
	assert_int_equal(ended->stop_ms - ended->start_ms, 3600000);
	harness_free(h);
}

static void a_wait_that_ended_while_nobody_ran_ends_at_once(void **state)
{
	struct harness *h = setup(state);
	create(h, "wait", WAIT_HOUR);
	struct answer *started = harness_start(h, "wait", "w", "{}");
	h->loop.clock.now_ms += 10000000;
	harness_restart(h);
	struct answer *ended = harness_wait_end(h, started->arn);
	assert_int_equal(ended->stop_ms - ended->start_ms, 10000000);
	harness_free(h);
}

static void a_task_runs_again_after_a_restart_under_the_same_key(void **state)
{
	struct harness *h = setup(state);
	create(h, "slow", SLOW);
	struct answer *started = harness_start(h, "slow", "t", "{}");
	harness_run_for(h, 100);
	assert_int_equal(h->scripted->starts, 1);
	char trail[128];
	snprintf(trail, sizeof trail, "%s", h->scripted->trail.data);
	harness_restart(h);
	harness_run_for(h, 100);
	assert_int_equal(h->scripted->starts, 1);
	assert_string_equal(h->scripted->trail.data, trail);
	assert_int_equal(harness_wait_end(h, started->arn)->status, EXECUTION_SUCCEEDED_);
	assert_history(h, started->arn,
		       "1 ExecutionStarted\n2 TaskStateEntered T\n3 TaskScheduled\n4 TaskStarted\n5 TaskSucceeded\n"
		       "6 TaskStateExited T\n7 ExecutionSucceeded\n");
	harness_free(h);
}

static void a_retry_that_is_due_later_survives_a_restart(void **state)
{
	struct harness *h = setup(state);
	create(h, "retry", RETRY);
	struct answer *started = harness_start(h, "retry", "r", "{}");
	harness_run_for(h, 50000);
	assert_int_equal(h->scripted->starts, 1);
	harness_restart(h);
	harness_run_for(h, 49000);
	assert_int_equal(h->scripted->starts, 0);
	struct answer *ended = harness_wait_end(h, started->arn);
	assert_int_equal(ended->stop_ms - ended->start_ms, 200000);
	assert_int_equal(h->scripted->starts, 2);
	harness_free(h);
}

static void a_restart_at_any_moment_gives_the_same_history(void **state)
{
	for (int moment = 1; moment < 14; moment++) {
		struct harness *h = setup(state);
		create(h, "linear", LINEAR);
		struct answer *started = harness_begin(h, "linear", "a", "{\"n\":1}");
		for (int i = 0; i < moment; i++)
			harness_iterate(h, false);
		bool acknowledged = started->done;
		harness_restart(h);
		struct answer *ended = NULL;
		if (acknowledged)
			ended = harness_wait_end(h, started->arn);
		else /* lost or not: a repeat settles it */
			ended = harness_wait_end(h, "arn:aws:states:us-east-1:000000000000:execution:linear:a");
		if (ended->error) {
			assert_false(acknowledged);
			ended = harness_wait_end(h, harness_start(h, "linear", "a", "{\"n\":1}")->arn);
		}
		assert_int_equal(ended->status, EXECUTION_SUCCEEDED_);
		assert_history(h, "arn:aws:states:us-east-1:000000000000:execution:linear:a", LINEAR_HISTORY);
		harness_free(h);
	}
}

static void a_long_execution_is_loaded_from_its_snapshot(void **state)
{
	struct harness *h = setup(state);
	h->limits.history_events = 1000000;
	h->limits.step_events = 1000;
	harness_restart(h);
	create(h, "loop", LOOP);
	struct answer *started = harness_start(h, "loop", "l", "{}");
	for (int i = 0; i < 200; i++)
		harness_iterate(h, false);
	harness_restart(h);
	for (int i = 0; i < 60; i++)
		harness_iterate(h, false);
	struct answer *stopped = harness_stop(h, started->arn, NULL, NULL);
	assert_int_equal(stopped->status, EXECUTION_ABORTED_);
	/* No gap, no repeat. */
	char token[128] = "";
	unsigned long long expected = 1;
	do {
		struct answer *page = harness_history(h, started->arn, false, 1000, token);
		for (char *line = page->text; *line; line = strchr(line, '\n') + 1)
			assert_int_equal(strtoull(line, NULL, 10), expected++);
		snprintf(token, sizeof token, "%s", page->token);
	} while (*token);
	assert_true(expected > 50000);
	harness_free(h);
}

static void a_file_that_is_opened_again_holds_everything(void **state)
{
	struct harness *h = harness_new("sqlite");
	create(h, "linear", LINEAR);
	create(h, "wait", WAIT_HOUR);
	struct answer *done = harness_start(h, "linear", "a", "{}");
	harness_wait_end(h, done->arn);
	struct answer *waiting = harness_start(h, "wait", "w", "{}");
	harness_reopen(h);
	assert_history(h, done->arn, LINEAR_HISTORY);
	assert_int_equal(harness_wait_end(h, waiting->arn)->status, EXECUTION_SUCCEEDED_);
	assert_int_equal(harness_create(h, "linear", LINEAR)->error, ENGINE_OK);
	harness_free(h);
}

static void ten_thousand_that_wait_are_recovered_lazily(void **state)
{
	struct harness *h = harness_new("memory");
	create(h, "wait", WAIT_HOUR);
	for (int i = 0; i < 10000; i++) {
		struct answer *started = harness_begin(h, "wait", "", "{}");
		if (i % 500 == 499)
			harness_await(h, started);
	}
	harness_run_for(h, 1000);
	assert_int_equal(stats_of(h).open, 10000);
	assert_int_equal(stats_of(h).cached, 0);
	harness_restart(h);
	harness_run_for(h, 1000);
	assert_int_equal(stats_of(h).open, 10000);
	assert_int_equal(stats_of(h).cached, 0);
	assert_false(stats_of(h).recovering);
	harness_run_for(h, 3700000);
	assert_int_equal(stats_of(h).open, 0);
	assert_int_equal(stats_of(h).succeeded, 10000);
	harness_free(h);
}

static void those_that_only_wait_are_forgotten_and_come_back(void **state)
{
	struct harness *h = setup(state);
	h->limits.cached_executions = 10;
	harness_restart(h);
	create(h, "slow", SLOW);
	create(h, "token", TOKEN);
	struct answer *starts[50];
	for (int i = 0; i < 50; i++)
		starts[i] = harness_begin(h, i % 2 ? "slow" : "token", "", "{}");
	for (int i = 0; i < 50; i++)
		harness_await(h, starts[i]);
	harness_run_for(h, 500);
	assert_true(stats_of(h).cached <= 10);
	assert_int_equal(h->scripted->starts, 50);
	for (int i = 1; i < 50; i += 2)
		assert_int_equal(harness_wait_end(h, starts[i]->arn)->status, EXECUTION_SUCCEEDED_);
	assert_int_equal(harness_task_success(h, harness_last_token, "1")->error, ENGINE_OK);
	assert_int_equal(h->scripted->starts, 50);
	harness_free(h);
}

/* ---- size ----------------------------------------------------------------------------------------------------- */

static uint64_t bytes_of_map(void **state, int items)
{
	struct harness *h = setup(state);
	create(h, "map", MAP);
	struct buffer input = { 0 };
	for (int i = 0; i < items; i++)
		buffer_printf(&input, "%s{\"item\":%d,\"text\":\"%064d\"}", i ? "," : "[", i, i);
	buffer_byte(&input, ']');
	uint64_t before = stats_of(h).store.bytes_written;
	struct answer *ended = harness_wait_end(h, harness_start(h, "map", "m", input.data)->arn);
	assert_int_equal(ended->status, EXECUTION_SUCCEEDED_);
	assert_string_equal(ended->output, input.data);
	uint64_t bytes = stats_of(h).store.bytes_written - before;
	buffer_done(&input);
	harness_free(h);
	return bytes;
}

static void a_map_of_tasks_writes_bytes_in_proportion_to_its_items(void **state)
{
	uint64_t some = bytes_of_map(state, 250), many = bytes_of_map(state, 1000);
	/* Four times the items: in proportion is four times the bytes, squared would be sixteen. What lies between is the share of whole pages
	 * that a commit writes, which depends on how many batches happen to share one. */
	if (some) /* counted by this back end */
		assert_true(many < some * 8);
}

/* ---- what is asked --------------------------------------------------------------------------------------------- */

static void pages_of_history_join_to_the_whole(void **state)
{
	struct harness *h = setup(state);
	create(h, "map", MAP);
	struct answer *started = harness_start(h, "map", "m", "[1,2,3,4,5,6,7,8,9]");
	harness_wait_end(h, started->arn);
	struct answer *whole = harness_history(h, started->arn, false, 1000, "");
	assert_string_equal(whole->token, "");
	for (uint32_t page_size = 1; page_size < 12; page_size += 3)
		for (int reverse = 0; reverse < 2; reverse++) {
			struct buffer joined = { 0 };
			char token[128] = "";
			do {
				struct answer *page = harness_history(h, started->arn, reverse, page_size, token);
				assert_int_equal(page->error, ENGINE_OK);
				assert_true(page->count <= page_size && page->count > 0);
				for (char *end, *line = page->text; *line; line = end + 1) {
					end = strchr(line, '\n');
					struct buffer one = { 0 };
					buffer_append(&one, line, (size_t)(end + 1 - line));
					if (reverse) { /* before the others */
						buffer_add(&one, buffer_str(&joined));
						buffer_clear(&joined);
					}
					buffer_add(&joined, buffer_str(&one));
					buffer_done(&one);
				}
				snprintf(token, sizeof token, "%s", page->token);
			} while (*token);
			assert_string_equal(joined.data, whole->text);
			buffer_done(&joined);
		}
	assert_int_equal(harness_history(h, started->arn, false, 10, "nonsense")->error, ENGINE_INVALID_TOKEN);
	harness_free(h);
}

static void executions_are_listed_newest_first_by_status(void **state)
{
	struct harness *h = setup(state);
	create(h, "pass", PASS);
	create(h, "wait", WAIT_HOUR);
	for (int i = 0; i < 7; i++) {
		char name[8];
		snprintf(name, sizeof name, "p%d", i);
		harness_start(h, "pass", name, "{}");
		harness_run_for(h, 10);
	}
	harness_start(h, "wait", "w", "{}");
	struct answer *page = harness_list(h, "pass", -1, 3, "");
	assert_string_equal(page->text, "p6 SUCCEEDED\np5 SUCCEEDED\np4 SUCCEEDED\n");
	page = harness_list(h, "pass", EXECUTION_SUCCEEDED_, 3, page->token);
	assert_string_equal(page->text, "p3 SUCCEEDED\np2 SUCCEEDED\np1 SUCCEEDED\n");
	page = harness_list(h, "pass", -1, 3, page->token);
	assert_string_equal(page->text, "p0 SUCCEEDED\n");
	assert_string_equal(page->token, "");
	assert_int_equal(harness_list(h, "pass", EXECUTION_RUNNING, 3, "")->count, 0);
	assert_int_equal(harness_list(h, "wait", EXECUTION_RUNNING, 3, "")->count, 1);
	assert_int_equal(harness_list(h, "pass", -1, 3, "x")->error, ENGINE_INVALID_TOKEN);
	assert_int_equal(harness_list(h, "nowhere", -1, 3, "")->error, ENGINE_STATE_MACHINE_DOES_NOT_EXIST);
	harness_free(h);
}

static void mistakes_are_told_in_the_services_words(void **state)
{
	struct harness *h = setup(state);
	create(h, "pass", PASS);
	struct answer *answer = harness_describe(h, "invalid_state_machine_arn");
	assert_int_equal(answer->error, ENGINE_INVALID_ARN);
	assert_string_equal(answer->message, "Invalid Arn: 'Invalid ARN prefix: invalid_state_machine_arn'");
	answer = harness_describe(h, "arn:aws:states:us-east-1:000000000000:execution:pass:none");
	assert_int_equal(answer->error, ENGINE_EXECUTION_DOES_NOT_EXIST);
	assert_string_equal(answer->message,
			    "Execution Does Not Exist: 'arn:aws:states:us-east-1:000000000000:execution:pass:none'");
	assert_int_equal(harness_describe(h, "arn:aws:states:us-east-1:000000000000:stateMachine:pass")->error,
			 ENGINE_INVALID_ARN);
	assert_int_equal(harness_start(h, "none", "", "{}")->error, ENGINE_STATE_MACHINE_DOES_NOT_EXIST);
	assert_int_equal(harness_start(h, "pass", "a b", "{}")->error, ENGINE_INVALID_NAME);
	answer = harness_start(h, "pass", "", "{'a': 1}");
	assert_int_equal(answer->error, ENGINE_INVALID_EXECUTION_INPUT);
	assert_string_equal(answer->message,
			    "Invalid State Machine Execution Input: 'Unexpected character (''' (code 39)): "
			    "was expecting double-quote to start field name'");
	answer = harness_start(h, "pass", "", "");
	assert_string_equal(answer->message, "Invalid State Machine Execution Input: 'Invalid execution input.'");
	answer = harness_create(h, "broken", "{\"StartAt\":\"A\"}");
	assert_int_equal(answer->error, ENGINE_INVALID_DEFINITION);
	assert_int_equal(harness_create(h, "a#b", PASS)->error, ENGINE_INVALID_NAME);
	harness_free(h);
}

/* ---- state machines -----------------------------------------------------------------------------------------------
 */

static void a_machine_is_created_once_and_updated_by_revision(void **state)
{
	struct harness *h = setup(state);
	create(h, "m", WAIT_HOUR);
	assert_int_equal(harness_create(h, "m", WAIT_HOUR)->error, ENGINE_OK);
	struct answer *other = harness_create(h, "m", PASS);
	assert_int_equal(other->error, ENGINE_STATE_MACHINE_ALREADY_EXISTS);
	assert_string_equal(other->message,
			    "State Machine Already Exists: 'arn:aws:states:us-east-1:000000000000:stateMachine:m'");
	struct answer *old = harness_start(h, "m", "old", "{}");
	struct answer *updated = harness_update(h, "m", PASS, NULL);
	assert_int_equal(updated->error, ENGINE_OK);
	assert_int_equal(strlen(updated->revision_id), 36);
	assert_int_equal(harness_update(h, "m", NULL, NULL)->error, ENGINE_MISSING_REQUIRED_PARAMETER);
	assert_int_equal(harness_wait_end(h, harness_start(h, "m", "new", "{}")->arn)->status, EXECUTION_SUCCEEDED_);
	harness_restart(h);
	/* It goes on with the definition that it began with. */
	struct answer *described = harness_describe(h, old->arn);
	assert_int_equal(described->status, EXECUTION_RUNNING);
	assert_string_equal(described->definition, WAIT_HOUR);
	assert_int_equal(harness_wait_end(h, old->arn)->stop_ms - old->start_ms, 3600000);
	harness_free(h);
}

static void a_deleted_machine_is_gone_when_its_executions_have_ended(void **state)
{
	struct harness *h = setup(state);
	create(h, "m", WAIT_HOUR);
	struct answer *started = harness_start(h, "m", "w", "{}");
	assert_int_equal(harness_delete(h, "m")->error, ENGINE_OK);
	assert_int_equal(harness_delete(h, "unknown")->error, ENGINE_OK);
	assert_int_equal(harness_start(h, "m", "x", "{}")->error, ENGINE_STATE_MACHINE_DELETING);
	assert_int_equal(harness_create(h, "m", PASS)->error, ENGINE_STATE_MACHINE_DELETING);
	assert_int_equal(harness_wait_end(h, started->arn)->status, EXECUTION_SUCCEEDED_);
	harness_run_for(h, 100000);
	create(h, "m", PASS);
	/* The old one's execution can still be described; its name may be used again. */
	assert_string_equal(harness_describe(h, started->arn)->definition, WAIT_HOUR);
	harness_restart(h);
	assert_string_equal(harness_describe(h, started->arn)->definition, WAIT_HOUR);
	assert_string_equal(harness_wait_end(h, harness_start(h, "m", "w", "{\"again\":1}")->arn)->output,
			    "{\"again\":1}");
	harness_free(h);
}

static void ended_executions_go_after_their_retention(void **state)
{
	struct harness *h = setup(state);
	h->limits.retention_days = 2;
	harness_restart(h);
	create(h, "pass", PASS);
	create(h, "never", NEVER);
	struct answer *ended = harness_start(h, "pass", "p", "{}");
	struct answer *open = harness_start(h, "never", "n", "{}");
	harness_run_for(h, 86400000);
	assert_int_equal(harness_describe(h, ended->arn)->error, ENGINE_OK);
	harness_run_for(h, 2 * 86400000);
	assert_int_equal(harness_describe(h, ended->arn)->error, ENGINE_EXECUTION_DOES_NOT_EXIST);
	assert_int_equal(harness_describe(h, open->arn)->status, EXECUTION_RUNNING);
	harness_free(h);
}

static void a_work_folder_goes_with_its_execution(void **state)
{
	struct harness *h = setup(state);
	char *folder = harness_folder(), path[256];
	h->work_root = mem_strdup(folder);
	h->limits.retention_days = 1;
	harness_restart(h);
	create(h, "pass", PASS);
	harness_start(h, "pass", "p", "{}");
	struct connector_host *host = engine_host(h->engine);
	snprintf(path, sizeof path, "%s", host->work_dir(host, 1 << 8 | store_shard(0), NULL));
	assert_true(str_starts(str_of(path), str_of(folder)));
	char *file = mem_printf("%s/file", path);
	FILE *written = fopen(file, "w");
	fclose(written);
	/* Not one of ours: stays. */
	char *foreign = mem_printf("%s/foreign", folder);
	written = fopen(foreign, "w");
	fclose(written);
	harness_run_for(h, 200000);
	assert_int_equal(access(path, F_OK), -1); /* no execution has exactly this id */
	assert_int_equal(access(foreign, F_OK), 0);
	unlink(foreign);
	rmdir(folder);
	free(folder);
	free(file);
	free(foreign);
	harness_free(h);
}

/* A process in which the step of this execution aborts: what the signal's handler does is all that matters here. */
static void crash_in_step(const char *id, const char *notes)
{
	pid_t child = fork();
	if (child == 0) {
		struct engine fake = { .stepping = 0 };
		struct wf_error err = { 0 };
		if (crash_notes_open(&fake, notes, &err) == 0) {
			fake.stepping = strtoull(id, NULL, 16);
			abort();
		}
		_exit(0);
	}
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

static void an_execution_that_ends_the_process_three_times_is_quarantined(void **state)
{
	struct harness *h = setup(state);
	char *folder = harness_folder(), *notes = mem_printf("%s/notes", folder), id[24];
	create(h, "slow", SLOW);
	struct answer *bad = harness_start(h, "slow", "bad", "{}"), *good = harness_start(h, "slow", "good", "{}");
	harness_run_for(h, 100);
	const char *at =
	    strchr(h->scripted->trail.data, '@') + 1; /* the first task's key begins with its execution's id */
	snprintf(id, sizeof id, "%.*s", (int)strcspn(at, "/"), at);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(harness_describe(h, bad->arn)->status, EXECUTION_RUNNING);
		crash_in_step(id, notes);
		free(h->crash_notes);
		h->crash_notes = mem_strdup(notes);
		harness_restart(h);
	}
	struct answer *ended = harness_wait_end(h, bad->arn);
	assert_int_equal(ended->status, EXECUTION_ABORTED_);
	assert_string_equal(ended->error_name, "Ratchet.Quarantined");
	assert_int_equal(harness_wait_end(h, good->arn)->status, EXECUTION_SUCCEEDED_);
	unlink(notes);
	rmdir(folder);
	free(notes);
	free(folder);
	harness_free(h);
}

/* ---- watching, draining ---------------------------------------------------------------------------------------------
 */

static void note_event(struct engine_watcher *watcher, const struct event *event)
{
	buffer_printf(watcher->data, "%llu ", (unsigned long long)event->id);
}

static void note_log(struct engine_watcher *watcher, uint64_t task_id, uint64_t number, struct str line, double fraction)
{
	buffer_printf(watcher->data, "[%.*s] ", STR_FMT(line));
}

static void a_watcher_sees_events_as_they_become_durable(void **state)
{
	struct harness *h = setup(state);
	create(h, "log", "{\"StartAt\":\"T\",\"States\":{\"T\":" TASK("log") ",\"End\":true}}}");
	struct buffer seen = { 0 };
	struct engine_watcher watcher = { .event = note_event, .log = note_log, .data = &seen };
	static const char arn[] = "arn:aws:states:us-east-1:000000000000:execution:log:x";
	assert_int_equal(engine_watch(h->engine, str_of("nonsense"), &watcher), ERR(INVALID));
	assert_int_equal(engine_watch(h->engine, STR(arn), &watcher), 0);
	harness_start(h, "log", "x", "{}");
	harness_wait_end(h, arn);
	assert_string_equal(seen.data, "1 2 3 [one] [two] 4 5 6 7 ");
	uint64_t lines;
	struct str log = engine_task_log(h->engine, STR(arn), h->scripted->last_event_id, &lines);
	assert_true(str_eqz(log, "one\ntwo"));
	assert_int_equal(lines, 2);
	engine_unwatch(h->engine, &watcher);
	buffer_done(&seen);
	harness_free(h);
}

static void set_flag(void *data)
{
	*(bool *)data = true;
}

static void a_drain_ends_with_everything_stored(void **state)
{
	struct harness *h = setup(state);
	h->limits.history_events = 100000000;
	harness_restart(h);
	create(h, "loop", LOOP);
	create(h, "slow", SLOW);
	struct answer *slow = harness_start(h, "slow", "s", "{}");
	struct answer *loop = harness_begin(h, "loop", "l", "{}");
	bool drained = false;
	engine_drain(h->engine, set_flag, &drained);
	assert_int_equal(harness_start(h, "slow", "late", "{}")->error, ENGINE_UNAVAILABLE);
	harness_until(h, &drained);
	assert_true(loop->done);
	harness_restart(h);
	assert_int_equal(harness_describe(h, loop->arn)->status, EXECUTION_RUNNING);
	assert_int_equal(harness_stop(h, loop->arn, NULL, NULL)->status, EXECUTION_ABORTED_);
	assert_int_equal(harness_wait_end(h, slow->arn)->status, EXECUTION_SUCCEEDED_);
	harness_free(h);
}

static void a_start_beyond_the_queues_bound_is_refused(void **state)
{
	struct harness *h = setup(state);
	h->limits.input_queue = 100;
	harness_restart(h);
	create(h, "pass", PASS);
	struct answer *starts[150];
	for (int i = 0; i < 150; i++)
		starts[i] = harness_begin(h, "pass", "", "{}");
	for (int i = 0; i < 150; i++)
		assert_int_equal(harness_await(h, starts[i])->error, i < 100 ? ENGINE_OK : ENGINE_UNAVAILABLE);
	harness_free(h);
}

#define ON(test, backend)                                                                                              \
	{                                                                                                              \
#test " on " backend, test, NULL, NULL, (void *)backend                                                \
	}
#define BOTH(test) ON(test, "memory"), ON(test, "sqlite")

int main(int argc, char **argv)
{
	if (argc > 1) /* a pattern: only these */
		cmocka_set_test_filter(argv[1]);
	const struct CMUnitTest tests[] = {
		BOTH(a_linear_workflow_runs_and_its_history_can_be_read),
		BOTH(numbers_pass_through_unchanged),
		ON(without_an_input_it_is_an_empty_object, "memory"),
		BOTH(an_endless_loop_starves_nobody),
		BOTH(a_task_that_fails_is_retried_when_its_time_has_come),
		ON(a_task_past_its_timeout_is_cancelled, "memory"),
		ON(heartbeats_keep_a_task_alive_and_cost_few_commits, "memory"),
		ON(a_failing_branch_cancels_the_others_after_the_commit, "memory"),
		ON(tasks_in_flight_are_bounded, "memory"),
		ON(what_no_connector_runs_fails_with_a_reason, "memory"),
		BOTH(an_execution_is_stopped_with_its_cause),
		BOTH(a_task_token_answers_its_task_once),
		BOTH(nothing_leaves_before_the_commit),
		BOTH(a_failed_commit_loses_nothing),
		BOTH(starts_are_refused_while_the_disk_is_full),
		BOTH(a_lost_answer_is_looked_up),
		BOTH(a_lost_batch_or_a_fence_stops_the_engine),
		BOTH(a_start_is_idempotent_under_concurrent_duplicates),
		BOTH(a_generated_name_leads_to_its_execution),
		BOTH(a_wait_survives_a_restart_and_ends_on_time),
		BOTH(a_wait_that_ended_while_nobody_ran_ends_at_once),
		BOTH(a_task_runs_again_after_a_restart_under_the_same_key),
		BOTH(a_retry_that_is_due_later_survives_a_restart),
		BOTH(a_restart_at_any_moment_gives_the_same_history),
		BOTH(a_long_execution_is_loaded_from_its_snapshot),
		ON(a_file_that_is_opened_again_holds_everything, "sqlite"),
		ON(ten_thousand_that_wait_are_recovered_lazily, "memory"),
		BOTH(those_that_only_wait_are_forgotten_and_come_back),
		BOTH(a_map_of_tasks_writes_bytes_in_proportion_to_its_items),
		BOTH(pages_of_history_join_to_the_whole),
		BOTH(executions_are_listed_newest_first_by_status),
		ON(mistakes_are_told_in_the_services_words, "memory"),
		BOTH(a_machine_is_created_once_and_updated_by_revision),
		BOTH(a_deleted_machine_is_gone_when_its_executions_have_ended),
		ON(a_work_folder_goes_with_its_execution, "memory"),
		BOTH(an_execution_that_ends_the_process_three_times_is_quarantined),
		ON(ended_executions_go_after_their_retention, "memory"),
		ON(a_watcher_sees_events_as_they_become_durable, "memory"),
		BOTH(a_drain_ends_with_everything_stored),
		ON(a_start_beyond_the_queues_bound_is_refused, "memory"),
	};
	return cmocka_run_group_tests_name("engine", tests, NULL, NULL);
}
