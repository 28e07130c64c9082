/* look.c: looking into values: kinds, scalars, children. */
#include "value/node.h"
#include <math.h>

const char *value_kind_name(enum value_kind kind)
{
	static const char *const names[] = { "null", "boolean", "number", "string", "array", "object" };
	return names[kind];
}

enum value_kind value_kind(const struct value *value)
{
	return (enum value_kind)value->kind;
}

bool value_bool(const struct value *value)
{
	ready(value);
	return value->kind == VALUE_BOOL && node_text(value).ptr[0] == 't';
}

double value_number(const struct value *value)
{
	ready(value);
	if (value->kind != VALUE_NUMBER)
		return 0;
	if (value->flags & NODE_INTEGER)
		return (double)value->integer;
	if (!is_built(value) && !(value->flags & NODE_CONVERTED)) {
		struct value *node = (struct value *)value;
		node->number = number_from_token(node_text(value));
		node->flags |= NODE_CONVERTED;
	}
	return value->number;
}

struct str value_number_text(const struct value *value)
{
	ready(value);
	return value->kind == VALUE_NUMBER ? value_text(value) : STR_EMPTY;
}

bool value_int64(const struct value *value, int64_t *ret_number)
{
	ready(value);
	if (value->kind != VALUE_NUMBER)
		return false;
	if (value->flags & NODE_INTEGER) {
		*ret_number = value->integer;
		return true;
	}
	/* Up to 2^53 a double's text has the same digits as the number; beyond, the text counts. */
	if (is_built(value) && !value->owner->text && fabs(value->number) <= 0x1p53) {
		if (value->number != trunc(value->number))
			return false;
		*ret_number = (int64_t)value->number;
		return true;
	}
	return number_token_to_int64(value_text(value), ret_number);
}

/* ---- children ---------------------------------------------------------------------------- */

size_t value_count(const struct value *value)
{
	ready(value);
	return is_container(value) ? value->count : 0;
}

const struct value *value_at(const struct value *value, size_t index)
{
	return index < value_count(value) ? child_at(value, index) : NULL;
}

struct str value_key_at(const struct value *value, size_t index)
{
	return index < value_count(value) && value->kind == VALUE_OBJECT ? value->children->keys[index] : STR_EMPTY;
}

ptrdiff_t value_index_of(const struct value *object, struct str key)
{
	ready(object);
	if (object->kind != VALUE_OBJECT)
		return -1;
	const struct children *children = object->children;
	if (object->count >= INDEX_FROM && !children->index)
		built_make_index((struct value *)object);
	if (children->index)
		return index_find(children->index, children->keys, key);
	for (size_t i = 0; i < object->count; i++)
		if (str_eq(children->keys[i], key))
			return (ptrdiff_t)i;
	return -1;
}

const struct value *value_get(const struct value *object, struct str key)
{
	ptrdiff_t index = value_index_of(object, key);
	return index < 0 ? NULL : child_at(object, (size_t)index);
}

const struct value *value_getz(const struct value *object, const char *key)
{
	return value_get(object, str_of(key));
}
