/* tree.c: the tree of an execution's states (tree.h).
 *
 * Events are chained by previousEventId. Every event belongs to a node: an event that opens a node (a state entered, a
 * map iteration started) is given a new one, any other event belongs to its predecessor's. A state that is entered
 * hangs below its predecessor's node if that is a container still open (an iteration, a started Parallel or Map), else
 * beside it.
 *
 * Histories do not say which state an aborted or failed one is, and what failed may be tried again or caught. So a
 * failure only marks its node as failing; what is still open when its container or the execution ends has failed if it
 * is marked, and else was aborted. */
#include "cli/tree.h"
#include "base/map.h"
#include "base/mem.h"
#include "cli/cli.h"
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum node_status { NODE_RUNNING, NODE_SUCCEEDED, NODE_FAILED, NODE_ABORTED };

struct node {
	struct node *parent, *first, *last, *next;
	char *label;
	char *note; /* error and cause, or the last log line */
	enum node_status status;
	bool container; /* Parallel, Map, an iteration, the root */
	bool iteration;
	bool failing;
	int64_t start_ms, end_ms;
	unsigned depth;
	unsigned attempts; /* tasks scheduled in it, or times it was begun */
	double fraction;   /* progress; negative: unknown */
	uint64_t index;
	uint64_t items, items_ended; /* a Map's, of this attempt */
};

struct tree {
	FILE *to;
	bool live;
	struct node *root;
	struct u64_map by_event;
	unsigned drawn_lines;
};

/* ---- the model -------------------------------------------------------------------------------- */

static struct node *node_new(struct node *parent, char *label, int64_t start_ms)
{
	struct node *node = NEW(struct node);
	node->parent = parent;
	node->label = label;
	cli_clean(label, strlen(label));
	node->start_ms = start_ms;
	node->fraction = -1;
	if (parent) {
		node->depth = parent->depth + 1;
		if (parent->last)
			parent->last->next = node;
		else
			parent->first = node;
		parent->last = node;
	}
	return node;
}

struct tree *tree_new(FILE *to, bool live)
{
	struct tree *tree = NEW(struct tree);
	tree->to = to;
	tree->live = live;
	tree->root = node_new(NULL, mem_strdup("execution"), 0);
	tree->root->container = true;
	return tree;
}

/* Nodes hang in lists below each other; freed without recursion by walking down and up. */
void tree_free(struct tree *tree)
{
	if (!tree)
		return;
	struct node *node = tree->root;
	while (node) {
		if (node->first) {
			struct node *child = node->first;
			node->first = child->next;
			child->next = NULL;
			child->parent = node;
			node = child;
			continue;
		}
		struct node *parent = node->parent;
		free(node->label);
		free(node->note);
		free(node);
		node = parent;
	}
	u64_map_done(&tree->by_event);
	free(tree);
}

static bool is(const struct tree_event *event, const char *type)
{
	return str_eqz(event->type, type);
}

static bool node_open(const struct node *node)
{
	return node->status == NODE_RUNNING;
}

/* The nearest container at or above `node` that is still open. */
static struct node *open_container(struct node *node)
{
	while (node->parent && !(node->container && node_open(node)))
		node = node->parent;
	return node;
}

static void note(struct node *node, struct str error, struct str cause)
{
	if (!error.len && !cause.len)
		return;
	free(node->note);
	_cleanup_free_ char *shown = cli_short_cause(cause);
	node->note = mem_printf("%.*s%s%s", STR_FMT(error), error.len && *shown ? ": " : "", shown);
	cli_clean(node->note, strlen(node->note));
}

static void print_ended(struct tree *tree, const struct node *node);

static void end(struct tree *tree, struct node *node, enum node_status status, int64_t now_ms)
{
	if (!node_open(node))
		return;
	node->status = status;
	node->end_ms = now_ms;
	if (node->iteration)
		node->parent->items_ended++;
	if (!tree->live && node->parent && !node->iteration)
		print_ended(tree, node);
}

static struct node *innermost(struct node *node)
{
	while (node->first)
		node = node->first;
	return node;
}

/* Whatever is still open below a node that ended has ended with it; the innermost first. */
static void end_below(struct tree *tree, struct node *top, int64_t now_ms)
{
	for (struct node *node = innermost(top); node != top; node = node->next ? innermost(node->next) : node->parent)
		end(tree, node, node->failing ? NODE_FAILED : NODE_ABORTED, now_ms);
}

/* What led to the failure of `top`: `node`, and what it is in. */
static void mark_failing(struct node *node, const struct node *top)
{
	for (; node && node != top; node = node->parent)
		node->failing = true;
}

static void state_entered(struct tree *tree, const struct tree_event *event, struct node *before)
{
	struct node *parent = open_container(before);
	struct node *node = node_new(parent, mem_strndup(event->name.ptr, event->name.len), event->timestamp_ms);
	node->container = str_starts(event->type, STR("Parallel")) || str_starts(event->type, STR("Map"));
	if (is(event, "FailStateEntered"))
		end(tree, node, NODE_FAILED, event->timestamp_ms);
	u64_map_put(&tree->by_event, event->id, node);
}

static void iteration_started(struct tree *tree, const struct tree_event *event, struct node *before)
{
	struct node *map = before;
	while (map->parent &&
	       !(map->container && !map->iteration && node_open(map) && str_eqz(event->name, map->label)))
		map = map->parent;
	struct node *node = node_new(map, mem_printf("#%llu", (unsigned long long)event->index), event->timestamp_ms);
	node->container = node->iteration = true;
	node->index = event->index;
	u64_map_put(&tree->by_event, event->id, node);
}

/* The iteration of that index which an event closes: it may name an event inside or the map itself as its predecessor.
 */
static struct node *find_iteration(struct node *before, const struct tree_event *event)
{
	struct node *node = before;
	while (node->parent && !(node->iteration && node->index == event->index))
		node = node->parent;
	if (node->parent)
		return node;
	for (node = before; node->parent; node = node->parent)
		for (struct node *child = node->first; child; child = child->next)
			if (child->iteration && child->index == event->index && node_open(child))
				return child;
	return NULL;
}

/* The state around an event: not an iteration. */
static struct node *state_of(struct node *node, struct str name)
{
	struct node *found = node;
	while (found->parent && (found->iteration || (name.len && !str_eqz(name, found->label))))
		found = found->parent;
	return found->parent ? found : node;
}

static struct node *iteration_ended(struct tree *tree, const struct tree_event *event, struct node *before)
{
	struct node *iteration = find_iteration(before, event);
	if (!iteration)
		return before;
	bool failed = is(event, "MapIterationFailed");
	if (failed)
		mark_failing(before, iteration);
	end_below(tree, iteration, event->timestamp_ms);
	end(tree, iteration,
	    is(event, "MapIterationSucceeded") ? NODE_SUCCEEDED
	    : failed                           ? NODE_FAILED
					       : NODE_ABORTED,
	    event->timestamp_ms);
	return iteration->parent;
}

/* A Parallel or Map failed: which of them its event does not say, but it is the innermost that is open. */
static struct node *container_failed(struct tree *tree, const struct tree_event *event, struct node *before)
{
	struct node *node = open_container(before);
	while (node->iteration && node->parent)
		node = open_container(node->parent);
	mark_failing(before, node);
	end_below(tree, node, event->timestamp_ms);
	node->failing = true;
	return node;
}

static void execution_ended(struct tree *tree, const struct tree_event *event, struct node *before)
{
	struct node *root = tree->root;
	if (is(event, "ExecutionFailed"))
		mark_failing(before, root);
	end_below(tree, root, event->timestamp_ms);
	note(root, event->error, event->cause);
	root->status = is(event, "ExecutionSucceeded") ? NODE_SUCCEEDED : NODE_FAILED;
	root->end_ms = event->timestamp_ms;
}

void tree_add(struct tree *tree, const struct tree_event *event)
{
	struct node *before = u64_map_get(&tree->by_event, event->previous_id);
	if (!before)
		before = tree->root;
	struct node *node = before;

	if (is(event, "ExecutionStarted")) {
		tree->root->start_ms = event->timestamp_ms;
		node = tree->root;
	} else if (str_ends(event->type, STR("StateEntered"))) {
		state_entered(tree, event, before);
		return;
	} else if (is(event, "MapIterationStarted")) {
		iteration_started(tree, event, before);
		return;
	} else if (str_starts(event->type, STR("MapIteration"))) {
		node = iteration_ended(tree, event, before);
	} else if (str_ends(event->type, STR("StateExited"))) {
		node = state_of(before, event->name);
		end_below(tree, node, event->timestamp_ms);
		end(tree, node, NODE_SUCCEEDED, event->timestamp_ms);
	} else if (is(event, "ParallelStateFailed") || is(event, "MapStateFailed")) {
		node = container_failed(tree, event, before);
	} else if (is(event, "ParallelStateStarted") || is(event, "MapStateStarted")) {
		node->attempts++;
		node->failing = false;
		node->items = is(event, "MapStateStarted") ? event->length : 0;
		node->items_ended = 0;
	} else if (str_starts(event->type, STR("Execution")) && !is(event, "ExecutionRedriven")) {
		node = tree->root;
		execution_ended(tree, event, before);
	} else if (str_ends(event->type, STR("Scheduled"))) {
		node->attempts++;
		node->failing = false;
		node->fraction = -1;
	} else if (str_ends(event->type, STR("Failed")) || str_ends(event->type, STR("TimedOut"))) {
		note(node, event->error, event->cause);
		node->failing = true;
	}
	u64_map_put(&tree->by_event, event->id, node);
}

void tree_task(struct tree *tree, uint64_t scheduled_event_id, struct str line, double fraction)
{
	struct node *node = u64_map_get(&tree->by_event, scheduled_event_id);
	if (!node || !node_open(node))
		return;
	if (fraction >= 0)
		node->fraction = fraction;
	if (line.len && fraction < 0)
		note(node, STR_EMPTY, line);
}

/* ---- the drawing -------------------------------------------------------------------------------- */

/* Failing, or being tried again. */
static bool retrying(const struct node *node)
{
	return node_open(node) && (node->failing || node->attempts > 1);
}

static const char *symbol(const struct node *node)
{
	switch (node->status) {
	case NODE_RUNNING:
		return retrying(node) ? "↻" : "●";
	case NODE_SUCCEEDED:
		return "✓";
	case NODE_FAILED:
		return "✗";
	case NODE_ABORTED:
		return "∅";
	}
	return "?";
}

static const char *colour(const struct node *node)
{
	switch (node->status) {
	case NODE_RUNNING:
		return retrying(node) ? "\033[33m" : "\033[36m";
	case NODE_SUCCEEDED:
		return "\033[32m";
	case NODE_FAILED:
		return "\033[31m";
	case NODE_ABORTED:
		return "\033[90m";
	}
	return "";
}

static void path_of(const struct node *node, struct buffer *out)
{
	const struct node *chain[64];
	unsigned count = 0;
	for (; node->parent && count < 64; node = node->parent)
		chain[count++] = node;
	while (count--) {
		const char *label = chain[count]->label;
		buffer_printf(out, "%s%s", out->len && label[0] != '#' ? " › " : "", label);
	}
}

static void describe(const struct node *node, int64_t now_ms, struct buffer *out)
{
	char duration[32];
	int64_t end_ms = node_open(node) ? now_ms : node->end_ms;
	if (node->items)
		buffer_printf(out, "  %llu/%llu", (unsigned long long)node->items_ended,
			      (unsigned long long)node->items);
	if (node_open(node) && node->fraction >= 0)
		buffer_printf(out, "  %.0f %%", node->fraction * 100);
	buffer_printf(out, "  %s", cli_duration(end_ms > node->start_ms ? end_ms - node->start_ms : 0, duration));
	if (node->attempts > 1)
		buffer_printf(out, "  attempt %u", node->attempts);
	if (node->note && node->status != NODE_SUCCEEDED)
		buffer_printf(out, "  %s", node->note);
}

static void print_ended(struct tree *tree, const struct node *node)
{
	_cleanup_(buffer_done) struct buffer line = { 0 };
	path_of(node, &line);
	describe(node, node->end_ms, &line);
	fprintf(tree->to, "%s %s\n", symbol(node), line.data);
	fflush(tree->to);
}

/* Bytes of the first `columns` characters. */
static size_t cut(struct str text, unsigned columns)
{
	size_t at = 0;
	for (unsigned seen = 0; at < text.len && seen < columns; seen++)
		for (at++; at < text.len && (text.ptr[at] & 0xc0) == 0x80; at++)
			;
	return at;
}

/* The next node in reading order that is to be shown, from `node`. Finished iterations stay folded when `folded`. */
static struct node *next_shown(struct node *node, bool folded)
{
	bool skip = folded && node->iteration && !node_open(node) && node->status != NODE_FAILED;
	if (node->first && !skip)
		return node->first;
	while (node && !node->next)
		node = node->parent;
	return node ? node->next : NULL;
}

static bool hidden(const struct node *node, bool folded)
{
	return folded && node->iteration && !node_open(node) && node->status != NODE_FAILED;
}

static void draw_node(const struct node *node, int64_t now_ms, bool coloured, unsigned columns, struct buffer *out)
{
	_cleanup_(buffer_done) struct buffer line = { 0 };
	/* A long name leaves room for what is said about it. */
	struct str label = str_of(node->label), shown = { label.ptr, cut(label, columns < 40 ? 20 : columns / 2) };
	buffer_printf(&line, "%*s%s %.*s%s", (int)(node->depth - 1) * 2, "", symbol(node), STR_FMT(shown),
		      shown.len < label.len ? "…" : "");
	describe(node, now_ms, &line);
	buffer_printf(out, "%s%.*s%s\n", coloured ? colour(node) : "", (int)cut(buffer_str(&line), columns), line.data,
		      coloured ? "\033[0m\033[K" : "");
}

/* Returns how many lines it took, at most `rows`: of more, the last. */
static unsigned draw_all(struct tree *tree, int64_t now_ms, bool folded, bool coloured, unsigned rows, unsigned columns,
			 struct buffer *out)
{
	unsigned total = 0, lines = 0;
	for (struct node *n = tree->root->first; n; n = next_shown(n, folded))
		total += !hidden(n, folded);
	/* The line that says how many are left out takes the place of one more; a single line is for the last node. */
	unsigned skip = total <= rows ? 0 : rows > 1 ? total - rows + 1 : total - 1;

	if (skip && rows > 1) {
		buffer_printf(out, "… %u more above%s\n", skip, coloured ? "\033[K" : "");
		lines++;
	}
	for (struct node *n = tree->root->first; n; n = next_shown(n, folded)) {
		if (hidden(n, folded))
			continue;
		if (skip) {
			skip--;
			continue;
		}
		draw_node(n, now_ms, coloured, columns, out);
		lines++;
	}
	return lines;
}

/* One write for a whole drawing. The terminal does not wrap meanwhile: wide characters make lines longer than we count
 * them, and a wrapped line would be two to go back over. */
void tree_draw(struct tree *tree, int64_t now_ms)
{
	struct winsize size = { 0 };
	_cleanup_(buffer_done) struct buffer out = { 0 };
	if (!tree->live)
		return;
	if (ioctl(fileno(tree->to), TIOCGWINSZ, &size) != 0 || size.ws_row == 0 || size.ws_col == 0)
		size = (struct winsize){ .ws_row = 24, .ws_col = 80 };
	unsigned rows = size.ws_row > 3 ? size.ws_row - 2u : 1;
	unsigned back = tree->drawn_lines < size.ws_row ? tree->drawn_lines : size.ws_row - 1u;
	if (back)
		buffer_printf(&out, "\033[%uA", back);
	buffer_addz(&out, "\r\033[?7l");
	tree->drawn_lines = draw_all(tree, now_ms, true, true, rows, size.ws_col > 1 ? size.ws_col - 1u : 1, &out);
	buffer_addz(&out, "\033[J\033[?7h");
	fwrite(out.data, 1, out.len, tree->to);
	fflush(tree->to);
}

void tree_finish(struct tree *tree, int64_t now_ms)
{
	tree_draw(tree, now_ms);
	tree->drawn_lines = 0;
}

void tree_print(struct tree *tree, int64_t now_ms)
{
	_cleanup_(buffer_done) struct buffer out = { 0 };
	draw_all(tree, now_ms, false, false, UINT32_MAX, 2000, &out);
	if (out.len)
		fwrite(out.data, 1, out.len, tree->to);
}
