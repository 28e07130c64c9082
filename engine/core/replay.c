/* replay.c: see replay.h. */
#include "engine/core/replay.h"
#include "base/mem.h"
#include "engine/core/step.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { IDLE_MOST = 4 }; /* inputs in a row that decide nothing */

struct replay {
	struct core_env env;
	struct replay_result result;
	bool over; /* the cut is reached, or they diverge */
	/* What was recorded. */
	struct execution *ended; /* the fold of all of it */
	uint8_t *types;          /* of each public event, by its id - 1 */
	size_t types_count, types_capacity;
	uint64_t cut; /* the last event that is compared */
	/* The recorded public events that were added and are not compared yet: from `at` on. */
	struct event *events;
	size_t count, capacity, at;
	struct arena arena; /* theirs; emptied when all are compared */
	/* The new execution, and the events that it has decided ahead of them. */
	struct execution *execution;
	bool begun, more; /* more: its last step was not the end of what it could do */
	int idle;         /* inputs in a row that decided nothing */
	uint64_t decided;
	struct event *ahead;
	size_t ahead_count, ahead_capacity, ahead_at;
	struct arena ahead_arena;
};

static void diverge(struct replay *replay, uint64_t event_id, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void diverge(struct replay *replay, uint64_t event_id, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(replay->result.what, sizeof replay->result.what, format, args);
	va_end(args);
	replay->result.event_id = event_id;
	replay->result.compatible = false;
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

/* Every frame's state is there, and is what it was when it was entered. */
static void check_frames(struct replay *replay)
{
	struct execution *execution = replay->ended;
	_cleanup_(arena_done) struct arena arena = { 0 };
	struct core_step *step = core_begin(execution, &replay->env, &arena);
	for (struct frame *frame = &execution->root; frame && !replay->over;
	     frame = frame_walk(&execution->root, frame)) {
		struct str name = kept_text_str(&frame->state);
		if (frame->phase == PHASE_EXITED || !name.len)
			continue;
		const struct state *state = frame_state(step, frame);
		bool entered = frame->entered_id && frame->entered_id <= replay->types_count;
		enum event_type was = entered ? (enum event_type)replay->types[frame->entered_id - 1] : (enum event_type)0;
		if (!state)
			diverge(replay, frame->entered_id,
				"the state '%.*s', where it stands, is not in the new definition",
				STR_FMT(str_sub(name, 0, 100)));
		else if (entered && entered_event(state->type) != was)
			diverge(replay, frame->entered_id,
				"the state '%.*s', where it stands, is of another type: %s was recorded, the new "
				"definition makes it %s",
				STR_FMT(str_sub(name, 0, 100)), event_type_name(was),
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

/* The next recorded event and the next decided one. */
static void compare(struct replay *replay, const struct event *decided)
{
	const struct event *event = &replay->events[replay->at++];
	if (decided->type == event->type && decided->frame == event->frame &&
	    same_text(decided, event, FIELD_NAME, decided->name, event->name) &&
	    same_text(decided, event, FIELD_ARN, decided->arn, event->arn)) {
		replay->over = event->id >= replay->cut;
		return;
	}
	char was[200], is[200];
	describe(event, was);
	describe(decided, is);
	diverge(replay, event->id, "at event %llu %s was recorded, the new definition would have gone on with %s",
		(unsigned long long)event->id, was, is);
}

static void compare_ahead(struct replay *replay)
{
	while (!replay->over && replay->ahead_at < replay->ahead_count && replay->at < replay->count)
		compare(replay, &replay->ahead[replay->ahead_at++]);
	if (replay->ahead_at == replay->ahead_count) {
		replay->ahead_at = replay->ahead_count = 0;
		arena_done(&replay->ahead_arena);
		replay->ahead_arena = (struct arena){ 0 };
	}
}

/* It waits for the record that it is to be compared with. */
static void put_ahead(struct replay *replay, const struct event *decided)
{
	MEM_GROW(replay->ahead, replay->ahead_capacity, replay->ahead_count + 1);
	replay->ahead[replay->ahead_count++] =
	    (struct event){ .type = decided->type,
			    .frame = decided->frame,
			    .fields = decided->fields & (FIELD_NAME | FIELD_ARN),
			    .name = arena_str(&replay->ahead_arena, decided->name),
			    .arn = arena_str(&replay->ahead_arena, decided->arn) };
}

static int compare_records(struct replay *replay, const struct core_result *result, struct wf_error *err)
{
	_cleanup_(arena_done) struct arena arena = { 0 };
	for (uint32_t i = 0; i < result->records_count && !replay->over; i++) {
		struct record_reader reader;
		struct event event;
		int r = record_open(&result->records[i], &arena, &reader, err);
		while (r >= 0 && !replay->over && (r = record_next(&reader, &event, err)) > 0) {
			if (!event_is_public(event.type))
				continue;
			replay->decided++;
			if (replay->ahead_count || replay->at == replay->count)
				put_ahead(replay, &event);
			else
				compare(replay, &event);
		}
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- feeding ----------------------------------------------------------------------------------------- */

/* One step: of an input, or of what the one before left. */
static int feed(struct replay *replay, const struct core_input *input, struct wf_error *err)
{
	_cleanup_(arena_done) struct arena arena = { 0 };
	struct core_result result;
	struct core_step *step = core_begin(replay->execution, &replay->env, &arena);
	core_apply(step, input);
	core_finish(step, &result);
	replay->more = result.more;
	return compare_records(replay, &result, err);
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

/* The step that the next recorded event asks for. */
static int go_on(struct replay *replay, struct wf_error *err)
{
	const struct event *event = &replay->events[replay->at];
	uint64_t decided = replay->decided;
	struct core_input input = { .kind = INPUT_CONTINUE };
	if (!replay->begun) {
		if (event->type != EVENT_EXECUTION_STARTED || !event->payload)
			return error_set(err, ERR(CORRUPT), "the history does not begin with a start");
		replay->begun = true;
		replay->env.now_ms = event->timestamp_ms;
		input = (struct core_input){ .kind = INPUT_START,
					     .value = event->payload,
					     .raw = event->fields & FIELD_RAW ? event->raw : STR_EMPTY,
					     .state = event->fields & FIELD_NEXT ? event->next : STR_EMPTY,
					     .reason = event->fields & FIELD_CAUSE ? event->cause : STR_EMPTY,
					     .variables = event->fields & FIELD_VARIABLES ? event->variables : NULL };
	} else if (!replay->more) {
		input = cause_of(replay, event, &replay->env.now_ms);
	}
	int code = feed(replay, &input, err);
	replay->idle = replay->decided == decided ? replay->idle + 1 : 0;
	if (code == 0 && !replay->over && replay->idle >= IDLE_MOST) {
		char was[200];
		describe(event, was);
		diverge(replay, event->id,
			"at event %llu %s was recorded, the new definition would not have come to it",
			(unsigned long long)event->id, was);
	}
	return code;
}

int replay_run(struct replay *replay, uint32_t events, bool last, struct wf_error *err)
{
	uint64_t until = replay->decided + events;
	for (uint32_t steps = 0; !replay->over; steps++) {
		compare_ahead(replay);
		if (replay->over)
			break;
		if (replay->at == replay->count && !last)
			return REPLAY_WANTS;
		if (replay->at == replay->count)
			break; /* all that was recorded is as it is decided now */
		if (replay->decided >= until || steps >= events)
			return REPLAY_MORE;
		int code = go_on(replay, err);
		if (code < 0)
			return code;
	}
	if (last && !replay->begun && !replay->over)
		return error_set(err, ERR(CORRUPT), "the history does not begin with a start");
	return REPLAY_ENDED;
}

const struct replay_result *replay_result(const struct replay *replay)
{
	return &replay->result;
}

/* ---- what was recorded ------------------------------------------------------------------------------- */

int replay_fold(struct replay *replay, const struct record *record, struct wf_error *err)
{
	_cleanup_(arena_done) struct arena arena = { 0 };
	struct record_reader reader;
	struct event event;
	int r = record_open_bare(record, &arena, &reader, err);
	while (r >= 0 && (r = record_next(&reader, &event, err)) > 0) {
		if (!event_is_public(event.type))
			continue;
		MEM_GROW(replay->types, replay->types_capacity, replay->types_count + 1);
		replay->types[replay->types_count++] = (uint8_t)event.type;
	}
	return r < 0 ? r : execution_fold(replay->ended, record, err);
}

int replay_begin(struct replay *replay, struct wf_error *err)
{
	enum execution_status status = execution_status(replay->ended);
	if (status == EXECUTION_RUNNING || status == EXECUTION_SUCCEEDED_)
		return error_set(err, ERR(INVALID), "it is %s", execution_status_name(status));
	check_frames(replay);
	replay->cut = cut_of(replay->ended);
	execution_free(TAKE(replay->ended));
	return 0;
}

int replay_add(struct replay *replay, const struct record *record, struct wf_error *err)
{
	struct record_reader reader;
	struct event event;
	if (replay->at == replay->count) {
		replay->at = replay->count = 0;
		arena_done(&replay->arena);
		replay->arena = (struct arena){ 0 };
	}
	/* Events point into their record. */
	struct record copy = *record;
	copy.bytes = arena_str(&replay->arena, record->bytes);
	copy.blobs = ARENA_ARRAY(&replay->arena, struct str, record->blobs_count + 1);
	for (uint32_t i = 0; i < record->blobs_count; i++)
		copy.blobs[i] = arena_str(&replay->arena, record->blobs[i]);
	int r = record_open(&copy, &replay->arena, &reader, err);
	while (r >= 0 && (r = record_next(&reader, &event, err)) > 0) {
		if (!event_is_public(event.type))
			continue;
		MEM_GROW(replay->events, replay->capacity, replay->count + 1);
		replay->events[replay->count++] = event;
	}
	return r < 0 ? r : 0;
}

/* ---- life -------------------------------------------------------------------------------------------- */

struct replay *replay_new(const struct core_env *env)
{
	struct replay *replay = NEW(struct replay);
	*replay = (struct replay){ .env = *env, .result = { .compatible = true } };
	replay->env.task_token = no_token;
	replay->env.activity_exists = NULL;
	replay->env.test = NULL;
	replay->env.dead_errors_count = 0;
	replay->ended = execution_new();
	replay->execution = execution_new();
	return replay;
}

void replay_free(struct replay *replay)
{
	if (!replay)
		return;
	execution_free(replay->ended);
	execution_free(replay->execution);
	free(replay->types);
	free(replay->events);
	free(replay->ahead);
	arena_done(&replay->arena);
	arena_done(&replay->ahead_arena);
	free(replay);
}
