/* The lambda connector against a server that speaks the Invoke API. */
#include "base/mem.h"
#include "tests/connectors/harness.h"
#include "tests/connectors/server.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static struct server server;
#define ARN "arn:aws:lambda:us-east-1:000000000000:function:"

static struct harness *begin_at(const char *endpoint, const char *config)
{
	struct harness *harness = mem_alloc(sizeof *harness);
	harness_setup(harness);
	_cleanup_(value_unrefp) struct value *value = config ? harness_json(config) : NULL;
	struct wf_error err = { 0 };
	if (connector_lambda_new(&harness->host, value, endpoint, &harness->connector, &err) < 0)
		fail_msg("%s (%s)", err.message, err.where);
	return harness;
}

static struct harness *begin(void)
{
	if (!server.port)
		skip();
	_cleanup_free_ char *endpoint = mem_printf("http://127.0.0.1:%d/", server.port);
	return begin_at(endpoint, NULL);
}

static void end(struct harness *harness)
{
	harness_teardown(harness);
	free(harness);
}

/* Runs a plain function ARN. */
static const struct report *run_arn(struct harness *harness, const char *arn, const char *input)
{
	_cleanup_(value_unrefp) struct value *value = harness_json(input);
	struct task_request request = harness_request(1 + harness->reports_count, "lambda", "", value);
	request.lambda_arn = true;
	request.resource_arn = str_of(arn);
	request.trace_parent = STR("00-abc-def-01");
	struct wf_error err = { 0 };
	if (harness->connector->class->start(harness->connector, &request, &err) < 0)
		fail_msg("%s", err.message);
	assert_null(harness_report(harness, request.key.event_id));
	harness_wait(harness, harness->reports_count + 1);
	return &harness->reports[harness->reports_count - 1];
}

/* What both ways of calling make of an answer. */
static const struct row {
	const char *name, *function;
	const char *error, *cause; /* of both; the cause to the letter, or a part of it after "…" */
} rows[] = {
	{ "a_function_that_fails_gives_its_error_and_its_answer_to_the_letter", "fails", "LuckError",
	  "{\"errorMessage\":\"no luck\",  \"errorType\":\"LuckError\"}" },
	{ "a_failure_without_a_name_is_unknown", "fails_unnamed", "Lambda.Unknown",
	  "{\"errorMessage\":\"timed out\"}" },
	{ "an_answer_that_is_not_json_is_unknown", "not_json", "Lambda.Unknown", "…not JSON" },
	{ "a_throttled_call_says_so", "throttled", "Lambda.TooManyRequestsException",
	  "Rate Exceeded. (Service: AWSLambda; Status Code: 429; Error Code: TooManyRequestsException; Request ID: ; "
	  "Proxy: null)" },
	{ "a_broken_service_says_so", "broken", "Lambda.ServiceException",
	  "oops (Service: AWSLambda; Status Code: 500; Error Code: ServiceException; Request ID: ; Proxy: null)" },
	{ "a_gateway_between_is_a_service_exception", "gateway", "Lambda.ServiceException",
	  "…<html>bad gateway</html>" },
	{ "other_refusals_keep_their_name", "denied", "Lambda.AccessDeniedException", "…Status Code: 403" },
	{ "an_answer_above_the_limit_is_a_data_limit", "large", "States.DataLimitExceeded",
	  "…returned a result with a size exceeding the maximum number of bytes service limit." },
};

static void assert_failed(const struct report *report, const struct row *row)
{
	assert_int_equal(report->end, TASK_FAILED);
	assert_string_equal(report->error, row->error);
	if (strncmp(row->cause, "…", strlen("…")) == 0)
		assert_text_contains(report->cause, row->cause + strlen("…"));
	else
		assert_string_equal(report->cause, row->cause);
}

static void a_call_fails_as_its_row_says(void **state)
{
	const struct row *row = *state;
	struct harness *harness = begin();
	_cleanup_free_ char *arn = mem_printf(ARN "%s", row->function);
	_cleanup_free_ char *parameters = mem_printf("{\"FunctionName\":\"%s\",\"Payload\":{}}", row->function);
	assert_failed(run_arn(harness, arn, "{}"), row);
	assert_failed(harness_run(harness, "lambda", "invoke", parameters), row);
	end(harness);
}

static void an_arn_gives_the_payload_itself(void **state)
{
	static const char *const inputs[] = { "{\"a\":[1.0,1E6]}", "\"text\"", "0.0", "null", "true", "[]" };
	struct harness *harness = begin();
	for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++)
		assert_string_equal(run_arn(harness, ARN "identity", inputs[i])->output, inputs[i]);
	end(harness);
}

static void an_arn_is_called_whole_with_its_version(void **state)
{
	struct harness *harness = begin();
	const struct report *report = run_arn(harness, ARN "where:PROD", "{}");
	assert_text_contains(report->output,
			     "/2015-03-31/functions/"
			     "arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3Awhere%3APROD/invocations");
	assert_text_contains(report->output, "00-abc-def-01");
	end(harness);
}

static void invoke_wraps_the_payload(void **state)
{
	static const struct {
		const char *payload, *expected; /* Payload in, Payload out */
	} cases[] = { { "{\"a\":1.0}", "{\"a\":1.0}" },
		      { "null", "{}" },
		      { "\"0.0\"", "0.0" },
		      { "\"true\"", "true" },
		      { "\"\\\"Hello\\\"\"", "\"Hello\"" },
		      { "\"Hello\"", "\"Hello\"" },
		      { "\"[]\"", "[]" },
		      { "[1,2]", "[1,2]" } };
	struct harness *harness = begin();
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		_cleanup_free_ char *parameters =
		    mem_printf("{\"FunctionName\":\"identity\",\"Payload\":%s}", cases[i].payload);
		const struct report *report = harness_run(harness, "lambda", "invoke", parameters);
		_cleanup_(value_unrefp) struct value *output = harness_json(report->output);
		_cleanup_(value_unrefp) struct value *expected = harness_json(cases[i].expected);
		assert_true(value_equal(value_getz(output, "Payload"), expected));
		_cleanup_free_ char *head = mem_printf(
		    "{\"ExecutedVersion\":\"$LATEST\",\"Payload\":%s,\"SdkHttpMetadata\":{\"AllHttpHeaders\":{",
		    cases[i].expected);
		assert_text_contains(report->output, head);
		assert_text_contains(report->output, "\"X-Amz-Executed-Version\":[\"$LATEST\"]");
		assert_text_contains(report->output, "\"HttpHeaders\":{");
		assert_text_contains(
		    report->output,
		    "\"HttpStatusCode\":200},\"SdkResponseMetadata\":{\"RequestId\":\"id-1\"},\"StatusCode\":200}");
	}
	end(harness);
}

static void invoke_passes_its_other_parameters_on(void **state)
{
	struct harness *harness = begin();
	assert_text_contains(
	    harness_run(harness, "lambda", "invoke",
			"{\"FunctionName\":\"where\",\"Qualifier\":\"a b\",\"ClientContext\":\"e30=\"}")
		->output,
	    "functions/where/invocations?Qualifier=a%20b\",\"context\":\"e30=\"");
	assert_text_contains(
	    harness_run(harness, "lambda", "invoke", "{\"FunctionName\":\"identity\",\"LogType\":\"Tail\"}")->output,
	    "\"LogResult\":\"U1RBUlQ=\"");
	const struct report *event =
	    harness_run(harness, "lambda", "invoke", "{\"FunctionName\":\"identity\",\"InvocationType\":\"Event\"}");
	assert_text_contains(event->output, "\"Payload\":\"\"");
	assert_text_contains(event->output, "\"StatusCode\":202");
	end(harness);
}

static void a_missing_function_is_not_found(void **state)
{
	struct harness *harness = begin();
	const struct report *report = run_arn(harness, ARN "nobody", "{}");
	assert_string_equal(report->error, "Lambda.ResourceNotFoundException");
	assert_string_equal(
	    report->cause,
	    "Function not found: " ARN
	    "nobody:$LATEST (Service: AWSLambda; Status Code: 404; Error Code: ResourceNotFoundException; "
	    "Request ID: id-2; Proxy: null)");
	end(harness);
}

static void without_an_endpoint_no_function_is_found(void **state)
{
	struct harness *harness = begin_at(NULL, NULL);
	assert_string_equal(run_arn(harness, ARN "identity", "{}")->error, "Lambda.ResourceNotFoundException");
	assert_string_equal(harness_run(harness, "lambda", "invoke", "{\"FunctionName\":\"identity\"}")->error,
			    "Lambda.ResourceNotFoundException");
	/* Cancelled before the loop's turn comes: no report. */
	harness_start(harness, "lambda", 99, "invoke", "{\"FunctionName\":\"identity\"}");
	harness->connector->class->cancel(harness->connector, (struct task_key){ 7, 99 });
	test_loop_for(harness->host.loop, 20);
	assert_null(harness_report(harness, 99));
	harness_start(harness, "lambda", 100, "invoke", "{\"FunctionName\":\"identity\"}");
	end(harness); /* freed while it waits */
}

static void no_answer_is_a_client_exception(void **state)
{
	struct harness *harness = begin_at("http://127.0.0.1:1", NULL);
	const struct report *report = run_arn(harness, ARN "identity", "{}");
	assert_string_equal(report->error, "Lambda.SdkClientException");
	assert_text_contains(report->cause, "Unable to execute HTTP request: ");
	end(harness);
}

static void a_function_that_is_too_slow_is_a_client_exception(void **state)
{
	if (!server.port)
		skip();
	_cleanup_free_ char *config =
	    mem_printf("{\"endpoint\":\"http://127.0.0.1:%d\",\"timeout_s\":0.2}", server.port);
	struct harness *harness = begin_at(NULL, config);
	assert_string_equal(run_arn(harness, ARN "slow", "{}")->error, "Lambda.SdkClientException");
	end(harness);
}

static void what_is_no_call_is_refused_at_once(void **state)
{
	static const char *const wrong[] = { "{}",
					     "[]",
					     "null",
					     "{\"FunctionName\":\"\"}",
					     "{\"FunctionName\":1}",
					     "{\"FunctionName\":\"identity\",\"ClientContext\":\"a\\r\\nb\"}" };
	struct harness *harness = begin();
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		_cleanup_(value_unrefp) struct value *value = harness_json(wrong[i]);
		struct task_request request = harness_request(1, "lambda", "invoke", value);
		struct wf_error err = { 0 };
		assert_int_equal(harness->connector->class->start(harness->connector, &request, &err), ERR(INVALID));
		assert_true(err.message[0]);
	}
	end(harness);
}

static void an_endpoint_that_is_no_url_is_refused(void **state)
{
	struct harness *harness = mem_alloc(sizeof *harness);
	harness_setup(harness);
	_cleanup_(value_unrefp) struct value *config = harness_json("{\"endpoint\":\"localhost:3001\"}");
	struct wf_error err = { 0 };
	struct connector *connector;
	assert_int_equal(connector_lambda_new(&harness->host, config, NULL, &connector, &err), ERR(INVALID));
	assert_string_equal(err.where, "/endpoint");
	end(harness);
}

#define ROWS (sizeof rows / sizeof *rows)

int main(void)
{
	signal(SIGPIPE, SIG_IGN); /* as the engine does */
	if (!server_start(&server, NULL, NULL)) {
		server.port = 0;
		printf("skipped: no python3 for the test server\n");
	}
	const struct CMUnitTest others[] = {
		cmocka_unit_test(an_arn_gives_the_payload_itself),
		cmocka_unit_test(an_arn_is_called_whole_with_its_version),
		cmocka_unit_test(invoke_wraps_the_payload),
		cmocka_unit_test(invoke_passes_its_other_parameters_on),
		cmocka_unit_test(a_missing_function_is_not_found),
		cmocka_unit_test(without_an_endpoint_no_function_is_found),
		cmocka_unit_test(no_answer_is_a_client_exception),
		cmocka_unit_test(a_function_that_is_too_slow_is_a_client_exception),
		cmocka_unit_test(what_is_no_call_is_refused_at_once),
		cmocka_unit_test(an_endpoint_that_is_no_url_is_refused),
	};
	struct CMUnitTest tests[ROWS + sizeof others / sizeof *others];
	for (size_t i = 0; i < ROWS; i++)
		tests[i] = (struct CMUnitTest){ .name = rows[i].name,
						.test_func = a_call_fails_as_its_row_says,
						.initial_state = (void *)&rows[i] };
	memcpy(tests + ROWS, others, sizeof others);
	int failed = cmocka_run_group_tests_name("lambda", tests, NULL, NULL);
	if (server.port)
		server_stop(&server);
	return failed;
}
