/* fan.c: what Parallel and Map have in common: children that end, fail or are aborted, and the result made of theirs.
 *
 * A failed child takes its siblings with it, in the same unit of work: from then on the parent stands in FAILING and
 * its retriers and catchers are asked. A sibling whose last state has exited has succeeded, and is not aborted: a redrive
 * would run that state again. The children's frames stay until one of those takes the failure, so that a
 * redrive finds them otherwise. */
#include "engine/core/step.h"

/* The name of the Map that a frame is an iteration of; empty for a branch. */
static bool is_iteration(const struct frame *child)
{
	return child->parent->fan && child->parent->fan->map;
}

static void finish_fan(struct core_step *step, struct frame *frame, const struct state *state)
{
	const struct fan *fan = frame->fan;
	struct value *result = value_new_array(fan->begun);
	for (uint64_t i = 0; i < fan->begun; i++)
		value_array_add(result, fan->results[i]);
	step_keep(step, result);

	struct leaving leaving;
	struct failure failure = { 0 };
	if (leave_with(step, frame, state, "", result, &leaving, &failure) < 0) {
		fail_state(step, frame, state, &failure);
		return;
	}
	step_emit(step, frame,
		  &(struct event){ .type = fan->map ? EVENT_MAP_STATE_SUCCEEDED : EVENT_PARALLEL_STATE_SUCCEEDED,
				   .previous_id = frame->last_id });
	exit_state(step, frame, state, &leaving);
}

void advance_fan(struct core_step *step, struct frame *frame, const struct state *state)
{
	const struct fan *fan = frame->fan;
	if (fan->begun < fan->length && state->type == STATE_MAP)
		begin_iteration(step, frame, state);
	else
		finish_fan(step, frame, state);
}

void end_child(struct core_step *step, struct frame *child)
{
	struct event event = { .type = EVENT_FRAME_SUCCEEDED,
			       .fields = FIELD_PAYLOAD,
			       .previous_id = child->last_id,
			       .payload = child->input };
	if (is_iteration(child)) {
		event.type = EVENT_MAP_ITERATION_SUCCEEDED;
		event.fields |= FIELD_INDEX | FIELD_NAME;
		event.index = child->index;
		event.name = kept_text_str(&child->parent->state);
	}
	step_emit(step, child, &event);
}

/* TaskStateAborted and its like, for the states that have one. */
static void abort_state(struct core_step *step, struct frame *frame, uint64_t after_id)
{
	const struct state *state = frame_state(step, frame);
	if (!state)
		return;
	struct event event = { .type = EVENT_TASK_STATE_ABORTED, .previous_id = after_id };
	switch (state->type) {
	case STATE_TASK:
		break;
	case STATE_WAIT:
		event.type = EVENT_WAIT_STATE_ABORTED;
		break;
	case STATE_PARALLEL:
		event.type = EVENT_PARALLEL_STATE_ABORTED;
		break;
	case STATE_MAP:
		event.type = EVENT_MAP_STATE_ABORTED;
		break;
	case STATE_PASS:
	case STATE_CHOICE:
	case STATE_SUCCEED:
	case STATE_FAIL:
		return;
	}
	step_cancel_task(step, frame);
	step_emit(step, frame, &event);
}

void abort_children(struct core_step *step, struct frame *top, uint64_t after_id)
{
	for (struct frame *frame = frame_walk(top, top); frame && !step->history_full; frame = frame_walk(top, frame)) {
		enum frame_phase phase = frame->phase;
		if (phase >= PHASE_FAILED)
			continue;
		struct event event = { .type = EVENT_FRAME_CLOSED, .previous_id = after_id };
		if (is_iteration(frame)) {
			event.type = EVENT_MAP_ITERATION_ABORTED;
			event.fields = FIELD_INDEX | FIELD_NAME;
			event.index = frame->index;
			event.name = kept_text_str(&frame->parent->state);
		}
		step_emit(step, frame, &event);
		if (phase != PHASE_READY && phase != PHASE_EXITED && !step->history_full)
			abort_state(step, frame, after_id);
	}
}

void end_exited_children(struct core_step *step, struct frame *top)
{
	struct frame *next;
	for (struct frame *frame = frame_walk(top, top); frame && !step->history_full; frame = next) {
		next = frame_walk(top, frame); /* one that has exited has no children, and goes */
		if (frame->phase == PHASE_EXITED)
			end_child(step, frame);
	}
}

/* A failure that the Map tolerates stands in its result. */
static struct value *tolerated_result(struct core_step *step, const struct failure *failure)
{
	struct value *result = value_new_object(3);
	value_object_setz(result, "Status", "FAILED");
	if (failure->has_error)
		value_object_take(result, STR("Error"), value_from_string(failure->error));
	if (failure->has_cause)
		value_object_take(result, STR("Cause"), value_from_string(failure->cause));
	return step_keep(step, result);
}

void fail_child(struct core_step *step, struct frame *child, const struct failure *failure)
{
	struct frame *parent = child->parent;
	const struct fan *fan = parent->fan;
	uint64_t after_id = child->last_id;
	struct event event = {
		.type = EVENT_STATE_FAILED, .previous_id = after_id, .error = failure->error, .cause = failure->cause
	};
	event.fields = (failure->has_error ? FIELD_ERROR : 0) | (failure->has_cause ? FIELD_CAUSE : 0) |
		       (failure->heartbeat_missed ? FIELD_HEARTBEAT : 0);
	if (is_iteration(child)) {
		event.type = EVENT_MAP_ITERATION_FAILED;
		event.fields |= FIELD_INDEX | FIELD_NAME;
		event.index = child->index;
		event.name = kept_text_str(&parent->state);
	}
	bool tolerated = fan->failed < fan->tolerated;
	if (tolerated) {
		event.fields |= FIELD_PAYLOAD;
		event.payload = tolerated_result(step, failure);
		abort_children(step, child, after_id);
	} else {
		end_exited_children(step, parent);
	}
	enum state_type type = frame_state(step, child)->type;
	step_emit(step, child, &event);
	if (tolerated || step->history_full)
		return;
	if (type == STATE_TASK || type == STATE_WAIT)
		abort_state(step, child, after_id);
	abort_children(step, parent, after_id);
}
