/* v1_execution.c: one execution: its header, its graph, its state at an event, its events. */
#include "base/mem.h"
#include "engine/stored.h"
#include "server/v1_folds.h"
#include "visualizer/graph.h"
#include <stdlib.h>

#define CHILDREN_MOST 100
#define EVENTS_MOST 1000
#define FAN_DEFAULT 8
#define HOUR_MS 3600000

/* ---- the header --------------------------------------------------------------------------------- */

/* What is asked one after the other, while the answer is written. */
struct header {
	struct route_call *call;
	uint64_t id, machine, parent;
	struct str state, error;
	bool failed;
};

static void end_header(struct header *header)
{
	buffer_byte(&header->call->out, '}');
	route_answer(header->call);
}

static void on_children(void *data, const struct search_row *rows, uint32_t count, uint64_t next, int code)
{
	struct header *header = data;
	struct buffer *out = &header->call->out;
	if (count) {
		api_put_name(out, "children");
		for (uint32_t i = 0; i < count; i++) {
			buffer_addz(out, i ? "," : "[");
			v1_put_row(header->call->engine, &rows[i], out);
		}
		buffer_byte(out, ']');
	}
	end_header(header);
}

static void ask_children(struct header *header)
{
	struct search_request request = { .parent = header->id, .limit = CHILDREN_MOST };
	search_list(header->call->services->search, &request, on_children, header);
}

static void on_parent(void *data, const struct search_row *rows, uint32_t count, uint64_t next, int code)
{
	struct header *header = data;
	if (count) {
		api_put_name(&header->call->out, "parent");
		v1_put_row(header->call->engine, rows, &header->call->out);
	}
	ask_children(header);
}

static void on_failed_here(void *data, uint64_t count, int code)
{
	struct header *header = data;
	if (code == 0)
		api_put_number(&header->call->out, "failed_here_last_hour", (int64_t)count);
	if (header->parent)
		search_find(header->call->services->search, header->parent, on_parent, header);
	else
		ask_children(header);
}

static void on_row(void *data, const struct search_row *rows, uint32_t count, uint64_t next, int code)
{
	struct header *header = data;
	struct services *services = header->call->services;
	if (count) {
		header->parent = rows->parent;
		header->machine = rows->machine;
		if (rows->version)
			api_put_number(&header->call->out, "version", (int64_t)rows->version);
	}
	if (header->failed && count)
		search_count_failed(services->search, header->id, header->machine, header->state, header->error,
				    services->clock->wall_ms(services->clock) - HOUR_MS, on_failed_here, header);
	else if (header->parent)
		search_find(services->search, header->parent, on_parent, header);
	else
		ask_children(header);
}

struct task_listing {
	struct route_call *call;
	unsigned count;
};

static void put_task(void *data, uint64_t task, struct str state, int64_t started_ms, double progress)
{
	struct task_listing *listing = data;
	struct buffer *out = &listing->call->out;
	if (listing->count == 0)
		api_put_name(out, "tasks");
	buffer_addz(out, listing->count++ ? ",{" : "[{");
	api_put_number(out, "task", (int64_t)task);
	api_put_text(out, "state", state);
	api_put_number(out, "started_ms", started_ms);
	if (progress >= 0) {
		int64_t spent_ms = engine_now_ms(listing->call->engine) - started_ms;
		buffer_printf(out, ",\"progress\":%.4f", progress);
		if (progress > 0 && spent_ms >= 0)
			api_put_number(out, "eta_ms", (int64_t)((double)spent_ms * (1 - progress) / progress));
	}
	buffer_byte(out, '}');
}

static void on_folded_header(void *data, const struct engine_error *error, const struct fold *fold,
			     const struct execution_info *info)
{
	struct header *header = data;
	struct route_call *call = header->call;
	struct buffer *out = &call->out;
	struct task_listing listing = { .call = call };
	uint64_t event;
	uint32_t attempts;
	if (!fold) {
		buffer_clear(out);
		route_refuse_engine(call, error);
		return;
	}
	header->id = info->id;
	api_put_number(out, "events", (int64_t)fold_last_event(fold));
	struct str state, origin;
	if (fold_rerun(fold, &origin, &state)) {
		api_put_text(out, "rerun_of", origin);
		api_put_text(out, "rerun_state", state);
	}
	if (fold_failure(fold, &state, &event, &attempts)) {
		header->failed = fold_status(fold) == EXECUTION_FAILED_ || fold_status(fold) == EXECUTION_TIMED_OUT_;
		header->state = arena_str(&call->arena, state);
		api_put_text(out, "failed_state", state);
		api_put_number(out, "failed_event", (int64_t)event);
		if (attempts)
			api_put_number(out, "attempts", attempts);
	}
	engine_each_task(call->engine, call->parts[0], put_task, &listing);
	if (listing.count)
		buffer_byte(out, ']');
	if (call->services->search)
		search_find(call->services->search, info->id, on_row, header);
	else
		end_header(header);
}

static void put_payload(struct buffer *out, const char *name, const char *bytes_name, struct str text)
{
	if (text.len <= V1_INLINE_BYTES)
		api_put_json(out, name, text.len ? text : STR("{}"));
	api_put_number(out, bytes_name, (int64_t)text.len);
}

static void on_described(void *data, const struct engine_error *error, const struct execution_info *info)
{
	struct route_call *call = data;
	struct buffer *out = &call->out;
	if (error->code) {
		route_refuse_engine(call, error);
		return;
	}
	const struct machine_info *machine = engine_find_machine(call->engine, info->machine_arn);
	bool current = machine && str_eq(machine->definition, info->definition);
	buffer_byte(out, '{');
	api_put_text(out, "arn", call->parts[0]);
	api_put_text(out, "name", info->name);
	api_put_text(out, "machine", info->machine_name);
	api_put_text(out, "machine_arn", info->machine_arn);
	api_put_text(out, "status", str_of(execution_status_name(info->status)));
	api_put_number(out, "start_ms", info->start_ms);
	if (info->stop_ms)
		api_put_number(out, "stop_ms", info->stop_ms);
	api_put_number(out, "now_ms", engine_now_ms(call->engine));
	if (info->version_arn.len)
		api_put_text(out, "version_arn", info->version_arn);
	if (info->alias_arn.len)
		api_put_text(out, "alias_arn", info->alias_arn);
	if (info->revision_id.len)
		api_put_text(out, "revision_id", info->revision_id);
	api_put_flag(out, "definition_current", current);
	put_payload(out, "input", "input_bytes", info->input);
	if (info->output)
		put_payload(out, "output", "output_bytes", value_text(info->output));
	if (info->error.ptr)
		api_put_text(out, "error", info->error);
	if (info->cause.ptr)
		api_put_text(out, "cause", info->cause);
	api_put_number(out, "redrive_count", info->redrive_count);
	if (info->redrive_ms)
		api_put_number(out, "redrive_ms", info->redrive_ms);
	bool bad = info->status == EXECUTION_FAILED_ || info->status == EXECUTION_TIMED_OUT_ ||
		   info->status == EXECUTION_ABORTED_;
	int64_t kept_ms = engine_limits(call->engine)->redrive_days * 86400000;
	api_put_flag(out, "redrivable", bad && engine_now_ms(call->engine) - info->stop_ms <= kept_ms);
	struct header *header = ARENA_NEW(&call->arena, struct header);
	*header = (struct header){ .call = call,
				   .state = STR_EMPTY,
				   .error = info->error.ptr ? arena_str(&call->arena, info->error) : STR_EMPTY };
	v1_fold(call, STR_EMPTY, UINT64_MAX, NULL, on_folded_header, header);
}

static void answer_header(struct route_call *call)
{
	engine_describe(call->engine, call->parts[0], on_described, call);
}

/* ---- the graph ------------------------------------------------------------------------------------ */

static void put_graph(struct route_call *call, const struct program *program)
{
	struct graph_options options = { 0 };
	struct wf_error err = { 0 };
	struct graph *graph;
	struct str direction = route_query(call, "direction");
	int64_t fold = route_query_number(call, "fold", FAN_DEFAULT);
	if (direction.len && !str_eqz(direction, "right") && !str_eqz(direction, "down")) {
		route_refuse(call, 400, "InvalidRequest", "direction must be down or right");
		return;
	}
	options.direction = direction.len && str_eqz(direction, "right") ? GRAPH_RIGHT : GRAPH_DOWN;
	options.fan_max = fold <= 0 ? UINT32_MAX : fold < 2 ? 2 : fold > 1000000 ? 1000000 : (uint32_t)fold;
	graph_read_collapsed(route_query(call, "collapse"), &call->arena, &options);
	if (!program)
		route_refuse(call, 409, "InvalidDefinition", "the definition does not compile with this version");
	else if (graph_make(program, &options, &call->arena, &graph, &err) != 0)
		route_refuse(call, 400, "TooLarge", "%s", err.message);
	else {
		graph_write_json(graph, &call->out);
		route_answer(call);
	}
}

static void on_described_for_graph(void *data, const struct engine_error *error, const struct execution_info *info)
{
	struct route_call *call = data;
	if (error->code)
		route_refuse_engine(call, error);
	else
		put_graph(call, info->program);
}

static void answer_graph(struct route_call *call)
{
	engine_journal(call->engine,
		       &(struct journal_request){ .execution_arn = call->parts[0], .first = UINT32_MAX },
		       on_described_for_graph, call);
}

static void answer_machine_graph(struct route_call *call)
{
	struct str name = call->parts[0], version = route_query(call, "version");
	const struct machine_info *machine = v1_machine(call, name);
	if (machine && version.len)
		machine = v1_machine(call, arena_format(&call->arena, "%.*s:%.*s", STR_FMT(machine->arn),
							STR_FMT(version)));
	if (machine)
		put_graph(call, machine->program);
}

/* ---- the state at an event -------------------------------------------------------------------------- */

struct moment {
	struct route_call *call;
	uint64_t newest;
};

static void on_folded_state(void *data, const struct engine_error *error, const struct fold *fold,
			    const struct execution_info *info)
{
	struct moment *moment = data;
	struct route_call *call = moment->call;
	struct buffer *out = &call->out;
	struct str path = route_query(call, "path");
	if (!fold) {
		route_refuse_engine(call, error);
		return;
	}
	buffer_byte(out, '{');
	api_put_number(out, "event", (int64_t)fold_last_event(fold));
	api_put_number(out, "events", (int64_t)moment->newest);
	api_put_number(out, "time_ms", fold_time_ms(fold));
	api_put_text(out, "status", str_of(execution_status_name(fold_status(fold))));
	if (path.len)
		api_put_text(out, "path", path);
	buffer_byte(out, ',');
	fold_write(fold, out);
	buffer_byte(out, '}');
	route_answer(call);
}

/* All of it is folded first, which is kept: the slider must know its end. */
static void on_folded_all(void *data, const struct engine_error *error, const struct fold *fold,
			  const struct execution_info *info)
{
	struct moment *moment = data;
	struct route_call *call = moment->call;
	struct str path = route_query(call, "path");
	int64_t event = route_query_number(call, "event", INT64_MAX);
	moment->newest = fold ? fold_last_event(fold) : 0;
	if (!fold || (!path.len && event >= (int64_t)moment->newest))
		on_folded_state(moment, error, fold, info);
	else
		v1_fold(call, path.len ? path : STR_EMPTY, event < 1 ? 1 : (uint64_t)event, NULL, on_folded_state, moment);
}

static void answer_state(struct route_call *call)
{
	struct moment *moment = ARENA_NEW(&call->arena, struct moment);
	moment->call = call;
	v1_fold(call, STR_EMPTY, UINT64_MAX, NULL, on_folded_all, moment);
}

/* ---- events --------------------------------------------------------------------------------------------- */

/* A page of events: the fold tells where each belongs; the events themselves, with payloads if they are asked for, are read from the
 * same records. */
struct events {
	struct route_call *call;
	uint64_t from, to; /* ids, both included */
	bool reverse, data;
	struct place { /* of ids from..to */
		struct str state, path;
	} *places;
	struct buffer *texts; /* of each */
	uint64_t newest;
	struct fold *fold;
	int code;
};

static void place_event(void *data, const struct event *event, struct str state, struct str path,
			const struct fold_visit *visit)
{
	struct events *events = data;
	if (event->id < events->from || event->id > events->to)
		return;
	struct place *place = &events->places[event->id - events->from];
	place->state = arena_str(&events->call->arena, state);
	place->path = arena_str(&events->call->arena, path);
}

static size_t value_bytes(const struct value *value)
{
	return value ? value_text_len(value) : 0;
}

static void write_event(struct events *events, const struct event *event, struct buffer *out)
{
	const struct place *place = &events->places[event->id - events->from];
	bool small = value_bytes(event->payload) + value_bytes(event->parameters) + value_bytes(event->variables) +
			 event->raw.len + event->cause.len <=
		     V1_INLINE_BYTES;
	v1_put_event(event, place->state, place->path, events->data && small, out);
}

static bool each_record(void *data, const struct execution_info *info, const struct store_record *stored)
{
	struct events *events = data;
	_cleanup_(arena_done) struct arena arena = { 0 };
	struct record record = stored_record(stored);
	events->code = fold_record(events->fold, stored->number, &record, UINT64_MAX);
	if (events->code)
		return false;
	events->newest = fold_last_event(events->fold);
	if (events->newest < events->from)
		return true;
	struct record_reader reader;
	struct event event;
	events->code = record_open(&record, &arena, &reader, NULL);
	while (events->code >= 0 && (events->code = record_next(&reader, &event, NULL)) > 0) {
		if (!event.id || !event_is_public(event.type) || event.id < events->from || event.id > events->to)
			continue;
		struct buffer *text = &events->texts[event.id - events->from];
		if (!text->len)
			write_event(events, &event, text);
	}
	return events->code >= 0 && events->newest < events->to;
}

static void release_events(void *data)
{
	struct events *events = data;
	fold_free(events->fold);
	for (uint64_t i = 0; i <= events->to - events->from; i++)
		buffer_done(&events->texts[i]);
}

static void on_events(void *data, const struct engine_error *error, const struct execution_info *info)
{
	struct events *events = data;
	struct route_call *call = events->call;
	struct buffer *out = &call->out;
	if (error->code) {
		route_refuse_engine(call, error);
		return;
	}
	if (events->code < 0) {
		route_refuse(call, 500, "InternalError", "the journal of the execution cannot be read");
		return;
	}
	uint64_t last = events->to < events->newest ? events->to : events->newest, next = events->from - 1;
	bool first = true;
	buffer_addz(out, "{\"events\":[");
	for (uint64_t i = 0; last >= events->from && i <= last - events->from; i++) {
		uint64_t id = events->reverse ? last - i : events->from + i;
		const struct buffer *text = &events->texts[id - events->from];
		if (!text->len)
			continue;
		buffer_addz(out, first ? "" : ",");
		buffer_add(out, buffer_str(text));
		first = false;
	}
	buffer_byte(out, ']');
	if (events->reverse ? events->from > 1 : events->newest > events->to)
		api_put_number(out, "next", (int64_t)(!events->reverse ? events->to + 1 : next < last ? next : last));
	buffer_byte(out, '}');
	route_answer(call);
}

static void read_events(struct route_call *call, uint64_t from, uint64_t to)
{
	struct events *events = ARENA_NEW(&call->arena, struct events);
	*events = (struct events){ .call = call,
				   .from = from,
				   .to = to,
				   .reverse = route_query_number(call, "reverse", 0) != 0,
				   .data = route_query_number(call, "data", 0) != 0,
				   .fold = fold_new(STR_EMPTY) };
	events->places = ARENA_ARRAY(&call->arena, struct place, to - from + 1);
	events->texts = ARENA_ARRAY(&call->arena, struct buffer, to - from + 1);
	for (uint64_t i = 0; i <= to - from; i++)
		events->places[i].state = events->places[i].path = STR_EMPTY;
	arena_on_reset(&call->arena, release_events, events);
	fold_observe(events->fold, &(struct fold_observer){ .event = place_event, .data = events });
	engine_journal(call->engine,
		       &(struct journal_request){ .execution_arn = call->parts[0], .each = each_record }, on_events,
		       events);
}

static int64_t events_limit(struct route_call *call)
{
	int64_t limit = route_query_number(call, "limit", 100);
	return limit < 1 ? 1 : limit > EVENTS_MOST ? EVENTS_MOST : limit;
}

/* Backwards from the newest: its id must be known first. */
static void on_newest_known(void *data, const struct engine_error *error, const struct fold *fold,
			    const struct execution_info *info)
{
	struct route_call *call = data;
	if (!fold) {
		route_refuse_engine(call, error);
		return;
	}
	uint64_t newest = fold_last_event(fold), limit = (uint64_t)events_limit(call);
	read_events(call, newest > limit ? newest - limit + 1 : 1, newest ? newest : 1);
}

static void answer_events(struct route_call *call)
{
	bool reverse = route_query_number(call, "reverse", 0) != 0;
	int64_t from = route_query_number(call, "from", reverse ? INT64_MAX : 1), limit = events_limit(call);
	if (from < 1)
		from = 1;
	if (reverse && from == INT64_MAX)
		v1_fold(call, STR_EMPTY, UINT64_MAX, NULL, on_newest_known, call);
	else if (reverse)
		read_events(call, from > limit ? (uint64_t)(from - limit + 1) : 1, (uint64_t)from);
	else
		read_events(call, (uint64_t)from, (uint64_t)(from > INT64_MAX - limit ? INT64_MAX : from + limit - 1));
}

const struct route routes_v1_execution[] = {
	{ "GET", "/v1/executions/*", ROLE_READ, answer_header },
	{ "GET", "/v1/executions/*/graph", ROLE_READ, answer_graph },
	{ "GET", "/v1/machines/*/graph", ROLE_READ, answer_machine_graph },
	{ "GET", "/v1/executions/*/state", ROLE_READ, answer_state },
	{ "GET", "/v1/executions/*/events", ROLE_READ, answer_events },
	{ 0 },
};
