/* api_versions.c: operations on versions and aliases. */
#include "server/api.h"

/* False after refusing what is no ARN. */
static bool is_arn(struct api_call *call, struct str arn)
{
	struct engine_error error;
	const struct value *tags;
	if (engine_tags(call->engine, arn, &call->arena, &tags, &error) || error.code != ENGINE_INVALID_ARN)
		return true;
	api_refuse_engine(call, &error);
	return false;
}

/* Whether the machine is there; false after refusing the call. Listing of none is refused as describing is. */
static bool machine_is_there(struct api_call *call, struct str arn)
{
	if (engine_find_machine(call->engine, arn))
		return true;
	if (is_arn(call, arn))
		api_refuse(call, "StateMachineDoesNotExist", "State Machine Does Not Exist: '%.*s'", STR_FMT(arn));
	return false;
}

static void done_plain(void *data, const struct engine_error *error)
{
	struct api_call *call = data;
	if (error->code)
		api_refuse_engine(call, error);
	else
		api_answer(call);
}

/* ---- versions -------------------------------------------------------------------------------------- */

static void put_version(struct buffer *out, const struct version_info *version)
{
	buffer_byte(out, '{');
	api_put_time(out, "creationDate", version->created_ms);
	api_put_text(out, "stateMachineVersionArn", version->arn);
	buffer_byte(out, '}');
}

static void published(void *data, const struct engine_error *error, const struct version_info *version)
{
	struct api_call *call = data;
	if (error->code) {
		api_refuse_engine(call, error);
		return;
	}
	put_version(&call->body, version);
	api_answer(call);
}

void api_publish_state_machine_version(struct api_call *call)
{
	struct str revision_id = api_has(call, "revisionId") ? api_text(call, "revisionId") : (struct str){ NULL, 0 };
	engine_publish_version(call->engine, api_text(call, "stateMachineArn"), revision_id, api_text(call, "description"), published, call);
}

void api_delete_state_machine_version(struct api_call *call)
{
	engine_delete_version(call->engine, api_text(call, "stateMachineVersionArn"), done_plain, call);
}

void api_list_state_machine_versions(struct api_call *call)
{
	const struct version_info *versions[1001];
	int64_t wanted = api_number(call, "maxResults", 0);
	uint32_t page = wanted ? (uint32_t)wanted : 100;
	struct str arn = api_text(call, "stateMachineArn"), token = api_text(call, "nextToken");
	struct buffer *out = &call->body;
	uint64_t before = UINT64_MAX;
	if (!engine_find_machine(call->engine, arn) && !is_arn(call, arn))
		return; /* a machine that is not there has no versions: this operation knows no other error for it */
	if (token.len) { /* the last number of the page before */
		before = 0;
		for (size_t i = 0; i < token.len && i < 18 && token.ptr[i] >= '0' && token.ptr[i] <= '9'; i++)
			before = before * 10 + (uint64_t)(token.ptr[i] - '0');
		if (!before) {
			api_refuse(call, "InvalidToken", "Invalid Token: 'Invalid token'");
			return;
		}
	}
	uint32_t count = engine_list_versions(call->engine, arn, before, versions, page + 1);
	buffer_addz(out, "{\"stateMachineVersions\":[");
	for (uint32_t i = 0; i < count && i < page; i++) {
		if (i)
			buffer_byte(out, ',');
		put_version(out, versions[i]);
	}
	buffer_byte(out, ']');
	if (count > page)
		api_put_text(out, "nextToken", arena_format(&call->arena, "%llu", (unsigned long long)versions[page - 1]->number));
	buffer_byte(out, '}');
	api_answer(call);
}

/* ---- aliases ------------------------------------------------------------------------------------------ */

#define ALIAS_PATTERN "^(?=.*[a-zA-Z_\\-\\.])[a-zA-Z0-9_\\-\\.]+$"

static bool is_alias_name(struct str name)
{
	bool letter = false;
	for (size_t i = 0; i < name.len; i++) {
		char c = name.ptr[i];
		bool digit = c >= '0' && c <= '9';
		if (!digit && !(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && c != '_' && c != '-' && c != '.')
			return false;
		letter |= !digit;
	}
	return letter;
}

/* The request's members; false after it refused the call. */
static bool read_alias(struct api_call *call, struct alias_request *ret_request)
{
	const struct value *routes = api_member_value(call, "routingConfiguration");
	*ret_request = (struct alias_request){
		.name = api_text(call, "name"),
		.arn = api_text(call, "stateMachineAliasArn"),
		.description = api_text(call, "description"),
		.has_description = api_has(call, "description"),
		.routes_count = routes ? (unsigned)value_count(routes) : 0,
	};
	if (ret_request->name.len && !is_alias_name(ret_request->name)) {
		api_refuse(call, "ValidationException",
			   "1 validation error detected: Value '%.*s' at 'name' failed to satisfy constraint: "
			   "Member must satisfy regular expression pattern: " ALIAS_PATTERN,
			   STR_FMT(ret_request->name));
		return false;
	}
	for (unsigned i = 0; i < ret_request->routes_count; i++) {
		const struct value *route = value_at(routes, i), *arn = value_getz(route, "stateMachineVersionArn"), *weight = value_getz(route, "weight");
		int64_t number = -1;
		if (!arn || !value_is(arn, VALUE_STRING) || !weight || !value_int64(weight, &number) || number < 0 || number > 100) {
			api_refuse(call, "ValidationException",
				   "1 validation error detected: Value at 'routingConfiguration.%u.member' failed to satisfy constraint: "
				   "Member must have a stateMachineVersionArn, and a weight between 0 and 100",
				   i + 1);
			return false;
		}
		ret_request->routes[i] = (struct alias_route){ value_string(arn), number };
	}
	return true;
}

static void created(void *data, const struct engine_error *error, const struct alias_info *alias)
{
	struct api_call *call = data;
	if (error->code) {
		api_refuse_engine(call, error);
		return;
	}
	buffer_byte(&call->body, '{');
	api_put_text(&call->body, "stateMachineAliasArn", alias->arn);
	api_put_time(&call->body, "creationDate", alias->created_ms);
	buffer_byte(&call->body, '}');
	api_answer(call);
}

void api_create_state_machine_alias(struct api_call *call)
{
	struct alias_request request;
	if (read_alias(call, &request))
		engine_create_alias(call->engine, &request, created, call);
}

static void updated(void *data, const struct engine_error *error, const struct alias_info *alias)
{
	struct api_call *call = data;
	if (error->code) {
		api_refuse_engine(call, error);
		return;
	}
	buffer_byte(&call->body, '{');
	api_put_time(&call->body, "updateDate", alias->updated_ms);
	buffer_byte(&call->body, '}');
	api_answer(call);
}

void api_update_state_machine_alias(struct api_call *call)
{
	struct alias_request request;
	if (read_alias(call, &request))
		engine_update_alias(call->engine, &request, updated, call);
}

void api_delete_state_machine_alias(struct api_call *call)
{
	engine_delete_alias(call->engine, api_text(call, "stateMachineAliasArn"), done_plain, call);
}

static void described(void *data, const struct engine_error *error, const struct alias_info *alias)
{
	struct api_call *call = data;
	struct buffer *out = &call->body;
	if (error->code) {
		api_refuse_engine(call, error);
		return;
	}
	buffer_byte(out, '{');
	api_put_text(out, "stateMachineAliasArn", alias->arn);
	api_put_text(out, "name", alias->name);
	if (alias->description.len)
		api_put_text(out, "description", alias->description);
	api_put_json(out, "routingConfiguration", STR("["));
	for (unsigned i = 0; i < alias->routes_count; i++) {
		buffer_addz(out, i ? ",{" : "{");
		api_put_text(out, "stateMachineVersionArn", alias->routes[i].version_arn);
		api_put_number(out, "weight", alias->routes[i].weight);
		buffer_byte(out, '}');
	}
	buffer_byte(out, ']');
	api_put_time(out, "creationDate", alias->created_ms);
	api_put_time(out, "updateDate", alias->updated_ms);
	buffer_byte(out, '}');
	api_answer(call);
}

void api_describe_state_machine_alias(struct api_call *call)
{
	engine_describe_alias(call->engine, api_text(call, "stateMachineAliasArn"), described, call);
}

void api_list_state_machine_aliases(struct api_call *call)
{
	const struct alias_info *aliases[1001];
	int64_t wanted = api_number(call, "maxResults", 0);
	uint32_t page = wanted ? (uint32_t)wanted : 100;
	struct str arn = api_text(call, "stateMachineArn");
	struct buffer *out = &call->body;
	/* A version's ARN lists the aliases that route to it. */
	const struct machine_info *version = engine_find_version(call->engine, arn);
	uint64_t number = 0;
	for (size_t i = version ? version->arn.len : 0, scale = 1; i && version->arn.ptr[i - 1] != ':'; i--, scale *= 10)
		number += (uint64_t)(version->arn.ptr[i - 1] - '0') * scale;
	struct str machine_arn = arn;
	if (version)
		while (machine_arn.len && machine_arn.ptr[--machine_arn.len] != ':')
			;
	if (!machine_is_there(call, machine_arn))
		return;
	uint32_t count = engine_list_aliases(call->engine, machine_arn, number, api_text(call, "nextToken"), aliases, page + 1);
	buffer_addz(out, "{\"stateMachineAliases\":[");
	for (uint32_t i = 0; i < count && i < page; i++) {
		buffer_addz(out, i ? ",{" : "{");
		api_put_text(out, "stateMachineAliasArn", aliases[i]->arn);
		api_put_time(out, "creationDate", aliases[i]->created_ms);
		buffer_byte(out, '}');
	}
	buffer_byte(out, ']');
	if (count > page)
		api_put_text(out, "nextToken", aliases[page - 1]->name);
	buffer_byte(out, '}');
	api_answer(call);
}
