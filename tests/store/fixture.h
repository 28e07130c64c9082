/* fixture.h: one open store with its loop, and the store's calls made synchronous: each runs the loop until its answer is there.
 *
 * What is read is copied into fixture.arena and lives until the test's end. */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/mem.h"
#include "state-store/store.h"
#include "tests/store/faulty.h"
#include "tests/common/test_loop.h"

struct variant {
	const char *name;
	bool sqlite, faulty;
	bool power; /* on power_vfs.h: the power goes before the fixture is freed, and everything must be there */
};

struct fixture {
	struct variant variant;
	struct store_options options;
	char folder[64]; /* the database is `db` in it */
	char url[96];
	struct loop *loop;
	struct store *store;
	struct store_lease lease; /* sequence: of the last batch submitted */
	uint64_t seed; /* of the power loss at the end */
	struct arena arena;
};

/* A new empty store in a new folder, acquired. */
struct fixture *fixture_new(struct variant variant);
void fixture_free(struct fixture *fixture);
/* Closes and opens (sqlite keeps everything, memory nothing). */
void fixture_close(struct fixture *fixture);
void fixture_open(struct fixture *fixture);
/* PATH/db + suffix. */
const char *fixture_path(struct fixture *fixture, const char *suffix);

/* ---- batches: ops are added with the add_… functions, which copy nothing: texts must live until the commit */

struct store_batch *batch_next(struct fixture *fixture); /* with the next sequence */
void add_execution(struct store_batch *batch, uint64_t id, uint64_t machine, const char *name, int64_t start_ms);
void add_end(struct store_batch *batch, uint64_t id, uint8_t status, int64_t stop_ms);
void add_record(struct store_batch *batch, uint64_t id, uint32_t number, struct str bytes);
void add_snapshot(struct store_batch *batch, uint64_t id, uint32_t next_record, struct str bytes);
void add_open(struct store_batch *batch, uint64_t id, int64_t wake_ms);
void add_delete_open(struct store_batch *batch, uint64_t id);
void add_message(struct store_batch *batch, uint64_t target, uint64_t sender, uint64_t event, struct str bytes);
void add_delete_message(struct store_batch *batch, uint64_t target, uint64_t sequence);
void add_delete_message_by_key(struct store_batch *batch, uint64_t target, uint64_t sender, uint64_t event);
void add_item(struct store_batch *batch, uint8_t kind, struct str key, struct str bytes);
void add_delete_item(struct store_batch *batch, uint8_t kind, struct str key);

/* Submits, waits, frees the batch. commit_ok fails the test unless it is COMMITTED. A batch that was not stored gives its sequence back. */
enum store_result commit(struct fixture *fixture, struct store_batch *batch, struct wf_error *err);
void commit_ok(struct fixture *fixture, struct store_batch *batch);

/* ---- reads; code in fixture terms: the last callback's */

struct answer {
	int code;
	struct wf_error err;
	uint64_t number;
	uint32_t count;
	bool more;
	struct store_execution *rows;
	struct store_snapshot snapshot;
	struct store_record *records;
	struct store_open_row *open;
	struct store_message *messages;
	struct store_dead_letter *dead_letters;
	struct store_dead_group *dead_groups;
	struct store_outcome *outcomes;
	uint64_t outcome_counts[STORE_OUTCOMES];
};
struct answer read_sequence(struct fixture *fixture);
struct answer load(struct fixture *fixture, uint64_t id);
struct answer find_named(struct fixture *fixture, uint64_t machine, const char *name);
struct answer find(struct fixture *fixture, uint64_t id);
struct answer list(struct fixture *fixture, struct store_list_request request);
struct answer records(struct fixture *fixture, uint64_t id, uint32_t first, bool backward, size_t bytes_max);
struct answer count_records(struct fixture *fixture, uint64_t id);
struct answer list_open(struct fixture *fixture, int64_t until_ms, struct store_open_row after, uint32_t limit);
struct answer count_open(struct fixture *fixture);
struct answer list_messages(struct fixture *fixture, uint64_t target, uint64_t after, uint32_t limit);
struct answer list_dead(struct fixture *fixture, struct store_dead_request request);
struct answer find_dead(struct fixture *fixture, uint64_t id);
struct answer group_dead(struct fixture *fixture, struct store_dead_group_request request);
struct answer list_outcomes(struct fixture *fixture, uint64_t job, int outcome, uint64_t after, uint32_t limit);
struct answer count_outcomes(struct fixture *fixture, uint64_t job);
void add_dead_letter(struct store_batch *batch, enum store_op_kind kind, const struct store_dead_letter *letter);
void add_outcome(struct store_batch *batch, uint64_t job, uint64_t id, uint8_t outcome, const char *detail);
struct answer purge(struct fixture *fixture, int64_t before_ms, uint32_t limit);
struct answer backup(struct fixture *fixture, const char *path);

/* All that the store holds, as text: two stores with equal text are equal. */
void dump(struct fixture *fixture, struct buffer *out);

/* `len` bytes that depend on the seed, NULs among them; in the fixture's arena. */
struct str noise(struct fixture *fixture, uint64_t seed, size_t len);

#define assert_str(got, wanted) assert_true(str_eq((got), (wanted)))
