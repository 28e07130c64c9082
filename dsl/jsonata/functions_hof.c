/* functions_hof.c: functions that take functions. */
#include "dsl/jsonata/functions.h"

#define ARG(i) (call->arguments[i])

NATIVE(native_map)
{
	if (is_nothing(ARG(0)))
		return NOTHING;
	uint32_t count = array_count(ARG(0));
	struct array *result = array_new(e, count, ARRAY_SEQUENCE);
	for (uint32_t i = 0; i < count; i++) {
		struct item item = apply_callback(e, ARG(1), array_at(e, ARG(0), i), item_number(i), ARG(0), 3,
						  call->input, call->frame);
		if (!is_nothing(item))
			array_add(e, result, item);
	}
	return item_array(result);
}

NATIVE(native_filter)
{
	if (is_nothing(ARG(0)))
		return NOTHING;
	struct array *result = sequence_new(e);
	for (uint32_t i = 0, n = array_count(ARG(0)); i < n; i++) {
		struct item item = array_at(e, ARG(0), i);
		if (item_truth(e, apply_callback(e, ARG(1), item, item_number(i), ARG(0), 3, call->input, call->frame)))
			array_add(e, result, item);
	}
	return item_array(result);
}

NATIVE(native_single)
{
	if (is_nothing(ARG(0)))
		return NOTHING;
	struct item found = NOTHING;
	bool any = false;
	for (uint32_t i = 0, n = array_count(ARG(0)); i < n; i++) {
		struct item item = array_at(e, ARG(0), i);
		if (!is_nothing(ARG(1)) && !item_truth(e, apply_callback(e, ARG(1), item, item_number(i), ARG(0), 3,
									 call->input, call->frame)))
			continue;
		if (any)
			THROW(e, .code = JSONATA_D3138);
		any = true;
		found = item;
		spend(e, 1);
	}
	if (!any)
		THROW(e, .code = JSONATA_D3139);
	return found;
}

NATIVE(native_reduce)
{
	if (is_nothing(ARG(0)))
		return NOTHING;
	uint32_t arity = ARG(1).kind == ITEM_FUNCTION ? function_arity(ARG(1).function) : 0;
	if (arity < 2)
		THROW(e, .code = JSONATA_D3050);
	uint32_t count = array_count(ARG(0)), i = 0;
	struct item result = ARG(2);
	if (is_nothing(result) && count)
		result = array_at(e, ARG(0), i++);
	for (; i < count; i++) {
		struct item arguments[4] = { result, array_at(e, ARG(0), i), item_number(i), ARG(0) };
		e->depth++;
		result = apply(e, ARG(1), arguments, arity < 4 ? arity : 4, item_null(), call->frame);
		e->depth--;
	}
	return result;
}
