/* step.c: one step of one execution: inputs in, records and commands out.
 *
 * The worklist is the execution's own queue of frames that can go on. Its first frame gets one unit of work at a time
 * until it must wait, or has left a state, when it lets the others go first. No recursion: a chain of a million Pass
 * states is a million turns of one loop, and the step's budget ends it between two units. */
#include "engine/core/step.h"
#include "base/mem.h"
#include <assert.h>
#include <stdlib.h>

/* ---- what handlers call ------------------------------------------------------------------ */

static void step_release(void *data)
{
	struct core_step *step = data;
	for (size_t i = 0; i < step->kept_count; i++)
		value_unref(step->kept[i]);
	free(step->kept);
	step->kept = NULL;
	step->kept_count = 0;
}

struct value *step_keep(struct core_step *step, struct value *value)
{
	MEM_GROW(step->kept, step->kept_capacity, step->kept_count + 1);
	return step->kept[step->kept_count++] = value;
}

static bool is_terminal(enum event_type type)
{
	return type == EVENT_EXECUTION_SUCCEEDED || type == EVENT_EXECUTION_FAILED ||
	       type == EVENT_EXECUTION_TIMED_OUT || type == EVENT_EXECUTION_ABORTED;
}

void step_emit(struct core_step *step, struct frame *frame, struct event *event)
{
	struct execution *execution = step->execution;
	/* The last number is for the event that ends it. Once one event was refused the rest of its unit is, too: only
	 * whole prefixes are recorded. */
	if (!is_terminal(event->type)) {
		if (event_is_public(event->type) && execution->next_id >= (uint64_t)step->env->limits->history_events)
			step->history_full = true;
		if (step->history_full)
			return;
	}
	if (event_is_public(event->type))
		event->id = execution->next_id;
	if (frame)
		event->frame = frame->id;
	event->timestamp_ms = step->env->now_ms > execution->last_ms ? step->env->now_ms : execution->last_ms;
	if (!step->writer)
		step->writer = record_writer_new(step->arena, execution->next_id);
	/* Recorded before it is folded: what it names may be the state's own, which folding replaces. */
	record_writer_add(step->writer, event);
	int r = evolve(execution, event, NULL);
	assert(r == 0);
	(void)r;
}

struct command *step_command(struct core_step *step, enum command_kind kind, uint64_t task_id)
{
	if (step->commands_count == step->commands_capacity) {
		uint32_t capacity = step->commands_capacity ? step->commands_capacity * 2 : 8;
		struct command *commands = ARENA_ARRAY(step->arena, struct command, capacity);
		if (step->commands_count)
			memcpy(commands, step->commands, step->commands_count * sizeof *commands);
		step->commands = commands;
		step->commands_capacity = capacity;
	}
	struct command *command = &step->commands[step->commands_count++];
	*command = (struct command){ .kind = kind, .task_id = task_id, .deadline_ms = INT64_MAX };
	if (kind == COMMAND_CANCEL_TASK)
		step->cancels = true;
	return command;
}

void step_cancel_task(struct core_step *step, const struct frame *frame)
{
	if (!frame->task)
		return;
	struct command *command = step_command(step, COMMAND_CANCEL_TASK, frame->task->id);
	resource_parse(arena_str(step->arena, kept_text_str(&frame->task->arn)), &command->resource);
	command->parameters = frame->task->parameters ? step_keep(step, value_ref(frame->task->parameters)) : NULL;
}

void step_end_execution(struct core_step *step, struct event *event)
{
	struct execution *execution = step->execution;
	for (struct frame *frame = &execution->root; frame; frame = frame_walk(&execution->root, frame))
		step_cancel_task(step, frame);
	if (execution->redrives) { /* for whoever describes it from its last record: how often, and when last */
		event->fields |= FIELD_ATTEMPT | FIELD_DUE;
		event->attempt = execution->redrives;
		event->due_ms = execution->redriven_ms;
	}
	step_emit(step, &execution->root, event);
}

/* ---- which state a frame is in ----------------------------------------------------------- */

/* The scope a frame runs in; its parent's state is resolved. STATE_NONE if the definition has none. */
static uint32_t frame_scope(const struct frame *frame)
{
	if (!frame->parent)
		return 0;
	const struct state *owner = frame->parent->at;
	if (owner && owner->type == STATE_MAP)
		return owner->map.processor;
	if (owner && owner->type == STATE_PARALLEL && frame->index < owner->parallel.branches_count)
		return owner->parallel.branches[frame->index];
	return STATE_NONE;
}

static void resolve(struct core_step *step, struct frame *frame)
{
	const struct program *program = step->env->program;
	uint32_t scope = frame_scope(frame);
	struct str name = kept_text_str(&frame->state);
	frame->at_step = step->execution->steps;
	frame->at = NULL;
	if (scope == STATE_NONE)
		return;
	frame->at = name.len ? program_state(program, scope, name) : &program->states[program->scopes[scope].start];
}

const struct state *frame_state(struct core_step *step, struct frame *frame)
{
	uint64_t steps = step->execution->steps;
	while (frame->at_step != steps) {
		struct frame *top = frame;
		while (top->parent && top->parent->at_step != steps)
			top = top->parent;
		resolve(step, top);
	}
	return frame->at;
}

static const enum event_type entered_events[] = {
	[STATE_TASK] = EVENT_TASK_STATE_ENTERED,         [STATE_PASS] = EVENT_PASS_STATE_ENTERED,
	[STATE_CHOICE] = EVENT_CHOICE_STATE_ENTERED,     [STATE_WAIT] = EVENT_WAIT_STATE_ENTERED,
	[STATE_SUCCEED] = EVENT_SUCCEED_STATE_ENTERED,   [STATE_FAIL] = EVENT_FAIL_STATE_ENTERED,
	[STATE_PARALLEL] = EVENT_PARALLEL_STATE_ENTERED, [STATE_MAP] = EVENT_MAP_STATE_ENTERED,
};
static const enum event_type exited_events[] = {
	[STATE_TASK] = EVENT_TASK_STATE_EXITED,       [STATE_PASS] = EVENT_PASS_STATE_EXITED,
	[STATE_CHOICE] = EVENT_CHOICE_STATE_EXITED,   [STATE_WAIT] = EVENT_WAIT_STATE_EXITED,
	[STATE_SUCCEED] = EVENT_SUCCEED_STATE_EXITED, [STATE_PARALLEL] = EVENT_PARALLEL_STATE_EXITED,
	[STATE_MAP] = EVENT_MAP_STATE_EXITED,
};

enum event_type entered_event(enum state_type type)
{
	return entered_events[type];
}

enum event_type exited_event(enum state_type type)
{
	return exited_events[type];
}

/* ---- units of work ----------------------------------------------------------------------- */

static void enter_state(struct core_step *step, struct frame *frame, const struct state *state)
{
	step_emit(step, frame,
		  &(struct event){ .type = entered_event(state->type),
				   .fields = FIELD_NAME | FIELD_PAYLOAD,
				   .previous_id = frame->last_id,
				   .name = state->name,
				   .payload = frame->input });
}

static void run_state(struct core_step *step, struct frame *frame, const struct state *state)
{
	switch (state->type) {
	case STATE_TASK:
		run_task(step, frame, state);
		break;
	case STATE_PASS:
		run_pass(step, frame, state);
		break;
	case STATE_CHOICE:
		run_choice(step, frame, state);
		break;
	case STATE_WAIT:
		run_wait(step, frame, state);
		break;
	case STATE_SUCCEED:
		run_succeed(step, frame, state);
		break;
	case STATE_FAIL:
		run_fail(step, frame, state);
		break;
	case STATE_PARALLEL:
		run_parallel(step, frame, state);
		break;
	case STATE_MAP:
		run_map(step, frame, state);
		break;
	}
}

static void end_scope(struct core_step *step, struct frame *frame)
{
	if (frame->parent)
		end_child(step, frame);
	else
		step_end_execution(step, &(struct event){ .type = EVENT_EXECUTION_SUCCEEDED,
							  .fields = FIELD_PAYLOAD,
							  .previous_id = frame->last_id,
							  .payload = frame->input });
}

/* The definition was replaced by one that has no such state. */
static void fail_missing_state(struct core_step *step, struct frame *frame)
{
	struct str cause = arena_format(step->arena, "The state '%.*s' does not exist in the definition.",
					STR_FMT(kept_text_str(&frame->state)));
	step_end_execution(step, &(struct event){ .type = EVENT_EXECUTION_FAILED,
						  .fields = FIELD_ERROR | FIELD_CAUSE,
						  .previous_id = frame->last_id,
						  .error = STR(ERROR_NAME_RUNTIME),
						  .cause = cause });
}

static void advance(struct core_step *step, struct frame *frame)
{
	if (frame->phase == PHASE_EXITED) {
		end_scope(step, frame);
		return;
	}
	const struct state *state = frame_state(step, frame);
	if (!state) {
		fail_missing_state(step, frame);
		return;
	}
	switch (frame->phase) {
	case PHASE_READY:
		enter_state(step, frame, state);
		break;
	case PHASE_ENTERED:
	case PHASE_RETRYING:
		run_state(step, frame, state);
		break;
	case PHASE_WAITING:
		end_wait(step, frame, state);
		break;
	case PHASE_TASK:
		task_timed_out(step, frame);
		break;
	case PHASE_ANSWERED:
		complete_state(step, frame, state, "", frame->result);
		break;
	case PHASE_CHILDREN:
		advance_fan(step, frame, state);
		break;
	case PHASE_FAILING:
		resume_failing(step, frame, state);
		break;
	case PHASE_EXITED:
	case PHASE_FAILED:
	case PHASE_ABORTED:
	case PHASES:
		break;
	}
}

static bool budget_spent(const struct core_step *step)
{
	return step->writer && (record_writer_events(step->writer) >= (size_t)step->env->limits->step_events ||
				record_writer_bytes(step->writer) >= (size_t)step->env->limits->step_bytes);
}

static void fail_history_full(struct core_step *step)
{
	step->history_full = false;
	struct str cause =
	    arena_format(step->arena, "The execution reached the maximum number of history events (%lld).",
			 (long long)step->env->limits->history_events);
	step_end_execution(step, &(struct event){ .type = EVENT_EXECUTION_FAILED,
						  .fields = FIELD_ERROR | FIELD_CAUSE,
						  .previous_id = step->execution->next_id - 1,
						  .error = STR(ERROR_NAME_RUNTIME),
						  .cause = cause });
}

static void unit(struct core_step *step, struct frame *frame)
{
	size_t before = step->writer ? record_writer_events(step->writer) : 0;
	advance(step, frame);
	if (step->history_full)
		fail_history_full(step);
	/* A unit that records nothing would run for ever. */
	assert(record_writer_events(step->writer) > before);
}

static void run_queue(struct core_step *step)
{
	struct execution *execution = step->execution;
	while (execution->queue_first && !budget_spent(step))
		unit(step, execution->queue_first);
}

/* All timers that are due fire before any of what follows from them: tasks that time out together are seen to do so. */
static void fire_timers(struct core_step *step)
{
	struct execution *execution = step->execution;
	int64_t now_ms = step->env->now_ms;
	if (execution->status != EXECUTION_RUNNING || !execution->started)
		return;
	if (execution->deadline_ms <= now_ms) {
		step_end_execution(step, &(struct event){ .type = EVENT_EXECUTION_TIMED_OUT });
		return;
	}
	for (struct frame *frame;
	     (frame = frame_timer_first(execution)) && frame->due_ms <= now_ms && !budget_spent(step);)
		unit(step, frame);
}

/* ---- inputs ------------------------------------------------------------------------------ */

/* The execution's own time begins anew. */
static void set_deadline(const struct core_env *env, struct event *event)
{
	if (env->program->timeout_s > 0) {
		event->fields |= FIELD_DUE;
		event->due_ms = env->now_ms + env->program->timeout_s * 1000;
	}
	if (env->duration_ms > 0 && (!(event->fields & FIELD_DUE) || event->due_ms > env->now_ms + env->duration_ms)) {
		event->fields |= FIELD_DUE;
		event->due_ms = env->now_ms + env->duration_ms;
	}
}

static enum core_outcome start(struct core_step *step, const struct core_input *input)
{
	const struct core_env *env = step->env;
	if (step->execution->started)
		return CORE_CLOSED;
	struct event event = { .type = EVENT_EXECUTION_STARTED,
			       .fields = FIELD_PAYLOAD | FIELD_ROLE,
			       .payload = (struct value *)input->value,
			       .role_arn = env->role_arn };
	if (input->raw.len && !str_eq(input->raw, value_text(input->value))) {
		event.fields |= FIELD_RAW;
		event.raw = input->raw;
	}
	if (input->state.len) { /* not on the wire: AWS begins at StartAt always */
		event.fields |= FIELD_NEXT | FIELD_CAUSE;
		event.next = input->state;
		event.cause = input->reason;
	}
	if (input->variables) {
		event.fields |= FIELD_VARIABLES;
		event.variables = (struct value *)input->variables;
	}
	set_deadline(env, &event);
	step_emit(step, NULL, &event);
	return CORE_ACCEPTED;
}

static enum core_outcome redrive(struct core_step *step, const struct core_input *input)
{
	struct execution *execution = step->execution;
	struct frame *frame = &execution->root;
	if (execution->status == EXECUTION_RUNNING || execution->status == EXECUTION_SUCCEEDED_ ||
	    execution->next_id + 1 >= (uint64_t)step->env->limits->history_events)
		return CORE_CLOSED;
	if (input->job && input->job == execution->redrive_job)
		return CORE_CLOSED; /* a repeat */
	if (input->value) {
		const struct value *before;
		bool editable;
		execution_failed_state(execution, &before, &editable);
		if (!editable || exceeds_payload_limit(step, input->value))
			return CORE_UNKNOWN;
		frame = execution_failed_frame(execution);
	}
	struct event event = { .type = EVENT_EXECUTION_REDRIVEN,
			       .fields = FIELD_ATTEMPT,
			       .previous_id = execution->next_id - 1,
			       .attempt = execution->redrives + 1 };
	set_deadline(step->env, &event);
	/* These are not on the wire: AWS's event has the count only. */
	if (input->job) {
		event.fields |= FIELD_INDEX;
		event.index = input->job;
	}
	if (input->revision) {
		event.fields |= FIELD_LENGTH;
		event.length = input->revision;
	}
	if (input->value) {
		event.fields |= FIELD_PAYLOAD;
		event.payload = (struct value *)input->value;
	}
	step_emit(step, frame, &event);
	return CORE_ACCEPTED;
}

static enum core_outcome stop(struct core_step *step, const struct core_input *input)
{
	struct event event = { .type = EVENT_EXECUTION_ABORTED };
	if (input->has_error) {
		event.fields |= FIELD_ERROR;
		event.error = text_cut(input->error, step->env->limits->error_bytes);
	}
	if (input->has_cause) {
		event.fields |= FIELD_CAUSE;
		event.cause = text_cut(input->cause, step->env->limits->cause_bytes);
	}
	step_end_execution(step, &event);
	return CORE_ACCEPTED;
}

static enum core_outcome take(struct core_step *step, const struct core_input *input)
{
	struct execution *execution = step->execution;
	if (input->kind == INPUT_START)
		return start(step, input);
	if (!execution->started)
		return CORE_UNKNOWN;
	if (input->kind == INPUT_REDRIVE)
		return redrive(step, input);
	if (execution->status != EXECUTION_RUNNING)
		return CORE_CLOSED;
	switch (input->kind) {
	case INPUT_TASK_STARTED:
	case INPUT_TASK_SUBMITTED:
	case INPUT_TASK_SUCCEEDED:
	case INPUT_TASK_FAILED:
	case INPUT_TASK_TIMED_OUT:
	case INPUT_TASK_HEARTBEAT:
		return task_input(step, input);
	case INPUT_STOP:
		return stop(step, input);
	case INPUT_WAKE:
	case INPUT_CONTINUE:
		fire_timers(step);
		return CORE_ACCEPTED;
	case INPUT_START:
	case INPUT_REDRIVE:
		break;
	}
	return CORE_UNKNOWN;
}

struct core_step *core_begin(struct execution *execution, const struct core_env *env, struct arena *arena)
{
	struct core_step *step = ARENA_NEW(arena, struct core_step);
	step->execution = execution;
	step->env = env;
	step->arena = arena;
	random_seed(&step->random, env->seed);
	execution->steps++;
	arena_on_reset(arena, step_release, step);
	return step;
}

enum core_outcome core_apply(struct core_step *step, const struct core_input *input)
{
	enum core_outcome outcome = take(step, input);
	if (step->history_full)
		fail_history_full(step);
	run_queue(step);
	return outcome;
}

/* A task that was started and cancelled in this step was never heard of outside: neither command leaves. */
static void annihilate(struct core_step *step)
{
	struct u64_map started = { 0 };
	uint32_t kept = 0;
	for (uint32_t i = 0; i < step->commands_count; i++) {
		struct command *command = &step->commands[i];
		if (command->kind == COMMAND_START_TASK)
			u64_map_put(&started, command->task_id, command);
	}
	for (uint32_t i = 0; i < step->commands_count; i++) {
		struct command *command = &step->commands[i];
		struct command *begun =
		    command->kind == COMMAND_CANCEL_TASK ? u64_map_get(&started, command->task_id) : NULL;
		if (begun)
			begun->task_id = command->task_id = 0;
	}
	for (uint32_t i = 0; i < step->commands_count; i++)
		if (step->commands[i].task_id)
			step->commands[kept++] = step->commands[i];
	step->commands_count = kept;
	u64_map_done(&started);
}

void core_finish(struct core_step *step, struct core_result *ret_result)
{
	struct execution *execution = step->execution;
	*ret_result = (struct core_result){ 0 };
	if (step->cancels)
		annihilate(step);
	if (step->writer)
		record_writer_finish(step->writer, &ret_result->records, &ret_result->records_count);
	ret_result->commands = step->commands;
	ret_result->commands_count = step->commands_count;
	const struct frame *timer = frame_timer_first(execution);
	ret_result->more =
	    execution->queue_first || (budget_spent(step) && timer && timer->due_ms <= step->env->now_ms);
	ret_result->changed = ret_result->records_count > 0;
}
