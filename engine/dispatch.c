/* dispatch.c: tasks on their way to connectors and back.
 *
 *     command, committed ─► queued (tasks_in_flight) ─► connector->start ─► running ─► finished ─► an input for its
 * execution └─ cancelled: gone           └─ refused: "could not be started"     └─ its log is kept for a while
 *
 * A task is found by its key; one that is there already is not started again, so a redispatch after a rollback or a
 * recovery is harmless. That a task has started is told to the core at once if it has a heartbeat to watch, else only
 * when it has run for a moment: a commit for each would double what a quick task costs, and the core records a start
 * that nobody reported with the answer.
 *
 * Heartbeats: a connector may send many. The core is given one at most every eighth of the interval, because each costs
 * a commit; one that came in between is given when that time is over, or when a timer of its execution is due,
 * whichever is first. */
#include "engine/runtime.h"
#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define ENDED_KEPT 256 /* logs of tasks that ended */
#define BEATS_PER_INTERVAL 8
#define STARTED_AFTER_MS 250

enum task_state { TASK_QUEUED, TASK_RUNNING, TASK_ENDED };

struct task {
	struct task_request request; /* its texts live in the arena */
	struct arena arena;
	struct value *parameters;
	enum task_state state;
	enum integration_pattern pattern;
	int64_t deadline_ms;
	struct connector *connector;
	struct task *next, *previous; /* in the queue, among those whose start is not yet told, or among the ended */
	bool again;                   /* started again by a recovery */
	bool untold;                  /* that it has started */
	int64_t started_ms, began_us;
	struct buffer log;
	uint64_t log_lines; /* all that came */
	double progress;       /* < 0: none */
	int64_t beat_given_ms; /* when the core last had a heartbeat, or the task began */
	bool beat_pending;
	struct task *beats_next;
	struct str mock;     /* the response that answers it; empty: a connector does */
	struct trial *trial; /* it belongs to no execution: who waits for it (NULL: it does) */
};

/* A task that is run by itself. */
struct trial {
	struct engine *engine;
	struct task_key key;
	struct loop_timer timer; /* its deadline */
	engine_trial_fn *done;
	void *data;
};

static struct engine *of(struct connector_host *host)
{
	return (struct engine *)((char *)host - offsetof(struct engine, dispatch.host));
}

static struct str key_text(const struct task_key *key)
{
	return (struct str){ (const char *)key, sizeof *key };
}

static struct task *find(struct engine *engine, struct task_key key)
{
	return str_map_get(&engine->dispatch.tasks, key_text(&key));
}

static void link_last(struct task **first, struct task **last, struct task *task)
{
	task->next = NULL;
	task->previous = *last;
	*(*last ? &(*last)->next : first) = task;
	*last = task;
}

static void unlink_task(struct task **first, struct task **last, struct task *task)
{
	*(task->previous ? &task->previous->next : first) = task->next;
	*(task->next ? &task->next->previous : last) = task->previous;
	task->next = task->previous = NULL;
}

static void drop_beat(struct engine *engine, struct task *task)
{
	for (struct task **at = &engine->dispatch.beats; task->beat_pending && *at; at = &(*at)->beats_next)
		if (*at == task) {
			*at = task->beats_next;
			task->beat_pending = false;
			return;
		}
}

static void free_task(struct task *task)
{
	value_unref(task->parameters);
	buffer_done(&task->log);
	arena_done(&task->arena);
	if (task->trial) {
		loop_timer_clear(task->trial->engine->loop, &task->trial->timer);
		task->trial->engine->dispatch.trials_open--;
	}
	free(task->trial);
	free(task);
}

static void forget(struct engine *engine, struct task *task)
{
	drop_beat(engine, task);
	str_map_remove(&engine->dispatch.tasks, key_text(&task->request.key));
	free_task(task);
}

static void told(struct engine *engine, struct task *task)
{
	if (task->untold)
		unlink_task(&engine->dispatch.untold_first, &engine->dispatch.untold_last, task);
	task->untold = false;
}

/* It runs no more. Its log is kept, until others push it out. */
static void end_task(struct engine *engine, struct task *task)
{
	struct dispatch *dispatch = &engine->dispatch;
	drop_beat(engine, task);
	told(engine, task);
	dispatch->running--;
	if (!task->log.len || task->trial) {
		forget(engine, task);
		return;
	}
	task->state = TASK_ENDED;
	value_unref(TAKE(task->parameters));
	link_last(&dispatch->ended_first, &dispatch->ended_last, task);
	if (++dispatch->ended_count > ENDED_KEPT) {
		struct task *oldest = dispatch->ended_first;
		unlink_task(&dispatch->ended_first, &dispatch->ended_last, oldest);
		dispatch->ended_count--;
		forget(engine, oldest);
	}
}

/* ---- answers ------------------------------------------------------------------------------- */

/* Lines about a task say which. */
static void log_task(enum log_level level, const struct task *task, const char *what, struct str error)
{
	char number[24];
	if (!log_wanted(level))
		return;
	snprintf(number, sizeof number, "%llu", (unsigned long long)task->request.key.event_id);
	log_fields(level, "engine",
		   LOG_FIELDS({ "execution_arn", task->request.execution_arn }, { "state", task->request.state_name },
			      { "task", str_of(number) }, { "resource", task->request.resource_arn },
			      { "trace_parent", task->request.trace_parent }, { "error", error }),
		   "%s", what);
}

/* How long it took, to the histogram of its connector. */
static void count_task(struct engine *engine, const struct task *task)
{
	struct dispatch *dispatch = &engine->dispatch;
	size_t i = 0;
	while (i < dispatch->connectors_count && dispatch->connectors[i] != task->connector)
		i++;
	if (i < dispatch->connectors_count && i < ENGINE_CONNECTORS_MAX)
		engine_histogram_add(&engine->stats.tasks[i].took,
				     engine->clock->monotonic_us(engine->clock) - task->began_us);
}

static void answer(struct engine *engine, const struct task *task, const struct task_result *result)
{
	static const struct str absent = { NULL, 0 };
	log_task(LOG_LEVEL_DEBUG, task, result->end == TASK_SUCCEEDED ? "the task has succeeded" : "the task has failed",
		 result->error);
	count_task(engine, task);
	if (task->trial) {
		task->trial->done(task->trial->data, result);
		return;
	}
	struct input *input = NULL;
	bool asynchronous = task->pattern != PATTERN_REQUEST_RESPONSE;
	switch (result->end) {
	case TASK_SUCCEEDED:
		input = input_new(asynchronous ? INPUT_TASK_SUBMITTED : INPUT_TASK_SUCCEEDED,
				  task->request.key.event_id, result->output, absent, absent, absent);
		break;
	case TASK_FAILED:
	case TASK_START_FAILED:
		input = input_new(INPUT_TASK_FAILED, task->request.key.event_id, NULL, absent, result->error,
				  result->cause);
		input->start_failed = result->end == TASK_START_FAILED;
		break;
	case TASK_TIMED_OUT:
		input = input_new(INPUT_TASK_TIMED_OUT, task->request.key.event_id, NULL, absent, result->error,
				  result->cause);
		break;
	}
	mailbox_put(engine, task->request.key.execution_id, input);
}

static void refuse(struct engine *engine, const struct task *task, struct str error, struct str cause)
{
	answer(engine, task, &(struct task_result){ .end = TASK_START_FAILED, .error = error, .cause = cause });
}

static void on_finished(struct connector_host *host, struct task_key key, const struct task_result *result)
{
	struct engine *engine = of(host);
	struct task *task = find(engine, key);
	if (!task || task->state != TASK_RUNNING)
		return;
	answer(engine, task, result);
	end_task(engine, task);
}

/* ---- starting -------------------------------------------------------------------------------- */

static struct connector *connector_for(struct engine *engine, const struct task *task)
{
	for (size_t i = 0; i < engine->dispatch.connectors_count; i++) {
		struct connector *connector = engine->dispatch.connectors[i];
		if (connector->class->accepts(connector, task->request.type, task->request.api))
			return connector;
	}
	return NULL;
}

static void refuse_unknown(struct engine *engine, struct task *task)
{
	struct str arn = task->request.resource_arn;
	if (str_eqz(task->request.type, "lambda"))
		refuse(
		    engine, task, STR("Lambda.ResourceNotFoundException"),
		    arena_format(&task->arena,
				 "Function not found: %.*s (no local function, and no Lambda endpoint is configured)",
				 STR_FMT(arn)));
	else
		refuse(engine, task, STR("Connector.NotFound"),
		       arena_format(&task->arena, "No connector can run the resource %.*s", STR_FMT(arn)));
}

/* "exec" could not start it: Exec.StartFailed. */
static void refuse_start(struct engine *engine, struct task *task, const struct wf_error *err)
{
	char *error = arena_printf(&task->arena, "%s.StartFailed", task->connector->class->name);
	error[0] = (char)toupper((unsigned char)error[0]);
	struct str cause =
	    err->where[0] ? arena_format(&task->arena, "%s: %s", err->where, err->message) : str_of(err->message);
	refuse(engine, task, str_of(error), cause);
}

static void put_bare(struct engine *engine, const struct task *task, enum core_input_kind kind)
{
	static const struct str absent = { NULL, 0 };
	mailbox_put(engine, task->request.key.execution_id,
		    input_new(kind, task->request.key.event_id, NULL, absent, absent, absent));
}

static void tell_started(struct engine *engine, struct task *task)
{
	if (task->trial)
		return;
	if (task->request.heartbeat_ms <= 0) {
		task->untold = true;
		link_last(&engine->dispatch.untold_first, &engine->dispatch.untold_last, task);
		return;
	}
	put_bare(engine, task, INPUT_TASK_STARTED);
	if (task->again) /* nobody could hear it while no process ran */
		put_bare(engine, task, INPUT_TASK_HEARTBEAT);
}

static void run(struct engine *engine, struct task *task)
{
	task->state = TASK_RUNNING;
	engine->dispatch.running++;
	if (task->mock.len) {
		mocks_answer(engine, &task->request, task->pattern, task->mock);
		end_task(engine, task);
		return;
	}
	task->connector = connector_for(engine, task);
	if (!task->connector) {
		refuse_unknown(engine, task);
		end_task(engine, task);
		return;
	}
	int64_t now_ms = engine_now_ms(engine);
	task->beat_given_ms = task->started_ms = now_ms;
	task->began_us = engine->clock->monotonic_us(engine->clock);
	log_task(LOG_LEVEL_DEBUG, task, "the task starts", STR_EMPTY);
	if (task->deadline_ms != INT64_MAX) {
		int64_t left_ms = task->deadline_ms > now_ms ? task->deadline_ms - now_ms : 0;
		task->request.timeout_ms = (int64_t)((double)left_ms / engine->time_scale);
	}
	struct wf_error err = { 0 };
	if (task->connector->class->start(task->connector, &task->request, &err) < 0) {
		refuse_start(engine, task, &err);
		end_task(engine, task);
	} else {
		tell_started(engine, task);
	}
}

void dispatch_queue(struct engine *engine)
{
	struct dispatch *dispatch = &engine->dispatch;
	while (dispatch->queue_first && dispatch->running < (uint64_t)engine->limits.tasks_in_flight) {
		struct task *task = dispatch->queue_first;
		unlink_task(&dispatch->queue_first, &dispatch->queue_last, task);
		dispatch->queued--;
		run(engine, task);
	}
}

static struct task *new_task(struct task_key key, const struct command *command, struct str arn, struct str name,
			     struct str machine_name)
{
	struct task *task = NEW(struct task);
	struct arena *arena = &task->arena;
	task->parameters = command->parameters ? value_ref(command->parameters) : value_new_object(0);
	task->pattern = command->resource.pattern;
	task->deadline_ms = command->deadline_ms;
	task->progress = -1;
	task->request = (struct task_request){
		.key = key,
		.idempotency_key = arena_format(arena, "x-%llx-%llu", (unsigned long long)key.execution_id,
						(unsigned long long)key.event_id),
		.execution_arn = arena_str(arena, arn),
		.execution_name = arena_str(arena, name),
		.state_machine_name = arena_str(arena, machine_name),
		.state_name = arena_str(arena, command->state_name),
		.resource_arn = arena_str(arena, command->resource.arn),
		.type = arena_str(arena, command->resource.type),
		.api = arena_str(arena, command->resource.api),
		.parameters = task->parameters,
		.timeout_ms = INT64_MAX,
		.heartbeat_ms = command->heartbeat_s * 1000,
		.attempt = command->attempt,
		.lambda_arn = command->resource.kind == RESOURCE_LAMBDA_ARN,
		.work_dir = STR_EMPTY,
		.trace_parent = STR_EMPTY,
	};
	return task;
}

static struct task *queue(struct engine *engine, struct task *task)
{
	struct dispatch *dispatch = &engine->dispatch;
	str_map_put(&dispatch->tasks, key_text(&task->request.key), task);
	link_last(&dispatch->queue_first, &dispatch->queue_last, task);
	dispatch->queued++;
	return task;
}

static void trial_timed_out(struct loop_timer *timer)
{
	struct trial *trial = timer->data;
	const struct task *task = find(trial->engine, trial->key);
	static const struct str absent = { NULL, 0 };
	answer(trial->engine, task,
	       &(struct task_result){ .end = TASK_TIMED_OUT, .error = STR("States.Timeout"), .cause = absent });
	dispatch_cancel(trial->engine, trial->key.execution_id, trial->key.event_id);
}

void dispatch_start(struct engine *engine, struct resident *resident, const struct command *command, bool again)
{
	struct dispatch *dispatch = &engine->dispatch;
	struct task_key key = { resident->id, command->task_id };
	struct attributes attributes;
	bool known = attributes_decode(resident->attributes, &attributes);
	struct str mock =
	    known ? mocks_response(engine, resident->machine->info.name, attributes.alias, command->state_name) : STR_EMPTY;
	if (command->resource.kind == RESOURCE_ACTIVITY && !mock.len) {
		if (!again) /* a worker fetches it; after a recovery its row has brought it back */
			activities_queue(engine, resident->id, command);
		return;
	}
	struct task *task = find(engine, key);
	if (task && task->state != TASK_ENDED)
		return;
	if (task) { /* ended in an attempt whose answer was undone */
		unlink_task(&dispatch->ended_first, &dispatch->ended_last, task);
		dispatch->ended_count--;
		forget(engine, task);
	}
	task = queue(engine, new_task(key, command, resident->arn, resident->name, resident->machine->info.name));
	task->again = again;
	if (!known)
		return;
	task->mock = arena_str(&task->arena, mock);
	task->request.trace_parent = trace_parent_of_task(&task->arena, attributes.trace_parent, key);
}

void engine_try_task(struct engine *engine, const struct command *command, int64_t timeout_ms,
		     engine_trial_fn *done, void *data)
{
	/* No execution has this number, so nothing else finds the task. */
	struct task_key key = { TRIAL_EXECUTION, ++engine->dispatch.trials };
	struct trial *trial = NEW(struct trial);
	*trial = (struct trial){ .engine = engine, .key = key, .done = done, .data = data };
	trial->timer = (struct loop_timer){ .callback = trial_timed_out, .data = trial };
	struct task *task = queue(engine, new_task(key, command, STR_EMPTY, STR_EMPTY, STR_EMPTY));
	task->trial = trial;
	engine->dispatch.trials_open++;
	task->request.heartbeat_ms = 0;
	task->deadline_ms = engine_now_ms(engine) + timeout_ms;
	loop_timer_set(engine->loop, &trial->timer, timeout_ms);
}

void dispatch_cancel(struct engine *engine, uint64_t execution_id, uint64_t task_id)
{
	struct dispatch *dispatch = &engine->dispatch;
	struct task *task = find(engine, (struct task_key){ execution_id, task_id });
	if (!task) {
		activities_cancel(engine, execution_id, task_id);
		children_cancel(engine, execution_id, task_id);
		return;
	}
	switch (task->state) {
	case TASK_QUEUED:
		unlink_task(&dispatch->queue_first, &dispatch->queue_last, task);
		dispatch->queued--;
		forget(engine, task);
		break;
	case TASK_RUNNING:
		task->connector->class->cancel(task->connector, task->request.key);
		end_task(engine, task);
		break;
	case TASK_ENDED:
		break;
	}
}

/* ---- heartbeats -------------------------------------------------------------------------------- */

static int64_t beat_due_ms(const struct task *task)
{
	return task->beat_given_ms + task->request.heartbeat_ms / BEATS_PER_INTERVAL;
}

static void give_beat(struct engine *engine, struct task *task, int64_t now_ms)
{
	drop_beat(engine, task);
	task->beat_given_ms = now_ms;
	put_bare(engine, task, INPUT_TASK_HEARTBEAT);
}

static void on_heartbeat(struct connector_host *host, struct task_key key)
{
	struct engine *engine = of(host);
	struct task *task = find(engine, key);
	if (!task || task->state != TASK_RUNNING || task->request.heartbeat_ms <= 0 || task->beat_pending)
		return;
	int64_t now_ms = engine_now_ms(engine);
	if (now_ms >= beat_due_ms(task)) {
		give_beat(engine, task, now_ms);
		return;
	}
	task->beat_pending = true;
	task->beats_next = engine->dispatch.beats;
	engine->dispatch.beats = task;
}

void dispatch_tell(struct engine *engine, int64_t now_ms)
{
	for (struct task *task;
	     (task = engine->dispatch.untold_first) && now_ms - task->started_ms >= STARTED_AFTER_MS;) {
		told(engine, task);
		put_bare(engine, task, INPUT_TASK_STARTED);
	}
	for (struct task *next, *task = engine->dispatch.beats; task; task = next) {
		next = task->beats_next;
		if (now_ms >= beat_due_ms(task))
			give_beat(engine, task, now_ms);
	}
}

void dispatch_beats_of(struct engine *engine, uint64_t execution_id)
{
	for (struct task *next, *task = engine->dispatch.beats; task; task = next) {
		next = task->beats_next;
		if (task->request.key.execution_id == execution_id)
			give_beat(engine, task, engine_now_ms(engine));
	}
}

int64_t dispatch_next_ms(const struct engine *engine)
{
	const struct task *untold = engine->dispatch.untold_first;
	int64_t next_ms = untold ? untold->started_ms + STARTED_AFTER_MS : INT64_MAX;
	for (const struct task *task = engine->dispatch.beats; task; task = task->beats_next)
		if (beat_due_ms(task) < next_ms)
			next_ms = beat_due_ms(task);
	return next_ms;
}

/* ---- logs, progress, work folders ------------------------------------------------------------------ */

static void on_log(struct connector_host *host, struct task_key key, struct str line)
{
	struct engine *engine = of(host);
	struct task *task = find(engine, key);
	if (!task || task->state != TASK_RUNNING)
		return;
	size_t bytes_max = (size_t)engine->limits.exec_log_bytes;
	struct str kept = str_sub(line, line.len > bytes_max ? line.len - bytes_max : 0, bytes_max);
	if (task->log.len)
		buffer_byte(&task->log, '\n');
	buffer_add(&task->log, kept);
	if (task->log.len > bytes_max) {
		/* Its end is kept, from the start of a line; a quarter at once, so that this is not done for every
		 * line. */
		size_t from = task->log.len - bytes_max / 4 * 3;
		const char *newline = memchr(task->log.data + from, '\n', task->log.len - from);
		buffer_consume(&task->log, newline ? (size_t)(newline + 1 - task->log.data) : from);
	}
	watch_log(engine, task->request.execution_arn, key.event_id, ++task->log_lines, line, task->progress);
}

static void on_progress(struct connector_host *host, struct task_key key, double fraction)
{
	struct engine *engine = of(host);
	struct task *task = find(engine, key);
	if (!task || task->state != TASK_RUNNING)
		return;
	task->progress = fraction < 0 ? 0 : fraction > 1 ? 1 : fraction;
	watch_log(engine, task->request.execution_arn, key.event_id, 0, STR_EMPTY, task->progress);
}

static const char *on_work_dir(struct connector_host *host, uint64_t execution_id, struct wf_error *err)
{
	struct engine *engine = of(host);
	free(TAKE(engine->dispatch.work_dir));
	if (!engine->work_root) {
		error_set(err, ERR(UNSUPPORTED), "no folder for work is configured");
		return "";
	}
	engine->dispatch.work_dir = mem_printf("%s/%llx", engine->work_root, (unsigned long long)execution_id);
	if ((mkdir(engine->work_root, 0700) < 0 && errno != EEXIST) ||
	    (mkdir(engine->dispatch.work_dir, 0700) < 0 && errno != EEXIST)) {
		error_errno(err, errno, "cannot make the work folder %s", engine->dispatch.work_dir);
		return "";
	}
	return engine->dispatch.work_dir;
}

struct str engine_task_log(struct engine *engine, struct str execution_arn, uint64_t task_id, uint64_t *ret_lines)
{
	/* By ARN, since a log is asked for by people: the few tasks that have one are looked through. */
	size_t i = 0;
	for (struct str_map_entry *entry; (entry = str_map_next(&engine->dispatch.tasks, &i));) {
		const struct task *task = entry->value;
		if (task->request.key.event_id == task_id && str_eq(task->request.execution_arn, execution_arn)) {
			*ret_lines = task->log_lines;
			return buffer_str(&task->log);
		}
	}
	*ret_lines = 0;
	return STR_EMPTY;
}

void engine_each_task(struct engine *engine, struct str execution_arn, engine_task_fn *visit, void *data)
{
	size_t i = 0;
	for (struct str_map_entry *entry; (entry = str_map_next(&engine->dispatch.tasks, &i));) {
		const struct task *task = entry->value;
		if (task->state != TASK_ENDED && str_eq(task->request.execution_arn, execution_arn))
			visit(data, task->request.key.event_id, task->request.state_name, task->started_ms,
			      task->progress);
	}
}

/* ---- life ---------------------------------------------------------------------------------------- */

void dispatch_init(struct engine *engine)
{
	engine->dispatch.host = (struct connector_host){ .loop = engine->loop,
							 .io = engine->io,
							 .limits = &engine->limits,
							 .finished = on_finished,
							 .heartbeat = on_heartbeat,
							 .log = on_log,
							 .progress = on_progress,
							 .work_dir = on_work_dir };
}

void dispatch_free(struct engine *engine)
{
	struct dispatch *dispatch = &engine->dispatch;
	for (size_t i = 0; i < dispatch->connectors_count; i++)
		dispatch->connectors[i]->class->free(dispatch->connectors[i]);
	free(dispatch->connectors);
	size_t i = 0;
	for (struct str_map_entry *entry; (entry = str_map_next(&dispatch->tasks, &i));)
		free_task(entry->value);
	str_map_done(&dispatch->tasks);
	free(dispatch->work_dir);
}
