/* route.c: the points of edges, and where their labels stand. See layout.h.
 *
 * An edge goes straight through the layers it passes and bends only in the gaps between them, where no box is; so it
 * never cuts through one. An edge against the flow turns round in the gap below its source and above its target. */
#include "visualizer/layout.h"
#include <math.h>

enum {
	TURN = 17,       /* along: how far out of the layer an edge turns round */
	PORT_ASIDE = 14, /* across: how far from the middle of its box a catcher's line begins */
	LOOP_OUT = 16,   /* across: how far a self loop goes out of its box */
	LOOP_HALF = 8,   /* along: half of a loop's opening */
	LABEL_AWAY = 4,  /* across: between a loop and its label */
};

struct pen { /* the edge being drawn */
	struct layout *l;
	struct graph_edge *edge;
};

static struct graph_point at(const struct layout *l, double across, double along)
{
	int32_t a = (int32_t)lround(across), b = (int32_t)lround(along);
	return layout_is_right(l) ? (struct graph_point){ b, a } : (struct graph_point){ a, b };
}

static void point(struct pen *pen, double across, double along)
{
	struct graph_edge *edge = pen->edge;
	struct graph_point p = at(pen->l, across, along);
	const struct graph_point *last = edge->points_count ? &edge->points[edge->points_count - 1] : NULL;
	bool at_gap = edge->gap && edge->points_count == edge->gap;
	if (last && !at_gap && last->x == p.x && last->y == p.y)
		return;
	edge->points[edge->points_count++] = p;
}

static double layer_end(const struct layer *layer)
{
	return layer->start + layer->size;
}

/* A node's box ends here along the flow; it begins where its layer does. */
static double node_end(const struct layout *l, uint32_t vertex)
{
	const struct graph_box *box = &l->graph->nodes[l->vertices[vertex].node].box;
	return l->layers[l->vertices[vertex].layer].start + (layout_is_right(l) ? box->w : box->h);
}

/* Puts the label around the middle of its vertex; returns where it begins along the flow. */
static double put_label(struct pen *pen, const struct vertex *vertex)
{
	const struct layer *layer = &pen->l->layers[vertex->layer];
	struct graph_box size = label_size(&pen->edge->label);
	double along = layer->start + floor((layer->size - vertex->along_size) / 2);
	struct graph_point corner = at(pen->l, vertex->across - vertex->before, along);
	pen->edge->label_box = (struct graph_box){ corner.x, corner.y, size.w, size.h };
	return along;
}

/* A lane that many edges share is walked piece by piece, not bend by bend: for each bend, the last one that can be
 * reached from it without going across. */
static void find_pieces(struct layout *l)
{
	l->piece_end = ARENA_ARRAY(l->scratch, uint32_t, l->vertices_count);
	for (unsigned back = 0; back < 2; back++) {
		for (uint32_t i = 0; i < l->vertices_count;
		     i++) { /* where an edge goes on is known before where it comes from */
			uint32_t v = l->items[back ? i : l->vertices_count - 1 - i], next = l->vertices[v].next;
			bool up = next != VERTEX_NONE && l->vertices[next].layer < l->vertices[v].layer;
			if (next != VERTEX_NONE && up != back)
				continue;
			bool straight = next != VERTEX_NONE && l->vertices[next].across == l->vertices[v].across &&
					l->vertices[v].edge == GRAPH_NONE && l->vertices[next].edge == GRAPH_NONE;
			l->piece_end[v] = straight ? l->piece_end[next] : v;
		}
	}
}

/* From a vertex to the end of its straight piece, up or down, around the label if it is one; returns that end. */
static uint32_t pass(struct pen *pen, uint32_t index, bool up)
{
	const struct vertex *vertex = &pen->l->vertices[index];
	const struct layer *layer = &pen->l->layers[vertex->layer];
	uint32_t end = pen->l->piece_end[index], join = pen->l->runs[pen->edge - layout_edge(pen->l, 0)].join;
	const struct layer *last = &pen->l->layers[pen->l->vertices[end].layer];
	point(pen, vertex->across, up ? layer_end(layer) : layer->start);
	if (index == join)
		pen->edge->shared = pen->edge->points_count - 1;
	if (vertex->edge != GRAPH_NONE) {
		double first = put_label(pen, vertex), second = first + vertex->along_size;
		point(pen, vertex->across, up ? second : first);
		pen->edge->gap = pen->edge->points_count;
		point(pen, vertex->across, up ? first : second);
	}
	point(pen, vertex->across, up ? last->start : layer_end(last));
	return end;
}

/* Where an edge leaves its source: in the middle, a catcher a little to the side that it goes to, so that it does not
 * cover the way on. */
static double port(const struct pen *pen, uint32_t from, uint32_t first)
{
	const struct vertex *vertices = pen->l->vertices, *source = &vertices[from];
	if (pen->edge->kind != GRAPH_CATCH || first == VERTEX_NONE)
		return source->across;
	double aside = vertices[first].across - source->across;
	return source->across + (aside > PORT_ASIDE ? PORT_ASIDE : aside < -PORT_ASIDE ? -PORT_ASIDE : aside);
}

static void draw_forward(struct pen *pen, uint32_t from, uint32_t to, uint32_t first)
{
	struct layout *l = pen->l;
	const struct vertex *source = &l->vertices[from], *target = &l->vertices[to];
	double out = port(pen, from, first);
	point(pen, out, node_end(l, from));
	point(pen, out, layer_end(&l->layers[source->layer]));
	for (uint32_t v = first; v != VERTEX_NONE; v = l->vertices[v].next)
		v = pass(pen, v, false);
	point(pen, target->across, l->layers[target->layer].start);
}

static void draw_jump(struct pen *pen, uint32_t from, uint32_t label)
{
	struct layout *l = pen->l;
	const struct vertex *source = &l->vertices[from], *vertex = &l->vertices[label];
	double out = port(pen, from, label);
	point(pen, out, node_end(l, from));
	point(pen, out, layer_end(&l->layers[source->layer]));
	point(pen, vertex->across, l->layers[vertex->layer].start);
	point(pen, vertex->across, put_label(pen, vertex));
}

static void draw_back(struct pen *pen, uint32_t from, uint32_t to, uint32_t first)
{
	struct layout *l = pen->l;
	const struct vertex *source = &l->vertices[from], *target = &l->vertices[to];
	double below = layer_end(&l->layers[source->layer]) + TURN, above = l->layers[target->layer].start - TURN;
	double out = port(pen, from, first);
	uint32_t last = first;
	point(pen, out, node_end(l, from));
	point(pen, out, below);
	point(pen, l->vertices[first].across, below);
	for (uint32_t v = first; v != VERTEX_NONE; v = l->vertices[v].next)
		last = v = pass(pen, v, true);
	point(pen, l->vertices[last].across, above);
	point(pen, target->across, above);
	point(pen, target->across, l->layers[target->layer].start);
}

/* Out of the side of the box and back; a second one around the first. `beside` is what stands there already. */
static void draw_self(struct pen *pen, uint32_t vertex, double *beside)
{
	struct layout *l = pen->l;
	const struct vertex *v = &l->vertices[vertex];
	const struct graph_box *box = &l->graph->nodes[v->node].box;
	struct graph_box label = label_size(&pen->edge->label);
	double side = v->across + v->before, half = *beside > 0 ? LOOP_HALF * 2 : LOOP_HALF;
	double middle = l->layers[v->layer].start + (layout_is_right(l) ? box->w : box->h) / 2;
	double out = side + *beside + LOOP_OUT;
	point(pen, side, middle - half);
	point(pen, out, middle - half);
	point(pen, out, middle + half);
	point(pen, side, middle + half);
	if (pen->edge->label.lines_count) {
		double along = middle - floor((layout_is_right(l) ? label.w : label.h) / 2);
		double start = l->layers[v->layer].start;
		struct graph_point corner = at(l, out + LABEL_AWAY, along < start ? start : along);
		pen->edge->label_box = (struct graph_box){ corner.x, corner.y, label.w, label.h };
	}
	*beside += SELF_LOOP + (layout_is_right(l) ? label.h : label.w);
}

static void draw_edge(struct layout *l, uint32_t index, double *beside)
{
	struct graph_edge *edge = layout_edge(l, index);
	const struct run *run = &l->runs[index];
	uint32_t from = layout_vertex(l, edge->from), to = layout_vertex(l, edge->to), most = 12;
	for (uint32_t v = run->first; v != VERTEX_NONE; v = l->vertices[l->piece_end[v]].next)
		most += l->vertices[v].edge != GRAPH_NONE ? 4 : 2;
	edge->points = ARENA_ARRAY(l->scratch, struct graph_point, most);
	struct pen pen = { .l = l, .edge = edge };
	if (run->self)
		draw_self(&pen, from, &beside[from]);
	else if (edge->jump)
		draw_jump(&pen, from, run->first);
	else if (edge->back)
		draw_back(&pen, from, to, run->first);
	else
		draw_forward(&pen, from, to, run->first);
	struct graph_point *points = ARENA_ARRAY(l->arena, struct graph_point, edge->points_count);
	memcpy(points, edge->points, edge->points_count * sizeof *points);
	edge->points = points;
}

/* Points on one straight line between two others say nothing. */
static void drop_straight(struct graph_edge *edge)
{
	uint32_t kept = 0;
	for (uint32_t i = 0; i < edge->points_count; i++) {
		struct graph_point p = edge->points[i];
		bool marked =
		    (edge->gap && (i == edge->gap || i == edge->gap - 1)) || (edge->shared && i == edge->shared);
		if (i && i == edge->gap)
			edge->gap = kept;
		if (i && i == edge->shared)
			edge->shared = kept;
		if (kept && !marked && i + 1 < edge->points_count) {
			struct graph_point a = edge->points[kept - 1], b = edge->points[i + 1];
			if ((a.x == p.x && p.x == b.x) || (a.y == p.y && p.y == b.y))
				continue;
		}
		edge->points[kept++] = p;
	}
	edge->points_count = kept;
}

static void place_nodes(struct layout *l)
{
	for (int32_t i = 0; i < l->group->nodes_count; i++) {
		const struct vertex *vertex = &l->vertices[i];
		struct graph_box *box = &l->graph->nodes[vertex->node].box;
		double across = lround(vertex->across) - (layout_is_right(l) ? box->h : box->w) / 2;
		struct graph_point corner = at(l, across, l->layers[vertex->layer].start);
		box->x = corner.x;
		box->y = corner.y;
	}
}

void layout_route(struct layout *l)
{
	double *beside = ARENA_ARRAY(l->scratch, double, l->group->nodes_count);
	place_nodes(l);
	find_pieces(l);
	for (uint32_t e = 0; e < l->group->edges_count; e++) {
		draw_edge(l, e, beside);
		drop_straight(layout_edge(l, e));
	}
	int32_t across = (int32_t)ceil(l->across_size), along = (int32_t)ceil(l->along_size);
	across += across & 1;
	l->group->box.w = layout_is_right(l) ? along : across;
	l->group->box.h = layout_is_right(l) ? across : along;
}
