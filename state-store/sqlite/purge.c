/* purge.c: deleting what ended long ago. A reader looks for candidates, which may mean stepping over many that are still open; the writer looks
 * at each again, since it may have been reopened meanwhile, and deletes it with all that is its own in one small transaction.
 *
 * One that has more rows than that goes in several: its row goes first, and it with that for everybody, and an item of kind 256, which
 * nobody else sees, names it until its records and chunks have gone too. Records go last first, so that what is left has no gap. */
#include "state-store/sqlite/sqlite.h"

/* A transaction deletes about this many rows, so that nobody waits long for the writer. A chunk has many pages: it counts as several. */
#define PURGE_ROWS_MAX 5000
#define PURGE_CHUNK_ROWS 16

#define REMAINS INT64_MIN /* as a candidate's wake time: the execution has gone, its rows have not */

/* Fills open[0..count) with the candidates. */
int sqlite_purge_find(struct sql *sql, struct store_request *r)
{
	sqlite3_stmt *remains = sql_get(sql, SQL_FIND_REMAINS);
	int found = sql_step(sql, remains, &r->err);
	if (found < 0)
		return found;
	if (found) {
		r->open = ARENA_NEW(&r->arena, struct store_open_row);
		*r->open = (struct store_open_row){ sql_id(remains, 0), REMAINS };
		r->count = 1;
		sqlite3_reset(remains);
		return 0;
	}
	sqlite3_stmt *s = sql_get(sql, SQL_ENDED_BEFORE);
	sql_bind_int(s, 1, r->before_ms);
	sql_bind_int(s, 2, r->limit);
	r->open = ARENA_ARRAY(&r->arena, struct store_open_row, r->limit);
	int code;
	while ((code = sql_step(sql, s, &r->err)) == 1)
		r->open[r->count++].execution_id = sql_id(s, 0);
	return code;
}

static int run_of(struct sql *sql, enum sql_statement statement, uint64_t id, struct wf_error *err)
{
	sqlite3_stmt *s = sql_get(sql, statement);
	sql_bind_id(s, 1, id);
	return sql_do(sql, s, err);
}

/* Deletes records or chunks, as many as this transaction may; *rows counts, each as `weight` rows. */
static int purge_some(struct sql *sql, enum sql_statement statement, uint64_t id, int64_t weight, int64_t *rows, struct wf_error *err)
{
	int64_t left = (PURGE_ROWS_MAX - *rows) / weight;
	if (left <= 0) {
		*rows = PURGE_ROWS_MAX;
		return 0;
	}
	sqlite3_stmt *s = sql_get(sql, statement);
	sql_bind_id(s, 1, id);
	sql_bind_int(s, 2, left);
	int code = sql_do(sql, s, err);
	int64_t deleted = code < 0 ? 0 : sqlite3_changes64(sql->db);
	/* Perhaps that was not all: then there is no room for anything else. */
	*rows = deleted < left ? *rows + deleted * weight : PURGE_ROWS_MAX;
	return code;
}

static int purge_rows(struct sql *sql, uint64_t id, int64_t *rows, struct wf_error *err)
{
	int code = purge_some(sql, SQL_PURGE_CHUNKS, id, PURGE_CHUNK_ROWS, rows, err);
	return code < 0 ? code : purge_some(sql, SQL_PURGE_RECORDS, id, 1, rows, err);
}

static int purge_remains(struct sql *sql, uint64_t id, int64_t *rows, struct wf_error *err)
{
	int code = purge_rows(sql, id, rows, err);
	return code < 0 || *rows == PURGE_ROWS_MAX ? code : run_of(sql, SQL_DELETE_REMAINS, id, err);
}

/* 1: gone, 0: it is not to go, negative: failed. */
static int purge_one(struct sql *sql, uint64_t id, int64_t before_ms, int64_t *rows, struct wf_error *err)
{
	static const enum sql_statement deletes[] = { SQL_PURGE_SNAPSHOT, SQL_PURGE_DEAD_LETTER, SQL_PURGE_EXECUTION };
	sqlite3_stmt *is_ended = sql_get(sql, SQL_IS_ENDED);
	sql_bind_id(is_ended, 1, id);
	sql_bind_int(is_ended, 2, before_ms);
	int code = sql_step(sql, is_ended, err);
	if (code <= 0)
		return code;
	sqlite3_reset(is_ended);
	code = purge_rows(sql, id, rows, err);
	if (code == 0 && *rows == PURGE_ROWS_MAX)
		code = run_of(sql, SQL_PUT_REMAINS, id, err);
	for (size_t i = 0; i < sizeof deletes / sizeof *deletes && code == 0; i++)
		code = run_of(sql, deletes[i], id, err);
	return code < 0 ? code : 1;
}

void sqlite_purge(struct sqlite_store *sqlite, struct store_request *r)
{
	uint32_t candidates = r->count;
	int64_t rows = 0;
	int code = sqlite_writer_begin(sqlite, &r->err);
	if (code < 0) {
		r->code = code;
		return;
	}
	for (uint32_t i = 0; i < candidates && rows < PURGE_ROWS_MAX && code >= 0; i++) {
		const struct store_open_row *candidate = &r->open[i];
		if (candidate->wake_ms == REMAINS)
			code = purge_remains(&sqlite->writer.sql, candidate->execution_id, &rows, &r->err);
		else
			code = purge_one(&sqlite->writer.sql, candidate->execution_id, r->before_ms, &rows, &r->err);
		r->number += code > 0 || candidate->wake_ms == REMAINS;
	}
	if (code >= 0)
		code = sqlite_writer_commit(sqlite, &r->err);
	if (code < 0) {
		sqlite_writer_rollback(sqlite);
		r->code = code;
	}
}
