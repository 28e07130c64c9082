/* workers.c: functions: the product's connector, with its queues and pools, whose workers are scripts.
 *
 * A worker takes its time to begin, or cannot; it answers what script.c says, or crashes, or says nothing more; it ends when it is told to. Whatever
 * happens: no more workers than a function and all of them may have, the room that a function has reserved is its own, a worker has one event at a time
 * and an event one worker, and nobody waits while there is one for him. */
#include "tests/simulation/sim.h"
#include "connectors/function/room.h"
#include <stdlib.h>

/* Of a failure that only chance brings nothing may depend: such tasks are tried until they work (generate.c). */
static const char config[] =
    "{\"fn-echo\": {\"handler\": \"/\", \"runtime\": \"python\", \"entry\": \"m.f\", \"timeout_s\": 20, \"max_concurrent\": 2, \"reserved\": 1, \"idle_s\": 5},"
    " \"fn-add\": {\"handler\": \"/\", \"runtime\": \"python\", \"entry\": \"m.f\", \"timeout_s\": 20, \"max_concurrent\": 3, \"idle_s\": 30, \"warm\": 1},"
    " \"fn-odd\": {\"handler\": \"/\", \"runtime\": \"python\", \"entry\": \"m.f\", \"timeout_s\": 20, \"max_concurrent\": 1, \"queue\": 4}}";

enum act { BEGINS, CANNOT_BEGIN, CRASHES, ANSWERS, ASKS, ENDS };

struct scripted { /* a worker's side */
	struct worker *worker;
	struct node *node;
	struct loop_timer timer;
	enum act act; /* when the timer fires */
	bool ending;
};

static struct node *node_of(const struct functions *functions)
{
	struct engine *engine = (struct engine *)((char *)functions->host - offsetof(struct engine, dispatch.host));
	return engine->fatal_data;
}

static void set(struct scripted *scripted, enum act act, unsigned most_ms)
{
	scripted->act = act;
	loop_timer_set(&scripted->node->loop, &scripted->timer, sim_delay(scripted->node->sim, most_ms));
}

/* ---- what must hold ------------------------------------------------------------------------------------ */

/* Room that others have reserved and do not use. */
static unsigned kept_for_others(const struct function *function)
{
	unsigned kept = 0;
	for (const struct function *other = function->owner->all; other; other = other->next)
		if (other != function && other->workers_count < other->reserved)
			kept += other->reserved - other->workers_count;
	return kept;
}

static bool has_room(const struct function *function, unsigned workers, unsigned all)
{
	if (workers > function->max_concurrent)
		return false;
	return workers <= function->reserved || all + kept_for_others(function) <= (unsigned)function->owner->host->limits->function_workers;
}

static void check_room(const struct sim *sim, const struct function *function)
{
	if (!has_room(function, function->workers_count, function->owner->workers_count))
		sim_fail((struct sim *)sim, "%s begins worker %u of %u, all have %u, and others have reserved %u", function->name, function->workers_count,
			 function->max_concurrent, function->owner->workers_count, kept_for_others(function));
}

/* Tasks that wait, or that a worker has. */
static size_t tasks_of(const struct version *version)
{
	size_t count = 0;
	for (const struct invocation *invocation = version->queue.first; invocation; invocation = invocation->next)
		count += invocation->of_task;
	for (const struct worker *worker = version->workers.first; worker; worker = worker->next)
		count += worker->invocation && worker->invocation->of_task;
	return count;
}

/* At rest nobody waits for what is there, and nobody is forgotten. */
void workers_check_rest(struct node *node)
{
	const struct functions *functions = node->functions;
	size_t tasks = 0;
	for (const struct function *function = functions ? functions->all : NULL; function; function = function->next)
		for (const struct version *version = function->versions; version; version = version->next) {
			tasks += tasks_of(version);
			if (version->queued && version->idle)
				sim_fail(node->sim, "%u wait for %s, which has %u idle workers", version->queued, function->name, version->idle_count);
			bool looks = functions->schedule_timer.active || functions->impatience.active;
			if (version->queued > version->starting && !looks && has_room(function, function->workers_count + 1, functions->workers_count + 1))
				sim_fail(node->sim, "%u wait for %s, which has %u workers, and room for more", version->queued, function->name,
					 function->workers_count);
		}
	for (const struct invocation *invocation = functions ? functions->answered.first : NULL; invocation; invocation = invocation->next)
		tasks += invocation->of_task;
	if (functions && tasks != functions->tasks.count)
		sim_fail(node->sim, "%zu tasks wait for functions, and %zu of them are known", functions->tasks.count, tasks);
}

bool workers_run(const struct node *node, uint64_t execution_id, uint64_t event_id)
{
	struct task_key key = { execution_id, event_id };
	return node->functions && str_map_get(&node->functions->tasks, (struct str){ (const char *)&key, sizeof key });
}

/* ---- the launcher ---------------------------------------------------------------------------------------- */

static void answer(struct scripted *scripted)
{
	struct invocation *invocation = scripted->worker->invocation;
	json_t *event = json_loadb(invocation->event, invocation->event_len, JSON_DECODE_ANY, NULL);
	struct script script;
	script_of(scripted->worker->version->function->name, invocation->attempt, event, &script);
	json_t *payload = script.end == SCRIPT_ANSWERS ? json_incref(script.output) :
							 json_pack("{s:s, s:s}", "errorType", script.error, "errorMessage", script.cause);
	char *text = json_dumps(payload, JSON_COMPACT | JSON_ENCODE_ANY);
	(script.end == SCRIPT_ANSWERS ? invocation_return : invocation_fail)(invocation, str_of(text));
	free(text);
	json_decref(payload);
	json_decref(script.output);
	json_decref(event);
	set(scripted, ASKS, random_below(&scripted->node->sim->chance, 4) ? 5 : 100);
}

static void on_time(struct loop_timer *timer)
{
	struct scripted *scripted = timer->data;
	struct worker *worker = scripted->worker;
	sim_note(scripted->node->sim, "worker", scripted->act, worker->invocations);
	switch (scripted->act) {
	case BEGINS:
	case ASKS:
		worker_asks(worker);
		break;
	case CANNOT_BEGIN:
		worker_start_failed(worker, &(struct guard_report){ .kind = GUARD_START_FAILED, .number = 2 });
		break;
	case ANSWERS:
		answer(scripted);
		break;
	case CRASHES:
	case ENDS:
		worker_ended(worker, &(struct guard_report){ .kind = GUARD_ENDED, .number = 9, .by_signal = 1 });
		break;
	}
}

static int launch(struct worker *worker, struct invocation *invocation, struct wf_error *err)
{
	struct node *node = node_of(worker->functions);
	struct sim *sim = node->sim;
	check_room(sim, worker->version->function);
	struct scripted *scripted = worker->launched = NEW(struct scripted);
	*scripted = (struct scripted){ .worker = worker, .node = node, .timer = { .callback = on_time, .data = scripted } };
	sim->workers++;
	if (!sim_happens(sim, sim->temper.cold)) {
		set(scripted, BEGINS, sim->temper.task_ms / 4);
		return 0;
	}
	sim->crashes++;
	switch (random_below(&sim->chance, 4)) {
	case 0:
		return error_set(err, ERR(IO), "there is no process for it");
	case 1:
		set(scripted, CANNOT_BEGIN, 50);
		return 0;
	case 2:
		set(scripted, CRASHES, 50);
		return 0;
	default: /* it never asks */
		return 0;
	}
}

static void deliver(struct worker *worker, const struct invocation *invocation)
{
	struct scripted *scripted = worker->launched;
	struct sim *sim = scripted->node->sim;
	if (scripted->ending || scripted->timer.active)
		sim_fail(sim, "a worker of %s that has not asked is given an event", worker->version->function->name);
	if (str_map_put(&scripted->node->events_given, str_of(invocation->request_id), worker))
		sim_fail(sim, "an event for %s is given to two workers", worker->version->function->name);
	sim->invocations++;
	if (!sim_happens(sim, sim->temper.crash)) {
		set(scripted, ANSWERS, sim->temper.task_ms / 10);
		return;
	}
	sim->crashes++;
	if (random_below(&sim->chance, 2)) /* else it never answers */
		set(scripted, CRASHES, sim->temper.task_ms);
}

static void drain(struct worker *worker)
{
}

static void kill_worker(struct worker *worker)
{
	struct scripted *scripted = worker->launched;
	if (!scripted->ending)
		set(scripted, ENDS, 30);
	scripted->ending = true;
}

static void release(struct worker *worker)
{
	struct scripted *scripted = worker->launched;
	loop_timer_clear(&scripted->node->loop, &scripted->timer);
	free(scripted);
}

static const struct worker_launcher launcher = { .launch = launch, .deliver = deliver, .drain = drain, .kill = kill_worker, .release = release };

struct connector *workers_new(struct node *node, struct connector *next)
{
	struct value *functions = NULL;
	struct connector *connector = NULL;
	struct wf_error err = { 0 };
	if (value_parse(STR(config), NULL, &functions, &err) < 0)
		sim_fail(node->sim, "the functions are no JSON: %s", err.message);
	struct functions_options options = { .host = engine_host(node->engine), .config = functions, .region = "us-east-1", .account = "000000000000",
					     .folder = "/nowhere", .next = next, .clock = &node->sim->clock, .launcher = &launcher,
					     .seed = random_u64(&node->sim->chance) | 1 };
	if (connector_function_new(&options, &node->functions, &connector, &err) < 0)
		sim_fail(node->sim, "the functions are refused: %s %s", err.where, err.message);
	value_unref(functions);
	return connector;
}
