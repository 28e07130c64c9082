/* runtime.h: what the files of this room share: struct engine and the things it holds. Private to engine/; engine.h is
 * the outside.
 *
 *     resident   an execution in memory: its state, the inputs queued for it, where its journal stands
 *     input      something that happens to one execution; kept until the batch that holds its effect is committed
 *     request    a caller who waits for an answer; answered when the newest batch it depends on is committed
 *     change     a state machine's item to be written
 *     batch      what one turn decided: the store's batch, and what leaves when it is committed
 *     task       a task handed to a connector, or queued for one
 *
 * Rules that hold it together:
 *  - Everything is decided in turn.c's engine_turn, called by the loop between iterations. What else runs (callbacks of
 * the store, connectors, callers) only queues.
 *  - A resident with queued inputs, an uncommitted batch or a load under way is never evicted, so inputs and batches
 * may point at it.
 *  - Memory may be ahead of the disk; what leaves (answers, commands, events to watchers) never is.
 *  - When a batch fails, it and all behind it are undone together: the residents they touched are loaded anew, and the
 * inputs they kept go back to the front of their queues in order. What was read from such a resident is read again. */
#pragma once
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/random.h"
#include "engine/arn.h"
#include "engine/engine.h"
#include "engine/timers.h"
#include "engine/trace.h"
#include <dirent.h>


struct activity;
struct dead_change;
struct dead_letters;
struct room_record;
struct alias;
struct version;
struct activity_poll;
struct batch;
struct machine;
struct mocks;
struct request;
struct resident;
struct revision;
struct task;

/* A list with a tail. LIST_INIT before use; LIST_ADD appends, LIST_TAKE takes the first. Elements link by `next`. */
#define LIST(type)                                                                                                     \
	struct {                                                                                                       \
		type *first, **tail;                                                                                   \
	}
#define LIST_INIT(list) ((list)->first = NULL, (list)->tail = &(list)->first)
#define LIST_ADD(list, item) ((item)->next = NULL, *(list)->tail = (item), (list)->tail = &(item)->next)
#define LIST_TAKE(list)                                                                                                \
	({                                                                                                             \
		__typeof__((list)->first) first_ = (list)->first;                                                      \
		if (first_ && !((list)->first = first_->next))                                                         \
			(list)->tail = &(list)->first;                                                                 \
		first_;                                                                                                \
	})

/* ---- inputs and the mailbox (mailbox.c) ----------------------------------------------------- */

/* A message of the store, as it is deleted. */
struct message_key {
	uint64_t target, sender, event;
};

struct input {
	struct input *next;
	struct resident *resident;
	struct request *request;   /* who waits for the outcome; NULL: nobody */
	enum core_outcome outcome; /* of the last time it was applied */
	enum core_input_kind kind;
	uint64_t task_id;
	struct value *value;
	struct str raw, error, cause; /* ptr NULL: absent; point behind the struct; of a start: error is the state, cause the reason */
	struct value *variables; /* of a start; NULL: none */
	bool token, start_failed;
	uint64_t job, revision; /* of a redrive */
	struct message_key message; /* it came as this message; zero: it did not */
	bool message_taken;         /* whose deletion is in the batch of its effect */
};

/* Texts are copied, the value is referenced. */
struct input *input_new(enum core_input_kind kind, uint64_t task_id, const struct value *value, struct str raw,
			struct str error, struct str cause);
void input_free(struct input *input);
/* Queues an input for an execution, bringing it into memory first if it is not there. */
void mailbox_put(struct engine *engine, uint64_t execution_id, struct input *input);
void mailbox_put_resident(struct engine *engine, struct resident *resident, struct input *input);
/* Puts it before everything else that the execution has (after a rollback). */
void mailbox_put_back(struct engine *engine, struct resident *resident, struct input *input);
/* A timer is due / the last step ended with work left: at most one of each is queued. */
void mailbox_wake(struct engine *engine, uint64_t execution_id);
void mailbox_continue(struct engine *engine, struct resident *resident);
/* Whether an execution waits for a step; the one that has waited longest, taken off the list (its inputs stay with it).
 */
bool mailbox_has_ready(const struct engine *engine);
struct resident *mailbox_take(struct engine *engine);
/* Puts it on the list if it is in memory and has inputs. */
void mailbox_ready(struct engine *engine, struct resident *resident);
/* Takes one off the list out of its turn (rare). */
void mailbox_forget(struct engine *engine, struct resident *resident);
/* Starts are refused beyond the limit. */
bool mailbox_full(const struct engine *engine);

/* ---- executions in memory (cache.c) ----------------------------------------------------------- */

enum resident_state {
	RESIDENT_LOADING, /* the store is asked for it */
	RESIDENT_READY,
	RESIDENT_ENDED, /* the store says that it has ended: every input is told CLOSED */
};

struct resident {
	uint64_t id;
	struct engine *engine;     /* NULL: the engine is gone; the load's answer frees it */
	struct machine *machine;   /* NULL while loading */
	struct revision *revision; /* the definition it runs */
	struct str name, arn;      /* own memory */
	char *texts;
	bool named; /* the caller gave the name: it is stored */
	enum resident_state state;
	bool loading;      /* store_load is under way */
	bool stored;       /* its row is in the store, or in a batch on its way there */
	bool started;      /* the START was applied; false only for a new one */
	bool recovering;   /* a page of recovery waits for its load */
	struct execution *execution;

	uint32_t next_record;
	size_t tail_bytes, snapshot_bytes; /* journal since the last snapshot; that snapshot */
	bool has_open;                     /* an open row stands in the store (or will) … */
	int64_t open_wake_ms;              /* … and says this */
	uint64_t newest;                   /* sequence of the newest batch with something of it; 0: none */
	uint32_t uncommitted;              /* batches that hold something of it */

	LIST(struct input) inputs;
	uint32_t inputs_count;
	bool wake_queued, continue_queued;
	bool ready;
	struct resident *next; /* in the mailbox */

	struct resident *newer, *older; /* LRU */
	size_t memory_bytes;
	int64_t accepted_us;              /* when the start was asked for (monotonic); 0: by an earlier process */
	struct str attributes;            /* of its row; own memory */
	enum execution_status row_status; /* what the loaded row said (for one that has ended) */
	int64_t row_start_ms, row_stop_ms;
	struct naming *naming;     /* while its start is not committed */
	bool express; /* nothing of it is stored */
	struct request *waiting; /* express: answered at its end */
};

struct resident *cache_find(struct engine *engine, uint64_t execution_id);
/* A new execution, not stored yet. `name` empty: made from the id. */
struct resident *cache_add_new(struct engine *engine, struct machine *machine, uint64_t execution_id, struct str name,
			       struct str attributes);
/* The execution, asking the store for it if need be. */
struct resident *cache_get(struct engine *engine, uint64_t execution_id);
/* Throws its state away and asks the store for it again (a new one begins anew). */
void cache_reload(struct engine *engine, struct resident *resident);
void cache_remove(struct engine *engine, struct resident *resident);
/* It was used: measures it and moves it to the young end. */
void cache_touch(struct engine *engine, struct resident *resident);
/* Forgets it if it may be forgotten and only waits for a time that is not near, or always with `force`; true if it is
 * gone. */
bool cache_release(struct engine *engine, struct resident *resident, bool force);
/* Brings the cache under its bounds. */
void cache_evict(struct engine *engine);
void cache_free(struct engine *engine);
/* Whether it is to be redriven: then its state is needed although it has ended. */
bool cache_redrive_waits(const struct resident *resident);
/* Whether its state can be read now. */
static inline bool resident_readable(const struct resident *resident)
{
	return resident && resident->state == RESIDENT_READY && resident->execution && resident->started;
}

/* The row's attributes: what describes an execution and is not in its journal. */
struct attributes {
	uint64_t revision;
	uint8_t input_hash[16];
	struct str trace_header;
	struct str trace_parent; /* trace.h; empty: none */
	uint64_t version; /* 0: none */
	struct str alias; /* empty: none */
	struct task_key parent; /* zero: none */
	uint64_t waited_for; /* by that task: PATTERN_SYNC or PATTERN_SYNC2; 0: it is not, or the row is of a time when this was not kept */
	uint64_t redrives; /* how often it was redriven … */
	uint64_t redriven_ms; /* … when last … */
	struct str redrive_token; /* … and with which clientToken; empty: none */
};
struct str attributes_encode(struct arena *arena, const struct attributes *attributes);
bool attributes_decode(struct str bytes, struct attributes *ret_attributes);

/* ---- requests (request.c) ------------------------------------------------------------------------ */

/* What a state machine's ARN means: the machine as it is, a version, or an alias's choice. */
struct target {
	struct revision *revision;
	uint64_t version; /* 0: none */
	struct str alias; /* empty: none */
};

struct request {
	struct request *next;          /* in the list of a batch, of what is due, or of a naming */
	struct request *newer, *older; /* all of the engine */
	struct engine *engine;         /* NULL: the engine is gone; the read's answer frees it */
	bool reading;                  /* the store was asked */
	bool carried;                  /* an input or a change carries it; else it is run again after a rollback */
	void (*run)(struct request *request);    /* from its beginning: queries */
	void (*answer)(struct request *request); /* calls `done` */
	void (*found)(struct request *request);  /* goes on when `row` or `resident` is known (query.c: resolve) */
	void (*settle)(struct request *request, struct resident *resident,
		       enum core_outcome outcome); /* its input had its step: fills in the answer */
	struct arena arena;
	union {
		engine_execution_fn *execution;
		engine_machine_fn *machine;
		engine_list_fn *list;
		engine_history_fn *history;
		engine_done_fn *plain;
		engine_activity_fn *activity;
		engine_version_fn *version;
		engine_alias_fn *alias;
		engine_activity_task_fn *activity_task;
	} done;
	void *data;

	enum engine_error_code error;
	bool passing; /* struct engine_error */
	struct str message;

	/* what is asked */
	struct machine *machine;    /* of the execution, or to be changed */
	struct activity *activity; /* to be changed */
	const struct version_info *version; /* that was published */
	const struct alias_info *alias;
	struct target target; /* start, list */
	struct task_key parent; /* start: the task that begins it … */
	enum integration_pattern waited_for; /* … and waits for it, or REQUEST_RESPONSE */
	bool begun; /* struct start_request */
	struct activity_poll *poll; /* GetActivityTask */
	struct naming *naming;      /* start: the name it waits for */
	struct str execution_arn, name, error_text, cause_text;
	struct str input, trace_header, trace_parent; /* start */
	struct value *value;            /* start: the parsed input; a task's output */
	struct str state, reason;       /* start: struct start_rerun */
	struct value *variables;
	int64_t accepted_us;
	uint64_t task_id;
	struct list_request list;
	struct history_request history;
	struct journal_request journal;

	/* on the way */
	bool by_id; /* resolve: looking by the id that the name encodes */
	uint64_t id;
	struct store_execution row;
	struct resident *resident; /* resolve: in memory; valid in `found` only */
	uint32_t record;           /* history: the next record to read */
	uint32_t skip;             /* and how many of its public events were given already */
	size_t bytes;
	LIST(struct event_link) events;
	uint32_t events_count;

	/* the answer */
	struct execution_info info;
	struct execution_info *infos;
	uint32_t infos_count;
	struct str token;
};
struct event_link {
	struct event event;
	struct event_link *next;
};

struct request *request_new(struct engine *engine, void (*answer)(struct request *), void *data);
void request_free(struct request *request);
/* Sets the answer to an error; AWS's words. Returns false, for `return request_fail(…)`. */
bool request_fail(struct request *request, enum engine_error_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same for a name that is none. */
bool request_fail_name(struct request *request, struct str name);
/* Answers it when the batch `sequence` is committed (0 or committed already: in this or the next turn). */
void request_hold(struct request *request, uint64_t sequence);
/* request_fail, then as soon as may be. */
void request_refuse(struct request *request, enum engine_error_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Answers those that are due. */
void requests_answer(struct engine *engine);
struct engine_error request_error(const struct request *request);
void request_answer_execution(struct request *request);
void request_answer_plain(struct request *request);
/* Marks it as waiting for the store / takes the answer: false if the engine is gone (the request is freed). */
void *request_read(struct request *request);
bool request_read_done(struct request *request);
/* Reports a store's failure of a read. */
void request_store_failed(struct request *request, int code, const struct wf_error *err);

/* ---- state machines (registry.c, registry_store.c) ------------------------------------------------- */

/* What a loggingConfiguration says (execution_log.c). */
enum logging_level { LOGGING_OFF, LOGGING_FATAL, LOGGING_ERROR, LOGGING_ALL };
struct logging {
	enum logging_level level;
	bool include_data;
	struct str group_arn; /* of the configuration's value */
};
void logging_read(const struct value *logging, struct logging *ret_logging);

struct revision {
	struct revision *next; /* older */
	struct machine *machine;
	uint64_t number;
	int64_t created_ms;
	struct str definition, role_arn, revision_id; /* point into `texts` */
	struct value *logging, *tracing, *encryption; /* as the machine had them then; NULL: default */
	struct logging logged; /* what `logging` says; read by revision_logged */
	char *texts;
	struct program *program; /* compiled when first asked for */
	bool broken;             /* it does not compile with this binary */
	bool stored;             /* its item never changes */
};

struct route {
	uint64_t version, weight;
};

struct machine {
	struct machine_info info;   /* info.program is filled when it is given out */
	struct machine *next;       /* all of the engine, by number downward */
	struct machine *older;      /* another of the same name that was deleted */
	struct revision *revisions; /* newest first */
	uint64_t next_revision;
	struct version *versions; /* newest first */
	struct alias *aliases; /* by name */
	uint64_t last_version;
	struct machine_info version; /* the version that was asked for last */
	struct value *tags;
	char *texts;
	bool deleted;       /* the name is free again; kept for its executions */
	bool dropped;       /* its items are deleted */
	uint32_t residents; /* executions of it in memory */
	bool reaping;       /* the store is asked whether it has executions */
};

/* A write of a machine's items, an activity's, or a record; of none of them: the settings. */
struct change {
	struct change *next;
	struct machine *machine;
	struct activity *activity;
	struct room_record *record;
	struct message_key message; /* to be deleted; zero: none */
	struct dead_change *dead; /* dead letters and jobs (dead.h); owned */
	struct request *request; /* or NULL */
};

/* The machine that an ARN names; NULL with the request failed. */
struct machine *registry_ask(struct request *request, struct str arn);
/* The same for one that may have a version or an alias behind it (versions.c). */
struct machine *registry_ask_target(struct request *request, struct str arn, struct target *ret_target);
/* Fills in what a revision says. */
void registry_fill_info(struct engine *engine, struct revision *revision, struct machine_info *info);
/* Publishes the current revision: sets request->version, or fails the request. */
bool versions_publish(struct request *request, struct machine *machine, struct str description);
void versions_free(struct machine *machine);
void versions_encode(const struct machine *machine, struct buffer *out);
bool versions_decode(struct machine *machine, struct reader *in);
/* Empty for none. */
struct str version_arn(struct arena *arena, const struct machine *machine, uint64_t version);
struct str alias_arn(struct arena *arena, const struct machine *machine, struct str alias);
int registry_load(struct engine *engine, struct wf_error *err);
void registry_free(struct engine *engine);
struct machine *registry_find(struct engine *engine, struct str name);
struct machine *registry_by_number(struct engine *engine, uint64_t number);
struct revision *registry_revision(struct machine *machine, uint64_t number);
/* To be called when `logging` has been set. */
void revision_logged(struct engine *engine, struct revision *revision);
/* Compiled; NULL if it does not compile. */
const struct program *revision_program(struct engine *engine, struct revision *revision);
void registry_put_change(struct engine *engine, struct machine *machine, struct request *request);
/* Writes a change's items into a batch. */
void registry_write(struct engine *engine, struct store_batch *batch, struct change *change);
/* Ends the deleting of machines that have no running executions, and forgets those that have none at all. */
void registry_reap(struct engine *engine);
/* Encoding of the items, and their keys. */
enum item_kind {
	ITEM_SETTINGS = 1,
	ITEM_MACHINE = 2,
	ITEM_REVISION = 3,
	ITEM_ACTIVITY = 4,
	ITEM_ACTIVITY_TASK = 5,
	ITEM_RECORD = 16, /* of the rooms above (records.c) */
	ITEM_REDRIVE_JOB = 6,
};
void registry_put_item(struct store_batch *batch, enum store_op_kind op_kind, enum item_kind kind, const char *key,
		       const struct buffer *bytes);
void machine_encode(const struct machine *machine, struct buffer *out);
struct machine *machine_decode(struct engine *engine, struct str bytes);
void revision_encode(const struct revision *revision, struct buffer *out);
struct revision *revision_decode(struct engine *engine, struct str bytes); /* linked into its machine */
struct revision *revision_new(struct machine *machine, struct str definition, struct str role_arn,
			      struct str revision_id, int64_t created_ms);
struct machine *machine_new(struct engine *engine, uint64_t number, struct str name, struct str type);
void machine_link(struct engine *engine, struct machine *machine);

/* ---- starting (start.c) -------------------------------------------------------------------------------- */

/* A name whose start is looked up or not yet committed: later starts of the same name wait for it here. */
struct naming {
	struct str key;            /* machine number, name */
	struct resident *resident; /* once it is started */
	LIST(struct request) waiting;
};
/* The start is committed (or was undone): who waited goes on. */
void naming_done(struct engine *engine, struct resident *resident);
/* A failed batch said that the name exists: looks again. */
void start_again(struct engine *engine, struct resident *resident);

/* Parses a JSON text of a caller's into request->value, refusing what is none or too long: `problem` is AWS's sentence
 * around it. */
bool request_parse_json(struct request *request, struct str text, enum engine_error_code code, const char *problem);

/* ---- tasks (dispatch.c) ---------------------------------------------------------------------------------- */

struct dispatch {
	struct connector_host host;
	struct connector **connectors;
	size_t connectors_count, connectors_capacity;
	struct str_map tasks; /* 16 bytes of key → struct task: running, queued, and the last ones that ended */
	uint64_t running, queued;
	uint64_t trials;      /* begun, ever: their numbers */
	uint64_t trials_open; /* not yet ended */
	struct task *queue_first, *queue_last;   /* wait for the bound on tasks in flight */
	struct task *untold_first, *untold_last; /* the core has not been told that they have started */
	struct task *ended_first, *ended_last;   /* kept for their logs */
	uint32_t ended_count;
	struct task *beats; /* heartbeats not yet given to the core */
	char *work_dir;     /* the last one made */
};
/* The execution of tasks that belong to none (engine_try_task). */
#define TRIAL_EXECUTION UINT64_MAX
void dispatch_init(struct engine *engine);
/* Queues it. `again`: by a recovery. */
void dispatch_start(struct engine *engine, struct resident *resident, const struct command *command, bool again);
void dispatch_cancel(struct engine *engine, uint64_t execution_id, uint64_t task_id);
/* Tells the core of starts and heartbeats that have waited long enough; of all heartbeats of one execution, whose timer
 * is due. */
void dispatch_tell(struct engine *engine, int64_t now_ms);
void dispatch_beats_of(struct engine *engine, uint64_t execution_id);
/* When dispatch_tell has something to do next; INT64_MAX: nothing. */
int64_t dispatch_next_ms(const struct engine *engine);
/* Starts what the bound now allows; in the turn only, so never from within a connector's report. */
void dispatch_queue(struct engine *engine);
void dispatch_free(struct engine *engine);

/* ---- answers instead of services (mock.c) ---------------------------------------------------------------------- */

/* Takes "#CASE" off an ARN, if there is a mock configuration; false: none stands there. *ret_case has its #. */
bool mocks_split(const struct engine *engine, struct str *arn, struct str *ret_case);
bool mocks_has(struct engine *engine, struct str machine, struct str name);
/* The response of a state in a case ("#CASE"); empty: it is not mocked. Borrowed. */
struct str mocks_response(const struct engine *engine, struct str machine, struct str name, struct str state);
/* Whether the execution's tasks of this activity are all mocked, so that it need not be there. */
bool mocks_activity(const struct resident *resident, struct str arn);
/* Answers a task. */
void mocks_answer(struct engine *engine, const struct task_request *request, enum integration_pattern pattern,
		  struct str response);
void mocks_free(struct mocks *mocks);

/* ---- activities (activities.c) ---------------------------------------------------------------------------------- */

struct activity_task;

struct activities {
	struct str_map by_name; /* → struct activity */
	struct str_map tasks;   /* 16 bytes of key → struct activity_task: committed, no worker has it */
	uint64_t polls_count;
	struct activity_poll *polls_first, *polls_last; /* all that wait; the one that began first in front */
};
bool activities_load(struct engine *engine, const struct store_item *item);
void activities_loaded(
    struct engine *engine); /* all items are there: puts the tasks in the order they were scheduled */
void activities_write(struct store_batch *batch, struct change *change);
/* The rows of queued tasks, in the batch of the step that schedules, starts or cancels them. */
void activities_step(struct engine *engine, struct store_batch *batch, struct resident *resident,
		     const struct core_result *result, const struct input *inputs, int64_t now_ms);
/* A task is scheduled, and committed / it is over. */
void activities_queue(struct engine *engine, uint64_t execution_id, const struct command *command);
void activities_cancel(struct engine *engine, uint64_t execution_id, uint64_t task_id);
/* Ends polls that have waited long enough, or all when draining; when it has something to do next. */
void activities_run(struct engine *engine, int64_t now_ms);
int64_t activities_next_ms(const struct engine *engine);
/* For core_env. */
bool activities_exists(void *resident, struct str arn);
void activities_free(struct engine *engine);
struct activity *activities_find(struct engine *engine, struct str name); /* NULL: none, or deleted */
/* The tags of an activity, to be changed with activities_put_change. */
struct value **activity_tags(struct activity *activity);
void activities_put_change(struct engine *engine, struct activity *activity, struct request *request);

/* ---- records of the rooms above (records.c) --------------------------------------------------------------------- */

bool records_load(struct engine *engine, const struct store_item *item);
void records_write(struct store_batch *batch, const struct change *change);
void records_free(struct engine *engine);

/* ---- Express executions (express.c) -------------------------------------------------------------------------------- */

/* Starts one; `synchronous`: the request is answered at its end. */
void express_begin(struct request *request, bool synchronous);
/* turn.c's step for one; returns how many inputs it took. */
uint32_t express_step(struct engine *engine, struct resident *resident, uint32_t inputs_max, int64_t now_ms);
/* Answers those who wait for an end, when the process is to end. */
void express_drain(struct engine *engine);

/* ---- executions that executions start (children.c) ------------------------------------------------------------------ */

struct children {
	struct connector connector;
	struct engine *engine;
	struct str_map by_parent; /* 16 bytes of key → struct child */
	struct u64_map by_id; /* of the child → the first of those who listen for its end */
	struct child *all;
	struct search *searches;
	struct loop_timer recovery; /* the messages could not be read: again */
	uint64_t recovered;         /* the last one that was */
};
void children_init(struct engine *engine);
/* aws-sdk:sfn (sdk_sfn.c): its connector; how it words an error of ours. */
void sdk_sfn_init(struct engine *engine);
void sdk_sfn_error(struct engine *engine, struct arena *arena, const struct engine_error *error, struct str *ret_error, struct str *ret_cause);
/* The messages of a step, in its batch: that stop children whose tasks it cancels, and that tell its parent of its end. */
void children_step(struct engine *engine, struct store_batch *batch, const struct resident *resident, const struct core_result *result);
/* The messages of a batch that is committed go to those they are for; so do those that the last process left. */
void children_committed(struct engine *engine, const struct store_batch *batch);
void children_recover(struct engine *engine);
/* An input that may have come as a message has had its effect, whose batch this is: the message goes with it. */
void children_take_message(struct store_batch *batch, struct input *input);
/* What the message meant is committed, or there is nobody left whom it could mean: it goes if it has not. */
void children_message_done(struct engine *engine, const struct input *input);
void children_delete_message(struct store_batch *batch, const struct message_key *key);
/* An execution's end is committed. */
void children_ended(struct engine *engine, const struct resident *resident);
/* A task is over that may be beginning one. */
void children_cancel(struct engine *engine, uint64_t execution_id, uint64_t task_id);
/* Whether something of it is still to be asked for again (tests). */
bool children_at_rest(const struct engine *engine);

/* ---- the turn and its batches (turn.c, batch.c) -------------------------------------------------------------- */

/* What leaves for one execution when its batch is committed. */
struct release {
	struct release *next;
	struct resident *resident;
	const struct command *commands;
	uint32_t commands_count;
	bool begun;                     /* its row is new */
	bool reopened;                  /* it had ended */
	enum execution_status status; /* RUNNING, or how it ended */
	const struct store_op *first_op; /* its rows and records in the batch */
	uint32_t ops_count;
	bool letter;         /* it is a dead letter now */
	uint8_t job_outcome; /* of the job that redrove it … */
	uint64_t job;        /* … whose number this is; 0: none */
};

struct batch {
	struct batch *next;
	struct engine *engine;
	struct store_batch *store;
	uint64_t sequence;
	int64_t submitted_us;
	bool answered, asking; /* the store has answered; its sequence is being read again */
	enum store_result result;
	struct wf_error err;
	LIST(struct input) inputs; /* kept until it is committed */
	LIST(struct change) changes;
	LIST(struct request) requests; /* answered when it is committed */
	LIST(struct release) releases;
};

void engine_histogram_add(struct engine_histogram *histogram, int64_t us);
/* Frees it, with what it owns. */
void change_free(struct engine *engine, struct change *change, bool committed);
/* The loop's callback: true if there is more to do at once. */
bool engine_turn(void *data);
struct batch *batch_new(struct engine *engine);
void batch_submit(struct batch *batch);
/* Lets leave what the store has committed since, in order; undoes what it refused. */
void batches_settle(struct engine *engine);
void batches_free(struct engine *engine);
/* The batch of this sequence that is not settled yet; NULL if there is none. */
struct batch *batch_find(struct engine *engine, uint64_t sequence);
/* What an execution's open row must say. */
int64_t execution_open_wake_ms(const struct execution *execution);
/* Takes the next input of an execution / gives it to its step. */
struct input *turn_take_input(struct engine *engine, struct resident *resident);
enum core_outcome turn_apply(struct core_step *step, const struct input *input);
/* Counts an execution that has ended. */
void batch_count_end(struct engine *engine, const struct resident *resident, enum execution_status status);
/* What the core may know of the world in a step of this execution. False if its definition does not compile. */
bool turn_env(struct engine *engine, struct resident *resident, int64_t now_ms, struct core_env *ret_env);
/* Events of a committed batch, to who watches (watch.c). */
void watch_committed(struct engine *engine, const struct store_batch *batch);
void commit_tell(struct engine *engine, const struct batch *batch);
/* The same events, and those of an Express execution's step, to the log of executions (execution_log.c). */
void execution_log_committed(struct engine *engine, const struct store_batch *batch);
void execution_log_express(struct engine *engine, const struct resident *resident, const struct core_result *result);
void watch_log(struct engine *engine, struct str execution_arn, uint64_t task_id, uint64_t number, struct str line, double fraction);

/* ---- executions that end the process (crash.c) ---------------------------------------------------------------------
 */

enum quarantine {
	QUARANTINE_NONE,
	QUARANTINE_STOP,  /* is stopped instead of going on */
	QUARANTINE_LEAVE, /* is not even loaded */
};
int crash_notes_open(struct engine *engine, const char *path, struct wf_error *err);
enum quarantine crash_quarantine(const struct engine *engine, uint64_t execution_id);
void crash_notes_close(struct engine *engine);

/* ---- work folders (workdirs.c)
 * --------------------------------------------------------------------------------------- */

/* Removes folders of executions that are no longer stored, a few at a time. */
void workdirs_sweep(struct engine *engine);

/* ---- recovery (recovery.c) --------------------------------------------------------------------------------------- */

struct recovery {
	bool asked, active;          /* engine_recover was called; ACTIVE rows are still being loaded */
	struct u64_map redispatched; /* executions whose tasks were started again: once, though they may leave the memory and return */
	struct store_open_row after; /* where the listing stands */
	uint32_t loading;            /* of the page, not loaded yet */
	bool page_last;
	int64_t horizon_ms; /* wake times up to here are in the heap */
	bool horizon_listing;
	struct store_open_row horizon_after;
	struct loop_timer again; /* what could not be read is asked for again */
	bool count_failed, active_failed, horizon_failed;
};
/* Counts the open executions; nothing is decided before it is done. */
void recovery_count(struct engine *engine);
/* A loaded execution is brought back to life: its tasks start again (once), it goes on, its timer is set. */
void recovery_loaded(struct engine *engine, struct resident *resident);
/* One that is to be redriven: what it does from now on is this process's, and nothing of it was left by the last one. */
void recovery_loaded_ended(struct engine *engine, const struct resident *resident);
/* The load of a resident of the page has ended, well or not. */
void recovery_progress(struct engine *engine, struct resident *resident);
/* Reads the next wake times when the horizon comes near; when that is. */
void recovery_horizon(struct engine *engine, int64_t now_ms);
/* Purges in small steps, reaps machines. */
void housekeeping_run(struct engine *engine, int64_t now_ms);

/* A read of the engine's own that is under way. */
struct errand {
	struct engine *engine; /* NULL: it is gone */
	struct errand *next, *previous;
	void *data;
};
struct errand *errand_new(struct engine *engine, void *data);
/* Takes the answer: the engine, or NULL if it is gone. Frees the errand. */
struct engine *errand_done(struct errand *errand, void **ret_data);

/* ---- the engine itself (engine.c) ------------------------------------------------------------------------------- */

struct engine {
	struct loop *loop, *io;
	struct clock_source *clock;
	struct store *store;
	struct limits limits;
	char *region, *account, *work_root;
	double time_scale;
	int64_t scale_base_ms; /* when scaled time began */
	struct random random;
	struct token_key key; /* of task tokens and generated names */
	void (*fatal)(void *data, const char *reason);
	void *fatal_data;

	uint64_t volatile stepping; /* the execution that is stepped or folded now; 0: none */
	int crash_fd;               /* notes of crashes; -1: none */
	struct u64_map crashes;     /* execution → how often it ended the process, as a number in the pointer */

	/* lease and journal */
	uint64_t epoch;
	uint64_t next_sequence;     /* of the next batch */
	uint64_t committed;         /* the newest batch known to be stored */
	uint64_t last_execution;    /* sequence number of the last execution's id */
	uint64_t recovered_below;   /* executions with a smaller id existed when this process began */
	LIST(struct batch) batches; /* submitted and not settled */
	uint32_t outstanding;
	struct batch *current;     /* the one that this turn fills */
	LIST(struct batch) failed; /* of them: refused; undone together */
	int64_t stalled_until_us;  /* after a failed commit, by the clock that never jumps; 0: not stalled */
	uint32_t failures;         /* in a row */
	bool no_space;             /* the last failure said so: starts are refused */
	bool halted;               /* after fatal: nothing more is decided */

	LIST(struct resident) ready;
	uint64_t ready_count;
	uint64_t inputs_queued;
	LIST(struct change) changes;
	LIST(struct request) due;
	struct request *requests; /* all that are not answered, newest first */
	uint64_t requests_count;
	struct errand *errands;

	struct u64_map residents;
	uint64_t residents_count;
	struct resident *youngest, *oldest;
	size_t memory_bytes;
	struct str_map namings;

	struct machine *machines;
	struct str_map machines_by_name; /* newest of the name; deleted ones behind it */
	struct u64_map machines_by_number;
	uint64_t next_machine;
	bool settings_dirty;
	struct machine **sorted; /* not deleted, by name; NULL: to be made */
	size_t sorted_count;

	struct timers timers;
	struct loop_timer timer;
	int64_t timer_at_ms; /* what it is armed for */
	struct recovery recovery;
	int64_t housekeeping_ms; /* next */
	bool purging;
	bool counting; /* the store counts the open executions; nothing is decided before, so that none is counted twice */
	DIR *sweep; /* reading work_root through */
	struct dispatch dispatch;
	struct activities activities;
	struct mocks *mocks; /* NULL: none */
	struct dead_letters *dead;
	struct str_map records; /* key → struct room_record */
	struct children *children; /* owned by dispatch, as a connector */
	uint64_t next_express;
	bool express_drained;
	engine_commit_fn *committed_told; /* NULL: nobody */
	void *committed_data;
	struct str_map watchers; /* execution ARN → first struct engine_watcher */
	struct log_sink *log_sink; /* NULL: none */
	bool logging_machines;     /* some definition is logged */

	bool draining;
	void (*drained)(void *data);
	void *drained_data;
	struct engine_stats stats;
};

/* Log, and tell the owner that this process cannot go on. Nothing more is decided; the caller exits and recovers. */
void engine_halt(struct engine *engine, const char *format, ...) __attribute__((format(printf, 2, 3)));
