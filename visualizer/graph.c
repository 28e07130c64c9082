/* graph.c: from a program to nodes, groups and edges. See graph.h; where they stand is layout.c's. */
#include "visualizer/graph.h"
#include "base/map.h"
#include "base/mem.h"
#include "visualizer/describe.h"
#include "visualizer/fold.h"
#include "visualizer/layout.h"
#include "visualizer/text.h"

enum {
	TITLE_WIDTH = 210, /* pixels; a longer name is broken into two lines, then cut */
	DETAIL_WIDTH = 230,
	LABEL_WIDTH = 190,
	LABEL_LINES = 3,
};

const char *graph_node_kind_name(enum graph_node_kind kind)
{
	static const char *const names[] = {
#define X(name, word) [GRAPH_##name] = word,
		GRAPH_NODE_KINDS(X)
#undef X
	};
	return names[kind];
}

const char *graph_edge_kind_name(enum graph_edge_kind kind)
{
	static const char *const names[] = {
#define X(name, word) [GRAPH_##name] = word,
		GRAPH_EDGE_KINDS(X)
#undef X
	};
	return names[kind];
}

const uint32_t *graph_branches(const struct state *state, uint32_t *ret_count)
{
	bool parallel = state->type == STATE_PARALLEL;
	*ret_count = parallel ? state->parallel.branches_count : state->type == STATE_MAP;
	return parallel ? state->parallel.branches : &state->map.processor;
}

void graph_read_collapsed(struct str text, struct arena *arena, struct graph_options *options)
{
	uint32_t count = text.len > 0;
	for (size_t i = 0; i < text.len; i++)
		count += text.ptr[i] == ',';
	struct str *names = ARENA_ARRAY(arena, struct str, count + 1);
	char *out = arena_alloc(arena, text.len + 1);
	count = 0;
	for (size_t i = 0; i < text.len; i++, count++) {
		names[count] = (struct str){ out, 0 };
		for (; i < text.len && text.ptr[i] != ','; i++) {
			if (text.ptr[i] == '\\' && i + 1 < text.len)
				i++;
			*out++ = text.ptr[i];
		}
		names[count].len = (size_t)(out - names[count].ptr);
	}
	options->collapsed = names;
	options->collapsed_count = count;
}

struct maker {
	const struct program *program;
	struct arena *arena, scratch;
	struct graph *graph;
	struct arrows arrows;
	struct folding folding;
	int32_t *node_of_scope; /* its BRANCH node */
	int32_t *node_of_fold;
	int32_t start, end; /* the markers */
};

/* ---- nodes ---------------------------------------------------------------------------------- */

static bool scope_is_shown(const struct maker *m, uint32_t scope)
{
	return !m->folding.of_scope[scope];
}

/* What will be drawn, before anything is made of it. */
static uint64_t count_nodes(const struct maker *m)
{
	uint64_t count = 2;
	for (uint32_t i = 0; i < m->folding.folds_count; i++)
		count += !m->folding.folds[i].collapsed;
	for (uint32_t i = 0; i < m->program->scopes_count; i++)
		count += scope_is_shown(m, i);
	for (uint32_t i = 0; i < m->program->states_count; i++)
		count += !m->folding.of_state[i];
	return count;
}

static struct graph_node *node_add(struct maker *m, enum graph_node_kind kind, int32_t parent, struct str name)
{
	struct graph_node *node = &m->graph->nodes[m->graph->nodes_count++];
	*node = (struct graph_node){
		.kind = kind, .parent = parent, .name = name, .detail = STR_EMPTY, .retry = STR_EMPTY
	};
	return node;
}

static int32_t node_index(const struct maker *m, const struct graph_node *node)
{
	return (int32_t)(node - m->graph->nodes);
}

static void node_texts(struct maker *m, struct graph_node *node)
{
	node->title = text_wrap(m->arena, node->name, TITLE_SIZE, TITLE_WIDTH, 2);
	node->subtitle = text_wrap(m->arena, node->detail, DETAIL_SIZE, DETAIL_WIDTH, 1);
}

static void marker_add(struct maker *m, enum graph_node_kind kind, const char *name, int32_t *ret_index)
{
	struct graph_node *node = node_add(m, kind, GRAPH_NONE, str_of(name));
	node_texts(m, node);
	*ret_index = node_index(m, node);
}

static void state_add(struct maker *m, uint32_t index, int32_t parent)
{
	const struct state *state = &m->program->states[index];
	struct graph_node *node = node_add(m, GRAPH_STATE, parent, state->name);
	node->state = state;
	node->detail = describe_state(m->arena, state);
	node->retry = describe_retries(m->arena, state, &node->retry_attempts);
	node_texts(m, node);
	m->graph->node_of[index] = node_index(m, node);
}

static void fold_add(struct maker *m, uint32_t index, int32_t parent)
{
	const struct fold *fold = &m->folding.folds[index];
	if (fold->collapsed) {
		m->graph->nodes[parent].collapsed = true;
		m->node_of_fold[index] = parent;
		return;
	}
	struct graph_node *node = node_add(m, GRAPH_FOLD, parent, arena_format(m->arena, "… %u more", fold->count));
	if (fold->owner != STATE_NONE)
		node->detail = STR("branches");
	m->node_of_fold[index] = node_index(m, node);
}

/* The boxes inside of a Parallel or Map. */
static void branches_add(struct maker *m, int32_t owner, uint32_t *fold)
{
	const struct state *state = m->graph->nodes[owner].state;
	uint32_t count;
	const uint32_t *scopes = graph_branches(state, &count);
	int32_t first = (int32_t)m->graph->nodes_count;
	for (uint32_t i = 0; i < count && scope_is_shown(m, scopes[i]); i++) {
		struct graph_node *branch = node_add(m, GRAPH_BRANCH, owner, m->program->scopes[scopes[i]].comment);
		branch->state = state;
		branch->branch = i;
		m->node_of_scope[scopes[i]] = node_index(m, branch);
	}
	if (*fold < m->folding.folds_count && m->folding.folds[*fold].owner == state->index)
		fold_add(m, (*fold)++, owner);
	m->graph->nodes[owner].first_child = first;
	m->graph->nodes[owner].children = (int32_t)m->graph->nodes_count - first;
}

static bool machine_ends(const struct maker *m)
{
	for (uint32_t i = 0; i < m->arrows.first[m->program->states_count]; i++)
		if (m->arrows.items[i].to == STATE_NONE)
			return true;
	return false;
}

static void group_add(struct maker *m, uint32_t index, uint32_t *fold)
{
	const struct scope *scope = &m->program->scopes[index];
	struct graph *graph = m->graph;
	struct graph_group *group = &graph->groups[graph->groups_count++];
	int32_t parent = index ? m->node_of_scope[index] : GRAPH_NONE;
	*group = (struct graph_group){ .owner = parent, .first_node = (int32_t)graph->nodes_count };
	if (index == 0)
		marker_add(m, GRAPH_START, "Start", &m->start);
	for (uint32_t s = scope->first; s < scope->first + scope->count; s++)
		if (!m->folding.of_state[s])
			state_add(m, s, parent);
	while (*fold < m->folding.folds_count && m->folding.folds[*fold].scope == index &&
	       m->folding.folds[*fold].owner == STATE_NONE)
		fold_add(m, (*fold)++, parent);
	if (index == 0 && machine_ends(m))
		marker_add(m, GRAPH_END, "End", &m->end);
	group->nodes_count = (int32_t)graph->nodes_count - group->first_node;
	if (parent != GRAPH_NONE) {
		graph->nodes[parent].first_child = group->first_node;
		graph->nodes[parent].children = group->nodes_count;
	}
	for (int32_t i = group->first_node, end = i + group->nodes_count; i < end; i++) {
		const struct state *state = graph->nodes[i].state;
		if (state && (state->type == STATE_PARALLEL || state->type == STATE_MAP))
			branches_add(m, i, fold);
	}
}

/* Which states each fold holds. */
static void folds_fill(struct maker *m)
{
	struct graph *graph = m->graph;
	uint32_t *of_state = m->folding.of_state;
	for (uint32_t s = 0; s < m->program->states_count; s++) {
		if (!of_state[s])
			continue;
		graph->node_of[s] = m->node_of_fold[of_state[s] - 1];
		graph->nodes[graph->node_of[s]].folded_count++;
		graph->folded_count++;
	}
	for (uint32_t i = 0; i < m->folding.folds_count; i++) {
		struct graph_node *node = &graph->nodes[m->node_of_fold[i]];
		node->folded = ARENA_ARRAY(m->arena, uint32_t, node->folded_count);
		if (m->folding.folds[i].owner == STATE_NONE || node->collapsed)
			node->detail = arena_format(m->arena, "%.*s%s%u state%s", STR_FMT(node->detail),
						    node->detail.len ? " · " : "", node->folded_count,
						    node->folded_count == 1 ? "" : "s");
		node_texts(m, node);
		node->folded_count = 0;
	}
	for (uint32_t s = 0; s < m->program->states_count; s++) {
		struct graph_node *node = &graph->nodes[graph->node_of[s]];
		if (of_state[s])
			node->folded[node->folded_count++] = s;
	}
}

/* ---- edges ---------------------------------------------------------------------------------- */

static uint64_t edge_key(int32_t from, int32_t to, bool catcher)
{
	return (uint64_t)(uint32_t)from << 33 | (uint64_t)(uint32_t)to << 1 | catcher;
}

struct joining {              /* arrows on their way into edges */
	struct u64_map edges; /* edge_key → (void *)(index + 1) */
	uint32_t *edge_of;    /* for each arrow: index + 1; 0: inside of a fold */
	size_t edges_capacity;
};

static uint32_t edge_join(struct maker *m, struct joining *j, int32_t from, int32_t to, enum graph_edge_kind kind)
{
	struct graph *graph = m->graph;
	uint64_t key = edge_key(from, to, kind == GRAPH_CATCH);
	uintptr_t known = (uintptr_t)u64_map_get(&j->edges, key);
	if (!known) {
		MEM_GROW(graph->edges, j->edges_capacity, graph->edges_count + 1);
		graph->edges[graph->edges_count] = (struct graph_edge){ .kind = kind, .from = from, .to = to };
		known = ++graph->edges_count;
		u64_map_put(&j->edges, key, (void *)known);
	}
	struct graph_edge *edge = &graph->edges[known - 1];
	if (edge->kind == GRAPH_NEXT || (edge->kind == GRAPH_DEFAULT && kind == GRAPH_CHOICE))
		edge->kind = kind;
	edge->transitions_count++;
	return (uint32_t)known;
}

static void join_arrows(struct maker *m, struct joining *j, uint32_t scope)
{
	const struct scope *s = &m->program->scopes[scope];
	for (uint32_t i = m->arrows.first[s->first]; i < m->arrows.first[s->first + s->count]; i++) {
		const struct arrow *arrow = &m->arrows.items[i];
		int32_t from = m->graph->node_of[arrow->from];
		int32_t to = arrow->to == STATE_NONE ? m->end : m->graph->node_of[arrow->to];
		if (from == to && m->graph->nodes[from].kind == GRAPH_FOLD)
			m->graph->nodes[from].folded_transitions++;
		else
			j->edge_of[i] = edge_join(m, j, from, to, arrow->kind);
	}
}

static struct str transition_text(struct maker *m, const struct graph_transition *transition)
{
	const struct state *state = &m->program->states[transition->from];
	const struct catcher *catcher;
	switch (transition->kind) {
	case GRAPH_NEXT:
		break;
	case GRAPH_CHOICE:
		return describe_rule(m->arena, &state->choice.rules[transition->index]);
	case GRAPH_DEFAULT:
		return STR("Default");
	case GRAPH_CATCH:
		catcher = &state->catchers[transition->index];
		return describe_errors(m->arena, catcher->errors, catcher->errors_count);
	}
	return STR_EMPTY;
}

/* One line a transition; a lone one may take two. */
static void edge_label(struct maker *m, struct graph_edge *edge)
{
	uint32_t count = edge->transitions_count, shown = count > LABEL_LINES ? LABEL_LINES - 1 : count;
	if (edge->kind == GRAPH_NEXT)
		return;
	edge->label = (struct graph_text){ .lines = ARENA_ARRAY(m->arena, struct str, LABEL_LINES) };
	for (uint32_t i = 0; i < shown; i++) {
		struct graph_text line =
		    text_wrap(m->arena, edge->transitions[i].text, LABEL_SIZE, LABEL_WIDTH, count == 1 ? 2 : 1);
		text_join(&edge->label, &line);
	}
	if (shown < count) {
		struct str more = arena_format(m->arena, "… %u more", count - shown);
		struct graph_text line = text_wrap(m->arena, more, LABEL_SIZE, LABEL_WIDTH, 1);
		text_join(&edge->label, &line);
	}
}

static void edges_fill(struct maker *m, const struct joining *j)
{
	struct graph *graph = m->graph;
	for (uint32_t i = 0; i < graph->edges_count; i++) {
		struct graph_edge *edge = &graph->edges[i];
		edge->transitions = ARENA_ARRAY(m->arena, struct graph_transition, edge->transitions_count);
		edge->transitions_count = 0;
	}
	*graph->edges[0].transitions = (struct graph_transition){ .from = STATE_NONE, .text = STR_EMPTY };
	graph->edges[0].transitions_count = 1;
	for (uint32_t i = 0; i < m->arrows.first[m->program->states_count]; i++) {
		if (!j->edge_of[i])
			continue;
		struct graph_edge *edge = &graph->edges[j->edge_of[i] - 1];
		struct graph_transition *transition = &edge->transitions[edge->transitions_count++];
		const struct arrow *arrow = &m->arrows.items[i];
		*transition =
		    (struct graph_transition){ .kind = arrow->kind, .from = arrow->from, .index = arrow->index };
		transition->text = transition_text(m, transition);
	}
	for (uint32_t i = 0; i < graph->edges_count; i++)
		edge_label(m, &graph->edges[i]);
}

/* Transitions of states that are in a fold with the whole scope around them. */
static void count_hidden(struct maker *m, uint32_t scope)
{
	const struct scope *s = &m->program->scopes[scope];
	if (!s->count)
		return;
	struct graph_node *fold = &m->graph->nodes[m->node_of_fold[m->folding.of_scope[scope] - 1]];
	fold->folded_transitions += m->arrows.first[s->first + s->count] - m->arrows.first[s->first];
}

static int make_edges(struct maker *m, struct wf_error *err)
{
	struct graph *graph = m->graph;
	struct joining j = { .edge_of =
				 ARENA_ARRAY(&m->scratch, uint32_t, m->arrows.first[m->program->states_count] + 1) };
	edge_join(m, &j, m->start, graph->node_of[m->program->scopes[0].start], GRAPH_NEXT);
	uint32_t group = 0;
	for (uint32_t i = 0; i < m->program->scopes_count; i++) {
		if (!scope_is_shown(m, i)) {
			count_hidden(m, i);
			continue;
		}
		graph->groups[group].first_edge = group ? graph->edges_count : 0;
		join_arrows(m, &j, i);
		graph->groups[group].edges_count = graph->edges_count - graph->groups[group].first_edge;
		group++;
	}
	u64_map_done(&j.edges);
	struct graph_edge *edges = graph->edges;
	graph->edges = ARENA_ARRAY(m->arena, struct graph_edge, graph->edges_count);
	memcpy(graph->edges, edges, graph->edges_count * sizeof *edges);
	mem_freep(&edges);
	if (graph->edges_count > GRAPH_EDGES_MAX)
		return error_set(err, ERR(LIMIT),
				 "the definition has %u different transitions to draw; at most %d can be",
				 graph->edges_count, GRAPH_EDGES_MAX);
	edges_fill(m, &j);
	return 0;
}

/* ---- all of it ------------------------------------------------------------------------------ */

static int make_nodes(struct maker *m, struct wf_error *err)
{
	const struct program *program = m->program;
	uint64_t count = count_nodes(m);
	if (count > GRAPH_NODES_MAX)
		return error_set(err, ERR(LIMIT), "the definition has %llu boxes to draw; at most %d can be",
				 (unsigned long long)count, GRAPH_NODES_MAX);
	uint32_t groups = 0, fold = 0;
	for (uint32_t i = 0; i < program->scopes_count; i++)
		groups += scope_is_shown(m, i);
	m->graph->nodes = ARENA_ARRAY(m->arena, struct graph_node, count);
	m->graph->groups = ARENA_ARRAY(m->arena, struct graph_group, groups);
	m->graph->node_of = ARENA_ARRAY(m->arena, int32_t, program->states_count);
	m->node_of_scope = ARENA_ARRAY(&m->scratch, int32_t, program->scopes_count);
	m->node_of_fold = ARENA_ARRAY(&m->scratch, int32_t, m->folding.folds_count + 1);
	for (uint32_t i = 0; i < program->scopes_count; i++)
		if (scope_is_shown(m, i))
			group_add(m, i, &fold);
	folds_fill(m);
	return 0;
}

int graph_make(const struct program *program, const struct graph_options *options, struct arena *arena,
	       struct graph **ret_graph, struct wf_error *err)
{
	struct graph_options used = options ? *options : (struct graph_options){ 0 };
	used.fan_max = !used.fan_max ? GRAPH_FAN_MAX : used.fan_max < 2 ? 2 : used.fan_max;
	struct maker m = { .program = program, .arena = arena, .graph = ARENA_NEW(arena, struct graph) };
	m.graph->program = program;
	m.graph->direction = used.direction;
	arrows_collect(program, &m.scratch, &m.arrows);
	folding_decide(program, &m.arrows, &used, &m.scratch, &m.folding);
	int result = make_nodes(&m, err);
	if (result == 0)
		result = make_edges(&m, err);
	if (result == 0) {
		layout_graph(m.graph, arena);
		*ret_graph = m.graph;
	}
	arena_done(&m.scratch);
	return result;
}
