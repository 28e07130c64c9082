/* records.c: small named things that the rooms above keep in the store (access keys, settings): items of one kind, all in
 * memory, written like machines are: a change of the turn, answered when its batch is committed. The engine does not know
 * what stands in them. */
#include "engine/runtime.h"
#include <stdlib.h>

struct room_record {
	struct buffer bytes;
	bool deleted; /* stays for the changes that may still point here */
	char key[];
};

static struct room_record *find_or_make(struct engine *engine, struct str key)
{
	struct room_record *record = str_map_get(&engine->records, key);
	if (record)
		return record;
	record = mem_zalloc(sizeof *record + key.len + 1);
	memcpy(record->key, key.ptr, key.len);
	str_map_put(&engine->records, key, record);
	return record;
}

void engine_put_record(struct engine *engine, struct str key, struct str bytes, engine_done_fn *done, void *data)
{
	struct room_record *record = find_or_make(engine, key);
	struct request *request = done ? request_new(engine, request_answer_plain, data) : NULL;
	struct change *change = NEW(struct change);
	record->deleted = bytes.ptr == NULL;
	buffer_clear(&record->bytes);
	if (!record->deleted)
		buffer_add(&record->bytes, bytes);
	if (request) {
		request->done.plain = done;
		request->carried = true;
	}
	change->record = record;
	change->request = request;
	LIST_ADD(&engine->changes, change);
}

void engine_each_record(struct engine *engine, struct str prefix, engine_record_fn *visit, void *data)
{
	size_t i = 0;
	for (struct str_map_entry *entry; (entry = str_map_next(&engine->records, &i));) {
		const struct room_record *record = entry->value;
		if (!record->deleted && str_starts(entry->key, prefix))
			visit(data, entry->key, buffer_str(&record->bytes));
	}
}

bool records_load(struct engine *engine, const struct store_item *item)
{
	buffer_add(&find_or_make(engine, item->key)->bytes, item->bytes);
	return true;
}

void records_write(struct store_batch *batch, const struct change *change)
{
	const struct room_record *record = change->record;
	registry_put_item(batch, record->deleted ? STORE_DELETE_ITEM : STORE_PUT_ITEM, ITEM_RECORD, record->key,
			  record->deleted ? NULL : &record->bytes);
}

void records_free(struct engine *engine)
{
	size_t i = 0;
	for (struct str_map_entry *entry; (entry = str_map_next(&engine->records, &i));) {
		struct room_record *record = entry->value;
		buffer_done(&record->bytes);
		free(record);
	}
	str_map_done(&engine->records);
}
