/* order.h: an ordered map from keys of four numbers to pointers, for the memory store's indexes.
 *
 * A sorted list of sorted blocks: finding is two binary searches, inserting moves the rest of one block of at most ORDER_BLOCK entries, walking
 * either way is an index. Rows that grow at the end, as lists by time do, fill their blocks. A zeroed struct is an empty one. Not thread-safe. A
 * place is valid until the next insert or remove. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Compared part by part. */
struct order_key {
	uint64_t part[4];
};
/* A signed number as a part: keeps the order. */
static inline uint64_t order_signed(int64_t number) { return (uint64_t)number ^ (UINT64_C(1) << 63); }

struct order_entry {
	struct order_key key;
	void *value;
};

#define ORDER_BLOCK 256
struct order_block;
struct order {
	struct order_block **blocks; /* none is empty */
	size_t blocks_count, blocks_capacity, count;
};

struct order_place {
	size_t block, entry;
};

/* The key must not be there. */
void order_insert(struct order *order, struct order_key key, void *value);
/* What was there, or NULL. */
void *order_remove(struct order *order, struct order_key key);
/* The place of the first entry that is not before `key`. */
struct order_place order_seek(const struct order *order, struct order_key key);
/* The entry at a place and one step forward; NULL at the end. */
const struct order_entry *order_next(const struct order *order, struct order_place *place);
/* One step back, and the entry there; NULL at the beginning. */
const struct order_entry *order_previous(const struct order *order, struct order_place *place);
void order_done(struct order *order);
