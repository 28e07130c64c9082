/* functions.c: `ratchet functions`: making, publishing, naming, calling and watching functions of a server. */
#include "base/mem.h"
#include "base/timestamp.h"
#include "cli/cli.h"
#include "cli/client.h"
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define FOLLOW_PAUSE_MS 300

struct asked {
	struct command_line *line;
	struct client *client;
	const char *name;
	bool json;
};

static void print_pretty(const struct value *json)
{
	_cleanup_(buffer_done) struct buffer out = { 0 };
	value_write_pretty(json, &out);
	printf("%s\n", out.data);
}

/* What stands in a path must be no part of its form. */
static char *path_of(const struct asked *asked, const char *rest)
{
	_cleanup_(buffer_done) struct buffer name = { 0 };
	for (const char *c = asked->name; *c; c++)
		if (strchr("/?#% ", *c))
			buffer_printf(&name, "%%%02X", (unsigned char)*c);
		else
			buffer_byte(&name, *c);
	return mem_printf("/v1/functions/%s%s", name.data ? name.data : "", rest);
}

/* Sends, and prints with --json; *ret_answer (yours) on success. */
static int ask(const struct asked *asked, const char *method, const char *rest, const struct value *body,
	       struct value **ret_answer)
{
	struct wf_error err = { 0 };
	_cleanup_free_ char *path = path_of(asked, rest);
	int code = client_send(asked->client, method, path, body, ret_answer, &err);
	if (code)
		return cli_fail(client_exit_status(code), &err);
	if (asked->json && *ret_answer)
		print_pretty(*ret_answer);
	return EXIT_GOOD;
}

/* ---- add ----------------------------------------------------------------------------------------------- */

enum kind { KIND_TEXT, KIND_NUMBER, KIND_FOLDER };

static const struct {
	const char *option, *setting;
	enum kind kind;
} settings[] = {
	{ "handler", "handler", KIND_FOLDER },
	{ "entry", "entry", KIND_TEXT },
	{ "runtime", "runtime", KIND_TEXT },
	{ "command", "command", KIND_TEXT },
	{ "interpreter", "interpreter", KIND_TEXT },
	{ "timeout", "timeout_s", KIND_NUMBER },
	{ "init_timeout", "init_timeout_s", KIND_NUMBER },
	{ "memory", "memory_mb", KIND_NUMBER },
	{ "cpus", "cpus", KIND_NUMBER },
	{ "cpu_seconds", "cpu_s", KIND_NUMBER },
	{ "max_concurrent", "max_concurrent", KIND_NUMBER },
	{ "reserved", "reserved", KIND_NUMBER },
	{ "warm", "warm", KIND_NUMBER },
	{ "idle", "idle_s", KIND_NUMBER },
	{ "queue", "queue", KIND_NUMBER },
	{ "event_retries", "event_retries", KIND_NUMBER },
	{ "event_age", "event_age_s", KIND_NUMBER },
	{ "description", "description", KIND_TEXT },
};

struct adding {
	struct value *body, *env;
	int status;
};

/* NAME=TEXT, NAME=@FILE (read when a worker starts), NAME=$VARIABLE (of the server's environment). */
static void add_variable(struct adding *adding, const char *text)
{
	const char *equals = strchr(text, '=');
	if (!equals || equals == text) {
		adding->status = cli_failf(EXIT_USAGE, "--env must be NAME=TEXT, NAME=@FILE or NAME=$VARIABLE, not '%s'", text);
		return;
	}
	struct str name = { text, (size_t)(equals - text) };
	const char *given = equals + 1;
	if (*given != '@' && *given != '$') {
		value_object_take(adding->env, name, value_from_string(str_of(given)));
		return;
	}
	struct value *where = value_new_object(1);
	char full[PATH_MAX];
	if (*given == '$')
		value_object_setz(where, "env", given + 1);
	else
		value_object_setz(where, "file", realpath(given + 1, full) ? full : given + 1);
	value_object_take(adding->env, name, where);
}

static void take_option(void *data, const char *name, const char *text)
{
	struct adding *adding = data;
	if (adding->status)
		return;
	if (strcmp(name, "env") == 0) {
		add_variable(adding, text);
		return;
	}
	for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
		if (strcmp(name, settings[i].option) != 0)
			continue;
		struct value *value = NULL;
		char full[PATH_MAX];
		if (settings[i].kind == KIND_FOLDER && !realpath(text, full))
			adding->status = cli_failf(EXIT_USAGE, "cannot find %s", text);
		else if (settings[i].kind == KIND_NUMBER && (value_parse(str_of(text), NULL, &value, NULL) < 0 ||
							     !value_is(value, VALUE_NUMBER)))
			adding->status = cli_failf(EXIT_USAGE, "--%s must be a number, not '%s'", name, text);
		else if (!value)
			value = value_from_string(str_of(settings[i].kind == KIND_FOLDER ? full : text));
		if (adding->status)
			value_unref(value);
		else
			value_object_take(adding->body, str_of(settings[i].setting), value);
		return;
	}
}

static int run_add(const struct asked *asked)
{
	_cleanup_(value_unrefp) struct value *body = value_new_object(8), *answer = NULL;
	struct adding adding = { .body = body, .env = value_new_object(4) };
	line_each_option(asked->line, take_option, &adding);
	if (value_count(adding.env) && !adding.status)
		value_object_set(body, STR("env"), adding.env);
	value_unref(adding.env);
	if (adding.status)
		return adding.status;
	int status = ask(asked, "PUT", "", body, &answer);
	if (status == EXIT_GOOD && !asked->json)
		printf("%.*s\n", STR_FMT(cli_text(answer, "arn")));
	return status;
}

/* ---- ls, show -------------------------------------------------------------------------------------------- */

static int run_ls(const struct asked *asked)
{
	struct wf_error err = { 0 };
	_cleanup_(value_unrefp) struct value *answer = NULL;
	int code = client_get(asked->client, "/v1/functions", &answer, &err);
	if (code)
		return cli_fail(client_exit_status(code), &err);
	if (asked->json) {
		print_pretty(answer);
		return EXIT_GOOD;
	}
	const struct value *list = value_getz(answer, "functions");
	for (size_t i = 0; i < value_count(list); i++) {
		const struct value *row = value_at(list, i), *pool = value_getz(row, "pool"),
				   *figures = value_getz(row, "figures");
		char version[24] = "-"; /* never published */
		if (cli_number(row, "latest_version"))
			snprintf(version, sizeof version, "%lld", (long long)cli_number(row, "latest_version"));
		printf("%-24.*s %-9.*s version %-4s workers %lld/%lld  queued %lld  invocations %lld  errors %lld\n",
		       STR_FMT(cli_text(row, "name")), STR_FMT(cli_text(row, "runtime")), version,
		       (long long)cli_number(pool, "workers"),
		       (long long)cli_number(pool, "max_concurrent"), (long long)cli_number(pool, "queued"),
		       (long long)cli_number(figures, "invocations"), (long long)cli_number(figures, "errors"));
	}
	return EXIT_GOOD;
}

static int run_show(const struct asked *asked)
{
	_cleanup_(value_unrefp) struct value *answer = NULL;
	int status = ask(asked, "GET", "", NULL, &answer);
	if (status == EXIT_GOOD && !asked->json)
		print_pretty(answer);
	return status;
}

static int run_rm(const struct asked *asked)
{
	_cleanup_(value_unrefp) struct value *answer = NULL;
	return ask(asked, "DELETE", "", NULL, &answer);
}

/* ---- versions --------------------------------------------------------------------------------------------- */

static int run_publish(const struct asked *asked)
{
	_cleanup_(value_unrefp) struct value *body = value_new_object(1), *answer = NULL;
	const char *description = line_option(asked->line, "description");
	if (description)
		value_object_setz(body, "description", description);
	int status = ask(asked, "POST", "/publish", body, &answer);
	if (status == EXIT_GOOD && !asked->json)
		printf("%lld\n", (long long)cli_number(answer, "version"));
	return status;
}

/* A version's number into `body`; EXIT_USAGE after a message. */
static int put_version(struct value *body, const char *text)
{
	struct value *number = NULL;
	int64_t version;
	if (value_parse(str_of(text), NULL, &number, NULL) < 0 || !value_int64(number, &version) || version < 1) {
		value_unref(number);
		return cli_failf(EXIT_USAGE, "a version is a number from 1 on, not '%s'", text);
	}
	value_object_take(body, STR("version"), number);
	return 0;
}

static int run_alias(const struct asked *asked)
{
	_cleanup_(value_unrefp) struct value *body = value_new_object(1), *answer = NULL;
	const char *alias = line_argument(asked->line, 2), *version = line_argument(asked->line, 3);
	_cleanup_free_ char *rest = mem_printf("/aliases/%s", alias);
	if (!version) /* without a version it goes */
		return ask(asked, "DELETE", rest, NULL, &answer);
	int status = put_version(body, version);
	return status ? status : ask(asked, "PUT", rest, body, &answer);
}

static int run_rollback(const struct asked *asked)
{
	_cleanup_(value_unrefp) struct value *body = value_new_object(2), *answer = NULL;
	const char *version = line_argument(asked->line, 2), *alias = line_option(asked->line, "alias");
	if (alias)
		value_object_setz(body, "alias", alias);
	int status = version ? put_version(body, version) : 0;
	return status ? status : ask(asked, "POST", "/rollback", body, &answer);
}

/* ---- calling and watching ---------------------------------------------------------------------------------- */

/* What the function printed, on stderr: without control characters but the ends of lines and tabs. */
static void print_log(struct str log)
{
	_cleanup_free_ char *text = mem_strndup(log.ptr, log.len);
	for (char *part = text; *part;) {
		size_t length = strcspn(part, "\n\t");
		cli_clean(part, length);
		part += length + (part[length] != '\0');
	}
	fputs(text, stderr);
}

static int run_invoke(const struct asked *asked)
{
	struct wf_error err = { 0 };
	_cleanup_(buffer_done) struct buffer input = { 0 };
	_cleanup_(value_unrefp) struct value *body = value_new_object(2), *payload = NULL, *answer = NULL;
	const char *qualifier = line_option(asked->line, "qualifier");
	if (cli_read_input(line_option(asked->line, "payload"), &input, &err))
		return cli_fail(EXIT_USAGE, &err);
	if (value_parse(buffer_str(&input), NULL, &payload, &err) < 0) {
		error_prefix(&err, "the payload is no JSON");
		return cli_fail(EXIT_USAGE, &err);
	}
	value_object_set(body, STR("payload"), payload);
	if (qualifier)
		value_object_setz(body, "qualifier", qualifier);
	int status = ask(asked, "POST", "/invoke", body, &answer);
	if (status)
		return status;
	bool failed = str_eqz(cli_text(answer, "status"), "FAILED");
	if (!asked->json) {
		print_log(cli_text(answer, "log"));
		print_pretty(value_getz(answer, "payload"));
	}
	return failed ? EXIT_EXECUTION_FAILED : EXIT_GOOD;
}

static void print_lines(const struct value *lines)
{
	for (size_t i = 0; i < value_count(lines); i++) {
		const struct value *line = value_at(lines, i);
		char time[TIMESTAMP_TEXT_MAX];
		timestamp_format(cli_number(line, "time_ms"), time);
		struct str id = cli_text(line, "request_id");
		_cleanup_free_ char *text = mem_strndup(cli_text(line, "text").ptr, cli_text(line, "text").len);
		cli_clean(text, strlen(text));
		printf("%s %.8s %s\n", time, id.len ? id.ptr : "        ", text);
	}
	fflush(stdout);
}

static int run_logs(const struct asked *asked)
{
	int64_t after = 0;
	bool follow = line_option(asked->line, "follow");
	do {
		_cleanup_(value_unrefp) struct value *answer = NULL;
		_cleanup_free_ char *rest = mem_printf("/logs?after=%lld", (long long)after);
		int status = ask(asked, "GET", rest, NULL, &answer);
		if (status)
			return status;
		if (!asked->json)
			print_lines(value_getz(answer, "lines"));
		after = cli_number(answer, "next");
		if (follow)
			usleep(FOLLOW_PAUSE_MS * 1000);
	} while (follow);
	return EXIT_GOOD;
}

/* ---- the command ----------------------------------------------------------------------------------------------- */

static const struct {
	const char *word;
	const char *arguments; /* behind it, for the usage */
	unsigned least, most;
	int (*run)(const struct asked *asked);
} verbs[] = {
	{ "ls", "", 0, 0, run_ls },
	{ "add", " NAME", 1, 1, run_add },
	{ "show", " NAME", 1, 1, run_show },
	{ "rm", " NAME", 1, 1, run_rm },
	{ "publish", " NAME", 1, 1, run_publish },
	{ "alias", " NAME ALIAS [VERSION]", 2, 3, run_alias },
	{ "rollback", " NAME [VERSION]", 1, 2, run_rollback },
	{ "invoke", " NAME", 1, 1, run_invoke },
	{ "logs", " NAME", 1, 1, run_logs },
};

static int run_functions(struct command_line *line)
{
	_cleanup_(client_freep) struct client *client = client_new(line_option(line, "endpoint"));
	struct asked asked = { .line = line,
			       .client = client,
			       .name = line_argument(line, 1),
			       .json = line_option(line, "json") != NULL };
	const char *word = line_argument(line, 0);
	for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
		if (strcmp(word, verbs[i].word) != 0)
			continue;
		unsigned given = line_arguments(line) - 1;
		if (given < verbs[i].least || given > verbs[i].most)
			return cli_failf(EXIT_USAGE, "usage: ratchet functions %s%s", word, verbs[i].arguments);
		return verbs[i].run(&asked);
	}
	return cli_failf(EXIT_USAGE, "there is no `functions %s`; see ratchet functions --help", word);
}

const struct subcommand command_functions = {
	.name = "functions",
	.arguments = "VERB [NAME [ALIAS] [VERSION]]",
	.summary = "functions: folders with a handler, callable as Lambda functions",
	.details = "ls · add NAME · show NAME · rm NAME · publish NAME · alias NAME ALIAS [VERSION] · rollback NAME [VERSION] ·\n"
		   "invoke NAME · logs NAME\n\n"
		   "add makes a function, or replaces its $LATEST, which runs straight from the folder. publish keeps a copy of it\n"
		   "as the next version. alias names a version (without VERSION the alias goes). rollback makes $LATEST, or with\n"
		   "--alias the alias, what it was. invoke prints the result, and what was logged on stderr; exit status 1 if the\n"
		   "function failed.",
	.options =
	    (const struct option_row[]){
		{ "endpoint", "URL", "the server (RATCHET_ENDPOINT, else http://127.0.0.1:8083)" },
		{ "handler", "FOLDER", "add: the folder with the code, or one file in it" },
		{ "entry", "NAME", "add: module.function (found by itself if there is one)" },
		{ "runtime", "WORD", "add: python, nodejs, provided or command (found by itself)" },
		{ "command", "TEXT", "add: a shell command instead of a handler: event on stdin, result on stdout" },
		{ "interpreter", "PROGRAM", "add: instead of python3 or node" },
		{ "timeout", "SECONDS", "add: of one invocation", "3" },
		{ "init_timeout", "SECONDS", "add: until a worker is ready", "10" },
		{ "memory", "MB", "add: memory of a worker; limited only if it is given" },
		{ "cpus", "NUMBER", "add: processors of a worker, where cgroups allow it" },
		{ "cpu_seconds", "SECONDS", "add: processor time of one invocation" },
		{ "max_concurrent", "NUMBER", "add: workers at most" },
		{ "reserved", "NUMBER", "add: workers that others cannot take", "0" },
		{ "warm", "NUMBER", "add: workers kept ready", "0" },
		{ "idle", "SECONDS", "add: how long a worker without work is kept", "300" },
		{ "queue", "NUMBER", "add: invocations that wait for a worker at most", "10000" },
		{ "event_retries", "NUMBER", "add: how often an event that nobody waits for is tried again", "2" },
		{ "event_age", "SECONDS", "add: and for how long", "21600" },
		{ "env", "NAME=TEXT", "add: a variable; NAME=@FILE, NAME=$VARIABLE: looked up by the server (repeatable)" },
		{ "description", "TEXT", "add, publish: what it is" },
		{ "alias", "NAME", "rollback: of this alias" },
		{ "payload", "JSON", "invoke: the event: JSON, @FILE or - ({})" },
		{ "qualifier", "NAME", "invoke: a version or an alias" },
		{ "follow", NULL, "logs: go on" },
		{ "json", NULL, "print JSON" },
		{ 0 } },
	.arguments_min = 1,
	.arguments_max = 4,
	.run = run_functions,
};
