/* error.h: operating errors (disk full, peer gone, bad input to a tool).
 *
 * A function that can fail this way returns 0 or a negative `enum error_code`, and takes a
 * `struct wf_error *err` as its last parameter, which may be NULL. Lower rooms fill it and do
 * not log; a caller may put its own sentence in front; the edge (command line, HTTP) prints it once.
 * Workflow errors (States.Timeout …) are not this: they are values that Retry and Catch match.
 *
 * A good message says what was expected, what was found, where, and what to do. */
#pragma once
#include "base/str.h"
#include <stdarg.h>

#define ERROR_CODES(X)                                                                    \
	X(INVALID, "the input is not valid")                                              \
	X(NOT_FOUND, "there is no such thing")                                            \
	X(EXISTS, "it exists already")                                                    \
	X(LIMIT, "a limit was reached")                                                   \
	X(IO, "reading or writing failed")                                                \
	X(NO_SPACE, "the disk is full")                                                   \
	X(BUSY, "it is in use by another process")                                        \
	X(FENCED, "another owner has taken over")                                         \
	X(CORRUPT, "stored data is damaged")                                              \
	X(VERSION, "stored data is of another version")                                   \
	X(UNREACHABLE, "the peer cannot be reached")                                      \
	X(TIMEOUT, "it took too long")                                                    \
	X(CANCELLED, "it was cancelled")                                                  \
	X(UNSUPPORTED, "that is not supported")                                           \
	X(CLOSED, "it has ended already")                                                 \
	X(INTERNAL, "an internal error")

enum error_code {
	ERROR_OK = 0,
#define X(name, text) ERROR_##name##_ORDINAL,
	ERROR_CODES(X)
#undef X
};
/* Results are negative: ERR(NOT_FOUND). */
#define ERR(name) (-(int)ERROR_##name##_ORDINAL)

struct wf_error {
	int code; /* negative, ERR(…); 0: no error */
	char message[768]; /* a sentence or two, NUL-terminated, cut at a UTF-8 boundary */
	char where[256]; /* a JSON pointer, a file and line, a state name, a row; may be empty */
};

/* Fills *err (if not NULL) and returns `code`, so that one can write
 *     return error_set(err, ERR(INVALID), "expected a number, found %s", found); */
int error_set(struct wf_error *err, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));
int error_vset(struct wf_error *err, int code, const char *format, va_list args);
/* The same with errno's text behind it; picks NO_SPACE for ENOSPC and EDQUOT, else IO. */
int error_errno(struct wf_error *err, int errno_value, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Says where; keeps what is there already, outermost first ("a.yaml: line 3"). */
void error_where(struct wf_error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Puts a sentence before the message ("cannot start: …"). */
void error_prefix(struct wf_error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* "NOT_FOUND" / "there is no such thing" for a code. */
const char *error_code_name(int code);
const char *error_code_text(int code);
