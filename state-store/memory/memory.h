/* memory.h: the memory store's insides, shared by its writing half (memory.c) and its reading half (read.c). The loop's thread only. */
#pragma once
#include "base/map.h"
#include "state-store/backend.h"
#include "state-store/memory/order.h"

/* Everything about one execution. It exists from the first op that names it; `listed` once its row was inserted. */
struct memory_execution {
	struct store_execution row; /* name and attributes are our own copies */
	bool listed;
	bool is_open, has_snapshot;
	int64_t wake_ms;
	struct store_record **records; /* each one allocation, with its bytes and blobs */
	size_t records_capacity;
	uint32_t records_count;
	struct store_snapshot snapshot; /* bytes are our own copy */
};

struct memory_store {
	struct store store; /* first */
	struct store_lease lease;
	uint64_t last_message;
	struct u64_map executions;
	struct str_map names; /* machine and name → execution */
	struct str_map message_keys; /* sender and event → message */
	struct order list; /* (machine, status, start, id) → execution, listed ones */
	struct order ended; /* (0, 0, stop, id) → execution */
	struct order open; /* (0, 0, wake, id) → execution */
	struct order inbox; /* (0, 0, 0, sequence) → message, our own copy */
	struct order inbox_by_target; /* (0, 0, target, sequence) → message */
	struct store_item **items; /* sorted by (kind, key) */
	size_t items_count, items_capacity;
	struct u64_map dead_letters; /* by execution → struct store_dead_letter, our own copy */
	struct order dead_by_time; /* (0, 0, failed, id) → the same */
	struct order outcomes; /* (0, 0, job, execution) → struct store_outcome, our own copy */
	uint64_t batches;
	bool failing; /* the last batch failed; `failure` is why those behind it do, too */
	struct wf_error failure;
};

static inline struct order_key memory_list_key(uint64_t machine, uint8_t status, int64_t start_ms, uint64_t id)
{
	return (struct order_key){ { machine, status, order_signed(start_ms), id } };
}
static inline struct order_key memory_time_key(int64_t at_ms, uint64_t id)
{
	return (struct order_key){ { 0, 0, order_signed(at_ms), id } };
}
static inline struct order_key memory_message_key(uint64_t target_id, uint64_t sequence)
{
	return (struct order_key){ { 0, 0, target_id, sequence } };
}
/* The key of `names`: 8 bytes of the machine's number, then the name. It lives in the arena. */
struct str memory_name_key(struct arena *arena, uint64_t machine_id, struct str name);

/* Answers a request at once, by copying (read.c). */
void memory_read(struct memory_store *memory, struct store_request *request);
/* Deletes executions that ended (memory.c). */
void memory_purge(struct memory_store *memory, struct store_request *request);

/* Dead letters and outcomes (dead_letters.c): an op, a read, all of it. */
void memory_apply_dead_letter(struct memory_store *memory, const struct store_op *op);
bool memory_delete_dead_letter(struct memory_store *memory, uint64_t execution_id, int64_t failed_ms);
void memory_read_dead_letters(const struct memory_store *memory, struct store_request *request);
void memory_dead_letters_done(struct memory_store *memory);
