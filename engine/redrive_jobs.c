/* redrive_jobs.c: bulk redrive: durable jobs (dead_letters.h).
 *
 * What a job has yet to do is what is PENDING in the store, read page by page in the order of ids; so there is no
 * cursor that could be wrong after a crash. A page begins behind the last id that was asked for, and from the first one
 * again only when nothing is under way: thus no id is asked for twice at a time. The counts in memory follow the
 * commits, are counted anew after a start, and again before a job is called complete.
 *
 *     PENDING ─► asked (rate, canary) ─► [newest: replayed] ─► INPUT_REDRIVE ─► RUNNING ─► SUCCEEDED | FAILED_AGAIN
 *                                              └► SKIPPED          └► SKIPPED        all in the execution's own batches
 */
#include "engine/dead.h"
#include <stdio.h>
#include <stdlib.h>

#define JOB_VERSION 1
#define PAGE_IDS 1000
#define FLYING_MAX 2000
#define RATE_DEFAULT 100
#define RATE_MAX 10000
#define JUDGED_LEAST 10 /* that ended, before a job without a canary is judged */
#define JOBS_KEPT_MS (30 * 86400000LL)

static const char *const outcome_names[OUTCOMES] = { "PENDING", "RUNNING", "SUCCEEDED", "FAILED_AGAIN", "SKIPPED" };
static const char *const state_names[JOB_STATES] = { "RUNNING", "PAUSED", "STOPPED", "CANCELLED", "COMPLETED" };

const char *redrive_outcome_name(enum redrive_outcome outcome)
{
	return (unsigned)outcome < OUTCOMES ? outcome_names[outcome] : "UNKNOWN";
}

const char *redrive_state_name(enum redrive_state state)
{
	return (unsigned)state < JOB_STATES ? state_names[state] : "UNKNOWN";
}

struct redrive_job *redrive_find(const struct engine *engine, uint64_t number)
{
	struct redrive_job *job = engine->dead->jobs;
	while (job && job->number != number)
		job = job->next;
	return job;
}

/* ---- the stored form --------------------------------------------------------------------------------- */

static void encode(const struct redrive_job *job, struct buffer *out)
{
	buffer_byte(out, JOB_VERSION);
	buffer_varint(out, job->number);
	buffer_byte(out, (char)job->state);
	buffer_blob(out, str_of(job->reason));
	buffer_svarint(out, job->created_ms);
	buffer_svarint(out, job->ended_ms);
	buffer_byte(out, (char)(job->newest | job->canary << 1));
	buffer_varint(out, job->rate);
	buffer_varint(out, (uint64_t)(job->stop_error_rate * 1e6 + 0.5));
	buffer_blob(out, job->input ? value_text(job->input) : STR_EMPTY);
	buffer_varint(out, job->total);
	buffer_varint(out, job->judged_succeeded);
	buffer_varint(out, job->judged_failed);
}

static bool decode(struct reader *in, struct redrive_job *job)
{
	uint8_t version, state, flags;
	uint64_t rate, stop;
	struct str reason, input;
	if (!reader_byte(in, &version) || version != JOB_VERSION || !reader_varint(in, &job->number) ||
	    !reader_byte(in, &state) || state >= JOB_STATES || !reader_blob(in, &reason) ||
	    !reader_svarint(in, &job->created_ms) || !reader_svarint(in, &job->ended_ms) || !reader_byte(in, &flags) ||
	    !reader_varint(in, &rate) || rate < 1 || rate > RATE_MAX || !reader_varint(in, &stop) || stop > 1000000 ||
	    !reader_blob(in, &input) || !reader_varint(in, &job->total) || !reader_varint(in, &job->judged_succeeded) ||
	    !reader_varint(in, &job->judged_failed))
		return false;
	job->state = (enum redrive_state)state;
	snprintf(job->reason, sizeof job->reason, "%.*s", STR_FMT(str_sub(reason, 0, sizeof job->reason - 1)));
	job->newest = flags & 1;
	job->canary = flags & 2;
	job->rate = (uint32_t)rate;
	job->stop_error_rate = (double)stop / 1e6;
	job->input = input.len ? value_from_trusted_text(input) : NULL;
	return true;
}

/* Newest in front. */
static void link_job(struct engine *engine, struct redrive_job *job)
{
	struct redrive_job **at = &engine->dead->jobs;
	while (*at && (*at)->number > job->number)
		at = &(*at)->next;
	job->next = *at;
	*at = job;
	if (job->number >= engine->dead->next_job)
		engine->dead->next_job = job->number + 1;
}

static void job_free(struct redrive_job *job)
{
	value_unref(job->input);
	free(job->page);
	free(job);
}

bool dead_load_job(struct engine *engine, const struct store_item *item)
{
	struct reader in = reader_of(item->bytes);
	struct redrive_job *job = NEW(struct redrive_job);
	if (!engine->dead) { /* who only looks at the store */
		bool good = decode(&in, job);
		job_free(job);
		return good;
	}
	if (!decode(&in, job) || !job->number || redrive_find(engine, job->number)) {
		job_free(job);
		return false;
	}
	link_job(engine, job);
	return true;
}

static void item_key(const struct redrive_job *job, char key[24])
{
	snprintf(key, 24, "%016llx", (unsigned long long)job->number);
}

void redrive_write(struct store_batch *batch, const struct dead_change *change)
{
	char key[24];
	item_key(change->job, key);
	if (change->kind == DEAD_CHANGE_DROP_JOB) {
		registry_put_item(batch, STORE_DELETE_ITEM, ITEM_REDRIVE_JOB, key, NULL);
		store_batch_add(batch, STORE_DELETE_OUTCOMES)->outcome =
		    (struct store_outcome){ .job = change->job->number };
		return;
	}
	_cleanup_(buffer_done) struct buffer out = { 0 };
	encode(change->job, &out);
	registry_put_item(batch, STORE_PUT_ITEM, ITEM_REDRIVE_JOB, key, &out);
	for (size_t i = 0; i < change->picks_count; i++)
		store_batch_add(batch, STORE_PUT_OUTCOME)->outcome =
		    (struct store_outcome){ .job = change->job->number,
					    .execution_id = change->picks[i].id,
					    .outcome = OUTCOME_PENDING,
					    .at_ms = change->job->created_ms,
					    .detail = STR_EMPTY };
}

static struct dead_change *save(struct engine *engine, struct redrive_job *job)
{
	struct dead_change *change = dead_change_new(engine, DEAD_CHANGE_JOB);
	change->job = job;
	return change;
}

static void set_state(struct engine *engine, struct redrive_job *job, enum redrive_state state, const char *reason)
{
	job->state = state;
	snprintf(job->reason, sizeof job->reason, "%s", reason);
	job->ended_ms = state == JOB_CANCELLED || state == JOB_COMPLETED ? engine_now_ms(engine) : 0;
	log_info("engine", "redrive job %llu is %s%s%s", (unsigned long long)job->number, state_names[state],
		 *reason ? ": " : "", reason);
}

/* ---- what is asked about jobs ------------------------------------------------------------------------ */

static uint64_t started_of(const struct redrive_job *job)
{
	return job->counts[OUTCOME_RUNNING] + job->counts[OUTCOME_SUCCEEDED] + job->counts[OUTCOME_FAILED_AGAIN] +
	       job->flying;
}

static uint64_t ended_of(const struct redrive_job *job)
{
	return job->counts[OUTCOME_SUCCEEDED] + job->counts[OUTCOME_FAILED_AGAIN];
}

static void fill_info(const struct redrive_job *job, struct redrive_info *info)
{
	*info = (struct redrive_info){ .number = job->number,
				       .state = job->state,
				       .reason = str_of(job->reason),
				       .created_ms = job->created_ms,
				       .ended_ms = job->ended_ms,
				       .newest = job->newest,
				       .edited = job->input,
				       .canary = job->canary,
				       .rate = job->rate,
				       .stop_error_rate = job->stop_error_rate,
				       .total = job->total };
	memcpy(info->counts, job->counts, sizeof info->counts);
	info->stage = !job->canary || ended_of(job) > 10 ? "rest" : ended_of(job) ? "canary 10" : "canary 1";
}

bool engine_find_redrive(struct engine *engine, uint64_t number, struct redrive_info *ret_job)
{
	const struct redrive_job *job = redrive_find(engine, number);
	if (job)
		fill_info(job, ret_job);
	return job;
}

uint32_t engine_list_redrives(struct engine *engine, uint64_t before, struct redrive_info *ret_jobs, uint32_t count)
{
	uint32_t given = 0;
	for (const struct redrive_job *job = engine->dead->jobs; job && given < count; job = job->next)
		if (job->number < before && !job->dropping)
			fill_info(job, &ret_jobs[given++]);
	return given;
}

/* ---- beginning and changing -------------------------------------------------------------------------- */

struct job_call {
	engine_redrive_job_fn *done;
	void *data;
	uint64_t number;
};

static void answer_job(struct request *request)
{
	const struct job_call *call = request->data;
	struct engine_error error = request_error(request);
	struct redrive_info info;
	bool found = !error.code && engine_find_redrive(request->engine, call->number, &info);
	call->done(call->data, &error, found ? &info : NULL);
}

/* A request that answers with a job: a new one, or that of a change. */
static struct request *job_request(struct engine *engine, struct request *request, uint64_t number,
				   engine_redrive_job_fn *done, void *data)
{
	if (!request)
		request = request_new(engine, answer_job, NULL);
	struct job_call *call = ARENA_NEW(&request->arena, struct job_call);
	*call = (struct job_call){ done, data, number };
	request->answer = answer_job;
	request->data = call;
	return request;
}

void engine_begin_redrive(struct engine *engine, const struct redrive_request *asked, engine_redrive_job_fn *done,
			  void *data)
{
	struct preview *preview = preview_find(engine, asked->preview);
	const char *problem = NULL;
	if (!preview)
		problem = "There is no such preview, or it has expired: make one again";
	else if (!preview->count)
		problem = "The preview holds no executions";
	else if (asked->rate > RATE_MAX)
		problem = "rate must be from 1 to 10000";
	else if (!(asked->stop_error_rate > 0) || asked->stop_error_rate > 1)
		problem = "stopErrorRate must be above 0, and 1 at most";
	else if (asked->input && value_text_len(asked->input) > (size_t)engine->limits.payload_bytes)
		problem = "input is larger than a payload may be";
	if (problem) {
		request_refuse(job_request(engine, NULL, 0, done, data),
			       preview ? ENGINE_VALIDATION : ENGINE_RESOURCE_NOT_FOUND, "%s", problem);
		return;
	}
	if (engine->draining) {
		request_refuse(job_request(engine, NULL, 0, done, data), ENGINE_UNAVAILABLE,
			       "The server is shutting down");
		return;
	}
	struct redrive_job *job = NEW(struct redrive_job);
	*job = (struct redrive_job){ .number = engine->dead->next_job,
				     .created_ms = engine_now_ms(engine),
				     .newest = asked->newest,
				     .canary = asked->canary,
				     .rate = asked->rate ? asked->rate : RATE_DEFAULT,
				     .stop_error_rate = asked->stop_error_rate,
				     .input = asked->input ? value_ref(asked->input) : NULL,
				     .total = preview->count,
				     .counted = true };
	job->counts[OUTCOME_PENDING] = job->total;
	link_job(engine, job);
	struct dead_change *change = save(engine, job);
	change->picks = TAKE(preview->picks);
	change->picks_count = preview->count;
	preview->count = 0;
	preview->expires_ms = 0;
	job->flying = 1; /* nothing is asked for before its rows are there */
	job_request(engine, change->request, job->number, done, data);
}

void engine_change_redrive(struct engine *engine, uint64_t number, enum redrive_change wanted,
			   engine_redrive_job_fn *done, void *data)
{
	struct redrive_job *job = redrive_find(engine, number);
	bool over = job && (job->state == JOB_CANCELLED || job->state == JOB_COMPLETED);
	if (!job || over) {
		request_refuse(job_request(engine, NULL, 0, done, data),
			       job ? ENGINE_CONFLICT : ENGINE_RESOURCE_NOT_FOUND,
			       job ? "Redrive job %llu is %s" : "There is no redrive job %llu",
			       (unsigned long long)number, job ? state_names[job->state] : "");
		return;
	}
	if (wanted == REDRIVE_PAUSE)
		set_state(engine, job, JOB_PAUSED, "");
	else if (wanted == REDRIVE_CANCEL)
		set_state(engine, job, JOB_CANCELLED, "");
	else if (job->state != JOB_RUNNING) {
		set_state(engine, job, JOB_RUNNING, "");
		job->judged_succeeded = job->counts[OUTCOME_SUCCEEDED]; /* what has gone wrong so far was seen */
		job->judged_failed = job->counts[OUTCOME_FAILED_AGAIN];
	}
	job_request(engine, save(engine, job)->request, number, done, data);
}

/* ---- outcomes ---------------------------------------------------------------------------------------- */

static void count_move(struct redrive_job *job, enum redrive_outcome from, enum redrive_outcome to)
{
	if (job->counts[from])
		job->counts[from]--;
	job->counts[to]++;
	job->stale = true;
	job->confirmed = false;
}

/* Stops it if too many of those that ended have failed again. */
static void judge(struct engine *engine, struct redrive_job *job)
{
	uint64_t failed = job->counts[OUTCOME_FAILED_AGAIN] - job->judged_failed;
	uint64_t ended = ended_of(job) - job->judged_succeeded - job->judged_failed;
	if (job->state != JOB_RUNNING || !ended || !job->counts[OUTCOME_PENDING] ||
	    (!job->canary && ended < JUDGED_LEAST))
		return;
	if ((double)failed <= job->stop_error_rate * (double)ended || job->stop_error_rate >= 1)
		return;
	char reason[160];
	snprintf(reason, sizeof reason, "%llu of %llu that ended have failed again", (unsigned long long)failed,
		 (unsigned long long)ended);
	set_state(engine, job, JOB_STOPPED, reason);
	save(engine, job);
}

void redrive_step(struct engine *engine, struct store_batch *batch, struct release *release)
{
	const struct execution *execution = release->resident->execution;
	uint64_t number = execution_redrive_job(execution);
	struct redrive_job *job = number ? redrive_find(engine, number) : NULL;
	bool ended = release->status != EXECUTION_RUNNING;
	if (!job || job->dropping || (!ended && !release->reopened))
		return;
	struct str error = STR_EMPTY, cause;
	enum redrive_outcome outcome = !ended                                    ? OUTCOME_RUNNING
				       : release->status == EXECUTION_SUCCEEDED_ ? OUTCOME_SUCCEEDED
										 : OUTCOME_FAILED_AGAIN;
	if (outcome == OUTCOME_FAILED_AGAIN && execution_error(execution, &error, &cause) && !error.ptr)
		error = STR_EMPTY;
	if (outcome == OUTCOME_FAILED_AGAIN && !error.len)
		error = str_of(execution_status_name(release->status));
	store_batch_add(batch, STORE_PUT_OUTCOME)->outcome =
	    (struct store_outcome){ .job = number,
				    .execution_id = release->resident->id,
				    .outcome = (uint8_t)outcome,
				    .at_ms = engine_now_ms(engine),
				    .detail = arena_str(&batch->arena, error) };
	release->job = number;
	release->job_outcome = (uint8_t)outcome;
}

void redrive_released(struct engine *engine, const struct release *release)
{
	struct redrive_job *job = release->job ? redrive_find(engine, release->job) : NULL;
	if (!job)
		return;
	count_move(job, release->reopened ? OUTCOME_PENDING : OUTCOME_RUNNING,
		   (enum redrive_outcome)release->job_outcome);
	if (job->counted && release->job_outcome != OUTCOME_RUNNING)
		judge(engine, job);
}

void redrive_outcome_committed(struct engine *engine, const struct dead_change *change)
{
	struct redrive_job *job = change->job;
	if (change->kind == DEAD_CHANGE_JOB) {
		job->flying -= change->picks_count > 0;
		return;
	}
	if (change->kind == DEAD_CHANGE_OUTCOME) {
		count_move(job, OUTCOME_PENDING, (enum redrive_outcome)change->outcome.outcome);
		job->flying--;
		return;
	}
	for (struct redrive_job **at = &engine->dead->jobs; *at; at = &(*at)->next)
		if (*at == job) {
			*at = job->next;
			break;
		}
	job_free(job);
}

static void skip(struct engine *engine, struct redrive_job *job, uint64_t id, struct str why)
{
	struct dead_change *change = dead_change_new(engine, DEAD_CHANGE_OUTCOME);
	change->job = job;
	change->texts = mem_strndup(why.ptr, why.len);
	change->outcome = (struct store_outcome){ .job = job->number,
						  .execution_id = id,
						  .outcome = OUTCOME_SKIPPED,
						  .at_ms = engine_now_ms(engine),
						  .detail = { change->texts, why.len } };
}

/* ---- one redrive ------------------------------------------------------------------------------------- */

struct redrive_call {
	struct redrive_job *job;
	enum core_outcome outcome;
	enum execution_status status; /* when it was not accepted */
	bool ours;                    /* this job has redriven it already */
	uint64_t id;                  /* while it is replayed */
};

static void settle_redrive(struct request *request, struct resident *resident, enum core_outcome outcome)
{
	struct redrive_call *call = request->data;
	call->outcome = outcome;
	call->status = resident->execution ? execution_status(resident->execution) : resident->row_status;
	call->ours = resident->execution && execution_redrive_job(resident->execution) == call->job->number;
}

static void answer_redrive(struct request *request)
{
	struct redrive_call *call = request->data;
	struct redrive_job *job = call->job;
	struct engine *engine = request->engine;
	_cleanup_(buffer_done) struct buffer why = { 0 };
	if (request->error == ENGINE_EXECUTION_DOES_NOT_EXIST)
		buffer_addz(&why, "it is no longer stored");
	else if (request->error)
		buffer_add(&why, request->message);
	else if (call->outcome == CORE_UNKNOWN)
		buffer_addz(&why, "its failed state's input cannot be replaced");
	else if (call->outcome != CORE_ACCEPTED && !call->ours)
		buffer_printf(&why,
			      "it is %s, or beyond the time or the number of events within which it may be redriven",
			      execution_status_name(call->status));
	if (why.len)
		skip(engine, job, request->id, buffer_str(&why)); /* it flies until that is committed */
	else
		job->flying--;
}

static void ask(struct engine *engine, struct redrive_job *job, uint64_t id, uint64_t revision)
{
	const struct str absent = { NULL, 0 };
	struct request *request = request_new(engine, answer_redrive, NULL);
	struct redrive_call *call = ARENA_NEW(&request->arena, struct redrive_call);
	*call = (struct redrive_call){ .job = job };
	request->data = call;
	request->id = id;
	request->carried = true;
	request->settle = settle_redrive;
	struct input *input = input_new(INPUT_REDRIVE, 0, job->input, STR_EMPTY, absent, absent);
	input->request = request;
	input->job = job->number;
	input->revision = revision;
	struct resident *resident = cache_find(engine, id);
	if (resident && resident->state == RESIDENT_ENDED)
		cache_reload(engine, resident);
	mailbox_put(engine, id, input);
}

static void on_replayed(struct engine *engine, void *data, int code, bool compatible, uint64_t revision,
			const char *what)
{
	struct redrive_call *call = data;
	struct redrive_job *job = call->job;
	uint64_t id = call->id;
	free(call);
	if (!engine)
		return;
	bool passing = code == ERR(IO) || code == ERR(BUSY) || code == ERR(NO_SPACE) || code == ERR(CANCELLED);
	if (engine->draining || passing)
		job->flying--; /* it stays PENDING, and is asked for again */
	else if (code < 0 || !compatible)
		skip(engine, job, id, str_of(what));
	else
		ask(engine, job, id, revision);
}

static void redrive_one(struct engine *engine, struct redrive_job *job, uint64_t id)
{
	job->flying++;
	if (!job->newest) {
		ask(engine, job, id, 0);
		return;
	}
	struct redrive_call *call = NEW(struct redrive_call);
	*call = (struct redrive_call){ .job = job, .id = id };
	replay_check(engine, id, on_replayed, call);
}

/* ---- running ----------------------------------------------------------------------------------------- */

static void on_counts(void *data, const uint64_t counts[STORE_OUTCOMES], int code, const struct wf_error *err)
{
	void *number;
	struct engine *engine = errand_done(data, &number);
	struct redrive_job *job = engine ? redrive_find(engine, (uint64_t)(uintptr_t)number) : NULL;
	if (!job)
		return;
	job->counting = false;
	if (code < 0 || job->stale)
		return; /* once more */
	memcpy(job->counts, counts, sizeof job->counts);
	job->counted = job->confirmed = true;
}

static void on_page(void *data, const struct store_outcome *outcomes, uint32_t count, int code,
		    const struct wf_error *err)
{
	void *number;
	struct engine *engine = errand_done(data, &number);
	struct redrive_job *job = engine ? redrive_find(engine, (uint64_t)(uintptr_t)number) : NULL;
	if (!job)
		return;
	job->reading = false;
	if (code < 0)
		return;
	MEM_GROW(job->page, job->page_capacity, (size_t)count + 1);
	for (uint32_t i = 0; i < count; i++)
		job->page[i] = outcomes[i].execution_id;
	job->page_count = count;
	job->page_at = 0;
	if (!count && !job->after && !job->flying)
		job->counted = false; /* there are none, whatever was counted */
	job->after = count ? outcomes[count - 1].execution_id : UINT64_MAX; /* at the end */
}

static void count(struct engine *engine, struct redrive_job *job)
{
	if (job->counting)
		return;
	job->counting = true;
	job->stale = false;
	store_count_outcomes(engine->store, job->number, on_counts, errand_new(engine, (void *)(uintptr_t)job->number));
}

static void read_page(struct engine *engine, struct redrive_job *job)
{
	if (job->reading)
		return;
	if (job->after == UINT64_MAX) {
		if (job->flying)
			return;
		job->after = 0;
	}
	job->reading = true;
	store_list_outcomes(engine->store, job->number, OUTCOME_PENDING, job->after, PAGE_IDS, on_page,
			    errand_new(engine, (void *)(uintptr_t)job->number));
}

/* How many may have begun by now. */
static uint64_t allowed(const struct redrive_job *job)
{
	uint64_t ended = ended_of(job) - job->judged_succeeded - job->judged_failed;
	uint64_t before = job->judged_succeeded + job->judged_failed;
	if (!job->canary || ended >= 11)
		return UINT64_MAX;
	return before + (ended ? 11 : 1);
}

static void refill(struct engine *engine, struct redrive_job *job)
{
	int64_t now_us = engine->clock->monotonic_us(engine->clock);
	double most = (double)job->rate / 10 + 1;
	if (job->filled_us && now_us > job->filled_us)
		job->tokens += (double)job->rate * (double)(now_us - job->filled_us) / 1e6;
	else if (!job->filled_us)
		job->tokens = 1;
	if (job->tokens > most)
		job->tokens = most;
	job->filled_us = now_us;
}

static void run_job(struct engine *engine, struct redrive_job *job)
{
	if (!job->counts[OUTCOME_PENDING] && !job->counts[OUTCOME_RUNNING] && !job->flying) {
		if (!job->confirmed) {
			count(engine, job);
			return;
		}
		set_state(engine, job, JOB_COMPLETED, "");
		save(engine, job);
		return;
	}
	refill(engine, job);
	uint64_t most = allowed(job);
	while (job->tokens >= 1 && job->page_at < job->page_count && job->flying < FLYING_MAX &&
	       started_of(job) < most && !mailbox_full(engine)) {
		job->tokens -= 1;
		redrive_one(engine, job, job->page[job->page_at++]);
	}
	if (job->page_at >= job->page_count && job->counts[OUTCOME_PENDING] > job->flying)
		read_page(engine, job);
}

void redrive_run(struct engine *engine, int64_t now_ms)
{
	for (struct redrive_job *job = engine->dead->jobs; job; job = job->next) {
		if (!job->counted)
			count(engine, job);
		else if (job->state == JOB_RUNNING)
			run_job(engine, job);
		else if (job->ended_ms && job->ended_ms + JOBS_KEPT_MS < now_ms && !job->dropping && !job->flying) {
			job->dropping = true;
			dead_change_new(engine, DEAD_CHANGE_DROP_JOB)->job = job;
		}
	}
}

int64_t redrive_next_ms(const struct engine *engine)
{
	for (const struct redrive_job *job = engine->dead->jobs; job; job = job->next)
		if (!job->counted || job->state == JOB_RUNNING) {
			bool asks = job->counts[OUTCOME_PENDING] > job->flying && started_of(job) < allowed(job);
			int64_t delay_ms = !asks ? 200 : job->rate >= 100 ? 10 : 1000 / job->rate;
			return engine_now_ms(engine) + delay_ms;
		}
	return INT64_MAX;
}

void redrive_free(struct engine *engine)
{
	for (struct redrive_job *next, *job = engine->dead->jobs; job; job = next) {
		next = job->next;
		job_free(job);
	}
}
