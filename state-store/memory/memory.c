/* memory.c: the store of `ratchet run` and of Express executions: the same meaning as on disk, nothing kept.
 *
 * There is no thread: a call does its work at once and only the answer comes later, by the loop, so that callbacks never come from within
 * the call here either. A batch is checked against the rows and against itself first; carrying it out then cannot fail,
 * so that there is nothing to roll back. */
#include "state-store/memory/memory.h"
#include "base/buffer.h"
#include "base/mem.h"
#include <assert.h>
#include <stdlib.h>

static struct str copy(struct str bytes)
{
	return (struct str){ mem_strndup(bytes.ptr, bytes.len), bytes.len };
}

static void drop(struct str bytes)
{
	free((char *)bytes.ptr);
}

static struct str key_of(struct arena *arena, uint64_t number, const void *rest, size_t len)
{
	char *key = arena_alloc(arena, sizeof number + len);
	memcpy(key, &number, sizeof number);
	if (len)
		memcpy(key + sizeof number, rest, len);
	return (struct str){ key, sizeof number + len };
}

struct str memory_name_key(struct arena *arena, uint64_t machine_id, struct str name)
{
	return key_of(arena, machine_id, name.ptr, name.len);
}

static struct str message_key(struct arena *arena, const struct store_message *message)
{
	return key_of(arena, message->sender_id, &message->sender_event, sizeof message->sender_event);
}

/* ---- checking a batch ---------------------------------------------------------------------- */

/* What the ops before make of an execution. */
struct expected {
	bool listed;
	uint32_t records_count;
};

struct check {
	struct memory_store *memory;
	struct arena arena;
	struct u64_map expected;
	struct str_map names;
};

static struct expected *expected_of(struct check *check, uint64_t id)
{
	struct expected *expected = u64_map_get(&check->expected, id);
	if (expected)
		return expected;
	expected = ARENA_NEW(&check->arena, struct expected);
	const struct memory_execution *execution = u64_map_get(&check->memory->executions, id);
	if (execution)
		*expected = (struct expected){ execution->listed, execution->records_count };
	u64_map_put(&check->expected, id, expected);
	return expected;
}

static int check_insert(struct check *check, const struct store_execution *row, struct wf_error *err)
{
	struct expected *expected = expected_of(check, row->id);
	if (expected->listed)
		return error_set(err, ERR(EXISTS), "execution %llu is stored already", (unsigned long long)row->id);
	if (row->name.len) {
		struct str key = memory_name_key(&check->arena, row->machine_id, row->name);
		if (str_map_get(&check->memory->names, key) || str_map_get(&check->names, key))
			return error_set(err, ERR(EXISTS), "the state machine has an execution named \"%.*s\" already",
					 STR_FMT(str_sub(row->name, 0, 255)));
		str_map_put(&check->names, key, expected);
	}
	expected->listed = true;
	return 0;
}

static int check_record(struct check *check, const struct store_record *record, struct wf_error *err)
{
	struct expected *expected = expected_of(check, record->execution_id);
	if (record->number != expected->records_count)
		return error_set(err, record->number < expected->records_count ? ERR(EXISTS) : ERR(INVALID),
				 "expected record %u of execution %llu, found record %u", expected->records_count,
				 (unsigned long long)record->execution_id, record->number);
	expected->records_count++;
	return 0;
}

static int check_op(struct check *check, const struct store_op *op, struct wf_error *err)
{
	switch (op->kind) {
	case STORE_INSERT_EXECUTION:
		return check_insert(check, &op->execution, err);
	case STORE_END_EXECUTION:
		if (!expected_of(check, op->execution.id)->listed)
			return error_set(err, ERR(NOT_FOUND), "execution %llu is not stored", (unsigned long long)op->execution.id);
		return 0;
	case STORE_APPEND_RECORD:
		return check_record(check, &op->record, err);
	case STORE_PUT_SNAPSHOT:
	case STORE_SET_OPEN:
	case STORE_DELETE_OPEN:
	case STORE_APPEND_MESSAGE:
	case STORE_DELETE_MESSAGE:
	case STORE_PUT_ITEM:
	case STORE_DELETE_ITEM:
	case STORE_PUT_DEAD_LETTER:
	case STORE_FILL_DEAD_LETTER:
	case STORE_DELETE_DEAD_LETTER:
	case STORE_PUT_OUTCOME:
	case STORE_DELETE_OUTCOMES:
		return 0;
	}
	return 0;
}

static int check_batch(struct memory_store *memory, const struct store_batch *batch, struct wf_error *err)
{
	struct check check = { .memory = memory };
	int code = 0;
	for (const struct store_op *op = batch->first; op && !code; op = op->next)
		code = check_op(&check, op, err);
	u64_map_done(&check.expected);
	str_map_done(&check.names);
	arena_done(&check.arena);
	return code;
}

/* ---- carrying it out ------------------------------------------------------------------------ */

static struct memory_execution *execution_of(struct memory_store *memory, uint64_t id)
{
	struct memory_execution *execution = u64_map_get(&memory->executions, id);
	if (!execution) {
		execution = NEW(struct memory_execution);
		execution->row.id = id;
		u64_map_put(&memory->executions, id, execution);
	}
	return execution;
}

static struct order_key list_key(const struct store_execution *row)
{
	return memory_list_key(row->machine_id, row->status, row->start_ms, row->id);
}

/* Into and out of the indexes that its row is in. */
static void index_row(struct memory_store *memory, struct memory_execution *execution)
{
	order_insert(&memory->list, list_key(&execution->row), execution);
	if (execution->row.stop_ms)
		order_insert(&memory->ended, memory_time_key(execution->row.stop_ms, execution->row.id), execution);
}

static void unindex_row(struct memory_store *memory, const struct memory_execution *execution)
{
	order_remove(&memory->list, list_key(&execution->row));
	if (execution->row.stop_ms)
		order_remove(&memory->ended, memory_time_key(execution->row.stop_ms, execution->row.id));
}

static void insert_execution(struct memory_store *memory, struct arena *scratch, const struct store_execution *row)
{
	struct memory_execution *execution = execution_of(memory, row->id);
	execution->row = *row;
	execution->row.name = copy(row->name);
	execution->row.attributes = copy(row->attributes);
	execution->listed = true;
	if (row->name.len)
		str_map_put(&memory->names, memory_name_key(scratch, row->machine_id, row->name), execution);
	index_row(memory, execution);
	if (row->id > memory->lease.last_execution_id)
		memory->lease.last_execution_id = row->id;
}

static void end_execution(struct memory_store *memory, const struct store_execution *row)
{
	struct memory_execution *execution = execution_of(memory, row->id);
	unindex_row(memory, execution);
	execution->row.status = row->status;
	execution->row.stop_ms = row->stop_ms;
	if (row->attributes.len) {
		drop(execution->row.attributes);
		execution->row.attributes = copy(row->attributes);
	}
	index_row(memory, execution);
}

static void append_record(struct memory_store *memory, const struct store_record *record)
{
	struct memory_execution *execution = execution_of(memory, record->execution_id);
	size_t size = sizeof *record + record->blobs_count * sizeof *record->blobs + record->bytes.len;
	for (uint32_t i = 0; i < record->blobs_count; i++)
		size += record->blobs[i].len;
	struct store_record *kept = mem_alloc(size);
	*kept = *record;
	kept->blobs = (struct str *)(kept + 1);
	char *at = (char *)(kept->blobs + record->blobs_count);
	kept->bytes.ptr = record->bytes.len ? memcpy(at, record->bytes.ptr, record->bytes.len) : at;
	at += record->bytes.len;
	for (uint32_t i = 0; i < record->blobs_count; i++) {
		struct str blob = record->blobs[i];
		kept->blobs[i] = (struct str){ blob.len ? memcpy(at, blob.ptr, blob.len) : at, blob.len };
		at += blob.len;
	}
	MEM_GROW(execution->records, execution->records_capacity, (size_t)execution->records_count + 1);
	execution->records[execution->records_count++] = kept;
}

static void put_snapshot(struct memory_store *memory, const struct store_snapshot *snapshot)
{
	struct memory_execution *execution = execution_of(memory, snapshot->execution_id);
	drop(execution->snapshot.bytes);
	execution->snapshot = *snapshot;
	execution->snapshot.bytes = copy(snapshot->bytes);
	execution->has_snapshot = true;
}

static void delete_open(struct memory_store *memory, uint64_t id)
{
	struct memory_execution *execution = u64_map_get(&memory->executions, id);
	if (!execution || !execution->is_open)
		return;
	order_remove(&memory->open, memory_time_key(execution->wake_ms, id));
	execution->is_open = false;
}

static void set_open(struct memory_store *memory, const struct store_open_row *row)
{
	struct memory_execution *execution = execution_of(memory, row->execution_id);
	delete_open(memory, row->execution_id);
	execution->is_open = true;
	execution->wake_ms = row->wake_ms;
	order_insert(&memory->open, memory_time_key(row->wake_ms, row->execution_id), execution);
}

static void append_message(struct memory_store *memory, struct arena *scratch, const struct store_message *message)
{
	struct str key = message_key(scratch, message);
	if (str_map_get(&memory->message_keys, key))
		return;
	struct store_message *kept = NEW(struct store_message);
	*kept = *message;
	kept->bytes = copy(message->bytes);
	kept->sequence = ++memory->last_message;
	str_map_put(&memory->message_keys, key, kept);
	order_insert(&memory->inbox, memory_message_key(0, kept->sequence), kept);
	order_insert(&memory->inbox_by_target, memory_message_key(kept->target_id, kept->sequence), kept);
}

static void delete_message(struct memory_store *memory, struct arena *scratch, const struct store_message *message)
{
	uint64_t sequence = message->sequence;
	if (!sequence) {
		const struct store_message *keyed = str_map_get(&memory->message_keys, message_key(scratch, message));
		sequence = keyed ? keyed->sequence : 0;
	}
	struct store_message *kept = order_remove(&memory->inbox_by_target, memory_message_key(message->target_id, sequence));
	if (!kept)
		return;
	order_remove(&memory->inbox, memory_message_key(0, kept->sequence));
	str_map_remove(&memory->message_keys, message_key(scratch, kept));
	drop(kept->bytes);
	free(kept);
}

/* Where the item is, or would be. */
static size_t item_place(const struct memory_store *memory, const struct store_item *item, bool *ret_found)
{
	size_t low = 0, high = memory->items_count;
	*ret_found = false;
	while (low < high) {
		size_t middle = (low + high) / 2;
		const struct store_item *there = memory->items[middle];
		int order = there->kind != item->kind ? (there->kind > item->kind) - (there->kind < item->kind) :
							str_cmp(there->key, item->key);
		*ret_found |= order == 0;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void item_free(struct store_item *item)
{
	drop(item->key);
	drop(item->bytes);
	free(item);
}

static void put_item(struct memory_store *memory, const struct store_item *item)
{
	bool found;
	size_t at = item_place(memory, item, &found);
	struct store_item *kept = NEW(struct store_item);
	*kept = (struct store_item){ item->kind, copy(item->key), copy(item->bytes) };
	if (found) {
		item_free(memory->items[at]);
	} else {
		MEM_GROW(memory->items, memory->items_capacity, memory->items_count + 1);
		memmove(memory->items + at + 1, memory->items + at, (memory->items_count - at) * sizeof *memory->items);
		memory->items_count++;
	}
	memory->items[at] = kept;
}

static void delete_item(struct memory_store *memory, const struct store_item *item)
{
	bool found;
	size_t at = item_place(memory, item, &found);
	if (!found)
		return;
	item_free(memory->items[at]);
	memory->items_count--;
	memmove(memory->items + at, memory->items + at + 1, (memory->items_count - at) * sizeof *memory->items);
}

static void apply_op(struct memory_store *memory, struct arena *scratch, const struct store_op *op)
{
	switch (op->kind) {
	case STORE_INSERT_EXECUTION:
		insert_execution(memory, scratch, &op->execution);
		break;
	case STORE_END_EXECUTION:
		end_execution(memory, &op->execution);
		break;
	case STORE_APPEND_RECORD:
		append_record(memory, &op->record);
		break;
	case STORE_PUT_SNAPSHOT:
		put_snapshot(memory, &op->snapshot);
		break;
	case STORE_SET_OPEN:
		set_open(memory, &op->open);
		break;
	case STORE_DELETE_OPEN:
		delete_open(memory, op->open.execution_id);
		break;
	case STORE_APPEND_MESSAGE:
		append_message(memory, scratch, &op->message);
		break;
	case STORE_DELETE_MESSAGE:
		delete_message(memory, scratch, &op->message);
		break;
	case STORE_PUT_ITEM:
		put_item(memory, &op->item);
		break;
	case STORE_DELETE_ITEM:
		delete_item(memory, &op->item);
		break;
	case STORE_PUT_DEAD_LETTER:
	case STORE_FILL_DEAD_LETTER:
	case STORE_DELETE_DEAD_LETTER:
	case STORE_PUT_OUTCOME:
	case STORE_DELETE_OUTCOMES:
		memory_apply_dead_letter(memory, op);
		break;
	}
}

struct ended_batch {
	struct store_answer answer; /* first */
	struct store_batch *batch;
	enum store_result result;
	struct wf_error err;
};

static void ended_deliver(struct store *store, struct store_answer *answer)
{
	struct ended_batch *ended = (struct ended_batch *)answer;
	store_end_batch(store, ended->batch, ended->result, &ended->err);
	free(ended);
}

static enum store_result store_batch_now(struct memory_store *memory, const struct store_batch *batch, struct wf_error *err)
{
	if (batch->epoch != memory->lease.epoch) {
		error_set(err, ERR(FENCED), "another owner has the lease: expected epoch %llu, found %llu",
			  (unsigned long long)memory->lease.epoch, (unsigned long long)batch->epoch);
		return STORE_FENCED;
	}
	if (batch->sequence > memory->lease.sequence + 1 && memory->failing) {
		*err = memory->failure;
		return STORE_FAILED;
	}
	if (batch->sequence != memory->lease.sequence + 1) {
		error_set(err, ERR(CANCELLED), "batch %llu does not follow batch %llu, the last one stored",
			  (unsigned long long)batch->sequence, (unsigned long long)memory->lease.sequence);
		return STORE_FAILED;
	}
	memory->failing = check_batch(memory, batch, err) < 0;
	if (memory->failing) {
		memory->failure = *err;
		return STORE_FAILED;
	}
	struct arena scratch = { 0 };
	for (const struct store_op *op = batch->first; op; op = op->next)
		apply_op(memory, &scratch, op);
	arena_done(&scratch);
	memory->lease.sequence = batch->sequence;
	memory->batches++;
	return STORE_COMMITTED;
}

static void memory_submit(struct store *store, struct store_batch *batch)
{
	struct ended_batch *ended = NEW(struct ended_batch);
	ended->answer.deliver = ended_deliver;
	ended->batch = batch;
	ended->result = store_batch_now((struct memory_store *)store, batch, &ended->err);
	store_post(store, &ended->answer);
}

/* ---- purge ---------------------------------------------------------------------------------- */

static void execution_free(struct memory_execution *execution)
{
	for (uint32_t i = 0; i < execution->records_count; i++)
		free(execution->records[i]);
	free(execution->records);
	drop(execution->row.name);
	drop(execution->row.attributes);
	drop(execution->snapshot.bytes);
	free(execution);
}

static void delete_execution(struct memory_store *memory, struct arena *scratch, struct memory_execution *execution)
{
	const struct store_execution *row = &execution->row;
	unindex_row(memory, execution);
	if (row->name.len)
		str_map_remove(&memory->names, memory_name_key(scratch, row->machine_id, row->name));
	memory_delete_dead_letter(memory, row->id, 0);
	u64_map_remove(&memory->executions, row->id);
	execution_free(execution);
}

void memory_purge(struct memory_store *memory, struct store_request *request)
{
	struct order_key from = { { 0 } };
	while (request->number < request->limit) {
		struct order_place place = order_seek(&memory->ended, from);
		const struct order_entry *entry = order_next(&memory->ended, &place);
		if (!entry)
			break;
		struct memory_execution *execution = entry->value;
		if (execution->row.stop_ms >= request->before_ms)
			break;
		from = entry->key;
		from.part[3]++;
		if (execution->is_open)
			continue;
		delete_execution(memory, &request->arena, execution);
		request->number++;
	}
}

/* ---- the rest of the back end ----------------------------------------------------------------- */

static int memory_acquire(struct store *store, struct store_lease *ret_lease, struct wf_error *err)
{
	struct memory_store *memory = (struct memory_store *)store;
	memory->lease.epoch++;
	*ret_lease = memory->lease;
	return 0;
}

static int memory_each_item(struct store *store, void (*visit)(void *data, const struct store_item *item), void *data,
			    struct wf_error *err)
{
	struct memory_store *memory = (struct memory_store *)store;
	for (size_t i = 0; i < memory->items_count; i++)
		visit(data, memory->items[i]);
	return 0;
}

static void memory_request(struct store *store, struct store_request *request)
{
	memory_read((struct memory_store *)store, request);
	store_post(store, &request->answer);
}

static void memory_stats(struct store *store, struct store_stats *ret_stats)
{
	const struct memory_store *memory = (struct memory_store *)store;
	ret_stats->commits = ret_stats->batches = memory->batches;
}

static void memory_close(struct store *store)
{
	struct memory_store *memory = (struct memory_store *)store;
	size_t i = 0;
	struct u64_map_entry *entry;
	while ((entry = u64_map_next(&memory->executions, &i)))
		execution_free(entry->value);
	struct order_place place = { 0 };
	const struct order_entry *message;
	while ((message = order_next(&memory->inbox, &place))) {
		drop(((struct store_message *)message->value)->bytes);
		free(message->value);
	}
	for (i = 0; i < memory->items_count; i++)
		item_free(memory->items[i]);
	free(memory->items);
	u64_map_done(&memory->executions);
	str_map_done(&memory->names);
	str_map_done(&memory->message_keys);
	order_done(&memory->list);
	order_done(&memory->ended);
	order_done(&memory->open);
	order_done(&memory->inbox);
	order_done(&memory->inbox_by_target);
	memory_dead_letters_done(memory);
	store_done(store);
	free(memory);
}

static const struct store_backend backend = {
	.name = "memory",
	.acquire = memory_acquire,
	.each_item = memory_each_item,
	.submit = memory_submit,
	.request = memory_request,
	.stats = memory_stats,
	.close = memory_close,
};

int memory_store_open(const char *rest, const struct store_options *options, struct loop *loop, struct store **ret_store, struct wf_error *err)
{
	if (*rest)
		return error_set(err, ERR(INVALID), "expected memory: with nothing behind it, found \"memory:%.200s\"", rest);
	if (options->read_only)
		return error_set(err, ERR(INVALID), "a memory store is always new, so it cannot be opened to read only");
	struct memory_store *memory = NEW(struct memory_store);
	store_init(&memory->store, &backend, loop);
	*ret_store = &memory->store;
	return 0;
}
