/* assemble.c: puts the rooms together (assemble.h). */
#include "cli/assemble.h"
#include "base/log.h"
#include "base/mem.h"
#include "connectors/logs/logs.h"
#include "connectors/secret.h"
#include "engine/dead_letters.h"
#include "engine/loop_libev.h"
#include "server/function_events.h"
#include "server/function_records.h"
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* Every connection and every task takes descriptors: as many as we may have. */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

/* mkdir -p; the last one private. */
static int make_folder(const char *path, struct wf_error *err)
{
	_cleanup_free_ char *part = mem_strdup(path);
	for (char *slash = part + 1; *slash; slash++) {
		if (*slash != '/')
			continue;
		*slash = 0;
		if (mkdir(part, 0755) != 0 && errno != EEXIST)
			return error_errno(err, errno, "cannot make the folder %s", part);
		*slash = '/';
	}
	if (mkdir(part, 0700) != 0 && errno != EEXIST)
		return error_errno(err, errno, "cannot make the folder %s", path);
	return 0;
}

static int open_store(struct assembly *assembly, const struct config *config, struct wf_error *err)
{
	struct store_options options = {
		.durability = strcmp(config->durability, "relaxed") == 0 ? STORE_RELAXED : STORE_FULL,
	};
	if (strncmp(config->store, "sqlite:", 7) == 0) {
		_cleanup_free_ char *folder = mem_strdup(config->store + 7);
		char *slash = strrchr(folder, '/');
		if (slash && slash != folder) {
			*slash = 0;
			int code = make_folder(folder, err);
			if (code)
				return code;
		}
	}
	if (options.durability == STORE_RELAXED)
		log_warn("cli",
			 "durability is relaxed: acknowledged requests may be lost when the machine loses power");
	return store_open(config->store, &options, assembly->loop, &assembly->store, err);
}

/* A connector says where in its section a mistake stands: where that is in the file. */
static void locate(const struct config *config, const char *section, struct wf_error *err)
{
	_cleanup_free_ char *pointer = mem_printf("/%s%s", section, err->where);
	*err->where = 0;
	error_where(err, "%s", pointer);
	config_locate(config, err);
}

/* Functions are in front of the connector that speaks to a Lambda API. */
static int add_functions(struct assembly *assembly, const struct config *config, struct connector *behind,
			 struct wf_error *err)
{
	struct connector *connector;
	_cleanup_free_ char *folder = strncmp(config->store, "sqlite:", 7) == 0
					  ? mem_printf("%s.functions", config->store + 7)
					  : mem_printf("%s/functions", assembly->work);
	_cleanup_free_ char *here = folder[0] == '/' ? NULL : getcwd(NULL, 0);
	_cleanup_free_ char *full = here ? mem_printf("%s/%s", here, folder) : mem_strdup(folder);
	assembly->records = function_records_new(assembly->engine);
	assembly->events = function_events_new(assembly->engine);
	struct functions_options options = { .host = engine_host(assembly->engine),
					     .config = config->functions,
					     .region = engine_region(assembly->engine),
					     .account = engine_account(assembly->engine),
					     .folder = full,
					     .records = assembly->records,
					     .events = assembly->events,
					     .next = behind };
	int code = connector_function_new(&options, &assembly->functions, &connector, err);
	if (code)
		behind->class->free(behind);
	else
		engine_add_connector(assembly->engine, connector);
	return code;
}

static int add_connectors(struct assembly *assembly, const struct config *config, const char *lock_folder,
			  struct wf_error *err)
{
	const char *section = "exec";
	struct connector_host *host = engine_host(assembly->engine);
	struct connector *connector = NULL;
	int code = connector_exec_new(host, config->exec, lock_folder, &connector, err);
	if (code == 0) {
		engine_add_connector(assembly->engine, connector);
		section = "http";
		code = connector_http_new(host, config->http, &connector, err);
	}
	if (code == 0) {
		engine_add_connector(assembly->engine, connector);
		section = "lambda";
		code = connector_lambda_new(host, config->lambda, config->lambda_endpoint, &connector, err);
	}
	if (code == 0) {
		section = "functions";
		code = add_functions(assembly, config, connector, err);
	}
	if (code)
		locate(config, section, err);
	return code;
}

/* A target's program can come from nowhere but the configuration; its function may still be added. */
static int check_targets(const struct config *config, struct wf_error *err)
{
	for (size_t i = 0; config->targets && i < value_count(config->targets); i++) {
		const struct value *exec = value_getz(value_at(config->targets, i), "exec");
		if (!exec || (config->exec && value_get(config->exec, value_string(exec))))
			continue;
		int code = error_set(err, ERR(INVALID), "exec has no program of this name");
		error_where(err, "/targets/%.*s/exec", STR_FMT(str_sub(value_key_at(config->targets, i), 0, 100)));
		return code;
	}
	return 0;
}

/* What is said of dead letters, and who is told of them. */
static int add_dead_letters(struct assembly *assembly, const struct config *config, struct wf_error *err)
{
	int code = engine_configure_dead_letters(assembly->engine, config->machines, err);
	if (code == 0)
		code = engine_configure_targets(assembly->engine, config->targets, secret_text, err);
	if (code == 0)
		code = check_targets(config, err);
	if (code)
		config_locate(config, err);
	return code;
}

static void warn_of_logs(void *data, const char *message)
{
	log_warn("logs", "%s", message);
}

static int add_logs(struct assembly *assembly, const struct config *config, struct wf_error *err)
{
	struct logs_options options = { .loop = assembly->loop,
					.io = assembly->io,
					.clock = clock_system(),
					.config = config->logs,
					.endpoint = getenv("AWS_ENDPOINT_URL_LOGS"),
					.warn = warn_of_logs };
	int code = logs_new(&options, &assembly->logs, err);
	if (code)
		locate(config, "logs", err);
	else
		engine_set_log(assembly->engine, logs_sink(assembly->logs));
	return code;
}

/* The work folder: as configured, or (memory store) a temporary one. Returns its path, to be freed; NULL and *err on
 * failure. */
static char *work_folder(struct assembly *assembly, const struct config *config, struct wf_error *err)
{
	if (*config->work_dir) {
		if (make_folder(config->work_dir, err))
			return NULL;
		char *full = realpath(config->work_dir, NULL);
		if (!full)
			error_errno(err, errno, "cannot use the folder %s", config->work_dir);
		return full;
	}
	const char *temporary = getenv("TMPDIR");
	assembly->scratch = mem_printf("%s/ratchet-XXXXXX", temporary && *temporary ? temporary : "/tmp");
	if (!mkdtemp(assembly->scratch)) {
		error_errno(err, errno, "cannot make a folder like %s", assembly->scratch);
		free(TAKE(assembly->scratch));
		return NULL;
	}
	return mem_strdup(assembly->scratch);
}

static void store_failed(void *data, const char *reason)
{
	/* Whatever was acknowledged is stored; the next start recovers from it. */
	log_error("engine", "stopping: %s", reason);
	fflush(NULL);
	_exit(70);
}

int assemble(struct assembly *assembly, const struct config *config, double time_scale,
	     void (*on_signal)(void *data, int signal), void *data, struct wf_error *err)
{
	*assembly = (struct assembly){ 0 };
	raise_descriptor_limit();
	assembly->loop = loop_libev_new(on_signal, data);
	assembly->io = loop_libev_new_threaded("ratchet-http");
	_cleanup_free_ char *locks = NULL, *notes = NULL;
	char *work = NULL;
	int code = open_store(assembly, config, err);
	if (code == 0) {
		work = assembly->work = work_folder(assembly, config, err);
		code = work ? 0 : err->code;
	}
	if (code == 0) {
		locks = mem_printf("%s/locks", work);
		code = make_folder(locks, err);
	}
	if (code == 0) {
		notes = mem_printf("%s/crash-notes", work);
		struct engine_options options = {
			.loop = assembly->loop,
			.io = assembly->io,
			.clock = clock_system(),
			.store = assembly->store,
			.limits = config->limits,
			.region = *config->region ? config->region : NULL,
			.account = *config->account ? config->account : NULL,
			.work_root = work,
			.time_scale = time_scale,
			.fatal = store_failed,
			/* A store in memory has nothing to take up after a crash. */
			.crash_notes = assembly->scratch ? NULL : notes,
		};
		code = engine_new(&options, &assembly->engine, err);
	}
	if (code == 0)
		code = add_connectors(assembly, config, locks, err);
	if (code == 0)
		code = add_logs(assembly, config, err);
	if (code == 0 && *config->mock_config)
		code = engine_load_mocks(assembly->engine, config->mock_config, err);
	if (code == 0)
		code = add_dead_letters(assembly, config, err);
	if (code) {
		assembly_done(assembly);
		return code;
	}
	engine_recover(assembly->engine);
	return 0;
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
	return remove(path);
}

static void stop_loop(struct loop_timer *timer)
{
	struct loop *loop = timer->data;
	loop->stop(loop);
}

/* One more iteration: what is posted to the loop and has not run yet is to be let go. */
static void settle(struct loop *loop)
{
	struct loop_timer timer = { .callback = stop_loop, .data = loop };
	loop_timer_set(loop, &timer, 0);
	loop->run(loop);
}

void assembly_done(struct assembly *assembly)
{
	if (assembly->engine)
		engine_free(assembly->engine);
	logs_free(assembly->logs);
	if (assembly->io)
		assembly->io->free(assembly->io);
	if (assembly->store)
		store_close(assembly->store);
	if (assembly->loop) {
		settle(assembly->loop);
		assembly->loop->free(assembly->loop);
	}
	if (assembly->scratch)
		nftw(assembly->scratch, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	free(assembly->records);
	function_events_free(assembly->events);
	free(assembly->work);
	free(assembly->scratch);
	*assembly = (struct assembly){ 0 };
}
