/* text.c: widths of texts, lines, and markup. See text.h. */
#include "visualizer/text.h"
#include "base/utf8.h"

/* Advance widths of U+0020–U+007E, thousandths of the font size. */
static const uint16_t ascii_widths[95] = {
	318, 401, 460, 838, 636, 950, 780, 275, 390, 390, 500, 838, 318, 361,  318, 337, 636, 636, 636,
	636, 636, 636, 636, 636, 636, 636, 337, 337, 838, 838, 838, 531, 1000, 684, 686, 698, 770, 632,
	575, 775, 752, 295, 295, 656, 557, 863, 748, 787, 603, 787, 695, 635,  611, 732, 684, 989, 685,
	611, 685, 390, 337, 390, 838, 500, 500, 613, 635, 550, 635, 615, 352,  635, 634, 278, 278, 579,
	278, 974, 634, 612, 635, 635, 411, 521, 392, 634, 592, 818, 592, 592,  525, 636, 337, 636, 838,
};

/* Everything else by block: the first row whose end is not below the character. */
static const struct {
	uint32_t last;
	uint16_t width;
} block_widths[] = {
	{ 0xb6, 700 },     { 0xb7, 318 },        { 0x2ff, 720 },   { 0x36f, 0 }, /* combining marks */
	{ 0x52f, 850 },    { 0x10ff, 800 },      { 0x11ff, 1000 }, { 0x1fff, 850 },
	{ 0x200f, 300 },   { 0x2e7f, 1000 },     { 0xa4cf, 1050 }, /* CJK and kana */
	{ 0xabff, 850 },   { 0xd7ff, 1050 },     { 0xf8ff, 1000 }, { 0xfaff, 1050 },
	{ 0xfdff, 850 },   { 0xfe0f, 0 },        { 0xffff, 1050 }, { 0x1ffff, 1300 }, /* emoji */
	{ 0x3ffff, 1050 }, { UINT32_MAX, 1000 },
};

static unsigned character_width(uint32_t code)
{
	if (code < 0x20)
		return 318; /* drawn as a space */
	if (code < 0x7f)
		return ascii_widths[code - 0x20];
	unsigned row = 0;
	while (block_widths[row].last < code)
		row++;
	return block_widths[row].width;
}

/* The character at `at`; *ret_length is at least 1, whatever stands there. */
static uint32_t character_at(struct str text, size_t at, size_t *ret_length)
{
	size_t length = utf8_length(text.ptr + at, text.len - at);
	if (!length && utf8_is_surrogate(text.ptr + at, text.len - at)) {
		*ret_length = 3;
		return 0xfffd;
	}
	*ret_length = length ? length : 1;
	return length ? utf8_decode(text.ptr + at, length) : 0xfffd;
}

static uint64_t width_units(struct str text)
{
	uint64_t units = 0;
	for (size_t i = 0, length; i < text.len; i += length)
		units += character_width(character_at(text, i, &length));
	return units;
}

int32_t text_width(struct str text, int size)
{
	uint64_t pixels = (width_units(text) * (uint64_t)size + 999) / 1000;
	return pixels < 1000000 ? (int32_t)pixels : 1000000;
}

/* ---- lines ---------------------------------------------------------------------------------- */

/* How good it is to break between two characters; 0: only if nothing else is possible. */
static int break_quality(uint32_t before, uint32_t after)
{
	if (before == ' ')
		return 3;
	if (before < 0x80 && memchr("-_./:,;|", (int)before, 8))
		return 2;
	bool small = (before >= 'a' && before <= 'z') || (before >= '0' && before <= '9');
	return small && after >= 'A' && after <= 'Z' ? 1 : 0;
}

/* The bytes of `text` that go on the first line of `width_max`; all of them if they fit. A break in the first third of
 * the line is worse than one in the middle of a word. */
static size_t line_length(struct str text, int size, int32_t width_max)
{
	uint64_t room = (uint64_t)width_max * 1000 / (uint64_t)size, used = 0;
	size_t best = 0;
	int best_quality = 0;
	uint32_t before = 0;
	for (size_t i = 0, length; i < text.len; i += length) {
		uint32_t code = character_at(text, i, &length);
		int quality = i ? break_quality(before, code) : 0;
		if (quality && quality >= best_quality && used * 3 > room) {
			best = i;
			best_quality = quality;
		}
		if (used + character_width(code) > room && code != ' ')
			return best ? best : i ? i : length;
		used += character_width(code);
		before = code;
	}
	return text.len;
}

/* The beginning of `text` that leaves room for … behind it. */
static size_t cut_length(struct str text, int size, int32_t width_max)
{
	uint64_t room = (uint64_t)width_max * 1000 / (uint64_t)size, used = character_width(0x2026);
	for (size_t i = 0, length; i < text.len; i += length) {
		used += character_width(character_at(text, i, &length));
		if (used > room)
			return i;
	}
	return text.len;
}

static struct str trimmed(struct str text)
{
	while (text.len && text.ptr[0] == ' ')
		text = str_sub(text, 1, text.len);
	while (text.len && text.ptr[text.len - 1] == ' ')
		text.len--;
	return text;
}

struct graph_text text_wrap(struct arena *arena, struct str text, int size, int32_t width_max, uint32_t lines_max)
{
	char *copy = arena_strdup(arena, text);
	for (size_t i = 0; i < text.len; i++)
		if ((unsigned char)copy[i] < 0x20 || copy[i] == 0x7f)
			copy[i] = ' ';
	struct str rest = trimmed((struct str){ copy, text.len });
	struct graph_text wrapped = { .lines = ARENA_ARRAY(arena, struct str, lines_max) };
	while (rest.len && wrapped.lines_count < lines_max) {
		size_t length = line_length(rest, size, width_max);
		struct str line = trimmed(str_sub(rest, 0, length));
		if (length < rest.len && wrapped.lines_count + 1 == lines_max) {
			line = trimmed(str_sub(rest, 0, cut_length(rest, size, width_max)));
			line = arena_format(arena, "%.*s…", STR_FMT(line));
			length = rest.len;
		}
		int32_t width = text_width(line, size);
		wrapped.width = width > wrapped.width ? width : wrapped.width;
		wrapped.lines[wrapped.lines_count++] = line;
		rest = trimmed(str_sub(rest, length, rest.len));
	}
	return wrapped;
}

void text_join(struct graph_text *text, const struct graph_text *more)
{
	memcpy(text->lines + text->lines_count, more->lines, more->lines_count * sizeof *more->lines);
	text->lines_count += more->lines_count;
	text->width = more->width > text->width ? more->width : text->width;
}

/* ---- markup --------------------------------------------------------------------------------- */

void text_write_xml(struct str text, struct buffer *out)
{
	for (size_t i = 0, length; i < text.len; i += length) {
		uint32_t code = character_at(text, i, &length);
		bool allowed = (code >= 0x20 && code != 0xfffe && code != 0xffff) || code == '\t' || code == '\n';
		if (code == '<')
			buffer_addz(out, "&lt;");
		else if (code == '>')
			buffer_addz(out, "&gt;");
		else if (code == '&')
			buffer_addz(out, "&amp;");
		else if (code == '"')
			buffer_addz(out, "&quot;");
		else if (code == '\'')
			buffer_addz(out, "&#39;");
		else if (!allowed || code == 0xfffd)
			buffer_addz(out, "\xef\xbf\xbd");
		else
			buffer_append(out, text.ptr + i, length);
	}
}
