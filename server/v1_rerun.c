/* v1_rerun.c: an execution run again from one of its states: a new execution of the same definition that begins there, with what the
 * state was given when it was entered last, and the variables that were assigned before (docs/console-api.md). */
#include "base/mem.h"
#include "engine/stored.h"
#include "server/v1.h"

struct rerun {
	struct route_call *call;
	struct str state;
	struct value *given; /* the body's input; NULL: none */
	/* Of the execution, as far as its journal was read: */
	struct value *assigned;
	struct value *input, *variables; /* when the state was entered last; input NULL: it was not */
	int code;
};

static void release(void *data)
{
	struct rerun *rerun = data;
	value_unref(rerun->given);
	value_unref(rerun->assigned);
	value_unref(rerun->input);
	value_unref(rerun->variables);
}

static void keep(struct value **place, const struct value *value)
{
	struct value *old = *place;
	*place = value ? value_ref(value) : NULL;
	value_unref(old);
}

/* Into a new object: the one before may be what the state saw. */
static void assign(struct rerun *rerun, const struct value *variables)
{
	const struct value *sources[] = { rerun->assigned, variables };
	struct value *merged = value_new_object(0);
	for (int s = 0; s < 2; s++)
		for (size_t i = 0; sources[s] && i < value_count(sources[s]); i++)
			value_object_set(merged, value_key_at(sources[s], i), value_at(sources[s], i));
	value_unref(rerun->assigned);
	rerun->assigned = merged;
}

/* Only what happens in the machine's own scope: variables of branches end with them. */
static void look_at(struct rerun *rerun, const struct event *event)
{
	if (event->frame)
		return;
	bool entered = str_ends(str_of(event_type_name(event->type)), STR("StateEntered")) && str_eq(event->name, rerun->state);
	if (event->fields & FIELD_VARIABLES)
		assign(rerun, event->variables);
	if (entered) {
		keep(&rerun->input, event->payload);
		keep(&rerun->variables, rerun->assigned);
	}
}

static bool each_record(void *data, const struct execution_info *info, const struct store_record *stored)
{
	struct rerun *rerun = data;
	_cleanup_(arena_done) struct arena arena = { 0 };
	struct record record = stored_record(stored);
	struct record_reader reader;
	struct event event;
	if (stored->number == 0) { /* a read may begin again */
		keep(&rerun->assigned, NULL);
		keep(&rerun->variables, NULL);
		keep(&rerun->input, NULL);
	}
	rerun->code = record_open(&record, &arena, &reader, NULL);
	while (rerun->code >= 0 && (rerun->code = record_next(&reader, &event, NULL)) > 0)
		look_at(rerun, &event);
	return rerun->code >= 0;
}

static void on_read(void *data, const struct engine_error *error, const struct execution_info *info)
{
	struct rerun *rerun = data;
	struct route_call *call = rerun->call;
	const struct value *input = rerun->given ? rerun->given : rerun->input;
	if (error->code) {
		route_refuse_engine(call, error);
	} else if (rerun->code < 0) {
		route_refuse(call, 500, "InternalError", "the journal of the execution cannot be read");
	} else if (!input) {
		route_refuse(call, 409, "Conflict", "the execution has not come to a state '%.*s' of the machine's own: give an input",
			     STR_FMT(rerun->state));
	} else {
		struct start_rerun from = { .state = rerun->state,
					    .reason = arena_str(&call->arena, info->arn),
					    .variables = rerun->input ? rerun->variables : rerun->assigned,
					    .revision = info->revision,
					    .version = info->version,
					    .alias = info->alias };
		engine_start(call->engine,
			     &(struct start_request){ .machine_arn = info->machine_arn,
						      .name = STR_EMPTY,
						      .input = value_text(input),
						      .trace_header = STR_EMPTY,
						      .rerun = &from },
			     v1_answer_started, call);
	}
}

static void begin_rerun(struct route_call *call)
{
	_cleanup_(value_unrefp) struct value *body = route_body(call);
	const struct value *state = body ? value_getz(body, "state") : NULL, *input = body ? value_getz(body, "input") : NULL;
	if (!body)
		return;
	if (!state || !value_is(state, VALUE_STRING) || !value_string(state).len) {
		route_refuse(call, 400, "InvalidRequest", "state must name a state of the machine");
		return;
	}
	struct rerun *rerun = ARENA_NEW(&call->arena, struct rerun);
	*rerun = (struct rerun){ .call = call,
				 .state = arena_str(&call->arena, value_string(state)),
				 .given = input ? value_ref(input) : NULL };
	arena_on_reset(&call->arena, release, rerun);
	engine_journal(call->engine, &(struct journal_request){ .execution_arn = call->parts[0], .each = each_record }, on_read, rerun);
}

const struct route routes_v1_rerun[] = {
	{ "POST", "/v1/executions/*/rerun", ROLE_OPERATE, begin_rerun },
	{ 0 },
};
