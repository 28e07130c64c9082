/* contract.c: what every back end must do (of dead letters: contract_dead_letters.c), run against each of them, and again through the wrapper that can inject faults.
 *
 * The functions see a fixture and nothing of the back end behind it. At the end there is an owner that follows the protocol of store.h under faults
 * of every kind, and two back ends that are given the same random script and must then hold the same. */
#include "base/random.h"
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

/* ---- executions ------------------------------------------------------------------------------------ */

static void a_name_is_used_once_per_machine(void **state)
{
	struct fixture *f = *state;
	struct wf_error err = { 0 };
	struct store_batch *b = batch_next(f);
	add_execution(b, ID(1), 1, "name", 1);
	add_execution(b, ID(2), 2, "name", 1);
	add_execution(b, ID(3), 1, "", 1);
	add_execution(b, ID(4), 1, "", 1);
	commit_ok(f, b);
	b = batch_next(f);
	add_execution(b, ID(5), 2, "name", 1);
	assert_int_equal(commit(f, b, &err), STORE_FAILED);
	assert_int_equal(err.code, ERR(EXISTS));
	assert_non_null(strstr(err.message, "name"));
	b = batch_next(f);
	add_execution(b, ID(6), 1, "twice", 1);
	add_execution(b, ID(7), 1, "twice", 1);
	assert_int_equal(commit(f, b, &err), STORE_FAILED);
	b = batch_next(f);
	add_execution(b, ID(1), 1, "other", 1);
	assert_int_equal(commit(f, b, &err), STORE_FAILED);
	assert_int_equal(err.code, ERR(EXISTS));
	assert_int_equal(find_named(f, 1, "name").rows->id, ID(1));
	assert_int_equal(find_named(f, 2, "name").rows->id, ID(2));
	assert_int_equal(find_named(f, 1, "twice").count, 0);
	assert_int_equal(find_named(f, 3, "name").count, 0);
	assert_int_equal(find_named(f, 1, "").count, 0);
}

static void ending_and_reopening_moves_it_in_the_lists(void **state)
{
	struct fixture *f = *state;
	struct store_batch *b = batch_next(f);
	add_execution(b, ID(1), 1, "", 10);
	add_execution(b, ID(2), 1, "", 20);
	add_end(b, ID(1), 2, 30);
	commit_ok(f, b);
	struct store_list_request running = { 1, 0, INT64_MAX, 0, 10 }, failed = { 1, 2, INT64_MAX, 0, 10 };
	assert_int_equal(list(f, running).count, 1);
	assert_int_equal(list(f, running).rows->id, ID(2));
	assert_int_equal(list(f, failed).rows->id, ID(1));
	assert_int_equal(list(f, failed).rows->stop_ms, 30);
	b = batch_next(f);
	add_end(b, ID(1), 0, 0);
	commit_ok(f, b);
	assert_int_equal(list(f, running).count, 2);
	assert_int_equal(list(f, failed).count, 0);
	assert_int_equal(purge(f, INT64_MAX, 10).number, 0);
	struct store_execution ended = { .id = ID(3), .machine_id = 1, .start_ms = 5, .stop_ms = 6, .status = 1 };
	b = batch_next(f);
	store_batch_add(b, STORE_INSERT_EXECUTION)->execution = ended;
	commit_ok(f, b);
	assert_int_equal(list(f, (struct store_list_request){ 1, 1, INT64_MAX, 0, 10 }).rows->stop_ms, 6);
}

/* The same page, found by looking at everything. */
static uint32_t expected_page(const struct store_execution *all, uint32_t count, const struct store_list_request *r, uint64_t *ids)
{
	int64_t before = r->before_start_ms;
	uint64_t before_id = r->before_id;
	uint32_t found = 0;
	while (found < r->limit) {
		const struct store_execution *best = NULL;
		for (uint32_t i = 0; i < count; i++) {
			const struct store_execution *row = &all[i];
			if ((r->machine_id && row->machine_id != r->machine_id) || (r->status >= 0 && row->status != r->status))
				continue;
			if (row->start_ms > before || (row->start_ms == before && row->id >= before_id))
				continue;
			if (!best || row->start_ms > best->start_ms || (row->start_ms == best->start_ms && row->id > best->id))
				best = row;
		}
		if (!best)
			break;
		ids[found++] = best->id;
		before = best->start_ms;
		before_id = best->id;
	}
	return found;
}

static void lists_are_newest_first_whatever_the_filter_and_page(void **state)
{
	struct fixture *f = *state;
	enum { COUNT = 300 };
	static struct store_execution all[COUNT];
	struct random random;
	random_seed(&random, 4711);
	struct store_batch *b = batch_next(f);
	for (uint32_t i = 0; i < COUNT; i++) {
		all[i] = (struct store_execution){ .id = ID(i + 1), .machine_id = 1 + random_below(&random, 5),
						   .start_ms = (int64_t)random_below(&random, 60) - 20, .status = (uint8_t)random_below(&random, 5) };
		all[i].stop_ms = all[i].status ? 1000 : 0;
		store_batch_add(b, STORE_INSERT_EXECUTION)->execution = all[i];
	}
	commit_ok(f, b);
	uint64_t ids[COUNT];
	for (int i = 0; i < 200; i++) {
		struct store_list_request r = { random_below(&random, 7), (int)random_below(&random, 7) - 1, INT64_MAX, 0,
						(uint32_t)random_below(&random, 40) };
		if (random_below(&random, 2)) {
			r.before_start_ms = (int64_t)random_below(&random, 60) - 20;
			r.before_id = ID(random_below(&random, COUNT));
		}
		uint32_t wanted = expected_page(all, COUNT, &r, ids);
		struct answer got = list(f, r);
		assert_int_equal(got.count, wanted);
		for (uint32_t k = 0; k < wanted; k++)
			assert_int_equal(got.rows[k].id, ids[k]);
	}
}

static void an_end_may_change_the_attributes(void **state)
{
	struct fixture *f = *state;
	struct store_batch *b = batch_next(f);
	add_execution(b, ID(1), 1, "", 1);
	commit_ok(f, b);
	b = batch_next(f);
	add_end(b, ID(1), 2, 9);
	commit_ok(f, b);
	assert_str(find(f, ID(1)).rows->attributes, STR("attributes"));
	b = batch_next(f);
	store_batch_add(b, STORE_END_EXECUTION)->execution = (struct store_execution){ .id = ID(1), .attributes = STR("new") };
	commit_ok(f, b);
	assert_str(find(f, ID(1)).rows->attributes, STR("new"));
}

/* ---- records --------------------------------------------------------------------------------------- */

static void records_are_read_both_ways_and_within_bounds(void **state)
{
	struct fixture *f = *state;
	struct store_batch *b = batch_next(f);
	add_execution(b, ID(1), 1, "", 1);
	for (uint32_t i = 0; i < 10; i++)
		add_record(b, ID(1), i, noise(f, i, 100));
	add_record(b, ID(2), 0, STR("of another"));
	commit_ok(f, b);
	struct answer a = records(f, ID(1), 3, false, SIZE_MAX);
	assert_int_equal(a.count, 7);
	assert_false(a.more);
	assert_int_equal(a.records[0].number, 3);
	assert_str(a.records[6].bytes, noise(f, 9, 100));
	a = records(f, ID(1), 0, false, 250);
	assert_int_equal(a.count, 3);
	assert_true(a.more);
	a = records(f, ID(1), UINT32_MAX, true, 200);
	assert_int_equal(a.count, 2);
	assert_true(a.more);
	assert_int_equal(a.records[0].number, 9);
	assert_int_equal(a.records[1].number, 8);
	a = records(f, ID(1), 1, true, SIZE_MAX);
	assert_int_equal(a.count, 2);
	assert_false(a.more);
	assert_int_equal(a.records[1].number, 0);
	a = records(f, ID(1), 4, false, 0);
	assert_int_equal(a.count, 1);
	assert_true(a.more);
	a = records(f, ID(1), 10, false, 100);
	assert_int_equal(a.count, 0);
	assert_false(a.more);
	assert_int_equal(count_records(f, ID(1)).number, 10);
}

static void records_have_no_gaps_and_no_doubles(void **state)
{
	struct fixture *f = *state;
	struct wf_error err = { 0 };
	struct store_batch *b = batch_next(f);
	add_execution(b, ID(1), 1, "", 1);
	add_record(b, ID(1), 0, STR("0"));
	commit_ok(f, b);
	static const struct {
		uint32_t number;
		int code;
	} cases[] = { { 2, ERR(INVALID) }, { 0, ERR(EXISTS) }, { UINT32_MAX, ERR(INVALID) } };
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		b = batch_next(f);
		add_record(b, ID(1), cases[i].number, STR("x"));
		assert_int_equal(commit(f, b, &err), STORE_FAILED);
		assert_int_equal(err.code, cases[i].code);
	}
	b = batch_next(f);
	add_record(b, ID(1), 1, STR("1"));
	add_record(b, ID(1), 2, STR("2"));
	commit_ok(f, b);
	assert_int_equal(count_records(f, ID(1)).number, 3);
}

static void blobs_of_any_size_come_back_whole(void **state)
{
	struct fixture *f = *state;
	static const size_t sizes[] = { 0, 1, 65535, 65536, 65537, 131072, 200001 };
	enum { COUNT = sizeof sizes / sizeof *sizes };
	struct str blobs[COUNT];
	struct store_batch *b = batch_next(f);
	for (int i = 0; i < COUNT; i++)
		blobs[i] = noise(f, (uint64_t)i, sizes[i]);
	add_execution(b, ID(1), 1, "", 1);
	for (uint32_t i = 0; i < 3; i++) {
		add_record(b, ID(1), i, STR("record"));
		struct store_record *record = &((struct store_op *)((char *)b->tail - offsetof(struct store_op, next)))->record;
		record->blobs = blobs + i;
		record->blobs_count = COUNT - i;
	}
	commit_ok(f, b);
	struct answer a = load(f, ID(1));
	assert_int_equal(a.count, 3);
	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(a.records[i].blobs_count, COUNT - i);
		for (uint32_t k = 0; k < COUNT - i; k++)
			assert_str(a.records[i].blobs[k], blobs[i + k]);
	}
	a = records(f, ID(1), UINT32_MAX, true, 100);
	assert_int_equal(a.count, 1);
	assert_str(a.records[0].blobs[0], blobs[2]);
}

static void a_blob_of_50_mb_comes_back_whole(void **state)
{
	struct fixture *f = *state;
	struct str blob = noise(f, 1, 50 * 1000 * 1000 + 7);
	struct store_batch *b = batch_next(f);
	add_execution(b, ID(1), 1, "", 1);
	store_batch_add(b, STORE_APPEND_RECORD)->record =
		(struct store_record){ .execution_id = ID(1), .first_event_id = 1, .bytes = STR("large"), .blobs = &blob, .blobs_count = 1 };
	commit_ok(f, b);
	struct answer a = load(f, ID(1));
	assert_int_equal(a.count, 1);
	assert_str(a.records[0].blobs[0], blob);
}

static void a_load_begins_at_the_last_snapshot(void **state)
{
	struct fixture *f = *state;
	struct store_batch *b = batch_next(f);
	add_execution(b, ID(1), 1, "", 1);
	for (uint32_t i = 0; i < 5; i++)
		add_record(b, ID(1), i, noise(f, i, 10));
	add_snapshot(b, ID(1), 2, STR("first"));
	commit_ok(f, b);
	assert_int_equal(load(f, ID(1)).count, 3);
	b = batch_next(f);
	add_snapshot(b, ID(1), 4, noise(f, 99, 300000));
	commit_ok(f, b);
	struct answer a = load(f, ID(1));
	assert_int_equal(a.snapshot.next_record, 4);
	assert_str(a.snapshot.bytes, noise(f, 99, 300000));
	assert_int_equal(a.count, 1);
	assert_int_equal(a.records[0].number, 4);
	assert_int_equal(records(f, ID(1), 0, false, SIZE_MAX).count, 5);
	b = batch_next(f);
	add_snapshot(b, ID(1), 5, STR("all"));
	commit_ok(f, b);
	assert_int_equal(load(f, ID(1)).count, 0);
}

/* ---- open rows, messages, items ----------------------------------------------------------------------- */

static void open_rows_come_by_wake_time_then_id(void **state)
{
	struct fixture *f = *state;
	struct store_batch *b = batch_next(f);
	add_open(b, ID(5), 100);
	add_open(b, ID(1), STORE_WAKE_NEVER);
	add_open(b, ID(4), 50);
	add_open(b, ID(3), 100);
	add_open(b, ID(2), STORE_WAKE_ACTIVE);
	add_open(b, ID(6), 70);
	commit_ok(f, b);
	struct answer a = list_open(f, 100, (struct store_open_row){ 0, STORE_WAKE_ACTIVE }, 100);
	static const uint64_t wanted[] = { ID(2), ID(4), ID(6), ID(3), ID(5) };
	assert_int_equal(a.count, 5);
	for (int i = 0; i < 5; i++)
		assert_int_equal(a.open[i].execution_id, wanted[i]);
	assert_int_equal(list_open(f, 99, (struct store_open_row){ 0, 0 }, 100).count, 3);
	assert_int_equal(list_open(f, 0, (struct store_open_row){ 0, 0 }, 100).count, 1);
	assert_int_equal(list_open(f, 100, (struct store_open_row){ ID(3), 100 }, 100).count, 1);
	assert_int_equal(list_open(f, 100, (struct store_open_row){ 0, 0 }, 2).count, 2);
	assert_int_equal(list_open(f, INT64_MAX, (struct store_open_row){ ID(5), 100 }, 100).open[0].execution_id, ID(1));
	assert_int_equal(count_open(f).number, 6);
	b = batch_next(f);
	add_open(b, ID(5), 60);
	add_delete_open(b, ID(4));
	add_delete_open(b, ID(44));
	commit_ok(f, b);
	a = list_open(f, 80, (struct store_open_row){ ID(2), 0 }, 100);
	assert_int_equal(a.count, 2);
	assert_int_equal(a.open[0].execution_id, ID(5));
	assert_int_equal(a.open[0].wake_ms, 60);
	assert_int_equal(count_open(f).number, 5);
}

static void a_hundred_thousand_open_rows_are_listed_in_order_with_a_cursor(void **state)
{
	struct fixture *f = *state;
	enum { COUNT = 100000 };
	struct random random;
	random_seed(&random, 1);
	for (int i = 0; i < COUNT;) {
		struct store_batch *b = batch_next(f);
		for (int k = 0; k < 10000; k++, i++)
			/* Half of them are ACTIVE: a page must not cost a walk over all that came before. */
			add_open(b, ID(i + 1), i % 2 ? (int64_t)random_below(&random, 30000) : STORE_WAKE_ACTIVE);
		commit_ok(f, b);
	}
	struct store_open_row last = { 0, STORE_WAKE_ACTIVE };
	uint32_t seen = 0;
	for (;;) {
		struct answer a = list_open(f, INT64_MAX, last, 1000);
		for (uint32_t i = 0; i < a.count; i++) {
			assert_true(a.open[i].wake_ms > last.wake_ms ||
				    (a.open[i].wake_ms == last.wake_ms && a.open[i].execution_id > last.execution_id));
			last = a.open[i];
		}
		seen += a.count;
		if (a.count < 1000)
			break;
	}
	assert_int_equal(seen, COUNT);
	assert_int_equal(count_open(f).number, COUNT);
}

static void messages_keep_order_and_a_repeat_is_dropped(void **state)
{
	struct fixture *f = *state;
	struct store_batch *b = batch_next(f);
	add_message(b, ID(1), ID(9), 1, STR("a"));
	add_message(b, ID(2), ID(9), 2, STR("b"));
	add_message(b, ID(1), ID(9), 1, STR("again"));
	add_message(b, ID(1), ID(8), 1, STR("c"));
	commit_ok(f, b);
	struct answer a = list_messages(f, ID(1), 0, 10);
	assert_int_equal(a.count, 2);
	assert_str(a.messages[0].bytes, STR("a"));
	assert_str(a.messages[1].bytes, STR("c"));
	assert_int_equal(a.messages[1].sender_id, ID(8));
	assert_int_equal(a.messages[1].sender_event, 1);
	assert_int_equal(list_messages(f, ID(1), a.messages[0].sequence, 10).count, 1);
	a = list_messages(f, 0, 0, 10);
	assert_int_equal(a.count, 3);
	assert_true(a.messages[0].sequence < a.messages[1].sequence && a.messages[1].sequence < a.messages[2].sequence);
	assert_int_equal(list_messages(f, 0, 0, 2).count, 2);
	assert_int_equal(list_messages(f, 0, UINT64_MAX, 2).count, 0);

	/* Deleted ones' sequences do not come back; a message to another target is not deleted. */
	uint64_t last = a.messages[2].sequence;
	b = batch_next(f);
	add_delete_message(b, ID(1), last);
	add_delete_message(b, ID(3), a.messages[1].sequence);
	commit_ok(f, b);
	b = batch_next(f);
	add_message(b, ID(1), ID(9), 3, STR("d"));
	commit_ok(f, b);
	a = list_messages(f, 0, last, 10);
	assert_int_equal(a.count, 1);
	assert_str(a.messages[0].bytes, STR("d"));
	assert_int_equal(list_messages(f, 0, 0, 10).count, 3);
}

static void a_message_is_deleted_by_its_key(void **state)
{
	struct fixture *f = *state;
	struct store_batch *b = batch_next(f);
	add_message(b, ID(1), ID(9), 1, STR("a"));
	add_message(b, ID(1), ID(9), 2, STR("b"));
	add_delete_message_by_key(b, ID(1), ID(9), 1); /* in the batch that appends it */
	commit_ok(f, b);
	struct answer a = list_messages(f, 0, 0, 10);
	assert_int_equal(a.count, 1);
	assert_str(a.messages[0].bytes, STR("b"));
	b = batch_next(f);
	add_delete_message_by_key(b, ID(2), ID(9), 2); /* it is another's */
	add_delete_message_by_key(b, ID(1), ID(9), 3);
	commit_ok(f, b);
	assert_int_equal(list_messages(f, 0, 0, 10).count, 1);
	b = batch_next(f);
	add_delete_message_by_key(b, ID(1), ID(9), 2);
	commit_ok(f, b);
	assert_int_equal(list_messages(f, 0, 0, 10).count, 0);
}

static void collect_item(void *data, const struct store_item *item)
{
	struct buffer *out = data;
	buffer_printf(out, "%d:%.*s=%.*s ", item->kind, STR_FMT(item->key), STR_FMT(item->bytes));
}

static void items_are_kept_in_order_of_kind_and_key(void **state)
{
	struct fixture *f = *state;
	struct store_batch *b = batch_next(f);
	add_item(b, 2, STR("b"), STR("1"));
	add_item(b, 1, STR("z"), STR("2"));
	add_item(b, 2, STR("a"), STR("3"));
	add_item(b, 2, STR("ab"), STR("4"));
	add_item(b, 255, STR(""), STR("5"));
	add_item(b, 2, STR("b"), STR("6"));
	add_item(b, 0, STR("\xff"), STR("7"));
	add_item(b, 0, STR("gone"), STR("8"));
	add_delete_item(b, 0, STR("gone"));
	add_delete_item(b, 0, STR("never there"));
	commit_ok(f, b);
	struct buffer out = { 0 };
	assert_int_equal(store_each_item(f->store, collect_item, &out, NULL), 0);
	assert_string_equal(out.data, "0:\xff=7 1:z=2 2:a=3 2:ab=4 2:b=6 255:=5 ");
	buffer_done(&out);
}

/* ---- purge -------------------------------------------------------------------------------------------- */

static void a_purge_takes_what_ended_before_and_nothing_else(void **state)
{
	struct fixture *f = *state;
	struct str blob = noise(f, 1, 100000);
	struct store_batch *b = batch_next(f);
	for (uint32_t i = 1; i <= 20; i++) {
		add_execution(b, ID(i), 1, i == 1 ? "old" : "", i);
		store_batch_add(b, STORE_APPEND_RECORD)->record =
			(struct store_record){ .execution_id = ID(i), .bytes = STR("x"), .blobs = &blob, .blobs_count = 1 };
		add_snapshot(b, ID(i), 1, STR("s"));
	}
	for (uint32_t i = 1; i <= 10; i++)
		add_end(b, ID(i), 1, 100 + i);
	add_open(b, ID(2), 0); /* ended, but its messages are not acknowledged */
	commit_ok(f, b);
	assert_int_equal(purge(f, 100, 100).number, 0);
	assert_int_equal(purge(f, 106, 3).number, 3);
	assert_int_equal(purge(f, 106, 100).number, 1);
	assert_int_equal(purge(f, 106, 100).number, 0);
	assert_int_equal(find(f, ID(2)).count, 1);
	assert_int_equal(find(f, ID(1)).count, 0);
	assert_int_equal(find_named(f, 1, "old").count, 0);
	assert_int_equal(count_records(f, ID(1)).number, 0);
	assert_int_equal(load(f, ID(1)).code, ERR(NOT_FOUND));
	assert_int_equal(list(f, (struct store_list_request){ 0, -1, INT64_MAX, 0, 100 }).count, 16);
	assert_str(load(f, ID(6)).records == NULL ? STR("") : records(f, ID(6), 0, false, 1).records[0].blobs[0], blob);
	b = batch_next(f);
	add_execution(b, ID(30), 1, "old", 30);
	add_delete_open(b, ID(2));
	commit_ok(f, b);
	assert_int_equal(purge(f, 106, 100).number, 1);
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

/* ---- an owner under faults -------------------------------------------------------------------------------- */

/* Appends records 0, 1, 2 … of one execution, one to a batch, several batches outstanding, following store.h's protocol. */
struct owner {
	struct fixture *fixture;
	struct random random;
	uint64_t next; /* number of the next record, and sequence - first_sequence of its batch */
	uint64_t stored; /* records known to be stored */
	uint64_t wanted;
	unsigned outstanding;
	bool unknown, reading, fenced, done;
	unsigned seen[4];
};

static void owner_go(struct owner *owner);

static void owner_sequence(void *data, uint64_t sequence, int code, const struct wf_error *err)
{
	struct owner *owner = data;
	assert_int_equal(code, 0);
	assert_int_equal(owner->outstanding, 0);
	assert_true(sequence >= owner->stored);
	owner->stored = owner->next = sequence;
	owner->unknown = owner->reading = false;
	owner_go(owner);
}

static void owner_done(struct store_batch *batch, enum store_result result, const struct wf_error *err)
{
	struct owner *owner = batch->data;
	owner->outstanding--;
	owner->seen[result]++;
	switch (result) {
	case STORE_COMMITTED:
		/* Whatever was lost before: what is committed follows what is stored. */
		assert_true(owner->unknown ? batch->sequence > owner->stored : batch->sequence == owner->stored + 1);
		owner->stored = batch->sequence;
		break;
	case STORE_FAILED:
		/* It may be an old one that fails while the new numbering is under way: only one that begins anew counts. */
		if (!owner->unknown && batch->sequence == owner->stored + 1)
			owner->next = owner->stored;
		break;
	case STORE_FENCED:
		owner->fenced = true;
		break;
	case STORE_UNKNOWN:
		owner->unknown = true;
		break;
	}
	store_batch_free(batch);
	if (owner->fenced && !owner->outstanding) {
		/* As a new owner would, but for the reading of everything. */
		struct store_lease lease;
		assert_int_equal(store_acquire(owner->fixture->store, &lease, NULL), 0);
		owner->fixture->lease = lease;
		owner->stored = owner->next = lease.sequence;
		owner->fenced = owner->unknown = false;
	}
	owner_go(owner);
}

static void owner_go(struct owner *owner)
{
	if (owner->fenced || owner->reading)
		return;
	if (owner->unknown) {
		if (!owner->outstanding) {
			owner->reading = true;
			store_read_sequence(owner->fixture->store, owner_sequence, owner);
		}
		return;
	}
	if (owner->stored == owner->wanted && !owner->outstanding)
		owner->done = true;
	while (owner->outstanding < 6 && owner->next < owner->wanted) {
		struct store_batch *b = store_batch_new();
		b->epoch = owner->fixture->lease.epoch;
		b->sequence = owner->next + 1;
		add_record(b, ID(1), (uint32_t)owner->next, arena_format(&b->arena, "record %llu", (unsigned long long)owner->next));
		b->done = owner_done;
		b->data = owner;
		owner->next++;
		owner->outstanding++;
		store_submit(owner->fixture->store, b);
	}
}

static enum fault any_fault(void *data, const struct store_batch *batch)
{
	struct owner *owner = data;
	uint64_t n = random_below(&owner->random, 60);
	return n > FAULT_LOSE ? FAULT_NONE : (enum fault)n;
}

static void an_owner_that_follows_the_protocol_stores_everything_once(void **state)
{
	struct fixture *f = *state;
	if (!f->variant.faulty)
		return;
	unsigned seen[4] = { 0 };
	for (uint64_t seed = 0; seed < 10; seed++) {
		struct owner owner = { .fixture = f, .stored = f->lease.sequence, .next = f->lease.sequence, .wanted = f->lease.sequence + 200 };
		random_seed(&owner.random, seed);
		faulty_set(f->store, any_fault, &owner);
		owner_go(&owner);
		test_loop_until_true(f->loop, &owner.done, 60);
		faulty_set(f->store, NULL, NULL);
		f->lease.sequence = owner.stored;
		for (int i = 0; i < 4; i++)
			seen[i] += owner.seen[i];
	}
	for (int i = 0; i < 4; i++)
		assert_true(seen[i] > 0);
	struct answer a = records(f, ID(1), 0, false, SIZE_MAX);
	assert_int_equal(a.count, 2000);
	for (uint32_t i = 0; i < a.count; i++)
		assert_str(a.records[i].bytes, arena_format(&f->arena, "record %u", i));
}

/* ---- two back ends, one script ------------------------------------------------------------------------------ */

/* A random batch; some of them fail. The same seed and step give the same on every back end. */
static void script_batch(struct store_batch *b, struct random *random, const char *const *names)
{
	uint64_t ops = 1 + random_below(random, 12);
	for (uint64_t i = 0; i < ops; i++) {
		uint64_t id = ID(1 + random_below(random, 40)), n = random_below(random, 100);
		if (n < 20)
			add_execution(b, id, 1 + random_below(random, 3), names[random_below(random, 8)], (int64_t)random_below(random, 50));
		else if (n < 30)
			add_end(b, id, (uint8_t)random_below(random, 4), random_below(random, 3) ? 50 + (int64_t)random_below(random, 60) : 0);
		else if (n < 50)
			add_record(b, id, (uint32_t)random_below(random, 4), arena_format(&b->arena, "%llu", (unsigned long long)random_u64(random)));
		else if (n < 55)
			add_snapshot(b, id, (uint32_t)random_below(random, 4), arena_format(&b->arena, "%llu", (unsigned long long)random_u64(random)));
		else if (n < 65)
			add_open(b, id, (int64_t)random_below(random, 20));
		else if (n < 70)
			add_delete_open(b, id);
		else if (n < 80)
			add_message(b, id, ID(1 + random_below(random, 5)), random_below(random, 30), STR("m"));
		else if (n < 90)
			add_delete_message(b, id, random_below(random, 200));
		else if (n < 92)
			add_delete_message_by_key(b, id, ID(1 + random_below(random, 5)), random_below(random, 30));
		else if (n < 97)
			add_item(b, (uint8_t)random_below(random, 3), str_of(names[random_below(random, 8)]), STR("i"));
		else
			add_delete_item(b, (uint8_t)random_below(random, 3), str_of(names[random_below(random, 8)]));
	}
}

static void run_script(struct fixture *f, uint64_t seed, struct buffer *log)
{
	static const char *const names[] = { "", "", "", "a", "b", "c", "d", "e" };
	struct random random;
	random_seed(&random, seed);
	for (int step = 0; step < 400; step++) {
		struct wf_error err = { 0 };
		struct store_batch *b = batch_next(f);
		script_batch(b, &random, names);
		enum store_result result = commit(f, b, &err);
		buffer_printf(log, "%d %s\n", result, err.code ? error_code_name(err.code) : "");
		if (step % 50 == 49)
			buffer_printf(log, "purged %llu\n", (unsigned long long)purge(f, 80, UINT32_MAX).number);
	}
	dump(f, log);
}

/* Equal, or the first lines that differ are shown. */
static void same_lines(const char *got, const char *wanted)
{
	for (int line = 1; strcmp(got, wanted) != 0; line++) {
		size_t a = strcspn(got, "\n"), b = strcspn(wanted, "\n");
		if (a != b || memcmp(got, wanted, a) != 0) {
			fprintf(stderr, "line %d: got <%.*s>, wanted <%.*s>\n", line, (int)a, got, (int)b, wanted);
			fail();
		}
		got += a + (got[a] != 0);
		wanted += b + (wanted[b] != 0);
	}
}

static void every_back_end_makes_the_same_of_a_random_script(void **state)
{
	struct fixture *f = *state;
	struct fixture *memory = fixture_new((struct variant){ "memory", false, false });
	for (uint64_t seed = 1; seed <= 3; seed++) {
		struct buffer wanted = { 0 }, got = { 0 };
		run_script(memory, seed, &wanted);
		run_script(f, seed, &got);
		same_lines(got.data, wanted.data);
		buffer_done(&wanted);
		buffer_done(&got);
	}
	fixture_free(memory);
}

/* ---- all of them on all ------------------------------------------------------------------------------------- */

static const struct variant variants[] = {
	{ "sqlite", true, false },
	{ "memory", false, false },
	{ "sqlite through the wrapper", true, true },
	{ "memory through the wrapper", false, true },
	{ "sqlite, and then the power goes", true, false, true },
};

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
	TEST(the_lease_knows_the_largest_id_even_after_a_purge),
	TEST(a_name_is_used_once_per_machine),
	TEST(ending_and_reopening_moves_it_in_the_lists),
	TEST(lists_are_newest_first_whatever_the_filter_and_page),
	TEST(records_are_read_both_ways_and_within_bounds),
	TEST(records_have_no_gaps_and_no_doubles),
	TEST(blobs_of_any_size_come_back_whole),
	TEST(a_blob_of_50_mb_comes_back_whole),
	TEST(a_load_begins_at_the_last_snapshot),
	TEST(open_rows_come_by_wake_time_then_id),
	TEST(a_hundred_thousand_open_rows_are_listed_in_order_with_a_cursor),
	TEST(messages_keep_order_and_a_repeat_is_dropped),
	TEST(a_message_is_deleted_by_its_key),
	TEST(items_are_kept_in_order_of_kind_and_key),
	TEST(a_purge_takes_what_ended_before_and_nothing_else),
	TEST(an_end_may_change_the_attributes),
	TEST(closing_answers_everything_that_is_queued),
	TEST(a_sequence_is_read_behind_the_batches_before_it),
	TEST(an_owner_that_follows_the_protocol_stores_everything_once),
	TEST(every_back_end_makes_the_same_of_a_random_script),
};
enum { TESTS_COUNT = sizeof tests / sizeof *tests };

static int set_up(void **state)
{
	*state = fixture_new(*(const struct variant *)*state);
	return 0;
}

static int tear_down(void **state)
{
	fixture_free(*state);
	return 0;
}

static struct CMUnitTest bound(const struct contract_test *test, const struct variant *variant)
{
	return (struct CMUnitTest){ test->name, test->function, set_up, tear_down, (void *)variant };
}

int main(void)
{
	int failed = 0;
	for (size_t v = 0; v < sizeof variants / sizeof *variants; v++) {
		struct CMUnitTest run[TESTS_COUNT + CONTRACT_DEAD_LETTERS];
		for (size_t i = 0; i < TESTS_COUNT; i++)
			run[i] = bound(&tests[i], &variants[v]);
		for (size_t i = 0; i < CONTRACT_DEAD_LETTERS; i++)
			run[TESTS_COUNT + i] = bound(&contract_dead_letters[i], &variants[v]);
		failed += _cmocka_run_group_tests(variants[v].name, run, sizeof run / sizeof *run, NULL, NULL);
	}
	return failed;
}
