/* fold.c: arrows, and wide fans. See fold.h. */
#include "visualizer/fold.h"
#include "base/hash.h"
#include "base/map.h"
#include "base/mem.h"
#include <stdlib.h>

/* ---- arrows --------------------------------------------------------------------------------- */

static void arrow_add(struct arrow **at, uint32_t from, uint32_t to, enum graph_edge_kind kind, uint32_t index)
{
	*(*at)++ = (struct arrow){ .from = from, .to = to, .kind = kind, .index = index };
}

static void arrows_of_state(const struct state *state, struct arrow **at)
{
	uint32_t from = state->index;
	if (state->type == STATE_CHOICE) {
		for (uint32_t i = 0; i < state->choice.rules_count; i++)
			arrow_add(at, from, state->choice.rules[i].next, GRAPH_CHOICE, i);
		if (state->choice.fallback != STATE_NONE)
			arrow_add(at, from, state->choice.fallback, GRAPH_DEFAULT, 0);
	} else if (state->next != STATE_NONE || (state->scope == 0 && state->type != STATE_FAIL)) {
		arrow_add(at, from, state->next, GRAPH_NEXT, 0);
	}
	for (uint32_t i = 0; i < state->catchers_count; i++)
		arrow_add(at, from, state->catchers[i].next, GRAPH_CATCH, i);
}

void arrows_collect(const struct program *program, struct arena *arena, struct arrows *ret_arrows)
{
	size_t most = 0;
	for (uint32_t i = 0; i < program->states_count; i++) {
		const struct state *state = &program->states[i];
		most +=
		    1 + (size_t)state->catchers_count + (state->type == STATE_CHOICE ? state->choice.rules_count : 0);
	}
	struct arrows arrows = { .items = ARENA_ARRAY(arena, struct arrow, most),
				 .first = ARENA_ARRAY(arena, uint32_t, program->states_count + 1) };
	struct arrow *at = arrows.items;
	for (uint32_t i = 0; i < program->states_count; i++) {
		arrows.first[i] = (uint32_t)(at - arrows.items);
		arrows_of_state(&program->states[i], &at);
	}
	arrows.first[program->states_count] = (uint32_t)(at - arrows.items);
	*ret_arrows = arrows;
}

/* ---- ways of a fan -------------------------------------------------------------------------- */

struct way {
	uint64_t exits;        /* hash of the states that it comes out at */
	uint32_t order, first; /* its place among the fan's ways; the state it begins with */
};

struct decider {
	const struct program *program;
	const struct arrows *arrows;
	struct folding *folding;
	uint32_t fan_max;
	struct str_map collapsed; /* names of containers to collapse */
	uint32_t *sources;       /* for each state: how many other states lead to it */
	uint32_t *stamp, stamps; /* states seen in the walk that has this number */
	uint32_t *exits, exits_count;
	size_t exits_capacity;
	struct way *ways;
	size_t ways_capacity;
};

static bool seen(struct decider *d, uint32_t state)
{
	bool was = d->stamp[state] == d->stamps;
	d->stamp[state] = d->stamps;
	return was;
}

static void count_sources(struct decider *d)
{
	for (uint32_t s = 0; s < d->program->states_count; s++) {
		d->stamps++;
		seen(d, s);
		for (uint32_t i = d->arrows->first[s]; i < d->arrows->first[s + 1]; i++)
			if (d->arrows->items[i].to != STATE_NONE && !seen(d, d->arrows->items[i].to))
				d->sources[d->arrows->items[i].to]++;
	}
}

/* Only one state leads to it, so that it can fold with that state's other ways. */
static bool is_private(const struct decider *d, uint32_t state)
{
	uint32_t start = d->program->scopes[d->program->states[state].scope].start;
	return d->sources[state] == 1 && state != start && !d->folding->of_state[state];
}

/* The one state that `state` goes on to, if that is private too, else STATE_NONE; all other targets are exits. */
static uint32_t way_next(struct decider *d, uint32_t state)
{
	uint32_t next = STATE_NONE;
	unsigned count = 0;
	for (uint32_t i = d->arrows->first[state]; i < d->arrows->first[state + 1]; i++) {
		const struct arrow *arrow = &d->arrows->items[i];
		if (arrow->kind != GRAPH_CATCH && arrow->to != next && arrow->to != state) {
			next = arrow->to;
			count++;
		}
	}
	if (count != 1 || next == STATE_NONE || !is_private(d, next))
		next = STATE_NONE;
	for (uint32_t i = d->arrows->first[state]; i < d->arrows->first[state + 1]; i++) {
		uint32_t to = d->arrows->items[i].to;
		if (to != next && to != state) {
			MEM_GROW(d->exits, d->exits_capacity, d->exits_count + 1);
			d->exits[d->exits_count++] = to;
		}
	}
	return next;
}

static int compare_states(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return (x > y) - (x < y);
}

static uint64_t way_exits(struct decider *d, uint32_t first)
{
	d->exits_count = 0;
	for (uint32_t state = first; state != STATE_NONE;)
		state = way_next(d, state);
	if (!d->exits_count)
		return 0;
	qsort(d->exits, d->exits_count, sizeof *d->exits, compare_states);
	uint32_t kept = 0;
	for (uint32_t i = 0; i < d->exits_count; i++)
		if (!kept || d->exits[i] != d->exits[kept - 1])
			d->exits[kept++] = d->exits[i];
	return hash_bytes((struct str){ (const char *)d->exits, kept * sizeof *d->exits }, 0);
}

static int compare_ways(const void *a, const void *b)
{
	const struct way *x = a, *y = b;
	if (x->exits != y->exits)
		return x->exits < y->exits ? -1 : 1;
	return (x->order > y->order) - (x->order < y->order);
}

static uint32_t fold_add(struct decider *d, struct fold fold)
{
	struct folding *folding = d->folding;
	MEM_GROW(folding->folds, folding->folds_capacity, folding->folds_count + 1);
	folding->folds[folding->folds_count++] = fold;
	return folding->folds_count;
}

/* Folds what is too many of ways[0, count), which are alike and in order. */
static void fold_ways(struct decider *d, uint32_t scope, const struct way *ways, uint32_t count)
{
	if (count <= d->fan_max)
		return;
	uint32_t shown = d->fan_max - 1;
	uint32_t fold = fold_add(d, (struct fold){ .scope = scope, .owner = STATE_NONE, .count = count - shown });
	for (uint32_t i = shown; i < count; i++) {
		for (uint32_t state = ways[i].first, next; state != STATE_NONE; state = next) {
			next = way_next(d, state);
			d->folding->of_state[state] = fold;
		}
		d->exits_count = 0;
	}
}

static void fold_fan(struct decider *d, uint32_t state)
{
	uint32_t first = d->arrows->first[state], end = d->arrows->first[state + 1], count = 0;
	if (end - first <= d->fan_max)
		return;
	d->stamps++;
	for (uint32_t i = first; i < end; i++) {
		uint32_t to = d->arrows->items[i].to;
		if (to == STATE_NONE || to == state || seen(d, to) || !is_private(d, to))
			continue;
		MEM_GROW(d->ways, d->ways_capacity, count + 1);
		d->ways[count] = (struct way){ .exits = way_exits(d, to), .order = count, .first = to };
		count++;
	}
	if (count <= d->fan_max)
		return;
	qsort(d->ways, count, sizeof *d->ways, compare_ways);
	uint32_t scope = d->program->states[state].scope;
	for (uint32_t from = 0, to; from < count; from = to) {
		for (to = from; to < count && d->ways[to].exits == d->ways[from].exits;)
			to++;
		fold_ways(d, scope, d->ways + from, to - from);
	}
}

/* ---- scopes --------------------------------------------------------------------------------- */

/* All of them when the container is collapsed, the last ones when they are too many. */
static void fold_branches(struct decider *d, const struct state *state)
{
	uint32_t count;
	const uint32_t *scopes = graph_branches(state, &count);
	bool collapsed = count && str_map_get(&d->collapsed, state->name);
	uint32_t shown = collapsed ? 0 : count > d->fan_max ? d->fan_max - 1 : count;
	if (shown == count)
		return;
	uint32_t fold = fold_add(d, (struct fold){ .scope = state->scope,
						   .owner = state->index,
						   .count = count - shown,
						   .collapsed = collapsed });
	for (uint32_t i = shown; i < count; i++)
		d->folding->of_scope[scopes[i]] = fold;
}

static void decide_scope(struct decider *d, uint32_t index)
{
	const struct scope *scope = &d->program->scopes[index];
	struct folding *folding = d->folding;
	if (scope->owner != STATE_NONE && folding->of_state[scope->owner])
		folding->of_scope[index] = folding->of_state[scope->owner];
	if (folding->of_scope[index]) {
		for (uint32_t s = scope->first; s < scope->first + scope->count; s++)
			folding->of_state[s] = folding->of_scope[index];
		return;
	}
	for (uint32_t s = scope->first; s < scope->first + scope->count; s++)
		if (!folding->of_state[s])
			fold_fan(d, s);
	for (uint32_t s = scope->first; s < scope->first + scope->count; s++)
		if (!folding->of_state[s])
			fold_branches(d, &d->program->states[s]);
}

void folding_decide(const struct program *program, const struct arrows *arrows, const struct graph_options *options,
		    struct arena *arena, struct folding *ret_folding)
{
	_cleanup_(arena_done) struct arena scratch = { 0 };
	*ret_folding = (struct folding){ .of_state = ARENA_ARRAY(arena, uint32_t, program->states_count),
					 .of_scope = ARENA_ARRAY(arena, uint32_t, program->scopes_count) };
	struct decider d = { .program = program,
			     .arrows = arrows,
			     .folding = ret_folding,
			     .fan_max = options->fan_max,
			     .sources = ARENA_ARRAY(&scratch, uint32_t, program->states_count),
			     .stamp = ARENA_ARRAY(&scratch, uint32_t, program->states_count) };
	for (uint32_t i = 0; i < options->collapsed_count; i++)
		str_map_put(&d.collapsed, options->collapsed[i], &d);
	count_sources(&d);
	for (uint32_t i = 0; i < program->scopes_count; i++) /* an owner's scope comes before those inside of it */
		decide_scope(&d, i);
	struct fold *folds = ARENA_ARRAY(arena, struct fold, ret_folding->folds_count + 1);
	if (ret_folding->folds_count)
		memcpy(folds, ret_folding->folds, ret_folding->folds_count * sizeof *folds);
	free(ret_folding->folds);
	ret_folding->folds = folds;
	str_map_done(&d.collapsed);
	free(d.exits);
	free(d.ways);
}
