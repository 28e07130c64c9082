/* fuzz_record.c: stored bytes are as hostile as any: records that are folded, and snapshots that are read, folded upon
 * and written again. */
#include "base/mem.h"
#include "engine/core/core.h"
#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void walk(const struct execution *execution)
{
	_cleanup_(buffer_done) struct buffer first = { 0 }, second = { 0 };
	struct execution *again = NULL;
	struct str error, cause;
	execution_snapshot(execution, &first);
	execution_error(execution, &error, &cause);
	execution_memory_bytes(execution);
	execution_tasks_in_flight(execution);
	execution_wake_ms(execution);
	/* What was folded or read from hostile bytes is still a state: its own snapshot reads back, and is canonical.
	 */
	if (execution_from_snapshot(buffer_str(&first), &again, NULL) < 0)
		return;
	execution_snapshot(again, &second);
	assert(str_eq(buffer_str(&first), buffer_str(&second)));
	execution_free(again);
}

static void print_events(const struct record *record)
{
	_cleanup_(arena_done) struct arena arena = { 0 };
	_cleanup_(buffer_done) struct buffer out = { 0 };
	struct record_reader reader;
	struct event event;
	if (record_open(record, &arena, &reader, NULL) < 0)
		return;
	while (record_next(&reader, &event, NULL) > 0)
		if (event.id)
			history_event_json(&event, true, &out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	/* The first byte says how long the snapshot is; what follows it are records, each with its length before it. */
	size_t split = data[0] * (size - 1) / 255;
	struct execution *execution = NULL;
	if (execution_from_snapshot((struct str){ (const char *)data + 1, split }, &execution, NULL) < 0)
		execution = execution_new();
	struct str rest = { (const char *)data + 1 + split, size - 1 - split };
	while (rest.len) {
		size_t len = (unsigned char)rest.ptr[0];
		struct record record = { .bytes = str_sub(rest, 1, len ? len : rest.len) };
		rest = str_sub(rest, 1 + record.bytes.len, rest.len);
		print_events(&record);
		if (execution_fold(execution, &record, NULL) < 0) {
			execution_free(execution);
			return 0;
		}
	}
	walk(execution);
	execution_free(execution);
	return 0;
}
