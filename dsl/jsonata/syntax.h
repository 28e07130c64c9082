/* syntax.h: tokens, the syntax tree, and the passes that make a program of a text. Private to dsl/jsonata/.
 *
 *     text → lexer.c → parser.c (Pratt) → shape.c (paths, steps, parents) → the program that evaluate.c walks
 *
 * All of it lives in the arena of the compilation. A mistake leaves by compile_fail(), a longjmp to jsonata_compile():
 * the passes hold nothing but arena memory, so nothing needs releasing on the way. */
#pragma once
#include "base/arena.h"
#include "dsl/jsonata/errors.h"
#include "dsl/jsonata/jsonata.h"
#include <setjmp.h>

/* Operators and brackets. Binding power 0: it never continues an expression. X(name, text, binding power) */
#define OPERATORS(X)                                                                                                   \
	X(DOT, ".", 75)                                                                                                \
	X(BRACKET, "[", 80)                                                                                            \
	X(BRACKET_END, "]", 0)                                                                                         \
	X(BRACE, "{", 70)                                                                                              \
	X(BRACE_END, "}", 0)                                                                                           \
	X(PAREN, "(", 80)                                                                                              \
	X(PAREN_END, ")", 0)                                                                                           \
	X(COMMA, ",", 0)                                                                                               \
	X(AT, "@", 80)                                                                                                 \
	X(HASH, "#", 80)                                                                                               \
	X(SEMICOLON, ";", 0)                                                                                           \
	X(COLON, ":", 0)                                                                                               \
	X(QUESTION, "?", 20)                                                                                           \
	X(PLUS, "+", 50)                                                                                               \
	X(MINUS, "-", 50)                                                                                              \
	X(TIMES, "*", 60)                                                                                              \
	X(DIVIDE, "/", 60)                                                                                             \
	X(PERCENT, "%", 60)                                                                                            \
	X(BAR, "|", 0)                                                                                                 \
	X(EQUAL, "=", 40)                                                                                              \
	X(LESS, "<", 40)                                                                                               \
	X(GREATER, ">", 40)                                                                                            \
	X(CARET, "^", 40)                                                                                              \
	X(DESCENDANTS, "**", 0)                                                                                        \
	X(RANGE, "..", 0)                                                                                              \
	X(BIND, ":=", 10)                                                                                              \
	X(NOT_EQUAL, "!=", 40)                                                                                         \
	X(LESS_EQUAL, "<=", 40)                                                                                        \
	X(GREATER_EQUAL, ">=", 40)                                                                                     \
	X(CHAIN, "~>", 40)                                                                                             \
	X(AND, "and", 30)                                                                                              \
	X(OR, "or", 25)                                                                                                \
	X(IN, "in", 40)                                                                                                \
	X(CONCAT, "&", 50)                                                                                             \
	X(BANG, "!", 0)                                                                                                \
	X(TILDE, "~", 0)                                                                                               \
	X(ELVIS, "?:", 40)                                                                                             \
	X(COALESCE, "??", 40)

enum operator{
	OP_NONE,
#define X(name, text, power) OP_##name,
	OPERATORS(X)
#undef X
	    OPERATOR_COUNT
};
const char *operator_text(enum operator op);

enum token_kind {
	TOKEN_END,
	TOKEN_NAME,
	TOKEN_VARIABLE,
	TOKEN_STRING,
	TOKEN_NUMBER,
	TOKEN_VALUE,
	TOKEN_REGEX,
	TOKEN_OPERATOR
};

struct token {
	enum token_kind kind;
	enum operator op;
	size_t start, end; /* bytes of the source */
	struct str text;   /* decoded name, variable, string, pattern, or "true"; for operators their text */
	double number;
	bool ignore_case, multiline; /* regex flags */
};

/* ---- the tree -------------------------------------------------------------------------- */

#define NODE_KINDS(X)                                                                                                  \
	X(NAME)                                                                                                        \
	X(STRING)                                                                                                      \
	X(NUMBER) X(VALUE) X(WILDCARD) X(DESCENDANTS) X(PARENT) X(VARIABLE) X(REGEX) X(PATH) X(BINARY) X(NEGATE)       \
	    X(ARRAY) X(OBJECT) X(BLOCK) X(CONDITION) X(BIND) X(CHAIN) X(CALL) X(PARTIAL) X(LAMBDA) X(TRANSFORM)        \
		X(SORT) X(OPERATOR)

enum node_kind {
#define X(name) NODE_##name,
	NODE_KINDS(X)
#undef X
	    NODE_KIND_COUNT
};
const char *node_kind_text(enum node_kind kind); /* as the reference names it in errors: "path", "unary" … */

/* A name as a number, so that looking a variable up compares integers. 0 is no name. */
typedef uint32_t name_id;

/* A `%` on its way to the step whose input it names: `level` steps are still to go. Shared by all that look at it. */
struct parent_slot {
	name_id label; /* the hidden variable that carries the parent in the tuple stream */
	int level;
};

struct slot_list {
	struct parent_slot **items;
	uint32_t count, capacity;
};

/* What follows a step: a predicate, or the binding of its position to a variable. */
struct stage {
	struct node *predicate; /* NULL: binds the index */
	name_id index;
	size_t end;
};

struct sort_term {
	struct node *expression;
	bool descending;
};

struct group {
	struct node **keys, **values;
	uint32_t count;
	size_t start, end;
};

struct regex;
struct signature;

struct node {
	enum node_kind kind;
	enum operator op; /* BINARY, and the raw forms of other operators */
	uint32_t id;      /* dense, from 0: indexes an evaluation's caches */
	uint32_t height;
	size_t start, end; /* the token in the source, in bytes */
	struct str text;   /* name, string, variable without $, "true" */
	name_id name;      /* NAME, VARIABLE, STRING, PARENT's label after shaping */
	double number;
	bool boolean, null; /* VALUE: true/false, or null */

	struct node *a, *b,
	    *c; /* operands: CONDITION a?b:c, TRANSFORM pattern/update/delete, CALL a = procedure, LAMBDA a = body */
	struct node **list; /* steps, arguments, parameters, expressions */
	uint32_t count;
	struct sort_term *terms; /* SORT; `count` of them */
	struct group *group;     /* OBJECT's pairs; on other nodes the grouping that follows */
	struct stage *stages;    /* predicates; in a step of a path, its stages */
	uint32_t stage_count, stage_capacity;
	bool predicates_inside; /* stages belong to the node's own evaluation, not to its path */

	name_id focus, index;         /* `@$x`, `#$i` */
	struct parent_slot *ancestor; /* this step's input is some `%` */
	struct parent_slot *slot;     /* PARENT */
	struct slot_list seeking;     /* parents wanted above this node */

	bool keep_array;     /* `[]` follows */
	bool keep_singleton; /* PATH: a step has keep_array */
	bool cons;           /* ARRAY that is not flattened into its path; BLOCK that begins with one */
	bool tuple;          /* carries bindings along with the items */
	bool binds;          /* assigns in the frame it is evaluated in; BLOCK: in its own */
	bool has_group;      /* `group` follows (not OBJECT) */
	struct regex *regex;
	struct signature *signature;
	int native; /* VARIABLE: the built-in of that name, or -1 */
};

/* ---- compiling ------------------------------------------------------------------------- */

/* All names of a program (and of the programs that $eval adds to an evaluation). */
struct names {
	struct str *items; /* [0] unused */
	bool *bound;       /* some expression binds it */
	uint32_t count, capacity;
	uint32_t *slots; /* hash table of ids */
	uint32_t slots_size;
};
name_id names_intern(struct names *names, struct arena *arena, struct str text);
name_id names_find(const struct names *names, struct str text); /* 0 if unknown */

struct jsonata {
	struct str text;
	enum jsonata_flavour flavour;
	struct node *root;
	struct names names;
	uint32_t node_count;
	bool uses_eval;
};

struct compiler {
	struct arena *arena;
	struct jsonata *program;
	struct str text;
	enum jsonata_flavour flavour;
	size_t at;          /* the lexer's place */
	struct token token; /* the parser's current token */
	int depth, depth_max;
	uint32_t labels;
	unsigned states_fields; /* dialect: which of $states' fields may be named */
	struct jsonata_error *error;
	jmp_buf *escape;
};

/* Reads the next token. Where an operand may stand (`operand`), a slash begins a regular expression. */
struct token lexer_next(struct compiler *compiler, bool operand);
struct node *parse_program(struct compiler *compiler);
/* Turns the raw tree into paths with steps and stages, resolves parents. */
struct node *shape_program(struct compiler *compiler, struct node *raw);

/* Leaves the compilation. start/end: the token's bytes; token may be NULL; value: already JSON text, may be NULL. */
_Noreturn void compile_fail(struct compiler *compiler, enum jsonata_code code, size_t start, size_t end,
			    const struct str *token, const struct str *value_json);
/* UTF-16 units in the first `bytes` bytes of the text. */
size_t utf16_position(struct str text, size_t bytes);

/* dialect.c: what the States Language refuses; called after shaping. */
void dialect_check(struct compiler *compiler, struct node *root);
