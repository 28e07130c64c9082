/* exec: runs the programs that the configuration allows, each under a guard process (exec.h draws the processes, guard.c has the promises).
 *
 *     start ──► QUEUED (its program's places are taken) ──► RUNNING ──► the guard reports the end ──► finished
 *                  └─ cancel: gone                             └─ cancel, timeout_s, too much output: `ending` is set, the guard is told,
 *                                                                 the task keeps its place until nothing of it is alive
 *
 * The input goes to stdin as a sealed memory file, so nothing has to be written while the program runs and a program that does not read it is no
 * trouble. stdout is collected up to limits.exec_output_bytes; each line of stderr is a heartbeat and a line of the live log. */
#include "base/mem.h"
#include "connectors/exec/exec.h"
#include "connectors/outcome.h"
#include "connectors/secret.h"
#include "connectors/text.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOG_LINE_MAX 4096 /* longer lines of stderr are cut into pieces */
#define CAUSE_TAIL 4096 /* what a cause shows of stderr */
#define READ_AT_ONCE 65536
#define READ_BURST (4 * READ_AT_ONCE) /* before others get their turn */
#define READ_LEFT_MAX (8 << 20) /* what is still taken from the pipes when everything is dead */

enum ending { ENDING_NONE, ENDING_CANCELLED, ENDING_TIMED_OUT, ENDING_TOO_LARGE };

struct exec {
	struct connector connector;
	struct exec_config config;
	struct spawner spawner;
	char *lock_dir; /* absolute; NULL: none */
	struct str_map tasks; /* struct task_key → task; not those that were cancelled */
	struct exec_task *running, *running_last; /* all that have a guard */
	uint32_t running_count;
};

struct exec_task {
	struct exec *exec;
	struct exec_program *program;
	struct task_key key;
	struct buffer spec; /* for the guard; see exec.h */
	struct value *input;
	struct exec_task *next, *previous; /* in its program's queue, or in exec->running */
	enum ending ending;
	int control, out, log; /* -1: closed */
	struct loop_watch control_watch, out_watch, log_watch;
	struct loop_timer deadline;
	struct buffer output;
	struct buffer line; /* of stderr, not yet ended */
	struct buffer tail; /* end of stderr, up to twice CAUSE_TAIL */
};

static struct exec *exec_of(const struct connector *connector)
{
	return (struct exec *)connector;
}

static struct loop *loop_of(const struct exec_task *task)
{
	return task->exec->connector.host->loop;
}

/* ---- lists */

static void list_append(struct exec_task **first, struct exec_task **last, struct exec_task *task)
{
	task->next = NULL;
	task->previous = *last;
	*(*last ? &(*last)->next : first) = task;
	*last = task;
}

static void list_remove(struct exec_task **first, struct exec_task **last, struct exec_task *task)
{
	*(task->previous ? &task->previous->next : first) = task->next;
	if (task->next)
		task->next->previous = task->previous;
	else
		*last = task->previous;
	task->next = task->previous = NULL;
}

/* ---- the spec: what the guard must know */

static void spec_variable(struct buffer *list, uint32_t *count, const char *name, struct str text)
{
	_cleanup_(buffer_done) struct buffer entry = { 0 };
	buffer_printf(&entry, "%s=", name);
	buffer_add(&entry, text);
	/* A NUL would end it early: what follows it is dropped, which is all that an environment can hold. */
	buffer_blob(list, (struct str){ entry.data, strlen(entry.data) });
	++*count;
}

static bool is_configured(const struct exec_program *program, const char *name)
{
	return program->env && value_getz(program->env, name);
}

/* PATH and its like from our own environment; everything else there stays with us. */
static void spec_base_environment(const struct exec_program *program, struct buffer *list, uint32_t *count)
{
	static const struct {
		const char *name, *otherwise;
	} rows[] = { { "PATH", "/usr/local/bin:/usr/bin:/bin" }, { "HOME", "/" }, { "LANG", "C.UTF-8" }, { "TMPDIR", NULL } };
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const char *text = getenv(rows[i].name);
		text = text ? text : rows[i].otherwise;
		if (text && !is_configured(program, rows[i].name))
			spec_variable(list, count, rows[i].name, str_of(text));
	}
}

static int spec_configured_environment(const struct exec_task *task, struct buffer *list, uint32_t *count, struct wf_error *err)
{
	const struct value *env = task->program->env;
	for (size_t i = 0; env && i < value_count(env); i++) {
		_cleanup_(buffer_done) struct buffer text = { 0 };
		_cleanup_free_ char *name = mem_strndup(value_key_at(env, i).ptr, value_key_at(env, i).len);
		int r = secret_text(task->exec->connector.host, value_at(env, i), &text, err);
		if (r < 0) {
			error_prefix(err, "cannot set %s", name);
			return r;
		}
		spec_variable(list, count, name, buffer_str(&text));
	}
	return 0;
}

static int spec_environment(struct exec_task *task, const struct task_request *request, struct str work_dir, struct wf_error *err)
{
	_cleanup_(buffer_done) struct buffer list = { 0 };
	uint32_t count = 0;
	char attempt[16];
	snprintf(attempt, sizeof attempt, "%u", request->attempt);
	spec_base_environment(task->program, &list, &count);
	int r = spec_configured_environment(task, &list, &count, err);
	if (r < 0)
		return r;
	spec_variable(&list, &count, "RATCHET_WORKDIR", work_dir);
	spec_variable(&list, &count, "RATCHET_EXECUTION_ARN", request->execution_arn);
	spec_variable(&list, &count, "RATCHET_STATE", request->state_name);
	spec_variable(&list, &count, "RATCHET_IDEMPOTENCY_KEY", request->idempotency_key);
	spec_variable(&list, &count, "RATCHET_ATTEMPT", str_of(attempt));
	if (request->trace_parent.len)
		spec_variable(&list, &count, "TRACEPARENT", request->trace_parent);
	buffer_varint(&task->spec, count);
	buffer_add(&task->spec, buffer_str(&list));
	return 0;
}

static int spec_arguments(struct exec_task *task, struct wf_error *err)
{
	_cleanup_(buffer_done) struct buffer list = { 0 };
	uint32_t count = 1;
	buffer_blob(&list, str_of(task->program->program));
	const struct value *args = task->program->args;
	for (size_t i = 0; args && i < value_count(args); i++) {
		int r = exec_argument_expand(value_string(value_at(args, i)), task->input, &list, &count, err);
		if (r < 0)
			return r;
	}
	buffer_varint(&task->spec, count);
	buffer_add(&task->spec, buffer_str(&list));
	return 0;
}

static int spec_write(struct exec_task *task, const struct task_request *request, struct wf_error *err)
{
	struct connector_host *host = task->exec->connector.host;
	_cleanup_(buffer_done) struct buffer work_dir = { 0 };
	if (request->work_dir.len && !host->work_dir) {
		buffer_add(&work_dir, request->work_dir);
	} else if (host->work_dir) {
		const char *path = host->work_dir(host, request->key.execution_id, err);
		if (!path || !*path)
			return err && err->code ? err->code : error_set(err, ERR(IO), "the execution has no work folder");
		buffer_addz(&work_dir, path);
	}
	buffer_blob(&task->spec, str_of(task->program->program));
	buffer_blob(&task->spec, task->program->cwd ? str_of(task->program->cwd) : buffer_str(&work_dir));
	_cleanup_free_ char *lock = !task->exec->lock_dir ? NULL :
							    mem_printf("%s/%llx-%llx.lock", task->exec->lock_dir,
								       (unsigned long long)task->key.execution_id, (unsigned long long)task->key.event_id);
	buffer_blob(&task->spec, str_of(lock));
	int r = spec_arguments(task, err);
	return r < 0 ? r : spec_environment(task, request, buffer_str(&work_dir), err);
}

/* ---- descriptors */

/* A sealed memory file that holds `bytes` and is read from its beginning. */
static int memory_file(const char *name, struct str bytes, bool newline)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -errno;
	while (bytes.len) {
		ssize_t n = write(fd, bytes.ptr, bytes.len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			int error = n < 0 ? errno : EIO;
			close(fd);
			return -error;
		}
		bytes = str_sub(bytes, (size_t)n, bytes.len);
	}
	if (newline)
		(void)!write(fd, "\n", 1);
	lseek(fd, 0, SEEK_SET);
	fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL);
	return fd;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* A pipe that the program writes and we read without blocking. */
static int output_pipe(int *ret_ours, int *ret_theirs)
{
	int pair[2];
	if (pipe2(pair, O_CLOEXEC) < 0)
		return -errno;
	fcntl(pair[0], F_SETFL, O_NONBLOCK);
	*ret_ours = pair[0];
	*ret_theirs = pair[1];
	return 0;
}

static int open_descriptors(struct exec_task *task, int theirs[GUARD_FDS], struct wf_error *err)
{
	int pair[2];
	int r = socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0 ? -errno : 0;
	if (r == 0) {
		task->control = pair[0];
		theirs[GUARD_CONTROL] = pair[1];
		fcntl(pair[0], F_SETFL, O_NONBLOCK);
		r = theirs[GUARD_SPEC] = memory_file("ratchet-task", buffer_str(&task->spec), false);
	}
	if (r >= 0)
		r = theirs[GUARD_STDIN] = memory_file("ratchet-input", value_text(task->input), true);
	if (r >= 0)
		r = output_pipe(&task->out, &theirs[GUARD_STDOUT]);
	if (r >= 0)
		r = output_pipe(&task->log, &theirs[GUARD_STDERR]);
	return r >= 0 ? 0 : error_errno(err, -r, "cannot make the pipes for %.*s", STR_FMT(task->program->name));
}

/* ---- ending */

static void close_watched(struct exec_task *task, struct loop_watch *watch, int *fd)
{
	if (*fd < 0)
		return;
	loop_unwatch(loop_of(task), watch);
	close_fd(fd);
}

static void task_free(struct exec_task *task)
{
	close_watched(task, &task->control_watch, &task->control);
	close_watched(task, &task->out_watch, &task->out);
	close_watched(task, &task->log_watch, &task->log);
	loop_timer_clear(loop_of(task), &task->deadline);
	buffer_done(&task->spec);
	buffer_done(&task->output);
	buffer_done(&task->line);
	buffer_done(&task->tail);
	value_unref(task->input);
	free(task);
}

static void order(struct exec_task *task, char what)
{
	(void)!send(task->control, &what, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void end_early(struct exec_task *task, enum ending ending)
{
	if (task->ending == ENDING_NONE)
		task->ending = ending;
	order(task, ending == ENDING_TOO_LARGE ? GUARD_ORDER_KILL : GUARD_ORDER_TERMINATE);
}

/* ---- what the program writes */

static void keep_tail(struct exec_task *task, struct str line)
{
	buffer_add(&task->tail, line);
	buffer_byte(&task->tail, '\n');
	if (task->tail.len > 2 * CAUSE_TAIL)
		buffer_consume(&task->tail, task->tail.len - CAUSE_TAIL);
}

/* {"progress": 0.5}: not for people, so it is not in the cause. */
static bool take_progress(struct exec_task *task, struct str line)
{
	struct connector_host *host = task->exec->connector.host;
	_cleanup_(value_unrefp) struct value *object = NULL;
	if (!line.len || line.ptr[0] != '{' || value_parse(line, &(struct value_parse_options){ .depth_max = 16 }, &object, NULL) < 0)
		return false;
	const struct value *progress = value_getz(object, "progress");
	if (!progress || !value_is(progress, VALUE_NUMBER))
		return false;
	double fraction = value_number(progress);
	if (fraction >= 0 && fraction <= 1 && host->progress)
		host->progress(host, task->key, fraction);
	return true;
}

static void take_line(struct exec_task *task)
{
	struct connector_host *host = task->exec->connector.host;
	_cleanup_(buffer_done) struct buffer clean = { 0 };
	text_clean(buffer_str(&task->line), &clean);
	buffer_clear(&task->line);
	if (!clean.len)
		return;
	if (!take_progress(task, buffer_str(&clean)))
		keep_tail(task, buffer_str(&clean));
	if (task->ending == ENDING_NONE && host->log)
		host->log(host, task->key, buffer_str(&clean));
}

/* Lines end with a newline or a carriage return (progress displays overwrite their line with it). */
static void take_log(struct exec_task *task, struct str bytes)
{
	struct connector_host *host = task->exec->connector.host;
	bool ended = false;
	for (size_t i = 0; i < bytes.len; i++) {
		bool end = bytes.ptr[i] == '\n' || bytes.ptr[i] == '\r';
		if (!end)
			buffer_byte(&task->line, bytes.ptr[i]);
		if (end || task->line.len >= LOG_LINE_MAX)
			take_line(task);
		ended |= end;
	}
	/* Once for all lines that came together. */
	if (ended && task->ending == ENDING_NONE && host->heartbeat)
		host->heartbeat(host, task->key);
}

static void take_output(struct exec_task *task, struct str bytes)
{
	if (task->ending != ENDING_NONE)
		return;
	if ((int64_t)(task->output.len + bytes.len) > task->exec->connector.host->limits->exec_output_bytes) {
		buffer_done(&task->output);
		end_early(task, ENDING_TOO_LARGE);
		return;
	}
	buffer_add(&task->output, bytes);
}

/* Reads up to `most` bytes; false at the end of the stream. */
static bool drain(struct exec_task *task, int fd, size_t most, void (*take)(struct exec_task *task, struct str bytes))
{
	char bytes[READ_AT_ONCE];
	for (size_t sum = 0; sum < most;) {
		ssize_t n = read(fd, bytes, sizeof bytes);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 && errno == EAGAIN;
		sum += (size_t)n;
		take(task, (struct str){ bytes, (size_t)n });
		if ((size_t)n < sizeof bytes)
			break; /* the pipe is empty, for now */
	}
	return true;
}

static void on_output(struct loop_watch *watch, int fd, unsigned events)
{
	struct exec_task *task = watch->data;
	if (!drain(task, fd, READ_BURST, take_output))
		close_watched(task, &task->out_watch, &task->out);
}

static void on_log(struct loop_watch *watch, int fd, unsigned events)
{
	struct exec_task *task = watch->data;
	if (!drain(task, fd, READ_BURST, take_log))
		close_watched(task, &task->log_watch, &task->log);
}

/* All that is left in the pipes once nothing of the program is alive. */
static void drain_rest(struct exec_task *task)
{
	if (task->out >= 0)
		drain(task, task->out, READ_LEFT_MAX, take_output);
	if (task->log >= 0)
		drain(task, task->log, READ_LEFT_MAX, take_log);
	if (task->line.len)
		take_line(task);
}

/* ---- the result */

/* "ffprobe exited with status 1." and what it said. */
static void add_tail(struct outcome *outcome, const struct exec_task *task)
{
	struct str tail = text_trim(text_tail(buffer_str(&task->tail), CAUSE_TAIL));
	if (tail.len) {
		buffer_byte(&outcome->cause, '\n');
		buffer_add(&outcome->cause, tail);
	}
}

static void outcome_output(struct outcome *outcome, struct exec_task *task)
{
	struct str text = buffer_str(&task->output);
	if (task->program->text_output) {
		if (text.len && text.ptr[text.len - 1] == '\n')
			text.len--;
		_cleanup_(buffer_done) struct buffer clean = { 0 };
		text_clean(text, &clean);
		outcome_succeeded(outcome, value_from_string(buffer_str(&clean)));
		return;
	}
	if (!text_trim(text).len) {
		outcome_succeeded(outcome, value_new_null());
		return;
	}
	struct wf_error err = { 0 };
	struct value *output;
	if (value_parse(text, NULL, &output, &err) == 0) {
		outcome_succeeded(outcome, output);
	} else {
		outcome_failed(outcome, TASK_FAILED, STR("Exec.InvalidOutput"));
		buffer_printf(&outcome->cause, "%.*s exited with status 0, but what it printed is not JSON: %s%s%s. It begins with: ",
			      STR_FMT(task->program->name), err.message, *err.where ? " at " : "", err.where);
		text_clean(str_sub(text, 0, 200), &outcome->cause);
		add_tail(outcome, task);
	}
}

static void outcome_status(struct outcome *outcome, struct exec_task *task, int status)
{
	if (status == 0) {
		outcome_output(outcome, task);
		return;
	}
	struct str name = exec_program_error_name(task->program, status);
	outcome_failed(outcome, TASK_FAILED, name.len ? name : STR("Exec.Exit."));
	if (!name.len)
		buffer_printf(&outcome->error, "%d", status);
	buffer_printf(&outcome->cause, "%.*s exited with status %d.", STR_FMT(task->program->name), status);
	add_tail(outcome, task);
}

static void outcome_signal(struct outcome *outcome, struct exec_task *task, int signal)
{
	const char *name = sigabbrev_np(signal);
	outcome_failed(outcome, TASK_FAILED, STR("Exec.Signal."));
	if (name)
		buffer_addz(&outcome->error, name);
	else
		buffer_printf(&outcome->error, "%d", signal);
	buffer_printf(&outcome->cause, "%.*s was ended by signal %d (%s).", STR_FMT(task->program->name), signal, name ? name : "real-time");
	add_tail(outcome, task);
}

static void outcome_start_failed(struct outcome *outcome, const struct exec_task *task, const struct guard_report *report)
{
	static const char *const what[] = { [GUARD_STAGE_SPEC] = "its guard could not read what to start",
					    [GUARD_STAGE_LOCK] = "the task's lock file cannot be made",
					    [GUARD_STAGE_FORK] = "no process could be made for it",
					    [GUARD_STAGE_CWD] = "its folder cannot be entered",
					    [GUARD_STAGE_EXEC] = "the program cannot be executed" };
	outcome_failed(outcome, TASK_START_FAILED, STR("Exec.StartFailed"));
	bool known = report->stage >= 0 && (size_t)report->stage < sizeof what / sizeof *what;
	buffer_printf(&outcome->cause, "%.*s did not start: %s: %s%s%s.", STR_FMT(task->program->name), known ? what[report->stage] : "its guard failed",
		      strerror(report->number), report->stage == GUARD_STAGE_EXEC ? ": " : "",
		      report->stage == GUARD_STAGE_EXEC ? task->program->program : "");
}

static void outcome_set(struct outcome *outcome, struct exec_task *task, const struct guard_report *report)
{
	switch (task->ending) {
	case ENDING_CANCELLED:
		return;
	case ENDING_TIMED_OUT:
		outcome_failed(outcome, TASK_TIMED_OUT, STR("States.Timeout"));
		buffer_printf(&outcome->cause, "%.*s ran longer than its timeout_s of %g seconds and was ended.", STR_FMT(task->program->name),
			      (double)task->program->timeout_ms / 1000);
		add_tail(outcome, task);
		return;
	case ENDING_TOO_LARGE:
		outcome_failed(outcome, TASK_FAILED, STR("Exec.OutputTooLarge"));
		buffer_printf(&outcome->cause, "%.*s printed more than %lld bytes and was ended. Let it write a file and print its path, or raise limits.exec_output_bytes.",
			      STR_FMT(task->program->name), (long long)task->exec->connector.host->limits->exec_output_bytes);
		add_tail(outcome, task);
		return;
	case ENDING_NONE:
		break;
	}
	if (!report) {
		outcome_failed(outcome, TASK_FAILED, STR("Exec.GuardLost"));
		buffer_printf(&outcome->cause, "The guard of %.*s was killed, so how the program ended is not known.", STR_FMT(task->program->name));
		add_tail(outcome, task);
	} else if (report->kind == GUARD_START_FAILED) {
		outcome_start_failed(outcome, task, report);
	} else if (report->by_signal) {
		outcome_signal(outcome, task, report->number);
	} else {
		outcome_status(outcome, task, report->number);
	}
}

static void fill_places(struct exec *exec, struct exec_program *program);

/* `report` NULL: the guard vanished. */
static void task_finish(struct exec_task *task, const struct guard_report *report)
{
	struct exec *exec = task->exec;
	struct exec_program *program = task->program;
	struct connector_host *host = exec->connector.host;
	drain_rest(task);
	struct outcome outcome = { 0 };
	outcome_set(&outcome, task, report);
	bool cancelled = task->ending == ENDING_CANCELLED;
	struct task_key key = task->key;
	if (!cancelled)
		str_map_remove(&exec->tasks, task_key_str(&key));
	list_remove(&exec->running, &exec->running_last, task);
	exec->running_count--;
	program->running--;
	task_free(task);
	if (!cancelled)
		outcome_report(&outcome, host, key);
	fill_places(exec, program);
}

static void on_control(struct loop_watch *watch, int fd, unsigned events)
{
	struct exec_task *task = watch->data;
	struct connector_host *host = task->exec->connector.host;
	struct guard_report report;
	ssize_t n = recv(fd, &report, sizeof report, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n != (ssize_t)sizeof report) {
		task_finish(task, NULL);
		return;
	}
	switch ((enum guard_report_kind)report.kind) {
	case GUARD_WAITS:
		if (task->ending == ENDING_NONE && host->log)
			host->log(host, task->key, STR("waiting for an earlier run of this task to end"));
		return;
	case GUARD_STARTED:
		if (task->ending == ENDING_NONE && task->program->timeout_ms)
			loop_timer_set(loop_of(task), &task->deadline, task->program->timeout_ms);
		return;
	case GUARD_START_FAILED:
	case GUARD_ENDED:
		task_finish(task, &report);
		return;
	}
}

static void on_deadline(struct loop_timer *timer)
{
	end_early(timer->data, ENDING_TIMED_OUT);
}

/* ---- starting */

static void watch(struct exec_task *task, struct loop_watch *watch, int fd, void (*callback)(struct loop_watch *, int, unsigned))
{
	watch->callback = callback;
	watch->data = task;
	loop_watch_fd(loop_of(task), watch, fd, LOOP_READ);
}

/* Gives the task to a guard. On failure it is as before. */
static int launch(struct exec_task *task, struct wf_error *err)
{
	struct exec *exec = task->exec;
	int theirs[GUARD_FDS] = { -1, -1, -1, -1, -1 };
	int r = open_descriptors(task, theirs, err);
	if (r == 0)
		r = spawner_send(&exec->spawner, theirs, err);
	for (int i = 0; i < GUARD_FDS; i++)
		close_fd(&theirs[i]);
	if (r < 0) {
		close_fd(&task->control);
		close_fd(&task->out);
		close_fd(&task->log);
		return r;
	}
	buffer_done(&task->spec);
	value_unref(TAKE(task->input));
	watch(task, &task->control_watch, task->control, on_control);
	watch(task, &task->out_watch, task->out, on_output);
	watch(task, &task->log_watch, task->log, on_log);
	task->deadline.callback = on_deadline;
	task->deadline.data = task;
	list_append(&exec->running, &exec->running_last, task);
	exec->running_count++;
	task->program->running++;
	return 0;
}

/* Starts those that wait, in order, as long as there are places. Not from within start(): it may report a failure. */
static void fill_places(struct exec *exec, struct exec_program *program)
{
	struct connector_host *host = exec->connector.host;
	while (program->first && program->running < program->max_concurrent) {
		struct exec_task *task = program->first;
		struct wf_error err = { 0 };
		list_remove(&program->first, &program->last, task);
		if (launch(task, &err) == 0)
			continue;
		struct task_key key = task->key;
		str_map_remove(&exec->tasks, task_key_str(&key));
		task_free(task);
		host->finished(host, key,
			       &(struct task_result){ .end = TASK_START_FAILED, .error = STR("Exec.StartFailed"), .cause = str_of(err.message) });
	}
}

static int exec_start(struct connector *connector, const struct task_request *request, struct wf_error *err)
{
	struct exec *exec = exec_of(connector);
	struct exec_program *program = str_map_get(&exec->config.by_name, request->api);
	if (!program)
		return error_set(err, ERR(NOT_FOUND), "the configuration has no program exec/%.*s", STR_FMT(request->api));
	if (str_map_get(&exec->tasks, task_key_str(&request->key)))
		return error_set(err, ERR(EXISTS), "that task runs already");
	struct exec_task *task = NEW(struct exec_task);
	task->exec = exec;
	task->program = program;
	task->key = request->key;
	task->control = task->out = task->log = -1;
	task->input = request->parameters ? value_ref(request->parameters) : value_new_null();
	bool waits = program->first || program->running >= program->max_concurrent;
	int r = spec_write(task, request, err);
	if (r == 0 && !waits)
		r = launch(task, err);
	if (r < 0) {
		error_prefix(err, "cannot start %.*s", STR_FMT(program->name));
		task_free(task);
		return r;
	}
	if (waits)
		list_append(&program->first, &program->last, task);
	str_map_put(&exec->tasks, task_key_str(&request->key), task);
	return 0;
}

static void exec_cancel(struct connector *connector, struct task_key key)
{
	struct exec *exec = exec_of(connector);
	struct exec_task *task = str_map_remove(&exec->tasks, task_key_str(&key));
	if (!task)
		return;
	if (task->control < 0) {
		list_remove(&task->program->first, &task->program->last, task);
		task_free(task);
		return;
	}
	task->ending = ENDING_CANCELLED;
	loop_timer_clear(loop_of(task), &task->deadline);
	order(task, GUARD_ORDER_TERMINATE);
}

static bool exec_accepts(const struct connector *connector, struct str type, struct str api)
{
	return str_eqz(type, "exec") && str_map_get(&exec_of(connector)->config.by_name, api);
}

static uint32_t exec_running(const struct connector *connector)
{
	return exec_of(connector)->running_count;
}

static void exec_free(struct connector *connector)
{
	struct exec *exec = exec_of(connector);
	for (size_t i = 0; i < exec->config.count; i++)
		for (struct exec_task *task, *next = exec->config.programs[i].first; (task = next);) {
			next = task->next;
			task_free(task);
		}
	for (struct exec_task *task, *next = exec->running; (task = next);) {
		next = task->next;
		task_free(task); /* its guard sees the closed socket and kills everything */
	}
	spawner_stop(&exec->spawner);
	str_map_done(&exec->tasks);
	exec_config_done(&exec->config);
	free(exec->lock_dir);
	free(exec);
}

static const struct connector_class exec_class = {
	.name = "exec",
	.accepts = exec_accepts,
	.start = exec_start,
	.cancel = exec_cancel,
	.running = exec_running,
	.free = exec_free,
};

int connector_exec_new(struct connector_host *host, const struct value *config, const char *lock_dir, struct connector **ret_connector, struct wf_error *err)
{
	_cleanup_free_ char *absolute = NULL;
	if (lock_dir) {
		if (mkdir(lock_dir, 0700) < 0 && errno != EEXIST)
			return error_errno(err, errno, "cannot make the folder for locks %s", lock_dir);
		absolute = realpath(lock_dir, NULL);
		if (!absolute)
			return error_errno(err, errno, "cannot use the folder for locks %s", lock_dir);
	}
	struct exec *exec = NEW(struct exec);
	int r = exec_config_init(&exec->config, config, err);
	if (r < 0) {
		free(exec);
		return r;
	}
	exec->connector = (struct connector){ &exec_class, host };
	exec->lock_dir = TAKE(absolute);
	*ret_connector = &exec->connector;
	return 0;
}
