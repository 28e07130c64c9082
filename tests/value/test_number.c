/* Numbers: to double, to int64, compared, and printed with the fewest digits. */
#include "base/random.h"
#include "tests/value/check.h"
#include "value/powers.h"
#include <math.h>

static void tokens_become_the_nearest_double(void **state)
{
	static const char *const tokens[] = {
		"0",
		"-0",
		"1",
		"-1",
		"0.1",
		"1.0",
		"1E6",
		"1e22",
		"1e23",
		"1e-22",
		"1e-23",
		"123456789012345678",
		"9007199254740993",
		"9007199254740992.5",
		"0.30000000000000004",
		"1.7976931348623157e308",
		"1.7976931348623159e308",
		"1e309",
		"-1e400",
		"4.9e-324",
		"2.4703282292062327e-324",
		"2.4703282292062328e-324",
		"1e-400",
		"2.2250738585072014e-308",
		"2.2250738585072011e-308",
		"18446744073709551615",
		"18446744073709551616",
		"0.000000000000000000000000000001",
		"100000000000000000000000000000000000000",
		"1.00000000000000000000000000000000000000000001",
		"0e999999999999999999999",
		"1e999999999999999999999",
		"1e-999999999999999999999",
		"5e-00000000000000000000000000001",
		"0.00e5",
		"12.500e1",
	};
	for (size_t i = 0; i < sizeof tokens / sizeof tokens[0]; i++) {
		_cleanup_value_ struct value *value = parsed(tokens[i]),
					     *built = value_from_number_text(str_of(tokens[i]));
		double wanted = strtod(tokens[i], NULL), got = value_number(value);
		assert_memory_equal(&got, &wanted, sizeof got);
		got = value_number(value); /* remembered */
		assert_memory_equal(&got, &wanted, sizeof got);
		got = value_number(built);
		assert_memory_equal(&got, &wanted, sizeof got);
		assert_json(built, tokens[i]);
	}
}

static void random_tokens_become_the_nearest_double(void **state)
{
	struct random random;
	random_seed(&random, 5);
	for (int i = 0; i < 100000; i++) {
		char token[64];
		int digits = (int)random_below(&random, 22) + 1, len = 0;
		if (random_below(&random, 2))
			token[len++] = '-';
		token[len++] = (char)('1' + random_below(&random, 9));
		for (int j = 1, point = (int)random_below(&random, 25); j < digits; j++) {
			if (j == point)
				token[len++] = '.';
			token[len++] = (char)('0' + random_below(&random, 10));
		}
		if (random_below(&random, 2))
			len += snprintf(token + len, 16, "e%d", (int)random_below(&random, 60) - 30);
		token[len] = 0;
		_cleanup_value_ struct value *value = parsed(token);
		double wanted = strtod(token, NULL), got = value_number(value);
		assert_memory_equal(&got, &wanted, sizeof got);
	}
}

static void integers_are_told_from_other_numbers(void **state)
{
	static const struct {
		const char *token;
		bool fits;
		int64_t number;
	} cases[] = {
		{ "0", true, 0 },
		{ "-0", true, 0 },
		{ "0.000", true, 0 },
		{ "0e99999999999999999999", true, 0 },
		{ "1", true, 1 },
		{ "-7", true, -7 },
		{ "1.0", true, 1 },
		{ "1e3", true, 1000 },
		{ "1.5e1", true, 15 },
		{ "12.50e1", true, 125 },
		{ "100e-2", true, 1 },
		{ "1000000e-6", true, 1 },
		{ "0.001e3", true, 1 },
		{ "9223372036854775807", true, INT64_MAX },
		{ "-9223372036854775808", true, INT64_MIN },
		{ "9223372036854775807.000", true, INT64_MAX },
		{ "922337203685477580.7e1", true, INT64_MAX },
		{ "1e18", true, 1000000000000000000 },
		{ "9223372036854775808", false, 0 },
		{ "-9223372036854775809", false, 0 },
		{ "18446744073709551616", false, 0 },
		{ "1e19", false, 0 },
		{ "1e30", false, 0 },
		{ "1.5", false, 0 },
		{ "0.1", false, 0 },
		{ "1e-1", false, 0 },
		{ "15e-1", false, 0 },
		{ "1e999999999999999999999", false, 0 },
		{ "1e-999999999999999999999", false, 0 },
		{ "1000000000000000000000e-3", true, 1000000000000000000 },
		{ "9007199254740993", true, 9007199254740993 },
		{ "0.00000000000000000000000000000000000000012e41", true, 12 },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		_cleanup_value_ struct value *value = parsed(cases[i].token);
		int64_t number = 99;
		assert_int_equal(value_int64(value, &number), cases[i].fits);
		assert_int_equal(number, cases[i].fits ? cases[i].number : 99);
	}
}

static void built_numbers_are_integers_if_their_text_is(void **state)
{
	static const struct {
		double number;
		bool fits;
		int64_t integer;
	} cases[] = { { 0, true, 0 },
		      { -0.0, true, 0 },
		      { 5, true, 5 },
		      { -1e15, true, -1000000000000000 },
		      { 0.5, false, 0 },
		      { 0x1p53, true, 1ll << 53 },
		      { 0x1p60, true, 1152921504606847000 },
		      { 1e18, true, 1000000000000000000 },
		      { 0x1p63, false, 0 },
		      { 1e300, false, 0 } };
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		_cleanup_value_ struct value *value = value_from_double(cases[i].number);
		for (int with_text = 0; with_text < 2; with_text++) {
			int64_t number = 0;
			assert_int_equal(value_int64(value, &number), cases[i].fits);
			assert_int_equal(number, cases[i].integer);
			value_text(value);
		}
	}
	_cleanup_value_ struct value *value = value_from_int(INT64_MIN);
	int64_t number;
	assert_true(value_int64(value, &number) && number == INT64_MIN);
	assert_json(value, "-9223372036854775808");
	assert_true(value_number(value) == -0x1p63);
}

static void numbers_are_equal_by_value(void **state)
{
	static const struct {
		const char *a, *b;
		bool equal;
	} cases[] = {
		{ "1", "1", true },
		{ "1", "1.0", true },
		{ "1", "1.000e0", true },
		{ "100", "1e2", true },
		{ "100", "1E+2", true },
		{ "0.1", "1e-1", true },
		{ "0.1", "0.10", true },
		{ "0", "-0", true },
		{ "0", "0e5", true },
		{ "0", "0.0", true },
		{ "1.5", "15e-1", true },
		{ "12.34", "1234e-2", true },
		{ "0.00120", "12e-4", true },
		{ "1e400", "10e399", true },
		{ "1", "-1", false },
		{ "1", "2", false },
		{ "1", "10", false },
		{ "0", "1", false },
		{ "12", "1.2", false },
		{ "9007199254740992", "9007199254740993", false },
		{ "0.1", "0.1000000000000000055511151231257827", false },
		{ "1e400", "1e401", false },
		{ "123", "124", false },
		{ "1e99999999999999999999", "1e99999999999999999999", true },
		{ "1e99999999999999999999", "1e99999999999999999998", false },
		{ "101", "1001", false },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		_cleanup_value_ struct value *a = parsed(cases[i].a), *b = parsed(cases[i].b);
		assert_int_equal(value_equal(a, b), cases[i].equal);
		assert_int_equal(value_equal(b, a), cases[i].equal);
		_cleanup_value_ struct value *c = value_from_number_text(str_of(cases[i].a));
		assert_int_equal(value_equal(c, b), cases[i].equal);
	}
	_cleanup_value_ struct value *i = value_from_int(100), *j = value_from_int(100), *k = value_from_int(-100);
	_cleanup_value_ struct value *d = value_from_double(100), *t = parsed("1e2");
	assert_true(value_equal(i, j) && value_equal(i, d) && value_equal(d, t) && value_equal(t, i));
	assert_false(value_equal(i, k));
}

static void doubles_are_printed_as_javascript_does(void **state)
{
	static const struct {
		double number;
		const char *text;
	} cases[] = {
		{ 0, "0" },
		{ -0.0, "0" },
		{ 1, "1" },
		{ -1, "-1" },
		{ 42.5, "42.5" },
		{ 0.1, "0.1" },
		{ 0.1 + 0.2, "0.30000000000000004" },
		{ 1.0 / 3, "0.3333333333333333" },
		{ 2.0 / 3, "0.6666666666666666" },
		{ 100, "100" },
		{ 1e15, "1000000000000000" },
		{ 0x1p53, "9007199254740992" },
		{ 0x1p54, "18014398509481984" },
		{ 123456789012345680000.0, "123456789012345680000" },
		{ 1e20, "100000000000000000000" },
		{ 1e21, "1e+21" },
		{ 1.5e21, "1.5e+21" },
		{ 1e22, "1e+22" },
		{ 1e23, "1e+23" },
		{ 0.001, "0.001" },
		{ 0.000001, "0.000001" },
		{ 0.0000015, "0.0000015" },
		{ 1e-7, "1e-7" },
		{ 1.5e-7, "1.5e-7" },
		{ 123e-20, "1.23e-18" },
		{ -1e-7, "-1e-7" },
		{ -123.456, "-123.456" },
		{ 5e-324, "5e-324" },
		{ 1e-323, "1e-323" },
		{ 2.2250738585072014e-308, "2.2250738585072014e-308" },
		{ 2.225073858507201e-308, "2.225073858507201e-308" },
		{ 1.7976931348623157e308, "1.7976931348623157e+308" },
		{ 0x1p-44, "5.684341886080802e-14" },
		{ 9.5, "9.5" },
		{ 4.35, "4.35" },
		{ 1.005, "1.005" },
		{ 1e100, "1e+100" },
		{ 0x1p60, "1152921504606847000" },
		{ 9007199254740994, "9007199254740994" },
		{ 99999999999999990000.0, "99999999999999980000" },
		{ 8.41e21, "8.41e+21" },
		{ 9.0608011534336e15, "9060801153433600" },
		{ 4.708356024711512e18, "4708356024711512000" },
		{ NAN, "null" },
		{ INFINITY, "null" },
		{ -INFINITY, "null" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		_cleanup_(buffer_done) struct buffer text = { 0 };
		value_write_double(cases[i].number, &text);
		assert_text(buffer_str(&text), cases[i].text);
	}
}

/* Digits and exponent of a printed number: "1.5e-7" is 15, -8. Trailing zeros dropped. */
static void digits_of(const char *text, char digits[32], int *ret_exponent)
{
	int count = 0, exponent = 0;
	bool fraction = false;
	for (text += *text == '-'; *text && *text != 'e'; text++) {
		if (*text == '.') {
			fraction = true;
			continue;
		}
		exponent -= fraction;
		if (count || *text != '0')
			digits[count++] = *text;
	}
	if (*text)
		exponent += atoi(text + 1);
	for (; count && digits[count - 1] == '0'; count--)
		exponent++;
	digits[count] = 0;
	*ret_exponent = exponent;
}

/* Against printf: of the texts with 1, 2 … 17 digits nearest to the number, the first that reads back. Next to powers
 * of two an even shorter text, or another of the same length, may do, which is then not the nearest of its length. */
static void check_shortest(double number)
{
	char wanted[40], wanted_digits[40], got_digits[40];
	int wanted_exponent, got_exponent;
	_cleanup_(buffer_done) struct buffer text = { 0 };
	value_write_double(number, &text);
	assert_true(strtod(text.data, NULL) == number);
	for (int precision = 0; precision < 17; precision++) {
		snprintf(wanted, sizeof wanted, "%.*e", precision, number);
		if (strtod(wanted, NULL) == number)
			break;
	}
	digits_of(wanted, wanted_digits, &wanted_exponent);
	digits_of(text.data, got_digits, &got_exponent);
	int exponent;
	bool is_power_of_two = fabs(frexp(number, &exponent)) == 0.5;
	if (is_power_of_two && strlen(got_digits) < strlen(wanted_digits))
		return;
	if (strcmp(got_digits, wanted_digits) || got_exponent != wanted_exponent)
		fprintf(stderr, "%a: got %s, wanted %s\n", number, text.data, wanted);
	assert_string_equal(got_digits, wanted_digits);
	assert_int_equal(got_exponent, wanted_exponent);
}

static void no_shorter_text_reads_back_the_same(void **state)
{
	struct random random;
	random_seed(&random, 6);
	for (int exponent = -1074; exponent <= 1023; exponent++) {
		check_shortest(ldexp(1, exponent));
		check_shortest(nextafter(ldexp(1, exponent), 0) > 0 ? nextafter(ldexp(1, exponent), 0) : 5e-324);
		check_shortest(nextafter(ldexp(1, exponent), INFINITY));
	}
	for (int i = 0; i < 50000; i++) {
		uint64_t bits = random_u64(&random);
		double number;
		memcpy(&number, &bits, sizeof number);
		if (isfinite(number) && number != 0)
			check_shortest(number);
		check_shortest((double)(random_below(&random, 1000000) + 1) / 100);
		check_shortest((random_double(&random) + 1e-9) * 1000);
	}
}

/* ---- the table of powers, by multiplying large numbers -------------------------------------- */

struct large {
	uint32_t limbs[80]; /* lowest first */
};

static void multiply(struct large *number, uint32_t by, int times)
{
	for (; times > 0; times--) {
		uint64_t carry = 0;
		for (int i = 0; i < 80; i++) {
			carry += (uint64_t)number->limbs[i] * by;
			number->limbs[i] = (uint32_t)carry;
			carry >>= 32;
		}
		assert_true(carry == 0);
	}
}

static int compare(const struct large *a, const struct large *b)
{
	for (int i = 80; i-- > 0;)
		if (a->limbs[i] != b->limbs[i])
			return a->limbs[i] < b->limbs[i] ? -1 : 1;
	return 0;
}

static struct large large_of(unsigned __int128 number)
{
	return (struct large){ { (uint32_t)number, (uint32_t)(number >> 32), (uint32_t)(number >> 64),
				 (uint32_t)(number >> 96) } };
}

static void the_powers_of_ten_are_right(void **state)
{
	for (int k = POWER_LEAST; k <= POWER_MOST; k++) {
		const struct power *row = &powers[k - POWER_LEAST];
		unsigned __int128 g = (unsigned __int128)row->high << 64 | row->low;
		assert_true(row->high >> 63); /* 128 bits, so the exponent is the right one */
		int shift = ((k * 1741647) >> 19) - 127;
		/* (g - 1) × 2^shift < 10^k <= g × 2^shift, multiplied by whatever is needed to be whole */
		struct large power = large_of(1), below = large_of(g - 1), above = large_of(g);
		multiply(k > 0 ? &power : &below, 10, abs(k));
		if (k <= 0)
			multiply(&above, 10, -k);
		multiply(shift > 0 ? &below : &power, 2, abs(shift));
		if (shift > 0)
			multiply(&above, 2, shift);
		assert_true(compare(&below, &power) < 0 && compare(&power, &above) <= 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tokens_become_the_nearest_double),
		cmocka_unit_test(random_tokens_become_the_nearest_double),
		cmocka_unit_test(integers_are_told_from_other_numbers),
		cmocka_unit_test(built_numbers_are_integers_if_their_text_is),
		cmocka_unit_test(numbers_are_equal_by_value),
		cmocka_unit_test(doubles_are_printed_as_javascript_does),
		cmocka_unit_test(no_shorter_text_reads_back_the_same),
		cmocka_unit_test(the_powers_of_ten_are_right),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
