/* eval.c: `ratchet eval`: one expression over one document, for people at a terminal. */
#include "base/clock.h"
#include "base/mem.h"
#include "base/random.h"
#include "base/utf8.h"
#include "cli/cli.h"
#include "dsl/expr.h"
#include "dsl/jsonata/jsonata.h"
#include <stdio.h>

#define INPUT_BYTES_MAX ((size_t)1 << 30)

static void print_value(const struct value *value, bool compact)
{
	_cleanup_(buffer_done) struct buffer out = { 0 };
	if (compact)
		value_write(value, &out);
	else
		value_write_pretty(value, &out);
	printf("%s\n", out.data);
}

/* The expression's line that holds `offset`, and a caret under the place. */
static void print_caret(struct str text, size_t offset, size_t length)
{
	if (offset > text.len)
		offset = text.len;
	size_t begin = offset, end = offset;
	while (begin && text.ptr[begin - 1] != '\n')
		begin--;
	while (end < text.len && text.ptr[end] != '\n')
		end++;
	if (length > end - offset)
		length = end - offset;
	size_t before = utf8_count(str_sub(text, begin, offset - begin)), wide = utf8_count(str_sub(text, offset, length));
	fprintf(stderr, "  %.*s\n  %*s^", (int)(end - begin), text.ptr + begin, (int)before, "");
	for (size_t i = 1; i < wide; i++)
		fputc('~', stderr);
	fputc('\n', stderr);
}

static struct random seeded(void)
{
	struct random random;
	uint64_t seed;
	random_secure(&seed, sizeof seed);
	random_seed(&random, seed);
	return random;
}

static int fail_jsonata(struct str text, const struct jsonata_error *error)
{
	fprintf(stderr, "ratchet: %s%s%.*s\n", error->code, error->code[0] ? ": " : "", STR_FMT(error->message));
	print_caret(text, error->offset, error->length);
	return EXIT_USAGE;
}

/* As the library has it, the document is `$`; in the States Language's dialect it is $states.input. */
static int eval_jsonata(struct str text, const struct value *input, bool dialect, bool compact)
{
	_cleanup_(arena_done) struct arena arena = { 0 };
	_cleanup_(value_unrefp) struct value *result = NULL;
	struct jsonata_error error = { 0 };
	struct random random = seeded();
	struct clock_source *clock = clock_system();
	struct jsonata_options options = { .flavour = dialect ? JSONATA_STATES : JSONATA_LIBRARY,
					   .states_fields = JSONATA_STATES_INPUT };
	struct jsonata_states states = { .input = input };
	struct jsonata *program = jsonata_compile(&arena, text, &options, &error);
	if (!program)
		return fail_jsonata(text, &error);
	struct jsonata_env env = { .input = dialect ? NULL : input,
				   .states = dialect ? &states : NULL,
				   .random = &random,
				   .now_ms = clock->wall_ms(clock) };
	switch (jsonata_evaluate(program, &env, &arena, &result, &error)) {
	case JSONATA_VALUE:
		print_value(result, compact);
		return EXIT_GOOD;
	case JSONATA_UNDEFINED:
		fprintf(stderr, "ratchet: the expression gives nothing (undefined)\n");
		return EXIT_EXECUTION_FAILED;
	case JSONATA_FUNCTION:
		fprintf(stderr, "ratchet: the expression gives a function, which is no value\n");
		return EXIT_EXECUTION_FAILED;
	case JSONATA_ERROR:
		fail_jsonata(text, &error);
		return EXIT_EXECUTION_FAILED;
	}
	return EXIT_EXECUTION_FAILED;
}

static int eval_jsonpath(struct str text, const struct value *input, bool compact)
{
	_cleanup_(arena_done) struct arena arena = { 0 };
	_cleanup_(value_unrefp) struct value *result = NULL;
	struct expr_problem problem = { 0 };
	struct expr_failure failure = { 0 };
	struct random random = seeded();
	struct clock_source *clock = clock_system();
	struct expr *expr = expr_compile_path_or_intrinsic(&arena, text, &problem);
	if (!expr) {
		fprintf(stderr, "ratchet: %.*s\n", STR_FMT(problem.message));
		print_caret(text, problem.offset, problem.length);
		return EXIT_USAGE;
	}
	struct expr_env env = { .input = input, .random = &random, .now_ms = clock->wall_ms(clock), .field = "expression" };
	if (expr_eval(expr, &env, &arena, &result, &failure) != 0) {
		fprintf(stderr, "ratchet: %.*s: %.*s\n", STR_FMT(failure.error), STR_FMT(failure.cause));
		return EXIT_EXECUTION_FAILED;
	}
	print_value(result, compact);
	return EXIT_GOOD;
}

static int run_eval(struct command_line *line)
{
	struct wf_error err = { 0 };
	_cleanup_(buffer_done) struct buffer text = { 0 };
	_cleanup_(value_unrefp) struct value *input = NULL;
	const char *jsonata = line_option(line, "jsonata"), *jsonpath = line_option(line, "jsonpath"), *path = line_option(line, "input");
	bool compact = line_option(line, "json") != NULL, dialect = line_option(line, "states") != NULL;

	if (!jsonata == !jsonpath)
		return cli_failf(EXIT_USAGE, "give either --jsonata EXPR or --jsonpath EXPR");
	if (dialect && jsonpath)
		return cli_failf(EXIT_USAGE, "--states is for --jsonata only");
	if (path && cli_read_file(path, INPUT_BYTES_MAX, &text, &err))
		return cli_fail(EXIT_USAGE, &err);
	if (value_parse(path ? buffer_str(&text) : STR("null"), NULL, &input, &err)) {
		error_where(&err, "%s", path);
		return cli_fail(EXIT_USAGE, &err);
	}
	if (jsonpath)
		return eval_jsonpath(str_of(jsonpath), input, compact);
	return eval_jsonata(str_of(jsonata), path ? input : NULL, dialect, compact);
}

const struct subcommand command_eval = {
	.name = "eval",
	.arguments = "",
	.summary = "evaluate a JSONata or JSONPath expression over a document",
	.details = "The document is `$`. --jsonpath takes a path or an intrinsic function call, as a field ending in .$ does.\n"
		   "Exit status 1 if the evaluation fails or gives nothing, 2 if the expression is wrong.",
	.options = (const struct option_row[]){ { "jsonata", "EXPR", "a JSONata expression, without {% %}" },
						{ "states", NULL, "JSONata as in a state: the document is $states.input" },
						{ "jsonpath", "EXPR", "a path or an intrinsic function call" },
						{ "input", "FILE", "the document: JSON; - for standard input (none)" },
						{ "json", NULL, "print the result on one line" },
						{ NULL, NULL, NULL } },
	.run = run_eval,
};
