/* Texts of the connectors that need no process and no server. */
#include "base/mem.h"
#include "base/random.h"
#include "base/utf8.h"
#include "connectors/exec/exec.h"
#include "connectors/http/encode.h"
#include "connectors/secret.h"
#include "connectors/text.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static void cleaning_keeps_what_is_utf8_and_replaces_the_rest(void **state)
{
	static const struct {
		struct str in;
		const char *out;
	} cases[] = {
		{ STR("plain"), "plain" },
		{ STR("\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"), "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80" },
		{ STR("a\0b"), "a\xef\xbf\xbd"
			       "b" },
		{ STR("\xff"), "\xef\xbf\xbd" },
		{ STR("\xe2\x82"), "\xef\xbf\xbd\xef\xbf\xbd" },
		{ STR("\xed\xa0\x80"), "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
		{ STR(""), "" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		_cleanup_(buffer_done) struct buffer out = { 0 };
		text_clean(cases[i].in, &out);
		assert_string_equal(out.data ? out.data : "", cases[i].out);
	}
}

static void cleaned_text_is_always_utf8(void **state)
{
	struct random random;
	random_seed(&random, 1);
	for (int round = 0; round < 20000; round++) {
		char bytes[24];
		size_t len = random_below(&random, sizeof bytes);
		for (size_t i = 0; i < len; i++)
			bytes[i] = (char)(random_below(&random, 4) ? 0x80 + random_below(&random, 128)
								   : random_below(&random, 128));
		_cleanup_(buffer_done) struct buffer out = { 0 };
		text_clean((struct str){ bytes, len }, &out);
		assert_true(utf8_is_valid(buffer_str(&out)));
		assert_true(utf8_is_valid(text_head(buffer_str(&out), len / 2)));
		assert_true(utf8_is_valid(text_tail(buffer_str(&out), len / 2)));
	}
}

static void heads_and_tails_are_cut_between_characters(void **state)
{
	assert_true(str_eqz(text_head(STR("a\xe2\x82\xac"), 3), "a"));
	assert_true(str_eqz(text_head(STR("a\xe2\x82\xac"), 4), "a\xe2\x82\xac"));
	assert_true(str_eqz(text_tail(STR("\xe2\x82\xac"
					  "b"),
				      3),
			    "b"));
	assert_true(str_eqz(text_tail(STR("\xe2\x82\xac"
					  "b"),
				      9),
			    "\xe2\x82\xac"
			    "b"));
	assert_true(str_eqz(text_trim(STR(" \t\r\n a b \n")), "a b"));
	assert_true(text_same(STR("Content-Type"), STR("content-TYPE")));
	assert_false(text_same(STR("a"), STR("b")));
}

/* Arguments, joined by "|". */
static int expand(const char *element, const char *input, struct buffer *ret_text)
{
	_cleanup_(value_unrefp) struct value *value = NULL;
	assert_int_equal(value_parse(str_of(input), NULL, &value, NULL), 0);
	_cleanup_(buffer_done) struct buffer blobs = { 0 };
	uint32_t count = 0;
	struct wf_error err = { 0 };
	int r = exec_argument_expand(str_of(element), value, &blobs, &count, &err);
	assert_true(r == 0 || err.message[0]);
	struct reader reader = reader_of(buffer_str(&blobs));
	buffer_clear(ret_text);
	buffer_addz(ret_text, "");
	for (uint32_t i = 0; r == 0 && i < count; i++) {
		struct str blob;
		assert_true(reader_blob(&reader, &blob));
		buffer_add(ret_text, blob);
		buffer_byte(ret_text, '|');
	}
	return r;
}

static void arguments_are_made_of_the_input(void **state)
{
	static const struct {
		const char *element, *input, *expected; /* NULL: refused */
	} cases[] = {
		{ "plain", "{}", "plain|" },
		{ "", "{}", "|" },
		{ "{}", "{}", "{}|" },
		{ "{$}", "\"x\"", "x|" },
		{ "{$.a}", "{\"a\":\"x y\"}", "x y|" },
		{ "{$.a}", "{\"a\":[]}", "" },
		{ "{$.a}", "{\"a\":[1,\"b\",[2]]}", "1|b|[2]|" },
		{ "{$.a}", "{\"a\":null}", "" },
		{ "{$.a}", "{\"a\":1.0}", "1.0|" },
		{ "{$.a[1].b}", "{\"a\":[0,{\"b\":true}]}", "true|" },
		{ "{$['a.b']}", "{\"a.b\":1}", "1|" },
		{ "{$['a}b']}", "{\"a}b\":1}", "1|" },
		{ "{$[\"a\"]['b']}", "{\"a\":{\"b\":2}}", "2|" },
		{ "{$[0]}", "[7]", "7|" },
		{ "x{$.a}y{$.b}z", "{\"a\":1,\"b\":[2]}", "x1y[2]z|" },
		{ "x{$.a}", "{\"a\":null}", "x|" },
		{ "{{$.a}", "{\"a\":1}", "{$.a}|" },
		{ "\xc3\xa9{$.\xc3\xa9}", "{\"\xc3\xa9\":\"\xe2\x82\xac\"}", "\xc3\xa9\xe2\x82\xac|" },
		{ "{$.a", "{\"a\":1}", NULL },
		{ "{$a}", "{\"a\":1}", NULL },
		{ "{$.}", "{\"\":1}", NULL },
		{ "{$.a..b}", "{\"a\":{}}", NULL },
		{ "{$[}", "[1]", NULL },
		{ "{$[1}", "[1,2]", NULL },
		{ "{$[-1]}", "[1]", NULL },
		{ "{$[99999999999999999999]}", "[1]", NULL },
		{ "{$['a]}", "{\"a\":1}", NULL },
		{ "{$.b}", "{\"a\":1}", NULL },
		{ "{$[1]}", "[1]", NULL },
		{ "{$.a}", "{\"a\":\"x\\u0000\"}", NULL },
	};
	_cleanup_(buffer_done) struct buffer text = { 0 };
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		int r = expand(cases[i].element, cases[i].input, &text);
		if ((r < 0) != !cases[i].expected)
			fail_msg("%s of %s: %d, %s", cases[i].element, cases[i].input, r, text.data);
		if (cases[i].expected)
			assert_string_equal(text.data ? text.data : "", cases[i].expected);
	}
}

static void no_argument_is_written_so_badly_that_it_breaks_us(void **state)
{
	static const char alphabet[] = "{}$.[]'\"0a";
	struct random random;
	random_seed(&random, 2);
	_cleanup_(buffer_done) struct buffer text = { 0 };
	for (int round = 0; round < 50000; round++) {
		char element[16] = "{$";
		size_t len = 2 + random_below(&random, 12);
		for (size_t i = random_below(&random, 3); i < len; i++)
			element[i] = alphabet[random_below(&random, sizeof alphabet - 1)];
		expand(element, "{\"a\":[{\"a\":0},\"x\"],\"0\":null}", &text);
	}
}

static void a_secret_may_come_from_a_file(void **state)
{
	char path[] = "/tmp/ratchet-secret-XXXXXX";
	int fd = mkstemp(path);
	assert_int_equal(write(fd, "key\n\n", 5), 5);
	_cleanup_free_ char *text = mem_printf("{\"file\":\"%s\"}", path);
	_cleanup_(value_unrefp) struct value *setting = NULL;
	assert_int_equal(value_parse(str_of(text), NULL, &setting, NULL), 0);
	_cleanup_(buffer_done) struct buffer out = { 0 };
	struct connector_host host = { 0 };
	struct wf_error err = { 0 };
	assert_int_equal(secret_text(&host, setting, &out, &err), 0);
	assert_string_equal(out.data, "key\n"); /* one newline is dropped */
	assert_int_equal(ftruncate(fd, 70000), 0);
	assert_int_equal(secret_text(&host, setting, &out, &err), ERR(LIMIT));
	close(fd);
	unlink(path);
	assert_true(secret_text(&host, setting, &out, &err) < 0);
}

static void forms_and_queries_have_bounds(void **state)
{
	_cleanup_(buffer_done) struct buffer deep = { 0 }, out = { 0 };
	for (int i = 0; i < 100; i++)
		buffer_addz(&deep, "{\"a\":");
	buffer_addz(&deep, "1");
	for (int i = 0; i < 100; i++)
		buffer_addz(&deep, "}");
	_cleanup_(value_unrefp) struct value *object = NULL;
	assert_int_equal(value_parse(buffer_str(&deep), NULL, &object, NULL), 0);
	struct wf_error err = { 0 };
	assert_int_equal(encode_form(object, FORM_INDICES, &out, &err), ERR(INVALID));
	assert_int_equal(encode_query(object, &out, &err), ERR(INVALID));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cleaning_keeps_what_is_utf8_and_replaces_the_rest),
		cmocka_unit_test(cleaned_text_is_always_utf8),
		cmocka_unit_test(heads_and_tails_are_cut_between_characters),
		cmocka_unit_test(arguments_are_made_of_the_input),
		cmocka_unit_test(no_argument_is_written_so_badly_that_it_breaks_us),
		cmocka_unit_test(a_secret_may_come_from_a_file),
		cmocka_unit_test(forms_and_queries_have_bounds),
	};
	return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
