/* live.c: the stream of changes (live.h). */
#include "server/live.h"
#include "base/mem.h"
#include "base/random.h"
#include "engine/dead_letters.h"
#include "engine/stored.h"
#include "search/fold.h"
#include "server/v1.h"
#include <stdlib.h>

struct message {
	uint64_t number;
	char *topic, *text;
	size_t length;
};

/* An execution that is watched, or its log. An execution's journal is folded, for only the fold knows to which state and branch
 * an event belongs; what was committed before the first record that is told here is read from the store. */
struct watched {
	struct engine_watcher watcher;
	struct live *live;
	char *topic;
	struct str arn; /* in it */
	unsigned listeners;
	uint64_t since;  /* what was told before this number is not in the ring */
	int64_t left_ms; /* when the last listener left */
	struct fold *fold;
	uint32_t first;     /* the record from which on events are told */
	uint32_t committed; /* records that are known to be there */
	uint32_t reading;   /* records that the read under way will reach at least: it must not be forgotten; 0: none */
	struct watched *next;
};

struct listener {
	struct live *live;
	struct route_stream *stream;
	struct arena *arena; /* the call's */
	const struct auth *auth; /* NULL: everybody may */
	struct auth_stay stay;
	bool ended; /* may not read any more */
	struct str topics[LIVE_TOPICS_MOST];
	unsigned topics_count;
	struct listener *next, **self;
};

struct live {
	struct engine *engine;
	uint64_t dead_letters; /* when the overview was last told */
	struct loop *loop;
	struct clock_source *clock;
	struct search *search;
	uint32_t epoch;
	uint64_t number; /* of the last message */
	struct message ring[LIVE_RING_MESSAGES];
	size_t ring_first, ring_count, ring_bytes;
	struct listener *listeners;
	unsigned listeners_count;
	struct watched *watched; /* newest first */
	unsigned watched_count;
	struct loop_timer beat, overview;
	bool draining, overview_due;
	int64_t overview_ms; /* told last */
	struct burst {
		int64_t second;
		unsigned count; /* in it */
		bool told;
	} rows, letters;
};

static int64_t now_ms(const struct live *live)
{
	return live->clock->monotonic_us(live->clock) / 1000;
}

/* ---- telling ------------------------------------------------------------------------------------ */

static void drop_oldest(struct live *live)
{
	struct message *message = &live->ring[live->ring_first];
	live->ring_bytes -= message->length;
	free(message->topic);
	free(message->text);
	*message = (struct message){ 0 };
	live->ring_first = (live->ring_first + 1) % LIVE_RING_MESSAGES;
	live->ring_count--;
}

static void remember(struct live *live, struct str topic, const struct buffer *text)
{
	while (live->ring_count && (live->ring_count == LIVE_RING_MESSAGES || live->ring_bytes + text->len > LIVE_RING_BYTES))
		drop_oldest(live);
	live->ring[(live->ring_first + live->ring_count++) % LIVE_RING_MESSAGES] =
	    (struct message){ live->number, mem_strndup(topic.ptr, topic.len), mem_strndup(text->data, text->len),
			      text->len };
	live->ring_bytes += text->len;
}

static bool listens(const struct listener *listener, struct str topic)
{
	for (unsigned i = 0; i < listener->topics_count; i++)
		if (str_eq(listener->topics[i], topic))
			return true;
	return false;
}

static void put_id(const struct live *live, struct buffer *out)
{
	buffer_printf(out, "id: %08x-%llu\n", live->epoch, (unsigned long long)live->number);
}

static void resync(struct listener *listener, const char *reason)
{
	_cleanup_(buffer_done) struct buffer text = { 0 };
	put_id(listener->live, &text);
	buffer_printf(&text, "event: resync\ndata: {\"reason\":\"%s\"}\n\n", reason);
	route_stream_write(listener->stream, buffer_str(&text));
}

static void give(struct listener *listener, struct str text)
{
	if (route_stream_waiting(listener->stream) > LIVE_WAITING_BYTES) {
		route_stream_drop(listener->stream);
		resync(listener, "slow");
	} else {
		route_stream_write(listener->stream, text);
	}
}

void live_tell(struct live *live, struct str topic, const char *event, struct str data)
{
	_cleanup_(buffer_done) struct buffer text = { 0 };
	if (live->draining)
		return;
	live->number++;
	put_id(live, &text);
	buffer_printf(&text, "event: %s\ndata: {\"topic\":", event);
	value_write_string(topic, &text);
	if (data.len) {
		buffer_byte(&text, ',');
		buffer_add(&text, data);
	}
	buffer_addz(&text, "}\n\n");
	remember(live, topic, &text);
	for (struct listener *listener = live->listeners; listener; listener = listener->next)
		if (!listener->ended && listens(listener, topic))
			give(listener, buffer_str(&text));
}

/* ---- the list and the overview -------------------------------------------------------------------- */

static void tell_overview(struct live *live)
{
	live->overview_due = false;
	live->overview_ms = now_ms(live);
	live->dead_letters = engine_dead_count(live->engine);
	live_tell(live, STR("overview"), "overview", STR_EMPTY);
}

static void on_overview(struct loop_timer *timer)
{
	tell_overview(timer->data);
}

/* At most once a second. */
static void overview_changes(struct live *live)
{
	int64_t since_ms = now_ms(live) - live->overview_ms;
	if (since_ms >= 1000) {
		tell_overview(live);
	} else if (!live->overview_due) {
		live->overview_due = true;
		loop_timer_set(live->loop, &live->overview, 1000 - since_ms);
	}
}

/* Nobody reads so many messages a second: who shows them is told once to fetch anew. False: more of this second are not told. */
static bool is_bearable(struct live *live, struct burst *burst, unsigned count, bool more, struct str topic)
{
	int64_t second = now_ms(live) / 1000;
	if (second != burst->second)
		*burst = (struct burst){ .second = second };
	burst->count += count;
	if (!more && burst->count <= LIVE_ROWS_A_SECOND)
		return true;
	if (!burst->told)
		live_tell(live, topic, "resync", STR("\"reason\":\"gap\""));
	burst->told = true;
	return false;
}

static void on_changed(void *data, const struct search_row *rows, uint32_t count, bool more)
{
	struct live *live = data;
	_cleanup_(buffer_done) struct buffer text = { 0 };
	bool bearable = is_bearable(live, &live->rows, count, more, STR("executions"));
	for (uint32_t i = 0; i < count && bearable; i++) {
		buffer_clear(&text);
		v1_put_row(live->engine, &rows[i], &text);
		live_tell(live, STR("executions"), "executions", str_sub(buffer_str(&text), 1, text.len - 2));
	}
	overview_changes(live);
}

static void on_dead_moved(void *data, const struct dead_moved *moved)
{
	struct live *live = data;
	_cleanup_(buffer_done) struct buffer text = { 0 };
	overview_changes(live);
	if (!is_bearable(live, &live->letters, 1, false, STR("dead-letters")))
		return;
	buffer_byte(&text, '{');
	if (moved->arn.len)
		api_put_text(&text, "arn", moved->arn);
	api_put_flag(&text, "entered", moved->move == DEAD_ENTERED);
	api_put_text(&text, "change", str_of(dead_move_name(moved->move)));
	api_put_number(&text, "count", (int64_t)moved->count);
	live_tell(live, STR("dead-letters"), "dead-letters", str_sub(buffer_str(&text), 1, text.len));
}

/* ---- executions that are watched --------------------------------------------------------------------- */

static void on_event(void *data, const struct event *event, struct str state, struct str path, const struct fold_visit *visit)
{
	struct watched *watched = data;
	_cleanup_(buffer_done) struct buffer text = { 0 };
	if (fold_next_record(watched->fold) < watched->first)
		return; /* before it was watched */
	buffer_addz(&text, "\"event\":");
	v1_put_event(event, state, path, false, &text);
	live_tell(watched->live, str_of(watched->topic), "execution", buffer_str(&text));
}

/* Its journal cannot be read or folded now: who listens must fetch, and the next record begins anew. */
static void lose(struct watched *watched)
{
	fold_free(TAKE(watched->fold));
	live_tell(watched->live, str_of(watched->topic), "resync", STR("\"reason\":\"gap\""));
}

static bool fold_stored(struct watched *watched, const struct store_record *stored)
{
	struct record record = stored_record(stored);
	return fold_record(watched->fold, stored->number, &record, UINT64_MAX) == 0;
}

static bool on_read_record(void *data, const struct execution_info *info, const struct store_record *stored)
{
	return fold_stored(data, stored);
}

static void on_read(void *data, const struct engine_error *error, const struct execution_info *info);

static void read_journal(struct watched *watched)
{
	watched->reading = watched->committed;
	engine_journal(watched->live->engine,
		       &(struct journal_request){ .execution_arn = watched->arn,
						  .first = fold_next_record(watched->fold),
						  .each = on_read_record },
		       on_read, watched);
}

/* What was committed while it was read may be missing still. */
static void on_read(void *data, const struct engine_error *error, const struct execution_info *info)
{
	struct watched *watched = data;
	uint32_t reached = fold_next_record(watched->fold), wanted = watched->reading;
	watched->reading = 0;
	if (error->code || reached < wanted)
		lose(watched);
	else if (reached < watched->committed)
		read_journal(watched);
}

static void on_record(struct engine_watcher *watcher, const struct store_record *stored)
{
	struct watched *watched = watcher->data;
	if (!stored->number && !watched->reading)
		fold_free(TAKE(watched->fold)); /* of one that had the same name and was purged */
	if (!watched->fold) {
		watched->fold = fold_new(STR_EMPTY);
		watched->first = stored->number;
		fold_observe(watched->fold,
			     &(struct fold_observer){ .event = on_event, .payloads = true, .data = watched });
	}
	watched->committed = stored->number + 1;
	if (watched->reading)
		return;
	if (fold_next_record(watched->fold) != stored->number)
		read_journal(watched);
	else if (!fold_stored(watched, stored))
		lose(watched);
}

static void on_log(struct engine_watcher *watcher, uint64_t task_id, uint64_t number, struct str line, double fraction)
{
	struct watched *watched = watcher->data;
	_cleanup_(buffer_done) struct buffer text = { 0 };
	buffer_byte(&text, '{');
	api_put_number(&text, "task", (int64_t)task_id);
	if (number) {
		api_put_number(&text, "number", (int64_t)number);
		api_put_text(&text, "line", line);
	}
	if (fraction >= 0)
		buffer_printf(&text, ",\"progress\":%.4f", fraction);
	live_tell(watched->live, str_of(watched->topic), "log", str_sub(buffer_str(&text), 1, text.len));
}

static void forget(struct live *live, struct watched **place)
{
	struct watched *watched = *place;
	*place = watched->next;
	live->watched_count--;
	engine_unwatch(live->engine, &watched->watcher);
	fold_free(watched->fold);
	free(watched->topic);
	free(watched);
}

/* Makes room: the one that was begun longest ago of those to which nobody listens. */
static bool forget_one(struct live *live)
{
	struct watched **oldest = NULL;
	for (struct watched **place = &live->watched; *place; place = &(*place)->next)
		if (!(*place)->listeners && !(*place)->reading)
			oldest = place;
	if (oldest)
		forget(live, oldest);
	return oldest;
}

/* The topic of an execution, watched from now on if it was not; NULL: it names none. */
static struct watched *watch(struct live *live, struct str topic)
{
	bool log = str_starts(topic, STR("log:"));
	for (struct watched *watched = live->watched; watched; watched = watched->next)
		if (str_eqz(topic, watched->topic))
			return watched;
	if (live->watched_count == LIVE_WATCHED_MOST && !forget_one(live))
		return NULL;
	struct watched *watched = NEW(struct watched);
	watched->live = live;
	watched->topic = mem_strndup(topic.ptr, topic.len);
	watched->arn = str_sub(str_of(watched->topic), log ? 4 : 10, topic.len);
	watched->since = live->number;
	watched->watcher = (struct engine_watcher){ .record = log ? NULL : on_record, .log = log ? on_log : NULL, .data = watched };
	if (engine_watch(live->engine, watched->arn, &watched->watcher) != 0) {
		free(watched->topic);
		free(watched);
		return NULL;
	}
	watched->next = live->watched;
	live->watched = watched;
	live->watched_count++;
	return watched;
}

static bool is_watched(struct str topic)
{
	return str_starts(topic, STR("execution:")) || str_starts(topic, STR("log:"));
}

static void count_listener(struct live *live, const struct listener *listener, int by)
{
	for (unsigned i = 0; i < listener->topics_count; i++) {
		struct watched *watched = is_watched(listener->topics[i]) ? watch(live, listener->topics[i]) : NULL;
		if (!watched)
			continue;
		watched->listeners = (unsigned)((int)watched->listeners + by);
		watched->left_ms = now_ms(live);
	}
}

/* ---- listeners ------------------------------------------------------------------------------------------ */

static void on_beat(struct loop_timer *timer)
{
	struct live *live = timer->data;
	struct listener *next;
	for (struct listener *listener = live->listeners; listener; listener = next) {
		next = listener->next;
		listener->ended |= listener->auth && !auth_stays(listener->auth, &listener->stay);
		if (listener->ended) {
			route_stream_drop(listener->stream);
			route_stream_end(listener->stream);
		} else {
			route_stream_write(listener->stream, STR(": still here\n\n"));
		}
	}
	if (engine_dead_count(live->engine) != live->dead_letters)
		tell_overview(live); /* executions were purged with their letters */
	for (struct watched **place = &live->watched; *place;)
		if (!(*place)->listeners && !(*place)->reading && now_ms(live) - (*place)->left_ms > LIVE_LINGER_MS)
			forget(live, place);
		else
			place = &(*place)->next;
	loop_timer_set(live->loop, &live->beat, LIVE_HEARTBEAT_MS);
}

static void on_closed(void *data)
{
	struct listener *listener = data;
	struct live *live = listener->live;
	*listener->self = listener->next;
	if (listener->next)
		listener->next->self = listener->self;
	live->listeners_count--;
	count_listener(live, listener, -1);
}

/* "EPOCH-NUMBER". */
static bool read_id(struct str text, uint32_t *ret_epoch, uint64_t *ret_number)
{
	char *end;
	if (text.len < 10 || text.len > 40 || text.ptr[8] != '-')
		return false;
	*ret_epoch = (uint32_t)strtoul(text.ptr, &end, 16);
	if (end != text.ptr + 8)
		return false;
	*ret_number = strtoull(text.ptr + 9, &end, 10);
	return end == text.ptr + text.len;
}

/* Whether everything that the listener's topics were told behind a number is in the ring. */
static bool is_whole(const struct live *live, const struct listener *listener, uint64_t number)
{
	uint64_t oldest = live->ring_count ? live->ring[live->ring_first].number : live->number + 1;
	if (number > live->number || number + 1 < oldest)
		return false;
	for (const struct watched *watched = live->watched; watched; watched = watched->next)
		if (watched->since > number && listens(listener, str_of(watched->topic)))
			return false;
	return true;
}

/* What it has missed, or that it must fetch anew. */
static void take_up(struct live *live, struct listener *listener, struct str last)
{
	uint32_t epoch;
	uint64_t number;
	if (!last.len)
		return;
	if (!read_id(last, &epoch, &number) || epoch != live->epoch) {
		resync(listener, "restart");
		return;
	}
	if (!is_whole(live, listener, number)) {
		resync(listener, "gap");
		return;
	}
	for (size_t i = 0; i < live->ring_count; i++) {
		const struct message *message = &live->ring[(live->ring_first + i) % LIVE_RING_MESSAGES];
		if (message->number > number && listens(listener, str_of(message->topic)))
			give(listener, (struct str){ message->text, message->length });
	}
}

static bool read_topics(struct listener *listener, struct str topics)
{
	static const char *const plain[] = { "overview", "executions", "dead-letters" };
	for (size_t at = 0; at < topics.len;) {
		const char *comma = memchr(topics.ptr + at, ',', topics.len - at);
		struct str topic = { topics.ptr + at, comma ? (size_t)(comma - topics.ptr) - at : topics.len - at };
		bool known = is_watched(topic);
		at += topic.len + 1;
		if (!topic.len)
			continue;
		for (unsigned i = 0; i < sizeof plain / sizeof plain[0]; i++)
			known |= str_eqz(topic, plain[i]);
		if (!known || listener->topics_count == LIVE_TOPICS_MOST)
			return false;
		listener->topics[listener->topics_count++] = arena_str(listener->arena, topic);
	}
	return listener->topics_count;
}

/* From the first on each topic counts its listener, so that none is forgotten to make room for the next. False: the call is refused. */
static bool watch_topics(struct live *live, struct route_call *call, struct listener *listener)
{
	for (unsigned i = 0; i < listener->topics_count; i++) {
		struct str topic = listener->topics[i];
		struct watched *watched = is_watched(topic) ? watch(live, topic) : NULL;
		if (watched)
			watched->listeners++;
		if (watched || !is_watched(topic))
			continue;
		listener->topics_count = i;
		count_listener(live, listener, -1);
		if (live->watched_count == LIVE_WATCHED_MOST)
			route_refuse(call, 503, "ServiceUnavailable", "%d executions are watched already", LIVE_WATCHED_MOST);
		else
			route_refuse(call, 400, "InvalidTopics", "'%.*s' names no execution", STR_FMT(topic));
		return false;
	}
	return true;
}

void live_listen(struct live *live, struct route_call *call, struct str topics, struct str last)
{
	struct listener *listener = ARENA_NEW(&call->arena, struct listener);
	listener->live = live;
	listener->arena = &call->arena;
	listener->auth = call->services->auth;
	listener->stay = auth_stay_of(&call->identity);
	if (live->draining || live->listeners_count >= LIVE_LISTENERS_MOST) {
		route_refuse(call, 503, "ServiceUnavailable", live->draining ? "the server is ending" : "there are %d streams already",
			     LIVE_LISTENERS_MOST);
		return;
	}
	if (!read_topics(listener, topics)) {
		route_refuse(call, 400, "InvalidTopics",
			     "topics are overview, executions, dead-letters, execution:ARN and log:ARN, %d at most", LIVE_TOPICS_MOST);
		return;
	}
	if (!watch_topics(live, call, listener))
		return;
	call->type = "text/event-stream";
	route_header(call, "X-Accel-Buffering", "no");
	listener->stream = route_stream_begin(call, on_closed, listener);
	listener->next = live->listeners;
	listener->self = &live->listeners;
	if (listener->next)
		listener->next->self = &listener->next;
	live->listeners = listener;
	live->listeners_count++;
	_cleanup_(buffer_done) struct buffer hello = { 0 };
	buffer_addz(&hello, "retry: 1000\n: hello\n");
	if (!last.len)
		put_id(live, &hello);
	buffer_byte(&hello, '\n');
	route_stream_write(listener->stream, buffer_str(&hello));
	take_up(live, listener, last);
}

/* ---- life ------------------------------------------------------------------------------------------------ */

struct live *live_new(const struct live_options *options)
{
	struct live *live = NEW(struct live);
	live->engine = options->engine;
	live->loop = options->loop;
	live->clock = options->clock;
	live->search = options->search;
	random_secure(&live->epoch, sizeof live->epoch);
	live->beat = (struct loop_timer){ .callback = on_beat, .data = live };
	live->overview = (struct loop_timer){ .callback = on_overview, .data = live };
	loop_timer_set(live->loop, &live->beat, LIVE_HEARTBEAT_MS);
	engine_on_dead_moved(live->engine, on_dead_moved, live);
	if (live->search)
		search_on_change(live->search, on_changed, live);
	return live;
}

void live_drain(struct live *live)
{
	live->draining = true;
	for (struct listener *listener = live->listeners; listener; listener = listener->next)
		route_stream_end(listener->stream);
}

void live_free(struct live *live)
{
	if (!live)
		return;
	engine_on_dead_moved(live->engine, NULL, NULL);
	if (live->search)
		search_on_change(live->search, NULL, NULL);
	while (live->watched)
		forget(live, &live->watched);
	while (live->ring_count)
		drop_oldest(live);
	loop_timer_clear(live->loop, &live->beat);
	loop_timer_clear(live->loop, &live->overview);
	free(live);
}
