/* check.h: cmocka with the headers it wants, and comparing struct str. */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/str.h"

static inline void check_text(struct str got, const char *wanted, const char *file, int line)
{
	if (str_eqz(got, wanted))
		return;
	fprintf(stderr, "%s:%d: got <%.*s>, wanted <%s>\n", file, line, STR_FMT(got), wanted);
	fail();
}
#define assert_text(got, wanted) check_text((got), (wanted), __FILE__, __LINE__)
