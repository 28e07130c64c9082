/* test_cases.c: the project's own cases, one file per subject in cases/: {"expr", and "result", "undefined" or "code"
 * with "message"}, all evaluated on cases/input.json. */
#include "base/mem.h"
#include "dsl/jsonata/jsonata.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static struct value *read_json(const char *folder, const char *name)
{
	char path[2048], bytes[65536];
	snprintf(path, sizeof path, "%s/%s", folder, name);
	FILE *file = fopen(path, "rb");
	if (!file)
		return NULL;
	_cleanup_(buffer_done) struct buffer text = { 0 };
	for (size_t n; (n = fread(bytes, 1, sizeof bytes, file)) > 0;)
		buffer_append(&text, bytes, n);
	fclose(file);
	struct value *value = NULL;
	struct wf_error err = { 0 };
	if (value_parse(buffer_str(&text), NULL, &value, &err) < 0)
		fail_msg("%s: %s %s", path, err.message, err.where);
	return value;
}

static bool same(const struct value *a, const struct value *b)
{
	if (value_is(a, VALUE_NUMBER) && value_is(b, VALUE_NUMBER))
		return fabs(value_number(a) - value_number(b)) <= 1e-14 * fabs(value_number(b));
	size_t count = value_count(a);
	if (count == 0 || value_kind(a) != value_kind(b) || count != value_count(b))
		return value_equal(a, b);
	for (size_t i = 0; i < count; i++) {
		const struct value *other =
		    value_is(a, VALUE_OBJECT) ? value_get(b, value_key_at(a, i)) : value_at(b, i);
		if (!other || !same(value_at(a, i), other))
			return false;
	}
	return true;
}

static bool fits(const struct value *test, enum jsonata_outcome outcome, const struct value *value,
		 const struct jsonata_error *error)
{
	const struct value *result = value_getz(test, "result"), *code = value_getz(test, "code");
	const struct value *message = value_getz(test, "message"), *position = value_getz(test, "position");
	if (result)
		return outcome == JSONATA_VALUE && same(value, result);
	if (!code)
		return outcome == JSONATA_UNDEFINED || outcome == JSONATA_FUNCTION;
	return outcome == JSONATA_ERROR && str_eqz(value_string(code), error->code) &&
	       (!message || str_eq(value_string(message), error->message)) &&
	       (!position || value_number(position) == (double)error->position);
}

static bool run_case(const char *file, const struct value *test, const struct value *input)
{
	_cleanup_(arena_done) struct arena arena = { 0 };
	_cleanup_(value_unrefp) struct value *value = NULL;
	struct random random;
	random_seed(&random, 1);
	struct jsonata_env env = { .input = input, .random = &random, .now_ms = 1700000000000 };
	struct jsonata_error error = { 0 };
	struct str expr = value_string(value_getz(test, "expr"));
	struct jsonata *program = jsonata_compile(&arena, expr, NULL, &error);
	enum jsonata_outcome outcome =
	    program ? jsonata_evaluate(program, &env, &arena, &value, &error) : JSONATA_ERROR;
	if (fits(test, outcome, value, &error))
		return true;
	struct str wanted = value_text(test), got = value ? value_text(value) : error.message;
	printf("%s: %.*s\n    wanted %.*s\n    got    %s@%zu %.*s\n", file, STR_FMT(expr), STR_FMT(wanted), error.code,
	       error.position, STR_FMT(got));
	return false;
}

static void every_case_gives_what_it_says(void **state)
{
	const char *folder = getenv("JSONATA_CASES");
	assert_non_null(folder);
	_cleanup_(value_unrefp) struct value *input = read_json(folder, "input.json");
	assert_non_null(input);
	DIR *directory = opendir(folder);
	assert_non_null(directory);
	int cases = 0, failures = 0;
	for (struct dirent *entry; (entry = readdir(directory));) {
		if (entry->d_name[0] == '.' || strcmp(entry->d_name, "input.json") == 0)
			continue;
		_cleanup_(value_unrefp) struct value *tests = read_json(folder, entry->d_name);
		for (size_t i = 0; i < value_count(tests); i++, cases++)
			failures += !run_case(entry->d_name, value_at(tests, i), input);
	}
	closedir(directory);
	printf("%d cases, %d failures\n", cases, failures);
	assert_true(cases > 400);
	assert_int_equal(failures, 0);
}

/* ---- budgets ---------------------------------------------------------------------------- */

static void assert_spent(const char *expr, int64_t steps, int64_t depth, int64_t bytes)
{
	_cleanup_(arena_done) struct arena arena = { 0 };
	_cleanup_(value_unrefp) struct value *value = NULL;
	struct jsonata_env env = { .steps_max = steps, .depth_max = depth, .bytes_max = bytes };
	struct jsonata_error error = { 0 };
	struct jsonata *program = jsonata_compile(&arena, str_of(expr), NULL, &error);
	if (program && jsonata_evaluate(program, &env, &arena, &value, &error) != JSONATA_ERROR)
		fail_msg("%s ended without an error", expr);
	assert_string_equal(error.code, "U1001");
	assert_true(arena.bytes < (bytes ? (size_t)bytes : 268435456) + (4 << 20));
}

static void what_has_no_end_is_stopped(void **state)
{
	static const char *const endless[] = {
		"($f := function(){$f()}; $f())",
		"($f := function($x){1 + $f($x)}; $f(1))",
		"($f := function($x){$f($x & $x)}; $f('abcdefgh'))",
		"($f := function($x){$f([$x, $x])}; $f(1))",
		"($f := function($x){$f($append($x, $x))}; $f([1, 2, 3]))",
		"($f := function($x){$x ~> $f}; $f(1))",
		"($f := $map(?, $f); $g := function($x){$map([1], $g)}; $g(1))",
		"$pad('x', 1e9)",
		"$pad('x', -1e300)",
		"$reduce([1..1000], function($a, $b){$a & $a}, 'ab')",
		"($f := function($n){$n = 0 ? 1 : {'a': $f($n - 1)}}; $f(100000))",
		"($f := function($x, $n){$n = 0 ? $x : $f({'a': $x}, $n - 1)}; $string($f(1, 5000)))",
		"($f := function($x, $n){$n = 0 ? $x : $f({'a': $x, 'b': $x}, $n - 1)}; $f(1, 60))",
		"$contains($pad('a', 60, 'a') & 'b', /^(a+)+$/) or $contains($pad('a', 5000, 'a'), /(a*)*(a*)*(a*)*c/)",
		"$replace($pad('a', 100000, 'a'), 'a', $pad('b', 100000, 'b'))",
		"$sort([1..100000], function($a, $b){$count([1..1000]) > 0})",
		"[1..10000000].[1..10000000]",
		"$eval('$eval(\"' & '1' & '\")') & $reduce([1..100000], function($a, $b){$eval('1+1')})",
		"($f := function(){$eval('$f()')}; $f())",
	};
	for (size_t i = 0; i < sizeof endless / sizeof *endless; i++)
		assert_spent(endless[i], 2000000, 200, 64 << 20);
}

static void deep_texts_are_refused(void **state)
{
	static const char *const opens[] = { "(",  "[",  "{'a':", "-",  "a[",  "$f(", "function(){",
					     "a?", "a.", "1+",    "a&", "|a|", "^(",  "a:=" };
	for (size_t i = 0; i < sizeof opens / sizeof *opens; i++) {
		_cleanup_(buffer_done) struct buffer text = { 0 };
		for (int n = 0; n < 200000; n++)
			buffer_addz(&text, opens[i]);
		buffer_addz(&text, "1");
		_cleanup_(arena_done) struct arena arena = { 0 };
		struct jsonata_error error = { 0 };
		assert_null(jsonata_compile(&arena, buffer_str(&text), NULL, &error));
		assert_true(error.code[0] != '\0');
	}
}

static void a_long_tail_recursion_needs_no_depth(void **state)
{
	_cleanup_(arena_done) struct arena arena = { 0 };
	_cleanup_(value_unrefp) struct value *value = NULL;
	struct jsonata_env env = { .depth_max = 20 };
	struct jsonata_error error = { 0 };
	struct str expr = STR("($sum := function($n, $s){$n = 0 ? $s : $sum($n - 1, $s + $n)}; $sum(100000, 0))");
	struct jsonata *program = jsonata_compile(&arena, expr, NULL, &error);
	assert_non_null(program);
	assert_int_equal(jsonata_evaluate(program, &env, &arena, &value, &error), JSONATA_VALUE);
	assert_true(value_number(value) == 5000050000.0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_case_gives_what_it_says),
		cmocka_unit_test(what_has_no_end_is_stopped),
		cmocka_unit_test(deep_texts_are_refused),
		cmocka_unit_test(a_long_tail_recursion_needs_no_depth),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
