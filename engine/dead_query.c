/* dead_query.c: what is asked about dead letters: groups, pages and previews (dead_find.c: one).
 *
 * A page of rows is read from the store and looked through here. A row's own columns are compared at once; a filter by
 * a member of the input reads the first record of each candidate, one after the other. Nothing blocks the loop: between
 * two reads it goes on, and a list answers with a cursor when it has looked at its share. */
#include "base/glob.h"
#include "engine/dead.h"
#include "engine/token.h"
#include <stdio.h>
#include <stdlib.h>

#define LIST_ROWS 5000 /* looked at for one page */
#define LIST_INPUTS 200
#define PAGE_ROWS 1000 /* of one read */
#define LIST_MAX 1000
#define GROUPS_MAX 1000
#define PREVIEW_MS (15 * 60000)
#define PREVIEWS_MAX 16
#define HOURS_MAX 168

struct looking {
	struct engine *engine;
	struct arena arena, page; /* `page`: of the rows that are looked at */
	struct dead_filter filter;
	uint64_t machine_id;
	engine_dead_list_fn *listed; /* or */
	engine_dead_preview_fn *previewed;
	void *data;
	uint32_t limit, scanned, inputs;
	int64_t before_ms;
	uint64_t before_id;
	struct store_dead_letter *rows;
	uint32_t rows_count, at;
	bool last; /* no rows behind these */
	struct dead_info *infos;
	uint32_t infos_count;
	/* preview */
	struct dead_pick *picks;
	size_t picks_count, picks_capacity;
	struct u64_map picked; /* by ARNs: ids of those in `picks` */
	struct str *arns;
	size_t arns_count, arns_at;
	bool newest, more;
	uint32_t checked;
};

static void looking_free(struct looking *looking)
{
	arena_done(&looking->arena);
	arena_done(&looking->page);
	u64_map_done(&looking->picked);
	free(looking->picks);
	free(looking);
}

static void refuse(struct looking *looking, enum engine_error_code code, struct str message)
{
	struct engine_error error = { .code = code, .message = message };
	if (looking->listed)
		looking->listed(looking->data, &error, NULL, 0, STR_EMPTY);
	else
		looking->previewed(looking->data, &error, NULL);
	looking_free(looking);
}

/* The answer of a read: NULL if the engine is gone (then all is freed) or the read failed (then it is refused). */
static struct looking *read_done(void *data, int code, const struct wf_error *err)
{
	void *kept;
	struct engine *engine = errand_done(data, &kept);
	struct looking *looking = kept;
	if (!engine)
		looking_free(looking);
	else if (code < 0 && code != ERR(NOT_FOUND))
		refuse(looking, code == ERR(CANCELLED) ? ENGINE_UNAVAILABLE : ENGINE_INTERNAL,
		       err ? str_of(err->message) : STR("The store cannot be read"));
	else
		return looking;
	return NULL;
}

/* ---- rows for others to read ------------------------------------------------------------------------- */

struct str dead_write_arn(struct engine *engine, struct arena *arena, const struct machine *machine, uint64_t id,
			    struct str name, struct str *ret_name)
{
	char made[EXECUTION_NAME_LENGTH + 1];
	if (!name.len) {
		execution_name_make(&engine->key, id, made);
		name = (struct str){ made, EXECUTION_NAME_LENGTH };
	}
	struct str arn = arena_format(arena, "arn:aws:states:%s:%s:execution:%.*s:%.*s", engine->region,
				      engine->account, STR_FMT(machine ? machine->info.name : STR("?")), STR_FMT(name));
	*ret_name = str_sub(arn, arn.len - name.len, name.len);
	return arn;
}

void dead_fill_info(struct engine *engine, struct arena *arena, const struct store_dead_letter *letter,
		    struct dead_info *info)
{
	struct machine *machine = registry_by_number(engine, letter->machine_id);
	struct revision *revision = machine ? registry_revision(machine, letter->revision) : NULL;
	const struct dead_policy *policy = machine ? dead_policy_of(engine, machine->info.name) : NULL;
	int64_t kept_ms = engine->limits.retention_days * 86400000;
	if (policy && policy->retention_ms && policy->retention_ms < kept_ms)
		kept_ms = policy->retention_ms;
	*info = (struct dead_info){ .id = letter->execution_id,
				    .machine = machine ? &machine->info : NULL,
				    .status = (enum execution_status)letter->status,
				    .state = arena_str(arena, letter->state),
				    .error = arena_str(arena, letter->error),
				    .unread = letter->unread,
				    .revision = letter->revision,
				    .version = letter->version,
				    .revision_id = revision ? revision->revision_id : STR_EMPTY,
				    .newest =
					machine && machine->revisions && machine->revisions->number == letter->revision,
				    .start_ms = letter->start_ms,
				    .failed_ms = letter->failed_ms,
				    .expires_ms = letter->failed_ms + kept_ms,
				    .redrives = letter->redrives,
				    .job = letter->job };
	info->arn = dead_write_arn(engine, arena, machine, letter->execution_id, letter->name, &info->name);
}

/* ---- filters ----------------------------------------------------------------------------------------- */

static bool fits(const struct dead_filter *filter, const struct store_dead_letter *letter)
{
	return letter->failed_ms < filter->until_ms && letter->failed_ms >= filter->from_ms &&
	       (!filter->error.ptr || glob_matches(filter->error, letter->error)) &&
	       (!filter->state.ptr || str_eq(filter->state, letter->state)) &&
	       (filter->status < 0 || filter->status == letter->status) &&
	       (filter->revision < 0 || (uint64_t)filter->revision == letter->revision) &&
	       (filter->version < 0 || (uint64_t)filter->version == letter->version);
}

static bool input_fits(const struct dead_filter *filter, const struct value *input)
{
	struct str left = filter->input_path;
	while (input && left.len) {
		const char *dot = memchr(left.ptr, '.', left.len);
		struct str part = { left.ptr, dot ? (size_t)(dot - left.ptr) : left.len };
		left = str_sub(left, part.len + (dot != NULL), left.len);
		if (value_is(input, VALUE_ARRAY)) {
			size_t index = 0;
			bool number = part.len && part.len <= 9;
			for (size_t i = 0; number && i < part.len; i++) {
				number = part.ptr[i] >= '0' && part.ptr[i] <= '9';
				index = index * 10 + (size_t)(part.ptr[i] - '0');
			}
			input = number ? value_at(input, index) : NULL;
		} else {
			input = value_get(input, part);
		}
	}
	if (!input)
		return false;
	return str_eq(filter->input_value, value_is(input, VALUE_STRING) ? value_string(input) : value_text(input));
}

/* The machine of a filter; false with the request refused. */
static bool find_machine(struct engine *engine, struct arena *arena, struct str text, uint64_t *ret_id)
{
	*ret_id = 0;
	if (!text.len)
		return true;
	struct arn arn;
	struct machine *machine = NULL;
	if (!str_starts(text, STR("arn:")))
		machine = registry_find(engine, text);
	else if (!arn_parse(arena, text, "stateMachine", &arn))
		machine = registry_find(engine, arn.machine);
	if (machine)
		*ret_id = machine->info.number;
	return machine;
}

static struct str copy(struct arena *arena, struct str text)
{
	return text.ptr ? arena_str(arena, text) : text;
}

static struct looking *looking_new(struct engine *engine, const struct dead_filter *filter, void *data)
{
	static const struct dead_filter all = DEAD_FILTER_ALL;
	struct looking *looking = NEW(struct looking);
	*looking = (struct looking){ .engine = engine,
				     .filter = filter ? *filter : all,
				     .data = data,
				     .before_ms = INT64_MAX,
				     .before_id = INT64_MAX };
	struct dead_filter *own = &looking->filter;
	own->error = copy(&looking->arena, own->error);
	own->state = copy(&looking->arena, own->state);
	own->input_path = copy(&looking->arena, own->input_path);
	own->input_value = copy(&looking->arena, own->input_value);
	return looking;
}

/* ---- looking through --------------------------------------------------------------------------------- */

static void look_on(struct looking *looking);
static void finish_preview(struct looking *looking);

static void finish_list(struct looking *looking, bool more)
{
	_cleanup_(buffer_done) struct buffer next = { 0 };
	if (more)
		page_token_make('d', (uint64_t)looking->before_ms, looking->before_id, &next);
	looking->listed(looking->data, &(struct engine_error){ .code = ENGINE_OK, .message = STR_EMPTY },
			looking->infos, looking->infos_count, buffer_str(&next));
	looking_free(looking);
}

static void take(struct looking *looking, const struct store_dead_letter *letter)
{
	if (looking->previewed) {
		if (looking->picks_count == DEAD_PREVIEW_MAX) {
			looking->more = true;
			return;
		}
		MEM_GROW(looking->picks, looking->picks_capacity, looking->picks_count + 1);
		looking->picks[looking->picks_count++] = (struct dead_pick){ letter->execution_id, letter->failed_ms };
	}
	if (looking->infos_count < looking->limit)
		dead_fill_info(looking->engine, &looking->arena, letter, &looking->infos[looking->infos_count++]);
}

static void on_input(void *data, const struct store_record *records, uint32_t count, bool more, int code,
		     const struct wf_error *err)
{
	struct looking *looking = read_done(data, code, err);
	if (!looking)
		return;
	const struct store_dead_letter *letter = &looking->rows[looking->at - 1];
	_cleanup_(arena_done) struct arena arena = { 0 };
	struct record_reader reader;
	struct event event;
	struct wf_error damage = { 0 };
	if (code == 0 && count) {
		struct record record = { .first_event_id = records->first_event_id,
					 .bytes = records->bytes,
					 .blobs = records->blobs,
					 .blobs_count = records->blobs_count };
		if (record_open(&record, &arena, &reader, &damage) == 0 && record_next(&reader, &event, &damage) > 0 &&
		    event.type == EVENT_EXECUTION_STARTED && event.payload &&
		    input_fits(&looking->filter, event.payload))
			take(looking, letter);
	}
	look_on(looking);
}

static void on_rows(void *data, const struct store_dead_letter *letters, uint32_t count, int code,
		    const struct wf_error *err)
{
	struct looking *looking = read_done(data, code, err);
	if (!looking)
		return;
	arena_reset(&looking->page);
	looking->rows = ARENA_ARRAY(&looking->page, struct store_dead_letter, count + 1);
	for (uint32_t i = 0; i < count; i++) {
		looking->rows[i] = letters[i];
		looking->rows[i].state = arena_str(&looking->page, letters[i].state);
		looking->rows[i].error = arena_str(&looking->page, letters[i].error);
		looking->rows[i].name = arena_str(&looking->page, letters[i].name);
	}
	looking->rows_count = count;
	looking->at = 0;
	looking->last = count < PAGE_ROWS;
	look_on(looking);
}

static bool has_looked_enough(const struct looking *looking)
{
	if (looking->previewed)
		return looking->more;
	return looking->infos_count >= looking->limit || looking->scanned >= LIST_ROWS ||
	       looking->inputs >= LIST_INPUTS;
}

static void look_on(struct looking *looking)
{
	struct engine *engine = looking->engine;
	while (looking->at < looking->rows_count) {
		if (has_looked_enough(looking)) {
			looking->last = false;
			break;
		}
		const struct store_dead_letter *letter = &looking->rows[looking->at++];
		looking->before_ms = letter->failed_ms;
		looking->before_id = letter->execution_id;
		looking->scanned++;
		if (!fits(&looking->filter, letter))
			continue;
		if (looking->filter.input_path.ptr) {
			looking->inputs++;
			store_read_records(engine->store, letter->execution_id, 0, false, 1, on_input,
					   errand_new(engine, looking));
			return;
		}
		take(looking, letter);
	}
	bool enough = has_looked_enough(looking);
	if (looking->previewed && (looking->last || enough))
		finish_preview(looking);
	else if (looking->last || enough)
		finish_list(looking, !looking->last);
	else
		store_list_dead_letters(engine->store,
					&(struct store_dead_request){ .machine_id = looking->machine_id,
								      .status = looking->filter.status,
								      .from_ms = looking->filter.from_ms,
								      .before_ms = looking->before_ms,
								      .before_id = looking->before_id,
								      .limit = PAGE_ROWS },
					on_rows, errand_new(engine, looking));
}

/* Refusals come later, as all answers do. */
static void on_refusal(void *data, uint64_t count, int code, const struct wf_error *err)
{
	struct looking *looking = read_done(data, 0, NULL);
	if (looking)
		refuse(looking, looking->limit ? ENGINE_STATE_MACHINE_DOES_NOT_EXIST : ENGINE_INVALID_TOKEN,
		       looking->limit ? STR("There is no such state machine") : STR("Invalid Token: 'Invalid token'"));
}

static void begin(struct looking *looking, struct str machine, struct str cursor)
{
	uint64_t before_ms;
	looking->infos = ARENA_ARRAY(&looking->arena, struct dead_info, looking->limit + 1);
	looking->last = false;
	bool token = !cursor.len || page_token_read(cursor, 'd', &before_ms, &looking->before_id);
	if (cursor.len && token)
		looking->before_ms = (int64_t)before_ms;
	else if (looking->filter.until_ms != INT64_MAX) {
		looking->before_ms = looking->filter.until_ms;
		looking->before_id = 0;
	}
	if (token && find_machine(looking->engine, &looking->arena, machine, &looking->machine_id)) {
		looking->rows_count = looking->at = 0;
		look_on(looking);
		return;
	}
	if (!token)
		looking->limit = 0;
	store_count_open(looking->engine->store, on_refusal, errand_new(looking->engine, looking));
}

void engine_list_dead_letters(struct engine *engine, const struct dead_filter *filter, struct str cursor,
			      uint32_t limit, engine_dead_list_fn *done, void *data)
{
	struct looking *looking = looking_new(engine, filter, data);
	looking->listed = done;
	looking->limit = limit && limit < LIST_MAX ? limit : limit ? LIST_MAX : 50;
	begin(looking, filter->machine, cursor);
}

/* ---- previews ---------------------------------------------------------------------------------------- */

struct preview *preview_find(struct engine *engine, struct str id)
{
	int64_t now_ms = engine_now_ms(engine);
	for (struct preview *preview = engine->dead->previews; preview; preview = preview->next)
		if (preview->picks && preview->expires_ms > now_ms && str_eqz(id, preview->id))
			return preview;
	return NULL;
}

void preview_free(struct preview *preview)
{
	free(preview->picks);
	free(preview);
}

/* Drops those that have expired, and the oldest beyond the bound. */
static void drop_previews(struct engine *engine)
{
	unsigned kept = 0;
	for (struct preview **at = &engine->dead->previews; *at;) {
		struct preview *preview = *at;
		if (++kept < PREVIEWS_MAX && preview->expires_ms > engine_now_ms(engine)) {
			at = &preview->next;
			continue;
		}
		*at = preview->next;
		preview_free(preview);
	}
}

static void answer_preview(struct looking *looking)
{
	struct engine *engine = looking->engine;
	struct dead_letters *dead = engine->dead;
	drop_previews(engine);
	struct preview *preview = NEW(struct preview);
	*preview = (struct preview){ .next = dead->previews,
				     .expires_ms = engine_now_ms(engine) + PREVIEW_MS,
				     .count = looking->picks_count,
				     .picks = looking->picks ? TAKE(looking->picks) : mem_zalloc(sizeof(struct dead_pick)) };
	snprintf(preview->id, sizeof preview->id, "%016llx", (unsigned long long)random_u64(&engine->random));
	dead->previews = preview;
	struct dead_preview answer = { .id = str_of(preview->id),
				       .count = preview->count,
				       .more = looking->more,
				       .expires_ms = preview->expires_ms,
				       .infos = looking->infos,
				       .infos_count = looking->infos_count };
	looking->previewed(looking->data, &(struct engine_error){ .code = ENGINE_OK, .message = STR_EMPTY }, &answer);
	looking_free(looking);
}

static void on_checked(struct engine *engine, void *data, int code, bool compatible, uint64_t revision,
		       const char *what)
{
	struct looking *looking = data;
	if (!engine) {
		looking_free(looking);
		return;
	}
	struct dead_info *info = &looking->infos[looking->checked++];
	info->checked = true;
	info->compatible = code == 0 && compatible;
	info->divergence = info->compatible ? STR_EMPTY : arena_str(&looking->arena, str_of(what));
	finish_preview(looking);
}

static void finish_preview(struct looking *looking)
{
	if (looking->newest && looking->checked < looking->infos_count && looking->checked < DEAD_PREVIEW_CHECKED)
		replay_check(looking->engine, looking->infos[looking->checked].id, on_checked, looking);
	else
		answer_preview(looking);
}

/* ---- by ARN ------------------------------------------------------------------------------------------ */

static void next_arn(struct looking *looking);

static void on_arn_letter(void *data, const struct store_dead_letter *letters, uint32_t count, int code,
			  const struct wf_error *err)
{
	struct looking *looking = read_done(data, code, err);
	if (!looking)
		return;
	if (code == 0 && count && !u64_map_put(&looking->picked, letters->execution_id, looking))
		take(looking, letters);
	next_arn(looking);
}

static void on_arn_row(void *data, const struct store_execution *rows, uint32_t count, int code,
		       const struct wf_error *err)
{
	struct looking *looking = read_done(data, code, err);
	if (!looking)
		return;
	if (code == 0 && count)
		store_find_dead_letter(looking->engine->store, rows->id, on_arn_letter,
				       errand_new(looking->engine, looking));
	else
		next_arn(looking);
}

static void next_arn(struct looking *looking)
{
	struct engine *engine = looking->engine;
	struct machine *machine;
	struct str name;
	uint64_t id;
	while (looking->arns_at < looking->arns_count) {
		if (!dead_parse_arn(engine, &looking->arena, looking->arns[looking->arns_at++], &machine, &name, &id))
			continue;
		if (id)
			store_find_dead_letter(engine->store, id, on_arn_letter, errand_new(engine, looking));
		else
			store_find_named(engine->store, machine->info.number, name, on_arn_row,
					 errand_new(engine, looking));
		return;
	}
	finish_preview(looking);
}

static void on_arns(void *data, uint64_t count, int code, const struct wf_error *err)
{
	struct looking *looking = read_done(data, code, err);
	if (looking)
		next_arn(looking);
}

void engine_preview_dead_letters(struct engine *engine, const struct dead_filter *filter, const struct str *arns,
				 size_t arns_count, bool newest, engine_dead_preview_fn *done, void *data)
{
	struct looking *looking = looking_new(engine, arns ? NULL : filter, data);
	looking->previewed = done;
	looking->newest = newest;
	looking->limit = DEAD_PREVIEW_SHOWN;
	if (!arns) {
		begin(looking, filter->machine, STR_EMPTY);
		return;
	}
	looking->infos = ARENA_ARRAY(&looking->arena, struct dead_info, looking->limit + 1);
	looking->arns_count = arns_count < 10000 ? arns_count : 10000;
	looking->more = arns_count > 10000;
	looking->arns = ARENA_ARRAY(&looking->arena, struct str, looking->arns_count + 1);
	for (size_t i = 0; i < looking->arns_count; i++)
		looking->arns[i] = arena_str(&looking->arena, arns[i]);
	store_count_open(engine->store, on_arns,
			 errand_new(engine, looking)); /* the answer must not come from within */
}

struct discarding {
	engine_dead_count_fn *done;
	void *data;
};

static void on_no_preview(void *data, uint64_t count, int code, const struct wf_error *err)
{
	void *kept;
	struct engine *engine = errand_done(data, &kept);
	struct discarding *discarding = kept;
	struct engine_error error = { .code = ENGINE_RESOURCE_NOT_FOUND,
				      .message = STR("There is no such preview, or it has expired: make one again") };
	if (engine)
		discarding->done(discarding->data, &error, 0);
	free(discarding);
}

void engine_discard_dead_letters(struct engine *engine, struct str id, engine_dead_count_fn *done, void *data)
{
	struct preview *preview = preview_find(engine, id);
	if (!preview) {
		struct discarding *discarding = NEW(struct discarding);
		*discarding = (struct discarding){ done, data };
		store_count_open(engine->store, on_no_preview, errand_new(engine, discarding));
		return;
	}
	dead_forget(engine, preview->picks, preview->count, false, done, data);
	preview->expires_ms = 0;
}

/* ---- groups ------------------------------------------------------------------------------------------ */

struct grouping {
	struct arena arena;
	engine_dead_groups_fn *done;
	void *data;
	int64_t from_ms;
	bool refused;
};

static void on_groups(void *data, const struct store_dead_group *rows, uint32_t count, int code,
		      const struct wf_error *err)
{
	void *kept;
	struct engine *engine = errand_done(data, &kept);
	struct grouping *grouping = kept;
	struct engine_error error = { .code = ENGINE_OK, .message = STR_EMPTY };
	if (grouping->refused)
		error = (struct engine_error){ .code = ENGINE_STATE_MACHINE_DOES_NOT_EXIST,
					       .message = STR("There is no such state machine") };
	else if (code < 0)
		error = (struct engine_error){ .code = ENGINE_INTERNAL, .message = str_of(err->message) };
	if (engine) {
		count = error.code ? 0 : count;
		struct dead_group *groups = ARENA_ARRAY(&grouping->arena, struct dead_group, count + 1);
		for (uint32_t i = 0; i < count; i++) {
			groups[i] = (struct dead_group){ .count = rows[i].count,
							 .first_ms = rows[i].first_ms,
							 .last_ms = rows[i].last_ms,
							 .hourly = rows[i].hourly };
			dead_fill_info(engine, &grouping->arena, &rows[i].sample, &groups[i].sample);
		}
		grouping->done(grouping->data, &error, groups, count, grouping->from_ms);
	}
	arena_done(&grouping->arena);
	free(grouping);
}

void engine_group_dead_letters(struct engine *engine, struct str machine, int hours, engine_dead_groups_fn *done,
			       void *data)
{
	struct grouping *grouping = NEW(struct grouping);
	uint64_t machine_id;
	hours = hours < 1 ? 1 : hours > HOURS_MAX ? HOURS_MAX : hours;
	int64_t now_ms = engine_now_ms(engine);
	*grouping = (struct grouping){ .done = done,
				       .data = data,
				       .from_ms = now_ms - now_ms % 3600000 - (hours - 1) * 3600000LL };
	grouping->refused = !find_machine(engine, &grouping->arena, machine, &machine_id);
	store_group_dead_letters(engine->store,
				 &(struct store_dead_group_request){ .machine_id = machine_id,
								     .from_ms = grouping->from_ms,
								     .hours = hours,
								     .limit = grouping->refused ? 0 : GROUPS_MAX },
				 on_groups, errand_new(engine, grouping));
}
