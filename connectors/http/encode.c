/* Percent-encoding, and objects as query strings and forms. */
#include "connectors/http/encode.h"
#include "base/mem.h"
#include <stdio.h>

#define FORM_DEPTH_MAX 16

void encode_component(struct str text, struct buffer *out)
{
	static const char hex[] = "0123456789ABCDEF";
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];
		if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' ||
		    c == '.' || c == '_' || c == '~') {
			buffer_byte(out, (char)c);
		} else {
			buffer_byte(out, '%');
			buffer_byte(out, hex[c >> 4]);
			buffer_byte(out, hex[c & 15]);
		}
	}
}

void encode_pair(struct str name, struct str value, struct buffer *out)
{
	if (out->len && out->data[out->len - 1] != '?' && out->data[out->len - 1] != '&')
		buffer_byte(out, '&');
	encode_component(name, out);
	buffer_byte(out, '=');
	encode_component(value, out);
}

static bool is_scalar(const struct value *value)
{
	return !value_is(value, VALUE_ARRAY) && !value_is(value, VALUE_OBJECT);
}

struct str encode_scalar(const struct value *value)
{
	return value_is(value, VALUE_STRING) ? value_string(value)
	       : value_is(value, VALUE_NULL) ? STR_EMPTY
					     : value_text(value);
}

static int form_value(const struct value *value, struct buffer *name, enum form_arrays arrays, int depth,
		      struct buffer *out, struct wf_error *err);

/* name[inner]=… */
static int form_inner(const struct value *value, struct buffer *name, struct str inner, enum form_arrays arrays,
		      int depth, struct buffer *out, struct wf_error *err)
{
	size_t len = name->len;
	if (len)
		buffer_byte(name, '[');
	buffer_add(name, inner);
	if (len)
		buffer_byte(name, ']');
	int r = form_value(value, name, arrays, depth + 1, out, err);
	name->len = len;
	return r;
}

static void form_commas(const struct value *array, struct buffer *name, struct buffer *out)
{
	_cleanup_(buffer_done) struct buffer joined = { 0 };
	for (size_t i = 0; i < value_count(array); i++) {
		if (i)
			buffer_byte(&joined, ',');
		buffer_add(&joined, encode_scalar(value_at(array, i)));
	}
	encode_pair(buffer_str(name), buffer_str(&joined), out);
}

static int form_array(const struct value *array, struct buffer *name, enum form_arrays arrays, int depth,
		      struct buffer *out, struct wf_error *err)
{
	if (arrays == FORM_COMMAS) {
		form_commas(array, name, out);
		return 0;
	}
	int r = 0;
	for (size_t i = 0; i < value_count(array) && r == 0; i++) {
		const struct value *item = value_at(array, i);
		char index[24] = "";
		if (arrays == FORM_INDICES)
			snprintf(index, sizeof index, "%zu", i);
		r = arrays == FORM_REPEAT ? form_value(item, name, arrays, depth + 1, out, err)
					  : form_inner(item, name, str_of(index), arrays, depth, out, err);
	}
	return r;
}

static int form_value(const struct value *value, struct buffer *name, enum form_arrays arrays, int depth,
		      struct buffer *out, struct wf_error *err)
{
	if (depth > FORM_DEPTH_MAX)
		return error_set(err, ERR(INVALID), "a form's values are nested %d deep at most", FORM_DEPTH_MAX);
	if (is_scalar(value)) {
		encode_pair(buffer_str(name), encode_scalar(value), out);
		return 0;
	}
	if (value_is(value, VALUE_ARRAY))
		return form_array(value, name, arrays, depth, out, err);
	int r = 0;
	for (size_t i = 0; i < value_count(value) && r == 0; i++)
		r = form_inner(value_at(value, i), name, value_key_at(value, i), arrays, depth, out, err);
	return r;
}

int encode_form(const struct value *object, enum form_arrays arrays, struct buffer *out, struct wf_error *err)
{
	if (!value_is(object, VALUE_OBJECT))
		return error_set(err, ERR(INVALID), "expected an object for a form, found %s",
				 value_kind_name(value_kind(object)));
	_cleanup_(buffer_done) struct buffer name = { 0 };
	return form_value(object, &name, arrays, 0, out, err);
}

int encode_query(const struct value *object, struct buffer *out, struct wf_error *err)
{
	if (!value_is(object, VALUE_OBJECT))
		return error_set(err, ERR(INVALID), "expected an object of query parameters, found %s",
				 value_kind_name(value_kind(object)));
	for (size_t i = 0; i < value_count(object); i++) {
		const struct value *value = value_at(object, i);
		bool array = value_is(value, VALUE_ARRAY);
		for (size_t k = 0; k < (array ? value_count(value) : 1); k++) {
			const struct value *item = array ? value_at(value, k) : value;
			if (!is_scalar(item))
				return error_set(
				    err, ERR(INVALID),
				    "the query parameter \"%.*s\" must be a text, a number or an array of these",
				    STR_FMT(value_key_at(object, i)));
			encode_pair(value_key_at(object, i), encode_scalar(item), out);
		}
	}
	return 0;
}
