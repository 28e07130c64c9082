/* path.c: path expressions: steps, predicates, ordering, grouping.
 *
 * A path maps its steps over a sequence: each step is evaluated with every item as context and what comes out is
 * flattened into the next sequence. Once a step binds variables (`@`, `#`, or a `%` further on), the sequence becomes a
 * stream of tuples: an item together with the variables bound for it. A tuple's variables are a list that shares its
 * tail with the tuple it came from; the variables are seen through a frame that holds that list. */
#include "dsl/jsonata/evaluation.h"
#include "dsl/jsonata/functions.h"
#include "dsl/jsonata/text.h"

/* ---- fields ----------------------------------------------------------------------------- */

static struct item field_of_value(struct evaluation *e, const struct value *object, struct str key, uint32_t *hint)
{
	/* Objects of one array tend to have their keys in the same places. */
	if (*hint < value_count(object) && str_eq(value_key_at(object, *hint), key))
		return item_from_value(e, value_at(object, *hint));
	ptrdiff_t index = value_index_of(object, key);
	if (index < 0)
		return NOTHING;
	*hint = (uint32_t)index;
	return item_from_value(e, value_at(object, (size_t)index));
}

static void collect_fields(struct evaluation *e, struct item array, struct str key, uint32_t *hint,
			   struct array *result, int depth)
{
	if (depth > 1000)
		throw_limit(e, "The data is nested too deeply");
	uint32_t count = array_count(array);
	spend(e, count);
	for (uint32_t i = 0; i < count; i++) {
		struct item item = array_at(e, array, i);
		if (item.kind == ITEM_VALUE_OBJECT)
			item = field_of_value(e, item.value, key, hint);
		else if (item.kind == ITEM_OBJECT)
			item = object_get(e, item, key);
		else if (is_array(item)) {
			collect_fields(e, item, key, hint, result, depth + 1);
			continue;
		} else
			continue;
		if (is_array(item))
			array_add_all(e, result, item);
		else if (!is_nothing(item))
			array_add(e, result, item);
	}
}

struct item lookup_key(struct evaluation *e, struct item input, struct str key, uint32_t *hint)
{
	if (input.kind == ITEM_VALUE_OBJECT)
		return field_of_value(e, input.value, key, hint);
	if (input.kind == ITEM_OBJECT)
		return object_get(e, input, key);
	if (!is_array(input))
		return NOTHING;
	struct array *result = sequence_new(e);
	collect_fields(e, input, key, hint, result, 0);
	return item_array(result);
}

struct item evaluate_name(struct evaluation *e, const struct node *node, struct item input)
{
	return lookup_key(e, input, node->text, &e->hints[node->id]);
}

/* ---- predicates ------------------------------------------------------------------------- */

static struct item sequence_of(struct evaluation *e, struct item item)
{
	struct array *array = array_new(e, 1, ARRAY_SEQUENCE);
	array->items[0] = item;
	array->count = 1;
	return item_array(array);
}

static struct item filter_by_index(struct evaluation *e, double number, struct item input, uint32_t flags)
{
	uint32_t count = is_array(input) ? array_count(input) : 1;
	number = floor(number);
	if (number < 0)
		number += count;
	struct item item = number >= 0 && number < count ? array_at(e, input, (uint32_t)number) : NOTHING;
	if (is_array(item))
		return item;
	struct array *results = array_new(e, is_nothing(item) ? 0 : 1, flags);
	if (!is_nothing(item))
		array_add(e, results, item);
	return item_array(results);
}

static bool is_number(struct evaluation *e, struct item item)
{
	if (item.kind != ITEM_NUMBER || isnan(item.number))
		return false;
	if (isinf(item.number))
		THROW(e, .code = JSONATA_D1001, .value = item, .has_value = true);
	return true;
}

/* A predicate that gives numbers selects by position; true for each mention of `index`. */
static uint32_t mentions(struct evaluation *e, struct item numbers, uint32_t index, uint32_t count)
{
	uint32_t times = 0;
	for (uint32_t i = 0, n = array_count(numbers); i < n; i++) {
		double number = floor(array_at(e, numbers, i).number);
		times += (number < 0 ? number + count : number) == index;
	}
	spend(e, array_count(numbers));
	return times;
}

static bool are_numbers(struct evaluation *e, struct item item)
{
	if (!is_array(item))
		return is_number(e, item);
	for (uint32_t i = 0, n = array_count(item); i < n; i++)
		if (!is_number(e, array_at(e, item, i)))
			return false;
	return true;
}

struct item evaluate_filter(struct evaluation *e, const struct node *predicate, struct item input, struct frame *outer)
{
	uint32_t flags = ARRAY_SEQUENCE | (has_flag(input, ARRAY_TUPLES) ? ARRAY_TUPLES : 0);
	bool tuples = flags & ARRAY_TUPLES;
	if (predicate->kind == NODE_NUMBER)
		return filter_by_index(e, predicate->number, input, flags);
	uint32_t count = is_array(input) ? array_count(input) : 1;
	struct array *results = array_new(e, 0, flags);
	for (uint32_t i = 0; i < count; i++) {
		struct item item = is_array(input) ? array_at(e, input, i) : input, context = item;
		struct frame *frame = outer;
		if (tuples) {
			context = item.tuple->context;
			frame = frame_of_tuple(e, outer, item.tuple);
		}
		struct item result = evaluate(e, predicate, context, frame);
		if (frame != outer)
			frame_release(e, frame);
		uint32_t times = result.kind == ITEM_BOOLEAN ? result.boolean
				 : are_numbers(e, result)    ? mentions(e, result, i, count)
							     : item_truth(e, result);
		while (times-- > 0)
			array_add(e, results, item);
	}
	return item_array(results);
}

/* ---- tuple streams ---------------------------------------------------------------------- */

static struct item new_tuple(struct evaluation *e, struct item context, const struct binding_cell *cells)
{
	struct tuple *tuple = EV_NEW(e, struct tuple);
	*tuple = (struct tuple){ context, cells };
	return (struct item){ .kind = ITEM_TUPLE, .tuple = tuple };
}

static const struct binding_cell *bind_cell(struct evaluation *e, const struct binding_cell *next, name_id name,
					    struct item item)
{
	struct binding_cell *cell = EV_NEW(e, struct binding_cell);
	*cell = (struct binding_cell){ name, item, next };
	return cell;
}

/* The inner tuple's bindings before the outer's. */
static const struct binding_cell *join_cells(struct evaluation *e, const struct binding_cell *inner,
					     const struct binding_cell *outer)
{
	if (!inner)
		return outer;
	return bind_cell(e, join_cells(e, inner->next, outer), inner->name, inner->item);
}

static struct item stages_of_tuples(struct evaluation *e, const struct node *step, struct item tuples,
				    struct frame *frame)
{
	for (uint32_t s = 0; s < step->stage_count && !step->predicates_inside; s++) {
		const struct stage *stage = &step->stages[s];
		if (stage->predicate) {
			tuples = evaluate_filter(e, stage->predicate, tuples, frame);
			continue;
		}
		for (uint32_t i = 0, n = array_count(tuples); i < n; i++) {
			struct item *item = &tuples.array->items[i];
			if (item->kind == ITEM_TUPLE)
				*item = new_tuple(e, item->tuple->context,
						  bind_cell(e, item->tuple->cells, stage->index, item_number(i)));
		}
	}
	return tuples;
}

static void add_tuples(struct evaluation *e, const struct node *step, const struct tuple *from, struct item result,
		       struct array *stream)
{
	uint32_t count = is_array(result) ? array_count(result) : 1;
	for (uint32_t i = 0; i < count; i++) {
		struct item item = is_array(result) ? array_at(e, result, i) : result;
		spend(e, 1);
		if (item.kind == ITEM_TUPLE) {
			array_add(e, stream,
				  new_tuple(e, item.tuple->context, join_cells(e, item.tuple->cells, from->cells)));
			continue;
		}
		const struct binding_cell *cells = from->cells;
		if (step->focus)
			cells = bind_cell(e, cells, step->focus, item);
		if (step->index)
			cells = bind_cell(e, cells, step->index, item_number(i));
		if (step->ancestor)
			cells = bind_cell(e, cells, step->ancestor->label, from->context);
		array_add(e, stream, new_tuple(e, step->focus ? from->context : item, cells));
	}
}

static struct item evaluate_sort(struct evaluation *e, const struct node *step, struct item input, struct frame *frame);

/* One step of a path that carries bindings. `tuples` is nothing until the first such step. */
static struct item evaluate_tuple_step(struct evaluation *e, const struct node *step, struct item input,
				       struct item tuples, struct frame *outer)
{
	struct array *stream = array_new(e, 0, ARRAY_SEQUENCE | ARRAY_TUPLES);
	if (step->kind == NODE_SORT) {
		struct item sorted = evaluate_sort(e, step, is_nothing(tuples) ? input : tuples, outer);
		if (!is_nothing(tuples))
			return stages_of_tuples(e, step, sorted, outer);
		for (uint32_t i = 0, n = array_count(sorted); i < n; i++)
			array_add(
			    e, stream,
			    new_tuple(e, array_at(e, sorted, i), bind_cell(e, NULL, step->index, item_number(i))));
		return stages_of_tuples(e, step, item_array(stream), outer);
	}
	struct item from = is_nothing(tuples) ? input : tuples;
	for (uint32_t i = 0, n = array_count(from); i < n; i++) {
		struct item item = array_at(e, from, i);
		struct tuple plain = { .context = item };
		const struct tuple *tuple = item.kind == ITEM_TUPLE ? item.tuple : &plain;
		struct frame *frame = frame_of_tuple(e, outer, tuple);
		struct item result = evaluate(e, step, tuple->context, frame);
		frame_release(e, frame);
		if (!is_nothing(result))
			add_tuples(e, step, tuple, result, stream);
	}
	return stages_of_tuples(e, step, item_array(stream), outer);
}

/* ---- plain steps ------------------------------------------------------------------------ */

static struct item evaluate_stages(struct evaluation *e, const struct node *step, struct item item, struct frame *frame)
{
	for (uint32_t i = 0; i < step->stage_count; i++)
		if (step->stages[i].predicate)
			item = evaluate_filter(e, step->stages[i].predicate, item, frame);
	return item;
}

static struct item evaluate_step_for(struct evaluation *e, const struct node *step, struct item context,
				     struct frame *frame)
{
	if (step->kind != NODE_NAME) {
		struct item item = evaluate(e, step, context, frame);
		return step->predicates_inside ? item : evaluate_stages(e, step, item, frame);
	}
	spend(e, 1);
	struct item item = sequence_unwrap(evaluate_name(e, step, context));
	return step->stage_count ? evaluate_stages(e, step, item, frame) : item;
}

/* Items of a result, one level flattened: arrays are spread unless they were written as `[ … ]`. */
static void spread(struct evaluation *e, struct array *sequence, struct item item)
{
	if (!is_array(item) || has_flag(item, ARRAY_CONS))
		array_add(e, sequence, item);
	else
		array_add_all(e, sequence, item);
}

/* A single result: an array that is data may go on as it is, nobody changes it. */
static struct item single_result(struct evaluation *e, struct item item)
{
	if (is_nothing(item))
		return item;
	if (!is_array(item) || has_flag(item, ARRAY_CONS))
		return sequence_of(e, item);
	if (!is_sequence(item))
		return item;
	struct array *copy = EV_NEW(e, struct array);
	*copy = *item.array;
	copy->capacity = copy->count; /* shares the items */
	copy->flags = ARRAY_SEQUENCE;
	return item_array(copy);
}

static struct item evaluate_step(struct evaluation *e, const struct node *step, struct item input, struct frame *frame,
				 bool last)
{
	if (step->kind == NODE_SORT)
		return evaluate_stages(e, step, evaluate_sort(e, step, input, frame), frame);
	uint32_t count = array_count(input);
	struct array *sequence = NULL;
	struct item first = NOTHING;
	for (uint32_t i = 0; i < count; i++) {
		struct item item = evaluate_step_for(e, step, array_at(e, input, i), frame);
		if (is_nothing(item))
			continue;
		if (is_nothing(first)) {
			first = item;
			continue;
		}
		if (!sequence) {
			sequence = array_new(e, count, ARRAY_SEQUENCE);
			spread(e, sequence, first);
		}
		spread(e, sequence, item);
	}
	if (sequence)
		return item_array(sequence);
	/* One array that is data is the result itself at the end of a path, `[ … ]` included. */
	if (last && is_array(first) && !is_sequence(first))
		return first;
	return single_result(e, first);
}

/* ---- order-by --------------------------------------------------------------------------- */

struct sort_run {
	struct evaluation *e;
	const struct node *step;
	struct frame *frame;
	struct item input;
	bool tuples;
	struct item *keys; /* items × terms, each evaluated when it is first compared */
	bool *known;
};

static struct item sort_key(struct sort_run *run, uint32_t index, uint32_t term)
{
	uint32_t at = index * run->step->count + term;
	if (run->known[at])
		return run->keys[at];
	struct evaluation *e = run->e;
	struct item item = array_at(e, run->input, index), context = item;
	struct frame *frame = run->frame;
	if (run->tuples) {
		context = item.tuple->context;
		frame = frame_of_tuple(e, frame, item.tuple);
	}
	run->keys[at] = evaluate(e, run->step->terms[term].expression, context, frame);
	run->known[at] = true;
	if (run->tuples)
		frame_release(e, frame);
	return run->keys[at];
}

static int compare_keys(struct sort_run *run, struct item a, struct item b)
{
	bool a_fits = a.kind == ITEM_NUMBER || a.kind == ITEM_STRING,
	     b_fits = b.kind == ITEM_NUMBER || b.kind == ITEM_STRING;
	if (!a_fits || !b_fits)
		THROW(run->e, .code = JSONATA_T2008, .node = run->step, .value = a_fits ? b : a, .has_value = true);
	if (a.kind != b.kind)
		THROW(run->e, .code = JSONATA_T2007, .node = run->step, .value = a, .value2 = b, .has_value = true);
	if (a.kind == ITEM_STRING)
		return utf16_compare(item_str(a), item_str(b));
	return a.number < b.number ? -1 : a.number == b.number ? 0 : 1;
}

static bool sorts_after(void *data, uint32_t a, uint32_t b)
{
	struct sort_run *run = data;
	for (uint32_t term = 0; term < run->step->count; term++) {
		struct item x = sort_key(run, a, term), y = sort_key(run, b, term);
		if (is_nothing(x) && is_nothing(y))
			continue;
		if (is_nothing(x) || is_nothing(y))
			return is_nothing(x); /* last, in either direction */
		int order = compare_keys(run, x, y);
		if (order)
			return run->step->terms[term].descending ? order < 0 : order > 0;
	}
	return false;
}

static struct item evaluate_sort(struct evaluation *e, const struct node *step, struct item input, struct frame *frame)
{
	uint32_t count = array_count(input);
	if (count <= 1) {
		/* What the step before handed on as it was (single_result) must be a sequence now. */
		bool data = is_array(input) && !is_sequence(input) && !has_flag(input, ARRAY_CONS);
		struct item only = array_at(e, input, 0);
		return !data ? input : count ? sequence_of(e, only) : item_array(sequence_new(e));
	}
	if (count > UINT32_MAX / step->count / 2)
		throw_limit(e, "Too much to sort");
	struct sort_run run = { e, step, frame, input, has_flag(input, ARRAY_TUPLES), NULL, NULL };
	run.keys = EV_ARRAY(e, struct item, count * step->count);
	run.known = EV_ARRAY(e, bool, count * step->count);
	memset(run.known, 0, count * step->count);
	uint32_t *order = EV_ARRAY(e, uint32_t, count);
	for (uint32_t i = 0; i < count; i++)
		order[i] = i;
	merge_sort(e, order, count, sorts_after, &run);
	struct array *sorted = array_new(e, count, 0); /* no stream any more, as in the reference */
	for (uint32_t i = 0; i < count; i++)
		array_add(e, sorted, array_at(e, input, order[i]));
	return item_array(sorted);
}

/* ---- grouping --------------------------------------------------------------------------- */

/* One key of the result: which pair made it, and the items that have it. */
struct group_entry {
	struct str key;
	uint32_t pair;
	struct item data; /* the items, appended as $append does */
	bool own;         /* data is an array made here, that may grow */
};

struct grouping {
	struct group_entry *entries;
	uint32_t count, capacity;
	uint32_t *slots, slots_size;
};

static struct group_entry *group_find(struct evaluation *e, struct grouping *g, struct str key)
{
	if (g->count * 2 >= g->slots_size) {
		uint32_t size = g->slots_size ? g->slots_size * 4 : 16;
		uint32_t *slots = EV_ARRAY(e, uint32_t, size);
		memset(slots, 0, size * sizeof *slots);
		for (uint32_t i = 0; i < g->count; i++) {
			uint32_t at = (uint32_t)hash_bytes(g->entries[i].key, 0) & (size - 1);
			while (slots[at])
				at = (at + 1) & (size - 1);
			slots[at] = i + 1;
		}
		g->slots = slots;
		g->slots_size = size;
	}
	uint32_t at = (uint32_t)hash_bytes(key, 0) & (g->slots_size - 1);
	for (; g->slots[at]; at = (at + 1) & (g->slots_size - 1))
		if (str_eq(g->entries[g->slots[at] - 1].key, key))
			return &g->entries[g->slots[at] - 1];
	if (g->count == g->capacity) {
		uint32_t capacity = g->capacity ? g->capacity * 2 : 4;
		struct group_entry *entries = EV_ARRAY(e, struct group_entry, capacity);
		if (g->count)
			memcpy(entries, g->entries, g->count * sizeof *entries);
		g->entries = entries;
		g->capacity = capacity;
	}
	g->slots[at] = ++g->count;
	g->entries[g->count - 1] = (struct group_entry){ .key = key, .pair = UINT32_MAX };
	return &g->entries[g->count - 1];
}

static void group_add(struct evaluation *e, struct group_entry *entry, struct item item, bool tuples)
{
	if (is_nothing(item))
		return;
	if (is_nothing(entry->data)) {
		entry->data = item;
		return;
	}
	if (!entry->own) {
		struct array *array = array_new(e, 4, tuples ? ARRAY_TUPLES : 0);
		if (is_array(entry->data))
			array_add_all(e, array, entry->data);
		else
			array_add(e, array, entry->data);
		entry->data = item_array(array);
		entry->own = true;
	}
	if (is_array(item))
		array_add_all(e, entry->data.array, item);
	else
		array_add(e, entry->data.array, item);
}

/* Tuples of one group become one: contexts and variables each appended. */
static struct tuple reduce_tuples(struct evaluation *e, struct item data)
{
	if (data.kind == ITEM_TUPLE)
		return *data.tuple;
	struct tuple *first = data.array->items[0].tuple;
	struct group_entry context = { .data = first->context };
	for (uint32_t i = 1; i < data.array->count; i++)
		group_add(e, &context, data.array->items[i].tuple->context, false);
	struct tuple reduced = { context.data, NULL };
	/* All tuples of a stream bind the same names. */
	for (const struct binding_cell *cell = first->cells; cell; cell = cell->next) {
		const struct binding_cell *seen = reduced.cells;
		while (seen && seen->name != cell->name)
			seen = seen->next;
		if (seen)
			continue;
		struct group_entry entry = { .data = cell->item };
		for (uint32_t i = 1; i < data.array->count; i++) {
			const struct binding_cell *other = data.array->items[i].tuple->cells;
			while (other && other->name != cell->name)
				other = other->next;
			spend(e, 1);
			if (other)
				group_add(e, &entry, other->item, false);
		}
		reduced.cells = bind_cell(e, reduced.cells, cell->name, entry.data);
	}
	return reduced;
}

struct item evaluate_group(struct evaluation *e, const struct group *group, struct item input, struct frame *outer)
{
	struct grouping groups = { 0 };
	bool tuples = has_flag(input, ARRAY_TUPLES);
	bool array = is_array(input) && array_count(input) > 0;
	uint32_t count = array ? array_count(input) : 1;
	struct node site = { .start = group->start, .end = group->end };
	if (tuples && !array)
		return item_object(object_new(e, 0));
	for (uint32_t i = 0; i < count; i++) {
		struct item item = array ? array_at(e, input, i) : is_array(input) ? NOTHING : input;
		struct item context = tuples && item.kind == ITEM_TUPLE ? item.tuple->context : item;
		struct frame *frame = tuples && item.kind == ITEM_TUPLE ? frame_of_tuple(e, outer, item.tuple) : outer;
		for (uint32_t pair = 0; pair < group->count; pair++) {
			struct item key = evaluate(e, group->keys[pair], context, frame);
			if (is_nothing(key))
				continue;
			if (key.kind != ITEM_STRING)
				THROW(e, .code = JSONATA_T1003, .node = &site, .value = key, .has_value = true);
			struct group_entry *entry = group_find(e, &groups, item_str(key));
			if (entry->pair == UINT32_MAX)
				entry->pair = pair;
			else if (entry->pair != pair)
				THROW(e, .code = JSONATA_D1009, .node = &site, .value = key, .has_value = true);
			group_add(e, entry, item, tuples);
		}
		if (frame != outer)
			frame_release(e, frame);
	}
	struct object *result = object_new(e, groups.count);
	for (uint32_t i = 0; i < groups.count; i++) {
		struct group_entry *entry = &groups.entries[i];
		struct item context = entry->data;
		struct frame *frame = outer;
		if (tuples && !is_nothing(context)) {
			struct tuple reduced = reduce_tuples(e, context);
			context = reduced.context;
			frame = frame_of_tuple(e, outer, &reduced);
		}
		struct item item = evaluate(e, group->values[entry->pair], context, frame);
		if (frame != outer)
			frame_release(e, frame);
		if (!is_nothing(item))
			object_set(e, result, entry->key, item);
	}
	return item_object(result);
}

/* ---- paths ------------------------------------------------------------------------------ */

static struct item tuple_context(struct item item)
{
	return item.kind == ITEM_TUPLE ? item.tuple->context : item;
}

static struct item contexts_of(struct evaluation *e, struct item tuples)
{
	struct array *sequence = array_new(e, array_count(tuples), ARRAY_SEQUENCE);
	for (uint32_t i = 0, n = array_count(tuples); i < n; i++)
		array_add(e, sequence, tuple_context(tuples.array->items[i]));
	return item_array(sequence);
}

static struct item keep_singleton(struct evaluation *e, struct item item)
{
	if (has_flag(item, ARRAY_CONS) && !is_sequence(item))
		item = sequence_of(e, item);
	if (item.kind == ITEM_ARRAY)
		item.array->flags |= ARRAY_KEEP_SINGLETON;
	return item;
}

struct item evaluate_path(struct evaluation *e, const struct node *path, struct item input, struct frame *frame)
{
	struct array one = { .items = &input, .count = 1, .capacity = 1, .flags = ARRAY_SEQUENCE };
	bool direct = is_array(input) && path->list[0]->kind != NODE_VARIABLE;
	struct item sequence = direct ? input : item_array(&one), tuples = NOTHING;
	bool streaming = false;
	for (uint32_t i = 0; i < path->count; i++) {
		const struct node *step = path->list[i];
		streaming |= step->tuple;
		struct item result = NOTHING;
		if (i == 0 && step->cons)
			result = evaluate(e, step, direct ? input : sequence_of(e, input), frame);
		else if (streaming)
			tuples = evaluate_tuple_step(e, step, sequence, tuples, frame);
		else
			result = evaluate_step(e, step, sequence, frame, i + 1 == path->count);
		if (!streaming && (is_nothing(result) || (is_array(result) && array_count(result) == 0))) {
			sequence = i + 1 == path->count ? result : NOTHING;
			break;
		}
		if (!step->focus)
			sequence = result;
	}
	struct item result = sequence;
	if (streaming)
		result = path->tuple ? tuples : contexts_of(e, tuples);
	if (path->keep_singleton)
		result = keep_singleton(e, result);
	if (path->has_group)
		result = evaluate_group(e, path->group, streaming ? tuples : result, frame);
	return result;
}
