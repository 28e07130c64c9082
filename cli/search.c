/* search.c: `ratchet search`: executions by the query language of the console's list. */
#include "base/clock.h"
#include "base/mem.h"
#include "base/timestamp.h"
#include "cli/cli.h"
#include "cli/client.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

void client_escape(struct str text, struct buffer *out)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char byte = (unsigned char)text.ptr[i];
		if (isalnum(byte) || strchr("-_.~", byte))
			buffer_byte(out, (char)byte);
		else
			buffer_printf(out, "%%%02X", byte);
	}
}

static void print_clean(struct str text, int width)
{
	_cleanup_free_ char *copy = mem_strndup(text.ptr, text.len);
	cli_clean(copy, text.len);
	printf("%-*s ", width, copy);
}

static void print_row(const struct value *row, int64_t now_ms)
{
	char time[TIMESTAMP_TEXT_MAX], duration[32];
	int64_t start_ms = cli_number(row, "start_ms"), stop_ms = cli_number(row, "stop_ms");
	print_clean(cli_text(row, "machine"), 20);
	print_clean(cli_text(row, "name"), 36);
	print_clean(cli_text(row, "status"), 10);
	timestamp_format(start_ms, time);
	printf("%.19sZ %10s", time, cli_duration((stop_ms ? stop_ms : now_ms) - start_ms, duration));
	if (cli_text(row, "error").len || cli_text(row, "state").len) {
		printf("  ");
		print_clean(cli_text(row, "state"), 0);
		print_clean(cli_text(row, "error"), 0);
	}
	printf("\n");
}

/* Pages until there are enough: one may be short of rows and have another behind it. */
static int run_search(struct command_line *line)
{
	struct wf_error err = { 0 };
	_cleanup_(client_freep) struct client *client = client_new(line_option(line, "endpoint"));
	_cleanup_(buffer_done) struct buffer query = { 0 }, cursor = { 0 };
	_cleanup_(value_unrefp) struct value *all = value_new_array(50);
	int64_t limit = 50;
	if (line_whole(line, "limit", 1, 100000, &limit))
		return EXIT_USAGE;
	for (unsigned i = 0; i < line_arguments(line); i++) {
		buffer_addz(&query, i ? "%20" : "");
		client_escape(str_of(line_argument(line, i)), &query);
	}
	bool more = true;
	while (more && value_count(all) < (size_t)limit) {
		_cleanup_(value_unrefp) struct value *page = NULL;
		long left = (long)limit - (long)value_count(all);
		_cleanup_free_ char *path = mem_printf("/v1/executions?limit=%ld&q=%s&cursor=%s", left < 500 ? left : 500,
						       query.data ? query.data : "", cursor.data ? cursor.data : "");
		int code = client_get(client, path, &page, &err);
		if (code)
			return cli_fail(client_exit_status(code), &err);
		const struct value *rows = value_getz(page, "executions");
		for (size_t i = 0; rows && i < value_count(rows); i++)
			value_array_add(all, value_at(rows, i));
		buffer_clear(&cursor);
		client_escape(cli_text(page, "next"), &cursor);
		more = cursor.len;
	}
	if (line_option(line, "json")) {
		_cleanup_(buffer_done) struct buffer out = { 0 };
		value_write_pretty(all, &out);
		printf("%s\n", out.data);
		return EXIT_GOOD;
	}
	struct clock_source *clock = clock_system();
	for (size_t i = 0; i < value_count(all); i++)
		print_row(value_at(all, i), clock->wall_ms(clock));
	if (!value_count(all))
		fprintf(stderr, "there are no such executions\n");
	if (more)
		fprintf(stderr, "there are more; --limit shows them\n");
	return EXIT_GOOD;
}

const struct subcommand command_search = {
	.name = "search",
	.arguments = "[QUERY ...]",
	.summary = "find executions: by status, machine, state, error, duration, input",
	.details = "Terms that must all hold: status:failed machine:NAME state:NAME error:Carrier.* name:o-* duration>30s started<2h\n"
		   "redrives>0 input.customer.id=42, and words of the name. * stands for any characters. Newest first.",
	.options =
	    (const struct option_row[]){
		{ .name = "limit", .argument = "N", .help = "how many (50)" },
		{ .name = "json", .help = "print JSON" },
		{ .name = "endpoint", .argument = "URL", .help = "the server (RATCHET_ENDPOINT, else http://127.0.0.1:8083)" },
		{ 0 },
	    },
	.arguments_min = 0,
	.arguments_max = 64,
	.run = run_search,
};
