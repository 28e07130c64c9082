/* fuzz_dead_letters.c: what dead letters are found, and governed, by: patterns, policies and the stored form of jobs.
 */
#include "base/glob.h"
#include "engine/dead.h"
#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The same question, answered by trying everything; for short texts only. */
static bool matches_slowly(struct str pattern, struct str text)
{
	if (!pattern.len)
		return !text.len;
	if (pattern.ptr[0] == '*') {
		for (size_t i = 0; i <= text.len; i++)
			if (matches_slowly(str_sub(pattern, 1, pattern.len), str_sub(text, i, text.len)))
				return true;
		return false;
	}
	return text.len && (pattern.ptr[0] == '?' || pattern.ptr[0] == text.ptr[0]) &&
	       matches_slowly(str_sub(pattern, 1, pattern.len), str_sub(text, 1, text.len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	size_t split = data[0] % size;
	struct str pattern = { (const char *)data + 1, split < size ? split : 0 };
	pattern.len = pattern.len < size - 1 ? pattern.len : size - 1;
	struct str rest = { pattern.ptr + pattern.len, size - 1 - pattern.len };
	bool found = glob_matches(pattern, rest);
	if (pattern.len <= 8 && rest.len <= 12)
		assert(found == matches_slowly(pattern, rest));

	struct value *policy = NULL;
	struct wf_error err = { 0 };
	if (value_parse(rest, NULL, &policy, NULL) == 0)
		dead_policy_check(policy, &err);
	value_unref(policy);

	struct engine engine = { .dead = NULL };
	dead_load_job(&engine, &(struct store_item){ .kind = ITEM_REDRIVE_JOB, .key = STR("1"), .bytes = rest });
	return 0;
}
