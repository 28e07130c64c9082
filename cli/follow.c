/* follow.c: a history followed by polling (follow.h). Each poll reads the newest events first, until one that is known:
 * a long history is not read again and again. */
#include "cli/follow.h"
#include "base/clock.h"
#include "base/mem.h"
#include "cli/cli.h"
#include <stdlib.h>
#include <time.h>

#define POLL_MS_LEAST 50
#define POLL_MS_MOST 500
#define PATIENCE_MS 30000 /* for a server that restarts */

/* The member that holds an event's details: the one whose name ends in "EventDetails". */
static const struct value *details(const struct value *json)
{
	for (size_t i = 0; i < value_count(json); i++)
		if (str_ends(value_key_at(json, i), STR("EventDetails")))
			return value_at(json, i);
	return NULL;
}

static int64_t number(const struct value *json, const char *key)
{
	int64_t result = 0;
	const struct value *value = value_getz(json, key);
	if (value)
		value_int64(value, &result);
	return result;
}

struct tree_event follow_event(const struct value *json)
{
	const struct value *more = details(json), *timestamp = value_getz(json, "timestamp");
	return (struct tree_event){
		.type = cli_text(json, "type"),
		.id = (uint64_t)number(json, "id"),
		.previous_id = (uint64_t)number(json, "previousEventId"),
		.timestamp_ms = timestamp ? (int64_t)(value_number(timestamp) * 1000 + 0.5) : 0,
		.name = cli_text(more, "name"),
		.index = more ? (uint64_t)number(more, "index") : 0,
		.length = more ? (uint64_t)number(more, "length") : 0,
		.error = cli_text(more, "error"),
		.cause = cli_text(more, "cause"),
	};
}

int follow_read(struct client *client, const char *arn, struct tree *tree, uint64_t *after_id, bool *ret_ended,
		struct wf_error *err)
{
	struct value **pages = NULL;
	size_t pages_count = 0, pages_capacity = 0;
	_cleanup_free_ char *token = NULL;
	bool reached = false;
	int code = 0;

	do {
		_cleanup_(value_unrefp) struct value *request = value_new_object(5);
		value_object_setz(request, "executionArn", arn);
		value_object_take(request, STR("reverseOrder"), value_new_bool(true));
		value_object_take(request, STR("includeExecutionData"), value_new_bool(false));
		value_object_take(request, STR("maxResults"), value_from_int(*after_id ? 100 : 1000));
		if (token)
			value_object_setz(request, "nextToken", token);
		struct value *page = NULL;
		code = client_call(client, "GetExecutionHistory", request, &page, err);
		if (code)
			break;
		MEM_GROW(pages, pages_capacity, pages_count + 1);
		pages[pages_count++] = page;
		const struct value *events = value_getz(page, "events");
		size_t count = events ? value_count(events) : 0;
		reached = count == 0 || (uint64_t)number(value_at(events, count - 1), "id") <= *after_id + 1;
		free(token);
		struct str next = cli_text(page, "nextToken");
		token = next.len ? mem_strndup(next.ptr, next.len) : NULL;
	} while (token && !reached);

	for (size_t p = pages_count; p-- > 0;) {
		const struct value *events = value_getz(pages[p], "events");
		for (size_t i = events ? value_count(events) : 0; code == 0 && i-- > 0;) {
			struct tree_event event = follow_event(value_at(events, i));
			if (event.id <= *after_id)
				continue;
			tree_add(tree, &event);
			*after_id = event.id;
			*ret_ended = str_starts(event.type, STR("Execution")) &&
				     !str_eqz(event.type, "ExecutionStarted") &&
				     !str_eqz(event.type, "ExecutionRedriven");
		}
		value_unref(pages[p]);
	}
	free(pages);
	return code;
}

int follow_execution(struct client *client, const char *arn, struct tree *tree, struct wf_error *err)
{
	struct clock_source *clock = clock_system();
	uint64_t after = 0;
	bool ended = false;
	int pause_ms = POLL_MS_LEAST;
	int64_t heard_us = clock->monotonic_us(clock);

	for (;;) {
		uint64_t before = after;
		int code = follow_read(client, arn, tree, &after, &ended, err);
		int64_t now_us = clock->monotonic_us(clock);
		if (code != ERR(UNREACHABLE))
			heard_us = now_us;
		if (code && (code != ERR(UNREACHABLE) || now_us - heard_us > PATIENCE_MS * INT64_C(1000)))
			return code;
		if (ended)
			break;
		tree_draw(tree, clock->wall_ms(clock));
		pause_ms = after > before ? POLL_MS_LEAST : pause_ms * 2 > POLL_MS_MOST ? POLL_MS_MOST : pause_ms * 2;
		nanosleep(&(struct timespec){ .tv_nsec = pause_ms * 1000000L }, NULL);
	}
	tree_finish(tree, clock->wall_ms(clock));
	return 0;
}
