/* api_machines.c: operations on state machines. */
#include "server/api.h"

/* ---- create, update, delete ------------------------------------------------------------------- */

static void created(void *data, const struct engine_error *error, const struct machine_info *machine)
{
	struct api_call *call = data;
	if (error->code) {
		api_refuse_engine(call, error);
		return;
	}
	buffer_byte(&call->body, '{');
	api_put_text(&call->body, "stateMachineArn", machine->arn);
	api_put_time(&call->body, "creationDate", machine->created_ms);
	if (machine->version_arn.len)
		api_put_text(&call->body, "stateMachineVersionArn", machine->version_arn);
	buffer_byte(&call->body, '}');
	api_answer(call);
}

static struct machine_request machine_request(const struct api_call *call, const struct value *logging)
{
	return (struct machine_request){
		.name = api_text(call, "name"),
		.arn = api_text(call, "stateMachineArn"),
		.definition = api_text(call, "definition"),
		.has_definition = api_has(call, "definition"),
		.role_arn = api_text(call, "roleArn"),
		.has_role_arn = api_has(call, "roleArn"),
		.type = api_has(call, "type") ? api_text(call, "type") : STR("STANDARD"),
		.logging = logging,
		.tracing = api_member_value(call, "tracingConfiguration"),
		.encryption = api_member_value(call, "encryptionConfiguration"),
		.tags = api_member_value(call, "tags"),
		.publish = api_flag(call, "publish", false),
		.version_description = api_text(call, "versionDescription"),
		.has_version_description = api_has(call, "versionDescription"),
	};
}

void api_create_state_machine(struct api_call *call)
{
	const struct value *logging;
	if (!api_check_tags(call) || !api_check_configurations(call) || !api_read_logging(call, &logging))
		return;
	struct machine_request request = machine_request(call, logging);
	engine_create_machine(call->engine, &request, created, call);
}

static void updated(void *data, const struct engine_error *error, const struct machine_info *machine)
{
	struct api_call *call = data;
	if (error->code) {
		api_refuse_engine(call, error);
		return;
	}
	buffer_byte(&call->body, '{');
	api_put_time(&call->body, "updateDate", machine->updated_ms);
	if (machine->revision_id.len)
		api_put_text(&call->body, "revisionId", machine->revision_id);
	if (machine->version_arn.len)
		api_put_text(&call->body, "stateMachineVersionArn", machine->version_arn);
	buffer_byte(&call->body, '}');
	api_answer(call);
}

void api_update_state_machine(struct api_call *call)
{
	const struct value *logging;
	if (!api_check_configurations(call) || !api_read_logging(call, &logging))
		return;
	struct machine_request request = machine_request(call, logging);
	engine_update_machine(call->engine, &request, updated, call);
}

static void deleted(void *data, const struct engine_error *error, const struct machine_info *machine)
{
	struct api_call *call = data;
	if (error->code)
		api_refuse_engine(call, error);
	else
		api_answer(call);
}

void api_delete_state_machine(struct api_call *call)
{
	engine_delete_machine(call->engine, api_text(call, "stateMachineArn"), deleted, call);
}

/* ---- describe, list --------------------------------------------------------------------------- */

void api_describe_state_machine(struct api_call *call)
{
	struct str arn = api_text(call, "stateMachineArn");
	const struct machine_info *machine = engine_find_machine(call->engine, arn);
	if (!machine)
		machine = engine_find_version(call->engine, arn);
	bool all = !str_eqz(api_text(call, "includedData"), "METADATA_ONLY");
	struct buffer *out = &call->body;
	if (!machine) {
		api_refuse(call, "StateMachineDoesNotExist", "State Machine Does Not Exist: '%.*s'", STR_FMT(arn));
		return;
	}
	buffer_byte(out, '{');
	api_put_text(out, "stateMachineArn", machine->arn);
	api_put_text(out, "name", machine->name);
	api_put_text(out, "status", machine->deleting ? STR("DELETING") : STR("ACTIVE"));
	api_put_text(out, "definition", all ? machine->definition : STR("{}"));
	api_put_text(out, "roleArn", machine->role_arn);
	api_put_text(out, "type", machine->type);
	api_put_time(out, "creationDate", machine->created_ms);
	api_put_configurations(out, machine->logging, machine->tracing, machine->encryption);
	if (machine->description.len)
		api_put_text(out, "description", machine->description);
	if (all)
		api_put_variable_references(call, machine->program);
	if (machine->revision_id.len)
		api_put_text(out, "revisionId", machine->revision_id);
	buffer_byte(out, '}');
	api_answer(call);
}

void api_list_state_machines(struct api_call *call)
{
	const struct machine_info *machines[1001];
	int64_t wanted = api_number(call, "maxResults", 0);
	uint32_t page = wanted ? (uint32_t)wanted : 100;
	/* The token is the name of the last machine of the page before, which is where the next begins. One more than the page tells whether there is a next. */
	uint32_t count = engine_list_machines(call->engine, api_text(call, "nextToken"), machines, page + 1);
	struct buffer *out = &call->body;

	buffer_addz(out, "{\"stateMachines\":[");
	for (uint32_t i = 0; i < count && i < page; i++) {
		buffer_addz(out, i ? ",{" : "{");
		api_put_text(out, "stateMachineArn", machines[i]->arn);
		api_put_text(out, "name", machines[i]->name);
		api_put_text(out, "type", machines[i]->type);
		api_put_time(out, "creationDate", machines[i]->created_ms);
		buffer_byte(out, '}');
	}
	buffer_byte(out, ']');
	if (count > page)
		api_put_text(out, "nextToken", machines[page - 1]->name);
	buffer_byte(out, '}');
	api_answer(call);
}

/* ---- validate --------------------------------------------------------------------------------- */

void api_validate_state_machine_definition(struct api_call *call)
{
	struct program_options options = {
		.express = str_eqz(api_text(call, "type"), "EXPRESS"),
		.limits = engine_limits(call->engine),
	};
	bool warnings = str_eqz(api_text(call, "severity"), "WARNING");
	int64_t wanted = api_number(call, "maxResults", 0);
	unsigned most = wanted ? (unsigned)wanted : 100, shown = 0, all = 0;
	struct diagnostics diagnostics = { 0 };
	struct program *program = NULL;
	struct buffer *out = &call->body;

	program_compile(api_text(call, "definition"), &options, &call->arena, &diagnostics, &program);
	program_unref(program);
	buffer_byte(out, '{');
	api_put_text(out, "result", diagnostics.errors ? STR("FAIL") : STR("OK"));
	api_put_json(out, "diagnostics", STR("["));
	for (const struct diagnostic *d = diagnostics.first; d; d = d->next) {
		if (d->severity == DIAGNOSTIC_WARNING && !warnings)
			continue;
		if (all++ >= most)
			continue;
		buffer_addz(out, shown++ ? ",{" : "{");
		api_put_text(out, "severity", d->severity == DIAGNOSTIC_ERROR ? STR("ERROR") : STR("WARNING"));
		api_put_text(out, "code", str_of(diagnostic_code_name(d->code)));
		api_put_text(out, "message", d->message);
		if (d->location.len)
			api_put_text(out, "location", d->location);
		buffer_byte(out, '}');
	}
	buffer_byte(out, ']');
	api_put_flag(out, "truncated", all > shown);
	buffer_byte(out, '}');
	api_answer(call);
}
