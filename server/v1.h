/* v1.h: what the files of the console's API (v1_*.c, docs/console-api.md) share. */
#pragma once
#include "search/search.h"
#include "server/api.h"
#include "server/route.h"

#define V1_INLINE_BYTES 65536 /* a payload beyond it is asked for by itself */

/* The machine that a part of the path or a member names: by name, or by ARN, a version's too. NULL: the call is refused. */
const struct machine_info *v1_machine(struct route_call *call, struct str name);
/* The same, without refusing. */
const struct machine_info *v1_find_machine(struct route_call *call, struct str name);
/* An event as one JSON object: as GetExecutionHistory has it, with timestamp_ms, and state and path unless they are empty. */
void v1_put_event(const struct event *event, struct str state, struct str path, bool data, struct buffer *out);
/* A row of the executions' list as one JSON object. */
void v1_put_row(struct engine *engine, const struct search_row *row, struct buffer *out);
/* The member `name` with an execution's ARN; nothing if its machine is unknown. */
void v1_put_arn(struct engine *engine, const char *name, uint64_t machine, struct str execution, struct buffer *out);
/* Answers a start: 201 with arn, name and start_ms. `data` is the call. */
void v1_answer_started(void *data, const struct engine_error *error, const struct execution_info *execution);
/* The saved views of an access key that is no more. */
void v1_forget_views(struct engine *engine, struct str key_id);
/* The search file, or NULL after the call was refused. */
struct search *v1_search(struct route_call *call);
void v1_refuse_search(struct route_call *call, int code);
