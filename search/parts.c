/* parts.c: the words of names and inputs, in parts by ranges of ids.
 *
 * A full-text index without content cannot delete what it does not know any more, and keeping the texts would double the
 * file. But executions are purged in about the order in which they began, which is the order of their ids: so every while a
 * new part is begun, and a part goes as a whole when the last execution of its range has gone.
 *
 *     id   1 … 4711      4712 … 9000      9001 …
 *          words_1       words_2          words_3, which is written       part(number, first, made) has the bounds */
#include "base/mem.h"
#include "search/file.h"
#include <stdio.h>

/* Words are written anew rarely: sixteen segments become one. */
static const char part_schema[] =
    "CREATE VIRTUAL TABLE words_%lld USING fts5(text, content='', detail=none, columnsize=0, tokenize='ascii');"
    "INSERT INTO words_%lld(words_%lld, rank) VALUES('hashsize', 4194304);"
    "INSERT INTO words_%lld(words_%lld, rank) VALUES('automerge', 16);"
    "INSERT INTO words_%lld(words_%lld, rank) VALUES('crisismerge', 64);"
    "INSERT INTO part(number, first, made) VALUES(%lld, %lld, %lld)";

/* Of a statement that gives at most one row: 0, ERR(NOT_FOUND), or why it could not be read. */
static int end_read(struct file *file, sqlite3_stmt *s, int step)
{
	int code = step == SQLITE_ROW ? 0 : step == SQLITE_DONE ? ERR(NOT_FOUND) : file_error(file, NULL, "");
	sqlite3_reset(s);
	return code;
}

int file_part_below(struct file *file, uint64_t below, struct file_part *ret_part)
{
	sqlite3_stmt *s = file_get(file, FILE_PART_BELOW);
	sqlite3_bind_int64(s, 1, (int64_t)below);
	int step = sqlite3_step(s);
	if (step == SQLITE_ROW)
		*ret_part = (struct file_part){ .number = sqlite3_column_int64(s, 0),
						.first = (uint64_t)sqlite3_column_int64(s, 1),
						.made_ms = sqlite3_column_int64(s, 2) };
	return end_read(file, s, step);
}

static int run(struct file *file, const char *text)
{
	return sqlite3_exec(file->db, text, NULL, NULL, NULL) == SQLITE_OK ? 0 : file_error(file, NULL, "");
}

static void forget_writing(struct file *file)
{
	sqlite3_finalize(file->put_words);
	file->put_words = NULL;
	file->writing = (struct file_part){ 0 };
}

/* 0: there are no rows. */
static int highest_id(struct file *file, uint64_t *ret_id)
{
	sqlite3_stmt *s = file_get(file, FILE_HIGHEST);
	int step = sqlite3_step(s);
	*ret_id = step == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(s, 0) : 0;
	return end_read(file, s, step);
}

int file_begin_part(struct file *file, int64_t now_ms, int64_t length_ms)
{
	struct file_part newest = { 0 };
	int code = file_part_below(file, INT64_MAX, &newest);
	bool found = code == 0;
	if (code < 0 && code != ERR(NOT_FOUND))
		return code;
	if (found && now_ms - newest.made_ms < length_ms)
		return 0;
	uint64_t highest = 0;
	code = found ? highest_id(file, &highest) : 0;
	if (code < 0)
		return code;
	if (found && (!highest || highest < newest.first))
		return 0; /* nothing is in it */
	uint64_t first = found ? highest + 1 : 0;
	long long number = newest.number + 1;
	_cleanup_free_ char *text = mem_printf(part_schema, number, number, number, number, number, number, number, number,
					       (long long)first, (long long)now_ms);
	forget_writing(file);
	return run(file, text);
}

/* Nearly all words are of the newest part, so only the last one's statement is kept. */
int file_put_words(struct file *file, uint64_t id, struct str words)
{
	if (!file->put_words || id < file->writing.first || id >= file->writing_end) {
		struct file_part next = { 0 };
		forget_writing(file);
		sqlite3_stmt *s = file_get(file, FILE_PART_ABOVE);
		sqlite3_bind_int64(s, 1, (int64_t)id);
		int step = sqlite3_step(s);
		file->writing_end = step == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(s, 0) : UINT64_MAX;
		int code = end_read(file, s, step);
		if (code == 0 || code == ERR(NOT_FOUND)) /* no part is above the newest one */
			code = file_part_below(file, id + 1, &next);
		if (code < 0)
			return code == ERR(NOT_FOUND) ? ERR(CORRUPT) : code;
		_cleanup_free_ char *text = mem_printf("INSERT INTO words_%lld(rowid, text) VALUES(?1, ?2)", (long long)next.number);
		if (sqlite3_prepare_v3(file->db, text, -1, SQLITE_PREPARE_PERSISTENT, &file->put_words, NULL) != SQLITE_OK)
			return file_error(file, NULL, "");
		file->writing = next;
	}
	sqlite3_bind_int64(file->put_words, 1, (int64_t)id);
	file_bind_text(file->put_words, 2, words, false);
	return file_do(file, file->put_words);
}

int file_drop_part(struct file *file)
{
	sqlite3_stmt *s = file_get(file, FILE_PART_EMPTY);
	int step = sqlite3_step(s);
	long long number = step == SQLITE_ROW ? sqlite3_column_int64(s, 0) : 0;
	int code = end_read(file, s, step);
	if (code < 0)
		return code == ERR(NOT_FOUND) ? 0 : code;
	/* What is left begins at 0 again: an execution of that age may still come, by a redrive. */
	_cleanup_free_ char *text = mem_printf("DROP TABLE words_%lld; DELETE FROM part WHERE number = %lld;"
					       "UPDATE part SET first = 0 WHERE first = (SELECT min(first) FROM part)",
					       number, number);
	forget_writing(file);
	return run(file, text);
}
