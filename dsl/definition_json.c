/* definition_json.c: the reader of definition_json.h.
 *
 * One loop and no recursion: `open` is the innermost container that is not closed yet, and the tree's own parent
 * links are the stack. Repeated keys are found per object when it is closed: by comparing in small objects, by a
 * hash table in large ones, so that a hostile text costs no more than its length. */
#include "dsl/definition_json.h"
#include "base/map.h"
#include "base/mem.h"
#include <stdio.h>

struct djson_reader {
	struct str text;
	size_t at;
	int64_t depth, depth_max;
	struct arena *arena;
	uint32_t duplicates;
	struct djson_problem *problem;
};

static bool fail(struct djson_reader *r, size_t offset, size_t length, struct str message, struct str expected)
{
	*r->problem =
	    (struct djson_problem){ .message = message, .expected = expected, .offset = offset, .length = length };
	return false;
}

static int peek(const struct djson_reader *r)
{
	return r->at < r->text.len ? (unsigned char)r->text.ptr[r->at] : -1;
}

static void skip_space(struct djson_reader *r)
{
	while (r->at < r->text.len && strchr(" \t\r\n", r->text.ptr[r->at]) && r->text.ptr[r->at])
		r->at++;
}

/* "Unexpected character ('x' (code 120)): was expecting …", the words that AWS's own reader uses. */
static bool fail_unexpected(struct djson_reader *r, const char *expected)
{
	int c = peek(r);
	if (c < 0)
		return fail(r, r->text.len, 0,
			    arena_format(r->arena, "Unexpected end-of-input: was expecting %s", expected),
			    str_of(expected));
	struct str message =
	    c >= 0x20 && c < 0x7f
		? arena_format(r->arena, "Unexpected character ('%c' (code %d)): was expecting %s", c, c, expected)
		: arena_format(r->arena, "Unexpected character (code %d): was expecting %s", c, expected);
	return fail(r, r->at, 1, message, str_of(expected));
}

/* Four hexadecimal digits at `at`, or -1. */
static int hex4(struct str text, size_t at)
{
	if (at + 4 > text.len)
		return -1;
	int code = 0;
	for (size_t i = 0; i < 4; i++) {
		int digit = hex_digit(text.ptr[at + i]);
		if (digit < 0)
			return -1;
		code = code * 16 + digit;
	}
	return code;
}

static size_t put_utf8(char *out, uint32_t code)
{
	if (code < 0x80) {
		out[0] = (char)code;
		return 1;
	}
	if (code < 0x800) {
		out[0] = (char)(0xc0 | code >> 6);
		out[1] = (char)(0x80 | (code & 0x3f));
		return 2;
	}
	if (code < 0x10000) {
		out[0] = (char)(0xe0 | code >> 12);
		out[1] = (char)(0x80 | (code >> 6 & 0x3f));
		out[2] = (char)(0x80 | (code & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | code >> 18);
	out[1] = (char)(0x80 | (code >> 12 & 0x3f));
	out[2] = (char)(0x80 | (code >> 6 & 0x3f));
	out[3] = (char)(0x80 | (code & 0x3f));
	return 4;
}

/* Decodes the escape whose backslash stands at `at`: writes its UTF-8, returns how many bytes of source it takes, 0 if
 * it is none. */
static size_t decode_escape(struct str text, size_t at, char out[4], size_t *ret_written)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	if (at + 1 >= text.len)
		return 0;
	char c = text.ptr[at + 1];
	const char *simple = c ? strchr(from, c) : NULL;
	if (simple) {
		out[0] = to[simple - from];
		*ret_written = 1;
		return 2;
	}
	int code = c == 'u' ? hex4(text, at + 2) : -1;
	if (code < 0)
		return 0;
	if (code >= 0xd800 && code < 0xdc00 && at + 7 < text.len && text.ptr[at + 6] == '\\' &&
	    text.ptr[at + 7] == 'u') {
		int low = hex4(text, at + 8);
		if (low >= 0xdc00 && low < 0xe000) {
			*ret_written =
			    put_utf8(out, 0x10000 + ((uint32_t)(code - 0xd800) << 10) + (uint32_t)(low - 0xdc00));
			return 12;
		}
	}
	*ret_written = put_utf8(out, (uint32_t)code);
	return 6;
}

/* Length of the well-formed UTF-8 character at `at`, 0 if it is none. */
static size_t utf8_length(struct str text, size_t at)
{
	unsigned char c = (unsigned char)text.ptr[at];
	size_t length = c < 0x80                ? 1
			: c >= 0xc2 && c < 0xe0 ? 2
			: c >= 0xe0 && c < 0xf0 ? 3
			: c >= 0xf0 && c < 0xf5 ? 4
						: 0;
	if (!length || at + length > text.len)
		return 0;
	for (size_t i = 1; i < length; i++)
		if (((unsigned char)text.ptr[at + i] & 0xc0) != 0x80)
			return 0;
	unsigned char second = length > 1 ? (unsigned char)text.ptr[at + 1] : 0;
	if ((c == 0xe0 && second < 0xa0) || (c == 0xed && second >= 0xa0) || (c == 0xf0 && second < 0x90) ||
	    (c == 0xf4 && second >= 0x90))
		return 0;
	return length;
}

/* Reads the string token at the cursor. */
static bool read_string(struct djson_reader *r, struct str *ret_text, bool *ret_escaped)
{
	size_t start = r->at++;
	bool escaped = false;
	for (;;) {
		int c = peek(r);
		if (c < 0)
			return fail(r, start, r->text.len - start,
				    STR("Unexpected end-of-input: was expecting closing quote for a string value"),
				    STR("a closing quote"));
		if (c == '"')
			break;
		if (c < 0x20)
			return fail(r, r->at, 1,
				    arena_format(r->arena,
						 "Illegal unquoted character ((CTRL-CHAR, code %d)): has to be escaped "
						 "using backslash to be included in string value",
						 c),
				    STR("an escape such as \\n"));
		char ignored[4];
		size_t written,
		    length = c == '\\' ? decode_escape(r->text, r->at, ignored, &written) : utf8_length(r->text, r->at);
		if (!length && c == '\\')
			return fail(r, r->at, r->at + 1 < r->text.len ? 2 : 1, STR("Unrecognized character escape"),
				    STR("\\\" \\\\ \\/ \\b \\f \\n \\r \\t or \\u and four hexadecimal digits"));
		if (!length)
			return fail(r, r->at, 1, arena_format(r->arena, "Invalid UTF-8 byte 0x%02x", c),
				    STR("UTF-8 text"));
		escaped |= c == '\\';
		r->at += length;
	}
	struct str raw = str_sub(r->text, start + 1, r->at - start - 1);
	r->at++;
	*ret_escaped = escaped;
	if (!escaped) {
		*ret_text = raw;
		return true;
	}
	char *out = arena_alloc(r->arena, raw.len + 4);
	size_t len = 0;
	for (size_t i = 0; i < raw.len;) {
		if (raw.ptr[i] != '\\') {
			out[len++] = raw.ptr[i++];
			continue;
		}
		size_t written = 0;
		i += decode_escape(raw, i, out + len, &written);
		len += written;
	}
	*ret_text = (struct str){ out, len };
	return true;
}

static void skip_digits(struct djson_reader *r)
{
	while (peek(r) >= '0' && peek(r) <= '9')
		r->at++;
}

static bool read_digits(struct djson_reader *r)
{
	if (peek(r) < '0' || peek(r) > '9')
		return fail_unexpected(r, "digit (0-9) of a number");
	skip_digits(r);
	return true;
}

static bool read_number(struct djson_reader *r)
{
	if (peek(r) == '-')
		r->at++;
	if (peek(r) == '0')
		r->at++;
	else if (!read_digits(r))
		return false;
	if (peek(r) >= '0' && peek(r) <= '9')
		return fail(r, r->at - 1, 1, STR("Invalid numeric value: Leading zeroes not allowed"),
			    STR("a number without leading zeroes"));
	if (peek(r) == '.') {
		r->at++;
		if (!read_digits(r))
			return false;
	}
	if (peek(r) == 'e' || peek(r) == 'E') {
		r->at++;
		if (peek(r) == '+' || peek(r) == '-')
			r->at++;
		if (!read_digits(r))
			return false;
	}
	return true;
}

static bool read_word(struct djson_reader *r, struct djson *node)
{
	static const struct {
		const char *word;
		enum value_kind kind;
		bool boolean;
	} words[] = { { "true", VALUE_BOOL, true }, { "false", VALUE_BOOL, false }, { "null", VALUE_NULL, false } };
	size_t end = r->at;
	while (end < r->text.len &&
	       (hex_digit(r->text.ptr[end]) >= 0 ||
		((r->text.ptr[end] | 0x20) >= 'a' && (r->text.ptr[end] | 0x20) <= 'z') || r->text.ptr[end] == '_'))
		end++;
	struct str word = str_sub(r->text, r->at, end - r->at);
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (str_eqz(word, words[i].word)) {
			node->kind = words[i].kind;
			node->boolean = words[i].boolean;
			r->at = end;
			return true;
		}
	if (!word.len)
		return fail_unexpected(
		    r, "a valid value (JSON String, Number, Array, Object or token 'null', 'true' or 'false')");
	struct str shown = str_sub(word, 0, 60);
	return fail(r, r->at, word.len,
		    arena_format(r->arena,
				 "Unrecognized token '%.*s': was expecting (JSON String, Number, Array, Object or "
				 "token 'null', 'true' or 'false')",
				 STR_FMT(shown)),
		    STR("a JSON value"));
}

static void find_duplicates(struct djson_reader *r, struct djson *object)
{
	if (object->count <= 8) {
		for (struct djson *a = object->first; a; a = a->next)
			for (struct djson *b = object->first; b != a && !a->duplicate; b = b->next)
				a->duplicate = str_eq(a->key, b->key);
	} else {
		_cleanup_(str_map_done) struct str_map seen = { 0 };
		for (struct djson *a = object->first; a; a = a->next)
			if (str_map_get(&seen, a->key))
				a->duplicate = true;
			else
				str_map_put(&seen, a->key, a);
	}
	for (struct djson *a = object->first; a; a = a->next)
		r->duplicates += a->duplicate;
}

/* A new child of `open` (NULL: the root). */
static struct djson *add_node(struct djson_reader *r, struct djson *open)
{
	struct djson *node = ARENA_NEW(r->arena, struct djson);
	node->parent = open;
	if (!open)
		return node;
	node->index = open->count++;
	if (open->last)
		open->last->next = node;
	else
		open->first = node;
	open->last = node;
	return node;
}

/* Makes the child that comes next in `open`: a member with its key and colon, or an element. */
static struct djson *next_child(struct djson_reader *r, struct djson *open)
{
	struct djson *node = add_node(r, open);
	skip_space(r);
	if (open && open->kind == VALUE_OBJECT) {
		if (peek(r) != '"')
			return fail_unexpected(r, "double-quote to start field name"), NULL;
		node->key_offset = r->at;
		bool escaped;
		if (!read_string(r, &node->key, &escaped))
			return NULL;
		node->key_length = r->at - node->key_offset;
		skip_space(r);
		if (peek(r) != ':')
			return fail_unexpected(r, "a colon to separate field name and value"), NULL;
		r->at++;
		skip_space(r);
	}
	node->offset = r->at;
	return node;
}

static bool read_scalar(struct djson_reader *r, struct djson *node)
{
	int c = peek(r);
	bool ok;
	if (c == '"') {
		node->kind = VALUE_STRING;
		ok = read_string(r, &node->text, &node->escaped);
	} else if (c == '-' || (c >= '0' && c <= '9')) {
		node->kind = VALUE_NUMBER;
		ok = read_number(r);
		node->text = str_sub(r->text, node->offset, r->at - node->offset);
	} else {
		ok = read_word(r, node);
	}
	node->length = r->at - node->offset;
	return ok;
}

/* Closes what ends here. True: another child of *open follows, or *open is NULL and the document has ended. */
static bool after_value(struct djson_reader *r, struct djson **open)
{
	for (;;) {
		struct djson *o = *open;
		skip_space(r);
		if (!o)
			return r->at == r->text.len || fail_unexpected(r, "the end of the definition");
		int c = peek(r);
		if (c == ',') {
			r->at++;
			return true;
		}
		if (c != (o->kind == VALUE_OBJECT ? '}' : ']'))
			return fail_unexpected(r, o->kind == VALUE_OBJECT ? "comma to separate Object entries"
									  : "comma to separate Array entries");
		r->at++;
		o->length = r->at - o->offset;
		if (o->kind == VALUE_OBJECT)
			find_duplicates(r, o);
		r->depth--;
		*open = o->parent;
	}
}

struct djson *djson_read(struct str text, int64_t depth_max, struct arena *arena, uint32_t *ret_duplicates,
			 struct djson_problem *ret_problem)
{
	struct djson_reader r = { .text = text, .depth_max = depth_max, .arena = arena, .problem = ret_problem };
	struct djson *open = NULL, *root = NULL;
	do {
		struct djson *node = next_child(&r, open);
		if (!node)
			return NULL;
		if (!root)
			root = node;
		int c = peek(&r);
		if (c == '{' || c == '[') {
			node->kind = c == '{' ? VALUE_OBJECT : VALUE_ARRAY;
			if (++r.depth > depth_max)
				return fail(&r, r.at, 1,
					    arena_format(arena, "The definition is nested deeper than %lld levels",
							 (long long)depth_max),
					    STR("less nesting")),
				       NULL;
			open = node;
			r.at++;
			skip_space(&r);
			if (peek(&r) != (c == '{' ? '}' : ']'))
				continue;
		} else if (!read_scalar(&r, node)) {
			return NULL;
		}
		if (!after_value(&r, &open))
			return NULL;
	} while (open);
	*ret_duplicates = r.duplicates;
	return root;
}

const struct djson *djson_get(const struct djson *object, struct str key)
{
	if (!object || object->kind != VALUE_OBJECT)
		return NULL;
	for (const struct djson *member = object->first; member; member = member->next)
		if (str_eq(member->key, key))
			return member;
	return NULL;
}

const struct djson *djson_walk(const struct djson *node, const struct djson *root)
{
	if (node->first)
		return node->first;
	while (node != root && !node->next)
		node = node->parent;
	return node == root ? NULL : node->next;
}

struct str djson_pointer(const struct djson *node, struct arena *arena)
{
	size_t length = 0;
	for (const struct djson *n = node; n->parent; n = n->parent)
		length += n->parent->kind == VALUE_OBJECT ? n->key.len + 1 : 12;
	if (!length)
		return STR("/");
	char *out = arena_alloc(arena, length + 1), *at = out + length;
	*at = 0;
	for (const struct djson *n = node; n->parent; n = n->parent) {
		char step[16];
		int digits = 0;
		if (n->parent->kind == VALUE_ARRAY)
			digits = snprintf(step, sizeof step, "[%u]", n->index);
		size_t len = n->parent->kind == VALUE_OBJECT ? n->key.len : (size_t)digits;
		at -= len;
		if (len)
			memcpy(at, n->parent->kind == VALUE_OBJECT ? n->key.ptr : step, len);
		if (n->parent->kind == VALUE_OBJECT)
			*--at = '/';
	}
	return (struct str){ at, (size_t)(out + length - at) };
}

/* Whether a pointer's token names this key: "~1" stands for "/", "~0" for "~". */
static bool token_is(struct str token, struct str key)
{
	size_t k = 0;
	for (size_t i = 0; i < token.len; i++, k++) {
		char c = token.ptr[i];
		if (c == '~' && i + 1 < token.len)
			c = token.ptr[++i] == '1' ? '/' : '~';
		if (k >= key.len || key.ptr[k] != c)
			return false;
	}
	return k == key.len;
}

const struct djson *djson_at(const struct djson *node, struct str pointer)
{
	while (pointer.len && pointer.ptr[0] == '/') {
		pointer = str_sub(pointer, 1, pointer.len);
		const char *slash = memchr(pointer.ptr, '/', pointer.len);
		struct str token = str_sub(pointer, 0, slash ? (size_t)(slash - pointer.ptr) : pointer.len);
		pointer = str_sub(pointer, token.len, pointer.len);
		const struct djson *child = node->first;
		for (; child; child = child->next) {
			char digits[16];
			if (node->kind == VALUE_OBJECT
				? token_is(token, child->key)
				: (snprintf(digits, sizeof digits, "%u", child->index), str_eqz(token, digits)))
				break;
		}
		if (!child)
			break;
		node = child;
	}
	return node;
}

size_t djson_text_offset(const struct djson *string, struct str source, size_t at)
{
	size_t offset = string->offset + 1;
	if (!string->escaped)
		return offset + (at < string->text.len ? at : string->text.len);
	size_t end = string->offset + string->length - 1;
	for (size_t decoded = 0; decoded < at && offset < end;) {
		size_t written = 1, length = 1;
		char ignored[4];
		if (source.ptr[offset] == '\\')
			length = decode_escape(source, offset, ignored, &written);
		offset += length;
		decoded += written;
	}
	return offset;
}
