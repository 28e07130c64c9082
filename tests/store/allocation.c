/* allocation.c: memory runs out at any allocation while a store is made, written, read, backed up, purged and closed. Where we allocate, the process ends (base/mem.h);
 * where SQLite does, the batch or read fails and the next may work. Either way: what was acknowledged is there when the store is opened again, and batches are whole.
 *
 * A child runs the script; its n-th allocation fails. Some n are tried, every one with RATCHET_TEST_ALL. malloc and its like are taken by the linker's --wrap, SQLite's by
 * its own configuration. */
#include "tests/common/progress.h"
#include "tests/store/fixture.h"
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define ID(n) ((uint64_t)(n) << 8 | ((n) & 0xff))
enum { BATCHES = 10, BLOB_BYTES = 100000, POINTS = 80 };

/* ---- allocations that fail --------------------------------------------------------------------------- */

enum whose { OURS, SQLITES };
static atomic_long allocations[2], failing[2] = { -1, -1 }; /* the number that fails; negative: none */

static bool fails(enum whose whose)
{
	long number = atomic_fetch_add(&allocations[whose], 1);
	return number == failing[whose];
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *p, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *p, size_t size);

void *__wrap_malloc(size_t size)
{
	return fails(OURS) ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	return fails(OURS) ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *p, size_t size)
{
	return fails(OURS) ? NULL : __real_realloc(p, size);
}

static sqlite3_mem_methods sqlite_memory;

static void *sqlite_malloc(int size)
{
	return fails(SQLITES) ? NULL : sqlite_memory.xMalloc(size);
}

static void *sqlite_realloc(void *p, int size)
{
	return fails(SQLITES) ? NULL : sqlite_memory.xRealloc(p, size);
}

static void take_sqlite_memory(void)
{
	assert_int_equal(sqlite3_config(SQLITE_CONFIG_GETMALLOC, &sqlite_memory), SQLITE_OK);
	sqlite3_mem_methods ours = sqlite_memory;
	ours.xMalloc = sqlite_malloc;
	ours.xRealloc = sqlite_realloc;
	assert_int_equal(sqlite3_config(SQLITE_CONFIG_MALLOC, &ours), SQLITE_OK);
}

/* ---- the script, in a child ---------------------------------------------------------------------------- */

static void fill_batch(struct store_batch *b, uint64_t n, struct str *blob)
{
	struct str text = arena_format(&b->arena, "%llu", (unsigned long long)n);
	add_execution(b, ID(n), n % 3, n % 2 ? arena_printf(&b->arena, "name %llu", (unsigned long long)n) : "", (int64_t)n);
	add_record(b, ID(n), 0, text);
	store_batch_add(b, STORE_APPEND_RECORD)->record =
		(struct store_record){ .execution_id = ID(n), .number = 1, .bytes = text, .blobs = blob, .blobs_count = 1 };
	add_snapshot(b, ID(n), 1, text);
	add_open(b, ID(n), (int64_t)n);
	add_message(b, ID(n), ID(1), n, text);
	add_item(b, 1, STR("last"), text);
}

static void ignore_item(void *data, const struct store_item *item)
{
}

/* Every call of the interface. What fails by an allocation of SQLite's is tried once more: only one fails. */
static void run_script(struct fixture *f, enum whose whose, int fd, struct str blob)
{
	struct wf_error err;
	for (int i = 0; i < 2 && !f->store; i++)
		if (store_open(f->url, &f->options, f->loop, &f->store, &err) == 0 && store_acquire(f->store, &f->lease, &err) < 0)
			store_close(TAKE(f->store));
	if (!f->store)
		_exit(3);
	for (int tries = 0; f->lease.sequence < BATCHES && tries < BATCHES + 3; tries++) {
		struct store_batch *b = batch_next(f);
		fill_batch(b, b->sequence, &blob);
		enum store_result result = commit(f, b, &err);
		if (result == STORE_COMMITTED && write(fd, &f->lease.sequence, sizeof f->lease.sequence) < 0)
			_exit(3);
		if (result == STORE_UNKNOWN || result == STORE_FENCED)
			_exit(4);
	}
	if (f->lease.sequence < BATCHES)
		_exit(5);
	load(f, ID(2));
	records(f, ID(2), 0, false, 10);
	count_records(f, ID(2));
	find(f, ID(2));
	find_named(f, 1, "name 1");
	list(f, (struct store_list_request){ 1, -1, INT64_MAX, 0, 5 });
	list_open(f, 5, (struct store_open_row){ 0, INT64_MIN }, 5);
	count_open(f);
	list_messages(f, ID(2), 0, 5);
	store_each_item(f->store, ignore_item, NULL, NULL);
	read_sequence(f);
	backup(f, fixture_path(f, "-copy"));
	purge(f, 1, 5);
	fixture_close(f);
	/* For count_allocations: as if so many more had been acknowledged. */
	uint64_t told = BATCHES + (uint64_t)allocations[whose];
	_exit(failing[whose] < 0 && write(fd, &told, sizeof told) < 0 ? 3 : 0);
}

/* ---- afterwards ------------------------------------------------------------------------------------------ */

static void remove_files(struct fixture *f)
{
	static const char *const suffixes[] = { "", "-wal", "-shm", "-owner", "-copy", "-new", "-new-wal", "-new-shm" };
	for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++)
		unlink(fixture_path(f, suffixes[i]));
}

/* Runs the script with this allocation failing; returns the child's wait status. */
static int run_child(struct fixture *f, enum whose whose, long number, struct str blob, uint64_t *ret_acknowledged)
{
	int fds[2], status;
	assert_int_equal(pipe(fds), 0);
	pid_t pid = fork();
	if (pid == 0) {
		struct rlimit none = { 0 };
		setrlimit(RLIMIT_CORE, &none);
		dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
		allocations[OURS] = allocations[SQLITES] = 0;
		failing[whose] = number;
		run_script(f, whose, fds[1], blob);
	}
	close(fds[1]);
	uint64_t sequence;
	*ret_acknowledged = 0;
	while (read(fds[0], &sequence, sizeof sequence) == sizeof sequence)
		*ret_acknowledged = sequence;
	close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void check_store(struct fixture *f, long number, uint64_t acknowledged, struct str blob)
{
	fixture_open(f);
	uint64_t stored = f->lease.sequence;
	if (stored < acknowledged)
		fail_msg("allocation %ld: batch %llu was acknowledged, %llu is the last one stored", number, (unsigned long long)acknowledged,
			 (unsigned long long)stored);
	for (uint64_t n = 1; n <= stored; n++) {
		struct answer a = records(f, ID(n), 0, false, SIZE_MAX);
		assert_int_equal(a.code, 0);
		assert_int_equal(a.count, 2);
		assert_str(a.records[1].blobs[0], blob);
	}
	assert_int_equal(count_open(f).number, stored);
	assert_int_equal(list_messages(f, 0, 0, 100).count, stored);
	commit_ok(f, batch_next(f));
	fixture_close(f);
	arena_reset(&f->arena);
}

/* How many allocations a run makes in which none fails. */
static long count_allocations(struct fixture *f, enum whose whose, struct str blob)
{
	uint64_t acknowledged;
	remove_files(f);
	assert_int_equal(run_child(f, whose, -1, blob, &acknowledged), 0);
	assert_true(acknowledged > BATCHES);
	return (long)(acknowledged - BATCHES);
}

static void fail_each(struct fixture *f, enum whose whose)
{
	struct arena arena = { 0 };
	struct str blob = { arena_zalloc(&arena, BLOB_BYTES), BLOB_BYTES };
	long count = count_allocations(f, whose, blob), step = getenv("RATCHET_TEST_ALL") ? 1 : count / POINTS + 1;
	unsigned runs = 0, ended = 0, went_on = 0, refused = 0;
	for (long number = 0; number < count; number += step, runs++) {
		uint64_t acknowledged;
		remove_files(f);
		int status = run_child(f, whose, number, blob, &acknowledged);
		if (WIFSIGNALED(status)) {
			assert_int_equal(WTERMSIG(status), SIGABRT);
			ended++;
		} else if (WEXITSTATUS(status) == 0) {
			went_on++;
		} else {
			refused++; /* it said so, and stopped */
		}
		check_store(f, number, acknowledged, blob);
		print_progress((uint64_t)number, (uint64_t)count, "allocations");
	}
	print_message("           %ld allocations, %u of them failed: %u ended the process, %u were got over, %u refused\n", count, runs, ended, went_on, refused);
	assert_true(whose == OURS ? ended > 0 : went_on > 0);
	arena_done(&arena);
}

static void whichever_allocation_of_ours_fails_what_was_acknowledged_is_there(void **state)
{
	fail_each(*state, OURS);
}

static void whichever_allocation_of_sqlite_fails_what_was_acknowledged_is_there(void **state)
{
	fail_each(*state, SQLITES);
}

static int set_up(void **state)
{
	struct fixture *f = fixture_new((struct variant){ "sqlite", true, false });
	fixture_close(f);
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
	take_sqlite_memory();
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(whichever_allocation_of_ours_fails_what_was_acknowledged_is_there, set_up, tear_down),
		cmocka_unit_test_setup_teardown(whichever_allocation_of_sqlite_fails_what_was_acknowledged_is_there, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
