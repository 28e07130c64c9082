/* regex.h: JavaScript's regular expressions on PCRE2. Private to dsl/jsonata/.
 *
 * A pattern is translated (what \d, \s, $, [^] mean differs) and compiled once with its program; matching has limits on
 * steps, depth and heap. */
#pragma once
#include "base/arena.h"

struct regex;

enum regex_flag {
	REGEX_IGNORE_CASE = 1,
	REGEX_MULTILINE = 2,
	REGEX_ASCII_SPACES = 4, /* \s is white space of ASCII only, as in the States Language */
};

/* `flags`: REGEX_…. NULL and *ret_why if the pattern is not valid. The compiled pattern is freed with the arena. */
struct regex *regex_compile(struct arena *arena, struct str pattern, unsigned flags, struct str *ret_why);
struct str regex_source(const struct regex *regex);

/* One match: byte offsets of the whole and of its groups; SIZE_MAX where a group took no part. */
struct regex_match {
	size_t start, end;
	const size_t *groups; /* pairs, for groups 1…; valid until the next match */
	unsigned group_count;
};
enum regex_result { REGEX_MATCH, REGEX_NONE, REGEX_LIMIT };

/* Scratch memory for matching, reused from match to match. */
struct regex_scratch;
struct regex_scratch *regex_scratch_new(struct arena *arena);

/* Looks for the first match at or after `from` bytes. */
enum regex_result regex_match(const struct regex *regex, struct str subject, size_t from, struct regex_scratch *scratch,
			      struct regex_match *ret_match);
