/* lambda: functions behind the Lambda Invoke API, POST {endpoint}/2015-03-31/functions/{name or ARN}/invocations.
 *
 * With a function's ARN as the resource the effective input is the event, and the function's answer is the result.
 * arn:aws:states:::lambda:invoke has the parameters FunctionName, Payload, InvocationType, ClientContext, Qualifier
 * and LogType, and wraps the answer: {ExecutedVersion, LogResult, Payload, SdkHttpMetadata, SdkResponseMetadata,
 * StatusCode}.
 *
 * Errors as AWS reports them:
 *
 *     the function failed             its errorType, else Lambda.Unknown; the cause is its answer to the letter
 *      (X-Amz-Function-Error)
 *     the service refused             Lambda.NAME by its x-amzn-ErrorType; without one ServiceException (5xx),
 *                                     TooManyRequestsException (429), ResourceNotFoundException (404),
 *                                     AWSLambdaException
 *     no answer                       Lambda.SdkClientException
 *     above http_response_bytes       States.DataLimitExceeded */
#include "connectors/lambda/lambda.h"
#include "base/mem.h"
#include "connectors/http/encode.h"
#include "connectors/http/tasks.h"
#include "connectors/text.h"
#include <stdlib.h>

#define TIMEOUT_S 910 /* a function runs 900 s at most */

struct lambda {
	struct http_tasks tasks;
	char *endpoint; /* without a slash at its end; NULL: no function is found */
};

/* ---- the request */

static int invoke_function(const struct task_request *request, struct str *ret_function, struct wf_error *err)
{
	if (request->lambda_arn) {
		*ret_function = request->resource_arn;
		return 0;
	}
	const struct value *name =
	    value_is(request->parameters, VALUE_OBJECT) ? value_getz(request->parameters, "FunctionName") : NULL;
	*ret_function = name ? value_string(name) : STR_EMPTY;
	return ret_function->len
		   ? 0
		   : error_set(err, ERR(INVALID), "lambda:invoke needs FunctionName, a text that is not empty");
}

/* A text is sent as it is where it is JSON itself, as AWS does with Payload; everything else is sent as JSON. */
struct str lambda_event(const struct task_request *request)
{
	if (request->lambda_arn)
		return request->parameters ? value_text(request->parameters) : STR("{}");
	const struct value *payload = value_getz(request->parameters, "Payload");
	if (!payload || value_is(payload, VALUE_NULL))
		return STR("{}");
	if (value_is(payload, VALUE_STRING)) {
		_cleanup_(value_unrefp) struct value *parsed = NULL;
		if (value_parse(value_string(payload), NULL, &parsed, NULL) == 0)
			return value_string(payload);
	}
	return value_text(payload);
}

struct invoke_headers {
	struct http_header list[8];
	size_t count;
	char trace_id[96];
};

static void add_header(struct invoke_headers *headers, struct str name, struct str value)
{
	headers->list[headers->count++] = (struct http_header){ name, value };
}

static void add_headers(struct invoke_headers *headers, const struct task_request *request)
{
	static const struct {
		const char *parameter, *header;
	} rows[] = { { "InvocationType", "X-Amz-Invocation-Type" },
		     { "ClientContext", "X-Amz-Client-Context" },
		     { "LogType", "X-Amz-Log-Type" } };
	add_header(headers, STR("Content-Type"), STR("application/json"));
	if (request->idempotency_key.len)
		add_header(headers, STR("Idempotency-Key"), request->idempotency_key);
	if (request->trace_parent.len) {
		add_header(headers, STR("traceparent"), request->trace_parent);
		text_trace_id(request->trace_parent, headers->trace_id, sizeof headers->trace_id);
		add_header(headers, STR("X-Amzn-Trace-Id"), str_of(headers->trace_id));
	}
	for (size_t i = 0; !request->lambda_arn && i < sizeof rows / sizeof *rows; i++) {
		const struct value *value = value_getz(request->parameters, rows[i].parameter);
		if (value && value_is(value, VALUE_STRING))
			add_header(headers, str_of(rows[i].header), value_string(value));
	}
}

static void write_url(const struct lambda *lambda, const struct task_request *request, struct str function,
		      struct buffer *url)
{
	buffer_addz(url, lambda->endpoint);
	buffer_addz(url, "/2015-03-31/functions/");
	encode_component(function, url);
	buffer_addz(url, "/invocations");
	const struct value *qualifier = request->lambda_arn ? NULL : value_getz(request->parameters, "Qualifier");
	if (qualifier && value_is(qualifier, VALUE_STRING)) {
		buffer_byte(url, '?');
		encode_pair(STR("Qualifier"), value_string(qualifier), url);
	}
}

static int lambda_start(struct connector *connector, const struct task_request *request, struct wf_error *err)
{
	struct lambda *lambda = (struct lambda *)connector;
	struct str function;
	int r = invoke_function(request, &function, err);
	if (r < 0)
		return r;
	_cleanup_(buffer_done) struct buffer url = { 0 };
	struct invoke_headers headers = { 0 };
	struct http_request sent = { .method = STR("POST"), .has_body = true };
	if (lambda->endpoint) {
		write_url(lambda, request, function, &url);
		add_headers(&headers, request);
		sent.url = buffer_str(&url);
		sent.headers = headers.list;
		sent.headers_count = headers.count;
		sent.body = lambda_event(request);
	}
	struct http_task *task;
	r = http_tasks_start(&lambda->tasks, request, lambda->endpoint ? &sent : NULL, &task, err);
	if (r < 0)
		return r;
	task->plain = request->lambda_arn;
	task->about = mem_strndup(function.ptr, function.len);
	return 0;
}

/* ---- failures */

static struct str request_id(const struct http_response *response)
{
	struct str id = response ? http_response_header(response, "x-amzn-RequestId") : STR_EMPTY;
	return id.ptr ? id : STR_EMPTY;
}

/* The words of AWS's SDK. */
static void add_service_details(struct buffer *cause, long status, struct str code, struct str id)
{
	buffer_printf(cause, " (Service: AWSLambda; Status Code: %ld; Error Code: %.*s; Request ID: %.*s; Proxy: null)",
		      status, STR_FMT(code), STR_FMT(id));
}

static void not_found(const char *function, struct outcome *outcome)
{
	outcome_failed(outcome, TASK_FAILED, STR("Lambda.ResourceNotFoundException"));
	buffer_printf(&outcome->cause, "Function not found: %s", function);
	add_service_details(&outcome->cause, 404, STR("ResourceNotFoundException"), STR_EMPTY);
}

static void too_large(bool plain, const char *function, struct outcome *outcome)
{
	outcome_failed(outcome, TASK_FAILED, STR("States.DataLimitExceeded"));
	buffer_printf(
	    &outcome->cause,
	    "The state/task '%s' returned a result with a size exceeding the maximum number of bytes service limit.",
	    plain ? function : "lambda");
}

static void no_answer(const struct http_response *response, struct outcome *outcome)
{
	outcome_failed(outcome, TASK_FAILED, STR("Lambda.SdkClientException"));
	buffer_addz(&outcome->cause, "Unable to execute HTTP request: ");
	text_clean(response->failure_text, &outcome->cause);
}

/* "ResourceNotFoundException" of "com.amazonaws…#ResourceNotFoundException:http://…". */
static struct str error_code(struct str type, long status)
{
	const char *colon = memchr(type.ptr, ':', type.len);
	if (colon)
		type.len = (size_t)(colon - type.ptr);
	const char *hash = memrchr(type.ptr, '#', type.len);
	if (hash)
		type = str_sub(type, (size_t)(hash - type.ptr) + 1, type.len);
	if (type.len)
		return type;
	return status == 404   ? STR("ResourceNotFoundException")
	       : status == 429 ? STR("TooManyRequestsException")
	       : status >= 500 ? STR("ServiceException")
			       : STR("AWSLambdaException");
}

static void service_failed(const struct http_response *response, struct outcome *outcome)
{
	_cleanup_(value_unrefp) struct value *body = NULL;
	if (value_parse(response->body, NULL, &body, NULL) < 0 || !value_is(body, VALUE_OBJECT)) {
		value_unref(body);
		body = value_new_object(0);
	}
	const struct value *type = value_getz(body, "__type"), *message = value_getz(body, "Message");
	if (!message)
		message = value_getz(body, "message");
	struct str header = http_response_header(response, "x-amzn-ErrorType");
	struct str code = error_code(header.ptr ? header : type ? value_string(type) : STR_EMPTY, response->status);
	outcome_failed(outcome, TASK_FAILED, STR("Lambda."));
	buffer_add(&outcome->error, code);
	if (message && value_is(message, VALUE_STRING))
		buffer_add(&outcome->cause, value_string(message));
	else
		text_clean(str_sub(response->body, 0, 1000), &outcome->cause);
	add_service_details(&outcome->cause, response->status, code, request_id(response));
}

static void function_failed(const struct http_response *response, struct outcome *outcome)
{
	_cleanup_(value_unrefp) struct value *body = NULL;
	const struct value *type = NULL;
	if (value_parse(response->body, NULL, &body, NULL) == 0 && value_is(body, VALUE_OBJECT))
		type = value_getz(body, "errorType");
	bool named = type && value_is(type, VALUE_STRING) && value_string(type).len;
	outcome_failed(outcome, TASK_FAILED, named ? value_string(type) : STR("Lambda.Unknown"));
	text_clean(response->body, &outcome->cause);
}

/* ---- results */

/* AllHttpHeaders has each value in an array, HttpHeaders the first by itself. */
static struct value *http_metadata(const struct http_response *response)
{
	struct value *all = value_new_object(response->headers_count),
		     *first = value_new_object(response->headers_count);
	for (size_t i = 0; i < response->headers_count; i++) {
		struct str name = response->headers[i].name;
		if (value_get(all, name))
			continue;
		struct value *values = value_new_array(1);
		for (size_t k = i; k < response->headers_count; k++)
			if (str_eq(response->headers[k].name, name))
				value_array_take(values, value_from_string(response->headers[k].value));
		value_object_take(all, name, values);
		value_object_take(first, name, value_from_string(response->headers[i].value));
	}
	struct value *metadata = value_new_object(3);
	value_object_take(metadata, STR("AllHttpHeaders"), all);
	value_object_take(metadata, STR("HttpHeaders"), first);
	value_object_take(metadata, STR("HttpStatusCode"), value_from_int(response->status));
	return metadata;
}

static struct value *wrap(const struct http_response *response, struct value *payload)
{
	struct value *result = value_new_object(6);
	struct str version = http_response_header(response, "X-Amz-Executed-Version"),
		   log = http_response_header(response, "X-Amz-Log-Result");
	if (version.ptr)
		value_object_take(result, STR("ExecutedVersion"), value_from_string(version));
	if (log.ptr)
		value_object_take(result, STR("LogResult"), value_from_string(log));
	value_object_take(result, STR("Payload"), payload);
	value_object_take(result, STR("SdkHttpMetadata"), http_metadata(response));
	struct value *sdk = value_new_object(1);
	value_object_take(sdk, STR("RequestId"), value_from_string(request_id(response)));
	value_object_take(result, STR("SdkResponseMetadata"), sdk);
	value_object_take(result, STR("StatusCode"), value_from_int(response->status));
	return result;
}

static void succeeded(bool plain, const struct http_response *response, struct outcome *outcome)
{
	struct value *payload;
	struct wf_error err = { 0 };
	if (!response->body.len) {
		/* InvocationType Event and DryRun have no answer. */
		payload = plain ? value_new_null() : value_from_string(STR_EMPTY);
	} else if (value_parse(response->body, NULL, &payload, &err) < 0) {
		outcome_failed(outcome, TASK_FAILED, STR("Lambda.Unknown"));
		buffer_printf(&outcome->cause, "The function's answer is not JSON: %s", err.message);
		return;
	}
	outcome_succeeded(outcome, plain ? payload : wrap(response, payload));
}

void lambda_outcome(bool plain, const char *function, const struct http_response *response, struct outcome *outcome)
{
	if (!response)
		not_found(function, outcome);
	else if (response->failure == HTTP_TOO_LARGE)
		too_large(plain, function, outcome);
	else if (response->failure != HTTP_ANSWERED)
		no_answer(response, outcome);
	else if (response->status < 200 || response->status > 299)
		service_failed(response, outcome);
	else if (http_response_header(response, "X-Amz-Function-Error").ptr)
		function_failed(response, outcome);
	else
		succeeded(plain, response, outcome);
}

static void lambda_answered(const struct http_task *task, const struct http_response *response, struct outcome *outcome)
{
	lambda_outcome(task->plain, task->about, response, outcome);
}

/* ---- the connector */

static bool lambda_accepts(const struct connector *connector, struct str type, struct str api)
{
	/* With a function's ARN `api` is its name. */
	(void)api;
	return str_eqz(type, "lambda");
}

static void lambda_free(struct connector *connector)
{
	struct lambda *lambda = (struct lambda *)connector;
	http_tasks_done(&lambda->tasks);
	free(lambda->endpoint);
	free(lambda);
}

static const struct connector_class lambda_class = {
	.name = "lambda",
	.accepts = lambda_accepts,
	.start = lambda_start,
	.cancel = http_tasks_cancel,
	.running = http_tasks_running,
	.free = lambda_free,
};

static int read_endpoint(const struct value *config, const char *given, char **ret_endpoint, struct wf_error *err)
{
	const struct value *configured = config ? value_getz(config, "endpoint") : NULL;
	struct str endpoint = given && *given ? str_of(given) : configured ? value_string(configured) : STR_EMPTY;
	if ((endpoint.len || configured) && !str_starts(endpoint, STR("http://")) &&
	    !str_starts(endpoint, STR("https://"))) {
		error_set(err, ERR(INVALID),
			  "the Lambda endpoint must be a URL that begins with http:// or https://, found \"%.*s\"",
			  STR_FMT(endpoint));
		error_where(err, "/endpoint");
		return ERR(INVALID);
	}
	while (endpoint.len && endpoint.ptr[endpoint.len - 1] == '/')
		endpoint.len--;
	*ret_endpoint = endpoint.len ? mem_strndup(endpoint.ptr, endpoint.len) : NULL;
	return 0;
}

int connector_lambda_new(struct connector_host *host, const struct value *config, const char *endpoint,
			 struct connector **ret_connector, struct wf_error *err)
{
	static const char *const own[] = { "endpoint", NULL };
	_cleanup_free_ char *url = NULL;
	int r = read_endpoint(config, endpoint, &url, err);
	if (r < 0)
		return r;
	struct lambda *lambda = NEW(struct lambda);
	r = http_tasks_init(&lambda->tasks, &lambda_class, host, config, TIMEOUT_S, own, err);
	if (r < 0) {
		free(lambda);
		return r;
	}
	lambda->tasks.answered = lambda_answered;
	lambda->endpoint = TAKE(url);
	*ret_connector = &lambda->tasks.connector;
	return 0;
}
