/* replay.c: see replay.h. */
#include "engine/core/replay.h"
#include "base/mem.h"
#include "engine/core/step.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { IDLE_MOST = 4 }; /* inputs in a row that decide nothing */

struct replay {
	struct event *events;       /* the recorded public ones, up to the cut */
	size_t count, capacity, at; /* `at`: the next one to be decided again */
	struct execution *execution;
	struct core_env env;
	struct arena arena; /* of the recorded events */
	struct replay_result *result;
	bool over; /* the cut is reached, or they diverge */
};

static void diverge(struct replay *replay, uint64_t event_id, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void diverge(struct replay *replay, uint64_t event_id, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(replay->result->what, sizeof replay->result->what, format, args);
	va_end(args);
	replay->result->event_id = event_id;
	replay->result->compatible = false;
	replay->over = true;
}

static void no_token(void *data, uint64_t task_id, struct buffer *out)
{
	buffer_addz(out, "replayed");
}

/* ---- what is open ------------------------------------------------------------------------------------ */

static bool is_open(const struct frame *frame)
{
	return frame->phase != PHASE_EXITED && !frame->first_child;
}

/* The first entry into a state that stands open; UINT64_MAX: none was entered. */
static uint64_t cut_of(const struct execution *execution)
{
	uint64_t cut = UINT64_MAX;
	for (const struct frame *frame = &execution->root; frame; frame = frame_walk(&execution->root, frame))
		if (is_open(frame) && frame->entered_id && frame->entered_id < cut)
			cut = frame->entered_id;
	return cut;
}

static const struct event *recorded(const struct replay *replay, uint64_t id)
{
	return id && id <= replay->count ? &replay->events[id - 1] : NULL;
}

/* Every frame's state is there, and is what it was when it was entered. */
static void check_frames(struct replay *replay, const struct execution *constant)
{
	struct execution *execution = (struct execution *)constant; /* only its hints are written */
	_cleanup_(arena_done) struct arena arena = { 0 };
	struct core_step *step = core_begin(execution, &replay->env, &arena);
	for (struct frame *frame = &execution->root; frame && !replay->over;
	     frame = frame_walk(&execution->root, frame)) {
		struct str name = kept_text_str(&frame->state);
		if (frame->phase == PHASE_EXITED || !name.len)
			continue;
		const struct state *state = frame_state(step, frame);
		const struct event *entered = recorded(replay, frame->entered_id);
		if (!state)
			diverge(replay, frame->entered_id,
				"the state '%.*s', where it stands, is not in the new definition",
				STR_FMT(str_sub(name, 0, 100)));
		else if (entered && entered_event(state->type) != entered->type)
			diverge(replay, frame->entered_id,
				"the state '%.*s', where it stands, is of another type: %s was recorded, the new "
				"definition makes it %s",
				STR_FMT(str_sub(name, 0, 100)), event_type_name(entered->type),
				event_type_name(entered_event(state->type)));
	}
}

/* ---- comparing --------------------------------------------------------------------------------------- */

static bool same_text(const struct event *a, const struct event *b, enum event_field field, struct str left,
		      struct str right)
{
	bool has_left = a->fields & field, has_right = b->fields & field;
	return has_left == has_right && (!has_left || str_eq(left, right));
}

static void describe(const struct event *event, char text[200])
{
	struct str name = event->fields & FIELD_NAME ? event->name : event->fields & FIELD_ARN ? event->arn : STR_EMPTY;
	snprintf(text, 200, "%s%s%.*s%s", event_type_name(event->type), name.len ? " (" : "",
		 STR_FMT(str_sub(name, 0, 120)), name.len ? ")" : "");
}

static void compare(struct replay *replay, const struct event *decided)
{
	if (replay->at >= replay->count) {
		replay->over = true;
		return;
	}
	const struct event *event = &replay->events[replay->at++];
	if (decided->type == event->type && decided->frame == event->frame &&
	    same_text(decided, event, FIELD_NAME, decided->name, event->name) &&
	    same_text(decided, event, FIELD_ARN, decided->arn, event->arn)) {
		replay->over = replay->at == replay->count;
		return;
	}
	char was[200], is[200];
	describe(event, was);
	describe(decided, is);
	diverge(replay, event->id, "at event %llu %s was recorded, the new definition would have gone on with %s",
		(unsigned long long)event->id, was, is);
}

static int compare_records(struct replay *replay, const struct core_result *result, struct wf_error *err)
{
	_cleanup_(arena_done) struct arena arena = { 0 };
	for (uint32_t i = 0; i < result->records_count && !replay->over; i++) {
		struct record_reader reader;
		struct event event;
		int r = record_open(&result->records[i], &arena, &reader, err);
		while (r >= 0 && !replay->over && (r = record_next(&reader, &event, err)) > 0)
			if (event_is_public(event.type))
				compare(replay, &event);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- feeding ----------------------------------------------------------------------------------------- */

static int feed(struct replay *replay, const struct core_input *input, int64_t now_ms, struct wf_error *err)
{
	struct core_input next = *input;
	bool more = true;
	int code = 0;
	replay->env.now_ms = now_ms;
	while (more && !replay->over && code == 0) {
		_cleanup_(arena_done) struct arena arena = { 0 };
		struct core_result result;
		struct core_step *step = core_begin(replay->execution, &replay->env, &arena);
		core_apply(step, &next);
		core_finish(step, &result);
		code = compare_records(replay, &result, err);
		more = result.more;
		next = (struct core_input){ .kind = INPUT_CONTINUE };
	}
	return code;
}

/* The input that an event, which nothing that was fed so far has led to, must have come from; and its time. */
static struct core_input cause_of(const struct replay *replay, const struct event *event, int64_t *now_ms)
{
	const struct frame *frame = execution_frame(replay->execution, event->frame);
	uint64_t task_id = frame && frame->task ? frame->task->id : 0;
	struct core_input answer = { .kind = INPUT_WAKE,
				     .task_id = task_id,
				     .value = event->payload,
				     .error = event->error,
				     .cause = event->cause,
				     .has_error = event->fields & FIELD_ERROR,
				     .has_cause = event->fields & FIELD_CAUSE,
				     .worker = event->worker,
				     .token = true /* one that succeeded by its token may have done so before its request was answered */ };
	*now_ms = event->timestamp_ms;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wswitch-enum"
	switch (event->type) {
	case EVENT_LAMBDA_FUNCTION_STARTED:
	case EVENT_ACTIVITY_STARTED:
	case EVENT_TASK_STARTED:
		answer.kind = INPUT_TASK_STARTED;
		return answer;
	case EVENT_TASK_SUBMITTED:
		answer.kind = INPUT_TASK_SUBMITTED;
		return answer;
	case EVENT_LAMBDA_FUNCTION_SUCCEEDED:
	case EVENT_ACTIVITY_SUCCEEDED:
	case EVENT_TASK_SUCCEEDED:
		answer.kind = INPUT_TASK_SUCCEEDED;
		return answer;
	case EVENT_LAMBDA_FUNCTION_SCHEDULE_FAILED:
	case EVENT_LAMBDA_FUNCTION_START_FAILED:
	case EVENT_TASK_START_FAILED:
		answer.start_failed = true;
		answer.kind = INPUT_TASK_FAILED;
		return answer;
	case EVENT_LAMBDA_FUNCTION_FAILED:
	case EVENT_ACTIVITY_SCHEDULE_FAILED:
	case EVENT_ACTIVITY_FAILED:
	case EVENT_TASK_SUBMIT_FAILED:
	case EVENT_TASK_FAILED:
		answer.kind = INPUT_TASK_FAILED;
		return answer;
	case EVENT_LAMBDA_FUNCTION_TIMED_OUT:
	case EVENT_ACTIVITY_TIMED_OUT:
	case EVENT_TASK_TIMED_OUT:
		answer.kind = INPUT_TASK_TIMED_OUT;
		return answer;
	case EVENT_EXECUTION_ABORTED:
		answer.kind = INPUT_STOP;
		return answer;
	case EVENT_EXECUTION_REDRIVEN:
		return (struct core_input){ .kind = INPUT_REDRIVE };
	default:
		break;
	}
#pragma GCC diagnostic pop
	/* Otherwise time has passed. A retry's delay is drawn anew, so it may be due at another time than it was. */
	int64_t wake_ms = execution_wake_ms(replay->execution);
	if (wake_ms != INT64_MAX && wake_ms > *now_ms)
		*now_ms = wake_ms;
	return (struct core_input){ .kind = INPUT_WAKE };
}

static int run(struct replay *replay, struct wf_error *err)
{
	const struct event *start = replay->events;
	int code = feed(replay,
			&(struct core_input){ .kind = INPUT_START,
					      .value = start->payload,
					      .raw = start->fields & FIELD_RAW ? start->raw : STR_EMPTY,
					      .state = start->fields & FIELD_NEXT ? start->next : STR_EMPTY,
					      .reason = start->fields & FIELD_CAUSE ? start->cause : STR_EMPTY,
					      .variables = start->fields & FIELD_VARIABLES ? start->variables : NULL },
			start->timestamp_ms, err);
	for (int idle = 0; code == 0 && !replay->over;) {
		size_t before = replay->at;
		int64_t now_ms;
		const struct event *event = &replay->events[before];
		struct core_input input = cause_of(replay, event, &now_ms);
		code = feed(replay, &input, now_ms, err);
		idle = replay->at == before ? idle + 1 : 0;
		if (code == 0 && !replay->over && idle >= IDLE_MOST) {
			char was[200];
			describe(event, was);
			diverge(replay, event->id,
				"at event %llu %s was recorded, the new definition would not have come to it",
				(unsigned long long)event->id, was);
		}
	}
	return code;
}

/* ---- the recorded events ----------------------------------------------------------------------------- */

static int read_recorded(struct replay *replay, const struct record *records, uint32_t count, struct wf_error *err)
{
	for (uint32_t i = 0; i < count; i++) {
		struct record_reader reader;
		struct event event;
		int r = record_open(&records[i], &replay->arena, &reader, err);
		while (r >= 0 && (r = record_next(&reader, &event, err)) > 0) {
			if (!event_is_public(event.type))
				continue;
			MEM_GROW(replay->events, replay->capacity, replay->count + 1);
			replay->events[replay->count++] = event;
		}
		if (r < 0)
			return r;
	}
	if (!replay->count || replay->events->type != EVENT_EXECUTION_STARTED || !replay->events->payload)
		return error_set(err, ERR(CORRUPT), "the history does not begin with a start");
	return 0;
}

int core_replay(const struct execution *execution, const struct record *records, uint32_t count,
		const struct core_env *env, struct replay_result *ret_result, struct wf_error *err)
{
	struct replay replay = { .env = *env, .result = ret_result };
	*ret_result = (struct replay_result){ .compatible = true };
	replay.env.task_token = no_token;
	replay.env.activity_exists = NULL;
	replay.env.test = NULL;
	replay.env.dead_errors_count = 0;
	int code = read_recorded(&replay, records, count, err);
	if (code == 0) {
		check_frames(&replay, execution);
		uint64_t cut = cut_of(execution);
		if (replay.count > cut)
			replay.count = (size_t)cut;
	}
	replay.execution = execution_new();
	if (code == 0 && !replay.over)
		code = run(&replay, err);
	execution_free(replay.execution);
	free(replay.events);
	arena_done(&replay.arena);
	return code;
}
