/* place.c: coordinates of vertices. See layout.h.
 *
 * Across: every vertex wants to stand at the weighted mean of its neighbours. Within a layer the order and the
 * distances are kept, and the squares of what the vertices miss by are least: blocks of vertices that push each other
 * are joined until none overlap (pool adjacent violators). Some passes down and up settle it; then lanes are made
 * straight where their neighbours leave room.
 *
 * Along: layers follow each other; the gap between two grows with how far the edges in it must go across. */
#include "visualizer/layout.h"

enum {
	PASSES = 10,
	PASSES_LARGE = 4,
	LARGE = 6000, /* vertices */
	STRAIGHTEN_ROUNDS = 4,
	GAP = 36,            /* along, between two layers */
	GAP_AT_LABEL = 18,   /* in front of a layer of labels, and behind it */
	GAP_FOR_TURN = 34,   /* where edges against the flow turn round */
	GAP_STEEP_MOST = 60, /* what long ways across may add */
};
#define GAP_STEEPNESS 0.07 /* of the way across */

double layout_distance(const struct vertex *left, const struct vertex *right)
{
	bool left_bend = left->node == GRAPH_NONE && left->edge == GRAPH_NONE;
	bool right_bend = right->node == GRAPH_NONE && right->edge == GRAPH_NONE;
	double gap = left_bend && right_bend ? LANES_GAP : NODES_GAP;
	if (left_bend != right_bend || left->edge != GRAPH_NONE || right->edge != GRAPH_NONE)
		gap = LANE_GAP;
	return left->after + gap + right->before;
}

/* ---- across --------------------------------------------------------------------------------- */

struct block {              /* vertices that stand as close as they may */
	double sum, weight; /* of where they want to be, measured at the first one */
	uint32_t count;
};

struct placing {
	struct layout *l;
	struct block *blocks;
	double *offset; /* of each vertex of a layer from its first, all as close as they may be */
};

static double wanted(const struct layout *l, const struct neighbours *n, uint32_t index)
{
	const struct vertex *vertex = &l->vertices[index];
	double sum = 0, weight = 0;
	for (uint32_t i = n->first[index]; i < n->first[index + 1]; i++) {
		sum += l->vertices[n->items[i].vertex].across * n->items[i].weight;
		weight += n->items[i].weight;
	}
	if (weight > 0)
		return sum / weight;
	if (vertex->beside != VERTEX_NONE) {
		const struct vertex *beside = &l->vertices[vertex->beside];
		return beside->across +
		       (vertex->left ? -layout_distance(vertex, beside) : layout_distance(beside, vertex));
	}
	return vertex->across;
}

static void place_layer(struct placing *p, uint32_t k, const struct neighbours *done)
{
	struct layout *l = p->l;
	const struct layer *layer = &l->layers[k];
	const uint32_t *items = l->items + layer->first;
	uint32_t blocks = 0;
	for (uint32_t i = 0; i < layer->count; i++) {
		const struct vertex *vertex = &l->vertices[items[i]];
		p->offset[i] = i ? p->offset[i - 1] + layout_distance(&l->vertices[items[i - 1]], vertex) : 0;
		double weight = vertex->weight;
		struct block block = { (wanted(l, done, items[i]) - p->offset[i]) * weight, weight, 1 };
		while (blocks && p->blocks[blocks - 1].sum * block.weight > block.sum * p->blocks[blocks - 1].weight) {
			blocks--;
			block.sum += p->blocks[blocks].sum;
			block.weight += p->blocks[blocks].weight;
			block.count += p->blocks[blocks].count;
		}
		p->blocks[blocks++] = block;
	}
	for (uint32_t b = 0, i = 0; b < blocks; b++)
		for (uint32_t n = 0; n < p->blocks[b].count; n++, i++)
			l->vertices[items[i]].across = p->blocks[b].sum / p->blocks[b].weight + p->offset[i];
}

static void place_first(struct layout *l)
{
	for (uint32_t k = 0; k < l->layers_count; k++) {
		const uint32_t *items = l->items + l->layers[k].first;
		uint32_t count = l->layers[k].count;
		for (uint32_t i = 1; i < count; i++)
			l->vertices[items[i]].across =
			    l->vertices[items[i - 1]].across +
			    layout_distance(&l->vertices[items[i - 1]], &l->vertices[items[i]]);
		double middle = l->vertices[items[count - 1]].across / 2;
		for (uint32_t i = 0; i < count; i++)
			l->vertices[items[i]].across -= middle;
	}
}

/* ---- lanes ---------------------------------------------------------------------------------- */

/* How far a vertex can go without coming too near to its neighbours. */
static void room_of(const struct layout *l, uint32_t index, double *ret_least, double *ret_most)
{
	const struct vertex *vertex = &l->vertices[index];
	const struct layer *layer = &l->layers[vertex->layer];
	*ret_least = -1e12;
	*ret_most = 1e12;
	if (vertex->position > 0) {
		const struct vertex *left = &l->vertices[l->items[layer->first + vertex->position - 1]];
		*ret_least = left->across + layout_distance(left, vertex);
	}
	if (vertex->position + 1 < layer->count) {
		const struct vertex *right = &l->vertices[l->items[layer->first + vertex->position + 1]];
		*ret_most = right->across - layout_distance(vertex, right);
	}
}

/* The node's vertex that a lane begins at, if it has one only. */
static uint32_t lane_begin(const struct layout *l, uint32_t index)
{
	uint32_t beside = l->vertices[index].beside;
	if (beside != VERTEX_NONE)
		return beside;
	return l->above.first[index] + 1 == l->above.first[index + 1] ? l->above.items[l->above.first[index]].vertex
								      : VERTEX_NONE;
}

static double clamp(double value, double least, double most)
{
	return value < least ? least : value > most ? most : value;
}

/* Gives `count` vertices of a lane, from `first` on, one coordinate between least and most: where the lane ends, or
 * where it begins if that is in reach and the end is not, else as near as possible to where they are (a single one: to
 * where it leads). */
static void straighten(struct layout *l, uint32_t first, uint32_t count, double least, double most)
{
	double mean = 0;
	uint32_t vertex = first;
	for (uint32_t i = 0; i < count; i++, vertex = l->vertices[vertex].next)
		mean += l->vertices[vertex].across / count;
	double across = clamp(mean, least, most);
	uint32_t ends[2] = { lane_begin(l, first), l->vertices[first].lane_end };
	for (unsigned i = 0; i < 2; i++) {
		double end = ends[i] == VERTEX_NONE ? 1e13 : l->vertices[ends[i]].across;
		if (end >= least && end <= most)
			across = end;
		else if (i == 1 && count == 1 && end < 1e13)
			across = clamp(end, least, most);
	}
	vertex = first;
	for (uint32_t i = 0; i < count; i++, vertex = l->vertices[vertex].next)
		l->vertices[vertex].across = across;
}

/* The longest pieces of an edge's way that can be straight, one after the other, up to where it joins another's lane.
 * The last bend before a box is free again if others come in there too: they shall not go out to the lane for it. */
static void straighten_run(struct layout *l, const struct run *run)
{
	double least = -1e12, most = 1e12;
	uint32_t from = run->first, count = 0;
	for (uint32_t vertex = from; vertex != VERTEX_NONE && vertex != run->join; vertex = l->vertices[vertex].next) {
		bool gathers =
		    l->vertices[vertex].next == VERTEX_NONE && l->above.first[vertex + 1] - l->above.first[vertex] > 1;
		double low, high;
		room_of(l, vertex, &low, &high);
		if (low > high) /* rounding, when it stands as close as it may on both sides */
			low = high = l->vertices[vertex].across;
		if (count && (gathers || low > most || high < least)) {
			straighten(l, from, count, least, most);
			from = vertex;
			count = 0;
			least = -1e12;
			most = 1e12;
			room_of(l, vertex, &low, &high); /* the piece before may have made room */
			if (low > high)
				low = high = l->vertices[vertex].across;
		}
		least = low > least ? low : least;
		most = high < most ? high : most;
		count++;
	}
	if (count)
		straighten(l, from, count, least, most);
}

/* In both orders by turns: what stands in a lane's way may go away itself. */
static void straighten_runs(struct layout *l, bool backward)
{
	uint32_t count = l->group->edges_count;
	for (uint32_t i = 0; i < count; i++)
		straighten_run(l, &l->runs[backward ? count - 1 - i : i]);
}

/* ---- along ---------------------------------------------------------------------------------- */

static bool is_label_layer(const struct layout *l, uint32_t k)
{
	const struct layer *layer = &l->layers[k];
	for (uint32_t i = 0; i < layer->count; i++)
		if (l->vertices[l->items[layer->first + i]].node != GRAPH_NONE)
			return false;
	return true;
}

static double farthest_across(const struct layout *l, uint32_t k)
{
	const struct layer *layer = &l->layers[k];
	double farthest = 0;
	for (uint32_t i = 0; i < layer->count; i++) {
		uint32_t vertex = l->items[layer->first + i];
		for (uint32_t n = l->below.first[vertex]; n < l->below.first[vertex + 1]; n++) {
			double way = l->vertices[l->below.items[n].vertex].across - l->vertices[vertex].across;
			way = way < 0 ? -way : way;
			farthest = way > farthest ? way : farthest;
		}
	}
	return farthest;
}

static double gap_behind(const struct layout *l, uint32_t k)
{
	double gap = is_label_layer(l, k) || is_label_layer(l, k + 1) ? GAP_AT_LABEL : GAP;
	double steep = farthest_across(l, k) * GAP_STEEPNESS;
	gap += steep < GAP_STEEP_MOST ? steep : GAP_STEEP_MOST;
	if ((l->layers[k].turns_after || l->layers[k + 1].turns_before) && gap < GAP_FOR_TURN)
		gap = GAP_FOR_TURN;
	return gap;
}

static void place_along(struct layout *l)
{
	double along = l->layers[0].turns_before ? GAP_FOR_TURN : 0;
	for (uint32_t k = 0; k < l->layers_count; k++) {
		struct layer *layer = &l->layers[k];
		layer->start = along;
		for (uint32_t i = 0; i < layer->count; i++) {
			double size = l->vertices[l->items[layer->first + i]].along_size;
			layer->size = size > layer->size ? size : layer->size;
		}
		along += layer->size;
		if (k + 1 < l->layers_count)
			along += gap_behind(l, k);
		else if (layer->turns_after)
			along += GAP_FOR_TURN;
	}
	l->along_size = along;
}

/* ---- all of it ------------------------------------------------------------------------------ */

static void move_to_zero(struct layout *l)
{
	double least = 1e12, most = -1e12;
	for (uint32_t v = 0; v < l->vertices_count; v++) {
		const struct vertex *vertex = &l->vertices[v];
		least = vertex->across - vertex->before < least ? vertex->across - vertex->before : least;
		most = vertex->across + vertex->after > most ? vertex->across + vertex->after : most;
	}
	for (uint32_t v = 0; v < l->vertices_count; v++)
		l->vertices[v].across -= least;
	l->across_size = most - least;
}

void layout_place(struct layout *l)
{
	struct placing p = { .l = l,
			     .blocks = ARENA_ARRAY(l->scratch, struct block, l->vertices_count),
			     .offset = ARENA_ARRAY(l->scratch, double, l->vertices_count) };
	unsigned passes = l->vertices_count > LARGE ? PASSES_LARGE : PASSES;
	place_first(l);
	for (unsigned pass = 0; pass <= passes; pass++)
		for (uint32_t i = 0; i < l->layers_count; i++) {
			bool down = pass % 2 == 0;
			place_layer(&p, down ? i : l->layers_count - 1 - i, down ? &l->above : &l->below);
		}
	for (unsigned i = 0; i < STRAIGHTEN_ROUNDS; i++)
		straighten_runs(l, i % 2);
	move_to_zero(l);
	place_along(l);
}
