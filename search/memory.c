/* memory.c: the figures that the overview shows, kept in memory beside the file: a day by the hour and an hour by the
 * minute for each machine. Rings: a slot whose hour is past belongs to the hour that comes to it. */
#include "search/internal.h"
#include <stdlib.h>

struct machine_memory *memory_of(struct search *search, uint64_t machine)
{
	struct machine_memory *memory = u64_map_get(&search->machines, machine);
	if (!memory) {
		memory = NEW(struct machine_memory);
		memory->machine = machine;
		u64_map_put(&search->machines, machine, memory);
	}
	return memory;
}

void memory_hour(struct machine_memory *memory, int64_t hour, const struct figure *figure)
{
	unsigned slot = (unsigned)(hour % (SEARCH_HOURS + 1));
	if (hour < memory->hours[slot].hour)
		return;
	if (hour > memory->hours[slot].hour) {
		memory->hours[slot].hour = hour;
		memory->hours[slot].figure = (struct figure){ 0 };
	}
	figure_add(&memory->hours[slot].figure, figure);
}

void memory_minute(struct machine_memory *memory, int64_t minute, uint64_t started, uint64_t failed)
{
	unsigned slot = (unsigned)(minute % (SEARCH_MINUTES + 1));
	if (minute < memory->minutes[slot].minute)
		return;
	if (minute > memory->minutes[slot].minute) {
		memory->minutes[slot].minute = minute;
		memory->minutes[slot].started = memory->minutes[slot].failed = 0;
	}
	memory->minutes[slot].started += started;
	memory->minutes[slot].failed += failed;
}

void memory_clear(struct search *search)
{
	size_t i = 0;
	for (struct u64_map_entry *entry; (entry = u64_map_next(&search->machines, &i));)
		free(entry->value);
	u64_map_done(&search->machines);
	search->machines = (struct u64_map){ 0 };
}

void memory_load(struct search *search, struct file *file, int64_t now_ms)
{
	sqlite3_stmt *statement = file_get(file, FILE_COUNTERS);
	while (sqlite3_step(statement) == SQLITE_ROW) {
		unsigned status = (unsigned)sqlite3_column_int(statement, 1);
		if (status < 5)
			memory_of(search, (uint64_t)sqlite3_column_int64(statement, 0))->counts[status] =
			    (uint64_t)sqlite3_column_int64(statement, 2);
	}
	sqlite3_reset(statement);
	statement = file_get(file, FILE_FIGURES_ALL);
	sqlite3_bind_int64(statement, 1, now_ms / 3600000 - SEARCH_HOURS);
	while (sqlite3_step(statement) == SQLITE_ROW) {
		struct figure figure = { .count = (uint64_t)sqlite3_column_int64(statement, 2),
					 .failed = (uint64_t)sqlite3_column_int64(statement, 3),
					 .retries = (uint64_t)sqlite3_column_int64(statement, 4),
					 .started = (uint64_t)sqlite3_column_int64(statement, 5) };
		figure_decode(file_text(statement, 6), &figure);
		memory_hour(memory_of(search, (uint64_t)sqlite3_column_int64(statement, 0)),
			    sqlite3_column_int64(statement, 1), &figure);
	}
	sqlite3_reset(statement);
	statement = file_get(file, FILE_MINUTES);
	sqlite3_bind_int64(statement, 1, now_ms / 60000 - SEARCH_MINUTES);
	while (sqlite3_step(statement) == SQLITE_ROW)
		memory_minute(memory_of(search, (uint64_t)sqlite3_column_int64(statement, 0)),
			      sqlite3_column_int64(statement, 1), (uint64_t)sqlite3_column_int64(statement, 2),
			      (uint64_t)sqlite3_column_int64(statement, 3));
	sqlite3_reset(statement);
}

static void sum_up(const struct machine_memory *memory, int64_t now_ms, struct search_machine *machine)
{
	int64_t hour = now_ms / 3600000, minute = now_ms / 60000;
	struct figure day = { 0 };
	*machine = (struct search_machine){ .machine = memory->machine };
	memcpy(machine->counts, memory->counts, sizeof machine->counts);
	for (unsigned i = 0; i <= SEARCH_HOURS; i++) {
		int64_t ago = hour - memory->hours[i].hour;
		const struct figure *figure = &memory->hours[i].figure;
		if (ago < 0 || ago >= SEARCH_HOURS)
			continue;
		machine->ok[SEARCH_HOURS - 1 - ago] = figure->count - figure->failed;
		machine->bad[SEARCH_HOURS - 1 - ago] = figure->failed;
		figure_add(&day, figure);
	}
	for (unsigned i = 0; i <= SEARCH_MINUTES; i++)
		if (memory->minutes[i].minute > minute - SEARCH_MINUTES && memory->minutes[i].minute <= minute) {
			machine->failed_last_hour += memory->minutes[i].failed;
			machine->started_last_hour += memory->minutes[i].started;
		}
	machine->p50_ms = figure_percentile(&day, 0.5);
	machine->p95_ms = figure_percentile(&day, 0.95);
}

void search_overview(struct search *search, struct arena *arena, struct search_machine **ret_machines,
		     uint32_t *ret_count, struct search_state *ret_state)
{
	int64_t now_ms = search->clock->wall_ms(search->clock);
	size_t i = 0;
	uint32_t count = 0;
	pthread_mutex_lock(&search->lock);
	*ret_machines = ARENA_ARRAY(arena, struct search_machine, search->machines.count + 1);
	for (struct u64_map_entry *entry; (entry = u64_map_next(&search->machines, &i));)
		sum_up(entry->value, now_ms, &(*ret_machines)[count++]);
	*ret_state = (struct search_state){ .ready = search->ready,
					    .behind = search->queue.len,
					    .done = search->catch_done,
					    .total = search->catch_total,
					    .oldest = search->oldest };
	ret_state->oldest.name = arena_str(arena, search->oldest.name);
	pthread_mutex_unlock(&search->lock);
	*ret_count = count;
}
