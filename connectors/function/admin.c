/* admin.c: making, publishing, naming, rolling back and removing functions; what is told of them.
 *
 * A function is one record of the store: {settings, package, versions, aliases, next_version, created_ms, updated_ms}. It is written
 * whole with every change, and the answer waits for it. Versions' copies are made before the record names them, so that a
 * record never names what is not there; copies that no record names are removed at the next start. */
#include "connectors/function/room.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define RECORD_VERSION 1
#define ALIASES_MOST 1000

/* ---- looking ------------------------------------------------------------------------------------------- */

static struct function *find(const struct functions *functions, struct str name)
{
	return str_map_get(&functions->by_name, name);
}

static void add_text(struct value *object, const char *key, const char *text)
{
	if (text)
		value_object_setz(object, key, text);
}

static void add_number(struct value *object, const char *key, int64_t number)
{
	value_object_take(object, str_of(key), value_from_int(number));
}

static struct value *describe_pool(const struct function *function)
{
	uint32_t workers = 0, idle = 0, starting = 0, queued = 0;
	struct value *pool = value_new_object(8);
	for (const struct version *version = function->versions; version; version = version->next) {
		workers += version->workers_count;
		idle += version->idle_count;
		starting += version->starting;
		queued += version->queued;
	}
	add_number(pool, "workers", workers);
	add_number(pool, "idle", idle);
	add_number(pool, "starting", starting);
	add_number(pool, "busy", (int64_t)workers - idle - starting);
	add_number(pool, "queued", queued);
	add_number(pool, "max_concurrent", function->max_concurrent);
	add_number(pool, "reserved", function->reserved);
	return pool;
}

static struct value *describe_figures(const struct function *function)
{
	struct value *figures = value_new_object(6);
	add_number(figures, "invocations", (int64_t)function->invocations);
	add_number(figures, "events", (int64_t)function->events);
	add_number(figures, "errors", (int64_t)function->errors);
	add_number(figures, "throttles", (int64_t)function->throttles);
	add_number(figures, "timeouts", (int64_t)function->timeouts);
	add_number(figures, "cold_starts", (int64_t)function->cold_starts);
	return figures;
}

static const struct version *latest(const struct function *function)
{
	for (const struct version *version = function->versions; version; version = version->next)
		if (version->current && !version->number)
			return version;
	return NULL;
}

/* `whole`: with versions, aliases and settings. */
static struct value *describe(const struct function *function, bool whole)
{
	const struct version *version = latest(function);
	struct value *object = value_new_object(16);
	add_text(object, "name", function->name);
	add_text(object, "arn", function->arn);
	add_text(object, "from", function->configured ? "configuration" : "store");
	if (version) {
		const struct settings *settings = &version->settings;
		add_text(object, "runtime", runtime_names[settings->runtime]);
		add_text(object, "entry", settings->entry);
		add_text(object, "handler", settings->folder);
		add_text(object, "description", settings->description);
		add_number(object, "timeout_ms", settings->timeout_ms);
		add_number(object, "memory_mb", settings->memory_mb);
	} else {
		add_text(object, "problem", "its settings are no good any more: see `settings`");
	}
	add_number(object, "latest_version", (int64_t)function->next_version - 1);
	add_text(object, "package", function->package);
	value_object_take(object, STR("pool"), describe_pool(function));
	value_object_take(object, STR("figures"), describe_figures(function));
	add_number(object, "created_ms", function->created_ms);
	add_number(object, "updated_ms", function->updated_ms);
	if (whole) {
		value_object_set(object, STR("settings"), function->source);
		value_object_set(object, STR("versions"), function->published);
		value_object_set(object, STR("aliases"), function->aliases);
	}
	return object;
}

static int by_name(const void *a, const void *b)
{
	return strcmp((*(struct function *const *)a)->name, (*(struct function *const *)b)->name);
}

static struct function **sorted(const struct functions *functions, size_t *ret_count)
{
	struct function **list = mem_alloc(sizeof *list * (functions->by_name.count + 1));
	size_t count = 0, i = 0;
	for (struct str_map_entry *entry; (entry = str_map_next(&functions->by_name, &i));)
		list[count++] = entry->value;
	qsort(list, count, sizeof *list, by_name);
	*ret_count = count;
	return list;
}

struct value *functions_list(struct functions *functions)
{
	size_t count;
	_cleanup_free_ struct function **list = sorted(functions, &count);
	struct value *array = value_new_array(count);
	for (size_t i = 0; i < count; i++)
		value_array_take(array, describe(list[i], false));
	return array;
}

struct value *functions_show(struct functions *functions, struct str name)
{
	const struct function *function = find(functions, name);
	return function ? describe(function, true) : NULL;
}

struct value *functions_logs(struct functions *functions, struct str name, uint64_t after)
{
	const struct function *function = find(functions, name);
	if (!function)
		return NULL;
	uint64_t first = function->log_count > LOG_LINES ? function->log_count - LOG_LINES : 0;
	struct value *lines = value_new_array(16), *object = value_new_object(2);
	for (uint64_t i = after > first ? after : first; i < function->log_count; i++) {
		const struct function_line *row = &function->log[i % LOG_LINES];
		struct value *line = value_new_object(5);
		add_number(line, "number", (int64_t)i + 1);
		add_number(line, "time_ms", row->time_ms);
		if (*row->request_id)
			add_text(line, "request_id", row->request_id);
		add_text(line, "version", row->version);
		add_text(line, "text", row->text);
		value_array_take(lines, line);
	}
	value_object_take(object, STR("lines"), lines);
	add_number(object, "next", (int64_t)function->log_count);
	return object;
}

/* ---- AWS's form ------------------------------------------------------------------------------------------- */

static void write_time(int64_t ms, char out[40])
{
	time_t seconds = (time_t)(ms / 1000);
	size_t length = strftime(out, 32, "%Y-%m-%dT%H:%M:%S", gmtime(&seconds));
	snprintf(out + length, 40 - length, ".%03d+0000", (int)(ms % 1000));
}

static struct value *configure(const struct function *function, const struct version *version, int64_t modified_ms)
{
	static const char *const names[] = { "python3.12", "nodejs20.x", "provided.al2023", "provided.al2023" };
	const struct settings *settings = &version->settings;
	struct value *object = value_new_object(14);
	_cleanup_free_ char *arn =
	    version->number ? mem_printf("%s:%s", function->arn, version->text) : mem_strdup(function->arn);
	char modified[40];
	write_time(modified_ms, modified);
	add_text(object, "FunctionName", function->name);
	add_text(object, "FunctionArn", arn);
	add_text(object, "Runtime", names[settings->runtime]);
	add_text(object, "Handler", settings->entry ? settings->entry : settings->command);
	add_text(object, "Description", settings->description ? settings->description : "");
	add_number(object, "Timeout", (settings->timeout_ms + 999) / 1000);
	add_number(object, "MemorySize", settings->memory_mb);
	add_text(object, "LastModified", modified);
	add_text(object, "Version", version->text);
	add_text(object, "PackageType", "Zip");
	add_text(object, "State", "Active");
	add_text(object, "LastUpdateStatus", "Successful");
	return object;
}

static struct value *configure_version(struct function *function, uint64_t number)
{
	const struct version *version = function_version(function, number, &(struct wf_error){ 0 });
	int64_t modified_ms = function->updated_ms;
	for (size_t i = 0; i < value_count(function->published); i++) {
		int64_t at = 0;
		const struct value *row = value_at(function->published, i);
		if (number && value_int64(value_getz(row, "version"), &at) && (uint64_t)at == number)
			value_int64(value_getz(row, "created_ms"), &modified_ms);
	}
	return version ? configure(function, version, modified_ms) : NULL;
}

struct value *functions_configuration(struct functions *functions, struct str name, struct str qualifier)
{
	struct function *function = find(functions, name);
	int64_t number = function ? function_resolve(function, qualifier) : -1;
	return number < 0 ? NULL : configure_version(function, (uint64_t)number);
}

struct value *functions_configurations(struct functions *functions, struct str name)
{
	struct function *one = name.len ? find(functions, name) : NULL;
	if (name.len && !one)
		return NULL;
	struct value *array = value_new_array(8), *object;
	if (one) {
		if ((object = configure_version(one, 0)))
			value_array_take(array, object);
		for (size_t i = 0; i < value_count(one->published); i++) {
			int64_t number = 0;
			value_int64(value_getz(value_at(one->published, i), "version"), &number);
			if ((object = configure_version(one, (uint64_t)number)))
				value_array_take(array, object);
		}
		return array;
	}
	size_t count;
	_cleanup_free_ struct function **list = sorted(functions, &count);
	for (size_t i = 0; i < count; i++)
		if ((object = configure_version(list[i], 0)))
			value_array_take(array, object);
	return array;
}

/* ---- changing --------------------------------------------------------------------------------------------- */

/* A change that waits for its record. */
struct admin_change {
	struct functions *functions;
	char *name;
	struct value *answer;
	functions_done *done;
	void *data;
};

static void refuse(functions_done *done, void *data, int code, const char *where, const char *format, ...)
{
	struct wf_error err = { 0 };
	va_list args;
	va_start(args, format);
	error_vset(&err, code, format, args);
	va_end(args);
	if (where)
		error_where(&err, "%s", where);
	done(data, &err, NULL);
}

static void on_stored(void *data, const struct wf_error *err)
{
	struct admin_change *change = data;
	change->done(change->data, err, change->answer);
	value_unref(change->answer);
	free(change->name);
	free(change);
}

/* Takes over `answer`. */
static void store(struct functions *functions, const char *name, const struct function *function, struct value *answer,
		  functions_done *done, void *data)
{
	struct admin_change *change = NEW(struct admin_change);
	*change = (struct admin_change){
		.functions = functions, .name = mem_strdup(name), .answer = answer, .done = done, .data = data
	};
	if (!functions->records) {
		on_stored(change, NULL);
		return;
	}
	if (!function) {
		functions->records->put(functions->records, str_of(name), (struct str){ NULL, 0 }, on_stored, change);
		return;
	}
	_cleanup_(value_unrefp) struct value *record = value_new_object(8);
	add_number(record, "record", RECORD_VERSION);
	value_object_set(record, STR("settings"), function->source);
	add_text(record, "package", function->package);
	value_object_set(record, STR("versions"), function->published);
	value_object_set(record, STR("aliases"), function->aliases);
	add_number(record, "next_version", (int64_t)function->next_version);
	add_number(record, "created_ms", function->created_ms);
	add_number(record, "updated_ms", function->updated_ms);
	functions->records->put(functions->records, str_of(name), value_text(record), on_stored, change);
}

/* The function, if it may be changed; NULL after it refused. */
static struct function *changeable(struct functions *functions, struct str name, functions_done *done, void *data)
{
	struct function *function = find(functions, name);
	if (!function)
		refuse(done, data, ERR(NOT_FOUND), NULL, "there is no function %.*s", STR_FMT(name));
	else if (function->configured)
		refuse(done, data, ERR(EXISTS), NULL, "%s is the configuration's: change it there", function->name);
	else
		return function;
	return NULL;
}

static void changed(struct function *function, functions_done *done, void *data)
{
	function->updated_ms = functions_wall_ms(function->owner);
	store(function->owner, function->name, function, describe(function, true), done, data);
}

void functions_put(struct functions *functions, struct str name, const struct value *given, functions_done *done,
		   void *data)
{
	if (!function_name_valid(name)) {
		refuse(done, data, ERR(INVALID), "/name", "a function's name has 1 to 64 of A-Z a-z 0-9 _ -");
		return;
	}
	struct function *function = find(functions, name);
	if (function && !(function = changeable(functions, name, done, data)))
		return;
	struct settings settings;
	struct wf_error err = { 0 };
	const struct value *handler = value_getz(given, "handler");
	if (handler && !str_starts(value_string(handler), STR("/"))) {
		/* The server may be started elsewhere the next time. */
		refuse(done, data, ERR(INVALID), "/handler", "expected an absolute path");
		return;
	}
	if (settings_init(&settings, given, NULL, &err) < 0) {
		done(data, &err, NULL);
		return;
	}
	settings_done(&settings);
	if (!function)
		function = function_new(functions, name);
	value_unref(function->source);
	function->source = value_ref(given);
	free(TAKE(function->package));
	if (function_refresh(function, &err) < 0) {
		done(data, &err, NULL);
		return;
	}
	changed(function, done, data);
}

void functions_remove(struct functions *functions, struct str name, functions_done *done, void *data)
{
	struct function *function = changeable(functions, name, done, data);
	if (!function)
		return;
	_cleanup_free_ char *kept = mem_strdup(function->name);
	if (function->publishing) {
		refuse(done, data, ERR(BUSY), NULL, "a version of %s is being published", kept);
		return;
	}
	function_remove(function);
	store(functions, kept, NULL, NULL, done, data);
}

/* ---- publishing ---------------------------------------------------------------------------------------------- */

struct publishing {
	struct publishing *next;
	struct functions *functions;
	struct package_job *job;
	char *name, *description;
	functions_done *done;
	void *data;
};

static void publishing_free(struct publishing *publishing)
{
	free(publishing->name);
	free(publishing->description);
	free(publishing);
}

static const struct value *newest(const struct function *function)
{
	size_t count = value_count(function->published);
	return count ? value_at(function->published, count - 1) : NULL;
}

static void add_version(struct function *function, struct str package, const char *description, functions_done *done,
			void *data)
{
	const struct value *last = newest(function);
	if (last && str_eq(value_string(value_getz(last, "package")), package) &&
	    value_equal(value_getz(last, "settings"), function->source)) {
		done(data, NULL, last);
		return;
	}
	struct value *row = value_new_object(5), *all = value_new_array(value_count(function->published) + 1);
	add_number(row, "version", (int64_t)function->next_version++);
	if (package.len)
		value_object_take(row, STR("package"), value_from_string(package));
	value_object_set(row, STR("settings"), function->source);
	add_text(row, "description", description ? description : "");
	add_number(row, "created_ms", functions_wall_ms(function->owner));
	for (size_t i = 0; i < value_count(function->published); i++)
		value_array_add(all, value_at(function->published, i));
	value_array_add(all, row);
	value_unref(function->published);
	function->published = all;
	store(function->owner, function->name, function, row, done, data);
}

static void on_packaged(void *data, const struct wf_error *err, const char *hash)
{
	struct publishing *publishing = data;
	struct functions *functions = publishing->functions;
	for (struct publishing **at = &functions->publishing; *at; at = &(*at)->next)
		if (*at == publishing) {
			*at = publishing->next;
			break;
		}
	struct function *function = find(functions, str_of(publishing->name));
	assert(function); /* it is not removed meanwhile */
	function->publishing = false;
	if (err)
		publishing->done(publishing->data, err, NULL);
	else
		add_version(function, str_of(hash), publishing->description, publishing->done, publishing->data);
	publishing_free(publishing);
}

void functions_publish(struct functions *functions, struct str name, struct str description, functions_done *done,
		       void *data)
{
	struct function *function = changeable(functions, name, done, data);
	struct wf_error err = { 0 };
	if (!function)
		return;
	const struct version *version = function_version(function, 0, &err);
	if (!version) {
		done(data, &err, NULL);
		return;
	}
	if (function->publishing) {
		refuse(done, data, ERR(BUSY), NULL, "a version of %s is being published already", function->name);
		return;
	}
	_cleanup_free_ char *text = mem_strndup(description.ptr, description.len);
	if (function->package || !version->settings.folder) {
		add_version(function, str_of(function->package), text, done, data);
		return;
	}
	struct publishing *publishing = NEW(struct publishing);
	*publishing = (struct publishing){ .functions = functions,
					   .name = mem_strdup(function->name),
					   .description = TAKE(text),
					   .done = done,
					   .data = data,
					   .next = functions->publishing };
	functions->publishing = publishing;
	function->publishing = true;
	publishing->job = package_begin(functions->host->loop, functions->folder, version->settings.folder, on_packaged,
					publishing);
}

/* ---- aliases and rolling back --------------------------------------------------------------------------------- */

static bool alias_valid(struct str alias)
{
	bool digits = true;
	for (size_t i = 0; i < alias.len; i++)
		digits &= alias.ptr[i] >= '0' && alias.ptr[i] <= '9';
	return !digits && alias.len <= 128 && function_name_valid(str_sub(alias, 0, FUNCTION_NAME_MAX)) &&
	       (alias.len <= FUNCTION_NAME_MAX || function_name_valid(str_sub(alias, FUNCTION_NAME_MAX, 64)));
}

/* version 0: without the alias. */
static void set_alias(struct function *function, struct str alias, uint64_t number)
{
	const struct value *before = value_get(function->aliases, alias);
	struct value *all = value_new_object(value_count(function->aliases) + 1);
	for (size_t i = 0; i < value_count(function->aliases); i++)
		if (!str_eq(value_key_at(function->aliases, i), alias))
			value_object_set(all, value_key_at(function->aliases, i), value_at(function->aliases, i));
	if (number) {
		struct value *row = value_new_object(3);
		int64_t old = 0;
		add_number(row, "version", (int64_t)number);
		if (before && value_int64(value_getz(before, "version"), &old) && (uint64_t)old != number)
			add_number(row, "previous", old);
		else if (before && value_int64(value_getz(before, "previous"), &old))
			add_number(row, "previous", old);
		add_number(row, "updated_ms", functions_wall_ms(function->owner));
		value_object_take(all, alias, row);
	}
	value_unref(function->aliases);
	function->aliases = all;
}

void functions_alias(struct functions *functions, struct str name, struct str alias, uint64_t version,
		     functions_done *done, void *data)
{
	struct function *function = changeable(functions, name, done, data);
	if (!function)
		return;
	if (!alias_valid(alias))
		refuse(done, data, ERR(INVALID), "/alias",
		       "an alias has 1 to 128 of A-Z a-z 0-9 _ -, and is not a number");
	else if (version && !version_row(function, version))
		refuse(done, data, ERR(NOT_FOUND), "/version", "%s has no version %llu", function->name,
		       (unsigned long long)version);
	else if (!version && !value_get(function->aliases, alias))
		refuse(done, data, ERR(NOT_FOUND), "/alias", "%s has no alias %.*s", function->name, STR_FMT(alias));
	else if (value_count(function->aliases) >= ALIASES_MOST && !value_get(function->aliases, alias))
		refuse(done, data, ERR(LIMIT), "/alias", "%s has %d aliases already", function->name, ALIASES_MOST);
	else {
		set_alias(function, alias, version);
		changed(function, done, data);
	}
}

static bool is_latest(const struct function *function, const struct value *row)
{
	return function->package && str_eqz(value_string(value_getz(row, "package")), function->package) &&
	       value_equal(value_getz(row, "settings"), function->source);
}

/* The newest version that $LATEST is not. */
static uint64_t version_before(const struct function *function)
{
	for (size_t i = value_count(function->published); i-- > 0;) {
		int64_t number = 0;
		const struct value *row = value_at(function->published, i);
		if (!is_latest(function, row) && value_int64(value_getz(row, "version"), &number))
			return (uint64_t)number;
	}
	return 0;
}

static void roll_latest(struct function *function, const struct value *row, functions_done *done, void *data)
{
	struct wf_error err = { 0 };
	struct str package = value_string(value_getz(row, "package"));
	struct value *settings = value_ref(value_getz(row, "settings"));
	value_unref(function->source);
	function->source = settings;
	free(TAKE(function->package));
	if (package.len)
		function->package = mem_strndup(package.ptr, package.len);
	if (function_refresh(function, &err) < 0)
		done(data, &err, NULL);
	else
		changed(function, done, data);
}

void functions_rollback(struct functions *functions, struct str name, struct str alias, uint64_t version,
			functions_done *done, void *data)
{
	struct function *function = changeable(functions, name, done, data);
	if (!function)
		return;
	if (!alias.len) {
		version = version ? version : version_before(function);
		const struct value *row = version_row(function, version);
		if (row)
			roll_latest(function, row, done, data);
		else
			refuse(done, data, ERR(NOT_FOUND), "/version", "%s has no version to go back to", function->name);
		return;
	}
	const struct value *row = value_get(function->aliases, alias);
	int64_t previous = (int64_t)version;
	if (!row)
		refuse(done, data, ERR(NOT_FOUND), "/alias", "%s has no alias %.*s", function->name, STR_FMT(alias));
	else if (!version && !value_int64(value_getz(row, "previous"), &previous))
		refuse(done, data, ERR(NOT_FOUND), "/alias", "the alias %.*s has named one version only", STR_FMT(alias));
	else
		functions_alias(functions, name, alias, (uint64_t)previous, done, data);
}

/* ---- at start ------------------------------------------------------------------------------------------------- */

static void load(void *data, struct str key, struct str bytes)
{
	struct functions *functions = data;
	_cleanup_(value_unrefp) struct value *record = NULL;
	if (value_parse(bytes, NULL, &record, NULL) < 0 || !value_is(record, VALUE_OBJECT) || find(functions, key))
		return; /* the configuration's comes before the store's */
	struct function *function = function_new(functions, key);
	const struct value *settings = value_getz(record, "settings"), *versions = value_getz(record, "versions"),
			   *aliases = value_getz(record, "aliases"), *package = value_getz(record, "package");
	int64_t next = 1;
	function->source = settings ? value_ref(settings) : value_new_object(0);
	if (versions && value_is(versions, VALUE_ARRAY)) {
		value_unref(function->published);
		function->published = value_ref(versions);
	}
	if (aliases && value_is(aliases, VALUE_OBJECT)) {
		value_unref(function->aliases);
		function->aliases = value_ref(aliases);
	}
	if (package)
		function->package = mem_strndup(value_string(package).ptr, value_string(package).len);
	if (value_int64(value_getz(record, "next_version"), &next) && next > 0)
		function->next_version = (uint64_t)next;
	value_int64(value_getz(record, "created_ms"), &function->created_ms);
	value_int64(value_getz(record, "updated_ms"), &function->updated_ms);
	/* Its folder may be gone: then it is there, and says so when it is invoked. */
	struct wf_error err = { 0 };
	function_refresh(function, &err);
}

static bool is_used(void *data, const char *hash)
{
	const struct functions *functions = data;
	size_t i = 0;
	for (struct str_map_entry *entry; (entry = str_map_next(&functions->by_name, &i));) {
		const struct function *function = entry->value;
		if (function->package && strcmp(function->package, hash) == 0)
			return true;
		for (size_t k = 0; k < value_count(function->published); k++)
			if (str_eqz(value_string(value_getz(value_at(function->published, k), "package")), hash))
				return true;
	}
	return false;
}

void admin_load(struct functions *functions)
{
	functions->records->each(functions->records, load, functions);
	package_sweep(functions->folder, is_used, functions);
}

void admin_done(struct functions *functions)
{
	for (struct publishing *publishing; (publishing = functions->publishing);) {
		functions->publishing = publishing->next;
		package_cancel(publishing->job);
		publishing_free(publishing);
	}
}
