/* store.c: the part that all back ends share: batches, requests, and the way of answers back to the loop.
 *
 * Answers wait in one list per store. Whoever puts the first one there posts the store's delivery to the loop, which takes the whole list
 * at once; so a group commit of a hundred batches wakes the loop once. The delivery is an allocation of its own, because the loop
 * may still hold it when the store is closed: it then finds no store, and frees itself. */
#include "state-store/backend.h"
#include "base/mem.h"
#include <assert.h>
#include <stdlib.h>

struct store_delivery {
	struct loop_post post; /* first */
	struct store *store; /* NULL: closed */
	bool posted; /* under the store's mutex */
};

/* ---- batches ------------------------------------------------------------------------------- */

struct store_batch *store_batch_new(void)
{
	struct store_batch *batch = NEW(struct store_batch);
	batch->tail = &batch->first;
	return batch;
}

void store_batch_free(struct store_batch *batch)
{
	if (!batch)
		return;
	arena_done(&batch->arena);
	free(batch);
}

struct store_op *store_batch_add(struct store_batch *batch, enum store_op_kind kind)
{
	struct store_op *op = ARENA_NEW(&batch->arena, struct store_op);
	op->kind = kind;
	*batch->tail = op;
	batch->tail = &op->next;
	batch->ops_count++;
	return op;
}

/* ---- answers ------------------------------------------------------------------------------- */

static struct store_answer *take_answers(struct store *store)
{
	struct store_answer *first = store->first;
	store->first = NULL;
	store->tail = &store->first;
	return first;
}

static void deliver_all(struct store *store, struct store_answer *answer)
{
	while (answer) {
		struct store_answer *next = answer->next;
		answer->deliver(store, answer);
		answer = next;
	}
}

static void delivery_run(struct loop_post *post)
{
	struct store_delivery *delivery = (struct store_delivery *)post;
	struct store *store = delivery->store;
	if (!store) {
		free(delivery);
		return;
	}
	pthread_mutex_lock(&store->mutex);
	delivery->posted = false;
	struct store_answer *answers = take_answers(store);
	pthread_mutex_unlock(&store->mutex);
	deliver_all(store, answers);
}

void store_post(struct store *store, struct store_answer *answer)
{
	answer->next = NULL;
	pthread_mutex_lock(&store->mutex);
	*store->tail = answer;
	store->tail = &answer->next;
	bool wake = !store->delivery->posted;
	store->delivery->posted = true;
	/* The loop is woken under the mutex: in store_drain the answer must not be taken, and the store closed, before we are done with it. */
	if (wake)
		loop_post(store->loop, &store->delivery->post);
	pthread_cond_signal(&store->answered);
	pthread_mutex_unlock(&store->mutex);
}

void store_drain(struct store *store)
{
	while (store->batches_waiting + store->requests_waiting > 0) {
		pthread_mutex_lock(&store->mutex);
		while (!store->first)
			pthread_cond_wait(&store->answered, &store->mutex);
		struct store_answer *answers = take_answers(store);
		pthread_mutex_unlock(&store->mutex);
		deliver_all(store, answers);
	}
}

void store_init(struct store *store, const struct store_backend *backend, struct loop *loop)
{
	*store = (struct store){ .backend = backend, .loop = loop };
	store->tail = &store->first;
	pthread_mutex_init(&store->mutex, NULL);
	pthread_cond_init(&store->answered, NULL);
	store->delivery = NEW(struct store_delivery);
	store->delivery->post.callback = delivery_run;
	store->delivery->store = store;
}

void store_done(struct store *store)
{
	assert(!store->first);
	if (store->delivery->posted)
		store->delivery->store = NULL;
	else
		free(store->delivery);
	pthread_cond_destroy(&store->answered);
	pthread_mutex_destroy(&store->mutex);
}

/* ---- opening ------------------------------------------------------------------------------- */

static const struct {
	const char *scheme;
	int (*open)(const char *rest, const struct store_options *options, struct loop *loop, struct store **ret_store,
		    struct wf_error *err);
} backends[] = {
	{ "sqlite:", sqlite_store_open },
	{ "memory:", memory_store_open },
};

int store_open(const char *url, const struct store_options *options, struct loop *loop, struct store **ret_store, struct wf_error *err)
{
	static const struct store_options defaults;
	for (size_t i = 0; i < sizeof backends / sizeof *backends; i++)
		if (str_starts(str_of(url), str_of(backends[i].scheme)))
			return backends[i].open(url + strlen(backends[i].scheme), options ? options : &defaults, loop, ret_store, err);
	return error_set(err, ERR(INVALID), "expected a store as sqlite:PATH or memory:, found \"%.200s\"", url);
}

void store_close(struct store *store)
{
	if (!store)
		return;
	store->closing = true;
	if (store->backend->finish)
		store->backend->finish(store);
	store_drain(store);
	store->backend->close(store);
}

int store_acquire(struct store *store, struct store_lease *ret_lease, struct wf_error *err)
{
	int code = store->backend->acquire(store, ret_lease, err);
	store->epoch = code == 0 ? ret_lease->epoch : 0;
	return code;
}

int store_each_item(struct store *store, void (*visit)(void *data, const struct store_item *item), void *data, struct wf_error *err)
{
	return store->backend->each_item(store, visit, data, err);
}

int store_verify(struct store *store, const struct store_verifier *verifier, struct wf_error *err)
{
	if (!store->backend->verify)
		return error_set(err, ERR(UNSUPPORTED), "a store of kind %s cannot be verified", store->backend->name);
	return store->backend->verify(store, verifier, err);
}

void store_backup_progress(const struct store *store, uint64_t *ret_done, uint64_t *ret_total)
{
	*ret_done = *ret_total = 0;
	if (store->backend->backup_progress)
		store->backend->backup_progress(store, ret_done, ret_total);
}

void store_stats(struct store *store, struct store_stats *ret_stats)
{
	*ret_stats = (struct store_stats){ .backend = store->backend->name };
	store->backend->stats(store, ret_stats);
}

/* ---- writing ------------------------------------------------------------------------------- */

struct refusal {
	struct store_answer answer; /* first */
	struct store_batch *batch;
};

static void refusal_deliver(struct store *store, struct store_answer *answer)
{
	struct refusal *refusal = (struct refusal *)answer;
	struct wf_error err = { 0 };
	error_set(&err, ERR(CANCELLED), "the store is being closed");
	store_end_batch(store, refusal->batch, STORE_FAILED, &err);
	free(refusal);
}

void store_submit(struct store *store, struct store_batch *batch)
{
	assert(batch->done);
	store->batches_waiting++;
	batch->next = NULL;
	if (!store->closing) {
		store->backend->submit(store, batch);
		return;
	}
	struct refusal *refusal = NEW(struct refusal);
	refusal->answer.deliver = refusal_deliver;
	refusal->batch = batch;
	store_post(store, &refusal->answer);
}

void store_end_batch(struct store *store, struct store_batch *batch, enum store_result result, const struct wf_error *err)
{
	assert(store->batches_waiting);
	store->batches_waiting--;
	batch->next = NULL;
	batch->done(batch, result, result == STORE_COMMITTED ? NULL : err);
}

unsigned store_batches_waiting(const struct store *store)
{
	return store->batches_waiting;
}

/* ---- requests ------------------------------------------------------------------------------ */

static void request_deliver(struct store *store, struct store_answer *answer)
{
	struct store_request *r = (struct store_request *)answer;
	assert(store->requests_waiting);
	store->requests_waiting--;
	const struct wf_error *err = r->code ? &r->err : NULL;
	uint32_t count = r->code ? 0 : r->count;
	switch (r->kind) {
	case REQUEST_SEQUENCE:
		r->done.sequence(r->data, r->number, r->code, err);
		break;
	case REQUEST_LOAD: {
		struct store_loaded loaded = { .snapshot = r->snapshot, .records = r->records, .records_count = count };
		if (!r->code)
			loaded.row = r->rows[0];
		r->done.loaded(r->data, r->code ? NULL : &loaded, r->code, err);
		break;
	}
	case REQUEST_FIND_NAMED:
	case REQUEST_FIND:
	case REQUEST_LIST:
		r->done.rows(r->data, r->rows, count, r->code, err);
		break;
	case REQUEST_RECORDS:
		r->done.records(r->data, r->records, count, !r->code && r->more, r->code, err);
		break;
	case REQUEST_COUNT_RECORDS:
	case REQUEST_COUNT_OPEN:
	case REQUEST_PURGE:
		r->done.count(r->data, r->code ? 0 : r->number, r->code, err);
		break;
	case REQUEST_LIST_OPEN:
		r->done.open(r->data, r->open, count, r->code, err);
		break;
	case REQUEST_MESSAGES:
		r->done.messages(r->data, r->messages, count, r->code, err);
		break;
	case REQUEST_DEAD_LETTERS:
	case REQUEST_FIND_DEAD_LETTER:
		r->done.dead_letters(r->data, r->dead_letters, count, r->code, err);
		break;
	case REQUEST_DEAD_GROUPS:
		r->done.dead_groups(r->data, r->dead_groups, count, r->code, err);
		break;
	case REQUEST_OUTCOMES:
		r->done.outcomes(r->data, r->outcomes, count, r->code, err);
		break;
	case REQUEST_COUNT_OUTCOMES:
		r->done.outcome_counts(r->data, r->outcome_counts, r->code, err);
		break;
	case REQUEST_BACKUP:
		r->done.done(r->data, r->code, err);
		break;
	}
	arena_done(&r->arena);
	free(r);
}

static struct store_request *request_new(enum store_request_kind kind, void *data)
{
	struct store_request *request = NEW(struct store_request);
	request->answer.deliver = request_deliver;
	request->kind = kind;
	request->data = data;
	return request;
}

static uint32_t clamped(uint32_t limit)
{
	return limit < STORE_LIMIT_MAX ? limit : STORE_LIMIT_MAX;
}

static void request_send(struct store *store, struct store_request *request)
{
	store->requests_waiting++;
	if (!store->closing) {
		store->backend->request(store, request);
		return;
	}
	request->code = error_set(&request->err, ERR(CANCELLED), "the store is being closed");
	store_post(store, &request->answer);
}

int store_sequence_of(const struct store_request *request, const struct store_lease *lease, uint64_t *ret_sequence, struct wf_error *err)
{
	if (request->epoch && request->epoch != lease->epoch)
		return error_set(err, ERR(FENCED), "another owner has the lease: expected epoch %llu, found %llu", (unsigned long long)request->epoch,
				 (unsigned long long)lease->epoch);
	*ret_sequence = lease->sequence;
	return 0;
}

void store_read_sequence(struct store *store, store_sequence_fn *done, void *data)
{
	struct store_request *request = request_new(REQUEST_SEQUENCE, data);
	request->done.sequence = done;
	request->epoch = store->epoch;
	request_send(store, request);
}

void store_load(struct store *store, uint64_t execution_id, store_loaded_fn *done, void *data)
{
	struct store_request *request = request_new(REQUEST_LOAD, data);
	request->done.loaded = done;
	request->execution_id = execution_id;
	request_send(store, request);
}

void store_find_named(struct store *store, uint64_t machine_id, struct str name, store_rows_fn *done, void *data)
{
	struct store_request *request = request_new(REQUEST_FIND_NAMED, data);
	request->done.rows = done;
	request->machine_id = machine_id;
	request->name = arena_str(&request->arena, name);
	request_send(store, request);
}

void store_find(struct store *store, uint64_t execution_id, store_rows_fn *done, void *data)
{
	struct store_request *request = request_new(REQUEST_FIND, data);
	request->done.rows = done;
	request->execution_id = execution_id;
	request_send(store, request);
}

void store_list(struct store *store, const struct store_list_request *list, store_rows_fn *done, void *data)
{
	struct store_request *request = request_new(REQUEST_LIST, data);
	request->done.rows = done;
	request->list = *list;
	request->list.limit = clamped(list->limit);
	request_send(store, request);
}

void store_read_records(struct store *store, uint64_t execution_id, uint32_t first, bool backward, size_t bytes_max,
			store_records_fn *done, void *data)
{
	struct store_request *request = request_new(REQUEST_RECORDS, data);
	request->done.records = done;
	request->execution_id = execution_id;
	request->first = first;
	request->backward = backward;
	request->bytes_max = bytes_max;
	request_send(store, request);
}

void store_count_records(struct store *store, uint64_t execution_id, store_count_fn *done, void *data)
{
	struct store_request *request = request_new(REQUEST_COUNT_RECORDS, data);
	request->done.count = done;
	request->execution_id = execution_id;
	request_send(store, request);
}

void store_list_open(struct store *store, int64_t until_ms, struct store_open_row after, uint32_t limit, store_open_fn *done, void *data)
{
	struct store_request *request = request_new(REQUEST_LIST_OPEN, data);
	request->done.open = done;
	request->until_ms = until_ms;
	request->after_open = after;
	request->limit = clamped(limit);
	request_send(store, request);
}

void store_count_open(struct store *store, store_count_fn *done, void *data)
{
	struct store_request *request = request_new(REQUEST_COUNT_OPEN, data);
	request->done.count = done;
	request_send(store, request);
}

void store_list_messages(struct store *store, uint64_t target_id, uint64_t after, uint32_t limit, store_messages_fn *done, void *data)
{
	struct store_request *request = request_new(REQUEST_MESSAGES, data);
	request->done.messages = done;
	request->execution_id = target_id;
	request->after = after;
	request->limit = clamped(limit);
	request_send(store, request);
}

void store_list_dead_letters(struct store *store, const struct store_dead_request *dead, store_dead_letters_fn *done, void *data)
{
	struct store_request *request = request_new(REQUEST_DEAD_LETTERS, data);
	request->done.dead_letters = done;
	request->dead = *dead;
	request->dead.limit = clamped(dead->limit);
	request_send(store, request);
}

void store_find_dead_letter(struct store *store, uint64_t execution_id, store_dead_letters_fn *done, void *data)
{
	struct store_request *request = request_new(REQUEST_FIND_DEAD_LETTER, data);
	request->done.dead_letters = done;
	request->execution_id = execution_id;
	request_send(store, request);
}

void store_group_dead_letters(struct store *store, const struct store_dead_group_request *group, store_dead_groups_fn *done, void *data)
{
	struct store_request *request = request_new(REQUEST_DEAD_GROUPS, data);
	request->done.dead_groups = done;
	request->dead_group = *group;
	request->dead_group.limit = clamped(group->limit);
	request_send(store, request);
}

void store_list_outcomes(struct store *store, uint64_t job, int outcome, uint64_t after, uint32_t limit, store_outcomes_fn *done, void *data)
{
	struct store_request *request = request_new(REQUEST_OUTCOMES, data);
	request->done.outcomes = done;
	request->job = job;
	request->outcome = outcome;
	request->after = after > INT64_MAX ? INT64_MAX : after;
	request->limit = clamped(limit);
	request_send(store, request);
}

void store_count_outcomes(struct store *store, uint64_t job, store_outcome_counts_fn *done, void *data)
{
	struct store_request *request = request_new(REQUEST_COUNT_OUTCOMES, data);
	request->done.outcome_counts = done;
	request->job = job;
	request_send(store, request);
}

void store_purge(struct store *store, int64_t before_ms, uint32_t limit, store_count_fn *done, void *data)
{
	struct store_request *request = request_new(REQUEST_PURGE, data);
	request->done.count = done;
	request->before_ms = before_ms;
	request->limit = clamped(limit);
	request_send(store, request);
}

void store_backup(struct store *store, const char *path, store_done_fn *done, void *data)
{
	struct store_request *request = request_new(REQUEST_BACKUP, data);
	request->done.done = done;
	request->name = arena_str(&request->arena, str_of(path));
	request_send(store, request);
}

/* ---- lists --------------------------------------------------------------------------------- */

static int newest_first(const void *left, const void *right)
{
	const struct store_execution *a = left, *b = right;
	if (a->start_ms != b->start_ms)
		return a->start_ms > b->start_ms ? -1 : 1;
	return a->id > b->id ? -1 : a->id < b->id;
}

bool store_keep_newest(struct store_execution *rows, uint32_t *count, uint32_t limit, int64_t *ret_floor_ms)
{
	if (*count > 1)
		qsort(rows, *count, sizeof *rows, newest_first);
	if (*count < limit)
		return false;
	*count = limit;
	if (limit)
		*ret_floor_ms = rows[limit - 1].start_ms;
	return true;
}
