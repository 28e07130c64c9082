/* test_expr.c: the expression languages through expr.h.
 *
 * Most of it is data: cases/jsonpath.json, cases/intrinsics.json and cases/templates.json, one test for each case,
 * named as the case is. A case has name                     a sentence path | reference | dynamic | template | put |
 * present what is compiled: a path, a reference path, a path or function, a payload template; for `put` the reference
 * path at which `item` is put into the input input, context, variables, field, limits the environment; all optional
 *     result                   what it gives, compared as text, so that the order of keys and the digits of numbers
 * count present                  with `is_present`: whether expr_eval_present finds something error, cause how it
 * fails; `cause_has` is a part of the cause problem, pointer, offset how it is refused when compiled: a part of the
 * message, where
 *
 *     test_expr FOLDER_OF_CASES */
#include "base/mem.h"
#include "dsl/expr.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* ---- the environment of a case ----------------------------------------------------------------------- */

struct world {
	const struct value *context, *variables;
	struct random random;
	struct limits limits;
	struct value *nothing; /* the input where a case has none */
	struct expr_env env;
	struct arena arena;
};

static const struct value *world_context(void *data)
{
	const struct world *world = data;
	return world->context;
}

static const struct value *world_variable(void *data, struct str name)
{
	const struct world *world = data;
	return world->variables ? value_get(world->variables, name) : NULL;
}

/* A member of a case, NULL if it has none. */
static const struct value *of(const struct value *test, const char *key)
{
	return test ? value_getz(test, key) : NULL;
}

static struct str text_of(const struct value *value)
{
	return value ? value_string(value) : STR_EMPTY;
}

static void world_init(struct world *world, const struct value *test)
{
	*world = (struct world){ .limits = LIMITS_DEFAULT, .nothing = value_new_null() };
	const struct value *input = of(test, "input"), *limits = of(test, "limits");
	world->context = of(test, "context");
	world->variables = of(test, "variables");
	random_seed(&world->random, 1);
	for (size_t i = 0; limits && i < value_count(limits); i++) {
		unsigned row = 0;
		while (row < limit_rows_count && !str_eqz(value_key_at(limits, i), limit_rows[row].name))
			row++;
		assert_true(row < limit_rows_count);
		int64_t number;
		assert_true(value_int64(value_at(limits, i), &number));
		memcpy((char *)&world->limits + limit_rows[row].offset, &number, sizeof(number));
	}
	struct str field = text_of(of(test, "field"));
	world->env = (struct expr_env){
		.input = input ? input : world->nothing,
		.context = world_context,
		.variable = world_variable,
		.data = world,
		.random = &world->random,
		.limits = &world->limits,
		.field = field.len ? arena_strdup(&world->arena, field) : "InputPath",
	};
}

static void world_done(struct world *world)
{
	arena_done(&world->arena);
	value_unref(world->nothing);
}

/* ---- cases ---------------------------------------------------------------------------------------------- */

static void assert_text(struct str actual, struct str expected, const char *what)
{
	if (!str_eq(actual, expected))
		fail_msg("%s: expected %.*s, got %.*s", what, STR_FMT(expected), STR_FMT(actual));
}

static void assert_part(struct str text, struct str part, const char *what)
{
	if (part.len && !memmem(text.ptr, text.len, part.ptr, part.len))
		fail_msg("%s: expected something with '%.*s', got '%.*s'", what, STR_FMT(part), STR_FMT(text));
}

/* Compiles what the case names; NULL when it is refused, as the case then must say. */
static struct expr *compile(struct world *world, const struct value *test)
{
	const struct value *problem_wanted = of(test, "problem");
	struct str message = STR_EMPTY, pointer = STR_EMPTY;
	struct expr_problem problem = { 0 };
	struct expr *expr = NULL;
	const struct value *source;
	bool refused;
	if ((source = of(test, "template"))) {
		struct expr_template_problem *problems;
		expr = expr_compile_template(&world->arena, source, &problems);
		refused = problems != NULL;
		if (problems) {
			problem = problems->problem;
			pointer = problems->pointer;
		}
	} else {
		if ((source = of(test, "path")))
			expr = expr_compile_path(&world->arena, value_string(source), &problem);
		else if ((source = of(test, "dynamic")))
			expr = expr_compile_path_or_intrinsic(&world->arena, value_string(source), &problem);
		else if ((source = of(test, "reference")) || (source = of(test, "put")))
			expr = expr_compile_reference_path(&world->arena, value_string(source), &problem);
		refused = expr == NULL;
	}
	assert_non_null(source);
	message = problem.message;
	if (!problem_wanted) {
		if (refused)
			fail_msg("refused: %.*s at %zu", STR_FMT(message), problem.offset);
		return expr;
	}
	if (!refused)
		fail_msg("not refused, expected %.*s", STR_FMT(text_of(problem_wanted)));
	assert_part(message, text_of(problem_wanted), "problem");
	if (of(test, "pointer"))
		assert_text(pointer, text_of(of(test, "pointer")), "pointer");
	if (of(test, "offset"))
		assert_int_equal(problem.offset, (size_t)value_number(of(test, "offset")));
	return NULL;
}

static void check_failure(const struct value *test, const struct expr_failure *failure)
{
	const struct value *cause = of(test, "cause"), *part = of(test, "cause_has");
	if (!of(test, "error"))
		fail_msg("failed: %.*s: %.*s", STR_FMT(failure->error), STR_FMT(failure->cause));
	assert_text(failure->error, text_of(of(test, "error")), "error");
	if (cause)
		assert_text(failure->cause, value_string(cause), "cause");
	if (part)
		assert_part(failure->cause, value_string(part), "cause");
}

static void run_case(void **state)
{
	const struct value *test = *state;
	struct world world;
	struct value *result = NULL;
	struct expr_failure failure = { 0 };
	world_init(&world, test);
	const struct expr *expr = compile(&world, test);
	const struct value *present = of(test, "is_present"), *wanted = of(test, "result");
	int r = 0;
	if (!expr) {
		world_done(&world);
		return;
	}
	if (present)
		assert_int_equal(expr_eval_present(expr, &world.env, &world.arena, &result), value_bool(present));
	else if (of(test, "put"))
		r = expr_put(expr, world.env.input, of(test, "item"), &world.arena, &result, &failure);
	else
		r = expr_eval(expr, &world.env, &world.arena, &result, &failure);
	if (r < 0)
		check_failure(test, &failure);
	else if (of(test, "error"))
		fail_msg("did not fail but gave %.*s", STR_FMT(value_text(result)));
	else if (wanted)
		assert_text(value_text(result), value_text(wanted), "result");
	else if (!present)
		fail_msg("the case expects nothing");
	value_unref(result);
	world_done(&world);
}

/* ---- what data cannot say --------------------------------------------------------------------------------- */

static struct value *json(const char *text)
{
	struct value *value = NULL;
	struct wf_error err = { 0 };
	if (value_parse(str_of(text), NULL, &value, &err) < 0)
		fail_msg("%s", err.message);
	return value;
}

static struct value *evaluate(struct world *world, const struct expr *expr, const struct value *input)
{
	struct value *result = NULL;
	struct expr_failure failure;
	assert_non_null(expr);
	world->env.input = input;
	if (expr_eval(expr, &world->env, &world->arena, &result, &failure) < 0)
		fail_msg("%.*s", STR_FMT(failure.cause));
	return result;
}

static void the_root_is_the_input_itself(void **state)
{
	struct world world;
	struct expr_problem problem;
	world_init(&world, NULL);
	_cleanup_(value_unrefp) struct value *input = json("{\"a\":{\"b\":[1,2]}}");
	const struct expr *root = expr_compile_path(&world.arena, STR("$"), &problem);
	_cleanup_(value_unrefp) struct value *same = evaluate(&world, root, input);
	assert_ptr_equal(same, input);
	assert_true(expr_is_root(root));

	const struct expr *child = expr_compile_path(&world.arena, STR("$.a.b"), &problem);
	_cleanup_(value_unrefp) struct value *part = evaluate(&world, child, input);
	assert_ptr_equal(part, value_getz(value_getz(input, "a"), "b"));
	assert_false(expr_is_root(child));
	world_done(&world);
}

static void constant_parts_of_a_template_are_shared(void **state)
{
	struct world world;
	struct expr_template_problem *problems;
	world_init(&world, NULL);
	_cleanup_(value_unrefp) struct value *source = json("{\"big\":{\"x\":[1,2,{\"y\":3}]},\"v.$\":\"$.a\"}");
	_cleanup_(value_unrefp) struct value *input = json("{\"a\":[1]}");
	const struct expr *template = expr_compile_template(&world.arena, source, &problems);
	assert_null(problems);
	_cleanup_(value_unrefp) struct value *one = evaluate(&world, template, input);
	_cleanup_(value_unrefp) struct value *two = evaluate(&world, template, input);
	assert_ptr_equal(value_getz(one, "big"), value_getz(source, "big"));
	assert_ptr_equal(value_getz(two, "big"), value_getz(source, "big"));
	assert_ptr_equal(value_getz(one, "v"), value_getz(input, "a"));
	world_done(&world);
}

static void a_template_without_expressions_is_its_source(void **state)
{
	struct world world;
	struct expr_template_problem *problems;
	world_init(&world, NULL);
	_cleanup_(value_unrefp) struct value *source = json("{\"x\":{\"y\":[0.10,1E6]}}");
	const struct expr *template = expr_compile_template(&world.arena, source, &problems);
	_cleanup_(value_unrefp) struct value *result = evaluate(&world, template, source);
	assert_ptr_equal(result, source);
	assert_true(expr_is_definite(template));
	assert_text(expr_text(template), value_text(source), "text");
	world_done(&world);
}

static void note_reference(void *data, struct str name, struct str reference)
{
	struct buffer *seen = data;
	buffer_printf(seen, "%.*s=%.*s ", STR_FMT(name), STR_FMT(reference));
}

static void references_name_variables_context_and_input(void **state)
{
	struct world world;
	struct expr_template_problem *problems;
	_cleanup_(buffer_done) struct buffer seen = { 0 };
	world_init(&world, NULL);
	_cleanup_(value_unrefp) struct value *source = json(
	    "{\"a.$\":\"$x.y\",\"b\":[{\"c.$\":\"States.Format('{}{}', $$.Execution.Id, States.JsonToString($z))\"}],"
	    "\"d.$\":\"$.e\",\"f\":\"$no\"}");
	const struct expr *template = expr_compile_template(&world.arena, source, &problems);
	expr_references(template, note_reference, &seen);
	assert_string_equal(seen.data, "x=$x.y $$=$$.Execution.Id z=$z $=$.e ");
	assert_int_equal(expr_intrinsic_depth(template), 2);
	world_done(&world);
}

static void all_problems_of_a_template_are_reported(void **state)
{
	struct world world;
	struct expr_template_problem *problems;
	_cleanup_(buffer_done) struct buffer seen = { 0 };
	world_init(&world, NULL);
	_cleanup_(value_unrefp) struct value *source =
	    json("{\"a.$\":\"ipsum\",\"b\":[{\"c/d.$\":1}],\"e\":1,\"e.$\":\"$.e\",\"f.$\":\"$.x[\"}");
	const struct expr *template = expr_compile_template(&world.arena, source, &problems);
	for (const struct expr_template_problem *p = problems; p; p = p->next)
		buffer_printf(&seen, "%.*s ", STR_FMT(p->pointer));
	assert_string_equal(seen.data, "/a.$ /b/0/c~1d.$ /e.$ /f.$ ");
	_cleanup_(value_unrefp) struct value *result = evaluate(&world, template, source);
	assert_true(value_is(value_getz(result, "a"), VALUE_NULL));
	world_done(&world);
}

static void uuids_come_from_the_generator_that_is_given(void **state)
{
	struct world world;
	struct expr_problem problem;
	world_init(&world, NULL);
	const struct expr *expr = expr_compile_path_or_intrinsic(&world.arena, STR("States.UUID()"), &problem);
	_cleanup_(value_unrefp) struct value *first = evaluate(&world, expr, world.env.input);
	_cleanup_(value_unrefp) struct value *second = evaluate(&world, expr, world.env.input);
	random_seed(&world.random, 1);
	_cleanup_(value_unrefp) struct value *again = evaluate(&world, expr, world.env.input);
	assert_int_equal(value_string(first).len, 36);
	assert_int_equal(value_string(first).ptr[14], '4');
	assert_false(value_equal(first, second));
	assert_true(value_equal(first, again));
	world_done(&world);
}

static void random_numbers_stay_below_the_end(void **state)
{
	struct world world;
	struct expr_problem problem;
	unsigned seen = 0;
	world_init(&world, NULL);
	const struct expr *expr =
	    expr_compile_path_or_intrinsic(&world.arena, STR("States.MathRandom(-1, 3)"), &problem);
	for (int i = 0; i < 1000; i++) {
		_cleanup_(value_unrefp) struct value *result = evaluate(&world, expr, world.env.input);
		int64_t number;
		assert_true(value_int64(result, &number) && number >= -1 && number < 3);
		seen |= 1u << (number + 1);
	}
	assert_int_equal(seen, 15);
	world_done(&world);
}

static void a_random_number_with_a_seed_is_always_the_same(void **state)
{
	struct world world;
	struct expr_problem problem;
	world_init(&world, NULL);
	const struct expr *expr =
	    expr_compile_path_or_intrinsic(&world.arena, STR("States.MathRandom(0, 1000000, 7)"), &problem);
	_cleanup_(value_unrefp) struct value *one = evaluate(&world, expr, world.env.input);
	_cleanup_(value_unrefp) struct value *two = evaluate(&world, expr, world.env.input);
	assert_true(value_equal(one, two));
	world_done(&world);
}

static void a_path_of_a_million_names_is_no_recursion(void **state)
{
	struct world world;
	struct expr_problem problem;
	struct expr_failure failure;
	struct value *result;
	_cleanup_(buffer_done) struct buffer text = { 0 };
	world_init(&world, NULL);
	buffer_byte(&text, '$');
	for (int i = 0; i < 1000000; i++)
		buffer_addz(&text, i % 2 ? ".*" : ".a");
	const struct expr *expr = expr_compile_path(&world.arena, buffer_str(&text), &problem);
	assert_non_null(expr);
	_cleanup_(value_unrefp) struct value *input = json("{\"a\":{\"b\":{}}}");
	world.env.input = input;
	assert_int_equal(expr_eval(expr, &world.env, &world.arena, &result, &failure), 0);
	value_unref(result);
	world_done(&world);
}

static void hostile_nesting_is_refused(void **state)
{
	static const char *const openings[] = { "States.Array(", "$[?(@[?(", "$[?((", "$[?(!(", "$.a[?(@.b[", "$['" };
	struct world world;
	struct expr_problem problem;
	world_init(&world, NULL);
	for (size_t i = 0; i < sizeof(openings) / sizeof(*openings); i++) {
		_cleanup_(buffer_done) struct buffer text = { 0 };
		for (int n = 0; n < 20000; n++)
			buffer_addz(&text, openings[i] + (n && openings[i][0] == '$'));
		assert_null(expr_compile_path_or_intrinsic(&world.arena, buffer_str(&text), &problem));
	}
	world_done(&world);
}

/* ---- running ------------------------------------------------------------------------------------------------ */

static struct value *read_cases(const char *folder, const char *name)
{
	_cleanup_(buffer_done) struct buffer text = { 0 };
	_cleanup_free_ char *path = mem_printf("%s/%s.json", folder, name);
	FILE *file = fopen(path, "rb");
	struct value *cases = NULL;
	struct wf_error err = { 0 };
	size_t n;
	while (file && (n = fread(buffer_reserve(&text, 65536), 1, 65536, file)) > 0)
		text.len += n;
	if (!file || value_parse(buffer_str(&text), NULL, &cases, &err) < 0) {
		fprintf(stderr, "%s cannot be read: %s %s\n", path, err.message, err.where);
		exit(1);
	}
	fclose(file);
	return cases;
}

static int run_cases(const char *folder, const char *name)
{
	_cleanup_(value_unrefp) struct value *cases = read_cases(folder, name);
	_cleanup_(arena_done) struct arena arena = { 0 };
	size_t count = value_count(cases);
	struct CMUnitTest *tests = ARENA_ARRAY(&arena, struct CMUnitTest, count);
	for (size_t i = 0; i < count; i++)
		tests[i] = (struct CMUnitTest){
			.name = arena_strdup(&arena, value_string(value_getz(value_at(cases, i), "name"))),
			.test_func = run_case,
			.initial_state = (void *)value_at(cases, i),
		};
	return _cmocka_run_group_tests(name, tests, count, NULL, NULL);
}

int main(int argc, char **argv)
{
	const char *folder = argc > 1 ? argv[1] : "tests/dsl/cases";
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_root_is_the_input_itself),
		cmocka_unit_test(constant_parts_of_a_template_are_shared),
		cmocka_unit_test(a_template_without_expressions_is_its_source),
		cmocka_unit_test(references_name_variables_context_and_input),
		cmocka_unit_test(all_problems_of_a_template_are_reported),
		cmocka_unit_test(uuids_come_from_the_generator_that_is_given),
		cmocka_unit_test(random_numbers_stay_below_the_end),
		cmocka_unit_test(a_random_number_with_a_seed_is_always_the_same),
		cmocka_unit_test(a_path_of_a_million_names_is_no_recursion),
		cmocka_unit_test(hostile_nesting_is_refused),
	};
	int failed = cmocka_run_group_tests_name("expr", tests, NULL, NULL);
	failed += run_cases(folder, "jsonpath");
	failed += run_cases(folder, "intrinsics");
	failed += run_cases(folder, "templates");
	return failed ? 1 : 0;
}
