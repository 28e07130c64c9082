/* run.c: the doors: compiling a text, evaluating a program; budgets, memory and errors of an evaluation. */
#include "dsl/jsonata/evaluation.h"
#include "dsl/jsonata/functions.h"
#include "dsl/jsonata/text.h"
#include "base/mem.h"
#include <stdio.h>

/* ---- compiling -------------------------------------------------------------------------- */

size_t utf16_position(struct str text, size_t bytes)
{
	return utf16_count(str_sub(text, 0, bytes));
}

_Noreturn void compile_fail(struct compiler *c, enum jsonata_code code, size_t start, size_t end,
			    const struct str *token, const struct str *value_json)
{
	struct jsonata_error *error = c->error;
	*error = (struct jsonata_error){ .offset = start, .length = end > start ? end - start : 0 };
	snprintf(error->code, sizeof error->code, "%s", jsonata_code_name(code));
	error->position = utf16_position(c->text, end);
	struct jsonata_parameters parameters = { 0 };
	if (token)
		error->token = parameters.token = arena_str(c->arena, *token);
	parameters.token_is_json =
	    token == &c->token.text && (c->token.kind == TOKEN_NUMBER || c->token.kind == TOKEN_VALUE);
	if (value_json)
		error->value = parameters.value = parameters.value_json = *value_json;
	error->message = jsonata_message(c->arena, code, &parameters);
	longjmp(*c->escape, 1);
}

static bool compile(struct compiler *c)
{
	jmp_buf escape;
	c->escape = &escape;
	if (setjmp(escape))
		return false;
	struct node *raw = parse_program(c);
	c->program->root = shape_program(c, raw);
	if (c->flavour == JSONATA_STATES)
		dialect_check(c, c->program->root);
	return true;
}

struct jsonata *jsonata_compile(struct arena *arena, struct str text, const struct jsonata_options *options,
				struct jsonata_error *ret_error)
{
	struct jsonata *program = ARENA_NEW(arena, struct jsonata);
	program->text = arena_str(arena, text);
	program->flavour = options ? options->flavour : JSONATA_LIBRARY;
	struct compiler c = {
		.arena = arena,
		.program = program,
		.text = program->text,
		.flavour = program->flavour,
		.depth_max = options && options->depth_max ? options->depth_max : 1000,
		.error = ret_error,
		.states_fields = options ? options->states_fields : 0,
	};
	return compile(&c) ? program : NULL;
}

/* A text that $eval is given: its names and nodes are numbered on from the evaluation's. */
struct jsonata *compile_more(struct evaluation *e, struct str text, struct jsonata_error *ret_error)
{
	struct jsonata *program = ARENA_NEW(e->arena, struct jsonata);
	program->text = ev_str(e, text);
	program->flavour = e->program->flavour;
	program->names = e->names;
	program->node_count = e->hints_size;
	struct compiler c = { .arena = e->arena,
			      .program = program,
			      .text = program->text,
			      .flavour = program->flavour,
			      .depth_max = 1000,
			      .error = ret_error,
			      .labels = e->hints_size };
	bool compiled = compile(&c);
	e->names = program->names;
	uint32_t *hints = EV_ARRAY(e, uint32_t, program->node_count + 1);
	memset(hints, 0, (program->node_count + 1) * sizeof *hints);
	e->hints = hints;
	e->hints_size = program->node_count;
	return compiled ? program : NULL;
}

struct str jsonata_text(const struct jsonata *program)
{
	return program->text;
}

/* ---- memory ----------------------------------------------------------------------------- */

void *ev_alloc_slow(struct evaluation *e, size_t size)
{
	size_t used = e->arena->bytes - e->bytes_start;
	if (size > e->bytes_max || used > e->bytes_max - size)
		throw_limit(e, "The expression needs too much memory");
	if (size > e->chunk / 4) /* large things stand alone */
		return arena_alloc(e->arena, size);
	if (e->chunk < 1 << 20)
		e->chunk *= 2;
	e->bump = arena_alloc(e->arena, e->chunk);
	e->bump_end = e->bump + e->chunk;
	e->bump += -(uintptr_t)e->bump & 15;
	void *p = e->bump;
	e->bump += size;
	return p;
}

/* ---- errors ----------------------------------------------------------------------------- */

/* JSON text of an offending value; what is too large is left out. */
static struct str value_json(struct evaluation *e, struct item item)
{
	if (is_nothing(item))
		return STR("undefined");
	if (item.kind == ITEM_NUMBER && !isfinite(item.number))
		return STR("null");
	struct buffer *buffer = ev_buffer(e);
	jmp_buf escape;
	memcpy(&escape, &e->escape, sizeof escape);
	size_t bytes_max = e->bytes_max;
	int64_t steps_max = e->steps_max;
	if (e->bytes_max > 65536)
		e->bytes_max = 65536;
	e->steps_max = e->steps + 100000;
	bool fits = setjmp(e->escape) == 0;
	if (fits)
		item_write_json(e, item, buffer, 0, 0);
	memcpy(&e->escape, &escape, sizeof escape);
	e->bytes_max = bytes_max;
	e->steps_max = steps_max;
	return fits ? arena_str(e->arena, buffer_str(buffer)) : STR("…");
}

static void fill_error(struct evaluation *e, const struct thrown *thrown)
{
	struct jsonata_error *error = e->error;
	struct jsonata_parameters parameters = {
		.token = thrown->token, .index = thrown->index, .type = thrown->type, .exp = thrown->exp
	};
	const struct node *node = thrown->node;
	for (const struct call_site *site = e->calls; site; site = site->outer) {
		node = site->node ? site->node : node;
		if (!parameters.token.ptr)
			parameters.token = site->token;
	}
	*error = (struct jsonata_error){ 0 };
	snprintf(error->code, sizeof error->code, "%s", jsonata_code_name(thrown->code));
	if (node) {
		error->offset = node->start;
		error->length = node->end - node->start;
		error->position = utf16_position(e->program->text, node->end);
	}
	if (parameters.token.ptr)
		error->token = parameters.token = arena_str(e->arena, parameters.token);
	if (thrown->has_value) {
		error->value = parameters.value_json = value_json(e, thrown->value);
		parameters.value2_json = value_json(e, thrown->value2);
		parameters.value = thrown->value.kind == ITEM_STRING ? arena_str(e->arena, item_str(thrown->value))
								     : parameters.value_json;
	}
	error->message = jsonata_message(e->arena, thrown->code, &parameters);
}

_Noreturn void throw_error(struct evaluation *e, const struct thrown *thrown)
{
	fill_error(e, thrown);
	longjmp(e->escape, 1);
}

_Noreturn void throw_limit(struct evaluation *e, const char *text)
{
	throw_message(e, JSONATA_U1001, str_of(text));
}

_Noreturn void throw_depth(struct evaluation *e)
{
	static const char text[] = "Stack overflow error: Check for non-terminating recursive function.  "
				   "Consider rewriting as tail-recursive.";
	if (!e->states)
		throw_limit(e, text);
	throw_limit(e, arena_printf(e->arena, "%s Depth=%d max=%d", text, e->depth, e->depth_max));
}

_Noreturn void throw_message(struct evaluation *e, enum jsonata_code code, struct str message)
{
	throw_error(e, &(struct thrown){ .code = code, .value = item_text(message), .has_value = true });
}

/* ---- evaluating ------------------------------------------------------------------------- */

static int64_t limit_or(int64_t limit, int64_t otherwise)
{
	return limit > 0 ? limit : otherwise;
}

static void copy_names(struct evaluation *e)
{
	const struct names *from = &e->program->names;
	e->names = *from;
	if (!e->dynamic || !from->capacity)
		return;
	e->names.items = EV_ARRAY(e, struct str, from->capacity);
	memcpy(e->names.items, from->items, from->capacity * sizeof *from->items);
	e->names.bound = EV_ARRAY(e, bool, from->capacity);
	memcpy(e->names.bound, from->bound, from->capacity * sizeof *from->bound);
	e->names.slots = EV_ARRAY(e, uint32_t, from->slots_size);
	memcpy(e->names.slots, from->slots, from->slots_size * sizeof *from->slots);
}

/* An input that is an array is one context, not many: it is wrapped. */
static struct item wrap_input(struct evaluation *e, struct item input)
{
	if (!is_array(input))
		return input;
	struct array *outer = array_new(e, 1, ARRAY_SEQUENCE | ARRAY_OUTER);
	array_add(e, outer, input);
	return item_array(outer);
}

static void bind_states(struct evaluation *e)
{
	name_id name = names_find(&e->names, STR("states"));
	const struct jsonata_states *states = e->env->states;
	if (!states || !name)
		return;
	struct object *object = object_new(e, 4);
	if (states->input)
		object_set(e, object, STR("input"), item_from_value(e, states->input));
	if (states->result)
		object_set(e, object, STR("result"), item_from_value(e, states->result));
	if (states->error_output)
		object_set(e, object, STR("errorOutput"), item_from_value(e, states->error_output));
	const struct value *context = states->context ? states->context(e->env->data) : NULL;
	if (context)
		object_set(e, object, STR("context"), item_from_value(e, context));
	e->states_item = item_object(object);
	e->states_name = name;
}

static struct item run(struct evaluation *e)
{
	copy_names(e);
	e->hints_size = e->program->node_count;
	e->hints = EV_ARRAY(e, uint32_t, e->hints_size + 1);
	memset(e->hints, 0, (e->hints_size + 1) * sizeof *e->hints);
	e->input = wrap_input(e, item_from_value(e, e->env->input));
	e->root = frame_new(e, NULL, 4);
	bind_states(e);
	return evaluate(e, e->program->root, e->input, e->root);
}

static enum jsonata_outcome guarded_run(struct evaluation *e, struct value **ret_value)
{
	if (setjmp(e->escape))
		return JSONATA_ERROR;
	struct item item = run(e);
	if (is_nothing(item) || item.kind == ITEM_FUNCTION)
		return is_nothing(item) ? JSONATA_UNDEFINED : JSONATA_FUNCTION;
	*ret_value = item_to_value(e, item, e->states);
	return JSONATA_VALUE;
}

enum jsonata_outcome jsonata_evaluate(const struct jsonata *program, const struct jsonata_env *env, struct arena *arena,
				      struct value **ret_value, struct jsonata_error *ret_error)
{
	enum { LIBRARY_DEPTH_MAX = 512 };
	struct limits limits = LIMITS_DEFAULT;
	bool states = program->flavour == JSONATA_STATES;
	struct evaluation e = {
		.program = program,
		.env = env,
		.arena = arena,
		.states = states,
		.steps_max = limit_or(env->steps_max, limits.expression_steps),
		.depth_max = (int)limit_or(env->depth_max, states ? limits.expression_depth : LIBRARY_DEPTH_MAX),
		.bytes_max = (size_t)limit_or(env->bytes_max, limits.expression_bytes),
		.value_bytes_max =
		    states ? (size_t)limit_or(env->value_bytes_max, limits.expression_value_bytes) : SIZE_MAX,
		.bytes_start = arena->bytes,
		.chunk = 2048,
		.dynamic = program->uses_eval,
		.stack_start = (uintptr_t)__builtin_frame_address(0),
		.error = ret_error,
	};
	return guarded_run(&e, ret_value);
}

/* ---- sorting ---------------------------------------------------------------------------- */

/* Bottom-up would do too; this order of comparisons is the reference's, which errors show. Depth is log2(count). */
static void sort_part(struct evaluation *e, uint32_t *items, uint32_t *spare, uint32_t count,
		      bool (*after)(void *data, uint32_t a, uint32_t b), void *data)
{
	if (count < 2)
		return;
	spend(e, count / 4 + 1);
	uint32_t middle = count / 2;
	sort_part(e, items, spare, middle, after, data);
	sort_part(e, items + middle, spare, count - middle, after, data);
	memcpy(spare, items, middle * sizeof *items);
	uint32_t left = 0, right = middle, out = 0;
	while (left < middle && right < count)
		items[out++] = after(data, spare[left], items[right]) ? items[right++] : spare[left++];
	while (left < middle)
		items[out++] = spare[left++];
}

void merge_sort(struct evaluation *e, uint32_t *indexes, uint32_t count,
		bool (*after)(void *data, uint32_t a, uint32_t b), void *data)
{
	sort_part(e, indexes, EV_ARRAY(e, uint32_t, count / 2 + 1), count, after, data);
}
