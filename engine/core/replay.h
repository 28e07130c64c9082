/* replay.h: would a history have gone the same way under another definition?
 *
 * The recorded answers of tasks, timers and redrives are fed to a new execution of the other definition, and the public
 * events that it decides are compared with the recorded ones: their types, the states' names, the tasks' resources. It
 * goes as far as the entry into the first state that now stands open, since from there on the definition is free to
 * differ: that is what a correction is for. Of every other open frame the state must be there, with the same type. Data
 * is not compared: what states gave each other stays as it was recorded.
 *
 * A history may be long, so it comes in pieces, twice, and is worked on for as long as the caller has time:
 *
 *     replay_new ─► replay_fold, each record ─► replay_begin ─► replay_add, each record ─► replay_run ─► ENDED
 *                                                                        ▲─────────────────── WANTS
 *                                                                                             MORE: replay_run again
 *
 * In memory are the two states, a byte for each event, and the records that were added and are not compared yet. */
#pragma once
#include "engine/core/core.h"

struct replay_result {
	bool compatible;
	uint64_t event_id; /* the first divergence; 0: it is no event's */
	char what[400];    /* in words */
};

struct replay;
/* `env` says whose it is and has the other program; what it points at must outlive the replay. Its time, seed and callbacks are
 * not used. */
struct replay *replay_new(const struct core_env *env);
void replay_free(struct replay *replay);

/* The records from number 0 on. ERR(CORRUPT), ERR(VERSION) if one cannot be read. */
int replay_fold(struct replay *replay, const struct record *record, struct wf_error *err);
/* All are folded. ERR(INVALID): it has not ended badly. */
int replay_begin(struct replay *replay, struct wf_error *err);

/* The same records once more; the record is copied. */
int replay_add(struct replay *replay, const struct record *record, struct wf_error *err);
enum replay_state {
	REPLAY_MORE,  /* about `events` were decided: it goes on with the next call */
	REPLAY_WANTS, /* further records */
	REPLAY_ENDED, /* the result is there */
};
/* `last`: no further records will come. A replay_state, or ERR(CORRUPT), ERR(VERSION). */
int replay_run(struct replay *replay, uint32_t events, bool last, struct wf_error *err);
/* Borrowed. */
const struct replay_result *replay_result(const struct replay *replay);
