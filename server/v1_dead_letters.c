/* v1_dead_letters.c: dead letters and redrive jobs over /v1 (docs/console-api.md): each handler reads the question,
 * asks the engine (engine/dead_letters.h), and writes its answer. */
#include "base/mem.h"
#include "engine/dead_letters.h"
#include "server/api.h"
#include "server/route.h"
#include <stdio.h>
#include <stdlib.h>

#define ATTEMPTS_MAX 1000
#define HISTORY_PAGE 1000
#define JOBS_MAX 1000
#define ARNS_MAX 10000

/* ---- writing ----------------------------------------------------------------------------------------- */

static void put_null(struct buffer *out, const char *name)
{
	api_put_json(out, name, STR("null"));
}

static void put_text(struct buffer *out, const char *name, struct str text, bool there)
{
	if (there)
		api_put_text(out, name, text);
	else
		put_null(out, name);
}

static void put_number(struct buffer *out, const char *name, int64_t number, bool there)
{
	if (there)
		api_put_number(out, name, number);
	else
		put_null(out, name);
}

static void put_job_id(struct buffer *out, const char *name, uint64_t number)
{
	char text[24];
	snprintf(text, sizeof text, "%llu", (unsigned long long)number);
	put_text(out, name, str_of(text), number);
}

/* What a letter and a group's letters have in common. */
static void put_common(struct buffer *out, const struct dead_info *info)
{
	api_put_text(out, "stateMachineArn", info->machine ? info->machine->arn : STR_EMPTY);
	api_put_text(out, "stateMachineName", info->machine ? info->machine->name : STR_EMPTY);
	api_put_text(out, "status", str_of(execution_status_name(info->status)));
	put_text(out, "error", info->error, info->error.len);
	put_text(out, "state", info->state, info->state.len);
	put_number(out, "revision", (int64_t)info->revision, info->revision);
	put_text(out, "revisionId", info->revision_id, info->revision_id.len);
	put_number(out, "version", (int64_t)info->version, info->version);
	api_put_flag(out, "newest", info->newest);
}

static void put_letter(struct buffer *out, const struct dead_info *info)
{
	api_put_text(out, "executionArn", info->arn);
	api_put_text(out, "name", info->name);
	put_common(out, info);
	api_put_flag(out, "unindexed", info->unread);
	api_put_number(out, "startedAt", info->start_ms);
	api_put_number(out, "failedAt", info->failed_ms);
	api_put_number(out, "redriveCount", (int64_t)info->redrives);
	put_job_id(out, "job", info->job);
	api_put_number(out, "expiresAt", info->expires_ms);
	if (info->checked) {
		api_put_flag(out, "compatible", info->compatible);
		put_text(out, "divergence", info->divergence, !info->compatible);
	}
}

static void put_letters(struct buffer *out, const char *name, const struct dead_info *infos, uint32_t count)
{
	api_put_name(out, name);
	buffer_byte(out, '[');
	for (uint32_t i = 0; i < count; i++) {
		buffer_addz(out, i ? ",{" : "{");
		put_letter(out, &infos[i]);
		buffer_byte(out, '}');
	}
	buffer_byte(out, ']');
}

static void end(struct route_call *call)
{
	buffer_byte(&call->out, '}');
	route_answer(call);
}

static bool refused(struct route_call *call, const struct engine_error *error)
{
	if (error->code)
		route_refuse_engine(call, error);
	return error->code;
}

/* ---- groups and pages -------------------------------------------------------------------------------- */

/* A question for groups, and how many hours it asked for. */
struct grouped {
	struct route_call *call;
	int64_t hours;
};

static void on_groups(void *data, const struct engine_error *error, const struct dead_group *groups, uint32_t count,
		      int64_t from_ms)
{
	const struct grouped *grouped = data;
	struct route_call *call = grouped->call;
	struct buffer *out = &call->out;
	uint64_t total = 0, unread = 0;
	if (refused(call, error))
		return;
	buffer_addz(out, "{\"groups\":[");
	for (uint32_t i = 0; i < count; i++) {
		const struct dead_group *group = &groups[i];
		buffer_addz(out, i ? ",{" : "{");
		put_common(out, &group->sample);
		api_put_number(out, "count", (int64_t)group->count);
		api_put_number(out, "firstSeen", group->first_ms);
		api_put_number(out, "lastSeen", group->last_ms);
		api_put_text(out, "sampleExecutionArn", group->sample.arn);
		api_put_name(out, "hourly");
		for (int64_t hour = 0; hour < grouped->hours; hour++)
			buffer_printf(out, "%c%u", hour ? ',' : '[', group->hourly[hour]);
		buffer_addz(out, "]}");
		total += group->count;
		unread += group->sample.unread ? group->count : 0;
	}
	buffer_byte(out, ']');
	api_put_number(out, "hourlyFrom", from_ms);
	api_put_number(out, "total", (int64_t)total);
	api_put_number(out, "unindexed", (int64_t)unread);
	api_put_flag(out, "more", count >= 1000);
	end(call);
}

static struct str query_or_empty(struct route_call *call, const char *name)
{
	struct str text = route_query(call, name);
	return text.ptr ? text : STR_EMPTY;
}

static void groups(struct route_call *call)
{
	int64_t hours = route_query_number(call, "hours", 24);
	hours = hours < 1 ? 1 : hours > 168 ? 168 : hours;
	struct grouped *grouped = ARENA_NEW(&call->arena, struct grouped);
	*grouped = (struct grouped){ call, hours };
	engine_group_dead_letters(call->engine, query_or_empty(call, "machine"), (int)hours, on_groups, grouped);
}

/* Members of a query, or of a body's `filter`. */
struct source {
	struct route_call *call;
	const struct value *object; /* NULL: the query */
};

static struct str source_text(const struct source *source, const char *name)
{
	if (!source->object)
		return route_query(source->call, name);
	const struct value *value = value_getz(source->object, name);
	if (!value || value_is(value, VALUE_NULL))
		return (struct str){ NULL, 0 };
	return value_is(value, VALUE_STRING) ? value_string(value) : value_text(value);
}

static bool source_number(const struct source *source, const char *name, int64_t *number)
{
	struct str text = source_text(source, name);
	if (!text.ptr || !text.len)
		return true;
	char digits[24], *rest;
	snprintf(digits, sizeof digits, "%.*s", STR_FMT(str_sub(text, 0, sizeof digits - 1)));
	*number = strtoll(digits, &rest, 10);
	if (!*rest && text.len < sizeof digits)
		return true;
	route_refuse(source->call, 400, "InvalidRequest", "%s must be a number", name);
	return false;
}

/* False after it refused the call. */
static bool read_filter(const struct source *source, struct dead_filter *filter)
{
	*filter = (struct dead_filter)DEAD_FILTER_ALL;
	struct str machine = source_text(source, "machine"), status = source_text(source, "status"),
		   input = source_text(source, "input");
	if (machine.ptr)
		filter->machine = machine;
	filter->error = source_text(source, "error");
	filter->state = source_text(source, "state");
	enum execution_status parsed;
	if (status.len && !execution_status_parse(status, &parsed)) {
		route_refuse(source->call, 400, "InvalidRequest", "there is no status %.*s",
			     STR_FMT(str_sub(status, 0, 40)));
		return false;
	}
	if (status.len)
		filter->status = (int)parsed;
	if (filter->error.len > 256 || input.len > 4096) {
		route_refuse(source->call, 400, "InvalidRequest", "the filter is too long");
		return false;
	}
	if (input.ptr) {
		const char *equals = memchr(input.ptr, '=', input.len);
		if (!equals) {
			route_refuse(source->call, 400, "InvalidRequest", "input must be PATH=VALUE");
			return false;
		}
		filter->input_path = str_sub(input, 0, (size_t)(equals - input.ptr));
		filter->input_value = str_sub(input, filter->input_path.len + 1, input.len);
	}
	return source_number(source, "revision", &filter->revision) &&
	       source_number(source, "version", &filter->version) && source_number(source, "from", &filter->from_ms) &&
	       source_number(source, "to", &filter->until_ms);
}

static void on_list(void *data, const struct engine_error *error, const struct dead_info *infos, uint32_t count,
		    struct str next)
{
	struct route_call *call = data;
	if (refused(call, error))
		return;
	buffer_byte(&call->out, '{');
	put_letters(&call->out, "deadLetters", infos, count);
	if (next.len)
		api_put_text(&call->out, "next", next);
	end(call);
}

static void list(struct route_call *call)
{
	struct dead_filter filter;
	int64_t limit = route_query_number(call, "limit", 50);
	if (read_filter(&(struct source){ call, NULL }, &filter))
		engine_list_dead_letters(call->engine, &filter, query_or_empty(call, "cursor"),
					 limit < 1      ? 1
					 : limit > 1000 ? 1000
							: (uint32_t)limit,
					 on_list, call);
}

/* ---- one, with its attempts -------------------------------------------------------------------------- */

struct attempt {
	struct attempt *next; /* an older one */
	uint64_t id;
	const char *type;
	int64_t at_ms;
	uint32_t frame;
	struct str state, error, cause; /* state ptr NULL: not seen yet */
};

struct one {
	struct route_call *call;
	struct attempt *first, **tail;
	uint32_t count;
	uint64_t omitted;
};

static bool is_attempt(enum event_type type)
{
	static const enum event_type types[] = {
		EVENT_LAMBDA_FUNCTION_FAILED,
		EVENT_LAMBDA_FUNCTION_TIMED_OUT,
		EVENT_LAMBDA_FUNCTION_SCHEDULE_FAILED,
		EVENT_LAMBDA_FUNCTION_START_FAILED,
		EVENT_ACTIVITY_FAILED,
		EVENT_ACTIVITY_TIMED_OUT,
		EVENT_ACTIVITY_SCHEDULE_FAILED,
		EVENT_TASK_FAILED,
		EVENT_TASK_TIMED_OUT,
		EVENT_TASK_START_FAILED,
		EVENT_TASK_SUBMIT_FAILED,
		EVENT_EVALUATION_FAILED,
		EVENT_EXECUTION_FAILED,
		EVENT_EXECUTION_TIMED_OUT,
		EVENT_EXECUTION_ABORTED,
	};
	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		if (types[i] == type)
			return true;
	return false;
}

static void name_attempts(struct one *one, const struct event *entered)
{
	for (struct attempt *attempt = one->first; attempt; attempt = attempt->next)
		if (!attempt->state.ptr && attempt->frame == entered->frame)
			attempt->state = arena_str(&one->call->arena, entered->name);
}

/* Newest first. */
static void take_event(struct one *one, const struct event *event)
{
	struct arena *arena = &one->call->arena;
	if (str_ends(str_of(event_type_name(event->type)), STR("StateEntered")))
		name_attempts(one, event);
	if (!is_attempt(event->type))
		return;
	if (one->count >= ATTEMPTS_MAX) {
		one->omitted++;
		return;
	}
	struct attempt *attempt = ARENA_NEW(arena, struct attempt);
	*attempt = (struct attempt){
		.id = event->id,
		.type = event_type_name(event->type),
		.at_ms = event->timestamp_ms,
		.frame = event->frame,
		.error = event->fields & FIELD_ERROR ? arena_str(arena, event->error) : (struct str){ NULL, 0 },
		.cause = event->fields & FIELD_CAUSE ? arena_str(arena, event->cause) : (struct str){ NULL, 0 }
	};
	*one->tail = attempt;
	one->tail = &attempt->next;
	one->count++;
}

static void answer_one(struct one *one)
{
	struct buffer *out = &one->call->out;
	bool first = true;
	api_put_name(out, "attempts");
	buffer_byte(out, '[');
	for (const struct attempt *attempt = one->first; attempt; attempt = attempt->next) {
		buffer_addz(out, first ? "{" : ",{");
		first = false;
		api_put_number(out, "eventId", (int64_t)attempt->id);
		api_put_text(out, "type", str_of(attempt->type));
		api_put_number(out, "time", attempt->at_ms);
		put_text(out, "state", attempt->state, attempt->state.ptr);
		put_text(out, "error", attempt->error, attempt->error.ptr);
		put_text(out, "cause", attempt->cause, attempt->cause.ptr);
		buffer_byte(out, '}');
	}
	buffer_byte(out, ']');
	api_put_number(out, "attemptsOmitted", (int64_t)one->omitted);
	end(one->call);
}

static void on_history(void *data, const struct engine_error *error, const struct event *events, uint32_t count,
		       struct str token)
{
	struct one *one = data;
	if (refused(one->call, error))
		return;
	for (uint32_t i = 0; i < count; i++)
		take_event(one, &events[i]);
	if (!token.len) {
		answer_one(one);
		return;
	}
	struct history_request request = {
		.execution_arn = one->call->parts[0], .reverse = true, .count = HISTORY_PAGE, .token = token
	};
	engine_history(one->call->engine, &request, on_history, one);
}

static void on_described(void *data, const struct engine_error *error, const struct execution_info *info)
{
	struct one *one = data;
	if (refused(one->call, error))
		return;
	put_text(&one->call->out, "cause", info->cause, info->cause.ptr);
	api_put_json(&one->call->out, "input", info->input.len ? info->input : STR("null"));
	struct history_request request = {
		.execution_arn = one->call->parts[0], .reverse = true, .count = HISTORY_PAGE, .token = STR_EMPTY
	};
	engine_history(one->call->engine, &request, on_history, one);
}

static void on_letter(void *data, const struct engine_error *error, const struct dead_letter *letter)
{
	struct route_call *call = data;
	if (refused(call, error))
		return;
	struct one *one = ARENA_NEW(&call->arena, struct one);
	*one = (struct one){ .call = call };
	one->tail = &one->first;
	buffer_byte(&call->out, '{');
	put_letter(&call->out, &letter->info);
	api_put_json(&call->out, "stateInput", letter->state_input ? value_text(letter->state_input) : STR("null"));
	api_put_flag(&call->out, "editable", letter->editable);
	engine_describe(call->engine, call->parts[0], on_described, one);
}

static void show(struct route_call *call)
{
	engine_find_dead_letter(call->engine, call->parts[0], on_letter, call);
}

/* ---- previews and discarding ------------------------------------------------------------------------- */

/* What is to follow a preview that the body asks for with `executions` or `filter`. */
struct chosen {
	struct route_call *call;
	struct value *body;
	void (*then)(struct chosen *chosen, struct str preview);
	bool newest;
};

static void release_value(void *data)
{
	value_unref(data);
}

static void on_preview(void *data, const struct engine_error *error, const struct dead_preview *preview)
{
	struct chosen *chosen = data;
	struct route_call *call = chosen->call;
	struct buffer *out = &call->out;
	if (refused(call, error))
		return;
	if (chosen->then) {
		chosen->then(chosen, preview->id);
		return;
	}
	buffer_byte(out, '{');
	api_put_text(out, "preview", preview->id);
	api_put_number(out, "count", (int64_t)preview->count);
	api_put_flag(out, "more", preview->more);
	api_put_number(out, "expiresAt", preview->expires_ms);
	api_put_text(out, "definition", chosen->newest ? STR("newest") : STR("same"));
	put_letters(out, "executions", preview->infos, preview->infos_count);
	end(call);
}

/* False after it refused. */
static bool read_definition(struct route_call *call, const struct value *body, bool *ret_newest)
{
	const struct value *definition = value_getz(body, "definition");
	struct str text = definition && value_is(definition, VALUE_STRING) ? value_string(definition) : STR("same");
	*ret_newest = str_eqz(text, "newest");
	if (*ret_newest || str_eqz(text, "same"))
		return true;
	route_refuse(call, 400, "InvalidRequest", "definition must be \"same\" or \"newest\"");
	return false;
}

static void choose(struct chosen *chosen)
{
	struct route_call *call = chosen->call;
	const struct value *executions = value_getz(chosen->body, "executions"),
			   *filter = value_getz(chosen->body, "filter");
	struct dead_filter wanted;
	if (executions) {
		size_t count = value_count(executions);
		struct str *arns = ARENA_ARRAY(&call->arena, struct str, count + 1);
		bool good = value_is(executions, VALUE_ARRAY) && count <= ARNS_MAX;
		for (size_t i = 0; good && i < count; i++) {
			arns[i] = value_string(value_at(executions, i));
			good = arns[i].len;
		}
		if (good)
			engine_preview_dead_letters(call->engine, NULL, arns, count, chosen->newest && !chosen->then,
						    on_preview, chosen);
		else
			route_refuse(call, 400, "InvalidRequest", "executions must be a list of at most %d ARNs",
				     ARNS_MAX);
		return;
	}
	if (!filter || !value_is(filter, VALUE_OBJECT)) {
		route_refuse(call, 400, "InvalidRequest", "say which: %s, executions or filter",
			     chosen->then ? "preview" : "one of");
		return;
	}
	if (read_filter(&(struct source){ call, filter }, &wanted))
		engine_preview_dead_letters(call->engine, &wanted, NULL, 0, chosen->newest && !chosen->then, on_preview,
					    chosen);
}

/* The body, and what it names: a preview that is there, or one that is made of its executions or filter. */
static void begin_chosen(struct route_call *call, void (*then)(struct chosen *chosen, struct str preview))
{
	struct value *body = route_body(call);
	if (!body)
		return;
	arena_on_reset(&call->arena, release_value, body);
	struct chosen *chosen = ARENA_NEW(&call->arena, struct chosen);
	*chosen = (struct chosen){ .call = call, .body = body, .then = then };
	if (!read_definition(call, body, &chosen->newest))
		return;
	const struct value *preview = value_getz(body, "preview");
	if (then && preview && value_is(preview, VALUE_STRING))
		then(chosen, value_string(preview));
	else
		choose(chosen);
}

static void preview(struct route_call *call)
{
	begin_chosen(call, NULL);
}

static void on_discarded(void *data, const struct engine_error *error, uint64_t count)
{
	struct route_call *call = data;
	if (refused(call, error))
		return;
	buffer_byte(&call->out, '{');
	api_put_number(&call->out, "discarded", (int64_t)count);
	end(call);
}

static void discard_chosen(struct chosen *chosen, struct str preview)
{
	engine_discard_dead_letters(chosen->call->engine, preview, on_discarded, chosen->call);
}

static void discard(struct route_call *call)
{
	begin_chosen(call, discard_chosen);
}

/* ---- jobs -------------------------------------------------------------------------------------------- */

static void put_job(struct buffer *out, const struct redrive_info *job)
{
	put_job_id(out, "id", job->number);
	api_put_text(out, "state", str_of(redrive_state_name(job->state)));
	put_text(out, "reason", job->reason, job->reason.len);
	api_put_number(out, "createdAt", job->created_ms);
	put_number(out, "endedAt", job->ended_ms, job->ended_ms);
	api_put_text(out, "definition", job->newest ? STR("newest") : STR("same"));
	api_put_flag(out, "edited", job->edited);
	api_put_number(out, "rate", job->rate);
	api_put_flag(out, "canary", job->canary);
	api_put_text(out, "stage", str_of(job->stage));
	api_put_name(out, "stopErrorRate");
	value_write_double(job->stop_error_rate, out);
	api_put_number(out, "total", (int64_t)job->total);
	api_put_number(out, "pending", (int64_t)job->counts[OUTCOME_PENDING]);
	api_put_number(out, "running", (int64_t)job->counts[OUTCOME_RUNNING]);
	api_put_number(out, "succeeded", (int64_t)job->counts[OUTCOME_SUCCEEDED]);
	api_put_number(out, "failedAgain", (int64_t)job->counts[OUTCOME_FAILED_AGAIN]);
	api_put_number(out, "skipped", (int64_t)job->counts[OUTCOME_SKIPPED]);
}

static void answer_job(struct route_call *call, const struct redrive_info *job)
{
	buffer_byte(&call->out, '{');
	put_job(&call->out, job);
	end(call);
}

static void on_job(void *data, const struct engine_error *error, const struct redrive_info *job)
{
	struct route_call *call = data;
	if (!refused(call, error))
		answer_job(call, job);
}

static void begin_redrive(struct chosen *chosen, struct str preview)
{
	struct route_call *call = chosen->call;
	const struct value *rate = value_getz(chosen->body, "rate"), *canary = value_getz(chosen->body, "canary"),
			   *stop = value_getz(chosen->body, "stopErrorRate");
	int64_t number = 0;
	struct redrive_request request = { .preview = preview,
					   .newest = chosen->newest,
					   .input = value_getz(chosen->body, "input"),
					   .canary = !canary || value_bool(canary),
					   .stop_error_rate = stop ? value_number(stop) : 0.5 };
	if (rate && (!value_int64(rate, &number) || number < 1 || number > 10000)) {
		route_refuse(call, 400, "InvalidRequest", "rate must be a whole number from 1 to 10000");
		return;
	}
	request.rate = (uint32_t)number;
	engine_begin_redrive(call->engine, &request, on_job, call);
}

static void begin_job(struct route_call *call)
{
	begin_chosen(call, begin_redrive);
}

static uint64_t job_number(struct route_call *call)
{
	char digits[24], *rest;
	snprintf(digits, sizeof digits, "%.*s", STR_FMT(str_sub(call->parts[0], 0, sizeof digits - 1)));
	unsigned long long number = strtoull(digits, &rest, 10);
	return *rest || digits[0] == '-' ? 0 : number;
}

static void show_job(struct route_call *call)
{
	struct redrive_info job;
	if (engine_find_redrive(call->engine, job_number(call), &job))
		answer_job(call, &job);
	else
		route_refuse(call, 404, "NotFound", "there is no redrive job %.*s",
			     STR_FMT(str_sub(call->parts[0], 0, 40)));
}

static void list_jobs(struct route_call *call)
{
	struct redrive_info *jobs = ARENA_ARRAY(&call->arena, struct redrive_info, JOBS_MAX);
	uint32_t count = engine_list_redrives(call->engine, UINT64_MAX, jobs, JOBS_MAX);
	buffer_addz(&call->out, "{\"jobs\":[");
	for (uint32_t i = 0; i < count; i++) {
		buffer_addz(&call->out, i ? ",{" : "{");
		put_job(&call->out, &jobs[i]);
		buffer_byte(&call->out, '}');
	}
	buffer_byte(&call->out, ']');
	end(call);
}

static void pause_job(struct route_call *call)
{
	engine_change_redrive(call->engine, job_number(call), REDRIVE_PAUSE, on_job, call);
}

static void resume_job(struct route_call *call)
{
	engine_change_redrive(call->engine, job_number(call), REDRIVE_RESUME, on_job, call);
}

static void cancel_job(struct route_call *call)
{
	engine_change_redrive(call->engine, job_number(call), REDRIVE_CANCEL, on_job, call);
}

static void on_outcomes(void *data, const struct engine_error *error, const struct redrive_outcome_info *outcomes,
			uint32_t count, struct str next)
{
	struct route_call *call = data;
	struct buffer *out = &call->out;
	if (refused(call, error))
		return;
	buffer_addz(out, "{\"outcomes\":[");
	for (uint32_t i = 0; i < count; i++) {
		const struct redrive_outcome_info *outcome = &outcomes[i];
		buffer_addz(out, i ? ",{" : "{");
		put_text(out, "executionArn", outcome->arn, outcome->arn.len);
		api_put_text(out, "outcome", str_of(redrive_outcome_name(outcome->outcome)));
		api_put_flag(out, "repeated", outcome->outcome == OUTCOME_FAILED_AGAIN);
		api_put_number(out, "at", outcome->at_ms);
		put_text(out, "detail", outcome->detail, outcome->detail.len);
		buffer_byte(out, '}');
	}
	buffer_byte(out, ']');
	if (next.len)
		api_put_text(out, "next", next);
	end(call);
}

static void list_outcomes(struct route_call *call)
{
	struct str text = query_or_empty(call, "outcome");
	int64_t limit = route_query_number(call, "limit", 100);
	int outcome = -1;
	for (int i = 0; i < OUTCOMES; i++)
		if (str_eqz(text, redrive_outcome_name((enum redrive_outcome)i)))
			outcome = i;
	if (text.len && outcome < 0)
		route_refuse(call, 400, "InvalidRequest", "there is no outcome %.*s", STR_FMT(str_sub(text, 0, 40)));
	else
		engine_list_redrive_outcomes(call->engine, job_number(call), outcome, query_or_empty(call, "cursor"),
					     limit < 1      ? 1
					     : limit > 1000 ? 1000
							    : (uint32_t)limit,
					     on_outcomes, call);
}

/* ---- policies ------------------------------------------------------------------------------------------------------
 */

/* Whether there is such a machine; refused if not. */
static bool has_machine(struct route_call *call)
{
	struct str arn =
	    arena_format(&call->arena, "arn:aws:states:%s:%s:stateMachine:%.*s", engine_region(call->engine),
			 engine_account(call->engine), STR_FMT(call->parts[0]));
	if (engine_find_machine(call->engine, arn))
		return true;
	route_refuse(call, 404, "NotFound", "there is no state machine %.*s", STR_FMT(str_sub(call->parts[0], 0, 100)));
	return false;
}

static void show_policy(struct route_call *call)
{
	bool put;
	if (!has_machine(call))
		return;
	const struct value *policy = engine_dead_policy(call->engine, call->parts[0], &put);
	buffer_byte(&call->out, '{');
	api_put_json(&call->out, "policy", policy ? value_text(policy) : STR("{}"));
	api_put_text(&call->out, "from", put ? STR("store") : policy ? STR("configuration") : STR("default"));
	end(call);
}

static void on_policy(void *data, const struct engine_error *error)
{
	struct route_call *call = data;
	if (!refused(call, error))
		show_policy(call);
}

static void put_policy(struct route_call *call)
{
	struct wf_error err = { 0 };
	if (!has_machine(call))
		return;
	struct value *body = route_body(call);
	if (!body)
		return;
	if (dead_policy_check(body, &err) < 0)
		route_refuse(call, 400, "InvalidRequest", "%s", err.message);
	else
		engine_put_dead_policy(call->engine, call->parts[0], body, on_policy, call);
	value_unref(body);
}

static void delete_policy(struct route_call *call)
{
	if (has_machine(call))
		engine_put_dead_policy(call->engine, call->parts[0], NULL, on_policy, call);
}

const struct route routes_dead_letters[] = {
	{ "GET", "/v1/dead-letters/groups", ROLE_READ, groups },
	{ "GET", "/v1/dead-letters", ROLE_READ, list },
	{ "POST", "/v1/dead-letters/preview", ROLE_READ, preview },
	{ "POST", "/v1/dead-letters/discard", ROLE_OPERATE, discard },
	{ "GET",
	  "/v1/dead-letters/"
	  "*",
	  ROLE_READ, show },
	{ "GET", "/v1/redrive-jobs", ROLE_READ, list_jobs },
	{ "POST", "/v1/redrive-jobs", ROLE_OPERATE, begin_job },
	{ "GET",
	  "/v1/redrive-jobs/"
	  "*",
	  ROLE_READ, show_job },
	{ "GET",
	  "/v1/redrive-jobs/"
	  "*"
	  "/outcomes",
	  ROLE_READ, list_outcomes },
	{ "POST",
	  "/v1/redrive-jobs/"
	  "*"
	  "/pause",
	  ROLE_OPERATE, pause_job },
	{ "POST",
	  "/v1/redrive-jobs/"
	  "*"
	  "/resume",
	  ROLE_OPERATE, resume_job },
	{ "POST",
	  "/v1/redrive-jobs/"
	  "*"
	  "/cancel",
	  ROLE_OPERATE, cancel_job },
	{ "GET",
	  "/v1/state-machines/"
	  "*"
	  "/dead-letter-policy",
	  ROLE_READ, show_policy },
	{ "PUT",
	  "/v1/state-machines/"
	  "*"
	  "/dead-letter-policy",
	  ROLE_ADMINISTER, put_policy },
	{ "DELETE",
	  "/v1/state-machines/"
	  "*"
	  "/dead-letter-policy",
	  ROLE_ADMINISTER, delete_policy },
	{ NULL },
};
