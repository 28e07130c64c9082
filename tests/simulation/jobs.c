/* jobs.c: who redrives in bulk or discards, and what must hold of it.
 *
 * A driver chooses dead letters among the executions that clients know, previews them, begins a job, watches it, pauses, resumes or cancels it, and
 * at last reads its outcomes. A process may die at any of these. Whatever happens: an execution is redriven once for a job, its row changes in the
 * batch of the event that it tells of, a job that was said to be paused or cancelled redrives nothing more, and none is forgotten. One that is to go on
 * with the newest definition does so exactly if that leads to where it stands (revisions.c). What was discarded is listed no more until it fails again. */
#include "tests/simulation/sim.h"
#include "engine/dead.h"
#include <stdlib.h>

#define CHOSEN_MAX 16
#define TRIES 10

/* ---- what is durable -------------------------------------------------------------------------------- */

struct outcome_fact { /* a row */
	struct task_key key; /* the execution, the job */
	uint8_t outcome;
	unsigned redriven; /* times that this job has redriven it */
};

static struct outcome_fact *find_row(const struct model *model, uint64_t job, uint64_t execution_id)
{
	struct task_key key = { execution_id, job };
	return str_map_get(&model->outcomes, (struct str){ (const char *)&key, sizeof key });
}

static struct job_fact *find_job(struct model *model, uint64_t number)
{
	for (unsigned i = 0; i < model->jobs_count; i++)
		if (model->jobs[i].number == number)
			return &model->jobs[i];
	return NULL;
}

void jobs_take_item(struct model *model, const struct store_item *item)
{
	struct reader in = reader_of(item->bytes);
	uint8_t version, state, flags;
	uint64_t number;
	int64_t created_ms, ended_ms;
	struct str reason;
	if (!reader_byte(&in, &version) || !reader_varint(&in, &number) || !reader_byte(&in, &state) || state >= JOB_STATES || !reader_blob(&in, &reason) ||
	    !reader_svarint(&in, &created_ms) || !reader_svarint(&in, &ended_ms) || !reader_byte(&in, &flags))
		sim_fail(model->sim, "a job cannot be read");
	struct job_fact *job = find_job(model, number);
	if (!job && model->jobs_count == SIM_JOBS_MAX)
		sim_fail(model->sim, "there are jobs that nobody asked for");
	if (!job) {
		job = &model->jobs[model->jobs_count++];
		size_t at = 0;
		for (const struct u64_map_entry *entry; (entry = u64_map_next(&model->machines, &at));)
			job->least[(uintptr_t)entry->value - 1] = revisions_newest(model, entry->key);
	} else if ((job->state == JOB_COMPLETED || job->state == JOB_CANCELLED) && job->state != state)
		sim_fail(model->sim, "job %llu was %s, and is %s", (unsigned long long)number, redrive_state_name((enum redrive_state)job->state),
			 redrive_state_name((enum redrive_state)state));
	job->number = number;
	job->state = state;
	job->newest = flags & 1;
}

/* Whether one of the definitions that have been the newest since the job began does not lead to where the execution stands. What the budget of a step cut
 * in two, and what a drawn delay has put in order, the replay may see in another order: then one is skipped that need not be. */
static bool may_misfit(const struct model *model, const struct fact *fact, const struct job_fact *job)
{
	static const struct limits usual = LIMITS_DEFAULT;
	if (!job->newest)
		return false;
	if (model->sim->limits.step_events != usual.step_events || strstr(model->sim->machines[fact->machine].text, "\"JitterStrategy\""))
		return true;
	for (uint64_t revision = job->least[fact->machine]; revision <= revisions_newest(model, fact->machine_id); revision++)
		if (revisions_fit(model, fact, revision) != FITS)
			return true;
	return false;
}

static const char *row_name(const struct outcome_fact *row)
{
	return row ? redrive_outcome_name((enum redrive_outcome)row->outcome) : "none";
}

void jobs_take_outcome(struct model *model, const struct store_outcome *outcome)
{
	struct sim *sim = model->sim;
	struct outcome_fact *row = find_row(model, outcome->job, outcome->execution_id);
	uint8_t before = row ? row->outcome : OUTCOMES, after = outcome->outcome;
	sim_note(sim, redrive_outcome_name((enum redrive_outcome)after), outcome->execution_id, outcome->job);
	bool follows = after == OUTCOME_PENDING ? !row : before == OUTCOME_PENDING || (before == OUTCOME_RUNNING && after != OUTCOME_SKIPPED);
	if (!follows)
		sim_fail(sim, "execution %llx was %s in job %llu, and is %s", (unsigned long long)outcome->execution_id, row_name(row),
			 (unsigned long long)outcome->job, redrive_outcome_name((enum redrive_outcome)after));
	if (!row) {
		row = NEW(struct outcome_fact);
		row->key = (struct task_key){ outcome->execution_id, outcome->job };
		str_map_put(&model->outcomes, (struct str){ (const char *)&row->key, sizeof row->key }, row);
	}
	row->outcome = after;
	if (after != OUTCOME_SKIPPED)
		return;
	/* All that may be wrong with one here: somebody else was quicker, or it was long ago. */
	const struct fact *fact = model_find(model, outcome->execution_id);
	bool late = sim_wall_ms(sim) - execution_stop_ms(fact->shadow) > sim->limits.redrive_days * 86400000;
	bool diverges = str_starts(outcome->detail, STR("at event ")) || str_starts(outcome->detail, STR("the state '"));
	if (!row->redriven && diverges && may_misfit(model, fact, find_job(model, outcome->job))) {
		sim->misfits++;
		return;
	}
	if (row->redriven || !str_starts(outcome->detail, STR("it is ")) || (!fact->redrives_asked && !late))
		sim_fail(sim, "execution %llx is skipped by job %llu, which redrove it %u times: %.*s", (unsigned long long)fact->id,
			 (unsigned long long)outcome->job, row->redriven, STR_FMT(outcome->detail));
}

void jobs_redriven(struct model *model, const struct fact *fact, uint64_t number)
{
	struct outcome_fact *row = find_row(model, number, fact->id);
	const struct job_fact *job = find_job(model, number);
	if (!row || !job)
		sim_fail(model->sim, "execution %llx is redriven by job %llu, which does not name it", (unsigned long long)fact->id, (unsigned long long)number);
	if (++row->redriven > 1)
		sim_fail(model->sim, "execution %llx is redriven twice by job %llu", (unsigned long long)fact->id, (unsigned long long)number);
	if (job->rests)
		sim_fail(model->sim, "execution %llx is redriven by job %llu, which is said to be %s", (unsigned long long)fact->id,
			 (unsigned long long)number, redrive_state_name((enum redrive_state)job->state));
	if (!job->newest && fact->revision != fact->revision_before)
		sim_fail(model->sim, "execution %llx is redriven by job %llu with another definition, unasked", (unsigned long long)fact->id,
			 (unsigned long long)number);
	if (job->newest && fact->revision < job->least[fact->machine])
		sim_fail(model->sim, "execution %llx is redriven by job %llu with revision %llu, which is not the newest", (unsigned long long)fact->id,
			 (unsigned long long)number, (unsigned long long)fact->revision);
	struct fact before = *fact;
	before.revision = fact->revision_before;
	if (revisions_fit(model, &before, fact->revision) == FITS_NOT)
		sim_fail(model->sim, "execution %llx is redriven with revision %llu, which could not have led to where it stands", (unsigned long long)fact->id,
			 (unsigned long long)fact->revision);
	model->sim->moved += fact->revision != fact->revision_before;
	sim_note(model->sim, "redriven by job", fact->id, fact->events_count);
	model->sim->job_redrives++;
}

/* Behind a batch: the row of the job that redrove it last says what the journal says, and those of others know that they are over. */
void jobs_check(struct model *model, const struct fact *fact)
{
	uint64_t number = execution_redrive_job(fact->shadow);
	enum execution_status status = execution_status(fact->shadow);
	uint8_t outcome = status == EXECUTION_RUNNING ? OUTCOME_RUNNING : status == EXECUTION_SUCCEEDED_ ? OUTCOME_SUCCEEDED : OUTCOME_FAILED_AGAIN;
	const struct outcome_fact *row = number ? find_row(model, number, fact->id) : NULL;
	if (number && (!row || row->outcome != outcome))
		sim_fail(model->sim, "execution %llx is %s, and %s in job %llu, which redrove it", (unsigned long long)fact->id, execution_status_name(status),
			 row_name(row), (unsigned long long)number);
	for (unsigned i = 0; i < model->jobs_count; i++) {
		row = model->jobs[i].number == number ? NULL : find_row(model, model->jobs[i].number, fact->id);
		if (row && (row->outcome == OUTCOME_RUNNING || (row->outcome == OUTCOME_PENDING && row->redriven)))
			sim_fail(model->sim, "execution %llx is %s in job %llu, and others have redriven it since", (unsigned long long)fact->id, row_name(row),
				 (unsigned long long)model->jobs[i].number);
	}
}

void jobs_done(struct model *model)
{
	size_t at = 0;
	for (struct str_map_entry *entry; (entry = str_map_next(&model->outcomes, &at));)
		free(entry->value);
	str_map_done(&model->outcomes);
}

/* ---- the driver --------------------------------------------------------------------------------------- */

enum phase { CHOOSE, BEGIN, DISCARD, WATCH, CHANGE, LIST_ROWS, REST };

struct driver {
	struct sim *sim;
	enum phase phase;
	int64_t at_ms;
	const struct node *node; /* who was asked; NULL: nobody */
	unsigned jobs_left, tries;
	char preview[32];
	uint64_t ids[CHOSEN_MAX];
	int64_t failed_ms[CHOSEN_MAX]; /* as it was listed: that failure is meant */
	uint64_t redrives[CHOSEN_MAX];
	unsigned ids_count;
	bool held; /* they may be redriven at any time */
	unsigned jobs_before; /* BEGIN: of the model */
	uint64_t number;
	enum redrive_change wanted;
};

struct driver *driver_new(struct sim *sim)
{
	struct driver *driver = NEW(struct driver);
	*driver = (struct driver){ .sim = sim, .phase = REST, .at_ms = sim->now_ms + sim_delay(sim, 15000) };
	driver->jobs_left = sim->temper.redrive ? 1 + (unsigned)random_below(&sim->chance, SIM_JOBS_MAX) : 0;
	return driver;
}

void driver_free(struct driver *driver)
{
	free(driver);
}

static void next(struct driver *driver, enum phase phase, unsigned most_ms)
{
	driver->phase = phase;
	driver->node = NULL;
	driver->at_ms = driver->sim->now_ms + 1 + sim_delay(driver->sim, most_ms);
}

/* From now on, or no longer, those that were chosen may go on at any time. */
static void hold(struct driver *driver, bool held)
{
	if (driver->held == held)
		return;
	driver->held = held;
	for (unsigned i = 0; i < driver->ids_count; i++) {
		struct fact *fact = model_find(&driver->sim->model, driver->ids[i]);
		fact->redrives_asked++;
		fact->redrives_open += held ? 1 : -1;
		client_forget_end(driver->sim->client, fact->id);
	}
}

/* Those that were chosen may be discarded at any time; or no longer. */
static void count_discards(struct driver *driver, int by)
{
	for (unsigned i = 0; i < driver->ids_count; i++) {
		struct fact *fact = model_find(&driver->sim->model, driver->ids[i]);
		fact->discards_open += (unsigned)by;
		fact->discard_redrives = driver->redrives[i];
	}
}

static void rest(struct driver *driver)
{
	driver->jobs_left--;
	driver->tries = 0;
	next(driver, REST, 15000);
}

/* Nobody hears it any more, or it is asked again: false. */
static bool heard(struct driver *driver, const struct engine_error *error, enum phase again)
{
	struct sim *sim = driver->sim;
	struct node *node = (struct node *)driver->node;
	if (!node_effect(node))
		return false;
	if (!error->code)
		return true;
	bool may_be = node->zombie || error->code == ENGINE_UNAVAILABLE || error->code == ENGINE_CONFLICT || error->code == ENGINE_RESOURCE_NOT_FOUND ||
		      (error->code == ENGINE_INTERNAL && sim->temper.read_fail);
	if (!may_be)
		sim_fail(sim, "a job is refused: %.*s", STR_FMT(error->message));
	if (driver->phase == BEGIN)
		hold(driver, false);
	if (driver->phase == DISCARD)
		count_discards(driver, -1);
	next(driver, again, 500);
	return false;
}

static void on_preview(void *data, const struct engine_error *error, const struct dead_preview *preview)
{
	struct driver *driver = data;
	if (!heard(driver, error, CHOOSE))
		return;
	driver->ids_count = 0;
	for (uint32_t i = 0; i < preview->infos_count; i++) {
		const struct fact *fact = model_find(&driver->sim->model, preview->infos[i].id);
		if (fact->discarded)
			sim_fail(driver->sim, "the dead letter %llx is listed, and was discarded", (unsigned long long)fact->id);
		driver->failed_ms[driver->ids_count] = preview->infos[i].failed_ms;
		driver->redrives[driver->ids_count] = preview->infos[i].redrives;
		driver->ids[driver->ids_count++] = fact->id;
	}
	snprintf(driver->preview, sizeof driver->preview, "%.*s", STR_FMT(preview->id));
	const struct node *node = driver->node;
	if (driver->ids_count && random_below(&driver->sim->chance, 2)) /* it is corrected */
		client_update(driver->sim->client, model_find(&driver->sim->model, driver->ids[0])->machine);
	next(driver, !driver->ids_count ? CHOOSE : random_below(&driver->sim->chance, 4) ? BEGIN : DISCARD, 2000);
	if (driver->ids_count)
		driver->number = node->number;
}

static void choose(struct driver *driver, struct engine *engine)
{
	struct sim *sim = driver->sim;
	struct str arns[CHOSEN_MAX];
	size_t count = 0, known;
	for (size_t i = 0; i < CHOSEN_MAX && (known = client_known_count(sim->client)); i++) {
		struct str arn = client_known_arn(sim->client, random_below(&sim->chance, known));
		bool twice = false;
		for (size_t k = 0; k < count; k++)
			twice |= str_eq(arns[k], arn);
		if (!twice)
			arns[count++] = arn;
	}
	if (++driver->tries > TRIES) {
		rest(driver);
		return;
	}
	struct dead_filter all = DEAD_FILTER_ALL;
	engine_preview_dead_letters(engine, &all, arns, count, random_below(&sim->chance, 3) == 0, on_preview, driver);
}

static void on_begun(void *data, const struct engine_error *error, const struct redrive_info *info)
{
	struct driver *driver = data;
	if (!heard(driver, error, CHOOSE))
		return;
	if (!find_job(&driver->sim->model, info->number))
		sim_fail(driver->sim, "job %llu is acknowledged, and is not durable", (unsigned long long)info->number);
	driver->number = info->number;
	next(driver, WATCH, 2000);
}

static void on_discarded(void *data, const struct engine_error *error, uint64_t count)
{
	struct driver *driver = data;
	struct node *node = (struct node *)driver->node;
	if (!heard(driver, error, CHOOSE))
		return;
	for (unsigned i = 0; i < driver->ids_count; i++) {
		const struct fact *fact = model_find(&driver->sim->model, driver->ids[i]);
		if (fact->letter_ms == driver->failed_ms[i] && fact->letter_redrives == driver->redrives[i] && !node->zombie)
			sim_fail(driver->sim, "the dead letter %llx is said to be discarded, and is there", (unsigned long long)fact->id);
	}
	if (count > driver->ids_count) /* fewer if some were redriven meanwhile */
		sim_fail(driver->sim, "%llu dead letters are said to be discarded, of %u", (unsigned long long)count, driver->ids_count);
	count_discards(driver, -1);
	next(driver, CHOOSE, 5000);
}

static void discard(struct driver *driver, struct engine *engine)
{
	struct sim *sim = driver->sim;
	count_discards(driver, 1);
	if (random_below(&sim->chance, 2)) /* somebody else does not want that */
		client_redrive(sim->client, driver->ids[random_below(&sim->chance, driver->ids_count)]);
	engine_discard_dead_letters(engine, str_of(driver->preview), on_discarded, driver);
}

static void begin(struct driver *driver, struct engine *engine)
{
	struct sim *sim = driver->sim;
	struct redrive_request request = { .preview = str_of(driver->preview), .newest = random_below(&sim->chance, 2),
					   .canary = random_below(&sim->chance, 2), .stop_error_rate = random_below(&sim->chance, 2) ? 1 : 0.3,
					   .rate = 1 + (uint32_t)random_below(&sim->chance, 20) };
	driver->jobs_before = sim->model.jobs_count;
	hold(driver, true);
	if (random_below(&sim->chance, 2)) /* somebody else has the same wish */
		client_redrive(sim->client, driver->ids[random_below(&sim->chance, driver->ids_count)]);
	engine_begin_redrive(engine, &request, on_begun, driver);
}

static void on_changed(void *data, const struct engine_error *error, const struct redrive_info *info)
{
	struct driver *driver = data;
	if (!heard(driver, error, WATCH))
		return;
	struct job_fact *job = find_job(&driver->sim->model, driver->number);
	enum redrive_state asked = driver->wanted == REDRIVE_PAUSE ? JOB_PAUSED : JOB_CANCELLED;
	if (driver->wanted != REDRIVE_RESUME) {
		if (job->state != asked)
			sim_fail(driver->sim, "job %llu is said to be %s, and that is not durable", (unsigned long long)job->number,
				 redrive_state_name(info->state));
		/* What was asked for before is on its way. */
		if (!redrive_find(driver->node->engine, job->number)->flying && !driver->node->zombie)
			job->rests = true;
	}
	next(driver, WATCH, 5000);
}

static void watch(struct driver *driver, struct engine *engine)
{
	struct sim *sim = driver->sim;
	struct redrive_info info;
	const struct job_fact *job = find_job(&sim->model, driver->number);
	if (job->state == JOB_COMPLETED || job->state == JOB_CANCELLED) {
		next(driver, job->state == JOB_COMPLETED ? LIST_ROWS : REST, 1000);
		if (job->state == JOB_CANCELLED) /* those stay held: what is on its way may come late */
			rest(driver);
		else
			hold(driver, false);
		driver->held = false;
		return;
	}
	if (!engine_find_redrive(engine, driver->number, &info))
		sim_fail(sim, "job %llu is forgotten", (unsigned long long)driver->number);
	bool stands = info.state == JOB_PAUSED || info.state == JOB_STOPPED;
	uint64_t chance = random_below(&sim->chance, 8);
	if (!stands && (chance > 1 || sim_calm(sim))) {
		next(driver, WATCH, 5000);
		return;
	}
	driver->wanted = chance == 0 ? REDRIVE_CANCEL : stands ? REDRIVE_RESUME : REDRIVE_PAUSE;
	next(driver, CHANGE, 2000);
}

static void on_rows(void *data, const struct engine_error *error, const struct redrive_outcome_info *rows, uint32_t count, struct str more)
{
	struct driver *driver = data;
	struct sim *sim = driver->sim;
	if (!heard(driver, error, LIST_ROWS))
		return;
	if (count != driver->ids_count || more.len)
		sim_fail(sim, "job %llu has %u executions, and %u were chosen", (unsigned long long)driver->number, count, driver->ids_count);
	for (uint32_t i = 0; i < count; i++) {
		const struct outcome_fact *row = find_row(&sim->model, driver->number, rows[i].execution_id);
		if (!row || row->outcome != rows[i].outcome || row->outcome == OUTCOME_PENDING || row->outcome == OUTCOME_RUNNING)
			sim_fail(sim, "job %llu is complete, and execution %llx is said to be %s, and is %s", (unsigned long long)driver->number,
				 (unsigned long long)rows[i].execution_id, redrive_outcome_name(rows[i].outcome), row_name(row));
	}
	sim->jobs++;
	rest(driver);
}

int64_t driver_next_ms(const struct driver *driver)
{
	return driver->node || !driver->jobs_left ? INT64_MAX : driver->at_ms;
}

bool driver_satisfied(const struct driver *driver)
{
	return !driver->jobs_left;
}

void driver_act(struct driver *driver)
{
	struct sim *sim = driver->sim;
	struct node *node = sim->node;
	if (!node || node->dying) {
		driver->at_ms = sim->now_ms + 1 + sim_delay(sim, 500);
		return;
	}
	sim_note(sim, "driver", driver->phase, driver->number);
	driver->node = node;
	switch (driver->phase) {
	case REST:
		next(driver, CHOOSE, 0);
		break;
	case CHOOSE:
		choose(driver, node->engine);
		break;
	case BEGIN:
	case DISCARD:
		if (driver->number != node->number) /* previews are in the memory of one process */
			next(driver, CHOOSE, 500);
		else if (driver->phase == BEGIN)
			begin(driver, node->engine);
		else
			discard(driver, node->engine);
		break;
	case WATCH:
		watch(driver, node->engine);
		break;
	case CHANGE:
		if (driver->wanted == REDRIVE_RESUME)
			find_job(&sim->model, driver->number)->rests = false;
		engine_change_redrive(node->engine, driver->number, driver->wanted, on_changed, driver);
		break;
	case LIST_ROWS:
		engine_list_redrive_outcomes(node->engine, driver->number, -1, STR_EMPTY, 1000, on_rows, driver);
		break;
	}
}

void driver_lost(struct driver *driver, const struct node *node)
{
	struct model *model = &driver->sim->model;
	if (driver->node != node)
		return;
	if (driver->phase == BEGIN && model->jobs_count > driver->jobs_before) { /* begun, though nobody said so */
		driver->number = model->jobs[model->jobs_count - 1].number;
		next(driver, WATCH, 500);
		return;
	}
	if (driver->phase == BEGIN)
		hold(driver, false);
	if (driver->phase == DISCARD)
		count_discards(driver, -1);
	next(driver, driver->phase == BEGIN || driver->phase == DISCARD ? CHOOSE : driver->phase == CHANGE ? WATCH : driver->phase, 500);
}
