/* sim.h: one run of the simulator, and the parts that share it.
 *
 * A run is a function of its seed. Nothing here reads a clock, starts a thread or asks the system for randomness: time is a number that jumps
 * to the next thing that happens, and each draw comes from one of two streams. `plan` decides the workflows and their inputs, so that a run
 * with faults and one without have the same; `chance` decides everything else: delays, orders, faults, what clients ask and when.
 *
 *     sim.c        time, the order of things, the run from its beginning to its end
 *     generate.c   workflows at random                  oracle.c   what they must come to, by a naive interpreter
 *     script.c     what tasks do, for both of the two
 *     node.c       a process: a loop, an engine, a connector, its door to the disk; it dies at any effect
 *     disk.c       what survives; the writer with its faults
 *     model.c      what the disk has accepted, checked record by record; what may be said because of it
 *     client.c     who asks, remembers what was answered, and compares
 *     jobs.c       who redrives in bulk or discards, and what must hold of it
 *     targets.c    who is told of status changes, and what must hold of that
 *     workers.c    functions, whose workers are scripts
 *     revisions.c  definitions that are changed, and which of them an execution could go on with
 *
 * generate.c, oracle.c and script.c know JSON by jansson alone and share no code with the engine. */
#pragma once
#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/random.h"
#include "engine/runtime.h"
#include "state-store/backend.h"
#include "state-store/memory/memory.h"
#include <jansson.h>

#define SIM_START_MS INT64_C(1700000000000)
#define SIM_MACHINES_MAX 3
#define SIM_JOBS_MAX 3
#define SIM_TARGETS 2

struct sim;
struct node;

/* ---- what may go wrong in this run: parts in a thousand, 0 is never ------------------------------ */

struct temper {
	bool faults; /* false: everything works, only slowly or quickly */
	int64_t until_ms; /* after this all is calm */
	unsigned write_ms, answer_ms, read_ms, task_ms; /* the longest delays */
	unsigned fail, no_space, lose_stored, lose, fence; /* of a write */
	unsigned read_fail; /* of a read */
	unsigned die_at_effect; /* of ten thousand: the process dies instead of saying or doing something */
	unsigned die_at_write; /* the power goes between two writes */
	int64_t die_every_ms; /* and at any time, this often; 0: never */
	unsigned zombie; /* of deaths: the old process does not know that it is dead */
	unsigned twice, late; /* of answers of tasks */
	unsigned stop, redrive, update; /* of clients' calls */
	unsigned cold, crash; /* of functions' workers: they cannot begin, they do not answer */
	unsigned deaf; /* of targets that are told of something: they do not take it */
	unsigned jump; /* of steps in time: the wall clock jumps */
};

/* ---- script.c: what the world does when a task is run ---------------------------------------------- */

enum script_end { SCRIPT_ANSWERS, SCRIPT_FAILS, SCRIPT_REFUSES, SCRIPT_NEVER, SCRIPT_BEATS };
struct script {
	enum script_end end;
	json_t *output; /* ANSWERS, BEATS; the caller's */
	char error[32], cause[32];
	bool by_token; /* what ends it comes by task token */
};
/* `api` is the last part of the resource without its pattern. */
void script_of(const char *api, unsigned attempt, json_t *parameters, struct script *ret_script);

/* ---- generate.c, oracle.c ---------------------------------------------------------------------------- */

/* A state machine's definition, always valid. It may start executions of the machines behind it: `index` of `count`, of which the last may be Express. */
json_t *generate_machine(struct random *plan, bool bulky, bool functions, unsigned index, unsigned count, bool express_last);
json_t *generate_input(struct random *plan, bool bulky);
/* The same state machine, so that it comes to the same, under another definition: with a state "T<number>" behind its ends, or `before` everything
 * a state "F<number>". The first is one that an execution that has failed can go on with; the second is none. */
json_t *generate_revision(json_t *machine, unsigned number, bool before);

struct verdict {
	enum { VERDICT_SUCCEEDS = 1, VERDICT_FAILS, VERDICT_TIMES_OUT } end;
	json_t *output; /* SUCCEEDS */
	char *error, *cause; /* FAILS; a NULL cause is any */
	bool ambiguous; /* it depends on which of several failures comes first */
};
struct machine_plan {
	char name[16];
	json_t *definition;
	char *text;
	bool express;
	unsigned revisions; /* that clients have made up */
};
/* Runs one of the machines, which may start others. */
void oracle_run(const struct machine_plan *machines, unsigned index, json_t *input, struct verdict *ret_verdict);
void verdict_done(struct verdict *verdict);

/* ---- model.c: what is durable -------------------------------------------------------------------------- */

struct task_fact {
	uint64_t id;
	bool closed; /* a client was told that its answer was taken */
	bool given; /* to a worker */
	uint64_t child; /* the execution that it began; 0: none */
	char *parameters; /* as it was first started */
};

struct fact { /* one execution */
	uint64_t id;
	unsigned machine; /* its index */
	uint64_t machine_id, revision, revision_before; /* before: the batch that is being taken */
	char *name; /* NULL: made */
	char *input; /* its text */
	struct execution *shadow; /* all records folded */
	struct record *records;
	uint32_t records_count;
	size_t records_capacity;
	uint64_t *hashes; /* of event i + 1 as JSON */
	size_t events_count, hashes_capacity;
	int64_t last_ms;
	bool ended, stop_asked;
	unsigned redrives_asked; /* counts when one is asked for and when it is answered */
	unsigned redrives_open; /* asked for, and not answered */
	struct task_key parent; /* the task that began it; zero: none */
	bool waited_for; /* by that task */
	uint64_t told_at; /* the event of the last end that its parent was told of by a message; 0: none */
	enum event_type end;
	char *output, *error, *cause;
	struct u64_map tasks; /* id → task_fact */
	struct u64_map due; /* frame → due_ms + 1 of its wait or retry */
	struct u64_map fans; /* frame of a map → fan_fact */
	struct u64_map parents; /* frame of an iteration → that of its map, + 1 */
	struct u64_map exited; /* frames whose last state has exited */
	uint32_t snapshot_next;
	char *snapshot;
	size_t snapshot_len;
	bool has_open;
	int64_t open_wake_ms;
	uint8_t row_status;
	int64_t row_stop_ms;
	int64_t letter_ms; /* when its dead letter says it failed; 0: it is none */
	uint64_t letter_redrives;
	bool discarded; /* its letter, by somebody who asked for it */
	unsigned discards_open; /* asked for, and not answered … */
	uint64_t discard_redrives; /* … of the letter of its failure behind so many redrives */
	char first_state[16], last_state[16]; /* that it entered first; the state behind the ends, if it came to it */
	bool between, left_early; /* it is on its way to that state; it left a Succeed last */
	/* In the batch that is being taken: */
	bool touched, begun, reopened, ends, lettered, unlettered;
	unsigned told[SIM_TARGETS]; /* messages for the targets */
};

struct model {
	struct sim *sim;
	struct fact **facts; /* in the order of their start */
	size_t count, capacity;
	struct u64_map by_id;
	struct u64_map machines; /* number → index + 1, of those that were acknowledged */
	bool machine_stored[SIM_MACHINES_MAX];
	struct str_map queued; /* rows of tasks that wait for a worker */
	struct str_map inbox; /* (sender, event) → struct message_fact */
	uint64_t folds;
	struct job_fact { /* of bulk redrive */
		uint64_t number;
		uint8_t state;
		bool rests; /* it was said to be paused or cancelled when nothing was on its way */
		bool newest; /* definition */
		uint64_t least[SIM_MACHINES_MAX]; /* the revisions that were the newest when it began */
	} jobs[SIM_JOBS_MAX];
	unsigned jobs_count;
	struct str_map outcomes; /* (execution, job) → the row */
	struct change_fact **changes; /* of status, that targets are to be told of; in the order of the batches */
	size_t changes_count, changes_capacity, changes_left;
	struct revision_fact **revisions; /* that are stored */
	size_t revisions_count, revisions_capacity;
};
/* A message that is stored and has not had its effect. */
struct message_fact {
	struct task_key key; /* sender, event */
	uint64_t target, task_id; /* of a message to a parent: its task; else 0 */
};
void model_init(struct model *model, struct sim *sim);
void model_done(struct model *model);
/* A batch has become durable: everything that must hold of it is checked. */
void model_commit(struct model *model, const struct store_batch *batch);
struct fact *model_find(struct model *model, uint64_t id);
/* By name within a machine; NULL if there is none. */
struct fact *model_named(struct model *model, unsigned machine, const char *name);
/* A worker has been given a task: that is durable, and no other has it. */
void model_given(struct model *model, uint64_t execution_id, uint64_t task_id);
/* Whether the task waits for an answer. */
bool model_task_open(const struct fact *fact, uint64_t task_id);
uint64_t event_hash(const struct event *event);
/* Folding from every record boundary gives the state. */
void model_check_boundaries(struct model *model, struct fact *fact);
/* A process at rest agrees with what is durable, and everything open can move. */
void model_check_rest(struct model *model, struct node *node);

/* ---- targets.c -------------------------------------------------------------------------------------------- */

/* A process is told whom to tell. */
void targets_configure(struct node *node);
/* Rows that say what is to be told: appended, deleted (false: it is of something else), and all of a batch for one execution. */
bool targets_append(struct model *model, const struct store_message *stored);
bool targets_delete(struct model *model, const struct store_message *stored);
void targets_check(struct model *model, const struct fact *fact);
void targets_batch_over(struct model *model);
/* Somebody is told, and takes it or not. */
void targets_told(struct node *node, const struct task_request *request, struct script *ret_script);
void targets_done(struct model *model);

/* ---- revisions.c ------------------------------------------------------------------------------------------ */

void revisions_take_item(struct model *model, const struct store_item *item);
uint64_t revisions_newest(const struct model *model, uint64_t machine_id);
bool revisions_stored(const struct model *model, unsigned machine, struct str text);
/* A state is entered, or left: it must be one of the execution's definition. */
void revisions_take_event(struct model *model, struct fact *fact, const struct event *event);
void revisions_check_start(struct model *model, const struct fact *fact);
void revisions_check_end(struct model *model, const struct fact *fact);
enum fit { FITS, FITS_NOT, MAY_FIT };
/* Whether an execution that has ended could go on with that definition. */
enum fit revisions_fit(const struct model *model, const struct fact *fact, uint64_t revision);
void revisions_done(struct model *model);

/* ---- jobs.c ----------------------------------------------------------------------------------------------- */

void jobs_take_item(struct model *model, const struct store_item *item);
void jobs_take_outcome(struct model *model, const struct store_outcome *outcome);
void jobs_redriven(struct model *model, const struct fact *fact, uint64_t job);
void jobs_check(struct model *model, const struct fact *fact);
void jobs_done(struct model *model);

struct driver;
struct driver *driver_new(struct sim *sim);
void driver_free(struct driver *driver);
int64_t driver_next_ms(const struct driver *driver);
void driver_act(struct driver *driver);
void driver_lost(struct driver *driver, const struct node *node);
bool driver_satisfied(const struct driver *driver);

/* ---- disk.c ----------------------------------------------------------------------------------------------- */

struct disk {
	struct sim *sim;
	struct loop loop; /* of the inner store: only posts */
	struct loop_post *posts, **posts_tail;
	struct store *inner;
	int64_t full_until_ms;
};
void disk_init(struct disk *disk, struct sim *sim);
void disk_done(struct disk *disk);

/* A process's door to the disk: a store whose answers take their time. */
struct front;
struct store *front_new(struct node *node);
/* The process is dead: what was not written never will be. The store is gone after this. */
void front_drop(struct store *store);
bool front_at_rest(const struct store *store);

/* ---- node.c --------------------------------------------------------------------------------------------------- */

struct node_task;
struct node {
	struct sim *sim;
	uint64_t number;
	struct loop loop;
	struct loop_timer **timers;
	size_t timers_count, timers_capacity;
	struct loop_post *posts, **posts_tail;
	bool (*turn)(void *data);
	void *turn_data;
	bool more;
	uint64_t armed; /* counts */

	struct store *store;
	struct engine *engine;
	struct connector *connector; /* the engine's */
	struct node_task *tasks; /* that run */
	unsigned tasks_running;
	struct str_map started; /* keys of all tasks it ever started */
	struct functions *functions; /* NULL: there are none */
	struct str_map events_given; /* to their workers: ids */
	bool dying; /* nothing it does has an effect any more */
	bool zombie; /* another one has taken over */
	int64_t dies_ms;
	const char *why;
};
struct node *node_new(struct sim *sim);
void node_free(struct node *node);
/* When it has something to do; INT64_MAX: never. */
int64_t node_next_ms(const struct node *node);
/* One iteration of its loop. */
void node_iterate(struct node *node);
/* Before anything leaves a process: false if it is dead, or dies now. */
bool node_effect(struct node *node);
bool node_at_rest(const struct node *node);
bool node_runs_task(const struct node *node, uint64_t execution_id, uint64_t event_id);
/* Not one that ends by its token, whose request may still be under way when the token is used. */
bool node_runs_for_result(const struct node *node, uint64_t execution_id, uint64_t event_id);
struct clock_source *sim_clock(struct sim *sim);

/* ---- workers.c ------------------------------------------------------------------------------------------------- */

/* The product's functions, in front of another connector. */
struct connector *workers_new(struct node *node, struct connector *next);
void workers_check_rest(struct node *node);
bool workers_run(const struct node *node, uint64_t execution_id, uint64_t event_id);

/* ---- client.c ---------------------------------------------------------------------------------------------------- */

struct client;
struct client *client_new(struct sim *sim);
void client_free(struct client *client);
/* When it wants something next, and doing it. */
int64_t client_next_ms(const struct client *client);
void client_act(struct client *client);
/* A process died: what it was asked is not answered. */
void client_lost(struct client *client, const struct node *node);
/* A task waits for its token to be used. */
void client_token(struct client *client, uint64_t execution_id, uint64_t event_id, const char *token, const struct script *script);
bool client_holds_token(const struct client *client, uint64_t execution_id, uint64_t event_id);
/* Everything it wanted is answered. */
bool client_satisfied(const struct client *client);
/* Executions that were acknowledged; and that one may go on, though a client has read that it had ended. */
size_t client_known_count(const struct client *client);
struct str client_known_arn(const struct client *client, size_t index);
void client_forget_end(struct client *client, uint64_t id);
/* Somebody changes the definition of a state machine. */
void client_update(struct client *client, unsigned machine);
/* One of them is redriven in a moment. */
void client_redrive(struct client *client, uint64_t id);
/* At the end: what became of everything. */
void client_check_end(struct client *client);

/* ---- sim.c ---------------------------------------------------------------------------------------------------------- */

struct start_plan {
	unsigned machine;
	char name[16]; /* empty: none */
	json_t *input;
	char *text;
	int64_t at_ms;
	struct verdict verdict;
};

/* What became of an execution, to be compared between two runs of a seed. */
struct came_to {
	bool there, stopped;
	enum event_type end;
	char *output, *error, *cause;
};

struct sim {
	uint64_t seed;
	struct random chance;
	struct temper temper;
	int64_t now_ms, wall_offset_ms;
	struct clock_source clock;
	struct limits limits;
	struct machine_plan machines[SIM_MACHINES_MAX];
	unsigned machines_count, standard_count; /* the last may be Express */
	struct start_plan *starts;
	unsigned starts_count;
	struct disk disk;
	struct model model;
	struct node *node; /* NULL: nobody serves */
	struct node *zombie;
	bool tells; /* there are targets */
	bool functions; /* there are some */
	struct client *client;
	struct driver *driver;
	int64_t node_again_ms;
	uint64_t nodes, steps;
	uint64_t digest;
	struct came_to *outcomes; /* by start; unnamed ones are left out */
	/* figures */
	uint64_t deaths, fenced, batches, failed_writes, rests, ambiguous, compared, tasks, snapshots, redrives, children, express, jobs, job_redrives, discards, updates, moved, misfits, told, called, invocations, workers, crashes;
};

/* Ids of executions that are never stored. */
#define SIM_EXPRESS_BIT (UINT64_C(1) << 62)

extern bool sim_trace;
/* An invariant does not hold: says so, with the seed, and ends the process with status 1. */
void sim_fail(struct sim *sim, const char *format, ...) __attribute__((format(printf, 2, 3), noreturn));
/* What happens becomes part of the run's digest (and of the trace). */
void sim_note(struct sim *sim, const char *what, uint64_t a, uint64_t b);
/* `parts` in a thousand; never when all is calm. */
bool sim_happens(struct sim *sim, unsigned parts);
bool sim_calm(const struct sim *sim);
/* 0 … most. */
int64_t sim_delay(struct sim *sim, unsigned most_ms);
int64_t sim_wall_ms(const struct sim *sim);
