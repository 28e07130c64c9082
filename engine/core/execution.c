/* execution.c: what others may ask about an execution, and folding whole records. */
#include "base/mem.h"
#include "engine/core/state.h"

static const char *const status_names[] = {
	[EXECUTION_RUNNING] = "RUNNING",  [EXECUTION_SUCCEEDED_] = "SUCCEEDED",
	[EXECUTION_FAILED_] = "FAILED",   [EXECUTION_TIMED_OUT_] = "TIMED_OUT",
	[EXECUTION_ABORTED_] = "ABORTED", [EXECUTION_PENDING_REDRIVE] = "PENDING_REDRIVE",
};
enum { STATUSES = sizeof status_names / sizeof *status_names };

const char *execution_status_name(enum execution_status status)
{
	return (unsigned)status < STATUSES ? status_names[status] : "UNKNOWN";
}

bool execution_status_parse(struct str name, enum execution_status *ret_status)
{
	for (unsigned i = 0; i < STATUSES; i++)
		if (str_eqz(name, status_names[i])) {
			*ret_status = (enum execution_status)i;
			return true;
		}
	return false;
}

int execution_fold(struct execution *execution, const struct record *record, struct wf_error *err)
{
	_cleanup_(arena_done) struct arena arena = { 0 };
	struct record_reader reader;
	struct event event;
	int r = record_open(record, &arena, &reader, err);
	if (r < 0)
		return r;
	if (reader.next_id != execution->next_id)
		return error_set(err, ERR(CORRUPT),
				 "the history has a gap: a journal record begins at event %llu where %llu is next",
				 (unsigned long long)reader.next_id, (unsigned long long)execution->next_id);
	execution->steps++; /* hints of a step before are void */
	while ((r = record_next(&reader, &event, err)) > 0)
		if ((r = evolve(execution, &event, err)) < 0)
			return r;
	return r;
}

enum execution_status execution_status(const struct execution *execution)
{
	return execution->status;
}

int64_t execution_start_ms(const struct execution *execution)
{
	return execution->start_ms;
}

int64_t execution_stop_ms(const struct execution *execution)
{
	return execution->stop_ms;
}

uint64_t execution_next_event_id(const struct execution *execution)
{
	return execution->next_id;
}

const struct value *execution_input(const struct execution *execution)
{
	return execution->input;
}

struct str execution_input_text(const struct execution *execution)
{
	if (execution->raw.len)
		return kept_text_str(&execution->raw);
	return execution->input ? value_text(execution->input) : STR_EMPTY;
}

const struct value *execution_output(const struct execution *execution)
{
	return execution->output;
}

bool execution_error(const struct execution *execution, struct str *ret_error, struct str *ret_cause)
{
	*ret_error = execution->has_error ? kept_text_str(&execution->error) : (struct str){ 0 };
	*ret_cause = execution->has_cause ? kept_text_str(&execution->cause) : (struct str){ 0 };
	return execution->has_error || execution->has_cause;
}

int64_t execution_wake_ms(const struct execution *execution)
{
	if (!execution->started || execution->status != EXECUTION_RUNNING)
		return INT64_MAX;
	const struct frame *first = frame_timer_first(execution);
	return first && first->due_ms < execution->deadline_ms ? first->due_ms : execution->deadline_ms;
}

bool execution_runnable(const struct execution *execution)
{
	return execution->queue_first != NULL;
}

/* ---- memory -------------------------------------------------------------------------------- */

/* A value costs its text and some; one whose text was never needed is shared with one whose was, as a rule. */
static size_t value_bytes(const struct value *value)
{
	return value ? value_text_len(value) + 64 : 0;
}

size_t execution_memory_bytes(const struct execution *execution)
{
	size_t bytes = sizeof *execution + value_bytes(execution->input) + execution->raw.capacity;
	const struct frame *frame = execution->started ? &execution->root : NULL;
	for (; frame; frame = frame_walk(&execution->root, frame)) {
		bytes += sizeof *frame + frame->state.capacity + frame->error.capacity + frame->cause.capacity;
		if (frame->input != execution->input)
			bytes += value_bytes(frame->input);
		bytes += value_bytes(frame->variables) + value_bytes(frame->result);
		if (frame->task)
			bytes += sizeof *frame->task + frame->task->arn.capacity + value_bytes(frame->task->parameters);
		if (frame->fan) {
			bytes += sizeof *frame->fan + frame->fan->results_capacity * sizeof(void *) +
				 value_bytes(frame->fan->items);
			for (uint64_t i = 0; i < frame->fan->begun; i++)
				bytes += value_bytes(frame->fan->results[i]);
		}
	}
	return bytes;
}

/* ---- for people ---------------------------------------------------------------------------- */

static const char *const phase_words[PHASES] = {
#define X(name, text) [PHASE_##name] = text,
	FRAME_PHASES(X)
#undef X
};

void execution_visit_frames(const struct execution *execution,
			    void (*visit)(void *data, int depth, uint32_t frame, struct str state, const char *phase,
					  int64_t entered_ms),
			    void *data)
{
	const struct frame *frame = execution->started ? &execution->root : NULL;
	for (; frame; frame = frame_walk(&execution->root, frame)) {
		int depth = 0;
		for (const struct frame *up = frame->parent; up; up = up->parent)
			depth++;
		visit(data, depth, frame->id, kept_text_str(&frame->state), phase_words[frame->phase],
		      frame->entered_ms);
	}
}

const struct value *execution_task_parameters(const struct execution *execution, uint64_t task_id)
{
	const struct frame *frame = execution_task_frame(execution, task_id);
	return frame && frame->task ? frame->task->parameters : NULL;
}

bool execution_task_submitted(const struct execution *execution, uint64_t task_id)
{
	const struct frame *frame = execution_task_frame(execution, task_id);
	return frame && frame->task && frame->task->submitted;
}

uint64_t execution_redrives(const struct execution *execution)
{
	return execution->redrives;
}

int64_t execution_redriven_ms(const struct execution *execution)
{
	return execution->redriven_ms;
}

uint64_t execution_redrive_job(const struct execution *execution)
{
	return execution->redrive_job;
}

uint64_t execution_revision(const struct execution *execution)
{
	return execution->revision;
}

struct frame *execution_failed_frame(const struct execution *execution)
{
	const struct frame *frame = &execution->root, *below = frame;
	while (below) {
		frame = below;
		for (below = frame->first_child; below && below->phase != PHASE_FAILED;)
			below = below->next;
		if (!below && execution->status != EXECUTION_FAILED_)
			below = frame->first_child;
	}
	return (struct frame *)frame;
}

struct str execution_failed_state(const struct execution *execution, const struct value **ret_input, bool *ret_editable)
{
	const struct frame *frame = execution->started ? execution_failed_frame(execution) : NULL;
	*ret_input = frame ? frame->input : NULL;
	*ret_editable = frame && !frame->fan && frame->phase != PHASE_EXITED;
	return frame ? kept_text_str(&frame->state) : STR_EMPTY;
}
