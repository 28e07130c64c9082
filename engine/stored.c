/* stored.c: an execution from what the store keeps of it (stored.h). */
#include "engine/stored.h"

int stored_execution(const struct store_loaded *loaded, struct execution **ret_execution, struct wf_error *err)
{
	int r = 0;
	if (loaded->snapshot.bytes.len)
		r = execution_from_snapshot(loaded->snapshot.bytes, ret_execution, err);
	else
		*ret_execution = execution_new();
	for (uint32_t i = 0; r == 0 && i < loaded->records_count; i++) {
		struct record record = stored_record(&loaded->records[i]);
		r = execution_fold(*ret_execution, &record, err);
	}
	return r;
}
