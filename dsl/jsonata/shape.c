/* shape.c: from the raw tree to the one that is evaluated.
 *
 * Chains of `.` become one path with a list of steps; predicates, sorts and groupings are hung on the step or path they
 * belong to; names become numbers.
 *
 * Parents. `%` names the input of an earlier step. Each `%` gets a slot that travels outwards until it finds that step:
 * a name or wildcard takes one level off, another `%` adds one. The step it ends at is told to carry its input along
 * under the slot's label (`ancestor`), and from there on the path is a stream of tuples (`tuple`). Slots not yet
 * settled are kept in `seeking` of the node that holds them. */
#include "dsl/jsonata/functions.h"
#include "dsl/jsonata/syntax.h"
#include "base/hash.h"
#include "base/mem.h"

static struct node *shape(struct compiler *c, struct node *raw);

/* ---- names ----------------------------------------------------------------------------- */

static void names_grow(struct names *names, struct arena *arena)
{
	uint32_t capacity = names->capacity ? names->capacity * 2 : 32;
	struct str *items = ARENA_ARRAY(arena, struct str, capacity);
	bool *bound = ARENA_ARRAY(arena, bool, capacity);
	if (names->count) {
		memcpy(items, names->items, names->count * sizeof *items);
		memcpy(bound, names->bound, names->count * sizeof *bound);
	}
	names->items = items;
	names->bound = bound;
	names->capacity = capacity;
	names->slots_size = capacity * 2;
	names->slots = ARENA_ARRAY(arena, uint32_t, names->slots_size);
	for (uint32_t id = 1; id < names->count; id++) {
		uint32_t at = (uint32_t)hash_bytes(names->items[id], 0) & (names->slots_size - 1);
		while (names->slots[at])
			at = (at + 1) & (names->slots_size - 1);
		names->slots[at] = id;
	}
}

name_id names_find(const struct names *names, struct str text)
{
	if (!names->slots_size)
		return 0;
	uint32_t at = (uint32_t)hash_bytes(text, 0) & (names->slots_size - 1);
	for (; names->slots[at]; at = (at + 1) & (names->slots_size - 1))
		if (str_eq(names->items[names->slots[at]], text))
			return names->slots[at];
	return 0;
}

name_id names_intern(struct names *names, struct arena *arena, struct str text)
{
	name_id id = names_find(names, text);
	if (id)
		return id;
	if (names->count + 1 >= names->capacity)
		names_grow(names, arena);
	if (names->count == 0)
		names->count = 1;
	id = names->count++;
	names->items[id] = arena_str(arena, text);
	uint32_t at = (uint32_t)hash_bytes(text, 0) & (names->slots_size - 1);
	while (names->slots[at])
		at = (at + 1) & (names->slots_size - 1);
	names->slots[at] = id;
	return id;
}

static name_id intern(struct compiler *c, struct str text)
{
	return names_intern(&c->program->names, c->arena, text);
}

static name_id intern_bound(struct compiler *c, struct str text)
{
	name_id id = intern(c, text);
	c->program->names.bound[id] = true;
	return id;
}

/* ---- parents --------------------------------------------------------------------------- */

static void slots_add(struct compiler *c, struct slot_list *list, struct parent_slot *slot)
{
	if (list->count == list->capacity) {
		list->capacity = list->capacity ? list->capacity * 2 : 4;
		struct parent_slot **items = ARENA_ARRAY(c->arena, struct parent_slot *, list->capacity);
		if (list->count)
			memcpy(items, list->items, list->count * sizeof *items);
		list->items = items;
	}
	list->items[list->count++] = slot;
}

/* What `child` still seeks, `node` seeks too. */
static void adopt_parents(struct compiler *c, struct node *node, const struct node *child)
{
	if (!child)
		return;
	for (uint32_t i = 0; i < child->seeking.count; i++)
		slots_add(c, &node->seeking, child->seeking.items[i]);
	if (child->kind == NODE_PARENT)
		slots_add(c, &node->seeking, child->slot);
}

static _Noreturn void no_parent(struct compiler *c, const struct node *node)
{
	struct str kind = str_of(node_kind_text(node->kind));
	compile_fail(c, JSONATA_S0217, node->start, node->end, &kind, NULL);
}

/* Lets `slot` pass through `node` on its way out. */
static void seek_parent(struct compiler *c, struct node *node, struct parent_slot *slot)
{
	if (node->kind == NODE_NAME || node->kind == NODE_WILDCARD) {
		if (--slot->level > 0)
			return;
		if (node->ancestor)
			slot->label = node->ancestor->label;
		node->ancestor = slot;
		node->tuple = true;
	} else if (node->kind == NODE_PARENT) {
		slot->level++;
	} else if (node->kind == NODE_BLOCK) {
		if (node->count == 0)
			return;
		node->tuple = true;
		seek_parent(c, node->list[node->count - 1], slot);
	} else if (node->kind == NODE_PATH) {
		node->tuple = true;
		uint32_t i = node->count;
		do
			seek_parent(c, node->list[--i], slot);
		while (slot->level > 0 && i > 0);
	} else {
		no_parent(c, node);
	}
}

/* Settles what the last step of a path seeks among the steps before it. */
static void resolve_parents(struct compiler *c, struct node *path)
{
	struct node *last = path->list[path->count - 1];
	struct slot_list slots = { 0 };
	for (uint32_t i = 0; i < last->seeking.count; i++)
		slots_add(c, &slots, last->seeking.items[i]);
	if (last->kind == NODE_PARENT)
		slots_add(c, &slots, last->slot);
	for (uint32_t i = 0; i < slots.count; i++) {
		int64_t at = (int64_t)path->count - 2;
		while (slots.items[i]->level > 0) {
			if (at < 0) {
				slots_add(c, &path->seeking, slots.items[i]);
				break;
			}
			struct node *step = path->list[at--];
			/* Steps that bind their focus all stand on the same context. */
			while (at >= 0 && step->focus && path->list[at]->focus)
				step = path->list[at--];
			seek_parent(c, step, slots.items[i]);
		}
	}
}

/* ---- paths ----------------------------------------------------------------------------- */

static void add_step(struct compiler *c, struct node *path, struct node *step)
{
	struct node **list = path->list;
	if ((path->count & (path->count - 1)) == 0) { /* grows at powers of two */
		list = ARENA_ARRAY(c->arena, struct node *, path->count ? path->count * 2 : 1);
		if (path->count)
			memcpy(list, path->list, path->count * sizeof *list);
	}
	list[path->count++] = step;
	path->list = list;
}

static struct node *new_path(struct compiler *c, struct node *first)
{
	struct node *path = ARENA_NEW(c->arena, struct node);
	path->kind = NODE_PATH;
	path->id = c->program->node_count++;
	path->start = first->start;
	path->end = first->end;
	path->text = first->text;
	path->native = -1;
	add_step(c, path, first);
	return path;
}

static struct node *as_path(struct compiler *c, struct node *node)
{
	return node->kind == NODE_PATH ? node : new_path(c, node);
}

static struct node *last_step(struct node *node)
{
	return node->kind == NODE_PATH ? node->list[node->count - 1] : node;
}

static struct node *shape_dot(struct compiler *c, struct node *raw)
{
	struct node *left = shape(c, raw->a);
	struct node *path = as_path(c, left);
	if (left->kind == NODE_PARENT)
		slots_add(c, &path->seeking, left->slot);
	struct node *right = shape(c, raw->b);
	right->predicates_inside = false;
	if (right->kind == NODE_PATH) {
		for (uint32_t i = 0; i < right->count; i++)
			add_step(c, path, right->list[i]);
	} else {
		add_step(c, path, right);
	}
	for (uint32_t i = 0; i < path->count; i++) {
		struct node *step = path->list[i];
		if (step->kind == NODE_NUMBER || step->kind == NODE_VALUE)
			compile_fail(c, JSONATA_S0213, step->start, step->end, NULL, &step->text);
		if (step->kind == NODE_STRING)
			step->kind = NODE_NAME;
		path->keep_singleton |= step->keep_array;
	}
	/* An array constructor at the start is evaluated once, not for each item of the context; at the end it is not
	 * flattened. */
	struct node *first = path->list[0], *last = path->list[path->count - 1];
	if (first->kind == NODE_ARRAY)
		first->cons = true;
	if (last->kind == NODE_ARRAY)
		last->cons = true;
	resolve_parents(c, path);
	return path;
}

static struct stage *add_stage(struct compiler *c, struct node *step)
{
	if (step->stage_count == step->stage_capacity) {
		step->stage_capacity = step->stage_capacity ? step->stage_capacity * 2 : 2;
		struct stage *stages = ARENA_ARRAY(c->arena, struct stage, step->stage_capacity);
		if (step->stage_count)
			memcpy(stages, step->stages, step->stage_count * sizeof *stages);
		step->stages = stages;
	}
	return &step->stages[step->stage_count++];
}

static struct node *shape_predicate(struct compiler *c, struct node *raw)
{
	struct node *result = shape(c, raw->a), *step = last_step(result);
	if (result->kind != NODE_PATH)
		result->predicates_inside = true;
	if (step->has_group)
		compile_fail(c, JSONATA_S0209, raw->start, raw->end, NULL, NULL);
	struct node *predicate = shape(c, raw->b);
	if (predicate->seeking.count) {
		for (uint32_t i = 0; i < predicate->seeking.count; i++) {
			struct parent_slot *slot = predicate->seeking.items[i];
			if (slot->level == 1)
				seek_parent(c, step, slot);
			else
				slot->level--;
		}
		adopt_parents(c, step, predicate);
	}
	*add_stage(c, step) = (struct stage){ .predicate = predicate, .end = raw->end };
	return result;
}

static struct group *shape_pairs(struct compiler *c, struct node *owner, struct group *group, bool adopt)
{
	for (uint32_t i = 0; i < group->count; i++) {
		group->keys[i] = shape(c, group->keys[i]);
		group->values[i] = shape(c, group->values[i]);
		if (adopt) {
			adopt_parents(c, owner, group->keys[i]);
			adopt_parents(c, owner, group->values[i]);
		}
	}
	return group;
}

static struct node *shape_group(struct compiler *c, struct node *raw)
{
	struct node *result = shape(c, raw->a);
	if (result->has_group)
		compile_fail(c, JSONATA_S0210, raw->start, raw->end, NULL, NULL);
	result->group = shape_pairs(c, result, raw->group, false);
	result->has_group = true;
	return result;
}

static struct node *shape_order_by(struct compiler *c, struct node *raw)
{
	struct node *path = as_path(c, shape(c, raw->a));
	raw->a = NULL;
	for (uint32_t i = 0; i < raw->count; i++) {
		raw->terms[i].expression = shape(c, raw->terms[i].expression);
		adopt_parents(c, raw, raw->terms[i].expression);
	}
	add_step(c, path, raw);
	resolve_parents(c, path);
	return path;
}

static struct node *shape_focus(struct compiler *c, struct node *raw)
{
	struct node *result = shape(c, raw->a), *step = last_step(result);
	if (step->stage_count)
		compile_fail(c, JSONATA_S0215, raw->start, raw->end, NULL, NULL);
	if (step->kind == NODE_SORT)
		compile_fail(c, JSONATA_S0216, raw->start, raw->end, NULL, NULL);
	step->keep_array |= raw->keep_array;
	step->focus = intern_bound(c, raw->b->text);
	step->tuple = true;
	return result;
}

static struct node *shape_index(struct compiler *c, struct node *raw)
{
	struct node *left = shape(c, raw->a);
	left->predicates_inside = false;
	struct node *result = as_path(c, left), *step = last_step(result);
	name_id name = intern_bound(c, raw->b->text);
	if (step->stage_count == 0)
		step->index = name;
	else
		*add_stage(c, step) = (struct stage){ .index = name, .end = raw->end };
	step->tuple = true;
	return result;
}

/* ---- the rest -------------------------------------------------------------------------- */

static void shape_operands(struct compiler *c, struct node *node)
{
	struct node **operands[] = { &node->a, &node->b, &node->c };
	for (int i = 0; i < 3; i++) {
		if (!*operands[i])
			continue;
		*operands[i] = shape(c, *operands[i]);
		adopt_parents(c, node, *operands[i]);
	}
}

static void shape_list(struct compiler *c, struct node *node)
{
	for (uint32_t i = 0; i < node->count; i++) {
		node->list[i] = shape(c, node->list[i]);
		adopt_parents(c, node, node->list[i]);
	}
}

static struct node *shape_binary(struct compiler *c, struct node *raw)
{
	switch ((int)raw->op) {
	case OP_DOT:
		return shape_dot(c, raw);
	case OP_BRACKET:
		return shape_predicate(c, raw);
	case OP_BRACE:
		return shape_group(c, raw);
	case OP_AT:
		return shape_focus(c, raw);
	case OP_HASH:
		return shape_index(c, raw);
	case OP_BIND:
		raw->kind = NODE_BIND;
		raw->name = intern_bound(c, raw->a->text);
		raw->a = NULL;
		shape_operands(c, raw);
		return raw;
	case OP_CHAIN:
		raw->kind = NODE_CHAIN;
		raw->a = shape(c, raw->a);
		raw->b = shape(c, raw->b);
		raw->keep_array |= raw->a->keep_array || raw->b->keep_array;
		return raw;
	default:
		shape_operands(c, raw);
		return raw;
	}
}

static struct node *shape_negate(struct compiler *c, struct node *raw)
{
	shape_operands(c, raw);
	if (raw->a->kind != NODE_NUMBER)
		return raw;
	raw->a->number = -raw->a->number;
	return raw->a;
}

static struct node *shape_block(struct compiler *c, struct node *raw)
{
	shape_list(c, raw);
	for (uint32_t i = 0; i < raw->count; i++) {
		const struct node *part = raw->list[i];
		raw->cons |= part->cons || (part->kind == NODE_PATH && part->list[0]->cons);
	}
	return raw;
}

static struct node *shape_lambda(struct compiler *c, struct node *raw)
{
	for (uint32_t i = 0; i < raw->count; i++)
		raw->list[i]->name = intern_bound(c, raw->list[i]->text);
	raw->a = shape(c, raw->a);
	return raw;
}

static struct node *shape_name(struct compiler *c, struct node *raw)
{
	raw->name = intern(c, raw->text);
	struct node *path = new_path(c, raw);
	path->keep_singleton = raw->keep_array;
	return path;
}

static struct node *shape_variable(struct compiler *c, struct node *raw)
{
	raw->name = intern(c, raw->text);
	raw->native = native_find(raw->text, c->flavour);
	c->program->uses_eval |= str_eqz(raw->text, "eval");
	return raw;
}

static struct node *shape_parent(struct compiler *c, struct node *raw)
{
	struct parent_slot *slot = ARENA_NEW(c->arena, struct parent_slot);
	slot->label = intern_bound(c, arena_format(c->arena, "!%u", c->labels++));
	slot->level = 1;
	raw->slot = slot;
	return raw;
}

static struct node *shape_kind(struct compiler *c, struct node *raw)
{
	switch (raw->kind) {
	case NODE_NAME:
		return shape_name(c, raw);
	case NODE_STRING:
		raw->name = intern(c, raw->text);
		return raw;
	case NODE_VARIABLE:
		return shape_variable(c, raw);
	case NODE_PARENT:
		return shape_parent(c, raw);
	case NODE_BINARY:
		return shape_binary(c, raw);
	case NODE_NEGATE:
		return shape_negate(c, raw);
	case NODE_SORT:
		return shape_order_by(c, raw);
	case NODE_OBJECT:
		shape_pairs(c, raw, raw->group, true);
		return raw;
	case NODE_BLOCK:
		return shape_block(c, raw);
	case NODE_LAMBDA:
		return shape_lambda(c, raw);
	case NODE_CALL:
	case NODE_PARTIAL:
		shape_list(c, raw);
		raw->a = shape(c, raw->a);
		return raw;
	case NODE_ARRAY:
		shape_list(c, raw);
		return raw;
	case NODE_CONDITION:
		shape_operands(c, raw);
		return raw;
	case NODE_TRANSFORM:
		raw->a = shape(c, raw->a);
		raw->b = shape(c, raw->b);
		raw->c = raw->c ? shape(c, raw->c) : NULL;
		return raw;
	case NODE_OPERATOR:
		if (raw->op != OP_QUESTION)
			compile_fail(c, JSONATA_S0207, raw->start, raw->end, &raw->text, NULL);
		return raw;
	case NODE_NUMBER:
	case NODE_VALUE:
	case NODE_WILDCARD:
	case NODE_DESCENDANTS:
	case NODE_REGEX:
	case NODE_PATH:
	case NODE_BIND:
	case NODE_CHAIN:
	case NODE_KIND_COUNT:
		return raw;
	}
	return raw;
}

static struct node *shape(struct compiler *c, struct node *raw)
{
	bool keep = raw->keep_array;
	struct node *node = shape_kind(c, raw);
	node->keep_array |= keep;
	return node;
}

struct node *shape_program(struct compiler *c, struct node *raw)
{
	struct node *root = shape(c, raw);
	if (root->kind == NODE_PARENT || root->seeking.count)
		no_parent(c, root);
	return root;
}

static const char *const kind_texts[NODE_KIND_COUNT] = {
	[NODE_NAME] = "name",           [NODE_STRING] = "string",     [NODE_NUMBER] = "number",
	[NODE_VALUE] = "value",         [NODE_WILDCARD] = "wildcard", [NODE_DESCENDANTS] = "descendant",
	[NODE_PARENT] = "parent",       [NODE_VARIABLE] = "variable", [NODE_REGEX] = "regex",
	[NODE_PATH] = "path",           [NODE_BINARY] = "binary",     [NODE_NEGATE] = "unary",
	[NODE_ARRAY] = "unary",         [NODE_OBJECT] = "unary",      [NODE_BLOCK] = "block",
	[NODE_CONDITION] = "condition", [NODE_BIND] = "bind",         [NODE_CHAIN] = "apply",
	[NODE_CALL] = "function",       [NODE_PARTIAL] = "partial",   [NODE_LAMBDA] = "lambda",
	[NODE_TRANSFORM] = "transform", [NODE_SORT] = "sort",         [NODE_OPERATOR] = "operator",
};

const char *node_kind_text(enum node_kind kind)
{
	return kind_texts[kind];
}
