/* yaml_reader.h: YAML text as a JSON value. JSON is YAML too, so this reads both.
 *
 * The core schema: plain null, true, false and JSON numbers are what they look like; all else is a string. One
 * document; mappings have scalar keys, each once. Anchors, aliases and tags are refused: nothing here needs them, and
 * they make small texts large. */
#pragma once
#include "base/error.h"
#include "value/value.h"

/* 0 and *ret_value (yours); ERR(INVALID) with err->where "line 3, column 7". An empty text gives {}. */
int yaml_parse(struct str text, struct value **ret_value, struct wf_error *err);
/* Where in a text that yaml_parse could read the member (its key) or element stands that a JSON pointer (without
 * escapes) names, or the nearest above it that is there. False if not even the first of them is. */
bool yaml_place(struct str text, const char *pointer, size_t *ret_line, size_t *ret_column);
