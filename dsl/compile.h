/* compile.h: what the files of the definition compiler share (program.c, report.c, compile_*.c, resource.c). Not for
 * other rooms.
 *
 * The compiler goes over the tree scope by scope, breadth first and without recursion: a Map or Parallel state only
 * puts its scopes into the queue. So each scope's states stand together in program->states, and nesting costs no stack.
 * A mistake is reported and compilation goes on with what is left; the program is dropped at the end if there was an
 * error. */
#pragma once
#include "base/map.h"
#include "dsl/definition_yaml.h"
#include "dsl/fields.h"
#include "dsl/program.h"

/* A scope that waits to be compiled. */
struct pending {
	const struct djson *object;
	enum field_owner owner;
	uint32_t scope;
	uint32_t depth;
	struct pending *next;
};

/* A name in some Assign. */
struct assigned {
	const struct djson *member;
	struct str name;
	uint32_t scope;
	struct assigned *next;
};

struct compiler {
	struct str source;      /* JSON */
	struct str given;       /* what it was made of, if that was YAML; else the same */
	struct yaml_json *yaml; /* how the two belong together; NULL: it was JSON */
	const struct limits *limits;
	bool express, distributed;
	struct arena *scratch; /* the caller's: diagnostics and the tree */
	struct arena *arena;   /* the program's */
	struct program *program;
	size_t states_capacity, scopes_capacity;
	struct pending *pending, **pending_tail;
	struct str_map names;  /* of all states: the State's node */
	struct str_map labels; /* of all distributed Maps */
	struct assigned *assigned;
	uint32_t duplicates; /* repeated keys */
	bool terminal;       /* some scope has a terminal state */

	/* while one scope is compiled */
	uint32_t scope, depth;
	const struct djson *states_object;
	unsigned states_fields; /* what $states has in the field being compiled (EXPR_STATES_…) */
	struct str_map scope_names; /* (void *)(index + 1) */

	struct diagnostics *diagnostics;
	unsigned stored; /* diagnostics kept; those beyond DIAGNOSTICS_MAX are only counted */
};

enum { DIAGNOSTICS_MAX = 1000 };

/* ---- report.c: complaints ---- */

struct report {
	const struct djson *location; /* what AWS names; NULL: no location */
	size_t offset, length;        /* what the caret points at */
	struct str expected;
	enum diagnostic_code code;
	enum diagnostic_severity severity;
};
/* The value itself; a member's key, said of its object; an object that lacks something. */
#define AT_VALUE(node) .location = (node), .offset = (node)->offset, .length = (node)->length
#define AT_KEY(object, member) .location = (object), .offset = (member)->key_offset, .length = (member)->key_length
#define AT_OBJECT(node)                                                                                                \
	.location = (node), .offset = (node)->key_length ? (node)->key_offset : (node)->offset,                        \
	.length = (node)->key_length ? (node)->key_length : 1
void report(struct compiler *c, const struct report *report, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The common ones: an error of code SCHEMA_VALIDATION_FAILED at a value, at an object that lacks something, at a
 * member's key. */
#define report_value(c, node, text, ...)                                                                               \
	report((c), &(struct report){ AT_VALUE(node), .expected = (text) }, __VA_ARGS__)
#define report_object(c, node, text, ...)                                                                              \
	report((c), &(struct report){ AT_OBJECT(node), .expected = (text) }, __VA_ARGS__)
#define report_key(c, object, member, text, ...)                                                                       \
	report((c), &(struct report){ AT_KEY(object, member), .expected = (text) }, __VA_ARGS__)
/* Text for `expected`. */
struct str expecting(struct compiler *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Sorts by place in the source and fills in lines and columns. */
void reports_finish(struct compiler *c);

/* Reads an object's members by the table: complains of unknown fields, wrong kinds, ranges, missing and conflicting
 * ones. `unknown_ok`: fields that the table does not have are only warned of. */
void fields_read(struct compiler *c, const struct djson *object, enum field_owner owner, enum query_language language,
		 bool unknown_ok, struct fields *ret_fields);
/* One member; false if the table has no such field. */
bool fields_read_one(struct compiler *c, const struct djson *member, enum query_language language,
		     struct fields *fields);
/* What concerns several fields at once; fields_read ends with it. */
void fields_check(struct compiler *c, enum query_language language, const struct fields *fields);

/* ---- compile_expr.c: fields that hold expressions ---- */

enum path_use {
	PATH_ANY,          /* InputPath, OutputPath, Variable */
	PATH_REFERENCE,    /* SecondsPath …: must find one node */
	PATH_OR_INTRINSIC, /* ErrorPath, CausePath */
	PATH_RESULT,       /* ResultPath: a reference path into the document */
};
/* Each returns NULL if `node` is NULL or after a complaint. */
struct expr *compile_path(struct compiler *c, const struct djson *node, enum path_use use);
/* A payload template in the state's language. */
struct expr *compile_template(struct compiler *c, const struct djson *node, enum query_language language);
/* The value as it stands. */
struct expr *compile_constant(struct compiler *c, const struct djson *node);
/* A value of the program's arena made of a piece of the source. */
struct value *compile_value(struct compiler *c, const struct djson *node);
/* A number given as `constant` (or JSONata) or by `path`. */
struct number_field compile_number(struct compiler *c, const struct fields *fields, enum field constant,
				   enum field path);
/* The number of a number token. */
double compile_double(struct compiler *c, const struct djson *node);
/* A string copied into the program. */
struct str compile_str(struct compiler *c, const struct djson *node);
struct assignment compile_assign(struct compiler *c, const struct djson *node, enum query_language language);
/* Remembers what the expression refers to. */
struct expr *compile_note(struct compiler *c, struct expr *expr);
bool node_is_jsonata(const struct djson *node);

/* ---- compile_state.c, compile_choice.c, compile_retry.c, compile_map.c ---- */

/* The index of the state that `node` names within the scope being compiled; complains and gives STATE_NONE if there is
 * none. */
uint32_t compile_target(struct compiler *c, const struct djson *node);
void compile_state(struct compiler *c, const struct djson *node, struct state *state);
void compile_choice(struct compiler *c, const struct fields *fields, struct state *state);
void compile_retry(struct compiler *c, const struct djson *array, struct state *state);
void compile_catch(struct compiler *c, const struct djson *array, struct state *state);
void compile_parallel(struct compiler *c, const struct fields *fields, struct state *state);
void compile_map(struct compiler *c, const struct fields *fields, struct state *state);
/* Puts a scope into the queue; its index. */
uint32_t compile_scope_later(struct compiler *c, const struct djson *object, enum field_owner owner,
			     uint32_t owner_state, uint32_t branch);

/* ---- resource.c ---- */
void compile_resource(struct compiler *c, const struct djson *node, struct resource *ret_resource);
