/* batch.c: what a turn decided, from its submission until it has left or was undone.
 *
 *     submitted ─► answered COMMITTED ─► answers, commands, events to watchers leave; inputs are dropped
 *               ├► answered FAILED    ─► when all behind it have failed too: undone together, inputs back in order
 *               ├► answered UNKNOWN   ─► the sequence is read again: COMMITTED, or this process stops
 *               └► answered FENCED    ─► this process stops
 *
 * Batches are settled in the order of their sequences, in the turn; the store's callback only notes the answer. */
#include "engine/runtime.h"
#include <assert.h>
#include <stdlib.h>

#define NO_SPACE_RETRY_MS 1000
#define RETRY_FIRST_MS 100
#define RETRY_MAX_MS 5000
#define FAILURES_MAX 8 /* in a row, other than a full disk: then this process gives up */

static void on_done(struct store_batch *store_batch, enum store_result result, const struct wf_error *err)
{
	struct batch *batch = store_batch->data;
	if (!batch) { /* the engine is gone */
		store_batch_free(store_batch);
		return;
	}
	batch->answered = true;
	batch->result = result;
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

static void count_latency(struct engine *engine, const struct resident *resident)
{
	int64_t now_us = engine->clock->monotonic_us(engine->clock);
	int64_t ms = resident->accepted_us ? (now_us - resident->accepted_us) / 1000 :
					     execution_stop_ms(resident->execution) - execution_start_ms(resident->execution);
	double bound = 0.125;
	unsigned i = 0;
	if (resident->accepted_us)
		while (i < 23 && (double)(now_us - resident->accepted_us) / 1000 > bound)
			i++, bound *= 2;
	else
		while (i < 23 && (double)ms > bound)
			i++, bound *= 2;
	engine->stats.latency_counts[i]++;
}

static void count_end(struct engine *engine, const struct resident *resident, enum execution_status status)
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
	engine->stats.open--;
	count_latency(engine, resident);
}

/* What one execution had in the batch leaves: commands in their order. */
static void release_execution(struct engine *engine, const struct release *release)
{
	struct resident *resident = release->resident;
	resident->uncommitted--;
	if (release->begun) {
		engine->stats.started++;
		engine->stats.open++;
		naming_done(engine, resident);
	}
	for (uint32_t i = 0; i < release->commands_count; i++) {
		const struct command *command = &release->commands[i];
		switch (command->kind) {
		case COMMAND_START_TASK:
			dispatch_start(engine, resident, command);
			break;
		case COMMAND_CANCEL_TASK:
			dispatch_cancel(engine, resident->id, command->task_id);
			break;
		}
	}
	if (release->status != EXECUTION_RUNNING) {
		count_end(engine, resident, release->status);
		resident->row_status = release->status;
		resident->row_start_ms = execution_start_ms(resident->execution);
		resident->row_stop_ms = execution_stop_ms(resident->execution);
		resident->state = RESIDENT_ENDED;
	}
}

static void commit(struct engine *engine, struct batch *batch)
{
	engine->committed = batch->sequence;
	engine->failures = 0;
	engine->stalled_until_ms = 0;
	engine->no_space = false;
	for (const struct release *release = batch->releases.first; release; release = release->next)
		release_execution(engine, release);
	watch_committed(engine, batch->store);
	for (struct request *request; (request = LIST_TAKE(&batch->requests));)
		LIST_ADD(&engine->due, request);
	for (struct input *input; (input = LIST_TAKE(&batch->inputs));)
		input_free(input);
	for (struct change *change; (change = LIST_TAKE(&batch->changes));)
		free(change);
	/* Last: who only waits now is forgotten. */
	for (const struct release *release = batch->releases.first; release; release = release->next)
		cache_release(engine, release->resident, release->status != EXECUTION_RUNNING);
	store_batch_free(batch->store);
	free(batch);
}
