/* check.c: `ratchet check` and `ratchet backup`: tools that open a store beside whoever serves it, and change nothing in it. */
#include "base/mem.h"
#include "cli/cli.h"
#include "engine/check.h"
#include "engine/loop_libev.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define PROGRESS_EVERY_MS 500

/* ---- what both share ------------------------------------------------------------------------------ */

/* A store is named by its URL, or by the path of its file. To be freed. */
static char *url_of(const char *given)
{
	return strstr(given, ":") ? mem_strdup(given) : mem_printf("sqlite:%s", given);
}

static int open_to_read(const char *given, struct loop *loop, struct store **ret_store, struct wf_error *err)
{
	_cleanup_free_ char *url = url_of(given);
	const struct store_options options = { .read_only = true };
	return store_open(url, &options, loop, ret_store, err);
}

static int64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* One line on stderr that is written over while it is a terminal; nothing otherwise. */
struct progress {
	int64_t next_ms;
	bool shown;
};

static void show_progress(struct progress *progress, const char *what, uint64_t done, uint64_t total)
{
	if (!isatty(STDERR_FILENO) || now_ms() < progress->next_ms)
		return;
	progress->next_ms = now_ms() + PROGRESS_EVERY_MS;
	progress->shown = true;
	if (total)
		fprintf(stderr, "\r\033[K%s: %" PRIu64 " of %" PRIu64 " (%" PRIu64 " %%)", what, done, total, done * 100 / total);
	else
		fprintf(stderr, "\r\033[K%s …", what);
	fflush(stderr);
}

static void end_progress(struct progress *progress)
{
	if (progress->shown)
		fprintf(stderr, "\r\033[K");
}

/* ---- check ------------------------------------------------------------------------------------------ */

struct checking {
	struct progress progress;
	struct value *problems; /* NULL: printed as they are found */
};

static void on_problem(void *data, const char *where, const char *what)
{
	struct checking *checking = data;
	end_progress(&checking->progress);
	if (!checking->problems) {
		printf("%s%s%s\n", where, *where ? ": " : "", what);
		return;
	}
	struct value *row = value_new_object(2);
	value_object_setz(row, "where", where);
	value_object_setz(row, "what", what);
	value_array_take(checking->problems, row);
}

static void on_check_progress(void *data, const char *stage, uint64_t done, uint64_t total)
{
	show_progress(&((struct checking *)data)->progress, stage, done, total);
}

static void print_result_json(const char *store, const struct check_result *result, struct value *problems)
{
	const struct {
		const char *name;
		uint64_t number;
	} numbers[] = {
		{ "executions", result->executions }, { "open", result->open }, { "records", result->records }, { "events", result->events },
		{ "payloadBytes", result->payload_bytes }, { "stateMachines", result->state_machines }, { "definitions", result->revisions },
	};
	_cleanup_(value_unrefp) struct value *object = value_new_object(10);
	_cleanup_(buffer_done) struct buffer out = { 0 };
	value_object_setz(object, "store", store);
	value_object_setz(object, "result", result->problems ? "DAMAGED" : "OK");
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
		value_object_take(object, str_of(numbers[i].name), value_from_int((int64_t)numbers[i].number));
	value_object_take(object, STR("problems"), problems);
	value_write_pretty(object, &out);
	printf("%s\n", out.data);
}

static int check_opened(struct store *store, const char *given, bool json)
{
	struct checking checking = { .problems = json ? value_new_array(0) : NULL };
	struct check_options options = { .problem = on_problem, .progress = on_check_progress, .data = &checking };
	struct check_result result;
	struct wf_error err = { 0 };
	int code = engine_check(store, &options, &result, &err);
	end_progress(&checking.progress);
	if (code < 0) {
		value_unref(checking.problems);
		return cli_fail(code == ERR(CORRUPT) ? EXIT_EXECUTION_FAILED : EXIT_USAGE, &err);
	}
	if (json)
		print_result_json(given, &result, checking.problems);
	else
		printf("%s: %s: %" PRIu64 " executions (%" PRIu64 " open) with %" PRIu64 " records and %" PRIu64 " events, %" PRIu64 " state machines; %" PRIu64
		       " problem%s\n", given, result.problems ? "damaged" : "good", result.executions, result.open, result.records, result.events,
		       result.state_machines, result.problems, result.problems == 1 ? "" : "s");
	return result.problems ? EXIT_EXECUTION_FAILED : EXIT_GOOD;
}

static int run_check(struct command_line *line)
{
	const char *given = line_argument(line, 0);
	struct wf_error err = { 0 };
	struct store *store = NULL;
	struct loop *loop = loop_libev_new(NULL, NULL); /* a signal ends it: it only reads */
	int status;
	if (open_to_read(given, loop, &store, &err) < 0)
		status = cli_fail(err.code == ERR(CORRUPT) ? EXIT_EXECUTION_FAILED : EXIT_USAGE, &err);
	else
		status = check_opened(store, given, line_option(line, "json"));
	store_close(store);
	loop->free(loop);
	return status;
}

const struct subcommand command_check = {
	.name = "check",
	.arguments = "STORE",
	.summary = "verify a store: its file, its rows, and every execution's history",
	.details = "STORE is sqlite:PATH or a path. It may be in use: everything is looked at as of one moment, and nothing is\n"
		   "changed. Prints each thing that is wrong, then a summary. Exit status 1 if anything is wrong, 2 if the\n"
		   "store cannot be opened.",
	.options = (const struct option_row[]){ { "json", NULL, "print the result as JSON" }, { NULL, NULL, NULL } },
	.arguments_min = 1,
	.arguments_max = 1,
	.run = run_check,
};

/* ---- backup ------------------------------------------------------------------------------------------- */

struct copying {
	struct loop *loop;
	struct store *store;
	struct progress progress;
	struct loop_timer timer;
	struct wf_error err;
};

static void on_timer(struct loop_timer *timer)
{
	struct copying *copying = timer->data;
	uint64_t done, total;
	store_backup_progress(copying->store, &done, &total);
	if (total)
		show_progress(&copying->progress, "pages copied", done, total);
	loop_timer_set(copying->loop, timer, PROGRESS_EVERY_MS / 5);
}

static void on_copied(void *data, int code, const struct wf_error *err)
{
	struct copying *copying = data;
	if (code < 0)
		copying->err = *err;
	copying->loop->stop(copying->loop);
}

static void on_interrupt(void *data, int signal)
{
	struct copying *copying = data;
	copying->loop->stop(copying->loop);
}

static int run_backup(struct command_line *line)
{
	const char *given = line_argument(line, 0), *path = line_argument(line, 1);
	struct copying copying = { 0 };
	copying.loop = loop_libev_new(on_interrupt, &copying);
	copying.timer = (struct loop_timer){ .callback = on_timer, .data = &copying };
	int code = open_to_read(given, copying.loop, &copying.store, &copying.err);
	if (code == 0) {
		store_backup(copying.store, path, on_copied, &copying);
		loop_timer_set(copying.loop, &copying.timer, 0);
		copying.loop->run(copying.loop);
		loop_timer_clear(copying.loop, &copying.timer);
		end_progress(&copying.progress);
		store_close(copying.store); /* a copy under way is given up, and its file removed */
	}
	copying.loop->free(copying.loop);
	if (copying.err.code < 0)
		return cli_fail(EXIT_USAGE, &copying.err);
	if (line_option(line, "json")) {
		_cleanup_(value_unrefp) struct value *object = value_new_object(2);
		_cleanup_(buffer_done) struct buffer out = { 0 };
		value_object_setz(object, "store", given);
		value_object_setz(object, "file", path);
		value_write_pretty(object, &out);
		printf("%s\n", out.data);
	} else {
		printf("%s: copied to %s\n", given, path);
	}
	return EXIT_GOOD;
}

const struct subcommand command_backup = {
	.name = "backup",
	.arguments = "STORE FILE",
	.summary = "copy a store to a new file, while it is in use",
	.details = "STORE is sqlite:PATH or a path; a server may be writing to it. The copy is the store as of one moment; FILE is\n"
		   "there whole or not at all, and is never written over. To restore, stop the server and start it with\n"
		   "--store sqlite:FILE: every execution goes on from where it was at that moment.",
	.options = (const struct option_row[]){ { "json", NULL, "print the result as JSON" }, { NULL, NULL, NULL } },
	.arguments_min = 2,
	.arguments_max = 2,
	.run = run_backup,
};
