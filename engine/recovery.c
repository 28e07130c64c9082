/* recovery.c: a new process takes up what the last one left, and the background work beside it.
 *
 * Recovery reads the open rows that say ACTIVE, page by page: each such execution is loaded (folded; nothing is decided
 * again), its unanswered tasks are started again under the same keys, and it goes on if it can. One that something
 * reaches before its page comes is brought back in the same way when it is loaded, before its first input: so a task
 * that it schedules now is never taken for an old one.
 *
 * Those that wait stay in the store. Their wake times are read one horizon ahead: the cost is that of what is due soon.
 */
#include "engine/runtime.h"

#define PAGE_ROWS 256
#define HORIZON_MS 60000         /* wake times are in memory this far ahead … */
#define HORIZON_REFRESH_MS 30000 /* … and at least this far */
#define HOUSEKEEPING_MS 60000
#define READ_RETRY_MS 1000
#define PURGE_EXECUTIONS 100 /* in one transaction */
#define PURGE_PAUSE_MS 10    /* between two, so that the writer is mostly there for others: some 600 million a day */

static void list_active(struct engine *engine);
static void list_horizon(struct engine *engine);

/* ---- reads that failed ------------------------------------------------------------------------- */

static void read_again(struct loop_timer *timer)
{
	struct engine *engine = timer->data;
	struct recovery *recovery = &engine->recovery;
	bool count = recovery->count_failed, active = recovery->active_failed, horizon = recovery->horizon_failed;
	recovery->count_failed = recovery->active_failed = recovery->horizon_failed = false;
	if (count)
		recovery_count(engine);
	if (active)
		list_active(engine);
	if (horizon)
		list_horizon(engine);
}

/* What may pass is asked again in a while; anything else is for the next process. */
static void read_failed(struct engine *engine, const char *what, int code, const struct wf_error *err, bool *failed)
{
	struct recovery *recovery = &engine->recovery;
	const char *reason = err ? err->message : error_code_text(code);
	if (code != ERR(IO) && code != ERR(BUSY) && code != ERR(NO_SPACE)) {
		engine_halt(engine, "%s cannot be read: %s", what, reason);
		return;
	}
	log_warn("engine", "%s cannot be read: %s; trying again", what, reason);
	*failed = true;
	if (!recovery->again.active) {
		recovery->again = (struct loop_timer){ .callback = read_again, .data = engine };
		loop_timer_set(engine->loop, &recovery->again, READ_RETRY_MS);
	}
}

static void on_open_counted(void *data, uint64_t count, int code, const struct wf_error *err)
{
	struct engine *engine = errand_done(data, NULL);
	if (!engine)
		return;
	if (code < 0) {
		read_failed(engine, "the number of open executions", code, err, &engine->recovery.count_failed);
		return;
	}
	engine->counting = false;
	engine->stats.open += count; /* Express ones may have begun */
}

void recovery_count(struct engine *engine)
{
	engine->counting = true;
	store_count_open(engine->store, on_open_counted, errand_new(engine, NULL));
}

/* ---- ACTIVE rows -------------------------------------------------------------------------------- */

void engine_recover(struct engine *engine)
{
	struct recovery *recovery = &engine->recovery;
	recovery->asked = true;
	recovery->after = (struct store_open_row){ 0, INT64_MIN };
	recovery->horizon_ms = INT64_MIN;
	list_active(engine);
	recovery_horizon(engine, engine_now_ms(engine));
	children_recover(engine);
}

static void on_active(void *data, const struct store_open_row *rows, uint32_t count, int code,
		      const struct wf_error *err)
{
	struct engine *engine = errand_done(data, NULL);
	if (!engine)
		return;
	struct recovery *recovery = &engine->recovery;
	if (code < 0) {
		read_failed(engine, "the open executions", code, err, &recovery->active_failed);
		return;
	}
	recovery->page_last = count < PAGE_ROWS;
	recovery->loading = 1; /* the page itself, until all are asked for */
	for (uint32_t i = 0; i < count; i++) {
		recovery->after = rows[i];
		if (rows[i].execution_id >= engine->recovered_below) {
			recovery->page_last = true; /* begun by this process, as all behind it */
			break;
		}
		struct resident *resident = cache_get(engine, rows[i].execution_id);
		if (resident->state != RESIDENT_LOADING)
			continue;
		resident->recovering = true;
		recovery->loading++;
	}
	recovery->loading--;
	recovery_progress(engine, NULL);
}

static void list_active(struct engine *engine)
{
	store_list_open(engine->store, STORE_WAKE_ACTIVE, engine->recovery.after, PAGE_ROWS, on_active,
			errand_new(engine, NULL));
}

void recovery_progress(struct engine *engine, struct resident *resident)
{
	struct recovery *recovery = &engine->recovery;
	if (resident) {
		if (!resident->recovering)
			return;
		resident->recovering = false;
		recovery->loading--;
	}
	if (!recovery->asked || !recovery->active || recovery->loading)
		return;
	if (recovery->page_last) {
		recovery->active = false;
		u64_map_done(&recovery->redispatched);
	} else
		list_active(engine);
}

/* Of one that the last process left, while there are such: true, once. */
static bool first_sight(struct engine *engine, const struct resident *resident)
{
	struct recovery *recovery = &engine->recovery;
	return recovery->active && resident->id < engine->recovered_below &&
	       !u64_map_put(&recovery->redispatched, resident->id, engine);
}

void recovery_loaded_ended(struct engine *engine, const struct resident *resident)
{
	(void)first_sight(engine, resident);
}

void recovery_loaded(struct engine *engine, struct resident *resident)
{
	struct execution *execution = resident->execution;
	/* Its open row was written after its last step by the same rule, so it need not be read. */
	resident->has_open = true;
	resident->open_wake_ms = execution_open_wake_ms(execution);
	timers_set(&engine->timers, resident->id, execution_wake_ms(execution));
	if (execution_runnable(execution) && !engine->draining)
		mailbox_continue(engine, resident);
	if (!first_sight(engine, resident))
		return;
	struct core_env env;
	if (!execution_tasks_in_flight(execution) || !turn_env(engine, resident, engine_now_ms(engine), &env))
		return;
	_cleanup_(arena_done) struct arena arena = { 0 };
	struct command *commands;
	uint32_t count;
	core_redispatch(execution, &env, &arena, &commands, &count);
	for (uint32_t i = 0; i < count; i++)
		if (commands[i].kind == COMMAND_START_TASK)
			dispatch_start(engine, resident, &commands[i], true);
}

/* ---- the horizon ---------------------------------------------------------------------------------- */

static void on_horizon(void *data, const struct store_open_row *rows, uint32_t count, int code,
		       const struct wf_error *err)
{
	struct engine *engine = errand_done(data, NULL);
	if (!engine)
		return;
	struct recovery *recovery = &engine->recovery;
	if (code < 0) {
		read_failed(engine, "the wake times", code, err, &recovery->horizon_failed);
		return;
	}
	for (uint32_t i = 0; i < count; i++) {
		recovery->horizon_after = rows[i];
		/* One in memory has its own, newer time; so has one that left since the horizon was moved. */
		if (!cache_find(engine, rows[i].execution_id) &&
		    timers_get(&engine->timers, rows[i].execution_id) == INT64_MAX)
			timers_set(&engine->timers, rows[i].execution_id, rows[i].wake_ms);
	}
	if (count == PAGE_ROWS)
		list_horizon(engine);
	else
		recovery->horizon_listing = false;
}

static void list_horizon(struct engine *engine)
{
	struct recovery *recovery = &engine->recovery;
	store_list_open(engine->store, recovery->horizon_ms, recovery->horizon_after, PAGE_ROWS, on_horizon,
			errand_new(engine, NULL));
}

void recovery_horizon(struct engine *engine, int64_t now_ms)
{
	struct recovery *recovery = &engine->recovery;
	if (!recovery->asked || recovery->horizon_listing)
		return;
	int64_t from_ms = recovery->horizon_ms;
	if (from_ms != INT64_MIN && from_ms - now_ms >= HORIZON_REFRESH_MS)
		return;
	/* Moved before it is read: who leaves the memory meanwhile keeps a time within it (cache_release). Read from
	 * the old horizon on, and from just behind the ACTIVE rows at first. */
	recovery->horizon_ms = now_ms + HORIZON_MS;
	recovery->horizon_after = from_ms == INT64_MIN ? (struct store_open_row){ UINT64_MAX >> 1, STORE_WAKE_ACTIVE }
						       : (struct store_open_row){ UINT64_MAX >> 1, from_ms };
	recovery->horizon_listing = true;
	list_horizon(engine);
}

/* ---- background work --------------------------------------------------------------------------------- */

static void on_purged(void *data, uint64_t count, int code, const struct wf_error *err)
{
	struct engine *engine = errand_done(data, NULL);
	if (!engine)
		return;
	engine->purging = false;
	if (code < 0)
		log_warn("engine", "executions beyond their retention could not be deleted: %s",
			 err ? err->message : error_code_text(code));
	else if (count)
		engine->housekeeping_ms = engine_now_ms(engine) + PURGE_PAUSE_MS; /* there are more */
}

void housekeeping_run(struct engine *engine, int64_t now_ms)
{
	if (now_ms < engine->housekeeping_ms)
		return;
	engine->housekeeping_ms = now_ms + HOUSEKEEPING_MS;
	registry_reap(engine);
	workdirs_sweep(engine);
	if (engine->purging || engine->draining)
		return;
	engine->purging = true;
	int64_t before_ms = now_ms - engine->limits.retention_days * 86400000;
	store_purge(engine->store, before_ms, PURGE_EXECUTIONS, on_purged, errand_new(engine, NULL));
}
