/* pool.c: how many workers there are, who gets one, and when one goes.
 *
 * Each version has a queue and its workers. An invocation takes an idle worker at once; without one it waits, and as many
 * workers are started as wait, within the function's max_concurrent and the room that all functions share
 * (limits.function_workers). A function's `reserved` part of that room is its own; beyond it those with something queued are
 * served in turn, one worker each round, so that none starves another. Where there is no room, an idle worker of a function
 * that has more than its reserved part makes some.
 *
 * A worker that is still starting is bound to nobody: the first that is ready takes the first that waits. */
#include "connectors/function/room.h"
#include <stdio.h>
#include <stdlib.h>

#define REAP_MS 1000
#define FINISHING_US 20000 /* well below what a cold start takes */

/* ---- the queue ------------------------------------------------------------------------------------ */

static void enqueue(struct version *version, struct invocation *invocation)
{
	invocation->stage = STAGE_QUEUED;
	invocation->next = NULL;
	invocation->previous = version->queue.last;
	*(version->queue.last ? &version->queue.last->next : &version->queue.first) = invocation;
	version->queue.last = invocation;
	version->queued++;
}

static void dequeue(struct version *version, struct invocation *invocation)
{
	*(invocation->previous ? &invocation->previous->next : &version->queue.first) = invocation->next;
	*(invocation->next ? &invocation->next->previous : &version->queue.last) = invocation->previous;
	invocation->next = invocation->previous = NULL;
	version->queued--;
}

void pool_forget(struct invocation *invocation)
{
	dequeue(invocation->version, invocation);
	version_free_if_unused(invocation->version);
}

/* ---- the round of those that wait ------------------------------------------------------------------- */

/* Workers that have given their answer and are about to ask for the next event: within FINISHING_US they are waited for,
 * rather than that another is started. */
static uint32_t finishing(const struct version *version)
{
	uint32_t count = 0;
	int64_t since_us = functions_now_us(version->function->owner) - FINISHING_US;
	for (const struct worker *worker = version->workers.first; worker; worker = worker->next)
		count += worker->state == WORKER_BUSY && !worker->invocation && worker->answered_us > since_us;
	return count;
}

static bool wants_worker(const struct version *version)
{
	return version->queued > version->starting && version->queued > version->starting + finishing(version);
}

static bool function_wants(const struct function *function)
{
	for (const struct version *version = function->versions; version; version = version->next)
		if (wants_worker(version))
			return true;
	return false;
}

static bool has_queued(const struct function *function)
{
	for (const struct version *version = function->versions; version; version = version->next)
		if (version->queued > version->starting)
			return true;
	return false;
}

static void join_round(struct function *function)
{
	struct functions *functions = function->owner;
	if (function->in_round)
		return;
	function->in_round = true;
	function->round = NULL;
	*(functions->round_last ? &functions->round_last->round : &functions->round_first) = function;
	functions->round_last = function;
}

static struct function *take_round(struct functions *functions)
{
	struct function *function = functions->round_first;
	if (!function)
		return NULL;
	functions->round_first = function->round;
	if (!functions->round_first)
		functions->round_last = NULL;
	function->in_round = false;
	return function;
}

void round_leave(struct function *function)
{
	struct functions *functions = function->owner;
	struct function *previous = NULL;
	for (struct function *at = functions->round_first; at; previous = at, at = at->round) {
		if (at != function)
			continue;
		*(previous ? &previous->round : &functions->round_first) = at->round;
		if (functions->round_last == at)
			functions->round_last = previous;
		at->in_round = false;
		return;
	}
}

/* ---- room -------------------------------------------------------------------------------------------- */

static uint32_t workers_max(const struct functions *functions)
{
	return (uint32_t)functions->host->limits->function_workers;
}

/* What the others have reserved and do not use is not for this one. */
static bool has_room(const struct function *function)
{
	const struct functions *functions = function->owner;
	if (function->workers_count >= function->max_concurrent)
		return false;
	if (function->workers_count < function->reserved)
		return true;
	uint64_t taken = functions->workers_count;
	size_t i = 0;
	for (struct str_map_entry *entry; (entry = str_map_next(&functions->by_name, &i));) {
		const struct function *other = entry->value;
		if (other->workers_count < other->reserved)
			taken += other->reserved - other->workers_count;
	}
	return taken < workers_max(functions);
}

/* The worker that has been idle longest, of another function that has more than its reserved part. */
static struct worker *spare_worker(const struct function *function)
{
	const struct functions *functions = function->owner;
	struct worker *spare = NULL;
	size_t i = 0;
	for (struct str_map_entry *entry; (entry = str_map_next(&functions->by_name, &i));) {
		const struct function *other = entry->value;
		if (other == function || other->workers_count <= other->reserved)
			continue;
		for (const struct version *version = other->versions; version; version = version->next)
			for (struct worker *idle = version->idle; idle; idle = idle->idle_next)
				if (!spare || idle->idle_since_us < spare->idle_since_us)
					spare = idle;
	}
	return spare;
}

void pool_take_idle(struct worker *worker)
{
	for (struct worker **at = &worker->version->idle; *at; at = &(*at)->idle_next)
		if (*at == worker) {
			*at = worker->idle_next;
			worker->idle_next = NULL;
			worker->version->idle_count--;
			return;
		}
}

static void end_idle(struct worker *worker)
{
	pool_take_idle(worker);
	worker_kill(worker);
}

/* ---- starting ------------------------------------------------------------------------------------------ */

/* Starts one worker for a version of the function that waits for one. */
static void start_one(struct function *function)
{
	for (struct version *version = function->versions; version; version = version->next) {
		if (!wants_worker(version))
			continue;
		struct wf_error err = { 0 };
		struct invocation *invocation = NULL;
		if (version->settings.runtime == RUNTIME_COMMAND) {
			invocation = version->queue.first;
			dequeue(version, invocation);
			invocation->stage = STAGE_RUNNING;
		}
		function->cold_starts++;
		if (worker_start(version, invocation, &err) == 0)
			return;
		if (invocation) /* in front again, to be told */ {
			invocation->stage = STAGE_QUEUED;
			invocation->previous = NULL;
			invocation->next = version->queue.first;
			*(version->queue.first ? &version->queue.first->previous : &version->queue.last) = invocation;
			version->queue.first = invocation;
			version->queued++;
		}
		pool_start_failed(version, STR_EMPTY, "Runtime.StartFailed", err.message);
		return;
	}
}

static void schedule(struct functions *functions)
{
	/* One worker a function and round; who could not get one stands behind for when there is room again. */
	unsigned blocked = 0, waiting = 0;
	bool look_again = false;
	for (struct function *at = functions->round_first; at; at = at->round)
		waiting++;
	struct function *function;
	while (blocked < waiting && (function = take_round(functions))) {
		if (!function_wants(function)) {
			waiting--;
			look_again |= has_queued(function);
			continue;
		}
		if (has_room(function)) {
			start_one(function);
			blocked = 0;
		} else {
			struct worker *spare =
			    function->workers_count < function->max_concurrent ? spare_worker(function) : NULL;
			if (spare)
				end_idle(spare); /* its place is free when it has ended */
			blocked++;
		}
		if (function_wants(function))
			join_round(function);
		else
			waiting--;
	}
	if (look_again)
		loop_timer_set(functions->host->loop, &functions->impatience, FINISHING_US / 1000 + 1);
}

/* Those that were about to finish may not have; and others may be by now. */
static void on_impatience(struct loop_timer *timer)
{
	struct functions *functions = timer->data;
	size_t i = 0;
	for (struct str_map_entry *entry; (entry = str_map_next(&functions->by_name, &i));)
		if (has_queued(entry->value))
			join_round(entry->value);
	schedule(functions);
}

static void on_schedule(struct loop_timer *timer)
{
	schedule(timer->data);
}

void pool_schedule(struct functions *functions)
{
	if (!functions->ending)
		loop_timer_set(functions->host->loop, &functions->schedule_timer, 0);
}

/* ---- invocations and workers meet ---------------------------------------------------------------------- */

void pool_put(struct version *version, struct invocation *invocation)
{
	struct function *function = version->function;
	invocation->version = version;
	struct worker *worker = version->idle;
	if (worker) {
		version->idle = worker->idle_next;
		worker->idle_next = NULL;
		version->idle_count--;
		worker_give(worker, invocation);
		return;
	}
	if (version->queued >= version->settings.queue_max) {
		function->throttles++;
		invocation_refuse(invocation, 429, "TooManyRequestsException", "Rate Exceeded.");
		return;
	}
	invocation->cold = true;
	enqueue(version, invocation);
	join_round(function);
	/* At once, not in the next iteration: a cold start is long enough. */
	schedule(function->owner);
}

void pool_ready(struct worker *worker)
{
	struct version *version = worker->version;
	if (worker->state == WORKER_STARTING)
		version->starting--;
	worker->state = WORKER_IDLE;
	if (version->queue.first) {
		struct invocation *invocation = version->queue.first;
		dequeue(version, invocation);
		worker_give(worker, invocation);
		return;
	}
	if (worker->stale || !version->current) {
		worker_kill(worker);
		return;
	}
	worker->idle_since_us = functions_now_us(worker->functions);
	worker->idle_next = version->idle;
	version->idle = worker;
	version->idle_count++;
	if (version->function->owner->round_first)
		pool_schedule(version->function->owner); /* others may have use for its place */
}

void pool_start_failed(struct version *version, struct str payload, const char *type, const char *text)
{
	struct invocation *invocation = version->queue.first;
	if (!invocation) {
		function_log(version->function, version, NULL, payload.len ? payload : str_of(text));
		return;
	}
	dequeue(version, invocation);
	if (payload.len)
		invocation_fail(invocation, payload);
	else
		invocation_break(invocation, type, "%s", text);
}

void pool_worker_gone(struct version *version)
{
	struct functions *functions = version->function->owner;
	if (version->queued)
		join_round(version->function);
	pool_schedule(functions);
	version_free_if_unused(version);
}

void pool_retire(struct version *version)
{
	version->current = false;
	for (struct worker *worker = version->workers.first; worker; worker = worker->next)
		worker->stale = true;
	/* What waits stays where it is: it was meant for what was there when it came. */
	while (version->idle)
		end_idle(version->idle);
	version_free_if_unused(version);
}

void pool_prewarm(struct version *version)
{
	if (version->settings.runtime == RUNTIME_COMMAND)
		return;
	while (version->workers_count < version->settings.warm && has_room(version->function)) {
		struct wf_error err = { 0 };
		if (worker_start(version, NULL, &err) < 0)
			return;
	}
}

/* ---- reaping ---------------------------------------------------------------------------------------------- */

static void reap_version(struct version *version)
{
	int64_t before_us = functions_now_us(version->function->owner) - version->settings.idle_ms * 1000;
	for (struct worker *next, *worker = version->idle; worker; worker = next) {
		next = worker->idle_next;
		if (worker->idle_since_us <= before_us && version->workers_count > version->settings.warm)
			end_idle(worker);
	}
	if (version->current)
		pool_prewarm(version);
}

/* A task that waits here for a worker cannot speak for itself: HeartbeatSeconds is for the handler. */
static void beat_for_queued(const struct version *version)
{
	struct connector_host *host = version->function->owner->host;
	for (struct invocation *invocation = version->queue.first; invocation; invocation = invocation->next)
		if (invocation->of_task && host->heartbeat)
			host->heartbeat(host, invocation->key);
}

static void on_reap(struct loop_timer *timer)
{
	struct functions *functions = timer->data;
	size_t i = 0;
	for (struct str_map_entry *entry; (entry = str_map_next(&functions->by_name, &i));) {
		struct function *function = entry->value;
		for (struct version *next, *version = function->versions; version; version = next) {
			next = version->next;
			beat_for_queued(version);
			reap_version(version);
		}
	}
	loop_timer_set(functions->host->loop, &functions->reap_timer, REAP_MS);
}

static void on_answers(struct loop_timer *timer)
{
	invocations_tell(timer->data);
}

void pool_init(struct functions *functions)
{
	functions->schedule_timer = (struct loop_timer){ .callback = on_schedule, .data = functions };
	functions->impatience = (struct loop_timer){ .callback = on_impatience, .data = functions };
	functions->reap_timer = (struct loop_timer){ .callback = on_reap, .data = functions };
	functions->answer_timer = (struct loop_timer){ .callback = on_answers, .data = functions };
}

void pool_begin_reaping(struct functions *functions)
{
	if (!functions->reap_timer.active)
		loop_timer_set(functions->host->loop, &functions->reap_timer, REAP_MS);
}

void pool_done(struct functions *functions)
{
	loop_timer_clear(functions->host->loop, &functions->schedule_timer);
	loop_timer_clear(functions->host->loop, &functions->impatience);
	loop_timer_clear(functions->host->loop, &functions->reap_timer);
	loop_timer_clear(functions->host->loop, &functions->answer_timer);
}
