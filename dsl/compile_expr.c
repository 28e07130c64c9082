/* compile_expr.c: fields that hold paths, templates, JSONata or constants become expressions of the program's arena. */
#include "base/mem.h"
#include "dsl/compile.h"

static void unref_value(void *data)
{
	value_unref(data);
}

struct value *compile_value(struct compiler *c, const struct djson *node)
{
	struct value *value = NULL;
	struct wf_error err = { 0 };
	const struct value_parse_options options = { .depth_max = (int)c->limits->json_depth };
	if (value_parse(str_sub(c->source, node->offset, node->length), &options, &value, &err) != 0) {
		report(c, &(struct report){ AT_VALUE(node), .code = DIAGNOSTIC_INVALID_JSON_DESCRIPTION }, "%s",
		       err.message);
		value = value_new_null();
	}
	arena_on_reset(c->arena, unref_value, value);
	return value;
}

/* By the reader of payloads: strtod would heed the locale. */
double compile_double(struct compiler *c, const struct djson *node)
{
	_cleanup_(value_unrefp) struct value *value = NULL;
	return value_parse(node->text, NULL, &value, NULL) == 0 ? value_number(value) : 0;
}

struct str compile_str(struct compiler *c, const struct djson *node)
{
	return node ? arena_str(c->arena, node->text) : STR_EMPTY;
}

/* ---- what expressions refer to ---------------------------------------------------------- */

static void note_reference(void *data, struct str name, struct str reference)
{
	struct compiler *c = data;
	static const char *const tokens[] = { "$$.Task", "$states.context.Task" };
	for (unsigned i = 0; i < sizeof tokens / sizeof *tokens; i++)
		if (str_starts(reference, str_of(tokens[i])))
			c->program->uses_context_task_token = true;
	/* All of the context holds the token, too. */
	if (str_eqz(reference, "$$") || str_eqz(reference, "$states.context") || str_eqz(reference, "$states"))
		c->program->uses_context_task_token = true;
}

struct expr *compile_note(struct compiler *c, struct expr *expr)
{
	if (expr)
		expr_references(expr, note_reference, c);
	return expr;
}

/* ---- paths ------------------------------------------------------------------------------ */

/* Where in the source a problem inside a string stands. */
static struct report at_problem(struct compiler *c, const struct djson *location, const struct djson *string,
				const struct expr_problem *problem)
{
	struct report r = { AT_VALUE(location) };
	r.offset = string->offset;
	r.length = string->length;
	if (string->kind == VALUE_STRING && problem->offset <= string->text.len) {
		r.offset = djson_text_offset(string, c->source, problem->offset);
		size_t end = djson_text_offset(string, c->source, problem->offset + problem->length);
		r.length = end > r.offset ? end - r.offset : 1;
	}
	return r;
}

/* ResultPath writes into the document: it begins at `$`, not at a variable or the context object. */
static bool begins_at_root(struct str path)
{
	return path.len && path.ptr[0] == '$' && (path.len == 1 || path.ptr[1] == '.' || path.ptr[1] == '[');
}

struct expr *compile_path(struct compiler *c, const struct djson *node, enum path_use use)
{
	if (!node)
		return NULL;
	struct str text = arena_str(c->arena, node->text);
	struct expr_problem problem = { .message = STR_EMPTY };
	struct expr *expr = NULL;
	bool reference = use == PATH_REFERENCE || use == PATH_RESULT;
	if (use == PATH_OR_INTRINSIC)
		expr = expr_compile_path_or_intrinsic(c->arena, text, &problem);
	else if (use == PATH_RESULT && !begins_at_root(text))
		problem = (struct expr_problem){ .message = STR("it must begin with $. or be $"), .length = text.len };
	else if (use == PATH_RESULT)
		expr = expr_compile_reference_path(c->arena, text, &problem);
	else
		expr = expr_compile_path(c->arena, text, &problem);
	if (expr && reference && !expr_is_definite(expr)) {
		problem = (struct expr_problem){ .message = STR("it may find several nodes"), .length = text.len };
		expr = NULL;
	}
	if (expr)
		return compile_note(c, expr);
	struct report r = at_problem(c, node, node, &problem);
	if (reference) {
		r.expected = STR("a path to one node, such as $.a.b[0]");
		report(c, &r, "Value is not a Reference Path: %.*s", STR_FMT(problem.message));
		return NULL;
	}
	r.expected = expecting(c, "%s; %.*s",
			       use == PATH_OR_INTRINSIC ? "a path such as $.a.b or an intrinsic function call"
							: "a path such as $.a.b",
			       STR_FMT(problem.message));
	report(c, &r, "The value for the field '%.*s' must be a valid JSONPath%s", STR_FMT(node->key),
	       use == PATH_OR_INTRINSIC ? " or a valid intrinsic function call" : "");
	return NULL;
}

/* ---- templates -------------------------------------------------------------------------- */

/* A field "x.$" of a template that is wrong is told at the object it stands in, as AWS does. */
static void report_template(struct compiler *c, const struct djson *template, const struct expr_template_problem *p)
{
	const struct djson *node = djson_at(template, p->pointer);
	const struct djson *location = node->parent && node != template ? node->parent : node;
	struct report r = at_problem(c, location, node, &p->problem);
	if (!str_ends(node->key, STR(".$"))) {
		report(c, &r, "%.*s", STR_FMT(p->problem.message));
		return;
	}
	struct str plain = str_sub(node->key, 0, node->key.len - 2);
	const struct djson *conflict = djson_get(node->parent, plain);
	struct str key = str_sub(node->key, 0, 200);
	if (conflict && node->kind == VALUE_STRING && !p->problem.length) {
		report_key(c, location, node, expecting(c, "either '%.*s' or '%.*s'", STR_FMT(plain), STR_FMT(key)),
			   "Duplicate field '%.*s'", STR_FMT(plain));
	} else if (node->kind != VALUE_STRING) {
		r.expected = STR("a string that holds a path or an intrinsic function call");
		report(c, &r,
		       "The value for the field '%.*s' must be a STRING that contains a JSONPath or a valid intrinsic "
		       "function call",
		       STR_FMT(key));
	} else {
		r.expected = expecting(c, "a path such as $.a.b or an intrinsic function call; %.*s",
				       STR_FMT(p->problem.message));
		report(c, &r,
		       "The value for the field '%.*s' must be a valid JSONPath or a valid intrinsic function call",
		       STR_FMT(key));
	}
}

static void report_jsonata(struct compiler *c, const struct djson *template, const struct expr_template_problem *p)
{
	const struct djson *node = djson_at(template, p->pointer);
	struct report r = at_problem(c, node, node, &p->problem);
	r.code =
	    p->problem.unsupported ? DIAGNOSTIC_UNSUPPORTED_JSONATA_EXPRESSION : DIAGNOSTIC_INVALID_JSONATA_EXPRESSION;
	report(c, &r, "%.*s", STR_FMT(p->problem.message));
}

/* "{% 1" and "1 %}" are constants by the letter of the specification; hardly by the writer's intention. */
static void warn_of_half_delimiters(struct compiler *c, const struct djson *template)
{
	for (const struct djson *node = template; node; node = djson_walk(node, template))
		if (node->kind == VALUE_STRING && str_starts(node->text, STR("{%")) != str_ends(node->text, STR("%}")))
			report(c,
			       &(struct report){ AT_VALUE(node), .severity = DIAGNOSTIC_WARNING,
						 .code = DIAGNOSTIC_INVALID_JSONATA_EXPRESSION,
						 .expected = STR("\"{% … %}\" if it is meant as an expression") },
			       "The value is a constant: it begins or ends like a JSONata expression, but not both");
}

struct expr *compile_template(struct compiler *c, const struct djson *node, enum query_language language)
{
	if (!node)
		return NULL;
	if (language == QUERY_JSONATA)
		warn_of_half_delimiters(c, node);
	const struct value *json = compile_value(c, node);
	struct expr_template_problem *problems = NULL;
	struct expr *expr = language == QUERY_JSONATA
				? expr_compile_jsonata_template(c->arena, json, c->states_fields, &problems)
				: expr_compile_template(c->arena, json, &problems);
	if (!problems)
		return compile_note(c, expr);
	for (const struct expr_template_problem *p = problems; p; p = p->next)
		(language == QUERY_JSONATA ? report_jsonata : report_template)(c, node, p);
	return NULL;
}

struct expr *compile_constant(struct compiler *c, const struct djson *node)
{
	return node ? expr_constant(c->arena, compile_value(c, node)) : NULL;
}

struct number_field compile_number(struct compiler *c, const struct fields *fields, enum field constant,
				   enum field path)
{
	struct number_field number = { .value = -1, .field = field_name(constant) };
	const struct djson *node = fields->at[constant];
	if (node && node->kind == VALUE_NUMBER) {
		number.value = (int64_t)compile_double(c, node);
	} else if (node) {
		number.expr = compile_template(c, node, QUERY_JSONATA);
	} else if (path != FIELD_COUNT && fields->at[path]) {
		number.field = field_name(path);
		number.expr = compile_path(c, fields->at[path], PATH_REFERENCE);
	}
	return number;
}

/* ---- Assign ----------------------------------------------------------------------------- */

/* Letters, digits and underscores, no digit first, as the specification's Unicode identifiers; bytes beyond ASCII are
 * taken as letters. */
static bool is_variable_name(struct str name)
{
	for (size_t i = 0; i < name.len; i++) {
		unsigned char ch = (unsigned char)name.ptr[i];
		bool letter = (ch | 0x20u) - 'a' < 26u || ch == '_' || ch >= 0x80;
		if (!letter && !(i > 0 && ch >= '0' && ch <= '9'))
			return false;
	}
	return name.len > 0;
}

struct assignment compile_assign(struct compiler *c, const struct djson *node, enum query_language language)
{
	if (!node)
		return (struct assignment){ 0 };
	bool ok = true;
	for (const struct djson *member = node->first; member; member = member->next) {
		struct str name = member->key;
		if (language == QUERY_JSONPATH && str_ends(name, STR(".$")))
			name = str_sub(name, 0, name.len - 2);
		size_t characters = 0;
		for (size_t i = 0; i < name.len; i++)
			characters += ((unsigned char)name.ptr[i] & 0xc0) != 0x80;
		const char *problem = NULL;
		if (!is_variable_name(name))
			problem = "letters, digits and _, a letter first";
		else if ((int64_t)characters > c->limits->name_chars)
			problem = "a shorter name";
		else if (str_eqz(name, "states"))
			problem = "another name: $states is reserved";
		if (!problem) {
			struct assigned *assigned = ARENA_NEW(c->scratch, struct assigned);
			*assigned = (struct assigned){ member, name, c->scope, c->assigned };
			c->assigned = assigned;
			continue;
		}
		ok = false;
		report_key(c, node, member, str_of(problem), "Invalid variable name '%.*s'",
			   STR_FMT(str_sub(name, 0, 100)));
	}
	return (struct assignment){ .values = ok ? compile_template(c, node, language) : NULL };
}
