/* mermaid.c: the graph as a Mermaid flowchart, which many wikis and code hosts draw inside of Markdown. Containers are
 * subgraphs. */
#include "base/mem.h"
#include "visualizer/graph.h"

/* Texts stand in quotes; Mermaid reads #NUMBER; as a character, so what could mean something to it or to HTML is
 * written so. */
static void write_text(struct str text, struct buffer *out)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char byte = (unsigned char)text.ptr[i];
		if (byte < 0x20)
			buffer_byte(out, ' ');
		else if (memchr("\"#&<>;`*_\\[]{}()|", byte, 17))
			buffer_printf(out, "#%u;", byte);
		else
			buffer_byte(out, (char)byte);
	}
}

/* The brackets that make a shape. */
static void shape_of(const struct graph_node *node, const char **ret_open, const char **ret_close)
{
	*ret_open = node->state ? "[\"" : node->kind == GRAPH_FOLD ? "[[\"" : "([\"";
	*ret_close = node->state ? "\"]" : node->kind == GRAPH_FOLD ? "\"]]" : "\"])";
	if (node->state && node->state->type == STATE_CHOICE) {
		*ret_open = "{\"";
		*ret_close = "\"}";
	}
}

static void write_node(const struct graph_node *node, int32_t index, struct buffer *out)
{
	const char *open, *close;
	shape_of(node, &open, &close);
	buffer_printf(out, "  n%d%s", index, open);
	write_text(node->name, out);
	buffer_printf(out, "%s\n", close);
}

/* A branch is a subgraph of its own only beside others. */
static bool is_subgraph(const struct graph *graph, const struct graph_node *node)
{
	return node->kind == GRAPH_BRANCH ? graph->nodes[node->parent].children > 1 : node->children > 0;
}

static void open_subgraph(const struct graph *graph, int32_t index, struct buffer *out)
{
	const struct graph_node *node = &graph->nodes[index];
	buffer_printf(out, "  subgraph n%d[\"", index);
	if (node->kind == GRAPH_BRANCH)
		buffer_byte(out, ' ');
	else
		write_text(node->name, out);
	buffer_printf(out, "\"]\n  direction %s\n", graph->direction == GRAPH_RIGHT ? "LR" : "TB");
}

static void write_nested(const struct graph *graph, struct arena *arena, struct buffer *out)
{
	int32_t *next = ARENA_ARRAY(arena, int32_t, graph->nodes_count + 1); /* of each open node: its next child */
	int32_t *stack = ARENA_ARRAY(arena, int32_t, graph->nodes_count + 1), depth = 0;
	for (int32_t top = 0; top < graph->groups[0].nodes_count; top++) {
		stack[depth++] = top;
		while (depth) {
			int32_t index = stack[depth - 1];
			const struct graph_node *node = &graph->nodes[index];
			if (!next[index] && is_subgraph(graph, node))
				open_subgraph(graph, index, out);
			else if (!node->children)
				write_node(node, index, out);
			if (next[index] < node->children) {
				stack[depth++] = node->first_child + next[index]++;
				continue;
			}
			if (is_subgraph(graph, node))
				buffer_addz(out, "  end\n");
			depth--;
		}
	}
}

void graph_write_mermaid(const struct graph *graph, struct buffer *out)
{
	_cleanup_(arena_done) struct arena arena = { 0 };
	buffer_printf(out, "flowchart %s\n", graph->direction == GRAPH_RIGHT ? "LR" : "TB");
	write_nested(graph, &arena, out);
	for (uint32_t i = 0; i < graph->edges_count; i++) {
		const struct graph_edge *edge = &graph->edges[i];
		buffer_printf(out, "  n%d %s", edge->from, edge->kind == GRAPH_CATCH ? "-.->" : "-->");
		if (edge->label.lines_count && !edge->jump) {
			buffer_addz(out, "|\"");
			for (uint32_t k = 0; k < edge->label.lines_count; k++) {
				buffer_addz(out, k ? "<br/>" : "");
				write_text(edge->label.lines[k], out);
			}
			buffer_addz(out, "\"|");
		}
		buffer_printf(out, " n%d\n", edge->to);
	}
}
