/* frames.c: making, finding, queueing and dropping frames. Every walk is a loop: nesting is bounded by limits, never by
 * the C stack. */
#include "base/mem.h"
#include "engine/core/state.h"
#include <assert.h>
#include <stdlib.h>

void kept_text_set(struct kept_text *text, struct str from)
{
	if (from.len > text->capacity) {
		uint32_t capacity = from.len < 32 ? 32 : (uint32_t)from.len;
		text->ptr = mem_realloc(text->ptr, capacity);
		text->capacity = capacity;
	}
	if (from.len)
		memmove(text->ptr, from.ptr, from.len);
	text->len = (uint32_t)from.len;
}

void kept_text_done(struct kept_text *text)
{
	free(text->ptr);
	*text = (struct kept_text){ 0 };
}

struct frame *execution_frame(const struct execution *execution, uint32_t id)
{
	if (id == 0)
		return execution->started ? (struct frame *)&execution->root : NULL;
	return u64_map_get(&execution->frames, id);
}

struct frame *execution_task_frame(const struct execution *execution, uint64_t task_id)
{
	return u64_map_get(&execution->tasks, task_id);
}

struct frame *frame_open(struct execution *execution, struct frame *parent, uint32_t id, uint32_t index)
{
	struct frame *frame = NEW(struct frame);
	frame->id = id;
	frame->index = index;
	frame->parent = parent;
	frame->due_ms = INT64_MAX;
	frame->timer = NO_TIMER;
	frame->previous = parent->last_child;
	if (parent->last_child)
		parent->last_child->next = frame;
	else
		parent->first_child = frame;
	parent->last_child = frame;
	u64_map_put(&execution->frames, id, frame);
	return frame;
}

/* ---- the queue of frames that can go on -------------------------------------------------- */

static void unqueue(struct execution *execution, struct frame *frame)
{
	if (!frame->queued)
		return;
	*(frame->queue_previous ? &frame->queue_previous->queue_next : &execution->queue_first) = frame->queue_next;
	*(frame->queue_next ? &frame->queue_next->queue_previous : &execution->queue_last) = frame->queue_previous;
	frame->queue_previous = frame->queue_next = NULL;
	frame->queued = false;
}

static void enqueue(struct execution *execution, struct frame *frame)
{
	frame->queue_previous = execution->queue_last;
	frame->queue_next = NULL;
	*(execution->queue_last ? &execution->queue_last->queue_next : &execution->queue_first) = frame;
	execution->queue_last = frame;
	frame->queued = true;
}

bool frame_can_go_on(const struct frame *frame)
{
	const struct fan *fan = frame->fan;
	switch (frame->phase) {
	case PHASE_READY:
	case PHASE_ENTERED:
	case PHASE_ANSWERED:
	case PHASE_FAILING:
	case PHASE_EXITED:
		return true;
	case PHASE_CHILDREN:
		if (fan->begun < fan->length)
			return !fan->concurrency || fan->active < fan->concurrency;
		return !fan->active;
	case PHASE_WAITING:
	case PHASE_TASK:
	case PHASE_RETRYING:
	case PHASE_FAILED:
	case PHASE_ABORTED:
	case PHASES:
		break;
	}
	return false;
}

void frame_update_queue(struct execution *execution, struct frame *frame)
{
	bool wanted = execution->status == EXECUTION_RUNNING && frame_can_go_on(frame);
	if (wanted && !frame->queued)
		enqueue(execution, frame);
	else if (!wanted)
		unqueue(execution, frame);
}

void frame_yield(struct execution *execution, struct frame *frame)
{
	if (!frame->queued || execution->queue_last == frame)
		return;
	unqueue(execution, frame);
	enqueue(execution, frame);
}

/* ---- dropping ---------------------------------------------------------------------------- */

void frame_clear_task(struct execution *execution, struct frame *frame)
{
	struct open_task *task = frame->task;
	if (!task)
		return;
	u64_map_remove(&execution->tasks, task->id);
	kept_text_done(&task->arn);
	value_unref(task->parameters);
	value_unref(task->credentials);
	free(task);
	frame->task = NULL;
}

void fan_free(struct fan *fan)
{
	if (!fan)
		return;
	for (uint64_t i = 0; i < fan->begun; i++)
		value_unref(fan->results[i]);
	free(fan->results);
	value_unref(fan->items);
	free(fan);
}

void frame_clear_fan(struct execution *execution, struct frame *frame)
{
	frame_close_children(execution, frame);
	fan_free(frame->fan);
	frame->fan = NULL;
}

void frame_clear_error(struct frame *frame)
{
	frame->error.len = frame->cause.len = 0;
	frame->has_error = frame->has_cause = false;
	frame->heartbeat_missed = frame->child_failed = false;
}

/* What a frame holds, without its children, itself and its place among its siblings. */
static void release(struct execution *execution, struct frame *frame)
{
	unqueue(execution, frame);
	frame_timer_set(execution, frame, INT64_MAX);
	frame_clear_task(execution, frame);
	fan_free(frame->fan);
	frame->fan = NULL;
	kept_text_done(&frame->state);
	kept_text_done(&frame->error);
	kept_text_done(&frame->cause);
	value_unref(frame->input);
	value_unref(frame->result);
	value_unref(frame->variables);
	free(frame->attempts);
}

static void unlink_and_free(struct execution *execution, struct frame *frame)
{
	assert(!frame->first_child && frame->parent);
	struct frame *parent = frame->parent;
	*(frame->previous ? &frame->previous->next : &parent->first_child) = frame->next;
	*(frame->next ? &frame->next->previous : &parent->last_child) = frame->previous;
	u64_map_remove(&execution->frames, frame->id);
	release(execution, frame);
	free(frame);
}

void frame_close_children(struct execution *execution, struct frame *frame)
{
	struct frame *at = frame;
	for (;;) {
		while (at->last_child)
			at = at->last_child;
		if (at == frame)
			return;
		struct frame *parent = at->parent;
		unlink_and_free(execution, at);
		at = parent;
	}
}

void frame_close(struct execution *execution, struct frame *frame)
{
	frame_close_children(execution, frame);
	unlink_and_free(execution, frame);
}

struct frame *frame_walk(const struct frame *top, const struct frame *frame)
{
	if (frame->first_child)
		return frame->first_child;
	while (frame != top) {
		if (frame->next)
			return frame->next;
		frame = frame->parent;
	}
	return NULL;
}

/* ---- the execution ------------------------------------------------------------------------ */

struct execution *execution_new(void)
{
	struct execution *execution = NEW(struct execution);
	execution->next_id = 1;
	execution->next_frame = 1;
	execution->deadline_ms = INT64_MAX;
	execution->root.due_ms = INT64_MAX;
	execution->root.timer = NO_TIMER;
	return execution;
}

void execution_free(struct execution *execution)
{
	if (!execution)
		return;
	frame_close_children(execution, &execution->root);
	release(execution, &execution->root);
	u64_map_done(&execution->frames);
	u64_map_done(&execution->tasks);
	free(execution->timers);
	value_unref(execution->input);
	value_unref(execution->output);
	kept_text_done(&execution->raw);
	kept_text_done(&execution->error);
	kept_text_done(&execution->cause);
	free(execution);
}
