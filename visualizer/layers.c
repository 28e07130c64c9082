/* layers.c: cycles, layers, and the vertices of long edges. See layout.h.
 *
 * A layer for every step on the longest way from the start, and between two of them one for labels where there are any.
 * Edges are turned round for the length of the layout where a depth-first walk from the start meets them going back. */
#include "base/mem.h"
#include "visualizer/layout.h"
#include "visualizer/text.h"
#include <stdlib.h>

enum {
	/* Longer edges become jumps when a group would need more of either: */
	BENDS_MAX = 12000,   /* vertices of lanes, labels apart */
	SPANS_MAX = 2000000, /* layers that its edges pass, which bounds the points of their lines */
	JUMP_WIDTH = 190,    /* pixels of a jump's label */
};

/* Boxes stand where their direct neighbours want them; bends give way to boxes, and catchers to all else, so that the
 * main flow stays straight. */
#define PULL_FLOW 1.0
#define PULL_LONG 0.05 /* an edge that goes on past the next layer */
#define PULL_CATCH 0.0001
#define PULL_LANE 4.0     /* between bends */
#define HOLD_BOX 1.0      /* labels of flow too */
#define HOLD_HANDLER 0.02 /* a box that only catchers lead to */
#define HOLD_LONG 0.05    /* labels of such edges */
#define HOLD_BEND 0.002
#define HOLD_CATCH 0.0000001

struct layering {
	struct layout *l;
	uint32_t edges_count;
	uint32_t *out_first, *out; /* edges by source, in order */
	uint32_t *by_target;       /* edges by target and lane class, the longest first */
	uint32_t *order;           /* vertices, sources first */
	uint32_t order_count;
	uint32_t *rank; /* of each node's vertex */
	uint32_t ranks_count;
	bool *labels;        /* for each rank: labels stand behind it */
	uint32_t *layer_of;  /* for each rank */
	uint32_t *lane;      /* for each layer: the current lane's vertex … */
	uint32_t *lane_mark; /* … if this is the current lane's number */
	uint32_t lanes;
	size_t vertices_capacity, links_capacity;
};

static uint32_t source_of(const struct layering *y, uint32_t edge)
{
	return layout_vertex(y->l, layout_edge(y->l, edge)->from);
}

static uint32_t target_of(const struct layering *y, uint32_t edge)
{
	return layout_vertex(y->l, layout_edge(y->l, edge)->to);
}

/* ---- cycles --------------------------------------------------------------------------------- */

static void edges_by_source(struct layering *y)
{
	uint32_t nodes = (uint32_t)y->l->group->nodes_count;
	y->out_first = ARENA_ARRAY(y->l->scratch, uint32_t, nodes + 2);
	y->out = ARENA_ARRAY(y->l->scratch, uint32_t, y->edges_count + 1);
	for (uint32_t e = 0; e < y->edges_count; e++)
		y->out_first[source_of(y, e) + 2]++;
	for (uint32_t i = 2; i < nodes + 2; i++)
		y->out_first[i] += y->out_first[i - 1];
	for (uint32_t e = 0; e < y->edges_count; e++)
		y->out[y->out_first[source_of(y, e) + 1]++] = e;
}

/* Walks from `root`; marks edges that close a cycle, and lists vertices behind all that they lead to. */
static void walk(struct layering *y, uint32_t root, uint8_t *state, uint32_t *stack, uint32_t *next)
{
	enum { NEW, OPEN, DONE };
	uint32_t depth = 0;
	stack[depth++] = root;
	state[root] = OPEN;
	while (depth) {
		uint32_t vertex = stack[depth - 1];
		if (next[vertex] == y->out_first[vertex + 1]) {
			state[vertex] = DONE;
			y->order[y->order_count++] = vertex;
			depth--;
			continue;
		}
		uint32_t edge = y->out[next[vertex]++], target = target_of(y, edge);
		y->l->runs[edge].self = target == vertex;
		layout_edge(y->l, edge)->back = state[target] == OPEN;
		if (state[target] == NEW) {
			state[target] = OPEN;
			stack[depth++] = target;
		}
	}
}

static void break_cycles(struct layering *y)
{
	struct layout *l = y->l;
	uint32_t nodes = (uint32_t)l->group->nodes_count, start = 0;
	uint8_t *state = ARENA_ARRAY(l->scratch, uint8_t, nodes);
	uint32_t *stack = ARENA_ARRAY(l->scratch, uint32_t, nodes), *next = ARENA_ARRAY(l->scratch, uint32_t, nodes);
	y->order = ARENA_ARRAY(l->scratch, uint32_t, nodes);
	memcpy(next, y->out_first, nodes * sizeof *next);
	if (l->group->owner != GRAPH_NONE) { /* a branch begins at its scope's start, the machine at its marker */
		const struct graph_node *first = &l->graph->nodes[l->group->first_node];
		uint32_t scope = first->state ? first->state->scope : 0;
		start = layout_vertex(l, l->graph->node_of[l->graph->program->scopes[scope].start]);
	}
	walk(y, start, state, stack, next);
	for (uint32_t v = 0; v < nodes; v++)
		if (!state[v])
			walk(y, v, state, stack, next);
	for (uint32_t i = 0; i < nodes / 2; i++) {
		uint32_t kept = y->order[i];
		y->order[i] = y->order[nodes - 1 - i];
		y->order[nodes - 1 - i] = kept;
	}
}

/* ---- ranks ---------------------------------------------------------------------------------- */

static void rank_nodes(struct layering *y)
{
	y->rank = ARENA_ARRAY(y->l->scratch, uint32_t, y->l->group->nodes_count);
	/* Edges back have no say: the walk came to their source from their target, so that it is lower anyway. */
	for (uint32_t i = 0; i < y->order_count; i++) {
		uint32_t vertex = y->order[i], rank = y->rank[vertex];
		for (uint32_t o = y->out_first[vertex]; o < y->out_first[vertex + 1]; o++) {
			uint32_t edge = y->out[o], target = target_of(y, edge);
			if (!layout_edge(y->l, edge)->back && y->rank[target] < rank + 1)
				y->rank[target] = rank + 1;
		}
		y->ranks_count = rank + 1 > y->ranks_count ? rank + 1 : y->ranks_count;
	}
}

static uint32_t edge_span(const struct layering *y, uint32_t edge)
{
	uint32_t from = y->rank[source_of(y, edge)], to = y->rank[target_of(y, edge)];
	return from < to ? to - from : from - to;
}

/* Edges to one target: forward flow, forward catchers, then both against the flow. */
static unsigned lane_class(const struct layering *y, uint32_t edge)
{
	const struct graph_edge *e = layout_edge(y->l, edge);
	return (unsigned)e->back * 2 + (e->kind == GRAPH_CATCH);
}

struct spanned {
	uint32_t edge, span;
};

static int compare_spans(const void *a, const void *b)
{
	const struct spanned *x = a, *y = b;
	if (x->span != y->span)
		return x->span > y->span ? -1 : 1;
	return (x->edge > y->edge) - (x->edge < y->edge);
}

/* The longest makes the lane, so that all others join it where they come to it. */
static void sort_by_span(struct layering *y, uint32_t *edges, uint32_t count, struct spanned *spanned)
{
	for (uint32_t i = 0; i < count; i++)
		spanned[i] = (struct spanned){ edges[i], edge_span(y, edges[i]) };
	qsort(spanned, count, sizeof *spanned, compare_spans);
	for (uint32_t i = 0; i < count; i++)
		edges[i] = spanned[i].edge;
}

static void edges_by_target(struct layering *y)
{
	struct spanned *spanned = ARENA_ARRAY(y->l->scratch, struct spanned, y->edges_count + 1);
	uint32_t keys = (uint32_t)y->l->group->nodes_count * 4;
	uint32_t *first = ARENA_ARRAY(y->l->scratch, uint32_t, keys + 1);
	y->by_target = ARENA_ARRAY(y->l->scratch, uint32_t, y->edges_count + 1);
	for (uint32_t e = 0; e < y->edges_count; e++)
		first[target_of(y, e) * 4 + lane_class(y, e) + 1]++;
	for (uint32_t i = 1; i <= keys; i++)
		first[i] += first[i - 1];
	for (uint32_t e = 0; e < y->edges_count; e++)
		y->by_target[first[target_of(y, e) * 4 + lane_class(y, e)]++] = e;
	for (uint32_t i = 0, from = 0; i < keys; from = first[i++]) /* first[] are the ends now */
		sort_by_span(y, y->by_target + from, first[i] - from, spanned);
}

/* Whether all edges no longer than `span_max` can be drawn. A lane has bends for its longest edge, an edge against the
 * flow has one of its own; both counted with the layers for labels. */
static bool can_draw(const struct layering *y, uint32_t span_max)
{
	uint64_t bends = 0, spans = 0;
	for (uint32_t i = 0; i < y->edges_count;) {
		uint32_t first = y->by_target[i], longest = 0;
		for (; i < y->edges_count; i++) {
			uint32_t edge = y->by_target[i], span = edge_span(y, edge);
			if (target_of(y, edge) != target_of(y, first) || lane_class(y, edge) != lane_class(y, first))
				break;
			if (span > span_max)
				continue;
			longest = span > longest ? span : longest;
			bends += layout_edge(y->l, edge)->back;
			spans += span;
		}
		bends += 2 * (uint64_t)longest;
	}
	return bends <= BENDS_MAX && spans <= SPANS_MAX;
}

static void choose_jumps(struct layering *y)
{
	uint32_t span_max = y->ranks_count;
	while (span_max > 1 && !can_draw(y, span_max))
		span_max /= 2;
	for (uint32_t e = 0; e < y->edges_count; e++) {
		struct graph_edge *edge = layout_edge(y->l, e);
		if (y->l->runs[e].self || edge_span(y, e) <= span_max)
			continue;
		struct str name = y->l->graph->nodes[edge->to].name;
		edge->jump = true;
		edge->label = text_wrap(y->l->arena, arena_format(y->l->scratch, "→ %.*s", STR_FMT(name)), LABEL_SIZE,
					JUMP_WIDTH, 2);
	}
}

/* ---- layers --------------------------------------------------------------------------------- */

/* The rank behind which an edge's label stands. */
static uint32_t label_rank(const struct layering *y, uint32_t edge)
{
	const struct graph_edge *e = layout_edge(y->l, edge);
	uint32_t rank = y->rank[source_of(y, edge)];
	return e->back && !e->jump ? rank - 1 : rank;
}

static bool has_label(const struct layering *y, uint32_t edge)
{
	return layout_edge(y->l, edge)->label.lines_count && !y->l->runs[edge].self;
}

static void make_layers(struct layering *y)
{
	struct layout *l = y->l;
	y->labels = ARENA_ARRAY(l->scratch, bool, y->ranks_count);
	y->layer_of = ARENA_ARRAY(l->scratch, uint32_t, y->ranks_count);
	for (uint32_t e = 0; e < y->edges_count; e++)
		if (has_label(y, e))
			y->labels[label_rank(y, e)] = true;
	for (uint32_t r = 0; r < y->ranks_count; r++) {
		y->layer_of[r] = l->layers_count;
		l->layers_count += 1 + y->labels[r];
	}
	l->layers = ARENA_ARRAY(l->scratch, struct layer, l->layers_count);
	y->lane = ARENA_ARRAY(l->scratch, uint32_t, l->layers_count);
	y->lane_mark = ARENA_ARRAY(l->scratch, uint32_t, l->layers_count);
	for (uint32_t v = 0; v < l->vertices_count; v++)
		l->vertices[v].layer = y->layer_of[y->rank[v]];
}

/* ---- vertices of long edges ----------------------------------------------------------------- */

static uint32_t vertex_add(struct layering *y, uint32_t layer, uint32_t lane_end, double weight)
{
	struct layout *l = y->l;
	MEM_GROW(l->vertices, y->vertices_capacity, l->vertices_count + 1);
	l->vertices[l->vertices_count] = (struct vertex){ .node = GRAPH_NONE,
							  .edge = GRAPH_NONE,
							  .layer = layer,
							  .weight = weight,
							  .beside = VERTEX_NONE,
							  .next = VERTEX_NONE,
							  .lane_end = lane_end };
	return l->vertices_count++;
}

static double hold_of(const struct layering *y, uint32_t edge, double flow)
{
	return layout_edge(y->l, edge)->kind == GRAPH_CATCH ? HOLD_CATCH : flow;
}

static uint32_t label_add(struct layering *y, uint32_t edge, uint32_t layer, uint32_t lane_end)
{
	uint32_t index =
	    vertex_add(y, layer, lane_end, hold_of(y, edge, edge_span(y, edge) > 1 ? HOLD_LONG : HOLD_BOX));
	struct vertex *vertex = &y->l->vertices[index];
	struct graph_box size = label_size(&layout_edge(y->l, edge)->label);
	bool right = layout_is_right(y->l);
	vertex->edge = (int32_t)edge;
	vertex->before = vertex->after = (right ? size.h : size.w) / 2.0;
	vertex->along_size = right ? size.w : size.h;
	return index;
}

static void link_add(struct layering *y, uint32_t above, uint32_t below, double weight)
{
	struct layout *l = y->l;
	MEM_GROW(l->links, y->links_capacity, l->links_count + 1);
	l->links[l->links_count++] = (struct link){ .above = above, .below = below, .weight = weight };
}

/* The vertex of `edge`'s lane in `layer`; made if the lane does not pass there yet (*ret_joined: it does). */
static uint32_t lane_vertex(struct layering *y, uint32_t edge, uint32_t layer, bool *ret_joined)
{
	*ret_joined = y->lane_mark[layer] == y->lanes;
	if (!*ret_joined) {
		y->lane[layer] = vertex_add(y, layer, target_of(y, edge), hold_of(y, edge, HOLD_BEND));
		y->lane_mark[layer] = y->lanes;
	}
	return y->lane[layer];
}

static void chain(struct layering *y, uint32_t edge, uint32_t *last, uint32_t vertex)
{
	if (*last == VERTEX_NONE)
		y->l->runs[edge].first = vertex;
	else
		y->l->vertices[*last].next = vertex;
	*last = vertex;
}

static void run_forward(struct layering *y, uint32_t edge)
{
	uint32_t from = source_of(y, edge), to = target_of(y, edge), last = VERTEX_NONE, above = from;
	uint32_t layer = y->l->vertices[from].layer, end = y->l->vertices[to].layer;
	bool catcher = layout_edge(y->l, edge)->kind == GRAPH_CATCH, joined = false;
	double weight = catcher ? PULL_CATCH : y->rank[to] - y->rank[from] > 1 ? PULL_LONG : PULL_FLOW;
	uint32_t label_layer = has_label(y, edge) ? layer + 1 : VERTEX_NONE;
	for (layer++; layer < end && !joined; layer++) {
		uint32_t vertex =
		    layer == label_layer ? label_add(y, edge, layer, to) : lane_vertex(y, edge, layer, &joined);
		chain(y, edge, &last, vertex);
		link_add(y, above, vertex, above == from ? weight : PULL_LANE);
		above = vertex;
	}
	if (joined)
		y->l->runs[edge].join = last;
	else
		link_add(y, above, to, weight);
}

/* From beside the source (which is below) up to beside the target. */
static void run_back(struct layering *y, uint32_t edge)
{
	uint32_t from = source_of(y, edge), to = target_of(y, edge), last = VERTEX_NONE;
	uint32_t layer = y->l->vertices[from].layer, end = y->l->vertices[to].layer;
	uint32_t label_layer = has_label(y, edge) ? layer - 1 : VERTEX_NONE;
	bool joined = false;
	y->l->layers[layer].turns_after = true;
	y->l->layers[end].turns_before = true;
	uint32_t below = vertex_add(y, layer, to, hold_of(y, edge, HOLD_BEND));
	y->l->vertices[below].beside = from;
	chain(y, edge, &last, below);
	while (layer-- > end && !joined) {
		uint32_t vertex =
		    layer == label_layer ? label_add(y, edge, layer, to) : lane_vertex(y, edge, layer, &joined);
		if (layer == end)
			y->l->vertices[vertex].beside = to;
		chain(y, edge, &last, vertex);
		link_add(y, vertex, below, PULL_LANE);
		below = vertex;
	}
	if (joined)
		y->l->runs[edge].join = last;
}

static void make_runs(struct layering *y)
{
	uint32_t lane_of = VERTEX_NONE; /* an edge of the current lane */
	for (uint32_t i = 0; i < y->edges_count; i++) {
		uint32_t edge = y->by_target[i];
		const struct graph_edge *e = layout_edge(y->l, edge);
		if (lane_of == VERTEX_NONE || target_of(y, edge) != target_of(y, lane_of) ||
		    lane_class(y, edge) != lane_class(y, lane_of))
			y->lanes++;
		lane_of = edge;
		if (y->l->runs[edge].self)
			continue;
		if (e->jump) {
			uint32_t from = source_of(y, edge), last = VERTEX_NONE;
			uint32_t label = label_add(y, edge, y->l->vertices[from].layer + 1, VERTEX_NONE);
			chain(y, edge, &last, label);
			link_add(y, from, label, PULL_FLOW);
		} else if (e->back) {
			run_back(y, edge);
		} else {
			run_forward(y, edge);
		}
	}
}

/* ---- neighbours ----------------------------------------------------------------------------- */

static void make_neighbours(struct layout *l, struct neighbours *n, bool below)
{
	n->first = ARENA_ARRAY(l->scratch, uint32_t, l->vertices_count + 2);
	n->items = ARENA_ARRAY(l->scratch, struct neighbour, l->links_count + 1);
	for (uint32_t i = 0; i < l->links_count; i++)
		n->first[(below ? l->links[i].above : l->links[i].below) + 2]++;
	for (uint32_t v = 2; v < l->vertices_count + 2; v++)
		n->first[v] += n->first[v - 1];
	for (uint32_t i = 0; i < l->links_count; i++) {
		const struct link *link = &l->links[i];
		uint32_t owner = below ? link->above : link->below, other = below ? link->below : link->above;
		n->items[n->first[owner + 1]++] = (struct neighbour){ .vertex = other, .weight = link->weight };
	}
}

/* Vertices and links grew by malloc; the rest of the layout finds them in the arena. */
static void settle(struct layout *l)
{
	struct vertex *vertices = l->vertices;
	struct link *links = l->links;
	l->vertices = ARENA_ARRAY(l->scratch, struct vertex, l->vertices_count);
	memcpy(l->vertices, vertices, l->vertices_count * sizeof *vertices);
	l->links = ARENA_ARRAY(l->scratch, struct link, l->links_count + 1);
	if (links)
		memcpy(l->links, links, l->links_count * sizeof *links);
	free(vertices);
	free(links);
}

static void node_vertices(struct layering *y)
{
	struct layout *l = y->l;
	bool right = layout_is_right(l);
	for (int32_t i = 0; i < l->group->nodes_count; i++) {
		const struct graph_box *box = &l->graph->nodes[l->group->first_node + i].box;
		uint32_t index = vertex_add(y, 0, VERTEX_NONE, HOLD_HANDLER);
		struct vertex *vertex = &l->vertices[index];
		vertex->node = l->group->first_node + i;
		vertex->before = vertex->after = (right ? box->h : box->w) / 2.0;
		vertex->along_size = right ? box->w : box->h;
	}
	for (uint32_t e = 0; e < y->edges_count; e++) {
		if (layout_edge(l, e)->kind != GRAPH_CATCH)
			l->vertices[target_of(y, e)].weight = HOLD_BOX;
		if (!l->runs[e].self)
			continue;
		struct vertex *vertex = &l->vertices[source_of(y, e)];
		struct graph_box label = label_size(&layout_edge(l, e)->label);
		vertex->after += SELF_LOOP + (right ? label.h : label.w);
		double along = right ? label.w : label.h;
		vertex->along_size = vertex->along_size < along ? along : vertex->along_size;
	}
}

void layout_layers(struct layout *l)
{
	struct layering y = { .l = l, .edges_count = l->group->edges_count };
	l->runs = ARENA_ARRAY(l->scratch, struct run, y.edges_count + 1);
	for (uint32_t e = 0; e < y.edges_count; e++)
		l->runs[e].first = l->runs[e].join = VERTEX_NONE;
	edges_by_source(&y);
	break_cycles(&y);
	node_vertices(&y);
	rank_nodes(&y);
	edges_by_target(&y);
	choose_jumps(&y);
	make_layers(&y);
	make_runs(&y);
	settle(l);
	make_neighbours(l, &l->above, false);
	make_neighbours(l, &l->below, true);
}
