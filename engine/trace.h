/* trace.h: W3C trace context and X-Ray's trace header, as far as an execution hands them on: it keeps the trace that its start came with,
 * and every task goes out as a child span of it, whose id is derived from the task's key: the same when recovery runs it again. Pure. */
#pragma once
#include "base/arena.h"
#include "connectors/connector.h"

/* "00-" 32 "-" 16 "-" 2. A text of another form, with capital letters, or with an id of zeros is none: W3C says to go on as if it were
 * not there. Returns the text in version 00 (in the arena), or the empty str. */
#define TRACE_PARENT_LENGTH 55
struct str trace_parent_read(struct arena *arena, struct str header);
/* The same trace from "Root=1-8hex-24hex;Parent=16hex;Sampled=1", X-Ray's form. */
struct str trace_parent_from_xray(struct arena *arena, struct str header);
/* The traceparent of a task whose execution has this one (empty: empty). */
struct str trace_parent_of_task(struct arena *arena, struct str parent, struct task_key key);
