/* client.c: those who use the engine: they start, describe, list, stop, read histories, use task tokens; they ask again when no answer
 * comes; and they hold each answer against what is durable at that moment: whatever a client has been told must be there. */
#include "tests/simulation/sim.h"
#include "engine/token.h"
#include <stdlib.h>

#define WORKERS 2
#define ACTIVITY_ARN "arn:aws:states:us-east-1:000000000000:activity:work"

enum call_kind { CALL_ACTIVITY, CALL_CREATE, CALL_START, CALL_DESCRIBE, CALL_HISTORY, CALL_LIST, CALL_STOP, CALL_REDRIVE, CALL_TOKEN, CALL_POLL, CALL_EXPRESS, CALL_UPDATE };

struct call { /* one wish, until it is answered for good */
	struct call *next;
	struct client *client;
	enum call_kind kind;
	int64_t at_ms; /* when to ask (again) */
	const struct node *node; /* who was asked; NULL: nobody yet */
	unsigned machine, start; /* START: which */
	bool other_input; /* START: of a name that is taken, with another input */
	bool knew_end; /* DESCRIBE, HISTORY: it was known to have ended */
	unsigned redrives_asked; /* of the execution, when this was asked */
	bool redrivable; /* REDRIVE: as it stood then */
	char *arn;
	uint64_t execution_id, event_id; /* TOKEN */
	char *token;
	struct script script;
	bool again; /* TOKEN: used once more after it was accepted */
	bool synchronous; /* EXPRESS */
	unsigned n;
	bool reverse;
	char *page;
	char *definition; /* UPDATE */
	uint64_t next_event; /* HISTORY: the number that must come next */
};

struct known { /* an execution that was acknowledged */
	char *arn;
	uint64_t id;
	bool ended; /* a client has read that */
	int64_t start_ms;
};

struct client {
	struct sim *sim;
	struct call *calls;
	struct known *known;
	size_t known_count, known_capacity;
	bool created[SIM_MACHINES_MAX], activity;
	int64_t next_whim_ms;
	unsigned whims_left;
};

static struct call *call_new(struct client *client, enum call_kind kind, int64_t at_ms)
{
	struct call *call = NEW(struct call);
	*call = (struct call){ .next = client->calls, .client = client, .kind = kind, .at_ms = at_ms };
	client->calls = call;
	return call;
}

static void call_free(struct call *call)
{
	struct client *client = call->client;
	for (struct call **at = &client->calls; *at; at = &(*at)->next)
		if (*at == call) {
			*at = call->next;
			break;
		}
	json_decref(call->script.output);
	free(call->arn);
	free(call->token);
	free(call->page);
	free(call->definition);
	free(call);
}

struct client *client_new(struct sim *sim)
{
	struct client *client = NEW(struct client);
	client->sim = sim;
	bool works = false;
	for (unsigned i = 0; i < sim->machines_count; i++) {
		call_new(client, CALL_CREATE, sim->now_ms)->machine = i;
		works |= strstr(sim->machines[i].text, ":activity:") != NULL;
	}
	call_new(client, CALL_ACTIVITY, sim->now_ms);
	for (unsigned i = 0; works && i < WORKERS; i++)
		call_new(client, CALL_POLL, sim->now_ms);
	for (unsigned i = 0; i < sim->starts_count; i++) {
		struct call *call = call_new(client, CALL_START, sim->now_ms + sim->starts[i].at_ms);
		call->machine = sim->starts[i].machine;
		call->start = i;
	}
	client->whims_left = 40;
	client->next_whim_ms = sim->now_ms;
	return client;
}

void client_free(struct client *client)
{
	while (client->calls)
		call_free(client->calls);
	for (size_t i = 0; i < client->known_count; i++)
		free(client->known[i].arn);
	free(client->known);
	free(client);
}

/* ---- what an answer must be true to --------------------------------------------------------------- */

static void ask_again(struct call *call)
{
	struct sim *sim = call->client->sim;
	call->node = NULL;
	call->at_ms = sim->now_ms + 1 + sim_delay(sim, 500);
}

/* An answer of a dead process is not heard: false. */
static bool hears(struct call *call)
{
	struct node *node = (struct node *)call->node;
	return node_effect(node);
}

/* The engine could not; somebody asks again. True if so. */
static bool unavailable(struct call *call, const struct engine_error *error)
{
	if (error->code && call->node->zombie) { /* it does not know what its successor has made */
		ask_again(call);
		return true;
	}
	if (error->code != ENGINE_UNAVAILABLE && error->code != ENGINE_INTERNAL)
		return false;
	if (error->code == ENGINE_INTERNAL && !call->client->sim->temper.read_fail)
		sim_fail(call->client->sim, "a client is told: %.*s", STR_FMT(error->message));
	ask_again(call);
	return true;
}

static struct known *know(struct client *client, uint64_t id, struct str arn, int64_t start_ms)
{
	struct sim *sim = client->sim;
	struct fact *fact = model_find(&sim->model, id);
	if (!fact || !fact->records_count)
		sim_fail(sim, "%.*s is acknowledged and is not durable", STR_FMT(arn));
	if (start_ms != execution_start_ms(fact->shadow))
		sim_fail(sim, "%.*s is said to have started at another time than it did", STR_FMT(arn));
	for (size_t i = 0; i < client->known_count; i++)
		if (client->known[i].id == id)
			return &client->known[i];
	MEM_GROW(client->known, client->known_capacity, client->known_count + 1);
	struct known *known = &client->known[client->known_count++];
	*known = (struct known){ .arn = mem_strndup(arn.ptr, arn.len), .id = id, .start_ms = start_ms };
	return known;
}

static struct known *known_of(struct client *client, const char *arn)
{
	for (size_t i = 0; i < client->known_count; i++)
		if (strcmp(client->known[i].arn, arn) == 0)
			return &client->known[i];
	return NULL;
}

static bool same_text(struct str said, const char *durable)
{
	return said.ptr && durable ? str_eqz(said, durable) : !said.ptr && !durable;
}

static enum execution_status status_of(const struct fact *fact)
{
	return execution_status(fact->shadow);
}

/* ---- answers ---------------------------------------------------------------------------------------------- */

static void on_created(void *data, const struct engine_error *error, const struct machine_info *machine)
{
	struct call *call = data;
	struct client *client = call->client;
	struct sim *sim = client->sim;
	if (!hears(call) || unavailable(call, error))
		return;
	if (error->code)
		sim_fail(sim, "a state machine is refused: %.*s\n%s", STR_FMT(error->message), sim->machines[call->machine].text);
	if (!sim->model.machine_stored[call->machine])
		sim_fail(sim, "a state machine is acknowledged and is not durable");
	u64_map_put(&sim->model.machines, machine->number, (void *)(uintptr_t)(call->machine + 1));
	client->created[call->machine] = true;
	call_free(call);
}

static void on_updated(void *data, const struct engine_error *error, const struct machine_info *machine)
{
	struct call *call = data;
	struct sim *sim = call->client->sim;
	if (!hears(call) || unavailable(call, error))
		return;
	if (error->code)
		sim_fail(sim, "a definition is refused: %.*s\n%s", STR_FMT(error->message), call->definition);
	if (!revisions_stored(&sim->model, call->machine, str_of(call->definition)))
		sim_fail(sim, "a definition is acknowledged and is not durable: %s", call->definition);
	sim->updates++;
	call_free(call);
}

static void on_activity(void *data, const struct engine_error *error, const struct activity_info *activity)
{
	struct call *call = data;
	if (!hears(call) || unavailable(call, error))
		return;
	if (error->code)
		sim_fail(call->client->sim, "an activity is refused: %.*s", STR_FMT(error->message));
	call->client->activity = true;
	call_free(call);
}

/* A worker asks again and again, does what it is given, and answers by the token. */
static void on_polled(void *data, const struct engine_error *error, struct str token, struct str input)
{
	struct call *call = data;
	struct sim *sim = call->client->sim;
	if (!hears(call) || unavailable(call, error))
		return;
	if (error->code)
		sim_fail(sim, "a worker is refused: %.*s", STR_FMT(error->message));
	struct task_key key;
	if (!error->code && token.len) {
		if (!token_read(&call->node->engine->key, token, &key))
			sim_fail(sim, "a worker is given a token that is none");
		sim_note(sim, "given", key.execution_id, key.event_id);
		model_given(&sim->model, key.execution_id, key.event_id);
		json_t *parameters = json_loadb(input.ptr, input.len, JSON_DECODE_ANY, NULL);
		_cleanup_free_ char *text = mem_strndup(token.ptr, token.len);
		struct script script;
		script_of("work", 0, parameters, &script);
		client_token(call->client, key.execution_id, key.event_id, text, &script);
		json_decref(parameters);
		json_decref(script.output);
	}
	ask_again(call);
}

static void on_started(void *data, const struct engine_error *error, const struct execution_info *info)
{
	struct call *call = data;
	struct sim *sim = call->client->sim;
	if (!hears(call) || unavailable(call, error))
		return;
	const struct start_plan *plan = &sim->starts[call->start];
	sim_note(sim, "started", call->start, error->code);
	if (error->code == ENGINE_EXECUTION_ALREADY_EXISTS) {
		struct fact *fact = model_named(&sim->model, plan->machine, plan->name);
		if (!fact)
			sim_fail(sim, "%s is said to exist, and does not", plan->name);
		if (!call->other_input && !fact->ended && !fact->redrives_asked)
			sim_fail(sim, "a repeat of the start of %s, which runs, is refused", plan->name);
		call_free(call);
		return;
	}
	if (error->code)
		sim_fail(sim, "a start is refused: %.*s", STR_FMT(error->message));
	know(call->client, info->id, info->arn, info->start_ms);
	if (plan->name[0]) {
		struct fact *fact = model_named(&sim->model, plan->machine, plan->name);
		if (!fact || fact->id != info->id)
			sim_fail(sim, "%s was started, and another execution was named", plan->name);
		if (call->other_input)
			sim_fail(sim, "%s was started with another input, and that was accepted", plan->name);
	}
	call_free(call);
}

static struct fact *fact_of(const struct call *call)
{
	return model_find(&call->client->sim->model, known_of(call->client, call->arn)->id);
}

/* Whether it may have gone on, though it had ended when this was asked. */
static bool may_be_redriven(const struct call *call)
{
	return fact_of(call)->redrives_asked != call->redrives_asked || fact_of(call)->redrives_open;
}

static bool agrees(json_t *expected, json_t *found);

static void check_express(const struct call *call, const struct execution_info *info)
{
	struct sim *sim = call->client->sim;
	json_t *input = json_pack("{s:i}", "n", (int)call->n);
	struct verdict verdict;
	oracle_run(sim->machines, call->machine, input, &verdict);
	json_t *output = info->output ? json_loadb(value_text(info->output).ptr, value_text(info->output).len, JSON_DECODE_ANY, NULL) : NULL;
	bool same = verdict.ambiguous;
	switch (verdict.end) {
	case VERDICT_SUCCEEDS:
		same |= info->status == EXECUTION_SUCCEEDED_ && output && agrees(verdict.output, output);
		break;
	case VERDICT_FAILS:
		same |= info->status == EXECUTION_FAILED_ && str_eqz(info->error, verdict.error) && (!verdict.cause || str_eqz(info->cause, verdict.cause));
		break;
	case VERDICT_TIMES_OUT:
		same |= info->status == EXECUTION_TIMED_OUT_;
		break;
	}
	if (!same)
		sim_fail(sim, "an Express execution of %u ended as %s %.*s %.*s, and not as it must\nthe state machine: %s", call->n,
			 execution_status_name(info->status), STR_FMT(info->output ? value_text(info->output) : STR_EMPTY), STR_FMT(info->error),
			 sim->machines[call->machine].text);
	verdict_done(&verdict);
	json_decref(output);
	json_decref(input);
}

static void check_description(struct call *call, struct known *known, const struct execution_info *info)
{
	struct sim *sim = call->client->sim;
	struct fact *fact = model_find(&sim->model, known->id);
	if (info->id != known->id || info->start_ms != known->start_ms)
		sim_fail(sim, "%s is described as another execution", known->arn);
	if (!same_text(info->input, fact->input))
		sim_fail(sim, "%s has input %s, described as %.*s", known->arn, fact->input, STR_FMT(info->input));
	if (may_be_redriven(call))
		return;
	if (info->status == EXECUTION_RUNNING) {
		if (call->knew_end)
			sim_fail(sim, "%s had ended, and is said to run", known->arn);
		return;
	}
	if (!fact->ended)
		sim_fail(sim, "%s is said to have ended, and that is not durable", known->arn);
	if (info->status != status_of(fact) || info->stop_ms != execution_stop_ms(fact->shadow))
		sim_fail(sim, "%s is said to be %s, and is %s", known->arn, execution_status_name(info->status),
			 execution_status_name(status_of(fact)));
	struct str output = info->output ? value_text(info->output) : (struct str){ NULL, 0 };
	if (!same_text(output, fact->output) || !same_text(info->error, fact->error) || !same_text(info->cause, fact->cause))
		sim_fail(sim, "%s ended otherwise than described", known->arn);
	known->ended = true;
}

static void on_described(void *data, const struct engine_error *error, const struct execution_info *info)
{
	struct call *call = data;
	struct sim *sim = call->client->sim;
	if (!hears(call) || unavailable(call, error))
		return;
	if (error->code)
		sim_fail(sim, "%s was acknowledged, and is lost: %.*s", call->arn, STR_FMT(error->message));
	sim_note(sim, "described", info->id, info->status);
	check_description(call, known_of(call->client, call->arn), info);
	call_free(call);
}

static void on_events(void *data, const struct engine_error *error, const struct event *events, uint32_t count, struct str token)
{
	struct call *call = data;
	struct sim *sim = call->client->sim;
	if (!hears(call) || unavailable(call, error))
		return;
	if (error->code)
		sim_fail(sim, "the history of %s cannot be read: %.*s", call->arn, STR_FMT(error->message));
	struct fact *fact = model_find(&sim->model, known_of(call->client, call->arn)->id);
	for (uint32_t i = 0; i < count; i++) {
		if (events[i].id > fact->events_count)
			sim_fail(sim, "event %llu of %s was read, and is not durable", (unsigned long long)events[i].id, call->arn);
		if (call->next_event && events[i].id != call->next_event)
			sim_fail(sim, "event %llu of %s was read where %llu was due", (unsigned long long)events[i].id, call->arn,
				 (unsigned long long)call->next_event);
		if (event_hash(&events[i]) != fact->hashes[events[i].id - 1])
			sim_fail(sim, "event %llu of %s reads otherwise than it was stored", (unsigned long long)events[i].id, call->arn);
		call->next_event = call->reverse ? events[i].id - 1 : events[i].id + 1;
	}
	free(TAKE(call->page));
	if (!token.len) {
		if (call->reverse ? call->next_event > 0 : call->knew_end && !may_be_redriven(call) && call->next_event != fact->events_count + 1)
			sim_fail(sim, "the history of %s stops at event %llu", call->arn, (unsigned long long)call->next_event);
		call_free(call);
		return;
	}
	call->page = mem_strndup(token.ptr, token.len);
	ask_again(call);
}

static void on_list(void *data, const struct engine_error *error, const struct execution_info *executions, uint32_t count, struct str token)
{
	struct call *call = data;
	struct sim *sim = call->client->sim;
	if (!hears(call) || unavailable(call, error))
		return;
	if (error->code)
		sim_fail(sim, "a list is refused: %.*s", STR_FMT(error->message));
	for (uint32_t i = 0; i < count; i++) {
		struct fact *fact = model_find(&sim->model, executions[i].id);
		if (!fact)
			sim_fail(sim, "%.*s is listed, and is not durable", STR_FMT(executions[i].arn));
		if (executions[i].status != EXECUTION_RUNNING && !fact->redrives_asked && executions[i].status != status_of(fact))
			sim_fail(sim, "%.*s is listed as ended, and that is not durable", STR_FMT(executions[i].arn));
	}
	call_free(call);
}

static void on_stopped(void *data, const struct engine_error *error, const struct execution_info *info)
{
	struct call *call = data;
	struct sim *sim = call->client->sim;
	if (!hears(call) || unavailable(call, error))
		return;
	if (error->code)
		sim_fail(sim, "%s cannot be stopped: %.*s", call->arn, STR_FMT(error->message));
	struct known *known = known_of(call->client, call->arn);
	struct fact *fact = model_find(&sim->model, known->id);
	if (!may_be_redriven(call)) {
		if (!fact->ended || info->stop_ms != execution_stop_ms(fact->shadow))
			sim_fail(sim, "%s is said to be stopped, and that is not durable", call->arn);
		known->ended = true;
	}
	call_free(call);
}

/* The answer of StartSyncExecution is what the oracle says; of what became of one that nobody waits for nothing is known. */
static void on_express(void *data, const struct engine_error *error, const struct execution_info *info)
{
	struct call *call = data;
	struct sim *sim = call->client->sim;
	if (!hears(call) || unavailable(call, error))
		return;
	if (error->code)
		sim_fail(sim, "an Express execution is refused: %.*s", STR_FMT(error->message));
	if (!(info->id & SIM_EXPRESS_BIT))
		sim_fail(sim, "an Express execution has the id %llx", (unsigned long long)info->id);
	if (call->synchronous)
		check_express(call, info);
	sim->express++;
	call_free(call);
}

static bool is_redrivable(const struct fact *fact)
{
	return fact->ended && fact->end != EVENT_EXECUTION_SUCCEEDED;
}

static void on_redriven(void *data, const struct engine_error *error, const struct execution_info *info)
{
	struct call *call = data;
	struct sim *sim = call->client->sim;
	if (!hears(call))
		return;
	struct fact *fact = fact_of(call);
	bool others = fact->redrives_asked != call->redrives_asked;
	fact->redrives_asked++;
	fact->redrives_open--;
	if (unavailable(call, error))
		return;
	if (error->code && error->code != ENGINE_EXECUTION_NOT_REDRIVABLE)
		sim_fail(sim, "%s cannot be redriven: %.*s", call->arn, STR_FMT(error->message));
	if (error->code && call->redrivable && !others && is_redrivable(fact))
		sim_fail(sim, "%s has failed, and is said not to be redrivable: %.*s", call->arn, STR_FMT(error->message));
	if (!error->code && execution_redriven_ms(fact->shadow) < info->redrive_ms)
		sim_fail(sim, "%s is said to be redriven, and that is not durable", call->arn);
	call_free(call);
}

static void on_token_used(void *data, const struct engine_error *error)
{
	struct call *call = data;
	struct sim *sim = call->client->sim;
	if (!hears(call) || unavailable(call, error))
		return;
	sim_note(sim, "token", call->execution_id, error->code);
	struct fact *fact = model_find(&sim->model, call->execution_id);
	struct u64_map *open = execution_status(fact->shadow) == EXECUTION_RUNNING ? &fact->tasks : NULL;
	struct task_fact *task = open ? u64_map_get(open, call->event_id) : NULL;
	if (error->code != ENGINE_OK && error->code != ENGINE_TASK_TIMED_OUT)
		sim_fail(sim, "a task token is refused: %.*s", STR_FMT(error->message));
	if (error->code == ENGINE_OK && task && model_task_open(fact, call->event_id))
		sim_fail(sim, "the answer of task %llx/%llu is acknowledged, and is not durable", (unsigned long long)call->execution_id,
			 (unsigned long long)call->event_id);
	if (error->code == ENGINE_OK && task && task->closed)
		sim_fail(sim, "task %llx/%llu is answered twice", (unsigned long long)call->execution_id, (unsigned long long)call->event_id);
	if (error->code == ENGINE_OK && task)
		task->closed = true;
	if (error->code == ENGINE_OK && !call->again && sim_happens(sim, sim->temper.twice)) {
		call->again = true;
		ask_again(call);
		return;
	}
	call_free(call);
}

/* ---- asking ------------------------------------------------------------------------------------------------- */

static const char absent_text[1];

static void machine_arn(const struct sim *sim, unsigned machine, char ret_arn[128])
{
	snprintf(ret_arn, 128, "arn:aws:states:us-east-1:000000000000:stateMachine:%s", sim->machines[machine].name);
}

static void ask_token(struct call *call, struct engine *engine)
{
	struct script *script = &call->script;
	if (!script->output) {
		engine_task_failure(engine, str_of(call->token), str_of(script->error), str_of(script->cause), on_token_used, call);
		return;
	}
	char *output = json_dumps(script->output, JSON_COMPACT | JSON_ENCODE_ANY);
	engine_task_success(engine, str_of(call->token), str_of(output), on_token_used, call);
	free(output);
}

static void ask(struct call *call, struct node *node)
{
	struct client *client = call->client;
	struct sim *sim = client->sim;
	struct engine *engine = node->engine;
	const struct str absent = { NULL, 0 };
	char arn[128];
	call->node = node;
	sim_note(sim, "asked", call->kind, node->number);
	if (call->arn && !call->page)
		call->redrives_asked = fact_of(call)->redrives_asked;
	machine_arn(sim, call->machine, arn);
	switch (call->kind) {
	case CALL_ACTIVITY:
		engine_create_activity(engine, STR("work"), NULL, NULL, on_activity, call);
		break;
	case CALL_POLL:
		engine_get_activity_task(engine, STR(ACTIVITY_ARN), STR("worker"), NULL, on_polled, call);
		break;
	case CALL_CREATE: {
		struct machine_request request = { .name = str_of(sim->machines[call->machine].name), .definition = str_of(sim->machines[call->machine].text),
						   .role_arn = STR("arn:aws:iam::000000000000:role/r"), .has_definition = true,
						   .type = sim->machines[call->machine].express ? STR("EXPRESS") : STR("STANDARD"),
						   .has_role_arn = true };
		engine_create_machine(engine, &request, on_created, call);
		break;
	}
	case CALL_UPDATE: {
		struct machine_request request = { .arn = str_of(arn), .definition = str_of(call->definition), .has_definition = true };
		engine_update_machine(engine, &request, on_updated, call);
		break;
	}
	case CALL_START: {
		const struct start_plan *plan = &sim->starts[call->start];
		struct start_request request = { .machine_arn = str_of(arn), .name = str_of(plan->name),
						 .input = call->other_input ? STR("{\"n\":999}") : str_of(plan->text), .trace_header = STR_EMPTY };
		engine_start(engine, &request, on_started, call);
		break;
	}
	case CALL_DESCRIBE:
		call->knew_end = !node->zombie && known_of(client, call->arn)->ended;
		engine_describe(engine, str_of(call->arn), on_described, call);
		break;
	case CALL_HISTORY: {
		call->knew_end |= !call->page && !node->zombie && known_of(client, call->arn)->ended;
		struct history_request request = { .execution_arn = str_of(call->arn), .reverse = call->reverse,
						   .count = 1 + (uint32_t)random_below(&sim->chance, 30), .token = str_of(call->page ? call->page : absent_text) };
		engine_history(engine, &request, on_events, call);
		break;
	}
	case CALL_LIST: {
		struct list_request request = { .machine_arn = str_of(arn), .status = -1, .token = STR_EMPTY, .count = 10 };
		engine_list(engine, &request, on_list, call);
		break;
	}
	case CALL_STOP:
		model_find(&sim->model, known_of(client, call->arn)->id)->stop_asked = true;
		engine_stop(engine, str_of(call->arn), STR("Sim.Stopped"), absent, on_stopped, call);
		break;
	case CALL_REDRIVE: {
		struct fact *fact = fact_of(call);
		known_of(client, call->arn)->ended = false;
		call->redrives_asked = ++fact->redrives_asked;
		call->redrivable = is_redrivable(fact) && !fact->redrives_open;
		fact->redrives_open++;
		engine_redrive(engine, str_of(call->arn), on_redriven, call);
		break;
	}
	case CALL_EXPRESS: {
		char input[30];
		snprintf(input, sizeof input, "{\"n\":%u}", call->n);
		struct start_request request = { .machine_arn = str_of(arn), .name = STR_EMPTY, .input = str_of(input), .trace_header = STR_EMPTY };
		(call->synchronous ? engine_start_sync : engine_start)(engine, &request, on_express, call);
		break;
	}
	case CALL_TOKEN:
		ask_token(call, engine);
		break;
	}
}

/* Most often so that what has failed can go on with it. */
void client_update(struct client *client, unsigned index)
{
	struct sim *sim = client->sim;
	struct call *call = call_new(client, CALL_UPDATE, sim->now_ms);
	struct machine_plan *machine = &sim->machines[call->machine = index];
	json_t *definition = generate_revision(machine->definition, ++machine->revisions, random_below(&sim->chance, 4) == 0);
	call->definition = json_dumps(definition, JSON_COMPACT);
	json_decref(definition);
}

/* What a client might want to know, now and then. */
static void have_a_whim(struct client *client)
{
	struct sim *sim = client->sim;
	client->whims_left--;
	client->next_whim_ms = sim->now_ms + sim_delay(sim, 20000);
	unsigned which = (unsigned)random_below(&sim->chance, 10);
	if (sim->standard_count < sim->machines_count && random_below(&sim->chance, 4) == 0) {
		struct call *call = call_new(client, CALL_EXPRESS, sim->now_ms);
		call->machine = sim->standard_count;
		call->synchronous = random_below(&sim->chance, 3);
		call->n = (unsigned)random_below(&sim->chance, 6);
		return;
	}
	if (random_below(&sim->chance, 10) == 0 && random_below(&sim->chance, 1000) < sim->temper.update) {
		client_update(client, (unsigned)random_below(&sim->chance, sim->standard_count));
		return;
	}
	if (which < 2) {
		unsigned start = (unsigned)random_below(&sim->chance, sim->starts_count);
		if (!sim->starts[start].name[0])
			return;
		struct call *call = call_new(client, CALL_START, sim->now_ms);
		call->machine = sim->starts[start].machine;
		call->start = start;
		/* Only of one that is there: else this one would make it. */
		struct fact *fact = model_named(&sim->model, call->machine, sim->starts[start].name);
		call->other_input = fact && which == 1;
		return;
	}
	if (which == 2) {
		call_new(client, CALL_LIST, sim->now_ms)->machine = (unsigned)random_below(&sim->chance, sim->standard_count);
		return;
	}
	if (!client->known_count)
		return;
	const struct known *known = &client->known[random_below(&sim->chance, client->known_count)];
	enum call_kind kind = which < 6 ? CALL_DESCRIBE : CALL_HISTORY;
	if (which == 9 && random_below(&sim->chance, 1000) < sim->temper.stop)
		kind = CALL_STOP;
	if ((which == 5 || which == 8) && random_below(&sim->chance, 1000) < sim->temper.redrive)
		kind = CALL_REDRIVE;
	struct call *call = call_new(client, kind, sim->now_ms);
	call->arn = mem_strdup(known->arn);
	call->reverse = kind == CALL_HISTORY && random_below(&sim->chance, 2);
	call->next_event = call->reverse ? 0 : 1;
}

static bool may_ask(const struct call *call)
{
	if (call->node)
		return false;
	if (call->kind == CALL_CREATE || call->kind == CALL_ACTIVITY)
		return true;
	/* A machine may use the activity and any of the others. */
	for (unsigned i = 0; i < call->client->sim->machines_count; i++)
		if (!call->client->created[i])
			return false;
	return call->client->activity;
}

int64_t client_next_ms(const struct client *client)
{
	int64_t next_ms = client->whims_left ? client->next_whim_ms : INT64_MAX;
	for (const struct call *call = client->calls; call; call = call->next)
		if (may_ask(call) && call->at_ms < next_ms)
			next_ms = call->at_ms;
	return next_ms;
}

void client_act(struct client *client)
{
	struct sim *sim = client->sim;
	if (client->whims_left && client->next_whim_ms <= sim->now_ms)
		have_a_whim(client);
	for (struct call *call = client->calls; call; call = call->next) {
		if (!may_ask(call) || call->at_ms > sim->now_ms)
			continue;
		struct node *node = sim->zombie && random_below(&sim->chance, 3) == 0 ? sim->zombie : sim->node;
		if (node && !node->dying)
			ask(call, node);
		else
			call->at_ms = sim->now_ms + 1 + sim_delay(sim, 500);
		return;
	}
}

void client_lost(struct client *client, const struct node *node)
{
	for (struct call *call = client->calls; call; call = call->next) {
		if (call->node == node && call->kind == CALL_REDRIVE)
			fact_of(call)->redrives_open--;
		if (call->node == node)
			ask_again(call);
	}
}

size_t client_known_count(const struct client *client)
{
	return client->known_count;
}

struct str client_known_arn(const struct client *client, size_t index)
{
	return str_of(client->known[index].arn);
}

void client_forget_end(struct client *client, uint64_t id)
{
	for (size_t i = 0; i < client->known_count; i++)
		if (client->known[i].id == id)
			client->known[i].ended = false;
}

void client_redrive(struct client *client, uint64_t id)
{
	for (size_t i = 0; i < client->known_count; i++)
		if (client->known[i].id == id) {
			struct call *call = call_new(client, CALL_REDRIVE, client->sim->now_ms + sim_delay(client->sim, 1000));
			call->arn = mem_strdup(client->known[i].arn);
			return;
		}
}

/* ---- task tokens ----------------------------------------------------------------------------------------------- */

static struct call *token_call(const struct client *client, uint64_t execution_id, uint64_t event_id)
{
	for (struct call *call = client->calls; call; call = call->next)
		if (call->kind == CALL_TOKEN && call->execution_id == execution_id && call->event_id == event_id)
			return call;
	return NULL;
}

void client_token(struct client *client, uint64_t execution_id, uint64_t event_id, const char *token, const struct script *script)
{
	struct sim *sim = client->sim;
	struct call *call = token_call(client, execution_id, event_id);
	if (call) {
		if (strcmp(call->token, token) != 0)
			sim_fail(sim, "task %llx/%llu has two tokens", (unsigned long long)execution_id, (unsigned long long)event_id);
		return;
	}
	call = call_new(client, CALL_TOKEN, sim->now_ms + sim_delay(sim, 5 * sim->temper.task_ms));
	call->execution_id = execution_id;
	call->event_id = event_id;
	call->token = mem_strdup(token);
	call->script = *script;
	json_incref(call->script.output);
}

bool client_holds_token(const struct client *client, uint64_t execution_id, uint64_t event_id)
{
	return token_call(client, execution_id, event_id);
}

bool client_satisfied(const struct client *client)
{
	for (const struct call *call = client->calls; call; call = call->next)
		if (call->kind != CALL_POLL)
			return false;
	return !client->whims_left;
}

/* ---- the end ------------------------------------------------------------------------------------------------------ */

/* Equal but for causes that the oracle leaves open ("*"). */
static bool agrees(json_t *expected, json_t *found)
{
	if (json_is_string(expected) && strcmp(json_string_value(expected), "*") == 0)
		return json_is_string(found);
	if (json_typeof(expected) != json_typeof(found))
		return json_is_number(expected) && json_is_number(found) && json_number_value(expected) == json_number_value(found);
	if (json_is_object(expected)) {
		const char *key;
		json_t *value;
		if (json_object_size(expected) != json_object_size(found))
			return false;
		json_object_foreach(expected, key, value)
			if (!json_object_get(found, key) || !agrees(value, json_object_get(found, key)))
				return false;
		return true;
	}
	if (json_is_array(expected)) {
		if (json_array_size(expected) != json_array_size(found))
			return false;
		for (size_t i = 0; i < json_array_size(expected); i++)
			if (!agrees(json_array_get(expected, i), json_array_get(found, i)))
				return false;
		return true;
	}
	return json_equal(expected, found);
}

static const char *or_none(const char *text)
{
	return text ? text : "";
}

static bool agrees_with(const struct verdict *verdict, const struct fact *fact)
{
	switch (verdict->end) {
	case VERDICT_SUCCEEDS: {
		if (fact->end != EVENT_EXECUTION_SUCCEEDED)
			return false;
		json_t *found = json_loads(fact->output, JSON_DECODE_ANY, NULL);
		bool same = found && agrees(verdict->output, found);
		json_decref(found);
		return same;
	}
	case VERDICT_FAILS:
		return fact->end == EVENT_EXECUTION_FAILED && strcmp(or_none(fact->error), verdict->error) == 0 &&
		       (!verdict->cause || strcmp(or_none(fact->cause), verdict->cause) == 0);
	case VERDICT_TIMES_OUT:
		return fact->end == EVENT_EXECUTION_TIMED_OUT;
	}
	return false;
}

static void check_outcome(struct client *client, const struct fact *fact, const struct start_plan *plan)
{
	struct sim *sim = client->sim;
	/* A child ends with its parent, who waits for it. */
	if (fact->end == EVENT_EXECUTION_ABORTED && fact->waited_for)
		return;
	if (fact->end == EVENT_EXECUTION_ABORTED && fact->stop_asked)
		return;
	if (plan->verdict.ambiguous) {
		sim->ambiguous++;
		return;
	}
	sim->compared++;
	if (agrees_with(&plan->verdict, fact))
		return;
	char *output = plan->verdict.output ? json_dumps(plan->verdict.output, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
	sim_fail(sim, "%s ended with %s %s %s %s, expected %s %s %s\nthe state machine: %s\nthe input: %s", fact->name ? fact->name : "one without name",
		 event_type_name(fact->end), or_none(fact->output), or_none(fact->error), or_none(fact->cause),
		 output ? output : "a failure", or_none(plan->verdict.error), or_none(plan->verdict.cause), sim->machines[plan->machine].text, plan->text);
}

/* The plan of an execution: by its name, or any with its machine and input. */
static const struct start_plan *plan_of(const struct sim *sim, const struct fact *fact)
{
	for (unsigned i = 0; i < sim->starts_count; i++) {
		const struct start_plan *plan = &sim->starts[i];
		if (plan->machine == fact->machine && strcmp(plan->text, fact->input) == 0 && strcmp(or_none(fact->name), plan->name) == 0)
			return plan;
	}
	return NULL;
}

/* One that another execution started. */
static void check_child(struct client *client, const struct fact *fact)
{
	struct start_plan plan = { .machine = fact->machine, .text = fact->input, .input = json_loads(fact->input, 0, NULL) };
	oracle_run(client->sim->machines, plan.machine, plan.input, &plan.verdict);
	check_outcome(client, fact, &plan);
	verdict_done(&plan.verdict);
	json_decref(plan.input);
}

/* There are causes in its output that differ from run to run. */
static bool leaves_open(const struct verdict *verdict)
{
	_cleanup_free_ char *text = json_dumps(verdict->output, JSON_COMPACT | JSON_ENCODE_ANY);
	return text && strstr(text, "\"*\"");
}

void client_check_end(struct client *client)
{
	struct sim *sim = client->sim;
	struct model *model = &sim->model;
	for (size_t i = 0; i < client->known_count; i++)
		if (!model_find(model, client->known[i].id)->ended)
			sim_fail(sim, "%s never ended", client->known[i].arn);
	for (size_t i = 0; i < model->count; i++) {
		const struct fact *fact = model->facts[i];
		const struct start_plan *plan = plan_of(sim, fact);
		if (plan)
			check_outcome(client, fact, plan);
		else if (strstr(fact->input, "\"child\""))
			check_child(client, fact);
		else
			sim_fail(sim, "an execution was begun that nobody started: %s", or_none(fact->name));
	}
	for (unsigned i = 0; i < sim->starts_count; i++) {
		const struct start_plan *plan = &sim->starts[i];
		struct fact *fact = plan->name[0] ? model_named(model, plan->machine, plan->name) : NULL;
		if (plan->name[0] && !fact)
			sim_fail(sim, "%s was started, and is not there", plan->name);
		if (fact)
			sim->outcomes[i] = (struct came_to){ .there = true, .stopped = fact->stop_asked || plan->verdict.ambiguous || leaves_open(&plan->verdict), .end = fact->end,
							     .output = fact->output ? mem_strdup(fact->output) : NULL,
							     .error = fact->error ? mem_strdup(fact->error) : NULL,
							     .cause = fact->cause ? mem_strdup(fact->cause) : NULL };
	}
}
