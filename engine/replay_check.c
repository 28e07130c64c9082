/* replay_check.c: whether executions could go on with the newest definition of their state machine: their histories are
 * read page by page, folded, and replayed by the core (core/replay.h), a slice each turn: a history of a million events
 * holds up nobody.
 *
 *     waiting ─► the row ─► a page ─► slices ─► the next page … folded ─► the pages once more … replayed ─► done
 *
 * A few are under way at a time, each with a page in memory; the others wait in order. */
#include "engine/core/replay.h"
#include "engine/dead.h"
#include "engine/stored.h"
#include "engine/token.h"
#include <stdlib.h>

#define UNDER_WAY_MAX 4
#define PAGE_BYTES (256 << 10)
#define SLICE_BYTES (32 << 10) /* of records that are folded */
#define SLICE_EVENTS 500       /* that are decided again */

struct checking {
	struct checking *next;
	uint64_t id;
	replay_done_fn *done;
	void *data;
	struct arena arena; /* of what the replay points at */
	struct store_execution row;
	uint64_t revision;
	struct program *program;
	struct replay *replay;
	bool folded;
	/* The page that is worked on. */
	bool reading, last;
	uint32_t next_record;
	struct arena page_arena;
	struct record *page;
	uint32_t page_count, page_at;
};

static void free_checking(struct checking *checking)
{
	replay_free(checking->replay);
	program_unref(checking->program);
	arena_done(&checking->page_arena);
	arena_done(&checking->arena);
	free(checking);
}

static void begin_next(struct engine *engine);

/* `engine` NULL: it ends. */
static void finish(struct engine *engine, struct checking *checking, int code, bool compatible, const char *what)
{
	for (struct checking **at = engine ? &engine->dead->checks : NULL; at && *at; at = &(*at)->next)
		if (*at == checking) {
			*at = checking->next;
			engine->dead->checks_under_way--;
			break;
		}
	checking->done(engine, checking->data, code, compatible, checking->revision, what);
	free_checking(checking);
	if (engine)
		begin_next(engine);
}

/* ---- slices ------------------------------------------------------------------------------------------ */

static void read_page(struct engine *engine, struct checking *checking);

static int fold_slice(struct checking *checking, struct wf_error *err)
{
	size_t bytes = 0;
	int code = 0;
	while (code == 0 && checking->page_at < checking->page_count && bytes < SLICE_BYTES) {
		bytes += checking->page[checking->page_at].bytes.len;
		code = replay_fold(checking->replay, &checking->page[checking->page_at++], err);
	}
	if (code == 0 && checking->page_at == checking->page_count && checking->last) {
		code = replay_begin(checking->replay, err);
		checking->folded = true;
		checking->next_record = 0; /* from the first once more */
		checking->last = false;
	}
	return code;
}

/* Record by record, so that no more is decoded than is needed next. */
static int replay_slice(struct checking *checking, bool *ret_ended, struct wf_error *err)
{
	bool all = checking->page_at == checking->page_count && checking->last;
	int state = replay_run(checking->replay, SLICE_EVENTS, all, err);
	*ret_ended = state == REPLAY_ENDED;
	if (state != REPLAY_WANTS || checking->page_at == checking->page_count)
		return state < 0 ? state : 0;
	return replay_add(checking->replay, &checking->page[checking->page_at++], err);
}

static bool has_work(const struct checking *checking)
{
	return checking->replay && !checking->reading;
}

static void work(struct engine *engine, struct checking *checking)
{
	struct wf_error err = { 0 };
	bool ended = false;
	int code = checking->folded ? replay_slice(checking, &ended, &err) : fold_slice(checking, &err);
	if (code < 0) {
		finish(engine, checking, code, false, err.message);
	} else if (ended) {
		const struct replay_result *result = replay_result(checking->replay);
		finish(engine, checking, 0, result->compatible, result->what);
	} else if (checking->page_at == checking->page_count && !checking->last) {
		read_page(engine, checking);
	}
}

void replay_checks_run(struct engine *engine)
{
	for (struct checking *next, *checking = engine->dead->checks; checking; checking = next) {
		next = checking->next;
		if (has_work(checking))
			work(engine, checking);
	}
}

bool replay_checks_pending(const struct engine *engine)
{
	const struct checking *checking = engine->dead->checks;
	while (checking && !has_work(checking))
		checking = checking->next;
	return checking;
}

/* ---- reading ----------------------------------------------------------------------------------------- */

/* What the store gives is borrowed, and the page is worked on over several turns. */
static void copy_page(struct checking *checking, const struct store_record *records, uint32_t count)
{
	struct arena *arena = &checking->page_arena;
	arena_done(arena);
	*arena = (struct arena){ 0 };
	checking->page = ARENA_ARRAY(arena, struct record, count + 1);
	for (uint32_t i = 0; i < count; i++) {
		struct record record = stored_record(&records[i]);
		record.bytes = arena_str(arena, record.bytes);
		record.blobs = ARENA_ARRAY(arena, struct str, record.blobs_count + 1);
		for (uint32_t k = 0; k < record.blobs_count; k++)
			record.blobs[k] = arena_str(arena, records[i].blobs[k]);
		checking->page[i] = record;
	}
	checking->page_count = count;
	checking->page_at = 0;
	if (count)
		checking->next_record = records[count - 1].number + 1;
}

static void on_page(void *data, const struct store_record *records, uint32_t count, bool more, int code,
		    const struct wf_error *err)
{
	void *kept;
	struct engine *engine = errand_done(data, &kept);
	struct checking *checking = kept;
	if (!engine || code < 0) {
		finish(engine, checking, code < 0 ? code : ERR(CANCELLED), false, err ? err->message : "");
		return;
	}
	checking->reading = false;
	checking->last = !more;
	copy_page(checking, records, count);
}

static void read_page(struct engine *engine, struct checking *checking)
{
	checking->reading = true;
	store_read_records(engine->store, checking->id, checking->next_record, false, PAGE_BYTES, on_page,
			   errand_new(engine, checking));
}

/* ---- beginning --------------------------------------------------------------------------------------- */

static void begin(struct engine *engine, struct checking *checking, struct machine *machine)
{
	struct revision *revision = machine->revisions;
	struct arena *arena = &checking->arena;
	const struct program *program = revision_program(engine, revision);
	char made[EXECUTION_NAME_LENGTH + 1];
	struct str name = checking->row.name;
	checking->revision = revision->number;
	if (!program) {
		finish(engine, checking, ERR(INVALID), false, "the newest definition cannot be run by this version");
		return;
	}
	if (!name.len) {
		execution_name_make(&engine->key, checking->id, made);
		name = arena_str(arena, str_of(made));
	}
	checking->program = program_ref(program);
	struct core_env env = { .program = checking->program,
				.limits = &engine->limits,
				.seed = 1,
				.execution_arn = arena_format(arena, "arn:aws:states:%s:%s:execution:%.*s:%.*s",
							      engine->region, engine->account,
							      STR_FMT(machine->info.name), STR_FMT(name)),
				.execution_name = name,
				.state_machine_arn = arena_str(arena, machine->info.arn),
				.state_machine_name = arena_str(arena, machine->info.name),
				.role_arn = arena_str(arena, revision->role_arn),
				.region = str_of(engine->region) };
	checking->replay = replay_new(&env);
	read_page(engine, checking);
}

static void on_row(void *data, const struct store_execution *rows, uint32_t count, int code, const struct wf_error *err)
{
	void *kept;
	struct engine *engine = errand_done(data, &kept);
	struct checking *checking = kept;
	if (!engine || code < 0 || !count) {
		finish(engine, checking, code < 0 ? code : ERR(NOT_FOUND), false,
		       err ? err->message : "it is no longer stored");
		return;
	}
	checking->row.name = arena_str(&checking->arena, rows->name);
	struct attributes attributes;
	struct machine *machine = registry_by_number(engine, rows->machine_id);
	if (!machine || !machine->revisions) {
		finish(engine, checking, ERR(NOT_FOUND), false, "its state machine is no longer stored");
	} else if (attributes_decode(rows->attributes, &attributes) &&
		   attributes.revision == machine->revisions->number) {
		checking->revision = attributes.revision; /* it runs the newest one already */
		finish(engine, checking, 0, true, "");
	} else {
		begin(engine, checking, machine);
	}
}

/* The one that has waited longest, if there is room. */
static void begin_next(struct engine *engine)
{
	struct dead_letters *dead = engine->dead;
	struct checking *checking = dead->checks_waiting;
	if (!checking || dead->checks_under_way >= UNDER_WAY_MAX)
		return;
	dead->checks_waiting = checking->next;
	if (!dead->checks_waiting)
		dead->checks_last = NULL;
	checking->next = dead->checks;
	dead->checks = checking;
	dead->checks_under_way++;
	checking->reading = true;
	store_find(engine->store, checking->id, on_row, errand_new(engine, checking));
}

void replay_check(struct engine *engine, uint64_t execution_id, replay_done_fn *done, void *data)
{
	struct dead_letters *dead = engine->dead;
	struct checking *checking = NEW(struct checking);
	*checking = (struct checking){ .id = execution_id, .done = done, .data = data };
	*(dead->checks_last ? &dead->checks_last->next : &dead->checks_waiting) = checking;
	dead->checks_last = checking;
	begin_next(engine);
}

void replay_checks_free(struct engine *engine)
{
	struct dead_letters *dead = engine->dead;
	struct checking *const lists[] = { dead->checks, dead->checks_waiting };
	dead->checks = dead->checks_waiting = dead->checks_last = NULL;
	for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
		for (struct checking *next, *checking = lists[i]; checking; checking = next) {
			next = checking->next;
			if (!checking->reading) /* the others end when the store answers */
				finish(NULL, checking, ERR(CANCELLED), false, "");
		}
}
