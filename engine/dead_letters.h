/* dead_letters.h: executions that ended badly, and what is done about them.
 *
 * A dead letter is the execution, standing at the state that failed; the store has a small row for it, written in the
 * batch that ends the execution and deleted in the batch that reopens it. What is asked here is answered from those
 * rows and from the history.
 *
 *     list, groups, one ─► preview: the exact executions ─► job: redrives them, survives a crash ─► outcomes
 *                                                        └► discard
 *
 * Jobs. A job is an item of the store, and a row for each of its executions: PENDING first; RUNNING in the very batch
 * that holds its ExecutionRedriven, SUCCEEDED or FAILED_AGAIN in the batch of its terminal event; SKIPPED with the
 * reason if it could not be. So the rows are exact whatever crashes, a PENDING one was not redriven, and none is
 * redriven twice. The event carries the job's number, and the core drops a repeat as well.
 *
 * The loop's thread. Callbacks never come from within the call; what they get is borrowed. */
#pragma once
#include "engine/engine.h"

/* ---- policies ---------------------------------------------------------------------------------------- */

/* Of a state machine, by its name: {"skipRetry": ["Error*"], "aborted": true, "retentionDays": 30, "warnDays": 3}; all
 * optional. Checks one; ERR(INVALID). */
int dead_policy_check(const struct value *policy, struct wf_error *err);
/* From the configuration (`machines: NAME: dead_letters:`), before engine_recover. NAME may be a pattern (base/glob.h).
 * A policy that was put beats it. */
int engine_configure_dead_letters(struct engine *engine, const struct value *machines, struct wf_error *err);
/* The one that holds for a machine, {} if none; borrowed until the next turn. *ret_put: it was put, not configured. */
const struct value *engine_dead_policy(struct engine *engine, struct str machine_name, bool *ret_put);
/* `policy` NULL: the configuration's holds again. */
void engine_put_dead_policy(struct engine *engine, struct str machine_name, const struct value *policy,
			    engine_done_fn *done, void *data);

/* ---- looking ----------------------------------------------------------------------------------------- */

struct dead_filter {
	struct str machine;                 /* name or ARN; empty: all */
	struct str error, state;            /* error: a pattern; ptr NULL: any */
	int status;                         /* -1: any */
	int64_t revision, version;          /* -1: any */
	int64_t from_ms, until_ms;          /* of the failure; 0, INT64_MAX: any */
	struct str input_path, input_value; /* path ptr NULL: any; names and positions joined by dots */
};
#define DEAD_FILTER_ALL                                                                                                \
	{                                                                                                              \
		.machine = { "", 0 }, .status = -1, .revision = -1, .version = -1, .until_ms = INT64_MAX               \
	}

struct dead_info {
	uint64_t id;
	struct str arn, name;
	const struct machine_info *machine;
	enum execution_status status;
	struct str state, error;    /* empty: none */
	bool unread;                /* where and with what it failed is not known yet */
	uint64_t revision, version; /* version 0: none */
	struct str revision_id;
	bool newest; /* that is still the definition */
	int64_t start_ms, failed_ms, expires_ms;
	uint64_t redrives, job; /* job 0: none redrove it */
	/* A preview with the newest definition, of the first few: */
	bool checked, compatible;
	struct str divergence;
};
typedef void engine_dead_list_fn(void *data, const struct engine_error *error, const struct dead_info *infos,
				 uint32_t count, struct str next);
/* Newest failure first; next empty: the last page. A page may be short, or empty, and have a next: only so many rows
 * are looked at. */
void engine_list_dead_letters(struct engine *engine, const struct dead_filter *filter, struct str cursor,
			      uint32_t limit, engine_dead_list_fn *done, void *data);

struct dead_group {
	struct dead_info sample; /* the newest of them */
	uint64_t count;
	int64_t first_ms, last_ms;
	const uint32_t *hourly; /* [hours] */
};
typedef void engine_dead_groups_fn(void *data, const struct engine_error *error, const struct dead_group *groups,
				   uint32_t count, int64_t from_ms);
void engine_group_dead_letters(struct engine *engine, struct str machine, int hours, engine_dead_groups_fn *done,
			       void *data);

struct dead_letter {
	struct dead_info info;
	const struct value *state_input; /* NULL: none */
	bool editable;
};
typedef void engine_dead_letter_fn(void *data, const struct engine_error *error, const struct dead_letter *letter);
void engine_find_dead_letter(struct engine *engine, struct str execution_arn, engine_dead_letter_fn *done, void *data);

/* ---- choosing ---------------------------------------------------------------------------------------- */

#define DEAD_PREVIEW_MAX 100000
#define DEAD_PREVIEW_SHOWN 100
#define DEAD_PREVIEW_CHECKED 20
struct dead_preview {
	struct str id;
	uint64_t count;
	bool more; /* than DEAD_PREVIEW_MAX match */
	int64_t expires_ms;
	const struct dead_info *infos;
	uint32_t infos_count;
};
typedef void engine_dead_preview_fn(void *data, const struct engine_error *error, const struct dead_preview *preview);
/* By a filter, or (arns not NULL) a list of execution ARNs; those that are no dead letters are left out. */
void engine_preview_dead_letters(struct engine *engine, const struct dead_filter *filter, const struct str *arns,
				 size_t arns_count, bool newest, engine_dead_preview_fn *done, void *data);
typedef void engine_dead_count_fn(void *data, const struct engine_error *error, uint64_t count);
/* `count`: how many went. A letter that has been redriven since the preview, or failed again, is not one of them. */
void engine_discard_dead_letters(struct engine *engine, struct str preview, engine_dead_count_fn *done, void *data);

/* ---- jobs -------------------------------------------------------------------------------------------- */

enum redrive_outcome {
	OUTCOME_PENDING,
	OUTCOME_RUNNING,
	OUTCOME_SUCCEEDED,
	OUTCOME_FAILED_AGAIN,
	OUTCOME_SKIPPED,
	OUTCOMES
};
const char *redrive_outcome_name(enum redrive_outcome outcome);
enum redrive_state { JOB_RUNNING, JOB_PAUSED, JOB_STOPPED, JOB_CANCELLED, JOB_COMPLETED, JOB_STATES };
const char *redrive_state_name(enum redrive_state state);

struct redrive_request {
	struct str preview;
	bool newest;               /* go on with the newest definition, where that is compatible */
	const struct value *input; /* instead of the failed states' input; NULL: the same */
	uint32_t rate;             /* a second; 0: 100 */
	bool canary;
	double stop_error_rate; /* of those that ended: stop when more of them than this failed again */
};
struct redrive_info {
	uint64_t number;
	enum redrive_state state;
	struct str reason;            /* empty: none */
	int64_t created_ms, ended_ms; /* ended_ms 0: not yet */
	bool newest, edited, canary;
	uint32_t rate;
	double stop_error_rate;
	const char *stage; /* "canary 1", "canary 10", "rest" */
	uint64_t total, counts[OUTCOMES];
};
typedef void engine_redrive_job_fn(void *data, const struct engine_error *error, const struct redrive_info *job);
void engine_begin_redrive(struct engine *engine, const struct redrive_request *request, engine_redrive_job_fn *done,
			  void *data);
enum redrive_change { REDRIVE_PAUSE, REDRIVE_RESUME, REDRIVE_CANCEL };
void engine_change_redrive(struct engine *engine, uint64_t number, enum redrive_change change,
			   engine_redrive_job_fn *done, void *data);
/* From memory, newest first. */
bool engine_find_redrive(struct engine *engine, uint64_t number, struct redrive_info *ret_job);
uint32_t engine_list_redrives(struct engine *engine, uint64_t before, struct redrive_info *ret_jobs, uint32_t count);

struct redrive_outcome_info {
	uint64_t execution_id;
	struct str arn; /* empty: it is no longer stored */
	enum redrive_outcome outcome;
	int64_t at_ms;
	struct str detail;
};
typedef void engine_outcomes_fn(void *data, const struct engine_error *error,
				const struct redrive_outcome_info *outcomes, uint32_t count, struct str next);
/* outcome -1: all. */
void engine_list_redrive_outcomes(struct engine *engine, uint64_t number, int outcome, struct str cursor,
				  uint32_t limit, engine_outcomes_fn *done, void *data);

/* ---- what came and went ------------------------------------------------------------------------------ */

/* Letters that a batch which is durable has put into the queue or taken out of it. */
enum dead_move { DEAD_ENTERED, DEAD_REDRIVEN, DEAD_DISCARDED, DEAD_EXPIRED };
const char *dead_move_name(enum dead_move move); /* "entered" */
struct dead_moved {
	enum dead_move move;
	uint64_t count;
	struct str arn; /* ENTERED, REDRIVEN: of the one execution; else empty */
};
typedef void engine_dead_moved_fn(void *data, const struct dead_moved *moved);
/* One for an engine, NULL: none. Told within a commit: it must not call the engine. Executions that are purged with their letters are not told. */
void engine_on_dead_moved(struct engine *engine, engine_dead_moved_fn *told, void *data);

/* ---- figures ----------------------------------------------------------------------------------------- */

struct dead_stats {
	uint64_t in, redriven, discarded, expired; /* since this process began */
	uint64_t unread_done;                      /* rows of an older store that were read */
	uint64_t expiry_warnings;
	uint64_t notified, notify_failures, notify_dropped, notify_waiting;
};
void engine_dead_stats(struct engine *engine, struct dead_stats *ret_stats);
/* The machines with most dead letters, as of the last look a few seconds ago. */
struct dead_depth {
	struct str machine;
	uint64_t count;
	int64_t oldest_ms;
	int64_t expires_ms; /* the oldest, if the policy warns of that by now (warnDays); else 0 */
};
uint32_t engine_dead_depths(struct engine *engine, struct dead_depth *ret_depths, uint32_t count);
/* How many there are: those of the last look, and what came and went since. From memory. */
uint64_t engine_dead_count(const struct engine *engine);

/* ---- notifications (notify.c) ------------------------------------------------------------------------ */

/* The configuration's `targets:` {NAME: {url, secret, headers | exec | function, events: [STATUS…], machines: [pattern…],
 * timeout_s, give_up_hours}}, and how to find the text of a {env: …}, {file: …} setting. Before engine_recover. */
int engine_configure_targets(struct engine *engine, const struct value *targets,
			     int (*secret)(struct connector_host *host, const struct value *setting, struct buffer *out,
					   struct wf_error *err),
			     struct wf_error *err);
