/* layout.h: one group of nodes in layers. Inside of visualizer/; graph_make and the layout's own files use it.
 *
 * A layout knows two directions only: along the flow (down, or right) and across it. Sizes come in and points go out in
 * x and y.
 *
 *     layers.c   breaks cycles, gives each node a layer, and cuts long edges into a vertex for each layer
 *     order.c    puts the vertices of a layer in an order with few crossings
 *     place.c    gives vertices coordinates
 *     route.c    gives edges their points and labels
 *
 *     layer 0        [node]          a node's vertex
 *     layer 1      "x>1"  :          a label has a vertex of its own, so that nothing overlaps it; : is a bend
 *     layer 2     [node]  :
 *     layer 3           [node]
 *
 * Edges to the same target share the vertices that they pass (a lane), catchers apart from the others. An edge against
 * the flow runs beside both of its nodes: out below its source, up the lane, and in above its target. */
#pragma once
#include "visualizer/graph.h"

#define VERTEX_NONE UINT32_MAX

enum {
	NODES_GAP = 28, /* across, between boxes */
	LANE_GAP = 16,  /* across, between a bend and a box or label */
	LANES_GAP = 12, /* across, between two bends */
	SELF_LOOP = 26, /* across, what a self loop takes beside its box */
};

struct vertex {
	int32_t node; /* GRAPH_NONE: a bend or a label */
	int32_t edge; /* the edge whose label it is; else GRAPH_NONE */
	uint32_t layer, position;
	double before, after; /* what it takes across, on both sides of `across` */
	double along_size;
	double across;     /* centre */
	double weight;     /* how hard it holds to where it wants to be, when it is in another's way */
	uint32_t beside;   /* the node's vertex that it must stay beside; VERTEX_NONE: none */
	bool left;         /* … before it, not behind it */
	uint32_t next;     /* bends and labels: where the edge goes on; VERTEX_NONE: at its node */
	uint32_t lane_end; /* bends and labels: the vertex of the node that it leads to; VERTEX_NONE for a jump */
};

struct link {                  /* between neighbouring layers */
	uint32_t above, below; /* vertices */
	double weight;
};

struct neighbours { /* of each vertex, in one direction: items[first[v] … first[v + 1]) */
	uint32_t *first;
	struct neighbour {
		uint32_t vertex;
		double weight;
	} *items;
};

struct layer {
	uint32_t first, count;          /* in items */
	double start, size;             /* along */
	bool turns_before, turns_after; /* edges against the flow turn round in the gap before, after it */
};

struct run {            /* how an edge runs */
	uint32_t first; /* its first bend or label; VERTEX_NONE: straight to the next layer */
	uint32_t join;  /* from this bend on it runs in a lane that another edge made; VERTEX_NONE: nowhere */
	bool self;
};

struct layout {
	struct graph *graph;
	struct graph_group *group;
	struct arena *arena, *scratch; /* the graph's; this layout's */
	struct vertex *vertices;       /* the nodes' first, in the group's order */
	uint32_t vertices_count;
	struct link *links;
	uint32_t links_count;
	struct neighbours above, below;
	struct layer *layers;
	uint32_t layers_count;
	uint32_t *items;     /* vertices by layer and position */
	struct run *runs;    /* for each edge of the group */
	uint32_t *piece_end; /* of each vertex: see route.c */
	double across_size, along_size;
};

static inline bool layout_is_right(const struct layout *l)
{
	return l->graph->direction == GRAPH_RIGHT;
}
static inline struct graph_edge *layout_edge(const struct layout *l, uint32_t index)
{
	return &l->graph->edges[l->group->first_edge + index];
}
/* The vertex of a node of this group. */
static inline uint32_t layout_vertex(const struct layout *l, int32_t node)
{
	return (uint32_t)(node - l->group->first_node);
}
/* The least distance between the centres of two neighbours in a layer. */
double layout_distance(const struct vertex *left, const struct vertex *right);

void layout_layers(struct layout *l);
void layout_order(struct layout *l);
void layout_place(struct layout *l);
void layout_route(struct layout *l);

/* Lays out all groups, inner ones first, and makes all coordinates absolute. `arena` takes the points. */
void layout_graph(struct graph *graph, struct arena *arena);
/* The size of a label with its margin. */
struct graph_box label_size(const struct graph_text *label);
