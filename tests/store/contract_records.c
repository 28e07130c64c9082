/* contract_records.c: of the contract: records, their blobs, and snapshots. */
#include "tests/store/contract.h"

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

static const struct contract_test tests[] = {
	TEST(records_are_read_both_ways_and_within_bounds),
	TEST(records_have_no_gaps_and_no_doubles),
	TEST(blobs_of_any_size_come_back_whole),
	TEST(a_blob_of_50_mb_comes_back_whole),
	TEST(a_load_begins_at_the_last_snapshot),
};
const struct contract_group contract_records = CONTRACT_GROUP(tests);
