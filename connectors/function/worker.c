/* worker.c: a worker: a process under a guard that takes one event after the other, or (a command) just one.
 *
 *     STARTING ── next ──► IDLE ── an invocation ──► BUSY ── response, then next ──► IDLE …
 *        └── init error, exit, too slow: who waits hears why      └── exit, timeout, cancel
 *                             └──────────────► ENDING ◄──────────────┘   until the guard says that all is dead
 *
 * The guard (exec/guard.c) kills the whole group when the engine is gone, so no worker outlives it. What a worker prints
 * belongs to the invocation that it has; the pipes are emptied before an answer is given on. */
#include "connectors/function/room.h"
#include "connectors/text.h"
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define READ_AT_ONCE 16384
#define READ_BURST (8 * READ_AT_ONCE)
#define READ_LEFT_MAX (8 << 20)

static struct loop *loop_of(const struct worker *worker)
{
	return worker->functions->host->loop;
}

/* ---- what it prints -------------------------------------------------------------------------------- */

static void take_line(struct line_reader *reader)
{
	struct worker *worker = reader->worker;
	if (reader->line.len)
		invocation_line(worker->functions, worker->version, worker->invocation, buffer_str(&reader->line));
	buffer_clear(&reader->line);
}

static void take_lines(struct line_reader *reader, const char *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		bool end = bytes[i] == '\n' || bytes[i] == '\r';
		if (!end)
			buffer_byte(&reader->line, bytes[i]);
		if (end || reader->line.len >= LOG_LINE_MAX)
			take_line(reader);
	}
}

static void take_output(struct worker *worker, const char *bytes, size_t length)
{
	if (worker->output.len + length > RESPONSE_BYTES_MAX)
		worker->output_too_large = true;
	else
		buffer_append(&worker->output, bytes, length);
}

/* Reads what is there, up to `most` bytes; false at the stream's end. */
static bool drain(struct line_reader *reader, size_t most)
{
	char bytes[READ_AT_ONCE];
	for (size_t sum = 0; reader->fd >= 0 && sum < most;) {
		ssize_t n = read(reader->fd, bytes, sizeof bytes);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 && errno == EAGAIN;
		sum += (size_t)n;
		if (reader->is_output)
			take_output(reader->worker, bytes, (size_t)n);
		else
			take_lines(reader, bytes, (size_t)n);
	}
	return true;
}

static void close_reader(struct line_reader *reader)
{
	if (reader->fd < 0)
		return;
	loop_unwatch(loop_of(reader->worker), &reader->watch);
	close(reader->fd);
	reader->fd = -1;
}

static void on_readable(struct loop_watch *watch, int fd, unsigned events)
{
	struct line_reader *reader = watch->data;
	if (!drain(reader, READ_BURST))
		close_reader(reader);
}

static void drain_reader(struct line_reader *reader)
{
	drain(reader, READ_LEFT_MAX);
	if (!reader->is_output)
		take_line(reader);
}

void worker_drain_logs(struct worker *worker)
{
	drain_reader(&worker->out);
	drain_reader(&worker->err);
}

/* ---- its end -------------------------------------------------------------------------------------------- */

static void list_remove(struct worker *worker)
{
	struct version *version = worker->version;
	*(worker->previous ? &worker->previous->next : &version->workers.first) = worker->next;
	*(worker->next ? &worker->next->previous : &version->workers.last) = worker->previous;
	version->workers_count--;
	version->function->workers_count--;
	worker->functions->workers_count--;
}

void worker_free(struct worker *worker)
{
	struct functions *functions = worker->functions;
	if (worker->waiting)
		runtime_api_abandon(TAKE(worker->waiting));
	if (worker->state == WORKER_STARTING)
		worker->version->starting--;
	if (worker->listener >= 0)
		runtime_api_unlisten(functions->api, worker);
	close_reader(&worker->out);
	close_reader(&worker->err);
	if (worker->control >= 0) {
		loop_unwatch(loop_of(worker), &worker->control_watch);
		close(worker->control);
	}
	loop_timer_clear(loop_of(worker), &worker->timer);
	buffer_done(&worker->out.line);
	buffer_done(&worker->err.line);
	buffer_done(&worker->output);
	if (worker->cgroup)
		cgroup_remove(worker->cgroup);
	free(worker->cgroup);
	list_remove(worker);
	free(worker);
}

void worker_kill(struct worker *worker)
{
	static const char order = GUARD_ORDER_KILL;
	if (worker->state == WORKER_STARTING)
		worker->version->starting--;
	worker->state = WORKER_ENDING;
	loop_timer_clear(loop_of(worker), &worker->timer);
	if (worker->waiting)
		runtime_api_abandon(TAKE(worker->waiting));
	(void)!send(worker->control, &order, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* "exit status 1", "signal: killed": as AWS words it. */
static void write_reason(const struct guard_report *report, struct buffer *out)
{
	if (!report) {
		buffer_addz(out, "Runtime exited with error: its guard was killed");
	} else if (report->by_signal) {
		const char *name = strsignal(report->number);
		bool shout = name && isupper((unsigned char)name[0]) && isupper((unsigned char)name[1]);
		buffer_printf(out, "Runtime exited with error: signal: %c%s",
			      shout ? name[0] : tolower((unsigned char)name[0]), name + 1);
	} else if (report->number) {
		buffer_printf(out, "Runtime exited with error: exit status %d", report->number);
	} else {
		buffer_addz(out, "Runtime exited without providing a reason");
	}
}

static const char *exit_type(const struct guard_report *report)
{
	return "Runtime.ExitError";
}

/* A command has ended: what it printed is the result. */
static void finish_command(struct worker *worker, const struct guard_report *report)
{
	struct invocation *invocation = worker->invocation;
	_cleanup_(buffer_done) struct buffer reason = { 0 };
	struct str text = text_trim(buffer_str(&worker->output));
	if (!report || report->number) {
		write_reason(report, &reason);
		invocation_break(invocation, exit_type(report), "%s", reason.data);
	} else if (worker->output_too_large) {
		invocation_break(invocation, "Function.ResponseSizeTooLarge",
				 "Response payload size exceeded maximum allowed payload size (%d bytes).",
				 RESPONSE_BYTES_MAX);
	} else if (!text.len) {
		invocation_return(invocation, STR("null"));
	} else if (runtime_payload_valid(text)) {
		invocation_return(invocation, text);
	} else {
		/* Whatever is no JSON is a text: echo hello gives "hello". */
		_cleanup_(buffer_done) struct buffer clean = { 0 }, json = { 0 };
		text_clean(text, &clean);
		value_write_string(buffer_str(&clean), &json);
		invocation_return(invocation, buffer_str(&json));
	}
}

/* Nothing of it is alive any more. `report` NULL: its guard vanished. */
static void ended(struct worker *worker, const struct guard_report *report)
{
	struct version *version = worker->version;
	struct invocation *invocation = worker->invocation;
	_cleanup_(buffer_done) struct buffer reason = { 0 };
	worker_drain_logs(worker);
	if (!report && worker->pid)
		kill(-worker->pid, SIGKILL);
	write_reason(report, &reason);
	if (invocation && worker->out.is_output) {
		finish_command(worker, report);
	} else if (invocation) {
		invocation_break(invocation, exit_type(report), "%s", reason.data);
	} else if (worker->state == WORKER_STARTING && !worker->reported) {
		worker->reported = true;
		pool_start_failed(version, STR_EMPTY, exit_type(report), reason.data);
	}
	worker_free(worker);
	pool_worker_gone(version);
}

static void start_failed(struct worker *worker, const struct guard_report *report)
{
	struct version *version = worker->version;
	struct invocation *invocation = worker->invocation;
	const char *program = version->settings.runtime == RUNTIME_PROVIDED ? "bootstrap"
			      : version->settings.interpreter		    ? version->settings.interpreter
			      : version->settings.runtime == RUNTIME_PYTHON ? "python3"
			      : version->settings.runtime == RUNTIME_NODEJS ? "node"
									    : "/bin/sh";
	_cleanup_free_ char *text =
	    mem_printf("Couldn't start %s in %s: %s", program,
		       version->settings.folder ? version->settings.folder : "/", strerror(report->number));
	if (invocation)
		invocation_break(invocation, "Runtime.InvalidEntrypoint", "%s", text);
	else if (worker->state != WORKER_ENDING)
		pool_start_failed(version, STR_EMPTY, "Runtime.InvalidEntrypoint", text);
	worker_free(worker);
	pool_worker_gone(version);
}

static void on_control(struct loop_watch *watch, int fd, unsigned events)
{
	struct worker *worker = watch->data;
	struct guard_report report;
	ssize_t n = recv(fd, &report, sizeof report, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n != (ssize_t)sizeof report) {
		ended(worker, NULL);
		return;
	}
	switch ((enum guard_report_kind)report.kind) {
	case GUARD_WAITS:
	case GUARD_STARTED:
		return;
	case GUARD_FORKED:
		worker->pid = report.number;
		return;
	case GUARD_START_FAILED:
		start_failed(worker, &report);
		return;
	case GUARD_ENDED:
		ended(worker, &report);
		return;
	}
}

static void on_init_timeout(struct loop_timer *timer)
{
	struct worker *worker = timer->data;
	struct version *version = worker->version;
	_cleanup_free_ char *text =
	    mem_printf("Task timed out after %.2f seconds", (double)version->settings.init_timeout_ms / 1000);
	worker_drain_logs(worker);
	worker->reported = true;
	worker_kill(worker);
	version->function->timeouts++;
	pool_start_failed(version, STR_EMPTY, "Sandbox.Timedout", text);
}

/* ---- its work ----------------------------------------------------------------------------------------------- */

static void on_timeout(struct loop_timer *timer)
{
	struct invocation *invocation = timer->data;
	struct worker *worker = invocation->worker;
	const struct version *version = invocation->version;
	worker_drain_logs(worker);
	worker_kill(worker);
	version->function->timeouts++;
	invocation_break(invocation, "Sandbox.Timedout", "Task timed out after %.2f seconds",
			 (double)version->settings.timeout_ms / 1000);
}

/* Processor time is counted for the process, so the limit moves ahead with each invocation. */
static void limit_processor(const struct worker *worker)
{
	int64_t seconds = worker->version->settings.cpu_s;
	clockid_t id;
	struct timespec used = { 0 };
	if (!seconds || !worker->pid || clock_getcpuclockid(worker->pid, &id) != 0)
		return;
	clock_gettime(id, &used);
	struct rlimit limit = { (rlim_t)(used.tv_sec + seconds), RLIM_INFINITY };
	prlimit(worker->pid, RLIMIT_CPU, &limit, NULL);
}

static void begin(struct worker *worker, struct invocation *invocation)
{
	int64_t timeout_ms = worker->version->settings.timeout_ms;
	worker->state = WORKER_BUSY;
	worker->invocation = invocation;
	worker->invocations++;
	invocation->worker = worker;
	invocation->stage = STAGE_RUNNING;
	invocation->started_us = now_us();
	invocation->deadline_ms = wall_ms() + timeout_ms;
	invocation->timer = (struct loop_timer){ .callback = on_timeout, .data = invocation };
	loop_timer_set(loop_of(worker), &invocation->timer, timeout_ms);
	limit_processor(worker);
}

void worker_give(struct worker *worker, struct invocation *invocation)
{
	begin(worker, invocation);
	runtime_api_deliver(TAKE(worker->waiting), invocation);
}

/* ---- its beginning ------------------------------------------------------------------------------------------- */

static int output_pipe(struct line_reader *reader, int *ret_theirs)
{
	int pair[2];
	if (pipe2(pair, O_CLOEXEC) < 0)
		return -errno;
	fcntl(pair[0], F_SETFL, O_NONBLOCK);
	reader->fd = pair[0];
	*ret_theirs = pair[1];
	return 0;
}

static int open_descriptors(struct worker *worker, const struct invocation *invocation, struct str spec,
			    int theirs[GUARD_FDS])
{
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	worker->control = pair[0];
	theirs[GUARD_CONTROL] = pair[1];
	fcntl(pair[0], F_SETFL, O_NONBLOCK);
	int r = theirs[GUARD_SPEC] = exec_memory_file("ratchet-worker", spec, false);
	if (r >= 0)
		r = theirs[GUARD_STDIN] =
		    invocation ? exec_memory_file("ratchet-event",
						  (struct str){ invocation->event, invocation->event_len }, true)
			       : open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (r >= 0)
		r = output_pipe(&worker->out, &theirs[GUARD_STDOUT]);
	if (r >= 0)
		r = output_pipe(&worker->err, &theirs[GUARD_STDERR]);
	return r < 0 ? r : 0;
}

static void watch(struct worker *worker, struct loop_watch *watched, int fd, void *data,
		  void (*callback)(struct loop_watch *, int, unsigned))
{
	watched->callback = callback;
	watched->data = data;
	loop_watch_fd(loop_of(worker), watched, fd, LOOP_READ);
}

static struct worker *worker_new(struct version *version)
{
	struct worker *worker = NEW(struct worker);
	worker->version = version;
	worker->functions = version->function->owner;
	worker->listener = worker->control = -1;
	worker->out = (struct line_reader){ .worker = worker, .fd = -1 };
	worker->err = (struct line_reader){ .worker = worker, .fd = -1 };
	worker->begun_us = now_us();
	worker->previous = version->workers.last;
	*(version->workers.last ? &version->workers.last->next : &version->workers.first) = worker;
	version->workers.last = worker;
	version->workers_count++;
	version->starting++;
	version->function->workers_count++;
	worker->functions->workers_count++;
	return worker;
}

/* Closes what was opened before anything was watched. */
static void unmake(struct worker *worker)
{
	int *fds[] = { &worker->out.fd, &worker->err.fd, &worker->control };
	for (size_t i = 0; i < sizeof fds / sizeof *fds; i++) {
		if (*fds[i] >= 0)
			close(*fds[i]);
		*fds[i] = -1;
	}
	worker_free(worker);
}

int worker_start(struct version *version, struct invocation *invocation, struct wf_error *err)
{
	struct functions *functions = version->function->owner;
	struct worker *worker = worker_new(version);
	int theirs[GUARD_FDS] = { -1, -1, -1, -1, -1 };
	_cleanup_(buffer_done) struct buffer spec = { 0 };
	int r = 0;
	if (!invocation) {
		r = functions->api ? 0 : runtime_api_new(functions, &functions->api, err);
		if (r == 0)
			r = runtime_api_listen(functions->api, worker, err);
	}
	if (r == 0) {
		worker->cgroup = cgroup_make(functions, version);
		r = launch_spec(functions, version, worker, invocation, &spec, err);
	}
	if (r == 0) {
		r = open_descriptors(worker, invocation, buffer_str(&spec), theirs);
		if (r < 0)
			r = error_errno(err, -r, "cannot make the pipes for a worker");
	}
	if (r == 0)
		r = spawner_send(&functions->spawner, theirs, err);
	for (int i = 0; i < GUARD_FDS; i++)
		if (theirs[i] >= 0)
			close(theirs[i]);
	if (r < 0) {
		unmake(worker);
		return r;
	}
	worker->out.is_output = invocation != NULL;
	watch(worker, &worker->control_watch, worker->control, worker, on_control);
	watch(worker, &worker->out.watch, worker->out.fd, &worker->out, on_readable);
	watch(worker, &worker->err.watch, worker->err.fd, &worker->err, on_readable);
	worker->timer = (struct loop_timer){ .callback = on_init_timeout, .data = worker };
	if (invocation) {
		version->starting--;
		begin(worker, invocation);
	} else {
		worker->state = WORKER_STARTING;
		loop_timer_set(loop_of(worker), &worker->timer, version->settings.init_timeout_ms);
	}
	return 0;
}
