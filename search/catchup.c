/* catchup.c: reads from the store what the search file does not have: executions above its highest id, those that ran when
 * it was last written, and those whose feed has a gap. In the loop, a few reads at a time, and only while the queue is short: it
 * waits behind everything else. */
#include "base/log.h"
#include "search/internal.h"
#include <stdlib.h>

#define READS_MOST 32
#define PAGE_ROWS 200
#define READ_BYTES (1 << 20)
#define PAUSE_MS 20

struct reading {
	struct search *search;
	struct store_execution row;
	char made[ENGINE_MADE_NAME];
	char *texts;
	struct str name;
	uint64_t version, parent;
	bool first, found;
	uint32_t next;
	uint64_t records; /* that the file has; 0: not asked */
};

void search_question_over(struct search *search);

static bool has_room(struct search *search)
{
	pthread_mutex_lock(&search->lock);
	bool room = search->queue.len < SEARCH_CATCHUP_BYTES;
	pthread_mutex_unlock(&search->lock);
	return room;
}

static void put(struct search *search, const struct entry *entry, const struct store_record *records)
{
	pthread_mutex_lock(&search->lock);
	bool wake = !search->queue.len;
	entry_put(&search->queue, entry);
	for (uint32_t i = 0; i < entry->records_count; i++)
		entry_put_record(&search->queue, &records[i]);
	if (wake)
		pthread_cond_signal(&search->wake);
	pthread_mutex_unlock(&search->lock);
}

static void end_reading(struct reading *reading)
{
	struct search *search = reading->search;
	search->catching.reading--;
	search->questions--;
	free(reading->texts);
	free(reading);
	if (search->closing)
		search_question_over(search);
	else
		catchup_run(search);
}

static void read_on(struct reading *reading);

static void on_records(void *data, const struct store_record *records, uint32_t count, bool more, int code,
		       const struct wf_error *err)
{
	struct reading *reading = data;
	struct search *search = reading->search;
	if (code < 0 || search->closing) {
		end_reading(reading);
		return;
	}
	const struct store_execution *row = &reading->row;
	more = more && count;
	struct entry entry = { .kind = ENTRY_FULL,
			       .id = row->id,
			       .machine = row->machine_id,
			       .status = (enum execution_status)row->status,
			       .start_ms = row->start_ms,
			       .stop_ms = row->stop_ms,
			       .first = reading->first,
			       .last = !more,
			       .version = reading->version,
			       .parent = reading->parent,
			       .name = reading->name,
			       .records_count = count };
	put(search, &entry, records);
	reading->first = false;
	if (!more) {
		end_reading(reading);
		return;
	}
	reading->next = records[count - 1].number + 1;
	read_on(reading);
}

static void read_on(struct reading *reading)
{
	store_read_records(reading->search->store, reading->row.id, reading->next, false, READ_BYTES, on_records,
			   reading);
}

/* Parts of two executions never mix in the queue unless each part says whose it is: they do, by id. */
static void begin(struct reading *reading, const struct store_execution *row)
{
	struct task_key parent;
	struct str name;
	reading->row = *row;
	engine_read_row(reading->search->engine, row, reading->made, &name, &reading->version, &parent);
	reading->texts = mem_strndup(name.ptr, name.len);
	reading->name = (struct str){ reading->texts, name.len };
	reading->parent = parent.execution_id;
	reading->row.name = reading->row.attributes = STR_EMPTY;
	reading->first = true;
	read_on(reading);
}

static struct reading *reading_new(struct search *search)
{
	struct reading *reading = NEW(struct reading);
	reading->search = search;
	search->catching.reading++;
	search->questions++;
	return reading;
}

static void on_found(void *data, const struct store_execution *rows, uint32_t count, int code,
		     const struct wf_error *err)
{
	struct reading *reading = data;
	struct search *search = reading->search;
	if (search->closing || (code < 0 && code != ERR(NOT_FOUND))) {
		end_reading(reading);
	} else if (code < 0 || !count) {
		put(search, &(struct entry){ .kind = ENTRY_GONE, .id = reading->row.id, .name = STR_EMPTY }, NULL);
		end_reading(reading);
	} else {
		begin(reading, rows);
	}
}

/* An execution that runs by the file: most have had nothing since. */
static void on_counted(void *data, uint64_t count, int code, const struct wf_error *err)
{
	struct reading *reading = data;
	struct search *search = reading->search;
	if (search->closing) {
		end_reading(reading);
	} else if (code == 0 && count == reading->records) {
		pthread_mutex_lock(&search->lock);
		search->catch_done++;
		pthread_mutex_unlock(&search->lock);
		end_reading(reading);
	} else {
		store_find(search->store, reading->row.id, on_found, reading);
	}
}

/* The writer gives the next rows that run (feed.c adds them); false: there are none. */
static bool ask_page(struct search *search)
{
	pthread_mutex_lock(&search->lock);
	bool pages = search->pages;
	if (pages && !search->next_page) {
		search->next_page = true;
		pthread_cond_signal(&search->wake);
	}
	pthread_mutex_unlock(&search->lock);
	return pages;
}

/* ---- listing what is new ------------------------------------------------------------------------------ */

static void on_listed(void *data, const struct store_execution *rows, uint32_t count, int code,
		      const struct wf_error *err)
{
	struct search *search = data;
	struct catching *catching = &search->catching;
	search->questions--;
	catching->listing = false;
	if (search->closing) {
		search_question_over(search);
		return;
	}
	if (code < 0) {
		loop_timer_set(search->loop, &catching->timer, 1000);
		return;
	}
	bool below = false;
	for (uint32_t i = 0; i < count; i++) {
		below |= rows[i].id <= catching->from;
		if (rows[i].id > catching->from)
			catchup_add(search, (struct wanted){ .id = rows[i].id });
		catching->last = rows[i];
	}
	catching->last.name = catching->last.attributes = STR_EMPTY;
	/* Starts and ids are in nearly the same order: a page wholly below is the end. */
	if (count < PAGE_ROWS || (below && catching->last.id <= catching->from))
		catching->list_done = true;
	catchup_run(search);
}

static void list_more(struct search *search)
{
	struct catching *catching = &search->catching;
	catching->listing = true;
	search->questions++;
	store_list(search->store,
		   &(struct store_list_request){ .status = -1,
						 .before_start_ms = catching->last.start_ms,
						 .before_id = catching->last.id,
						 .limit = PAGE_ROWS },
		   on_listed, search);
}

/* ---- the work ---------------------------------------------------------------------------------------- */

static void on_timer(struct loop_timer *timer)
{
	catchup_run(timer->data);
}

void catchup_begin(struct search *search, uint64_t from)
{
	struct catching *catching = &search->catching;
	if (catching->active && catching->from <= from && !catching->list_done)
		return; /* under way */
	catching->active = true;
	catching->list_done = false;
	catching->from = from;
	catching->last = (struct store_execution){ .start_ms = INT64_MAX, .id = INT64_MAX };
}

void catchup_add(struct search *search, struct wanted wanted)
{
	struct catching *catching = &search->catching;
	MEM_GROW(catching->ids, catching->ids_capacity, catching->ids_count + 1);
	catching->ids[catching->ids_count++] = wanted;
	pthread_mutex_lock(&search->lock);
	search->catch_total++;
	pthread_mutex_unlock(&search->lock);
}

void catchup_run(struct search *search)
{
	struct catching *catching = &search->catching;
	if (!catching->timer.callback)
		catching->timer = (struct loop_timer){ .callback = on_timer, .data = search };
	while (!search->closing) {
		size_t left = catching->ids_count - catching->ids_at;
		if ((left || catching->active) && !has_room(search)) {
			loop_timer_set(search->loop, &catching->timer, PAUSE_MS);
			return;
		}
		if (left && catching->reading < READS_MOST) {
			struct reading *reading = reading_new(search);
			reading->row.id = catching->ids[catching->ids_at].id;
			reading->records = catching->ids[catching->ids_at++].records;
			if (catching->ids_at == catching->ids_count)
				catching->ids_at = catching->ids_count = 0;
			if (reading->records)
				store_count_records(search->store, reading->row.id, on_counted, reading);
			else
				store_find(search->store, reading->row.id, on_found, reading);
			continue;
		}
		if (catching->active && !catching->list_done && !catching->listing && left < PAGE_ROWS) {
			list_more(search);
			continue;
		}
		if (catching->active && catching->list_done && !left && !catching->reading && !ask_page(search)) {
			catching->active = false;
			put(search, &(struct entry){ .kind = ENTRY_CAUGHT_UP, .name = STR_EMPTY }, NULL);
		}
		return;
	}
}

void catchup_done(struct search *search)
{
	loop_timer_clear(search->loop, &search->catching.timer);
	free(search->catching.ids);
	search->catching.ids = NULL;
	search->catching.ids_count = search->catching.ids_at = 0;
	search->closing = true;
}
