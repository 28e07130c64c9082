/* launch.c: what a guard must know to start a worker: program, environment, limits; our runtime clients, written out when
 * first needed; cgroups where this process may make them. */
#include "base/hash.h"
#include "connectors/function/clients.h"
#include "connectors/function/room.h"
#include "connectors/secret.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define NODE_OVERHEAD_MB 512 /* beside its heap: code, buffers, threads */

/* ---- our runtime clients ------------------------------------------------------------------------------ */

static int write_file(const char *path, const struct client_file *file, struct wf_error *err)
{
	_cleanup_free_ char *temporary = mem_printf("%s.%ld", path, (long)getpid());
	int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0)
		return error_errno(err, errno, "cannot write %s", temporary);
	bool good = write(fd, file->bytes, file->length) == (ssize_t)file->length;
	int saved = errno;
	close(fd);
	if (good && rename(temporary, path) == 0)
		return 0;
	saved = good ? errno : saved;
	unlink(temporary);
	return error_errno(err, saved, "cannot write %s", path);
}

/* FOLDER/clients/HASH: a newer binary's clients do not disturb those that an older one's workers run. */
static int find_clients(struct functions *functions, struct wf_error *err)
{
	if (functions->clients)
		return 0;
	uint64_t hash = 0;
	for (const struct client_file *file = client_files; file->name; file++)
		hash = hash_bytes((struct str){ (const char *)file->bytes, file->length }, hash);
	_cleanup_free_ char *folder = mem_printf("%s/clients/%016llx", functions->folder, (unsigned long long)hash);
	int r = make_folders(folder, err);
	for (const struct client_file *file = client_files; file->name && r == 0; file++) {
		_cleanup_free_ char *path = mem_printf("%s/%s", folder, file->name);
		if (access(path, R_OK) != 0)
			r = write_file(path, file, err);
	}
	if (r == 0)
		functions->clients = TAKE(folder);
	return r;
}

/* ---- the spec ------------------------------------------------------------------------------------------- */

struct list {
	struct buffer bytes;
	uint32_t count;
};

static void add(struct list *list, const char *text)
{
	buffer_blob(&list->bytes, str_of(text));
	list->count++;
}

static void add_variable(struct list *list, const char *name, struct str text)
{
	_cleanup_(buffer_done) struct buffer entry = { 0 };
	buffer_printf(&entry, "%s=", name);
	buffer_add(&entry, text);
	add(list, entry.data);
}

static void put(struct list *list, struct buffer *out)
{
	buffer_varint(out, list->count);
	buffer_add(out, buffer_str(&list->bytes));
	buffer_done(&list->bytes);
}

static void add_arguments(struct functions *functions, const struct version *version, struct list *list,
			  char **ret_program)
{
	const struct settings *settings = &version->settings;
	_cleanup_free_ char *text = NULL;
	switch (settings->runtime) {
	case RUNTIME_PYTHON:
		*ret_program = mem_strdup(settings->interpreter ? settings->interpreter : "python3");
		add(list, *ret_program);
		text = mem_printf("%s/python_client.py", functions->clients);
		add(list, text);
		break;
	case RUNTIME_NODEJS:
		*ret_program = mem_strdup(settings->interpreter ? settings->interpreter : "node");
		add(list, *ret_program);
		if (settings->memory_limited) {
			_cleanup_free_ char *heap = mem_printf("--max-old-space-size=%lld", (long long)settings->memory_mb);
			add(list, heap);
		}
		text = mem_printf("%s/node_client.mjs", functions->clients);
		add(list, text);
		break;
	case RUNTIME_PROVIDED:
		*ret_program = mem_printf("%s/bootstrap", settings->folder);
		add(list, *ret_program);
		break;
	case RUNTIME_COMMAND:
		*ret_program = mem_strdup("/bin/sh");
		add(list, *ret_program);
		add(list, "-c");
		add(list, settings->command);
		break;
	}
}

static bool is_set(const struct version *version, const char *name)
{
	return version->settings.env && value_getz(version->settings.env, name);
}

static void add_ours(struct functions *functions, const struct version *version, const struct worker *worker,
		     const struct invocation *invocation, struct list *list)
{
	const struct settings *settings = &version->settings;
	_cleanup_free_ char *api = NULL, *memory = mem_printf("%lld", (long long)settings->memory_mb),
			    *group = mem_printf("/aws/lambda/%s", version->function->name);
	char stream[128], day[24];
	time_t now = (time_t)(functions_wall_ms(functions) / 1000);
	strftime(day, sizeof day, "%Y/%m/%d", gmtime(&now));
	snprintf(stream, sizeof stream, "%s/[%s]%016llx%016llx", day, version->text,
		 (unsigned long long)random_u64(&functions->random), (unsigned long long)random_u64(&functions->random));
	add_variable(list, "AWS_LAMBDA_FUNCTION_NAME", str_of(version->function->name));
	add_variable(list, "AWS_LAMBDA_FUNCTION_VERSION", str_of(version->text));
	add_variable(list, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", str_of(memory));
	add_variable(list, "AWS_LAMBDA_LOG_GROUP_NAME", str_of(group));
	add_variable(list, "AWS_LAMBDA_LOG_STREAM_NAME", str_of(stream));
	add_variable(list, "AWS_LAMBDA_INITIALIZATION_TYPE", STR("on-demand"));
	add_variable(list, "AWS_REGION", str_of(functions->region));
	add_variable(list, "AWS_DEFAULT_REGION", str_of(functions->region));
	if (settings->entry)
		add_variable(list, "_HANDLER", str_of(settings->entry));
	if (settings->folder)
		add_variable(list, "LAMBDA_TASK_ROOT", str_of(settings->folder));
	if (functions->clients)
		add_variable(list, "LAMBDA_RUNTIME_DIR", str_of(functions->clients));
	if (worker->address) {
		api = mem_printf("%u.%u.%u.%u:%u", worker->address >> 24, worker->address >> 16 & 255,
				 worker->address >> 8 & 255, worker->address & 255,
				 runtime_api_port(functions->api));
		add_variable(list, "AWS_LAMBDA_RUNTIME_API", str_of(api));
	}
	if (!is_set(version, "TZ"))
		add_variable(list, "TZ", STR(":UTC"));
	if (settings->runtime == RUNTIME_PYTHON && !is_set(version, "PYTHONUNBUFFERED"))
		add_variable(list, "PYTHONUNBUFFERED", STR("1"));
	/* Compiled files are told from stale ones by a time in seconds: a folder that changes under way goes without. */
	if (settings->runtime == RUNTIME_PYTHON && !version->number && !is_set(version, "PYTHONDONTWRITEBYTECODE"))
		add_variable(list, "PYTHONDONTWRITEBYTECODE", STR("1"));
	if (!invocation)
		return;
	_cleanup_free_ char *deadline = mem_printf("%lld", (long long)(functions_wall_ms(functions) + settings->timeout_ms)),
			    *attempt = mem_printf("%u", invocation->attempt);
	add_variable(list, "RATCHET_REQUEST_ID", str_of(invocation->request_id));
	add_variable(list, "RATCHET_DEADLINE_MS", str_of(deadline));
	add_variable(list, "_X_AMZN_TRACE_ID", str_of(invocation->trace_id));
	if (!invocation->of_task)
		return;
	add_variable(list, "RATCHET_IDEMPOTENCY_KEY", str_of(invocation->idempotency_key));
	add_variable(list, "RATCHET_EXECUTION_ARN", str_of(invocation->execution_arn));
	add_variable(list, "RATCHET_STATE", str_of(invocation->state_name));
	add_variable(list, "RATCHET_ATTEMPT", str_of(attempt));
}

/* PATH and its like from our own environment; everything else there stays with us. */
static int add_environment(struct functions *functions, const struct version *version, struct list *list,
			   struct wf_error *err)
{
	static const struct {
		const char *name, *otherwise;
	} rows[] = {
		{ "PATH", "/usr/local/bin:/usr/bin:/bin" }, { "HOME", "/" }, { "LANG", "C.UTF-8" }, { "TMPDIR", NULL }
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const char *text = getenv(rows[i].name);
		text = text ? text : rows[i].otherwise;
		if (text && !is_set(version, rows[i].name))
			add_variable(list, rows[i].name, str_of(text));
	}
	const struct value *env = version->settings.env;
	for (size_t i = 0; env && i < value_count(env); i++) {
		_cleanup_(buffer_done) struct buffer text = { 0 };
		_cleanup_free_ char *name = mem_strndup(value_key_at(env, i).ptr, value_key_at(env, i).len);
		int r = secret_text(functions->host, value_at(env, i), &text, err);
		if (r < 0) {
			error_prefix(err, "cannot set %s", name);
			return r;
		}
		add_variable(list, name, buffer_str(&text));
	}
	return 0;
}

/* {resource, soft, hard} each. Memory is bounded by what is written to, not by the address space, of which runtimes
 * reserve gigabytes; where a cgroup bounds it, who takes too much is killed, as on AWS, and no allocation fails before that. */
static void add_limits(const struct version *version, const struct worker *worker, struct buffer *out)
{
	const struct settings *settings = &version->settings;
	uint64_t mb = (uint64_t)settings->memory_mb + (settings->runtime == RUNTIME_NODEJS ? NODE_OVERHEAD_MB : 0);
	bool once = settings->runtime == RUNTIME_COMMAND && settings->cpu_s, data = settings->memory_limited && !worker->cgroup;
	buffer_varint(out, 1u + data + once);
	buffer_varint(out, RLIMIT_CORE);
	buffer_varint(out, 0);
	buffer_varint(out, 0);
	if (data) {
		buffer_varint(out, RLIMIT_DATA);
		buffer_varint(out, mb << 20);
		buffer_varint(out, mb << 20);
	}
	if (once) {
		buffer_varint(out, RLIMIT_CPU);
		buffer_varint(out, (uint64_t)settings->cpu_s);
		buffer_varint(out, (uint64_t)settings->cpu_s + 1);
	}
}

int launch_spec(struct functions *functions, const struct version *version, const struct worker *worker,
		const struct invocation *invocation, struct buffer *out, struct wf_error *err)
{
	bool ours = version->settings.runtime == RUNTIME_PYTHON || version->settings.runtime == RUNTIME_NODEJS;
	int r = ours ? find_clients(functions, err) : 0;
	if (r < 0)
		return r;
	struct list arguments = { 0 }, environment = { 0 };
	_cleanup_free_ char *program = NULL;
	add_arguments(functions, version, &arguments, &program);
	r = add_environment(functions, version, &environment, err);
	add_ours(functions, version, worker, invocation, &environment);
	buffer_blob(out, str_of(program));
	buffer_blob(out, str_of(version->settings.folder ? version->settings.folder : "/"));
	buffer_blob(out, STR_EMPTY);
	put(&arguments, out);
	put(&environment, out);
	add_limits(version, worker, out);
	buffer_blob(out, str_of(worker->cgroup));
	return r;
}

/* ---- cgroups ----------------------------------------------------------------------------------------------- */

static bool write_text(const char *folder, const char *name, const char *text)
{
	_cleanup_free_ char *path = mem_printf("%s/%s", folder, name);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	bool good = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	close(fd);
	return good;
}

/* Where cgroups v2 are mounted, and our own group in them; NULL: none. To be freed. */
static char *own_group(void)
{
	char line[4096], mount[1024] = "", type[64], at[1024] = "/";
	FILE *mounts = fopen("/proc/self/mounts", "re");
	while (mounts && fgets(line, sizeof line, mounts)) {
		char where[1024];
		if (sscanf(line, "%*s %1023s %63s", where, type) == 2 && strcmp(type, "cgroup2") == 0)
			memcpy(mount, where, sizeof mount);
	}
	if (mounts)
		fclose(mounts);
	FILE *own = fopen("/proc/self/cgroup", "re");
	while (own && fgets(line, sizeof line, own))
		if (strncmp(line, "0::", 3) == 0)
			sscanf(line + 3, "%1023s", at);
	if (own)
		fclose(own);
	return *mount ? mem_printf("%s%s", mount, strcmp(at, "/") == 0 ? "" : at) : NULL;
}

/* Whether a group has all the controllers that are wanted: with cgroups v1 beside it (hybrid mounts) it has none. */
static bool has_controllers(const char *group)
{
	char line[1024] = "";
	_cleanup_free_ char *path = mem_printf("%s/cgroup.controllers", group);
	FILE *file = fopen(path, "re");
	if (!file)
		return false;
	bool good = fgets(line, sizeof line, file) && strstr(line, "memory") && strstr(line, "cpu") && strstr(line, "pids");
	fclose(file);
	return good;
}

/* Groups of workers that a server before us could not remove: they still ran when it ended. */
static void sweep_groups(const char *own)
{
	DIR *folder = opendir(own);
	for (struct dirent *entry; folder && (entry = readdir(folder));) {
		long pid;
		if (sscanf(entry->d_name, "ratchet-%ld-", &pid) != 1 || pid <= 0 || kill((pid_t)pid, 0) == 0 || errno != ESRCH)
			continue;
		_cleanup_free_ char *path = mem_printf("%s/%s", own, entry->d_name);
		rmdir(path);
	}
	if (folder)
		closedir(folder);
}

/* A group of which controllers may be given to children: our own (a server that was put into a delegated group of its own,
 * and may have to leave its top for that). */
static char *find_group(void)
{
	_cleanup_free_ char *own = own_group();
	if (!own || !has_controllers(own))
		return NULL;
	if (!write_text(own, "cgroup.subtree_control", "+memory +cpu +pids")) {
		/* No processes beside groups: move down into one of our own; back if that does not help. */
		_cleanup_free_ char *server = mem_printf("%s/ratchet-server", own);
		bool moved = (mkdir(server, 0755) == 0 || errno == EEXIST) && write_text(server, "cgroup.procs", "0");
		if (!moved || !write_text(own, "cgroup.subtree_control", "+memory +cpu +pids")) {
			write_text(own, "cgroup.procs", "0");
			rmdir(server);
			return NULL;
		}
	}
	return TAKE(own);
}

char *cgroup_make(struct functions *functions, const struct version *version)
{
	const struct settings *settings = &version->settings;
	if (!settings->memory_limited && settings->cpus <= 0)
		return NULL;
	if (!functions->cgroup_looked) {
		functions->cgroup_looked = true;
		functions->cgroup = find_group();
		if (functions->cgroup)
			sweep_groups(functions->cgroup);
	}
	if (!functions->cgroup)
		return NULL;
	char *path = mem_printf("%s/ratchet-%ld-%s-%08llx", functions->cgroup, (long)getpid(), version->function->name,
				(unsigned long long)random_u64(&functions->random) >> 32);
	char text[64];
	if (mkdir(path, 0755) != 0) {
		free(path);
		return NULL;
	}
	bool good = true;
	if (settings->memory_limited) {
		snprintf(text, sizeof text, "%lld",
			 (long long)(settings->memory_mb +
				     (settings->runtime == RUNTIME_NODEJS ? NODE_OVERHEAD_MB : 0)) << 20);
		good = write_text(path, "memory.max", text);
		write_text(path, "memory.oom.group", "1");
	}
	if (settings->cpus > 0) {
		snprintf(text, sizeof text, "%lld 100000", (long long)(settings->cpus * 100000));
		good &= write_text(path, "cpu.max", text);
	}
	if (!good) {
		rmdir(path);
		free(path);
		return NULL;
	}
	return path;
}

void cgroup_remove(const char *path)
{
	rmdir(path);
}
