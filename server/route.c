/* route.c: finding the row of a request, and answering it (route.h). */
#include "server/route.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "server/api.h"
#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define QUERY_MEMBERS_MOST 32

static const struct route *const tables[] = { routes_v1_stream, routes_v1_timeline, routes_v1_inspect, routes_v1_overview, routes_v1_executions, routes_v1_execution, routes_v1_machines, routes_v1_views, routes_v1_rerun, routes_v1_mock_test, routes_dead_letters, routes_redrive_jobs, routes_console, routes_functions, routes_keys, routes_lambda, routes_pages };

/* ---- finding ---------------------------------------------------------------------------------- */

/* What is no good escape stays as it is. */
static struct str decode(struct arena *arena, const char *text, size_t length)
{
	char *out = arena_alloc(arena, length + 1);
	size_t used = 0;
	for (size_t i = 0; i < length; i++) {
		if (text[i] == '%' && i + 2 < length && hex_digit(text[i + 1]) >= 0 && hex_digit(text[i + 2]) >= 0) {
			out[used++] = (char)(hex_digit(text[i + 1]) << 4 | hex_digit(text[i + 2]));
			i += 2;
		} else {
			out[used++] = text[i];
		}
	}
	out[used] = '\0';
	return (struct str){ out, used };
}

/* Part by part; the stars' matches are decoded only when the whole path fits. */
static bool matches(const char *pattern, const char *path, struct str *parts, unsigned *ret_count)
{
	unsigned count = 0;
	while (*pattern) {
		if (*pattern != '*') {
			if (*pattern++ != *path++)
				return false;
			continue;
		}
		size_t length = strcspn(path, "/");
		if (!length || count == ROUTE_PARTS_MOST)
			return false;
		parts[count++] = (struct str){ path, length };
		path += length;
		pattern++;
	}
	*ret_count = count;
	return *path == '\0';
}

static bool method_fits(const struct route *route, const char *method)
{
	return strcmp(route->method, method) == 0 ||
	       (strcmp(route->method, "GET") == 0 && strcmp(method, "HEAD") == 0);
}

const struct route *routes_find(struct route_call *call, const char *method, const char *path, unsigned *ret_status)
{
	*ret_status = 404;
	for (unsigned t = 0; t < sizeof tables / sizeof tables[0]; t++) {
		for (const struct route *route = tables[t]; route->method; route++) {
			struct str parts[ROUTE_PARTS_MOST];
			unsigned count;
			if (!matches(route->pattern, path, parts, &count))
				continue;
			if (!method_fits(route, method)) {
				*ret_status = 405;
				continue;
			}
			for (unsigned i = 0; i < count; i++)
				call->parts[i] = decode(&call->arena, parts[i].ptr, parts[i].len);
			call->parts_count = count;
			return route;
		}
	}
	return NULL;
}

/* ---- reading ---------------------------------------------------------------------------------- */

struct str route_query(struct route_call *call, const char *name)
{
	const char *text = call->query(call, name);
	return text ? str_of(text) : (struct str){ NULL, 0 };
}

int64_t route_query_number(struct route_call *call, const char *name, int64_t otherwise)
{
	int64_t number;
	return route_number(route_query(call, name), &number) ? number : otherwise;
}

bool route_number(struct str text, int64_t *ret_number)
{
	if (!text.len)
		return false; /* absent, perhaps */
	bool minus = text.ptr[0] == '-';
	struct str digits = str_sub(text, minus, text.len);
	int64_t number = 0;
	if (!digits.len)
		return false;
	for (size_t i = 0; i < digits.len; i++) {
		if (digits.ptr[i] < '0' || digits.ptr[i] > '9')
			return false;
		number = number * 10 + (digits.ptr[i] - '0');
		if (number > ROUTE_NUMBER_MOST)
			return false;
	}
	*ret_number = minus ? -number : number;
	return true;
}

/* What is wrong with a text of the path or the query; NULL: nothing. */
static const char *text_problem(struct str text)
{
	if (memchr(text.ptr, 0, text.len))
		return "holds a NUL (%00)";
	return utf8_is_valid(text) ? NULL : "is not UTF-8";
}

static bool is_name_known(const struct str *names, unsigned count, struct str name)
{
	for (unsigned i = 0; i < count; i++)
		if (str_eq(names[i], name))
			return true;
	return false;
}

/* "a=1&b=2": every member once, and all of it text. The transport reads the first of two members, and ends a text at a NUL. */
static bool refuse_query(struct route_call *call)
{
	struct str names[QUERY_MEMBERS_MOST];
	unsigned count = 0;
	for (const char *at = call->query_text; *at;) {
		size_t length = strcspn(at, "&"), name_length = strcspn(at, "=&");
		struct str name = decode(&call->arena, at, name_length), whole = decode(&call->arena, at, length);
		const char *problem = text_problem(whole);
		at += length + (at[length] == '&');
		if (!length)
			continue;
		if (problem)
			route_refuse(call, 400, "InvalidRequest", "a member of the query %s", problem);
		else if (is_name_known(names, count, name))
			route_refuse(call, 400, "InvalidRequest", "the query has '%.*s' twice", STR_FMT(str_sub(name, 0, 60)));
		else if (count == QUERY_MEMBERS_MOST)
			route_refuse(call, 400, "InvalidRequest", "the query has more than %d members", QUERY_MEMBERS_MOST);
		if (call->status)
			return true;
		names[count++] = name;
	}
	return false;
}

static bool refuse_parts(struct route_call *call)
{
	for (unsigned i = 0; i < call->parts_count; i++) {
		const char *problem = text_problem(call->parts[i]);
		if (problem) {
			route_refuse(call, 400, "InvalidRequest", "a part of the path %s", problem);
			return true;
		}
	}
	return false;
}

/* One rule for all lists (docs/console-api.md): a page has at least one row; each list has its own most. */
static bool refuse_limit(struct route_call *call)
{
	struct str limit = route_query(call, "limit");
	int64_t number;
	bool good = !limit.ptr || (route_number(limit, &number) && number >= 1);
	if (!good)
		route_refuse(call, 400, "InvalidRequest", "limit must be a number from 1 on");
	return !good;
}

void route_handle(struct route_call *call)
{
	bool ours = strncmp(call->route->pattern, "/v1/", 4) == 0;
	if (!ours || (!refuse_parts(call) && !refuse_query(call) && !refuse_limit(call)))
		call->route->handle(call);
}

struct value *route_body(struct route_call *call)
{
	struct value *value = NULL;
	struct wf_error err = { 0 };
	if (value_parse(call->body.len ? call->body : STR("{}"), &(struct value_parse_options){ .depth_max = 64 }, &value,
			&err) != 0) {
		route_refuse(call, 400, "InvalidRequest", "the body is no JSON: %s (%s)", err.message, err.where);
		return NULL;
	}
	if (!value_is(value, VALUE_OBJECT)) {
		value_unref(value);
		route_refuse(call, 400, "InvalidRequest", "the body must be a JSON object");
		return NULL;
	}
	return value;
}

/* ---- answering -------------------------------------------------------------------------------- */

void route_header(struct route_call *call, const char *name, const char *value)
{
	assert(call->headers_count < ROUTE_HEADERS_MOST);
	call->headers[call->headers_count].name = name;
	call->headers[call->headers_count++].value = value;
}

void route_answer_status(struct route_call *call, unsigned status)
{
	assert(!call->status);
	call->status = status;
	call->answered(call);
}

void route_answer(struct route_call *call)
{
	route_answer_status(call, 200);
}

void route_refuse(struct route_call *call, unsigned status, const char *code, const char *format, ...)
{
	_cleanup_(buffer_done) struct buffer message = { 0 };
	va_list args;
	va_start(args, format);
	buffer_vprintf(&message, format, args);
	va_end(args);
	buffer_done(&call->out);
	call->out = (struct buffer){ 0 };
	call->type = NULL;
	buffer_addz(&call->out, "{\"error\":{");
	api_put_text(&call->out, "code", str_of(code));
	api_put_text(&call->out, "message", buffer_str(&message));
	buffer_addz(&call->out, "}}");
	route_answer_status(call, status);
}

static unsigned status_of(enum engine_error_code code)
{
	switch (code) {
	case ENGINE_STATE_MACHINE_DOES_NOT_EXIST:
	case ENGINE_EXECUTION_DOES_NOT_EXIST:
	case ENGINE_TASK_DOES_NOT_EXIST:
	case ENGINE_ACTIVITY_DOES_NOT_EXIST:
	case ENGINE_RESOURCE_NOT_FOUND:
		return 404;
	case ENGINE_CONFLICT:
	case ENGINE_EXECUTION_ALREADY_EXISTS:
	case ENGINE_STATE_MACHINE_ALREADY_EXISTS:
	case ENGINE_ACTIVITY_ALREADY_EXISTS:
	case ENGINE_EXECUTION_NOT_REDRIVABLE:
		return 409;
	case ENGINE_UNAVAILABLE:
		return 503;
	case ENGINE_INTERNAL:
		return 500;
	case ENGINE_OK:
	case ENGINE_INVALID_ARN:
	case ENGINE_INVALID_NAME:
	case ENGINE_INVALID_DEFINITION:
	case ENGINE_INVALID_EXECUTION_INPUT:
	case ENGINE_INVALID_TOKEN:
	case ENGINE_INVALID_OUTPUT:
	case ENGINE_STATE_MACHINE_DELETING:
	case ENGINE_STATE_MACHINE_TYPE_NOT_SUPPORTED:
	case ENGINE_STATE_MACHINE_LIMIT_EXCEEDED:
	case ENGINE_EXECUTION_LIMIT_EXCEEDED:
	case ENGINE_TASK_TIMED_OUT:
	case ENGINE_MISSING_REQUIRED_PARAMETER:
	case ENGINE_VALIDATION:
	case ENGINE_ACTIVITY_WORKER_LIMIT_EXCEEDED:
	case ENGINE_TOO_MANY_TAGS:
	case ENGINE_SERVICE_QUOTA_EXCEEDED:
		return 400;
	}
	return 400;
}

void route_refuse_engine(struct route_call *call, const struct engine_error *error)
{
	route_refuse(call, status_of(error->code), engine_error_name(error->code), "%.*s", STR_FMT(error->message));
}
