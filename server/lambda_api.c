/* lambda_api.c: the Lambda API, as far as callers of functions need it.
 *
 *     POST /2015-03-31/functions/NAME/invocations     Invoke: RequestResponse, Event, DryRun
 *     GET  /2015-03-31/functions/                     ListFunctions
 *     GET  /2015-03-31/functions/NAME                 GetFunction, …/configuration: GetFunctionConfiguration
 *     GET  /2015-03-31/functions/NAME/versions        ListVersionsByFunction
 *
 * NAME is a name, a partial ARN or an ARN, with a qualifier behind it or in ?Qualifier=. Changing functions is not here: that
 * takes archives of code, and ours are folders (PUT /v1/functions/NAME). Errors are Lambda's: {"Type", "Message"} with the
 * name in x-amzn-ErrorType. */
#include "base/mem.h"
#include "connectors/function/codec.h"
#include "connectors/function/function.h"
#include "server/route.h"
#include <stdlib.h>
#include <strings.h>

#define EVENT_BYTES_MAX 6291556

static void refuse(struct route_call *call, unsigned status, const char *error, struct str message)
{
	buffer_clear(&call->out);
	buffer_addz(&call->out, "{\"Type\":");
	value_write_string(status < 500 ? STR("User") : STR("Service"), &call->out);
	buffer_addz(&call->out, ",\"Message\":");
	value_write_string(message, &call->out);
	buffer_byte(&call->out, '}');
	route_header(call, "x-amzn-ErrorType", error);
	route_answer_status(call, status);
}

static void refuse_text(struct route_call *call, unsigned status, const char *error, const char *message)
{
	refuse(call, status, error, str_of(message));
}

/* A name with control characters in it would be cut at a NUL, and forge lines: refused, as it was sent (nearly). */
static bool name_good(struct route_call *call)
{
	struct str name = str_sub(call->parts[0], 0, 200);
	_cleanup_(buffer_done) struct buffer shown = { 0 };
	bool good = true;
	for (size_t i = 0; i < name.len; i++) {
		unsigned char byte = (unsigned char)name.ptr[i];
		bool plain = byte >= 0x20 && byte != 0x7f;
		good &= plain;
		buffer_printf(&shown, plain ? "%c" : "%%%02X", byte);
	}
	if (!good)
		refuse(call, 400, "ValidationException",
		       str_of(arena_printf(&call->arena, "Value '%.*s' at 'functionName' has characters that no name has",
					   STR_FMT(buffer_str(&shown)))));
	return good;
}

/* ---- Invoke ------------------------------------------------------------------------------------------ */

struct invoking {
	struct route_call *call;
	bool with_log;
};

static const char *keep(struct route_call *call, struct str text)
{
	return arena_printf(&call->arena, "%.*s", STR_FMT(text));
}

static void on_invoked(void *data, const struct invoke_result *result)
{
	struct invoking *invoking = data;
	struct route_call *call = invoking->call;
	bool with_log = invoking->with_log;
	route_header(call, "x-amzn-RequestId", keep(call, str_of(result->request_id)));
	if (result->end == INVOKE_REFUSED) {
		if (result->status < 300)
			route_answer_status(call, result->status);
		else
			refuse(call, result->status, keep(call, str_of(result->error)), result->message);
		return;
	}
	route_header(call, "X-Amz-Executed-Version", keep(call, result->version));
	if (result->end == INVOKE_FAILED)
		route_header(call, "X-Amz-Function-Error", "Unhandled");
	if (with_log) {
		_cleanup_(buffer_done) struct buffer log = { 0 };
		encode_base64(result->log, &log);
		route_header(call, "X-Amz-Log-Result", keep(call, buffer_str(&log)));
	}
	buffer_add(&call->out, result->payload);
	route_answer(call);
}

static bool event_good(struct route_call *call)
{
	struct value *value = NULL;
	struct wf_error err = { 0 };
	if (call->body.len > EVENT_BYTES_MAX) {
		refuse_text(call, 413, "RequestTooLargeException",
			    "Request must be smaller than 6291556 bytes for the InvokeFunction operation");
		return false;
	}
	if (call->body.len && value_parse(call->body, NULL, &value, &err) < 0) {
		const char *text = arena_printf(&call->arena, "Could not parse request body into json: %s", err.message);
		refuse_text(call, 400, "InvalidRequestContentException", text);
		return false;
	}
	value_unref(value);
	return true;
}

static void invoke(struct route_call *call)
{
	struct functions *functions = call->services->functions;
	const char *type = call->header(call, "X-Amz-Invocation-Type"), *log = call->header(call, "X-Amz-Log-Type"),
		   *context = call->header(call, "X-Amz-Client-Context"), *trace = call->header(call, "traceparent");
	if (!trace)
		trace = call->header(call, "X-Amzn-Trace-Id");
	type = type ? type : "RequestResponse";
	bool event = strcmp(type, "Event") == 0, dry = strcmp(type, "DryRun") == 0;
	_cleanup_(buffer_done) struct buffer decoded = { 0 };
	if (!functions) {
		refuse_text(call, 404, "ResourceNotFoundException", "This server has no functions");
		return;
	}
	if (!event && !dry && strcmp(type, "RequestResponse") != 0) {
		refuse_text(call, 400, "InvalidParameterValueException",
			    "InvocationType must be RequestResponse, Event or DryRun");
		return;
	}
	if (context && !decode_base64(str_of(context), &decoded)) {
		refuse_text(call, 400, "InvalidRequestContentException", "Client context must be Base64");
		return;
	}
	if (!name_good(call) || !event_good(call))
		return;
	struct str qualifier = route_query(call, "Qualifier");
	struct invoke_request request = { .function = call->parts[0],
					  .qualifier = qualifier.ptr ? qualifier : STR_EMPTY,
					  .event = call->body,
					  .client_context = buffer_str(&decoded),
					  .trace_parent = trace ? str_of(trace) : STR_EMPTY,
					  .dry_run = dry };
	struct invoking *invoking = ARENA_NEW(&call->arena, struct invoking);
	*invoking = (struct invoking){ .call = call, .with_log = log && strcmp(log, "Tail") == 0 };
	if (event)
		functions_invoke_event(functions, &request, on_invoked, invoking);
	else
		functions_invoke(functions, &request, on_invoked, invoking);
}

/* ---- what there is --------------------------------------------------------------------------------------- */

/* "NAME" of an ARN, with its qualifier. */
static struct str name_of(struct str text, struct str *ret_qualifier)
{
	const char *at = memmem(text.ptr, text.len, "function:", 9);
	if (at)
		text = str_sub(text, (size_t)(at - text.ptr) + 9, text.len);
	const char *colon = memchr(text.ptr, ':', text.len);
	*ret_qualifier = colon ? str_sub(text, (size_t)(colon - text.ptr) + 1, text.len) : STR_EMPTY;
	return colon ? str_sub(text, 0, (size_t)(colon - text.ptr)) : text;
}

static void not_found(struct route_call *call)
{
	refuse_text(call, 404, "ResourceNotFoundException",
		    arena_printf(&call->arena, "Function not found: %.*s", STR_FMT(call->parts[0])));
}

static void answer_list(struct route_call *call, const char *member, struct value *list)
{
	buffer_printf(&call->out, "{\"%s\":", member);
	value_write(list, &call->out);
	buffer_byte(&call->out, '}');
	value_unref(list);
	route_answer(call);
}

static void list(struct route_call *call)
{
	struct functions *functions = call->services->functions;
	answer_list(call, "Functions", functions ? functions_configurations(functions, STR_EMPTY) : value_new_array(0));
}

static void versions(struct route_call *call)
{
	if (!name_good(call))
		return;
	struct str qualifier, name = name_of(call->parts[0], &qualifier);
	struct value *all = call->services->functions && name.len
				? functions_configurations(call->services->functions, name)
				: NULL;
	if (all)
		answer_list(call, "Versions", all);
	else
		not_found(call);
}

static struct value *configuration_of(struct route_call *call)
{
	struct str qualifier, name = name_of(call->parts[0], &qualifier), asked = route_query(call, "Qualifier");
	return call->services->functions
		   ? functions_configuration(call->services->functions, name, asked.ptr ? asked : qualifier)
		   : NULL;
}

static void configuration(struct route_call *call)
{
	if (!name_good(call))
		return;
	_cleanup_(value_unrefp) struct value *object = configuration_of(call);
	if (!object) {
		not_found(call);
		return;
	}
	value_write(object, &call->out);
	route_answer(call);
}

static void get(struct route_call *call)
{
	if (!name_good(call))
		return;
	_cleanup_(value_unrefp) struct value *object = configuration_of(call);
	if (!object) {
		not_found(call);
		return;
	}
	buffer_addz(&call->out, "{\"Configuration\":");
	value_write(object, &call->out);
	buffer_addz(&call->out, ",\"Code\":{},\"Tags\":{}}");
	route_answer(call);
}

const struct route routes_lambda[] = {
	{ "POST", "/2015-03-31/functions/*/invocations", ROLE_OPERATE, invoke },
	{ "GET", "/2015-03-31/functions", ROLE_READ, list },
	{ "GET", "/2015-03-31/functions/", ROLE_READ, list },
	{ "GET", "/2015-03-31/functions/*", ROLE_READ, get },
	{ "GET", "/2015-03-31/functions/*/configuration", ROLE_READ, configuration },
	{ "GET", "/2015-03-31/functions/*/versions", ROLE_READ, versions },
	{ 0 },
};
