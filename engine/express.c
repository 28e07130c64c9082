/* express.c: Express executions: the same core in the same turn, and nothing stored.
 *
 *     start ─► a resident that no batch ever names ─► steps; commands leave and answers are given at once ─► ended: forgotten
 *
 * They never wait for the disk, and end with the process: the named exception to every promise (on AWS, too, they run at most 5 minutes, and
 * starting one is not idempotent). Their ids have a bit that no stored execution has, and begin at random, so that keys of tasks differ between
 * two processes. StartSyncExecution waits for the end; when the server shuts down it is told to try again. */
#include "engine/runtime.h"
#include <stdlib.h>

#define EXPRESS_BIT (UINT64_C(1) << 62)

static uint64_t new_id(struct engine *engine)
{
	if (!engine->next_express)
		engine->next_express = random_u64(&engine->random) >> 4;
	return EXPRESS_BIT | (engine->next_express++ & (EXPRESS_BIT - 1));
}

/* arn:…:express:MACHINE:NAME:UUID */
static void name_it(struct engine *engine, struct resident *resident)
{
	char uuid[37];
	random_uuid(&engine->random, uuid);
	char *texts = mem_printf("%.*s%carn:aws:states:%s:%s:express:%.*s:%.*s:%s", STR_FMT(resident->name), 0, engine->region, engine->account,
				 STR_FMT(resident->machine->info.name), STR_FMT(resident->name), uuid);
	size_t len = resident->name.len;
	free(resident->texts);
	resident->texts = texts;
	resident->name = (struct str){ texts, len };
	resident->arn = str_of(texts + len + 1);
}

static void fill_info(struct request *request, const struct resident *resident)
{
	const struct execution *execution = resident->execution;
	struct arena *arena = &request->arena;
	request->info = (struct execution_info){
		.arn = arena_str(arena, resident->arn),
		.name = arena_str(arena, resident->name),
		.machine_arn = resident->machine->info.arn,
		.machine_name = resident->machine->info.name,
		.id = resident->id,
		.status = execution_status(execution),
		.start_ms = execution_start_ms(execution),
		.stop_ms = execution_stop_ms(execution),
		.error = { NULL, 0 },
		.cause = { NULL, 0 },
		.trace_header = request->trace_header,
		.memory_bytes = execution_memory_bytes(execution),
	};
}

static void settle_start(struct request *request, struct resident *resident, enum core_outcome outcome)
{
	(void)outcome;
	fill_info(request, resident);
}

void express_begin(struct request *request, bool synchronous)
{
	struct engine *engine = request->engine;
	const struct str absent = { NULL, 0 };
	struct attributes attributes = { .revision = request->target.revision->number,
					 .trace_header = request->trace_header,
					 .trace_parent = request->trace_parent,
					 .version = request->target.version,
					 .alias = request->target.alias };
	struct resident *resident = cache_add_new(engine, request->machine, new_id(engine), request->name,
						  attributes_encode(&request->arena, &attributes));
	resident->express = true;
	resident->accepted_us = request->accepted_us;
	name_it(engine, resident);
	struct input *input = input_new(INPUT_START, 0, request->value, request->input, absent, absent);
	request->carried = true;
	request->settle = settle_start;
	if (synchronous)
		resident->waiting = request;
	else
		input->request = request;
	engine->stats.started++;
	engine->stats.open++;
	mailbox_put_resident(engine, resident, input);
}

/* ---- its steps -------------------------------------------------------------------------------------- */

static void answer_waiting(struct resident *resident)
{
	struct request *request = TAKE(resident->waiting);
	const struct execution *execution = resident->execution;
	struct str error, cause;
	fill_info(request, resident);
	request->info.input = request->input;
	const struct value *output = execution_output(execution);
	value_unref(TAKE(request->value));
	if (output)
		request->info.output = request->value = value_ref(output);
	if (execution_error(execution, &error, &cause)) {
		request->info.error = error.ptr ? arena_str(&request->arena, error) : error;
		request->info.cause = cause.ptr ? arena_str(&request->arena, cause) : cause;
	}
	request_hold(request, 0);
}

static void end(struct engine *engine, struct resident *resident)
{
	timers_set(&engine->timers, resident->id, INT64_MAX);
	batch_count_end(engine, resident, execution_status(resident->execution));
	if (resident->waiting)
		answer_waiting(resident);
	cache_remove(engine, resident);
}

uint32_t express_step(struct engine *engine, struct resident *resident, uint32_t inputs_max, int64_t now_ms)
{
	_cleanup_(arena_done) struct arena arena = { 0 };
	struct core_env env;
	uint32_t taken = 0;
	if (!turn_env(engine, resident, now_ms, &env)) /* it compiled when it was started */
		return 1;
	uint64_t events_before = execution_next_event_id(resident->execution);
	struct core_step *step = core_begin(resident->execution, &env, &arena);
	while (resident->inputs.first && taken < inputs_max) {
		struct input *input = turn_take_input(engine, resident);
		input->outcome = turn_apply(step, input);
		resident->started |= input->kind == INPUT_START;
		if (input->request) {
			input->request->settle(input->request, resident, input->outcome);
			request_hold(input->request, 0);
		}
		input_free(input);
		taken++;
	}
	struct core_result result;
	core_finish(step, &result);
	engine->stats.steps++;
	engine->stats.events += execution_next_event_id(resident->execution) - events_before;
	execution_log_express(engine, resident, &result);
	for (uint32_t i = 0; i < result.commands_count; i++) {
		const struct command *command = &result.commands[i];
		if (command->kind == COMMAND_START_TASK)
			dispatch_start(engine, resident, command, false);
		else
			dispatch_cancel(engine, resident->id, command->task_id);
	}
	if (execution_status(resident->execution) != EXECUTION_RUNNING) {
		end(engine, resident);
		return taken;
	}
	if (result.more && !engine->draining)
		mailbox_continue(engine, resident);
	timers_set(&engine->timers, resident->id, execution_wake_ms(resident->execution));
	cache_touch(engine, resident);
	mailbox_ready(engine, resident);
	return taken;
}

void express_drain(struct engine *engine)
{
	size_t at = 0;
	if (engine->express_drained)
		return;
	engine->express_drained = true;
	for (struct u64_map_entry *entry; (entry = u64_map_next(&engine->residents, &at));) {
		struct resident *resident = entry->value;
		if (resident->waiting)
			request_refuse(TAKE(resident->waiting), ENGINE_UNAVAILABLE, "The server is shutting down");
	}
}
