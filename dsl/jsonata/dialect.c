/* dialect.c: the States Language's use of the language: what it refuses, and templates.
 *
 * There is no input at the top level: data comes in through `$states` and variables. So a name, `$` or a wildcard that
 * would look into it is refused when the expression is compiled; inside a predicate, a later step, a sort term or a
 * grouping it has a context to look into. A lambda's body has what the place has where the lambda stands. */
#include "dsl/jsonata/evaluation.h"
#include "base/mem.h"

/* ---- what is refused -------------------------------------------------------------------- */

static _Noreturn void refuse(struct compiler *c, enum jsonata_code code, const struct node *node, struct str what)
{
	jmp_buf *escape = c->escape;
	jmp_buf here;
	c->escape = &here;
	if (setjmp(here) == 0)
		compile_fail(c, code, node->start, node->end, &what, NULL);
	c->escape = escape;
	c->error->unsupported = true;
	c->error->code[0] = '\0';
	longjmp(*escape, 1);
}

static void check(struct compiler *c, const struct node *node, bool top);

static void check_stages(struct compiler *c, const struct node *node)
{
	for (uint32_t i = 0; i < node->stage_count; i++)
		check(c, node->stages[i].predicate, false);
	if (node->has_group)
		for (uint32_t i = 0; i < node->group->count; i++) {
			check(c, node->group->keys[i], false);
			check(c, node->group->values[i], false);
		}
}

/* `$states.result` where there is none. */
static void check_states(struct compiler *c, const struct node *path)
{
	static const struct {
		const char *name;
		unsigned bit;
	} fields[] = { { "input", JSONATA_STATES_INPUT },
		       { "result", JSONATA_STATES_RESULT },
		       { "errorOutput", JSONATA_STATES_ERROR_OUTPUT },
		       { "context", JSONATA_STATES_CONTEXT } };
	const struct node *first = path->list[0];
	if (path->count < 2 || first->kind != NODE_VARIABLE || !str_eqz(first->text, "states") ||
	    path->list[1]->kind != NODE_NAME)
		return;
	struct str field = path->list[1]->text;
	for (int i = 0; i < 4; i++)
		if (str_eqz(field, fields[i].name) && !(c->states_fields & fields[i].bit))
			refuse(c, JSONATA_S0901, path->list[1], arena_format(c->arena, "$states.%.*s", STR_FMT(field)));
}

static void check_list(struct compiler *c, const struct node *node, bool top)
{
	for (uint32_t i = 0; i < node->count; i++)
		check(c, node->list[i], top);
}

static void check(struct compiler *c, const struct node *node, bool top)
{
	if (!node)
		return;
	check_stages(c, node);
	switch (node->kind) {
	case NODE_NAME:
	case NODE_WILDCARD:
	case NODE_DESCENDANTS:
		if (top)
			refuse(c, JSONATA_S0900, node, node->text);
		return;
	case NODE_VARIABLE:
		if ((top && node->text.len == 0) || str_eqz(node->text, "$"))
			refuse(c, JSONATA_S0900, node, node->text.len ? STR("$$") : STR("$"));
		return;
	case NODE_PATH:
		check_states(c, node);
		for (uint32_t i = 0; i < node->count; i++)
			check(c, node->list[i], top && i == 0);
		return;
	case NODE_OBJECT:
		for (uint32_t i = 0; i < node->group->count; i++) {
			check(c, node->group->keys[i], top);
			check(c, node->group->values[i], top);
		}
		return;
	case NODE_ARRAY:
	case NODE_BLOCK:
		check_list(c, node, top);
		return;
	case NODE_CALL:
	case NODE_PARTIAL:
		check(c, node->a, top);
		check_list(c, node, top);
		return;
	case NODE_LAMBDA:
		check(c, node->a, top);
		return;
	case NODE_TRANSFORM:
		check(c, node->a, false);
		check(c, node->b, false);
		check(c, node->c, false);
		return;
	case NODE_SORT:
		for (uint32_t i = 0; i < node->count; i++)
			check(c, node->terms[i].expression, false);
		return;
	case NODE_BINARY:
	case NODE_NEGATE:
	case NODE_CONDITION:
	case NODE_BIND:
	case NODE_CHAIN:
		check(c, node->a, top);
		check(c, node->b, top);
		check(c, node->c, top);
		return;
	case NODE_STRING:
	case NODE_NUMBER:
	case NODE_VALUE:
	case NODE_PARENT:
	case NODE_REGEX:
	case NODE_OPERATOR:
	case NODE_KIND_COUNT:
		return;
	}
}

void dialect_check(struct compiler *c, struct node *root)
{
	check(c, root, true);
}

/* ---- templates -------------------------------------------------------------------------- */

bool jsonata_is_template_text(struct str text)
{
	return text.len >= 4 && str_starts(text, STR("{%")) && str_ends(text, STR("%}"));
}

struct str jsonata_template_inner(struct str text, size_t *ret_offset)
{
	size_t start = 2, end = text.len - 2;
	while (start < end && strchr(" \t\r\n", text.ptr[start]) && text.ptr[start])
		start++;
	while (end > start && strchr(" \t\r\n", text.ptr[end - 1]) && text.ptr[end - 1])
		end--;
	*ret_offset = start;
	return str_sub(text, start, end - start);
}

/* A part of a template: an expression, a container that has one somewhere inside, or a constant. */
struct part {
	const struct value *constant; /* neither program nor parts: the value itself */
	struct jsonata *program;
	struct part *parts;
	size_t count;
	bool broken;
};

struct jsonata_template {
	const struct value *json;
	struct part root;
};

struct template_compiler {
	struct arena *arena;
	unsigned states_fields;
	struct jsonata_template_problem **problems;
};

static void add_problem(struct template_compiler *t, struct str pointer, const struct jsonata_error *error,
			size_t offset)
{
	struct jsonata_template_problem *problem = ARENA_NEW(t->arena, struct jsonata_template_problem);
	*problem = (struct jsonata_template_problem){ .pointer = pointer,
						      .message = error->message,
						      .offset = offset + error->offset,
						      .length = error->length,
						      .unsupported = error->unsupported };
	*t->problems = problem;
	t->problems = &problem->next;
}

static void compile_expression(struct template_compiler *t, struct str text, struct str pointer, struct part *part)
{
	size_t offset;
	struct str inner = jsonata_template_inner(text, &offset);
	struct jsonata_options options = { .flavour = JSONATA_STATES, .states_fields = t->states_fields };
	struct jsonata_error error = { 0 };
	part->program = jsonata_compile(t->arena, inner, &options, &error);
	if (part->program)
		return;
	part->broken = true;
	add_problem(t, pointer, &error, offset);
}

/* One step of a JSON pointer, in which ~ and / are written ~0 and ~1. */
static struct str pointer_to_member(struct arena *arena, struct str pointer, struct str key)
{
	_cleanup_(buffer_done) struct buffer below = { 0 };
	buffer_add(&below, pointer);
	buffer_byte(&below, '/');
	for (size_t i = 0; i < key.len; i++)
		if (key.ptr[i] == '~' || key.ptr[i] == '/')
			buffer_addz(&below, key.ptr[i] == '~' ? "~0" : "~1");
		else
			buffer_byte(&below, key.ptr[i]);
	return arena_str(arena, buffer_str(&below));
}

static bool compile_part(struct template_compiler *t, const struct value *json, struct str pointer, struct part *part)
{
	*part = (struct part){ .constant = json };
	if (value_is(json, VALUE_STRING) && jsonata_is_template_text(value_string(json))) {
		compile_expression(t, value_string(json), pointer, part);
		return true;
	}
	size_t count = value_count(json);
	bool dynamic = false;
	struct part *parts = count ? ARENA_ARRAY(t->arena, struct part, count) : NULL;
	for (size_t i = 0; i < count; i++) {
		struct str below = value_is(json, VALUE_OBJECT)
				       ? pointer_to_member(t->arena, pointer, value_key_at(json, i))
				       : arena_format(t->arena, "%.*s/%zu", STR_FMT(pointer), i);
		dynamic |= compile_part(t, value_at(json, i), below, &parts[i]);
	}
	if (dynamic) {
		part->parts = parts;
		part->count = count;
	}
	return dynamic;
}

static void release(void *value)
{
	value_unref(value);
}

struct jsonata_template *jsonata_template_compile(struct arena *arena, const struct value *json, unsigned states_fields,
						  struct jsonata_template_problem **ret_problems)
{
	struct jsonata_template *tmpl = ARENA_NEW(arena, struct jsonata_template);
	tmpl->json = value_ref(json);
	arena_on_reset(arena, release, (void *)(uintptr_t)tmpl->json);
	*ret_problems = NULL;
	struct template_compiler t = { arena, states_fields, ret_problems };
	compile_part(&t, json, STR_EMPTY, &tmpl->root);
	return tmpl;
}

/* ---- evaluating templates --------------------------------------------------------------- */

struct template_run {
	const struct jsonata_env *env;
	struct arena *arena;
	struct jsonata_failure *failure;
};

static struct jsonata_failure failure_of(struct arena *arena, struct str expression, struct str field, const char *what)
{
	return (struct jsonata_failure){
		.location = arena_str(arena, field),
		.cause = arena_format(arena, "The JSONata expression '%.*s' specified for the field '%.*s' %s",
				      STR_FMT(expression), STR_FMT(field), what),
	};
}

static struct value *run_expression(struct template_run *run, const struct part *part, struct str field)
{
	struct value *value = NULL;
	struct jsonata_error error = { 0 };
	struct str text = jsonata_text(part->program);
	switch (jsonata_evaluate(part->program, run->env, run->arena, &value, &error)) {
	case JSONATA_VALUE:
		return value;
	case JSONATA_UNDEFINED:
		*run->failure = failure_of(run->arena, text, field, "returned nothing (undefined).");
		return NULL;
	case JSONATA_FUNCTION:
		*run->failure = failure_of(run->arena, text, field, "returned an unsupported result type.");
		return NULL;
	case JSONATA_ERROR:
		*run->failure = failure_of(run->arena, text, field,
					   arena_printf(run->arena, "threw an error during evaluation. %s: %.*s",
							error.code, STR_FMT(error.message)));
		run->failure->error = error;
		return NULL;
	}
	return NULL;
}

static struct value *run_part(struct template_run *run, const struct part *part, struct str field)
{
	if (part->broken)
		return value_new_null();
	if (part->program)
		return run_expression(run, part, field);
	if (!part->parts)
		return value_ref(part->constant);
	bool object = value_is(part->constant, VALUE_OBJECT);
	_cleanup_(value_unrefp) struct value *made =
	    object ? value_new_object(part->count) : value_new_array(part->count);
	for (size_t i = 0; i < part->count; i++) {
		struct str key = object ? value_key_at(part->constant, i) : STR_EMPTY;
		struct str below = object ? arena_format(run->arena, "%.*s/%.*s", STR_FMT(field), STR_FMT(key))
					  : arena_format(run->arena, "%.*s[%zu]", STR_FMT(field), i);
		struct value *item = run_part(run, &part->parts[i], below);
		if (!item)
			return NULL;
		if (object)
			value_object_take(made, key, item);
		else
			value_array_take(made, item);
	}
	return TAKE(made);
}

int jsonata_template_evaluate(const struct jsonata_template *tmpl, const struct jsonata_env *env, struct str field,
			      struct arena *arena, struct value **ret_value, struct jsonata_failure *ret_failure)
{
	struct template_run run = { env, arena, ret_failure };
	struct value *value = run_part(&run, &tmpl->root, field);
	if (!value)
		return -1;
	*ret_value = value;
	return 0;
}

struct jsonata_failure jsonata_template_wrong_type(const struct jsonata_template *tmpl, struct str field,
						   const char *expected, const struct value *result,
						   struct arena *arena)
{
	struct str text = tmpl->root.program ? jsonata_text(tmpl->root.program) : value_text(tmpl->json);
	return failure_of(
	    arena, text, field,
	    arena_printf(arena, "returned an unexpected result type. Expected '%s', but was '%s' for value: %.*s",
			 expected, value_kind_name(value_kind(result)), STR_FMT(value_text(result))));
}

/* ---- looking ---------------------------------------------------------------------------- */

static void part_references(const struct part *part, void (*visit)(void *data, struct str name, struct str reference),
			    void *data)
{
	if (part->program)
		jsonata_references(part->program, visit, data);
	for (size_t i = 0; i < part->count; i++)
		part_references(&part->parts[i], visit, data);
}

void jsonata_template_references(const struct jsonata_template *tmpl,
				 void (*visit)(void *data, struct str name, struct str reference), void *data)
{
	part_references(&tmpl->root, visit, data);
}

bool jsonata_template_is_constant(const struct jsonata_template *tmpl)
{
	return !tmpl->root.program && !tmpl->root.parts && !tmpl->root.broken;
}

bool jsonata_template_is_input(const struct jsonata_template *tmpl)
{
	return tmpl->root.program && str_eqz(jsonata_text(tmpl->root.program), "$states.input");
}

const struct value *jsonata_template_json(const struct jsonata_template *tmpl)
{
	return tmpl->json;
}
