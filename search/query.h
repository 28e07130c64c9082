/* query.h: the query language of the executions' list.
 *
 *     status:failed machine:Orders state:Ship error:Carrier.* duration>30s started>2h input.customer.id=42 word
 *
 * Terms with blanks between; all must hold. A query is read once into terms; the file drives by the most selective of
 * them (list.c) and search_query_fits checks the others row by row. */
#pragma once
#include "base/arena.h"
#include "base/error.h"
#include "engine/core/core.h"

enum {
	QUERY_BYTES_MAX = 4096,
	QUERY_TERMS_MAX = 32,
	SEARCH_FIELDS_MAX = 64,        /* scalars of an input that can be found */
	SEARCH_FIELD_BYTES_MAX = 256,  /* longer values cannot */
	SEARCH_FIELD_DEPTH_MAX = 16,
};

/* X(KIND, key, operators, completion's detail) */
#define QUERY_KEYS(X)                                                                    \
	X(STATUS, "status", ":", "running, succeeded, failed, timed_out, aborted")       \
	X(MACHINE, "machine", ":", "a machine's name; * for any characters")             \
	X(STATE, "state", ":", "the state at which it failed; * for any characters")     \
	X(ERROR, "error", ":", "its error; * for any characters")                        \
	X(NAME, "name", ":", "its name; * for any characters")                           \
	X(DURATION, "duration", "<>", "how long it took: 500ms, 30s, 5m, 2h, 1d")        \
	X(STARTED, "started", "<>", "how long ago it started: 30s, 5m, 2h, 1d")          \
	X(REDRIVES, "redrives", "<>", "how often it was redriven")                       \
	X(INPUT, "input.", "=", "a scalar in its input: input.customer.id=42")

enum query_kind {
#define X(kind, key, operators, detail) QUERY_##kind,
	QUERY_KEYS(X)
#undef X
	    QUERY_WORD, /* in its name */
};

enum query_compare { COMPARE_IS, COMPARE_LESS, COMPARE_AT_MOST, COMPARE_MORE, COMPARE_AT_LEAST };

struct query_term {
	enum query_kind kind;
	enum query_compare compare;
	struct str path; /* INPUT: behind "input." */
	struct str text; /* what stands behind the operator, without quotes */
	bool glob;       /* it has a * */
	int64_t number;  /* milliseconds, or a count */
	unsigned statuses; /* STATUS: bits 1 << enum execution_status */
};

struct search_query {
	struct query_term terms[QUERY_TERMS_MAX];
	unsigned count;
};

/* What the terms are checked against. */
struct search_row {
	uint64_t id, machine;
	enum execution_status status;
	int64_t start_ms, stop_ms;
	struct str name, error, state; /* error, state: empty: none */
	uint64_t redrives, version, parent;
};

/* Texts point into the arena. ERR(INVALID): err->message says what is wrong; *ret_at, *ret_length where (bytes). */
int search_query_parse(struct str text, struct arena *arena, struct search_query *ret_query, size_t *ret_at,
		       size_t *ret_length, struct wf_error *err);
/* Whether a row fits every term but INPUT, WORD and MACHINE, which the file and the caller look up. */
bool search_query_fits(const struct search_query *query, const struct search_row *row, int64_t now_ms);
/* Whether `text` is what the pattern says; * stands for any characters. */
bool search_glob(struct str pattern, struct str text);

/* ---- what the file indexes as words --------------------------------------------------------- */

/* The next word of a name from *at on (letters, digits and what is not ASCII; lower case is up to the caller); empty at the end. */
struct str search_word(struct str text, size_t *at);
/* Whether a UUID may begin so, beyond its first dash (or is it, with 36 bytes): such a name is one word, without its dashes. */
bool search_uuid_begins(struct str text);
/* Appends the word that stands for "path=text" of an input. */
void search_field_word(struct str path, struct str text, struct buffer *out);

/* ---- completion ------------------------------------------------------------------------------ */

struct query_at {
	size_t from, to;   /* the part that would be replaced */
	bool key;          /* a key or a word stands there; else the value of `kind` */
	enum query_kind kind;
	struct str prefix; /* what is there already; points into the text */
};
/* What stands at the caret. */
struct query_at search_query_at(struct str text, size_t caret);

struct query_key {
	enum query_kind kind;
	const char *key, *operators, *detail;
};
extern const struct query_key query_keys[]; /* ended by a NULL key */
