/* schema.c: the tables.
 *
 * Measured while choosing (executions of one 1,200-byte record, 1,000 to a transaction, 4 KiB pages): the journal as a table in order of arrival with
 * an index over (execution, number) takes 1,485 bytes an execution and 85,000 executions/s; the same as one tree WITHOUT ROWID takes 4,783
 * bytes and 57,000/s, since an index page holds at most a quarter page of a row and the rest of each goes to a page of its own. Pages of 8 KiB are a little
 * quicker in large transactions but double what a small one writes to the log (52 instead of 28 KB for one execution), so 4 KiB it is.
 *
 * - Every index ends with the rowid by itself, which is the execution's id or the message's sequence: naming it would store it twice.
 * - An execution's name is NULL when the engine generated it, and the index of names leaves those out.
 * - Numbers of 0 and 1 take no bytes in a row: status 0, stop 0, blobs 0, number 0 are the common ones.
 * - lease.last_execution outlives purging, so that an id is never given twice. inbox is AUTOINCREMENT for the same reason. */
#include "state-store/sqlite/schema.h"
#include <stdio.h>

const struct schema_step schema_steps[] = {
	{ "CREATE TABLE lease(id INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, sequence INTEGER NOT NULL, last_execution INTEGER NOT NULL) STRICT;"
	  "INSERT INTO lease VALUES(0, 0, 0, 0);"

	  "CREATE TABLE execution(id INTEGER PRIMARY KEY, machine INTEGER NOT NULL, name BLOB, start INTEGER NOT NULL, stop INTEGER NOT NULL,"
	  " status INTEGER NOT NULL, attributes BLOB NOT NULL) STRICT;"
	  "CREATE INDEX execution_by_status ON execution(machine, status, start);"
	  "CREATE INDEX execution_by_start ON execution(start);"
	  "CREATE UNIQUE INDEX execution_by_name ON execution(machine, name) WHERE name IS NOT NULL;"

	  "CREATE TABLE record(id INTEGER PRIMARY KEY, execution INTEGER NOT NULL, number INTEGER NOT NULL, first_event INTEGER NOT NULL,"
	  " blobs INTEGER NOT NULL, bytes BLOB NOT NULL) STRICT;"
	  "CREATE UNIQUE INDEX record_by_number ON record(execution, number);"
	  "CREATE TABLE chunk(id INTEGER PRIMARY KEY, execution INTEGER NOT NULL, number INTEGER NOT NULL, blob INTEGER NOT NULL,"
	  " part INTEGER NOT NULL, bytes BLOB NOT NULL) STRICT;"
	  "CREATE UNIQUE INDEX chunk_by_part ON chunk(execution, number, blob, part);"
	  "CREATE TABLE snapshot(execution INTEGER PRIMARY KEY, next_record INTEGER NOT NULL, bytes BLOB NOT NULL) STRICT;"

	  "CREATE TABLE open(execution INTEGER PRIMARY KEY, wake INTEGER NOT NULL) STRICT;"
	  "CREATE INDEX open_by_wake ON open(wake);"

	  "CREATE TABLE inbox(sequence INTEGER PRIMARY KEY AUTOINCREMENT, target INTEGER NOT NULL, sender INTEGER NOT NULL,"
	  " event INTEGER NOT NULL, bytes BLOB NOT NULL) STRICT;"
	  "CREATE UNIQUE INDEX inbox_by_key ON inbox(sender, event);"
	  "CREATE INDEX inbox_by_target ON inbox(target);"

	  "CREATE TABLE item(kind INTEGER NOT NULL, key BLOB NOT NULL, bytes BLOB NOT NULL, PRIMARY KEY(kind, key)) STRICT, WITHOUT ROWID;" },

	/* Dead letters and bulk jobs. What failed before (status 2 and 3 are the engine's FAILED and TIMED_OUT) is unread: where and with what it failed is in its
	 * history, which the engine reads in the background. */
	{ "CREATE TABLE dead_letter(execution INTEGER PRIMARY KEY, machine INTEGER NOT NULL, status INTEGER NOT NULL, failed INTEGER NOT NULL,"
	  " state BLOB NOT NULL, error BLOB NOT NULL, revision INTEGER NOT NULL, version INTEGER NOT NULL, redrives INTEGER NOT NULL,"
	  " job INTEGER NOT NULL, unread INTEGER NOT NULL) STRICT;"
	  "INSERT INTO dead_letter SELECT id, machine, status, stop, x'', x'', 0, 0, 0, 0, 1 FROM execution WHERE status IN (2, 3) AND stop <> 0;"
	  "CREATE INDEX dead_letter_by_group ON dead_letter(machine, error, state, revision, version, status, failed);"
	  "CREATE INDEX dead_letter_by_machine ON dead_letter(machine, failed);"
	  "CREATE INDEX dead_letter_by_time ON dead_letter(failed);"
	  "CREATE INDEX dead_letter_unread ON dead_letter(execution) WHERE unread <> 0;"

	  "CREATE TABLE outcome(job INTEGER NOT NULL, execution INTEGER NOT NULL, outcome INTEGER NOT NULL, at INTEGER NOT NULL,"
	  " detail BLOB NOT NULL, PRIMARY KEY(job, execution)) STRICT, WITHOUT ROWID;"
	  "CREATE INDEX outcome_by_outcome ON outcome(job, outcome);" },
};
const int schema_version = sizeof schema_steps / sizeof *schema_steps;

int schema_check(struct sql *sql, int count, int64_t *ret_version, struct wf_error *err)
{
	int64_t application, version, objects;
	int code;
	if ((code = sql_number(sql, "PRAGMA application_id", &application, err)) < 0 ||
	    (code = sql_number(sql, "PRAGMA user_version", &version, err)) < 0 ||
	    (code = sql_number(sql, "SELECT count(*) FROM sqlite_schema", &objects, err)) < 0) {
		if (sqlite3_errcode(sql->db) == SQLITE_NOTADB)
			return error_set(err, ERR(INVALID), "this is not a Ratchet store, nor any SQLite file (or it is encrypted): it is left untouched");
		return code;
	}
	/* A file just made is empty; one whose making was cut short has no tables yet. */
	if (application == 0 && version == 0 && objects == 0) {
		*ret_version = 0;
		return 0;
	}
	if (application != SCHEMA_APPLICATION_ID)
		return error_set(err, ERR(INVALID), "this SQLite file belongs to another program (application id %lld): it is left untouched",
				 (long long)application);
	if (version < 1 || version > count)
		return error_set(err, ERR(VERSION), "the store's schema is version %lld, but this program knows versions 1 to %d: use a newer ratchet",
				 (long long)version, count);
	*ret_version = version;
	return 0;
}

static int run_steps(struct sql *sql, const struct schema_step *steps, int64_t from, int count, struct wf_error *err)
{
	int code = 0;
	for (int64_t i = from; i < count && !code; i++)
		if ((code = sql_run(sql, steps[i].text, err)) < 0)
			error_prefix(err, "the step to schema version %lld did not work", (long long)i + 1);
	if (code)
		return code;
	char text[128];
	snprintf(text, sizeof text, "PRAGMA application_id = %d; PRAGMA user_version = %d", SCHEMA_APPLICATION_ID, count);
	return sql_run(sql, text, err);
}

int schema_migrate(struct sql *sql, const struct schema_step *steps, int count, struct wf_error *err)
{
	int64_t version;
	int code = schema_check(sql, count, &version, err);
	if (code < 0 || version == count)
		return code;
	if ((code = sql_run(sql, "BEGIN EXCLUSIVE", err)) < 0)
		return code;
	code = run_steps(sql, steps, version, count, err);
	if (code == 0)
		code = sql_run(sql, "COMMIT", err);
	if (code < 0 && !sqlite3_get_autocommit(sql->db))
		sqlite3_exec(sql->db, "ROLLBACK", NULL, NULL, NULL);
	return code;
}
