/* contract_executions.c: of the contract: executions, their names, lists, ends and purges. */
#include "base/random.h"
#include "tests/store/contract.h"

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

static const struct contract_test tests[] = {
	TEST(a_name_is_used_once_per_machine),
	TEST(ending_and_reopening_moves_it_in_the_lists),
	TEST(lists_are_newest_first_whatever_the_filter_and_page),
	TEST(an_end_may_change_the_attributes),
	TEST(a_purge_takes_what_ended_before_and_nothing_else),
};
const struct contract_group contract_executions = CONTRACT_GROUP(tests);
