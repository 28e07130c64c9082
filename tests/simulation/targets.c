/* targets.c: who is told of executions' status changes, and what must hold of it.
 *
 * In the batch of each change stands one message for each target that wants it, and none else. A target is told of what is durable, of the changes of an
 * execution in their order, and under the same id whenever it is told again; it takes it or does not. A message goes when its target has taken it,
 * and not before, whatever process that was; and in the end all have gone. */
#include "tests/simulation/sim.h"
#include "base/hash.h"
#include "engine/dead.h"
#include "engine/token.h"
#include <stdlib.h>

struct change_fact { /* what one target is to be told */
	uint64_t execution_id, key;
	unsigned target;
	uint8_t status;
	int64_t stop_ms;
	uint64_t redrives;
	char *error; /* empty: none */
	char id[40]; /* under which it was told; empty: it was not */
	bool fresh, taken, gone; /* of the batch that is being taken; its target took it; its message is deleted */
};

static const char config[] = "{\"everyone\": {\"url\": \"http://sim/\", \"secret\": \"s\", \"give_up_hours\": 2160, \"timeout_s\": 5,"
			     " \"events\": [\"RUNNING\", \"SUCCEEDED\", \"FAILED\", \"TIMED_OUT\", \"ABORTED\"]},"
			     " \"page\": {\"exec\": \"page\", \"give_up_hours\": 2160, \"machines\": [\"*-a\"]}}";
static const char *const names[SIM_TARGETS] = { "everyone", "page" };

static int secret_of(struct connector_host *host, const struct value *setting, struct buffer *out, struct wf_error *err)
{
	buffer_addz(out, "a secret");
	return 0;
}

void targets_configure(struct node *node)
{
	if (!node->sim->tells)
		return;
	struct value *targets = NULL;
	struct wf_error err = { 0 };
	if (value_parse(STR(config), NULL, &targets, &err) < 0 || engine_configure_targets(node->engine, targets, secret_of, &err) < 0)
		sim_fail(node->sim, "targets are refused: %s", err.message);
	value_unref(targets);
}

static bool wants(const struct model *model, unsigned target, const struct fact *fact, enum execution_status status)
{
	bool failed = status == EXECUTION_FAILED_ || status == EXECUTION_TIMED_OUT_;
	return target == 0 || (failed && strcmp(model->sim->machines[fact->machine].name, "machine-a") == 0);
}

/* ---- rows ------------------------------------------------------------------------------------------ */

static struct change_fact *find(const struct model *model, uint64_t execution_id, uint64_t key)
{
	for (size_t i = 0; i < model->changes_count; i++)
		if (model->changes[i]->execution_id == execution_id && model->changes[i]->key == key)
			return model->changes[i];
	return NULL;
}

static unsigned target_of(struct model *model, uint64_t id)
{
	for (unsigned i = 0; i < SIM_TARGETS; i++)
		if (id == (NOTIFY_TARGETS | (hash_bytes(str_of(names[i]), 0) % 0x7fff + 1)))
			return i;
	sim_fail(model->sim, "a message is for nobody: %llx", (unsigned long long)id);
}

bool targets_append(struct model *model, const struct store_message *stored)
{
	if (!(stored->target_id & NOTIFY_TARGETS))
		return false;
	struct fact *fact = model_find(model, stored->sender_id);
	struct change_fact *change = NEW(struct change_fact);
	struct reader in = reader_of(stored->bytes);
	uint8_t version, flags;
	int64_t start_ms, redriven_ms;
	struct str error, cause;
	if (!reader_byte(&in, &version) || !reader_byte(&in, &change->status) || !reader_svarint(&in, &start_ms) || !reader_svarint(&in, &change->stop_ms) ||
	    !reader_varint(&in, &change->redrives) || !reader_svarint(&in, &redriven_ms) || !reader_byte(&in, &flags) || !reader_blob(&in, &error) ||
	    !reader_blob(&in, &cause))
		sim_fail(model->sim, "what a target is to be told cannot be read");
	if (!fact || find(model, stored->sender_id, stored->sender_event))
		sim_fail(model->sim, "a target is to be told of a change of %llx that it knows, or that never was", (unsigned long long)stored->sender_id);
	change->execution_id = fact->id;
	change->key = stored->sender_event;
	change->target = target_of(model, stored->target_id);
	change->error = mem_strndup(error.ptr, error.len);
	change->fresh = true;
	fact->touched = true;
	fact->told[change->target]++;
	MEM_GROW(model->changes, model->changes_capacity, model->changes_count + 1);
	model->changes[model->changes_count++] = change;
	model->changes_left++;
	return true;
}

bool targets_delete(struct model *model, const struct store_message *stored)
{
	if (!(stored->target_id & NOTIFY_TARGETS))
		return false;
	struct change_fact *change = find(model, stored->sender_id, stored->sender_event);
	if (!change || change->gone)
		return true;
	if (!change->taken)
		sim_fail(model->sim, "that %llx is %s is forgotten, and %s has not taken it", (unsigned long long)change->execution_id,
			 execution_status_name((enum execution_status)change->status), names[change->target]);
	change->gone = true;
	model->changes_left--;
	return true;
}

/* Behind a batch: what is to be told is what has changed in it. */
void targets_check(struct model *model, const struct fact *fact)
{
	const struct execution *shadow = fact->shadow;
	for (unsigned i = 0; i < SIM_TARGETS && model->sim->tells; i++) {
		unsigned changes = ((fact->begun || fact->reopened) && wants(model, i, fact, EXECUTION_RUNNING)) +
				   (fact->ends && wants(model, i, fact, execution_status(shadow)));
		if (fact->told[i] != changes)
			sim_fail(model->sim, "%llx has changed its status %u times, and %s is to be told of %u", (unsigned long long)fact->id, changes, names[i],
				 fact->told[i]);
	}
	for (size_t i = model->changes_count; i-- && model->changes[i]->fresh;) {
		struct change_fact *change = model->changes[i];
		if (change->execution_id != fact->id)
			continue;
		bool ends = change->status != EXECUTION_RUNNING;
		if ((ends && change->status != (uint8_t)execution_status(shadow)) || change->stop_ms != (ends ? execution_stop_ms(shadow) : 0) ||
		    change->redrives != execution_redrives(shadow) || strcmp(change->error, ends && fact->error ? fact->error : "") != 0)
			sim_fail(model->sim, "%s is to be told that %llx is %s, and it is %s", names[change->target], (unsigned long long)fact->id,
				 execution_status_name((enum execution_status)change->status), execution_status_name(execution_status(shadow)));
	}
}

void targets_batch_over(struct model *model)
{
	for (size_t i = model->changes_count; i-- && model->changes[i]->fresh;)
		model->changes[i]->fresh = false;
}

/* ---- telling ----------------------------------------------------------------------------------------- */

static const char *text_at(json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));
	return text ? text : "";
}

static struct fact *fact_of(struct node *node, json_t *detail)
{
	struct model *model = &node->sim->model;
	const char *machine = text_at(detail, "stateMachineArn"), *name = text_at(detail, "name");
	uint64_t id;
	for (unsigned i = 0; i < node->sim->machines_count; i++) {
		size_t len = strlen(machine), name_len = strlen(node->sim->machines[i].name);
		struct fact *fact = len > name_len && strcmp(machine + len - name_len, node->sim->machines[i].name) == 0 ? model_named(model, i, name) : NULL;
		if (fact)
			return fact;
	}
	return execution_name_read(&node->engine->key, str_of(name), &id) ? model_find(model, id) : NULL;
}

/* What it is told must be what changed. */
static void check_detail(struct sim *sim, const struct change_fact *change, const struct fact *fact, json_t *detail)
{
	bool succeeded = change->status == EXECUTION_SUCCEEDED_;
	if (strcmp(text_at(detail, "input"), fact->input) != 0 || json_integer_value(json_object_get(detail, "stopDate")) != change->stop_ms ||
	    strcmp(text_at(detail, "error"), change->error) != 0 || (succeeded && strcmp(text_at(detail, "output"), fact->output) != 0))
		sim_fail(sim, "%s is told of %llx what is not so: %s", names[change->target], (unsigned long long)fact->id, json_dumps(detail, JSON_COMPACT));
}

static struct change_fact *told_of(struct node *node, unsigned target, json_t *event)
{
	struct sim *sim = node->sim;
	struct model *model = &sim->model;
	json_t *detail = json_object_get(event, "detail");
	struct fact *fact = fact_of(node, detail);
	uint64_t redrives = (uint64_t)json_integer_value(json_object_get(detail, "redriveCount"));
	const char *status = text_at(detail, "status");
	for (size_t i = 0; fact && i < model->changes_count; i++) {
		struct change_fact *change = model->changes[i];
		if (change->execution_id != fact->id || change->target != target)
			continue;
		if (change->redrives == redrives && strcmp(execution_status_name((enum execution_status)change->status), status) == 0) {
			check_detail(sim, change, fact, detail);
			return change;
		}
		if (!change->taken)
			sim_fail(sim, "%s is told that %llx is %s, and does not know yet that it was %s", names[target], (unsigned long long)fact->id, status,
				 execution_status_name((enum execution_status)change->status));
	}
	sim_fail(sim, "%s is told of a change that is not durable: %s", names[target], json_dumps(event, JSON_COMPACT));
}

void targets_told(struct node *node, const struct task_request *request, struct script *ret_script)
{
	struct sim *sim = node->sim;
	unsigned target = 0;
	while (target < SIM_TARGETS && !str_eqz(request->state_name, names[target]))
		target++;
	if (target == SIM_TARGETS)
		sim_fail(sim, "nobody is told of something");
	struct str text = value_text(target == 0 ? value_getz(request->parameters, "RequestBody") : request->parameters);
	json_t *event = json_loadb(text.ptr, text.len, 0, NULL);
	struct change_fact *change = told_of(node, target, event);
	if (change->gone && !node->zombie)
		sim_fail(sim, "%s is told again of what it took, and that is known", names[target]);
	if (change->id[0] && strcmp(change->id, text_at(event, "id")) != 0)
		sim_fail(sim, "%s is told of one change under two ids", names[target]);
	if (target == 0 && !value_getz(value_getz(request->parameters, "Headers"), "X-Ratchet-Signature"))
		sim_fail(sim, "what %s is told is not signed", names[target]);
	snprintf(change->id, sizeof change->id, "%s", text_at(event, "id"));
	json_decref(event);
	sim->told++;
	*ret_script = (struct script){ .end = SCRIPT_FAILS, .error = "Http.Status.503" };
	if (sim_happens(sim, sim->temper.deaf)) {
		if (random_below(&sim->chance, 2))
			ret_script->end = SCRIPT_NEVER;
		return;
	}
	change->taken = true;
	*ret_script = (struct script){ .end = SCRIPT_ANSWERS, .output = json_object() };
}

void targets_done(struct model *model)
{
	for (size_t i = 0; i < model->changes_count; i++) {
		free(model->changes[i]->error);
		free(model->changes[i]);
	}
	free(model->changes);
}
