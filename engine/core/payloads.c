/* payloads.c: distinct payloads by text.
 *
 * What passes through a state unchanged is the same value, so the newest entries are compared by address before any
 * text is hashed. Few are compared one after the other; a table of slots comes with more. */
#include "engine/core/payloads.h"
#include "base/hash.h"
#include "base/mem.h"
#include <stdlib.h>

enum { NEWEST_COMPARED = 4, FEW = 16, SLOTS_FIRST = 64 };

static uint32_t find_address(const struct payload_table *table, const struct value *value)
{
	for (uint32_t back = 1; back <= NEWEST_COMPARED && back <= table->count; back++)
		if (table->entries[table->count - back].value == value)
			return table->count - back;
	return PAYLOAD_NONE;
}

static bool is_text(const struct payload_entry *entry, struct str text, uint64_t hash)
{
	return entry->hash == hash && str_eq(value_text(entry->value), text);
}

static uint32_t find_text(const struct payload_table *table, struct str text, uint64_t hash)
{
	if (!table->slots) {
		for (uint32_t i = 0; i < table->count; i++)
			if (is_text(&table->entries[i], text, hash))
				return i;
		return PAYLOAD_NONE;
	}
	for (uint32_t i = (uint32_t)hash & (table->slots_capacity - 1);; i = (i + 1) & (table->slots_capacity - 1)) {
		uint32_t number = table->slots[i];
		if (!number)
			return PAYLOAD_NONE;
		if (is_text(&table->entries[number - 1], text, hash))
			return number - 1;
	}
}

static void place(struct payload_table *table, uint32_t number)
{
	uint32_t i = (uint32_t)table->entries[number].hash & (table->slots_capacity - 1);
	while (table->slots[i])
		i = (i + 1) & (table->slots_capacity - 1);
	table->slots[i] = number + 1;
}

/* The newest entry gets its slot. */
static void index_newest(struct payload_table *table)
{
	if (table->count <= FEW && !table->slots)
		return;
	if (table->count * 2 <= table->slots_capacity) {
		place(table, table->count - 1);
		return;
	}
	free(table->slots);
	table->slots_capacity = table->slots_capacity ? table->slots_capacity * 2 : SLOTS_FIRST;
	table->slots = mem_zalloc(table->slots_capacity * sizeof *table->slots);
	for (uint32_t i = 0; i < table->count; i++)
		place(table, i);
}

uint32_t payload_table_find(const struct payload_table *table, const struct value *value)
{
	uint32_t number = find_address(table, value);
	if (number != PAYLOAD_NONE)
		return number;
	struct str text = value_text(value);
	return find_text(table, text, hash_bytes(text, 0));
}

uint32_t payload_table_put(struct payload_table *table, const struct value *value)
{
	uint32_t number = find_address(table, value);
	if (number != PAYLOAD_NONE)
		return number;
	struct str text = value_text(value);
	uint64_t hash = hash_bytes(text, 0);
	number = find_text(table, text, hash);
	if (number != PAYLOAD_NONE)
		return number;
	MEM_GROW(table->entries, table->capacity, (size_t)table->count + 1);
	table->entries[table->count] = (struct payload_entry){ value_ref(value), hash };
	number = table->count++;
	index_newest(table);
	return number;
}

void payload_table_clear(struct payload_table *table)
{
	for (uint32_t i = 0; i < table->count; i++)
		value_unref(table->entries[i].value);
	table->count = 0;
	if (table->slots)
		memset(table->slots, 0, table->slots_capacity * sizeof *table->slots);
}

void payload_table_done(struct payload_table *table)
{
	payload_table_clear(table);
	free(table->entries);
	free(table->slots);
	*table = (struct payload_table){ 0 };
}
