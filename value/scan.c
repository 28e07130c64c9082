/* scan.c: one pass over a text that validates and compacts it.
 *
 * The text lies in our own memory and zero bytes follow it, so nothing here asks for the end: a NUL is never allowed,
 * and where it was met tells whether it was the end. What is between two stretches of white space is a
 * `run`; when white space is met, the run before it moves to the front:
 *
 *     {"a":1,"b":2, "c" : ...          out     run     p
 *      ^~~~~~~~~~~  out = run while nothing was squeezed out yet: nothing moves
 *
 * A compact text, the usual case, is therefore only read. */
#include "value/scan.h"
#include "base/utf8.h"
#include "value/bytes.h"
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

enum { DEPTH_MOST = 4096 };

struct scanner {
	char *text, *end;
	char *run, *out;
	bool refuse_space;
	struct census census;
	struct scan_problem *problem;
};

/* ---- mistakes ---------------------------------------------------------------------------- */

static void describe(const struct scanner *s, const char *at, char *to, size_t size)
{
	size_t len = at < s->end ? utf8_length(at, (size_t)(s->end - at)) : 0;
	if (at >= s->end)
		snprintf(to, size, "the end of the text");
	else if (len == 0)
		snprintf(to, size, "the byte 0x%02x, which is not UTF-8", (unsigned char)*at);
	else if (len == 1 && ((unsigned char)*at < 0x20 || *at == 0x7f))
		snprintf(to, size, "the control character U+%04X", (unsigned)*at);
	else
		snprintf(to, size, "'%.*s'", (int)len, at);
}

/* "expected …, found …"; NULL, so that a scanning function can return it. */
static char *expected(struct scanner *s, const char *at, const char *what)
{
	char found[64];
	describe(s, at, found, sizeof found);
	snprintf(s->problem->message, sizeof s->problem->message, "expected %s, found %s", what, found);
	s->problem->offset = (size_t)(at - s->text);
	return NULL;
}

static char *refused(struct scanner *s, const char *at, const char *format, ...) __attribute__((format(printf, 3, 4)));
static char *refused(struct scanner *s, const char *at, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(s->problem->message, sizeof s->problem->message, format, args);
	va_end(args);
	s->problem->offset = (size_t)(at - s->text);
	return NULL;
}

/* ---- tokens: each takes where its token begins, and returns what follows it, or NULL ------ */

static bool is_hex(char c)
{
	return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

static char *scan_escape(struct scanner *s, char *p)
{
	switch (p[1]) {
	case '"':
	case '\\':
	case '/':
	case 'b':
	case 'f':
	case 'n':
	case 'r':
	case 't':
		return p + 2;
	case 'u':
		for (int i = 2; i < 6; i++)
			if (!is_hex(p[i]))
				return expected(s, p + i, "four hexadecimal digits after \\u");
		return p + 6;
	default:
		return expected(s, p + 1, "one of \" \\ / b f n r t u after a backslash");
	}
}

/* `p` is behind the opening quote. */
static char *scan_string(struct scanner *s, char *p)
{
	for (;;) {
		p = (char *)string_stop(p);
		if (*p == '"')
			return p + 1;
		if (*p == '\\') {
			if (!(p = scan_escape(s, p)))
				return NULL;
		} else if ((unsigned char)*p >= 0x80) {
			size_t len = utf8_length(p, 4);
			if (!len)
				return refused(s, p, "the byte 0x%02x in a string is not UTF-8", (unsigned char)*p);
			p += len;
		} else if (p >= s->end) {
			return expected(s, p, "'\"' at the end of a string");
		} else {
			return refused(s, p, "the control character U+%04X in a string must be written as an escape",
				       (unsigned)*p);
		}
	}
}

static inline char *skip_digits(char *p)
{
	while (is_digit(*p))
		p++;
	return p;
}

static char *scan_number(struct scanner *s, char *p)
{
	if (*p == '-')
		p++;
	if (*p == '0') {
		if (is_digit(*++p))
			return refused(s, p, "a number must not begin with 0");
	} else if (is_digit(*p)) {
		p = skip_digits(p);
	} else {
		return expected(s, p, "a digit after '-'");
	}
	if (*p == '.') {
		if (!is_digit(*++p))
			return expected(s, p, "a digit after '.'");
		p = skip_digits(p);
	}
	if ((*p | 0x20) == 'e') {
		p++;
		if (*p == '+' || *p == '-')
			p++;
		if (!is_digit(*p))
			return expected(s, p, "a digit in the exponent");
		p = skip_digits(p);
	}
	return p;
}

static char *scan_word(struct scanner *s, char *p, const char *word)
{
	for (; *word; word++, p++)
		if (*p != *word)
			return expected(s, p, "true, false or null");
	return p;
}

/* Squeezes out the white space at `p`. */
static char *squeeze(struct scanner *s, char *p)
{
	if (s->refuse_space)
		return p;
	size_t len = (size_t)(p - s->run);
	if (s->out == s->run) {
		/* nothing to move yet */
	} else if (s->run - s->out >= 16) {
		/* Far enough apart for copying 16 bytes at a time, even a few too many: they land before `p`. */
		for (size_t i = 0; i < len; i += 16)
			memcpy(s->out + i, s->run + i, 16);
	} else {
		memmove(s->out, s->run, len);
	}
	s->out += len;
	return s->run = (char *)space_end(p);
}

static inline char *skip_space(struct scanner *s, char *p)
{
	return __builtin_expect((unsigned char)*p > ' ', 1) ? p : squeeze(s, p);
}

/* A member's key and colon, up to where its value begins. */
static inline char *scan_key(struct scanner *s, char *p)
{
	p = skip_space(s, p);
	if (*p != '"')
		return expected(s, p, "a key in quotes");
	if (!(p = scan_string(s, p + 1)))
		return NULL;
	p = skip_space(s, p);
	if (*p != ':')
		return expected(s, p, "':' after a key");
	s->census.members++;
	return p + 1;
}

static inline char *scan_scalar(struct scanner *s, char *p)
{
	switch (*p) {
	case '"':
		return scan_string(s, p + 1);
	case 't':
		return scan_word(s, p, "true");
	case 'f':
		return scan_word(s, p, "false");
	case 'n':
		return scan_word(s, p, "null");
	default:
		return *p == '-' || is_digit(*p) ? scan_number(s, p) : expected(s, p, "a value");
	}
}

/* ---- values ------------------------------------------------------------------------------ */

/* A whole value with all that is in it; what follows it, or NULL. */
static char *scan_value(struct scanner *s, char *p, int depth_max)
{
	char closers[DEPTH_MOST + 1]; /* of the containers that are open, outermost first, from 1 on */
	int depth = 0;
	for (;;) {
		/* Here a value begins. */
		p = skip_space(s, p);
		s->census.values++;
		if (*p == '{' || *p == '[') {
			if (depth == depth_max)
				return refused(s, p, "nested deeper than %d levels", depth_max);
			char closer = *p == '{' ? '}' : ']';
			closers[++depth] = closer;
			if (depth > s->census.depth)
				s->census.depth = depth;
			s->census.containers++;
			p = skip_space(s, p + 1);
			if (*p != closer) {
				if (closer == '}' && !(p = scan_key(s, p)))
					return NULL;
				continue;
			}
			p++;
			depth--;
		} else if (!(p = scan_scalar(s, p))) {
			return NULL;
		}
		/* Here a value has ended, and maybe containers with it. */
		for (;;) {
			if (!depth)
				return p;
			p = skip_space(s, p);
			if (*p == ',') {
				p++;
				if (closers[depth] == '}' && !(p = scan_key(s, p)))
					return NULL;
				break;
			}
			if (*p != closers[depth])
				return expected(s, p, closers[depth] == '}' ? "',' or '}'" : "',' or ']'");
			p++;
			depth--;
		}
	}
}

bool scan_json(char *text, size_t len, int depth_max, bool refuse_space, size_t *ret_len, struct census *ret_census,
	       struct scan_problem *ret_problem)
{
	struct scanner s = { .text = text,
			     .end = text + len,
			     .run = text,
			     .out = text,
			     .refuse_space = refuse_space,
			     .problem = ret_problem };
	assert(depth_max <= DEPTH_MOST);
	char *p = scan_value(&s, text, depth_max);
	if (!p)
		return false;
	if (p < s.end)
		p = squeeze(&s, p);
	if (p < s.end) {
		expected(&s, p, "nothing after the value");
		return false;
	}
	squeeze(&s, p); /* moves what is left */
	*ret_len = refuse_space ? len : (size_t)(s.out - text);
	*ret_census = s.census;
	return true;
}

bool scan_is_number(const char *text, size_t len)
{
	struct scan_problem problem;
	struct scanner s = { .text = (char *)text, .end = (char *)text + len, .problem = &problem };
	return (*text == '-' || is_digit(*text)) && scan_number(&s, s.text) == s.end;
}
