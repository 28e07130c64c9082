/* functions_url.c: base64 and URL encoding. */
#include "dsl/jsonata/functions.h"
#include "dsl/jsonata/text.h"

#define ARG(i) (call->arguments[i])

/* ---- base64 ----------------------------------------------------------------------------- */

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static struct str base64(struct evaluation *e, struct str bytes)
{
	ev_claim(e, bytes.len * 2);
	char *text = ev_alloc(e, (bytes.len + 2) / 3 * 4), *at = text;
	for (size_t i = 0; i < bytes.len; i += 3) {
		size_t left = bytes.len - i;
		uint32_t group = (uint32_t)(unsigned char)bytes.ptr[i] << 16;
		group |= left > 1 ? (uint32_t)(unsigned char)bytes.ptr[i + 1] << 8 : 0;
		group |= left > 2 ? (uint32_t)(unsigned char)bytes.ptr[i + 2] : 0;
		*at++ = alphabet[group >> 18];
		*at++ = alphabet[group >> 12 & 63];
		*at++ = left > 1 ? alphabet[group >> 6 & 63] : '=';
		*at++ = left > 2 ? alphabet[group & 63] : '=';
	}
	return (struct str){ text, (size_t)(at - text) };
}

/* The library takes the low byte of each UTF-16 unit, as JavaScript's "binary" strings do; the dialect takes UTF-8. */
NATIVE(native_base64encode)
{
	if (is_nothing(ARG(0)))
		return NOTHING;
	struct str text = item_str(ARG(0));
	spend(e, (int64_t)(text.len / 16));
	if (e->states || text_is_ascii(text))
		return item_text(base64(e, text));
	char *bytes = ev_alloc(e, text.len);
	size_t count = 0;
	for (size_t at = 0, length; at < text.len; at += length) {
		uint32_t c = utf8_decode(str_sub(text, at, text.len), &length);
		if (c >= 0x10000)
			bytes[count++] = (char)(0xD7C0 + (c >> 10));
		bytes[count++] = (char)(c >= 0x10000 ? 0xDC00 + (c & 0x3FF) : c);
	}
	return item_text(base64(e, (struct str){ bytes, count }));
}

NATIVE(native_base64decode)
{
	if (is_nothing(ARG(0)))
		return NOTHING;
	struct str text = item_str(ARG(0));
	spend(e, (int64_t)(text.len / 16));
	struct buffer *out = ev_buffer(e);
	uint32_t group = 0;
	int bits = 0;
	for (size_t i = 0; i < text.len && text.ptr[i] != '='; i++) {
		char c = text.ptr[i] == '-' ? '+' : text.ptr[i] == '_' ? '/' : text.ptr[i];
		const char *found = c ? strchr(alphabet, c) : NULL;
		if (!found && e->states)
			THROW(e, .code = JSONATA_D3150, .value = ARG(0), .has_value = true);
		if (!found)
			continue;
		group = group << 6 | (uint32_t)(found - alphabet);
		if ((bits += 6) < 8)
			continue;
		bits -= 8;
		unsigned char byte = (unsigned char)(group >> bits);
		char bytes[4];
		if (e->states)
			buffer_byte(out, (char)byte);
		else
			buffer_append(out, bytes, utf8_encode(byte, bytes));
	}
	return item_text(ev_buffer_take(e, out));
}

/* ---- URLs ------------------------------------------------------------------------------- */

static const char unreserved[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.!~*'()";
static const char reserved[] = ";/?:@&=+$,#";

static bool in_set(const char *set, char c)
{
	return c && strchr(set, c);
}

static _Noreturn void malformed(struct evaluation *e, struct call *call)
{
	THROW(e, .code = JSONATA_D3140, .token = str_of(call->native->name), .value = ARG(0), .has_value = true);
}

static struct item encode(struct evaluation *e, struct call *call, bool keep_reserved)
{
	if (is_nothing(ARG(0)))
		return NOTHING;
	struct str text = item_str(ARG(0));
	spend(e, (int64_t)(text.len / 16));
	struct buffer *out = ev_buffer(e);
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];
		/* Half a character has no encoding. */
		if (c == 0xED && i + 1 < text.len && (unsigned char)text.ptr[i + 1] >= 0xA0)
			malformed(e, call);
		if (in_set(unreserved, (char)c) || (keep_reserved && in_set(reserved, (char)c)))
			buffer_byte(out, (char)c);
		else
			buffer_printf(out, "%%%02X", c);
	}
	return item_text(ev_buffer_take(e, out));
}

static int escaped_byte(struct str text, size_t at)
{
	if (at + 2 >= text.len || text.ptr[at] != '%')
		return -1;
	int high = hex_digit(text.ptr[at + 1]), low = hex_digit(text.ptr[at + 2]);
	return high < 0 || low < 0 ? -1 : high * 16 + low;
}

static struct item decode(struct evaluation *e, struct call *call, bool keep_reserved)
{
	if (is_nothing(ARG(0)))
		return NOTHING;
	struct str text = item_str(ARG(0));
	spend(e, (int64_t)(text.len / 16));
	struct buffer *out = ev_buffer(e);
	for (size_t i = 0; i < text.len;) {
		if (text.ptr[i] != '%') {
			buffer_byte(out, text.ptr[i++]);
			continue;
		}
		int first = escaped_byte(text, i);
		if (first < 0)
			malformed(e, call);
		if (first < 0x80) {
			if (keep_reserved && in_set(reserved, (char)first))
				buffer_append(out, text.ptr + i, 3);
			else
				buffer_byte(out, (char)first);
			i += 3;
			continue;
		}
		size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
		char bytes[4];
		if (first < 0xC2 || first > 0xF4)
			malformed(e, call);
		for (size_t k = 0; k < length; k++) {
			int byte = escaped_byte(text, i + 3 * k);
			if (byte < 0 || (k && (byte & 0xC0) != 0x80))
				malformed(e, call);
			bytes[k] = (char)byte;
		}
		size_t decoded;
		uint32_t c = utf8_decode((struct str){ bytes, length }, &decoded);
		if (c < (length == 2 ? 0x80u : length == 3 ? 0x800u : 0x10000u) || c > 0x10FFFF || c >> 11 == 0x1B)
			malformed(e, call);
		buffer_append(out, bytes, length);
		i += 3 * length;
	}
	return item_text(ev_buffer_take(e, out));
}

NATIVE(native_encode_url_component)
{
	return encode(e, call, false);
}

NATIVE(native_encode_url)
{
	return encode(e, call, true);
}

NATIVE(native_decode_url_component)
{
	return decode(e, call, false);
}

NATIVE(native_decode_url)
{
	return decode(e, call, true);
}
