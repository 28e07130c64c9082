/* bytes.h: finding the byte that matters next, 16 (or 8) at a time. Private to value/. */
#pragma once
#include "base/str.h"
#include <stdint.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* What ends a run of plain characters in a string: quote, backslash, a control character, anything beyond ASCII. */
static inline bool is_string_stop(char c)
{
	return (signed char)c < 0x20 || c == '"' || c == '\\';
}

#ifdef __SSE2__
static inline unsigned string_stops(__m128i bytes)
{
	/* Compared as signed numbers, bytes from 0x80 on are below zero. */
	__m128i stops = _mm_cmplt_epi8(bytes, _mm_set1_epi8(0x20));
	stops = _mm_or_si128(stops, _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')));
	stops = _mm_or_si128(stops, _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\')));
	return (unsigned)_mm_movemask_epi8(stops);
}

static inline unsigned string_stops_16(const char *p)
{
	return string_stops(_mm_loadu_si128((const __m128i *)p));
}

/* Of fewer than 16 bytes: their first and last 8, or 4, which overlap. Most strings are as short as that. */
static inline const char *short_string_stop(const char *p, const char *end)
{
	long long first8, last8;
	int first4, last4;
	unsigned stops;
	if (end - p >= 8) {
		memcpy(&first8, p, 8);
		memcpy(&last8, end - 8, 8);
		stops = string_stops(_mm_set_epi64x(last8, first8));
		return !stops ? end : stops & 0xff ? p + __builtin_ctz(stops) : end - 16 + __builtin_ctz(stops);
	}
	if (end - p >= 4) {
		memcpy(&first4, p, 4);
		memcpy(&last4, end - 4, 4);
		stops = string_stops(_mm_set_epi32(0, 0, last4, first4)) & 0xff;
		return !stops ? end : stops & 0xf ? p + __builtin_ctz(stops) : end - 8 + __builtin_ctz(stops);
	}
	while (p < end && !is_string_stop(*p))
		p++;
	return p;
}
#else
/* The high bit of each byte that is zero (and maybe of bytes above such a one). */
static inline uint64_t zero_bytes(uint64_t word)
{
	return (word - 0x0101010101010101u) & ~word & 0x8080808080808080u;
}

static inline bool has_string_stop_8(const char *p)
{
	uint64_t word;
	memcpy(&word, p, sizeof word);
	uint64_t control = (word - 0x2020202020202020u) & ~word;
	uint64_t quote = zero_bytes(word ^ 0x2222222222222222u), backslash = zero_bytes(word ^ 0x5c5c5c5c5c5c5c5cu);
	return (control | word | quote | backslash) & 0x8080808080808080u;
}
#endif

/* The first stop from `p` on, in padded text: a NUL is one, so there always is one. */
static inline const char *string_stop(const char *p)
{
#ifdef __SSE2__
	for (;; p += 16) {
		unsigned stops = string_stops_16(p);
		if (stops)
			return p + __builtin_ctz(stops);
	}
#else
	while (!has_string_stop_8(p))
		p += 8;
	while (!is_string_stop(*p))
		p++;
	return p;
#endif
}

/* The same in any text; `end` if there is none. */
static inline const char *string_stop_before(const char *p, const char *end)
{
#ifdef __SSE2__
	for (; end - p >= 16; p += 16) {
		unsigned stops = string_stops_16(p);
		if (stops)
			return p + __builtin_ctz(stops);
	}
	return short_string_stop(p, end);
#else
	while (end - p >= 8 && !has_string_stop_8(p))
		p += 8;
	while (p < end && !is_string_stop(*p))
		p++;
	return p;
#endif
}

static inline bool is_space(char c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* The first byte from `p` on that is no white space, in padded text. */
static inline const char *space_end(const char *p)
{
#ifdef __SSE2__
	for (;; p += 16) {
		__m128i bytes = _mm_loadu_si128((const __m128i *)p);
		__m128i spaces = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(' '));
		spaces = _mm_or_si128(spaces, _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\n')));
		spaces = _mm_or_si128(spaces, _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\r')));
		spaces = _mm_or_si128(spaces, _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\t')));
		unsigned others = ~(unsigned)_mm_movemask_epi8(spaces) & 0xffff;
		if (others)
			return p + __builtin_ctz(others);
	}
#else
	while (is_space(*p))
		p++;
	return p;
#endif
}

static inline bool is_digit(char c)
{
	return (unsigned char)(c - '0') < 10;
}
