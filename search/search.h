/* search.h: lists by text and figures by state, in a file of its own beside the store.
 *
 * It is fed behind the journal: the engine tells what was committed (engine_on_commit), that is copied into a bounded
 * queue, and a thread of low priority writes it, many executions in one transaction. A commit never waits for it. What the
 * queue could not take, and what happened while the file was away, is read from the store again (catchup.c).
 *
 *     loop's thread   commit ─► queue ──┐        store ─► catch-up ─► queue      answers
 *     writer          queue ─► rows, words, histograms, counters ─► "changed" ─────► loop
 *     reader          lists, durations ◄── asked for, answered on the loop's thread
 *
 * The writer remembers some thousand executions and forgets the others: a row keeps the visits of states that are open, and is
 * enough to go on from. So memory does not grow with the executions that wait, and after a restart only the lengths of their
 * journals are compared, a page of rows at a time. (RATCHET_TEST_SEARCH_TRACKED=N and
 * RATCHET_TEST_SEARCH_RETENTION_MS=N in the environment: tests forget sooner.)
 *
 * So the file may lag, but it is never wrong about what it holds: rows and figures change in one transaction, and each says
 * how many of its journal's records are in them, so that nothing counts twice. It may be lost at any time: it is made anew
 * from the store. No execution ever fails because of it.
 *
 * All functions are called on the loop's thread, and callbacks come there, never from within the call. */
#pragma once
#include "engine/engine.h"
#include "search/figures.h"
#include "search/query.h"

struct search;

struct search_options {
	const char *path; /* of the file */
	struct loop *loop;
	struct store *store;
	struct engine *engine;
	struct clock_source *clock;
};

/* Opens or makes the file, begins to listen to the engine and to catch up. A file that cannot be used is made anew;
 * fails only if no file can be made at all. */
int search_open(const struct search_options *options, struct search **ret_search, struct wf_error *err);
/* Stops listening and reading the store, writes what is queued, ends the threads, frees: before engine_free. NULL is fine.
 * Questions that are open are not answered. */
void search_close(struct search *search);

/* Called with the rows that the file now shows differently; `more`: there were others. */
typedef void search_changed_fn(void *data, const struct search_row *rows, uint32_t count, bool more);
void search_on_change(struct search *search, search_changed_fn *changed, void *data);

/* Throws all away and reads the store. */
void search_rebuild(struct search *search);

/* ---- figures, from memory ---------------------------------------------------------------------- */

enum { SEARCH_HOURS = 24 };

struct search_machine {
	uint64_t machine; /* its number */
	uint64_t counts[5]; /* executions by status (enum execution_status) */
	uint64_t failed_last_hour, started_last_hour;
	uint64_t ok[SEARCH_HOURS], bad[SEARCH_HOURS]; /* that ended, oldest hour first; the last is the current one */
	int64_t p50_ms, p95_ms; /* of those that ended in these hours; -1: none */
};
struct search_state {
	bool ready;          /* what the store held at the start is in it */
	uint64_t behind;     /* bytes queued */
	uint64_t done, total; /* of catching up, in executions; total 0: not known */
	struct search_row oldest; /* that runs; id 0: none */
};
/* The machines' figures, in no order, and the state; in the arena. */
void search_overview(struct search *search, struct arena *arena, struct search_machine **ret_machines, uint32_t *ret_count,
		     struct search_state *ret_state);

/* ---- questions ------------------------------------------------------------------------------------ */

struct search_request {
	struct search_query query; /* its texts are copied */
	bool of_machines;          /* only of these */
	const uint64_t *machines;
	uint32_t machines_count;
	uint64_t parent;   /* only those that this execution started; 0: all */
	uint64_t below;    /* ids below; 0: from the newest */
	uint32_t limit;
};
/* Newest first. `next` 0: that was all; else ask for those below it. code < 0: the file cannot be read now. */
typedef void search_rows_fn(void *data, const struct search_row *rows, uint32_t count, uint64_t next, int code);
void search_list(struct search *search, const struct search_request *request, search_rows_fn *done, void *data);

/* One execution's row (count 1 or 0). */
void search_find(struct search *search, uint64_t id, search_rows_fn *done, void *data);

/* Other executions of a machine that ended since then at this state with this error. */
typedef void search_count_fn(void *data, uint64_t count, int code);
void search_count_failed(struct search *search, uint64_t except_id, uint64_t machine, struct str state, struct str error,
			 int64_t since_ms, search_count_fn *done, void *data);

/* Distinct states or errors (QUERY_STATE, QUERY_ERROR) that begin with a prefix, in order. */
typedef void search_texts_fn(void *data, const struct str *texts, uint32_t count, int code);
void search_texts(struct search *search, enum query_kind kind, struct str prefix, uint32_t limit, search_texts_fn *done,
		  void *data);

/* What a machine's states and whole executions (state empty) took since then; in no order. */
struct search_duration {
	struct str state;
	struct figure figure;
};
typedef void search_durations_fn(void *data, const struct search_duration *durations, uint32_t count, int code);
void search_durations(struct search *search, uint64_t machine, int64_t since_ms, search_durations_fn *done, void *data);
