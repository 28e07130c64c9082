/* expr.h: one interface to the expression languages: JSONPath (with intrinsic functions and payload templates) and JSONata.
 *
 * An expression is compiled once with its program, is immutable, and may be evaluated any number of times. Evaluation is
 * pure: no clock, no randomness, no I/O, but through struct expr_env. It has a budget of steps, depth and bytes (limits.h) and
 * going past it is a workflow error, never a crash.
 *
 * The languages live in dsl/jsonpath/, dsl/intrinsics/ and dsl/jsonata/; this header is what the rest of dsl/ and
 * engine/core/ know of them. */
#pragma once
#include "base/arena.h"
#include "base/limits.h"
#include "base/random.h"
#include "value/value.h"

enum query_language { QUERY_JSONPATH, QUERY_JSONATA };

struct expr;

/* What an expression may read. All borrowed for the time of the call. */
struct expr_env {
	const struct value *input; /* `$`: the (effective) input; for JSONata $states.input */
	const struct value *result; /* JSONata $states.result, NULL where there is none */
	const struct value *error_output; /* JSONata $states.errorOutput, NULL where there is none */
	/* The context object `$$` / $states.context, made on demand (borrowed from whoever made it). */
	const struct value *(*context)(void *data);
	/* A variable's value by name (without `$`), NULL if it is not defined; borrowed. */
	const struct value *(*variable)(void *data, struct str name);
	void *data; /* for both */
	struct random *random; /* States.UUID, States.MathRandom, $random, $uuid */
	int64_t now_ms; /* $now(), $millis() */
	const struct limits *limits;
	const char *field; /* AWS's field path for causes: "InputPath", "Parameters", "ItemsPath", "Output", "Arguments" …; templates append to it themselves */
};

/* A workflow error made by an evaluation. Both texts live in the arena given to the evaluation. Error names:
 * States.Runtime, States.ParameterPathFailure, States.ResultPathMatchFailure, States.IntrinsicFailure, States.QueryEvaluationError … */
struct expr_failure {
	struct str error;
	struct str cause; /* AWS's sentence WITHOUT the prefix "An error occurred while executing the state …", which the core adds */
	struct str location; /* JSONata: field for the EvaluationFailed event ("Output/result"); else empty */
};

/* A mistake found while compiling. Positions count bytes from the start of the expression's text. */
struct expr_problem {
	struct str message; /* lives in the arena passed to compile */
	size_t offset, length;
	bool unsupported; /* UNSUPPORTED_JSONATA_EXPRESSION rather than INVALID_… */
};

/* ---- compiling: each returns NULL and fills *ret_problem on a mistake. The result lives in `arena`; values inside are released with it (arena_on_reset). */

/* A JSONPath that may give anything ("$.a[*].b", "$$.Execution.Id", "$var.x"), as InputPath, OutputPath, `.$` values and Variable allow. */
struct expr *expr_compile_path(struct arena *arena, struct str text, struct expr_problem *ret_problem);
/* A reference path: names and indexes only; must identify a single node. */
struct expr *expr_compile_reference_path(struct arena *arena, struct str text, struct expr_problem *ret_problem);
/* A path or an intrinsic function call ("States.Format('…', $.a)"): the value of a field that ends in `.$`. */
struct expr *expr_compile_path_or_intrinsic(struct arena *arena, struct str text, struct expr_problem *ret_problem);

/* One mistake inside a template: where (JSON pointer below the template, e.g. "/a/b.$") and what. */
struct expr_template_problem {
	struct str pointer;
	struct expr_problem problem;
	struct expr_template_problem *next;
};
/* A JSONPath payload template (Parameters, ResultSelector, ItemSelector, Assign): any JSON in which keys ending in `.$` have path or
 * intrinsic values. All mistakes are collected into *ret_problems (NULL list on success). Never returns NULL: what is broken evaluates to null. */
struct expr *expr_compile_template(struct arena *arena, const struct value *json, struct expr_template_problem **ret_problems);
/* What $states has in a field beside `input` and `context` (bits). */
enum expr_states { EXPR_STATES_RESULT = 1, EXPR_STATES_ERROR_OUTPUT = 2 };
/* A JSONata field: a string "{% … %}" is an expression; other JSON is a template in which such strings at any depth are. Same reporting.
 * `states` (EXPR_STATES_…): naming a field of $states that is not there is a mistake. */
struct expr *expr_compile_jsonata_template(struct arena *arena, const struct value *json, unsigned states,
					   struct expr_template_problem **ret_problems);
/* A JSON constant (Pass's Result). */
struct expr *expr_constant(struct arena *arena, const struct value *json);
/* Whether `text` is written "{% … %}". */
bool expr_is_jsonata(struct str text);

/* ---- evaluating ------------------------------------------------------------------------- */

/* Evaluates. 0 and *ret_value (yours), or -1 and *ret_failure (texts in `arena`). Unchanged parts are shared with the input: `$` returns the
 * input itself. JSONata's "undefined" is a failure with AWS's cause. */
int expr_eval(const struct expr *expr, const struct expr_env *env, struct arena *arena, struct value **ret_value, struct expr_failure *ret_failure);

/* For a path: whether it finds something (Choice's IsPresent); *ret_value is set when it does. An indefinite path with no match is not present. */
bool expr_eval_present(const struct expr *expr, const struct expr_env *env, struct arena *arena, struct value **ret_value);

/* Puts `item` where the reference path `expr` points in `document` (ResultPath). 0 and *ret_value; -1 with States.ResultPathMatchFailure. */
int expr_put(const struct expr *expr, const struct value *document, const struct value *item, struct arena *arena, struct value **ret_value, struct expr_failure *ret_failure);

/* ---- looking ---------------------------------------------------------------------------- */

/* The source text ("$.a.b"); for templates the JSON. */
struct str expr_text(const struct expr *expr);
/* Whether it can give one node only (definite), i.e. has no `..`, `*`, slice, union or filter. True for constants. */
bool expr_is_definite(const struct expr *expr);
/* Whether it is just `$` (so that the core can pass the input through). */
bool expr_is_root(const struct expr *expr);
/* How deep intrinsic functions are nested in it; 0 if there are none. More than limit intrinsic_depth fails when it is evaluated. */
unsigned expr_intrinsic_depth(const struct expr *expr);
/* Calls `visit` for each variable it reads ("x" of "$x.y", "$$" for the context object, "$" for the input), with the full reference text. */
void expr_references(const struct expr *expr, void (*visit)(void *data, struct str name, struct str reference), void *data);
