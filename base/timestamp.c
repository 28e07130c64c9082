/* timestamp.c: RFC 3339 text and the proleptic Gregorian calendar.
 *
 * Dates are counted in years that begin on 1 March, so that the leap day is the last of its year, and
 * in eras of 400 years, which all have 146,097 days. */
#include "base/timestamp.h"
#include <stdio.h>

enum { DAYS_PER_ERA = 146097, DAYS_TO_1970 = 719468 /* from 0000-03-01 */, MS_PER_DAY = 86400000 };

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

int64_t timestamp_days_from_civil(int64_t year, int month, int day)
{
	int64_t march_year = year - (month <= 2);
	int64_t era = floor_div(march_year, 400);
	int64_t year_of_era = march_year - era * 400;
	int64_t march_month = (month + 9) % 12; /* March is 0 */
	int64_t day_of_year = (153 * march_month + 2) / 5 + day - 1;
	int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
	return era * DAYS_PER_ERA + day_of_era - DAYS_TO_1970;
}

void timestamp_civil_from_days(int64_t days, int64_t *ret_year, int *ret_month, int *ret_day)
{
	int64_t shifted = days + DAYS_TO_1970;
	int64_t era = floor_div(shifted, DAYS_PER_ERA);
	int64_t day_of_era = shifted - era * DAYS_PER_ERA;
	/* Leap days taken out (one in 1,461 days, but not in 36,524, but in 146,097), years have 365 days. */
	int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	int march_month = (int)((5 * day_of_year + 2) / 153);
	*ret_day = (int)(day_of_year - (153 * march_month + 2) / 5) + 1;
	*ret_month = march_month < 10 ? march_month + 3 : march_month - 9;
	*ret_year = era * 400 + year_of_era + (*ret_month <= 2);
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Reads exactly `digits` digits. */
static bool take_number(struct str *text, int digits, int *ret_number)
{
	int number = 0;
	for (int i = 0; i < digits; i++) {
		if ((size_t)i >= text->len || !is_digit(text->ptr[i]))
			return false;
		number = number * 10 + (text->ptr[i] - '0');
	}
	*text = str_sub(*text, (size_t)digits, text->len);
	*ret_number = number;
	return true;
}

static bool take_char(struct str *text, char c)
{
	if (!text->len || text->ptr[0] != c)
		return false;
	*text = str_sub(*text, 1, text->len);
	return true;
}

/* ".5" is 500 ms; digits beyond the third are read and dropped. */
static bool take_fraction(struct str *text, int *ret_ms)
{
	*ret_ms = 0;
	if (!take_char(text, '.'))
		return true;
	size_t digits = 0;
	int scale = 100;
	for (; digits < text->len && is_digit(text->ptr[digits]); digits++, scale /= 10)
		*ret_ms += (text->ptr[digits] - '0') * scale;
	*text = str_sub(*text, digits, text->len);
	return digits > 0;
}

/* "Z", "+02:00"; minutes east of Greenwich. */
static bool take_offset(struct str *text, int *ret_minutes)
{
	*ret_minutes = 0;
	if (take_char(text, 'Z'))
		return true;
	int hours, minutes, sign = take_char(text, '+') ? 1 : take_char(text, '-') ? -1 : 0;
	if (!sign || !take_number(text, 2, &hours) || !take_char(text, ':') || !take_number(text, 2, &minutes) ||
	    hours > 23 || minutes > 59)
		return false;
	*ret_minutes = sign * (hours * 60 + minutes);
	return true;
}

static int days_in_month(int year, int month)
{
	static const signed char days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
	return days[month - 1] + (month == 2 && leap);
}

bool timestamp_parse(struct str text, int64_t *ret_ms)
{
	int year, month, day, hour, minute, second, ms, offset;
	if (!take_number(&text, 4, &year) || !take_char(&text, '-') || !take_number(&text, 2, &month) ||
	    !take_char(&text, '-') || !take_number(&text, 2, &day) || !take_char(&text, 'T') ||
	    !take_number(&text, 2, &hour) || !take_char(&text, ':') || !take_number(&text, 2, &minute) ||
	    !take_char(&text, ':') || !take_number(&text, 2, &second) || !take_fraction(&text, &ms) ||
	    !take_offset(&text, &offset) || text.len)
		return false;
	if (month < 1 || month > 12 || day < 1 || day > days_in_month(year, month) || hour > 23 || minute > 59 ||
	    second > 60)
		return false;
	if (second == 60) { /* a leap second: our days have none */
		second = 59;
		ms = 999;
	}
	int64_t minutes = timestamp_days_from_civil(year, month, day) * 1440 + hour * 60 + minute - offset;
	*ret_ms = (minutes * 60 + second) * 1000 + ms;
	return true;
}

const char *timestamp_format(int64_t ms, char buffer[TIMESTAMP_TEXT_MAX])
{
	int64_t days = floor_div(ms, MS_PER_DAY), year;
	int month, day, rest = (int)(ms % MS_PER_DAY);
	rest += rest < 0 ? MS_PER_DAY : 0;
	timestamp_civil_from_days(days, &year, &month, &day);
	snprintf(buffer, TIMESTAMP_TEXT_MAX, "%04lld-%02d-%02dT%02d:%02d:%02d.%03dZ", (long long)year, month, day,
		 rest / 3600000, rest / 60000 % 60, rest / 1000 % 60, rest % 1000);
	return buffer;
}
