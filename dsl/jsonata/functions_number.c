/* functions_number.c: numbers. */
#include "dsl/jsonata/functions.h"
#include <stdio.h>
#include <stdlib.h>

#define ARG(i) (call->arguments[i])

/* ---- casting ---------------------------------------------------------------------------- */

static size_t skip_digits(const char *text, size_t at)
{
	while (text[at] >= '0' && text[at] <= '9')
		at++;
	return at;
}

/* -?digits(.digits)?([eE][+-]?digits)? and nothing else. */
static bool is_decimal(const char *text)
{
	size_t start = text[0] == '-', at = skip_digits(text, start), mark;
	if (at == start)
		return false;
	if (text[at] == '.') {
		mark = at + 1;
		if ((at = skip_digits(text, mark)) == mark)
			return false;
	}
	if (text[at] == 'e' || text[at] == 'E') {
		mark = at + 1 + (text[at + 1] == '+' || text[at + 1] == '-');
		if ((at = skip_digits(text, mark)) == mark)
			return false;
	}
	return text[at] == '\0';
}

/* 0x…, 0o…, 0b… */
static bool read_radix(const char *text, double *ret_number)
{
	int radix = text[0] != '0'          ? 0
		    : (text[1] | 32) == 'x' ? 16
		    : (text[1] | 32) == 'o' ? 8
		    : (text[1] | 32) == 'b' ? 2
					    : 0;
	if (!radix || !text[2])
		return false;
	double number = 0;
	for (size_t i = 2; text[i]; i++) {
		char c = (char)(text[i] | 32);
		int digit = text[i] >= '0' && text[i] <= '9' ? text[i] - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : 99;
		if (digit >= radix)
			return false;
		number = number * radix + digit;
	}
	*ret_number = number;
	return true;
}

static struct item number_of_text(struct evaluation *e, struct item item)
{
	char local[64], *text = item.len < sizeof local ? local : ev_alloc(e, (size_t)item.len + 1);
	memcpy(text, item.text, item.len);
	text[item.len] = '\0';
	double number = NAN;
	bool whole = strlen(text) == item.len;
	if (whole && is_decimal(text))
		number = strtod(text, NULL);
	else if (!whole || !read_radix(text, &number))
		number = NAN;
	if (!isfinite(number))
		THROW(e, .code = JSONATA_D3030, .value = item, .has_value = true);
	return item_number(number);
}

NATIVE(native_number)
{
	switch ((enum item_kind)ARG(0).kind) {
	case ITEM_NUMBER:
		return ARG(0);
	case ITEM_BOOLEAN:
		return item_number(ARG(0).boolean);
	case ITEM_STRING:
		return number_of_text(e, ARG(0));
	case ITEM_NOTHING:
	case ITEM_NULL:
	case ITEM_ARRAY:
	case ITEM_OBJECT:
	case ITEM_VALUE_ARRAY:
	case ITEM_VALUE_OBJECT:
	case ITEM_FUNCTION:
	case ITEM_TUPLE:
		break;
	}
	return NOTHING;
}

/* ---- arithmetic ------------------------------------------------------------------------- */

NATIVE(native_abs)
{
	return is_nothing(ARG(0)) ? NOTHING : item_number(fabs(ARG(0).number));
}

NATIVE(native_floor)
{
	return is_nothing(ARG(0)) ? NOTHING : item_number(floor(ARG(0).number));
}

NATIVE(native_ceil)
{
	return is_nothing(ARG(0)) ? NOTHING : item_number(ceil(ARG(0).number));
}

NATIVE(native_sqrt)
{
	if (is_nothing(ARG(0)))
		return NOTHING;
	if (ARG(0).number < 0)
		THROW(e, .code = JSONATA_D3060, .value = ARG(0), .has_value = true);
	return item_number(sqrt(ARG(0).number));
}

NATIVE(native_power)
{
	if (is_nothing(ARG(0)))
		return NOTHING;
	double exponent = ARG(1).kind == ITEM_NUMBER ? ARG(1).number : NAN, base = ARG(0).number;
	double result = fabs(base) == 1 && isinf(exponent) ? NAN : isnan(exponent) ? NAN : pow(base, exponent);
	if (!isfinite(result))
		THROW(e, .code = JSONATA_D3061, .value = ARG(0), .has_value = true, .exp = exponent);
	return item_number(result);
}

/* Moves the decimal point in the decimal text of the number, so that no binary rounding comes in between. */
static double shift_decimal(double number, double places)
{
	if (!isfinite(number))
		return number;
	struct buffer text = { 0 };
	value_write_double(number, &text);
	char shifted[96];
	const char *exponent = memchr(text.data, 'e', text.len);
	double power = places + (exponent ? strtod(exponent + 1, NULL) : 0);
	size_t length = exponent ? (size_t)(exponent - text.data) : text.len;
	snprintf(shifted, sizeof shifted, "%.*se%.0f", (int)(length < 40 ? length : 40), text.data, power);
	buffer_done(&text);
	return strtod(shifted, NULL);
}

/* To the nearest; halves to the even neighbour. */
static double round_half_even(double number)
{
	double result = floor(number + 0.5);
	if (!isfinite(number) || fabs(number) >= 4503599627370496.0)
		return number;
	if (number - floor(number) < 0.5)
		result = floor(number);
	if (fabs(result - number) == 0.5 && fabs(fmod(result, 2)) == 1)
		result -= 1;
	return result;
}

static double round_to(double number, double precision)
{
	if (precision != 0)
		number = shift_decimal(number, precision);
	number = round_half_even(number);
	if (precision != 0)
		number = shift_decimal(number, -precision);
	return number == 0 ? 0 : number;
}

NATIVE(native_round)
{
	if (is_nothing(ARG(0)))
		return NOTHING;
	double precision = ARG(1).kind == ITEM_NUMBER ? ARG(1).number : 0;
	return item_number(round_to(ARG(0).number, fabs(precision) < 1000 ? precision : copysign(1000, precision)));
}

/* ---- text in other bases ---------------------------------------------------------------- */

NATIVE(native_format_base)
{
	static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyz";
	if (is_nothing(ARG(0)))
		return NOTHING;
	double number = round_to(ARG(0).number, 0),
	       radix = ARG(1).kind == ITEM_NUMBER ? round_to(ARG(1).number, 0) : 10;
	if (!(radix >= 2 && radix <= 36))
		THROW(e, .code = JSONATA_D3100, .value = item_number(radix), .has_value = true);
	if (!isfinite(number))
		return item_text(isnan(number) ? STR("NaN") : number < 0 ? STR("-Infinity") : STR("Infinity"));
	if (radix == 10) {
		struct buffer *out = ev_buffer(e);
		value_write_double(number, out);
		return item_text(ev_buffer_take(e, out));
	}
	char text[1100], *at = text + sizeof text;
	double rest = fabs(number);
	do {
		*--at = digits[(int)fmod(rest, radix)];
		rest = floor(rest / radix);
	} while (rest > 0);
	if (number < 0)
		*--at = '-';
	return item_text(ev_str(e, (struct str){ at, (size_t)(text + sizeof text - at) }));
}

/* ---- randomness, time ------------------------------------------------------------------- */

NATIVE(native_random)
{
	if (!e->env->random)
		THROW(e, .code = JSONATA_D3162);
	return item_number(random_double(e->env->random));
}

NATIVE(native_millis)
{
	return item_number((double)e->env->now_ms);
}
