/* map.h: hash tables from text, or from a 64-bit number, to pointers.
 *
 * Open addressing, grows by doubling; a zeroed struct is an empty map. Keys of a str_map are
 * copied by the map; values are the caller's and must not be NULL. Not thread-safe. Do not insert while iterating; removing the current entry is fine. */
#pragma once
#include "base/str.h"
#include <stdint.h>

struct str_map_entry {
	struct str key;
	void *value;
	uint64_t hash;
};
struct str_map {
	struct str_map_entry *entries;
	size_t count, capacity, used;
};
void *str_map_get(const struct str_map *map, struct str key); /* NULL if absent */
/* Puts, and returns the value that was there before (NULL if none). */
void *str_map_put(struct str_map *map, struct str key, void *value);
void *str_map_remove(struct str_map *map, struct str key);
/* for (size_t i = 0; (e = str_map_next(&map, &i)); ) */
struct str_map_entry *str_map_next(const struct str_map *map, size_t *index);
void str_map_done(struct str_map *map);

struct u64_map_entry {
	uint64_t key;
	void *value;
};
struct u64_map {
	struct u64_map_entry *entries;
	size_t count, capacity, used;
};
void *u64_map_get(const struct u64_map *map, uint64_t key);
void *u64_map_put(struct u64_map *map, uint64_t key, void *value);
void *u64_map_remove(struct u64_map *map, uint64_t key);
struct u64_map_entry *u64_map_next(const struct u64_map *map, size_t *index);
void u64_map_done(struct u64_map *map);
