/* harness.h: an engine on a loop whose time is the test's, a store that can be made to fail, and a connector that does
 * as it is told.
 *
 * Time stands still until nothing else can happen; then it jumps to the next timer. So an hour's wait takes no time,
 * and the same test runs the same way each time (but for the writer thread of SQLite, whose answers come when they
 * come). */
#pragma once
#include "base/clock.h"
#include "base/map.h"
#include "engine/engine.h"
#include "tests/store/faulty.h"
#include <pthread.h>

#define START_MS INT64_C(1700000000000)

/* ---- the loop --------------------------------------------------------------------------- */

struct virtual_loop {
	struct loop loop; /* first */
	struct clock_manual clock; /* monotonic; the wall clock is … */
	int64_t wall_jump_ms; /* … this far ahead of it: a test may let it jump */
	struct loop_timer **timers; /* armed ones; impl is their time */
	size_t timers_count, timers_capacity;
	pthread_mutex_t mutex;
	pthread_cond_t posted;
	struct loop_post *posts, **posts_tail;
	bool (*turn)(void *data);
	void *turn_data;
};

/* ---- the connector -------------------------------------------------------------------------- */

/* Runs arn:ratchet:test:::NAME. What NAME does is in scripted_start. */
struct scripted {
	struct connector connector; /* first */
	struct harness *harness;
	struct scripted_task *tasks;
	uint32_t starts, cancels, running_max, running_now;
	uint64_t last_event_id; /* of the task that was started last */
	struct buffer trail;    /* "start NAME@execution/event;" "cancel …;" in order */
};

/* ---- all together ---------------------------------------------------------------------------- */

struct harness {
	struct virtual_loop loop;
	struct limits limits;
	char *url;           /* of the inner store */
	struct store *store; /* what the engine uses: the faulty one around … */
	struct store *inner;
	struct engine *engine;
	struct scripted *scripted;
	uint64_t seed;
	char *work_root, *crash_notes; /* NULL: none; set before harness_restart */
	char *fatal;                   /* the reason, if the engine called it */
	/* faults: the batch with this sequence number since harness_fault gets this */
	enum fault fault;
	uint32_t fault_at, fault_count, batches_seen;
	bool delay_all;
	unsigned reads_fail; /* so many reads fail, from the first one of the process that begins next, or … */
	unsigned reads_pass; /* … behind so many */
	const char *vfs; /* of a file; NULL: the machine's; with full durability; set before harness_reopen */
	/* power loss (harness_new_on_power) */
	bool power;
	bool in_step; /* the store answers before anything else happens: the run depends on nothing but its seed */
};

/* `backend`: "memory" or "sqlite" (a new file in a temporary folder). */
struct harness *harness_new(const char *backend);
void harness_free(struct harness *harness);
/* On a file under tests/store/power_vfs.h, with full durability. */
struct harness *harness_new_on_power(uint64_t seed, bool in_step);
/* The power goes (if it has not) and comes back: the process and what the disk did not hold are gone. The store is opened and looked at (engine_check), and another
 * engine begins on it. False, with what is wrong, and no engine, if the store cannot be opened or is not whole. */
bool harness_lose_power(struct harness *harness, char ret_problem[300]);
/* A new empty folder; its path is to be freed. */
char *harness_folder(void);
/* The process dies and another one begins on the same store: the engine is freed without a drain. */
void harness_restart(struct harness *harness);
/* The same with the store closed and opened again (a file). */
void harness_reopen(struct harness *harness);
/* From now on, `count` batches beginning with the one at `at` (0: the next) get this fault. */
void harness_fault(struct harness *harness, enum fault fault, uint32_t at, uint32_t count);

/* One iteration; false if nothing happened and time did not move (`may_sleep`: time may jump). */
bool harness_iterate(struct harness *harness, bool may_sleep);
/* Runs until *flag; fails the test when nothing more can happen. */
void harness_until(struct harness *harness, const bool *flag);
/* Runs until nothing is left to do but wait for a later time than the given one (in ms from now). */
void harness_run_for(struct harness *harness, int64_t ms);

/* ---- the engine's requests, run to their answer -------------------------------------------------- */

struct answer {
	bool done;
	enum engine_error_code error;
	char *message;
	char *arn, *name, *input, *output, *error_name, *cause, *token, *revision_id, *definition;
	enum execution_status status;
	int64_t start_ms, stop_ms;
	char *text; /* of a list or a history: one line each */
	uint32_t count;
};
/* Valid until the test ends. */
struct answer *harness_create(struct harness *harness, const char *name, const char *definition);
struct answer *harness_begin(struct harness *harness, const char *machine, const char *name,
			     const char *input); /* does not wait */
struct answer *harness_start(struct harness *harness, const char *machine, const char *name, const char *input);
struct answer *harness_stop(struct harness *harness, const char *arn, const char *error, const char *cause);
struct answer *harness_describe(struct harness *harness, const char *arn);
struct answer *harness_begin_describe(struct harness *harness, const char *arn); /* does not wait */
struct answer *harness_begin_redrive(struct harness *harness, const char *arn); /* does not wait */
struct answer *harness_begin_stop(struct harness *harness, const char *arn, const char *error, const char *cause);
/* Runs until it has ended. */
struct answer *harness_wait_end(struct harness *harness, const char *arn);
/* "1 ExecutionStarted\n2 PassStateEntered A\n…" */
struct answer *harness_history(struct harness *harness, const char *arn, bool reverse, uint32_t count,
			       const char *token);
struct answer *harness_list(struct harness *harness, const char *machine, int status, uint32_t count,
			    const char *token);
struct answer *harness_task_success(struct harness *harness, const char *token, const char *output);
struct answer *harness_delete(struct harness *harness, const char *machine);
struct answer *harness_update(struct harness *harness, const char *machine, const char *definition, const char *role);
/* Waits for an answer that was begun. */
struct answer *harness_await(struct harness *harness, struct answer *answer);
void harness_machine_arn(struct harness *harness, const char *name, char ret_arn[256]);
/* The token in the parameters of the last task that had one ("token" member). */
extern char harness_last_token[256];
