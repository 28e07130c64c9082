/* follow.h: watches an execution over the API until it ends, feeding a tree. */
#pragma once
#include "cli/client.h"
#include "cli/tree.h"

/* Reads the history from its beginning as it grows, adds every event to `tree`, redraws, until a terminal event. A
 * server that cannot be reached for a while (it may be started again) is waited for. 0, or a failed call's code. */
int follow_execution(struct client *client, const char *arn, struct tree *tree, struct wf_error *err);
/* Adds all events there are now. */
int follow_read(struct client *client, const char *arn, struct tree *tree, uint64_t *after_id, bool *ret_ended,
		struct wf_error *err);
/* An event as GetExecutionHistory gives it → a tree's event; its texts are borrowed from the JSON. */
struct tree_event follow_event(const struct value *json);
