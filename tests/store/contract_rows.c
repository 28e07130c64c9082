/* contract_rows.c: of the contract: open rows, messages and items. */
#include "base/random.h"
#include "tests/store/contract.h"

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

static const struct contract_test tests[] = {
	TEST(open_rows_come_by_wake_time_then_id),
	TEST(a_hundred_thousand_open_rows_are_listed_in_order_with_a_cursor),
	TEST(messages_keep_order_and_a_repeat_is_dropped),
	TEST(a_message_is_deleted_by_its_key),
	TEST(items_are_kept_in_order_of_kind_and_key),
};
const struct contract_group contract_rows = CONTRACT_GROUP(tests);
