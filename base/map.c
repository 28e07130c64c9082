/* map.c: open addressing with linear probing, in arrays of a power of two.
 *
 * A slot without a value is empty, or a tombstone: it held an entry and a search must go on
 * past it. Removing leaves a tombstone only where the next slot is taken; nothing ever moves but
 * when the table grows, so removing while iterating is safe. `used` counts entries and tombstones. */
#include "base/map.h"
#include "base/hash.h"
#include "base/mem.h"
#include <assert.h>
#include <stdlib.h>

enum { CAPACITY_FIRST = 8 };

/* Three quarters full. */
static bool is_full(size_t used, size_t capacity)
{
	return used + 1 > capacity / 4 * 3;
}

/* Twice the entries at least, so that a table full of tombstones is swept rather than doubled. */
static size_t capacity_for(size_t count)
{
	size_t capacity = CAPACITY_FIRST;
	while (capacity < (count + 1) * 2)
		capacity *= 2;
	return capacity;
}

/* ---- text ------------------------------------------------------------------------------- */

static const char tombstone[1];

static struct str_map_entry *str_find(const struct str_map *map, struct str key, uint64_t hash)
{
	if (!map->capacity)
		return NULL;
	size_t mask = map->capacity - 1;
	for (size_t i = hash & mask;; i = (i + 1) & mask) {
		struct str_map_entry *entry = &map->entries[i];
		if (entry->value && entry->hash == hash && str_eq(entry->key, key))
			return entry;
		if (!entry->key.ptr)
			return NULL;
	}
}

void *str_map_get(const struct str_map *map, struct str key)
{
	struct str_map_entry *entry = map->count ? str_find(map, key, hash_bytes(key, 0)) : NULL;
	return entry ? entry->value : NULL;
}

/* Puts an entry whose key is not there. */
static void str_place(struct str_map *map, struct str_map_entry entry)
{
	size_t mask = map->capacity - 1, i = entry.hash & mask;
	while (map->entries[i].value)
		i = (i + 1) & mask;
	if (!map->entries[i].key.ptr)
		map->used++;
	map->entries[i] = entry;
	map->count++;
}

void *str_map_put(struct str_map *map, struct str key, void *value)
{
	assert(value);
	uint64_t hash = hash_bytes(key, 0);
	struct str_map_entry *found = str_find(map, key, hash);
	if (found) {
		void *before = found->value;
		found->value = value;
		return before;
	}
	if (is_full(map->used, map->capacity)) {
		struct str_map old = *map;
		size_t capacity = capacity_for(old.count);
		*map = (struct str_map){ .entries = mem_zalloc(capacity * sizeof *old.entries), .capacity = capacity };
		for (size_t i = 0; i < old.capacity; i++)
			if (old.entries[i].value)
				str_place(map, old.entries[i]);
		free(old.entries);
	}
	str_place(map, (struct str_map_entry){ { mem_strndup(key.ptr, key.len), key.len }, value, hash });
	return NULL;
}

void *str_map_remove(struct str_map *map, struct str key)
{
	struct str_map_entry *entry = str_find(map, key, hash_bytes(key, 0));
	if (!entry)
		return NULL;
	void *value = entry->value;
	size_t next = ((size_t)(entry - map->entries) + 1) & (map->capacity - 1);
	bool ends_here = !map->entries[next].key.ptr;
	free((char *)entry->key.ptr);
	*entry = (struct str_map_entry){ .key = { ends_here ? NULL : tombstone, 0 } };
	map->used -= ends_here;
	map->count--;
	return value;
}

struct str_map_entry *str_map_next(const struct str_map *map, size_t *index)
{
	while (*index < map->capacity) {
		struct str_map_entry *entry = &map->entries[(*index)++];
		if (entry->value)
			return entry;
	}
	return NULL;
}

void str_map_done(struct str_map *map)
{
	for (size_t i = 0; i < map->capacity; i++)
		if (map->entries[i].value)
			free((char *)map->entries[i].key.ptr);
	free(map->entries);
	*map = (struct str_map){ 0 };
}

/* ---- numbers ---------------------------------------------------------------------------- */

/* Without a value: key 0 is an empty slot, key 1 a tombstone. */
static bool u64_is_empty(const struct u64_map_entry *entry)
{
	return !entry->value && !entry->key;
}

static struct u64_map_entry *u64_find(const struct u64_map *map, uint64_t key)
{
	if (!map->capacity)
		return NULL;
	size_t mask = map->capacity - 1;
	for (size_t i = hash_u64(key) & mask;; i = (i + 1) & mask) {
		struct u64_map_entry *entry = &map->entries[i];
		if (entry->value && entry->key == key)
			return entry;
		if (u64_is_empty(entry))
			return NULL;
	}
}

void *u64_map_get(const struct u64_map *map, uint64_t key)
{
	struct u64_map_entry *entry = u64_find(map, key);
	return entry ? entry->value : NULL;
}

static void u64_place(struct u64_map *map, struct u64_map_entry entry)
{
	size_t mask = map->capacity - 1, i = hash_u64(entry.key) & mask;
	while (map->entries[i].value)
		i = (i + 1) & mask;
	map->used += u64_is_empty(&map->entries[i]);
	map->entries[i] = entry;
	map->count++;
}

void *u64_map_put(struct u64_map *map, uint64_t key, void *value)
{
	assert(value);
	struct u64_map_entry *found = u64_find(map, key);
	if (found) {
		void *before = found->value;
		found->value = value;
		return before;
	}
	if (is_full(map->used, map->capacity)) {
		struct u64_map old = *map;
		size_t capacity = capacity_for(old.count);
		*map = (struct u64_map){ .entries = mem_zalloc(capacity * sizeof *old.entries), .capacity = capacity };
		for (size_t i = 0; i < old.capacity; i++)
			if (old.entries[i].value)
				u64_place(map, old.entries[i]);
		free(old.entries);
	}
	u64_place(map, (struct u64_map_entry){ key, value });
	return NULL;
}

void *u64_map_remove(struct u64_map *map, uint64_t key)
{
	struct u64_map_entry *entry = u64_find(map, key);
	if (!entry)
		return NULL;
	void *value = entry->value;
	size_t next = ((size_t)(entry - map->entries) + 1) & (map->capacity - 1);
	bool ends_here = u64_is_empty(&map->entries[next]);
	*entry = (struct u64_map_entry){ .key = ends_here ? 0 : 1 };
	map->used -= ends_here;
	map->count--;
	return value;
}

struct u64_map_entry *u64_map_next(const struct u64_map *map, size_t *index)
{
	while (*index < map->capacity) {
		struct u64_map_entry *entry = &map->entries[(*index)++];
		if (entry->value)
			return entry;
	}
	return NULL;
}

void u64_map_done(struct u64_map *map)
{
	free(map->entries);
	*map = (struct u64_map){ 0 };
}
