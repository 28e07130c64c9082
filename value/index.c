/* index.c: an object's hash index: from a key to its position.
 *
 * A table of positions by open addressing. It holds no keys: a slot is compared by looking at the object's keys. */
#include "base/hash.h"
#include "value/node.h"

struct index {
	uint32_t mask, used;
	uint32_t slots[]; /* position + 1; 0: empty */
};

static size_t slots_for(size_t count)
{
	size_t slots = 16;
	while (slots < count * 2)
		slots *= 2;
	return slots;
}

size_t index_bytes(size_t count)
{
	return sizeof(struct index) + slots_for(count) * sizeof(uint32_t);
}

void index_init(struct index *index, size_t count)
{
	memset(index, 0, index_bytes(count));
	index->mask = (uint32_t)slots_for(count) - 1;
}

bool index_is_full(const struct index *index)
{
	return index->used >= index->mask / 2;
}

/* Keys come from outside: seeded by where the index lies, nobody can prepare keys that collide. The order of members
 * does not depend on it. */
static uint32_t first_slot(const struct index *index, struct str key)
{
	return (uint32_t)hash_bytes(key, (uintptr_t)index) & index->mask;
}

ptrdiff_t index_find(const struct index *index, const struct str *keys, struct str key)
{
	for (uint32_t slot = first_slot(index, key);; slot = (slot + 1) & index->mask) {
		uint32_t position = index->slots[slot];
		if (!position)
			return -1;
		if (str_eq(keys[position - 1], key))
			return (ptrdiff_t)position - 1;
	}
}

void index_add(struct index *index, const struct str *keys, uint32_t position)
{
	uint32_t slot = first_slot(index, keys[position]);
	while (index->slots[slot])
		slot = (slot + 1) & index->mask;
	index->slots[slot] = position + 1;
	index->used++;
}
