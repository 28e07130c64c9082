/* sql.h: one connection to the file and its prepared statements; the thin layer between the rows and SQLite's C interface.
 *
 * Every statement's text is a row of SQL_STATEMENTS; it is prepared when it is first used and kept. A connection belongs to one
 * thread at a time. Functions fill *err with what SQLite says, turned into our codes. */
#pragma once
#include "state-store/backend.h"
#include <sqlite3.h>

#define DEAD_LETTER_COLUMNS \
	"SELECT d.execution, d.machine, d.status, d.failed, d.state, d.error, d.revision, d.version, d.redrives, d.job, d.unread, e.name, e.start "
#define SQL_STATEMENTS(X)                                                                                                       \
	X(BEGIN_READ, "BEGIN")                                                                                                  \
	X(BEGIN_WRITE, "BEGIN IMMEDIATE")                                                                                       \
	X(COMMIT, "COMMIT")                                                                                                     \
	X(ROLLBACK, "ROLLBACK")                                                                                                 \
	X(READ_LEASE, "SELECT epoch, sequence, last_execution FROM lease WHERE id = 0")                                         \
	X(TAKE_LEASE, "UPDATE lease SET epoch = epoch + 1 WHERE id = 0 RETURNING epoch, sequence, last_execution")              \
	X(ADVANCE_LEASE, "UPDATE lease SET sequence = ?1, last_execution = max(last_execution, ?2) WHERE id = 0")               \
	/* writing */                                                                                                           \
	X(INSERT_EXECUTION, "INSERT INTO execution(id, machine, name, start, stop, status, attributes) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)") \
	X(END_EXECUTION, "UPDATE execution SET status = ?2, stop = ?3 WHERE id = ?1")                                           \
	X(HAS_RECORD, "SELECT 1 FROM record WHERE execution = ?1 AND number = ?2")                                              \
	X(INSERT_RECORD, "INSERT INTO record(execution, number, first_event, blobs, bytes) VALUES(?1, ?2, ?3, ?4, ?5)")         \
	X(INSERT_CHUNK, "INSERT INTO chunk(execution, number, blob, part, bytes) VALUES(?1, ?2, ?3, ?4, ?5)")                   \
	X(PUT_SNAPSHOT, "INSERT INTO snapshot(execution, next_record, bytes) VALUES(?1, ?2, ?3) "                               \
			"ON CONFLICT(execution) DO UPDATE SET next_record = excluded.next_record, bytes = excluded.bytes")      \
	X(SET_OPEN, "INSERT INTO open(execution, wake) VALUES(?1, ?2) ON CONFLICT(execution) DO UPDATE SET wake = excluded.wake") \
	X(DELETE_OPEN, "DELETE FROM open WHERE execution = ?1")                                                                 \
	/* Not ON CONFLICT DO NOTHING: that uses up a sequence. */                                                             \
	X(INSERT_MESSAGE, "INSERT INTO inbox(target, sender, event, bytes) SELECT ?1, ?2, ?3, ?4 "                              \
			  "WHERE NOT EXISTS(SELECT 1 FROM inbox WHERE sender = ?2 AND event = ?3)")                             \
	X(DELETE_MESSAGE, "DELETE FROM inbox WHERE sequence = ?2 AND target = ?1")                                              \
	X(DELETE_MESSAGE_BY_KEY, "DELETE FROM inbox WHERE sender = ?2 AND event = ?3 AND target = ?1")                          \
	X(PUT_ITEM, "INSERT INTO item(kind, key, bytes) VALUES(?1, ?2, ?3) ON CONFLICT(kind, key) DO UPDATE SET bytes = excluded.bytes") \
	X(DELETE_ITEM, "DELETE FROM item WHERE kind = ?1 AND key = ?2")                                                         \
	X(SET_ATTRIBUTES, "UPDATE execution SET status = ?2, stop = ?3, attributes = ?4 WHERE id = ?1")                         \
	X(PUT_DEAD_LETTER, "INSERT OR REPLACE INTO dead_letter(execution, machine, status, failed, state, error, revision, version, redrives, job, unread) " \
			   "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)")                                              \
	X(FILL_DEAD_LETTER, "UPDATE dead_letter SET machine = ?2, status = ?3, failed = ?4, state = ?5, error = ?6, revision = ?7, version = ?8, " \
			    "redrives = ?9, job = ?10, unread = ?11 WHERE execution = ?1 AND unread <> 0 AND failed = ?4")      \
	X(DELETE_DEAD_LETTER, "DELETE FROM dead_letter WHERE execution = ?1 AND (?2 = 0 OR failed = ?2)")                       \
	X(PUT_OUTCOME, "INSERT OR REPLACE INTO outcome(job, execution, outcome, at, detail) VALUES(?1, ?2, ?3, ?4, ?5)")        \
	X(DELETE_OUTCOMES, "DELETE FROM outcome WHERE job = ?1")                                                                \
	/* reading */                                                                                                           \
	X(EACH_ITEM, "SELECT kind, key, bytes FROM item WHERE kind < 256 ORDER BY kind, key")                                   \
	X(FIND, "SELECT id, machine, name, start, stop, status, attributes FROM execution WHERE id = ?1")                       \
	X(FIND_NAMED, "SELECT id, machine, name, start, stop, status, attributes FROM execution "                               \
		      "WHERE machine = ?1 AND name = ?2 AND name IS NOT NULL")                                                  \
	X(LIST_ALL, "SELECT id, machine, name, start, stop, status, attributes FROM execution INDEXED BY execution_by_start "   \
		    "WHERE (start, id) < (?1, ?2) ORDER BY start DESC, id DESC LIMIT ?3")                                       \
	/* Two looks rather than (machine, status) > (?1, ?2), which would step over all rows of the group. */                 \
	X(NEXT_STATUS, "SELECT machine, status FROM execution INDEXED BY execution_by_status "                                  \
		       "WHERE machine = ?1 AND status > ?2 ORDER BY status LIMIT 1")                                            \
	X(NEXT_MACHINE, "SELECT machine, status FROM execution INDEXED BY execution_by_status "                                 \
			"WHERE machine > ?1 ORDER BY machine, status LIMIT 1")                                                  \
	X(LIST_GROUP, "SELECT id, machine, name, start, stop, status, attributes FROM execution INDEXED BY execution_by_status " \
		      "WHERE machine = ?1 AND status = ?2 AND (start, id) < (?3, ?4) AND start >= ?5 "                          \
		      "ORDER BY start DESC, id DESC LIMIT ?6")                                                                  \
	X(SNAPSHOT, "SELECT next_record, bytes FROM snapshot WHERE execution = ?1")                                             \
	X(RECORDS_UP, "SELECT number, first_event, blobs, bytes FROM record WHERE execution = ?1 AND number >= ?2 ORDER BY number") \
	X(RECORDS_DOWN, "SELECT number, first_event, blobs, bytes FROM record WHERE execution = ?1 AND number <= ?2 ORDER BY number DESC") \
	X(COUNT_RECORDS, "SELECT coalesce(max(number) + 1, 0) FROM record WHERE execution = ?1")                                \
	X(BLOB_SIZES, "SELECT blob, sum(length(bytes)), count(*), max(part) FROM chunk WHERE execution = ?1 AND number = ?2 "   \
		      "GROUP BY blob ORDER BY blob")                                                                            \
	X(CHUNKS, "SELECT blob, bytes FROM chunk WHERE execution = ?1 AND number = ?2 ORDER BY blob, part")                     \
	/* The same here: many rows have the same wake time, ACTIVE or NEVER. */                                                \
	X(LIST_OPEN_AT, "SELECT execution, wake FROM open WHERE wake = ?1 AND execution > ?2 ORDER BY execution LIMIT ?3")      \
	X(LIST_OPEN, "SELECT execution, wake FROM open WHERE wake > ?1 AND wake <= ?2 ORDER BY wake, execution LIMIT ?3")       \
	X(COUNT_OPEN, "SELECT count(*) FROM open")                                                                              \
	X(MESSAGES_OF, "SELECT sequence, target, sender, event, bytes FROM inbox WHERE target = ?1 AND sequence > ?2 ORDER BY sequence LIMIT ?3") \
	X(MESSAGES, "SELECT sequence, target, sender, event, bytes FROM inbox WHERE sequence > ?1 ORDER BY sequence LIMIT ?2")  \
	/* Dead letters: (failed, execution) is the order, the index's rowid being the execution. */                           \
	X(DEAD_LETTERS_ALL, DEAD_LETTER_COLUMNS "FROM dead_letter d INDEXED BY dead_letter_by_time LEFT JOIN execution e ON e.id = d.execution " \
			    "WHERE (d.failed, d.execution) < (?1, ?2) AND d.failed >= ?3 AND (?4 < 0 OR d.status = ?4) "        \
			    "ORDER BY d.failed DESC, d.execution DESC LIMIT ?5")                                                \
	X(DEAD_LETTERS_OF, DEAD_LETTER_COLUMNS "FROM dead_letter d INDEXED BY dead_letter_by_machine LEFT JOIN execution e ON e.id = d.execution " \
			   "WHERE d.machine = ?6 AND (d.failed, d.execution) < (?1, ?2) AND d.failed >= ?3 AND (?4 < 0 OR d.status = ?4) " \
			   "ORDER BY d.failed DESC, d.execution DESC LIMIT ?5")                                                 \
	X(DEAD_LETTERS_UNREAD, DEAD_LETTER_COLUMNS "FROM dead_letter d INDEXED BY dead_letter_unread LEFT JOIN execution e ON e.id = d.execution " \
			       "WHERE d.unread <> 0 AND d.execution < ?1 ORDER BY d.execution DESC LIMIT ?2")                    \
	X(DEAD_LETTER, DEAD_LETTER_COLUMNS "FROM dead_letter d LEFT JOIN execution e ON e.id = d.execution WHERE d.execution = ?1") \
	X(DEAD_GROUPS, "SELECT machine, status, error, state, revision, version, unread, count(*) AS number, min(failed), max(failed), max(execution) " \
		       "FROM dead_letter WHERE ?1 = 0 OR machine = ?1 "                                                         \
		       "GROUP BY machine, error, state, revision, version, status, unread ORDER BY number DESC, machine, error, state, revision LIMIT ?2") \
	X(DEAD_DEPTHS, "SELECT machine, count(*), min(failed), max(failed) FROM dead_letter GROUP BY machine LIMIT ?1")         \
	X(DEAD_HOURS, "SELECT (failed - ?7) / 3600000, count(*) FROM dead_letter INDEXED BY dead_letter_by_group WHERE machine = ?1 AND error = ?2 " \
		      "AND state = ?3 AND revision = ?4 AND version = ?5 AND status = ?6 AND failed >= ?7 AND failed < ?8 GROUP BY 1") \
	X(OUTCOMES, "SELECT o.execution, o.outcome, o.at, o.detail, e.machine, e.name FROM outcome o LEFT JOIN execution e ON e.id = o.execution " \
		    "WHERE o.job = ?1 AND o.execution > ?2 ORDER BY o.execution LIMIT ?3")                                      \
	X(OUTCOMES_OF, "SELECT o.execution, o.outcome, o.at, o.detail, e.machine, e.name FROM outcome o INDEXED BY outcome_by_outcome " \
		       "LEFT JOIN execution e ON e.id = o.execution WHERE o.job = ?1 AND o.outcome = ?4 AND o.execution > ?2 ORDER BY o.execution LIMIT ?3") \
	X(COUNT_OUTCOMES, "SELECT outcome, count(*) FROM outcome WHERE job = ?1 GROUP BY outcome")                              \
	/* verifying */                                                                                                        \
	X(EACH_EXECUTION, "SELECT id, machine, name, start, stop, status, attributes FROM execution ORDER BY id")               \
	X(COUNT_EXECUTIONS, "SELECT count(*) FROM execution")                                                                   \
	X(OPEN_OF, "SELECT wake FROM open WHERE execution = ?1")                                                                \
	/* purging: the candidates are looked for on a reader, and looked at again by the writer */                             \
	X(ENDED_BEFORE, "SELECT id FROM execution INDEXED BY execution_by_start WHERE start < ?1 AND stop <> 0 AND stop < ?1 "  \
			"AND NOT EXISTS(SELECT 1 FROM open WHERE open.execution = execution.id) ORDER BY start LIMIT ?2")       \
	X(IS_ENDED, "SELECT 1 FROM execution WHERE id = ?1 AND stop <> 0 AND stop < ?2 "                                        \
		    "AND NOT EXISTS(SELECT 1 FROM open WHERE open.execution = ?1)")                                             \
	X(PURGE_CHUNKS, "DELETE FROM chunk WHERE id IN (SELECT id FROM chunk WHERE execution = ?1 LIMIT ?2)")                   \
	X(PURGE_RECORDS, "DELETE FROM record WHERE id IN "                                                                      \
			 "(SELECT id FROM record WHERE execution = ?1 ORDER BY number DESC LIMIT ?2)")                          \
	X(FIND_REMAINS, "SELECT CAST(CAST(key AS TEXT) AS INTEGER) FROM item WHERE kind = 256 LIMIT 1")                         \
	X(PUT_REMAINS, "INSERT OR IGNORE INTO item(kind, key, bytes) VALUES(256, CAST(?1 AS BLOB), x'')")                       \
	X(DELETE_REMAINS, "DELETE FROM item WHERE kind = 256 AND key = CAST(?1 AS BLOB)")                                       \
	X(PURGE_SNAPSHOT, "DELETE FROM snapshot WHERE execution = ?1")                                                          \
	X(PURGE_DEAD_LETTER, "DELETE FROM dead_letter WHERE execution = ?1")                                                    \
	X(PURGE_EXECUTION, "DELETE FROM execution WHERE id = ?1")

enum sql_statement {
#define X(name, text) SQL_##name,
	SQL_STATEMENTS(X)
#undef X
	SQL_STATEMENTS_COUNT,
};

struct sql {
	sqlite3 *db;
	sqlite3_stmt *statements[SQL_STATEMENTS_COUNT];
};

/* Opens a connection with sqlite3_open_v2's flags; nothing is set on it yet. On failure there is nothing to close. */
int sql_open(struct sql *sql, const char *path, int flags, const char *vfs, struct wf_error *err);
/* Finalizes and closes; fine on a zeroed one. */
void sql_close(struct sql *sql);

/* Fills *err from the connection's last error; returns its code. `what` is what was being done: "reading records". */
int sql_error(struct sql *sql, struct wf_error *err, const char *what);
/* Whether the last error was a sync that failed: nobody knows then what is on the disk. */
bool sql_sync_failed(struct sql *sql);

/* Runs texts that give no rows. */
int sql_run(struct sql *sql, const char *text, struct wf_error *err);
/* The first column of the first row of a text; 0 if there is none. */
int sql_number(struct sql *sql, const char *text, int64_t *ret_number, struct wf_error *err);

/* A kept statement, ready to bind (parameters from 1). NULL if it cannot be prepared: the functions below take that, and sql_step says why. */
sqlite3_stmt *sql_get(struct sql *sql, enum sql_statement which);
void sql_bind_id(sqlite3_stmt *statement, int at, uint64_t number);
void sql_bind_int(sqlite3_stmt *statement, int at, int64_t number);
/* Not copied: the bytes must stay until the statement is reset. Empty bytes are an empty blob, never NULL. */
void sql_bind_bytes(sqlite3_stmt *statement, int at, struct str bytes);

/* 1: a row; 0: no more, and the statement is reset; negative: failed, reset. */
int sql_step(struct sql *sql, sqlite3_stmt *statement, struct wf_error *err);
/* Steps a statement whose rows, if any, do not matter. */
int sql_do(struct sql *sql, sqlite3_stmt *statement, struct wf_error *err);
/* Of the current row. Bytes are borrowed until the next step / copied into the arena. */
uint64_t sql_id(sqlite3_stmt *statement, int column);
int64_t sql_int(sqlite3_stmt *statement, int column);
struct str sql_bytes(sqlite3_stmt *statement, int column);
struct str sql_copy(sqlite3_stmt *statement, int column, struct arena *arena);
