/* tree.h: an execution as a tree of states, built from its history events as they come, and shown to a person: redrawn
 * in place on a terminal, one line per finished state elsewhere.
 *
 * Fed with what any source of events has (the engine itself, or GetExecutionHistory). */
#pragma once
#include "base/buffer.h"
#include <stdint.h>
#include <stdio.h>

struct tree;

struct tree_event {
	struct str type; /* "TaskStateEntered" … */
	uint64_t id, previous_id;
	int64_t timestamp_ms;
	struct str name; /* of the state or map, where the event has one */
	uint64_t index;  /* of a map iteration */
	uint64_t length; /* of a map: its items */
	struct str error, cause;
};

/* `live`: redraw in place (a terminal); else lines are printed as things end. Writes to `to`, colours only when live.
 */
struct tree *tree_new(FILE *to, bool live);
void tree_free(struct tree *tree);
void tree_add(struct tree *tree, const struct tree_event *event);
/* A task's last log line and progress (negative: unknown), shown behind its state. */
void tree_task(struct tree *tree, uint64_t scheduled_event_id, struct str line, double fraction);
/* Redraws if live; `now_ms` for the durations of what runs. Call a few times a second. */
void tree_draw(struct tree *tree, int64_t now_ms);
/* The last drawing; leaves the cursor below. Not live: nothing. */
void tree_finish(struct tree *tree, int64_t now_ms);
/* Prints the whole tree once (`ratchet show`). */
void tree_print(struct tree *tree, int64_t now_ms);
