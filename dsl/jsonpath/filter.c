/* filter.c: compiles filter expressions.
 *
 *     or      = and ("||" and)*
 *     and     = operand ("&&" operand)*
 *     operand = "!" operand | "(" or ")" | test
 *     test    = value operator value | path | "!" path        the latter two ask whether the path finds something
 *     value   = path | 'text' | "text" | number | true | false | null | [json] | {json} | /pattern/flags | word
 *
 * A bare word stands for itself as text: state machines are written like that ([?(@.Name == Receipt)]). The recursion
 * is bounded: parentheses and negations count as nesting. */
#include "dsl/jsonpath/filter.h"

enum { NESTING_MAX = 64 };

struct parser {
	struct arena *arena;
	struct str text;
	size_t at;
	size_t offset;  /* of `text` in the whole expression */
	unsigned depth; /* of filters around */
	unsigned nesting;
	struct expr_problem *problem;
};

#define REFUSE(p, ...) (jsonpath_refuse((p)->arena, (p)->problem, (p)->offset + (p)->at, 1, __VA_ARGS__), false)
#define REFUSE_FILTER(p, ...)                                                                                          \
	((struct jsonpath_filter *)jsonpath_refuse((p)->arena, (p)->problem, (p)->offset + (p)->at, 1, __VA_ARGS__))

static char peek(const struct parser *p, size_t ahead)
{
	return ahead < p->text.len - p->at ? p->text.ptr[p->at + ahead] : '\0';
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_comparison(char c)
{
	return c == '<' || c == '>' || c == '=' || c == '~' || c == '!';
}

static void skip_blanks(struct parser *p)
{
	while (p->at < p->text.len && is_blank(p->text.ptr[p->at]))
		p->at++;
}

static bool take(struct parser *p, const char *text)
{
	skip_blanks(p);
	struct str wanted = str_of(text);
	if (!str_starts(str_sub(p->text, p->at, SIZE_MAX), wanted))
		return false;
	p->at += wanted.len;
	return true;
}

/* ---- values ---------------------------------------------------------------------------------------- */

static void release_value(void *value)
{
	value_unref(value);
}

static void release_pattern(void *pattern)
{
	pcre2_code_free(pattern);
}

static bool hold(struct parser *p, struct value *value, struct filter_operand *ret_operand)
{
	arena_on_reset(p->arena, release_value, value);
	*ret_operand = (struct filter_operand){ .kind = OPERAND_VALUE, .value = value };
	return true;
}

struct value *filter_number(struct arena *arena, struct str text)
{
	struct buffer token = { 0 };
	size_t i = 0, digits = 0;
	if (i < text.len && (text.ptr[i] == '-' || text.ptr[i] == '+')) {
		if (text.ptr[i] == '-')
			buffer_byte(&token, '-');
		i++;
	}
	while (i + 1 < text.len && text.ptr[i] == '0' && is_digit(text.ptr[i + 1]))
		i++;
	size_t whole = i;
	for (; i < text.len && is_digit(text.ptr[i]); i++, digits++)
		;
	buffer_add(&token, digits ? str_sub(text, whole, digits) : STR("0"));
	if (i < text.len && text.ptr[i] == '.') {
		size_t fraction = ++i;
		for (; i < text.len && is_digit(text.ptr[i]); i++, digits++)
			;
		if (i > fraction) {
			buffer_byte(&token, '.');
			buffer_add(&token, str_sub(text, fraction, i - fraction));
		}
	}
	bool valid = digits > 0;
	if (valid && i < text.len && (text.ptr[i] == 'e' || text.ptr[i] == 'E')) {
		size_t exponent = i++;
		if (i < text.len && (text.ptr[i] == '-' || text.ptr[i] == '+'))
			i++;
		valid = i < text.len && is_digit(text.ptr[i]);
		while (i < text.len && is_digit(text.ptr[i]))
			i++;
		buffer_add(&token, str_sub(text, exponent, i - exponent));
	}
	struct value *number = valid && i == text.len ? value_from_number_text(buffer_str(&token)) : NULL;
	buffer_done(&token);
	return number;
}

static bool parse_number(struct parser *p, struct filter_operand *ret_operand)
{
	size_t start = p->at;
	while (is_digit(peek(p, 0)) || (peek(p, 0) && memchr("-+.eE", peek(p, 0), 5)))
		p->at++;
	struct value *number = filter_number(p->arena, str_sub(p->text, start, p->at - start));
	return number ? hold(p, number, ret_operand) : REFUSE(p, "expected a value");
}

static void add_utf8(struct buffer *out, uint32_t code)
{
	if (code < 0x80) {
		buffer_byte(out, (char)code);
	} else if (code < 0x800) {
		buffer_byte(out, (char)(0xc0 | code >> 6));
		buffer_byte(out, (char)(0x80 | (code & 0x3f)));
	} else if (code < 0x10000) {
		buffer_byte(out, (char)(0xe0 | code >> 12));
		buffer_byte(out, (char)(0x80 | (code >> 6 & 0x3f)));
		buffer_byte(out, (char)(0x80 | (code & 0x3f)));
	} else {
		buffer_byte(out, (char)(0xf0 | code >> 18));
		buffer_byte(out, (char)(0x80 | (code >> 12 & 0x3f)));
		buffer_byte(out, (char)(0x80 | (code >> 6 & 0x3f)));
		buffer_byte(out, (char)(0x80 | (code & 0x3f)));
	}
}

/* Four hexadecimal digits at `at`, or -1. */
static int32_t hex4(struct str text, size_t at)
{
	int32_t number = 0;
	if (text.len < 4 || at > text.len - 4)
		return -1;
	for (size_t i = at; i < at + 4; i++) {
		char c = text.ptr[i];
		int digit = is_digit(c)            ? c - '0'
			    : c >= 'a' && c <= 'f' ? c - 'a' + 10
			    : c >= 'A' && c <= 'F' ? c - 'A' + 10
						   : -1;
		if (digit < 0)
			return -1;
		number = number * 16 + digit;
	}
	return number;
}

/* What a backslash at text[i] stands for; returns how many bytes it took. */
static size_t unescape(struct str text, size_t i, struct buffer *out)
{
	static const char plain[] = "bfnrt", meaning[] = "\b\f\n\r\t";
	if (i + 1 >= text.len) {
		buffer_byte(out, '\\');
		return 1;
	}
	char c = text.ptr[i + 1];
	const char *known = c ? strchr(plain, c) : NULL;
	if (known) {
		buffer_byte(out, meaning[known - plain]);
		return 2;
	}
	int32_t unit = c == 'u' ? hex4(text, i + 2) : -1;
	if (unit < 0) {
		buffer_byte(out, c);
		return 2;
	}
	int32_t low =
	    unit >= 0xd800 && unit < 0xdc00 && i + 7 < text.len && text.ptr[i + 6] == '\\' && text.ptr[i + 7] == 'u'
		? hex4(text, i + 8)
		: -1;
	if (low >= 0xdc00 && low < 0xe000) {
		add_utf8(out, 0x10000 + (((uint32_t)unit - 0xd800) << 10) + ((uint32_t)low - 0xdc00));
		return 12;
	}
	add_utf8(out, (uint32_t)unit);
	return 6;
}

static bool parse_string(struct parser *p, struct filter_operand *ret_operand)
{
	char quote = peek(p, 0);
	size_t end = p->at + 1;
	while (end < p->text.len && p->text.ptr[end] != quote)
		end += p->text.ptr[end] == '\\' ? 2 : 1;
	if (end >= p->text.len)
		return REFUSE(p, "the text is not closed");
	struct str raw = str_sub(p->text, p->at + 1, end - p->at - 1);
	struct buffer plain = { 0 };
	for (size_t i = 0; i < raw.len;) {
		if (raw.ptr[i] == '\\') {
			i += unescape(raw, i, &plain);
		} else {
			buffer_byte(&plain, raw.ptr[i++]);
		}
	}
	p->at = end + 1;
	struct value *value = value_from_string(buffer_str(&plain));
	buffer_done(&plain);
	return hold(p, value, ret_operand);
}

/* [1, 'a'] or {"k": "v"}: JSON, but quotes may be single ones. */
static bool parse_json(struct parser *p, struct filter_operand *ret_operand)
{
	char open = peek(p, 0);
	size_t end = jsonpath_closing(p->text, p->at, open, open == '[' ? ']' : '}', false);
	if (end == SIZE_MAX)
		return REFUSE(p, "'%c' is not closed", open);
	struct str raw = str_sub(p->text, p->at, end + 1 - p->at);
	struct buffer json = { 0 };
	char quote = '\0';
	for (size_t i = 0; i < raw.len; i++) {
		char c = raw.ptr[i];
		if (c == '\\' && i + 1 < raw.len) {
			if (raw.ptr[i + 1] != '\'')
				buffer_byte(&json, c);
			c = raw.ptr[++i];
		} else if (!quote && (c == '\'' || c == '"')) {
			quote = c;
			c = '"';
		} else if (quote && c == quote) {
			quote = '\0';
			c = '"';
		} else if (quote == '\'' && c == '"') {
			buffer_byte(&json, '\\');
		}
		buffer_byte(&json, c);
	}
	struct value *value = NULL;
	struct wf_error err;
	int r = value_parse(buffer_str(&json), NULL, &value, &err);
	buffer_done(&json);
	if (r < 0)
		return REFUSE(p, "not JSON: %s", err.message);
	p->at = end + 1;
	return hold(p, value, ret_operand);
}

/* /pattern/flags, matched against the whole text. */
static bool parse_pattern(struct parser *p, struct filter_operand *ret_operand)
{
	static const struct {
		char letter;
		uint32_t option;
	} flags[] = {
		{ 'i', PCRE2_CASELESS },
		{ 'm', PCRE2_MULTILINE },
		{ 's', PCRE2_DOTALL },
		{ 'x', PCRE2_EXTENDED },
		{ 'u', 0 },
		{ 'd', 0 },
		{ 'U', PCRE2_UCP },
	};
	size_t end = p->at + 1;
	while (end < p->text.len && p->text.ptr[end] != '/')
		end += p->text.ptr[end] == '\\' ? 2 : 1;
	if (end >= p->text.len)
		return REFUSE(p, "the pattern is not closed");
	struct str raw = str_sub(p->text, p->at + 1, end - p->at - 1);
	uint32_t options =
	    PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C;
	for (end++; end < p->text.len && is_letter(p->text.ptr[end]); end++) {
		size_t i = 0;
		while (i < sizeof(flags) / sizeof(*flags) && flags[i].letter != p->text.ptr[end])
			i++;
		if (i == sizeof(flags) / sizeof(*flags))
			return REFUSE(p, "'%c' is no flag of a pattern", p->text.ptr[end]);
		options |= flags[i].option;
	}
	int error;
	PCRE2_SIZE error_offset;
	pcre2_code *pattern = pcre2_compile((PCRE2_SPTR)raw.ptr, raw.len, options, &error, &error_offset, NULL);
	if (!pattern) {
		char why[128] = "";
		pcre2_get_error_message(error, (PCRE2_UCHAR *)why, sizeof(why));
		return REFUSE(p, "not a regular expression: %s", why);
	}
	arena_on_reset(p->arena, release_pattern, pattern);
	p->at = end;
	*ret_operand = (struct filter_operand){ .kind = OPERAND_PATTERN, .pattern = pattern };
	return true;
}

static bool parse_word(struct parser *p, struct filter_operand *ret_operand)
{
	size_t start = p->at;
	while (is_letter(peek(p, 0)) || is_digit(peek(p, 0)) || peek(p, 0) == '-' || (peek(p, 0) & 0x80))
		p->at++;
	struct str word = str_sub(p->text, start, p->at - start);
	if (str_eq(word, STR("true")) || str_eq(word, STR("false")))
		return hold(p, value_new_bool(word.ptr[0] == 't'), ret_operand);
	if (str_eq(word, STR("null")))
		return hold(p, value_new_null(), ret_operand);
	return hold(p, value_from_string(word), ret_operand);
}

/* A path ends at a blank, a comparison, `&&`, `||`, or a parenthesis that it did not open. */
static bool parse_path(struct parser *p, struct filter_operand *ret_operand)
{
	size_t start = p->at++;
	while (p->at < p->text.len) {
		char c = peek(p, 0);
		if (c == '[' || c == '(') {
			size_t end = jsonpath_closing(p->text, p->at, c, c == '[' ? ']' : ')', c == '[');
			if (end == SIZE_MAX)
				return REFUSE(p, "'%c' is not closed", c);
			p->at = end + 1;
			continue;
		}
		if (is_blank(c) || is_comparison(c) || c == ')' || (c == '&' && peek(p, 1) == '&') ||
		    (c == '|' && peek(p, 1) == '|'))
			break;
		p->at++;
	}
	struct str text = str_sub(p->text, start, p->at - start);
	const struct jsonpath *path = jsonpath_compile_inner(p->arena, text, p->depth, p->offset + start, p->problem);
	*ret_operand = (struct filter_operand){ .kind = OPERAND_PATH, .path = path };
	return path != NULL;
}

static bool parse_value(struct parser *p, struct filter_operand *ret_operand)
{
	skip_blanks(p);
	char c = peek(p, 0);
	if (c == '@' || c == '$')
		return parse_path(p, ret_operand);
	if (c == '\'' || c == '"')
		return parse_string(p, ret_operand);
	if (c == '[' || c == '{')
		return parse_json(p, ret_operand);
	if (c == '/')
		return parse_pattern(p, ret_operand);
	if (is_letter(c) || (c & 0x80))
		return parse_word(p, ret_operand);
	return parse_number(p, ret_operand);
}

/* ---- operators and logic --------------------------------------------------------------------------------- */

static bool same_word(struct str text, const char *word)
{
	if (text.len != strlen(word))
		return false;
	for (size_t i = 0; i < text.len; i++)
		if ((is_letter(text.ptr[i]) ? (text.ptr[i] | 0x20) : text.ptr[i]) != word[i])
			return false;
	return true;
}

/* False, and nothing read, when there is no operator here. */
static bool parse_operator(struct parser *p, enum filter_operator *ret_operator)
{
	static const char *const texts[] = {
#define X(text, name) text,
		FILTER_OPERATORS(X)
#undef X
	};
	skip_blanks(p);
	size_t end = p->at;
	bool (*belongs)(char) = is_comparison(peek(p, 0)) ? is_comparison : is_letter;
	while (end < p->text.len && belongs(p->text.ptr[end]))
		end++;
	struct str written = str_sub(p->text, p->at, end - p->at);
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		if (same_word(written, texts[i])) {
			*ret_operator = (enum filter_operator)i;
			p->at = end;
			return true;
		}
	}
	return false;
}

static struct jsonpath_filter *parse_or(struct parser *p);

static struct jsonpath_filter *parse_test(struct parser *p, bool negated)
{
	struct jsonpath_filter *test = ARENA_NEW(p->arena, struct jsonpath_filter);
	if (!parse_value(p, &test->left))
		return NULL;
	size_t behind = p->at;
	if (!negated && parse_operator(p, &test->operator)) {
		test->kind = FILTER_COMPARE;
		if (!parse_value(p, &test->right))
			return NULL;
		if (test->right.kind == OPERAND_PATTERN && test->left.kind == OPERAND_PATTERN)
			return REFUSE_FILTER(p, "a pattern cannot be compared with a pattern");
		return test;
	}
	p->at = behind;
	if (test->left.kind != OPERAND_PATH)
		return REFUSE_FILTER(p, "expected an operator behind the value");
	test->kind = negated ? FILTER_ABSENT : FILTER_EXISTS;
	return test;
}

static struct jsonpath_filter *parse_operand(struct parser *p)
{
	struct jsonpath_filter *inner;
	if (++p->nesting > NESTING_MAX)
		return REFUSE_FILTER(p, "the filter is nested too deep");
	if (take(p, "!")) {
		skip_blanks(p);
		if (peek(p, 0) == '@' || peek(p, 0) == '$') {
			inner = parse_test(p, true);
		} else {
			struct jsonpath_filter *not = ARENA_NEW(p->arena, struct jsonpath_filter);
			not ->kind = FILTER_NOT;
			not ->first = parse_operand(p);
			inner = not ->first ? not : NULL;
		}
	} else if (take(p, "(")) {
		inner = parse_or(p);
		if (inner && !take(p, ")"))
			inner = REFUSE_FILTER(p, "expected ')'");
	} else {
		inner = parse_test(p, false);
	}
	p->nesting--;
	return inner;
}

/* operand (separator operand)*; a single one stands for itself. */
static struct jsonpath_filter *parse_list(struct parser *p, const char *separator, int kind,
					  struct jsonpath_filter *(*parse_one)(struct parser *))
{
	struct jsonpath_filter *first = parse_one(p), *last = first;
	if (!first || !take(p, separator))
		return first;
	do {
		struct jsonpath_filter *one = parse_one(p);
		if (!one)
			return NULL;
		last->next = one;
		last = one;
	} while (take(p, separator));
	struct jsonpath_filter *list = ARENA_NEW(p->arena, struct jsonpath_filter);
	list->kind = kind;
	list->first = first;
	return list;
}

static struct jsonpath_filter *parse_and(struct parser *p)
{
	return parse_list(p, "&&", FILTER_AND, parse_operand);
}

static struct jsonpath_filter *parse_or(struct parser *p)
{
	return parse_list(p, "||", FILTER_OR, parse_and);
}

struct jsonpath_filter *jsonpath_filter_compile(struct arena *arena, struct str text, unsigned depth, size_t offset,
						struct expr_problem *ret_problem)
{
	struct parser p = { .arena = arena, .text = text, .offset = offset, .depth = depth, .problem = ret_problem };
	struct jsonpath_filter *filter = parse_or(&p);
	if (!filter)
		return NULL;
	skip_blanks(&p);
	if (p.at < text.len)
		return REFUSE_FILTER(&p, "expected '&&', '||' or the end of the filter");
	return filter;
}
