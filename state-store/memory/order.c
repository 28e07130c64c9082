/* order.c: see order.h. */
#include "state-store/memory/order.h"
#include "base/mem.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct order_block {
	size_t count;
	struct order_entry entries[ORDER_BLOCK];
};

static int compare(const struct order_key *a, const struct order_key *b)
{
	for (int i = 0; i < 4; i++)
		if (a->part[i] != b->part[i])
			return a->part[i] < b->part[i] ? -1 : 1;
	return 0;
}

/* The first block whose last entry is not before `key`, and the first such entry in it. */
struct order_place order_seek(const struct order *order, struct order_key key)
{
	size_t low = 0, high = order->blocks_count;
	while (low < high) {
		size_t middle = (low + high) / 2;
		const struct order_block *block = order->blocks[middle];
		if (compare(&block->entries[block->count - 1].key, &key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	struct order_place place = { .block = low };
	if (low == order->blocks_count)
		return place;
	const struct order_block *block = order->blocks[low];
	low = 0, high = block->count;
	while (low < high) {
		size_t middle = (low + high) / 2;
		if (compare(&block->entries[middle].key, &key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	place.entry = low;
	return place;
}

static void insert_block(struct order *order, size_t at, struct order_block *block)
{
	MEM_GROW(order->blocks, order->blocks_capacity, order->blocks_count + 1);
	memmove(order->blocks + at + 1, order->blocks + at, (order->blocks_count - at) * sizeof *order->blocks);
	order->blocks[at] = block;
	order->blocks_count++;
}

/* Makes room in a full block: at the very end by a new block, so that what only grows is packed; elsewhere by halving. */
static void make_room(struct order *order, struct order_place *place)
{
	struct order_block *block = order->blocks[place->block];
	struct order_block *after = mem_alloc(sizeof *after);
	bool at_the_end = place->block == order->blocks_count - 1 && place->entry == block->count;
	size_t kept = at_the_end ? block->count : block->count / 2;
	after->count = block->count - kept;
	memcpy(after->entries, block->entries + kept, after->count * sizeof *after->entries);
	block->count = kept;
	insert_block(order, place->block + 1, after);
	if (at_the_end || place->entry > kept)
		*place = (struct order_place){ place->block + 1, place->entry - kept };
}

void order_insert(struct order *order, struct order_key key, void *value)
{
	struct order_place place = order_seek(order, key);
	if (!order->blocks_count)
		insert_block(order, 0, mem_zalloc(sizeof(struct order_block)));
	else if (place.block == order->blocks_count) /* behind all */
		place = (struct order_place){ place.block - 1, order->blocks[place.block - 1]->count };
	struct order_block *block = order->blocks[place.block];
	assert(place.entry == block->count || compare(&block->entries[place.entry].key, &key) != 0);
	if (block->count == ORDER_BLOCK) {
		make_room(order, &place);
		block = order->blocks[place.block];
	}
	struct order_entry *at = block->entries + place.entry;
	memmove(at + 1, at, (block->count - place.entry) * sizeof *at);
	*at = (struct order_entry){ key, value };
	block->count++;
	order->count++;
}

void *order_remove(struct order *order, struct order_key key)
{
	struct order_place place = order_seek(order, key);
	if (place.block == order->blocks_count)
		return NULL;
	struct order_block *block = order->blocks[place.block];
	struct order_entry *at = block->entries + place.entry;
	if (compare(&at->key, &key) != 0)
		return NULL;
	void *value = at->value;
	block->count--;
	order->count--;
	memmove(at, at + 1, (block->count - place.entry) * sizeof *at);
	if (!block->count) {
		free(block);
		order->blocks_count--;
		memmove(order->blocks + place.block, order->blocks + place.block + 1,
			(order->blocks_count - place.block) * sizeof *order->blocks);
	}
	return value;
}

const struct order_entry *order_next(const struct order *order, struct order_place *place)
{
	if (place->block < order->blocks_count && place->entry == order->blocks[place->block]->count)
		*place = (struct order_place){ .block = place->block + 1 };
	if (place->block >= order->blocks_count)
		return NULL;
	return &order->blocks[place->block]->entries[place->entry++];
}

const struct order_entry *order_previous(const struct order *order, struct order_place *place)
{
	if (place->entry == 0) {
		if (place->block == 0)
			return NULL;
		place->block--;
		place->entry = order->blocks[place->block]->count;
	}
	return &order->blocks[place->block]->entries[--place->entry];
}

void order_done(struct order *order)
{
	for (size_t i = 0; i < order->blocks_count; i++)
		free(order->blocks[i]);
	free(order->blocks);
	*order = (struct order){ 0 };
}
