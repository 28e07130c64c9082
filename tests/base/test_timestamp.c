/* Timestamps: what RFC 3339 allows and what it does not, and the calendar against the C library's. */
#include "base/random.h"
#include "base/timestamp.h"
#include "tests/base/check.h"
#include <time.h>

static void valid_timestamps_are_read(void **state)
{
	static const struct {
		const char *text;
		int64_t ms;
	} cases[] = {
		{ "1970-01-01T00:00:00Z", 0 },
		{ "2016-03-14T01:59:00Z", 1457920740000 },
		{ "2016-03-14T01:59:00.5Z", 1457920740500 },
		{ "2016-03-14T01:59:00.123Z", 1457920740123 },
		{ "2016-03-14T01:59:00.123999999999Z", 1457920740123 },
		{ "2016-03-14T01:59:00.000000001Z", 1457920740000 },
		{ "2016-03-14T03:59:00+02:00", 1457920740000 },
		{ "2016-03-13T18:29:00-07:30", 1457920740000 },
		{ "2016-03-14T01:59:00-00:00", 1457920740000 },
		{ "1969-12-31T23:59:59.999Z", -1 },
		{ "2000-02-29T00:00:00Z", 951782400000 },
		{ "2016-12-31T23:59:60Z", 1483228799999 },
		{ "2016-12-31T23:59:60.7Z", 1483228799999 },
		{ "0000-01-01T00:00:00Z", -62167219200000 },
		{ "0000-01-01T00:00:00+23:59", -62167305540000 },
		{ "9999-12-31T23:59:59.999Z", 253402300799999 },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		int64_t ms = 12345;
		assert_true(timestamp_parse(str_of(cases[i].text), &ms));
		assert_int_equal(ms, cases[i].ms);
	}
}

static void what_is_no_timestamp_is_refused(void **state)
{
	static const char *const cases[] = {
		"",
		"Z",
		"2016",
		"2016-03-14",
		"2016-03-14T01:59:00",
		"2016-03-14T01:59Z",
		"2016-03-14t01:59:00Z",
		"2016-03-14T01:59:00z",
		"2016-03-14 01:59:00Z",
		"2016-3-14T01:59:00Z",
		"2016-13-14T01:59:00Z",
		"2016-00-14T01:59:00Z",
		"2016-03-00T01:59:00Z",
		"2016-03-32T01:59:00Z",
		"2016-04-31T01:59:00Z",
		"2015-02-29T01:59:00Z",
		"1900-02-29T01:59:00Z",
		"2016-03-14T24:00:00Z",
		"2016-03-14T01:60:00Z",
		"2016-03-14T01:59:61Z",
		"2016-03-14T01:59:00.Z",
		"2016-03-14T01:59:00,5Z",
		"2016-03-14T01:59:00+02",
		"2016-03-14T01:59:00+0200",
		"2016-03-14T01:59:00+24:00",
		"2016-03-14T01:59:00+02:60",
		"2016-03-14T01:59:00ZZ",
		"2016-03-14T01:59:00Z ",
		" 2016-03-14T01:59:00Z",
		"+2016-03-14T01:59:00Z",
		"-016-03-14T01:59:00Z",
		"12016-03-14T01:59:00Z",
		"2016-03-14T-1:59:00Z",
		"2016-03-14T01:59:0xZ",
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		int64_t ms = 12345;
		assert_false(timestamp_parse(str_of(cases[i]), &ms));
		assert_int_equal(ms, 12345);
	}
}

static void a_timestamp_cut_anywhere_is_refused(void **state)
{
	const char text[] = "2016-03-14T01:59:00.123+02:00";
	for (size_t len = 0; len < sizeof text - 1; len++) {
		int64_t ms;
		assert_false(timestamp_parse((struct str){ text, len }, &ms));
	}
}

static void what_is_printed_reads_back(void **state)
{
	struct random random;
	random_seed(&random, 2);
	char text[TIMESTAMP_TEXT_MAX];
	for (int i = 0; i < 100000; i++) {
		int64_t ms = (int64_t)random_below(&random, 253402300800000 + 62167219200000) - 62167219200000, back;
		assert_int_equal(strlen(timestamp_format(ms, text)), 24);
		assert_true(timestamp_parse(str_of(text), &back));
		assert_int_equal(back, ms);
	}
	assert_string_equal(timestamp_format(1457920740123, text), "2016-03-14T01:59:00.123Z");
	assert_string_equal(timestamp_format(-1, text), "1969-12-31T23:59:59.999Z");
}

static void the_ends_of_time_fit_the_buffer(void **state)
{
	char text[TIMESTAMP_TEXT_MAX];
	assert_string_equal(timestamp_format(INT64_MAX, text), "292278994-08-17T07:12:55.807Z");
	assert_string_equal(timestamp_format(INT64_MIN, text), "-292275055-05-16T16:47:04.192Z");
}

static void the_calendar_is_the_c_librarys(void **state)
{
	for (int64_t days = -800000; days < 800000; days += 13) {
		time_t seconds = (time_t)(days * 86400);
		struct tm tm;
		assert_non_null(gmtime_r(&seconds, &tm));
		int64_t year;
		int month, day;
		timestamp_civil_from_days(days, &year, &month, &day);
		assert_int_equal(year, tm.tm_year + 1900);
		assert_int_equal(month, tm.tm_mon + 1);
		assert_int_equal(day, tm.tm_mday);
		assert_int_equal(timestamp_days_from_civil(year, month, day), days);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(valid_timestamps_are_read),
		cmocka_unit_test(what_is_no_timestamp_is_refused),
		cmocka_unit_test(a_timestamp_cut_anywhere_is_refused),
		cmocka_unit_test(what_is_printed_reads_back),
		cmocka_unit_test(the_ends_of_time_fit_the_buffer),
		cmocka_unit_test(the_calendar_is_the_c_librarys),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
