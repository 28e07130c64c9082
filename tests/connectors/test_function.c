/* The functions' connector, in its own process: what needs no server: settings, paths of the Runtime API, tasks that run here
 * or go on to the connector behind, cancelling, and that nothing is left. Handlers in other languages: tests/functions. */
#include "base/mem.h"
#include "connectors/function/codec.h"
#include "connectors/function/room.h"
#include "tests/connectors/harness.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define ARN "arn:aws:lambda:us-east-1:000000000000:function:"

static struct functions *functions;

static struct harness *begin(const char *config)
{
	struct harness *harness = mem_alloc(sizeof *harness);
	harness_setup(harness);
	_cleanup_(value_unrefp) struct value *value = harness_json(config);
	_cleanup_free_ char *folder = mem_printf("%s/functions", harness->folder);
	struct connector *behind;
	struct wf_error err = { 0 };
	assert_int_equal(connector_lambda_new(&harness->host, NULL, NULL, &behind, &err), 0);
	struct functions_options options = { .host = &harness->host,
					     .config = value,
					     .region = "us-east-1",
					     .account = "000000000000",
					     .folder = folder,
					     .next = behind };
	if (connector_function_new(&options, &functions, &harness->connector, &err) < 0)
		fail_msg("%s (%s)", err.message, err.where);
	return harness;
}

static void end(struct harness *harness)
{
	harness_teardown(harness);
	free(harness);
}

static void start(struct harness *harness, uint64_t id, const char *arn, const char *input)
{
	_cleanup_(value_unrefp) struct value *value = harness_json(input);
	struct task_request request = harness_request(id, "lambda", "", value);
	request.lambda_arn = true;
	request.resource_arn = str_of(arn);
	struct wf_error err = { 0 };
	if (harness->connector->class->start(harness->connector, &request, &err) < 0)
		fail_msg("%s", err.message);
	assert_null(harness_report(harness, id));
}

static const struct report *run(struct harness *harness, const char *arn, const char *input)
{
	uint64_t id = 1 + harness->reports_count;
	start(harness, id, arn, input);
	harness_wait(harness, harness->reports_count + 1);
	return harness_report(harness, id);
}

/* ---- tests --------------------------------------------------------------------------------------------- */

static void a_command_takes_the_event_and_gives_the_result(void **state)
{
	struct harness *harness = begin("{\"f\":{\"command\":\"cat; echo said >&2\"}}");
	const struct report *report = run(harness, ARN "f", "{\"a\":[1,2]}");
	assert_int_equal(report->end, TASK_SUCCEEDED);
	assert_string_equal(report->output, "{\"a\":[1,2]}");
	assert_text_contains(harness->log.data, "said");
	assert_true(harness->heartbeats > 0);
	end(harness);
}

static void a_function_that_is_not_here_goes_to_the_connector_behind(void **state)
{
	struct harness *harness = begin("{\"f\":{\"command\":\"cat\"}}");
	const struct report *report = run(harness, ARN "other", "{}");
	assert_string_equal(report->error, "Lambda.ResourceNotFoundException");
	end(harness);
}

static void an_unknown_qualifier_is_not_found(void **state)
{
	struct harness *harness = begin("{\"f\":{\"command\":\"cat\"}}");
	const struct report *report = run(harness, ARN "f:7", "{}");
	assert_string_equal(report->error, "Lambda.ResourceNotFoundException");
	assert_text_contains(report->cause, "function:f:7");
	assert_int_equal(run(harness, ARN "f:$LATEST", "{}")->end, TASK_SUCCEEDED);
	end(harness);
}

static void a_crash_has_lambdas_shape_and_the_end_of_what_was_printed(void **state)
{
	struct harness *harness = begin("{\"f\":{\"command\":\"echo why >&2; kill -SEGV $$\"}}");
	const struct report *report = run(harness, ARN "f", "{}");
	assert_int_equal(report->end, TASK_FAILED);
	assert_string_equal(report->error, "Runtime.ExitError");
	assert_text_contains(report->cause, "Error: Runtime exited with error: signal: segmentation fault");
	assert_text_contains(report->cause, "\"log\":\"why\\n\"");
	end(harness);
}

static void a_cancelled_task_is_not_reported_and_its_program_ends(void **state)
{
	char path[] = "/tmp/ratchet-test-XXXXXX";
	int fd = mkstemp(path);
	close(fd);
	_cleanup_free_ char *config = mem_printf("{\"f\":{\"command\":\"echo $$ > %s; sleep 600\",\"timeout_s\":600}}", path);
	struct harness *harness = begin(config);
	start(harness, 1, ARN "f", "{}");
	long pid = harness_await_number(harness, path);
	harness->connector->class->cancel(harness->connector, (struct task_key){ harness_request(1, "", "", NULL).key.execution_id, 1 });
	assert_int_equal(harness->connector->class->running(harness->connector), 0);
	for (int i = 0; i < 500 && process_is_alive((int)pid); i++)
		test_loop_for(harness->host.loop, 10);
	assert_false(process_is_alive((int)pid));
	assert_int_equal(harness->reports_count, 0);
	unlink(path);
	end(harness);
}

static void a_queued_task_can_be_cancelled(void **state)
{
	struct harness *harness = begin("{\"f\":{\"command\":\"sleep 0.3; echo 1\",\"max_concurrent\":1}}");
	start(harness, 1, ARN "f", "{}");
	start(harness, 2, ARN "f", "{}");
	start(harness, 3, ARN "f", "{}");
	harness->connector->class->cancel(harness->connector, (struct task_key){ harness_request(2, "", "", NULL).key.execution_id, 2 });
	harness_wait(harness, 2);
	assert_null(harness_report(harness, 2));
	assert_string_equal(harness_report(harness, 3)->output, "1");
	end(harness);
}

static void settings_are_checked_where_they_stand(void **state)
{
	static const struct {
		const char *config, *where;
	} rows[] = {
		{ "{\"f\":{\"comand\":\"x\"}}", "/f/comand" },
		{ "{\"f\":{\"command\":1}}", "/f/command" },
		{ "{\"f\":{\"command\":\"x\",\"timeout_s\":0}}", "/f/timeout_s" },
		{ "{\"f\":{\"command\":\"x\",\"env\":{\"A\":{\"nope\":1}}}}", "/f/env/A" },
		{ "{\"f\":{\"handler\":\"/nowhere/at/all\"}}", "/f/handler" },
		{ "{\"f\":{}}", "/f" },
		{ "{\"f\":[]}", "/f" },
		{ "{\"f g\":{\"command\":\"x\"}}", "/f g" },
		{ "{\"f\":{\"command\":\"x\",\"reserved\":9,\"max_concurrent\":2}}", "/f" },
		{ "{\"f\":{\"command\":\"x\",\"runtime\":\"cobol\"}}", "/f/runtime" },
	};
	struct harness *harness = mem_alloc(sizeof *harness);
	harness_setup(harness);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		_cleanup_(value_unrefp) struct value *value = harness_json(rows[i].config);
		struct functions_options options = {
			.host = &harness->host, .config = value, .region = "r", .account = "a", .folder = harness->folder
		};
		struct connector *connector;
		struct wf_error err = { 0 };
		assert_int_equal(connector_function_new(&options, &functions, &connector, &err), ERR(INVALID));
		assert_string_equal(err.where, rows[i].where);
		assert_true(*err.message);
	}
	harness->connector = NULL;
	struct connector *behind;
	assert_int_equal(connector_lambda_new(&harness->host, NULL, NULL, &behind, NULL), 0);
	harness->connector = behind;
	end(harness);
}

static void the_runtime_apis_paths_are_read(void **state)
{
	static const struct {
		const char *method, *path;
		enum runtime_call call;
		const char *id;
	} rows[] = {
		{ "GET", "/2018-06-01/runtime/invocation/next", RUNTIME_NEXT, "" },
		{ "POST", "/2018-06-01/runtime/invocation/next", RUNTIME_WRONG_METHOD, "" },
		{ "POST", "/2018-06-01/runtime/invocation/abc-1/response", RUNTIME_RESPONSE, "abc-1" },
		{ "POST", "/2018-06-01/runtime/invocation/abc-1/error", RUNTIME_ERROR, "abc-1" },
		{ "POST", "/2018-06-01/runtime/invocation//error", RUNTIME_UNKNOWN, "" },
		{ "POST", "/2018-06-01/runtime/invocation/a/b/error", RUNTIME_UNKNOWN, "" },
		{ "POST", "/2018-06-01/runtime/init/error", RUNTIME_INIT_ERROR, "" },
		{ "GET", "/2018-06-01/runtime/", RUNTIME_UNKNOWN, "" },
		{ "GET", "/2020-01-01/extension/register", RUNTIME_UNKNOWN, "" },
		{ "GET", "", RUNTIME_UNKNOWN, "" },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct str id;
		assert_int_equal(runtime_route(rows[i].method, rows[i].path, &id), rows[i].call);
		assert_true(str_eqz(id, rows[i].id));
	}
}

static void base64_goes_both_ways(void **state)
{
	_cleanup_(buffer_done) struct buffer text = { 0 }, back = { 0 }, bad = { 0 };
	encode_base64(STR("{\"custom\":1}"), &text);
	assert_string_equal(text.data, "eyJjdXN0b20iOjF9");
	assert_true(decode_base64(buffer_str(&text), &back));
	assert_string_equal(back.data, "{\"custom\":1}");
	assert_false(decode_base64(STR("*"), &bad));
}

int main(int argc, char **argv)
{
	if (exec_guard_wanted(argc, argv))
		exec_guard_main(argc, argv);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_command_takes_the_event_and_gives_the_result),
		cmocka_unit_test(a_function_that_is_not_here_goes_to_the_connector_behind),
		cmocka_unit_test(an_unknown_qualifier_is_not_found),
		cmocka_unit_test(a_crash_has_lambdas_shape_and_the_end_of_what_was_printed),
		cmocka_unit_test(a_cancelled_task_is_not_reported_and_its_program_ends),
		cmocka_unit_test(a_queued_task_can_be_cancelled),
		cmocka_unit_test(settings_are_checked_where_they_stand),
		cmocka_unit_test(the_runtime_apis_paths_are_read),
		cmocka_unit_test(base64_goes_both_ways),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
