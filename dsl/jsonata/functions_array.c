/* functions_array.c: arrays and aggregation. */
#include "dsl/jsonata/functions.h"
#include "dsl/jsonata/text.h"

#define ARG(i) (call->arguments[i])

/* ---- aggregation ------------------------------------------------------------------------ */

NATIVE(native_count)
{
	return item_number(is_nothing(ARG(0)) ? 0 : array_count(ARG(0)));
}

NATIVE(native_sum)
{
	if (is_nothing(ARG(0)))
		return NOTHING;
	double sum = 0;
	uint32_t count = array_count(ARG(0));
	spend(e, count / 8);
	for (uint32_t i = 0; i < count; i++)
		sum += array_at(e, ARG(0), i).number;
	return item_number(sum);
}

static struct item extreme(struct evaluation *e, struct item numbers, bool largest)
{
	uint32_t count = array_count(numbers);
	if (count == 0)
		return NOTHING;
	spend(e, count / 8);
	double found = array_at(e, numbers, 0).number;
	for (uint32_t i = 1; i < count; i++) {
		double number = array_at(e, numbers, i).number;
		if (isnan(number) || (largest ? number > found : number < found))
			found = number;
	}
	return item_number(found);
}

NATIVE(native_max)
{
	return extreme(e, ARG(0), true);
}

NATIVE(native_min)
{
	return extreme(e, ARG(0), false);
}

NATIVE(native_average)
{
	uint32_t count = array_count(ARG(0));
	if (count == 0)
		return NOTHING;
	struct item sum = native_sum(e, call);
	return item_number(sum.number / count);
}

/* ---- making ----------------------------------------------------------------------------- */

NATIVE(native_append)
{
	return items_append(e, ARG(0), ARG(1));
}

NATIVE(native_reverse)
{
	uint32_t count = array_count(ARG(0));
	if (count <= 1)
		return ARG(0);
	spend(e, count / 8);
	struct array *reversed = array_new(e, count, 0);
	for (uint32_t i = count; i-- > 0;)
		array_add(e, reversed, array_at(e, ARG(0), i));
	return item_array(reversed);
}

NATIVE(native_shuffle)
{
	uint32_t count = array_count(ARG(0));
	if (count <= 1)
		return ARG(0);
	if (!e->env->random)
		THROW(e, .code = JSONATA_D3162);
	spend(e, count / 4);
	struct array *shuffled = array_new(e, count, 0);
	for (uint32_t i = 0; i < count; i++) {
		uint32_t j = (uint32_t)random_below(e->env->random, (uint64_t)i + 1);
		shuffled->items[i] = shuffled->items[j];
		shuffled->items[j] = array_at(e, ARG(0), i);
		shuffled->count++;
	}
	return item_array(shuffled);
}

NATIVE(native_zip)
{
	uint32_t length = UINT32_MAX;
	for (uint32_t i = 0; i < call->count; i++) {
		uint32_t count = is_array(ARG(i)) ? array_count(ARG(i)) : 0;
		length = count < length ? count : length;
	}
	if (call->count == 0)
		length = 0;
	struct array *zipped = array_new(e, length, 0);
	for (uint32_t i = 0; i < length; i++) {
		spend(e, call->count);
		struct array *tuple = array_new(e, call->count, 0);
		for (uint32_t j = 0; j < call->count; j++)
			array_add(e, tuple, array_at(e, ARG(j), i));
		array_add(e, zipped, item_array(tuple));
	}
	return item_array(zipped);
}

/* Equal items are found by hash. */
NATIVE(native_distinct)
{
	struct item items = ARG(0);
	if (!is_array(items) || array_count(items) <= 1)
		return items;
	uint32_t count = array_count(items), size = 16;
	while (size < count * 2)
		size *= 2;
	uint32_t *slots = EV_ARRAY(e, uint32_t, size);
	uint64_t *hashes = EV_ARRAY(e, uint64_t, count);
	memset(slots, 0, size * sizeof *slots);
	struct array *result = array_new(e, 0, is_sequence(items) ? ARRAY_SEQUENCE : 0);
	for (uint32_t i = 0; i < count; i++) {
		struct item item = array_at(e, items, i);
		uint64_t hash = item_hash(e, item);
		uint32_t at = (uint32_t)(hash >> 7) & (size - 1);
		spend(e, 1);
		while (slots[at] &&
		       !(hashes[slots[at] - 1] == hash && items_equal(e, result->items[slots[at] - 1], item)))
			at = (at + 1) & (size - 1);
		if (slots[at])
			continue;
		hashes[result->count] = hash;
		array_add(e, result, item);
		slots[at] = result->count;
	}
	return item_array(result);
}

/* ---- sorting ---------------------------------------------------------------------------- */

struct sorting {
	struct evaluation *e;
	struct item *items;
	struct item comparator;
	struct frame *frame;
};

static bool number_after(void *data, uint32_t a, uint32_t b)
{
	const struct item *items = ((struct sorting *)data)->items;
	return items[a].number > items[b].number;
}

static bool string_after(void *data, uint32_t a, uint32_t b)
{
	const struct item *items = ((struct sorting *)data)->items;
	return utf16_compare(item_str(items[a]), item_str(items[b])) > 0;
}

/* JavaScript's idea of truth, not the language's: an empty array is true. */
static bool script_truth(struct item item)
{
	switch ((enum item_kind)item.kind) {
	case ITEM_NOTHING:
	case ITEM_NULL:
		return false;
	case ITEM_BOOLEAN:
		return item.boolean;
	case ITEM_NUMBER:
		return item.number != 0 && !isnan(item.number);
	case ITEM_STRING:
		return item.len > 0;
	case ITEM_ARRAY:
	case ITEM_OBJECT:
	case ITEM_VALUE_ARRAY:
	case ITEM_VALUE_OBJECT:
	case ITEM_FUNCTION:
	case ITEM_TUPLE:
		break;
	}
	return true;
}

static bool comparator_after(void *data, uint32_t a, uint32_t b)
{
	struct sorting *s = data;
	struct item arguments[2] = { s->items[a], s->items[b] };
	s->e->depth++;
	bool after = script_truth(apply(s->e, s->comparator, arguments, 2, item_null(), s->frame));
	s->e->depth--;
	return after;
}

NATIVE(native_sort)
{
	uint32_t count = array_count(ARG(0));
	if (count <= 1)
		return ARG(0);
	struct sorting s = {
		.e = e, .items = EV_ARRAY(e, struct item, count), .comparator = ARG(1), .frame = call->frame
	};
	uint32_t *order = EV_ARRAY(e, uint32_t, count), numbers = 0, strings = 0;
	spend(e, count / 8);
	for (uint32_t i = 0; i < count; i++) {
		s.items[i] = array_at(e, ARG(0), i);
		order[i] = i;
		numbers += s.items[i].kind == ITEM_NUMBER && !isnan(s.items[i].number);
		strings += s.items[i].kind == ITEM_STRING;
	}
	if (ARG(1).kind == ITEM_FUNCTION)
		merge_sort(e, order, count, comparator_after, &s);
	else if (numbers == count)
		merge_sort(e, order, count, number_after, &s);
	else if (strings == count)
		merge_sort(e, order, count, string_after, &s);
	else
		THROW(e, .code = JSONATA_D3070);
	struct array *sorted = array_new(e, count, 0);
	for (uint32_t i = 0; i < count; i++)
		array_add(e, sorted, s.items[order[i]]);
	return item_array(sorted);
}
