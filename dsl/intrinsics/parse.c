/* parse.c: from "States.Format('…', $.a)" to a call tree. Recursion is bounded by the largest limit intrinsic_depth. */
#include "dsl/intrinsics/intrinsics.h"

enum { DEPTH_MAX = 100 };

struct parser {
	struct arena *arena;
	struct str text;
	size_t at;
	unsigned depth;
	struct expr_problem *problem;
};

#define REFUSE(p, ...) (jsonpath_refuse((p)->arena, (p)->problem, (p)->at, 1, __VA_ARGS__), false)

#define REFUSE_CALL(p, ...)                                                                                            \
	((struct intrinsic_call *)jsonpath_refuse((p)->arena, (p)->problem, (p)->at, 1, __VA_ARGS__))

static struct intrinsic_call *parse_call(struct parser *p);

static char peek(const struct parser *p)
{
	return p->at < p->text.len ? p->text.ptr[p->at] : '\0';
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_name_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_';
}

static void skip_blanks(struct parser *p)
{
	while (p->at < p->text.len && is_blank(p->text.ptr[p->at]))
		p->at++;
}

static void release_value(void *value)
{
	value_unref(value);
}

static bool hold(struct parser *p, struct value *value, struct intrinsic_argument *argument)
{
	arena_on_reset(p->arena, release_value, value);
	argument->kind = ARGUMENT_CONSTANT;
	argument->constant = value;
	return true;
}

static bool parse_text(struct parser *p, struct intrinsic_argument *argument)
{
	size_t start = ++p->at;
	char *plain = arena_alloc(p->arena, p->text.len - start + 1);
	size_t len = 0;
	while (p->at < p->text.len && peek(p) != '\'') {
		if (peek(p) == '\\') {
			char escaped = p->at + 1 < p->text.len ? p->text.ptr[p->at + 1] : '\0';
			if (escaped == '\0' || !strchr("'{}\\", escaped))
				return REFUSE(p, "a backslash must stand before one of ' { } \\");
			p->at++;
		}
		plain[len++] = p->text.ptr[p->at++];
	}
	if (p->at >= p->text.len)
		return REFUSE(p, "the text is not closed by '");
	argument->raw = str_sub(p->text, start, p->at - start);
	p->at++;
	return hold(p, value_from_string((struct str){ plain, len }), argument);
}

/* A number, true, false or null: exactly JSON's. */
static bool parse_literal(struct parser *p, struct intrinsic_argument *argument)
{
	size_t start = p->at;
	while (is_name_byte(peek(p)) || peek(p) == '-' || peek(p) == '+')
		p->at++;
	struct str literal = str_sub(p->text, start, p->at - start);
	struct value *value = NULL;
	if (literal.len == 0 || value_parse(literal, NULL, &value, NULL) < 0) {
		p->at = start;
		return REFUSE(p, "expected a 'text', a number, true, false, null, a path or a function");
	}
	return hold(p, value, argument);
}

static bool parse_path(struct parser *p, struct intrinsic_argument *argument)
{
	struct str text = str_sub(p->text, p->at, jsonpath_extent(str_sub(p->text, p->at, SIZE_MAX)));
	argument->kind = ARGUMENT_PATH;
	argument->path = jsonpath_compile(p->arena, text, JSONPATH_PATH, p->problem);
	if (!argument->path) {
		p->problem->offset += p->at;
		return false;
	}
	p->at += text.len;
	return true;
}

static bool parse_argument(struct parser *p, struct intrinsic_argument *argument)
{
	skip_blanks(p);
	if (peek(p) == '\'')
		return parse_text(p, argument);
	if (peek(p) == '$')
		return parse_path(p, argument);
	if (str_starts(str_sub(p->text, p->at, SIZE_MAX), STR("States."))) {
		argument->kind = ARGUMENT_CALL;
		argument->call = parse_call(p);
		return argument->call != NULL;
	}
	return parse_literal(p, argument);
}

static bool parse_name(struct parser *p, struct intrinsic_call *call)
{
	size_t start = p->at;
	while (is_name_byte(peek(p)))
		p->at++;
	struct str name = str_sub(p->text, start, p->at - start);
	for (unsigned i = 0; i < intrinsic_rows_count; i++)
		if (str_eqz(name, intrinsic_rows[i].name))
			call->row = &intrinsic_rows[i];
	if (call->row)
		return true;
	p->at = start;
	if (name.len == 0)
		return REFUSE(p, "expected a path that starts with '$' or a function like States.Format(…)");
	return REFUSE(p, "'%.*s' is no intrinsic function", STR_FMT(name));
}

static bool parse_arguments(struct parser *p, struct intrinsic_call *call)
{
	struct intrinsic_argument *arguments = NULL;
	uint32_t capacity = 0;
	if (peek(p) != '(')
		return REFUSE(p, "expected '(' behind %s", call->row->name);
	p->at++;
	skip_blanks(p);
	call->depth = 1;
	while (peek(p) != ')') {
		if (call->count > 0) {
			if (peek(p) != ',')
				return REFUSE(p, "expected ',' or ')'");
			p->at++;
		}
		if (call->count == capacity) {
			capacity = capacity ? capacity * 2 : 4;
			struct intrinsic_argument *grown = ARENA_ARRAY(p->arena, struct intrinsic_argument, capacity);
			if (call->count)
				memcpy(grown, arguments, call->count * sizeof(*arguments));
			arguments = grown;
		}
		struct intrinsic_argument *argument = &arguments[call->count];
		if (!parse_argument(p, argument))
			return false;
		call->count++;
		if (argument->kind == ARGUMENT_CALL && argument->call->depth >= call->depth)
			call->depth = argument->call->depth + 1;
		skip_blanks(p);
	}
	p->at++;
	call->arguments = arguments;
	return true;
}

/* "2 arguments", "at least 1 argument", "2 or 3 arguments" */
static const char *arguments_wanted(struct parser *p, const struct intrinsic_row *row)
{
	if (row->most == INTRINSIC_MANY)
		return arena_printf(p->arena, "at least %u argument%s", row->least, row->least == 1 ? "" : "s");
	if (row->most != row->least)
		return arena_printf(p->arena, "%u or %u arguments", row->least, row->most);
	return arena_printf(p->arena, "%u argument%s", row->least, row->least == 1 ? "" : "s");
}

static struct intrinsic_call *parse_call(struct parser *p)
{
	struct intrinsic_call *call = ARENA_NEW(p->arena, struct intrinsic_call);
	size_t start = p->at;
	if (++p->depth > DEPTH_MAX)
		return REFUSE_CALL(p, "functions are nested too deep");
	if (!parse_name(p, call) || !parse_arguments(p, call))
		return NULL;
	p->depth--;
	if (call->count < call->row->least || call->count > call->row->most) {
		p->at = start;
		return REFUSE_CALL(p, "%s takes %s, not %u", call->row->name, arguments_wanted(p, call->row),
				   call->count);
	}
	call->text = str_sub(p->text, start, p->at - start);
	return call;
}

struct intrinsic_call *intrinsic_compile(struct arena *arena, struct str text, struct expr_problem *ret_problem)
{
	struct parser p = { .arena = arena, .text = arena_str(arena, text), .problem = ret_problem };
	skip_blanks(&p);
	struct intrinsic_call *call = parse_call(&p);
	if (!call)
		return NULL;
	skip_blanks(&p);
	if (p.at < p.text.len)
		return REFUSE_CALL(&p, "expected nothing behind the function");
	return call;
}

void intrinsic_paths(const struct intrinsic_call *call, void (*visit)(void *data, const struct jsonpath *path),
		     void *data)
{
	for (uint32_t i = 0; i < call->count; i++) {
		const struct intrinsic_argument *argument = &call->arguments[i];
		if (argument->kind == ARGUMENT_PATH)
			visit(data, argument->path);
		else if (argument->kind == ARGUMENT_CALL)
			intrinsic_paths(argument->call, visit, data);
	}
}
