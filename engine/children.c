/* children.c: executions that an execution starts: arn:aws:states:::states:startExecution, .sync, .sync:2, .waitForTaskToken.
 *
 *     task ─► StartExecution, idempotent by (parent, task) ─► TaskSubmitted ─► the child ends ─► message ─► the task's answer
 *                                                                the task is cancelled ─► message ─► the child is stopped
 *
 * This is a connector of the engine's own. That a child is to be started stands in its parent's journal: the task is scheduled, its parent's open
 * row says ACTIVE, and a recovery starts the parent's open tasks again. The child's row says whose task began it and waits for it, and its name
 * follows from the task if none is given; so it is the same child, whether it was begun, runs or has ended.
 *
 * Everything else that one execution has to say to another is a message: a row of the store in the sender's batch, deleted in the batch in which it has its
 * effect. A child's end and what it came to are one batch with the message that tells its parent; so are the step that cancels a task and the message that
 * stops its child. Messages of a batch go where they belong when it is committed; those that a process leaves, the next one reads. One that comes
 * twice finds the task answered, or the child ended, and means nothing.
 *
 * Memory alone knows of those who wait for an execution that is not theirs: one of the same name and input that ran already, or one begun by a version that did
 * not keep who waits. They listen (by_id), and a recovery makes them listen again. */
#include "base/timestamp.h"
#include "engine/runtime.h"
#include "engine/token.h"
#include <stdio.h>
#include <stdlib.h>

#define MESSAGES_READ 256
#define AGAIN_MS 1000

/* First byte of a message's bytes. */
enum message_kind {
	MESSAGE_STOP = 1, /* to the child */
	MESSAGE_END = 2,  /* to the parent: task id · start · succeeded · ARN · output, or cause */
	MESSAGE_FIND = 3, /* to nobody yet: machine, name of the child that is to be stopped */
};

/* A task that has begun, or is beginning, a child. */
struct child {
	struct children *children;
	struct task_key parent;
	struct value *parameters;
	uint64_t id;    /* 0: the start is not answered yet */
	struct str arn; /* own memory */
	char trace_parent[TRACE_PARENT_LENGTH + 1];
	enum integration_pattern pattern;
	struct loop_timer timer; /* asks again what could not be asked */
	bool sdk;                /* by aws-sdk:sfn, which words its answers in another way */
	bool cancelled;
	bool stopped;       /* a message that stops it waits for the answer of its start */
	bool listens;       /* its end comes by no message */
	bool looking, over; /* its description is asked for; it has been answered meanwhile, and nobody finds it any more */
	bool ended;         /* its end was heard before the answer of its start */
	struct child *next; /* another task that listens to the same execution */
	struct child *other, **at; /* all there are */
};

/* A child that is to be stopped, and of whose start this process knows nothing. */
struct search {
	struct search *next, **at;
	struct children *children;
	struct message_key message;
	char *machine_name, *name;
	struct machine *machine; /* the next of that name that is asked for; deleted ones come behind */
	struct loop_timer timer;
};

static struct str key_text(const struct task_key *key)
{
	return (struct str){ (const char *)key, sizeof *key };
}

static struct child *child_of(struct engine *engine, uint64_t execution_id, uint64_t task_id)
{
	struct task_key key = { execution_id, task_id };
	return str_map_get(&engine->children->by_parent, key_text(&key));
}

static bool waits(enum integration_pattern pattern)
{
	return pattern == PATTERN_SYNC || pattern == PATTERN_SYNC2;
}

static void free_child(struct child *child)
{
	loop_timer_clear(child->children->engine->loop, &child->timer);
	if (child->other)
		child->other->at = child->at;
	*child->at = child->other;
	value_unref(child->parameters);
	free((char *)child->arn.ptr);
	free(child);
}

static void forget(struct child *child)
{
	struct children *children = child->children;
	struct child *first = child->listens ? u64_map_remove(&children->by_id, child->id) : NULL;
	for (struct child **at = &first; *at; at = &(*at)->next)
		if (*at == child) {
			*at = child->next;
			break;
		}
	if (first)
		u64_map_put(&children->by_id, child->id, first);
	child->listens = false;
	if (!child->over)
		str_map_remove(&children->by_parent, key_text(&child->parent));
	child->over = true;
	if (!child->looking)
		free_child(child);
}

/* ---- messages ------------------------------------------------------------------------------------- */

void children_delete_message(struct store_batch *batch, const struct message_key *key)
{
	store_batch_add(batch, STORE_DELETE_MESSAGE)->message =
	    (struct store_message){ .target_id = key->target, .sender_id = key->sender, .sender_event = key->event };
}

void children_take_message(struct store_batch *batch, struct input *input)
{
	input->message_taken = input->message.sender && input->outcome == CORE_ACCEPTED;
	if (input->message_taken)
		children_delete_message(batch, &input->message);
}

static void message_done(struct engine *engine, const struct message_key *key)
{
	struct change *change = NEW(struct change);
	change->message = *key;
	LIST_ADD(&engine->changes, change);
}

void children_message_done(struct engine *engine, const struct input *input)
{
	if (input->message.sender && !input->message_taken)
		message_done(engine, &input->message);
}

static void put_stop(struct engine *engine, uint64_t child_id, const struct message_key *message)
{
	const struct str absent = { NULL, 0 };
	struct input *input = input_new(INPUT_STOP, 0, NULL, absent, absent, absent);
	input->message = *message;
	mailbox_put(engine, child_id, input);
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

/* What the task is answered: the start, which it may not have heard of yet, and the end: its output, or its cause. */
static void answer_task(struct engine *engine, struct task_key parent, struct str arn, int64_t start_ms, bool succeeded, struct str text,
			const struct message_key *message)
{
	const struct str absent = { NULL, 0 };
	_cleanup_(value_unrefp) struct value *begun = value_new_object(2);
	_cleanup_(value_unrefp) struct value *output = succeeded ? value_from_trusted_text(text) : NULL;
	set_text(begun, "ExecutionArn", arn);
	value_object_take(begun, STR("StartDate"), value_from_int(start_ms));
	mailbox_put(engine, parent.execution_id, input_new(INPUT_TASK_SUBMITTED, parent.event_id, begun, absent, absent, absent));
	struct input *input = succeeded ? input_new(INPUT_TASK_SUCCEEDED, parent.event_id, output, absent, absent, absent)
					: input_new(INPUT_TASK_FAILED, parent.event_id, NULL, absent, STR(ERROR_NAME_TASK_FAILED), text);
	if (message)
		input->message = *message;
	mailbox_put(engine, parent.execution_id, input);
}

/* The output of the task, or the cause of its failure; to be unreferenced. */
static struct value *outcome_of(const struct execution_info *info, uint64_t pattern)
{
	return description(info, info->status == EXECUTION_SUCCEEDED_ && pattern == PATTERN_SYNC2);
}

static void answer_listener(struct engine *engine, struct child *child, const struct execution_info *info)
{
	_cleanup_(value_unrefp) struct value *outcome = outcome_of(info, child->pattern);
	answer_task(engine, child->parent, info->arn, info->start_ms, info->status == EXECUTION_SUCCEEDED_, value_text(outcome), NULL);
	forget(child);
}

static struct execution_info info_of(const struct resident *resident)
{
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
		.redrive_count = (uint32_t)execution_redrives(execution),
	};
	execution_error(execution, &info.error, &info.cause);
	return info;
}

void children_ended(struct engine *engine, const struct resident *resident)
{
	struct child *child = u64_map_get(&engine->children->by_id, resident->id);
	if (!child)
		return;
	struct execution_info info = info_of(resident);
	for (struct child *next; child; child = next) {
		next = child->next;
		answer_listener(engine, child, &info);
	}
}

/* It has ended, and a task of its parent's waits for that. */
static void tell_parent(struct store_batch *batch, const struct resident *resident)
{
	struct attributes attributes;
	if (!attributes_decode(resident->attributes, &attributes) || !attributes.waited_for)
		return;
	struct execution_info info = info_of(resident);
	_cleanup_(value_unrefp) struct value *outcome = outcome_of(&info, attributes.waited_for);
	_cleanup_(buffer_done) struct buffer bytes = { 0 };
	buffer_byte(&bytes, MESSAGE_END);
	buffer_varint(&bytes, attributes.parent.event_id);
	buffer_svarint(&bytes, info.start_ms);
	buffer_byte(&bytes, info.status == EXECUTION_SUCCEEDED_);
	buffer_blob(&bytes, info.arn);
	buffer_blob(&bytes, value_text(outcome));
	/* Its last event: one that is redriven ends with another. */
	store_batch_add(batch, STORE_APPEND_MESSAGE)->message =
	    (struct store_message){ .target_id = attributes.parent.execution_id,
				    .sender_id = resident->id,
				    .sender_event = execution_next_event_id(resident->execution) - 1,
				    .bytes = arena_str(&batch->arena, buffer_str(&bytes)) };
}

/* ---- the child's start ------------------------------------------------------------------------------ */

static void report(struct child *child, enum task_end task_end, struct value *output, struct str error, struct str cause)
{
	struct connector_host *host = child->children->connector.host;
	host->finished(host, child->parent, &(struct task_result){ .end = task_end, .output = output, .error = error, .cause = cause });
}

static void look(struct child *child);

static void on_described(void *data, const struct engine_error *error, const struct execution_info *info)
{
	struct child *child = data;
	struct engine *engine = child->children->engine;
	child->looking = false;
	if (child->over)
		free_child(child);
	else if (!error->code && info->status != EXECUTION_RUNNING)
		answer_listener(engine, child, info);
	else if (error->code && error->code != ENGINE_EXECUTION_DOES_NOT_EXIST)
		loop_timer_set(engine->loop, &child->timer, AGAIN_MS);
}

static void look(struct child *child)
{
	child->looking = true;
	engine_describe(child->children->engine, child->arn, on_described, child);
}

/* It may have ended before anybody listened. */
static void listen(struct child *child)
{
	child->listens = true;
	child->next = u64_map_put(&child->children->by_id, child->id, child);
	look(child);
}

static void refuse(struct child *child, const struct engine_error *error)
{
	struct engine *engine = child->children->engine;
	if (error->code == ENGINE_UNAVAILABLE && engine->draining)
		return; /* the next process begins it */
	if (error->passing) {
		loop_timer_set(engine->loop, &child->timer, AGAIN_MS);
		return;
	}
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

static void search_for_begun(const struct child *child);

static void on_started(void *data, const struct engine_error *error, const struct execution_info *info)
{
	struct child *child = data;
	struct engine *engine = child->children->engine;
	if (child->cancelled) {
		if (child->stopped && error->code)
			search_for_begun(child); /* whatever kept it from being begun now, an earlier process may have done it */
		else if (child->stopped)
			put_stop(engine, info->id, &(struct message_key){ 0, child->parent.execution_id, child->parent.event_id });
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
	if (!waits(child->pattern) || (info->tells && (child->ended || info->status != EXECUTION_RUNNING))) {
		forget(child);
		return;
	}
	child->arn = (struct str){ mem_strndup(info->arn.ptr, info->arn.len), info->arn.len };
	child->id = info->id;
	if (!info->tells)
		listen(child);
}

/* The same for the same task, whatever process asks. */
static struct str name_for(struct engine *engine, struct task_key parent, char ret_name[37])
{
	uint64_t high = token_check(&engine->key, "child of an execution", parent.execution_id);
	high = token_check(&engine->key, "child of a task", high ^ parent.event_id);
	uint64_t low = token_check(&engine->key, "child", high ^ parent.event_id);
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

/* The name of the child that a task starts. */
static struct str child_name(struct engine *engine, struct task_key parent, const struct value *parameters, char made[37])
{
	struct str name = text_of(parameters, "Name");
	return name.len ? name : name_for(engine, parent, made);
}

static void begin(struct child *child)
{
	struct engine *engine = child->children->engine;
	char made[37];
	const struct value *input = value_getz(child->parameters, "Input");
	const struct resident *parent = cache_find(engine, child->parent.execution_id);
	struct start_request request = {
		.machine_arn = text_of(child->parameters, "StateMachineArn"),
		.name = child_name(engine, child->parent, child->parameters, made),
		.trace_header = text_of(child->parameters, "TraceHeader"),
		.trace_parent = str_of(child->trace_parent),
		.parent = child->parent,
		.waited_for = child->pattern,
		.begun = parent && parent->execution && execution_task_submitted(parent->execution, child->parent.event_id),
	};
	if (input && !value_is(input, VALUE_NULL))
		request.input = value_is(input, VALUE_STRING) ? value_string(input) : value_text(input);
	engine_start(engine, &request, on_started, child);
}

static void ask_again(struct loop_timer *timer)
{
	struct child *child = timer->data;
	if (child->id)
		look(child);
	else
		begin(child);
}

static int start(struct connector *connector, const struct task_request *task, struct wf_error *err)
{
	(void)err;
	struct children *children = (struct children *)connector;
	struct child *child = child_of(children->engine, task->key.execution_id, task->key.event_id);
	if (child)
		forget(child); /* its answer was undone with a failed batch */
	child = NEW(struct child);
	*child = (struct child){ .children = children,
				 .parent = task->key,
				 .parameters = value_ref((struct value *)task->parameters),
				 .pattern = pattern_of(task->resource_arn),
				 .sdk = str_eqz(task->type, "aws-sdk:sfn") };
	if (task->trace_parent.len == TRACE_PARENT_LENGTH)
		memcpy(child->trace_parent, task->trace_parent.ptr, TRACE_PARENT_LENGTH);
	child->timer = (struct loop_timer){ .callback = ask_again, .data = child };
	child->other = children->all;
	child->at = &children->all;
	if (child->other)
		child->other->at = &child->other;
	children->all = child;
	str_map_put(&children->by_parent, key_text(&child->parent), child);
	begin(child);
	return 0;
}

/* ---- stopping a child -------------------------------------------------------------------------------- */

static bool starts_executions(struct str type, struct str api)
{
	return (str_eqz(type, "states") || str_eqz(type, "aws-sdk:sfn")) && str_eqz(api, "startExecution");
}

/* The message that stops the child of a task that is cancelled: to it, or if it is not known yet to whoever finds it. */
static void stop_child(struct engine *engine, struct store_batch *batch, struct task_key parent, const struct command *command)
{
	const struct child *child = child_of(engine, parent.execution_id, parent.event_id);
	_cleanup_(arena_done) struct arena arena = { 0 };
	_cleanup_(buffer_done) struct buffer bytes = { 0 };
	char made[37];
	struct arn arn;
	if (child && child->id) {
		buffer_byte(&bytes, MESSAGE_STOP);
	} else {
		if (arn_parse(&arena, text_of(command->parameters, "StateMachineArn"), "stateMachine", &arn))
			return; /* nothing was begun */
		buffer_byte(&bytes, MESSAGE_FIND);
		buffer_blob(&bytes, arn.machine);
		buffer_blob(&bytes, child_name(engine, parent, command->parameters, made));
	}
	store_batch_add(batch, STORE_APPEND_MESSAGE)->message =
	    (struct store_message){ .target_id = child ? child->id : 0, .sender_id = parent.execution_id, .sender_event = parent.event_id,
				    .bytes = arena_str(&batch->arena, buffer_str(&bytes)) };
}

void children_step(struct engine *engine, struct store_batch *batch, const struct resident *resident, const struct core_result *result)
{
	for (uint32_t i = 0; i < result->commands_count; i++) {
		const struct command *command = &result->commands[i];
		if (command->kind == COMMAND_CANCEL_TASK && starts_executions(command->resource.type, command->resource.api) &&
		    waits(command->resource.pattern))
			stop_child(engine, batch, (struct task_key){ resident->id, command->task_id }, command);
	}
	if (execution_status(resident->execution) != EXECUTION_RUNNING)
		tell_parent(batch, resident);
}

void children_cancel(struct engine *engine, uint64_t execution_id, uint64_t task_id)
{
	struct child *child = child_of(engine, execution_id, task_id);
	if (!child)
		return;
	if (child->id || child->timer.active)
		forget(child);
	else
		child->cancelled = true; /* its start is not answered yet */
}

/* ---- finding a child that is to be stopped -------------------------------------------------------------- */

static void free_search(struct search *search)
{
	loop_timer_clear(search->children->engine->loop, &search->timer);
	if (search->next)
		search->next->at = search->at;
	*search->at = search->next;
	free(search->machine_name);
	free(search->name);
	free(search);
}

static void search_next(struct search *search);

static void on_found(void *data, const struct store_execution *rows, uint32_t count, int code, const struct wf_error *err)
{
	void *of;
	struct engine *engine = errand_done(data, &of);
	struct search *search = of;
	struct attributes attributes;
	if (!engine)
		return;
	if (code < 0 && code != ERR(NOT_FOUND)) {
		log_warn("engine", "a child that is to be stopped cannot be looked for: %s; trying again", err ? err->message : error_code_text(code));
		loop_timer_set(engine->loop, &search->timer, AGAIN_MS);
		return;
	}
	/* The name may be another's, and the start of the child was refused. */
	if (code == 0 && count && attributes_decode(rows->attributes, &attributes) &&
	    attributes.parent.execution_id == search->message.sender && attributes.parent.event_id == search->message.event) {
		put_stop(engine, rows->id, &search->message);
		free_search(search);
		return;
	}
	search->machine = search->machine->older;
	search_next(search);
}

static void search_next(struct search *search)
{
	struct engine *engine = search->children->engine;
	if (search->machine) {
		store_find_named(engine->store, search->machine->info.number, str_of(search->name), on_found, errand_new(engine, search));
		return;
	}
	message_done(engine, &search->message); /* it was not begun, and will not be */
	free_search(search);
}

static void search_again(struct loop_timer *timer)
{
	struct search *search = timer->data;
	search->machine = registry_find(search->children->engine, str_of(search->machine_name));
	search_next(search);
}

static void search_for(struct engine *engine, const struct message_key *message, struct str machine_name, struct str name)
{
	struct children *children = engine->children;
	struct search *search = NEW(struct search);
	*search = (struct search){ .next = children->searches, .at = &children->searches, .children = children, .message = *message,
				   .machine_name = mem_strndup(machine_name.ptr, machine_name.len), .name = mem_strndup(name.ptr, name.len) };
	search->timer = (struct loop_timer){ .callback = search_again, .data = search };
	if (search->next)
		search->next->at = &search->next;
	children->searches = search;
	search_again(&search->timer);
}

static void search_for_begun(const struct child *child)
{
	struct engine *engine = child->children->engine;
	_cleanup_(arena_done) struct arena arena = { 0 };
	struct message_key message = { 0, child->parent.execution_id, child->parent.event_id };
	struct arn arn;
	char made[37];
	if (arn_parse(&arena, text_of(child->parameters, "StateMachineArn"), "stateMachine", &arn))
		message_done(engine, &message);
	else
		search_for(engine, &message, arn.machine, child_name(engine, child->parent, child->parameters, made));
}

/* ---- messages that are delivered ------------------------------------------------------------------------- */

/* False if it cannot be read. */
static bool deliver(struct engine *engine, const struct store_message *message)
{
	struct message_key key = { message->target_id, message->sender_id, message->sender_event };
	struct reader in = reader_of(message->bytes);
	uint8_t kind, succeeded;
	uint64_t task_id;
	int64_t start_ms;
	struct str first, second;
	struct child *child;
	if (!reader_byte(&in, &kind))
		return false;
	switch (kind) {
	case MESSAGE_STOP:
		put_stop(engine, message->target_id, &key);
		return true;
	case MESSAGE_FIND:
		if (!reader_blob(&in, &first) || !reader_blob(&in, &second))
			return false;
		child = child_of(engine, key.sender, key.event);
		if (child && !child->id)
			child->stopped = child->cancelled = true; /* the answer of its start says which it is */
		else
			search_for(engine, &key, first, second);
		return true;
	case MESSAGE_END:
		if (!reader_varint(&in, &task_id) || !reader_svarint(&in, &start_ms) || !reader_byte(&in, &succeeded) || !reader_blob(&in, &first) ||
		    !reader_blob(&in, &second))
			return false;
		answer_task(engine, (struct task_key){ message->target_id, task_id }, first, start_ms, succeeded, second, &key);
		child = child_of(engine, message->target_id, task_id);
		if (child && child->id)
			forget(child);
		else if (child)
			child->ended = true;
		return true;
	default:
		return false;
	}
}

static void deliver_or_say(struct engine *engine, const struct store_message *message)
{
	if (message->target_id >> 62)
		return; /* to a target of notifications (notify.c) */
	if (!deliver(engine, message))
		log_error("engine", "a message from execution %llx to %llx cannot be read by this version; it is kept",
			  (unsigned long long)message->sender_id, (unsigned long long)message->target_id);
}

void children_committed(struct engine *engine, const struct store_batch *batch)
{
	for (const struct store_op *op = batch->first; op; op = op->next)
		if (op->kind == STORE_APPEND_MESSAGE)
			deliver_or_say(engine, &op->message);
}

static void read_messages(struct engine *engine);

static void on_messages(void *data, const struct store_message *messages, uint32_t count, int code, const struct wf_error *err)
{
	struct engine *engine = errand_done(data, NULL);
	if (!engine)
		return;
	struct children *children = engine->children;
	if (code < 0) {
		log_warn("engine", "messages between executions cannot be read: %s; trying again", err ? err->message : error_code_text(code));
		loop_timer_set(engine->loop, &children->recovery, AGAIN_MS);
		return;
	}
	for (uint32_t i = 0; i < count; i++) {
		children->recovered = messages[i].sequence;
		deliver_or_say(engine, &messages[i]);
	}
	if (count == MESSAGES_READ)
		read_messages(engine);
}

static void read_messages(struct engine *engine)
{
	store_list_messages(engine->store, 0, engine->children->recovered, MESSAGES_READ, on_messages, errand_new(engine, NULL));
}

static void read_again(struct loop_timer *timer)
{
	read_messages(timer->data);
}

void children_recover(struct engine *engine)
{
	read_messages(engine);
}

/* ---- the connector ----------------------------------------------------------------------------------- */

static void cancel(struct connector *connector, struct task_key key)
{
	children_cancel(((struct children *)connector)->engine, key.execution_id, key.event_id);
}

static bool accepts(const struct connector *connector, struct str type, struct str api)
{
	(void)connector;
	return starts_executions(type, api);
}

static uint32_t running(const struct connector *connector)
{
	return (uint32_t)((const struct children *)connector)->by_parent.count;
}

bool children_at_rest(const struct engine *engine)
{
	const struct children *children = engine->children;
	size_t at = 0;
	for (const struct str_map_entry *entry; (entry = str_map_next(&children->by_parent, &at));) {
		const struct child *child = entry->value;
		if (!child->id || child->timer.active)
			return false;
	}
	return !children->searches && !children->recovery.active;
}

static void free_children(struct connector *connector)
{
	struct children *children = (struct children *)connector;
	while (children->all)
		free_child(children->all);
	while (children->searches)
		free_search(children->searches);
	loop_timer_clear(children->engine->loop, &children->recovery);
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
	children->recovery = (struct loop_timer){ .callback = read_again, .data = engine };
	engine_add_connector(engine, &children->connector);
}
