/* yaml_reader.h: YAML text as a JSON value, or as JSON text that remembers where it came from. JSON is YAML too, so this reads both.
 *
 * The core schema, as far as JSON has the same: plain null (or ~), true, false and JSON numbers are what they look like; all else is
 * a string: yes, on, True, 0x10 and 2026-01-01 are. One document; mappings have scalar keys. Anchors, aliases and tags are
 * refused: nothing here needs them, and they make small texts large. Nesting is bounded, and so is the time: the result is never more
 * than six times as long as the text. */
#pragma once
#include "base/buffer.h"
#include "base/error.h"
#include "value/value.h"

/* 0 and *ret_value (yours); ERR(INVALID) with err->where "line 3, column 7". An empty text gives {}. A repeated key is refused. */
int yaml_parse(struct str text, struct value **ret_value, struct wf_error *err);
/* Where in a text that yaml_parse could read the member (its key) or element stands that a JSON pointer (without
 * escapes) names, or the nearest above it that is there. False if not even the first of them is. */
bool yaml_place(struct str text, const char *pointer, size_t *ret_line, size_t *ret_column);

/* A token of the JSON text and the piece of YAML that it was made of, in bytes. */
struct yaml_piece {
	size_t json, json_length, yaml, yaml_length;
};
struct yaml_json {
	struct buffer text;
	struct yaml_piece *pieces; /* in the order of both texts */
	size_t count, capacity;
};
/* The same as JSON text; repeated keys are left in (whoever reads the JSON finds them). On ERR(INVALID) *ret_offset is where in the
 * YAML; an empty text gives null. *ret_json starts zeroed, and is freed with yaml_json_done either way. */
int yaml_to_json(struct str text, struct yaml_json *ret_json, size_t *ret_offset, struct wf_error *err);
/* The place in the YAML of `length` bytes of the JSON at `offset`: the same characters where they stand there unchanged, else the scalar
 * that they were made of. */
void yaml_json_place(const struct yaml_json *json, struct str yaml, size_t offset, size_t length, size_t *ret_offset, size_t *ret_length);
/* Where the last token before `offset` of the JSON ends in the YAML. */
size_t yaml_json_end(const struct yaml_json *json, size_t offset);
void yaml_json_done(struct yaml_json *json);
