/* v1_overview.c: /v1/overview and /v1/search: from the counters that the search file keeps in memory. */
#include "base/map.h"
#include "engine/dead_letters.h"
#include "server/v1.h"

#define MACHINES_PAGE 256

static void put_sparkline(const struct search_machine *figures, struct buffer *out)
{
	api_put_name(out, "sparkline");
	for (unsigned i = 0; i < SEARCH_HOURS; i++)
		buffer_printf(out, "%s[%llu,%llu]", i ? "," : "[", (unsigned long long)(figures ? figures->ok[i] : 0),
			      (unsigned long long)(figures ? figures->bad[i] : 0));
	buffer_byte(out, ']');
}

static void put_machine(const struct machine_info *machine, const struct search_machine *figures, struct buffer *out)
{
	uint64_t failed = 0, ended = 0;
	for (unsigned i = 0; figures && i < SEARCH_HOURS; i++) {
		failed += figures->bad[i];
		ended += figures->ok[i] + figures->bad[i];
	}
	buffer_byte(out, '{');
	api_put_text(out, "name", machine->name);
	api_put_text(out, "arn", machine->arn);
	api_put_text(out, "type", machine->type);
	api_put_number(out, "running", figures ? (int64_t)figures->counts[EXECUTION_RUNNING] : 0);
	api_put_number(out, "failed_last_hour", figures ? (int64_t)figures->failed_last_hour : 0);
	api_put_number(out, "failed_24h", (int64_t)failed);
	api_put_number(out, "ended_24h", (int64_t)ended);
	if (figures && figures->p50_ms >= 0) {
		api_put_number(out, "p50_ms", figures->p50_ms);
		api_put_number(out, "p95_ms", figures->p95_ms);
	}
	put_sparkline(figures, out);
	buffer_byte(out, '}');
}

static void put_machines(struct route_call *call, const struct u64_map *figures)
{
	const struct machine_info *machines[MACHINES_PAGE];
	struct str after = STR_EMPTY;
	uint32_t count;
	bool first = true;
	api_put_name(&call->out, "machines");
	buffer_byte(&call->out, '[');
	do {
		count = engine_list_machines(call->engine, after, machines, MACHINES_PAGE);
		for (uint32_t i = 0; i < count; i++, first = false) {
			buffer_addz(&call->out, first ? "" : ",");
			put_machine(machines[i], u64_map_get(figures, machines[i]->number), &call->out);
			after = machines[i]->name;
		}
	} while (count == MACHINES_PAGE);
	buffer_byte(&call->out, ']');
}

static void put_search(struct route_call *call, const struct search_state *state)
{
	struct buffer *out = &call->out;
	api_put_flag(out, "enabled", call->services->search);
	api_put_flag(out, "ready", state->ready);
	api_put_number(out, "behind", (int64_t)state->behind);
	api_put_number(out, "done", (int64_t)state->done);
	api_put_number(out, "total", (int64_t)state->total);
}

static void answer_overview(struct route_call *call)
{
	struct search_machine *machines = NULL;
	struct search_state state = { .oldest = { .name = STR_EMPTY } };
	struct u64_map by_number = { 0 };
	struct buffer *out = &call->out;
	uint32_t count = 0;
	uint64_t running = 0, failed = 0, started = 0;
	if (call->services->search)
		search_overview(call->services->search, &call->arena, &machines, &count, &state);
	for (uint32_t i = 0; i < count; i++) {
		running += machines[i].counts[EXECUTION_RUNNING];
		failed += machines[i].failed_last_hour;
		started += machines[i].started_last_hour;
		u64_map_put(&by_number, machines[i].machine, &machines[i]);
	}
	buffer_byte(out, '{');
	api_put_number(out, "now_ms", call->services->clock->wall_ms(call->services->clock));
	api_put_number(out, "running", (int64_t)running);
	api_put_number(out, "failed_last_hour", (int64_t)failed);
	api_put_number(out, "dead_letters", (int64_t)engine_dead_count(call->engine));
	api_put_number(out, "started_last_hour", (int64_t)started);
	const struct machine_info *machine =
	    state.oldest.id ? engine_machine_by_number(call->engine, state.oldest.machine) : NULL;
	if (machine) {
		api_put_name(out, "oldest_running");
		buffer_byte(out, '{');
		v1_put_arn(call->engine, "arn", state.oldest.machine, state.oldest.name, out);
		api_put_text(out, "name", state.oldest.name);
		api_put_text(out, "machine", machine->name);
		api_put_number(out, "start_ms", state.oldest.start_ms);
		buffer_byte(out, '}');
	}
	put_machines(call, &by_number);
	api_put_name(out, "search");
	buffer_byte(out, '{');
	put_search(call, &state);
	buffer_addz(out, "}}");
	u64_map_done(&by_number);
	route_answer(call);
}

static void answer_search(struct route_call *call)
{
	struct search_machine *machines;
	struct search_state state = { 0 };
	uint32_t count;
	if (call->services->search)
		search_overview(call->services->search, &call->arena, &machines, &count, &state);
	buffer_byte(&call->out, '{');
	put_search(call, &state);
	buffer_byte(&call->out, '}');
	route_answer(call);
}

static void rebuild_search(struct route_call *call)
{
	struct search *search = v1_search(call);
	if (!search)
		return;
	search_rebuild(search);
	buffer_addz(&call->out, "{}");
	route_answer_status(call, 202);
}

const struct route routes_v1_overview[] = {
	{ "GET", "/v1/overview", ROLE_READ, answer_overview },
	{ "GET", "/v1/search", ROLE_READ, answer_search },
	{ "POST", "/v1/search/rebuild", ROLE_ADMINISTER, rebuild_search },
	{ 0 },
};
