/* The spawner and the guards: the processes between the engine and the programs of exec tasks. exec.h draws them.
 *
 * A guard owes the engine three things.
 *
 * Nothing survives. The guard is a subreaper, so every descendant of the program, whatever sessions and daemons it
 * makes, ends up as the guard's child. It reports the end only when none is left. When its control socket closes,
 * because the engine was killed or lets go of the task, it kills them all at once.
 *
 * No two at a time. It holds the task's lock file before it starts the program, and so waits for the guard of an
 * engine that crashed. The program inherits the lock as well: should somebody kill the guard itself, the lock lasts
 * as long as any of the task's processes.
 *
 * One report. GUARD_ENDED with the program's own status, or GUARD_START_FAILED with the reason.
 *
 *     WAIT FOR LOCK ──► RUNNING ──► TERMINATING ──► KILLING ──► all gone: report, unlock, exit
 *                          └─ engine gone, or ordered to kill ─────▲
 *
 * Everything here runs in small single-threaded processes; exit is always by _exit. */
#include "base/buffer.h"
#include "base/mem.h"
#include "connectors/exec/exec.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LOCK_POLL_MS 10
#define KILL_POLL_MS 20
#define SPEC_BYTES_MAX (64 << 20)
#define LIMITS_MAX 16
#define PROGRAM_FILES_SOFT                                                                                             \
	1024 /* what programs expect; the engine's own limit may be huge, and select() breaks on that */

enum phase { RUNNING, TERMINATING, KILLING };

struct spec {
	char *program, *cwd, *lock;
	char **argv, **environment;
	uint64_t limits[3 * LIMITS_MAX]; /* resource, soft, hard */
	uint64_t limits_count;
	char *cgroup; /* NULL or empty: none */
};

struct guard {
	int control; /* to the engine; -1 once it is gone */
	int signals; /* signalfd for SIGCHLD */
	int started; /* read end of the pipe that tells how exec went; -1 once known */
	int lock;    /* -1: none */
	struct spec spec;
	pid_t program;
	enum phase phase;
	int64_t kill_at_ms; /* TERMINATING */
	bool program_ended; /* its zombie is kept until the end, so that its number cannot become somebody else's */
	bool others_alive;  /* children but the program; of the last look */
	pid_t asked[64];    /* strays that were asked to end */
	unsigned asked_count;
	int status;
	bool by_signal;
	bool start_failed;
	struct guard_report failure;
};

static int64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void report(int control, struct guard_report message)
{
	if (control >= 0)
		(void)!send(control, &message, sizeof message, MSG_NOSIGNAL);
}

static _Noreturn void give_up(struct guard *guard, enum guard_stage stage, int error)
{
	report(guard->control, (struct guard_report){ .kind = GUARD_START_FAILED, .stage = stage, .number = error });
	_exit(1);
}

/* ---- the spec */

static char *read_text(struct reader *reader)
{
	struct str text;
	return reader_blob(reader, &text) ? mem_strndup(text.ptr, text.len) : NULL;
}

/* A counted list of texts, ended by NULL. */
static char **read_list(struct reader *reader)
{
	uint64_t count;
	if (!reader_varint(reader, &count) || count > SPEC_BYTES_MAX)
		return NULL;
	char **list = mem_zalloc(sizeof *list * (count + 1));
	for (uint64_t i = 0; i < count; i++)
		if (!(list[i] = read_text(reader)))
			return NULL;
	return list;
}

/* What may stand behind the rest. */
static bool read_bounds(struct reader *reader, struct spec *spec)
{
	if (reader->at == reader->end)
		return true;
	if (!reader_varint(reader, &spec->limits_count) || spec->limits_count > LIMITS_MAX)
		return false;
	for (uint64_t i = 0; i < 3 * spec->limits_count; i++)
		if (!reader_varint(reader, &spec->limits[i]))
			return false;
	return (spec->cgroup = read_text(reader));
}

static bool read_spec(int fd, struct spec *spec)
{
	struct stat info;
	if (fstat(fd, &info) < 0 || info.st_size <= 0 || info.st_size > SPEC_BYTES_MAX)
		return false;
	char *bytes = mem_alloc((size_t)info.st_size);
	if (pread(fd, bytes, (size_t)info.st_size, 0) != info.st_size)
		return false;
	struct reader reader = reader_of((struct str){ bytes, (size_t)info.st_size });
	return (spec->program = read_text(&reader)) && (spec->cwd = read_text(&reader)) &&
	       (spec->lock = read_text(&reader)) && (spec->argv = read_list(&reader)) &&
	       (spec->environment = read_list(&reader)) && read_bounds(&reader, spec);
}

/* ---- the engine's orders */

/* Takes what the engine says. A closed socket means that it is gone or wants none of this task any more. */
static void take_order(struct guard *guard)
{
	char order;
	ssize_t n = recv(guard->control, &order, 1, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		close(guard->control);
		guard->control = -1;
		guard->phase = KILLING;
	} else if (order == GUARD_ORDER_KILL) {
		guard->phase = KILLING;
	} else if (order == GUARD_ORDER_TERMINATE && guard->phase == RUNNING) {
		guard->phase = TERMINATING;
		guard->kill_at_ms = now_ms() + GUARD_GRACE_MS;
	}
}

/* ---- the lock */

/* Whether the locked file is still the one at that path: an earlier holder removes it when it is done. */
static bool lock_is_current(int fd, const char *path)
{
	struct stat ours, there;
	return fstat(fd, &ours) == 0 && stat(path, &there) == 0 && ours.st_ino == there.st_ino &&
	       ours.st_dev == there.st_dev;
}

/* Waits until nobody else holds this task's lock, or until the engine wants the task no more (then it exits). */
static void take_lock(struct guard *guard)
{
	const char *path = guard->spec.lock;
	guard->lock = -1;
	for (bool told = false; *path;) {
		guard->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (guard->lock < 0)
			give_up(guard, GUARD_STAGE_LOCK, errno);
		if (flock(guard->lock, LOCK_EX | LOCK_NB) == 0) {
			if (lock_is_current(guard->lock, path))
				return;
		} else if (errno != EWOULDBLOCK && errno != EINTR) {
			give_up(guard, GUARD_STAGE_LOCK, errno);
		} else {
			if (!told)
				report(guard->control, (struct guard_report){ .kind = GUARD_WAITS });
			told = true;
			poll(&(struct pollfd){ .fd = guard->control, .events = POLLIN }, 1, LOCK_POLL_MS);
			take_order(guard);
			if (guard->phase != RUNNING) {
				report(guard->control, (struct guard_report){
							   .kind = GUARD_ENDED, .number = SIGTERM, .by_signal = true });
				_exit(0);
			}
		}
		close(guard->lock);
	}
}

/* ---- the program */

static _Noreturn void child_fails(int pipe, enum guard_stage stage)
{
	int message[2] = { (int)stage, errno };
	(void)!write(pipe, message, sizeof message);
	_exit(127);
}

/* Executes the program, looking a bare name up in the PATH that it is given itself. (execvpe would hand a file that is
 * no executable to a shell.) Returns only on failure, errno says why. */
static void execute(const struct spec *spec)
{
	if (strchr(spec->program, '/')) {
		execve(spec->program, spec->argv, spec->environment);
		return;
	}
	const char *path = "";
	for (char **entry = spec->environment; *entry; entry++)
		if (strncmp(*entry, "PATH=", 5) == 0)
			path = *entry + 5;
	int error = ENOENT;
	while (*path) {
		size_t len = strcspn(path, ":");
		char file[PATH_MAX];
		if (len && snprintf(file, sizeof file, "%.*s/%s", (int)len, path, spec->program) < (int)sizeof file) {
			execve(file, spec->argv, spec->environment);
			if (errno != ENOENT && errno != ENOTDIR)
				error = errno;
		}
		path += len + (path[len] == ':');
	}
	errno = error;
}

/* In the child: joins its cgroup and takes on its limits. Where that cannot be, the program is not started. */
static bool take_bounds(const struct spec *spec)
{
	if (spec->cgroup && *spec->cgroup) {
		char path[PATH_MAX];
		snprintf(path, sizeof path, "%s/cgroup.procs", spec->cgroup);
		int fd = open(path, O_WRONLY | O_CLOEXEC);
		if (fd < 0 || write(fd, "0", 1) != 1)
			return false;
		close(fd);
	}
	for (uint64_t i = 0; i < spec->limits_count; i++) {
		const uint64_t *row = &spec->limits[3 * i];
		struct rlimit limit = { (rlim_t)row[1], (rlim_t)row[2] };
		if (setrlimit((int)row[0], &limit) < 0)
			return false;
	}
	return true;
}

/* In the child: becomes the program. */
static _Noreturn void become_program(struct guard *guard, const int fds[GUARD_FDS], int pipe, pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(127);
	setsid();
	for (int i = 1; i < NSIG; i++)
		signal(i, SIG_DFL);
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	struct rlimit files;
	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur > PROGRAM_FILES_SOFT) {
		files.rlim_cur = PROGRAM_FILES_SOFT;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	if (!take_bounds(&guard->spec))
		child_fails(pipe, GUARD_STAGE_FORK);
	if (dup2(fds[GUARD_STDIN], 0) < 0 || dup2(fds[GUARD_STDOUT], 1) < 0 || dup2(fds[GUARD_STDERR], 2) < 0)
		child_fails(pipe, GUARD_STAGE_FORK);
	if (guard->lock >= 0)
		fcntl(guard->lock, F_SETFD, 0);
	if (*guard->spec.cwd && chdir(guard->spec.cwd) < 0)
		child_fails(pipe, GUARD_STAGE_CWD);
	execute(&guard->spec);
	child_fails(pipe, GUARD_STAGE_EXEC);
}

static void start_program(struct guard *guard, const int fds[GUARD_FDS])
{
	int pair[2];
	if (pipe2(pair, O_CLOEXEC) < 0)
		give_up(guard, GUARD_STAGE_FORK, errno);
	pid_t self = getpid();
	guard->program = fork();
	if (guard->program == 0)
		become_program(guard, fds, pair[1], self);
	if (guard->program < 0)
		give_up(guard, GUARD_STAGE_FORK, errno);
	report(guard->control, (struct guard_report){ .kind = GUARD_FORKED, .number = guard->program });
	close(pair[1]);
	guard->started = pair[0];
	for (int i = GUARD_SPEC; i < GUARD_FDS; i++)
		close(fds[i]);
}

/* The pipe closes when the program runs, or says why it does not. */
static void take_start(struct guard *guard)
{
	int message[2];
	ssize_t n = read(guard->started, message, sizeof message);
	if (n < 0 && errno == EINTR)
		return;
	close(guard->started);
	guard->started = -1;
	if (n == (ssize_t)sizeof message) {
		guard->start_failed = true;
		guard->failure =
		    (struct guard_report){ .kind = GUARD_START_FAILED, .stage = message[0], .number = message[1] };
	} else {
		report(guard->control, (struct guard_report){ .kind = GUARD_STARTED });
	}
}

/* ---- ending */

/* Calls visit for each child there is. */
static void each_child(struct guard *guard, void (*visit)(struct guard *guard, pid_t pid))
{
	int fd = open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return; /* a kernel that does not tell: then the program's group is all that is signalled */
	char text[4096];
	ssize_t n;
	pid_t pid = 0;
	while ((n = read(fd, text, sizeof text)) > 0)
		for (ssize_t i = 0; i < n; i++) {
			if (text[i] >= '0' && text[i] <= '9') {
				pid = pid * 10 + (text[i] - '0');
				continue;
			}
			if (pid)
				visit(guard, pid);
			pid = 0;
		}
	close(fd);
}

/* Asks a stray to end: a child of ours that has left the program's group. Once each: to be asked twice means something
 * else to some programs. */
static void terminate_stray(struct guard *guard, pid_t pid)
{
	if (pid == guard->program || getpgid(pid) == guard->program)
		return;
	for (unsigned i = 0; i < guard->asked_count; i++)
		if (guard->asked[i] == pid)
			return;
	if (guard->asked_count < sizeof guard->asked / sizeof *guard->asked)
		guard->asked[guard->asked_count++] = pid;
	kill(pid, SIGTERM);
	kill(pid, SIGCONT);
}

/* The program's group at first, and each stray when its parent is gone and it becomes our child. */
static void terminate_all(struct guard *guard, bool first)
{
	if (first) {
		if (kill(-guard->program, SIGTERM) < 0)
			kill(guard->program, SIGTERM); /* not yet in its session */
		kill(-guard->program, SIGCONT);        /* a stopped process would not hear it */
	}
	each_child(guard, terminate_stray);
}

static void kill_child(struct guard *guard, pid_t pid)
{
	if (pid != guard->program)
		kill(pid, SIGKILL);
}

static void kill_all(struct guard *guard)
{
	if (kill(-guard->program, SIGKILL) < 0)
		kill(guard->program, SIGKILL);
	each_child(guard, kill_child);
}

static void reap_child(struct guard *guard, pid_t pid)
{
	if (pid != guard->program)
		waitpid(pid, NULL, WNOHANG);
}

static void note_child(struct guard *guard, pid_t pid)
{
	guard->others_alive |= pid != guard->program;
}

/* Takes the children that have ended; the program's own zombie stays. Returns whether nothing is left. */
static bool reap(struct guard *guard)
{
	siginfo_t info = { 0 };
	if (!guard->program_ended && waitid(P_PID, (id_t)guard->program, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
	    info.si_pid) {
		guard->program_ended = true;
		guard->status = info.si_status;
		guard->by_signal = info.si_code != CLD_EXITED;
	}
	each_child(guard, reap_child);
	if (!guard->program_ended)
		return false;
	guard->others_alive = false;
	each_child(guard, note_child);
	if (guard->others_alive)
		return false;
	/* The list may miss one that was born or adopted while we read it; waitpid misses none. */
	kill(-guard->program, SIGKILL);
	waitpid(guard->program, NULL, 0);
	for (;;) {
		pid_t pid = waitpid(-1, NULL, WNOHANG);
		if (pid < 0 && errno == ECHILD)
			return true;
		if (pid <= 0) {
			each_child(guard, kill_child);
			poll(NULL, 0, KILL_POLL_MS);
		}
	}
}

static int poll_timeout(const struct guard *guard)
{
	if (guard->phase == RUNNING)
		return -1;
	int64_t left = guard->phase == TERMINATING ? guard->kill_at_ms - now_ms() : KILL_POLL_MS;
	return left < 0 ? 0 : left > KILL_POLL_MS * 50 ? KILL_POLL_MS * 50 : (int)left;
}

static void watch_over(struct guard *guard)
{
	bool asked = false;
	while (!reap(guard)) {
		if (guard->program_ended && guard->phase == RUNNING) {
			guard->phase = TERMINATING;
			guard->kill_at_ms = now_ms() + GUARD_LEFTOVERS_GRACE_MS;
		}
		if (guard->phase == TERMINATING && now_ms() >= guard->kill_at_ms)
			guard->phase = KILLING;
		if (guard->phase == TERMINATING) {
			terminate_all(guard, !asked);
			asked = true;
		} else if (guard->phase == KILLING) {
			kill_all(guard);
		}
		struct pollfd fds[] = { { .fd = guard->control, .events = POLLIN },
					{ .fd = guard->signals, .events = POLLIN },
					{ .fd = guard->started, .events = POLLIN } };
		if (poll(fds, 3, poll_timeout(guard)) <= 0)
			continue;
		struct signalfd_siginfo unused;
		if (fds[1].revents)
			(void)!read(guard->signals, &unused, sizeof unused);
		if (fds[2].revents)
			take_start(guard);
		if (fds[0].revents)
			take_order(guard);
	}
	if (guard->started >= 0)
		take_start(guard);
}

static _Noreturn void guard_run(const int fds[GUARD_FDS])
{
	struct guard guard = { .control = fds[GUARD_CONTROL], .started = -1 };
	prctl(PR_SET_NAME, "ratchet-guard");
	signal(SIGCHLD, SIG_DFL);
	if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		give_up(&guard, GUARD_STAGE_FORK, errno);
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	guard.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (guard.signals < 0)
		give_up(&guard, GUARD_STAGE_FORK, errno);
	if (!read_spec(fds[GUARD_SPEC], &guard.spec))
		give_up(&guard, GUARD_STAGE_SPEC, EINVAL);
	take_lock(&guard);
	start_program(&guard, fds);
	watch_over(&guard);
	if (guard.lock >= 0) {
		unlink(guard.spec.lock); /* while we hold it: whoever opened it meanwhile sees that it is not current */
		close(guard.lock);
	}
	report(guard.control, guard.start_failed ? guard.failure
						 : (struct guard_report){ .kind = GUARD_ENDED,
									  .number = guard.status,
									  .by_signal = guard.by_signal });
	_exit(0);
}

/* ---- the spawner */

/* One task's descriptors; false when the engine is gone. */
static bool receive_fds(int socket, int fds[GUARD_FDS], bool *ret_complete)
{
	char byte;
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int) * GUARD_FDS)];
	} control;
	struct iovec data = { &byte, 1 };
	struct msghdr message = {
		.msg_iov = &data, .msg_iovlen = 1, .msg_control = control.space, .msg_controllen = sizeof control.space
	};
	ssize_t n;
	do
		n = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return false;
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	size_t count = header && header->cmsg_type == SCM_RIGHTS ? (header->cmsg_len - CMSG_LEN(0)) / sizeof(int) : 0;
	*ret_complete = count == GUARD_FDS;
	memset(fds, 0xff, sizeof(int) * GUARD_FDS);
	if (count)
		memcpy(fds, CMSG_DATA(header), count * sizeof(int));
	return true;
}

void exec_guard_main(int argc, char **argv)
{
	prctl(PR_SET_NAME, "ratchet-spawner");
	fcntl(GUARD_SPAWNER_FD, F_SETFD, FD_CLOEXEC);
	/* What ends the spawner and the guards is the engine's end of their sockets, never a signal meant for the whole
	 * group. */
	static const int ignored[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGPIPE, SIGCHLD };
	for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
		signal(ignored[i], SIG_IGN); /* SIGCHLD too: ended guards vanish by themselves */
	int fds[GUARD_FDS];
	bool complete;
	while (receive_fds(GUARD_SPAWNER_FD, fds, &complete)) {
		pid_t pid = complete ? fork() : -1;
		if (pid == 0) {
			close(GUARD_SPAWNER_FD);
			guard_run(fds);
		}
		if (pid < 0)
			report(fds[GUARD_CONTROL], (struct guard_report){ .kind = GUARD_START_FAILED,
									  .stage = GUARD_STAGE_FORK,
									  .number = complete ? errno : EMFILE });
		for (int i = 0; i < GUARD_FDS; i++)
			if (fds[i] >= 0)
				close(fds[i]);
	}
	close(GUARD_SPAWNER_FD);
	while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
		;
	_exit(0);
}
