/* tree.c: documents: from text to a root, and, when somebody looks inside, to a tree of nodes.
 *
 * Scanning has counted the values, members and containers, so the tree is one allocation of exactly the right size.
 * Building is one pass: nodes of containers that are still open wait on a stack; when one closes, its nodes (they are
 * on top) are moved to their place in the tree, side by side, and its own node is pushed. */
#include "base/mem.h"
#include "base/utf8.h"
#include "value/bytes.h"
#include "value/scan.h"
#include <assert.h>
#include <stdlib.h>

enum { DEPTH_DEFAULT = 512, DEPTH_TRUSTED = 4096 };

/* ---- from text --------------------------------------------------------------------------- */

/* A document with a copy of `text`; its root is to be set. */
static struct document *document_new(struct str text)
{
	assert(text.len <= UINT32_MAX);
	struct document *document = mem_alloc(sizeof *document + text.len + TEXT_PADDING);
	memset(document, 0, sizeof *document);
	if (text.len)
		memcpy(document->text, text.ptr, text.len);
	memset(document->text + text.len, 0, TEXT_PADDING);
	document->owner = (struct owner){ .refs = 1, .type = OWNER_DOCUMENT };
	return document;
}

/* What a text begins; a number if it is nothing else. */
static enum value_kind kind_of(char first)
{
	switch (first) {
	case '{':
		return VALUE_OBJECT;
	case '[':
		return VALUE_ARRAY;
	case '"':
		return VALUE_STRING;
	case 't':
	case 'f':
		return VALUE_BOOL;
	case 'n':
		return VALUE_NULL;
	default:
		return VALUE_NUMBER;
	}
}

/* Makes the root after the text has settled. */
static void set_root(struct document *document, size_t len)
{
	document->owner.text = document->text;
	document->owner.text_len = len;
	struct value *root = &document->root;
	*root = (struct value){ .owner = &document->owner, .kind = kind_of(document->text[0]), .len = (uint32_t)len };
	root->depth = (uint16_t)document->census.depth;
	if (is_container(root) || document->is_trusted)
		root->flags = NODE_UNBUILT;
	else if (root->kind == VALUE_STRING && memchr(document->text, '\\', len))
		root->flags = NODE_ESCAPED;
}

/* Frees the tail of the block where white space was, if it is worth it. */
static struct document *shrink(struct document *document, size_t before, size_t after)
{
	memset(document->text + after, 0, TEXT_PADDING);
	if (before - after < 64 || before - after < before / 8)
		return document;
	return mem_realloc(document, sizeof *document + after + TEXT_PADDING);
}

/* "line 3, column 7" of an offset; columns count characters. */
static void set_position(struct wf_error *err, struct str text, size_t offset)
{
	if (!err)
		return;
	size_t line = 1, line_start = 0;
	for (size_t i = 0; i < offset; i++)
		if (text.ptr[i] == '\n') {
			line++;
			line_start = i + 1;
		}
	error_where(err, "line %zu, column %zu", line, utf8_count(str_sub(text, line_start, offset - line_start)) + 1);
}

/* Where in a text that is valid the byte stands that has `compact_offset` after compacting. */
static size_t offset_before_compacting(struct str text, size_t compact_offset)
{
	bool in_string = false;
	size_t i = 0;
	for (size_t left = compact_offset;; i++) {
		if (!in_string && is_space(text.ptr[i]))
			continue;
		if (!left--)
			return i;
		if (text.ptr[i] == '"')
			in_string = !in_string;
		else if (text.ptr[i] == '\\') { /* only in strings; what it escapes counts too */
			if (!left--)
				return i + 1;
			i++;
		}
	}
}

static bool build_tree(struct document *document, bool refuse_duplicates, size_t *ret_duplicate);
static struct str key_token(const char *start);

int value_parse(struct str text, const struct value_parse_options *options, struct value **ret_value,
		struct wf_error *err)
{
	int depth_max = options && options->depth_max > 0 ? options->depth_max : DEPTH_DEFAULT;
	if (text.len > UINT32_MAX - TEXT_PADDING)
		return error_set(err, ERR(INVALID), "expected at most 4 GiB of JSON, found %zu bytes", text.len);
	struct document *document = document_new(text);
	struct scan_problem problem;
	size_t len, duplicate;
	if (!scan_json(document->text, text.len, depth_max < DEPTH_TRUSTED ? depth_max : DEPTH_TRUSTED, false, &len,
		       &document->census, &problem)) {
		free(document);
		error_set(err, ERR(INVALID), "%s", problem.message);
		set_position(err, text, problem.offset);
		return ERR(INVALID);
	}
	document = shrink(document, text.len, len);
	set_root(document, len);
	if (options && options->refuse_duplicate_keys && is_container(&document->root) &&
	    !build_tree(document, true, &duplicate)) {
		struct str key = key_token(document->text + duplicate);
		error_set(err, ERR(INVALID), "the key %.*s stands twice in one object", STR_FMT(key));
		set_position(err, text, offset_before_compacting(text, duplicate));
		document_free(document);
		return ERR(INVALID);
	}
	*ret_value = &document->root;
	return 0;
}

/* Text that should be ours but is not JSON: the value is null from now on. */
static void set_damaged(struct document *document)
{
	document->is_damaged = true;
	document->is_trusted = false;
	document->owner.text = "null";
	document->owner.text_len = 4;
	document->root = (struct value){ .owner = &document->owner, .kind = VALUE_NULL, .len = 4 };
}

struct value *value_from_trusted_text(struct str text)
{
	struct document *document = document_new(text);
	document->is_trusted = true;
	set_root(document, text.len);
	if (!text.len)
		set_damaged(document);
	return &document->root;
}

void document_free(struct document *document)
{
	free(document->tree);
	arena_done(&document->extras);
	free(document);
}

/* ---- decoding strings -------------------------------------------------------------------- */

static uint32_t hex4(const char *p)
{
	uint32_t code = 0;
	for (int i = 0; i < 4; i++)
		code = code << 4 | (uint32_t)(is_digit(p[i]) ? p[i] - '0' : (p[i] | 0x20) - 'a' + 10);
	return code;
}

/* The \uXXXX escape at *p, together with a second one if they are a surrogate pair. */
static uint32_t decode_unicode(const char **p, const char *end)
{
	uint32_t code = hex4(*p + 2);
	*p += 6;
	if (code < 0xd800 || code > 0xdbff || end - *p < 6 || (*p)[0] != '\\' || (*p)[1] != 'u')
		return code;
	uint32_t low = hex4(*p + 2);
	if (low < 0xdc00 || low > 0xdfff)
		return code;
	*p += 6;
	return 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
}

/* Decodes what stands between the quotes of a valid token. No escape is shorter than what it stands for. */
static struct str decode(struct arena *arena, struct str inner)
{
	char *to = arena_alloc(arena, inner.len), *start = to;
	const char *p = inner.ptr, *end = p + inner.len;
	while (p < end) {
		const char *escape = memchr(p, '\\', (size_t)(end - p));
		size_t plain = (size_t)((escape ? escape : end) - p);
		memcpy(to, p, plain);
		to += plain;
		p += plain;
		if (!escape)
			break;
		static const char letters[] = "bfnrt", controls[] = "\b\f\n\r\t";
		if (p[1] == 'u') {
			to += utf8_encode(decode_unicode(&p, end), to);
			continue;
		}
		const char *letter = strchr(letters, p[1]);
		*to++ = letter ? controls[letter - letters] : p[1];
		p += 2;
	}
	return (struct str){ start, (size_t)(to - start) };
}

struct str value_string(const struct value *value)
{
	ready(value);
	if (value->kind != VALUE_STRING)
		return STR_EMPTY;
	if (is_built(value))
		return (struct str){ value->bytes, value->bytes_len };
	struct str token = node_text(value), inner = { token.ptr + 1, token.len - 2 };
	if (value->flags & NODE_ESCAPED) {
		struct value *node = (struct value *)value;
		struct str decoded = decode(&document_of(value)->extras, inner);
		node->bytes = decoded.ptr;
		node->count = (uint32_t)decoded.len;
		node->flags ^= NODE_ESCAPED | NODE_DECODED;
	}
	return value->flags & NODE_DECODED ? (struct str){ value->bytes, value->count } : inner;
}

/* ---- building the tree ------------------------------------------------------------------- */

/* A container that is open. */
struct frame {
	const char *start;
	size_t nodes_before, keys_before; /* on the stacks */
	uint16_t depth;                   /* of what is in it, so far */
};

struct builder {
	struct document *document;
	const char *text;
	/* Stacks, each with room for all there can be. */
	struct frame *frames;
	struct value *nodes;
	struct str *keys;
	size_t frames_count, nodes_count, keys_count;
	char *place; /* where the tree goes on */
	bool refuse_duplicates;
	size_t duplicate; /* offset of a key that was refused */
};

/* Returns what follows a string token; *ret_escaped tells whether it has escapes. The text is known to be valid. */
static inline const char *string_end(const char *p, bool *ret_escaped)
{
	bool escaped = false;
	for (p++;; p++) {
		p = string_stop(p);
		if (*p == '"') {
			*ret_escaped = escaped;
			return p + 1;
		}
		if (*p == '\\') {
			escaped = true;
			p++;
		}
	}
}

/* A key as it stands in the text, quotes included; of a long one its beginning. */
static struct str key_token(const char *start)
{
	bool escaped;
	size_t len = (size_t)(string_end(start, &escaped) - start);
	if (len > 200)
		for (len = 200; utf8_is_tail((unsigned char)start[len]); len--)
			;
	return (struct str){ start, len };
}

/* A member's key and colon. */
static inline const char *build_key(struct builder *b, const char *p)
{
	bool escaped;
	const char *end = string_end(p, &escaped);
	struct str key = { p + 1, (size_t)(end - p) - 2 };
	b->keys[b->keys_count++] = escaped ? decode(&b->document->extras, key) : key;
	return end + 1;
}

static inline void push_node(struct builder *b, enum value_kind kind, unsigned flags, const char *start,
			     const char *end)
{
	b->nodes[b->nodes_count++] = (struct value){
		.owner = &b->document->owner,
		.kind = (uint8_t)kind,
		.flags = (uint8_t)flags,
		.offset = (uint32_t)(start - b->text),
		.len = (uint32_t)(end - start),
	};
}

static inline const char *build_scalar(struct builder *b, const char *start)
{
	const char *p = start;
	bool escaped;
	switch (*start) {
	case '"':
		p = string_end(start, &escaped);
		push_node(b, VALUE_STRING, escaped ? NODE_ESCAPED : 0, start, p);
		return p;
	case 't':
		push_node(b, VALUE_BOOL, 0, start, p += 4);
		return p;
	case 'f':
		push_node(b, VALUE_BOOL, 0, start, p += 5);
		return p;
	case 'n':
		push_node(b, VALUE_NULL, 0, start, p += 4);
		return p;
	default:
		while (*p != ',' && *p != ']' && *p != '}' && *p)
			p++;
		push_node(b, VALUE_NUMBER, 0, start, p);
		return p;
	}
}

static void open_container(struct builder *b, const char *start)
{
	b->frames[b->frames_count++] =
	    (struct frame){ .start = start, .nodes_before = b->nodes_count, .keys_before = b->keys_count };
}

static void *place(struct builder *b, const void *bytes, size_t size)
{
	void *to = b->place;
	b->place += size;
	if (size)
		memcpy(to, bytes, size);
	return to;
}

/* An index with room for `count` keys, or NULL if they are too few to need one. */
static struct index *new_index(struct document *document, size_t count)
{
	if (count < INDEX_FROM)
		return NULL;
	struct index *index = arena_alloc(&document->extras, index_bytes(count));
	index_init(index, count);
	return index;
}

/* The position of `key` among the first `count` keys, or -1. */
static ptrdiff_t find_key(const struct index *index, const struct str *keys, size_t count, struct str key)
{
	if (index)
		return index_find(index, keys, key);
	ptrdiff_t at = (ptrdiff_t)count - 1;
	while (at >= 0 && !str_eq(keys[at], key))
		at--;
	return at;
}

/* Whether a key of the object that is about to close stands twice; where its second token is goes to b->duplicate. */
static bool has_duplicate(struct builder *b, const struct frame *frame)
{
	const struct str *keys = b->keys + frame->keys_before;
	const struct value *nodes = b->nodes + frame->nodes_before;
	size_t count = b->keys_count - frame->keys_before;
	struct index *index = new_index(b->document, count);
	for (size_t i = 0; i < count; i++) {
		if (find_key(index, keys, i, keys[i]) >= 0) {
			b->duplicate = nodes[i - 1].offset + nodes[i - 1].len + 1; /* behind a value and a comma */
			return true;
		}
		if (index)
			index_add(index, keys, (uint32_t)i);
	}
	return false;
}

/* `end` is behind the closing bracket. */
static bool close_container(struct builder *b, const char *end)
{
	struct frame frame = b->frames[--b->frames_count];
	size_t count = b->nodes_count - frame.nodes_before, keys = b->keys_count - frame.keys_before;
	if (b->refuse_duplicates && has_duplicate(b, &frame))
		return false;
	struct children *children = place(b, &(struct children){ 0 }, sizeof *children);
	children->nodes = place(b, b->nodes + frame.nodes_before, count * sizeof *b->nodes);
	children->keys = place(b, b->keys + frame.keys_before, keys * sizeof *b->keys);
	b->nodes_count = frame.nodes_before;
	b->keys_count = frame.keys_before;

	enum value_kind kind = *frame.start == '{' ? VALUE_OBJECT : VALUE_ARRAY;
	push_node(b, kind, keys > 1 ? NODE_UNCHECKED : 0, frame.start, end);
	struct value *node = &b->nodes[b->nodes_count - 1];
	node->depth = frame.depth + 1;
	node->count = (uint32_t)count;
	node->children = children;
	if (b->frames_count && b->frames[b->frames_count - 1].depth < node->depth)
		b->frames[b->frames_count - 1].depth = node->depth;
	return true;
}

static bool build_value(struct builder *b, const char *p)
{
	for (;;) {
		/* Here a value begins. */
		if (*p == '{' || *p == '[') {
			char closer = *p == '{' ? '}' : ']';
			open_container(b, p);
			if (*++p != closer) {
				if (closer == '}')
					p = build_key(b, p);
				continue;
			}
			if (!close_container(b, ++p))
				return false;
		} else {
			p = build_scalar(b, p);
		}
		/* Here a value has ended, and maybe containers with it. */
		while (b->frames_count && *p != ',')
			if (!close_container(b, ++p))
				return false;
		if (!b->frames_count)
			return true;
		p++;
		if (*b->frames[b->frames_count - 1].start == '{')
			p = build_key(b, p);
	}
}

/* Makes the tree of a text that was scanned; false only with `refuse_duplicates`. */
static bool build_tree(struct document *document, bool refuse_duplicates, size_t *ret_duplicate)
{
	const struct census *census = &document->census;
	size_t keys_bytes = census->members * sizeof(struct str), nodes_bytes = census->values * sizeof(struct value);
	/* The root waits on the stack like any other node, but ends up in the document. */
	size_t tree_bytes =
	    nodes_bytes - sizeof(struct value) + keys_bytes + census->containers * sizeof(struct children);
	_cleanup_free_ char *stacks =
	    mem_alloc(nodes_bytes + keys_bytes + (size_t)census->depth * sizeof(struct frame));
	document->tree = mem_alloc(tree_bytes);
	struct builder b = {
		.document = document,
		.text = document->text,
		.nodes = (struct value *)stacks,
		.keys = (struct str *)(stacks + nodes_bytes),
		.frames = (struct frame *)(stacks + nodes_bytes + keys_bytes),
		.place = document->tree,
		.refuse_duplicates = refuse_duplicates,
	};
	if (!build_value(&b, document->text)) {
		*ret_duplicate = b.duplicate;
		return false;
	}
	assert(b.nodes_count == 1 && b.keys_count == 0);
	assert(b.place == (char *)document->tree + tree_bytes);
	document->root = b.nodes[0];
	return true;
}

/* ---- getting ready ----------------------------------------------------------------------- */

/* Drops keys that stand twice: the first place, the last value. */
static void check_keys(struct value *object)
{
	struct children *children = object->children;
	size_t count = object->count, kept = 0;
	children->index = new_index(document_of(object), count);
	for (size_t i = 0; i < count; i++) {
		struct str key = children->keys[i];
		ptrdiff_t at = find_key(children->index, children->keys, kept, key);
		if (at >= 0) {
			children->nodes[at] = children->nodes[i];
			continue;
		}
		children->keys[kept] = key;
		children->nodes[kept] = children->nodes[i];
		if (children->index)
			index_add(children->index, children->keys, (uint32_t)kept);
		kept++;
	}
	object->count = (uint32_t)kept;
	object->flags &= (uint8_t)~NODE_UNCHECKED;
}

static void build_document(struct document *document)
{
	if (document->is_trusted) {
		struct scan_problem problem;
		size_t len;
		document->is_trusted = false;
		if (!scan_json(document->text, document->root.len, DEPTH_TRUSTED, true, &len, &document->census,
			       &problem)) {
			set_damaged(document);
			return;
		}
		set_root(document, len);
	}
	if (is_container(&document->root))
		build_tree(document, false, NULL);
}

void value_make_ready(struct value *value)
{
	if (value->flags & NODE_UNBUILT)
		build_document(document_of(value));
	if (value->flags & NODE_UNCHECKED)
		check_keys(value);
}

bool value_damaged(const struct value *value)
{
	if (value->owner->type != OWNER_DOCUMENT)
		return false;
	struct document *document = document_of(value);
	if (document->is_trusted)
		build_document(document);
	return document->is_damaged;
}
