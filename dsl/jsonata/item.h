/* item.h: what expressions work on: JSON values, functions and "nothing", 16 bytes each, passed by value.
 *
 * The input document is not converted. An array or object of it is an item that points at its struct value, looked into
 * when somebody asks; strings point at the document's bytes. What an expression makes itself (struct array, struct
 * object, text) lives in the evaluation's own memory and is dropped with it. Only the final result becomes a struct
 * value again, and parts that are still the document's are shared with it.
 *
 * Sequences. The language distinguishes arrays that are data from sequences, arrays that a path collected: a sequence
 * of one item is that item, one of none is nothing. A sequence is a struct array with ARRAY_SEQUENCE. Private to
 * dsl/jsonata/. */
#pragma once
#include "base/str.h"
#include "value/value.h"
#include <stdint.h>

struct evaluation;
struct function;
struct frame;

enum item_kind {
	ITEM_NOTHING, /* JavaScript's undefined */
	ITEM_NULL,
	ITEM_BOOLEAN,
	ITEM_NUMBER,
	ITEM_STRING,
	ITEM_ARRAY,       /* made here: struct array */
	ITEM_OBJECT,      /* made here: struct object */
	ITEM_VALUE_ARRAY, /* of the input document */
	ITEM_VALUE_OBJECT,
	ITEM_FUNCTION,
	ITEM_TUPLE, /* inside a tuple stream only */
};

struct item {
	uint8_t kind; /* enum item_kind */
	uint32_t len; /* STRING: bytes; NUMBER: 0, or which of the evaluation's exact integers it stands for */
	union {
		double number;
		bool boolean;
		const char *text;
		struct array *array;
		struct object *object;
		const struct value *value;
		struct function *function;
		struct tuple *tuple;
	};
};

enum array_flag {
	ARRAY_SEQUENCE = 1,
	ARRAY_KEEP_SINGLETON = 2, /* a sequence of one stays an array */
	ARRAY_CONS = 4,           /* written as [ … ] at a place where it is not flattened */
	ARRAY_OUTER = 8,          /* the wrapper around an input that is an array */
	ARRAY_TUPLES = 16,        /* its items are tuples */
};

struct array {
	struct item *items;
	uint32_t count, capacity;
	uint32_t flags;
};

/* Members in order; beyond a few, found by hash. */
struct object {
	struct str *keys;
	struct item *items;
	uint32_t count, capacity;
	uint32_t *slots; /* index + 1; NULL while small */
	uint32_t slots_size;
};

/* One item of a tuple stream: the context and what the steps before have bound, newest first. */
struct binding_cell {
	uint32_t name;
	struct item item;
	const struct binding_cell *next;
};
struct tuple {
	struct item context;
	const struct binding_cell *cells;
};

#define NOTHING ((struct item){ .kind = ITEM_NOTHING })

static inline struct item item_number(double number)
{
	return (struct item){ .kind = ITEM_NUMBER, .number = number };
}
static inline struct item item_boolean(bool boolean)
{
	return (struct item){ .kind = ITEM_BOOLEAN, .boolean = boolean };
}
static inline struct item item_null(void)
{
	return (struct item){ .kind = ITEM_NULL };
}
static inline struct item item_text(struct str text)
{
	return (struct item){ .kind = ITEM_STRING, .len = (uint32_t)text.len, .text = text.ptr };
}
static inline struct item item_array(struct array *array)
{
	return (struct item){ .kind = ITEM_ARRAY, .array = array };
}
static inline struct item item_object(struct object *object)
{
	return (struct item){ .kind = ITEM_OBJECT, .object = object };
}
static inline struct item item_function(struct function *function)
{
	return (struct item){ .kind = ITEM_FUNCTION, .function = function };
}
/* Empty for what is no string. */
static inline struct str item_str(struct item item)
{
	return item.kind == ITEM_STRING && item.len ? (struct str){ item.text, item.len } : STR_EMPTY;
}

static inline bool is_nothing(struct item item)
{
	return item.kind == ITEM_NOTHING;
}
static inline bool is_array(struct item item)
{
	return item.kind == ITEM_ARRAY || item.kind == ITEM_VALUE_ARRAY;
}
static inline bool is_object(struct item item)
{
	return item.kind == ITEM_OBJECT || item.kind == ITEM_VALUE_OBJECT;
}
static inline bool is_sequence(struct item item)
{
	return item.kind == ITEM_ARRAY && (item.array->flags & ARRAY_SEQUENCE);
}
static inline bool has_flag(struct item item, enum array_flag flag)
{
	return item.kind == ITEM_ARRAY && (item.array->flags & flag);
}

/* ---- from and to values ----------------------------------------------------------------- */

/* Borrows. In the dialect, integers that a double cannot hold stay exact as long as nobody computes with them. */
struct item item_from_value(struct evaluation *e, const struct value *value);
/* What an item is as a document (a new reference). Functions become "" in an array or object and NULL at the top;
 * nothing is left out. `non_finite_text`: infinities as strings rather than null. NULL for nothing. */
struct value *item_to_value(struct evaluation *e, struct item item, bool non_finite_text);

/* ---- arrays ----------------------------------------------------------------------------- */

struct array *array_new(struct evaluation *e, uint32_t capacity, uint32_t flags);
static inline struct array *sequence_new(struct evaluation *e)
{
	return array_new(e, 0, ARRAY_SEQUENCE);
}
void array_reserve(struct evaluation *e, struct array *array, uint32_t count); /* capacity for `count` in all */
void array_add_slow(struct evaluation *e, struct array *array, struct item item);
static inline void array_add(struct evaluation *e, struct array *array, struct item item)
{
	if (array->count < array->capacity)
		array->items[array->count++] = item;
	else
		array_add_slow(e, array, item);
}
/* All elements of an array item. */
void array_add_all(struct evaluation *e, struct array *array, struct item items);
/* Of arrays 's elements; of anything else 1 (0 for nothing) and itself. */
uint32_t array_count(struct item array);
struct item array_at(struct evaluation *e, struct item array, uint32_t index);
/* $append's way: nothing is left out, single items become arrays. */
struct item items_append(struct evaluation *e, struct item a, struct item b);
/* A sequence of none, one, many → nothing, the item, itself. */
struct item sequence_unwrap(struct item item);

/* ---- objects ---------------------------------------------------------------------------- */

struct object *object_new(struct evaluation *e, uint32_t capacity);
void object_set(struct evaluation *e, struct object *object, struct str key, struct item item);
void object_remove(struct evaluation *e, struct object *object, struct str key);
int64_t object_find(const struct object *object, struct str key); /* index or -1 */
uint32_t object_count(struct item object);
struct str object_key_at(struct item object, uint32_t index);
struct item object_item_at(struct evaluation *e, struct item object, uint32_t index);
struct item object_get(struct evaluation *e, struct item object, struct str key);

/* ---- comparing -------------------------------------------------------------------------- */

bool items_equal(struct evaluation *e, struct item a, struct item b);
uint64_t item_hash(struct evaluation *e, struct item item);
/* JavaScript-like truth as the language defines it. */
bool item_truth(struct evaluation *e, struct item item);
