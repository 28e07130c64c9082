/* api_executions.c: operations on executions, their histories, and tasks by token. */
#include "base/mem.h"
#include "server/api.h"

/* ---- start, stop ------------------------------------------------------------------------------ */

static void started(void *data, const struct engine_error *error, const struct execution_info *execution)
{
	struct api_call *call = data;
	if (error->code) {
		api_refuse_engine(call, error);
		return;
	}
	buffer_byte(&call->body, '{');
	api_put_text(&call->body, "executionArn", execution->arn);
	api_put_time(&call->body, "startDate", execution->start_ms);
	buffer_byte(&call->body, '}');
	api_answer(call);
}

/* A text that was given, or a str without a pointer. */
static struct str optional(const struct api_call *call, const char *name)
{
	return api_has(call, name) ? api_text(call, name) : (struct str){ 0 };
}

/* The member, or the header that AWS's clients send; one that is not short, plain text is ignored. */
static struct str trace_header(const struct api_call *call)
{
	struct str header = api_has(call, "traceHeader") ? api_text(call, "traceHeader") : call->trace_id;
	for (size_t i = 0; i < header.len; i++)
		if ((unsigned char)header.ptr[i] < 0x20 || (unsigned char)header.ptr[i] > 0x7e)
			return api_has(call, "traceHeader") ? header : STR_EMPTY;
	return header.len <= 256 ? header : STR_EMPTY;
}

void api_start_execution(struct api_call *call)
{
	struct start_request request = {
		.machine_arn = api_text(call, "stateMachineArn"),
		.name = api_text(call, "name"),
		.input = optional(call, "input"),
		.trace_header = trace_header(call),
		.trace_parent = call->trace_parent,
	};
	engine_start(call->engine, &request, started, call);
	/* The engine has what it needs, and the answer needs none of it: a large input is not held until the commit. */
	value_unref(TAKE(call->request));
}

/* AWS bills by 100 ms begun and 64 MB begun. */
static void put_billing(struct buffer *out, const struct execution_info *execution)
{
	int64_t duration_ms = execution->stop_ms - execution->start_ms, chunk = 64 << 20;
	api_put_json(out, "billingDetails", STR("{"));
	api_put_number(out, "billedMemoryUsedInMB", ((int64_t)execution->memory_bytes + chunk - 1) / chunk * 64);
	api_put_number(out, "billedDurationInMilliseconds", duration_ms > 0 ? (duration_ms + 99) / 100 * 100 : 100);
	buffer_byte(out, '}');
}

static void ended(void *data, const struct engine_error *error, const struct execution_info *execution)
{
	struct api_call *call = data;
	struct buffer *out = &call->body;
	if (error->code) {
		api_refuse_engine(call, error);
		return;
	}
	bool all = !str_eqz(api_text(call, "includedData"), "METADATA_ONLY");
	buffer_byte(out, '{');
	api_put_text(out, "executionArn", execution->arn);
	api_put_text(out, "stateMachineArn", execution->machine_arn);
	api_put_text(out, "name", execution->name);
	api_put_time(out, "startDate", execution->start_ms);
	api_put_time(out, "stopDate", execution->stop_ms);
	api_put_text(out, "status", str_of(execution_status_name(execution->status)));
	if (execution->error.ptr)
		api_put_text(out, "error", execution->error);
	if (execution->cause.ptr)
		api_put_text(out, "cause", execution->cause);
	if (all)
		api_put_text(out, "input", execution->input);
	api_put_json(out, "inputDetails", STR("{\"included\":true}"));
	if (all && execution->output)
		api_put_text(out, "output", value_text(execution->output));
	api_put_json(out, "outputDetails", STR("{\"included\":true}"));
	if (execution->trace_header.len)
		api_put_text(out, "traceHeader", execution->trace_header);
	put_billing(out, execution);
	buffer_byte(out, '}');
	api_answer(call);
}

void api_start_sync_execution(struct api_call *call)
{
	struct start_request request = {
		.machine_arn = api_text(call, "stateMachineArn"),
		.name = api_text(call, "name"),
		.input = optional(call, "input"),
		.trace_header = trace_header(call),
		.trace_parent = call->trace_parent,
	};
	engine_start_sync(call->engine, &request, ended, call);
}

static void stopped(void *data, const struct engine_error *error, const struct execution_info *execution)
{
	struct api_call *call = data;
	if (error->code) {
		api_refuse_engine(call, error);
		return;
	}
	buffer_byte(&call->body, '{');
	api_put_time(&call->body, "stopDate", execution->stop_ms);
	buffer_byte(&call->body, '}');
	api_answer(call);
}

void api_stop_execution(struct api_call *call)
{
	engine_stop(call->engine, api_text(call, "executionArn"), optional(call, "error"), optional(call, "cause"), stopped, call);
}

static void redriven(void *data, const struct engine_error *error, const struct execution_info *execution)
{
	struct api_call *call = data;
	if (error->code) {
		api_refuse_engine(call, error);
		return;
	}
	buffer_byte(&call->body, '{');
	api_put_time(&call->body, "redriveDate", execution->redrive_ms);
	buffer_byte(&call->body, '}');
	api_answer(call);
}

void api_redrive_execution(struct api_call *call)
{
	engine_redrive_once(call->engine, api_text(call, "executionArn"), api_text(call, "clientToken"), redriven, call);
}

/* ---- describe --------------------------------------------------------------------------------- */

static void put_redrive(struct buffer *out, const struct execution_info *execution)
{
	const char *reason = NULL;
	api_put_number(out, "redriveCount", execution->redrive_count);
	if (execution->redrive_ms)
		api_put_time(out, "redriveDate", execution->redrive_ms);
	switch (execution->status) {
	case EXECUTION_RUNNING:
		reason = "Execution is RUNNING and cannot be redriven";
		break;
	case EXECUTION_SUCCEEDED_:
		reason = "Execution is SUCCEEDED and cannot be redriven";
		break;
	case EXECUTION_PENDING_REDRIVE:
		reason = "Execution is PENDING_REDRIVE and cannot be redriven";
		break;
	case EXECUTION_FAILED_:
	case EXECUTION_TIMED_OUT_:
	case EXECUTION_ABORTED_:
		break;
	}
	api_put_text(out, "redriveStatus", reason ? STR("NOT_REDRIVABLE") : STR("REDRIVABLE"));
	if (reason)
		api_put_text(out, "redriveStatusReason", str_of(reason));
}

static void described(void *data, const struct engine_error *error, const struct execution_info *execution)
{
	struct api_call *call = data;
	struct buffer *out = &call->body;
	bool all = !str_eqz(api_text(call, "includedData"), "METADATA_ONLY");
	if (error->code) {
		api_refuse_engine(call, error);
		return;
	}
	buffer_byte(out, '{');
	api_put_text(out, "executionArn", execution->arn);
	api_put_text(out, "stateMachineArn", execution->machine_arn);
	if (execution->version_arn.len)
		api_put_text(out, "stateMachineVersionArn", execution->version_arn);
	if (execution->alias_arn.len)
		api_put_text(out, "stateMachineAliasArn", execution->alias_arn);
	api_put_text(out, "name", execution->name);
	api_put_text(out, "status", str_of(execution_status_name(execution->status)));
	api_put_time(out, "startDate", execution->start_ms);
	if (execution->stop_ms)
		api_put_time(out, "stopDate", execution->stop_ms);
	if (all) {
		api_put_text(out, "input", execution->input);
		if (execution->output)
			api_put_text(out, "output", value_text(execution->output));
		if (execution->error.ptr)
			api_put_text(out, "error", execution->error);
		if (execution->cause.ptr)
			api_put_text(out, "cause", execution->cause);
	}
	api_put_json(out, "inputDetails", STR("{\"included\":true}"));
	if (execution->output)
		api_put_json(out, "outputDetails", STR("{\"included\":true}"));
	if (execution->trace_header.len)
		api_put_text(out, "traceHeader", execution->trace_header);
	put_redrive(out, execution);
	buffer_byte(out, '}');
	api_answer(call);
}

void api_describe_execution(struct api_call *call)
{
	engine_describe(call->engine, api_text(call, "executionArn"), described, call);
}

/* ---- the definition that an execution runs ------------------------------------------------------ */

static void machine_described(void *data, const struct engine_error *error, const struct execution_info *execution)
{
	struct api_call *call = data;
	struct buffer *out = &call->body;
	if (error->code) {
		api_refuse_engine(call, error);
		return;
	}
	bool all = !str_eqz(api_text(call, "includedData"), "METADATA_ONLY");
	buffer_byte(out, '{');
	api_put_text(out, "stateMachineArn", execution->machine_arn);
	api_put_text(out, "name", execution->machine_name);
	api_put_text(out, "definition", all ? execution->definition : STR("{}"));
	api_put_text(out, "roleArn", execution->role_arn);
	api_put_time(out, "updateDate", execution->updated_ms);
	api_put_configurations(out, execution->logging, execution->tracing, execution->encryption);
	if (execution->revision_id.len)
		api_put_text(out, "revisionId", execution->revision_id);
	if (all)
		api_put_variable_references(call, execution->program);
	buffer_byte(out, '}');
	api_answer(call);
}

void api_describe_state_machine_for_execution(struct api_call *call)
{
	engine_describe(call->engine, api_text(call, "executionArn"), machine_described, call);
}

/* ---- list ------------------------------------------------------------------------------------- */

static void listed(void *data, const struct engine_error *error, const struct execution_info *executions, uint32_t count, struct str token)
{
	struct api_call *call = data;
	struct buffer *out = &call->body;
	if (error->code) {
		api_refuse_engine(call, error);
		return;
	}
	buffer_addz(out, "{\"executions\":[");
	for (uint32_t i = 0; i < count; i++) {
		const struct execution_info *execution = &executions[i];
		buffer_addz(out, i ? ",{" : "{");
		api_put_text(out, "executionArn", execution->arn);
		api_put_text(out, "stateMachineArn", execution->machine_arn);
		api_put_text(out, "name", execution->name);
		api_put_text(out, "status", str_of(execution_status_name(execution->status)));
		api_put_time(out, "startDate", execution->start_ms);
		if (execution->stop_ms)
			api_put_time(out, "stopDate", execution->stop_ms);
		if (execution->version_arn.len)
			api_put_text(out, "stateMachineVersionArn", execution->version_arn);
		if (execution->alias_arn.len)
			api_put_text(out, "stateMachineAliasArn", execution->alias_arn);
		api_put_number(out, "redriveCount", execution->redrive_count);
		if (execution->redrive_ms)
			api_put_time(out, "redriveDate", execution->redrive_ms);
		buffer_byte(out, '}');
	}
	buffer_byte(out, ']');
	if (token.len)
		api_put_text(out, "nextToken", token);
	buffer_byte(out, '}');
	api_answer(call);
}

void api_list_executions(struct api_call *call)
{
	enum execution_status status;
	int64_t wanted = api_number(call, "maxResults", 0);
	struct list_request request = {
		.machine_arn = api_text(call, "stateMachineArn"),
		.status = execution_status_parse(api_text(call, "statusFilter"), &status) ? (int)status : -1,
		.token = api_text(call, "nextToken"),
		.count = wanted ? (uint32_t)wanted : 100,
	};
	if (api_has(call, "mapRunArn")) {
		api_refuse(call, "ValidationException", "mapRunArn is not supported: there are no map runs yet");
		return;
	}
	if (!request.machine_arn.len) {
		api_refuse(call, "ValidationException", "Must provide a stateMachineArn or a mapRunArn");
		return;
	}
	engine_list(call->engine, &request, listed, call);
}

/* ---- history ---------------------------------------------------------------------------------- */

static void history_read(void *data, const struct engine_error *error, const struct event *events, uint32_t count, struct str token)
{
	struct api_call *call = data;
	struct buffer *out = &call->body;
	bool include_data = api_flag(call, "includeExecutionData", true);
	if (error->code) {
		api_refuse_engine(call, error);
		return;
	}
	buffer_addz(out, "{\"events\":[");
	for (uint32_t i = 0; i < count; i++) {
		if (i)
			buffer_byte(out, ',');
		history_event_json(&events[i], include_data, out);
	}
	buffer_byte(out, ']');
	if (token.len)
		api_put_text(out, "nextToken", token);
	buffer_byte(out, '}');
	api_answer(call);
}

void api_get_execution_history(struct api_call *call)
{
	int64_t wanted = api_number(call, "maxResults", 0);
	struct history_request request = {
		.execution_arn = api_text(call, "executionArn"),
		.reverse = api_flag(call, "reverseOrder", false),
		.count = wanted ? (uint32_t)wanted : 100,
		.token = api_text(call, "nextToken"),
	};
	engine_history(call->engine, &request, history_read, call);
}

/* ---- tasks by token ---------------------------------------------------------------------------- */

static void reported(void *data, const struct engine_error *error)
{
	struct api_call *call = data;
	if (error->code)
		api_refuse_engine(call, error);
	else
		api_answer(call);
}

void api_send_task_success(struct api_call *call)
{
	engine_task_success(call->engine, api_text(call, "taskToken"), api_text(call, "output"), reported, call);
}

void api_send_task_failure(struct api_call *call)
{
	engine_task_failure(call->engine, api_text(call, "taskToken"), optional(call, "error"), optional(call, "cause"), reported, call);
}

void api_send_task_heartbeat(struct api_call *call)
{
	engine_task_heartbeat(call->engine, api_text(call, "taskToken"), reported, call);
}
