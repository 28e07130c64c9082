/* JSON text from anywhere: parsing, looking everywhere, writing, editing. What must hold for all that was accepted: its
 * compact text reads back as an equal value with the same text, and so does the text of a value built anew from it. */
#include "base/mem.h"
#include "value/value.h"
#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Looks at everything in a value; recursion is bounded by the parser's limit of depth. */
static struct value *rebuilt(const struct value *value)
{
	struct value *copy = NULL;
	int64_t number;
	switch (value_kind(value)) {
	case VALUE_NULL:
		return value_new_null();
	case VALUE_BOOL:
		return value_new_bool(value_bool(value));
	case VALUE_NUMBER:
		value_number(value);
		return value_int64(value, &number) ? value_from_int(number)
						   : value_from_number_text(value_number_text(value));
	case VALUE_STRING:
		return value_from_string(value_string(value));
	case VALUE_ARRAY:
		copy = value_new_array(value_count(value));
		for (size_t i = 0; i < value_count(value); i++)
			value_array_take(copy, rebuilt(value_at(value, i)));
		return copy;
	case VALUE_OBJECT:
		copy = value_new_object(0);
		for (size_t i = 0; i < value_count(value); i++) {
			assert(value_get(value, value_key_at(value, i)) == value_at(value, i));
			value_object_take(copy, value_key_at(value, i), rebuilt(value_at(value, i)));
		}
		return copy;
	}
	return NULL;
}

static void check_same(const struct value *value, struct str text)
{
	struct value *back = NULL;
	int rc = value_parse(text, NULL, &back, NULL);
	assert(rc == 0 && str_eq(value_text(back), text) && value_equal(value, back));
	value_unref(back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = { (const char *)data, size };
	struct value_parse_options strict = { .depth_max = 20, .refuse_duplicate_keys = true };
	struct wf_error err = { 0 };
	_cleanup_(value_unrefp) struct value *value = NULL, *trusted = value_from_trusted_text(text), *strictly = NULL;

	value_count(trusted);
	value_parse(text, &strict, &strictly, &err);
	if (value_parse(text, NULL, &value, &err)) {
		assert(!strictly && value_damaged(trusted) && err.message[0] && err.where[0]);
		return 0;
	}
	check_same(value, value_text(value));
	assert(value_damaged(trusted) || value_equal(trusted, value));
	_cleanup_(value_unrefp) struct value *copy = rebuilt(value);
	assert(value_equal(copy, value) && value_text_len(copy) == value_text(copy).len);
	check_same(copy, value_text(copy));

	_cleanup_(buffer_done) struct buffer pretty = { 0 };
	value_write_pretty(value, &pretty);
	struct value_step steps[] = { { STR("a"), -1 }, { STR("b"), -1 } };
	_cleanup_(value_unrefp) struct value *edited = value_with(value, steps, 2, copy);
	assert(value_equal(value_getz(value_getz(edited, "a"), "b"), value));
	check_same(edited, value_text(edited));
	return 0;
}
