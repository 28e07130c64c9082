/* item_text.c: strings an evaluation makes: joining, casting to text, JSON. */
#include "dsl/jsonata/evaluation.h"
#include "dsl/jsonata/text.h"
#include <stdio.h>
#include <stdlib.h>

void ev_claim(struct evaluation *e, size_t bytes)
{
	if (bytes > e->bytes_max || bytes >= UINT32_MAX)
		throw_limit(e, "The expression needs too much memory");
}

void claim_units(struct evaluation *e, double units)
{
	if (units * 4 > (double)e->value_bytes_max)
		throw_limit(e, "The expression makes a string that is too long");
}

void claim_text(struct evaluation *e, struct str a, struct str b)
{
	if (a.len + b.len > e->value_bytes_max / 4)
		claim_units(e, (double)(utf16_count(a) + utf16_count(b)));
}

void claim_items(struct evaluation *e, double count, bool grows)
{
	enum { ITEM_BYTES = 24, OTHER_BYTES = 736 };
	double slots = count;
	if (grows)
		for (double room = 10; room < count; room += floor(room / 2))
			slots = room + room + floor(room / 2);
	if (slots * ITEM_BYTES + OTHER_BYTES > (double)e->value_bytes_max)
		throw_limit(e, "The expression makes an array that is too long");
}

struct str ev_str(struct evaluation *e, struct str text)
{
	claim_text(e, text, STR_EMPTY);
	char *copy = ev_alloc(e, text.len);
	if (text.len)
		memcpy(copy, text.ptr, text.len);
	return (struct str){ copy, text.len };
}

/* When the left text is the one that was joined last, and nothing was allocated since, as when a reduction builds a
 * long string, the right one is put behind it: strings never change, and the bytes behind that one belong to nobody. */
struct str text_concat(struct evaluation *e, struct str a, struct str b)
{
	if (a.len == 0)
		return b;
	if (b.len == 0)
		return a;
	ev_claim(e, a.len + b.len);
	claim_text(e, a, b);
	spend(e, (int64_t)(b.len / 256));
	char *end = (char *)(uintptr_t)a.ptr + a.len;
	if (!wtf8_halves_meet(a, b)) {
		if (end == e->text_end && end + (-(uintptr_t)end & 15) == e->bump &&
		    (size_t)(e->bump_end - end) > b.len + 16) {
			memcpy(end, b.ptr, b.len);
			e->text_end = end + b.len;
			e->bump = e->text_end + (-(uintptr_t)e->text_end & 15);
			return (struct str){ a.ptr, a.len + b.len };
		}
		spend(e, (int64_t)(a.len / 256));
		char *text = ev_alloc(e, a.len + b.len);
		memcpy(text, a.ptr, a.len);
		memcpy(text + a.len, b.ptr, b.len);
		e->text_end = text + a.len + b.len;
		return (struct str){ text, a.len + b.len };
	}
	char joined[4];
	size_t length = utf8_encode(wtf8_joined(a, b), joined);
	char *text = ev_alloc(e, a.len + b.len);
	memcpy(text, a.ptr, a.len - 3);
	memcpy(text + a.len - 3, joined, length);
	memcpy(text + a.len - 3 + length, b.ptr + 3, b.len - 3);
	return (struct str){ text, a.len + b.len - 6 + length };
}

/* ---- buffers ---------------------------------------------------------------------------- */

static void free_buffer(void *data)
{
	buffer_done(data);
}

struct buffer *ev_buffer(struct evaluation *e)
{
	struct buffer *buffer = ARENA_NEW(e->arena, struct buffer);
	arena_on_reset(e->arena, free_buffer, buffer);
	return buffer;
}

struct str ev_buffer_take(struct evaluation *e, struct buffer *buffer)
{
	struct str text = ev_str(e, buffer_str(buffer));
	buffer_done(buffer);
	return text;
}

/* ---- numbers ---------------------------------------------------------------------------- */

void number_write(double number, struct buffer *buffer)
{
	if (number == 0) {
		buffer_byte(buffer, '0');
		return;
	}
	if (number == floor(number) && fabs(number) < 1e15) {
		char digits[24], *at = digits + sizeof digits;
		uint64_t rest = (uint64_t)fabs(number);
		for (; rest; rest /= 10)
			*--at = (char)('0' + rest % 10);
		if (number < 0)
			*--at = '-';
		buffer_append(buffer, at, (size_t)(digits + sizeof digits - at));
		return;
	}
	if (number == floor(number)) {
		value_write_double(number, buffer);
		return;
	}
	char digits[40];
	snprintf(digits, sizeof digits, "%.15g", number);
	value_write_double(strtod(digits, NULL), buffer);
}

/* ---- JSON ------------------------------------------------------------------------------- */

static void new_line(struct buffer *buffer, int indent, int depth)
{
	if (!indent)
		return;
	buffer_byte(buffer, '\n');
	for (int i = 0; i < indent * depth; i++)
		buffer_byte(buffer, ' ');
}

static void write_array(struct evaluation *e, struct item array, struct buffer *buffer, int indent, int depth)
{
	uint32_t count = array_count(array);
	spend(e, count);
	if (count == 0) {
		buffer_addz(buffer, "[]");
		return;
	}
	buffer_byte(buffer, '[');
	for (uint32_t i = 0; i < count; i++) {
		if (i)
			buffer_byte(buffer, ',');
		new_line(buffer, indent, depth + 1);
		item_write_json(e, array_at(e, array, i), buffer, indent, depth + 1);
	}
	new_line(buffer, indent, depth);
	buffer_byte(buffer, ']');
}

static void write_object(struct evaluation *e, struct item object, struct buffer *buffer, int indent, int depth)
{
	uint32_t count = object_count(object), written = 0;
	spend(e, count);
	buffer_byte(buffer, '{');
	for (uint32_t i = 0; i < count; i++) {
		struct item item = object_item_at(e, object, i);
		if (is_nothing(item))
			continue;
		if (written++)
			buffer_byte(buffer, ',');
		new_line(buffer, indent, depth + 1);
		value_write_string(object_key_at(object, i), buffer);
		buffer_addz(buffer, indent ? ": " : ":");
		item_write_json(e, item, buffer, indent, depth + 1);
	}
	if (written)
		new_line(buffer, indent, depth);
	buffer_byte(buffer, '}');
}

void item_write_json(struct evaluation *e, struct item item, struct buffer *buffer, int indent, int depth)
{
	if (depth > 1000)
		throw_limit(e, "The data is nested too deeply");
	ev_claim(e, buffer->len);
	switch ((enum item_kind)item.kind) {
	case ITEM_NOTHING:
	case ITEM_NULL:
		buffer_addz(buffer, "null");
		break;
	case ITEM_BOOLEAN:
		buffer_addz(buffer, item.boolean ? "true" : "false");
		break;
	case ITEM_NUMBER:
		if (item.len)
			buffer_add(buffer, value_number_text(e->exact[item.len]));
		else if (isinf(item.number))
			THROW(e, .code = JSONATA_D1001, .value = item, .has_value = true);
		else if (isnan(item.number))
			buffer_addz(buffer, "null");
		else
			number_write(item.number, buffer);
		break;
	case ITEM_STRING:
		spend(e, item.len / 256);
		value_write_string(item_str(item), buffer);
		break;
	case ITEM_ARRAY:
	case ITEM_VALUE_ARRAY:
		write_array(e, item, buffer, indent, depth);
		break;
	case ITEM_OBJECT:
	case ITEM_VALUE_OBJECT:
		write_object(e, item, buffer, indent, depth);
		break;
	case ITEM_FUNCTION:
		buffer_addz(buffer, "\"\"");
		break;
	case ITEM_TUPLE:
		item_write_json(e, item.tuple->context, buffer, indent, depth + 1);
		break;
	}
}

static struct str number_string(struct evaluation *e, struct item item)
{
	if (item.len)
		return value_number_text(e->exact[item.len]);
	if (!isfinite(item.number))
		THROW(e, .code = JSONATA_D3001, .value = item, .has_value = true);
	struct buffer buffer = { 0 };
	number_write(item.number, &buffer);
	char digits[40];
	size_t length = buffer.len < sizeof digits ? buffer.len : sizeof digits;
	memcpy(digits, buffer.data, length);
	buffer_done(&buffer);
	return ev_str(e, (struct str){ digits, length });
}

struct str item_string(struct evaluation *e, struct item item, bool pretty)
{
	switch ((enum item_kind)item.kind) {
	case ITEM_NOTHING:
	case ITEM_FUNCTION:
		return STR_EMPTY;
	case ITEM_STRING:
		return item_str(item);
	case ITEM_NUMBER:
		return number_string(e, item);
	case ITEM_BOOLEAN:
		return item.boolean ? STR("true") : STR("false");
	case ITEM_NULL:
		return STR("null");
	case ITEM_ARRAY:
	case ITEM_OBJECT:
	case ITEM_VALUE_ARRAY:
	case ITEM_VALUE_OBJECT:
	case ITEM_TUPLE:
		break;
	}
	struct buffer *buffer = ev_buffer(e);
	item_write_json(e, item, buffer, pretty ? 2 : 0, 0);
	return ev_buffer_take(e, buffer);
}
