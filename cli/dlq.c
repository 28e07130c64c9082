/* dlq.c: `ratchet dlq`: dead letters of a server: looking at them, redriving and discarding them. */
#include "base/mem.h"
#include "base/timestamp.h"
#include "cli/cli.h"
#include "cli/client.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define POLL_US 500000

enum verb {
	VERB_LS,
	VERB_GROUPS,
	VERB_SHOW,
	VERB_REDRIVE,
	VERB_DISCARD,
	VERB_EXPORT,
	VERB_JOBS,
	VERB_PAUSE,
	VERB_RESUME,
	VERB_CANCEL,
	VERBS
};
static const char *const verbs[VERBS] = { "ls",     "groups", "show",  "redrive", "discard",
					  "export", "jobs",   "pause", "resume",  "cancel" };

struct dlq {
	struct command_line *line;
	struct client *client;
	enum verb verb;
	bool json;
	/* Options that are numbers, checked before anything is asked. */
	int64_t limit, rate;
	double stop_error_rate;
	char from[24], to[24]; /* as they are sent */
};

/* ---- asking ------------------------------------------------------------------------------------------ */

/* 0 with the answer, or the exit status after a message. */
static int ask(struct dlq *dlq, const char *method, const char *path, const struct value *body,
	       struct value **ret_answer)
{
	struct wf_error err = { 0 };
	int code = client_send(dlq->client, method, path, body, ret_answer, &err);
	return code ? cli_fail(client_exit_status(code), &err) : 0;
}

static void add_escaped(struct buffer *out, const char *text)
{
	for (; *text; text++) {
		if ((*text >= '0' && *text <= '9') || (*text >= 'a' && *text <= 'z') ||
		    (*text >= 'A' && *text <= 'Z') || strchr("-._~", *text))
			buffer_byte(out, *text);
		else
			buffer_printf(out, "%%%02X", (unsigned char)*text);
	}
}

/* Options that choose: their names here and on the wire. */
static const struct {
	const char *option, *member;
} filters[] = {
	{ "machine", "machine" },   { "error", "error" }, { "state", "state" }, { "status", "status" },
	{ "revision", "revision" }, { "from", "from" },   { "to", "to" },       { "where", "input" },
};
#define FILTERS (sizeof filters / sizeof *filters)

/* What a filter sends; NULL: it was not given. */
static const char *filter_text(const struct dlq *dlq, size_t i)
{
	const char *option = filters[i].option, *given = line_option(dlq->line, option);
	return !given			       ? NULL
	       : strcmp(option, "from") == 0 ? dlq->from
	       : strcmp(option, "to") == 0   ? dlq->to
					       : given;
}

static char *list_path(const struct dlq *dlq, const char *cursor)
{
	struct buffer out = { 0 };
	buffer_addz(&out, dlq->verb == VERB_GROUPS ? "/v1/dead-letters/groups" : "/v1/dead-letters");
	char separator = '?';
	for (size_t i = 0; i < FILTERS; i++) {
		const char *value = filter_text(dlq, i);
		if (!value)
			continue;
		buffer_printf(&out, "%c%s=", separator, filters[i].member);
		add_escaped(&out, value);
		separator = '&';
	}
	buffer_printf(&out, "%climit=1000", separator);
	if (cursor) {
		buffer_addz(&out, "&cursor=");
		add_escaped(&out, cursor);
	}
	buffer_byte(&out, 0);
	return buffer_take(&out);
}

static char *letter_path(const char *arn)
{
	struct buffer out = { 0 };
	buffer_addz(&out, "/v1/dead-letters/");
	add_escaped(&out, arn);
	buffer_byte(&out, 0);
	return buffer_take(&out);
}

/* ---- printing ---------------------------------------------------------------------------------------- */

static struct str text_of(const struct value *json, const char *key)
{
	const struct value *value = value_getz(json, key);
	return value && value_is(value, VALUE_STRING) ? value_string(value) : STR("-");
}

static const char *time_of(const struct value *json, const char *key, char buffer[TIMESTAMP_TEXT_MAX])
{
	return cli_time(cli_number(json, key), buffer);
}

/* Texts of definitions and tasks, made safe for the terminal. */
static void print_clean(struct str text)
{
	_cleanup_free_ char *shown = mem_strndup(text.ptr, text.len);
	cli_clean(shown, text.len);
	fputs(shown, stdout);
}

static void print_json(const struct value *json, bool pretty)
{
	_cleanup_(buffer_done) struct buffer out = { 0 };
	if (pretty)
		value_write_pretty(json, &out);
	else
		value_write(json, &out);
	printf("%.*s\n", STR_FMT(buffer_str(&out)));
}

static void print_letter(const struct value *letter)
{
	char failed[TIMESTAMP_TEXT_MAX];
	printf("%s  ", time_of(letter, "failedAt", failed));
	print_clean(text_of(letter, "error"));
	printf("  at ");
	print_clean(text_of(letter, "state"));
	printf("  redriven %lld  %.*s\n", (long long)cli_number(letter, "redriveCount"),
	       STR_FMT(text_of(letter, "executionArn")));
}

static void print_group(const struct value *group)
{
	char first[TIMESTAMP_TEXT_MAX], last[TIMESTAMP_TEXT_MAX];
	const struct value *newest = value_getz(group, "newest");
	printf("%8lld  %.*s  ", (long long)cli_number(group, "count"), STR_FMT(text_of(group, "stateMachineName")));
	print_clean(text_of(group, "error"));
	printf("  at ");
	print_clean(text_of(group, "state"));
	printf("  definition %lld%s  %s to %s\n", (long long)cli_number(group, "revision"),
	       newest && value_bool(newest) ? "" : " (old)", time_of(group, "firstSeen", first),
	       time_of(group, "lastSeen", last));
}

static void print_job(const struct value *job)
{
	char created[TIMESTAMP_TEXT_MAX];
	printf("%.*s  %.*s  %s  %lld of %lld succeeded, %lld failed again, %lld skipped, %lld running, %lld pending",
	       STR_FMT(text_of(job, "id")), STR_FMT(text_of(job, "state")), time_of(job, "createdAt", created),
	       (long long)cli_number(job, "succeeded"), (long long)cli_number(job, "total"),
	       (long long)cli_number(job, "failedAgain"), (long long)cli_number(job, "skipped"),
	       (long long)cli_number(job, "running"), (long long)cli_number(job, "pending"));
	if (!str_eqz(text_of(job, "reason"), "-"))
		printf(" (%.*s)", STR_FMT(text_of(job, "reason")));
	printf("\n");
}

/* ---- ls, groups, export ------------------------------------------------------------------------------ */

static int export_one(struct dlq *dlq, const struct value *letter)
{
	_cleanup_(value_unrefp) struct value *whole = NULL;
	_cleanup_free_ char *arn = mem_printf("%.*s", STR_FMT(text_of(letter, "executionArn")));
	_cleanup_free_ char *path = letter_path(arn);
	int status = ask(dlq, "GET", path, NULL, &whole);
	if (status == 0)
		print_json(whole, false);
	return status;
}

static int run_list(struct dlq *dlq)
{
	int64_t left = dlq->limit;
	_cleanup_free_ char *cursor = NULL;
	_cleanup_(value_unrefp) struct value *all = value_new_array(16);
	do {
		_cleanup_(value_unrefp) struct value *answer = NULL;
		_cleanup_free_ char *path = list_path(dlq, cursor);
		int status = ask(dlq, "GET", path, NULL, &answer);
		if (status)
			return status;
		const struct value *letters = value_getz(answer, dlq->verb == VERB_GROUPS ? "groups" : "deadLetters"),
				   *next = value_getz(answer, "next");
		for (size_t i = 0; i < value_count(letters) && left > 0; i++, left--) {
			const struct value *letter = value_at(letters, i);
			if (dlq->verb == VERB_EXPORT) {
				if ((status = export_one(dlq, letter)))
					return status;
			} else if (dlq->json) {
				value_array_add(all, letter);
			} else if (dlq->verb == VERB_GROUPS) {
				print_group(letter);
			} else {
				print_letter(letter);
			}
		}
		free(cursor);
		cursor = next ? mem_printf("%.*s", STR_FMT(value_string(next))) : NULL;
	} while (cursor && left > 0);
	if (dlq->json && dlq->verb != VERB_EXPORT)
		print_json(all, true);
	if (cursor)
		fprintf(stderr, "there are more: see --limit\n");
	return EXIT_GOOD;
}

static int run_show(struct dlq *dlq)
{
	_cleanup_(value_unrefp) struct value *letter = NULL;
	_cleanup_free_ char *arn = NULL;
	struct wf_error err = { 0 };
	const char *name = line_argument(dlq->line, 1);
	int code = name ? client_execution_arn(dlq->client, name, &arn, &err)
			: cli_failf(EXIT_USAGE, "show needs an execution");
	if (code)
		return name ? cli_fail(client_exit_status(code), &err) : code;
	_cleanup_free_ char *path = letter_path(arn);
	int status = ask(dlq, "GET", path, NULL, &letter);
	if (status)
		return status;
	if (dlq->json) {
		print_json(letter, true);
		return EXIT_GOOD;
	}
	print_letter(letter);
	printf("cause: ");
	print_clean(text_of(letter, "cause"));
	printf("\ninput of the state: ");
	print_json(value_getz(letter, "stateInput"), true);
	const struct value *attempts = value_getz(letter, "attempts");
	for (size_t i = 0; i < value_count(attempts); i++) {
		char at[TIMESTAMP_TEXT_MAX];
		const struct value *attempt = value_at(attempts, i);
		printf("%s  event %lld  %.*s  ", time_of(attempt, "time", at), (long long)cli_number(attempt, "eventId"),
		       STR_FMT(text_of(attempt, "type")));
		print_clean(text_of(attempt, "error"));
		printf(": ");
		_cleanup_free_ char *cause = cli_short_cause(text_of(attempt, "cause"));
		print_clean(str_of(cause));
		printf("\n");
	}
	if (cli_number(letter, "attemptsOmitted"))
		printf("… and %lld older attempts\n", (long long)cli_number(letter, "attemptsOmitted"));
	return EXIT_GOOD;
}

/* ---- redrive, discard -------------------------------------------------------------------------------- */

/* What is asked for: the executions that were named, or a filter. NULL after a message. */
static struct value *chosen(struct dlq *dlq)
{
	struct value *body = value_new_object(4);
	unsigned named = line_arguments(dlq->line) - 1;
	if (named) {
		struct value *executions = value_new_array(named);
		for (unsigned i = 1; i <= named; i++) {
			char *arn = NULL;
			struct wf_error err = { 0 };
			if (client_execution_arn(dlq->client, line_argument(dlq->line, i), &arn, &err)) {
				cli_fail(EXIT_USAGE, &err);
				value_unref(executions);
				value_unref(body);
				return NULL;
			}
			value_array_take(executions, value_from_string(str_of(arn)));
			free(arn);
		}
		value_object_take(body, STR("executions"), executions);
	} else {
		struct value *filter = value_new_object(4);
		for (size_t i = 0; i < FILTERS; i++)
			if (filter_text(dlq, i))
				value_object_setz(filter, filters[i].member, filter_text(dlq, i));
		if (!value_count(filter) && !line_option(dlq->line, "all")) {
			cli_failf(EXIT_USAGE, "say which: executions, a filter (--machine, --error, …), or --all");
			value_unref(filter);
			value_unref(body);
			return NULL;
		}
		value_object_take(body, STR("filter"), filter);
	}
	if (line_option(dlq->line, "definition"))
		value_object_setz(body, "definition", line_option(dlq->line, "definition"));
	return body;
}

static int wait_for(struct dlq *dlq, const char *id)
{
	_cleanup_free_ char *path = mem_printf("/v1/redrive-jobs/%s", id);
	for (;;) {
		_cleanup_(value_unrefp) struct value *job = NULL;
		int status = ask(dlq, "GET", path, NULL, &job);
		if (status)
			return status;
		if (!str_eqz(text_of(job, "state"), "RUNNING")) {
			if (dlq->json)
				print_json(job, true);
			else
				print_job(job);
			bool good = str_eqz(text_of(job, "state"), "COMPLETED") && !cli_number(job, "failedAgain") &&
				    !cli_number(job, "skipped");
			return good ? EXIT_GOOD : EXIT_EXECUTION_FAILED;
		}
		usleep(POLL_US);
	}
}

/* The job's own settings. False after a message. */
static bool add_settings(struct dlq *dlq, struct value *body)
{
	const char *input = line_option(dlq->line, "input");
	if (line_option(dlq->line, "definition"))
		value_object_setz(body, "definition", line_option(dlq->line, "definition"));
	value_object_take(body, STR("rate"), value_from_int(dlq->rate));
	value_object_take(body, STR("stopErrorRate"), value_from_double(dlq->stop_error_rate));
	if (line_option(dlq->line, "no-canary"))
		value_object_take(body, STR("canary"), value_new_bool(false));
	if (input) {
		_cleanup_(buffer_done) struct buffer text = { 0 };
		struct wf_error err = { 0 };
		struct value *value = NULL;
		if (cli_read_input(input, &text, &err) || value_parse(buffer_str(&text), NULL, &value, &err)) {
			cli_fail(EXIT_USAGE, &err);
			return false;
		}
		value_object_take(body, STR("input"), value);
	}
	return true;
}

static void print_preview(const struct value *preview)
{
	const struct value *executions = value_getz(preview, "executions");
	for (size_t i = 0; i < value_count(executions); i++) {
		const struct value *letter = value_at(executions, i), *compatible = value_getz(letter, "compatible");
		print_letter(letter);
		if (compatible && !value_bool(compatible)) {
			printf("\tnot compatible: ");
			print_clean(text_of(letter, "divergence"));
			printf("\n");
		}
	}
	long long count = cli_number(preview, "count");
	fprintf(stderr, "%lld execution%s%s; add --yes to go on with exactly %s\n", count, count == 1 ? "" : "s",
		value_bool(value_getz(preview, "more")) ? " (there are more)" : "", count == 1 ? "this one" : "these");
}

static int run_chosen(struct dlq *dlq)
{
	_cleanup_(value_unrefp) struct value *which = chosen(dlq), *preview = NULL, *answer = NULL;
	if (!which)
		return EXIT_USAGE;
	int status = ask(dlq, "POST", "/v1/dead-letters/preview", which, &preview);
	if (status)
		return status;
	/* That a filter fits nothing is fine; whoever names an execution means one. */
	if (!dlq->json && !cli_number(preview, "count"))
		return line_arguments(dlq->line) > 1 ? cli_failf(EXIT_USAGE, "what is named is no dead letter")
						     : (fprintf(stderr, "there is no such dead letter\n"), EXIT_GOOD);
	if (!line_option(dlq->line, "yes")) {
		if (dlq->json)
			print_json(preview, true);
		else
			print_preview(preview);
		return EXIT_GOOD;
	}
	_cleanup_(value_unrefp) struct value *body = value_new_object(6);
	value_object_set(body, STR("preview"), value_getz(preview, "preview"));
	if (dlq->verb == VERB_REDRIVE && !add_settings(dlq, body))
		return EXIT_USAGE;
	status = ask(dlq, "POST", dlq->verb == VERB_REDRIVE ? "/v1/redrive-jobs" : "/v1/dead-letters/discard", body,
		     &answer);
	if (status)
		return status;
	if (dlq->verb == VERB_REDRIVE && line_option(dlq->line, "wait")) {
		_cleanup_free_ char *id = mem_printf("%.*s", STR_FMT(text_of(answer, "id")));
		return wait_for(dlq, id);
	}
	if (dlq->json)
		print_json(answer, true);
	else if (dlq->verb == VERB_REDRIVE)
		print_job(answer);
	else
		printf("%lld discarded\n", (long long)cli_number(answer, "discarded"));
	return EXIT_GOOD;
}

/* ---- jobs ----------------------------------------------------------------------------------------------------------
 */

static int print_outcomes(struct dlq *dlq, const char *id)
{
	_cleanup_free_ char *cursor = NULL;
	do {
		_cleanup_(value_unrefp) struct value *page = NULL;
		_cleanup_free_ char *path = mem_printf("/v1/redrive-jobs/%s/outcomes?limit=1000%s%s", id,
						       cursor ? "&cursor=" : "", cursor ? cursor : "");
		int status = ask(dlq, "GET", path, NULL, &page);
		if (status)
			return status;
		const struct value *outcomes = value_getz(page, "outcomes"), *next = value_getz(page, "next");
		for (size_t i = 0; i < value_count(outcomes); i++) {
			const struct value *outcome = value_at(outcomes, i);
			printf("%-12.*s  %.*s  ", STR_FMT(text_of(outcome, "outcome")),
			       STR_FMT(text_of(outcome, "executionArn")));
			print_clean(text_of(outcome, "detail"));
			printf("\n");
		}
		free(cursor);
		cursor = next ? mem_printf("%.*s", STR_FMT(value_string(next))) : NULL;
	} while (cursor);
	return EXIT_GOOD;
}

/* The job that is named, if it is; false after a message. */
static bool take_job(const struct dlq *dlq, const char **ret_id)
{
	*ret_id = line_argument(dlq->line, 1);
	if (!*ret_id || (**ret_id && strspn(*ret_id, "0123456789") == strlen(*ret_id)))
		return true;
	cli_failf(EXIT_USAGE, "a job is named by its number, not '%s'", *ret_id);
	return false;
}

static int run_jobs(struct dlq *dlq)
{
	_cleanup_(value_unrefp) struct value *answer = NULL;
	const char *id;
	if (!take_job(dlq, &id))
		return EXIT_USAGE;
	_cleanup_free_ char *path = mem_printf("/v1/redrive-jobs%s%s", id ? "/" : "", id ? id : "");
	int status = ask(dlq, "GET", path, NULL, &answer);
	if (status)
		return status;
	const struct value *jobs = value_getz(answer, "jobs");
	if (dlq->json)
		print_json(answer, true);
	else if (id)
		print_job(answer);
	for (size_t i = 0; !dlq->json && !id && i < value_count(jobs); i++)
		print_job(value_at(jobs, i));
	return id && !dlq->json ? print_outcomes(dlq, id) : EXIT_GOOD;
}

static int run_change(struct dlq *dlq)
{
	_cleanup_(value_unrefp) struct value *job = NULL;
	const char *id;
	if (!take_job(dlq, &id))
		return EXIT_USAGE;
	if (!id)
		return cli_failf(EXIT_USAGE, "%s needs the number of a job", verbs[dlq->verb]);
	_cleanup_free_ char *path = mem_printf("/v1/redrive-jobs/%s/%s", id, verbs[dlq->verb]);
	int status = ask(dlq, "POST", path, NULL, &job);
	if (status)
		return status;
	if (dlq->json)
		print_json(job, true);
	else
		print_job(job);
	return EXIT_GOOD;
}

static int read_numbers(struct dlq *dlq)
{
	int64_t revision, from_ms = 0, to_ms = 0;
	dlq->limit = dlq->verb == VERB_EXPORT ? INT64_MAX : 100;
	dlq->rate = 100;
	dlq->stop_error_rate = 0.5;
	if (line_whole(dlq->line, "limit", 1, 1000000, &dlq->limit) || line_whole(dlq->line, "rate", 1, 10000, &dlq->rate) ||
	    line_number(dlq->line, "stop-error-rate", 1, &dlq->stop_error_rate) ||
	    line_whole(dlq->line, "revision", 1, 1000000000, &revision) || line_time(dlq->line, "from", &from_ms) ||
	    line_time(dlq->line, "to", &to_ms))
		return EXIT_USAGE;
	snprintf(dlq->from, sizeof dlq->from, "%lld", (long long)from_ms);
	snprintf(dlq->to, sizeof dlq->to, "%lld", (long long)to_ms);
	return 0;
}

static int run_dlq(struct command_line *line)
{
	static int (*const runs[VERBS])(struct dlq *) = { run_list, run_list, run_show,   run_chosen, run_chosen,
							  run_list, run_jobs, run_change, run_change, run_change };
	struct dlq dlq = { .line = line, .json = line_option(line, "json") };
	const char *word = line_argument(line, 0);
	while (dlq.verb < VERBS && strcmp(verbs[dlq.verb], word) != 0)
		dlq.verb++;
	if (dlq.verb == VERBS)
		return cli_failf(
		    EXIT_USAGE,
		    "dlq has no '%s': ls, groups, show, redrive, discard, export, jobs, pause, resume, cancel", word);
	if (read_numbers(&dlq))
		return EXIT_USAGE;
	_cleanup_(client_freep) struct client *client = dlq.client = client_new(line_option(line, "endpoint"));
	return runs[dlq.verb](&dlq);
}

static const struct option_row options[] = {
	{ "machine", "NAME", "of this state machine" },
	{ "error", "PATTERN", "with such an error (* and ?)" },
	{ "state", "NAME", "that failed in this state" },
	{ "status", "WORD", "FAILED, TIMED_OUT or ABORTED" },
	{ "revision", "NUMBER", "of this definition" },
	{ "from", "TIME", "that failed then or later: 2026-01-31, '2026-01-31 23:59:59' (UTC), or ms since 1970" },
	{ "to", "TIME", "that failed earlier" },
	{ "where", "PATH=VALUE", "whose input has this member" },
	{ "all", NULL, "redrive, discard: all there are" },
	{ "limit", "NUMBER", "ls, export: at most so many (ls: 100)" },
	{ "definition", "WORD", "redrive: same, or newest where it is compatible" },
	{ "input", "JSON", "redrive: instead of the failed states' input (@FILE, - for standard input)" },
	{ "rate", "NUMBER", "redrive: so many a second", "100" },
	{ "no-canary", NULL, "redrive: not one first, then ten" },
	{ "stop-error-rate", "NUMBER", "redrive: stop when more of those that ended failed again", "0.5" },
	{ "yes", NULL, "redrive, discard: do it; without, only what would be done" },
	{ "wait", NULL, "redrive: until the job has ended" },
	{ "endpoint", "URL", "the server (RATCHET_ENDPOINT, else http://127.0.0.1:8083)" },
	{ "json", NULL, "print JSON" },
	{ NULL, NULL, NULL },
};

const struct subcommand command_dlq = {
	.name = "dlq",
	.arguments = "ls|groups|show|redrive|discard|export|jobs|pause|resume|cancel [EXECUTION…|JOB]",
	.summary = "dead letters: look at them, redrive and discard them",
	.details =
	    "ls lists dead letters, groups counts them by error, state and definition, show EXECUTION gives one with\n"
	    "every attempt, export prints them whole, a JSON object a line. redrive and discard take executions, or "
	    "all\n"
	    "that match; without --yes they only show which. jobs lists bulk redrives, jobs NUMBER the outcome of "
	    "each\n"
	    "execution; pause, resume, cancel NUMBER. redrive --wait exits with 1 unless all have succeeded.",
	.options = options,
	.arguments_min = 1,
	.arguments_max = 16,
	.run = run_dlq,
};
