/* purge.c: deleting what ended long ago. A reader looks for candidates, which may mean stepping over many that are still open; the writer looks
 * at each again, since it may have been reopened meanwhile, and deletes it with all that is its own in one small transaction. */
#include "state-store/sqlite/sqlite.h"

/* A transaction stops behind the execution that reaches this many rows, so that nobody waits long for the writer. */
#define PURGE_ROWS_MAX 5000

/* Fills open[0..count) with the candidates' ids. */
int sqlite_purge_find(struct sql *sql, struct store_request *r)
{
	sqlite3_stmt *s = sql_get(sql, SQL_ENDED_BEFORE);
	sql_bind_int(s, 1, r->before_ms);
	sql_bind_int(s, 2, r->limit);
	r->open = ARENA_ARRAY(&r->arena, struct store_open_row, r->limit);
	int code;
	while ((code = sql_step(sql, s, &r->err)) == 1)
		r->open[r->count++].execution_id = sql_id(s, 0);
	return code;
}

/* 1: gone, 0: it is not to go, negative: failed. */
static int purge_one(struct sql *sql, uint64_t id, int64_t before_ms, int64_t *rows, struct wf_error *err)
{
	static const enum sql_statement deletes[] = { SQL_PURGE_CHUNKS, SQL_PURGE_RECORDS, SQL_PURGE_SNAPSHOT, SQL_PURGE_DEAD_LETTER,
						      SQL_PURGE_EXECUTION };
	sqlite3_stmt *is_ended = sql_get(sql, SQL_IS_ENDED);
	sql_bind_id(is_ended, 1, id);
	sql_bind_int(is_ended, 2, before_ms);
	int code = sql_step(sql, is_ended, err);
	if (code <= 0)
		return code;
	sqlite3_reset(is_ended);
	for (size_t i = 0; i < sizeof deletes / sizeof *deletes; i++) {
		sqlite3_stmt *s = sql_get(sql, deletes[i]);
		sql_bind_id(s, 1, id);
		if ((code = sql_do(sql, s, err)) < 0)
			return code;
		*rows += sqlite3_changes64(sql->db);
	}
	return 1;
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
	for (uint32_t i = 0; i < candidates && rows < PURGE_ROWS_MAX && code >= 0; i++)
		if ((code = purge_one(&sqlite->writer.sql, r->open[i].execution_id, r->before_ms, &rows, &r->err)) > 0)
			r->number++;
	if (code >= 0)
		code = sqlite_writer_commit(sqlite, &r->err);
	if (code < 0) {
		sqlite_writer_rollback(sqlite);
		r->code = code;
	}
}
