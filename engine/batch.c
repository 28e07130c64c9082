/* batch.c: what a turn decided, from its submission until it has left or was undone.
 *
 *     submitted ─► answered COMMITTED ─► answers, commands, events to watchers leave; inputs are dropped
 *               ├► answered FAILED    ─► when all behind it have failed too: undone together, inputs back in order
 *               ├► answered UNKNOWN   ─► the sequence is read again: COMMITTED, or this process stops
 *               └► answered FENCED    ─► this process stops
 *
 * Batches are settled in the order of their sequences, in the turn; the store's callback only notes the answer. */
#include "engine/dead.h"
#include <assert.h>
#include <stdlib.h>

#define NO_SPACE_RETRY_MS 1000
#define RETRY_FIRST_MS 100
#define RETRY_MAX_MS 5000
#define TAKEN_OVER "another process has taken over the store"
#define FAILURES_MAX 8 /* in a row, other than a full disk: then this process gives up */

static void on_done(struct store_batch *store_batch, enum store_result result, const struct wf_error *err)
{
	struct batch *batch = store_batch->data;
	if (!batch->engine) { /* it is gone */
		store_batch_free(store_batch);
		free(batch);
		return;
	}
	batch->answered = true;
	batch->result = result;
	engine_histogram_add(&batch->engine->stats.commit,
			     batch->engine->clock->monotonic_us(batch->engine->clock) - batch->submitted_us);
	if (err)
		batch->err = *err;
}

struct batch *batch_new(struct engine *engine)
{
	struct batch *batch = NEW(struct batch);
	batch->engine = engine;
	batch->sequence = engine->next_sequence;
	batch->store = store_batch_new();
	batch->store->data = batch;
	batch->store->done = on_done;
	batch->store->epoch = engine->epoch;
	batch->store->sequence = batch->sequence;
	LIST_INIT(&batch->inputs);
	LIST_INIT(&batch->changes);
	LIST_INIT(&batch->requests);
	LIST_INIT(&batch->releases);
	return batch;
}

void batch_submit(struct batch *batch)
{
	struct engine *engine = batch->engine;
	if (!batch->store->ops_count) {
		assert(!batch->inputs.first && !batch->requests.first && !batch->changes.first);
		store_batch_free(batch->store);
		free(batch);
		return;
	}
	LIST_ADD(&engine->batches, batch);
	engine->next_sequence++;
	engine->outstanding++;
	engine->stats.batches++;
	batch->submitted_us = engine->clock->monotonic_us(engine->clock);
	store_submit(engine->store, batch->store);
}

struct batch *batch_find(struct engine *engine, uint64_t sequence)
{
	if (sequence <= engine->committed)
		return NULL;
	if (engine->current && engine->current->sequence == sequence)
		return engine->current;
	for (struct batch *batch = engine->batches.first; batch; batch = batch->next)
		if (batch->sequence == sequence)
			return batch;
	for (struct batch *batch = engine->failed.first; batch; batch = batch->next)
		if (batch->sequence == sequence)
			return batch;
	return NULL;
}

/* ---- committed ------------------------------------------------------------------------------------ */

void engine_histogram_add(struct engine_histogram *histogram, int64_t us)
{
	unsigned i = 0;
	for (int64_t bound_us = ENGINE_HISTOGRAM_FIRST_US; i < ENGINE_HISTOGRAM_BUCKETS - 1 && us > bound_us; bound_us *= 2)
		i++;
	histogram->counts[i]++;
	histogram->sum_us += us > 0 ? (uint64_t)us : 0;
}

static void count_latency(struct engine *engine, const struct resident *resident)
{
	int64_t us = resident->accepted_us
			 ? engine->clock->monotonic_us(engine->clock) - resident->accepted_us
			 : (execution_stop_ms(resident->execution) - execution_start_ms(resident->execution)) * 1000;
	engine_histogram_add(&engine->stats.accept_to_end, us);
}

void batch_count_end(struct engine *engine, const struct resident *resident, enum execution_status status)
{
	switch (status) {
	case EXECUTION_SUCCEEDED_:
		engine->stats.succeeded++;
		break;
	case EXECUTION_FAILED_:
		engine->stats.failed++;
		break;
	case EXECUTION_TIMED_OUT_:
		engine->stats.timed_out++;
		break;
	case EXECUTION_ABORTED_:
		engine->stats.aborted++;
		break;
	case EXECUTION_RUNNING:
	case EXECUTION_PENDING_REDRIVE:
		return;
	}
	log_fields(LOG_LEVEL_DEBUG, "engine", LOG_FIELDS({ "execution_arn", resident->arn }), "the execution has ended: %s",
		   execution_status_name(status));
	engine->stats.open--;
	count_latency(engine, resident);
}

/* What one execution had in the batch leaves: commands in their order. */
static void release_execution(struct engine *engine, const struct release *release)
{
	struct resident *resident = release->resident;
	resident->uncommitted--;
	if (release->begun) {
		log_fields(LOG_LEVEL_DEBUG, "engine", LOG_FIELDS({ "execution_arn", resident->arn }), "the execution has started");
		engine->stats.started++;
		engine->stats.open++;
		naming_done(engine, resident);
	}
	if (release->reopened)
		engine->stats.open++;
	for (uint32_t i = 0; i < release->commands_count; i++) {
		const struct command *command = &release->commands[i];
		switch (command->kind) {
		case COMMAND_START_TASK:
			dispatch_start(engine, resident, command, false);
			break;
		case COMMAND_CANCEL_TASK:
			dispatch_cancel(engine, resident->id, command->task_id);
			break;
		}
	}
	dead_released(engine, release);
	if (release->status != EXECUTION_RUNNING) {
		batch_count_end(engine, resident, release->status);
		resident->row_status = release->status;
		resident->row_start_ms = execution_start_ms(resident->execution);
		resident->row_stop_ms = execution_stop_ms(resident->execution);
		if (execution_status(resident->execution) != EXECUTION_RUNNING) { /* unless it was redriven since … */
			children_ended(engine, resident);
			/* … or will be now, or was, and has ended again in a batch that is on its way. */
			if (!cache_redrive_waits(resident) && !resident->uncommitted)
				resident->state = RESIDENT_ENDED;
		}
	}
}

void change_free(struct engine *engine, struct change *change, bool committed)
{
	dead_change_done(engine, change->dead, committed);
	free(change);
}

static void commit(struct engine *engine, struct batch *batch)
{
	engine->committed = batch->sequence;
	engine->failures = 0;
	engine->stalled_until_us = 0;
	engine->no_space = false;
	for (const struct release *release = batch->releases.first; release; release = release->next)
		release_execution(engine, release);
	children_committed(engine, batch->store);
	watch_committed(engine, batch->store);
	commit_tell(engine, batch);
	execution_log_committed(engine, batch->store);
	for (struct request *request; (request = LIST_TAKE(&batch->requests));)
		LIST_ADD(&engine->due, request);
	for (struct input *input; (input = LIST_TAKE(&batch->inputs));) {
		children_message_done(engine, input);
		input_free(input);
	}
	for (struct change *change; (change = LIST_TAKE(&batch->changes));)
		change_free(engine, change, true);
	/* Last: who only waits now is forgotten. */
	for (const struct release *release = batch->releases.first; release; release = release->next)
		cache_release(engine, release->resident, release->status != EXECUTION_RUNNING);
	store_batch_free(batch->store);
	free(batch);
}

/* ---- refused ----------------------------------------------------------------------------------------- */

/* How long to wait before the inputs are tried again. */
static int64_t retry_delay_ms(struct engine *engine, int code)
{
	if (code == ERR(EXISTS))
		return 0;
	if (code == ERR(NO_SPACE))
		return NO_SPACE_RETRY_MS;
	int64_t delay_ms = RETRY_FIRST_MS << (engine->failures < 8 ? engine->failures : 8);
	return delay_ms < RETRY_MAX_MS ? delay_ms : RETRY_MAX_MS;
}

/* Nothing of these batches is stored: their executions are read again, and begin anew if they were not stored at all.
 */
static void undo_residents(struct engine *engine)
{
	for (struct batch *batch = engine->failed.first; batch; batch = batch->next)
		for (struct release *release = batch->releases.first; release; release = release->next) {
			release->resident->uncommitted--;
			if (release->begun)
				release->resident->stored = false;
		}
	for (struct batch *batch = engine->failed.first; batch; batch = batch->next)
		for (struct release *release = batch->releases.first; release; release = release->next) {
			assert(!release->resident->uncommitted);
			if (!release->resident->newest)
				continue; /* done, for a batch before */
			release->resident->newest = 0;
			cache_reload(engine, release->resident);
		}
}

/* Inputs go back to the front of their queues, the last one first. */
static void return_inputs(struct engine *engine)
{
	struct input **inputs = NULL;
	size_t count = 0, capacity = 0;
	for (struct batch *batch = engine->failed.first; batch; batch = batch->next)
		for (struct input *input; (input = LIST_TAKE(&batch->inputs));) {
			MEM_GROW(inputs, capacity, count + 1);
			inputs[count++] = input;
		}
	while (count--) {
		struct input *input = inputs[count];
		input->resident->wake_queued |= input->kind == INPUT_WAKE;
		input->resident->continue_queued |= input->kind == INPUT_CONTINUE;
		mailbox_put_back(engine, input->resident, input);
	}
	free(inputs);
}

/* Changes of machines go before those that came since. */
static void return_changes(struct engine *engine)
{
	LIST(struct change) changes;
	LIST_INIT(&changes);
	for (struct batch *batch = engine->failed.first; batch; batch = batch->next)
		for (struct change *change; (change = LIST_TAKE(&batch->changes));) {
			for (struct revision *revision = change->machine ? change->machine->revisions : NULL; revision;
			     revision = revision->next)
				revision->stored = false; /* written once more than needed, perhaps */
			LIST_ADD(&changes, change);
		}
	for (struct change *change; (change = LIST_TAKE(&engine->changes));)
		LIST_ADD(&changes, change);
	for (struct change *change; (change = LIST_TAKE(&changes));)
		LIST_ADD(&engine->changes, change);
}

/* All that was submitted after the last committed batch has failed: as if it had not been decided. */
static void roll_back(struct engine *engine)
{
	struct wf_error err = engine->failed.first->err;
	int64_t delay_ms = retry_delay_ms(engine, err.code);
	engine->no_space = err.code == ERR(NO_SPACE);
	if (err.code != ERR(EXISTS))
		log_warn("engine", "the store refused a batch: %s; trying again in %lld ms", err.message,
			 (long long)delay_ms);
	/* A full disk and another program's lock go away some day; anything else may be a disk that does not come back. */
	if (!engine->no_space && err.code != ERR(BUSY) && ++engine->failures >= FAILURES_MAX) {
		engine_halt(engine, "the store refused %u batches in a row: %s", engine->failures, err.message);
		return;
	}
	engine->next_sequence = engine->committed + 1;
	engine->stalled_until_us = delay_ms ? engine->clock->monotonic_us(engine->clock) + delay_ms * 1000 : 0;

	undo_residents(engine);
	LIST(struct request) again;
	LIST_INIT(&again);
	for (struct batch *batch = engine->failed.first; batch; batch = batch->next)
		for (struct request *request; (request = LIST_TAKE(&batch->requests));)
			if (!request->carried)
				LIST_ADD(&again, request);
	return_inputs(engine);
	return_changes(engine);
	for (struct batch *batch; (batch = LIST_TAKE(&engine->failed));) {
		engine->stats.batches_failed++;
		if (err.code == ERR(EXISTS))
			for (struct release *release = batch->releases.first; release; release = release->next)
				start_again(engine, release->resident);
		store_batch_free(batch->store);
		free(batch);
	}
	for (struct request *request; (request = LIST_TAKE(&again));) {
		request->error = ENGINE_OK;
		request->run(request);
	}
}

/* ---- settling -------------------------------------------------------------------------------------------- */

static void on_sequence(void *data, uint64_t sequence, int code, const struct wf_error *err)
{
	void *batch_data;
	struct engine *engine = errand_done(data, &batch_data);
	if (!engine)
		return;
	struct batch *batch = batch_data;
	batch->asking = false;
	if (code == ERR(FENCED))
		engine_halt(engine, TAKEN_OVER);
	else if (code < 0)
		engine_halt(engine, "it is not known whether batch %llu is stored, and reading that failed: %s",
			    (unsigned long long)batch->sequence, err ? err->message : error_code_text(code));
	else if (sequence < batch->sequence)
		engine_halt(engine, "batch %llu was lost", (unsigned long long)batch->sequence);
	else
		batch->result = STORE_COMMITTED;
}

void batches_settle(struct engine *engine)
{
	for (struct batch *batch;
	     (batch = engine->batches.first) && batch->answered && !batch->asking && !engine->halted;) {
		switch (batch->result) {
		case STORE_COMMITTED:
			if (engine->failed.first) {
				engine_halt(engine, "the store committed batch %llu behind one that it refused",
					    (unsigned long long)batch->sequence);
				return;
			}
			(void)LIST_TAKE(&engine->batches);
			engine->outstanding--;
			commit(engine, batch);
			break;
		case STORE_FAILED:
			(void)LIST_TAKE(&engine->batches);
			engine->outstanding--;
			LIST_ADD(&engine->failed, batch);
			break;
		case STORE_FENCED:
			engine_halt(engine, TAKEN_OVER);
			return;
		case STORE_UNKNOWN:
			batch->asking = true;
			store_read_sequence(engine->store, on_sequence, errand_new(engine, batch));
			return;
		}
	}
	if (engine->failed.first && !engine->outstanding && !engine->halted)
		roll_back(engine);
}

static void free_batch(struct batch *batch)
{
	for (struct input *input; (input = LIST_TAKE(&batch->inputs));)
		input_free(input);
	for (struct change *change; (change = LIST_TAKE(&batch->changes));)
		change_free(batch->engine, change, false);
	if (batch->answered) {
		store_batch_free(batch->store);
		free(batch);
	} else {
		batch->engine = NULL; /* the store still has it; its answer frees it */
	}
}

void batches_free(struct engine *engine)
{
	for (struct batch *batch; (batch = LIST_TAKE(&engine->batches));)
		free_batch(batch);
	for (struct batch *batch; (batch = LIST_TAKE(&engine->failed));)
		free_batch(batch);
}
