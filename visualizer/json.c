/* json.c: the graph for programs that draw: the dashboard, the designer's preview.
 *
 *     { "direction": "down",             or "right"
 *       "width": 800, "height": 600,     of the picture; all coordinates are whole pixels from its top left corner
 *       "states": 12, "folded": 0,       in the definition; of those, in folds and collapsed containers
 *       "nodes": [ {
 *           "id": 3,                     its place in this list; an outer node stands before those inside of it
 *           "kind": "state",             start, end, state, branch (inside of Parallel and Map), fold ("… 12 more")
 *           "parent": null,              the node around it
 *           "x": 20, "y": 70, "w": 160, "h": 46,
 *           "name": "Resize",            state: its name, unique in the machine; fold: what is to be shown
 *           "type": "Task",              state
 *           "detail": "lambda · Resize", what it does, short; not with branch
 *           "lines": ["Resize"],         the name, broken and cut to fit the box at 13 px (the detail is 11 px)
 *           "resource": "arn:…",         Task
 *           "retry": {"attempts": 3, "text": "States.ALL: 3 times, after 1 s × 2"},    if it has any
 *           "comment": "…",              where there is one
 *           "source": [120, 340],        state: offset and length of its object in the definition's text, bytes
 *           "branch": 0,                 branch: which
 *           "container": true,           Parallel and Map: "parent" of what is inside leads here
 *           "collapsed": true,           … but what is inside is not shown
 *           "folded": ["A", "B"]         fold, collapsed: names of the states in it
 *       } ],
 *       "edges": [ {
 *           "from": 2, "to": 3,          ids
 *           "kind": "catch",             next, choice, default, catch
 *           "back": true,                leads against the direction
 *           "jump": true,                too long to draw: the line ends at the label, which names the target
 *           "path": "M100 116L100 150",  SVG path data; an arrow belongs to its end, but for a jump
 *           "own": "M100 116…",          where another edge to the same target has the rest of the path too:
 *                                        the first part; who draws all edges draws this, and no arrow
 *           "label": {"x": 1, "y": 2, "w": 80, "h": 16, "lines": ["States.ALL"]},      drawn at 11 px, 14 px a line
 *           "transitions": [ {
 *               "kind": "catch", "state": "Fetch", "index": 0,       index of the rule or catcher
 *               "text": "States.ALL" } ]                             what is to be known of it; not with next
 *       } ] }
 *
 * Members that would be null, false or empty are left out, but for "parent". */
#include "value/value.h"
#include "visualizer/graph.h"

static void write_string(const char *name, struct str text, struct buffer *out)
{
	if (!text.len)
		return;
	buffer_printf(out, ",\"%s\":", name);
	value_write_string(text, out);
}

static void write_strings(const char *name, const struct str *texts, uint32_t count, struct buffer *out)
{
	buffer_printf(out, ",\"%s\":[", name);
	for (uint32_t i = 0; i < count; i++) {
		buffer_addz(out, i ? "," : "");
		value_write_string(texts[i], out);
	}
	buffer_byte(out, ']');
}

static void write_box(const struct graph_box *box, struct buffer *out)
{
	buffer_printf(out, "\"x\":%d,\"y\":%d,\"w\":%d,\"h\":%d", box->x, box->y, box->w, box->h);
}

static void write_state(const struct graph_node *node, struct buffer *out)
{
	const struct state *state = node->state;
	buffer_printf(out, ",\"type\":\"%s\"", state_type_name(state->type));
	if (state->type == STATE_TASK)
		write_string("resource", state->task.resource.arn, out);
	if (node->retry.len) {
		buffer_printf(out, ",\"retry\":{\"attempts\":%lld", (long long)node->retry_attempts);
		write_string("text", node->retry, out);
		buffer_byte(out, '}');
	}
	write_string("comment", state->comment, out);
	buffer_printf(out, ",\"source\":[%zu,%zu]", state->offset, state->length);
	if (node->children || node->collapsed)
		buffer_addz(out, ",\"container\":true");
	if (node->collapsed)
		buffer_addz(out, ",\"collapsed\":true");
}

static void write_folded(const struct graph *graph, const struct graph_node *node, struct buffer *out)
{
	buffer_addz(out, ",\"folded\":[");
	for (uint32_t i = 0; i < node->folded_count; i++) {
		buffer_addz(out, i ? "," : "");
		value_write_string(graph->program->states[node->folded[i]].name, out);
	}
	buffer_byte(out, ']');
}

static void write_node(const struct graph *graph, uint32_t index, struct buffer *out)
{
	const struct graph_node *node = &graph->nodes[index];
	buffer_printf(out, "%s\n{\"id\":%u,\"kind\":\"%s\",\"parent\":", index ? "," : "", index,
		      graph_node_kind_name(node->kind));
	if (node->parent == GRAPH_NONE)
		buffer_addz(out, "null,");
	else
		buffer_printf(out, "%d,", node->parent);
	write_box(&node->box, out);
	write_string("name", node->name, out);
	write_string("detail", node->detail, out);
	if (node->title.lines_count)
		write_strings("lines", node->title.lines, node->title.lines_count, out);
	if (node->kind == GRAPH_STATE)
		write_state(node, out);
	else if (node->kind == GRAPH_BRANCH)
		buffer_printf(out, ",\"branch\":%u", node->branch);
	if (node->kind == GRAPH_FOLD || node->collapsed)
		write_folded(graph, node, out);
	buffer_byte(out, '}');
}

static void write_transitions(const struct graph *graph, const struct graph_edge *edge, struct buffer *out)
{
	buffer_addz(out, ",\"transitions\":[");
	for (uint32_t i = 0; i < edge->transitions_count; i++) {
		const struct graph_transition *transition = &edge->transitions[i];
		buffer_printf(out, "%s{\"kind\":\"%s\"", i ? "," : "", graph_edge_kind_name(transition->kind));
		if (transition->from != STATE_NONE)
			write_string("state", graph->program->states[transition->from].name, out);
		if (transition->kind == GRAPH_CHOICE || transition->kind == GRAPH_CATCH)
			buffer_printf(out, ",\"index\":%u", transition->index);
		write_string("text", transition->text, out);
		buffer_byte(out, '}');
	}
	buffer_byte(out, ']');
}

static void write_edge(const struct graph *graph, uint32_t index, struct buffer *out)
{
	const struct graph_edge *edge = &graph->edges[index];
	buffer_printf(out, "%s\n{\"from\":%d,\"to\":%d,\"kind\":\"%s\"%s%s,\"path\":\"", index ? "," : "", edge->from,
		      edge->to, graph_edge_kind_name(edge->kind), edge->back ? ",\"back\":true" : "",
		      edge->jump ? ",\"jump\":true" : "");
	graph_write_path(graph, edge, false, out);
	buffer_byte(out, '"');
	if (edge->shared) {
		buffer_addz(out, ",\"own\":\"");
		graph_write_path(graph, edge, true, out);
		buffer_byte(out, '"');
	}
	if (edge->label.lines_count) {
		buffer_addz(out, ",\"label\":{");
		write_box(&edge->label_box, out);
		write_strings("lines", edge->label.lines, edge->label.lines_count, out);
		buffer_byte(out, '}');
	}
	write_transitions(graph, edge, out);
	buffer_byte(out, '}');
}

void graph_write_json(const struct graph *graph, struct buffer *out)
{
	buffer_printf(out, "{\"direction\":\"%s\",\"width\":%d,\"height\":%d,\"states\":%u,\"folded\":%u,\"nodes\":[",
		      graph->direction == GRAPH_RIGHT ? "right" : "down", graph->width, graph->height,
		      graph->program->states_count, graph->folded_count);
	for (uint32_t i = 0; i < graph->nodes_count; i++)
		write_node(graph, i, out);
	buffer_addz(out, "],\n\"edges\":[");
	for (uint32_t i = 0; i < graph->edges_count; i++)
		write_edge(graph, i, out);
	buffer_addz(out, "]}\n");
}
