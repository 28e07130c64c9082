/* The engine's end of the spawner: starts it, hands it the descriptors of a new task, ends it. See exec.h for the
 * processes. */
#include "base/mem.h"
#include "connectors/exec/exec.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SEND_TIMEOUT_S 1
#define STOP_TIMEOUT_MS 3000

extern char **environ;

/* Ours and GUARD_MARK; to be freed, the texts stay where they are. */
static char **marked_environment(void)
{
	size_t count = 0;
	while (environ[count])
		count++;
	char **environment = mem_alloc(sizeof *environment * (count + 2));
	environment[0] = GUARD_MARK "=1";
	memcpy(environment + 1, environ, sizeof *environment * (count + 1));
	return environment;
}

/* Its own session, so that a Ctrl-C at the server's terminal ends no task; default signals; nothing of ours open but
 * its socket. */
static int spawn(int socket, pid_t *ret_pid)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t all, none;
	sigfillset(&all);
	sigdelset(&all, SIGKILL);
	sigdelset(&all, SIGSTOP);
	sigemptyset(&none);
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attributes);
	posix_spawn_file_actions_adddup2(&actions, socket, GUARD_SPAWNER_FD);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_addclosefrom_np(&actions, GUARD_SPAWNER_FD + 1);
	posix_spawnattr_setsigdefault(&attributes, &all);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSID);
	char *argv[] = { "ratchet", EXEC_GUARD_ARGUMENT, NULL };
	const char *program = getenv(GUARD_PROGRAM);
	char **environment = marked_environment();
	int r = posix_spawn(ret_pid, program ? program : "/proc/self/exe", &actions, &attributes, argv, environment);
	free(environment);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	return r;
}

static int spawner_start(struct spawner *spawner, struct wf_error *err)
{
	int pair[2];
	if (getenv(GUARD_MARK))
		return error_set(err, ERR(INTERNAL),
				 "this program does not begin with exec_guard_main, so it cannot guard exec tasks");
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return error_errno(err, errno, "cannot make a socket for the guard of exec tasks");
	struct timeval timeout = { .tv_sec = SEND_TIMEOUT_S };
	setsockopt(pair[0], SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
	/* dup2 onto itself would leave close-on-exec set. */
	int socket = pair[1] == GUARD_SPAWNER_FD ? fcntl(pair[1], F_DUPFD_CLOEXEC, GUARD_SPAWNER_FD + 1) : pair[1];
	int r = socket < 0 ? errno : spawn(socket, &spawner->pid);
	if (socket >= 0 && socket != pair[1])
		close(socket);
	close(pair[1]);
	if (r) {
		close(pair[0]);
		spawner->pid = 0;
		return error_errno(err, r, "cannot start the guard of exec tasks");
	}
	spawner->socket = pair[0];
	return 0;
}

static int64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void spawner_stop(struct spawner *spawner)
{
	if (!spawner->pid)
		return;
	close(spawner->socket); /* it sees the end, waits for its guards and exits */
	for (int64_t end = now_ms() + STOP_TIMEOUT_MS; waitpid(spawner->pid, NULL, WNOHANG) == 0;) {
		if (now_ms() > end) {
			/* A program in uninterruptible sleep, say. The guards go on by themselves; only the spawner is
			 * ours to reap. */
			kill(spawner->pid, SIGKILL);
			waitpid(spawner->pid, NULL, 0);
			break;
		}
		nanosleep(&(struct timespec){ .tv_nsec = 2000000 }, NULL);
	}
	*spawner = (struct spawner){ 0 };
}

static int send_fds(int socket, const int fds[GUARD_FDS])
{
	char byte = 0;
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int) * GUARD_FDS)];
	} control = { 0 };
	struct iovec data = { &byte, 1 };
	struct msghdr message = {
		.msg_iov = &data, .msg_iovlen = 1, .msg_control = control.space, .msg_controllen = sizeof control.space
	};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int) * GUARD_FDS);
	memcpy(CMSG_DATA(header), fds, sizeof(int) * GUARD_FDS);
	while (sendmsg(socket, &message, MSG_NOSIGNAL) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

int spawner_send(struct spawner *spawner, const int fds[GUARD_FDS], struct wf_error *err)
{
	for (int attempt = 0;; attempt++) {
		if (!spawner->pid) {
			int r = spawner_start(spawner, err);
			if (r < 0)
				return r;
		}
		int r = send_fds(spawner->socket, fds);
		if (r == 0)
			return 0;
		if ((r != -EPIPE && r != -ECONNRESET) || attempt)
			return error_errno(err, -r, "the guard of exec tasks does not take the task");
		spawner_stop(spawner); /* somebody killed it */
	}
}
