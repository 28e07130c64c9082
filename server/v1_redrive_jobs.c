/* v1_redrive_jobs.c: redrive jobs and dead-letter policies over /v1 (docs/console-api.md). */
#include "server/v1_dead_letters.h"

#define JOBS_MAX 1000 /* of one page */
#define RATE_MAX 10000

/* ---- jobs -------------------------------------------------------------------------------------------- */

static void put_job(struct buffer *out, const struct redrive_info *job)
{
	letters_put_job_id(out, "id", job->number);
	api_put_text(out, "state", str_of(redrive_state_name(job->state)));
	letters_put_text(out, "reason", job->reason, job->reason.len);
	api_put_number(out, "createdAt", job->created_ms);
	letters_put_number(out, "endedAt", job->ended_ms, job->ended_ms);
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
	letters_end(call);
}

static void on_job(void *data, const struct engine_error *error, const struct redrive_info *job)
{
	struct route_call *call = data;
	if (!letters_refused(call, error))
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
	if (rate && (!value_int64(rate, &number) || number < 1 || number > RATE_MAX)) {
		route_refuse(call, 400, "InvalidRequest", "rate must be a whole number from 1 to %d", RATE_MAX);
		return;
	}
	if (canary && !value_is(canary, VALUE_BOOL)) {
		route_refuse(call, 400, "InvalidRequest", "canary must be true or false");
		return;
	}
	request.rate = (uint32_t)number;
	engine_begin_redrive(call->engine, &request, on_job, call);
}

static void begin_job(struct route_call *call)
{
	letters_choose(call, begin_redrive);
}

/* The job's number in the path; 0, which no job has, if it is none. */
static uint64_t job_number(struct route_call *call)
{
	struct str text = call->parts[0];
	uint64_t number = 0;
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] < '0' || text.ptr[i] > '9' || text.len > 19)
			return 0;
		number = number * 10 + (uint64_t)(text.ptr[i] - '0');
	}
	return number;
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
	int64_t limit = route_query_number(call, "limit", JOBS_MAX), before = route_query_number(call, "cursor", ROUTE_NUMBER_MOST);
	uint32_t most = limit < 1 ? 1 : limit > JOBS_MAX ? JOBS_MAX : (uint32_t)limit;
	struct redrive_info *jobs = ARENA_ARRAY(&call->arena, struct redrive_info, most);
	uint32_t count = engine_list_redrives(call->engine, before > 0 ? (uint64_t)before : 0, jobs, most);
	buffer_addz(&call->out, "{\"jobs\":[");
	for (uint32_t i = 0; i < count; i++) {
		buffer_addz(&call->out, i ? ",{" : "{");
		put_job(&call->out, &jobs[i]);
		buffer_byte(&call->out, '}');
	}
	buffer_byte(&call->out, ']');
	if (count == most)
		buffer_printf(&call->out, ",\"next\":\"%llu\"", (unsigned long long)jobs[count - 1].number);
	letters_end(call);
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
	if (letters_refused(call, error))
		return;
	buffer_addz(out, "{\"outcomes\":[");
	for (uint32_t i = 0; i < count; i++) {
		const struct redrive_outcome_info *outcome = &outcomes[i];
		buffer_addz(out, i ? ",{" : "{");
		letters_put_text(out, "executionArn", outcome->arn, outcome->arn.len);
		api_put_text(out, "outcome", str_of(redrive_outcome_name(outcome->outcome)));
		api_put_flag(out, "repeated", outcome->outcome == OUTCOME_FAILED_AGAIN);
		api_put_number(out, "at", outcome->at_ms);
		letters_put_text(out, "detail", outcome->detail, outcome->detail.len);
		buffer_byte(out, '}');
	}
	buffer_byte(out, ']');
	if (next.len)
		api_put_text(out, "next", next);
	letters_end(call);
}

static void list_outcomes(struct route_call *call)
{
	struct str text = letters_query(call, "outcome");
	int64_t limit = route_query_number(call, "limit", 100);
	int outcome = -1;
	for (int i = 0; i < OUTCOMES; i++)
		if (str_eqz(text, redrive_outcome_name((enum redrive_outcome)i)))
			outcome = i;
	if (text.len && outcome < 0)
		route_refuse(call, 400, "InvalidRequest", "there is no outcome %.*s", STR_FMT(str_sub(text, 0, 40)));
	else
		engine_list_redrive_outcomes(call->engine, job_number(call), outcome, letters_query(call, "cursor"),
					     limit < 1      ? 1
					     : limit > 1000 ? 1000
							    : (uint32_t)limit,
					     on_outcomes, call);
}

/* ---- policies ---------------------------------------------------------------------------------------- */

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
	letters_end(call);
}

static void on_policy(void *data, const struct engine_error *error)
{
	struct route_call *call = data;
	if (!letters_refused(call, error))
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

const struct route routes_redrive_jobs[] = {
	{ "GET", "/v1/redrive-jobs", ROLE_READ, list_jobs },
	{ "POST", "/v1/redrive-jobs", ROLE_OPERATE, begin_job },
	{ "GET", "/v1/redrive-jobs/*", ROLE_READ, show_job },
	{ "GET", "/v1/redrive-jobs/*/outcomes", ROLE_READ, list_outcomes },
	{ "POST", "/v1/redrive-jobs/*/pause", ROLE_OPERATE, pause_job },
	{ "POST", "/v1/redrive-jobs/*/resume", ROLE_OPERATE, resume_job },
	{ "POST", "/v1/redrive-jobs/*/cancel", ROLE_OPERATE, cancel_job },
	{ "GET", "/v1/state-machines/*/dead-letter-policy", ROLE_READ, show_policy },
	{ "PUT", "/v1/state-machines/*/dead-letter-policy", ROLE_ADMINISTER, put_policy },
	{ "DELETE", "/v1/state-machines/*/dead-letter-policy", ROLE_ADMINISTER, delete_policy },
	{ NULL },
};
