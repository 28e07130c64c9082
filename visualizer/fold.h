/* fold.h: what a definition's arrows are, and which states and branches are shown as one: "… 12 more", and
 * containers that were collapsed by hand. Inside of visualizer/. */
#pragma once
#include "visualizer/graph.h"

/* A transition as the definition has it. In the machine's own scope a state that ends it has one to STATE_NONE. */
struct arrow {
	uint32_t from, to; /* states */
	enum graph_edge_kind kind;
	uint32_t index; /* of the rule or catcher */
};

struct arrows {
	struct arrow *items;
	uint32_t *first; /* for each state, and one more: its arrows are [first[s], first[s + 1]) */
};

struct fold {
	uint32_t scope; /* it stands in this scope */
	uint32_t owner; /* the Parallel whose branches it holds; STATE_NONE: it holds states of the scope */
	uint32_t count; /* branches, or ways of the fan */
	bool collapsed; /* all of the owner's branches, asked for by name: the owner's own box stands for them */
};

/* Nothing, or a fold's index + 1, so that zeroed memory means: shown. */
struct folding {
	uint32_t *of_state, *of_scope;
	struct fold *folds; /* in the order of scopes; those of states before those of branches */
	uint32_t folds_count;
	size_t folds_capacity;
};

/* Collects the arrows; in the arena. */
void arrows_collect(const struct program *program, struct arena *arena, struct arrows *ret_arrows);

/* Decides. Of the options, fan_max (which is set) and the collapsed containers count. A fan is a state with more than fan_max targets; its ways are chains of states that nothing else leads to.
 * Ways that come out at the same states are alike, and of more than fan_max like ones the last ones fold. So do the
 * last branches of a Parallel with more than fan_max. Takes time in proportion to states and arrows. */
void folding_decide(const struct program *program, const struct arrows *arrows, const struct graph_options *options,
		    struct arena *arena, struct folding *ret_folding);
