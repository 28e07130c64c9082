/* test_yaml_reader.c: YAML as values: what reads as what, what is refused and where, and places by pointer. */
#include "base/mem.h"
#include "value/yaml_reader.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static void assert_reads(const char *yaml, const char *json)
{
	struct wf_error err = { 0 };
	_cleanup_(value_unrefp) struct value *value = NULL;
	if (yaml_parse(str_of(yaml), &value, &err) != 0)
		fail_msg("%s is refused: %s: %s", yaml, err.where, err.message);
	_cleanup_(buffer_done) struct buffer text = { 0 };
	buffer_add(&text, value_text(value));
	assert_string_equal(text.data, json);
}

static void assert_refused(const char *yaml, const char *where, const char *message)
{
	struct wf_error err = { 0 };
	struct value *value = NULL;
	if (yaml_parse(str_of(yaml), &value, &err) == 0)
		fail_msg("%s is read as %.*s", yaml, STR_FMT(value_text(value)));
	assert_int_equal(err.code, ERR(INVALID));
	assert_string_equal(err.where, where);
	assert_non_null(strstr(err.message, message));
}

static void plain_scalars_are_what_they_look_like(void **state)
{
	assert_reads("a: 1\nb: -2.5e3\nc: true\nd: false\ne: null\nf: ~\ng:\nh: text\n",
		     "{\"a\":1,\"b\":-2.5e3,\"c\":true,\"d\":false,\"e\":null,\"f\":null,\"g\":null,\"h\":\"text\"}");
	assert_reads("[007, 0x1f, .5, +1, 1., 1_000, yes, no, on, True, NULL, -, --, tru, truely, 1e, nan, .inf]",
		     "[\"007\",\"0x1f\",\".5\",\"+1\",\"1.\",\"1_000\",\"yes\",\"no\",\"on\",\"True\",\"NULL\",\"-\","
		     "\"--\",\"tru\","
		     "\"truely\",\"1e\",\"nan\",\".inf\"]");
	assert_reads("[127.0.0.1:8083, 10:30:00, 2026-01-01, 123456789012, 1e400, 99999999999999999999]",
		     "[\"127.0.0.1:8083\",\"10:30:00\",\"2026-01-01\",123456789012,1e400,99999999999999999999]");
}

static void quoted_scalars_are_texts(void **state)
{
	assert_reads("['1', \"true\", 'it''s', \"\\u00e9\\n\\x41\", \"\"]", "[\"1\",\"true\",\"it's\",\"é\\nA\",\"\"]");
	assert_reads("a: |\n  two\n  lines\nb: >-\n  folded\n  text\n",
		     "{\"a\":\"two\\nlines\\n\",\"b\":\"folded text\"}");
	assert_reads("\"a\\0b\"", "\"a\\u0000b\"");
}

static void json_is_yaml(void **state)
{
	assert_reads("{\"a\": [1, {\"b\": null}], \"c\": \"\\u20ac\"}", "{\"a\":[1,{\"b\":null}],\"c\":\"€\"}");
	assert_reads("{\"a\":\n\t1}", "{\"a\":1}");
}

static void an_empty_text_is_an_empty_mapping(void **state)
{
	assert_reads("", "{}");
	assert_reads("# nothing\n", "{}");
	assert_reads("---\n", "null");
	assert_reads("--- 1\n...\n", "1");
}

static void keys_stand_once(void **state)
{
	assert_refused("a: 1\nb: 2\na: 3\n", "line 3, column 1", "the key 'a' stands twice");
	assert_refused("x: {k: 1, k: 2}", "line 1, column 11", "the key 'k' stands twice");
	assert_reads("1: a\ntrue: b\n~: c\n", "{\"1\":\"a\",\"true\":\"b\",\"~\":\"c\"}");
	assert_refused("? [a]\n: 1\n", "line 1, column 3", "a key must be");
	assert_refused("? {a: b}\n: 1\n", "line 1, column 3", "a key must be");
}

static void anchors_aliases_and_tags_are_refused(void **state)
{
	assert_refused("a: &x 1\n", "line 1, column 4", "anchors and tags");
	assert_refused("a: &x [1]\n", "line 1, column 4", "anchors and tags");
	assert_refused("a: &x {b: 1}\n", "line 1, column 4", "anchors and tags");
	assert_refused("a: 1\nb: *x\n", "line 2, column 4", "aliases");
	assert_refused("*x : 1\n", "line 1, column 1", "");
	assert_refused("a: !!str 1\n", "line 1, column 4", "anchors and tags");
	assert_refused("a: !own [1]\n", "line 1, column 4", "anchors and tags");
	assert_refused("a: !!map {b: 1}\n", "line 1, column 4", "anchors and tags");
	assert_refused("&k a: 1\n", "line 1, column 1", "anchors and tags");
}

static void there_is_one_document(void **state)
{
	assert_refused("a: 1\n---\nb: 2\n", "line 2, column 1", "second document");
	assert_refused("---\n---\n", "line 2, column 1", "second document");
}

static void what_is_no_yaml_is_refused_with_its_place(void **state)
{
	assert_refused("a: [1\n", "line 2, column 1", "");
	assert_refused("a: b: c\n", "line 1, column 5", "mapping values are not allowed");
	assert_refused("a: 1\n\tb: 2\n", "line 2, column 1", "");
	assert_refused("a: \"x\n", "line 2, column 1", "");
	assert_refused("a: 1\nbb: \xff\n", "line 2, column 5", "UTF-8");
	assert_refused("a: \x01\n", "line 1, column 4", "control characters");
	assert_refused("%YAML 9.9\n--- 1\n", "line 1, column 1", "");
}

static void nesting_is_bounded(void **state)
{
	static const char *const openings[] = { "[", "{a: ", "- ", "? " };
	for (size_t i = 0; i < sizeof openings / sizeof openings[0]; i++) {
		_cleanup_(buffer_done) struct buffer text = { 0 };
		struct wf_error err = { 0 };
		struct value *value = NULL;
		for (unsigned k = 0; k < 100000; k++)
			buffer_addz(&text, openings[i]);
		assert_int_equal(yaml_parse(buffer_str(&text), &value, &err), ERR(INVALID));
		assert_true(*err.where);
	}
	_cleanup_(buffer_done) struct buffer deep = { 0 };
	for (unsigned k = 0; k < 128; k++)
		buffer_byte(&deep, '[');
	for (unsigned k = 0; k < 128; k++)
		buffer_byte(&deep, ']');
	assert_reads(deep.data, deep.data);
}

static void assert_place(const char *yaml, const char *pointer, size_t line, size_t column)
{
	size_t got_line = 0, got_column = 0;
	bool found = yaml_place(str_of(yaml), pointer, &got_line, &got_column);
	if (found != (line > 0) || got_line != line || got_column != column)
		fail_msg("%s stands at %zu:%zu, not %zu:%zu", pointer, got_line, got_column, line, column);
}

static void a_pointer_has_a_place(void **state)
{
	const char *yaml = "listen: x\nlimits: {a: 1,\n  b: 2}\nexec:\n  probe:\n    program: p\n    args:\n      - "
			   "one\n      - [two, three]\n"
			   "  args: [4]\n";
	assert_place(yaml, "/listen", 1, 1);
	assert_place(yaml, "/limits", 2, 1);
	assert_place(yaml, "/limits/a", 2, 10);
	assert_place(yaml, "/limits/b", 3, 3);
	assert_place(yaml, "/exec/probe/program", 6, 5);
	assert_place(yaml, "/exec/probe/args/0", 8, 9);
	assert_place(yaml, "/exec/probe/args/1", 9, 9);
	assert_place(yaml, "/exec/probe/args/1/1", 9, 15);
	assert_place(yaml, "/exec/args/0", 10, 10);
}

static void what_is_not_there_has_its_parents_place(void **state)
{
	const char *yaml = "exec:\n  probe:\n    program: p\n";
	assert_place(yaml, "/exec/probe/cwd", 2, 3);
	assert_place(yaml, "/exec/other", 1, 1);
	assert_place(yaml, "/exec/probe/program/x/y", 3, 5);
	assert_place(yaml, "/program", 0, 0);
	assert_place(yaml, "", 0, 0);
	assert_place(yaml, "no pointer", 0, 0);
	assert_place("[1, 2]", "/7", 0, 0);
	assert_place("", "/a", 0, 0);
}

/* "YAML" → its JSON; the place in the YAML of each byte of it that is asked for. */
static void a_piece_of_the_json_has_its_place_in_the_yaml(void **state)
{
	static const struct {
		const char *yaml, *json, *wanted, *found; /* a piece of the JSON, and what stands in the YAML from its place on */
	} rows[] = {
		{ "a: text here", "{\"a\":\"text here\"}", "here", "here" },
		{ "a: 'text here'\n", "{\"a\":\"text here\"}", "here", "here'" },
		{ "a: \"text here\"\n", "{\"a\":\"text here\"}", "here", "here\"" },
		{ "a: \"t\\x65xt here\"\n", "{\"a\":\"text here\"}", "here", "\"t\\x65xt here" },
		{ "a: >\n  text\n  here\n", "{\"a\":\"text here\\n\"}", "here", ">\n  text" },
		{ "\xc3\xbc: 1\n\xe2\x82\xac: {b: [7, 8]}\n", "{\"\xc3\xbc\":1,\"\xe2\x82\xac\":{\"b\":[7,8]}}", "8", "8]}" },
		{ "a:\n  - x\n  - y: z\n", "{\"a\":[\"x\",{\"y\":\"z\"}]}", "{\"y\"", "y: z" },
		{ "\xef\xbb\xbf" "a: b\r\nc: d\r\n", "{\"a\":\"b\",\"c\":\"d\"}", "\"d\"", "d\r\n" },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct yaml_json json = { 0 };
		struct wf_error err = { 0 };
		size_t offset = 0, length = 0;
		if (yaml_to_json(str_of(rows[i].yaml), &json, &offset, &err) != 0)
			fail_msg("%s: %s", rows[i].yaml, err.message);
		assert_string_equal(json.text.data, rows[i].json);
		size_t at = (size_t)(strstr(json.text.data, rows[i].wanted) - json.text.data);
		yaml_json_place(&json, str_of(rows[i].yaml), at, 1, &offset, &length);
		if (strncmp(rows[i].yaml + offset, rows[i].found, strlen(rows[i].found)) != 0)
			fail_msg("%s in %s: found %s", rows[i].wanted, rows[i].yaml, rows[i].yaml + offset);
		yaml_json_done(&json);
	}
}

static void a_failure_has_its_byte(void **state)
{
	struct yaml_json json = { 0 };
	struct wf_error err = { 0 };
	size_t offset = 0;
	const char *yaml = "\xc3\xbc\xc3\xbc: 1\nb: *x\n";
	assert_int_equal(yaml_to_json(str_of(yaml), &json, &offset, &err), ERR(INVALID));
	assert_string_equal(yaml + offset, "*x\n");
	yaml_json_done(&json);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_piece_of_the_json_has_its_place_in_the_yaml),
		cmocka_unit_test(a_failure_has_its_byte),
		cmocka_unit_test(plain_scalars_are_what_they_look_like),
		cmocka_unit_test(quoted_scalars_are_texts),
		cmocka_unit_test(json_is_yaml),
		cmocka_unit_test(an_empty_text_is_an_empty_mapping),
		cmocka_unit_test(keys_stand_once),
		cmocka_unit_test(anchors_aliases_and_tags_are_refused),
		cmocka_unit_test(there_is_one_document),
		cmocka_unit_test(what_is_no_yaml_is_refused_with_its_place),
		cmocka_unit_test(nesting_is_bounded),
		cmocka_unit_test(a_pointer_has_a_place),
		cmocka_unit_test(what_is_not_there_has_its_parents_place),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
