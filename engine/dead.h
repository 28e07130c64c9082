/* dead.h: what the files about dead letters share, and the hooks that the turn calls. Private to engine/. */
#pragma once
#include "engine/dead_letters.h"
#include "engine/runtime.h"

struct dead_policy {
	struct value *value; /* as given */
	struct str *skip;    /* patterns; point into `value` */
	uint32_t skip_count;
	bool aborted, put;
	int64_t retention_ms, warn_ms; /* 0: the executions' / none */
};

/* A letter that somebody looked at: of an execution that failed then. If it has been redriven and failed again since, its letter is another. */
struct dead_pick {
	uint64_t id;
	int64_t failed_ms;
};

/* A write of this room's: rows of a job, an outcome, rows that go. Owned by its change until that is committed. */
enum dead_change_kind {
	DEAD_CHANGE_JOB,
	DEAD_CHANGE_OUTCOME,
	DEAD_CHANGE_FORGET,
	DEAD_CHANGE_FILL,
	DEAD_CHANGE_DROP_JOB,
	DEAD_CHANGE_EXPIRY
};
/* Letters of a machine that go soon. */
struct dead_expiry {
	uint64_t machine_id, count; /* count: of all its letters */
	int64_t oldest_ms, expires_ms, at_ms; /* when the oldest failed, when it goes, when that was seen */
};
struct dead_change {
	enum dead_change_kind kind;
	struct redrive_job *job;
	struct request *request; /* the change's: answered when it is committed */
	struct dead_pick *picks; /* JOB: rows to be made; FORGET: letters that go */
	size_t picks_count;
	bool *gone; /* FORGET: of each pick; the batch's, and the store's until that is committed */
	bool expired; /* FORGET: by their retention */
	struct store_outcome outcome;
	struct store_dead_letter letter;
	struct dead_expiry expiry;
	char *texts;                   /* of both */
	engine_dead_count_fn *counted; /* FORGET: who is told; may be NULL */
	void *data;
};

struct redrive_job {
	struct redrive_job *next; /* older */
	uint64_t number;
	enum redrive_state state;
	char reason[160];
	int64_t created_ms, ended_ms;
	bool newest, canary;
	uint32_t rate;
	double stop_error_rate;
	struct value *input; /* or NULL */
	uint64_t total;
	uint64_t judged_succeeded, judged_failed; /* what counted before it was resumed */
	/* In memory only. */
	bool counted;                  /* `counts` are known */
	bool counting, reading, stale; /* stale: something was committed while they were counted */
	bool confirmed;                /* they were counted anew when they said that all is done */
	uint64_t counts[OUTCOMES];
	uint64_t *page; /* PENDING ones */
	size_t page_count, page_at, page_capacity;
	uint64_t after;  /* where the next page begins */
	uint64_t flying; /* asked, not committed */
	double tokens;
	int64_t filled_us;
	bool dropping;
};

struct preview {
	struct preview *next;
	char id[24];
	int64_t expires_ms;
	struct dead_pick *picks;
	size_t count;
};

struct dead_letters {
	struct str_map policies;         /* put: machine's name → struct dead_policy */
	struct dead_policy **configured; /* by pattern, in the order of the configuration */
	struct str *patterns;
	size_t configured_count;
	struct redrive_job *jobs; /* newest first */
	uint64_t next_job, next_preview;
	struct preview *previews;
	struct dead_stats stats;
	struct dead_group_copy {
		uint64_t machine_id, count;
		int64_t oldest_ms;
	} * depths;
	uint32_t depths_count;
	int64_t depths_sum, depths_flow, asked_flow; /* the flow when the last look began; when the one under way did */
	int64_t depths_ms, housekeeping_ms; /* when next */
	struct u64_map warned; /* machine → the day (since 1970) when its letters' expiry was told last */
	bool depths_asked, filling, filled, expiring;
	uint64_t fill_before;
	engine_dead_moved_fn *moved;
	void *moved_data;
	struct notify *notify; /* NULL: no targets */
	struct checking *checks, *checks_waiting, *checks_last; /* replay_check.c: under way; behind them */
	unsigned checks_under_way;
};

void dead_init(struct engine *engine);
void dead_free(struct engine *engine);
bool dead_load_job(struct engine *engine, const struct store_item *item);
void dead_loaded(struct engine *engine); /* all items are there */

/* In the batch of a step: the letter's row, the job's, messages to targets. Fills in release->job. */
void dead_step(struct engine *engine, struct store_batch *batch, struct release *release);
/* It is committed. */
void dead_released(struct engine *engine, const struct release *release);
void dead_run(struct engine *engine, int64_t now_ms);
int64_t dead_next_ms(const struct engine *engine);
void dead_write(struct engine *engine, struct store_batch *batch, struct dead_change *change);
/* A change is committed / will never be: frees what it owns. */
void dead_change_done(struct engine *engine, struct dead_change *change, bool committed);
/* What core_env says of errors that go straight to the dead letters. */
void dead_env(struct engine *engine, const struct machine *machine, struct core_env *env);

/* What the row says of an execution that has ended badly. Texts are borrowed from it. */
struct store_dead_letter dead_letter_of(const struct execution *execution, uint64_t id, uint64_t machine,
					struct str row_attributes);

/* ---- between these files ----------------------------------------------------------------------------- */

const struct dead_policy *dead_policy_of(const struct engine *engine, struct str machine_name);
struct dead_change *dead_change_new(struct engine *engine, enum dead_change_kind kind);
void dead_forget(struct engine *engine, const struct dead_pick *picks, size_t count, bool expired, engine_dead_count_fn *counted,
		 void *data);
/* Finds the id behind an execution's ARN: given at once through a made name, else 0 and the machine whose name is to be looked up. */
bool dead_parse_arn(struct engine *engine, struct arena *arena, struct str text, struct machine **ret_machine,
		    struct str *ret_name, uint64_t *ret_id);
/* An execution's ARN, and its name, which is made if none was given. */
struct str dead_write_arn(struct engine *engine, struct arena *arena, const struct machine *machine, uint64_t id,
			    struct str name, struct str *ret_name);
void dead_fill_info(struct engine *engine, struct arena *arena, const struct store_dead_letter *letter,
		    struct dead_info *ret_info);
struct redrive_job *redrive_find(const struct engine *engine, uint64_t number);
void redrive_step(struct engine *engine, struct store_batch *batch, struct release *release);
void redrive_released(struct engine *engine, const struct release *release);
void redrive_outcome_committed(struct engine *engine, const struct dead_change *change);
void redrive_write(struct store_batch *batch, const struct dead_change *change);
void redrive_run(struct engine *engine, int64_t now_ms);
int64_t redrive_next_ms(const struct engine *engine);
void redrive_free(struct engine *engine);
struct preview *preview_find(struct engine *engine, struct str id);
void preview_free(struct preview *preview);

/* Whether an execution could go on with its machine's newest definition: folds it and replays (replay_check.c). `done`
 * once. */
typedef void replay_done_fn(struct engine *engine, void *data, int code, bool compatible, uint64_t revision,
			    const char *what);
void replay_check(struct engine *engine, uint64_t execution_id, replay_done_fn *done, void *data);
/* A slice of each that is under way. / Whether one could go on at once. */
void replay_checks_run(struct engine *engine);
bool replay_checks_pending(const struct engine *engine);
void replay_checks_free(struct engine *engine);

#define NOTIFY_TARGETS (1ULL << 62) /* the messages' targets; no execution has such an id */
#define DAY_MS 86400000LL
/* Whether some target is told that letters of this machine expire soon; in the batch that tells them; messages are there. */
bool notify_wants_expiry(const struct engine *engine, struct str machine);
void notify_expiry(struct engine *engine, struct store_batch *batch, struct str machine, const struct dead_expiry *expiry);
void notify_look(struct engine *engine);
void notify_released(struct engine *engine, const struct release *release);
void notify_step(struct engine *engine, struct store_batch *batch, const struct release *release);
void notify_run(struct engine *engine, int64_t now_ms);
int64_t notify_next_ms(const struct engine *engine);
void notify_free(struct engine *engine);
