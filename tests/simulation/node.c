/* node.c: a process of the simulated world: a loop, an engine, its connector and its door to the disk.
 *
 * It may die at any of its effects: from that moment on nothing it does is seen by anybody, as if the power had gone in the middle of the
 * turn. The objects themselves are taken apart when the turn has returned; the engine is freed without a drain. */
#include "tests/simulation/sim.h"
#include <stdlib.h>

/* ---- the loop ------------------------------------------------------------------------------- */

static struct node *of(struct loop *loop)
{
	return (struct node *)((char *)loop - offsetof(struct node, loop));
}

static void no_watch(struct loop *loop, struct loop_watch *watch, int fd, unsigned events)
{
	sim_fail(of(loop)->sim, "a descriptor is watched");
}

static void no_unwatch(struct loop *loop, struct loop_watch *watch)
{
}

static int64_t due_of(const struct loop_timer *timer)
{
	return (int64_t)(intptr_t)timer->impl;
}

static void timer_clear(struct loop *loop, struct loop_timer *timer)
{
	struct node *node = of(loop);
	for (size_t i = 0; timer->active && i < node->timers_count; i++)
		if (node->timers[i] == timer) {
			memmove(&node->timers[i], &node->timers[i + 1], (--node->timers_count - i) * sizeof *node->timers);
			break;
		}
	timer->active = false;
}

static void timer_set(struct loop *loop, struct loop_timer *timer, int64_t delay_ms)
{
	struct node *node = of(loop);
	timer_clear(loop, timer);
	timer->impl = (void *)(intptr_t)(node->sim->now_ms + (delay_ms > 0 ? delay_ms : 0));
	timer->active = true;
	MEM_GROW(node->timers, node->timers_capacity, node->timers_count + 1);
	node->timers[node->timers_count++] = timer;
}

static void post(struct loop *loop, struct loop_post *item)
{
	struct node *node = of(loop);
	item->next = NULL;
	*node->posts_tail = item;
	node->posts_tail = &item->next;
}

static void set_turn(struct loop *loop, bool (*callback)(void *data), void *data)
{
	of(loop)->turn = callback;
	of(loop)->turn_data = data;
}

static bool run_post(struct node *node)
{
	struct loop_post *item = node->posts;
	if (!item)
		return false;
	if (!(node->posts = item->next))
		node->posts_tail = &node->posts;
	item->callback(item);
	return true;
}

/* The timer that is due first; of equal ones, the one that was set first. */
static struct loop_timer *first_timer(const struct node *node)
{
	struct loop_timer *first = NULL;
	for (size_t i = 0; i < node->timers_count; i++)
		if (!first || due_of(node->timers[i]) < due_of(first))
			first = node->timers[i];
	return first;
}

int64_t node_next_ms(const struct node *node)
{
	if (node->posts || node->more)
		return node->sim->now_ms;
	const struct loop_timer *timer = first_timer(node);
	return timer ? due_of(timer) : INT64_MAX;
}

void node_iterate(struct node *node)
{
	/* Sometimes the turn comes after each single event, sometimes after all that wait. */
	unsigned events = sim_happens(node->sim, 300) ? 1 : 1000;
	for (unsigned i = 0; i < events && !node->dying; i++) {
		struct loop_timer *timer = first_timer(node);
		bool due = timer && due_of(timer) <= node->sim->now_ms;
		if (due && (!node->posts || random_below(&node->sim->chance, 2))) {
			timer_clear(&node->loop, timer);
			timer->callback(timer);
		} else if (!run_post(node)) {
			break;
		}
	}
	node->more = !node->dying && node->turn && node->turn(node->turn_data);
}

bool node_effect(struct node *node)
{
	struct sim *sim = node->sim;
	if (!node->dying && !sim_calm(sim) && random_below(&sim->chance, 10000) < sim->temper.die_at_effect) {
		node->dying = true;
		node->why = "at an effect";
	}
	return !node->dying;
}

/* ---- the connector -------------------------------------------------------------------------- */

struct node_task {
	struct node_task *next;
	struct node *node;
	struct task_key key;
	struct loop_timer timer;
	struct script script;
	unsigned beats;
	bool cancelled; /* its answer comes late, all the same */
	bool told; /* it has been reported; once more will do no harm */
};

static bool connector_accepts(const struct connector *connector, struct str type, struct str api)
{
	static const char *const types[] = { "sim", "lambda", "http", "exec" }; /* the last two tell targets */
	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		if (str_eqz(type, types[i]))
			return true;
	return false;
}

/* A gate, which checks what is started; behind it the product's functions, if there are any; and last what does as scripted. */
struct sim_connector {
	struct connector connector; /* first */
	struct node *node;
	struct connector *next; /* of the gate */
};

static struct sim_connector *sim_of(struct connector *connector)
{
	return (struct sim_connector *)connector;
}

static void free_task(struct node_task *task)
{
	struct node *node = task->node;
	for (struct node_task **at = &node->tasks; *at; at = &(*at)->next)
		if (*at == task) {
			*at = task->next;
			break;
		}
	timer_clear(&node->loop, &task->timer);
	json_decref(task->script.output);
	free(task);
}

static void report(struct node_task *task)
{
	struct connector_host *host = task->node->connector->host;
	struct task_result result = { .end = TASK_FAILED, .error = str_of(task->script.error), .cause = str_of(task->script.cause) };
	char *text = NULL;
	if (task->script.by_token) {
		result = (struct task_result){ .end = TASK_SUCCEEDED, .output = value_new_null() };
	} else if (task->script.output) {
		text = json_dumps(task->script.output, JSON_COMPACT | JSON_ENCODE_ANY);
		result = (struct task_result){ .end = TASK_SUCCEEDED, .output = value_from_trusted_text(str_of(text)) };
	}
	sim_note(task->node->sim, "finished", task->key.execution_id, task->key.event_id);
	host->finished(host, task->key, &result);
	value_unref(result.output);
	free(text);
}

static void task_over(struct loop_timer *timer)
{
	struct node_task *task = timer->data;
	struct sim *sim = task->node->sim;
	if (!task->told && !task->cancelled)
		task->node->tasks_running--;
	report(task);
	if (!task->told && !task->cancelled && sim_happens(sim, sim->temper.twice)) {
		task->told = true;
		timer_set(&task->node->loop, timer, sim_delay(sim, 50));
		return;
	}
	free_task(task);
}

static void task_beats(struct loop_timer *timer)
{
	struct node_task *task = timer->data;
	struct connector_host *host = task->node->connector->host;
	host->heartbeat(host, task->key);
	if (--task->beats == 0)
		timer->callback = task_over;
	timer_set(&task->node->loop, timer, 30000);
}

static char *text_of(struct str text)
{
	return mem_strndup(text.ptr, text.len);
}

/* No command before its commit: the task's scheduled event is durable, with these parameters; and a process starts a task once. */
static void check_start(struct node *node, const struct task_request *request)
{
	struct sim *sim = node->sim;
	struct fact *fact = model_find(&sim->model, request->key.execution_id);
	struct task_fact *task = fact ? u64_map_get(&fact->tasks, request->key.event_id) : NULL;
	bool express = request->key.execution_id & SIM_EXPRESS_BIT; /* or that of no execution */
	if (!task && !express)
		sim_fail(sim, "task %llx/%llu is started before its commit", (unsigned long long)request->key.execution_id,
			 (unsigned long long)request->key.event_id);
	struct str key = { (const char *)&request->key, sizeof request->key };
	if (str_map_put(&node->started, key, node))
		sim_fail(sim, "task %llx/%llu is started twice by one process", (unsigned long long)request->key.execution_id,
			 (unsigned long long)request->key.event_id);
	struct str parameters = value_text(request->parameters);
	if (express)
		;
	else if (!task->parameters)
		task->parameters = text_of(parameters);
	else if (!str_eqz(parameters, task->parameters))
		sim_fail(sim, "task %llx/%llu is started again with other parameters: %.*s, before: %s",
			 (unsigned long long)request->key.execution_id, (unsigned long long)request->key.event_id, STR_FMT(parameters),
			 task->parameters);
	if (node->connector->class->running(node->connector) >= (unsigned)sim->limits.tasks_in_flight)
		sim_fail(sim, "more than %lld tasks are in flight", (long long)sim->limits.tasks_in_flight);
}

static void find_script(struct node *node, const struct task_request *request, struct script *ret_script)
{
	/* The last part of the ARN, without its pattern. */
	_cleanup_free_ char *arn = text_of(request->resource_arn);
	char *api = strrchr(arn, ':') + 1, *pattern = strchr(api, '.');
	if (pattern)
		*pattern = 0;
	struct str text = value_text(request->parameters);
	json_t *parameters = json_loadb(text.ptr, text.len, JSON_DECODE_ANY, NULL);
	script_of(api, request->attempt, parameters, ret_script);
	if (ret_script->by_token)
		client_token(node->sim->client, request->key.execution_id, request->key.event_id,
			     json_string_value(json_object_get(parameters, "token")), ret_script);
	json_decref(parameters);
}

static int gate_start(struct connector *connector, const struct task_request *request, struct wf_error *err)
{
	struct node *node = sim_of(connector)->node;
	struct connector *next = sim_of(connector)->next;
	if (!node_effect(node))
		return 0;
	sim_note(node->sim, "start", request->key.execution_id, request->key.event_id);
	check_start(node, request);
	node->sim->tasks++;
	return next->class->start(next, request, err);
}

static int scripted_start(struct connector *connector, const struct task_request *request, struct wf_error *err)
{
	struct node *node = sim_of(connector)->node;
	struct sim *sim = node->sim;
	struct script script;
	if (request->key.execution_id == TRIAL_EXECUTION)
		targets_told(node, request, &script);
	else
		find_script(node, request, &script);
	if (script.end == SCRIPT_REFUSES) {
		json_decref(script.output);
		return error_set(err, ERR(INVALID), "%s", script.cause);
	}
	struct node_task *task = NEW(struct node_task);
	*task = (struct node_task){ .next = node->tasks, .node = node, .key = request->key, .script = script,
				    .timer = { .callback = task_over, .data = task } };
	node->tasks = task;
	node->tasks_running++;
	if (script.end == SCRIPT_BEATS) {
		task->beats = 1 + (unsigned)random_below(&sim->chance, 8);
		task->timer.callback = task_beats;
	}
	if (script.end != SCRIPT_NEVER)
		timer_set(&node->loop, &task->timer, sim_delay(sim, sim->temper.task_ms));
	return 0;
}

static struct node_task *find_task(const struct node *node, uint64_t execution_id, uint64_t event_id)
{
	for (struct node_task *task = node->tasks; task; task = task->next)
		if (task->key.execution_id == execution_id && task->key.event_id == event_id && !task->cancelled && !task->told)
			return task;
	return NULL;
}

static void gate_cancel(struct connector *connector, struct task_key key)
{
	struct connector *next = sim_of(connector)->next;
	if (!node_effect(sim_of(connector)->node))
		return;
	sim_note(sim_of(connector)->node->sim, "cancel", key.execution_id, key.event_id);
	next->class->cancel(next, key);
}

static void scripted_cancel(struct connector *connector, struct task_key key)
{
	struct node *node = sim_of(connector)->node;
	struct node_task *task = find_task(node, key.execution_id, key.event_id);
	if (!task)
		return;
	node->tasks_running--;
	if (!sim_happens(node->sim, node->sim->temper.late)) {
		free_task(task);
		return;
	}
	task->cancelled = true;
	task->timer.callback = task_over;
	timer_set(&node->loop, &task->timer, sim_delay(node->sim, 2000));
}

bool node_runs_task(const struct node *node, uint64_t execution_id, uint64_t event_id)
{
	return find_task(node, execution_id, event_id);
}

bool node_runs_for_result(const struct node *node, uint64_t execution_id, uint64_t event_id)
{
	const struct node_task *task = find_task(node, execution_id, event_id);
	return task && !task->script.by_token;
}

static uint32_t gate_running(const struct connector *connector)
{
	const struct connector *next = ((const struct sim_connector *)connector)->next;
	return next->class->running(next);
}

static uint32_t scripted_running(const struct connector *connector)
{
	return ((const struct sim_connector *)connector)->node->tasks_running;
}

static void gate_free(struct connector *connector)
{
	struct connector *next = sim_of(connector)->next;
	next->class->free(next);
	free(connector);
}

static void scripted_free(struct connector *connector)
{
	struct node *node = sim_of(connector)->node;
	while (node->tasks)
		free_task(node->tasks);
	free(connector);
}

static const struct connector_class gate_class = { "sim", connector_accepts, gate_start, gate_cancel, gate_running, gate_free };
static const struct connector_class scripted_class = { "sim", connector_accepts, scripted_start, scripted_cancel, scripted_running, scripted_free };

static struct connector *connector_new(struct node *node, const struct connector_class *class, struct connector *next)
{
	struct sim_connector *connector = NEW(struct sim_connector);
	*connector = (struct sim_connector){ .connector = { class, engine_host(node->engine) }, .node = node, .next = next };
	return &connector->connector;
}

/* ---- life --------------------------------------------------------------------------------------- */

static void on_fatal(void *data, const char *reason)
{
	struct node *node = data;
	sim_note(node->sim, reason, node->number, 0);
	node->dying = true;
	node->why = "by itself";
}

struct node *node_new(struct sim *sim)
{
	struct node *node = NEW(struct node);
	node->sim = sim;
	node->number = ++sim->nodes;
	node->loop = (struct loop){ .watch = no_watch, .unwatch = no_unwatch, .timer_set = timer_set, .timer_clear = timer_clear, .post = post,
				    .set_turn = set_turn };
	node->posts_tail = &node->posts;
	node->dies_ms = INT64_MAX;
	if (sim->temper.die_every_ms && !sim_calm(sim))
		node->dies_ms = sim->now_ms + (int64_t)random_below(&sim->chance, (uint64_t)(2 * sim->temper.die_every_ms));
	sim_note(sim, "process", node->number, 0);
	node->store = front_new(node);
	struct engine_options options = { .loop = &node->loop, .clock = &sim->clock, .store = node->store, .limits = sim->limits,
					  .seed = random_u64(&sim->chance) | 1, .fatal = on_fatal, .fatal_data = node };
	struct wf_error err = { 0 };
	if (engine_new(&options, &node->engine, &err) < 0)
		sim_fail(sim, "a process cannot begin: %s", err.message);
	struct connector *behind = connector_new(node, &scripted_class, NULL);
	node->connector = connector_new(node, &gate_class, sim->functions ? workers_new(node, behind) : behind);
	engine_add_connector(node->engine, node->connector);
	targets_configure(node);
	engine_recover(node->engine);
	return node;
}

void node_free(struct node *node)
{
	if (!node)
		return;
	node->dying = true;
	client_lost(node->sim->client, node);
	driver_lost(node->sim->driver, node);
	engine_free(node->engine);
	front_drop(node->store);
	while (run_post(node))
		;
	if (node->timers_count)
		sim_fail(node->sim, "a process that is gone left a timer");
	free(node->timers);
	str_map_done(&node->started);
	str_map_done(&node->events_given);
	free(node);
}

bool node_at_rest(const struct node *node)
{
	const struct engine *engine = node->engine;
	return !node->posts && !node->more && !node->dying && front_at_rest(node->store) && !engine->ready.first && !engine->batches.first &&
	       !engine->failed.first && !engine->due.first && !engine->changes.first && !engine->recovery.active &&
	       !engine->recovery.horizon_listing && !engine->recovery.loading && !engine->dispatch.queue_first;
}
