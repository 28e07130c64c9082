/* replay.h: would a history have gone the same way under another definition?
 *
 * The recorded answers of tasks, timers and redrives are fed to a new execution of the other definition, and the public
 * events that it decides are compared with the recorded ones: their types, the states' names, the tasks' resources. It
 * goes as far as the entry into the first state that now stands open, since from there on the definition is free to
 * differ: that is what a correction is for. Of every other open frame the state must be there, with the same type. Data
 * is not compared: what states gave each other stays as it was recorded. */
#pragma once
#include "engine/core/core.h"

struct replay_result {
	bool compatible;
	uint64_t event_id; /* the first divergence; 0: it is no event's */
	char what[400];    /* in words */
};

/* `execution` has ended and is the fold of `records`, all from number 0 on; it is not changed. `env` says whose it is
 * and has the other program; its time, seed and callbacks are not used. ERR(CORRUPT), ERR(VERSION) if the records
 * cannot be read. */
int core_replay(const struct execution *execution, const struct record *records, uint32_t count,
		const struct core_env *env, struct replay_result *ret_result, struct wf_error *err);
