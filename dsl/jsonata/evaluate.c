/* evaluate.c: the walk over the program: one function per kind of node. Paths are in path.c, calls in apply.c. */
#include "dsl/jsonata/evaluation.h"
#include "dsl/jsonata/functions.h"
#include "dsl/jsonata/text.h"

/* ---- variables -------------------------------------------------------------------------- */

static int size_class(uint32_t capacity)
{
	return capacity <= 1 ? 0 : capacity <= 2 ? 1 : capacity <= 4 ? 2 : capacity <= 8 ? 3 : capacity <= 16 ? 4 : 5;
}

struct frame *frame_new(struct evaluation *e, struct frame *parent, uint32_t capacity)
{
	int class = size_class(capacity);
	struct frame *frame = class < 5 ? e->spare[class] : NULL;
	if (frame) {
		e->spare[class] = frame->parent;
	} else {
		if (class < 5)
			capacity = 1u << class;
		if (capacity > UINT16_MAX)
			throw_limit(e, "Too many variables");
		frame = ev_alloc(e, sizeof *frame + capacity * sizeof(struct binding));
		frame->bindings = (struct binding *)(frame + 1);
		frame->capacity = (uint16_t)capacity;
	}
	frame->parent = parent;
	frame->cells = NULL;
	frame->count = 0;
	frame->captured = false;
	return frame;
}

void frame_release(struct evaluation *e, struct frame *frame)
{
	int class = size_class(frame->capacity);
	if (frame->captured || class > 4 || frame->capacity != 1u << class)
		return;
	frame->parent = e->spare[class];
	e->spare[class] = frame;
}

void frame_capture(struct frame *frame)
{
	for (; frame && !frame->captured; frame = frame->parent)
		frame->captured = true;
}

struct frame *frame_of_tuple(struct evaluation *e, struct frame *parent, const struct tuple *tuple)
{
	struct frame *frame = frame_new(e, parent, 1);
	frame->cells = tuple ? tuple->cells : NULL;
	return frame;
}

void frame_bind(struct evaluation *e, struct frame *frame, name_id name, struct item item)
{
	for (uint32_t i = 0; i < frame->count; i++) {
		if (frame->bindings[i].name != name)
			continue;
		frame->bindings[i].item = item;
		return;
	}
	if (frame->count == frame->capacity) {
		uint32_t capacity = frame->capacity * 2u + 3; /* no power of two: such frames are not used again */
		if (capacity > UINT16_MAX)
			throw_limit(e, "Too many variables");
		struct binding *bindings = EV_ARRAY(e, struct binding, capacity);
		memcpy(bindings, frame->bindings, frame->count * sizeof *bindings);
		frame->bindings = bindings;
		frame->capacity = (uint16_t)capacity;
	}
	frame->bindings[frame->count++] = (struct binding){ name, item };
}

static void globals_reserve(struct evaluation *e, name_id name)
{
	if (name < e->globals_size)
		return;
	uint32_t size = e->names.count + 16 > name ? e->names.count + 16 : name + 16;
	struct item *globals = EV_ARRAY(e, struct item, size);
	uint8_t *known = ev_alloc(e, size);
	memset(known, 0, size);
	if (e->globals_size) {
		memcpy(globals, e->globals, e->globals_size * sizeof *globals);
		memcpy(known, e->globals_known, e->globals_size);
	}
	e->globals = globals;
	e->globals_known = known;
	e->globals_size = size;
}

static struct item native_item(struct evaluation *e, int native)
{
	if (native < 0)
		return NOTHING;
	struct function *function = EV_NEW(e, struct function);
	*function = (struct function){ .kind = FUNCTION_NATIVE, .native = &natives[native] };
	return item_function(function);
}

static struct item lookup_global(struct evaluation *e, name_id name, int native)
{
	globals_reserve(e, name);
	if (e->globals_known[name])
		return e->globals[name];
	struct str text = e->names.items[name];
	const struct value *value = NULL;
	struct item item;
	if (str_eqz(text, "$")) {
		item = sequence_unwrap(e->input);
	} else if (name == e->states_name) {
		item = e->states_item;
	} else {
		if (e->env->variable)
			value = e->env->variable(e->env->data, text);
		item = value ? item_from_value(e, value) : native_item(e, native);
	}
	e->globals[name] = item;
	e->globals_known[name] = 1;
	return item;
}

struct item lookup_name(struct evaluation *e, name_id name, int native, struct frame *frame)
{
	if (!e->names.bound[name])
		return lookup_global(e, name, native);
	for (; frame; frame = frame->parent) {
		for (uint32_t i = 0; i < frame->count; i++)
			if (frame->bindings[i].name == name)
				return frame->bindings[i].item;
		for (const struct binding_cell *cell = frame->cells; cell; cell = cell->next)
			if (cell->name == name)
				return cell->item;
	}
	return lookup_global(e, name, native);
}

struct item lookup_variable(struct evaluation *e, const struct node *node, struct frame *frame)
{
	return lookup_name(e, node->name, node->native, frame);
}

/* ---- operators -------------------------------------------------------------------------- */

static struct item arithmetic(struct evaluation *e, const struct node *node, struct item a, struct item b)
{
	if (!is_nothing(a) && (a.kind != ITEM_NUMBER || isnan(a.number)))
		THROW(e, .code = JSONATA_T2001, .node = node, .token = node->text, .value = a, .has_value = true);
	if (!is_nothing(b) && (b.kind != ITEM_NUMBER || isnan(b.number)))
		THROW(e, .code = JSONATA_T2002, .node = node, .token = node->text, .value = b, .has_value = true);
	if (is_nothing(a) || is_nothing(b))
		return NOTHING;
	/* What is out of range shows itself only when it is computed with again. */
	if (isinf(a.number))
		THROW(e, .code = JSONATA_D1001, .node = node, .token = node->text, .value = a, .has_value = true);
	if (isinf(b.number))
		THROW(e, .code = JSONATA_D1001, .node = node, .token = node->text, .value = b, .has_value = true);
	switch ((int)node->op) {
	case OP_PLUS:
		return item_number(a.number + b.number);
	case OP_MINUS:
		return item_number(a.number - b.number);
	case OP_TIMES:
		return item_number(a.number * b.number);
	case OP_DIVIDE:
		return item_number(a.number / b.number);
	default:
		return item_number(fmod(a.number, b.number));
	}
}

static bool is_comparable(struct item item)
{
	return item.kind == ITEM_NUMBER || item.kind == ITEM_STRING || is_nothing(item);
}

static struct item compare(struct evaluation *e, const struct node *node, struct item a, struct item b)
{
	if (!is_comparable(a) || !is_comparable(b))
		THROW(e, .code = JSONATA_T2010, .node = node, .token = node->text, .value = is_comparable(a) ? b : a,
		      .has_value = true);
	if (is_nothing(a) || is_nothing(b))
		return NOTHING;
	if (a.kind != b.kind)
		THROW(e, .code = JSONATA_T2009, .node = node, .token = node->text, .value = a, .value2 = b,
		      .has_value = true);
	bool less, equal;
	if (a.kind == ITEM_NUMBER) {
		less = a.number < b.number;
		equal = a.number == b.number;
		if (isnan(a.number) || isnan(b.number))
			return item_boolean(false);
	} else {
		int order = utf16_compare(item_str(a), item_str(b));
		less = order < 0;
		equal = order == 0;
	}
	switch ((int)node->op) {
	case OP_LESS:
		return item_boolean(less);
	case OP_LESS_EQUAL:
		return item_boolean(less || equal);
	case OP_GREATER:
		return item_boolean(!less && !equal);
	default:
		return item_boolean(!less);
	}
}

static struct item includes(struct evaluation *e, struct item needle, struct item haystack)
{
	if (is_nothing(needle) || is_nothing(haystack))
		return item_boolean(false);
	for (uint32_t i = 0, n = array_count(haystack); i < n; i++) {
		spend(e, 1);
		struct item item = array_at(e, haystack, i);
		/* Identity, as JavaScript's ===: arrays and objects equal only themselves. */
		if (item.kind == needle.kind &&
		    (item.kind < ITEM_ARRAY ? items_equal(e, item, needle) : item.array == needle.array))
			return item_boolean(true);
	}
	return item_boolean(false);
}

static struct item range(struct evaluation *e, const struct node *node, struct item a, struct item b)
{
	bool a_ok = a.kind == ITEM_NUMBER && a.number == floor(a.number);
	bool b_ok = b.kind == ITEM_NUMBER && b.number == floor(b.number);
	if (!is_nothing(a) && !a_ok)
		THROW(e, .code = JSONATA_T2003, .node = node, .token = node->text, .value = a, .has_value = true);
	if (!is_nothing(b) && !b_ok)
		THROW(e, .code = JSONATA_T2004, .node = node, .token = node->text, .value = b, .has_value = true);
	if (is_nothing(a) || is_nothing(b) || a.number > b.number)
		return NOTHING;
	double size = b.number - a.number + 1;
	if (!(size <= 1e7))
		THROW(e, .code = JSONATA_D2014, .node = node, .token = node->text, .value = item_number(size),
		      .has_value = true);
	claim_items(e, size, false);
	uint32_t count = (uint32_t)size;
	spend(e, count / 16);
	struct array *array = array_new(e, count, ARRAY_SEQUENCE);
	for (uint32_t i = 0; i < count; i++)
		array->items[i] = item_number(a.number + i);
	array->count = count;
	return item_array(array);
}

static struct item evaluate_binary(struct evaluation *e, const struct node *node, struct item input,
				   struct frame *frame)
{
	struct item a = evaluate(e, node->a, input, frame);
	if (node->op == OP_AND && !item_truth(e, a))
		return item_boolean(false);
	if (node->op == OP_OR && item_truth(e, a))
		return item_boolean(true);
	struct item b = evaluate(e, node->b, input, frame);
	switch ((int)node->op) {
	case OP_AND:
	case OP_OR:
		return item_boolean(item_truth(e, b));
	case OP_EQUAL:
		return item_boolean(!is_nothing(a) && !is_nothing(b) && items_equal(e, a, b));
	case OP_NOT_EQUAL:
		return item_boolean(!is_nothing(a) && !is_nothing(b) && !items_equal(e, a, b));
	case OP_LESS:
	case OP_LESS_EQUAL:
	case OP_GREATER:
	case OP_GREATER_EQUAL:
		return compare(e, node, a, b);
	case OP_CONCAT:
		return item_text(text_concat(e, item_string(e, a, false), item_string(e, b, false)));
	case OP_IN:
		return includes(e, a, b);
	case OP_RANGE:
		return range(e, node, a, b);
	default:
		return arithmetic(e, node, a, b);
	}
}

static struct item evaluate_negate(struct evaluation *e, const struct node *node, struct item input,
				   struct frame *frame)
{
	struct item a = evaluate(e, node->a, input, frame);
	if (is_nothing(a))
		return a;
	if (a.kind != ITEM_NUMBER || isnan(a.number))
		THROW(e, .code = JSONATA_D1002, .node = node, .token = node->text, .value = a, .has_value = true);
	if (isinf(a.number))
		THROW(e, .code = JSONATA_D1001, .value = a, .has_value = true);
	return item_number(-a.number);
}

/* ---- constructors, blocks, functions ---------------------------------------------------- */

static struct item evaluate_array(struct evaluation *e, const struct node *node, struct item input, struct frame *frame)
{
	struct array *array = NULL;
	uint32_t flags = node->cons ? ARRAY_CONS : 0;
	for (uint32_t i = 0; i < node->count; i++) {
		const struct node *part = node->list[i];
		struct item item = evaluate(e, part, input, frame);
		if (is_nothing(item))
			continue;
		if (part->kind == NODE_BINARY && part->op == OP_RANGE && node->count == 1 && item.kind == ITEM_ARRAY) {
			item.array->flags = flags; /* fresh, and all there is */
			return item;
		}
		if (!array)
			array = array_new(e, node->count, flags);
		/* A nested constructor stays an array; everything else is appended item by item. */
		if (part->kind == NODE_ARRAY || !is_array(item))
			array_add(e, array, item);
		else
			array_add_all(e, array, item);
	}
	return item_array(array ? array : array_new(e, 0, flags));
}

static struct item evaluate_block(struct evaluation *e, const struct node *node, struct item input, struct frame *outer)
{
	struct frame *frame = node->binds || e->dynamic ? frame_new(e, outer, 2) : outer;
	struct item result = NOTHING;
	for (uint32_t i = 0; i < node->count; i++)
		result = evaluate(e, node->list[i], input, frame);
	if (frame != outer)
		frame_release(e, frame);
	return result;
}

static struct item evaluate_condition(struct evaluation *e, const struct node *node, struct item input,
				      struct frame *frame)
{
	struct item a = evaluate(e, node->a, input, frame);
	bool holds = node->op == OP_COALESCE ? !is_nothing(a) : item_truth(e, a);
	if (!holds)
		return node->c ? evaluate(e, node->c, input, frame) : NOTHING;
	return node->b ? evaluate(e, node->b, input, frame) : a;
}

static struct item make_closure(struct evaluation *e, enum function_kind kind, const struct node *node,
				struct item input, struct frame *frame)
{
	frame_capture(frame);
	struct function *function = EV_NEW(e, struct function);
	*function = (struct function){ .kind = kind, .node = node, .frame = frame, .input = input };
	return item_function(function);
}

static struct item evaluate_wildcard(struct evaluation *e, struct item input)
{
	if (has_flag(input, ARRAY_OUTER) && input.array->count)
		input = input.array->items[0];
	struct array *result = sequence_new(e);
	bool array = is_array(input);
	if (!array && !is_object(input))
		return item_array(result);
	uint32_t count = array ? array_count(input) : object_count(input);
	for (uint32_t i = 0; i < count; i++) {
		struct item item = array ? array_at(e, input, i) : object_item_at(e, input, i);
		spend(e, 1);
		if (!is_array(item)) {
			array_add(e, result, item);
			continue;
		}
		/* Arrays within are flattened to the ground. */
		struct array *stack = array_new(e, 4, 0);
		struct item top = item;
		uint32_t at = 0;
		for (;;) {
			if (at == array_count(top)) {
				if (stack->count == 0)
					break;
				at = (uint32_t)stack->items[stack->count - 1].number;
				top = stack->items[stack->count - 2];
				stack->count -= 2;
				continue;
			}
			struct item inner = array_at(e, top, at++);
			spend(e, 1);
			if (is_array(inner)) {
				array_add(e, stack, top);
				array_add(e, stack, item_number(at));
				top = inner;
				at = 0;
			} else {
				array_add(e, result, inner);
			}
		}
	}
	return item_array(result);
}

static void descend(struct evaluation *e, struct item item, struct array *result, int depth)
{
	spend(e, 1);
	if (depth > 1000)
		throw_limit(e, "The data is nested too deeply");
	if (!is_array(item))
		array_add(e, result, item);
	if (is_array(item))
		for (uint32_t i = 0, n = array_count(item); i < n; i++)
			descend(e, array_at(e, item, i), result, depth + 1);
	else if (is_object(item))
		for (uint32_t i = 0, n = object_count(item); i < n; i++)
			descend(e, object_item_at(e, item, i), result, depth + 1);
}

static struct item evaluate_descendants(struct evaluation *e, struct item input)
{
	if (is_nothing(input))
		return NOTHING;
	struct array *result = sequence_new(e);
	descend(e, input, result, 0);
	return result->count == 1 ? result->items[0] : item_array(result);
}

/* ---- all of them ------------------------------------------------------------------------ */

static struct item evaluate_kind(struct evaluation *e, const struct node *node, struct item input, struct frame *frame)
{
	struct item item;
	switch (node->kind) {
	case NODE_PATH:
		return evaluate_path(e, node, input, frame);
	case NODE_NAME:
		return evaluate_name(e, node, input);
	case NODE_STRING:
		return item_text(node->text);
	case NODE_NUMBER:
		return item_number(node->number);
	case NODE_VALUE:
		return node->null ? item_null() : item_boolean(node->boolean);
	case NODE_VARIABLE:
		if (node->text.len == 0)
			return has_flag(input, ARRAY_OUTER) ? input.array->items[0] : input;
		return lookup_variable(e, node, frame);
	case NODE_BINARY:
		return evaluate_binary(e, node, input, frame);
	case NODE_NEGATE:
		return evaluate_negate(e, node, input, frame);
	case NODE_ARRAY:
		return evaluate_array(e, node, input, frame);
	case NODE_OBJECT:
		return evaluate_group(e, node->group, input, frame);
	case NODE_BLOCK:
		return evaluate_block(e, node, input, frame);
	case NODE_CONDITION:
		return evaluate_condition(e, node, input, frame);
	case NODE_BIND:
		item = evaluate(e, node->b, input, frame);
		frame_bind(e, frame, node->name, item);
		return item;
	case NODE_CALL:
		return evaluate_call(e, node, input, frame, NULL);
	case NODE_PARTIAL:
		return evaluate_partial(e, node, input, frame);
	case NODE_CHAIN:
		return evaluate_chain(e, node, input, frame);
	case NODE_LAMBDA:
		return make_closure(e, FUNCTION_LAMBDA, node, input, frame);
	case NODE_TRANSFORM:
		return make_closure(e, FUNCTION_TRANSFORM, node, input, frame);
	case NODE_REGEX:
		return regex_function(e, node->regex);
	case NODE_WILDCARD:
		return evaluate_wildcard(e, input);
	case NODE_DESCENDANTS:
		return evaluate_descendants(e, input);
	case NODE_PARENT:
		return lookup_name(e, node->slot->label, -1, frame);
	case NODE_SORT:
	case NODE_OPERATOR:
	case NODE_KIND_COUNT:
		break;
	}
	return NOTHING;
}

struct item evaluate(struct evaluation *e, const struct node *node, struct item input, struct frame *frame)
{
	spend(e, 1);
	descend_level(e);
	struct item result = evaluate_kind(e, node, input, frame);
	if (node->predicates_inside)
		for (uint32_t i = 0; i < node->stage_count; i++)
			result = evaluate_filter(e, node->stages[i].predicate, result, frame);
	if (node->has_group && node->kind != NODE_PATH)
		result = evaluate_group(e, node->group, result, frame);
	if (is_sequence(result) && !(result.array->flags & ARRAY_TUPLES)) {
		if (node->keep_array)
			result.array->flags |= ARRAY_KEEP_SINGLETON;
		result = sequence_unwrap(result);
	}
	e->depth--;
	return result;
}
