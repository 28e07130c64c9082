/* file.h: the search file: its connection, statements, rows. Internal to search/. One thread a connection. */
#pragma once
#include "search/search.h"
#include <sqlite3.h>

#define SEARCH_SCHEMA_VERSION 3

#define FILE_STATEMENTS(X)                                                                                             \
	X(BEGIN, "BEGIN")                                                                                              \
	X(COMMIT, "COMMIT")                                                                                            \
	X(ROLLBACK, "ROLLBACK")                                                                                        \
	X(INSERT, "INSERT INTO execution(id, machine, status, start, stop, name, error, state, redrives, version, "    \
		  "records, parent, visits) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)")                        \
	X(UPDATE, "UPDATE execution SET status = ?2, stop = ?3, error = ?4, state = ?5, redrives = ?6, records = ?7, " \
		  "visits = ?8 WHERE id = ?1")                                                                         \
	X(DELETE, "DELETE FROM execution WHERE id = ?1")                                                               \
	X(FIND, "SELECT id, machine, status, start, stop, name, error, state, redrives, version, parent, records, visits " \
		"FROM execution WHERE id = ?1")                                                                        \
	X(HIGHEST, "SELECT max(id) FROM execution")                                                                    \
	X(PART_BELOW, "SELECT number, first, made FROM part WHERE first < ?1 ORDER BY first DESC LIMIT 1")             \
	X(PART_ABOVE, "SELECT first FROM part WHERE first > ?1 ORDER BY first LIMIT 1")                                \
	X(PART_EMPTY, "SELECT p.number FROM part p WHERE EXISTS (SELECT 1 FROM part n WHERE n.first > p.first) AND NOT EXISTS " \
		      "(SELECT 1 FROM execution e WHERE e.id >= p.first AND "                                          \
		      "e.id < (SELECT min(n.first) FROM part n WHERE n.first > p.first)) LIMIT 1")                     \
	X(FIGURE, "SELECT count, failed, retries, started, buckets FROM figure WHERE machine = ?1 AND state = ?2 AND hour = ?3") \
	X(PUT_FIGURE, "INSERT OR REPLACE INTO figure(machine, state, hour, count, failed, retries, started, buckets) " \
		      "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")                                                        \
	X(FIGURES_OF, "SELECT state, count, failed, retries, started, buckets FROM figure WHERE machine = ?1 AND hour >= ?2") \
	X(FIGURES_ALL, "SELECT machine, hour, count, failed, retries, started, buckets FROM figure WHERE state = '' AND hour >= ?1") \
	X(DROP_FIGURES, "DELETE FROM figure WHERE hour < ?1")                                                          \
	X(PUT_MINUTE, "INSERT INTO minute(machine, minute, started, failed) VALUES(?1, ?2, ?3, ?4) ON CONFLICT DO "    \
		      "UPDATE SET started = started + excluded.started, failed = failed + excluded.failed")            \
	X(MINUTES, "SELECT machine, minute, started, failed FROM minute WHERE minute >= ?1")                           \
	X(DROP_MINUTES, "DELETE FROM minute WHERE minute < ?1")                                                        \
	X(PUT_COUNTER, "INSERT OR REPLACE INTO counter(machine, status, count) VALUES(?1, ?2, ?3)")                    \
	X(COUNTERS, "SELECT machine, status, count FROM counter")                                                      \
	X(META, "SELECT value FROM meta WHERE key = ?1")                                                               \
	X(PUT_META, "INSERT OR REPLACE INTO meta(key, value) VALUES(?1, ?2)")                                          \
	X(OLDEST, "SELECT id, machine, status, start, stop, name, error, state, redrives, version, parent, records "   \
		  "FROM execution WHERE status = 0 AND status <> 1 ORDER BY id LIMIT 1")                               \
	X(RUNNING, "SELECT id, records FROM execution WHERE status = 0 AND status <> 1 AND id > ?1 ORDER BY id LIMIT ?2") \
	X(EXPIRED, "SELECT id, machine, status, stop, start FROM execution WHERE id > ?1 ORDER BY id LIMIT 1000")             \
	X(FAILED_HERE, "SELECT count(*) FROM (SELECT id FROM execution INDEXED BY execution_by_end WHERE stop >= ?1 AND " \
		       "status IN (2, 3) AND machine = ?2 AND state = ?3 AND error = ?4 AND id <> ?5 LIMIT 10000)")    \
	X(NEXT_STATE, "SELECT state FROM execution WHERE state >= ?1 AND state IS NOT NULL ORDER BY state LIMIT 1")    \
	X(NEXT_ERROR, "SELECT error FROM execution WHERE error >= ?1 AND error IS NOT NULL ORDER BY error LIMIT 1")

enum file_statement {
#define X(name, text) FILE_##name,
	FILE_STATEMENTS(X)
#undef X
	    FILE_STATEMENTS_COUNT
};

/* Words of the ids from `first` on, up to the next part's first (parts.c). */
struct file_part {
	int64_t number; /* table words_NUMBER */
	uint64_t first;
	int64_t made_ms;
};

struct file {
	sqlite3 *db;
	sqlite3_stmt *statements[FILE_STATEMENTS_COUNT];
	/* The part that was written last. */
	struct file_part writing;
	uint64_t writing_end;
	sqlite3_stmt *put_words;
};

/* Opens; a writer makes the schema. ERR(CORRUPT), ERR(VERSION): it must be made anew. */
int file_open(struct file *file, const char *path, bool writer, struct wf_error *err);
void file_close(struct file *file);
/* Deletes the file and what SQLite keeps beside it. */
void file_remove(const char *path);
int file_error(struct file *file, struct wf_error *err, const char *what);

/* Parts, from the newest one down. 0, ERR(NOT_FOUND): there is none below, or another code: it cannot be read. */
int file_part_below(struct file *file, uint64_t below, struct file_part *ret_part);
/* Writer, in a transaction: the first part, or the next one if the last is as old as that and has rows. */
int file_begin_part(struct file *file, int64_t now_ms, int64_t length_ms);
/* The words of an execution, once. */
int file_put_words(struct file *file, uint64_t id, struct str words);
/* Writer, in a transaction: drops one part whose executions have all gone, if there is one. After a failure the transaction must be rolled
 * back: the table may have gone, and not its row. */
int file_drop_part(struct file *file);

sqlite3_stmt *file_get(struct file *file, enum file_statement which);
/* Bound texts must stay until the step; an empty one may be NULL in the row. */
void file_bind_text(sqlite3_stmt *statement, int at, struct str text, bool null_if_empty);
/* Runs one that gives no rows; resets it. 0 or a code. */
int file_do(struct file *file, sqlite3_stmt *statement);
struct str file_text(sqlite3_stmt *statement, int column);
/* Columns as FIND gives them; texts are copied into the arena (NULL: borrowed until the next step). */
void file_row(sqlite3_stmt *statement, struct arena *arena, struct search_row *ret_row);
int64_t file_meta(struct file *file, const char *key, int64_t otherwise);
int file_put_meta(struct file *file, const char *key, int64_t value);
