/* timestamp.h: points in time as text and back. Time is always milliseconds since 1970-01-01T00:00:00Z, int64_t, named `…_ms`. */
#pragma once
#include "base/str.h"
#include <stdint.h>

#define TIMESTAMP_TEXT_MAX 40

/* Reads RFC 3339 as the States Language wants it ("2016-03-14T01:59:00Z"): capital T, offset
 * Z or ±hh:mm, fractions of any length (beyond milliseconds cut off), years 0000–9999, leap
 * second 60 read as 59.999. False if it is not one; *ret_ms stays untouched. */
bool timestamp_parse(struct str text, int64_t *ret_ms);

/* Prints "2016-03-14T01:59:00.123Z" (three digits always) into `buffer` of TIMESTAMP_TEXT_MAX; returns it. */
const char *timestamp_format(int64_t ms, char buffer[TIMESTAMP_TEXT_MAX]);

/* Days since 1970-01-01 of a proleptic Gregorian date, and back. month 1–12, day 1–31. */
int64_t timestamp_days_from_civil(int64_t year, int month, int day);
void timestamp_civil_from_days(int64_t days, int64_t *ret_year, int *ret_month, int *ret_day);
