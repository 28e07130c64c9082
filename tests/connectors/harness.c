/* The engine's side, for tests. */
#include "tests/connectors/harness.h"
#include "base/mem.h"
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char *copy(struct str text)
{
	return text.ptr ? mem_strndup(text.ptr, text.len) : NULL;
}

static void on_finished(struct connector_host *host, struct task_key key, const struct task_result *result)
{
	struct harness *harness = (struct harness *)host;
	for (unsigned i = 0; i < harness->reports_count; i++)
		assert_int_not_equal(harness->reports[i].key.event_id, key.event_id); /* once each */
	assert_true(harness->reports_count < REPORTS_MAX);
	struct report *report = &harness->reports[harness->reports_count++];
	*report = (struct report){ .key = key, .end = result->end };
	if (result->end == TASK_SUCCEEDED)
		report->output = copy(value_text(result->output));
	report->error = copy(result->error);
	report->cause = copy(result->cause);
}

static void on_heartbeat(struct connector_host *host, struct task_key key)
{
	((struct harness *)host)->heartbeats++;
}

static void on_log(struct connector_host *host, struct task_key key, struct str line)
{
	struct harness *harness = (struct harness *)host;
	harness->lines++;
	buffer_add(&harness->log, line);
	buffer_byte(&harness->log, '\n');
}

static void on_progress(struct connector_host *host, struct task_key key, double fraction)
{
	((struct harness *)host)->progress = fraction;
}

static const char *on_work_dir(struct connector_host *host, uint64_t execution_id, struct wf_error *err)
{
	return ((struct harness *)host)->folder;
}

int count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int count = 0;
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

bool process_is_alive(int pid)
{
	char path[64], state = 0;
	snprintf(path, sizeof path, "/proc/%d/stat", pid);
	FILE *file = fopen(path, "re");
	if (!file)
		return false;
	int n = fscanf(file, "%*d (%*[^)]) %c", &state);
	fclose(file);
	return n == 1 && state != 'Z' && state != 'X';
}

long long monotonic_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void harness_setup(struct harness *harness)
{
	*harness = (struct harness){ .limits = LIMITS_DEFAULT, .progress = -1 };
	harness->fds_before = count_fds();
	strcpy(harness->folder, "/tmp/ratchet-test-XXXXXX");
	assert_non_null(mkdtemp(harness->folder));
	harness->host = (struct connector_host){ .loop = test_loop_new(),
						 .limits = &harness->limits,
						 .finished = on_finished,
						 .heartbeat = on_heartbeat,
						 .log = on_log,
						 .progress = on_progress,
						 .work_dir = on_work_dir };
}

static void remove_folder(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	while (dir && (entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		_cleanup_free_ char *inner = mem_printf("%s/%s", path, entry->d_name);
		if (unlink(inner) < 0 && errno == EISDIR)
			remove_folder(inner);
	}
	if (dir)
		closedir(dir);
	rmdir(path);
}

void harness_teardown(struct harness *harness)
{
	if (harness->connector)
		harness->connector->class->free(harness->connector);
	assert_int_equal(test_loop_armed(harness->host.loop), 0);
	harness->host.loop->free(harness->host.loop);
	for (unsigned i = 0; i < harness->reports_count; i++) {
		free(harness->reports[i].output);
		free(harness->reports[i].error);
		free(harness->reports[i].cause);
	}
	buffer_done(&harness->log);
	remove_folder(harness->folder);
	assert_int_equal(count_fds(), harness->fds_before);
}

struct value *harness_json(const char *text)
{
	struct value *value;
	struct wf_error err = { 0 };
	if (value_parse(str_of(text), NULL, &value, &err) < 0)
		fail_msg("%s: %s", text, err.message);
	return value;
}

struct task_request harness_request(uint64_t event_id, const char *type, const char *api, struct value *input)
{
	return (struct task_request){ .key = { 7, event_id },
				      .idempotency_key = STR("x-7-1"),
				      .execution_arn = STR("arn:aws:states:us-east-1:000000000000:execution:m:e"),
				      .execution_name = STR("e"),
				      .state_machine_name = STR("m"),
				      .state_name = STR("Probe"),
				      .type = str_of(type),
				      .api = str_of(api),
				      .parameters = input,
				      .timeout_ms = INT64_MAX };
}

void harness_start(struct harness *harness, const char *type, uint64_t event_id, const char *api, const char *input)
{
	_cleanup_(value_unrefp) struct value *value = harness_json(input);
	struct task_request request = harness_request(event_id, type, api, value);
	struct wf_error err = { 0 };
	assert_true(harness->connector->class->accepts(harness->connector, request.type, request.api));
	unsigned before = harness->reports_count;
	if (harness->connector->class->start(harness->connector, &request, &err) < 0)
		fail_msg("did not start: %s", err.message);
	assert_int_equal(harness->reports_count, before); /* never from within start */
}

struct wanted {
	struct harness *harness;
	unsigned count;
};

static bool are_there(void *data)
{
	struct wanted *wanted = data;
	return wanted->harness->reports_count >= wanted->count;
}

void harness_wait(struct harness *harness, unsigned count)
{
	struct wanted wanted = { harness, count };
	if (!test_loop_until(harness->host.loop, are_there, &wanted, 30000))
		fail_msg("only %u of %u reports after 30 s", harness->reports_count, count);
}

const struct report *harness_report(struct harness *harness, uint64_t event_id)
{
	for (unsigned i = 0; i < harness->reports_count; i++)
		if (harness->reports[i].key.event_id == event_id)
			return &harness->reports[i];
	return NULL;
}

const struct report *harness_run(struct harness *harness, const char *type, const char *api, const char *input)
{
	uint64_t id = 1000 + harness->reports_count;
	harness_start(harness, type, id, api, input);
	while (!harness_report(harness, id))
		harness_wait(harness, harness->reports_count + 1);
	return harness_report(harness, id);
}

long harness_await_number(struct harness *harness, const char *path)
{
	for (long long end = monotonic_ms() + 10000; monotonic_ms() < end;) {
		FILE *file = fopen(path, "re");
		long number = 0;
		char newline = 0;
		int n = file ? fscanf(file, "%ld%c", &number, &newline) : 0;
		if (file)
			fclose(file);
		if (n == 2)
			return number;
		test_loop_for(harness->host.loop, 10);
	}
	fail_msg("nothing came to %s", path);
	return -1;
}
