/* query.c: reads the query language and checks rows against it (query.h). */
#include "search/query.h"
#include <ctype.h>

const struct query_key query_keys[] = {
#define X(kind, key, operators, detail) { QUERY_##kind, key, operators, detail },
	QUERY_KEYS(X)
#undef X
	{ 0 },
};

static const struct {
	const char *unit;
	int64_t ms;
} units[] = { { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 }, { "d", 86400000 } };

static const struct {
	const char *word;
	enum execution_status status;
} statuses[] = { { "running", EXECUTION_RUNNING },
		 { "succeeded", EXECUTION_SUCCEEDED_ },
		 { "failed", EXECUTION_FAILED_ },
		 { "timed_out", EXECUTION_TIMED_OUT_ },
		 { "aborted", EXECUTION_ABORTED_ } };

static bool is_blank(char byte)
{
	return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r';
}

static bool same_word(struct str text, const char *word)
{
	return text.len == strlen(word) && strncasecmp(text.ptr, word, text.len) == 0;
}

/* ---- reading ---------------------------------------------------------------------------------- */

struct query_reader {
	struct str text;
	size_t at;
	struct arena *arena;
	struct search_query *query;
	size_t error_at, error_length;
	struct wf_error *err;
};

static int refuse(struct query_reader *reader, size_t at, size_t length, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	error_vset(reader->err, ERR(INVALID), format, args);
	va_end(args);
	reader->error_at = at;
	reader->error_length = length;
	return ERR(INVALID);
}

/* Up to the next blank outside of quotes; quotes are taken off. */
static int read_value(struct query_reader *reader, struct str *ret_value)
{
	char *out = arena_alloc(reader->arena, reader->text.len - reader->at + 1);
	size_t used = 0, quote = SIZE_MAX;
	for (; reader->at < reader->text.len; reader->at++) {
		char byte = reader->text.ptr[reader->at];
		if (byte == '"')
			quote = quote == SIZE_MAX ? reader->at : SIZE_MAX;
		else if (is_blank(byte) && quote == SIZE_MAX)
			break;
		else
			out[used++] = byte;
	}
	if (quote != SIZE_MAX)
		return refuse(reader, quote, reader->text.len - quote, "a quote is not closed");
	*ret_value = (struct str){ out, used };
	return 0;
}

/* Digits with a fraction, in thousandths; how many bytes it took, 0: none. */
static size_t read_thousandths(struct str text, int64_t *ret_number)
{
	int64_t number = 0;
	size_t i = 0, digits = 0;
	for (; i < text.len && isdigit((unsigned char)text.ptr[i]); i++, digits++) {
		if (number > INT64_MAX / 100000)
			return 0;
		number = number * 10 + (text.ptr[i] - '0');
	}
	number *= 1000;
	if (digits && i < text.len && text.ptr[i] == '.')
		for (int64_t place = 100; ++i < text.len && isdigit((unsigned char)text.ptr[i]); place /= 10)
			number += (text.ptr[i] - '0') * place;
	*ret_number = number;
	return digits ? i : 0;
}

static bool read_duration(struct str text, int64_t *ret_ms)
{
	int64_t thousandths;
	size_t used = read_thousandths(text, &thousandths);
	struct str unit = str_sub(text, used, text.len);
	if (!used)
		return false;
	for (unsigned i = 0; i < sizeof units / sizeof units[0]; i++)
		if (str_eqz(unit, units[i].unit) && thousandths <= INT64_MAX / units[i].ms) {
			*ret_ms = thousandths * units[i].ms / 1000;
			return true;
		}
	return false;
}

static bool read_statuses(struct str text, unsigned *ret_statuses)
{
	*ret_statuses = 0;
	for (size_t at = 0; at <= text.len;) {
		const char *comma = memchr(text.ptr + at, ',', text.len - at);
		struct str word = { text.ptr + at, comma ? (size_t)(comma - text.ptr) - at : text.len - at };
		bool known = false;
		for (unsigned i = 0; i < sizeof statuses / sizeof statuses[0]; i++)
			if (same_word(word, statuses[i].word)) {
				*ret_statuses |= 1u << statuses[i].status;
				known = true;
			}
		if (!known)
			return false;
		at += word.len + 1;
	}
	return *ret_statuses;
}

static enum query_compare read_compare(struct query_reader *reader)
{
	char sign = reader->text.ptr[reader->at++];
	bool equal = reader->at < reader->text.len && reader->text.ptr[reader->at] == '=';
	if (sign != '<' && sign != '>')
		return COMPARE_IS;
	reader->at += equal;
	if (sign == '<')
		return equal ? COMPARE_AT_MOST : COMPARE_LESS;
	return equal ? COMPARE_AT_LEAST : COMPARE_MORE;
}

/* The value of a key; `begin` is where the term begins. */
static int read_keyed(struct query_reader *reader, struct query_term *term, size_t begin)
{
	term->compare = read_compare(reader);
	int code = read_value(reader, &term->text);
	size_t length = reader->at - begin;
	if (code)
		return code;
	term->glob = memchr(term->text.ptr, '*', term->text.len);
	switch (term->kind) {
	case QUERY_STATUS:
		if (!read_statuses(term->text, &term->statuses))
			return refuse(reader, begin, length,
				      "a status is running, succeeded, failed, timed_out or aborted, not '%.*s'",
				      STR_FMT(term->text));
		return 0;
	case QUERY_DURATION:
	case QUERY_STARTED:
		if (!read_duration(term->text, &term->number))
			return refuse(reader, begin, length, "a time is written 500ms, 30s, 5m, 2h or 1d, not '%.*s'",
				      STR_FMT(term->text));
		return 0;
	case QUERY_REDRIVES:
		if (read_thousandths(term->text, &term->number) != term->text.len || !term->text.len ||
		    term->number % 1000)
			return refuse(reader, begin, length, "a number is needed, not '%.*s'", STR_FMT(term->text));
		term->number /= 1000;
		return 0;
	case QUERY_MACHINE:
	case QUERY_STATE:
	case QUERY_ERROR:
	case QUERY_NAME:
		if (!term->text.len)
			return refuse(reader, begin, length, "something must stand behind the colon");
		return 0;
	case QUERY_INPUT:
	case QUERY_WORD:
		return 0;
	}
	return 0;
}

/* The key at the reader's place, which it moves to the operator; NULL: a word stands there. */
static const struct query_key *read_key(struct query_reader *reader, struct str *ret_path)
{
	struct str rest = str_sub(reader->text, reader->at, reader->text.len);
	for (const struct query_key *key = query_keys; key->key; key++) {
		size_t length = strlen(key->key);
		if (rest.len <= length || strncasecmp(rest.ptr, key->key, length) != 0)
			continue;
		size_t path = 0;
		if (key->kind == QUERY_INPUT)
			while (length + path < rest.len && !is_blank(rest.ptr[length + path]) &&
			       rest.ptr[length + path] != '=')
				path++;
		if (length + path >= rest.len || !strchr(key->operators, rest.ptr[length + path]))
			continue;
		if (key->kind == QUERY_INPUT && !path)
			continue;
		*ret_path = (struct str){ rest.ptr + length, path };
		reader->at += length + path;
		return key;
	}
	return NULL;
}

/* No name has these characters, so a word with one is a key that is none, and would find nothing without saying why. */
static int check_word(struct query_reader *reader, size_t begin)
{
	struct str word = str_sub(reader->text, begin, reader->at);
	for (size_t i = 0; i < word.len && word.ptr[i] != '"'; i++)
		if (strchr(":<>", word.ptr[i]))
			return refuse(reader, begin, i + 1,
				      "'%.*s' is no key: there are status: machine: state: error: name: duration> "
				      "started> redrives> input.PATH=",
				      (int)(i < 40 ? i + 1 : 40), word.ptr);
	return 0;
}

static int read_term(struct query_reader *reader)
{
	size_t begin = reader->at;
	if (reader->query->count == QUERY_TERMS_MAX)
		return refuse(reader, begin, reader->text.len - begin, "a query has %d terms at most", QUERY_TERMS_MAX);
	struct query_term *term = &reader->query->terms[reader->query->count];
	*term = (struct query_term){ .kind = QUERY_WORD, .path = STR_EMPTY, .text = STR_EMPTY };
	struct str path;
	const struct query_key *key = read_key(reader, &path);
	int code;
	if (key) {
		term->kind = key->kind;
		term->path = arena_str(reader->arena, path);
		code = read_keyed(reader, term, begin);
	} else {
		code = read_value(reader, &term->text);
		if (code == 0)
			code = check_word(reader, begin);
		size_t at = 0;
		if (code == 0 && !search_word(term->text, &at).len)
			return 0; /* nothing in it that a name could have as a word */
	}
	if (code == 0)
		reader->query->count++;
	return code;
}

int search_query_parse(struct str text, struct arena *arena, struct search_query *ret_query, size_t *ret_at,
		       size_t *ret_length, struct wf_error *err)
{
	struct query_reader reader = { .text = text, .arena = arena, .query = ret_query, .err = err };
	int code = 0;
	ret_query->count = 0;
	if (text.len > QUERY_BYTES_MAX)
		code = refuse(&reader, QUERY_BYTES_MAX, text.len - QUERY_BYTES_MAX, "a query has %d bytes at most",
			      QUERY_BYTES_MAX);
	while (code == 0) {
		while (reader.at < text.len && is_blank(text.ptr[reader.at]))
			reader.at++;
		if (reader.at == text.len)
			break;
		code = read_term(&reader);
	}
	*ret_at = reader.error_at;
	*ret_length = reader.error_length;
	return code;
}

/* ---- checking ---------------------------------------------------------------------------------- */

bool search_glob(struct str pattern, struct str text)
{
	size_t p = 0, t = 0, star = SIZE_MAX, star_text = 0;
	while (t < text.len) {
		if (p < pattern.len && pattern.ptr[p] == '*') {
			star = p++;
			star_text = t;
		} else if (p < pattern.len && pattern.ptr[p] == text.ptr[t]) {
			p++;
			t++;
		} else if (star != SIZE_MAX) {
			p = star + 1;
			t = ++star_text;
		} else {
			return false;
		}
	}
	while (p < pattern.len && pattern.ptr[p] == '*')
		p++;
	return p == pattern.len;
}

static bool compares(int64_t number, enum query_compare compare, int64_t with)
{
	switch (compare) {
	case COMPARE_IS:
		return number == with;
	case COMPARE_LESS:
		return number < with;
	case COMPARE_AT_MOST:
		return number <= with;
	case COMPARE_MORE:
		return number > with;
	case COMPARE_AT_LEAST:
		return number >= with;
	}
	return false;
}

static bool term_fits(const struct query_term *term, const struct search_row *row, int64_t now_ms)
{
	switch (term->kind) {
	case QUERY_STATUS:
		return term->statuses & 1u << row->status;
	case QUERY_STATE:
		return search_glob(term->text, row->state) && row->state.len;
	case QUERY_ERROR:
		return search_glob(term->text, row->error) && row->error.len;
	case QUERY_NAME:
		return search_glob(term->text, row->name);
	case QUERY_DURATION:
		return compares((row->stop_ms ? row->stop_ms : now_ms) - row->start_ms, term->compare, term->number);
	case QUERY_STARTED:
		return compares(now_ms - row->start_ms, term->compare, term->number);
	case QUERY_REDRIVES:
		return compares((int64_t)row->redrives, term->compare, term->number);
	case QUERY_MACHINE:
	case QUERY_INPUT:
	case QUERY_WORD:
		return true;
	}
	return true;
}

bool search_query_fits(const struct search_query *query, const struct search_row *row, int64_t now_ms)
{
	for (unsigned i = 0; i < query->count; i++)
		if (!term_fits(&query->terms[i], row, now_ms))
			return false;
	return true;
}

/* ---- words ---------------------------------------------------------------------------------------- */

static bool is_word(unsigned char byte)
{
	return isalnum(byte) || byte >= 0x80;
}

struct str search_word(struct str text, size_t *at)
{
	while (*at < text.len && !is_word((unsigned char)text.ptr[*at]))
		(*at)++;
	size_t begin = *at;
	while (*at < text.len && is_word((unsigned char)text.ptr[*at]))
		(*at)++;
	return (struct str){ text.ptr + begin, *at - begin };
}

static uint64_t fnv(uint64_t hash, struct str text)
{
	for (size_t i = 0; i < text.len; i++)
		hash = (hash ^ (unsigned char)text.ptr[i]) * 0x100000001b3u;
	return hash;
}

void search_field_word(struct str path, struct str text, struct buffer *out)
{
	uint64_t hash = fnv(fnv(fnv(0xcbf29ce484222325u, path), STR("=")), text);
	char *to = buffer_reserve(out, 14);
	to[0] = 'i';
	for (unsigned i = 1; i <= 13; i++, hash >>= 5)
		to[i] = "0123456789abcdefghijklmnopqrstuv"[hash & 31];
	to[14] = 0;
	out->len += 14;
}

static bool is_dash_of_uuid(size_t at)
{
	return at == 8 || at == 13 || at == 18 || at == 23;
}

bool search_uuid_begins(struct str text)
{
	if (text.len <= 8 || text.len > 36)
		return false;
	for (size_t i = 0; i < text.len; i++)
		if (is_dash_of_uuid(i) ? text.ptr[i] != '-' : !isxdigit((unsigned char)text.ptr[i]))
			return false;
	return true;
}

/* ---- completion ------------------------------------------------------------------------------------ */

struct query_at search_query_at(struct str text, size_t caret)
{
	struct query_at at = { .key = true, .kind = QUERY_WORD, .prefix = STR_EMPTY };
	bool quoted = false;
	size_t begin = 0;
	if (caret > text.len)
		caret = text.len;
	for (size_t i = 0; i < caret; i++) {
		if (text.ptr[i] == '"')
			quoted = !quoted;
		else if (is_blank(text.ptr[i]) && !quoted)
			begin = i + 1;
	}
	size_t end = caret;
	while (end < text.len && !is_blank(text.ptr[end]))
		end++;
	at.from = begin;
	at.to = end;
	at.prefix = str_sub(text, begin, caret - begin);
	for (const struct query_key *key = query_keys; key->key; key++) {
		size_t length = strlen(key->key);
		if (key->kind == QUERY_INPUT || at.prefix.len <= length ||
		    strncasecmp(at.prefix.ptr, key->key, length) != 0 || !strchr(key->operators, at.prefix.ptr[length]))
			continue;
		at.key = false;
		at.kind = key->kind;
		at.from += length + 1;
		at.prefix = str_sub(at.prefix, length + 1, at.prefix.len);
		const char *comma = key->kind == QUERY_STATUS ? memrchr(at.prefix.ptr, ',', at.prefix.len) : NULL;
		size_t skip = comma ? (size_t)(comma - at.prefix.ptr) + 1 : 0;
		if (!skip && at.prefix.len && *at.prefix.ptr == '"')
			at.prefix = str_sub(at.prefix, 1, at.prefix.len);
		at.from += skip;
		at.prefix = str_sub(at.prefix, skip, at.prefix.len);
	}
	return at;
}
