/* apply.c: calling functions: built-in, lambda, partially applied, chained, matchers, transforms.
 *
 * A call in tail position of a lambda (its body, a branch of a condition, the last expression of a block) does not
 * nest: the loop in apply_lambda goes on with the next function, so recursion of that kind needs neither stack nor
 * depth. */
#include "dsl/jsonata/evaluation.h"
#include "dsl/jsonata/functions.h"

enum { ARGUMENTS_INLINE = 6 };

static struct str call_name(const struct node *node)
{
	const struct node *procedure = node->a;
	return procedure->kind == NODE_PATH ? procedure->list[0]->text : procedure->text;
}

/* A name without `$` that exists with it: the most frequent mistake. */
static bool is_forgotten_dollar(struct evaluation *e, const struct node *procedure, struct frame *frame)
{
	if (procedure->kind != NODE_PATH)
		return false;
	const struct node *first = procedure->list[0];
	name_id name = names_find(&e->names, first->text);
	return name && !is_nothing(lookup_name(e, name, native_find(first->text, e->program->flavour), frame));
}

uint32_t function_arity(const struct function *function)
{
	switch (function->kind) {
	case FUNCTION_NATIVE:
		return function->native->arity;
	case FUNCTION_LAMBDA:
		return function->node->count;
	case FUNCTION_PARTIAL: {
		uint32_t open = 0;
		for (uint32_t i = 0; i < function->argument_count; i++)
			open += function->open[i];
		return open;
	}
	case FUNCTION_COMPOSED:
	case FUNCTION_TRANSFORM:
		return 1;
	case FUNCTION_MATCHER:
		return 2;
	case FUNCTION_NEXT_MATCH:
		return 0;
	}
	return 1;
}

/* ---- lambdas ---------------------------------------------------------------------------- */

/* What a tail call leaves to the loop. */
struct tail_call {
	const struct function *function; /* NULL: `result` is final */
	struct item *arguments;
	uint32_t count;
};

static bool is_plain(const struct node *node)
{
	return !node->predicates_inside && !node->has_group && !node->keep_array;
}

/* Who called the lambda: what its tail calls of built-in functions see as context and variables. */
struct caller {
	struct item input;
	struct frame *frame;
};

static struct item call_in_tail(struct evaluation *e, const struct node *node, struct item input,
				const struct caller *caller, struct frame *frame, struct tail_call *tail)
{
	struct item procedure = evaluate(e, node->a, input, frame), *arguments = tail->arguments;
	if (node->count > ARGUMENTS_INLINE)
		arguments = EV_ARRAY(e, struct item, node->count);
	for (uint32_t i = 0; i < node->count; i++)
		arguments[i] = evaluate(e, node->list[i], input, frame);
	if (procedure.kind == ITEM_FUNCTION && procedure.function->kind == FUNCTION_LAMBDA) {
		*tail = (struct tail_call){ procedure.function, arguments, node->count };
		return NOTHING;
	}
	struct call_site site = { node->a, call_name(node), e->calls };
	e->calls = &site;
	struct item result = apply(e, procedure, arguments, node->count, caller->input, caller->frame);
	e->calls = site.outer;
	return result;
}

/* What a call in tail position gives is handed on as it is, and its context is that of the lambda's caller: it is as if
 * the caller had called. */
static struct item evaluate_tail(struct evaluation *e, const struct node *node, struct item input,
				 const struct caller *caller, struct frame *frame, struct tail_call *tail)
{
	int depth = e->depth;
	for (;;) {
		spend(e, 1);
		if (!is_plain(node))
			break;
		if (node->kind == NODE_CONDITION && node->b) {
			descend_level(e);
			bool holds = item_truth(e, evaluate(e, node->a, input, frame));
			if (!holds && !node->c) {
				e->depth = depth;
				return NOTHING;
			}
			node = holds ? node->b : node->c;
		} else if (node->kind == NODE_BLOCK && node->count) {
			descend_level(e);
			if (node->binds || e->dynamic)
				frame = frame_new(e, frame, 2);
			for (uint32_t i = 0; i + 1 < node->count; i++)
				evaluate(e, node->list[i], input, frame);
			node = node->list[node->count - 1];
		} else if (node->kind == NODE_CALL) {
			e->depth = depth;
			return call_in_tail(e, node, input, caller, frame, tail);
		} else {
			break;
		}
	}
	struct item result = evaluate(e, node, input, frame);
	e->depth = depth;
	return result;
}

static struct item apply_lambda(struct evaluation *e, const struct function *function, const struct item *arguments,
				uint32_t count, const struct caller *caller)
{
	struct item spare[2][ARGUMENTS_INLINE];
	for (unsigned turn = 0;; turn++) {
		const struct node *lambda = function->node;
		if (lambda->signature)
			arguments = signature_apply(e, lambda->signature, arguments, count, caller->input, &count);
		struct frame *frame = frame_new(e, function->frame, lambda->count);
		for (uint32_t i = 0; i < lambda->count; i++)
			frame_bind(e, frame, lambda->list[i]->name, i < count ? arguments[i] : NOTHING);
		struct tail_call tail = { .arguments = spare[turn & 1] };
		struct item result = evaluate_tail(e, lambda->a, function->input, caller, frame, &tail);
		frame_release(e, frame);
		if (!tail.function)
			return result;
		function = tail.function;
		arguments = tail.arguments;
		count = tail.count;
	}
}

/* ---- the other kinds -------------------------------------------------------------------- */

static struct item apply_partial(struct evaluation *e, const struct function *partial, const struct item *arguments,
				 uint32_t count, struct item input, struct frame *frame)
{
	struct item *all = EV_ARRAY(e, struct item, partial->argument_count);
	uint32_t next = 0;
	for (uint32_t i = 0; i < partial->argument_count; i++)
		all[i] = !partial->open[i] ? partial->arguments[i] : next < count ? arguments[next++] : NOTHING;
	return apply(e, item_function(partial->first), all, partial->argument_count, input, frame);
}

static struct item apply_native(struct evaluation *e, const struct native *native, const struct item *arguments,
				uint32_t count, struct item input, struct frame *frame)
{
	struct item local[ARGUMENTS_INLINE];
	struct call call = {
		.arguments = local, .count = ARGUMENTS_INLINE, .input = input, .frame = frame, .native = native
	};
	if (native->signature) {
		signature_apply_text(e, native, arguments, count, input, &call);
	} else {
		for (uint32_t i = 0; i < ARGUMENTS_INLINE; i++)
			local[i] = i < count ? arguments[i] : NOTHING;
	}
	return native->function(e, &call);
}

static struct item text_argument(const struct item *arguments, uint32_t count, uint32_t index)
{
	return index < count ? arguments[index] : NOTHING;
}

struct item apply(struct evaluation *e, struct item item, struct item *arguments, uint32_t count, struct item input,
		  struct frame *frame)
{
	if (item.kind != ITEM_FUNCTION)
		THROW(e, .code = JSONATA_T1006);
	const struct function *function = item.function;
	spend(e, 1);
	/* Callbacks of built-in functions nest without passing evaluate(). */
	descend_level(e);
	e->depth--;
	struct item result;
	switch (function->kind) {
	case FUNCTION_NATIVE:
		return apply_native(e, function->native, arguments, count, input, frame);
	case FUNCTION_LAMBDA:
		return apply_lambda(e, function, arguments, count, &(struct caller){ input, frame });
	case FUNCTION_PARTIAL:
		return apply_partial(e, function, arguments, count, input, frame);
	case FUNCTION_COMPOSED:
		descend_level(e);
		result = sequence_unwrap(apply(e, item_function(function->first), arguments, count, input, frame));
		result = apply(e, item_function(function->second), &result, 1, input, frame);
		e->depth--;
		return result;
	case FUNCTION_TRANSFORM:
		return transform_apply(e, function, text_argument(arguments, count, 0));
	case FUNCTION_MATCHER: {
		struct item text = text_argument(arguments, count, 0), from = text_argument(arguments, count, 1);
		if (text.kind != ITEM_STRING)
			return NOTHING;
		double start = from.kind == ITEM_NUMBER && from.number > 0 ? from.number : 0;
		return matcher_call(e, function->regex, item_str(text),
				    start < text.len   ? (size_t)start
				    : start > text.len ? text.len + 1
						       : text.len);
	}
	case FUNCTION_NEXT_MATCH:
		return matcher_call(e, function->regex, function->subject, function->from);
	}
	return NOTHING;
}

struct item apply_callback(struct evaluation *e, struct item function, struct item a, struct item b, struct item c,
			   uint32_t count, struct item input, struct frame *frame)
{
	struct item arguments[3] = { a, b, c };
	if (function.kind == ITEM_FUNCTION) {
		uint32_t arity = function_arity(function.function);
		if (arity < count)
			count = arity ? arity : 1;
	}
	struct call_site site = { NULL, { 0 }, e->calls };
	if (function.kind == ITEM_FUNCTION && function.function->kind == FUNCTION_NATIVE)
		site.token = str_of(function.function->native->name);
	e->calls = &site;
	e->depth++;
	struct item result = apply(e, function, arguments, count, item_null(), frame);
	e->depth--;
	e->calls = site.outer;
	return result;
}

/* ---- calls in the program --------------------------------------------------------------- */

struct item evaluate_call(struct evaluation *e, const struct node *node, struct item input, struct frame *frame,
			  const struct item *first)
{
	struct item procedure = evaluate(e, node->a, input, frame);
	if (is_nothing(procedure) && is_forgotten_dollar(e, node->a, frame))
		THROW(e, .code = JSONATA_T1005, .node = node, .token = call_name(node));
	struct item local[ARGUMENTS_INLINE], *arguments = local;
	uint32_t count = 0, room = node->count + (first != NULL);
	if (room > ARGUMENTS_INLINE)
		arguments = EV_ARRAY(e, struct item, room);
	if (first)
		arguments[count++] = *first;
	for (uint32_t i = 0; i < node->count; i++)
		arguments[count++] = evaluate(e, node->list[i], input, frame);
	struct call_site site = { node, call_name(node), e->calls };
	e->calls = &site;
	struct item result = apply(e, procedure, arguments, count, input, frame);
	e->calls = site.outer;
	return result;
}

struct item evaluate_partial(struct evaluation *e, const struct node *node, struct item input, struct frame *frame)
{
	struct item *arguments = EV_ARRAY(e, struct item, node->count);
	bool *open = EV_ARRAY(e, bool, node->count);
	for (uint32_t i = 0; i < node->count; i++) {
		open[i] = node->list[i]->kind == NODE_OPERATOR;
		arguments[i] = open[i] ? NOTHING : evaluate(e, node->list[i], input, frame);
	}
	struct item procedure = evaluate(e, node->a, input, frame);
	if (is_nothing(procedure) && is_forgotten_dollar(e, node->a, frame))
		THROW(e, .code = JSONATA_T1007, .node = node, .token = call_name(node));
	if (procedure.kind != ITEM_FUNCTION)
		THROW(e, .code = JSONATA_T1008, .node = node, .token = call_name(node));
	struct function *partial = EV_NEW(e, struct function);
	*partial = (struct function){ .kind = FUNCTION_PARTIAL,
				      .first = procedure.function,
				      .arguments = arguments,
				      .open = open,
				      .argument_count = node->count };
	return item_function(partial);
}

struct item evaluate_chain(struct evaluation *e, const struct node *node, struct item input, struct frame *frame)
{
	struct item left = evaluate(e, node->a, input, frame);
	if (node->b->kind == NODE_CALL)
		return evaluate_call(e, node->b, input, frame, &left);
	struct item right = evaluate(e, node->b, input, frame);
	if (right.kind != ITEM_FUNCTION)
		THROW(e, .code = JSONATA_T2006, .node = node, .value = right, .has_value = true);
	if (left.kind != ITEM_FUNCTION) {
		struct call_site site = { NULL, node->b->kind == NODE_VARIABLE ? node->b->text : (struct str){ 0 },
					  e->calls };
		e->calls = &site;
		struct item result = apply(e, right, &left, 1, item_null(), frame);
		e->calls = site.outer;
		return result;
	}
	struct function *composed = EV_NEW(e, struct function);
	*composed = (struct function){ .kind = FUNCTION_COMPOSED, .first = left.function, .second = right.function };
	return item_function(composed);
}
