/* signature.h: function signatures, "<s-nn?:s>": which arguments a function takes, what the context may stand in for,
 * what is made an array. Private to dsl/jsonata/. */
#pragma once
#include "base/arena.h"
#include "dsl/jsonata/errors.h"

struct signature;

/* NULL, *ret_code (S0401, S0402), *ret_value (the offending part) and *ret_offset (where in the text) if it is
 * malformed. */
struct signature *signature_parse(struct arena *arena, struct str text, enum jsonata_code *ret_code,
				  struct str *ret_value, size_t *ret_offset);
