/* live.h: what changes, told to who listens: topics, a bounded ring of what was told, and listeners who may come back.
 *
 *     search rows changed  ──► overview, executions   ─┐
 *     dead letters moved   ──► overview, dead-letters ─┤
 *     engine's watchers    ──► execution:ARN, log:ARN ─┴─► ring ─► listeners
 *
 * Every message has the next number of one sequence, whose epoch is new with each process. A listener that comes back says the
 * last number it has seen: it gets what was told since, or `resync` when that is not known any more. One that does not
 * keep up is told `resync` and loses what waited for it: memory is bounded by the ring, by LIVE_WAITING_BYTES a
 * listener, and by their number. Everything happens on the loop's thread. */
#pragma once
#include "search/search.h"
#include "server/route.h"

enum {
	LIVE_LISTENERS_MOST = 256,
	LIVE_TOPICS_MOST = 32, /* of one listener */
	LIVE_RING_MESSAGES = 4096,
	LIVE_RING_BYTES = 8 << 20,
	LIVE_WAITING_BYTES = 1 << 20,
	LIVE_ROWS_A_SECOND = 200, /* of the topic executions, and of dead-letters; more are one resync */
	LIVE_HEARTBEAT_MS = 15000, /* and whoever may not read any more is let go */
	LIVE_WATCHED_MOST = 10000, /* executions and logs, those included that linger */
	LIVE_LINGER_MS = 60000, /* an execution is watched on so long after its last listener has gone */
};

struct live;

struct live_options {
	struct engine *engine;
	struct loop *loop;
	struct clock_source *clock;
	struct search *search; /* NULL: none; then there is nothing to tell of overview and executions */
};
struct live *live_new(const struct live_options *options);
/* Ends every stream; none begins any more. */
void live_drain(struct live *live);
/* Behind the end of all streams, before the engine's. NULL is fine. */
void live_free(struct live *live);

/* Makes the call a stream of these topics (a comma between them), from behind `last` on ("EPOCH-NUMBER"; empty: from now on);
 * or refuses it. */
void live_listen(struct live *live, struct route_call *call, struct str topics, struct str last);
/* Tells the listeners of a topic. `data` are the members of an object behind "topic", without braces; may be empty. */
void live_tell(struct live *live, struct str topic, const char *event, struct str data);
