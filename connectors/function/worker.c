/* worker.c: a worker: it takes one event after the other, or (a command) just one.
 *
 *     STARTING ── next ──► IDLE ── an invocation ──► BUSY ── response, then next ──► IDLE …
 *        └── init error, exit, too slow: who waits hears why      └── exit, timeout, cancel
 *                             └──────────────► ENDING ◄──────────────┘   until its launcher says that all is dead
 *
 * What is started and killed is its launcher's: a process under a guard (process.c), or, in the simulator, a script. What a worker prints belongs to
 * the invocation that it has. */
#include "connectors/function/room.h"
#include "connectors/text.h"
#include <ctype.h>
#include <signal.h>
#include <stdlib.h>

static struct loop *loop_of(const struct worker *worker)
{
	return worker->functions->host->loop;
}

void worker_drain_logs(struct worker *worker)
{
	worker->functions->launcher->drain(worker);
}

/* ---- its end -------------------------------------------------------------------------------------------- */

static void list_remove(struct worker *worker)
{
	struct version *version = worker->version;
	*(worker->previous ? &worker->previous->next : &version->workers.first) = worker->next;
	*(worker->next ? &worker->next->previous : &version->workers.last) = worker->previous;
	version->workers_count--;
	version->function->workers_count--;
	worker->functions->workers_count--;
}

void worker_free(struct worker *worker)
{
	if (worker->state == WORKER_STARTING)
		worker->version->starting--;
	if (worker->state == WORKER_IDLE)
		pool_take_idle(worker);
	loop_timer_clear(loop_of(worker), &worker->timer);
	worker->functions->launcher->release(worker);
	list_remove(worker);
	free(worker);
}

void worker_kill(struct worker *worker)
{
	if (worker->state == WORKER_STARTING)
		worker->version->starting--;
	worker->state = WORKER_ENDING;
	loop_timer_clear(loop_of(worker), &worker->timer);
	worker->functions->launcher->kill(worker);
}

/* "exit status 1", "signal: killed": as AWS words it. */
static void write_reason(const struct guard_report *report, struct buffer *out)
{
	if (!report) {
		buffer_addz(out, "Runtime exited with error: its guard was killed");
	} else if (report->by_signal) {
		const char *name = strsignal(report->number);
		bool shout = name && isupper((unsigned char)name[0]) && isupper((unsigned char)name[1]);
		buffer_printf(out, "Runtime exited with error: signal: %c%s",
			      shout ? name[0] : tolower((unsigned char)name[0]), name + 1);
	} else if (report->number) {
		buffer_printf(out, "Runtime exited with error: exit status %d", report->number);
	} else {
		buffer_addz(out, "Runtime exited without providing a reason");
	}
}

static const char *exit_type(const struct guard_report *report)
{
	return "Runtime.ExitError";
}

/* A command has ended: what it printed is the result. */
static void finish_command(struct worker *worker, const struct guard_report *report)
{
	struct invocation *invocation = worker->invocation;
	_cleanup_(buffer_done) struct buffer reason = { 0 };
	struct str text = text_trim(buffer_str(&worker->output));
	if (!report || report->number) {
		write_reason(report, &reason);
		invocation_break(invocation, exit_type(report), "%s", reason.data);
	} else if (worker->output_too_large) {
		invocation_break(invocation, "Function.ResponseSizeTooLarge",
				 "Response payload size exceeded maximum allowed payload size (%d bytes).",
				 RESPONSE_BYTES_MAX);
	} else if (!text.len) {
		invocation_return(invocation, STR("null"));
	} else if (runtime_payload_valid(text)) {
		invocation_return(invocation, text);
	} else {
		/* Whatever is no JSON is a text: echo hello gives "hello". */
		_cleanup_(buffer_done) struct buffer clean = { 0 }, json = { 0 };
		text_clean(text, &clean);
		value_write_string(buffer_str(&clean), &json);
		invocation_return(invocation, buffer_str(&json));
	}
}

/* Nothing of it is alive any more. `report` NULL: its guard vanished. */
void worker_ended(struct worker *worker, const struct guard_report *report)
{
	struct version *version = worker->version;
	struct invocation *invocation = worker->invocation;
	_cleanup_(buffer_done) struct buffer reason = { 0 };
	worker_drain_logs(worker);
	if (!report && worker->pid)
		kill(-worker->pid, SIGKILL);
	write_reason(report, &reason);
	if (invocation && worker->out.is_output) {
		finish_command(worker, report);
	} else if (invocation) {
		invocation_break(invocation, exit_type(report), "%s", reason.data);
	} else if (worker->state == WORKER_STARTING && !worker->reported) {
		worker->reported = true;
		pool_start_failed(version, STR_EMPTY, exit_type(report), reason.data);
	}
	worker_free(worker);
	pool_worker_gone(version);
}

void worker_start_failed(struct worker *worker, const struct guard_report *report)
{
	struct version *version = worker->version;
	struct invocation *invocation = worker->invocation;
	const char *program = version->settings.runtime == RUNTIME_PROVIDED ? "bootstrap"
			      : version->settings.interpreter		    ? version->settings.interpreter
			      : version->settings.runtime == RUNTIME_PYTHON ? "python3"
			      : version->settings.runtime == RUNTIME_NODEJS ? "node"
									    : "/bin/sh";
	_cleanup_free_ char *text =
	    mem_printf("Couldn't start %s in %s: %s", program,
		       version->settings.folder ? version->settings.folder : "/", strerror(report->number));
	if (invocation)
		invocation_break(invocation, "Runtime.InvalidEntrypoint", "%s", text);
	else if (worker->state != WORKER_ENDING)
		pool_start_failed(version, STR_EMPTY, "Runtime.InvalidEntrypoint", text);
	worker_free(worker);
	pool_worker_gone(version);
}

static void on_init_timeout(struct loop_timer *timer)
{
	struct worker *worker = timer->data;
	struct version *version = worker->version;
	_cleanup_free_ char *text =
	    mem_printf("Task timed out after %.2f seconds", (double)version->settings.init_timeout_ms / 1000);
	worker_drain_logs(worker);
	worker->reported = true;
	worker_kill(worker);
	version->function->timeouts++;
	pool_start_failed(version, STR_EMPTY, "Sandbox.Timedout", text);
}

/* ---- its work ----------------------------------------------------------------------------------------------- */

static void on_timeout(struct loop_timer *timer)
{
	struct invocation *invocation = timer->data;
	struct worker *worker = invocation->worker;
	const struct version *version = invocation->version;
	worker_drain_logs(worker);
	worker_kill(worker);
	version->function->timeouts++;
	invocation_break(invocation, "Sandbox.Timedout", "Task timed out after %.2f seconds",
			 (double)version->settings.timeout_ms / 1000);
}

static void begin(struct worker *worker, struct invocation *invocation)
{
	int64_t timeout_ms = worker->version->settings.timeout_ms;
	worker->state = WORKER_BUSY;
	worker->invocation = invocation;
	worker->invocations++;
	invocation->worker = worker;
	invocation->stage = STAGE_RUNNING;
	invocation->started_us = functions_now_us(worker->functions);
	invocation->deadline_ms = functions_wall_ms(worker->functions) + timeout_ms;
	invocation->timer = (struct loop_timer){ .callback = on_timeout, .data = invocation };
	loop_timer_set(loop_of(worker), &invocation->timer, timeout_ms);
	worker->functions->launcher->deliver(worker, invocation);
}

void worker_give(struct worker *worker, struct invocation *invocation)
{
	begin(worker, invocation);
}

void worker_asks(struct worker *worker)
{
	loop_timer_clear(loop_of(worker), &worker->timer);
	worker_drain_logs(worker); /* what it printed between two events is of neither */
	pool_ready(worker);
}

/* ---- its beginning ------------------------------------------------------------------------------------------- */

static struct worker *worker_new(struct version *version)
{
	struct worker *worker = NEW(struct worker);
	worker->version = version;
	worker->functions = version->function->owner;
	worker->listener = worker->control = -1;
	worker->out = (struct line_reader){ .worker = worker, .fd = -1 };
	worker->err = (struct line_reader){ .worker = worker, .fd = -1 };
	worker->begun_us = functions_now_us(worker->functions);
	worker->previous = version->workers.last;
	*(version->workers.last ? &version->workers.last->next : &version->workers.first) = worker;
	version->workers.last = worker;
	version->workers_count++;
	version->starting++;
	version->function->workers_count++;
	worker->functions->workers_count++;
	return worker;
}

int worker_start(struct version *version, struct invocation *invocation, struct wf_error *err)
{
	struct worker *worker = worker_new(version);
	int r = worker->functions->launcher->launch(worker, invocation, err);
	if (r < 0) {
		worker_free(worker);
		return r;
	}
	worker->timer = (struct loop_timer){ .callback = on_init_timeout, .data = worker };
	if (invocation) {
		version->starting--;
		begin(worker, invocation);
	} else {
		worker->state = WORKER_STARTING;
		loop_timer_set(loop_of(worker), &worker->timer, version->settings.init_timeout_ms);
	}
	return 0;
}
