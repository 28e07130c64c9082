/* open.c: opening and closing the SQLite store, and the few calls that block.
 *
 * Before anything is written, the file is looked at through a connection that can only read: a file of another program stays as it is, its
 * log included. A new file is made by us, not by SQLite, so that its mode is 0600 whatever the umask; the log and the index of the
 * log take theirs from it. It is made under the name PATH-new and renamed when it is whole. */
#include "state-store/sqlite/sqlite.h"
#include "base/buffer.h"
#include "base/mem.h"
#include "state-store/sqlite/schema.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- shared by the threads -------------------------------------------------------------------- */

void sqlite_queue_init(struct sqlite_queue *queue)
{
	*queue = (struct sqlite_queue){ .tail = &queue->first };
	pthread_mutex_init(&queue->mutex, NULL);
	pthread_cond_init(&queue->changed, NULL);
}

void sqlite_queue_done(struct sqlite_queue *queue)
{
	assert(!queue->first);
	pthread_cond_destroy(&queue->changed);
	pthread_mutex_destroy(&queue->mutex);
}

void sqlite_queue_put(struct sqlite_queue *queue, struct store_request *request)
{
	request->next = NULL;
	pthread_mutex_lock(&queue->mutex);
	*queue->tail = request;
	queue->tail = &request->next;
	pthread_cond_signal(&queue->changed);
	pthread_mutex_unlock(&queue->mutex);
}

void sqlite_queue_stop(struct sqlite_queue *queue)
{
	pthread_mutex_lock(&queue->mutex);
	queue->stop = true;
	pthread_cond_broadcast(&queue->changed);
	pthread_mutex_unlock(&queue->mutex);
}

int sqlite_thread(pthread_t *thread, void *(*run)(void *), void *data, struct wf_error *err)
{
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int result = pthread_create(thread, NULL, run, data);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (result == 0)
		return 0;
	*thread = 0;
	return error_errno(err, result, "cannot start a thread of the store");
}

/* On a disk that cannot be written there is nowhere to put the index of the log; but nothing can change either, so with no log it can be read as it is. */
static bool is_immutable(const char *path)
{
	_cleanup_free_ char *folder = mem_strdup(path);
	_cleanup_free_ char *log = mem_printf("%s-wal", path);
	struct stat file;
	return access(dirname(folder), W_OK) < 0 && errno == EROFS && (stat(log, &file) < 0 || file.st_size == 0);
}

static int open_immutable(const char *path, const char *vfs, struct sql *ret_sql, struct wf_error *err)
{
	_cleanup_(buffer_done) struct buffer uri = { 0 };
	buffer_addz(&uri, "file:");
	for (const char *at = path; *at; at++) {
		if (strchr("%?#", *at))
			buffer_printf(&uri, "%%%02X", *at);
		else
			buffer_byte(&uri, *at);
	}
	buffer_addz(&uri, "?immutable=1");
	buffer_byte(&uri, 0);
	return sql_open(ret_sql, uri.data, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, vfs, err);
}

static int connect_to(struct sqlite_store *sqlite, const char *path, bool read_only, struct sql *ret_sql, struct wf_error *err)
{
	int code = sqlite->read_only && is_immutable(path) ?
			   open_immutable(path, sqlite->vfs, ret_sql, err) :
			   sql_open(ret_sql, path, read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE, sqlite->vfs, err);
	if (code < 0)
		return code;
	sqlite3_busy_timeout(ret_sql->db, SQLITE_BUSY_MS);
	sqlite3_db_config(ret_sql->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(ret_sql->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	/* The writer gets the larger cache: it must hold the pages of one transaction. Only what is used is allocated, but under load all
	 * of it is; what does not fit is one read from the system's cache away. */
	code = sql_run(ret_sql, read_only ? "PRAGMA cache_size = -4096; PRAGMA query_only = ON" :
					    "PRAGMA cache_size = -16384; PRAGMA secure_delete = OFF; PRAGMA temp_store = MEMORY; PRAGMA journal_size_limit = 67108864", err);
	if (code < 0)
		sql_close(ret_sql);
	return code;
}

int sqlite_connect(struct sqlite_store *sqlite, bool read_only, struct sql *ret_sql, struct wf_error *err)
{
	return connect_to(sqlite, sqlite->path, read_only, ret_sql, err);
}

/* ---- finding the file --------------------------------------------------------------------------- */

/* The path without links, so that the owner's lock has one name; of a file that is not there yet, its folder's. */
static char *real_path(const char *path, struct wf_error *err)
{
	char *real = realpath(path, NULL);
	if (real)
		return real;
	int reason = errno;
	_cleanup_free_ char *for_folder = mem_strdup(path);
	_cleanup_free_ char *for_name = mem_strdup(path);
	const char *name = basename(for_name);
	_cleanup_free_ char *folder = reason == ENOENT ? realpath(dirname(for_folder), NULL) : NULL;
	if (!folder) {
		error_errno(err, reason, "cannot open the store %s", path);
		return NULL;
	}
	return mem_printf("%s/%s", str_eqz(str_of(folder), "/") ? "" : folder, name);
}

/* 1 there, 0 not there or empty, negative: not a file. */
static int look_for_file(const char *path, struct wf_error *err)
{
	struct stat file;
	if (stat(path, &file) < 0)
		return errno == ENOENT ? 0 : error_errno(err, errno, "cannot open the store %s", path);
	if (!S_ISREG(file.st_mode))
		return error_set(err, ERR(INVALID), "the store %s is not a file", path);
	/* SQLite would take a file of one byte for an empty one. Its own have a page of 512 at least. */
	if (file.st_size > 0 && file.st_size < 512)
		return error_set(err, ERR(INVALID), "this is not a SQLite file: it is left untouched");
	return file.st_size > 0;
}

/* Whose the file is and of what version, without writing to it. */
static int check_file(struct sqlite_store *sqlite, struct wf_error *err)
{
	struct sql sql;
	int64_t version;
	int code = sqlite_connect(sqlite, true, &sql, err);
	if (code == 0)
		code = schema_check(&sql, schema_version, &version, err);
	sql_close(&sql);
	if (code < 0)
		return code;
	if (sqlite->read_only && version < schema_version)
		return error_set(err, ERR(VERSION), "the store's schema is version %lld, this program's is %d: start the server once, it brings the store up to date",
				 (long long)version, schema_version);
	return 0;
}

/* ---- opening ------------------------------------------------------------------------------------- */

static int set_log_mode(struct sql *sql, struct wf_error *err)
{
	sqlite3_stmt *statement = NULL;
	int code = 0;
	if (sqlite3_prepare_v2(sql->db, "PRAGMA journal_mode = WAL", -1, &statement, NULL) != SQLITE_OK || sqlite3_step(statement) != SQLITE_ROW)
		code = sql_error(sql, err, "setting the log's mode");
	else if (!str_eqz(str_of((const char *)sqlite3_column_text(statement, 0)), "wal"))
		code = error_set(err, ERR(UNSUPPORTED), "the file system of the store cannot share memory between processes, which its log needs: use a local disk");
	sqlite3_finalize(statement);
	return code;
}

static int sync_folder(const char *path, struct wf_error *err)
{
	_cleanup_free_ char *copy = mem_strdup(path);
	int folder = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (folder < 0)
		return error_errno(err, errno, "cannot open the folder of %s", path);
	int code = fsync(folder) < 0 ? error_errno(err, errno, "cannot sync the folder of %s", path) : 0;
	close(folder);
	return code;
}

/* Makes an empty store at `path`. When its only connection is closed, all of it is in the one file, and synced. */
static int make_store(struct sqlite_store *sqlite, const char *path, struct wf_error *err)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return error_errno(err, errno, "cannot create the store %s", sqlite->path);
	close(fd);
	struct sql sql;
	int code = connect_to(sqlite, path, false, &sql, err);
	if (code == 0)
		code = set_log_mode(&sql, err);
	if (code == 0)
		code = schema_migrate(&sql, schema_steps, schema_version, err);
	if (code == 0)
		code = sql_run(&sql, "PRAGMA wal_checkpoint(TRUNCATE)", err);
	sql_close(&sql);
	return code;
}

/* A new store is made under another name and then renamed, so that whoever comes after a crash finds a whole one or none. The owner's lock is held. */
static int create_file(struct sqlite_store *sqlite, struct wf_error *err)
{
	static const char *const suffixes[] = { "", "-journal", "-wal", "-shm" };
	_cleanup_free_ char *new_path = mem_printf("%s-new", sqlite->path);
	for (int i = 0; i < 4; i++) {
		_cleanup_free_ char *left_over = mem_printf("%s%s", new_path, suffixes[i]);
		unlink(left_over);
	}
	int code = make_store(sqlite, new_path, err);
	if (code == 0 && rename(new_path, sqlite->path) < 0)
		code = error_errno(err, errno, "cannot create the store %s", sqlite->path);
	return code < 0 ? code : sync_folder(sqlite->path, err);
}

/* Everything of an owner: lock, file, schema, the writer's connection. */
static int open_to_write(struct sqlite_store *sqlite, const struct store_options *options, struct wf_error *err)
{
	struct sql *sql = &sqlite->writer.sql;
	int code = owner_take(sqlite->path, &sqlite->owner, err);
	/* Looked at again: another owner may have made it before we had the lock. */
	if (code == 0 && (code = look_for_file(sqlite->path, err)) == 0)
		code = create_file(sqlite, err);
	if (code < 0 ||
	    (code = sqlite_connect(sqlite, false, sql, err)) < 0 ||
	    (code = set_log_mode(sql, err)) < 0 ||
	    (code = sql_run(sql, "PRAGMA synchronous = FULL", err)) < 0 ||
	    (code = schema_migrate(sql, schema_steps, schema_version, err)) < 0 ||
	    (code = sqlite_connect(sqlite, false, &sqlite->maintenance, err)) < 0)
		return code;
	const char *durability = options->durability == STORE_FULL ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL";
	if ((code = sql_run(sql, durability, err)) < 0 || (code = sql_run(&sqlite->maintenance, durability, err)) < 0)
		return code;
	return sqlite_writer_start(sqlite, options, err);
}

static int start_threads(struct sqlite_store *sqlite, struct wf_error *err)
{
	int code = 0;
	for (int i = 0; i < SQLITE_READERS; i++) {
		struct sqlite_reader *reader = &sqlite->readers[i];
		reader->sqlite = sqlite;
		if ((code = sqlite_connect(sqlite, true, &reader->sql, err)) < 0)
			return code;
		if ((code = sqlite_thread(&reader->thread, sqlite_reader_run, reader, err)) < 0)
			return code;
	}
	return sqlite_thread(&sqlite->maintenance_thread, sqlite_maintenance_run, sqlite, err);
}

static void sqlite_close(struct store *store)
{
	struct sqlite_store *sqlite = (struct sqlite_store *)store;
	sqlite_queue_stop(&sqlite->reads);
	sqlite_queue_stop(&sqlite->backups);
	for (int i = 0; i < SQLITE_READERS; i++) {
		if (sqlite->readers[i].thread)
			pthread_join(sqlite->readers[i].thread, NULL);
		sql_close(&sqlite->readers[i].sql);
	}
	if (sqlite->maintenance_thread)
		pthread_join(sqlite->maintenance_thread, NULL);
	sql_close(&sqlite->maintenance);
	/* Last: SQLite moves the log into the file and removes it when the last connection goes. */
	sqlite_writer_stop(sqlite);
	owner_release(sqlite->owner);
	sqlite_queue_done(&sqlite->reads);
	sqlite_queue_done(&sqlite->backups);
	store_done(store);
	free(sqlite->path);
	free(sqlite->vfs);
	free(sqlite);
}

static void sqlite_finish(struct store *store)
{
	((struct sqlite_store *)store)->closing = true;
}

/* ---- the calls that block ------------------------------------------------------------------------ */

static int sqlite_acquire(struct store *store, struct store_lease *ret_lease, struct wf_error *err)
{
	struct sqlite_store *sqlite = (struct sqlite_store *)store;
	if (sqlite->read_only)
		return error_set(err, ERR(UNSUPPORTED), "the store %s was opened to read only", sqlite->path);
	/* A connection of its own, as another process would: the writer finds out in its next transaction. */
	struct sql sql;
	int code = sqlite_connect(sqlite, false, &sql, err);
	if (code < 0)
		return code;
	sqlite3_wal_autocheckpoint(sql.db, 0);
	sqlite3_stmt *take = sql_get(&sql, SQL_TAKE_LEASE);
	struct store_lease lease = { 0 };
	code = sql_step(&sql, take, err);
	if (code == 1) {
		lease = (struct store_lease){ sql_id(take, 0), sql_id(take, 1), sql_id(take, 2) };
		code = sql_do(&sql, take, err); /* the row comes before the commit */
		if (code == 0)
			*ret_lease = lease;
	} else if (code == 0) {
		code = error_set(err, ERR(CORRUPT), "the store %s has no lease", sqlite->path);
	}
	sql_close(&sql);
	return code;
}

static int sqlite_each_item(struct store *store, void (*visit)(void *data, const struct store_item *item), void *data, struct wf_error *err)
{
	struct sql sql;
	int code = sqlite_connect((struct sqlite_store *)store, true, &sql, err);
	if (code < 0)
		return code;
	sqlite3_stmt *each = sql_get(&sql, SQL_EACH_ITEM);
	while ((code = sql_step(&sql, each, err)) == 1) {
		struct store_item item = { (uint8_t)sql_int(each, 0), sql_bytes(each, 1), sql_bytes(each, 2) };
		visit(data, &item);
	}
	sql_close(&sql);
	return code;
}

static void sqlite_request(struct store *store, struct store_request *request)
{
	struct sqlite_store *sqlite = (struct sqlite_store *)store;
	switch (request->kind) {
	case REQUEST_SEQUENCE:
		if (!sqlite->read_only) {
			sqlite_writer_request(sqlite, request);
			return;
		}
		break;
	case REQUEST_BACKUP:
		sqlite_queue_put(&sqlite->backups, request);
		return;
	case REQUEST_PURGE:
	case REQUEST_DEAD_LETTERS:
	case REQUEST_FIND_DEAD_LETTER:
	case REQUEST_DEAD_GROUPS:
	case REQUEST_OUTCOMES:
	case REQUEST_COUNT_OUTCOMES:
	case REQUEST_LOAD:
	case REQUEST_FIND_NAMED:
	case REQUEST_FIND:
	case REQUEST_LIST:
	case REQUEST_RECORDS:
	case REQUEST_COUNT_RECORDS:
	case REQUEST_LIST_OPEN:
	case REQUEST_COUNT_OPEN:
	case REQUEST_MESSAGES:
		break;
	}
	sqlite_queue_put(&sqlite->reads, request);
}

static uint64_t file_bytes(const char *path, const char *suffix)
{
	_cleanup_free_ char *name = mem_printf("%s%s", path, suffix);
	struct stat file;
	return stat(name, &file) == 0 ? (uint64_t)file.st_size : 0;
}

static void sqlite_stats(struct store *store, struct store_stats *ret_stats)
{
	struct sqlite_store *sqlite = (struct sqlite_store *)store;
	ret_stats->durable = !sqlite->read_only && sqlite->writer.durable;
	ret_stats->commits = sqlite->commits;
	ret_stats->batches = sqlite->batches;
	ret_stats->syncs = sqlite->syncs;
	ret_stats->bytes_written = sqlite->bytes_written;
	ret_stats->file_bytes = file_bytes(sqlite->path, "") + file_bytes(sqlite->path, "-wal");
}

static void backup_progress(const struct store *store, uint64_t *ret_done, uint64_t *ret_total)
{
	const struct sqlite_store *sqlite = (const struct sqlite_store *)store;
	*ret_done = sqlite->backup_done;
	*ret_total = sqlite->backup_total;
}

static const struct store_backend backend = {
	.name = "sqlite",
	.verify = sqlite_verify,
	.backup_progress = backup_progress,
	.acquire = sqlite_acquire,
	.each_item = sqlite_each_item,
	.submit = sqlite_submit,
	.request = sqlite_request,
	.stats = sqlite_stats,
	.finish = sqlite_finish,
	.close = sqlite_close,
};

static int open_at(struct sqlite_store *sqlite, const char *given, const struct store_options *options, struct wf_error *err)
{
	sqlite->path = real_path(given, err);
	if (!sqlite->path)
		return err ? err->code : ERR(IO);
	int code = look_for_file(sqlite->path, err);
	if (code == 0 && sqlite->read_only)
		return error_set(err, ERR(NOT_FOUND), "there is no store here to read");
	if (code == 1)
		code = check_file(sqlite, err);
	if (code == 0 && !sqlite->read_only)
		code = open_to_write(sqlite, options, err);
	if (code == 0)
		code = start_threads(sqlite, err);
	return code;
}

int sqlite_store_open(const char *rest, const struct store_options *options, struct loop *loop, struct store **ret_store, struct wf_error *err)
{
	if (!*rest)
		return error_set(err, ERR(INVALID), "expected a path behind sqlite:");
	struct wf_error own;
	if (!err)
		err = &own;
	struct sqlite_store *sqlite = NEW(struct sqlite_store);
	store_init(&sqlite->store, &backend, loop);
	sqlite->read_only = options->read_only;
	sqlite->vfs = options->vfs ? mem_strdup(options->vfs) : NULL;
	sqlite_queue_init(&sqlite->reads);
	sqlite_queue_init(&sqlite->backups);
	int code = open_at(sqlite, rest, options, err);
	if (code < 0) {
		if (!err->where[0])
			error_where(err, "%s", sqlite->path ? sqlite->path : rest);
		sqlite_close(&sqlite->store);
		return code;
	}
	*ret_store = &sqlite->store;
	return 0;
}
