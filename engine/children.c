/* children.c: executions that an execution starts: arn:aws:states:::states:startExecution, .sync, .sync:2, .waitForTaskToken.
 *
 *     task ─► StartExecution, idempotent by (parent, task) ─► TaskSubmitted ─► the child's end is committed ─► the task's answer
 *
 * This is a connector of the engine's own. The child's row says whose task began it, and its name follows from the task if none is given. So a
 * recovery, which starts the parent's open tasks again, finds the same child whether it was begun, runs or has ended: nothing is begun
 * twice and no end is lost, and what is kept here in memory is only who waits for whom. A parent that stops, or whose task times out, stops its
 * .sync child: a message to it is stored with that, and deleted when the child's end is; what a crash leaves is read by the next process. */
#include "base/timestamp.h"
#include "engine/runtime.h"
#include "engine/token.h"
#include <stdio.h>
#include <stdlib.h>

#define MESSAGES_READ 256

/* A task that has begun, or is beginning, a child. */
struct child {
	struct children *children;
	struct task_key parent;
	uint64_t id; /* 0: the start is not answered yet */
	struct str arn; /* own memory */
	enum integration_pattern pattern;
	bool cancelled;
	bool sdk; /* by aws-sdk:sfn, which words its answers in another way */
	bool told; /* the message that stops it is in the batch of its parent's step */
	bool looking, over; /* its description is asked for; it has been answered meanwhile */
	struct child *next; /* another task that waits for the same execution */
};

static struct str key_text(const struct task_key *key)
{
	return (struct str){ (const char *)key, sizeof *key };
}

static void ignore(void *data, const struct engine_error *error, const struct execution_info *execution)
{
	(void)data;
	(void)error;
	(void)execution;
}

static void forget(struct child *child)
{
	struct children *children = child->children;
	struct child *first = child->id ? u64_map_remove(&children->by_id, child->id) : NULL;
	for (struct child **at = &first; *at; at = &(*at)->next)
		if (*at == child) {
			*at = child->next;
			break;
		}
	if (first)
		u64_map_put(&children->by_id, child->id, first);
	child->over = true;
	if (child->looking)
		return;
	str_map_remove(&children->by_parent, key_text(&child->parent));
	free((char *)child->arn.ptr);
	free(child);
}

/* ---- the child's end ------------------------------------------------------------------------------ */

static void set_text(struct value *object, const char *key, struct str text)
{
	value_object_take(object, str_of(key), value_from_string(text));
}

/* A document as .sync:2 gives it, or its text as .sync does. */
static void set_document(struct value *object, const char *key, struct str text, bool parsed)
{
	struct value *value = NULL;
	if (parsed && value_parse(text, NULL, &value, NULL) == 0)
		value_object_take(object, str_of(key), value);
	else
		set_text(object, key, text);
}

static struct value *included(void)
{
	struct value *details = value_new_object(1);
	value_object_take(details, STR("Included"), value_new_bool(true));
	return details;
}

/* What DescribeExecution says of it, in the words of the integration. */
static struct value *description(const struct execution_info *info, bool parsed)
{
	struct value *object = value_new_object(12);
	if (info->cause.ptr)
		set_text(object, "Cause", info->cause);
	if (info->error.ptr)
		set_text(object, "Error", info->error);
	set_text(object, "ExecutionArn", info->arn);
	set_document(object, "Input", info->input, parsed);
	value_object_take(object, STR("InputDetails"), included());
	set_text(object, "Name", info->name);
	if (info->output) {
		set_document(object, "Output", value_text(info->output), parsed);
		value_object_take(object, STR("OutputDetails"), included());
	}
	bool redrivable = info->status != EXECUTION_SUCCEEDED_;
	value_object_take(object, STR("RedriveCount"), value_from_int(info->redrive_count));
	set_text(object, "RedriveStatus", redrivable ? STR("REDRIVABLE") : STR("NOT_REDRIVABLE"));
	if (!redrivable)
		set_text(object, "RedriveStatusReason", STR("Execution is SUCCEEDED and cannot be redriven"));
	value_object_take(object, STR("StartDate"), value_from_int(info->start_ms));
	set_text(object, "StateMachineArn", info->machine_arn);
	set_text(object, "Status", str_of(execution_status_name(info->status)));
	value_object_take(object, STR("StopDate"), value_from_int(info->stop_ms));
	return object;
}

static void deliver(struct engine *engine, struct child *child, const struct execution_info *info)
{
	const struct str absent = { NULL, 0 };
	struct input *input;
	if (info->status == EXECUTION_SUCCEEDED_) {
		_cleanup_(value_unrefp) struct value *output = description(info, child->pattern == PATTERN_SYNC2);
		input = input_new(INPUT_TASK_SUCCEEDED, child->parent.event_id, output, absent, absent, absent);
	} else {
		_cleanup_(value_unrefp) struct value *cause = description(info, false);
		input = input_new(INPUT_TASK_FAILED, child->parent.event_id, NULL, absent, STR(ERROR_NAME_TASK_FAILED), value_text(cause));
	}
	mailbox_put(engine, child->parent.execution_id, input);
	forget(child);
}

void children_ended(struct engine *engine, const struct resident *resident)
{
	struct child *child = u64_map_get(&engine->children->by_id, resident->id);
	const struct execution *execution = resident->execution;
	struct execution_info info = {
		.arn = resident->arn,
		.name = resident->name,
		.machine_arn = resident->machine->info.arn,
		.status = execution_status(execution),
		.start_ms = execution_start_ms(execution),
		.stop_ms = execution_stop_ms(execution),
		.input = execution_input_text(execution),
		.output = execution_output(execution),
		.error = { NULL, 0 },
		.cause = { NULL, 0 },
	};
	execution_error(execution, &info.error, &info.cause);
	for (struct child *next; child; child = next) {
		next = child->next;
		deliver(engine, child, &info);
	}
}

/* ---- the child's start ------------------------------------------------------------------------------ */

static void report(struct child *child, enum task_end task_end, struct value *output, struct str error, struct str cause)
{
	struct connector_host *host = child->children->connector.host;
	host->finished(host, child->parent, &(struct task_result){ .end = task_end, .output = output, .error = error, .cause = cause });
}

static void on_described(void *data, const struct engine_error *error, const struct execution_info *info)
{
	struct child *child = data;
	child->looking = false;
	if (child->over)
		forget(child);
	else if (!error->code && info->status != EXECUTION_RUNNING)
		deliver(child->children->engine, child, info);
}

static void refuse(struct child *child, const struct engine_error *error)
{
	struct engine *engine = child->children->engine;
	if (error->code == ENGINE_UNAVAILABLE && engine->draining)
		return; /* the next process begins it */
	if (child->sdk) {
		_cleanup_(arena_done) struct arena arena = { 0 };
		struct str sdk_name, sdk_cause;
		sdk_sfn_error(engine, &arena, error, &sdk_name, &sdk_cause);
		report(child, TASK_FAILED, NULL, sdk_name, sdk_cause);
		forget(child);
		return;
	}
	const char *name = engine_error_name(error->code);
	bool suffixed = str_ends(str_of(name), STR("Exception"));
	char request_id[37];
	random_uuid(&engine->random, request_id);
	_cleanup_free_ char *text = mem_printf("StepFunctions.%s%s", name, suffixed ? "" : "Exception");
	_cleanup_free_ char *cause = mem_printf("%.*s (Service: AWSStepFunctions; Status Code: 400; Error Code: %s; Request ID: %s; Proxy: null)",
						STR_FMT(error->message), name, request_id);
	report(child, TASK_FAILED, NULL, str_of(text), str_of(cause));
	forget(child);
}

static void on_started(void *data, const struct engine_error *error, const struct execution_info *info)
{
	struct child *child = data;
	struct children *children = child->children;
	struct engine *engine = children->engine;
	bool waits = child->pattern == PATTERN_SYNC || child->pattern == PATTERN_SYNC2;
	if (child->cancelled) {
		if (!error->code && waits)
			engine_stop(engine, info->arn, (struct str){ NULL, 0 }, (struct str){ NULL, 0 }, ignore, NULL);
		forget(child);
		return;
	}
	if (error->code) {
		refuse(child, error);
		return;
	}
	_cleanup_(value_unrefp) struct value *output = value_new_object(2);
	set_text(output, "ExecutionArn", info->arn);
	char date[TIMESTAMP_TEXT_MAX];
	if (child->sdk)
		set_text(output, "StartDate", str_of(timestamp_format(info->start_ms, date)));
	else
		value_object_take(output, STR("StartDate"), value_from_int(info->start_ms));
	report(child, TASK_SUCCEEDED, output, STR_EMPTY, STR_EMPTY);
	if (!waits) {
		forget(child);
		return;
	}
	child->arn = (struct str){ mem_strndup(info->arn.ptr, info->arn.len), info->arn.len };
	child->id = info->id;
	child->next = u64_map_put(&children->by_id, child->id, child);
	child->looking = true; /* it may have ended before anybody listened */
	engine_describe(engine, child->arn, on_described, child);
}

/* The same for the same task, whatever process asks. */
static struct str name_for(struct engine *engine, struct task_key parent, char ret_name[37])
{
	uint64_t high = token_check(engine->key, "child of an execution", parent.execution_id);
	high = token_check(engine->key, "child of a task", high ^ parent.event_id);
	uint64_t low = token_check(engine->key, "child", high ^ parent.event_id);
	snprintf(ret_name, 37, "%08llx-%04llx-4%03llx-%04llx-%012llx", (unsigned long long)(high >> 32), (unsigned long long)(high >> 16 & 0xffff),
		 (unsigned long long)(high & 0xfff), (unsigned long long)(0x8000 | (low >> 48 & 0x3fff)),
		 (unsigned long long)(low & 0xffffffffffff));
	return str_of(ret_name);
}

static struct str text_of(const struct value *parameters, const char *key)
{
	const struct value *value = value_getz(parameters, key);
	return value && value_is(value, VALUE_STRING) ? value_string(value) : STR_EMPTY;
}

static enum integration_pattern pattern_of(struct str arn)
{
	return str_ends(arn, STR(".sync:2")) ? PATTERN_SYNC2 : str_ends(arn, STR(".sync")) ? PATTERN_SYNC : PATTERN_REQUEST_RESPONSE;
}

static int start(struct connector *connector, const struct task_request *task, struct wf_error *err)
{
	(void)err;
	struct children *children = (struct children *)connector;
	char name[37];
	const struct value *input = value_getz(task->parameters, "Input");
	struct start_request request = {
		.machine_arn = text_of(task->parameters, "StateMachineArn"),
		.name = text_of(task->parameters, "Name"),
		.trace_header = text_of(task->parameters, "TraceHeader"),
		.parent = task->key,
		.waited_for = pattern_of(task->resource_arn) != PATTERN_REQUEST_RESPONSE,
	};
	if (!request.name.len)
		request.name = name_for(children->engine, task->key, name);
	if (input && !value_is(input, VALUE_NULL))
		request.input = value_is(input, VALUE_STRING) ? value_string(input) : value_text(input);
	struct child *child = NEW(struct child);
	*child = (struct child){ .children = children, .parent = task->key, .pattern = pattern_of(task->resource_arn), .sdk = str_eqz(task->type, "aws-sdk:sfn") };
	str_map_put(&children->by_parent, key_text(&child->parent), child);
	engine_start(children->engine, &request, on_started, child);
	return 0;
}

/* ---- stopping a child: a message in the parent's batch, gone when the child has been stopped ------- */

void children_step(struct engine *engine, struct store_batch *batch, struct resident *resident, const struct core_result *result)
{
	for (uint32_t i = 0; i < result->commands_count; i++) {
		struct task_key key = { resident->id, result->commands[i].task_id };
		struct child *child = result->commands[i].kind == COMMAND_CANCEL_TASK
					  ? str_map_get(&engine->children->by_parent, key_text(&key))
					  : NULL;
		if (!child || !child->id || child->over)
			continue;
		store_batch_add(batch, STORE_APPEND_MESSAGE)->message =
		    (struct store_message){ .target_id = child->id, .sender_id = key.execution_id, .sender_event = key.event_id,
					    .bytes = arena_str(&batch->arena, STR("\1")) };
		child->told = true;
	}
}

/* The child has been stopped, or had ended, or is beyond its retention: the message is done. */
static void answer_stop(struct request *request)
{
	struct engine *engine = request->engine;
	if (request->error && request->error != ENGINE_TASK_DOES_NOT_EXIST)
		return; /* it could not be loaded: the next process tries again */
	struct change *change = NEW(struct change);
	change->message_target = request->id;
	change->message_sequence = request->task_id;
	LIST_ADD(&engine->changes, change);
}

static void settle_stop(struct request *request, struct resident *resident, enum core_outcome outcome)
{
	(void)request;
	(void)resident;
	(void)outcome;
}

static void read_messages(struct engine *engine, uint64_t target, uint64_t after);

static void on_messages(void *data, const struct store_message *messages, uint32_t count, int code, const struct wf_error *err)
{
	const struct str absent = { NULL, 0 };
	void *target;
	struct engine *engine = errand_done(data, &target);
	if (!engine)
		return;
	if (code < 0)
		log_warn("engine", "messages to executions could not be read: %s", err ? err->message : error_code_text(code));
	for (uint32_t i = 0; i < count; i++) {
		struct request *request = request_new(engine, answer_stop, NULL);
		request->id = messages[i].target_id;
		request->task_id = messages[i].sequence;
		request->settle = settle_stop;
		request->carried = true;
		struct input *input = input_new(INPUT_STOP, 0, NULL, absent, absent, absent);
		input->request = request;
		mailbox_put(engine, messages[i].target_id, input);
	}
	if (count == MESSAGES_READ)
		read_messages(engine, (uint64_t)(uintptr_t)target, messages[count - 1].sequence);
}

/* Of one execution, or (0) of all. */
static void read_messages(struct engine *engine, uint64_t target, uint64_t after)
{
	store_list_messages(engine->store, target, after, MESSAGES_READ, on_messages, errand_new(engine, (void *)(uintptr_t)target));
}

void children_recover(struct engine *engine)
{
	read_messages(engine, 0, 0);
}

void children_cancel(struct engine *engine, uint64_t execution_id, uint64_t task_id)
{
	const struct str absent = { NULL, 0 };
	struct task_key key = { execution_id, task_id };
	struct child *child = str_map_get(&engine->children->by_parent, key_text(&key));
	if (!child || child->over)
		return;
	if (!child->id) {
		child->cancelled = true; /* stopped when its start is answered */
		return;
	}
	if (child->told)
		read_messages(engine, child->id, 0);
	else
		engine_stop(engine, child->arn, absent, absent, ignore, NULL);
	forget(child);
}

static void cancel(struct connector *connector, struct task_key key)
{
	children_cancel(((struct children *)connector)->engine, key.execution_id, key.event_id);
}

static bool accepts(const struct connector *connector, struct str type, struct str api)
{
	(void)connector;
	return (str_eqz(type, "states") || str_eqz(type, "aws-sdk:sfn")) && str_eqz(api, "startExecution");
}

static uint32_t running(const struct connector *connector)
{
	return (uint32_t)((const struct children *)connector)->by_parent.count;
}

static void free_children(struct connector *connector)
{
	struct children *children = (struct children *)connector;
	size_t at = 0;
	for (struct str_map_entry *entry; (entry = str_map_next(&children->by_parent, &at));) {
		struct child *child = entry->value;
		free((char *)child->arn.ptr);
		free(child);
	}
	str_map_done(&children->by_parent);
	u64_map_done(&children->by_id);
	free(children);
}

void children_init(struct engine *engine)
{
	static const struct connector_class class = {
		.name = "states", .accepts = accepts, .start = start, .cancel = cancel, .running = running, .free = free_children,
	};
	struct children *children = engine->children = NEW(struct children);
	children->connector = (struct connector){ .class = &class, .host = &engine->dispatch.host };
	children->engine = engine;
	engine_add_connector(engine, &children->connector);
}
