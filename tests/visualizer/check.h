/* check.h: what must hold of every graph, whatever the definition. */
#pragma once
#include "visualizer/graph.h"

/* Compiles and draws in both directions, checks all that must hold, and that doing it again gives the same bytes.
 * Returns the number of faults; the first few are in *why. -1: the definition is not valid. */
int check_definition_graphs(struct str definition, uint32_t fan_max, struct buffer *why);

/* The faults of one graph. */
int check_graph(const struct graph *graph, struct buffer *why);
