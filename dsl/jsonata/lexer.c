/* lexer.c: from text to tokens.
 *
 * A name runs until white space or a character that begins an operator, so it may hold anything else. Positions are
 * kept in bytes; what people see is counted in UTF-16 units from the start to the token's END, as the reference does.
 */
#include "dsl/jsonata/syntax.h"
#include "dsl/jsonata/text.h"
#include "base/buffer.h"
#include "base/mem.h"
#include <math.h>
#include <stdlib.h>

static const char *const operator_texts[OPERATOR_COUNT] = {
#define X(name, text, power) [OP_##name] = text,
	OPERATORS(X)
#undef X
};

const char *operator_text(enum operator op)
{
	return operator_texts[op] ? operator_texts[op] : "";
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\v';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* The longest operator of signs that begins at `text`; words are names first. */
static enum operator match_operator(struct str text, enum jsonata_flavour flavour)
{
	enum operator found = OP_NONE;
	size_t longest = 0;
	for (int op = OP_NONE + 1; op < OPERATOR_COUNT; op++) {
		struct str sign = str_of(operator_texts[op]);
		if (sign.ptr[0] >= 'a' && sign.ptr[0] <= 'z')
			continue;
		if (flavour == JSONATA_STATES && (op == OP_ELVIS || op == OP_COALESCE))
			continue; /* of 2.1 and later */
		if (sign.len > longest && str_starts(text, sign)) {
			found = (enum operator)op;
			longest = sign.len;
		}
	}
	return found;
}

static bool begins_operator(char c)
{
	return c != '\0' && strchr(".[]{}(),@#;:?+-*/%|=<>^&!~", c) != NULL;
}

static void skip_blank(struct compiler *c)
{
	for (;;) {
		while (c->at < c->text.len && is_space(c->text.ptr[c->at]))
			c->at++;
		if (!str_starts(str_sub(c->text, c->at, 2), STR("/*")))
			return;
		size_t start = c->at;
		const char *end = memmem(c->text.ptr + start + 2, c->text.len - start - 2, "*/", 2);
		if (!end)
			compile_fail(c, JSONATA_S0106, start, start, NULL, NULL);
		c->at = (size_t)(end - c->text.ptr) + 2;
	}
}

/* ---- strings --------------------------------------------------------------------------- */

static int hex4(struct str text)
{
	if (text.len < 4)
		return -1;
	int number = 0;
	for (int i = 0; i < 4; i++) {
		char c = text.ptr[i];
		int digit = is_digit(c) ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
		if (digit < 0)
			return -1;
		number = number * 16 + digit;
	}
	return number;
}

static struct token read_string(struct compiler *c)
{
	static const char escapes[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
	size_t start = c->at;
	char quote = c->text.ptr[c->at++];
	_cleanup_(buffer_done) struct buffer out = { 0 };
	while (c->at < c->text.len && c->text.ptr[c->at] != quote) {
		char byte = c->text.ptr[c->at++];
		if (byte != '\\') {
			buffer_byte(&out, byte);
			continue;
		}
		struct str rest = str_sub(c->text, c->at, c->text.len);
		const char *meaning = rest.len && rest.ptr[0] ? strchr(escapes, rest.ptr[0]) : NULL;
		if (meaning) {
			buffer_byte(&out, meanings[meaning - escapes]);
			c->at++;
		} else if (rest.len && rest.ptr[0] == 'u') {
			int unit = hex4(str_sub(rest, 1, 4));
			if (unit < 0) {
				buffer_done(&out);
				compile_fail(c, JSONATA_S0104, start, c->at, NULL, NULL);
			}
			char utf8[4];
			wtf8_append(&out, (struct str){ utf8, utf8_encode((uint32_t)unit, utf8) });
			c->at += 5;
		} else {
			struct str token = str_sub(rest, 0, rest.len ? character_length(rest) : 0);
			buffer_done(&out);
			compile_fail(c, JSONATA_S0103, start, c->at, &token, NULL);
		}
	}
	if (c->at >= c->text.len) {
		buffer_done(&out);
		compile_fail(c, JSONATA_S0101, start, c->text.len, NULL, NULL);
	}
	c->at++;
	return (struct token){
		.kind = TOKEN_STRING, .start = start, .end = c->at, .text = arena_str(c->arena, buffer_str(&out))
	};
}

/* ---- numbers, regular expressions, names ----------------------------------------------- */

static size_t digits(struct str text, size_t at)
{
	while (at < text.len && is_digit(text.ptr[at]))
		at++;
	return at;
}

static struct token read_number(struct compiler *c)
{
	struct str text = c->text;
	size_t start = c->at, at = text.ptr[start] == '0' ? start + 1 : digits(text, start);
	if (at + 1 < text.len && text.ptr[at] == '.' && is_digit(text.ptr[at + 1]))
		at = digits(text, at + 1);
	if (at < text.len && (text.ptr[at] | 32) == 'e') {
		size_t exponent = at + 1;
		if (exponent < text.len && (text.ptr[exponent] == '+' || text.ptr[exponent] == '-'))
			exponent++;
		if (exponent < text.len && is_digit(text.ptr[exponent]))
			at = digits(text, exponent);
	}
	struct str digits_text = str_sub(text, start, at - start);
	double number = strtod(arena_strdup(c->arena, digits_text), NULL);
	if (!isfinite(number))
		compile_fail(c, JSONATA_S0102, start, start, &digits_text, NULL);
	c->at = at;
	return (struct token){ .kind = TOKEN_NUMBER, .start = start, .end = at, .number = number, .text = digits_text };
}

static bool escaped(struct str text, size_t at)
{
	size_t slashes = 0;
	while (at > slashes && text.ptr[at - slashes - 1] == '\\')
		slashes++;
	return slashes % 2 == 1;
}

/* A slash ends the pattern unless it is escaped or inside brackets. */
static struct token read_regex(struct compiler *c)
{
	struct str text = c->text;
	size_t start = c->at;
	int depth = 0;
	for (size_t at = start + 1; at < text.len; at++) {
		char byte = text.ptr[at];
		if (byte == '/' && depth == 0 && !escaped(text, at)) {
			if (at == start + 1)
				compile_fail(c, JSONATA_S0301, start, at, NULL, NULL);
			struct token token = { .kind = TOKEN_REGEX,
					       .start = start,
					       .text = str_sub(text, start + 1, at - start - 1) };
			for (at++; at < text.len && (text.ptr[at] == 'i' || text.ptr[at] == 'm'); at++) {
				token.ignore_case |= text.ptr[at] == 'i';
				token.multiline |= text.ptr[at] == 'm';
			}
			token.end = c->at = at;
			return token;
		}
		if (text.ptr[at - 1] == '\\')
			continue;
		if (byte == '(' || byte == '[' || byte == '{')
			depth++;
		if (byte == ')' || byte == ']' || byte == '}')
			depth--;
	}
	compile_fail(c, JSONATA_S0302, start, text.len, NULL, NULL);
}

static struct token read_quoted_name(struct compiler *c)
{
	size_t start = c->at + 1;
	const char *end = memchr(c->text.ptr + start, '`', c->text.len - start);
	if (!end)
		compile_fail(c, JSONATA_S0105, start, c->text.len, NULL, NULL);
	size_t len = (size_t)(end - c->text.ptr) - start;
	c->at = start + len + 1;
	return (
	    struct token){ .kind = TOKEN_NAME, .start = start - 1, .end = c->at, .text = str_sub(c->text, start, len) };
}

static struct token read_word(struct compiler *c)
{
	size_t start = c->at, at = start;
	while (at < c->text.len && !is_space(c->text.ptr[at]) && !begins_operator(c->text.ptr[at]))
		at++;
	c->at = at;
	struct str word = str_sub(c->text, start, at - start);
	struct token token = { .kind = TOKEN_NAME, .start = start, .end = at, .text = word };
	if (word.ptr[0] == '$') {
		token.kind = TOKEN_VARIABLE;
		token.text = str_sub(word, 1, word.len);
	} else if (str_eqz(word, "and")) {
		token.kind = TOKEN_OPERATOR, token.op = OP_AND;
	} else if (str_eqz(word, "or")) {
		token.kind = TOKEN_OPERATOR, token.op = OP_OR;
	} else if (str_eqz(word, "in")) {
		token.kind = TOKEN_OPERATOR, token.op = OP_IN;
	} else if (str_eqz(word, "true") || str_eqz(word, "false") || str_eqz(word, "null")) {
		token.kind = TOKEN_VALUE;
	}
	return token;
}

struct token lexer_next(struct compiler *c, bool operand)
{
	skip_blank(c);
	if (c->at >= c->text.len)
		return (
		    struct token){ .kind = TOKEN_END, .start = c->text.len, .end = c->text.len, .text = STR("(end)") };
	char first = c->text.ptr[c->at];
	if (operand && first == '/')
		return read_regex(c);
	enum operator op = match_operator(str_sub(c->text, c->at, 2), c->flavour);
	if (op) {
		struct str sign = str_of(operator_texts[op]);
		c->at += sign.len;
		return (struct token){
			.kind = TOKEN_OPERATOR, .op = op, .start = c->at - sign.len, .end = c->at, .text = sign
		};
	}
	if (first == '"' || first == '\'')
		return read_string(c);
	if (is_digit(first))
		return read_number(c);
	if (first == '`')
		return read_quoted_name(c);
	return read_word(c);
}
