/* power.c: the power goes while a store is made, opened, written, moved from its log into its file, and closed; again and again on the same store.
 * Each time: what was acknowledged is there, batches are whole and in order, and the store goes on.
 *
 * Batch n holds execution n, records of it, a payload out of line now and then, an open row, and an item that says n. So a store that holds sequence s must
 * hold exactly executions 1 … s, and the item must say s.
 *
 * One seed is one run. Even seeds go step by step: a batch to a transaction, and nothing else under way when the log is moved; so they replay exactly. Odd
 * ones let the store's threads run as they like, with a log long enough to be moved by its own thread.
 * RATCHET_SEED runs one seed, RATCHET_SEEDS sets how many (from 1 on).
 *
 * The same runs must find something lost when a sync does nothing: else they would prove nothing. */
#include "base/random.h"
#include "tests/common/progress.h"
#include "tests/store/fixture.h"
#include "tests/store/power_vfs.h"
#include <sqlite3.h>
#include <unistd.h>

#define ID(n) ((uint64_t)(n) << 8 | ((n) & 0xff))
enum { OUTSTANDING = 6, CUTS = 8, BLOB_BYTES = 150000 };

struct run {
	struct fixture *f;
	struct random random;
	uint64_t seed;
	bool in_step; /* an even seed */
	struct str blob;
	/* of one life of the store */
	unsigned outstanding;
	bool refused, idle;
	/* over all of them */
	uint64_t acknowledged, submitted;
	unsigned problems;
	char first_problem[300];
};

static void problem(struct run *run, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void problem(struct run *run, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	if (!run->problems++)
		vsnprintf(run->first_problem, sizeof run->first_problem, format, args);
	va_end(args);
}

/* ---- one life ------------------------------------------------------------------------------------ */

static void ended(struct store_batch *batch, enum store_result result, const struct wf_error *err)
{
	struct run *run = batch->data;
	if (result == STORE_COMMITTED && batch->sequence > run->acknowledged)
		run->acknowledged = batch->sequence;
	if (result != STORE_COMMITTED && !power_vfs_is_off())
		problem(run, "batch %llu was not stored: %s", (unsigned long long)batch->sequence, err->message);
	run->refused |= result != STORE_COMMITTED;
	run->idle = --run->outstanding == 0;
	store_batch_free(batch);
}

static void submit(struct run *run)
{
	struct fixture *f = run->f;
	struct store_batch *b = batch_next(f);
	uint64_t n = b->sequence;
	struct str text = arena_format(&b->arena, "%llu", (unsigned long long)n);
	add_execution(b, ID(n), n % 5, n % 2 ? arena_printf(&b->arena, "name %llu", (unsigned long long)n) : "", (int64_t)n);
	add_record(b, ID(n), 0, text);
	add_record(b, ID(n), 1, text);
	if (n % 7 == 0)
		store_batch_add(b, STORE_APPEND_RECORD)->record =
			(struct store_record){ .execution_id = ID(n), .number = 2, .bytes = text, .blobs = &run->blob, .blobs_count = 1 };
	if (n > 3) {
		add_delete_open(b, ID(n - 3));
		add_snapshot(b, ID(n - 3), 1, text);
	}
	add_open(b, ID(n), (int64_t)(n % 100));
	add_item(b, 1, STR("last"), text);
	b->done = ended;
	b->data = run;
	run->outstanding++;
	run->idle = false;
	if (n > run->submitted)
		run->submitted = n;
	store_submit(f->store, b);
}

static void wait_idle(struct run *run)
{
	run->idle = run->outstanding == 0;
	test_loop_until_true(run->f->loop, &run->idle, 120);
}

/* As the maintenance thread does when the log is long. */
static void move_log(struct run *run)
{
	sqlite3 *db;
	static const int modes[] = { SQLITE_CHECKPOINT_PASSIVE, SQLITE_CHECKPOINT_RESTART, SQLITE_CHECKPOINT_TRUNCATE };
	if (sqlite3_open_v2(fixture_path(run->f, ""), &db, SQLITE_OPEN_READWRITE, "ratchet-power") == SQLITE_OK)
		sqlite3_wal_checkpoint_v2(db, NULL, modes[random_below(&run->random, 3)], NULL, NULL);
	sqlite3_close(db);
}

static void work(struct run *run)
{
	uint64_t batches = 1 + random_below(&run->random, run->in_step ? 20 : random_below(&run->random, 4) ? 30 : 150);
	while (batches-- && !run->refused && !power_vfs_is_off()) {
		submit(run);
		if (run->in_step ? random_below(&run->random, 2) == 0 : run->outstanding == OUTSTANDING)
			wait_idle(run);
		if (run->in_step && run->outstanding == 0 && random_below(&run->random, 6) == 0)
			move_log(run);
	}
	wait_idle(run);
}

static struct store *open_store(struct run *run, struct store_lease *ret_lease)
{
	struct store *store = NULL;
	struct wf_error err = { 0 };
	if (store_open(run->f->url, &run->f->options, run->f->loop, &store, &err) == 0 && store_acquire(store, ret_lease, &err) == 0)
		return store;
	if (!power_vfs_is_off())
		problem(run, "the store cannot be opened: %s", err.message);
	store_close(store);
	return NULL;
}

static void live(struct run *run)
{
	power_vfs.steps_left = (int)random_below(&run->random, 1u << (3 + random_below(&run->random, 11)));
	run->refused = false;
	run->outstanding = 0;
	run->f->store = open_store(run, &run->f->lease);
	if (run->f->store)
		work(run);
	/* Sometimes it goes while the store is being closed, sometimes before, sometimes after. */
	if (random_below(&run->random, 2))
		power_vfs_cut();
	fixture_close(run->f);
	power_vfs_cut();
	power_vfs_restore();
}

/* ---- what is left ----------------------------------------------------------------------------------- */

static void check_execution(struct run *run, uint64_t n)
{
	char text[32];
	snprintf(text, sizeof text, "%llu", (unsigned long long)n);
	struct answer a = load(run->f, ID(n));
	struct answer r = records(run->f, ID(n), 0, false, SIZE_MAX);
	if (a.code || r.code || r.count != (n % 7 ? 2 : 3) || !str_eqz(r.records[1].bytes, text))
		problem(run, "execution %llu is not whole (%d, %d, %u records)", (unsigned long long)n, a.code, r.code, r.count);
	else if (n % 7 == 0 && !str_eq(r.records[2].blobs[0], run->blob))
		problem(run, "execution %llu has another payload", (unsigned long long)n);
}

static void item_is(void *data, const struct store_item *item)
{
	buffer_add(data, item->bytes);
}

static void check_rows(struct run *run, uint64_t stored)
{
	struct answer open = list_open(run->f, INT64_MAX, (struct store_open_row){ 0, INT64_MIN }, 100);
	struct answer all = list(run->f, (struct store_list_request){ 0, -1, INT64_MAX, 0, STORE_LIMIT_MAX });
	if (open.code || open.count != (stored < 3 ? stored : 3))
		problem(run, "%u open rows (%d)", open.count, open.code);
	if (all.code || all.count != stored)
		problem(run, "%u rows in the list, not %llu (%d)", all.count, (unsigned long long)stored, all.code);
	_cleanup_(buffer_done) struct buffer item = { 0 };
	char wanted[32] = "";
	if (stored)
		snprintf(wanted, sizeof wanted, "%llu", (unsigned long long)stored);
	if (store_each_item(run->f->store, item_is, &item, NULL) < 0 || !str_eqz(buffer_str(&item), wanted))
		problem(run, "the item says %.*s, not %s", STR_FMT(buffer_str(&item)), wanted);
}

static void check_file(struct run *run)
{
	sqlite3 *db;
	sqlite3_stmt *check = NULL;
	sqlite3_open_v2(fixture_path(run->f, ""), &db, SQLITE_OPEN_READONLY, "ratchet-power");
	if (sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &check, NULL) != SQLITE_OK || sqlite3_step(check) != SQLITE_ROW ||
	    strcmp((const char *)sqlite3_column_text(check, 0), "ok") != 0)
		problem(run, "the file is damaged: %s", sqlite3_errmsg(db));
	sqlite3_finalize(check);
	sqlite3_close(db);
}

static void look(struct run *run)
{
	struct store_lease lease;
	run->f->store = open_store(run, &lease);
	if (!run->f->store)
		return;
	if (lease.sequence < run->acknowledged || lease.sequence > run->submitted)
		problem(run, "batch %llu is the last one stored, %llu was acknowledged, %llu submitted", (unsigned long long)lease.sequence,
			(unsigned long long)run->acknowledged, (unsigned long long)run->submitted);
	for (uint64_t n = 1; n <= lease.sequence && !run->problems; n++)
		check_execution(run, n);
	if (!run->problems)
		check_rows(run, lease.sequence);
	check_file(run);
	/* What was read may not be taken back. */
	run->acknowledged = run->submitted = lease.sequence;
	fixture_close(run->f);
	arena_reset(&run->f->arena);
}

/* ---- seeds --------------------------------------------------------------------------------------------- */

enum lie { LIE_NONE, LIE_SYNCS, LIE_FOLDER_SYNCS };

static unsigned run_seed(uint64_t seed, enum lie lie, uint64_t *batches, char *ret_problem)
{
	struct fixture *f = NEW(struct fixture);
	struct run run = { .f = f, .seed = seed, .in_step = seed % 2 == 0 };
	random_seed(&run.random, seed);
	snprintf(f->folder, sizeof f->folder, "/tmp/ratchet-power-XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	snprintf(f->url, sizeof f->url, "sqlite:%s/db", f->folder);
	f->options = (struct store_options){ .vfs = "ratchet-power", .batch_bytes_max = run.in_step };
	f->loop = test_loop_new();
	power_vfs_begin(f->folder, seed);
	power_vfs.folder_syncs_lie = lie == LIE_FOLDER_SYNCS;
	struct arena arena = { 0 };
	size_t blob_bytes = run.in_step ? BLOB_BYTES : 10 * BLOB_BYTES;
	run.blob = (struct str){ arena_zalloc(&arena, blob_bytes), blob_bytes };
	for (int i = 0; i < CUTS && !run.problems; i++) {
		power_vfs.syncs_lie = lie == LIE_SYNCS && i > 0; /* made well, at first */
		live(&run);
		look(&run);
	}
	*batches += run.acknowledged;
	if (run.problems)
		strcpy(ret_problem, run.first_problem);
	fixture_free(f);
	power_vfs_end();
	arena_done(&arena);
	return run.problems;
}

/* How many of the seeds lose something. */
static unsigned run_seeds(enum lie lie, uint64_t count, char *ret_problem, uint64_t *ret_seed)
{
	const char *one = lie == LIE_NONE ? getenv("RATCHET_SEED") : NULL, *many = lie == LIE_NONE ? getenv("RATCHET_SEEDS") : NULL;
	uint64_t first = one ? strtoull(one, NULL, 10) : 1, batches = 0, cuts = power_vfs.cuts;
	unsigned bad = 0;
	if (many)
		count = strtoull(many, NULL, 10);
	for (uint64_t seed = first; seed < first + (one ? 1 : count); seed++) {
		char text[300];
		if (run_seed(seed, lie, &batches, text) && !bad++) {
			strcpy(ret_problem, text);
			*ret_seed = seed;
		}
		print_progress(seed - first + 1, count, "seeds");
	}
	if (lie == LIE_NONE)
		print_message("           seeds %llu to %llu: the power went %llu times; %llu batches; %llu sectors dropped, %llu writes torn\n",
			      (unsigned long long)first, (unsigned long long)(one ? first : first + count - 1), (unsigned long long)(power_vfs.cuts - cuts),
			      (unsigned long long)batches, (unsigned long long)power_vfs.dropped, (unsigned long long)power_vfs.torn);
	return bad;
}

static void after_a_power_loss_all_that_was_acknowledged_is_there(void **state)
{
	char text[300];
	uint64_t seed;
	unsigned bad = run_seeds(LIE_NONE, 150, text, &seed);
	if (bad)
		fail_msg("%u seeds failed; RATCHET_SEED=%llu: %s", bad, (unsigned long long)seed, text);
}

static void without_syncs_it_would_be_lost(void **state)
{
	char text[300] = "";
	uint64_t seed = 0;
	unsigned bad = run_seeds(LIE_SYNCS, 20, text, &seed);
	print_message("           %u of 20 seeds lose something, as they must; seed %llu: %s\n", bad, (unsigned long long)seed, text);
	assert_true(bad > 10);
}

static void without_syncs_of_the_folder_it_would_be_lost(void **state)
{
	char text[300] = "";
	uint64_t seed = 0;
	unsigned bad = run_seeds(LIE_FOLDER_SYNCS, 20, text, &seed);
	print_message("           %u of 20 seeds lose something, as they must; seed %llu: %s\n", bad, (unsigned long long)seed, text);
	assert_true(bad > 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(after_a_power_loss_all_that_was_acknowledged_is_there),
		cmocka_unit_test(without_syncs_it_would_be_lost),
		cmocka_unit_test(without_syncs_of_the_folder_it_would_be_lost),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
