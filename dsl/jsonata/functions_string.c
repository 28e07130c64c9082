/* functions_string.c: strings. They are counted in characters (code points), as the reference does, but positions of
 * matches are UTF-16 units, as JavaScript's are. */
#include "dsl/jsonata/functions.h"
#include "dsl/jsonata/text.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#define ARG(i) (call->arguments[i])

NATIVE(native_string)
{
	struct item item = ARG(0);
	if (is_nothing(item))
		return NOTHING;
	if (has_flag(item, ARRAY_OUTER) && item.array->count)
		item = item.array->items[0];
	return item_text(item_string(e, item, ARG(1).kind == ITEM_BOOLEAN && ARG(1).boolean));
}

/* Part of a text by characters, with the rules of JavaScript's slice. */
static struct str slice(struct str text, double start, double end, bool to_end)
{
	double length = (double)utf8_count(text);
	start = trunc(start);
	end = to_end ? length : trunc(end);
	if (start < 0)
		start = start + length > 0 ? start + length : 0;
	if (end < 0)
		end = end + length > 0 ? end + length : 0;
	if (!(start < length) || !(end > start))
		return STR_EMPTY;
	if (end > length)
		end = length;
	size_t from = utf8_offset(text, (size_t)start);
	return str_sub(text, from, utf8_offset(str_sub(text, from, text.len), (size_t)(end - start)));
}

/* The text's end, from UTF-16 unit `unit` on; the half of a character that it begins with is kept. */
static struct str from_unit(struct evaluation *e, struct str text, double unit)
{
	while (text.len && unit > 0) {
		size_t length;
		uint32_t character = utf8_decode(text, &length);
		text = str_sub(text, length, text.len);
		unit -= character < 0x10000 ? 1 : 2;
		if (unit < 0) {
			char half[4];
			struct str low = { half, utf8_encode(0xDC00 + (character & 0x3FF), half) };
			return text_concat(e, ev_str(e, low), text);
		}
	}
	return text;
}

/* In the States Language a start before 0 counts UTF-16 units from the end, though a length counts characters. */
static struct item substring_from_end(struct evaluation *e, struct str text, double start, struct item count)
{
	if (!is_nothing(count) && !(count.number > 0))
		return item_text(STR_EMPTY);
	text = from_unit(e, text, (double)utf16_count(text) + ceil(start));
	return item_text(is_nothing(count) ? text : slice(text, 0, count.number, false));
}

NATIVE(native_substring)
{
	if (is_nothing(ARG(0)))
		return NOTHING;
	struct str text = item_str(ARG(0));
	spend(e, (int64_t)(text.len / 64));
	double length = (double)utf8_count(text), start = ARG(1).kind == ITEM_NUMBER ? ARG(1).number : 0;
	if (e->states && start < 0)
		return substring_from_end(e, text, start, ARG(2));
	if (length + start < 0)
		start = 0;
	if (is_nothing(ARG(2)))
		return item_text(slice(text, start, 0, true));
	double count = ARG(2).number;
	if (!(count > 0) || is_nothing(ARG(1)))
		return item_text(STR_EMPTY);
	return item_text(slice(text, start, start >= 0 ? start + count : length + start + count, false));
}

static const char *find(struct str text, struct str part)
{
	if (part.len == 0)
		return text.ptr;
	return text.len < part.len ? NULL : memmem(text.ptr, text.len, part.ptr, part.len);
}

NATIVE(native_substring_before)
{
	if (is_nothing(ARG(0)))
		return NOTHING;
	if (is_nothing(ARG(1)))
		return ARG(0);
	struct str text = item_str(ARG(0));
	const char *found = find(text, item_str(ARG(1)));
	return found ? item_text(str_sub(text, 0, (size_t)(found - text.ptr))) : ARG(0);
}

NATIVE(native_substring_after)
{
	if (is_nothing(ARG(0)))
		return NOTHING;
	if (is_nothing(ARG(1)))
		return ARG(0);
	struct str text = item_str(ARG(0));
	const char *found = find(text, item_str(ARG(1)));
	return found ? item_text(str_sub(text, (size_t)(found - text.ptr) + ARG(1).len, text.len)) : ARG(0);
}

/* ---- case ------------------------------------------------------------------------------- */

/* Characters whose other case is not one character. */
static const struct {
	const char *from, *to;
} upper_specials[] = { { "ß", "SS" },  { "ŉ", "ʼN" },  { "ﬀ", "FF" }, { "ﬁ", "FI" }, { "ﬂ", "FL" },
		       { "ﬃ", "FFI" }, { "ﬄ", "FFL" }, { "ﬅ", "ST" }, { "ﬆ", "ST" }, { "և", "ԵՒ" } };

static struct str change_ascii(struct evaluation *e, struct str text, bool upper)
{
	char *changed = ev_alloc(e, text.len);
	char first = upper ? 'a' : 'A';
	for (size_t i = 0; i < text.len; i++)
		changed[i] = (unsigned char)(text.ptr[i] - first) < 26 ? (char)(text.ptr[i] ^ 32) : text.ptr[i];
	return (struct str){ changed, text.len };
}

/* PCRE2 knows Unicode's simple case pairs: it is asked to replace all by itself in the other case. */
static struct str change_unicode(struct evaluation *e, struct str text, bool upper)
{
	int code;
	PCRE2_SIZE offset, length = text.len * 3 + 16;
	pcre2_code *all = pcre2_compile((PCRE2_SPTR) "(?s).+", PCRE2_ZERO_TERMINATED,
					PCRE2_UTF | PCRE2_MATCH_INVALID_UTF, &code, &offset, NULL);
	if (!all)
		return text;
	ev_claim(e, length);
	char *changed = arena_alloc(e->arena, length);
	code = pcre2_substitute(
	    all, (PCRE2_SPTR)text.ptr, text.len, 0, PCRE2_SUBSTITUTE_EXTENDED | PCRE2_SUBSTITUTE_GLOBAL, NULL, NULL,
	    (PCRE2_SPTR)(upper ? "\\U$0" : "\\L$0"), PCRE2_ZERO_TERMINATED, (PCRE2_UCHAR *)changed, &length);
	pcre2_code_free(all);
	return code < 0 ? text : (struct str){ changed, length };
}

NATIVE(native_lowercase)
{
	if (is_nothing(ARG(0)))
		return NOTHING;
	struct str text = item_str(ARG(0));
	spend(e, (int64_t)(text.len / 64));
	if (text_is_ascii(text))
		return item_text(change_ascii(e, text, false));
	return item_text(change_unicode(e, text, false));
}

NATIVE(native_uppercase)
{
	if (is_nothing(ARG(0)))
		return NOTHING;
	struct str text = item_str(ARG(0));
	spend(e, (int64_t)(text.len / 64));
	if (text_is_ascii(text))
		return item_text(change_ascii(e, text, true));
	struct buffer *out = ev_buffer(e);
	for (size_t at = 0, length; at < text.len; at += length) {
		struct str rest = str_sub(text, at, text.len);
		length = character_length(rest);
		struct str character = str_sub(rest, 0, length);
		for (size_t i = 0; i < sizeof upper_specials / sizeof *upper_specials; i++)
			if (str_eqz(character, upper_specials[i].from))
				character = str_of(upper_specials[i].to);
		buffer_add(out, character);
	}
	return item_text(change_unicode(e, ev_buffer_take(e, out), true));
}

/* ---- length, trim, pad ------------------------------------------------------------------ */

NATIVE(native_length)
{
	spend(e, ARG(0).len / 64);
	return is_nothing(ARG(0)) ? NOTHING : item_number((double)utf8_count(item_str(ARG(0))));
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

NATIVE(native_trim)
{
	if (is_nothing(ARG(0)))
		return NOTHING;
	struct str text = item_str(ARG(0));
	spend(e, (int64_t)(text.len / 64));
	char *trimmed = ev_alloc(e, text.len);
	size_t length = 0;
	for (size_t i = 0; i < text.len; i++) {
		if (!is_blank(text.ptr[i]))
			trimmed[length++] = text.ptr[i];
		else if (length && trimmed[length - 1] != ' ')
			trimmed[length++] = ' ';
	}
	if (length && trimmed[length - 1] == ' ')
		length--;
	return item_text((struct str){ trimmed, length });
}

NATIVE(native_pad)
{
	if (is_nothing(ARG(0)))
		return NOTHING;
	struct str text = item_str(ARG(0)),
		   with = ARG(2).kind == ITEM_STRING && ARG(2).len ? item_str(ARG(2)) : STR(" ");
	double width = ARG(1).kind == ITEM_NUMBER ? ARG(1).number : 0,
	       missing = floor(fabs(width)) - (double)utf8_count(text);
	if (!(missing > 0))
		return ARG(0);
	size_t characters = utf8_count(with);
	if (missing > 4e9 || missing * (double)with.len / (double)characters > 4e9)
		throw_limit(e, "The expression needs too much memory");
	size_t whole = (size_t)missing / characters, part = utf8_offset(with, (size_t)missing % characters);
	size_t padding = whole * with.len + part;
	ev_claim(e, padding + text.len);
	claim_units(e, missing + (double)utf8_count(text));
	spend(e, (int64_t)(padding / 16));
	char *padded = ev_alloc(e, padding + text.len), *at = padded;
	if (width > 0)
		at = mempcpy(at, text.ptr, text.len);
	for (size_t i = 0; i < whole; i++)
		at = mempcpy(at, with.ptr, with.len);
	at = mempcpy(at, with.ptr, part);
	if (width < 0)
		memcpy(at, text.ptr, text.len);
	return item_text((struct str){ padded, padding + text.len });
}

/* ---- matchers --------------------------------------------------------------------------- */

/* One match as the functions below want it: of a regular expression, or of what a function of the expression's own
 * returned. */
struct found {
	size_t start, end; /* bytes of the subject */
	struct str match;
	struct item groups;
	struct item next;  /* function */
	struct item whole; /* the match as an item */
};

static size_t byte_of_unit(struct str text, double unit)
{
	size_t at = 0;
	for (double passed = 0; at < text.len && passed < unit;) {
		size_t length = character_length(str_sub(text, at, text.len));
		passed += length == 4 ? 2 : 1;
		at += length;
	}
	return at;
}

static bool read_match(struct evaluation *e, struct item result, struct str subject, struct found *ret)
{
	if (!is_object(result))
		return false;
	struct item start = object_get(e, result, STR("start")), end = object_get(e, result, STR("end"));
	struct item groups = object_get(e, result, STR("groups")), next = object_get(e, result, STR("next"));
	if (start.kind != ITEM_NUMBER && end.kind != ITEM_NUMBER && !is_array(groups) && next.kind != ITEM_FUNCTION)
		THROW(e, .code = JSONATA_T1010);
	struct item match = object_get(e, result, STR("match"));
	*ret = (struct found){ .match = match.kind == ITEM_STRING ? item_str(match) : STR_EMPTY,
			       .groups = groups,
			       .next = next,
			       .whole = result };
	ret->start = byte_of_unit(subject, start.kind == ITEM_NUMBER ? start.number : 0);
	ret->end = byte_of_unit(subject, end.kind == ITEM_NUMBER ? end.number : 0);
	if (ret->end < ret->start)
		ret->end = ret->start;
	return true;
}

/* Matches in turn. A regular expression is matched without making an object for each match. */
struct matches {
	struct item pattern;
	struct str subject;
	size_t from;
	bool first;
	struct regex_match regex;
	struct frame *frame;
};

static bool next_match(struct evaluation *e, struct matches *m, struct found *found)
{
	spend(e, 1);
	if (m->pattern.kind == ITEM_FUNCTION && m->pattern.function->kind == FUNCTION_MATCHER) {
		if (!m->first && m->from >= m->subject.len)
			return false;
		const struct regex *regex = m->pattern.function->regex;
		switch (regex_match(regex, m->subject, m->from, e->regex_scratch, &m->regex)) {
		case REGEX_NONE:
			return false;
		case REGEX_LIMIT:
			throw_limit(e, "The regular expression needs too many steps");
		case REGEX_MATCH:
			break;
		}
		spend(e, (int64_t)(m->regex.end - m->from) / 64);
		if (!m->first && m->regex.end == m->regex.start)
			THROW(e, .code = JSONATA_D1004, .value = item_text(regex_source(regex)), .has_value = true);
		m->first = false;
		m->from = m->regex.end;
		*found = (struct found){ .start = m->regex.start,
					 .end = m->regex.end,
					 .match = str_sub(m->subject, m->regex.start, m->regex.end - m->regex.start) };
		return true;
	}
	struct item result;
	if (m->first) {
		struct item argument = item_text(m->subject);
		result = apply(e, m->pattern, &argument, 1, item_null(), m->frame);
		m->first = false;
	} else if (m->pattern.kind == ITEM_FUNCTION) {
		result = apply(e, m->pattern, NULL, 0, item_null(), m->frame);
	} else {
		return false;
	}
	if (!read_match(e, result, m->subject, found))
		return false;
	m->pattern = found->next;
	return true;
}

static struct matches matches_of(struct evaluation *e, struct item pattern, struct str subject, struct frame *frame)
{
	if (!e->regex_scratch)
		e->regex_scratch = regex_scratch_new(e->arena);
	return (struct matches){ .pattern = pattern, .subject = subject, .first = true, .frame = frame };
}

static struct item regex_groups(struct evaluation *e, struct str subject, const struct regex_match *match)
{
	struct array *groups = array_new(e, match->group_count, 0);
	for (unsigned i = 0; i < match->group_count; i++) {
		size_t start = match->groups[2 * i], end = match->groups[2 * i + 1];
		array_add(e, groups, start == SIZE_MAX ? NOTHING : item_text(str_sub(subject, start, end - start)));
	}
	return item_array(groups);
}

/* UTF-16 position of a byte, counted on from the last one asked for. */
struct unit_counter {
	size_t bytes, units;
};

static double units_at(struct str subject, struct unit_counter *counter, size_t bytes)
{
	if (bytes < counter->bytes)
		*counter = (struct unit_counter){ 0, 0 };
	counter->units += utf16_count(str_sub(subject, counter->bytes, bytes - counter->bytes));
	counter->bytes = bytes;
	return (double)counter->units;
}

struct item regex_function(struct evaluation *e, const struct regex *regex)
{
	struct function *function = EV_NEW(e, struct function);
	*function = (struct function){ .kind = FUNCTION_MATCHER, .regex = regex };
	return item_function(function);
}

/* What calling a regular expression gives: an object with the match and a function for the next one. */
struct item matcher_call(struct evaluation *e, const struct regex *regex, struct str subject, size_t from)
{
	struct matches m = matches_of(e, regex_function(e, regex), subject, NULL);
	struct found found;
	m.first = from == 0;
	m.from = from;
	if (from > subject.len || !next_match(e, &m, &found))
		return NOTHING;
	struct unit_counter counter = { 0 };
	struct function *next = EV_NEW(e, struct function);
	*next = (struct function){ .kind = FUNCTION_NEXT_MATCH, .regex = regex, .subject = subject, .from = found.end };
	struct object *result = object_new(e, 5);
	object_set(e, result, STR("match"), item_text(found.match));
	object_set(e, result, STR("start"), item_number(units_at(subject, &counter, found.start)));
	object_set(e, result, STR("end"), item_number(units_at(subject, &counter, found.end)));
	object_set(e, result, STR("groups"), regex_groups(e, subject, &m.regex));
	object_set(e, result, STR("next"), item_function(next));
	return item_object(result);
}

static struct item found_groups(struct evaluation *e, const struct matches *m, const struct found *found)
{
	return m->pattern.kind == ITEM_FUNCTION && m->pattern.function->kind == FUNCTION_MATCHER &&
		       is_nothing(found->whole)
		   ? regex_groups(e, m->subject, &m->regex)
		   : found->groups;
}

/* A limit argument: infinity when it is missing. */
static double limit_of(struct evaluation *e, struct item item, enum jsonata_code code)
{
	if (item.kind != ITEM_NUMBER)
		return INFINITY;
	if (item.number < 0)
		THROW(e, .code = code, .value = item, .has_value = true);
	return item.number;
}

NATIVE(native_match)
{
	if (is_nothing(ARG(0)))
		return NOTHING;
	double limit = limit_of(e, ARG(2), JSONATA_D3040);
	struct str subject = item_str(ARG(0));
	struct array *result = sequence_new(e);
	struct matches m = matches_of(e, ARG(1), subject, call->frame);
	struct unit_counter counter = { 0 };
	struct found found;
	for (double count = 0; count < limit && next_match(e, &m, &found); count++) {
		struct object *object = object_new(e, 3);
		object_set(e, object, STR("match"), item_text(found.match));
		object_set(e, object, STR("index"), item_number(units_at(subject, &counter, found.start)));
		object_set(e, object, STR("groups"), found_groups(e, &m, &found));
		array_add(e, result, item_object(object));
	}
	return item_array(result);
}

NATIVE(native_contains)
{
	if (is_nothing(ARG(0)) || is_nothing(ARG(1)))
		return NOTHING;
	struct str text = item_str(ARG(0));
	spend(e, (int64_t)(text.len / 64));
	if (ARG(1).kind == ITEM_STRING)
		return item_boolean(find(text, item_str(ARG(1))) != NULL);
	struct matches m = matches_of(e, ARG(1), text, call->frame);
	struct found found;
	return item_boolean(next_match(e, &m, &found));
}

/* ---- split, join ------------------------------------------------------------------------ */

/* By UTF-16 units: a character beyond U+FFFF falls into its halves. */
static void split_units(struct evaluation *e, struct str text, double limit, struct array *result)
{
	for (size_t at = 0; at < text.len && result->count < limit;) {
		size_t length;
		uint32_t character = utf8_decode(str_sub(text, at, text.len), &length);
		spend(e, 1);
		if (character < 0x10000) {
			array_add(e, result, item_text(str_sub(text, at, length)));
		} else {
			char halves[8];
			size_t high = utf8_encode(0xD7C0 + (character >> 10), halves);
			size_t low = utf8_encode(0xDC00 + (character & 0x3FF), halves + high);
			array_add(e, result, item_text(ev_str(e, (struct str){ halves, high })));
			if (result->count < limit)
				array_add(e, result, item_text(ev_str(e, (struct str){ halves + high, low })));
		}
		at += length;
	}
}

NATIVE(native_split)
{
	if (is_nothing(ARG(0)))
		return NOTHING;
	double limit = floor(limit_of(e, ARG(2), JSONATA_D3020));
	struct str text = item_str(ARG(0)), separator = ARG(1).kind == ITEM_STRING ? item_str(ARG(1)) : STR_EMPTY;
	struct array *result = array_new(e, 0, 0);
	spend(e, (int64_t)(text.len / 64));
	if (limit <= 0)
		return item_array(result);
	if (ARG(1).kind == ITEM_STRING && separator.len == 0) {
		split_units(e, text, limit, result);
		return item_array(result);
	}
	struct str rest = text;
	if (ARG(1).kind == ITEM_STRING) {
		for (const char *found; (found = find(rest, separator)) && result->count < limit;) {
			spend(e, 1);
			size_t length = (size_t)(found - rest.ptr);
			array_add(e, result, item_text(str_sub(rest, 0, length)));
			rest = str_sub(rest, length + separator.len, rest.len);
		}
	} else if (ARG(1).kind == ITEM_FUNCTION) {
		struct matches m = matches_of(e, ARG(1), text, call->frame);
		struct found found;
		size_t start = 0;
		while (result->count < limit && next_match(e, &m, &found)) {
			array_add(e, result,
				  item_text(str_sub(text, start, found.start > start ? found.start - start : 0)));
			start = found.end;
		}
		rest = str_sub(text, start, text.len);
	}
	if (result->count < limit)
		array_add(e, result, item_text(rest));
	return item_array(result);
}

NATIVE(native_join)
{
	if (is_nothing(ARG(0)))
		return NOTHING;
	struct str separator = ARG(1).kind == ITEM_STRING ? item_str(ARG(1)) : STR_EMPTY;
	uint32_t count = array_count(ARG(0));
	size_t length = 0;
	for (uint32_t i = 0; i < count; i++)
		length += array_at(e, ARG(0), i).len + (i ? separator.len : 0);
	ev_claim(e, length);
	spend(e, (int64_t)(count + length / 64));
	char *text = ev_alloc(e, length), *at = text;
	for (uint32_t i = 0; i < count; i++) {
		struct str part = item_str(array_at(e, ARG(0), i));
		struct str pieces[] = { i ? separator : STR_EMPTY, part };
		for (int p = 0; p < 2; p++) {
			struct str left = { text, (size_t)(at - text) };
			if (wtf8_halves_meet(left, pieces[p])) {
				uint32_t joined = wtf8_joined(left, pieces[p]);
				at += utf8_encode(joined, at - 3) - 3;
				pieces[p] = str_sub(pieces[p], 3, pieces[p].len);
			}
			if (pieces[p].len)
				at = mempcpy(at, pieces[p].ptr, pieces[p].len);
		}
	}
	return item_text((struct str){ text, (size_t)(at - text) });
}

/* ---- replace ---------------------------------------------------------------------------- */

static int digit_count(uint32_t number)
{
	int digits = 1;
	for (; number >= 10; number /= 10)
		digits++;
	return digits;
}

/* Up to `most` decimal digits at the start; -1 if there are none. */
static int64_t leading_number(struct str text, int most)
{
	int64_t number = -1;
	for (int i = 0; i < most && (size_t)i < text.len && text.ptr[i] >= '0' && text.ptr[i] <= '9'; i++)
		number = (number < 0 ? 0 : number * 10) + text.ptr[i] - '0';
	return number;
}

/* `$1` and the like in a replacement. As many digits count as the number of groups has, one less if that is no group.
 */
static void expand_replacement(struct evaluation *e, struct str pattern, const struct found *found, struct item groups,
			       struct buffer *out)
{
	uint32_t group_count = is_array(groups) ? array_count(groups) : 0;
	int most = group_count ? digit_count(group_count) : 1;
	while (pattern.len) {
		const char *dollar = memchr(pattern.ptr, '$', pattern.len);
		size_t before = dollar ? (size_t)(dollar - pattern.ptr) : pattern.len;
		wtf8_append(out, str_sub(pattern, 0, before));
		if (!dollar)
			return;
		pattern = str_sub(pattern, before + 1, pattern.len);
		if (pattern.len && (pattern.ptr[0] == '$' || pattern.ptr[0] == '0')) {
			wtf8_append(out, pattern.ptr[0] == '$' ? STR("$") : found->match);
			pattern = str_sub(pattern, 1, pattern.len);
			continue;
		}
		int64_t number = leading_number(pattern, most);
		if (most > 1 && number > group_count)
			number = leading_number(pattern, most - 1);
		if (number < 0) {
			buffer_byte(out, '$');
			continue;
		}
		struct item group =
		    number > 0 && number <= group_count ? array_at(e, groups, (uint32_t)number - 1) : NOTHING;
		if (group.kind == ITEM_STRING)
			wtf8_append(out, item_str(group));
		pattern = str_sub(pattern, (size_t)digit_count((uint32_t)number), pattern.len);
	}
}

static struct item match_object(struct evaluation *e, const struct matches *m, const struct found *found,
				struct unit_counter *counter)
{
	if (!is_nothing(found->whole))
		return found->whole;
	struct object *object = object_new(e, 4);
	object_set(e, object, STR("match"), item_text(found->match));
	object_set(e, object, STR("start"), item_number(units_at(m->subject, counter, found->start)));
	object_set(e, object, STR("end"), item_number(units_at(m->subject, counter, found->end)));
	object_set(e, object, STR("groups"), found_groups(e, m, found));
	return item_object(object);
}

static void replace_matches(struct evaluation *e, struct call *call, struct str text, double limit, struct buffer *out)
{
	struct matches m = matches_of(e, ARG(1), text, call->frame);
	struct unit_counter counter = { 0 };
	struct found found;
	size_t position = 0;
	for (double count = 0; count < limit && next_match(e, &m, &found); count++) {
		if (found.start > position)
			wtf8_append(out, str_sub(text, position, found.start - position));
		if (ARG(2).kind == ITEM_STRING) {
			expand_replacement(e, item_str(ARG(2)), &found, found_groups(e, &m, &found), out);
		} else {
			struct item argument = match_object(e, &m, &found, &counter);
			struct item replacement = apply(e, ARG(2), &argument, 1, item_null(), call->frame);
			if (replacement.kind != ITEM_STRING)
				THROW(e, .code = JSONATA_D3012, .value = replacement, .has_value = true);
			wtf8_append(out, item_str(replacement));
		}
		position = found.start + found.match.len;
		ev_claim(e, out->len);
	}
	wtf8_append(out, str_sub(text, position, text.len));
}

NATIVE(native_replace)
{
	if (is_nothing(ARG(0)))
		return NOTHING;
	if (ARG(1).kind == ITEM_STRING && ARG(1).len == 0)
		THROW(e, .code = JSONATA_D3010, .value = ARG(1), .has_value = true);
	double limit = limit_of(e, ARG(3), JSONATA_D3011);
	struct str text = item_str(ARG(0));
	spend(e, (int64_t)(text.len / 64));
	if (limit == 0 || is_nothing(ARG(1)))
		return ARG(0);
	struct buffer *out = ev_buffer(e);
	if (ARG(1).kind == ITEM_FUNCTION) {
		replace_matches(e, call, text, limit, out);
		return item_text(ev_buffer_take(e, out));
	}
	struct str pattern = item_str(ARG(1)), replacement = ARG(2).kind == ITEM_STRING ? item_str(ARG(2)) : STR_EMPTY;
	const char *found;
	for (double count = 0; count < limit && (found = find(text, pattern)); count++) {
		size_t before = (size_t)(found - text.ptr);
		wtf8_append(out, str_sub(text, 0, before));
		wtf8_append(out, replacement);
		text = str_sub(text, before + pattern.len, text.len);
		spend(e, 1);
		ev_claim(e, out->len);
	}
	wtf8_append(out, text);
	return item_text(ev_buffer_take(e, out));
}
