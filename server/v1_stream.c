/* v1_stream.c: /v1/events: the stream of changes as server-sent events (live.h), and a task's log, whose new lines come by it. */
#include "server/live.h"
#include "server/v1.h"

static void listen_to(struct route_call *call)
{
	const char *last = call->header(call, "Last-Event-ID");
	struct str topics = route_query(call, "topics");
	live_listen(call->services->live, call, topics.ptr ? topics : STR_EMPTY,
		    last ? str_of(last) : route_query(call, "last"));
}

static void answer_log(struct route_call *call)
{
	int64_t task = route_query_number(call, "task", 0);
	uint64_t lines;
	struct str log = engine_task_log(call->engine, call->parts[0], (uint64_t)task, &lines);
	buffer_byte(&call->out, '{');
	api_put_number(&call->out, "task", task);
	api_put_text(&call->out, "log", log);
	api_put_number(&call->out, "number", (int64_t)lines);
	buffer_byte(&call->out, '}');
	route_answer(call);
}

const struct route routes_v1_stream[] = {
	{ "GET", "/v1/events", ROLE_READ, listen_to },
	{ "GET", "/v1/executions/*/log", ROLE_READ, answer_log },
	{ 0 },
};
