/* error.c: filling struct wf_error. Texts are put together aside first, since an argument may
 * point into the very error that is being filled. */
#include "base/error.h"
#include "base/mem.h"
#include <errno.h>
#include <stdio.h>

static const struct {
	const char *name, *text;
} codes[] = { { "OK", "no error" },
#define X(name, text) { #name, text },
	      ERROR_CODES(X)
#undef X
};

/* Copies `text` into `to`, cut in front of a UTF-8 character that does not fit whole. */
static void copy_cut(char *to, size_t size, const char *text)
{
	size_t len = strlen(text);
	if (len >= size) {
		len = size - 1;
		while (len && ((unsigned char)text[len] & 0xc0) == 0x80)
			len--;
	}
	memcpy(to, text, len);
	to[len] = 0;
}

static char *formatted(const char *format, va_list args)
{
	char *text = NULL;
	return vasprintf(&text, format, args) < 0 ? mem_strdup(format) : text;
}

int error_vset(struct wf_error *err, int code, const char *format, va_list args)
{
	if (!err)
		return code;
	_cleanup_free_ char *text = formatted(format, args);
	copy_cut(err->message, sizeof err->message, text);
	err->where[0] = 0;
	err->code = code;
	return code;
}

int error_set(struct wf_error *err, int code, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	error_vset(err, code, format, args);
	va_end(args);
	return code;
}

int error_errno(struct wf_error *err, int errno_value, const char *format, ...)
{
	int code = errno_value == ENOSPC || errno_value == EDQUOT ? ERR(NO_SPACE) : ERR(IO);
	if (!err)
		return code;
	va_list args;
	va_start(args, format);
	_cleanup_free_ char *text = formatted(format, args);
	va_end(args);
	char reason[128]; /* GNU strerror_r: may return a text of its own instead */
	return error_set(err, code, "%s: %s", text, strerror_r(errno_value, reason, sizeof reason));
}

/* Puts the formatted text and ": " in front of what stands in `field`. */
static void put_before(char *field, size_t size, const char *format, va_list args)
{
	_cleanup_free_ char *text = formatted(format, args);
	_cleanup_free_ char *whole = mem_printf("%s%s%s", text, text[0] && field[0] ? ": " : "", field);
	copy_cut(field, size, whole);
}

void error_where(struct wf_error *err, const char *format, ...)
{
	if (!err)
		return;
	va_list args;
	va_start(args, format);
	put_before(err->where, sizeof err->where, format, args);
	va_end(args);
}

void error_prefix(struct wf_error *err, const char *format, ...)
{
	if (!err)
		return;
	va_list args;
	va_start(args, format);
	put_before(err->message, sizeof err->message, format, args);
	va_end(args);
}

static size_t row_of(int code)
{
	size_t row = code < 0 ? (size_t) - (long)code : (size_t)code;
	return row < sizeof codes / sizeof codes[0] ? row : (size_t)-ERR(INTERNAL);
}

const char *error_code_name(int code)
{
	return codes[row_of(code)].name;
}

const char *error_code_text(int code)
{
	return codes[row_of(code)].text;
}
