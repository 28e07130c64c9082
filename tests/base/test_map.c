/* Hash tables against a plain array that does the same. */
#include "base/map.h"
#include "base/random.h"
#include "tests/base/check.h"

enum { KEYS = 300 };

static struct str key_text(char space[16], uint64_t i)
{
	return (struct str){ space, (size_t)snprintf(space, 16, "key-%d", (int)i) };
}

static void an_empty_map_has_nothing(void **state)
{
	struct str_map texts = { 0 };
	struct u64_map numbers = { 0 };
	size_t i = 0;
	assert_null(str_map_get(&texts, STR("a")));
	assert_null(str_map_remove(&texts, STR("a")));
	assert_null(str_map_next(&texts, &i));
	assert_null(u64_map_get(&numbers, 0));
	assert_null(u64_map_remove(&numbers, 0));
	assert_null(u64_map_next(&numbers, &i));
	str_map_done(&texts);
	u64_map_done(&numbers);
}

static void maps_do_what_an_array_does(void **state)
{
	struct str_map texts = { 0 };
	struct u64_map numbers = { 0 };
	char *mirror[KEYS] = { NULL }, values[100], space[16];
	size_t count = 0;
	struct random random;
	random_seed(&random, 1);
	for (int round = 0; round < 200000; round++) {
		uint64_t i = random_below(&random, KEYS);
		struct str key = key_text(space, i);
		switch (random_below(&random, 3)) {
		case 0: {
			char *value = &values[random_below(&random, 100)];
			assert_ptr_equal(str_map_put(&texts, key, value), mirror[i]);
			assert_ptr_equal(u64_map_put(&numbers, i, value), mirror[i]);
			count += !mirror[i];
			mirror[i] = value;
			break;
		}
		case 1:
			assert_ptr_equal(str_map_remove(&texts, key), mirror[i]);
			assert_ptr_equal(u64_map_remove(&numbers, i), mirror[i]);
			count -= !!mirror[i];
			mirror[i] = NULL;
			break;
		default:
			assert_ptr_equal(str_map_get(&texts, key), mirror[i]);
			assert_ptr_equal(u64_map_get(&numbers, i), mirror[i]);
		}
		assert_int_equal(texts.count, count);
		assert_int_equal(numbers.count, count);
	}
	assert_true(texts.capacity <= 2048 && numbers.capacity <= 2048);
	str_map_done(&texts);
	u64_map_done(&numbers);
}

static void iterating_meets_each_entry_once_and_may_remove_it(void **state)
{
	struct str_map texts = { 0 };
	struct u64_map numbers = { 0 };
	char values[KEYS], space[16];
	for (uint64_t i = 0; i < KEYS; i++) {
		str_map_put(&texts, key_text(space, i), &values[i]);
		u64_map_put(&numbers, i, &values[i]);
	}
	int seen[KEYS] = { 0 };
	struct str_map_entry *e;
	for (size_t at = 0; (e = str_map_next(&texts, &at));) {
		seen[(char *)e->value - values]++;
		char copy[16];
		memcpy(copy, e->key.ptr, e->key.len);
		str_map_remove(&texts, (struct str){ copy, e->key.len });
	}
	struct u64_map_entry *n;
	for (size_t at = 0; (n = u64_map_next(&numbers, &at));) {
		assert_ptr_equal(n->value, &values[n->key]);
		seen[n->key]++;
		u64_map_remove(&numbers, n->key);
	}
	for (int i = 0; i < KEYS; i++)
		assert_int_equal(seen[i], 2);
	assert_int_equal(texts.count, 0);
	assert_int_equal(numbers.count, 0);
	str_map_done(&texts);
	u64_map_done(&numbers);
}

static void a_key_is_copied_and_may_hold_nul_or_nothing(void **state)
{
	struct str_map map = { 0 };
	char a, b, key[] = "x\0y";
	str_map_put(&map, (struct str){ key, 3 }, &a);
	str_map_put(&map, STR_EMPTY, &b);
	key[0] = '?';
	assert_ptr_equal(str_map_get(&map, STR("x\0y")), &a);
	assert_null(str_map_get(&map, STR("x")));
	assert_ptr_equal(str_map_get(&map, STR_EMPTY), &b);
	assert_ptr_equal(str_map_remove(&map, STR_EMPTY), &b);
	assert_null(str_map_get(&map, STR_EMPTY));
	str_map_done(&map);
}

static void coming_and_going_does_not_grow_a_map(void **state)
{
	struct u64_map numbers = { 0 };
	struct str_map texts = { 0 };
	char value, space[16];
	for (uint64_t i = 0; i < 100000; i++) {
		u64_map_put(&numbers, i, &value);
		str_map_put(&texts, key_text(space, i), &value);
		if (i >= 10) {
			assert_ptr_equal(u64_map_remove(&numbers, i - 10), &value);
			assert_ptr_equal(str_map_remove(&texts, key_text(space, i - 10)), &value);
		}
	}
	assert_true(numbers.capacity <= 64 && texts.capacity <= 64);
	u64_map_done(&numbers);
	str_map_done(&texts);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_map_has_nothing),
		cmocka_unit_test(maps_do_what_an_array_does),
		cmocka_unit_test(iterating_meets_each_entry_once_and_may_remove_it),
		cmocka_unit_test(a_key_is_copied_and_may_hold_nul_or_nothing),
		cmocka_unit_test(coming_and_going_does_not_grow_a_map),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
