/* v1_executions.c: the list of executions, its query bar's completion, and what starts, stops and redrives one. */
#include "base/mem.h"
#include "server/v1.h"
#include <stdlib.h>

#define COMPLETIONS 20

/* ---- the list ------------------------------------------------------------------------------------ */

/* Machines that a query's machine: terms name, as numbers. False: none of them is there. */
static bool find_machines(struct route_call *call, struct search_request *request)
{
	const struct machine_info *machines[256];
	struct str after = STR_EMPTY;
	uint64_t *numbers = NULL;
	uint32_t count, found = 0, room = 0;
	do {
		count = engine_list_machines(call->engine, after, machines, 256);
		for (uint32_t i = 0; i < count; i++) {
			bool fits = true;
			after = machines[i]->name;
			for (unsigned t = 0; t < request->query.count; t++)
				if (request->query.terms[t].kind == QUERY_MACHINE)
					fits &= search_glob(request->query.terms[t].text, machines[i]->name);
			if (!fits)
				continue;
			if (found == room) {
				uint64_t *wider = ARENA_ARRAY(&call->arena, uint64_t, room * 2 + 16);
				if (found)
					memcpy(wider, numbers, found * sizeof *wider);
				numbers = wider;
				room = room * 2 + 16;
			}
			numbers[found++] = machines[i]->number;
		}
	} while (count == 256);
	request->of_machines = true;
	request->machines = numbers;
	request->machines_count = found;
	return found;
}

static void listed(void *data, const struct search_row *rows, uint32_t count, uint64_t next, int code)
{
	struct route_call *call = data;
	if (code) {
		v1_refuse_search(call, code);
		return;
	}
	buffer_addz(&call->out, "{\"executions\":[");
	for (uint32_t i = 0; i < count; i++) {
		buffer_addz(&call->out, i ? "," : "");
		v1_put_row(call->engine, &rows[i], &call->out);
	}
	buffer_byte(&call->out, ']');
	if (next)
		buffer_printf(&call->out, ",\"next\":\"%llx\"", (unsigned long long)next);
	buffer_byte(&call->out, '}');
	route_answer(call);
}

static void refuse_query(struct route_call *call, const struct wf_error *err, size_t at, size_t length)
{
	struct buffer *out = &call->out;
	buffer_addz(out, "{\"error\":{");
	api_put_text(out, "code", STR("InvalidQuery"));
	api_put_text(out, "message", str_of(err->message));
	api_put_number(out, "at", (int64_t)at);
	api_put_number(out, "length", (int64_t)length);
	buffer_addz(out, "}}");
	route_answer_status(call, 400);
}

static void list_executions(struct route_call *call)
{
	struct search *search = v1_search(call);
	struct search_request request = { 0 };
	struct wf_error err = { 0 };
	struct str cursor = route_query(call, "cursor");
	size_t at, length;
	int64_t limit = route_query_number(call, "limit", 50);
	if (!search)
		return;
	if (search_query_parse(route_query(call, "q"), &call->arena, &request.query, &at, &length, &err)) {
		refuse_query(call, &err, at, length);
		return;
	}
	request.limit = (uint32_t)(limit < 1 ? 1 : limit > 500 ? 500 : limit);
	if (cursor.len) {
		char *end;
		request.below = strtoull(cursor.ptr, &end, 16);
		if (*end || !request.below || request.below > INT64_MAX) {
			route_refuse(call, 400, "InvalidCursor", "the cursor is none of this list's");
			return;
		}
	}
	for (unsigned i = 0; i < request.query.count; i++)
		if (request.query.terms[i].kind == QUERY_MACHINE && !request.of_machines &&
		    !find_machines(call, &request)) {
			listed(call, NULL, 0, 0, 0);
			return;
		}
	search_list(search, &request, listed, call);
}

/* ---- completion ------------------------------------------------------------------------------------ */

struct completion {
	struct route_call *call;
	struct query_at at;
	unsigned count;
};

static void begin_items(struct completion *completion)
{
	struct buffer *out = &completion->call->out;
	buffer_byte(out, '{');
	api_put_number(out, "from", (int64_t)completion->at.from);
	api_put_number(out, "to", (int64_t)completion->at.to);
	api_put_name(out, "items");
	buffer_byte(out, '[');
}

static void add_item(struct completion *completion, struct str text, const char *detail)
{
	struct buffer *out = &completion->call->out;
	if (completion->count == COMPLETIONS)
		return;
	buffer_addz(out, completion->count++ ? ",{" : "{");
	api_put_text(out, "text", text);
	if (detail)
		api_put_text(out, "detail", str_of(detail));
	buffer_byte(out, '}');
}

static void end_items(struct completion *completion)
{
	buffer_addz(&completion->call->out, "]}");
	route_answer(completion->call);
}

static bool begins_with(struct str text, struct str prefix)
{
	return text.len >= prefix.len && strncasecmp(text.ptr, prefix.ptr, prefix.len) == 0;
}

/* With quotes where it has blanks. */
static void add_value(struct completion *completion, struct str text, const char *detail)
{
	if (memchr(text.ptr, ' ', text.len))
		text = arena_format(&completion->call->arena, "\"%.*s\"", STR_FMT(text));
	add_item(completion, text, detail);
}

static void on_texts(void *data, const struct str *texts, uint32_t count, int code)
{
	struct completion *completion = data;
	begin_items(completion);
	for (uint32_t i = 0; i < count; i++)
		add_value(completion, texts[i], NULL);
	end_items(completion);
}

static void complete_machine(struct completion *completion)
{
	const struct machine_info *machines[256];
	struct str after = STR_EMPTY;
	uint32_t count;
	do {
		count = engine_list_machines(completion->call->engine, after, machines, 256);
		for (uint32_t i = 0; i < count; i++) {
			after = machines[i]->name;
			if (begins_with(machines[i]->name, completion->at.prefix))
				add_value(completion, machines[i]->name, NULL);
		}
	} while (count == 256 && completion->count < COMPLETIONS);
}

static void complete_status(struct completion *completion)
{
	static const struct {
		const char *word, *detail;
	} statuses[] = { { "running", "has not ended" },
			 { "succeeded", "ended well" },
			 { "failed", "ended with an error" },
			 { "timed_out", "took too long" },
			 { "aborted", "was stopped" } };
	for (unsigned i = 0; i < sizeof statuses / sizeof statuses[0]; i++)
		if (begins_with(str_of(statuses[i].word), completion->at.prefix))
			add_item(completion, str_of(statuses[i].word), statuses[i].detail);
}

static void complete_key(struct completion *completion)
{
	for (const struct query_key *key = query_keys; key->key; key++)
		if (begins_with(str_of(key->key), completion->at.prefix))
			add_item(completion,
				 key->operators[0] == ':' ? arena_format(&completion->call->arena, "%s:", key->key)
							  : str_of(key->key),
				 key->detail);
}

static void complete(struct route_call *call)
{
	struct completion *completion = ARENA_NEW(&call->arena, struct completion);
	struct str text = route_query(call, "q");
	int64_t caret = route_query_number(call, "at", (int64_t)text.len);
	if (!text.ptr)
		text = STR_EMPTY;
	completion->call = call;
	completion->at = search_query_at(text, caret < 0 ? 0 : (size_t)caret);
	bool of_file = !completion->at.key &&
		       (completion->at.kind == QUERY_STATE || completion->at.kind == QUERY_ERROR);
	if (of_file && call->services->search) {
		search_texts(call->services->search, completion->at.kind, completion->at.prefix, COMPLETIONS, on_texts,
			     completion);
		return;
	}
	begin_items(completion);
	if (completion->at.key)
		complete_key(completion);
	else if (completion->at.kind == QUERY_STATUS)
		complete_status(completion);
	else if (completion->at.kind == QUERY_MACHINE)
		complete_machine(completion);
	end_items(completion);
}

/* ---- start, stop, redrive ------------------------------------------------------------------------------ */

/* A text of the body; ptr NULL: there is none. False: it is no text, and the call is refused. */
static bool read_text(struct route_call *call, const struct value *body, const char *name, struct str *ret_text)
{
	const struct value *member = value_getz(body, name);
	*ret_text = member ? value_string(member) : (struct str){ NULL, 0 };
	if (member && !value_is(member, VALUE_STRING))
		route_refuse(call, 400, "InvalidRequest", "%s must be a text", name);
	return !call->status;
}

static void start(struct route_call *call)
{
	_cleanup_(value_unrefp) struct value *body = route_body(call);
	struct str name, given;
	if (!body || !read_text(call, body, "machine", &name) || !read_text(call, body, "name", &given))
		return;
	const struct value *input = value_getz(body, "input");
	if (!name.len) {
		route_refuse(call, 400, "InvalidRequest", "machine must name a state machine");
		return;
	}
	/* An alias is found by the engine alone. */
	struct str arn = str_starts(name, STR("arn:"))
			     ? name
			     : arena_format(&call->arena, "arn:aws:states:%s:%s:stateMachine:%.*s",
					    engine_region(call->engine), engine_account(call->engine), STR_FMT(name));
	struct start_request request = { .machine_arn = arn,
					 .name = given.ptr ? given : STR_EMPTY,
					 .input = input ? value_text(input) : (struct str){ NULL, 0 },
					 .trace_header = STR_EMPTY };
	engine_start(call->engine, &request, v1_answer_started, call);
}

static void stopped(void *data, const struct engine_error *error, const struct execution_info *execution)
{
	struct route_call *call = data;
	if (error->code)
		route_refuse_engine(call, error);
	else {
		buffer_printf(&call->out, "{\"stop_ms\":%lld}", (long long)execution->stop_ms);
		route_answer(call);
	}
}

static void stop(struct route_call *call)
{
	_cleanup_(value_unrefp) struct value *body = route_body(call);
	struct str error, cause;
	if (body && read_text(call, body, "error", &error) && read_text(call, body, "cause", &cause))
		engine_stop(call->engine, call->parts[0], error, cause, stopped, call);
}

static void redriven(void *data, const struct engine_error *error, const struct execution_info *execution)
{
	struct route_call *call = data;
	if (error->code)
		route_refuse_engine(call, error);
	else {
		buffer_printf(&call->out, "{\"redrive_ms\":%lld}", (long long)execution->redrive_ms);
		route_answer(call);
	}
}

static void redrive(struct route_call *call)
{
	engine_redrive(call->engine, call->parts[0], redriven, call);
}

const struct route routes_v1_executions[] = {
	{ "GET", "/v1/executions", ROLE_READ, list_executions },
	{ "POST", "/v1/executions", ROLE_OPERATE, start },
	{ "GET", "/v1/executions/complete", ROLE_READ, complete },
	{ "POST", "/v1/executions/*/stop", ROLE_OPERATE, stop },
	{ "POST", "/v1/executions/*/redrive", ROLE_OPERATE, redrive },
	{ 0 },
};
