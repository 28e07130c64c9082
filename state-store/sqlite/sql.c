/* sql.c: see sql.h. */
#include "state-store/sqlite/sql.h"
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

static const char *const texts[] = {
#define X(name, text) text,
	SQL_STATEMENTS(X)
#undef X
};

/* ---- errors -------------------------------------------------------------------------------- */

static int code_of(int result, int system_errno)
{
	switch (result & 0xff) {
	case SQLITE_FULL:
		return ERR(NO_SPACE);
	case SQLITE_IOERR:
		return system_errno == ENOSPC || system_errno == EDQUOT ? ERR(NO_SPACE) : ERR(IO);
	case SQLITE_CANTOPEN:
	case SQLITE_READONLY:
	case SQLITE_PERM:
	case SQLITE_AUTH:
	case SQLITE_NOLFS:
		return ERR(IO);
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
	case SQLITE_PROTOCOL:
		return ERR(BUSY);
	case SQLITE_NOTADB:
		return ERR(INVALID);
	case SQLITE_CORRUPT:
	case SQLITE_FORMAT:
	case SQLITE_SCHEMA:
		return ERR(CORRUPT);
	case SQLITE_CONSTRAINT:
		return ERR(EXISTS);
	case SQLITE_TOOBIG:
		return ERR(LIMIT);
	case SQLITE_NOMEM:
		return ERR(LIMIT);
	case SQLITE_INTERRUPT:
	case SQLITE_ABORT:
		return ERR(CANCELLED);
	}
	return ERR(INTERNAL);
}

int sql_error(struct sql *sql, struct wf_error *err, const char *what)
{
	int result = sqlite3_extended_errcode(sql->db), system_errno = sqlite3_system_errno(sql->db);
	bool is_io = (result & 0xff) == SQLITE_IOERR || (result & 0xff) == SQLITE_CANTOPEN;
	const char *path = sqlite3_db_filename(sql->db, "main");
	if ((result & 0xff) == SQLITE_NOTADB) {
		error_where(err, "%s", path ? path : "");
		return error_set(err, ERR(INVALID), "this is not a SQLite file (or it is encrypted, or its first page is damaged): it is left untouched");
	}
	error_set(err, code_of(result, system_errno), "%s failed: %s%s%s (SQLite's code %d)", what, sqlite3_errmsg(sql->db),
		  is_io && system_errno ? ": " : "", is_io && system_errno ? strerrordesc_np(system_errno) : "", result);
	error_where(err, "%s", path ? path : "");
	return code_of(result, system_errno);
}

bool sql_sync_failed(struct sql *sql)
{
	int result = sqlite3_extended_errcode(sql->db);
	return result == SQLITE_IOERR_FSYNC || result == SQLITE_IOERR_DIR_FSYNC;
}

/* ---- connections --------------------------------------------------------------------------- */

/* For all connections of the process: nobody asks SQLite how much memory it uses, and counting it takes one lock for all
 * threads at each allocation; and a cache that is hardly used need not begin with 20 pages. */
static void configure(void)
{
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
	sqlite3_config(SQLITE_CONFIG_PAGECACHE, NULL, 0, 0);
}

int sql_open(struct sql *sql, const char *path, int flags, const char *vfs, struct wf_error *err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pthread_once(&once, configure);
	*sql = (struct sql){ 0 };
	if (sqlite3_open_v2(path, &sql->db, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, vfs) != SQLITE_OK) {
		int code = sql->db ? sql_error(sql, err, "opening") : error_set(err, ERR(LIMIT), "no memory to open %s", path);
		sql_close(sql);
		return code;
	}
	/* Its quick memory for small things, all of it touched at once: 32 KiB instead of 120. */
	sqlite3_db_config(sql->db, SQLITE_DBCONFIG_LOOKASIDE, NULL, 512, 64);
	return 0;
}

void sql_close(struct sql *sql)
{
	for (int i = 0; i < SQL_STATEMENTS_COUNT; i++)
		sqlite3_finalize(sql->statements[i]);
	sqlite3_close(sql->db);
	*sql = (struct sql){ 0 };
}

int sql_run(struct sql *sql, const char *text, struct wf_error *err)
{
	return sqlite3_exec(sql->db, text, NULL, NULL, NULL) == SQLITE_OK ? 0 : sql_error(sql, err, "preparing the file");
}

int sql_number(struct sql *sql, const char *text, int64_t *ret_number, struct wf_error *err)
{
	sqlite3_stmt *statement = NULL;
	int result = sqlite3_prepare_v2(sql->db, text, -1, &statement, NULL);
	if (result == SQLITE_OK)
		result = sqlite3_step(statement);
	int code = 0;
	if (result == SQLITE_ROW)
		*ret_number = sqlite3_column_int64(statement, 0);
	else if (result == SQLITE_DONE)
		*ret_number = 0;
	else
		code = sql_error(sql, err, "reading the file");
	sqlite3_finalize(statement);
	return code;
}

/* ---- statements ---------------------------------------------------------------------------- */

sqlite3_stmt *sql_get(struct sql *sql, enum sql_statement which)
{
	sqlite3_stmt **statement = &sql->statements[which];
	if (!*statement)
		sqlite3_prepare_v3(sql->db, texts[which], -1, SQLITE_PREPARE_PERSISTENT, statement, NULL);
	return *statement;
}

void sql_bind_int(sqlite3_stmt *statement, int at, int64_t number)
{
	if (statement)
		sqlite3_bind_int64(statement, at, number);
}

void sql_bind_id(sqlite3_stmt *statement, int at, uint64_t number)
{
	sql_bind_int(statement, at, (int64_t)number);
}

void sql_bind_bytes(sqlite3_stmt *statement, int at, struct str bytes)
{
	if (statement)
		sqlite3_bind_blob64(statement, at, bytes.len ? bytes.ptr : "", bytes.len, SQLITE_STATIC);
}

int sql_step(struct sql *sql, sqlite3_stmt *statement, struct wf_error *err)
{
	if (!statement)
		return sql_error(sql, err, "preparing a statement");
	int result = sqlite3_step(statement);
	if (result == SQLITE_ROW)
		return 1;
	int code = result == SQLITE_DONE ? 0 : sql_error(sql, err, sqlite3_stmt_readonly(statement) ? "reading" : "writing");
	sqlite3_reset(statement);
	return code;
}

int sql_do(struct sql *sql, sqlite3_stmt *statement, struct wf_error *err)
{
	int code = sql_step(sql, statement, err);
	if (code <= 0)
		return code;
	sqlite3_reset(statement);
	return 0;
}

uint64_t sql_id(sqlite3_stmt *statement, int column)
{
	return (uint64_t)sqlite3_column_int64(statement, column);
}

int64_t sql_int(sqlite3_stmt *statement, int column)
{
	return sqlite3_column_int64(statement, column);
}

struct str sql_bytes(sqlite3_stmt *statement, int column)
{
	const void *bytes = sqlite3_column_blob(statement, column);
	return bytes ? (struct str){ bytes, (size_t)sqlite3_column_bytes(statement, column) } : STR_EMPTY;
}

struct str sql_copy(sqlite3_stmt *statement, int column, struct arena *arena)
{
	return arena_str(arena, sql_bytes(statement, column));
}
