/* http: AWS's HTTP Task, arn:aws:states:::http:invoke.
 *
 *     ApiEndpoint, Method    required
 *     Headers, QueryParameters, RequestBody
 *     Authentication.ConnectionArn or InvocationConfig.ConnectionArn: here optional, a name in the configuration's
 *                            `connections`
 *     Transform              {RequestBodyEncoding: NONE | URL_ENCODED,
 *                             RequestEncodingOptions: {ArrayFormat: INDICES | REPEAT | COMMAS | BRACKETS}}
 *
 * The result is {Headers: {name: [value, …]}, ResponseBody, StatusCode, StatusText}, with names of headers in lower
 * case and a JSON body as its value.
 *
 *     States.Http.StatusCode.N     a status that is not 2xx; the cause is the body
 *     States.Http.Socket           no answer, or none within timeout_s
 *     States.DataLimitExceeded     an answer larger than limits.http_response_bytes
 *
 * Unlike AWS: plain http is allowed, a connection is optional, redirects are not followed. */
#include "base/mem.h"
#include "connectors/http/encode.h"
#include "connectors/http/tasks.h"
#include "connectors/secret.h"
#include "connectors/text.h"
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#define TIMEOUT_S 60 /* AWS's */
#define HEADERS_MAX 100

struct http {
	struct http_tasks tasks;
	struct value *connections; /* NULL: none */
};

/* ---- the request */

struct building {
	struct connector_host *host;
	struct buffer url, body, user, password;
	struct http_request request;
	struct http_header headers[HEADERS_MAX]; /* those that the request has; the rest is not even zero */
	struct buffer texts[HEADERS_MAX];        /* values that are ours to keep */
};

static void building_done(struct building *building)
{
	buffer_done(&building->url);
	buffer_done(&building->body);
	buffer_done(&building->user);
	buffer_done(&building->password);
	for (size_t i = 0; i < building->request.headers_count; i++)
		buffer_done(&building->texts[i]);
}

static struct http_header *find_header(struct building *building, struct str name)
{
	for (size_t i = 0; i < building->request.headers_count; i++)
		if (text_same(building->headers[i].name, name))
			return &building->headers[i];
	return NULL;
}

/* A place for a header; one of the same name gives up its own. NULL if there are too many. */
static struct buffer *add_header(struct building *building, struct str name)
{
	struct http_header *header = find_header(building, name);
	size_t index = header ? (size_t)(header - building->headers) : building->request.headers_count;
	if (index == HEADERS_MAX)
		return NULL;
	if (!header)
		building->request.headers_count++;
	building->headers[index].name = name;
	if (header)
		buffer_clear(&building->texts[index]);
	else
		building->texts[index] = (struct buffer){ 0 };
	return &building->texts[index];
}

/* Those that are the connection's business, not the task's: they would let a task speak past the request it makes. */
static bool is_forbidden(struct str name)
{
	static const char *const names[] = { "host",
					     "content-length",
					     "transfer-encoding",
					     "connection",
					     "keep-alive",
					     "te",
					     "trailer",
					     "upgrade",
					     "expect",
					     "proxy-authorization",
					     "proxy-authenticate",
					     "proxy-connection",
					     "via" };
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (text_same(name, str_of(names[i])))
			return true;
	return false;
}

static int add_headers(struct building *building, const struct value *headers, struct wf_error *err)
{
	if (!headers)
		return 0;
	if (!value_is(headers, VALUE_OBJECT))
		return error_set(err, ERR(INVALID), "expected an object for Headers, found %s",
				 value_kind_name(value_kind(headers)));
	for (size_t i = 0; i < value_count(headers); i++) {
		struct str name = value_key_at(headers, i);
		const struct value *value = value_at(headers, i);
		if (is_forbidden(name))
			return error_set(err, ERR(INVALID), "the header \"%.*s\" cannot be set by a task",
					 STR_FMT(name));
		struct buffer *text = add_header(building, name);
		if (!text)
			return error_set(err, ERR(LIMIT), "a request has %d headers at most", HEADERS_MAX);
		for (size_t k = 0; k < (value_is(value, VALUE_ARRAY) ? value_count(value) : 1); k++) {
			if (k)
				buffer_addz(text, ", ");
			buffer_add(text, encode_scalar(value_is(value, VALUE_ARRAY) ? value_at(value, k) : value));
		}
	}
	return 0;
}

/* ---- connections: what the configuration adds */

static const struct value *connection_arn(const struct value *parameters)
{
	static const char *const places[] = { "Authentication", "InvocationConfig" };
	for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
		const struct value *place = value_getz(parameters, places[i]);
		const struct value *arn = place ? value_getz(place, "ConnectionArn") : NULL;
		if (arn)
			return arn;
	}
	return NULL;
}

/* By the whole ARN, or by the name in arn:aws:events:REGION:ACCOUNT:connection/NAME/ID. */
static const struct value *find_connection(const struct http *http, struct str arn)
{
	const struct value *found = http->connections ? value_get(http->connections, arn) : NULL;
	if (found || !http->connections)
		return found;
	static const char marker[] = ":connection/";
	const char *at = memmem(arn.ptr, arn.len, marker, sizeof marker - 1);
	if (!at)
		return NULL;
	struct str name = str_sub(arn, (size_t)(at - arn.ptr) + sizeof marker - 1, arn.len);
	const char *slash = memchr(name.ptr, '/', name.len);
	return value_get(http->connections, slash ? str_sub(name, 0, (size_t)(slash - name.ptr)) : name);
}

static int add_connection(const struct http *http, struct building *building, const struct value *parameters,
			  struct wf_error *err)
{
	const struct value *arn = connection_arn(parameters);
	if (!arn)
		return 0;
	const struct value *connection = find_connection(http, value_string(arn));
	if (!connection)
		return error_set(err, ERR(NOT_FOUND),
				 "the configuration has no connection \"%.*s\" (http: connections:)",
				 STR_FMT(value_string(arn)));
	const struct value *headers = value_getz(connection, "headers"), *query = value_getz(connection, "query"),
			   *basic = value_getz(connection, "basic");
	int r = 0;
	for (size_t i = 0; headers && i < value_count(headers) && r == 0; i++) {
		struct buffer *text = add_header(building, value_key_at(headers, i));
		r = text ? secret_text(building->host, value_at(headers, i), text, err)
			 : error_set(err, ERR(LIMIT), "too many headers");
	}
	for (size_t i = 0; query && i < value_count(query) && r == 0; i++) {
		_cleanup_(buffer_done) struct buffer text = { 0 };
		r = secret_text(building->host, value_at(query, i), &text, err);
		encode_pair(value_key_at(query, i), buffer_str(&text), &building->url);
	}
	if (basic && r == 0)
		r = secret_text(building->host, value_getz(basic, "username"), &building->user, err);
	if (basic && r == 0)
		r = secret_text(building->host, value_getz(basic, "password"), &building->password, err);
	if (basic && r == 0) {
		building->request.user = building->user.data ? building->user.data : "";
		building->request.password = building->password.data ? building->password.data : "";
	}
	return r;
}

/* ---- URL and body */

static int required_text(const struct value *parameters, const char *name, struct str *ret_text, struct wf_error *err)
{
	const struct value *value = value_getz(parameters, name);
	*ret_text = value ? value_string(value) : STR_EMPTY;
	if (ret_text->len)
		return 0;
	return error_set(err, ERR(INVALID), "the HTTP task needs %s, a text; its parameters have %s", name,
			 value ? value_kind_name(value_kind(value)) : "none");
}

/* The endpoint up to its fragment, ready for parameters to be appended. */
static int add_url(struct building *building, const struct value *parameters, struct wf_error *err)
{
	struct str endpoint;
	int r = required_text(parameters, "ApiEndpoint", &endpoint, err);
	if (r < 0)
		return r;
	const char *hash = memchr(endpoint.ptr, '#', endpoint.len);
	if (hash)
		endpoint.len = (size_t)(hash - endpoint.ptr);
	buffer_add(&building->url, endpoint);
	const struct value *query = value_getz(parameters, "QueryParameters");
	if (!memchr(endpoint.ptr, '?', endpoint.len))
		buffer_byte(&building->url, '?');
	return query ? encode_query(query, &building->url, err) : 0;
}

static bool is_json_type(struct str type)
{
	const char *end = memchr(type.ptr, ';', type.len);
	struct str media = text_trim(end ? str_sub(type, 0, (size_t)(end - type.ptr)) : type);
	return text_same(media, STR("application/json")) || text_same(media, STR("text/json")) ||
	       (media.len > 5 && text_same(str_sub(media, media.len - 5, 5), STR("+json")));
}

static int form_arrays(const struct value *transform, enum form_arrays *ret_arrays, struct wf_error *err)
{
	static const char *const names[] = { [FORM_INDICES] = "INDICES",
					     [FORM_REPEAT] = "REPEAT",
					     [FORM_COMMAS] = "COMMAS",
					     [FORM_BRACKETS] = "BRACKETS" };
	const struct value *options = value_getz(transform, "RequestEncodingOptions");
	const struct value *format = options ? value_getz(options, "ArrayFormat") : NULL;
	*ret_arrays = FORM_INDICES;
	if (!format)
		return 0;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (str_eqz(value_string(format), names[i])) {
			*ret_arrays = (enum form_arrays)i;
			return 0;
		}
	return error_set(err, ERR(INVALID), "ArrayFormat must be INDICES, REPEAT, COMMAS or BRACKETS");
}

static int add_form(struct building *building, const struct value *body, const struct value *transform,
		    struct wf_error *err)
{
	enum form_arrays arrays;
	int r = form_arrays(transform, &arrays, err);
	if (r < 0)
		return r;
	if (!find_header(building, STR("content-type"))) {
		struct buffer *type = add_header(building, STR("Content-Type"));
		if (type)
			buffer_addz(type, "application/x-www-form-urlencoded");
	}
	return encode_form(body, arrays, &building->body, err);
}

/* A text under a type that is not JSON goes out as it is; everything else as JSON. */
static int add_body(struct building *building, const struct value *parameters, struct wf_error *err)
{
	const struct value *body = value_getz(parameters, "RequestBody"),
			   *transform = value_getz(parameters, "Transform");
	if (!body)
		return 0;
	building->request.has_body = true;
	const struct value *encoding = transform ? value_getz(transform, "RequestBodyEncoding") : NULL;
	if (encoding && str_eqz(value_string(encoding), "URL_ENCODED"))
		return add_form(building, body, transform, err);
	if (encoding && !str_eqz(value_string(encoding), "NONE"))
		return error_set(err, ERR(INVALID), "RequestBodyEncoding must be NONE or URL_ENCODED");
	struct http_header *type = find_header(building, STR("content-type"));
	if (!type) {
		struct buffer *text = add_header(building, STR("Content-Type"));
		if (text)
			buffer_addz(text, "application/json");
	}
	bool plain = type && value_is(body, VALUE_STRING) &&
		     !is_json_type(buffer_str(&building->texts[type - building->headers]));
	buffer_add(&building->body, plain ? value_string(body) : value_text(body));
	return 0;
}

/* What a task says of itself, unless the definition or the connection says it. */
static void add_own(struct building *building, const struct task_request *request)
{
	const struct http_header own[] = { { STR("Idempotency-Key"), request->idempotency_key },
					   { STR("traceparent"), request->trace_parent } };
	for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
		bool given = !own[i].value.len || find_header(building, own[i].name);
		struct buffer *text = given ? NULL : add_header(building, own[i].name);
		if (text)
			buffer_add(text, own[i].value);
	}
}

static int build(const struct http *http, struct building *building, const struct task_request *request,
		 struct wf_error *err)
{
	const struct value *parameters = request->parameters;
	if (!parameters || !value_is(parameters, VALUE_OBJECT))
		return error_set(err, ERR(INVALID),
				 "the HTTP task needs an object of parameters with ApiEndpoint and Method");
	int r = required_text(parameters, "Method", &building->request.method, err);
	if (r == 0)
		r = add_url(building, parameters, err);
	if (r == 0)
		r = add_headers(building, value_getz(parameters, "Headers"), err);
	if (r == 0)
		r = add_body(building, parameters, err);
	if (r == 0)
		r = add_connection(http, building, parameters, err);
	if (r < 0)
		return r;
	add_own(building, request);
	if (building->url.data[building->url.len - 1] == '?')
		building->url.len--;
	for (size_t i = 0; i < building->request.headers_count; i++)
		building->headers[i].value = buffer_str(&building->texts[i]);
	building->request.url = buffer_str(&building->url);
	building->request.headers = building->headers;
	building->request.body = buffer_str(&building->body);
	return 0;
}

static int http_start(struct connector *connector, const struct task_request *request, struct wf_error *err)
{
	struct http *http = (struct http *)connector;
	struct building building;
	memset(&building, 0, offsetof(struct building, headers));
	building.host = connector->host;
	struct http_task *task;
	int r = build(http, &building, request, err);
	if (r == 0)
		r = http_tasks_start(&http->tasks, request, &building.request, &task, err);
	building_done(&building);
	return r;
}

/* ---- the answer */

static void lower_case(struct str text, struct buffer *out)
{
	buffer_clear(out);
	for (size_t i = 0; i < text.len; i++)
		buffer_byte(out, (char)(text.ptr[i] >= 'A' && text.ptr[i] <= 'Z' ? text.ptr[i] + 32 : text.ptr[i]));
}

static struct value *headers_value(const struct http_response *response)
{
	_cleanup_(buffer_done) struct buffer name = { 0 };
	struct value *object = value_new_object(response->headers_count);
	for (size_t i = 0; i < response->headers_count; i++) {
		lower_case(response->headers[i].name, &name);
		if (value_get(object, buffer_str(&name)))
			continue; /* was taken with the first of that name */
		struct value *values = value_new_array(1);
		for (size_t k = i; k < response->headers_count; k++)
			if (text_same(response->headers[k].name, buffer_str(&name)))
				value_array_take(values, value_from_string(response->headers[k].value));
		value_object_take(object, buffer_str(&name), values);
	}
	return object;
}

static struct value *body_value(const struct http_response *response)
{
	struct value *value;
	struct str type = http_response_header(response, "content-type");
	if (type.ptr && is_json_type(type) && value_parse(response->body, NULL, &value, NULL) == 0)
		return value;
	return value_from_string(response->body);
}

/* HTTP/2 has no reason phrases. */
static struct str status_text(const struct http_response *response)
{
	static const struct {
		long status;
		const char *text;
	} rows[] = { { 200, "OK" },
		     { 201, "Created" },
		     { 202, "Accepted" },
		     { 204, "No Content" },
		     { 206, "Partial Content" },
		     { 301, "Moved Permanently" },
		     { 302, "Found" },
		     { 303, "See Other" },
		     { 304, "Not Modified" },
		     { 307, "Temporary Redirect" },
		     { 308, "Permanent Redirect" },
		     { 400, "Bad Request" },
		     { 401, "Unauthorized" },
		     { 403, "Forbidden" },
		     { 404, "Not Found" },
		     { 405, "Method Not Allowed" },
		     { 409, "Conflict" },
		     { 410, "Gone" },
		     { 413, "Content Too Large" },
		     { 415, "Unsupported Media Type" },
		     { 422, "Unprocessable Content" },
		     { 429, "Too Many Requests" },
		     { 500, "Internal Server Error" },
		     { 501, "Not Implemented" },
		     { 502, "Bad Gateway" },
		     { 503, "Service Unavailable" },
		     { 504, "Gateway Timeout" } };
	for (size_t i = 0; !response->status_text.len && i < sizeof rows / sizeof *rows; i++)
		if (rows[i].status == response->status)
			return str_of(rows[i].text);
	return response->status_text;
}

static void status_failed(const struct http_task *task, const struct http_response *response, struct outcome *outcome)
{
	outcome_failed(outcome, TASK_FAILED, STR("States.Http.StatusCode."));
	buffer_printf(&outcome->error, "%ld", response->status);
	_cleanup_(buffer_done) struct buffer body = { 0 };
	size_t most = (size_t)task->owner->connector.host->limits->cause_bytes;
	text_clean(str_sub(response->body, 0, most + 4), &body);
	buffer_add(&outcome->cause, text_head(buffer_str(&body), most));
	if (!outcome->cause.len) {
		struct str text = status_text(response);
		buffer_printf(&outcome->cause, "%ld %.*s", response->status, STR_FMT(text));
	}
}

static void http_answered(const struct http_task *task, const struct http_response *response, struct outcome *outcome)
{
	if (response->failure == HTTP_TOO_LARGE) {
		outcome_failed(outcome, TASK_FAILED, STR("States.DataLimitExceeded"));
		buffer_addz(&outcome->cause, "The state/task 'http' returned a result with a size exceeding the "
					     "maximum number of bytes service limit.");
	} else if (response->failure != HTTP_ANSWERED) {
		outcome_failed(outcome, TASK_FAILED, STR("States.Http.Socket"));
		text_clean(response->failure_text, &outcome->cause);
	} else if (response->status < 200 || response->status > 299) {
		status_failed(task, response, outcome);
	} else {
		struct value *result = value_new_object(4);
		value_object_take(result, STR("Headers"), headers_value(response));
		value_object_take(result, STR("ResponseBody"), body_value(response));
		value_object_take(result, STR("StatusCode"), value_from_int(response->status));
		value_object_take(result, STR("StatusText"), value_from_string(status_text(response)));
		outcome_succeeded(outcome, result);
	}
}

/* ---- the connector */

static bool http_accepts(const struct connector *connector, struct str type, struct str api)
{
	return str_eqz(type, "http") && str_eqz(api, "invoke");
}

static void http_free(struct connector *connector)
{
	struct http *http = (struct http *)connector;
	http_tasks_done(&http->tasks);
	value_unref(http->connections);
	free(http);
}

static const struct connector_class http_class = {
	.name = "http",
	.accepts = http_accepts,
	.start = http_start,
	.cancel = http_tasks_cancel,
	.running = http_tasks_running,
	.free = http_free,
};

/* One member of a connection: an object of secrets. */
static int check_part(const struct value *connection, size_t index, struct wf_error *err)
{
	struct str name = value_key_at(connection, index);
	const struct value *part = value_at(connection, index);
	bool basic = str_eqz(name, "basic");
	if (!basic && !str_eqz(name, "headers") && !str_eqz(name, "query"))
		return error_set(err, ERR(INVALID), "\"%.*s\": expected headers, query or basic", STR_FMT(name));
	if (!value_is(part, VALUE_OBJECT) ||
	    (basic && (!value_getz(part, "username") || !value_getz(part, "password"))))
		return error_set(err, ERR(INVALID), "\"%.*s\" must be an object%s", STR_FMT(name),
				 basic ? " with username and password" : "");
	for (size_t i = 0; i < value_count(part); i++) {
		int r = secret_check(value_at(part, i), err);
		if (r < 0) {
			error_prefix(err, "\"%.*s\"", STR_FMT(value_key_at(part, i)));
			return r;
		}
	}
	return 0;
}

static int check_connections(const struct value *connections, struct wf_error *err)
{
	int r = value_is(connections, VALUE_OBJECT)
		    ? 0
		    : error_set(err, ERR(INVALID), "expected an object from names or ARNs to connections");
	for (size_t i = 0; i < value_count(connections) && r == 0; i++) {
		const struct value *connection = value_at(connections, i);
		if (!value_is(connection, VALUE_OBJECT))
			r = error_set(err, ERR(INVALID), "expected an object with headers, query or basic");
		for (size_t k = 0; k < value_count(connection) && r == 0; k++)
			r = check_part(connection, k, err);
		if (r < 0)
			error_prefix(err, "the connection \"%.*s\"", STR_FMT(value_key_at(connections, i)));
	}
	if (r < 0)
		error_where(err, "/connections");
	return r;
}

int connector_http_new(struct connector_host *host, const struct value *config, struct connector **ret_connector,
		       struct wf_error *err)
{
	static const char *const own[] = { "connections", NULL };
	const struct value *connections = config ? value_getz(config, "connections") : NULL;
	int r = connections ? check_connections(connections, err) : 0;
	if (r < 0)
		return r;
	struct http *http = NEW(struct http);
	r = http_tasks_init(&http->tasks, &http_class, host, config, TIMEOUT_S, own, err);
	if (r < 0) {
		free(http);
		return r;
	}
	http->tasks.answered = http_answered;
	http->connections = connections ? value_ref(connections) : NULL;
	*ret_connector = &http->tasks.connector;
	return 0;
}
