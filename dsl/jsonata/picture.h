/* picture.h: picture strings for integers, and date/time components that are written as integers (XPath F&O 3.1,
 * sections 4.6 and 9.8). Private to dsl/jsonata/. */
#pragma once
#include "dsl/jsonata/evaluation.h"

enum integer_primary { INTEGER_DECIMAL, INTEGER_LETTERS, INTEGER_ROMAN, INTEGER_WORDS, INTEGER_SEQUENCE };
enum text_case { CASE_LOWER, CASE_UPPER, CASE_TITLE };
enum { SEPARATORS_MAX = 32 };

struct integer_format {
	enum integer_primary primary;
	enum text_case letter_case;
	bool ordinal;
	uint32_t zero;           /* first digit of the decimal digit family */
	int mandatory, optional; /* digits */
	bool regular;            /* grouping separators repeat: separators[0] says how */
	int separator_count;
	struct {
		int position; /* digits to its right */
		uint32_t character;
	} separators[SEPARATORS_MAX];
	struct str token; /* the picture */
	int parse_width;  /* exact number of digits when the next component follows at once; 0: any */
};

void integer_format_parse(struct evaluation *e, struct str picture, struct integer_format *ret);
/* `number` is whole. */
struct str integer_format_write(struct evaluation *e, double number, const struct integer_format *format);
/* Appends a regular expression for what the format writes. */
void integer_format_pattern(struct evaluation *e, const struct integer_format *format, struct buffer *pattern);
/* NaN if the text makes no sense. */
double integer_format_read(struct evaluation *e, struct str text, const struct integer_format *format);

struct str change_case(struct evaluation *e, struct str ascii, enum text_case to);

/* One piece of a date/time picture. */
struct picture_part {
	struct str literal; /* component 0 */
	char component;
	bool names;
	enum text_case letter_case;
	char presentation2;
	int width_max;   /* 0: none */
	int year_digits; /* Y: how many are shown; -1 all */
	bool has_integer;
	struct integer_format integer;
};
struct picture {
	struct str text;
	struct picture_part *parts;
	uint32_t count;
	struct regex *pattern; /* made when it is first read with */
};
const struct picture *picture_parse(struct evaluation *e, struct str text);
const char *month_name(int month);     /* 1–12 */
const char *weekday_name(int weekday); /* 1 Monday – 7 Sunday */
/* A component of a point in time; NaN for those that are no numbers. */
double time_component(double ms, char component);
double time_from_civil(double year, double month, double day, double hour, double minute, double second, double ms);
