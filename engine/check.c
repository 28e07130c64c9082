/* check.c: see check.h. The registry is read as a starting engine reads it; which state machines and definitions exist at the moment that is looked at is
 * taken from the items' keys, since a server may write meanwhile. */
#include "engine/check.h"
#include "engine/dead.h"
#include "engine/stored.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct check {
	const struct check_options *options;
	struct check_result *result;
	struct str_map keys; /* of machines and revisions; → the check */
	char where[200]; /* of what is looked at */
};

static void tell(void *data, const char *where, const char *what)
{
	struct check *check = data;
	check->result->problems++;
	if (check->options->problem)
		check->options->problem(check->options->data, where, what);
}

static void problem(struct check *check, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void problem(struct check *check, const char *format, ...)
{
	char what[600];
	va_list args;
	va_start(args, format);
	vsnprintf(what, sizeof what, format, args);
	va_end(args);
	tell(check, check->where, what);
}

static void tell_progress(void *data, const char *stage, uint64_t done, uint64_t total)
{
	struct check *check = data;
	if (check->options->progress)
		check->options->progress(check->options->data, stage, done, total);
}

/* ---- the registry ------------------------------------------------------------------------------- */

static void note_item(void *data, const struct store_item *item)
{
	struct check *check = data;
	if (item->kind != ITEM_MACHINE && item->kind != ITEM_REVISION)
		return;
	check->result->state_machines += item->kind == ITEM_MACHINE;
	check->result->revisions += item->kind == ITEM_REVISION;
	str_map_put(&check->keys, item->key, check);
}

/* As a starting engine does it; whether each definition still compiles. */
static void check_registry(struct check *check, struct store *store)
{
	struct wf_error err = { 0 };
	struct engine *engine = NEW(struct engine);
	engine->store = store;
	engine->limits = LIMITS_DEFAULT;
	if (registry_load(engine, &err) < 0)
		tell(check, "the registry", err.message);
	for (struct machine *machine = engine->machines; machine; machine = machine->next)
		for (struct revision *revision = machine->revisions; revision; revision = revision->next) {
			snprintf(check->where, sizeof check->where, "state machine %.*s, definition %" PRIu64, STR_FMT(str_sub(machine->info.name, 0, 100)),
				 revision->number);
			if (!revision_program(engine, revision))
				problem(check, "this version of ratchet cannot compile it: its executions cannot go on");
		}
	activities_free(engine);
	records_free(engine);
	registry_free(engine);
	free(engine->region);
	free(engine->account);
	free(engine);
}

static void check_definition(struct check *check, const struct store_execution *row)
{
	struct attributes attributes;
	char key[40];
	if (!attributes_decode(row->attributes, &attributes)) {
		problem(check, "the attributes of its row cannot be read");
		return;
	}
	snprintf(key, sizeof key, "%016" PRIx64, row->machine_id);
	if (!str_map_get(&check->keys, str_of(key)))
		problem(check, "its state machine, number %" PRIu64 ", is not in the store", row->machine_id);
	snprintf(key, sizeof key, "%016" PRIx64 "/%016" PRIx64, row->machine_id, attributes.revision);
	if (!str_map_get(&check->keys, str_of(key)))
		problem(check, "the definition it runs, number %" PRIu64 ", is not in the store", attributes.revision);
}

/* ---- folding -------------------------------------------------------------------------------------- */

/* Folds records [from, count) on top; false with a problem told. */
static bool fold(struct check *check, struct execution *execution, const struct store_whole *whole, uint32_t from, const char *onto)
{
	for (uint32_t i = from; i < whole->records_count; i++) {
		const struct store_record *stored = &whole->records[i];
		struct record record = stored_record(stored);
		struct wf_error err = { 0 };
		if (stored->number != i)
			problem(check, "record %" PRIu32 " is missing", i);
		else if (execution_fold(execution, &record, &err) < 0)
			problem(check, "record %" PRIu32 " cannot be folded onto %s: %s", i, onto, err.message);
		else
			continue;
		return false;
	}
	return true;
}

/* The way that recovery takes must lead to the same state. */
static void check_snapshot(struct check *check, const struct store_whole *whole, const struct execution *folded)
{
	if (!whole->snapshot.bytes.len)
		return;
	struct execution *execution = NULL;
	struct wf_error err = { 0 };
	if (whole->snapshot.next_record > whole->records_count)
		return; /* the store told */
	if (execution_from_snapshot(whole->snapshot.bytes, &execution, &err) < 0) {
		problem(check, "its snapshot cannot be read: %s", err.message);
		return;
	}
	_cleanup_(buffer_done) struct buffer wanted = { 0 }, got = { 0 };
	if (fold(check, execution, whole, whole->snapshot.next_record, "the snapshot")) {
		execution_snapshot(folded, &wanted);
		execution_snapshot(execution, &got);
		if (!str_eq(buffer_str(&wanted), buffer_str(&got)))
			problem(check, "its snapshot and the records behind it give another state than all its records");
	}
	execution_free(execution);
}

static void check_row(struct check *check, const struct store_execution *row, const struct execution *execution)
{
	enum execution_status status = execution_status(execution);
	if (row->status != status)
		problem(check, "the list says %s, its history %s", row->status <= EXECUTION_PENDING_REDRIVE ? execution_status_name(row->status) : "nonsense",
			execution_status_name(status));
	struct attributes attributes;
	if (execution_revision(execution) && attributes_decode(row->attributes, &attributes) && attributes.revision != execution_revision(execution))
		problem(check, "the list says that it runs definition %" PRIu64 ", its history %" PRIu64, attributes.revision, execution_revision(execution));
	if (row->start_ms != execution_start_ms(execution))
		problem(check, "the list says that it began at %" PRId64 " ms, its history at %" PRId64, row->start_ms, execution_start_ms(execution));
	if (row->stop_ms != execution_stop_ms(execution))
		problem(check, "the list says that it stopped at %" PRId64 " ms, its history at %" PRId64, row->stop_ms, execution_stop_ms(execution));
}

static void check_open(struct check *check, const struct store_whole *whole, const struct execution *execution)
{
	bool runs = execution_status(execution) == EXECUTION_RUNNING;
	int64_t wake_ms = execution_open_wake_ms(execution);
	if (runs && !whole->has_open)
		problem(check, "it runs, but has no open row: nothing would wake it");
	else if (!runs && whole->has_open)
		problem(check, "it has ended, but has an open row");
	else if (runs && whole->wake_ms != wake_ms)
		problem(check, "its open row says %" PRId64 ", its state %" PRId64 " (0: at once; else when it wakes, in ms)", whole->wake_ms, wake_ms);
}

/* One that failed need not be a dead letter: it may have been discarded, or be of a policy that does not count it. */
static void check_dead_letter(struct check *check, const struct store_whole *whole, const struct execution *execution)
{
	const struct store_dead_letter *letter = whole->dead_letter;
	enum execution_status status = execution_status(execution);
	if (!letter)
		return;
	if (status == EXECUTION_RUNNING || status == EXECUTION_SUCCEEDED_) {
		problem(check, "it is %s, but has a dead letter", execution_status_name(status));
		return;
	}
	if (letter->unread)
		return;
	struct store_dead_letter wanted = dead_letter_of(execution, whole->row.id, whole->row.machine_id, whole->row.attributes);
	if (!str_eq(letter->state, wanted.state) || !str_eq(letter->error, wanted.error))
		problem(check, "its dead letter says that %.*s failed with %.*s, its history %.*s with %.*s", STR_FMT(str_sub(letter->state, 0, 100)),
			STR_FMT(str_sub(letter->error, 0, 100)), STR_FMT(str_sub(wanted.state, 0, 100)), STR_FMT(str_sub(wanted.error, 0, 100)));
	if (letter->redrives != wanted.redrives || letter->job != wanted.job || letter->revision != wanted.revision || letter->version != wanted.version)
		problem(check, "its dead letter says another number of redrives, job or definition than its history");
}

static void check_execution(void *data, const struct store_whole *whole)
{
	struct check *check = data;
	struct check_result *result = check->result;
	snprintf(check->where, sizeof check->where, whole->row.name.len ? "execution %" PRIx64 " (%.*s)" : "execution %" PRIx64, whole->row.id,
		 STR_FMT(str_sub(whole->row.name, 0, 100)));
	result->executions++;
	result->open += whole->has_open;
	result->records += whole->records_count;
	for (uint32_t i = 0; i < whole->records_count; i++)
		for (uint32_t k = 0; k < whole->records[i].blobs_count; k++)
			result->payload_bytes += whole->records[i].blobs[k].len;
	check_definition(check, &whole->row);
	if (!whole->records_count) {
		problem(check, "it has no records");
		return;
	}
	struct execution *execution = execution_new();
	if (fold(check, execution, whole, 0, "those before it")) {
		result->events += execution_next_event_id(execution) - 1;
		check_snapshot(check, whole, execution);
		check_row(check, &whole->row, execution);
		check_open(check, whole, execution);
		check_dead_letter(check, whole, execution);
	}
	execution_free(execution);
}

int engine_check(struct store *store, const struct check_options *options, struct check_result *ret_result, struct wf_error *err)
{
	*ret_result = (struct check_result){ 0 };
	struct check check = { .options = options, .result = ret_result };
	const struct store_verifier verifier = { .problem = tell, .item = note_item, .execution = check_execution, .progress = tell_progress, .data = &check };
	int code = store_verify(store, &verifier, err);
	if (code == 0)
		check_registry(&check, store);
	str_map_done(&check.keys);
	return code;
}
