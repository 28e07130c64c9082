/* graph.c: `ratchet graph`: a definition as a picture, for people and for programs that draw. */
#include "visualizer/graph.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/validate.h"
#include "dsl/program.h"
#include <stdio.h>
#include <stdlib.h>

enum graph_format { FORMAT_SVG, FORMAT_DOT, FORMAT_MERMAID, FORMAT_JSON };

static const char *const formats[] = { "svg", "dot", "mermaid", "json", NULL };
static const char *const directions[] = { "down", "right", NULL };
static const char *const themes[] = { "light", "dark", NULL };

/* The place of an option's value among `words`, the first if it was not given; -1 after a message. */
static int word_option(const struct command_line *line, const char *name, const char *const *words)
{
	const char *value = line_option(line, name);
	for (int i = 0; words[i]; i++)
		if (!value || strcmp(value, words[i]) == 0)
			return i;
	_cleanup_(buffer_done) struct buffer known = { 0 };
	for (int i = 0; words[i]; i++)
		buffer_printf(&known, "%s%s", i ? ", " : "", words[i]);
	cli_failf(EXIT_USAGE, "--%s must be one of %s, not '%s'", name, known.data, value);
	return -1;
}

/* 0 and *ret_fan_max, or -1 after a message. */
static int fold_option(const struct command_line *line, uint32_t *ret_fan_max)
{
	int64_t number = *ret_fan_max;
	if (line_option(line, "fold") && strcmp(line_option(line, "fold"), "0") == 0)
		number = UINT32_MAX; /* never */
	else if (line_whole(line, "fold", 2, 1000000, &number))
		return -1;
	*ret_fan_max = (uint32_t)number;
	return 0;
}

static bool is_container(const struct program *program, struct str name)
{
	for (uint32_t i = 0; i < program->states_count; i++) {
		uint32_t branches;
		graph_branches(&program->states[i], &branches);
		if (branches && str_eq(program->states[i].name, name))
			return true;
	}
	return false;
}

/* 0, or -1 after a message. */
static int collapse_option(const struct command_line *line, const struct program *program, struct arena *arena,
			   struct graph_options *options)
{
	const char *value = line_option(line, "collapse");
	if (value)
		graph_read_collapsed(str_of(value), arena, options);
	for (uint32_t i = 0; i < options->collapsed_count; i++)
		if (!is_container(program, options->collapsed[i])) {
			cli_failf(EXIT_USAGE, "--collapse: there is no Parallel or Map state named '%.*s'",
				  STR_FMT(options->collapsed[i]));
			return -1;
		}
	return 0;
}

static int print_graph(const struct program *program, const struct graph_options *options, enum graph_format format,
		       enum graph_theme theme)
{
	_cleanup_(arena_done) struct arena arena = { 0 };
	_cleanup_(buffer_done) struct buffer out = { 0 };
	struct wf_error err = { 0 };
	struct graph *graph;
	if (graph_make(program, options, &arena, &graph, &err) != 0)
		return cli_fail(EXIT_USAGE, &err);
	switch (format) {
	case FORMAT_SVG:
		graph_write_svg(graph, theme, &out);
		break;
	case FORMAT_DOT:
		graph_write_dot(graph, &out);
		break;
	case FORMAT_MERMAID:
		graph_write_mermaid(graph, &out);
		break;
	case FORMAT_JSON:
		graph_write_json(graph, &out);
		break;
	}
	fwrite(out.data, 1, out.len, stdout);
	return EXIT_GOOD;
}

static int run_graph(struct command_line *line)
{
	struct wf_error err = { 0 };
	_cleanup_(buffer_done) struct buffer definition = { 0 };
	_cleanup_(arena_done) struct arena arena = { 0 };
	struct diagnostics diagnostics = { 0 };
	struct program *program = NULL;
	struct graph_options options = { 0 };
	const char *path = line_argument(line, 0);
	int format = word_option(line, "format", formats), direction = word_option(line, "direction", directions);
	int theme = word_option(line, "theme", themes);

	if (format < 0 || direction < 0 || theme < 0 || fold_option(line, &options.fan_max) != 0)
		return EXIT_USAGE;
	options.direction = (enum graph_direction)direction;
	if (cli_read_file(path, 64u << 20, &definition, &err))
		return cli_fail(EXIT_USAGE, &err);
	if (program_compile(buffer_str(&definition), NULL, &arena, &diagnostics, &program) != 0) {
		check_definition(path, &definition, NULL); /* says what is wrong */
		return EXIT_USAGE;
	}
	int status = EXIT_USAGE;
	if (collapse_option(line, program, &arena, &options) == 0)
		status = print_graph(program, &options, (enum graph_format)format, (enum graph_theme)theme);
	program_unref(program);
	return status;
}

const struct subcommand command_graph = {
	.name = "graph",
	.arguments = "FILE",
	.summary = "draw a definition: SVG, Graphviz, Mermaid, or JSON with coordinates",
	.details = "FILE is a definition in Amazon States Language; - reads standard input. The picture goes to "
		   "standard output.",
	.options =
	    (const struct option_row[]){
		{ .name = "format", .argument = "FORMAT", .help = "svg, dot, mermaid or json (svg)" },
		{ .name = "direction", .argument = "WAY", .help = "down or right (down)" },
		{ .name = "theme", .argument = "THEME", .help = "light or dark, for svg (light)" },
		{ .name = "fold",
		  .argument = "N",
		  .help = "fold what is more than N like ways or branches; 0: never (12)" },
		{ .name = "collapse",
		  .argument = "NAMES",
		  .help = "show these Parallel and Map states as one box each (a comma between them)" },
		{ 0 },
	    },
	.arguments_min = 1,
	.arguments_max = 1,
	.run = run_graph,
};
