/* settings.c: what a function is told to be: one table of settings; what is left out is found in the folder. */
#include "connectors/function/room.h"
#include "connectors/secret.h"
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECONDS_MAX (366.0 * 86400)
#define SOURCE_BYTES_MAX (1 << 20)

const char *const runtime_names[] = { "python", "nodejs", "provided", "command" };

bool function_name_valid(struct str name)
{
	if (!name.len || name.len > FUNCTION_NAME_MAX)
		return false;
	for (size_t i = 0; i < name.len; i++)
		if (!isalnum((unsigned char)name.ptr[i]) && name.ptr[i] != '_' && name.ptr[i] != '-')
			return false;
	return true;
}

static int wrong(const struct value *value, const char *expected, struct wf_error *err)
{
	return error_set(err, ERR(INVALID), "expected %s, found %s", expected, value_kind_name(value_kind(value)));
}

/* ---- kinds of settings ------------------------------------------------------------------------ */

static int read_text(void *slot, const struct value *value, struct wf_error *err)
{
	struct str text = value_string(value);
	if (!value_is(value, VALUE_STRING) || !text.len || memchr(text.ptr, 0, text.len))
		return wrong(value, "a text that is not empty", err);
	*(char **)slot = mem_strndup(text.ptr, text.len);
	return 0;
}

static int read_description(void *slot, const struct value *value, struct wf_error *err)
{
	if (!value_is(value, VALUE_STRING))
		return wrong(value, "a text", err);
	*(char **)slot = mem_strndup(value_string(value).ptr, value_string(value).len);
	return 0;
}

static int read_seconds(void *slot, const struct value *value, struct wf_error *err)
{
	double seconds = value_number(value);
	if (!value_is(value, VALUE_NUMBER) || !(seconds > 0) || seconds > SECONDS_MAX)
		return wrong(value, "a number of seconds above 0 (a year at most)", err);
	*(int64_t *)slot = (int64_t)(seconds * 1000) + (seconds * 1000 < 1);
	return 0;
}

static int read_size(void *slot, const struct value *value, struct wf_error *err)
{
	int64_t number;
	if (!value_int64(value, &number) || number < 1 || number > 1000000000)
		return wrong(value, "a whole number from 1 to 1000000000", err);
	*(int64_t *)slot = number;
	return 0;
}

static int read_count(void *slot, const struct value *value, struct wf_error *err)
{
	int64_t number;
	if (!value_int64(value, &number) || number < 0 || number > 1000000)
		return wrong(value, "a whole number from 0 to 1000000", err);
	*(uint32_t *)slot = (uint32_t)number;
	return 0;
}

static int read_retries(void *slot, const struct value *value, struct wf_error *err)
{
	int64_t number;
	if (!value_int64(value, &number) || number < 0 || number > 100)
		return wrong(value, "a whole number from 0 to 100", err);
	*(uint32_t *)slot = (uint32_t)number;
	return 0;
}

static int read_share(void *slot, const struct value *value, struct wf_error *err)
{
	double share = value_number(value);
	if (!value_is(value, VALUE_NUMBER) || !(share >= 0.01) || share > 100000)
		return wrong(value, "a number of processors, 0.01 or more", err);
	*(double *)slot = share;
	return 0;
}

static int read_env(void *slot, const struct value *value, struct wf_error *err)
{
	if (!value_is(value, VALUE_OBJECT))
		return wrong(value, "an object of texts", err);
	for (size_t i = 0; i < value_count(value); i++) {
		struct str name = value_key_at(value, i);
		bool good = name.len && !memchr(name.ptr, 0, name.len) && !memchr(name.ptr, '=', name.len);
		int r = good ? secret_check(value_at(value, i), err)
			     : error_set(err, ERR(INVALID), "that is no name for an environment variable");
		if (r < 0) {
			error_where(err, "/%.*s", STR_FMT(name));
			return r;
		}
	}
	*(const struct value **)slot = value;
	return 0;
}

static int read_runtime(void *slot, const struct value *value, struct wf_error *err)
{
	struct str text = value_string(value);
	/* AWS's names have a version behind them: python3.12, nodejs20.x, provided.al2023. */
	for (unsigned i = 0; i < sizeof runtime_names / sizeof *runtime_names; i++)
		if (str_starts(text, str_of(runtime_names[i]))) {
			*(enum runtime *)slot = (enum runtime)i;
			return 0;
		}
	return error_set(err, ERR(INVALID), "expected python, nodejs, provided or command");
}

static const struct setting {
	const char *name;
	size_t offset;
	int (*read)(void *slot, const struct value *value, struct wf_error *err);
} table[] = {
	{ "handler", offsetof(struct settings, folder), read_text },
	{ "entry", offsetof(struct settings, entry), read_text },
	{ "runtime", offsetof(struct settings, runtime), read_runtime },
	{ "command", offsetof(struct settings, command), read_text },
	{ "interpreter", offsetof(struct settings, interpreter), read_text },
	{ "timeout_s", offsetof(struct settings, timeout_ms), read_seconds },
	{ "init_timeout_s", offsetof(struct settings, init_timeout_ms), read_seconds },
	{ "memory_mb", offsetof(struct settings, memory_mb), read_size },
	{ "cpus", offsetof(struct settings, cpus), read_share },
	{ "cpu_s", offsetof(struct settings, cpu_s), read_size },
	{ "max_concurrent", offsetof(struct settings, max_concurrent), read_count },
	{ "reserved", offsetof(struct settings, reserved), read_count },
	{ "warm", offsetof(struct settings, warm), read_count },
	{ "queue", offsetof(struct settings, queue_max), read_count },
	{ "idle_s", offsetof(struct settings, idle_ms), read_seconds },
	{ "env", offsetof(struct settings, env), read_env },
	{ "event_retries", offsetof(struct settings, event_retries), read_retries },
	{ "event_age_s", offsetof(struct settings, event_age_ms), read_seconds },
	{ "description", offsetof(struct settings, description), read_description },
};

static int read_setting(struct settings *settings, struct str name, const struct value *value, struct wf_error *err)
{
	for (size_t i = 0; i < sizeof table / sizeof *table; i++)
		if (str_eqz(name, table[i].name))
			return table[i].read((char *)settings + table[i].offset, value, err);
	_cleanup_(buffer_done) struct buffer known = { 0 };
	for (size_t i = 0; i < sizeof table / sizeof *table; i++)
		buffer_printf(&known, "%s%s", i ? ", " : "", table[i].name);
	return error_set(err, ERR(INVALID), "there is no such setting; known are %.*s", STR_FMT(buffer_str(&known)));
}

/* ---- what the folder tells ----------------------------------------------------------------------- */

static bool has_file(const char *folder, const char *name)
{
	_cleanup_free_ char *path = mem_printf("%s/%s", folder, name);
	struct stat info;
	return stat(path, &info) == 0 && S_ISREG(info.st_mode);
}

static bool file_has(const char *folder, const char *name, const char *text)
{
	_cleanup_free_ char *path = mem_printf("%s/%s", folder, name);
	_cleanup_(buffer_done) struct buffer bytes = { 0 };
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return false;
	ssize_t got = 1;
	while (got > 0 && bytes.len < SOURCE_BYTES_MAX) {
		got = read(fd, buffer_reserve(&bytes, 65536), 65536);
		if (got > 0)
			bytes.len += (size_t)got;
	}
	close(fd);
	return bytes.len && memmem(bytes.data, bytes.len, text, strlen(text));
}

/* "DIR/app.py" is the folder DIR and the module app. */
static int split_file(struct settings *settings, char **ret_module, struct wf_error *err)
{
	struct stat info;
	if (stat(settings->folder, &info) != 0)
		return error_errno(err, errno, "cannot find %s", settings->folder);
	if (S_ISDIR(info.st_mode))
		return 0;
	char *slash = strrchr(settings->folder, '/');
	char *name = slash ? slash + 1 : settings->folder;
	char *dot = strrchr(name, '.');
	*ret_module = mem_strndup(name, dot ? (size_t)(dot - name) : strlen(name));
	if (dot && strcmp(dot, ".py") == 0)
		settings->runtime = RUNTIME_PYTHON;
	else if (dot && (strcmp(dot, ".js") == 0 || strcmp(dot, ".mjs") == 0 || strcmp(dot, ".cjs") == 0))
		settings->runtime = RUNTIME_NODEJS;
	else if (strcmp(name, "bootstrap") == 0)
		settings->runtime = RUNTIME_PROVIDED;
	else
		return error_set(err, ERR(INVALID),
				 "expected a folder, or a file that ends with .py, .js, .mjs or .cjs or is named bootstrap");
	*(slash ? slash : name) = 0;
	return 0;
}

static const struct candidate {
	const char *module, *suffix;
	enum runtime runtime;
} candidates[] = {
	{ "lambda_function", ".py", RUNTIME_PYTHON }, { "app", ".py", RUNTIME_PYTHON },
	{ "handler", ".py", RUNTIME_PYTHON },         { "index", ".py", RUNTIME_PYTHON },
	{ "main", ".py", RUNTIME_PYTHON },            { "index", ".mjs", RUNTIME_NODEJS },
	{ "index", ".js", RUNTIME_NODEJS },           { "index", ".cjs", RUNTIME_NODEJS },
	{ "app", ".mjs", RUNTIME_NODEJS },            { "app", ".js", RUNTIME_NODEJS },
	{ "handler", ".mjs", RUNTIME_NODEJS },        { "handler", ".js", RUNTIME_NODEJS },
};

static int find_module(struct settings *settings, bool runtime_given, char **ret_module, struct wf_error *err)
{
	if (!runtime_given && has_file(settings->folder, "bootstrap")) {
		settings->runtime = RUNTIME_PROVIDED;
		return 0;
	}
	for (size_t i = 0; i < sizeof candidates / sizeof *candidates; i++) {
		_cleanup_free_ char *name = mem_printf("%s%s", candidates[i].module, candidates[i].suffix);
		if ((runtime_given && candidates[i].runtime != settings->runtime) || !has_file(settings->folder, name))
			continue;
		settings->runtime = candidates[i].runtime;
		*ret_module = mem_strdup(candidates[i].module);
		return 0;
	}
	return error_set(err, ERR(INVALID),
			 "%s has no bootstrap, lambda_function.py, app.py, handler.py, index.py, main.py, index.mjs, "
			 "index.js, index.cjs, app.mjs, app.js, handler.mjs or handler.js; name the handler as `entry`: "
			 "module.function",
			 settings->folder);
}

static int complete_entry(struct settings *settings, bool runtime_given, char *module, struct wf_error *err)
{
	_cleanup_free_ char *found = module;
	if (!found && !settings->entry && settings->runtime != RUNTIME_PROVIDED) {
		int r = find_module(settings, runtime_given, &found, err);
		if (r < 0)
			return r;
	}
	if (settings->entry || settings->runtime == RUNTIME_PROVIDED) {
		if (!settings->entry)
			settings->entry = mem_strdup("bootstrap");
		if (settings->runtime != RUNTIME_PROVIDED && !strrchr(settings->entry, '.'))
			return error_set(err, ERR(INVALID), "the entry must be module.function, not '%s'",
					 settings->entry);
		return 0;
	}
	_cleanup_free_ char *file = mem_printf("%s.py", found);
	const char *function = "handler";
	if (settings->runtime == RUNTIME_PYTHON && !file_has(settings->folder, file, "def handler("))
		function = "lambda_handler";
	settings->entry = mem_printf("%s.%s", found, function);
	return 0;
}

/* With an entry and no runtime: by which file the entry's module is. */
static void guess_runtime(struct settings *settings)
{
	const char *dot = strrchr(settings->entry, '.');
	_cleanup_free_ char *module =
	    mem_strndup(settings->entry, dot ? (size_t)(dot - settings->entry) : strlen(settings->entry));
	for (char *c = module; *c; c++)
		*c = *c == '.' ? '/' : *c;
	_cleanup_free_ char *python = mem_printf("%s.py", module), *package = mem_printf("%s/__init__.py", module);
	settings->runtime = has_file(settings->folder, "bootstrap")                                      ? RUNTIME_PROVIDED
			    : has_file(settings->folder, python) || has_file(settings->folder, package) ? RUNTIME_PYTHON
													: RUNTIME_NODEJS;
}

static int complete(struct settings *settings, bool runtime_given, struct wf_error *err)
{
	if (settings->command) {
		if (runtime_given && settings->runtime != RUNTIME_COMMAND)
			return error_set(err, ERR(INVALID), "a command has the runtime command");
		settings->runtime = RUNTIME_COMMAND;
	} else if (runtime_given && settings->runtime == RUNTIME_COMMAND) {
		return error_set(err, ERR(INVALID), "\"command\" is missing: the shell command to run");
	} else if (!settings->folder) {
		return error_set(err, ERR(INVALID), "\"handler\" is missing: the folder with the function's code");
	}
	char *module = NULL;
	if (settings->folder) {
		_cleanup_free_ char *full = realpath(settings->folder, NULL);
		if (!full) {
			int saved = errno;
			error_errno(err, saved, "cannot find the folder %s", settings->folder);
			error_where(err, "/handler");
			return ERR(INVALID);
		}
		free(settings->folder);
		settings->folder = TAKE(full);
		enum runtime given = settings->runtime;
		int r = split_file(settings, &module, err);
		if (r < 0) {
			error_where(err, "/handler");
			return ERR(INVALID);
		}
		if (runtime_given || settings->command)
			settings->runtime = given;
		runtime_given |= module != NULL;
	}
	if (settings->runtime == RUNTIME_COMMAND)
		return free(module), 0;
	if (!runtime_given && settings->entry)
		guess_runtime(settings);
	return complete_entry(settings, runtime_given, module, err);
}

/* ---- all together --------------------------------------------------------------------------------- */

static uint32_t default_concurrency(void)
{
	cpu_set_t set;
	int count = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
	return count > 5 ? (uint32_t)count * 2 : 10;
}

static int read_all(struct settings *settings, const char *folder, struct wf_error *err)
{
	const struct value *source = settings->source;
	if (!value_is(source, VALUE_OBJECT))
		return wrong(source, "an object with handler, …", err);
	for (size_t i = 0; i < value_count(source); i++) {
		int r = read_setting(settings, value_key_at(source, i), value_at(source, i), err);
		if (r < 0) {
			char inner[256];
			snprintf(inner, sizeof inner, "%s", err ? err->where : "");
			if (err)
				snprintf(err->where, sizeof err->where, "/%.*s%.100s",
					 (int)(value_key_at(source, i).len > 100 ? 100 : value_key_at(source, i).len),
					 value_key_at(source, i).ptr, inner);
			return r;
		}
	}
	settings->memory_limited = value_getz(source, "memory_mb");
	if (folder) {
		struct stat info;
		const char *name = settings->folder && stat(settings->folder, &info) == 0 && S_ISREG(info.st_mode)
				       ? strrchr(settings->folder, '/')
				       : NULL;
		char *copy = mem_printf("%s%s", folder, name ? name : "");
		free(settings->folder);
		settings->folder = copy;
	}
	if (!settings->max_concurrent)
		return error_set(err, ERR(INVALID), "max_concurrent must be 1 or more");
	if (settings->reserved > settings->max_concurrent || settings->warm > settings->max_concurrent)
		return error_set(err, ERR(INVALID), "reserved and warm cannot be more than max_concurrent");
	return complete(settings, value_getz(source, "runtime"), err);
}

int settings_init(struct settings *settings, const struct value *source, const char *folder, struct wf_error *err)
{
	struct wf_error unused = { 0 };
	*settings = (struct settings){ .source = value_ref(source),
				       .timeout_ms = 3000,
				       .init_timeout_ms = 10000,
				       .idle_ms = 300000,
				       .memory_mb = 128,
				       .max_concurrent = default_concurrency(),
				       .queue_max = 10000,
				       .event_retries = 2,
				       .event_age_ms = 6 * 3600000 };
	int r = read_all(settings, folder, err ? err : &unused);
	if (r < 0)
		settings_done(settings);
	return r;
}

void settings_done(struct settings *settings)
{
	free(settings->folder);
	free(settings->entry);
	free(settings->command);
	free(settings->interpreter);
	free(settings->description);
	value_unref(settings->source);
	*settings = (struct settings){ 0 };
}
