/* sqlite.h: what the limit programs that use SQLite share. Any mistake ends the program. */
#pragma once
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static inline double now_s(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static inline void check(sqlite3 *db, int code)
{
	if (code == SQLITE_OK || code == SQLITE_DONE)
		return;
	fprintf(stderr, "sqlite: %s\n", sqlite3_errmsg(db));
	exit(1);
}

static inline void run(sqlite3 *db, const char *sql)
{
	check(db, sqlite3_exec(db, sql, NULL, NULL, NULL));
}

static inline sqlite3_stmt *prepare(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *statement;
	check(db, sqlite3_prepare_v2(db, sql, -1, &statement, NULL));
	return statement;
}

static inline void step(sqlite3 *db, sqlite3_stmt *statement)
{
	check(db, sqlite3_step(statement));
	check(db, sqlite3_reset(statement));
}

static inline void remove_files(const char *path)
{
	static const char *const suffixes[] = { "", "-wal", "-shm" };
	char name[4200];
	for (unsigned i = 0; i < 3; i++) {
		snprintf(name, sizeof name, "%s%s", path, suffixes[i]);
		unlink(name);
	}
}

/* A new file, in WAL mode with synchronous=FULL. */
static inline sqlite3 *open_new(const char *path, const char *schema)
{
	sqlite3 *db;
	remove_files(path);
	check(NULL, sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL));
	run(db, "pragma journal_mode=wal; pragma synchronous=full; pragma cache_size=-65536");
	run(db, schema);
	return db;
}
