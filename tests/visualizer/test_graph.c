/* test_graph.c: graphs of made definitions: what must hold of every graph (check.c) on many shapes, what is folded and
 * what is said, and that hostile names and sizes do no harm. */
#include "base/mem.h"
#include "check.h"
#include "visualizer/describe.h"
#include "visualizer/text.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define TASK "{\"Type\":\"Task\",\"Resource\":\"arn:ratchet:exec:::work\""

/* ---- shapes --------------------------------------------------------------------------------- */

static void begin(struct buffer *out, const char *start)
{
	buffer_printf(out, "{\"StartAt\":\"%s\",\"States\":{", start);
}

/* A chain in which every state can fail. */
static void make_chain(struct buffer *out, int states)
{
	begin(out, "S0");
	for (int i = 0; i < states; i++)
		buffer_printf(out,
			      "\"S%d\":" TASK
			      ",\"Catch\":[{\"ErrorEquals\":[\"States.ALL\"],\"Next\":\"Failed\"}],\"Next\":\"S%d\"},",
			      i, i + 1);
	buffer_printf(out, "\"S%d\":{\"Type\":\"Succeed\"},\"Failed\":{\"Type\":\"Fail\"}}}", states);
}

/* Choices with ways to anywhere, against the flow and to themselves too. */
static void make_tangle(struct buffer *out, int states)
{
	uint32_t random = (uint32_t)states;
	begin(out, "S0");
	for (int i = 0; i < states; i++) {
		buffer_printf(out, "\"S%d\":{\"Type\":\"Choice\",\"Choices\":[", i);
		for (int k = 0; k < 2; k++) {
			random = random * 1664525 + 1013904223;
			buffer_printf(out, "%s{\"Variable\":\"$.x\",\"NumericEquals\":%d,\"Next\":\"S%u\"}",
				      k ? "," : "", k, (random >> 8) % (uint32_t)(states + 1));
		}
		buffer_printf(out, "],\"Default\":\"S%d\"},", i + 1);
	}
	buffer_printf(out, "\"S%d\":{\"Type\":\"Succeed\"}}}", states);
}

/* Tasks that fail to anywhere. */
static void make_catchers(struct buffer *out, int states)
{
	uint32_t random = (uint32_t)states + 5;
	begin(out, "S0");
	for (int i = 0; i < states; i++) {
		random = random * 1664525 + 1013904223;
		buffer_printf(out,
			      "\"S%d\":" TASK ",\"Catch\":[{\"ErrorEquals\":[\"A\",\"B.C\"],\"Next\":\"S%u\"},{"
					      "\"ErrorEquals\":[\"States.ALL\"],\"Next\":\"S%u\"}],\"Next\":\"S%d\"},",
			      i, (random >> 8) % (uint32_t)(states + 1), (random >> 20) % (uint32_t)(states + 1),
			      i + 1);
	}
	buffer_printf(out, "\"S%d\":{\"Type\":\"Succeed\"}}}", states);
}

/* One Choice; every way two steps long, all together again at the end. */
static void make_fan(struct buffer *out, int ways)
{
	begin(out, "C");
	buffer_addz(out, "\"C\":{\"Type\":\"Choice\",\"Default\":\"E\",\"Choices\":[");
	for (int i = 0; i < ways; i++)
		buffer_printf(out, "%s{\"Variable\":\"$.x\",\"NumericEquals\":%d,\"Next\":\"F%d\"}", i ? "," : "", i,
			      i);
	buffer_addz(out, "]},");
	for (int i = 0; i < ways; i++)
		buffer_printf(out, "\"F%d\":" TASK ",\"Next\":\"G%d\"},\"G%d\":" TASK ",\"Next\":\"E\"},", i, i, i);
	buffer_addz(out, "\"E\":{\"Type\":\"Succeed\"}}}");
}

static void make_branches(struct buffer *out, int branches)
{
	begin(out, "P");
	buffer_addz(out, "\"P\":{\"Type\":\"Parallel\",\"End\":true,\"Branches\":[");
	for (int i = 0; i < branches; i++)
		buffer_printf(out,
			      "%s{\"StartAt\":\"B%d\",\"States\":{\"B%d\":" TASK
			      ",\"Next\":\"D%d\"},\"D%d\":{\"Type\":\"Pass\",\"End\":true}}}",
			      i ? "," : "", i, i, i, i);
	buffer_addz(out, "]}}}");
}

/* Map in Map in Map. */
static void make_deep(struct buffer *out, int depth)
{
	begin(out, "M0");
	for (int i = 0; i < depth; i++)
		buffer_printf(
		    out, "\"M%d\":{\"Type\":\"Map\",\"End\":true,\"ItemProcessor\":{\"StartAt\":\"M%d\",\"States\":{",
		    i, i + 1);
	buffer_printf(out, "\"M%d\":" TASK ",\"End\":true}", depth);
	for (int i = 0; i < depth; i++)
		buffer_addz(out, "}}}");
	buffer_addz(out, "}}");
}

/* Loops to itself by a rule and by a catcher, retriers, a container in a fold. */
static void make_loops(struct buffer *out, int ways)
{
	begin(out, "Again");
	buffer_addz(out, "\"Again\":{\"Type\":\"Choice\",\"Default\":\"Work\",\"Choices\":["
			 "{\"Variable\":\"$.again\",\"BooleanEquals\":true,\"Next\":\"Again\"}");
	for (int i = 0; i < ways; i++)
		buffer_printf(out, ",{\"Variable\":\"$.x\",\"NumericEquals\":%d,\"Next\":\"P%d\"}", i, i);
	buffer_addz(out,
		    "]},\"Work\":" TASK ",\"Retry\":[{\"ErrorEquals\":[\"States.ALL\"],\"MaxAttempts\":7}],\"Catch\":["
		    "{\"ErrorEquals\":[\"A\"],\"Next\":\"Work\"},{\"ErrorEquals\":[\"States.ALL\"],\"Next\":\"Again\"}]"
		    ",\"End\":true}");
	for (int i = 0; i < ways; i++)
		buffer_printf(out,
			      ",\"P%d\":{\"Type\":\"Parallel\",\"Next\":\"Work\",\"Branches\":[{\"StartAt\":\"X%d\","
			      "\"States\":{\"X%d\":" TASK
			      ",\"Catch\":[{\"ErrorEquals\":[\"States.ALL\"],\"Next\":\"Y%d\"}],\"End\":true},\"Y%d\":{"
			      "\"Type\":\"Pass\",\"End\":true}}}]}",
			      i, i, i, i, i);
	buffer_addz(out, "}}");
}

static void make_nasty_names(struct buffer *out, int states)
{
	static const char *const names[] = { "<script>alert(1)</script>",
					     "]]> & \\\"quoted\\\" 'so'",
					     "🎬 視頻轉碼",
					     "\\u0001\\u001f\\ud83c lone",
					     "a\\\\n|b`c{d}",
					     "end",
					     "style X fill:#f00" };
	begin(out, "S");
	buffer_addz(out, "\"S\":{\"Type\":\"Choice\",\"Default\":\"S\",\"Choices\":[");
	for (int i = 0; i < 7; i++)
		buffer_printf(out, "%s{\"Variable\":\"$.x\",\"StringEquals\":\"%s\",\"Next\":\"%s\"}", i ? "," : "",
			      names[i], names[i]);
	buffer_addz(out, "]}");
	for (int i = 0; i < 7; i++)
		buffer_printf(out, ",\"%s\":{\"Type\":\"Pass\",\"Comment\":\"%s\",\"Next\":\"Long%d\"}", names[i],
			      names[i], i);
	for (int i = 0; i < 7; i++) {
		buffer_printf(out, ",\"Long%d\":{\"Type\":\"Pass\",\"End\":true}", i);
	}
	buffer_addz(out, "}}");
}

static const struct shape {
	const char *name;
	void (*make)(struct buffer *out, int size);
	int size;
	uint32_t fan_max;
} shapes[] = {
	{ "one state", make_deep, 0, 0 },
	{ "chain with catchers", make_chain, 60, 0 },
	{ "tangle of 5", make_tangle, 5, 0 },
	{ "tangle of 20", make_tangle, 20, 0 },
	{ "tangle of 150", make_tangle, 150, 0 },
	{ "catchers to anywhere, 4", make_catchers, 4, 0 },
	{ "catchers to anywhere, 9", make_catchers, 9, 0 },
	{ "catchers to anywhere, 90", make_catchers, 90, 0 },
	{ "narrow fan", make_fan, 12, 0 },
	{ "wide fan", make_fan, 13, 0 },
	{ "very wide fan", make_fan, 1000, 0 },
	{ "fan that must not fold", make_fan, 100, UINT32_MAX },
	{ "few branches", make_branches, 12, 0 },
	{ "many branches", make_branches, 13, 0 },
	{ "very many branches", make_branches, 900, 0 },
	{ "deep", make_deep, 60, 0 },
	{ "loops", make_loops, 3, 0 },
	{ "loops, containers fold", make_loops, 40, 3 },
	{ "nasty names", make_nasty_names, 0, 0 },
};

static void all_shapes_hold_what_every_graph_must(void **state)
{
	(void)state;
	int faults = 0;
	for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
		_cleanup_(buffer_done) struct buffer text = { 0 }, why = { 0 };
		shapes[i].make(&text, shapes[i].size);
		int found = check_definition_graphs(buffer_str(&text), shapes[i].fan_max, &why);
		if (found)
			printf("%s: %d faults\n%.*s", shapes[i].name, found, STR_FMT(buffer_str(&why)));
		faults += found != 0;
	}
	assert_int_equal(faults, 0);
}

/* ---- one graph at a time -------------------------------------------------------------------- */

struct drawn {
	struct arena arena;
	struct program *program;
	struct graph *graph;
};

static void draw_collapsed(struct drawn *d, struct str definition, enum graph_direction direction, const char *collapsed)
{
	struct diagnostics diagnostics;
	struct graph_options options = { .direction = direction };
	*d = (struct drawn){ 0 };
	graph_read_collapsed(str_of(collapsed), &d->arena, &options);
	if (program_compile(definition, NULL, &d->arena, &diagnostics, &d->program) != 0)
		fail_msg("%.*s", STR_FMT(diagnostics.first->message));
	assert_int_equal(graph_make(d->program, &options, &d->arena, &d->graph, NULL), 0);
}

static void draw(struct drawn *d, struct str definition, enum graph_direction direction)
{
	draw_collapsed(d, definition, direction, "");
}

static void drawn_done(struct drawn *d)
{
	program_unref(d->program);
	arena_done(&d->arena);
}

static const struct graph_node *node_named(const struct graph *graph, const char *name)
{
	for (uint32_t i = 0; i < graph->nodes_count; i++)
		if (str_eqz(graph->nodes[i].name, name))
			return &graph->nodes[i];
	fail_msg("there is no box %s", name);
	return NULL;
}

static const struct graph_edge *edge_between(const struct graph *graph, const char *from, const char *to)
{
	for (uint32_t i = 0; i < graph->edges_count; i++)
		if (str_eqz(graph->nodes[graph->edges[i].from].name, from) &&
		    str_eqz(graph->nodes[graph->edges[i].to].name, to))
			return &graph->edges[i];
	fail_msg("there is no edge from %s to %s", from, to);
	return NULL;
}

static void a_wide_fan_folds_its_last_ways(void **state)
{
	(void)state;
	_cleanup_(buffer_done) struct buffer text = { 0 };
	_cleanup_(drawn_done) struct drawn d;
	make_fan(&text, 1000);
	draw(&d, buffer_str(&text), GRAPH_DOWN);
	const struct graph_node *fold = node_named(d.graph, "… 989 more");
	assert_int_equal(fold->kind, GRAPH_FOLD);
	assert_int_equal(fold->folded_count, 2 * 989);
	assert_int_equal(fold->folded_transitions, 989);
	assert_int_equal(edge_between(d.graph, "C", "… 989 more")->transitions_count, 989);
	assert_int_equal(edge_between(d.graph, "… 989 more", "E")->transitions_count, 989);
	assert_int_equal(d.graph->folded_count, 2 * 989);
	assert_true(node_named(d.graph, "F10")->state != NULL);
}

static void a_wide_parallel_folds_its_last_branches(void **state)
{
	(void)state;
	_cleanup_(buffer_done) struct buffer text = { 0 };
	_cleanup_(drawn_done) struct drawn d;
	make_branches(&text, 300);
	draw(&d, buffer_str(&text), GRAPH_RIGHT);
	const struct graph_node *parallel = node_named(d.graph, "P"), *fold = node_named(d.graph, "… 289 more");
	assert_int_equal(parallel->children, 12);
	assert_int_equal(fold->parent, parallel - d.graph->nodes);
	assert_int_equal(fold->folded_count, 2 * 289);
	assert_int_equal(fold->folded_transitions, 289);
}

static const char nested[] = "{\"StartAt\":\"A\",\"States\":{\"A\":{\"Type\":\"Pass\",\"Next\":\"Each, \\\\ all\"},"
			     "\"Each, \\\\ all\":{\"Type\":\"Map\",\"Next\":\"Z\",\"ItemProcessor\":{\"StartAt\":\"P\",\"States\":{"
			     "\"P\":{\"Type\":\"Parallel\",\"Next\":\"Q\",\"Branches\":["
			     "{\"StartAt\":\"B\",\"States\":{\"B\":{\"Type\":\"Pass\",\"Next\":\"C\"},\"C\":{\"Type\":\"Pass\",\"End\":true}}},"
			     "{\"StartAt\":\"D\",\"States\":{\"D\":{\"Type\":\"Pass\",\"End\":true}}}]},"
			     "\"Q\":{\"Type\":\"Pass\",\"End\":true}}}},"
			     "\"Z\":{\"Type\":\"Succeed\"}}}";

static void a_collapsed_container_is_one_box_with_counts(void **state)
{
	(void)state;
	_cleanup_(drawn_done) struct drawn d;
	_cleanup_(buffer_done) struct buffer json = { 0 };
	draw_collapsed(&d, STR(nested), GRAPH_DOWN, "P,Nothing,,Q");
	const struct graph_node *parallel = node_named(d.graph, "P");
	assert_true(parallel->collapsed && !parallel->children);
	assert_int_equal(parallel->folded_count, 3);
	assert_int_equal(parallel->folded_transitions, 1);
	assert_true(str_eqz(parallel->detail, "2 branches · 3 states"));
	assert_int_equal(edge_between(d.graph, "P", "Q")->transitions_count, 1);
	assert_int_equal(d.graph->folded_count, 3);
	graph_write_json(d.graph, &json);
	assert_non_null(strstr(json.data, "\"container\":true,\"collapsed\":true,\"folded\":[\"B\",\"C\",\"D\"]"));
}

static void an_outer_collapsed_container_holds_the_inner_ones(void **state)
{
	(void)state;
	_cleanup_(drawn_done) struct drawn d;
	draw_collapsed(&d, STR(nested), GRAPH_RIGHT, "P,Each\\, \\\\ all");
	const struct graph_node *map = node_named(d.graph, "Each, \\ all");
	assert_true(map->collapsed);
	assert_int_equal(map->folded_count, 5);
	assert_int_equal(map->folded_transitions, 2);
	assert_int_equal(d.graph->nodes_count, 5); /* Start, A, the Map, Z, End */
	assert_int_equal(d.graph->groups_count, 1);
}

/* Ways that come out at different states say different things, however many they are. */
static void unlike_ways_do_not_fold(void **state)
{
	(void)state;
	_cleanup_(buffer_done) struct buffer text = { 0 };
	_cleanup_(drawn_done) struct drawn d;
	begin(&text, "C");
	buffer_addz(&text, "\"C\":{\"Type\":\"Choice\",\"Choices\":[");
	for (int i = 0; i < 20; i++)
		buffer_printf(&text, "%s{\"Variable\":\"$.x\",\"NumericEquals\":%d,\"Next\":\"F%d\"}", i ? "," : "", i,
			      i);
	buffer_addz(&text, "]}");
	for (int i = 0; i < 20; i++)
		buffer_printf(&text, ",\"F%d\":{\"Type\":\"Pass\",\"Next\":\"G%d\"}", i, i / 2);
	for (int i = 0; i < 10; i++)
		buffer_printf(&text, ",\"G%d\":{\"Type\":\"Pass\",\"End\":true}", i);
	buffer_addz(&text, "}}");
	draw(&d, buffer_str(&text), GRAPH_DOWN);
	assert_int_equal(d.graph->folded_count, 0);
}

static void the_flow_goes_down_or_right(void **state)
{
	(void)state;
	_cleanup_(buffer_done) struct buffer text = { 0 };
	make_chain(&text, 5);
	for (int direction = GRAPH_DOWN; direction <= GRAPH_RIGHT; direction++) {
		_cleanup_(drawn_done) struct drawn d;
		draw(&d, buffer_str(&text), (enum graph_direction)direction);
		const struct graph_box *first = &node_named(d.graph, "S0")->box,
				       *second = &node_named(d.graph, "S1")->box;
		if (direction == GRAPH_DOWN)
			assert_true(first->y + first->h < second->y);
		else
			assert_true(first->x + first->w < second->x);
	}
}

/* Nobody bends a chain for the catchers beside it. */
static void a_chain_is_straight(void **state)
{
	(void)state;
	_cleanup_(buffer_done) struct buffer text = { 0 };
	_cleanup_(drawn_done) struct drawn d;
	make_chain(&text, 30);
	draw(&d, buffer_str(&text), GRAPH_DOWN);
	int32_t least = INT32_MAX, most = 0;
	for (int32_t i = 0; i < d.graph->groups[0].nodes_count; i++) {
		const struct graph_node *node = &d.graph->nodes[i];
		int32_t middle = node->box.x + node->box.w / 2;
		if (str_eqz(node->name, "Failed"))
			continue;
		least = middle < least ? middle : least;
		most = middle > most ? middle : most;
	}
	assert_true(most - least <= 4);
}

static void an_edge_against_the_flow_is_marked(void **state)
{
	(void)state;
	_cleanup_(drawn_done) struct drawn d;
	draw(&d,
	     STR("{\"StartAt\":\"A\",\"States\":{\"A\":{\"Type\":\"Pass\",\"Next\":\"B\"},\"B\":{\"Type\":\"Choice\","
		 "\"Choices\":"
		 "[{\"Variable\":\"$.x\",\"IsNull\":true,\"Next\":\"A\"}],\"Default\":\"C\"},\"C\":{\"Type\":"
		 "\"Succeed\"}}}"),
	     GRAPH_DOWN);
	assert_true(edge_between(d.graph, "B", "A")->back);
	assert_false(edge_between(d.graph, "A", "B")->back);
	assert_int_equal(edge_between(d.graph, "B", "C")->kind, GRAPH_DEFAULT);
}

static void a_lane_that_is_too_long_becomes_a_jump(void **state)
{
	(void)state;
	_cleanup_(buffer_done) struct buffer text = { 0 }, why = { 0 };
	_cleanup_(drawn_done) struct drawn d;
	unsigned jumps = 0;
	make_tangle(&text, 1500);
	draw(&d, buffer_str(&text), GRAPH_DOWN);
	for (uint32_t i = 0; i < d.graph->edges_count; i++)
		if (d.graph->edges[i].jump) {
			assert_true(str_starts(d.graph->edges[i].label.lines[0], STR("→ S")));
			jumps++;
		}
	assert_true(jumps > 0);
}

static void too_many_boxes_are_refused(void **state)
{
	(void)state;
	_cleanup_(buffer_done) struct buffer text = { 0 };
	_cleanup_(arena_done) struct arena arena = { 0 };
	struct limits limits = LIMITS_DEFAULT;
	struct program_options options = { .limits = &limits };
	struct diagnostics diagnostics;
	struct program *program = NULL;
	struct graph *graph = NULL;
	struct wf_error err = { 0 };
	limits.states = 1000000;
	limits.definition_bytes = 64 << 20;
	make_chain(&text, GRAPH_NODES_MAX + 1);
	assert_int_equal(program_compile(buffer_str(&text), &options, &arena, &diagnostics, &program), 0);
	assert_int_equal(graph_make(program, NULL, &arena, &graph, &err), ERR(LIMIT));
	assert_null(graph);
	assert_non_null(strstr(err.message, "20000"));
	program_unref(program);

	buffer_clear(&text);
	make_fan(&text, GRAPH_NODES_MAX); /* as many, but they fold */
	assert_int_equal(program_compile(buffer_str(&text), &options, &arena, &diagnostics, &program), 0);
	assert_int_equal(graph_make(program, NULL, &arena, &graph, &err), 0);
	assert_true(graph->nodes_count < 50);
	program_unref(program);
}

/* ---- words ---------------------------------------------------------------------------------- */

static const struct {
	const char *rule, *text;
} rules[] = {
	{ "\"Variable\":\"$.media.height\",\"NumericGreaterThanEquals\":1080", "$.media.height ≥ 1080" },
	{ "\"Variable\":\"$.a\",\"StringEquals\":\"x\"", "$.a = \"x\"" },
	{ "\"Variable\":\"$.a\",\"NumericLessThanPath\":\"$.b\"", "$.a < $.b" },
	{ "\"Variable\":\"$.a\",\"StringMatches\":\"*.mp4\"", "$.a matches *.mp4" },
	{ "\"Variable\":\"$.a\",\"IsPresent\":false", "$.a is absent" },
	{ "\"Not\":{\"Variable\":\"$.a\",\"BooleanEquals\":true}", "not $.a = true" },
	{ "\"And\":[{\"Variable\":\"$.a\",\"IsNumeric\":true},{\"Or\":[{\"Variable\":\"$.b\",\"IsNull\":true},{"
	  "\"Variable\":\"$.c\",\"IsNull\":false}]}]",
	  "$.a is a number and ($.b is null or $.c is not null)" },
};

static void a_rule_is_said_in_few_words(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
		_cleanup_(buffer_done) struct buffer text = { 0 };
		_cleanup_(drawn_done) struct drawn d;
		begin(&text, "C");
		buffer_printf(
		    &text,
		    "\"C\":{\"Type\":\"Choice\",\"Choices\":[{%s,\"Next\":\"D\"}]},\"D\":{\"Type\":\"Succeed\"}}}",
		    rules[i].rule);
		draw(&d, buffer_str(&text), GRAPH_DOWN);
		char *said = arena_strdup(&d.arena, edge_between(d.graph, "C", "D")->transitions[0].text);
		assert_string_equal(said, rules[i].text);
	}
}

static const struct {
	const char *state, *detail;
} details[] = {
	{ "\"Type\":\"Task\",\"Resource\":\"arn:aws:lambda:us-east-1:123456789012:function:Resize:live\",\"End\":true",
	  "lambda · Resize" },
	{ "\"Type\":\"Task\",\"Resource\":\"arn:aws:states:::lambda:invoke\",\"Parameters\":{\"FunctionName\":\"arn:"
	  "aws:lambda:us-east-1:123456789012:function:Cut\"},\"End\":true",
	  "lambda · Cut" },
	{ "\"Type\":\"Task\",\"Resource\":\"arn:aws:states:::lambda:invoke\",\"Parameters\":{\"FunctionName.$\":\"$."
	  "f\"},\"End\":true",
	  "lambda · invoke" },
	{ "\"Type\":\"Task\",\"Resource\":\"arn:aws:states:::sqs:sendMessage.waitForTaskToken\",\"Parameters\":{"
	  "\"MessageBody.$\":\"$$.Task.Token\"},\"End\":true",
	  "sqs · sendMessage, waits for token" },
	{ "\"Type\":\"Task\",\"Resource\":\"arn:ratchet:exec:::probe\",\"End\":true", "exec · probe" },
	{ "\"Type\":\"Wait\",\"Seconds\":5400,\"End\":true", "wait 1 h 30 min" },
	{ "\"Type\":\"Wait\",\"Seconds\":0,\"End\":true", "wait 0 s" },
	{ "\"Type\":\"Wait\",\"SecondsPath\":\"$.s\",\"End\":true", "wait $.s s" },
	{ "\"Type\":\"Fail\",\"Error\":\"Media.Broken\"", "Media.Broken" },
	{ "\"Type\":\"Fail\"", "fail" },
	{ "\"Type\":\"Map\",\"ItemsPath\":\"$.x\",\"MaxConcurrency\":3,\"End\":true,\"ItemProcessor\":{\"StartAt\":"
	  "\"I\",\"States\":{\"I\":{\"Type\":\"Pass\",\"End\":true}}}",
	  "for each of $.x · 3 at a time" },
};

static void a_state_is_said_in_few_words(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof details / sizeof *details; i++) {
		_cleanup_(buffer_done) struct buffer text = { 0 };
		_cleanup_(drawn_done) struct drawn d;
		begin(&text, "A");
		/* A Fail alone would leave nothing that ends well, which is no fault. */
		buffer_printf(&text, "\"A\":{%s}}}", details[i].state);
		draw(&d, buffer_str(&text), GRAPH_DOWN);
		char *said = arena_strdup(&d.arena, node_named(d.graph, "A")->detail);
		assert_string_equal(said, details[i].detail);
	}
}

static void long_words_are_cut_at_a_character(void **state)
{
	(void)state;
	_cleanup_(arena_done) struct arena arena = { 0 };
	struct graph_text text = text_wrap(&arena, STR("視頻轉碼視頻轉碼視頻轉碼視頻轉碼視頻轉碼視頻轉碼"), 10, 60, 2);
	assert_int_equal(text.lines_count, 2);
	assert_true(text.width <= 60);
	assert_true(str_ends(text.lines[1], STR("…")));
	text = text_wrap(&arena, STR("GetIdempotencyRecordFromDynamoDB"), 13, 150, 2);
	assert_int_equal(text.lines_count, 2);
	assert_string_equal(arena_strdup(&arena, text.lines[0]), "GetIdempotency");
	text = text_wrap(&arena, STR("\n\t \x7f"), 13, 100, 2);
	assert_int_equal(text.lines_count, 0);
	text = text_wrap(&arena, STR("W"), 13, 1, 1); /* a line holds one character at least */
	assert_int_equal(text.lines_count, 1);
}

/* ---- formats -------------------------------------------------------------------------------- */

static void names_cannot_leave_their_quotes(void **state)
{
	(void)state;
	_cleanup_(buffer_done) struct buffer text = { 0 }, svg = { 0 }, dot = { 0 }, mermaid = { 0 };
	_cleanup_(drawn_done) struct drawn d;
	make_nasty_names(&text, 0);
	draw(&d, buffer_str(&text), GRAPH_DOWN);
	graph_write_svg(d.graph, GRAPH_DARK, &svg);
	assert_null(strstr(svg.data, "<script"));
	assert_non_null(strstr(svg.data, "&lt;script&gt;alert(1)"));
	for (size_t i = 0; i < svg.len; i++)
		assert_true((unsigned char)svg.data[i] >= 0x20 || svg.data[i] == '\n');
	assert_null(memmem(svg.data, svg.len, "\xed\xa0", 2)); /* a lone surrogate is no XML */
	graph_write_mermaid(d.graph, &mermaid);
	assert_null(strstr(mermaid.data, "<script"));
	assert_null(strstr(mermaid.data, "a\\n"));
	graph_write_dot(d.graph, &dot);
	assert_non_null(strstr(dot.data, "label=\"]]> & \\\"quoted\\\" 'so'\""));
}

static void json_is_what_its_description_says(void **state)
{
	(void)state;
	_cleanup_(buffer_done) struct buffer text = { 0 }, json = { 0 };
	_cleanup_(value_unrefp) struct value *value = NULL;
	_cleanup_(drawn_done) struct drawn d;
	struct wf_error err = { 0 };
	make_loops(&text, 40);
	draw(&d, buffer_str(&text), GRAPH_RIGHT);
	graph_write_json(d.graph, &json);
	if (value_parse(buffer_str(&json), NULL, &value, &err) != 0)
		fail_msg("%s %s", err.message, err.where);
	assert_true(str_eqz(value_string(value_getz(value, "direction")), "right"));
	const struct value *nodes = value_getz(value, "nodes"), *edges = value_getz(value, "edges");
	assert_int_equal(value_count(nodes), d.graph->nodes_count);
	assert_int_equal(value_count(edges), d.graph->edges_count);
	size_t folded = 0;
	for (size_t i = 0; i < value_count(nodes); i++) {
		const struct value *node = value_at(nodes, i), *source = value_getz(node, "source"),
				   *parent = value_getz(node, "parent");
		assert_int_equal((size_t)value_number(value_getz(node, "id")), i);
		assert_true(value_is(parent, VALUE_NULL) || value_number(parent) < (double)i);
		if (value_getz(node, "folded"))
			folded += value_count(value_getz(node, "folded"));
		if (!source)
			continue;
		struct str object = str_sub(buffer_str(&text), (size_t)value_number(value_at(source, 0)),
					    (size_t)value_number(value_at(source, 1)));
		assert_true(str_starts(object, STR("{\"Type\":")) && str_ends(object, STR("}")));
	}
	assert_int_equal(folded, d.graph->folded_count);
	for (size_t i = 0; i < value_count(edges); i++) {
		const struct value *edge = value_at(edges, i);
		assert_true(str_starts(value_string(value_getz(edge, "path")), STR("M")));
		assert_true(value_number(value_getz(edge, "from")) < (double)d.graph->nodes_count);
		assert_true(value_count(value_getz(edge, "transitions")) > 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_shapes_hold_what_every_graph_must),
		cmocka_unit_test(a_wide_fan_folds_its_last_ways),
		cmocka_unit_test(a_wide_parallel_folds_its_last_branches),
		cmocka_unit_test(a_collapsed_container_is_one_box_with_counts),
		cmocka_unit_test(an_outer_collapsed_container_holds_the_inner_ones),
		cmocka_unit_test(unlike_ways_do_not_fold),
		cmocka_unit_test(the_flow_goes_down_or_right),
		cmocka_unit_test(a_chain_is_straight),
		cmocka_unit_test(an_edge_against_the_flow_is_marked),
		cmocka_unit_test(a_lane_that_is_too_long_becomes_a_jump),
		cmocka_unit_test(too_many_boxes_are_refused),
		cmocka_unit_test(a_rule_is_said_in_few_words),
		cmocka_unit_test(a_state_is_said_in_few_words),
		cmocka_unit_test(long_words_are_cut_at_a_character),
		cmocka_unit_test(names_cannot_leave_their_quotes),
		cmocka_unit_test(json_is_what_its_description_says),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
