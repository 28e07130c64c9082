/* test_record.c: the bytes of a journal record (engine/core/record.h): what they save, and that damaged ones are refused. */
#include "base/mem.h"
#include "engine/core/record.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Writes one event for each text, with it as payload. */
static void write_payloads(struct arena *arena, char **texts, size_t count, struct record **ret_records, uint32_t *ret_count)
{
	struct record_writer *writer = record_writer_new(arena, 1);
	for (size_t i = 0; i < count; i++) {
		_cleanup_(value_unrefp) struct value *value = NULL;
		assert_int_equal(value_parse(str_of(texts[i]), NULL, &value, NULL), 0);
		struct event event = { .type = EVENT_PASS_STATE_ENTERED, .fields = FIELD_PAYLOAD, .id = i + 1, .previous_id = i,
				       .timestamp_ms = 1700000000000, .payload = value };
		record_writer_add(writer, &event);
	}
	record_writer_finish(writer, ret_records, ret_count);
}

/* They must come back as they were. */
static size_t write_and_read(char **texts, size_t count)
{
	_cleanup_(arena_done) struct arena arena = { 0 }, decoded = { 0 };
	struct record *records;
	uint32_t records_count;
	struct record_reader reader;
	struct event event;
	struct wf_error err = { 0 };
	size_t bytes = 0, at = 0;
	write_payloads(&arena, texts, count, &records, &records_count);
	for (uint32_t i = 0; i < records_count; i++) {
		bytes += records[i].bytes.len;
		assert_true(records[i].bytes.len <= RECORD_BYTES_MAX);
		assert_int_equal(record_open(&records[i], &decoded, &reader, &err), 0);
		while (record_next(&reader, &event, &err) == 1)
			assert_true(str_eqz(value_text(event.payload), texts[at++]));
		assert_int_equal(err.code, 0);
	}
	assert_int_equal(at, count);
	return bytes;
}

static void a_payload_that_differs_a_little_costs_little(void **state)
{
	enum { COUNT = 10 };
	char *texts[COUNT];
	size_t whole = 0;
	for (int i = 0; i < COUNT; i++) {
		texts[i] = mem_printf("{\"constant\":\"%0300d\",\"step\":%d,\"more\":\"%0300d\"}", 7, i, 8);
		whole += strlen(texts[i]);
	}
	size_t bytes = write_and_read(texts, COUNT);
	assert_true(bytes < whole / COUNT + COUNT * 24);
	for (int i = 0; i < COUNT; i++)
		free(texts[i]);
}

static void payloads_that_overlap_themselves_come_back(void **state)
{
	static const char *const texts[] = { "[1,1,1,1,1,1,1,1,1,1]", "[1,1,1,1,1,1,1,1]", "[1,1,1,1,1,1,1,1,1,1,1,1,1,1]", "\"\"", "\"\xc3\xa4\xc3\xb6\xc3\xa4\xc3\xb6\xc3\xa4\xc3\xb6\xc3\xa4\"",
					       "\"\xc3\xa4\xc3\xb6\xc3\xa4\xc3\xa6\xc3\xa4\xc3\xb6\xc3\xa4\"", "[1,1,1,1,1,1,1,1,1,1]", "0" };
	write_and_read((char **)texts, sizeof texts / sizeof *texts);
}

/* Large ones go out of line in between; the next inline one is like the last inline one. */
static void what_is_out_of_line_is_not_compared(void **state)
{
	_cleanup_free_ char *large = mem_printf("\"%020000d\"", 1), *small = mem_printf("\"%0100d\"", 1), *other = mem_printf("\"%0100d\"", 2);
	char *texts[] = { small, large, other, large, small };
	assert_true(write_and_read(texts, 5) < 250);
}

/* However alike they are, what a record comes to when it is read is bounded. */
static void a_record_is_closed_by_what_it_comes_to(void **state)
{
	enum { COUNT = 100 };
	char *texts[COUNT];
	for (int i = 0; i < COUNT; i++)
		texts[i] = mem_printf("\"%010000d\"", i);
	_cleanup_(arena_done) struct arena arena = { 0 };
	struct record *records;
	uint32_t count;
	write_payloads(&arena, texts, COUNT, &records, &count);
	assert_true(count >= COUNT * 10000 / RECORD_BYTES_MAX);
	write_and_read(texts, COUNT);
	for (int i = 0; i < COUNT; i++)
		free(texts[i]);
}

/* ---- other bytes */

static int open_bytes(const char *bytes, size_t len)
{
	_cleanup_(arena_done) struct arena arena = { 0 };
	struct record record = { .bytes = { bytes, len } };
	struct record_reader reader;
	return record_open(&record, &arena, &reader, NULL);
}

/* As version 1 wrote it: {"a":…}, a Pass state that adds "b". */
static void a_record_of_version_1_is_read(void **state)
{
	static const char bytes[] =
	    "\x01\x01\x04\x9c\xde\xc3\xb1\xbf\x68\x02\x00\x1b\x7b\x22\x61\x22\x3a\x22\x77\x68\x61\x74\x20\x73"
	    "\x74\x61\x79\x73\x20\x74\x68\x65\x20\x73\x61\x6d\x65\x22\x7d\x00\x2f\x7b\x22\x61\x22\x3a\x22\x77"
	    "\x68\x61\x74\x20\x73\x74\x61\x79\x73\x20\x74\x68\x65\x20\x73\x61\x6d\x65\x22\x2c\x22\x62\x22\x3a"
	    "\x7b\x22\x62\x22\x3a\x5b\x32\x2e\x30\x2c\x22\x78\x22\x5d\x7d\x7d\x00\x82\x80\x01\x00\x00\x02\x00"
	    "\x24\x61\x72\x6e\x3a\x61\x77\x73\x3a\x69\x61\x6d\x3a\x3a\x30\x30\x30\x30\x30\x30\x30\x30\x30\x30"
	    "\x30\x30\x3a\x72\x6f\x6c\x65\x2f\x62\x65\x6e\x63\x68\x09\x03\x00\x00\x04\x01\x50\x00\x0a\x03\x00"
	    "\x00\x02\x01\x50\x01\x01\x02\x00\x00\x02\x01";
	_cleanup_(arena_done) struct arena arena = { 0 };
	struct record record = { .bytes = { bytes, sizeof bytes - 1 } };
	struct record_reader reader;
	struct event event, last = { 0 };
	int events = 0;
	assert_int_equal(record_open(&record, &arena, &reader, NULL), 0);
	for (; record_next(&reader, &event, NULL) == 1; events++)
		last = event;
	assert_int_equal(reader.events_left, 0);
	assert_true(events >= 4);
	assert_int_equal(last.type, EVENT_EXECUTION_SUCCEEDED);
	assert_true(str_eqz(value_text(last.payload), "{\"a\":\"what stays the same\",\"b\":{\"b\":[2.0,\"x\"]}}"));
}

static void a_version_of_tomorrow_is_refused(void **state)
{
	assert_int_equal(open_bytes("\x04\x01\x00\x00\x00", 5), ERR(VERSION));
	assert_int_equal(open_bytes("\x00\x01\x00\x00\x00", 5), ERR(VERSION));
}

/* A binary that knows no such start would begin at StartAt. */
static void only_a_start_at_another_state_has_a_newer_version(void **state)
{
	static const struct {
		struct event event;
		char expected;
	} rows[] = {
		{ { .type = EVENT_EXECUTION_STARTED, .id = 1 }, RECORD_VERSION_PLAIN },
		{ { .type = EVENT_EXECUTION_STARTED, .fields = FIELD_NEXT, .id = 1, .next = { "Ship", 4 } }, RECORD_VERSION },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		_cleanup_(arena_done) struct arena arena = { 0 };
		struct record_writer *writer = record_writer_new(&arena, 1);
		struct record *records;
		uint32_t count;
		record_writer_add(writer, &rows[i].event);
		record_writer_finish(writer, &records, &count);
		assert_int_equal(count, 1);
		assert_int_equal(records[0].bytes.ptr[0], rows[i].expected);
		assert_int_equal(open_bytes(records[0].bytes.ptr, records[0].bytes.len), 0);
	}
}

/* version 2, first event 1, no events, base 0; payloads follow */
#define HEAD(payloads) "\x02\x01\x00\x00" payloads

static void a_likeness_beyond_the_text_before_it_is_refused(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		int expected;
	} rows[] = {
#define ROW(text, code) { text, sizeof text - 1, code }
		ROW(HEAD("\x02") "\x00\x03" "777" "\x02\x01\x02\x00", 0),
		ROW(HEAD("\x02") "\x00\x03" "777" "\x02\x03\x00\x01" "7", 0),
		ROW(HEAD("\x02") "\x00\x03" "777" "\x02\x02\x02\x00", ERR(CORRUPT)), /* the ends overlap */
		ROW(HEAD("\x02") "\x00\x03" "777" "\x02\x04\x00\x00", ERR(CORRUPT)),
		ROW(HEAD("\x02") "\x00\x03" "777" "\x02\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00", ERR(CORRUPT)),
		ROW(HEAD("\x02") "\x00\x03" "777" "\x02\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x01\x00", ERR(CORRUPT)),
		ROW(HEAD("\x01") "\x02\x01\x00\x00", ERR(CORRUPT)), /* nothing is before it */
		ROW(HEAD("\x02") "\x00\x03" "777" "\x02\x01\x01", ERR(CORRUPT)),
		ROW(HEAD("\x02") "\x00\x03" "777" "\x02\x01\x01\x05" "1", ERR(CORRUPT)),
#undef ROW
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (open_bytes(rows[i].bytes, rows[i].len) != rows[i].expected)
			fail_msg("row %zu", i);
}

/* A few kilobytes that would come to gigabytes. */
static void a_record_that_comes_to_more_than_one_holds_is_refused(void **state)
{
	_cleanup_(buffer_done) struct buffer bytes = { 0 };
	enum { LARGE = 60000, REPEATS = 1000 };
	buffer_append(&bytes, "\x02\x01\x00\x00", 4);
	buffer_varint(&bytes, REPEATS + 1);
	buffer_byte(&bytes, 0);
	buffer_varint(&bytes, LARGE);
	memset(buffer_reserve(&bytes, LARGE), '7', LARGE);
	bytes.len += LARGE;
	for (int i = 0; i < REPEATS; i++) {
		buffer_byte(&bytes, 2);
		buffer_varint(&bytes, LARGE);
		buffer_append(&bytes, "\0", 2);
	}
	assert_int_equal(open_bytes(bytes.data, bytes.len), ERR(CORRUPT));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_payload_that_differs_a_little_costs_little),
		cmocka_unit_test(payloads_that_overlap_themselves_come_back),
		cmocka_unit_test(what_is_out_of_line_is_not_compared),
		cmocka_unit_test(a_record_is_closed_by_what_it_comes_to),
		cmocka_unit_test(a_record_of_version_1_is_read),
		cmocka_unit_test(a_version_of_tomorrow_is_refused),
		cmocka_unit_test(only_a_start_at_another_state_has_a_newer_version),
		cmocka_unit_test(a_likeness_beyond_the_text_before_it_is_refused),
		cmocka_unit_test(a_record_that_comes_to_more_than_one_holds_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
