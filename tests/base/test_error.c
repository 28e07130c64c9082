/* Errors and the log. */
#include "base/error.h"
#include "base/log.h"
#include "tests/base/check.h"
#include <errno.h>
#include <unistd.h>

static void an_error_is_filled_and_its_code_returned(void **state)
{
	struct wf_error err;
	assert_int_equal(error_set(&err, ERR(INVALID), "expected %s, found %d", "a text", 5), ERR(INVALID));
	assert_int_equal(err.code, ERR(INVALID));
	assert_string_equal(err.message, "expected a text, found 5");
	assert_string_equal(err.where, "");
	assert_int_equal(error_set(NULL, ERR(IO), "nobody listens"), ERR(IO));
}

static void where_and_prefix_go_in_front(void **state)
{
	struct wf_error err;
	error_set(&err, ERR(INVALID), "not a number");
	error_where(&err, "line %d", 3);
	error_where(&err, "a.yaml");
	error_prefix(&err, "cannot start");
	assert_string_equal(err.where, "a.yaml: line 3");
	assert_string_equal(err.message, "cannot start: not a number");
	error_set(&err, ERR(IO), "again: %s", err.message);
	assert_string_equal(err.message, "again: cannot start: not a number");
	assert_string_equal(err.where, "");
	error_where(NULL, "nowhere");
	error_prefix(NULL, "nothing");
}

static void a_long_message_is_cut_between_characters(void **state)
{
	struct wf_error err;
	char text[3 * 1000 + 1];
	for (int shift = 0; shift < 3; shift++) {
		memset(text, 'x', sizeof text);
		for (int i = shift; i + 3 < (int)sizeof text; i += 3)
			memcpy(text + i, "\xe2\x82\xac", 3);
		text[sizeof text - 1] = 0;
		error_set(&err, ERR(INVALID), "%s", text);
		size_t len = strlen(err.message);
		assert_in_range(len, sizeof err.message - 3, sizeof err.message - 1);
		assert_int_equal((len - (size_t)shift) % 3, 0);
		error_where(&err, "%s", text);
		error_where(&err, "%s", text);
		assert_int_equal((strlen(err.where) - (size_t)shift) % 3, 0);
	}
}

static void errno_gives_a_code_and_a_reason(void **state)
{
	struct wf_error err;
	assert_int_equal(error_errno(&err, ENOSPC, "cannot write %s", "x"), ERR(NO_SPACE));
	assert_string_equal(err.message, "cannot write x: No space left on device");
	assert_int_equal(error_errno(&err, EDQUOT, "x"), ERR(NO_SPACE));
	assert_int_equal(error_errno(&err, EACCES, "x"), ERR(IO));
	assert_int_equal(error_errno(NULL, ENOSPC, "x"), ERR(NO_SPACE));
}

static void every_code_has_a_name_and_a_text(void **state)
{
#define X(name, text)                                                                                                  \
	assert_true(ERR(name) < 0);                                                                                    \
	assert_string_equal(error_code_name(ERR(name)), #name);                                                        \
	assert_string_equal(error_code_text(ERR(name)), text);
	ERROR_CODES(X)
#undef X
	assert_string_equal(error_code_name(0), "OK");
	assert_string_equal(error_code_name(-9999), "INTERNAL");
	assert_string_equal(error_code_name(INT32_MIN), "INTERNAL");
}

/* What `message` looks like on stderr, behind the time. */
static void log_line(char line[4096], enum log_level level, const char *message)
{
	FILE *stream = tmpfile();
	assert_non_null(stream);
	int file = fileno(stream), saved = dup(STDERR_FILENO);
	assert_true(saved >= 0);
	dup2(file, STDERR_FILENO);
	log_message(level, "store", "%s", message);
	dup2(saved, STDERR_FILENO);
	ssize_t len = pread(file, line, 4095, 0);
	assert_true(len >= 0);
	line[len] = 0;
	fclose(stream);
	close(saved);
}

static void a_log_line_is_one_line(void **state)
{
	char line[4096];
	log_setup(LOG_LEVEL_INFO, false);
	log_line(line, LOG_LEVEL_WARN, "disk \"full\"\n\x1b[31m \xc2\x9b \xff \xc3\xa4");
	assert_string_equal(line + 24, " warn  store: disk \"full\"\\n\\x1b[31m \\x9b \\xff \xc3\xa4\n");
	assert_int_equal(line[10], 'T');
	log_line(line, LOG_LEVEL_DEBUG, "not this");
	assert_string_equal(line, "");
	log_setup(LOG_LEVEL_DEBUG, true);
	log_line(line, LOG_LEVEL_DEBUG, "a \"b\" \\ \t \xff");
	assert_non_null(strstr(
	    line, "\"level\":\"debug\",\"area\":\"store\",\"message\":\"a \\\"b\\\" \\\\ \\u0009 \xef\xbf\xbd\"}\n"));
	log_setup(LOG_LEVEL_INFO, false);
}

static void a_level_has_a_name(void **state)
{
	enum log_level level;
	assert_true(log_level_parse("warn", &level) && level == LOG_LEVEL_WARN);
	assert_true(log_level_parse("error", &level) && level == LOG_LEVEL_ERROR);
	assert_false(log_level_parse("WARN", &level));
	assert_false(log_level_parse("", &level));
	assert_int_equal(level, LOG_LEVEL_ERROR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_error_is_filled_and_its_code_returned),
		cmocka_unit_test(where_and_prefix_go_in_front),
		cmocka_unit_test(a_long_message_is_cut_between_characters),
		cmocka_unit_test(errno_gives_a_code_and_a_reason),
		cmocka_unit_test(every_code_has_a_name_and_a_text),
		cmocka_unit_test(a_log_line_is_one_line),
		cmocka_unit_test(a_level_has_a_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
