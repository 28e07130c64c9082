/* assemble.h: a whole engine from a configuration: loop, store, engine, connectors. Used by serve and run. */
#pragma once
#include "connectors/function/function.h"
#include "engine/engine.h"
#include "server/config.h"

struct assembly {
	struct loop *loop, *io; /* io: the connectors', with a thread of its own */
	struct store *store;
	struct engine *engine;
	struct logs *logs; /* NULL: executions are not logged */
	struct functions *functions;      /* of the engine's connectors */
	struct function_records *records; /* theirs */
	struct function_events *events;   /* theirs too */
	char *work;                       /* folder of work folders */
	char *scratch; /* a temporary folder of its own, removed at the end; NULL: none */
};

/* Opens the store, makes the engine and its connectors, begins recovery. SIGINT and SIGTERM call on_signal.
 * `time_scale` 1: real time. On failure nothing is left open. */
int assemble(struct assembly *assembly, const struct config *config, double time_scale,
	     void (*on_signal)(void *data, int signal), void *data, struct wf_error *err);
void assembly_done(struct assembly *assembly);
