/* v1_dead_letters.c: dead letters over /v1 (docs/console-api.md): each handler reads the question,
 * asks the engine (engine/dead_letters.h), and writes its answer. */
#include "server/v1_dead_letters.h"
#include <stdio.h>
#include <stdlib.h>

#define ATTEMPTS_MAX 1000
#define HISTORY_PAGE 1000
#define ARNS_MAX 10000

/* ---- writing ----------------------------------------------------------------------------------------- */

static void put_null(struct buffer *out, const char *name)
{
	api_put_json(out, name, STR("null"));
}

void letters_put_text(struct buffer *out, const char *name, struct str text, bool there)
{
	if (there)
		api_put_text(out, name, text);
	else
		put_null(out, name);
}

void letters_put_number(struct buffer *out, const char *name, int64_t number, bool there)
{
	if (there)
		api_put_number(out, name, number);
	else
		put_null(out, name);
}

void letters_put_job_id(struct buffer *out, const char *name, uint64_t number)
{
	char text[24];
	snprintf(text, sizeof text, "%llu", (unsigned long long)number);
	letters_put_text(out, name, str_of(text), number);
}

/* What a letter and a group's letters have in common. */
static void put_common(struct buffer *out, const struct dead_info *info)
{
	api_put_text(out, "stateMachineArn", info->machine ? info->machine->arn : STR_EMPTY);
	api_put_text(out, "stateMachineName", info->machine ? info->machine->name : STR_EMPTY);
	api_put_text(out, "status", str_of(execution_status_name(info->status)));
	letters_put_text(out, "error", info->error, info->error.len);
	letters_put_text(out, "state", info->state, info->state.len);
	letters_put_number(out, "revision", (int64_t)info->revision, info->revision);
	letters_put_text(out, "revisionId", info->revision_id, info->revision_id.len);
	letters_put_number(out, "version", (int64_t)info->version, info->version);
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
	letters_put_job_id(out, "job", info->job);
	api_put_number(out, "expiresAt", info->expires_ms);
	if (info->checked) {
		api_put_flag(out, "compatible", info->compatible);
		letters_put_text(out, "divergence", info->divergence, !info->compatible);
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

void letters_end(struct route_call *call)
{
	buffer_byte(&call->out, '}');
	route_answer(call);
}

bool letters_refused(struct route_call *call, const struct engine_error *error)
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
	if (letters_refused(call, error))
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
	letters_end(call);
}

struct str letters_query(struct route_call *call, const char *name)
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
	engine_group_dead_letters(call->engine, letters_query(call, "machine"), (int)hours, on_groups, grouped);
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
	if (route_number(text, number))
		return true;
	route_refuse(source->call, 400, "InvalidRequest", "%s must be a number", name);
	return false;
}

/* A member that is written wrong, or left empty by a script, would choose more than was meant. False after it refused the call. */
static bool members_choose(const struct source *source)
{
	static const struct {
		const char *name;
		bool may_be_empty;
	} known[] = { { "machine" }, { "error", true }, { "state", true }, { "status" }, { "revision" },
		      { "version" }, { "from" },	{ "to" },	   { "input" } };
	for (size_t i = 0; source->object && i < value_count(source->object); i++) {
		struct str name = value_key_at(source->object, i);
		const struct value *value = value_at(source->object, i);
		bool empty = value_is(value, VALUE_NULL), found = false;
		for (size_t k = 0; k < sizeof known / sizeof *known; k++)
			if (str_eqz(name, known[k].name)) {
				found = true;
				empty |= !known[k].may_be_empty && value_is(value, VALUE_STRING) && !value_string(value).len;
			}
		if (found && !empty)
			continue;
		route_refuse(source->call, 400, "InvalidRequest", found ? "the filter's '%.*s' is empty" : "a filter has no '%.*s'",
			     STR_FMT(str_sub(name, 0, 100)));
		return false;
	}
	return true;
}

/* False after it refused the call. */
static bool read_filter(const struct source *source, struct dead_filter *filter)
{
	*filter = (struct dead_filter)DEAD_FILTER_ALL;
	if (!members_choose(source))
		return false;
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
		if (!equals || equals == input.ptr) {
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
	if (letters_refused(call, error))
		return;
	buffer_byte(&call->out, '{');
	put_letters(&call->out, "deadLetters", infos, count);
	if (next.len)
		api_put_text(&call->out, "next", next);
	letters_end(call);
}

static void list(struct route_call *call)
{
	struct dead_filter filter;
	int64_t limit = route_query_number(call, "limit", 50);
	if (read_filter(&(struct source){ call, NULL }, &filter))
		engine_list_dead_letters(call->engine, &filter, letters_query(call, "cursor"),
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
		letters_put_text(out, "state", attempt->state, attempt->state.ptr);
		letters_put_text(out, "error", attempt->error, attempt->error.ptr);
		letters_put_text(out, "cause", attempt->cause, attempt->cause.ptr);
		buffer_byte(out, '}');
	}
	buffer_byte(out, ']');
	api_put_number(out, "attemptsOmitted", (int64_t)one->omitted);
	letters_end(one->call);
}

static void on_history(void *data, const struct engine_error *error, const struct event *events, uint32_t count,
		       struct str token)
{
	struct one *one = data;
	if (letters_refused(one->call, error))
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
	if (letters_refused(one->call, error))
		return;
	letters_put_text(&one->call->out, "cause", info->cause, info->cause.ptr);
	api_put_json(&one->call->out, "input", info->input.len ? info->input : STR("null"));
	struct history_request request = {
		.execution_arn = one->call->parts[0], .reverse = true, .count = HISTORY_PAGE, .token = STR_EMPTY
	};
	engine_history(one->call->engine, &request, on_history, one);
}

static void on_letter(void *data, const struct engine_error *error, const struct dead_letter *letter)
{
	struct route_call *call = data;
	if (letters_refused(call, error))
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

static void release_value(void *data)
{
	value_unref(data);
}

static void on_preview(void *data, const struct engine_error *error, const struct dead_preview *preview)
{
	struct chosen *chosen = data;
	struct route_call *call = chosen->call;
	struct buffer *out = &call->out;
	if (letters_refused(call, error))
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
	letters_end(call);
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

void letters_choose(struct route_call *call, void (*then)(struct chosen *chosen, struct str preview))
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
	letters_choose(call, NULL);
}

static void on_discarded(void *data, const struct engine_error *error, uint64_t count)
{
	struct route_call *call = data;
	if (letters_refused(call, error))
		return;
	buffer_byte(&call->out, '{');
	api_put_number(&call->out, "discarded", (int64_t)count);
	letters_end(call);
}

static void discard_chosen(struct chosen *chosen, struct str preview)
{
	engine_discard_dead_letters(chosen->call->engine, preview, on_discarded, chosen->call);
}

static void discard(struct route_call *call)
{
	letters_choose(call, discard_chosen);
}

const struct route routes_dead_letters[] = {
	{ "GET", "/v1/dead-letters/groups", ROLE_READ, groups },
	{ "GET", "/v1/dead-letters", ROLE_READ, list },
	{ "POST", "/v1/dead-letters/preview", ROLE_READ, preview },
	{ "POST", "/v1/dead-letters/discard", ROLE_OPERATE, discard },
	{ "GET", "/v1/dead-letters/*", ROLE_READ, show },
	{ NULL },
};
