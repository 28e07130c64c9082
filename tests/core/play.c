/* play.c: plays cases from standard input (one JSON object a line) and prints, a line each, how they end and their
 * history: for writing new cases, and for comparing with histories from elsewhere. --compact prints the events as the
 * cases have them. */
#include "base/mem.h"
#include "tests/core/driver.h"
#include <stdio.h>
#include <stdlib.h>

static void print_result(struct driver *driver, struct buffer *out)
{
	struct str error, cause;
	execution_error(driver->execution, &error, &cause);
	buffer_printf(out, "{\"status\":\"%s\"", execution_status_name(execution_status(driver->execution)));
	if (execution_output(driver->execution)) {
		buffer_addz(out, ",\"output\":");
		value_write(execution_output(driver->execution), out);
	}
	if (error.ptr) {
		buffer_addz(out, ",\"error\":");
		value_write_string(error, out);
	}
	if (cause.ptr) {
		buffer_addz(out, ",\"cause\":");
		value_write_string(cause, out);
	}
}

static void print_compact(struct driver *driver, struct buffer *out)
{
	print_result(driver, out);
	buffer_addz(out, "}\n");
	for (size_t i = 0; i < driver->events_count; i++) {
		buffer_addz(out, "  ");
		value_write_string(driver->events[i], out);
		buffer_addz(out, i + 1 < driver->events_count ? ",\n" : "\n");
	}
}

static void play_line(struct str line, bool compact, struct buffer *out)
{
	_cleanup_(value_unrefp) struct value *scenario = NULL;
	struct wf_error err;
	struct driver driver = { 0 };
	if (value_parse(line, NULL, &scenario, &err) < 0) {
		buffer_printf(out, "{\"problem\":\"%s\"}\n", err.message);
		return;
	}
	if (!driver_play(&driver, scenario, &(struct driver_options){ 0 })) {
		buffer_addz(out, "{\"problem\":");
		value_write_string(str_of(driver.problem), out);
		buffer_addz(out, "}\n");
	} else if (compact) {
		print_compact(&driver, out);
	} else {
		print_result(&driver, out);
		buffer_addz(out, ",\"events\":[");
		buffer_add(out, buffer_str(&driver.history));
		buffer_addz(out, "]}\n");
	}
	driver_done(&driver);
}

int main(int argc, char **argv)
{
	bool compact = argc > 1 && str_eqz(str_of(argv[1]), "--compact");
	_cleanup_free_ char *line = NULL;
	size_t capacity = 0;
	for (ssize_t len; (len = getline(&line, &capacity, stdin)) > 0;) {
		_cleanup_(buffer_done) struct buffer out = { 0 };
		play_line((struct str){ line, (size_t)len }, compact, &out);
		fwrite(out.data, 1, out.len, stdout);
	}
	return 0;
}
