/* check.c: what must hold of every graph. It asks the program itself what states and transitions there are, and looks
 * at the points and boxes as a pen would draw them; nothing of the layout's own reasoning is used. */
#include "check.h"
#include "base/mem.h"
#include <stdlib.h>

struct checker {
	const struct graph *graph;
	struct buffer *why;
	int faults;
};

static void fault(struct checker *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void fault(struct checker *c, const char *format, ...)
{
	va_list args;
	if (c->faults++ >= 5)
		return;
	va_start(args, format);
	buffer_vprintf(c->why, format, args);
	va_end(args);
	buffer_byte(c->why, '\n');
}

/* ---- states and transitions ----------------------------------------------------------------- */

static void check_states(struct checker *c)
{
	const struct graph *graph = c->graph;
	uint32_t count = graph->program->states_count;
	unsigned *seen = mem_zalloc(count * sizeof *seen);
	for (uint32_t i = 0; i < graph->nodes_count; i++) {
		const struct graph_node *node = &graph->nodes[i];
		if (node->kind == GRAPH_STATE) {
			seen[node->state->index]++;
			if (graph->node_of[node->state->index] != (int32_t)i)
				fault(c, "node_of of %.*s is wrong", STR_FMT(node->name));
		}
		for (uint32_t f = 0; f < node->folded_count; f++) {
			seen[node->folded[f]]++;
			if (graph->node_of[node->folded[f]] != (int32_t)i)
				fault(c, "node_of of a folded state is wrong");
		}
	}
	for (uint32_t s = 0; s < count; s++)
		if (seen[s] != 1)
			fault(c, "state %.*s appears %u times", STR_FMT(graph->program->states[s].name), seen[s]);
	mem_freep(&seen);
}

/* Where a transition leads by the program; *ret_found false if there is no such transition. */
static uint32_t target_of(const struct state *state, const struct graph_transition *t, bool *ret_found)
{
	*ret_found = true;
	switch (t->kind) {
	case GRAPH_NEXT:
		*ret_found = state->type != STATE_CHOICE && state->type != STATE_FAIL &&
			     (state->next != STATE_NONE || state->scope == 0);
		return state->next;
	case GRAPH_CHOICE:
		*ret_found = state->type == STATE_CHOICE && t->index < state->choice.rules_count;
		return *ret_found ? state->choice.rules[t->index].next : STATE_NONE;
	case GRAPH_DEFAULT:
		*ret_found = state->type == STATE_CHOICE && state->choice.fallback != STATE_NONE;
		return *ret_found ? state->choice.fallback : STATE_NONE;
	case GRAPH_CATCH:
		*ret_found = t->index < state->catchers_count;
		return *ret_found ? state->catchers[t->index].next : STATE_NONE;
	}
	return STATE_NONE;
}

static uint64_t count_transitions(const struct program *program)
{
	uint64_t count = 1; /* from Start */
	for (uint32_t s = 0; s < program->states_count; s++) {
		const struct state *state = &program->states[s];
		count += state->catchers_count;
		if (state->type == STATE_CHOICE)
			count += state->choice.rules_count + (state->choice.fallback != STATE_NONE);
		else if (state->next != STATE_NONE || (state->scope == 0 && state->type != STATE_FAIL))
			count++;
	}
	return count;
}

static void check_transition(struct checker *c, const struct graph_edge *edge, const struct graph_transition *t)
{
	const struct graph *graph = c->graph;
	bool found;
	if (t->from == STATE_NONE) {
		if (graph->nodes[edge->from].kind != GRAPH_START ||
		    edge->to != graph->node_of[graph->program->scopes[0].start])
			fault(c, "the line from Start leads elsewhere");
		return;
	}
	uint32_t target = target_of(&graph->program->states[t->from], t, &found);
	if (!found)
		fault(c, "there is a transition that the program does not have");
	else if (edge->from != graph->node_of[t->from])
		fault(c, "a transition leaves the wrong box");
	else if (target == STATE_NONE ? graph->nodes[edge->to].kind != GRAPH_END : edge->to != graph->node_of[target])
		fault(c, "a transition leads to the wrong box");
	if ((t->kind == GRAPH_CATCH) != (edge->kind == GRAPH_CATCH))
		fault(c, "a catcher shares a line with another kind");
}

static int compare_keys(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return (x > y) - (x < y);
}

static void check_transitions(struct checker *c)
{
	const struct graph *graph = c->graph;
	uint64_t wanted = count_transitions(graph->program), shown = 0, hidden = 0;
	uint64_t *keys = mem_zalloc((wanted + 1) * sizeof *keys);
	for (uint32_t i = 0; i < graph->edges_count; i++)
		for (uint32_t t = 0; t < graph->edges[i].transitions_count; t++) {
			const struct graph_transition *transition = &graph->edges[i].transitions[t];
			check_transition(c, &graph->edges[i], transition);
			if (shown < wanted)
				keys[shown] = (uint64_t)transition->from << 32 | (uint64_t)transition->kind << 28 |
					      transition->index;
			shown++;
		}
	for (uint32_t i = 0; i < graph->nodes_count; i++)
		hidden += graph->nodes[i].folded_transitions;
	if (shown + hidden != wanted)
		fault(c, "%llu transitions are drawn and %llu folded, of %llu", (unsigned long long)shown,
		      (unsigned long long)hidden, (unsigned long long)wanted);
	if (shown <= wanted) {
		qsort(keys, shown, sizeof *keys, compare_keys);
		for (uint64_t i = 1; i < shown; i++)
			if (keys[i] == keys[i - 1])
				fault(c, "a transition is drawn twice");
	}
	mem_freep(&keys);
}

/* ---- boxes ---------------------------------------------------------------------------------- */

static bool inside(const struct graph_box *inner, const struct graph_box *outer)
{
	return inner->x >= outer->x && inner->y >= outer->y && inner->x + inner->w <= outer->x + outer->w &&
	       inner->y + inner->h <= outer->y + outer->h;
}

static bool overlap(const struct graph_box *a, const struct graph_box *b)
{
	return a->x < b->x + b->w && b->x < a->x + a->w && a->y < b->y + b->h && b->y < a->y + a->h;
}

static void check_boxes(struct checker *c)
{
	const struct graph *graph = c->graph;
	struct graph_box picture = { 0, 0, graph->width, graph->height };
	for (uint32_t i = 0; i < graph->nodes_count; i++) {
		const struct graph_node *node = &graph->nodes[i];
		const struct graph_box *around =
		    node->parent == GRAPH_NONE ? &picture : &graph->nodes[node->parent].box;
		if (node->box.w <= 0 || node->box.h <= 0 || !inside(&node->box, around))
			fault(c, "%.*s is not inside of what is around it", STR_FMT(node->name));
		for (int32_t a = node->first_child; a < node->first_child + node->children; a++)
			for (int32_t b = a + 1; b < node->first_child + node->children; b++)
				if (overlap(&graph->nodes[a].box, &graph->nodes[b].box))
					fault(c, "%.*s and %.*s overlap", STR_FMT(graph->nodes[a].name),
					      STR_FMT(graph->nodes[b].name));
	}
	for (int32_t a = 0; a < graph->groups[0].nodes_count; a++)
		for (int32_t b = a + 1; b < graph->groups[0].nodes_count; b++)
			if (overlap(&graph->nodes[a].box, &graph->nodes[b].box))
				fault(c, "%.*s and %.*s overlap", STR_FMT(graph->nodes[a].name),
				      STR_FMT(graph->nodes[b].name));
}

/* ---- lines and labels ----------------------------------------------------------------------- */

/* A point on the curve of a piece of the line, 0 ≤ t ≤ 1; curves leave and arrive along the flow. */
static struct graph_point on_piece(const struct graph *graph, struct graph_point a, struct graph_point b, double t)
{
	double swing = t * t * (3 - 2 * t); /* what goes across */
	double u = 1 - t;
	/* Control points half way along: 3u²t·½ + 3ut²·½ + t³ of the way. */
	double along = 1.5 * u * u * t + 1.5 * u * t * t + t * t * t;
	if (a.x == b.x || a.y == b.y)
		swing = along = t;
	bool right = graph->direction == GRAPH_RIGHT;
	return (struct graph_point){ a.x + (int32_t)((b.x - a.x) * (right ? along : swing)),
				     a.y + (int32_t)((b.y - a.y) * (right ? swing : along)) };
}

/* Whether the line goes through the inside of a box. */
static bool cuts(const struct graph *graph, const struct graph_edge *edge, const struct graph_box *box)
{
	enum { STEPS = 24 };
	for (uint32_t i = 1; i < edge->points_count; i++) {
		struct graph_point a = edge->points[i - 1], b = edge->points[i];
		struct graph_box reach = { a.x < b.x ? a.x : b.x, a.y < b.y ? a.y : b.y, abs(a.x - b.x) + 1,
					   abs(a.y - b.y) + 1 };
		if ((edge->gap && i == edge->gap) || !overlap(&reach, box))
			continue;
		for (int step = 0; step <= STEPS; step++) {
			struct graph_point p = on_piece(graph, a, b, (double)step / STEPS);
			if (p.x > box->x + 1 && p.x < box->x + box->w - 1 && p.y > box->y + 1 &&
			    p.y < box->y + box->h - 1)
				return true;
		}
		bool straight = a.x == b.x || a.y == b.y;
		struct graph_box core = { box->x + 2, box->y + 2, box->w - 4, box->h - 4 };
		if (straight && overlap(&reach, &core))
			return true;
	}
	return false;
}

static void check_edge(struct checker *c, const struct graph_group *group, const struct graph_edge *edge)
{
	const struct graph *graph = c->graph;
	struct str from = graph->nodes[edge->from].name, to = graph->nodes[edge->to].name;
	struct graph_box picture = { 0, 0, graph->width, graph->height };
	const struct graph_box *around = group->owner == GRAPH_NONE ? &picture : &graph->nodes[group->owner].box;
	if (edge->points_count < 2)
		fault(c, "%.*s → %.*s has no line", STR_FMT(from), STR_FMT(to));
	for (uint32_t i = 0; i < edge->points_count; i++) {
		struct graph_box point = { edge->points[i].x, edge->points[i].y, 0, 0 };
		if (!inside(&point, around))
			fault(c, "%.*s → %.*s leaves what is around it", STR_FMT(from), STR_FMT(to));
	}
	for (int32_t n = group->first_node; n < group->first_node + group->nodes_count; n++) {
		const struct graph_box *box = &graph->nodes[n].box;
		if (n != edge->from && n != edge->to && cuts(graph, edge, box))
			fault(c, "%.*s → %.*s cuts %.*s", STR_FMT(from), STR_FMT(to), STR_FMT(graph->nodes[n].name));
		if (edge->label.lines_count && overlap(&edge->label_box, box))
			fault(c, "the label of %.*s → %.*s covers %.*s", STR_FMT(from), STR_FMT(to),
			      STR_FMT(graph->nodes[n].name));
	}
	if (!edge->label.lines_count)
		return;
	if (edge->label_box.w <= 0 || edge->label_box.h <= 0 || !inside(&edge->label_box, around))
		fault(c, "the label of %.*s → %.*s is not inside", STR_FMT(from), STR_FMT(to));
	for (uint32_t e = group->first_edge; e < group->first_edge + group->edges_count; e++) {
		const struct graph_edge *other = &graph->edges[e];
		if (other > edge && other->label.lines_count && overlap(&edge->label_box, &other->label_box))
			fault(c, "labels of %.*s → %.*s and another overlap", STR_FMT(from), STR_FMT(to));
		if (cuts(graph, other, &edge->label_box))
			fault(c, "a line cuts the label of %.*s → %.*s", STR_FMT(from), STR_FMT(to));
	}
}

static void check_edges(struct checker *c)
{
	const struct graph *graph = c->graph;
	uint32_t next = 0;
	for (uint32_t g = 0; g < graph->groups_count; g++) {
		const struct graph_group *group = &graph->groups[g];
		if (group->first_edge != next && group->edges_count)
			fault(c, "a group's edges do not follow the last one's");
		next = group->first_edge + group->edges_count;
		for (uint32_t e = group->first_edge; e < next; e++)
			check_edge(c, group, &graph->edges[e]);
	}
	if (next != graph->edges_count)
		fault(c, "there are edges that belong to no group");
}

/* ---- all of it ------------------------------------------------------------------------------ */

int check_graph(const struct graph *graph, struct buffer *why)
{
	struct checker c = { .graph = graph, .why = why };
	check_states(&c);
	check_transitions(&c);
	check_boxes(&c);
	check_edges(&c);
	return c.faults;
}

static void write_all(const struct program *program, const struct graph_options *options, struct buffer *out)
{
	_cleanup_(arena_done) struct arena arena = { 0 };
	struct graph *graph;
	if (graph_make(program, options, &arena, &graph, NULL) != 0)
		return;
	graph_write_json(graph, out);
	graph_write_svg(graph, GRAPH_LIGHT, out);
	graph_write_svg(graph, GRAPH_DARK, out);
	graph_write_dot(graph, out);
	graph_write_mermaid(graph, out);
}

static int check_direction(const struct program *program, const struct graph_options *options, struct buffer *why)
{
	_cleanup_(arena_done) struct arena arena = { 0 };
	_cleanup_(buffer_done) struct buffer first = { 0 }, second = { 0 };
	struct graph *graph;
	struct wf_error err = { 0 };
	if (graph_make(program, options, &arena, &graph, &err) != 0) {
		buffer_printf(why, "%s\n", err.message);
		return 1;
	}
	int faults = check_graph(graph, why);
	write_all(program, options, &first);
	write_all(program, options, &second);
	if (!str_eq(buffer_str(&first), buffer_str(&second))) {
		buffer_addz(why, "the same program gave other bytes\n");
		faults++;
	}
	return faults;
}

/* Every second container, an outer one or what is inside of it. */
static void collapse_some(const struct program *program, struct arena *arena, struct graph_options *options)
{
	struct str *names = ARENA_ARRAY(arena, struct str, program->states_count + 1);
	uint32_t containers = 0;
	options->collapsed = names;
	for (uint32_t i = 0; i < program->states_count; i++) {
		uint32_t branches;
		graph_branches(&program->states[i], &branches);
		if (branches && containers++ % 2 == 0)
			names[options->collapsed_count++] = program->states[i].name;
	}
}

int check_definition_graphs(struct str definition, uint32_t fan_max, struct buffer *why)
{
	_cleanup_(arena_done) struct arena arena = { 0 };
	struct diagnostics diagnostics;
	struct program *program = NULL;
	if (program_compile(definition, NULL, &arena, &diagnostics, &program) != 0)
		return -1;
	struct graph_options options = { .fan_max = fan_max, .direction = GRAPH_DOWN };
	int faults = check_direction(program, &options, why);
	options.direction = GRAPH_RIGHT;
	faults += check_direction(program, &options, why);
	collapse_some(program, &arena, &options);
	if (options.collapsed_count)
		faults += check_direction(program, &options, why);
	program_unref(program);
	return faults;
}
