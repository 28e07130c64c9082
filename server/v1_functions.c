/* v1_functions.c: functions over /v1: what there is, how it does, and changing it (connectors/function/function.h). */
#include "base/mem.h"
#include "connectors/function/function.h"
#include "server/route.h"

static struct functions *functions_of(struct route_call *call)
{
	if (!call->services->functions)
		route_refuse(call, 404, "NotFound", "this server has no functions");
	return call->services->functions;
}

/* Takes over `answer`; NULL: there is no such function. */
static void give(struct route_call *call, struct value *answer)
{
	if (!answer) {
		route_refuse(call, 404, "NotFound", "there is no function %.*s", STR_FMT(call->parts[0]));
		return;
	}
	value_write(answer, &call->out);
	value_unref(answer);
	route_answer(call);
}

static unsigned status_of(int code)
{
	return code == ERR(NOT_FOUND) ? 404 : code == ERR(EXISTS) || code == ERR(BUSY) ? 409 : code == ERR(IO) ? 503 : 400;
}

static void on_done(void *data, const struct wf_error *err, const struct value *answer)
{
	struct route_call *call = data;
	if (err) {
		route_refuse(call, status_of(err->code),
			     err->code == ERR(NOT_FOUND) ? "NotFound"
			     : err->code == ERR(EXISTS)	 ? "Conflict"
			     : err->code == ERR(BUSY)	 ? "Conflict"
							 : "InvalidRequest",
			     "%s%s%s", err->message, *err->where ? ": " : "", err->where);
		return;
	}
	if (answer)
		value_write(answer, &call->out);
	else
		buffer_addz(&call->out, "{}");
	route_answer(call);
}

static void list(struct route_call *call)
{
	struct functions *functions = functions_of(call);
	if (!functions)
		return;
	_cleanup_(value_unrefp) struct value *all = functions_list(functions);
	buffer_addz(&call->out, "{\"functions\":");
	value_write(all, &call->out);
	buffer_byte(&call->out, '}');
	route_answer(call);
}

static void show(struct route_call *call)
{
	struct functions *functions = functions_of(call);
	if (functions)
		give(call, functions_show(functions, call->parts[0]));
}

static void logs(struct route_call *call)
{
	struct functions *functions = functions_of(call);
	int64_t after = route_query_number(call, "after", 0);
	if (functions)
		give(call, functions_logs(functions, call->parts[0], after > 0 ? (uint64_t)after : 0));
}

/* The functions and the body as an object; false after it refused. */
static bool begin(struct route_call *call, struct functions **ret_functions, struct value **ret_body)
{
	if (!(*ret_functions = functions_of(call)))
		return false;
	return (*ret_body = route_body(call)) != NULL;
}

static struct str text(const struct value *body, const char *name)
{
	const struct value *value = value_getz(body, name);
	return value ? value_string(value) : STR_EMPTY;
}

/* 0 if it is absent; false after a refusal if it is no version's number. */
static bool number(struct route_call *call, const struct value *body, uint64_t *ret_number)
{
	const struct value *value = value_getz(body, "version");
	int64_t number = 0;
	if (value && !value_is(value, VALUE_NULL) && (!value_int64(value, &number) || number < 1)) {
		route_refuse(call, 400, "InvalidRequest", "\"version\" must be a version's number");
		return false;
	}
	*ret_number = (uint64_t)number;
	return true;
}

static void put(struct route_call *call)
{
	struct functions *functions;
	_cleanup_(value_unrefp) struct value *body = NULL;
	if (begin(call, &functions, &body))
		functions_put(functions, call->parts[0], body, on_done, call);
}

static void removes(struct route_call *call)
{
	struct functions *functions = functions_of(call);
	if (functions)
		functions_remove(functions, call->parts[0], on_done, call);
}

static void publish(struct route_call *call)
{
	struct functions *functions;
	_cleanup_(value_unrefp) struct value *body = NULL;
	if (begin(call, &functions, &body))
		functions_publish(functions, call->parts[0], text(body, "description"), on_done, call);
}

static void rollback(struct route_call *call)
{
	struct functions *functions;
	uint64_t version;
	_cleanup_(value_unrefp) struct value *body = NULL;
	if (begin(call, &functions, &body) && number(call, body, &version))
		functions_rollback(functions, call->parts[0], text(body, "alias"), version, on_done, call);
}

static void set_alias(struct route_call *call)
{
	struct functions *functions;
	uint64_t version;
	_cleanup_(value_unrefp) struct value *body = NULL;
	if (!begin(call, &functions, &body) || !number(call, body, &version))
		return;
	if (!version)
		route_refuse(call, 400, "InvalidRequest", "\"version\" is missing: the version that the alias names");
	else
		functions_alias(functions, call->parts[0], call->parts[1], version, on_done, call);
}

static void remove_alias(struct route_call *call)
{
	struct functions *functions = functions_of(call);
	if (functions)
		functions_alias(functions, call->parts[0], call->parts[1], 0, on_done, call);
}

/* {status, payload, version, request_id, log}: the same as Invoke, for people and the console. */
static void on_invoked(void *data, const struct invoke_result *result)
{
	struct route_call *call = data;
	struct buffer *out = &call->out;
	if (result->end == INVOKE_REFUSED) {
		route_refuse(call, result->status < 300 ? 409 : result->status, result->error, "%.*s",
			     STR_FMT(result->message));
		return;
	}
	struct value *payload = NULL;
	bool json = value_parse(result->payload, NULL, &payload, NULL) == 0;
	buffer_printf(out, "{\"status\":\"%s\",\"version\":\"%.*s\",\"request_id\":\"%s\",\"log\":",
		      result->end == INVOKE_FAILED ? "FAILED" : "SUCCEEDED", STR_FMT(result->version), result->request_id);
	value_write_string(result->log, out);
	buffer_addz(out, ",\"payload\":");
	if (json)
		value_write(payload, out);
	else
		value_write_string(result->payload, out);
	buffer_byte(out, '}');
	value_unref(payload);
	route_answer(call);
}

static void invoke(struct route_call *call)
{
	struct functions *functions;
	_cleanup_(value_unrefp) struct value *body = NULL;
	if (!begin(call, &functions, &body))
		return;
	const struct value *payload = value_getz(body, "payload");
	struct invoke_request request = { .function = call->parts[0],
					  .qualifier = text(body, "qualifier"),
					  .event = payload ? value_text(payload) : STR_EMPTY,
					  .client_context = STR_EMPTY,
					  .trace_parent = STR_EMPTY };
	functions_invoke(functions, &request, on_invoked, call);
}

const struct route routes_functions[] = {
	{ "GET", "/v1/functions", ROLE_READ, list },
	{ "GET", "/v1/functions/*", ROLE_READ, show },
	{ "PUT", "/v1/functions/*", ROLE_ADMINISTER, put },
	{ "DELETE", "/v1/functions/*", ROLE_ADMINISTER, removes },
	{ "GET", "/v1/functions/*/logs", ROLE_READ, logs },
	{ "POST", "/v1/functions/*/invoke", ROLE_OPERATE, invoke },
	{ "POST", "/v1/functions/*/publish", ROLE_ADMINISTER, publish },
	{ "POST", "/v1/functions/*/rollback", ROLE_ADMINISTER, rollback },
	{ "PUT", "/v1/functions/*/aliases/*", ROLE_ADMINISTER, set_alias },
	{ "DELETE", "/v1/functions/*/aliases/*", ROLE_ADMINISTER, remove_alias },
	{ 0 },
};
