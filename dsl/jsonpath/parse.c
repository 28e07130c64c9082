/* parse.c: from a path's text to its tokens.
 *
 *     $.store.book[?(@.price < 10)]..title
 *     root .name .name [filter] scan .name
 *
 * One loop over the text, no recursion but through filters, whose nesting is bounded. What is accepted is what Jayway
 * accepts, with three differences: the States Language's backslash escapes in names after a dot ("$.store\.book"), its
 * roots `$$` and
 * `$name`, and a path must start with `$`. */
#include "dsl/jsonpath/jsonpath.h"
#include <limits.h>

enum { FILTER_DEPTH_MAX = 16 };

struct parser {
	struct arena *arena;
	struct str text;
	size_t at;
	size_t offset;  /* of `text` in the whole expression */
	unsigned depth; /* of filters around this path */
	enum jsonpath_dialect dialect;
	struct expr_problem *problem;
	struct jsonpath_token *tokens;
	uint32_t count, capacity;
};

void *jsonpath_refuse(struct arena *arena, struct expr_problem *ret_problem, size_t offset, size_t length,
		      const char *format, ...)
{
	va_list args;
	va_start(args, format);
	*ret_problem =
	    (struct expr_problem){ .message = arena_vformat(arena, format, args), .offset = offset, .length = length };
	va_end(args);
	return NULL;
}

#define REFUSE(p, ...) (jsonpath_refuse((p)->arena, (p)->problem, (p)->offset + (p)->at, 1, __VA_ARGS__), false)

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static struct str trimmed(struct str text, size_t *ret_skipped)
{
	size_t from = 0, to = text.len;
	while (from < to && is_blank(text.ptr[from]))
		from++;
	while (to > from && is_blank(text.ptr[to - 1]))
		to--;
	*ret_skipped = from;
	return str_sub(text, from, to - from);
}

static bool more(const struct parser *p)
{
	return p->at < p->text.len;
}

/* The byte `ahead` of the current one, NUL past the end (a NUL in the text is no token either). */
static char peek(const struct parser *p, size_t ahead)
{
	return ahead < p->text.len - p->at ? p->text.ptr[p->at + ahead] : '\0';
}

static void skip_blanks(struct parser *p)
{
	while (more(p) && is_blank(peek(p, 0)))
		p->at++;
}

static struct jsonpath_token *add_token(struct parser *p, enum jsonpath_token_kind kind)
{
	if (p->count == p->capacity) {
		uint32_t capacity = p->capacity ? p->capacity * 2 : 8;
		struct jsonpath_token *tokens = ARENA_ARRAY(p->arena, struct jsonpath_token, capacity);
		if (p->count)
			memcpy(tokens, p->tokens, p->count * sizeof(*tokens));
		p->tokens = tokens;
		p->capacity = capacity;
	}
	struct jsonpath_token *token = &p->tokens[p->count++];
	token->kind = kind;
	return token;
}

/* ---- brackets and quotes ------------------------------------------------------------------------ */

/* The index of the byte that ends what opens at `at` with `quote` (a quote or a slash), or SIZE_MAX. */
static size_t closing_quote(struct str text, size_t at, char quote)
{
	for (size_t i = at + 1; i < text.len; i++) {
		if (text.ptr[i] == '\\')
			i++;
		else if (text.ptr[i] == quote)
			return i;
	}
	return SIZE_MAX;
}

size_t jsonpath_closing(struct str text, size_t at, char open, char close, bool patterns)
{
	size_t nesting = 0;
	for (size_t i = at; i < text.len; i++) {
		char c = text.ptr[i];
		if (c == '\'' || c == '"' || (patterns && c == '/')) {
			i = closing_quote(text, i, c);
			if (i == SIZE_MAX)
				return SIZE_MAX;
		} else if (c == open) {
			nesting++;
		} else if (c == close && --nesting == 0) {
			return i;
		}
	}
	return SIZE_MAX;
}

size_t jsonpath_extent(struct str text)
{
	size_t i = 0;
	while (i < text.len && text.ptr[i] != ',' && text.ptr[i] != ')') {
		char c = text.ptr[i];
		size_t end = i;
		if (c == '[')
			end = jsonpath_closing(text, i, '[', ']', true);
		else if (c == '(')
			end = jsonpath_closing(text, i, '(', ')', true);
		else if (c == '\\')
			end = i + 1;
		if (end >= text.len)
			return text.len;
		i = end + 1;
	}
	return i;
}

/* ---- names ---------------------------------------------------------------------------------------- */

/* A quoted name. A backslash escapes the quote and itself; before anything else it stands for itself (so AWS does). */
static bool parse_quoted_name(struct parser *p, struct str *ret_name)
{
	char quote = peek(p, 0);
	size_t end = closing_quote(p->text, p->at, quote);
	if (end == SIZE_MAX)
		return REFUSE(p, "the quoted name is not closed");
	struct str raw = str_sub(p->text, p->at + 1, end - p->at - 1);
	char *name = arena_alloc(p->arena, raw.len + 1);
	size_t len = 0;
	for (size_t i = 0; i < raw.len; i++) {
		if (raw.ptr[i] == '\\' && i + 1 < raw.len && (raw.ptr[i + 1] == quote || raw.ptr[i + 1] == '\\'))
			i++;
		name[len++] = raw.ptr[i];
	}
	*ret_name = (struct str){ name, len };
	p->at = end + 1;
	return true;
}

static bool parse_bracket_names(struct parser *p)
{
	struct str *names = NULL;
	uint32_t count = 0, capacity = 0;
	for (;;) {
		struct str name;
		if (peek(p, 0) != '\'' && peek(p, 0) != '"')
			return REFUSE(p, "expected a quoted name");
		if (!parse_quoted_name(p, &name))
			return false;
		if (count == capacity) {
			capacity = capacity ? capacity * 2 : 1;
			struct str *grown = ARENA_ARRAY(p->arena, struct str, capacity);
			if (count)
				memcpy(grown, names, count * sizeof(*names));
			names = grown;
		}
		names[count++] = name;
		skip_blanks(p);
		if (peek(p, 0) != ',')
			break;
		p->at++;
		skip_blanks(p);
	}
	if (peek(p, 0) != ']')
		return REFUSE(p, "expected ',' or ']' behind the name");
	if (count > 1 && p->dialect == JSONPATH_REFERENCE)
		return REFUSE(p, "several names in one bracket can be more than one node");
	p->at++;
	struct jsonpath_token *token = add_token(p, count == 1 ? JSONPATH_PROPERTY : JSONPATH_PROPERTIES);
	token->name = names[0];
	token->names = names;
	token->count = count;
	return true;
}

/* A name after a dot ends at a dot, a bracket or the end. With "(" behind it, it is a function. */
static bool parse_dot_name(struct parser *p)
{
	size_t start = p->at;
	bool escaped = false, function = false;
	while (more(p)) {
		char c = peek(p, 0);
		if (c == '.' || c == '[')
			break;
		if (is_blank(c))
			return REFUSE(p, "a name with blanks is written ['in brackets']");
		if (c == '(') {
			size_t end = jsonpath_closing(p->text, p->at, '(', ')', false);
			if (end == SIZE_MAX)
				return REFUSE(p, "'(' is not closed");
			p->at = end + 1;
			function = true;
			break;
		}
		if (p->dialect == JSONPATH_REFERENCE && memchr("@,:?*", c, 5))
			return REFUSE(p, "'%c' is not allowed in a name", c);
		if (c == '\\' && p->at + 1 < p->text.len) {
			escaped = true;
			p->at++;
		}
		p->at++;
	}
	struct str name = str_sub(p->text, start, p->at - start);
	if (name.len == 0)
		return REFUSE(p, "expected a name");
	if (function) {
		if (p->dialect == JSONPATH_REFERENCE)
			return REFUSE(p, "functions are not supported");
		add_token(p, JSONPATH_FUNCTION)->name = name;
		return true;
	}
	if (escaped) {
		char *plain = arena_alloc(p->arena, name.len + 1);
		size_t len = 0;
		for (size_t i = 0; i < name.len; i++) {
			if (name.ptr[i] == '\\' && i + 1 < name.len)
				i++;
			plain[len++] = name.ptr[i];
		}
		name = (struct str){ plain, len };
	}
	add_token(p, JSONPATH_PROPERTY)->name = name;
	return true;
}

/* ---- indexes and slices ------------------------------------------------------------------------------ */

/* An optional minus and digits, within 32 bits. */
static bool parse_integer(struct parser *p, int64_t *ret_number)
{
	bool negative = peek(p, 0) == '-';
	size_t digits = negative;
	int64_t number = 0;
	for (char c; (c = peek(p, digits)) >= '0' && c <= '9'; digits++) {
		number = number * 10 + (c - '0');
		if (number > (int64_t)INT_MAX + 1)
			return REFUSE(p, "the index is too large");
	}
	if (digits == (size_t)negative)
		return REFUSE(p, "expected an integer");
	if (!negative && number > INT_MAX)
		return REFUSE(p, "the index is too large");
	p->at += digits;
	*ret_number = negative ? -number : number;
	return true;
}

/* [from:to], one of them at least. A third part (a step) is read and means nothing. */
static bool parse_slice(struct parser *p, size_t end)
{
	struct jsonpath_token slice = { .kind = JSONPATH_SLICE };
	if (p->dialect == JSONPATH_REFERENCE)
		return REFUSE(p, "a slice can be more than one node");
	if (peek(p, 0) != ':') {
		if (!parse_integer(p, &slice.index))
			return false;
		slice.has_from = true;
	}
	if (peek(p, 0) != ':')
		return REFUSE(p, "expected ':' or ']'");
	p->at++;
	if (p->at < end && peek(p, 0) != ':') {
		if (!parse_integer(p, &slice.to))
			return false;
		slice.has_to = true;
	}
	for (int64_t ignored; p->at < end;) {
		if (peek(p, 0) == ':')
			p->at++;
		else if (!parse_integer(p, &ignored))
			return false;
	}
	if (!slice.has_from && !slice.has_to)
		return REFUSE(p, "a slice needs a start or an end");
	p->at = end + 1;
	*add_token(p, JSONPATH_SLICE) = slice;
	return true;
}

static bool parse_indexes(struct parser *p)
{
	const char *close = memchr(p->text.ptr + p->at, ']', p->text.len - p->at);
	if (!close)
		return REFUSE(p, "'[' is not closed");
	size_t end = (size_t)(close - p->text.ptr);
	if (memchr(p->text.ptr + p->at, ':', end - p->at))
		return parse_slice(p, end);

	uint32_t capacity = 1, count = 0;
	for (size_t i = p->at; i < end; i++)
		capacity += p->text.ptr[i] == ',';
	int64_t *indexes = ARENA_ARRAY(p->arena, int64_t, capacity);
	for (;;) {
		skip_blanks(p);
		if (!parse_integer(p, &indexes[count++]))
			return false;
		skip_blanks(p);
		if (peek(p, 0) != ',')
			break;
		p->at++;
	}
	if (p->at != end)
		return REFUSE(p, "expected ',' or ']' behind the index");
	if (count > 1 && p->dialect == JSONPATH_REFERENCE)
		return REFUSE(p, "several indexes can be more than one node");
	p->at = end + 1;
	struct jsonpath_token *token = add_token(p, count == 1 ? JSONPATH_INDEX : JSONPATH_INDEXES);
	token->index = indexes[0];
	token->indexes = indexes;
	token->count = count;
	return true;
}

/* ---- filters and wildcards ---------------------------------------------------------------------------- */

static bool parse_filter(struct parser *p)
{
	if (p->dialect == JSONPATH_REFERENCE)
		return REFUSE(p, "a filter can be more than one node");
	p->at++; /* ? */
	skip_blanks(p);
	if (peek(p, 0) != '(')
		return REFUSE(p, "a filter is written [?(…)]");
	if (p->depth >= FILTER_DEPTH_MAX)
		return REFUSE(p, "filters are nested too deep");
	size_t open = p->at;
	size_t close = jsonpath_closing(p->text, open, '(', ')', true);
	if (close == SIZE_MAX)
		return REFUSE(p, "the filter's '(' is not closed");
	struct str inner = str_sub(p->text, open + 1, close - open - 1);
	const struct jsonpath_filter *filter =
	    jsonpath_filter_compile(p->arena, inner, p->depth + 1, p->offset + open + 1, p->problem);
	if (!filter)
		return false;
	p->at = close + 1;
	skip_blanks(p);
	if (peek(p, 0) != ']')
		return REFUSE(p, "expected ']' behind the filter");
	p->at++;
	add_token(p, JSONPATH_FILTER)->filter = filter;
	return true;
}

static bool parse_wildcard(struct parser *p)
{
	if (p->dialect == JSONPATH_REFERENCE)
		return REFUSE(p, "'*' can be more than one node");
	p->at++;
	add_token(p, JSONPATH_WILDCARD);
	return true;
}

static bool parse_bracket(struct parser *p)
{
	p->at++;
	skip_blanks(p);
	char c = peek(p, 0);
	if (c == '\'' || c == '"')
		return parse_bracket_names(p);
	if (c == '-' || c == ':' || (c >= '0' && c <= '9'))
		return parse_indexes(p);
	if (c == '?')
		return parse_filter(p);
	if (c == '*') {
		if (!parse_wildcard(p))
			return false;
		skip_blanks(p);
		if (peek(p, 0) != ']')
			return REFUSE(p, "expected ']' behind '*'");
		p->at++;
		return true;
	}
	return REFUSE(p, "'[' must be followed by a quoted name, an index, '*' or '?'");
}

static bool parse_tokens(struct parser *p)
{
	while (more(p)) {
		if (peek(p, 0) == '.') {
			p->at++;
			if (peek(p, 0) == '.') {
				if (p->dialect == JSONPATH_REFERENCE)
					return REFUSE(p, "'..' can be more than one node");
				p->at++;
				add_token(p, JSONPATH_SCAN);
			}
			if (!more(p))
				return REFUSE(p, "a path must not end with '.'");
			if (peek(p, 0) == '.')
				return REFUSE(p, "a name cannot start with '.'");
		} else if (peek(p, 0) != '[') {
			return REFUSE(p, "expected '.' or '['");
		}
		bool parsed = peek(p, 0) == '['   ? parse_bracket(p)
			      : peek(p, 0) == '*' ? parse_wildcard(p)
						  : parse_dot_name(p);
		if (!parsed)
			return false;
	}
	return true;
}

/* ---- roots ------------------------------------------------------------------------------------------ */

static bool is_name_byte(char c, bool first)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c >= 0x80 ||
	       (!first && c >= '0' && c <= '9');
}

static bool parse_root(struct parser *p, struct jsonpath *path)
{
	if (peek(p, 0) != '$')
		return REFUSE(p, "a path must start with '$'");
	p->at++;
	path->root = JSONPATH_INPUT;
	if (peek(p, 0) == '$') {
		p->at++;
		path->root = JSONPATH_CONTEXT;
	} else if (is_name_byte(peek(p, 0), true)) {
		size_t start = p->at;
		while (more(p) && is_name_byte(peek(p, 0), false))
			p->at++;
		path->root = JSONPATH_VARIABLE;
		path->variable = str_sub(p->text, start, p->at - start);
	}
	return true;
}

static struct jsonpath *finish(struct parser *p, struct jsonpath *path)
{
	bool definite = true;
	for (uint32_t i = 0; i < p->count; i++) {
		struct jsonpath_token *token = &p->tokens[i];
		token->upstream_definite = definite;
		switch (token->kind) {
		case JSONPATH_PROPERTY:
		case JSONPATH_INDEX:
		case JSONPATH_FUNCTION:
			break;
		case JSONPATH_PROPERTIES:
			/* At the end they are merged into one object: one node. */
			definite = definite && i + 1 == p->count;
			break;
		case JSONPATH_INDEXES:
		case JSONPATH_SLICE:
		case JSONPATH_WILDCARD:
		case JSONPATH_SCAN:
		case JSONPATH_FILTER:
			definite = false;
			break;
		}
	}
	path->text = p->text;
	path->tokens = p->tokens;
	path->count = p->count;
	path->definite = definite;
	return path;
}

struct jsonpath *jsonpath_compile(struct arena *arena, struct str text, enum jsonpath_dialect dialect,
				  struct expr_problem *ret_problem)
{
	struct parser p = { .arena = arena, .dialect = dialect, .problem = ret_problem };
	p.text = arena_str(arena, trimmed(text, &p.offset));
	struct jsonpath *path = ARENA_NEW(arena, struct jsonpath);
	if (!parse_root(&p, path) || !parse_tokens(&p))
		return NULL;
	return finish(&p, path);
}

struct jsonpath *jsonpath_compile_inner(struct arena *arena, struct str text, unsigned depth, size_t offset,
					struct expr_problem *ret_problem)
{
	struct parser p = { .arena = arena, .text = text, .offset = offset, .depth = depth, .problem = ret_problem };
	struct jsonpath *path = ARENA_NEW(arena, struct jsonpath);
	path->root = peek(&p, 0) == '@' ? JSONPATH_ITEM : JSONPATH_INPUT;
	p.at = 1; /* the caller saw `@` or `$` */
	if (!parse_tokens(&p))
		return NULL;
	return finish(&p, path);
}
