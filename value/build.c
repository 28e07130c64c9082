/* build.c: making values, counting references, freeing.
 *
 * Freeing is a list, not a recursion: a group of owners whose last reference is gone is linked through their unused
 * reference counts, so that a value nested a million levels deep needs no stack. */
#include "base/mem.h"
#include "base/utf8.h"
#include "value/node.h"
#include "value/scan.h"
#include <assert.h>
#include <math.h>
#include <stdlib.h>

/* ---- constants --------------------------------------------------------------------------- */

/* Never counted and never written to, so threads may share them. */
static const struct owner constant_owner = {
	.refs = 1, .text = "nulltruefalse", .text_len = 13, .type = OWNER_CONSTANT
};
#define CONSTANT_OWNER ((struct owner *)&constant_owner)
static const struct value constant_null = { .owner = CONSTANT_OWNER, .kind = VALUE_NULL, .offset = 0, .len = 4 };
static const struct value constant_true = { .owner = CONSTANT_OWNER, .kind = VALUE_BOOL, .offset = 4, .len = 4 };
static const struct value constant_false = { .owner = CONSTANT_OWNER, .kind = VALUE_BOOL, .offset = 8, .len = 5 };

struct value *value_new_null(void)
{
	return (struct value *)&constant_null;
}

struct value *value_new_bool(bool boolean)
{
	return (struct value *)(boolean ? &constant_true : &constant_false);
}

/* ---- references -------------------------------------------------------------------------- */

struct value *value_ref(const struct value *value)
{
	if (value->owner->type != OWNER_CONSTANT)
		value->owner->refs++;
	return (struct value *)value;
}

/* Takes one reference away; an owner that lost its last one goes in front of the dead. */
static void drop(const struct value *value, struct owner **dead)
{
	struct owner *owner = value->owner;
	if (owner->type == OWNER_CONSTANT)
		return;
	assert(owner->refs > 0);
	if (--owner->refs == 0) {
		owner->next_dead = *dead;
		*dead = owner;
	}
}

static void built_free(struct built *built, struct owner **dead)
{
	if (is_container(&built->node)) {
		struct built_container *container = (struct built_container *)built;
		for (size_t i = 0; i < built->node.count; i++)
			drop(container->children.items[i], dead);
		free(container->children.items);
		free(container->children.keys);
		free(container->children.index);
		for (struct key_chunk *chunk = container->chunk, *older; chunk; chunk = older) {
			older = chunk->older;
			free(chunk);
		}
	}
	free((char *)built->owner.text);
	free(built);
}

void value_unref(const struct value *value)
{
	struct owner *dead = NULL;
	if (value)
		drop(value, &dead);
	while (dead) {
		struct owner *owner = dead;
		dead = owner->next_dead;
		if (owner->type == OWNER_DOCUMENT)
			document_free((struct document *)owner);
		else
			built_free((struct built *)owner, &dead);
	}
}

void value_unrefp(struct value **value)
{
	value_unref(*value);
	*value = NULL;
}

/* ---- scalars ----------------------------------------------------------------------------- */

static struct value *built_init(struct built *built, enum value_kind kind)
{
	built->owner = (struct owner){ .refs = 1, .type = OWNER_BUILT };
	built->node = (struct value){ .owner = &built->owner, .kind = (uint8_t)kind };
	return &built->node;
}

struct value *value_from_int(int64_t number)
{
	struct value *value = built_init(mem_alloc(sizeof(struct built)), VALUE_NUMBER);
	value->flags = NODE_INTEGER;
	value->integer = number;
	return value;
}

struct value *value_from_double(double number)
{
	assert(isfinite(number));
	struct value *value = built_init(mem_alloc(sizeof(struct built)), VALUE_NUMBER);
	value->number = number;
	return value;
}

struct value *value_from_number_text(struct str token)
{
	struct value *value = built_init(mem_alloc(sizeof(struct built)), VALUE_NUMBER);
	char *copy = mem_strndup(token.ptr, token.len);
	assert(scan_is_number(copy, token.len));
	value->owner->text = copy;
	value->owner->text_len = token.len;
	value->flags = NODE_MEASURED;
	value->number = number_from_token((struct str){ copy, token.len });
	return value;
}

/* Copies text into memory of three times its size (a byte may become U+FFFD); returns the new length. What is not UTF-8
 * is replaced, lone surrogates are kept, and two halves of a pair that have met become one character. */
static size_t sanitize(struct str text, char *to)
{
	char *start = to;
	for (size_t i = 0; i < text.len;) {
		const char *p = text.ptr + i;
		size_t left = text.len - i, len = utf8_length(p, left);
		if (len) {
			memcpy(to, p, len);
			to += len;
			i += len;
		} else if (!utf8_is_surrogate(p, left)) {
			to += utf8_encode(0xfffd, to);
			i++;
		} else {
			uint32_t code = utf8_decode(p, 3), next = 0;
			if (utf8_is_surrogate(p + 3, left - 3))
				next = utf8_decode(p + 3, 3);
			bool is_pair = code < 0xdc00 && next >= 0xdc00;
			to += utf8_encode(is_pair ? 0x10000 + ((code - 0xd800) << 10) + (next - 0xdc00) : code, to);
			i += is_pair ? 6 : 3;
		}
	}
	return (size_t)(to - start);
}

struct value *value_from_string(struct str text)
{
	bool is_valid = utf8_is_valid(text);
	struct built_string *string = mem_alloc(sizeof *string + (is_valid ? text.len : text.len * 3));
	struct value *value = built_init(&string->built, VALUE_STRING);
	value->bytes = string->bytes;
	value->bytes_len = text.len;
	if (!is_valid)
		value->bytes_len = sanitize(text, string->bytes);
	else if (text.len)
		memcpy(string->bytes, text.ptr, text.len);
	return value;
}

/* ---- containers -------------------------------------------------------------------------- */

static struct built_container *container_new(enum value_kind kind, size_t expected)
{
	struct built_container *container = mem_zalloc(sizeof *container);
	struct value *value = built_init(&container->built, kind);
	value->children = &container->children;
	if (expected) {
		MEM_GROW(container->children.items, container->items_capacity, expected);
		if (kind == VALUE_OBJECT)
			MEM_GROW(container->children.keys, container->keys_capacity, expected);
	}
	return container;
}

struct value *value_new_array(size_t expected)
{
	return &container_new(VALUE_ARRAY, expected)->built.node;
}

struct value *value_new_object(size_t expected)
{
	return &container_new(VALUE_OBJECT, expected)->built.node;
}

static struct built_container *fillable(struct value *value, enum value_kind kind)
{
	assert(is_built(value) && value->kind == kind);
	assert(value->owner->refs == 1 && !(value->flags & (NODE_MEASURED | NODE_FATHOMED)));
	return container_of_node(value);
}

static void add_item(struct built_container *container, struct value *item)
{
	uint32_t count = container->built.node.count;
	assert(count < UINT32_MAX - 1);
	MEM_GROW(container->children.items, container->items_capacity, (size_t)count + 1);
	container->children.items[count] = item;
	container->built.node.count++;
}

void value_array_take(struct value *array, struct value *item)
{
	add_item(fillable(array, VALUE_ARRAY), item);
}

void value_array_add(struct value *array, const struct value *item)
{
	value_array_take(array, value_ref(item));
}

/* Room for `len` bytes that stay where they are as long as the object. */
static char *key_room(struct built_container *object, size_t len)
{
	struct key_chunk *chunk = object->chunk;
	if (!chunk || chunk->size - chunk->used < len) {
		size_t size = !chunk ? 64 : chunk->size < 16384 ? chunk->size * 2 : 16384;
		size = size < len ? len : size;
		chunk = mem_alloc(sizeof *chunk + size);
		*chunk = (struct key_chunk){ .older = object->chunk, .size = size };
		object->chunk = chunk;
	}
	char *room = chunk->bytes + chunk->used;
	chunk->used += len;
	return room;
}

void built_make_index(struct value *value)
{
	struct children *children = value->children;
	children->index = mem_realloc(children->index, index_bytes((size_t)value->count * 2));
	index_init(children->index, (size_t)value->count * 2);
	for (uint32_t i = 0; i < value->count; i++)
		index_add(children->index, children->keys, i);
}

static void add_member(struct built_container *object, struct str key, struct value *item)
{
	struct children *children = &object->children;
	uint32_t position = object->built.node.count;
	char *copy = key_room(object, key.len);
	if (key.len)
		memcpy(copy, key.ptr, key.len);
	MEM_GROW(children->keys, object->keys_capacity, (size_t)position + 1);
	children->keys[position] = (struct str){ copy, key.len };
	add_item(object, item);
	if (children->index && index_is_full(children->index)) {
		free(children->index); /* the next look makes a larger one */
		children->index = NULL;
	} else if (children->index) {
		index_add(children->index, children->keys, position);
	}
}

void value_object_take(struct value *object, struct str key, struct value *item)
{
	struct built_container *container = fillable(object, VALUE_OBJECT);
	_cleanup_free_ char *sanitized = NULL;
	if (!utf8_is_valid(key)) {
		sanitized = mem_alloc(key.len * 3);
		key = (struct str){ sanitized, sanitize(key, sanitized) };
	}
	ptrdiff_t position = value_index_of(object, key);
	if (position < 0) {
		add_member(container, key, item);
	} else {
		value_unref(container->children.items[position]);
		container->children.items[position] = item;
	}
}

void value_object_set(struct value *object, struct str key, const struct value *item)
{
	value_object_take(object, key, value_ref(item));
}

void value_object_setz(struct value *object, const char *key, const char *text)
{
	value_object_take(object, str_of(key), value_from_string(str_of(text)));
}

/* ---- for edits --------------------------------------------------------------------------- */

struct value *value_copy_container(const struct value *value, size_t more)
{
	size_t count = value_count(value);
	struct built_container *copy = container_new(value_kind(value), count + more);
	size_t keys_len = 0;
	if (value->kind == VALUE_OBJECT) {
		for (size_t i = 0; i < count; i++)
			keys_len += value->children->keys[i].len;
		copy->chunk = mem_alloc(sizeof *copy->chunk + keys_len);
		*copy->chunk = (struct key_chunk){ .size = keys_len };
	}
	for (size_t i = 0; i < count; i++) {
		if (value->kind == VALUE_OBJECT) {
			struct str key = value->children->keys[i];
			char *room = key_room(copy, key.len);
			copy->children.keys[i] = (struct str){ memcpy(room, key.ptr, key.len), key.len };
		}
		copy->children.items[i] = value_ref(child_at(value, i));
	}
	copy->built.node.count = (uint32_t)count;
	return &copy->built.node;
}
