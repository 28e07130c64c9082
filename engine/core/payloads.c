/* payloads.c: distinct payloads by text.
 *
 * What passes through a state unchanged is the same value, so the newest entries are compared by address before any
 * text is hashed. */
#include "engine/core/payloads.h"
#include "base/hash.h"
#include "base/mem.h"
#include <stdlib.h>

enum { NEWEST_COMPARED = 4, SLOTS_FIRST = 64 };

static uint32_t find_address(const struct payload_table *table, const struct value *value)
{
	for (uint32_t back = 1; back <= NEWEST_COMPARED && back <= table->count; back++)
		if (table->values[table->count - back] == value)
			return table->count - back;
	return PAYLOAD_NONE;
}

static uint32_t find_text(const struct payload_table *table, struct str text, uint64_t hash)
{
	if (!table->slots_capacity)
		return PAYLOAD_NONE;
	for (uint32_t i = (uint32_t)hash & (table->slots_capacity - 1);; i = (i + 1) & (table->slots_capacity - 1)) {
		uint32_t number = table->slots[i];
		if (!number)
			return PAYLOAD_NONE;
		if (table->hashes[number - 1] == hash && str_eq(value_text(table->values[number - 1]), text))
			return number - 1;
	}
}

static void place(struct payload_table *table, uint32_t number)
{
	uint32_t i = (uint32_t)table->hashes[number] & (table->slots_capacity - 1);
	while (table->slots[i])
		i = (i + 1) & (table->slots_capacity - 1);
	table->slots[i] = number + 1;
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

	number = table->count;
	MEM_GROW(table->values, table->values_capacity, (size_t)number + 1);
	MEM_GROW(table->hashes, table->hashes_capacity, (size_t)number + 1);
	table->values[number] = value_ref(value);
	table->hashes[number] = hash;
	table->count++;
	if (table->count * 2 > table->slots_capacity) {
		free(table->slots);
		table->slots_capacity = table->slots_capacity ? table->slots_capacity * 2 : SLOTS_FIRST;
		table->slots = mem_zalloc(table->slots_capacity * sizeof *table->slots);
		for (uint32_t i = 0; i < table->count; i++)
			place(table, i);
	} else {
		place(table, number);
	}
	return number;
}

void payload_table_clear(struct payload_table *table)
{
	for (uint32_t i = 0; i < table->count; i++)
		value_unref(table->values[i]);
	table->count = 0;
	if (table->slots)
		memset(table->slots, 0, table->slots_capacity * sizeof *table->slots);
}

void payload_table_done(struct payload_table *table)
{
	payload_table_clear(table);
	free(table->values);
	free(table->hashes);
	free(table->slots);
	*table = (struct payload_table){ 0 };
}
