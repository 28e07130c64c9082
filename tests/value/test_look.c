/* Looking into documents: kinds, scalars, strings and their escapes, members, trusted text. */
#include "tests/value/check.h"

static void each_kind_is_told(void **state)
{
	static const struct {
		const char *text, *name;
		enum value_kind kind;
	} cases[] = { { "null", "null", VALUE_NULL },     { "true", "boolean", VALUE_BOOL },
		      { "false", "boolean", VALUE_BOOL }, { "-1", "number", VALUE_NUMBER },
		      { "0", "number", VALUE_NUMBER },    { "\"\"", "string", VALUE_STRING },
		      { "[]", "array", VALUE_ARRAY },     { "{}", "object", VALUE_OBJECT } };
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		_cleanup_value_ struct value *value = parsed(cases[i].text);
		_cleanup_value_ struct value *trusted = value_from_trusted_text(str_of(cases[i].text));
		char list[32];
		snprintf(list, sizeof list, "[%s]", cases[i].text);
		_cleanup_value_ struct value *parent = parsed(list);
		const struct value *faces[] = { value, trusted, value_at(parent, 0) };
		for (int j = 0; j < 3; j++) {
			assert_int_equal(value_kind(faces[j]), cases[i].kind);
			assert_string_equal(value_kind_name(value_kind(faces[j])), cases[i].name);
			assert_int_equal(value_bool(faces[j]), strcmp(cases[i].text, "true") == 0);
			assert_json(faces[j], cases[i].text);
		}
	}
}

static void the_wrong_question_gets_an_empty_answer(void **state)
{
	static const char *const texts[] = { "null", "true", "1", "\"x\"", "[1]", "{\"a\":1}" };
	for (int i = 0; i < 6; i++) {
		_cleanup_value_ struct value *value = parsed(texts[i]);
		int64_t number = 77;
		assert_int_equal(value_int64(value, &number), i == 2);
		assert_int_equal(number, i == 2 ? 1 : 77);
		assert_true(value_number(value) == (i == 2));
		assert_text(value_number_text(value), i == 2 ? "1" : "");
		assert_text(value_string(value), i == 3 ? "x" : "");
		assert_int_equal(value_count(value), i >= 4);
		assert_int_equal(value_at(value, 0) != NULL, i >= 4);
		assert_null(value_at(value, 1));
		assert_null(value_at(value, SIZE_MAX));
		assert_text(value_key_at(value, 0), i == 5 ? "a" : "");
		assert_text(value_key_at(value, 1), "");
		assert_int_equal(value_getz(value, "a") != NULL, i == 5);
		assert_int_equal(value_index_of(value, STR("a")), i == 5 ? 0 : -1);
	}
}

static void strings_are_decoded(void **state)
{
	static const struct {
		const char *token;
		struct str text;
	} cases[] = {
		{ "\"\"", STR("") },
		{ "\"plain\"", STR("plain") },
		{ "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", STR("\"\\/\b\f\n\r\t") },
		{ "\"a\\u0041b\\u00e4\\u20AC\\ud83d\\ude00\"", STR("aAb\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80") },
		{ "\"\\u0000x\"", STR("\0x") },
		{ "\"\\ud800\"", STR("\xed\xa0\x80") },
		{ "\"\\udfff\\ud800\"", STR("\xed\xbf\xbf\xed\xa0\x80") },
		{ "\"\\ud800\\ud83d\\ude00\"", STR("\xed\xa0\x80\xf0\x9f\x98\x80") },
		{ "\"\\ud83d\\n\"", STR("\xed\xa0\xbd\n") },
		{ "\"\\ud83d\\u0041\"", STR("\xed\xa0\xbd"
					    "A") },
		{ "\"\\ud83d\\\\ude00\"", STR("\xed\xa0\xbd\\ude00") },
		{ "\"\xc3\xa4\\n\xe2\x82\xac and more than sixteen bytes\\\\\"",
		  STR("\xc3\xa4\n\xe2\x82\xac and more than sixteen bytes\\") },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char text[200];
		snprintf(text, sizeof text, "{\"k\":[%s],%s:1}", cases[i].token, cases[i].token);
		_cleanup_value_ struct value *parent = parsed(text), *value = parsed(cases[i].token);
		const struct value *inner = value_at(value_getz(parent, "k"), 0);
		for (int round = 0; round < 2; round++) { /* decoded, then remembered */
			assert_true(str_eq(value_string(value), cases[i].text));
			assert_true(str_eq(value_string(inner), cases[i].text));
		}
		assert_true(str_eq(value_key_at(parent, 1), cases[i].text));
		assert_non_null(value_get(parent, cases[i].text));
		assert_json(inner, cases[i].token);
	}
}

static void members_are_found_in_objects_of_any_size(void **state)
{
	for (int count = 0; count < 300; count = count * 5 / 4 + 1) {
		_cleanup_(buffer_done) struct buffer text = { 0 };
		buffer_byte(&text, '{');
		for (int i = 0; i < count; i++)
			buffer_printf(&text, "%s\"key %d\":%d", i ? "," : "", i, i * 2);
		buffer_byte(&text, '}');
		_cleanup_value_ struct value *value = parsed(text.data);
		assert_int_equal(value_count(value), count);
		for (int i = 0; i < count; i++) {
			char key[16];
			snprintf(key, sizeof key, "key %d", i);
			assert_text(value_key_at(value, (size_t)i), key);
			assert_int_equal(value_index_of(value, str_of(key)), i);
			assert_true(value_number(value_getz(value, key)) == i * 2);
			assert_ptr_equal(value_getz(value, key), value_at(value, (size_t)i));
		}
		assert_null(value_getz(value, "key"));
		assert_null(value_getz(value, "key 300"));
		assert_null(value_getz(value, ""));
	}
}

static void a_key_that_stands_twice_has_its_first_place_and_last_value(void **state)
{
	_cleanup_value_ struct value *small = parsed("{\"a\":1,\"b\":2,\"a\":[3],\"c\":4,\"\\u0061\":{\"x\":5}}");
	assert_int_equal(value_count(small), 3);
	assert_text(value_key_at(small, 0), "a");
	assert_json(value_at(small, 0), "{\"x\":5}");
	assert_json(value_getz(value_getz(small, "a"), "x"), "5");
	assert_json(value_at(small, 2), "4");
	/* The text stays as it is. */
	assert_json(small, "{\"a\":1,\"b\":2,\"a\":[3],\"c\":4,\"\\u0061\":{\"x\":5}}");

	_cleanup_(buffer_done) struct buffer text = { 0 };
	for (int i = 0; i < 1000; i++)
		buffer_printf(&text, "%s\"k%d\":%d", i ? "," : "{", i % 100, i);
	buffer_byte(&text, '}');
	_cleanup_value_ struct value *large = parsed(text.data);
	assert_int_equal(value_count(large), 100);
	for (int i = 0; i < 100; i++) {
		char key[8];
		snprintf(key, sizeof key, "k%d", i);
		assert_text(value_key_at(large, (size_t)i), key);
		assert_true(value_number(value_getz(large, key)) == 900 + i);
	}
}

static void a_child_knows_its_text(void **state)
{
	_cleanup_value_ struct value *value = parsed("{ \"a\": [ 1.50, { \"b\": \"x\\ny\" } ], \"c\": 1E6 }");
	assert_json(value_getz(value, "a"), "[1.50,{\"b\":\"x\\ny\"}]");
	assert_json(value_at(value_getz(value, "a"), 0), "1.50");
	assert_json(value_getz(value_at(value_getz(value, "a"), 1), "b"), "\"x\\ny\"");
	assert_json(value_getz(value, "c"), "1E6");
	assert_text(value_number_text(value_getz(value, "c")), "1E6");
	/* Free: it is a piece of the whole. */
	assert_ptr_equal(value_text(value_getz(value, "c")).ptr, value_text(value).ptr + value_text_len(value) - 4);
}

static void a_child_keeps_its_document_alive(void **state)
{
	struct value *value = parsed("{\"a\":[1,{\"b\":\"text\\n\"}]}");
	struct value *child = value_ref(value_at(value_getz(value, "a"), 1));
	value_unref(value);
	assert_json(child, "{\"b\":\"text\\n\"}");
	assert_text(value_string(value_getz(child, "b")), "text\n");
	value_unref(child);
	value_unref(NULL);
}

static void trusted_text_is_looked_at_only_when_asked(void **state)
{
	_cleanup_value_ struct value *value = value_from_trusted_text(STR("{\"a\":[1,2]}"));
	assert_json(value, "{\"a\":[1,2]}");
	assert_int_equal(value_kind(value), VALUE_OBJECT);
	assert_int_equal(value_count(value_getz(value, "a")), 2);
	assert_false(value_damaged(value));
	_cleanup_value_ struct value *text = value_from_trusted_text(STR("\"a\\tb\""));
	assert_text(value_string(text), "a\tb");
	_cleanup_value_ struct value *number = value_from_trusted_text(STR("17.5"));
	assert_true(value_number(number) == 17.5);
}

static void damaged_text_is_null_once_it_is_looked_at(void **state)
{
	static const char *const texts[] = { "",         "{",     "{\"a\":1", "[1 ,2]", " 1",   "1 ",      "nul",
					     "\"\xff\"", "\"abc", "1x",       "xyz",    "{}{}", "\"\\q\"", "[1,2]\n" };
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		_cleanup_value_ struct value *asked = value_from_trusted_text(str_of(texts[i]));
		_cleanup_value_ struct value *looked = value_from_trusted_text(str_of(texts[i]));
		assert_true(value_damaged(asked));
		int64_t number;
		assert_int_equal(value_count(looked), 0);
		assert_false(value_int64(looked, &number));
		assert_text(value_string(looked), "");
		assert_int_equal(value_kind(looked), VALUE_NULL);
		assert_json(looked, "null");
		assert_true(value_damaged(looked));
		_cleanup_value_ struct value *again = value_from_trusted_text(str_of(texts[i]));
		assert_true(value_number(again) == 0 && !value_bool(again) && !value_getz(again, "a"));
	}
	_cleanup_value_ struct value *good = parsed("[]"), *built = value_new_array(0), *null = value_new_null();
	assert_false(value_damaged(good) || value_damaged(built) || value_damaged(null));
}

static void trusted_text_may_nest_as_deeply_as_any_limit_allows(void **state)
{
	for (int depth = 4096; depth <= 4097; depth++) {
		_cleanup_(buffer_done) struct buffer text = { 0 };
		for (int i = 0; i < depth; i++)
			buffer_byte(&text, '[');
		for (int i = 0; i < depth; i++)
			buffer_byte(&text, ']');
		_cleanup_value_ struct value *value = value_from_trusted_text(buffer_str(&text));
		assert_int_equal(value_depth(value), depth == 4096 ? 4096 : 0);
		assert_int_equal(value_damaged(value), depth > 4096);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_kind_is_told),
		cmocka_unit_test(the_wrong_question_gets_an_empty_answer),
		cmocka_unit_test(strings_are_decoded),
		cmocka_unit_test(members_are_found_in_objects_of_any_size),
		cmocka_unit_test(a_key_that_stands_twice_has_its_first_place_and_last_value),
		cmocka_unit_test(a_child_knows_its_text),
		cmocka_unit_test(a_child_keeps_its_document_alive),
		cmocka_unit_test(trusted_text_is_looked_at_only_when_asked),
		cmocka_unit_test(damaged_text_is_null_once_it_is_looked_at),
		cmocka_unit_test(trusted_text_may_nest_as_deeply_as_any_limit_allows),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
