/* revisions.c: definitions that are changed while executions run, and what must hold of it.
 *
 * All definitions of a machine come to the same (generate_revision), so the oracle need not know which one an execution had. But they are known by
 * their states: "F2" stands before everything, "T3" behind the ends. So it is seen which definition an execution follows, and known whether
 * one that has failed could go on with another: if both begin with the same state, and it has not come to a state that the other has not. */
#include "tests/simulation/sim.h"
#include <stdlib.h>

struct revision_fact {
	uint64_t machine_id, number;
	char *text;
	json_t *definition;
};

static const struct revision_fact *find(const struct model *model, uint64_t machine_id, uint64_t number)
{
	for (size_t i = 0; i < model->revisions_count; i++)
		if (model->revisions[i]->machine_id == machine_id && model->revisions[i]->number == number)
			return model->revisions[i];
	return NULL;
}

void revisions_take_item(struct model *model, const struct store_item *item)
{
	struct reader in = reader_of(item->bytes);
	uint8_t version;
	int64_t created_ms;
	struct str role, id, text;
	struct revision_fact *revision = NEW(struct revision_fact);
	if (!reader_byte(&in, &version) || !reader_varint(&in, &revision->machine_id) || !reader_varint(&in, &revision->number) ||
	    !reader_svarint(&in, &created_ms) || !reader_blob(&in, &role) || !reader_blob(&in, &id) || !reader_blob(&in, &text))
		sim_fail(model->sim, "a definition cannot be read");
	revision->text = mem_strndup(text.ptr, text.len);
	revision->definition = json_loads(revision->text, 0, NULL);
	const struct revision_fact *known = find(model, revision->machine_id, revision->number);
	if (known && strcmp(known->text, revision->text) != 0)
		sim_fail(model->sim, "revision %llu becomes another: %s, it was %s", (unsigned long long)revision->number, revision->text, known->text);
	sim_note(model->sim, "revision", revision->machine_id, revision->number);
	MEM_GROW(model->revisions, model->revisions_capacity, model->revisions_count + 1);
	model->revisions[model->revisions_count++] = revision;
}

uint64_t revisions_newest(const struct model *model, uint64_t machine_id)
{
	uint64_t newest = 0;
	for (size_t i = 0; i < model->revisions_count; i++)
		if (model->revisions[i]->machine_id == machine_id && model->revisions[i]->number > newest)
			newest = model->revisions[i]->number;
	return newest;
}

bool revisions_stored(const struct model *model, unsigned machine, struct str text)
{
	for (size_t i = 0; i < model->revisions_count; i++)
		if ((uintptr_t)u64_map_get(&model->machines, model->revisions[i]->machine_id) == machine + 1 && str_eqz(text, model->revisions[i]->text))
			return true;
	return false;
}

static const char *start_of(const struct revision_fact *revision)
{
	return json_string_value(json_object_get(revision->definition, "StartAt"));
}

static bool has_state(const struct revision_fact *revision, const char *name)
{
	return json_object_get(json_object_get(revision->definition, "States"), name);
}

/* "T3": the state behind the ends. */
static bool is_last(struct str name)
{
	return name.len && name.ptr[0] == 'T';
}

static void wrong(struct model *model, const struct fact *fact, const char *what, const char *name)
{
	sim_fail(model->sim, "execution %llx (%s), of revision %llu: %s %s", (unsigned long long)fact->id, fact->name ? fact->name : "no name",
		 (unsigned long long)fact->revision, what, name);
}

void revisions_check_start(struct model *model, const struct fact *fact)
{
	if (!find(model, fact->machine_id, fact->revision))
		wrong(model, fact, "its definition is not durable", "");
}

void revisions_take_event(struct model *model, struct fact *fact, const struct event *event)
{
	if (!event->id || event->frame)
		return;
	fact->left_early = event->type == EVENT_SUCCEED_STATE_EXITED;
	fact->between = event->fields & FIELD_NEXT && is_last(event->next);
	bool first = event->id == 2 && event->fields & FIELD_NAME;
	if (!first && (event->type != EVENT_PASS_STATE_ENTERED || !is_last(event->name)))
		return;
	char *name = first ? fact->first_state : fact->last_state;
	snprintf(name, sizeof fact->first_state, "%.*s", STR_FMT(event->name));
	const struct revision_fact *revision = find(model, fact->machine_id, fact->revision);
	if (first && strcmp(start_of(revision), name) != 0)
		wrong(model, fact, "it does not begin where its definition does, but with", name);
	if (!has_state(revision, name))
		wrong(model, fact, "its definition does not have the state", name);
}

/* It has succeeded: by a Succeed, or by the state that its definition has behind all ends. */
void revisions_check_end(struct model *model, const struct fact *fact)
{
	const struct revision_fact *revision = find(model, fact->machine_id, fact->revision);
	const char *name;
	json_t *state;
	json_object_foreach(json_object_get(revision->definition, "States"), name, state)
		if (is_last(str_of(name)) && !fact->left_early && strcmp(fact->last_state, name) != 0)
			wrong(model, fact, "it has succeeded without the last state", name);
}

enum fit revisions_fit(const struct model *model, const struct fact *fact, uint64_t number)
{
	const struct revision_fact *revision = find(model, fact->machine_id, number);
	if (number == fact->revision)
		return FITS;
	if (!fact->first_state[0] || fact->between)
		return MAY_FIT;
	return strcmp(start_of(revision), fact->first_state) == 0 && (!fact->last_state[0] || has_state(revision, fact->last_state)) ? FITS : FITS_NOT;
}

void revisions_done(struct model *model)
{
	for (size_t i = 0; i < model->revisions_count; i++) {
		json_decref(model->revisions[i]->definition);
		free(model->revisions[i]->text);
		free(model->revisions[i]);
	}
	free(model->revisions);
}
