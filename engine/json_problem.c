/* json_problem.c: a scan that stops at the first mistake of a JSON text and says it as AWS's parser does. Whether a
 * text is JSON is decided by value_parse; this only finds the words. No recursion: the nesting is a bit per level. */
#include "engine/json_problem.h"
#include <ctype.h>

#define VALUES "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')"

struct scan {
	struct str text;
	size_t at;
	unsigned char nesting[512]; /* '{' or '[' */
	unsigned depth;
};

static void skip_space(struct scan *scan)
{
	while (scan->at < scan->text.len && memchr(" \t\r\n", scan->text.ptr[scan->at], 4))
		scan->at++;
}

static int peek(const struct scan *scan)
{
	return scan->at < scan->text.len ? (unsigned char)scan->text.ptr[scan->at] : -1;
}

/* "Unexpected character ('x' (code 120))", or the end of the input. */
static void unexpected(const struct scan *scan, const char *expected, struct buffer *out)
{
	int c = peek(scan);
	if (c < 0) {
		if (scan->depth == 0)
			buffer_addz(out, "Unexpected end-of-input");
		else
			buffer_printf(out, "Unexpected end-of-input: expected close marker for %s",
				      scan->nesting[scan->depth - 1] == '{' ? "Object" : "Array");
		return;
	}
	size_t len = 1;
	uint32_t code = (uint32_t)c;
	if (c >= 0xc0) {
		len = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
		struct str bytes = str_sub(scan->text, scan->at, len);
		len = bytes.len;
		code = (uint32_t)c & (0xffu >> (len + 1));
		for (size_t i = 1; i < len; i++)
			code = code << 6 | ((unsigned char)bytes.ptr[i] & 0x3f);
	}
	buffer_addz(out, "Unexpected character (");
	if (code < 0x20 || code == 0x7f)
		buffer_printf(out, "(CTRL-CHAR, code %u)", code);
	else
		buffer_printf(out, "'%.*s' (code %u)", STR_FMT(str_sub(scan->text, scan->at, len)), code);
	buffer_printf(out, "): %s", expected);
}

/* A string, at its quote. False when it reported a mistake. */
static bool scan_string(struct scan *scan, const char *unended, struct buffer *out)
{
	for (scan->at++; scan->at < scan->text.len; scan->at++) {
		unsigned char c = (unsigned char)scan->text.ptr[scan->at];
		if (c == '"') {
			scan->at++;
			return true;
		}
		if (c < 0x20) {
			buffer_printf(out,
				      "Illegal unquoted character ((CTRL-CHAR, code %u)): has to be escaped using "
				      "backslash to be included in string value",
				      c);
			return false;
		}
		if (c == '\\' && scan->at + 1 < scan->text.len) {
			scan->at++;
			unsigned char escaped = (unsigned char)scan->text.ptr[scan->at];
			if (!memchr("\"\\/bfnrtu", escaped, 9)) {
				buffer_printf(out, "Unrecognized character escape '%c' (code %u)", escaped, escaped);
				return false;
			}
		}
	}
	buffer_addz(out, unended);
	return false;
}

static bool scan_number(struct scan *scan, struct buffer *out)
{
	if (peek(scan) == '-')
		scan->at++;
	int first = peek(scan);
	if (first < '0' || first > '9') {
		unexpected(scan, "expected digit (0-9) to follow minus sign, for valid numeric value", out);
		return false;
	}
	scan->at++;
	if (first == '0' && peek(scan) >= '0' && peek(scan) <= '9') {
		buffer_addz(out, "Invalid numeric value: Leading zeroes not allowed");
		return false;
	}
	while (peek(scan) >= 0 && memchr("0123456789.eE+-", peek(scan), 15))
		scan->at++;
	return true;
}

/* true, false, null. */
static bool scan_word(struct scan *scan, struct buffer *out)
{
	static const char *const words[] = { "true", "false", "null" };
	size_t start = scan->at;
	while (peek(scan) >= 0 && (isalnum(peek(scan)) || peek(scan) == '_' || peek(scan) == '$' || peek(scan) >= 0x80))
		scan->at++;
	struct str word = str_sub(scan->text, start, scan->at - start);
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (str_eqz(word, words[i]))
			return true;
	buffer_printf(out, "Unrecognized token '%.*s': was expecting " VALUES, STR_FMT(str_sub(word, 0, 256)));
	return false;
}

/* Key and colon of an object's next member. */
static bool scan_key(struct scan *scan, struct buffer *out)
{
	skip_space(scan);
	if (peek(scan) != '"') {
		unexpected(scan, "was expecting double-quote to start field name", out);
		return false;
	}
	if (!scan_string(scan, "Unexpected end-of-input in field name", out))
		return false;
	skip_space(scan);
	if (peek(scan) != ':') {
		unexpected(scan, "was expecting a colon to separate field name and value", out);
		return false;
	}
	scan->at++;
	return true;
}

/* One value's beginning: a scalar whole, or an opening bracket. *ret_opened: a value or key must follow. False:
 * reported. */
static bool scan_value(struct scan *scan, bool *ret_opened, struct buffer *out)
{
	*ret_opened = false;
	skip_space(scan);
	int c = peek(scan);
	if (c == '"')
		return scan_string(scan, "Unexpected end-of-input: was expecting closing quote for a string value",
				   out);
	if (c == '-' || (c >= '0' && c <= '9'))
		return scan_number(scan, out);
	if (c >= 0 && (isalpha(c) || c == '_' || c == '$'))
		return scan_word(scan, out);
	if (c != '{' && c != '[') {
		unexpected(scan, "expected a valid value " VALUES, out);
		return false;
	}
	if (scan->depth == sizeof scan->nesting) {
		buffer_printf(out, "Document nesting depth exceeds the maximum allowed (%zu)", sizeof scan->nesting);
		return false;
	}
	scan->nesting[scan->depth++] = (unsigned char)c;
	scan->at++;
	skip_space(scan);
	if (peek(scan) == (c == '{' ? '}' : ']')) {
		scan->at++;
		scan->depth--;
		return true;
	}
	*ret_opened = true;
	return c == '[' || scan_key(scan, out);
}

void json_problem(struct str text, struct buffer *out)
{
	struct scan scan = { .text = text };
	size_t before = out->len;
	bool opened;
	do {
		if (!scan_value(&scan, &opened, out))
			return;
		while (!opened && scan.depth) {
			unsigned char nesting = scan.nesting[scan.depth - 1];
			skip_space(&scan);
			if (peek(&scan) == (nesting == '{' ? '}' : ']')) {
				scan.at++;
				scan.depth--;
				continue;
			}
			if (peek(&scan) != ',') {
				unexpected(&scan,
					   nesting == '{' ? "was expecting comma to separate Object entries"
							  : "was expecting comma to separate Array entries",
					   out);
				return;
			}
			scan.at++;
			if (nesting == '{' && !scan_key(&scan, out))
				return;
			opened = true;
		}
	} while (scan.depth);
	if (out->len == before)
		buffer_addz(out, "Invalid execution input.");
}
