/* sqlite.h: the SQLite store's threads and what they share.
 *
 *     loop ── batches, purge, sequence ──→ writer       one thread, the only one that writes; joins what waits into one transaction
 *     loop ── reads ────────────────────→ readers      two threads, each sees what is committed
 *     loop ── backup ───────────────────→ maintenance  one thread; also moves the log into the file (checkpoints), when the writer asks
 *
 * Each thread has a connection of its own. Answers go back through store_post. */
#pragma once
#include "state-store/sqlite/owner.h"
#include "state-store/sqlite/sql.h"
#include <stdatomic.h>

enum {
	SQLITE_READERS = 2,
	SQLITE_BATCH_BYTES = 8 << 20, /* one transaction joins up to this */
	SQLITE_CHUNK_BYTES = 64 << 10, /* of a blob */
	SQLITE_PAGE_BYTES = 4096,
	/* The log is moved into the file when it is this long, in pages (16 MiB): long enough that a page which is written again and again, as the right
	 * edges of the indexes are, is moved once; short enough to recover in well under a second. */
	SQLITE_LOG_PAGES = 4096,
	/* At this length (256 MiB) the writer waits for that and does it itself. */
	SQLITE_LOG_PAGES_MOST = 16 * SQLITE_LOG_PAGES,
	SQLITE_BUSY_MS = 5000, /* waiting for another program's lock on the file */
};

/* A first-in first-out list of requests with its lock. */
struct sqlite_queue {
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	struct store_request *first, **tail;
	bool stop;
};
void sqlite_queue_init(struct sqlite_queue *queue);
void sqlite_queue_done(struct sqlite_queue *queue);
void sqlite_queue_put(struct sqlite_queue *queue, struct store_request *request);
void sqlite_queue_stop(struct sqlite_queue *queue);

struct writer_entry;

struct sqlite_writer {
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	struct writer_entry *first, **tail; /* under the mutex, as is stop */
	bool stop;
	/* The writer's thread only. */
	struct sql sql;
	int64_t batch_bytes_max;
	bool durable;
	bool broken; /* a sync failed: nothing is written any more */
	bool failing; /* the last batch judged failed; `failure` is why those behind it do, too */
	struct wf_error failure;
	int log_pages; /* length of the log */
	int log_pages_tried; /* when the writer last moved it itself */
};

struct sqlite_store {
	struct store store; /* first */
	char *path, *vfs;
	bool read_only;
	struct owner *owner;
	struct sqlite_writer writer;
	struct sqlite_queue reads;
	struct sqlite_reader {
		struct sqlite_store *sqlite;
		struct sql sql;
		pthread_t thread;
	} readers[SQLITE_READERS];
	struct sqlite_queue backups;
	struct sql maintenance;
	pthread_t maintenance_thread;
	/* Whose turn it is with a log that has grown long. One at a time: SQLite lets only one move it, and the other would do so in vain. */
	_Atomic enum sqlite_checkpoint {
		CHECKPOINT_NONE, /* the writer's: it may ask */
		CHECKPOINT_WANTED, /* the maintenance thread's */
		CHECKPOINT_NEAR, /* the writer's again: nearly all is moved, it does the rest */
	} checkpoint;
	atomic_bool closing;
	atomic_uint_fast64_t commits, batches, syncs, bytes_written;
	atomic_uint_fast64_t backup_done, backup_total; /* pages */
};

/* Starts a thread that gets no signals. */
int sqlite_thread(pthread_t *thread, void *(*run)(void *), void *data, struct wf_error *err);
/* A connection as all of ours are: timeouts, cache, durability. */
int sqlite_connect(struct sqlite_store *sqlite, bool read_only, struct sql *ret_sql, struct wf_error *err);

/* writer.c */
int sqlite_writer_start(struct sqlite_store *sqlite, const struct store_options *options, struct wf_error *err);
void sqlite_writer_stop(struct sqlite_store *sqlite);
void sqlite_submit(struct store *store, struct store_batch *batch);
/* Runs behind all batches submitted before. Any thread. */
void sqlite_writer_request(struct sqlite_store *sqlite, struct store_request *request);
/* Begins, and ends, a transaction of the writer's own. On failure nothing is left open. */
int sqlite_writer_begin(struct sqlite_store *sqlite, struct wf_error *err);
int sqlite_writer_commit(struct sqlite_store *sqlite, struct wf_error *err);
void sqlite_writer_rollback(struct sqlite_store *sqlite);

/* reader.c */
void *sqlite_reader_run(void *data);
/* What is stored of one execution from record `first` on, in r->snapshot and r->records. */
int sqlite_read_journal(struct sql *sql, struct store_request *r, uint32_t first);

/* dead_letters.c: the ops and the reads of dead letters and bulk jobs. */
int sqlite_apply_dead_letter(struct sql *sql, const struct store_op *op, struct wf_error *err);
int sqlite_read_dead_letters(struct sql *sql, struct store_request *r);
int sqlite_read_dead_groups(struct sql *sql, struct store_request *r);
int sqlite_read_outcomes(struct sql *sql, struct store_request *r);
int sqlite_count_outcomes(struct sql *sql, struct store_request *r);

/* purge.c: finding candidates (a reader), deleting them (the writer). */
int sqlite_purge_find(struct sql *sql, struct store_request *request);
void sqlite_purge(struct sqlite_store *sqlite, struct store_request *request);

/* verify.c */
int sqlite_verify(struct store *store, const struct store_verifier *verifier, struct wf_error *err);

/* maintenance.c, backup.c */
void *sqlite_maintenance_run(void *data);
void sqlite_want_checkpoint(struct sqlite_store *sqlite);
void sqlite_backup(struct sqlite_store *sqlite, struct store_request *request);
