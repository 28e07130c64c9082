/* The search room's own parts: globs, words, histograms, the fold of events. */
#include "search/figures.h"
#include "search/fold.h"
#include "search/query.h"
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

static void a_star_stands_for_any_characters(void **state)
{
	static const struct {
		const char *pattern, *text;
		bool fits;
	} cases[] = { { "a*c", "abc", true },    { "a*c", "ac", true },  { "a*c", "abd", false },     { "*", "", true },
		      { "", "", true },          { "", "a", false },     { "*a*b*", "xxaxxbxx", true }, { "*a*b*", "xxbxxaxx", false },
		      { "Carrier.*", "Carrier.", true }, { "a**b", "ab", true }, { "abc", "abcd", false } };
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		assert_int_equal(search_glob(str_of(cases[i].pattern), str_of(cases[i].text)), cases[i].fits);
}

static void a_glob_of_many_stars_takes_no_exponential_time(void **state)
{
	char text[4000];
	memset(text, 'a', sizeof text);
	assert_false(search_glob(STR("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b"), (struct str){ text, sizeof text }));
}

static void percentiles_are_within_an_eighth_of_the_truth(void **state)
{
	struct figure figure = { 0 };
	for (int64_t ms = 1; ms <= 100000; ms++)
		figure_add_duration(&figure, ms);
	static const double shares[] = { 0.01, 0.5, 0.95, 0.99 };
	for (unsigned i = 0; i < 4; i++) {
		double truth = shares[i] * 100000, found = (double)figure_percentile(&figure, shares[i]);
		assert_true(found > truth * 0.875 && found < truth * 1.125);
	}
}

static void a_histogram_survives_its_encoding(void **state)
{
	struct figure figure = { 0 }, back = { 0 };
	struct buffer bytes = { 0 };
	for (int64_t ms = 0; ms < 1000000000000; ms = ms * 3 + 1)
		figure_add_duration(&figure, ms);
	figure_encode(&figure, &bytes);
	assert_true(figure_decode(buffer_str(&bytes), &back));
	assert_memory_equal(figure.buckets, back.buckets, sizeof figure.buckets);
	for (size_t length = 0; length < bytes.len; length++) /* cut short: no crash */
		figure_decode((struct str){ bytes.data, length }, &back);
	buffer_done(&bytes);
}

static void no_durations_have_no_percentile(void **state)
{
	struct figure figure = { 0 };
	assert_int_equal(figure_percentile(&figure, 0.5), -1);
}

static struct event event_of(enum event_type type, uint64_t id, uint32_t frame, const char *name)
{
	return (struct event){ .type = type,
			       .id = id,
			       .timestamp_ms = (int64_t)id * 10,
			       .frame = frame,
			       .name = str_of(name),
			       .fields = FIELD_NAME };
}

/* A task that fails, is retried, and is caught. */
static void a_visit_is_in_one_counter_at_any_time(void **state)
{
	const struct event events[] = {
		event_of(EVENT_EXECUTION_STARTED, 1, 0, ""),  event_of(EVENT_TASK_STATE_ENTERED, 2, 0, "T"),
		event_of(EVENT_TASK_SCHEDULED, 3, 0, ""),     event_of(EVENT_TASK_FAILED, 4, 0, ""),
		{ .type = EVENT_RETRY_SCHEDULED, .timestamp_ms = 40 }, event_of(EVENT_TASK_SCHEDULED, 5, 0, ""),
		event_of(EVENT_TASK_FAILED, 6, 0, ""),        event_of(EVENT_TASK_STATE_EXITED, 7, 0, "T"),
		event_of(EVENT_PASS_STATE_ENTERED, 8, 0, "P"), event_of(EVENT_EXECUTION_ABORTED, 9, 0, ""),
	};
	struct fold *fold = fold_new(STR_EMPTY);
	for (size_t i = 0; i < sizeof events / sizeof events[0]; i++) {
		assert_int_equal(fold_event(fold, &events[i]), 0);
		const struct fold_state *t = fold_find(fold, STR("T"));
		if (t)
			assert_int_equal(t->entered, t->running + t->succeeded + t->caught + t->failed + t->aborted);
	}
	assert_int_equal(fold_find(fold, STR("T"))->caught, 1);
	assert_int_equal(fold_find(fold, STR("T"))->retries, 1);
	assert_int_equal(fold_find(fold, STR("P"))->aborted, 1);
	assert_int_equal(fold_status(fold), EXECUTION_ABORTED_);
	fold_free(fold);
}

static void what_cannot_follow_is_refused(void **state)
{
	struct fold *fold = fold_new(STR_EMPTY);
	struct event event = event_of(EVENT_PASS_STATE_ENTERED, 1, 0, "P");
	assert_true(fold_event(fold, &event) < 0);
	event = event_of(EVENT_EXECUTION_STARTED, 1, 0, "");
	assert_int_equal(fold_event(fold, &event), 0);
	event = event_of(EVENT_PASS_STATE_ENTERED, 2, 7, "P");
	assert_true(fold_event(fold, &event) < 0);
	fold_free(fold);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_star_stands_for_any_characters),
		cmocka_unit_test(a_glob_of_many_stars_takes_no_exponential_time),
		cmocka_unit_test(percentiles_are_within_an_eighth_of_the_truth),
		cmocka_unit_test(a_histogram_survives_its_encoding),
		cmocka_unit_test(no_durations_have_no_percentile),
		cmocka_unit_test(a_visit_is_in_one_counter_at_any_time),
		cmocka_unit_test(what_cannot_follow_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
