/* picture_number.c: $formatNumber: decimal format pictures (XPath F&O 3.1, section 4.7), as the reference reads them.
 *
 * Pictures and results are short, so they are handled as arrays of characters. */
#include "dsl/jsonata/functions.h"
#include "dsl/jsonata/text.h"
#include <stdio.h>

#define ARG(i) (call->arguments[i])

enum { PICTURE_MAX = 1024, GROUPS_MAX = 64, DIGITS_MAX = 100 };

/* The characters that have a meaning; options replace them. */
struct symbols {
	uint32_t decimal, grouping, exponent, minus, percent, per_mille, zero, digit, pattern;
};

struct chars {
	const uint32_t *at;
	int count;
};

struct sub_picture {
	struct chars all, prefix, suffix, active, mantissa, exponent, integer, fraction;
	bool has_exponent;
	int integer_groups[GROUPS_MAX], integer_group_count, regular;
	int fraction_groups[GROUPS_MAX], fraction_group_count;
	int integer_min, fraction_min, fraction_max, exponent_min, scaling;
};

static struct chars decode(struct evaluation *e, struct str text)
{
	size_t count = utf8_count(text);
	if (count > PICTURE_MAX)
		throw_limit(e, "The picture string is too long");
	uint32_t *characters = EV_ARRAY(e, uint32_t, count + 1);
	size_t at = 0, length;
	for (size_t i = 0; i < count && at < text.len; i++, at += length)
		characters[i] = utf8_decode(str_sub(text, at, text.len), &length);
	return (struct chars){ characters, (int)count };
}

static struct chars part(struct chars chars, int from, int to)
{
	from = from < 0 ? 0 : from > chars.count ? chars.count : from;
	to = to < from ? from : to > chars.count ? chars.count : to;
	return (struct chars){ chars.at + from, to - from };
}

static int index_of(struct chars chars, uint32_t c, int from)
{
	for (int i = from; i < chars.count; i++)
		if (chars.at[i] == c)
			return i;
	return -1;
}

static int last_index_of(struct chars chars, uint32_t c)
{
	for (int i = chars.count; i-- > 0;)
		if (chars.at[i] == c)
			return i;
	return -1;
}

static bool is_family(const struct symbols *s, uint32_t c)
{
	return c >= s->zero && c <= s->zero + 9;
}

static bool is_active(const struct symbols *s, uint32_t c)
{
	return is_family(s, c) || c == s->decimal || c == s->exponent || c == s->grouping || c == s->digit ||
	       c == s->pattern;
}

static int count_digits(const struct symbols *s, struct chars chars, bool optional_too)
{
	int count = 0;
	for (int i = 0; i < chars.count; i++)
		count += is_family(s, chars.at[i]) || (optional_too && chars.at[i] == s->digit);
	return count;
}

/* ---- the picture's parts ---------------------------------------------------------------- */

static void split_parts(const struct symbols *s, struct chars all, struct sub_picture *p)
{
	*p = (struct sub_picture){ .all = all };
	int start = 0, end = all.count;
	while (start < all.count && (!is_active(s, all.at[start]) || all.at[start] == s->exponent))
		start++;
	while (end > start && (!is_active(s, all.at[end - 1]) || all.at[end - 1] == s->exponent))
		end--;
	if (start == all.count) { /* nothing active: all of it is */
		start = 0;
		end = all.count;
	}
	p->prefix = part(all, 0, start);
	p->suffix = part(all, end, all.count);
	p->active = part(all, start, end);
	int exponent = index_of(all, s->exponent, start);
	/* The reference counts the exponent's place from the start of the picture, prefix included. */
	p->has_exponent = exponent >= 0 && exponent <= end;
	p->mantissa = p->has_exponent ? part(p->active, 0, exponent) : p->active;
	p->exponent = p->has_exponent ? part(p->active, exponent + 1, p->active.count) : part(all, 0, 0);
	int decimal = index_of(p->mantissa, s->decimal, 0);
	p->integer = decimal < 0 ? p->mantissa : part(p->mantissa, 0, decimal);
	p->fraction = decimal < 0 ? p->suffix : part(p->mantissa, decimal + 1, p->mantissa.count);
}

static uint32_t char_at(struct chars chars, int index)
{
	return index >= 0 && index < chars.count ? chars.at[index] : 0;
}

/* The last rule that is broken is the one reported. */
static enum jsonata_code broken_rule(const struct symbols *s, const struct sub_picture *p)
{
	enum jsonata_code code = JSONATA_OK;
	int decimal = index_of(p->all, s->decimal, 0);
	bool percent = index_of(p->all, s->percent, 0) >= 0, per_mille = index_of(p->all, s->per_mille, 0) >= 0;
	if (decimal != last_index_of(p->all, s->decimal))
		code = JSONATA_D3081;
	if (index_of(p->all, s->percent, 0) != last_index_of(p->all, s->percent))
		code = JSONATA_D3082;
	if (index_of(p->all, s->per_mille, 0) != last_index_of(p->all, s->per_mille))
		code = JSONATA_D3083;
	if (percent && per_mille)
		code = JSONATA_D3084;
	if (count_digits(s, p->mantissa, true) == 0)
		code = JSONATA_D3085;
	for (int i = 0; i < p->active.count; i++)
		if (!is_active(s, p->active.at[i]))
			code = JSONATA_D3086;
	if (decimal >= 0) {
		if (char_at(p->all, decimal - 1) == s->grouping || char_at(p->all, decimal + 1) == s->grouping)
			code = JSONATA_D3087;
	} else if (char_at(p->integer, p->integer.count - 1) == s->grouping) {
		code = JSONATA_D3088;
	}
	for (int i = 1; i < p->all.count; i++)
		if (p->all.at[i] == s->grouping && p->all.at[i - 1] == s->grouping)
			code = JSONATA_D3089;
	int optional = index_of(p->integer, s->digit, 0);
	if (optional >= 0 && count_digits(s, part(p->integer, 0, optional), false) > 0)
		code = JSONATA_D3090;
	optional = last_index_of(p->fraction, s->digit);
	if (optional >= 0 && count_digits(s, part(p->fraction, optional, p->fraction.count), false) > 0)
		code = JSONATA_D3091;
	if (p->has_exponent && p->exponent.count > 0 && (percent || per_mille))
		code = JSONATA_D3092;
	if (p->has_exponent && (p->exponent.count == 0 || count_digits(s, p->exponent, false) != p->exponent.count))
		code = JSONATA_D3093;
	return code;
}

static int group_positions(const struct symbols *s, struct chars chars, bool to_left, int *positions)
{
	int count = 0;
	for (int at = index_of(chars, s->grouping, 0); at >= 0 && count < GROUPS_MAX;
	     at = index_of(chars, s->grouping, at + 1))
		positions[count++] = count_digits(s, to_left ? part(chars, 0, at) : part(chars, at, chars.count), true);
	return count;
}

static int greatest_divisor(int a, int b)
{
	return b == 0 ? a : greatest_divisor(b, a % b);
}

static int regular_group(const int *positions, int count)
{
	int distance = 0;
	for (int i = 0; i < count; i++)
		distance = greatest_divisor(positions[i], distance);
	for (int i = 1; i <= count; i++) {
		bool found = false;
		for (int j = 0; j < count; j++)
			found |= positions[j] == i * distance;
		if (!found)
			return 0;
	}
	return distance;
}

static void analyse(const struct symbols *s, struct sub_picture *p)
{
	p->integer_group_count = group_positions(s, p->integer, false, p->integer_groups);
	p->regular = regular_group(p->integer_groups, p->integer_group_count);
	p->fraction_group_count = group_positions(s, p->fraction, true, p->fraction_groups);
	p->integer_min = p->scaling = count_digits(s, p->integer, false);
	p->fraction_min = count_digits(s, p->fraction, false);
	p->fraction_max = count_digits(s, p->fraction, true);
	if (p->integer_min == 0 && p->fraction_max == 0) {
		if (p->has_exponent)
			p->fraction_min = p->fraction_max = 1;
		else
			p->integer_min = 1;
	}
	if (p->has_exponent && p->integer_min == 0 && index_of(p->integer, s->digit, 0) >= 0)
		p->integer_min = 1;
	if (p->integer_min == 0 && p->fraction_min == 0)
		p->fraction_min = 1;
	p->exponent_min = p->has_exponent ? count_digits(s, p->exponent, false) : 0;
}

/* ---- the number ------------------------------------------------------------------------- */

static void add_char(struct buffer *out, uint32_t c)
{
	char bytes[4];
	buffer_append(out, bytes, utf8_encode(c, bytes));
}

static void add_chars(struct buffer *out, struct chars chars)
{
	for (int i = 0; i < chars.count; i++)
		add_char(out, chars.at[i]);
}

static void add_digit(const struct symbols *s, struct buffer *out, char digit)
{
	if (digit >= '0' && digit <= '9')
		add_char(out, s->zero + (uint32_t)(digit - '0'));
	else
		buffer_byte(out, digit);
}

static double scaled_mantissa(const struct sub_picture *p, double number, double *ret_exponent)
{
	double most = pow(10, p->scaling), least = pow(10, p->scaling - 1), size = fabs(number), exponent = 0;
	while (size != 0 && size < least && exponent > -400) {
		size *= 10;
		exponent--;
	}
	while (size > most && exponent < 400) {
		size /= 10;
		exponent++;
	}
	*ret_exponent = exponent;
	return copysign(size, number);
}

static bool group_before(const struct sub_picture *p, int digits_right)
{
	if (p->regular > 0)
		return digits_right % p->regular == 0;
	for (int i = 0; i < p->integer_group_count; i++)
		if (p->integer_groups[i] == digits_right)
			return true;
	return false;
}

static void write_number(const struct symbols *s, const struct sub_picture *p, double mantissa, struct buffer *out)
{
	char digits[512];
	snprintf(digits, sizeof digits, "%.*f", p->fraction_max < DIGITS_MAX ? p->fraction_max : DIGITS_MAX,
		 fabs(mantissa));
	const char *point = strchr(digits, '.'), *whole = digits;
	int whole_count = (int)(point ? point - digits : (long)strlen(digits)),
	    fraction_count = point ? (int)strlen(point + 1) : 0;
	while (whole_count > 0 && *whole == '0')
		whole++, whole_count--;
	while (fraction_count > 0 && point[fraction_count] == '0')
		fraction_count--;
	int zeros = p->integer_min > whole_count ? p->integer_min - whole_count : 0, total = whole_count + zeros;
	for (int i = 0; i < total; i++) {
		if (i > 0 && group_before(p, total - i))
			add_char(out, s->grouping);
		add_digit(s, out, i < zeros ? '0' : whole[i - zeros]);
	}
	int shown = fraction_count > p->fraction_min ? fraction_count : p->fraction_min;
	if (index_of(p->all, s->decimal, 0) < 0 || shown == 0)
		return;
	add_char(out, s->decimal);
	for (int i = 0; i < shown; i++) {
		for (int g = 0; g < p->fraction_group_count; g++)
			if (i > 0 && p->fraction_groups[g] == i)
				add_char(out, s->grouping);
		add_digit(s, out, i < fraction_count ? point[1 + i] : '0');
	}
}

static void write_exponent(const struct symbols *s, const struct sub_picture *p, double exponent, struct buffer *out)
{
	char digits[16];
	int count = snprintf(digits, sizeof digits, "%.0f", fabs(exponent));
	add_char(out, s->exponent);
	if (exponent < 0)
		add_char(out, s->minus);
	for (int i = count; i < p->exponent_min; i++)
		add_digit(s, out, '0');
	for (int i = 0; i < count; i++)
		add_digit(s, out, digits[i]);
}

/* ---- the door --------------------------------------------------------------------------- */

static void read_options(struct evaluation *e, struct item options, struct symbols *s)
{
	const struct {
		const char *name;
		uint32_t *symbol;
	} rows[] = {
		{ "decimal-separator", &s->decimal },
		{ "grouping-separator", &s->grouping },
		{ "exponent-separator", &s->exponent },
		{ "minus-sign", &s->minus },
		{ "percent", &s->percent },
		{ "per-mille", &s->per_mille },
		{ "zero-digit", &s->zero },
		{ "digit", &s->digit },
		{ "pattern-separator", &s->pattern },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct item item = object_get(e, options, str_of(rows[i].name));
		size_t length;
		if (item.kind == ITEM_STRING && item.len)
			*rows[i].symbol = utf8_decode(item_str(item), &length);
	}
}

static double round_places(struct evaluation *e, double number, int places)
{
	struct item arguments[2] = { item_number(number), item_number(places) };
	struct call call = { .arguments = arguments, .count = 2 };
	return native_round(e, &call).number;
}

NATIVE(native_format_number)
{
	if (is_nothing(ARG(0)))
		return NOTHING;
	struct symbols s = { '.', ',', 'e', '-', '%', 0x2030, '0', '#', ';' };
	read_options(e, ARG(2), &s);
	struct chars picture = decode(e, item_str(ARG(1)));
	struct sub_picture parts[2];
	int separator = index_of(picture, s.pattern, 0), count = separator < 0 ? 1 : 2;
	if (separator >= 0 && index_of(picture, s.pattern, separator + 1) >= 0)
		THROW(e, .code = JSONATA_D3080);
	split_parts(&s, separator < 0 ? picture : part(picture, 0, separator), &parts[0]);
	if (count == 2)
		split_parts(&s, part(picture, separator + 1, picture.count), &parts[1]);
	for (int i = 0; i < count; i++) {
		enum jsonata_code code = broken_rule(&s, &parts[i]);
		if (code)
			THROW(e, .code = code);
		analyse(&s, &parts[i]);
	}
	double number = ARG(0).number, exponent = 0;
	struct buffer *out = ev_buffer(e);
	const struct sub_picture *p = &parts[number >= 0 || count == 1 ? 0 : 1];
	if (!(number >= 0) && count == 1)
		add_char(out, s.minus);
	add_chars(out, p->prefix);
	number *= index_of(p->all, s.percent, 0) >= 0 ? 100 : index_of(p->all, s.per_mille, 0) >= 0 ? 1000 : 1;
	if (!isfinite(number)) {
		buffer_addz(out, isnan(number) ? "NaN" : "Infinity");
	} else {
		if (p->exponent_min)
			number = scaled_mantissa(p, number, &exponent);
		number = round_places(e, number, p->fraction_max);
		if (fabs(number) >= 1e21)
			value_write_double(fabs(number), out);
		else
			write_number(&s, p, number, out);
		if (p->exponent_min)
			write_exponent(&s, p, exponent, out);
	}
	add_chars(out, p->suffix);
	return item_text(ev_buffer_take(e, out));
}
