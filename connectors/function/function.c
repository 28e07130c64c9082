/* function.c: the functions that there are, and the connector that gives tasks to them.
 *
 * A task whose function is here runs here; every other goes on to the connector behind (the Lambda API of an endpoint, or
 * "not found"). What a handler answers is put into the form of an answer of the Lambda API, so that both ways end in the
 * same code and the same words (lambda/lambda.c). */
#include "connectors/function/codec.h"
#include "connectors/function/room.h"
#include "connectors/lambda/lambda.h"
#include "connectors/text.h"
#include <stdio.h>
#include <stdlib.h>

/* ---- versions with pools ---------------------------------------------------------------------------- */

static struct version *find_version(struct function *function, uint64_t number)
{
	for (struct version *version = function->versions; version; version = version->next)
		if (version->current && version->number == number)
			return version;
	return NULL;
}

const struct value *version_row(const struct function *function, uint64_t number)
{
	for (size_t i = 0; i < value_count(function->published); i++) {
		int64_t at = 0;
		const struct value *row = value_at(function->published, i);
		if (value_int64(value_getz(row, "version"), &at) && (uint64_t)at == number)
			return row;
	}
	return NULL;
}

/* Where a version's copy is. To be freed. */
static char *package_folder(const struct functions *functions, struct str hash)
{
	return mem_printf("%s/packages/%.*s", functions->folder, STR_FMT(hash));
}

struct version *function_version(struct function *function, uint64_t number, struct wf_error *err)
{
	struct version *version = find_version(function, number);
	if (version)
		return version;
	const struct value *row = number ? version_row(function, number) : NULL;
	if (number && !row) {
		error_set(err, ERR(NOT_FOUND), "%s has no version %llu", function->name, (unsigned long long)number);
		return NULL;
	}
	_cleanup_free_ char *folder = NULL;
	struct str hash = row ? value_string(value_getz(row, "package")) : str_of(function->package);
	if (hash.len)
		folder = package_folder(function->owner, hash);
	version = NEW(struct version);
	version->function = function;
	version->number = number;
	if (settings_init(&version->settings, row ? value_getz(row, "settings") : function->source, folder, err) < 0) {
		free(version);
		return NULL;
	}
	if (number)
		snprintf(version->text, sizeof version->text, "%llu", (unsigned long long)number);
	else
		snprintf(version->text, sizeof version->text, "%s", FUNCTION_LATEST);
	version->current = true;
	version->next = function->versions;
	function->versions = version;
	return version;
}

static void function_free(struct function *function)
{
	round_leave(function);
	for (struct function **at = &function->owner->all; *at; at = &(*at)->next)
		if (*at == function) {
			*at = function->next;
			break;
		}
	free(function->name);
	free(function->arn);
	free(function->package);
	value_unref(function->source);
	value_unref(function->published);
	value_unref(function->aliases);
	for (unsigned i = 0; i < LOG_LINES; i++)
		free(function->log[i].text);
	free(function);
}

void version_free_if_unused(struct version *version)
{
	struct function *function = version->function;
	if (version->current || version->workers_count || version->queued)
		return;
	for (struct version **at = &function->versions; *at; at = &(*at)->next)
		if (*at == version) {
			*at = version->next;
			break;
		}
	settings_done(&version->settings);
	free(version);
	if (function->removed && !function->versions)
		function_free(function);
}

/* What it may take of the room that all share: the settings of $LATEST say so. */
int function_refresh(struct function *function, struct wf_error *err)
{
	struct version *latest = find_version(function, 0);
	if (latest)
		pool_retire(latest);
	latest = function_version(function, 0, err);
	if (!latest)
		return err->code;
	function->max_concurrent = latest->settings.max_concurrent;
	function->reserved = latest->settings.reserved;
	pool_prewarm(latest);
	return 0;
}

struct function *function_new(struct functions *functions, struct str name)
{
	struct function *function = NEW(struct function);
	function->owner = functions;
	function->name = mem_strndup(name.ptr, name.len);
	function->arn =
	    mem_printf("arn:aws:lambda:%s:%s:function:%s", functions->region, functions->account, function->name);
	function->published = value_new_array(0);
	function->aliases = value_new_object(0);
	function->next_version = 1;
	function->max_concurrent = 1;
	function->created_ms = function->updated_ms = functions_wall_ms(functions);
	function->next = functions->all;
	functions->all = function;
	str_map_put(&functions->by_name, name, function);
	return function;
}

/* It is found no more; it goes when nothing of it runs. */
void function_remove(struct function *function)
{
	str_map_remove(&function->owner->by_name, str_of(function->name));
	function->removed = true;
	if (!function->versions) {
		function_free(function);
		return;
	}
	for (struct version *next, *version = function->versions; version; version = next) {
		next = version->next; /* the last one takes the function with it */
		if (version->current)
			pool_retire(version);
	}
}

/* ---- tasks --------------------------------------------------------------------------------------------- */

struct local_task {
	struct functions *functions;
	struct task_key key;
	struct invocation *invocation;
	char *function; /* as the task names it */
	bool plain;
};

static struct functions *of(const struct connector *connector)
{
	return (struct functions *)connector;
}

static void free_task(struct local_task *task)
{
	free(task->function);
	free(task);
}

static void add(struct http_header *headers, size_t *count, const char *name, struct str text)
{
	headers[(*count)++] = (struct http_header){ str_of(name), text };
}

/* The answer as the Lambda API would give it. */
static void make_outcome(const struct local_task *task, const struct invoke_result *result, struct outcome *outcome)
{
	char length[24];
	struct http_header headers[8];
	struct http_response response = { .failure = HTTP_ANSWERED, .status = 200, .headers = headers };
	_cleanup_(buffer_done) struct buffer body = { 0 };
	size_t count = 0;
	struct str payload = result->payload;
	if (result->end == INVOKE_REFUSED) {
		response.status = result->status;
		add(headers, &count, "x-amzn-ErrorType", str_of(result->error));
		buffer_addz(&body, "{\"Message\":");
		value_write_string(result->message, &body);
		buffer_byte(&body, '}');
		payload = result->status < 300 ? STR_EMPTY : buffer_str(&body);
	} else if (result->said.len) {
		/* A crash or a timeout says nothing of why: what it printed last may. */
		buffer_append(&body, payload.ptr, payload.len - 1);
		buffer_addz(&body, ",\"log\":");
		value_write_string(result->said, &body);
		buffer_byte(&body, '}');
		payload = buffer_str(&body);
	}
	snprintf(length, sizeof length, "%zu", payload.len);
	add(headers, &count, "Content-Type", STR("application/json"));
	add(headers, &count, "Content-Length", str_of(length));
	add(headers, &count, "X-Amz-Executed-Version", result->version);
	add(headers, &count, "x-amzn-RequestId", str_of(result->request_id));
	if (result->end == INVOKE_FAILED)
		add(headers, &count, "X-Amz-Function-Error", STR("Unhandled"));
	response.headers_count = count;
	response.body = payload;
	lambda_outcome(task->plain, task->function, &response, outcome);
}

static void on_invoked(void *data, const struct invoke_result *result)
{
	struct local_task *task = data;
	struct connector_host *host = task->functions->host;
	struct outcome outcome = { 0 };
	struct task_key key = task->key;
	make_outcome(task, result, &outcome);
	str_map_remove(&task->functions->tasks, task_key_str(&key));
	free_task(task);
	outcome_report(&outcome, host, key);
}

static struct str parameter(const struct task_request *request, const char *name)
{
	const struct value *value = request->lambda_arn ? NULL : value_getz(request->parameters, name);
	return value ? value_string(value) : STR_EMPTY;
}

static int start_here(struct functions *functions, const struct task_request *request, struct str function)
{
	struct local_task *task = NEW(struct local_task);
	_cleanup_(buffer_done) struct buffer context = { 0 };
	struct str type = parameter(request, "InvocationType"), given = parameter(request, "ClientContext");
	*task = (struct local_task){ .functions = functions,
				     .key = request->key,
				     .function = mem_strndup(function.ptr, function.len),
				     .plain = request->lambda_arn };
	if (given.len)
		decode_base64(given, &context);
	struct invoke_request invoke = { .function = function,
					 .qualifier = parameter(request, "Qualifier"),
					 .event = lambda_event(request),
					 .client_context = buffer_str(&context),
					 .trace_parent = request->trace_parent,
					 .task = request,
					 .dry_run = str_eqz(type, "DryRun") };
	task->invocation = str_eqz(type, "Event") ? functions_invoke_event(functions, &invoke, on_invoked, task)
						  : functions_invoke(functions, &invoke, on_invoked, task);
	str_map_put(&functions->tasks, task_key_str(&request->key), task);
	return 0;
}

static int function_start(struct connector *connector, const struct task_request *request, struct wf_error *err)
{
	struct functions *functions = of(connector);
	struct str function = request->lambda_arn ? request->resource_arn : parameter(request, "FunctionName");
	if (functions_has(functions, function))
		return start_here(functions, request, function);
	return functions->next->class->start(functions->next, request, err);
}

static void function_cancel(struct connector *connector, struct task_key key)
{
	struct functions *functions = of(connector);
	struct local_task *task = str_map_remove(&functions->tasks, task_key_str(&key));
	if (!task) {
		functions->next->class->cancel(functions->next, key);
		return;
	}
	functions_cancel(task->invocation);
	free_task(task);
}

static bool function_accepts(const struct connector *connector, struct str type, struct str api)
{
	return of(connector)->next->class->accepts(of(connector)->next, type, api);
}

static uint32_t function_running(const struct connector *connector)
{
	const struct functions *functions = of(connector);
	return (uint32_t)functions->tasks.count + functions->next->class->running(functions->next);
}

/* ---- life -------------------------------------------------------------------------------------------------- */

/* Invocations without a word, workers with their guards' sockets, which is their end. */
static void empty_version(struct version *version)
{
	for (struct invocation *invocation; (invocation = version->queue.first);) {
		version->queue.first = invocation->next;
		invocation_free(invocation);
	}
	while (version->workers.first) {
		if (version->workers.first->invocation)
			invocation_free(version->workers.first->invocation);
		worker_free(version->workers.first);
	}
}

static void free_functions(struct functions *functions)
{
	for (struct function *function = functions->all; function; function = function->next)
		for (struct version *version = function->versions; version; version = version->next)
			empty_version(version);
	for (struct invocation *invocation; (invocation = functions->answered.first);) {
		functions->answered.first = invocation->next;
		invocation_free(invocation);
	}
	for (struct invocation *invocation; (invocation = functions->keeping.first);) {
		functions->keeping.first = invocation->next;
		invocation_free(invocation);
	}
	runtime_api_free(functions->api);
	spawner_stop(&functions->spawner);
	while (functions->all) {
		struct function *function = functions->all;
		for (struct version *next, *version = function->versions; version; version = next) {
			next = version->next;
			settings_done(&version->settings);
			free(version);
		}
		function_free(function);
	}
}

static void function_connector_free(struct connector *connector)
{
	struct functions *functions = of(connector);
	functions->ending = true;
	admin_done(functions);
	pool_done(functions);
	free_functions(functions);
	size_t i = 0;
	for (struct str_map_entry *entry; (entry = str_map_next(&functions->tasks, &i));)
		free_task(entry->value);
	str_map_done(&functions->tasks);
	str_map_done(&functions->by_name);
	u64_map_done(&functions->by_address);
	if (functions->next)
		functions->next->class->free(functions->next);
	free(functions->region);
	free(functions->account);
	free(functions->folder);
	free(functions->clients);
	free(functions->cgroup);
	free(functions);
}

static const struct connector_class function_class = {
	.name = "lambda",
	.accepts = function_accepts,
	.start = function_start,
	.cancel = function_cancel,
	.running = function_running,
	.free = function_connector_free,
};

static int load_config(struct functions *functions, const struct value *config, struct wf_error *err)
{
	for (size_t i = 0; config && i < value_count(config); i++) {
		struct str name = value_key_at(config, i);
		int r = 0;
		if (!function_name_valid(name)) {
			r = error_set(err, ERR(INVALID), "a function's name has 1 to 64 of A-Z a-z 0-9 _ -");
		} else {
			struct function *function = function_new(functions, name);
			function->configured = true;
			function->source = value_ref(value_at(config, i));
			r = function_refresh(function, err);
		}
		if (r < 0) {
			char inner[200];
			snprintf(inner, sizeof inner, "%.190s", err->where);
			snprintf(err->where, sizeof err->where, "/%.*s%s", name.len > 50 ? 50 : (int)name.len, name.ptr,
				 inner);
			return ERR(INVALID);
		}
	}
	return 0;
}

int connector_function_new(const struct functions_options *options, struct functions **ret_functions,
			   struct connector **ret_connector, struct wf_error *err)
{
	struct wf_error unused = { 0 };
	struct functions *functions = NEW(struct functions);
	functions->connector = (struct connector){ &function_class, options->host };
	functions->host = options->host;
	functions->records = options->records;
	functions->events = options->events;
	functions->region = mem_strdup(options->region);
	functions->account = mem_strdup(options->account);
	functions->folder = mem_strdup(options->folder);
	functions->clock = options->clock ? options->clock : clock_system();
	functions->launcher = options->launcher ? options->launcher : &process_launcher;
	uint64_t seed = options->seed;
	if (!seed)
		random_secure(&seed, sizeof seed);
	random_seed(&functions->random, seed);
	pool_init(functions);
	int r = load_config(functions, options->config, err ? err : &unused);
	if (r < 0) {
		function_connector_free(&functions->connector);
		return r;
	}
	functions->next = options->next;
	if (functions->records)
		admin_load(functions);
	pool_begin_reaping(functions);
	*ret_functions = functions;
	*ret_connector = &functions->connector;
	return 0;
}
