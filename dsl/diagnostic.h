/* diagnostic.h: what is wrong with a definition: all of it, found in one pass, with AWS's code and message and the place in the source text.
 * Lists live in the arena that was given to the function which made them. */
#pragma once
#include "base/arena.h"
#include "base/buffer.h"
#include <stdint.h>

enum diagnostic_severity { DIAGNOSTIC_ERROR, DIAGNOSTIC_WARNING };

/* X(code): AWS's codes, as ValidateStateMachineDefinition answers them. (An unreachable state is a MISSING_TRANSITION_TARGET there; the last two are
 * warnings.) */
#define DIAGNOSTIC_CODES(X)              \
	X(SCHEMA_VALIDATION_FAILED)      \
	X(INVALID_JSON_DESCRIPTION)      \
	X(MISSING_END_STATE)             \
	X(MISSING_TRANSITION_TARGET)     \
	X(UNREACHABLE_STATE)             \
	X(DUPLICATE_STATE_NAME)          \
	X(DUPLICATE_LABEL_NAME)          \
	X(DUPLICATE_VARIABLE_NAME)       \
	X(INVALID_JSONATA_EXPRESSION)    \
	X(UNSUPPORTED_JSONATA_EXPRESSION) \
	X(INVALID_STATE_NAME)            \
	X(INVALID_LABEL_NAME)            \
	X(TOO_DEEPLY_NESTED)             \
	X(NO_DOLLAR)                     \
	X(PASS_RESULT_IS_STATIC)

enum diagnostic_code {
#define X(code) DIAGNOSTIC_##code,
	DIAGNOSTIC_CODES(X)
#undef X
};

struct diagnostic {
	enum diagnostic_severity severity;
	enum diagnostic_code code;
	struct str message; /* AWS's sentence */
	struct str location; /* JSON pointer as AWS writes it ("/States/A/Next"); empty if the text is no JSON object */
	struct str expected; /* what would be right, for people; may be empty ("one of the states: A, B") */
	size_t offset, length; /* the place in the source, bytes */
	uint32_t line, column; /* the same, from 1; columns count characters */
	struct diagnostic *next;
};

struct diagnostics {
	struct diagnostic *first, **tail; /* in the order of the source text */
	unsigned errors, warnings;
};

/* Appends all errors as AWS says them in one message: "CODE: message at /States/A, CODE: …". */
void diagnostics_say(const struct diagnostics *diagnostics, struct buffer *out);

const char *diagnostic_code_name(enum diagnostic_code code);

/* "FILE:LINE:COLUMN: error: CODE: message at /States/A (expected …)" and, with `caret`, the source line with a caret under the place. `name` may be "-". */
void diagnostic_print(const struct diagnostic *diagnostic, const char *name, struct str source, bool caret, struct buffer *out);
