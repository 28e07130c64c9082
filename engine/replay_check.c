/* replay_check.c: whether an execution could go on with the newest definition of its state machine: its history is
 * read, folded, and replayed by the core. */
#include "engine/core/replay.h"
#include "engine/dead.h"
#include "engine/token.h"
#include <stdlib.h>

#define HISTORY_BYTES_MAX (16 << 20) /* folded and replayed at one go */

struct checking {
	uint64_t id;
	replay_done_fn *done;
	void *data;
	struct store_execution row;
	struct arena arena;
};

static void finish(struct engine *engine, struct checking *checking, int code, bool compatible, uint64_t revision,
		   const char *what)
{
	checking->done(engine, checking->data, code, compatible, revision, what);
	arena_done(&checking->arena);
	free(checking);
}

static void replay(struct engine *engine, struct checking *checking, struct machine *machine,
		   const struct store_record *stored, uint32_t count)
{
	struct revision *revision = machine->revisions;
	const struct program *program = revision_program(engine, revision);
	struct execution *execution = execution_new();
	struct record *records = ARENA_ARRAY(&checking->arena, struct record, count + 1);
	struct replay_result result = { .compatible = false };
	struct wf_error err = { 0 };
	int code = program ? 0 : error_set(&err, ERR(INVALID), "the newest definition cannot be run by this version");
	for (uint32_t i = 0; i < count && code == 0; i++) {
		records[i] = (struct record){ .first_event_id = stored[i].first_event_id,
					      .bytes = stored[i].bytes,
					      .blobs = stored[i].blobs,
					      .blobs_count = stored[i].blobs_count };
		code = execution_fold(execution, &records[i], &err);
	}
	if (code == 0 &&
	    (execution_status(execution) == EXECUTION_RUNNING || execution_status(execution) == EXECUTION_SUCCEEDED_))
		code = error_set(&err, ERR(INVALID), "it is %s", execution_status_name(execution_status(execution)));
	if (code == 0) {
		char made[EXECUTION_NAME_LENGTH + 1];
		struct str name = checking->row.name;
		if (!name.len) {
			execution_name_make(&engine->key, checking->id, made);
			name = str_of(made);
		}
		struct core_env env = { .program = program,
					.limits = &engine->limits,
					.seed = 1,
					.execution_arn =
					    arena_format(&checking->arena, "arn:aws:states:%s:%s:execution:%.*s:%.*s",
							 engine->region, engine->account, STR_FMT(machine->info.name),
							 STR_FMT(name)),
					.execution_name = name,
					.state_machine_arn = machine->info.arn,
					.state_machine_name = machine->info.name,
					.role_arn = revision->role_arn,
					.region = str_of(engine->region) };
		code = core_replay(execution, records, count, &env, &result, &err);
	}
	execution_free(execution);
	finish(engine, checking, code, code == 0 && result.compatible, revision->number,
	       code < 0 ? err.message : result.what);
}

static void on_history(void *data, const struct store_record *records, uint32_t count, bool more, int code,
		       const struct wf_error *err)
{
	void *kept;
	struct engine *engine = errand_done(data, &kept);
	struct checking *checking = kept;
	struct machine *machine = engine ? registry_by_number(engine, checking->row.machine_id) : NULL;
	if (!engine || code < 0 || !machine)
		finish(engine, checking, code < 0 ? code : ERR(NOT_FOUND), false, 0,
		       err ? err->message : "it cannot be read");
	else if (more)
		finish(engine, checking, ERR(LIMIT), false, 0, "its history is too long to be replayed");
	else
		replay(engine, checking, machine, records, count);
}

static void on_row(void *data, const struct store_execution *rows, uint32_t count, int code, const struct wf_error *err)
{
	void *kept;
	struct engine *engine = errand_done(data, &kept);
	struct checking *checking = kept;
	if (!engine || code < 0 || !count) {
		finish(engine, checking, code < 0 ? code : ERR(NOT_FOUND), false, 0,
		       err ? err->message : "it is no longer stored");
		return;
	}
	checking->row = *rows;
	checking->row.name = arena_str(&checking->arena, rows->name);
	struct attributes attributes;
	struct machine *machine = registry_by_number(engine, rows->machine_id);
	if (machine && attributes_decode(rows->attributes, &attributes) && machine->revisions &&
	    attributes.revision == machine->revisions->number) {
		finish(engine, checking, 0, true, attributes.revision, ""); /* it runs the newest one already */
		return;
	}
	store_read_records(engine->store, checking->id, 0, false, HISTORY_BYTES_MAX, on_history,
			   errand_new(engine, checking));
}

void replay_check(struct engine *engine, uint64_t execution_id, replay_done_fn *done, void *data)
{
	struct checking *checking = NEW(struct checking);
	*checking = (struct checking){ .id = execution_id, .done = done, .data = data };
	store_find(engine->store, execution_id, on_row, errand_new(engine, checking));
}
