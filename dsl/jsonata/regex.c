/* regex.c: JavaScript's regular expressions on PCRE2.
 *
 * The pattern is rewritten so that PCRE2 reads it as JavaScript would: \s and `.` know Unicode's spaces and line ends,
 * \v is one character, letters without a meaning stand for themselves, brackets inside a class are plain, `$` is the
 * very end; and what JavaScript does not have (possessive quantifiers, verbs, atomic groups, POSIX classes …) is
 * refused or taken literally.
 *
 * Subjects are checked for UTF-8 once, not at every match; lone surrogates, which PCRE2 cannot match, are seen as
 * U+FFFD, which has as many bytes. */
#include "dsl/jsonata/regex.h"
#include "dsl/jsonata/text.h"
#include "base/mem.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

enum { MATCH_STEPS_MAX = 5000000, MATCH_DEPTH_MAX = 20000, MATCH_HEAP_KIB_MAX = 32768 };

struct regex {
	struct str source;
	pcre2_code *code;
	unsigned groups;
};

/* ---- translation ------------------------------------------------------------------------ */

#define SPACES "\\s\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}\\x{feff}"
#define LINE_ENDS "\\n\\r\\x{2028}\\x{2029}"

struct translation {
	struct str from;
	size_t at;
	struct buffer to;
	unsigned groups; /* capturing ones, counted beforehand */
	bool named;
	bool ascii_spaces;
	const char *wrong;
};

static char peek(const struct translation *t, size_t ahead)
{
	return t->at + ahead < t->from.len ? t->from.ptr[t->at + ahead] : '\0';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static int hex_digits(const struct translation *t, size_t ahead, int count)
{
	int number = 0;
	for (int i = 0; i < count; i++) {
		char c = peek(t, ahead + (size_t)i), lower = (char)(c | 32);
		if (!is_digit(c) && !(lower >= 'a' && lower <= 'f'))
			return -1;
		number = number * 16 + (is_digit(c) ? c - '0' : lower - 'a' + 10);
	}
	return number;
}

static void count_groups(struct translation *t)
{
	bool class = false;
	for (size_t i = 0; i < t->from.len; i++) {
		char c = t->from.ptr[i];
		if (c == '\\')
			i++;
		else if (class)
			class = c != ']';
		else if (c == '[')
			class = true;
		else if (c == '(') {
			struct str next = str_sub(t->from, i + 1, 3);
			bool named =
			    str_starts(next, STR("?<")) && next.len == 3 && next.ptr[2] != '=' && next.ptr[2] != '!';
			t->groups += named || !str_starts(next, STR("?"));
			t->named |= named;
		}
	}
}

static void add_character(struct translation *t, uint32_t character)
{
	buffer_printf(&t->to, "\\x{%x}", character);
}

/* \1 is a group if there are so many, else an octal number or the digit itself. */
static void translate_number(struct translation *t, bool class)
{
	unsigned number = 0;
	size_t length = 0;
	while (is_digit(peek(t, length)) && length < 4)
		number = number * 10 + (unsigned)(peek(t, length++) - '0');
	if (!class && peek(t, 0) != '0' && number <= t->groups) {
		buffer_printf(&t->to, "\\g{%u}", number);
		t->at += length;
		return;
	}
	unsigned octal = 0;
	for (length = 0; length < 3 && peek(t, length) >= '0' && peek(t, length) <= '7' && octal * 8 < 256; length++)
		octal = octal * 8 + (unsigned)(peek(t, length) - '0');
	add_character(t, length ? octal : (unsigned char)peek(t, 0));
	t->at += length ? length : 1;
}

static void translate_unicode(struct translation *t)
{
	int unit = hex_digits(t, 1, 4);
	if (unit < 0) {
		buffer_byte(&t->to, 'u');
		t->at++;
		return;
	}
	t->at += 5;
	int low = unit >> 10 == 0x36 && peek(t, 0) == '\\' && peek(t, 1) == 'u' ? hex_digits(t, 2, 4) : -1;
	if (low >> 10 == 0x37) {
		t->at += 6;
		add_character(t, 0x10000 + (((uint32_t)unit & 0x3FF) << 10) + ((uint32_t)low & 0x3FF));
	} else {
		add_character(t, unit >> 11 == 0x1B ? 0xFFFD : (uint32_t)unit);
	}
}

/* What follows a backslash; t->at is on it. */
static void translate_escape(struct translation *t, bool class)
{
	char c = peek(t, 0);
	int code;
	if (t->at >= t->from.len) {
		t->wrong = "\\ at end of pattern";
		return;
	}
	if (is_digit(c)) {
		translate_number(t, class);
		return;
	}
	switch (c) {
	case 's':
		buffer_addz(&t->to, t->ascii_spaces ? "\\s" : class ? SPACES : "[" SPACES "]");
		break;
	case 'S':
		buffer_addz(&t->to, class || t->ascii_spaces ? "\\S" : "[^" SPACES "]");
		break;
	case 'v':
		add_character(t, 0x0B);
		break;
	case 'd':
	case 'D':
	case 'w':
	case 'W':
	case 'b':
	case 'f':
	case 'n':
	case 'r':
	case 't':
		buffer_byte(&t->to, '\\');
		buffer_byte(&t->to, c);
		break;
	case 'B':
		buffer_addz(&t->to, class ? "B" : "\\B");
		break;
	case 'c':
		if ((unsigned char)((peek(t, 1) | 32) - 'a') < 26) {
			add_character(t, (uint32_t)peek(t, 1) & 31);
			t->at++;
		} else {
			buffer_addz(&t->to, "\\\\c");
		}
		break;
	case 'x':
		code = hex_digits(t, 1, 2);
		if (code >= 0) {
			add_character(t, (uint32_t)code);
			t->at += 2;
		} else {
			buffer_byte(&t->to, 'x');
		}
		break;
	case 'u':
		translate_unicode(t);
		return;
	case 'k':
		buffer_addz(&t->to, t->named && !class ? "\\k" : "k");
		break;
	default:
		if ((unsigned char)((c | 32) - 'a') < 26) {
			buffer_byte(&t->to, c); /* a letter without meaning */
		} else {
			if ((unsigned char)c < 0x80)
				buffer_byte(&t->to, '\\');
			buffer_byte(&t->to, c);
		}
	}
	t->at++;
}

static void translate_class(struct translation *t)
{
	buffer_byte(&t->to, '[');
	t->at++;
	if (peek(t, 0) == '^') {
		buffer_byte(&t->to, '^');
		t->at++;
	}
	while (t->at < t->from.len && peek(t, 0) != ']' && !t->wrong) {
		if (peek(t, 0) == '\\') {
			t->at++;
			translate_escape(t, true);
			continue;
		}
		if (peek(t, 0) == '[')
			buffer_byte(&t->to, '\\');
		buffer_byte(&t->to, peek(t, 0));
		t->at++;
	}
	if (t->at >= t->from.len) {
		t->wrong = "Unterminated character class";
		return;
	}
	buffer_byte(&t->to, ']');
	t->at++;
}

static void translate_group(struct translation *t)
{
	static const char *const known[] = { "(?:", "(?=", "(?!", "(?<" };
	struct str rest = str_sub(t->from, t->at, t->from.len);
	if (str_starts(rest, STR("(*"))) {
		t->wrong = "Nothing to repeat";
		return;
	}
	if (str_starts(rest, STR("(?"))) {
		bool found = false;
		for (size_t i = 0; i < sizeof known / sizeof *known; i++)
			found |= str_starts(rest, str_of(known[i]));
		if (!found)
			t->wrong = "Invalid group";
		buffer_addz(&t->to, "(?");
		t->at += 2;
		return;
	}
	buffer_byte(&t->to, '(');
	t->at++;
}

static void translate(struct translation *t)
{
	count_groups(t);
	while (t->at < t->from.len && !t->wrong) {
		char c = peek(t, 0), next = peek(t, 1);
		if (c == '\\') {
			t->at++;
			translate_escape(t, false);
		} else if (c == '[') {
			translate_class(t);
		} else if (c == '(') {
			translate_group(t);
		} else if (c == '.') {
			buffer_addz(&t->to, "[^" LINE_ENDS "]");
			t->at++;
		} else {
			if ((c == '*' || c == '+' || c == '?' || c == '}') && next == '+')
				t->wrong = c == '}' ? NULL : "Nothing to repeat"; /* possessive: not JavaScript's */
			buffer_byte(&t->to, c);
			t->at++;
			if (c == '}' && next == '+')
				buffer_addz(&t->to, "(?:)");
		}
	}
}

/* ---- compiling -------------------------------------------------------------------------- */

static void free_code(void *data)
{
	pcre2_code_free(data);
}

struct regex *regex_compile(struct arena *arena, struct str pattern, unsigned flags, struct str *ret_why)
{
	struct translation t = { .from = pattern, .ascii_spaces = (flags & REGEX_ASCII_SPACES) != 0 };
	translate(&t);
	if (t.wrong) {
		buffer_done(&t.to);
		*ret_why = str_of(t.wrong);
		return NULL;
	}
	uint32_t options = PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_ALLOW_EMPTY_CLASS | PCRE2_MATCH_UNSET_BACKREF |
			   PCRE2_NEVER_BACKSLASH_C;
	options |= (flags & REGEX_IGNORE_CASE ? PCRE2_CASELESS : 0) | (flags & REGEX_MULTILINE ? PCRE2_MULTILINE : 0);
	pcre2_compile_context *context = pcre2_compile_context_create(NULL);
	pcre2_set_newline(context, PCRE2_NEWLINE_ANYCRLF);
	pcre2_set_parens_nest_limit(context, 200);
	int error;
	PCRE2_SIZE offset;
	pcre2_code *code =
	    pcre2_compile((PCRE2_SPTR)(t.to.len ? t.to.data : ""), t.to.len, options, &error, &offset, context);
	pcre2_compile_context_free(context);
	buffer_done(&t.to);
	if (!code) {
		char message[160];
		pcre2_get_error_message(error, (PCRE2_UCHAR *)message, sizeof message);
		*ret_why = arena_str(arena, str_of(message));
		return NULL;
	}
#ifndef RATCHET_WITHOUT_JIT /* valgrind takes the code that it makes, which reads a vector at a time, for faulty */
	pcre2_jit_compile(code, PCRE2_JIT_COMPLETE); /* where it cannot, matching is slower, no more */
#endif
	struct regex *regex = ARENA_NEW(arena, struct regex);
	regex->source = arena_str(arena, pattern);
	regex->code = code;
	uint32_t groups = 0;
	pcre2_pattern_info(code, PCRE2_INFO_CAPTURECOUNT, &groups);
	regex->groups = groups;
	arena_on_reset(arena, free_code, code);
	return regex;
}

struct str regex_source(const struct regex *regex)
{
	return regex->source;
}

/* ---- matching --------------------------------------------------------------------------- */

struct regex_scratch {
	struct arena *arena;
	pcre2_match_context *context;
	pcre2_match_data *data;
	unsigned data_groups;
	struct str subject, checked; /* the last subject, and what PCRE2 is given for it */
};

static void free_scratch(void *data)
{
	struct regex_scratch *scratch = data;
	pcre2_match_context_free(scratch->context);
	pcre2_match_data_free(scratch->data);
}

struct regex_scratch *regex_scratch_new(struct arena *arena)
{
	struct regex_scratch *scratch = ARENA_NEW(arena, struct regex_scratch);
	scratch->arena = arena;
	scratch->context = pcre2_match_context_create(NULL);
	pcre2_set_match_limit(scratch->context, MATCH_STEPS_MAX);
	pcre2_set_depth_limit(scratch->context, MATCH_DEPTH_MAX);
	pcre2_set_heap_limit(scratch->context, MATCH_HEAP_KIB_MAX);
	arena_on_reset(arena, free_scratch, scratch);
	return scratch;
}

/* Bytes of a well-formed character at the start, 0 if it is none. */
static size_t valid_length(struct str text)
{
	const unsigned char *p = (const unsigned char *)text.ptr;
	size_t length = character_length(text), decoded;
	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xC2 || p[0] > 0xF4 || text.len < length || length < 2)
		return 0;
	for (size_t i = 1; i < length; i++)
		if ((p[i] & 0xC0) != 0x80)
			return 0;
	uint32_t c = utf8_decode(text, &decoded);
	bool fits = length == 2   ? p[0] < 0xE0
		    : length == 3 ? p[0] < 0xF0 && c >= 0x800 && c >> 11 != 0x1B
				  : c >= 0x10000 && c <= 0x10FFFF;
	return fits ? length : 0;
}

static struct str checked_subject(struct arena *arena, struct str subject)
{
	size_t at = 0, length;
	while (at < subject.len && (length = valid_length(str_sub(subject, at, subject.len))))
		at += length;
	if (at == subject.len)
		return subject;
	char *copy = arena_alloc(arena, subject.len);
	memcpy(copy, subject.ptr, subject.len);
	for (; at < subject.len; at += length) {
		struct str rest = str_sub(subject, at, subject.len);
		length = valid_length(rest);
		if (length)
			continue;
		if (rest.len >= 3 && (unsigned char)rest.ptr[0] == 0xED) {
			memcpy(copy + at, "\xEF\xBF\xBD", 3);
			length = 3;
		} else {
			copy[at] = '?';
			length = 1;
		}
	}
	return (struct str){ copy, subject.len };
}

enum regex_result regex_match(const struct regex *regex, struct str subject, size_t from, struct regex_scratch *scratch,
			      struct regex_match *ret_match)
{
	if (from > subject.len)
		return REGEX_NONE;
	if (scratch->subject.ptr != subject.ptr || scratch->subject.len != subject.len) {
		scratch->subject = subject;
		scratch->checked = checked_subject(scratch->arena, subject);
	}
	if (!scratch->data || scratch->data_groups < regex->groups) {
		pcre2_match_data_free(scratch->data);
		scratch->data = pcre2_match_data_create(regex->groups + 1, NULL);
		scratch->data_groups = regex->groups;
	}
	PCRE2_SPTR text = (PCRE2_SPTR)scratch->checked.ptr;
	int result =
	    pcre2_match(regex->code, text, subject.len, from, PCRE2_NO_UTF_CHECK, scratch->data, scratch->context);
	if (result == PCRE2_ERROR_JIT_STACKLIMIT)
		result = pcre2_match(regex->code, text, subject.len, from, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT,
				     scratch->data, scratch->context);
	if (result == PCRE2_ERROR_NOMATCH)
		return REGEX_NONE;
	if (result < 0)
		return REGEX_LIMIT;
	const PCRE2_SIZE *offsets = pcre2_get_ovector_pointer(scratch->data);
	*ret_match = (struct regex_match){ offsets[0], offsets[1] < offsets[0] ? offsets[0] : offsets[1], offsets + 2,
					   regex->groups };
	return REGEX_MATCH;
}
