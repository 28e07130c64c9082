/* UTF-8: every code point there and back, and every two and three bytes judged by the table in RFC 3629. */
#include "base/utf8.h"
#include "tests/base/check.h"

static void every_code_point_goes_there_and_back(void **state)
{
	for (uint32_t code = 0; code <= 0x10ffff; code++) {
		char text[5] = { 0 };
		size_t len = utf8_encode(code, text);
		bool is_surrogate = code >= 0xd800 && code <= 0xdfff;
		assert_int_equal(utf8_length(text, len), is_surrogate ? 0 : len);
		assert_int_equal(utf8_is_surrogate(text, len), is_surrogate);
		assert_int_equal(utf8_decode(text, len), code);
		if (len > 1)
			assert_int_equal(utf8_length(text, len - 1), 0);
	}
}

/* RFC 3629, section 4, as a table: first byte from–to, second byte from–to, length. */
static const struct {
	unsigned first_least, first_most, second_least, second_most;
	size_t len;
} rows[] = {
	{ 0x00, 0x7f, 0x00, 0xff, 1 }, { 0xc2, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 },
	{ 0xe1, 0xec, 0x80, 0xbf, 3 }, { 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 },
	{ 0xf0, 0xf0, 0x90, 0xbf, 4 }, { 0xf1, 0xf3, 0x80, 0xbf, 4 }, { 0xf4, 0xf4, 0x80, 0x8f, 4 },
};

static void only_the_shapes_of_the_standard_are_characters(void **state)
{
	for (unsigned first = 0; first < 256; first++)
		for (unsigned second = 0; second < 256; second++) {
			size_t wanted = 0;
			for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
				if (first >= rows[i].first_least && first <= rows[i].first_most &&
				    second >= rows[i].second_least && second <= rows[i].second_most)
					wanted = rows[i].len;
			char text[4] = { (char)first, (char)second, (char)0x80, (char)0xbf };
			assert_int_equal(utf8_length(text, 4), wanted);
			for (int broken = 2; broken < 4; broken++) {
				char copy[4];
				memcpy(copy, text, 4);
				copy[broken] = 0x41;
				assert_int_equal(utf8_length(copy, 4), (int)wanted > broken ? 0 : wanted);
			}
		}
}

static void validity_is_seen_at_every_place_of_a_long_text(void **state)
{
	char text[64];
	for (size_t len = 1; len < sizeof text; len++)
		for (size_t at = 0; at < len; at++) {
			memset(text, 'a', sizeof text);
			assert_true(utf8_is_valid((struct str){ text, len }));
			text[at] = (char)0x80;
			assert_false(utf8_is_valid((struct str){ text, len }));
			text[at] = (char)0xc3;
			if (at + 1 < len)
				text[at + 1] = (char)0xa4;
			assert_int_equal(utf8_is_valid((struct str){ text, len }), at + 1 < len);
		}
	assert_true(utf8_is_valid(STR_EMPTY));
	assert_int_equal(utf8_count(STR("a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80")), 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_code_point_goes_there_and_back),
		cmocka_unit_test(only_the_shapes_of_the_standard_are_characters),
		cmocka_unit_test(validity_is_seen_at_every_place_of_a_long_text),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
