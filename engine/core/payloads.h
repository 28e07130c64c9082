/* payloads.h: the table of distinct payloads that a record or a snapshot stores once and names by number.
 * Internal to engine/core. Two values are the same if their texts are. */
#pragma once
#include "base/arena.h"
#include "value/value.h"

#define PAYLOAD_NONE UINT32_MAX

struct payload_entry {
	struct value *value; /* referenced; payload_table_done gives it back */
	uint64_t hash;       /* of its text */
};

struct payload_table {
	struct payload_entry *entries;
	uint32_t count;
	size_t capacity;
	uint32_t *slots; /* open addressing: number + 1, 0 is free; NULL while there are few */
	uint32_t slots_capacity;
};

/* Its number, or PAYLOAD_NONE. */
uint32_t payload_table_find(const struct payload_table *table, const struct value *value);
/* Its number; a new one is the count before. */
uint32_t payload_table_put(struct payload_table *table, const struct value *value);
/* Forgets all, keeping the memory / frees. */
void payload_table_clear(struct payload_table *table);
void payload_table_done(struct payload_table *table);
