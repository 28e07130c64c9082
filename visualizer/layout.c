/* layout.c: sizes of boxes, and containers from the inside out. See layout.h.
 *
 * A group's nodes and edges first get coordinates from the group's own corner, a branch's from its container's. When
 * all are done, one pass from the outside in makes them absolute. */
#include "visualizer/layout.h"
#include "base/mem.h"
#include "visualizer/text.h"

enum {
	PICTURE_MARGIN = 20,
	ICON_ROOM = 40, /* left of a state's texts */
	TEXT_MARGIN = 14,
	STATE_WIDTH_LEAST = 124,
	TITLE_LINE = 16,
	DETAIL_LINE = 14,
	LABEL_LINE = 14,
	BOX_MARGIN = 8, /* above and below a box's texts */
	MARKER_HEIGHT = 28,
	CONTAINER_MARGIN = 12,
	BRANCH_MARGIN = 14,
	BRANCHES_GAP = 12,
};

struct graph_box label_size(const struct graph_text *label)
{
	if (!label->lines_count)
		return (struct graph_box){ 0 };
	int32_t width = label->width + 8;
	return (struct graph_box){ .w = width + (width & 1), .h = (int32_t)label->lines_count * LABEL_LINE + 2 };
}

static int32_t most(int32_t a, int32_t b)
{
	return a > b ? a : b;
}

static int32_t even(int32_t number)
{
	return number + (number & 1);
}

/* Of a box's texts, or a container's head. */
static int32_t texts_height(const struct graph_node *node)
{
	return even(2 * BOX_MARGIN + (int32_t)node->title.lines_count * TITLE_LINE +
		    (int32_t)node->subtitle.lines_count * DETAIL_LINE);
}

static int32_t texts_width(const struct graph_node *node)
{
	int32_t texts = most(node->title.width, node->subtitle.width) + TEXT_MARGIN;
	return even(texts + (node->kind == GRAPH_STATE ? ICON_ROOM : TEXT_MARGIN));
}

/* Branches side by side across the flow, as long as the longest, and the fold behind them. */
static void size_container(struct graph *graph, struct graph_node *node)
{
	bool right = graph->direction == GRAPH_RIGHT;
	int32_t across = -BRANCHES_GAP, along = 0, head = texts_height(node);
	struct graph_node *first = &graph->nodes[node->first_child], *end = first + node->children;
	for (struct graph_node *child = first; child < end; child++) {
		across += BRANCHES_GAP + (right ? child->box.h : child->box.w);
		along = most(along, right ? child->box.w : child->box.h);
	}
	int32_t missing = even(most(0, texts_width(node) - 2 * CONTAINER_MARGIN - (right ? along : across)));
	int32_t at = right ? head : CONTAINER_MARGIN;
	if (right)
		along += missing; /* the head is wider than what it stands on */
	else
		at += missing / 2;
	for (struct graph_node *child = first; child < end; child++) {
		bool branch = child->kind == GRAPH_BRANCH;
		child->box.x = right ? CONTAINER_MARGIN : at;
		child->box.y = right ? at : head;
		at += BRANCHES_GAP + (right ? child->box.h : child->box.w);
		if (branch && right)
			child->box.w = along;
		else if (branch)
			child->box.h = along;
	}
	node->box.w = 2 * CONTAINER_MARGIN + (right ? along : across + missing);
	node->box.h = head + CONTAINER_MARGIN + (right ? across : along);
	node->box.w = even(node->box.w);
	node->box.h = even(node->box.h);
}

static void size_node(struct graph *graph, struct graph_node *node)
{
	if (node->kind == GRAPH_STATE && node->children) {
		size_container(graph, node);
		return;
	}
	node->box.w = texts_width(node);
	node->box.h = node->kind == GRAPH_START || node->kind == GRAPH_END ? MARKER_HEIGHT : texts_height(node);
	if (node->kind == GRAPH_STATE)
		node->box.w = most(node->box.w, STATE_WIDTH_LEAST);
}

static void layout_group(struct graph *graph, struct graph_group *group, struct arena *arena)
{
	_cleanup_(arena_done) struct arena scratch = { 0 };
	struct layout l = { .graph = graph, .group = group, .arena = arena, .scratch = &scratch };
	for (int32_t i = 0; i < group->nodes_count; i++)
		size_node(graph, &graph->nodes[group->first_node + i]);
	layout_layers(&l);
	layout_order(&l);
	layout_place(&l);
	layout_route(&l);
	if (group->owner == GRAPH_NONE)
		return;
	struct graph_box *box = &graph->nodes[group->owner].box;
	box->w = group->box.w + 2 * BRANCH_MARGIN;
	box->h = group->box.h + 2 * BRANCH_MARGIN;
}

/* Folds stand among a container's branches and have no group of their own. */
static void size_folds(struct graph *graph)
{
	for (uint32_t i = 0; i < graph->nodes_count; i++)
		if (graph->nodes[i].kind == GRAPH_FOLD)
			size_node(graph, &graph->nodes[i]);
}

static void move_box(struct graph_box *box, int32_t x, int32_t y)
{
	box->x += x;
	box->y += y;
}

static void make_absolute(struct graph *graph, struct graph_group *group)
{
	int32_t x = PICTURE_MARGIN, y = PICTURE_MARGIN;
	if (group->owner != GRAPH_NONE) {
		const struct graph_box *branch =
		    &graph->nodes[group->owner].box; /* absolute since the group around it was */
		bool right = graph->direction == GRAPH_RIGHT;
		x = branch->x + (right ? BRANCH_MARGIN : (branch->w - group->box.w) / 2);
		y = branch->y + (right ? (branch->h - group->box.h) / 2 : BRANCH_MARGIN);
	}
	move_box(&group->box, x, y);
	for (int32_t i = group->first_node; i < group->first_node + group->nodes_count; i++) {
		struct graph_node *node = &graph->nodes[i];
		move_box(&node->box, x, y);
		for (int32_t c = node->first_child; c < node->first_child + node->children; c++)
			move_box(&graph->nodes[c].box, node->box.x, node->box.y);
	}
	for (uint32_t e = group->first_edge; e < group->first_edge + group->edges_count; e++) {
		struct graph_edge *edge = &graph->edges[e];
		for (uint32_t p = 0; p < edge->points_count; p++) {
			edge->points[p].x += x;
			edge->points[p].y += y;
		}
		if (edge->label_box.w)
			move_box(&edge->label_box, x, y);
	}
}

void layout_graph(struct graph *graph, struct arena *arena)
{
	size_folds(graph);
	for (uint32_t i = graph->groups_count; i-- > 0;)
		layout_group(graph, &graph->groups[i], arena);
	for (uint32_t i = 0; i < graph->groups_count; i++)
		make_absolute(graph, &graph->groups[i]);
	graph->width = graph->groups[0].box.w + 2 * PICTURE_MARGIN;
	graph->height = graph->groups[0].box.h + 2 * PICTURE_MARGIN;
}
