/* outcome.h: a task's result in the making, the same for every connector. A zeroed struct outcome is an empty one. */
#pragma once
#include "base/map.h"
#include "connectors/connector.h"

struct outcome {
	struct task_result result;
	struct buffer error, cause; /* what result.error and result.cause will be */
};

/* It succeeded; takes over the reference. */
void outcome_succeeded(struct outcome *outcome, struct value *output);
/* It failed in that way, with that error; the cause is for the caller to write. Replaces an error that is there. */
void outcome_failed(struct outcome *outcome, enum task_end end, struct str error);
/* Tells the host and releases the outcome. */
void outcome_report(struct outcome *outcome, struct connector_host *host, struct task_key key);

/* Whether a line that a task printed is {"progress": 0.5}, which is for the host and not for people. The fraction is from 0 to 1, or
 * -1 if the number is none. */
bool progress_line(struct str line, double *ret_fraction);

/* A task's key as the key of a str_map. */
static inline struct str task_key_str(const struct task_key *key)
{
	return (struct str){ (const char *)key, sizeof *key };
}
