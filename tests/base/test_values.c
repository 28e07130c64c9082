/* The small modules: hash, random, limits, clock, str. */
#include "base/clock.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/random.h"
#include "tests/base/check.h"

/* An execution's shard is made of these: they may never change. */
static void hashes_have_their_known_values(void **state)
{
	static const struct {
		struct str text;
		uint64_t seed, hash;
	} cases[] = {
		{ STR(""), 0, 0x5c8282f1d0f0acc1 },
		{ STR("a"), 0, 0xc5675552beed1d77 },
		{ STR("abc"), 0, 0x244dbe98b2e03999 },
		{ STR("abcd"), 0, 0x5c33fba4bd95d204 },
		{ STR("abcdefg"), 0, 0x8140221cd2d29a1b },
		{ STR("abcdefgh"), 0, 0x02d79bfe8b07a0e6 },
		{ STR("order-1"), 0, 0xe892b00d81029f9b },
		{ STR("0123456789abcde"), 0, 0x39ffedfd3c6861cd },
		{ STR("0123456789abcdef"), 0, 0xcee6d6c46c8b3c76 },
		{ STR("0123456789abcdefg"), 0, 0x2c621aaf29a8b94f },
		{ STR("the quick brown fox jumps over the lazy dog"), 0, 0x316f9358cb250c4a },
		{ STR("order-1"), 7, 0x767a1c5236cb3627 },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		uint64_t hash = hash_bytes(cases[i].text, cases[i].seed);
		if (hash != cases[i].hash)
			fprintf(stderr, "\"%.*s\": 0x%016llx\n", STR_FMT(cases[i].text), (unsigned long long)hash);
		assert_true(hash == cases[i].hash);
	}
	assert_true(hash_u64(0) == 0xdeee15ac242ba229);
	assert_true(hash_u64(1) == 0x11ef5965a65a8043);
}

static void each_bit_of_a_text_changes_about_half_the_hash(void **state)
{
	for (size_t len = 1; len <= 70; len++) {
		unsigned char bytes[70] = { 0 };
		struct str text = { (const char *)bytes, len };
		uint64_t before = hash_bytes(text, 0);
		int changed = 0;
		for (size_t bit = 0; bit < len * 8; bit++) {
			bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
			int flips = __builtin_popcountll(before ^ hash_bytes(text, 0));
			assert_in_range(flips, 8, 56);
			changed += flips;
			bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
		}
		assert_in_range(changed / (int)(len * 8), 28, 36);
		assert_true(before != hash_bytes(text, 1));
		assert_true(before != hash_bytes(str_sub(text, 0, len - 1), 0));
	}
}

static void hashes_of_names_spread_over_shards(void **state)
{
	int shards[256] = { 0 };
	for (int i = 0; i < 256 * 100; i++) {
		char name[32];
		shards[hash_bytes((struct str){ name, (size_t)snprintf(name, sizeof name, "order-%d", i) }, 0) % 256]++;
	}
	for (int i = 0; i < 256; i++)
		assert_in_range(shards[i], 50, 150);
}

static void the_same_seed_gives_the_same_numbers(void **state)
{
	struct random a, b;
	random_seed(&a, 42);
	random_seed(&b, 42);
	uint64_t first = random_u64(&a);
	assert_true(first == random_u64(&b));
	assert_true(first == 0x15780b2e0c2ec716); /* of the published algorithms */
	random_seed(&b, 43);
	assert_true(first != random_u64(&b));
}

static void numbers_are_evenly_below_their_bound(void **state)
{
	struct random random;
	random_seed(&random, 3);
	int counts[7] = { 0 };
	double sum = 0;
	for (int i = 0; i < 70000; i++) {
		uint64_t number = random_below(&random, 7);
		assert_true(number < 7);
		counts[number]++;
		double d = random_double(&random);
		assert_true(d >= 0 && d < 1);
		sum += d;
	}
	for (int i = 0; i < 7; i++)
		assert_in_range(counts[i], 9500, 10500);
	assert_true(sum > 34500 && sum < 35500);
	assert_int_equal(random_below(&random, 0), 0);
	assert_int_equal(random_below(&random, 1), 0);
	for (int i = 0; i < 100; i++)
		assert_true(random_below(&random, UINT64_MAX) < UINT64_MAX);
}

static void a_uuid_is_of_version_4(void **state)
{
	struct random random;
	random_seed(&random, 4);
	for (int i = 0; i < 1000; i++) {
		char text[37];
		random_uuid(&random, text);
		assert_int_equal(strlen(text), 36);
		assert_int_equal(strspn(text, "0123456789abcdef-"), 36);
		assert_true(text[8] == '-' && text[13] == '-' && text[18] == '-' && text[23] == '-');
		assert_int_equal(text[14], '4');
		assert_non_null(strchr("89ab", text[19]));
	}
}

static void secure_bytes_differ(void **state)
{
	unsigned char a[64] = { 0 }, b[64] = { 0 };
	random_secure(a, sizeof a);
	random_secure(b, sizeof b);
	assert_memory_not_equal(a, b, sizeof a);
	random_secure(a, 0);
}

static void every_limit_has_a_row_and_a_sound_default(void **state)
{
	struct limits limits = LIMITS_DEFAULT;
	assert_int_equal(limits.payload_bytes, 262144);
	assert_int_equal(limits.retention_days, 90);
	assert_int_equal(limit_rows_count * sizeof(int64_t), sizeof limits);
	for (unsigned i = 0; i < limit_rows_count; i++) {
		const struct limit_row *row = &limit_rows[i];
		int64_t value;
		memcpy(&value, (char *)&limits + row->offset, sizeof value);
		assert_int_equal(row->offset, i * sizeof(int64_t));
		assert_int_equal(value, row->value);
		assert_true(row->least > 0 && row->least <= row->value && row->value <= row->most);
		assert_true(row->name[0] && row->text[0]);
	}
}

static void a_manual_clock_stands_still(void **state)
{
	struct clock_manual manual;
	clock_manual_init(&manual, 1000);
	struct clock_source *clock = &manual.source;
	assert_int_equal(clock->wall_ms(clock), 1000);
	manual.now_ms += 5;
	assert_int_equal(clock->wall_ms(clock), 1005);
	assert_int_equal(clock->monotonic_us(clock), 1005000);
}

static void the_systems_clock_goes_forward(void **state)
{
	struct clock_source *clock = clock_system();
	int64_t before = clock->monotonic_us(clock);
	assert_true(clock->wall_ms(clock) > 1700000000000);
	assert_true(clock->monotonic_us(clock) >= before);
}

static void pieces_of_text_are_clamped(void **state)
{
	assert_text(str_sub(STR("hello"), 1, 3), "ell");
	assert_text(str_sub(STR("hello"), 4, 100), "o");
	assert_text(str_sub(STR("hello"), 100, 1), "");
	assert_true(str_starts(STR("hello"), STR("he")) && !str_starts(STR("h"), STR("he")));
	assert_true(str_ends(STR("hello"), STR("lo")) && !str_ends(STR("o"), STR("lo")));
	assert_true(str_cmp(STR("a"), STR("b")) < 0 && str_cmp(STR("ab"), STR("a")) > 0 &&
		    str_cmp(STR("a"), STR("a")) == 0);
	assert_true(str_eq(STR_EMPTY, str_of(NULL)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hashes_have_their_known_values),
		cmocka_unit_test(each_bit_of_a_text_changes_about_half_the_hash),
		cmocka_unit_test(hashes_of_names_spread_over_shards),
		cmocka_unit_test(the_same_seed_gives_the_same_numbers),
		cmocka_unit_test(numbers_are_evenly_below_their_bound),
		cmocka_unit_test(a_uuid_is_of_version_4),
		cmocka_unit_test(secure_bytes_differ),
		cmocka_unit_test(every_limit_has_a_row_and_a_sound_default),
		cmocka_unit_test(a_manual_clock_stands_still),
		cmocka_unit_test(the_systems_clock_goes_forward),
		cmocka_unit_test(pieces_of_text_are_clamped),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
