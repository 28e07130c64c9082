/* file.c: the search file's schema and connections (file.h).
 *
 * Rows are in the order of their ids, which is that of their starting, so one number is a cursor in every index. What has
 * succeeded is most of all, and only in the table itself and in its machine's index; the other indexes are partial and
 * small. Words of names and of input scalars are in full-text indexes without content (parts.c): they answer with row
 * numbers.
 *
 * The file may be lost, so nothing is synced; a file that another boot of the machine left open is made anew. */
#include "search/file.h"
#include "base/mem.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char *const schema =
    "CREATE TABLE IF NOT EXISTS meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS execution(id INTEGER PRIMARY KEY, machine INTEGER, status INTEGER, start INTEGER, stop INTEGER, name TEXT, "
    "error TEXT, state TEXT, redrives INTEGER, version INTEGER, records INTEGER, parent INTEGER, visits BLOB);"
    "CREATE INDEX IF NOT EXISTS execution_by_machine ON execution(machine, id);"
    "CREATE INDEX IF NOT EXISTS execution_by_status ON execution(status, id) WHERE status <> 1;"
    "CREATE INDEX IF NOT EXISTS execution_by_both ON execution(machine, status, id) WHERE status <> 1;"
    "CREATE INDEX IF NOT EXISTS execution_bad ON execution(id) WHERE status > 1;"
    "CREATE INDEX IF NOT EXISTS execution_by_end ON execution(stop) WHERE status IN (2, 3);"
    "CREATE INDEX IF NOT EXISTS execution_by_error ON execution(error, id) WHERE error IS NOT NULL;"
    "CREATE INDEX IF NOT EXISTS execution_by_state ON execution(state, id) WHERE state IS NOT NULL;"
    "CREATE INDEX IF NOT EXISTS execution_by_parent ON execution(parent, id) WHERE parent IS NOT NULL;"
    "CREATE TABLE IF NOT EXISTS part(number INTEGER PRIMARY KEY, first INTEGER UNIQUE, made INTEGER);"
    "CREATE TABLE IF NOT EXISTS figure(machine INTEGER, state TEXT, hour INTEGER, count INTEGER, failed INTEGER, retries INTEGER, "
    "started INTEGER, buckets BLOB, PRIMARY KEY(machine, hour, state)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS minute(machine INTEGER, minute INTEGER, started INTEGER, failed INTEGER, PRIMARY KEY(machine, minute)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS counter(machine INTEGER, status INTEGER, count INTEGER, PRIMARY KEY(machine, status)) WITHOUT ROWID;";

static const char *const texts[] = {
#define X(name, text) [FILE_##name] = text,
	FILE_STATEMENTS(X)
#undef X
};

int file_error(struct file *file, struct wf_error *err, const char *what)
{
	int code = sqlite3_errcode(file->db) & 0xff;
	int ours = code == SQLITE_FULL ? ERR(NO_SPACE)
		   : code == SQLITE_CORRUPT || code == SQLITE_NOTADB ? ERR(CORRUPT)
		   : code == SQLITE_BUSY ? ERR(BUSY)
					 : ERR(IO);
	return error_set(err, ours, "%s: %s", what, sqlite3_errmsg(file->db));
}

static int set_up(struct file *file, bool writer, struct wf_error *err)
{
	const char *pragmas = writer ? "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA cache_size = -4096; "
				       "PRAGMA wal_autocheckpoint = 4000; PRAGMA temp_store = MEMORY;"
				     : "PRAGMA query_only = 1; PRAGMA cache_size = -4096; PRAGMA temp_store = MEMORY;";
	sqlite3_busy_timeout(file->db, 2000);
	if (sqlite3_exec(file->db, pragmas, NULL, NULL, NULL) != SQLITE_OK)
		return file_error(file, err, "opening the search file");
	if (!writer)
		return 0;
	if (sqlite3_exec(file->db, schema, NULL, NULL, NULL) != SQLITE_OK)
		return file_error(file, err, "making the search file");
	int64_t version = file_meta(file, "version", 0);
	if (version && version != SEARCH_SCHEMA_VERSION)
		return error_set(err, ERR(VERSION), "the search file has version %lld", (long long)version);
	return version ? 0 : file_put_meta(file, "version", SEARCH_SCHEMA_VERSION);
}

/* Inputs' words stand in it, so a new file is the owner's alone like the store, whatever the umask; SQLite gives its log and
 * its index the same mode. That it cannot be made SQLite tells better. */
static void make_private(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd >= 0)
		close(fd);
}

int file_open(struct file *file, const char *path, bool writer, struct wf_error *err)
{
	*file = (struct file){ 0 };
	if (writer)
		make_private(path);
	int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_READWRITE | (writer ? SQLITE_OPEN_CREATE : 0);
	int code = 0;
	if (sqlite3_open_v2(path, &file->db, flags, NULL) != SQLITE_OK)
		code = file->db ? file_error(file, err, "opening the search file") : ERR(IO);
	if (code == 0)
		code = set_up(file, writer, err);
	if (code)
		file_close(file);
	return code;
}

void file_close(struct file *file)
{
	for (unsigned i = 0; i < FILE_STATEMENTS_COUNT; i++)
		sqlite3_finalize(file->statements[i]);
	sqlite3_finalize(file->put_words);
	sqlite3_close(file->db);
	*file = (struct file){ 0 };
}

void file_remove(const char *path)
{
	static const char *const endings[] = { "", "-wal", "-shm", "-journal" };
	for (unsigned i = 0; i < sizeof endings / sizeof endings[0]; i++) {
		_cleanup_free_ char *name = mem_printf("%s%s", path, endings[i]);
		unlink(name);
	}
}

sqlite3_stmt *file_get(struct file *file, enum file_statement which)
{
	sqlite3_stmt **statement = &file->statements[which];
	if (!*statement)
		sqlite3_prepare_v3(file->db, texts[which], -1, SQLITE_PREPARE_PERSISTENT, statement, NULL);
	return *statement;
}

void file_bind_text(sqlite3_stmt *statement, int at, struct str text, bool null_if_empty)
{
	if (null_if_empty && !text.len)
		sqlite3_bind_null(statement, at);
	else
		sqlite3_bind_text(statement, at, text.len ? text.ptr : "", (int)text.len, SQLITE_STATIC);
}

int file_do(struct file *file, sqlite3_stmt *statement)
{
	int code = sqlite3_step(statement);
	sqlite3_reset(statement);
	return code == SQLITE_ROW || code == SQLITE_DONE ? 0 : file_error(file, NULL, "");
}

struct str file_text(sqlite3_stmt *statement, int column)
{
	const char *text = (const char *)sqlite3_column_text(statement, column);
	return text ? (struct str){ text, (size_t)sqlite3_column_bytes(statement, column) } : STR_EMPTY;
}

static struct str row_text(sqlite3_stmt *statement, int column, struct arena *arena)
{
	struct str text = file_text(statement, column);
	return arena ? arena_str(arena, text) : text;
}

void file_row(sqlite3_stmt *statement, struct arena *arena, struct search_row *ret_row)
{
	*ret_row = (struct search_row){
		.id = (uint64_t)sqlite3_column_int64(statement, 0),
		.machine = (uint64_t)sqlite3_column_int64(statement, 1),
		.status = (enum execution_status)sqlite3_column_int(statement, 2),
		.start_ms = sqlite3_column_int64(statement, 3),
		.stop_ms = sqlite3_column_int64(statement, 4),
		.name = row_text(statement, 5, arena),
		.error = row_text(statement, 6, arena),
		.state = row_text(statement, 7, arena),
		.redrives = (uint64_t)sqlite3_column_int64(statement, 8),
		.version = (uint64_t)sqlite3_column_int64(statement, 9),
		.parent = (uint64_t)sqlite3_column_int64(statement, 10),
	};
}

int64_t file_meta(struct file *file, const char *key, int64_t otherwise)
{
	sqlite3_stmt *statement = file_get(file, FILE_META);
	sqlite3_bind_text(statement, 1, key, -1, SQLITE_STATIC);
	int64_t value = sqlite3_step(statement) == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : otherwise;
	sqlite3_reset(statement);
	return value;
}

int file_put_meta(struct file *file, const char *key, int64_t value)
{
	sqlite3_stmt *statement = file_get(file, FILE_PUT_META);
	sqlite3_bind_text(statement, 1, key, -1, SQLITE_STATIC);
	sqlite3_bind_int64(statement, 2, value);
	return file_do(file, statement);
}
