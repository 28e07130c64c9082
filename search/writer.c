/* writer.c: the thread that writes the search file: takes what is queued, follows executions, and puts what changed into
 * one transaction (search.h).
 *
 * Records are numbered without gaps, so an entry either follows what is known of its execution, or repeats it (dropped),
 * or something is missing: then the whole journal is asked for, and comes as FULL entries. */
#include "base/log.h"
#include "search/internal.h"
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define GATHER_MS 50
#define GATHER_BUSY_MS 500         /* larger transactions cost less of each execution */
#define GATHER_BUSY_BYTES (4 << 20) /* … up to this */
#define BUSY_BYTES (64 << 10)
#define REST_MS 250 /* without work: memory is given back */
#define SWEEP_MS 600000
#define PARTS 12 /* of words in the time that executions are kept */
#define PRIORITY 10 /* executions go first */

/* ---- entries ------------------------------------------------------------------------------------- */

void entry_put(struct buffer *out, const struct entry *entry)
{
	buffer_byte(out, (char)entry->kind);
	buffer_varint(out, entry->id);
	buffer_varint(out, entry->machine);
	buffer_varint(out, entry->status);
	buffer_svarint(out, entry->start_ms);
	buffer_svarint(out, entry->stop_ms);
	buffer_byte(out, (char)(entry->begun | entry->first << 1 | entry->last << 2));
	buffer_varint(out, entry->version);
	buffer_varint(out, entry->parent);
	buffer_blob(out, entry->name);
	buffer_varint(out, entry->records_count);
}

void entry_put_record(struct buffer *out, const struct store_record *record)
{
	bool first = record->number == 0; /* the only one whose payloads are looked at */
	buffer_varint(out, record->number);
	buffer_varint(out, record->first_event_id);
	buffer_blob(out, record->bytes);
	buffer_varint(out, first ? record->blobs_count : 0);
	for (uint32_t i = 0; first && i < record->blobs_count; i++)
		buffer_blob(out, record->blobs[i]);
}

bool entry_read_record(struct reader *in, struct arena *arena, uint32_t *ret_number, struct record *ret_record)
{
	uint64_t number, first, blobs;
	*ret_record = (struct record){ 0 };
	if (!reader_varint(in, &number) || !reader_varint(in, &first) || !reader_blob(in, &ret_record->bytes) ||
	    !reader_varint(in, &blobs) || blobs > (size_t)(in->end - in->at))
		return false;
	ret_record->first_event_id = first;
	ret_record->blobs_count = (uint32_t)blobs;
	ret_record->blobs = ARENA_ARRAY(arena, struct str, blobs + 1);
	for (uint64_t i = 0; i < blobs; i++)
		if (!reader_blob(in, &ret_record->blobs[i]))
			return false;
	*ret_number = (uint32_t)number;
	return true;
}

static bool skip_record(struct reader *in)
{
	uint64_t number, blobs;
	struct str bytes;
	if (!reader_varint(in, &number) || !reader_varint(in, &number) || !reader_blob(in, &bytes) ||
	    !reader_varint(in, &blobs))
		return false;
	while (blobs--)
		if (!reader_blob(in, &bytes))
			return false;
	return true;
}

bool entry_read(struct reader *in, struct entry *ret_entry)
{
	uint8_t kind, flags;
	uint64_t status, count;
	*ret_entry = (struct entry){ 0 };
	if (!reader_byte(in, &kind) || !reader_varint(in, &ret_entry->id) || !reader_varint(in, &ret_entry->machine) ||
	    !reader_varint(in, &status) || !reader_svarint(in, &ret_entry->start_ms) ||
	    !reader_svarint(in, &ret_entry->stop_ms) || !reader_byte(in, &flags) ||
	    !reader_varint(in, &ret_entry->version) || !reader_varint(in, &ret_entry->parent) ||
	    !reader_blob(in, &ret_entry->name) || !reader_varint(in, &count))
		return false;
	ret_entry->kind = (enum entry_kind)kind;
	ret_entry->status = (enum execution_status)status;
	ret_entry->begun = flags & 1;
	ret_entry->first = flags & 2;
	ret_entry->last = flags & 4;
	ret_entry->records_count = (uint32_t)count;
	ret_entry->records = *in;
	while (count--)
		if (!skip_record(in))
			return false;
	return true;
}

/* ---- following ------------------------------------------------------------------------------------- */

struct pass {
	struct search *search;
	struct writer *writer;
	struct arena arena; /* of one entry */
	int64_t now_ms;
	int code; /* of the file */
	bool caught_up;
	uint64_t done; /* FULL entries */
};

static void need(struct pass *pass, uint64_t id)
{
	struct search *search = pass->search;
	if (u64_map_put(&pass->writer->needed, id, pass))
		return;
	pthread_mutex_lock(&search->lock);
	MEM_GROW(search->need, search->need_capacity, search->need_count + 1);
	search->need[search->need_count++] = (struct wanted){ .id = id };
	pthread_mutex_unlock(&search->lock);
}

static void mark(struct writer *writer, struct tracked *tracked)
{
	tracked->recent = true;
	if (tracked->dirty)
		return;
	tracked->dirty = true;
	MEM_GROW(writer->dirty, writer->dirty_capacity, writer->dirty_count + 1);
	writer->dirty[writer->dirty_count++] = tracked;
}

static void forget(struct writer *writer, struct tracked *tracked)
{
	u64_map_remove(&writer->tracked, tracked->row.id);
	tracked_free(tracked);
}

static struct tracked *track(struct writer *writer, const struct entry *entry)
{
	struct search_row row = { .id = entry->id,
				  .machine = entry->machine,
				  .status = EXECUTION_RUNNING,
				  .start_ms = entry->start_ms,
				  .name = entry->name,
				  .error = STR_EMPTY,
				  .state = STR_EMPTY,
				  .version = entry->version,
				  .parent = entry->parent };
	struct tracked *tracked = tracked_new(&row);
	u64_map_put(&writer->tracked, entry->id, tracked);
	if (entry->id > writer->high)
		writer->high = entry->id;
	return tracked;
}

/* The row that the file has, if any: then *ret_records of its journal are counted. ret_visits: NULL, or what it keeps. */
static bool find_row(struct pass *pass, uint64_t id, struct search_row *ret_row, uint32_t *ret_records,
		     struct str *ret_visits)
{
	sqlite3_stmt *statement = file_get(&pass->writer->file, FILE_FIND);
	sqlite3_bind_int64(statement, 1, (int64_t)id);
	bool found = sqlite3_step(statement) == SQLITE_ROW;
	if (found) {
		file_row(statement, &pass->arena, ret_row);
		*ret_records = (uint32_t)sqlite3_column_int64(statement, 11);
		if (ret_visits)
			*ret_visits = arena_str(&pass->arena, file_text(statement, 12));
	}
	sqlite3_reset(statement);
	return found;
}

/* The entry's records, as far as they follow. False: there is a gap. */
static bool take_records(struct pass *pass, struct tracked *tracked, const struct entry *entry)
{
	struct reader in = entry->records;
	for (uint32_t i = 0; i < entry->records_count; i++) {
		uint32_t number;
		struct record record;
		if (!entry_read_record(&in, &pass->arena, &number, &record) || number > tracked->seen)
			return false;
		if (number < tracked->seen)
			continue;
		tracked_record(pass->writer, tracked, &record, number >= tracked->records, &pass->arena);
		tracked->seen++;
		if (tracked->seen > tracked->records)
			tracked->records = tracked->seen;
	}
	mark(pass->writer, tracked);
	return true;
}

/* One that was forgotten, as its row says. NULL: that is not enough, or there is none. */
static struct tracked *recall(struct pass *pass, uint64_t id, bool *ret_known)
{
	struct search_row row;
	uint32_t records;
	struct str visits;
	*ret_known = find_row(pass, id, &row, &records, &visits);
	if (!*ret_known || !visits.len)
		return NULL;
	struct tracked *tracked = tracked_new(&row);
	tracked->in_file = true;
	tracked->counted = row.status;
	tracked->records = records;
	if (!tracked_read_visits(pass->writer, tracked, visits)) {
		tracked_free(tracked);
		return NULL;
	}
	u64_map_put(&pass->writer->tracked, id, tracked);
	return tracked;
}

static void take_feed(struct pass *pass, const struct entry *entry)
{
	struct writer *writer = pass->writer;
	struct tracked *tracked = u64_map_get(&writer->tracked, entry->id);
	bool known = false;
	if (!tracked && entry->id <= writer->high)
		tracked = recall(pass, entry->id, &known);
	if (!tracked && entry->begun && !known)
		tracked = track(writer, entry);
	if (tracked && !take_records(pass, tracked, entry)) {
		if (!tracked->dirty && !tracked->filling)
			forget(writer, tracked);
		tracked = NULL;
	}
	if (!tracked)
		need(pass, entry->id);
}

static void take_full(struct pass *pass, const struct entry *entry)
{
	struct writer *writer = pass->writer;
	struct tracked *tracked = u64_map_get(&writer->tracked, entry->id);
	if (entry->first) {
		struct search_row row;
		uint32_t records = 0;
		bool needed = u64_map_remove(&writer->needed, entry->id);
		bool known = !tracked && find_row(pass, entry->id, &row, &records, NULL);
		/* Followed already, or as it was when it ended, or as long as it was. */
		bool same = known && ((row.stop_ms && row.stop_ms == entry->stop_ms) ||
				      (entry->last && entry->records_count == records));
		if (!needed && (tracked || same)) {
			u64_map_put(&writer->skipped, entry->id, writer);
		} else if (tracked) {
			tracked_restart(tracked);
			tracked->filling = true;
		} else {
			tracked = track(writer, entry);
			tracked->filling = true;
			tracked->in_file = known;
			tracked->counted = known ? row.status : EXECUTION_RUNNING;
			tracked->records = records;
		}
	}
	bool skipped = u64_map_get(&writer->skipped, entry->id);
	if (tracked && !skipped) {
		take_records(pass, tracked, entry);
		tracked->filling = !entry->last;
	}
	if (entry->last)
		u64_map_remove(&writer->skipped, entry->id);
	pass->done += entry->last;
}

static void take_gone(struct pass *pass, const struct entry *entry)
{
	struct writer *writer = pass->writer;
	struct tracked *tracked = u64_map_get(&writer->tracked, entry->id);
	struct search_row row;
	uint32_t records;
	u64_map_remove(&writer->needed, entry->id);
	if (tracked || !find_row(pass, entry->id, &row, &records, NULL))
		return;
	sqlite3_stmt *statement = file_get(&writer->file, FILE_DELETE);
	sqlite3_bind_int64(statement, 1, (int64_t)entry->id);
	if (file_do(&writer->file, statement) == 0) {
		pthread_mutex_lock(&pass->search->lock);
		memory_of(pass->search, row.machine)->counts[row.status]--;
		memory_of(pass->search, row.machine)->touched = true;
		pthread_mutex_unlock(&pass->search->lock);
	}
}

static void take(struct pass *pass, struct str bytes)
{
	struct reader in = reader_of(bytes);
	struct entry entry;
	while (in.at < in.end && entry_read(&in, &entry)) {
		switch (entry.kind) {
		case ENTRY_FEED:
			take_feed(pass, &entry);
			break;
		case ENTRY_FULL:
			take_full(pass, &entry);
			break;
		case ENTRY_GONE:
			take_gone(pass, &entry);
			break;
		case ENTRY_CAUGHT_UP:
			pass->caught_up = true;
			break;
		}
		arena_reset(&pass->arena);
	}
}

/* ---- writing ------------------------------------------------------------------------------------------ */

static void bind_visits(struct writer *writer, sqlite3_stmt *s, int at, const struct tracked *tracked)
{
	buffer_clear(&writer->visits);
	tracked_write_visits(tracked, &writer->visits);
	if (writer->visits.len)
		sqlite3_bind_blob(s, at, writer->visits.data, (int)writer->visits.len, SQLITE_STATIC);
	else
		sqlite3_bind_null(s, at);
}

static int write_row(struct writer *writer, struct tracked *tracked)
{
	struct file *file = &writer->file;
	const struct search_row *row = &tracked->row;
	sqlite3_stmt *s = file_get(file, tracked->in_file ? FILE_UPDATE : FILE_INSERT);
	sqlite3_bind_int64(s, 1, (int64_t)row->id);
	if (tracked->in_file) {
		sqlite3_bind_int(s, 2, (int)row->status);
		sqlite3_bind_int64(s, 3, row->stop_ms);
		file_bind_text(s, 4, row->error, true);
		file_bind_text(s, 5, row->state, true);
		sqlite3_bind_int64(s, 6, (int64_t)row->redrives);
		sqlite3_bind_int64(s, 7, tracked->records);
		bind_visits(writer, s, 8, tracked);
		return file_do(file, s);
	}
	sqlite3_bind_int64(s, 2, (int64_t)row->machine);
	sqlite3_bind_int(s, 3, (int)row->status);
	sqlite3_bind_int64(s, 4, row->start_ms);
	sqlite3_bind_int64(s, 5, row->stop_ms);
	file_bind_text(s, 6, row->name, false);
	file_bind_text(s, 7, row->error, true);
	file_bind_text(s, 8, row->state, true);
	sqlite3_bind_int64(s, 9, (int64_t)row->redrives);
	sqlite3_bind_int64(s, 10, (int64_t)row->version);
	sqlite3_bind_int64(s, 11, tracked->records);
	if (row->parent)
		sqlite3_bind_int64(s, 12, (int64_t)row->parent);
	else
		sqlite3_bind_null(s, 12);
	bind_visits(writer, s, 13, tracked);
	int code = file_do(file, s);
	return code == 0 && tracked->words.len ? file_put_words(file, row->id, buffer_str(&tracked->words)) : code;
}

static int write_figure(struct file *file, const struct delta *delta, struct buffer *bytes)
{
	struct figure figure = delta->figure;
	sqlite3_stmt *s = file_get(file, FILE_FIGURE);
	sqlite3_bind_int64(s, 1, (int64_t)delta->machine);
	sqlite3_bind_text(s, 2, delta->state, -1, SQLITE_STATIC);
	sqlite3_bind_int64(s, 3, delta->hour);
	if (sqlite3_step(s) == SQLITE_ROW) {
		figure.count += (uint64_t)sqlite3_column_int64(s, 0);
		figure.failed += (uint64_t)sqlite3_column_int64(s, 1);
		figure.retries += (uint64_t)sqlite3_column_int64(s, 2);
		figure.started += (uint64_t)sqlite3_column_int64(s, 3);
		figure_decode(file_text(s, 4), &figure);
	}
	sqlite3_reset(s);
	buffer_clear(bytes);
	figure_encode(&figure, bytes);
	s = file_get(file, FILE_PUT_FIGURE);
	sqlite3_bind_int64(s, 1, (int64_t)delta->machine);
	sqlite3_bind_text(s, 2, delta->state, -1, SQLITE_STATIC);
	sqlite3_bind_int64(s, 3, delta->hour);
	sqlite3_bind_int64(s, 4, (int64_t)figure.count);
	sqlite3_bind_int64(s, 5, (int64_t)figure.failed);
	sqlite3_bind_int64(s, 6, (int64_t)figure.retries);
	sqlite3_bind_int64(s, 7, (int64_t)figure.started);
	sqlite3_bind_blob(s, 8, bytes->data, (int)bytes->len, SQLITE_STATIC);
	return file_do(file, s);
}

static int write_counters(struct file *file, struct machine_memory *memory)
{
	int code = 0;
	for (int status = 0; status < 5 && code == 0 && memory->touched; status++) {
		sqlite3_stmt *s = file_get(file, FILE_PUT_COUNTER);
		sqlite3_bind_int64(s, 1, (int64_t)memory->machine);
		sqlite3_bind_int(s, 2, status);
		sqlite3_bind_int64(s, 3, (int64_t)memory->counts[status]);
		code = file_do(file, s);
	}
	memory->touched = false;
	return code;
}

static void tell_row(struct changed *told, const struct search_row *row)
{
	if (told->count == SEARCH_CHANGED) {
		told->more = true;
		return;
	}
	struct search_row *copy = &told->rows[told->count++];
	*copy = *row;
	copy->name = arena_str(&told->arena, row->name);
	copy->error = arena_str(&told->arena, row->error);
	copy->state = arena_str(&told->arena, row->state);
}

static int by_id(const void *a, const void *b)
{
	uint64_t first = (*(struct tracked *const *)a)->row.id, second = (*(struct tracked *const *)b)->row.id;
	return (first > second) - (first < second);
}

/* In the order of their ids: the full-text index writes a segment whenever one is smaller than the one before. */
static int write_rows(struct pass *pass, struct changed *told)
{
	struct writer *writer = pass->writer;
	int code = 0;
	if (writer->dirty_count)
		qsort(writer->dirty, writer->dirty_count, sizeof(struct tracked *), by_id);
	for (size_t i = 0; i < writer->dirty_count && code == 0; i++) {
		struct tracked *tracked = writer->dirty[i];
		bool shown = !tracked->in_file || tracked->counted != tracked->row.status;
		code = write_row(writer, tracked);
		if (code || !shown)
			continue;
		pthread_mutex_lock(&pass->search->lock);
		struct machine_memory *memory = memory_of(pass->search, tracked->row.machine);
		if (tracked->in_file && memory->counts[tracked->counted])
			memory->counts[tracked->counted]--;
		memory->counts[tracked->row.status]++;
		memory->touched = true;
		pthread_mutex_unlock(&pass->search->lock);
		tracked->in_file = true;
		tracked->counted = tracked->row.status;
		tell_row(told, &tracked->row);
	}
	return code;
}

static int write_all(struct pass *pass, struct changed *told)
{
	struct search *search = pass->search;
	struct writer *writer = pass->writer;
	struct file *file = &writer->file;
	_cleanup_(buffer_done) struct buffer bytes = { 0 };
	int code = file_begin_part(file, pass->now_ms, writer->retention_ms / PARTS);
	if (code == 0)
		code = write_rows(pass, told);
	size_t i = 0;
	for (struct str_map_entry *entry; code == 0 && (entry = str_map_next(&writer->deltas, &i));)
		code = write_figure(file, entry->value, &bytes);
	for (size_t m = 0; m < writer->minutes_count && code == 0; m++) {
		const struct minute_delta *minute = &writer->minutes[m];
		sqlite3_stmt *s = file_get(file, FILE_PUT_MINUTE);
		sqlite3_bind_int64(s, 1, (int64_t)minute->machine);
		sqlite3_bind_int64(s, 2, minute->minute);
		sqlite3_bind_int64(s, 3, (int64_t)minute->started);
		sqlite3_bind_int64(s, 4, (int64_t)minute->failed);
		code = file_do(file, s);
	}
	/* Only this thread changes them: reading needs no lock. */
	i = 0;
	for (struct u64_map_entry *entry; code == 0 && (entry = u64_map_next(&search->machines, &i));)
		code = write_counters(file, entry->value);
	if (pass->caught_up)
		writer->catch_from = 0;
	if (code == 0)
		code = file_put_meta(file, "high", (int64_t)writer->high);
	if (code == 0)
		code = file_put_meta(file, "catch_from", (int64_t)writer->catch_from);
	return code;
}

static void free_deltas(struct writer *writer)
{
	size_t i = 0;
	for (struct str_map_entry *entry; (entry = str_map_next(&writer->deltas, &i));)
		free(entry->value);
	str_map_done(&writer->deltas);
	writer->deltas = (struct str_map){ 0 };
	memset(writer->recent_deltas, 0, sizeof writer->recent_deltas);
	writer->minutes_count = 0;
}

/* What is in the file is in memory too. */
static void publish(struct pass *pass)
{
	struct search *search = pass->search;
	struct writer *writer = pass->writer;
	struct search_row oldest = { .name = STR_EMPTY };
	sqlite3_stmt *s = file_get(&writer->file, FILE_OLDEST);
	if (sqlite3_step(s) == SQLITE_ROW)
		file_row(s, &pass->arena, &oldest);
	sqlite3_reset(s);
	size_t i = 0;
	pthread_mutex_lock(&search->lock);
	for (struct str_map_entry *entry; (entry = str_map_next(&writer->deltas, &i));) {
		const struct delta *delta = entry->value;
		if (!*delta->state)
			memory_hour(memory_of(search, delta->machine), delta->hour, &delta->figure);
	}
	for (size_t m = 0; m < writer->minutes_count; m++)
		memory_minute(memory_of(search, writer->minutes[m].machine), writer->minutes[m].minute,
			      writer->minutes[m].started, writer->minutes[m].failed);
	struct str name = search->oldest.name;
	search->oldest = oldest;
	search->oldest.name = name;
	tracked_set_text(&search->oldest.name, oldest.name);
	search->oldest.error = search->oldest.state = STR_EMPTY;
	search->ready |= pass->caught_up;
	search->catch_done += pass->done;
	pthread_mutex_unlock(&search->lock);
	arena_reset(&pass->arena);
}

/* Those that have ended are forgotten; and others, when they are too many, those first that had nothing for a while:
 * with their next record they are known again by their rows. */
static void clean(struct writer *writer, uint32_t most)
{
	for (size_t i = 0; i < writer->dirty_count; i++) {
		struct tracked *tracked = writer->dirty[i];
		tracked->dirty = false;
		buffer_done(&tracked->words);
		tracked->words = (struct buffer){ 0 };
		if (tracked->row.stop_ms && !tracked->filling)
			forget(writer, tracked);
	}
	writer->dirty_count = 0;
	for (size_t looks = 3 * writer->tracked.count; writer->tracked.count > most && looks; looks--) {
		struct u64_map_entry *entry = u64_map_next(&writer->tracked, &writer->hand);
		struct tracked *tracked = entry ? entry->value : NULL;
		if (!tracked)
			writer->hand = 0;
		else if (!tracked->recent && !tracked->filling)
			forget(writer, tracked);
		else
			tracked->recent = false;
	}
}

static void tell_loop(struct pass *pass, struct changed *told)
{
	struct search *search = pass->search;
	pthread_mutex_lock(&search->lock);
	if (told->count && search->told) {
		search->told->more = true; /* the loop is behind: it is told that it missed some */
	} else if (told->count) {
		search->told = told;
		told = NULL;
	}
	bool post = !search->posted && (search->told || search->need_count || search->catch_up || pass->done);
	search->posted |= post;
	pthread_mutex_unlock(&search->lock);
	if (post)
		loop_post(search->loop, &search->post);
	if (told) {
		arena_done(&told->arena);
		free(told);
	}
}

/* Rows of executions that the store no longer keeps, a few at a time; what began too late to be one of them is not looked
 * at. Then a part of their words, if all of its rows have gone. */
static int sweep(struct pass *pass)
{
	struct writer *writer = pass->writer;
	if (pass->now_ms - writer->swept_ms < SWEEP_MS)
		return 0;
	struct file *file = &writer->file;
	int64_t before_ms = pass->now_ms - writer->retention_ms;
	sqlite3_stmt *s = file_get(file, FILE_EXPIRED);
	uint64_t seen = writer->swept_id;
	sqlite3_bind_int64(s, 1, (int64_t)seen);
	unsigned rows = 0;
	int code = 0, step = SQLITE_DONE;
	while (code == 0 && (step = sqlite3_step(s)) == SQLITE_ROW) {
		if (sqlite3_column_int64(s, 4) >= before_ms)
			break;
		seen = (uint64_t)sqlite3_column_int64(s, 0);
		rows++;
		if (!sqlite3_column_int64(s, 3) || sqlite3_column_int64(s, 3) >= before_ms)
			continue;
		sqlite3_stmt *gone = file_get(file, FILE_DELETE);
		sqlite3_bind_int64(gone, 1, (int64_t)seen);
		code = file_do(file, gone);
		if (code == 0) {
			pthread_mutex_lock(&pass->search->lock);
			struct machine_memory *memory =
			    memory_of(pass->search, (uint64_t)sqlite3_column_int64(s, 1));
			memory->counts[sqlite3_column_int(s, 2) % 5]--;
			memory->touched = true;
			pthread_mutex_unlock(&pass->search->lock);
		}
	}
	if (code == 0 && step != SQLITE_ROW && step != SQLITE_DONE)
		code = file_error(file, NULL, "");
	sqlite3_reset(s);
	writer->swept_id = rows == 1000 ? seen : 0;
	if (code < 0 || rows == 1000)
		return code;
	writer->swept_ms = pass->now_ms;
	code = file_drop_part(file);
	s = file_get(file, FILE_DROP_FIGURES);
	sqlite3_bind_int64(s, 1, before_ms / 3600000);
	if (code == 0)
		code = file_do(file, s);
	s = file_get(file, FILE_DROP_MINUTES);
	sqlite3_bind_int64(s, 1, pass->now_ms / 60000 - 2 * SEARCH_MINUTES);
	return code == 0 ? file_do(file, s) : code;
}

/* One transaction of what was queued. 0, or a code: then nothing of it is kept. */
static int write_queue(struct search *search, struct writer *writer, struct str bytes)
{
	struct pass pass = { .search = search, .writer = writer, .now_ms = search->clock->wall_ms(search->clock) };
	struct changed *told = NEW(struct changed);
	told->rows = ARENA_ARRAY(&told->arena, struct search_row, SEARCH_CHANGED);
	int code = file_do(&writer->file, file_get(&writer->file, FILE_BEGIN));
	if (code == 0) {
		take(&pass, bytes);
		code = sweep(&pass);
		if (code == 0)
			code = write_all(&pass, told);
	}
	if (code == 0)
		code = file_do(&writer->file, file_get(&writer->file, FILE_COMMIT));
	if (code == 0) {
		publish(&pass);
		clean(writer, search->tracked_most);
	} else {
		log_warn("search", "the search file cannot be written: %s", sqlite3_errmsg(writer->file.db));
		told->count = 0;
	}
	free_deltas(writer);
	tell_loop(&pass, told);
	arena_done(&pass.arena);
	return code;
}

/* ---- life --------------------------------------------------------------------------------------------------- */

static void writer_reset(struct writer *writer)
{
	size_t i = 0;
	for (struct u64_map_entry *entry; (entry = u64_map_next(&writer->tracked, &i));)
		tracked_free(entry->value);
	u64_map_done(&writer->tracked);
	u64_map_done(&writer->needed);
	u64_map_done(&writer->skipped);
	i = 0;
	for (struct str_map_entry *entry; (entry = str_map_next(&writer->strings, &i));)
		free(entry->value);
	free_deltas(writer);
	str_map_done(&writer->strings);
	buffer_done(&writer->visits);
	free(writer->dirty);
	free(writer->minutes);
	if (writer->file.db)
		file_close(&writer->file);
	*writer = (struct writer){ .retention_ms = writer->retention_ms };
}

static void post_locked(struct search *search)
{
	bool post = !search->posted;
	search->posted = true;
	pthread_mutex_unlock(&search->lock);
	if (post)
		loop_post(search->loop, &search->post);
}

/* Rows that run by the file: the loop looks whether their journals have become longer. */
static void give_page(struct search *search, struct writer *writer)
{
	sqlite3_stmt *s = file_get(&writer->file, FILE_RUNNING);
	unsigned rows = 0;
	pthread_mutex_lock(&search->lock);
	sqlite3_bind_int64(s, 1, (int64_t)search->page_after);
	sqlite3_bind_int(s, 2, SEARCH_PAGE);
	for (; sqlite3_step(s) == SQLITE_ROW; rows++) {
		struct wanted wanted = { .id = (uint64_t)sqlite3_column_int64(s, 0),
					 .records = (uint64_t)sqlite3_column_int64(s, 1) };
		search->page_after = wanted.id;
		if (u64_map_get(&writer->tracked, wanted.id))
			continue;
		MEM_GROW(search->need, search->need_capacity, search->need_count + 1);
		search->need[search->need_count++] = wanted;
	}
	sqlite3_reset(s);
	sqlite3_db_release_memory(writer->file.db);
	search->pages = rows == SEARCH_PAGE;
	search->next_page = false;
	post_locked(search);
}

/* The loop is to read the store from there; what runs by the file is looked at too, a page at a time. */
static void ask_catch_up(struct search *search, struct writer *writer, uint64_t from)
{
	writer->catch_from = from + 1;
	pthread_mutex_lock(&search->lock);
	search->catch_up = search->pages = true;
	search->catch_up_from = from;
	search->page_after = 0;
	post_locked(search);
}

/* Nothing has come for a while: what the last burst took is given back. */
static void rest(struct search *search, struct writer *writer, struct buffer *bytes)
{
	buffer_done(bytes);
	*bytes = (struct buffer){ 0 };
	pthread_mutex_lock(&search->lock);
	if (!search->queue.len) {
		buffer_done(&search->queue);
		search->queue = (struct buffer){ 0 };
	}
	pthread_mutex_unlock(&search->lock);
	if (writer->file.db)
		sqlite3_db_release_memory(writer->file.db);
#ifdef __GLIBC__
	malloc_trim(0);
#endif
}

static void let_readers_in(struct search *search)
{
	pthread_mutex_lock(&search->lock);
	search->opened = search->reopen = true;
	pthread_cond_signal(&search->asked);
	pthread_mutex_unlock(&search->lock);
}

/* Opens the file, or makes it anew. */
static bool writer_open(struct search *search, struct writer *writer, bool anew)
{
	struct wf_error err = { 0 };
	writer_reset(writer);
	pthread_mutex_lock(&search->lock);
	search->opened = false;
	pthread_mutex_unlock(&search->lock);
	if (anew)
		file_remove(search->path);
	int code = file_open(&writer->file, search->path, true, &err);
	if (code && !anew) {
		log_warn("search", "%s; making it anew", err.message);
		return writer_open(search, writer, true);
	}
	if (code) {
		log_warn("search", "no search file: %s", err.message);
		let_readers_in(search);
		return false;
	}
	writer->high = (uint64_t)file_meta(&writer->file, "high", 0);
	uint64_t from = (uint64_t)file_meta(&writer->file, "catch_from", 0);
	from = from && from - 1 < writer->high ? from - 1 : writer->high;
	pthread_mutex_lock(&search->lock);
	memory_clear(search);
	memory_load(search, &writer->file, search->clock->wall_ms(search->clock));
	search->ready = false;
	search->catch_done = search->catch_total = 0;
	pthread_mutex_unlock(&search->lock);
	let_readers_in(search);
	ask_catch_up(search, writer, from > SEARCH_ID_MARGIN ? from - SEARCH_ID_MARGIN : 0);
	return true;
}

/* Until there is work, and a little longer: one transaction takes what came meanwhile. */
static void wait_for_work(struct search *search, bool busy, bool worked)
{
	struct timespec until;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += worked ? REST_MS * 1000000 : 0;
	until.tv_sec += worked ? until.tv_nsec / 1000000000 : 2;
	until.tv_nsec %= 1000000000;
	pthread_mutex_lock(&search->lock);
	if (!search->queue.len && !search->stop && !search->again && !search->lost && !search->next_page)
		pthread_cond_timedwait(&search->wake, &search->lock, &until);
	bool gather = search->queue.len && !search->stop;
	busy = busy && search->ready; /* catching up waits for room in the queue */
	pthread_mutex_unlock(&search->lock);
	for (int waited = 0; gather && waited < (busy ? GATHER_BUSY_MS : GATHER_MS); waited += GATHER_MS) {
		nanosleep(&(struct timespec){ .tv_nsec = GATHER_MS * 1000000 }, NULL);
		pthread_mutex_lock(&search->lock);
		gather = search->queue.len < GATHER_BUSY_BYTES && !search->stop;
		pthread_mutex_unlock(&search->lock);
	}
}

void *search_writer(void *data)
{
	struct search *search = data;
	struct writer writer = { .retention_ms = search->retention_ms };
	struct buffer bytes = { 0 };
	setpriority(PRIO_PROCESS, (id_t)gettid(), PRIORITY);
	bool open = writer_open(search, &writer, false), busy = false, worked = true;
	for (bool stop = false; !stop;) {
		wait_for_work(search, busy, worked);
		pthread_mutex_lock(&search->lock);
		struct buffer taken = search->queue;
		search->queue = bytes;
		bytes = taken;
		bool lost = search->lost, again = search->again, page = search->next_page;
		search->lost = search->again = false;
		search->next_page &= open;
		stop = search->stop && !bytes.len;
		busy = bytes.len >= BUSY_BYTES;
		pthread_mutex_unlock(&search->lock);
		if (again)
			open = writer_open(search, &writer, true);
		else if (open && bytes.len && write_queue(search, &writer, buffer_str(&bytes)) != 0)
			open = writer_open(search, &writer, true);
		if (open && page && !again)
			give_page(search, &writer);
		worked |= bytes.len;
		if (!bytes.len && !page && !again && !lost && worked) {
			rest(search, &writer, &bytes);
			worked = false;
		}
		if (open && lost)
			ask_catch_up(search, &writer,
				     writer.high > SEARCH_ID_MARGIN ? writer.high - SEARCH_ID_MARGIN : 0);
		buffer_clear(&bytes);
	}
	writer_reset(&writer);
	buffer_done(&bytes);
	return NULL;
}
