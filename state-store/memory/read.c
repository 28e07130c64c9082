/* read.c: the memory store's reads. Everything is copied into the request, since rows may change before the answer is delivered. */
#include "state-store/memory/memory.h"
#include "base/mem.h"
#include <stdlib.h>

static struct store_execution copy_row(struct arena *arena, const struct store_execution *row)
{
	struct store_execution copy = *row;
	copy.name = arena_str(arena, row->name);
	copy.attributes = arena_str(arena, row->attributes);
	return copy;
}

/* The execution if its row was inserted, else NULL. */
static const struct memory_execution *listed(const struct memory_store *memory, uint64_t id)
{
	const struct memory_execution *execution = u64_map_get(&memory->executions, id);
	return execution && execution->listed ? execution : NULL;
}

static void give_row(struct store_request *r, const struct memory_execution *execution)
{
	r->rows = ARENA_NEW(&r->arena, struct store_execution);
	r->rows[0] = copy_row(&r->arena, &execution->row);
	r->count = 1;
}

static size_t record_bytes(const struct store_record *record)
{
	size_t bytes = record->bytes.len;
	for (uint32_t i = 0; i < record->blobs_count; i++)
		bytes += record->blobs[i].len;
	return bytes;
}

static struct store_record copy_record(struct arena *arena, const struct store_record *record)
{
	struct store_record copy = *record;
	copy.bytes = arena_str(arena, record->bytes);
	copy.blobs = ARENA_ARRAY(arena, struct str, record->blobs_count);
	for (uint32_t i = 0; i < record->blobs_count; i++)
		copy.blobs[i] = arena_str(arena, record->blobs[i]);
	return copy;
}

static void read_load(const struct memory_store *memory, struct store_request *r)
{
	const struct memory_execution *execution = listed(memory, r->execution_id);
	if (!execution) {
		r->code = error_set(&r->err, ERR(NOT_FOUND), "execution %llu is not stored", (unsigned long long)r->execution_id);
		return;
	}
	give_row(r, execution);
	r->snapshot = (struct store_snapshot){ .execution_id = r->execution_id, .bytes = STR_EMPTY };
	if (execution->has_snapshot) {
		r->snapshot = execution->snapshot;
		r->snapshot.bytes = arena_str(&r->arena, execution->snapshot.bytes);
	}
	uint32_t first = r->snapshot.next_record;
	r->count = first < execution->records_count ? execution->records_count - first : 0;
	r->records = ARENA_ARRAY(&r->arena, struct store_record, r->count);
	for (uint32_t i = 0; i < r->count; i++)
		r->records[i] = copy_record(&r->arena, execution->records[first + i]);
}

/* ---- lists ------------------------------------------------------------------------------------ */

struct rows {
	struct store_execution *rows;
	size_t capacity;
	uint32_t count;
};

/* The rows of one (machine, status), newest first, down to `floor_ms`; no more than the limit. */
static void collect_group(const struct memory_store *memory, const struct store_list_request *list, uint64_t machine, uint8_t status,
			  int64_t floor_ms, struct rows *rows)
{
	struct order_place place =
		order_seek(&memory->list, memory_list_key(machine, status, list->before_start_ms, list->before_id));
	const struct order_entry *entry;
	for (uint32_t n = 0; n < list->limit && (entry = order_previous(&memory->list, &place)); n++) {
		const struct store_execution *row = &((struct memory_execution *)entry->value)->row;
		if (row->machine_id != machine || row->status != status || row->start_ms < floor_ms)
			break;
		MEM_GROW(rows->rows, rows->capacity, (size_t)rows->count + 1);
		rows->rows[rows->count++] = *row;
	}
}

/* Merges the groups that match, jumping from one to the next in the index. */
static void read_list(const struct memory_store *memory, struct store_request *r)
{
	const struct store_list_request *list = &r->list;
	struct rows rows = { 0 };
	int64_t floor_ms = INT64_MIN;
	struct order_key from = memory_list_key(list->machine_id, list->status > 0 ? (uint8_t)list->status : 0, INT64_MIN, 0);
	for (;;) {
		struct order_place place = order_seek(&memory->list, from);
		const struct order_entry *entry = order_next(&memory->list, &place);
		if (!entry)
			break;
		uint64_t machine = entry->key.part[0], status = entry->key.part[1];
		if (list->machine_id && machine != list->machine_id)
			break;
		if (list->status < 0 || status == (uint64_t)list->status) {
			collect_group(memory, list, machine, (uint8_t)status, floor_ms, &rows);
			store_keep_newest(rows.rows, &rows.count, list->limit, &floor_ms);
			from = (struct order_key){ { machine, status + 1, 0, 0 } };
		} else if (status < (uint64_t)list->status) {
			from = (struct order_key){ { machine, (uint64_t)list->status, 0, 0 } };
		} else {
			from = (struct order_key){ { machine + 1, 0, 0, 0 } };
		}
	}
	r->rows = ARENA_ARRAY(&r->arena, struct store_execution, rows.count);
	for (uint32_t i = 0; i < rows.count; i++)
		r->rows[i] = copy_row(&r->arena, &rows.rows[i]);
	r->count = rows.count;
	free(rows.rows);
}

static void read_records(const struct memory_store *memory, struct store_request *r)
{
	const struct memory_execution *execution = u64_map_get(&memory->executions, r->execution_id);
	uint32_t count = execution ? execution->records_count : 0;
	if (!count || (!r->backward && r->first >= count))
		return;
	uint32_t first = r->first < count ? r->first : count - 1;
	uint32_t left = r->backward ? first + 1 : count - first;
	size_t bytes = 0;
	while (r->count < left && (r->count == 0 || bytes < r->bytes_max)) {
		bytes += record_bytes(execution->records[r->backward ? first - r->count : first + r->count]);
		r->count++;
	}
	r->more = r->count < left;
	r->records = ARENA_ARRAY(&r->arena, struct store_record, r->count);
	for (uint32_t i = 0; i < r->count; i++)
		r->records[i] = copy_record(&r->arena, execution->records[r->backward ? first - i : first + i]);
}

static void read_open(const struct memory_store *memory, struct store_request *r)
{
	struct order_key after = memory_time_key(r->after_open.wake_ms, r->after_open.execution_id);
	struct order_place place = order_seek(&memory->open, after);
	uint32_t most = memory->open.count < r->limit ? (uint32_t)memory->open.count : r->limit;
	const struct order_entry *entry;
	r->open = ARENA_ARRAY(&r->arena, struct store_open_row, most);
	while (r->count < most && (entry = order_next(&memory->open, &place))) {
		const struct memory_execution *execution = entry->value;
		if (execution->wake_ms == r->after_open.wake_ms && execution->row.id == r->after_open.execution_id)
			continue;
		if (execution->wake_ms > r->until_ms)
			break;
		r->open[r->count++] = (struct store_open_row){ execution->row.id, execution->wake_ms };
	}
}

static void read_messages(const struct memory_store *memory, struct store_request *r)
{
	const struct order *inbox = r->execution_id ? &memory->inbox_by_target : &memory->inbox;
	if (r->after == UINT64_MAX)
		return;
	struct order_place place = order_seek(inbox, memory_message_key(r->execution_id, r->after + 1));
	uint32_t most = inbox->count < r->limit ? (uint32_t)inbox->count : r->limit;
	const struct order_entry *entry;
	r->messages = ARENA_ARRAY(&r->arena, struct store_message, most);
	while (r->count < most && (entry = order_next(inbox, &place))) {
		const struct store_message *message = entry->value;
		if (r->execution_id && message->target_id != r->execution_id)
			break;
		r->messages[r->count] = *message;
		r->messages[r->count++].bytes = arena_str(&r->arena, message->bytes);
	}
}

void memory_read(struct memory_store *memory, struct store_request *r)
{
	const struct memory_execution *execution;
	switch (r->kind) {
	case REQUEST_SEQUENCE:
		r->code = store_sequence_of(r, &memory->lease, &r->number, &r->err);
		break;
	case REQUEST_LOAD:
		read_load(memory, r);
		break;
	case REQUEST_FIND_NAMED:
		execution = str_map_get(&memory->names, memory_name_key(&r->arena, r->machine_id, r->name));
		if (execution)
			give_row(r, execution);
		break;
	case REQUEST_FIND:
		execution = listed(memory, r->execution_id);
		if (execution)
			give_row(r, execution);
		break;
	case REQUEST_LIST:
		read_list(memory, r);
		break;
	case REQUEST_RECORDS:
		read_records(memory, r);
		break;
	case REQUEST_COUNT_RECORDS:
		execution = u64_map_get(&memory->executions, r->execution_id);
		r->number = execution ? execution->records_count : 0;
		break;
	case REQUEST_LIST_OPEN:
		read_open(memory, r);
		break;
	case REQUEST_COUNT_OPEN:
		r->number = memory->open.count;
		break;
	case REQUEST_MESSAGES:
		read_messages(memory, r);
		break;
	case REQUEST_DEAD_LETTERS:
	case REQUEST_FIND_DEAD_LETTER:
	case REQUEST_DEAD_GROUPS:
	case REQUEST_OUTCOMES:
	case REQUEST_COUNT_OUTCOMES:
		memory_read_dead_letters(memory, r);
		break;
	case REQUEST_PURGE:
		memory_purge(memory, r);
		break;
	case REQUEST_BACKUP:
		r->code = error_set(&r->err, ERR(UNSUPPORTED), "a memory store has no file to copy");
		break;
	}
}
