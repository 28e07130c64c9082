/* versions.c: versions and aliases of state machines.
 *
 *     arn:…:stateMachine:NAME:3       version 3: a revision under a number; numbers are never given twice
 *     arn:…:stateMachine:NAME:live    alias: one or two versions with weights that make 100
 *
 * Both are kept in their machine's item, so that publishing is one write. A start by version or alias runs that version's revision, whatever
 * is published since, and its row remembers both names. */
#include "engine/runtime.h"
#include <stdlib.h>

#define VERSIONS_MAX 1000
#define ALIASES_MAX 100

struct version {
	struct version *next; /* older */
	uint64_t number, revision;
	struct version_info info;
	char *texts;
};

struct alias {
	struct alias *next; /* by name */
	struct alias_info info; /* its version ARNs are filled in when it is given out */
	struct route routes[2];
	char *texts;
};

/* ---- making -------------------------------------------------------------------------------------- */

/* The ARN, a NUL, the description: which may hold any character, so that no format can write it. To be freed. */
static char *texts_of(struct str arn, struct str description)
{
	char *texts = mem_alloc(arn.len + 1 + description.len + 1);
	memcpy(texts, arn.ptr, arn.len);
	texts[arn.len] = 0;
	if (description.len)
		memcpy(texts + arn.len + 1, description.ptr, description.len);
	texts[arn.len + 1 + description.len] = 0;
	return texts;
}

static struct version *version_new(struct machine *machine, uint64_t number, uint64_t revision, struct str description, int64_t created_ms)
{
	struct version *version = NEW(struct version);
	_cleanup_free_ char *name = mem_printf("%.*s:%llu", STR_FMT(machine->info.arn), (unsigned long long)number);
	version->texts = texts_of(str_of(name), description);
	struct str arn = str_of(version->texts);
	version->number = number;
	version->revision = revision;
	version->info = (struct version_info){ .arn = arn, .description = { version->texts + arn.len + 1, description.len },
					       .created_ms = created_ms, .number = number };
	version->next = machine->versions;
	machine->versions = version;
	return version;
}

static void alias_describe(const struct machine *machine, struct alias *alias, struct str name, struct str description)
{
	_cleanup_free_ char *qualified = mem_printf("%.*s:%.*s", STR_FMT(machine->info.arn), STR_FMT(name));
	char *texts = texts_of(str_of(qualified), description);
	struct str arn = str_of(texts);
	alias->info.arn = arn;
	alias->info.name = str_sub(arn, machine->info.arn.len + 1, arn.len);
	alias->info.description = (struct str){ texts + arn.len + 1, description.len };
	free(alias->texts);
	alias->texts = texts;
}

static struct alias *alias_new(struct machine *machine, struct str name, struct str description)
{
	struct alias *alias = NEW(struct alias), **at = &machine->aliases;
	alias_describe(machine, alias, name, description);
	while (*at && str_cmp((*at)->info.name, alias->info.name) < 0)
		at = &(*at)->next;
	alias->next = *at;
	*at = alias;
	return alias;
}

void versions_free(struct machine *machine)
{
	for (struct version *next, *version = machine->versions; version; version = next) {
		next = version->next;
		free(version->texts);
		free(version);
	}
	for (struct alias *next, *alias = machine->aliases; alias; alias = next) {
		next = alias->next;
		free(alias->texts);
		free(alias);
	}
}

/* ---- finding ---------------------------------------------------------------------------------------- */

static struct version *find_version(const struct machine *machine, uint64_t number)
{
	for (struct version *version = machine->versions; version; version = version->next)
		if (version->number == number)
			return version;
	return NULL;
}

/* What a request is answered with is its own: the version, or alias, may be deleted before that. */
static const struct version_info *version_copy(struct request *request, const struct version_info *version)
{
	struct version_info *copy = ARENA_NEW(&request->arena, struct version_info);
	*copy = *version;
	copy->arn = arena_str(&request->arena, version->arn);
	copy->description = arena_str(&request->arena, version->description);
	return copy;
}

static const struct alias_info *alias_copy(struct request *request, const struct alias_info *alias)
{
	struct alias_info *copy = ARENA_NEW(&request->arena, struct alias_info);
	*copy = *alias;
	copy->arn = arena_str(&request->arena, alias->arn);
	copy->name = arena_str(&request->arena, alias->name);
	copy->description = arena_str(&request->arena, alias->description);
	for (unsigned i = 0; i < alias->routes_count; i++)
		copy->routes[i].version_arn = arena_str(&request->arena, alias->routes[i].version_arn);
	return copy;
}

static struct alias *find_alias(const struct machine *machine, struct str name)
{
	for (struct alias *alias = machine->aliases; alias; alias = alias->next)
		if (str_eq(alias->info.name, name))
			return alias;
	return NULL;
}

/* A version's number; 0 if the text is none. */
static uint64_t number_of(struct str text)
{
	uint64_t number = 0;
	if (!text.len || text.len > 18)
		return 0;
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] < '0' || text.ptr[i] > '9')
			return 0;
		number = number * 10 + (uint64_t)(text.ptr[i] - '0');
	}
	return number;
}

static const struct alias_info *alias_out(const struct machine *machine, struct alias *alias)
{
	for (unsigned i = 0; i < alias->info.routes_count; i++) {
		const struct version *version = find_version(machine, alias->routes[i].version);
		alias->info.routes[i] = (struct alias_route){ version ? version->info.arn : STR_EMPTY, (int64_t)alias->routes[i].weight };
	}
	return &alias->info;
}

/* Drawn by the weights. */
static uint64_t route(struct engine *engine, const struct alias *alias)
{
	if (alias->info.routes_count < 2)
		return alias->routes[0].version;
	return random_u64(&engine->random) % 100 < alias->routes[0].weight ? alias->routes[0].version : alias->routes[1].version;
}

struct machine *registry_ask_target(struct request *request, struct str text, struct target *ret_target)
{
	struct engine *engine = request->engine;
	struct arn arn;
	const char *problem = arn_parse(&request->arena, text, "stateMachine", &arn);
	*ret_target = (struct target){ .alias = STR_EMPTY };
	if (problem || !arn.qualifier.len) {
		struct machine *machine = registry_ask(request, text);
		if (machine)
			ret_target->revision = machine->revisions;
		return machine;
	}
	struct machine *machine = registry_find(engine, arn.machine);
	if (machine && !machine->deleted && str_starts(text, machine->info.arn)) {
		const struct alias *alias = find_alias(machine, arn.qualifier);
		const struct version *version = find_version(machine, alias ? route(engine, alias) : number_of(arn.qualifier));
		struct revision *revision = version ? registry_revision(machine, version->revision) : NULL;
		if (revision) {
			*ret_target = (struct target){ .revision = revision, .version = version->number,
						       .alias = alias ? arena_str(&request->arena, alias->info.name) : STR_EMPTY };
			return machine;
		}
	}
	request_fail(request, ENGINE_STATE_MACHINE_DOES_NOT_EXIST, "State Machine Does Not Exist: '%.*s'", STR_FMT(text));
	return NULL;
}

const struct machine_info *engine_find_version(struct engine *engine, struct str text)
{
	_cleanup_(arena_done) struct arena arena = { 0 };
	struct arn arn;
	if (arn_parse(&arena, text, "stateMachine", &arn) || !arn.qualifier.len)
		return NULL;
	struct machine *machine = registry_find(engine, arn.machine);
	if (!machine || machine->deleted || !str_starts(text, machine->info.arn))
		return NULL;
	const struct alias *alias = find_alias(machine, arn.qualifier);
	const struct version *version = find_version(machine, alias ? alias->routes[0].version : number_of(arn.qualifier));
	struct revision *revision = version ? registry_revision(machine, version->revision) : NULL;
	if (!revision)
		return NULL;
	machine->version = machine->info;
	registry_fill_info(engine, revision, &machine->version);
	machine->version.arn = version->info.arn;
	machine->version.description = version->info.description;
	machine->version.created_ms = version->info.created_ms;
	return &machine->version;
}

struct str version_arn(struct arena *arena, const struct machine *machine, uint64_t version)
{
	return version ? arena_format(arena, "%.*s:%llu", STR_FMT(machine->info.arn), (unsigned long long)version) : STR_EMPTY;
}

struct str alias_arn(struct arena *arena, const struct machine *machine, struct str alias)
{
	if (alias.len && alias.ptr[0] == '#') /* a mocked execution's test case */
		return STR_EMPTY;
	return alias.len ? arena_format(arena, "%.*s:%.*s", STR_FMT(machine->info.arn), STR_FMT(alias)) : STR_EMPTY;
}

/* ---- publishing ---------------------------------------------------------------------------------------- */

static uint64_t versions_count(const struct machine *machine)
{
	uint64_t count = 0;
	for (const struct version *version = machine->versions; version; version = version->next)
		count++;
	return count;
}

bool versions_publish(struct request *request, struct machine *machine, struct str description)
{
	struct version *newest = machine->versions;
	if (newest && newest->revision == machine->revisions->number) { /* the same again */
		request->version = version_copy(request, &newest->info);
		return true;
	}
	if (versions_count(machine) >= VERSIONS_MAX)
		return request_fail(request, ENGINE_SERVICE_QUOTA_EXCEEDED, "A state machine may have at most %d versions", VERSIONS_MAX);
	struct version *version =
	    version_new(machine, ++machine->last_version, machine->revisions->number, description, engine_now_ms(request->engine));
	request->version = version_copy(request, &version->info);
	return true;
}

static void answer_version(struct request *request)
{
	struct engine_error error = request_error(request);
	request->done.version(request->data, &error, request->error ? NULL : request->version);
}

static bool publish(struct request *request, struct str arn, struct str revision_id, struct str description)
{
	struct machine *machine = request->machine = registry_ask(request, arn);
	if (!machine)
		return false;
	if (machine->info.deleting)
		return request_fail(request, ENGINE_STATE_MACHINE_DELETING, "State Machine is being deleted: '%.*s'", STR_FMT(arn));
	struct str current = machine->revisions->revision_id.len ? machine->revisions->revision_id : STR("INITIAL");
	if (revision_id.ptr && !str_eq(revision_id, current))
		return request_fail(request, ENGINE_CONFLICT,
				    "Failed to publish the State Machine version for revision %.*s. The current State Machine revision is %.*s.",
				    STR_FMT(revision_id), STR_FMT(current));
	return versions_publish(request, machine, description);
}

void engine_publish_version(struct engine *engine, struct str arn, struct str revision_id, struct str description, engine_version_fn *done, void *data)
{
	struct request *request = request_new(engine, answer_version, data);
	request->done.version = done;
	if (publish(request, arn, revision_id, description))
		registry_put_change(engine, request->machine, request);
	else
		request_hold(request, 0);
}

/* ---- the ARN of a version or an alias ------------------------------------------------------------------- */

/* Its machine, NULL with the request failed, or without if there is none such. */
static struct machine *ask_qualified(struct request *request, struct str text, struct str *ret_qualifier)
{
	struct arn arn;
	const char *problem = arn_parse(&request->arena, text, "stateMachine", &arn);
	if (!problem && !arn.qualifier.len)
		problem = arena_printf(&request->arena, "Resource type not valid in this context: %.*s", STR_FMT(text));
	if (problem) {
		request_fail(request, ENGINE_INVALID_ARN, "Invalid Arn: '%s'", problem);
		return NULL;
	}
	*ret_qualifier = arn.qualifier;
	struct machine *machine = registry_find(request->engine, arn.machine);
	return machine && !machine->deleted && str_starts(text, machine->info.arn) ? machine : NULL;
}

static bool delete_version(struct request *request, struct str arn)
{
	struct str qualifier;
	struct machine *machine = request->machine = ask_qualified(request, arn, &qualifier);
	uint64_t number = machine ? number_of(qualifier) : 0;
	_cleanup_(buffer_done) struct buffer users = { 0 };
	if (!number)
		return false;
	for (const struct alias *alias = machine->aliases; alias; alias = alias->next)
		for (unsigned i = 0; i < alias->info.routes_count; i++)
			if (alias->routes[i].version == number)
				buffer_printf(&users, "%s%.*s", users.len ? ", " : "", STR_FMT(alias->info.name));
	if (users.len)
		return request_fail(request, ENGINE_CONFLICT,
				    "Version to be deleted must not be referenced by an alias. Current list of aliases referencing this version: [%.*s]",
				    STR_FMT(buffer_str(&users)));
	for (struct version **at = &machine->versions; *at; at = &(*at)->next)
		if ((*at)->number == number) {
			struct version *version = *at;
			*at = version->next;
			free(version->texts);
			free(version);
			return true;
		}
	return false;
}

static void delete_by(struct engine *engine, struct str arn, bool (*remove)(struct request *, struct str), engine_done_fn *done, void *data)
{
	struct request *request = request_new(engine, request_answer_plain, data);
	request->done.plain = done;
	if (remove(request, arn))
		registry_put_change(engine, request->machine, request);
	else
		request_hold(request, 0);
}

void engine_delete_version(struct engine *engine, struct str arn, engine_done_fn *done, void *data)
{
	delete_by(engine, arn, delete_version, done, data);
}

uint32_t engine_list_versions(struct engine *engine, struct str arn, uint64_t before, const struct version_info **ret_versions, uint32_t count)
{
	const struct machine_info *info = engine_find_machine(engine, arn);
	uint32_t given = 0;
	const struct machine *machine = info ? registry_find(engine, info->name) : NULL;
	for (const struct version *version = machine ? machine->versions : NULL; version && given < count; version = version->next)
		if (version->number < before)
			ret_versions[given++] = &version->info;
	return given;
}

/* ---- aliases ------------------------------------------------------------------------------------------------ */

static void answer_alias(struct request *request)
{
	struct engine_error error = request_error(request);
	request->done.alias(request->data, &error, request->error ? NULL : request->alias);
}

/* The routes that are asked for: versions of one machine, weights that make 100. */
static bool check_routes(struct request *request, const struct alias_request *asked, struct route *ret_routes)
{
	int64_t weights = 0;
	for (unsigned i = 0; i < asked->routes_count; i++) {
		struct str qualifier;
		struct machine *machine = ask_qualified(request, asked->routes[i].version_arn, &qualifier);
		if (request->error)
			return false;
		if (!machine || !find_version(machine, number_of(qualifier)))
			return request_fail(request, ENGINE_RESOURCE_NOT_FOUND, "Request references a resource that does not exist.");
		if (request->machine && request->machine != machine)
			return request_fail(request, ENGINE_VALIDATION, "Routing configuration must contain state machine version ARNs for the same state machine.");
		request->machine = machine;
		ret_routes[i] = (struct route){ number_of(qualifier), (uint64_t)asked->routes[i].weight };
		weights += asked->routes[i].weight;
	}
	if (weights != 100)
		return request_fail(request, ENGINE_VALIDATION, "Sum of routing configuration weights must equal 100. Received: %lld", (long long)weights);
	if (asked->routes_count == 2 && ret_routes[0].version == ret_routes[1].version)
		return request_fail(request, ENGINE_VALIDATION, "Routing configuration must contain distinct state machine version ARNs.");
	return true;
}

static bool same_routes(const struct alias *alias, const struct route *routes, unsigned count)
{
	if (alias->info.routes_count != count)
		return false;
	for (unsigned i = 0; i < count; i++)
		if (alias->routes[i].version != routes[i].version || alias->routes[i].weight != routes[i].weight)
			return false;
	return true;
}

static bool create_alias(struct request *request, const struct alias_request *asked)
{
	struct route routes[2];
	if (!check_routes(request, asked, routes))
		return false;
	struct machine *machine = request->machine;
	if (machine->info.deleting)
		return request_fail(request, ENGINE_STATE_MACHINE_DELETING, "State Machine is being deleted: '%.*s'", STR_FMT(machine->info.arn));
	struct alias *alias = find_alias(machine, asked->name);
	if (alias && (!same_routes(alias, routes, asked->routes_count) || !str_eq(alias->info.description, asked->description)))
		return request_fail(request, ENGINE_CONFLICT,
				    "Failed to create alias because an alias with the same name and a different routing configuration already exists.");
	if (!alias) {
		unsigned count = 0;
		for (const struct alias *other = machine->aliases; other; other = other->next)
			count++;
		if (count >= ALIASES_MAX)
			return request_fail(request, ENGINE_SERVICE_QUOTA_EXCEEDED, "A state machine may have at most %d aliases", ALIASES_MAX);
		alias = alias_new(machine, asked->name, asked->description);
		memcpy(alias->routes, routes, sizeof routes);
		alias->info.routes_count = asked->routes_count;
		alias->info.created_ms = alias->info.updated_ms = engine_now_ms(request->engine);
	}
	request->alias = alias_copy(request, alias_out(machine, alias));
	return true;
}

static struct alias *ask_alias(struct request *request, struct str arn)
{
	struct str qualifier;
	struct machine *machine = ask_qualified(request, arn, &qualifier);
	struct alias *alias = machine ? find_alias(machine, qualifier) : NULL;
	request->machine = machine;
	if (!alias && !request->error)
		request_fail(request, ENGINE_RESOURCE_NOT_FOUND, "Request references a resource that does not exist.");
	return alias;
}

static bool update_alias(struct request *request, const struct alias_request *asked)
{
	struct route routes[2];
	struct alias *alias = ask_alias(request, asked->arn);
	if (!alias)
		return false;
	struct machine *machine = request->machine;
	if (machine->info.deleting)
		return request_fail(request, ENGINE_STATE_MACHINE_DELETING, "State Machine is being deleted: '%.*s'", STR_FMT(machine->info.arn));
	if (!asked->has_description && !asked->routes_count)
		return request_fail(request, ENGINE_VALIDATION, "Either description or routing configuration must be specified");
	if (asked->routes_count) {
		if (!check_routes(request, asked, routes))
			return false;
		memcpy(alias->routes, routes, sizeof routes);
		alias->info.routes_count = asked->routes_count;
	}
	if (asked->has_description) {
		_cleanup_free_ char *name = mem_strndup(alias->info.name.ptr, alias->info.name.len);
		alias_describe(machine, alias, str_of(name), asked->description);
	}
	alias->info.updated_ms = engine_now_ms(request->engine);
	request->alias = alias_copy(request, alias_out(machine, alias));
	return true;
}

static void change_alias(struct engine *engine, const struct alias_request *asked, bool (*change)(struct request *, const struct alias_request *),
			 engine_alias_fn *done, void *data)
{
	struct request *request = request_new(engine, answer_alias, data);
	request->done.alias = done;
	if (change(request, asked))
		registry_put_change(engine, request->machine, request);
	else
		request_hold(request, 0);
}

void engine_create_alias(struct engine *engine, const struct alias_request *asked, engine_alias_fn *done, void *data)
{
	change_alias(engine, asked, create_alias, done, data);
}

void engine_update_alias(struct engine *engine, const struct alias_request *asked, engine_alias_fn *done, void *data)
{
	change_alias(engine, asked, update_alias, done, data);
}

static bool delete_alias(struct request *request, struct str arn)
{
	struct str qualifier;
	struct machine *machine = request->machine = ask_qualified(request, arn, &qualifier);
	for (struct alias **at = machine ? &machine->aliases : NULL; at && *at; at = &(*at)->next)
		if (str_eq((*at)->info.name, qualifier)) {
			struct alias *alias = *at;
			*at = alias->next;
			free(alias->texts);
			free(alias);
			return true;
		}
	return false;
}

void engine_delete_alias(struct engine *engine, struct str arn, engine_done_fn *done, void *data)
{
	delete_by(engine, arn, delete_alias, done, data);
}

void engine_describe_alias(struct engine *engine, struct str arn, engine_alias_fn *done, void *data)
{
	struct request *request = request_new(engine, answer_alias, data);
	request->done.alias = done;
	struct alias *alias = ask_alias(request, arn);
	if (alias)
		request->alias = alias_copy(request, alias_out(request->machine, alias));
	request_hold(request, 0);
}

uint32_t engine_list_aliases(struct engine *engine, struct str arn, uint64_t version, struct str after, const struct alias_info **ret_aliases,
			     uint32_t count)
{
	const struct machine_info *info = engine_find_machine(engine, arn);
	uint32_t given = 0;
	const struct machine *machine = info ? registry_find(engine, info->name) : NULL;
	for (struct alias *alias = machine ? machine->aliases : NULL; alias && given < count; alias = alias->next) {
		bool routed = !version;
		for (unsigned i = 0; i < alias->info.routes_count; i++)
			routed |= alias->routes[i].version == version;
		if (routed && str_cmp(alias->info.name, after) > 0)
			ret_aliases[given++] = alias_out(machine, alias);
	}
	return given;
}

/* ---- in the machine's item ---------------------------------------------------------------------------------- */

static void encode_version(const struct version *version, struct buffer *out)
{
	if (version->next)
		encode_version(version->next, out); /* the oldest first; at most VERSIONS_MAX deep */
	buffer_varint(out, version->number);
	buffer_varint(out, version->revision);
	buffer_svarint(out, version->info.created_ms);
	buffer_blob(out, version->info.description);
}

void versions_encode(const struct machine *machine, struct buffer *out)
{
	buffer_varint(out, machine->last_version);
	buffer_varint(out, versions_count(machine));
	if (machine->versions)
		encode_version(machine->versions, out);
	uint64_t count = 0;
	for (const struct alias *alias = machine->aliases; alias; alias = alias->next)
		count++;
	buffer_varint(out, count);
	for (const struct alias *alias = machine->aliases; alias; alias = alias->next) {
		buffer_blob(out, alias->info.name);
		buffer_blob(out, alias->info.description);
		buffer_svarint(out, alias->info.created_ms);
		buffer_svarint(out, alias->info.updated_ms);
		buffer_varint(out, alias->info.routes_count);
		for (unsigned i = 0; i < alias->info.routes_count; i++) {
			buffer_varint(out, alias->routes[i].version);
			buffer_varint(out, alias->routes[i].weight);
		}
	}
}

static bool decode_alias(struct machine *machine, struct reader *in)
{
	struct str name, description;
	uint64_t routes;
	if (!reader_blob(in, &name) || !reader_blob(in, &description))
		return false;
	struct alias *alias = alias_new(machine, name, description);
	if (!reader_svarint(in, &alias->info.created_ms) || !reader_svarint(in, &alias->info.updated_ms) || !reader_varint(in, &routes) ||
	    routes < 1 || routes > 2)
		return false;
	alias->info.routes_count = (unsigned)routes;
	for (unsigned i = 0; i < routes; i++)
		if (!reader_varint(in, &alias->routes[i].version) || !reader_varint(in, &alias->routes[i].weight))
			return false;
	return true;
}

bool versions_decode(struct machine *machine, struct reader *in)
{
	uint64_t count;
	if (!reader_varint(in, &machine->last_version) || !reader_varint(in, &count))
		return false;
	for (; count; count--) {
		uint64_t number, revision;
		int64_t created_ms;
		struct str description;
		if (!reader_varint(in, &number) || !reader_varint(in, &revision) || !reader_svarint(in, &created_ms) ||
		    !reader_blob(in, &description))
			return false;
		version_new(machine, number, revision, description, created_ms);
	}
	if (!reader_varint(in, &count))
		return false;
	for (; count; count--)
		if (!decode_alias(machine, in))
			return false;
	return true;
}
