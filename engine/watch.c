/* watch.c: those who look on while an execution runs: its events as they become durable, its tasks' log lines as they
 * come.
 *
 * They are found by the execution's ARN, so that one can be watched before it is started. */
#include "engine/runtime.h"
#include "engine/stored.h"
#include <stdlib.h>

int engine_watch(struct engine *engine, struct str execution_arn, struct engine_watcher *watcher)
{
	_cleanup_(arena_done) struct arena arena = { 0 };
	struct arn arn;
	if (arn_parse(&arena, execution_arn, "execution", &arn))
		return ERR(INVALID);
	watcher->execution_id = 0; /* known with its first event */
	watcher->arn = (struct str){ mem_strndup(execution_arn.ptr, execution_arn.len), execution_arn.len };
	watcher->next = str_map_put(&engine->watchers, execution_arn, watcher);
	return 0;
}

void engine_unwatch(struct engine *engine, struct engine_watcher *watcher)
{
	struct engine_watcher *before = watcher->arn.ptr ? str_map_get(&engine->watchers, watcher->arn) : NULL;
	if (!before)
		return;
	if (before != watcher) {
		while (before->next != watcher)
			before = before->next;
		before->next = watcher->next;
	} else if (watcher->next) {
		str_map_put(&engine->watchers, watcher->arn, watcher->next);
	} else {
		str_map_remove(&engine->watchers, watcher->arn);
	}
	watcher->next = NULL;
	free((char *)watcher->arn.ptr);
	watcher->arn = (struct str){ NULL, 0 };
}

static void tell_record(struct engine *engine, const struct resident *resident, const struct store_record *stored)
{
	struct engine_watcher *next;
	for (struct engine_watcher *watcher = str_map_get(&engine->watchers, resident->arn); watcher; watcher = next) {
		next = watcher->next;
		watcher->execution_id = resident->id;
		if (watcher->record)
			watcher->record(watcher, stored);
	}
}

static void tell_events(struct engine *engine, const struct resident *resident, const struct store_record *stored)
{
	bool wanted = false;
	for (struct engine_watcher *watcher = str_map_get(&engine->watchers, resident->arn); watcher; watcher = watcher->next)
		wanted |= watcher->event != NULL;
	if (!wanted)
		return;
	_cleanup_(arena_done) struct arena arena = { 0 };
	struct record record = stored_record(stored);
	struct record_reader reader;
	struct event event;
	if (record_open(&record, &arena, &reader, NULL) < 0)
		return;
	while (record_next(&reader, &event, NULL) > 0) {
		if (!event_is_public(event.type))
			continue;
		/* Looked up each time: a callback may end its watching. */
		struct engine_watcher *next;
		for (struct engine_watcher *watcher = str_map_get(&engine->watchers, resident->arn); watcher;
		     watcher = next) {
			next = watcher->next;
			watcher->execution_id = resident->id;
			if (watcher->event)
				watcher->event(watcher, &event);
		}
	}
}

void watch_committed(struct engine *engine, const struct store_batch *batch)
{
	if (!engine->watchers.count)
		return;
	for (const struct store_op *op = batch->first; op; op = op->next) {
		if (op->kind != STORE_APPEND_RECORD)
			continue;
		const struct resident *resident = cache_find(engine, op->record.execution_id);
		if (resident) {
			tell_record(engine, resident, &op->record);
			tell_events(engine, resident, &op->record);
		}
	}
}

void watch_log(struct engine *engine, struct str execution_arn, uint64_t task_id, uint64_t number, struct str line, double fraction)
{
	struct engine_watcher *next;
	for (struct engine_watcher *watcher = engine->watchers.count ? str_map_get(&engine->watchers, execution_arn)
								     : NULL;
	     watcher; watcher = next) {
		next = watcher->next;
		if (watcher->log)
			watcher->log(watcher, task_id, number, line, fraction);
	}
}

/* ---- what was committed -------------------------------------------------------------------------- */

void engine_on_commit(struct engine *engine, engine_commit_fn *told, void *data)
{
	engine->committed_told = told;
	engine->committed_data = data;
}

static void tell_release(struct engine *engine, const struct release *release, struct arena *arena)
{
	const struct resident *resident = release->resident;
	const struct store_record **records = ARENA_ARRAY(arena, const struct store_record *, release->ops_count + 1);
	struct attributes attributes = { .alias = STR_EMPTY };
	attributes_decode(resident->attributes, &attributes);
	struct engine_commit commit = { .execution_id = resident->id,
					.machine = resident->machine->info.number,
					.name = resident->name,
					.status = release->status,
					.start_ms = execution_start_ms(resident->execution),
					.begun = release->begun,
					.version = attributes.version,
					.parent = attributes.parent,
					.records = records };
	const struct store_op *op = release->first_op;
	for (uint32_t i = 0; i < release->ops_count; i++, op = op->next) {
		if (op->kind == STORE_APPEND_RECORD)
			records[commit.records_count++] = &op->record;
		else if (op->kind == STORE_INSERT_EXECUTION || op->kind == STORE_END_EXECUTION)
			commit.stop_ms = op->execution.stop_ms;
	}
	engine->committed_told(engine->committed_data, &commit);
}

void commit_tell(struct engine *engine, const struct batch *batch)
{
	if (!engine->committed_told)
		return;
	_cleanup_(arena_done) struct arena arena = { 0 };
	for (const struct release *release = batch->releases.first; release; release = release->next) {
		tell_release(engine, release, &arena);
		arena_reset(&arena);
	}
}

void engine_read_row(struct engine *engine, const struct store_execution *row, char ret_made[ENGINE_MADE_NAME],
		     struct str *ret_name, uint64_t *ret_version, struct task_key *ret_parent)
{
	struct attributes attributes = { .alias = STR_EMPTY };
	attributes_decode(row->attributes, &attributes);
	*ret_name = row->name;
	*ret_version = attributes.version;
	*ret_parent = attributes.parent;
	if (row->name.len)
		return;
	execution_name_make(&engine->key, row->id, ret_made);
	*ret_name = (struct str){ ret_made, EXECUTION_NAME_LENGTH };
}

const struct machine_info *engine_machine_by_number(struct engine *engine, uint64_t number)
{
	const struct machine *machine = registry_by_number(engine, number);
	return machine ? &machine->info : NULL;
}

void engine_write_execution_arn(struct engine *engine, struct str machine, struct str name, struct buffer *out)
{
	buffer_printf(out, "arn:aws:states:%s:%s:execution:%.*s:%.*s", engine->region, engine->account,
		      STR_FMT(machine), STR_FMT(name));
}
