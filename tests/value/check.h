/* check.h: for the tests of value/: parsing without ado. */
#pragma once
#include "base/mem.h"
#include "tests/base/check.h"
#include "value/value.h"

#define _cleanup_value_ _cleanup_(value_unrefp)

/* Parses text that is right. */
static inline struct value *parsed(const char *text)
{
	struct value *value = NULL;
	struct wf_error err = { 0 };
	if (value_parse(str_of(text), NULL, &value, &err)) {
		fprintf(stderr, "%s: %s at %s\n", text, err.message, err.where);
		fail();
	}
	return value;
}

#define assert_json(value, wanted) assert_text(value_text(value), (wanted))
