/* Arenas: alignment, large objects, resetting, limits. */
#include "base/arena.h"
#include "base/mem.h"
#include "tests/base/check.h"

static void an_object_is_aligned_and_keeps_its_bytes(void **state)
{
	_cleanup_(arena_done) struct arena arena = { 0 };
	enum { COUNT = 3000 };
	unsigned char *objects[COUNT];
	for (int i = 0; i < COUNT; i++) {
		size_t size = (size_t)(i * 7 % 300);
		objects[i] = arena_alloc(&arena, size);
		assert_int_equal((uintptr_t)objects[i] % _Alignof(max_align_t), 0);
		memset(objects[i], i & 0xff, size);
	}
	for (int i = 0; i < COUNT; i++)
		for (int j = 0; j < i * 7 % 300; j++)
			assert_int_equal(objects[i][j], i & 0xff);
}

static void zeroed_memory_is_zero_after_a_reset_too(void **state)
{
	_cleanup_(arena_done) struct arena arena = { 0 };
	memset(arena_alloc(&arena, 1000), 0xff, 1000);
	arena_reset(&arena);
	char *zero = arena_zalloc(&arena, 1000);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(zero[i], 0);
	int *numbers = ARENA_ARRAY(&arena, int, 4);
	assert_int_equal(numbers[3], 0);
}

static void a_large_object_does_not_waste_the_rest_of_a_block(void **state)
{
	_cleanup_(arena_done) struct arena arena = { 0 };
	char *first = arena_alloc(&arena, 16);
	memset(arena_alloc(&arena, 100000), 1, 100000);
	char *second = arena_alloc(&arena, 16);
	assert_true(second > first && second - first < 100);
}

static void bytes_count_what_was_handed_out(void **state)
{
	_cleanup_(arena_done) struct arena arena = { .bytes_max = 100 };
	arena_alloc(&arena, 60);
	assert_false(arena_over_limit(&arena));
	arena_alloc(&arena, 40);
	assert_int_equal(arena.bytes, 100);
	assert_false(arena_over_limit(&arena));
	memset(arena_alloc(&arena, 1), 0, 1);
	assert_true(arena_over_limit(&arena));
	arena_reset(&arena);
	assert_int_equal(arena.bytes, 0);
	assert_false(arena_over_limit(&arena));
}

static void without_a_limit_nothing_is_over_it(void **state)
{
	_cleanup_(arena_done) struct arena arena = { 0 };
	arena_alloc(&arena, 5000000);
	assert_false(arena_over_limit(&arena));
}

static void texts_are_copied_and_end_in_nul(void **state)
{
	_cleanup_(arena_done) struct arena arena = { 0 };
	char source[] = "a\0b";
	struct str copy = arena_str(&arena, (struct str){ source, 3 });
	source[0] = 'x';
	assert_int_equal(copy.len, 3);
	assert_memory_equal(copy.ptr, "a\0b", 4);
	assert_string_equal(arena_strdup(&arena, STR("hello")), "hello");
	assert_int_equal(arena_str(&arena, STR_EMPTY).len, 0);
}

static void formatted_texts_may_be_of_any_length(void **state)
{
	_cleanup_(arena_done) struct arena arena = { 0 };
	for (int width = 250; width < 260; width++) {
		struct str text = arena_format(&arena, "%*d", width, 7);
		assert_int_equal(text.len, width);
		assert_int_equal(text.ptr[width - 1], '7');
		assert_int_equal(text.ptr[width], 0);
	}
	assert_int_equal(arena_format(&arena, "%*d", 100000, 7).len, 100000);
	assert_string_equal(arena_printf(&arena, "%s-%d", "a", 5), "a-5");
}

struct order {
	int calls[200];
	int count;
};
struct call {
	struct order *order;
	int number;
};
static void note(void *data)
{
	struct call *call = data;
	call->order->calls[call->order->count++] = call->number;
}

static void what_waits_for_a_reset_is_called_newest_first(void **state)
{
	_cleanup_(arena_done) struct arena arena = { 0 };
	struct order order = { 0 };
	for (int i = 0; i < 100; i++) { /* over several blocks, with large objects between */
		struct call *call = ARENA_NEW(&arena, struct call);
		*call = (struct call){ &order, i };
		arena_on_reset(&arena, note, call);
		arena_alloc(&arena, i % 10 ? 300 : 20000);
	}
	arena_reset(&arena);
	assert_int_equal(order.count, 100);
	for (int i = 0; i < 100; i++)
		assert_int_equal(order.calls[i], 99 - i);
	arena_reset(&arena);
	assert_int_equal(order.count, 100);
	struct call last = { &order, 7 };
	arena_on_reset(&arena, note, &last);
	arena_done(&arena);
	assert_int_equal(order.calls[100], 7);
}

static void one_block_is_kept_over_a_reset(void **state)
{
	_cleanup_(arena_done) struct arena arena = { 0 };
	for (int i = 0; i < 1000; i++)
		arena_alloc(&arena, 500);
	struct arena_block *newest = arena.newest;
	arena_reset(&arena);
	assert_ptr_equal(arena.newest, newest);
	arena_alloc(&arena, 1000);
	assert_ptr_equal(arena.newest, newest);
}

static void a_very_large_block_is_not_kept(void **state)
{
	_cleanup_(arena_done) struct arena arena = { 0 };
	arena_alloc(&arena, 8 << 20);
	arena_reset(&arena);
	assert_null(arena.newest);
	assert_non_null(arena_alloc(&arena, 1));
}

static void arrays_grow_by_doubling(void **state)
{
	_cleanup_free_ int *numbers = NULL;
	size_t capacity = 0, times = 0;
	for (size_t i = 0; i < 10000; i++) {
		size_t before = capacity;
		MEM_GROW(numbers, capacity, i + 1);
		times += capacity != before;
		numbers[i] = (int)i;
	}
	assert_int_equal(numbers[9999], 9999);
	assert_in_range(times, 5, 15);
	char *text = mem_printf("%d", 5), *taken = TAKE(text);
	assert_null(text);
	assert_string_equal(taken, "5");
	mem_freep(&taken);
	assert_null(taken);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_object_is_aligned_and_keeps_its_bytes),
		cmocka_unit_test(zeroed_memory_is_zero_after_a_reset_too),
		cmocka_unit_test(a_large_object_does_not_waste_the_rest_of_a_block),
		cmocka_unit_test(bytes_count_what_was_handed_out),
		cmocka_unit_test(without_a_limit_nothing_is_over_it),
		cmocka_unit_test(texts_are_copied_and_end_in_nul),
		cmocka_unit_test(formatted_texts_may_be_of_any_length),
		cmocka_unit_test(what_waits_for_a_reset_is_called_newest_first),
		cmocka_unit_test(one_block_is_kept_over_a_reset),
		cmocka_unit_test(a_very_large_block_is_not_kept),
		cmocka_unit_test(arrays_grow_by_doubling),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
