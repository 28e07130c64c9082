/* test_cases.c: every case in cases/, and for each of them what must always hold:
 *
 *  - it ends as it says, with the events it lists;
 *  - an execution that is thrown away before each step and made again, from a snapshot or from its records, has the
 * same history;
 *  - folding its records from any record boundary, through a snapshot there, gives the same state as the live one had;
 *  - its records say the same when they are decoded and encoded again. */
#include "base/mem.h"
#include "tests/core/driver.h"
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* ---- reading the cases ---------------------------------------------------------------------- */

static struct value *read_cases(const char *path)
{
	FILE *file = fopen(path, "r");
	_cleanup_(buffer_done) struct buffer text = { 0 };
	struct value *cases = NULL;
	struct wf_error err;
	if (!file)
		fail_msg("%s cannot be read", path);
	for (size_t n; (n = fread(buffer_reserve(&text, 65536), 1, 65536, file)) > 0;)
		text.len += n;
	fclose(file);
	if (value_parse(buffer_str(&text), NULL, &cases, &err) < 0)
		fail_msg("%s: %s (%s)", path, err.message, err.where);
	return cases;
}

/* A Choice rule alone stands for a machine that answers whether it holds. */
static struct value *machine_of_rule(const struct value *scenario)
{
	_cleanup_(buffer_done) struct buffer text = { 0 };
	struct value *machine = NULL, *rule;
	struct value_step next = { .key = STR("Next"), .index = -1 };
	_cleanup_(value_unrefp) struct value *yes = value_from_string(STR("Yes"));
	rule = value_with(value_getz(scenario, "rule"), &next, 1, yes);
	buffer_addz(&text,
		    "{\"StartAt\":\"C\",\"States\":{\"C\":{\"Type\":\"Choice\",\"Default\":\"No\",\"Choices\":[");
	value_write(rule, &text);
	buffer_addz(&text, "]},\"Yes\":{\"Type\":\"Pass\",\"Result\":true,\"End\":true},\"No\":{\"Type\":\"Pass\","
			   "\"Result\":false,\"End\":true}}}");
	value_unref(rule);
	assert_int_equal(value_parse(buffer_str(&text), NULL, &machine, NULL), 0);
	return machine;
}

static struct value *scenario_of(const struct value *given)
{
	if (!value_getz(given, "rule"))
		return value_ref(given);
	_cleanup_(value_unrefp) struct value *machine = machine_of_rule(given);
	return value_with(given, &(struct value_step){ .key = STR("definition"), .index = -1 }, 1, machine);
}

/* ---- what is expected ----------------------------------------------------------------------- */

static void play(struct driver *driver, const struct value *scenario, struct driver_options options)
{
	if (!driver_play(driver, scenario, &options))
		fail_msg("%s", driver->problem);
}

static void check_text(const char *what, const struct value *expected, struct str found)
{
	if (!expected)
		return;
	struct str wanted = value_is(expected, VALUE_NULL) ? (struct str){ 0 } : value_string(expected);
	if (!str_eq(wanted, found) || !wanted.ptr != !found.ptr)
		fail_msg("%s is\n  %.*s\nexpected\n  %.*s", what, STR_FMT(found), STR_FMT(wanted));
}

static void check_output(const struct driver *driver, const struct value *scenario)
{
	const struct value *output = execution_output(driver->execution), *expected = value_getz(scenario, "output");
	const struct value *text = value_getz(scenario, "output_text"), *holds = value_getz(scenario, "holds");
	if (text) {
		assert_non_null(output);
		check_text("the output's text", text, value_text(output));
	}
	if (!expected)
		expected = holds;
	if (expected && (!output || !value_equal(output, expected)))
		fail_msg("the output is\n  %.*s\nexpected\n  %.*s",
			 STR_FMT(output ? value_text(output) : STR("absent")), STR_FMT(value_text(expected)));
}

static void check_end(const struct driver *driver, const struct value *scenario)
{
	struct str error, cause;
	const struct value *status = value_getz(scenario, "status"), *count = value_getz(scenario, "event_count");
	execution_error(driver->execution, &error, &cause);
	assert_false(driver->stuck);
	check_text("the status", status, str_of(execution_status_name(execution_status(driver->execution))));
	if (!status)
		assert_int_equal(execution_status(driver->execution), EXECUTION_SUCCEEDED_);
	check_output(driver, scenario);
	check_text("the error", value_getz(scenario, "error"), error);
	check_text("the cause", value_getz(scenario, "cause"), cause);
	if (count)
		assert_int_equal(driver->events_count, (int)value_number(count));
}

static void check_events(const struct driver *driver, const struct value *events)
{
	for (size_t i = 0; i < value_count(events) || i < driver->events_count; i++) {
		struct str wanted = i < value_count(events) ? value_string(value_at(events, i)) : STR("no more events");
		struct str found = i < driver->events_count ? driver->events[i] : STR("no more events");
		if (!str_eq(wanted, found))
			fail_msg("event %zu is\n  %.*s\nexpected\n  %.*s", i + 1, STR_FMT(found), STR_FMT(wanted));
	}
}

/* ---- what always holds ---------------------------------------------------------------------- */

static void check_same_history(const struct driver *live, const struct value *scenario, struct driver_options options)
{
	struct driver again = { 0 };
	play(&again, scenario, options);
	if (!str_eq(buffer_str(&live->history), buffer_str(&again.history)))
		fail_msg("rebuilt before each step (%s), the history is\n%s\ninstead of\n%s",
			 options.refold ? "from its records" : "from a snapshot", again.history.data,
			 live->history.data);
	driver_done(&again);
}

/* Whether the rest of the records, folded onto a snapshot taken after the first `from`, gives the live state. */
static void check_folding_from(struct driver *live, struct str boundary, size_t from, struct str end)
{
	struct execution *execution = NULL;
	struct wf_error err = { 0 };
	if (execution_from_snapshot(boundary, &execution, &err) < 0)
		fail_msg("the snapshot after record %zu: %s", from, err.message);
	struct str same = driver_snapshot(live, execution);
	assert_true(str_eq(boundary, same));
	for (size_t i = from; i < live->records_count; i++)
		if (execution_fold(execution, &live->records[i], &err) < 0)
			fail_msg("record %zu onto the snapshot after record %zu: %s", i, from, err.message);
	if (!str_eq(driver_snapshot(live, execution), end))
		fail_msg("folding from record %zu does not give the live state", from);
	execution_free(execution);
}

static void check_folding(struct driver *live)
{
	struct str end = driver_snapshot(live, live->execution);
	struct execution *execution = execution_new();
	struct wf_error err = { 0 };
	size_t stride = live->records_count / 50 + 1;
	for (size_t i = 0; i < live->records_count; i++) {
		struct str boundary = driver_snapshot(live, execution);
		if (i && live->snapshots[i - 1].len && !str_eq(boundary, live->snapshots[i - 1]))
			fail_msg("after record %zu the folded state is not the live one", i);
		if (i % stride == 0)
			check_folding_from(live, boundary, i, end);
		if (execution_fold(execution, &live->records[i], &err) < 0)
			fail_msg("record %zu: %s", i, err.message);
	}
	assert_true(str_eq(driver_snapshot(live, execution), end));
	execution_free(execution);
}

static void check_record_again(const struct record *record)
{
	_cleanup_(arena_done) struct arena arena = { 0 };
	struct record_reader reader;
	struct event event;
	struct record *again;
	uint32_t count;
	int r;
	assert_int_equal(record_open(record, &arena, &reader, NULL), 0);
	assert_int_equal(reader.next_id, record->first_event_id);
	struct record_writer *writer = record_writer_new(&arena, reader.next_id);
	while ((r = record_next(&reader, &event, NULL)) > 0)
		record_writer_add(writer, &event);
	assert_int_equal(r, 0);
	record_writer_finish(writer, &again, &count);
	assert_int_equal(count, 1);
	assert_true(str_eq(again->bytes, record->bytes));
	assert_int_equal(again->blobs_count, record->blobs_count);
	assert_int_equal(again->public_events, record->public_events);
	for (uint32_t i = 0; i < record->blobs_count; i++)
		assert_true(str_eq(again->blobs[i], record->blobs[i]));
}

/* The same case in steps of sixteen events. */
static struct value *in_small_steps(const struct value *scenario)
{
	_cleanup_(value_unrefp) struct value *sixteen = value_from_int(16);
	struct value_step steps[] = { { .key = STR("limits"), .index = -1 },
				      { .key = STR("step_events"), .index = -1 } };
	return value_with(scenario, steps, 2, sixteen);
}

static void run_case(void **state)
{
	_cleanup_(value_unrefp) struct value *scenario = scenario_of(*state);
	_cleanup_(value_unrefp) struct value *small = in_small_steps(scenario);
	struct driver live = { 0 }, stepwise = { 0 };
	play(&live, scenario, (struct driver_options){ 0 });
	check_end(&live, scenario);
	if (value_getz(scenario, "events"))
		check_events(&live, value_getz(scenario, "events"));
	check_same_history(&live, scenario, (struct driver_options){ .rebuild = true });
	check_same_history(&live, scenario, (struct driver_options){ .rebuild = true, .refold = true });
	check_folding(&live);
	for (size_t i = 0; i < live.records_count; i++)
		check_record_again(&live.records[i]);

	play(&stepwise, small, (struct driver_options){ .rebuild = true });
	check_end(&stepwise, scenario);
	check_folding(&stepwise);
	driver_done(&stepwise);
	driver_done(&live);
}

/* ---- all of them ---------------------------------------------------------------------------- */

struct suite {
	struct CMUnitTest *tests;
	size_t count, capacity;
	struct arena arena;
};

static void add_file(struct suite *suite, const char *folder, const char *file)
{
	struct value *cases = read_cases(arena_printf(&suite->arena, "%s/%s", folder, file));
	for (size_t i = 0; i < value_count(cases); i++) {
		const struct value *scenario = value_at(cases, i);
		char *name = arena_printf(&suite->arena, "%.*s: %.*s", (int)(strlen(file) - strlen(".json")), file,
					  STR_FMT(value_string(value_getz(scenario, "name"))));
		MEM_GROW(suite->tests, suite->capacity, suite->count + 1);
		suite->tests[suite->count++] = (struct CMUnitTest){ name, run_case, NULL, NULL, value_ref(scenario) };
	}
	value_unref(cases);
}

static int only_json(const struct dirent *entry)
{
	return str_ends(str_of(entry->d_name), STR(".json"));
}

int main(int argc, char **argv)
{
	const char *folder = argc > 1 ? argv[1] : "tests/core/cases";
	struct dirent **files;
	struct suite suite = { 0 };
	int count = scandir(folder, &files, only_json, alphasort);
	if (count <= 0) {
		fprintf(stderr, "%s has no cases\n", folder);
		return 1;
	}
	for (int i = 0; i < count; i++) {
		add_file(&suite, folder, files[i]->d_name);
		free(files[i]);
	}
	free(files);
	int failed = _cmocka_run_group_tests("core cases", suite.tests, suite.count, NULL, NULL);
	for (size_t i = 0; i < suite.count; i++)
		value_unref(suite.tests[i].initial_state);
	free(suite.tests);
	arena_done(&suite.arena);
	return failed;
}
