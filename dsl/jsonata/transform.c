/* transform.c: | where | what to change [, what to remove] |: a function that copies its argument and edits the copy.
 *
 * The pattern is evaluated on the copy and gives references into it; objects among what it gives are edited in place.
 * So the whole argument is copied into objects and arrays of the evaluation first: they are what "in place" means here.
 */
#include "dsl/jsonata/evaluation.h"
#include "dsl/jsonata/functions.h"

static struct item deep_copy(struct evaluation *e, struct item item, int depth)
{
	if (depth > 1000)
		throw_limit(e, "The data is nested too deeply");
	if (is_array(item)) {
		uint32_t count = array_count(item);
		spend(e, count);
		struct array *copy = array_new(e, count, 0);
		for (uint32_t i = 0; i < count; i++)
			copy->items[copy->count++] = deep_copy(e, array_at(e, item, i), depth + 1);
		return item_array(copy);
	}
	if (is_object(item)) {
		uint32_t count = object_count(item);
		spend(e, count);
		struct object *copy = object_new(e, count);
		for (uint32_t i = 0; i < count; i++)
			object_set(e, copy, object_key_at(item, i),
				   deep_copy(e, object_item_at(e, item, i), depth + 1));
		return item_object(copy);
	}
	return item.kind == ITEM_FUNCTION ? item_text(STR_EMPTY) : item;
}

static void update(struct evaluation *e, const struct function *transform, struct item match)
{
	struct item change = evaluate(e, transform->node->b, match, transform->frame);
	if (is_nothing(change))
		return;
	if (!is_object(change))
		THROW(e, .code = JSONATA_T2011, .node = transform->node->b, .value = change, .has_value = true);
	for (uint32_t i = 0, n = object_count(change); i < n; i++)
		object_set(e, match.object, object_key_at(change, i), object_item_at(e, change, i));
}

static void remove_fields(struct evaluation *e, const struct function *transform, struct item match)
{
	if (!transform->node->c)
		return;
	struct item names = evaluate(e, transform->node->c, match, transform->frame);
	for (uint32_t i = 0, n = array_count(names); i < n; i++) {
		struct item name = array_at(e, names, i);
		if (name.kind != ITEM_STRING)
			THROW(e, .code = JSONATA_T2012, .node = transform->node->c, .value = names, .has_value = true);
		object_remove(e, match.object, item_str(name));
	}
}

struct item transform_apply(struct evaluation *e, const struct function *transform, struct item document)
{
	if (is_nothing(document))
		return document;
	if (!is_array(document) && !is_object(document))
		THROW(e, .code = JSONATA_T0410, .value = document, .has_value = true, .index = 1);
	struct item copy = deep_copy(e, document, 0);
	struct item matches = evaluate(e, transform->node->a, copy, transform->frame);
	for (uint32_t i = 0, n = array_count(matches); i < n; i++) {
		struct item match = array_at(e, matches, i);
		if (match.kind != ITEM_OBJECT)
			continue;
		update(e, transform, match);
		remove_fields(e, transform, match);
	}
	return copy;
}

NATIVE(native_clone)
{
	return is_nothing(call->arguments[0]) ? NOTHING : deep_copy(e, call->arguments[0], 0);
}
