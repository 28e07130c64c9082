/* intrinsics.h: the intrinsic functions of the States Language, States.Format('…', $.a) and its like.
 *
 *     call     = name "(" [argument ("," argument)*] ")"
 *     argument = 'text' | number | true | false | null | path | call
 *
 * In a text the characters ' { } \ are written with a backslash before them; a backslash before anything else is a mistake. The
 * functions are one table: a row says the name, how many arguments it takes, and what carries it out. Inside dsl/ only. */
#pragma once
#include "dsl/evaluation.h"
#include "dsl/jsonpath/jsonpath.h"

struct intrinsic_call;

/* What a function gets. It borrows the arguments. */
struct intrinsic_run {
	struct evaluation *evaluation;
	const struct intrinsic_call *call;
	const struct value *const *arguments;
	size_t count;
};

/* Carries a function out. Returns the result (the caller's), or NULL after intrinsic_fail or with the budget exceeded. */
typedef struct value *intrinsic_function(const struct intrinsic_run *run);

/* X(name behind "States.", fewest arguments, most arguments, function) */
#define INTRINSIC_MANY UINT32_MAX
#define INTRINSICS(X)                                     \
	X(Format, 1, INTRINSIC_MANY, format)              \
	X(StringToJson, 1, 1, string_to_json)             \
	X(JsonToString, 1, 1, json_to_string)             \
	X(Array, 0, INTRINSIC_MANY, array)                \
	X(ArrayPartition, 2, 2, array_partition)          \
	X(ArrayContains, 2, 2, array_contains)            \
	X(ArrayRange, 3, 3, array_range)                  \
	X(ArrayGetItem, 2, 2, array_get_item)             \
	X(ArrayLength, 1, 1, array_length)                \
	X(ArrayUnique, 1, 1, array_unique)                \
	X(Base64Encode, 1, 1, base64_encode)              \
	X(Base64Decode, 1, 1, base64_decode)              \
	X(Hash, 2, 2, hash)                               \
	X(JsonMerge, 3, 3, json_merge)                    \
	X(MathRandom, 2, 3, math_random)                  \
	X(MathAdd, 2, 2, math_add)                        \
	X(StringSplit, 2, 2, string_split)                \
	X(UUID, 0, 0, uuid)

#define X(name, least, most, function) intrinsic_function intrinsic_##function;
INTRINSICS(X)
#undef X

struct intrinsic_row {
	const char *name; /* "States.Format" */
	uint32_t least, most;
	intrinsic_function *function;
};
extern const struct intrinsic_row intrinsic_rows[];
extern const unsigned intrinsic_rows_count;

struct intrinsic_argument {
	enum { ARGUMENT_CONSTANT, ARGUMENT_PATH, ARGUMENT_CALL } kind;
	const struct value *constant; /* held by the arena */
	struct str raw; /* of a text constant: as written between the quotes, escapes kept (States.Format reads them) */
	const struct jsonpath *path;
	const struct intrinsic_call *call;
};

struct intrinsic_call {
	const struct intrinsic_row *row;
	struct str text; /* as written */
	const struct intrinsic_argument *arguments;
	uint32_t count;
	uint32_t depth; /* 1: no call among its arguments */
};

/* Compiles into `arena`; NULL and *ret_problem on a mistake. */
struct intrinsic_call *intrinsic_compile(struct arena *arena, struct str text, struct expr_problem *ret_problem);

/* Evaluates. 0 and *ret_value (yours), or -1 and evaluation->failure filled. */
int intrinsic_eval(const struct intrinsic_call *call, struct evaluation *evaluation, struct value **ret_value);

/* Calls `visit` for each path among the arguments, at any depth. */
void intrinsic_paths(const struct intrinsic_call *call, void (*visit)(void *data, const struct jsonpath *path), void *data);

/* ---- for the functions ---------------------------------------------------------------------------- */

/* Fails with States.IntrinsicFailure; returns NULL. */
struct value *intrinsic_fail(const struct intrinsic_run *run, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Whether argument `index` is of that kind; else fails. */
bool intrinsic_wants(const struct intrinsic_run *run, size_t index, enum value_kind kind);
/* Argument `index` as an integer, rounded half up as AWS does; else fails. */
bool intrinsic_integer(const struct intrinsic_run *run, size_t index, int64_t *ret_number);
/* Argument `index` as text no longer than limit hash_input_bytes; else fails. */
bool intrinsic_short_text(const struct intrinsic_run *run, size_t index, struct str *ret_text);
