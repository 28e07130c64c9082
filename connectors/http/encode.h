/* encode.h: URLs, query strings and forms. */
#pragma once
#include "base/buffer.h"
#include "value/value.h"

/* How a form writes {"a": [1, 2]}: a[0]=1&a[1]=2, a=1&a=2, a=1,2 or a[]=1&a[]=2. */
enum form_arrays { FORM_INDICES, FORM_REPEAT, FORM_COMMAS, FORM_BRACKETS };

/* Appends `text` with everything but letters, digits and -._~ as %XX. */
void encode_component(struct str text, struct buffer *out);

/* Appends name=value; "&" before it unless `out` is empty or ends with "?" or "&". */
void encode_pair(struct str name, struct str value, struct buffer *out);

/* Appends an object as a form (application/x-www-form-urlencoded); objects inside give a[b]=…, null gives an empty
 * value. ERR(INVALID) if it is no object or nested deeper than 16. */
int encode_form(const struct value *object, enum form_arrays arrays, struct buffer *out, struct wf_error *err);

/* Appends members as query parameters; an array's elements each under the same name. ERR(INVALID) if it is no object of
 * texts, numbers, booleans and arrays of these. */
int encode_query(const struct value *object, struct buffer *out, struct wf_error *err);

/* A scalar's text as it stands in a form, a query or a header: a string without its quotes, null empty. */
struct str encode_scalar(const struct value *value);
