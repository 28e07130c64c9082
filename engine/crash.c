/* crash.c: an execution whose step ends the process must not end it for ever.
 *
 * When a signal of a crash comes while an execution is stepped or folded, its id is appended to a small file beside the
 * store, from within the signal handler, and the process dies as it would have. The next process counts: who stands
 * there QUARANTINE_CRASHES times is stopped with Ratchet.Quarantined instead of going on; if even that crashes as
 * often, it is left alone in the store. This costs nothing while all is well. What it does not see is a process that is
 * killed from outside (out of memory). */
#include "engine/runtime.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#define QUARANTINE_CRASHES 3
#define NOTES_MAX 65536 /* of the file's newest; older ones have had their effect */

static const int crash_signals[] = { SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL };

/* For the handler, which has nothing else to go by. One engine of a process has notes. */
static struct engine *volatile noting_engine;

static void on_crash(int signal)
{
	const struct engine *engine = noting_engine;
	uint64_t id = engine ? engine->stepping : 0;
	if (id)
		(void)!write(engine->crash_fd, &id, sizeof id);
	/* SA_RESETHAND: this time it has its usual effect. */
	raise(signal);
}

static void count(struct engine *engine, uint64_t id)
{
	uintptr_t crashes = (uintptr_t)u64_map_get(&engine->crashes, id) + 1;
	u64_map_put(&engine->crashes, id, (void *)crashes);
	if (crashes == QUARANTINE_CRASHES)
		log_error("engine", "execution %llx has ended the process %d times and is quarantined",
			  (unsigned long long)id, QUARANTINE_CRASHES);
}

int crash_notes_open(struct engine *engine, const char *path, struct wf_error *err)
{
	engine->crash_fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (engine->crash_fd < 0)
		return error_errno(err, errno, "cannot open the notes of crashes %s", path);
	off_t end = lseek(engine->crash_fd, 0, SEEK_END);
	off_t from = end > NOTES_MAX ? (end - NOTES_MAX) / 8 * 8 : 0;
	uint64_t id;
	for (; pread(engine->crash_fd, &id, sizeof id, from) == sizeof id; from += 8)
		if (id)
			count(engine, id);
	noting_engine = engine;
	struct sigaction action = { .sa_handler = on_crash, .sa_flags = SA_RESETHAND | SA_NODEFER };
	for (size_t i = 0; i < sizeof crash_signals / sizeof *crash_signals; i++)
		sigaction(crash_signals[i], &action, NULL);
	return 0;
}

enum quarantine crash_quarantine(const struct engine *engine, uint64_t execution_id)
{
	uintptr_t crashes = engine->crashes.count ? (uintptr_t)u64_map_get(&engine->crashes, execution_id) : 0;
	return crashes < QUARANTINE_CRASHES       ? QUARANTINE_NONE
	       : crashes < 2 * QUARANTINE_CRASHES ? QUARANTINE_STOP
						  : QUARANTINE_LEAVE;
}

void crash_notes_close(struct engine *engine)
{
	if (noting_engine == engine) {
		noting_engine = NULL;
		for (size_t i = 0; i < sizeof crash_signals / sizeof *crash_signals; i++)
			signal(crash_signals[i], SIG_DFL);
	}
	if (engine->crash_fd >= 0)
		close(engine->crash_fd);
	u64_map_done(&engine->crashes);
}
