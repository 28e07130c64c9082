/* scan.h: validating and compacting JSON text. Private to value/. */
#pragma once
#include "value/node.h"

/* Where and why a text is not JSON. */
struct scan_problem {
	size_t offset; /* in the original text */
	char message[160];
};

/* Checks `len` bytes of text, which TEXT_PADDING zero bytes follow, against RFC 8259, and squeezes white space out of
 * them, in place; or, with `refuse_space`, takes white space between tokens for a mistake and changes nothing. True,
 * and the new length and the census; or false and the problem, and the text is a ruin. */
bool scan_json(char *text, size_t len, int depth_max, bool refuse_space, size_t *ret_len, struct census *ret_census,
	       struct scan_problem *ret_problem);

/* Whether a text, which a NUL follows, is one number and nothing else. */
bool scan_is_number(const char *text, size_t len);
