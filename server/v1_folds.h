/* v1_folds.h: executions folded to one of their events, for the console: the last few folds are kept, and go on from where
 * they stand when a later event is asked for. */
#pragma once
#include "search/fold.h"
#include "server/v1.h"

/* `fold` NULL: `error` says why. `info` is what the row says. Borrowed for the call. */
typedef void v1_folded_fn(void *data, const struct engine_error *error, const struct fold *fold,
			  const struct execution_info *info);
/* Folds call->parts[0] up to the public event `last` (UINT64_MAX: all there are), as `path` wants it; then `done`, later.
 * What the observer is told begins with the first event: a fold with an observer is never a kept one. */
void v1_fold(struct route_call *call, struct str path, uint64_t last, const struct fold_observer *observer,
	     v1_folded_fn *done, void *data);
void v1_folds_free(struct v1_folds *folds);
