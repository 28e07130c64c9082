/* number.c: numbers between text, double and int64.
 *
 * A number's token is what counts: it is converted when somebody asks, compared digit by digit as a decimal, and never
 * printed anew. Doubles that were computed are printed with the fewest digits that read back the same. */
#include "base/mem.h"
#include "value/bytes.h"
#include "value/node.h"
#include "value/powers.h"
#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>

/* ---- tokens as decimals ------------------------------------------------------------------ */

/* ± digits × 10^scale. The digits run in the token from `first` to `last`, neither of which is 0, and may have
 * the point between them. */
struct decimal {
	bool negative;
	bool is_extreme;          /* the exponent is too large to count with: `scale` only tells its direction */
	const char *first, *last; /* NULL: the number is zero */
	size_t digits;
	int64_t scale;
};

#define SCALE_MOST 1000000000000000 /* far above any token's length */

static struct decimal decimal_of(struct str token)
{
	struct decimal d = { 0 };
	const char *p = token.ptr, *end = p + token.len, *point = NULL;
	if (*p == '-') {
		d.negative = true;
		p++;
	}
	for (; p < end && (is_digit(*p) || *p == '.'); p++) {
		if (*p == '.') {
			point = p;
		} else if (*p != '0') {
			d.last = p;
			if (!d.first)
				d.first = p;
		}
	}
	const char *digits_end = p;
	int64_t exponent = 0;
	if (p < end) { /* at the e */
		bool negative = p[1] == '-';
		for (p += negative || p[1] == '+' ? 2 : 1; p < end; p++)
			if (exponent < SCALE_MOST)
				exponent = exponent * 10 + (*p - '0');
		d.is_extreme = exponent >= SCALE_MOST;
		exponent = negative ? -exponent : exponent;
	}
	if (!d.first)
		return (struct decimal){ 0 };
	bool has_point_inside = point && point > d.first && point < d.last;
	d.digits = (size_t)(d.last - d.first) + 1 - has_point_inside;
	/* How far the last digit stands from the ones. */
	int64_t from_ones = !point ? digits_end - 1 - d.last : d.last < point ? point - 1 - d.last : point - d.last;
	d.scale = exponent + from_ones;
	return d;
}

/* The digits as one number; false if they do not fit. */
static bool decimal_digits(const struct decimal *d, uint64_t *ret_number)
{
	uint64_t number = 0;
	if (d->digits > 20)
		return false;
	for (const char *p = d->first; p && p <= d->last; p++)
		if (*p != '.' && (__builtin_mul_overflow(number, 10, &number) ||
				  __builtin_add_overflow(number, (uint64_t)(*p - '0'), &number)))
			return false;
	*ret_number = number;
	return true;
}

bool number_tokens_equal(struct str a, struct str b)
{
	if (str_eq(a, b))
		return true;
	struct decimal x = decimal_of(a), y = decimal_of(b);
	if (!x.first || !y.first)
		return !x.first && !y.first;
	if (x.negative != y.negative || x.digits != y.digits || x.scale != y.scale || x.is_extreme || y.is_extreme)
		return false;
	for (const char *p = x.first, *q = y.first; p <= x.last; p++, q++) {
		p += *p == '.';
		q += *q == '.';
		if (*p != *q)
			return false;
	}
	return true;
}

bool number_token_to_int64(struct str token, int64_t *ret_number)
{
	struct decimal d = decimal_of(token);
	uint64_t number;
	if (d.scale < 0 || d.scale > 18 || !decimal_digits(&d, &number))
		return false;
	for (int64_t i = 0; i < d.scale; i++)
		if (__builtin_mul_overflow(number, 10, &number))
			return false;
	if (number > (uint64_t)INT64_MAX + d.negative)
		return false;
	*ret_number = d.negative ? (int64_t)-number : (int64_t)number;
	return true;
}

/* A NUL, or whatever else ends a number, must follow the token. */
double number_from_token(struct str token)
{
	static const double tens[] = { 1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
				       1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22 };
	struct decimal d = decimal_of(token);
	uint64_t digits;
	/* Both are exact as doubles, so one operation rounds once: to the nearest. */
	if (FLT_EVAL_METHOD == 0 && d.scale >= -22 && d.scale <= 22 && decimal_digits(&d, &digits) &&
	    digits <= 1ull << 53) {
		double number = d.scale < 0 ? (double)digits / tens[-d.scale] : (double)digits * tens[d.scale];
		return token.ptr[0] == '-' ? -number : number;
	}
	/* The C library rounds correctly too; in its own locale, whatever the process has set. */
	return strtod_l(token.ptr, NULL, newlocale(LC_ALL_MASK, "C", (locale_t)0));
}

/* ---- the shortest decimal of a double ----------------------------------------------------- */

/* floor(log10(2^q)), of 3/4 2^q with `narrow`; floor(log2(10^k)). Exact for all exponents of doubles. */
static int log10_of_power_of_2(int q, bool narrow)
{
	return (q * 1262611 - (narrow ? 524031 : 0)) >> 22;
}

static int log2_of_power_of_10(int k)
{
	return (k * 1741647) >> 19;
}

/* The product of a 128-bit power and a number, without its lowest 128 bits; what was cut off is remembered in the
 * lowest bit, so that the result compares with whole numbers as the exact product does. */
static uint64_t multiply_to_odd(struct power power, uint64_t number)
{
	unsigned __int128 low = (unsigned __int128)power.low * number;
	unsigned __int128 sum = (unsigned __int128)power.high * number + (uint64_t)(low >> 64);
	return (uint64_t)(sum >> 64) | ((uint64_t)sum > 1);
}

/* Schubfach, by Raffaello Giulietti ("The Schubfach way to render doubles"). A double stands for all numbers that round
 * to it, an interval [lower, upper] around it. With 10^k just below the interval's width, at most one multiple of
 * 10^(k+1) is in it, which is then the shortest; else one of the two multiples of 10^k on either side is, and the
 * nearer is taken. All is counted in quarters of 10^k, so that the interval's borders, half a unit in the last place
 * away, are as exact as the number. */
static void shortest_decimal(double number, uint64_t *ret_digits, int *ret_exponent)
{
	uint64_t bits;
	memcpy(&bits, &number, sizeof bits);
	uint64_t fraction = bits & ((1ull << 52) - 1);
	int biased = (int)(bits >> 52 & 0x7ff);
	uint64_t c = biased ? fraction | 1ull << 52 : fraction; /* number = c × 2^q */
	int q = (biased ? biased : 1) - 1075;
	bool narrow = fraction == 0 && biased > 1; /* at a power of two, the numbers below are twice as dense */
	bool with_borders = c % 2 == 0;            /* halves round to even */

	int k = log10_of_power_of_2(q, narrow);
	int shift = q + log2_of_power_of_10(-k) + 1;
	struct power power = powers[-k - POWER_LEAST];
	uint64_t lower = multiply_to_odd(power, (4 * c - 2 + narrow) << shift) + !with_borders;
	uint64_t middle = multiply_to_odd(power, (4 * c) << shift);
	uint64_t upper = multiply_to_odd(power, (4 * c + 2) << shift) - !with_borders;

	uint64_t s = middle / 4, tens = s / 10;
	if (s >= 10) {
		bool below = lower <= 40 * tens, above = 40 * tens + 40 <= upper;
		if (below != above) {
			*ret_digits = tens + above;
			*ret_exponent = k + 1;
			return;
		}
	}
	bool below = lower <= 4 * s, above = 4 * s + 4 <= upper;
	bool round_up = below != above ? above : middle > 4 * s + 2 || (middle == 4 * s + 2 && s % 2);
	*ret_digits = s + round_up;
	*ret_exponent = k;
}

/* Writes digits; returns how many. */
static size_t write_digits(uint64_t number, char to[20])
{
	char reversed[20];
	size_t count = 0;
	do
		reversed[count++] = (char)('0' + number % 10);
	while (number /= 10);
	for (size_t i = 0; i < count; i++)
		to[i] = reversed[count - 1 - i];
	return count;
}

size_t number_write_int(int64_t number, char to[NUMBER_TEXT_MAX])
{
	bool negative = number < 0;
	to[0] = '-';
	return negative + write_digits(negative ? -(uint64_t)number : (uint64_t)number, to + negative);
}

/* Lays out digits × 10^exponent as Number.prototype.toString does. */
static size_t lay_out(uint64_t number, int exponent, char *to)
{
	char digits[20], *start = to;
	while (number % 10 == 0) {
		number /= 10;
		exponent++;
	}
	int count = (int)write_digits(number, digits);
	int point = count + exponent; /* where the point stands, counted from the first digit */
	if (point > 21 || point < -5) {
		*to++ = digits[0];
		if (count > 1) {
			*to++ = '.';
			memcpy(to, digits + 1, (size_t)count - 1);
			to += count - 1;
		}
		*to++ = 'e';
		*to++ = point > 0 ? '+' : '-';
		return (size_t)(to - start) + write_digits((uint64_t)abs(point - 1), to);
	}
	for (int i = point < 1 ? point - 1 : 0; i < count || i < point; i++) {
		if (i == point)
			*to++ = '.';
		*to++ = i < 0 || i >= count ? '0' : digits[i];
	}
	return (size_t)(to - start);
}

size_t number_write_double(double number, char to[NUMBER_TEXT_MAX])
{
	if (!isfinite(number)) {
		memcpy(to, "null", 4);
		return 4;
	}
	if (fabs(number) <= 0x1p53 && number == trunc(number))
		return number_write_int((int64_t)number, to);
	uint64_t digits;
	int exponent;
	shortest_decimal(number, &digits, &exponent);
	bool negative = number < 0;
	to[0] = '-';
	return negative + lay_out(digits, exponent, to + negative);
}

void value_write_double(double number, struct buffer *buffer)
{
	char text[NUMBER_TEXT_MAX];
	buffer_append(buffer, text, number_write_double(number, text));
}
