/* model.c: what is durable, known record by record, and what must hold of it.
 *
 * Every batch that the disk accepts comes by here once. Its records are decoded and checked against all that came before: numbers without a
 * gap, times that never decrease, one end and nothing behind it, timers that fire neither early nor twice, no more iterations at once than
 * the Map allows, no answer to a task that is not open. They are folded into a shadow of the execution; snapshots and open rows must say what
 * the shadow says. What a process answers or starts is later held against this. */
#include "tests/simulation/sim.h"
#include "base/hash.h"
#include "engine/core/state.h"
#include <stdlib.h>

#define REST_SAMPLES 2

struct fan_fact {
	uint64_t concurrency, running;
};

void model_init(struct model *model, struct sim *sim)
{
	*model = (struct model){ .sim = sim };
}

static void free_values(struct u64_map *map)
{
	size_t at = 0;
	for (struct u64_map_entry *entry; (entry = u64_map_next(map, &at));)
		free(entry->value);
	u64_map_done(map);
}

static void free_fact(struct fact *fact)
{
	size_t at = 0;
	for (struct u64_map_entry *entry; (entry = u64_map_next(&fact->tasks, &at));)
		free(((struct task_fact *)entry->value)->parameters);
	free_values(&fact->tasks);
	free_values(&fact->fans);
	u64_map_done(&fact->due);
	u64_map_done(&fact->parents);
	u64_map_done(&fact->exited);
	for (uint32_t i = 0; i < fact->records_count; i++) {
		for (uint32_t b = 0; b < fact->records[i].blobs_count; b++)
			free((char *)fact->records[i].blobs[b].ptr);
		free(fact->records[i].blobs);
		free((char *)fact->records[i].bytes.ptr);
	}
	free(fact->records);
	execution_free(fact->shadow);
	free(fact->hashes);
	free(fact->name);
	free(fact->input);
	free(fact->output);
	free(fact->error);
	free(fact->cause);
	free(fact->snapshot);
	free(fact);
}

void model_done(struct model *model)
{
	for (size_t i = 0; i < model->count; i++)
		free_fact(model->facts[i]);
	free(model->facts);
	u64_map_done(&model->by_id);
	u64_map_done(&model->machines);
	str_map_done(&model->queued);
	size_t at = 0;
	for (struct str_map_entry *entry; (entry = str_map_next(&model->inbox, &at));)
		free(entry->value);
	str_map_done(&model->inbox);
	jobs_done(model);
	targets_done(model);
	revisions_done(model);
}

struct fact *model_find(struct model *model, uint64_t id)
{
	return u64_map_get(&model->by_id, id);
}

struct fact *model_named(struct model *model, unsigned machine, const char *name)
{
	for (size_t i = 0; i < model->count; i++)
		if (model->facts[i]->machine == machine && model->facts[i]->name && strcmp(model->facts[i]->name, name) == 0)
			return model->facts[i];
	return NULL;
}

static char *text_of(struct str text)
{
	return text.ptr ? mem_strndup(text.ptr, text.len) : NULL;
}

static struct str own(struct str bytes)
{
	return (struct str){ mem_strndup(bytes.ptr, bytes.len), bytes.len };
}

#define WRONG(fact, ...) wrong(model, fact, __VA_ARGS__)
static void wrong(struct model *model, const struct fact *fact, const char *format, ...) __attribute__((format(printf, 3, 4), noreturn));

void model_given(struct model *model, uint64_t execution_id, uint64_t task_id)
{
	struct fact *fact = model_find(model, execution_id);
	struct task_fact *task = fact ? u64_map_get(&fact->tasks, task_id) : NULL;
	if (!task)
		sim_fail(model->sim, "a worker is given task %llx/%llu before its commit", (unsigned long long)execution_id,
			 (unsigned long long)task_id);
	if (task->given)
		wrong(model, fact, "two workers are given task %llu", (unsigned long long)task_id);
	task->given = true;
	const struct frame *frame = model_task_open(fact, task_id) ? u64_map_get(&fact->shadow->tasks, task_id) : NULL;
	if (frame && !frame->task->started)
		wrong(model, fact, "a worker is given task %llu, and its start is not durable", (unsigned long long)task_id);
}

bool model_task_open(const struct fact *fact, uint64_t task_id)
{
	return execution_status(fact->shadow) == EXECUTION_RUNNING && u64_map_get(&fact->shadow->tasks, task_id);
}

uint64_t event_hash(const struct event *event)
{
	_cleanup_(buffer_done) struct buffer json = { 0 };
	history_event_json(event, true, &json);
	return hash_bytes(buffer_str(&json), event->id);
}

/* ---- events ------------------------------------------------------------------------------------- */

static void wrong(struct model *model, const struct fact *fact, const char *format, ...)
{
	char text[600];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	sim_fail(model->sim, "execution %llx (%s): %s", (unsigned long long)fact->id, fact->name ? fact->name : "no name", text);
}

static bool ends_execution(enum event_type type)
{
	return type == EVENT_EXECUTION_SUCCEEDED || type == EVENT_EXECUTION_FAILED || type == EVENT_EXECUTION_TIMED_OUT ||
	       type == EVENT_EXECUTION_ABORTED;
}

static void check_public(struct model *model, struct fact *fact, const struct event *event)
{
	if (event->id != fact->events_count + 1)
		WRONG(fact, "event %llu follows event %zu", (unsigned long long)event->id, fact->events_count);
	if (event->previous_id >= event->id)
		WRONG(fact, "event %llu has previous event %llu", (unsigned long long)event->id, (unsigned long long)event->previous_id);
	if ((event->type == EVENT_EXECUTION_STARTED) != (event->id == 1))
		WRONG(fact, "event %llu is %s", (unsigned long long)event->id, event_type_name(event->type));
	MEM_GROW(fact->hashes, fact->hashes_capacity, fact->events_count + 1);
	fact->hashes[fact->events_count++] = event_hash(event);
}

/* A wait or a retry that was set: what moves the frame on must not come before its time. */
static void check_due(struct model *model, struct fact *fact, const struct event *event)
{
	int64_t due_ms = (int64_t)(intptr_t)u64_map_remove(&fact->due, event->frame) - 1;
	if (event->type == EVENT_WAIT_SCHEDULED || event->type == EVENT_RETRY_SCHEDULED) {
		u64_map_put(&fact->due, event->frame, (void *)(intptr_t)(event->due_ms + 1));
		return;
	}
	bool moves = event->type == EVENT_WAIT_STATE_EXITED || event->type == EVENT_TASK_SCHEDULED ||
		     event->type == EVENT_LAMBDA_FUNCTION_SCHEDULED || event->type == EVENT_ACTIVITY_SCHEDULED ||
		     event->type == EVENT_PARALLEL_STATE_STARTED ||
		     event->type == EVENT_MAP_STATE_STARTED;
	if (moves && due_ms >= 0 && event->timestamp_ms < due_ms)
		WRONG(fact, "a timer fired %lld ms early: event %llu, %s", (long long)(due_ms - event->timestamp_ms),
		      (unsigned long long)event->id, event_type_name(event->type));
}

static void note_task(struct fact *fact, const struct event *event)
{
	if (event->type == EVENT_TASK_SCHEDULED || event->type == EVENT_LAMBDA_FUNCTION_SCHEDULED || event->type == EVENT_ACTIVITY_SCHEDULED) {
		struct task_fact *task = NEW(struct task_fact);
		task->id = event->id;
		u64_map_put(&fact->tasks, task->id, task);
	}
}

static void check_fan(struct model *model, struct fact *fact, const struct event *event)
{
	if (event->type == EVENT_MAP_STATE_STARTED) {
		struct fan_fact *fan = u64_map_get(&fact->fans, event->frame);
		if (!fan)
			u64_map_put(&fact->fans, event->frame, fan = NEW(struct fan_fact));
		*fan = (struct fan_fact){ .concurrency = event->concurrency };
	} else if (event->type == EVENT_MAP_ITERATION_STARTED) {
		struct fan_fact *fan = u64_map_get(&fact->fans, event->parent);
		if (!fan)
			WRONG(fact, "an iteration begins in no Map");
		if (++fan->running > fan->concurrency)
			WRONG(fact, "more than %llu iterations run at once", (unsigned long long)fan->concurrency);
		u64_map_put(&fact->parents, event->frame, (void *)(uintptr_t)(event->parent + 1));
	} else if (event->type == EVENT_MAP_ITERATION_SUCCEEDED || event->type == EVENT_MAP_ITERATION_FAILED ||
		   event->type == EVENT_MAP_ITERATION_ABORTED) {
		uint64_t parent = (uint64_t)(uintptr_t)u64_map_remove(&fact->parents, event->frame);
		struct fan_fact *fan = parent ? u64_map_get(&fact->fans, parent - 1) : NULL;
		if (fan)
			fan->running--;
	}
}

static bool exits_state(enum event_type type)
{
	return type == EVENT_TASK_STATE_EXITED || type == EVENT_PASS_STATE_EXITED || type == EVENT_CHOICE_STATE_EXITED || type == EVENT_WAIT_STATE_EXITED ||
	       type == EVENT_SUCCEED_STATE_EXITED || type == EVENT_PARALLEL_STATE_EXITED || type == EVENT_MAP_STATE_EXITED;
}

/* A branch or iteration that came to its end has succeeded, whatever its siblings do: a redrive would run its last state again. */
static void check_exited(struct model *model, struct fact *fact, const struct event *event)
{
	if (exits_state(event->type) && !(event->fields & FIELD_NEXT))
		u64_map_put(&fact->exited, event->frame, fact);
	if ((event->type == EVENT_FRAME_CLOSED || event->type == EVENT_MAP_ITERATION_ABORTED) && u64_map_get(&fact->exited, event->frame))
		WRONG(fact, "a branch or iteration that had come to its end is aborted behind event %llu", (unsigned long long)event->previous_id);
}

/* It is redriven, and goes on in the same history. */
static void reopen(struct model *model, struct fact *fact)
{
	fact->ended = fact->discarded = false;
	fact->reopened = true;
	free(TAKE(fact->error));
	free(TAKE(fact->cause));
	u64_map_done(&fact->due);
	model->sim->redrives++;
}

/* A child that was given its parent's token: somebody will use it. */
static void give_token(struct model *model, const struct fact *fact)
{
	json_t *input = json_loads(fact->input, 0, NULL);
	const char *token = json_string_value(json_object_get(input, "token"));
	if (token) {
		struct script script = { .end = SCRIPT_ANSWERS, .output = json_pack("{s:O}", "n", json_object_get(input, "n")) };
		client_token(model->sim->client, fact->parent.execution_id, fact->parent.event_id, token, &script);
		json_decref(script.output);
		model->sim->called++;
	}
	json_decref(input);
}

static void take_event(struct model *model, struct fact *fact, const struct event *event)
{
	if (fact->ended && event->type == EVENT_EXECUTION_REDRIVEN && fact->end != EVENT_EXECUTION_SUCCEEDED)
		reopen(model, fact);
	if (fact->ended)
		WRONG(fact, "%s comes behind its end", event_type_name(event->type));
	if (event->timestamp_ms < fact->last_ms)
		WRONG(fact, "time goes back by %lld ms at event %llu", (long long)(fact->last_ms - event->timestamp_ms),
		      (unsigned long long)event->id);
	fact->last_ms = event->timestamp_ms;
	if (event->id)
		check_public(model, fact, event);
	else if (event_is_public(event->type))
		WRONG(fact, "a public event has no number");
	check_due(model, fact, event);
	note_task(fact, event);
	check_fan(model, fact, event);
	check_exited(model, fact, event);
	if (event->type == EVENT_EXECUTION_REDRIVEN && event->fields & FIELD_INDEX)
		jobs_redriven(model, fact, event->index);
	else if (event->type == EVENT_EXECUTION_REDRIVEN && fact->revision != fact->revision_before)
		WRONG(fact, "it is redriven, and has another definition then");
	if (event->type == EVENT_EXECUTION_STARTED)
		fact->input = event->fields & FIELD_RAW ? text_of(event->raw) : text_of(value_text(event->payload));
	if (event->type == EVENT_EXECUTION_STARTED && fact->parent.execution_id)
		give_token(model, fact);
	if (!ends_execution(event->type)) {
		revisions_take_event(model, fact, event);
		return;
	}
	if (event->type == EVENT_EXECUTION_SUCCEEDED)
		revisions_check_end(model, fact);
	fact->ended = fact->ends = true;
	fact->end = event->type;
	if (event->type == EVENT_EXECUTION_SUCCEEDED)
		fact->output = text_of(value_text(event->payload));
	if (event->fields & FIELD_ERROR)
		fact->error = text_of(event->error);
	if (event->fields & FIELD_CAUSE)
		fact->cause = text_of(event->cause);
}

/* ---- records -------------------------------------------------------------------------------------------- */

static void keep_record(struct fact *fact, const struct store_record *stored)
{
	MEM_GROW(fact->records, fact->records_capacity, (size_t)fact->records_count + 1);
	struct record *record = &fact->records[fact->records_count++];
	*record = (struct record){ .first_event_id = stored->first_event_id, .bytes = own(stored->bytes), .blobs_count = stored->blobs_count,
				   .blobs = mem_zalloc(sizeof *record->blobs * (stored->blobs_count + 1)) };
	for (uint32_t i = 0; i < stored->blobs_count; i++)
		record->blobs[i] = own(stored->blobs[i]);
}

static void take_record(struct model *model, struct fact *fact, const struct store_record *stored)
{
	if (stored->number != fact->records_count)
		WRONG(fact, "record %u follows record %u", stored->number, fact->records_count);
	if (stored->first_event_id != fact->events_count + 1)
		WRONG(fact, "record %u begins at event %llu, expected %zu", stored->number, (unsigned long long)stored->first_event_id,
		      fact->events_count + 1);
	if (stored->bytes.len > RECORD_BYTES_MAX)
		WRONG(fact, "record %u has %zu bytes", stored->number, stored->bytes.len);
	keep_record(fact, stored);
	_cleanup_(arena_done) struct arena arena = { 0 };
	struct record *record = &fact->records[fact->records_count - 1];
	struct record_reader reader;
	struct wf_error err = { 0 };
	struct event event;
	int r = record_open(record, &arena, &reader, &err);
	while (r >= 0 && (r = record_next(&reader, &event, &err)) > 0)
		take_event(model, fact, &event);
	if (r < 0)
		WRONG(fact, "record %u cannot be read: %s", stored->number, err.message);
	if (execution_fold(fact->shadow, record, &err) < 0)
		WRONG(fact, "record %u cannot be folded: %s", stored->number, err.message);
	model->folds++;
}

static void take_snapshot(struct model *model, struct fact *fact, const struct store_snapshot *snapshot)
{
	if (snapshot->next_record != fact->records_count)
		WRONG(fact, "a snapshot says that it holds %u records, of %u", snapshot->next_record, fact->records_count);
	_cleanup_(buffer_done) struct buffer bytes = { 0 };
	execution_snapshot(fact->shadow, &bytes);
	if (!str_eq(buffer_str(&bytes), snapshot->bytes))
		WRONG(fact, "a snapshot is not what folding its records gives");
	free(fact->snapshot);
	fact->snapshot = mem_strndup(snapshot->bytes.ptr, snapshot->bytes.len);
	fact->snapshot_len = snapshot->bytes.len;
	fact->snapshot_next = snapshot->next_record;
	model->sim->snapshots++;
}

/* ---- batches ------------------------------------------------------------------------------------------------ */

/* A task begins one execution, however often it is started again. */
static void insert_child(struct model *model, const struct fact *fact, struct task_key parent)
{
	struct fact *sender = model_find(model, parent.execution_id);
	struct task_fact *task = sender ? u64_map_get(&sender->tasks, parent.event_id) : NULL;
	if (!task)
		WRONG(fact, "it is begun before the task of its parent is durable");
	if (task->child)
		WRONG(fact, "its parent's task has begun execution %llx already", (unsigned long long)task->child);
	task->child = fact->id;
	model->sim->children++;
}

static void insert(struct model *model, const struct store_execution *row)
{
	struct fact *fact = NEW(struct fact);
	fact->id = row->id;
	fact->machine_id = row->machine_id;
	fact->name = row->name.len ? text_of(row->name) : NULL;
	fact->row_status = row->status;
	fact->row_stop_ms = row->stop_ms;
	fact->shadow = execution_new();
	uintptr_t machine = (uintptr_t)u64_map_get(&model->machines, row->machine_id);
	if (!machine)
		WRONG(fact, "its state machine is not known");
	fact->machine = (unsigned)machine - 1;
	if (fact->id & SIM_EXPRESS_BIT || model->sim->machines[fact->machine].express)
		WRONG(fact, "it is Express, and is stored");
	if (u64_map_put(&model->by_id, fact->id, fact))
		WRONG(fact, "it is begun twice");
	MEM_GROW(model->facts, model->capacity, model->count + 1);
	model->facts[model->count++] = fact;
	struct attributes attributes;
	if (!attributes_decode(row->attributes, &attributes))
		WRONG(fact, "its row's attributes cannot be read");
	fact->begun = true;
	fact->revision = attributes.revision;
	revisions_check_start(model, fact);
	fact->parent = attributes.parent;
	fact->waited_for = attributes.waited_for;
	if (attributes.parent.execution_id)
		insert_child(model, fact, attributes.parent);
}

/* ---- messages --------------------------------------------------------------------------------------------- */

static struct message_fact *find_message(const struct model *model, uint64_t sender, uint64_t event)
{
	struct task_key key = { sender, event };
	return str_map_get(&model->inbox, (struct str){ (const char *)&key, sizeof key });
}

static void append_message(struct model *model, const struct store_message *stored)
{
	if (targets_append(model, stored) || find_message(model, stored->sender_id, stored->sender_event))
		return;
	struct message_fact *message = NEW(struct message_fact);
	*message = (struct message_fact){ .key = { stored->sender_id, stored->sender_event }, .target = stored->target_id };
	struct reader in = reader_of(stored->bytes);
	uint8_t kind;
	if (reader_byte(&in, &kind) && kind == 2) { /* to a parent, of the end that its sender has in this batch */
		struct fact *sender = model_find(model, stored->sender_id);
		if (!reader_varint(&in, &message->task_id) || !sender || sender->parent.execution_id != stored->target_id ||
		    sender->parent.event_id != message->task_id)
			sim_fail(model->sim, "execution %llx tells of its end, and not its parent", (unsigned long long)stored->sender_id);
		sender->told_at = stored->sender_event;
	}
	str_map_put(&model->inbox, (struct str){ (const char *)&message->key, sizeof message->key }, message);
}

/* Behind a batch: a message goes when it has had its effect, and not before. */
static void delete_message(struct model *model, const struct store_message *stored)
{
	if (targets_delete(model, stored))
		return;
	struct task_key key = { stored->sender_id, stored->sender_event };
	struct message_fact *message = str_map_remove(&model->inbox, (struct str){ (const char *)&key, sizeof key });
	if (!message)
		return; /* deleted once more */
	struct fact *parent = model_find(model, message->task_id ? message->target : key.execution_id);
	struct task_fact *task = parent ? u64_map_get(&parent->tasks, message->task_id ? message->task_id : key.event_id) : NULL;
	struct fact *child = task && task->child ? model_find(model, task->child) : NULL;
	if (message->task_id && parent && model_task_open(parent, message->task_id))
		WRONG(parent, "what the child of its task %llu came to is forgotten", (unsigned long long)message->task_id);
	if (!message->task_id && child && !child->ended)
		WRONG(child, "it was to be stopped, which is forgotten");
	free(message);
}

/* One that has ended has told its parent in the same batch. */
static void check_told(struct model *model, const struct fact *fact)
{
	if (fact->ended && fact->waited_for && fact->told_at != fact->events_count)
		WRONG(fact, "it has ended, and its parent is not told");
}

static struct fact *need(struct model *model, uint64_t id)
{
	struct fact *fact = model_find(model, id);
	if (!fact)
		sim_fail(model->sim, "execution %llx is written and was never begun", (unsigned long long)id);
	fact->touched = true;
	return fact;
}

/* What the rows say must be what the journal says. */
static void check_rows(struct model *model, struct fact *fact)
{
	const struct execution *shadow = fact->shadow;
	if (fact->row_status != (uint8_t)execution_status(shadow))
		WRONG(fact, "its row says %s, its journal %s", execution_status_name((enum execution_status)fact->row_status),
		      execution_status_name(execution_status(shadow)));
	if (fact->row_stop_ms != execution_stop_ms(shadow))
		WRONG(fact, "its row stops at another time than its journal");
	bool failed = execution_status(shadow) == EXECUTION_FAILED_ || execution_status(shadow) == EXECUTION_TIMED_OUT_;
	if (failed && !fact->discarded ? fact->letter_ms != execution_stop_ms(shadow) || fact->letter_redrives != execution_redrives(shadow) : fact->letter_ms != 0)
		WRONG(fact, "it is %s, and its dead letter says otherwise", execution_status_name(execution_status(shadow)));
	if (fact->has_open == fact->ended)
		WRONG(fact, fact->ended ? "it has ended and is listed as open" : "it is open and not listed as such");
	if (fact->ended)
		return;
	int64_t wake_ms = execution_open_wake_ms(shadow);
	if (fact->open_wake_ms != wake_ms)
		WRONG(fact, "its open row says %lld, its state %lld", (long long)fact->open_wake_ms, (long long)wake_ms);
}

/* A letter is made by an end, and goes by a redrive, or because somebody asked for that. */
static void check_letter(struct model *model, struct fact *fact)
{
	if (fact->lettered && !fact->ends)
		WRONG(fact, "it becomes a dead letter, and has not failed now");
	if (fact->unlettered && !fact->reopened) {
		if (!fact->discards_open)
			WRONG(fact, "its dead letter vanishes, and nobody wanted that");
		if (fact->discard_redrives != fact->letter_redrives)
			WRONG(fact, "its dead letter is discarded, and another, of an earlier failure, was meant");
		fact->discarded = true;
		model->sim->discards++;
	}
}

static void take_item(struct model *model, const struct store_item *item)
{
	if (item->kind == ITEM_REVISION)
		revisions_take_item(model, item);
	if (item->kind == ITEM_REDRIVE_JOB)
		jobs_take_item(model, item);
	if (item->kind == ITEM_ACTIVITY_TASK)
		str_map_put(&model->queued, item->key, model);
	for (unsigned i = 0; i < model->sim->machines_count; i++) {
		const char *name = model->sim->machines[i].name;
		if (item->kind == ITEM_MACHINE && memmem(item->bytes.ptr, item->bytes.len, name, strlen(name)))
			model->machine_stored[i] = true;
	}
}

static void delete_letter(struct model *model, const struct store_dead_letter *letter)
{
	struct fact *fact = letter->execution_id ? need(model, letter->execution_id) : NULL;
	if (!fact || !fact->letter_ms || (letter->failed_ms && letter->failed_ms != fact->letter_ms))
		return; /* another failure of it is meant */
	fact->letter_ms = 0;
	fact->unlettered = true;
}

/* A redrive may bring another definition. */
static void take_attributes(struct model *model, struct fact *fact, struct str bytes)
{
	struct attributes attributes;
	if (!bytes.len)
		return;
	if (!attributes_decode(bytes, &attributes))
		WRONG(fact, "its row's attributes cannot be read");
	fact->revision = attributes.revision;
	revisions_check_start(model, fact);
}

/* Whose rows an operation writes; NULL: it is none of an execution, or they need no check. */
static struct fact *touched_by(struct model *model, const struct store_op *op)
{
	switch (op->kind) {
	case STORE_INSERT_EXECUTION:
	case STORE_END_EXECUTION:
		return model_find(model, op->execution.id);
	case STORE_APPEND_RECORD:
		return model_find(model, op->record.execution_id);
	case STORE_APPEND_MESSAGE:
		return model_find(model, op->message.sender_id);
	case STORE_PUT_DEAD_LETTER:
	case STORE_DELETE_DEAD_LETTER:
		return model_find(model, op->dead_letter.execution_id);
	case STORE_PUT_SNAPSHOT:
	case STORE_SET_OPEN:
	case STORE_DELETE_OPEN:
	case STORE_DELETE_MESSAGE:
	case STORE_PUT_ITEM:
	case STORE_DELETE_ITEM:
	case STORE_FILL_DEAD_LETTER:
	case STORE_PUT_OUTCOME:
	case STORE_DELETE_OUTCOMES:
		return NULL;
	}
	return NULL;
}

void model_commit(struct model *model, const struct store_batch *batch)
{
	for (const struct store_op *op = batch->first; op; op = op->next) {
		struct fact *fact;
		switch (op->kind) {
		case STORE_INSERT_EXECUTION:
			insert(model, &op->execution);
			need(model, op->execution.id);
			break;
		case STORE_END_EXECUTION:
			fact = need(model, op->execution.id);
			fact->row_status = op->execution.status;
			fact->row_stop_ms = op->execution.stop_ms;
			take_attributes(model, fact, op->execution.attributes);
			break;
		case STORE_APPEND_RECORD:
			take_record(model, need(model, op->record.execution_id), &op->record);
			break;
		case STORE_PUT_SNAPSHOT:
			take_snapshot(model, need(model, op->snapshot.execution_id), &op->snapshot);
			break;
		case STORE_SET_OPEN:
			fact = need(model, op->open.execution_id);
			fact->has_open = true;
			fact->open_wake_ms = op->open.wake_ms;
			break;
		case STORE_DELETE_OPEN:
			need(model, op->open.execution_id)->has_open = false;
			break;
		case STORE_PUT_ITEM:
			take_item(model, &op->item);
			break;
		case STORE_DELETE_ITEM:
			if (op->item.kind == ITEM_ACTIVITY_TASK)
				str_map_remove(&model->queued, op->item.key);
			break;
		case STORE_APPEND_MESSAGE:
			append_message(model, &op->message);
			break;
		case STORE_DELETE_MESSAGE: /* below */
			break;
		case STORE_PUT_DEAD_LETTER:
			fact = need(model, op->dead_letter.execution_id);
			fact->letter_ms = op->dead_letter.failed_ms;
			fact->letter_redrives = op->dead_letter.redrives;
			fact->lettered = true;
			break;
		case STORE_DELETE_DEAD_LETTER:
			delete_letter(model, &op->dead_letter);
			break;
		case STORE_PUT_OUTCOME:
			jobs_take_outcome(model, &op->outcome);
			break;
		case STORE_FILL_DEAD_LETTER:
		case STORE_DELETE_OUTCOMES:
			break;
		}
	}
	for (const struct store_op *op = batch->first; op; op = op->next)
		if (op->kind == STORE_DELETE_MESSAGE)
			delete_message(model, &op->message);
	for (const struct store_op *op = batch->first; op; op = op->next) {
		struct fact *fact = touched_by(model, op);
		if (!fact || !fact->touched)
			continue;
		check_letter(model, fact);
		check_rows(model, fact);
		check_told(model, fact);
		jobs_check(model, fact);
		targets_check(model, fact);
		fact->touched = fact->begun = fact->reopened = fact->ends = fact->lettered = fact->unlettered = false;
		fact->revision_before = fact->revision;
		memset(fact->told, 0, sizeof fact->told);
	}
	targets_batch_over(model);
}

/* ---- folding from every boundary ------------------------------------------------------------------------------ */

static void fold_range(struct model *model, struct fact *fact, struct execution *execution, uint32_t first, uint32_t end)
{
	struct wf_error err = { 0 };
	for (uint32_t i = first; i < end; i++)
		if (execution_fold(execution, &fact->records[i], &err) < 0)
			WRONG(fact, "record %u cannot be folded: %s", i, err.message);
}

static void check_boundary(struct model *model, struct fact *fact, uint32_t boundary, struct str expected)
{
	struct execution *first = execution_new(), *rest = NULL;
	struct buffer bytes = { 0 };
	struct wf_error err = { 0 };
	fold_range(model, fact, first, 0, boundary);
	execution_snapshot(first, &bytes);
	if (execution_from_snapshot(buffer_str(&bytes), &rest, &err) < 0)
		WRONG(fact, "a snapshot behind record %u cannot be read: %s", boundary, err.message);
	fold_range(model, fact, rest, boundary, fact->records_count);
	buffer_clear(&bytes);
	execution_snapshot(rest, &bytes);
	if (!str_eq(buffer_str(&bytes), expected))
		WRONG(fact, "folding from record %u on gives another state", boundary);
	execution_free(first);
	execution_free(rest);
	buffer_done(&bytes);
}

void model_check_boundaries(struct model *model, struct fact *fact)
{
	_cleanup_(buffer_done) struct buffer expected = { 0 };
	execution_snapshot(fact->shadow, &expected);
	for (uint32_t boundary = 0; boundary <= fact->records_count; boundary++)
		check_boundary(model, fact, boundary, buffer_str(&expected));
}

/* ---- at rest ------------------------------------------------------------------------------------------------------ */

/* What recovery would read: the last snapshot and the records behind it. */
static void check_memory(struct model *model, struct fact *fact, const struct resident *resident)
{
	if (resident->state != RESIDENT_READY || !resident->execution || resident->uncommitted)
		return;
	_cleanup_(buffer_done) struct buffer durable = { 0 };
	_cleanup_(buffer_done) struct buffer memory = { 0 };
	execution_snapshot(fact->shadow, &durable);
	execution_snapshot(resident->execution, &memory);
	if (!str_eq(buffer_str(&durable), buffer_str(&memory)))
		WRONG(fact, "its state in memory is not what is durable");
	if (resident->next_record != fact->records_count)
		WRONG(fact, "memory counts %u records, the disk has %u", resident->next_record, fact->records_count);
}

/* A task that waits for a child: it is being begun, or it runs, or what it came to is on its way. */
static void check_child(struct model *model, struct fact *fact, uint64_t task_id, struct node *node)
{
	struct engine *engine = node->engine;
	const struct task_fact *task = u64_map_get(&fact->tasks, task_id);
	const struct fact *child = task->child ? model_find(model, task->child) : NULL;
	const struct resident *resident = cache_find(engine, fact->id);
	struct task_key key = { fact->id, task_id };
	if (!child && !str_map_get(&engine->children->by_parent, (struct str){ (const char *)&key, sizeof key }) &&
	    (!resident || !resident->inputs.first))
		WRONG(fact, "nobody begins the child of its task %llu", (unsigned long long)task_id);
	if (child && !child->waited_for && !client_holds_token(model->sim->client, fact->id, task_id))
		WRONG(fact, "nobody holds the token of its task %llu, which its child was given", (unsigned long long)task_id);
	if (child && child->waited_for && child->ended && !find_message(model, child->id, child->told_at))
		WRONG(fact, "it waits for the child of its task %llu, which has ended", (unsigned long long)task_id);
}

/* A child is open as long as its parent waits for it, or it is being stopped. */
static void check_parent(struct model *model, struct fact *fact)
{
	struct fact *parent = fact->waited_for ? model_find(model, fact->parent.execution_id) : NULL;
	if (parent && !model_task_open(parent, fact->parent.event_id) && !find_message(model, parent->id, fact->parent.event_id))
		WRONG(fact, "it runs, and its parent neither waits for it nor stops it");
}

/* Every open execution has a timer, a task or a callback that can move it. */
static void check_can_move(struct model *model, struct fact *fact, struct node *node)
{
	struct engine *engine = node->engine;
	const struct execution *shadow = fact->shadow;
	const struct resident *resident = cache_find(engine, fact->id);
	bool moves = false;
	if (execution_runnable(shadow)) {
		if (!resident || !resident->inputs.first)
			WRONG(fact, "it could go on, and nobody makes it");
		moves = true;
	}
	int64_t wake_ms = execution_wake_ms(shadow), set_ms = timers_get(&engine->timers, fact->id);
	if (wake_ms != INT64_MAX) {
		/* One whose load failed is loaded again in a moment. */
		bool queued = resident && (resident->wake_queued || resident->state == RESIDENT_LOADING);
		if (set_ms > wake_ms && !queued && wake_ms <= engine->recovery.horizon_ms)
			WRONG(fact, "it wakes at %lld, and no timer is set", (long long)wake_ms);
		moves = true;
	}
	size_t at = 0;
	for (const struct u64_map_entry *entry; (entry = u64_map_next(&shadow->tasks, &at));) {
		const struct open_task *task = ((const struct frame *)entry->value)->task;
		if (task->scheduled == EVENT_ACTIVITY_SCHEDULED) {
			if (!task->started && (!resident || !resident->inputs.first) && engine->activities.polls_first)
				WRONG(fact, "its task %llu waits, and so does a worker", (unsigned long long)entry->key);
			moves |= task->started || execution_wake_ms(shadow) != INT64_MAX;
		} else if (str_starts(kept_text_str(&task->arn), STR("arn:aws:states:::states:startExecution"))) {
			check_child(model, fact, entry->key, node);
			moves = true;
		} else if (node_runs_task(node, fact->id, entry->key) || workers_run(node, fact->id, entry->key) || client_holds_token(model->sim->client, fact->id, entry->key))
			moves = true;
		else if (!resident || !resident->inputs.first)
			WRONG(fact, "nobody runs its task %llu", (unsigned long long)entry->key);
	}
	if (!moves && (!resident || !resident->inputs.first))
		WRONG(fact, "it is open, and nothing can move it");
}

/* A task that runs is one that is open: a cancel was not lost. */
static void check_tasks(struct model *model, struct node *node)
{
	size_t at = 0;
	for (const struct str_map_entry *entry; (entry = str_map_next(&node->started, &at));) {
		struct task_key key;
		memcpy(&key, entry->key.ptr, sizeof key);
		struct fact *fact = model_find(model, key.execution_id);
		if (key.execution_id & SIM_EXPRESS_BIT) /* or that of no execution: somebody is told of a change */
			continue;
		bool runs = node_runs_for_result(node, key.execution_id, key.event_id) || workers_run(node, key.execution_id, key.event_id);
		if (runs && (!fact || !u64_map_get(&fact->shadow->tasks, key.event_id)))
			sim_fail(model->sim, "task %llx/%llu runs and is not open", (unsigned long long)key.execution_id,
				 (unsigned long long)key.event_id);
	}
}

void model_check_rest(struct model *model, struct node *node)
{
	model->sim->rests++;
	uint64_t sample = random_below(&model->sim->chance, model->count ? model->count : 1);
	for (size_t i = 0; i < model->count; i++) {
		struct fact *fact = model->facts[i];
		if (fact->ended)
			continue;
		const struct resident *resident = cache_find(node->engine, fact->id);
		if (resident && (i == sample || model->sim->rests % 8 == 0))
			check_memory(model, fact, resident);
		check_can_move(model, fact, node);
		check_parent(model, fact);
	}
	check_tasks(model, node);
	workers_check_rest(node);
}
