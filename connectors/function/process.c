/* process.c: a worker's process: started under a guard, listened to, killed.
 *
 * The guard (exec/guard.c) kills the whole group when the engine is gone, so no worker outlives it. It tells on a socket how the process ended; what the
 * process prints comes by two pipes, which are emptied before an answer is given on. What it asks for comes by the Runtime API (runtime_api.c). */
#include "connectors/function/room.h"
#include "connectors/text.h"
#include <errno.h>
#include <fcntl.h>
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

static void process_drain(struct worker *worker)
{
	drain_reader(&worker->out);
	drain_reader(&worker->err);
}

/* ---- its end -------------------------------------------------------------------------------------------- */

static void process_kill(struct worker *worker)
{
	static const char order = GUARD_ORDER_KILL;
	if (worker->waiting)
		runtime_api_abandon(TAKE(worker->waiting));
	(void)!send(worker->control, &order, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Also of one that was made by half. */
static void process_release(struct worker *worker)
{
	if (worker->waiting)
		runtime_api_abandon(TAKE(worker->waiting));
	if (worker->listener >= 0)
		runtime_api_unlisten(worker->functions->api, worker);
	close_reader(&worker->out);
	close_reader(&worker->err);
	if (worker->control >= 0) {
		loop_unwatch(loop_of(worker), &worker->control_watch);
		close(worker->control);
	}
	buffer_done(&worker->out.line);
	buffer_done(&worker->err.line);
	buffer_done(&worker->output);
	if (worker->cgroup)
		cgroup_remove(worker->cgroup);
	free(worker->cgroup);
}

static void on_control(struct loop_watch *watch, int fd, unsigned events)
{
	struct worker *worker = watch->data;
	struct guard_report report;
	ssize_t n = recv(fd, &report, sizeof report, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n != (ssize_t)sizeof report) {
		worker_ended(worker, NULL);
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
		worker_start_failed(worker, &report);
		return;
	case GUARD_ENDED:
		worker_ended(worker, &report);
		return;
	}
}

/* ---- its work ----------------------------------------------------------------------------------------------- */

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

static void process_deliver(struct worker *worker, const struct invocation *invocation)
{
	limit_processor(worker);
	if (worker->waiting) /* a command has its event on its stdin */
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

/* Closes what was opened before anything was watched. */
static void close_unwatched(struct worker *worker)
{
	int *fds[] = { &worker->out.fd, &worker->err.fd, &worker->control };
	for (size_t i = 0; i < sizeof fds / sizeof *fds; i++) {
		if (*fds[i] >= 0)
			close(*fds[i]);
		*fds[i] = -1;
	}
}

static int process_launch(struct worker *worker, struct invocation *invocation, struct wf_error *err)
{
	struct functions *functions = worker->functions;
	int theirs[GUARD_FDS] = { -1, -1, -1, -1, -1 };
	_cleanup_(buffer_done) struct buffer spec = { 0 };
	int r = 0;
	if (!invocation) {
		r = functions->api ? 0 : runtime_api_new(functions, &functions->api, err);
		if (r == 0)
			r = runtime_api_listen(functions->api, worker, err);
	}
	if (r == 0) {
		worker->cgroup = cgroup_make(functions, worker->version);
		r = launch_spec(functions, worker->version, worker, invocation, &spec, err);
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
		close_unwatched(worker);
		return r;
	}
	worker->out.is_output = invocation != NULL;
	watch(worker, &worker->control_watch, worker->control, worker, on_control);
	watch(worker, &worker->out.watch, worker->out.fd, &worker->out, on_readable);
	watch(worker, &worker->err.watch, worker->err.fd, &worker->err, on_readable);
	return 0;
}

const struct worker_launcher process_launcher = {
	.launch = process_launch,
	.deliver = process_deliver,
	.drain = process_drain,
	.kill = process_kill,
	.release = process_release,
};
