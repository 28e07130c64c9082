/* driver.h: plays one case against the core in virtual time: starts it, answers its tasks from a script, lets timers
 * fire, and keeps every record and event.
 *
 * A case is a JSON object:
 *
 *     name         a sentence with underscores
 *     definition   the state machine; input: its input ({} if absent), input_text: the same as text
 *     begin_at, variables   the state to begin with instead of StartAt, and what is assigned already
 *     tasks        by state name: what its attempts are answered, one after the other; the last one is repeated
 *     stop         {"after_s": 3, "error": …, "cause": …}: StopExecution
 *     limits       {"step_events": 16, …}
 *     status, output, error, cause, events: what is expected (tests/core/test_cases.c)
 *
 * An answer: {"result": …} or {"echo": true} (its own parameters), {"error": …, "cause": …}, {"start_failed": true,
 * "error": …}, {"timeout": true},
 * {"none": true}; with "after_s" it comes later; "submitted": … comes first and the answer then by token; "heartbeats":
 * [1, 2] come at these seconds; "worker": who took it; "unstarted": true leaves out the report that it started. */
#pragma once
#include "base/buffer.h"
#include "engine/core/core.h"

#define DRIVER_START_MS 1700000000000

struct driver_options {
	bool rebuild; /* before each step the execution is thrown away and made again from a snapshot or from its
			 records */
	bool refold;  /* with rebuild: from its records, else from a snapshot */
};

struct driver {
	struct arena arena; /* what follows lives here */
	struct value *scenario;
	struct program *program;
	struct diagnostics diagnostics; /* when it did not compile */
	struct limits limits;
	struct execution *execution;
	struct record *records;
	size_t records_count, records_capacity;
	struct str *snapshots; /* of the live execution after each record, where a step ended; else empty */
	size_t snapshots_capacity;
	struct str *events; /* public ones, in compact form */
	size_t events_count, events_capacity;
	struct buffer history; /* the same as GetExecutionHistory's events, separated by commas */
	size_t steps, commands_started, commands_cancelled, bytes_written;
	bool stuck; /* nothing is left to wait for and it has not ended */
	char problem[1024];

	/* While it plays. */
	int64_t now_ms;
	struct arena step_arena;
	struct occurrence *occurrences;
	size_t occurrences_count, occurrences_capacity;
	uint64_t sequence;
	struct attempt *attempt_counts; /* answers used, by state */
};

/* Plays it to its end. false: the definition did not compile, or the case is none; driver->problem says why. */
bool driver_play(struct driver *driver, const struct value *scenario, const struct driver_options *options);
void driver_done(struct driver *driver);

/* An execution folded from the first `count` records; NULL (and driver->problem) if it cannot be. */
struct execution *driver_fold(struct driver *driver, size_t count);
/* The canonical snapshot, in the driver's arena. */
struct str driver_snapshot(struct driver *driver, const struct execution *execution);

/* One event in compact form: "5<-4@3 TaskScheduled {…} timeout=5": id, what it points at, seconds since the start,
 * type, and what it has. */
void driver_print_event(const struct event *event, struct buffer *out);
