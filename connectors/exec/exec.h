/* exec.h: what the parts of the exec connector share; nobody else includes it.
 *
 *     engine                        spawner           guard                     program
 *     exec.c ────descriptors──────► guard.c ──fork──► guard.c ──fork, exec────► its own session
 *      ▲  └─────────── control (SOCK_SEQPACKET) ─────────┘                         │
 *      └──────────────────────── stdout, stderr (pipes) ──────────────────────────┘
 *
 * The spawner is this same binary, executed once and nearly empty, so that starting a program costs two forks of a
 * small process: the engine itself, which may hold gigabytes, never forks for a task. Each task gets a guard of its
 * own, forked by the spawner: a subreaper that outlives whatever the program does and whose end of the control socket
 * tells it when the engine is gone. */
#pragma once
#include "base/map.h"
#include "connectors/connector.h"
#include <sys/types.h>

/* ---- configuration (config.c) */

struct exec_task;

struct exec_list {
	struct exec_task *first, *last;
};

struct exec_program {
	struct str name;                         /* borrowed from the configuration */
	char *program;                           /* absolute, or a bare name to be looked up in PATH */
	char *cwd;                               /* NULL: the work folder */
	const struct value *args, *env, *errors; /* borrowed from the configuration; NULL: none */
	bool text_output;
	int64_t timeout_ms; /* 0: none */
	uint32_t max_concurrent;
	uint32_t running;         /* guards alive, those of cancelled tasks included */
	struct exec_list waiting; /* for a place */
};

struct exec_config {
	struct value *source;
	struct exec_program *programs;
	size_t count;
	struct str_map by_name;
};

int exec_config_init(struct exec_config *config, const struct value *source, struct wf_error *err);
void exec_config_done(struct exec_config *config);
/* The name that the configuration gives this exit status, or empty. */
struct str exec_program_error_name(const struct exec_program *program, int status);

/* ---- arguments (arguments.c) */

/* Appends the arguments that one element of `args` makes of `input` to `out` as blobs (buffer_blob) and counts them in
 * *count. `input` NULL: only checks how the element is written. ERR(INVALID) with a sentence. */
int exec_argument_expand(struct str element, const struct value *input, struct buffer *out, uint32_t *count,
			 struct wf_error *err);

/* ---- what a guard must know (spec.c) */

/* Appends the spec of a program for a task: blobs program, cwd, lock file (empty: none), then a varint and that many
 * blobs for argv, the same for the environment. (Others that use the guard may write more behind it: a varint and that
 * many resource limits, each three varints: resource, soft, hard; and a blob: the cgroup to join, empty: none.) *ret_command: a hash of the arguments. Fails where an argument has no
 * value, a secret cannot be read or the work folder cannot be made. */
int exec_spec_write(const struct connector *connector, const char *lock_dir, const struct exec_program *program,
		    const struct task_request *request, struct buffer *out, uint64_t *ret_command,
		    struct wf_error *err);

/* A sealed memory file that holds `bytes`, with a newline behind them if asked, and is read from its beginning; a negative
 * errno on failure. */
int exec_memory_file(const char *name, struct str bytes, bool newline);

/* ---- the spawner, seen from the engine (spawner.c) */

enum guard_fd { GUARD_CONTROL, GUARD_SPEC, GUARD_STDIN, GUARD_STDOUT, GUARD_STDERR, GUARD_FDS };

struct spawner {
	pid_t pid; /* 0: none yet */
	int socket;
};

/* Hands the descriptors to a new guard; starts the spawner if there is none or it has died. They stay the caller's to
 * close. */
int spawner_send(struct spawner *spawner, const int fds[GUARD_FDS], struct wf_error *err);
/* Lets the spawner and all its guards end, and waits for them (a few seconds at most). */
void spawner_stop(struct spawner *spawner);

/* ---- between engine and guard: one message is one struct guard_report / one byte */

enum guard_report_kind {
	GUARD_WAITS,        /* an earlier run of the same task still holds the lock */
	GUARD_FORKED,       /* number: pid */
	GUARD_STARTED,      /* the program runs */
	GUARD_START_FAILED, /* number: errno; stage */
	GUARD_ENDED,        /* number: exit status, or signal if by_signal. Nothing of the program is alive any more. */
};

enum guard_stage { GUARD_STAGE_SPEC, GUARD_STAGE_LOCK, GUARD_STAGE_FORK, GUARD_STAGE_CWD, GUARD_STAGE_EXEC };

struct guard_report {
	int32_t kind, number, stage, by_signal;
};

#define GUARD_ORDER_TERMINATE 'T' /* SIGTERM, and SIGKILL after GUARD_GRACE_MS */
#define GUARD_ORDER_KILL 'K'
#define GUARD_GRACE_MS 5000
#define GUARD_LEFTOVERS_GRACE_MS 1000 /* for what a program left running when it ended by itself */
#define GUARD_SPAWNER_FD 3            /* where the spawner finds its socket */
/* Set in the spawner's environment, so that a program whose main() does not hand over to exec_guard_main is found out
 * instead of starting itself for ever. */
#define GUARD_MARK "RATCHET_EXEC_GUARD"
/* Names another binary than /proc/self/exe for the spawner: for tests. */
#define GUARD_PROGRAM "RATCHET_GUARD_PROGRAM"
