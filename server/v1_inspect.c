/* v1_inspect.c: one visit of a state, with its payloads, attempts and data flow; and single payloads.
 *
 * The fold finds the visit, and in which records of the journal it stands; only these are read with their payloads. What the
 * history does not hold of the data's way (InputPath, Parameters …) the engine's interpreter computes: the state alone is
 * played on its recorded input, with its recorded result, as TestState plays one (engine/core/test.h). */
#include "base/mem.h"
#include "base/random.h"
#include "base/timestamp.h"
#include "engine/core/test.h"
#include "engine/stored.h"
#include "server/v1_folds.h"
#include <stdlib.h>

#define ATTEMPTS_MOST 200
#define ASSIGNS_MOST 1000

struct attempt {
	uint64_t event;
	int64_t scheduled_ms, started_ms, ended_ms, retry_ms;
	const char *outcome;
	struct str error, cause;
	const struct value *input, *result;
	uint64_t ended_event;
};

struct assign { /* a state that has assigned variables before the visit */
	uint64_t event;
	uint32_t frame, record;
	struct str path;
};

struct inspection {
	struct route_call *call;
	/* What is looked for: an event, or a state's Nth visit. */
	uint64_t wanted_event;
	struct str wanted_state;
	uint64_t wanted_visit; /* 0: the last */
	/* The visit. */
	bool found;
	struct fold_visit visit;
	struct str path;
	uint64_t visits, previous, next;
	struct u64_map before; /* visit → the entered event of the state's visit before it */
	struct str_map newest; /* state → its newest entered event */
	struct assign *assigns;
	unsigned assigns_count;
	/* From its records. */
	const struct value *input, *output, *result, *assigned;
	struct value *variables;
	uint64_t result_event, parameters_event;
	struct str error, cause;
	struct attempt *attempts;
	unsigned attempts_count;
	const struct value *execution_input;
};

/* ---- finding the visit --------------------------------------------------------------------------- */

static void *as_pointer(uint64_t number)
{
	return (void *)(uintptr_t)number;
}

static void take_visit(struct inspection *in, const struct fold_visit *visit)
{
	in->found = true;
	in->visit = *visit;
	in->visit.state = arena_str(&in->call->arena, visit->state);
	in->path = arena_str(&in->call->arena, visit->path);
	in->previous = (uintptr_t)u64_map_get(&in->before, visit->event);
	in->next = 0;
}

static void on_entered(void *data, const struct fold_visit *visit)
{
	struct inspection *in = data;
	if (in->found && in->visit.event == visit->event) {
		take_visit(in, visit); /* redriven */
		return;
	}
	void *before = str_map_put(&in->newest, visit->state, as_pointer(visit->event));
	if (before)
		u64_map_put(&in->before, visit->event, before);
	bool wanted = in->wanted_state.len && str_eq(visit->state, in->wanted_state);
	if (wanted && (++in->visits == in->wanted_visit || !in->wanted_visit))
		take_visit(in, visit);
	else if (in->found && !in->next && str_eq(visit->state, in->visit.state))
		in->next = visit->event;
}

static void on_left(void *data, const struct fold_visit *visit)
{
	struct inspection *in = data;
	if (!in->found || in->visit.event != visit->event)
		return;
	in->visit.stop_ms = visit->stop_ms;
	in->visit.outcome = visit->outcome;
	in->visit.exit_event = visit->exit_event;
	in->visit.exit_record = visit->exit_record;
}

static void on_event(void *data, const struct event *event, struct str state, struct str path,
		     const struct fold_visit *visit)
{
	struct inspection *in = data;
	if ((event->fields & FIELD_VARIABLES) && visit && !(in->found && event->id > in->visit.event) &&
	    in->assigns_count < ASSIGNS_MOST)
		in->assigns[in->assigns_count++] = (struct assign){ event->id, event->frame, visit->exit_record,
								    arena_str(&in->call->arena, path) };
	if (!in->found && event->id == in->wanted_event && visit)
		take_visit(in, visit);
}

/* ---- reading its records --------------------------------------------------------------------------- */

static void release_value(void *data)
{
	value_unref(data);
}

static const struct value *keep(struct inspection *in, const struct value *value)
{
	if (value)
		arena_on_reset(&in->call->arena, release_value, value_ref(value));
	return value;
}

static struct str keep_text(struct inspection *in, struct str text)
{
	return arena_str(&in->call->arena, text);
}

static struct attempt *last_attempt(struct inspection *in)
{
	return in->attempts_count ? &in->attempts[in->attempts_count - 1] : NULL;
}

static void end_attempt(struct inspection *in, const struct event *event, const char *outcome)
{
	struct attempt *attempt = last_attempt(in);
	if (!attempt)
		return;
	attempt->outcome = outcome;
	attempt->ended_ms = event->timestamp_ms;
	attempt->ended_event = event->id;
	attempt->result = keep(in, event->payload);
	attempt->error = keep_text(in, event->fields & FIELD_ERROR ? event->error : STR_EMPTY);
	attempt->cause = keep_text(in, event->fields & FIELD_CAUSE ? event->cause : STR_EMPTY);
}

static bool ends_with(const char *name, const char *ending)
{
	return str_ends(str_of(name), str_of(ending));
}

/* An event of the visit's frame, within it. */
static void take_event(struct inspection *in, const struct event *event)
{
	const char *name = event_type_name(event->type);
	struct attempt *attempt = last_attempt(in);
	if (event->id == in->visit.event) {
		in->input = keep(in, event->payload);
	} else if (ends_with(name, "StateExited")) {
		in->output = keep(in, event->payload);
		in->assigned = keep(in, event->variables);
	} else if (event->type == EVENT_RETRY_SCHEDULED) {
		if (attempt)
			attempt->retry_ms = event->due_ms;
	} else if (event->parameters && ends_with(name, "Scheduled")) {
		if (in->attempts_count < ATTEMPTS_MOST)
			in->attempts[in->attempts_count++] = (struct attempt){ .event = event->id,
									       .scheduled_ms = event->timestamp_ms,
									       .outcome = "running",
									       .input = keep(in, event->parameters),
									       .error = STR_EMPTY,
									       .cause = STR_EMPTY };
	} else if (attempt && (event->type == EVENT_TASK_STARTED || event->type == EVENT_LAMBDA_FUNCTION_STARTED ||
			       event->type == EVENT_ACTIVITY_STARTED)) {
		attempt->started_ms = event->timestamp_ms;
	} else if (event->type == EVENT_TASK_SUCCEEDED || event->type == EVENT_LAMBDA_FUNCTION_SUCCEEDED ||
		   event->type == EVENT_ACTIVITY_SUCCEEDED) {
		in->result = keep(in, event->payload);
		in->result_event = event->id;
		end_attempt(in, event, "succeeded");
	} else if (event->fields & FIELD_ERROR) {
		in->error = keep_text(in, event->error);
		in->cause = keep_text(in, event->fields & FIELD_CAUSE ? event->cause : STR_EMPTY);
		if (attempt && !attempt->ended_ms)
			end_attempt(in, event, ends_with(name, "TimedOut") ? "timed_out" : "failed");
	}
}

/* Whether the variables assigned by this event are seen by the visit: by its frame, or one around it. */
static bool sees(const struct inspection *in, uint64_t event_id, uint32_t frame)
{
	for (unsigned i = 0; i < in->assigns_count; i++) {
		const struct assign *assign = &in->assigns[i];
		if (assign->event != event_id)
			continue;
		bool around = !assign->path.len ||
			      (str_starts(in->path, assign->path) &&
			       (in->path.len == assign->path.len || in->path.ptr[assign->path.len] == '/'));
		/* The same path may have been another frame before. */
		for (unsigned later = i + 1; around && later < in->assigns_count; later++)
			if (str_eq(in->assigns[later].path, assign->path) && in->assigns[later].frame != frame)
				around = false;
		return around;
	}
	return false;
}

static void assign(struct inspection *in, const struct value *variables)
{
	struct value *merged = value_new_object(8);
	for (size_t i = 0; in->variables && i < value_count(in->variables); i++)
		value_object_set(merged, value_key_at(in->variables, i), value_at(in->variables, i));
	for (size_t i = 0; i < value_count(variables); i++)
		value_object_set(merged, value_key_at(variables, i), value_at(variables, i));
	in->variables = merged;
	arena_on_reset(&in->call->arena, release_value, merged);
}

static bool each_record(void *data, const struct execution_info *info, const struct store_record *stored)
{
	struct inspection *in = data;
	_cleanup_(arena_done) struct arena arena = { 0 };
	struct record record = stored_record(stored);
	struct record_reader reader;
	struct event event;
	uint64_t newest = stored->first_event_id - 1; /* private events belong behind the public one before them */
	if (record_open(&record, &arena, &reader, NULL) != 0)
		return false;
	while (record_next(&reader, &event, NULL) > 0) {
		newest = event.id ? event.id : newest;
		if (event.type == EVENT_EXECUTION_STARTED)
			in->execution_input = keep(in, event.payload);
		if (event.variables && event.id < in->visit.event && sees(in, event.id, event.frame))
			assign(in, event.variables);
		bool within = newest >= in->visit.event &&
			      (!in->visit.exit_event || newest <= in->visit.exit_event);
		if (event.frame == in->visit.frame && within)
			take_event(in, &event);
	}
	return !in->visit.exit_event || newest < in->visit.exit_event;
}

/* ---- the data's way ------------------------------------------------------------------------------------ */

static void put_payload(struct buffer *out, const char *name, const struct value *value, uint64_t event,
			const char *field)
{
	if (!value)
		return;
	size_t length = value_text_len(value);
	api_put_name(out, name);
	if (length <= V1_INLINE_BYTES) {
		buffer_addz(out, "{\"json\":");
		value_write(value, out);
	} else {
		buffer_printf(out, "{\"bytes\":%zu", length);
		if (event)
			buffer_printf(out, ",\"event\":%llu,\"field\":\"%s\"", (unsigned long long)event, field);
	}
	buffer_byte(out, '}');
}

static const struct state *find_state(const struct program *program, struct str name)
{
	for (uint32_t i = 0; program && i < program->states_count; i++)
		if (str_eq(program->states[i].name, name))
			return &program->states[i];
	return NULL;
}

static void add_target(struct buffer *out, const struct value *object, const char *field,
		       struct value *seen)
{
	const struct value *name = value_getz(object, field);
	if (!name || !value_is(name, VALUE_STRING) || value_get(seen, value_string(name)))
		return;
	value_object_take(seen, value_string(name), value_new_null());
	buffer_byte(out, ',');
	value_write_string(value_string(name), out);
	buffer_addz(out, ":{\"Type\":\"Succeed\"}");
}

/* The state as a machine of its own, those that it names as next beside it as ends. */
static struct program *compile_alone(struct inspection *in, const struct state *state, struct str text,
				     const struct value *object)
{
	const struct program_options options = { .limits = engine_limits(in->call->engine), .distributed = true };
	struct diagnostics diagnostics = { 0 };
	struct program *program = NULL;
	_cleanup_(buffer_done) struct buffer machine = { 0 };
	_cleanup_(value_unrefp) struct value *seen = value_new_object(4);
	buffer_addz(&machine, state->language == QUERY_JSONATA ? "{\"QueryLanguage\":\"JSONata\",\"StartAt\":" : "{\"StartAt\":");
	value_write_string(state->name, &machine);
	buffer_addz(&machine, ",\"States\":{");
	value_write_string(state->name, &machine);
	value_object_take(seen, state->name, value_new_null());
	buffer_byte(&machine, ':');
	buffer_add(&machine, text);
	add_target(&machine, object, "Next", seen);
	add_target(&machine, object, "Default", seen);
	for (unsigned list = 0; list < 2; list++) {
		const struct value *rules = value_getz(object, list ? "Catch" : "Choices");
		for (size_t i = 0; rules && value_is(rules, VALUE_ARRAY) && i < value_count(rules); i++)
			add_target(&machine, value_at(rules, i), "Next", seen);
	}
	buffer_addz(&machine, "}}");
	return program_compile(buffer_str(&machine), &options, &in->call->arena, &diagnostics, &program) == 0 ? program : NULL;
}

static void set_time(struct value *object, const char *key, int64_t ms)
{
	char text[TIMESTAMP_TEXT_MAX];
	value_object_take(object, str_of(key), value_from_string(str_of(timestamp_format(ms, text))));
}

static void set_text(struct value *object, const char *key, struct str text)
{
	value_object_take(object, str_of(key), value_from_string(text));
}

static struct value *context_of(struct inspection *in, const struct execution_info *info)
{
	struct value *context = value_new_object(4), *execution = value_new_object(6), *state = value_new_object(3),
		     *machine = value_new_object(2);
	set_text(execution, "Id", in->call->parts[0]);
	if (in->execution_input)
		value_object_set(execution, STR("Input"), in->execution_input);
	set_text(execution, "Name", info->name);
	set_text(execution, "RoleArn", info->role_arn);
	set_time(execution, "StartTime", info->start_ms);
	set_time(state, "EnteredTime", in->visit.start_ms);
	set_text(state, "Name", in->visit.state);
	value_object_take(state, STR("RetryCount"),
			  value_from_int(in->attempts_count ? (int64_t)in->attempts_count - 1 : 0));
	set_text(machine, "Id", info->machine_arn);
	set_text(machine, "Name", info->machine_name);
	value_object_take(context, STR("Execution"), execution);
	value_object_take(context, STR("State"), state);
	value_object_take(context, STR("StateMachine"), machine);
	return context;
}

/* X(field of the state, stage after it, of Map only) in the order in which they act. */
static const struct {
	const char *field;
	enum test_stage stage;
} stages[] = {
	{ "InputPath", TEST_INPUT_PATH },	   { "Parameters", TEST_PARAMETERS },
	{ "Arguments", TEST_ARGUMENTS },	   { "ItemsPath", TEST_ITEMS_PATH },
	{ "Items", TEST_ITEMS_PATH },		   { "ItemSelector", TEST_ITEM_SELECTOR },
	{ "Result", TEST_RESULT },		   { "ResultSelector", TEST_RESULT_SELECTOR },
	{ "ResultPath", TEST_RESULT_PATH },	   { "OutputPath", TEST_OUTPUT },
	{ "Output", TEST_OUTPUT },
};

static void put_flow(struct inspection *in, const struct core_test *test, const struct value *object)
{
	struct buffer *out = &in->call->out;
	bool first = true;
	api_put_name(out, "flow");
	buffer_byte(out, '[');
	for (unsigned i = 0; i < sizeof stages / sizeof stages[0]; i++) {
		const struct value *expression = value_getz(object, stages[i].field);
		if (!expression)
			continue;
		buffer_addz(out, first ? "{" : ",{");
		first = false;
		api_put_text(out, "stage", str_of(stages[i].field));
		api_put_name(out, "expression");
		value_write(expression, out);
		const struct value *value = test->seen[stages[i].stage];
		if (stages[i].stage == TEST_OUTPUT && in->output)
			value = in->output;
		if (value)
			put_payload(out, "value", value, 0, NULL);
		else if (test->has_error)
			api_put_text(out, "error", test->has_cause && test->cause.len ? test->cause : test->error);
		buffer_byte(out, '}');
	}
	const struct value *assigned = value_getz(object, "Assign");
	if (assigned) {
		buffer_addz(out, first ? "{" : ",{");
		api_put_text(out, "stage", STR("Assign"));
		api_put_name(out, "expression");
		value_write(assigned, out);
		put_payload(out, "value", in->assigned, in->visit.exit_event, "assigned");
		buffer_byte(out, '}');
	}
	buffer_byte(out, ']');
}

/* Plays the state on what is recorded. */
static void play(struct inspection *in, const struct execution_info *info, const struct state *state, struct str text,
		 const struct value *object)
{
	struct core_test test = { 0 };
	struct program *program = compile_alone(in, state, text, object);
	_cleanup_(value_unrefp) struct value *context = context_of(in, info);
	bool fan = state->type == STATE_MAP || state->type == STATE_PARALLEL;
	struct test_mock mock = { .result = in->result ? in->result : fan ? in->output : NULL,
				  .error = in->error,
				  .cause = in->cause,
				  .has_error = in->error.len,
				  .has_cause = in->cause.len };
	if (!program || !in->input) {
		put_flow(in, &test, object);
		program_unref(program);
		return;
	}
	struct core_env env = { .program = program,
				.limits = engine_limits(in->call->engine),
				.now_ms = in->visit.start_ms,
				.seed = 1,
				.region = str_of(engine_region(in->call->engine)),
				.test = &test };
	test.context = context;
	test.variables = in->variables;
	test.mock = fan ? &mock : NULL;
	test.retries = in->attempts_count ? in->attempts_count - 1 : 0;
	if (core_test_begin(&test, &env, in->input) == TEST_TASK && (in->result || in->error.len))
		core_test_answer(&test, &env, &mock);
	put_flow(in, &test, object);
	core_test_done(&test);
	program_unref(program);
}

/* ---- the answer -------------------------------------------------------------------------------------------- */

static void put_attempts(struct inspection *in)
{
	struct buffer *out = &in->call->out;
	api_put_name(out, "attempts");
	buffer_byte(out, '[');
	for (unsigned i = 0; i < in->attempts_count; i++) {
		const struct attempt *attempt = &in->attempts[i];
		buffer_addz(out, i ? ",{" : "{");
		api_put_number(out, "event", (int64_t)attempt->event);
		api_put_number(out, "scheduled_ms", attempt->scheduled_ms);
		if (attempt->started_ms)
			api_put_number(out, "started_ms", attempt->started_ms);
		if (attempt->ended_ms)
			api_put_number(out, "ended_ms", attempt->ended_ms);
		api_put_text(out, "outcome", str_of(attempt->outcome));
		if (attempt->error.len)
			api_put_text(out, "error", attempt->error);
		if (attempt->cause.len)
			api_put_text(out, "cause", attempt->cause);
		put_payload(out, "input", attempt->input, attempt->event, "parameters");
		put_payload(out, "result", attempt->result, attempt->ended_event, "output");
		if (attempt->retry_ms)
			api_put_number(out, "retry_ms", attempt->retry_ms);
		buffer_byte(out, '}');
	}
	buffer_byte(out, ']');
}

static void put_visit(struct inspection *in, const struct state *state)
{
	struct buffer *out = &in->call->out;
	const struct fold_visit *visit = &in->visit;
	buffer_byte(out, '{');
	api_put_text(out, "state", visit->state);
	if (state)
		api_put_text(out, "type", str_of(state_type_name(state->type)));
	api_put_text(out, "path", in->path);
	api_put_number(out, "event", (int64_t)visit->event);
	if (visit->exit_event)
		api_put_number(out, "exit_event", (int64_t)visit->exit_event);
	if (in->previous)
		api_put_number(out, "previous", (int64_t)in->previous);
	if (in->next)
		api_put_number(out, "next", (int64_t)in->next);
	api_put_number(out, "start_ms", visit->start_ms);
	if (visit->stop_ms)
		api_put_number(out, "stop_ms", visit->stop_ms);
	api_put_text(out, "outcome", str_of(visit_outcome_name(visit->outcome)));
	put_payload(out, "input", in->input, visit->event, "input");
	put_payload(out, "output", in->output, visit->exit_event, "output");
	put_payload(out, "result", in->result, in->result_event, "output");
	if (in->variables && value_text_len(in->variables) <= V1_INLINE_BYTES)
		api_put_json(out, "variables", value_text(in->variables));
	if (in->assigned && value_text_len(in->assigned) <= V1_INLINE_BYTES)
		api_put_json(out, "assigned", value_text(in->assigned));
	if (in->error.len)
		api_put_text(out, "error", in->error);
	if (in->cause.len)
		api_put_text(out, "cause", in->cause);
	if (in->attempts_count)
		put_attempts(in);
}

static void on_read(void *data, const struct engine_error *error, const struct execution_info *info)
{
	struct inspection *in = data;
	struct route_call *call = in->call;
	struct buffer *out = &call->out;
	_cleanup_(value_unrefp) struct value *object = NULL;
	if (error->code) {
		route_refuse_engine(call, error);
		return;
	}
	const struct state *state = find_state(info->program, in->visit.state);
	put_visit(in, state);
	struct str text = state ? str_sub(info->definition, state->offset, state->length) : STR_EMPTY;
	const struct value_parse_options options = { .depth_max = (int)engine_limits(call->engine)->json_depth };
	if (state && value_parse(text, &options, &object, NULL) == 0) {
		play(in, info, state, text, object);
		api_put_json(out, "definition", value_text(object));
		api_put_text(out, "query_language", state->language == QUERY_JSONATA ? STR("JSONata") : STR("JSONPath"));
	}
	buffer_byte(out, '}');
	route_answer(call);
}

static void on_found(void *data, const struct engine_error *error, const struct fold *fold,
		     const struct execution_info *info)
{
	struct inspection *in = data;
	u64_map_done(&in->before);
	str_map_done(&in->newest);
	if (!fold) {
		route_refuse_engine(in->call, error);
		return;
	}
	if (!in->found) {
		route_refuse(in->call, 404, "NotFound", "no visit of a state is there");
		return;
	}
	engine_journal(in->call->engine,
		       &(struct journal_request){ .execution_arn = in->call->parts[0],
						  .first = in->assigns_count ? 0 : in->visit.record,
						  .each = each_record },
		       on_read, in);
}

static void inspect(struct route_call *call)
{
	struct inspection *in = ARENA_NEW(&call->arena, struct inspection);
	struct str state = route_query(call, "state"), path = route_query(call, "path");
	int64_t event = route_query_number(call, "event", 0), visit = route_query_number(call, "visit", 0);
	*in = (struct inspection){ .call = call,
				   .wanted_event = event > 0 ? (uint64_t)event : 0,
				   .wanted_state = event > 0 || !state.len ? STR_EMPTY : state,
				   .wanted_visit = visit > 0 ? (uint64_t)visit : 0,
				   .error = STR_EMPTY,
				   .cause = STR_EMPTY };
	if (!in->wanted_event && !in->wanted_state.len) {
		route_refuse(call, 400, "InvalidRequest", "event or state must be given");
		return;
	}
	in->attempts = ARENA_ARRAY(&call->arena, struct attempt, ATTEMPTS_MOST);
	in->assigns = ARENA_ARRAY(&call->arena, struct assign, ASSIGNS_MOST);
	v1_fold(call, path.len && in->wanted_state.len ? path : STR_EMPTY, UINT64_MAX,
		&(struct fold_observer){ .entered = on_entered, .left = on_left, .event = on_event, .data = in }, on_found,
		in);
}

/* ---- one payload ------------------------------------------------------------------------------------------- */

struct payload {
	struct route_call *call;
	uint64_t event;
	struct str field;
	bool found;
};

static const struct value *payload_of(const struct event *event, struct str field)
{
	if (str_eqz(field, "parameters"))
		return event->parameters;
	if (str_eqz(field, "assigned"))
		return event->variables;
	if (str_eqz(field, "input"))
		return event->payload ? event->payload : event->parameters;
	return str_eqz(field, "output") ? event->payload : NULL;
}

static bool each_for_payload(void *data, const struct execution_info *info, const struct store_record *stored)
{
	struct payload *asked = data;
	_cleanup_(arena_done) struct arena arena = { 0 };
	struct record record = stored_record(stored);
	struct record_reader reader;
	struct event event;
	if (stored->first_event_id > asked->event || record_open(&record, &arena, &reader, NULL) != 0)
		return false;
	while (record_next(&reader, &event, NULL) > 0) {
		if (event.id != asked->event)
			continue;
		const struct value *value = payload_of(&event, asked->field);
		buffer_clear(&asked->call->out);
		asked->found = value || (str_eqz(asked->field, "cause") && (event.fields & FIELD_CAUSE));
		if (value)
			value_write(value, &asked->call->out);
		else if (asked->found)
			value_write_string(event.cause, &asked->call->out);
		return false;
	}
	return true;
}

static void on_payload(void *data, const struct engine_error *error, const struct execution_info *info)
{
	struct payload *asked = data;
	if (error->code)
		route_refuse_engine(asked->call, error);
	else if (!asked->found)
		route_refuse(asked->call, 404, "NotFound", "the event has no such payload");
	else
		route_answer(asked->call);
}

static void answer_payload(struct route_call *call)
{
	struct payload *asked = ARENA_NEW(&call->arena, struct payload);
	struct str field = route_query(call, "field");
	int64_t event = route_query_number(call, "event", 0);
	*asked = (struct payload){ call, event > 0 ? (uint64_t)event : 0, field.len ? field : STR("output"), false };
	engine_journal(call->engine,
		       &(struct journal_request){ .execution_arn = call->parts[0], .each = each_for_payload }, on_payload,
		       asked);
}

const struct route routes_v1_inspect[] = {
	{ "GET", "/v1/executions/*/inspect", ROLE_READ, inspect },
	{ "GET", "/v1/executions/*/payload", ROLE_READ, answer_payload },
	{ 0 },
};
