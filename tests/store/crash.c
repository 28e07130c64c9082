/* crash.c: a process that writes to a store is killed: before each single write, sync and deletion in turn, and at random moments with real syncs in
 * flight. Then: what was acknowledged is there, and batches are whole and in order.
 *
 * The writer submits batch n with execution n, two records of it, a payload out of line now and then, an open row, and an item that says n. So a store that
 * holds sequence s must hold exactly executions 1 … s, and the item must say s. RATCHET_TEST_ROUNDS sets the rounds at random moments. */
#include "base/clock.h"
#include "base/random.h"
#include "tests/store/fault_vfs.h"
#include "tests/store/fixture.h"
#include <signal.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#define ID(n) ((uint64_t)(n) << 8 | ((n) & 0xff))
enum { OUTSTANDING = 6, BLOB_BYTES = 150000 };

/* ---- the process that is killed ------------------------------------------------------------------ */

struct writer {
	struct fixture *fixture;
	uint64_t last; /* submit up to this */
	unsigned outstanding;
	int acknowledge_fd;
	struct str blob;
	bool done;
};

static void writer_go(struct writer *writer);

static void writer_done(struct store_batch *batch, enum store_result result, const struct wf_error *err)
{
	struct writer *writer = batch->data;
	if (result != STORE_COMMITTED || write(writer->acknowledge_fd, &batch->sequence, sizeof batch->sequence) < 0)
		_exit(3);
	writer->outstanding--;
	store_batch_free(batch);
	writer_go(writer);
}

static void writer_go(struct writer *writer)
{
	struct fixture *f = writer->fixture;
	while (writer->outstanding < OUTSTANDING && f->lease.sequence < writer->last) {
		struct store_batch *b = batch_next(f);
		uint64_t n = b->sequence;
		struct str text = arena_format(&b->arena, "%llu", (unsigned long long)n);
		add_execution(b, ID(n), n % 5, n % 2 ? arena_printf(&b->arena, "name %llu", (unsigned long long)n) : "", (int64_t)n);
		add_record(b, ID(n), 0, text);
		add_record(b, ID(n), 1, text);
		if (n % 7 == 0)
			store_batch_add(b, STORE_APPEND_RECORD)->record = (struct store_record){ .execution_id = ID(n), .number = 2,
				.bytes = text, .blobs = &writer->blob, .blobs_count = 1 };
		add_open(b, ID(n), (int64_t)(n % 100));
		if (n > 3)
			add_delete_open(b, ID(n - 3));
		add_item(b, 1, STR("last"), text);
		b->done = writer_done;
		b->data = writer;
		writer->outstanding++;
		store_submit(f->store, b);
	}
	writer->done = f->lease.sequence == writer->last && !writer->outstanding;
}

/* In a child: opens the store, submits `batches` more, closes. */
static void write_and_exit(struct fixture *f, uint64_t batches, struct str blob, int fd)
{
	fixture_open(f);
	struct writer writer = { .fixture = f, .last = f->lease.sequence + batches, .acknowledge_fd = fd, .blob = blob };
	writer_go(&writer);
	test_loop_until_true(f->loop, &writer.done, 300);
	fixture_close(f);
	_exit(0);
}

/* ---- the one that looks at what is left ------------------------------------------------------------ */

static uint64_t last_acknowledged(int fd, uint64_t before)
{
	uint64_t sequence;
	while (read(fd, &sequence, sizeof sequence) == sizeof sequence) {
		assert_true(sequence == before + 1 || before == 0);
		before = sequence;
	}
	return before;
}

static void item_is(void *data, const struct store_item *item)
{
	struct buffer *text = data;
	buffer_add(text, item->bytes);
}

static void check_file(struct fixture *f)
{
	sqlite3 *db;
	sqlite3_stmt *check;
	assert_int_equal(sqlite3_open(fixture_path(f, ""), &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &check, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(check), SQLITE_ROW);
	assert_string_equal((const char *)sqlite3_column_text(check, 0), "ok");
	sqlite3_finalize(check);
	sqlite3_close(db);
}

/* Checks executions from `first` on; those before were checked in an earlier round. Returns the sequence. */
static uint64_t check_store(struct fixture *f, uint64_t first, uint64_t acknowledged, struct str blob)
{
	fixture_open(f);
	uint64_t stored = f->lease.sequence;
	assert_true(stored >= acknowledged);
	assert_int_equal(f->lease.last_execution_id, stored ? ID(stored) : 0);
	for (uint64_t n = first; n <= stored; n++) {
		char text[32];
		snprintf(text, sizeof text, "%llu", (unsigned long long)n);
		struct answer a = load(f, ID(n));
		assert_int_equal(a.code, 0);
		assert_int_equal(a.count, n % 7 ? 2 : 3);
		assert_true(str_eqz(a.records[1].bytes, text));
		if (n % 7 == 0)
			assert_str(a.records[2].blobs[0], blob);
	}
	struct answer open = list_open(f, INT64_MAX, (struct store_open_row){ 0, INT64_MIN }, 100);
	assert_int_equal(open.count, stored < 3 ? stored : 3);
	struct answer newest = list(f, (struct store_list_request){ 0, -1, INT64_MAX, 0, 1 });
	assert_int_equal(newest.count, stored > 0);
	if (stored)
		assert_int_equal(newest.rows->id, ID(stored));
	struct buffer item = { 0 };
	char wanted[32] = "";
	if (stored)
		snprintf(wanted, sizeof wanted, "%llu", (unsigned long long)stored);
	assert_int_equal(store_each_item(f->store, item_is, &item, NULL), 0);
	assert_true(str_eqz(buffer_str(&item), wanted));
	buffer_done(&item);
	fixture_close(f);
	check_file(f);
	arena_reset(&f->arena);
	return stored;
}

/* ---- the tests --------------------------------------------------------------------------------------- */

/* Runs a writer until it ends or `kill_after_us` is over (0: it kills itself). Returns whether it was killed. */
static bool run_writer(struct fixture *f, uint64_t batches, struct str blob, int64_t kill_after_us, uint64_t *acknowledged)
{
	int fds[2];
	assert_int_equal(pipe(fds), 0);
	pid_t pid = fork();
	if (pid == 0) {
		close(fds[0]);
		write_and_exit(f, batches, blob, fds[1]);
	}
	close(fds[1]);
	if (kill_after_us) {
		usleep((useconds_t)kill_after_us);
		kill(pid, SIGKILL);
	}
	*acknowledged = last_acknowledged(fds[0], 0);
	close(fds[0]);
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status))
		assert_int_equal(WEXITSTATUS(status), 0);
	return WIFSIGNALED(status);
}

/* From an empty folder, through making the file, ten batches, moving the log and closing. */
static void killed_before_any_single_write_it_keeps_what_was_acknowledged(void **state)
{
	struct fixture *f = *state;
	struct arena arena = { 0 };
	struct str blob = { arena_zalloc(&arena, BLOB_BYTES), BLOB_BYTES };
	int steps = 0;
	bool killed = true;
	while (killed) {
		static const char *const suffixes[] = { "", "-wal", "-shm", "-owner" };
		for (int i = 0; i < 4; i++)
			unlink(fixture_path(f, suffixes[i]));
		fault_vfs.steps_left = steps;
		uint64_t acknowledged;
		killed = run_writer(f, 10, blob, 0, &acknowledged);
		fault_vfs.steps_left = -1;
		check_store(f, 1, acknowledged, blob);
		steps += steps < 60 || steps % 2 ? 1 : 3; /* further on, it is the same again and again */
	}
	assert_true(steps > 100);
	print_message("           killed at %d points\n", steps);
	arena_done(&arena);
	fixture_open(f);
}

static void killed_at_any_moment_it_keeps_what_was_acknowledged(void **state)
{
	struct fixture *f = *state;
	const char *wanted = getenv("RATCHET_TEST_ROUNDS");
	int rounds = wanted ? atoi(wanted) : 25;
	struct random random;
	uint64_t seed = (uint64_t)clock_system()->monotonic_us(clock_system()), stored = 0, acknowledged;
	print_message("           seed %llu\n", (unsigned long long)seed);
	random_seed(&random, seed);
	struct arena arena = { 0 };
	struct str blob = { arena_zalloc(&arena, BLOB_BYTES), BLOB_BYTES };
	for (int i = 0; i < rounds; i++) {
		run_writer(f, 1000000, blob, 3000 + (int64_t)random_below(&random, 80000), &acknowledged);
		uint64_t now = check_store(f, stored + 1, acknowledged, blob);
		assert_true(now >= stored);
		stored = now;
	}
	print_message("           %llu batches in %d rounds\n", (unsigned long long)stored, rounds);
	assert_true(stored > 0);
	arena_done(&arena);
	fixture_open(f);
}

static int set_up(void **state)
{
	fault_vfs_reset();
	struct fixture *f = fixture_new((struct variant){ "sqlite", true, false });
	fixture_close(f);
	f->options.vfs = "ratchet-fault";
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	fixture_free(*state);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(killed_before_any_single_write_it_keeps_what_was_acknowledged, set_up, tear_down),
		cmocka_unit_test_setup_teardown(killed_at_any_moment_it_keeps_what_was_acknowledged, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
