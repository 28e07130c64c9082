/* Buffers, and the integers of the stored formats there and back. */
#include "base/buffer.h"
#include "base/mem.h"
#include "tests/base/check.h"

static void what_is_appended_stands_there_and_a_nul_behind(void **state)
{
	_cleanup_(buffer_done) struct buffer b = { 0 };
	buffer_addz(&b, "ab");
	buffer_byte(&b, 'c');
	buffer_add(&b, STR("de"));
	buffer_append(&b, "", 0);
	buffer_printf(&b, "%d", 42);
	assert_text(buffer_str(&b), "abcde42");
	assert_int_equal(b.data[b.len], 0);
}

static void it_grows_as_needed(void **state)
{
	_cleanup_(buffer_done) struct buffer b = { 0 };
	for (int i = 0; i < 100000; i++)
		buffer_byte(&b, (char)('a' + i % 26));
	assert_int_equal(b.len, 100000);
	for (int i = 0; i < 100000; i++)
		assert_int_equal(b.data[i], 'a' + i % 26);
	assert_int_equal(b.data[100000], 0);
}

static void printing_fills_exactly(void **state)
{
	for (int before = 0; before < 5; before++)
		for (int width = 100; width < 300; width++) {
			_cleanup_(buffer_done) struct buffer b = { 0 };
			buffer_append(&b, "xxxxx", (size_t)before);
			buffer_printf(&b, "%*d", width, 7);
			assert_int_equal(b.len, before + width);
			assert_int_equal(b.data[b.len - 1], '7');
			assert_int_equal(b.data[b.len], 0);
		}
}

static void room_that_was_reserved_can_be_written(void **state)
{
	_cleanup_(buffer_done) struct buffer b = { 0 };
	buffer_addz(&b, "x");
	memset(buffer_reserve(&b, 1000), 'y', 1000);
	b.len += 1000;
	buffer_byte(&b, 'z');
	assert_int_equal(b.len, 1002);
	assert_int_equal(b.data[1000], 'y');
	assert_int_equal(b.data[1001], 'z');
}

static void consuming_moves_the_rest_to_the_front(void **state)
{
	_cleanup_(buffer_done) struct buffer b = { 0 };
	buffer_consume(&b, 0);
	buffer_addz(&b, "hello world");
	buffer_consume(&b, 6);
	assert_text(buffer_str(&b), "world");
	assert_string_equal(b.data, "world");
	buffer_consume(&b, 5);
	assert_text(buffer_str(&b), "");
}

static void taking_leaves_it_empty(void **state)
{
	_cleanup_(buffer_done) struct buffer b = { 0 };
	buffer_addz(&b, "text");
	_cleanup_free_ char *text = buffer_take(&b);
	assert_string_equal(text, "text");
	assert_int_equal(b.len, 0);
	_cleanup_free_ char *nothing = buffer_take(&b);
	assert_string_equal(nothing, "");
	buffer_addz(&b, "again");
	buffer_clear(&b);
	assert_text(buffer_str(&b), "");
	assert_string_equal(b.data, "");
}

static const uint64_t numbers[] = {
	0,          1,
	127,        128,
	129,        255,
	256,        16383,
	16384,      0x7fffffff,
	0x80000000, 0xffffffff,
	1ull << 35, 1ull << 42,
	1ull << 56, (1ull << 63) - 1,
	1ull << 63, UINT64_MAX - 1,
	UINT64_MAX,
};
enum { NUMBERS = sizeof numbers / sizeof numbers[0] };

static void numbers_come_back_as_they_went(void **state)
{
	_cleanup_(buffer_done) struct buffer b = { 0 };
	for (int i = 0; i < NUMBERS; i++) {
		buffer_u32(&b, (uint32_t)numbers[i]);
		buffer_u64(&b, numbers[i]);
		buffer_varint(&b, numbers[i]);
		buffer_svarint(&b, (int64_t)numbers[i]);
		buffer_svarint(&b, (int64_t)-numbers[i]);
		buffer_byte(&b, (char)i);
	}
	struct reader r = reader_of(buffer_str(&b));
	for (int i = 0; i < NUMBERS; i++) {
		uint32_t u32 = 1;
		uint64_t u64 = 1, varint = 1;
		int64_t svarint = 1, negated = 1;
		uint8_t byte = 1;
		assert_true(reader_u32(&r, &u32) && reader_u64(&r, &u64) && reader_varint(&r, &varint) &&
			    reader_svarint(&r, &svarint) && reader_svarint(&r, &negated) && reader_byte(&r, &byte));
		assert_true(u32 == (uint32_t)numbers[i] && u64 == numbers[i] && varint == numbers[i]);
		assert_true(svarint == (int64_t)numbers[i] && negated == (int64_t)-numbers[i] && byte == i);
	}
	assert_ptr_equal(r.at, r.end);
}

/* The formats are stored: these bytes are for ever. */
static void numbers_have_their_known_bytes(void **state)
{
	_cleanup_(buffer_done) struct buffer b = { 0 };
	buffer_u32(&b, 0x01020304);
	buffer_u64(&b, 0x0102030405060708);
	buffer_varint(&b, 300);
	buffer_svarint(&b, -1);
	buffer_svarint(&b, 1);
	buffer_svarint(&b, INT64_MIN);
	buffer_blob(&b, STR("ab"));
	static const unsigned char wanted[] = { 4,    3,    2,    1,    8,    7, 6,    5,    4,    3,
						2,    1,    0xac, 2,    1,    2, 0xff, 0xff, 0xff, 0xff,
						0xff, 0xff, 0xff, 0xff, 0xff, 1, 2,    'a',  'b' };
	assert_int_equal(b.len, sizeof wanted);
	assert_memory_equal(b.data, wanted, sizeof wanted);
}

static void bytes_that_end_early_are_refused_and_nothing_moves(void **state)
{
	uint32_t u32 = 99;
	uint64_t u64 = 99;
	int64_t i64 = 99;
	uint8_t byte = 99;
	struct str blob = STR("untouched");
	for (size_t len = 0; len < 8; len++) {
		struct reader r = reader_of((struct str){ "\x80\x80\x80\x80\x80\x80\x80\x80", len }), before = r;
		assert_false(reader_u64(&r, &u64));
		assert_false(reader_varint(&r, &u64));
		assert_false(reader_svarint(&r, &i64));
		assert_false(reader_blob(&r, &blob));
		assert_true(len >= 4 || !reader_u32(&r, &u32));
		assert_true(len >= 1 || !reader_byte(&r, &byte));
		assert_true(len >= 4 || r.at == before.at);
	}
	assert_true(u32 == 99 || u32 == 0x80808080);
	assert_true(u64 == 99 && i64 == 99);
	assert_text(blob, "untouched");
}

static void a_varint_beyond_64_bits_is_refused(void **state)
{
	static const struct {
		struct str bytes;
		bool fits;
	} cases[] = {
		{ STR("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), true },
		{ STR("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"), false },
		{ STR("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x81"), false },
		{ STR("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00"), false },
		{ STR("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"), false },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct reader r = reader_of(cases[i].bytes), before = r;
		uint64_t number;
		assert_int_equal(reader_varint(&r, &number), cases[i].fits);
		assert_true(cases[i].fits ? r.at == r.end : r.at == before.at);
	}
}

static void a_blob_longer_than_what_is_there_is_refused(void **state)
{
	static const struct str hostile[] = { STR("\x03"
						  "ab"),
					      STR("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"
						  "ab"),
					      STR("\x01") };
	for (size_t i = 0; i < sizeof hostile / sizeof hostile[0]; i++) {
		struct reader r = reader_of(hostile[i]), before = r;
		struct str blob;
		assert_false(reader_blob(&r, &blob));
		assert_ptr_equal(r.at, before.at);
	}
	struct reader r = reader_of(STR("\x02"
					"abc"));
	struct str blob;
	assert_true(reader_blob(&r, &blob));
	assert_text(blob, "ab");
	assert_int_equal(r.end - r.at, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_appended_stands_there_and_a_nul_behind),
		cmocka_unit_test(it_grows_as_needed),
		cmocka_unit_test(printing_fills_exactly),
		cmocka_unit_test(room_that_was_reserved_can_be_written),
		cmocka_unit_test(consuming_moves_the_rest_to_the_front),
		cmocka_unit_test(taking_leaves_it_empty),
		cmocka_unit_test(numbers_come_back_as_they_went),
		cmocka_unit_test(numbers_have_their_known_bytes),
		cmocka_unit_test(bytes_that_end_early_are_refused_and_nothing_moves),
		cmocka_unit_test(a_varint_beyond_64_bits_is_refused),
		cmocka_unit_test(a_blob_longer_than_what_is_there_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
