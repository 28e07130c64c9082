/* validate.c: `ratchet validate` and `ratchet explain`: definitions, looked at without running them. */
#include "cli/validate.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "dsl/program.h"
#include <stdio.h>
#include <string.h>

static void print_diagnostics(const char *path, const struct buffer *definition, const struct diagnostics *diagnostics)
{
	_cleanup_(buffer_done) struct buffer out = { 0 };
	for (const struct diagnostic *d = diagnostics->first; d; d = d->next)
		diagnostic_print(d, path, buffer_str(definition), true, &out);
	for (size_t line = 0, end; line < out.len; line = end + 1) {
		const char *newline = memchr(out.data + line, '\n', out.len - line);
		end = newline ? (size_t)(newline - out.data) : out.len;
		cli_clean(out.data + line, end - line);
	}
	if (out.len)
		fwrite(out.data, 1, out.len, stderr);
}

int check_definition(const char *path, const struct buffer *definition, const struct limits *limits)
{
	_cleanup_(arena_done) struct arena arena = { 0 };
	struct diagnostics diagnostics = { 0 };
	struct program *program = NULL;
	struct program_options options = { .limits = limits };
	int code = program_compile(buffer_str(definition), &options, &arena, &diagnostics, &program);
	print_diagnostics(path, definition, &diagnostics);
	program_unref(program);
	return code;
}

/* {file, result, diagnostics: [{severity, code, message, location, line, column, expected}]} */
static void print_json(const char *path, const struct diagnostics *diagnostics)
{
	_cleanup_(value_unrefp) struct value *result = value_new_object(3);
	_cleanup_(buffer_done) struct buffer out = { 0 };
	struct value *list = value_new_array(0);
	for (const struct diagnostic *d = diagnostics->first; d; d = d->next) {
		struct value *row = value_new_object(7);
		value_object_setz(row, "severity", d->severity == DIAGNOSTIC_ERROR ? "ERROR" : "WARNING");
		value_object_setz(row, "code", diagnostic_code_name(d->code));
		value_object_take(row, STR("message"), value_from_string(d->message));
		value_object_take(row, STR("location"), value_from_string(d->location));
		value_object_take(row, STR("line"), value_from_int(d->line));
		value_object_take(row, STR("column"), value_from_int(d->column));
		if (d->expected.len)
			value_object_take(row, STR("expected"), value_from_string(d->expected));
		value_array_take(list, row);
	}
	value_object_setz(result, "file", path);
	value_object_setz(result, "result", diagnostics->errors ? "FAIL" : "OK");
	value_object_take(result, STR("diagnostics"), list);
	value_write_pretty(result, &out);
	printf("%s\n", out.data);
}

/* "FILE: valid", "FILE: 2 errors", "FILE: valid, 1 warning" */
static void print_verdict(const char *path, const struct diagnostics *found)
{
	printf("%s: ", path);
	if (found->errors)
		printf("%u error%s", found->errors, found->errors == 1 ? "" : "s");
	else
		printf("valid");
	if (found->warnings)
		printf(", %u warning%s", found->warnings, found->warnings == 1 ? "" : "s");
	printf("\n");
}

static int run_validate(struct command_line *line)
{
	int status = EXIT_GOOD;
	const char *type = line_option(line, "type");
	if (type && strcmp(type, "STANDARD") != 0 && strcmp(type, "EXPRESS") != 0)
		return cli_failf(EXIT_USAGE, "--type must be STANDARD or EXPRESS, not '%s'", type);
	for (unsigned i = 0; i < line_arguments(line); i++) {
		struct wf_error err = { 0 };
		_cleanup_(buffer_done) struct buffer definition = { 0 };
		_cleanup_(arena_done) struct arena arena = { 0 };
		struct diagnostics diagnostics = { 0 };
		struct program *program = NULL;
		struct program_options options = { .express = type && strcmp(type, "EXPRESS") == 0 };
		const char *path = line_argument(line, i);
		if (cli_read_file(path, DEFINITION_BYTES_MAX, &definition, &err)) {
			status = cli_fail(EXIT_USAGE, &err);
			continue;
		}
		if (program_compile(buffer_str(&definition), &options, &arena, &diagnostics, &program) != 0)
			status = EXIT_USAGE;
		if (line_option(line, "json"))
			print_json(path, &diagnostics);
		else
			print_diagnostics(path, &definition, &diagnostics);
		if (!line_option(line, "json"))
			print_verdict(path, &diagnostics);
		program_unref(program);
	}
	return status;
}

const struct subcommand command_validate = {
	.name = "validate",
	.arguments = "FILE…",
	.summary = "check definitions: every problem, with its place",
	.details =
	    "FILE is a definition in Amazon States Language; - reads standard input. Exit status 2 if one is invalid.",
	.options =
	    (const struct option_row[]){ { "type", "TYPE", "STANDARD or EXPRESS (STANDARD)" },
					 { "json", NULL, "print the diagnostics as JSON, a document for each file" },
					 { NULL, NULL, NULL } },
	.arguments_min = 1,
	.arguments_max = 16,
	.run = run_validate,
};

static int run_explain(struct command_line *line)
{
	struct wf_error err = { 0 };
	_cleanup_(buffer_done) struct buffer definition = { 0 }, out = { 0 };
	_cleanup_(arena_done) struct arena arena = { 0 };
	struct diagnostics diagnostics = { 0 };
	struct program *program = NULL;
	struct program_options options = { 0 };
	const char *path = line_argument(line, 0);

	if (cli_read_file(path, DEFINITION_BYTES_MAX, &definition, &err))
		return cli_fail(EXIT_USAGE, &err);
	int code = program_compile(buffer_str(&definition), &options, &arena, &diagnostics, &program);
	print_diagnostics(path, &definition, &diagnostics);
	if (code)
		return EXIT_USAGE;
	program_explain(program, &out);
	if (out.len && out.data[out.len - 1] != '\n')
		buffer_byte(&out, '\n');
	fwrite(out.data, 1, out.len, stdout);
	program_unref(program);
	return EXIT_GOOD;
}

const struct subcommand command_explain = {
	.name = "explain",
	.arguments = "FILE",
	.summary = "print the compiled form of a definition",
	.details =
	    "For people: its states by number, with what each does and where it goes. FILE - reads standard input.",
	.options = (const struct option_row[]){ { NULL, NULL, NULL } },
	.arguments_min = 1,
	.arguments_max = 1,
	.run = run_explain,
};
