/* dot.c: the graph for Graphviz. Containers are clusters; as an edge cannot end at a cluster, it ends at the box with
 * the container's name inside of it and is clipped at the cluster (compound). */
#include "visualizer/graph.h"

/* A quoted string: of all that may stand in it only the quote and the backslash mean something. */
static void write_quoted(struct str text, struct buffer *out)
{
	buffer_byte(out, '"');
	for (size_t i = 0; i < text.len; i++) {
		char byte = text.ptr[i];
		if (byte == '"' || byte == '\\')
			buffer_byte(out, '\\');
		buffer_byte(out, (unsigned char)byte < 0x20 ? ' ' : byte);
	}
	buffer_byte(out, '"');
}

static const char *shape_of(const struct graph_node *node)
{
	if (node->kind == GRAPH_FOLD)
		return "box3d";
	if (!node->state)
		return "oval";
	switch (node->state->type) {
	case STATE_CHOICE:
		return "diamond";
	case STATE_SUCCEED:
	case STATE_FAIL:
		return "octagon";
	case STATE_PARALLEL:
	case STATE_MAP:
		return node->collapsed ? "box3d" : "plaintext";
	case STATE_TASK:
	case STATE_PASS:
	case STATE_WAIT:
		break;
	}
	return "box";
}

static void write_node(const struct graph_node *node, int32_t index, struct buffer *out)
{
	buffer_printf(out, "  n%d [shape=%s, label=", index, shape_of(node));
	write_quoted(node->name, out);
	if (node->state) {
		buffer_printf(out, ", tooltip=");
		write_quoted(node->detail, out);
	}
	if (node->state && node->state->type == STATE_FAIL)
		buffer_addz(out, ", color=\"#b3261e\"");
	buffer_addz(out, "];\n");
}

static bool is_container(const struct graph_node *node)
{
	return node->kind == GRAPH_STATE && node->children;
}

/* Nodes come breadth first, Graphviz wants them nested: every container is opened on the way in and closed on the way
 * out, with a stack of those around instead of recursion. */
static void write_nested(const struct graph *graph, struct buffer *out, struct arena *arena)
{
	int32_t *next = ARENA_ARRAY(arena, int32_t, graph->nodes_count + 1); /* of each open node: its next child */
	int32_t *stack = ARENA_ARRAY(arena, int32_t, graph->nodes_count + 1), depth = 0;
	for (int32_t top = 0; top < graph->groups[0].nodes_count; top++) {
		stack[depth++] = top;
		while (depth) {
			int32_t index = stack[depth - 1];
			const struct graph_node *node = &graph->nodes[index];
			bool branch = node->kind == GRAPH_BRANCH && graph->nodes[node->parent].children > 1;
			bool cluster = is_container(node) || branch; /* a branch is outlined only beside others */
			if (!next[index] && cluster)
				buffer_printf(out, "  subgraph cluster_%d { label=\"\"; style=%s;\n", index,
					      branch ? "dashed" : "\"filled,rounded\"; fillcolor=\"#f4f6f9\"");
			if (!next[index] && node->kind != GRAPH_BRANCH)
				write_node(node, index, out);
			if (next[index] < node->children) {
				stack[depth++] = node->first_child + next[index]++;
				continue;
			}
			if (cluster)
				buffer_addz(out, "  }\n");
			depth--;
		}
	}
}

static void write_edge(const struct graph *graph, const struct graph_edge *edge, struct buffer *out)
{
	buffer_printf(out, "  n%d -> n%d [", edge->from, edge->to);
	if (edge->label.lines_count && !edge->jump) {
		buffer_addz(out, "label=\"");
		for (uint32_t i = 0; i < edge->label.lines_count; i++) {
			struct buffer line = { 0 };
			write_quoted(edge->label.lines[i], &line);
			buffer_append(out, line.data + 1, line.len - 2);
			buffer_addz(out, i + 1 < edge->label.lines_count ? "\\n" : "");
			buffer_done(&line);
		}
		buffer_addz(out, "\", ");
	}
	if (is_container(&graph->nodes[edge->from]))
		buffer_printf(out, "ltail=cluster_%d, ", edge->from);
	if (is_container(&graph->nodes[edge->to]) && edge->to != edge->from)
		buffer_printf(out, "lhead=cluster_%d, ", edge->to);
	buffer_addz(out, edge->kind == GRAPH_CATCH ? "style=dashed, color=\"#b3261e\", fontcolor=\"#b3261e\"];\n"
						   : "color=\"#5a6675\"];\n");
}

void graph_write_dot(const struct graph *graph, struct buffer *out)
{
	struct arena arena = { 0 };
	buffer_printf(out,
		      "digraph state_machine {\n  rankdir=%s; compound=true;\n"
		      "  node [fontname=\"sans-serif\", fontsize=11, style=\"filled,rounded\", fillcolor=white];\n"
		      "  edge [fontname=\"sans-serif\", fontsize=9];\n",
		      graph->direction == GRAPH_RIGHT ? "LR" : "TB");
	write_nested(graph, out, &arena);
	for (uint32_t i = 0; i < graph->edges_count; i++)
		write_edge(graph, &graph->edges[i], out);
	buffer_addz(out, "}\n");
	arena_done(&arena);
}
