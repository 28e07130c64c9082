/* The small parts of the engine, each by itself: ARNs and names, timers, tokens, the words for broken JSON. */
#include "base/arena.h"
#include "base/mem.h"
#include "base/random.h"
#include "engine/arn.h"
#include "engine/json_problem.h"
#include "engine/timers.h"
#include "engine/token.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct token_key key;

static void an_arn_is_read_part_by_part(void **state)
{
	struct arena arena = { 0 };
	struct arn arn;
	assert_null(arn_parse(&arena, STR("arn:aws:states:eu-west-1:123:execution:m:n:x"), "execution", &arn));
	assert_true(str_eqz(arn.region, "eu-west-1") && str_eqz(arn.account, "123") && str_eqz(arn.machine, "m") &&
		    str_eqz(arn.name, "n:x"));
	static const char *const broken[][2] = {
		{ "x", "Invalid ARN prefix: x" },
		{ "", "Invalid ARN prefix: " },
		{ "arn:aws:states", "Invalid ARN: arn:aws:states" },
		{ "arn:aws:states:r:a:execution:m", "Invalid ARN: arn:aws:states:r:a:execution:m" },
		{ "arn:aws:states:r:a:execution:m:", "Invalid ARN: arn:aws:states:r:a:execution:m:" },
		{ "arn:aws:states:r:a:express:m:n:o", "Resource type not valid in this context: express" },
	};
	for (size_t i = 0; i < sizeof broken / sizeof *broken; i++)
		assert_string_equal(arn_parse(&arena, str_of(broken[i][0]), "execution", &arn), broken[i][1]);
	arena_done(&arena);
}

static void names_follow_the_rules(void **state)
{
	struct limits limits = LIMITS_DEFAULT;
	static const char *const good[] = { "a", "A-b_c.d", "(x)", "é", "a=b@c!", "it's" };
	static const char *const bad[] = { "",    " a", "a b", "a<",  "a>", "a{",    "a[",    "a?",       "a*",
					   "a\"", "a#", "a%",  "a\\", "a^", "a|",    "a~",    "a`",       "a$",
					   "a&",  "a,", "a;",  "a:",  "a/", "a\x01", "a\x7f", "a\xc2\x85" };
	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		assert_true(arn_name_valid(str_of(good[i]), &limits));
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_false(arn_name_valid(str_of(bad[i]), &limits));
	char long_name[100];
	memset(long_name, 'x', sizeof long_name);
	assert_true(arn_name_valid((struct str){ long_name, 80 }, &limits));
	assert_false(arn_name_valid((struct str){ long_name, 81 }, &limits));
}

static void a_made_name_holds_its_id_and_no_other_does(void **state)
{
	char name[EXECUTION_NAME_LENGTH + 1], before[EXECUTION_NAME_LENGTH + 1] = "";
	for (uint64_t id = 256; id < UINT64_MAX / 3; id += id / 3 + 1) {
		uint64_t read = 0;
		execution_name_make(&key, id, name);
		assert_int_equal(strlen(name), 36);
		assert_int_equal(name[14], '4');
		assert_non_null(strchr("89ab", name[19]));
		assert_true(execution_name_read(&key, str_of(name), &read));
		assert_true(read == id);
		assert_string_not_equal(name, before);
		memcpy(before, name, sizeof name);
		for (int i = 0; i < 36; i += 5) {
			char changed = name[i] == '0' ? '1' : '0', kept = name[i];
			name[i] = changed;
			assert_false(execution_name_read(&key, str_of(name), &read));
			name[i] = kept;
		}
	}
	uint64_t read;
	assert_false(execution_name_read(&key, STR("0b6a7a3c-9a4e-4b8e-8c5e-0123456789ab"), &read));
}

static void timers_come_in_order_however_they_were_set(void **state)
{
	struct timers timers = { 0 };
	struct random random;
	random_seed(&random, 5);
	int64_t wakes[500];
	for (int i = 0; i < 500; i++)
		wakes[i] = INT64_MAX;
	for (int i = 0; i < 20000; i++) {
		uint64_t which = random_below(&random, 500);
		wakes[which] = random_below(&random, 5) ? (int64_t)random_below(&random, 1000) : INT64_MAX;
		timers_set(&timers, which + 1, wakes[which]);
		assert_true(timers_get(&timers, which + 1) == wakes[which]);
	}
	int64_t last = -1;
	uint64_t last_id = 0;
	assert_int_equal(timers_take_due(&timers, -1), 0);
	for (uint64_t id; (id = timers_take_due(&timers, 1000));) {
		assert_true(wakes[id - 1] > last || (wakes[id - 1] == last && id > last_id));
		last = wakes[id - 1];
		last_id = id;
		wakes[id - 1] = INT64_MAX;
	}
	for (int i = 0; i < 500; i++)
		assert_true(wakes[i] == INT64_MAX);
	assert_true(timers_next_ms(&timers) == INT64_MAX);
	timers_done(&timers);
}

static void a_token_is_valid_for_its_key_only(void **state)
{
	struct buffer token = { 0 };
	struct task_key task = { 0x123456789abcdef0, 42 }, read = { 0 };
	token_make(&key, task, &token);
	assert_true(token_read(&key, buffer_str(&token), &read));
	assert_true(read.execution_id == task.execution_id && read.event_id == 42);
	struct token_key other;
	token_key_set(&other, (const uint8_t[TOKEN_KEY_BYTES]){ 9 });
	assert_false(token_read(&other, buffer_str(&token), &read));
	for (size_t i = 0; i < token.len; i++) {
		char kept = token.data[i];
		token.data[i] = kept == 'A' ? 'B' : 'A';
		assert_false(token_read(&key, buffer_str(&token), &read));
		token.data[i] = kept;
		assert_false(token_read(&key, (struct str){ token.data, i }, &read));
	}
	assert_false(token_read(&key, STR(""), &read));
	buffer_done(&token);
}

static void a_page_token_holds_two_numbers(void **state)
{
	struct buffer token = { 0 };
	uint64_t a, b;
	page_token_make('h', 7, UINT64_MAX, &token);
	assert_true(page_token_read(buffer_str(&token), 'h', &a, &b));
	assert_true(a == 7 && b == UINT64_MAX);
	assert_false(page_token_read(buffer_str(&token), 'l', &a, &b));
	assert_false(page_token_read(STR("xyz"), 'h', &a, &b));
	buffer_done(&token);
}

static void broken_json_is_told_in_the_parsers_words(void **state)
{
	static const char *const cases[][2] = {
		{ "not some json", "Unrecognized token 'not': was expecting (JSON String, Number, Array, Object or "
				   "token 'null', 'true' or 'false')" },
		{ "{'not': 'json'",
		  "Unexpected character (''' (code 39)): was expecting double-quote to start field name" },
		{ "{\"a\" 1}",
		  "Unexpected character ('1' (code 49)): was expecting a colon to separate field name and value" },
		{ "{\"a\":1 \"b\"}",
		  "Unexpected character ('\"' (code 34)): was expecting comma to separate Object entries" },
		{ "[1 2]", "Unexpected character ('2' (code 50)): was expecting comma to separate Array entries" },
		{ "[1,]", "Unexpected character (']' (code 93)): expected a valid value (JSON String, Number, Array, "
			  "Object or token 'null', 'true' or 'false')" },
		{ "{\"a\":1", "Unexpected end-of-input: expected close marker for Object" },
		{ "[", "Unexpected end-of-input: expected close marker for Array" },
		{ "\"abc", "Unexpected end-of-input: was expecting closing quote for a string value" },
		{ "{\"abc", "Unexpected end-of-input in field name" },
		{ "01", "Invalid numeric value: Leading zeroes not allowed" },
		{ "-x", "Unexpected character ('x' (code 120)): expected digit (0-9) to follow minus sign, for valid "
			"numeric value" },
		{ "\xc3\xa9", "Unexpected character ('\xc3\xa9' (code 233)): expected a valid value (JSON String, "
			      "Number, Array, Object or token 'null', 'true' or 'false')" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct buffer out = { 0 };
		json_problem(str_of(cases[i][0]), &out);
		assert_string_equal(out.data, cases[i][1]);
		buffer_done(&out);
	}
	/* Anything at all gets some sentence. */
	struct random random;
	random_seed(&random, 3);
	static const char alphabet[] = "{}[]\",:0-1ex\\tnull \x01\xff\xc3";
	for (int i = 0; i < 20000; i++) {
		char text[24];
		size_t len = random_below(&random, sizeof text);
		for (size_t c = 0; c < len; c++)
			text[c] = alphabet[random_below(&random, sizeof alphabet - 1)];
		char *exact = mem_strndup(text, len);
		struct buffer out = { 0 };
		json_problem((struct str){ exact, len }, &out);
		assert_true(out.len > 0);
		buffer_done(&out);
		free(exact);
	}
}

int main(void)
{
	token_key_set(&key, (const uint8_t[TOKEN_KEY_BYTES]){ 1, 2, 3 });
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_arn_is_read_part_by_part),
		cmocka_unit_test(names_follow_the_rules),
		cmocka_unit_test(a_made_name_holds_its_id_and_no_other_does),
		cmocka_unit_test(timers_come_in_order_however_they_were_set),
		cmocka_unit_test(a_token_is_valid_for_its_key_only),
		cmocka_unit_test(a_page_token_holds_two_numbers),
		cmocka_unit_test(broken_json_is_told_in_the_parsers_words),
	};
	return cmocka_run_group_tests_name("engine parts", tests, NULL, NULL);
}
