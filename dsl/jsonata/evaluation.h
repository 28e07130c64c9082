/* evaluation.h: one run of a program: its budget, memory, variables, and the verbs its parts use of each other.
 * Private to dsl/jsonata/.
 *
 * Errors. An error leaves by throw_error(), a longjmp to jsonata_evaluate(): the language has no way to catch one, all
 * memory is the evaluation's, and so nothing in between needs to look. Nothing that must be released may be held
 * outside the arena while an expression, a function argument or an allocation can throw. */
#pragma once
#include "dsl/jsonata/item.h"
#include "dsl/jsonata/regex.h"
#include "dsl/jsonata/syntax.h"
#include "base/hash.h"
#include <math.h>

/* ---- variables -------------------------------------------------------------------------- */

struct binding {
	name_id name;
	struct item item;
};

/* What one block, call or tuple binds. Frames that no function holds on to are used again. */
struct frame {
	struct frame *parent;
	struct binding *bindings;
	const struct binding_cell *cells; /* of a tuple */
	uint16_t count, capacity;
	bool captured; /* a function refers to it */
};

/* ---- functions -------------------------------------------------------------------------- */

enum function_kind {
	FUNCTION_NATIVE,
	FUNCTION_LAMBDA,
	FUNCTION_PARTIAL,  /* some arguments given */
	FUNCTION_COMPOSED, /* f ~> g */
	FUNCTION_TRANSFORM,
	FUNCTION_MATCHER,    /* a regular expression */
	FUNCTION_NEXT_MATCH, /* a match's `next` */
};

struct function {
	enum function_kind kind;
	const struct native *native;
	const struct node *node;         /* LAMBDA, TRANSFORM */
	struct frame *frame;             /* what it closes over */
	struct item input;               /* its context */
	struct function *first, *second; /* COMPOSED; PARTIAL: first */
	struct item *arguments;          /* PARTIAL: given ones */
	bool *open;                      /* PARTIAL: the argument is still to come */
	uint32_t argument_count;
	const struct regex *regex;
	struct str subject; /* NEXT_MATCH */
	size_t from;
};

/* The calls that are being evaluated: an error within is placed at the outermost, and takes its token, if it has none,
 * from the innermost, as the reference does. */
struct call_site {
	const struct node *node;
	struct str token;
	struct call_site *outer;
};

/* ---- the run ---------------------------------------------------------------------------- */

struct evaluation {
	const struct jsonata *program; /* or the one $eval made */
	const struct jsonata_env *env;
	struct arena *arena;
	bool states; /* the dialect */

	/* budget */
	int64_t steps, steps_max;
	int depth, depth_max;
	uintptr_t stack_start; /* where the C stack stood; depth may be configured higher than it could bear */
	size_t bytes_start, bytes_max;
	size_t value_bytes_max; /* of one array or text, as claim_items and claim_text count */

	/* memory: a bump allocator over chunks of the arena */
	char *bump, *bump_end;
	size_t chunk;
	char *text_end; /* where the text that was joined last ends */

	struct names names;   /* the program's, and what $eval added */
	struct item *globals; /* by name id: looked up once */
	uint8_t *globals_known;
	uint32_t globals_size;
	uint32_t *hints; /* by node id: where the name was found last */
	uint32_t hints_size;
	bool dynamic; /* $eval may bind anything: no shortcuts */

	const struct value **exact; /* integers beyond 2^53, from index 1 */
	uint32_t exact_count, exact_capacity;

	struct signature **signatures; /* of the built-in functions, parsed when first called */
	struct frame *root;
	struct frame *spare[5]; /* by capacity 1, 2, 4, 8, 16 */
	struct item input;
	struct call_site *calls;
	struct regex_scratch *regex_scratch;
	struct picture *pictures[4]; /* date/time pictures parsed last */
	unsigned picture_next;
	int eval_depth;
	name_id states_name; /* `$states` of the dialect */
	struct item states_item;

	jmp_buf escape;
	struct jsonata_error *error;
};

/* Memory of the evaluation, aligned to 16; not zeroed. Throws U1001 when the budget is spent. */
void *ev_alloc_slow(struct evaluation *e, size_t size);
static inline void *ev_alloc(struct evaluation *e, size_t size)
{
	size = (size + 15) & ~(size_t)15;
	if ((size_t)(e->bump_end - e->bump) < size)
		return ev_alloc_slow(e, size);
	void *p = e->bump;
	e->bump += size;
	return p;
}
#define EV_NEW(e, type) ((type *)ev_alloc((e), sizeof(type)))
#define EV_ARRAY(e, type, count) ((type *)ev_alloc((e), sizeof(type) * (size_t)(count)))

/* What an error says about itself; zero fields are absent. */
struct thrown {
	enum jsonata_code code;
	const struct node *node; /* position */
	struct str token;
	struct item value, value2;
	bool has_value;
	int index; /* argument */
	const char *type;
	double exp;
};
_Noreturn void throw_error(struct evaluation *e, const struct thrown *thrown);
#define THROW(e, ...) throw_error((e), &(struct thrown){ __VA_ARGS__ })
struct jsonata *compile_more(struct evaluation *e, struct str text, struct jsonata_error *ret_error);
_Noreturn void throw_limit(struct evaluation *e, const char *text);
_Noreturn void throw_depth(struct evaluation *e);
/* An error with a message of its own (D3137, D3141 …). */
_Noreturn void throw_message(struct evaluation *e, enum jsonata_code code, struct str message);

/* Counts work done in a loop; throws when there is too much. */
static inline void spend(struct evaluation *e, int64_t steps)
{
	if ((e->steps += steps) > e->steps_max)
		throw_limit(e, "Expression evaluation timeout: Check for infinite loop");
}

enum { STACK_BYTES_MAX = 4 << 20 };

/* One level deeper, by count and by stack. The caller takes it back: e->depth--. */
static inline void descend_level(struct evaluation *e)
{
	uintptr_t here = (uintptr_t)__builtin_frame_address(0);
	if (++e->depth > e->depth_max || e->stack_start - here > STACK_BYTES_MAX)
		throw_depth(e);
}

/* ---- evaluate.c, path.c, apply.c, transform.c --------------------------------------------- */

struct item evaluate(struct evaluation *e, const struct node *node, struct item input, struct frame *frame);
/* Without predicates and grouping that follow. */
struct item evaluate_path(struct evaluation *e, const struct node *path, struct item input, struct frame *frame);
struct item evaluate_filter(struct evaluation *e, const struct node *predicate, struct item input, struct frame *frame);
struct item evaluate_group(struct evaluation *e, const struct group *group, struct item input, struct frame *frame);
struct item evaluate_name(struct evaluation *e, const struct node *node, struct item input);
struct item evaluate_call(struct evaluation *e, const struct node *node, struct item input, struct frame *frame,
			  const struct item *first);
struct item evaluate_partial(struct evaluation *e, const struct node *node, struct item input, struct frame *frame);
struct item evaluate_chain(struct evaluation *e, const struct node *node, struct item input, struct frame *frame);
struct item transform_apply(struct evaluation *e, const struct function *transform, struct item document);

struct frame *frame_new(struct evaluation *e, struct frame *parent, uint32_t capacity);
struct frame *frame_of_tuple(struct evaluation *e, struct frame *parent, const struct tuple *tuple);
void frame_bind(struct evaluation *e, struct frame *frame, name_id name, struct item item);
void frame_release(struct evaluation *e, struct frame *frame); /* used again unless captured */
void frame_capture(struct frame *frame);
struct item lookup_variable(struct evaluation *e, const struct node *node, struct frame *frame);
struct item lookup_name(struct evaluation *e, name_id name, int native, struct frame *frame);

/* Calls a function with any number of arguments. */
struct item apply(struct evaluation *e, struct item function, struct item *arguments, uint32_t count, struct item input,
		  struct frame *frame);
/* How many parameters it declares. */
uint32_t function_arity(const struct function *function);
/* Calls a callback of a higher-order function with as many of the arguments as it takes. */
struct item apply_callback(struct evaluation *e, struct item function, struct item a, struct item b, struct item c,
			   uint32_t count, struct item input, struct frame *frame);

/* Sorts indexes 0…count-1, stably; `after(data, a, b)` says whether a comes after b. */
void merge_sort(struct evaluation *e, uint32_t *indexes, uint32_t count,
		bool (*after)(void *data, uint32_t a, uint32_t b), void *data);

/* ---- text (item_text.c) ------------------------------------------------------------------- */

/* A copy in the evaluation's memory. */
struct str ev_str(struct evaluation *e, struct str text);
struct str text_concat(struct evaluation *e, struct str a, struct str b);
/* What $string gives for it; as JSON, indented or not. */
struct str item_string(struct evaluation *e, struct item item, bool pretty);
void item_write_json(struct evaluation *e, struct item item, struct buffer *buffer, int indent, int depth);
void number_write(double number, struct buffer *buffer); /* 15 digits, as $string does */

/* A buffer that is freed with the evaluation. */
struct buffer *ev_buffer(struct evaluation *e);
/* Its text, moved into the evaluation's memory; the buffer is emptied. */
struct str ev_buffer_take(struct evaluation *e, struct buffer *buffer);
/* Throws when a text of so many bytes would go past the budget. */
void ev_claim(struct evaluation *e, size_t bytes);
/* Throw when one value would be larger than it may be. They count as AWS's evaluator seems to, so that its walls stand
 * at the same places: a UTF-16 unit takes 2 bytes, and 2 more while the text is made; an item takes 24. An array that
 * `grows` item by item does so by half, from 10 on; while it moves, its old and its new place both count. */
void claim_text(struct evaluation *e, struct str a, struct str b);
void claim_units(struct evaluation *e, double units);
void claim_items(struct evaluation *e, double count, bool grows);
