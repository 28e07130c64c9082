/* write.c: from values to text.
 *
 * What has a text is copied; only built values are put together. Since they may nest without bound, and share items so
 * that the text is far larger than what is in memory, everything here walks with a stack of its own, and lengths are
 * measured once per value and remembered: value_text_len is cheap, and tells whether value_text is affordable. */
#include "base/mem.h"
#include "base/utf8.h"
#include "value/bytes.h"
#include "value/node.h"
#include <assert.h>
#include <stdlib.h>

/* A container on the way from the root, and which of its children is next. */
struct step {
	const struct value *value;
	size_t next;
};

/* As deep as most values are without memory of its own. */
struct walk {
	struct step *steps; /* `first`, or more */
	size_t count, capacity;
	struct step first[8];
};

static void walk_begin(struct walk *walk)
{
	walk->steps = walk->first;
	walk->count = 0;
	walk->capacity = sizeof walk->first / sizeof *walk->first;
}

static void walk_done(struct walk *walk)
{
	if (walk->steps != walk->first)
		free(walk->steps);
}

static void walk_into(struct walk *walk, const struct value *value)
{
	if (walk->count == walk->capacity && walk->steps == walk->first) {
		walk->steps = mem_alloc(2 * sizeof walk->first);
		memcpy(walk->steps, walk->first, sizeof walk->first);
		walk->capacity *= 2;
	}
	MEM_GROW(walk->steps, walk->capacity, walk->count + 1);
	walk->steps[walk->count++] = (struct step){ .value = value };
}

/* ---- strings ----------------------------------------------------------------------------- */

/* How a character that cannot stand in a token is written; the text lives in `space`. */
static struct str escape_of(const char *at, size_t len, char space[8])
{
	static const char controls[] = "\b\f\n\r\t\"\\", letters[] = "bfnrt\"\\";
	const char *control = *at ? strchr(controls, *at) : NULL;
	if (len == 0) /* not UTF-8 */
		return STR("\xef\xbf\xbd");
	memcpy(space, "\\u", 2);
	if (control) {
		space[1] = letters[control - controls];
		return (struct str){ space, 2 };
	}
	uint32_t code = utf8_decode(at, len);
	for (int i = 5; i >= 2; i--, code >>= 4)
		space[i] = "0123456789abcdef"[code & 15];
	return (struct str){ space, 6 };
}

/* Where a run of bytes that stand for themselves ends. */
static const char *plain_end(const char *p, const char *end)
{
	for (;;) {
		p = string_stop_before(p, end);
		if (p == end || (unsigned char)*p < 0x80)
			return p;
		size_t len = utf8_length(p, (size_t)(end - p));
		if (!len)
			return p;
		p += len;
	}
}

/* Appends what stands between the quotes, if there is a buffer; returns the length of the whole token. */
static size_t put_string(struct str text, struct buffer *buffer)
{
	const char *p = text.ptr, *end = p + text.len;
	size_t total = 2;
	while (p < end) {
		const char *stop = plain_end(p, end);
		total += (size_t)(stop - p);
		if (buffer && stop > p)
			buffer_append(buffer, p, (size_t)(stop - p));
		if (stop == end)
			break;
		char space[8];
		size_t left = (size_t)(end - stop);
		size_t len = (unsigned char)*stop < 0x80 ? 1 : utf8_is_surrogate(stop, left) ? 3 : 0;
		struct str escape = escape_of(stop, len, space);
		total += escape.len;
		if (buffer)
			buffer_add(buffer, escape);
		p = stop + (len ? len : 1);
	}
	return total;
}

size_t string_token_len(struct str text)
{
	return put_string(text, NULL);
}

void value_write_string(struct str text, struct buffer *buffer)
{
	buffer_reserve(buffer, text.len + 2);
	buffer_byte(buffer, '"');
	put_string(text, buffer);
	buffer_byte(buffer, '"');
}

/* ---- measuring --------------------------------------------------------------------------- */

/* Calls `finish` for the built containers in `root` that lack `flag`, after all that is in them, and then sets it. */
static void settle(const struct value *root, enum node_flag flag, void (*finish)(struct value *container))
{
	if (!is_built(root) || !is_container(root) || root->flags & flag)
		return;
	_cleanup_(walk_done) struct walk walk;
	walk_begin(&walk);
	walk_into(&walk, root);
	while (walk.count) {
		struct step *step = &walk.steps[walk.count - 1];
		struct value *value = (struct value *)step->value;
		if (step->next == value->count) {
			if (!(value->flags & flag)) /* it may have been met twice */
				finish(value);
			value->flags |= (uint8_t)flag;
			walk.count--;
			continue;
		}
		const struct value *child = value->children->items[step->next++];
		if (is_built(child) && is_container(child) && !(child->flags & flag))
			walk_into(&walk, child);
	}
}

static size_t add_up(size_t a, size_t b)
{
	size_t sum;
	return __builtin_add_overflow(a, b, &sum) ? SIZE_MAX : sum;
}

/* The length of what is no built container, or of one that is measured. */
static size_t known_len(const struct value *value)
{
	char text[NUMBER_TEXT_MAX];
	if (!is_built(value))
		return value->len;
	if (!(value->flags & NODE_MEASURED)) {
		struct value *node = (struct value *)value;
		node->owner->text_len = value->kind == VALUE_STRING   ? string_token_len(value_string(value))
					: value->flags & NODE_INTEGER ? number_write_int(value->integer, text)
								      : number_write_double(value->number, text);
		node->flags |= NODE_MEASURED;
	}
	return value->owner->text_len;
}

static void measure(struct value *container)
{
	/* Brackets, and commas between. */
	size_t len = container->count + (container->count ? 1 : 2);
	for (size_t i = 0; i < container->count; i++) {
		if (container->kind == VALUE_OBJECT)
			len = add_up(len, string_token_len(container->children->keys[i]) + 1);
		len = add_up(len, known_len(container->children->items[i]));
	}
	container->owner->text_len = len;
}

size_t value_text_len(const struct value *value)
{
	settle(value, NODE_MEASURED, measure);
	return known_len(value);
}

/* The depth of what is no built container, or of one that is fathomed. */
static int known_depth(const struct value *value)
{
	if (value->owner->type == OWNER_DOCUMENT && document_of(value)->is_trusted)
		ready(value);
	return value->depth;
}

static void fathom(struct value *container)
{
	int depth = 0;
	for (size_t i = 0; i < container->count; i++) {
		int of_child = known_depth(container->children->items[i]);
		depth = of_child > depth ? of_child : depth;
	}
	container->depth = depth < UINT16_MAX ? (uint16_t)(depth + 1) : UINT16_MAX;
}

int value_depth(const struct value *value)
{
	settle(value, NODE_FATHOMED, fathom);
	return known_depth(value);
}

/* ---- writing ----------------------------------------------------------------------------- */

static void put_scalar(const struct value *value, struct buffer *buffer)
{
	char text[NUMBER_TEXT_MAX];
	if (has_text(value))
		buffer_add(buffer, node_text(value));
	else if (value->kind == VALUE_STRING)
		value_write_string((struct str){ value->bytes, value->bytes_len }, buffer);
	else if (value->flags & NODE_INTEGER)
		buffer_append(buffer, text, number_write_int(value->integer, text));
	else
		buffer_append(buffer, text, number_write_double(value->number, text));
}

static void put_line_break(struct buffer *buffer, size_t level)
{
	buffer_byte(buffer, '\n');
	for (size_t i = 0; i < level; i++)
		buffer_append(buffer, "  ", 2);
}

/* Appends what can be written without walking; false if the value is to be walked into. */
static bool put_whole(const struct value *value, struct buffer *buffer, bool pretty)
{
	if (pretty)
		ready(value);
	if (!is_container(value) || (!pretty && has_text(value)))
		put_scalar(value, buffer);
	else if (!value->count)
		buffer_addz(buffer, value->kind == VALUE_OBJECT ? "{}" : "[]");
	else
		return false;
	return true;
}

static void put_value(const struct value *root, struct buffer *buffer, bool pretty)
{
	if (put_whole(root, buffer, pretty))
		return;
	_cleanup_(walk_done) struct walk walk;
	walk_begin(&walk);
	walk_into(&walk, root);
	while (walk.count) {
		struct step *step = &walk.steps[walk.count - 1];
		const struct value *value = step->value;
		bool is_object = value->kind == VALUE_OBJECT;
		if (step->next == value->count) {
			walk.count--;
			if (pretty)
				put_line_break(buffer, walk.count);
			buffer_byte(buffer, is_object ? '}' : ']');
			continue;
		}
		buffer_byte(buffer, step->next ? ',' : is_object ? '{' : '[');
		if (pretty)
			put_line_break(buffer, walk.count);
		if (is_object) {
			value_write_string(value->children->keys[step->next], buffer);
			buffer_append(buffer, ": ", pretty ? 2 : 1);
		}
		const struct value *child = child_at(value, step->next++);
		if (!put_whole(child, buffer, pretty))
			walk_into(&walk, child);
	}
}

void value_write(const struct value *value, struct buffer *buffer)
{
	if (!has_text(value) && value->flags & NODE_MEASURED)
		buffer_reserve(buffer, value->owner->text_len);
	put_value(value, buffer, false);
}

void value_write_pretty(const struct value *value, struct buffer *buffer)
{
	put_value(value, buffer, true);
}

struct str value_text(const struct value *value)
{
	if (!has_text(value)) {
		struct buffer buffer = { 0 };
		size_t len = value_text_len(value); /* so that the memory is right at once */
		buffer_reserve(&buffer, len);
		put_value(value, &buffer, false);
		assert(buffer.len == len);
		value->owner->text = mem_realloc(buffer.data, buffer.len + 1);
	}
	return node_text(value);
}
