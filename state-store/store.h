/* store.h: where executions are kept: rows, batches, leases. It knows nothing of states or ASL.
 *
 * Everything is asynchronous: a call queues work and returns; the answer comes by callback on the loop's thread, never from within
 * the call. The loop never waits for SQL. Reads see what is committed.
 *
 * Ids. An execution's id is sequence << 8 | shard: it grows with time, and names its shard. There are 256 fixed shards,
 * hash(machine, name) for named executions. Rows carry the shard so that other back ends can spread them; on SQLite one lease holds all.
 *
 * Batches. What a turn decided is one batch, carrying (lease, epoch, sequence), checked and advanced in its transaction. The writer joins the
 * batches that wait into one transaction with one sync (group commit). Batches end in the order they were submitted:
 *   COMMITTED  durable;
 *   FAILED     rolled back, nothing of it is stored (disk full, I/O error); `err` says why; every batch behind it that was
 *              already submitted fails too, since it may build on it;
 *   FENCED     another owner has the lease; nothing is stored, nothing will be;
 *   UNKNOWN    the answer was lost: read the sequence again (store_read_sequence) to learn whether it is stored.
 *
 * The sequence is the whole protocol: a batch is stored only if its number is the last stored one + 1, whatever came in between.
 * - After FAILED of number n, all that are outstanding behind it fail by that rule, with the same `err`. The owner numbers anew from n:
 *   n, n + 1 … are reused, and may be submitted at once, even before the callbacks of the old ones came: batches are judged in
 *   the order of submission, so that no old one can slip between new ones. ERR(NO_SPACE), ERR(IO), ERR(BUSY) may pass: wait a
 *   little and try again. ERR(EXISTS), ERR(NOT_FOUND), ERR(INVALID) are the batch's own fault and will not.
 * - After UNKNOWN of number n, call store_read_sequence: its answer comes behind the callbacks of everything submitted before. A sequence
 *   >= n says that it is stored (and those behind it up to the sequence), a smaller one that it never will be: then as after FAILED.
 *   ERR(FENCED): another owner counts on, and the number says nothing of this one's batches: stop. If that read fails otherwise (a sync failed: nobody knows what the disk holds), exit and recover; the store takes no more batches.
 * - After FENCED, stop: what this owner believes is out of date.
 *
 * Ids are below 2^63. Times may be any int64_t.
 *
 * Ownership. A batch and all it holds is the store's from store_submit until its callback, which gets it back. Texts passed to reads are copied.
 * What a callback receives is borrowed for the callback.
 *
 * Back ends: state-store/sqlite/ (one file, WAL, synchronous=FULL, owner lock), state-store/memory/. store_open chooses by URL. */
#pragma once
#include "base/arena.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/loop.h"
#include "base/str.h"

#define STORE_SHARDS 256
#define STORE_WAKE_ACTIVE 0 /* open row: has work that is not waiting for time */
#define STORE_WAKE_NEVER INT64_MAX /* open row: only something from outside can move it (a task token) */

static inline unsigned store_shard(uint64_t execution_id) { return execution_id & 0xff; }

struct store;

/* ---- what is stored ----------------------------------------------------------------------- */

/* A row of the executions' list. status is the engine's number (core.h), 0 = running. */
struct store_execution {
	uint64_t id;
	uint64_t machine_id; /* the engine's number of the state machine */
	struct str name; /* empty: the engine generated it from the id (it is not stored) */
	int64_t start_ms, stop_ms; /* stop_ms 0 while open */
	uint8_t status;
	struct str attributes; /* small opaque bytes of the engine (definition revision, version, input hash …); written at the start */
};

struct store_blob {
	struct str bytes;
};

/* One journal record (engine/core/record.h encodes the bytes). Numbered 0, 1, 2 … within its execution, without gaps. */
struct store_record {
	uint64_t execution_id;
	uint32_t number;
	uint64_t first_event_id;
	struct str bytes;
	struct str *blobs; /* payloads out of line, kept in chunks */
	uint32_t blobs_count;
};

struct store_snapshot {
	uint64_t execution_id;
	uint32_t next_record; /* it holds the records before this number */
	struct str bytes;
};

struct store_open_row {
	uint64_t execution_id;
	int64_t wake_ms; /* STORE_WAKE_ACTIVE, a wall clock time, or STORE_WAKE_NEVER */
};

/* A message between executions. The key (sender, event) makes a repeat harmless as long as the first one is stored: who has deleted a message
 * must know by its own state that it was taken. Sequences grow and are never used twice, not even after deleting. */
struct store_message {
	uint64_t sequence; /* given by the store; 0 when appending */
	uint64_t target_id; /* execution */
	uint64_t sender_id, sender_event;
	struct str bytes;
};

/* Small named things: machines, versions, aliases, activities, tags … The engine's registry keeps all in memory. */
struct store_item {
	uint8_t kind; /* the engine's */
	struct str key;
	struct str bytes;
};

/* A dead letter: an execution that ended badly, until it is redriven, discarded or purged. Everything else about it is the execution's. */
struct store_dead_letter {
	uint64_t execution_id, machine_id;
	uint8_t status; /* of the execution */
	int64_t failed_ms;
	struct str state, error; /* where and with what; empty: none */
	uint64_t revision, version, redrives;
	uint64_t job; /* that redrove it last; 0: none */
	bool unread; /* only that it failed is known: it is from a store of an older schema */
	/* Given by reads, of the execution. */
	struct str name;
	int64_t start_ms;
	/* Of an op that deletes: NULL, or (in the batch's arena) where the store says whether such a letter was there. */
	bool *ret_gone;
};

/* What became of one execution of a bulk job. */
struct store_outcome {
	uint64_t job, execution_id;
	uint8_t outcome; /* the engine's number, below STORE_OUTCOMES */
	int64_t at_ms;
	struct str detail;
	/* Given by reads, of the execution; machine_id 0: it is no longer stored. */
	uint64_t machine_id;
	struct str name;
};
#define STORE_OUTCOMES 8

/* ---- batches ------------------------------------------------------------------------------ */

enum store_result { STORE_COMMITTED, STORE_FAILED, STORE_FENCED, STORE_UNKNOWN };

enum store_op_kind {
	STORE_INSERT_EXECUTION, /* execution; a name that the machine has already, or a known id, fails the whole batch with ERR(EXISTS) (the engine looks
				 * before). One that starts and ends in the same batch is best inserted ended: status and stop_ms set. */
	STORE_END_EXECUTION, /* execution.id, status, stop_ms (also reopens: stop_ms 0), attributes (empty: as they are); an unknown id fails the batch
			      * with ERR(NOT_FOUND) */
	STORE_APPEND_RECORD, /* record; one that has its number already fails the batch with ERR(EXISTS), a gap with ERR(INVALID) */
	STORE_PUT_SNAPSHOT, /* snapshot; replaces the execution's last one */
	STORE_SET_OPEN, /* open */
	STORE_DELETE_OPEN, /* open.execution_id; deleting what is not there is fine, here and below */
	STORE_APPEND_MESSAGE, /* message; a known key is dropped silently */
	STORE_DELETE_MESSAGE, /* message.target_id, .sequence; sequence 0: by its key, .sender_id, .sender_event */
	STORE_PUT_ITEM, /* item */
	STORE_DELETE_ITEM, /* item.kind, .key */
	STORE_PUT_DEAD_LETTER, /* dead_letter; replaces the execution's */
	STORE_FILL_DEAD_LETTER, /* dead_letter; replaces one that is there and unread, else does nothing */
	STORE_DELETE_DEAD_LETTER, /* dead_letter.execution_id, .failed_ms (0: whenever it failed), .ret_gone */
	STORE_PUT_OUTCOME, /* outcome; replaces the one of the job and execution */
	STORE_DELETE_OUTCOMES, /* outcome.job: all of it */
};

struct store_op {
	enum store_op_kind kind;
	struct store_op *next;
	union {
		struct store_execution execution;
		struct store_record record;
		struct store_snapshot snapshot;
		struct store_open_row open;
		struct store_message message;
		struct store_item item;
		struct store_dead_letter dead_letter;
		struct store_outcome outcome;
	};
};

struct store_batch {
	struct arena arena; /* everything the ops point at lives here */
	struct store_op *first, **tail;
	uint32_t ops_count;
	uint64_t epoch; /* of the lease, from store_acquire */
	uint64_t sequence; /* 1, 2, 3 … within the epoch's owner; the batch before it must be stored */
	void (*done)(struct store_batch *batch, enum store_result result, const struct wf_error *err);
	void *data; /* the owner's */
	struct store_batch *next; /* the store's while it holds the batch */
};

struct store_batch *store_batch_new(void);
void store_batch_free(struct store_batch *batch);
/* A new op at the end; fill in its union; copy texts into batch->arena. */
struct store_op *store_batch_add(struct store_batch *batch, enum store_op_kind kind);

/* ---- opening ------------------------------------------------------------------------------ */

enum store_durability { STORE_FULL, STORE_RELAXED /* synchronous=NORMAL, by explicit setting only */ };

struct store_options {
	enum store_durability durability;
	bool read_only; /* for tools: no owner lock, no writes, refuses to create */
	int64_t batch_bytes_max; /* 0: default (8 MiB); how much one transaction joins */
	const char *vfs; /* for tests: the name of a registered SQLite VFS; NULL: the default one */
};

/* Opens "sqlite:PATH" or "memory:". Blocking, before the loop runs: creates and migrates the schema, takes the owner lock (ERR(BUSY) names
 * the other process; ERR(VERSION): a newer schema; ERR(INVALID): a file of another program). Lower rooms do not log. */
int store_open(const char *url, const struct store_options *options, struct loop *loop, struct store **ret_store, struct wf_error *err);
/* Waits for what is queued, calls the callbacks that are due (what they submit now fails with ERR(CANCELLED)), checkpoints, closes. Call on the
 * loop's thread when the loop no longer runs, but before it is freed. A post that the loop still holds then finds nothing to do when it runs; the
 * loop should run what it holds when it is freed. A backup under way is given up. NULL is fine. */
void store_close(struct store *store);

/* Blocking, at start: takes the lease of all shards; returns its epoch, the sequence of the last stored batch and the largest execution id. */
struct store_lease {
	uint64_t epoch, sequence, last_execution_id;
};
int store_acquire(struct store *store, struct store_lease *ret_lease, struct wf_error *err);
/* Blocking, at start: every item, in order of (kind, key). */
int store_each_item(struct store *store, void (*visit)(void *data, const struct store_item *item), void *data, struct wf_error *err);

/* ---- writing ------------------------------------------------------------------------------ */

void store_submit(struct store *store, struct store_batch *batch);
/* How many batches were submitted and have not had their callback: the engine submits no more while it is batches_outstanding (limits.h). */
unsigned store_batches_waiting(const struct store *store);

/* ---- reading: each copies its request and calls back once ----------------------------------- */

/* A `limit` above this is taken as this. */
#define STORE_LIMIT_MAX 100000

/* code: 0, ERR(NOT_FOUND), or another error with *err filled. The sequence is read behind all batches submitted before; ERR(FENCED): it is another
 * owner's, who came after this one's store_acquire. */
typedef void store_sequence_fn(void *data, uint64_t sequence, int code, const struct wf_error *err);
void store_read_sequence(struct store *store, store_sequence_fn *done, void *data);

/* An execution with what is needed to fold it: its last snapshot (bytes empty if none) and the records from snapshot.next_record on. */
struct store_loaded {
	struct store_execution row;
	struct store_snapshot snapshot;
	const struct store_record *records;
	uint32_t records_count;
};
typedef void store_loaded_fn(void *data, const struct store_loaded *loaded, int code, const struct wf_error *err);
void store_load(struct store *store, uint64_t execution_id, store_loaded_fn *done, void *data);

typedef void store_rows_fn(void *data, const struct store_execution *rows, uint32_t count, int code, const struct wf_error *err);
/* By name within a machine; count is 0 or 1. / By id. */
void store_find_named(struct store *store, uint64_t machine_id, struct str name, store_rows_fn *done, void *data);
void store_find(struct store *store, uint64_t execution_id, store_rows_fn *done, void *data);

/* A page of the list, newest start first: one index (machine, status, start, id), another (start, id) for all machines. */
struct store_list_request {
	uint64_t machine_id; /* 0: all */
	int status; /* -1: all */
	int64_t before_start_ms; /* with before_id: continues behind that row; INT64_MAX: from the newest */
	uint64_t before_id;
	uint32_t limit;
};
void store_list(struct store *store, const struct store_list_request *request, store_rows_fn *done, void *data);

/* Records of one execution with their blobs: numbers from `first` on, or (backward) from `first` down (UINT32_MAX: from the last); stops after
 * bytes_max (at least one is given); `more` says that there are further ones. An unknown execution has none. */
typedef void store_records_fn(void *data, const struct store_record *records, uint32_t count, bool more, int code, const struct wf_error *err);
void store_read_records(struct store *store, uint64_t execution_id, uint32_t first, bool backward, size_t bytes_max, store_records_fn *done, void *data);
/* The number of records an execution has (its next record's number). */
typedef void store_count_fn(void *data, uint64_t count, int code, const struct wf_error *err);
void store_count_records(struct store *store, uint64_t execution_id, store_count_fn *done, void *data);

/* Open rows with after < (wake_ms, id) and wake_ms <= until_ms, in that order. */
typedef void store_open_fn(void *data, const struct store_open_row *rows, uint32_t count, int code, const struct wf_error *err);
void store_list_open(struct store *store, int64_t until_ms, struct store_open_row after, uint32_t limit, store_open_fn *done, void *data);
/* How many open rows there are. */
void store_count_open(struct store *store, store_count_fn *done, void *data);

/* Messages of an execution (target_id != 0), or of all, with sequence > after. */
typedef void store_messages_fn(void *data, const struct store_message *messages, uint32_t count, int code, const struct wf_error *err);
void store_list_messages(struct store *store, uint64_t target_id, uint64_t after, uint32_t limit, store_messages_fn *done, void *data);

/* Dead letters, newest failure first (machine_id 0: all; status -1: all), failed in [from_ms, until_ms), behind (before_ms, before_id). */
struct store_dead_request {
	uint64_t machine_id;
	int status;
	bool unread; /* only those, in no order that matters; the other members but limit and before_id (ids below it) do not count then */
	int64_t from_ms, before_ms; /* before_ms INT64_MAX: from the newest */
	uint64_t before_id;
	uint32_t limit;
};
typedef void store_dead_letters_fn(void *data, const struct store_dead_letter *letters, uint32_t count, int code, const struct wf_error *err);
void store_list_dead_letters(struct store *store, const struct store_dead_request *request, store_dead_letters_fn *done, void *data);
/* Of one execution; count is 0 or 1. */
void store_find_dead_letter(struct store *store, uint64_t execution_id, store_dead_letters_fn *done, void *data);

/* Dead letters by machine × status × error × state × revision × version, the largest groups first; or (hours < 0) by machine only. */
struct store_dead_group {
	struct store_dead_letter sample; /* the newest execution of them, with what they have in common */
	uint64_t count;
	int64_t first_ms, last_ms;
	uint32_t *hourly; /* [hours] (NULL if by machine only): how many failed in the hours from from_ms on */
};
struct store_dead_group_request {
	uint64_t machine_id; /* 0: all */
	int64_t from_ms;
	int hours;
	uint32_t limit;
};
typedef void store_dead_groups_fn(void *data, const struct store_dead_group *groups, uint32_t count, int code, const struct wf_error *err);
void store_group_dead_letters(struct store *store, const struct store_dead_group_request *request, store_dead_groups_fn *done, void *data);

/* Outcomes of a job with execution_id > after, by id (outcome -1: all) / how many of each there are. */
typedef void store_outcomes_fn(void *data, const struct store_outcome *outcomes, uint32_t count, int code, const struct wf_error *err);
void store_list_outcomes(struct store *store, uint64_t job, int outcome, uint64_t after, uint32_t limit, store_outcomes_fn *done, void *data);
typedef void store_outcome_counts_fn(void *data, const uint64_t counts[STORE_OUTCOMES], int code, const struct wf_error *err);
void store_count_outcomes(struct store *store, uint64_t job, store_outcome_counts_fn *done, void *data);

/* Deletes up to `limit` executions that ended before `before_ms` (records, blobs, snapshots with them), in one small transaction of the writer;
 * calls back with how many went: fewer than `limit` when their records are many, so go on until it is 0. One with very many records is gone for
 * everybody at once, but its records go step by step; each of those steps counts as one. One that is open (stop_ms 0, or an open row)
 * never goes. */
void store_purge(struct store *store, int64_t before_ms, uint32_t limit, store_count_fn *done, void *data);

/* Copies the store to a new file while it is in use (sqlite; memory: ERR(UNSUPPORTED)). The file is there whole or not at all. ERR(EXISTS) if the file
 * is there, ERR(CANCELLED) if the store is closed meanwhile. */
typedef void store_done_fn(void *data, int code, const struct wf_error *err);
void store_backup(struct store *store, const char *path, store_done_fn *done, void *data);

/* How far the backup under way has got, in pages of both 0: none is. Any thread. */
void store_backup_progress(const struct store *store, uint64_t *ret_done, uint64_t *ret_total);

/* ---- verifying: for tools ---------------------------------------------------------------------- */

/* All of one execution, as of one moment. Borrowed for the visit. */
struct store_whole {
	struct store_execution row;
	struct store_snapshot snapshot; /* bytes empty: none */
	const struct store_record *records; /* all, from number 0 on, with their blobs */
	uint32_t records_count;
	bool has_open;
	int64_t wake_ms; /* of its open row */
	const struct store_dead_letter *dead_letter; /* NULL: none */
};
/* Each may be NULL. */
struct store_verifier {
	/* What is wrong with the file or its rows; `where` names the row ("execution 1a2b, record 3"; empty: the file). */
	void (*problem)(void *data, const char *where, const char *what);
	void (*item)(void *data, const struct store_item *item); /* in order of (kind, key) */
	void (*execution)(void *data, const struct store_whole *whole); /* behind the items, by id; not those that cannot be read */
	void (*progress)(void *data, const char *stage, uint64_t done, uint64_t total); /* total 0: not known */
	void *data;
};
/* Blocking: looks at every page and row, all as of one moment, also while another process writes. Problems are told, not returned: negative only if
 * looking was not possible. memory: ERR(UNSUPPORTED). */
int store_verify(struct store *store, const struct store_verifier *verifier, struct wf_error *err);

struct store_stats {
	const char *backend; /* "sqlite" */
	bool durable; /* an acknowledged batch survives a power loss */
	uint64_t commits, batches, syncs, bytes_written; /* since opening; syncs and bytes of the log only, not of checkpoints */
	uint64_t file_bytes; /* database and WAL now; 0 for memory */
};
void store_stats(struct store *store, struct store_stats *ret_stats);

/* ---- for back ends and tests ---------------------------------------------------------------- */

/* Each back end fills one of these (backend.h); store.c forwards. A test may wrap a store to inject results (tests/store/faulty.c). */
struct store_backend;
