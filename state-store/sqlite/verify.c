/* verify.c: looking at everything that a file holds, in one read transaction on a connection of its own, so that it is all of one moment.
 *
 * First what SQLite itself knows of its pages and indexes, then what rows must have to do with each other, then each execution by itself, handed to
 * whoever can tell what its bytes mean. A row that cannot be read is told, and the next one looked at. */
#include "state-store/sqlite/sqlite.h"
#include <inttypes.h>
#include <stdio.h>

enum {
	PROBLEMS_OF_A_KIND = 100, /* told; more of the same say no more */
	STEPS_BETWEEN_PROGRESS = 4000000, /* of SQLite's machine: a few times a second */
	EXECUTIONS_BETWEEN_PROGRESS = 256,
};

struct verification {
	const struct store_verifier *to;
	struct sql sql;
	const char *stage;
};

static void tell(struct verification *v, const char *where, const char *what)
{
	if (v->to->problem)
		v->to->problem(v->to->data, where, what);
}

static void tell_progress(struct verification *v, uint64_t done, uint64_t total)
{
	if (v->to->progress)
		v->to->progress(v->to->data, v->stage, done, total);
}

static int still_working(void *data)
{
	tell_progress(data, 0, 0);
	return 0;
}

/* ---- pages and indexes --------------------------------------------------------------------------- */

static void verify_pages(struct verification *v)
{
	sqlite3_stmt *check = NULL;
	char text[64];
	v->stage = "pages and indexes";
	tell_progress(v, 0, 0);
	snprintf(text, sizeof text, "PRAGMA integrity_check(%d)", PROBLEMS_OF_A_KIND);
	sqlite3_progress_handler(v->sql.db, STEPS_BETWEEN_PROGRESS, still_working, v);
	int result = sqlite3_prepare_v2(v->sql.db, text, -1, &check, NULL);
	while (result == SQLITE_OK && sqlite3_step(check) == SQLITE_ROW) {
		const char *line = (const char *)sqlite3_column_text(check, 0);
		if (!line || strcmp(line, "ok") != 0)
			tell(v, "", line ? line : "the file cannot be read");
	}
	if (result != SQLITE_OK || sqlite3_finalize(check) != SQLITE_OK)
		tell(v, "", sqlite3_errmsg(v->sql.db));
	sqlite3_progress_handler(v->sql.db, 0, NULL, NULL);
}

/* ---- rows among each other ------------------------------------------------------------------------- */

/* Each finds what must not be. The first column is an execution, the second what the text's %lld is. */
static const struct {
	const char *what, *text;
} rules[] = {
	{ "its journal record %lld belongs to no execution", "SELECT execution, min(number) FROM record WHERE NOT EXISTS"
	  "(SELECT 1 FROM execution WHERE id = record.execution) AND NOT EXISTS"
	  "(SELECT 1 FROM item WHERE kind = 256 AND key = CAST(record.execution AS BLOB)) GROUP BY execution" },
	{ "payload chunks of record %lld belong to no record", "SELECT DISTINCT execution, number FROM chunk WHERE NOT EXISTS"
	  "(SELECT 1 FROM record WHERE record.execution = chunk.execution AND record.number = chunk.number)" },
	{ "its records have a gap: the last one is number %lld", "SELECT execution, max(number) FROM record GROUP BY execution "
	  "HAVING min(number) <> 0 OR max(number) + 1 <> count(*)" },
	{ "its snapshot belongs to no execution", "SELECT execution, 0 FROM snapshot WHERE NOT EXISTS"
	  "(SELECT 1 FROM execution WHERE id = snapshot.execution)" },
	{ "its snapshot holds %lld records, more than there are", "SELECT execution, next_record FROM snapshot WHERE next_record > "
	  "(SELECT coalesce(max(number) + 1, 0) FROM record WHERE record.execution = snapshot.execution)" },
	{ "its open row belongs to no execution", "SELECT execution, 0 FROM open WHERE NOT EXISTS"
	  "(SELECT 1 FROM execution WHERE id = open.execution)" },
	{ "its dead letter belongs to no execution", "SELECT execution, 0 FROM dead_letter WHERE NOT EXISTS"
	  "(SELECT 1 FROM execution WHERE id = dead_letter.execution)" },
	{ "its dead letter says status %lld, or another time than the list", "SELECT d.execution, d.status FROM dead_letter d JOIN execution e ON e.id = d.execution "
	  "WHERE d.status <> e.status OR d.failed <> e.stop OR d.machine <> e.machine" },
	{ "its id is larger than the largest one given, %lld", "SELECT execution.id, last_execution FROM execution, lease "
	  "WHERE lease.id = 0 AND execution.id > last_execution" },
};

static void verify_rule(struct verification *v, size_t rule)
{
	sqlite3_stmt *s = NULL;
	int result = sqlite3_prepare_v2(v->sql.db, rules[rule].text, -1, &s, NULL);
	for (int told = 0; result == SQLITE_OK && told < PROBLEMS_OF_A_KIND && (result = sqlite3_step(s)) == SQLITE_ROW; told++) {
		char where[64], what[160];
		snprintf(where, sizeof where, "execution %" PRIx64, (uint64_t)sqlite3_column_int64(s, 0));
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		snprintf(what, sizeof what, rules[rule].what, (long long)sqlite3_column_int64(s, 1));
#pragma GCC diagnostic pop
		tell(v, where, what);
		result = SQLITE_OK;
	}
	if (result != SQLITE_OK && result != SQLITE_DONE)
		tell(v, "", sqlite3_errmsg(v->sql.db));
	sqlite3_finalize(s);
}

/* ---- items and executions ------------------------------------------------------------------------------ */

static void verify_items(struct verification *v)
{
	struct wf_error err = { 0 };
	sqlite3_stmt *s = sql_get(&v->sql, SQL_EACH_ITEM);
	int code;
	while ((code = sql_step(&v->sql, s, &err)) == 1) {
		struct store_item item = { (uint8_t)sql_int(s, 0), sql_bytes(s, 1), sql_bytes(s, 2) };
		if (v->to->item)
			v->to->item(v->to->data, &item);
	}
	if (code < 0)
		tell(v, "the table of items", err.message);
}

static int read_open_row(struct verification *v, struct store_whole *whole, struct wf_error *err)
{
	sqlite3_stmt *s = sql_get(&v->sql, SQL_OPEN_OF);
	sql_bind_id(s, 1, whole->row.id);
	int code = sql_step(&v->sql, s, err);
	if (code == 1) {
		whole->has_open = true;
		whole->wake_ms = sql_int(s, 0);
		sqlite3_reset(s);
	}
	return code;
}

static void verify_execution(struct verification *v, struct store_request *r, struct store_whole *whole)
{
	r->execution_id = whole->row.id;
	int code = sqlite_read_journal(&v->sql, r, 0);
	if (code >= 0)
		code = read_open_row(v, whole, &r->err);
	if (code < 0) {
		char where[64];
		snprintf(where, sizeof where, "execution %" PRIx64, whole->row.id);
		tell(v, where, r->err.message);
		return;
	}
	r->kind = REQUEST_FIND_DEAD_LETTER;
	uint32_t records = r->count;
	r->count = 0;
	if (sqlite_read_dead_letters(&v->sql, r) == 0 && r->count)
		whole->dead_letter = r->dead_letters;
	r->count = records;
	whole->snapshot = r->snapshot;
	whole->records = r->records;
	whole->records_count = r->count;
	if (v->to->execution)
		v->to->execution(v->to->data, whole);
}

static void verify_executions(struct verification *v)
{
	struct store_request r = { 0 };
	sqlite3_stmt *s = sql_get(&v->sql, SQL_COUNT_EXECUTIONS);
	uint64_t total = 0, done = 0;
	if (sql_step(&v->sql, s, &r.err) == 1) {
		total = sql_id(s, 0);
		sqlite3_reset(s);
	}
	v->stage = "executions";
	s = sql_get(&v->sql, SQL_EACH_EXECUTION);
	int code;
	while ((code = sql_step(&v->sql, s, &r.err)) == 1) {
		if (done++ % EXECUTIONS_BETWEEN_PROGRESS == 0)
			tell_progress(v, done - 1, total);
		/* Borrowed from the statement, which no other uses, until its next step. */
		struct store_whole whole = { .row = { .id = sql_id(s, 0), .machine_id = sql_id(s, 1), .name = sql_bytes(s, 2), .start_ms = sql_int(s, 3),
						      .stop_ms = sql_int(s, 4), .status = (uint8_t)sql_int(s, 5), .attributes = sql_bytes(s, 6) } };
		verify_execution(v, &r, &whole);
		arena_reset(&r.arena);
		r = (struct store_request){ .arena = r.arena };
	}
	if (code < 0)
		tell(v, "the table of executions", r.err.message);
	tell_progress(v, done, total);
	arena_done(&r.arena);
}

int sqlite_verify(struct store *store, const struct store_verifier *verifier, struct wf_error *err)
{
	struct sqlite_store *sqlite = (struct sqlite_store *)store;
	struct verification v = { .to = verifier };
	int64_t ignored;
	int code = sqlite_connect(sqlite, true, &v.sql, err);
	if (code < 0)
		return code;
	/* The first read begins the transaction. */
	if ((code = sql_run(&v.sql, "BEGIN", err)) == 0 && (code = sql_number(&v.sql, "SELECT count(*) FROM lease", &ignored, err)) == 0) {
		verify_pages(&v);
		v.stage = "rows";
		for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
			tell_progress(&v, i, sizeof rules / sizeof *rules);
			verify_rule(&v, i);
		}
		verify_items(&v);
		verify_executions(&v);
	}
	sql_close(&v.sql);
	return code;
}
