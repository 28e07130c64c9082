/* choice.c: whether a Choice rule holds.
 *
 * A comparison holds only between values of its operator's type; anything else is simply false. A Variable, or a …Path
 * operand, that finds nothing fails the state, but for IsPresent. And, Or and Not nest as deep as the definition does,
 * so they are walked with a stack of their own. */
#include "base/mem.h"
#include "base/timestamp.h"
#include "engine/core/step.h"

/* ---- one test ------------------------------------------------------------------------------ */

static bool find(struct core_step *step, struct frame *frame, const struct expr *path, const struct value *input,
		 const struct value **ret_value)
{
	struct view view = { .input = input, .item = NO_ITEM };
	return step_evaluate_present(step, frame, path, &view, ret_value);
}

static int look_up(struct core_step *step, struct frame *frame, const struct expr *path, const struct value *input,
		   const struct value **ret_value, struct failure *ret_failure)
{
	if (find(step, frame, path, input, ret_value))
		return 0;
	return fail_with(step, frame, ret_failure, ERROR_NAME_RUNTIME,
			 "Invalid path '%.*s': The choice state's condition path references an invalid value.",
			 STR_FMT(expr_text(path)));
}

static bool orders(enum choice_comparison comparison, int order)
{
	switch (comparison) {
	case CHOICE_EQ:
		return order == 0;
	case CHOICE_LT:
		return order < 0;
	case CHOICE_GT:
		return order > 0;
	case CHOICE_LE:
		return order <= 0;
	case CHOICE_GE:
		return order >= 0;
	}
	return false;
}

static int compare_numbers(const struct value *a, const struct value *b)
{
	int64_t left, right;
	if (value_int64(a, &left) && value_int64(b, &right))
		return (left > right) - (left < right);
	double x = value_number(a), y = value_number(b);
	return (x > y) - (x < y);
}

/* Strings are ordered by their UTF-16 units as Java does; below the surrogates that is the order of UTF-8's bytes. */
static int compare_strings(struct str a, struct str b)
{
	size_t i = 0, shorter = a.len < b.len ? a.len : b.len;
	while (i < shorter && a.ptr[i] == b.ptr[i])
		i++;
	if (i == shorter)
		return (a.len > b.len) - (a.len < b.len);
	unsigned char x = (unsigned char)a.ptr[i], y = (unsigned char)b.ptr[i];
	/* A four-byte sequence is a surrogate pair, which comes before U+E000–U+FFFF (lead bytes EE and EF). */
	if (x >= 0xf0 && (y == 0xee || y == 0xef))
		return -1;
	if (y >= 0xf0 && (x == 0xee || x == 0xef))
		return 1;
	return x < y ? -1 : 1;
}

static bool compares(const struct choice_test *test, const struct value *found, const struct value *operand)
{
	int64_t left_ms, right_ms = test->operand_ms;
	switch (test->operand_type) {
	case CHOICE_STRING:
		return value_is(found, VALUE_STRING) && value_is(operand, VALUE_STRING) &&
		       orders(test->comparison, compare_strings(value_string(found), value_string(operand)));
	case CHOICE_NUMERIC:
		return value_is(found, VALUE_NUMBER) && value_is(operand, VALUE_NUMBER) &&
		       orders(test->comparison, compare_numbers(found, operand));
	case CHOICE_BOOLEAN:
		return value_is(found, VALUE_BOOL) && value_is(operand, VALUE_BOOL) &&
		       value_bool(found) == value_bool(operand);
	case CHOICE_TIMESTAMP:
		return value_is(found, VALUE_STRING) && timestamp_parse(value_string(found), &left_ms) &&
		       (!test->operand_path ||
			(value_is(operand, VALUE_STRING) && timestamp_parse(value_string(operand), &right_ms))) &&
		       orders(test->comparison, (left_ms > right_ms) - (left_ms < right_ms));
	}
	return false;
}

static int condition_holds(struct core_step *step, struct frame *frame, const struct choice_test *test, uint32_t rule,
			   const struct value *input, struct failure *ret_failure)
{
	const char *field = arena_printf(step->arena, "Choices[%u]/Condition", (unsigned)rule);
	struct view view = { .input = input, .item = NO_ITEM };
	const struct value *value;
	if (step_evaluate(step, frame, test->condition, field, &view, &value, ret_failure) < 0)
		return -1;
	if (!value_is(value, VALUE_BOOL))
		return fail_wrong_type(step, frame, ret_failure, test->condition, field, "boolean", value);
	return value_bool(value);
}

static bool is_what(const struct choice_test *test, const struct value *found)
{
	int64_t ms;
	switch (test->node) {
	case CHOICE_IS_NULL:
		return value_is(found, VALUE_NULL) == test->wanted;
	case CHOICE_IS_NUMERIC:
		return value_is(found, VALUE_NUMBER) == test->wanted;
	case CHOICE_IS_STRING:
		return value_is(found, VALUE_STRING) == test->wanted;
	case CHOICE_IS_BOOLEAN:
		return value_is(found, VALUE_BOOL) == test->wanted;
	case CHOICE_IS_TIMESTAMP:
		return (value_is(found, VALUE_STRING) && timestamp_parse(value_string(found), &ms)) == test->wanted;
	case CHOICE_MATCHES:
		return value_is(found, VALUE_STRING) && choice_pattern_matches(test->pattern, value_string(found));
	case CHOICE_AND:
	case CHOICE_OR:
	case CHOICE_NOT:
	case CHOICE_COMPARE:
	case CHOICE_IS_PRESENT:
	case CHOICE_CONDITION:
		break;
	}
	return false;
}

static int leaf_holds(struct core_step *step, struct frame *frame, const struct choice_test *test, uint32_t rule,
		      const struct value *input, struct failure *ret_failure)
{
	const struct value *found, *operand = test->operand;
	if (test->node == CHOICE_CONDITION)
		return condition_holds(step, frame, test, rule, input, ret_failure);
	if (test->node == CHOICE_IS_PRESENT)
		return find(step, frame, test->variable, input, &found) == test->wanted;
	if (look_up(step, frame, test->variable, input, &found, ret_failure) < 0)
		return -1;
	if (test->node != CHOICE_COMPARE)
		return is_what(test, found);
	if (test->operand_path && look_up(step, frame, test->operand_path, input, &operand, ret_failure) < 0)
		return -1;
	return compares(test, found, operand);
}

/* ---- And, Or, Not --------------------------------------------------------------------------- */

static bool is_inner(const struct choice_test *test)
{
	return test->node == CHOICE_AND || test->node == CHOICE_OR || test->node == CHOICE_NOT;
}

struct level {
	const struct choice_test *test;
	uint32_t next; /* child to look at */
};

/* What an inner test is once `child` of it is known; -1: not decided yet. */
static int decided(const struct level *level, int child)
{
	switch (level->test->node) {
	case CHOICE_AND:
		return !child ? 0 : level->next == level->test->children_count ? 1 : -1;
	case CHOICE_OR:
		return child ? 1 : level->next == level->test->children_count ? 0 : -1;
	case CHOICE_NOT:
	case CHOICE_COMPARE:
	case CHOICE_MATCHES:
	case CHOICE_IS_NULL:
	case CHOICE_IS_PRESENT:
	case CHOICE_IS_NUMERIC:
	case CHOICE_IS_STRING:
	case CHOICE_IS_BOOLEAN:
	case CHOICE_IS_TIMESTAMP:
	case CHOICE_CONDITION:
		break;
	}
	return !child;
}

int choice_holds(struct core_step *step, struct frame *frame, const struct choice_test *test, uint32_t rule,
		 const struct value *input, struct failure *ret_failure)
{
	if (!is_inner(test))
		return leaf_holds(step, frame, test, rule, input, ret_failure);

	struct level *levels = NULL;
	size_t depth = 0, capacity = 0;
	int holds = -1;
	for (const struct choice_test *at = test;;) {
		if (is_inner(at)) {
			MEM_GROW(levels, capacity, depth + 1);
			levels[depth++] = (struct level){ at, 0 };
			holds = -1;
		} else {
			holds = leaf_holds(step, frame, at, rule, input, ret_failure);
			if (holds < 0)
				break;
		}
		/* A known value settles the tests around it, as far as it does. */
		while (holds >= 0 && depth) {
			holds = decided(&levels[depth - 1], holds);
			if (holds >= 0)
				depth--;
		}
		if (!depth)
			break;
		at = &levels[depth - 1].test->children[levels[depth - 1].next++];
	}
	mem_freep(&levels);
	return holds;
}
