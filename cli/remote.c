/* remote.c: the commands that speak to a server: deploy, start, stop, ls, show, history. */
#include "base/clock.h"
#include "base/mem.h"
#include "base/timestamp.h"
#include "base/utf8.h"
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/follow.h"
#include "cli/validate.h"
#include <stdlib.h>
#include <unistd.h>

#define ENDPOINT_OPTION                                                                                                \
	{                                                                                                              \
		"endpoint", "URL", "the server (RATCHET_ENDPOINT, else http://127.0.0.1:8083)"                         \
	}
#define JSON_OPTION                                                                                                    \
	{                                                                                                              \
		"json", NULL, "print JSON"                                                                             \
	}
#define OPTIONS_END                                                                                                    \
	{                                                                                                              \
		NULL, NULL, NULL                                                                                       \
	}

static struct str field(const struct value *json, const char *key)
{
	const struct value *value = value_getz(json, key);
	return value ? value_string(value) : STR_EMPTY;
}

static void print_pretty(const struct value *json)
{
	_cleanup_(buffer_done) struct buffer out = { 0 };
	value_write_pretty(json, &out);
	printf("%s\n", out.data);
}

/* A JSON text (an execution's input or output) for people: indented if it is JSON. */
static void print_document(const char *label, struct str text)
{
	_cleanup_(value_unrefp) struct value *json = NULL;
	_cleanup_(buffer_done) struct buffer out = { 0 };
	if (value_parse(text, NULL, &json, NULL) == 0)
		value_write_pretty(json, &out);
	else
		buffer_add(&out, text);
	printf("%s%s\n", label, out.data ? out.data : "");
}

/* What is sent inside JSON must be UTF-8: other bytes would be replaced, and something else stored than what was given.
 */
static int check_text(const char *what, const struct buffer *text)
{
	for (size_t at = 0, length; at < text->len; at += length) {
		length = utf8_length(text->data + at, text->len - at);
		if (!length)
			return cli_failf(EXIT_USAGE, "%s is not UTF-8: see byte %zu", what, at + 1);
	}
	return 0;
}

/* For columns: by characters, not by bytes. */
static void print_padded(struct str text, unsigned width)
{
	unsigned seen = 0;
	_cleanup_free_ char *shown = mem_strndup(text.ptr, text.len);
	cli_clean(shown, text.len);
	for (size_t i = 0; i < text.len; i++)
		seen += ((unsigned char)text.ptr[i] & 0xc0) != 0x80;
	printf("%s%*s", shown, seen < width ? (int)(width - seen) : 0, "");
}

static int64_t epoch_ms(const struct value *json, const char *key)
{
	const struct value *value = value_getz(json, key);
	return value ? (int64_t)(value_number(value) * 1000 + 0.5) : 0;
}

static int fail_call(int code, const struct wf_error *err)
{
	return cli_fail(client_exit_status(code), err);
}

/* ---- deploy ----------------------------------------------------------------------------------- */

/* An update of what is there already. The answer names the state machine too, as that of a creation does. */
static int update(struct client *client, const char *name, const struct value *request, const char *role,
		  const char *type, struct value **ret_answer, struct wf_error *err)
{
	_cleanup_free_ char *arn = NULL;
	_cleanup_(value_unrefp) struct value *which = value_new_object(1), *change = value_new_object(3), *there = NULL,
					     *answer = NULL;
	int code = client_machine_arn(client, name, &arn, err);
	if (code)
		return code;
	value_object_setz(which, "stateMachineArn", arn);
	if (type && (code = client_call(client, "DescribeStateMachine", which, &there, err)))
		return code;
	if (type && !str_eqz(field(there, "type"), type))
		return error_set(err, ERR(INVALID),
				 "%s is there already and is of another type, which cannot be changed", name);
	value_object_setz(change, "stateMachineArn", arn);
	value_object_set(change, STR("definition"), value_getz(request, "definition"));
	if (role)
		value_object_setz(change, "roleArn", role);
	code = client_call(client, "UpdateStateMachine", change, &answer, err);
	if (code == 0)
		*ret_answer = value_with(answer, &(struct value_step){ .key = STR("stateMachineArn"), .index = -1 }, 1,
					 value_getz(change, "stateMachineArn"));
	return code;
}

static int run_deploy(struct command_line *line)
{
	struct wf_error err = { 0 };
	_cleanup_(client_freep) struct client *client = client_new(line_option(line, "endpoint"));
	_cleanup_(buffer_done) struct buffer definition = { 0 };
	_cleanup_(value_unrefp) struct value *request = value_new_object(4), *answer = NULL;
	const char *name = line_argument(line, 0), *path = line_argument(line, 1);
	const char *role = line_option(line, "role"), *type = line_option(line, "type");

	if (cli_read_file(path, DEFINITION_BYTES_MAX, &definition, &err))
		return cli_fail(EXIT_USAGE, &err);
	if (check_text(path, &definition))
		return EXIT_USAGE;
	value_object_setz(request, "name", name);
	value_object_take(request, STR("definition"), value_from_string(buffer_str(&definition)));
	value_object_setz(request, "roleArn", role ? role : "arn:aws:iam::000000000000:role/ratchet");
	value_object_setz(request, "type", type ? type : "STANDARD");
	int code = client_call(client, "CreateStateMachine", request, &answer, &err);
	if (code && strcmp(err.where, "StateMachineAlreadyExists") == 0) {
		err = (struct wf_error){ 0 };
		code = update(client, name, request, role, type, &answer, &err);
	}
	/* The server says what is wrong in one line; here the text is at hand to show where. */
	if (code && strcmp(err.where, "InvalidDefinition") == 0 && check_definition(path, &definition, NULL) != 0)
		return EXIT_USAGE;
	if (code)
		return fail_call(code, &err);
	if (line_option(line, "json"))
		print_pretty(answer);
	else
		printf("%.*s\n", STR_FMT(field(answer, "stateMachineArn")));
	return EXIT_GOOD;
}

const struct subcommand command_deploy = {
	.name = "deploy",
	.arguments = "NAME FILE",
	.summary = "create a state machine from a definition, or update it",
	.details = "FILE is a definition in Amazon States Language; - reads standard input.\nPrints the state "
		   "machine's ARN. Executions that run keep the definition they started with.",
	.options = (const struct option_row[]){ ENDPOINT_OPTION,
						{ "role", "ARN", "its role (stored, not used)" },
						{ "type", "TYPE", "STANDARD or EXPRESS (only when it is created)" },
						JSON_OPTION,
						OPTIONS_END },
	.arguments_min = 2,
	.arguments_max = 2,
	.run = run_deploy,
};

/* ---- start ------------------------------------------------------------------------------------ */

/* Prints how an execution ended; EXIT_GOOD or EXIT_EXECUTION_FAILED. */
static int print_outcome(struct client *client, const char *arn, bool json)
{
	struct wf_error err = { 0 };
	_cleanup_(value_unrefp) struct value *request = value_new_object(1), *answer = NULL;
	value_object_setz(request, "executionArn", arn);
	int code = client_call(client, "DescribeExecution", request, &answer, &err);
	if (code)
		return fail_call(code, &err);
	struct str status = field(answer, "status");
	bool good = str_eqz(status, "SUCCEEDED");
	_cleanup_free_ char *word = mem_strndup(status.ptr, status.len);
	if (json)
		print_pretty(answer);
	else if (good)
		print_document("", field(answer, "output"));
	else
		cli_print_failure(word, field(answer, "error"), field(answer, "cause"));
	return good ? EXIT_GOOD : EXIT_EXECUTION_FAILED;
}

static int run_start(struct command_line *line)
{
	struct wf_error err = { 0 };
	_cleanup_(client_freep) struct client *client = client_new(line_option(line, "endpoint"));
	_cleanup_(buffer_done) struct buffer input = { 0 };
	_cleanup_free_ char *machine = NULL;
	_cleanup_(value_unrefp) struct value *request = value_new_object(3), *answer = NULL;
	bool json = line_option(line, "json") != NULL;

	if (cli_read_input(line_option(line, "input"), &input, &err))
		return cli_fail(EXIT_USAGE, &err);
	if (check_text("the input", &input))
		return EXIT_USAGE;
	int code = client_machine_arn(client, line_argument(line, 0), &machine, &err);
	if (code)
		return fail_call(code, &err);
	value_object_setz(request, "stateMachineArn", machine);
	value_object_take(request, STR("input"), value_from_string(buffer_str(&input)));
	if (line_option(line, "name"))
		value_object_setz(request, "name", line_option(line, "name"));
	code = client_call(client, "StartExecution", request, &answer, &err);
	if (code)
		return fail_call(code, &err);
	struct str arn = field(answer, "executionArn");
	if (!line_option(line, "follow")) {
		if (json)
			print_pretty(answer);
		else
			printf("%.*s\n", STR_FMT(arn));
		return EXIT_GOOD;
	}
	_cleanup_free_ char *execution = mem_strndup(arn.ptr, arn.len);
	fprintf(stderr, "%s\n", execution);
	struct tree *tree = tree_new(stderr, isatty(STDERR_FILENO));
	code = follow_execution(client, execution, tree, &err);
	tree_free(tree);
	return code ? fail_call(code, &err) : print_outcome(client, execution, json);
}

const struct subcommand command_start = {
	.name = "start",
	.arguments = "MACHINE",
	.summary = "start an execution",
	.details = "MACHINE is a state machine's name or ARN. Prints the execution's ARN; with --follow shows its "
		   "states as they\ngo, prints its output, and exits by its outcome.",
	.options =
	    (const struct option_row[]){
		ENDPOINT_OPTION,
		{ "input", "JSON", "the input: JSON, @FILE, or - for standard input ({})" },
		{ "name", "NAME", "the execution's name; starting the same name and input again is harmless" },
		{ "follow", NULL, "stay until it ends" },
		JSON_OPTION,
		OPTIONS_END },
	.arguments_min = 1,
	.arguments_max = 1,
	.run = run_start,
};

/* ---- stop ------------------------------------------------------------------------------------- */

static int run_stop(struct command_line *line)
{
	struct wf_error err = { 0 };
	_cleanup_(client_freep) struct client *client = client_new(line_option(line, "endpoint"));
	_cleanup_free_ char *arn = NULL;
	_cleanup_(value_unrefp) struct value *request = value_new_object(3), *answer = NULL;

	int code = client_execution_arn(client, line_argument(line, 0), &arn, &err);
	if (code)
		return fail_call(code, &err);
	value_object_setz(request, "executionArn", arn);
	if (line_option(line, "error"))
		value_object_setz(request, "error", line_option(line, "error"));
	if (line_option(line, "cause"))
		value_object_setz(request, "cause", line_option(line, "cause"));
	code = client_call(client, "StopExecution", request, &answer, &err);
	if (code)
		return fail_call(code, &err);
	if (line_option(line, "json"))
		print_pretty(answer);
	return EXIT_GOOD;
}

const struct subcommand command_stop = {
	.name = "stop",
	.arguments = "EXECUTION",
	.summary = "stop an execution that runs",
	.details = "EXECUTION is an ARN, or MACHINE:NAME. Its tasks are cancelled; it ends ABORTED.",
	.options = (const struct option_row[]){ ENDPOINT_OPTION,
						{ "error", "NAME", "error to record" },
						{ "cause", "TEXT", "why" },
						JSON_OPTION,
						OPTIONS_END },
	.arguments_min = 1,
	.arguments_max = 1,
	.run = run_stop,
};

/* ---- ls --------------------------------------------------------------------------------------- */

static int list_machines(struct client *client, bool json, long limit)
{
	struct wf_error err = { 0 };
	_cleanup_(value_unrefp) struct value *request = value_new_object(1), *answer = NULL;
	value_object_take(request, STR("maxResults"), value_from_int(limit));
	int code = client_call(client, "ListStateMachines", request, &answer, &err);
	if (code)
		return fail_call(code, &err);
	if (json) {
		print_pretty(answer);
		return EXIT_GOOD;
	}
	const struct value *machines = value_getz(answer, "stateMachines");
	for (size_t i = 0; machines && i < value_count(machines); i++) {
		const struct value *machine = value_at(machines, i);
		char time[TIMESTAMP_TEXT_MAX];
		print_padded(field(machine, "name"), 40);
		printf(" %-9.*s %s\n", STR_FMT(field(machine, "type")),
		       cli_time(epoch_ms(machine, "creationDate"), time));
	}
	if (!machines || !value_count(machines))
		fprintf(stderr, "there are no state machines; create one with: ratchet deploy NAME FILE\n");
	if (field(answer, "nextToken").len)
		fprintf(stderr, "there are more; --limit shows up to 1000\n");
	return EXIT_GOOD;
}

static int run_ls(struct command_line *line)
{
	struct wf_error err = { 0 };
	_cleanup_(client_freep) struct client *client = client_new(line_option(line, "endpoint"));
	_cleanup_free_ char *machine = NULL;
	_cleanup_(value_unrefp) struct value *request = value_new_object(3), *answer = NULL;
	bool json = line_option(line, "json") != NULL;
	int64_t limit = 50;

	if (line_whole(line, "limit", 1, 1000, &limit))
		return EXIT_USAGE;
	if (!line_argument(line, 0)) {
		if (line_option(line, "status"))
			return cli_failf(EXIT_USAGE, "--status goes with a MACHINE");
		return list_machines(client, json, limit);
	}
	int code = client_machine_arn(client, line_argument(line, 0), &machine, &err);
	if (code)
		return fail_call(code, &err);
	value_object_setz(request, "stateMachineArn", machine);
	value_object_take(request, STR("maxResults"), value_from_int(limit));
	if (line_option(line, "status"))
		value_object_setz(request, "statusFilter", line_option(line, "status"));
	code = client_call(client, "ListExecutions", request, &answer, &err);
	if (code)
		return fail_call(code, &err);
	if (json) {
		print_pretty(answer);
		return EXIT_GOOD;
	}
	const struct value *executions = value_getz(answer, "executions");
	struct clock_source *clock = clock_system();
	for (size_t i = 0; executions && i < value_count(executions); i++) {
		const struct value *execution = value_at(executions, i);
		char time[TIMESTAMP_TEXT_MAX], duration[32];
		int64_t start = epoch_ms(execution, "startDate"), stop = epoch_ms(execution, "stopDate");
		print_padded(field(execution, "name"), 40);
		printf(" %-10.*s %s  %s\n", STR_FMT(field(execution, "status")), cli_time(start, time),
		       cli_duration((stop ? stop : clock->wall_ms(clock)) - start, duration));
	}
	if (!executions || !value_count(executions))
		fprintf(stderr, "there are no such executions\n");
	if (field(answer, "nextToken").len)
		fprintf(stderr, "there are more; --limit shows up to 1000\n");
	return EXIT_GOOD;
}

const struct subcommand command_ls = {
	.name = "ls",
	.arguments = "[MACHINE]",
	.summary = "list state machines, or a state machine's executions, newest first",
	.options = (const struct option_row[]){ ENDPOINT_OPTION,
						{ "status", "STATUS",
						  "only RUNNING, SUCCEEDED, FAILED, TIMED_OUT or ABORTED" },
						{ "limit", "N", "at most so many, up to 1000 (50)" },
						JSON_OPTION,
						OPTIONS_END },
	.arguments_max = 1,
	.run = run_ls,
};

/* ---- show ------------------------------------------------------------------------------------- */

static int run_show(struct command_line *line)
{
	struct wf_error err = { 0 };
	_cleanup_(client_freep) struct client *client = client_new(line_option(line, "endpoint"));
	_cleanup_free_ char *arn = NULL;
	_cleanup_(value_unrefp) struct value *request = value_new_object(1), *answer = NULL;
	char started[TIMESTAMP_TEXT_MAX], stopped[TIMESTAMP_TEXT_MAX], duration[TIMESTAMP_TEXT_MAX];
	struct clock_source *clock = clock_system();
	uint64_t after = 0;
	bool ended = false;

	int code = client_execution_arn(client, line_argument(line, 0), &arn, &err);
	if (code)
		return fail_call(code, &err);
	value_object_setz(request, "executionArn", arn);
	code = client_call(client, "DescribeExecution", request, &answer, &err);
	if (code)
		return fail_call(code, &err);
	if (line_option(line, "json")) {
		print_pretty(answer);
		return EXIT_GOOD;
	}
	int64_t start = epoch_ms(answer, "startDate"), stop = epoch_ms(answer, "stopDate");
	printf("%s\n%.*s  started %s  stopped %s  %s\n", arn, STR_FMT(field(answer, "status")),
	       cli_time(start, started), cli_time(stop, stopped),
	       cli_duration((stop ? stop : clock->wall_ms(clock)) - start, duration));
	if (field(answer, "error").len || field(answer, "cause").len) {
		_cleanup_free_ char *failure =
		    mem_printf("%.*s: %.*s", STR_FMT(field(answer, "error")), STR_FMT(field(answer, "cause")));
		cli_clean(failure, strlen(failure));
		printf("%s\n", failure);
	}
	print_document("input: ", field(answer, "input"));
	if (value_getz(answer, "output"))
		print_document("output: ", field(answer, "output"));
	printf("\n");
	struct tree *tree = tree_new(stdout, true);
	code = follow_read(client, arn, tree, &after, &ended, &err);
	tree_print(tree, clock->wall_ms(clock));
	tree_free(tree);
	return code ? fail_call(code, &err) : EXIT_GOOD;
}

const struct subcommand command_show = {
	.name = "show",
	.arguments = "EXECUTION",
	.summary = "show an execution: status, input, output, its states",
	.details = "EXECUTION is an ARN, or MACHINE:NAME.",
	.options = (const struct option_row[]){ ENDPOINT_OPTION, JSON_OPTION, OPTIONS_END },
	.arguments_min = 1,
	.arguments_max = 1,
	.run = run_show,
};

/* ---- history ---------------------------------------------------------------------------------- */

/* One event as a line: id, time, type, and its details compactly. */
static void print_event(const struct value *event)
{
	int64_t id = 0;
	char time[TIMESTAMP_TEXT_MAX];
	if (value_getz(event, "id"))
		value_int64(value_getz(event, "id"), &id);
	timestamp_format(epoch_ms(event, "timestamp"), time);
	printf("%6lld  %s  %.*s", (long long)id, time, STR_FMT(field(event, "type")));
	for (size_t i = 0; i < value_count(event); i++) {
		if (!str_ends(value_key_at(event, i), STR("EventDetails")))
			continue;
		struct str text = value_text(value_at(event, i));
		_cleanup_free_ char *shown = mem_strndup(text.ptr, text.len);
		cli_clean(shown, text.len);
		printf("  %s", shown);
	}
	printf("\n");
}

/* What `ratchet run --test` reads. */
static int print_test(struct client *client, const char *arn, struct wf_error *err)
{
	_cleanup_(buffer_done) struct buffer path = { 0 }, out = { 0 };
	_cleanup_(value_unrefp) struct value *test = NULL;
	buffer_addz(&path, "/v1/executions/");
	client_escape(str_of(arn), &path);
	buffer_addz(&path, "/mock-test");
	int code = client_get(client, path.data, &test, err);
	if (code)
		return fail_call(code, err);
	value_write_pretty(test, &out);
	printf("%s\n", out.data);
	return EXIT_GOOD;
}

static int run_history(struct command_line *line)
{
	struct wf_error err = { 0 };
	_cleanup_(client_freep) struct client *client = client_new(line_option(line, "endpoint"));
	_cleanup_free_ char *arn = NULL, *token = NULL;
	bool json = line_option(line, "json") != NULL, first = true;

	int code = client_execution_arn(client, line_argument(line, 0), &arn, &err);
	if (code == 0 && line_option(line, "as-test"))
		return print_test(client, arn, &err);
	do {
		_cleanup_(value_unrefp) struct value *request = value_new_object(4), *answer = NULL;
		if (code)
			return fail_call(code, &err);
		value_object_setz(request, "executionArn", arn);
		value_object_take(request, STR("maxResults"), value_from_int(1000));
		value_object_take(request, STR("reverseOrder"), value_new_bool(line_option(line, "reverse") != NULL));
		if (token)
			value_object_setz(request, "nextToken", token);
		code = client_call(client, "GetExecutionHistory", request, &answer, &err);
		if (code)
			return fail_call(code, &err);
		const struct value *events = value_getz(answer, "events");
		for (size_t i = 0; events && i < value_count(events); i++) {
			if (!json)
				print_event(value_at(events, i));
			else
				printf("%s\n%.*s", first ? "[" : ",", STR_FMT(value_text(value_at(events, i))));
			first = false;
		}
		struct str next = field(answer, "nextToken");
		free(token);
		token = next.len ? mem_strndup(next.ptr, next.len) : NULL;
	} while (token);
	if (json)
		printf("%s]\n", first ? "[" : "\n");
	return EXIT_GOOD;
}

const struct subcommand command_history = {
	.name = "history",
	.arguments = "EXECUTION",
	.summary = "print an execution's history, event by event",
	.details =
	    "EXECUTION is an ARN, or MACHINE:NAME. With --json the whole history is one JSON array of AWS's events.",
	.options =
	    (const struct option_row[]){
		ENDPOINT_OPTION, { "reverse", NULL, "newest first" },
		{ "as-test", NULL, "print it as a test instead: `ratchet run --test` plays it again" }, JSON_OPTION, OPTIONS_END },
	.arguments_min = 1,
	.arguments_max = 1,
	.run = run_history,
};
