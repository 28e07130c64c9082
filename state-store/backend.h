/* backend.h: what a back end fills in, and what it gets from store.c. For back ends and tests; the engine sees store.h only.
 *
 * store.c turns every read (and purge and backup) into a struct store_request, hands it to the back end, and calls the caller's
 * callback when it comes back. A back end only fills in the result, on whatever thread it likes, and gives it to store_post; so a
 * wrapper forwards all of them in one line, and a new read is one kind here, one function in store.c and one in each back end.
 *
 *     store_load() → request ─→ backend->request ─→ … a thread … ─→ store_post ─→ [answers] ─→ on the loop: callback, freed
 *     store_submit() → batch ─→ backend->submit  ─→ … the writer … ─→ store_post ─→ [answers] ─→ store_end_batch: callback */
#pragma once
#include "state-store/store.h"
#include <pthread.h>

/* ---- answers: how anything comes back to the loop's thread ------------------------------------ */

/* Embedded in what is to come back. `deliver` runs on the loop's thread, or within store_drain; it frees what it is embedded in. */
struct store_answer {
	struct store_answer *next;
	void (*deliver)(struct store *store, struct store_answer *answer);
};

struct store_delivery;

struct store {
	const struct store_backend *backend;
	struct loop *loop;
	/* The loop's thread only. */
	unsigned batches_waiting, requests_waiting;
	bool closing;
	uint64_t epoch; /* that it acquired; 0: none */
	/* Any thread, under the mutex. */
	pthread_mutex_t mutex;
	pthread_cond_t answered;
	struct store_answer *first, **tail;
	struct store_delivery *delivery;
};

/* Queues an answer for the loop's thread, in order. Any thread. */
void store_post(struct store *store, struct store_answer *answer);
/* Waits, without the loop, until every batch and request has been answered, calling the callbacks. The loop's thread. */
void store_drain(struct store *store);

/* For back ends: the common part, embedded first in their own struct. */
void store_init(struct store *store, const struct store_backend *backend, struct loop *loop);
void store_done(struct store *store);

/* ---- requests ---------------------------------------------------------------------------- */

enum store_request_kind {
	REQUEST_SEQUENCE,
	REQUEST_LOAD,
	REQUEST_FIND_NAMED,
	REQUEST_FIND,
	REQUEST_LIST,
	REQUEST_RECORDS,
	REQUEST_COUNT_RECORDS,
	REQUEST_LIST_OPEN,
	REQUEST_COUNT_OPEN,
	REQUEST_MESSAGES,
	REQUEST_DEAD_LETTERS,
	REQUEST_FIND_DEAD_LETTER,
	REQUEST_DEAD_GROUPS,
	REQUEST_OUTCOMES,
	REQUEST_COUNT_OUTCOMES,
	REQUEST_PURGE,
	REQUEST_BACKUP,
};

/* A copy of what was asked, then the result. All that it points at lives in its arena. */
struct store_request {
	struct store_answer answer; /* first */
	struct store_request *next; /* the back end's while it holds the request */
	enum store_request_kind kind;
	struct arena arena;
	void *data;
	union {
		store_sequence_fn *sequence;
		store_loaded_fn *loaded;
		store_rows_fn *rows;
		store_records_fn *records;
		store_count_fn *count;
		store_open_fn *open;
		store_messages_fn *messages;
		store_dead_letters_fn *dead_letters;
		store_dead_groups_fn *dead_groups;
		store_outcomes_fn *outcomes;
		store_outcome_counts_fn *outcome_counts;
		store_done_fn *done;
	} done;

	/* Asked; each kind uses some. */
	uint64_t epoch; /* of who asks for the sequence; 0: anybody */
	uint64_t execution_id, machine_id;
	struct str name; /* execution's name; path of a backup (NUL behind it) */
	struct store_list_request list;
	uint32_t first, limit;
	bool backward;
	size_t bytes_max;
	int64_t until_ms, before_ms;
	struct store_open_row after_open;
	uint64_t after;
	struct store_dead_request dead;
	struct store_dead_group_request dead_group;
	uint64_t job;
	int outcome;

	/* Found. */
	int code;
	struct wf_error err;
	uint32_t count; /* of rows, records, open or messages */
	uint64_t number; /* sequence, or a count that is all of the answer */
	bool more;
	struct store_execution *rows;
	struct store_snapshot snapshot;
	struct store_record *records;
	struct store_open_row *open;
	struct store_message *messages;
	struct store_dead_letter *dead_letters;
	struct store_dead_group *dead_groups;
	struct store_outcome *outcomes;
	uint64_t outcome_counts[STORE_OUTCOMES];
};

/* REQUEST_SEQUENCE, by the lease as it is: 0, or ERR(FENCED). */
int store_sequence_of(const struct store_request *request, const struct store_lease *lease, uint64_t *ret_sequence, struct wf_error *err);

/* ---- the back end -------------------------------------------------------------------------- */

struct store_backend {
	const char *name;
	int (*acquire)(struct store *store, struct store_lease *ret_lease, struct wf_error *err);
	int (*each_item)(struct store *store, void (*visit)(void *data, const struct store_item *item), void *data, struct wf_error *err);
	/* NULL: it cannot. */
	int (*verify)(struct store *store, const struct store_verifier *verifier, struct wf_error *err);
	void (*backup_progress)(const struct store *store, uint64_t *ret_done, uint64_t *ret_total);
	/* Takes a batch; gives each back, in order, through store_end_batch on the loop's thread. */
	void (*submit)(struct store *store, struct store_batch *batch);
	/* Takes a request; gives it back through store_post(store, &request->answer). */
	void (*request)(struct store *store, struct store_request *request);
	void (*stats)(struct store *store, struct store_stats *ret_stats);
	/* Before closing: see to it that all that is queued gets answered without the loop. NULL: it does anyway. */
	void (*finish)(struct store *store);
	/* Everything is answered; frees the store, store_done included. */
	void (*close)(struct store *store);
};

/* The batch's callback. The loop's thread, from within an answer's deliver. */
void store_end_batch(struct store *store, struct store_batch *batch, enum store_result result, const struct wf_error *err);

/* The back ends' own openers; `rest` is the URL behind "sqlite:" or "memory:". */
int sqlite_store_open(const char *rest, const struct store_options *options, struct loop *loop, struct store **ret_store, struct wf_error *err);
int memory_store_open(const char *rest, const struct store_options *options, struct loop *loop, struct store **ret_store, struct wf_error *err);

/* For lists: keeps the `limit` newest of rows[0..*count), newest start first. Returns true, and the oldest start kept, once they are full: rows that
 * started before it need not be looked at. */
bool store_keep_newest(struct store_execution *rows, uint32_t *count, uint32_t limit, int64_t *ret_floor_ms);
