/* svg.c: the graph as a picture that needs nothing else. Colours and icons are tables; where things stand is the
 * graph's.
 *
 * Back to front: containers with their branches, edges, boxes, labels, badges. Every box and edge has a title with what
 * did not fit, which browsers show under the pointer and readers read aloud. */
#include "visualizer/graph.h"
#include "visualizer/text.h"
#include <stdio.h>
#include <stdlib.h>

enum {
	CORNER = 9,      /* radius of an edge's corners */
	CHIP = 24,       /* side of the square behind an icon */
	TITLE_BASE = 12, /* from a line's top to its baseline */
	DETAIL_BASE = 10,
	TITLE_LINE = 16,
	DETAIL_LINE = 14,
	BOX_MARGIN = 8,
	TEXT_AT = 40, /* from a state's left side to its texts */
};

/* ---- looks ---------------------------------------------------------------------------------- */

/* X(name, light, dark): the same names as the dashboard's. */
#define COLOURS(X)                                                                                                     \
	X(pane, "#ffffff", "#161d27")                                                                                  \
	X(ink, "#16202c", "#e6ebf2")                                                                                   \
	X(mute, "#5a6675", "#9aa7b8")                                                                                  \
	X(line, "#c3ccd7", "#3d4a5c")                                                                                  \
	X(idle, "#f4f6f9", "#1b2430")                                                                                  \
	X(node, "#ffffff", "#222c39")                                                                                  \
	X(edge, "#8492a3", "#7d8da1")                                                                                  \
	X(bad, "#b3261e", "#ff8f86")                                                                                   \
	X(warn, "#8a5300", "#f3bd66")

struct palette {
#define X(name, light, dark) const char *name;
	COLOURS(X)
#undef X
};
static const struct palette palettes[] = {
#define X(name, light, dark) .name = light,
	[GRAPH_LIGHT] = { COLOURS(X) },
#undef X
#define X(name, light, dark) .name = dark,
	[GRAPH_DARK] = { COLOURS(X) },
#undef X
};

/* How a type of state looks: its icon in a square of 16, and the colours of chip and icon in both themes. */
static const struct look {
	const char *icon;
	struct {
		const char *chip, *icon;
	} colours[2];
} looks[] = {
	[STATE_TASK] = { "M9 1.5L3.5 9H8l-1 5.5L12.5 7H8z", { { "#e0edff", "#0b62d6" }, { "#122c4d", "#6db0ff" } } },
	[STATE_PASS] = { "M2.5 8h10M8.5 4l4 4-4 4", { { "#e9edf2", "#5a6675" }, { "#2c3746", "#9aa7b8" } } },
	[STATE_CHOICE] = { "M8 2l6 6-6 6-6-6z", { { "#fff0d6", "#8a5300" }, { "#3b2a0d", "#f3bd66" } } },
	[STATE_WAIT] = { "M8 2a6 6 0 1 0 .01 0M8 4.8V8.2l2.4 1.6",
			 { { "#efe7ff", "#6b3fc0" }, { "#2d2250", "#bfa3ff" } } },
	[STATE_SUCCEED] = { "M3 8.5l3.5 3.5L13 4.5", { { "#dff3e6", "#177a46" }, { "#123524", "#5fd08f" } } },
	[STATE_FAIL] = { "M4 4l8 8M12 4l-8 8", { { "#fde7e5", "#b3261e" }, { "#42191a", "#ff8f86" } } },
	[STATE_PARALLEL] = { "M3 3v10M8 3v10M13 3v10", { { "#d7f1f1", "#0b6b74" }, { "#0f3338", "#5fd0d8" } } },
	[STATE_MAP] = { "M2.5 6h7.5v7.5h-7.5zM6 6V2.5h7.5v7.5H10",
			{ { "#e6e8ff", "#3f49c0" }, { "#252a55", "#a3acff" } } },
};

/* ---- paths ---------------------------------------------------------------------------------- */

static int32_t sign(int32_t number)
{
	return (number > 0) - (number < 0);
}

/* How far a corner between two straight lines is rounded: at most half of either. */
static int32_t corner_radius(struct graph_point a, struct graph_point b)
{
	int32_t length = abs(b.x - a.x) + abs(b.y - a.y);
	return length / 2 < CORNER ? length / 2 : CORNER;
}

static bool is_straight(struct graph_point a, struct graph_point b)
{
	return a.x == b.x || a.y == b.y;
}

/* The line from a to b, and if it goes straight on to c at an angle, the rounded corner at b. */
static void write_line(struct buffer *out, struct graph_point a, struct graph_point b, const struct graph_point *c)
{
	bool corner = c && is_straight(b, *c) && (a.x == b.x) != (b.x == c->x);
	int32_t before = corner_radius(a, b), after = corner ? corner_radius(b, *c) : 0;
	if (!corner) {
		buffer_printf(out, "L%d %d", b.x, b.y);
		return;
	}
	int32_t radius = before < after ? before : after;
	buffer_printf(out, "L%d %dQ%d %d %d %d", b.x - sign(b.x - a.x) * radius, b.y - sign(b.y - a.y) * radius, b.x,
		      b.y, b.x + sign(c->x - b.x) * radius, b.y + sign(c->y - b.y) * radius);
}

void graph_write_path(const struct graph *graph, const struct graph_edge *edge, bool own, struct buffer *out)
{
	const struct graph_point *p = edge->points;
	uint32_t count = own && edge->shared ? edge->shared + 1 : edge->points_count;
	for (uint32_t i = 0; i < count; i++) {
		if (i == 0 || (edge->gap && i == edge->gap)) {
			buffer_printf(out, "M%d %d", p[i].x, p[i].y);
			continue;
		}
		struct graph_point a = p[i - 1], b = p[i];
		bool last = i + 1 == count || (edge->gap && i + 1 == edge->gap);
		if (is_straight(a, b))
			write_line(out, a, b, last ? NULL : &p[i + 1]);
		else if (graph->direction == GRAPH_RIGHT)
			buffer_printf(out, "C%d %d %d %d %d %d", (a.x + b.x) / 2, a.y, (a.x + b.x) / 2, b.y, b.x, b.y);
		else
			buffer_printf(out, "C%d %d %d %d %d %d", a.x, (a.y + b.y) / 2, b.x, (a.y + b.y) / 2, b.x, b.y);
	}
}

/* ---- texts ---------------------------------------------------------------------------------- */

struct picture {
	const struct graph *graph;
	enum graph_theme theme;
	struct buffer *out;
};

static void write_lines(struct picture *p, const char *class, int32_t x, int32_t baseline, int32_t line,
			const struct graph_text *text)
{
	for (uint32_t i = 0; i < text->lines_count; i++) {
		buffer_printf(p->out, "<text class=\"%s\" x=\"%d\" y=\"%d\">", class, x, baseline + (int32_t)i * line);
		text_write_xml(text->lines[i], p->out);
		buffer_addz(p->out, "</text>");
	}
}

static void write_more(struct picture *p, const char *words, struct str text)
{
	if (!text.len)
		return;
	buffer_printf(p->out, "\n%s", words);
	text_write_xml(text, p->out);
}

static void write_state_title(struct picture *p, const struct graph_node *node)
{
	const struct state *state = node->state;
	buffer_addz(p->out, "<title>");
	text_write_xml(node->name, p->out);
	buffer_printf(p->out, " (%s)", state_type_name(state->type));
	write_more(p, "", state->type == STATE_TASK ? state->task.resource.arn : node->detail);
	write_more(p, "Retry ", node->retry);
	write_more(p, "", str_sub(state->comment, 0, 1000));
	buffer_addz(p->out, "</title>");
}

static void write_edge_title(struct picture *p, const struct graph_edge *edge)
{
	buffer_addz(p->out, "<title>");
	text_write_xml(p->graph->nodes[edge->from].name, p->out);
	buffer_addz(p->out, " → ");
	text_write_xml(p->graph->nodes[edge->to].name, p->out);
	for (uint32_t i = 0; i < edge->transitions_count && i < 20; i++)
		write_more(p, edge->transitions[i].kind == GRAPH_CATCH ? "Catch " : "", edge->transitions[i].text);
	buffer_addz(p->out, "</title>");
}

/* ---- boxes ---------------------------------------------------------------------------------- */

static void write_rect(struct picture *p, const char *class, const struct graph_box *box, int radius)
{
	buffer_printf(p->out, "<rect class=\"%s\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"%d\"/>", class,
		      box->x, box->y, box->w, box->h, radius);
}

static int32_t texts_height(const struct graph_node *node)
{
	return 2 * BOX_MARGIN + (int32_t)node->title.lines_count * TITLE_LINE +
	       (int32_t)node->subtitle.lines_count * DETAIL_LINE;
}

static void write_icon(struct picture *p, const struct graph_node *node)
{
	const struct look *look = &looks[node->state->type];
	int32_t x = node->box.x + 9, y = node->box.y + (texts_height(node) - CHIP) / 2;
	buffer_printf(p->out,
		      "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"6\" fill=\"%s\"/>"
		      "<path class=\"i\" d=\"%s\" transform=\"translate(%d %d)\" stroke=\"%s\"/>",
		      x, y, CHIP, CHIP, look->colours[p->theme].chip, look->icon, x + 4, y + 4,
		      look->colours[p->theme].icon);
}

/* Over the upper right corner: how often it is tried again. */
static void write_retry(struct picture *p, const struct graph_node *node)
{
	char number[24] = "99+";
	if (node->retry_attempts < 100)
		snprintf(number, sizeof number, "%lld", (long long)node->retry_attempts);
	int32_t width = 26 + (int32_t)text_width(str_of(number), 10), x = node->box.x + node->box.w - width - 6;
	int32_t y = node->box.y - 8;
	buffer_printf(
	    p->out,
	    "<rect class=\"r\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"16\" rx=\"8\"/>"
	    "<path class=\"q\" d=\"M10.2 5A4 4 0 1 0 10.5 8M10.5 2.5V5.2H7.8\" transform=\"translate(%d %d)\"/>"
	    "<text class=\"n\" x=\"%d\" y=\"%d\">%s</text>",
	    x, y, width, x + 3, y + 1, x + 19, y + 12, number);
}

static void write_texts(struct picture *p, const struct graph_node *node, const char *title, const char *detail,
			int32_t x)
{
	int32_t y = node->box.y + BOX_MARGIN;
	write_lines(p, title, x, y + TITLE_BASE, TITLE_LINE, &node->title);
	y += (int32_t)node->title.lines_count * TITLE_LINE;
	write_lines(p, detail, x, y + DETAIL_BASE, DETAIL_LINE, &node->subtitle);
}

/* What a box with something folded inside stands on. */
static void write_behind(struct picture *p, const struct graph_node *node)
{
	struct graph_box behind = node->box;
	behind.x += 4;
	behind.y += 4;
	write_rect(p, "f", &behind, 8);
}

static void write_state(struct picture *p, const struct graph_node *node)
{
	buffer_addz(p->out, "<g>");
	write_state_title(p, node);
	if (node->collapsed)
		write_behind(p, node);
	if (node->children)
		write_rect(p, "c", &node->box, 10);
	else
		write_rect(p, "b", &node->box, 8);
	write_icon(p, node);
	write_texts(p, node, "t", "d", node->box.x + TEXT_AT);
	if (node->retry_attempts)
		write_retry(p, node);
	buffer_addz(p->out, "</g>\n");
}

static void write_marker(struct picture *p, const struct graph_node *node)
{
	write_rect(p, "m", &node->box, node->box.h / 2);
	write_lines(p, "l", node->box.x + node->box.w / 2, node->box.y + 18, TITLE_LINE, &node->title);
	buffer_byte(p->out, '\n');
}

static void write_fold(struct picture *p, const struct graph_node *node)
{
	write_behind(p, node);
	write_rect(p, "f", &node->box, 8);
	write_texts(p, node, "t m", "d m", node->box.x + node->box.w / 2);
	buffer_byte(p->out, '\n');
}

static bool is_container(const struct graph_node *node)
{
	return node->kind == GRAPH_STATE && node->children;
}

/* Branches are outlined where there are more than one. */
static void write_node(struct picture *p, const struct graph_node *node)
{
	switch (node->kind) {
	case GRAPH_START:
	case GRAPH_END:
		write_marker(p, node);
		return;
	case GRAPH_STATE:
		write_state(p, node);
		return;
	case GRAPH_BRANCH:
		if (p->graph->nodes[node->parent].children > 1)
			write_rect(p, "g", &node->box, 8);
		return;
	case GRAPH_FOLD:
		write_fold(p, node);
		return;
	}
}

/* ---- edges ---------------------------------------------------------------------------------- */

static void write_edge(struct picture *p, const struct graph_edge *edge)
{
	bool catcher = edge->kind == GRAPH_CATCH;
	buffer_addz(p->out, "<g>");
	write_edge_title(p, edge);
	buffer_printf(p->out, "<path class=\"e%s\" d=\"", catcher ? " x" : "");
	graph_write_path(p->graph, edge, true, p->out);
	buffer_printf(p->out, "\"%s/>",
		      edge->jump || edge->shared ? ""
		      : catcher                  ? " marker-end=\"url(#x)\""
						 : " marker-end=\"url(#e)\"");
	if (edge->label.lines_count)
		write_lines(p, catcher ? "l x" : "l", edge->label_box.x + edge->label_box.w / 2,
			    edge->label_box.y + DETAIL_BASE + 2, DETAIL_LINE, &edge->label);
	buffer_addz(p->out, "</g>\n");
}

static void write_head(struct picture *p)
{
	const struct palette *c = &palettes[p->theme];
	const struct graph *graph = p->graph;
	buffer_printf(p->out,
		      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\" "
		      "role=\"img\">\n<title>",
		      graph->width, graph->height, graph->width, graph->height);
	if (graph->program->comment.len)
		text_write_xml(str_sub(graph->program->comment, 0, 1000), p->out);
	else
		buffer_printf(p->out, "State machine with %u states", graph->program->states_count);
	buffer_printf(p->out,
		      "</title>\n<style>\n"
		      "text{font-family:system-ui,\"DejaVu Sans\",sans-serif}\n"
		      ".b{fill:%s;stroke:%s;stroke-width:1.2}\n.c{fill:%s;stroke:%s}\n"
		      ".g{fill:none;stroke:%s;stroke-dasharray:3 4}\n.m{fill:%s;stroke:%s}\n"
		      ".f{fill:%s;stroke:%s;stroke-dasharray:5 3}\n"
		      ".i{fill:none;stroke-width:1.6;stroke-linecap:round;stroke-linejoin:round}\n"
		      ".e{fill:none;stroke:%s;stroke-width:1.6}\n.e.x{stroke:%s;stroke-dasharray:5 4}\n",
		      c->node, c->line, c->idle, c->line, c->line, c->idle, c->mute, c->node, c->mute, c->edge, c->bad);
	buffer_printf(p->out,
		      ".t{font-size:13px;fill:%s}\n.d{font-size:11px;fill:%s}\ntext.m{text-anchor:middle;stroke:none}"
		      "\n.t.m{fill:%s}\n.d.m{fill:%s}\n"
		      ".l{font-size:11px;fill:%s;text-anchor:middle}\n.l.x{fill:%s}\n"
		      ".r{fill:%s}\n.q{fill:none;stroke:%s;stroke-width:1.4}\n.n{font-size:10px;font-weight:700;fill:%"
		      "s}\n</style>\n",
		      c->ink, c->mute, c->ink, c->mute, c->mute, c->bad, c->warn, c->pane, c->pane);
	buffer_printf(
	    p->out,
	    "<defs><marker id=\"e\" viewBox=\"0 0 8 8\" refX=\"7.5\" refY=\"4\" markerWidth=\"8\" markerHeight=\"8\" "
	    "markerUnits=\"userSpaceOnUse\" orient=\"auto\"><path d=\"M0 .5L8 4 0 7.5z\" fill=\"%s\"/></marker>\n"
	    "<marker id=\"x\" viewBox=\"0 0 8 8\" refX=\"7.5\" refY=\"4\" markerWidth=\"8\" markerHeight=\"8\" "
	    "markerUnits=\"userSpaceOnUse\" orient=\"auto\"><path d=\"M0 .5L8 4 0 7.5z\" "
	    "fill=\"%s\"/></marker></defs>\n"
	    "<rect width=\"100%%\" height=\"100%%\" fill=\"%s\"/>\n",
	    c->edge, c->bad, c->pane);
}

void graph_write_svg(const struct graph *graph, enum graph_theme theme, struct buffer *out)
{
	struct picture p = { .graph = graph, .theme = theme, .out = out };
	write_head(&p);
	for (uint32_t i = 0; i < graph->nodes_count; i++) /* an outer one comes before those inside of it */
		if (is_container(&graph->nodes[i]) || graph->nodes[i].kind == GRAPH_BRANCH)
			write_node(&p, &graph->nodes[i]);
	for (uint32_t i = 0; i < graph->edges_count; i++)
		write_edge(&p, &graph->edges[i]);
	for (uint32_t i = 0; i < graph->nodes_count; i++)
		if (!is_container(&graph->nodes[i]) && graph->nodes[i].kind != GRAPH_BRANCH)
			write_node(&p, &graph->nodes[i]);
	buffer_addz(out, "</svg>\n");
}
