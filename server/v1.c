/* v1.c: what the files of the console's API share (v1.h). */
#include "server/v1.h"
#include "base/mem.h"

const struct machine_info *v1_find_machine(struct route_call *call, struct str name)
{
	struct engine *engine = call->engine;
	struct str arn = name;
	if (!str_starts(name, STR("arn:")))
		arn = arena_format(&call->arena, "arn:aws:states:%s:%s:stateMachine:%.*s", engine_region(engine),
				   engine_account(engine), STR_FMT(name));
	const struct machine_info *machine = engine_find_machine(engine, arn);
	return machine ? machine : engine_find_version(engine, arn);
}

const struct machine_info *v1_machine(struct route_call *call, struct str name)
{
	const struct machine_info *machine = v1_find_machine(call, name);
	if (!machine)
		route_refuse(call, 404, "StateMachineDoesNotExist", "there is no state machine '%.*s'", STR_FMT(name));
	return machine;
}

void v1_put_arn(struct engine *engine, const char *name, uint64_t machine, struct str execution, struct buffer *out)
{
	const struct machine_info *info = engine_machine_by_number(engine, machine);
	_cleanup_(buffer_done) struct buffer arn = { 0 };
	if (!info)
		return;
	engine_write_execution_arn(engine, info->name, execution, &arn);
	api_put_text(out, name, buffer_str(&arn));
}

void v1_put_event(const struct event *event, struct str state, struct str path, bool data, struct buffer *out)
{
	history_event_json(event, data, out);
	out->len--; /* the closing brace */
	api_put_number(out, "timestamp_ms", event->timestamp_ms);
	if (state.len)
		api_put_text(out, "state", state);
	if (path.len)
		api_put_text(out, "path", path);
	buffer_byte(out, '}');
}

void v1_put_row(struct engine *engine, const struct search_row *row, struct buffer *out)
{
	const struct machine_info *info = engine_machine_by_number(engine, row->machine);
	buffer_byte(out, '{');
	v1_put_arn(engine, "arn", row->machine, row->name, out);
	api_put_text(out, "name", row->name);
	if (info)
		api_put_text(out, "machine", info->name);
	api_put_text(out, "status", str_of(execution_status_name(row->status)));
	api_put_number(out, "start_ms", row->start_ms);
	if (row->stop_ms)
		api_put_number(out, "stop_ms", row->stop_ms);
	if (row->error.len)
		api_put_text(out, "error", row->error);
	if (row->state.len)
		api_put_text(out, "state", row->state);
	api_put_number(out, "redrives", (int64_t)row->redrives);
	if (row->version)
		api_put_number(out, "version", (int64_t)row->version);
	buffer_byte(out, '}');
}

void v1_answer_started(void *data, const struct engine_error *error, const struct execution_info *execution)
{
	struct route_call *call = data;
	if (error->code) {
		route_refuse_engine(call, error);
		return;
	}
	buffer_byte(&call->out, '{');
	api_put_text(&call->out, "arn", execution->arn);
	api_put_text(&call->out, "name", execution->name);
	api_put_number(&call->out, "start_ms", execution->start_ms);
	buffer_byte(&call->out, '}');
	route_answer_status(call, 201);
}

struct search *v1_search(struct route_call *call)
{
	if (!call->services->search)
		route_refuse(call, 503, "SearchOff", "the search file is switched off in the configuration");
	return call->services->search;
}

void v1_refuse_search(struct route_call *call, int code)
{
	route_refuse(call, 503, "SearchUnavailable", "the search file cannot be read now: %s", error_code_text(code));
}
