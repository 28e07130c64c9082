/* validate.h: a definition checked on the way to something else. */
#pragma once
#include "base/buffer.h"
#include "base/limits.h"

/* No file that is larger is looked at; the limits say what a definition may be. */
#define DEFINITION_BYTES_MAX ((size_t)64 << 20)

/* Prints everything that is wrong with a definition to stderr, `path` in front. 0 if it compiles. `limits` NULL: the
 * defaults. */
int check_definition(const char *path, const struct buffer *definition, const struct limits *limits);
