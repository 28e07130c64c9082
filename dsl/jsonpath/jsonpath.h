/* jsonpath.h: paths into JSON documents, in the dialect of Step Functions: Jayway JsonPath without its functions.
 *
 * A path is its root (`$`, `$$`, `$name`, inside a filter `@`) and a list of tokens. A definite path names one node: it finds
 * that node or fails. An indefinite one (`..`, `*`, slice, union, filter) finds a list. Inside dsl/ only; the struct is open
 * so that reference paths can be turned into steps.
 *
 * What differs from RFC 9535, as Jayway has it: slices take no step; `['a','b']` at the end gives one object with those
 * members; a filter on an object tests the object itself; an existence test of an indefinite path holds even when the list
 * is empty; a number and a string that reads the same are equal in a filter. */
#pragma once
#include "dsl/evaluation.h"

enum jsonpath_root { JSONPATH_INPUT, JSONPATH_CONTEXT, JSONPATH_VARIABLE, JSONPATH_ITEM };

enum jsonpath_token_kind {
	JSONPATH_PROPERTY, /* .name ['name'] */
	JSONPATH_PROPERTIES, /* ['a','b'] */
	JSONPATH_INDEX, /* [0] [-1] */
	JSONPATH_INDEXES, /* [0,2] */
	JSONPATH_SLICE, /* [1:3] [:2] [-1:] */
	JSONPATH_WILDCARD, /* .* [*] */
	JSONPATH_SCAN, /* .. applies the next token to every node below */
	JSONPATH_FILTER, /* [?(…)] */
	JSONPATH_FUNCTION, /* .length(): nothing has such a property */
};

struct jsonpath_token {
	enum jsonpath_token_kind kind;
	bool upstream_definite; /* all tokens before this one are definite */
	bool has_from, has_to; /* SLICE */
	uint32_t count; /* of names or indexes */
	struct str name; /* PROPERTY, FUNCTION */
	int64_t index; /* INDEX; where a SLICE starts */
	int64_t to; /* where a SLICE ends (exclusive) */
	const struct str *names; /* PROPERTIES */
	const int64_t *indexes; /* INDEXES */
	const struct jsonpath_filter *filter;
};

struct jsonpath {
	enum jsonpath_root root;
	struct str variable; /* VARIABLE: its name */
	struct str text; /* as written, without white space around it */
	const struct jsonpath_token *tokens;
	uint32_t count;
	bool definite;
};

enum jsonpath_dialect {
	JSONPATH_PATH, /* everything */
	JSONPATH_REFERENCE, /* names and indexes only */
};

/* Compiles into `arena`. NULL and *ret_problem (message: what is wrong, no prefix) on a mistake. */
struct jsonpath *jsonpath_compile(struct arena *arena, struct str text, enum jsonpath_dialect dialect,
				  struct expr_problem *ret_problem);

/* The part of a path that starts at `text` (with `$`), as an argument of a function: up to a `,` or `)` outside of brackets. */
size_t jsonpath_extent(struct str text);

enum jsonpath_status {
	JSONPATH_FOUND,
	JSONPATH_MISSING, /* nothing is there */
	JSONPATH_INVALID, /* a filter applied to a scalar */
	JSONPATH_EXCEEDED, /* the budget is spent */
};

/* Why nothing was found: for the sentence, which is made only when somebody wants it. */
struct jsonpath_miss {
	enum {
		MISS_NO_RESULTS,
		MISS_PROPERTY,
		MISS_NOT_OBJECT,
		MISS_NOT_ARRAY,
		MISS_NULL,
		MISS_FUNCTION,
		MISS_PRIMITIVE,
		MISS_VARIABLE,
		MISS_CONTEXT,
	} kind;
	uint32_t token; /* the token that did not apply */
	const struct value *at; /* what it was applied to; borrowed from the document; may be NULL */
};

/* Evaluates against the root that the path names. FOUND sets *ret_value (yours); a definite path gives the node itself. An
 * indefinite path may be MISSING or INVALID too, when its definite part leads nowhere. */
enum jsonpath_status jsonpath_eval(const struct jsonpath *path, struct evaluation *evaluation, struct value **ret_value,
				   struct jsonpath_miss *ret_miss);

/* The same with the document given: what the path's root stands for; `item` is what `@` stands for (filters). With
 * `require` a missing property is a miss below indefinite tokens too (existence tests). */
enum jsonpath_status jsonpath_find(const struct jsonpath *path, struct evaluation *evaluation,
				   const struct value *document, const struct value *item, bool require,
				   struct value **ret_value, struct jsonpath_miss *ret_miss);

/* "No results for path: $['a']" and the like. */
struct str jsonpath_miss_text(const struct jsonpath *path, const struct jsonpath_miss *miss,
			      struct evaluation *evaluation);

/* ---- filters (filter.c compiles, filter_eval.c decides) --------------------------------------- */

struct jsonpath_filter;

enum jsonpath_verdict { FILTER_NO, FILTER_YES, FILTER_INVALID, FILTER_EXCEEDED };

/* Compiles what stands between "[?(" and ")]". `depth` counts nested filters; `offset` is where `text` stands in the path. */
struct jsonpath_filter *jsonpath_filter_compile(struct arena *arena, struct str text, unsigned depth, size_t offset,
						struct expr_problem *ret_problem);
/* A path inside a filter: starts with `@` or `$`. */
struct jsonpath *jsonpath_compile_inner(struct arena *arena, struct str text, unsigned depth, size_t offset,
					struct expr_problem *ret_problem);
/* Decides whether `item` passes; `document` is the root. */
enum jsonpath_verdict jsonpath_filter_test(const struct jsonpath_filter *filter, struct evaluation *evaluation,
					   const struct value *document, const struct value *item);

/* Where the bracket that opens at `text[at]` closes, quotes and (with `patterns`) /…/ skipped; SIZE_MAX if it does not. */
size_t jsonpath_closing(struct str text, size_t at, char open, char close, bool patterns);

/* Refuses: fills *ret_problem, returns NULL. */
void *jsonpath_refuse(struct arena *arena, struct expr_problem *ret_problem, size_t offset, size_t length,
		      const char *format, ...) __attribute__((format(printf, 5, 6)));
