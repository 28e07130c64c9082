/* fold.h: an execution as it looked after one of its events, folded from its journal: what the console's graph, time
 * slider and timeline show.
 *
 *     fold_new ─► fold_record … (or fold_event) ─► fold_write
 *
 * Per state: how often it was entered, and what became of these visits. entered = running + succeeded + caught + failed +
 * aborted after every event. Memory is bounded by the definition's states and the frames that are open, not by the history:
 * a Map's iterations are counted and forgotten.
 *
 * It knows nothing of programs, stores or HTTP; payloads are not looked at. */
#pragma once
#include "base/map.h"
#include "engine/core/core.h"

struct fold;

enum visit_outcome { VISIT_NONE, VISIT_RUNNING, VISIT_SUCCEEDED, VISIT_CAUGHT, VISIT_FAILED, VISIT_ABORTED };
const char *visit_outcome_name(enum visit_outcome outcome); /* "running" */

struct fold_state {
	struct str name;
	uint64_t entered, running, succeeded, caught, failed, aborted, retries;
	int64_t first_ms, last_ms;
	uint64_t event; /* StateEntered of the newest visit */
	char *error;    /* of the last failure; NULL: none */
};
struct fold_map {
	struct str name;
	uint64_t length, started, succeeded, failed, aborted;
};

/* A visit of a state, as it is told to an observer. */
struct fold_visit {
	uint64_t number; /* in the order of entering, from 0, of all that the path takes in */
	uint64_t event, exit_event;
	uint32_t record, exit_record; /* the journal's records with these events */
	uint32_t frame;
	struct str state, path;
	int64_t start_ms, stop_ms;
	enum visit_outcome outcome;
	uint32_t attempts;
};
struct fold_item { /* an iteration of a Map */
	uint32_t frame;
	struct str map;
	uint64_t index;
	int64_t start_ms, stop_ms;
	enum visit_outcome outcome;
	uint32_t retries;
	struct str error;
};
/* Each may be NULL. Texts are borrowed for the call; a redriven visit is told as running again (entered with its old number). */
struct fold_observer {
	void (*entered)(void *data, const struct fold_visit *visit);
	/* The visit does `kind` from now on: "queued", "run", "wait", "retry". */
	void (*segment)(void *data, const struct fold_visit *visit, const char *kind, int64_t time_ms);
	void (*left)(void *data, const struct fold_visit *visit);
	void (*item_started)(void *data, const struct fold_item *item);
	/* Outcome VISIT_RUNNING: a redrive goes on with it, and it will end again. */
	void (*item_ended)(void *data, const struct fold_item *item);
	/* Every public event, with the state and path it belongs to (state empty: none); `visit` NULL: none. After it was folded. */
	void (*event)(void *data, const struct event *event, struct str state, struct str path,
		      const struct fold_visit *visit);
	bool payloads; /* fold_record's events have their values; else they are NULL */
	void *data;
};

/* `path` empty: the whole execution; else one branch or iteration and what is in it: "Outer[1]/Inner[4]". */
struct fold *fold_new(struct str path);
void fold_free(struct fold *fold);
void fold_observe(struct fold *fold, const struct fold_observer *observer); /* borrowed */

/* Folds one event. ERR(CORRUPT): it cannot follow. */
int fold_event(struct fold *fold, const struct event *event);
/* Folds a stored record's events up to the public event `last` (UINT64_MAX: all); those that were folded already are skipped. */
int fold_record(struct fold *fold, uint32_t number, const struct record *record, uint64_t last);

uint64_t fold_last_event(const struct fold *fold);
int64_t fold_time_ms(const struct fold *fold);
uint32_t fold_next_record(const struct fold *fold); /* the record to go on with: some of its events may be folded already */
enum execution_status fold_status(const struct fold *fold);
int64_t fold_start_ms(const struct fold *fold);
/* Why it did not begin at its StartAt, and at which state it did (engine.h, struct start_rerun); false if it began there. */
bool fold_rerun(const struct fold *fold, struct str *ret_reason, struct str *ret_state);
/* Of a state; NULL: it was not entered. */
const struct fold_state *fold_find(const struct fold *fold, struct str name);
/* Of a Map state, the items of all its visits; NULL: none began. */
const struct fold_map *fold_find_map(const struct fold *fold, struct str name);
uint64_t fold_map_running(const struct fold_map *map);
/* The event by which the execution failed, and the state where; false if none did. */
bool fold_failure(const struct fold *fold, struct str *ret_state, uint64_t *ret_event, uint32_t *ret_attempts);
/* The members "states", "edges" and "maps" of an answer, with commas between, none around. */
void fold_write(const struct fold *fold, struct buffer *out);
