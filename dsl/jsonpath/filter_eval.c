/* filter_eval.c: decides whether an item passes a filter.
 *
 * Comparisons follow Jayway: a path that finds nothing is "undefined", which is equal to nothing, not even to itself;
 * numbers and strings that read as numbers compare as numbers for `==` but not for `<`; all other kinds are never equal
 * to each other. */
#include "dsl/jsonpath/filter.h"

/* Memory that one match of a pattern may take. */
enum { HEAP_LIMIT_KIB = 4096 };

struct operand {
	const struct value *value; /* NULL: undefined or a pattern */
	struct value *owned;       /* to be released */
};

static enum jsonpath_verdict verdict(bool yes)
{
	return yes ? FILTER_YES : FILTER_NO;
}

/* ---- comparing two values ------------------------------------------------------------------------------------ */

static bool numeric(const struct value *value)
{
	return value_is(value, VALUE_NUMBER);
}

static bool textual(const struct value *value)
{
	return value_is(value, VALUE_STRING);
}

/* -1, 0, 1 */
static int compare_numbers(const struct value *a, const struct value *b)
{
	int64_t x, y;
	if (value_int64(a, &x) && value_int64(b, &y))
		return (x > y) - (x < y);
	double f = value_number(a), g = value_number(b);
	return (f > g) - (f < g);
}

static bool number_equals_text(struct evaluation *ev, const struct value *number, struct str text)
{
	struct value *read = filter_number(ev->arena, text);
	bool equal = read && compare_numbers(number, read) == 0;
	value_unref(read);
	return equal;
}

static bool equal(struct evaluation *ev, const struct value *a, const struct value *b)
{
	if (!a || !b)
		return false;
	if (textual(a) && numeric(b))
		return str_eq(value_string(a), value_number_text(b));
	if (numeric(a) && textual(b))
		return number_equals_text(ev, a, value_string(b));
	return evaluation_equal(ev, a, b);
}

/* Whether they can be ordered; *ret_order is -1, 0, 1. */
static bool ordered(const struct value *a, const struct value *b, int *ret_order)
{
	if (!a || !b)
		return false;
	if (numeric(a) && numeric(b)) {
		*ret_order = compare_numbers(a, b);
		return true;
	}
	if (textual(a) && textual(b)) {
		*ret_order = str_cmp(value_string(a), value_string(b));
		return true;
	}
	return false;
}

static bool contains(struct evaluation *ev, const struct value *list, const struct value *wanted)
{
	if (!list || !wanted || !value_is(list, VALUE_ARRAY))
		return false;
	for (size_t i = 0; i < value_count(list) && !ev->exceeded; i++)
		if (equal(ev, value_at(list, i), wanted))
			return true;
	return false;
}

/* How many elements of `a` are in `b`. */
static size_t common(struct evaluation *ev, const struct value *a, const struct value *b)
{
	size_t count = 0;
	for (size_t i = 0; i < value_count(a) && !ev->exceeded; i++)
		count += contains(ev, b, value_at(a, i));
	return count;
}

static bool lists(const struct value *a, const struct value *b)
{
	return a && b && value_is(a, VALUE_ARRAY) && value_is(b, VALUE_ARRAY);
}

/* Characters of a text, members of a list or object; -1 for what has no size. */
static int64_t size_of(const struct value *value)
{
	if (!value)
		return -1;
	if (value_is(value, VALUE_ARRAY) || value_is(value, VALUE_OBJECT))
		return (int64_t)value_count(value);
	if (!textual(value))
		return -1;
	int64_t characters = 0;
	struct str text = value_string(value);
	for (size_t i = 0; i < text.len; i++)
		characters += (text.ptr[i] & 0xc0) != 0x80;
	return characters;
}

/* PCRE2 does not tell what a match cost, only that it went past a limit. So the first try is small and free, and each
 * larger one is paid for in full beforehand: a pattern that backtracks for ever spends the whole budget after a few
 * items. */
static bool match_text(struct evaluation *ev, const pcre2_code *pattern, struct str text)
{
	static const uint32_t limits[] = { 1000, 30000, 1000000 };
	pcre2_match_context *context = pcre2_match_context_create(NULL);
	pcre2_match_data *data = pcre2_match_data_create_from_pattern(pattern, NULL);
	bool found = false;
	size_t try = 0;
	while (context && data) {
		pcre2_set_match_limit(context, limits[try]);
		pcre2_set_heap_limit(context, HEAP_LIMIT_KIB);
		int r = pcre2_match(pattern, (PCRE2_SPTR)text.ptr, text.len, 0, 0, data, context);
		found = r >= 0;
		if (r != PCRE2_ERROR_MATCHLIMIT && r != PCRE2_ERROR_HEAPLIMIT)
			break;
		if (r == PCRE2_ERROR_HEAPLIMIT || ++try == sizeof(limits) / sizeof(*limits)) {
			ev->exceeded = "expression_steps";
			break;
		}
		if (!evaluation_steps(ev, limits[try]))
			break;
	}
	pcre2_match_data_free(data);
	pcre2_match_context_free(context);
	return found;
}

static bool matches(struct evaluation *ev, pcre2_code *pattern, const struct value *value)
{
	if (!value || value_is(value, VALUE_NULL) || value_is(value, VALUE_OBJECT))
		return false;
	if (value_is(value, VALUE_ARRAY)) {
		for (size_t i = 0; i < value_count(value); i++)
			if (!value_is(value_at(value, i), VALUE_ARRAY) && matches(ev, pattern, value_at(value, i)))
				return true;
		return false;
	}
	struct str text = textual(value) ? value_string(value) : value_text(value);
	return evaluation_steps(ev, 1 + (int64_t)text.len) && match_text(ev, pattern, text);
}

static bool compare(struct evaluation *ev, const struct jsonpath_filter *test, const struct value *a,
		    const struct value *b)
{
	int order;
	int64_t size;
	switch (test->operator) {
	case FILTER_EQUAL:
		return equal(ev, a, b);
	case FILTER_NOT_EQUAL:
		return !equal(ev, a, b);
	case FILTER_SAME_TYPE_EQUAL:
		return a && b && value_kind(a) == value_kind(b) && equal(ev, a, b);
	case FILTER_SAME_TYPE_NOT_EQUAL:
		return !(a && b && value_kind(a) == value_kind(b) && equal(ev, a, b));
	case FILTER_LESS:
		return ordered(a, b, &order) && order < 0;
	case FILTER_LESS_EQUAL:
		return ordered(a, b, &order) && order <= 0;
	case FILTER_GREATER:
		return ordered(a, b, &order) && order > 0;
	case FILTER_GREATER_EQUAL:
		return ordered(a, b, &order) && order >= 0;
	case FILTER_MATCHES:
		if (test->right.kind == OPERAND_PATTERN)
			return matches(ev, test->right.pattern, a);
		return test->left.kind == OPERAND_PATTERN && matches(ev, test->left.pattern, b);
	case FILTER_IN:
		return contains(ev, b, a);
	case FILTER_NOT_IN:
		return !contains(ev, b, a);
	case FILTER_CONTAINS:
		if (a && b && textual(a) && textual(b)) {
			struct str whole = value_string(a), part = value_string(b);
			return part.len == 0 || memmem(whole.ptr, whole.len, part.ptr, part.len);
		}
		return contains(ev, a, b);
	case FILTER_ALL:
		return lists(a, b) && common(ev, b, a) == value_count(b);
	case FILTER_SIZE:
		return b && numeric(b) && value_int64(b, &size) && size_of(a) == size;
	case FILTER_EMPTY:
		return b && value_is(b, VALUE_BOOL) && size_of(a) >= 0 && (size_of(a) == 0) == value_bool(b);
	case FILTER_SUBSET_OF:
		return lists(a, b) && common(ev, a, b) == value_count(a);
	case FILTER_ANY_OF:
		return lists(a, b) && common(ev, a, b) > 0;
	case FILTER_NONE_OF:
		return lists(a, b) && common(ev, a, b) == 0;
	}
	return false;
}

/* ---- the tree -----------------------------------------------------------------------------------------------------
 */

struct test {
	struct evaluation *ev;
	const struct value *document, *item;
};

static enum jsonpath_verdict operand_value(const struct test *t, const struct filter_operand *operand,
					   struct operand *ret_value)
{
	*ret_value = (struct operand){ 0 };
	if (operand->kind != OPERAND_PATH) {
		ret_value->value = operand->value;
		return FILTER_YES;
	}
	struct jsonpath_miss miss;
	switch (jsonpath_find(operand->path, t->ev, t->document, t->item, false, &ret_value->owned, &miss)) {
	case JSONPATH_FOUND:
		ret_value->value = ret_value->owned;
		return FILTER_YES;
	case JSONPATH_MISSING:
		return FILTER_YES;
	case JSONPATH_INVALID:
		return FILTER_INVALID;
	case JSONPATH_EXCEEDED:
		return FILTER_EXCEEDED;
	}
	return FILTER_INVALID;
}

static enum jsonpath_verdict test_compare(const struct test *t, const struct jsonpath_filter *filter)
{
	struct operand left, right = { 0 };
	enum jsonpath_verdict result = operand_value(t, &filter->left, &left);
	if (result == FILTER_YES)
		result = operand_value(t, &filter->right, &right);
	if (result == FILTER_YES) {
		result = verdict(compare(t->ev, filter, left.value, right.value));
		if (t->ev->exceeded)
			result = FILTER_EXCEEDED;
	}
	value_unref(left.owned);
	value_unref(right.owned);
	return result;
}

static enum jsonpath_verdict test_presence(const struct test *t, const struct jsonpath_filter *filter)
{
	struct value *found = NULL;
	struct jsonpath_miss miss;
	bool present = false;
	switch (jsonpath_find(filter->left.path, t->ev, t->document, t->item, true, &found, &miss)) {
	case JSONPATH_FOUND:
		value_unref(found);
		present = true;
		break;
	case JSONPATH_MISSING:
		break;
	case JSONPATH_INVALID:
		return FILTER_INVALID;
	case JSONPATH_EXCEEDED:
		return FILTER_EXCEEDED;
	}
	return verdict(present == (filter->kind == FILTER_EXISTS));
}

static enum jsonpath_verdict test_filter(const struct test *t, const struct jsonpath_filter *filter)
{
	enum jsonpath_verdict result = FILTER_NO;
	switch (filter->kind) {
	case FILTER_OR:
	case FILTER_AND: {
		enum jsonpath_verdict decides = filter->kind == FILTER_OR ? FILTER_YES : FILTER_NO;
		for (const struct jsonpath_filter *child = filter->first; child; child = child->next) {
			result = test_filter(t, child);
			if (result == decides || result == FILTER_INVALID || result == FILTER_EXCEEDED)
				break;
		}
		return result;
	}
	case FILTER_NOT:
		result = test_filter(t, filter->first);
		return result == FILTER_YES ? FILTER_NO : result == FILTER_NO ? FILTER_YES : result;
	case FILTER_EXISTS:
	case FILTER_ABSENT:
		return test_presence(t, filter);
	case FILTER_COMPARE:
		return test_compare(t, filter);
	}
	return result;
}

enum jsonpath_verdict jsonpath_filter_test(const struct jsonpath_filter *filter, struct evaluation *evaluation,
					   const struct value *document, const struct value *item)
{
	struct test t = { .ev = evaluation, .document = document, .item = item };
	if (!evaluation_enter(evaluation))
		return FILTER_EXCEEDED;
	enum jsonpath_verdict result = test_filter(&t, filter);
	evaluation_leave(evaluation);
	/* Something inside that cannot be applied only means that this item does not pass. */
	return result == FILTER_INVALID ? FILTER_NO : result;
}
