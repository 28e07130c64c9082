/* sdk_sfn.c: arn:aws:states:::aws-sdk:sfn:sendTaskSuccess, sendTaskFailure, sendTaskHeartbeat: an execution that reports on another's task. A
 * connector of the engine's own; startExecution is children.c's. */
#include "engine/runtime.h"
#include <stdlib.h>

struct sdk_call {
	struct sdk_sfn *sdk;
	struct task_key key;
	struct sdk_call *next, *previous;
};

struct sdk_sfn {
	struct connector connector;
	struct engine *engine;
	struct sdk_call *calls;
	uint32_t count;
};

void sdk_sfn_error(struct engine *engine, struct arena *arena, const struct engine_error *error, struct str *ret_error, struct str *ret_cause)
{
	char request_id[37];
	random_uuid(&engine->random, request_id);
	const char *name = engine_error_name(error->code);
	*ret_error = arena_format(arena, "Sfn.%s%s", name, str_ends(str_of(name), STR("Exception")) ? "" : "Exception");
	*ret_cause = arena_format(arena, "%.*s (Service: Sfn, Status Code: 400, Request ID: %s) (SDK Attempt Count: 1)",
				  STR_FMT(error->message), request_id);
}

static void on_reported(void *data, const struct engine_error *error)
{
	struct sdk_call *call = data;
	struct sdk_sfn *sdk = call->sdk;
	_cleanup_(arena_done) struct arena arena = { 0 };
	_cleanup_(value_unrefp) struct value *nothing = value_new_object(0);
	struct task_result result = { .end = TASK_SUCCEEDED, .output = nothing };
	if (error->code) {
		result = (struct task_result){ .end = TASK_FAILED };
		sdk_sfn_error(sdk->engine, &arena, error, &result.error, &result.cause);
	}
	sdk->connector.host->finished(sdk->connector.host, call->key, &result); /* one that was cancelled is not heard */
	*(call->previous ? &call->previous->next : &sdk->calls) = call->next;
	if (call->next)
		call->next->previous = call->previous;
	sdk->count--;
	free(call);
}

/* A text, or a document's text; ptr NULL if it is absent. */
static struct str text_of(const struct value *parameters, const char *key)
{
	const struct value *value = value_getz(parameters, key);
	if (!value || value_is(value, VALUE_NULL))
		return (struct str){ NULL, 0 };
	return value_is(value, VALUE_STRING) ? value_string(value) : value_text(value);
}

static int start(struct connector *connector, const struct task_request *task, struct wf_error *err)
{
	(void)err;
	struct sdk_sfn *sdk = (struct sdk_sfn *)connector;
	struct sdk_call *call = NEW(struct sdk_call);
	*call = (struct sdk_call){ .sdk = sdk, .key = task->key, .next = sdk->calls };
	if (call->next)
		call->next->previous = call;
	sdk->calls = call;
	sdk->count++;
	struct str token = text_of(task->parameters, "TaskToken");
	if (str_eqz(task->api, "sendTaskSuccess"))
		engine_task_success(sdk->engine, token, text_of(task->parameters, "Output"), on_reported, call);
	else if (str_eqz(task->api, "sendTaskFailure"))
		engine_task_failure(sdk->engine, token, text_of(task->parameters, "Error"), text_of(task->parameters, "Cause"), on_reported, call);
	else
		engine_task_heartbeat(sdk->engine, token, on_reported, call);
	return 0;
}

static bool accepts(const struct connector *connector, struct str type, struct str api)
{
	(void)connector;
	return str_eqz(type, "aws-sdk:sfn") && (str_eqz(api, "sendTaskSuccess") || str_eqz(api, "sendTaskFailure") || str_eqz(api, "sendTaskHeartbeat"));
}

/* What has been reported cannot be taken back. */
static void cancel(struct connector *connector, struct task_key key)
{
	(void)connector;
	(void)key;
}

static uint32_t running(const struct connector *connector)
{
	return ((const struct sdk_sfn *)connector)->count;
}

static void free_sdk(struct connector *connector)
{
	struct sdk_sfn *sdk = (struct sdk_sfn *)connector;
	for (struct sdk_call *next, *call = sdk->calls; call; call = next) {
		next = call->next;
		free(call);
	}
	free(sdk);
}

void sdk_sfn_init(struct engine *engine)
{
	static const struct connector_class class = {
		.name = "sfn", .accepts = accepts, .start = start, .cancel = cancel, .running = running, .free = free_sdk,
	};
	struct sdk_sfn *sdk = NEW(struct sdk_sfn);
	sdk->connector = (struct connector){ .class = &class, .host = &engine->dispatch.host };
	sdk->engine = engine;
	engine_add_connector(engine, &sdk->connector);
}
