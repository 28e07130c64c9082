/* exec: runs the programs that the configuration allows, each under a guard process (exec.h draws the processes,
 * guard.c has the promises).
 *
 *     start ──► QUEUED (its places are taken) ──► RUNNING ──► the guard reports the end ──► finished
 *                  └─ cancel: gone                   └─ cancel, timeout_s, too much output: `ending` is set,
 *                                                       the guard is told; it keeps its place until all is dead
 *
 * The input goes to stdin as a sealed memory file, so nothing has to be written while the program runs and a program
 * that does not read it is no trouble. stdout is collected up to limits.exec_output_bytes; each line of stderr is a
 * heartbeat and a line of the live log. */
#include "connectors/exec/exec.h"
#include "base/mem.h"
#include "connectors/outcome.h"
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
#define CAUSE_TAIL 4096   /* what a cause shows of stderr */
#define READ_AT_ONCE 65536
#define READ_BURST (4 * READ_AT_ONCE) /* before others get their turn */
#define READ_LEFT_MAX (8 << 20)       /* what is still taken from the pipes when everything is dead */
#define BEAT_MS 1000

enum ending { ENDING_NONE, ENDING_CANCELLED, ENDING_TIMED_OUT, ENDING_TOO_LARGE };

struct exec {
	struct connector connector;
	struct exec_config config;
	struct spawner spawner;
	char *lock_dir;           /* absolute; NULL: none */
	struct str_map tasks;     /* struct task_key → task; not those that were cancelled */
	struct exec_list running; /* all that have a guard */
	uint32_t running_count;
	struct loop_timer beat; /* while any waits */
};

struct exec_task {
	struct exec *exec;
	struct exec_program *program;
	struct task_key key;
	struct buffer spec; /* for the guard; see exec.h */
	struct value *input;
	struct exec_list *list; /* it is in: its program's waiting, exec->running, or another's heirs */
	struct exec_task *next, *previous;
	struct exec_list heirs; /* the same command, waiting for this cancelled one to be gone */
	uint64_t command;       /* hash of the arguments */
	pid_t pid;              /* 0: not yet known */
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

static void list_append(struct exec_list *list, struct exec_task *task)
{
	task->list = list;
	task->next = NULL;
	task->previous = list->last;
	*(list->last ? &list->last->next : &list->first) = task;
	list->last = task;
}

static void list_remove(struct exec_task *task)
{
	*(task->previous ? &task->previous->next : &task->list->first) = task->next;
	*(task->next ? &task->next->previous : &task->list->last) = task->previous;
	task->next = task->previous = NULL;
	task->list = NULL;
}

/* ---- descriptors */

int exec_memory_file(const char *name, struct str bytes, bool newline)
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
		r = theirs[GUARD_SPEC] = exec_memory_file("ratchet-task", buffer_str(&task->spec), false);
	}
	if (r >= 0)
		r = theirs[GUARD_STDIN] = exec_memory_file("ratchet-input", value_text(task->input), true);
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

static bool take_progress(struct exec_task *task, struct str line)
{
	struct connector_host *host = task->exec->connector.host;
	double fraction;
	if (!progress_line(line, &fraction))
		return false;
	if (fraction >= 0 && host->progress)
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
			break; /* the pipe is empty */
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
		buffer_printf(&outcome->cause,
			      "%.*s exited with status 0, but what it printed is not JSON: %s%s%s. It begins with: ",
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
	buffer_printf(&outcome->cause, "%.*s was ended by signal %d (%s).", STR_FMT(task->program->name), signal,
		      name ? name : "real-time");
	add_tail(outcome, task);
}

static void outcome_start_failed(struct outcome *outcome, const struct exec_task *task,
				 const struct guard_report *report)
{
	static const char *const what[] = { [GUARD_STAGE_SPEC] = "its guard could not read what to start",
					    [GUARD_STAGE_LOCK] = "the task's lock file cannot be made",
					    [GUARD_STAGE_FORK] = "no process could be made for it",
					    [GUARD_STAGE_CWD] = "its folder cannot be entered",
					    [GUARD_STAGE_EXEC] = "the program cannot be executed" };
	outcome_failed(outcome, TASK_START_FAILED, STR("Exec.StartFailed"));
	bool known = report->stage >= 0 && (size_t)report->stage < sizeof what / sizeof *what;
	buffer_printf(&outcome->cause, "%.*s did not start: %s: %s%s%s.", STR_FMT(task->program->name),
		      known ? what[report->stage] : "its guard failed", strerror(report->number),
		      report->stage == GUARD_STAGE_EXEC ? ": " : "",
		      report->stage == GUARD_STAGE_EXEC ? task->program->program : "");
}

static void outcome_set(struct outcome *outcome, struct exec_task *task, const struct guard_report *report)
{
	switch (task->ending) {
	case ENDING_CANCELLED:
		return;
	case ENDING_TIMED_OUT:
		outcome_failed(outcome, TASK_TIMED_OUT, STR("States.Timeout"));
		buffer_printf(&outcome->cause, "%.*s ran longer than its timeout_s of %g seconds and was ended.",
			      STR_FMT(task->program->name), (double)task->program->timeout_ms / 1000);
		add_tail(outcome, task);
		return;
	case ENDING_TOO_LARGE:
		outcome_failed(outcome, TASK_FAILED, STR("Exec.OutputTooLarge"));
		buffer_printf(&outcome->cause,
			      "%.*s printed more than %lld bytes and was ended. Let it write a file and print its "
			      "path, or raise limits.exec_output_bytes.",
			      STR_FMT(task->program->name),
			      (long long)task->exec->connector.host->limits->exec_output_bytes);
		add_tail(outcome, task);
		return;
	case ENDING_NONE:
		break;
	}
	if (!report) {
		outcome_failed(outcome, TASK_FAILED, STR("Exec.GuardLost"));
		buffer_printf(&outcome->cause, "The guard of %.*s was killed, so how the program ended is not known.",
			      STR_FMT(task->program->name));
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
	list_remove(task);
	exec->running_count--;
	program->running--;
	if (!report && task->pid)
		kill(-task->pid, SIGKILL); /* what its guard would have done */
	for (struct exec_task *heir; (heir = task->heirs.first);) {
		list_remove(heir);
		list_append(&program->waiting, heir);
	}
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
	case GUARD_FORKED:
		task->pid = report.number;
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

static void watch(struct exec_task *task, struct loop_watch *watch, int fd,
		  void (*callback)(struct loop_watch *, int, unsigned))
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
	list_append(&exec->running, task);
	exec->running_count++;
	task->program->running++;
	return 0;
}

/* Starts those that wait, in order, as long as there are places. Not from within start(): it may report a failure. */
static void fill_places(struct exec *exec, struct exec_program *program)
{
	struct connector_host *host = exec->connector.host;
	while (program->waiting.first && program->running < program->max_concurrent) {
		struct exec_task *task = program->waiting.first;
		struct wf_error err = { 0 };
		list_remove(task);
		if (launch(task, &err) == 0)
			continue;
		struct task_key key = task->key;
		str_map_remove(&exec->tasks, task_key_str(&key));
		task_free(task);
		host->finished(host, key,
			       &(struct task_result){ .end = TASK_START_FAILED,
						      .error = STR("Exec.StartFailed"),
						      .cause = str_of(err.message) });
	}
}

/* The list in which the task must wait, or NULL. A cancelled program has some seconds to end; until it has, the same
 * command of the same execution, its retry say, must not run beside it: both would write the same files. */
static struct exec_list *must_wait(const struct exec_task *task)
{
	for (struct exec_task *other = task->exec->running.first; other; other = other->next)
		if (other->ending == ENDING_CANCELLED && other->key.execution_id == task->key.execution_id &&
		    other->program == task->program && other->command == task->command)
			return &other->heirs;
	struct exec_program *program = task->program;
	return program->waiting.first || program->running >= program->max_concurrent ? &program->waiting : NULL;
}

/* A task that waits cannot speak for itself: HeartbeatSeconds is for the program. False: none is in the list. */
static bool beat_for(struct connector_host *host, const struct exec_list *list)
{
	for (const struct exec_task *task = list->first; task; task = task->next)
		if (host->heartbeat)
			host->heartbeat(host, task->key);
	return list->first;
}

static void on_beat(struct loop_timer *timer)
{
	struct exec *exec = timer->data;
	struct connector_host *host = exec->connector.host;
	bool any = false;
	for (size_t i = 0; i < exec->config.count; i++)
		any |= beat_for(host, &exec->config.programs[i].waiting);
	for (const struct exec_task *task = exec->running.first; task; task = task->next)
		any |= beat_for(host, &task->heirs);
	if (any)
		loop_timer_set(host->loop, &exec->beat, BEAT_MS);
}

static void wait_in(struct exec_list *list, struct exec_task *task)
{
	struct exec *exec = task->exec;
	list_append(list, task);
	if (!exec->beat.active)
		loop_timer_set(exec->connector.host->loop, &exec->beat, BEAT_MS);
}

static int exec_start(struct connector *connector, const struct task_request *request, struct wf_error *err)
{
	struct exec *exec = exec_of(connector);
	struct exec_program *program = str_map_get(&exec->config.by_name, request->api);
	if (!program)
		return error_set(err, ERR(NOT_FOUND), "the configuration has no program exec/%.*s",
				 STR_FMT(request->api));
	if (str_map_get(&exec->tasks, task_key_str(&request->key)))
		return error_set(err, ERR(EXISTS), "that task runs already");
	struct exec_task *task = NEW(struct exec_task);
	task->exec = exec;
	task->program = program;
	task->key = request->key;
	task->control = task->out = task->log = -1;
	task->input = request->parameters ? value_ref(request->parameters) : value_new_null();
	int r = exec_spec_write(&exec->connector, exec->lock_dir, program, request, &task->spec, &task->command, err);
	struct exec_list *waits = r == 0 ? must_wait(task) : NULL;
	if (r == 0 && !waits)
		r = launch(task, err);
	if (r < 0) {
		error_prefix(err, "cannot start %.*s", STR_FMT(program->name));
		task_free(task);
		return r;
	}
	if (waits)
		wait_in(waits, task);
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
		list_remove(task);
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

static void free_list(struct exec_list *list)
{
	for (struct exec_task *task; (task = list->first);) {
		for (struct exec_task *heir; (heir = task->heirs.first);) {
			list_remove(heir);
			task_free(heir);
		}
		list_remove(task);
		task_free(task);
	}
}

static void exec_free(struct connector *connector)
{
	struct exec *exec = exec_of(connector);
	for (size_t i = 0; i < exec->config.count; i++)
		free_list(&exec->config.programs[i].waiting);
	loop_timer_clear(exec->connector.host->loop, &exec->beat);
	free_list(&exec->running); /* the guards see their sockets close and kill everything */
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

int connector_exec_new(struct connector_host *host, const struct value *config, const char *lock_dir,
		       struct connector **ret_connector, struct wf_error *err)
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
	exec->beat = (struct loop_timer){ .callback = on_beat, .data = exec };
	exec->lock_dir = TAKE(absolute);
	*ret_connector = &exec->connector;
	return 0;
}
