/* reader.c: the reads. Each runs in one read transaction, so that an execution's row, snapshot and records belong together, and sees all
 * that was committed, and therefore durable, when it began. Rows are copied into the request's arena. */
#include "base/mem.h"
#include "state-store/sqlite/sqlite.h"
#include <stdlib.h>

static struct store_execution row_of(sqlite3_stmt *s, struct arena *arena)
{
	return (struct store_execution){
		.id = sql_id(s, 0),
		.machine_id = sql_id(s, 1),
		.name = sql_copy(s, 2, arena),
		.start_ms = sql_int(s, 3),
		.stop_ms = sql_int(s, 4),
		.status = (uint8_t)sql_int(s, 5),
		.attributes = sql_copy(s, 6, arena),
	};
}

/* A growing array of rows, later moved to the arena in one piece. */
struct rows {
	struct store_execution *rows;
	size_t capacity;
	uint32_t count;
};

static int collect_rows(struct sql *sql, sqlite3_stmt *s, struct store_request *r, struct rows *rows)
{
	int code;
	while ((code = sql_step(sql, s, &r->err)) == 1) {
		MEM_GROW(rows->rows, rows->capacity, (size_t)rows->count + 1);
		rows->rows[rows->count++] = row_of(s, &r->arena);
	}
	return code;
}

static void give_rows(struct store_request *r, struct rows *rows)
{
	r->rows = ARENA_ARRAY(&r->arena, struct store_execution, rows->count);
	if (rows->count)
		memcpy(r->rows, rows->rows, rows->count * sizeof *rows->rows);
	r->count = rows->count;
	free(rows->rows);
}

static int read_rows(struct sql *sql, sqlite3_stmt *s, struct store_request *r)
{
	struct rows rows = { 0 };
	int code = collect_rows(sql, s, r, &rows);
	give_rows(r, &rows);
	return code;
}

/* ---- records -------------------------------------------------------------------------------------- */

static int damaged(struct store_request *r, const struct store_record *record)
{
	return error_set(&r->err, ERR(CORRUPT), "payload chunks of execution %llu, record %u do not belong together",
			 (unsigned long long)record->execution_id, record->number);
}

/* The sizes, which SQLite knows without reading the bytes. How many there are is what is found, not what a damaged row may claim. */
static int read_blob_sizes(struct sql *sql, struct store_request *r, struct store_record *record)
{
	size_t capacity = 0;
	struct str *blobs = NULL;
	uint32_t found = 0;
	sqlite3_stmt *s = sql_get(sql, SQL_BLOB_SIZES);
	sql_bind_id(s, 1, record->execution_id);
	sql_bind_int(s, 2, record->number);
	int code;
	while ((code = sql_step(sql, s, &r->err)) == 1) {
		if (sql_int(s, 0) != found || sql_int(s, 2) != sql_int(s, 3) + 1)
			break;
		MEM_GROW(blobs, capacity, (size_t)found + 1);
		blobs[found++] = (struct str){ NULL, (size_t)sql_id(s, 1) };
	}
	if (code == 1 || (code == 0 && found != record->blobs_count)) {
		sqlite3_reset(s);
		code = damaged(r, record);
	} else if (code == 0) {
		record->blobs = ARENA_ARRAY(&r->arena, struct str, found);
		memcpy(record->blobs, blobs, found * sizeof *blobs);
	}
	free(blobs);
	return code;
}

/* The blobs, from their chunks: sizes first, so that each is copied once. */
static int read_blobs(struct sql *sql, struct store_request *r, struct store_record *record, size_t *bytes)
{
	int code = read_blob_sizes(sql, r, record);
	if (code < 0)
		return code;
	for (uint32_t i = 0; i < record->blobs_count; i++) {
		*bytes += record->blobs[i].len;
		record->blobs[i] = (struct str){ arena_alloc(&r->arena, record->blobs[i].len + 1), 0 };
	}
	sqlite3_stmt *s = sql_get(sql, SQL_CHUNKS);
	sql_bind_id(s, 1, record->execution_id);
	sql_bind_int(s, 2, record->number);
	while ((code = sql_step(sql, s, &r->err)) == 1) {
		struct str chunk = sql_bytes(s, 1), *blob = &record->blobs[sql_int(s, 0)];
		if (chunk.len)
			memcpy((char *)blob->ptr + blob->len, chunk.ptr, chunk.len);
		blob->len += chunk.len;
	}
	return code;
}

/* Reads records from `first` on, up to bytes_max (0: all). */
static int read_records(struct sql *sql, struct store_request *r, uint32_t first, bool backward, size_t bytes_max)
{
	struct store_record *records = NULL;
	size_t capacity = 0, bytes = 0;
	sqlite3_stmt *s = sql_get(sql, backward ? SQL_RECORDS_DOWN : SQL_RECORDS_UP);
	sql_bind_id(s, 1, r->execution_id);
	sql_bind_int(s, 2, first);
	int code;
	while ((code = sql_step(sql, s, &r->err)) == 1) {
		if (bytes_max && r->count && bytes >= bytes_max) {
			r->more = true;
			sqlite3_reset(s);
			code = 0;
			break;
		}
		struct store_record record = {
			.execution_id = r->execution_id,
			.number = (uint32_t)sql_int(s, 0),
			.first_event_id = sql_id(s, 1),
			.blobs_count = (uint32_t)sql_int(s, 2),
			.bytes = sql_copy(s, 3, &r->arena),
		};
		bytes += record.bytes.len;
		if (record.blobs_count && (code = read_blobs(sql, r, &record, &bytes)) < 0) {
			sqlite3_reset(s);
			break;
		}
		MEM_GROW(records, capacity, (size_t)r->count + 1);
		records[r->count++] = record;
	}
	r->records = ARENA_ARRAY(&r->arena, struct store_record, r->count);
	if (r->count)
		memcpy(r->records, records, r->count * sizeof *records);
	free(records);
	return code;
}

static int read_snapshot(struct sql *sql, struct store_request *r)
{
	r->count = 0;
	r->snapshot = (struct store_snapshot){ .execution_id = r->execution_id, .bytes = STR_EMPTY };
	sqlite3_stmt *s = sql_get(sql, SQL_SNAPSHOT);
	sql_bind_id(s, 1, r->execution_id);
	int code = sql_step(sql, s, &r->err);
	if (code == 1) {
		r->snapshot.next_record = (uint32_t)sql_int(s, 0);
		r->snapshot.bytes = sql_copy(s, 1, &r->arena);
		sqlite3_reset(s);
	}
	return code;
}

int sqlite_read_journal(struct sql *sql, struct store_request *r, uint32_t first)
{
	int code = read_snapshot(sql, r);
	return code < 0 ? code : read_records(sql, r, first, false, 0);
}

static int read_load(struct sql *sql, struct store_request *r)
{
	sqlite3_stmt *s = sql_get(sql, SQL_FIND);
	sql_bind_id(s, 1, r->execution_id);
	int code = read_rows(sql, s, r);
	if (code < 0)
		return code;
	if (!r->count)
		return error_set(&r->err, ERR(NOT_FOUND), "execution %llu is not stored", (unsigned long long)r->execution_id);
	code = read_snapshot(sql, r);
	return code < 0 ? code : read_records(sql, r, r->snapshot.next_record, false, 0);
}

/* ---- lists ------------------------------------------------------------------------------------------ */

/* The group (machine, status) behind this one. 1, 0 if there is none, negative. */
static int next_group(struct sql *sql, int64_t *machine, int64_t *status, struct wf_error *err)
{
	sqlite3_stmt *s = sql_get(sql, SQL_NEXT_STATUS);
	sql_bind_int(s, 1, *machine);
	sql_bind_int(s, 2, *status);
	int code = sql_step(sql, s, err);
	if (code == 0) {
		s = sql_get(sql, SQL_NEXT_MACHINE);
		sql_bind_int(s, 1, *machine);
		code = sql_step(sql, s, err);
	}
	if (code == 1) {
		*machine = sql_int(s, 0);
		*status = sql_int(s, 1);
		sqlite3_reset(s);
	}
	return code;
}

/* The index is ordered by start only within one machine and status. So the list jumps from group to group, takes the newest of each, and keeps
 * the newest of all; once the page is full, older groups cost one look each. */
static int collect_groups(struct sql *sql, struct store_request *r, struct rows *rows)
{
	const struct store_list_request *list = &r->list;
	int64_t machine = list->machine_id ? (int64_t)list->machine_id : INT64_MIN, floor_ms = INT64_MIN;
	int64_t status = list->status < 0 ? -1 : (int64_t)list->status - 1;
	int code;
	while ((code = next_group(sql, &machine, &status, &r->err)) == 1) {
		if (list->machine_id && machine != (int64_t)list->machine_id)
			return 0;
		if (list->status >= 0 && status < list->status) {
			status = list->status - 1; /* the next one may be it */
			continue;
		}
		if (list->status >= 0 && status > list->status) {
			status = INT64_MAX; /* on to the next machine */
			continue;
		}
		sqlite3_stmt *s = sql_get(sql, SQL_LIST_GROUP);
		sql_bind_int(s, 1, machine);
		sql_bind_int(s, 2, status);
		sql_bind_int(s, 3, list->before_start_ms);
		sql_bind_id(s, 4, list->before_id);
		sql_bind_int(s, 5, floor_ms);
		sql_bind_int(s, 6, list->limit);
		if ((code = collect_rows(sql, s, r, rows)) < 0)
			return code;
		store_keep_newest(rows->rows, &rows->count, list->limit, &floor_ms);
	}
	return code;
}

static int read_list(struct sql *sql, struct store_request *r)
{
	if (!r->list.machine_id && r->list.status < 0) {
		sqlite3_stmt *s = sql_get(sql, SQL_LIST_ALL);
		sql_bind_int(s, 1, r->list.before_start_ms);
		sql_bind_id(s, 2, r->list.before_id);
		sql_bind_int(s, 3, r->list.limit);
		return read_rows(sql, s, r);
	}
	struct rows rows = { 0 };
	int code = collect_groups(sql, r, &rows);
	give_rows(r, &rows);
	return code;
}

struct open_rows {
	struct store_open_row *rows;
	size_t capacity;
	uint32_t count;
};

static int collect_open(struct sql *sql, sqlite3_stmt *s, struct store_request *r, struct open_rows *open)
{
	int code;
	while ((code = sql_step(sql, s, &r->err)) == 1) {
		MEM_GROW(open->rows, open->capacity, (size_t)open->count + 1);
		open->rows[open->count++] = (struct store_open_row){ sql_id(s, 0), sql_int(s, 1) };
	}
	return code;
}

/* First those with the cursor's own wake time, then the later ones. */
static int read_open(struct sql *sql, struct store_request *r)
{
	struct open_rows open = { 0 };
	int code = 0;
	if (r->after_open.wake_ms <= r->until_ms) {
		sqlite3_stmt *s = sql_get(sql, SQL_LIST_OPEN_AT);
		sql_bind_int(s, 1, r->after_open.wake_ms);
		sql_bind_id(s, 2, r->after_open.execution_id);
		sql_bind_int(s, 3, r->limit);
		code = collect_open(sql, s, r, &open);
	}
	if (code == 0 && open.count < r->limit) {
		sqlite3_stmt *s = sql_get(sql, SQL_LIST_OPEN);
		sql_bind_int(s, 1, r->after_open.wake_ms);
		sql_bind_int(s, 2, r->until_ms);
		sql_bind_int(s, 3, r->limit - open.count);
		code = collect_open(sql, s, r, &open);
	}
	r->open = ARENA_ARRAY(&r->arena, struct store_open_row, open.count);
	if (open.count)
		memcpy(r->open, open.rows, open.count * sizeof *open.rows);
	r->count = open.count;
	free(open.rows);
	return code;
}

static int read_messages(struct sql *sql, struct store_request *r)
{
	struct store_message *messages = NULL;
	size_t capacity = 0;
	/* Sequences are below 2^63. */
	uint64_t after = r->after > INT64_MAX ? INT64_MAX : r->after;
	sqlite3_stmt *s = sql_get(sql, r->execution_id ? SQL_MESSAGES_OF : SQL_MESSAGES);
	int at = 1;
	if (r->execution_id)
		sql_bind_id(s, at++, r->execution_id);
	sql_bind_id(s, at++, after);
	sql_bind_int(s, at, r->limit);
	int code;
	while ((code = sql_step(sql, s, &r->err)) == 1) {
		MEM_GROW(messages, capacity, (size_t)r->count + 1);
		messages[r->count++] = (struct store_message){ sql_id(s, 0), sql_id(s, 1), sql_id(s, 2), sql_id(s, 3), sql_copy(s, 4, &r->arena) };
	}
	r->messages = ARENA_ARRAY(&r->arena, struct store_message, r->count);
	if (r->count)
		memcpy(r->messages, messages, r->count * sizeof *messages);
	free(messages);
	return code;
}

/* The first column of the first row. */
static int read_number(struct sql *sql, sqlite3_stmt *s, struct store_request *r, int column)
{
	int code = sql_step(sql, s, &r->err);
	if (code == 1) {
		r->number = sql_id(s, column);
		sqlite3_reset(s);
		code = 0;
	}
	return code;
}

static int read_request(struct sql *sql, struct store_request *r)
{
	sqlite3_stmt *s;
	switch (r->kind) {
	case REQUEST_SEQUENCE:
		return read_number(sql, sql_get(sql, SQL_READ_LEASE), r, 1);
	case REQUEST_LOAD:
		return read_load(sql, r);
	case REQUEST_FIND_NAMED:
		s = sql_get(sql, SQL_FIND_NAMED);
		sql_bind_id(s, 1, r->machine_id);
		sql_bind_bytes(s, 2, r->name);
		return read_rows(sql, s, r);
	case REQUEST_FIND:
		s = sql_get(sql, SQL_FIND);
		sql_bind_id(s, 1, r->execution_id);
		return read_rows(sql, s, r);
	case REQUEST_LIST:
		return read_list(sql, r);
	case REQUEST_RECORDS:
		/* bytes_max 0 asks for one record, too. */
		return read_records(sql, r, r->first, r->backward, r->bytes_max ? r->bytes_max : 1);
	case REQUEST_COUNT_RECORDS:
		s = sql_get(sql, SQL_COUNT_RECORDS);
		sql_bind_id(s, 1, r->execution_id);
		return read_number(sql, s, r, 0);
	case REQUEST_LIST_OPEN:
		return read_open(sql, r);
	case REQUEST_COUNT_OPEN:
		return read_number(sql, sql_get(sql, SQL_COUNT_OPEN), r, 0);
	case REQUEST_MESSAGES:
		return read_messages(sql, r);
	case REQUEST_DEAD_LETTERS:
	case REQUEST_FIND_DEAD_LETTER:
		return sqlite_read_dead_letters(sql, r);
	case REQUEST_DEAD_GROUPS:
		return sqlite_read_dead_groups(sql, r);
	case REQUEST_OUTCOMES:
		return sqlite_read_outcomes(sql, r);
	case REQUEST_COUNT_OUTCOMES:
		return sqlite_count_outcomes(sql, r);
	case REQUEST_PURGE:
		return sqlite_purge_find(sql, r);
	case REQUEST_BACKUP:
		break;
	}
	return error_set(&r->err, ERR(INTERNAL), "a request that is no read");
}

/* In a transaction of its own. Ending one that only read cannot fail in a way that matters. */
static void run(struct sqlite_store *sqlite, struct sql *sql, struct store_request *r)
{
	if (r->kind == REQUEST_PURGE && sqlite->read_only) {
		r->code = error_set(&r->err, ERR(UNSUPPORTED), "the store was opened to read only");
		return;
	}
	r->code = sql_do(sql, sql_get(sql, SQL_BEGIN_READ), &r->err);
	if (r->code == 0)
		r->code = read_request(sql, r);
	if (!sqlite3_get_autocommit(sql->db))
		sql_do(sql, sql_get(sql, SQL_COMMIT), NULL);
}

void *sqlite_reader_run(void *data)
{
	struct sqlite_reader *reader = data;
	struct sqlite_store *sqlite = reader->sqlite;
	struct sqlite_queue *queue = &sqlite->reads;
	pthread_mutex_lock(&queue->mutex);
	for (;;) {
		while (!queue->first && !queue->stop)
			pthread_cond_wait(&queue->changed, &queue->mutex);
		struct store_request *r = queue->first;
		if (!r)
			break;
		queue->first = r->next;
		if (!queue->first)
			queue->tail = &queue->first;
		pthread_mutex_unlock(&queue->mutex);
		run(sqlite, &reader->sql, r);
		if (r->kind == REQUEST_PURGE && r->code == 0 && r->count)
			sqlite_writer_request(sqlite, r);
		else
			store_post(&sqlite->store, &r->answer);
		pthread_mutex_lock(&queue->mutex);
	}
	pthread_mutex_unlock(&queue->mutex);
	return NULL;
}
