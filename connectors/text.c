/* Cleaning, cutting and comparing text that programs and servers gave us. */
#include "connectors/text.h"

/* Length of the well-formed UTF-8 sequence at `at`; 0 if there is none. Table 3-7 of the Unicode standard: the second byte's range
 * depends on the first, which is what keeps overlong forms, surrogates and numbers past U+10FFFF out. */
static size_t sequence_length(const unsigned char *at, size_t left)
{
	if (at[0] < 0x80)
		return at[0] ? 1 : 0;
	size_t len = at[0] >= 0xc2 && at[0] <= 0xdf ? 2 : at[0] >= 0xe0 && at[0] <= 0xef ? 3 : at[0] >= 0xf0 && at[0] <= 0xf4 ? 4 : 0;
	if (!len || left < len)
		return 0;
	unsigned char least = at[0] == 0xe0 ? 0xa0 : at[0] == 0xf0 ? 0x90 : 0x80;
	unsigned char most = at[0] == 0xed ? 0x9f : at[0] == 0xf4 ? 0x8f : 0xbf;
	if (at[1] < least || at[1] > most)
		return 0;
	for (size_t i = 2; i < len; i++)
		if ((at[i] & 0xc0) != 0x80)
			return 0;
	return len;
}

void text_clean(struct str bytes, struct buffer *out)
{
	const unsigned char *at = (const unsigned char *)bytes.ptr;
	size_t begin = 0, i = 0;
	while (i < bytes.len) {
		size_t len = sequence_length(at + i, bytes.len - i);
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
	while (from < text.len && ((unsigned char)text.ptr[from] & 0xc0) == 0x80)
		from++;
	return str_sub(text, from, text.len);
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
