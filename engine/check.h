/* check.h: whether a store holds what the engine would need to go on: for `ratchet check` and tests.
 *
 * Looks at everything, as of one moment, also while a server writes: the file's pages, the rows among each other (store_verify), the registry's items, and each
 * execution: that its records decode, that folding them from the start and from the snapshot gives the same state, that its row in the list and its
 * open row say what that state says, and that its state machine and definition are there. Nothing is changed. */
#pragma once
#include "base/error.h"
#include "state-store/store.h"

struct check_options {
	/* One thing that is wrong; `where` names it ("execution 1a2b, record 3"), empty: the file. May be NULL. */
	void (*problem)(void *data, const char *where, const char *what);
	void (*progress)(void *data, const char *stage, uint64_t done, uint64_t total); /* may be NULL; total 0: not known */
	void *data;
};
struct check_result {
	uint64_t problems; /* 0: all is well */
	uint64_t executions, open, records, events, payload_bytes, state_machines, revisions;
};

/* Blocking. Negative only if looking was not possible. */
int engine_check(struct store *store, const struct check_options *options, struct check_result *ret_result, struct wf_error *err);
