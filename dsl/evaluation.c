/* evaluation.c: budgets, failures, and the comparisons that the expression languages share (see evaluation.h). */
#include "dsl/evaluation.h"
#include "base/hash.h"
#include <inttypes.h>
#include <math.h>

static const struct limits limits_default = { LIMITS_DEFAULT_FIELDS_ };

void evaluation_begin(struct evaluation *evaluation, const struct expr_env *env, struct arena *arena,
		      struct expr_failure *ret_failure)
{
	const struct limits *limits = env->limits ? env->limits : &limits_default;
	*evaluation = (struct evaluation){
		.env = env,
		.limits = limits,
		.arena = arena,
		.steps = limits->expression_steps,
		.bytes = limits->expression_bytes,
		/* A document's own nesting does not count against the expression's. */
		.depth = limits->expression_depth + limits->json_depth,
		.failure = ret_failure,
	};
}

int evaluation_fail(struct evaluation *evaluation, const char *error, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	*evaluation->failure = (struct expr_failure){
		.error = str_of(error),
		.cause = arena_vformat(evaluation->arena, format, args),
		.location = STR_EMPTY,
	};
	va_end(args);
	return -1;
}

int evaluation_fail_exceeded(struct evaluation *evaluation, struct str text)
{
	return evaluation_fail(evaluation, "States.Runtime", "Evaluating '%.*s' reached the limit '%s'", STR_FMT(text),
			       evaluation->exceeded ? evaluation->exceeded : "expression_steps");
}

static bool numbers_equal(const struct value *a, const struct value *b)
{
	int64_t x, y;
	if (str_eq(value_number_text(a), value_number_text(b)))
		return true;
	bool a_is_int = value_int64(a, &x), b_is_int = value_int64(b, &y);
	if (a_is_int && b_is_int)
		return x == y;
	return value_number(a) == value_number(b);
}

static bool members_equal(struct evaluation *evaluation, const struct value *a, const struct value *b)
{
	size_t count = value_count(a);
	if (count != value_count(b) || !evaluation_enter(evaluation))
		return false;
	bool equal = true;
	bool object = value_is(a, VALUE_OBJECT);
	for (size_t i = 0; equal && i < count; i++) {
		const struct value *other = object ? value_get(b, value_key_at(a, i)) : value_at(b, i);
		equal = other && evaluation_equal(evaluation, value_at(a, i), other);
	}
	evaluation_leave(evaluation);
	return equal;
}

bool evaluation_equal(struct evaluation *evaluation, const struct value *a, const struct value *b)
{
	if (!evaluation_steps(evaluation, 1))
		return false;
	if (a == b)
		return true;
	enum value_kind kind = value_kind(a);
	if (kind != value_kind(b))
		return false;
	switch (kind) {
	case VALUE_NULL:
		return true;
	case VALUE_BOOL:
		return value_bool(a) == value_bool(b);
	case VALUE_NUMBER:
		return numbers_equal(a, b);
	case VALUE_STRING:
		return evaluation_steps(evaluation, (int64_t)(value_string(a).len / 64)) &&
		       str_eq(value_string(a), value_string(b));
	case VALUE_ARRAY:
	case VALUE_OBJECT:
		return members_equal(evaluation, a, b);
	}
	return false;
}

static uint64_t number_hash(const struct value *value)
{
	/* Equal numbers may differ in their text, and a large integer in one digit: the double is what they share. */
	double number = value_number(value);
	uint64_t bits = 0;
	if (number != 0)
		memcpy(&bits, &number, sizeof(bits));
	return hash_u64(bits);
}

uint64_t evaluation_hash(struct evaluation *evaluation, const struct value *value)
{
	if (!evaluation_enter(evaluation))
		return 0;
	enum value_kind kind = value_kind(value);
	uint64_t hash = hash_u64((uint64_t)kind + 1);
	size_t count = value_count(value);
	switch (kind) {
	case VALUE_NULL:
		break;
	case VALUE_BOOL:
		hash += value_bool(value);
		break;
	case VALUE_NUMBER:
		hash ^= number_hash(value);
		break;
	case VALUE_STRING:
		hash = hash_bytes(value_string(value), hash);
		break;
	case VALUE_ARRAY:
		for (size_t i = 0; i < count && !evaluation->exceeded; i++)
			hash = hash_u64(hash ^ evaluation_hash(evaluation, value_at(value, i)));
		break;
	case VALUE_OBJECT:
		/* A sum, so that the order of keys does not matter. */
		for (size_t i = 0; i < count && !evaluation->exceeded; i++)
			hash += hash_bytes(value_key_at(value, i), evaluation_hash(evaluation, value_at(value, i)));
		break;
	}
	evaluation_leave(evaluation);
	return hash;
}

static bool natural_members(struct evaluation *evaluation, const struct value *value, struct buffer *out)
{
	bool object = value_is(value, VALUE_OBJECT);
	buffer_byte(out, object ? '{' : '[');
	for (size_t i = 0; i < value_count(value); i++) {
		if (i > 0)
			buffer_addz(out, ", ");
		if (object) {
			buffer_add(out, value_key_at(value, i));
			buffer_byte(out, '=');
		}
		if (!evaluation_natural_text(evaluation, value_at(value, i), out))
			return false;
	}
	buffer_byte(out, object ? '}' : ']');
	return true;
}

bool evaluation_natural_text(struct evaluation *evaluation, const struct value *value, struct buffer *out)
{
	if (!evaluation_enter(evaluation))
		return false;
	size_t before = out->len;
	bool done = true;
	switch (value_kind(value)) {
	case VALUE_STRING:
		buffer_add(out, value_string(value));
		break;
	case VALUE_ARRAY:
	case VALUE_OBJECT:
		done = natural_members(evaluation, value, out);
		break;
	case VALUE_NULL:
	case VALUE_BOOL:
	case VALUE_NUMBER:
		buffer_add(out, value_text(value));
		break;
	}
	evaluation_leave(evaluation);
	return done && evaluation_bytes(evaluation, out->len - before);
}
