/* value.h: JSON documents as immutable, reference-counted values.
 *
 * A `struct value` is one JSON value. Text and tree are two faces of it, each made when it is
 * first asked for: a payload that nobody looks into is never parsed, one that passes through
 * unchanged is never printed again, and number tokens and untouched subtrees keep their exact text (0.1, 1E6, 2^64 and 1.0 stay so).
 *
 * Ownership. Functions borrow what you pass them; what they return as `struct value *` with a
 * `ret_`, `_new`, `_from`, `_parse`, `_ref` or `_with` in its name is yours (value_unref it); what they
 * return as `const struct value *` (value_at, value_get, …) is borrowed from its parent and lives as
 * long as the parent does. value_ref() on a borrowed child keeps it alive by itself (it may keep its whole document in memory).
 *
 * Threads. A value belongs to the thread that made it (plain counters, cached faces). To hand
 * a document to another thread, hand over its text.
 *
 * Strings are UTF-8. A lone surrogate escape (\ud800) is kept as its three-byte WTF-8 form and printed as an escape
 * again; nothing else outside UTF-8 is ever accepted. Strings may contain NUL.
 *
 * Objects keep the order of their keys. A key that stands twice in a text keeps its first place and its last value; value_parse can be told to refuse it. */
#pragma once
#include "base/arena.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/str.h"
#include <stdbool.h>
#include <stdint.h>

struct value;

enum value_kind { VALUE_NULL, VALUE_BOOL, VALUE_NUMBER, VALUE_STRING, VALUE_ARRAY, VALUE_OBJECT };

/* "null", "boolean", "number", "string", "array", "object". */
const char *value_kind_name(enum value_kind kind);

/* ---- reading ---------------------------------------------------------------------------- */

struct value_parse_options {
	int depth_max; /* 0: 512; at most 4096 */
	bool refuse_duplicate_keys;
};

/* Validates (RFC 8259, one pass) and compacts; keeps a copy of the compact text; builds no tree yet. White space around the
 * document is allowed, anything else after it is not. `options` may be NULL.
 * Fails with ERR(INVALID); err->message says what was found and expected, err->where is "line 3, column 7". */
int value_parse(struct str text, const struct value_parse_options *options, struct value **ret_value, struct wf_error *err);

/* The same for text that value_text() printed earlier and our own store kept: not validated again (asserted lazily when the tree is built:
 * a damaged text gives a null value and value_damaged() true). Nested at most 4,096 deep. Copies. value_damaged looks. */
struct value *value_from_trusted_text(struct str text);
bool value_damaged(const struct value *value);

/* ---- looking ---------------------------------------------------------------------------- */

enum value_kind value_kind(const struct value *value);
static inline bool value_is(const struct value *value, enum value_kind kind) { return value_kind(value) == kind; }

bool value_bool(const struct value *value); /* false unless it is true */
/* The nearest double; 0 if it is no number. Out-of-range tokens give ±infinity. */
double value_number(const struct value *value);
/* True if the number is an integer that fits (1, -7, 1.0 and 1e3 are; 1.5 and 1e30 are not). */
bool value_int64(const struct value *value, int64_t *ret_number);
/* The number's token as it stood in the text or as the writer prints it; borrowed. */
struct str value_number_text(const struct value *value);
/* The decoded string; empty if it is none. Borrowed; valid as long as the value. */
struct str value_string(const struct value *value);
/* Elements of an array, members of an object, else 0. */
size_t value_count(const struct value *value);
const struct value *value_at(const struct value *value, size_t index); /* array element or object member's value; NULL if out of range */
struct str value_key_at(const struct value *value, size_t index); /* object member's key */
const struct value *value_get(const struct value *object, struct str key); /* NULL if absent or no object */
const struct value *value_getz(const struct value *object, const char *key);
/* Index of a key, or -1. */
ptrdiff_t value_index_of(const struct value *object, struct str key);

/* Deep equality: objects regardless of order, numbers by value (1 equals 1.0; exact, however many digits). Takes time in
 * proportion to the shorter text: see value_text_len on values that share items. */
bool value_equal(const struct value *a, const struct value *b);

/* ---- text ------------------------------------------------------------------------------- */

/* Compact JSON text; made at the first call, then cached; borrowed, as long-lived as the value. */
struct str value_text(const struct value *value);
/* Its length in bytes (value_text(value).len), without making the text: counted once per value, so that it is cheap even where
 * built values share items and the text would not fit into memory (it stops at SIZE_MAX). Whoever lets outside input build values asks
 * before he asks for the text. */
size_t value_text_len(const struct value *value);
/* Appends the compact text. */
void value_write(const struct value *value, struct buffer *buffer);
/* Appends it indented by two spaces a level, for people. */
void value_write_pretty(const struct value *value, struct buffer *buffer);
/* Appends a string as a JSON string token, quotes included (control characters, quote and backslash escaped, the rest as it is). */
void value_write_string(struct str text, struct buffer *buffer);
/* Appends the shortest text that reads back as the same double: integers up to 2^53 without exponent or ".0";
 * else like JavaScript's Number.prototype.toString (-0: "0"). NaN and infinities: "null". */
void value_write_double(double number, struct buffer *buffer);

/* ---- making ----------------------------------------------------------------------------- */

struct value *value_ref(const struct value *value);
void value_unref(const struct value *value); /* takes NULL */
void value_unrefp(struct value **value); /* for _cleanup_(value_unrefp) */

struct value *value_new_null(void);
struct value *value_new_bool(bool boolean);
struct value *value_from_int(int64_t number);
struct value *value_from_double(double number); /* must be finite */
/* A number with exactly this token, which must be a valid JSON number (asserted). */
struct value *value_from_number_text(struct str token);
/* Bytes that are not UTF-8 are replaced by U+FFFD each; lone surrogates in their three-byte form are kept, two that make a pair are
 * joined. The same for keys. */
struct value *value_from_string(struct str text);

/* Builders. A new array or object may be filled as long as nobody else holds it (asserted: one reference, text not yet made).
 * `_take` variants take over the caller's reference of `item`. */
struct value *value_new_array(size_t expected);
void value_array_add(struct value *array, const struct value *item);
void value_array_take(struct value *array, struct value *item);
struct value *value_new_object(size_t expected);
void value_object_set(struct value *object, struct str key, const struct value *item); /* replaces a key that is there, in its place */
void value_object_take(struct value *object, struct str key, struct value *item);
void value_object_setz(struct value *object, const char *key, const char *text); /* a string member */

/* ---- path-sharing edits ----------------------------------------------------------------- */

/* One step of a path: a key (index < 0), or an index into an array. */
struct value_step {
	struct str key;
	int64_t index;
};

/* A copy of `value` in which what stands at `steps` is `item`; everything off the path is shared.
 * Missing objects on the way are made; a non-object in the way of a key step is replaced by an object; an index step needs an
 * array that has the index (index == count appends), else NULL is returned. count 0 returns a new reference to `item`. */
struct value *value_with(const struct value *value, const struct value_step *steps, size_t count, const struct value *item);

/* Nesting: 0 for a scalar, 1 for [] or {} or [1]; 65,535 means that or more. Counted once per value, without a stack, like
 * value_text_len. A key that stands twice counts both times. */
int value_depth(const struct value *value);
