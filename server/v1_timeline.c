/* v1_timeline.c: an execution's visits of states over time, and a Map's items by concurrency slot: told by the fold, of which a page keeps
 * its own window. */
#include "base/mem.h"
#include "server/v1_folds.h"
#include <stdlib.h>

#define VISITS_MOST 5000
#define ITEMS_MOST 20000
#define SEGMENTS_MOST 64 /* of one visit; beyond it the last goes on */
#define SLOTS_MOST 131072 /* what runs beside so many others is shown in the last */

/* ---- visits --------------------------------------------------------------------------------------- */

struct segment {
	const char *kind;
	int64_t start_ms, stop_ms; /* stop_ms 0: goes on */
};

struct shown_visit {
	struct fold_visit visit;
	struct segment *segments;
	size_t segments_count, segments_capacity;
};

struct timeline {
	struct route_call *call;
	uint64_t first, limit; /* numbers of visits */
	struct shown_visit *visits;
	uint64_t seen; /* visits there are */
};

static struct shown_visit *shown(struct timeline *timeline, const struct fold_visit *visit)
{
	if (visit->number >= timeline->seen)
		timeline->seen = visit->number + 1;
	bool inside = visit->number >= timeline->first && visit->number - timeline->first < timeline->limit;
	return inside ? &timeline->visits[visit->number - timeline->first] : NULL;
}

static void close_segment(struct shown_visit *show, int64_t time_ms)
{
	struct segment *last = show->segments_count ? &show->segments[show->segments_count - 1] : NULL;
	if (last && !last->stop_ms)
		last->stop_ms = time_ms;
}

static void on_entered(void *data, const struct fold_visit *visit)
{
	struct timeline *timeline = data;
	struct shown_visit *show = shown(timeline, visit);
	if (!show)
		return;
	struct arena *arena = &timeline->call->arena;
	if (!show->visit.event) {
		show->visit = *visit;
		show->visit.state = arena_str(arena, visit->state);
		show->visit.path = arena_str(arena, visit->path);
	}
	show->visit.outcome = visit->outcome; /* redriven */
	show->visit.stop_ms = 0;
}

static void on_segment(void *data, const struct fold_visit *visit, const char *kind, int64_t time_ms)
{
	struct shown_visit *show = shown(data, visit);
	if (!show)
		return;
	show->visit.attempts = visit->attempts;
	struct segment *last = show->segments_count ? &show->segments[show->segments_count - 1] : NULL;
	if (last && last->start_ms == time_ms && !last->stop_ms) {
		last->kind = kind; /* one of no length is not shown */
		return;
	}
	if (show->segments_count == SEGMENTS_MOST)
		return;
	close_segment(show, time_ms);
	MEM_GROW(show->segments, show->segments_capacity, show->segments_count + 1);
	show->segments[show->segments_count++] = (struct segment){ kind, time_ms, 0 };
}

static void on_left(void *data, const struct fold_visit *visit)
{
	struct shown_visit *show = shown(data, visit);
	if (!show)
		return;
	show->visit.outcome = visit->outcome;
	show->visit.stop_ms = visit->stop_ms;
	show->visit.attempts = visit->attempts;
	close_segment(show, visit->stop_ms);
}

static void put_visit(const struct shown_visit *show, int64_t now_ms, struct buffer *out)
{
	const struct fold_visit *visit = &show->visit;
	buffer_byte(out, '{');
	api_put_number(out, "event", (int64_t)visit->event);
	api_put_text(out, "state", visit->state);
	if (visit->path.len)
		api_put_text(out, "path", visit->path);
	api_put_number(out, "start_ms", visit->start_ms);
	if (visit->stop_ms)
		api_put_number(out, "stop_ms", visit->stop_ms);
	api_put_text(out, "outcome", str_of(visit_outcome_name(visit->outcome)));
	if (visit->attempts)
		api_put_number(out, "attempts", visit->attempts);
	api_put_name(out, "segments");
	buffer_byte(out, '[');
	for (size_t i = 0; i < show->segments_count; i++)
		buffer_printf(out, "%s[\"%s\",%lld,%lld]", i ? "," : "", show->segments[i].kind,
			      (long long)show->segments[i].start_ms,
			      (long long)(show->segments[i].stop_ms ? show->segments[i].stop_ms : now_ms));
	buffer_addz(out, "]}");
}

static void on_folded(void *data, const struct engine_error *error, const struct fold *fold,
		      const struct execution_info *info)
{
	struct timeline *timeline = data;
	struct route_call *call = timeline->call;
	struct buffer *out = &call->out;
	if (!fold) {
		route_refuse_engine(call, error);
		return;
	}
	int64_t now_ms = engine_now_ms(call->engine);
	buffer_byte(out, '{');
	api_put_number(out, "origin_ms", fold_start_ms(fold));
	api_put_number(out, "now_ms", now_ms);
	api_put_number(out, "event", (int64_t)fold_last_event(fold));
	api_put_name(out, "visits");
	buffer_byte(out, '[');
	for (uint64_t i = 0; i < timeline->limit && timeline->first + i < timeline->seen; i++) {
		buffer_addz(out, i ? "," : "");
		put_visit(&timeline->visits[i], now_ms, out);
	}
	buffer_byte(out, ']');
	if (timeline->first + timeline->limit < timeline->seen)
		buffer_printf(out, ",\"next\":\"%llu\"", (unsigned long long)(timeline->first + timeline->limit));
	buffer_byte(out, '}');
	route_answer(call);
}

static void release_timeline(void *data)
{
	struct timeline *timeline = data;
	for (uint64_t i = 0; i < timeline->limit; i++)
		free(timeline->visits[i].segments);
	free(timeline->visits);
}

static uint64_t page_limit(struct route_call *call, int64_t otherwise, int64_t most)
{
	int64_t limit = route_query_number(call, "limit", otherwise);
	return (uint64_t)(limit < 1 ? 1 : limit > most ? most : limit);
}

static void answer_visits(struct route_call *call, uint64_t last)
{
	struct timeline *timeline = ARENA_NEW(&call->arena, struct timeline);
	int64_t cursor = route_query_number(call, "cursor", 0);
	struct str path = route_query(call, "path");
	*timeline = (struct timeline){ .call = call,
				       .first = cursor > 0 ? (uint64_t)cursor : 0,
				       .limit = page_limit(call, 1000, VISITS_MOST) };
	timeline->visits = mem_zalloc(timeline->limit * sizeof *timeline->visits);
	arena_on_reset(&call->arena, release_timeline, timeline);
	v1_fold(call, path.len ? path : STR_EMPTY, last,
		&(struct fold_observer){
		    .entered = on_entered, .segment = on_segment, .left = on_left, .data = timeline },
		on_folded, timeline);
}

/* ---- a Map's items ------------------------------------------------------------------------------------- */

struct shown_item {
	uint64_t index;
	uint32_t slot, retries;
	int64_t start_ms, stop_ms;
	enum visit_outcome outcome;
	char *error;
};

struct items {
	struct route_call *call;
	struct str map;
	uint64_t first, limit, seen;
	struct shown_item *items;
	struct u64_map numbers; /* frame → number of the item + 1, while it may end (again) */
	struct u64_map slot_of; /* frame → slot + 1 */
	uint64_t taken[SLOTS_MOST / 64]; /* a bit for each slot */
	uint32_t slots;                  /* that were ever taken */
};

static void *as_pointer(uint64_t number)
{
	return (void *)(uintptr_t)number;
}

/* The lowest that is free. */
static uint32_t take_slot(struct items *items)
{
	uint32_t word = 0, slot = SLOTS_MOST - 1;
	while (word < SLOTS_MOST / 64 && items->taken[word] == UINT64_MAX)
		word++;
	if (word < SLOTS_MOST / 64)
		slot = word * 64 + (uint32_t)__builtin_ctzll(~items->taken[word]);
	items->taken[slot / 64] |= 1ull << slot % 64;
	if (slot >= items->slots)
		items->slots = slot + 1;
	return slot;
}

static void on_item_started(void *data, const struct fold_item *item)
{
	struct items *items = data;
	if (!str_eq(item->map, items->map))
		return;
	uint64_t number = items->seen++;
	uint32_t slot = take_slot(items);
	u64_map_put(&items->slot_of, item->frame, as_pointer(slot + 1ull));
	if (number < items->first || number - items->first >= items->limit)
		return;
	u64_map_put(&items->numbers, item->frame, as_pointer(number - items->first + 1));
	items->items[number - items->first] = (struct shown_item){
		.index = item->index, .slot = slot, .start_ms = item->start_ms, .outcome = VISIT_RUNNING
	};
}

static void on_item_ended(void *data, const struct fold_item *item)
{
	struct items *items = data;
	if (!str_eq(item->map, items->map))
		return;
	uint64_t slot = (uintptr_t)u64_map_remove(&items->slot_of, item->frame); /* 0: it goes on, or ends again */
	if (slot)
		items->taken[(slot - 1) / 64] &= ~(1ull << (slot - 1) % 64);
	uintptr_t number = (uintptr_t)u64_map_get(&items->numbers, item->frame);
	if (!number)
		return;
	struct shown_item *show = &items->items[number - 1];
	show->outcome = item->outcome;
	show->stop_ms = item->stop_ms;
	show->retries = item->retries;
	free(show->error);
	show->error = item->error.len ? mem_strndup(item->error.ptr, item->error.len) : NULL;
}

static void on_items_folded(void *data, const struct engine_error *error, const struct fold *fold,
			    const struct execution_info *info)
{
	struct items *items = data;
	struct route_call *call = items->call;
	struct buffer *out = &call->out;
	if (!fold) {
		route_refuse_engine(call, error);
		return;
	}
	buffer_byte(out, '{');
	api_put_text(out, "map", items->map);
	api_put_number(out, "origin_ms", fold_start_ms(fold));
	api_put_number(out, "now_ms", engine_now_ms(call->engine));
	const struct fold_map *map = fold_find_map(fold, items->map), none = { 0 };
	if (!map)
		map = &none;
	api_put_number(out, "length", (int64_t)map->length);
	api_put_number(out, "slots", items->slots);
	api_put_number(out, "succeeded", (int64_t)map->succeeded);
	api_put_number(out, "failed", (int64_t)map->failed);
	api_put_number(out, "running", (int64_t)fold_map_running(map));
	api_put_name(out, "items");
	buffer_byte(out, '[');
	for (uint64_t i = 0; i < items->limit && items->first + i < items->seen; i++) {
		const struct shown_item *item = &items->items[i];
		buffer_printf(out, "%s[%llu,%u,%lld,%lld,\"%s\",%u", i ? "," : "", (unsigned long long)item->index,
			      item->slot, (long long)item->start_ms, (long long)item->stop_ms,
			      visit_outcome_name(item->outcome), item->retries);
		if (item->error) {
			buffer_byte(out, ',');
			value_write_string(str_of(item->error), out);
		}
		buffer_byte(out, ']');
	}
	buffer_byte(out, ']');
	if (items->first + items->limit < items->seen)
		buffer_printf(out, ",\"next\":\"%llu\"", (unsigned long long)(items->first + items->limit));
	buffer_byte(out, '}');
	route_answer(call);
}

static void release_items(void *data)
{
	struct items *items = data;
	for (uint64_t i = 0; i < items->limit; i++)
		free(items->items[i].error);
	free(items->items);
	u64_map_done(&items->numbers);
	u64_map_done(&items->slot_of);
}

static void answer_items(struct route_call *call, struct str map, uint64_t last)
{
	struct items *items = ARENA_NEW(&call->arena, struct items);
	int64_t cursor = route_query_number(call, "cursor", 0);
	*items = (struct items){ .call = call,
				 .map = map,
				 .first = cursor > 0 ? (uint64_t)cursor : 0,
				 .limit = page_limit(call, 10000, ITEMS_MOST) };
	items->items = mem_zalloc(items->limit * sizeof *items->items);
	arena_on_reset(&call->arena, release_items, items);
	v1_fold(call, STR_EMPTY, last,
		&(struct fold_observer){
		    .item_started = on_item_started, .item_ended = on_item_ended, .data = items },
		on_items_folded, items);
}

static void answer_timeline(struct route_call *call)
{
	struct str map = route_query(call, "map");
	int64_t event = route_query_number(call, "event", INT64_MAX);
	uint64_t last = event < 1 ? 1 : (uint64_t)event;
	if (map.len)
		answer_items(call, arena_str(&call->arena, map), last);
	else
		answer_visits(call, last);
}

const struct route routes_v1_timeline[] = {
	{ "GET", "/v1/executions/*/timeline", ROLE_READ, answer_timeline },
	{ 0 },
};
