/* pages.c: /v1/info, /healthz, /metrics.
 *
 * What /metrics says has a bounded number of lines: labels are statuses and connectors, never states;
 * of state machines at most the DEPTHS_SHOWN with most dead letters. */
#include "base/mem.h"
#include "connectors/logs/logs.h"
#include "engine/dead_letters.h"
#include "server/api.h"
#include "server/route.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define DEPTHS_SHOWN 20
#define DEPTHS_MOST 10000

/* ---- metrics ---------------------------------------------------------------------------------- */

static void metric(struct buffer *out, const char *name, const char *type, const char *help)
{
	buffer_printf(out, "# HELP ratchet_%s %s\n# TYPE ratchet_%s %s\n", name, help, name, type);
}

static void simple_metric(struct buffer *out, const char *name, const char *type, const char *help, uint64_t value)
{
	metric(out, name, type, help);
	buffer_printf(out, "ratchet_%s %llu\n", name, (unsigned long long)value);
}

static uint64_t resident_bytes(void)
{
	unsigned long pages_all = 0, pages = 0;
	FILE *file = fopen("/proc/self/statm", "re");
	if (!file)
		return 0;
	if (fscanf(file, "%lu %lu", &pages_all, &pages) != 2)
		pages = 0;
	fclose(file);
	return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* Buckets are cumulative, and the last is all. `connector` is a label; NULL: none. */
static void histogram(struct buffer *out, const char *name, const char *connector, const struct engine_histogram *histogram)
{
	char label[64] = "", only[64] = "";
	uint64_t below = 0;
	if (connector) {
		snprintf(label, sizeof label, "connector=\"%s\",", connector);
		snprintf(only, sizeof only, "{connector=\"%s\"}", connector);
	}
	for (unsigned i = 0; i < ENGINE_HISTOGRAM_BUCKETS - 1; i++) {
		below += histogram->counts[i];
		buffer_printf(out, "ratchet_%s_bucket{%sle=\"%.9g\"} %llu\n", name, label,
			      ENGINE_HISTOGRAM_FIRST_US * (double)(1u << i) / 1e6, (unsigned long long)below);
	}
	below += histogram->counts[ENGINE_HISTOGRAM_BUCKETS - 1];
	buffer_printf(out, "ratchet_%s_bucket{%sle=\"+Inf\"} %llu\n", name, label, (unsigned long long)below);
	buffer_printf(out, "ratchet_%s_sum%s %.6f\n", name, only, (double)histogram->sum_us / 1e6);
	buffer_printf(out, "ratchet_%s_count%s %llu\n", name, only, (unsigned long long)below);
}

static void log_metrics(struct buffer *out, const struct logs *logs)
{
	struct logs_stats stats;
	logs_stats(logs, &stats);
	simple_metric(out, "log_lines_total", "counter", "events that state machines log", stats.lines);
	simple_metric(out, "log_lines_written_total", "counter", "of them, written to files", stats.written);
	simple_metric(out, "log_lines_sent_total", "counter", "of them, sent to the endpoint", stats.sent);
	metric(out, "log_lines_dropped_total", "counter", "lines that were dropped, by what was in the way");
	buffer_printf(out, "ratchet_log_lines_dropped_total{reason=\"queue_full\"} %llu\n",
		      (unsigned long long)stats.dropped_full);
	buffer_printf(out, "ratchet_log_lines_dropped_total{reason=\"failed\"} %llu\n",
		      (unsigned long long)stats.dropped_failed);
	simple_metric(out, "log_queued_bytes", "gauge", "lines that wait to be written or sent", stats.queued_bytes);
}

static int by_depth(const void *left, const void *right)
{
	const struct dead_depth *a = left, *b = right;
	return (b->count > a->count) - (b->count < a->count);
}

/* The machines with most dead letters have a line each, the others one together. */
static void dead_letter_metrics(struct buffer *out, struct engine *engine)
{
	struct dead_depth *depths = mem_alloc(DEPTHS_MOST * sizeof *depths);
	struct dead_stats stats;
	uint32_t count = engine_dead_depths(engine, depths, DEPTHS_MOST);
	uint64_t rest = 0;
	int64_t now_ms = engine_now_ms(engine), oldest_ms = now_ms;
	engine_dead_stats(engine, &stats);
	qsort(depths, count, sizeof *depths, by_depth);
	metric(out, "dead_letters", "gauge", "dead letters, of the machines with most of them");
	for (uint32_t i = 0; i < count; i++) {
		if (depths[i].oldest_ms < oldest_ms)
			oldest_ms = depths[i].oldest_ms;
		if (i < DEPTHS_SHOWN)
			buffer_printf(out, "ratchet_dead_letters{state_machine=\"%.*s\"} %llu\n", STR_FMT(depths[i].machine),
				      (unsigned long long)depths[i].count);
		else
			rest += depths[i].count;
	}
	buffer_printf(out, "ratchet_dead_letters{state_machine=\"\"} %llu\n", (unsigned long long)rest);
	simple_metric(out, "dead_letters_oldest_seconds", "gauge", "age of the oldest dead letter", (uint64_t)((now_ms - oldest_ms) / 1000));
	simple_metric(out, "dead_letters_in_total", "counter", "executions that became dead letters", stats.in);
	metric(out, "dead_letters_out_total", "counter", "dead letters that were redriven, discarded, or expired");
	buffer_printf(out, "ratchet_dead_letters_out_total{how=\"redriven\"} %llu\n", (unsigned long long)stats.redriven);
	buffer_printf(out, "ratchet_dead_letters_out_total{how=\"discarded\"} %llu\n", (unsigned long long)stats.discarded);
	buffer_printf(out, "ratchet_dead_letters_out_total{how=\"expired\"} %llu\n", (unsigned long long)stats.expired);
	metric(out, "dead_letters_expire_seconds", "gauge", "until the oldest dead letter of a machine goes, where its policy warns of that by now");
	for (uint32_t i = 0; i < count && i < DEPTHS_SHOWN; i++)
		if (depths[i].expires_ms)
			buffer_printf(out, "ratchet_dead_letters_expire_seconds{state_machine=\"%.*s\"} %lld\n", STR_FMT(depths[i].machine),
				      depths[i].expires_ms > now_ms ? (long long)((depths[i].expires_ms - now_ms) / 1000) : 0);
	simple_metric(out, "dead_letters_expiry_warnings_total", "counter", "warnings that dead letters expire soon", stats.expiry_warnings);
	simple_metric(out, "notifications_sent_total", "counter", "status changes that a target has taken", stats.notified);
	simple_metric(out, "notification_failures_total", "counter", "attempts to tell a target that failed", stats.notify_failures);
	simple_metric(out, "notifications_dropped_total", "counter", "status changes that were given up", stats.notify_dropped);
	simple_metric(out, "notifications_waiting", "gauge", "status changes in memory that targets are to be told", stats.notify_waiting);
	free(depths);
}

static void answer_metrics(struct route_call *call)
{
	struct buffer *out = &call->out;
	struct engine_stats stats;
	engine_stats(call->engine, &stats);
	simple_metric(out, "executions_started_total", "counter", "executions started by this process", stats.started);
	metric(out, "executions_ended_total", "counter", "executions that ended in this process, by status");
	const struct {
		const char *status;
		uint64_t count;
	} ended[] = { { "SUCCEEDED", stats.succeeded },
		      { "FAILED", stats.failed },
		      { "TIMED_OUT", stats.timed_out },
		      { "ABORTED", stats.aborted } };
	for (unsigned i = 0; i < sizeof ended / sizeof ended[0]; i++)
		buffer_printf(out, "ratchet_executions_ended_total{status=\"%s\"} %llu\n", ended[i].status,
			      (unsigned long long)ended[i].count);
	simple_metric(out, "executions_open", "gauge", "executions that have not ended", stats.open);
	simple_metric(out, "executions_cached", "gauge", "executions in memory", stats.cached);
	simple_metric(out, "inputs_queued", "gauge", "inputs waiting for a turn", stats.queued_inputs);
	simple_metric(out, "tasks_in_flight", "gauge", "tasks handed to connectors and not answered",
		      stats.tasks_in_flight);
	simple_metric(out, "turns_total", "counter", "turns of the loop that took inputs", stats.turns);
	simple_metric(out, "steps_total", "counter", "steps of executions", stats.steps);
	simple_metric(out, "events_total", "counter", "history events recorded", stats.events);
	simple_metric(out, "batches_total", "counter", "batches committed", stats.batches);
	simple_metric(out, "batches_failed_total", "counter", "batches that failed and were done again",
		      stats.batches_failed);
	simple_metric(out, "store_commits_total", "counter", "transactions", stats.store.commits);
	simple_metric(out, "store_syncs_total", "counter", "syncs", stats.store.syncs);
	simple_metric(out, "store_bytes", "gauge", "size of the store's files", stats.store.file_bytes);
	simple_metric(out, "store_durable", "gauge", "1 if an acknowledged request survives a power loss",
		      stats.store.durable);
	simple_metric(out, "recovering", "gauge", "1 while executions are still being recovered", stats.recovering);
	simple_metric(out, "resident_bytes", "gauge", "resident memory of this process", resident_bytes());

	simple_metric(out, "executions_memory_bytes", "gauge", "executions in memory, about", stats.memory_bytes);
	simple_metric(out, "batches_outstanding", "gauge", "batches handed to the store and not answered",
		      stats.batches_outstanding);
	simple_metric(out, "tasks_queued", "gauge", "tasks behind the bound on tasks in flight", stats.tasks_queued);
	simple_metric(out, "activity_polls", "gauge", "workers waiting for an activity's task", stats.activity_polls);
	simple_metric(out, "activity_tasks", "gauge", "tasks of activities that no worker has", stats.activity_tasks);
	log_metrics(out, call->services->logs);
	dead_letter_metrics(out, call->engine);

	metric(out, "accept_to_end_seconds", "histogram",
	       "from the acceptance of a start to the commit of its terminal event");
	histogram(out, "accept_to_end_seconds", NULL, &stats.accept_to_end);
	metric(out, "commit_seconds", "histogram", "from the submission of a batch to the answer of the store");
	histogram(out, "commit_seconds", NULL, &stats.commit);
	metric(out, "connector_tasks_running", "gauge", "tasks that a connector runs");
	for (uint32_t i = 0; i < stats.tasks_count; i++)
		buffer_printf(out, "ratchet_connector_tasks_running{connector=\"%s\"} %llu\n", stats.tasks[i].connector,
			      (unsigned long long)stats.tasks[i].running);
	metric(out, "task_seconds", "histogram", "tasks of connectors, from their start to their report");
	for (uint32_t i = 0; i < stats.tasks_count; i++)
		histogram(out, "task_seconds", stats.tasks[i].connector, &stats.tasks[i].took);
	call->type = "text/plain; version=0.0.4";
	route_answer(call);
}

/* ---- pages ------------------------------------------------------------------------------------ */

static void answer_info(struct route_call *call)
{
	const struct services *services = call->services;
	struct buffer *out = &call->out;
	struct engine_stats stats;
	engine_stats(call->engine, &stats);
	buffer_byte(out, '{');
	api_put_text(out, "version", STR(RATCHET_VERSION));
	api_put_text(out, "region", str_of(engine_region(call->engine)));
	api_put_text(out, "account", str_of(engine_account(call->engine)));
	api_put_text(out, "store", str_of(services->store_name));
	api_put_flag(out, "durable", stats.store.durable);
	api_put_number(out, "uptime_s",
		       (services->clock->monotonic_us(services->clock) - services->started_us) / 1000000);
	buffer_byte(out, '}');
	route_answer(call);
}

static void answer_health(struct route_call *call)
{
	bool draining = call->services->draining;
	buffer_addz(&call->out, draining ? "ending\n" : "ok\n");
	call->type = "text/plain; charset=utf-8";
	route_answer_status(call, draining ? 503 : 200);
}

const struct route routes_pages[] = {
	{ "GET", "/v1/info", ROLE_READ, answer_info },
	{ "GET", "/healthz", ROLE_NONE, answer_health },
	{ "GET", "/metrics", ROLE_READ, answer_metrics },
	{ 0 },
};
