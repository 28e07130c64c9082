/* log.h: the program's own log: one line an event on stderr. Only the edges log (engine runtime, server, cli); lower rooms return errors.
 * Any thread. Levels below the threshold cost one comparison. Format text: "2026-01-01T00:00:00.000Z warn  store: message"; or JSON lines. */
#pragma once
#include "base/str.h"

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };

void log_setup(enum log_level threshold, bool json);
/* `area` is the room's name. Control characters in the message are escaped. */
void log_message(enum log_level level, const char *area, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* What a line is about, for machines: members of the JSON line; " name=value" behind the text. Names are ours ("execution_arn", "state",
 * "task"); those whose value is empty are left out. */
struct log_field {
	const char *name;
	struct str value;
};
/* Whether a line of this level would be written: for those that cost something to make. */
bool log_wanted(enum log_level level);
void log_fields(enum log_level level, const char *area, const struct log_field *fields, size_t count, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
/* log_fields(LOG_LEVEL_WARN, "engine", LOG_FIELDS({ "execution_arn", arn }, { "state", name }), "it cannot …"); */
#define LOG_FIELDS(...) (const struct log_field[]){ __VA_ARGS__ }, sizeof((const struct log_field[]){ __VA_ARGS__ }) / sizeof(struct log_field)

#define log_debug(area, ...) log_message(LOG_LEVEL_DEBUG, area, __VA_ARGS__)
#define log_info(area, ...) log_message(LOG_LEVEL_INFO, area, __VA_ARGS__)
#define log_warn(area, ...) log_message(LOG_LEVEL_WARN, area, __VA_ARGS__)
#define log_error(area, ...) log_message(LOG_LEVEL_ERROR, area, __VA_ARGS__)
/* "debug", "info", "warn", "error"; false if it is none of them. */
bool log_level_parse(const char *text, enum log_level *ret_level);
