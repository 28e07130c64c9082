/* watch.c: those who look on while an execution runs: its events as they become durable, its tasks' log lines as they
 * come.
 *
 * They are found by the execution's ARN, so that one can be watched before it is started. */
#include "engine/runtime.h"
#include <stdlib.h>

int engine_watch(struct engine *engine, struct str execution_arn, struct engine_watcher *watcher)
{
	_cleanup_(arena_done) struct arena arena = { 0 };
	struct arn arn;
	if (arn_parse(&arena, execution_arn, "execution", &arn))
		return ERR(INVALID);
	watcher->execution_id = 0; /* known with its first event */
	watcher->next = str_map_put(&engine->watchers, execution_arn, watcher);
	return 0;
}

void engine_unwatch(struct engine *engine, struct engine_watcher *watcher)
{
	size_t i = 0;
	for (struct str_map_entry *entry; (entry = str_map_next(&engine->watchers, &i));) {
		struct engine_watcher *first = entry->value;
		if (first == watcher) {
			if (watcher->next)
				entry->value = watcher->next;
			else
				str_map_remove(&engine->watchers, entry->key);
			watcher->next = NULL;
			return;
		}
		for (struct engine_watcher *before = first; before; before = before->next)
			if (before->next == watcher) {
				before->next = watcher->next;
				watcher->next = NULL;
				return;
			}
	}
}

static void tell(struct engine *engine, const struct resident *resident, const struct store_record *stored)
{
	struct engine_watcher *watchers = str_map_get(&engine->watchers, resident->arn);
	if (!watchers)
		return;
	_cleanup_(arena_done) struct arena arena = { 0 };
	struct record record = { .first_event_id = stored->first_event_id,
				 .bytes = stored->bytes,
				 .blobs = stored->blobs,
				 .blobs_count = stored->blobs_count };
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
		if (resident)
			tell(engine, resident, &op->record);
	}
}

void watch_log(struct engine *engine, struct str execution_arn, uint64_t task_id, struct str line, double fraction)
{
	struct engine_watcher *next;
	for (struct engine_watcher *watcher = engine->watchers.count ? str_map_get(&engine->watchers, execution_arn)
								     : NULL;
	     watcher; watcher = next) {
		next = watcher->next;
		if (watcher->log)
			watcher->log(watcher, task_id, line, fraction);
	}
}
