/* fixture.c: see fixture.h. */
#include "tests/store/fixture.h"
#include "base/clock.h"
#include "base/random.h"
#include "tests/store/power_vfs.h"
#include <dirent.h>
#include <unistd.h>

enum { SECONDS_MOST = 120 };

/* ---- the store ---------------------------------------------------------------------------------- */

void fixture_open(struct fixture *fixture)
{
	struct wf_error err = { 0 };
	struct store *store = NULL;
	if (store_open(fixture->url, &fixture->options, fixture->loop, &store, &err) < 0) {
		fprintf(stderr, "%s: %s\n", err.where, err.message);
		fail();
	}
	fixture->store = fixture->variant.faulty ? faulty_store_new(store, fixture->loop) : store;
	if (!fixture->options.read_only)
		assert_int_equal(store_acquire(fixture->store, &fixture->lease, &err), 0);
}

void fixture_close(struct fixture *fixture)
{
	store_close(fixture->store);
	fixture->store = NULL;
}

struct fixture *fixture_new(struct variant variant)
{
	struct fixture *fixture = NEW(struct fixture);
	fixture->variant = variant;
	const char *parent = getenv("TMPDIR");
	snprintf(fixture->folder, sizeof fixture->folder, "%s/ratchet-store-XXXXXX", parent && strlen(parent) < 32 ? parent : "/tmp");
	assert_non_null(mkdtemp(fixture->folder));
	snprintf(fixture->url, sizeof fixture->url, variant.sqlite ? "sqlite:%s/db" : "memory:", fixture->folder);
	fixture->loop = test_loop_new();
	if (variant.power) {
		const char *seed = getenv("RATCHET_SEED");
		fixture->seed = seed ? strtoull(seed, NULL, 10) : (uint64_t)clock_system()->monotonic_us(clock_system());
		power_vfs_begin(fixture->folder, fixture->seed);
		fixture->options.vfs = "ratchet-power";
	}
	fixture_open(fixture);
	return fixture;
}

const char *fixture_path(struct fixture *fixture, const char *suffix)
{
	return arena_printf(&fixture->arena, "%s/db%s", fixture->folder, suffix);
}

static void remove_folder(const char *folder)
{
	DIR *dir = opendir(folder);
	for (struct dirent *entry; dir && (entry = readdir(dir));)
		if (entry->d_type == DT_REG || entry->d_type == DT_LNK)
			unlinkat(dirfd(dir), entry->d_name, 0);
	if (dir)
		closedir(dir);
	rmdir(folder);
}

/* The power goes, and comes back: all that the test did was acknowledged, so the store holds what it held. */
static void lose_power(struct fixture *fixture)
{
	struct buffer before = { 0 }, after = { 0 };
	dump(fixture, &before);
	power_vfs_cut();
	fixture_close(fixture);
	power_vfs_restore();
	fixture_open(fixture);
	dump(fixture, &after);
	if (!str_eq(buffer_str(&before), buffer_str(&after)))
		fail_msg("something acknowledged was lost (RATCHET_SEED=%llu)", (unsigned long long)fixture->seed);
	buffer_done(&before);
	buffer_done(&after);
}

void fixture_free(struct fixture *fixture)
{
	if (fixture->variant.power && fixture->store)
		lose_power(fixture);
	store_close(fixture->store);
	if (fixture->variant.power)
		power_vfs_end();
	fixture->loop->free(fixture->loop);
	arena_done(&fixture->arena);
	remove_folder(fixture->folder);
	free(fixture);
}

/* ---- batches ------------------------------------------------------------------------------------ */

struct store_batch *batch_next(struct fixture *fixture)
{
	struct store_batch *batch = store_batch_new();
	batch->epoch = fixture->lease.epoch;
	batch->sequence = ++fixture->lease.sequence;
	return batch;
}

void add_execution(struct store_batch *batch, uint64_t id, uint64_t machine, const char *name, int64_t start_ms)
{
	store_batch_add(batch, STORE_INSERT_EXECUTION)->execution = (struct store_execution){
		.id = id, .machine_id = machine, .name = str_of(name), .start_ms = start_ms, .attributes = STR("attributes") };
}

void add_end(struct store_batch *batch, uint64_t id, uint8_t status, int64_t stop_ms)
{
	store_batch_add(batch, STORE_END_EXECUTION)->execution = (struct store_execution){ .id = id, .status = status, .stop_ms = stop_ms };
}

void add_record(struct store_batch *batch, uint64_t id, uint32_t number, struct str bytes)
{
	store_batch_add(batch, STORE_APPEND_RECORD)->record =
		(struct store_record){ .execution_id = id, .number = number, .first_event_id = number * 10 + 1, .bytes = bytes };
}

void add_snapshot(struct store_batch *batch, uint64_t id, uint32_t next_record, struct str bytes)
{
	store_batch_add(batch, STORE_PUT_SNAPSHOT)->snapshot = (struct store_snapshot){ id, next_record, bytes };
}

void add_open(struct store_batch *batch, uint64_t id, int64_t wake_ms)
{
	store_batch_add(batch, STORE_SET_OPEN)->open = (struct store_open_row){ id, wake_ms };
}

void add_delete_open(struct store_batch *batch, uint64_t id)
{
	store_batch_add(batch, STORE_DELETE_OPEN)->open = (struct store_open_row){ .execution_id = id };
}

void add_message(struct store_batch *batch, uint64_t target, uint64_t sender, uint64_t event, struct str bytes)
{
	store_batch_add(batch, STORE_APPEND_MESSAGE)->message = (struct store_message){ 0, target, sender, event, bytes };
}

void add_delete_message(struct store_batch *batch, uint64_t target, uint64_t sequence)
{
	store_batch_add(batch, STORE_DELETE_MESSAGE)->message = (struct store_message){ .sequence = sequence, .target_id = target };
}

void add_delete_message_by_key(struct store_batch *batch, uint64_t target, uint64_t sender, uint64_t event)
{
	store_batch_add(batch, STORE_DELETE_MESSAGE)->message =
		(struct store_message){ .target_id = target, .sender_id = sender, .sender_event = event };
}

void add_item(struct store_batch *batch, uint8_t kind, struct str key, struct str bytes)
{
	store_batch_add(batch, STORE_PUT_ITEM)->item = (struct store_item){ kind, key, bytes };
}

void add_delete_item(struct store_batch *batch, uint8_t kind, struct str key)
{
	store_batch_add(batch, STORE_DELETE_ITEM)->item = (struct store_item){ .kind = kind, .key = key };
}

void add_dead_letter(struct store_batch *batch, enum store_op_kind kind, const struct store_dead_letter *letter)
{
	store_batch_add(batch, kind)->dead_letter = *letter;
}

void add_outcome(struct store_batch *batch, uint64_t job, uint64_t id, uint8_t outcome, const char *detail)
{
	store_batch_add(batch, STORE_PUT_OUTCOME)->outcome =
		(struct store_outcome){ .job = job, .execution_id = id, .outcome = outcome, .at_ms = 5, .detail = str_of(detail) };
}

struct committed {
	bool done;
	enum store_result result;
	struct wf_error err;
};

static void commit_done(struct store_batch *batch, enum store_result result, const struct wf_error *err)
{
	struct committed *committed = batch->data;
	committed->done = true;
	committed->result = result;
	if (err)
		committed->err = *err;
	store_batch_free(batch);
}

enum store_result commit(struct fixture *fixture, struct store_batch *batch, struct wf_error *err)
{
	struct committed committed = { 0 };
	batch->done = commit_done;
	batch->data = &committed;
	store_submit(fixture->store, batch);
	assert_false(committed.done);
	test_loop_until_true(fixture->loop, &committed.done, SECONDS_MOST);
	if (committed.result != STORE_COMMITTED)
		fixture->lease.sequence--;
	if (err)
		*err = committed.err;
	return committed.result;
}

void commit_ok(struct fixture *fixture, struct store_batch *batch)
{
	struct wf_error err = { 0 };
	if (commit(fixture, batch, &err) != STORE_COMMITTED) {
		fprintf(stderr, "a batch was not committed: %s\n", err.message);
		fail();
	}
}

/* ---- reads ---------------------------------------------------------------------------------------- */

struct waiting {
	struct fixture *fixture;
	bool done;
	struct answer answer;
};

static struct waiting *answered(void *data, int code, const struct wf_error *err)
{
	struct waiting *waiting = data;
	assert_false(waiting->done);
	waiting->done = true;
	waiting->answer.code = code;
	assert_true((code != 0) == (err != NULL));
	if (err) {
		assert_int_equal(err->code, code);
		waiting->answer.err = *err;
	}
	return waiting;
}

static struct answer wait_for(struct waiting *waiting)
{
	assert_false(waiting->done);
	test_loop_until_true(waiting->fixture->loop, &waiting->done, SECONDS_MOST);
	return waiting->answer;
}

static struct store_execution *copy_rows(struct arena *arena, const struct store_execution *rows, uint32_t count)
{
	struct store_execution *copies = ARENA_ARRAY(arena, struct store_execution, count);
	for (uint32_t i = 0; i < count; i++) {
		copies[i] = rows[i];
		copies[i].name = arena_str(arena, rows[i].name);
		copies[i].attributes = arena_str(arena, rows[i].attributes);
	}
	return copies;
}

static struct store_record *copy_records(struct arena *arena, const struct store_record *found, uint32_t count)
{
	struct store_record *copies = ARENA_ARRAY(arena, struct store_record, count);
	for (uint32_t i = 0; i < count; i++) {
		copies[i] = found[i];
		copies[i].bytes = arena_str(arena, found[i].bytes);
		copies[i].blobs = ARENA_ARRAY(arena, struct str, found[i].blobs_count);
		for (uint32_t k = 0; k < found[i].blobs_count; k++)
			copies[i].blobs[k] = arena_str(arena, found[i].blobs[k]);
	}
	return copies;
}

static void got_number(void *data, uint64_t number, int code, const struct wf_error *err)
{
	answered(data, code, err)->answer.number = number;
}

static void got_loaded(void *data, const struct store_loaded *loaded, int code, const struct wf_error *err)
{
	struct waiting *waiting = answered(data, code, err);
	struct arena *arena = &waiting->fixture->arena;
	if (!loaded)
		return;
	waiting->answer.rows = copy_rows(arena, &loaded->row, 1);
	waiting->answer.snapshot = loaded->snapshot;
	waiting->answer.snapshot.bytes = arena_str(arena, loaded->snapshot.bytes);
	waiting->answer.records = copy_records(arena, loaded->records, loaded->records_count);
	waiting->answer.count = loaded->records_count;
}

static void got_rows(void *data, const struct store_execution *rows, uint32_t count, int code, const struct wf_error *err)
{
	struct waiting *waiting = answered(data, code, err);
	waiting->answer.rows = copy_rows(&waiting->fixture->arena, rows, count);
	waiting->answer.count = count;
}

static void got_records(void *data, const struct store_record *found, uint32_t count, bool more, int code, const struct wf_error *err)
{
	struct waiting *waiting = answered(data, code, err);
	waiting->answer.records = copy_records(&waiting->fixture->arena, found, count);
	waiting->answer.count = count;
	waiting->answer.more = more;
}

static void got_open(void *data, const struct store_open_row *rows, uint32_t count, int code, const struct wf_error *err)
{
	struct waiting *waiting = answered(data, code, err);
	waiting->answer.open = ARENA_ARRAY(&waiting->fixture->arena, struct store_open_row, count);
	if (count)
		memcpy(waiting->answer.open, rows, count * sizeof *rows);
	waiting->answer.count = count;
}

static void got_messages(void *data, const struct store_message *messages, uint32_t count, int code, const struct wf_error *err)
{
	struct waiting *waiting = answered(data, code, err);
	struct arena *arena = &waiting->fixture->arena;
	waiting->answer.messages = ARENA_ARRAY(arena, struct store_message, count);
	for (uint32_t i = 0; i < count; i++) {
		waiting->answer.messages[i] = messages[i];
		waiting->answer.messages[i].bytes = arena_str(arena, messages[i].bytes);
	}
	waiting->answer.count = count;
}

static void copy_letter(struct arena *arena, struct store_dead_letter *letter)
{
	letter->state = arena_str(arena, letter->state);
	letter->error = arena_str(arena, letter->error);
	letter->name = arena_str(arena, letter->name);
}

static void got_letters(void *data, const struct store_dead_letter *letters, uint32_t count, int code, const struct wf_error *err)
{
	struct waiting *waiting = answered(data, code, err);
	struct arena *arena = &waiting->fixture->arena;
	waiting->answer.dead_letters = ARENA_ARRAY(arena, struct store_dead_letter, count + 1);
	for (uint32_t i = 0; i < count; i++) {
		waiting->answer.dead_letters[i] = letters[i];
		copy_letter(arena, &waiting->answer.dead_letters[i]);
	}
	waiting->answer.count = count;
}

static void got_groups(void *data, const struct store_dead_group *groups, uint32_t count, int code, const struct wf_error *err)
{
	struct waiting *waiting = answered(data, code, err);
	struct arena *arena = &waiting->fixture->arena;
	waiting->answer.dead_groups = ARENA_ARRAY(arena, struct store_dead_group, count + 1);
	for (uint32_t i = 0; i < count; i++) {
		struct store_dead_group *group = &waiting->answer.dead_groups[i];
		*group = groups[i];
		copy_letter(arena, &group->sample);
		if (groups[i].hourly) {
			group->hourly = ARENA_ARRAY(arena, uint32_t, 4);
			memcpy(group->hourly, groups[i].hourly, 4 * sizeof *group->hourly); /* the tests ask for four hours */
		}
	}
	waiting->answer.count = count;
}

static void got_outcomes(void *data, const struct store_outcome *outcomes, uint32_t count, int code, const struct wf_error *err)
{
	struct waiting *waiting = answered(data, code, err);
	struct arena *arena = &waiting->fixture->arena;
	waiting->answer.outcomes = ARENA_ARRAY(arena, struct store_outcome, count + 1);
	for (uint32_t i = 0; i < count; i++) {
		waiting->answer.outcomes[i] = outcomes[i];
		waiting->answer.outcomes[i].detail = arena_str(arena, outcomes[i].detail);
		waiting->answer.outcomes[i].name = arena_str(arena, outcomes[i].name);
	}
	waiting->answer.count = count;
}

static void got_outcome_counts(void *data, const uint64_t counts[STORE_OUTCOMES], int code, const struct wf_error *err)
{
	struct waiting *waiting = answered(data, code, err);
	memcpy(waiting->answer.outcome_counts, counts, sizeof waiting->answer.outcome_counts);
}

static void got_done(void *data, int code, const struct wf_error *err)
{
	answered(data, code, err);
}

struct answer read_sequence(struct fixture *fixture)
{
	struct waiting waiting = { fixture };
	store_read_sequence(fixture->store, got_number, &waiting);
	return wait_for(&waiting);
}

struct answer load(struct fixture *fixture, uint64_t id)
{
	struct waiting waiting = { fixture };
	store_load(fixture->store, id, got_loaded, &waiting);
	return wait_for(&waiting);
}

struct answer find_named(struct fixture *fixture, uint64_t machine, const char *name)
{
	struct waiting waiting = { fixture };
	char *copy = mem_strdup(name); /* the store copies what it is asked */
	store_find_named(fixture->store, machine, str_of(copy), got_rows, &waiting);
	free(copy);
	return wait_for(&waiting);
}

struct answer find(struct fixture *fixture, uint64_t id)
{
	struct waiting waiting = { fixture };
	store_find(fixture->store, id, got_rows, &waiting);
	return wait_for(&waiting);
}

struct answer list(struct fixture *fixture, struct store_list_request request)
{
	struct waiting waiting = { fixture };
	store_list(fixture->store, &request, got_rows, &waiting);
	return wait_for(&waiting);
}

struct answer records(struct fixture *fixture, uint64_t id, uint32_t first, bool backward, size_t bytes_max)
{
	struct waiting waiting = { fixture };
	store_read_records(fixture->store, id, first, backward, bytes_max, got_records, &waiting);
	return wait_for(&waiting);
}

struct answer count_records(struct fixture *fixture, uint64_t id)
{
	struct waiting waiting = { fixture };
	store_count_records(fixture->store, id, got_number, &waiting);
	return wait_for(&waiting);
}

struct answer list_open(struct fixture *fixture, int64_t until_ms, struct store_open_row after, uint32_t limit)
{
	struct waiting waiting = { fixture };
	store_list_open(fixture->store, until_ms, after, limit, got_open, &waiting);
	return wait_for(&waiting);
}

struct answer count_open(struct fixture *fixture)
{
	struct waiting waiting = { fixture };
	store_count_open(fixture->store, got_number, &waiting);
	return wait_for(&waiting);
}

struct answer list_messages(struct fixture *fixture, uint64_t target, uint64_t after, uint32_t limit)
{
	struct waiting waiting = { fixture };
	store_list_messages(fixture->store, target, after, limit, got_messages, &waiting);
	return wait_for(&waiting);
}

struct answer list_dead(struct fixture *fixture, struct store_dead_request request)
{
	struct waiting waiting = { fixture };
	store_list_dead_letters(fixture->store, &request, got_letters, &waiting);
	return wait_for(&waiting);
}

struct answer find_dead(struct fixture *fixture, uint64_t id)
{
	struct waiting waiting = { fixture };
	store_find_dead_letter(fixture->store, id, got_letters, &waiting);
	return wait_for(&waiting);
}

struct answer group_dead(struct fixture *fixture, struct store_dead_group_request request)
{
	struct waiting waiting = { fixture };
	store_group_dead_letters(fixture->store, &request, got_groups, &waiting);
	return wait_for(&waiting);
}

struct answer list_outcomes(struct fixture *fixture, uint64_t job, int outcome, uint64_t after, uint32_t limit)
{
	struct waiting waiting = { fixture };
	store_list_outcomes(fixture->store, job, outcome, after, limit, got_outcomes, &waiting);
	return wait_for(&waiting);
}

struct answer count_outcomes(struct fixture *fixture, uint64_t job)
{
	struct waiting waiting = { fixture };
	store_count_outcomes(fixture->store, job, got_outcome_counts, &waiting);
	return wait_for(&waiting);
}

struct answer purge(struct fixture *fixture, int64_t before_ms, uint32_t limit)
{
	struct waiting waiting = { fixture };
	store_purge(fixture->store, before_ms, limit, got_number, &waiting);
	return wait_for(&waiting);
}

struct answer backup(struct fixture *fixture, const char *path)
{
	struct waiting waiting = { fixture };
	store_backup(fixture->store, path, got_done, &waiting);
	return wait_for(&waiting);
}

/* ---- everything ------------------------------------------------------------------------------------ */

static void dump_bytes(struct buffer *out, struct str bytes)
{
	buffer_printf(out, " %zu:", bytes.len);
	for (size_t i = 0; i < bytes.len && i < 64; i++)
		buffer_printf(out, "%02x", (unsigned char)bytes.ptr[i]);
	uint32_t sum = 0;
	for (size_t i = 0; i < bytes.len; i++)
		sum = sum * 31 + (unsigned char)bytes.ptr[i];
	buffer_printf(out, "#%x", sum);
}

static void dump_execution(struct fixture *fixture, uint64_t id, struct buffer *out)
{
	struct answer a = load(fixture, id);
	assert_int_equal(a.code, 0);
	const struct store_execution *row = a.rows;
	buffer_printf(out, "execution %llu machine %llu start %lld stop %lld status %d", (unsigned long long)id,
		      (unsigned long long)row->machine_id, (long long)row->start_ms, (long long)row->stop_ms, row->status);
	dump_bytes(out, row->name);
	dump_bytes(out, row->attributes);
	buffer_printf(out, "\n\tsnapshot %u", a.snapshot.next_record);
	dump_bytes(out, a.snapshot.bytes);
	struct answer r = records(fixture, id, 0, false, SIZE_MAX);
	assert_int_equal(r.code, 0);
	for (uint32_t i = 0; i < r.count; i++) {
		buffer_printf(out, "\n\trecord %u %llu", r.records[i].number, (unsigned long long)r.records[i].first_event_id);
		dump_bytes(out, r.records[i].bytes);
		for (uint32_t k = 0; k < r.records[i].blobs_count; k++)
			dump_bytes(out, r.records[i].blobs[k]);
	}
	buffer_byte(out, '\n');
}

static void dump_item(void *data, const struct store_item *item)
{
	struct buffer *out = data;
	buffer_printf(out, "item %d", item->kind);
	dump_bytes(out, item->key);
	dump_bytes(out, item->bytes);
	buffer_byte(out, '\n');
}

void dump(struct fixture *fixture, struct buffer *out)
{
	struct answer all = list(fixture, (struct store_list_request){ 0, -1, INT64_MAX, 0, UINT32_MAX });
	assert_int_equal(all.code, 0);
	for (uint32_t i = 0; i < all.count; i++)
		dump_execution(fixture, all.rows[i].id, out);
	struct answer open = list_open(fixture, INT64_MAX, (struct store_open_row){ 0, INT64_MIN }, UINT32_MAX);
	for (uint32_t i = 0; i < open.count; i++)
		buffer_printf(out, "open %lld %llu\n", (long long)open.open[i].wake_ms, (unsigned long long)open.open[i].execution_id);
	struct answer inbox = list_messages(fixture, 0, 0, UINT32_MAX);
	for (uint32_t i = 0; i < inbox.count; i++) {
		const struct store_message *m = &inbox.messages[i];
		buffer_printf(out, "message %llu to %llu from %llu/%llu", (unsigned long long)m->sequence, (unsigned long long)m->target_id,
			      (unsigned long long)m->sender_id, (unsigned long long)m->sender_event);
		dump_bytes(out, m->bytes);
		buffer_byte(out, '\n');
	}
	assert_int_equal(store_each_item(fixture->store, dump_item, out, NULL), 0);
	struct answer dead = list_dead(fixture, (struct store_dead_request){ .status = -1, .from_ms = INT64_MIN, .before_ms = INT64_MAX, .limit = UINT32_MAX });
	for (uint32_t i = 0; i < dead.count; i++) {
		const struct store_dead_letter *d = &dead.dead_letters[i];
		buffer_printf(out, "dead %llu machine %llu %d at %lld revision %llu version %llu redrives %llu job %llu unread %d", (unsigned long long)d->execution_id,
			      (unsigned long long)d->machine_id, d->status, (long long)d->failed_ms, (unsigned long long)d->revision,
			      (unsigned long long)d->version, (unsigned long long)d->redrives, (unsigned long long)d->job, d->unread);
		dump_bytes(out, d->state);
		dump_bytes(out, d->error);
		dump_bytes(out, d->name);
		buffer_byte(out, '\n');
	}
	for (uint64_t job = 1; job <= 3; job++) {
		struct answer outcomes = list_outcomes(fixture, job, -1, 0, UINT32_MAX);
		for (uint32_t i = 0; i < outcomes.count; i++) {
			const struct store_outcome *o = &outcomes.outcomes[i];
			buffer_printf(out, "outcome %llu %llu %d %lld machine %llu", (unsigned long long)job, (unsigned long long)o->execution_id, o->outcome,
				      (long long)o->at_ms, (unsigned long long)o->machine_id);
			dump_bytes(out, o->detail);
			buffer_byte(out, '\n');
		}
	}
}

struct str noise(struct fixture *fixture, uint64_t seed, size_t len)
{
	struct random random;
	random_seed(&random, seed);
	char *bytes = arena_alloc(&fixture->arena, len + 8);
	for (size_t i = 0; i < len; i += 8) {
		uint64_t n = random_u64(&random);
		memcpy(bytes + i, &n, 8);
	}
	return (struct str){ bytes, len };
}
