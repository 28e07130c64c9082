/* edit.c: copies that share all but the path; and comparing. */
#include "base/mem.h"
#include "value/node.h"

/* ---- path-sharing edits ------------------------------------------------------------------ */

/* What a step leads to in `value` (NULL: nothing yet); false if the step cannot be taken. */
static bool follow(const struct value *value, const struct value_step *step, const struct value **ret_next)
{
	*ret_next = NULL;
	if (step->index < 0) {
		*ret_next = value ? value_get(value, step->key) : NULL;
		return true;
	}
	if (!value || value_count(value) < (uint64_t)step->index || value_kind(value) != VALUE_ARRAY)
		return false;
	*ret_next = value_at(value, (size_t)step->index);
	return true;
}

/* A copy of the container a step leads through, with `item` at the step's place. Takes `item`. */
static struct value *with_step(const struct value *value, const struct value_step *step, struct value *item)
{
	bool is_key = step->index < 0;
	struct value *copy = !is_key || (value && value_kind(value) == VALUE_OBJECT) ? value_copy_container(value, 1)
										     : value_new_object(1);
	if (is_key)
		value_object_take(copy, step->key, item);
	else if ((size_t)step->index == copy->count)
		value_array_take(copy, item);
	else {
		value_unref(copy->children->items[step->index]);
		copy->children->items[step->index] = item;
	}
	return copy;
}

struct value *value_with(const struct value *value, const struct value_step *steps, size_t count,
			 const struct value *item)
{
	/* Down the path first, as it may turn out to lead nowhere; then up again, copying. */
	_cleanup_free_ const struct value **path = count ? mem_alloc(count * sizeof *path) : NULL;
	for (size_t i = 0; i < count; i++) {
		path[i] = value;
		if (!follow(path[i], &steps[i], &value))
			return NULL;
	}
	struct value *edited = value_ref(item);
	for (size_t i = count; i-- > 0;)
		edited = with_step(path[i], &steps[i], edited);
	return edited;
}

/* ---- comparing --------------------------------------------------------------------------- */

/* Two containers of the same kind and size that are being compared, and the child of `a` that is next. */
struct pair {
	const struct value *a, *b;
	size_t next;
};

static bool numbers_equal(const struct value *a, const struct value *b)
{
	if (a->flags & b->flags & NODE_INTEGER)
		return a->integer == b->integer;
	return number_tokens_equal(value_text(a), value_text(b));
}

/* Compares what needs no look at children; containers that may be equal only by their children set *ret_open. */
static bool seem_equal(const struct value *a, const struct value *b, bool *ret_open)
{
	*ret_open = false;
	if (a == b)
		return true;
	ready(a);
	ready(b);
	if (a->kind != b->kind)
		return false;
	switch ((enum value_kind)a->kind) {
	case VALUE_NULL:
		return true;
	case VALUE_BOOL:
		return value_bool(a) == value_bool(b);
	case VALUE_NUMBER:
		return numbers_equal(a, b);
	case VALUE_STRING:
		return str_eq(value_string(a), value_string(b));
	case VALUE_ARRAY:
	case VALUE_OBJECT:
		*ret_open = a->count > 0;
		return a->count == b->count;
	}
	return false;
}

bool value_equal(const struct value *a, const struct value *b)
{
	bool is_open;
	if (has_text(a) && has_text(b) && str_eq(node_text(a), node_text(b)))
		return true;
	if (!seem_equal(a, b, &is_open))
		return false;
	if (!is_open)
		return true;
	size_t count = 0, capacity = 0;
	_cleanup_free_ struct pair *pairs = NULL;
	MEM_GROW(pairs, capacity, 1);
	pairs[count++] = (struct pair){ a, b, 0 };
	while (count) {
		struct pair *pair = &pairs[count - 1];
		if (pair->next == pair->a->count) {
			count--;
			continue;
		}
		size_t i = pair->next++;
		const struct value *x = child_at(pair->a, i);
		const struct value *y = pair->a->kind == VALUE_ARRAY ? child_at(pair->b, i)
								     : value_get(pair->b, pair->a->children->keys[i]);
		if (!y || !seem_equal(x, y, &is_open))
			return false;
		if (is_open) {
			MEM_GROW(pairs, capacity, count + 1);
			pairs[count++] = (struct pair){ x, y, 0 };
		}
	}
	return true;
}
