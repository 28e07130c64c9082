/* fold.c: events folded into counts by state (fold.h).
 *
 * Frames are followed as the journal opens and closes them; each is in at most one visit. What is counted of a visit moves
 * from one counter to another, so their sum never changes. */
#include "search/fold.h"
#include "base/mem.h"
#include "value/value.h"
#include <stdlib.h>

struct frame {
	uint32_t id;
	uint64_t index;
	struct frame *parent, *first_child, *previous, *next; /* next: of its siblings */
	char *path;                    /* "Outer[1]/Inner[4]"; "" for the root */
	bool inside;                   /* of the path that is folded */
	bool item, ended;              /* an iteration; it was told as ended (a redrive may open it again) */
	int64_t start_ms;
	struct fold_state *state;      /* of the visit; NULL: none yet */
	const struct fold_state *from; /* the state left last */
	bool from_caught, failing;
	uint32_t retries;              /* in it and below, for an iteration */
	struct fold_visit visit;       /* outcome NONE: in no state */
};

struct edge {
	const struct fold_state *from, *to;
	bool caught;
	uint64_t count;
};

struct fold {
	struct str path;
	char *path_text;
	struct fold_observer observer;
	struct frame root;
	struct u64_map frames; /* all but the root */
	struct str_map states, maps, edges;
	struct fold_state **states_order;
	size_t states_count, states_capacity;
	uint64_t last, visits;
	int64_t time_ms, start_ms;
	uint32_t record;        /* being folded */
	uint32_t next_record;
	uint32_t record_events; /* of `next_record`, private ones too, that are folded */
	enum execution_status status;
	bool started;
	char *rerun_reason, *rerun_state; /* NULL: it began at StartAt */
	/* the last failure that nothing has taken back */
	bool has_failure;
	uint32_t failure_frame;
	const struct fold_state *failure_state;
	uint64_t failure_event;
	uint32_t failure_attempts;
};

const char *visit_outcome_name(enum visit_outcome outcome)
{
	static const char *const names[] = { "none", "running", "succeeded", "caught", "failed", "aborted" };
	return names[outcome];
}

/* ---- life --------------------------------------------------------------------------------------- */

struct fold *fold_new(struct str path)
{
	struct fold *fold = NEW(struct fold);
	fold->path_text = mem_strndup(path.ptr, path.len);
	fold->path = (struct str){ fold->path_text, path.len };
	fold->root.path = mem_strdup("");
	fold->root.inside = !path.len;
	return fold;
}

static void free_values(struct str_map *map)
{
	size_t i = 0;
	for (struct str_map_entry *entry; (entry = str_map_next(map, &i));)
		free(entry->value);
	str_map_done(map);
}

void fold_free(struct fold *fold)
{
	if (!fold)
		return;
	size_t i = 0;
	for (struct u64_map_entry *entry; (entry = u64_map_next(&fold->frames, &i));) {
		struct frame *frame = entry->value;
		free(frame->path);
		free(frame);
	}
	u64_map_done(&fold->frames);
	for (size_t s = 0; s < fold->states_count; s++) {
		free((char *)fold->states_order[s]->name.ptr);
		free(fold->states_order[s]->error);
	}
	free(fold->states_order);
	free_values(&fold->states);
	free_values(&fold->maps);
	free_values(&fold->edges);
	free(fold->root.path);
	free(fold->path_text);
	free(fold->rerun_reason);
	free(fold->rerun_state);
	free(fold);
}

void fold_observe(struct fold *fold, const struct fold_observer *observer)
{
	fold->observer = *observer;
}

/* ---- frames ---------------------------------------------------------------------------------------- */

static struct frame *frame_of(struct fold *fold, uint32_t id)
{
	return id ? u64_map_get(&fold->frames, id) : &fold->root;
}

static bool is_inside(const struct fold *fold, const char *path)
{
	struct str text = str_of(path);
	return !fold->path.len || (str_starts(text, fold->path) &&
				   (text.len == fold->path.len || text.ptr[fold->path.len] == '/'));
}

static struct frame *frame_open(struct fold *fold, struct frame *parent, const struct event *event)
{
	struct frame *frame = NEW(struct frame);
	frame->id = event->frame;
	frame->index = event->index;
	frame->parent = parent;
	frame->start_ms = event->timestamp_ms;
	frame->path = mem_printf("%s%s%.*s[%llu]", parent->path, *parent->path ? "/" : "",
				 STR_FMT(parent->state ? parent->state->name : STR_EMPTY),
				 (unsigned long long)event->index);
	frame->inside = is_inside(fold, frame->path);
	frame->next = parent->first_child;
	if (frame->next)
		frame->next->previous = frame;
	parent->first_child = frame;
	struct frame *old = u64_map_put(&fold->frames, frame->id, frame);
	if (old) { /* cannot follow, and must not leak */
		free(old->path);
		free(old);
	}
	return frame;
}

/* The next of a subtree, parents first. */
static struct frame *walk(const struct frame *top, struct frame *frame)
{
	if (frame->first_child)
		return frame->first_child;
	while (frame != top && !frame->next)
		frame = frame->parent;
	return frame == top ? NULL : frame->next;
}

static struct fold_visit *told_visit(struct frame *frame)
{
	frame->visit.path = str_of(frame->path);
	return &frame->visit;
}

/* What became of the frame's visit. */
static void settle(struct fold *fold, struct frame *frame, enum visit_outcome outcome, const struct event *event)
{
	struct fold_visit *visit = &frame->visit;
	struct fold_state *state = frame->state;
	if (visit->outcome != VISIT_RUNNING || !state)
		return;
	visit->outcome = outcome;
	visit->stop_ms = event->timestamp_ms;
	visit->exit_event = fold->last;
	visit->exit_record = fold->record;
	if (!frame->inside)
		return;
	state->running--;
	uint64_t *const counters[] = { [VISIT_SUCCEEDED] = &state->succeeded,
				       [VISIT_CAUGHT] = &state->caught,
				       [VISIT_FAILED] = &state->failed,
				       [VISIT_ABORTED] = &state->aborted };
	++*counters[outcome];
	state->last_ms = event->timestamp_ms;
	if (fold->observer.left)
		fold->observer.left(fold->observer.data, told_visit(frame));
}

static struct fold_map *map_of(struct fold *fold, const struct frame *parent)
{
	if (!parent->state)
		return NULL;
	struct fold_map *map = str_map_get(&fold->maps, parent->state->name);
	if (!map) {
		map = NEW(struct fold_map);
		map->name = parent->state->name;
		str_map_put(&fold->maps, map->name, map);
	}
	return map;
}

/* It has ended, or goes on. */
static void tell_item(struct fold *fold, const struct frame *frame, const struct fold_map *map, enum visit_outcome outcome,
		      const struct event *event)
{
	bool failed = outcome == VISIT_FAILED && (event->fields & FIELD_ERROR);
	if (fold->observer.item_ended)
		fold->observer.item_ended(fold->observer.data,
					  &(struct fold_item){ .frame = frame->id,
							       .map = map->name,
							       .index = frame->index,
							       .start_ms = frame->start_ms,
							       .stop_ms = outcome == VISIT_RUNNING ? 0 : event->timestamp_ms,
							       .outcome = outcome,
							       .retries = frame->retries,
							       .error = failed ? event->error : STR_EMPTY });
}

static void item_ends(struct fold *fold, struct frame *frame, enum visit_outcome outcome, const struct event *event)
{
	if (!frame->item || frame->ended || !frame->parent)
		return;
	frame->ended = true;
	struct fold_map *map = frame->inside ? map_of(fold, frame->parent) : NULL;
	if (!map)
		return;
	if (outcome == VISIT_SUCCEEDED)
		map->succeeded++;
	else if (outcome == VISIT_FAILED)
		map->failed++;
	else
		map->aborted++;
	tell_item(fold, frame, map, outcome, event);
}

/* Whatever runs in a subtree has been cut off. */
static void abort_below(struct fold *fold, struct frame *top, const struct event *event)
{
	for (struct frame *frame = top; frame; frame = walk(top, frame)) {
		settle(fold, frame, VISIT_ABORTED, event);
		item_ends(fold, frame, VISIT_ABORTED, event);
	}
}

/* Takes a child and all below it away: the last one first. */
static void frame_close(struct fold *fold, struct frame *top, const struct event *event)
{
	abort_below(fold, top, event);
	struct frame *frame = top;
	for (bool last = false; !last;) {
		while (frame->first_child)
			frame = frame->first_child;
		last = frame == top;
		struct frame *parent = frame->parent;
		if (frame->next)
			frame->next->previous = frame->previous;
		if (frame->previous)
			frame->previous->next = frame->next;
		else
			parent->first_child = frame->next;
		u64_map_remove(&fold->frames, frame->id);
		free(frame->path);
		free(frame);
		frame = parent;
	}
}

static void close_children(struct fold *fold, struct frame *frame, const struct event *event)
{
	while (frame->first_child)
		frame_close(fold, frame->first_child, event);
}

/* ---- states -------------------------------------------------------------------------------------------- */

static struct fold_state *state_of(struct fold *fold, struct str name)
{
	struct fold_state *state = str_map_get(&fold->states, name);
	if (!state) {
		state = NEW(struct fold_state);
		state->name = (struct str){ mem_strndup(name.ptr, name.len), name.len };
		str_map_put(&fold->states, name, state);
		MEM_GROW(fold->states_order, fold->states_capacity, fold->states_count + 1);
		fold->states_order[fold->states_count++] = state;
	}
	return state;
}

static void count_edge(struct fold *fold, const struct frame *frame)
{
	struct {
		const struct fold_state *from, *to;
		uintptr_t caught;
	} key = { frame->from, frame->state, frame->from_caught };
	struct str bytes = { (const char *)&key, sizeof key };
	struct edge *edge = str_map_get(&fold->edges, bytes);
	if (!edge) {
		edge = NEW(struct edge);
		*edge = (struct edge){ key.from, key.to, frame->from_caught, 0 };
		str_map_put(&fold->edges, bytes, edge);
	}
	edge->count++;
}

static void segment(struct fold *fold, struct frame *frame, const char *kind, int64_t time_ms)
{
	if (frame->inside && frame->visit.outcome == VISIT_RUNNING && fold->observer.segment)
		fold->observer.segment(fold->observer.data, told_visit(frame), kind, time_ms);
}

static void enter(struct fold *fold, struct frame *frame, const struct event *event)
{
	struct fold_state *state = state_of(fold, event->name);
	frame->state = state;
	frame->failing = false;
	frame->visit = (struct fold_visit){ .event = event->id,
					    .record = fold->record,
					    .frame = frame->id,
					    .state = state->name,
					    .start_ms = event->timestamp_ms,
					    .outcome = VISIT_RUNNING };
	if (!frame->inside)
		return;
	frame->visit.number = fold->visits++;
	if (!state->entered++)
		state->first_ms = event->timestamp_ms;
	state->running++;
	state->event = event->id;
	state->last_ms = event->timestamp_ms;
	count_edge(fold, frame);
	if (fold->observer.entered)
		fold->observer.entered(fold->observer.data, told_visit(frame));
	segment(fold, frame, "run", event->timestamp_ms);
}

static void leave(struct fold *fold, struct frame *frame, const struct event *event)
{
	bool caught = frame->failing;
	settle(fold, frame, caught ? VISIT_CAUGHT : VISIT_SUCCEEDED, event);
	close_children(fold, frame, event);
	frame->from = frame->state;
	frame->from_caught = caught;
	frame->failing = false;
	if (fold->has_failure && (fold->failure_frame == frame->id || !frame->id))
		fold->has_failure = false;
}

static void attempt(struct fold *fold, struct frame *frame, const char *kind, const struct event *event)
{
	if (frame->visit.attempts++ && frame->inside && frame->state) {
		frame->state->retries++;
		for (struct frame *around = frame; around; around = around->parent)
			around->retries++;
	}
	frame->failing = false;
	segment(fold, frame, kind, event->timestamp_ms);
}

static void fails(struct fold *fold, struct frame *frame, const struct event *event)
{
	frame->failing = true;
	struct fold_state *state = frame->state;
	if (!state || !frame->inside)
		return;
	state->last_ms = event->timestamp_ms;
	if (event->fields & FIELD_ERROR) {
		free(state->error);
		state->error = mem_strndup(event->error.ptr, event->error.len);
	}
	fold->has_failure = true;
	fold->failure_frame = frame->id;
	fold->failure_state = state;
	fold->failure_event = event->id;
	fold->failure_attempts = frame->visit.attempts;
}

static void retries(struct fold *fold, struct frame *frame, const struct event *event)
{
	frame->failing = false;
	close_children(fold, frame, event);
	segment(fold, frame, "retry", event->timestamp_ms);
	if (fold->failure_frame == frame->id || !frame->id)
		fold->has_failure = false;
}

/* ---- branches and iterations -------------------------------------------------------------------------- */

static void child_starts(struct fold *fold, struct frame *parent, const struct event *event, bool item)
{
	struct frame *frame = frame_open(fold, parent, event);
	frame->item = item;
	struct fold_map *map = item && frame->inside ? map_of(fold, parent) : NULL;
	if (!map)
		return;
	map->started++;
	struct fold_item told = { .frame = frame->id,
				  .map = map->name,
				  .index = frame->index,
				  .start_ms = frame->start_ms,
				  .outcome = VISIT_RUNNING,
				  .error = STR_EMPTY };
	if (fold->observer.item_started)
		fold->observer.item_started(fold->observer.data, &told);
}

static void child_fails(struct fold *fold, struct frame *frame, const struct event *event)
{
	struct frame *parent = frame->parent;
	bool tolerated = event->fields & FIELD_PAYLOAD;
	if (!parent)
		return;
	if (!frame->failing)
		fails(fold, frame, event);
	settle(fold, frame, VISIT_FAILED, event);
	item_ends(fold, frame, VISIT_FAILED, event);
	if (tolerated) {
		if (fold->failure_frame == frame->id)
			fold->has_failure = false;
		frame_close(fold, frame, event);
	} else {
		parent->failing = true;
		if (parent->state && parent->inside && (event->fields & FIELD_ERROR)) {
			free(parent->state->error);
			parent->state->error = mem_strndup(event->error.ptr, event->error.len);
		}
	}
}

/* ---- the execution ---------------------------------------------------------------------------------------- */

static void starts(struct fold *fold, const struct event *event)
{
	fold->started = true;
	fold->start_ms = event->timestamp_ms;
	if ((event->fields & FIELD_NEXT) && !fold->rerun_state) {
		fold->rerun_reason = mem_strndup(event->cause.ptr, event->cause.len);
		fold->rerun_state = mem_strndup(event->next.ptr, event->next.len);
	}
}

static void ends(struct fold *fold, enum execution_status status, const struct event *event)
{
	fold->status = status;
	if (status == EXECUTION_FAILED_) {
		if (!fold->has_failure)
			fails(fold, &fold->root, event);
		if (fold->root.state && fold->root.inside && (event->fields & FIELD_ERROR) && !fold->root.state->error)
			fold->root.state->error = mem_strndup(event->error.ptr, event->error.len);
		settle(fold, &fold->root, VISIT_FAILED, event);
	}
	abort_below(fold, &fold->root, event);
}

static void reopen(struct fold *fold, struct frame *frame, const struct event *event)
{
	struct fold_visit *visit = &frame->visit;
	frame->failing = false;
	if (frame->item && frame->ended) {
		struct fold_map *map = frame->inside && frame->parent ? map_of(fold, frame->parent) : NULL;
		if (map && map->failed && visit->outcome == VISIT_FAILED)
			map->failed--;
		else if (map && map->aborted)
			map->aborted--;
		frame->ended = false;
		if (map)
			tell_item(fold, frame, map, VISIT_RUNNING, event);
	}
	if (visit->outcome != VISIT_FAILED && visit->outcome != VISIT_ABORTED)
		return;
	bool failed = visit->outcome == VISIT_FAILED;
	visit->outcome = VISIT_RUNNING;
	visit->stop_ms = 0;
	if (!frame->inside)
		return;
	--*(failed ? &frame->state->failed : &frame->state->aborted);
	frame->state->running++;
	frame->state->last_ms = event->timestamp_ms;
	if (fold->observer.entered)
		fold->observer.entered(fold->observer.data, told_visit(frame));
	segment(fold, frame, "run", event->timestamp_ms);
}

static void redriven(struct fold *fold, const struct event *event)
{
	fold->status = EXECUTION_RUNNING;
	fold->has_failure = false;
	for (struct frame *frame = &fold->root; frame; frame = walk(&fold->root, frame))
		reopen(fold, frame, event);
}

/* ---- events ------------------------------------------------------------------------------------------------ */

static void apply(struct fold *fold, struct frame *frame, const struct event *event)
{
	switch (event->type) {
	case EVENT_EXECUTION_STARTED:
		starts(fold, event);
		break;
	case EVENT_EXECUTION_SUCCEEDED:
		ends(fold, EXECUTION_SUCCEEDED_, event);
		break;
	case EVENT_EXECUTION_FAILED:
		ends(fold, EXECUTION_FAILED_, event);
		break;
	case EVENT_EXECUTION_TIMED_OUT:
		ends(fold, EXECUTION_TIMED_OUT_, event);
		break;
	case EVENT_EXECUTION_ABORTED:
		ends(fold, EXECUTION_ABORTED_, event);
		break;
	case EVENT_EXECUTION_REDRIVEN:
		redriven(fold, event);
		break;

	case EVENT_TASK_STATE_ENTERED:
	case EVENT_PASS_STATE_ENTERED:
	case EVENT_CHOICE_STATE_ENTERED:
	case EVENT_WAIT_STATE_ENTERED:
	case EVENT_SUCCEED_STATE_ENTERED:
	case EVENT_FAIL_STATE_ENTERED:
	case EVENT_PARALLEL_STATE_ENTERED:
	case EVENT_MAP_STATE_ENTERED:
		enter(fold, frame, event);
		break;
	case EVENT_TASK_STATE_EXITED:
	case EVENT_PASS_STATE_EXITED:
	case EVENT_CHOICE_STATE_EXITED:
	case EVENT_WAIT_STATE_EXITED:
	case EVENT_SUCCEED_STATE_EXITED:
	case EVENT_PARALLEL_STATE_EXITED:
	case EVENT_MAP_STATE_EXITED:
		leave(fold, frame, event);
		break;

	case EVENT_LAMBDA_FUNCTION_SCHEDULED:
	case EVENT_ACTIVITY_SCHEDULED:
	case EVENT_TASK_SCHEDULED:
		attempt(fold, frame, "queued", event);
		break;
	case EVENT_LAMBDA_FUNCTION_STARTED:
	case EVENT_ACTIVITY_STARTED:
	case EVENT_TASK_STARTED:
		segment(fold, frame, "run", event->timestamp_ms);
		break;
	case EVENT_TASK_SUBMITTED:
	case EVENT_WAIT_SCHEDULED:
		segment(fold, frame, "wait", event->timestamp_ms);
		break;
	case EVENT_RETRY_SCHEDULED:
		retries(fold, frame, event);
		break;
	case EVENT_LAMBDA_FUNCTION_SCHEDULE_FAILED:
	case EVENT_LAMBDA_FUNCTION_START_FAILED:
	case EVENT_LAMBDA_FUNCTION_FAILED:
	case EVENT_LAMBDA_FUNCTION_TIMED_OUT:
	case EVENT_ACTIVITY_SCHEDULE_FAILED:
	case EVENT_ACTIVITY_FAILED:
	case EVENT_ACTIVITY_TIMED_OUT:
	case EVENT_TASK_START_FAILED:
	case EVENT_TASK_SUBMIT_FAILED:
	case EVENT_TASK_FAILED:
	case EVENT_TASK_TIMED_OUT:
	case EVENT_EVALUATION_FAILED:
		fails(fold, frame, event);
		break;

	case EVENT_PARALLEL_STATE_STARTED:
		attempt(fold, frame, "run", event);
		break;
	case EVENT_MAP_STATE_STARTED:
		attempt(fold, frame, "run", event);
		if (frame->inside && map_of(fold, frame))
			map_of(fold, frame)->length += event->length;
		break;
	case EVENT_BRANCH_STARTED:
	case EVENT_MAP_ITERATION_STARTED:
		child_starts(fold, frame, event, event->type == EVENT_MAP_ITERATION_STARTED);
		break;
	case EVENT_FRAME_SUCCEEDED:
	case EVENT_MAP_ITERATION_SUCCEEDED:
		item_ends(fold, frame, VISIT_SUCCEEDED, event);
		if (frame->parent)
			frame_close(fold, frame, event);
		break;
	case EVENT_STATE_FAILED:
	case EVENT_MAP_ITERATION_FAILED:
		child_fails(fold, frame, event);
		break;
	case EVENT_FRAME_CLOSED:
	case EVENT_MAP_ITERATION_ABORTED:
		abort_below(fold, frame, event);
		break;
	case EVENT_PARALLEL_STATE_FAILED:
	case EVENT_MAP_STATE_FAILED:
		frame->failing = true;
		break;
	case EVENT_TASK_STATE_ABORTED:
	case EVENT_WAIT_STATE_ABORTED:
	case EVENT_PARALLEL_STATE_ABORTED:
	case EVENT_MAP_STATE_ABORTED:
		settle(fold, frame, VISIT_ABORTED, event);
		break;

	case EVENT_LAMBDA_FUNCTION_SUCCEEDED:
	case EVENT_ACTIVITY_SUCCEEDED:
	case EVENT_TASK_SUCCEEDED:
	case EVENT_PARALLEL_STATE_SUCCEEDED:
	case EVENT_MAP_STATE_SUCCEEDED:
	case EVENT_MAP_RUN_STARTED:
	case EVENT_MAP_RUN_SUCCEEDED:
	case EVENT_MAP_RUN_FAILED:
	case EVENT_MAP_RUN_ABORTED:
	case EVENT_MAP_RUN_REDRIVEN:
	case EVENT_HEARTBEAT_RECORDED:
	case EVENT_INPUT_SEEN:
	case EVENT_PUBLIC_COUNT:
	case EVENT_PRIVATE_BEFORE_:
		break;
	}
}

static bool opens_child(enum event_type type)
{
	return type == EVENT_BRANCH_STARTED || type == EVENT_MAP_ITERATION_STARTED;
}

/* What the observer is told of an event: the frame may be closed by it, so its texts are taken before. */
static void tell_event(struct fold *fold, const struct event *event, const char *path, struct str state,
		       const struct fold_visit *visit)
{
	if (event->id && fold->observer.event)
		fold->observer.event(fold->observer.data, event, state, str_of(path), visit);
}

int fold_event(struct fold *fold, const struct event *event)
{
	struct frame *frame = frame_of(fold, opens_child(event->type) ? event->parent : event->frame);
	bool first = event->type == EVENT_EXECUTION_STARTED;
	if (!frame || (!fold->started && !first) || event->timestamp_ms < fold->time_ms)
		return ERR(CORRUPT);
	fold->time_ms = event->timestamp_ms;
	if (event->id)
		fold->last = event->id;
	if (!fold->observer.event) {
		apply(fold, frame, event);
		return 0;
	}
	_cleanup_free_ char *path = mem_strdup(frame->path);
	bool of_execution = event->type <= EVENT_EXECUTION_REDRIVEN;
	struct fold_state *before = frame->state;
	bool inside = frame->inside;
	struct fold_visit visit = frame->visit;
	apply(fold, frame, event);
	/* Entering gives it its visit; closing takes the frame away. */
	frame = frame_of(fold, opens_child(event->type) ? event->parent : event->frame);
	if (frame)
		visit = frame->visit;
	struct fold_state *state = frame ? frame->state : before;
	if (of_execution || !state || visit.outcome == VISIT_NONE)
		tell_event(fold, event, of_execution ? "" : path, STR_EMPTY, NULL);
	else if (inside)
		tell_event(fold, event, path, state->name, &visit);
	return 0;
}

int fold_record(struct fold *fold, uint32_t number, const struct record *record, uint64_t last)
{
	_cleanup_(arena_done) struct arena arena = { 0 };
	struct record_reader reader;
	struct event event;
	uint32_t seen = 0;
	if (number != fold->next_record)
		return number < fold->next_record ? 0 : ERR(CORRUPT);
	int code = fold->observer.payloads ? record_open(record, &arena, &reader, NULL)
					   : record_open_bare(record, &arena, &reader, NULL);
	fold->record = number;
	while (code >= 0 && (code = record_next(&reader, &event, NULL)) > 0) {
		if (event.id > last)
			return 0; /* goes on within this record */
		if (seen++ < fold->record_events)
			continue;
		fold->record_events++;
		code = fold_event(fold, &event);
	}
	if (code < 0)
		return code;
	fold->next_record++;
	fold->record_events = 0;
	return 0;
}

/* ---- asking --------------------------------------------------------------------------------------------------- */

uint64_t fold_last_event(const struct fold *fold)
{
	return fold->last;
}

int64_t fold_time_ms(const struct fold *fold)
{
	return fold->time_ms;
}

uint32_t fold_next_record(const struct fold *fold)
{
	return fold->next_record;
}

enum execution_status fold_status(const struct fold *fold)
{
	return fold->status;
}

int64_t fold_start_ms(const struct fold *fold)
{
	return fold->start_ms;
}

bool fold_rerun(const struct fold *fold, struct str *ret_reason, struct str *ret_state)
{
	if (!fold->rerun_state)
		return false;
	*ret_reason = str_of(fold->rerun_reason);
	*ret_state = str_of(fold->rerun_state);
	return true;
}

const struct fold_state *fold_find(const struct fold *fold, struct str name)
{
	return str_map_get(&fold->states, name);
}

const struct fold_map *fold_find_map(const struct fold *fold, struct str name)
{
	return str_map_get(&fold->maps, name);
}

uint64_t fold_map_running(const struct fold_map *map)
{
	return map->started - map->succeeded - map->failed - map->aborted;
}

bool fold_failure(const struct fold *fold, struct str *ret_state, uint64_t *ret_event, uint32_t *ret_attempts)
{
	if (!fold->has_failure || fold->status == EXECUTION_RUNNING)
		return false;
	*ret_state = fold->failure_state->name;
	*ret_event = fold->failure_event;
	*ret_attempts = fold->failure_attempts;
	return true;
}

static void write_state(const struct fold_state *state, bool first, struct buffer *out)
{
	buffer_addz(out, first ? "" : ",");
	value_write_string(state->name, out);
	buffer_printf(out,
		      ":{\"entered\":%llu,\"running\":%llu,\"succeeded\":%llu,\"failed\":%llu,\"caught\":%llu,"
		      "\"aborted\":%llu,\"retries\":%llu,\"first_ms\":%lld,\"last_ms\":%lld,\"event\":%llu",
		      (unsigned long long)state->entered, (unsigned long long)state->running,
		      (unsigned long long)state->succeeded, (unsigned long long)state->failed,
		      (unsigned long long)state->caught, (unsigned long long)state->aborted,
		      (unsigned long long)state->retries, (long long)state->first_ms, (long long)state->last_ms,
		      (unsigned long long)state->event);
	if (state->error) {
		buffer_addz(out, ",\"error\":");
		value_write_string(str_of(state->error), out);
	}
	buffer_byte(out, '}');
}

void fold_write(const struct fold *fold, struct buffer *out)
{
	size_t i = 0;
	bool first = true;
	buffer_addz(out, "\"states\":{");
	for (size_t s = 0; s < fold->states_count; s++)
		if (fold->states_order[s]->entered) {
			write_state(fold->states_order[s], first, out);
			first = false;
		}
	buffer_addz(out, "},\"edges\":[");
	first = true;
	for (struct str_map_entry *entry; (entry = str_map_next(&fold->edges, &i)); first = false) {
		const struct edge *edge = entry->value;
		buffer_addz(out, first ? "[" : ",[");
		value_write_string(edge->from ? edge->from->name : STR_EMPTY, out);
		buffer_byte(out, ',');
		value_write_string(edge->to->name, out);
		buffer_printf(out, ",%llu%s]", (unsigned long long)edge->count, edge->caught ? ",\"catch\"" : "");
	}
	buffer_addz(out, "],\"maps\":{");
	first = true;
	i = 0;
	for (struct str_map_entry *entry; (entry = str_map_next(&fold->maps, &i)); first = false) {
		const struct fold_map *map = entry->value;
		buffer_addz(out, first ? "" : ",");
		value_write_string(map->name, out);
		buffer_printf(out,
			      ":{\"length\":%llu,\"started\":%llu,\"succeeded\":%llu,\"failed\":%llu,"
			      "\"aborted\":%llu,\"running\":%llu}",
			      (unsigned long long)map->length, (unsigned long long)map->started,
			      (unsigned long long)map->succeeded, (unsigned long long)map->failed,
			      (unsigned long long)map->aborted,
			      (unsigned long long)fold_map_running(map));
	}
	buffer_byte(out, '}');
}
