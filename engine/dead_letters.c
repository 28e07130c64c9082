/* dead_letters.c: the rows of dead letters: written with the end of an execution, deleted when it goes on; policies;
 * and the background: letters of an older store are read, those beyond their retention go. */
#include "base/glob.h"
#include "engine/dead.h"
#include "engine/stored.h"
#include <stdio.h>
#include <stdlib.h>

#define FILL_PAGE 64
#define EXPIRE_PAGE 500
#define DEPTHS_MS 5000
#define HOUSEKEEPING_MS 60000
#define POLICY_PREFIX "dead-letter-policy/"

/* ---- policies ---------------------------------------------------------------------------------------- */

static int check_days(const struct value *value, const char *key, struct wf_error *err)
{
	int64_t number;
	if (!value_is(value, VALUE_NUMBER) || !value_int64(value, &number) || number < 1 || number > 36500)
		return error_set(err, ERR(INVALID), "%s must be a whole number of days from 1 to 36500", key);
	return 0;
}

static int check_patterns(const struct value *value, struct wf_error *err)
{
	bool good = value_is(value, VALUE_ARRAY) && value_count(value) <= 100;
	for (size_t i = 0; good && i < value_count(value); i++)
		good = value_is(value_at(value, i), VALUE_STRING) && value_string(value_at(value, i)).len <= 256;
	return good ? 0 : error_set(err, ERR(INVALID), "skipRetry must be a list of at most 100 error patterns");
}

int dead_policy_check(const struct value *policy, struct wf_error *err)
{
	if (!value_is(policy, VALUE_OBJECT))
		return error_set(err, ERR(INVALID), "a dead-letter policy must be a mapping, found %s",
				 value_kind_name(value_kind(policy)));
	for (size_t i = 0; i < value_count(policy); i++) {
		struct str key = value_key_at(policy, i);
		const struct value *value = value_at(policy, i);
		int code = 0;
		if (str_eqz(key, "skipRetry"))
			code = check_patterns(value, err);
		else if (str_eqz(key, "aborted"))
			code = value_is(value, VALUE_BOOL)
				   ? 0
				   : error_set(err, ERR(INVALID), "aborted must be true or false");
		else if (str_eqz(key, "retentionDays") || str_eqz(key, "warnDays"))
			code = check_days(value, key.len == 8 ? "warnDays" : "retentionDays", err);
		else
			code = error_set(
			    err, ERR(INVALID),
			    "a dead-letter policy has no '%.*s' (skipRetry, aborted, retentionDays, warnDays)",
			    STR_FMT(str_sub(key, 0, 100)));
		if (code)
			return code;
	}
	return 0;
}

static int64_t days_of(const struct value *policy, const char *key)
{
	const struct value *value = value_getz(policy, key);
	int64_t days = 0;
	return value && value_int64(value, &days) ? days * DAY_MS : 0;
}

static struct dead_policy *policy_new(const struct value *value, bool put)
{
	const struct value *skip = value_getz(value, "skipRetry"), *aborted = value_getz(value, "aborted");
	struct dead_policy *policy = NEW(struct dead_policy);
	*policy = (struct dead_policy){ .value = value_ref(value),
					.put = put,
					.aborted = aborted && value_bool(aborted),
					.retention_ms = days_of(value, "retentionDays"),
					.warn_ms = days_of(value, "warnDays") };
	policy->skip_count = skip ? (uint32_t)value_count(skip) : 0;
	policy->skip = mem_zalloc((policy->skip_count + 1) * sizeof *policy->skip);
	for (uint32_t i = 0; i < policy->skip_count; i++)
		policy->skip[i] = value_string(value_at(skip, i));
	return policy;
}

static void policy_free(struct dead_policy *policy)
{
	if (!policy)
		return;
	value_unref(policy->value);
	free(policy->skip);
	free(policy);
}

const struct dead_policy *dead_policy_of(const struct engine *engine, struct str machine_name)
{
	const struct dead_letters *dead = engine->dead;
	const struct dead_policy *policy = dead->policies.count ? str_map_get(&dead->policies, machine_name) : NULL;
	for (size_t i = 0; !policy && i < dead->configured_count; i++)
		if (glob_matches(dead->patterns[i], machine_name))
			policy = dead->configured[i];
	return policy;
}

int engine_configure_dead_letters(struct engine *engine, const struct value *machines, struct wf_error *err)
{
	struct dead_letters *dead = engine->dead;
	size_t count = machines ? value_count(machines) : 0;
	dead->configured = mem_zalloc((count + 1) * sizeof *dead->configured);
	dead->patterns = mem_zalloc((count + 1) * sizeof *dead->patterns);
	for (size_t i = 0; i < count; i++) {
		const struct value *settings = value_at(machines, i), *policy = value_getz(settings, "dead_letters");
		struct str name = value_key_at(machines, i);
		bool known = value_is(settings, VALUE_OBJECT) && value_count(settings) == (policy != NULL);
		if (!known && !value_is(settings, VALUE_NULL)) {
			error_where(err, "/machines/%.*s", STR_FMT(str_sub(name, 0, 100)));
			return error_set(err, ERR(INVALID), "expected a mapping with dead_letters in it");
		}
		if (!policy || value_is(policy, VALUE_NULL))
			continue;
		int code = dead_policy_check(policy, err);
		if (code) {
			error_where(err, "/machines/%.*s/dead_letters", STR_FMT(str_sub(name, 0, 100)));
			return code;
		}
		dead->patterns[dead->configured_count] = (struct str){ mem_strndup(name.ptr, name.len), name.len };
		dead->configured[dead->configured_count++] = policy_new(policy, false);
	}
	return 0;
}

const struct value *engine_dead_policy(struct engine *engine, struct str machine_name, bool *ret_put)
{
	const struct dead_policy *policy = dead_policy_of(engine, machine_name);
	*ret_put = policy && policy->put;
	return policy ? policy->value : NULL;
}

static void keep_policy(struct engine *engine, struct str machine_name, const struct value *value)
{
	policy_free(str_map_remove(&engine->dead->policies, machine_name));
	if (value)
		str_map_put(&engine->dead->policies, machine_name, policy_new(value, true));
}

void engine_put_dead_policy(struct engine *engine, struct str machine_name, const struct value *policy,
			    engine_done_fn *done, void *data)
{
	_cleanup_(buffer_done) struct buffer key = { 0 };
	buffer_addz(&key, POLICY_PREFIX);
	buffer_add(&key, machine_name);
	keep_policy(engine, machine_name, policy);
	engine_put_record(engine, buffer_str(&key), policy ? value_text(policy) : (struct str){ NULL, 0 }, done, data);
}

static void load_policy(void *data, struct str key, struct str bytes)
{
	struct value *value = NULL;
	struct wf_error err = { 0 };
	if (value_parse(bytes, NULL, &value, &err) == 0 && dead_policy_check(value, &err) == 0)
		keep_policy(data, str_sub(key, strlen(POLICY_PREFIX), key.len), value);
	else
		log_warn("engine", "the policy %.*s cannot be read: %s", STR_FMT(key), err.message);
	value_unref(value);
}

void dead_env(struct engine *engine, const struct machine *machine, struct core_env *env)
{
	const struct dead_policy *policy = dead_policy_of(engine, machine->info.name);
	if (policy) {
		env->dead_errors = policy->skip;
		env->dead_errors_count = policy->skip_count;
	}
}

/* ---- rows -------------------------------------------------------------------------------------------- */

/* What the row says of one that has ended. Texts are borrowed from the execution. */
struct store_dead_letter dead_letter_of(const struct execution *execution, uint64_t id, uint64_t machine,
					struct str row_attributes)
{
	struct attributes attributes;
	struct str error, cause;
	const struct value *input;
	bool editable;
	struct store_dead_letter letter = { .execution_id = id,
					    .machine_id = machine,
					    .status = (uint8_t)execution_status(execution),
					    .failed_ms = execution_stop_ms(execution),
					    .state = execution_failed_state(execution, &input, &editable),
					    .redrives = execution_redrives(execution),
					    .job = execution_redrive_job(execution) };
	execution_error(execution, &error, &cause);
	letter.error = error.ptr                                             ? error
		       : execution_status(execution) == EXECUTION_TIMED_OUT_ ? STR(ERROR_NAME_TIMEOUT)
									     : STR_EMPTY;
	if (attributes_decode(row_attributes, &attributes)) {
		letter.revision = attributes.revision;
		letter.version = attributes.version;
	}
	return letter;
}

static bool is_letter(const struct engine *engine, const struct machine *machine, enum execution_status status)
{
	if (status == EXECUTION_FAILED_ || status == EXECUTION_TIMED_OUT_)
		return true;
	const struct dead_policy *policy =
	    status == EXECUTION_ABORTED_ ? dead_policy_of(engine, machine->info.name) : NULL;
	return policy && policy->aborted;
}

void dead_step(struct engine *engine, struct store_batch *batch, struct release *release)
{
	const struct resident *resident = release->resident;
	release->letter = is_letter(engine, resident->machine, release->status);
	if (release->letter) {
		struct store_op *op = store_batch_add(batch, STORE_PUT_DEAD_LETTER);
		op->dead_letter = dead_letter_of(resident->execution, resident->id, resident->machine->info.number,
						 resident->attributes);
		op->dead_letter.state = arena_str(&batch->arena, op->dead_letter.state);
		op->dead_letter.error = arena_str(&batch->arena, op->dead_letter.error);
	} else if (release->reopened) {
		store_batch_add(batch, STORE_DELETE_DEAD_LETTER)->dead_letter =
		    (struct store_dead_letter){ .execution_id = resident->id };
	}
	redrive_step(engine, batch, release);
	notify_step(engine, batch, release);
}

const char *dead_move_name(enum dead_move move)
{
	static const char *const names[] = { "entered", "redriven", "discarded", "expired" };
	return names[move];
}

void engine_on_dead_moved(struct engine *engine, engine_dead_moved_fn *told, void *data)
{
	engine->dead->moved = told;
	engine->dead->moved_data = data;
}

static void moved(struct engine *engine, enum dead_move move, uint64_t count, struct str arn)
{
	struct dead_stats *stats = &engine->dead->stats;
	uint64_t *const counts[] = { &stats->in, &stats->redriven, &stats->discarded, &stats->expired };
	*counts[move] += count;
	if (count && engine->dead->moved)
		engine->dead->moved(engine->dead->moved_data, &(struct dead_moved){ move, count, arn });
}

void dead_released(struct engine *engine, const struct release *release)
{
	moved(engine, DEAD_REDRIVEN, release->reopened, release->resident->arn);
	moved(engine, DEAD_ENTERED, release->letter, release->resident->arn);
	redrive_released(engine, release);
	notify_released(engine, release);
}

/* ---- changes ----------------------------------------------------------------------------------------- */

/* A change's request that nobody waits for but us. */
static void answer_nothing(struct request *request)
{
	(void)request;
}

struct dead_change *dead_change_new(struct engine *engine, enum dead_change_kind kind)
{
	struct dead_change *dead = NEW(struct dead_change);
	struct change *change = NEW(struct change);
	dead->kind = kind;
	change->dead = dead;
	change->request = request_new(engine, answer_nothing, NULL); /* so that draining waits for it */
	change->request->carried = true;
	dead->request = change->request;
	LIST_ADD(&engine->changes, change);
	return dead;
}

void dead_forget(struct engine *engine, const struct dead_pick *picks, size_t count, bool expired, engine_dead_count_fn *counted,
		 void *data)
{
	struct dead_change *dead = dead_change_new(engine, DEAD_CHANGE_FORGET);
	dead->picks = mem_alloc((count + 1) * sizeof *picks);
	memcpy(dead->picks, picks, count * sizeof *picks);
	dead->picks_count = count;
	dead->expired = expired;
	dead->counted = counted;
	dead->data = data;
}

void dead_write(struct engine *engine, struct store_batch *batch, struct dead_change *change)
{
	switch (change->kind) {
	case DEAD_CHANGE_FORGET:
		/* No batch is empty: of none, the letter of no execution goes. */
		if (!change->picks_count)
			store_batch_add(batch, STORE_DELETE_DEAD_LETTER)->dead_letter =
			    (struct store_dead_letter){ .execution_id = 0 };
		change->gone = ARENA_ARRAY(&batch->arena, bool, change->picks_count + 1);
		for (size_t i = 0; i < change->picks_count; i++)
			store_batch_add(batch, STORE_DELETE_DEAD_LETTER)->dead_letter =
			    (struct store_dead_letter){ .execution_id = change->picks[i].id,
							.failed_ms = change->picks[i].failed_ms,
							.ret_gone = &change->gone[i] };
		break;
	case DEAD_CHANGE_FILL: {
		struct store_op *op = store_batch_add(batch, STORE_FILL_DEAD_LETTER);
		op->dead_letter = change->letter;
		op->dead_letter.state = arena_str(&batch->arena, change->letter.state);
		op->dead_letter.error = arena_str(&batch->arena, change->letter.error);
		break;
	}
	case DEAD_CHANGE_OUTCOME: {
		struct store_op *op = store_batch_add(batch, STORE_PUT_OUTCOME);
		op->outcome = change->outcome;
		op->outcome.detail = arena_str(&batch->arena, change->outcome.detail);
		break;
	}
	case DEAD_CHANGE_EXPIRY: {
		const struct machine *machine = registry_by_number(engine, change->expiry.machine_id);
		if (machine)
			notify_expiry(engine, batch, machine->info.name, &change->expiry);
		break;
	}
	case DEAD_CHANGE_JOB:
	case DEAD_CHANGE_DROP_JOB:
		redrive_write(batch, change);
		break;
	}
}

/* Not all that were meant: some have been redriven since somebody looked. */
static uint64_t count_gone(const struct dead_change *change)
{
	uint64_t count = 0;
	for (size_t i = 0; i < change->picks_count; i++)
		count += change->gone[i];
	return count;
}

void dead_change_done(struct engine *engine, struct dead_change *change, bool committed)
{
	if (!change)
		return;
	struct dead_stats *stats = &engine->dead->stats;
	if (committed && change->kind == DEAD_CHANGE_FORGET) {
		uint64_t count = count_gone(change);
		moved(engine, change->expired ? DEAD_EXPIRED : DEAD_DISCARDED, count, STR_EMPTY);
		if (change->counted)
			change->counted(change->data, &(struct engine_error){ .code = ENGINE_OK, .message = STR_EMPTY }, count);
	} else if (committed && change->kind == DEAD_CHANGE_FILL) {
		stats->unread_done++;
	} else if (committed && change->kind == DEAD_CHANGE_EXPIRY) {
		notify_look(engine);
	} else if (committed && change->job) {
		redrive_outcome_committed(engine, change);
	}
	free(change->picks);
	free(change->texts);
	free(change);
}

/* ---- letters of an older store ----------------------------------------------------------------------- */

static void fill_page(struct engine *engine);

static void fill_one(struct engine *engine, const struct store_loaded *loaded)
{
	struct execution *execution = NULL;
	struct wf_error err = { 0 };
	int r = stored_execution(loaded, &execution, &err);
	if (r < 0) {
		log_warn("engine", "the dead letter %llx cannot be read: %s", (unsigned long long)loaded->row.id,
			 err.message);
	} else if (execution_status(execution) != EXECUTION_RUNNING) {
		struct dead_change *change = dead_change_new(engine, DEAD_CHANGE_FILL);
		change->letter =
		    dead_letter_of(execution, loaded->row.id, loaded->row.machine_id, loaded->row.attributes);
		struct str state = change->letter.state, error = change->letter.error;
		change->texts = mem_printf("%.*s%.*s", STR_FMT(state), STR_FMT(error));
		change->letter.state = (struct str){ change->texts, state.len };
		change->letter.error = (struct str){ change->texts + state.len, error.len };
	}
	execution_free(execution);
}

/* The page is read one after the other; the last one's answer goes on with the next page. */
struct filling {
	uint32_t left;
};

static void on_fill(void *data, const struct store_loaded *loaded, int code, const struct wf_error *err)
{
	void *kept;
	struct engine *engine = errand_done(data, &kept);
	struct filling *filling = kept;
	bool last = --filling->left == 0;
	if (last)
		free(filling);
	if (!engine)
		return;
	if (code == 0)
		fill_one(engine, loaded);
	if (last)
		fill_page(engine);
}

static void on_unread(void *data, const struct store_dead_letter *letters, uint32_t count, int code,
		      const struct wf_error *err)
{
	struct engine *engine = errand_done(data, NULL);
	if (!engine)
		return;
	struct dead_letters *dead = engine->dead;
	dead->filled = code == 0 && count == 0;
	if (code < 0 || !count || engine->draining) {
		dead->filling = false;
		return;
	}
	struct filling *filling = NEW(struct filling);
	filling->left = count;
	for (uint32_t i = 0; i < count; i++) {
		dead->fill_before = letters[i].execution_id;
		store_load(engine->store, letters[i].execution_id, on_fill, errand_new(engine, filling));
	}
}

static void fill_page(struct engine *engine)
{
	struct dead_letters *dead = engine->dead;
	dead->filling = true;
	store_list_dead_letters(
	    engine->store,
	    &(struct store_dead_request){ .unread = true, .before_id = dead->fill_before, .limit = FILL_PAGE },
	    on_unread, errand_new(engine, NULL));
}

/* ---- retention --------------------------------------------------------------------------------------- */

static void on_expired(void *data, const struct store_dead_letter *letters, uint32_t count, int code,
		       const struct wf_error *err)
{
	struct engine *engine = errand_done(data, NULL);
	if (!engine)
		return;
	engine->dead->expiring = false;
	if (code < 0 || !count || engine->draining)
		return;
	struct dead_pick picks[EXPIRE_PAGE];
	for (uint32_t i = 0; i < count; i++)
		picks[i] = (struct dead_pick){ letters[i].execution_id, letters[i].failed_ms };
	dead_forget(engine, picks, count, true, NULL, NULL);
	if (count == EXPIRE_PAGE)
		engine->dead->housekeeping_ms = engine_now_ms(engine) + 100;
}

/* How long letters under a policy stay. */
static int64_t kept_ms(const struct engine *engine, const struct dead_policy *policy)
{
	return policy->retention_ms ? policy->retention_ms : engine->limits.retention_days * DAY_MS;
}

/* When the oldest letter goes, if the policy warns of that by now; 0: it does not. */
static int64_t warned_of_ms(const struct engine *engine, const struct dead_policy *policy, int64_t oldest_ms, int64_t now_ms)
{
	int64_t expires_ms = policy ? oldest_ms + kept_ms(engine, policy) : 0;
	return policy && policy->warn_ms && expires_ms - policy->warn_ms <= now_ms ? expires_ms : 0;
}

/* Once a day, in the log and to targets. */
static void warn(struct engine *engine, const struct machine *machine, const struct dead_group_copy *depth,
		 int64_t expires_ms, int64_t now_ms)
{
	struct dead_letters *dead = engine->dead;
	uintptr_t day = (uintptr_t)(now_ms / DAY_MS);
	if ((uintptr_t)u64_map_get(&dead->warned, depth->machine_id) == day)
		return;
	u64_map_put(&dead->warned, depth->machine_id, (void *)day);
	dead->stats.expiry_warnings++;
	log_warn("engine", "dead letters of %.*s expire soon: %llu are there, the oldest goes in %lld h",
		 STR_FMT(machine->info.name), (unsigned long long)depth->count,
		 expires_ms > now_ms ? (long long)((expires_ms - now_ms) / 3600000) : 0);
	if (notify_wants_expiry(engine, machine->info.name))
		dead_change_new(engine, DEAD_CHANGE_EXPIRY)->expiry = (struct dead_expiry){
			.machine_id = depth->machine_id, .count = depth->count, .oldest_ms = depth->oldest_ms,
			.expires_ms = expires_ms, .at_ms = now_ms
		};
}

/* Those of one machine whose policy keeps them for a shorter time than executions are kept; one machine at a time. */
static void expire(struct engine *engine, int64_t now_ms)
{
	struct dead_letters *dead = engine->dead;
	for (uint32_t i = 0; i < dead->depths_count; i++) {
		const struct dead_group_copy *depth = &dead->depths[i];
		struct machine *machine = registry_by_number(engine, depth->machine_id);
		const struct dead_policy *policy = machine ? dead_policy_of(engine, machine->info.name) : NULL;
		if (!policy)
			continue;
		int64_t expires_ms = warned_of_ms(engine, policy, depth->oldest_ms, now_ms);
		if (expires_ms)
			warn(engine, machine, depth, expires_ms, now_ms);
		if (dead->expiring || !policy->retention_ms || depth->oldest_ms > now_ms - policy->retention_ms)
			continue;
		dead->expiring = true;
		store_list_dead_letters(engine->store,
					&(struct store_dead_request){ .machine_id = depth->machine_id,
								      .status = -1,
								      .from_ms = INT64_MIN,
								      .before_ms = now_ms - policy->retention_ms,
								      .limit = EXPIRE_PAGE },
					on_expired, errand_new(engine, NULL));
	}
}

/* ---- depths ------------------------------------------------------------------------------------------ */

/* What came less what went since this process began. What is committed while a look is under way may count twice until the next. */
static int64_t flow(const struct dead_stats *stats)
{
	return (int64_t)stats->in - (int64_t)(stats->redriven + stats->discarded + stats->expired);
}

static void on_depths(void *data, const struct store_dead_group *groups, uint32_t count, int code,
		      const struct wf_error *err)
{
	struct engine *engine = errand_done(data, NULL);
	if (!engine)
		return;
	struct dead_letters *dead = engine->dead;
	dead->depths_asked = false;
	if (code < 0)
		return;
	free(dead->depths);
	dead->depths = mem_zalloc((count + 1) * sizeof *dead->depths);
	dead->depths_count = count;
	dead->depths_flow = dead->asked_flow;
	dead->depths_sum = 0;
	for (uint32_t i = 0; i < count; i++) {
		dead->depths[i] =
		    (struct dead_group_copy){ groups[i].sample.machine_id, groups[i].count, groups[i].first_ms };
		dead->depths_sum += (int64_t)groups[i].count;
	}
}

uint64_t engine_dead_count(const struct engine *engine)
{
	const struct dead_letters *dead = engine->dead;
	int64_t count = dead->depths_sum + flow(&dead->stats) - dead->depths_flow;
	return count > 0 ? (uint64_t)count : 0;
}

uint32_t engine_dead_depths(struct engine *engine, struct dead_depth *ret_depths, uint32_t count)
{
	const struct dead_letters *dead = engine->dead;
	uint32_t given = 0;
	for (uint32_t i = 0; i < dead->depths_count && given < count; i++) {
		struct machine *machine = registry_by_number(engine, dead->depths[i].machine_id);
		if (machine)
			ret_depths[given++] = (struct dead_depth){
				machine->info.name, dead->depths[i].count, dead->depths[i].oldest_ms,
				warned_of_ms(engine, dead_policy_of(engine, machine->info.name), dead->depths[i].oldest_ms,
					     engine_now_ms(engine))
			};
	}
	return given;
}

void engine_dead_stats(struct engine *engine, struct dead_stats *ret_stats)
{
	*ret_stats = engine->dead->stats;
}

/* ---- life ----------------------------------------------------------------------------------------------------------
 */

void dead_init(struct engine *engine)
{
	engine->dead = NEW(struct dead_letters);
	engine->dead->next_job = 1;
	engine->dead->fill_before = INT64_MAX;
}

void dead_loaded(struct engine *engine)
{
	engine_each_record(engine, STR(POLICY_PREFIX), load_policy, engine);
}

void dead_run(struct engine *engine, int64_t now_ms)
{
	struct dead_letters *dead = engine->dead;
	replay_checks_run(engine); /* while draining too: somebody may wait for the answer */
	if (engine->draining || !engine->recovery.asked)
		return;
	if (!dead->filled && !dead->filling)
		fill_page(engine);
	if (now_ms >= dead->depths_ms && !dead->depths_asked) {
		dead->depths_ms = now_ms + DEPTHS_MS;
		dead->depths_asked = true;
		dead->asked_flow = flow(&dead->stats);
		store_group_dead_letters(engine->store,
					 &(struct store_dead_group_request){ .hours = -1, .limit = 10000 }, on_depths,
					 errand_new(engine, NULL));
	}
	if (now_ms >= dead->housekeeping_ms && dead->depths) {
		dead->housekeeping_ms = now_ms + HOUSEKEEPING_MS;
		expire(engine, now_ms);
	}
	redrive_run(engine, now_ms);
	notify_run(engine, now_ms);
}

int64_t dead_next_ms(const struct engine *engine)
{
	if (replay_checks_pending(engine))
		return engine_now_ms(engine);
	if (engine->draining || !engine->recovery.asked)
		return INT64_MAX;
	int64_t next_ms = redrive_next_ms(engine), notify_ms = notify_next_ms(engine);
	return next_ms < notify_ms ? next_ms : notify_ms;
}

void dead_free(struct engine *engine)
{
	struct dead_letters *dead = engine->dead;
	if (!dead)
		return;
	replay_checks_free(engine);
	redrive_free(engine);
	notify_free(engine);
	size_t i = 0;
	for (struct str_map_entry *entry; (entry = str_map_next(&dead->policies, &i));)
		policy_free(entry->value);
	str_map_done(&dead->policies);
	u64_map_done(&dead->warned);
	for (i = 0; i < dead->configured_count; i++) {
		policy_free(dead->configured[i]);
		free((char *)dead->patterns[i].ptr);
	}
	free(dead->configured);
	free(dead->patterns);
	for (struct preview *next, *preview = dead->previews; preview; preview = next) {
		next = preview->next;
		preview_free(preview);
	}
	free(dead->depths);
	free(dead);
	engine->dead = NULL;
}
