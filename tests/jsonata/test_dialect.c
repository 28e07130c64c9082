/* test_dialect.c: the States Language's dialect: what it adds, what it refuses, and how failures read. Most cases are
 * data: dialect.json holds, under a sentence each, pairs of a template and what it gives: the result's JSON text, the
 * cause of its failure, or "refused: …"; an expectation that ends in * is a beginning. */
#include "base/mem.h"
#include "dsl/jsonata/jsonata.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

static struct value *json(const char *text)
{
	struct value *value = NULL;
	struct wf_error err = { 0 };
	if (value_parse(str_of(text), NULL, &value, &err) < 0)
		fail_msg("%s: %s", text, err.message);
	return value;
}

static const char input_text[] = "{\"id\":9007199254740993,\"price\":1.5,\"list\":[3,1,2],\"name\":\"Ada\"}";
static struct value *variables;

static const struct value *variable(void *data, struct str name)
{
	return value_get(variables, name);
}

static const struct value *context(void *data)
{
	return value_getz(variables, "context");
}

/* What the template gives: its JSON text, or "cause" on failure, or "refused: message" when it does not compile. */
static char *run_in(struct arena *arena, const char *template_text, unsigned fields)
{
	_cleanup_(value_unrefp) struct value *template_json = json(template_text), *input = json(input_text),
					     *result = NULL;
	struct jsonata_template_problem *problems = NULL;
	struct jsonata_template *tmpl = jsonata_template_compile(arena, template_json, fields, &problems);
	if (problems)
		return arena_printf(arena, "refused%s: %.*s at '%.*s' %zu+%zu",
				    problems->unsupported ? " (unsupported)" : "", STR_FMT(problems->message),
				    STR_FMT(problems->pointer), problems->offset, problems->length);
	struct random random;
	random_seed(&random, 7);
	struct jsonata_states states = { .input = input, .context = context };
	struct jsonata_env env = {
		.variable = variable, .states = &states, .random = &random, .now_ms = 1700000000000
	};
	struct jsonata_failure failure = { 0 };
	if (jsonata_template_evaluate(tmpl, &env, STR("Output"), arena, &result, &failure) < 0)
		return arena_printf(arena, "%.*s", STR_FMT(failure.cause));
	return arena_strdup(arena, value_text(result));
}

static void assert_gives(const char *template_text, const char *expected)
{
	_cleanup_(arena_done) struct arena arena = { 0 };
	const char *got = run_in(&arena, template_text, JSONATA_STATES_INPUT | JSONATA_STATES_CONTEXT);
	if (strcmp(got, expected) != 0)
		fail_msg("%s\n  gives  %s\n  wanted %s", template_text, got, expected);
}

static void the_input_is_read_through_states(void **state)
{
	assert_gives("\"{% $states.input.name %}\"", "\"Ada\"");
	assert_gives("\"{% $states.input %}\"", input_text);
	assert_gives("{\"a\":[\"{% $states.input.list[0] %}\",\"plain\"],\"b\":1.0}",
		     "{\"a\":[3,\"plain\"],\"b\":1.0}");
	assert_gives("\"{% $states.context.Execution.Id %}\"", "\"x\"");
	assert_gives("\"{% $v.list[$ > 1] %}\"", "[3,2]");
	assert_gives("\" {% 1 %}\"", "\" {% 1 %}\"");
}

static void large_integers_stay_exact_until_computed_with(void **state)
{
	assert_gives("\"{% $states.input.id %}\"", "9007199254740993");
	assert_gives("\"{% {'k': [$states.input.id]} %}\"", "{\"k\":[9007199254740993]}");
	assert_gives("\"{% $string($states.input.id) %}\"", "\"9007199254740993\"");
	assert_gives("\"{% $states.input.id + 0 %}\"", "9007199254740992");
}

static void what_is_out_of_range_becomes_text(void **state)
{
	assert_gives("\"{% 1/0 %}\"", "\"Infinity\"");
	assert_gives("\"{% [-1/0, 0/0] %}\"", "[\"-Infinity\",\"NaN\"]");
}

static void its_own_functions_work(void **state)
{
	assert_gives("\"{% $partition([1,2,3,4,5], 2) %}\"", "[[1,2],[3,4],[5]]");
	assert_gives("\"{% $partition([1,2,3], 2.9) %}\"", "[[1,2],[3]]");
	assert_gives("\"{% $exists($partition([], 2)) or $exists($partition([1], 0)) %}\"", "false");
	assert_gives("\"{% $range(1, 7, 3) %}\"", "[1,4,7]");
	assert_gives("\"{% $range(5, 1, -2) %}\"", "[5,3,1]");
	assert_gives("\"{% $range(2, 2, 1) %}\"", "2");
	assert_gives("\"{% $exists($range(1, 5)) or $exists($range(1, 5, -1)) %}\"", "false");
	assert_gives("\"{% $hash('abc', 'MD5') %}\"", "\"900150983cd24fb0d6963f7d28e17f72\"");
	assert_gives("\"{% $hash('abc', 'SHA-1') %}\"", "\"a9993e364706816aba3e25717850c26c9cd0d89d\"");
	assert_gives("\"{% $hash('abc', 'SHA-256') %}\"",
		     "\"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\"");
	assert_gives("\"{% $length($hash('', 'SHA-384')) + $length($hash('', 'SHA-512')) %}\"", "224");
	assert_gives("\"{% $random(42) %}\"", "0.7275636800328681");
	assert_gives(
	    "\"{% $contains($uuid(), /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/) %}\"",
	    "true");
	assert_gives("\"{% $parse('{\\\"a\\\":[1,null]}') %}\"", "{\"a\":[1,null]}");
	assert_gives("\"{% $parse(\\\"{'a':'b'}\\\").a %}\"", "\"b\"");
}

static void failures_read_as_the_service_s(void **state)
{
	assert_gives(
	    "{\"a\":{\"b\":[\"{% $nope %}\"]}}",
	    "The JSONata expression '$nope' specified for the field 'Output/a/b[0]' returned nothing (undefined).");
	assert_gives("\"{% $sum('a') %}\"",
		     "The JSONata expression '$sum('a')' specified for the field 'Output' threw an error during "
		     "evaluation. T0412: Argument 1 of function \"sum\" must be an array of \"numbers\"");
	assert_gives("\"{% $f := function($x){$x} %}\"",
		     "The JSONata expression '$f := function($x){$x}' specified for the field "
		     "'Output' returned an unsupported result type.");
	assert_gives("\"{% $eval('1') %}\"",
		     "The JSONata expression '$eval('1')' specified for the field 'Output' threw an error during "
		     "evaluation. T1006: Attempted to invoke a non-function");
	assert_gives("\"{% $sum([1]) + $count(1) %}\"",
		     "The JSONata expression '$sum([1]) + $count(1)' specified for the field 'Output' "
		     "threw an error during evaluation. T1006: Attempted to invoke a non-function");
	assert_gives("\"{% $hash('a', 'md5') %}\"",
		     "The JSONata expression '$hash('a', 'md5')' specified for the field 'Output' threw an "
		     "error during evaluation. D3161: Unknown algorithm passed to the hash function: "
		     "\"md5\"");
}

static void the_top_level_has_no_input(void **state)
{
	assert_gives("{\"v\":\"{% phone %}\"}",
		     "refused (unsupported): Reference to 'phone' at the top level is not supported. at '/v' 3+5");
	assert_gives("\"{% $ %}\"",
		     "refused (unsupported): Reference to '$' at the top level is not supported. at '' 3+1");
	assert_gives("\"{% $$.a %}\"",
		     "refused (unsupported): Reference to '$$' at the top level is not supported. at '' 3+2");
	assert_gives("\"{% 1 + *.a %}\"",
		     "refused (unsupported): Reference to '*' at the top level is not supported. at '' 7+1");
	assert_gives("\"{% $map([1], function($x){ y }) %}\"",
		     "refused (unsupported): Reference to 'y' at the top level is not supported. at '' 27+1");
	assert_gives("\"{% $states.result %}\"",
		     "refused (unsupported): Reference to '$states.result' is not supported in this field. at '' 11+6");
	assert_gives("\"{% [{'a':2},{'a':1}]^(a).a %}\"", "[1,2]");
	assert_gives("\"{% [{'a':2},{'a':1}][a=1].$.a %}\"", "1");
	assert_gives("\"{% [{'a':'x','b':1}]{a: b} %}\"", "{\"x\":1}");
}

static void later_versions_operators_are_refused(void **state)
{
	assert_gives("\"{% $v ?? 1 %}\"", "refused: The symbol \"?\" cannot be used as a unary operator at '' 7+1");
	assert_gives("\"{% $v ?: 1 %}\"", "refused: The symbol \":\" cannot be used as a unary operator at '' 7+1");
	assert_gives("\"{% 1 + %}\"", "refused: Unexpected end of expression at '' 6+0");
}

static void wrong_types_are_named(void **state)
{
	_cleanup_(arena_done) struct arena arena = { 0 };
	_cleanup_(value_unrefp) struct value *template_json = json("\"{% 'string' %}\""), *result = json("\"string\"");
	struct jsonata_template_problem *problems = NULL;
	struct jsonata_template *tmpl = jsonata_template_compile(&arena, template_json, 0, &problems);
	struct jsonata_failure failure = jsonata_template_wrong_type(tmpl, STR("Items"), "array", result, &arena);
	assert_string_equal(
	    arena_strdup(&arena, failure.cause),
	    "The JSONata expression ''string'' specified for the field 'Items' returned an unexpected result type. "
	    "Expected 'array', but was 'string' for value: \"string\"");
}

static void collect(void *data, struct str name, struct str reference)
{
	buffer_printf(data, "%.*s=%.*s ", STR_FMT(name), STR_FMT(reference));
}

static void references_are_listed(void **state)
{
	_cleanup_(arena_done) struct arena arena = { 0 };
	_cleanup_(buffer_done) struct buffer names = { 0 };
	_cleanup_(value_unrefp) struct value *template_json =
	    json("{\"a\":\"{% ($x := $order.id; $sum($x) + $total) %}\"}");
	struct jsonata_template_problem *problems = NULL;
	struct jsonata_template *tmpl = jsonata_template_compile(&arena, template_json, JSONATA_STATES_ALL, &problems);
	assert_null(problems);
	jsonata_template_references(tmpl, collect, &names);
	assert_string_equal(names.data, "order=$order.id order=$order total=$total ");
}

static int assert_pair(const char *sentence, const struct value *pair)
{
	_cleanup_(arena_done) struct arena arena = { 0 };
	struct str wanted = value_string(value_at(pair, 1));
	char *template_text = arena_strdup(&arena, value_text(value_at(pair, 0)));
	struct str got = str_of(run_in(&arena, template_text, JSONATA_STATES_INPUT | JSONATA_STATES_CONTEXT));
	bool prefix = str_ends(wanted, STR("*"));
	if (prefix ? str_starts(got, str_sub(wanted, 0, wanted.len - 1)) : str_eq(got, wanted))
		return 0;
	print_error("%s:\n  %s\n  gives  %.*s\n  wanted %.*s\n", sentence, template_text, STR_FMT(got),
		    STR_FMT(wanted));
	return 1;
}

static void the_cases_in_dialect_json_hold(void **state)
{
	const char *path = getenv("JSONATA_DIALECT");
	_cleanup_(buffer_done) struct buffer text = { 0 };
	FILE *file = path ? fopen(path, "rb") : NULL;
	if (!file)
		skip();
	char bytes[65536];
	for (size_t n; (n = fread(bytes, 1, sizeof bytes, file)) > 0;)
		buffer_append(&text, bytes, n);
	fclose(file);
	_cleanup_(value_unrefp) struct value *groups = json(text.data);
	int failed = 0;
	assert_true(value_count(groups) > 0);
	for (size_t i = 0; i < value_count(groups); i++) {
		_cleanup_(buffer_done) struct buffer sentence = { 0 };
		buffer_add(&sentence, value_key_at(groups, i));
		for (size_t j = 0; j < value_count(value_at(groups, i)); j++)
			failed += assert_pair(sentence.data, value_at(value_at(groups, i), j));
	}
	assert_int_equal(failed, 0);
}

static int set_up(void **state)
{
	variables = json("{\"v\":{\"list\":[3,1,2]},\"count\":5,\"context\":{\"Execution\":{\"Id\":\"x\"}}}");
	return 0;
}

static int tear_down(void **state)
{
	value_unref(variables);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_input_is_read_through_states),
		cmocka_unit_test(large_integers_stay_exact_until_computed_with),
		cmocka_unit_test(what_is_out_of_range_becomes_text),
		cmocka_unit_test(its_own_functions_work),
		cmocka_unit_test(failures_read_as_the_service_s),
		cmocka_unit_test(the_top_level_has_no_input),
		cmocka_unit_test(later_versions_operators_are_refused),
		cmocka_unit_test(wrong_types_are_named),
		cmocka_unit_test(references_are_listed),
		cmocka_unit_test(the_cases_in_dialect_json_hold),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
