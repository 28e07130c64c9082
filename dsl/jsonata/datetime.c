/* datetime.c: points in time as text: $now, $fromMillis, the components of a date, and date/time pictures (XPath
 * F&O 3.1, section 9.8). Reading text is in datetime_parse.c. Time is milliseconds since 1970 as a double, as
 * JavaScript's is. */
#include "dsl/jsonata/functions.h"
#include "dsl/jsonata/picture.h"
#include "base/timestamp.h"
#include <stdlib.h>

#define ARG(i) (call->arguments[i])
#define DAY_MS 86400000.0

static const char *const months[] = { "January", "February", "March",     "April",   "May",      "June",
				      "July",    "August",   "September", "October", "November", "December" };
static const char *const weekdays[] = { "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday" };

const char *month_name(int month)
{
	return month >= 1 && month <= 12 ? months[month - 1] : "";
}

const char *weekday_name(int weekday)
{
	return weekday >= 1 && weekday <= 7 ? weekdays[weekday - 1] : "";
}

/* ---- components ------------------------------------------------------------------------- */

struct civil {
	int64_t year;
	int month, day; /* from 1 */
	int64_t days;   /* since 1970 */
	int64_t ms;     /* of the day */
};

static struct civil civil_of(double ms)
{
	struct civil c;
	c.days = (int64_t)floor(ms / DAY_MS);
	c.ms = (int64_t)(ms - (double)c.days * DAY_MS);
	timestamp_civil_from_days(c.days, &c.year, &c.month, &c.day);
	return c;
}

double time_from_civil(double year, double month, double day, double hour, double minute, double second, double ms)
{
	double parts[] = { year, month, day, hour, minute, second, ms };
	for (int i = 0; i < 7; i++)
		if (!(fabs(parts[i]) < 1e15))
			return NAN;
	/* Months beyond the year go into the next ones. */
	double whole_year = trunc(year) + floor((trunc(month) - 1) / 12);
	int month_of_year = (int)(fmod(fmod(trunc(month) - 1, 12) + 12, 12)) + 1;
	if (fabs(whole_year) > 400000)
		return NAN;
	double days = (double)timestamp_days_from_civil((int64_t)whole_year, month_of_year, 1) + trunc(day) - 1;
	double time = days * DAY_MS + trunc(hour) * 3600000 + trunc(minute) * 60000 + trunc(second) * 1000 + trunc(ms);
	return fabs(time) <= 8.64e15 ? time : NAN;
}

static int weekday_of(int64_t days) /* 1 Monday – 7 Sunday; 1970-01-01 was a Thursday */
{
	return (int)(((days + 3) % 7 + 7) % 7) + 1;
}

/* The Monday of the first week of a month (a year, with month 1): the week that has its first Thursday. Months may run
 * over. */
static int64_t first_week(int64_t year, int month)
{
	if (month < 1)
		year--, month += 12;
	if (month > 12)
		year++, month -= 12;
	int64_t first = timestamp_days_from_civil(year, month, 1);
	int weekday = weekday_of(first);
	return weekday > 4 ? first + (8 - weekday) : first - (weekday - 1);
}

static double week_number(int64_t start, int64_t day)
{
	return floor((double)(day - start) / 7 + 1);
}

static double week_of_year(const struct civil *c)
{
	int64_t start = first_week(c->year, 1);
	double week = week_number(start, c->days);
	if (week > 52 && c->days >= first_week(c->year + 1, 1))
		return 1;
	return week < 1 ? week_number(first_week(c->year - 1, 1), c->days) : week;
}

static double week_of_month(const struct civil *c)
{
	int64_t start = first_week(c->year, c->month);
	double week = week_number(start, c->days);
	if (week > 4 && c->days >= first_week(c->year, c->month + 1))
		return 1;
	return week < 1 ? week_number(first_week(c->year, c->month - 1), c->days) : week;
}

static double week_year(const struct civil *c)
{
	if (c->days < first_week(c->year, 1))
		return (double)c->year - 1;
	return c->days >= first_week(c->year + 1, 1) ? (double)c->year + 1 : (double)c->year;
}

static double week_month(const struct civil *c)
{
	int month = c->month;
	if (c->days < first_week(c->year, month))
		month--;
	else if (c->days >= first_week(c->year, month + 1))
		month++;
	return month < 1 ? 12 : month > 12 ? 1 : month;
}

double time_component(double ms, char component)
{
	struct civil c = civil_of(ms);
	int64_t hour = c.ms / 3600000;
	switch (component) {
	case 'Y':
		return (double)c.year;
	case 'M':
		return c.month;
	case 'D':
		return c.day;
	case 'd':
		return (double)(c.days - timestamp_days_from_civil(c.year, 1, 1) + 1);
	case 'F':
		return weekday_of(c.days);
	case 'W':
		return week_of_year(&c);
	case 'w':
		return week_of_month(&c);
	case 'X':
		return week_year(&c);
	case 'x':
		return week_month(&c);
	case 'H':
		return (double)hour;
	case 'h':
		return hour % 12 ? (double)(hour % 12) : 12;
	case 'm':
		return (double)(c.ms / 60000 % 60);
	case 's':
		return (double)(c.ms / 1000 % 60);
	case 'f':
		return (double)(c.ms % 1000);
	case 'P':
		return hour >= 12;
	default:
		return NAN;
	}
}

/* ---- reading a picture ------------------------------------------------------------------ */

static const char *default_presentation(char component)
{
	switch (component) {
	case 'Y':
	case 'M':
	case 'D':
	case 'd':
	case 'W':
	case 'w':
	case 'X':
	case 'x':
	case 'H':
	case 'h':
	case 'f':
		return "1";
	case 'F':
	case 'P':
	case 'C':
	case 'E':
		return "n";
	case 'm':
	case 's':
		return "01";
	case 'Z':
	case 'z':
		return "01:01";
	default:
		return NULL;
	}
}

/* "3" or "*" or nothing: 0. */
static int width_of(struct str text)
{
	int width = 0;
	for (size_t i = 0; i < text.len && text.ptr[i] >= '0' && text.ptr[i] <= '9' && width < 4096; i++)
		width = width * 10 + text.ptr[i] - '0';
	return width;
}

static void set_year_digits(struct picture_part *p)
{
	p->year_digits = -1;
	if (p->width_max) {
		p->year_digits = p->integer.mandatory = p->width_max;
	} else {
		int width = p->integer.mandatory + p->integer.optional;
		if (width >= 2)
			p->year_digits = width;
	}
}

/* What stands between brackets, white space taken out. */
static void parse_marker(struct evaluation *e, struct str marker, struct picture_part *p, struct picture_part *previous)
{
	*p = (struct picture_part){ .component = marker.len ? marker.ptr[0] : 0, .year_digits = -1 };
	const char *comma = marker.len ? memrchr(marker.ptr, ',', marker.len) : NULL;
	struct str modifier = str_sub(marker, 1, marker.len);
	int width_min = 0;
	if (comma) {
		modifier = str_sub(marker, 1, comma > marker.ptr ? (size_t)(comma - marker.ptr) - 1 : 0);
		struct str width = str_sub(marker, (size_t)(comma - marker.ptr) + 1, marker.len);
		const char *dash = width.len ? memchr(width.ptr, '-', width.len) : NULL;
		width_min = width_of(dash ? str_sub(width, 0, (size_t)(dash - width.ptr)) : width);
		p->width_max = dash ? width_of(str_sub(width, (size_t)(dash - width.ptr) + 1, width.len)) : 0;
	}
	struct str presentation = modifier;
	bool ordinal = false;
	if (modifier.len > 1 && memchr("atco", modifier.ptr[modifier.len - 1], 4)) {
		p->presentation2 = modifier.ptr[modifier.len - 1];
		ordinal = p->presentation2 == 'o';
		presentation.len--;
	} else if (modifier.len == 0) {
		presentation = str_of(default_presentation(p->component));
	}
	if (presentation.len == 0)
		THROW(e, .code = JSONATA_D3132, .value = item_text(str_sub(marker, 0, 1)), .has_value = true);
	bool number = p->component && strchr("YMDdFWwXxHhmsf", p->component);
	if (presentation.ptr[0] == 'n' || presentation.ptr[0] == 'N') {
		p->names = true;
		p->letter_case = presentation.ptr[0] == 'n'                           ? CASE_LOWER
				 : presentation.len > 1 && presentation.ptr[1] == 'n' ? CASE_TITLE
										      : CASE_UPPER;
	} else if (number) {
		p->has_integer = true;
		struct str picture = presentation;
		if (p->presentation2)
			picture = arena_format(e->arena, "%.*s;%c", STR_FMT(presentation), p->presentation2);
		integer_format_parse(e, picture, &p->integer);
		p->integer.ordinal = ordinal;
		if (p->integer.primary == INTEGER_DECIMAL && width_min > p->integer.mandatory)
			p->integer.mandatory = width_min;
		if (p->component == 'Y')
			set_year_digits(p);
		/* Digits that follow digits: then those before have a fixed width. */
		if (previous && previous->has_integer)
			previous->integer.parse_width = previous->integer.mandatory;
	}
	if (p->component == 'Z' || p->component == 'z')
		integer_format_parse(e, presentation, &p->integer);
}

static struct str without_blanks(struct evaluation *e, struct str text)
{
	char *copy = ev_alloc(e, text.len);
	size_t length = 0;
	for (size_t i = 0; i < text.len; i++)
		if (!strchr(" \t\r\n\f\v", text.ptr[i]) || !text.ptr[i])
			copy[length++] = text.ptr[i];
	return (struct str){ copy, length };
}

/* Literal text, with ]] for ]. */
static void add_literal(struct evaluation *e, struct picture *p, struct str text)
{
	if (text.len == 0)
		return;
	char *copy = ev_alloc(e, text.len);
	size_t length = 0;
	for (size_t i = 0; i < text.len; i++) {
		copy[length++] = text.ptr[i];
		if (text.ptr[i] == ']' && i + 1 < text.len && text.ptr[i + 1] == ']')
			i++;
	}
	p->parts[p->count++] = (struct picture_part){ .literal = { copy, length } };
}

static struct picture *new_picture(struct evaluation *e, struct str text)
{
	size_t most = 1;
	for (size_t i = 0; i < text.len; i++)
		most += text.ptr[i] == '[' ? 2 : 0;
	if (most > 1024)
		throw_limit(e, "The picture string is too long");
	struct picture *p = EV_NEW(e, struct picture);
	*p = (struct picture){ .text = text, .parts = EV_ARRAY(e, struct picture_part, most) };
	size_t start = 0;
	for (size_t at = 0; at < text.len; at++) {
		if (text.ptr[at] != '[')
			continue;
		add_literal(e, p, str_sub(text, start, at - start));
		if (at + 1 < text.len && text.ptr[at + 1] == '[') {
			add_literal(e, p, STR("["));
			start = ++at + 1;
			continue;
		}
		const char *end = memchr(text.ptr + at, ']', text.len - at);
		if (!end)
			THROW(e, .code = JSONATA_D3135);
		struct str marker = str_sub(text, at + 1, (size_t)(end - text.ptr) - at - 1);
		parse_marker(e, without_blanks(e, marker), &p->parts[p->count],
			     p->count ? &p->parts[p->count - 1] : NULL);
		p->count++;
		at = (size_t)(end - text.ptr);
		start = at + 1;
	}
	add_literal(e, p, str_sub(text, start, text.len));
	return p;
}

/* The same picture is used for many dates: the last few are kept. */
const struct picture *picture_parse(struct evaluation *e, struct str text)
{
	for (unsigned i = 0; i < 4; i++)
		if (e->pictures[i] && str_eq(e->pictures[i]->text, text))
			return e->pictures[i];
	struct picture *picture = new_picture(e, text);
	e->pictures[e->picture_next++ % 4] = picture;
	return picture;
}

/* ---- writing ---------------------------------------------------------------------------- */

static struct str zone_text(struct evaluation *e, const struct picture_part *p, double hours, double minutes)
{
	double offset = hours * 100 + minutes;
	struct str text;
	int digits = p->integer.mandatory;
	if (p->integer.primary == INTEGER_DECIMAL && (p->integer.regular || digits == 3 || digits == 4)) {
		text = integer_format_write(e, offset, &p->integer);
	} else if (digits == 1 || digits == 2) {
		text = integer_format_write(e, hours, &p->integer);
		struct integer_format two = { .mandatory = 2, .zero = '0' };
		if (minutes != 0)
			text = text_concat(e, text_concat(e, text, STR(":")), integer_format_write(e, minutes, &two));
	} else {
		THROW(e, .code = JSONATA_D3134, .value = item_number(digits), .has_value = true);
	}
	if (offset == 0 && p->presentation2 == 't')
		return STR("Z");
	if (offset >= 0)
		text = text_concat(e, STR("+"), text);
	return p->component == 'z' ? text_concat(e, STR("GMT"), text) : text;
}

static struct str name_text(struct evaluation *e, const struct picture_part *p, double number)
{
	if (p->component != 'M' && p->component != 'x' && p->component != 'F')
		THROW(e, .code = JSONATA_D3133, .value = item_text((struct str){ &p->component, 1 }),
		      .has_value = true);
	struct str name = str_of(p->component == 'F' ? weekday_name((int)number) : month_name((int)number));
	return change_case(e, p->width_max ? str_sub(name, 0, (size_t)p->width_max) : name, p->letter_case);
}

static struct str component_text(struct evaluation *e, const struct picture_part *p, double ms, double hours,
				 double minutes)
{
	double number = time_component(ms, p->component);
	switch (p->component) {
	case 'Z':
	case 'z':
		return zone_text(e, p, hours, minutes);
	case 'P':
		return p->letter_case == CASE_UPPER ? (number ? STR("PM") : STR("AM")) : number ? STR("pm") : STR("am");
	case 'C':
	case 'E':
		return STR("ISO");
	case 'Y':
		if (p->year_digits > 0)
			number = fmod(number, pow(10, p->year_digits));
		break;
	}
	if (p->names && p->component != 'f')
		return name_text(e, p, number);
	return integer_format_write(e, number, &p->integer);
}

/* "±HHMM" as a number, the way JavaScript's parseInt reads it. */
static double read_zone(struct str text)
{
	double sign = 1, number = 0;
	size_t at = 0;
	if (at < text.len && (text.ptr[at] == '-' || text.ptr[at] == '+'))
		sign = text.ptr[at++] == '-' ? -1 : 1;
	for (; at < text.len && text.ptr[at] >= '0' && text.ptr[at] <= '9'; at++)
		number = number * 10 + (text.ptr[at] - '0');
	return sign * number;
}

static struct item format_time(struct evaluation *e, double ms, struct item picture_text, struct item zone)
{
	double offset = zone.kind == ITEM_STRING ? read_zone(item_str(zone)) : 0;
	double hours = floor(offset / 100), minutes = fmod(offset, 100);
	ms = trunc(ms) + (60 * hours + minutes) * 60000;
	if (!(fabs(ms) <= 8.64e15))
		THROW(e, .code = JSONATA_D1001, .value = item_number(ms), .has_value = true);
	const struct picture *picture = picture_parse(
	    e, picture_text.kind == ITEM_STRING ? item_str(picture_text)
						: STR("[Y0001]-[M01]-[D01]T[H01]:[m01]:[s01].[f001][Z01:01t]"));
	struct buffer *out = ev_buffer(e);
	for (uint32_t i = 0; i < picture->count; i++) {
		const struct picture_part *p = &picture->parts[i];
		buffer_add(out, p->component ? component_text(e, p, ms, hours, minutes) : p->literal);
		spend(e, 1);
	}
	return item_text(ev_buffer_take(e, out));
}

NATIVE(native_from_millis)
{
	return is_nothing(ARG(0)) ? NOTHING : format_time(e, ARG(0).number, ARG(1), ARG(2));
}

NATIVE(native_now)
{
	return format_time(e, (double)e->env->now_ms, ARG(0), ARG(1));
}
