/* writer.c: the one thread that writes: group commit.
 *
 * It takes what waits at the head of its queue, batches up to batch_bytes_max together, and carries it out in one transaction: read the lease, judge each
 * batch by epoch and sequence, run its ops, advance the lease once, commit (one sync). While it does, the next ones gather.
 *
 * When an op fails by its batch's own fault (a name that exists), the transaction is rolled back and done again with the batches before that one, which
 * then is alone at the head of the next and fails by itself. When the disk fails, all of the transaction fail. Those behind fail by
 * the sequence rule alone (store.h): the lease has not moved. After a failed sync nobody knows what the disk holds, so all of it is
 * UNKNOWN and nothing is written any more: trying again could declare durable what is not. */
#include "base/mem.h"
#include "state-store/sqlite/sqlite.h"
#include <stdlib.h>

struct writer_entry {
	struct writer_entry *next;
	struct store_batch *batch; /* or */
	struct store_request *request;
};

/* Batches that are answered together. */
struct group {
	struct store_answer answer; /* first */
	struct arena arena; /* of the errors */
	uint32_t count;
	size_t capacity;
	struct judged {
		struct store_batch *batch;
		enum store_result result;
		const struct wf_error *err; /* NULL: not judged yet, or (after its transaction) COMMITTED */
	} *judged;
};

/* ---- ops -------------------------------------------------------------------------------------- */

static int insert_execution(struct sql *sql, const struct store_execution *row, struct wf_error *err)
{
	sqlite3_stmt *s = sql_get(sql, SQL_INSERT_EXECUTION);
	sql_bind_id(s, 1, row->id);
	sql_bind_id(s, 2, row->machine_id);
	if (row->name.len)
		sql_bind_bytes(s, 3, row->name);
	else if (s)
		sqlite3_bind_null(s, 3);
	sql_bind_int(s, 4, row->start_ms);
	sql_bind_int(s, 5, row->stop_ms);
	sql_bind_int(s, 6, row->status);
	sql_bind_bytes(s, 7, row->attributes);
	int code = sql_do(sql, s, err);
	if (code != ERR(EXISTS))
		return code;
	if (sqlite3_extended_errcode(sql->db) == SQLITE_CONSTRAINT_UNIQUE)
		return error_set(err, code, "the state machine has an execution named \"%.*s\" already", STR_FMT(str_sub(row->name, 0, 255)));
	return error_set(err, code, "execution %llu is stored already", (unsigned long long)row->id);
}

static int end_execution(struct sql *sql, const struct store_execution *row, struct wf_error *err)
{
	sqlite3_stmt *s = sql_get(sql, row->attributes.len ? SQL_SET_ATTRIBUTES : SQL_END_EXECUTION);
	sql_bind_id(s, 1, row->id);
	sql_bind_int(s, 2, row->status);
	sql_bind_int(s, 3, row->stop_ms);
	if (row->attributes.len)
		sql_bind_bytes(s, 4, row->attributes);
	int code = sql_do(sql, s, err);
	if (code == 0 && sqlite3_changes(sql->db) == 0)
		return error_set(err, ERR(NOT_FOUND), "execution %llu is not stored", (unsigned long long)row->id);
	return code;
}

static int insert_blob(struct sql *sql, const struct store_record *record, uint32_t blob, struct wf_error *err)
{
	struct str left = record->blobs[blob];
	int code = 0;
	/* An empty blob has one empty chunk. */
	for (int64_t part = 0; code == 0 && (part == 0 || left.len); part++) {
		struct str chunk = str_sub(left, 0, SQLITE_CHUNK_BYTES);
		sqlite3_stmt *s = sql_get(sql, SQL_INSERT_CHUNK);
		sql_bind_id(s, 1, record->execution_id);
		sql_bind_int(s, 2, record->number);
		sql_bind_int(s, 3, blob);
		sql_bind_int(s, 4, part);
		sql_bind_bytes(s, 5, chunk);
		code = sql_do(sql, s, err);
		left = str_sub(left, chunk.len, left.len);
	}
	return code;
}

/* Records have no gaps. (One statement with the insert would make SQLite gather the row in a table of its own first.) */
static int check_previous(struct sql *sql, const struct store_record *record, struct wf_error *err)
{
	sqlite3_stmt *s = sql_get(sql, SQL_HAS_RECORD);
	sql_bind_id(s, 1, record->execution_id);
	sql_bind_int(s, 2, (int64_t)record->number - 1);
	int code = sql_step(sql, s, err);
	if (code == 0)
		return error_set(err, ERR(INVALID), "execution %llu has no record before record %u",
				 (unsigned long long)record->execution_id, record->number);
	if (code < 0)
		return code;
	sqlite3_reset(s);
	return 0;
}

static int append_record(struct sql *sql, const struct store_record *record, struct wf_error *err)
{
	int code = record->number ? check_previous(sql, record, err) : 0;
	if (code < 0)
		return code;
	sqlite3_stmt *s = sql_get(sql, SQL_INSERT_RECORD);
	sql_bind_id(s, 1, record->execution_id);
	sql_bind_int(s, 2, record->number);
	sql_bind_id(s, 3, record->first_event_id);
	sql_bind_int(s, 4, record->blobs_count);
	sql_bind_bytes(s, 5, record->bytes);
	code = sql_do(sql, s, err);
	if (code == ERR(EXISTS))
		return error_set(err, code, "execution %llu has record %u already", (unsigned long long)record->execution_id, record->number);
	for (uint32_t i = 0; code == 0 && i < record->blobs_count; i++)
		code = insert_blob(sql, record, i, err);
	return code;
}

static int apply_op(struct sql *sql, const struct store_op *op, struct wf_error *err)
{
	sqlite3_stmt *s = NULL;
	switch (op->kind) {
	case STORE_INSERT_EXECUTION:
		return insert_execution(sql, &op->execution, err);
	case STORE_END_EXECUTION:
		return end_execution(sql, &op->execution, err);
	case STORE_APPEND_RECORD:
		return append_record(sql, &op->record, err);
	case STORE_PUT_SNAPSHOT:
		s = sql_get(sql, SQL_PUT_SNAPSHOT);
		sql_bind_id(s, 1, op->snapshot.execution_id);
		sql_bind_int(s, 2, op->snapshot.next_record);
		sql_bind_bytes(s, 3, op->snapshot.bytes);
		break;
	case STORE_SET_OPEN:
		s = sql_get(sql, SQL_SET_OPEN);
		sql_bind_id(s, 1, op->open.execution_id);
		sql_bind_int(s, 2, op->open.wake_ms);
		break;
	case STORE_DELETE_OPEN:
		s = sql_get(sql, SQL_DELETE_OPEN);
		sql_bind_id(s, 1, op->open.execution_id);
		break;
	case STORE_APPEND_MESSAGE:
		s = sql_get(sql, SQL_INSERT_MESSAGE);
		sql_bind_id(s, 1, op->message.target_id);
		sql_bind_id(s, 2, op->message.sender_id);
		sql_bind_id(s, 3, op->message.sender_event);
		sql_bind_bytes(s, 4, op->message.bytes);
		break;
	case STORE_DELETE_MESSAGE:
		s = sql_get(sql, op->message.sequence ? SQL_DELETE_MESSAGE : SQL_DELETE_MESSAGE_BY_KEY);
		sql_bind_id(s, 1, op->message.target_id);
		sql_bind_id(s, 2, op->message.sequence ? op->message.sequence : op->message.sender_id);
		if (!op->message.sequence)
			sql_bind_id(s, 3, op->message.sender_event);
		break;
	case STORE_PUT_ITEM:
		s = sql_get(sql, SQL_PUT_ITEM);
		sql_bind_int(s, 1, op->item.kind);
		sql_bind_bytes(s, 2, op->item.key);
		sql_bind_bytes(s, 3, op->item.bytes);
		break;
	case STORE_DELETE_ITEM:
		s = sql_get(sql, SQL_DELETE_ITEM);
		sql_bind_int(s, 1, op->item.kind);
		sql_bind_bytes(s, 2, op->item.key);
		break;
	case STORE_PUT_DEAD_LETTER:
	case STORE_FILL_DEAD_LETTER:
	case STORE_DELETE_DEAD_LETTER:
	case STORE_PUT_OUTCOME:
	case STORE_DELETE_OUTCOMES:
		return sqlite_apply_dead_letter(sql, op, err);
	}
	return sql_do(sql, s, err);
}

static int apply_batch(struct sql *sql, const struct store_batch *batch, uint64_t *last_execution_id, struct wf_error *err)
{
	int code = 0;
	for (const struct store_op *op = batch->first; op && code == 0; op = op->next) {
		code = apply_op(sql, op, err);
		if (op->kind == STORE_INSERT_EXECUTION && op->execution.id > *last_execution_id)
			*last_execution_id = op->execution.id;
	}
	return code;
}

/* ---- transactions -------------------------------------------------------------------------------- */

static int log_grew(void *data, sqlite3 *db, const char *name, int pages)
{
	struct sqlite_store *sqlite = data;
	struct sqlite_writer *writer = &sqlite->writer;
	int new_pages = pages > writer->log_pages ? pages - writer->log_pages : pages;
	sqlite->bytes_written += (uint64_t)new_pages * (SQLITE_PAGE_BYTES + 24);
	writer->log_pages = pages;
	return SQLITE_OK;
}

/* SQLite begins the log anew only when a transaction starts while all of it is in the file. Under load that never happens by itself: so
 * when the maintenance thread has moved nearly all, the writer moves the little that came meanwhile, between two transactions. */
static void finish_checkpoint(struct sqlite_store *sqlite)
{
	struct sqlite_writer *writer = &sqlite->writer;
	bool near = sqlite->checkpoint == CHECKPOINT_NEAR;
	if (!near && writer->log_pages - writer->log_pages_tried < SQLITE_LOG_PAGES_MOST)
		return;
	writer->log_pages_tried = writer->log_pages;
	/* Whatever comes of it: the log only stays longer. A failure of the disk shows in the next commit. */
	sqlite3_wal_checkpoint_v2(writer->sql.db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
	if (near)
		sqlite->checkpoint = CHECKPOINT_NONE;
}

int sqlite_writer_begin(struct sqlite_store *sqlite, struct wf_error *err)
{
	struct sqlite_writer *writer = &sqlite->writer;
	if (writer->broken) {
		if (err)
			*err = writer->failure;
		return writer->failure.code;
	}
	finish_checkpoint(sqlite);
	return sql_do(&writer->sql, sql_get(&writer->sql, SQL_BEGIN_WRITE), err);
}

void sqlite_writer_rollback(struct sqlite_store *sqlite)
{
	struct sql *sql = &sqlite->writer.sql;
	/* Some failures have rolled back already. */
	if (!sqlite3_get_autocommit(sql->db))
		sql_do(sql, sql_get(sql, SQL_ROLLBACK), NULL);
}

int sqlite_writer_commit(struct sqlite_store *sqlite, struct wf_error *err)
{
	struct sqlite_writer *writer = &sqlite->writer;
	int code = sql_do(&writer->sql, sql_get(&writer->sql, SQL_COMMIT), err);
	if (code < 0) {
		if (sql_sync_failed(&writer->sql)) {
			writer->broken = true;
			writer->failure = *err;
			error_prefix(&writer->failure, "the store takes no more batches since a sync of its log failed; start again to recover");
		}
		sqlite_writer_rollback(sqlite);
		return code;
	}
	sqlite->commits++;
	if (writer->durable)
		sqlite->syncs++;
	if (writer->log_pages < writer->log_pages_tried)
		writer->log_pages_tried = 0;
	if (writer->log_pages > SQLITE_LOG_PAGES && sqlite->checkpoint == CHECKPOINT_NONE)
		sqlite_want_checkpoint(sqlite);
	return 0;
}

/* ---- group commit ---------------------------------------------------------------------------------- */

/* Judges those of [from, to) that are not judged yet. */
static void judge(struct sqlite_writer *writer, struct group *group, uint32_t from, uint32_t to, enum store_result result,
		  const struct wf_error *err)
{
	struct wf_error *kept = ARENA_NEW(&group->arena, struct wf_error);
	*kept = *err;
	for (uint32_t i = from; i < to; i++)
		if (!group->judged[i].err)
			group->judged[i] = (struct judged){ group->judged[i].batch, result, kept };
	if (result == STORE_FAILED && !writer->broken) {
		writer->failing = true;
		writer->failure = *err;
	}
}

/* Whether the batch may be tried in a transaction that found this lease; if not, it is judged. */
static bool is_next(struct sqlite_writer *writer, struct group *group, uint32_t at, const struct store_lease *lease)
{
	const struct store_batch *batch = group->judged[at].batch;
	struct wf_error err = { 0 };
	if (batch->epoch != lease->epoch) {
		error_set(&err, ERR(FENCED), "another owner has the lease: expected epoch %llu, found %llu", (unsigned long long)batch->epoch,
			  (unsigned long long)lease->epoch);
		judge(writer, group, at, at + 1, STORE_FENCED, &err);
		return false;
	}
	if (batch->sequence == lease->sequence + 1)
		return true;
	if (writer->failing && batch->sequence > lease->sequence)
		err = writer->failure;
	else
		error_set(&err, ERR(CANCELLED), "batch %llu does not follow batch %llu, the last one stored",
			  (unsigned long long)batch->sequence, (unsigned long long)lease->sequence);
	judge(writer, group, at, at + 1, STORE_FAILED, &err);
	return false;
}

static bool is_own_fault(int code)
{
	return code == ERR(EXISTS) || code == ERR(NOT_FOUND) || code == ERR(INVALID) || code == ERR(LIMIT);
}

static int read_lease(struct sql *sql, struct store_lease *ret_lease, struct wf_error *err)
{
	sqlite3_stmt *s = sql_get(sql, SQL_READ_LEASE);
	int code = sql_step(sql, s, err);
	if (code == 0)
		return error_set(err, ERR(CORRUPT), "the store has no lease");
	if (code < 0)
		return code;
	*ret_lease = (struct store_lease){ sql_id(s, 0), sql_id(s, 1), sql_id(s, 2) };
	sqlite3_reset(s);
	return 0;
}

static int advance_lease(struct sql *sql, const struct store_lease *lease, struct wf_error *err)
{
	sqlite3_stmt *s = sql_get(sql, SQL_ADVANCE_LEASE);
	sql_bind_id(s, 1, lease->sequence);
	sql_bind_id(s, 2, lease->last_execution_id);
	return sql_do(sql, s, err);
}

/* Tries batches [from, to) in one transaction. Returns how far they are judged: `to`, or less when one of them is to be tried by itself. */
static uint32_t try_batches(struct sqlite_store *sqlite, struct group *group, uint32_t from, uint32_t to)
{
	struct sqlite_writer *writer = &sqlite->writer;
	struct sql *sql = &writer->sql;
	struct wf_error err = { 0 };
	struct store_lease lease = { 0 };
	uint32_t applied = 0;
	if (sqlite_writer_begin(sqlite, &err) < 0)
		goto all_failed;
	if (read_lease(sql, &lease, &err) < 0)
		goto all_failed;
	for (uint32_t i = from; i < to; i++) {
		if (group->judged[i].err || !is_next(writer, group, i, &lease))
			continue;
		int code = apply_batch(sql, group->judged[i].batch, &lease.last_execution_id, &err);
		if (code < 0 && !is_own_fault(code))
			goto all_failed;
		if (code < 0) {
			sqlite_writer_rollback(sqlite);
			if (applied)
				return try_batches(sqlite, group, from, i); /* these worked a moment ago */
			judge(writer, group, i, i + 1, STORE_FAILED, &err);
			return i + 1;
		}
		group->judged[i].result = STORE_COMMITTED;
		lease.sequence++;
		applied++;
	}
	if (!applied) {
		sqlite_writer_rollback(sqlite);
		return to;
	}
	if (advance_lease(sql, &lease, &err) < 0 || sqlite_writer_commit(sqlite, &err) < 0)
		goto all_failed;
	writer->failing = false;
	sqlite->batches += applied;
	return to;

all_failed:
	sqlite_writer_rollback(sqlite);
	judge(writer, group, from, to, writer->broken && applied ? STORE_UNKNOWN : STORE_FAILED, &err);
	return to;
}

static void group_deliver(struct store *store, struct store_answer *answer)
{
	struct group *group = (struct group *)answer;
	for (uint32_t i = 0; i < group->count; i++)
		store_end_batch(store, group->judged[i].batch, group->judged[i].result, group->judged[i].err);
	arena_done(&group->arena);
	free(group->judged);
	free(group);
}

/* ---- the thread -------------------------------------------------------------------------------------- */

static void run_request(struct sqlite_store *sqlite, struct store_request *request)
{
	struct store_lease lease = { 0 };
	struct sqlite_writer *writer = &sqlite->writer;
	if (request->kind == REQUEST_PURGE) {
		sqlite_purge(sqlite, request);
	} else if (writer->broken) {
		request->code = writer->failure.code;
		request->err = writer->failure;
	} else {
		request->code = read_lease(&writer->sql, &lease, &request->err);
		if (request->code == 0)
			request->code = store_sequence_of(request, &lease, &request->number, &request->err);
	}
	store_post(&sqlite->store, &request->answer);
}

/* Takes the batches at the head of the queue, at least one. Under the mutex. */
static struct group *take_group(struct sqlite_writer *writer)
{
	struct group *group = NEW(struct group);
	group->answer.deliver = group_deliver;
	size_t bytes = 0;
	while (writer->first && writer->first->batch) {
		struct writer_entry *entry = writer->first;
		bytes += entry->batch->arena.bytes;
		if (group->count && bytes > (size_t)writer->batch_bytes_max)
			break;
		MEM_GROW(group->judged, group->capacity, (size_t)group->count + 1);
		group->judged[group->count++] = (struct judged){ .batch = entry->batch };
		writer->first = entry->next;
		free(entry);
	}
	if (!writer->first)
		writer->tail = &writer->first;
	return group;
}

static struct store_request *take_request(struct sqlite_writer *writer)
{
	struct writer_entry *entry = writer->first;
	struct store_request *request = entry->request;
	writer->first = entry->next;
	if (!writer->first)
		writer->tail = &writer->first;
	free(entry);
	return request;
}

static void *writer_run(void *data)
{
	struct sqlite_store *sqlite = data;
	struct sqlite_writer *writer = &sqlite->writer;
	pthread_mutex_lock(&writer->mutex);
	for (;;) {
		while (!writer->first && !writer->stop)
			pthread_cond_wait(&writer->changed, &writer->mutex);
		if (!writer->first)
			break;
		if (writer->first->request) {
			struct store_request *request = take_request(writer);
			pthread_mutex_unlock(&writer->mutex);
			run_request(sqlite, request);
		} else {
			struct group *group = take_group(writer);
			pthread_mutex_unlock(&writer->mutex);
			for (uint32_t at = 0; at < group->count;)
				at = try_batches(sqlite, group, at, group->count);
			store_post(&sqlite->store, &group->answer);
		}
		pthread_mutex_lock(&writer->mutex);
	}
	pthread_mutex_unlock(&writer->mutex);
	return NULL;
}

static void put(struct sqlite_writer *writer, struct store_batch *batch, struct store_request *request)
{
	struct writer_entry *entry = NEW(struct writer_entry);
	entry->batch = batch;
	entry->request = request;
	pthread_mutex_lock(&writer->mutex);
	*writer->tail = entry;
	writer->tail = &entry->next;
	pthread_cond_signal(&writer->changed);
	pthread_mutex_unlock(&writer->mutex);
}

struct refused {
	struct store_answer answer; /* first */
	struct store_batch *batch;
};

static void refused_deliver(struct store *store, struct store_answer *answer)
{
	struct refused *refused = (struct refused *)answer;
	struct wf_error err = { 0 };
	error_set(&err, ERR(UNSUPPORTED), "the store was opened to read only");
	store_end_batch(store, refused->batch, STORE_FAILED, &err);
	free(refused);
}

void sqlite_submit(struct store *store, struct store_batch *batch)
{
	struct sqlite_store *sqlite = (struct sqlite_store *)store;
	if (!sqlite->read_only) {
		put(&sqlite->writer, batch, NULL);
		return;
	}
	struct refused *refused = NEW(struct refused);
	refused->answer.deliver = refused_deliver;
	refused->batch = batch;
	store_post(store, &refused->answer);
}

void sqlite_writer_request(struct sqlite_store *sqlite, struct store_request *request)
{
	put(&sqlite->writer, NULL, request);
}

int sqlite_writer_start(struct sqlite_store *sqlite, const struct store_options *options, struct wf_error *err)
{
	struct sqlite_writer *writer = &sqlite->writer;
	writer->tail = &writer->first;
	writer->durable = options->durability == STORE_FULL;
	writer->batch_bytes_max = options->batch_bytes_max > 0 ? options->batch_bytes_max : SQLITE_BATCH_BYTES;
	pthread_mutex_init(&writer->mutex, NULL);
	pthread_cond_init(&writer->changed, NULL);
	sqlite3_wal_hook(writer->sql.db, log_grew, sqlite);
	return sqlite_thread(&writer->thread, writer_run, sqlite, err);
}

void sqlite_writer_stop(struct sqlite_store *sqlite)
{
	struct sqlite_writer *writer = &sqlite->writer;
	if (writer->thread) {
		pthread_mutex_lock(&writer->mutex);
		writer->stop = true;
		pthread_cond_signal(&writer->changed);
		pthread_mutex_unlock(&writer->mutex);
		pthread_join(writer->thread, NULL);
		pthread_cond_destroy(&writer->changed);
		pthread_mutex_destroy(&writer->mutex);
	}
	sql_close(&writer->sql);
}
