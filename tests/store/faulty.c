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

/* In step: not handed on yet. */
struct waiting {
	struct waiting *next;
	struct store_batch *batch; /* or */
	struct store_request *request;
};

struct faulty {
	struct store store; /* first */
	struct store *inner;
	enum fault (*decide)(void *data, const struct store_batch *batch);
	void *data;
	struct entry *first, **tail;
	struct loop_timer timer; /* armed while the head of the line is delayed */
	bool hurry; /* closing: nothing is delayed any more */
	bool in_step;
	unsigned reads_pass, reads_fail;
	struct waiting *waiting, **waiting_tail;
	struct wf_error failure; /* of the last batch that was failed on purpose: those behind it fail for the same reason */
};

static void wait_for_step(struct faulty *faulty, struct store_batch *batch, struct store_request *request)
{
	struct waiting *waiting = NEW(struct waiting);
	*waiting = (struct waiting){ .batch = batch, .request = request };
	*faulty->waiting_tail = waiting;
	faulty->waiting_tail = &waiting->next;
}

/* The inner store answers it from now on. */
static void hand_over(struct faulty *faulty, struct store_request *request)
{
	if (faulty->in_step && !faulty->hurry) {
		wait_for_step(faulty, NULL, request);
		return;
	}
	faulty->store.requests_waiting--;
	faulty->inner->requests_waiting++;
	faulty->inner->backend->request(faulty->inner, request);
}

static void entry_deliver(struct store *store, struct store_answer *answer)
{
	struct entry *entry = (struct entry *)answer;
	store_end_batch(store, entry->batch, entry->result, &entry->err);
	free(entry);
}

/* Answers from the head of the line on, as far as results are known. */
static void advance(struct faulty *faulty)
{
	struct entry *entry;
	while ((entry = faulty->first) && (entry->ended || entry->request)) {
		if (entry->fault == FAULT_DELAY && !faulty->hurry) {
			entry->fault = FAULT_NONE;
			loop_timer_set(faulty->store.loop, &faulty->timer, DELAY_MS);
			return;
		}
		if (faulty->timer.active && !faulty->hurry)
			return;
		faulty->first = entry->next;
		if (!faulty->first)
			faulty->tail = &faulty->first;
		if (entry->request) {
			hand_over(faulty, entry->request);
			free(entry);
		} else {
			store_post(&faulty->store, &entry->answer);
		}
	}
}

static void delay_over(struct loop_timer *timer)
{
	advance(timer->data);
}

static void end(struct entry *entry, enum store_result result, int code, const char *why)
{
	entry->ended = true;
	entry->result = result;
	error_set(&entry->err, code, "%s", why);
}

static void inner_done(struct store_batch *batch, enum store_result result, const struct wf_error *err)
{
	struct entry *entry = batch->data;
	batch->done = entry->done;
	batch->data = entry->data;
	entry->ended = true;
	entry->result = result;
	if (err)
		entry->err = *err;
	if (result == STORE_FAILED && err->code == ERR(CANCELLED) && entry->faulty->failure.code)
		entry->err = entry->faulty->failure;
	if (result == STORE_COMMITTED)
		entry->faulty->failure.code = 0;
	if (entry->fault == FAULT_LOSE_STORED && result == STORE_COMMITTED)
		end(entry, STORE_UNKNOWN, ERR(IO), "the answer was lost on purpose");
	advance(entry->faulty);
}

static struct entry *stand_in_line(struct faulty *faulty)
{
	struct entry *entry = NEW(struct entry);
	entry->answer.deliver = entry_deliver;
	entry->faulty = faulty;
	*faulty->tail = entry;
	faulty->tail = &entry->next;
	return entry;
}

static void faulty_submit(struct store *store, struct store_batch *batch)
{
	struct faulty *faulty = (struct faulty *)store;
	struct entry *entry = stand_in_line(faulty);
	entry->batch = batch;
	entry->fault = faulty->decide ? faulty->decide(faulty->data, batch) : FAULT_NONE;
	switch (entry->fault) {
	case FAULT_NONE:
	case FAULT_DELAY:
	case FAULT_LOSE_STORED:
		entry->done = batch->done;
		entry->data = batch->data;
		batch->done = inner_done;
		batch->data = entry;
		if (faulty->in_step && !faulty->hurry)
			wait_for_step(faulty, batch, NULL);
		else
			store_submit(faulty->inner, batch);
		return;
	case FAULT_FAIL:
		end(entry, STORE_FAILED, ERR(NO_SPACE), "the disk is full on purpose");
		faulty->failure = entry->err;
		break;
	case FAULT_FENCE:
		end(entry, STORE_FENCED, ERR(FENCED), "fenced on purpose");
		break;
	case FAULT_LOSE:
		end(entry, STORE_UNKNOWN, ERR(IO), "the answer was lost on purpose");
		break;
	}
	advance(faulty);
}

static void faulty_request(struct store *store, struct store_request *request)
{
	struct faulty *faulty = (struct faulty *)store;
	if (request->kind != REQUEST_SEQUENCE && faulty->reads_pass) {
		faulty->reads_pass--;
	} else if (request->kind != REQUEST_SEQUENCE && faulty->reads_fail) {
		faulty->reads_fail--;
		request->code = error_set(&request->err, ERR(IO), "the read failed on purpose");
		store_post(store, &request->answer);
		return;
	}
	if (request->kind != REQUEST_SEQUENCE) {
		hand_over(faulty, request);
		return;
	}
	stand_in_line(faulty)->request = request;
	advance(faulty);
}

void faulty_fail_reads(struct store *store, unsigned count)
{
	((struct faulty *)store)->reads_fail = count;
}

void faulty_pass_reads(struct store *store, unsigned count)
{
	((struct faulty *)store)->reads_pass = count;
}

unsigned faulty_reads_left(const struct store *store)
{
	return ((const struct faulty *)store)->reads_fail;
}

bool faulty_next(struct store *store)
{
	struct faulty *faulty = (struct faulty *)store;
	struct waiting *waiting = faulty->waiting;
	if (!waiting)
		return false;
	faulty->waiting = waiting->next;
	if (!waiting->next)
		faulty->waiting_tail = &faulty->waiting;
	if (waiting->batch) {
		store_submit(faulty->inner, waiting->batch);
	} else {
		store->requests_waiting--;
		faulty->inner->requests_waiting++;
		faulty->inner->backend->request(faulty->inner, waiting->request);
	}
	free(waiting);
	return true;
}

static int faulty_acquire(struct store *store, struct store_lease *ret_lease, struct wf_error *err)
{
	return store_acquire(((struct faulty *)store)->inner, ret_lease, err);
}

static int faulty_each_item(struct store *store, void (*visit)(void *data, const struct store_item *item), void *data, struct wf_error *err)
{
	return store_each_item(((struct faulty *)store)->inner, visit, data, err);
}

static void faulty_stats(struct store *store, struct store_stats *ret_stats)
{
	store_stats(((struct faulty *)store)->inner, ret_stats);
}

static void faulty_finish(struct store *store)
{
	struct faulty *faulty = (struct faulty *)store;
	while (faulty_next(store))
		;
	faulty->hurry = true;
	loop_timer_clear(store->loop, &faulty->timer);
	do {
		advance(faulty);
		store_drain(faulty->inner);
	} while (faulty->first);
}

static void faulty_close(struct store *store)
{
	struct faulty *faulty = (struct faulty *)store;
	store_close(faulty->inner);
	store_done(store);
	free(faulty);
}

static const struct store_backend backend = {
	.name = "faulty",
	.acquire = faulty_acquire,
	.each_item = faulty_each_item,
	.submit = faulty_submit,
	.request = faulty_request,
	.stats = faulty_stats,
	.finish = faulty_finish,
	.close = faulty_close,
};

struct store *faulty_store_new(struct store *inner, struct loop *loop)
{
	struct faulty *faulty = NEW(struct faulty);
	store_init(&faulty->store, &backend, loop);
	faulty->inner = inner;
	faulty->tail = &faulty->first;
	faulty->waiting_tail = &faulty->waiting;
	faulty->timer = (struct loop_timer){ .callback = delay_over, .data = faulty };
	return &faulty->store;
}

void faulty_set_in_step(struct store *store)
{
	assert(store->backend == &backend);
	((struct faulty *)store)->in_step = true;
}

void faulty_set(struct store *store, enum fault (*decide)(void *data, const struct store_batch *batch), void *data)
{
	assert(store->backend == &backend);
	((struct faulty *)store)->decide = decide;
	((struct faulty *)store)->data = data;
}
