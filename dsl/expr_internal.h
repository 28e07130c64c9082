/* expr_internal.h: the one struct behind expr.h, shared by expr.c (evaluates), template.c (compiles templates) and
 * expr_jsonata.c (the other language). */
#pragma once
#include "dsl/evaluation.h"
#include "dsl/intrinsics/intrinsics.h"
#include "dsl/jsonpath/jsonpath.h"

struct jsonata_template;

enum expr_kind {
	EXPR_CONSTANT,
	EXPR_PATH,
	EXPR_INTRINSIC,
	EXPR_OBJECT, /* a template's object that has expressions in it */
	EXPR_ARRAY,
	EXPR_JSONATA,
};

struct expr_member {
	struct str key;   /* OBJECT: as it will be, ".$" taken off */
	struct str field; /* as it is written, for causes */
	struct expr *expr;
};

struct expr {
	enum expr_kind kind;
	struct str text;          /* PATH, INTRINSIC: as written */
	const struct value *json; /* CONSTANT: the value; templates: the source; held by the arena */
	const struct jsonpath *path;
	const struct intrinsic_call *call;
	const struct expr_member *members; /* OBJECT, ARRAY */
	uint32_t count;
	struct jsonata_template *jsonata;
};

/* A new expression that holds a reference to `json` as long as the arena lives. */
struct expr *expr_new_json(struct arena *arena, enum expr_kind kind, const struct value *json);

/* Evaluates one EXPR_JSONATA (expr_jsonata.c). */
int expr_jsonata_eval(const struct expr *expr, const struct expr_env *env, struct arena *arena,
		      struct value **ret_value, struct expr_failure *ret_failure);
void expr_jsonata_references(const struct expr *expr, void (*visit)(void *data, struct str name, struct str reference),
			     void *data);
bool expr_jsonata_is_input(const struct expr *expr);
