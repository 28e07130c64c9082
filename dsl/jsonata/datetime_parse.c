/* datetime_parse.c: $toMillis: text to points in time, ISO 8601 or as a picture says.
 *
 * A picture becomes a regular expression with a group for each part. What it does not say is taken from the present
 * (more significant components) or is the least possible (less significant ones); a gap in between is an error. */
#include "dsl/jsonata/functions.h"
#include "dsl/jsonata/picture.h"
#include "dsl/jsonata/text.h"

#define ARG(i) (call->arguments[i])

/* ---- ISO 8601 --------------------------------------------------------------------------- */

static bool take_digits(struct str text, size_t *at, int count, double *ret)
{
	double number = 0;
	for (int i = 0; i < count; i++) {
		if (*at + (size_t)i >= text.len || text.ptr[*at + (size_t)i] < '0' || text.ptr[*at + (size_t)i] > '9')
			return false;
		number = number * 10 + (text.ptr[*at + (size_t)i] - '0');
	}
	*at += (size_t)count;
	*ret = number;
	return true;
}

static bool take(struct str text, size_t *at, char c)
{
	if (*at >= text.len || text.ptr[*at] != c)
		return false;
	++*at;
	return true;
}

static bool take_fraction(struct str text, size_t *at, double *ret_ms)
{
	double unit = 100, ms = 0;
	size_t start = *at;
	for (; *at < text.len && text.ptr[*at] >= '0' && text.ptr[*at] <= '9'; ++*at, unit /= 10)
		ms += unit >= 1 ? (text.ptr[*at] - '0') * unit : 0;
	*ret_ms = ms;
	return *at > start;
}

/* YYYY[-MM[-DD]][THH:MM:SS[.fff]][Z|±HH[:]MM]. False: it does not look like that. NaN: it does but there is no such
 * time. */
static bool read_iso(struct str text, double *ret_ms)
{
	double year, month = 1, day = 1, hour = 0, minute = 0, second = 0, ms = 0, zone_hour = 0, zone_minute = 0,
		     sign = 0;
	size_t at = 0;
	bool time = false;
	if (!take_digits(text, &at, 4, &year))
		return false;
	if (take(text, &at, '-')) {
		if (!take_digits(text, &at, 2, &month))
			return false;
		if (take(text, &at, '-') && !take_digits(text, &at, 2, &day))
			return false;
	}
	if (take(text, &at, 'T')) {
		time = true;
		if (!take_digits(text, &at, 2, &hour) || !take(text, &at, ':') || !take_digits(text, &at, 2, &minute) ||
		    !take(text, &at, ':') || !take_digits(text, &at, 2, &second))
			return false;
	}
	if (take(text, &at, '.') && !take_fraction(text, &at, &ms))
		return false;
	if (!take(text, &at, 'Z') && at < text.len) {
		sign = take(text, &at, '-') ? -1 : take(text, &at, '+') ? 1 : 0;
		if (!sign || !take_digits(text, &at, 2, &zone_hour))
			return false;
		take(text, &at, ':');
		if (!take_digits(text, &at, 2, &zone_minute))
			return false;
	}
	if (at != text.len || month > 19 || day > 39 || hour > 29 || minute > 59 || second > 59 || zone_hour > 29 ||
	    zone_minute > 59)
		return false;
	bool midnight = hour == 24 && minute == 0 && second == 0 && ms == 0;
	*ret_ms = NAN;
	if (month >= 1 && month <= 12 && day >= 1 && day <= 31 && (hour < 24 || midnight) && (time || !sign))
		*ret_ms = time_from_civil(year, month, day, hour, minute, second, ms) -
			  sign * (zone_hour * 60 + zone_minute) * 60000;
	return true;
}

/* ---- by picture ------------------------------------------------------------------------- */

/* Components by their letter; NaN: not given. */
struct components {
	double value[128];
	bool given[128];
};

static void add_literal_pattern(struct str text, struct buffer *out)
{
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] && strchr(".*+?^${}()|[]\\", text.ptr[i]))
			buffer_byte(out, '\\');
		buffer_byte(out, text.ptr[i]);
	}
}

static void add_zone_pattern(const struct picture_part *p, struct buffer *out)
{
	if (p->component == 'z')
		buffer_addz(out, "GMT");
	buffer_addz(out, "[-+][0-9]+");
	if (!p->integer.regular)
		return;
	char separator[4];
	add_literal_pattern((struct str){ separator, utf8_encode(p->integer.separators[0].character, separator) }, out);
	buffer_addz(out, "[0-9]+");
}

static struct regex *picture_pattern(struct evaluation *e, const struct picture *picture)
{
	struct buffer *out = ev_buffer(e);
	buffer_byte(out, '^');
	for (uint32_t i = 0; i < picture->count; i++) {
		const struct picture_part *p = &picture->parts[i];
		buffer_byte(out, '(');
		if (!p->component)
			add_literal_pattern(p->literal, out);
		else if (p->component == 'Z' || p->component == 'z')
			add_zone_pattern(p, out);
		else if (p->has_integer)
			integer_format_pattern(e, &p->integer, out);
		else if (strchr("MxFP", p->component))
			buffer_addz(out, "[a-zA-Z]+");
		else
			THROW(e, .code = JSONATA_D3133, .value = item_text((struct str){ &p->component, 1 }),
			      .has_value = true);
		buffer_byte(out, ')');
	}
	buffer_byte(out, '$');
	struct str why;
	return regex_compile(e->arena, buffer_str(out), REGEX_IGNORE_CASE, &why);
}

static double read_number(struct str text)
{
	double sign = 1, number = 0;
	size_t at = 0;
	if (text.len && (text.ptr[0] == '-' || text.ptr[0] == '+'))
		sign = text.ptr[at++] == '-' ? -1 : 1;
	for (; at < text.len && text.ptr[at] >= '0' && text.ptr[at] <= '9'; at++)
		number = number * 10 + (text.ptr[at] - '0');
	return sign * number;
}

/* Minutes east of UTC. */
static double read_zone(struct str text, const struct picture_part *p)
{
	if (p->component == 'z')
		text = str_sub(text, 3, text.len);
	size_t hour_length = text.len - 1 <= 2 ? text.len : 3, gap = 0;
	for (size_t i = 1; p->integer.regular && i < text.len; i++)
		if (text.ptr[i] < '0' || text.ptr[i] > '9') {
			hour_length = i;
			gap = 1;
			break;
		}
	return read_number(str_sub(text, 0, hour_length)) * 60 +
	       read_number(str_sub(text, hour_length + gap, text.len));
}

static double read_name(struct str text, const struct picture_part *p)
{
	if (p->component == 'P')
		return str_eqz(text, "pm") || str_eqz(text, "PM")   ? 1
		       : str_eqz(text, "am") || str_eqz(text, "AM") ? 0
								    : NAN;
	for (int i = 1; i <= 12; i++) {
		struct str name = str_of(p->component == 'F' ? weekday_name(i) : month_name(i));
		if (p->width_max)
			name = str_sub(name, 0, (size_t)p->width_max);
		if (name.len && str_eq(name, text))
			return i;
	}
	return NAN;
}

/* Digits behind the point of a second, in milliseconds. */
static double read_fraction(struct str text)
{
	double ms = 0, unit = 100;
	for (size_t i = 0; i < text.len && i < 3; i++, unit /= 10)
		ms += (text.ptr[i] >= '0' && text.ptr[i] <= '9' ? text.ptr[i] - '0' : 0) * unit;
	return ms;
}

static double read_component(struct evaluation *e, struct str text, const struct picture_part *p)
{
	if (p->component == 'f' && p->has_integer && p->integer.primary == INTEGER_DECIMAL)
		return read_fraction(text);
	if (p->component == 'Z' || p->component == 'z')
		return read_zone(text, p);
	return p->has_integer ? integer_format_read(e, text, &p->integer) : read_name(text, p);
}

static unsigned mask_of(const struct components *c, const char *letters)
{
	unsigned mask = 0;
	for (; *letters; letters++)
		mask = mask << 1 | (c->given[(int)*letters] && c->value[(int)*letters] != 0);
	return mask;
}

static bool is_kind(unsigned mask, unsigned kind)
{
	return !(mask & ~kind) && (mask & kind);
}

static void complete(struct evaluation *e, struct components *c, const char *letters, bool *started, bool *ended)
{
	for (; *letters; letters++) {
		int letter = *letters;
		if (c->given[letter]) {
			if (*ended)
				THROW(e, .code = JSONATA_D3136);
			*started = true;
		} else if (*started) {
			c->value[letter] = strchr("MDd", letter) ? 1 : 0;
			*ended = true;
		} else {
			c->value[letter] = time_component((double)e->env->now_ms, *letters);
		}
	}
}

static double assemble(struct evaluation *e, struct components *c)
{
	unsigned date = mask_of(c, "YXMxWwdD"), time = mask_of(c, "PHhmsf");
	/* Year and day of the year; ISO month and week; ISO year and week; hours of twelve. What also fits the usual
	 * set is that. */
	bool by_day = is_kind(date, 0x82) && !is_kind(date, 0xA1);
	bool by_month_week = is_kind(date, 0x54), by_week = is_kind(date, 0x48) && !by_month_week;
	bool half_days = is_kind(time, 0x2F) && !is_kind(time, 0x17);
	bool started = false, ended = false;
	complete(e, c, by_day ? "YD" : by_month_week ? "XxwF" : by_week ? "XWF" : "YMD", &started, &ended);
	complete(e, c, half_days ? "Phmsf" : "Hmsf", &started, &ended);
	if (by_month_week || by_week)
		THROW(e, .code = JSONATA_D3136);
	double *v = c->value, month = v['M'] > 0 ? v['M'] : 1, day = v['D'];
	if (by_day) {
		month = 1;
		day = v['d'];
	}
	if (half_days)
		v['H'] = (v['h'] == 12 ? 0 : v['h']) + (v['P'] == 1 ? 12 : 0);
	if (v['Y'] >= 0 && v['Y'] <= 99)
		v['Y'] += 1900; /* as JavaScript's Date.UTC */
	double ms = time_from_civil(v['Y'], month, day, v['H'], v['m'], v['s'], v['f']);
	return ms - (c->given['Z'] && v['Z'] != 0 ? v['Z'] : c->given['z'] ? v['z'] : 0) * 60000;
}

static struct item read_time(struct evaluation *e, struct str text, struct str picture_text)
{
	struct picture *picture = (struct picture *)(uintptr_t)picture_parse(e, picture_text);
	if (!picture->pattern)
		picture->pattern = picture_pattern(e, picture);
	if (!e->regex_scratch)
		e->regex_scratch = regex_scratch_new(e->arena);
	struct regex_match match;
	if (!picture->pattern)
		return NOTHING;
	switch (regex_match(picture->pattern, text, 0, e->regex_scratch, &match)) {
	case REGEX_NONE:
		return NOTHING;
	case REGEX_LIMIT:
		throw_limit(e, "Reading the timestamp needs too many steps");
	case REGEX_MATCH:
		break;
	}
	struct components components = { 0 };
	bool any = false;
	unsigned group = 0;
	for (uint32_t i = 0; i < picture->count && group < match.group_count; i++, group++) {
		const struct picture_part *p = &picture->parts[i];
		if (!p->component)
			continue;
		struct str found =
		    str_sub(text, match.groups[2 * group], match.groups[2 * group + 1] - match.groups[2 * group]);
		double value = read_component(e, found, p);
		int letter = p->component & 127;
		components.value[letter] = value;
		components.given[letter] = !isnan(value);
		any = true;
	}
	return any ? item_number(assemble(e, &components)) : NOTHING;
}

NATIVE(native_to_millis)
{
	if (is_nothing(ARG(0)))
		return NOTHING;
	if (ARG(1).kind == ITEM_STRING)
		return read_time(e, item_str(ARG(0)), item_str(ARG(1)));
	double ms;
	if (!read_iso(item_str(ARG(0)), &ms))
		THROW(e, .code = JSONATA_D3110, .value = ARG(0), .has_value = true);
	return item_number(ms);
}
