/* failure.c: what happens when a state fails: Retry, then Catch, then its scope fails with it.
 *
 * States.Runtime is neither retried nor caught, anywhere. A JSONata mistake is recorded as EvaluationFailed first, and
 * the frame stands in FAILING; so does one whose task or child has failed. */
#include "base/glob.h"
#include "base/mem.h"
#include "engine/core/step.h"
#include <stdarg.h>

/* ---- making failures ---------------------------------------------------------------------- */

struct str text_cut(struct str text, int64_t most)
{
	size_t len = (size_t)most;
	if (text.len <= len)
		return text;
	while (len && ((unsigned char)text.ptr[len] & 0xc0) == 0x80)
		len--;
	return str_sub(text, 0, len);
}

static struct str with_prefix(struct core_step *step, const struct frame *frame, struct str cause)
{
	if (step->env->test)
		return cause; /* there are no events to name */
	return arena_format(
	    step->arena, "An error occurred while executing the state '%.*s' (entered at the event id #%llu). %.*s",
	    STR_FMT(kept_text_str(&frame->state)), (unsigned long long)frame->entered_id, STR_FMT(cause));
}

static void fill(struct core_step *step, const struct frame *frame, struct failure *failure, const char *error,
		 const char *format, va_list args)
{
	struct str cause = with_prefix(step, frame, arena_vformat(step->arena, format, args));
	cause = text_cut(cause, step->env->limits->cause_bytes);
	*failure = (struct failure){ .error = str_of(error), .cause = cause, .has_error = true, .has_cause = true };
}

int fail_with(struct core_step *step, const struct frame *frame, struct failure *failure, const char *error,
	      const char *format, ...)
{
	va_list args;
	va_start(args, format);
	fill(step, frame, failure, error, format, args);
	va_end(args);
	return -1;
}

int fail_evaluation(struct core_step *step, const struct frame *frame, struct failure *failure, const char *location,
		    const char *format, ...)
{
	va_list args;
	va_start(args, format);
	fill(step, frame, failure, ERROR_NAME_QUERY_EVALUATION_ERROR, format, args);
	va_end(args);
	failure->location = str_of(location);
	failure->evaluation = true;
	return -1;
}

/* The expression between "{%" and "%}". A field's text may be that of its template: a JSON string. */
static struct str bare(struct core_step *step, struct str text)
{
	struct value *string;
	if (str_starts(text, STR("\"")) && value_parse(text, NULL, &string, NULL) == 0)
		text = value_string(step_keep(step, string));
	if (!str_starts(text, STR("{%")) || !str_ends(text, STR("%}")) || text.len < 4)
		return text;
	text = str_sub(text, 2, text.len - 4);
	while (text.len && strchr(" \t\r\n", text.ptr[0]))
		text = str_sub(text, 1, text.len - 1);
	while (text.len && strchr(" \t\r\n", text.ptr[text.len - 1]))
		text.len--;
	return text;
}

int fail_wrong_type(struct core_step *step, const struct frame *frame, struct failure *failure, const struct expr *expr,
		    const char *field, const char *expected, const struct value *found)
{
	struct str expression = bare(step, expr_text(expr));
	return fail_evaluation(
	    step, frame, failure, field,
	    "The JSONata expression '%.*s' specified for the field '%s' returned an unexpected result type. "
	    "Expected '%s', but was '%s' for value: %.*s",
	    STR_FMT(expression), field, expected, value_kind_name(value_kind(found)), STR_FMT(value_text(found)));
}

int fail_data_limit(struct core_step *step, struct failure *failure, struct str name)
{
	struct str cause = arena_format(
	    step->arena,
	    "The state/task '%.*s' returned a result with a size exceeding the maximum number of bytes service limit.",
	    STR_FMT(name));
	*failure = (struct failure){
		.error = STR(ERROR_NAME_DATA_LIMIT_EXCEEDED), .cause = cause, .has_error = true, .has_cause = true
	};
	return -1;
}

bool exceeds_payload_limit(const struct core_step *step, const struct value *value)
{
	return value_text_len(value) > (size_t)step->env->limits->payload_bytes;
}

/* ---- matching ------------------------------------------------------------------------------ */

static bool name_matches(struct str name, const struct failure *failure)
{
	if (str_eqz(name, ERROR_NAME_ALL))
		return true;
	if (str_eqz(name, ERROR_NAME_TASK_FAILED))
		return !str_eqz(failure->error, ERROR_NAME_TIMEOUT);
	if (str_eqz(name, ERROR_NAME_HEARTBEAT_TIMEOUT) && failure->heartbeat_missed)
		return true;
	return failure->has_error && str_eq(name, failure->error);
}

bool error_matches(const struct str *names, uint32_t count, const struct failure *failure)
{
	for (uint32_t i = 0; i < count; i++)
		if (name_matches(names[i], failure))
			return true;
	return false;
}

/* ---- failing ------------------------------------------------------------------------------- */

static bool is_runtime(const struct failure *failure)
{
	return failure->has_error && str_eqz(failure->error, ERROR_NAME_RUNTIME);
}

static void set_error_fields(struct event *event, const struct failure *failure)
{
	event->fields |= (failure->has_error ? FIELD_ERROR : 0) | (failure->has_cause ? FIELD_CAUSE : 0);
	event->error = failure->error;
	event->cause = failure->cause;
}

/* What AWS points EvaluationFailed at: the event before the state was entered, unless the state has done something
 * since, or is a Wait. */
static uint64_t evaluation_follows(const struct frame *frame, const struct state *state)
{
	return frame->last_id == frame->entered_id && state->type != STATE_WAIT ? frame->before_id : frame->last_id;
}

static void record_evaluation_failed(struct core_step *step, struct frame *frame, const struct state *state,
				     const struct failure *failure)
{
	struct event event = { .type = EVENT_EVALUATION_FAILED,
			       .fields = FIELD_NAME,
			       .name = state->name,
			       .previous_id = evaluation_follows(frame, state) };
	set_error_fields(&event, failure);
	if (failure->location.len) {
		event.fields |= FIELD_LOCATION;
		event.location = failure->location;
	}
	step_emit(step, frame, &event);
}

static void fail_scope(struct core_step *step, struct frame *frame, const struct failure *failure)
{
	if (frame->parent) {
		fail_child(step, frame, failure);
		return;
	}
	struct event event = { .type = EVENT_EXECUTION_FAILED, .previous_id = frame->last_id };
	set_error_fields(&event, failure);
	step_end_execution(step, &event);
}

/* Whether the policy of the state machine wants it to fail at once. */
static bool is_dead(const struct core_step *step, const struct failure *failure)
{
	for (uint32_t i = 0; failure->has_error && i < step->env->dead_errors_count; i++)
		if (glob_matches(step->env->dead_errors[i], failure->error))
			return true;
	return false;
}

/* Nobody retries. `from_child`: a branch or iteration failed, so the Parallel or Map has started. */
static void give_up(struct core_step *step, struct frame *frame, const struct state *state, struct failure *failure,
		    bool from_child)
{
	bool runtime = is_runtime(failure);
	if ((state->type == STATE_PARALLEL || state->type == STATE_MAP) && (from_child || !runtime))
		step_emit(step, frame,
			  &(struct event){ .type = state->type == STATE_MAP ? EVENT_MAP_STATE_FAILED
									    : EVENT_PARALLEL_STATE_FAILED,
					   .previous_id = frame->last_id });
	enum caught caught = runtime || is_dead(step, failure) ? CAUGHT_NOT : catch_failure(step, frame, state, failure);
	if (caught == CAUGHT)
		return;
	if (caught == CAUGHT_FAILED && step->env->test)
		test_failed(step->env->test, failure);
	if (caught == CAUGHT_FAILED && failure->evaluation)
		record_evaluation_failed(step, frame, state, failure);
	fail_scope(step, frame, failure);
}

static void resolve_failure(struct core_step *step, struct frame *frame, const struct state *state,
			    struct failure failure, bool from_child)
{
	if (step->env->test)
		test_failed(step->env->test, &failure);
	if (frame->fan && frame->fan->active) {
		if (frame->phase == PHASE_CHILDREN)
			end_exited_children(step, frame);
		abort_children(step, frame, frame->last_id);
	}
	if (!is_runtime(&failure) && !is_dead(step, &failure) && retry_failure(step, frame, state, &failure))
		return;
	give_up(step, frame, state, &failure, from_child);
}

void fail_state(struct core_step *step, struct frame *frame, const struct state *state, const struct failure *failure)
{
	if (!failure->evaluation) {
		resolve_failure(step, frame, state, *failure, false);
		return;
	}
	if (frame->fan && frame->fan->active)
		end_exited_children(step, frame);
	record_evaluation_failed(step, frame, state, failure);
	/* A Map whose next item cannot be made: the iterations that run must not end into one that is failing. */
	if (frame->fan && frame->fan->active)
		abort_children(step, frame, frame->last_id);
}

void resume_failing(struct core_step *step, struct frame *frame, const struct state *state)
{
	struct failure failure = { .error = arena_str(step->arena, kept_text_str(&frame->error)),
				   .cause = arena_str(step->arena, kept_text_str(&frame->cause)),
				   .has_error = frame->has_error,
				   .has_cause = frame->has_cause,
				   .heartbeat_missed = frame->heartbeat_missed };
	resolve_failure(step, frame, state, failure, frame->child_failed);
}
