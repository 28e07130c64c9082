/* template.c: compiles payload templates: JSON in which a key that ends in `.$` has a path or an intrinsic function as
 * value.
 *
 * What has no expression in it stays one constant, however large, and is shared by every evaluation; only the objects
 * and arrays on the way to an expression are made anew. */
#include "dsl/expr_internal.h"

struct compiler {
	struct arena *arena;
	struct expr_template_problem **tail;
	struct buffer pointer; /* of the value that is being compiled */
};

static struct expr *compile_value(struct compiler *c, const struct value *json);

static void release_value(void *value)
{
	value_unref(value);
}

struct expr *expr_new_json(struct arena *arena, enum expr_kind kind, const struct value *json)
{
	struct expr *expr = ARENA_NEW(arena, struct expr);
	expr->kind = kind;
	expr->json = value_ref(json);
	arena_on_reset(arena, release_value, (void *)expr->json);
	return expr;
}

static void add_problem(struct compiler *c, struct expr_problem problem)
{
	struct expr_template_problem *entry = ARENA_NEW(c->arena, struct expr_template_problem);
	entry->pointer = arena_str(c->arena, buffer_str(&c->pointer));
	entry->problem = problem;
	*c->tail = entry;
	c->tail = &entry->next;
}

/* "/key" as RFC 6901 writes it. */
static void enter_key(struct compiler *c, struct str key)
{
	buffer_byte(&c->pointer, '/');
	for (size_t i = 0; i < key.len; i++) {
		if (key.ptr[i] == '~')
			buffer_addz(&c->pointer, "~0");
		else if (key.ptr[i] == '/')
			buffer_addz(&c->pointer, "~1");
		else
			buffer_byte(&c->pointer, key.ptr[i]);
	}
}

static bool is_dynamic(struct str key)
{
	return str_ends(key, STR(".$"));
}

static struct expr *null_constant(struct compiler *c)
{
	struct value *null = value_new_null();
	struct expr *expr = expr_new_json(c->arena, EXPR_CONSTANT, null);
	value_unref(null);
	return expr;
}

static struct expr *compile_dynamic(struct compiler *c, const struct value *json)
{
	struct expr_problem problem = { .message = STR("expected a string that holds a path or a function") };
	struct expr *expr = NULL;
	if (value_is(json, VALUE_STRING))
		expr = expr_compile_path_or_intrinsic(c->arena, value_string(json), &problem);
	if (expr)
		return expr;
	add_problem(c, problem);
	return null_constant(c);
}

/* "x" and "x.$" would be one field. */
static void check_duplicate(struct compiler *c, const struct value *object, struct str key)
{
	struct str plain = str_sub(key, 0, key.len - 2);
	if (!value_get(object, plain))
		return;
	add_problem(c, (struct expr_problem){
			   .message = arena_format(c->arena, "The field '%.*s' stands twice: as '%.*s' and as '%.*s'",
						   STR_FMT(plain), STR_FMT(plain), STR_FMT(key)) });
}

static struct expr *compile_members(struct compiler *c, const struct value *json)
{
	bool object = value_is(json, VALUE_OBJECT);
	uint32_t count = (uint32_t)value_count(json);
	struct expr_member *members = ARENA_ARRAY(c->arena, struct expr_member, count);
	bool constant = true;
	for (uint32_t i = 0; i < count; i++) {
		size_t len = c->pointer.len;
		const struct value *child = value_at(json, i);
		bool dynamic = false;
		if (object) {
			struct str key = arena_str(c->arena, value_key_at(json, i));
			dynamic = is_dynamic(key);
			members[i].field = key;
			members[i].key = dynamic ? str_sub(key, 0, key.len - 2) : key;
			enter_key(c, key);
			if (dynamic)
				check_duplicate(c, json, key);
		} else {
			buffer_printf(&c->pointer, "/%u", i);
		}
		members[i].expr = dynamic ? compile_dynamic(c, child) : compile_value(c, child);
		constant = constant && !dynamic && members[i].expr->kind == EXPR_CONSTANT;
		c->pointer.len = len;
	}
	struct expr *expr = expr_new_json(c->arena, constant ? EXPR_CONSTANT : object ? EXPR_OBJECT : EXPR_ARRAY, json);
	expr->members = members;
	expr->count = constant ? 0 : count;
	return expr;
}

static struct expr *compile_value(struct compiler *c, const struct value *json)
{
	if (value_count(json) == 0)
		return expr_new_json(c->arena, EXPR_CONSTANT, json);
	return compile_members(c, json);
}

struct expr *expr_compile_template(struct arena *arena, const struct value *json,
				   struct expr_template_problem **ret_problems)
{
	struct compiler c = { .arena = arena, .tail = ret_problems };
	*ret_problems = NULL;
	struct expr *expr = compile_value(&c, json);
	buffer_done(&c.pointer);
	return expr;
}
