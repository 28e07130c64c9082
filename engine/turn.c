/* turn.c: one turn of the engine: the straight line along which everything is decided.
 *
 *     what the store has answered leaves ─► timers that are due become inputs ─► each execution that waits takes one
 * step with its inputs ─► all that they decided is one batch ─► submitted; its answers and commands leave in a later
 * turn, when it is committed
 *
 * A turn takes at most turn_inputs inputs, and none while batches_outstanding batches are with the store: what comes
 * meanwhile waits in the mailbox and shares the next batch, and so the next sync. */
#include "engine/dead.h"
#include "engine/token.h"
#include <assert.h>
#include <stdlib.h>

#define SLEEP_MAX_MS 10000 /* the wall clock may jump: look at least this often */

/* ---- one step -------------------------------------------------------------------------------- */

static void write_token(void *data, uint64_t task_id, struct buffer *out)
{
	const struct resident *resident = data;
	token_make(&resident->engine->key, (struct task_key){ resident->id, task_id }, out);
}

bool turn_env(struct engine *engine, struct resident *resident, int64_t now_ms, struct core_env *ret_env)
{
	const struct program *program = revision_program(engine, resident->revision);
	if (!program)
		return false;
	*ret_env = (struct core_env){
		.program = program,
		.limits = &engine->limits,
		.now_ms = now_ms,
		.seed = random_u64(&engine->random),
		.execution_arn = resident->arn,
		.execution_name = resident->name,
		.state_machine_arn = resident->machine->info.arn,
		.state_machine_name = resident->machine->info.name,
		.role_arn = resident->revision->role_arn,
		.region = str_of(engine->region),
		.task_token = write_token,
		.activity_exists = activities_exists,
		.synchronous = resident->waiting,
		.duration_ms = resident->express ? engine->limits.express_seconds * 1000 : 0,
		.data = resident,
	};
	dead_env(engine, resident->machine, ret_env);
	return true;
}

/* What its open row must say: ACTIVE while recovery has something to do for it, else when it wakes. */
int64_t execution_open_wake_ms(const struct execution *execution)
{
	if (execution_tasks_in_flight(execution) || execution_runnable(execution))
		return STORE_WAKE_ACTIVE;
	int64_t wake_ms = execution_wake_ms(execution);
	return wake_ms == INT64_MAX ? STORE_WAKE_NEVER : wake_ms;
}

/* A redrive is kept in the row: lists count it, and a repeat of the request is known. */
static void keep_redrive(struct batch *batch, struct resident *resident, struct str token)
{
	struct attributes attributes;
	if (!attributes_decode(resident->attributes, &attributes))
		return;
	attributes.redrives = execution_redrives(resident->execution);
	attributes.redriven_ms = (uint64_t)execution_redriven_ms(resident->execution);
	attributes.redrive_token = token;
	attributes.revision = resident->revision->number;
	struct str bytes = attributes_encode(&batch->store->arena, &attributes);
	free((char *)resident->attributes.ptr);
	resident->attributes = (struct str){ mem_strndup(bytes.ptr, bytes.len), bytes.len };
}

/* The row in the list of executions, and the open row, as far as they change. */
static void write_rows(struct batch *batch, struct resident *resident, bool reopened)
{
	const struct execution *execution = resident->execution;
	bool ended = execution_status(execution) != EXECUTION_RUNNING;
	if (!resident->stored || ended || reopened) {
		/* One that ends in its first step is inserted as ended. */
		struct store_op *op =
		    store_batch_add(batch->store, resident->stored ? STORE_END_EXECUTION : STORE_INSERT_EXECUTION);
		op->execution = (struct store_execution){
			.id = resident->id,
			.machine_id = resident->machine->info.number,
			.name = resident->named ? arena_str(&batch->store->arena, resident->name) : STR_EMPTY,
			.start_ms = execution_start_ms(execution),
			.stop_ms = execution_stop_ms(execution),
			.status = (uint8_t)execution_status(execution),
			.attributes = arena_str(&batch->store->arena, resident->attributes),
		};
	}
	if (ended && resident->has_open) {
		store_batch_add(batch->store, STORE_DELETE_OPEN)->open.execution_id = resident->id;
		resident->has_open = false;
	}
	int64_t wake_ms = execution_open_wake_ms(execution);
	if (!ended && (!resident->has_open || resident->open_wake_ms != wake_ms)) {
		store_batch_add(batch->store, STORE_SET_OPEN)->open = (struct store_open_row){ resident->id, wake_ms };
		resident->has_open = true;
		resident->open_wake_ms = wake_ms;
	}
}

static void write_journal(struct batch *batch, struct resident *resident, const struct core_result *result)
{
	for (uint32_t i = 0; i < result->records_count; i++) {
		const struct record *record = &result->records[i];
		struct store_op *op = store_batch_add(batch->store, STORE_APPEND_RECORD);
		op->record = (struct store_record){ .execution_id = resident->id,
						    .number = resident->next_record++,
						    .first_event_id = record->first_event_id,
						    .bytes = record->bytes,
						    .blobs = record->blobs,
						    .blobs_count = record->blobs_count };
		resident->tail_bytes += record->bytes.len;
	}
	size_t least = (size_t)batch->engine->limits.snapshot_bytes;
	size_t bound = resident->snapshot_bytes > least ? resident->snapshot_bytes : least;
	if (resident->tail_bytes <= bound || execution_status(resident->execution) != EXECUTION_RUNNING)
		return;
	_cleanup_(buffer_done) struct buffer bytes = { 0 };
	execution_snapshot(resident->execution, &bytes);
	struct store_op *op = store_batch_add(batch->store, STORE_PUT_SNAPSHOT);
	op->snapshot = (struct store_snapshot){ resident->id, resident->next_record,
						arena_str(&batch->store->arena, buffer_str(&bytes)) };
	resident->snapshot_bytes = bytes.len;
	resident->tail_bytes = 0;
}

/* An input has had its effect: whoever waits for it is answered, and the input is kept, until the newest batch it
 * depends on is committed. */
static void keep_input(struct engine *engine, struct resident *resident, struct input *input)
{
	struct request *request = input->request;
	if (request) {
		request->error = ENGINE_OK;
		request->settle(request, resident, input->outcome);
		request_hold(request, resident->newest);
	}
	struct batch *keeper = batch_find(engine, resident->newest);
	if (keeper)
		LIST_ADD(&keeper->inputs, input);
	else {
		children_message_done(engine, input);
		input_free(input);
	}
}

struct input *turn_take_input(struct engine *engine, struct resident *resident)
{
	struct input *input = LIST_TAKE(&resident->inputs);
	resident->inputs_count--;
	engine->inputs_queued--;
	if (input->kind == INPUT_WAKE)
		resident->wake_queued = false;
	else if (input->kind == INPUT_CONTINUE)
		resident->continue_queued = false;
	return input;
}

/* Instead of whatever else was to happen to one that has ended the process too often. */
static enum core_outcome stop_quarantined(struct core_step *step)
{
	return core_apply(
	    step,
	    &(struct core_input){ .kind = INPUT_STOP,
				  .has_error = true,
				  .error = STR("Ratchet.Quarantined"),
				  .has_cause = true,
				  .cause = STR("A step of this execution has ended the server's process repeatedly") });
}

enum core_outcome turn_apply(struct core_step *step, const struct input *input)
{
	bool elsewhere = input->kind == INPUT_START && input->error.ptr;
	struct core_input applied = { .kind = input->kind,
				      .task_id = input->task_id,
				      .value = input->value,
				      .raw = input->raw,
				      .error = input->error,
				      .cause = input->cause,
				      .has_error = input->error.ptr,
				      .has_cause = input->cause.ptr,
				      .worker = input->kind == INPUT_TASK_STARTED ? input->raw : STR_EMPTY,
				      .token = input->token,
				      .job = input->job,
				      .revision = input->revision,
				      .state = elsewhere ? input->error : STR_EMPTY,
				      .reason = elsewhere ? input->cause : STR_EMPTY,
				      .variables = input->variables,
				      .start_failed = input->start_failed };
	return core_apply(step, &applied);
}

/* Its inputs cannot be decided: it has ended, or its definition does not compile with this binary. */
static uint32_t refuse_step(struct engine *engine, struct resident *resident)
{
	uint32_t taken = 0;
	while (resident->inputs.first) {
		struct input *input = turn_take_input(engine, resident);
		taken++;
		input->outcome = CORE_CLOSED;
		if (resident->state == RESIDENT_READY && input->request) {
			request_refuse(input->request, ENGINE_INTERNAL,
				       "The definition of the execution cannot be run by this version");
			input->request = NULL;
		}
		keep_input(engine, resident, input);
	}
	if (resident->state == RESIDENT_READY)
		log_fields(LOG_LEVEL_ERROR, "engine", LOG_FIELDS({ "execution_arn", resident->arn }),
			   "the execution stands: its definition does not compile");
	else
		cache_release(engine, resident, true);
	return taken;
}

/* A bulk job's redrive may come late, and may bring another definition. */
static enum core_outcome apply_redrive(struct engine *engine, struct resident *resident, struct core_step *step, struct core_env *env, const struct input *input)
{
	int64_t stopped_ms = execution_stop_ms(resident->execution);
	if (input->job && stopped_ms && env->now_ms - stopped_ms > engine->limits.redrive_days * 86400000)
		return CORE_CLOSED;
	struct revision *revision = input->revision ? registry_revision(resident->machine, input->revision) : NULL;
	const struct program *before = env->program, *program = revision ? revision_program(engine, revision) : before;
	if (!program || (input->revision && !revision))
		return CORE_CLOSED;
	env->program = program;
	enum core_outcome outcome = turn_apply(step, input);
	if (outcome != CORE_ACCEPTED)
		env->program = before;
	else if (revision)
		resident->revision = revision;
	return outcome;
}

/* One execution takes one step with what waits for it; returns how many inputs that were. */
static uint32_t step_execution(struct engine *engine, struct batch *batch, struct resident *resident,
			       uint32_t inputs_max, int64_t now_ms)
{
	struct core_env env;
	if (resident->express)
		return express_step(engine, resident, inputs_max, now_ms);
	if (resident->state == RESIDENT_LOADING) /* undone while it stood in the queue: it comes back when it is loaded */
		return 0;
	if (resident->state == RESIDENT_ENDED || !turn_env(engine, resident, now_ms, &env))
		return refuse_step(engine, resident);

	uint32_t taken = 0;
	bool reopened = false;
	struct str redrive_token = STR_EMPTY;
	LIST(struct input) inputs;
	LIST_INIT(&inputs);
	engine->stepping = resident->id;
	uint64_t events_before = execution_next_event_id(resident->execution);
	struct core_step *step = core_begin(resident->execution, &env, &batch->store->arena);
	if (resident->stored && crash_quarantine(engine, resident->id) != QUARANTINE_NONE)
		stop_quarantined(step);
	while (resident->inputs.first && taken < inputs_max) {
		if (taken && resident->inputs.first->kind == INPUT_REDRIVE)
			break; /* it begins a step: the rows of a job are written for one redrive, and it may change the definition */
		struct input *input = turn_take_input(engine, resident);
		input->outcome = input->kind == INPUT_REDRIVE ? apply_redrive(engine, resident, step, &env, input) : turn_apply(step, input);
		resident->started |= input->kind == INPUT_START;
		if (input->kind == INPUT_REDRIVE && input->outcome == CORE_ACCEPTED) {
			reopened = true;
			redrive_token = input->raw;
		}
		LIST_ADD(&inputs, input);
		taken++;
	}
	struct core_result result;
	core_finish(step, &result);
	engine->stepping = 0;
	engine->stats.steps++;
	engine->stats.events += execution_next_event_id(resident->execution) - events_before;

	if (result.changed || !resident->stored) {
		struct release *release = ARENA_NEW(&batch->store->arena, struct release);
		*release = (struct release){ .resident = resident,
					     .commands = result.commands,
					     .commands_count = result.commands_count,
					     .begun = !resident->stored,
					     .reopened = reopened,
					     .status = execution_status(resident->execution) };
		LIST_ADD(&batch->releases, release);
		struct store_op **ops = batch->store->tail;
		uint32_t ops_before = batch->store->ops_count;
		if (reopened)
			keep_redrive(batch, resident, redrive_token);
		write_rows(batch, resident, reopened);
		dead_step(engine, batch->store, release);
		write_journal(batch, resident, &result);
		release->first_op = *ops;
		release->ops_count = batch->store->ops_count - ops_before;
		children_step(engine, batch->store, resident, &result);
		for (struct input *input = inputs.first; input; input = input->next)
			children_take_message(batch->store, input);
		activities_step(engine, batch->store, resident, &result, inputs.first, now_ms);
		resident->stored = true;
		resident->newest = batch->sequence;
		resident->uncommitted++;
	}
	for (struct input *input; (input = LIST_TAKE(&inputs));)
		keep_input(engine, resident, input);
	if (result.more && !engine->draining)
		mailbox_continue(engine, resident);
	bool runs = execution_status(resident->execution) == EXECUTION_RUNNING;
	timers_set(&engine->timers, resident->id, runs ? execution_wake_ms(resident->execution) : INT64_MAX);
	cache_touch(engine, resident);
	mailbox_ready(engine, resident); /* inputs beyond inputs_max */
	if (!runs && !resident->uncommitted && !cache_redrive_waits(resident))
		resident->state = RESIDENT_ENDED; /* it was loaded to be redriven, and was not */
	if (!resident->uncommitted)
		cache_release(engine, resident, false);
	return taken;
}

/* ---- the turn ------------------------------------------------------------------------------------ */

/* Timers that are due become inputs; at most as many as a turn can take. True if there are more. */
static bool fire_timers(struct engine *engine, int64_t now_ms)
{
	if (engine->draining)
		return false;
	int64_t left = engine->limits.turn_inputs;
	for (uint64_t id; left && (id = timers_take_due(&engine->timers, now_ms)); left--) {
		dispatch_beats_of(engine, id);
		mailbox_wake(engine, id);
	}
	return timers_next_ms(&engine->timers) <= now_ms;
}

/* How long nothing is decided yet, after a failed commit. */
static int64_t stalled_ms(const struct engine *engine)
{
	if (!engine->stalled_until_us)
		return 0;
	int64_t left_us = engine->stalled_until_us - engine->clock->monotonic_us(engine->clock);
	return left_us > 0 ? (left_us + 999) / 1000 : 0;
}

/* Whether a batch may be made now. */
static bool may_decide(struct engine *engine)
{
	if (engine->counting || engine->failed.first || engine->outstanding >= engine->limits.batches_outstanding)
		return false;
	if (stalled_ms(engine) > 0)
		return false;
	return engine->changes.first || mailbox_has_ready(engine);
}

/* Decides for those that wait, and submits what was decided as one batch. */
static void decide(struct engine *engine, int64_t now_ms)
{
	struct batch *batch = engine->current = batch_new(engine);
	for (struct change *change; (change = LIST_TAKE(&engine->changes));) {
		registry_write(engine, batch->store, change);
		LIST_ADD(&batch->changes, change);
		if (change->request)
			request_hold(change->request, batch->sequence);
	}
	/* One that has work left goes to the back of the queue; whoever was there when the turn began has its step
	 * first. */
	int64_t left = engine->limits.turn_inputs;
	for (uint64_t count = engine->ready_count; count && left > 0; count--)
		left -= step_execution(engine, batch, mailbox_take(engine), (uint32_t)left, now_ms);
	engine->current = NULL;
	engine->stats.turns++;
	batch_submit(batch);
}

/* The loop sleeps until something comes, or until the next of these times. */
static void arm_timer(struct engine *engine, int64_t now_ms)
{
	const int64_t times[] = { engine->draining ? INT64_MAX : timers_next_ms(&engine->timers),
				  engine->housekeeping_ms,
				  dispatch_next_ms(engine),
				  activities_next_ms(engine),
				  dead_next_ms(engine),
				  stalled_ms(engine) > 0 ? now_ms + stalled_ms(engine) : INT64_MAX,
				  now_ms + SLEEP_MAX_MS };
	int64_t next_ms = INT64_MAX;
	for (size_t i = 0; i < sizeof times / sizeof *times; i++)
		if (times[i] < next_ms)
			next_ms = times[i];
	if (next_ms >= engine->timer_at_ms)
		return;
	engine->timer_at_ms = next_ms;
	int64_t delay_ms = next_ms - now_ms;
	if (engine->time_scale != 1)
		delay_ms = (int64_t)((double)delay_ms / engine->time_scale) + 1;
	loop_timer_set(engine->loop, &engine->timer, delay_ms > 0 ? delay_ms : 0);
}

static void finish_drain(struct engine *engine)
{
	if (!engine->drained || engine->outstanding || engine->failed.first || engine->requests_count ||
	    engine->inputs_queued || engine->changes.first)
		return;
	void (*drained)(void *data) = TAKE(engine->drained);
	drained(engine->drained_data);
}

bool engine_turn(void *data)
{
	struct engine *engine = data;
	if (engine->halted)
		return false;
	batches_settle(engine);
	requests_answer(engine);
	if (engine->halted)
		return false;
	dispatch_queue(engine);

	int64_t now_ms = engine_now_ms(engine);
	recovery_horizon(engine, now_ms);
	housekeeping_run(engine, now_ms);
	dispatch_tell(engine, now_ms);
	activities_run(engine, now_ms);
	dead_run(engine, now_ms);
	if (engine->draining)
		express_drain(engine);
	bool more = fire_timers(engine, now_ms);
	if (may_decide(engine))
		decide(engine, now_ms);
	dispatch_queue(engine); /* of Express executions, whose commands wait for no commit */
	cache_evict(engine);
	arm_timer(engine, now_ms);
	finish_drain(engine);
	return more || engine->due.first || may_decide(engine);
}
