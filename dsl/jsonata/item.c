/* item.c: arrays, objects, and the way from values to items and back. */
#include "dsl/jsonata/item.h"
#include "dsl/jsonata/evaluation.h"
#include "base/mem.h"
#include <stdlib.h>

enum { NESTING_MAX = 1000 }; /* of data, when something walks all of it */
static const char nested_too_deeply[] = "The data is nested too deeply";

/* ---- values → items --------------------------------------------------------------------- */

static uint32_t keep_exact(struct evaluation *e, const struct value *value)
{
	int64_t number;
	if (!value_int64(value, &number))
		return 0;
	if (e->exact_count + 1 >= e->exact_capacity) {
		uint32_t capacity = e->exact_capacity ? e->exact_capacity * 2 : 16;
		const struct value **exact = EV_ARRAY(e, const struct value *, capacity);
		if (e->exact_count)
			memcpy(exact, e->exact, (e->exact_count + 1) * sizeof *exact);
		e->exact = exact;
		e->exact_capacity = capacity;
	}
	e->exact[++e->exact_count] = value;
	return e->exact_count;
}

struct item item_from_value(struct evaluation *e, const struct value *value)
{
	if (!value)
		return NOTHING;
	switch (value_kind(value)) {
	case VALUE_NULL:
		return item_null();
	case VALUE_BOOL:
		return item_boolean(value_bool(value));
	case VALUE_NUMBER: {
		struct item item = item_number(value_number(value));
		if (e->states && fabs(item.number) >= 9007199254740992.0)
			item.len = keep_exact(e, value);
		return item;
	}
	case VALUE_STRING:
		return item_text(value_string(value));
	case VALUE_ARRAY:
		return (struct item){ .kind = ITEM_VALUE_ARRAY, .value = value };
	case VALUE_OBJECT:
		return (struct item){ .kind = ITEM_VALUE_OBJECT, .value = value };
	}
	return NOTHING;
}

/* ---- items → values --------------------------------------------------------------------- */

/* The States Language's evaluator is Java: whole numbers that a long holds are printed as such, all others as
 * Double.toString does: 0.001 ≤ x < 10^7 in full, with a decimal, the rest as 1.0E25. */
static struct value *states_number(double number)
{
	double size = fabs(number);
	if (size < 9223372036854775808.0 && number == floor(number))
		return value_from_int((int64_t)number);
	if (size >= 1e-3 && size < 1e7)
		return value_from_double(number);
	_cleanup_(buffer_done) struct buffer shortest = { 0 }, text = { 0 };
	value_write_double(size, &shortest);
	char digits[40];
	int count = 0, exponent = 0, point = -1;
	for (size_t i = 0; i < shortest.len; i++) {
		char c = shortest.data[i];
		if (c == 'e' || c == 'E') {
			exponent = atoi(shortest.data + i + 1);
			break;
		}
		if (c == '.')
			point = count;
		else if (count || c != '0')
			digits[count++] = c;
		else if (point >= 0)
			exponent--; /* a zero behind the point, before all digits */
	}
	exponent += (point >= 0 ? point : count) - 1;
	while (count > 1 && digits[count - 1] == '0')
		count--;
	digits[count] = '\0';
	buffer_printf(&text, "%s%c.%sE%d", number < 0 ? "-" : "", digits[0], count > 1 ? digits + 1 : "0", exponent);
	return value_from_number_text(buffer_str(&text));
}

static struct value *number_value(struct evaluation *e, struct item item, bool non_finite_text)
{
	if (item.len)
		return value_ref(e->exact[item.len]);
	if (isfinite(item.number))
		return e->states ? states_number(item.number) : value_from_double(item.number == 0 ? 0 : item.number);
	if (!non_finite_text)
		return value_new_null();
	return value_from_string(isnan(item.number) ? STR("NaN")
				 : item.number > 0  ? STR("Infinity")
						    : STR("-Infinity"));
}

/* Throws, before anything is made, when the result would be too large or too deep: parts that are shared here are
 * written out there, so a small program can stand for a huge document. make_value itself must not throw while it holds
 * references. */
static void check_size(struct evaluation *e, struct item item, int depth, size_t *bytes)
{
	if (depth > NESTING_MAX)
		throw_limit(e, nested_too_deeply);
	*bytes += 48 + (item.kind == ITEM_STRING ? item.len : 0);
	ev_claim(e, *bytes);
	if (item.kind == ITEM_ARRAY) {
		spend(e, item.array->count / 16 + 1);
		for (uint32_t i = 0; i < item.array->count; i++)
			check_size(e, item.array->items[i], depth + 1, bytes);
	} else if (item.kind == ITEM_OBJECT) {
		spend(e, item.object->count / 16 + 1);
		for (uint32_t i = 0; i < item.object->count; i++)
			check_size(e, item.object->items[i], depth + 1, bytes);
	} else if (item.kind == ITEM_TUPLE) {
		check_size(e, item.tuple->context, depth + 1, bytes);
	}
}

static struct value *make_value(struct evaluation *e, struct item item, bool non_finite_text)
{
	struct value *made;
	switch ((enum item_kind)item.kind) {
	case ITEM_NOTHING:
	case ITEM_NULL:
		return value_new_null();
	case ITEM_BOOLEAN:
		return value_new_bool(item.boolean);
	case ITEM_NUMBER:
		return number_value(e, item, non_finite_text);
	case ITEM_STRING:
		return value_from_string(item_str(item));
	case ITEM_VALUE_ARRAY:
	case ITEM_VALUE_OBJECT:
		return value_ref(item.value);
	case ITEM_ARRAY:
		made = value_new_array(item.array->count);
		for (uint32_t i = 0; i < item.array->count; i++)
			value_array_take(made, make_value(e, item.array->items[i], non_finite_text));
		return made;
	case ITEM_OBJECT:
		made = value_new_object(item.object->count);
		for (uint32_t i = 0; i < item.object->count; i++)
			if (!is_nothing(item.object->items[i]))
				value_object_take(made, item.object->keys[i],
						  make_value(e, item.object->items[i], non_finite_text));
		return made;
	case ITEM_FUNCTION:
		return value_from_string(STR_EMPTY);
	case ITEM_TUPLE:
		return make_value(e, item.tuple->context, non_finite_text);
	}
	return NULL;
}

struct value *item_to_value(struct evaluation *e, struct item item, bool non_finite_text)
{
	if (item.kind == ITEM_NOTHING || item.kind == ITEM_FUNCTION)
		return NULL;
	size_t bytes = 0;
	check_size(e, item, 0, &bytes);
	return make_value(e, item, non_finite_text);
}

/* ---- arrays ----------------------------------------------------------------------------- */

struct array *array_new(struct evaluation *e, uint32_t capacity, uint32_t flags)
{
	struct array *array = EV_NEW(e, struct array);
	*array = (struct array){ .flags = flags, .capacity = capacity };
	if (capacity)
		array->items = EV_ARRAY(e, struct item, capacity);
	return array;
}

void array_reserve(struct evaluation *e, struct array *array, uint32_t count)
{
	if (count <= array->capacity)
		return;
	struct item *items = EV_ARRAY(e, struct item, count);
	if (array->count)
		memcpy(items, array->items, array->count * sizeof *items);
	array->items = items;
	array->capacity = count;
}

void array_add_slow(struct evaluation *e, struct array *array, struct item item)
{
	if (array->count >= UINT32_MAX / 4)
		throw_limit(e, "The array is too long");
	array_reserve(e, array, array->capacity ? array->capacity * 2 : 4);
	array->items[array->count++] = item;
}

uint32_t array_count(struct item array)
{
	if (array.kind == ITEM_ARRAY)
		return array.array->count;
	if (array.kind == ITEM_VALUE_ARRAY)
		return (uint32_t)value_count(array.value);
	return array.kind != ITEM_NOTHING;
}

struct item array_at(struct evaluation *e, struct item array, uint32_t index)
{
	if (array.kind == ITEM_ARRAY)
		return index < array.array->count ? array.array->items[index] : NOTHING;
	if (array.kind == ITEM_VALUE_ARRAY)
		return item_from_value(e, value_at(array.value, index));
	return index == 0 ? array : NOTHING;
}

void array_add_all(struct evaluation *e, struct array *array, struct item items)
{
	uint32_t count = array_count(items);
	if (count > array->capacity - array->count) {
		uint32_t needed = array->count + count;
		if (needed < count || needed > UINT32_MAX / 4)
			throw_limit(e, "The array is too long");
		array_reserve(e, array, needed > 2 * array->capacity ? needed : 2 * array->capacity);
	}
	spend(e, count / 8);
	if (items.kind == ITEM_ARRAY) {
		if (count)
			memcpy(array->items + array->count, items.array->items, count * sizeof(struct item));
		array->count += count;
	} else {
		for (uint32_t i = 0; i < count; i++)
			array->items[array->count++] = array_at(e, items, i);
	}
}

struct item items_append(struct evaluation *e, struct item a, struct item b)
{
	if (is_nothing(a))
		return b;
	if (is_nothing(b))
		return a;
	struct array *array = array_new(e, array_count(a) + array_count(b), 0);
	array_add_all(e, array, a);
	array_add_all(e, array, b);
	return item_array(array);
}

struct item sequence_unwrap(struct item item)
{
	if (!is_sequence(item))
		return item;
	struct array *array = item.array;
	if (array->count == 0)
		return NOTHING;
	if (array->count == 1 && !(array->flags & ARRAY_KEEP_SINGLETON))
		return array->items[0];
	return item;
}

/* ---- objects ---------------------------------------------------------------------------- */

enum { OBJECT_SMALL = 8 };

struct object *object_new(struct evaluation *e, uint32_t capacity)
{
	struct object *object = EV_NEW(e, struct object);
	*object = (struct object){ .capacity = capacity };
	if (capacity) {
		object->keys = EV_ARRAY(e, struct str, capacity);
		object->items = EV_ARRAY(e, struct item, capacity);
	}
	return object;
}

static void object_index(struct evaluation *e, struct object *object)
{
	uint32_t size = 32;
	while (size < object->capacity * 2)
		size *= 2;
	object->slots = EV_ARRAY(e, uint32_t, size);
	object->slots_size = size;
	memset(object->slots, 0, size * sizeof *object->slots);
	for (uint32_t i = 0; i < object->count; i++) {
		uint32_t at = (uint32_t)hash_bytes(object->keys[i], 0) & (size - 1);
		while (object->slots[at])
			at = (at + 1) & (size - 1);
		object->slots[at] = i + 1;
	}
}

int64_t object_find(const struct object *object, struct str key)
{
	if (!object->slots) {
		for (uint32_t i = 0; i < object->count; i++)
			if (str_eq(object->keys[i], key))
				return i;
		return -1;
	}
	uint32_t at = (uint32_t)hash_bytes(key, 0) & (object->slots_size - 1);
	for (; object->slots[at]; at = (at + 1) & (object->slots_size - 1))
		if (str_eq(object->keys[object->slots[at] - 1], key))
			return object->slots[at] - 1;
	return -1;
}

void object_set(struct evaluation *e, struct object *object, struct str key, struct item item)
{
	int64_t found = object_find(object, key);
	if (found >= 0) {
		object->items[found] = item;
		return;
	}
	if (object->count == object->capacity) {
		uint32_t capacity = object->capacity ? object->capacity * 2 : 4;
		if (capacity > UINT32_MAX / 8)
			throw_limit(e, "The object has too many members");
		struct str *keys = EV_ARRAY(e, struct str, capacity);
		struct item *items = EV_ARRAY(e, struct item, capacity);
		if (object->count) {
			memcpy(keys, object->keys, object->count * sizeof *keys);
			memcpy(items, object->items, object->count * sizeof *items);
		}
		object->keys = keys;
		object->items = items;
		object->capacity = capacity;
		object->slots = NULL;
	}
	object->keys[object->count] = key;
	object->items[object->count++] = item;
	if (object->slots) {
		uint32_t at = (uint32_t)hash_bytes(key, 0) & (object->slots_size - 1);
		while (object->slots[at])
			at = (at + 1) & (object->slots_size - 1);
		object->slots[at] = object->count;
	} else if (object->count > OBJECT_SMALL) {
		object_index(e, object);
	}
}

void object_remove(struct evaluation *e, struct object *object, struct str key)
{
	int64_t found = object_find(object, key);
	if (found < 0)
		return;
	uint32_t rest = object->count - (uint32_t)found - 1;
	memmove(object->keys + found, object->keys + found + 1, rest * sizeof *object->keys);
	memmove(object->items + found, object->items + found + 1, rest * sizeof *object->items);
	object->count--;
	object->slots = NULL;
	if (object->count > OBJECT_SMALL)
		object_index(e, object);
}

uint32_t object_count(struct item object)
{
	return object.kind == ITEM_OBJECT         ? object.object->count
	       : object.kind == ITEM_VALUE_OBJECT ? (uint32_t)value_count(object.value)
						  : 0;
}

struct str object_key_at(struct item object, uint32_t index)
{
	return object.kind == ITEM_OBJECT ? object.object->keys[index] : value_key_at(object.value, index);
}

struct item object_item_at(struct evaluation *e, struct item object, uint32_t index)
{
	return object.kind == ITEM_OBJECT ? object.object->items[index]
					  : item_from_value(e, value_at(object.value, index));
}

struct item object_get(struct evaluation *e, struct item object, struct str key)
{
	if (object.kind == ITEM_OBJECT) {
		int64_t found = object_find(object.object, key);
		return found < 0 ? NOTHING : object.object->items[found];
	}
	return object.kind == ITEM_VALUE_OBJECT ? item_from_value(e, value_get(object.value, key)) : NOTHING;
}

/* ---- comparing -------------------------------------------------------------------------- */

static bool equal(struct evaluation *e, struct item a, struct item b, int depth);

static bool arrays_equal(struct evaluation *e, struct item a, struct item b, int depth)
{
	uint32_t count = array_count(a);
	if (count != array_count(b))
		return false;
	spend(e, count);
	for (uint32_t i = 0; i < count; i++)
		if (!equal(e, array_at(e, a, i), array_at(e, b, i), depth + 1))
			return false;
	return true;
}

static bool objects_equal(struct evaluation *e, struct item a, struct item b, int depth)
{
	uint32_t count = object_count(a);
	if (count != object_count(b))
		return false;
	spend(e, count);
	for (uint32_t i = 0; i < count; i++) {
		struct item other = object_get(e, b, object_key_at(a, i));
		if (is_nothing(other) || !equal(e, object_item_at(e, a, i), other, depth + 1))
			return false;
	}
	return true;
}

static bool equal(struct evaluation *e, struct item a, struct item b, int depth)
{
	if (depth > NESTING_MAX)
		throw_limit(e, nested_too_deeply);
	if (is_array(a) || is_array(b))
		return is_array(a) && is_array(b) && arrays_equal(e, a, b, depth);
	if (is_object(a) || is_object(b))
		return is_object(a) && is_object(b) && objects_equal(e, a, b, depth);
	if (a.kind != b.kind)
		return false;
	switch ((enum item_kind)a.kind) {
	case ITEM_NOTHING:
	case ITEM_NULL:
		return true;
	case ITEM_BOOLEAN:
		return a.boolean == b.boolean;
	case ITEM_NUMBER:
		return a.number == b.number;
	case ITEM_STRING:
		return str_eq(item_str(a), item_str(b));
	case ITEM_FUNCTION:
		return a.function == b.function;
	case ITEM_TUPLE:
		return a.tuple == b.tuple;
	case ITEM_ARRAY:
	case ITEM_OBJECT:
	case ITEM_VALUE_ARRAY:
	case ITEM_VALUE_OBJECT:
		break;
	}
	return false;
}

bool items_equal(struct evaluation *e, struct item a, struct item b)
{
	return equal(e, a, b, 0);
}

/* Equal items have equal hashes; members of an object count in any order. */
static uint64_t hash(struct evaluation *e, struct item item, int depth)
{
	if (depth > NESTING_MAX)
		throw_limit(e, nested_too_deeply);
	uint64_t sum = is_array(item) ? 11 : is_object(item) ? 13 : item.kind;
	switch ((enum item_kind)item.kind) {
	case ITEM_BOOLEAN:
		return hash_u64(sum * 2 + item.boolean);
	case ITEM_NUMBER: {
		double number = item.number == 0 ? 0 : item.number;
		uint64_t bits;
		memcpy(&bits, &number, sizeof bits);
		return hash_u64(bits);
	}
	case ITEM_STRING:
		return hash_bytes(item_str(item), 1);
	case ITEM_ARRAY:
	case ITEM_VALUE_ARRAY:
		spend(e, array_count(item));
		for (uint32_t i = 0, n = array_count(item); i < n; i++)
			sum = hash_u64(sum + hash(e, array_at(e, item, i), depth + 1));
		return sum;
	case ITEM_OBJECT:
	case ITEM_VALUE_OBJECT:
		spend(e, object_count(item));
		for (uint32_t i = 0, n = object_count(item); i < n; i++)
			sum += hash_u64(hash_bytes(object_key_at(item, i), 2) ^
					hash(e, object_item_at(e, item, i), depth + 1));
		return sum;
	case ITEM_FUNCTION:
		return hash_u64((uint64_t)(uintptr_t)item.function);
	case ITEM_NOTHING:
	case ITEM_NULL:
	case ITEM_TUPLE:
		break;
	}
	return sum;
}

uint64_t item_hash(struct evaluation *e, struct item item)
{
	return hash(e, item, 0);
}

static bool truth(struct evaluation *e, struct item item, int depth)
{
	if (depth > NESTING_MAX)
		throw_limit(e, nested_too_deeply);
	switch ((enum item_kind)item.kind) {
	case ITEM_BOOLEAN:
		return item.boolean;
	case ITEM_NUMBER:
		if (isinf(item.number))
			THROW(e, .code = JSONATA_D1001, .value = item, .has_value = true);
		return item.number != 0 && !isnan(item.number);
	case ITEM_STRING:
		return item.len > 0;
	case ITEM_ARRAY:
	case ITEM_VALUE_ARRAY:
		for (uint32_t i = 0, n = array_count(item); i < n; i++)
			if (truth(e, array_at(e, item, i), depth + 1))
				return true;
		return false;
	case ITEM_OBJECT:
	case ITEM_VALUE_OBJECT:
		return object_count(item) > 0;
	case ITEM_NOTHING:
	case ITEM_NULL:
	case ITEM_FUNCTION:
	case ITEM_TUPLE:
		break;
	}
	return false;
}

bool item_truth(struct evaluation *e, struct item item)
{
	return truth(e, item, 0);
}
