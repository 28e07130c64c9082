/* log.c: one line an event on stderr. A line is put together aside and leaves in one write, so that
 * lines of several threads do not mix; the two settings are atomic. */
#include "base/log.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/timestamp.h"
#include "base/utf8.h"
#include <errno.h>
#include <stdatomic.h>
#include <unistd.h>

static const char *const level_names[] = { "debug", "info", "warn", "error" };

static atomic_int log_threshold = LOG_LEVEL_INFO;
static atomic_bool log_json;

void log_setup(enum log_level threshold, bool json)
{
	atomic_store(&log_threshold, (int)threshold);
	atomic_store(&log_json, json);
}

/* A message may hold what came from outside: nothing in it may end the line or steer a terminal. */
static void add_escaped(struct buffer *line, struct str text, bool json)
{
	const unsigned char *at = (const unsigned char *)text.ptr, *end = at + text.len;
	while (at < end) {
		size_t len = utf8_length((const char *)at, (size_t)(end - at));
		bool is_c1 = len == 2 && at[0] == 0xc2 && at[1] < 0xa0; /* U+0080–U+009F */
		if (json && (*at == '"' || *at == '\\'))
			buffer_printf(line, "\\%c", *at);
		else if (len == 0 && json)
			buffer_addz(line, "\xef\xbf\xbd");
		else if (len == 0)
			buffer_printf(line, "\\x%02x", *at);
		else if (*at == '\n')
			buffer_addz(line, "\\n");
		else if (*at < 0x20 || *at == 0x7f || is_c1)
			buffer_printf(line, json ? "\\u%04x" : "\\x%02x", is_c1 ? at[1] : *at);
		else
			buffer_append(line, at, len);
		at += len ? len : 1;
	}
}

static void write_all(struct str line)
{
	while (line.len) {
		ssize_t done = write(STDERR_FILENO, line.ptr, line.len);
		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return; /* a log that cannot be written has nowhere to complain */
		line = str_sub(line, (size_t)done, line.len);
	}
}

bool log_wanted(enum log_level level)
{
	return (int)level >= atomic_load_explicit(&log_threshold, memory_order_relaxed);
}

static void write_line(enum log_level level, const char *area, const struct log_field *fields, size_t count, const char *format,
		       va_list args)
{
	int errno_before = errno;
	bool json = atomic_load_explicit(&log_json, memory_order_relaxed);
	_cleanup_(buffer_done) struct buffer line = { 0 };
	_cleanup_(buffer_done) struct buffer message = { 0 };
	char time[TIMESTAMP_TEXT_MAX];
	struct clock_source *clock = clock_system();

	buffer_vprintf(&message, format, args);
	timestamp_format(clock->wall_ms(clock), time);
	if (json)
		buffer_printf(&line, "{\"time\":\"%s\",\"level\":\"%s\",\"area\":\"%s\",\"message\":\"", time,
			      level_names[level], area);
	else
		buffer_printf(&line, "%s %-5s %s: ", time, level_names[level], area);
	add_escaped(&line, buffer_str(&message), json);
	for (size_t i = 0; i < count; i++) {
		if (!fields[i].value.len)
			continue;
		buffer_printf(&line, json ? "\",\"%s\":\"" : " %s=", fields[i].name);
		add_escaped(&line, fields[i].value, json);
	}
	buffer_addz(&line, json ? "\"}\n" : "\n");
	write_all(buffer_str(&line));
	errno = errno_before;
}

void log_message(enum log_level level, const char *area, const char *format, ...)
{
	if (!log_wanted(level))
		return;
	va_list args;
	va_start(args, format);
	write_line(level, area, NULL, 0, format, args);
	va_end(args);
}

void log_fields(enum log_level level, const char *area, const struct log_field *fields, size_t count, const char *format, ...)
{
	if (!log_wanted(level))
		return;
	va_list args;
	va_start(args, format);
	write_line(level, area, fields, count, format, args);
	va_end(args);
}

bool log_level_parse(const char *text, enum log_level *ret_level)
{
	for (int level = LOG_LEVEL_DEBUG; level <= LOG_LEVEL_ERROR; level++)
		if (strcmp(text, level_names[level]) == 0) {
			*ret_level = (enum log_level)level;
			return true;
		}
	return false;
}
