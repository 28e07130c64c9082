/* expr.c: the one interface over the expression languages (see expr.h): compiles paths, evaluates, and says what failed
 * in AWS's words. Templates are compiled in template.c, JSONata is bound in expr_jsonata.c. */
#include "dsl/expr_internal.h"

/* What a new object or array costs of the budget, for each member. */
enum { MEMBER_BYTES = 32 };

/* ---- compiling ---------------------------------------------------------------------------------------- */

static struct str trimmed(struct str text)
{
	while (text.len && (text.ptr[0] == ' ' || text.ptr[0] == '\t' || text.ptr[0] == '\n' || text.ptr[0] == '\r'))
		text = str_sub(text, 1, SIZE_MAX);
	return text;
}

static struct expr *compile_path(struct arena *arena, struct str text, enum jsonpath_dialect dialect,
				 struct expr_problem *ret_problem)
{
	const struct jsonpath *path = jsonpath_compile(arena, text, dialect, ret_problem);
	if (!path)
		return NULL;
	struct expr *expr = ARENA_NEW(arena, struct expr);
	expr->kind = EXPR_PATH;
	expr->path = path;
	expr->text = arena_str(arena, text);
	return expr;
}

struct expr *expr_compile_path(struct arena *arena, struct str text, struct expr_problem *ret_problem)
{
	*ret_problem = (struct expr_problem){ 0 };
	return compile_path(arena, text, JSONPATH_PATH, ret_problem);
}

struct expr *expr_compile_reference_path(struct arena *arena, struct str text, struct expr_problem *ret_problem)
{
	*ret_problem = (struct expr_problem){ 0 };
	return compile_path(arena, text, JSONPATH_REFERENCE, ret_problem);
}

struct expr *expr_compile_path_or_intrinsic(struct arena *arena, struct str text, struct expr_problem *ret_problem)
{
	*ret_problem = (struct expr_problem){ 0 };
	if (str_starts(trimmed(text), STR("$")))
		return compile_path(arena, text, JSONPATH_PATH, ret_problem);
	const struct intrinsic_call *call = intrinsic_compile(arena, text, ret_problem);
	if (!call)
		return NULL;
	struct expr *expr = ARENA_NEW(arena, struct expr);
	expr->kind = EXPR_INTRINSIC;
	expr->call = call;
	expr->text = arena_str(arena, text);
	return expr;
}

struct expr *expr_constant(struct arena *arena, const struct value *json)
{
	return expr_new_json(arena, EXPR_CONSTANT, json);
}

bool expr_is_jsonata(struct str text)
{
	return text.len >= 4 && str_starts(text, STR("{%")) && str_ends(text, STR("%}"));
}

/* ---- evaluating --------------------------------------------------------------------------------------- */

/* How AWS words a path that finds nothing, by the field it stands in. */
enum miss_style { MISS_INVALID_PATH, MISS_NOT_IN_INPUT, MISS_CHOICE };

static enum miss_style miss_style(const char *field)
{
	static const struct {
		const char *field;
		enum miss_style style;
	} rows[] = {
		{ "ErrorPath", MISS_NOT_IN_INPUT },
		{ "CausePath", MISS_NOT_IN_INPUT },
		{ "Variable", MISS_CHOICE },
	};
	for (size_t i = 0; field && i < sizeof(rows) / sizeof(*rows); i++)
		if (strcmp(rows[i].field, field) == 0)
			return rows[i].style;
	return MISS_INVALID_PATH;
}

static int fail_path(struct evaluation *ev, const struct jsonpath *path, const struct jsonpath_miss *miss,
		     const char *field, enum miss_style style)
{
	struct str text = path->text;
	struct str why;
	switch (style) {
	case MISS_NOT_IN_INPUT:
		return evaluation_fail(
		    ev, "States.Runtime",
		    "The JSONPath '%.*s' specified for the field '%s' could not be found in the input '%.*s'",
		    STR_FMT(text), field, STR_FMT(value_text(ev->env->input)));
	case MISS_CHOICE:
		return evaluation_fail(
		    ev, "States.Runtime",
		    "Invalid path '%.*s': The choice state's condition path references an invalid value.",
		    STR_FMT(text));
	case MISS_INVALID_PATH:
		break;
	}
	why = jsonpath_miss_text(path, miss, ev);
	return evaluation_fail(ev, "States.Runtime", "Invalid path '%.*s' : %.*s", STR_FMT(text), STR_FMT(why));
}

static int eval_path(struct evaluation *ev, const struct jsonpath *path, const char *field, enum miss_style style,
		     struct value **ret_value)
{
	struct jsonpath_miss miss;
	switch (jsonpath_eval(path, ev, ret_value, &miss)) {
	case JSONPATH_FOUND:
		return 0;
	case JSONPATH_EXCEEDED:
		return evaluation_fail_exceeded(ev, path->text);
	case JSONPATH_MISSING:
	case JSONPATH_INVALID:
		break;
	}
	/* AWS gives an empty list where the definite part of an indefinite path leads nowhere. */
	if (!path->definite && miss.kind != MISS_VARIABLE) {
		*ret_value = value_new_array(0);
		return 0;
	}
	return fail_path(ev, path, &miss, field, style);
}

static int eval_expr(struct evaluation *ev, const struct expr *expr, const char *field, enum miss_style style,
		     struct value **ret_value);

static int eval_members(struct evaluation *ev, const struct expr *expr, struct value **ret_value)
{
	bool object = expr->kind == EXPR_OBJECT;
	struct value *made = object ? value_new_object(expr->count) : value_new_array(expr->count);
	int r = 0;
	for (uint32_t i = 0; r == 0 && i < expr->count; i++) {
		const struct expr_member *member = &expr->members[i];
		struct value *item;
		if (!evaluation_steps(ev, 1) || !evaluation_bytes(ev, MEMBER_BYTES)) {
			r = evaluation_fail_exceeded(ev, expr_text(expr));
			break;
		}
		/* member->field is NUL-terminated: it is an arena's copy. */
		r = eval_expr(ev, member->expr, member->field.ptr, MISS_NOT_IN_INPUT, &item);
		if (r == 0 && object)
			value_object_take(made, member->key, item);
		else if (r == 0)
			value_array_take(made, item);
	}
	if (r < 0) {
		value_unref(made);
		return r;
	}
	*ret_value = made;
	return 0;
}

static int eval_expr(struct evaluation *ev, const struct expr *expr, const char *field, enum miss_style style,
		     struct value **ret_value)
{
	switch (expr->kind) {
	case EXPR_CONSTANT:
		*ret_value = value_ref(expr->json);
		return 0;
	case EXPR_PATH:
		return eval_path(ev, expr->path, field, style, ret_value);
	case EXPR_INTRINSIC:
		return intrinsic_eval(expr->call, ev, ret_value);
	case EXPR_OBJECT:
	case EXPR_ARRAY:
		return eval_members(ev, expr, ret_value);
	case EXPR_JSONATA:
		return expr_jsonata_eval(expr, ev->env, ev->arena, ret_value, ev->failure);
	}
	return -1;
}

int expr_eval(const struct expr *expr, const struct expr_env *env, struct arena *arena, struct value **ret_value,
	      struct expr_failure *ret_failure)
{
	struct evaluation ev;
	const char *field = env->field ? env->field : "";
	if (expr->kind == EXPR_CONSTANT) {
		*ret_value = value_ref(expr->json);
		return 0;
	}
	evaluation_begin(&ev, env, arena, ret_failure);
	return eval_expr(&ev, expr, field, miss_style(field), ret_value);
}

bool expr_eval_present(const struct expr *expr, const struct expr_env *env, struct arena *arena,
		       struct value **ret_value)
{
	struct evaluation ev;
	struct expr_failure failure;
	struct jsonpath_miss miss;
	struct value *found;
	if (expr->kind != EXPR_PATH)
		return expr_eval(expr, env, arena, ret_value, &failure) == 0;
	evaluation_begin(&ev, env, arena, &failure);
	if (jsonpath_eval(expr->path, &ev, &found, &miss) != JSONPATH_FOUND)
		return false;
	if (!expr->path->definite && value_count(found) == 0) {
		value_unref(found);
		return false;
	}
	*ret_value = found;
	return true;
}

/* ---- ResultPath --------------------------------------------------------------------------------------- */

static int fail_put(struct evaluation *ev, const struct expr *expr, const struct value *at)
{
	return evaluation_fail(ev, "States.ResultPathMatchFailure", "Unable to apply ReferencePath %.*s to input %.*s",
			       STR_FMT(expr->path->text), STR_FMT(value_text(at)));
}

int expr_put(const struct expr *expr, const struct value *document, const struct value *item, struct arena *arena,
	     struct value **ret_value, struct expr_failure *ret_failure)
{
	struct expr_env env = { .input = document };
	struct evaluation ev;
	evaluation_begin(&ev, &env, arena, ret_failure);
	if (expr->kind != EXPR_PATH || expr->path->root != JSONPATH_INPUT)
		return evaluation_fail(&ev, "States.ResultPathMatchFailure", "'%.*s' is no place in the input",
				       STR_FMT(expr_text(expr)));
	const struct jsonpath *path = expr->path;
	struct value_step *steps = ARENA_ARRAY(arena, struct value_step, path->count + 1);
	const struct value *at = document; /* NULL: nothing stands there yet, objects are made */
	for (uint32_t i = 0; i < path->count; i++) {
		const struct jsonpath_token *token = &path->tokens[i];
		if (token->kind == JSONPATH_PROPERTY) {
			if (at && !value_is(at, VALUE_OBJECT))
				return fail_put(&ev, expr, document);
			steps[i] = (struct value_step){ .key = token->name, .index = -1 };
			at = at ? value_get(at, token->name) : NULL;
			continue;
		}
		int64_t count = at && value_is(at, VALUE_ARRAY) ? (int64_t)value_count(at) : 0;
		int64_t index = token->index < 0 ? token->index + count : token->index;
		if (token->kind != JSONPATH_INDEX || index < 0 || index >= count)
			return fail_put(&ev, expr, document);
		steps[i] = (struct value_step){ .index = index };
		at = value_at(at, (size_t)index);
	}
	struct value *result = value_with(document, steps, path->count, item);
	if (!result)
		return fail_put(&ev, expr, document);
	*ret_value = result;
	return 0;
}

/* ---- looking ------------------------------------------------------------------------------------------ */

struct str expr_text(const struct expr *expr)
{
	return expr->text.ptr ? expr->text : value_text(expr->json);
}

bool expr_is_definite(const struct expr *expr)
{
	return expr->kind != EXPR_PATH || expr->path->definite;
}

bool expr_is_root(const struct expr *expr)
{
	if (expr->kind == EXPR_JSONATA)
		return expr_jsonata_is_input(expr);
	return expr->kind == EXPR_PATH && expr->path->root == JSONPATH_INPUT && expr->path->count == 0;
}

unsigned expr_intrinsic_depth(const struct expr *expr)
{
	if (expr->kind == EXPR_INTRINSIC)
		return expr->call->depth;
	unsigned deepest = 0;
	for (uint32_t i = 0; i < expr->count; i++) {
		unsigned depth = expr_intrinsic_depth(expr->members[i].expr);
		deepest = depth > deepest ? depth : deepest;
	}
	return deepest;
}

struct reference_visitor {
	void (*visit)(void *data, struct str name, struct str reference);
	void *data;
};

static void visit_path(void *data, const struct jsonpath *path)
{
	const struct reference_visitor *visitor = data;
	struct str name = path->root == JSONPATH_VARIABLE  ? path->variable
			  : path->root == JSONPATH_CONTEXT ? STR("$$")
							   : STR("$");
	visitor->visit(visitor->data, name, path->text);
}

void expr_references(const struct expr *expr, void (*visit)(void *data, struct str name, struct str reference),
		     void *data)
{
	struct reference_visitor visitor = { .visit = visit, .data = data };
	switch (expr->kind) {
	case EXPR_CONSTANT:
		break;
	case EXPR_PATH:
		visit_path(&visitor, expr->path);
		break;
	case EXPR_INTRINSIC:
		intrinsic_paths(expr->call, visit_path, &visitor);
		break;
	case EXPR_OBJECT:
	case EXPR_ARRAY:
		for (uint32_t i = 0; i < expr->count; i++)
			expr_references(expr->members[i].expr, visit, data);
		break;
	case EXPR_JSONATA:
		expr_jsonata_references(expr, visit, data);
		break;
	}
}
