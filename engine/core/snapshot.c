/* snapshot.c: the whole state as bytes and back.
 *
 *     byte version · varint payloads · each: blob (text) · the execution · frames, parents first · the queue's order
 *
 * Canonical: equal states give equal bytes. Payloads are stored once each, in the order in which they are first named;
 * frames stand in the order of the tree. What is derived (timer heap, map of tasks) is left out. Each struct is written
 * and read by one table-like function that serves both directions, so that they cannot drift apart. */
#include "base/mem.h"
#include "engine/core/payloads.h"
#include "engine/core/state.h"
#include <stdlib.h>

enum { SNAPSHOT_VERSION = 3 }; /* 1 has no time of the last redrive, 2 not its job and definition */

/* One direction or the other. Reading sets `bad` at the first thing that cannot be, and goes on with zeroes. */
struct codec {
	bool reading, bad;
	uint8_t version; /* that is read */
	struct buffer out;
	struct payload_table table;
	struct reader in;
	struct value **values;
	uint64_t values_count;
};

static void code_u64(struct codec *codec, uint64_t *number)
{
	if (!codec->reading)
		buffer_varint(&codec->out, *number);
	else if (codec->bad || !reader_varint(&codec->in, number))
		codec->bad = true;
}

static void code_u32(struct codec *codec, uint32_t *number)
{
	uint64_t wide = *number;
	code_u64(codec, &wide);
	if (wide > UINT32_MAX)
		codec->bad = true;
	*number = (uint32_t)wide;
}

static void code_i64(struct codec *codec, int64_t *number)
{
	if (!codec->reading)
		buffer_svarint(&codec->out, *number);
	else if (codec->bad || !reader_svarint(&codec->in, number))
		codec->bad = true;
}

static void code_bool(struct codec *codec, bool *truth)
{
	uint8_t byte = *truth;
	if (!codec->reading)
		buffer_byte(&codec->out, (char)byte);
	else if (codec->bad || !reader_byte(&codec->in, &byte) || byte > 1)
		codec->bad = true;
	*truth = byte == 1;
}

static void code_text(struct codec *codec, struct kept_text *text)
{
	struct str bytes;
	if (!codec->reading)
		buffer_blob(&codec->out, kept_text_str(text));
	else if (codec->bad || !reader_blob(&codec->in, &bytes) || bytes.len > UINT32_MAX)
		codec->bad = true;
	else
		kept_text_set(text, bytes);
}

static void code_value(struct codec *codec, struct value **value)
{
	if (!codec->reading) {
		buffer_varint(&codec->out, *value ? (uint64_t)payload_table_put(&codec->table, *value) + 1 : 0);
		return;
	}
	uint64_t number = 0;
	code_u64(codec, &number);
	if (number > codec->values_count)
		codec->bad = true;
	else if (number && !codec->bad)
		*value = value_ref(codec->values[number - 1]);
}

/* Whether there is one at all; reading makes it. */
static bool code_presence(struct codec *codec, void **pointer, size_t size)
{
	bool present = *pointer != NULL;
	code_bool(codec, &present);
	if (codec->reading && present && !codec->bad)
		*pointer = mem_zalloc(size);
	return *pointer != NULL;
}

static void code_task(struct codec *codec, struct frame *frame)
{
	if (!code_presence(codec, (void **)&frame->task, sizeof *frame->task))
		return;
	struct open_task *task = frame->task;
	uint64_t scheduled = task->scheduled;
	code_u64(codec, &task->id);
	code_u64(codec, &scheduled);
	task->scheduled = (enum event_type)scheduled;
	code_text(codec, &task->arn);
	code_value(codec, &task->parameters);
	code_value(codec, &task->credentials);
	code_i64(codec, &task->deadline_ms);
	code_i64(codec, &task->heartbeat_due_ms);
	code_i64(codec, &task->heartbeat_s);
	code_u32(codec, &task->attempt);
	code_bool(codec, &task->started);
	code_bool(codec, &task->submitted);
	if (scheduled != EVENT_LAMBDA_FUNCTION_SCHEDULED && scheduled != EVENT_ACTIVITY_SCHEDULED &&
	    scheduled != EVENT_TASK_SCHEDULED)
		codec->bad = true;
	if (!task->parameters)
		codec->bad = true;
}

static void code_fan(struct codec *codec, struct frame *frame)
{
	if (!code_presence(codec, (void **)&frame->fan, sizeof *frame->fan))
		return;
	struct fan *fan = frame->fan;
	uint64_t begun = fan->begun;
	code_bool(codec, &fan->map);
	code_u64(codec, &fan->length);
	code_u64(codec, &fan->concurrency);
	code_u64(codec, &fan->tolerated);
	code_u64(codec, &begun);
	code_u64(codec, &fan->active);
	code_u64(codec, &fan->succeeded);
	code_u64(codec, &fan->failed);
	code_u64(codec, &fan->begin_after_id);
	code_value(codec, &fan->items);
	if (codec->reading) {
		/* Each result takes a byte at least. */
		if (codec->bad || begun > fan->length || begun > (uint64_t)(codec->in.end - codec->in.at) ||
		    fan->map != (fan->items != NULL) || (fan->map && value_count(fan->items) != fan->length)) {
			codec->bad = true;
			return;
		}
		MEM_GROW(fan->results, fan->results_capacity, begun + 1);
		memset(fan->results, 0, begun * sizeof *fan->results);
		fan->begun = begun;
	}
	for (uint64_t i = 0; i < fan->begun; i++)
		code_value(codec, &fan->results[i]);
}

static void code_frame(struct codec *codec, struct frame *frame)
{
	uint64_t phase = frame->phase;
	uint32_t attempts = frame->attempts_count;
	code_u64(codec, &phase);
	frame->phase = phase < PHASES ? (enum frame_phase)phase : PHASE_ABORTED;
	if (phase >= PHASES)
		codec->bad = true;
	code_text(codec, &frame->state);
	code_value(codec, &frame->input);
	code_value(codec, &frame->result);
	code_value(codec, &frame->variables);
	code_u64(codec, &frame->last_id);
	code_u64(codec, &frame->entered_id);
	code_u64(codec, &frame->before_id);
	code_i64(codec, &frame->entered_ms);
	code_u32(codec, &attempts);
	if (codec->reading) {
		if (codec->bad || attempts > (uint64_t)(codec->in.end - codec->in.at)) {
			codec->bad = true;
			return;
		}
		frame->attempts = attempts ? mem_zalloc(attempts * sizeof *frame->attempts) : NULL;
		frame->attempts_count = attempts;
	}
	for (uint32_t i = 0; i < frame->attempts_count; i++)
		code_u32(codec, &frame->attempts[i]);
	code_u32(codec, &frame->retries);
	code_text(codec, &frame->error);
	code_text(codec, &frame->cause);
	code_bool(codec, &frame->has_error);
	code_bool(codec, &frame->has_cause);
	code_bool(codec, &frame->heartbeat_missed);
	code_bool(codec, &frame->child_failed);
	code_i64(codec, &frame->due_ms);
	code_task(codec, frame);
	code_fan(codec, frame);
	if (codec->reading && !codec->bad &&
	    (!frame->input || (frame->phase == PHASE_ANSWERED && !frame->result) ||
	     (frame->phase == PHASE_TASK && !frame->task) || (frame->phase == PHASE_CHILDREN && !frame->fan) ||
	     (frame->variables && !value_is(frame->variables, VALUE_OBJECT))))
		codec->bad = true;
}

static void code_execution(struct codec *codec, struct execution *execution)
{
	uint64_t status = execution->status;
	code_bool(codec, &execution->started);
	code_u64(codec, &status);
	execution->status = (enum execution_status)status;
	if (status > EXECUTION_PENDING_REDRIVE)
		codec->bad = true;
	code_i64(codec, &execution->start_ms);
	code_i64(codec, &execution->stop_ms);
	code_i64(codec, &execution->last_ms);
	code_i64(codec, &execution->deadline_ms);
	code_u64(codec, &execution->next_id);
	code_u32(codec, &execution->next_frame);
	code_u64(codec, &execution->redrives);
	if (!codec->reading || codec->version >= 2)
		code_i64(codec, &execution->redriven_ms);
	if (!codec->reading || codec->version >= 3) {
		code_u64(codec, &execution->redrive_job);
		code_u64(codec, &execution->revision);
	}
	code_value(codec, &execution->input);
	code_value(codec, &execution->output);
	code_text(codec, &execution->raw);
	code_text(codec, &execution->error);
	code_text(codec, &execution->cause);
	code_bool(codec, &execution->has_error);
	code_bool(codec, &execution->has_cause);
}

/* ---- writing ----------------------------------------------------------------------------- */

void execution_snapshot(const struct execution *constant, struct buffer *out)
{
	struct execution *execution = (struct execution *)constant; /* the codec does not write while it writes out */
	struct codec codec = { 0 };
	code_execution(&codec, execution);
	if (execution->started) {
		code_frame(&codec, &execution->root);
		uint64_t frames = 0;
		for (struct frame *f = frame_walk(&execution->root, &execution->root); f;
		     f = frame_walk(&execution->root, f))
			frames++;
		code_u64(&codec, &frames);
		for (struct frame *f = frame_walk(&execution->root, &execution->root); f;
		     f = frame_walk(&execution->root, f)) {
			code_u32(&codec, &f->id);
			code_u32(&codec, &f->parent->id);
			code_u32(&codec, &f->index);
			code_frame(&codec, f);
		}
		for (struct frame *f = execution->queue_first; f; f = f->queue_next)
			code_u32(&codec, &f->id);
	}
	buffer_byte(out, SNAPSHOT_VERSION);
	buffer_varint(out, codec.table.count);
	for (uint32_t i = 0; i < codec.table.count; i++)
		buffer_blob(out, value_text(codec.table.entries[i].value));
	buffer_add(out, buffer_str(&codec.out));
	payload_table_done(&codec.table);
	buffer_done(&codec.out);
}

/* ---- reading ----------------------------------------------------------------------------- */

static void read_frames(struct codec *codec, struct execution *execution)
{
	uint64_t frames = 0;
	code_u64(codec, &frames);
	for (uint64_t i = 0; i < frames && !codec->bad; i++) {
		uint32_t id = 0, parent_id = 0, index = 0;
		code_u32(codec, &id);
		code_u32(codec, &parent_id);
		code_u32(codec, &index);
		struct frame *parent = codec->bad ? NULL : execution_frame(execution, parent_id);
		if (!parent || !id || id >= execution->next_frame || execution_frame(execution, id) || !parent->fan ||
		    index >= parent->fan->begun) {
			codec->bad = true;
			return;
		}
		code_frame(codec, frame_open(execution, parent, id, index));
	}
}

/* A fan whose results and children do not add up would never end. */
static bool fan_adds_up(const struct frame *frame)
{
	const struct fan *fan = frame->fan;
	uint64_t running = 0, missing = 0;
	for (const struct frame *child = frame->first_child; child; child = child->next)
		if (child->phase < PHASE_FAILED) {
			running++;
			if (fan->results[child->index])
				return false;
		}
	for (uint64_t i = 0; i < fan->begun; i++)
		missing += fan->results[i] == NULL;
	return running == fan->active && missing == running;
}

/* What is derived: the map of tasks, the timers. */
static void derive(struct codec *codec, struct execution *execution)
{
	for (struct frame *frame = &execution->root; frame && !codec->bad;
	     frame = frame_walk(&execution->root, frame)) {
		int64_t due_ms = execution->status == EXECUTION_RUNNING ? frame_due_ms(frame) : INT64_MAX;
		frame->due_ms = INT64_MAX;
		frame_timer_set(execution, frame, due_ms);
		if (frame->phase == PHASE_CHILDREN && !fan_adds_up(frame))
			codec->bad = true;
		if (frame->task && u64_map_put(&execution->tasks, frame->task->id, frame))
			codec->bad = true;
	}
}

static void read_queue(struct codec *codec, struct execution *execution)
{
	while (!codec->bad && codec->in.at < codec->in.end) {
		uint32_t id = 0;
		code_u32(codec, &id);
		struct frame *frame = codec->bad ? NULL : execution_frame(execution, id);
		if (!frame || frame->queued)
			codec->bad = true;
		else
			frame_update_queue(execution, frame);
	}
	for (struct frame *frame = &execution->root; frame && !codec->bad; frame = frame_walk(&execution->root, frame))
		if (frame->queued != (execution->status == EXECUTION_RUNNING && frame_can_go_on(frame)))
			codec->bad = true;
}

static void read_all(struct codec *codec, struct execution *execution)
{
	code_execution(codec, execution);
	if (codec->bad || !execution->started) {
		codec->bad |= codec->in.at != codec->in.end;
		return;
	}
	code_frame(codec, &execution->root);
	if (!codec->bad)
		read_frames(codec, execution);
	if (!codec->bad && !execution->input)
		codec->bad = true;
	derive(codec, execution);
	read_queue(codec, execution);
}

int execution_from_snapshot(struct str bytes, struct execution **ret_execution, struct wf_error *err)
{
	struct codec codec = { .reading = true, .in = reader_of(bytes) };
	uint8_t version;
	uint64_t payloads;
	if (!reader_byte(&codec.in, &version))
		return error_set(err, ERR(CORRUPT), "a snapshot is empty");
	if (version < 1 || version > SNAPSHOT_VERSION)
		return error_set(err, ERR(VERSION), "a snapshot has version %d, this program reads %d", version,
				 SNAPSHOT_VERSION);
	codec.version = version;
	if (!reader_varint(&codec.in, &payloads) || payloads > bytes.len)
		return error_set(err, ERR(CORRUPT), "a snapshot's header is damaged");
	codec.values = mem_alloc((payloads + 1) * sizeof *codec.values);
	for (; codec.values_count < payloads && !codec.bad; codec.values_count++) {
		struct str text;
		if (!reader_blob(&codec.in, &text)) {
			codec.bad = true;
			break;
		}
		codec.values[codec.values_count] = value_from_trusted_text(text);
	}
	struct execution *execution = execution_new();
	if (!codec.bad)
		read_all(&codec, execution);
	for (uint64_t i = 0; i < codec.values_count; i++)
		value_unref(codec.values[i]);
	free(codec.values);
	if (codec.bad) {
		execution_free(execution);
		return error_set(err, ERR(CORRUPT), "a snapshot is damaged");
	}
	*ret_execution = execution;
	return 0;
}
