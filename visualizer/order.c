/* order.c: the order of vertices within their layers. See layout.h.
 *
 * A depth-first walk gives the first order. Then sweeps go down and up: each layer is sorted by the mean position of
 * the neighbours in the layer that was done before. The order with the fewest crossings seen is kept, and neighbours
 * that cross less when they change places do so. Vertices that run beside a node stay at its side. */
#include "visualizer/layout.h"
#include <stdlib.h>

enum {
	SWEEPS = 12,
	SWEEPS_LARGE = 4,
	LARGE = 6000,             /* vertices */
	EXCHANGES_MAX = 1200,     /* vertices of a group in which neighbours are tried the other way round */
	EXCHANGE_DEGREE_MAX = 64, /* links of a vertex that may take part */
	EXCHANGE_ROUNDS = 6,
};

struct ranked {
	double value;
	uint32_t vertex, position;
	int side; /* of those with one value: before (-1), in the middle, behind (1) */
};

struct ordering {
	struct layout *l;
	uint32_t *best; /* items of the best order so far */
	struct ranked *ranked;
	uint32_t *tree, *ends; /* for counting crossings */
	double *value;         /* of each vertex in the layer being sorted */
};

static void set_positions(struct layout *l)
{
	for (uint32_t k = 0; k < l->layers_count; k++)
		for (uint32_t i = 0; i < l->layers[k].count; i++)
			l->vertices[l->items[l->layers[k].first + i]].position = i;
}

/* ---- the first order ------------------------------------------------------------------------ */

static void make_items(struct layout *l)
{
	l->items = ARENA_ARRAY(l->scratch, uint32_t, l->vertices_count);
	for (uint32_t v = 0; v < l->vertices_count; v++)
		l->layers[l->vertices[v].layer].count++;
	for (uint32_t k = 1; k < l->layers_count; k++)
		l->layers[k].first = l->layers[k - 1].first + l->layers[k - 1].count;
	for (uint32_t k = 0; k < l->layers_count; k++)
		l->layers[k].count = 0;
}

static void put(struct layout *l, uint32_t vertex)
{
	struct layer *layer = &l->layers[l->vertices[vertex].layer];
	l->items[layer->first + layer->count++] = vertex;
}

static void first_order(struct layout *l)
{
	make_items(l);
	bool *seen = ARENA_ARRAY(l->scratch, bool, l->vertices_count);
	uint32_t *stack = ARENA_ARRAY(l->scratch, uint32_t, l->links_count + l->vertices_count + 1), depth = 0;
	for (uint32_t v = l->vertices_count; v-- > 0;)
		if (l->above.first[v] == l->above.first[v + 1])
			stack[depth++] = v;
	while (depth) {
		uint32_t vertex = stack[--depth];
		if (seen[vertex])
			continue;
		seen[vertex] = true;
		put(l, vertex);
		for (uint32_t i = l->below.first[vertex + 1]; i-- > l->below.first[vertex];)
			if (!seen[l->below.items[i].vertex])
				stack[depth++] = l->below.items[i].vertex;
	}
	set_positions(l);
}

/* ---- crossings ------------------------------------------------------------------------------ */

static int compare_u32(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return (x > y) - (x < y);
}

/* Between layer k and the next: pairs of links that are in different order at their two ends, counted with a tree of
 * sums. */
static uint64_t count_between(struct ordering *o, uint32_t k)
{
	const struct layout *l = o->l;
	const struct layer *layer = &l->layers[k], *next = layer + 1;
	uint64_t crossings = 0;
	uint32_t added = 0;
	memset(o->tree, 0, (next->count + 1) * sizeof *o->tree);
	for (uint32_t i = 0; i < layer->count; i++) {
		uint32_t vertex = l->items[layer->first + i], ends = 0;
		for (uint32_t n = l->below.first[vertex]; n < l->below.first[vertex + 1]; n++)
			o->ends[ends++] = l->vertices[l->below.items[n].vertex].position;
		qsort(o->ends, ends, sizeof *o->ends, compare_u32);
		for (uint32_t e = 0; e < ends; e++) { /* those that are there already and end farther on */
			uint32_t before = 0;
			for (uint32_t at = o->ends[e] + 1; at; at &= at - 1)
				before += o->tree[at];
			crossings += added - before;
			for (uint32_t at = o->ends[e] + 1; at <= next->count; at += at & -at)
				o->tree[at]++;
			added++;
		}
	}
	return crossings;
}

static uint64_t count_crossings(struct ordering *o)
{
	uint64_t crossings = 0;
	for (uint32_t k = 0; k + 1 < o->l->layers_count; k++)
		crossings += count_between(o, k);
	return crossings;
}

/* ---- sweeps --------------------------------------------------------------------------------- */

static int compare_ranked(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;
	if (x->value != y->value)
		return x->value < y->value ? -1 : 1;
	if (x->side != y->side)
		return x->side < y->side ? -1 : 1;
	return (x->position > y->position) - (x->position < y->position);
}

static double mean_position(const struct layout *l, const struct neighbours *n, uint32_t vertex)
{
	uint32_t first = n->first[vertex], end = n->first[vertex + 1];
	double sum = 0;
	for (uint32_t i = first; i < end; i++)
		sum += l->vertices[n->items[i].vertex].position;
	return end > first ? sum / (end - first) : -1;
}

/* A vertex with nothing in the layer that was done stays about where it is: it takes the value of the one before it. */
static void sort_layer(struct ordering *o, uint32_t k, const struct neighbours *done)
{
	struct layout *l = o->l;
	const struct layer *layer = &l->layers[k];
	double last = 0;
	for (uint32_t i = 0; i < layer->count; i++) {
		uint32_t vertex = l->items[layer->first + i];
		double value = mean_position(l, done, vertex);
		o->value[vertex] = last = value < 0 ? last : value;
	}
	for (uint32_t i = 0; i < layer->count; i++) {
		uint32_t vertex = l->items[layer->first + i], beside = l->vertices[vertex].beside;
		o->ranked[i] = (struct ranked){ .value = o->value[beside == VERTEX_NONE ? vertex : beside],
						.vertex = vertex,
						.position = i,
						.side = beside == VERTEX_NONE      ? 0
							: l->vertices[vertex].left ? -1
										   : 1 };
	}
	qsort(o->ranked, layer->count, sizeof *o->ranked, compare_ranked);
	for (uint32_t i = 0; i < layer->count; i++) {
		l->items[layer->first + i] = o->ranked[i].vertex;
		l->vertices[o->ranked[i].vertex].position = i;
	}
}

static void sweep(struct ordering *o, bool down)
{
	for (uint32_t i = 0; i < o->l->layers_count; i++) {
		uint32_t k = down ? i : o->l->layers_count - 1 - i;
		sort_layer(o, k, down ? &o->l->above : &o->l->below);
	}
}

/* An edge against the flow runs on the side where its source has fewer neighbours, or on the right. Others of its lane
 * follow. */
static void choose_sides(struct layout *l)
{
	for (uint32_t e = 0; e < l->group->edges_count; e++) {
		uint32_t v = l->runs[e].first, beside = v == VERTEX_NONE ? VERTEX_NONE : l->vertices[v].beside;
		if (beside == VERTEX_NONE)
			continue;
		uint32_t before = 0, count = 0;
		const struct layer *layer = &l->layers[l->vertices[v].layer];
		for (uint32_t i = 0; i < layer->count; i++) {
			const struct vertex *other = &l->vertices[l->items[layer->first + i]];
			before += other->node != GRAPH_NONE && other->position < l->vertices[beside].position;
			count += other->node != GRAPH_NONE;
		}
		bool left = before * 2 + 1 < count;
		for (; v != VERTEX_NONE; v = l->vertices[v].next)
			l->vertices[v].left = left;
	}
}

/* ---- exchanges ------------------------------------------------------------------------------ */

/* How many links of `left` and `right` cross in one direction, with left before right. */
static int32_t crossings_of(const struct layout *l, const struct neighbours *n, uint32_t left, uint32_t right)
{
	int32_t crossings = 0;
	for (uint32_t i = n->first[left]; i < n->first[left + 1]; i++)
		for (uint32_t j = n->first[right]; j < n->first[right + 1]; j++)
			crossings +=
			    l->vertices[n->items[i].vertex].position > l->vertices[n->items[j].vertex].position;
	return crossings;
}

static uint32_t degree(const struct neighbours *n, uint32_t vertex)
{
	return n->first[vertex + 1] - n->first[vertex];
}

static bool gains(const struct layout *l, uint32_t left, uint32_t right)
{
	if (l->vertices[left].beside != VERTEX_NONE || l->vertices[right].beside != VERTEX_NONE)
		return false;
	if (degree(&l->above, left) > EXCHANGE_DEGREE_MAX || degree(&l->below, left) > EXCHANGE_DEGREE_MAX ||
	    degree(&l->above, right) > EXCHANGE_DEGREE_MAX || degree(&l->below, right) > EXCHANGE_DEGREE_MAX)
		return false;
	int32_t now = crossings_of(l, &l->above, left, right) + crossings_of(l, &l->below, left, right);
	return now > 0 && crossings_of(l, &l->above, right, left) + crossings_of(l, &l->below, right, left) < now;
}

static bool exchange_neighbours(struct layout *l)
{
	bool changed = false;
	for (uint32_t k = 0; k < l->layers_count; k++) {
		uint32_t *items = l->items + l->layers[k].first;
		for (uint32_t i = 0; i + 1 < l->layers[k].count; i++) {
			if (!gains(l, items[i], items[i + 1]))
				continue;
			uint32_t left = items[i];
			items[i] = items[i + 1];
			items[i + 1] = left;
			l->vertices[items[i]].position = i;
			l->vertices[left].position = i + 1;
			changed = true;
		}
	}
	return changed;
}

/* ---- all of it ------------------------------------------------------------------------------ */

void layout_order(struct layout *l)
{
	first_order(l);
	size_t items_bytes = l->vertices_count * sizeof *l->items;
	struct ordering o = { .l = l,
			      .best = ARENA_ARRAY(l->scratch, uint32_t, l->vertices_count),
			      .ranked = ARENA_ARRAY(l->scratch, struct ranked, l->vertices_count),
			      .tree = ARENA_ARRAY(l->scratch, uint32_t, l->vertices_count + 1),
			      .ends = ARENA_ARRAY(l->scratch, uint32_t, l->links_count + 1),
			      .value = ARENA_ARRAY(l->scratch, double, l->vertices_count) };
	unsigned sweeps = l->vertices_count > LARGE ? SWEEPS_LARGE : SWEEPS;
	uint64_t fewest = UINT64_MAX;
	for (unsigned i = 0; i < sweeps && fewest; i++) {
		sweep(&o, i % 2 == 0);
		if (i == 1)
			choose_sides(l);
		uint64_t crossings = count_crossings(&o);
		if (crossings < fewest) {
			fewest = crossings;
			memcpy(o.best, l->items, items_bytes);
		}
	}
	memcpy(l->items, o.best, items_bytes);
	set_positions(l);
	if (l->vertices_count <= EXCHANGES_MAX && fewest)
		for (unsigned i = 0; i < EXCHANGE_ROUNDS && exchange_neighbours(l); i++)
			;
}
