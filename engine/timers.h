/* timers.h: when executions wake: one heap of (time, execution), at most one entry for each.
 *
 * It holds what is in memory and what the store says is due within the horizon (recovery.c), so it is small however
 * many executions wait. Wall clock milliseconds; it reads no clock itself. A zeroed struct is empty. */
#pragma once
#include "base/map.h"
#include <stdint.h>

struct timer_entry;
struct timers {
	struct timer_entry **heap;
	size_t count, capacity;
	struct u64_map by_id;
};

/* Sets, moves, or (wake_ms INT64_MAX) removes an execution's time. */
void timers_set(struct timers *timers, uint64_t execution_id, int64_t wake_ms);
/* INT64_MAX if it has none. */
int64_t timers_get(const struct timers *timers, uint64_t execution_id);
/* The earliest time; INT64_MAX if there is none. */
int64_t timers_next_ms(const struct timers *timers);
/* Takes the earliest one that is due; of equal times the smaller id. 0 if none is. */
uint64_t timers_take_due(struct timers *timers, int64_t now_ms);
void timers_done(struct timers *timers);
