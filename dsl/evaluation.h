/* evaluation.h: what the evaluators of dsl/ share while one expression is evaluated: where it reads from, what it may
 * still use, and how it fails. Inside dsl/ only.
 *
 * The budget is counted down: steps for every node that is looked at, bytes for what is made, depth for nesting. A
 * function that loops or recurses asks; once it is told no it unwinds, and the evaluation fails with States.Runtime. */
#pragma once
#include "dsl/expr.h"

struct evaluation {
	const struct expr_env *env;
	const struct limits *limits; /* env's, or the defaults */
	struct arena *arena;
	int64_t steps, bytes, depth;  /* what is left */
	const char *exceeded;         /* the limit that was reached, NULL as long as none was */
	struct expr_failure *failure; /* filled by evaluation_fail */
};

void evaluation_begin(struct evaluation *evaluation, const struct expr_env *env, struct arena *arena,
		      struct expr_failure *ret_failure);

/* False, and `exceeded` set, when less than that is left. */
static inline bool evaluation_steps(struct evaluation *evaluation, int64_t steps)
{
	if (evaluation->steps < steps) {
		evaluation->exceeded = "expression_steps";
		return false;
	}
	evaluation->steps -= steps;
	return true;
}

static inline bool evaluation_bytes(struct evaluation *evaluation, uint64_t bytes)
{
	if (evaluation->bytes < 0 || (uint64_t)evaluation->bytes < bytes) {
		evaluation->exceeded = "expression_bytes";
		return false;
	}
	evaluation->bytes -= (int64_t)bytes;
	return true;
}

/* Enters one level of nesting, which costs a step too. True must be answered with evaluation_leave. */
static inline bool evaluation_enter(struct evaluation *evaluation)
{
	if (evaluation->depth <= 0) {
		evaluation->exceeded = "expression_depth";
		return false;
	}
	if (!evaluation_steps(evaluation, 1))
		return false;
	evaluation->depth--;
	return true;
}

static inline void evaluation_leave(struct evaluation *evaluation)
{
	evaluation->depth++;
}

/* Fills the failure; returns -1. */
int evaluation_fail(struct evaluation *evaluation, const char *error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Fails because of `exceeded`; `text` is the expression. */
int evaluation_fail_exceeded(struct evaluation *evaluation, struct str text);

/* Deep equality (numbers by value, objects regardless of order) and a hash that agrees with it, within the budget: on
 * reaching it they say false and 0, and `exceeded` is set. */
bool evaluation_equal(struct evaluation *evaluation, const struct value *a, const struct value *b);
uint64_t evaluation_hash(struct evaluation *evaluation, const struct value *value);

/* Appends a value as it reads inside a sentence: a string without quotes, {key=value, other=value}, [1, 2]. That is how
 * AWS prints objects in States.Format and in causes. False when the budget is spent. */
bool evaluation_natural_text(struct evaluation *evaluation, const struct value *value, struct buffer *out);
