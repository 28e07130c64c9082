/* The engine on a file, when the machine fails it: a disk that is full or that fails to write, read or sync, for a while or for good; a wall clock that jumps.
 * What was acknowledged stays; where the cause goes away, work goes on; where it does not, the process says so and ends, and the next one recovers. */
#include "base/log.h"
#include "base/mem.h"
#include "engine/check.h"
#include "tests/engine/harness.h"
#include "tests/store/fault_vfs.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define PASS "{\"StartAt\":\"P\",\"States\":{\"P\":{\"Type\":\"Pass\",\"End\":true}}}"
#define WAIT "{\"StartAt\":\"W\",\"States\":{\"W\":{\"Type\":\"Wait\",\"Seconds\":100,\"Next\":\"T\"}," \
	     "\"T\":{\"Type\":\"Task\",\"Resource\":\"arn:ratchet:test:::echo\",\"End\":true}}}"
#define WORK "{\"StartAt\":\"T\",\"States\":{\"T\":{\"Type\":\"Task\",\"Resource\":\"arn:ratchet:test:::never\",\"End\":true}}}"
#define BAD "{\"StartAt\":\"T\",\"States\":{\"T\":{\"Type\":\"Task\",\"Resource\":\"arn:ratchet:test:::fail\",\"End\":true}}}"
#define HOUR_MS 3600000

static int set_up(void **state)
{
	fault_vfs_reset();
	struct harness *h = harness_new("sqlite");
	h->vfs = "ratchet-fault";
	harness_reopen(h);
	assert_int_equal(harness_create(h, "pass", PASS)->error, ENGINE_OK);
	assert_int_equal(harness_create(h, "wait", WAIT)->error, ENGINE_OK);
	assert_int_equal(harness_create(h, "work", WORK)->error, ENGINE_OK);
	*state = h;
	return 0;
}

static void tell(void *data, const char *where, const char *what)
{
	fprintf(stderr, "%s: %s\n", where, what);
}

static int tear_down(void **state)
{
	struct harness *h = *state;
	fault_vfs_reset();
	struct check_options options = { .problem = tell };
	struct check_result result;
	assert_int_equal(engine_check(h->inner, &options, &result, NULL), 0);
	assert_int_equal(result.problems, 0);
	harness_free(h);
	return 0;
}

static void ended_well(struct harness *h, const char *arn)
{
	struct answer *end = harness_describe(h, arn);
	assert_int_equal(end->error, ENGINE_OK);
	assert_int_equal(end->status, EXECUTION_SUCCEEDED_);
	assert_true(end->stop_ms >= end->start_ms);
}

/* Lets the store fail a few times. */
static void run_into_it(struct harness *h, int64_t ms)
{
	harness_run_for(h, ms);
	assert_null(h->fatal);
}

/* ---- disks ---------------------------------------------------------------------------------------- */

static void a_full_disk_keeps_what_is_under_way_and_refuses_the_rest(void **state)
{
	struct harness *h = *state;
	struct answer *waits = harness_start(h, "wait", "before", "1");
	fault_vfs.writes_left = 0;
	struct answer *kept = harness_begin(h, "pass", "kept", "2");
	run_into_it(h, 3000);
	assert_false(kept->done);
	assert_int_equal(harness_start(h, "pass", "refused", "3")->error, ENGINE_UNAVAILABLE);
	run_into_it(h, 60 * 60000); /* the wait is over meanwhile; an hour is not too long */
	fault_vfs.writes_left = -1;
	harness_await(h, kept);
	assert_int_equal(kept->error, ENGINE_OK);
	assert_int_equal(harness_start(h, "pass", "refused", "3")->error, ENGINE_OK);
	harness_run_for(h, 5000);
	ended_well(h, kept->arn);
	ended_well(h, waits->arn);
}

static void a_disk_that_fails_to_write_for_a_while_is_tried_again(void **state)
{
	struct harness *h = *state;
	fault_vfs.writes_fail = true;
	struct answer *kept = harness_begin(h, "pass", "kept", "2");
	run_into_it(h, 1000);
	assert_false(kept->done);
	fault_vfs.writes_fail = false;
	harness_await(h, kept);
	assert_int_equal(kept->error, ENGINE_OK);
	ended_well(h, kept->arn);
}

static void a_disk_that_fails_to_write_for_good_ends_the_process_and_nothing_is_lost(void **state)
{
	struct harness *h = *state;
	struct answer *waits = harness_start(h, "wait", "before", "1");
	fault_vfs.writes_fail = true;
	struct answer *lost = harness_begin(h, "pass", "lost", "2");
	harness_run_for(h, 10 * 60000);
	assert_non_null(h->fatal);
	assert_false(lost->done);
	fault_vfs.writes_fail = false;
	harness_reopen(h);
	free(TAKE(h->fatal));
	assert_int_equal(harness_start(h, "pass", "lost", "2")->error, ENGINE_OK);
	harness_run_for(h, 200000);
	ended_well(h, waits->arn);
}

static void after_a_failed_sync_the_process_ends_and_nothing_is_lost(void **state)
{
	struct harness *h = *state;
	struct answer *waits = harness_start(h, "wait", "before", "1");
	fault_vfs.syncs_fail = true;
	struct answer *unknown = harness_begin(h, "pass", "unknown", "2");
	harness_run_for(h, 10000);
	assert_non_null(h->fatal); /* nobody knows what the disk holds */
	assert_false(unknown->done);
	fault_vfs.syncs_fail = false;
	harness_reopen(h);
	free(TAKE(h->fatal));
	harness_run_for(h, 200000);
	ended_well(h, waits->arn);
	enum engine_error_code again = harness_start(h, "pass", "unknown", "2")->error;
	assert_true(again == ENGINE_OK || again == ENGINE_EXECUTION_ALREADY_EXISTS);
}

static void a_disk_that_fails_to_read_for_a_while_is_asked_again(void **state)
{
	struct harness *h = *state;
	struct answer *waits = harness_start(h, "wait", "before", "1");
	harness_reopen(h); /* nothing is in memory */
	harness_run_for(h, 1000);
	fault_vfs.reads_fail = true;
	harness_run_for(h, 150000); /* its time comes, and it cannot be read */
	assert_null(h->fatal);
	fault_vfs.reads_fail = false;
	harness_run_for(h, 60000);
	ended_well(h, waits->arn);
}

/* Of the number of open executions, of those that were at work, of the wake times, of the messages: whichever fails first. */
static void reads_that_fail_while_it_recovers_are_made_again(void **state)
{
	struct harness *h = *state;
	struct answer *waits = harness_start(h, "wait", "before", "1");
	struct answer *works = harness_start(h, "work", "working", "2");
	for (unsigned failing = 1; failing <= 8; failing++) {
		h->reads_fail = failing;
		harness_reopen(h);
		struct answer *asked = harness_begin(h, "pass", "", "3"); /* decided as soon as it may */
		harness_run_for(h, 5000);
		assert_null(h->fatal);
		assert_int_equal(faulty_reads_left(h->store), 0);
		assert_true(asked->done);
		assert_int_equal(h->scripted->running_now, 1); /* the task was started again */
	}
	h->reads_fail = 0;
	harness_run_for(h, 150000);
	ended_well(h, waits->arn);
	assert_int_equal(harness_stop(h, works->arn, NULL, NULL)->error, ENGINE_OK);
}

/* Its end is decided and on its way to the disk. */
static void a_redrive_between_an_end_and_its_commit_is_granted(void **state)
{
	(void)state;
	struct harness *h = harness_new("memory");
	h->limits.batches_outstanding = 1;
	harness_restart(h);
	assert_int_equal(harness_create(h, "fail", "{\"StartAt\":\"F\",\"States\":{\"F\":{\"Type\":\"Fail\",\"Error\":\"E\"}}}")->error, ENGINE_OK);
	harness_fault(h, FAULT_DELAY, 0, 1);
	struct answer *start = harness_begin(h, "fail", "x", "{}");
	while (!h->batches_seen)
		harness_iterate(h, false);
	struct answer *redrive = harness_begin_redrive(h, "arn:aws:states:us-east-1:000000000000:execution:fail:x");
	harness_await(h, start);
	harness_await(h, redrive);
	assert_int_equal(redrive->error, ENGINE_OK);
	assert_int_equal(harness_wait_end(h, start->arn)->status, EXECUTION_FAILED_);
	harness_free(h);
}

/* It ends, is redriven, and has ended again before the batch of its first end is committed; then it is redriven once more. What is under way needs the execution
 * in memory, so it must not be read anew meanwhile: a read that fails and is made again later would leave it without. */
static void one_that_has_ended_again_before_its_first_end_is_committed_stays_in_memory(void **state)
{
	static const char arn[] = "arn:aws:states:us-east-1:000000000000:execution:fail:x";
	(void)state;
	for (unsigned passing = 0; passing <= 3; passing++) { /* whichever read it is */
		struct harness *h = harness_new("memory");
		assert_int_equal(harness_create(h, "fail", "{\"StartAt\":\"F\",\"States\":{\"F\":{\"Type\":\"Fail\",\"Error\":\"E\"}}}")->error, ENGINE_OK);
		harness_fault(h, FAULT_DELAY, 0, 2);
		struct answer *start = harness_begin(h, "fail", "x", "{}");
		while (h->batches_seen < 1)
			harness_iterate(h, false);
		struct answer *first = harness_begin_redrive(h, arn);
		while (h->batches_seen < 2)
			harness_iterate(h, false);
		harness_await(h, start);
		assert_false(first->done); /* its batch, with the second end, is still under way */
		faulty_pass_reads(h->store, passing);
		faulty_fail_reads(h->store, 1);
		struct answer *second = harness_begin_redrive(h, arn);
		harness_await(h, first);
		harness_await(h, second);
		assert_int_equal(first->error, ENGINE_OK);
		harness_run_for(h, 10000);
		assert_null(h->fatal);
		faulty_fail_reads(h->store, 0);
		assert_int_equal(harness_describe(h, arn)->status, EXECUTION_FAILED_);
		harness_free(h);
	}
}

static void on_plain(void *data, const struct engine_error *error)
{
	*(enum engine_error_code *)data = error->code;
}

/* While the batch of its end is under way, an answer comes late, and then a redrive. */
static void a_redrive_behind_an_answer_that_comes_late_is_granted(void **state)
{
	(void)state;
	struct harness *h = harness_new("memory");
	h->limits.batches_outstanding = 1;
	harness_restart(h);
	assert_int_equal(harness_create(h, "ask", "{\"StartAt\":\"T\",\"States\":{\"T\":{\"Type\":\"Task\",\"Resource\":\"arn:ratchet:test:::echo.waitForTaskToken\","
					       "\"Parameters\":{\"token.$\":\"$$.Task.Token\"},\"End\":true}}}")->error, ENGINE_OK);
	struct answer *start = harness_start(h, "ask", "x", "{}");
	harness_run_for(h, 1000);
	enum engine_error_code failed = ENGINE_INTERNAL, late = ENGINE_INTERNAL;
	struct str token = str_of(harness_last_token), error = STR("E");
	harness_fault(h, FAULT_DELAY, 0, 1);
	uint32_t before = h->batches_seen;
	engine_task_failure(h->engine, token, error, error, on_plain, &failed);
	while (h->batches_seen == before)
		harness_iterate(h, false);
	engine_task_success(h->engine, token, STR("1"), on_plain, &late);
	struct answer *redrive = harness_begin_redrive(h, start->arn);
	harness_await(h, redrive);
	assert_int_equal(redrive->error, ENGINE_OK);
	assert_int_equal(failed, ENGINE_OK);
	assert_int_equal(late, ENGINE_TASK_TIMED_OUT);
	assert_int_equal(harness_describe(h, start->arn)->status, EXECUTION_RUNNING);
	harness_free(h);
}

/* The open rows cannot be read yet, so recovery goes on meanwhile: one that had ended is redriven, its task is run, and the batch with the answer fails. What is
 * loaded again then has a task that this process began, and not the last one. */
static void a_redriven_task_is_run_once_while_recovery_goes_on(void **state)
{
	struct harness *h = *state;
	assert_int_equal(harness_create(h, "bad", BAD)->error, ENGINE_OK);
	struct answer *start = harness_start(h, "bad", "x", "1");
	assert_int_equal(harness_wait_end(h, start->arn)->status, EXECUTION_FAILED_);
	for (unsigned passing = 0; passing <= 3; passing++) {
		h->reads_pass = passing;
		h->reads_fail = 1;
		harness_reopen(h);
		struct answer *redrive = harness_begin_redrive(h, start->arn);
		if (passing)
			while (!redrive->done && harness_iterate(h, false))
				;
		harness_await(h, redrive);
		assert_int_equal(redrive->error, ENGINE_OK);
		fault_vfs.writes_left = 0;
		while (harness_iterate(h, false))
			;
		fault_vfs.writes_left = -1;
		harness_run_for(h, 60000);
		assert_int_equal(h->scripted->starts, 1);
		assert_int_equal(harness_wait_end(h, start->arn)->status, EXECUTION_FAILED_);
	}
}

/* ---- the clock -------------------------------------------------------------------------------------- */

static void a_clock_that_goes_back_makes_nothing_early_and_loses_no_timer(void **state)
{
	struct harness *h = *state;
	struct answer *waits = harness_start(h, "wait", "w", "1");
	h->loop.wall_jump_ms -= HOUR_MS;
	harness_run_for(h, 1000000);
	assert_int_equal(harness_describe(h, waits->arn)->status, EXECUTION_RUNNING); /* due by the wall clock in 3,700 s */
	assert_int_equal(harness_start(h, "pass", "p", "1")->error, ENGINE_OK);
	harness_run_for(h, HOUR_MS);
	ended_well(h, waits->arn);
	struct answer *after = harness_start(h, "wait", "w2", "1");
	harness_run_for(h, 120000);
	ended_well(h, after->arn);
}

static void a_clock_that_jumps_ahead_fires_what_is_due(void **state)
{
	struct harness *h = *state;
	struct answer *waits = harness_start(h, "wait", "w", "1");
	harness_run_for(h, 1000);
	h->loop.wall_jump_ms += HOUR_MS;
	harness_run_for(h, 45000); /* it looks at the clock every ten seconds, and at the store every thirty */
	ended_well(h, waits->arn);
}

static void a_clock_that_goes_back_does_not_prolong_the_wait_after_a_failed_commit(void **state)
{
	struct harness *h = *state;
	fault_vfs.writes_left = 0;
	struct answer *kept = harness_begin(h, "pass", "kept", "2");
	run_into_it(h, 1500);
	h->loop.wall_jump_ms -= HOUR_MS;
	fault_vfs.writes_left = -1;
	harness_run_for(h, 5000);
	assert_true(kept->done);
	assert_int_equal(kept->error, ENGINE_OK);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	log_setup(LOG_LEVEL_ERROR + 1, false);
	const struct CMUnitTest tests[] = {
		TEST(a_full_disk_keeps_what_is_under_way_and_refuses_the_rest),
		TEST(a_disk_that_fails_to_write_for_a_while_is_tried_again),
		TEST(a_disk_that_fails_to_write_for_good_ends_the_process_and_nothing_is_lost),
		TEST(after_a_failed_sync_the_process_ends_and_nothing_is_lost),
		TEST(a_disk_that_fails_to_read_for_a_while_is_asked_again),
		TEST(reads_that_fail_while_it_recovers_are_made_again),
		TEST(a_redrive_between_an_end_and_its_commit_is_granted),
		TEST(one_that_has_ended_again_before_its_first_end_is_committed_stays_in_memory),
		TEST(a_redrive_behind_an_answer_that_comes_late_is_granted),
		TEST(a_redriven_task_is_run_once_while_recovery_goes_on),
		TEST(a_clock_that_goes_back_makes_nothing_early_and_loses_no_timer),
		TEST(a_clock_that_jumps_ahead_fires_what_is_due),
		TEST(a_clock_that_goes_back_does_not_prolong_the_wait_after_a_failed_commit),
	};
	return cmocka_run_group_tests_name("trouble", tests, NULL, NULL);
}
