/* Executions that executions start, where the simulator does not go: those that two tasks wait for, by a name of the definition's; and rows of a time when it was
 * not kept who waits. */
#include "base/log.h"
#include "base/mem.h"
#include "engine/check.h"
#include "engine/runtime.h"
#include "tests/engine/harness.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define CHILD "{\"StartAt\":\"W\",\"States\":{\"W\":{\"Type\":\"Wait\",\"Seconds\":10,\"End\":true}}}"
#define PARENT(name) \
	"{\"StartAt\":\"C\",\"States\":{\"C\":{\"Type\":\"Task\",\"Resource\":\"arn:aws:states:::states:startExecution.sync:2\",\"Parameters\":{" \
	"\"StateMachineArn\":\"arn:aws:states:us-east-1:000000000000:stateMachine:child\",\"Input\":{\"x\":1}" name "},\"End\":true}}}"

static int set_up(void **state)
{
	struct harness *h = harness_new("memory");
	assert_int_equal(harness_create(h, "child", CHILD)->error, ENGINE_OK);
	assert_int_equal(harness_create(h, "own", PARENT(""))->error, ENGINE_OK);
	assert_int_equal(harness_create(h, "shared", PARENT(",\"Name\":\"one\""))->error, ENGINE_OK);
	*state = h;
	return 0;
}

static int tear_down(void **state)
{
	struct harness *h = *state;
	harness_free(h);
	return 0;
}

static void succeeded(struct harness *h, const struct answer *parent)
{
	struct answer *end = harness_describe(h, parent->arn);
	if (end->status != EXECUTION_SUCCEEDED_)
		fail_msg("%s is %s: %s %s", parent->arn, execution_status_name(end->status), end->error_name, end->cause);
	assert_non_null(strstr(end->output, "\"Output\":{\"x\":1}"));
}

static void two_tasks_that_start_the_same_execution_both_hear_of_its_end(void **state)
{
	struct harness *h = *state;
	struct answer *first = harness_start(h, "shared", "a", "{}");
	struct answer *second = harness_start(h, "shared", "b", "{}");
	harness_run_for(h, 15000);
	succeeded(h, first);
	succeeded(h, second);
	assert_int_equal(harness_list(h, "child", -1, 10, NULL)->count, 1);
}

/* The process dies with any of the batches behind the child's end unwritten; then the child has ended, and not by the second one's task. */
static void two_that_wait_hear_of_it_after_a_crash_too(void **state)
{
	for (uint32_t at = 0; at < 6; at++) {
		struct harness *h = *state;
		struct answer *first = harness_start(h, "shared", "a", "{}");
		struct answer *second = harness_start(h, "shared", "b", "{}");
		harness_run_for(h, 5000);
		harness_fault(h, FAULT_FAIL, at, 1000);
		harness_run_for(h, 8000);
		harness_fault(h, FAULT_NONE, 0, 0);
		harness_restart(h);
		harness_run_for(h, 30000);
		succeeded(h, first);
		succeeded(h, second);
		assert_int_equal(harness_list(h, "child", -1, 10, NULL)->count, 1);
		tear_down(state);
		set_up(state);
	}
}

/* The child has ended, its parent has not been told; and the next process cannot read its store at first. */
static void an_end_that_could_not_be_read_is_read_again(void **state)
{
	for (unsigned failing = 1; failing <= 6; failing++) {
		struct harness *h = *state;
		struct answer *parent = harness_start(h, "own", "p", "{}");
		harness_run_for(h, 5000);
		harness_fault(h, FAULT_FAIL, 1, 1000);
		harness_run_for(h, 8000);
		assert_int_equal(harness_list(h, "child", EXECUTION_SUCCEEDED_, 10, NULL)->count, 1);
		assert_int_equal(harness_describe(h, parent->arn)->status, EXECUTION_RUNNING);
		harness_fault(h, FAULT_NONE, 0, 0);
		faulty_fail_reads(h->store, failing);
		harness_restart(h);
		harness_run_for(h, 30000);
		assert_int_equal(faulty_reads_left(h->store), 0);
		succeeded(h, parent);
		tear_down(state);
		set_up(state);
	}
}

static void a_child_is_stopped_with_its_parent_after_a_restart(void **state)
{
	struct harness *h = *state;
	struct answer *parent = harness_start(h, "own", "p", "{}");
	harness_run_for(h, 1000);
	harness_restart(h);
	assert_int_equal(harness_stop(h, parent->arn, NULL, NULL)->error, ENGINE_OK);
	harness_run_for(h, 1000);
	assert_int_equal(harness_list(h, "child", EXECUTION_ABORTED_, 10, NULL)->count, 1);
}

/* What keeps new ones from being begun is nothing to one that is there. */
static void a_child_that_runs_is_found_though_no_more_may_be_open(void **state)
{
	struct harness *h = *state;
	struct answer *parent = harness_start(h, "own", "p", "{}");
	harness_run_for(h, 1000);
	h->limits.open_executions = 1;
	harness_restart(h);
	harness_run_for(h, 30000);
	succeeded(h, parent);
}

static void a_row_that_does_not_say_who_waits_is_read(void **state)
{
	(void)state;
	struct arena arena = { 0 };
	struct attributes attributes = { .revision = 3, .parent = { 77, 5 }, .waited_for = PATTERN_SYNC }, read;
	struct str bytes = attributes_encode(&arena, &attributes);
	assert_true(attributes_decode(bytes, &read));
	assert_int_equal(read.waited_for, PATTERN_SYNC);
	bytes.len--; /* it was the last thing to be added */
	assert_true(attributes_decode(bytes, &read));
	assert_int_equal(read.waited_for, 0);
	assert_int_equal(read.parent.execution_id, 77);
	arena_done(&arena);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	log_setup(LOG_LEVEL_ERROR + 1, false);
	const struct CMUnitTest tests[] = {
		TEST(two_tasks_that_start_the_same_execution_both_hear_of_its_end),
		TEST(two_that_wait_hear_of_it_after_a_crash_too),
		TEST(an_end_that_could_not_be_read_is_read_again),
		TEST(a_child_is_stopped_with_its_parent_after_a_restart),
		TEST(a_child_that_runs_is_found_though_no_more_may_be_open),
		cmocka_unit_test(a_row_that_does_not_say_who_waits_is_read),
	};
	return cmocka_run_group_tests_name("children", tests, NULL, NULL);
}
