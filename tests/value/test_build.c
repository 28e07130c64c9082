/* Making values: builders, references, strings that are not UTF-8, deep and shared values, and writing. */
#include "tests/value/check.h"

static void scalars_are_written(void **state)
{
	_cleanup_value_ struct value *array = value_new_array(0);
	value_array_take(array, value_new_null());
	value_array_take(array, value_new_bool(true));
	value_array_take(array, value_new_bool(false));
	value_array_take(array, value_from_int(-42));
	value_array_take(array, value_from_double(0.5));
	value_array_take(array, value_from_number_text(STR("1.50E+3")));
	value_array_take(array, value_from_string(STR("a\"b")));
	value_array_take(array, value_new_array(0));
	value_array_take(array, value_new_object(5));
	assert_int_equal(value_count(array), 9);
	assert_json(array, "[null,true,false,-42,0.5,1.50E+3,\"a\\\"b\",[],{}]");
	assert_text(value_string(value_at(array, 6)), "a\"b");
	assert_true(value_bool(value_at(array, 1)) && !value_bool(value_at(array, 2)));
	assert_true(value_number(value_at(array, 5)) == 1500);
	for (size_t i = 0; i < value_count(array); i++) { /* each by itself, too, is what was parsed from its text */
		_cleanup_(buffer_done) struct buffer text = { 0 };
		value_write(value_at(array, i), &text);
		assert_true(str_eq(buffer_str(&text), value_text(value_at(array, i))));
		_cleanup_value_ struct value *back = parsed(text.data);
		assert_true(value_equal(back, value_at(array, i)));
	}
}

static void null_true_and_false_need_no_counting(void **state)
{
	struct value *null = value_new_null();
	for (int i = 0; i < 10; i++)
		value_unref(null);
	assert_json(null, "null");
	assert_ptr_equal(value_ref(null), null);
}

static void objects_keep_the_order_of_their_keys(void **state)
{
	_cleanup_value_ struct value *object = value_new_object(0);
	value_object_setz(object, "z", "1");
	value_object_take(object, STR("a"), value_from_int(2));
	value_object_setz(object, "", "empty");
	value_object_setz(object, "z", "replaced");
	assert_json(object, "{\"z\":\"replaced\",\"a\":2,\"\":\"empty\"}");
	assert_int_equal(value_count(object), 3);
	assert_text(value_key_at(object, 1), "a");
	assert_text(value_string(value_getz(object, "")), "empty");
	assert_int_equal(value_index_of(object, STR("b")), -1);
}

static void large_objects_are_built_and_found(void **state)
{
	_cleanup_value_ struct value *object = value_new_object(0);
	for (int round = 0; round < 2; round++)
		for (int i = 0; i < 3000; i++) {
			char key[16];
			snprintf(key, sizeof key, "key %d", i);
			value_object_take(object, str_of(key), value_from_int(i + round));
			assert_int_equal(value_count(object), round ? 3000 : i + 1);
		}
	for (int i = 0; i < 3000; i++) {
		char key[16];
		snprintf(key, sizeof key, "key %d", i);
		assert_true(value_number(value_getz(object, key)) == i + 1);
		assert_text(value_key_at(object, (size_t)i), key);
	}
	_cleanup_value_ struct value *back = parsed(value_text(object).ptr);
	assert_true(value_equal(object, back));
}

static void borrowed_keys_stay_while_others_are_added(void **state)
{
	_cleanup_value_ struct value *object = value_new_object(0);
	value_object_setz(object, "first", "x");
	struct str first = value_key_at(object, 0);
	char key[300];
	for (int i = 0; i < 500; i++) {
		memset(key, 'k', sizeof key);
		snprintf(key + i % 200, 16, "%d", i);
		value_object_setz(object, key, "y");
	}
	assert_text(first, "first");
}

static void items_are_shared_and_counted(void **state)
{
	struct value *text = value_from_string(STR("shared"));
	_cleanup_value_ struct value *document = parsed("{\"a\":{\"b\":[1.0,2]}}");
	struct value *array = value_new_array(1);
	value_array_add(array, text);
	value_array_add(array, text);
	value_array_add(array, value_getz(document, "a"));
	value_unref(text);
	value_unrefp(&document);
	assert_null(document);
	assert_json(array, "[\"shared\",\"shared\",{\"b\":[1.0,2]}]");
	struct value *item = value_ref(value_at(array, 2));
	value_unref(array);
	assert_json(item, "{\"b\":[1.0,2]}");
	value_unref(item);
}

static void untouched_parts_keep_their_text(void **state)
{
	_cleanup_value_ struct value *document =
	    parsed("{ \"n\": [1E6, 0.1, 18446744073709551616, 1.0], \"s\": \"\\u0041\\/\" }");
	_cleanup_value_ struct value *object = value_new_object(2);
	value_object_set(object, STR("whole"), document);
	value_object_set(object, STR("n"), value_getz(document, "n"));
	value_object_set(object, STR("s"), value_getz(document, "s"));
	assert_json(object, "{\"whole\":{\"n\":[1E6,0.1,18446744073709551616,1.0],\"s\":\"\\u0041\\/\"},"
			    "\"n\":[1E6,0.1,18446744073709551616,1.0],\"s\":\"\\u0041\\/\"}");
}

static void strings_are_escaped_where_json_says_so(void **state)
{
	static const struct {
		struct str text;
		const char *token;
	} cases[] = {
		{ STR(""), "\"\"" },
		{ STR("plain / text"), "\"plain / text\"" },
		{ STR("\"\\\b\f\n\r\t"), "\"\\\"\\\\\\b\\f\\n\\r\\t\"" },
		{ STR("\0\x01\x1f\x7f"), "\"\\u0000\\u0001\\u001f\x7f\"" },
		{ STR("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"), "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"" },
		{ STR("\xed\xa0\x80"), "\"\\ud800\"" },
		{ STR("x\xed\xbf\xbfy"), "\"x\\udfffy\"" },
		{ STR("a long text without anything special in its first sixteen bytes\n"),
		  "\"a long text without anything special in its first sixteen bytes\\n\"" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		_cleanup_(buffer_done) struct buffer text = { 0 };
		value_write_string(cases[i].text, &text);
		assert_text(buffer_str(&text), cases[i].token);
		_cleanup_value_ struct value *value = value_from_string(cases[i].text), *back = parsed(cases[i].token);
		assert_int_equal(value_text_len(value), strlen(cases[i].token));
		assert_json(value, cases[i].token);
		assert_true(value_equal(value, back));
		_cleanup_value_ struct value *object = value_new_object(1);
		value_object_set(object, cases[i].text, value);
		char wanted[300];
		snprintf(wanted, sizeof wanted, "{%s:%s}", cases[i].token, cases[i].token);
		assert_int_equal(value_text_len(object), strlen(wanted));
		assert_json(object, wanted);
	}
}

static void what_is_not_utf8_is_replaced(void **state)
{
	static const struct {
		struct str text, sane;
	} cases[] = {
		{ STR("\xff"), STR("\xef\xbf\xbd") },
		{ STR("a\x80"
		      "b\xc3"),
		  STR("a\xef\xbf\xbd"
		      "b\xef\xbf\xbd") },
		{ STR("\xc0\x80"), STR("\xef\xbf\xbd\xef\xbf\xbd") },
		{ STR("\xf4\x90\x80\x80"), STR("\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd") },
		{ STR("\xed\xa0"), STR("\xef\xbf\xbd\xef\xbf\xbd") },
		/* A lone surrogate is kept; two halves that meet become what they stand for. */
		{ STR("\xed\xa0\xbd"), STR("\xed\xa0\xbd") },
		{ STR("\xed\xb8\x80\xed\xa0\xbd"), STR("\xed\xb8\x80\xed\xa0\xbd") },
		{ STR("<\xed\xa0\xbd\xed\xb8\x80>"), STR("<\xf0\x9f\x98\x80>") },
		{ STR("\xed\xa0\xbd\xed\xa0\xbd\xed\xb8\x80"), STR("\xed\xa0\xbd\xf0\x9f\x98\x80") },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		_cleanup_value_ struct value *value = value_from_string(cases[i].text), *object = value_new_object(0);
		assert_true(str_eq(value_string(value), cases[i].sane));
		value_object_set(object, cases[i].text, value);
		value_object_set(object, cases[i].sane, value); /* the same key */
		value_object_set(object, cases[i].text, value);
		assert_int_equal(value_count(object), 1);
		assert_true(str_eq(value_key_at(object, 0), cases[i].sane));
		struct value *back = NULL;
		assert_int_equal(value_parse(value_text(object), NULL, &back, NULL), 0);
		assert_true(value_equal(object, back));
		value_unref(back);
	}
	_cleanup_(buffer_done) struct buffer text = { 0 };
	value_write_string(STR("a\xff"
			       "b\xe2\x82"),
			   &text);
	assert_text(buffer_str(&text), "\"a\xef\xbf\xbd"
				       "b\xef\xbf\xbd\xef\xbf\xbd\"");
}

static void a_million_levels_are_measured_written_compared_and_freed(void **state)
{
	enum { LEVELS = 1000000 };
	struct value *deep[2];
	for (int side = 0; side < 2; side++) {
		deep[side] = value_new_array(1);
		for (int i = 1; i < LEVELS; i++) {
			struct value *outer = i % 2 ? value_new_object(1) : value_new_array(1);
			if (i % 2)
				value_object_take(outer, STR("k"), deep[side]);
			else
				value_array_take(outer, deep[side]);
			deep[side] = outer;
		}
	}
	assert_int_equal(value_depth(deep[0]), UINT16_MAX);
	assert_int_equal(value_text_len(deep[0]), LEVELS / 2 * 6 + LEVELS / 2 * 2);
	assert_true(value_equal(deep[0], deep[1]));
	assert_int_equal(value_text(deep[0]).len, value_text_len(deep[0]));
	_cleanup_(buffer_done) struct buffer text = { 0 };
	value_write(deep[1], &text);
	assert_true(str_eq(buffer_str(&text), value_text(deep[0])));
	value_unref(deep[0]);
	value_unref(deep[1]);
}

static void a_text_too_long_for_memory_is_still_measured(void **state)
{
	struct value *value = value_from_string(STR("x"));
	for (int i = 0; i < 100; i++) { /* 2^100 times "x" */
		struct value *twice = value_new_array(2);
		value_array_add(twice, value);
		value_array_take(twice, value);
		value = twice;
	}
	assert_int_equal(value_depth(value), 100);
	assert_true(value_text_len(value) == SIZE_MAX);
	const struct value *inner = value;
	for (int i = 0; i < 70; i++)
		inner = value_at(inner, 0);
	assert_true(value_text_len(inner) == (1ull << 30) * 3 + ((1ull << 30) - 1) * 3);
	value_unref(value);
}

static void shared_items_are_written_each_time(void **state)
{
	_cleanup_value_ struct value *value = value_from_int(7);
	for (int i = 0; i < 3; i++) {
		struct value *twice = value_new_array(2);
		value_array_add(twice, value);
		value_array_take(twice, value);
		value = twice;
	}
	assert_json(value, "[[[7,7],[7,7]],[[7,7],[7,7]]]");
	assert_int_equal(value_depth(value), 3);
}

static void measuring_does_not_parse_and_writing_does_not_either(void **state)
{
	/* Text that is not JSON passes through until somebody looks into it. */
	_cleanup_value_ struct value *trusted = value_from_trusted_text(STR("[garbage")), *array = value_new_array(1);
	value_array_add(array, trusted);
	assert_int_equal(value_text_len(array), 10);
	assert_json(array, "[[garbage]");
	assert_int_equal(value_depth(array), 1);
	assert_true(value_damaged(trusted));
}

static void pretty_text_is_indented_by_two(void **state)
{
	_cleanup_value_ struct value *document = parsed("{\"a\":[1,{\"b\":\"\\u0041\"},[],{}],\"\\n\":1E6}"),
				     *object = value_new_object(0);
	static const char pretty[] =
	    "{\n  \"a\": [\n    1,\n    {\n      \"b\": \"\\u0041\"\n    },\n    [],\n    {}\n  ],\n  \"\\n\": 1E6\n}";
	_cleanup_(buffer_done) struct buffer text = { 0 };
	value_write_pretty(document, &text);
	assert_text(buffer_str(&text), pretty);
	for (size_t i = 0; i < value_count(document); i++)
		value_object_set(object, value_key_at(document, i), value_at(document, i));
	value_text(object);
	buffer_clear(&text);
	value_write_pretty(object, &text);
	assert_text(buffer_str(&text), pretty);
	_cleanup_value_ struct value *number = value_from_int(5);
	buffer_clear(&text);
	value_write_pretty(number, &text);
	assert_text(buffer_str(&text), "5");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scalars_are_written),
		cmocka_unit_test(null_true_and_false_need_no_counting),
		cmocka_unit_test(objects_keep_the_order_of_their_keys),
		cmocka_unit_test(large_objects_are_built_and_found),
		cmocka_unit_test(borrowed_keys_stay_while_others_are_added),
		cmocka_unit_test(items_are_shared_and_counted),
		cmocka_unit_test(untouched_parts_keep_their_text),
		cmocka_unit_test(strings_are_escaped_where_json_says_so),
		cmocka_unit_test(what_is_not_utf8_is_replaced),
		cmocka_unit_test(a_million_levels_are_measured_written_compared_and_freed),
		cmocka_unit_test(a_text_too_long_for_memory_is_still_measured),
		cmocka_unit_test(shared_items_are_written_each_time),
		cmocka_unit_test(measuring_does_not_parse_and_writing_does_not_either),
		cmocka_unit_test(pretty_text_is_indented_by_two),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
