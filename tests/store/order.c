/* order.c: the memory store's ordered map against a plain sorted array. */
#include "state-store/memory/order.h"
#include "base/random.h"
#include "tests/store/fixture.h"

enum { KEYS = 3000 };

static struct order_key key(uint64_t n)
{
	return (struct order_key){ { 0, n / 1000, n / 10 % 100, n % 10 } };
}

static void check(const struct order *order, const bool *there)
{
	struct order_place place = order_seek(order, key(0));
	const struct order_entry *entry;
	size_t count = 0;
	for (uint64_t n = 0; n < KEYS; n++) {
		if (!there[n])
			continue;
		entry = order_next(order, &place);
		assert_non_null(entry);
		assert_ptr_equal(entry->value, &there[n]);
		count++;
	}
	assert_null(order_next(order, &place));
	assert_int_equal(order->count, count);
	for (uint64_t n = KEYS; n-- > 0;)
		if (there[n]) {
			entry = order_previous(order, &place);
			assert_non_null(entry);
			assert_ptr_equal(entry->value, &there[n]);
		}
	assert_null(order_previous(order, &place));
}

static void an_order_is_what_a_sorted_array_is(void **state)
{
	static bool there[KEYS];
	struct order order = { 0 };
	struct random random;
	random_seed(&random, 1);
	for (int round = 0; round < 40; round++) {
		/* In turn mostly growing, mostly shrinking. */
		for (int i = 0; i < 2000; i++) {
			uint64_t n = random_below(&random, KEYS);
			bool insert = random_below(&random, 10) < (round % 2 ? 2 : 8);
			if (insert && !there[n]) {
				order_insert(&order, key(n), &there[n]);
				there[n] = true;
			} else if (!insert) {
				assert_ptr_equal(order_remove(&order, key(n)), there[n] ? &there[n] : NULL);
				there[n] = false;
			}
		}
		check(&order, there);
		uint64_t n = random_below(&random, KEYS), next = n;
		while (next < KEYS && !there[next])
			next++;
		struct order_place place = order_seek(&order, key(n));
		const struct order_entry *entry = order_next(&order, &place);
		assert_ptr_equal(entry ? entry->value : NULL, next < KEYS ? &there[next] : NULL);
	}
	order_done(&order);
	assert_null(order_remove(&order, key(1)));
}

static void what_grows_at_the_end_is_packed(void **state)
{
	struct order order = { 0 };
	for (uint64_t n = 0; n < ORDER_BLOCK * 10; n++)
		order_insert(&order, key(n), &order);
	assert_int_equal(order.blocks_count, 10);
	order_done(&order);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_order_is_what_a_sorted_array_is),
		cmocka_unit_test(what_grows_at_the_end_is_packed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
