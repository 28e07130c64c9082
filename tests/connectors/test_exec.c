/* The exec connector with real programs. */
#include "base/mem.h"
#include "connectors/exec/exec.h"
#include "tests/connectors/harness.h"
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void make_connector(struct harness *harness, const char *config)
{
	struct wf_error err = { 0 };
	_cleanup_(value_unrefp) struct value *value = harness_json(config);
	_cleanup_free_ char *locks = mem_printf("%s/locks", harness->folder);
	if (connector_exec_new(&harness->host, value, locks, &harness->connector, &err) < 0)
		fail_msg("%s (%s)", err.message, err.where);
}

static struct harness *begin(const char *config)
{
	struct harness *harness = mem_alloc(sizeof *harness);
	harness_setup(harness);
	make_connector(harness, config);
	return harness;
}

static void end(struct harness *harness)
{
	harness_teardown(harness);
	free(harness);
}

/* A connector with one program "p" that runs a shell script. */
static struct harness *begin_script(const char *script, const char *more)
{
	_cleanup_(buffer_done) struct buffer config = { 0 };
	buffer_addz(&config, "{\"p\":{\"program\":\"sh\",\"args\":[\"-c\",");
	value_write_string(str_of(script), &config);
	buffer_printf(&config, "]%s}}", more);
	return begin(config.data);
}

static void cancel(struct harness *harness, uint64_t event_id)
{
	harness->connector->class->cancel(harness->connector, (struct task_key){ 7, event_id });
}

static uint32_t running(struct harness *harness)
{
	return harness->connector->class->running(harness->connector);
}

static bool none_runs(void *data)
{
	return running(data) == 0;
}

static char *in_folder(struct harness *harness, const char *name)
{
	return mem_printf("%s/%s", harness->folder, name);
}

static int files_in(const char *path)
{
	_cleanup_free_ char *command = mem_printf("ls %s | wc -l", path);
	FILE *pipe = popen(command, "re");
	int count = -1;
	assert_int_equal(fscanf(pipe, "%d", &count), 1);
	pclose(pipe);
	return count;
}

/* ---- how programs end: one row, one test */

static const struct row {
	const char *name;
	const char *program; /* JSON */
	const char *input;
	enum task_end end;
	const char *output; /* succeeded: the text */
	const char *error;
	const char *cause; /* a part of it */
	const char *log;   /* a part of it; NULL: whatever */
} rows[] = {
	{ "stdin_holds_the_input_and_stdout_is_the_result", "{\"program\":\"cat\"}",
	  "{\"a\":[1,0.1,1E6,18446744073709551616]}", TASK_SUCCEEDED, "{\"a\":[1,0.1,1E6,18446744073709551616]}", NULL,
	  NULL, "" },
	{ "an_argument_is_a_value_of_the_input",
	  "{\"program\":\"printf\",\"args\":[\"[\\\"%s\\\",\\\"%s\\\"]\",\"{$.a}\",\"scale={$.size.width}:-2\"]}",
	  "{\"a\":\"x y\",\"size\":{\"width\":640}}", TASK_SUCCEEDED, "[\"x y\",\"scale=640:-2\"]", NULL, NULL, NULL },
	{ "an_array_becomes_several_arguments",
	  "{\"program\":\"printf\",\"output\":\"text\",\"args\":[\"<%s>\",\"{$.list}\",\"{$.nothing}\",\"end\"]}",
	  "{\"list\":[\"a\",2,true,{\"k\":[]}],\"nothing\":null}", TASK_SUCCEEDED,
	  "\"<a><2><true><{\\\"k\\\":[]}><end>\"", NULL, NULL, NULL },
	{ "no_shell_sees_an_argument", "{\"program\":\"printf\",\"output\":\"text\",\"args\":[\"%s\",\"{$}\"]}",
	  "\"$(id); `id` > /tmp/x *\"", TASK_SUCCEEDED, "\"$(id); `id` > /tmp/x *\"", NULL, NULL, NULL },
	{ "text_output_loses_one_newline", "{\"program\":\"printf\",\"output\":\"text\",\"args\":[\"a\\\\n\\\\n\"]}",
	  "{}", TASK_SUCCEEDED, "\"a\\n\"", NULL, NULL, NULL },
	{ "printing_nothing_is_null", "{\"program\":\"true\"}", "{}", TASK_SUCCEEDED, "null", NULL, NULL, NULL },
	{ "text_output_that_is_not_utf8_is_repaired",
	  "{\"program\":\"printf\",\"output\":\"text\",\"args\":[\"a\\\\377b\"]}", "{}", TASK_SUCCEEDED,
	  "\"a\xef\xbf\xbd"
	  "b\"",
	  NULL, NULL, NULL },
	{ "rubbish_is_invalid_output", "{\"program\":\"echo\",\"args\":[\"{rubbish\"]}", "{}", TASK_FAILED, NULL,
	  "Exec.InvalidOutput", "not JSON", NULL },
	{ "binary_rubbish_is_invalid_output", "{\"program\":\"head\",\"args\":[\"-c\",\"1000\",\"/bin/sh\"]}", "{}",
	  TASK_FAILED, NULL, "Exec.InvalidOutput", "not JSON", NULL },
	{ "an_exit_status_is_an_error", "{\"program\":\"sh\",\"args\":[\"-c\",\"echo no such codec >&2; exit 7\"]}",
	  "{}", TASK_FAILED, NULL, "Exec.Exit.7", "p exited with status 7.\nno such codec", "no such codec\n" },
	{ "an_exit_status_can_have_a_name",
	  "{\"program\":\"sh\",\"args\":[\"-c\",\"exit 3\"],\"errors\":{\"3\":\"Media.BadInput\"}}", "{}", TASK_FAILED,
	  NULL, "Media.BadInput", "p exited with status 3.", NULL },
	{ "a_signal_is_an_error", "{\"program\":\"sh\",\"args\":[\"-c\",\"kill -SEGV $$\"]}", "{}", TASK_FAILED, NULL,
	  "Exec.Signal.SEGV", "signal 11", NULL },
	{ "a_kill_is_an_error", "{\"program\":\"sh\",\"args\":[\"-c\",\"kill -9 $$\"]}", "{}", TASK_FAILED, NULL,
	  "Exec.Signal.KILL", "KILL", NULL },
	{ "a_missing_program_does_not_start", "{\"program\":\"no-such-program-at-all\"}", "{}", TASK_START_FAILED, NULL,
	  "Exec.StartFailed", "No such file or directory: no-such-program-at-all", NULL },
	{ "a_missing_path_does_not_start", "{\"program\":\"/no/such/program\"}", "{}", TASK_START_FAILED, NULL,
	  "Exec.StartFailed", "/no/such/program", NULL },
	{ "a_file_that_is_no_program_does_not_start", "{\"program\":\"/etc/passwd\"}", "{}", TASK_START_FAILED, NULL,
	  "Exec.StartFailed", "Permission denied", NULL },
	{ "a_missing_folder_does_not_start", "{\"program\":\"true\",\"cwd\":\"/no/such/folder\"}", "{}",
	  TASK_START_FAILED, NULL, "Exec.StartFailed", "folder cannot be entered", NULL },
	{ "a_program_that_does_not_read_its_input_is_fine",
	  "{\"program\":\"sh\",\"args\":[\"-c\",\"exec 0<&-; echo 1\"]}", "{\"a\":1}", TASK_SUCCEEDED, "1", NULL, NULL,
	  NULL },
	{ "the_environment_is_small_and_known",
	  "{\"program\":\"sh\",\"output\":\"text\",\"args\":[\"-c\",\"env | cut -d= -f1 | grep -v -x -e PWD -e SHLVL "
	  "-e _ -e OLDPWD -e TMPDIR | sort | tr '\\\\n' ' '\"],"
	  "\"env\":{\"MY_KEY\":\"v\"}}",
	  "{}", TASK_SUCCEEDED,
	  "\"HOME LANG MY_KEY PATH RATCHET_ATTEMPT RATCHET_EXECUTION_ARN RATCHET_IDEMPOTENCY_KEY RATCHET_STATE "
	  "RATCHET_WORKDIR \"",
	  NULL, NULL, NULL },
	{ "the_task_is_in_the_environment",
	  "{\"program\":\"sh\",\"output\":\"text\",\"args\":[\"-c\",\"echo $RATCHET_STATE $RATCHET_IDEMPOTENCY_KEY "
	  "$RATCHET_ATTEMPT\"]}",
	  "{}", TASK_SUCCEEDED, "\"Probe x-7-1 0\"", NULL, NULL, NULL },
	{ "secrets_come_from_the_environment",
	  "{\"program\":\"sh\",\"output\":\"text\",\"args\":[\"-c\",\"echo "
	  "$KEY\"],\"env\":{\"KEY\":{\"env\":\"TEST_SECRET\"}}}",
	  "{}", TASK_SUCCEEDED, "\"s3cr3t\"", NULL, NULL, NULL },
	{ "the_work_folder_is_the_current_one",
	  "{\"program\":\"sh\",\"output\":\"text\",\"args\":[\"-c\",\"test \\\"$PWD\\\" = \\\"$RATCHET_WORKDIR\\\" && "
	  "echo same\"]}",
	  "{}", TASK_SUCCEEDED, "\"same\"", NULL, NULL, NULL },
	{ "only_three_descriptors_and_the_lock_are_open",
	  "{\"program\":\"sh\",\"args\":[\"-c\",\"n=0; for f in /proc/$$/fd/*; do test -e $f && n=$((n+1)); done; echo "
	  "$n\"]}",
	  "{}", TASK_SUCCEEDED, "4", NULL, NULL, NULL },
	{ "stderr_that_is_not_utf8_is_repaired",
	  "{\"program\":\"sh\",\"args\":[\"-c\",\"printf 'a\\\\377\\\\300\\\\200b\\\\n' >&2; exit 1\"]}", "{}",
	  TASK_FAILED, NULL, "Exec.Exit.1",
	  "a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"
	  "b",
	  "a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"
	  "b\n" },
	{ "a_last_line_without_newline_counts", "{\"program\":\"sh\",\"args\":[\"-c\",\"printf 'one\\\\rtwo' >&2\"]}",
	  "{}", TASK_SUCCEEDED, "null", NULL, NULL, "one\ntwo\n" },
	{ "background_children_end_with_their_program",
	  "{\"program\":\"sh\",\"args\":[\"-c\",\"sleep 1000 & setsid sleep 1000 & echo 1\"]}", "{}", TASK_SUCCEEDED,
	  "1", NULL, NULL, NULL },
	{ "timeout_s_ends_it", "{\"program\":\"sleep\",\"args\":[\"1000\"],\"timeout_s\":0.2}", "{}", TASK_TIMED_OUT,
	  NULL, "States.Timeout", "timeout_s of 0.2 seconds", NULL },
	{ "timeout_s_ends_a_whole_tree",
	  "{\"program\":\"sh\",\"args\":[\"-c\",\"setsid sh -c 'sleep 1000; sleep 1000' & sleep "
	  "1000\"],\"timeout_s\":0.2}",
	  "{}", TASK_TIMED_OUT, NULL, "States.Timeout", "timeout_s", NULL },
	{ "a_stopped_program_ends_too", "{\"program\":\"sh\",\"args\":[\"-c\",\"kill -STOP $$\"],\"timeout_s\":0.2}",
	  "{}", TASK_TIMED_OUT, NULL, "States.Timeout", "", NULL },
	/* The lower half: above are real-time signals, two of which posix_spawn leaves ignored. */
	{ "signals_are_at_their_defaults",
	  "{\"program\":\"sh\",\"output\":\"text\",\"args\":[\"-c\",\"grep -E 'SigIgn|SigBlk' /proc/self/status | cut "
	  "-c 18- | tr '\\\\n' ' '\"]}",
	  "{}", TASK_SUCCEEDED, "\"0000000 0000000 \"", NULL, NULL, NULL },
};

static void a_program_ends_as_its_row_says(void **state)
{
	const struct row *row = *state;
	_cleanup_free_ char *config = mem_printf("{\"p\":%s}", row->program);
	struct harness *harness = begin(config);
	const struct report *report = harness_run(harness, "exec", "p", row->input);
	if (report->end != row->end)
		fail_msg("ended %d: %s %s %s", (int)report->end, report->output, report->error, report->cause);
	if (row->output)
		assert_string_equal(report->output, row->output);
	if (row->error)
		assert_string_equal(report->error, row->error);
	if (row->cause)
		assert_text_contains(report->cause, row->cause);
	if (row->log)
		assert_string_equal(harness->log.data ? harness->log.data : "", row->log);
	assert_int_equal(running(harness), 0);
	_cleanup_free_ char *locks = in_folder(harness, "locks");
	assert_int_equal(files_in(locks), 0);
	end(harness);
}

/* ---- what needs more than a row */

static void progress_and_heartbeats_come_from_stderr(void **state)
{
	struct harness *harness = begin_script("echo working >&2; sleep 0.1; echo '{\"progress\":0.25}' >&2; sleep "
					       "0.1; echo '{\"progress\":7}' >&2; exit 1",
					       "");
	const struct report *report = harness_run(harness, "exec", "p", "{}");
	assert_true(harness->progress == 0.25);
	assert_true(harness->heartbeats >= 2);
	assert_int_equal(harness->lines, 3);
	assert_text_contains(report->cause, "working");
	assert_null(strstr(report->cause, "progress"));
	end(harness);
}

static void output_up_to_the_limit_arrives_whole(void **state)
{
	struct harness *harness = begin_script("head -c 262144 /dev/zero | tr '\\0' x", ",\"output\":\"text\"");
	const struct report *report = harness_run(harness, "exec", "p", "{}");
	assert_int_equal(report->end, TASK_SUCCEEDED);
	assert_int_equal(strlen(report->output), 262144 + 2);
	end(harness);
}

static void output_above_the_limit_ends_the_program(void **state)
{
	struct harness *harness =
	    begin_script("trap '' TERM PIPE; while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done", "");
	const struct report *report = harness_run(harness, "exec", "p", "{}");
	assert_string_equal(report->error, "Exec.OutputTooLarge");
	assert_text_contains(report->cause, "262144");
	end(harness);
}

static void a_flood_on_stderr_is_bounded(void **state)
{
	struct harness *harness =
	    begin_script("head -c 20000000 /dev/zero | tr '\\0' y >&2; echo the end >&2; exit 1", "");
	const struct report *report = harness_run(harness, "exec", "p", "{}");
	assert_string_equal(report->error, "Exec.Exit.1");
	assert_true(strlen(report->cause) < 4096 + 100);
	assert_text_contains(report->cause, "the end");
	end(harness);
}

static void a_large_input_is_read_whole(void **state)
{
	struct harness *harness = begin("{\"p\":{\"program\":\"wc\",\"args\":[\"-c\"]}}");
	size_t size = 8 << 20;
	char *input = mem_alloc(size + 3);
	memset(input, 'a', size + 2);
	input[0] = input[size + 1] = '"';
	input[size + 2] = 0;
	const struct report *report = harness_run(harness, "exec", "p", input);
	_cleanup_free_ char *expected = mem_printf("%zu", size + 3);
	assert_string_equal(report->output, expected);
	free(input);
	end(harness);
}

static void an_argument_without_its_value_is_refused_at_once(void **state)
{
	struct harness *harness = begin("{\"p\":{\"program\":\"echo\",\"args\":[\"{$.a.b[1]}\"]}}");
	static const char *const inputs[] = { "{}", "{\"a\":null}", "{\"a\":{\"b\":[0]}}", "[]",
					      "{\"a\":{\"b\":[0,\"x\\u0000y\"]}}" };
	for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++) {
		_cleanup_(value_unrefp) struct value *input = harness_json(inputs[i]);
		struct task_request request = harness_request(1, "exec", "p", input);
		struct wf_error err = { 0 };
		assert_int_equal(harness->connector->class->start(harness->connector, &request, &err), ERR(INVALID));
		assert_text_contains(err.message, "$.a.b[1]");
	}
	assert_int_equal(running(harness), 0);
	end(harness);
}

static void a_missing_secret_is_refused_without_its_value(void **state)
{
	struct harness *harness = begin("{\"p\":{\"program\":\"true\",\"env\":{\"A\":{\"file\":\"/no/such/"
					"file\"}}},\"q\":{\"program\":\"true\",\"env\":{\"A\":{\"secret\":\"x\"}}}}");
	_cleanup_(value_unrefp) struct value *input = harness_json("{}");
	struct task_request request = harness_request(1, "exec", "p", input);
	struct wf_error err = { 0 };
	assert_true(harness->connector->class->start(harness->connector, &request, &err) < 0);
	assert_text_contains(err.message, "/no/such/file");
	request.api = STR("q");
	assert_int_equal(harness->connector->class->start(harness->connector, &request, &err), ERR(UNSUPPORTED));
	end(harness);
}

static void a_mistake_in_the_configuration_is_named(void **state)
{
	static const struct {
		const char *config, *where;
	} cases[] = {
		{ "{\"p\":{}}", "/p" },
		{ "{\"p\":{\"program\":\"\"}}", "/p/program" },
		{ "{\"p\":{\"program\":\"x\",\"argz\":[]}}", "/p/argz" },
		{ "{\"p\":{\"program\":\"x\",\"args\":[\"a\",1]}}", "/p/args/1" },
		{ "{\"p\":{\"program\":\"x\",\"args\":[\"{$.a\"]}}", "/p/args/0" },
		{ "{\"p\":{\"program\":\"x\",\"args\":[\"{$x}\"]}}", "/p/args/0" },
		{ "{\"p\":{\"program\":\"x\",\"args\":[\"{$.a[}\"]}}", "/p/args/0" },
		{ "{\"p\":{\"program\":\"x\",\"env\":{\"A=B\":\"x\"}}}", "/p/env/A=B" },
		{ "{\"p\":{\"program\":\"x\",\"env\":{\"A\":{\"file\":\"a\",\"env\":\"b\"}}}}", "/p/env/A" },
		{ "{\"p\":{\"program\":\"x\",\"timeout_s\":0}}", "/p/timeout_s" },
		{ "{\"p\":{\"program\":\"x\",\"timeout_s\":1e300}}", "/p/timeout_s" },
		{ "{\"p\":{\"program\":\"x\",\"max_concurrent\":0}}", "/p/max_concurrent" },
		{ "{\"p\":{\"program\":\"x\",\"output\":\"xml\"}}", "/p/output" },
		{ "{\"p\":{\"program\":\"x\",\"errors\":{\"0\":\"A\"}}}", "/p/errors/0" },
		{ "{\"p\":{\"program\":\"x\",\"errors\":{\"1\":\"States.ALL\"}}}", "/p/errors/1" },
		{ "{\"a b\":{\"program\":\"x\"}}", "/a b" },
		{ "[]", "" },
	};
	struct harness *harness = mem_alloc(sizeof *harness);
	harness_setup(harness);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		_cleanup_(value_unrefp) struct value *config = harness_json(cases[i].config);
		struct wf_error err = { 0 };
		struct connector *connector = NULL;
		assert_int_equal(connector_exec_new(&harness->host, config, NULL, &connector, &err), ERR(INVALID));
		assert_string_equal(err.where, cases[i].where);
		assert_null(connector);
	}
	end(harness);
}

static void no_more_than_max_concurrent_run_and_the_rest_come_in_order(void **state)
{
	struct harness *harness =
	    begin_script("echo $(date +%s%N) >>order; sleep 0.05; head -c 100 >>inputs", ",\"max_concurrent\":2");
	for (int i = 1; i <= 9; i++) {
		char input[8];
		snprintf(input, sizeof input, "%d", i);
		harness_start(harness, "exec", (uint64_t)i, "p", input);
		assert_true(running(harness) <= 2);
	}
	cancel(harness, 8); /* one that waits: gone at once */
	for (unsigned done = 1; done <= 8; done++) {
		harness_wait(harness, done);
		assert_true(running(harness) <= 2);
	}
	assert_null(harness_report(harness, 8));
	for (unsigned i = 0; i < 8; i++) {
		uint64_t place = harness->reports[i].key.event_id;
		assert_true(place <= i + 3); /* two at a time: nobody overtakes by more than one */
	}
	_cleanup_free_ char *inputs = in_folder(harness, "inputs");
	FILE *file = fopen(inputs, "re");
	int sum = 0, number;
	while (fscanf(file, "%d", &number) == 1)
		sum += number;
	fclose(file);
	assert_int_equal(sum, 45 - 8);
	end(harness);
}

static void a_task_that_waits_for_its_place_has_a_heartbeat(void **state)
{
	struct harness *harness = begin_script("sleep 1.5", ",\"max_concurrent\":1");
	harness_start(harness, "exec", 1, "p", "1");
	harness_start(harness, "exec", 2, "p", "2");
	harness_wait(harness, 1);
	assert_true(harness->heartbeats >= 1); /* the script says nothing: it was for the second */
	cancel(harness, 2);
	end(harness);
}

static void cancel_ends_a_program_and_its_children(void **state)
{
	struct harness *harness =
	    begin_script("sleep 1000 & echo $! >child; setsid sleep 1000 & echo $! >daemon; echo $$ >shell; wait",
			 ",\"max_concurrent\":1");
	harness_start(harness, "exec", 1, "p", "{}");
	_cleanup_free_ char *shell_file = in_folder(harness, "shell"), *child_file = in_folder(harness, "child"),
			    *daemon_file = in_folder(harness, "daemon");
	int shell = (int)harness_await_number(harness, shell_file),
	    child = (int)harness_await_number(harness, child_file),
	    daemon = (int)harness_await_number(harness, daemon_file);
	assert_true(process_is_alive(shell) && process_is_alive(child) && process_is_alive(daemon));
	cancel(harness, 1);
	cancel(harness, 1);
	assert_true(test_loop_until(harness->host.loop, none_runs, harness, 4000));
	assert_false(process_is_alive(shell) || process_is_alive(child) || process_is_alive(daemon));
	assert_int_equal(harness->reports_count, 0);
	end(harness);
}

static void a_program_that_ignores_sigterm_is_killed_after_the_grace(void **state)
{
	struct harness *harness = begin_script("trap '' TERM; echo $$ >shell; while :; do sleep 1; done", "");
	harness_start(harness, "exec", 1, "p", "{}");
	_cleanup_free_ char *shell_file = in_folder(harness, "shell");
	int shell = (int)harness_await_number(harness, shell_file);
	long long begun = monotonic_ms();
	cancel(harness, 1);
	assert_true(test_loop_until(harness->host.loop, none_runs, harness, GUARD_GRACE_MS + 3000));
	assert_in_range(monotonic_ms() - begun, GUARD_GRACE_MS - 100, GUARD_GRACE_MS + 2000);
	assert_false(process_is_alive(shell));
	end(harness);
}

static void the_same_command_waits_until_the_cancelled_one_is_gone(void **state)
{
	/* The first takes a second to end; the retry writes its line only when the first has written its last. */
	struct harness *harness = begin_script("if test -e begun; then echo second >>order; echo 2; exit; fi; trap "
					       "'sleep 1; echo first >>order; exit 1' TERM; "
					       "echo $$ >begun; while :; do sleep 0.01; done",
					       ",\"max_concurrent\":4");
	harness_start(harness, "exec", 1, "p", "{}");
	_cleanup_free_ char *begun = in_folder(harness, "begun"), *order = in_folder(harness, "order");
	harness_await_number(harness, begun);
	cancel(harness, 1);
	harness_start(harness, "exec", 2, "p", "{}");
	harness_start(harness, "exec", 3, "p", "{}");
	cancel(harness, 3);
	harness_wait(harness, 1);
	assert_string_equal(harness_report(harness, 2)->output, "2");
	char lines[32] = "";
	FILE *file = fopen(order, "re");
	assert_true(fread(lines, 1, sizeof lines - 1, file) > 0);
	fclose(file);
	assert_string_equal(lines, "first\nsecond\n");
	unlink(begun);
	harness_start(harness, "exec", 4, "p", "{}");
	harness_await_number(harness, begun);
	cancel(harness, 4);
	harness_start(harness, "exec", 5, "p", "{}"); /* freed while it waits */
	end(harness);
}

static void a_program_that_does_not_hand_over_to_the_guard_is_found_out(void **state)
{
	struct harness *harness = begin("{\"p\":{\"program\":\"true\"}}");
	setenv("RATCHET_GUARD_PROGRAM", "/no/such/ratchet", 1);
	_cleanup_(value_unrefp) struct value *input = harness_json("{}");
	struct task_request request = harness_request(1, "exec", "p", input);
	struct wf_error err = { 0 };
	assert_true(harness->connector->class->start(harness->connector, &request, &err) < 0);
	assert_text_contains(err.message, "guard of exec tasks");
	setenv("RATCHET_GUARD_PROGRAM", "/bin/true", 1); /* takes nothing and goes */
	if (harness->connector->class->start(harness->connector, &request, &err) == 0) {
		harness_wait(harness, 1);
		assert_string_equal(harness->reports[0].error, "Exec.GuardLost");
	}
	unsetenv("RATCHET_GUARD_PROGRAM");
	end(harness);
	harness = begin("{\"p\":{\"program\":\"true\"}}");
	setenv("RATCHET_EXEC_GUARD", "1", 1);
	assert_int_equal(harness->connector->class->start(harness->connector, &request, &err), ERR(INTERNAL));
	unsetenv("RATCHET_EXEC_GUARD");
	end(harness);
}

static void cancel_works_before_the_program_runs(void **state)
{
	struct harness *harness = begin("{\"p\":{\"program\":\"sleep\",\"args\":[\"1000\"],\"max_concurrent\":50}}");
	for (uint64_t i = 1; i <= 50; i++) {
		harness_start(harness, "exec", i, "p", "{}");
		cancel(harness, i);
	}
	assert_true(test_loop_until(harness->host.loop, none_runs, harness, 10000));
	assert_int_equal(harness->reports_count, 0);
	end(harness);
}

static void freeing_the_connector_ends_everything(void **state)
{
	struct harness *harness =
	    begin_script("trap '' TERM; echo $$ >shell; setsid sleep 1000 & echo $! >daemon; wait; sleep 1000",
			 ",\"max_concurrent\":1");
	harness_start(harness, "exec", 1, "p", "{}");
	harness_start(harness, "exec", 2, "p", "{}");
	_cleanup_free_ char *shell_file = in_folder(harness, "shell"), *daemon_file = in_folder(harness, "daemon");
	int shell = (int)harness_await_number(harness, shell_file),
	    daemon = (int)harness_await_number(harness, daemon_file);
	harness->connector->class->free(harness->connector);
	harness->connector = NULL;
	assert_false(process_is_alive(shell) || process_is_alive(daemon));
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no child of ours is left, not even a zombie */
	end(harness);
}

/* ---- crashes */

/* A process that stands for an engine: runs one task until it is killed. */
static pid_t fork_engine(const char *folder, const char *script)
{
	pid_t pid = fork();
	if (pid)
		return pid;
	struct harness *harness = mem_alloc(sizeof *harness);
	harness_setup(harness);
	rmdir(harness->folder);
	strcpy(harness->folder, folder);
	_cleanup_(buffer_done) struct buffer config = { 0 };
	buffer_addz(&config, "{\"p\":{\"program\":\"sh\",\"args\":[\"-c\",");
	value_write_string(str_of(script), &config);
	buffer_addz(&config, "]}}");
	make_connector(harness, config.data);
	harness_start(harness, "exec", 1, "p", "{}");
	for (;;)
		test_loop_for(harness->host.loop, 1000);
}

static bool all_gone(const int *pids, size_t count, int64_t within_ms)
{
	for (long long end = monotonic_ms() + within_ms; monotonic_ms() < end; usleep(2000)) {
		bool alive = false;
		for (size_t i = 0; i < count; i++)
			alive |= process_is_alive(pids[i]);
		if (!alive)
			return true;
	}
	return false;
}

static void nothing_survives_an_engine_that_is_killed(void **state)
{
	for (int round = 0; round < 5; round++) {
		struct harness *harness = begin("{}");
		pid_t engine = fork_engine(harness->folder, "trap '' TERM HUP INT; sleep 1000 & echo $! >child; setsid "
							    "sleep 1000 & echo $! >daemon; echo $$ >shell; wait; wait");
		_cleanup_free_ char *shell = in_folder(harness, "shell"), *child = in_folder(harness, "child"),
				    *daemon = in_folder(harness, "daemon");
		int pids[] = { (int)harness_await_number(harness, shell), (int)harness_await_number(harness, child),
			       (int)harness_await_number(harness, daemon) };
		kill(engine, SIGKILL);
		assert_int_equal(waitpid(engine, NULL, 0), engine);
		assert_true(all_gone(pids, 3, 3000));
		end(harness);
	}
}

static void a_task_that_runs_again_waits_for_the_old_one(void **state)
{
	/* The two runs write into one file; if they ever overlapped, lines of both would mix. */
	const char *script = "echo $$ >>order; for i in 1 2 3 4 5; do echo $$ >>order; sleep 0.05; done; echo 1";
	struct harness *harness = begin_script(script, "");
	pid_t engine = fork_engine(harness->folder,
				   "trap '' TERM; echo $$ >first; while :; do echo $$ >>order; sleep 0.005; done");
	_cleanup_free_ char *first = in_folder(harness, "first"), *order = in_folder(harness, "order");
	int old = (int)harness_await_number(harness, first);
	harness_start(harness, "exec", 1, "p", "{}"); /* while the old engine still lives */
	test_loop_for(harness->host.loop, 300);
	assert_text_contains(harness->log.data, "waiting for an earlier run");
	assert_int_equal(harness->reports_count, 0);
	kill(engine, SIGKILL);
	assert_int_equal(waitpid(engine, NULL, 0), engine);
	harness_wait(harness, 1);
	assert_int_equal(harness_report(harness, 1)->end, TASK_SUCCEEDED);
	FILE *file = fopen(order, "re");
	int pid, changes = 0, last = old, lines = 0;
	while (fscanf(file, "%d", &pid) == 1) {
		changes += pid != last;
		last = pid;
		lines++;
	}
	fclose(file);
	assert_true(lines > 6);
	assert_int_equal(changes, 1);
	end(harness);
}

static void a_task_that_waits_for_the_lock_can_be_cancelled(void **state)
{
	struct harness *harness = begin("{\"p\":{\"program\":\"true\"}}");
	_cleanup_free_ char *lock = in_folder(harness, "locks/7-1.lock");
	int fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0 && flock(fd, LOCK_EX) == 0);
	harness_start(harness, "exec", 1, "p", "{}");
	test_loop_for(harness->host.loop, 100);
	assert_int_equal(running(harness), 1);
	cancel(harness, 1);
	assert_true(test_loop_until(harness->host.loop, none_runs, harness, 3000));
	close(fd);
	end(harness);
}

static int parent_of(int pid)
{
	char path[64];
	int parent = -1;
	snprintf(path, sizeof path, "/proc/%d/stat", pid);
	FILE *file = fopen(path, "re");
	assert_non_null(file);
	assert_int_equal(fscanf(file, "%*d (%*[^)]) %*c %d", &parent), 1);
	fclose(file);
	return parent;
}

static void a_killed_guard_is_reported_and_takes_its_program_along(void **state)
{
	struct harness *harness = begin_script("sleep 1000 & echo $! >child; echo $$ >shell; exec sleep 1000", "");
	harness_start(harness, "exec", 1, "p", "{}");
	_cleanup_free_ char *shell = in_folder(harness, "shell"), *child = in_folder(harness, "child");
	int pids[] = { (int)harness_await_number(harness, shell), (int)harness_await_number(harness, child) };
	kill(parent_of(pids[0]), SIGKILL);
	harness_wait(harness, 1);
	assert_string_equal(harness_report(harness, 1)->error, "Exec.GuardLost");
	assert_true(all_gone(pids, 2, 2000));
	end(harness);
}

static void a_killed_spawner_is_replaced(void **state)
{
	struct harness *harness = begin_script("echo $$ >shell; sleep 0.5; echo 1", "");
	harness_start(harness, "exec", 1, "p", "{}");
	_cleanup_free_ char *shell = in_folder(harness, "shell");
	int program = (int)harness_await_number(harness, shell);
	kill(parent_of(parent_of(program)), SIGKILL);
	test_loop_for(harness->host.loop, 50);
	assert_int_equal(harness_run(harness, "exec", "p", "{}")->end, TASK_SUCCEEDED);
	harness_wait(harness, 2);
	assert_int_equal(harness_report(harness, 1)->end, TASK_SUCCEEDED); /* the guard did not need the spawner */
	end(harness);
}

static void a_thousand_programs_leave_nothing_behind(void **state)
{
	struct harness *harness = begin("{\"p\":{\"program\":\"true\",\"max_concurrent\":8}}");
	harness_run(harness, "exec", "p", "{}");
	int before = count_fds();
	long long begun = monotonic_ms();
	for (uint64_t i = 1; i <= 999; i++)
		harness_start(harness, "exec", i, "p", "{\"a\":1}");
	harness_wait(harness, 1000);
	print_message("1000 programs in %lld ms\n", monotonic_ms() - begun);
	assert_int_equal(running(harness), 0);
	assert_int_equal(count_fds(), before);
	for (unsigned i = 0; i < 1000; i++)
		assert_int_equal(harness->reports[i].end, TASK_SUCCEEDED);
	end(harness);
}

#define ROWS (sizeof rows / sizeof *rows)

int main(int argc, char **argv)
{
	if (exec_guard_wanted(argc, argv))
		exec_guard_main(argc, argv);
	setenv("TEST_SECRET", "s3cr3t", 1);
	signal(SIGPIPE, SIG_IGN); /* as the engine does */
	const struct CMUnitTest others[] = {
		cmocka_unit_test(progress_and_heartbeats_come_from_stderr),
		cmocka_unit_test(output_up_to_the_limit_arrives_whole),
		cmocka_unit_test(output_above_the_limit_ends_the_program),
		cmocka_unit_test(a_flood_on_stderr_is_bounded),
		cmocka_unit_test(a_large_input_is_read_whole),
		cmocka_unit_test(an_argument_without_its_value_is_refused_at_once),
		cmocka_unit_test(a_missing_secret_is_refused_without_its_value),
		cmocka_unit_test(a_mistake_in_the_configuration_is_named),
		cmocka_unit_test(no_more_than_max_concurrent_run_and_the_rest_come_in_order),
		cmocka_unit_test(a_task_that_waits_for_its_place_has_a_heartbeat),
		cmocka_unit_test(cancel_ends_a_program_and_its_children),
		cmocka_unit_test(a_program_that_ignores_sigterm_is_killed_after_the_grace),
		cmocka_unit_test(the_same_command_waits_until_the_cancelled_one_is_gone),
		cmocka_unit_test(a_program_that_does_not_hand_over_to_the_guard_is_found_out),
		cmocka_unit_test(cancel_works_before_the_program_runs),
		cmocka_unit_test(freeing_the_connector_ends_everything),
		cmocka_unit_test(nothing_survives_an_engine_that_is_killed),
		cmocka_unit_test(a_task_that_runs_again_waits_for_the_old_one),
		cmocka_unit_test(a_task_that_waits_for_the_lock_can_be_cancelled),
		cmocka_unit_test(a_killed_guard_is_reported_and_takes_its_program_along),
		cmocka_unit_test(a_killed_spawner_is_replaced),
		cmocka_unit_test(a_thousand_programs_leave_nothing_behind),
	};
	struct CMUnitTest tests[ROWS + sizeof others / sizeof *others];
	for (size_t i = 0; i < ROWS; i++)
		tests[i] = (struct CMUnitTest){ .name = rows[i].name,
						.test_func = a_program_ends_as_its_row_says,
						.initial_state = (void *)&rows[i] };
	memcpy(tests + ROWS, others, sizeof others);
	return cmocka_run_group_tests_name("exec", tests, NULL, NULL);
}
