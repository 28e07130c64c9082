/* Path-sharing edits, and equality. */
#include "tests/value/check.h"

#define KEY(name)                                                                                                      \
	{                                                                                                              \
		.key = { (name), sizeof(name) - 1 }, .index = -1                                                       \
	}
#define INDEX(i)                                                                                                       \
	{                                                                                                              \
		.index = (i)                                                                                           \
	}

static void an_edit_changes_the_path_and_nothing_else(void **state)
{
	static const struct {
		const char *text;
		struct value_step steps[4];
		size_t count;
		const char *edited; /* NULL: the path cannot be taken */
	} cases[] = {
		{ "{\"a\":1,\"b\":2}", { KEY("a") }, 1, "{\"a\":99,\"b\":2}" },
		{ "{\"a\":1,\"b\":2}", { KEY("c") }, 1, "{\"a\":1,\"b\":2,\"c\":99}" },
		{ "{}", { KEY("a"), KEY("b"), KEY("c") }, 3, "{\"a\":{\"b\":{\"c\":99}}}" },
		{ "{\"a\":{\"x\":1.0}}", { KEY("a"), KEY("b") }, 2, "{\"a\":{\"x\":1.0,\"b\":99}}" },
		{ "{\"a\":5}", { KEY("a"), KEY("b") }, 2, "{\"a\":{\"b\":99}}" },
		{ "{\"a\":[1]}", { KEY("a"), KEY("b") }, 2, "{\"a\":{\"b\":99}}" },
		{ "17", { KEY("a") }, 1, "{\"a\":99}" },
		{ "[1,2,3]", { INDEX(1) }, 1, "[1,99,3]" },
		{ "[1,2,3]", { INDEX(3) }, 1, "[1,2,3,99]" },
		{ "[]", { INDEX(0) }, 1, "[99]" },
		{ "[1,2,3]", { INDEX(4) }, 1, NULL },
		{ "[]", { INDEX(INT64_MAX) }, 1, NULL },
		{ "{\"a\":[{\"b\":1E6},2]}", { KEY("a"), INDEX(0), KEY("b") }, 3, "{\"a\":[{\"b\":99},2]}" },
		{ "{\"a\":[{\"b\":1E6},2]}", { KEY("a"), INDEX(1), KEY("b") }, 3, "{\"a\":[{\"b\":1E6},{\"b\":99}]}" },
		{ "{\"a\":[{\"b\":1E6},2]}",
		  { KEY("a"), INDEX(2), KEY("b") },
		  3,
		  "{\"a\":[{\"b\":1E6},2,{\"b\":99}]}" },
		{ "{}", { KEY("a"), INDEX(0) }, 2, NULL },
		{ "{\"a\":{}}", { KEY("a"), INDEX(0) }, 2, NULL },
		{ "{\"a\":\"x\"}", { KEY("a"), INDEX(0) }, 2, NULL },
		{ "{\"0\":1}", { INDEX(0) }, 1, NULL },
		{ "{\"a\":1,\"a\":2,\"b\":3}", { KEY("b") }, 1, "{\"a\":2,\"b\":99}" },
		{ "[1]", { { .index = 0 } }, 0, "99" },
	};
	_cleanup_value_ struct value *item = value_from_int(99);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		_cleanup_value_ struct value *value = parsed(cases[i].text);
		_cleanup_value_ struct value *edited = value_with(value, cases[i].steps, cases[i].count, item);
		assert_int_equal(edited != NULL, cases[i].edited != NULL);
		if (edited)
			assert_json(edited, cases[i].edited);
		assert_json(value, cases[i].text);
		/* The same on a built value. */
		_cleanup_value_ struct value *built =
		    edited ? value_with(edited, cases[i].steps, cases[i].count, item) : NULL;
		if (built && cases[i].count && cases[i].steps[cases[i].count - 1].index < 0)
			assert_json(built, cases[i].edited);
	}
}

static void what_is_off_the_path_is_shared(void **state)
{
	_cleanup_value_ struct value *value = parsed("{\"a\":{\"x\":[1,2]},\"b\":{\"y\":1}}");
	struct value_step steps[] = { KEY("a"), KEY("z") };
	_cleanup_value_ struct value *item = value_from_string(STR("new"));
	_cleanup_value_ struct value *edited = value_with(value, steps, 2, item);
	assert_ptr_equal(value_getz(edited, "b"), value_getz(value, "b"));
	assert_ptr_equal(value_getz(value_getz(edited, "a"), "x"), value_getz(value_getz(value, "a"), "x"));
	assert_ptr_equal(value_getz(value_getz(edited, "a"), "z"), item);
	value_unrefp(&value);
	assert_json(edited, "{\"a\":{\"x\":[1,2],\"z\":\"new\"},\"b\":{\"y\":1}}");
}

static void many_edits_of_a_large_object_find_their_keys(void **state)
{
	_cleanup_value_ struct value *value = value_new_object(0);
	_cleanup_value_ struct value *item = value_from_int(1);
	for (int i = 0; i < 200; i++) {
		char key[16];
		snprintf(key, sizeof key, "key %d", i % 100);
		struct value_step step = { .key = str_of(key), .index = -1 };
		struct value *edited = value_with(value, &step, 1, item);
		value_unref(value);
		value = edited;
		assert_int_equal(value_count(value), i < 100 ? i + 1 : 100);
	}
	for (int i = 0; i < 100; i++) {
		char key[16];
		snprintf(key, sizeof key, "key %d", i);
		assert_int_equal(value_index_of(value, str_of(key)), i);
	}
}

static void a_path_of_any_length_is_walked(void **state)
{
	enum { STEPS = 200000 };
	struct value_step *steps = mem_alloc(STEPS * sizeof *steps);
	for (int i = 0; i < STEPS; i++)
		steps[i] = (struct value_step)KEY("k");
	_cleanup_value_ struct value *empty = value_new_object(0), *null = value_new_null();
	_cleanup_value_ struct value *deep = value_with(empty, steps, STEPS, null);
	_cleanup_value_ struct value *deeper = value_with(deep, steps, STEPS, empty);
	assert_int_equal(value_text_len(deep), STEPS * 6 + 4);
	assert_int_equal(value_text_len(deeper), STEPS * 6 + 2);
	mem_freep(&steps);
}

static void values_are_equal_whatever_their_order_and_writing(void **state)
{
	static const struct {
		const char *a, *b;
		bool equal;
	} cases[] = {
		{ "null", "null", true },
		{ "null", "false", false },
		{ "true", "true", true },
		{ "true", "false", false },
		{ "0", "false", false },
		{ "0", "\"0\"", false },
		{ "\"a\"", "\"\\u0061\"", true },
		{ "\"a\"", "\"A\"", false },
		{ "[]", "[]", true },
		{ "[]", "{}", false },
		{ "[1,2]", "[1,2.0]", true },
		{ "[1,2]", "[2,1]", false },
		{ "[1,2]", "[1,2,3]", false },
		{ "[[1,[2]]]", "[[1,[2e0]]]", true },
		{ "[[1,[2]]]", "[[1,[3]]]", false },
		{ "{\"a\":1,\"b\":[2]}", "{\"b\":[2],\"a\":1}", true },
		{ "{\"a\":1}", "{\"b\":1}", false },
		{ "{\"a\":1}", "{\"a\":1,\"b\":2}", false },
		{ "{\"a\":1,\"b\":2}", "{\"a\":1,\"c\":2}", false },
		{ "{\"a\":0,\"a\":1}", "{\"a\":1}", true },
		{ "{\"\\u0061\":{}}", "{\"a\":{}}", true },
		{ "{\"a\":null}", "{}", false },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		_cleanup_value_ struct value *a = parsed(cases[i].a), *b = parsed(cases[i].b);
		_cleanup_value_ struct value *list = value_new_array(0), *other = value_new_array(0);
		assert_int_equal(value_equal(a, b), cases[i].equal);
		assert_int_equal(value_equal(b, a), cases[i].equal);
		assert_true(value_equal(a, a));
		value_array_add(list, a);
		value_array_add(other, b);
		assert_int_equal(value_equal(list, other), cases[i].equal);
		assert_false(value_equal(list, a));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_edit_changes_the_path_and_nothing_else),
		cmocka_unit_test(what_is_off_the_path_is_shared),
		cmocka_unit_test(many_edits_of_a_large_object_find_their_keys),
		cmocka_unit_test(a_path_of_any_length_is_walked),
		cmocka_unit_test(values_are_equal_whatever_their_order_and_writing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
