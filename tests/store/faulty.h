/* faulty.h: a store around another one that makes batches go wrong, as the test decides batch by batch. It keeps every promise of store.h: answers in
 * order, everything behind a failed batch fails, a sequence that is read after all batches before it have ended.
 *
 *     store = faulty_store_new(inner, loop);  faulty_set(store, decide, data);      it owns `inner` */
#pragma once
#include "state-store/store.h"

enum fault {
	FAULT_NONE,
	FAULT_DELAY, /* the answer comes some milliseconds later */
	FAULT_FAIL, /* FAILED with ERR(NO_SPACE), not stored */
	FAULT_FENCE, /* FENCED, not stored */
	FAULT_LOSE_STORED, /* stored, but UNKNOWN */
	FAULT_LOSE, /* not stored, but UNKNOWN */
};

struct store *faulty_store_new(struct store *inner, struct loop *loop);
/* decide is asked once for each batch submitted, on the loop's thread. NULL: no faults. */
void faulty_set(struct store *store, enum fault (*decide)(void *data, const struct store_batch *batch), void *data);

/* The next `count` reads (not of the sequence) fail with ERR(IO), whatever they ask for. */
void faulty_fail_reads(struct store *store, unsigned count);
/* Before these, so many go well. */
void faulty_pass_reads(struct store *store, unsigned count);
/* How many of them are still to fail. */
unsigned faulty_reads_left(const struct store *store);

/* In step: what is asked for waits, in order, until faulty_next hands on one thing, a batch or a request, to the inner store. So what the store's threads
 * do, and in which order they answer, is the test's. */
void faulty_set_in_step(struct store *store);
/* False if nothing waits. */
bool faulty_next(struct store *store);
