/* Random documents, and random damage to them, against a second reader that is as plain as can be: it takes RFC 8259's
 * grammar rule by rule, byte by byte. Both must agree on what is JSON and on its compact text; and a tree that was
 * taken apart and built again must give an equal value. */
#include "base/random.h"
#include "base/utf8.h"
#include "tests/value/check.h"

/* ---- the plain reader -------------------------------------------------------------------- */

struct plain {
	const char *p, *end;
	struct buffer compact;
};

static bool at(struct plain *r, const char *set)
{
	return r->p < r->end && *r->p && strchr(set, *r->p);
}

static bool take(struct plain *r, const char *set)
{
	if (!at(r, set))
		return false;
	buffer_byte(&r->compact, *r->p++);
	return true;
}

static void space(struct plain *r)
{
	while (at(r, " \t\r\n"))
		r->p++;
}

static bool digits(struct plain *r)
{
	bool any = false;
	while (take(r, "0123456789"))
		any = true;
	return any;
}

static bool string(struct plain *r)
{
	if (!take(r, "\""))
		return false;
	while (!take(r, "\"")) {
		if (take(r, "\\")) {
			if (take(r, "u")) {
				for (int i = 0; i < 4; i++)
					if (!take(r, "0123456789abcdefABCDEF"))
						return false;
			} else if (!take(r, "\"\\/bfnrt")) {
				return false;
			}
			continue;
		}
		size_t len =
		    r->p < r->end && (unsigned char)*r->p >= 0x20 ? utf8_length(r->p, (size_t)(r->end - r->p)) : 0;
		if (!len)
			return false;
		buffer_append(&r->compact, r->p, len);
		r->p += len;
	}
	return true;
}

static bool number(struct plain *r)
{
	take(r, "-");
	if (!take(r, "0") && !digits(r))
		return false;
	if (take(r, ".") && !digits(r))
		return false;
	if (take(r, "eE")) {
		take(r, "+-");
		return digits(r);
	}
	return true;
}

static bool word(struct plain *r, const char *text)
{
	for (; *text; text++)
		if (!take(r, (char[]){ *text, 0 }))
			return false;
	return true;
}

static bool any_value(struct plain *r, int depth)
{
	if (depth > 512)
		return false;
	space(r);
	bool is_object = at(r, "{");
	if (take(r, "{") || take(r, "[")) {
		const char *closer = is_object ? "}" : "]";
		space(r);
		if (take(r, closer))
			return true;
		do {
			space(r);
			if (is_object) {
				if (!string(r))
					return false;
				space(r);
				if (!take(r, ":"))
					return false;
			}
			if (!any_value(r, depth + 1))
				return false;
			space(r);
		} while (take(r, ","));
		return take(r, closer);
	}
	return at(r, "\"")  ? string(r)
	       : at(r, "t") ? word(r, "true")
	       : at(r, "f") ? word(r, "false")
	       : at(r, "n") ? word(r, "null")
			    : number(r);
}

/* ---- random texts ------------------------------------------------------------------------ */

static void random_space(struct random *random, struct buffer *text)
{
	static const char *const spaces[] = { "", "", "", "", " ", "\n", "\t\r", "                                  " };
	buffer_addz(text, spaces[random_below(random, 8)]);
}

static void random_string(struct random *random, struct buffer *text)
{
	static const char *const pieces[] = { "a",
					      "key",
					      "0123456789abcdef",
					      "\\n",
					      "\\\"",
					      "\\\\",
					      "\\u00e4",
					      "\\ud83d\\ude00",
					      "\\ud800",
					      "\xc3\xa4",
					      "\xe2\x82\xac",
					      "\xf0\x9f\x98\x80",
					      " ",
					      "{",
					      "]",
					      ",",
					      ":" };
	buffer_byte(text, '"');
	for (uint64_t i = random_below(random, 4); i-- > 0;)
		buffer_addz(text, pieces[random_below(random, sizeof pieces / sizeof pieces[0])]);
	buffer_byte(text, '"');
}

static void random_json(struct random *random, struct buffer *text, int depth)
{
	static const char *const scalars[] = { "null",   "true", "false", "0",
					       "-1",     "1.50", "1E6",   "12345678901234567890",
					       "-0.1e-7" };
	random_space(random, text);
	uint64_t choice = random_below(random, depth > 6 ? 3 : 6);
	if (choice < 2) {
		buffer_addz(text, scalars[random_below(random, sizeof scalars / sizeof scalars[0])]);
	} else if (choice == 2) {
		random_string(random, text);
	} else {
		bool is_object = random_below(random, 2);
		buffer_byte(text, is_object ? '{' : '[');
		random_space(random, text);
		uint64_t count = random_below(random, 20) ? random_below(random, 5) : random_below(random, 40);
		for (uint64_t i = 0; i < count; i++) {
			if (i)
				buffer_byte(text, ',');
			if (is_object) {
				random_space(random, text);
				random_string(random, text);
				random_space(random, text);
				buffer_byte(text, ':');
			}
			random_json(random, text, depth + 1);
		}
		buffer_byte(text, is_object ? '}' : ']');
	}
	random_space(random, text);
}

static void damage(struct random *random, struct buffer *text)
{
	static const char bytes[] = "{}[]:,\"\\ \n0123456789.eE+-truefalsn\x01\x80\xc3\xff";
	for (uint64_t i = random_below(random, 3) + 1; i-- > 0 && text->len;) {
		size_t place = (size_t)random_below(random, text->len);
		switch (random_below(random, 3)) {
		case 0:
			text->data[place] = bytes[random_below(random, sizeof bytes - 1)];
			break;
		case 1:
			memmove(text->data + place, text->data + place + 1, text->len - place);
			text->len--;
			break;
		default:
			text->len = place;
		}
	}
}

/* ---- the test ---------------------------------------------------------------------------- */

/* The same value made by builders alone. */
static struct value *rebuilt(const struct value *value)
{
	struct value *copy = NULL;
	switch (value_kind(value)) {
	case VALUE_NULL:
		return value_new_null();
	case VALUE_BOOL:
		return value_new_bool(value_bool(value));
	case VALUE_NUMBER:
		return value_from_number_text(value_number_text(value));
	case VALUE_STRING:
		return value_from_string(value_string(value));
	case VALUE_ARRAY:
		copy = value_new_array(0);
		for (size_t i = 0; i < value_count(value); i++)
			value_array_take(copy, rebuilt(value_at(value, i)));
		return copy;
	case VALUE_OBJECT:
		copy = value_new_object(0);
		for (size_t i = 0; i < value_count(value); i++)
			value_object_take(copy, value_key_at(value, i), rebuilt(value_at(value, i)));
		return copy;
	}
	return NULL;
}

static void check_agreement(struct str text)
{
	/* In memory of exactly its size, so that reading beyond it is seen. */
	_cleanup_free_ char *exact = mem_alloc(text.len);
	if (text.len)
		memcpy(exact, text.ptr, text.len);
	text.ptr = exact;
	struct plain plain = { text.ptr, text.ptr + text.len };
	bool good = any_value(&plain, 1);
	space(&plain);
	good = good && plain.p == plain.end;

	struct value *value = NULL;
	struct wf_error err = { 0 };
	int rc = value_parse(text, NULL, &value, &err);
	if ((rc == 0) != good)
		fprintf(stderr, "%s: <%.*s> %s\n", good ? "refused" : "accepted", STR_FMT(text), err.message);
	assert_int_equal(rc == 0, good);
	if (good) {
		assert_true(str_eq(value_text(value), buffer_str(&plain.compact)));
		_cleanup_value_ struct value *trusted = value_from_trusted_text(value_text(value));
		_cleanup_value_ struct value *copy = rebuilt(value), *back = NULL;
		assert_true(value_equal(copy, trusted) && value_equal(value, copy));
		assert_int_equal(value_parse(value_text(copy), NULL, &back, NULL), 0);
		assert_true(value_equal(back, value));
		assert_int_equal(value_depth(back), value_depth(copy));
		assert_true(value_depth(copy) <= value_depth(value)); /* members that others replaced count in a text */
		_cleanup_(buffer_done) struct buffer pretty = { 0 };
		value_write_pretty(copy, &pretty);
		value_unrefp(&back);
		assert_int_equal(value_parse(buffer_str(&pretty), NULL, &back, NULL), 0);
		assert_true(str_eq(value_text(back), value_text(copy)));
	}
	value_unref(value);
	buffer_done(&plain.compact);
}

static void two_readers_agree_on_random_texts(void **state)
{
	struct random random;
	random_seed(&random, 7);
	for (int i = 0; i < 4000; i++) {
		_cleanup_(buffer_done) struct buffer text = { 0 };
		random_json(&random, &text, 0);
		check_agreement(buffer_str(&text));
		for (int j = 0; j < 4; j++) {
			_cleanup_(buffer_done) struct buffer damaged = { 0 };
			buffer_add(&damaged, buffer_str(&text));
			damage(&random, &damaged);
			check_agreement(buffer_str(&damaged));
		}
	}
}

static void two_readers_agree_on_every_short_text(void **state)
{
	static const char letters[] = "{}[]:,\" 0-1.e+tn\\\xc3\xa4";
	enum { LETTERS = sizeof letters - 1, LEN = 4 };
	int count = 1;
	for (int i = 0; i < LEN; i++)
		count *= LETTERS;
	for (int i = 0; i < count; i++) {
		char text[LEN];
		for (int j = 0, rest = i; j < LEN; j++, rest /= LETTERS)
			text[j] = letters[rest % LETTERS];
		check_agreement((struct str){ text, LEN });
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_readers_agree_on_random_texts),
		cmocka_unit_test(two_readers_agree_on_every_short_text),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
