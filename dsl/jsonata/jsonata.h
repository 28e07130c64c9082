/* jsonata.h: the JSONata language, version 2: compile once, evaluate any number of times.
 *
 *     struct jsonata *program = jsonata_compile(&arena, STR("$sum(items.price)"), NULL, &error);
 *     outcome = jsonata_evaluate(program, &env, &scratch, &value, &error);
 *
 * A program is immutable; it lives in the arena it was compiled in. Evaluating is pure: input, bindings, clock and
 * random come in through struct jsonata_env, and every evaluation has a budget of steps, nesting and bytes. What goes
 * past it is an error (U1001), never a crash or a stall.
 *
 * Two languages are behind this header: the library as jsonata.org describes it, and the dialect of the States Language
 * on top of it (dialect.c): other functions, no `$eval`, no reference to the input at the top level. */
#pragma once
#include "base/arena.h"
#include "base/limits.h"
#include "base/random.h"
#include "value/value.h"

struct jsonata;

enum jsonata_flavour {
	JSONATA_LIBRARY, /* jsonata.org, version 2.2 */
	JSONATA_STATES,  /* version 2.0.6 as the States Language has it */
};

/* Which of $states' fields an expression may name (bits). */
enum jsonata_states_field {
	JSONATA_STATES_INPUT = 1,
	JSONATA_STATES_RESULT = 2,
	JSONATA_STATES_ERROR_OUTPUT = 4,
	JSONATA_STATES_CONTEXT = 8,
	JSONATA_STATES_ALL = 15,
};

struct jsonata_options {
	enum jsonata_flavour flavour;
	int depth_max;          /* nesting of the expression's text; 0: 1000 */
	unsigned states_fields; /* dialect: which of $states' fields may be named (JSONATA_STATES_…) */
};

/* A mistake in the text, or an error of an evaluation. Texts live in the arena that was passed. */
struct jsonata_error {
	char code[6];       /* "S0201", "T2001", "D3010", "U1001" */
	struct str message; /* the reference's sentence, parameters filled in */
	size_t
	    position; /* as the reference counts: UTF-16 units from the start to the token's end; 0 if there is none */
	size_t offset, length; /* the token in bytes of the expression's text */
	struct str token;      /* the token's text, or the function's name; empty if there is none */
	struct str value;      /* the offending value as JSON text; empty if there is none */
	bool unsupported;      /* compile: right JSONata, refused by the dialect */
};

/* Compiles `text` (copied) into `arena`. `options` may be NULL (library). NULL and *ret_error on a mistake. */
struct jsonata *jsonata_compile(struct arena *arena, struct str text, const struct jsonata_options *options,
				struct jsonata_error *ret_error);

/* What `$states` gives in the dialect. All borrowed. A NULL field is absent. */
struct jsonata_states {
	const struct value *input, *result, *error_output;
	const struct value *(*context)(void *data); /* called when the expression names it */
};

struct jsonata_env {
	const struct value *input; /* `$` and `$$`; NULL: undefined */
	/* A variable's value by name (without `$`), NULL if it is not bound; borrowed; may be NULL. */
	const struct value *(*variable)(void *data, struct str name);
	const struct jsonata_states *states; /* dialect; may be NULL */
	void *data;                          /* for the callbacks */
	struct random *random;               /* NULL: $random, $shuffle and $uuid are errors */
	int64_t now_ms;
	int64_t steps_max, bytes_max; /* 0: limits.h's defaults */
	int64_t depth_max;            /* 0: limits.h's default in the dialect, 512 in the library */
	int64_t value_bytes_max;      /* dialect: the largest value it may make; 0: limits.h's default */
};

enum jsonata_outcome {
	JSONATA_VALUE,
	JSONATA_UNDEFINED,
	JSONATA_FUNCTION, /* the result is a function, which is no value */
	JSONATA_ERROR,
};

/* Evaluates. JSONATA_VALUE sets *ret_value (yours; parts that are the input's are shared with it); JSONATA_ERROR sets
 * *ret_error, whose texts live in `arena`, as does everything the evaluation needs. */
enum jsonata_outcome jsonata_evaluate(const struct jsonata *program, const struct jsonata_env *env, struct arena *arena,
				      struct value **ret_value, struct jsonata_error *ret_error);

/* The source text. */
struct str jsonata_text(const struct jsonata *program);
/* Calls `visit` for each variable that it reads and does not bind itself, built-in functions excepted; `reference` is
 * the name with the fields that follow it ("$states.input.a"). A name may come several times. */
void jsonata_references(const struct jsonata *program, void (*visit)(void *data, struct str name, struct str reference),
			void *data);

/* A compiled program printed as an indented tree, for people and tests. */
void jsonata_explain(const struct jsonata *program, struct buffer *buffer);

/* ---- the States Language's dialect (dialect.c) -------------------------------------------- */

/* Whether `text` is written "{% … %}", and what stands between, without the white space around it; its offset in
 * `text`. */
bool jsonata_is_template_text(struct str text);
struct str jsonata_template_inner(struct str text, size_t *ret_offset);

/* A mistake in a template: where (a JSON pointer: "" for itself, "/a/0" below it) and what. Offsets count from the
 * string's start. */
struct jsonata_template_problem {
	struct str pointer;
	struct str message;
	size_t offset, length;
	bool unsupported;
	struct jsonata_template_problem *next;
};

/* A JSON value in which each string "{% … %}" at any depth is an expression; all else stands for itself. */
struct jsonata_template;

/* Compiles; all mistakes are collected, in document order, into *ret_problems (NULL on success). `states_fields` says
 * which of $states' fields this place has (JSONATA_STATES_…). Never returns NULL; what is broken evaluates to null. */
struct jsonata_template *jsonata_template_compile(struct arena *arena, const struct value *json, unsigned states_fields,
						  struct jsonata_template_problem **ret_problems);

/* A failed evaluation: always States.QueryEvaluationError. `cause` is AWS's sentence, `location` the field
 * ("Output/a[0]"). */
struct jsonata_failure {
	struct str cause, location;
	struct jsonata_error error; /* code "" when the result was undefined */
};

/* Evaluates all expressions of the template. `field` is its name relative to the state ("Output",
 * "Choices[1]/Condition"). 0 and *ret_value (yours), or -1 and *ret_failure (texts in `arena`). */
int jsonata_template_evaluate(const struct jsonata_template *tmpl, const struct jsonata_env *env, struct str field,
			      struct arena *arena, struct value **ret_value, struct jsonata_failure *ret_failure);

/* The failure when the result, evaluated without one, is not of the type that the field needs ("array", "string",
 * "number" …). */
struct jsonata_failure jsonata_template_wrong_type(const struct jsonata_template *tmpl, struct str field,
						   const char *expected, const struct value *result,
						   struct arena *arena);

void jsonata_template_references(const struct jsonata_template *tmpl,
				 void (*visit)(void *data, struct str name, struct str reference), void *data);
/* True if there is no expression in it. */
bool jsonata_template_is_constant(const struct jsonata_template *tmpl);
/* True if it is the one expression `$states.input`. */
bool jsonata_template_is_input(const struct jsonata_template *tmpl);
/* The JSON it was made from; borrowed. */
const struct value *jsonata_template_json(const struct jsonata_template *tmpl);
