/* str.h: a borrowed piece of text.
 *
 * A `struct str` points at bytes that somebody else owns and says how many there are. It is
 * passed by value. The bytes are UTF-8 unless a comment says otherwise, may contain NUL, and
 * are NOT terminated by one. A str is valid only as long as what it points into. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct str {
	const char *ptr;
	size_t len;
};

/* For literals: STR("abc"). For a `const char *`: str_of(p) (NULL gives the empty str). */
#define STR(literal) ((struct str){ (literal), sizeof(literal) - 1 })
#define STR_EMPTY ((struct str){ "", 0 })
/* For printf: printf("%.*s", STR_FMT(s)) */
#define STR_FMT(s) (int)(s).len, (s).ptr

static inline struct str str_of(const char *text)
{
	return text ? (struct str){ text, strlen(text) } : STR_EMPTY;
}

static inline bool str_eq(struct str a, struct str b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool str_eqz(struct str a, const char *b)
{
	return str_eq(a, str_of(b));
}

static inline bool str_starts(struct str s, struct str prefix)
{
	return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.ptr, prefix.ptr, prefix.len) == 0);
}

static inline bool str_ends(struct str s, struct str suffix)
{
	return s.len >= suffix.len &&
	       (suffix.len == 0 || memcmp(s.ptr + s.len - suffix.len, suffix.ptr, suffix.len) == 0);
}

/* The part from byte `from` on, at most `len` bytes; clamped to what is there. */
static inline struct str str_sub(struct str s, size_t from, size_t len)
{
	if (from > s.len)
		from = s.len;
	if (len > s.len - from)
		len = s.len - from;
	return (struct str){ s.ptr + from, len };
}

/* Orders by bytes, as memcmp does; a prefix comes first. */
static inline int str_cmp(struct str a, struct str b)
{
	size_t n = a.len < b.len ? a.len : b.len;
	int c = n ? memcmp(a.ptr, b.ptr, n) : 0;
	return c ? c : (a.len > b.len) - (a.len < b.len);
}

/* The value of a hexadecimal digit; -1 if it is none. */
static inline int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}
