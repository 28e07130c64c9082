/* cache.c: executions in memory.
 *
 *     (not there) ── an input comes ──► LOADING ── folded ──► READY ── waits for a time that is not near, or the cache
 * is full ──► (not there) └── its row has ended ──► ENDED ── inputs told ──► (not there)
 *
 * An execution that only waits costs no memory: it is forgotten as soon as its batch is committed, and its timer comes
 * from the store one horizon ahead. The others are forgotten, the least recently used first, when there are more than
 * cached_executions or they hold more than cache_bytes. */
#include "engine/runtime.h"
#include "engine/stored.h"
#include "engine/token.h"
#include <assert.h>
#include <stdlib.h>

#define WAIT_NEAR_MS 5000 /* a wait that ends sooner stays in memory */
#define EVICT_TRIES 64    /* how many that cannot go are passed over in one turn */
#define LOAD_RETRY_MS 1000

/* ---- the list by use ------------------------------------------------------------------------ */

static void lru_remove(struct engine *engine, struct resident *resident)
{
	*(resident->newer ? &resident->newer->older : &engine->youngest) = resident->older;
	*(resident->older ? &resident->older->newer : &engine->oldest) = resident->newer;
	resident->newer = resident->older = NULL;
}

static void lru_add(struct engine *engine, struct resident *resident)
{
	resident->older = engine->youngest;
	if (engine->youngest)
		engine->youngest->newer = resident;
	else
		engine->oldest = resident;
	engine->youngest = resident;
}

void cache_touch(struct engine *engine, struct resident *resident)
{
	engine->memory_bytes -= resident->memory_bytes;
	resident->memory_bytes =
	    sizeof *resident + (resident->execution ? execution_memory_bytes(resident->execution) : 0);
	engine->memory_bytes += resident->memory_bytes;
	if (resident != engine->youngest) {
		lru_remove(engine, resident);
		lru_add(engine, resident);
	}
}

/* ---- coming and going ------------------------------------------------------------------------- */

struct resident *cache_find(struct engine *engine, uint64_t execution_id)
{
	return u64_map_get(&engine->residents, execution_id);
}

static struct resident *add(struct engine *engine, uint64_t execution_id)
{
	struct resident *resident = NEW(struct resident);
	resident->id = execution_id;
	resident->engine = engine;
	LIST_INIT(&resident->inputs);
	u64_map_put(&engine->residents, execution_id, resident);
	engine->residents_count++;
	lru_add(engine, resident);
	return resident;
}

static void free_resident(struct resident *resident)
{
	for (struct input *input; (input = LIST_TAKE(&resident->inputs));)
		input_free(input);
	execution_free(resident->execution);
	free(resident->texts);
	free((char *)resident->attributes.ptr);
	free(resident);
}

/* Gives it its names and its place in its machine. `name` empty: made from the id. */
static void identify(struct engine *engine, struct resident *resident, struct machine *machine, struct str name,
		     struct str attributes)
{
	char made[EXECUTION_NAME_LENGTH + 1];
	resident->named = name.len;
	if (!name.len) {
		execution_name_make(&engine->key, resident->id, made);
		name = (struct str){ made, EXECUTION_NAME_LENGTH };
	}
	free(resident->texts);
	resident->texts = mem_printf("%.*s%carn:aws:states:%s:%s:execution:%.*s:%.*s", STR_FMT(name), 0, engine->region,
				     engine->account, STR_FMT(machine->info.name), STR_FMT(name));
	resident->name = (struct str){ resident->texts, name.len };
	resident->arn = str_of(resident->texts + name.len + 1);
	free((char *)resident->attributes.ptr);
	resident->attributes = (struct str){ mem_strndup(attributes.ptr, attributes.len), attributes.len };
	struct attributes decoded;
	if (attributes_decode(attributes, &decoded))
		resident->revision = registry_revision(machine, decoded.revision);
	if (!resident->machine)
		machine->residents++;
	resident->machine = machine;
}

/* As if it had never been: the START is still to come. */
static void begin_anew(struct resident *resident)
{
	execution_free(resident->execution);
	resident->execution = execution_new();
	resident->state = RESIDENT_READY;
	resident->started = resident->stored = resident->has_open = false;
	resident->next_record = 0;
	resident->tail_bytes = resident->snapshot_bytes = 0;
}

struct resident *cache_add_new(struct engine *engine, struct machine *machine, uint64_t execution_id, struct str name,
			       struct str attributes)
{
	struct resident *resident = add(engine, execution_id);
	identify(engine, resident, machine, name, attributes);
	begin_anew(resident);
	cache_touch(engine, resident);
	return resident;
}

void cache_remove(struct engine *engine, struct resident *resident)
{
	assert(!resident->ready && !resident->uncommitted && !resident->loading && !resident->naming);
	engine->inputs_queued -= resident->inputs_count;
	engine->memory_bytes -= resident->memory_bytes;
	u64_map_remove(&engine->residents, resident->id);
	engine->residents_count--;
	lru_remove(engine, resident);
	if (resident->machine && --resident->machine->residents == 0 && resident->machine->info.deleting &&
	    resident->state == RESIDENT_ENDED)
		engine->housekeeping_ms = 0; /* perhaps the last that a deleted machine waited for: looked at in the next turn */
	free_resident(resident);
}

/* ---- loading -------------------------------------------------------------------------------------- */

static int fold(struct resident *resident, const struct store_loaded *loaded, struct wf_error *err)
{
	if (loaded->snapshot.bytes.len) {
		int r = execution_from_snapshot(loaded->snapshot.bytes, &resident->execution, err);
		if (r < 0)
			return r;
		resident->next_record = loaded->snapshot.next_record;
	} else {
		resident->execution = execution_new();
		resident->next_record = 0;
	}
	resident->snapshot_bytes = loaded->snapshot.bytes.len;
	resident->tail_bytes = 0;
	for (uint32_t i = 0; i < loaded->records_count; i++) {
		const struct store_record *stored = &loaded->records[i];
		if (stored->number != resident->next_record)
			return error_set(err, ERR(CORRUPT), "journal record %u is missing, %u follows",
					 resident->next_record, stored->number);
		struct record record = stored_record(stored);
		int r = execution_fold(resident->execution, &record, err);
		if (r < 0)
			return r;
		resident->next_record++;
		resident->tail_bytes += stored->bytes.len;
	}
	return 0;
}

/* It cannot be brought into memory. Whoever waits is told; it stays as it is in the store. */
static void refuse_inputs(struct engine *engine, struct resident *resident, bool missing, const char *reason)
{
	for (struct input *input; (input = LIST_TAKE(&resident->inputs));) {
		resident->inputs_count--;
		engine->inputs_queued--;
		struct request *request = input->request;
		if (request && missing && request->task_id)
			request_refuse(request, ENGINE_TASK_DOES_NOT_EXIST,
				       "Task Does Not Exist: 'Provided task does not exist'");
		else if (request && missing)
			request_refuse(request, ENGINE_EXECUTION_DOES_NOT_EXIST, "Execution Does Not Exist: '%.*s'",
				       STR_FMT(request->execution_arn));
		else if (request)
			request_refuse(request, ENGINE_INTERNAL, "The execution could not be loaded: %s", reason);
		if (missing)
			children_message_done(engine, input);
		input_free(input);
	}
}

bool cache_redrive_waits(const struct resident *resident)
{
	for (const struct input *input = resident->inputs.first; input; input = input->next)
		if (input->kind == INPUT_REDRIVE)
			return true;
	return false;
}

static int load_row(struct engine *engine, struct resident *resident, const struct store_loaded *loaded,
		    struct wf_error *err)
{
	struct machine *machine = registry_by_number(engine, loaded->row.machine_id);
	if (!machine)
		return error_set(err, ERR(CORRUPT), "its state machine %llu is not in the store",
				 (unsigned long long)loaded->row.machine_id);
	identify(engine, resident, machine, loaded->row.name, loaded->row.attributes);
	if (!resident->revision)
		return error_set(err, ERR(CORRUPT), "the definition it runs is not in the store");
	resident->row_status = (enum execution_status)loaded->row.status;
	resident->row_start_ms = loaded->row.start_ms;
	resident->row_stop_ms = loaded->row.stop_ms;
	resident->stored = resident->started = true;
	resident->has_open = false; /* of one that runs recovery_loaded knows better */
	execution_free(TAKE(resident->execution));
	if (loaded->row.status != EXECUTION_RUNNING && !cache_redrive_waits(resident)) {
		resident->state = RESIDENT_ENDED;
		return 0;
	}
	if (crash_quarantine(engine, resident->id) == QUARANTINE_LEAVE)
		return error_set(err, ERR(CORRUPT),
				 "it is quarantined: it has ended the process whenever it was loaded");
	engine->stepping = resident->id;
	int r = fold(resident, loaded, err);
	engine->stepping = 0;
	if (r == 0) {
		resident->state = RESIDENT_READY;
		if (loaded->row.status == EXECUTION_RUNNING)
			recovery_loaded(engine, resident);
		else
			recovery_loaded_ended(engine, resident);
	}
	return r;
}

static void on_loaded(void *data, const struct store_loaded *loaded, int code, const struct wf_error *store_err)
{
	struct resident *resident = data;
	struct engine *engine = resident->engine;
	resident->loading = false;
	if (!engine) {
		free_resident(resident);
		return;
	}
	struct wf_error err = { .code = code };
	if (code < 0 && store_err)
		err = *store_err;
	if (code == 0)
		code = load_row(engine, resident, loaded, &err);
	if (code == 0) {
		cache_touch(engine, resident);
		mailbox_ready(engine, resident);
		recovery_progress(engine, resident);
		if (!resident->inputs.first)
			cache_release(engine, resident, false);
		return;
	}
	if (code != ERR(NOT_FOUND))
		log_error("engine", "execution %llx cannot be loaded: %s", (unsigned long long)resident->id,
			  err.message);
	if (code == ERR(NOT_FOUND) || code == ERR(CORRUPT) || code == ERR(VERSION)) {
		refuse_inputs(engine, resident, code == ERR(NOT_FOUND), err.message);
		recovery_progress(engine, resident);
		timers_set(&engine->timers, resident->id, INT64_MAX);
		cache_remove(engine, resident);
	} else {
		/* The store may be better soon; its inputs wait. */
		timers_set(&engine->timers, resident->id, engine_now_ms(engine) + LOAD_RETRY_MS);
	}
}

static void load(struct engine *engine, struct resident *resident)
{
	if (resident->loading)
		return;
	resident->loading = true;
	store_load(engine->store, resident->id, on_loaded, resident);
}

struct resident *cache_get(struct engine *engine, uint64_t execution_id)
{
	struct resident *resident = cache_find(engine, execution_id);
	if (!resident)
		resident = add(engine, execution_id);
	if (resident->state == RESIDENT_LOADING)
		load(engine, resident);
	return resident;
}

void cache_reload(struct engine *engine, struct resident *resident)
{
	if (!resident->stored) {
		begin_anew(resident);
		return;
	}
	execution_free(TAKE(resident->execution));
	resident->state = RESIDENT_LOADING;
	load(engine, resident);
}

/* ---- forgetting ---------------------------------------------------------------------------------------- */

bool cache_release(struct engine *engine, struct resident *resident, bool force)
{
	if (resident->express || resident->inputs.first || resident->ready || resident->uncommitted || resident->loading ||
	    resident->naming || resident->state == RESIDENT_LOADING)
		return false;
	if (resident->state == RESIDENT_READY) {
		int64_t wake_ms = resident->open_wake_ms;
		if (!resident->has_open || wake_ms == STORE_WAKE_ACTIVE) {
			if (!force)
				return false;
		} else {
			if (!force && wake_ms - engine_now_ms(engine) < WAIT_NEAR_MS)
				return false;
			/* The store brings it back when its time is within the horizon. */
			if (engine->recovery.asked && wake_ms > engine->recovery.horizon_ms)
				timers_set(&engine->timers, resident->id, INT64_MAX);
		}
	} else {
		timers_set(&engine->timers, resident->id, INT64_MAX);
	}
	cache_remove(engine, resident);
	return true;
}

void cache_evict(struct engine *engine)
{
	unsigned tries = EVICT_TRIES;
	while (tries && engine->oldest &&
	       (engine->residents_count > (uint64_t)engine->limits.cached_executions ||
		engine->memory_bytes > (size_t)engine->limits.cache_bytes)) {
		struct resident *oldest = engine->oldest;
		if (cache_release(engine, oldest, true))
			continue;
		tries--;
		lru_remove(engine, oldest);
		lru_add(engine, oldest);
	}
}

void cache_free(struct engine *engine)
{
	size_t i = 0;
	for (struct u64_map_entry *entry; (entry = u64_map_next(&engine->residents, &i));) {
		struct resident *resident = entry->value;
		if (resident->loading)
			resident->engine = NULL; /* the store's answer frees it */
		else
			free_resident(resident);
	}
	u64_map_done(&engine->residents);
}

/* ---- attributes of a row ---------------------------------------------------------------------------------- */

#define ATTRIBUTES_VERSION 1

struct str attributes_encode(struct arena *arena, const struct attributes *attributes)
{
	_cleanup_(buffer_done) struct buffer out = { 0 };
	buffer_byte(&out, ATTRIBUTES_VERSION);
	buffer_varint(&out, attributes->revision);
	buffer_append(&out, attributes->input_hash, sizeof attributes->input_hash);
	/* The trace is kept behind the header: what was stored before there was one has none. */
	_cleanup_(buffer_done) struct buffer trace = { 0 };
	struct str header = attributes->trace_header;
	const char *nul = header.len ? memchr(header.ptr, 0, header.len) : NULL;
	buffer_add(&trace, nul ? str_sub(header, 0, (size_t)(nul - header.ptr)) : header);
	if (attributes->trace_parent.len) {
		buffer_byte(&trace, 0);
		buffer_add(&trace, attributes->trace_parent);
	}
	buffer_blob(&out, buffer_str(&trace));
	buffer_varint(&out, attributes->version);
	buffer_blob(&out, attributes->alias);
	buffer_varint(&out, attributes->parent.execution_id);
	buffer_varint(&out, attributes->parent.event_id);
	buffer_varint(&out, attributes->waited_for);
	if (attributes->redrives) {
		buffer_varint(&out, attributes->redrives);
		buffer_varint(&out, attributes->redriven_ms);
		buffer_blob(&out, attributes->redrive_token);
	}
	return arena_str(arena, buffer_str(&out));
}

bool attributes_decode(struct str bytes, struct attributes *ret_attributes)
{
	struct reader in = reader_of(bytes);
	struct attributes attributes = { 0 };
	uint8_t version;
	if (!reader_byte(&in, &version) || version != ATTRIBUTES_VERSION || !reader_varint(&in, &attributes.revision) ||
	    (size_t)(in.end - in.at) < sizeof attributes.input_hash)
		return false;
	memcpy(attributes.input_hash, in.at, sizeof attributes.input_hash);
	in.at += sizeof attributes.input_hash;
	if (!reader_blob(&in, &attributes.trace_header))
		return false;
	struct str trace = attributes.trace_header;
	const char *nul = trace.len ? memchr(trace.ptr, 0, trace.len) : NULL;
	attributes.trace_parent = nul ? str_sub(trace, (size_t)(nul - trace.ptr) + 1, trace.len) : STR_EMPTY;
	if (nul)
		attributes.trace_header.len = (size_t)(nul - trace.ptr);
	attributes.alias = STR_EMPTY;
	if (in.at < in.end && (!reader_varint(&in, &attributes.version) || !reader_blob(&in, &attributes.alias) ||
			       !reader_varint(&in, &attributes.parent.execution_id) || !reader_varint(&in, &attributes.parent.event_id)))
		return false;
	if (in.at < in.end && !reader_varint(&in, &attributes.waited_for))
		return false;
	attributes.redrive_token = STR_EMPTY;
	if (in.at < in.end && (!reader_varint(&in, &attributes.redrives) || !reader_varint(&in, &attributes.redriven_ms) ||
			       !reader_blob(&in, &attributes.redrive_token)))
		return false;
	*ret_attributes = attributes;
	return true;
}
