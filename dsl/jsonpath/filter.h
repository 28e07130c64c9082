/* filter.h: the tree of a filter, between filter.c which makes it and filter_eval.c which decides by it. */
#pragma once
#define PCRE2_CODE_UNIT_WIDTH 8
#include "dsl/jsonpath/jsonpath.h"
#include <pcre2.h>

/* X(operator as written, name) */
#define FILTER_OPERATORS(X)             \
	X("==", EQUAL)                  \
	X("!=", NOT_EQUAL)              \
	X("===", SAME_TYPE_EQUAL)       \
	X("!==", SAME_TYPE_NOT_EQUAL)   \
	X("<", LESS)                    \
	X("<=", LESS_EQUAL)             \
	X(">", GREATER)                 \
	X(">=", GREATER_EQUAL)          \
	X("=~", MATCHES)                \
	X("in", IN)                     \
	X("nin", NOT_IN)                \
	X("contains", CONTAINS)         \
	X("all", ALL)                   \
	X("size", SIZE)                 \
	X("empty", EMPTY)               \
	X("subsetof", SUBSET_OF)        \
	X("anyof", ANY_OF)              \
	X("noneof", NONE_OF)

enum filter_operator {
#define X(text, name) FILTER_##name,
	FILTER_OPERATORS(X)
#undef X
};

struct filter_operand {
	enum { OPERAND_PATH, OPERAND_VALUE, OPERAND_PATTERN } kind;
	const struct jsonpath *path;
	const struct value *value; /* held by the arena */
	pcre2_code *pattern; /* held by the arena */
};

struct jsonpath_filter {
	enum { FILTER_OR, FILTER_AND, FILTER_NOT, FILTER_EXISTS, FILTER_ABSENT, FILTER_COMPARE } kind;
	const struct jsonpath_filter *first; /* OR, AND, NOT: children */
	const struct jsonpath_filter *next; /* sibling */
	enum filter_operator operator;
	struct filter_operand left, right; /* EXISTS, ABSENT: left */
};

/* A number from text that Java's BigDecimal reads ("010", "+5", ".5"); NULL if it is none. Yours. */
struct value *filter_number(struct arena *arena, struct str text);
