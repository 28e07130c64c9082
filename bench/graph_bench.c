/* graph_bench.c: how long the graph of a definition takes: made definitions of 1,000 states of several shapes, or a
 * file.
 *
 *     graph_bench [FILE.asl.json…]
 *
 * Prints for each the boxes, edges and size of the picture, and the best and median time of making the graph with all
 * its coordinates (the program is compiled before) and of writing JSON and SVG. */
#include "base/mem.h"
#include "visualizer/graph.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { STATES = 1000, ROUNDS = 41 };

static double now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* ---- made definitions ----------------------------------------------------------------------- */

#define TASK "{\"Type\":\"Task\",\"Resource\":\"arn:ratchet:exec:::work\""

/* One after the other, each with a catcher. */
static void make_chain(struct buffer *out)
{
	buffer_addz(out, "{\"StartAt\":\"S0\",\"States\":{");
	for (int i = 0; i < STATES - 2; i++)
		buffer_printf(out,
			      "\"S%d\":" TASK
			      ",\"Catch\":[{\"ErrorEquals\":[\"States.ALL\"],\"Next\":\"Failed\"}],\"Next\":\"%s%d\"},",
			      i, i == STATES - 3 ? "Done" : "S", i == STATES - 3 ? 0 : i + 1);
	buffer_addz(out, "\"Done0\":{\"Type\":\"Succeed\"},\"Failed\":{\"Type\":\"Fail\"}}}");
}

/* Diamonds, and every tenth Choice may go back. */
static void make_choices(struct buffer *out)
{
	int count = STATES / 4;
	buffer_addz(out, "{\"StartAt\":\"C0\",\"States\":{");
	for (int i = 0; i < count; i++)
		buffer_printf(out,
			      "\"C%d\":{\"Type\":\"Choice\",\"Choices\":[{\"Variable\":\"$.n\",\"NumericGreaterThan\":%"
			      "d,\"Next\":\"A%d\"}%s%d%s],\"Default\":\"B%d\"},"
			      "\"A%d\":" TASK ",\"Next\":\"J%d\"},\"B%d\":" TASK
			      ",\"Next\":\"J%d\"},\"J%d\":{\"Type\":\"Pass\",\"%s%d\"},",
			      i, i, i,
			      i % 10 == 9 ? ",{\"Variable\":\"$.again\",\"IsPresent\":true,\"Next\":\"C"
					  : ",{\"Variable\":\"$.skip\",\"IsPresent\":true,\"Next\":\"J",
			      i % 10 == 9 ? i - 3 : i, "\"}", i, i, i, i, i, i,
			      i + 1 < count ? "Next\":\"C" : "Next\":\"J", i + 1);
	buffer_printf(out, "\"J%d\":{\"Type\":\"Succeed\"}}}", count);
}

/* Containers: Parallel states of four branches of six states, each with a Map inside. */
static void make_nested(struct buffer *out)
{
	int count = STATES / 29;
	buffer_addz(out, "{\"StartAt\":\"P0\",\"States\":{");
	for (int i = 0; i < count; i++) {
		buffer_printf(out, "%s\"P%d\":{\"Type\":\"Parallel\",", i ? "," : "", i);
		if (i + 1 < count)
			buffer_printf(out, "\"Next\":\"P%d\",\"Branches\":[", i + 1);
		else
			buffer_addz(out, "\"End\":true,\"Branches\":[");
		for (int b = 0; b < 4; b++) {
			buffer_printf(out,
				      "%s{\"StartAt\":\"M%d_%d\",\"States\":{\"M%d_%d\":{\"Type\":\"Map\",\"Next\":\"T%"
				      "d_%d\",\"ItemProcessor\":{\"StartAt\":\"I%d_%d_0\",\"States\":{",
				      b ? "," : "", i, b, i, b, i, b, i, b);
			for (int k = 0; k < 5; k++)
				buffer_printf(out, "%s\"I%d_%d_%d\":" TASK ",%s%d_%d_%d%s", k ? "," : "", i, b, k,
					      k < 4 ? "\"Next\":\"I" : "\"Comment\":\"", i, b, k + 1,
					      k < 4 ? "\"}" : "\",\"End\":true}");
			buffer_printf(out, "}}},\"T%d_%d\":" TASK ",\"End\":true}}}", i, b);
		}
		buffer_addz(out, "]}");
	}
	buffer_addz(out, "}}");
}

/* Every rule of one Choice to a state of its own, two steps long: folds. */
static void make_fan(struct buffer *out)
{
	buffer_addz(out, "{\"StartAt\":\"C\",\"States\":{\"C\":{\"Type\":\"Choice\",\"Default\":\"E\",\"Choices\":[");
	for (int i = 0; i < STATES - 2; i++)
		buffer_printf(out, "%s{\"Variable\":\"$.x\",\"NumericEquals\":%d,\"Next\":\"F%d\"}", i ? "," : "", i,
			      i);
	buffer_addz(out, "]},");
	for (int i = 0; i < STATES - 2; i++)
		buffer_printf(out, "\"F%d\":" TASK ",\"Next\":\"E\"},", i);
	buffer_addz(out, "\"E\":{\"Type\":\"Succeed\"}}}");
}

/* Every state a Choice with ways to anywhere, back too: nothing that a person would write. */
static void make_tangle(struct buffer *out)
{
	uint32_t random = 7;
	buffer_addz(out, "{\"StartAt\":\"S0\",\"States\":{");
	for (int i = 0; i < STATES - 1; i++) {
		buffer_printf(out, "\"S%d\":{\"Type\":\"Choice\",\"Choices\":[", i);
		for (int k = 0; k < 2; k++) {
			random = random * 1664525 + 1013904223;
			buffer_printf(out, "%s{\"Variable\":\"$.x\",\"NumericEquals\":%d,\"Next\":\"S%u\"}",
				      k ? "," : "", k, (random >> 8) % STATES);
		}
		buffer_printf(out, "],\"Default\":\"S%d\"},", i + 1);
	}
	buffer_printf(out, "\"S%d\":{\"Type\":\"Succeed\"}}}", STATES - 1);
}

/* ---- measuring ------------------------------------------------------------------------------ */

static int compare_times(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static void measure(const char *name, struct str definition, uint32_t fan_max)
{
	struct arena arena = { 0 };
	struct diagnostics diagnostics;
	struct program *program = NULL;
	struct wf_error err = { 0 };
	double graph_ms[ROUNDS], json_ms[ROUNDS], svg_ms[ROUNDS];
	struct graph *graph = NULL;
	struct graph_options options = { .fan_max = fan_max };
	double start = now_ms();
	if (program_compile(definition, NULL, &arena, &diagnostics, &program) != 0) {
		printf("%-20s is not valid: %.*s\n", name, STR_FMT(diagnostics.first->message));
		arena_done(&arena);
		return;
	}
	double compile_ms = now_ms() - start;
	for (int i = 0; i < ROUNDS; i++) {
		struct arena scratch = { 0 };
		struct buffer out = { 0 };
		start = now_ms();
		if (graph_make(program, &options, &scratch, &graph, &err) != 0) {
			printf("%-20s %s\n", name, err.message);
			arena_done(&scratch);
			break;
		}
		graph_ms[i] = now_ms() - start;
		start = now_ms();
		graph_write_json(graph, &out);
		json_ms[i] = now_ms() - start;
		buffer_clear(&out);
		start = now_ms();
		graph_write_svg(graph, GRAPH_LIGHT, &out);
		svg_ms[i] = now_ms() - start;
		if (i + 1 == ROUNDS) {
			qsort(graph_ms, ROUNDS, sizeof *graph_ms, compare_times);
			qsort(json_ms, ROUNDS, sizeof *json_ms, compare_times);
			qsort(svg_ms, ROUNDS, sizeof *svg_ms, compare_times);
			printf("%-20s %6u %6u %6u %6dx%-6d %8.2f %8.2f %8.2f %8.2f %8.2f\n", name,
			       program->states_count, graph->nodes_count, graph->edges_count, graph->width,
			       graph->height, compile_ms, graph_ms[0], graph_ms[ROUNDS / 2], json_ms[ROUNDS / 2],
			       svg_ms[ROUNDS / 2]);
		}
		buffer_done(&out);
		arena_done(&scratch);
	}
	program_unref(program);
	arena_done(&arena);
}

static const struct {
	const char *name;
	void (*make)(struct buffer *out);
	uint32_t fan_max;
} shapes[] = {
	{ "chain, catchers", make_chain, 0 },        { "choices and loops", make_choices, 0 },
	{ "nested containers", make_nested, 0 },     { "fan, folded", make_fan, 0 },
	{ "fan, not folded", make_fan, UINT32_MAX }, { "tangle", make_tangle, 0 },
};

int main(int argc, char **argv)
{
	printf("%-20s %6s %6s %6s %13s %8s %8s %8s %8s %8s   (ms)\n", "shape", "states", "boxes", "edges", "picture",
	       "compile", "best", "median", "json", "svg");
	for (int i = 1; i < argc; i++) {
		_cleanup_(buffer_done) struct buffer text = { 0 };
		FILE *file = fopen(argv[i], "rb");
		size_t n;
		if (!file) {
			perror(argv[i]);
			return 1;
		}
		while ((n = fread(buffer_reserve(&text, 65536), 1, 65536, file)) > 0)
			text.len += n;
		fclose(file);
		const char *base = strrchr(argv[i], '/');
		measure(base ? base + 1 : argv[i], buffer_str(&text), 0);
	}
	for (size_t i = 0; argc < 2 && i < sizeof shapes / sizeof *shapes; i++) {
		_cleanup_(buffer_done) struct buffer text = { 0 };
		shapes[i].make(&text);
		measure(shapes[i].name, buffer_str(&text), shapes[i].fan_max);
	}
	return 0;
}
