/* The search room's own parts: globs, words, histograms, the fold of events. */
#include "search/figures.h"
#include "search/file.h"
#include "search/fold.h"
#include "search/query.h"
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
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

/* ---- parts of the words ---------------------------------------------------------------------------- */

static void sql(struct file *file, const char *text)
{
	if (sqlite3_exec(file->db, text, NULL, NULL, NULL) != SQLITE_OK)
		fail_msg("%s: %s", text, sqlite3_errmsg(file->db));
}

static void put(struct file *file, uint64_t id)
{
	char text[200];
	snprintf(text, sizeof text, "INSERT INTO execution(id, machine, status, start) VALUES(%llu, 1, 1, 5)", (unsigned long long)id);
	sql(file, text);
	assert_int_equal(file_put_words(file, id, STR("nword")), 0);
}

/* "1:0 2:11 ", the newest first, with how many rows have the word. */
static void parts_are(struct file *file, const char *expected)
{
	char found[400] = "", text[200];
	struct file_part part = { .first = INT64_MAX };
	int code;
	while ((code = file_part_below(file, part.first, &part)) == 0) {
		sqlite3_stmt *s;
		snprintf(text, sizeof text, "SELECT count(*) FROM words_%lld WHERE words_%lld MATCH 'nword'", (long long)part.number,
			 (long long)part.number);
		assert_int_equal(sqlite3_prepare_v2(file->db, text, -1, &s, NULL), SQLITE_OK);
		assert_int_equal(sqlite3_step(s), SQLITE_ROW);
		snprintf(found + strlen(found), sizeof found - strlen(found), "%lld:%llu(%lld) ", (long long)part.number,
			 (unsigned long long)part.first, (long long)sqlite3_column_int64(s, 0));
		sqlite3_finalize(s);
	}
	assert_int_equal(code, ERR(NOT_FOUND));
	assert_string_equal(found, expected);
}

static void open_file(struct file *file, char path[100])
{
	struct wf_error err = { 0 };
	char folder[] = "/tmp/ratchet-search-XXXXXX";
	assert_non_null(mkdtemp(folder));
	snprintf(path, 100, "%s/file", folder);
	if (file_open(file, path, true, &err) != 0)
		fail_msg("%s", err.message);
}

static void remove_file(struct file *file, char path[100])
{
	file_close(file);
	file_remove(path);
	*strrchr(path, '/') = 0;
	rmdir(path);
}

static void words_go_with_the_executions_of_their_part(void **state)
{
	struct file file;
	char path[100];
	open_file(&file, path);
	assert_int_equal(file_begin_part(&file, 1000, 100), 0);
	assert_int_equal(file_begin_part(&file, 2000, 100), 0); /* the first is old, but has no rows */
	parts_are(&file, "1:0(0) ");
	put(&file, 10);
	put(&file, 20);
	assert_int_equal(file_begin_part(&file, 1050, 100), 0); /* not old enough */
	assert_int_equal(file_begin_part(&file, 1100, 100), 0);
	put(&file, 21);
	put(&file, 15); /* a late one of the part before */
	assert_int_equal(file_begin_part(&file, 1200, 100), 0);
	put(&file, 30);
	parts_are(&file, "3:22(1) 2:21(1) 1:0(3) ");
	assert_int_equal(file_drop_part(&file), 0); /* all have rows */
	parts_are(&file, "3:22(1) 2:21(1) 1:0(3) ");
	sql(&file, "DELETE FROM execution WHERE id = 21");
	assert_int_equal(file_drop_part(&file), 0); /* from between */
	parts_are(&file, "3:22(1) 1:0(3) ");
	sql(&file, "DELETE FROM execution WHERE id < 30");
	assert_int_equal(file_drop_part(&file), 0);
	parts_are(&file, "3:0(1) ");
	put(&file, 12); /* an old one comes again */
	sql(&file, "DELETE FROM execution");
	assert_int_equal(file_drop_part(&file), 0); /* the newest stays */
	parts_are(&file, "3:0(2) ");
	remove_file(&file, path);
}

static void parts_that_cannot_be_read_are_not_taken_for_none(void **state)
{
	struct file file, other;
	struct file_part part;
	struct wf_error err = { 0 };
	char path[100];
	open_file(&file, path);
	assert_int_equal(file_begin_part(&file, 1000, 100), 0);
	assert_int_equal(file_open(&other, path, false, &err), 0);
	assert_int_equal(file_part_below(&other, INT64_MAX, &part), 0);
	assert_int_equal(file_part_below(&other, 0, &part), ERR(NOT_FOUND));
	sql(&file, "DROP TABLE part");
	assert_int_equal(file_part_below(&other, INT64_MAX, &part), ERR(IO));
	assert_int_equal(file_begin_part(&file, 2000, 100), ERR(IO));
	assert_int_equal(file_put_words(&file, 5, STR("nword")), ERR(IO));
	assert_int_equal(file_drop_part(&file), ERR(IO));
	file_close(&other);
	remove_file(&file, path);
}

static void a_part_that_cannot_be_forgotten_keeps_its_words(void **state)
{
	struct file file;
	char path[100];
	open_file(&file, path);
	assert_int_equal(file_begin_part(&file, 1000, 100), 0);
	put(&file, 10);
	assert_int_equal(file_begin_part(&file, 2000, 100), 0);
	put(&file, 20);
	sql(&file, "DELETE FROM execution WHERE id = 10");
	sql(&file, "CREATE TRIGGER kept BEFORE DELETE ON part BEGIN SELECT RAISE(ABORT, 'it stays'); END");
	sql(&file, "BEGIN");
	assert_true(file_drop_part(&file) < 0);
	sql(&file, "ROLLBACK");
	parts_are(&file, "2:11(1) 1:0(1) ");
	remove_file(&file, path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_go_with_the_executions_of_their_part),
		cmocka_unit_test(parts_that_cannot_be_read_are_not_taken_for_none),
		cmocka_unit_test(a_part_that_cannot_be_forgotten_keeps_its_words),
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
