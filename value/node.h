/* node.h: how a value lies in memory. Private to value/.
 *
 * Every value is a node of 32 bytes that knows its owner; the owner holds the reference count. There are
 * two kinds of owners:
 *
 *   document   made from text. One block of memory holds the compact text, and the root's node. All other nodes, the
 *              tree, are made together in a second block when somebody first looks inside. A node
 *              remembers which slice of the text it is, so that printing it again is a copy.
 *
 *                  owner ─ root ─ text: {"a":[1,"x"]}
 *                            └ children ─ nodes: [a: array]            the second block
 *                                                   └ children ─ nodes: [1][x]
 *
 *   built      made by a builder (value_new_object …): one node with an owner of its own, whose items are references
 *              to any other values. Its text is made when it is asked for.
 *
 * null, true and false that are built are three constants, which nobody counts. */
#pragma once
#include "base/arena.h"
#include "value/value.h"

enum owner_type { OWNER_CONSTANT, OWNER_DOCUMENT, OWNER_BUILT };

struct owner {
	union {
		size_t refs;
		struct owner *next_dead; /* while a group of owners is being freed */
	};
	const char *text; /* compact; built: NULL until it was asked for */
	size_t text_len;  /* built: as soon as NODE_MEASURED says so */
	enum owner_type type;
};

enum node_flag {
	NODE_UNBUILT = 1,    /* a document's root whose tree is not there yet, or whose text is not checked yet */
	NODE_UNCHECKED = 2,  /* an object whose keys were not looked at for duplicates yet */
	NODE_ESCAPED = 4,    /* a string whose token has escapes, and which is not decoded yet */
	NODE_DECODED = 8,    /* a string whose bytes are at `bytes`, not in the text */
	NODE_CONVERTED = 16, /* a document's number that was converted to `number` */
	NODE_INTEGER = 32,   /* a built number that is `integer` */
	NODE_MEASURED = 64,  /* a built value whose text_len is known */
	NODE_FATHOMED = 128, /* a built container whose depth is known */

	NODE_NOT_READY = NODE_UNBUILT | NODE_UNCHECKED,
};

struct index;

/* What an array or object holds. */
struct children {
	union {
		struct value *nodes;  /* of a document */
		struct value **items; /* of a built value */
	};
	struct str *keys;    /* of an object */
	struct index *index; /* of an object with many keys: a document's once it is checked, a built one's once a key
				was sought */
};

struct value {
	struct owner *owner;
	uint8_t kind;   /* enum value_kind */
	uint8_t flags;  /* enum node_flag */
	uint16_t depth; /* UINT16_MAX: that or more */
	uint32_t count; /* elements, members; a document's decoded string: its bytes */
	union {
		struct {
			uint32_t offset, len; /* a document's node: its slice of the owner's text */
		};
		size_t bytes_len; /* a built string */
	};
	union {
		struct children *children;
		const char *bytes;
		double number;
		int64_t integer;
	};
};
_Static_assert(sizeof(struct value) == 32, "a tree's memory is mostly nodes");

/* What scanning a text tells about its tree (scan.h). */
struct census {
	uint32_t values, members, containers;
	int depth;
};

struct document {
	struct owner owner;
	struct value root;
	struct census census;
	bool is_trusted; /* not scanned yet; the census is empty */
	bool is_damaged;
	void *tree;          /* all nodes but the root, their children and keys; NULL until somebody looks */
	struct arena extras; /* decoded strings, indexes */
	char text[];         /* followed by TEXT_PADDING zero bytes */
};

/* Bytes after a text that may be read: scanning looks at 16 at a time and stops at a NUL. */
enum { TEXT_PADDING = 32 };

struct built {
	struct owner owner;
	struct value node;
};

struct built_string {
	struct built built;
	char bytes[];
};

/* Keys of built objects live in chunks, as borrowed keys must stay where they are while others come. */
struct key_chunk {
	struct key_chunk *older;
	size_t size, used;
	char bytes[];
};

struct built_container {
	struct built built;
	struct children children;
	size_t items_capacity, keys_capacity;
	struct key_chunk *chunk;
};

/* Makes a document's tree; checks an object's keys. */
void value_make_ready(struct value *value);

static inline const struct value *ready(const struct value *value)
{
	if (__builtin_expect(value->flags & NODE_NOT_READY, 0))
		value_make_ready((struct value *)value);
	return value;
}

static inline bool is_built(const struct value *value)
{
	return value->owner->type == OWNER_BUILT;
}

static inline bool is_container(const struct value *value)
{
	return value->kind >= VALUE_ARRAY;
}

/* Child `i` of a container that is ready. */
static inline const struct value *child_at(const struct value *value, size_t i)
{
	return is_built(value) ? value->children->items[i] : &value->children->nodes[i];
}

/* Whether its text is there: a document's node, a constant, or a built value that was asked. */
static inline bool has_text(const struct value *value)
{
	return !is_built(value) || value->owner->text;
}

static inline struct str node_text(const struct value *value)
{
	return is_built(value) ? (struct str){ value->owner->text, value->owner->text_len }
			       : (struct str){ value->owner->text + value->offset, value->len };
}

static inline struct document *document_of(const struct value *value)
{
	return (struct document *)value->owner; /* the owner is its first member */
}

static inline struct built_container *container_of_node(struct value *value)
{
	return (struct built_container *)value->owner;
}

/* tree.c */
void document_free(struct document *document);

/* index.c: finding keys. The number of keys is given, as members may be dropped or added behind the index. */
enum { INDEX_FROM = 9 }; /* objects with fewer members are searched from front to back */
ptrdiff_t index_find(const struct index *index, const struct str *keys, struct str key);
size_t index_bytes(size_t count);
void index_init(struct index *index, size_t count);
bool index_is_full(const struct index *index);
/* Adds keys[position], which must not be there yet. */
void index_add(struct index *index, const struct str *keys, uint32_t position);

/* build.c */
void built_make_index(struct value *object);
/* A built array or object with the same items, and room for `more`. */
struct value *value_copy_container(const struct value *value, size_t more);

/* number.c */
double number_from_token(struct str token);
bool number_token_to_int64(struct str token, int64_t *ret_number);
bool number_tokens_equal(struct str a, struct str b);
enum { NUMBER_TEXT_MAX = 32 };
/* Write the token without a NUL; return its length. */
size_t number_write_int(int64_t number, char to[NUMBER_TEXT_MAX]);
size_t number_write_double(double number, char to[NUMBER_TEXT_MAX]);

/* write.c: the length of a string's token. */
size_t string_token_len(struct str text);
