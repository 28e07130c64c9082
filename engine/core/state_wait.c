/* state_wait.c: Wait until a time, given as seconds from now or as a timestamp, as a constant, a path or an expression.
 */
#include "base/timestamp.h"
#include "engine/core/step.h"

/* AWS's bound on seconds: more than three years. It keeps a due time far from overflowing. */
#define SECONDS_MAX 99999999

static int path_value(struct core_step *step, struct frame *frame, const struct expr *path, const struct value *input,
		      const char *field, const struct value **ret_value, struct failure *ret_failure)
{
	struct view view = { .input = input, .item = NO_ITEM };
	if (step_evaluate_present(step, frame, path, &view, ret_value))
		return 0;
	return fail_with(step, frame, ret_failure, ERROR_NAME_RUNTIME,
			 "The %s parameter does not reference an input value: %.*s", field, STR_FMT(expr_text(path)));
}

static int seconds_at_path(struct core_step *step, struct frame *frame, const struct expr *path,
			   const struct value *input, int64_t *ret_seconds, struct failure *ret_failure)
{
	const struct value *value;
	if (path_value(step, frame, path, input, "SecondsPath", &value, ret_failure) < 0)
		return -1;
	struct str text = value_is(value, VALUE_STRING) ? value_string(value) : value_text(value);
	if (!is_whole_number(value, ret_seconds))
		return fail_with(step, frame, ret_failure, ERROR_NAME_RUNTIME,
				 "The SecondsPath parameter cannot be parsed as a long value: %.*s == %.*s",
				 STR_FMT(expr_text(path)), STR_FMT(text));
	if (*ret_seconds < 0)
		return fail_with(step, frame, ret_failure, ERROR_NAME_RUNTIME,
				 "The SecondsPath parameter references a negative value: %.*s == %.*s",
				 STR_FMT(expr_text(path)), STR_FMT(text));
	return 0;
}

static int timestamp_at_path(struct core_step *step, struct frame *frame, const struct expr *path,
			     const struct value *input, int64_t *ret_ms, struct failure *ret_failure)
{
	const struct value *value;
	if (path_value(step, frame, path, input, "TimestampPath", &value, ret_failure) < 0)
		return -1;
	if (value_is(value, VALUE_STRING) && timestamp_parse(value_string(value), ret_ms))
		return 0;
	return fail_with(step, frame, ret_failure, ERROR_NAME_RUNTIME,
			 "The TimestampPath parameter does not reference a valid ISO-8601 extended offset date-time "
			 "format string: %.*s == %.*s",
			 STR_FMT(expr_text(path)),
			 STR_FMT(value_is(value, VALUE_STRING) ? value_string(value) : value_text(value)));
}

static int timestamp_jsonata(struct core_step *step, struct frame *frame, const struct expr *expr, int64_t *ret_ms,
			     struct failure *ret_failure)
{
	struct view view = { .input = frame->input, .item = NO_ITEM };
	const struct value *value;
	if (step_evaluate(step, frame, expr, "Timestamp", &view, &value, ret_failure) < 0)
		return -1;
	if (!value_is(value, VALUE_STRING))
		return fail_wrong_type(step, frame, ret_failure, expr, "Timestamp", "string", value);
	if (timestamp_parse(value_string(value), ret_ms))
		return 0;
	return fail_evaluation(
	    step, frame, ret_failure, "Timestamp",
	    "The Timestamp field cannot be parsed as an ISO-8601 extended offset date-time format string: %.*s",
	    STR_FMT(value_string(value)));
}

static int due_time(struct core_step *step, struct frame *frame, const struct state *state, int64_t *ret_ms,
		    struct failure *ret_failure)
{
	const struct value *input;
	int64_t seconds;
	if (step_effective_input(step, frame, state, &input, ret_failure) < 0)
		return -1;
	if (state->wait.has_timestamp) {
		*ret_ms = state->wait.timestamp_ms;
		return 0;
	}
	if (state->wait.timestamp_path)
		return state->language == QUERY_JSONATA
			   ? timestamp_jsonata(step, frame, state->wait.timestamp_path, ret_ms, ret_failure)
			   : timestamp_at_path(step, frame, state->wait.timestamp_path, input, ret_ms, ret_failure);
	const struct number_field *field = &state->wait.seconds;
	int r = field->expr && state->language == QUERY_JSONPATH
		    ? seconds_at_path(step, frame, field->expr, input, &seconds, ret_failure)
		    : step_evaluate_number(step, frame, field, frame->input, &seconds, ret_failure);
	if (r < 0)
		return -1;
	*ret_ms = step->env->now_ms + (seconds > SECONDS_MAX ? SECONDS_MAX : seconds) * 1000;
	return 0;
}

void run_wait(struct core_step *step, struct frame *frame, const struct state *state)
{
	int64_t due_ms;
	struct failure failure = { 0 };
	if (due_time(step, frame, state, &due_ms, &failure) < 0)
		fail_state(step, frame, state, &failure);
	else if (due_ms <= step->env->now_ms)
		end_wait(step, frame, state);
	else
		step_emit(step, frame,
			  &(struct event){ .type = EVENT_WAIT_SCHEDULED, .fields = FIELD_DUE, .due_ms = due_ms });
}

void end_wait(struct core_step *step, struct frame *frame, const struct state *state)
{
	const struct value *input;
	struct failure failure = { 0 };
	if (step_effective_input(step, frame, state, &input, &failure) < 0)
		fail_state(step, frame, state, &failure);
	else
		complete_state(step, frame, state, "", input);
}
