/* functions_object.c: objects. */
#include "dsl/jsonata/functions.h"

#define ARG(i) (call->arguments[i])

static void collect_keys(struct evaluation *e, struct item item, struct object *seen, int depth)
{
	if (depth > 1000)
		throw_limit(e, "The data is nested too deeply");
	uint32_t count = is_array(item) ? array_count(item) : object_count(item);
	spend(e, count);
	for (uint32_t i = 0; i < count; i++) {
		if (is_array(item))
			collect_keys(e, array_at(e, item, i), seen, depth + 1);
		else
			object_set(e, seen, object_key_at(item, i), item_null());
	}
}

NATIVE(native_keys)
{
	struct object *seen = object_new(e, 8);
	collect_keys(e, ARG(0), seen, 0);
	struct array *keys = array_new(e, seen->count, ARRAY_SEQUENCE);
	for (uint32_t i = 0; i < seen->count; i++)
		array_add(e, keys, item_text(seen->keys[i]));
	return item_array(keys);
}

NATIVE(native_lookup)
{
	uint32_t hint = 0;
	return is_nothing(ARG(1)) ? NOTHING : lookup_key(e, ARG(0), item_str(ARG(1)), &hint);
}

/* An object becomes one object per member; arrays are spread item by item; all else stays. */
static void spread_into(struct evaluation *e, struct item item, struct array *result, int depth)
{
	if (depth > 1000)
		throw_limit(e, "The data is nested too deeply");
	if (is_array(item)) {
		for (uint32_t i = 0, n = array_count(item); i < n; i++)
			spread_into(e, array_at(e, item, i), result, depth + 1);
	} else if (is_object(item)) {
		uint32_t count = object_count(item);
		spend(e, count);
		for (uint32_t i = 0; i < count; i++) {
			struct object *member = object_new(e, 1);
			object_set(e, member, object_key_at(item, i), object_item_at(e, item, i));
			array_add(e, result, item_object(member));
		}
	} else if (!is_nothing(item)) {
		array_add(e, result, item);
	}
}

NATIVE(native_spread)
{
	if (!is_array(ARG(0)) && !is_object(ARG(0)))
		return ARG(0);
	struct array *result = sequence_new(e);
	spread_into(e, ARG(0), result, 0);
	if (is_array(ARG(0)) && result->count)
		result->flags = 0; /* appended item by item, it is no sequence any more */
	return item_array(result);
}

NATIVE(native_merge)
{
	if (is_nothing(ARG(0)))
		return NOTHING;
	struct object *merged = object_new(e, 8);
	for (uint32_t i = 0, n = array_count(ARG(0)); i < n; i++) {
		struct item object = array_at(e, ARG(0), i);
		uint32_t count = object_count(object);
		spend(e, count + 1);
		for (uint32_t j = 0; j < count; j++)
			object_set(e, merged, object_key_at(object, j), object_item_at(e, object, j));
	}
	return item_object(merged);
}

NATIVE(native_each)
{
	struct array *result = sequence_new(e);
	for (uint32_t i = 0, n = object_count(ARG(0)); i < n; i++) {
		struct item item =
		    apply_callback(e, ARG(1), object_item_at(e, ARG(0), i), item_text(object_key_at(ARG(0), i)), ARG(0),
				   3, call->input, call->frame);
		if (!is_nothing(item))
			array_add(e, result, item);
	}
	return item_array(result);
}

NATIVE(native_sift)
{
	struct object *result = object_new(e, 4);
	for (uint32_t i = 0, n = object_count(ARG(0)); i < n; i++) {
		struct item item = object_item_at(e, ARG(0), i);
		struct str key = object_key_at(ARG(0), i);
		if (item_truth(e, apply_callback(e, ARG(1), item, item_text(key), ARG(0), 3, call->input, call->frame)))
			object_set(e, result, key, item);
	}
	return result->count ? item_object(result) : NOTHING;
}

NATIVE(native_type)
{
	static const char *const names[] = {
		[ITEM_NOTHING] = "",          [ITEM_NULL] = "null",         [ITEM_BOOLEAN] = "boolean",
		[ITEM_NUMBER] = "number",     [ITEM_STRING] = "string",     [ITEM_ARRAY] = "array",
		[ITEM_OBJECT] = "object",     [ITEM_VALUE_ARRAY] = "array", [ITEM_VALUE_OBJECT] = "object",
		[ITEM_FUNCTION] = "function", [ITEM_TUPLE] = "object",
	};
	return is_nothing(ARG(0)) ? NOTHING : item_text(str_of(names[ARG(0).kind]));
}

NATIVE(native_error)
{
	throw_message(e, JSONATA_D3137,
		      ARG(0).kind == ITEM_STRING && ARG(0).len ? item_str(ARG(0)) : STR("$error() function evaluated"));
}

NATIVE(native_assert)
{
	if (ARG(0).kind == ITEM_BOOLEAN && ARG(0).boolean)
		return NOTHING;
	throw_message(e, JSONATA_D3141,
		      ARG(1).kind == ITEM_STRING && ARG(1).len ? item_str(ARG(1)) : STR("$assert() statement failed"));
}
