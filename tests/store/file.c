/* file.c: what only a store in a file can get wrong: whose file it is, who may open it, its mode, its schema, a full disk, a failed sync, the growth of the
 * log, backups, plans of queries. */
#include "state-store/sqlite/schema.h"
#include "tests/store/fault_vfs.h"
#include "tests/store/fixture.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define ID(n) ((uint64_t)(n) << 8 | ((n) & 0xff))

static int try_open(struct fixture *f, const struct store_options *options, struct wf_error *err)
{
	struct store *store = NULL;
	*err = (struct wf_error){ 0 };
	int code = store_open(f->url, options, f->loop, &store, err);
	assert_int_equal(code, err->code);
	store_close(store);
	return code;
}

static void raw(struct fixture *f, const char *text)
{
	sqlite3 *db;
	char *message = NULL;
	assert_int_equal(sqlite3_open(fixture_path(f, ""), &db), SQLITE_OK);
	if (sqlite3_exec(db, text, NULL, NULL, &message) != SQLITE_OK) {
		fprintf(stderr, "%s: %s\n", text, message);
		fail();
	}
	sqlite3_close(db);
}

static void write_file(const char *path, struct str bytes)
{
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(bytes.ptr, 1, bytes.len, file), bytes.len);
	fclose(file);
}

static struct str read_file(struct fixture *f, const char *path)
{
	FILE *file = fopen(path, "r");
	assert_non_null(file);
	fseek(file, 0, SEEK_END);
	size_t len = (size_t)ftell(file);
	rewind(file);
	char *bytes = arena_alloc(&f->arena, len + 1);
	assert_int_equal(fread(bytes, 1, len, file), len);
	fclose(file);
	return (struct str){ bytes, len };
}

static void remove_files(struct fixture *f)
{
	static const char *const suffixes[] = { "", "-wal", "-shm", "-owner" };
	for (int i = 0; i < 4; i++)
		unlink(fixture_path(f, suffixes[i]));
}

/* ---- opening ------------------------------------------------------------------------------------ */

static void everything_is_there_after_opening_again(void **state)
{
	struct fixture *f = *state;
	struct str blob = noise(f, 1, 200000);
	struct store_batch *b = batch_next(f);
	for (uint32_t i = 1; i <= 50; i++) {
		add_execution(b, ID(i), i % 3, i % 2 ? arena_printf(&f->arena, "name %u", i) : "", i);
		add_record(b, ID(i), 0, STR("record"));
		add_open(b, ID(i), i * 7 % 11);
		add_message(b, ID(i), ID(1), i, STR("message"));
		add_item(b, (uint8_t)i, STR("key"), STR("item"));
	}
	store_batch_add(b, STORE_APPEND_RECORD)->record =
		(struct store_record){ .execution_id = ID(1), .number = 1, .bytes = STR("x"), .blobs = &blob, .blobs_count = 1 };
	add_end(b, ID(3), 1, 99);
	add_snapshot(b, ID(4), 1, STR("snapshot"));
	commit_ok(f, b);
	struct buffer before = { 0 }, after = { 0 };
	dump(f, &before);
	struct store_lease lease = f->lease;
	fixture_close(f);
	assert_int_equal(access(fixture_path(f, "-wal"), F_OK), -1); /* moved into the file and gone */
	fixture_open(f);
	assert_int_equal(f->lease.epoch, lease.epoch + 1);
	assert_int_equal(f->lease.sequence, lease.sequence);
	assert_int_equal(f->lease.last_execution_id, ID(50));
	dump(f, &after);
	assert_string_equal(before.data, after.data);
	buffer_done(&before);
	buffer_done(&after);
	commit_ok(f, batch_next(f));
}

static void a_file_of_another_program_is_left_untouched(void **state)
{
	struct fixture *f = *state;
	static const char *const others[] = {
		"CREATE TABLE song(name TEXT); INSERT INTO song VALUES('x')",
		"PRAGMA journal_mode = WAL; CREATE TABLE song(name TEXT)",
		"PRAGMA application_id = 1234; PRAGMA user_version = 1; CREATE TABLE lease(id)",
		"PRAGMA user_version = 7",
	};
	struct store_options to_read = { .read_only = true };
	for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
		struct wf_error err;
		fixture_close(f);
		remove_files(f);
		raw(f, others[i]);
		struct str before = read_file(f, fixture_path(f, ""));
		assert_int_equal(try_open(f, NULL, &err), ERR(INVALID));
		assert_non_null(strstr(err.where, fixture_path(f, "")));
		assert_int_equal(try_open(f, &to_read, &err), ERR(INVALID));
		assert_str(read_file(f, fixture_path(f, "")), before);
		assert_int_equal(access(fixture_path(f, "-owner"), F_OK), -1);
		remove_files(f);
		fixture_open(f);
	}
}

static void a_file_that_is_no_database_is_left_untouched(void **state)
{
	struct fixture *f = *state;
	struct wf_error err;
	fixture_close(f);
	struct str texts[] = { STR("x"), STR("dear diary\n"), noise(f, 1, 10000), { "SQLite format 3\0 but not really", 32 } };
	for (int i = 0; i < 4; i++) {
		remove_files(f);
		write_file(fixture_path(f, ""), texts[i]);
		assert_true(try_open(f, NULL, &err) < 0);
		assert_str(read_file(f, fixture_path(f, "")), texts[i]);
	}
	remove_files(f);
	fixture_open(f);
}

static void an_empty_file_and_one_cut_short_are_made_a_store(void **state)
{
	struct fixture *f = *state;
	fixture_close(f);
	remove_files(f);
	write_file(fixture_path(f, ""), STR_EMPTY);
	fixture_open(f);
	commit_ok(f, batch_next(f));
	fixture_close(f);
	remove_files(f);
	raw(f, "PRAGMA journal_mode = WAL"); /* the making ended before the tables */
	fixture_open(f);
	commit_ok(f, batch_next(f));
}

static void what_cannot_be_opened_says_why(void **state)
{
	struct fixture *f = *state;
	static const struct {
		const char *url;
		bool read_only;
		int code;
	} cases[] = {
		{ "sqlite:", false, ERR(INVALID) },
		{ "sqlite:/no/such/folder/db", false, ERR(IO) },
		{ "sqlite:/", false, ERR(INVALID) },
		{ "sqlite:/dev/null", false, ERR(INVALID) },
		{ "sqlite:/there-is-no-such-store", true, ERR(NOT_FOUND) },
		{ "oracle:x", false, ERR(INVALID) },
		{ "", false, ERR(INVALID) },
		{ "memory:x", false, ERR(INVALID) },
		{ "memory:", true, ERR(INVALID) },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct store *store = NULL;
		struct wf_error err = { 0 };
		struct store_options options = { .read_only = cases[i].read_only };
		assert_int_equal(store_open(cases[i].url, &options, f->loop, &store, &err), cases[i].code);
		assert_int_equal(err.code, cases[i].code);
		assert_true(err.message[0] != 0);
		assert_null(store);
	}
}

static void a_newer_schema_is_refused(void **state)
{
	struct fixture *f = *state;
	struct wf_error err;
	fixture_close(f);
	raw(f, "PRAGMA user_version = 1000");
	assert_int_equal(try_open(f, NULL, &err), ERR(VERSION));
	assert_non_null(strstr(err.message, "1000"));
	remove_files(f);
	fixture_open(f);
}

static void files_are_the_owners_alone(void **state)
{
	struct fixture *f = *state;
	fixture_close(f);
	remove_files(f);
	mode_t mask = umask(0);
	fixture_open(f);
	commit_ok(f, batch_next(f));
	static const char *const suffixes[] = { "", "-wal", "-shm", "-owner" };
	for (int i = 0; i < 4; i++) {
		struct stat file;
		assert_int_equal(stat(fixture_path(f, suffixes[i]), &file), 0);
		assert_int_equal(file.st_mode & 0777, 0600);
	}
	umask(mask);
}

/* ---- owner ----------------------------------------------------------------------------------------- */

/* A process that opens the store, says so, and waits to be killed. With `heir`, it leaves a child of its own behind. */
static pid_t start_owner(struct fixture *f, bool heir, pid_t *ret_heir)
{
	int fds[2];
	assert_int_equal(pipe(fds), 0);
	pid_t pid = fork();
	if (pid == 0) {
		fixture_open(f);
		pid_t child = heir ? fork() : 0;
		if (heir && child == 0)
			for (;;)
				pause();
		if (write(fds[1], &child, sizeof child) < 0)
			_exit(1);
		for (;;)
			pause();
	}
	pid_t child;
	assert_int_equal(read(fds[0], &child, sizeof child), sizeof child);
	if (ret_heir)
		*ret_heir = child;
	close(fds[0]);
	close(fds[1]);
	return pid;
}

static void a_second_owner_is_refused_and_told_who_has_it(void **state)
{
	struct fixture *f = *state;
	struct wf_error err;
	assert_int_equal(try_open(f, NULL, &err), ERR(BUSY)); /* this process itself */
	char pid[32];
	snprintf(pid, sizeof pid, "%ld", (long)getpid());
	assert_non_null(strstr(err.message, pid));
	commit_ok(f, batch_next(f)); /* the refused one has not dropped the lock */
	fixture_close(f);

	pid_t owner = start_owner(f, false, NULL);
	assert_int_equal(try_open(f, NULL, &err), ERR(BUSY));
	snprintf(pid, sizeof pid, "%ld", (long)owner);
	assert_non_null(strstr(err.message, pid));
	/* By another name, too. */
	assert_int_equal(symlink("db", fixture_path(f, "-link")), 0);
	char url[128];
	snprintf(url, sizeof url, "sqlite:%s", fixture_path(f, "-link"));
	struct store *store;
	assert_int_equal(store_open(url, NULL, f->loop, &store, &err), ERR(BUSY));
	kill(owner, SIGKILL);
	waitpid(owner, NULL, 0);
	fixture_open(f);
	commit_ok(f, batch_next(f));
}

static void a_child_that_outlives_the_owner_does_not_keep_the_lock(void **state)
{
	struct fixture *f = *state;
	fixture_close(f);
	pid_t heir, owner = start_owner(f, true, &heir);
	kill(owner, SIGKILL);
	waitpid(owner, NULL, 0);
	fixture_open(f);
	commit_ok(f, batch_next(f));
	kill(heir, SIGKILL);
}

static void a_tool_reads_beside_the_owner_and_cannot_write(void **state)
{
	struct fixture *f = *state;
	struct store_batch *b = batch_next(f);
	add_execution(b, ID(1), 1, "name", 1);
	commit_ok(f, b);
	struct fixture tool = { .variant = f->variant, .options = { .read_only = true }, .loop = f->loop };
	memcpy(tool.url, f->url, sizeof tool.url);
	fixture_open(&tool);
	assert_int_equal(find_named(&tool, 1, "name").count, 1);
	assert_int_equal(read_sequence(&tool).number, 1);
	b = batch_next(f);
	add_execution(b, ID(2), 1, "", 2);
	commit_ok(f, b);
	assert_int_equal(find(&tool, ID(2)).count, 1);
	struct wf_error err;
	struct store_lease lease;
	assert_int_equal(store_acquire(tool.store, &lease, &err), ERR(UNSUPPORTED));
	assert_int_equal(commit(&tool, batch_next(&tool), &err), STORE_FAILED);
	assert_int_equal(err.code, ERR(UNSUPPORTED));
	assert_int_equal(purge(&tool, INT64_MAX, 10).code, ERR(UNSUPPORTED));
	fixture_close(&tool);
	arena_done(&tool.arena);
	commit_ok(f, batch_next(f));
	fixture_close(f);
	/* Nobody has it open. */
	tool = (struct fixture){ .variant = f->variant, .options = { .read_only = true }, .loop = f->loop };
	memcpy(tool.url, f->url, sizeof tool.url);
	fixture_open(&tool);
	assert_int_equal(find_named(&tool, 1, "name").count, 1);
	fixture_close(&tool);
	arena_done(&tool.arena);
	fixture_open(f);
}

/* ---- schema ------------------------------------------------------------------------------------------ */

static void migrations_run_once_in_order_and_whole_or_not_at_all(void **state)
{
	struct fixture *f = *state;
	static const struct schema_step steps[] = {
		{ "CREATE TABLE a(x); INSERT INTO a VALUES(1)" },
		{ "ALTER TABLE a ADD COLUMN y DEFAULT 5; UPDATE a SET x = x + 1" },
		{ "CREATE TABLE b(x); INSERT INTO a VALUES(9, 9); this is not SQL" },
	};
	struct sql sql;
	struct wf_error err = { 0 };
	int64_t n;
	const char *path = fixture_path(f, "-migrated");
	assert_int_equal(sql_open(&sql, path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL, &err), 0);
	assert_int_equal(schema_migrate(&sql, steps, 1, &err), 0);
	assert_int_equal(schema_migrate(&sql, steps, 1, &err), 0);
	assert_int_equal(schema_migrate(&sql, steps, 2, &err), 0);
	assert_int_equal(sql_number(&sql, "SELECT sum(x) * 100 + sum(y) FROM a", &n, &err), 0);
	assert_int_equal(n, 205);
	assert_true(schema_migrate(&sql, steps, 3, &err) < 0);
	assert_non_null(strstr(err.message, "version 3"));
	assert_int_equal(schema_check(&sql, 3, &n, &err), 0);
	assert_int_equal(n, 2);
	assert_int_equal(sql_number(&sql, "SELECT count(*) FROM sqlite_schema", &n, &err), 0);
	assert_int_equal(n, 1);
	assert_int_equal(schema_check(&sql, 1, &n, &err), ERR(VERSION));
	sql_close(&sql);
}

static void what_failed_in_an_older_store_is_an_unread_dead_letter(void **state)
{
	struct fixture *f = *state;
	struct sql sql;
	struct wf_error err = { 0 };
	fixture_close(f);
	const char *path = fixture_path(f, "");
	unlink(path);
	assert_int_equal(sql_open(&sql, path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL, &err), 0);
	assert_int_equal(schema_migrate(&sql, schema_steps, 1, &err), 0);
	assert_int_equal(sql_run(&sql, "INSERT INTO execution VALUES(256, 7, x'61', 1, 5, 2, x'00'), (512, 7, x'62', 1, 6, 3, x'00'), (768, 7, x'63', 1, 6, 4, x'00'),"
				       " (1024, 7, x'64', 1, 6, 1, x'00'), (1280, 7, x'65', 1, 0, 0, x'00')", &err), 0);
	sql_close(&sql);
	fixture_open(f);
	struct answer a = list_dead(f, (struct store_dead_request){ .unread = true, .before_id = INT64_MAX, .limit = 10 });
	assert_int_equal(a.count, 2);
	assert_true(a.dead_letters[0].execution_id == 512 && a.dead_letters[0].status == 3 && a.dead_letters[0].failed_ms == 6 && a.dead_letters[0].machine_id == 7);
	assert_true(a.dead_letters[1].execution_id == 256 && a.dead_letters[1].unread);
}

static void lists_are_read_from_an_index_in_its_order(void **state)
{
	struct fixture *f = *state;
	static const char *const texts[] = {
#define X(name, text) text,
		SQL_STATEMENTS(X)
#undef X
	};
	struct sql sql;
	assert_int_equal(sql_open(&sql, fixture_path(f, ""), SQLITE_OPEN_READWRITE, NULL, NULL), 0);
	for (int i = SQL_EACH_ITEM; i < SQL_STATEMENTS_COUNT; i++) {
		sqlite3_stmt *plan;
		const char *text = arena_printf(&f->arena, "EXPLAIN QUERY PLAN %s", texts[i]);
		assert_int_equal(sqlite3_prepare_v2(sql.db, text, -1, &plan, NULL), SQLITE_OK);
		while (sqlite3_step(plan) == SQLITE_ROW) {
			const char *detail = (const char *)sqlite3_column_text(plan, 3);
			bool whole = i == SQL_EACH_ITEM || i == SQL_COUNT_OPEN || i == SQL_EACH_EXECUTION || i == SQL_COUNT_EXECUTIONS;
			/* Counts of groups are of all, and the largest first: rare questions, which a reader answers from one small index. */
			if (i == SQL_DEAD_GROUPS || i == SQL_DEAD_DEPTHS || i == SQL_DEAD_HOURS)
				continue;
			if ((strncmp(detail, "SCAN", 4) == 0 && !whole) || strstr(detail, "TEMP B-TREE")) {
				fprintf(stderr, "%s\n\t%s\n", texts[i], detail);
				fail();
			}
		}
		sqlite3_finalize(plan);
	}
	sql_close(&sql);
}

/* ---- the disk ------------------------------------------------------------------------------------------ */

static struct store_batch *batch_with_record(struct fixture *f)
{
	struct store_batch *b = batch_next(f);
	uint32_t number = (uint32_t)b->sequence - 1;
	if (number == 0)
		add_execution(b, ID(1), 1, "", 1);
	add_record(b, ID(1), number, noise(f, number, 3000));
	return b;
}

static void check_records(struct fixture *f, uint64_t count)
{
	struct answer a = records(f, ID(1), 0, false, SIZE_MAX);
	assert_int_equal(a.count, count);
	for (uint32_t i = 0; i < a.count; i++)
		assert_str(a.records[i].bytes, noise(f, i, 3000));
}

static void reopen_on_fault_vfs(struct fixture *f)
{
	fault_vfs_reset();
	fixture_close(f);
	f->options.vfs = "ratchet-fault";
	fixture_open(f);
}

static void a_full_disk_fails_batches_and_work_goes_on_when_there_is_room(void **state)
{
	struct fixture *f = *state;
	reopen_on_fault_vfs(f);
	uint64_t stored = 0;
	for (int writes = 0; writes < 24; writes++) {
		struct wf_error err = { 0 };
		fault_vfs.writes_left = writes;
		unsigned failed = 0;
		for (int i = 0; i < 5; i++) {
			enum store_result result = commit(f, batch_with_record(f), &err);
			assert_true(result == STORE_COMMITTED || result == STORE_FAILED);
			if (result == STORE_COMMITTED) {
				stored++;
			} else {
				failed++;
				assert_int_equal(err.code, ERR(NO_SPACE));
			}
		}
		assert_true(failed > 0 || writes > 10);
		assert_int_equal(read_sequence(f).number, stored);
		check_records(f, stored);
		fault_vfs.writes_left = -1;
		commit_ok(f, batch_with_record(f));
		stored++;
	}
	fixture_close(f);
	fixture_open(f);
	check_records(f, stored);
}

static void after_a_failed_sync_nothing_is_written_any_more(void **state)
{
	struct fixture *f = *state;
	reopen_on_fault_vfs(f);
	commit_ok(f, batch_with_record(f));
	fault_vfs.syncs_fail = true;
	struct wf_error err = { 0 };
	assert_int_equal(commit(f, batch_with_record(f), &err), STORE_UNKNOWN);
	assert_int_equal(err.code, ERR(IO));
	fault_vfs.syncs_fail = false;
	assert_int_equal(commit(f, batch_with_record(f), &err), STORE_FAILED);
	assert_non_null(strstr(err.message, "sync"));
	assert_int_equal(read_sequence(f).code, ERR(IO));
	assert_int_equal(purge(f, INT64_MAX, 1).code, 0); /* nothing to purge needs no writing */
	fixture_close(f);
	fixture_open(f);
	assert_true(f->lease.sequence == 1 || f->lease.sequence == 2);
	check_records(f, f->lease.sequence);
	commit_ok(f, batch_with_record(f));
}

static void every_commit_is_synced_and_a_relaxed_store_says_so(void **state)
{
	struct fixture *f = *state;
	reopen_on_fault_vfs(f);
	struct store_stats stats;
	int before = fault_vfs.syncs;
	for (int i = 0; i < 10; i++)
		commit_ok(f, batch_with_record(f));
	assert_true(fault_vfs.syncs >= before + 10);
	store_stats(f->store, &stats);
	assert_true(stats.durable);
	assert_int_equal(stats.syncs, 10);
	assert_int_equal(stats.commits, 10);
	assert_int_equal(stats.batches, 10);
	assert_true(stats.bytes_written > 30000);
	assert_true(stats.file_bytes > 30000);
	assert_string_equal(stats.backend, "sqlite");
	fixture_close(f);
	f->options.durability = STORE_RELAXED;
	fixture_open(f);
	commit_ok(f, batch_with_record(f)); /* a new log begins with syncs of its own */
	before = fault_vfs.syncs;
	for (int i = 0; i < 10; i++)
		commit_ok(f, batch_with_record(f));
	assert_int_equal(fault_vfs.syncs, before);
	store_stats(f->store, &stats);
	assert_false(stats.durable);
}

/* ---- under load ------------------------------------------------------------------------------------------ */

/* Keeps some batches of one 16 KB record each outstanding. */
struct load_ {
	struct fixture *fixture;
	struct str bytes;
	uint64_t next, stored, wanted;
	unsigned outstanding;
	off_t log_most;
	bool done;
};

static void load_go(struct load_ *load_);

static void load_done(struct store_batch *batch, enum store_result result, const struct wf_error *err)
{
	struct load_ *l = batch->data;
	assert_int_equal(result, STORE_COMMITTED);
	l->stored = batch->sequence;
	l->outstanding--;
	struct stat file;
	if (stat(fixture_path(l->fixture, "-wal"), &file) == 0 && file.st_size > l->log_most)
		l->log_most = file.st_size;
	store_batch_free(batch);
	load_go(l);
}

static void load_go(struct load_ *l)
{
	while (l->outstanding < 16 && l->next < l->wanted) {
		struct store_batch *b = batch_next(l->fixture);
		add_record(b, ID(1), (uint32_t)l->next++, l->bytes);
		b->done = load_done;
		b->data = l;
		l->outstanding++;
		store_submit(l->fixture->store, b);
	}
	l->done = l->stored == l->wanted;
}

static void the_log_does_not_grow_without_bound_under_load(void **state)
{
	struct fixture *f = *state;
	struct load_ l = { .fixture = f, .bytes = noise(f, 1, 16000), .wanted = 10000 };
	load_go(&l);
	test_loop_until_true(f->loop, &l.done, 200);
	print_message("           at most %lld MB of log\n", (long long)l.log_most / 1000000);
	assert_true(l.log_most > 0 && l.log_most < 100 << 20); /* 160 MB went through it */
}

static void backup_done(void *data, int code, const struct wf_error *err)
{
	if (code)
		fprintf(stderr, "%s\n", err->message);
	assert_int_equal(code, 0);
	*(bool *)data = true;
}

static void a_backup_under_load_is_a_whole_store_of_one_moment(void **state)
{
	struct fixture *f = *state;
	struct load_ l = { .fixture = f, .bytes = noise(f, 1, 16000), .wanted = 500 };
	load_go(&l);
	test_loop_until_true(f->loop, &l.done, 100);
	l.wanted = 3000;
	l.done = false;
	load_go(&l);
	bool copied = false;
	const char *path = fixture_path(f, "-copy");
	store_backup(f->store, path, backup_done, &copied);
	test_loop_until_true(f->loop, &copied, 100);
	test_loop_until_true(f->loop, &l.done, 100);
	assert_int_equal(backup(f, path).code, ERR(EXISTS));
	assert_int_equal(backup(f, "/no/such/folder/x").code, ERR(IO));
	struct stat file;
	assert_int_equal(stat(path, &file), 0);
	assert_int_equal(file.st_mode & 0777, 0600);

	struct fixture copy = { .variant = f->variant, .loop = f->loop };
	snprintf(copy.url, sizeof copy.url, "sqlite:%s", path);
	fixture_open(&copy);
	assert_true(copy.lease.sequence >= 500 && copy.lease.sequence <= 3000);
	assert_int_equal(count_records(&copy, ID(1)).number, copy.lease.sequence);
	commit_ok(&copy, batch_next(&copy));
	fixture_close(&copy);
	arena_done(&copy.arena);
}

static void backup_given_up(void *data, int code, const struct wf_error *err)
{
	assert_true(code == 0 || code == ERR(CANCELLED));
	*(bool *)data = true;
}

static void closing_gives_up_a_backup(void **state)
{
	struct fixture *f = *state;
	struct store_batch *b = batch_next(f);
	struct str bytes = noise(f, 1, 30000000);
	add_execution(b, ID(1), 1, "", 1);
	store_batch_add(b, STORE_APPEND_RECORD)->record =
		(struct store_record){ .execution_id = ID(1), .bytes = STR("x"), .blobs = &bytes, .blobs_count = 1 };
	commit_ok(f, b);
	const char *path = fixture_path(f, "-copy");
	/* Nothing to check but that it ends, and that what is there is whole. */
	bool copied = false;
	store_backup(f->store, path, backup_given_up, &copied);
	fixture_close(f);
	assert_true(copied);
	if (access(path, F_OK) == 0) {
		struct fixture copy = { .variant = f->variant, .loop = f->loop };
		snprintf(copy.url, sizeof copy.url, "sqlite:%s", path);
		fixture_open(&copy);
		assert_int_equal(copy.lease.sequence, 1);
		fixture_close(&copy);
	}
	fixture_open(f);
}

static void a_lost_chunk_is_reported_and_not_served(void **state)
{
	struct fixture *f = *state;
	struct str blobs[] = { noise(f, 1, 200000), STR("small") };
	struct store_batch *b = batch_next(f);
	add_execution(b, ID(1), 1, "", 1);
	store_batch_add(b, STORE_APPEND_RECORD)->record =
		(struct store_record){ .execution_id = ID(1), .bytes = STR("x"), .blobs = blobs, .blobs_count = 2 };
	commit_ok(f, b);
	static const char *const damages[] = {
		"DELETE FROM chunk WHERE blob = 0 AND part = 1",
		"DELETE FROM chunk WHERE blob = 0",
		"UPDATE record SET blobs = 1",
		"UPDATE record SET blobs = 4000000000",
	};
	for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
		raw(f, damages[i]);
		assert_int_equal(load(f, ID(1)).code, ERR(CORRUPT));
		assert_int_equal(records(f, ID(1), 0, false, 1).code, ERR(CORRUPT));
	}
}

/* It is gone for everybody at once, its rows go step by step. */
static void an_execution_of_many_records_goes_in_small_steps(void **state)
{
	enum { RECORDS = 12000 };
	struct fixture *f = *state;
	struct str blob = noise(f, 1, 100000);
	struct store_batch *b = batch_next(f);
	for (uint32_t i = 1; i <= 3; i++)
		add_execution(b, ID(i), 1, "", i);
	for (uint32_t i = 0; i < RECORDS; i++)
		store_batch_add(b, STORE_APPEND_RECORD)->record = (struct store_record){
			.execution_id = ID(2), .number = i, .first_event_id = i + 1, .bytes = STR("x"), .blobs = &blob, .blobs_count = i < 2 };
	add_snapshot(b, ID(2), 1, STR("s"));
	for (uint32_t i = 1; i <= 2; i++)
		add_end(b, ID(i), 1, 100 + i);
	commit_ok(f, b);
	assert_int_equal(purge(f, 110, 100).number, 2);
	for (uint32_t i = 1; i <= 2; i++) {
		assert_int_equal(find(f, ID(i)).count, 0);
		assert_int_equal(load(f, ID(i)).code, ERR(NOT_FOUND));
	}
	unsigned steps = 0;
	while (purge(f, 110, 100).number) {
		steps++;
		assert_true(steps <= RECORDS / 1000);
	}
	assert_int_equal(count_records(f, ID(2)).number, 0);
	assert_int_equal(find(f, ID(3)).count, 1);
}

static int set_up(void **state)
{
	*state = fixture_new((struct variant){ "sqlite", true, false });
	return 0;
}

static int tear_down(void **state)
{
	fixture_free(*state);
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(everything_is_there_after_opening_again),
		TEST(a_file_of_another_program_is_left_untouched),
		TEST(a_file_that_is_no_database_is_left_untouched),
		TEST(an_empty_file_and_one_cut_short_are_made_a_store),
		TEST(what_cannot_be_opened_says_why),
		TEST(a_newer_schema_is_refused),
		TEST(files_are_the_owners_alone),
		TEST(a_second_owner_is_refused_and_told_who_has_it),
		TEST(a_child_that_outlives_the_owner_does_not_keep_the_lock),
		TEST(a_tool_reads_beside_the_owner_and_cannot_write),
		TEST(migrations_run_once_in_order_and_whole_or_not_at_all),
		TEST(lists_are_read_from_an_index_in_its_order),
		TEST(what_failed_in_an_older_store_is_an_unread_dead_letter),
		TEST(a_full_disk_fails_batches_and_work_goes_on_when_there_is_room),
		TEST(after_a_failed_sync_nothing_is_written_any_more),
		TEST(every_commit_is_synced_and_a_relaxed_store_says_so),
		TEST(the_log_does_not_grow_without_bound_under_load),
		TEST(a_backup_under_load_is_a_whole_store_of_one_moment),
		TEST(closing_gives_up_a_backup),
		TEST(an_execution_of_many_records_goes_in_small_steps),
		TEST(a_lost_chunk_is_reported_and_not_served),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
