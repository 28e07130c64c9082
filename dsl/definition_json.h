/* definition_json.h: JSON text as a tree that remembers where everything stood.
 *
 * Payloads are values (value/value.h) and forget their text; a definition is read once, by people as well, and every
 * complaint about it must name the byte. So it has its own small reader: iterative, depth bounded, RFC 8259 strictly,
 * and not stopped by a duplicate key (the compiler reports those together with everything else).
 *
 * The tree lives in the arena that was given, its raw texts in the source. */
#pragma once
#include "base/arena.h"
#include "value/value.h"

struct djson {
	enum value_kind kind;
	bool boolean;
	bool escaped;                  /* the string's token holds escapes, so its text is no slice of the source */
	bool duplicate;                /* its key stood before in the same object */
	struct str key;                /* decoded; members of objects only */
	size_t key_offset, key_length; /* the key's token, quotes included */
	size_t offset, length;         /* the value's text, quotes and brackets included */
	struct str text;               /* strings: decoded; numbers: the token */
	uint32_t index;                /* its place among its siblings */
	uint32_t count;                /* children */
	struct djson *parent, *first, *last, *next;
};

struct djson_problem {
	struct str message, expected;
	size_t offset, length;
};

/* The root, or NULL and *ret_problem: the first place where the text is no JSON. `ret_duplicates` counts repeated keys.
 */
struct djson *djson_read(struct str text, int64_t depth_max, struct arena *arena, uint32_t *ret_duplicates,
			 struct djson_problem *ret_problem);

/* A member by its key (the first of them); NULL if there is none or `object` is no object. */
const struct djson *djson_get(const struct djson *object, struct str key);

/* The node after `node` in the order of the text (an object before its members), below and including `root`; NULL after
 * the last. */
const struct djson *djson_walk(const struct djson *node, const struct djson *root);

/* Where a node is, as AWS writes it: "/States/A/Choices[0]/Next"; the root is "/". */
struct str djson_pointer(const struct djson *node, struct arena *arena);

/* The node at a JSON pointer (RFC 6901) below `node`; as far as the pointer leads. */
const struct djson *djson_at(const struct djson *node, struct str pointer);

/* Byte offset in the source of byte `at` of a string's decoded text. */
size_t djson_text_offset(const struct djson *string, struct str source, size_t at);
