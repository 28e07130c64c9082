/* driver.c: see driver.h. The world is a list of occurrences (answers, a stop) by time; the core's timers come between
 * them. */
#include "tests/core/driver.h"
#include "base/mem.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { STEPS_MAX = 200000 };

struct occurrence {
	int64_t at_ms;
	uint64_t sequence;
	struct core_input input; /* value: referenced */
	bool gone;
};

struct attempt {
	struct str state;
	size_t count;
	struct attempt *next;
};

/* A member, or NULL; of nothing, nothing. */
static const struct value *member(const struct value *object, const char *key)
{
	return object ? value_getz(object, key) : NULL;
}

static size_t count_of(const struct value *array)
{
	return array ? value_count(array) : 0;
}

/* ---- the script ----------------------------------------------------------------------------- */

static bool flag(const struct value *object, const char *key)
{
	const struct value *found = member(object, key);
	return found && value_bool(found);
}

static int64_t milliseconds(const struct value *seconds)
{
	return seconds ? (int64_t)(value_number(seconds) * 1000) : 0;
}

static struct core_input *occur(struct driver *driver, int64_t at_ms, enum core_input_kind kind, uint64_t task_id)
{
	MEM_GROW(driver->occurrences, driver->occurrences_capacity, driver->occurrences_count + 1);
	struct occurrence *occurrence = &driver->occurrences[driver->occurrences_count++];
	*occurrence = (struct occurrence){ .at_ms = at_ms,
					   .sequence = driver->sequence++,
					   .input = { .kind = kind, .task_id = task_id } };
	return &occurrence->input;
}

static const struct value *next_answer(struct driver *driver, struct str state)
{
	const struct value *tasks = member(driver->scenario, "tasks"),
			   *answers = tasks ? value_get(tasks, state) : NULL;
	struct attempt *attempt = driver->attempt_counts;
	while (attempt && !str_eq(attempt->state, state))
		attempt = attempt->next;
	if (!attempt) {
		attempt = ARENA_NEW(&driver->arena, struct attempt);
		attempt->state = arena_str(&driver->arena, state);
		attempt->next = driver->attempt_counts;
		driver->attempt_counts = attempt;
	}
	size_t count = count_of(answers), at = attempt->count++;
	return count ? value_at(answers, at < count ? at : count - 1) : NULL;
}

static void set_error(const struct value *answer, struct core_input *input)
{
	const struct value *error = member(answer, "error"), *cause = member(answer, "cause");
	input->has_error = error != NULL;
	input->has_cause = cause != NULL;
	input->error = value_string(error ? error : answer);
	input->cause = value_string(cause ? cause : answer);
}

static void answer_task(struct driver *driver, const struct command *command)
{
	const struct value *answer = next_answer(driver, command->state_name);
	if (!answer)
		return;
	int64_t now_ms = driver->now_ms, at_ms = now_ms + milliseconds(member(answer, "after_s"));
	uint64_t id = command->task_id;
	bool token = member(answer, "submitted") != NULL;
	if (!flag(answer, "unstarted") && !flag(answer, "start_failed"))
		occur(driver, now_ms, INPUT_TASK_STARTED, id)->worker =
		    member(answer, "worker") ? value_string(member(answer, "worker")) : STR_EMPTY;
	if (token)
		occur(driver, now_ms, INPUT_TASK_SUBMITTED, id)->value = value_ref(member(answer, "submitted"));
	const struct value *heartbeats = member(answer, "heartbeats");
	for (size_t i = 0; i < count_of(heartbeats); i++)
		occur(driver, now_ms + milliseconds(value_at(heartbeats, i)), INPUT_TASK_HEARTBEAT, id);
	if (flag(answer, "none"))
		return;
	if (flag(answer, "timeout")) {
		occur(driver, at_ms, INPUT_TASK_TIMED_OUT, id);
	} else if (member(answer, "result") || flag(answer, "echo")) {
		struct core_input *input = occur(driver, at_ms, INPUT_TASK_SUCCEEDED, id);
		input->value = value_ref(flag(answer, "echo") ? command->parameters : member(answer, "result"));
		input->token = token;
	} else {
		struct core_input *input = occur(driver, at_ms, INPUT_TASK_FAILED, id);
		set_error(answer, input);
		input->token = token;
		input->start_failed = flag(answer, "start_failed");
	}
}

/* ---- what comes out of a step --------------------------------------------------------------- */

static void print_text(const char *key, struct str text, struct buffer *out)
{
	buffer_printf(out, " %s=", key);
	value_write_string(text, out);
}

static void print_value(const char *key, const struct value *value, struct buffer *out)
{
	buffer_byte(out, ' ');
	buffer_addz(out, key);
	value_write(value, out);
}

void driver_print_event(const struct event *event, struct buffer *out)
{
	bool shows_payload = event->type != EVENT_MAP_STATE_STARTED && event->type != EVENT_MAP_ITERATION_STARTED &&
			     event->type != EVENT_MAP_ITERATION_SUCCEEDED && event->type != EVENT_MAP_ITERATION_FAILED;
	buffer_printf(out, "%" PRIu64 "<-%" PRIu64, event->id, event->previous_id);
	int64_t elapsed_ms = event->timestamp_ms - DRIVER_START_MS;
	if (elapsed_ms % 1000)
		buffer_printf(out, "@%" PRId64 ".%03d", elapsed_ms / 1000, (int)(elapsed_ms % 1000));
	else if (elapsed_ms)
		buffer_printf(out, "@%" PRId64, elapsed_ms / 1000);
	buffer_printf(out, " %s", event_type_name(event->type));
	if (event->fields & FIELD_NAME)
		buffer_printf(out, " %.*s", STR_FMT(event->name));
	if (event->fields & FIELD_INDEX)
		buffer_printf(out, " #%" PRIu64, event->index);
	if (event->fields & FIELD_LENGTH && event->type == EVENT_MAP_STATE_STARTED)
		buffer_printf(out, " length=%" PRIu64, event->length);
	if (event->fields & FIELD_RESOURCE_TYPE)
		buffer_printf(out, " %.*s:%.*s", STR_FMT(event->resource_type), STR_FMT(event->resource));
	if (event->fields & FIELD_WORKER)
		print_text("worker", event->worker, out);
	if (event->fields & FIELD_PAYLOAD && shows_payload)
		print_value("", event->payload, out);
	if (event->fields & FIELD_PARAMETERS)
		print_value("", event->parameters, out);
	if (event->fields & FIELD_CREDENTIALS)
		print_value("credentials=", event->credentials, out);
	if (event->fields & FIELD_TIMEOUT)
		buffer_printf(out, " timeout=%" PRId64, event->timeout_s);
	if (event->fields & FIELD_HEARTBEAT && event->fields & FIELD_PARAMETERS)
		buffer_printf(out, " heartbeat=%" PRId64, event->heartbeat_s);
	if (event->fields & FIELD_VARIABLES)
		print_value("assign=", event->variables, out);
	if (event->fields & FIELD_ERROR)
		print_text("error", event->error, out);
	if (event->fields & FIELD_CAUSE)
		print_text("cause", event->cause, out);
	if (event->fields & FIELD_LOCATION)
		print_text("location", event->location, out);
}

static struct str copy(struct driver *driver, struct str bytes)
{
	return arena_str(&driver->arena, bytes);
}

static void keep_record(struct driver *driver, const struct record *record)
{
	struct record kept = *record;
	kept.bytes = copy(driver, record->bytes);
	kept.blobs = ARENA_ARRAY(&driver->arena, struct str, record->blobs_count + 1);
	driver->bytes_written += record->bytes.len;
	for (uint32_t i = 0; i < record->blobs_count; i++) {
		kept.blobs[i] = copy(driver, record->blobs[i]);
		driver->bytes_written += record->blobs[i].len;
	}
	MEM_GROW(driver->records, driver->records_capacity, driver->records_count + 1);
	MEM_GROW(driver->snapshots, driver->snapshots_capacity, driver->records_count + 1);
	driver->snapshots[driver->records_count] = STR_EMPTY;
	driver->records[driver->records_count++] = kept;
}

static bool keep_events(struct driver *driver, const struct record *record)
{
	_cleanup_(arena_done) struct arena arena = { 0 };
	struct record_reader reader;
	struct event event;
	struct wf_error err = { 0 };
	int r = record_open(record, &arena, &reader, &err);
	while (r >= 0 && (r = record_next(&reader, &event, &err)) > 0) {
		if (!event.id)
			continue;
		_cleanup_(buffer_done) struct buffer text = { 0 };
		driver_print_event(&event, &text);
		MEM_GROW(driver->events, driver->events_capacity, driver->events_count + 1);
		driver->events[driver->events_count++] = copy(driver, buffer_str(&text));
		if (driver->history.len)
			buffer_byte(&driver->history, ',');
		history_event_json(&event, true, &driver->history);
	}
	if (r < 0)
		snprintf(driver->problem, sizeof driver->problem, "%s", err.message);
	return r >= 0;
}

/* ---- a step --------------------------------------------------------------------------------- */

static void task_token(void *data, uint64_t task_id, struct buffer *out)
{
	buffer_printf(out, "token-%" PRIu64, task_id);
}

static bool activity_exists(void *data, struct str arn)
{
	return !str_ends(arn, STR(":missing"));
}

static struct core_env environment(struct driver *driver)
{
	return (struct core_env){
		.program = driver->program,
		.limits = &driver->limits,
		.now_ms = driver->now_ms,
		.seed = driver->steps + 1,
		.execution_arn = STR("arn:aws:states:us-east-1:000000000000:execution:machine:run"),
		.execution_name = STR("run"),
		.state_machine_arn = STR("arn:aws:states:us-east-1:000000000000:stateMachine:machine"),
		.state_machine_name = STR("machine"),
		.role_arn = STR("arn:aws:iam::000000000000:role/r"),
		.region = STR("us-east-1"),
		.task_token = task_token,
		.activity_exists = activity_exists,
	};
}

struct str driver_snapshot(struct driver *driver, const struct execution *execution)
{
	_cleanup_(buffer_done) struct buffer bytes = { 0 };
	execution_snapshot(execution, &bytes);
	return copy(driver, buffer_str(&bytes));
}

struct execution *driver_fold(struct driver *driver, size_t count)
{
	struct execution *execution = execution_new();
	struct wf_error err = { 0 };
	for (size_t i = 0; i < count; i++)
		if (execution_fold(execution, &driver->records[i], &err) < 0) {
			snprintf(driver->problem, sizeof driver->problem, "record %zu: %s", i, err.message);
			execution_free(execution);
			return NULL;
		}
	return execution;
}

static bool rebuild(struct driver *driver, const struct driver_options *options)
{
	struct execution *again = NULL;
	struct wf_error err = { 0 };
	if (options->refold) {
		again = driver_fold(driver, driver->records_count);
	} else if (execution_from_snapshot(driver_snapshot(driver, driver->execution), &again, &err) < 0) {
		snprintf(driver->problem, sizeof driver->problem, "%s", err.message);
		return false;
	}
	if (!again)
		return false;
	execution_free(driver->execution);
	driver->execution = again;
	return true;
}

static bool step(struct driver *driver, const struct core_input *input, const struct driver_options *options,
		 bool *ret_more)
{
	struct core_env env = environment(driver);
	struct core_result result;
	if (options->rebuild && !rebuild(driver, options))
		return false;
	struct core_step *core = core_begin(driver->execution, &env, &driver->step_arena);
	core_apply(core, input);
	core_finish(core, &result);
	driver->steps++;
	for (uint32_t i = 0; i < result.records_count; i++) {
		keep_record(driver, &result.records[i]);
		if (!keep_events(driver, &result.records[i]))
			return false;
	}
	if (result.records_count && driver->records_count < 2000)
		driver->snapshots[driver->records_count - 1] = driver_snapshot(driver, driver->execution);
	for (uint32_t i = 0; i < result.commands_count; i++) {
		const struct command *command = &result.commands[i];
		if (command->kind == COMMAND_START_TASK) {
			driver->commands_started++;
			answer_task(driver, command);
		} else {
			driver->commands_cancelled++;
		}
	}
	*ret_more = result.more;
	arena_reset(&driver->step_arena);
	return true;
}

/* ---- the play ------------------------------------------------------------------------------- */

static struct occurrence *next_occurrence(struct driver *driver)
{
	struct occurrence *first = NULL;
	for (size_t i = 0; i < driver->occurrences_count; i++) {
		struct occurrence *o = &driver->occurrences[i];
		if (!o->gone &&
		    (!first || o->at_ms < first->at_ms || (o->at_ms == first->at_ms && o->sequence < first->sequence)))
			first = o;
	}
	return first;
}

static void set_limits(struct driver *driver)
{
	const struct value *limits = member(driver->scenario, "limits");
	driver->limits = LIMITS_DEFAULT;
	for (unsigned i = 0; i < limit_rows_count; i++) {
		const struct value *limit = member(limits, limit_rows[i].name);
		if (limit)
			value_int64(limit, (int64_t *)((char *)&driver->limits + limit_rows[i].offset));
	}
}

static bool play(struct driver *driver, const struct core_input *start, const struct driver_options *options)
{
	bool more = false;
	if (!step(driver, start, options, &more))
		return false;
	while (execution_status(driver->execution) == EXECUTION_RUNNING) {
		struct core_input input = { .kind = INPUT_CONTINUE };
		struct occurrence *occurrence = more ? NULL : next_occurrence(driver);
		int64_t wake_ms = execution_wake_ms(driver->execution);
		if (!more && !occurrence && wake_ms == INT64_MAX) {
			driver->stuck = true;
			return true;
		}
		if (occurrence && occurrence->at_ms <= wake_ms) {
			driver->now_ms = occurrence->at_ms > driver->now_ms ? occurrence->at_ms : driver->now_ms;
			input = occurrence->input;
			occurrence->gone = true;
		} else if (!more) {
			driver->now_ms = wake_ms > driver->now_ms ? wake_ms : driver->now_ms;
			input.kind = INPUT_WAKE;
		}
		bool ok = driver->steps < STEPS_MAX && step(driver, &input, options, &more);
		value_unref(input.value);
		if (!ok) {
			if (!driver->problem[0])
				snprintf(driver->problem, sizeof driver->problem, "it takes too many steps");
			return false;
		}
	}
	return true;
}

bool driver_play(struct driver *driver, const struct value *scenario, const struct driver_options *options)
{
	*driver = (struct driver){ .now_ms = DRIVER_START_MS };
	driver->scenario = value_ref(scenario);
	set_limits(driver);
	const struct value *definition = member(scenario, "definition"), *given = member(scenario, "input");
	const struct value *text = member(scenario, "input_text"), *stop = member(scenario, "stop");
	const struct value *begin = member(scenario, "begin_at");
	if (!definition) {
		snprintf(driver->problem, sizeof driver->problem, "it has no definition");
		return false;
	}
	if (program_compile(value_text(definition), NULL, &driver->arena, &driver->diagnostics, &driver->program) < 0) {
		const struct diagnostic *first = driver->diagnostics.first;
		snprintf(driver->problem, sizeof driver->problem, "the definition is invalid: %.*s at %.*s",
			 first ? (int)first->message.len : 0, first ? first->message.ptr : "",
			 first ? (int)first->location.len : 0, first ? first->location.ptr : "");
		return false;
	}
	_cleanup_(value_unrefp) struct value *input = NULL;
	struct wf_error err;
	if (text) {
		if (value_parse(value_string(text), NULL, &input, &err) < 0)
			return false;
	} else {
		input = given ? value_ref(given) : value_new_object(0);
	}
	driver->execution = execution_new();
	if (stop)
		set_error(stop, occur(driver, DRIVER_START_MS + milliseconds(member(stop, "after_s")), INPUT_STOP, 0));
	return play(
	    driver,
	    &(struct core_input){ .kind = INPUT_START,
				  .value = input,
				  .raw = text ? value_string(text) : STR_EMPTY,
				  .state = begin ? value_string(begin) : STR_EMPTY,
				  .reason = begin ? STR("a reason") : STR_EMPTY,
				  .variables = member(scenario, "variables") },
	    options);
}

void driver_done(struct driver *driver)
{
	for (size_t i = 0; i < driver->occurrences_count; i++)
		if (!driver->occurrences[i].gone)
			value_unref(driver->occurrences[i].input.value);
	free(driver->occurrences);
	free(driver->records);
	free(driver->snapshots);
	free(driver->events);
	buffer_done(&driver->history);
	execution_free(driver->execution);
	program_unref(driver->program);
	value_unref(driver->scenario);
	arena_done(&driver->step_arena);
	arena_done(&driver->arena);
}
