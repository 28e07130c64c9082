/* invoke.c: an invocation from its request to its answer, and the lines that are printed on the way. */
#include "base/hash.h"
#include "connectors/function/room.h"
#include "connectors/text.h"
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

int64_t functions_now_us(const struct functions *functions)
{
	return functions->clock->monotonic_us(functions->clock);
}

int64_t functions_wall_ms(const struct functions *functions)
{
	return functions->clock->wall_ms(functions->clock);
}

/* ---- which function is meant ------------------------------------------------------------------------ */

struct target {
	struct str name, qualifier;
	bool is_ours; /* its region and account, if any, are ours */
};

/* NAME[:Q] | ACCOUNT:function:NAME[:Q] | arn:aws:lambda:REGION:ACCOUNT:function:NAME[:Q] */
static struct target read_target(const struct functions *functions, struct str text)
{
	struct str parts[8];
	unsigned count = 0;
	size_t from = 0;
	for (size_t i = 0; i <= text.len && count < 8; i++)
		if (i == text.len || text.ptr[i] == ':') {
			parts[count++] = str_sub(text, from, i - from);
			from = i + 1;
		}
	struct target target = { .is_ours = true };
	unsigned at = 0;
	if (count >= 7 && str_eqz(parts[0], "arn")) {
		target.is_ours = str_eqz(parts[2], "lambda") && str_eqz(parts[5], "function") && from > text.len;
		at = 6;
	} else if (count >= 3 && str_eqz(parts[1], "function")) {
		at = 2;
	}
	target.name = at < count ? parts[at] : STR_EMPTY;
	target.qualifier = at + 1 < count ? parts[at + 1] : STR_EMPTY;
	/* A function here is meant whatever region and account stand in the ARN: definitions move between accounts. */
	target.is_ours &= at + 2 >= count;
	(void)functions;
	return target;
}

static struct function *find(const struct functions *functions, struct target target)
{
	return target.is_ours ? str_map_get(&functions->by_name, target.name) : NULL;
}

bool functions_has(const struct functions *functions, struct str function)
{
	return find(functions, read_target(functions, function)) != NULL;
}

int64_t function_resolve(const struct function *function, struct str qualifier)
{
	if (!qualifier.len || str_eqz(qualifier, FUNCTION_LATEST))
		return 0;
	const struct value *alias = value_get(function->aliases, qualifier);
	int64_t number = -1;
	if (alias) {
		value_int64(value_getz(alias, "version"), &number);
		return number;
	}
	char *rest;
	_cleanup_free_ char *text = mem_strndup(qualifier.ptr, qualifier.len);
	number = strtoll(text, &rest, 10);
	return *rest || number < 1 || qualifier.ptr[0] == '0' ? -1 : number;
}

/* ---- requests ------------------------------------------------------------------------------------------ */

static void add_trace(struct invocation *invocation, struct str parent)
{
	/* 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01 */
	if (parent.len >= 55 && parent.ptr[2] == '-' && parent.ptr[35] == '-' && parent.ptr[52] == '-') {
		invocation->trace_id =
		    mem_printf("Root=1-%.8s-%.24s;Parent=%.16s;Sampled=%c", parent.ptr + 3, parent.ptr + 11,
			       parent.ptr + 36, parent.ptr[54] == '1' ? '1' : '0');
		return;
	}
	if (parent.len && str_starts(parent, STR("Root="))) {
		invocation->trace_id = mem_strndup(parent.ptr, parent.len);
		return;
	}
	struct random *random = &invocation->functions->random;
	invocation->trace_id =
	    mem_printf("Root=1-%08llx-%016llx%08llx;Parent=%016llx;Sampled=0", (unsigned long long)(functions_wall_ms(invocation->functions) / 1000),
		       (unsigned long long)random_u64(random), (unsigned long long)(random_u64(random) >> 32),
		       (unsigned long long)random_u64(random));
}

static char *copy(struct str text)
{
	return mem_strndup(text.ptr, text.len);
}

/* An event that was kept has its id over all attempts, as on AWS: that of the execution that invokes it. */
static void take_event_id(struct invocation *invocation, const struct task_request *task)
{
	struct str id = task->execution_name;
	bool good = str_starts(task->state_machine_name, STR(FUNCTION_EVENTS)) && id.len == sizeof invocation->request_id - 1;
	for (size_t i = 0; good && i < id.len; i++)
		good = isxdigit((unsigned char)id.ptr[i]) || id.ptr[i] == '-';
	if (good)
		memcpy(invocation->request_id, id.ptr, id.len);
}

/* The client context that the caller gave, with what the task adds in its `custom`. */
static void add_context(struct invocation *invocation, const struct invoke_request *request)
{
	const struct task_request *task = request->task;
	_cleanup_(value_unrefp) struct value *given = NULL;
	bool is_object = request->client_context.len && value_parse(request->client_context, NULL, &given, NULL) == 0 &&
			 value_is(given, VALUE_OBJECT);
	if (!task) {
		if (request->client_context.len)
			invocation->client_context = copy(request->client_context);
		return;
	}
	if (!is_object) {
		value_unref(given);
		given = value_new_object(0);
	}
	const struct value *custom = value_getz(given, "custom");
	struct value *merged = value_new_object(8);
	for (size_t i = 0; custom && value_is(custom, VALUE_OBJECT) && i < value_count(custom); i++)
		value_object_set(merged, value_key_at(custom, i), value_at(custom, i));
	value_object_take(merged, STR("idempotencyKey"), value_from_string(task->idempotency_key));
	value_object_take(merged, STR("executionArn"), value_from_string(task->execution_arn));
	value_object_take(merged, STR("state"), value_from_string(task->state_name));
	value_object_take(merged, STR("attempt"), value_from_int(task->attempt));
	_cleanup_(value_unrefp) struct value *whole =
	    value_with(given, &(struct value_step){ STR("custom"), -1 }, 1, merged);
	value_unref(merged);
	invocation->client_context = copy(value_text(whole));
	invocation->idempotency_key = copy(task->idempotency_key);
	invocation->execution_arn = copy(task->execution_arn);
	invocation->state_name = copy(task->state_name);
	invocation->attempt = task->attempt;
	invocation->of_task = true;
	invocation->key = task->key;
	take_event_id(invocation, task);
}

static void answer_later(struct invocation *invocation)
{
	struct functions *functions = invocation->functions;
	invocation->stage = STAGE_ANSWERED;
	invocation->previous = functions->answered.last;
	invocation->next = NULL;
	*(functions->answered.last ? &functions->answered.last->next : &functions->answered.first) = invocation;
	functions->answered.last = invocation;
	loop_timer_clear(functions->host->loop, &invocation->timer);
	if (!functions->ending)
		loop_timer_set(functions->host->loop, &functions->answer_timer, 0);
}

/* The ARN that the context shows: as it was asked for. */
static char *invoked_arn(const struct function *function, struct str qualifier)
{
	return qualifier.len ? mem_printf("%s:%.*s", function->arn, STR_FMT(qualifier)) : mem_strdup(function->arn);
}

static void not_found(struct invocation *invocation, struct target target)
{
	const struct functions *functions = invocation->functions;
	invocation_refuse(invocation, 404, "ResourceNotFoundException",
			  "Function not found: arn:aws:lambda:%s:%s:function:%.*s:%.*s", functions->region,
			  functions->account, STR_FMT(target.name),
			  STR_FMT(target.qualifier.len ? target.qualifier : STR(FUNCTION_LATEST)));
}

static struct invocation *invocation_new(struct functions *functions, invoke_done *done, void *data)
{
	struct invocation *invocation = NEW(struct invocation);
	invocation->functions = functions;
	invocation->done = done;
	invocation->data = data;
	invocation->queued_us = functions_now_us(functions);
	random_uuid(&functions->random, invocation->request_id);
	return invocation;
}

/* The version that is asked for; NULL after it was refused. */
static struct version *resolve(struct invocation *invocation, const struct invoke_request *request,
			       struct str *ret_qualifier)
{
	struct functions *functions = invocation->functions;
	struct target target = read_target(functions, request->function);
	if (request->qualifier.len) {
		if (target.qualifier.len && !str_eq(target.qualifier, request->qualifier)) {
			invocation_refuse(invocation, 400, "InvalidParameterValueException",
					  "The derived qualifier from the function name does not match the specified "
					  "qualifier.");
			return NULL;
		}
		target.qualifier = request->qualifier;
	}
	struct function *function = find(functions, target);
	int64_t number = function ? function_resolve(function, target.qualifier) : -1;
	struct wf_error err = { .code = ERR(NOT_FOUND) };
	struct version *version = number < 0 ? NULL : function_version(function, (uint64_t)number, &err);
	if (!version && err.code == ERR(NOT_FOUND))
		not_found(invocation, target);
	else if (!version)
		invocation_refuse(invocation, 502, "InvalidRuntimeException", "%s", err.message);
	*ret_qualifier = target.qualifier;
	return version;
}

struct invocation *functions_invoke(struct functions *functions, const struct invoke_request *request, invoke_done *done,
				    void *data)
{
	struct invocation *invocation = invocation_new(functions, done, data);
	struct str qualifier;
	struct version *version = resolve(invocation, request, &qualifier);
	if (!version)
		return invocation;
	if (request->dry_run) {
		invocation_refuse(invocation, 204, "DryRun", "%s", "");
		return invocation;
	}
	struct function *function = version->function;
	invocation->arn = invoked_arn(function, qualifier);
	invocation->event = copy(request->event.len ? request->event : STR("{}"));
	invocation->event_len = request->event.len ? request->event.len : 2;
	add_trace(invocation, request->trace_parent);
	add_context(invocation, request);
	function->invocations++;
	pool_put(version, invocation);
	return invocation;
}

static void nobody(void *data, const struct invoke_result *result)
{
	/* What it printed is in the function's log. */
}

static void keeping_add(struct invocation *invocation)
{
	struct functions *functions = invocation->functions;
	invocation->stage = STAGE_KEEPING;
	invocation->previous = functions->keeping.last;
	*(functions->keeping.last ? &functions->keeping.last->next : &functions->keeping.first) = invocation;
	functions->keeping.last = invocation;
}

static void keeping_remove(struct invocation *invocation)
{
	struct functions *functions = invocation->functions;
	*(invocation->previous ? &invocation->previous->next : &functions->keeping.first) = invocation->next;
	*(invocation->next ? &invocation->next->previous : &functions->keeping.last) = invocation->previous;
	invocation->next = invocation->previous = NULL;
}

/* The event of a task has one id for all times that the task runs: made of its idempotency key, in the form that ids have. */
static void make_event_id(struct invocation *invocation, struct str key)
{
	struct random random;
	for (uint64_t i = 0; i < 4; i++)
		random.s[i] = hash_bytes(key, i + 1);
	random_uuid(&random, invocation->request_id);
}

static void on_kept(void *data, const struct wf_error *err)
{
	struct invocation *invocation = data;
	keeping_remove(invocation);
	if (!err)
		invocation_refuse(invocation, 202, "Event", "%s", "");
	else if (err->code == ERR(LIMIT))
		invocation_refuse(invocation, 413, "RequestTooLargeException", "%s", err->message);
	else
		invocation_refuse(invocation, 500, "ServiceException", "The event could not be kept: %s", err->message);
}

struct invocation *functions_invoke_event(struct functions *functions, const struct invoke_request *request,
					  invoke_done *done, void *data)
{
	struct invocation *invocation = invocation_new(functions, done, data);
	struct str qualifier;
	const struct version *version = resolve(invocation, request, &qualifier);
	if (!version)
		return invocation;
	version->function->events++;
	if (!functions->events) {
		struct invoke_request once = *request;
		once.task = NULL;
		functions_invoke(functions, &once, nobody, NULL);
		invocation_refuse(invocation, 202, "Event", "%s", "");
		return invocation;
	}
	/* A task that runs again after a crash has sent the same event. */
	if (request->task)
		make_event_id(invocation, request->task->idempotency_key);
	_cleanup_free_ char *arn = invoked_arn(version->function, qualifier);
	struct function_event event = { .id = str_of(invocation->request_id),
					.function = str_of(version->function->name),
					.qualifier = qualifier,
					.arn = str_of(arn),
					.event = request->event.len ? request->event : STR("{}"),
					.trace = request->trace_parent,
					.retries = version->settings.event_retries,
					.age_ms = version->settings.event_age_ms,
					.timeout_ms = version->settings.timeout_ms };
	keeping_add(invocation);
	functions->events->keep(functions->events, &event, on_kept, invocation);
	return invocation;
}

void invocation_free(struct invocation *invocation)
{
	loop_timer_clear(invocation->functions->host->loop, &invocation->timer);
	free(invocation->arn);
	free(invocation->event);
	free(invocation->client_context);
	free(invocation->trace_id);
	free(invocation->idempotency_key);
	free(invocation->execution_arn);
	free(invocation->state_name);
	buffer_done(&invocation->said);
	buffer_done(&invocation->payload);
	buffer_done(&invocation->message);
	free(invocation);
}


static void unlink_answered(struct invocation *invocation)
{
	struct functions *functions = invocation->functions;
	*(invocation->previous ? &invocation->previous->next : &functions->answered.first) = invocation->next;
	*(invocation->next ? &invocation->next->previous : &functions->answered.last) = invocation->previous;
}

void functions_cancel(struct invocation *invocation)
{
	struct worker *worker = invocation->worker;
	switch (invocation->stage) {
	case STAGE_QUEUED:
		pool_forget(invocation);
		break;
	case STAGE_RUNNING:
		function_log(invocation->version->function, invocation->version, invocation->request_id, STR("cancelled"));
		worker->invocation = NULL;
		worker_kill(worker);
		break;
	case STAGE_KEEPING:
		invocation->done = nobody;
		return;
	case STAGE_ANSWERED:
		unlink_answered(invocation);
		break;
	}
	invocation_free(invocation);
}

/* ---- answers ------------------------------------------------------------------------------------------ */

/* What became of it is known: it leaves its worker, and is counted. */
static void leave(struct invocation *invocation)
{
	struct function *function = invocation->version ? invocation->version->function : NULL;
	if (invocation->worker) {
		invocation->worker->invocation = NULL;
		invocation->worker->answered_us = functions_now_us(invocation->functions);
	}
	invocation->worker = NULL;
	if (function && invocation->end == INVOKE_FAILED)
		function->errors++;
	answer_later(invocation);
}

void invocation_return(struct invocation *invocation, struct str payload)
{
	invocation->end = INVOKE_RETURNED;
	buffer_add(&invocation->payload, payload);
	leave(invocation);
}

void invocation_fail(struct invocation *invocation, struct str payload)
{
	invocation->end = INVOKE_FAILED;
	buffer_add(&invocation->payload, payload);
	leave(invocation);
}

void invocation_break(struct invocation *invocation, const char *type, const char *format, ...)
{
	_cleanup_(buffer_done) struct buffer text = { 0 }, payload = { 0 };
	buffer_printf(&text, "RequestId: %s Error: ", invocation->request_id);
	va_list args;
	va_start(args, format);
	buffer_vprintf(&text, format, args);
	va_end(args);
	buffer_addz(&payload, "{\"errorType\":");
	value_write_string(str_of(type), &payload);
	buffer_addz(&payload, ",\"errorMessage\":");
	value_write_string(buffer_str(&text), &payload);
	buffer_byte(&payload, '}');
	invocation->ours = true;
	invocation_fail(invocation, buffer_str(&payload));
}

void invocation_refuse(struct invocation *invocation, unsigned status, const char *error, const char *format, ...)
{
	invocation->end = INVOKE_REFUSED;
	invocation->status = status;
	invocation->error = error;
	va_list args;
	va_start(args, format);
	buffer_vprintf(&invocation->message, format, args);
	va_end(args);
	leave(invocation);
}

/* ---- what is printed ------------------------------------------------------------------------------------ */

void function_log(struct function *function, const struct version *version, const char *request_id, struct str line)
{
	struct function_line *row = &function->log[function->log_count++ % LOG_LINES];
	free(row->text);
	*row = (struct function_line){ .time_ms = functions_wall_ms(function->owner), .text = mem_strndup(line.ptr, line.len) };
	snprintf(row->request_id, sizeof row->request_id, "%s", request_id ? request_id : "");
	snprintf(row->version, sizeof row->version, "%s", version->text);
}

static bool take_progress(struct functions *functions, struct invocation *invocation, struct str line)
{
	struct connector_host *host = functions->host;
	double fraction;
	if (!progress_line(line, &fraction))
		return false;
	if (fraction >= 0 && host->progress && invocation->of_task)
		host->progress(host, invocation->key, fraction);
	return true;
}

void invocation_line(struct functions *functions, struct version *version, struct invocation *invocation, struct str line)
{
	struct connector_host *host = functions->host;
	_cleanup_(buffer_done) struct buffer clean = { 0 };
	text_clean(line, &clean);
	if (!clean.len)
		return;
	function_log(version->function, version, invocation ? invocation->request_id : NULL, buffer_str(&clean));
	if (!invocation)
		return;
	if (!take_progress(functions, invocation, buffer_str(&clean))) {
		buffer_add(&invocation->said, buffer_str(&clean));
		buffer_byte(&invocation->said, '\n');
		if (invocation->said.len > 4 * LOG_TAIL_BYTES)
			buffer_consume(&invocation->said, invocation->said.len - LOG_TAIL_BYTES);
	}
	if (!invocation->of_task)
		return;
	if (host->log)
		host->log(host, invocation->key, buffer_str(&clean));
	if (host->heartbeat)
		host->heartbeat(host, invocation->key);
}

/* AWS's START, END and REPORT around what it said; the end of it all. */
static void write_log(const struct invocation *invocation, struct buffer *out)
{
	const struct version *version = invocation->version;
	if (!version || !invocation->started_us)
		return;
	double ms = (double)(functions_now_us(invocation->functions) - invocation->started_us) / 1000;
	buffer_printf(out, "START RequestId: %s Version: %s\n", invocation->request_id, version->text);
	buffer_add(out, buffer_str(&invocation->said));
	buffer_printf(out,
		      "END RequestId: %s\nREPORT RequestId: %s\tDuration: %.2f ms\tBilled Duration: %.0f ms\t"
		      "Memory Size: %lld MB\n",
		      invocation->request_id, invocation->request_id, ms, ms + 0.999,
		      (long long)version->settings.memory_mb);
}

static void tell(struct invocation *invocation)
{
	static const struct str empty = { "", 0 };
	_cleanup_(buffer_done) struct buffer log = { 0 };
	write_log(invocation, &log);
	struct version *version = invocation->version;
	struct invoke_result result = {
		.end = invocation->end,
		.payload = buffer_str(&invocation->payload),
		.version = version ? str_of(version->text) : STR(FUNCTION_LATEST),
		.log = text_tail(buffer_str(&log), LOG_TAIL_BYTES),
		.said = invocation->ours ? text_tail(buffer_str(&invocation->said), LOG_TAIL_BYTES) : empty,
		.request_id = invocation->request_id,
		.status = invocation->status,
		.error = invocation->error,
		.message = buffer_str(&invocation->message),
	};
	invocation->done(invocation->data, &result);
	invocation_free(invocation);
}

void invocations_tell(struct functions *functions)
{
	for (struct invocation *invocation; (invocation = functions->answered.first);) {
		unlink_answered(invocation);
		tell(invocation);
	}
}
