/* Reading text: what is JSON, what is not and where, and what compacting leaves. */
#include "tests/value/check.h"

static void valid_texts_are_compacted(void **state)
{
	static const struct {
		const char *text, *compact; /* NULL: the same */
	} cases[] = {
		{ "null" },
		{ "true" },
		{ "false" },
		{ "0" },
		{ "-0" },
		{ "10" },
		{ "-1.5e+10" },
		{ "1E6" },
		{ "0.1" },
		{ "0e0" },
		{ "0E-0" },
		{ "18446744073709551616" },
		{ "1.0" },
		{ "\"\"" },
		{ "\"a b\"" },
		{ "[]" },
		{ "{}" },
		{ "[[]]" },
		{ "[{}]" },
		{ "{\"\":{}}" },
		{ "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\uD83d\\udE00\"" },
		{ " null ", "null" },
		{ "\t\r\n 5\n", "5" },
		{ "[ ]", "[]" },
		{ "{ \n }", "{}" },
		{ " [ 1 , 2 ] ", "[1,2]" },
		{ "{ \"a\" : 1 , \"b\" : [ ] }", "{\"a\":1,\"b\":[]}" },
		{ "[\" a , b \" , \"\\\" ] \"]", "[\" a , b \",\"\\\" ] \"]" },
		{ "{\"a\":1,\n\"b\":2,\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\"a longer key than sixteen\": \"and a "
		  "longer text\"\n}",
		  "{\"a\":1,\"b\":2,\"a longer key than sixteen\":\"and a longer text\"}" },
		{ "[1,                    2,                             3]", "[1,2,3]" },
		{ "{\"a\":1,\"a\":2}" },
		{ "[1.5,-0.0,1e400,1e-400]" },
		{ "\"\x7f\"" },
		{ "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"" },
		{ "\"\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf\"" },
		{ "\"\\u0000\"" },
		{ "\"\\ud800\"" },
		{ "\"\\udc00\\ud800\"" },
		{ "\"\\ud800\\u0041\"" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		_cleanup_value_ struct value *value = parsed(cases[i].text);
		const char *wanted = cases[i].compact ? cases[i].compact : cases[i].text;
		assert_json(value, wanted);
		assert_int_equal(value_text_len(value), strlen(wanted));
		value_count(value); /* and the same with a tree */
		assert_json(value, wanted);
	}
}

static void mistakes_are_told_with_their_place(void **state)
{
	static const struct {
		const char *text, *where, *message;
	} cases[] = {
		{ "", "line 1, column 1", "expected a value, found the end of the text" },
		{ "  \n ", "line 2, column 2", "expected a value, found the end of the text" },
		{ "x", "line 1, column 1", "expected a value, found 'x'" },
		{ "\xc3\xa4", "line 1, column 1", "expected a value, found '\xc3\xa4'" },
		{ "\xff", "line 1, column 1", "expected a value, found the byte 0xff, which is not UTF-8" },
		{ "\xef\xbb\xbf{}", "line 1, column 1", "expected a value, found '\xef\xbb\xbf'" },
		{ "\x01", "line 1, column 1", "expected a value, found the control character U+0001" },
		{ "'a'", "line 1, column 1", "expected a value, found '''" },
		{ "NaN", "line 1, column 1", "expected a value, found 'N'" },
		{ "nul", "line 1, column 4", "expected true, false or null, found the end of the text" },
		{ "trUe", "line 1, column 3", "expected true, false or null, found 'U'" },
		{ "[fals]", "line 1, column 6", "expected true, false or null, found ']'" },
		{ "true false", "line 1, column 6", "expected nothing after the value, found 'f'" },
		{ "nulll", "line 1, column 5", "expected nothing after the value, found 'l'" },
		{ "{} []", "line 1, column 4", "expected nothing after the value, found '['" },
		{ "1 // one", "line 1, column 3", "expected nothing after the value, found '/'" },
		{ "]", "line 1, column 1", "expected a value, found ']'" },
		{ "[", "line 1, column 2", "expected a value, found the end of the text" },
		{ "[1", "line 1, column 3", "expected ',' or ']', found the end of the text" },
		{ "[1,", "line 1, column 4", "expected a value, found the end of the text" },
		{ "[1,]", "line 1, column 4", "expected a value, found ']'" },
		{ "[,1]", "line 1, column 2", "expected a value, found ','" },
		{ "[1 2]", "line 1, column 4", "expected ',' or ']', found '2'" },
		{ "[1}", "line 1, column 3", "expected ',' or ']', found '}'" },
		{ "[1:2]", "line 1, column 3", "expected ',' or ']', found ':'" },
		{ "{", "line 1, column 2", "expected a key in quotes, found the end of the text" },
		{ "{a:1}", "line 1, column 2", "expected a key in quotes, found 'a'" },
		{ "{1:1}", "line 1, column 2", "expected a key in quotes, found '1'" },
		{ "{,}", "line 1, column 2", "expected a key in quotes, found ','" },
		{ "{\"a\"", "line 1, column 5", "expected ':' after a key, found the end of the text" },
		{ "{\"a\" 1}", "line 1, column 6", "expected ':' after a key, found '1'" },
		{ "{\"a\":}", "line 1, column 6", "expected a value, found '}'" },
		{ "{\"a\":1", "line 1, column 7", "expected ',' or '}', found the end of the text" },
		{ "{\"a\":1]", "line 1, column 7", "expected ',' or '}', found ']'" },
		{ "{\"a\":1,}", "line 1, column 8", "expected a key in quotes, found '}'" },
		{ "{\n  \"a\": 1\n  \"b\": 2\n}", "line 3, column 3", "expected ',' or '}', found '\"'" },
		{ "{\n  \"\xc3\xa4\xe2\x82\xac\": x}", "line 2, column 9", "expected a value, found 'x'" },
		{ "01", "line 1, column 2", "a number must not begin with 0" },
		{ "-01", "line 1, column 3", "a number must not begin with 0" },
		{ "-", "line 1, column 2", "expected a digit after '-', found the end of the text" },
		{ "-a", "line 1, column 2", "expected a digit after '-', found 'a'" },
		{ "+1", "line 1, column 1", "expected a value, found '+'" },
		{ ".5", "line 1, column 1", "expected a value, found '.'" },
		{ "1.", "line 1, column 3", "expected a digit after '.', found the end of the text" },
		{ "[1.]", "line 1, column 4", "expected a digit after '.', found ']'" },
		{ "1.e5", "line 1, column 3", "expected a digit after '.', found 'e'" },
		{ "1e", "line 1, column 3", "expected a digit in the exponent, found the end of the text" },
		{ "1e+", "line 1, column 4", "expected a digit in the exponent, found the end of the text" },
		{ "1E-x", "line 1, column 4", "expected a digit in the exponent, found 'x'" },
		{ "0x10", "line 1, column 2", "expected nothing after the value, found 'x'" },
		{ "1.5.5", "line 1, column 4", "expected nothing after the value, found '.'" },
		{ "\"", "line 1, column 2", "expected '\"' at the end of a string, found the end of the text" },
		{ "\"abc", "line 1, column 5", "expected '\"' at the end of a string, found the end of the text" },
		{ "\"abc\\\"", "line 1, column 7", "expected '\"' at the end of a string, found the end of the text" },
		{ "\"a\nb\"", "line 1, column 3",
		  "the control character U+000A in a string must be written as an escape" },
		{ "\"a\x1f\"", "line 1, column 3",
		  "the control character U+001F in a string must be written as an escape" },
		{ "\"\\", "line 1, column 3",
		  "expected one of \" \\ / b f n r t u after a backslash, found the end of the text" },
		{ "\"\\x\"", "line 1, column 3", "expected one of \" \\ / b f n r t u after a backslash, found 'x'" },
		{ "\"\\U0041\"", "line 1, column 3",
		  "expected one of \" \\ / b f n r t u after a backslash, found 'U'" },
		{ "\"\\u12\"", "line 1, column 6", "expected four hexadecimal digits after \\u, found '\"'" },
		{ "\"\\u12g4\"", "line 1, column 6", "expected four hexadecimal digits after \\u, found 'g'" },
		{ "\"\\u", "line 1, column 4",
		  "expected four hexadecimal digits after \\u, found the end of the text" },
		{ "\"a\\ud83d\\u12", "line 1, column 13",
		  "expected four hexadecimal digits after \\u, found the end of the text" },
		{ "\"\x80\"", "line 1, column 2", "the byte 0x80 in a string is not UTF-8" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct value *value = NULL;
		struct wf_error err = { 0 };
		assert_int_equal(value_parse(str_of(cases[i].text), NULL, &value, &err), ERR(INVALID));
		assert_null(value);
		assert_int_equal(err.code, ERR(INVALID));
		assert_text(str_of(err.message), cases[i].message);
		assert_text(str_of(err.where), cases[i].where);
		assert_int_equal(value_parse(str_of(cases[i].text), NULL, &value, NULL), ERR(INVALID));
	}
}

static void a_nul_is_not_the_end_of_the_text(void **state)
{
	static const struct str texts[] = { STR("1\0"),   STR("\0001"), STR("\"a\0b\""),
					    STR("[1\0]"), STR("{}\0"),  STR("tru\0") };
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		struct value *value = NULL;
		struct wf_error err = { 0 };
		assert_int_equal(value_parse(texts[i], NULL, &value, &err), ERR(INVALID));
		assert_non_null(strstr(err.message, "U+0000"));
	}
}

static void only_utf8_is_accepted_in_strings(void **state)
{
	static const char *const broken[] = {
		"\x80",
		"\xbf",
		"\xc0\x80",
		"\xc1\xbf",
		"\xc2",
		"\xc2\x41",
		"\xe0\x80\x80",
		"\xe0\x9f\xbf",
		"\xe1\x80",
		"\xe1\x80\x41",
		"\xed\xa0\x80",
		"\xed\xbf\xbf",
		"\xed\xa0\xbd\xed\xb8\x80",
		"\xf0\x80\x80\x80",
		"\xf0\x8f\xbf\xbf",
		"\xf1\x80\x80",
		"\xf4\x90\x80\x80",
		"\xf5\x80\x80\x80",
		"\xf8\x88\x80\x80\x80",
		"\xfe",
		"\xff",
	};
	for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++)
		for (int before = 0; before < 40; before += 3) {
			char text[128];
			int len = snprintf(text, sizeof text, "[\"%.*s%s\"]", before,
					   "0123456789012345678901234567890123456789", broken[i]);
			struct value *value = NULL;
			struct wf_error err = { 0 };
			assert_int_equal(value_parse((struct str){ text, (size_t)len }, NULL, &value, &err),
					 ERR(INVALID));
			assert_non_null(strstr(err.message, "is not UTF-8"));
			/* It is not accepted outside of strings either, nor in keys, nor where the text ends in the
			 * middle. */
			assert_int_equal(value_parse(str_of(broken[i]), NULL, &value, NULL), ERR(INVALID));
			assert_int_equal(value_parse((struct str){ text, (size_t)len - 2 }, NULL, &value, NULL),
					 ERR(INVALID));
			snprintf(text, sizeof text, "{\"%s\":1}", broken[i]);
			assert_int_equal(value_parse(str_of(text), NULL, &value, NULL), ERR(INVALID));
		}
}

/* "[[[…]]]" or "{"a":{"a":…}}" of a depth. */
static struct buffer nested(int depth, const char *open, const char *inner, const char *close)
{
	struct buffer text = { 0 };
	for (int i = 0; i < depth; i++)
		buffer_addz(&text, open);
	buffer_addz(&text, inner);
	for (int i = 0; i < depth; i++)
		buffer_addz(&text, close);
	return text;
}

static void nesting_is_limited(void **state)
{
	static const struct {
		int depth_max, depth;
		bool good;
	} cases[] = { { 0, 512, true },        { 0, 513, false },    { 1, 1, true },       { 1, 2, false },
		      { 16, 16, true },        { 16, 17, false },    { 4096, 4096, true }, { 4096, 4097, false },
		      { 100000, 4097, false }, { 0, 1000000, false } };
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		for (int object = 0; object < 2; object++) {
			_cleanup_(buffer_done) struct buffer text =
			    object ? nested(cases[i].depth, "{\"a\":", "1", "}") : nested(cases[i].depth, "[", "", "]");
			struct value_parse_options options = { .depth_max = cases[i].depth_max };
			struct value *value = NULL;
			struct wf_error err = { 0 };
			int rc = value_parse(buffer_str(&text), &options, &value, &err);
			assert_int_equal(rc, cases[i].good ? 0 : ERR(INVALID));
			if (cases[i].good) {
				assert_int_equal(value_depth(value), cases[i].depth);
				value_count(value);
				assert_int_equal(value_depth(value), cases[i].depth);
			} else {
				assert_non_null(strstr(err.message, "nested deeper than"));
			}
			value_unref(value);
		}
}

static void depth_counts_containers(void **state)
{
	static const struct {
		const char *text;
		int depth;
	} cases[] = { { "1", 0 },
		      { "\"[[\"", 0 },
		      { "[]", 1 },
		      { "{}", 1 },
		      { "[1,2]", 1 },
		      { "[[],[[]],[]]", 3 },
		      { "{\"a\":[{}],\"b\":1}", 3 } };
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		_cleanup_value_ struct value *value = parsed(cases[i].text);
		_cleanup_value_ struct value *trusted = value_from_trusted_text(str_of(cases[i].text));
		assert_int_equal(value_depth(value), cases[i].depth);
		assert_int_equal(value_depth(trusted), cases[i].depth);
	}
	_cleanup_value_ struct value *value = parsed("[[1],[[{}]],2]");
	assert_int_equal(value_depth(value_at(value, 0)), 1);
	assert_int_equal(value_depth(value_at(value, 1)), 3);
	assert_int_equal(value_depth(value_at(value, 2)), 0);
}

static void duplicate_keys_can_be_refused(void **state)
{
	static const struct {
		const char *text, *where, *message; /* NULL: fine */
	} cases[] = {
		{ "{\"a\":1,\"b\":1}" },
		{ "{\"a\":{\"a\":{\"a\":1}}}" },
		{ "[{\"a\":1},{\"a\":1}]" },
		{ "1" },
		{ "{}" },
		{ "{\"a\":1,\"a\":1}", "line 1, column 8", "the key \"a\" stands twice in one object" },
		{ "{ \"a\" : 1 ,\n \"b\": [ 1, \"\\\" x\" ],\n   \"a\": 1}", "line 3, column 4",
		  "the key \"a\" stands twice in one object" },
		{ "[0, {\"x\\\"y\":1,\"x\\u0022y\":[]}]", "line 1, column 15",
		  "the key \"x\\u0022y\" stands twice in one object" },
		{ "{\"\":1,\"\":2}", "line 1, column 7", "the key \"\" stands twice in one object" },
		{ "{\"a\":1,\"b\":2,\"c\":3,\"d\":4,\"e\":5,\"f\":6,\"g\":7,\"h\":8,\"i\":9,\"j\":10,\"c\":11}",
		  "line 1, column 63", "the key \"c\" stands twice in one object" },
	};
	struct value_parse_options options = { .refuse_duplicate_keys = true };
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct value *value = NULL;
		struct wf_error err = { 0 };
		int rc = value_parse(str_of(cases[i].text), &options, &value, &err);
		assert_int_equal(rc, cases[i].where ? ERR(INVALID) : 0);
		if (cases[i].where) {
			assert_text(str_of(err.message), cases[i].message);
			assert_text(str_of(err.where), cases[i].where);
		}
		value_unref(value);
		assert_int_equal(value_parse(str_of(cases[i].text), NULL, &value, NULL), 0);
		value_unref(value);
	}
}

static void a_long_duplicate_key_is_cut_in_the_message(void **state)
{
	_cleanup_(buffer_done) struct buffer text = { 0 };
	for (int i = 0; i < 2; i++) {
		buffer_addz(&text, i ? ",\"x" : "{\"x");
		for (int j = 0; j < 1000; j++)
			buffer_addz(&text, "\xe2\x82\xac");
		buffer_addz(&text, "\":1");
	}
	buffer_addz(&text, "}");
	struct value_parse_options options = { .refuse_duplicate_keys = true };
	struct value *value = NULL;
	struct wf_error err = { 0 };
	assert_int_equal(value_parse(buffer_str(&text), &options, &value, &err), ERR(INVALID));
	assert_in_range(strlen(err.message), 200, 300);
	assert_non_null(strstr(err.message, "\xe2\x82\xac stands twice in one object"));
}

static void every_prefix_of_a_text_is_refused(void **state)
{
	static const char text[] =
	    "{\"a\": [1.5e+3, \"x\\n\\u00e4\xc3\xa4\", true, {\"b\": null, \"c\": false}], \"d\": \"\" }";
	for (size_t len = 0; len < sizeof text - 1; len++) {
		/* In memory of exactly its size, so that reading beyond it is seen. */
		_cleanup_free_ char *copy = mem_alloc(len);
		memcpy(copy, text, len);
		struct value *value = NULL;
		assert_int_equal(value_parse((struct str){ copy, len }, NULL, &value, NULL), ERR(INVALID));
	}
	_cleanup_value_ struct value *value = parsed(text);
	assert_json(value, "{\"a\":[1.5e+3,\"x\\n\\u00e4\xc3\xa4\",true,{\"b\":null,\"c\":false}],\"d\":\"\"}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(valid_texts_are_compacted),
		cmocka_unit_test(mistakes_are_told_with_their_place),
		cmocka_unit_test(a_nul_is_not_the_end_of_the_text),
		cmocka_unit_test(only_utf8_is_accepted_in_strings),
		cmocka_unit_test(nesting_is_limited),
		cmocka_unit_test(depth_counts_containers),
		cmocka_unit_test(duplicate_keys_can_be_refused),
		cmocka_unit_test(a_long_duplicate_key_is_cut_in_the_message),
		cmocka_unit_test(every_prefix_of_a_text_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
