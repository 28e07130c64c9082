/* choice.c: StringMatches.
 *
 * A pattern is pieces between asterisks. Each piece is looked for as far left as it may stand; on a mismatch only the
 * last asterisk takes one more character, because an earlier one could gain nothing by it. So two pairs of cursors are
 * all the state there is. */
#include "dsl/program.h"

/* The character of the pattern at *at, with its backslash taken off; *ret_star: it is an asterisk that stands for
 * anything. */
static char pattern_character(struct str pattern, size_t at, size_t *ret_length, bool *ret_star)
{
	char c = pattern.ptr[at];
	bool escape = c == '\\' && at + 1 < pattern.len;
	*ret_length = escape ? 2 : 1;
	*ret_star = c == '*';
	return escape ? pattern.ptr[at + 1] : c;
}

bool choice_pattern_matches(struct str pattern, struct str text)
{
	size_t p = 0, t = 0, retry_p = 0, retry_t = 0;
	bool starred = false;
	while (t < text.len || p < pattern.len) {
		size_t length = 0;
		bool star = false;
		char c = p < pattern.len ? pattern_character(pattern, p, &length, &star) : 0;
		if (star) {
			starred = true;
			retry_p = p += length;
			retry_t = t;
			continue;
		}
		if (p < pattern.len && t < text.len && c == text.ptr[t]) {
			p += length;
			t++;
			continue;
		}
		if (!starred || retry_t >= text.len)
			return false;
		p = retry_p;
		t = ++retry_t;
	}
	return true;
}
