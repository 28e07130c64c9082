/* picture_integer.c: integers as decimal digits, letters, Roman numerals and English words, both ways. */
#include "dsl/jsonata/functions.h"
#include "dsl/jsonata/picture.h"
#include "dsl/jsonata/text.h"
#include <stdlib.h>

#define ARG(i) (call->arguments[i])

/* ---- reading the picture ---------------------------------------------------------------- */

/* The zeros of Unicode's decimal digit families. */
static const uint32_t zeros[] = { 0x30,   0x660,  0x6F0,  0x7C0,  0x966,  0x9E6,  0xA66,  0xAE6,  0xB66,  0xBE6,
				  0xC66,  0xCE6,  0xD66,  0xDE6,  0xE50,  0xED0,  0xF20,  0x1040, 0x1090, 0x17E0,
				  0x1810, 0x1946, 0x19D0, 0x1A80, 0x1A90, 0x1B50, 0x1BB0, 0x1C40, 0x1C50, 0xA620,
				  0xA8D0, 0xA900, 0xA9D0, 0xA9F0, 0xAA50, 0xABF0, 0xFF10 };

static uint32_t zero_of(uint32_t character)
{
	for (size_t i = 0; i < sizeof zeros / sizeof *zeros; i++)
		if (character >= zeros[i] && character <= zeros[i] + 9)
			return zeros[i];
	return 0;
}

static int greatest_divisor(int a, int b)
{
	return b == 0 ? a : greatest_divisor(b, a % b);
}

/* The same separator at equal distances: the distance, else 0. */
static int regular_distance(const struct integer_format *f)
{
	int distance = 0;
	for (int i = 0; i < f->separator_count; i++) {
		if (f->separators[i].character != f->separators[0].character)
			return 0;
		distance = greatest_divisor(f->separators[i].position, distance);
	}
	for (int i = 1; i <= f->separator_count; i++) {
		bool found = false;
		for (int j = 0; j < f->separator_count; j++)
			found |= f->separators[j].position == i * distance;
		if (!found)
			return 0;
	}
	return distance;
}

/* A pattern of digits, from its right end. */
static void parse_digits(struct evaluation *e, struct str text, struct integer_format *f)
{
	size_t count = utf8_count(text);
	uint32_t *characters = EV_ARRAY(e, uint32_t, count + 1);
	for (size_t i = 0, at = 0, length; i < count && at < text.len; i++, at += length)
		characters[i] = utf8_decode(str_sub(text, at, text.len), &length);
	int position = 0;
	for (size_t i = count; i-- > 0;) {
		uint32_t zero = zero_of(characters[i]);
		if (zero) {
			if (f->zero && f->zero != zero)
				THROW(e, .code = JSONATA_D3131);
			f->zero = zero;
			f->mandatory++;
			position++;
		} else if (characters[i] == '#') {
			f->optional++;
			position++;
		} else if (f->separator_count < SEPARATORS_MAX) {
			f->separators[f->separator_count].position = position;
			f->separators[f->separator_count++].character = characters[i];
		}
	}
	if (f->mandatory > 4096 || f->optional > 4096)
		throw_limit(e, "The picture string is too long");
	if (f->mandatory == 0) {
		f->primary = INTEGER_SEQUENCE;
		return;
	}
	int distance = regular_distance(f);
	if (f->separator_count && distance > 0) {
		f->regular = true;
		f->separators[0].position = distance;
		f->separator_count = 1;
	}
}

void integer_format_parse(struct evaluation *e, struct str picture, struct integer_format *f)
{
	*f = (struct integer_format){ 0 };
	const char *semicolon = picture.len ? memrchr(picture.ptr, ';', picture.len) : NULL;
	struct str primary = semicolon ? str_sub(picture, 0, (size_t)(semicolon - picture.ptr)) : picture;
	if (semicolon && semicolon + 1 < picture.ptr + picture.len)
		f->ordinal = semicolon[1] == 'o';
	f->token = primary;
	if (str_eqz(primary, "A") || str_eqz(primary, "a"))
		f->primary = INTEGER_LETTERS;
	else if (str_eqz(primary, "I") || str_eqz(primary, "i"))
		f->primary = INTEGER_ROMAN;
	else if (str_eqz(primary, "W") || str_eqz(primary, "w") || str_eqz(primary, "Ww"))
		f->primary = INTEGER_WORDS;
	else
		parse_digits(e, primary, f);
	if (f->primary != INTEGER_DECIMAL && f->primary != INTEGER_SEQUENCE)
		f->letter_case = primary.len == 2 ? CASE_TITLE : primary.ptr[0] < 'a' ? CASE_UPPER : CASE_LOWER;
}

/* ---- words ------------------------------------------------------------------------------ */

static const char *const small_words[] = { "Zero",    "One",     "Two",       "Three",    "Four",
					   "Five",    "Six",     "Seven",     "Eight",    "Nine",
					   "Ten",     "Eleven",  "Twelve",    "Thirteen", "Fourteen",
					   "Fifteen", "Sixteen", "Seventeen", "Eighteen", "Nineteen" };
static const char *const small_ordinals[] = { "Zeroth",    "First",     "Second",      "Third",      "Fourth",
					      "Fifth",     "Sixth",     "Seventh",     "Eighth",     "Ninth",
					      "Tenth",     "Eleventh",  "Twelfth",     "Thirteenth", "Fourteenth",
					      "Fifteenth", "Sixteenth", "Seventeenth", "Eighteenth", "Nineteenth" };
static const char *const tens_words[] = {
	"Twenty", "Thirty", "Forty", "Fifty", "Sixty", "Seventy", "Eighty", "Ninety"
};
static const char *const magnitude_words[] = { "Thousand", "Million", "Billion", "Trillion" };

static void write_words(struct evaluation *e, double number, bool inner, bool ordinal, struct buffer *out)
{
	spend(e, 1);
	ev_claim(e, out->len);
	if (number < 20) {
		buffer_addz(out, inner ? " and " : "");
		buffer_addz(out, ordinal ? small_ordinals[(int)number] : small_words[(int)number]);
	} else if (number < 100) {
		int tens = (int)number / 10, rest = (int)number % 10;
		buffer_addz(out, inner ? " and " : "");
		buffer_addz(out, tens_words[tens - 2]);
		if (rest) {
			buffer_byte(out, '-');
			write_words(e, rest, false, ordinal, out);
		} else if (ordinal) {
			out->len--; /* Twenty → Twentieth */
			buffer_addz(out, "ieth");
		}
	} else {
		double unit = 100;
		const char *name = "Hundred";
		if (number >= 1000) {
			int magnitude = 0;
			for (unit = 1000; magnitude < 3 && number >= unit * 1000; magnitude++)
				unit *= 1000;
			name = magnitude_words[magnitude];
		}
		double front = floor(number / unit), rest = number - front * unit;
		buffer_addz(out, inner ? ", " : "");
		write_words(e, front, false, false, out);
		buffer_byte(out, ' ');
		buffer_addz(out, name);
		if (rest > 0)
			write_words(e, rest, true, ordinal, out);
		else if (ordinal)
			buffer_addz(out, "th");
	}
}

struct word_value {
	struct str word;
	double value;
};

static bool same_word(struct str a, const char *b, const char *ending)
{
	size_t length = strlen(b), more = strlen(ending);
	return a.len == length + more && strncasecmp(a.ptr, b, length) == 0 &&
	       strncasecmp(a.ptr + length, ending, more) == 0;
}

static double value_of_word(struct str word)
{
	for (int i = 0; i < 20; i++)
		if (same_word(word, small_words[i], "") || same_word(word, small_ordinals[i], ""))
			return i;
	for (int i = 0; i < 8; i++) {
		char stem[16];
		size_t length = strlen(tens_words[i]) - 1;
		memcpy(stem, tens_words[i], length);
		stem[length] = '\0';
		if (same_word(word, tens_words[i], "") || same_word(word, stem, "ieth"))
			return 20 + 10 * i;
	}
	if (same_word(word, "Hundred", "") || same_word(word, "Hundred", "th"))
		return 100;
	double value = 1;
	for (int i = 0; i < 4; i++) {
		value *= 1000;
		if (same_word(word, magnitude_words[i], "") || same_word(word, magnitude_words[i], "th"))
			return value;
	}
	return NAN;
}

/* The next word: words are parted by ", ", " and ", a space or a hyphen. */
static struct str next_word(struct str *rest)
{
	for (size_t at = 0; at < rest->len; at++) {
		struct str here = str_sub(*rest, at, rest->len);
		size_t gap = str_starts(here, STR(", "))                                       ? 2
			     : here.len >= 5 && strncasecmp(here.ptr, " and ", 5) == 0         ? 5
			     : here.ptr[0] == ' ' || here.ptr[0] == '-' || here.ptr[0] == '\\' ? 1
											       : 0;
		if (!gap)
			continue;
		struct str word = str_sub(*rest, 0, at);
		*rest = str_sub(*rest, at + gap, rest->len);
		return word;
	}
	struct str word = *rest;
	rest->ptr = NULL;
	rest->len = 0;
	return word;
}

static double read_words(struct evaluation *e, struct str text)
{
	double sum = 0, top = 0;
	for (struct str rest = text; rest.ptr;) {
		double value = value_of_word(next_word(&rest));
		spend(e, 1);
		if (isnan(value))
			return NAN;
		if (value >= 100) {
			top *= value;
			continue;
		}
		if (top >= 1000) {
			sum += top;
			top = 0;
		}
		top += value;
	}
	return sum + top;
}

/* ---- Roman numerals and letters --------------------------------------------------------- */

static const struct {
	int value;
	const char *text;
} numerals[] = { { 1000, "m" }, { 900, "cm" }, { 500, "d" }, { 400, "cd" }, { 100, "c" }, { 90, "xc" }, { 50, "l" },
		 { 40, "xl" },  { 10, "x" },   { 9, "ix" },  { 5, "v" },    { 4, "iv" },  { 1, "i" } };

static void write_roman(struct evaluation *e, double number, struct buffer *out)
{
	if (number > 1e7)
		throw_limit(e, "The number is too large for Roman numerals");
	int rest = (int)number;
	for (size_t i = 0; i < sizeof numerals / sizeof *numerals; i++)
		for (; rest >= numerals[i].value; rest -= numerals[i].value)
			buffer_addz(out, numerals[i].text);
	spend(e, (int64_t)out->len);
}

static double read_roman(struct str text)
{
	static const char letters[] = "mdclxvi";
	static const int values[] = { 1000, 500, 100, 50, 10, 5, 1 };
	double number = 0, largest = 1;
	for (size_t i = text.len; i-- > 0;) {
		const char *letter = text.ptr[i] ? strchr(letters, text.ptr[i] | 32) : NULL;
		if (!letter)
			return NAN;
		int value = values[letter - letters];
		if (value < largest) {
			number -= value;
		} else {
			largest = value;
			number += value;
		}
	}
	return number;
}

static void write_letters(double number, struct buffer *out)
{
	char letters[256], *at = letters + sizeof letters;
	for (; number > 0 && at > letters; number = floor((number - 1) / 26))
		*--at = (char)('a' + (int)fmod(number - 1, 26));
	buffer_append(out, at, (size_t)(letters + sizeof letters - at));
}

static double read_letters(struct str text, enum text_case letter_case)
{
	double number = 0;
	for (size_t i = 0; i < text.len; i++)
		number = number * 26 + (text.ptr[i] - (letter_case == CASE_UPPER ? 'A' : 'a') + 1);
	return number;
}

/* ---- digits ----------------------------------------------------------------------------- */

static void write_digits(struct evaluation *e, double number, const struct integer_format *f, struct buffer *out)
{
	struct buffer *digits = ev_buffer(e);
	value_write_double(number, digits);
	size_t length = digits->len, missing = (size_t)f->mandatory > length ? (size_t)f->mandatory - length : 0;
	size_t total = length + missing;
	for (size_t i = 0; i < total; i++) {
		char c = i < missing ? '0' : digits->data[i - missing];
		size_t right = total - i;
		for (int s = 0; i > 0 && s < f->separator_count; s++) {
			size_t position = (size_t)f->separators[s].position;
			if (f->regular ? right % position == 0 : right == position) {
				char bytes[4];
				buffer_append(out, bytes, utf8_encode(f->separators[s].character, bytes));
			}
		}
		if (c >= '0' && c <= '9' && f->zero != '0') {
			char bytes[4];
			buffer_append(out, bytes, utf8_encode(f->zero + (uint32_t)(c - '0'), bytes));
		} else {
			buffer_byte(out, c);
		}
	}
	if (f->ordinal) {
		char last = digits->data[length - 1];
		bool teen = total > 1 && (length > 1 ? digits->data[length - 2] : '0') == '1';
		buffer_addz(out, teen ? "th" : last == '1' ? "st" : last == '2' ? "nd" : last == '3' ? "rd" : "th");
	}
}

static double read_digits(struct str text, const struct integer_format *f)
{
	if (f->ordinal)
		text.len = text.len > 2 ? text.len - 2 : 0;
	double number = 0, sign = 1;
	bool any = false;
	for (size_t at = 0, length; at < text.len; at += length) {
		uint32_t c = utf8_decode(str_sub(text, at, text.len), &length);
		bool separator = f->regular && c == ',';
		for (int s = 0; !f->regular && s < f->separator_count; s++)
			separator |= c == f->separators[s].character;
		if (separator)
			continue;
		if (at == 0 && (c == '-' || c == '+')) {
			sign = c == '-' ? -1 : 1;
			continue;
		}
		if (c < f->zero || c > f->zero + 9)
			break;
		number = number * 10 + (c - f->zero);
		any = true;
	}
	return any ? sign * number : NAN;
}

/* ---- the doors -------------------------------------------------------------------------- */

struct str change_case(struct evaluation *e, struct str ascii, enum text_case to)
{
	if (to == CASE_TITLE)
		return ascii;
	char *changed = ev_alloc(e, ascii.len);
	for (size_t i = 0; i < ascii.len; i++) {
		char c = ascii.ptr[i];
		bool letter = (unsigned char)((c | 32) - 'a') < 26;
		changed[i] = !letter ? c : to == CASE_UPPER ? (char)(c & ~32) : (char)(c | 32);
	}
	return (struct str){ changed, ascii.len };
}

struct str integer_format_write(struct evaluation *e, double number, const struct integer_format *f)
{
	struct buffer *out = ev_buffer(e);
	double size = fabs(number);
	if (number < 0)
		buffer_byte(out, '-');
	switch (f->primary) {
	case INTEGER_DECIMAL:
		write_digits(e, size, f, out);
		return ev_buffer_take(e, out);
	case INTEGER_LETTERS:
		write_letters(size, out);
		break;
	case INTEGER_ROMAN:
		write_roman(e, size, out);
		break;
	case INTEGER_WORDS:
		if (!isfinite(size))
			throw_limit(e, "The number is too large for words");
		write_words(e, size, false, f->ordinal, out);
		break;
	case INTEGER_SEQUENCE:
		THROW(e, .code = JSONATA_D3130, .value = item_text(f->token), .has_value = true);
	}
	return change_case(e, ev_buffer_take(e, out), f->letter_case);
}

void integer_format_pattern(struct evaluation *e, const struct integer_format *f, struct buffer *out)
{
	switch (f->primary) {
	case INTEGER_LETTERS:
		buffer_addz(out, "[a-z]+");
		return;
	case INTEGER_ROMAN:
		buffer_addz(out, "[mdclxvi]+");
		return;
	case INTEGER_WORDS:
		buffer_addz(out, "(?:");
		for (int i = 0; i < 20; i++)
			buffer_printf(out, "%s|%s|", small_words[i], small_ordinals[i]);
		for (int i = 0; i < 8; i++)
			buffer_printf(out, "%s|%.*sieth|", tens_words[i], (int)strlen(tens_words[i]) - 1,
				      tens_words[i]);
		for (int i = 0; i < 4; i++)
			buffer_printf(out, "%sth|%s|", magnitude_words[i], magnitude_words[i]);
		buffer_addz(out, "hundredth|hundred|and|[\\-, ])+");
		return;
	case INTEGER_DECIMAL:
		if (f->parse_width)
			buffer_printf(out, "[0-9]{%d}", f->parse_width);
		else
			buffer_addz(out, "[0-9]+");
		if (f->ordinal)
			buffer_addz(out, "(?:th|st|nd|rd)");
		return;
	case INTEGER_SEQUENCE:
		THROW(e, .code = JSONATA_D3130, .value = item_text(f->token), .has_value = true);
	}
}

double integer_format_read(struct evaluation *e, struct str text, const struct integer_format *f)
{
	spend(e, (int64_t)text.len / 16);
	switch (f->primary) {
	case INTEGER_DECIMAL:
		return read_digits(text, f);
	case INTEGER_LETTERS:
		return read_letters(text, f->letter_case);
	case INTEGER_ROMAN:
		return read_roman(text);
	case INTEGER_WORDS:
		return read_words(e, text);
	case INTEGER_SEQUENCE:
		THROW(e, .code = JSONATA_D3130, .value = item_text(f->token), .has_value = true);
	}
	return NAN;
}

NATIVE(native_format_integer)
{
	if (is_nothing(ARG(0)))
		return NOTHING;
	struct integer_format format;
	integer_format_parse(e, item_str(ARG(1)), &format);
	return item_text(integer_format_write(e, floor(ARG(0).number), &format));
}

NATIVE(native_parse_integer)
{
	if (is_nothing(ARG(0)))
		return NOTHING;
	struct integer_format format;
	integer_format_parse(e, item_str(ARG(1)), &format);
	return item_number(integer_format_read(e, item_str(ARG(0)), &format));
}
