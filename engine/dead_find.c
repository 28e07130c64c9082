/* dead_find.c: one dead letter, with the input that its state had; the outcomes of a redrive job. */
#include "engine/dead.h"
#include "engine/stored.h"
#include "engine/token.h"
#include <stdlib.h>

#define OUTCOMES_MOST 1000
#define OUTCOMES_USUAL 100

bool dead_parse_arn(struct engine *engine, struct arena *arena, struct str text, struct machine **ret_machine,
		    struct str *ret_name, uint64_t *ret_id)
{
	struct arn arn;
	if (arn_parse(arena, text, "execution", &arn) || !(*ret_machine = registry_find(engine, arn.machine)))
		return false;
	*ret_name = arn.name;
	if (!execution_name_read(&engine->key, arn.name, ret_id))
		*ret_id = 0;
	return true;
}

/* ---- one --------------------------------------------------------------------------------------------- */

struct finding {
	struct engine *engine;
	struct arena arena;
	engine_dead_letter_fn *done;
	void *data;
	struct dead_letter letter;
};

static void finding_free(struct finding *finding)
{
	arena_done(&finding->arena);
	free(finding);
}

static void find_refuse(struct finding *finding, enum engine_error_code code, const char *message)
{
	finding->done(finding->data, &(struct engine_error){ .code = code, .message = str_of(message) }, NULL);
	finding_free(finding);
}

static struct finding *found(void *data, int code, const struct wf_error *err, bool there)
{
	void *kept;
	struct engine *engine = errand_done(data, &kept);
	struct finding *finding = kept;
	if (!engine)
		finding_free(finding);
	else if (code < 0 && code != ERR(NOT_FOUND))
		find_refuse(finding, ENGINE_INTERNAL, err ? err->message : "It cannot be read");
	else if (code < 0 || !there)
		find_refuse(finding, ENGINE_RESOURCE_NOT_FOUND, "There is no such dead letter");
	else
		return finding;
	return NULL;
}

static void on_found_whole(void *data, const struct store_loaded *loaded, int code, const struct wf_error *err)
{
	struct finding *finding = found(data, code, err, loaded != NULL);
	if (!finding)
		return;
	struct execution *execution = NULL;
	struct wf_error damage = { 0 };
	int r = stored_execution(loaded, &execution, &damage);
	if (r == 0)
		execution_failed_state(execution, &finding->letter.state_input, &finding->letter.editable);
	if (r < 0)
		find_refuse(finding, ENGINE_INTERNAL, damage.message);
	else {
		finding->done(finding->data, &(struct engine_error){ .code = ENGINE_OK, .message = STR_EMPTY },
			      &finding->letter);
		finding_free(finding);
	}
	execution_free(execution);
}

static void on_found_letter(void *data, const struct store_dead_letter *letters, uint32_t count, int code,
			    const struct wf_error *err)
{
	struct finding *finding = found(data, code, err, count);
	if (!finding)
		return;
	dead_fill_info(finding->engine, &finding->arena, letters, &finding->letter.info);
	store_load(finding->engine->store, letters->execution_id, on_found_whole, errand_new(finding->engine, finding));
}

static void on_found_row(void *data, const struct store_execution *rows, uint32_t count, int code,
			 const struct wf_error *err)
{
	struct finding *finding = found(data, code, err, count);
	if (finding)
		store_find_dead_letter(finding->engine->store, rows->id, on_found_letter,
				       errand_new(finding->engine, finding));
}

void engine_find_dead_letter(struct engine *engine, struct str execution_arn, engine_dead_letter_fn *done, void *data)
{
	struct finding *finding = NEW(struct finding);
	*finding = (struct finding){ .engine = engine, .done = done, .data = data };
	struct machine *machine;
	struct str name;
	uint64_t id = 0;
	bool known = dead_parse_arn(engine, &finding->arena, execution_arn, &machine, &name, &id);
	if (known && !id)
		store_find_named(engine->store, machine->info.number, name, on_found_row, errand_new(engine, finding));
	else
		store_find_dead_letter(engine->store, known ? id : 0, on_found_letter, errand_new(engine, finding));
}

/* ---- outcomes of a job ------------------------------------------------------------------------------- */

struct outcomes {
	struct arena arena;
	engine_outcomes_fn *done;
	void *data;
	uint32_t limit;
	enum engine_error_code refused;
};

static void on_outcomes(void *data, const struct store_outcome *rows, uint32_t count, int code,
			const struct wf_error *err)
{
	void *kept;
	struct engine *engine = errand_done(data, &kept);
	struct outcomes *outcomes = kept;
	struct engine_error error = { .code = outcomes->refused,
				      .message = outcomes->refused ? STR("There is no such redrive job, or page of it")
								   : STR_EMPTY };
	if (code < 0)
		error = (struct engine_error){ .code = ENGINE_INTERNAL, .message = str_of(err->message) };
	if (engine) {
		_cleanup_(buffer_done) struct buffer next = { 0 };
		count = error.code ? 0 : count;
		bool more = count > outcomes->limit;
		if (more)
			page_token_make('o', rows[--count - 1].execution_id, 0, &next);
		struct redrive_outcome_info *infos =
		    ARENA_ARRAY(&outcomes->arena, struct redrive_outcome_info, count + 1);
		for (uint32_t i = 0; i < count; i++) {
			struct machine *machine =
			    rows[i].machine_id ? registry_by_number(engine, rows[i].machine_id) : NULL;
			struct str name;
			infos[i] = (struct redrive_outcome_info){ .execution_id = rows[i].execution_id,
								  .outcome = (enum redrive_outcome)rows[i].outcome,
								  .at_ms = rows[i].at_ms,
								  .detail = rows[i].detail,
								  .arn = STR_EMPTY };
			if (machine)
				infos[i].arn = dead_write_arn(engine, &outcomes->arena, machine, rows[i].execution_id,
							 rows[i].name, &name);
		}
		outcomes->done(outcomes->data, &error, infos, count, buffer_str(&next));
	}
	arena_done(&outcomes->arena);
	free(outcomes);
}

void engine_list_redrive_outcomes(struct engine *engine, uint64_t number, int outcome, struct str cursor,
				  uint32_t limit, engine_outcomes_fn *done, void *data)
{
	struct outcomes *outcomes = NEW(struct outcomes);
	uint64_t after = 0, unused;
	*outcomes = (struct outcomes){ .done = done,
				       .data = data,
				       .limit = !limit ? OUTCOMES_USUAL : limit < OUTCOMES_MOST ? limit : OUTCOMES_MOST };
	if (!redrive_find(engine, number))
		outcomes->refused = ENGINE_RESOURCE_NOT_FOUND;
	else if (cursor.len && !page_token_read(cursor, 'o', &after, &unused))
		outcomes->refused = ENGINE_INVALID_TOKEN;
	store_list_outcomes(engine->store, number, outcome, after, outcomes->limit + 1, on_outcomes,
			    errand_new(engine, outcomes));
}
