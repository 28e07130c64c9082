/* function_events.h: events of functions that nobody waits for (InvocationType Event), as executions: what lets connectors/function
 * promise that an accepted event is on disk, is tried again, and can be found, repaired and sent on when it could not be handled. */
#pragma once
#include "connectors/function/function.h"
#include "engine/engine.h"

/* Outlives the functions. */
struct function_events *function_events_new(struct engine *engine);
/* After the engine, which calls nobody back when it ends: what was still being kept is let go here. Takes NULL. */
void function_events_free(struct function_events *events);
