/* glob.h: patterns for names: * is any text, ? any one byte, all else itself. Takes time in proportion to pattern ×
 * text at the most, whatever the pattern: of the stars only the last one seen is ever moved. */
#pragma once
#include "base/str.h"
#include <stdint.h>

static inline bool glob_matches(struct str pattern, struct str text)
{
	size_t p = 0, t = 0, star = SIZE_MAX, from = 0;
	while (t < text.len) {
		if (p < pattern.len && pattern.ptr[p] == '*') {
			star = p++;
			from = t;
		} else if (p < pattern.len && (pattern.ptr[p] == '?' || pattern.ptr[p] == text.ptr[t])) {
			p++;
			t++;
		} else if (star != SIZE_MAX) {
			p = star + 1;
			t = ++from;
		} else {
			return false;
		}
	}
	while (p < pattern.len && pattern.ptr[p] == '*')
		p++;
	return p == pattern.len;
}
