/* diagnostic.c: names and printing of diagnostics. Making them is the compiler's part (compile.h: report). */
#include "dsl/diagnostic.h"
#include <stdio.h>

const char *diagnostic_code_name(enum diagnostic_code code)
{
	static const char *const names[] = {
#define X(name) #name,
		DIAGNOSTIC_CODES(X)
#undef X
	};
	return (unsigned)code < sizeof names / sizeof *names ? names[code] : "";
}

void diagnostics_say(const struct diagnostics *diagnostics, struct buffer *out)
{
	bool first = true;
	for (const struct diagnostic *d = diagnostics->first; d; d = d->next) {
		if (d->severity != DIAGNOSTIC_ERROR)
			continue;
		buffer_printf(out, "%s%s: %.*s", first ? "" : ", ", diagnostic_code_name(d->code), STR_FMT(d->message));
		if (d->location.len)
			buffer_printf(out, " at %.*s", STR_FMT(d->location));
		first = false;
	}
}

/* How much of a line is shown: definitions made by programs are often one line of a hundred thousand characters. */
enum { LINE_BEFORE = 100, LINE_AFTER = 80 };

static bool utf8_continues(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

static void print_caret(const struct diagnostic *d, struct str source, struct buffer *out)
{
	size_t at = d->offset < source.len ? d->offset : source.len;
	size_t start = at, end = at;
	while (start > 0 && source.ptr[start - 1] != '\n' && at - start < LINE_BEFORE)
		start--;
	while (end < source.len && source.ptr[end] != '\n' && source.ptr[end] != '\r' && end - at < LINE_AFTER)
		end++;
	while (start < at && utf8_continues(source.ptr[start]))
		start++;
	while (end > at && end < source.len && utf8_continues(source.ptr[end]))
		end--;
	char number[16];
	int width = snprintf(number, sizeof number, "%6u", d->line);
	buffer_printf(out, "%s | ", number);
	for (size_t i = start; i < end; i++)
		buffer_byte(out, (unsigned char)source.ptr[i] < 0x20 || source.ptr[i] == 0x7f ? ' ' : source.ptr[i]);
	buffer_printf(out, "\n%*s | ", width, "");
	for (size_t i = start; i < at; i++)
		if (!utf8_continues(source.ptr[i]))
			buffer_byte(out, ' ');
	buffer_byte(out, '^');
	for (size_t i = at + 1; i < end && i < at + d->length; i++)
		if (!utf8_continues(source.ptr[i]))
			buffer_byte(out, '~');
	buffer_byte(out, '\n');
}

void diagnostic_print(const struct diagnostic *d, const char *name, struct str source, bool caret, struct buffer *out)
{
	buffer_printf(out, "%s:%u:%u: %s: %s: %.*s", name, d->line, d->column,
		      d->severity == DIAGNOSTIC_ERROR ? "error" : "warning", diagnostic_code_name(d->code),
		      STR_FMT(d->message));
	if (d->location.len)
		buffer_printf(out, " at %.*s", STR_FMT(d->location));
	if (d->expected.len)
		buffer_printf(out, " (expected %.*s)", STR_FMT(d->expected));
	buffer_byte(out, '\n');
	if (caret)
		print_caret(d, source, out);
}
