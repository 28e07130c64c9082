/* The http connector and its client against a real server. */
#include "base/mem.h"
#include "connectors/http/client.h"
#include "connectors/http/encode.h"
#include "tests/connectors/harness.h"
#include "tests/connectors/server.h"
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static struct server server;

static struct harness *begin(const char *config)
{
	if (!server.port)
		skip();
	struct harness *harness = mem_alloc(sizeof *harness);
	harness_setup(harness);
	_cleanup_(value_unrefp) struct value *value = config ? harness_json(config) : NULL;
	struct wf_error err = { 0 };
	if (connector_http_new(&harness->host, value, &harness->connector, &err) < 0)
		fail_msg("%s (%s)", err.message, err.where);
	return harness;
}

static void end(struct harness *harness)
{
	harness_teardown(harness);
	free(harness);
}

/* The parameters with "URL" before a slash replaced by the server's. */
static char *parameters(const char *text, int port)
{
	_cleanup_(buffer_done) struct buffer out = { 0 };
	for (const char *at; (at = strstr(text, "URL/")); text = at + 3) {
		buffer_append(&out, text, (size_t)(at - text));
		buffer_printf(&out, "http://127.0.0.1:%d", port);
	}
	buffer_addz(&out, text);
	return buffer_take(&out);
}

static const struct report *run(struct harness *harness, const char *text)
{
	_cleanup_free_ char *input = parameters(text, server.port);
	return harness_run(harness, "http", "invoke", input);
}

/* What /echo saw of the request. */
static struct value *echoed(struct harness *harness, const char *text)
{
	const struct report *report = run(harness, text);
	if (report->end != TASK_SUCCEEDED)
		fail_msg("%s: %s", report->error, report->cause);
	_cleanup_(value_unrefp) struct value *output = harness_json(report->output);
	return value_ref(value_getz(output, "ResponseBody"));
}

static void assert_member(const struct value *object, const char *name, const char *expected)
{
	const struct value *member = value_getz(object, name);
	_cleanup_free_ char *text =
	    member ? mem_strndup(value_string(member).ptr, value_string(member).len) : mem_strdup("(absent)");
	assert_string_equal(text, expected);
}

/* ---- requests */

static const struct row {
	const char *name, *parameters, *method, *path, *body,
	    *type; /* expected; NULL: whatever; type "(absent)": none */
} rows[] = {
	{ "get_has_no_body", "{\"ApiEndpoint\":\"URL/echo\",\"Method\":\"GET\"}", "GET", "/echo", "", "(absent)" },
	{ "a_json_body_goes_out_as_it_is",
	  "{\"ApiEndpoint\":\"URL/echo\",\"Method\":\"POST\",\"RequestBody\":{\"a\":[1.0,1E6]}}", "POST", "/echo",
	  "{\"a\":[1.0,1E6]}", "application/json" },
	{ "a_text_under_another_type_goes_out_bare",
	  "{\"ApiEndpoint\":\"URL/echo\",\"Method\":\"PUT\",\"Headers\":{\"content-type\":\"text/"
	  "plain\"},\"RequestBody\":\"a b\"}",
	  "PUT", "/echo", "a b", "text/plain" },
	{ "a_text_is_json_by_default", "{\"ApiEndpoint\":\"URL/echo\",\"Method\":\"PATCH\",\"RequestBody\":\"a\"}",
	  "PATCH", "/echo", "\"a\"", "application/json" },
	{ "post_may_have_no_body", "{\"ApiEndpoint\":\"URL/echo\",\"Method\":\"POST\"}", "POST", "/echo", "",
	  "(absent)" },
	{ "delete_may_have_a_body", "{\"ApiEndpoint\":\"URL/echo\",\"Method\":\"DELETE\",\"RequestBody\":1}", "DELETE",
	  "/echo", "1", "application/json" },
	{ "query_parameters_are_encoded",
	  "{\"ApiEndpoint\":\"URL/echo\",\"Method\":\"GET\",\"QueryParameters\":{\"a "
	  "b\":\"c&d=\\u00e9\",\"n\":1.0,\"l\":[1,\"x\"],\"t\":true}}",
	  "GET", "/echo?a%20b=c%26d%3D%C3%A9&n=1.0&l=1&l=x&t=true", "", NULL },
	{ "query_parameters_follow_those_of_the_url",
	  "{\"ApiEndpoint\":\"URL/echo?x=1#part\",\"Method\":\"GET\",\"QueryParameters\":{\"y\":\"2\"}}", "GET",
	  "/echo?x=1&y=2", "", NULL },
	{ "a_form_is_flattened",
	  "{\"ApiEndpoint\":\"URL/echo\",\"Method\":\"POST\",\"Transform\":{\"RequestBodyEncoding\":\"URL_ENCODED\"},"
	  "\"RequestBody\":{\"a\":1,\"b\":{\"c\":\"x y\",\"d\":[true,null]},\"e\":[{\"f\":1}]}}",
	  "POST", "/echo", "a=1&b%5Bc%5D=x%20y&b%5Bd%5D%5B0%5D=true&b%5Bd%5D%5B1%5D=&e%5B0%5D%5Bf%5D=1",
	  "application/x-www-form-urlencoded" },
	{ "a_form_repeats_arrays",
	  "{\"ApiEndpoint\":\"URL/"
	  "echo\",\"Method\":\"POST\",\"Transform\":{\"RequestBodyEncoding\":\"URL_ENCODED\","
	  "\"RequestEncodingOptions\":{\"ArrayFormat\":\"REPEAT\"}},"
	  "\"RequestBody\":{\"a\":[1,2]}}",
	  "POST", "/echo", "a=1&a=2", NULL },
	{ "a_form_joins_arrays",
	  "{\"ApiEndpoint\":\"URL/"
	  "echo\",\"Method\":\"POST\",\"Transform\":{\"RequestBodyEncoding\":\"URL_ENCODED\","
	  "\"RequestEncodingOptions\":{\"ArrayFormat\":\"COMMAS\"}},"
	  "\"RequestBody\":{\"a\":[1,2]}}",
	  "POST", "/echo", "a=1%2C2", NULL },
	{ "a_form_brackets_arrays",
	  "{\"ApiEndpoint\":\"URL/"
	  "echo\",\"Method\":\"POST\",\"Transform\":{\"RequestBodyEncoding\":\"URL_ENCODED\","
	  "\"RequestEncodingOptions\":{\"ArrayFormat\":\"BRACKETS\"}},"
	  "\"RequestBody\":{\"a\":[1,2]}}",
	  "POST", "/echo", "a%5B%5D=1&a%5B%5D=2", NULL },
};

static void a_request_is_what_its_row_says(void **state)
{
	const struct row *row = *state;
	struct harness *harness = begin(NULL);
	_cleanup_(value_unrefp) struct value *seen = echoed(harness, row->parameters);
	assert_member(seen, "method", row->method);
	assert_member(seen, "path", row->path);
	assert_member(seen, "body", row->body);
	if (row->type)
		assert_member(value_getz(seen, "headers"), "content-type", row->type);
	assert_member(value_getz(seen, "headers"), "expect", "(absent)");
	end(harness);
}

/* ---- answers */

static const struct answer {
	const char *name, *path;
	const char *output;        /* a part of it; or */
	const char *error, *cause; /* NULL: whatever */
} answers[] = {
	{ "numbers_in_an_answer_keep_their_text", "/numbers",
	  "\"ResponseBody\":{\"a\":[1.0,1E6,18446744073709551616]},\"StatusCode\":200,\"StatusText\":\"OK\"}", NULL,
	  NULL },
	{ "a_text_that_is_not_json_by_type_stays_a_text", "/text", "\"ResponseBody\":\"[1, 2]\"", NULL, NULL },
	{ "json_that_is_none_stays_a_text", "/rubbish", "\"ResponseBody\":\"{rubbish\"", NULL, NULL },
	{ "bytes_are_repaired", "/bytes",
	  "\"ResponseBody\":\"a\xef\xbf\xbd\xef\xbf\xbd"
	  "b\"",
	  NULL, NULL },
	{ "headers_of_one_name_are_one_array", "/echo", "\"x-twice\":[\"a\",\"b\"]", NULL, NULL },
	{ "no_content_is_an_answer", "/status/204", "\"ResponseBody\":\"\",\"StatusCode\":204", NULL, NULL },
	{ "a_redirect_is_not_followed", "/status/302", NULL, "States.Http.StatusCode.302", "302 Found" },
	{ "a_client_error_is_an_error", "/status/404?body=1", NULL, "States.Http.StatusCode.404", "sorry" },
	{ "a_server_error_is_an_error", "/status/503", NULL, "States.Http.StatusCode.503", "503 Service Unavailable" },
	{ "a_server_that_hangs_up_is_a_socket_error", "/close", NULL, "States.Http.Socket", NULL },
	{ "a_server_that_resets_is_a_socket_error", "/reset", NULL, "States.Http.Socket", NULL },
	{ "half_an_answer_is_a_socket_error", "/half", NULL, "States.Http.Socket", NULL },
	{ "nonsense_is_a_socket_error", "/nonsense", NULL, "States.Http.Socket", NULL },
	{ "an_answer_above_the_limit_is_refused", "/large/7000000", NULL, "States.DataLimitExceeded", NULL },
	{ "an_endless_answer_is_refused", "/endless", NULL, "States.DataLimitExceeded", NULL },
	{ "too_many_headers_are_refused", "/headers/200", NULL, "States.DataLimitExceeded", NULL },
	{ "an_answer_below_the_limit_is_taken", "/large/6000000", "xxxxx", NULL, NULL },
};

static void an_answer_is_what_its_row_says(void **state)
{
	const struct answer *answer = *state;
	struct harness *harness = begin(NULL);
	_cleanup_free_ char *text = mem_printf("{\"ApiEndpoint\":\"URL%s\",\"Method\":\"GET\"}", answer->path);
	const struct report *report = run(harness, text);
	if (answer->output) {
		if (report->end != TASK_SUCCEEDED)
			fail_msg("%s: %s", report->error, report->cause);
		assert_text_contains(report->output, answer->output);
	} else {
		assert_int_equal(report->end, TASK_FAILED);
		assert_string_equal(report->error, answer->error);
		assert_true(*report->cause);
		if (answer->cause)
			assert_string_equal(report->cause, answer->cause);
	}
	end(harness);
}

/* ---- what needs more than a row */

static void head_has_no_body_to_wait_for(void **state)
{
	struct harness *harness = begin(NULL);
	assert_text_contains(run(harness, "{\"ApiEndpoint\":\"URL/large/1000\",\"Method\":\"HEAD\"}")->output,
			     "\"ResponseBody\":\"\"");
	end(harness);
}

static void nobody_there_is_a_socket_error(void **state)
{
	struct harness *harness = begin(NULL);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof address;
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0); /* bound, not listening: refused */
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	_cleanup_free_ char *text =
	    parameters("{\"ApiEndpoint\":\"URL/\",\"Method\":\"GET\"}", ntohs(address.sin_port));
	assert_string_equal(harness_run(harness, "http", "invoke", text)->error, "States.Http.Socket");
	close(fd);
	end(harness);
}

static void a_slow_server_times_out(void **state)
{
	struct harness *harness = begin("{\"timeout_s\":0.3}");
	long long begun = monotonic_ms();
	assert_string_equal(run(harness, "{\"ApiEndpoint\":\"URL/slow/5000\",\"Method\":\"GET\"}")->error,
			    "States.Http.Socket");
	assert_string_equal(run(harness, "{\"ApiEndpoint\":\"URL/drip/20\",\"Method\":\"GET\"}")->error,
			    "States.Http.Socket");
	assert_in_range(monotonic_ms() - begun, 500, 2500);
	end(harness);
}

static void what_cannot_be_sent_is_refused_at_once(void **state)
{
	static const char *const wrong[] = {
		"{}",
		"[]",
		"1",
		"{\"ApiEndpoint\":\"URL/echo\"}",
		"{\"ApiEndpoint\":1,\"Method\":\"GET\"}",
		"{\"ApiEndpoint\":\"file:///etc/passwd\",\"Method\":\"GET\"}",
		"{\"ApiEndpoint\":\"URL/a b\",\"Method\":\"GET\"}",
		"{\"ApiEndpoint\":\"URL/a\\r\\nX: y\",\"Method\":\"GET\"}",
		"{\"ApiEndpoint\":\"gopher://x/\",\"Method\":\"GET\"}",
		"{\"ApiEndpoint\":\"URL/echo\",\"Method\":\"GET / HTTP/1.1\\r\\n\"}",
		"{\"ApiEndpoint\":\"URL/echo\",\"Method\":\"\"}",
		"{\"ApiEndpoint\":\"URL/echo\",\"Method\":\"GET\",\"Headers\":{\"X\":\"a\\r\\nY: b\"}}",
		"{\"ApiEndpoint\":\"URL/echo\",\"Method\":\"GET\",\"Headers\":{\"X\\n\":\"a\"}}",
		"{\"ApiEndpoint\":\"URL/echo\",\"Method\":\"GET\",\"Headers\":{\"Transfer-Encoding\":\"chunked\"}}",
		"{\"ApiEndpoint\":\"URL/echo\",\"Method\":\"GET\",\"Headers\":[]}",
		"{\"ApiEndpoint\":\"URL/echo\",\"Method\":\"GET\",\"QueryParameters\":{\"a\":{}}}",
		"{\"ApiEndpoint\":\"URL/echo\",\"Method\":\"GET\",\"QueryParameters\":1}",
		"{\"ApiEndpoint\":\"URL/"
		"echo\",\"Method\":\"GET\",\"RequestBody\":1,\"Transform\":{\"RequestBodyEncoding\":\"ZIP\"}}",
		"{\"ApiEndpoint\":\"URL/"
		"echo\",\"Method\":\"GET\",\"RequestBody\":1,\"Transform\":{\"RequestBodyEncoding\":\"URL_ENCODED\"}}",
		"{\"ApiEndpoint\":\"URL/"
		"echo\",\"Method\":\"GET\",\"Authentication\":{\"ConnectionArn\":\"arn:aws:events:x:1:connection/no/"
		"1\"}}",
		"{\"ApiEndpoint\":\"http://\",\"Method\":\"GET\"}",
		"{\"ApiEndpoint\":\"URL/\\u0000\",\"Method\":\"GET\"}"
	};
	struct harness *harness = begin("{\"connections\":{}}");
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		_cleanup_free_ char *text = parameters(wrong[i], server.port);
		_cleanup_(value_unrefp) struct value *value = harness_json(text);
		struct task_request request = harness_request(1, "http", "invoke", value);
		struct wf_error err = { 0 };
		if (harness->connector->class->start(harness->connector, &request, &err) >= 0) {
			/* libcurl itself finds the host missing only when it starts. */
			harness_wait(harness, 1);
			assert_string_equal(harness->reports[0].error, "States.Http.Socket");
			assert_string_equal(wrong[i], "{\"ApiEndpoint\":\"http://\",\"Method\":\"GET\"}");
			continue;
		}
		assert_true(err.message[0]);
	}
	end(harness);
}

static void a_connection_adds_its_secrets(void **state)
{
	struct harness *harness = begin("{\"connections\":{\"Stripe\":{\"headers\":{\"X-Api-Key\":{\"env\":\"TEST_"
					"SECRET\"}},\"query\":{\"v\":\"1 2\"},"
					"\"basic\":{\"username\":\"u\",\"password\":{\"env\":\"TEST_SECRET\"}}}}}");
	_cleanup_(value_unrefp) struct value *seen = echoed(
	    harness,
	    "{\"ApiEndpoint\":\"URL/echo\",\"Method\":\"GET\",\"Headers\":{\"x-api-key\":\"mine\",\"a\":[\"b\",1]},"
	    "\"Authentication\":{\"ConnectionArn\":\"arn:aws:events:us-east-2:1:connection/Stripe/8121\"}}");
	assert_member(seen, "path", "/echo?v=1%202");
	assert_member(value_getz(seen, "headers"), "x-api-key", "s3cr3t");
	assert_member(value_getz(seen, "headers"), "a", "b, 1");
	assert_member(value_getz(seen, "headers"), "authorization", "Basic dTpzM2NyM3Q=");
	end(harness);
}

static void a_mistake_in_the_configuration_is_named(void **state)
{
	static const struct {
		const char *config, *where;
	} cases[] = { { "{\"time\":1}", "/time" },
		      { "{\"timeout_s\":\"1\"}", "/timeout_s" },
		      { "{\"max_connections_per_host\":0}", "/max_connections_per_host" },
		      { "{\"connections\":{\"a\":{\"header\":{}}}}", "/connections" },
		      { "{\"connections\":{\"a\":{\"basic\":{\"username\":\"x\"}}}}", "/connections" },
		      { "{\"connections\":{\"a\":{\"headers\":{\"x\":1}}}}", "/connections" } };
	struct harness *harness = mem_alloc(sizeof *harness);
	harness_setup(harness);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		_cleanup_(value_unrefp) struct value *config = harness_json(cases[i].config);
		struct wf_error err = { 0 };
		struct connector *connector;
		assert_int_equal(connector_http_new(&harness->host, config, &connector, &err), ERR(INVALID));
		assert_string_equal(err.where, cases[i].where);
	}
	end(harness);
}

static double cpu_us(void)
{
	struct rusage usage;
	getrusage(RUSAGE_SELF, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static void two_hundred_at_once_share_connections(void **state)
{
	struct harness *harness = begin(NULL);
	_cleanup_(value_unrefp) struct value *before =
	    echoed(harness, "{\"ApiEndpoint\":\"URL/counts\",\"Method\":\"GET\"}");
	_cleanup_free_ char *text =
	    parameters("{\"ApiEndpoint\":\"URL/slow/2\",\"Method\":\"POST\",\"RequestBody\":{\"a\":1}}", server.port);
	int64_t connections_before, connections_after;
	double cpu = cpu_us();
	uint64_t id = 10000;
	for (int round = 0; round < 5; round++) {
		for (int i = 0; i < 200; i++)
			harness_start(harness, "http", id++, "invoke", text);
		harness_wait(harness, harness->reports_count + 200);
	}
	cpu = (cpu_us() - cpu) / 1000;
	_cleanup_(value_unrefp) struct value *after =
	    echoed(harness, "{\"ApiEndpoint\":\"URL/counts\",\"Method\":\"GET\"}");
	assert_true(value_int64(value_getz(before, "connections"), &connections_before) &&
		    value_int64(value_getz(after, "connections"), &connections_after));
	print_message("1000 requests over %lld connections, %.0f us of CPU each (with this test's own loop)\n",
		      (long long)(connections_after - connections_before), cpu);
	assert_in_range(connections_after - connections_before, 1, 210);
	for (unsigned i = 0; i < harness->reports_count; i++)
		assert_int_equal(harness->reports[i].end, TASK_SUCCEEDED);
	end(harness);
}

static void no_more_connections_than_allowed_are_made(void **state)
{
	struct harness *harness = begin("{\"max_connections_per_host\":4}");
	_cleanup_(value_unrefp) struct value *before =
	    echoed(harness, "{\"ApiEndpoint\":\"URL/counts\",\"Method\":\"GET\"}");
	_cleanup_free_ char *text = parameters("{\"ApiEndpoint\":\"URL/slow/1\",\"Method\":\"GET\"}", server.port);
	for (uint64_t i = 0; i < 100; i++)
		harness_start(harness, "http", 10000 + i, "invoke", text);
	harness_wait(harness, 101);
	_cleanup_(value_unrefp) struct value *after =
	    echoed(harness, "{\"ApiEndpoint\":\"URL/counts\",\"Method\":\"GET\"}");
	int64_t a, b;
	assert_true(value_int64(value_getz(before, "connections"), &a) &&
		    value_int64(value_getz(after, "connections"), &b));
	assert_in_range(b - a, 0, 4);
	end(harness);
}

static void cancel_works_in_every_phase(void **state)
{
	static const char *const paths[] = { "/slow/3000", "/drip/5", "/endless", "/echo", "/close" };
	struct harness *harness = begin(NULL);
	uint64_t id = 1;
	for (size_t p = 0; p < sizeof paths / sizeof *paths; p++)
		for (int delay = 0; delay < 12; delay++) {
			_cleanup_free_ char *raw =
			    mem_printf("{\"ApiEndpoint\":\"URL%s\",\"Method\":\"GET\"}", paths[p]);
			_cleanup_free_ char *text = parameters(raw, server.port);
			harness_start(harness, "http", id, "invoke", text);
			if (delay)
				test_loop_for(harness->host.loop, delay - 1);
			harness->connector->class->cancel(harness->connector, (struct task_key){ 7, id });
			harness->connector->class->cancel(harness->connector, (struct task_key){ 7, id });
			assert_int_equal(harness->connector->class->running(harness->connector), 0);
			id++;
		}
	assert_text_contains(run(harness, "{\"ApiEndpoint\":\"URL/counts\",\"Method\":\"GET\"}")->output,
			     "200"); /* it still works */
	end(harness);
}

static void freeing_the_connector_drops_what_is_under_way(void **state)
{
	struct harness *harness = begin(NULL);
	_cleanup_free_ char *text = parameters("{\"ApiEndpoint\":\"URL/slow/3000\",\"Method\":\"GET\"}", server.port);
	for (uint64_t i = 1; i <= 50; i++)
		harness_start(harness, "http", i, "invoke", text);
	test_loop_for(harness->host.loop, 20);
	end(harness);
}

static void an_untrusted_certificate_is_refused_and_a_trusted_one_is_not(void **state)
{
	struct harness *harness = begin("{\"connect_timeout_s\":60}");
	_cleanup_free_ char *make = mem_printf(
	    "openssl req -x509 -newkey rsa:2048 -nodes -keyout %s/key -out %s/cert -days 2 -subj /CN=localhost "
	    "-addext subjectAltName=DNS:localhost,IP:127.0.0.1 2>/dev/null",
	    harness->folder, harness->folder);
	_cleanup_free_ char *key = mem_printf("%s/key", harness->folder),
			    *cert = mem_printf("%s/cert", harness->folder);
	struct server secure = { 0 };
	if (system(make) != 0 || !server_start(&secure, cert, key)) {
		end(harness);
		print_message("skipped: no openssl command to make a certificate\n");
		skip();
	}
	_cleanup_free_ char *text =
	    mem_printf("{\"ApiEndpoint\":\"https://127.0.0.1:%d/echo\",\"Method\":\"GET\"}", secure.port);
	assert_string_equal(harness_run(harness, "http", "invoke", text)->error, "States.Http.Socket");
	assert_text_contains(harness->reports[0].cause, "certificate");
	struct wf_error err = { 0 };
	_cleanup_free_ char *config_text = mem_printf("{\"ca_file\":\"%s\",\"connect_timeout_s\":60}", cert);
	_cleanup_(value_unrefp) struct value *config = harness_json(config_text);
	harness->connector->class->free(harness->connector);
	assert_int_equal(connector_http_new(&harness->host, config, &harness->connector, &err), 0);
	const struct report *report = harness_run(harness, "http", "invoke", text);
	if (report->end != TASK_SUCCEEDED)
		fail_msg("%s", report->cause);
	server_stop(&secure);
	end(harness);
}

#define ROWS (sizeof rows / sizeof *rows)
#define ANSWERS (sizeof answers / sizeof *answers)

int main(void)
{
	setenv("TEST_SECRET", "s3cr3t", 1);
	signal(SIGPIPE, SIG_IGN); /* as the engine does */
	if (!server_start(&server, NULL, NULL)) {
		server.port = 0;
		printf("skipped: no python3 for the test server\n");
	}
	const struct CMUnitTest others[] = {
		cmocka_unit_test(head_has_no_body_to_wait_for),
		cmocka_unit_test(nobody_there_is_a_socket_error),
		cmocka_unit_test(a_slow_server_times_out),
		cmocka_unit_test(what_cannot_be_sent_is_refused_at_once),
		cmocka_unit_test(a_connection_adds_its_secrets),
		cmocka_unit_test(a_mistake_in_the_configuration_is_named),
		cmocka_unit_test(two_hundred_at_once_share_connections),
		cmocka_unit_test(no_more_connections_than_allowed_are_made),
		cmocka_unit_test(cancel_works_in_every_phase),
		cmocka_unit_test(freeing_the_connector_drops_what_is_under_way),
		cmocka_unit_test(an_untrusted_certificate_is_refused_and_a_trusted_one_is_not),
	};
	struct CMUnitTest tests[ROWS + ANSWERS + sizeof others / sizeof *others];
	for (size_t i = 0; i < ROWS; i++)
		tests[i] = (struct CMUnitTest){ .name = rows[i].name,
						.test_func = a_request_is_what_its_row_says,
						.initial_state = (void *)&rows[i] };
	for (size_t i = 0; i < ANSWERS; i++)
		tests[ROWS + i] = (struct CMUnitTest){ .name = answers[i].name,
						       .test_func = an_answer_is_what_its_row_says,
						       .initial_state = (void *)&answers[i] };
	memcpy(tests + ROWS + ANSWERS, others, sizeof others);
	int failed = cmocka_run_group_tests_name("http", tests, NULL, NULL);
	if (server.port)
		server_stop(&server);
	return failed;
}
