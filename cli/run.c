/* run.c: `ratchet run`: one execution of a definition, in this process: a memory store and the real clock. */
#include "base/clock.h"
#include "base/mem.h"
#include "cli/assemble.h"
#include "cli/cli.h"
#include "cli/tree.h"
#include "cli/validate.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define REDRAW_MS 100

struct running {
	struct assembly assembly;
	struct tree *tree;
	struct engine_watcher watcher;
	struct loop_timer redraw;
	const struct buffer *definition, *input;
	struct value *test; /* what --test names: a mock configuration whose member "Ratchet" says what is expected; NULL: none */
	char *arn; /* the execution's */
	struct clock_source *clock;
	int64_t began_ms;
	double time_scale;
	bool json, ended;
	int interrupts;
	int status;
};

/* The time that events have: ahead of the clock's if it is scaled. */
static int64_t now_ms(const struct running *running)
{
	int64_t real_ms = running->clock->wall_ms(running->clock);
	return running->began_ms + (int64_t)((double)(real_ms - running->began_ms) * running->time_scale);
}

static void finish(struct running *running, int status)
{
	running->status = status;
	running->ended = true;
	running->assembly.loop->stop(running->assembly.loop);
}

static void fail(struct running *running, const struct engine_error *error)
{
	struct wf_error err = { 0 };
	error_set(&err, ERR(INVALID), "%.*s", STR_FMT(error->message));
	error_where(&err, "%s", engine_error_name(error->code));
	finish(running, cli_fail(EXIT_USAGE, &err));
}

/* ---- tests ------------------------------------------------------------------------------------ */

/* The member "Ratchet" of a test, which server/v1_mock_test.c writes. */
static const struct value *expected(const struct value *test, const char *member)
{
	const struct value *recorded = value_getz(test, "Ratchet");
	return recorded ? value_getz(recorded, member) : NULL;
}

static int read_test(const char *path, struct value **ret_test, struct wf_error *err)
{
	_cleanup_(buffer_done) struct buffer text = { 0 };
	_cleanup_(value_unrefp) struct value *test = NULL;
	static const char *const texts[] = { "StateMachine", "TestCase", "Status" };
	int code = cli_read_file(path, DEFINITION_BYTES_MAX, &text, err);
	if (code == 0)
		code = value_parse(buffer_str(&text), NULL, &test, err);
	if (code)
		return code;
	bool good = expected(test, "Input") != NULL;
	for (unsigned i = 0; i < sizeof texts / sizeof texts[0]; i++)
		good &= expected(test, texts[i]) && value_is(expected(test, texts[i]), VALUE_STRING);
	if (!good)
		return error_set(err, ERR(INVALID), "%s is no test: `ratchet history EXECUTION --as-test` makes one", path);
	*ret_test = TAKE(test);
	return 0;
}

static bool differs(const char *member, const struct value *wanted, const struct value *found)
{
	if (!wanted || (found && value_equal(wanted, found)))
		return false;
	fprintf(stderr, "%s differs: expected %.*s, found %.*s\n", member, STR_FMT(value_text(wanted)),
		STR_FMT(found ? value_text(found) : STR("none")));
	return true;
}

/* What the test says of the end must be so; what it leaves out may be anything. */
static int judge(const struct value *test, const struct execution_info *execution)
{
	_cleanup_(value_unrefp) struct value *status = value_from_string(str_of(execution_status_name(execution->status)));
	_cleanup_(value_unrefp) struct value *error = execution->error.ptr ? value_from_string(execution->error) : NULL;
	bool bad = differs("Status", expected(test, "Status"), status);
	bad |= differs("Error", expected(test, "Error"), error);
	bad |= differs("Output", expected(test, "Output"), execution->output);
	if (!bad)
		fprintf(stderr, "as expected\n");
	return bad ? EXIT_EXECUTION_FAILED : EXIT_GOOD;
}

/* ---- the end ---------------------------------------------------------------------------------- */

static void print_json(const struct execution_info *execution)
{
	_cleanup_(value_unrefp) struct value *result = value_new_object(5);
	_cleanup_(buffer_done) struct buffer out = { 0 };
	value_object_setz(result, "status", execution_status_name(execution->status));
	if (execution->output)
		value_object_set(result, STR("output"), execution->output);
	if (execution->error.ptr)
		value_object_take(result, STR("error"), value_from_string(execution->error));
	if (execution->cause.ptr)
		value_object_take(result, STR("cause"), value_from_string(execution->cause));
	value_object_take(result, STR("duration_ms"), value_from_int(execution->stop_ms - execution->start_ms));
	value_write_pretty(result, &out);
	printf("%s\n", out.data);
}

static void described(void *data, const struct engine_error *error, const struct execution_info *execution)
{
	struct running *running = data;
	if (error->code) {
		fail(running, error);
		return;
	}
	tree_finish(running->tree, now_ms(running));
	bool good = execution->status == EXECUTION_SUCCEEDED_;
	if (running->json) {
		print_json(execution);
	} else if (good) {
		_cleanup_(buffer_done) struct buffer out = { 0 };
		value_write_pretty(execution->output, &out);
		printf("%s\n", out.data);
	} else {
		cli_print_failure(execution_status_name(execution->status), execution->error, execution->cause);
	}
	finish(running, running->test ? judge(running->test, execution) : good ? EXIT_GOOD : EXIT_EXECUTION_FAILED);
}

/* ---- what happens ----------------------------------------------------------------------------- */

static void on_event(struct engine_watcher *watcher, const struct event *event)
{
	struct running *running = watcher->data;
	tree_add(running->tree, &(struct tree_event){
				    .type = str_of(event_type_name(event->type)),
				    .id = event->id,
				    .previous_id = event->previous_id,
				    .timestamp_ms = event->timestamp_ms,
				    .name = event->fields & FIELD_NAME ? event->name : STR_EMPTY,
				    .index = event->fields & FIELD_INDEX ? event->index : 0,
				    .length = event->fields & FIELD_LENGTH ? (uint64_t)event->length : 0,
				    .error = event->fields & FIELD_ERROR ? event->error : STR_EMPTY,
				    .cause = event->fields & FIELD_CAUSE ? event->cause : STR_EMPTY,
				});
	if (event->type == EVENT_EXECUTION_SUCCEEDED || event->type == EVENT_EXECUTION_FAILED ||
	    event->type == EVENT_EXECUTION_TIMED_OUT || event->type == EVENT_EXECUTION_ABORTED)
		engine_describe(running->assembly.engine, str_of(running->arn), described, running);
}

static void on_log(struct engine_watcher *watcher, uint64_t task_id, uint64_t number, struct str line, double fraction)
{
	struct running *running = watcher->data;
	tree_task(running->tree, task_id, line, fraction);
}

static void on_redraw(struct loop_timer *timer)
{
	struct running *running = timer->data;
	tree_draw(running->tree, now_ms(running));
	loop_timer_set(running->assembly.loop, &running->redraw, REDRAW_MS);
}

static void stopped(void *data, const struct engine_error *error, const struct execution_info *execution)
{
	/* Its terminal event ends everything; if it had ended already, nothing more will come. */
	if (error->code)
		finish(data, EXIT_EXECUTION_FAILED);
}

static void on_signal(void *data, int signal)
{
	struct running *running = data;
	if (running->interrupts++ || !running->arn)
		finish(running, EXIT_EXECUTION_FAILED);
	else
		engine_stop(running->assembly.engine, str_of(running->arn), STR("Ratchet.Interrupted"),
			    (struct str){ 0 }, stopped, running);
}

static void started(void *data, const struct engine_error *error, const struct execution_info *execution)
{
	if (error->code)
		fail(data, error);
}

static void created(void *data, const struct engine_error *error, const struct machine_info *machine)
{
	struct running *running = data;
	if (error->code) {
		fail(running, error);
		return;
	}
	/* The execution's name is ours, so that it can be watched from its first event on. */
	struct engine *engine = running->assembly.engine;
	running->arn = mem_printf("arn:aws:states:%s:%s:execution:%.*s:run", engine_region(engine),
				  engine_account(engine), STR_FMT(machine->name));
	running->watcher = (struct engine_watcher){ .event = on_event, .log = on_log, .data = running };
	if (engine_watch(engine, str_of(running->arn), &running->watcher) != 0) {
		finish(running, cli_failf(EXIT_USAGE, "cannot watch the execution"));
		return;
	}
	_cleanup_(buffer_done) struct buffer arn = { 0 };
	buffer_add(&arn, machine->arn);
	if (running->test)
		buffer_printf(&arn, "#%.*s", STR_FMT(value_string(expected(running->test, "TestCase"))));
	engine_start(engine,
		     &(struct start_request){
			 .machine_arn = buffer_str(&arn), .name = STR("run"), .input = buffer_str(running->input) },
		     started, running);
}

/* ---- the command ------------------------------------------------------------------------------ */

/* A state machine's name from a file's: what is not allowed in one becomes "-". */
static char *machine_name(const char *path, size_t most)
{
	const char *slash = strrchr(path, '/');
	char *name = mem_strdup(strcmp(path, "-") == 0 ? "stdin" : slash ? slash + 1 : path);
	char *dot = strchr(name, '.');
	if (dot && dot != name)
		*dot = 0;
	if (strlen(name) > most)
		name[most] = 0;
	for (char *c = name; *c; c++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_", *c))
			*c = '-';
	return name;
}

static int run_assembled(struct running *running, const char *path)
{
	struct str tested = running->test ? value_string(expected(running->test, "StateMachine")) : STR_EMPTY;
	_cleanup_free_ char *name = tested.len ? mem_strndup(tested.ptr, tested.len)
					       : machine_name(path, (size_t)engine_limits(running->assembly.engine)->name_chars);
	struct loop *loop = running->assembly.loop;
	running->redraw = (struct loop_timer){ .callback = on_redraw, .data = running };
	loop_timer_set(loop, &running->redraw, REDRAW_MS);
	engine_create_machine(running->assembly.engine,
			      &(struct machine_request){ .name = str_of(name),
							 .definition = buffer_str(running->definition),
							 .role_arn = STR("arn:aws:iam::000000000000:role/ratchet"),
							 .type = STR("STANDARD") },
			      created, running);
	loop->run(loop);
	loop_timer_clear(loop, &running->redraw);
	if (running->arn)
		engine_unwatch(running->assembly.engine, &running->watcher);
	return running->status;
}

static int run_run(struct command_line *line)
{
	struct wf_error err = { 0 };
	struct config config;
	_cleanup_(buffer_done) struct buffer definition = { 0 }, input = { 0 };
	const char *path = line_argument(line, 0), *test = line_option(line, "test");
	struct running running = { .definition = &definition,
				   .input = &input,
				   .clock = clock_system(),
				   .time_scale = 1,
				   .json = line_option(line, "json") != NULL };

	if (line_number(line, "time-scale", 1e9, &running.time_scale))
		return EXIT_USAGE;
	if (strcmp(path, "-") == 0 && line_option(line, "input") && strcmp(line_option(line, "input"), "-") == 0)
		return cli_failf(EXIT_USAGE, "standard input cannot be both the definition and the input");
	running.began_ms = running.clock->wall_ms(running.clock);
	if (cli_read_file(path, DEFINITION_BYTES_MAX, &definition, &err) ||
	    cli_read_input(line_option(line, "input"), &input, &err) || (test && read_test(test, &running.test, &err)))
		return cli_fail(EXIT_USAGE, &err);
	if (test && !line_option(line, "input")) {
		buffer_clear(&input);
		buffer_add(&input, value_text(expected(running.test, "Input")));
	}
	int code = config_load(&config, line_option(line, "config"), &err);
	if (code == 0)
		code = config_set(&config, "store", "memory:", &err);
	if (code == 0 && line_option(line, "lambda-endpoint"))
		code = config_set(&config, "lambda-endpoint", line_option(line, "lambda-endpoint"), &err);
	if (code == 0)
		code = config_set(&config, "work-dir", "", &err);
	if (code == 0 && test)
		code = config_set(&config, "mock-config", test, &err);
	if (code == 0)
		config_finish(&config);
	int status = EXIT_USAGE;
	if (code) {
		cli_fail(status, &err);
	} else if (check_definition(path, &definition, &config.limits) == 0) {
		signal(SIGPIPE, SIG_IGN);
		log_setup(LOG_LEVEL_WARN, false);
		if (assemble(&running.assembly, &config, running.time_scale, on_signal, &running, &err) == 0) {
			running.tree = tree_new(stderr, isatty(STDERR_FILENO));
			status = run_assembled(&running, path);
			assembly_done(&running.assembly);
			tree_free(running.tree);
			free(running.arn);
		} else {
			cli_fail(status, &err);
		}
	}
	config_done(&config);
	value_unref(running.test);
	return status;
}

const struct subcommand command_run = {
	.name = "run",
	.arguments = "FILE",
	.summary = "run a definition once, here and now, without a server",
	.details = "Shows the states as they go, prints the output, exits by the outcome. Nothing is kept.\nThe "
		   "programs that exec tasks may run come from the configuration.",
	.options =
	    (const struct option_row[]){ { "input", "JSON", "the input: JSON, @FILE, or - for standard input ({})" },
					 { "config", "FILE", "configuration (YAML or JSON)" },
					 { "lambda-endpoint", "URL", "Lambda Invoke API (AWS_ENDPOINT_URL_LAMBDA)" },
					 { "test", "FILE",
					   "answer its tasks as recorded and compare the end (history --as-test)" },
					 { "time-scale", "N", "divide waits and timeouts by N" },
					 { "json", NULL, "print status, output, error and cause as JSON" },
					 { NULL, NULL, NULL } },
	.arguments_min = 1,
	.arguments_max = 1,
	.run = run_run,
};
