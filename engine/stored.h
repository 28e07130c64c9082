/* stored.h: what the store keeps of an execution, as the interpreter reads it. */
#pragma once
#include "engine/core/core.h"
#include "engine/core/record.h"
#include "state-store/store.h"

/* The same bytes: borrowed as long as the store's are. */
static inline struct record stored_record(const struct store_record *stored)
{
	return (struct record){ .first_event_id = stored->first_event_id,
				.bytes = stored->bytes,
				.blobs = stored->blobs,
				.blobs_count = stored->blobs_count };
}

/* Folds the snapshot and the records behind it. The execution is the caller's to free, also after a failure, when it may be NULL. */
int stored_execution(const struct store_loaded *loaded, struct execution **ret_execution, struct wf_error *err);
