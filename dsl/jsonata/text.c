/* text.c: UTF-8 seen as UTF-16. Bytes that are no UTF-8 count as one character each, so that nothing here can run off
 * the end. */
#include "dsl/jsonata/text.h"

size_t character_length(struct str text)
{
	unsigned char first = (unsigned char)text.ptr[0];
	size_t length = first < 0xC0 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
	return length <= text.len ? length : text.len;
}

uint32_t utf8_decode(struct str text, size_t *ret_length)
{
	size_t length = character_length(text);
	const unsigned char *p = (const unsigned char *)text.ptr;
	*ret_length = length;
	switch (length) {
	case 2:
		return (uint32_t)(p[0] & 0x1F) << 6 | (p[1] & 0x3F);
	case 3:
		return (uint32_t)(p[0] & 0x0F) << 12 | (uint32_t)(p[1] & 0x3F) << 6 | (p[2] & 0x3F);
	case 4:
		return (uint32_t)(p[0] & 0x07) << 18 | (uint32_t)(p[1] & 0x3F) << 12 | (uint32_t)(p[2] & 0x3F) << 6 |
		       (p[3] & 0x3F);
	default:
		return p[0];
	}
}

size_t utf8_encode(uint32_t c, char bytes[4])
{
	if (c < 0x80) {
		bytes[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		bytes[0] = (char)(0xC0 | c >> 6);
		bytes[1] = (char)(0x80 | (c & 0x3F));
		return 2;
	}
	if (c < 0x10000) {
		bytes[0] = (char)(0xE0 | c >> 12);
		bytes[1] = (char)(0x80 | (c >> 6 & 0x3F));
		bytes[2] = (char)(0x80 | (c & 0x3F));
		return 3;
	}
	bytes[0] = (char)(0xF0 | c >> 18);
	bytes[1] = (char)(0x80 | (c >> 12 & 0x3F));
	bytes[2] = (char)(0x80 | (c >> 6 & 0x3F));
	bytes[3] = (char)(0x80 | (c & 0x3F));
	return 4;
}

size_t utf8_count(struct str text)
{
	size_t count = 0;
	for (size_t i = 0; i < text.len; i++)
		count += ((unsigned char)text.ptr[i] & 0xC0) != 0x80;
	return count;
}

size_t utf8_offset(struct str text, size_t index)
{
	size_t at = 0;
	for (; index > 0 && at < text.len; index--)
		at += character_length(str_sub(text, at, text.len));
	return at;
}

size_t utf16_count(struct str text)
{
	size_t count = 0;
	for (size_t i = 0; i < text.len; i++) {
		unsigned char byte = (unsigned char)text.ptr[i];
		count += ((byte & 0xC0) != 0x80) + (byte >= 0xF0);
	}
	return count;
}

bool text_is_ascii(struct str text)
{
	for (size_t i = 0; i < text.len; i++)
		if ((unsigned char)text.ptr[i] >= 0x80)
			return false;
	return true;
}

/* UTF-8 sorts as code points do. UTF-16 differs only where a character beyond U+FFFF (a surrogate pair, D800…) meets
 * one of U+E000–U+FFFF, or a lone surrogate. */
static int compare_units(struct str a, struct str b)
{
	size_t length;
	uint32_t x = utf8_decode(a, &length), y = utf8_decode(b, &length);
	uint32_t first_x = x < 0x10000 ? x : 0xD7C0 + (x >> 10), first_y = y < 0x10000 ? y : 0xD7C0 + (y >> 10);
	if (first_x != first_y)
		return first_x < first_y ? -1 : 1;
	return x < y ? -1 : x > y; /* the same high half: the low halves order as the characters do */
}

int utf16_compare(struct str a, struct str b)
{
	size_t n = a.len < b.len ? a.len : b.len, i = 0;
	while (i < n && a.ptr[i] == b.ptr[i])
		i++;
	if (i == n)
		return (a.len > b.len) - (a.len < b.len);
	unsigned char x = (unsigned char)a.ptr[i], y = (unsigned char)b.ptr[i];
	size_t start = i;
	while (start > 0 && ((unsigned char)a.ptr[start] & 0xC0) == 0x80)
		start--;
	if ((unsigned char)a.ptr[start] < 0xED && (unsigned char)b.ptr[start] < 0xED)
		return x < y ? -1 : 1;
	return compare_units(str_sub(a, start, a.len), str_sub(b, start, b.len));
}

bool wtf8_halves_meet(struct str left, struct str right)
{
	if (left.len < 3 || right.len < 3)
		return false;
	const unsigned char *l = (const unsigned char *)left.ptr + left.len - 3, *r = (const unsigned char *)right.ptr;
	return l[0] == 0xED && (l[1] & 0xF0) == 0xA0 && r[0] == 0xED && (r[1] & 0xF0) == 0xB0;
}

uint32_t wtf8_joined(struct str left, struct str right)
{
	size_t length;
	uint32_t high = utf8_decode(str_sub(left, left.len - 3, 3), &length), low = utf8_decode(right, &length);
	return 0x10000 + ((high & 0x3FF) << 10) + (low & 0x3FF);
}

void wtf8_append(struct buffer *buffer, struct str text)
{
	struct str left = buffer_str(buffer);
	if (wtf8_halves_meet(left, text)) {
		char bytes[4];
		size_t length = utf8_encode(wtf8_joined(left, text), bytes);
		buffer->len -= 3;
		buffer_append(buffer, bytes, length);
		text = str_sub(text, 3, text.len);
	}
	buffer_add(buffer, text);
}
