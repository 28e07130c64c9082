/* timers.c: a binary heap of wake times whose entries are found by execution. Equal times are ordered by id, so that a
 * run is the same each time. */
#include "engine/timers.h"
#include "base/mem.h"
#include <stdlib.h>

struct timer_entry {
	int64_t wake_ms;
	uint64_t id;
	size_t at; /* its place in the heap */
};

static bool before(const struct timer_entry *a, const struct timer_entry *b)
{
	return a->wake_ms != b->wake_ms ? a->wake_ms < b->wake_ms : a->id < b->id;
}

static void place(struct timers *timers, size_t at, struct timer_entry *entry)
{
	timers->heap[at] = entry;
	entry->at = at;
}

/* Moves an entry up or down to where it belongs. */
static void settle(struct timers *timers, struct timer_entry *entry)
{
	size_t at = entry->at;
	for (; at > 0 && before(entry, timers->heap[(at - 1) / 2]); at = (at - 1) / 2)
		place(timers, at, timers->heap[(at - 1) / 2]);
	for (size_t child; (child = 2 * at + 1) < timers->count; at = child) {
		if (child + 1 < timers->count && before(timers->heap[child + 1], timers->heap[child]))
			child++;
		if (!before(timers->heap[child], entry))
			break;
		place(timers, at, timers->heap[child]);
	}
	place(timers, at, entry);
}

static void remove_entry(struct timers *timers, struct timer_entry *entry)
{
	u64_map_remove(&timers->by_id, entry->id);
	struct timer_entry *last = timers->heap[--timers->count];
	if (last != entry) {
		last->at = entry->at;
		settle(timers, last);
	}
	free(entry);
}

void timers_set(struct timers *timers, uint64_t execution_id, int64_t wake_ms)
{
	struct timer_entry *entry = u64_map_get(&timers->by_id, execution_id);
	if (wake_ms == INT64_MAX) {
		if (entry)
			remove_entry(timers, entry);
		return;
	}
	if (!entry) {
		entry = NEW(struct timer_entry);
		entry->id = execution_id;
		entry->at = timers->count;
		MEM_GROW(timers->heap, timers->capacity, timers->count + 1);
		timers->heap[timers->count++] = entry;
		u64_map_put(&timers->by_id, execution_id, entry);
	} else if (entry->wake_ms == wake_ms) {
		return;
	}
	entry->wake_ms = wake_ms;
	settle(timers, entry);
}

int64_t timers_get(const struct timers *timers, uint64_t execution_id)
{
	const struct timer_entry *entry = u64_map_get(&timers->by_id, execution_id);
	return entry ? entry->wake_ms : INT64_MAX;
}

int64_t timers_next_ms(const struct timers *timers)
{
	return timers->count ? timers->heap[0]->wake_ms : INT64_MAX;
}

uint64_t timers_take_due(struct timers *timers, int64_t now_ms)
{
	if (!timers->count || timers->heap[0]->wake_ms > now_ms)
		return 0;
	uint64_t id = timers->heap[0]->id;
	remove_entry(timers, timers->heap[0]);
	return id;
}

void timers_done(struct timers *timers)
{
	for (size_t i = 0; i < timers->count; i++)
		free(timers->heap[i]);
	free(timers->heap);
	u64_map_done(&timers->by_id);
	*timers = (struct timers){ 0 };
}
