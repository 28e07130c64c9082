/* v1_mock_test.c: an execution as a test: a mock configuration (engine/mock.c) that answers its tasks with what was recorded, and the
 * member "Ratchet" with the input and the end that is expected, for `ratchet run --test` (docs/functions.md).
 *
 * Invocations are numbered as the mocks count them: by state, in the order in which they were scheduled. Where several
 * frames have invoked a state at the same time that order may be another when it is played; the answer names these states. */
#include "base/map.h"
#include "base/mem.h"
#include "engine/stored.h"
#include "server/v1.h"
#include <stdlib.h>

#define TEST_BYTES_MOST (15 << 20) /* engine/mock.c reads 16 MiB */

/* What a state's invocations have answered. */
struct results {
	struct str name;
	struct buffer entries; /* "0": {…}, "1": {…} */
	unsigned invoked, open;
	bool concurrent, cut_off;
};

/* What a frame does. */
struct doing {
	struct results *results; /* of the state it is in */
	bool open;               /* it has invoked, and has no answer */
	unsigned number;
};

struct mock_test {
	struct route_call *call;
	struct str_map results; /* by state */
	struct u64_map frames;
	struct buffer end; /* members of what is expected */
	struct buffer input;
	size_t bytes;
	const char *refusal; /* it cannot be a test */
	int code;
};

static void release(void *data)
{
	struct mock_test *test = data;
	size_t i = 0;
	for (struct str_map_entry *entry; (entry = str_map_next(&test->results, &i));) {
		struct results *results = entry->value;
		buffer_done(&results->entries);
		free(results);
	}
	str_map_done(&test->results);
	i = 0;
	for (struct u64_map_entry *entry; (entry = u64_map_next(&test->frames, &i));)
		free(entry->value);
	u64_map_done(&test->frames);
	buffer_done(&test->end);
	buffer_done(&test->input);
}

static struct results *results_of(struct mock_test *test, struct str name)
{
	struct results *results = str_map_get(&test->results, name);
	if (!results) {
		results = NEW(struct results);
		results->name = arena_str(&test->call->arena, name);
		str_map_put(&test->results, name, results);
	}
	return results;
}

static struct doing *doing_of(struct mock_test *test, uint32_t frame)
{
	struct doing *doing = u64_map_get(&test->frames, frame + 1);
	if (!doing) {
		doing = NEW(struct doing);
		u64_map_put(&test->frames, frame + 1, doing);
	}
	return doing;
}

/* ---- the history ------------------------------------------------------------------------------------- */

static void answer(struct mock_test *test, struct doing *doing, struct buffer *entry)
{
	struct results *results = doing->results;
	buffer_printf(&results->entries, "%s\"%u\":", results->entries.len ? "," : "", doing->number);
	buffer_add(&results->entries, buffer_str(entry));
	test->bytes += entry->len;
	doing->open = false;
	results->open--;
}

static void on_scheduled(struct mock_test *test, const struct event *event)
{
	struct doing *doing = doing_of(test, event->frame);
	if (!doing->results || doing->open)
		return;
	doing->open = true;
	doing->number = doing->results->invoked++;
	doing->results->concurrent |= doing->results->open++ > 0;
}

static void on_answer(struct mock_test *test, const struct event *event, bool good)
{
	struct doing *doing = doing_of(test, event->frame);
	_cleanup_(buffer_done) struct buffer entry = { 0 };
	if (!doing->open)
		return;
	if (good) {
		buffer_addz(&entry, "{\"Return\":");
		buffer_add(&entry, event->payload ? value_text(event->payload) : STR("{}"));
		buffer_byte(&entry, '}');
	} else {
		bool timed_out = !(event->fields & FIELD_ERROR);
		buffer_addz(&entry, "{\"Throw\":{");
		api_put_text(&entry, "Error", timed_out ? STR(ERROR_NAME_TIMEOUT) : event->error);
		if (event->fields & FIELD_CAUSE)
			api_put_text(&entry, "Cause", event->cause);
		buffer_addz(&entry, "}}");
	}
	answer(test, doing, &entry);
}

/* Its siblings or the execution failed before it was answered: it is answered with nothing. */
static void cut_off(struct mock_test *test)
{
	size_t i = 0;
	for (struct u64_map_entry *entry; (entry = u64_map_next(&test->frames, &i));) {
		struct doing *doing = entry->value;
		if (!doing->open)
			continue;
		_cleanup_(buffer_done) struct buffer nothing = { 0 };
		buffer_addz(&nothing, "{\"Return\":{}}");
		doing->results->cut_off = true;
		answer(test, doing, &nothing);
	}
}

static void on_end(struct mock_test *test, const struct event *event, const char *status)
{
	buffer_byte(&test->end, '{');
	api_put_text(&test->end, "Status", str_of(status));
	if (event->type == EVENT_EXECUTION_SUCCEEDED)
		api_put_json(&test->end, "Output", value_text(event->payload));
	if (event->fields & FIELD_ERROR)
		api_put_text(&test->end, "Error", event->error);
	cut_off(test);
}

static void look_at(struct mock_test *test, const struct event *event)
{
	switch ((unsigned)event->type) { /* of all types only these matter */
	case EVENT_EXECUTION_STARTED:
		buffer_add(&test->input, value_text(event->payload));
		if (event->fields & FIELD_NEXT)
			test->refusal = "it began at another state than the machine does";
		break;
	case EVENT_EXECUTION_REDRIVEN:
		test->refusal = "it was redriven";
		break;
	case EVENT_EXECUTION_SUCCEEDED:
		on_end(test, event, "SUCCEEDED");
		break;
	case EVENT_EXECUTION_FAILED:
		on_end(test, event, "FAILED");
		break;
	case EVENT_EXECUTION_TIMED_OUT:
	case EVENT_EXECUTION_ABORTED:
		test->refusal = "what ended it came from outside of its definition's states";
		break;
	case EVENT_TASK_STATE_ENTERED:
		doing_of(test, event->frame)->results = results_of(test, event->name);
		break;
	case EVENT_LAMBDA_FUNCTION_SCHEDULED:
	case EVENT_ACTIVITY_SCHEDULED:
	case EVENT_TASK_SCHEDULED:
		on_scheduled(test, event);
		break;
	case EVENT_LAMBDA_FUNCTION_SUCCEEDED:
	case EVENT_ACTIVITY_SUCCEEDED:
	case EVENT_TASK_SUCCEEDED:
		on_answer(test, event, true);
		break;
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
		on_answer(test, event, false);
		break;
	}
}

static bool each_record(void *data, const struct execution_info *info, const struct store_record *stored)
{
	struct mock_test *test = data;
	_cleanup_(arena_done) struct arena arena = { 0 };
	struct record record = stored_record(stored);
	struct record_reader reader;
	struct event event;
	if (stored->number == 0) { /* a read may begin again */
		release(test);
		*test = (struct mock_test){ .call = test->call };
	}
	test->code = record_open(&record, &arena, &reader, NULL);
	while (test->code >= 0 && (test->code = record_next(&reader, &event, NULL)) > 0)
		look_at(test, &event);
	if (test->bytes > TEST_BYTES_MOST)
		test->refusal = "what its tasks have answered is too much for one file";
	return test->code >= 0 && !test->refusal;
}

/* ---- the file ---------------------------------------------------------------------------------------- */

static void put_key(struct buffer *out, struct str key)
{
	char last = out->data[out->len - 1];
	buffer_addz(out, last == '{' ? "" : ",");
	value_write_string(key, out);
	buffer_byte(out, ':');
}

static const struct results *invoked(const struct mock_test *test, const struct state *state)
{
	const struct results *results = state->type == STATE_TASK ? str_map_get(&test->results, state->name) : NULL;
	return results && results->invoked ? results : NULL;
}

/* Tasks that were never invoked are mocked too, so that no service is called: by a response that has no state's name. */
static struct str name_of_never(const struct mock_test *test)
{
	struct str name = STR("Not recorded");
	while (str_map_get(&test->results, name))
		name = arena_format(&test->call->arena, "%.*s.", STR_FMT(name));
	return name;
}

static void put_case(const struct mock_test *test, const struct program *program, struct str never, struct buffer *out)
{
	buffer_byte(out, '{');
	for (uint32_t i = 0; i < program->states_count; i++)
		if (program->states[i].type == STATE_TASK) {
			put_key(out, program->states[i].name);
			value_write_string(invoked(test, &program->states[i]) ? program->states[i].name : never, out);
		}
	buffer_byte(out, '}');
}

static void put_responses(const struct mock_test *test, const struct program *program, struct str never, struct buffer *out)
{
	buffer_byte(out, '{');
	for (uint32_t i = 0; i < program->states_count; i++) {
		const struct results *results = invoked(test, &program->states[i]);
		if (!results)
			continue;
		put_key(out, results->name);
		buffer_byte(out, '{');
		buffer_add(out, buffer_str(&results->entries));
		buffer_byte(out, '}');
	}
	put_key(out, never);
	buffer_addz(out, "{\"0-999999\":{\"Throw\":{\"Error\":\"Ratchet.NotRecorded\",\"Cause\":\"The recorded execution did not invoke "
			 "this state\"}}}}");
}

static void put_states(const struct mock_test *test, const struct program *program, bool concurrent, struct buffer *out)
{
	buffer_byte(out, '[');
	for (uint32_t i = 0; i < program->states_count; i++) {
		const struct results *results = invoked(test, &program->states[i]);
		if (!results || !(concurrent ? results->concurrent : results->cut_off))
			continue;
		buffer_addz(out, out->data[out->len - 1] == '[' ? "" : ",");
		value_write_string(results->name, out);
	}
	buffer_byte(out, ']');
}

static void put_file(const struct mock_test *test, const struct execution_info *info, struct buffer *out)
{
	struct str never = name_of_never(test);
	buffer_addz(out, "{\"StateMachines\":{");
	put_key(out, info->machine_name);
	buffer_addz(out, "{\"TestCases\":{");
	put_key(out, info->name);
	put_case(test, info->program, never, out);
	buffer_addz(out, "}}},\"MockedResponses\":");
	put_responses(test, info->program, never, out);
	buffer_addz(out, ",\"Ratchet\":{");
	api_put_text(out, "StateMachine", info->machine_name);
	api_put_text(out, "TestCase", info->name);
	api_put_json(out, "Input", buffer_str(&test->input));
	buffer_byte(out, ',');
	buffer_add(out, str_sub(buffer_str(&test->end), 1, test->end.len));
	api_put_name(out, "Concurrent");
	put_states(test, info->program, true, out);
	api_put_name(out, "CutOff");
	put_states(test, info->program, false, out);
	buffer_addz(out, "}}");
}

static void on_read(void *data, const struct engine_error *error, const struct execution_info *info)
{
	struct mock_test *test = data;
	struct route_call *call = test->call;
	if (error->code)
		route_refuse_engine(call, error);
	else if (test->code < 0)
		route_refuse(call, 500, "InternalError", "the journal of the execution cannot be read");
	else if (test->refusal || !test->end.len)
		route_refuse(call, 409, "Conflict", "the execution cannot be a test: %s",
			     test->refusal ? test->refusal : "it has not ended");
	else if (!info->program)
		route_refuse(call, 409, "InvalidDefinition", "the definition does not compile with this version");
	else {
		put_file(test, info, &call->out);
		route_answer(call);
	}
}

static void answer_mock_test(struct route_call *call)
{
	struct mock_test *test = ARENA_NEW(&call->arena, struct mock_test);
	test->call = call;
	arena_on_reset(&call->arena, release, test);
	engine_journal(call->engine, &(struct journal_request){ .execution_arn = call->parts[0], .each = each_record }, on_read, test);
}

const struct route routes_v1_mock_test[] = {
	{ "GET", "/v1/executions/*/mock-test", ROLE_READ, answer_mock_test },
	{ 0 },
};
