/* contract_batches.c: of the contract: batches, their order, who may write them, and what becomes of them when the store is closed. */
#include "state-store/backend.h"
#include "tests/store/contract.h"

/* ---- batches ------------------------------------------------------------------------------------- */

static void a_new_store_is_empty(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(f->lease.sequence, 0);
	assert_int_equal(f->lease.last_execution_id, 0);
	assert_int_equal(list(f, (struct store_list_request){ 0, -1, INT64_MAX, 0, 10 }).count, 0);
	assert_int_equal(count_open(f).number, 0);
	assert_int_equal(read_sequence(f).number, 0);
	assert_int_equal(load(f, ID(1)).code, ERR(NOT_FOUND));
	assert_int_equal(find(f, ID(1)).code, 0);
	assert_int_equal(find(f, ID(1)).count, 0);
	assert_int_equal(find_named(f, 1, "x").count, 0);
	assert_int_equal(count_records(f, ID(1)).number, 0);
	assert_int_equal(records(f, ID(1), 0, false, 1000).count, 0);
	assert_int_equal(records(f, ID(1), UINT32_MAX, true, 1000).count, 0);
	assert_int_equal(list_messages(f, 0, 0, 10).count, 0);
	assert_int_equal(purge(f, INT64_MAX, 10).number, 0);
}

static void what_was_committed_is_read_back(void **state)
{
	struct fixture *f = *state;
	struct store_batch *b = batch_next(f);
	struct store_execution *row = &store_batch_add(b, STORE_INSERT_EXECUTION)->execution;
	*row = (struct store_execution){ .id = ID(7), .machine_id = 3, .name = { "a\0b", 3 }, .start_ms = -5, .attributes = { "\0\xff\0", 3 } };
	add_record(b, ID(7), 0, (struct str){ "\0record", 7 });
	add_open(b, ID(7), STORE_WAKE_ACTIVE);
	commit_ok(f, b);

	struct answer a = load(f, ID(7));
	assert_int_equal(a.code, 0);
	assert_int_equal(a.rows->id, ID(7));
	assert_int_equal(a.rows->machine_id, 3);
	assert_str(a.rows->name, ((struct str){ "a\0b", 3 }));
	assert_str(a.rows->attributes, ((struct str){ "\0\xff\0", 3 }));
	assert_int_equal(a.rows->start_ms, -5);
	assert_int_equal(a.rows->stop_ms, 0);
	assert_int_equal(a.rows->status, 0);
	assert_int_equal(a.snapshot.bytes.len, 0);
	assert_int_equal(a.count, 1);
	assert_int_equal(a.records[0].number, 0);
	assert_int_equal(a.records[0].first_event_id, 1);
	assert_str(a.records[0].bytes, ((struct str){ "\0record", 7 }));
	assert_int_equal(a.records[0].blobs_count, 0);
	assert_int_equal(find(f, ID(7)).rows->machine_id, 3);
	assert_int_equal(count_records(f, ID(7)).number, 1);
	assert_int_equal(read_sequence(f).number, 1);
}

static void empty_texts_are_empty_and_not_missing(void **state)
{
	struct fixture *f = *state;
	struct store_batch *b = batch_next(f);
	store_batch_add(b, STORE_INSERT_EXECUTION)->execution = (struct store_execution){ .id = ID(1), .machine_id = 1 };
	store_batch_add(b, STORE_APPEND_RECORD)->record = (struct store_record){ .execution_id = ID(1) };
	store_batch_add(b, STORE_PUT_SNAPSHOT)->snapshot = (struct store_snapshot){ .execution_id = ID(1) };
	store_batch_add(b, STORE_PUT_ITEM)->item = (struct store_item){ .kind = 0 };
	add_message(b, ID(1), ID(2), 1, STR_EMPTY);
	commit_ok(f, b);
	struct answer a = load(f, ID(1));
	assert_int_equal(a.rows->name.len, 0);
	assert_int_equal(a.rows->attributes.len, 0);
	assert_int_equal(a.count, 1);
	assert_int_equal(a.records[0].bytes.len, 0);
	assert_int_equal(list_messages(f, ID(1), 0, 10).count, 1);
	struct buffer out = { 0 };
	dump(f, &out);
	assert_non_null(strstr(out.data, "item 0 0:#0 0:#0\n"));
	buffer_done(&out);
}

static void an_empty_batch_advances_the_sequence(void **state)
{
	struct fixture *f = *state;
	commit_ok(f, batch_next(f));
	commit_ok(f, batch_next(f));
	assert_int_equal(read_sequence(f).number, 2);
}

struct order_check {
	uint64_t last;
	unsigned count;
	bool done;
	enum store_result results[2000];
};

static void in_order_done(struct store_batch *batch, enum store_result result, const struct wf_error *err)
{
	struct order_check *check = batch->data;
	assert_true((result == STORE_COMMITTED) == (err == NULL));
	check->results[check->count++] = result;
	check->last = batch->sequence;
	check->done = check->count == 2000;
	store_batch_free(batch);
}

static void batches_end_in_the_order_they_were_submitted(void **state)
{
	struct fixture *f = *state;
	struct order_check check = { 0 };
	for (unsigned i = 0; i < 2000; i++) {
		struct store_batch *b = batch_next(f);
		add_execution(b, ID(i + 1), 1, "", (int64_t)i);
		add_record(b, ID(i + 1), 0, STR("x"));
		b->done = in_order_done;
		b->data = &check;
		store_submit(f->store, b);
		assert_int_equal(store_batches_waiting(f->store), i + 1);
	}
	assert_int_equal(check.count, 0); /* never from within the call */
	test_loop_until_true(f->loop, &check.done, 60);
	assert_int_equal(check.last, 2000);
	assert_int_equal(store_batches_waiting(f->store), 0);
	for (int i = 0; i < 2000; i++)
		assert_int_equal(check.results[i], STORE_COMMITTED);
	assert_int_equal(list(f, (struct store_list_request){ 1, 0, INT64_MAX, 0, 5000 }).count, 2000);
}

static void a_failed_batch_leaves_nothing_and_those_behind_it_fail(void **state)
{
	struct fixture *f = *state;
	struct store_batch *b = batch_next(f);
	add_execution(b, ID(1), 1, "taken", 1);
	commit_ok(f, b);
	/* 0..9 good, 10 has a name that is taken, the rest good but behind it. */
	static struct order_check check;
	check = (struct order_check){ .count = 1980 };
	for (unsigned i = 0; i < 20; i++) {
		b = batch_next(f);
		add_execution(b, ID(100 + i), 1, "", 10);
		add_record(b, ID(100 + i), 0, STR("x"));
		add_open(b, ID(100 + i), 5);
		add_item(b, 1, STR("last"), STR("x"));
		if (i == 10)
			add_execution(b, ID(50), 1, "taken", 10);
		b->done = in_order_done;
		b->data = &check;
		store_submit(f->store, b);
	}
	test_loop_until_true(f->loop, &check.done, 60);
	for (unsigned i = 0; i < 20; i++) {
		assert_int_equal(check.results[1980 + i], i < 10 ? STORE_COMMITTED : STORE_FAILED);
		assert_int_equal(find(f, ID(100 + i)).count, i < 10);
		assert_int_equal(count_records(f, ID(100 + i)).number, i < 10);
	}
	assert_int_equal(count_open(f).number, 10);
	assert_int_equal(read_sequence(f).number, 11);
	/* The sequence is used again. */
	f->lease.sequence = 11;
	b = batch_next(f);
	add_execution(b, ID(200), 1, "free", 1);
	commit_ok(f, b);
}

static void failed_with_not_found(struct store_batch *batch, enum store_result result, const struct wf_error *err)
{
	struct order_check *check = batch->data;
	assert_int_equal(result, STORE_FAILED);
	assert_int_equal(err->code, ERR(NOT_FOUND));
	check->done = ++check->count == 5;
	store_batch_free(batch);
}

static void batches_behind_a_failed_one_get_its_cause(void **state)
{
	struct fixture *f = *state;
	struct order_check check = { 0 };
	for (int i = 0; i < 5; i++) {
		struct store_batch *b = batch_next(f);
		if (i == 0)
			add_end(b, ID(1), 1, 1);
		b->done = failed_with_not_found;
		b->data = &check;
		store_submit(f->store, b);
	}
	test_loop_until_true(f->loop, &check.done, 60);
	f->lease.sequence = 0;
	commit_ok(f, batch_next(f));
}

static void a_sequence_out_of_order_fails(void **state)
{
	struct fixture *f = *state;
	struct wf_error err = { 0 };
	commit_ok(f, batch_next(f));
	struct store_batch *b = batch_next(f);
	b->sequence++;
	assert_int_equal(commit(f, b, &err), STORE_FAILED);
	assert_int_equal(err.code, ERR(CANCELLED));
	b = batch_next(f);
	b->sequence--;
	assert_int_equal(commit(f, b, &err), STORE_FAILED);
	commit_ok(f, batch_next(f));
}

static void a_stale_owner_is_fenced(void **state)
{
	struct fixture *f = *state;
	commit_ok(f, batch_next(f));
	struct store_lease stale = f->lease, fresh;
	assert_int_equal(store_acquire(f->store, &fresh, NULL), 0);
	assert_int_equal(fresh.epoch, stale.epoch + 1);
	assert_int_equal(fresh.sequence, 1);
	struct store_batch *b = batch_next(f);
	add_execution(b, ID(1), 1, "", 1);
	struct wf_error err = { 0 };
	assert_int_equal(commit(f, b, &err), STORE_FENCED);
	assert_int_equal(err.code, ERR(FENCED));
	assert_int_equal(find(f, ID(1)).count, 0);
	f->lease = fresh;
	b = batch_next(f);
	add_execution(b, ID(1), 1, "", 1);
	commit_ok(f, b);
	f->lease.epoch = stale.epoch;
	assert_int_equal(commit(f, batch_next(f), &err), STORE_FENCED);
}

/* What it counts is not what this one has stored. */
static void an_owner_that_was_taken_over_reads_no_sequence(void **state)
{
	struct fixture *f = *state;
	commit_ok(f, batch_next(f));
	struct store_lease stale = f->lease, fresh;
	assert_int_equal(store_acquire(f->store, &fresh, NULL), 0);
	assert_int_equal(read_sequence(f).code, 0);
	f->store->epoch = stale.epoch; /* as in the process that is taken over */
	assert_int_equal(read_sequence(f).code, ERR(FENCED));
	f->lease = fresh;
}

static void the_lease_knows_the_largest_id_even_after_a_purge(void **state)
{
	struct fixture *f = *state;
	struct store_batch *b = batch_next(f);
	add_execution(b, ID(9), 1, "", 1);
	add_execution(b, ID(5), 1, "", 1);
	add_end(b, ID(9), 1, 2);
	commit_ok(f, b);
	assert_int_equal(purge(f, 100, 10).number, 1);
	struct store_lease lease;
	assert_int_equal(store_acquire(f->store, &lease, NULL), 0);
	assert_int_equal(lease.last_execution_id, ID(9));
	assert_int_equal(lease.sequence, 1);
}

/* ---- closing -------------------------------------------------------------------------------------------- */

struct closing {
	struct fixture *fixture;
	unsigned committed, refused, reads;
};

static void closing_done(struct store_batch *batch, enum store_result result, const struct wf_error *err)
{
	struct closing *closing = batch->data;
	if (result == STORE_COMMITTED) {
		closing->committed++;
		/* Going on while it is being closed is refused, not forgotten. */
		struct store_batch *next = batch_next(closing->fixture);
		next->done = closing_done;
		next->data = closing;
		store_submit(closing->fixture->store, next);
	} else {
		assert_int_equal(result, STORE_FAILED);
		assert_int_equal(err->code, ERR(CANCELLED));
		closing->refused++;
	}
	store_batch_free(batch);
}

static void closing_read(void *data, uint64_t count, int code, const struct wf_error *err)
{
	struct closing *closing = data;
	closing->reads++;
}

static void closing_answers_everything_that_is_queued(void **state)
{
	struct fixture *f = *state;
	struct closing closing = { f, 0, 0, 0 };
	for (unsigned i = 0; i < 50; i++) {
		struct store_batch *b = batch_next(f);
		add_item(b, 1, STR("k"), STR("v"));
		b->done = closing_done;
		b->data = &closing;
		store_submit(f->store, b);
		store_count_open(f->store, closing_read, &closing);
		store_read_sequence(f->store, closing_read, &closing);
	}
	fixture_close(f);
	assert_int_equal(closing.committed, 50);
	assert_int_equal(closing.refused, 50);
	assert_int_equal(closing.reads, 100);
	fixture_open(f);
}

static void a_sequence_is_read_behind_the_batches_before_it(void **state)
{
	struct fixture *f = *state;
	for (int round = 0; round < 20; round++) {
		struct order_check check = { .count = 1990 };
		for (int i = 0; i < 10; i++) {
			struct store_batch *b = batch_next(f);
			add_item(b, 1, STR("k"), STR("v"));
			b->done = in_order_done;
			b->data = &check;
			store_submit(f->store, b);
		}
		assert_int_equal(read_sequence(f).number, f->lease.sequence);
		assert_true(check.done);
	}
}

static const struct contract_test tests[] = {
	TEST(a_new_store_is_empty),
	TEST(what_was_committed_is_read_back),
	TEST(empty_texts_are_empty_and_not_missing),
	TEST(an_empty_batch_advances_the_sequence),
	TEST(batches_end_in_the_order_they_were_submitted),
	TEST(a_failed_batch_leaves_nothing_and_those_behind_it_fail),
	TEST(batches_behind_a_failed_one_get_its_cause),
	TEST(a_sequence_out_of_order_fails),
	TEST(a_stale_owner_is_fenced),
	TEST(an_owner_that_was_taken_over_reads_no_sequence),
	TEST(the_lease_knows_the_largest_id_even_after_a_purge),
	TEST(closing_answers_everything_that_is_queued),
	TEST(a_sequence_is_read_behind_the_batches_before_it),
};
const struct contract_group contract_batches = CONTRACT_GROUP(tests);
