/* utf8.h: characters in UTF-8 text.
 *
 * Valid is what RFC 3629 says: shortest forms only, no surrogates, nothing above U+10FFFF. A lone surrogate from a
 * JSON escape lives on in strings in its three-byte form (WTF-8); utf8_is_surrogate tells it. */
#pragma once
#include "base/str.h"
#include <stdint.h>

static inline bool utf8_is_tail(unsigned char byte)
{
	return (byte & 0xc0) == 0x80;
}

/* Bytes of the valid character that `at` begins with, of which `available` (at least 1) may be read; 0 if there is
 * none. */
static inline size_t utf8_length(const char *at, size_t available)
{
	const unsigned char *p = (const unsigned char *)at;
	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xc2)
		return 0; /* a tail, or a longer form of what one byte says */
	if (p[0] < 0xe0)
		return available >= 2 && utf8_is_tail(p[1]) ? 2 : 0;
	if (p[0] < 0xf0) {
		unsigned char least = p[0] == 0xe0 ? 0xa0 : 0x80, most = p[0] == 0xed ? 0x9f : 0xbf;
		return available >= 3 && p[1] >= least && p[1] <= most && utf8_is_tail(p[2]) ? 3 : 0;
	}
	if (p[0] < 0xf5) {
		unsigned char least = p[0] == 0xf0 ? 0x90 : 0x80, most = p[0] == 0xf4 ? 0x8f : 0xbf;
		return available >= 4 && p[1] >= least && p[1] <= most && utf8_is_tail(p[2]) && utf8_is_tail(p[3]) ? 4
														   : 0;
	}
	return 0;
}

/* Whether `at` begins with the three-byte form of U+D800–U+DFFF. */
static inline bool utf8_is_surrogate(const char *at, size_t available)
{
	const unsigned char *p = (const unsigned char *)at;
	return available >= 3 && p[0] == 0xed && p[1] >= 0xa0 && p[1] <= 0xbf && utf8_is_tail(p[2]);
}

/* The code point of a character of `length` bytes (1–4) as utf8_length or utf8_is_surrogate found it. */
static inline uint32_t utf8_decode(const char *at, size_t length)
{
	const unsigned char *p = (const unsigned char *)at;
	uint32_t code = length == 1 ? p[0] : p[0] & (0x7fu >> length);
	for (size_t i = 1; i < length; i++)
		code = code << 6 | (p[i] & 0x3f);
	return code;
}

/* Writes a code point up to U+10FFFF (surrogates in their three-byte form); returns its 1–4 bytes. */
static inline size_t utf8_encode(uint32_t code, char to[4])
{
	if (code < 0x80) {
		to[0] = (char)code;
		return 1;
	}
	size_t length = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
	for (size_t i = length; i-- > 1; code >>= 6)
		to[i] = (char)(0x80 | (code & 0x3f));
	to[0] = (char)(0xff00u >> length | code);
	return length;
}

/* Characters in valid text: bytes that are not tails. */
static inline size_t utf8_count(struct str text)
{
	size_t count = 0;
	for (size_t i = 0; i < text.len; i++)
		count += !utf8_is_tail((unsigned char)text.ptr[i]);
	return count;
}

static inline bool utf8_is_valid(struct str text)
{
	for (size_t i = 0, len; i < text.len; i += len) {
		uint64_t eight;
		len = 8;
		if (text.len - i >= 8 && (memcpy(&eight, text.ptr + i, 8), !(eight & 0x8080808080808080u)))
			continue;
		if (!(len = utf8_length(text.ptr + i, text.len - i)))
			return false;
	}
	return true;
}
