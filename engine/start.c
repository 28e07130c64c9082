/* start.c: StartExecution, idempotent by name under any number of concurrent duplicates.
 *
 *     no name ─► begin
 *     name ─► a naming of it is there? ─► wait for it
 *          └► make a naming ─► ask the store ─► there ─► same input and running: that one; else ExecutionAlreadyExists
 *                                          └► not there ─► begin; the naming goes when the start is committed, and who
 * waited is answered
 *
 * So between the first sight of a name and its row in the store there is always its naming, and never two starts of one
 * name. The first step is taken in the turn that takes the start. */
#include "base/hash.h"
#include "engine/json_problem.h"
#include "engine/runtime.h"
#include "engine/token.h"
#include <assert.h>
#include <stdlib.h>

bool request_parse_json(struct request *request, struct str text, enum engine_error_code code, const char *problem)
{
	struct engine *engine = request->engine;
	_cleanup_(buffer_done) struct buffer words = { 0 };
	struct value_parse_options options = { .depth_max = (int)engine->limits.json_depth };
	struct wf_error err = { 0 };
	if (text.len > (size_t)engine->limits.payload_bytes)
		return request_fail(request, ENGINE_VALIDATION,
				    "1 validation error detected: Value at '%s' failed to satisfy constraint: Member "
				    "must have length less than or equal to %lld",
				    code == ENGINE_INVALID_OUTPUT ? "output" : "input",
				    (long long)engine->limits.payload_bytes);
	if (text.len && value_parse(text, &options, &request->value, &err) == 0)
		return true;
	if (text.len)
		json_problem(text, &words);
	else
		buffer_addz(&words, "Invalid execution input.");
	return request_fail(request, code, "%s: '%.*s'", problem, STR_FMT(buffer_str(&words)));
}

/* ---- who begins it ----------------------------------------------------------------------- */

/* A task that starts its child again, after a recovery, finds it, even ended. */
static bool same_parent(const struct request *request, struct str row_attributes, bool *ret_tells)
{
	struct attributes attributes;
	if (!request->parent.execution_id || !attributes_decode(row_attributes, &attributes) ||
	    attributes.parent.execution_id != request->parent.execution_id ||
	    attributes.parent.event_id != request->parent.event_id)
		return false;
	*ret_tells = attributes.waited_for;
	return true;
}

/* ---- beginning ------------------------------------------------------------------------------ */

static void settle_start(struct request *request, struct resident *resident, enum core_outcome outcome)
{
	(void)outcome;
	request->info = (struct execution_info){
		.arn = arena_str(&request->arena, resident->arn),
		.name = arena_str(&request->arena, resident->name),
		.machine_arn = request->machine->info.arn,
		.machine_name = request->machine->info.name,
		.id = resident->id,
		.status = execution_status(resident->execution),
		.start_ms = execution_start_ms(resident->execution),
		.stop_ms = execution_stop_ms(resident->execution),
	};
	(void)same_parent(request, resident->attributes, &request->info.tells);
}

/* Named ones are spread by their name, so that any node finds the shard; the others by their number. */
static uint64_t new_id(struct engine *engine, const struct request *request)
{
	uint64_t sequence = ++engine->last_execution;
	uint64_t hash = request->name.len ? hash_bytes(request->name, hash_bytes(request->machine->info.arn, 0))
					  : hash_u64(sequence);
	return sequence << 8 | (hash & (STORE_SHARDS - 1));
}

static struct resident *begin(struct request *request)
{
	struct engine *engine = request->engine;
	struct attributes attributes = { .revision = request->target.revision->number,
					 .trace_header = request->trace_header,
					 .trace_parent = request->trace_parent,
					 .version = request->target.version,
					 .alias = request->target.alias,
					 .parent = request->parent,
					 .waited_for = request->waited_for };
	token_hash(request->input, attributes.input_hash);
	struct resident *resident = cache_add_new(engine, request->machine, new_id(engine, request), request->name,
						  attributes_encode(&request->arena, &attributes));
	resident->accepted_us = request->accepted_us;
	/* The value has its text; only one that was written otherwise is carried along. */
	bool same = str_eq(request->input, value_text(request->value));
	struct input *input = input_new(INPUT_START, 0, request->value, same ? (struct str){ 0 } : request->input,
					request->state, request->reason);
	input->variables = request->variables ? value_ref(request->variables) : NULL;
	input->request = request;
	request->carried = true;
	request->settle = settle_start;
	mailbox_put_resident(engine, resident, input);
	return resident;
}

/* ---- names ------------------------------------------------------------------------------------ */

static bool same_input(const struct request *request, struct str row_attributes)
{
	struct attributes attributes;
	uint8_t hash[16];
	token_hash(request->input, hash);
	return attributes_decode(row_attributes, &attributes) && memcmp(hash, attributes.input_hash, sizeof hash) == 0;
}

static void fail_existing(struct request *request)
{
	struct engine *engine = request->engine;
	request_fail(request, ENGINE_EXECUTION_ALREADY_EXISTS,
		     "Execution Already Exists: 'arn:aws:states:%s:%s:execution:%.*s:%.*s'", engine->region,
		     engine->account, STR_FMT(request->machine->info.name), STR_FMT(request->name));
}

/* The name is taken by this row: the same execution if it runs and has the same input. What memory knows beyond the row
 * waits for its commit. */
static void answer_from_row(struct request *request, const struct store_execution *row)
{
	struct engine *engine = request->engine;
	const struct resident *resident = cache_find(engine, row->id);
	bool readable = resident_readable(resident);
	bool runs =
	    readable ? execution_status(resident->execution) == EXECUTION_RUNNING : row->status == EXECUTION_RUNNING;
	request->carried = false;
	bool tells = false;
	if (!same_parent(request, row->attributes, &tells) && !request->begun && (!runs || !same_input(request, row->attributes)))
		fail_existing(request);
	request->info = (struct execution_info){
		.arn = arena_format(&request->arena, "arn:aws:states:%s:%s:execution:%.*s:%.*s", engine->region,
				    engine->account, STR_FMT(request->machine->info.name), STR_FMT(request->name)),
		.name = request->name,
		.machine_arn = request->machine->info.arn,
		.machine_name = request->machine->info.name,
		.id = row->id,
		.status = runs ? EXECUTION_RUNNING : readable ? execution_status(resident->execution) : (enum execution_status)row->status,
		.start_ms = row->start_ms,
		.tells = tells,
	};
	request_hold(request, readable ? resident->newest : 0);
}

static void drop_naming(struct engine *engine, struct naming *naming)
{
	assert(!naming->waiting.first);
	str_map_remove(&engine->namings, naming->key);
	free((char *)naming->key.ptr);
	free(naming);
}

static bool limit_reached(const struct engine *engine)
{
	return engine->stats.open >= (uint64_t)engine->limits.open_executions;
}

static bool fail_at_limit(struct request *request)
{
	return request_fail(request, ENGINE_EXECUTION_LIMIT_EXCEEDED, "The maximum number of open executions, %lld, is reached",
			    (long long)request->engine->limits.open_executions);
}

static void look_up(struct naming *naming);

static void on_looked_up(void *data, const struct store_execution *rows, uint32_t count, int code,
			 const struct wf_error *err)
{
	struct request *first = data;
	if (!request_read_done(first))
		return;
	struct engine *engine = first->engine;
	struct naming *naming = first->naming;
	/* A name that encodes an id is only taken if that execution is this machine's and was given no name. */
	bool found = code == 0 && count &&
		     (!first->by_id || (rows->machine_id == first->machine->info.number && !rows->name.len));
	if (first->by_id && !found && (code == 0 || code == ERR(NOT_FOUND))) {
		first->by_id = false;
		store_find_named(engine->store, first->machine->info.number, first->name, on_looked_up,
				 request_read(first));
		return;
	}
	if (found || (code < 0 && code != ERR(NOT_FOUND))) {
		for (struct request *request; (request = LIST_TAKE(&naming->waiting));) {
			if (found)
				answer_from_row(request, rows);
			else
				request_store_failed(request, code, err);
		}
		drop_naming(engine, naming);
		return;
	}
	if (first->machine->info.deleting) {
		for (struct request *request; (request = LIST_TAKE(&naming->waiting));)
			request_refuse(request, ENGINE_STATE_MACHINE_DELETING, "State Machine is being deleted: '%.*s'",
				       STR_FMT(request->machine->info.arn));
		drop_naming(engine, naming);
		return;
	}
	if (limit_reached(engine)) {
		for (struct request *request; (request = LIST_TAKE(&naming->waiting));) {
			fail_at_limit(request);
			request_hold(request, 0);
		}
		drop_naming(engine, naming);
		return;
	}
	(void)LIST_TAKE(&naming->waiting);
	naming->resident = begin(first);
	naming->resident->naming = naming;
}

static void look_up(struct naming *naming)
{
	struct request *first = naming->waiting.first;
	struct engine *engine = first->engine;
	first->by_id = execution_name_read(&engine->key, first->name, &first->id);
	if (first->by_id)
		store_find(engine->store, first->id, on_looked_up, request_read(first));
	else
		store_find_named(engine->store, first->machine->info.number, first->name, on_looked_up,
				 request_read(first));
}

void naming_done(struct engine *engine, struct resident *resident)
{
	struct naming *naming = TAKE(resident->naming);
	if (!naming)
		return;
	/* They came while it was not yet known to run: whatever became of it since, with the same input they are
	 * repeats. */
	for (struct request *request; (request = LIST_TAKE(&naming->waiting));) {
		request->carried = false;
		settle_start(request, resident, CORE_ACCEPTED);
		if (!same_input(request, resident->attributes))
			fail_existing(request);
		request_hold(request, 0);
	}
	drop_naming(engine, naming);
}

void start_again(struct engine *engine, struct resident *resident)
{
	struct naming *naming = resident->naming;
	if (!naming || resident->stored)
		return;
	LIST(struct request) waiting;
	LIST_INIT(&waiting);
	for (struct input *input; (input = LIST_TAKE(&resident->inputs));) {
		resident->inputs_count--;
		engine->inputs_queued--;
		if (input->request)
			LIST_ADD(&waiting, input->request);
		input_free(input);
	}
	for (struct request *request; (request = LIST_TAKE(&naming->waiting));)
		LIST_ADD(&waiting, request);
	for (struct request *request; (request = LIST_TAKE(&waiting));)
		LIST_ADD(&naming->waiting, request);
	naming->resident = NULL;
	resident->naming = NULL;
	mailbox_forget(engine, resident);
	cache_remove(engine, resident);
	look_up(naming);
}

/* Waits for the name's naming, or makes it and asks the store. */
static void ask_name(struct request *request)
{
	struct engine *engine = request->engine;
	struct str key = arena_format(&request->arena, "%llu:%.*s", (unsigned long long)request->machine->info.number,
				      STR_FMT(request->name));
	struct naming *naming = str_map_get(&engine->namings, key);
	request->carried = true;
	if (naming) {
		request->naming = naming;
		LIST_ADD(&naming->waiting, request);
		return;
	}
	naming = request->naming = NEW(struct naming);
	naming->key = (struct str){ mem_strndup(key.ptr, key.len), key.len };
	LIST_INIT(&naming->waiting);
	LIST_ADD(&naming->waiting, request);
	str_map_put(&engine->namings, naming->key, naming);
	look_up(naming);
}

/* ---- StartExecution ------------------------------------------------------------------------------ */

/* For now: whoever can wait asks again. */
static bool request_fail_now(struct request *request, const char *why)
{
	request->passing = true;
	return request_fail(request, ENGINE_UNAVAILABLE, "%s", why);
}

/* An execution that is begun anew at one of its states runs the definition that it ran. */
static bool check_rerun(struct request *request, const struct start_rerun *rerun)
{
	request->target = (struct target){ .revision = registry_revision(request->machine, rerun->revision),
					   .version = rerun->version,
					   .alias = arena_str(&request->arena, rerun->alias) };
	request->state = arena_str(&request->arena, rerun->state);
	request->reason = arena_str(&request->arena, rerun->reason);
	request->variables = rerun->variables ? value_ref(rerun->variables) : NULL;
	const struct program *program =
	    request->target.revision ? revision_program(request->engine, request->target.revision) : NULL;
	if (program && !program_state(program, 0, rerun->state))
		return request_fail(request, ENGINE_VALIDATION, "The state machine has no state '%.*s' of its own",
				    STR_FMT(rerun->state));
	return program || request_fail(request, ENGINE_INTERNAL, "The definition of the execution cannot be run by this version");
}

static bool check(struct request *request, const struct start_request *asked)
{
	struct engine *engine = request->engine;
	if (engine->draining || engine->halted)
		return request_fail(request, ENGINE_UNAVAILABLE, "The server is shutting down");
	if (engine->no_space)
		return request_fail_now(request, "The disk is full");
	if (mailbox_full(engine))
		return request_fail_now(request, "Too many requests are waiting");
	struct str arn = asked->machine_arn, test_case = STR_EMPTY;
	bool mocked = mocks_split(engine, &arn, &test_case);
	if (!(request->machine = registry_ask_target(request, arn, &request->target)))
		return false;
	if (asked->rerun && !check_rerun(request, asked->rerun))
		return false;
	if (mocked && !mocks_has(engine, request->machine->info.name, test_case))
		return request_fail(request, ENGINE_VALIDATION, "The mock configuration has no test case '%.*s' for '%.*s'",
				    STR_FMT(str_sub(test_case, 1, test_case.len)), STR_FMT(arn));
	if (mocked)
		request->target.alias = arena_str(&request->arena, test_case);
	bool again = asked->parent.execution_id; /* perhaps: what forbids a new one is asked when it is known that there is none */
	if (request->machine->info.deleting && !again)
		return request_fail(request, ENGINE_STATE_MACHINE_DELETING, "State Machine is being deleted: '%.*s'",
				    STR_FMT(asked->machine_arn));
	if (!revision_program(engine, request->target.revision))
		return request_fail(request, ENGINE_INTERNAL,
				    "The definition of the state machine cannot be run by this version");
	if (asked->name.len && !arn_name_valid(asked->name, &engine->limits))
		return request_fail_name(request, asked->name);
	if (!again && limit_reached(engine))
		return fail_at_limit(request);
	return request_parse_json(request, request->input, ENGINE_INVALID_EXECUTION_INPUT,
				  "Invalid State Machine Execution Input");
}

static void start(struct engine *engine, const struct start_request *asked, bool synchronous, engine_execution_fn *done, void *data)
{
	struct request *request = request_new(engine, request_answer_execution, data);
	request->done.execution = done;
	request->accepted_us = engine->clock->monotonic_us(engine->clock);
	request->name = arena_str(&request->arena, asked->name);
	request->input = asked->input.ptr ? arena_str(&request->arena, asked->input) : STR("{}");
	request->trace_header = arena_str(&request->arena, asked->trace_header);
	request->trace_parent = trace_parent_read(&request->arena, asked->trace_parent);
	if (!request->trace_parent.len)
		request->trace_parent = trace_parent_from_xray(&request->arena, asked->trace_header);
	request->parent = asked->parent;
	request->begun = asked->begun;
	if (!check(request, asked)) {
		request_hold(request, 0);
		return;
	}
	bool express = str_eqz(request->machine->info.type, "EXPRESS");
	bool awaited = asked->waited_for == PATTERN_SYNC || asked->waited_for == PATTERN_SYNC2;
	request->waited_for = awaited ? asked->waited_for : PATTERN_REQUEST_RESPONSE;
	if (express ? awaited || asked->rerun : synchronous) {
		request_refuse(request, ENGINE_STATE_MACHINE_TYPE_NOT_SUPPORTED,
			       "This operation is not supported by this type of state machine");
		return;
	}
	if (express) {
		express_begin(request, synchronous);
		return;
	}
	if (!request->name.len) {
		begin(request);
		return;
	}
	request->run = ask_name;
	ask_name(request);
}

void engine_start(struct engine *engine, const struct start_request *asked, engine_execution_fn *done, void *data)
{
	start(engine, asked, false, done, data);
}

void engine_start_sync(struct engine *engine, const struct start_request *asked, engine_execution_fn *done, void *data)
{
	start(engine, asked, true, done, data);
}
