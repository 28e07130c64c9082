/* evolve.c: folds one event into the state. Reads neither the program nor the clock: what an event means is all in the
 * event.
 *
 * The same function runs when decide emits an event and when recovery reads it back, so both give the same state. A
 * stored event is as hostile as any bytes: what does not follow from the state is ERR(CORRUPT), never an assert. */
#include "base/mem.h"
#include "engine/core/state.h"
#include <stdlib.h>

enum { RETRIERS_MAX = 65536 };

/* What every handler gets. `frame` is the event's, and exists. */
struct fold {
	struct execution *execution;
	const struct event *event;
	struct frame *frame;
	struct wf_error *err;
};

static int does_not_follow(const struct fold *fold, const char *why)
{
	return error_set(fold->err, ERR(CORRUPT), "the history does not follow: %s (event %llu) %s",
			 event_type_name(fold->event->type), (unsigned long long)fold->event->id, why);
}

static bool has(const struct event *event, unsigned fields)
{
	return (event->fields & fields) == fields;
}

/* An event that counts in its frame's chain. */
static void chain(const struct fold *fold)
{
	if (fold->event->id)
		fold->frame->last_id = fold->event->id;
}

static void enter_phase(const struct fold *fold, struct frame *frame, enum frame_phase phase)
{
	frame->phase = phase;
	frame_timer_set(fold->execution, frame, frame_due_ms(frame));
	frame_update_queue(fold->execution, frame);
}

int64_t frame_due_ms(const struct frame *frame)
{
	const struct open_task *task = frame->task;
	switch (frame->phase) {
	case PHASE_WAITING:
	case PHASE_RETRYING:
		return frame->due_ms;
	case PHASE_TASK:
		return task->deadline_ms < task->heartbeat_due_ms ? task->deadline_ms : task->heartbeat_due_ms;
	case PHASE_READY:
	case PHASE_ENTERED:
	case PHASE_ANSWERED:
	case PHASE_CHILDREN:
	case PHASE_FAILING:
	case PHASE_EXITED:
	case PHASE_FAILED:
	case PHASE_ABORTED:
	case PHASES:
		break;
	}
	return INT64_MAX;
}

static void set_error(struct frame *frame, const struct event *event)
{
	frame->has_error = has(event, FIELD_ERROR);
	frame->has_cause = has(event, FIELD_CAUSE);
	kept_text_set(&frame->error, frame->has_error ? event->error : STR_EMPTY);
	kept_text_set(&frame->cause, frame->has_cause ? event->cause : STR_EMPTY);
	frame->heartbeat_missed = has(event, FIELD_HEARTBEAT);
	frame->child_failed = false;
}

/* ---- states ------------------------------------------------------------------------------ */

static int state_entered(const struct fold *fold)
{
	struct frame *frame = fold->frame;
	const struct event *event = fold->event;
	if (frame->phase != PHASE_READY || !has(event, FIELD_NAME | FIELD_PAYLOAD))
		return does_not_follow(fold, "enters a state that is not next");
	kept_text_set(&frame->state, event->name);
	value_set(&frame->input, event->payload);
	frame->before_id = event->previous_id;
	frame->entered_id = event->id;
	frame->entered_ms = event->timestamp_ms;
	frame->attempts_count = frame->retries = 0;
	chain(fold);
	enter_phase(fold, frame, PHASE_ENTERED);
	return 0;
}

/* Variables of an Assign join those of the frame's scope. */
static void assign(struct frame *frame, const struct value *assigned)
{
	if (!frame->variables) {
		frame->variables = value_ref(assigned);
		return;
	}
	size_t old = value_count(frame->variables), count = value_count(assigned);
	struct value *merged = value_new_object(old + count);
	for (size_t i = 0; i < old; i++)
		value_object_set(merged, value_key_at(frame->variables, i), value_at(frame->variables, i));
	for (size_t i = 0; i < count; i++)
		value_object_set(merged, value_key_at(assigned, i), value_at(assigned, i));
	value_unref(frame->variables);
	frame->variables = merged;
}

static int state_exited(const struct fold *fold)
{
	struct frame *frame = fold->frame;
	const struct event *event = fold->event;
	if (frame->phase == PHASE_READY || frame->phase == PHASE_EXITED || frame->phase >= PHASE_FAILED ||
	    !has(event, FIELD_PAYLOAD))
		return does_not_follow(fold, "exits a state that was not entered");
	if (has(event, FIELD_VARIABLES)) {
		if (!value_is(event->variables, VALUE_OBJECT))
			return does_not_follow(fold, "assigns what is no object");
		assign(frame, event->variables);
	}
	value_set(&frame->input, event->payload);
	value_set(&frame->result, NULL);
	frame_clear_task(fold->execution, frame);
	frame_clear_fan(fold->execution, frame);
	frame_clear_error(frame);
	chain(fold);
	if (has(event, FIELD_NEXT))
		kept_text_set(&frame->state, event->next);
	enter_phase(fold, frame, has(event, FIELD_NEXT) ? PHASE_READY : PHASE_EXITED);
	frame_yield(fold->execution, frame);
	return 0;
}

/* TaskStateAborted and its like: what ran in the frame is over. */
static int state_aborted(const struct fold *fold)
{
	struct frame *frame = fold->frame;
	frame_clear_task(fold->execution, frame);
	enter_phase(fold, frame, frame->phase == PHASE_FAILED ? PHASE_FAILED : PHASE_ABORTED);
	return 0;
}

static int wait_scheduled(const struct fold *fold)
{
	struct frame *frame = fold->frame;
	if (frame->phase != PHASE_ENTERED || !has(fold->event, FIELD_DUE))
		return does_not_follow(fold, "waits outside a state");
	frame_timer_set(fold->execution, frame, fold->event->due_ms);
	enter_phase(fold, frame, PHASE_WAITING);
	return 0;
}

static int evaluation_failed(const struct fold *fold)
{
	struct frame *frame = fold->frame;
	if (frame->phase >= PHASE_EXITED || frame->phase == PHASE_READY)
		return does_not_follow(fold, "fails outside a state");
	frame_clear_task(fold->execution, frame);
	set_error(frame, fold->event);
	chain(fold);
	enter_phase(fold, frame, PHASE_FAILING);
	return 0;
}

static int retry_scheduled(const struct fold *fold)
{
	struct frame *frame = fold->frame;
	const struct event *event = fold->event;
	if (frame->phase == PHASE_READY || frame->phase >= PHASE_EXITED || !has(event, FIELD_INDEX | FIELD_DUE) ||
	    event->index >= RETRIERS_MAX)
		return does_not_follow(fold, "retries what did not fail");
	uint32_t needed = (uint32_t)event->index + 1;
	if (needed > frame->attempts_count) {
		frame->attempts = mem_realloc(frame->attempts, needed * sizeof *frame->attempts);
		memset(frame->attempts + frame->attempts_count, 0,
		       (needed - frame->attempts_count) * sizeof *frame->attempts);
		frame->attempts_count = needed;
	}
	frame->attempts[event->index]++;
	frame->retries++;
	value_set(&frame->result, NULL);
	frame_clear_task(fold->execution, frame);
	frame_clear_fan(fold->execution, frame);
	frame_clear_error(frame);
	frame_timer_set(fold->execution, frame, event->due_ms);
	enter_phase(fold, frame, PHASE_RETRYING);
	return 0;
}

/* ---- tasks ------------------------------------------------------------------------------- */

static int task_scheduled(const struct fold *fold)
{
	struct frame *frame = fold->frame;
	const struct event *event = fold->event;
	if ((frame->phase != PHASE_ENTERED && frame->phase != PHASE_RETRYING) || frame->task ||
	    !has(event, FIELD_PARAMETERS | FIELD_ARN))
		return does_not_follow(fold, "schedules a task outside a state");
	struct open_task *task = NEW(struct open_task);
	task->id = event->id;
	task->scheduled = event->type;
	kept_text_set(&task->arn, event->arn);
	task->parameters = value_ref(event->parameters);
	task->credentials = has(event, FIELD_CREDENTIALS) ? value_ref(event->credentials) : NULL;
	task->deadline_ms = has(event, FIELD_DUE) ? event->due_ms : INT64_MAX;
	task->heartbeat_due_ms = INT64_MAX;
	task->heartbeat_s = has(event, FIELD_HEARTBEAT) && event->heartbeat_s > 0 ? event->heartbeat_s : 0;
	task->attempt = frame->retries;
	frame->task = task;
	u64_map_put(&fold->execution->tasks, task->id, frame);
	chain(fold);
	enter_phase(fold, frame, PHASE_TASK);
	return 0;
}

/* TaskStarted, TaskSubmitted, HeartbeatRecorded: each may move the time at which a heartbeat is missed. */
static int task_goes_on(const struct fold *fold)
{
	struct frame *frame = fold->frame;
	const struct event *event = fold->event;
	if (frame->phase != PHASE_TASK)
		return does_not_follow(fold, "is about a task that is not open");
	if (event->type == EVENT_TASK_SUBMITTED)
		frame->task->submitted = true;
	else if (event_is_public(event->type))
		frame->task->started = true;
	if (has(event, FIELD_DUE2))
		frame->task->heartbeat_due_ms = event->heartbeat_due_ms;
	chain(fold);
	enter_phase(fold, frame, PHASE_TASK);
	return 0;
}

static int task_answered(const struct fold *fold)
{
	struct frame *frame = fold->frame;
	if (frame->phase != PHASE_TASK || !has(fold->event, FIELD_PAYLOAD))
		return does_not_follow(fold, "answers a task that is not open");
	value_set(&frame->result, fold->event->payload);
	frame_clear_task(fold->execution, frame);
	chain(fold);
	enter_phase(fold, frame, PHASE_ANSWERED);
	return 0;
}

static int task_failed(const struct fold *fold)
{
	struct frame *frame = fold->frame;
	if (frame->phase != PHASE_TASK)
		return does_not_follow(fold, "fails a task that is not open");
	frame_clear_task(fold->execution, frame);
	set_error(frame, fold->event);
	chain(fold);
	enter_phase(fold, frame, PHASE_FAILING);
	return 0;
}

/* ---- Parallel and Map -------------------------------------------------------------------- */

static int fan_started(const struct fold *fold, bool map)
{
	struct frame *frame = fold->frame;
	const struct event *event = fold->event;
	if ((frame->phase != PHASE_ENTERED && frame->phase != PHASE_RETRYING) || frame->fan ||
	    !has(event, FIELD_LENGTH))
		return does_not_follow(fold, "starts outside a state");
	if (map && (!has(event, FIELD_PAYLOAD) || !value_is(event->payload, VALUE_ARRAY) ||
		    value_count(event->payload) != event->length))
		return does_not_follow(fold, "has not the items that it counts");
	if (event->length > UINT32_MAX)
		return does_not_follow(fold, "is too long");
	struct fan *fan = NEW(struct fan);
	fan->map = map;
	fan->length = event->length;
	fan->concurrency = has(event, FIELD_CONCURRENCY) ? event->concurrency : 0;
	fan->tolerated = has(event, FIELD_TOLERATED) ? event->tolerated : 0;
	fan->items = map ? value_ref(event->payload) : NULL;
	fan->begin_after_id = event->id;
	frame->fan = fan;
	chain(fold);
	enter_phase(fold, frame, PHASE_CHILDREN);
	return 0;
}

/* BranchStarted, MapIterationStarted: a new frame. fold->frame is the parent here. */
static int child_started(const struct fold *fold)
{
	struct frame *parent = fold->frame;
	const struct event *event = fold->event;
	struct execution *execution = fold->execution;
	struct fan *fan = parent->fan;
	if (parent->phase != PHASE_CHILDREN || !has(event, FIELD_PARENT | FIELD_INDEX | FIELD_PAYLOAD) ||
	    event->index != fan->begun || fan->begun >= fan->length || event->frame != execution->next_frame ||
	    execution->next_frame == UINT32_MAX)
		return does_not_follow(fold, "starts a branch or iteration that is not next");
	struct frame *child = frame_open(execution, parent, event->frame, (uint32_t)event->index);
	execution->next_frame++;
	MEM_GROW(fan->results, fan->results_capacity, fan->begun + 1);
	fan->results[fan->begun++] = NULL;
	fan->active++;
	child->input = value_ref(event->payload);
	child->last_id = event->id ? event->id : fan->begin_after_id;
	enter_phase(fold, child, PHASE_READY);
	frame_update_queue(execution, parent);
	return 0;
}

/* A child has given its result: it goes, and its parent may go on. */
static void child_ends(const struct fold *fold, struct frame *parent)
{
	struct frame *child = fold->frame;
	struct fan *fan = parent->fan;
	fan->results[child->index] = value_ref(fold->event->payload);
	fan->active--;
	/* The next iteration points at the last state event of this one, what ends the Map at its
	 * MapIterationSucceeded. */
	fan->begin_after_id = fold->event->id ? fold->event->previous_id : child->last_id;
	parent->last_id = fold->event->id ? fold->event->id : child->last_id;
	frame_close(fold->execution, child);
	frame_update_queue(fold->execution, parent);
}

static int child_succeeded(const struct fold *fold)
{
	struct frame *parent = fold->frame->parent;
	if (fold->frame->phase != PHASE_EXITED || !parent || parent->phase != PHASE_CHILDREN ||
	    !has(fold->event, FIELD_PAYLOAD))
		return does_not_follow(fold, "ends a branch or iteration that still runs");
	parent->fan->succeeded++;
	child_ends(fold, parent);
	return 0;
}

/* MapIterationFailed, StateFailed: with a payload the failure is tolerated and stands in the result; else the parent
 * fails too. */
static int child_failed(const struct fold *fold)
{
	struct frame *child = fold->frame, *parent = child->parent;
	if (!parent || parent->phase != PHASE_CHILDREN || child->phase >= PHASE_FAILED)
		return does_not_follow(fold, "fails a branch or iteration that does not run");
	parent->fan->failed++;
	if (has(fold->event, FIELD_PAYLOAD)) {
		child_ends(fold, parent);
		return 0;
	}
	parent->fan->active--;
	parent->last_id = child->last_id;
	set_error(child, fold->event);
	set_error(parent, fold->event);
	parent->child_failed = true;
	if (parent->fan->tolerated) {
		parent->has_error = parent->has_cause = true;
		kept_text_set(&parent->error, STR("States.ExceedToleratedFailureThreshold"));
		kept_text_set(&parent->cause, STR("The specified tolerated failure threshold was exceeded"));
	}
	frame_clear_task(fold->execution, child);
	enter_phase(fold, child, PHASE_FAILED);
	enter_phase(fold, parent, PHASE_FAILING);
	return 0;
}

/* MapIterationAborted, FrameClosed. */
static int child_aborted(const struct fold *fold)
{
	struct frame *child = fold->frame;
	if (!child->parent || child->phase >= PHASE_FAILED)
		return does_not_follow(fold, "aborts a branch or iteration that does not run");
	if (child->parent->fan && child->parent->fan->active)
		child->parent->fan->active--;
	/* A redrive enters a state that was only next, and runs one again that was entered. */
	if (child->phase == PHASE_READY)
		child->entered_id = 0;
	/* A task stays until its TaskStateAborted, which follows. */
	child->phase = PHASE_ABORTED;
	frame_timer_set(fold->execution, child, INT64_MAX);
	frame_update_queue(fold->execution, child);
	return 0;
}

/* MapStateSucceeded does not count in the chain: MapStateExited points at the same event as it does. */
static int fan_succeeded(const struct fold *fold)
{
	if (fold->frame->phase != PHASE_CHILDREN)
		return does_not_follow(fold, "ends what did not start");
	return 0;
}

static int fan_failed(const struct fold *fold)
{
	chain(fold);
	return 0;
}

/* ---- the execution ------------------------------------------------------------------------ */

static int execution_started(const struct fold *fold)
{
	struct execution *execution = fold->execution;
	const struct event *event = fold->event;
	if (execution->started || !has(event, FIELD_PAYLOAD))
		return does_not_follow(fold, "starts it twice, or without an input");
	execution->started = true;
	execution->status = EXECUTION_RUNNING;
	execution->start_ms = event->timestamp_ms;
	execution->deadline_ms = has(event, FIELD_DUE) ? event->due_ms : INT64_MAX;
	value_set(&execution->input, event->payload);
	if (has(event, FIELD_RAW))
		kept_text_set(&execution->raw, event->raw);
	value_set(&execution->root.input, event->payload);
	if (has(event, FIELD_VARIABLES)) {
		if (!value_is(event->variables, VALUE_OBJECT))
			return does_not_follow(fold, "assigns what is no object");
		assign(&execution->root, event->variables);
	}
	if (has(event, FIELD_NEXT))
		kept_text_set(&execution->root.state, event->next);
	enter_phase(fold, &execution->root, PHASE_READY);
	return 0;
}

static int execution_ended(const struct fold *fold, enum execution_status status)
{
	struct execution *execution = fold->execution;
	const struct event *event = fold->event;
	if (status == EXECUTION_SUCCEEDED_) {
		if (!has(event, FIELD_PAYLOAD))
			return does_not_follow(fold, "has no output");
		value_set(&execution->output, event->payload);
	}
	execution->status = status;
	execution->stop_ms = event->timestamp_ms;
	execution->has_error = has(event, FIELD_ERROR);
	execution->has_cause = has(event, FIELD_CAUSE);
	kept_text_set(&execution->error, execution->has_error ? event->error : STR_EMPTY);
	kept_text_set(&execution->cause, execution->has_cause ? event->cause : STR_EMPTY);
	if (status == EXECUTION_FAILED_) {
		set_error(&execution->root, event);
		execution->root.phase = PHASE_FAILED;
	}
	for (struct frame *frame = &execution->root; frame; frame = frame_walk(&execution->root, frame)) {
		frame_timer_set(execution, frame, INT64_MAX);
		frame_update_queue(execution, frame);
	}
	return 0;
}

/* ---- redrive: what failed, or was cut off, stands before its state's work again ------------- */

static void reopen(const struct fold *fold, struct frame *frame)
{
	struct fan *fan = frame->fan;
	bool next = frame->phase == PHASE_READY || (frame->phase == PHASE_ABORTED && !frame->entered_id);
	bool exited = frame->phase == PHASE_EXITED;
	frame_clear_task(fold->execution, frame);
	value_set(&frame->result, NULL);
	frame->has_error = frame->has_cause = frame->child_failed = frame->heartbeat_missed = false;
	frame->due_ms = INT64_MAX;
	if (fan && !next && !exited) {
		fan->active = 0;
		for (const struct frame *child = frame->first_child; child; child = child->next) {
			fan->active++;
			if (child->phase == PHASE_FAILED && fan->failed)
				fan->failed--;
		}
		enter_phase(fold, frame, PHASE_CHILDREN);
		return;
	}
	frame->attempts_count = frame->retries = 0; /* all its retries are before it again */
	frame->last_id = fold->event->id;
	enter_phase(fold, frame, next ? PHASE_READY : exited ? PHASE_EXITED : PHASE_ENTERED);
}

static int execution_redriven(const struct fold *fold)
{
	struct execution *execution = fold->execution;
	const struct event *event = fold->event;
	if (!execution->started || execution->status == EXECUTION_RUNNING || execution->status == EXECUTION_SUCCEEDED_)
		return does_not_follow(fold, "reopens an execution that runs or has succeeded");
	execution->status = EXECUTION_RUNNING;
	execution->stop_ms = 0;
	execution->redrives++;
	execution->redriven_ms = event->timestamp_ms;
	execution->deadline_ms = has(event, FIELD_DUE) ? event->due_ms : INT64_MAX;
	execution->has_error = execution->has_cause = false;
	kept_text_set(&execution->error, STR_EMPTY);
	kept_text_set(&execution->cause, STR_EMPTY);
	for (struct frame *frame = &execution->root; frame; frame = frame_walk(&execution->root, frame))
		reopen(fold, frame);
	/* Where it differs from the first time: which job asked, the definition it goes on with, what the state gets. */
	execution->redrive_job = has(event, FIELD_INDEX) ? event->index : 0;
	if (has(event, FIELD_LENGTH))
		execution->revision = event->length;
	if (has(event, FIELD_PAYLOAD))
		value_set(&fold->frame->input, event->payload);
	return 0;
}

/* ---- the switch --------------------------------------------------------------------------- */

static int dispatch(const struct fold *fold)
{
	switch (fold->event->type) {
	case EVENT_EXECUTION_STARTED:
		return execution_started(fold);
	case EVENT_EXECUTION_SUCCEEDED:
		return execution_ended(fold, EXECUTION_SUCCEEDED_);
	case EVENT_EXECUTION_FAILED:
		return execution_ended(fold, EXECUTION_FAILED_);
	case EVENT_EXECUTION_TIMED_OUT:
		return execution_ended(fold, EXECUTION_TIMED_OUT_);
	case EVENT_EXECUTION_ABORTED:
		return execution_ended(fold, EXECUTION_ABORTED_);

	case EVENT_TASK_STATE_ENTERED:
	case EVENT_PASS_STATE_ENTERED:
	case EVENT_CHOICE_STATE_ENTERED:
	case EVENT_WAIT_STATE_ENTERED:
	case EVENT_SUCCEED_STATE_ENTERED:
	case EVENT_FAIL_STATE_ENTERED:
	case EVENT_PARALLEL_STATE_ENTERED:
	case EVENT_MAP_STATE_ENTERED:
		return state_entered(fold);
	case EVENT_TASK_STATE_EXITED:
	case EVENT_PASS_STATE_EXITED:
	case EVENT_CHOICE_STATE_EXITED:
	case EVENT_WAIT_STATE_EXITED:
	case EVENT_SUCCEED_STATE_EXITED:
	case EVENT_PARALLEL_STATE_EXITED:
	case EVENT_MAP_STATE_EXITED:
		return state_exited(fold);
	case EVENT_TASK_STATE_ABORTED:
	case EVENT_WAIT_STATE_ABORTED:
	case EVENT_PARALLEL_STATE_ABORTED:
	case EVENT_MAP_STATE_ABORTED:
		return state_aborted(fold);
	case EVENT_EVALUATION_FAILED:
		return evaluation_failed(fold);
	case EVENT_WAIT_SCHEDULED:
		return wait_scheduled(fold);
	case EVENT_RETRY_SCHEDULED:
		return retry_scheduled(fold);

	case EVENT_LAMBDA_FUNCTION_SCHEDULED:
	case EVENT_ACTIVITY_SCHEDULED:
	case EVENT_TASK_SCHEDULED:
		return task_scheduled(fold);
	case EVENT_LAMBDA_FUNCTION_STARTED:
	case EVENT_ACTIVITY_STARTED:
	case EVENT_TASK_STARTED:
	case EVENT_TASK_SUBMITTED:
	case EVENT_HEARTBEAT_RECORDED:
		return task_goes_on(fold);
	case EVENT_LAMBDA_FUNCTION_SUCCEEDED:
	case EVENT_ACTIVITY_SUCCEEDED:
	case EVENT_TASK_SUCCEEDED:
		return task_answered(fold);
	case EVENT_LAMBDA_FUNCTION_SCHEDULE_FAILED:
	case EVENT_LAMBDA_FUNCTION_START_FAILED:
	case EVENT_LAMBDA_FUNCTION_FAILED:
	case EVENT_LAMBDA_FUNCTION_TIMED_OUT:
	case EVENT_ACTIVITY_SCHEDULE_FAILED:
	case EVENT_ACTIVITY_FAILED:
	case EVENT_ACTIVITY_TIMED_OUT:
	case EVENT_TASK_START_FAILED:
	case EVENT_TASK_SUBMIT_FAILED:
	case EVENT_TASK_FAILED:
	case EVENT_TASK_TIMED_OUT:
		return task_failed(fold);

	case EVENT_PARALLEL_STATE_STARTED:
		return fan_started(fold, false);
	case EVENT_MAP_STATE_STARTED:
		return fan_started(fold, true);
	case EVENT_BRANCH_STARTED:
	case EVENT_MAP_ITERATION_STARTED:
		return child_started(fold);
	case EVENT_FRAME_SUCCEEDED:
	case EVENT_MAP_ITERATION_SUCCEEDED:
		return child_succeeded(fold);
	case EVENT_STATE_FAILED:
	case EVENT_MAP_ITERATION_FAILED:
		return child_failed(fold);
	case EVENT_FRAME_CLOSED:
	case EVENT_MAP_ITERATION_ABORTED:
		return child_aborted(fold);
	case EVENT_PARALLEL_STATE_SUCCEEDED:
	case EVENT_MAP_STATE_SUCCEEDED:
		return fan_succeeded(fold);
	case EVENT_PARALLEL_STATE_FAILED:
	case EVENT_MAP_STATE_FAILED:
		return fan_failed(fold);

	case EVENT_INPUT_SEEN:
		return 0;

	case EVENT_EXECUTION_REDRIVEN:
		return execution_redriven(fold);
	case EVENT_MAP_RUN_STARTED:
	case EVENT_MAP_RUN_SUCCEEDED:
	case EVENT_MAP_RUN_FAILED:
	case EVENT_MAP_RUN_ABORTED:
	case EVENT_MAP_RUN_REDRIVEN:
	case EVENT_PUBLIC_COUNT:
	case EVENT_PRIVATE_BEFORE_:
		break;
	}
	return error_set(fold->err, ERR(VERSION), "the history holds %s, which this program cannot fold",
			 event_type_name(fold->event->type));
}

int evolve(struct execution *execution, const struct event *event, struct wf_error *err)
{
	struct fold fold = { execution, event, NULL, err };
	if (event->id && event->id != execution->next_id)
		return does_not_follow(&fold, "has not the number that is next");
	if (event->timestamp_ms < execution->last_ms)
		return does_not_follow(&fold, "is earlier than the one before");
	bool child = event->type == EVENT_BRANCH_STARTED || event->type == EVENT_MAP_ITERATION_STARTED;
	fold.frame = execution_frame(execution, child ? event->parent : event->frame);
	if (event->type == EVENT_EXECUTION_STARTED)
		fold.frame = &execution->root;
	else if (!execution->started ||
		 (execution->status != EXECUTION_RUNNING && event->type != EVENT_EXECUTION_REDRIVEN))
		return does_not_follow(&fold, "is about an execution that does not run");
	else if (!fold.frame)
		return does_not_follow(&fold, "is about a frame that does not exist");
	if (event->id)
		execution->next_id = event->id + 1;
	execution->last_ms = event->timestamp_ms;
	return dispatch(&fold);
}
