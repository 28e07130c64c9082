/* query.c: what is asked about executions: describe, list, history, and stop, which begins with the same search.
 *
 * An ARN leads to a row: through the id that a generated name encodes, or through the name. An execution in memory is
 * described from there, and the answer waits for the newest batch that it depends on; all others from their row and the
 * first and the last record of their journal, which are committed. Pages continue by record number, so a token costs
 * nothing and history may grow between two pages. */
#include "engine/runtime.h"
#include "engine/token.h"
#include <stdlib.h>

#define FIRST_READ_BYTES 65536
#define LIST_FILTERED_ROWS 1000 /* read at once, to find those of a version or an alias */
#define PAGE_READ_BYTES 262144 /* one read of the journal */
#define PAGE_BYTES_MAX 4194304 /* records that one page of history may hold */

/* A read of the store has ended: whether its request goes on with what it gave. */
static bool read_is_good(struct request *request, int code, const struct wf_error *err)
{
	if (!request_read_done(request))
		return false;
	if (code < 0)
		request_store_failed(request, code, err);
	return code >= 0;
}

/* ---- from an ARN to a row -------------------------------------------------------------------- */

static void resolve_next(struct request *request);

static void keep_row(struct request *request, const struct store_execution *row)
{
	request->row = *row;
	request->row.name = arena_str(&request->arena, row->name);
	request->row.attributes = arena_str(&request->arena, row->attributes);
}

/* The machine of a row if it has the name that was asked for: the current one, or a deleted one of that name. */
static struct machine *machine_of_row(const struct request *request, const struct store_execution *row)
{
	struct machine *machine = request->machine;
	while (machine && machine->info.number != row->machine_id)
		machine = machine->older;
	return machine;
}

static void on_row(void *data, const struct store_execution *rows, uint32_t count, int code, const struct wf_error *err)
{
	struct request *request = data;
	if (!request_read_done(request))
		return;
	if (code < 0 && code != ERR(NOT_FOUND)) {
		request_store_failed(request, code, err);
		return;
	}
	struct machine *machine = code == 0 && count ? machine_of_row(request, rows) : NULL;
	if (machine && !(request->by_id && rows->name.len)) {
		keep_row(request, rows);
		request->machine = machine;
		request->resident = cache_find(request->engine, rows->id);
		request->found(request);
		return;
	}
	if (request->by_id)
		request->by_id = false;
	else
		request->machine = request->machine->older;
	resolve_next(request);
}

static void resolve_next(struct request *request)
{
	struct engine *engine = request->engine;
	if (!request->machine)
		request_refuse(request, ENGINE_EXECUTION_DOES_NOT_EXIST, "Execution Does Not Exist: '%.*s'",
			       STR_FMT(request->execution_arn));
	else if (request->by_id)
		store_find(engine->store, request->id, on_row, request_read(request));
	else
		store_find_named(engine->store, request->machine->info.number, request->name, on_row,
				 request_read(request));
}

/* Finds the execution of request->execution_arn, then calls request->found; or answers that there is none. */
static void resolve(struct request *request)
{
	struct engine *engine = request->engine;
	struct arn arn;
	const char *problem = arn_parse(&request->arena, request->execution_arn, "execution", &arn);
	if (problem) {
		request_refuse(request, ENGINE_INVALID_ARN, "Invalid Arn: '%s'", problem);
		return;
	}
	bool ours = str_eqz(arn.partition, "aws") && str_eqz(arn.region, engine->region) &&
		    str_eqz(arn.account, engine->account);
	request->machine = ours ? registry_find(engine, arn.machine) : NULL;
	request->name = arn.name;
	request->by_id = execution_name_read(&engine->key, arn.name, &request->id);
	resolve_next(request);
}

static struct request *execution_request(struct engine *engine, struct str execution_arn, void (*run)(struct request *),
					 void (*answer)(struct request *), void *data)
{
	struct request *request = request_new(engine, answer, data);
	request->execution_arn = arena_str(&request->arena, execution_arn);
	request->run = run;
	return request;
}

/* ---- records ------------------------------------------------------------------------------------ */

/* A record that outlives the store's callback. */
static struct record *copy_record(struct arena *arena, const struct store_record *stored)
{
	struct record *record = ARENA_NEW(arena, struct record);
	record->first_event_id = stored->first_event_id;
	record->bytes = arena_str(arena, stored->bytes);
	record->blobs = ARENA_ARRAY(arena, struct str, stored->blobs_count);
	record->blobs_count = stored->blobs_count;
	for (uint32_t i = 0; i < stored->blobs_count; i++)
		record->blobs[i] = arena_str(arena, stored->blobs[i]);
	return record;
}

/* The public events of a record, in order; they live in `arena`. */
static int read_events(struct arena *arena, const struct store_record *stored, struct event **ret_events,
		       uint32_t *ret_count, struct wf_error *err)
{
	struct record_reader reader;
	int r = record_open(copy_record(arena, stored), arena, &reader, err);
	if (r < 0)
		return r;
	struct event *events = ARENA_ARRAY(arena, struct event, reader.events_left + 1);
	uint32_t count = 0, left = reader.events_left;
	struct event event;
	while (left-- && (r = record_next(&reader, &event, err)) > 0)
		if (event_is_public(event.type))
			events[count++] = event;
	if (r < 0)
		return r;
	*ret_events = events;
	*ret_count = count;
	return 0;
}

static void refuse_damaged(struct request *request, const struct wf_error *err)
{
	log_fields(LOG_LEVEL_ERROR, "engine", LOG_FIELDS({ "execution_arn", request->execution_arn }),
		   "the history cannot be read: %s", err->message);
	request_refuse(request, ENGINE_INTERNAL, "The history of the execution cannot be read: %s", err->message);
}

/* ---- describe ------------------------------------------------------------------------------------ */

static void fill_info(struct request *request)
{
	const struct machine *machine = request->machine;
	const struct store_execution *row = &request->row;
	struct execution_info *info = &request->info;
	*info = (struct execution_info){
		.arn = request->execution_arn,
		.name = request->name,
		.machine_arn = machine->info.arn,
		.machine_name = machine->info.name,
		.id = row->id,
		.status = (enum execution_status)row->status,
		.start_ms = row->start_ms,
		.stop_ms = row->stop_ms,
		.input = STR_EMPTY,
		.error = { NULL, 0 },
		.cause = { NULL, 0 },
		.alias = STR_EMPTY,
		.version_arn = STR_EMPTY,
		.alias_arn = STR_EMPTY,
		.trace_header = STR_EMPTY,
	};
	struct attributes attributes;
	if (!attributes_decode(row->attributes, &attributes))
		return;
	info->revision = attributes.revision;
	info->version = attributes.version;
	info->alias = attributes.alias;
	info->trace_header = attributes.trace_header;
	info->redrive_count = (uint32_t)attributes.redrives;
	info->redrive_ms = (int64_t)attributes.redriven_ms;
	info->version_arn = version_arn(&request->arena, machine, attributes.version);
	info->alias_arn = alias_arn(&request->arena, machine, attributes.alias);
	struct revision *revision = registry_revision(request->machine, attributes.revision);
	if (revision) {
		info->definition = revision->definition;
		info->role_arn = revision->role_arn;
		info->revision_id = revision->revision_id;
		info->logging = revision->logging;
		info->tracing = revision->tracing;
		info->encryption = revision->encryption;
		info->program = revision_program(request->engine, revision);
		info->updated_ms = revision->created_ms;
	}
}

static void describe_from_memory(struct request *request)
{
	const struct resident *resident = request->resident;
	const struct execution *execution = resident->execution;
	struct arena *arena = &request->arena;
	struct execution_info *info = &request->info;
	info->status = execution_status(execution);
	info->start_ms = execution_start_ms(execution);
	info->stop_ms = execution_stop_ms(execution);
	info->redrive_count = (uint32_t)execution_redrives(execution);
	info->redrive_ms = execution_redriven_ms(execution);
	info->input = arena_str(arena, execution_input_text(execution));
	const struct value *output = execution_output(execution);
	if (output)
		info->output = request->value = value_ref(output);
	struct str error, cause;
	if (execution_error(execution, &error, &cause)) {
		info->error = error.ptr ? arena_str(arena, error) : error;
		info->cause = cause.ptr ? arena_str(arena, cause) : cause;
	}
	request_hold(request, resident->newest);
}

/* The event that ended it: the last public one of the record. False if the record has none. */
static bool take_end(struct request *request, const struct event *events, uint32_t count)
{
	if (!count)
		return false;
	const struct event *end = &events[count - 1];
	if (end->type == EVENT_EXECUTION_SUCCEEDED)
		request->info.output = end->payload;
	if (end->fields & FIELD_ERROR)
		request->info.error = end->error;
	if (end->fields & FIELD_CAUSE)
		request->info.cause = end->cause;
	if (end->fields & FIELD_ATTEMPT) {
		request->info.redrive_count = (uint32_t)end->attempt;
		request->info.redrive_ms = end->due_ms;
	}
	return true;
}

static void on_last_records(void *data, const struct store_record *records, uint32_t count, bool more, int code,
			    const struct wf_error *err)
{
	struct request *request = data;
	if (!read_is_good(request, code, err))
		return;
	for (uint32_t i = 0; i < count; i++) {
		struct event *events;
		uint32_t events_count;
		struct wf_error damage = { 0 };
		if (read_events(&request->arena, &records[i], &events, &events_count, &damage) < 0) {
			refuse_damaged(request, &damage);
			return;
		}
		if (take_end(request, events, events_count))
			break;
	}
	request_hold(request, 0);
}

static void on_counted_for_end(void *data, uint64_t count, int code, const struct wf_error *err)
{
	struct request *request = data;
	if (read_is_good(request, code < 0 || count ? code : ERR(CORRUPT), err))
		store_read_records(request->engine->store, request->row.id, (uint32_t)count - 1, true, 1,
				   on_last_records, request_read(request));
}

static void on_first_records(void *data, const struct store_record *records, uint32_t count, bool more, int code,
			     const struct wf_error *err)
{
	struct request *request = data;
	if (!read_is_good(request, code < 0 || count ? code : ERR(CORRUPT), err))
		return;
	struct event *events = NULL;
	uint32_t events_count = 0;
	struct wf_error damage = { 0 };
	if (read_events(&request->arena, records, &events, &events_count, &damage) < 0) {
		refuse_damaged(request, &damage);
		return;
	}
	if (events_count && events->type == EVENT_EXECUTION_STARTED)
		request->info.input = events->fields & FIELD_RAW ? events->raw
				      : events->payload          ? value_text(events->payload)
								 : STR_EMPTY;
	bool ended = request->row.status != EXECUTION_RUNNING;
	if (ended && count == 1 && !more)
		take_end(request, events, events_count);
	else if (ended) {
		store_count_records(request->engine->store, request->row.id, on_counted_for_end, request_read(request));
		return;
	}
	request_hold(request, 0);
}

static void describe_found(struct request *request)
{
	fill_info(request);
	if (resident_readable(request->resident))
		describe_from_memory(request);
	else
		store_read_records(request->engine->store, request->row.id, 0, false, 1, on_first_records,
				   request_read(request));
}

static void describe_run(struct request *request)
{
	value_unref(TAKE(request->value));
	request->found = describe_found;
	resolve(request);
}

void engine_describe(struct engine *engine, struct str execution_arn, engine_execution_fn *done, void *data)
{
	struct request *request =
	    execution_request(engine, execution_arn, describe_run, request_answer_execution, data);
	request->done.execution = done;
	describe_run(request);
}

/* ---- stop ------------------------------------------------------------------------------------------ */

/* As on AWS, stopping one that has ended says when it did. */
static void settle_stop(struct request *request, struct resident *resident, enum core_outcome outcome)
{
	(void)outcome;
	bool ended = resident->state == RESIDENT_ENDED;
	request->info.status = ended ? resident->row_status : execution_status(resident->execution);
	request->info.stop_ms = ended ? resident->row_stop_ms : execution_stop_ms(resident->execution);
}

static void stop_found(struct request *request)
{
	fill_info(request);
	if (request->row.status != EXECUTION_RUNNING) {
		request_hold(request, 0);
		return;
	}
	const struct str absent = { NULL, 0 };
	struct input *input = input_new(INPUT_STOP, 0, NULL, absent, request->error_text, request->cause_text);
	input->request = request;
	request->carried = true;
	request->settle = settle_stop;
	mailbox_put(request->engine, request->row.id, input);
}

void engine_stop(struct engine *engine, struct str execution_arn, struct str error, struct str cause,
		 engine_execution_fn *done, void *data)
{
	struct request *request = execution_request(engine, execution_arn, resolve, request_answer_execution, data);
	request->done.execution = done;
	request->found = stop_found;
	request->error_text = error.ptr ? arena_str(&request->arena, error) : error;
	request->cause_text = cause.ptr ? arena_str(&request->arena, cause) : cause;
	resolve(request);
}

/* ---- redrive --------------------------------------------------------------------------------------- */

#define REDRIVE_TOKEN_MS (15 * 60000) /* so long is a clientToken known, as on AWS */

/* Whether this request has been granted already: then it is answered as it was. */
static bool is_repeat(struct request *request, struct str attributes_bytes)
{
	struct attributes attributes;
	if (!request->token.len || !attributes_decode(attributes_bytes, &attributes) || !attributes.redrives ||
	    !str_eq(attributes.redrive_token, request->token) ||
	    engine_now_ms(request->engine) - (int64_t)attributes.redriven_ms > REDRIVE_TOKEN_MS)
		return false;
	request->info.redrive_ms = (int64_t)attributes.redriven_ms;
	return true;
}

static void settle_redrive(struct request *request, struct resident *resident, enum core_outcome outcome)
{
	bool readable = resident->execution;
	enum execution_status status = readable ? execution_status(resident->execution) : resident->row_status;
	if (outcome != CORE_ACCEPTED && is_repeat(request, resident->attributes))
		return;
	if (outcome != CORE_ACCEPTED)
		request_fail(request, ENGINE_EXECUTION_NOT_REDRIVABLE, "Execution is %s and cannot be redriven",
			     execution_status_name(status));
	else
		request->info.redrive_ms = execution_redriven_ms(resident->execution);
}

static void redrive_found(struct request *request)
{
	struct engine *engine = request->engine;
	const struct str absent = { NULL, 0 };
	fill_info(request);
	struct resident *resident = cache_find(engine, request->row.id);
	bool readable = resident_readable(resident);
	if (is_repeat(request, resident && resident->attributes.len ? resident->attributes : request->row.attributes)) {
		request_hold(request, resident ? resident->newest : 0);
		return;
	}
	enum execution_status status =
	    readable ? execution_status(resident->execution) : (enum execution_status)request->row.status;
	int64_t stop_ms = readable ? execution_stop_ms(resident->execution) : request->row.stop_ms;
	if (status == EXECUTION_RUNNING || status == EXECUTION_SUCCEEDED_) {
		request_refuse(request, ENGINE_EXECUTION_NOT_REDRIVABLE, "Execution is %s and cannot be redriven",
			       execution_status_name(status));
		return;
	}
	if (engine_now_ms(engine) - stop_ms > engine->limits.redrive_days * 86400000) {
		request_refuse(request, ENGINE_EXECUTION_NOT_REDRIVABLE,
			       "Execution has exceeded its redrivable period and cannot be redriven");
		return;
	}
	if (engine->draining) {
		request_refuse(request, ENGINE_UNAVAILABLE, "The server is shutting down");
		return;
	}
	if (resident && resident->state == RESIDENT_ENDED)
		cache_reload(engine, resident);
	struct input *input = input_new(INPUT_REDRIVE, 0, NULL, request->token, absent, absent);
	input->request = request;
	request->carried = true;
	request->settle = settle_redrive;
	mailbox_put(engine, request->row.id, input);
}

void engine_redrive(struct engine *engine, struct str execution_arn, engine_execution_fn *done, void *data)
{
	engine_redrive_once(engine, execution_arn, STR_EMPTY, done, data);
}

void engine_redrive_once(struct engine *engine, struct str execution_arn, struct str client_token, engine_execution_fn *done,
			 void *data)
{
	struct request *request = execution_request(engine, execution_arn, resolve, request_answer_execution, data);
	request->done.execution = done;
	request->token = arena_str(&request->arena, client_token);
	request->found = redrive_found;
	resolve(request);
}

/* ---- list ------------------------------------------------------------------------------------------- */

static void answer_list(struct request *request)
{
	struct engine_error error = request_error(request);
	request->done.list(request->data, &error, request->infos, request->infos_count, request->token);
}

/* Whether a row is one of the version's or the alias's executions. */
static bool is_listed(const struct request *request, const struct attributes *attributes)
{
	if (request->target.alias.len)
		return str_eq(attributes->alias, request->target.alias);
	return !request->target.version || attributes->version == request->target.version;
}

static void add_listed(struct request *request, const struct store_execution *row)
{
	struct engine *engine = request->engine;
	struct machine *machine = registry_by_number(engine, row->machine_id);
	struct attributes attributes = { .alias = STR_EMPTY };
	if (!machine || (attributes_decode(row->attributes, &attributes) && !is_listed(request, &attributes)))
		return;
	char made[EXECUTION_NAME_LENGTH + 1];
	struct str name = row->name;
	if (!name.len) {
		execution_name_make(&engine->key, row->id, made);
		name = (struct str){ made, EXECUTION_NAME_LENGTH };
	}
	struct arena *arena = &request->arena;
	request->infos[request->infos_count++] = (struct execution_info){
		.arn = arena_format(arena, "arn:aws:states:%s:%s:execution:%.*s:%.*s", engine->region, engine->account,
				    STR_FMT(machine->info.name), STR_FMT(name)),
		.name = arena_str(arena, name),
		.machine_arn = machine->info.arn,
		.machine_name = machine->info.name,
		.id = row->id,
		.status = (enum execution_status)row->status,
		.start_ms = row->start_ms,
		.stop_ms = row->stop_ms,
		.version_arn = version_arn(arena, machine, attributes.version),
		.alias_arn = alias_arn(arena, machine, attributes.alias),
		.redrive_count = (uint32_t)attributes.redrives,
		.redrive_ms = (int64_t)attributes.redriven_ms,
	};
}

static void on_listed(void *data, const struct store_execution *rows, uint32_t count, int code,
		      const struct wf_error *err);

/* The rows behind the last one that was looked at. One more than a page takes is asked for, to know whether there is a next. */
static void list_rows(struct request *request)
{
	bool filtered = request->target.version || request->target.alias.len;
	struct store_list_request list = { .machine_id = request->machine ? request->machine->info.number : 0,
					   .status = request->list.status,
					   .before_start_ms = request->row.start_ms,
					   .before_id = request->row.id,
					   .limit = filtered ? LIST_FILTERED_ROWS : request->list.count + 1 };
	store_list(request->engine->store, &list, on_listed, request_read(request));
}

static void on_listed(void *data, const struct store_execution *rows, uint32_t count, int code,
		      const struct wf_error *err)
{
	struct request *request = data;
	if (!read_is_good(request, code, err))
		return;
	bool filtered = request->target.version || request->target.alias.len;
	for (uint32_t i = 0; i < count; i++) {
		if (request->infos_count == request->list.count) {
			_cleanup_(buffer_done) struct buffer token = { 0 };
			page_token_make('l', (uint64_t)request->row.start_ms, request->row.id, &token);
			request->token = arena_str(&request->arena, buffer_str(&token));
			request_hold(request, 0);
			return;
		}
		add_listed(request, &rows[i]);
		request->row.start_ms = rows[i].start_ms;
		request->row.id = rows[i].id;
	}
	if (filtered && count == LIST_FILTERED_ROWS)
		list_rows(request);
	else
		request_hold(request, 0);
}

void engine_list(struct engine *engine, const struct list_request *asked, engine_list_fn *done, void *data)
{
	struct request *request = request_new(engine, answer_list, data);
	request->done.list = done;
	request->token = STR_EMPTY;
	request->list = *asked;
	if (!request->list.count || request->list.count > 1000)
		request->list.count = 1000;
	if (asked->machine_arn.len &&
	    !(request->machine = registry_ask_target(request, asked->machine_arn, &request->target))) {
		request_hold(request, 0);
		return;
	}
	if (request->target.alias.len)
		request->target.alias = arena_str(&request->arena, request->target.alias);
	if (request->machine && str_eqz(request->machine->info.type, "EXPRESS")) {
		request_refuse(request, ENGINE_STATE_MACHINE_TYPE_NOT_SUPPORTED,
			       "This operation is not supported by this type of state machine");
		return;
	}
	request->row = (struct store_execution){ .start_ms = INT64_MAX, .id = INT64_MAX };
	uint64_t start_ms;
	if (asked->token.len && !page_token_read(asked->token, 'l', &start_ms, &request->row.id)) {
		request_refuse(request, ENGINE_INVALID_TOKEN, "Invalid Token: 'Invalid token'");
		return;
	}
	if (asked->token.len)
		request->row.start_ms = (int64_t)start_ms;
	request->infos = ARENA_ARRAY(&request->arena, struct execution_info, request->list.count + 1);
	list_rows(request);
}

/* ---- history ---------------------------------------------------------------------------------------------- */

static void answer_history(struct request *request)
{
	struct engine_error error = request_error(request);
	struct event *events = ARENA_ARRAY(&request->arena, struct event, request->events_count + 1);
	uint32_t count = 0;
	for (struct event_link *link = request->events.first; link; link = link->next)
		events[count++] = link->event;
	request->done.history(request->data, &error, events, count, request->token);
}

static void give_event(struct request *request, const struct event *event)
{
	struct event_link *link = ARENA_NEW(&request->arena, struct event_link);
	link->event = *event;
	LIST_ADD(&request->events, link);
	request->events_count++;
}

/* Stops here: the next page begins at this record, behind `given` of its events (from its end when backward). */
static void end_page(struct request *request, uint32_t record, uint32_t given)
{
	_cleanup_(buffer_done) struct buffer token = { 0 };
	page_token_make(request->history.reverse ? 'r' : 'h', record, given, &token);
	request->token = arena_str(&request->arena, buffer_str(&token));
	request_hold(request, 0);
}

static void on_history_records(void *data, const struct store_record *records, uint32_t count, bool more, int code,
			       const struct wf_error *err);

static void read_history(struct request *request)
{
	store_read_records(request->engine->store, request->row.id, request->record, request->history.reverse,
			   PAGE_READ_BYTES, on_history_records, request_read(request));
}

/* Gives a record's events as far as the page takes them. 1: the page is full and ended; 0: goes on; -1: refused. */
static int give_record(struct request *request, const struct store_record *stored, bool last)
{
	struct event *events;
	uint32_t count;
	struct wf_error damage = { 0 };
	if (read_events(&request->arena, stored, &events, &count, &damage) < 0) {
		refuse_damaged(request, &damage);
		return -1;
	}
	uint32_t given = request->skip < count ? request->skip : count;
	request->skip = 0;
	for (; given < count && request->events_count < request->history.count; given++)
		give_event(request, &events[request->history.reverse ? count - 1 - given : given]);
	request->bytes += stored->bytes.len;
	for (uint32_t i = 0; i < stored->blobs_count; i++)
		request->bytes += stored->blobs[i].len;
	bool full = request->events_count >= request->history.count || request->bytes >= PAGE_BYTES_MAX;
	if (!full || (given == count && last))
		return 0;
	end_page(request, stored->number, given);
	return 1;
}

static void on_history_records(void *data, const struct store_record *records, uint32_t count, bool more, int code,
			       const struct wf_error *err)
{
	struct request *request = data;
	if (!read_is_good(request, code, err))
		return;
	for (uint32_t i = 0; i < count; i++)
		if (give_record(request, &records[i], i + 1 == count && !more))
			return;
	if (!more || !count) {
		request_hold(request, 0);
		return;
	}
	uint32_t last = records[count - 1].number;
	request->record = request->history.reverse ? last - 1 : last + 1;
	read_history(request);
}

static void on_counted_for_history(void *data, uint64_t count, int code, const struct wf_error *err)
{
	struct request *request = data;
	if (!read_is_good(request, code < 0 || count ? code : ERR(CORRUPT), err))
		return;
	request->record = (uint32_t)count - 1;
	read_history(request);
}

static void history_found(struct request *request)
{
	uint64_t record, skip;
	if (request->history.token.len) {
		if (!page_token_read(request->history.token, request->history.reverse ? 'r' : 'h', &record, &skip) ||
		    record > UINT32_MAX) {
			request_refuse(request, ENGINE_INVALID_TOKEN, "Invalid Token: 'Invalid token'");
			return;
		}
		request->record = (uint32_t)record;
		request->skip = skip < UINT32_MAX ? (uint32_t)skip : UINT32_MAX;
		read_history(request);
	} else if (request->history.reverse) {
		store_count_records(request->engine->store, request->row.id, on_counted_for_history,
				    request_read(request));
	} else {
		read_history(request);
	}
}

void engine_history(struct engine *engine, const struct history_request *asked, engine_history_fn *done, void *data)
{
	struct request *request = execution_request(engine, asked->execution_arn, resolve, answer_history, data);
	request->done.history = done;
	request->found = history_found;
	request->token = STR_EMPTY;
	request->history = *asked;
	request->history.token = arena_str(&request->arena, asked->token);
	if (!request->history.count)
		request->history.count = 100;
	resolve(request);
}

/* ---- the journal itself ------------------------------------------------------------------------------------ */

static void read_journal(struct request *request);

static void on_journal_records(void *data, const struct store_record *records, uint32_t count, bool more, int code,
			       const struct wf_error *err)
{
	struct request *request = data;
	if (!read_is_good(request, code, err))
		return;
	bool goes_on = true;
	for (uint32_t i = 0; i < count && goes_on; i++)
		goes_on = request->journal.each(request->data, &request->info, &records[i]);
	if (!more || !count || !goes_on) {
		request_hold(request, 0);
		return;
	}
	request->record = records[count - 1].number + 1;
	read_journal(request);
}

static void read_journal(struct request *request)
{
	store_read_records(request->engine->store, request->row.id, request->record, false, PAGE_READ_BYTES,
			   on_journal_records, request_read(request));
}

static void journal_found(struct request *request)
{
	fill_info(request);
	request->record = request->journal.first;
	if (request->journal.first == UINT32_MAX)
		request_hold(request, 0);
	else
		read_journal(request);
}

void engine_journal(struct engine *engine, const struct journal_request *asked, engine_execution_fn *done, void *data)
{
	struct request *request =
	    execution_request(engine, asked->execution_arn, resolve, request_answer_execution, data);
	request->done.execution = done;
	request->found = journal_found;
	request->journal = *asked;
	resolve(request);
}
