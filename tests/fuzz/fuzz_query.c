/* Queries of the executions' list from anywhere: read, checked against a row, completed at every place. */
#include "search/query.h"
#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = { (const char *)data, size };
	struct arena arena = { 0 };
	struct search_query query;
	struct wf_error err = { 0 };
	size_t at, length;
	const struct search_row row = { .id = 1,
					.status = EXECUTION_FAILED_,
					.start_ms = 1000,
					.stop_ms = 5000,
					.name = STR("order-1"),
					.error = STR("Carrier.Late"),
					.state = STR("Ship") };
	if (search_query_parse(text, &arena, &query, &at, &length, &err) == 0) {
		assert(query.count <= QUERY_TERMS_MAX);
		search_query_fits(&query, &row, 10000);
	} else {
		assert(err.message[0] && at <= size && length <= size - at);
	}
	for (size_t caret = 0; caret <= size && caret < 256; caret++) {
		struct query_at place = search_query_at(text, caret);
		assert(place.from <= place.to && place.to <= size && place.prefix.len <= caret);
	}
	arena_done(&arena);
	return 0;
}
