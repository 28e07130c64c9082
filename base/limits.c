/* limits.c: the rows of limits.h as data. */
#include "base/limits.h"
#include <stddef.h>

const struct limit_row limit_rows[] = {
#define X(name, value, least, most, text) { #name, value, least, most, text, offsetof(struct limits, name) },
	LIMITS(X)
#undef X
};

const unsigned limit_rows_count = sizeof limit_rows / sizeof limit_rows[0];
