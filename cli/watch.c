/* watch.c: `ratchet watch`: one execution as it runs: a line for each state, folded to the screen's height, failures first.
 *
 * The server folds the history (/v1/executions/ARN/state), so what is asked for and shown does not grow with the number of events:
 * a Map of 100,000 items is one line. Its stream (/v1/events) says when to ask again; a server that refuses the stream is asked
 * four times a second. */
#include "base/clock.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/client.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define PAUSE_MS 250        /* between two looks at the server */
#define REDRAW_MS 1000      /* durations grow while nothing happens */
#define PATIENCE_MS 60000   /* a server that is started again is waited for */

struct line {
	struct str name, error;
	int64_t entered, running, succeeded, caught, failed, aborted, retries, first_ms, last_ms;
	double progress; /* < 0: none */
};

static struct line read_line(struct str name, const struct value *state, const struct value *tasks)
{
	struct line line = { .name = name,
			     .error = cli_text(state, "error"),
			     .entered = cli_number(state, "entered"),
			     .running = cli_number(state, "running"),
			     .succeeded = cli_number(state, "succeeded"),
			     .caught = cli_number(state, "caught"),
			     .failed = cli_number(state, "failed"),
			     .aborted = cli_number(state, "aborted"),
			     .retries = cli_number(state, "retries"),
			     .first_ms = cli_number(state, "first_ms"),
			     .last_ms = cli_number(state, "last_ms"),
			     .progress = -1 };
	for (size_t i = 0; tasks && i < value_count(tasks); i++) {
		const struct value *task = value_at(tasks, i), *progress = value_getz(task, "progress");
		if (progress && str_eq(cli_text(task, "state"), name))
			line.progress = value_number(progress);
	}
	return line;
}

/* Failures first, then what runs, then what has been retried, then the others as they were entered. */
static int rank(const struct line *line)
{
	return line->failed ? 0 : line->running ? 1 : line->caught || line->retries ? 2 : 3;
}

static void sort_lines(struct line *lines, size_t count)
{
	struct line *sorted = mem_alloc((count + 1) * sizeof *sorted);
	size_t used = 0;
	for (int wanted = 0; wanted <= 3; wanted++)
		for (size_t i = 0; i < count; i++)
			if (rank(&lines[i]) == wanted)
				sorted[used++] = lines[i];
	if (count)
		memcpy(lines, sorted, count * sizeof *lines);
	free(sorted);
}

static void put_clean(struct str text, struct buffer *out)
{
	size_t at = out->len;
	buffer_add(out, text);
	if (text.len)
		cli_clean(out->data + at, out->len - at);
}

static void put_count(const char *word, int64_t count, struct buffer *out)
{
	if (count)
		buffer_printf(out, " %lld %s", (long long)count, word);
}

static void put_line(const struct line *line, int64_t now_ms, struct buffer *out)
{
	static const char *const marks[] = { "✗", "▸", "↻", "✓" };
	char duration[32];
	int64_t until_ms = line->running ? now_ms : line->last_ms;
	buffer_printf(out, " %s ", line->aborted && !line->failed && !line->running ? "–" : marks[rank(line)]);
	put_clean(line->name, out);
	buffer_printf(out, "  %s", cli_duration(until_ms - line->first_ms, duration));
	if (line->entered > 1 || rank(line) != 3) {
		put_count("failed", line->failed, out);
		put_count("running", line->running, out);
		put_count("caught", line->caught, out);
		put_count("aborted", line->aborted, out);
		put_count("succeeded", line->succeeded, out);
		put_count("retries", line->retries, out);
	}
	if (line->progress >= 0)
		buffer_printf(out, "  %.0f %%", line->progress * 100);
	if (line->error.len) {
		buffer_addz(out, "  ");
		put_clean(line->error, out);
	}
}

/* The lines that fit, and what the others come to. Ends each with a newline. */
static unsigned put_screen(const struct value *header, const struct value *state, unsigned rows, int64_t now_ms,
			   struct buffer *out)
{
	const struct value *states = value_getz(state, "states"), *tasks = value_getz(header, "tasks");
	size_t count = states ? value_count(states) : 0;
	struct line *lines = mem_alloc((count + 1) * sizeof *lines);
	char duration[32];
	int64_t stop_ms = cli_number(header, "stop_ms");
	for (size_t i = 0; i < count; i++)
		lines[i] = read_line(value_key_at(states, i), value_at(states, i), tasks);
	sort_lines(lines, count);
	put_clean(cli_text(header, "machine"), out);
	buffer_addz(out, " / ");
	put_clean(cli_text(header, "name"), out);
	buffer_printf(out, "  %.*s  %s  %lld events\n", STR_FMT(cli_text(header, "status")),
		      cli_duration((stop_ms ? stop_ms : now_ms) - cli_number(header, "start_ms"), duration),
		      (long long)cli_number(state, "events"));
	size_t room = rows > 3 ? rows - 3 : 1, shown = count <= room ? count : room - (room > 1);
	for (size_t i = 0; i < shown; i++) {
		put_line(&lines[i], now_ms, out);
		buffer_byte(out, '\n');
	}
	if (shown < count) {
		int64_t running = 0, succeeded = 0;
		for (size_t i = shown; i < count; i++) {
			running += lines[i].running;
			succeeded += lines[i].succeeded;
		}
		buffer_printf(out, "   … %zu more states:", count - shown);
		put_count("running", running, out);
		put_count("succeeded", succeeded, out);
		buffer_byte(out, '\n');
	}
	free(lines);
	return (unsigned)(1 + shown + (shown < count));
}

static unsigned screen_rows(unsigned *ret_columns)
{
	struct winsize size;
	*ret_columns = 80;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || !size.ws_row || !size.ws_col)
		return 24;
	*ret_columns = size.ws_col;
	return size.ws_row;
}

/* In place of what was drawn before; lines are cut at the screen's edge, so that each is one row. */
static void draw(const struct buffer *screen, unsigned columns, unsigned before)
{
	if (before)
		printf("\033[%uA", before);
	for (const char *at = screen->data; *at;) {
		size_t length = strcspn(at, "\n"), shown = 0;
		unsigned column = 0;
		while (shown < length && column < columns) {
			do
				shown++;
			while (shown < length && ((unsigned char)at[shown] & 0xc0) == 0x80);
			column++;
		}
		printf("\033[2K%.*s\n", (int)shown, at);
		at += length + 1;
	}
	printf("\033[J");
	fflush(stdout);
}

struct watching {
	struct client *client;
	struct clock_source *clock;
	struct buffer path; /* /v1/executions/ARN */
	struct value *header, *state;
	struct buffer topics; /* /v1/events?topics=… */
	struct client_stream *stream; /* NULL: the server does not give one */
	bool on_terminal;
	unsigned drawn; /* lines on the terminal */
};

static int fetch(struct watching *watching, const char *rest, struct value **place, struct wf_error *err)
{
	struct value *answer;
	_cleanup_free_ char *whole = mem_printf("%s%s", watching->path.data, rest);
	int code = client_get(watching->client, whole, &answer, err);
	if (code)
		return code;
	value_unref(*place);
	*place = answer;
	return 0;
}

static int look(struct watching *watching, struct wf_error *err)
{
	int code = fetch(watching, "", &watching->header, err);
	return code ? code : fetch(watching, "/state", &watching->state, err);
}

static void redraw(struct watching *watching)
{
	_cleanup_(buffer_done) struct buffer screen = { 0 };
	unsigned columns, rows = screen_rows(&columns);
	unsigned lines = put_screen(watching->header, watching->state, rows, watching->clock->wall_ms(watching->clock), &screen);
	draw(&screen, columns, watching->drawn);
	watching->drawn = lines;
}

static void open_stream(struct watching *watching, const char *last_id)
{
	watching->stream = client_stream_open(watching->client, watching->topics.data, last_id);
}

static void sleep_ms(int ms)
{
	nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L }, NULL);
}

/* Up to that time; true as soon as something has happened, or may have. A stream that broke off goes on where it was. */
static bool wait_for_news(struct watching *watching, int ms)
{
	struct str event;
	int came = watching->stream ? client_stream_next(watching->stream, ms, &event) : 0;
	if (!watching->stream)
		sleep_ms(ms < PAUSE_MS ? ms : PAUSE_MS);
	if (came >= 0)
		return came || !watching->stream;
	struct client_stream *old = TAKE(watching->stream);
	if (came == ERR(UNREACHABLE)) {
		open_stream(watching, client_stream_last_id(old));
		sleep_ms(PAUSE_MS);
	}
	client_stream_close(old);
	return true;
}

static int64_t now_ms(const struct watching *watching)
{
	return watching->clock->monotonic_us(watching->clock) / 1000;
}

/* What comes within the pause is one look; on a terminal the durations grow meanwhile. */
static void wait_for_look(struct watching *watching)
{
	int64_t began_ms = now_ms(watching);
	bool news = false;
	while (!news) {
		news = wait_for_news(watching, REDRAW_MS);
		if (!news && watching->on_terminal && watching->header && watching->state)
			redraw(watching);
	}
	for (int64_t left_ms; (left_ms = began_ms + PAUSE_MS - now_ms(watching)) > 0;)
		wait_for_news(watching, (int)left_ms);
}

/* Until it has ended. */
static int watch(struct watching *watching, struct wf_error *err)
{
	int64_t heard_ms = now_ms(watching);
	for (;;) {
		int code = look(watching, err);
		if (code == 0)
			heard_ms = now_ms(watching);
		else if (code != ERR(UNREACHABLE) || now_ms(watching) - heard_ms > PATIENCE_MS)
			return code;
		if (code == 0 && watching->on_terminal)
			redraw(watching);
		if (code == 0 && cli_number(watching->header, "stop_ms") &&
		    !str_eqz(cli_text(watching->header, "status"), "RUNNING"))
			return 0;
		if (code)
			sleep_ms(PAUSE_MS);
		else
			wait_for_look(watching);
	}
}

static int finish(const struct command_line *line, const struct watching *watching)
{
	const struct value *header = watching->header;
	_cleanup_(buffer_done) struct buffer out = { 0 };
	if (line_option(line, "json")) {
		value_write_pretty(header, &out);
		printf("%s\n", out.data);
	} else if (!watching->on_terminal) {
		put_screen(header, watching->state, 100000, watching->clock->wall_ms(watching->clock), &out);
		fputs(out.data, stdout);
	}
	if (str_eqz(cli_text(header, "status"), "SUCCEEDED"))
		return EXIT_GOOD;
	_cleanup_free_ char *status = mem_strndup(cli_text(header, "status").ptr, cli_text(header, "status").len);
	cli_print_failure(status, cli_text(header, "error"), cli_text(header, "cause"));
	return EXIT_EXECUTION_FAILED;
}

static int run_watch(struct command_line *line)
{
	struct wf_error err = { 0 };
	_cleanup_(client_freep) struct client *client = client_new(line_option(line, "endpoint"));
	_cleanup_free_ char *arn = NULL;
	struct watching watching = { .client = client,
				     .clock = clock_system(),
				     .on_terminal = isatty(STDOUT_FILENO) && !line_option(line, "json") };
	int code = client_execution_arn(client, line_argument(line, 0), &arn, &err);
	if (code)
		return cli_fail(client_exit_status(code), &err);
	buffer_addz(&watching.path, "/v1/executions/");
	client_escape(str_of(arn), &watching.path);
	buffer_printf(&watching.topics, "/v1/events?topics=execution%%3A%s%%2Clog%%3A%s", watching.path.data + strlen("/v1/executions/"),
		      watching.path.data + strlen("/v1/executions/"));
	open_stream(&watching, NULL);
	code = watch(&watching, &err);
	int status = code ? cli_fail(client_exit_status(code), &err) : finish(line, &watching);
	client_stream_close(watching.stream);
	value_unref(watching.header);
	value_unref(watching.state);
	buffer_done(&watching.path);
	buffer_done(&watching.topics);
	return status;
}

const struct subcommand command_watch = {
	.name = "watch",
	.arguments = "EXECUTION",
	.summary = "watch an execution until it ends: its states, failures first",
	.details = "EXECUTION is an ARN, or MACHINE:NAME. On a terminal the view is redrawn in place and folds to its height; elsewhere it\n"
		   "is printed once, at the end. The exit status is 1 if the execution did not succeed.",
	.options =
	    (const struct option_row[]){
		{ .name = "json", .help = "print the execution as JSON at its end" },
		{ .name = "endpoint", .argument = "URL", .help = "the server (RATCHET_ENDPOINT, else http://127.0.0.1:8083)" },
		{ 0 },
	    },
	.arguments_min = 1,
	.arguments_max = 1,
	.run = run_watch,
};
