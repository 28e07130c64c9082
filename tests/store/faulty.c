/* faulty.c: see faulty.h.
 *
 * Batches, and readings of the sequence, stand in one line. The inner store gets a batch at once (or never), and answers in its own order; ours go out
 * from the head of the line only, so an answer made up here waits for the true ones before it. */
#include "tests/store/faulty.h"
#include "base/mem.h"
#include "state-store/backend.h"
#include <assert.h>
#include <stdlib.h>

enum { DELAY_MS = 3 };

struct entry {
	struct store_answer answer; /* first */
	struct entry *next;
	struct faulty *faulty;
	struct store_batch *batch; /* or */
	struct store_request *request;
	enum fault fault;
	bool ended; /* its result is known */
	enum store_result result;
	struct wf_error err;
	/* The batch's own, while the inner store has it. */
	void (*done)(struct store_batch *batch, enum store_result result, const struct wf_error *err);
	void *data;
};

struct faulty {
	struct store store; /* first */
	struct store *inner;
	enum fault (*decide)(void *data, const struct store_batch *batch);
	void *data;
	struct entry *first, **tail;
	struct loop_timer timer; /* the head of the line is delayed */
	bool hurry;
};

static void advance(struct faulty *faulty);

static void entry_deliver(struct store *store, struct store_answer *answer)
{
	struct entry *entry = (struct entry *)answer;
	store_end_batch(store, entry->batch, entry->result, &entry->err);
	free(entry);
}

/* The inner store has answered a request: our store does. */
static void (*request_deliver)(struct store *store, struct store_answer *answer);

static void forwarded_deliver(struct store *inner, struct store_answer *answer)
{
	struct store_request *request = (struct store_request *)answer;
	struct faulty *faulty = *(struct faulty **)arena_alloc(&request->arena, 0); /* replaced below */
	(void)faulty;
	(void)inner;
}

int faulty_unused(void);
