/* state_task.c: a Task asks a connector or a worker to do something, and waits for its answer.
 *
 *     Scheduled ── Started ──[Submitted]── Succeeded | Failed | TimedOut
 *
 * The id of the Scheduled event is the task's name to the world. The first answer counts, whoever gives it; what comes
 * later is told that the task is closed. A start that nobody reported is recorded before the answer. */
#include "base/mem.h"
#include "engine/core/step.h"

/* ---- scheduling ----------------------------------------------------------------------------- */

struct task_plan {
	const struct value *parameters, *credentials;
	int64_t timeout_s, heartbeat_s; /* -1: none */
};

static int plan_task(struct core_step *step, struct frame *frame, const struct state *state, struct task_plan *plan,
		     struct failure *ret_failure)
{
	const struct resource *resource = &state->task.resource;
	const struct value *input;
	if (step_effective_input(step, frame, state, &input, ret_failure) < 0)
		return -1;
	if (state->language == QUERY_JSONATA)
		input = frame->input;
	if (step_evaluate_number(step, frame, &state->task.timeout_s, input, &plan->timeout_s, ret_failure) < 0 ||
	    step_evaluate_number(step, frame, &state->task.heartbeat_s, input, &plan->heartbeat_s, ret_failure) < 0 ||
	    step_effective_arguments(step, frame, state, resource->pattern == PATTERN_WAIT_FOR_TASK_TOKEN,
				     &plan->parameters, ret_failure) < 0)
		return -1;
	struct view view = { .input = input, .item = NO_ITEM };
	if (state->task.credentials && step_evaluate(step, frame, state->task.credentials, "Credentials", &view,
						     &plan->credentials, ret_failure) < 0)
		return -1;
	if (resource->kind == RESOURCE_ACTIVITY && step->env->activity_exists &&
	    !step->env->activity_exists(step->env->data, resource->arn))
		return fail_with(step, frame, ret_failure, ERROR_NAME_RUNTIME, "The activity %.*s does not exist.",
				 STR_FMT(resource->arn));
	return 0;
}

static void set_service(struct event *event, const struct resource *resource)
{
	if (resource->kind == RESOURCE_LAMBDA_ARN || resource->kind == RESOURCE_ACTIVITY)
		return;
	event->fields |= FIELD_RESOURCE | FIELD_RESOURCE_TYPE;
	event->resource = resource->name;
	event->resource_type = resource->type;
}

static int64_t after_s(int64_t now_ms, int64_t seconds)
{
	return seconds > (INT64_MAX - now_ms) / 1000 ? INT64_MAX : now_ms + seconds * 1000;
}

static struct resource copy_resource(struct core_step *step, const struct resource *resource)
{
	struct resource copy = *resource;
	copy.arn = arena_str(step->arena, resource->arn);
	copy.type = arena_str(step->arena, resource->type);
	copy.name = arena_str(step->arena, resource->name);
	copy.api = arena_str(step->arena, resource->api);
	return copy;
}

/* The command for an open task. */
static void fill_command(struct command *command, const struct open_task *task)
{
	command->parameters = task->parameters;
	command->credentials = task->credentials;
	command->deadline_ms = task->deadline_ms;
	command->heartbeat_s = task->heartbeat_s;
	command->attempt = task->attempt;
}

void run_task(struct core_step *step, struct frame *frame, const struct state *state)
{
	const struct resource *resource = &state->task.resource;
	struct task_plan plan = { 0 };
	struct failure failure = { 0 };
	if (plan_task(step, frame, state, &plan, &failure) < 0) {
		fail_state(step, frame, state, &failure);
		return;
	}
	struct event event = { .type = resource_events(resource->kind)->scheduled,
			       .fields = FIELD_PARAMETERS | FIELD_ARN,
			       .previous_id = frame->last_id,
			       .parameters = (struct value *)plan.parameters,
			       .arn = resource->arn };
	set_service(&event, resource);
	if (event.type == EVENT_TASK_SCHEDULED) {
		event.fields |= FIELD_REGION;
		event.region = step->env->region;
	}
	if (plan.timeout_s >= 0) {
		event.fields |= FIELD_TIMEOUT | FIELD_DUE;
		event.timeout_s = plan.timeout_s;
		event.due_ms = after_s(step->env->now_ms, plan.timeout_s);
	}
	if (plan.heartbeat_s >= 0) {
		event.fields |= FIELD_HEARTBEAT;
		event.heartbeat_s = plan.heartbeat_s;
	}
	if (plan.credentials) {
		event.fields |= FIELD_CREDENTIALS;
		event.credentials = (struct value *)plan.credentials;
	}
	step_emit(step, frame, &event);
	if (step->history_full)
		return;
	struct command *command = step_command(step, COMMAND_START_TASK, frame->task->id);
	fill_command(command, frame->task);
	command->resource = copy_resource(step, resource);
	command->state_name = arena_str(step->arena, state->name);
	/* The task may be answered, and dropped, while the command still waits to leave. */
	step_keep(step, value_ref(command->parameters));
	if (command->credentials)
		step_keep(step, value_ref(command->credentials));
}

/* ---- answers -------------------------------------------------------------------------------- */

/* An event about the frame's open task. */
static struct event task_event(const struct frame *frame, enum event_type type, const struct resource *resource)
{
	struct event event = { .type = type, .previous_id = frame->last_id };
	set_service(&event, resource);
	return event;
}

static void set_heartbeat(const struct core_step *step, const struct frame *frame, struct event *event)
{
	if (!frame->task->heartbeat_s)
		return;
	event->fields |= FIELD_DUE2;
	event->heartbeat_due_ms = after_s(step->env->now_ms, frame->task->heartbeat_s);
}

static void record_started(struct core_step *step, struct frame *frame, const struct resource *resource,
			   struct str worker)
{
	if (frame->task->started)
		return;
	struct event event = task_event(frame, resource_events(resource->kind)->started, resource);
	if (worker.len) {
		event.fields |= FIELD_WORKER;
		event.worker = worker;
	}
	set_heartbeat(step, frame, &event);
	step_emit(step, frame, &event);
}

static void record_failed(struct core_step *step, struct frame *frame, const struct resource *resource,
			  enum event_type type, const struct core_input *input)
{
	struct event event = task_event(frame, type, resource);
	if (input->has_error) {
		event.fields |= FIELD_ERROR;
		event.error = text_cut(input->error, step->env->limits->error_bytes);
	}
	if (input->has_cause) {
		event.fields |= FIELD_CAUSE;
		event.cause = text_cut(input->cause, step->env->limits->cause_bytes);
	}
	step_emit(step, frame, &event);
}

static void task_succeeded(struct core_step *step, struct frame *frame, const struct resource *resource,
			   const struct core_input *input)
{
	const struct task_events *events = resource_events(resource->kind);
	bool by_arn = resource->kind == RESOURCE_LAMBDA_ARN || resource->kind == RESOURCE_ACTIVITY;
	record_started(step, frame, resource, input->worker);
	if (step->history_full)
		return;
	if (exceeds_payload_limit(step, input->value)) {
		struct failure failure;
		fail_data_limit(step, &failure, by_arn ? resource->arn : resource->type);
		record_failed(
		    step, frame, resource, events->failed,
		    &(struct core_input){
			.error = failure.error, .cause = failure.cause, .has_error = true, .has_cause = true });
		return;
	}
	struct event event = task_event(frame, events->succeeded, resource);
	event.fields |= FIELD_PAYLOAD;
	event.payload = (struct value *)input->value;
	step_emit(step, frame, &event);
}

static void task_submitted(struct core_step *step, struct frame *frame, const struct resource *resource,
			   const struct core_input *input)
{
	record_started(step, frame, resource, STR_EMPTY);
	if (step->history_full || frame->task->submitted)
		return;
	struct event event = task_event(frame, EVENT_TASK_SUBMITTED, resource);
	event.fields |= FIELD_PAYLOAD;
	event.payload = (struct value *)input->value;
	set_heartbeat(step, frame, &event);
	step_emit(step, frame, &event);
}

static void task_failed(struct core_step *step, struct frame *frame, const struct resource *resource,
			const struct core_input *input)
{
	const struct task_events *events = resource_events(resource->kind);
	if (!input->start_failed)
		record_started(step, frame, resource, input->worker);
	if (!step->history_full)
		record_failed(step, frame, resource, input->start_failed ? events->start_failed : events->failed,
			      input);
}

static void record_timed_out(struct core_step *step, struct frame *frame, const struct resource *resource,
			     bool heartbeat)
{
	struct event event = task_event(frame, resource_events(resource->kind)->timed_out, resource);
	event.fields |= FIELD_ERROR | (heartbeat ? FIELD_HEARTBEAT : 0);
	event.error = STR(ERROR_NAME_TIMEOUT);
	event.heartbeat_s = heartbeat ? frame->task->heartbeat_s : 0;
	step_emit(step, frame, &event);
}

static struct resource resource_of(const struct frame *frame)
{
	struct resource resource = { .kind = RESOURCE_SERVICE, .arn = kept_text_str(&frame->task->arn) };
	resource_parse(resource.arn, &resource);
	return resource;
}

void task_timed_out(struct core_step *step, struct frame *frame)
{
	struct resource resource = resource_of(frame);
	bool heartbeat = frame->task->deadline_ms > step->env->now_ms;
	step_cancel_task(step, frame);
	record_timed_out(step, frame, &resource, heartbeat);
}

static void record_heartbeat(struct core_step *step, struct frame *frame)
{
	if (!frame->task->heartbeat_s)
		return;
	struct event event = { .type = EVENT_HEARTBEAT_RECORDED };
	set_heartbeat(step, frame, &event);
	step_emit(step, frame, &event);
}

enum core_outcome task_input(struct core_step *step, const struct core_input *input)
{
	struct execution *execution = step->execution;
	struct frame *frame = execution_task_frame(execution, input->task_id);
	if (!frame)
		return input->task_id && input->task_id < execution->next_id ? CORE_CLOSED : CORE_UNKNOWN;
	struct resource resource = resource_of(frame);
	switch (input->kind) {
	case INPUT_TASK_STARTED:
		if (frame->task->started)
			return CORE_CLOSED; /* a worker has it */
		record_started(step, frame, &resource, input->worker);
		break;
	case INPUT_TASK_SUBMITTED:
		task_submitted(step, frame, &resource, input);
		break;
	case INPUT_TASK_SUCCEEDED:
		/* The request went well; what the task waits for is its token. */
		if (resource.pattern == PATTERN_WAIT_FOR_TASK_TOKEN && !input->token)
			task_submitted(step, frame, &resource, input);
		else
			task_succeeded(step, frame, &resource, input);
		break;
	case INPUT_TASK_FAILED:
		task_failed(step, frame, &resource, input);
		break;
	case INPUT_TASK_TIMED_OUT:
		record_timed_out(step, frame, &resource, false);
		break;
	case INPUT_TASK_HEARTBEAT:
		record_heartbeat(step, frame);
		break;
	case INPUT_START:
	case INPUT_WAKE:
	case INPUT_CONTINUE:
	case INPUT_STOP:
	case INPUT_REDRIVE:
		break;
	}
	return CORE_ACCEPTED;
}

/* ---- after a recovery ----------------------------------------------------------------------- */

/* Whether somebody has yet to be asked again: a connector that has not answered, or a worker that has not taken the
 * task. */
static bool awaits_connector(const struct open_task *task, const struct resource *resource)
{
	if (resource->kind == RESOURCE_ACTIVITY)
		return !task->started;
	return resource->pattern != PATTERN_WAIT_FOR_TASK_TOKEN || !task->submitted;
}

static void release_value(void *data)
{
	value_unref(data);
}

static struct value *keep_in(struct arena *arena, struct value *value)
{
	if (value)
		arena_on_reset(arena, release_value, value_ref(value));
	return value;
}

void core_redispatch(const struct execution *execution, const struct core_env *env, struct arena *arena,
		     struct command **ret_commands, uint32_t *ret_count)
{
	struct command *commands = ARENA_ARRAY(arena, struct command, execution->tasks.count + 1);
	uint32_t count = 0;
	const struct frame *frame =
	    execution->status == EXECUTION_RUNNING && execution->started ? &execution->root : NULL;
	for (; frame; frame = frame_walk(&execution->root, frame)) {
		struct resource resource;
		if (!frame->task || !resource_parse(kept_text_str(&frame->task->arn), &resource) ||
		    !awaits_connector(frame->task, &resource))
			continue;
		struct command *command = &commands[count++];
		*command = (struct command){ .kind = COMMAND_START_TASK, .task_id = frame->task->id };
		fill_command(command, frame->task);
		keep_in(arena, command->parameters);
		keep_in(arena, command->credentials);
		resource_parse(arena_str(arena, resource.arn), &command->resource);
		command->state_name = arena_str(arena, kept_text_str(&frame->state));
	}
	*ret_commands = commands;
	*ret_count = count;
}

uint32_t execution_tasks_in_flight(const struct execution *execution)
{
	uint32_t count = 0;
	size_t at = 0;
	if (execution->status != EXECUTION_RUNNING)
		return 0;
	for (const struct u64_map_entry *entry; (entry = u64_map_next(&execution->tasks, &at));) {
		const struct frame *frame = entry->value;
		struct resource resource;
		if (resource_parse(kept_text_str(&frame->task->arn), &resource) && resource.kind != RESOURCE_ACTIVITY &&
		    awaits_connector(frame->task, &resource))
			count++;
	}
	return count;
}
