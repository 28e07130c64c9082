/* Cleaning, cutting and comparing text that programs and servers gave us. */
#include "connectors/text.h"
#include "base/utf8.h"
#include <stdio.h>

void text_clean(struct str bytes, struct buffer *out)
{
	size_t begin = 0, i = 0;
	while (i < bytes.len) {
		size_t len = bytes.ptr[i] ? utf8_length(bytes.ptr + i, bytes.len - i) : 0;
		if (len) {
			i += len;
			continue;
		}
		buffer_append(out, bytes.ptr + begin, i - begin);
		buffer_addz(out, "\xef\xbf\xbd");
		begin = ++i;
	}
	if (i > begin)
		buffer_append(out, bytes.ptr + begin, i - begin);
}

struct str text_tail(struct str text, size_t len)
{
	if (text.len <= len)
		return text;
	size_t from = text.len - len;
	while (from < text.len && utf8_is_tail((unsigned char)text.ptr[from]))
		from++;
	return str_sub(text, from, text.len);
}

struct str text_head(struct str text, size_t len)
{
	if (text.len <= len)
		return text;
	while (len && utf8_is_tail((unsigned char)text.ptr[len]))
		len--;
	return str_sub(text, 0, len);
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

struct str text_trim(struct str text)
{
	while (text.len && is_space(text.ptr[0]))
		text = str_sub(text, 1, text.len);
	while (text.len && is_space(text.ptr[text.len - 1]))
		text.len--;
	return text;
}

bool text_same(struct str a, struct str b)
{
	if (a.len != b.len)
		return false;
	for (size_t i = 0; i < a.len; i++) {
		char x = a.ptr[i], y = b.ptr[i];
		x = x >= 'A' && x <= 'Z' ? (char)(x + 32) : x;
		y = y >= 'A' && y <= 'Z' ? (char)(y + 32) : y;
		if (x != y)
			return false;
	}
	return true;
}

void text_trace_id(struct str trace_parent, char *ret_text, size_t size)
{
	const char *at = trace_parent.ptr;
	if (trace_parent.len != 55)
		*ret_text = 0;
	else
		snprintf(ret_text, size, "Root=1-%.8s-%.24s;Parent=%.16s;Sampled=%c", at + 3, at + 11, at + 36, at[54]);
}
