/* v1_machines.c: state machines for the console: the list, one of them with its versions and aliases, and what its states
 * took. */
#include "server/v1.h"
#include <stdlib.h>

#define LIST_MOST 1000
#define LISTED_MOST 1000 /* versions, aliases */
#define DAY_MS 86400000

static const char *machine_status(const struct machine_info *machine)
{
	return machine->deleting ? "DELETING" : "ACTIVE";
}

static void put_machine(struct buffer *out, const struct machine_info *machine)
{
	api_put_text(out, "name", machine->name);
	api_put_text(out, "arn", machine->arn);
	api_put_text(out, "type", machine->type);
	api_put_number(out, "created_ms", machine->created_ms);
	api_put_number(out, "updated_ms", machine->updated_ms);
	api_put_text(out, "status", str_of(machine_status(machine)));
}

static void list_machines(struct route_call *call)
{
	int64_t limit = route_query_number(call, "limit", 200);
	struct str after = route_query(call, "cursor");
	struct buffer *out = &call->out;
	uint32_t most = (uint32_t)(limit < 1 ? 1 : limit > LIST_MOST ? LIST_MOST : limit);
	const struct machine_info **machines = ARENA_ARRAY(&call->arena, const struct machine_info *, most);
	uint32_t count = engine_list_machines(call->engine, after.ptr ? after : STR_EMPTY, machines, most);
	buffer_addz(out, "{\"machines\":[");
	for (uint32_t i = 0; i < count; i++) {
		buffer_addz(out, i ? ",{" : "{");
		put_machine(out, machines[i]);
		buffer_byte(out, '}');
	}
	buffer_byte(out, ']');
	if (count == most)
		api_put_text(out, "next", machines[count - 1]->name);
	buffer_byte(out, '}');
	route_answer(call);
}

/* ---- one ------------------------------------------------------------------------------------------ */

static void put_tags(struct route_call *call, struct str arn)
{
	const struct value *tags = NULL;
	struct engine_error error = { 0 };
	struct buffer *out = &call->out;
	if (!engine_tags(call->engine, arn, &call->arena, &tags, &error))
		return;
	api_put_name(out, "tags");
	buffer_byte(out, '{');
	for (size_t i = 0; tags && i < value_count(tags); i++) {
		buffer_addz(out, i ? "," : "");
		value_write_string(value_string(value_getz(value_at(tags, i), "key")), out);
		buffer_byte(out, ':');
		value_write_string(value_string(value_getz(value_at(tags, i), "value")), out);
	}
	buffer_byte(out, '}');
}

static void put_versions(struct route_call *call, struct str arn)
{
	const struct version_info **versions = ARENA_ARRAY(&call->arena, const struct version_info *, LISTED_MOST);
	uint32_t count = engine_list_versions(call->engine, arn, UINT64_MAX, versions, LISTED_MOST);
	struct buffer *out = &call->out;
	api_put_name(out, "versions");
	buffer_byte(out, '[');
	for (uint32_t i = 0; i < count; i++) {
		buffer_addz(out, i ? ",{" : "{");
		api_put_number(out, "version", (int64_t)versions[i]->number);
		api_put_text(out, "arn", versions[i]->arn);
		if (versions[i]->description.len)
			api_put_text(out, "description", versions[i]->description);
		api_put_number(out, "created_ms", versions[i]->created_ms);
		buffer_byte(out, '}');
	}
	buffer_byte(out, ']');
}

static void put_aliases(struct route_call *call, struct str arn)
{
	const struct alias_info **aliases = ARENA_ARRAY(&call->arena, const struct alias_info *, LISTED_MOST);
	uint32_t count = engine_list_aliases(call->engine, arn, 0, STR_EMPTY, aliases, LISTED_MOST);
	struct buffer *out = &call->out;
	api_put_name(out, "aliases");
	buffer_byte(out, '[');
	for (uint32_t i = 0; i < count; i++) {
		buffer_addz(out, i ? ",{" : "{");
		api_put_text(out, "name", aliases[i]->name);
		api_put_text(out, "arn", aliases[i]->arn);
		api_put_name(out, "routes");
		for (unsigned r = 0; r < aliases[i]->routes_count; r++) {
			buffer_addz(out, r ? ",{" : "[{");
			api_put_text(out, "version_arn", aliases[i]->routes[r].version_arn);
			api_put_number(out, "weight", aliases[i]->routes[r].weight);
			buffer_byte(out, '}');
		}
		buffer_addz(out, aliases[i]->routes_count ? "]}" : "[]}");
	}
	buffer_byte(out, ']');
}

static void answer_machine(struct route_call *call)
{
	struct str version = route_query(call, "version");
	struct buffer *out = &call->out;
	const struct machine_info *machine = v1_machine(call, call->parts[0]);
	if (!machine)
		return;
	struct str arn = arena_str(&call->arena, machine->arn);
	if (version.len)
		machine =
		    v1_machine(call, arena_format(&call->arena, "%.*s:%.*s", STR_FMT(arn), STR_FMT(version)));
	if (!machine)
		return;
	buffer_byte(out, '{');
	put_machine(out, machine);
	api_put_text(out, "definition", machine->definition);
	if (machine->revision_id.len)
		api_put_text(out, "revision_id", machine->revision_id);
	api_put_text(out, "role_arn", machine->role_arn);
	if (machine->description.len)
		api_put_text(out, "description", machine->description);
	put_tags(call, arn);
	put_versions(call, arn);
	put_aliases(call, arn);
	buffer_byte(out, '}');
	route_answer(call);
}

/* ---- durations ---------------------------------------------------------------------------------------- */

struct durations {
	struct route_call *call;
	int64_t window_ms;
};

static void put_figure(struct buffer *out, const struct figure *figure)
{
	static const struct {
		const char *name;
		double share;
	} shares[] = { { "p50_ms", 0.5 }, { "p95_ms", 0.95 }, { "p99_ms", 0.99 } };
	api_put_number(out, "count", (int64_t)figure->count);
	api_put_number(out, "failed", (int64_t)figure->failed);
	for (unsigned i = 0; i < sizeof shares / sizeof shares[0]; i++) {
		int64_t ms = figure_percentile(figure, shares[i].share);
		if (ms >= 0)
			api_put_number(out, shares[i].name, ms);
	}
}

static void on_durations(void *data, const struct search_duration *durations, uint32_t count, int code)
{
	struct durations *asked = data;
	struct route_call *call = asked->call;
	struct buffer *out = &call->out;
	struct figure none = { 0 };
	const struct figure *whole = &none;
	if (code) {
		v1_refuse_search(call, code);
		return;
	}
	for (uint32_t i = 0; i < count; i++)
		if (!durations[i].state.len)
			whole = &durations[i].figure;
	buffer_byte(out, '{');
	api_put_number(out, "window_ms", asked->window_ms);
	api_put_name(out, "executions");
	buffer_byte(out, '{');
	api_put_number(out, "started", (int64_t)whole->started);
	put_figure(out, whole);
	buffer_addz(out, "},\"states\":[");
	for (uint32_t i = 0; i < count; i++) {
		if (!durations[i].state.len)
			continue;
		buffer_addz(out, out->data[out->len - 1] == '[' ? "{" : ",{");
		api_put_text(out, "state", durations[i].state);
		api_put_number(out, "retries", (int64_t)durations[i].figure.retries);
		put_figure(out, &durations[i].figure);
		buffer_byte(out, '}');
	}
	buffer_addz(out, "]}");
	route_answer(call);
}

/* "24h", "7d", "30m"; nothing is a day. 0: it is no window, or one beyond 90 days. */
static int64_t read_window(struct str text)
{
	char *end;
	if (!text.len)
		return DAY_MS;
	int64_t number = strtoll(text.ptr, &end, 10);
	int64_t unit = *end == 'd' ? DAY_MS : *end == 'h' ? 3600000 : *end == 'm' ? 60000 : 0;
	bool good = unit && end + 1 == text.ptr + text.len && number > 0 && number <= INT64_C(90) * DAY_MS / unit;
	return good ? number * unit : 0;
}

static void answer_durations(struct route_call *call)
{
	struct search *search = v1_search(call);
	const struct machine_info *machine = search ? v1_machine(call, call->parts[0]) : NULL;
	if (!machine)
		return;
	int64_t window_ms = read_window(route_query(call, "window"));
	if (!window_ms) {
		route_refuse(call, 400, "InvalidRequest", "window must be like 30m, 24h or 7d, 90 days at most");
		return;
	}
	struct durations *asked = ARENA_NEW(&call->arena, struct durations);
	*asked = (struct durations){ call, window_ms };
	int64_t now_ms = call->services->clock->wall_ms(call->services->clock);
	search_durations(search, machine->number, now_ms - asked->window_ms, on_durations, asked);
}

const struct route routes_v1_machines[] = {
	{ "GET", "/v1/machines", ROLE_READ, list_machines },
	{ "GET", "/v1/machines/*", ROLE_READ, answer_machine },
	{ "GET", "/v1/machines/*/durations", ROLE_READ, answer_durations },
	{ 0 },
};
