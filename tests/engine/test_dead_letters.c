/* Dead letters and bulk redrive, under virtual time and on a store that fails: each is redriven once for a job, and the
 * outcome list is exact. */
#include "base/log.h"
#include "base/mem.h"
#include "engine/check.h"
#include "engine/dead.h"
#include "tests/engine/harness.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define BAD                                                                                                            \
	"{\"StartAt\":\"A\",\"States\":{\"A\":{\"Type\":\"Pass\",\"Parameters\":{\"x.$\":\"$.missing\"},\"Next\":"     \
	"\"W\"},"                                                                                                      \
	"\"W\":{\"Type\":\"Wait\",\"Seconds\":5,\"End\":true}}}"
#define COUNT 40
#define DAY_MS 86400000LL

static int set_up(void **state)
{
	struct harness *h = harness_new("sqlite");
	assert_int_equal(harness_create(h, "bad", BAD)->error, ENGINE_OK);
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
	struct check_options options = { .problem = tell };
	struct check_result result;
	assert_int_equal(engine_check(h->inner, &options, &result, NULL), 0);
	assert_int_equal(result.problems, 0);
	harness_free(h);
	return 0;
}

/* ---- asking ------------------------------------------------------------------------------------------ */

struct asked {
	bool done;
	enum engine_error_code error;
	uint64_t count, number;
	char preview[32];
	unsigned outcomes[OUTCOMES];
};

static void on_list(void *data, const struct engine_error *error, const struct dead_info *infos, uint32_t count,
		    struct str next)
{
	*(struct asked *)data = (struct asked){ .done = true, .error = error->code, .count = count };
}

static uint64_t letters(struct harness *h)
{
	struct asked asked = { 0 };
	struct dead_filter filter = DEAD_FILTER_ALL;
	engine_list_dead_letters(h->engine, &filter, STR_EMPTY, 1000, on_list, &asked);
	harness_until(h, &asked.done);
	assert_int_equal(asked.error, ENGINE_OK);
	return asked.count;
}

static void on_preview(void *data, const struct engine_error *error, const struct dead_preview *preview)
{
	struct asked *asked = data;
	*asked = (struct asked){ .done = true, .error = error->code };
	if (!error->code) {
		asked->count = preview->count;
		snprintf(asked->preview, sizeof asked->preview, "%.*s", STR_FMT(preview->id));
	}
}

static struct asked preview(struct harness *h)
{
	struct asked asked = { 0 };
	struct dead_filter filter = DEAD_FILTER_ALL;
	engine_preview_dead_letters(h->engine, &filter, NULL, 0, false, on_preview, &asked);
	harness_until(h, &asked.done);
	assert_int_equal(asked.error, ENGINE_OK);
	return asked;
}

static void on_job(void *data, const struct engine_error *error, const struct redrive_info *job)
{
	*(struct asked *)data = (struct asked){ .done = true, .error = error->code, .number = job ? job->number : 0 };
}

static uint64_t begin_job(struct harness *h, bool canary, const char *input)
{
	struct asked chosen = preview(h), asked = { 0 };
	_cleanup_(value_unrefp) struct value *value = NULL;
	if (input)
		assert_int_equal(value_parse(str_of(input), NULL, &value, NULL), 0);
	engine_begin_redrive(h->engine,
			     &(struct redrive_request){ .preview = str_of(chosen.preview),
							.input = value,
							.rate = 20,
							.canary = canary,
							.stop_error_rate = 0.5 },
			     on_job, &asked);
	harness_until(h, &asked.done);
	assert_int_equal(asked.error, ENGINE_OK);
	return asked.number;
}

static void on_outcomes(void *data, const struct engine_error *error, const struct redrive_outcome_info *outcomes,
			uint32_t count, struct str next)
{
	struct asked *asked = data;
	*asked = (struct asked){ .done = true, .error = error->code, .count = count };
	for (uint32_t i = 0; i < count; i++)
		asked->outcomes[outcomes[i].outcome]++;
}

static struct asked outcomes_of(struct harness *h, uint64_t job)
{
	struct asked asked = { 0 };
	engine_list_redrive_outcomes(h->engine, job, -1, STR_EMPTY, 1000, on_outcomes, &asked);
	harness_until(h, &asked.done);
	assert_int_equal(asked.error, ENGINE_OK);
	return asked;
}

static void fail_some(struct harness *h, int count)
{
	char name[16];
	for (int i = 0; i < count; i++) {
		snprintf(name, sizeof name, "e%d", i);
		assert_int_equal(harness_start(h, "bad", name, "{}")->error, ENGINE_OK);
	}
	assert_int_equal(letters(h), count);
}

/* How often each of them was redriven. */
static void redriven_once(struct harness *h, int count)
{
	char arn[256];
	for (int i = 0; i < count; i++) {
		snprintf(arn, sizeof arn, "arn:aws:states:us-east-1:000000000000:execution:bad:e%d", i);
		const char *at = harness_history(h, arn, false, 1000, "")->text;
		unsigned found = 0;
		while ((at = strstr(at, "ExecutionRedriven"))) {
			found++;
			at++;
		}
		assert_int_equal(found, 1);
	}
}

/* ---- the tests --------------------------------------------------------------------------------------- */

static void a_job_redrives_each_once_whatever_batches_fail(void **state)
{
	struct harness *h = *state;
	fail_some(h, COUNT);
	uint64_t job = begin_job(h, false, "{\"missing\":1}");
	for (int round = 0; round < 6; round++) {
		harness_fault(h, round % 2 ? FAULT_LOSE_STORED : FAULT_FAIL, (uint32_t)round, 2);
		harness_run_for(h, 400);
	}
	harness_fault(h, FAULT_NONE, 0, 0);
	harness_run_for(h, 20000);
	struct redrive_info info;
	assert_true(engine_find_redrive(h->engine, job, &info));
	assert_int_equal(info.state, JOB_COMPLETED);
	assert_int_equal(info.counts[OUTCOME_SUCCEEDED], COUNT);
	struct asked asked = outcomes_of(h, job);
	assert_true(asked.count == COUNT && asked.outcomes[OUTCOME_SUCCEEDED] == COUNT);
	assert_int_equal(letters(h), 0);
	redriven_once(h, COUNT);
}

static void a_job_goes_on_in_the_next_process(void **state)
{
	struct harness *h = *state;
	fail_some(h, COUNT);
	uint64_t job = begin_job(h, false, "{\"missing\":1}");
	for (int round = 0; round < 5; round++) {
		harness_run_for(h, 350);
		round % 2 ? harness_restart(h) : harness_reopen(h);
	}
	harness_run_for(h, 20000);
	struct redrive_info info;
	assert_true(engine_find_redrive(h->engine, job, &info));
	assert_int_equal(info.state, JOB_COMPLETED);
	assert_int_equal(info.total, COUNT);
	struct asked asked = outcomes_of(h, job);
	assert_true(asked.count == COUNT && asked.outcomes[OUTCOME_SUCCEEDED] == COUNT);
	redriven_once(h, COUNT);
}

static void a_canary_that_fails_again_stops_the_job(void **state)
{
	struct harness *h = *state;
	fail_some(h, 20);
	uint64_t job = begin_job(h, true, NULL);
	harness_run_for(h, 5000);
	struct redrive_info info;
	assert_true(engine_find_redrive(h->engine, job, &info));
	assert_int_equal(info.state, JOB_STOPPED);
	assert_int_equal(info.counts[OUTCOME_FAILED_AGAIN], 1);
	assert_int_equal(info.counts[OUTCOME_PENDING], 19);
	assert_int_equal(letters(h), 20);
	/* Resumed, it tries one more. */
	struct asked asked = { 0 };
	engine_change_redrive(h->engine, job, REDRIVE_RESUME, on_job, &asked);
	harness_until(h, &asked.done);
	harness_run_for(h, 5000);
	assert_true(engine_find_redrive(h->engine, job, &info));
	assert_int_equal(info.state, JOB_STOPPED);
	assert_int_equal(info.counts[OUTCOME_FAILED_AGAIN], 2);
}

static void a_canary_that_ends_well_lets_the_others_follow(void **state)
{
	struct harness *h = *state;
	fail_some(h, 20);
	uint64_t job = begin_job(h, true, "{\"missing\":1}");
	struct redrive_info info;
	harness_run_for(h, 2000);
	assert_true(engine_find_redrive(h->engine, job, &info));
	assert_int_equal(info.counts[OUTCOME_RUNNING], 1);
	assert_string_equal(info.stage, "canary 1");
	harness_run_for(h, 5000);
	assert_true(engine_find_redrive(h->engine, job, &info));
	assert_int_equal(info.counts[OUTCOME_RUNNING], 10);
	assert_string_equal(info.stage, "canary 10");
	harness_run_for(h, 20000);
	assert_true(engine_find_redrive(h->engine, job, &info));
	assert_int_equal(info.state, JOB_COMPLETED);
	assert_int_equal(info.counts[OUTCOME_SUCCEEDED], 20);
}

static void on_put(void *data, const struct engine_error *error)
{
	*(struct asked *)data = (struct asked){ .done = true, .error = error->code };
}

static void a_letter_goes_when_its_policy_keeps_it_no_longer(void **state)
{
	struct harness *h = *state;
	struct asked asked = { 0 };
	_cleanup_(value_unrefp) struct value *policy = NULL;
	assert_int_equal(value_parse(STR("{\"retentionDays\":2}"), NULL, &policy, NULL), 0);
	engine_put_dead_policy(h->engine, STR("bad"), policy, on_put, &asked);
	harness_until(h, &asked.done);
	fail_some(h, 5);
	harness_run_for(h, DAY_MS);
	assert_int_equal(letters(h), 5);
	harness_run_for(h, DAY_MS + 300000);
	assert_int_equal(letters(h), 0);
	struct dead_stats stats;
	engine_dead_stats(h->engine, &stats);
	assert_true(stats.in == 5 && stats.expired == 5);
	assert_int_equal(harness_describe(h, "arn:aws:states:us-east-1:000000000000:execution:bad:e0")->status,
			 EXECUTION_FAILED_);
}

static void on_discarded(void *data, const struct engine_error *error, uint64_t count)
{
	*(struct asked *)data = (struct asked){ .done = true, .error = error->code, .count = count };
}

static void what_is_discarded_is_no_letter_and_stays_an_execution(void **state)
{
	struct harness *h = *state;
	fail_some(h, 3);
	for (int round = 0; round < 2; round++) { /* the second time there are none */
		struct asked chosen = preview(h), asked = { 0 };
		engine_discard_dead_letters(h->engine, str_of(chosen.preview), on_discarded, &asked);
		harness_until(h, &asked.done);
		assert_int_equal(asked.error, ENGINE_OK);
		assert_int_equal(asked.count, round ? 0 : 3);
		assert_int_equal(letters(h), 0);
	}
	struct asked asked = { 0 };
	engine_discard_dead_letters(h->engine, STR("nothing"), on_discarded, &asked);
	assert_false(asked.done);
	harness_until(h, &asked.done);
	assert_int_equal(asked.error, ENGINE_RESOURCE_NOT_FOUND);
	assert_int_equal(harness_describe(h, "arn:aws:states:us-east-1:000000000000:execution:bad:e0")->status,
			 EXECUTION_FAILED_);
}

static void an_execution_that_is_named_twice_is_chosen_once(void **state)
{
	struct harness *h = *state;
	fail_some(h, 2);
	static const char first[] = "arn:aws:states:us-east-1:000000000000:execution:bad:e0";
	static const char second[] = "arn:aws:states:us-east-1:000000000000:execution:bad:e1";
	struct str arns[] = { STR(first), STR(second), STR(first), STR(first), STR(second) };
	struct asked asked = { 0 };
	engine_preview_dead_letters(h->engine, NULL, arns, sizeof arns / sizeof arns[0], false, on_preview, &asked);
	harness_until(h, &asked.done);
	assert_int_equal(asked.error, ENGINE_OK);
	assert_int_equal(asked.count, 2);
}

/* What somebody looked at is the failure before: the letter of the newer one stays. */
static void a_discard_leaves_a_failure_that_came_since(void **state)
{
	static const char arn[] = "arn:aws:states:us-east-1:000000000000:execution:bad:e0";
	struct harness *h = *state;
	fail_some(h, 2);
	struct asked chosen = preview(h), asked = { 0 };
	harness_run_for(h, 1000);
	struct answer *redrive = harness_begin_redrive(h, arn);
	assert_int_equal(harness_await(h, redrive)->error, ENGINE_OK);
	assert_int_equal(harness_wait_end(h, arn)->status, EXECUTION_FAILED_);
	engine_discard_dead_letters(h->engine, str_of(chosen.preview), on_discarded, &asked);
	harness_until(h, &asked.done);
	assert_int_equal(asked.error, ENGINE_OK);
	assert_int_equal(letters(h), 1);
	/* What is told and counted is what went. */
	struct dead_stats stats;
	engine_dead_stats(h->engine, &stats);
	assert_int_equal(asked.count, 1);
	assert_int_equal(stats.discarded, 1);
	harness_run_for(h, 10000);
	assert_int_equal(engine_dead_count(h->engine), 1);
}

/* More PENDING ones in memory than in the store, as after another process's work: it must not look for them again and again. */
static void a_job_whose_counts_are_wrong_counts_anew(void **state)
{
	struct harness *h = *state;
	fail_some(h, 1);
	uint64_t number = begin_job(h, false, "{\"missing\":1}");
	harness_run_for(h, 1000);
	struct redrive_job *job = redrive_find(h->engine, number);
	assert_int_equal(job->counts[OUTCOME_RUNNING], 1);
	job->counts[OUTCOME_PENDING]++;
	job->after = 0;
	harness_run_for(h, 60000);
	assert_int_equal(job->state, JOB_COMPLETED);
	assert_int_equal(job->counts[OUTCOME_SUCCEEDED], 1);
	assert_int_equal(job->counts[OUTCOME_PENDING], 0);
}

static int no_secret(struct connector_host *host, const struct value *setting, struct buffer *out, struct wf_error *err)
{
	return error_set(err, ERR(NOT_FOUND), "there is no secret");
}

/* What is to be told is read from the store; no later change need come for it to be read again. */
static void a_target_is_told_though_the_store_could_not_be_read(void **state)
{
	struct harness *h = *state;
	struct dead_stats stats;
	_cleanup_(value_unrefp) struct value *targets = NULL;
	assert_int_equal(value_parse(STR("{\"team\":{\"exec\":\"page\",\"events\":[\"FAILED\"]}}"), NULL, &targets, NULL), 0);
	assert_int_equal(engine_configure_targets(h->engine, targets, no_secret, NULL), 0);
	harness_run_for(h, 1000);
	struct answer *begun = harness_begin(h, "bad", NULL, "{}");
	faulty_fail_reads(h->store, 3);
	harness_await(h, begun);
	assert_int_equal(begun->error, ENGINE_OK);
	harness_run_for(h, 30000);
	assert_int_equal(faulty_reads_left(h->store), 0);
	engine_dead_stats(h->engine, &stats);
	assert_int_equal(stats.notify_waiting, 1); /* there is no connector exec here: it is tried again and again */
	assert_true(stats.notify_failures > 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	log_setup(LOG_LEVEL_ERROR + 1, false);
	const struct CMUnitTest tests[] = {
		TEST(a_job_redrives_each_once_whatever_batches_fail),
		TEST(a_job_goes_on_in_the_next_process),
		TEST(a_canary_that_fails_again_stops_the_job),
		TEST(a_canary_that_ends_well_lets_the_others_follow),
		TEST(a_letter_goes_when_its_policy_keeps_it_no_longer),
		TEST(what_is_discarded_is_no_letter_and_stays_an_execution),
		TEST(an_execution_that_is_named_twice_is_chosen_once),
		TEST(a_discard_leaves_a_failure_that_came_since),
		TEST(a_job_whose_counts_are_wrong_counts_anew),
		TEST(a_target_is_told_though_the_store_could_not_be_read),
	};
	return cmocka_run_group_tests_name("dead letters", tests, NULL, NULL);
}
