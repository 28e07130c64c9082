/* validate.h: a definition checked on the way to something else. */
#pragma once
#include "base/buffer.h"
#include "base/limits.h"

/* Prints everything that is wrong with a definition to stderr, `path` in front. 0 if it compiles. */
int check_definition(const char *path, const struct buffer *definition, const struct limits *limits);
