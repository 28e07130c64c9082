/* registry_store.c: state machines as items of the store.
 *
 *     ITEM_SETTINGS  "settings"            version · region · account · key (32) · next machine number
 *     ITEM_MACHINE   16 hex digits of its number   version · number · name · type · flags · times · current and next
 * revision · configuration ITEM_REVISION  machine "/" revision, 16 hex digits each   version · numbers · time · role ·
 * revision id · definition
 *
 * A machine is keyed by its number, because a deleted one stays for as long as its executions, and its name may be
 * given again. A revision's item is written once: executions go on with the definition that they began with. */
#include "engine/dead.h"
#include <stdio.h>
#include <stdlib.h>

#define SETTINGS_VERSION 1
#define MACHINE_VERSION 1
#define REVISION_VERSION 1

enum machine_flag { MACHINE_DELETING = 1, MACHINE_DELETED = 2 };

/* ---- encoding --------------------------------------------------------------------------------- */

/* A document that may be absent: empty. */
static void put_value(struct buffer *out, const struct value *value)
{
	buffer_blob(out, value ? value_text(value) : STR_EMPTY);
}

static bool get_value(struct reader *in, struct value **ret_value)
{
	struct str text;
	if (!reader_blob(in, &text))
		return false;
	*ret_value = text.len ? value_from_trusted_text(text) : NULL;
	return true;
}

void machine_encode(const struct machine *machine, struct buffer *out)
{
	const struct machine_info *info = &machine->info;
	buffer_byte(out, MACHINE_VERSION);
	buffer_varint(out, info->number);
	buffer_blob(out, info->name);
	buffer_blob(out, info->type);
	buffer_byte(out, (char)((info->deleting ? MACHINE_DELETING : 0) | (machine->deleted ? MACHINE_DELETED : 0)));
	buffer_svarint(out, info->created_ms);
	buffer_svarint(out, info->updated_ms);
	buffer_varint(out, machine->next_revision);
	for (int i = 0; i < 3; i++)
		put_value(out, NULL); /* configurations once stood here; they are the revisions' */
	put_value(out, machine->tags);
	versions_encode(machine, out);
}

struct machine *machine_decode(struct engine *engine, struct str bytes)
{
	struct reader in = reader_of(bytes);
	uint8_t version, flags;
	uint64_t number;
	struct str name, type;
	if (!reader_byte(&in, &version) || version != MACHINE_VERSION || !reader_varint(&in, &number) ||
	    !reader_blob(&in, &name) || !reader_blob(&in, &type) || !reader_byte(&in, &flags))
		return NULL;
	struct machine *machine = machine_new(engine, number, name, type);
	struct machine_info *info = &machine->info;
	info->deleting = flags & MACHINE_DELETING;
	machine->deleted = flags & MACHINE_DELETED;
	machine_link(engine, machine);
	struct value *unused = NULL;
	bool good = reader_svarint(&in, &info->created_ms) && reader_svarint(&in, &info->updated_ms) &&
		    reader_varint(&in, &machine->next_revision);
	for (int i = 0; i < 3 && good; i++) {
		good = get_value(&in, &unused);
		value_unref(TAKE(unused));
	}
	if (!good || !get_value(&in, &machine->tags))
		return NULL;
	/* What came later stands behind, and older items end here. */
	if (in.at < in.end && !versions_decode(machine, &in))
		return NULL;
	return machine;
}

void revision_encode(const struct revision *revision, struct buffer *out)
{
	buffer_byte(out, REVISION_VERSION);
	buffer_varint(out, revision->machine->info.number);
	buffer_varint(out, revision->number);
	buffer_svarint(out, revision->created_ms);
	buffer_blob(out, revision->role_arn);
	buffer_blob(out, revision->revision_id);
	buffer_blob(out, revision->definition);
	put_value(out, revision->logging);
	put_value(out, revision->tracing);
	put_value(out, revision->encryption);
}

struct revision *revision_decode(struct engine *engine, struct str bytes)
{
	struct reader in = reader_of(bytes);
	uint8_t version;
	uint64_t machine_number, number;
	int64_t created_ms;
	struct str role_arn, revision_id, definition;
	if (!reader_byte(&in, &version) || version != REVISION_VERSION || !reader_varint(&in, &machine_number) ||
	    !reader_varint(&in, &number) || !reader_svarint(&in, &created_ms) || !reader_blob(&in, &role_arn) ||
	    !reader_blob(&in, &revision_id) || !reader_blob(&in, &definition))
		return NULL;
	struct machine *machine = registry_by_number(engine, machine_number);
	if (!machine)
		return NULL;
	/* Items come in the order of their keys, so the newest comes last and stands first; its number is its own. */
	uint64_t next = machine->next_revision;
	struct revision *revision = revision_new(machine, definition, role_arn, revision_id, created_ms);
	revision->number = number;
	revision->stored = true;
	machine->next_revision = next;
	if (in.at < in.end && (!get_value(&in, &revision->logging) || !get_value(&in, &revision->tracing) ||
			       !get_value(&in, &revision->encryption)))
		return NULL;
	revision_logged(engine, revision);
	return revision;
}

/* ---- writing ------------------------------------------------------------------------------------- */

void registry_put_item(struct store_batch *batch, enum store_op_kind op_kind, enum item_kind kind, const char *key,
		       const struct buffer *bytes)
{
	struct store_op *op = store_batch_add(batch, op_kind);
	op->item = (struct store_item){ .kind = (uint8_t)kind,
					.key = arena_str(&batch->arena, str_of(key)),
					.bytes = bytes ? arena_str(&batch->arena, buffer_str(bytes)) : STR_EMPTY };
}

static void write_settings(struct engine *engine, struct store_batch *batch)
{
	_cleanup_(buffer_done) struct buffer out = { 0 };
	buffer_byte(&out, SETTINGS_VERSION);
	buffer_blob(&out, str_of(engine->region));
	buffer_blob(&out, str_of(engine->account));
	buffer_append(&out, engine->key.bytes, TOKEN_KEY_BYTES);
	buffer_varint(&out, engine->next_machine);
	registry_put_item(batch, STORE_PUT_ITEM, ITEM_SETTINGS, "settings", &out);
}

void registry_write(struct engine *engine, struct store_batch *batch, struct change *change)
{
	struct machine *machine = change->machine;
	if (change->activity) {
		activities_write(batch, change);
		return;
	}
	if (change->dead) {
		dead_write(engine, batch, change->dead);
		return;
	}
	if (change->record) {
		records_write(batch, change);
		return;
	}
	if (change->message.sender) {
		children_delete_message(batch, &change->message);
		return;
	}
	if (!machine) {
		write_settings(engine, batch);
		return;
	}
	char key[40];
	enum store_op_kind op_kind = machine->dropped ? STORE_DELETE_ITEM : STORE_PUT_ITEM;
	for (struct revision *revision = machine->revisions; revision; revision = revision->next) {
		if (revision->stored && !machine->dropped)
			continue;
		_cleanup_(buffer_done) struct buffer out = { 0 };
		revision_encode(revision, &out);
		snprintf(key, sizeof key, "%016llx/%016llx", (unsigned long long)machine->info.number,
			 (unsigned long long)revision->number);
		registry_put_item(batch, op_kind, ITEM_REVISION, key, machine->dropped ? NULL : &out);
		revision->stored = true;
	}
	_cleanup_(buffer_done) struct buffer out = { 0 };
	machine_encode(machine, &out);
	snprintf(key, sizeof key, "%016llx", (unsigned long long)machine->info.number);
	registry_put_item(batch, op_kind, ITEM_MACHINE, key, machine->dropped ? NULL : &out);
}

/* ---- reading ---------------------------------------------------------------------------------------- */

struct loading {
	struct engine *engine;
	int code;
	struct wf_error *err;
};

static bool load_settings(struct engine *engine, struct str bytes)
{
	struct reader in = reader_of(bytes);
	uint8_t version;
	struct str region, account;
	if (!reader_byte(&in, &version) || version != SETTINGS_VERSION || !reader_blob(&in, &region) ||
	    !reader_blob(&in, &account) || (size_t)(in.end - in.at) < TOKEN_KEY_BYTES)
		return false;
	token_key_set(&engine->key, in.at);
	in.at += TOKEN_KEY_BYTES;
	uint64_t next_machine;
	if (!reader_varint(&in, &next_machine))
		return false;
	if (next_machine > engine->next_machine)
		engine->next_machine = next_machine;
	engine->region = mem_strndup(region.ptr, region.len);
	engine->account = mem_strndup(account.ptr, account.len);
	return true;
}

static void visit(void *data, const struct store_item *item)
{
	struct loading *loading = data;
	struct engine *engine = loading->engine;
	bool good = true;
	switch ((enum item_kind)item->kind) {
	case ITEM_SETTINGS: /* the first of all: ARNs need it */
		good = load_settings(engine, item->bytes);
		break;
	case ITEM_MACHINE:
		good = engine->region && machine_decode(engine, item->bytes);
		break;
	case ITEM_REVISION:
		good = revision_decode(engine, item->bytes);
		break;
	case ITEM_ACTIVITY:
	case ITEM_ACTIVITY_TASK:
		good = engine->region && activities_load(engine, item);
		break;
	case ITEM_REDRIVE_JOB:
		good = dead_load_job(engine, item);
		break;
	case ITEM_RECORD:
		good = records_load(engine, item);
		break;
	}
	if (!good && loading->code == 0) {
		struct reader in = reader_of(item->bytes);
		uint8_t version = 0;
		reader_byte(&in, &version);
		loading->code =
		    error_set(loading->err, version > 1 ? ERR(VERSION) : ERR(CORRUPT),
			      "an item of the registry (kind %u, version %u) cannot be read", item->kind, version);
	}
}

int registry_load(struct engine *engine, struct wf_error *err)
{
	engine->next_machine = 1;
	struct loading loading = { .engine = engine, .err = err };
	int r = store_each_item(engine->store, visit, &loading, err);
	if (r < 0)
		return r;
	if (loading.code < 0)
		return loading.code;
	activities_loaded(engine);
	if (engine->dead)
		dead_loaded(engine);
	for (struct machine *machine = engine->machines; machine; machine = machine->next)
		if (!machine->revisions)
			return error_set(err, ERR(CORRUPT), "the state machine %.*s has no definition in the store",
					 STR_FMT(machine->info.name));
	return 0;
}
