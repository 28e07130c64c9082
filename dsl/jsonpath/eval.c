/* eval.c: finds what a path names.
 *
 * A definite path is a loop of lookups and gives the node itself. An indefinite one walks: each token hands on every
 * node that it selects to the next one, and what reaches the end is collected in a list, in document order. Values are
 * shared, never copied.
 *
 * As long as every token before is definite, a token that does not apply is a miss; below an indefinite token it only
 * selects nothing. */
#include "dsl/jsonpath/jsonpath.h"

/* What one more reference in a result list costs. */
enum { SLOT_BYTES = 16 };

struct walk {
	const struct jsonpath *path;
	struct evaluation *ev;
	const struct value *document;
	bool require;
	struct value *list;   /* results of an indefinite path */
	struct value *single; /* the result of a definite one */
	struct jsonpath_miss miss;
};

static enum jsonpath_status missed(struct walk *w, int kind, uint32_t token, const struct value *at)
{
	w->miss.kind = kind;
	w->miss.token = token;
	w->miss.at = at;
	return kind == MISS_PRIMITIVE ? JSONPATH_INVALID : JSONPATH_MISSING;
}

static enum jsonpath_status walk(struct walk *w, uint32_t index, const struct value *node);

/* Takes over `node`. */
static enum jsonpath_status collect(struct walk *w, struct value *node)
{
	if (!w->list) {
		value_unref(w->single);
		w->single = node;
		return JSONPATH_FOUND;
	}
	value_array_take(w->list, node);
	return evaluation_bytes(w->ev, SLOT_BYTES) ? JSONPATH_FOUND : JSONPATH_EXCEEDED;
}

static bool is_leaf(const struct walk *w, uint32_t index)
{
	return index + 1 == w->path->count;
}

/* ---- one token each ------------------------------------------------------------------------------------------ */

static enum jsonpath_status missing_property(struct walk *w, uint32_t index, bool definite, const struct value *node)
{
	if (is_leaf(w, index))
		return w->require ? missed(w, MISS_NO_RESULTS, index, node) : JSONPATH_FOUND;
	return definite || w->require ? missed(w, MISS_PROPERTY, index, node) : JSONPATH_FOUND;
}

/* ['a','b'] at the end: one object with those of them that are there. */
static enum jsonpath_status merge_properties(struct walk *w, const struct jsonpath_token *token, uint32_t index,
					     const struct value *node)
{
	struct value *merged = value_new_object(token->count);
	for (uint32_t i = 0; i < token->count; i++) {
		const struct value *member = value_get(node, token->names[i]);
		if (member) {
			value_object_set(merged, token->names[i], member);
		} else if (w->require) {
			value_unref(merged);
			return missed(w, MISS_PROPERTY, index, node);
		}
	}
	if (!evaluation_bytes(w->ev, (uint64_t)token->count * SLOT_BYTES)) {
		value_unref(merged);
		return JSONPATH_EXCEEDED;
	}
	return collect(w, merged);
}

static enum jsonpath_status walk_properties(struct walk *w, const struct jsonpath_token *token, uint32_t index,
					    const struct value *node)
{
	if (is_leaf(w, index))
		return merge_properties(w, token, index, node);
	for (uint32_t i = 0; i < token->count; i++) {
		const struct value *member = value_get(node, token->names[i]);
		enum jsonpath_status status =
		    member ? walk(w, index + 1, member) : missing_property(w, index, false, node);
		if (status != JSONPATH_FOUND)
			return status;
	}
	return JSONPATH_FOUND;
}

/* The element at `index`, counted from the end when negative; NULL when there is none. */
static const struct value *element(const struct value *array, int64_t index)
{
	int64_t count = (int64_t)value_count(array);
	if (index < 0)
		index += count;
	return index >= 0 && index < count ? value_at(array, (size_t)index) : NULL;
}

static enum jsonpath_status walk_range(struct walk *w, uint32_t index, const struct value *array, int64_t from,
				       int64_t to)
{
	for (int64_t i = from; i < to; i++) {
		const struct value *one = element(array, i);
		if (!evaluation_steps(w->ev, 1))
			return JSONPATH_EXCEEDED;
		enum jsonpath_status status = one ? walk(w, index + 1, one) : JSONPATH_FOUND;
		if (status != JSONPATH_FOUND)
			return status;
	}
	return JSONPATH_FOUND;
}

/* Jayway's ranges: only an open end clamps or counts from the end; [-4:1] runs from the fourth last through zero. */
static enum jsonpath_status walk_slice(struct walk *w, const struct jsonpath_token *token, uint32_t index,
				       const struct value *array)
{
	int64_t count = (int64_t)value_count(array);
	int64_t from = token->index, to = token->to;
	if (!token->has_to) {
		from = from < 0 ? from + count : from;
		return walk_range(w, index, array, from < 0 ? 0 : from, count);
	}
	if (!token->has_from) {
		to = to < 0 ? to + count : to;
		return walk_range(w, index, array, 0, to < count ? to : count);
	}
	if (from < -count)
		from = -count; /* nothing stands before */
	return walk_range(w, index, array, from, to < count ? to : count);
}

static enum jsonpath_status walk_array(struct walk *w, const struct jsonpath_token *token, uint32_t index,
				       const struct value *node)
{
	if (!value_is(node, VALUE_ARRAY)) {
		if (!token->upstream_definite)
			return JSONPATH_FOUND;
		return missed(w, value_is(node, VALUE_NULL) ? MISS_NULL : MISS_NOT_ARRAY, index, node);
	}
	if (token->kind == JSONPATH_SLICE)
		return walk_slice(w, token, index, node);
	enum jsonpath_status status = JSONPATH_FOUND;
	for (uint32_t i = 0; i < token->count && status == JSONPATH_FOUND; i++) {
		const struct value *one = element(node, token->indexes[i]);
		if (one)
			status = walk(w, index + 1, one);
	}
	return status;
}

static enum jsonpath_status walk_wildcard(struct walk *w, uint32_t index, const struct value *node)
{
	for (size_t i = 0; i < value_count(node); i++) {
		enum jsonpath_status status = walk(w, index + 1, value_at(node, i));
		if (status != JSONPATH_FOUND && (status != JSONPATH_MISSING || w->require))
			return status;
	}
	return JSONPATH_FOUND;
}

static enum jsonpath_status walk_filter(struct walk *w, const struct jsonpath_token *token, uint32_t index,
					const struct value *node)
{
	bool object = value_is(node, VALUE_OBJECT);
	if (!object && !value_is(node, VALUE_ARRAY))
		return token->upstream_definite ? missed(w, MISS_PRIMITIVE, index, node) : JSONPATH_FOUND;
	size_t count = object ? 1 : value_count(node);
	for (size_t i = 0; i < count; i++) {
		const struct value *item = object ? node : value_at(node, i);
		enum jsonpath_verdict verdict = jsonpath_filter_test(token->filter, w->ev, w->document, item);
		if (verdict == FILTER_EXCEEDED)
			return JSONPATH_EXCEEDED;
		if (verdict != FILTER_YES)
			continue;
		enum jsonpath_status status = walk(w, index + 1, item);
		if (status != JSONPATH_FOUND)
			return status;
	}
	return JSONPATH_FOUND;
}

/* Whether `..` applies the token behind it to this node. */
static enum jsonpath_verdict scan_applies(struct walk *w, uint32_t index, const struct value *node)
{
	const struct jsonpath_token *token = &w->path->tokens[index];
	bool object = value_is(node, VALUE_OBJECT), array = value_is(node, VALUE_ARRAY), applies = false;
	switch (token->kind) {
	case JSONPATH_PROPERTY:
		applies = object && value_get(node, token->name);
		break;
	case JSONPATH_PROPERTIES:
		applies = object;
		for (uint32_t i = 0; applies && is_leaf(w, index) && i < token->count; i++)
			applies = value_get(node, token->names[i]) != NULL;
		break;
	case JSONPATH_INDEX:
	case JSONPATH_INDEXES:
	case JSONPATH_SLICE:
		applies = array;
		break;
	case JSONPATH_WILDCARD:
		applies = true;
		break;
	case JSONPATH_FILTER:
		return jsonpath_filter_test(token->filter, w->ev, w->document, node);
	case JSONPATH_SCAN:
	case JSONPATH_FUNCTION:
		break;
	}
	return applies ? FILTER_YES : FILTER_NO;
}

/* The node itself, then all below it, depth first. */
static enum jsonpath_status walk_scan(struct walk *w, uint32_t index, const struct value *node)
{
	if (!value_is(node, VALUE_OBJECT) && !value_is(node, VALUE_ARRAY))
		return JSONPATH_FOUND;
	if (!evaluation_enter(w->ev))
		return JSONPATH_EXCEEDED;
	enum jsonpath_status status = JSONPATH_FOUND;
	enum jsonpath_verdict applies = scan_applies(w, index + 1, node);
	if (applies == FILTER_EXCEEDED)
		status = JSONPATH_EXCEEDED;
	else if (applies == FILTER_YES)
		status = walk(w, index + 1, node);
	for (size_t i = 0; status == JSONPATH_FOUND && i < value_count(node); i++)
		status = walk_scan(w, index, value_at(node, i));
	evaluation_leave(w->ev);
	return status;
}

/* ---- the walk ------------------------------------------------------------------------------------------------------
 */

static enum jsonpath_status apply(struct walk *w, const struct jsonpath_token *token, uint32_t index,
				  const struct value *node)
{
	switch (token->kind) {
	case JSONPATH_PROPERTIES:
		if (!value_is(node, VALUE_OBJECT))
			return token->upstream_definite ? missed(w, MISS_NOT_OBJECT, index, node) : JSONPATH_FOUND;
		return walk_properties(w, token, index, node);
	case JSONPATH_INDEXES:
	case JSONPATH_SLICE:
		return walk_array(w, token, index, node);
	case JSONPATH_WILDCARD:
		return walk_wildcard(w, index, node);
	case JSONPATH_SCAN:
		return walk_scan(w, index, node);
	case JSONPATH_FILTER:
		return walk_filter(w, token, index, node);
	case JSONPATH_FUNCTION:
		return token->upstream_definite || w->require ? missed(w, MISS_FUNCTION, index, node) : JSONPATH_FOUND;
	case JSONPATH_PROPERTY:
	case JSONPATH_INDEX:
		break; /* walk() takes these */
	}
	return JSONPATH_FOUND;
}

/* Names and single indexes are a loop; what may select several nodes recurses. */
static enum jsonpath_status walk(struct walk *w, uint32_t index, const struct value *node)
{
	for (; index < w->path->count; index++) {
		const struct jsonpath_token *token = &w->path->tokens[index];
		const struct value *next;
		if (!evaluation_steps(w->ev, 1))
			return JSONPATH_EXCEEDED;
		if (token->kind == JSONPATH_PROPERTY) {
			if (!value_is(node, VALUE_OBJECT))
				return token->upstream_definite ? missed(w, MISS_NOT_OBJECT, index, node)
								: JSONPATH_FOUND;
			next = value_get(node, token->name);
			if (!next)
				return missing_property(w, index, token->upstream_definite, node);
		} else if (token->kind == JSONPATH_INDEX) {
			if (!value_is(node, VALUE_ARRAY)) {
				if (!token->upstream_definite)
					return JSONPATH_FOUND;
				return missed(w, value_is(node, VALUE_NULL) ? MISS_NULL : MISS_NOT_ARRAY, index, node);
			}
			next = element(node, token->index);
			if (!next)
				return JSONPATH_FOUND; /* no result */
		} else {
			if (!evaluation_enter(w->ev))
				return JSONPATH_EXCEEDED;
			enum jsonpath_status status = apply(w, token, index, node);
			evaluation_leave(w->ev);
			return status;
		}
		node = next;
	}
	return collect(w, value_ref(node));
}

enum jsonpath_status jsonpath_find(const struct jsonpath *path, struct evaluation *evaluation,
				   const struct value *document, const struct value *item, bool require,
				   struct value **ret_value, struct jsonpath_miss *ret_miss)
{
	struct walk w = { .path = path, .ev = evaluation, .document = document, .require = require };
	if (!path->definite)
		w.list = value_new_array(0);
	enum jsonpath_status status = walk(&w, 0, path->root == JSONPATH_ITEM ? item : document);
	if (evaluation->exceeded)
		status = JSONPATH_EXCEEDED;
	if (status == JSONPATH_FOUND && path->definite && !w.single)
		status = missed(&w, MISS_NO_RESULTS, path->count - 1, NULL);
	if (status != JSONPATH_FOUND) {
		value_unref(w.list);
		value_unref(w.single);
		*ret_miss = w.miss;
		return status;
	}
	*ret_value = path->definite ? w.single : w.list;
	return JSONPATH_FOUND;
}

enum jsonpath_status jsonpath_eval(const struct jsonpath *path, struct evaluation *evaluation, struct value **ret_value,
				   struct jsonpath_miss *ret_miss)
{
	const struct expr_env *env = evaluation->env;
	const struct value *document = NULL;
	*ret_miss = (struct jsonpath_miss){ .kind = MISS_CONTEXT };
	switch (path->root) {
	case JSONPATH_INPUT:
	case JSONPATH_ITEM:
		document = env->input;
		break;
	case JSONPATH_CONTEXT:
		document = env->context ? env->context(env->data) : NULL;
		break;
	case JSONPATH_VARIABLE:
		document = env->variable ? env->variable(env->data, path->variable) : NULL;
		ret_miss->kind = MISS_VARIABLE;
		break;
	}
	if (!document)
		return JSONPATH_MISSING;
	return jsonpath_find(path, evaluation, document, document, false, ret_value, ret_miss);
}
