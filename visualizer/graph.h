/* graph.h: a state machine as a picture: nodes, edges and containers, with coordinates.
 *
 * One implementation for `ratchet graph`, the dashboard and the designer's preview: whoever draws asks for the graph
 * and only draws. graph_make reads a compiled program, decides what is shown and folded, lays it out, and never changes
 * it again.
 *
 *     group 0   Start → A → ┌ P (Parallel) ───────────────────────┐ → End      nodes of the machine, and its edges
 *                           │ ┌ branch 0 ┐ ┌ branch 1 ┐           │
 *     groups 1, 2           │ │ B → C    │ │ D        │ … 7 more  │            nodes and edges of a scope
 *                           │ └──────────┘ └──────────┘           │
 *                           └─────────────────────────────────────┘
 *
 * The same program and options give the same graph, byte for byte in every format, on every machine.
 *
 * Ownership: everything lives in the arena that was given to graph_make, but for the program's own texts and states, so
 * that the program must outlive the graph. Coordinates are whole pixels from the top left corner of the picture, boxes
 * of inner nodes too.
 *
 * A container can be collapsed by its state's name: it is a box like another state's then, `folded` has what is inside.
 *
 * Definitions are hostile: a fan wider than `fan_max` folds, and the work is bounded by GRAPH_NODES_MAX,
 * GRAPH_EDGES_MAX and a budget for the bends of long edges (an edge beyond it ends in a label that names its target).
 * Nothing recurses without bound.
 *
 * Any thread may make one; a made graph may be read by many. */
#pragma once
#include "base/arena.h"
#include "base/buffer.h"
#include "base/error.h"
#include "dsl/program.h"

enum {
	GRAPH_NONE = -1,         /* no such node */
	GRAPH_FAN_MAX = 12,      /* default of graph_options.fan_max */
	GRAPH_NODES_MAX = 20000, /* after folding */
	GRAPH_EDGES_MAX = 60000, /* after those between the same two nodes were joined */
};

enum graph_direction { GRAPH_DOWN, GRAPH_RIGHT };
enum graph_theme { GRAPH_LIGHT, GRAPH_DARK };

/* X(NAME, word): kinds of nodes, as the JSON form calls them. */
#define GRAPH_NODE_KINDS(X)                                                                                            \
	X(START, "start")   /* the machine's entry; an edge leads to its start state */                                \
	X(END, "end")       /* edges lead here from states with End: true and from Succeed */                          \
	X(STATE, "state")   /* a state; Parallel and Map are containers of branches */                                 \
	X(BRANCH, "branch") /* inside of a container: a branch of Parallel, the item processor of Map */               \
	X(FOLD, "fold")     /* "… 12 more": states of a wide fan, or branches of a wide Parallel */

#define GRAPH_EDGE_KINDS(X)                                                                                            \
	X(NEXT, "next")       /* Next, and the lines from Start and to End */                                          \
	X(CHOICE, "choice")   /* a rule of a Choice; index is the rule's */                                            \
	X(DEFAULT, "default") /* its Default */                                                                        \
	X(CATCH, "catch")     /* a catcher; index is the catcher's */

enum graph_node_kind {
#define X(name, word) GRAPH_##name,
	GRAPH_NODE_KINDS(X)
#undef X
};
enum graph_edge_kind {
#define X(name, word) GRAPH_##name,
	GRAPH_EDGE_KINDS(X)
#undef X
};
const char *graph_node_kind_name(enum graph_node_kind kind);
const char *graph_edge_kind_name(enum graph_edge_kind kind);

struct graph_box {
	int32_t x, y, w, h;
};
struct graph_point {
	int32_t x, y;
};

/* Text that was broken into lines and cut so that it fits; the last line ends in … where something is missing. */
struct graph_text {
	struct str *lines;
	uint32_t lines_count;
	int32_t width; /* of the widest line */
};

struct graph_node {
	enum graph_node_kind kind;
	int32_t parent;            /* the node around it: a state's branch, a branch's state; GRAPH_NONE on top */
	const struct state *state; /* STATE, and the Parallel or Map that a BRANCH belongs to; else NULL */
	uint32_t branch;           /* BRANCH: which */
	struct str name;           /* the state's name; "Start"; "… 12 more" */
	struct str detail;         /* what it does, short: "lambda · Resize", "wait 5 min"; may be empty */
	struct graph_text title, subtitle; /* name and detail as they are drawn */
	int64_t retry_attempts;            /* the most that a retrier allows; 0: it never retries */
	struct str retry;                  /* the retriers in words, a line each; empty if there are none */
	int32_t first_child, children;     /* a container's branches and fold; a branch's group of states */
	bool collapsed;                    /* STATE: a container without its branches: they are in `folded` */
	uint32_t *folded, folded_count;    /* FOLD, collapsed: the states in it, those nested inside them too */
	uint32_t folded_transitions;       /* FOLD, collapsed: transitions that begin and end inside of it */
	struct graph_box box;
};

/* One arrow of the definition. */
struct graph_transition {
	enum graph_edge_kind kind;
	uint32_t from;   /* state; STATE_NONE: the Start marker */
	uint32_t index;  /* of the rule or catcher */
	struct str text; /* "$.height ≥ 1080", "Default", "States.Timeout, Media.NoVideo"; empty for NEXT */
};

/* A line between two nodes of one group. It stands for all transitions between them, catchers apart from the others. */
struct graph_edge {
	enum graph_edge_kind kind; /* CHOICE if rules and Default have the same target */
	int32_t from, to;
	struct graph_transition *transitions;
	uint32_t transitions_count;
	struct graph_text label;    /* no lines: none */
	bool back;                  /* leads against the direction: a loop */
	bool jump;                  /* too long to draw: ends in its label, which names the target */
	struct graph_box label_box; /* all 0 without a label */
	/* Where it runs. Two points that differ in x and in y are joined by a curve that leaves and arrives along the
	 * graph's direction, others by a straight line; between points gap-1 and gap there is nothing: there stands the
	 * label. */
	struct graph_point *points;
	uint32_t points_count, gap; /* gap 0: none */
	uint32_t shared; /* from this point on another edge to the same target has the same line; 0: from none */
};

/* The machine's states, or those of a branch: their nodes stand together, and so do their edges. */
struct graph_group {
	int32_t owner; /* the BRANCH node; GRAPH_NONE: the machine */
	int32_t first_node, nodes_count;
	uint32_t first_edge, edges_count;
	struct graph_box box;
};

struct graph {
	const struct program *program;
	enum graph_direction direction;
	struct graph_node *nodes;
	uint32_t nodes_count;
	struct graph_edge *edges;
	uint32_t edges_count;
	struct graph_group *groups; /* an outer one before those inside of it */
	uint32_t groups_count;
	int32_t *node_of;      /* for each state of the program: its node, or that of the fold or collapsed state it is in */
	uint32_t folded_count; /* states that have no node of their own */
	int32_t width, height;
};

struct graph_options {
	enum graph_direction direction;
	uint32_t fan_max; /* like neighbours shown before they fold; 0: GRAPH_FAN_MAX; UINT32_MAX: never fold */
	const struct str *collapsed; /* names of Parallel and Map states to collapse; other names mean nothing */
	uint32_t collapsed_count;
};

/* Reads "Name,Other name" into options->collapsed (in the arena, the names too). A comma or a backslash that belongs to a
 * name has a backslash before it. Any text is one: nothing fails. */
void graph_read_collapsed(struct str text, struct arena *arena, struct graph_options *options);

/* The scopes inside of a Parallel or Map, in order; of another state: none. */
const uint32_t *graph_branches(const struct state *state, uint32_t *ret_count);

/* Makes the graph of a program. `options` may be NULL. 0, or ERR(LIMIT) when it is too large to draw even folded. */
int graph_make(const struct program *program, const struct graph_options *options, struct arena *arena,
	       struct graph **ret_graph, struct wf_error *err);

/* A picture that needs nothing else: no script, no font, no link. */
void graph_write_svg(const struct graph *graph, enum graph_theme theme, struct buffer *out);
/* Graphviz and Mermaid: the same nodes, edges and folds, laid out by those tools. */
void graph_write_dot(const struct graph *graph, struct buffer *out);
void graph_write_mermaid(const struct graph *graph, struct buffer *out);
/* For programs that draw: nodes and edges with coordinates. The members are described in json.c. */
void graph_write_json(const struct graph *graph, struct buffer *out);

/* An edge's line as SVG path data ("M10 20L10 40C…"); with `own` only up to where it shares another's. */
void graph_write_path(const struct graph *graph, const struct graph_edge *edge, bool own, struct buffer *out);
