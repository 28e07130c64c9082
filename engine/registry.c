/* registry.c: state machines: all of them in memory, each with the definitions that executions still run.
 *
 * A change takes effect in memory at once and is written by the next turn; its caller is answered when that is
 * committed. Programs are compiled when first asked for. Deleting: DELETING while executions of it run, then the name
 * is free and a tombstone stays, so that the ended ones can still be described; it goes when the last of them is beyond
 * its retention. */
#include "engine/runtime.h"
#include <stdlib.h>

/* ---- finding ---------------------------------------------------------------------------------- */

struct machine *registry_find(struct engine *engine, struct str name)
{
	return str_map_get(&engine->machines_by_name, name);
}

struct machine *registry_by_number(struct engine *engine, uint64_t number)
{
	return number ? u64_map_get(&engine->machines_by_number, number) : NULL;
}

struct revision *registry_revision(struct machine *machine, uint64_t number)
{
	for (struct revision *revision = machine->revisions; revision; revision = revision->next)
		if (revision->number == number)
			return revision;
	return NULL;
}

const struct program *revision_program(struct engine *engine, struct revision *revision)
{
	if (revision->program || revision->broken)
		return revision->program;
	_cleanup_(arena_done) struct arena arena = { 0 };
	struct diagnostics diagnostics;
	struct program_options options = { .express = str_eqz(revision->machine->info.type, "EXPRESS"),
					   .limits = &engine->limits };
	revision->broken =
	    program_compile(revision->definition, &options, &arena, &diagnostics, &revision->program) < 0;
	return revision->program;
}

void registry_fill_info(struct engine *engine, struct revision *revision, struct machine_info *info)
{
	info->definition = revision->definition;
	info->role_arn = revision->role_arn;
	info->revision_id = revision->revision_id;
	info->logging = revision->logging;
	info->tracing = revision->tracing;
	info->encryption = revision->encryption;
	info->program = revision_program(engine, revision);
	info->description = STR_EMPTY;
}

/* The machine as it is given out. */
static const struct machine_info *info_of(struct engine *engine, struct machine *machine)
{
	struct revision *current = machine->revisions;
	registry_fill_info(engine, current, &machine->info);
	machine->info.version_arn = STR_EMPTY;
	return &machine->info;
}

struct machine *registry_ask(struct request *request, struct str text)
{
	struct arn arn;
	const char *problem = arn_parse(&request->arena, text, "stateMachine", &arn);
	if (problem) {
		request_fail(request, ENGINE_INVALID_ARN, "Invalid Arn: '%s'", problem);
		return NULL;
	}
	struct machine *machine = registry_find(request->engine, arn.machine);
	if (!machine || machine->deleted || !str_eq(machine->info.arn, text)) {
		request_fail(request, ENGINE_STATE_MACHINE_DOES_NOT_EXIST, "State Machine Does Not Exist: '%.*s'",
			     STR_FMT(text));
		return NULL;
	}
	return machine;
}

const struct machine_info *engine_find_machine(struct engine *engine, struct str arn)
{
	_cleanup_(arena_done) struct arena arena = { 0 };
	struct arn parsed;
	if (arn_parse(&arena, arn, "stateMachine", &parsed))
		return NULL;
	struct machine *machine = registry_find(engine, parsed.machine);
	return machine && !machine->deleted && str_eq(machine->info.arn, arn) ? info_of(engine, machine) : NULL;
}

static int by_name(const void *a, const void *b)
{
	return str_cmp((*(struct machine *const *)a)->info.name, (*(struct machine *const *)b)->info.name);
}

static void sort(struct engine *engine)
{
	if (engine->sorted)
		return;
	engine->sorted_count = 0;
	engine->sorted = mem_alloc(sizeof *engine->sorted * (engine->machines_by_name.count + 1));
	size_t i = 0;
	for (struct str_map_entry *entry; (entry = str_map_next(&engine->machines_by_name, &i));)
		if (!((struct machine *)entry->value)->deleted)
			engine->sorted[engine->sorted_count++] = entry->value;
	qsort(engine->sorted, engine->sorted_count, sizeof *engine->sorted, by_name);
}

uint32_t engine_list_machines(struct engine *engine, struct str after, const struct machine_info **ret_machines,
			      uint32_t count)
{
	sort(engine);
	size_t low = 0, high = engine->sorted_count;
	while (low < high) {
		size_t middle = (low + high) / 2;
		if (str_cmp(engine->sorted[middle]->info.name, after) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	uint32_t given = 0;
	for (; low < engine->sorted_count && given < count; low++)
		ret_machines[given++] = info_of(engine, engine->sorted[low]);
	return given;
}

/* ---- making ------------------------------------------------------------------------------------- */

struct machine *machine_new(struct engine *engine, uint64_t number, struct str name, struct str type)
{
	struct machine *machine = NEW(struct machine);
	machine->texts = mem_printf("%.*s%carn:aws:states:%s:%s:stateMachine:%.*s", STR_FMT(name), 0, engine->region,
				    engine->account, STR_FMT(name));
	machine->info.name = (struct str){ machine->texts, name.len };
	machine->info.arn = str_of(machine->texts + name.len + 1);
	machine->info.type = str_eqz(type, "EXPRESS") ? STR("EXPRESS") : STR("STANDARD");
	machine->info.number = number;
	machine->next_revision = 1;
	return machine;
}

void machine_link(struct engine *engine, struct machine *machine)
{
	machine->next = engine->machines;
	engine->machines = machine;
	machine->older = str_map_put(&engine->machines_by_name, machine->info.name, machine);
	u64_map_put(&engine->machines_by_number, machine->info.number, machine);
	if (machine->info.number >= engine->next_machine)
		engine->next_machine = machine->info.number + 1;
	free(TAKE(engine->sorted));
}

struct revision *revision_new(struct machine *machine, struct str definition, struct str role_arn,
			      struct str revision_id, int64_t created_ms)
{
	struct revision *revision = NEW(struct revision);
	struct str *const texts[3] = { &revision->definition, &revision->role_arn, &revision->revision_id };
	const struct str given[3] = { definition, role_arn, revision_id };
	char *at = revision->texts = mem_alloc(definition.len + role_arn.len + revision_id.len + 1);
	for (int i = 0; i < 3; i++) {
		if (given[i].len)
			memcpy(at, given[i].ptr, given[i].len);
		*texts[i] = (struct str){ at, given[i].len };
		at += given[i].len;
	}
	revision->machine = machine;
	revision->number = machine->next_revision++;
	revision->created_ms = created_ms;
	revision->next = machine->revisions;
	machine->revisions = revision;
	return revision;
}

static void free_machine(struct machine *machine)
{
	for (struct revision *next, *revision = machine->revisions; revision; revision = next) {
		next = revision->next;
		program_unref(revision->program);
		value_unref(revision->logging);
		value_unref(revision->tracing);
		value_unref(revision->encryption);
		free(revision->texts);
		free(revision);
	}
	versions_free(machine);
	value_unref(machine->tags);
	free(machine->texts);
	free(machine);
}

void registry_free(struct engine *engine)
{
	for (struct machine *next, *machine = engine->machines; machine; machine = next) {
		next = machine->next;
		free_machine(machine);
	}
	str_map_done(&engine->machines_by_name);
	u64_map_done(&engine->machines_by_number);
	free(engine->sorted);
}

void registry_put_change(struct engine *engine, struct machine *machine, struct request *request)
{
	struct change *change = NEW(struct change);
	change->machine = machine;
	change->request = request;
	if (request)
		request->carried = true;
	LIST_ADD(&engine->changes, change);
}

/* ---- requests -------------------------------------------------------------------------------------- */

static void answer_machine(struct request *request)
{
	struct engine_error error = request_error(request);
	const struct machine_info *info =
	    request->error || !request->machine ? NULL : info_of(request->engine, request->machine);
	if (info && request->version)
		request->machine->info.version_arn = request->version->arn;
	request->done.machine(request->data, &error, info);
	if (info)
		request->machine->info.version_arn = STR_EMPTY;
}

static struct request *machine_request(struct engine *engine, engine_machine_fn *done, void *data)
{
	struct request *request = request_new(engine, answer_machine, data);
	request->done.machine = done;
	return request;
}

/* Compiles a definition; false with the request failed, in AWS's words: every error, one after the other. */
static bool compile(struct request *request, struct str definition, struct str type, struct program **ret_program)
{
	struct engine *engine = request->engine;
	if (definition.len > (size_t)engine->limits.definition_bytes)
		return request_fail(
		    request, ENGINE_INVALID_DEFINITION,
		    "Invalid State Machine Definition: 'The definition is %zu bytes long, at most %lld are allowed'",
		    definition.len, (long long)engine->limits.definition_bytes);
	struct diagnostics diagnostics = { 0 };
	struct program_options options = { .express = str_eqz(type, "EXPRESS"), .limits = &engine->limits };
	if (program_compile(definition, &options, &request->arena, &diagnostics, ret_program) == 0)
		return true;
	_cleanup_(buffer_done) struct buffer text = { 0 };
	for (const struct diagnostic *diagnostic = diagnostics.first; diagnostic; diagnostic = diagnostic->next) {
		if (diagnostic->severity != DIAGNOSTIC_ERROR)
			continue;
		buffer_printf(&text, "%s%s: %.*s", text.len ? ", " : "", diagnostic_code_name(diagnostic->code),
			      STR_FMT(diagnostic->message));
		if (diagnostic->location.len)
			buffer_printf(&text, " at %.*s", STR_FMT(diagnostic->location));
	}
	return request_fail(request, ENGINE_INVALID_DEFINITION, "Invalid State Machine Definition: '%.*s'",
			    STR_FMT(buffer_str(&text)));
}

static bool same_value(const struct value *a, const struct value *b)
{
	return !a || !b ? a == b : value_equal(a, b);
}

static void set_value(struct value **member, const struct value *value)
{
	value_unref(*member);
	*member = value ? value_ref(value) : NULL;
}

/* As on AWS, role and tags do not count: a repeat with others is the same machine, unchanged. */
static bool is_same(const struct machine *machine, const struct machine_request *asked, struct str type)
{
	const struct revision *current = machine->revisions;
	return str_eq(current->definition, asked->definition) && str_eq(machine->info.type, type) &&
	       same_value(current->logging, asked->logging) && same_value(current->tracing, asked->tracing) &&
	       same_value(current->encryption, asked->encryption);
}

static bool check_versioning(struct request *request, const struct machine_request *asked)
{
	if (asked->has_version_description && !asked->publish)
		return request_fail(request, ENGINE_VALIDATION,
				    "Version description can only be set when publish is true");
	return true;
}

static bool create(struct request *request, const struct machine_request *asked)
{
	struct engine *engine = request->engine;
	struct str type = asked->type.len ? asked->type : STR("STANDARD");
	if (engine->draining)
		return request_fail(request, ENGINE_UNAVAILABLE, "The server is shutting down");
	if (!check_versioning(request, asked))
		return false;
	if (!arn_name_valid(asked->name, &engine->limits))
		return request_fail_name(request, asked->name);
	struct program *program;
	if (!compile(request, asked->definition, type, &program))
		return false;
	struct machine *machine = registry_find(engine, asked->name);
	if (machine && !machine->deleted) {
		program_unref(program);
		if (machine->info.deleting)
			return request_fail(request, ENGINE_STATE_MACHINE_DELETING,
					    "State Machine is being deleted: '%.*s'", STR_FMT(machine->info.arn));
		if (!is_same(machine, asked, type))
			return request_fail(request, ENGINE_STATE_MACHINE_ALREADY_EXISTS,
					    "State Machine Already Exists: '%.*s'", STR_FMT(machine->info.arn));
		request->machine = machine; /* it may not be committed yet: the answer waits for one more write of it */
		return !asked->publish || versions_publish(request, machine, asked->version_description);
	}
	machine = machine_new(engine, engine->next_machine++, asked->name, type);
	machine->info.created_ms = machine->info.updated_ms = engine_now_ms(engine);
	set_value(&machine->tags, asked->tags);
	machine_link(engine, machine);
	struct revision *revision =
	    revision_new(machine, asked->definition, asked->role_arn, STR_EMPTY, machine->info.created_ms);
	revision->program = program;
	set_value(&revision->logging, asked->logging);
	revision_logged(engine, revision);
	set_value(&revision->tracing, asked->tracing);
	set_value(&revision->encryption, asked->encryption);
	request->machine = machine;
	return !asked->publish || versions_publish(request, machine, asked->version_description);
}

void engine_create_machine(struct engine *engine, const struct machine_request *asked, engine_machine_fn *done,
			   void *data)
{
	struct request *request = machine_request(engine, done, data);
	if (create(request, asked)) {
		registry_put_change(engine, NULL, NULL); /* the next machine's number */
		registry_put_change(engine, request->machine, request);
	} else {
		request_hold(request, 0);
	}
}

/* An update to what is there already leaves the revision as it is. */
static bool changes(const struct machine *machine, const struct machine_request *asked)
{
	const struct revision *current = machine->revisions;
	return (asked->has_definition && !str_eq(asked->definition, current->definition)) ||
	       (asked->has_role_arn && !str_eq(asked->role_arn, current->role_arn)) ||
	       (asked->logging && !same_value(asked->logging, current->logging)) ||
	       (asked->tracing && !same_value(asked->tracing, current->tracing)) ||
	       (asked->encryption && !same_value(asked->encryption, current->encryption));
}

static bool update(struct request *request, const struct machine_request *asked)
{
	struct engine *engine = request->engine;
	struct machine *machine = registry_ask(request, asked->arn);
	if (!machine)
		return false;
	if (machine->info.deleting)
		return request_fail(request, ENGINE_STATE_MACHINE_DELETING, "State Machine is being deleted: '%.*s'",
				    STR_FMT(machine->info.arn));
	if (!asked->has_definition && !asked->has_role_arn && !asked->logging && !asked->tracing && !asked->encryption)
		return request_fail(request, ENGINE_MISSING_REQUIRED_PARAMETER,
				    "Either the definition, the role ARN, the LoggingConfiguration, or the "
				    "TracingConfiguration must be specified");
	if (!check_versioning(request, asked))
		return false;
	struct revision *current = machine->revisions;
	struct program *program = NULL;
	if (asked->has_definition && !compile(request, asked->definition, machine->info.type, &program))
		return false;
	machine->info.updated_ms = engine_now_ms(engine);
	bool changed = changes(machine, asked);
	if (!changed) {
		program_unref(program);
	} else {
		char revision_id[37];
		random_uuid(&engine->random, revision_id);
		struct revision *revision =
		    revision_new(machine, asked->has_definition ? asked->definition : current->definition,
				 asked->has_role_arn ? asked->role_arn : current->role_arn, str_of(revision_id),
				 machine->info.updated_ms);
		revision->program = program ? program : current->program ? program_ref(current->program) : NULL;
		set_value(&revision->logging, asked->logging ? asked->logging : current->logging);
		revision_logged(engine, revision);
		set_value(&revision->tracing, asked->tracing ? asked->tracing : current->tracing);
		set_value(&revision->encryption, asked->encryption ? asked->encryption : current->encryption);
	}
	request->machine = machine;
	return !asked->publish || versions_publish(request, machine, asked->version_description);
}

void engine_update_machine(struct engine *engine, const struct machine_request *asked, engine_machine_fn *done,
			   void *data)
{
	struct request *request = machine_request(engine, done, data);
	if (update(request, asked))
		registry_put_change(engine, request->machine, request);
	else
		request_hold(request, 0);
}

/* ---- deleting ---------------------------------------------------------------------------------------- */

static void mark_deleted(struct engine *engine, struct machine *machine)
{
	machine->deleted = true;
	free(TAKE(engine->sorted));
}

static void on_running(void *data, const struct store_execution *rows, uint32_t count, int code,
		       const struct wf_error *err)
{
	struct request *request = data;
	if (!request_read_done(request))
		return;
	struct engine *engine = request->engine;
	struct machine *machine = request->machine;
	if (code == 0 && count == 0 && !machine->residents && !machine->deleted)
		mark_deleted(engine, machine);
	registry_put_change(engine, machine, request);
}

/* Asks the store for one execution of the machine. */
static void ask_for_executions(struct engine *engine, const struct machine *machine, int status, store_rows_fn *done,
			       void *data)
{
	struct store_list_request list = { .machine_id = machine->info.number,
					   .status = status,
					   .before_start_ms = INT64_MAX,
					   .before_id = INT64_MAX,
					   .limit = 1 };
	store_list(engine->store, &list, done, data);
}

void engine_delete_machine(struct engine *engine, struct str arn, engine_machine_fn *done, void *data)
{
	struct request *request = machine_request(engine, done, data);
	struct machine *machine = registry_ask(request, arn);
	if (!machine) {
		if (request->error == ENGINE_STATE_MACHINE_DOES_NOT_EXIST)
			request->error = ENGINE_OK;
		request_hold(request, 0);
		return;
	}
	machine->info.deleting = true;
	request->machine = machine;
	ask_for_executions(engine, machine, EXECUTION_RUNNING, on_running, request_read(request));
}

static void on_reaped(void *data, const struct store_execution *rows, uint32_t count, int code,
		      const struct wf_error *err)
{
	void *machine_data;
	struct engine *engine = errand_done(data, &machine_data);
	if (!engine)
		return;
	struct machine *machine = machine_data;
	machine->reaping = false;
	if (code < 0 || count || machine->residents)
		return;
	if (machine->deleted)
		machine->dropped = true;
	else
		mark_deleted(engine, machine);
	registry_put_change(engine, machine, NULL);
}

void registry_reap(struct engine *engine)
{
	for (struct machine *machine = engine->machines; machine; machine = machine->next) {
		if (!machine->info.deleting || machine->dropped || machine->reaping || machine->residents)
			continue;
		machine->reaping = true;
		ask_for_executions(engine, machine, machine->deleted ? -1 : EXECUTION_RUNNING, on_reaped,
				   errand_new(engine, machine));
	}
}
