/* reader.c: the thread that answers questions from the search file.
 *
 * A list is driven by one index, the most selective that the query names, from the newest id down; whatever else the query
 * says is checked row by row. The work for one page is bounded: one that finds too little says where to go on. */
#include "search/internal.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ROWS_LOOKED_AT 20000
#define LOOK_US 40000
#define START_SLACK_MS 120000 /* ids are in the order of their starts, but for this */

#define COLUMNS "e.id, e.machine, e.status, e.start, e.stop, e.name, e.error, e.state, e.redrives, e.version, e.parent, e.records"

/* ---- a list -------------------------------------------------------------------------------------- */

static const struct query_term *term_of(const struct search_query *query, enum query_kind kind, bool glob)
{
	for (unsigned i = 0; i < query->count; i++)
		if (query->terms[i].kind == kind && (glob || !query->terms[i].glob))
			return &query->terms[i];
	return NULL;
}

static void match_word(struct str word, bool begins, struct buffer *out)
{
	buffer_addz(out, "\"n");
	for (size_t i = 0; i < word.len; i++) {
		char byte = word.ptr[i];
		if (byte != '-')
			buffer_byte(out, byte >= 'A' && byte <= 'Z' ? (char)(byte | 0x20) : byte);
	}
	buffer_addz(out, begins ? "\"*" : "\"");
}

/* All words of a text; the last may be the beginning of one. What looks like a UUID is one word in a name that is one, and
 * several in others. */
static void match_words(struct str text, bool begins, struct buffer *out)
{
	size_t at = 0;
	bool uuid = search_uuid_begins(text), first = true;
	buffer_addz(out, uuid ? "((" : "(");
	for (struct str word; (word = search_word(text, &at)).len; first = false) {
		buffer_addz(out, first ? "" : " AND ");
		match_word(word, begins && at == text.len, out);
	}
	buffer_addz(out, uuid ? ") OR " : ")");
	if (uuid) {
		match_word(text, begins, out);
		buffer_byte(out, ')');
	}
}

/* The full-text query of words and fields; empty if there are none. */
static void match_text(const struct search_query *query, struct buffer *out)
{
	for (unsigned i = 0; i < query->count; i++) {
		const struct query_term *term = &query->terms[i];
		if (term->kind == QUERY_INPUT) {
			buffer_addz(out, out->len ? " AND " : "");
			search_field_word(term->path, term->text, out);
		}
		bool name = term->kind == QUERY_NAME && !term->glob;
		if (term->kind != QUERY_WORD && !name)
			continue;
		size_t at = 0;
		if (!search_word(term->text, &at).len)
			continue;
		buffer_addz(out, out->len ? " AND " : "");
		match_words(term->text, !name, out);
	}
}

static int single_status(const struct search_query *query)
{
	const struct query_term *term = term_of(query, QUERY_STATUS, true);
	if (term)
		for (int status = 0; status < 5; status++)
			if (term->statuses == 1u << status)
				return status;
	return -1;
}

/* Only executions that ended badly can fit. */
static bool only_bad(const struct search_query *query)
{
	const struct query_term *status = term_of(query, QUERY_STATUS, true);
	return term_of(query, QUERY_ERROR, true) || term_of(query, QUERY_STATE, true) ||
	       (status && !(status->statuses & 3));
}

/* ?1 is the id to be below, ?2 and ?3 what the index needs. `part` is the one whose words are asked. */
static sqlite3_stmt *prepare_list(struct search_job *job, struct file *file, const struct buffer *match, const struct file_part *part)
{
	const struct search_request *request = &job->request;
	const struct search_query *query = &request->query;
	const struct query_term *error = term_of(query, QUERY_ERROR, false), *state = term_of(query, QUERY_STATE, false);
	int status = single_status(query);
	bool machine = request->of_machines && request->machines_count == 1;
	sqlite3_stmt *s = NULL;
	char of_words[400];
	const char *text;
	snprintf(of_words, sizeof of_words,
		 "SELECT " COLUMNS " FROM words_%lld w CROSS JOIN execution e ON e.id = w.rowid "
		 "WHERE words_%lld MATCH ?2 AND w.rowid < ?1 ORDER BY w.rowid DESC",
		 (long long)part->number, (long long)part->number);
	if (request->parent)
		text = "SELECT " COLUMNS " FROM execution e INDEXED BY execution_by_parent WHERE e.id < ?1 AND e.parent = ?2 ORDER BY e.id DESC";
	else if (match->len)
		text = of_words;
	else if (error)
		text = "SELECT " COLUMNS " FROM execution e INDEXED BY execution_by_error WHERE e.id < ?1 AND e.error = ?2 ORDER BY e.id DESC";
	else if (state)
		text = "SELECT " COLUMNS " FROM execution e INDEXED BY execution_by_state WHERE e.id < ?1 AND e.state = ?2 ORDER BY e.id DESC";
	else if (machine && status >= 0 && status != EXECUTION_SUCCEEDED_)
		text = "SELECT " COLUMNS " FROM execution e INDEXED BY execution_by_both "
		       "WHERE e.id < ?1 AND e.machine = ?2 AND e.status = ?3 AND e.status <> 1 ORDER BY e.id DESC";
	else if (status >= 0 && status != EXECUTION_SUCCEEDED_)
		text = "SELECT " COLUMNS " FROM execution e INDEXED BY execution_by_status "
		       "WHERE e.id < ?1 AND e.status = ?3 AND e.status <> 1 ORDER BY e.id DESC";
	else if (only_bad(query))
		text = "SELECT " COLUMNS " FROM execution e INDEXED BY execution_bad WHERE e.id < ?1 AND e.status > 1 ORDER BY e.id DESC";
	else if (machine)
		text = "SELECT " COLUMNS " FROM execution e INDEXED BY execution_by_machine WHERE e.id < ?1 AND e.machine = ?2 ORDER BY e.id DESC";
	else
		text = "SELECT " COLUMNS " FROM execution e WHERE e.id < ?1 ORDER BY e.id DESC";
	if (sqlite3_prepare_v2(file->db, text, -1, &s, NULL) != SQLITE_OK)
		return NULL;
	sqlite3_bind_int64(s, 1, request->below ? (int64_t)request->below : INT64_MAX);
	if (request->parent)
		sqlite3_bind_int64(s, 2, (int64_t)request->parent);
	else if (match->len || error || state)
		file_bind_text(s, 2, match->len ? buffer_str(match) : error ? error->text : state->text, false);
	else if (machine)
		sqlite3_bind_int64(s, 2, (int64_t)request->machines[0]);
	if (status >= 0 && sqlite3_bind_parameter_count(s) >= 3)
		sqlite3_bind_int(s, 3, status);
	return s;
}

static bool machine_fits(const struct search_request *request, uint64_t machine)
{
	for (uint32_t i = 0; i < request->machines_count; i++)
		if (request->machines[i] == machine)
			return true;
	return !request->of_machines;
}

/* Starts before this are too early for the query; INT64_MIN: none are. Starts after *ret_last are too late. */
static int64_t earliest_start(const struct search_query *query, int64_t now_ms, int64_t *ret_last)
{
	int64_t first = INT64_MIN;
	*ret_last = INT64_MAX;
	for (unsigned i = 0; i < query->count; i++) {
		const struct query_term *term = &query->terms[i];
		if (term->kind != QUERY_STARTED || term->number > now_ms)
			continue;
		int64_t bound = now_ms - term->number;
		if ((term->compare == COMPARE_LESS || term->compare == COMPARE_AT_MOST) && bound > first)
			first = bound;
		if ((term->compare == COMPARE_MORE || term->compare == COMPARE_AT_LEAST) && bound < *ret_last)
			*ret_last = bound;
	}
	return first;
}

/* Halves the ids until those that started after `last_ms` are left out. */
static uint64_t id_above_start(struct file *file, uint64_t below, int64_t last_ms)
{
	sqlite3_stmt *s;
	if (last_ms == INT64_MAX || sqlite3_prepare_v2(file->db, "SELECT start, id FROM execution WHERE id < ?1 ORDER BY id DESC LIMIT 1",
						       -1, &s, NULL) != SQLITE_OK)
		return below;
	uint64_t low = 0, high = below ? below : INT64_MAX;
	while (high - low > 1) {
		uint64_t middle = low + (high - low) / 2;
		sqlite3_bind_int64(s, 1, (int64_t)middle);
		bool late = sqlite3_step(s) == SQLITE_ROW && sqlite3_column_int64(s, 0) > last_ms + START_SLACK_MS;
		sqlite3_reset(s);
		if (late)
			high = middle;
		else
			low = middle;
	}
	sqlite3_finalize(s);
	return high;
}

static int64_t monotonic_us(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* What a page looks at. */
struct looking {
	int64_t first_ms, until_us;
	unsigned looked;
	bool over; /* the page is full, or nothing more can fit; job->go_on says where to go on */
};

static void look_at(struct search_job *job, sqlite3_stmt *s, struct looking *looking)
{
	struct search_request *request = &job->request;
	struct search_row row;
	file_row(s, NULL, &row);
	if (looking->first_ms != INT64_MIN && row.start_ms < looking->first_ms - START_SLACK_MS) {
		job->go_on = 0;
		looking->over = true;
		return;
	}
	bool fits = machine_fits(request, row.machine) && search_query_fits(&request->query, &row, job->now_ms);
	if (fits && job->count == request->limit) { /* go_on is set */
		looking->over = true;
		return;
	}
	if (fits) {
		row.name = arena_str(&job->arena, row.name);
		row.error = arena_str(&job->arena, row.error);
		row.state = arena_str(&job->arena, row.state);
		job->rows[job->count++] = row;
	}
	job->go_on = job->count == request->limit ? row.id : 0;
	looking->looked++;
	if (looking->looked >= ROWS_LOOKED_AT || ((looking->looked & 255) == 0 && monotonic_us() > looking->until_us)) {
		job->go_on = row.id;
		looking->over = true;
	}
}

/* The rows of one statement. */
static void look_along(struct search_job *job, struct file *file, const struct buffer *match, const struct file_part *part,
		       struct looking *looking)
{
	sqlite3_stmt *s = prepare_list(job, file, match, part);
	int step = SQLITE_ERROR;
	while (s && !looking->over && (step = sqlite3_step(s)) == SQLITE_ROW)
		look_at(job, s, looking);
	if (step != SQLITE_ROW && step != SQLITE_DONE) {
		job->code = file_error(file, NULL, "");
		looking->over = true;
	}
	sqlite3_finalize(s);
}

static void run_list(struct search_job *job, struct file *file)
{
	struct search_request *request = &job->request;
	_cleanup_(buffer_done) struct buffer match = { 0 };
	struct looking looking = { .until_us = monotonic_us() + LOOK_US };
	struct file_part part = { .first = request->below ? request->below : INT64_MAX };
	int64_t last_ms;
	looking.first_ms = earliest_start(&request->query, job->now_ms, &last_ms);
	request->below = id_above_start(file, request->below, last_ms);
	job->rows = ARENA_ARRAY(&job->arena, struct search_row, request->limit + 1);
	match_text(&request->query, &match);
	if (request->parent || !match.len) {
		look_along(job, file, &match, &part, &looking);
	} else {
		file_do(file, file_get(file, FILE_BEGIN)); /* so that no part goes meanwhile */
		int code = 0;
		while (!looking.over && (code = file_part_below(file, part.first, &part)) == 0)
			look_along(job, file, &match, &part, &looking);
		if (code < 0 && code != ERR(NOT_FOUND))
			job->code = code;
		file_do(file, file_get(file, FILE_COMMIT));
	}
	if (!looking.over)
		job->go_on = 0;
}

/* ---- the other questions ---------------------------------------------------------------------------- */

static void run_find(struct search_job *job, struct file *file)
{
	sqlite3_stmt *s = file_get(file, FILE_FIND);
	job->rows = ARENA_NEW(&job->arena, struct search_row);
	sqlite3_bind_int64(s, 1, (int64_t)job->id);
	if (sqlite3_step(s) == SQLITE_ROW)
		file_row(s, &job->arena, &job->rows[job->count++]);
	sqlite3_reset(s);
}

static void run_count_failed(struct search_job *job, struct file *file)
{
	sqlite3_stmt *s = file_get(file, FILE_FAILED_HERE);
	sqlite3_bind_int64(s, 1, job->since_ms);
	sqlite3_bind_int64(s, 2, (int64_t)job->machine);
	file_bind_text(s, 3, job->text, false);
	file_bind_text(s, 4, job->text2, false);
	sqlite3_bind_int64(s, 5, (int64_t)job->id);
	if (sqlite3_step(s) == SQLITE_ROW)
		job->number = (uint64_t)sqlite3_column_int64(s, 0);
	sqlite3_reset(s);
}

/* From one distinct text to the next, however many rows each has. */
static void run_texts(struct search_job *job, struct file *file)
{
	sqlite3_stmt *s = file_get(file, job->kind == QUERY_STATE ? FILE_NEXT_STATE : FILE_NEXT_ERROR);
	_cleanup_(buffer_done) struct buffer from = { 0 };
	job->texts = ARENA_ARRAY(&job->arena, struct str, job->limit + 1);
	buffer_add(&from, job->text);
	while (job->count < job->limit) {
		file_bind_text(s, 1, buffer_str(&from), false);
		bool found = sqlite3_step(s) == SQLITE_ROW && str_starts(file_text(s, 0), job->text);
		struct str text = found ? arena_str(&job->arena, file_text(s, 0)) : STR_EMPTY;
		sqlite3_reset(s);
		if (!found)
			return;
		job->texts[job->count++] = text;
		buffer_clear(&from);
		buffer_add(&from, text);
		buffer_byte(&from, 1); /* the next that is greater */
	}
}

static void run_durations(struct search_job *job, struct file *file)
{
	sqlite3_stmt *s = file_get(file, FILE_FIGURES_OF);
	struct str_map by_state = { 0 };
	sqlite3_bind_int64(s, 1, (int64_t)job->machine);
	sqlite3_bind_int64(s, 2, job->since_ms / 3600000);
	while (sqlite3_step(s) == SQLITE_ROW) {
		struct str state = file_text(s, 0);
		struct search_duration *duration = str_map_get(&by_state, state);
		if (!duration) {
			duration = ARENA_NEW(&job->arena, struct search_duration);
			duration->state = arena_str(&job->arena, state);
			str_map_put(&by_state, state, duration);
		}
		duration->figure.count += (uint64_t)sqlite3_column_int64(s, 1);
		duration->figure.failed += (uint64_t)sqlite3_column_int64(s, 2);
		duration->figure.retries += (uint64_t)sqlite3_column_int64(s, 3);
		duration->figure.started += (uint64_t)sqlite3_column_int64(s, 4);
		figure_decode(file_text(s, 5), &duration->figure);
	}
	sqlite3_reset(s);
	job->durations = ARENA_ARRAY(&job->arena, struct search_duration, by_state.count + 1);
	size_t i = 0;
	for (struct str_map_entry *entry; (entry = str_map_next(&by_state, &i));)
		job->durations[job->count++] = *(struct search_duration *)entry->value;
	str_map_done(&by_state);
}

/* ---- asking and answering ------------------------------------------------------------------------------ */

void search_question_over(struct search *search);

static void on_post(struct loop_post *post)
{
	struct search_job *job = (struct search_job *)(void *)((char *)post - offsetof(struct search_job, post));
	struct search *search = job->search;
	search->jobs_open--;
	if (!search->closing)
		job->answer(job);
	arena_done(&job->arena);
	free(job);
	search_question_over(search);
}

static struct search_job *job_new(struct search *search, void (*run)(struct search_job *, struct file *),
				  void (*answer)(struct search_job *), void *data)
{
	struct search_job *job = NEW(struct search_job);
	job->search = search;
	job->run = run;
	job->answer = answer;
	job->data = data;
	job->post.callback = on_post;
	job->now_ms = search->clock->wall_ms(search->clock);
	return job;
}

static void job_ask(struct search_job *job)
{
	struct search *search = job->search;
	pthread_mutex_lock(&search->lock);
	*search->jobs_tail = job;
	search->jobs_tail = &job->next;
	search->jobs_open++;
	pthread_cond_signal(&search->asked);
	pthread_mutex_unlock(&search->lock);
}

static void answer_rows(struct search_job *job)
{
	job->done.rows(job->data, job->rows, job->code ? 0 : job->count, job->go_on, job->code);
}

void search_list(struct search *search, const struct search_request *request, search_rows_fn *done, void *data)
{
	struct search_job *job = job_new(search, run_list, answer_rows, data);
	job->done.rows = done;
	job->request = *request;
	for (unsigned i = 0; i < request->query.count; i++) {
		struct query_term *term = &job->request.query.terms[i];
		term->text = arena_str(&job->arena, term->text);
		term->path = arena_str(&job->arena, term->path);
	}
	uint64_t *machines = ARENA_ARRAY(&job->arena, uint64_t, request->machines_count + 1);
	if (request->machines_count)
		memcpy(machines, request->machines, request->machines_count * sizeof *machines);
	job->request.machines = machines;
	job_ask(job);
}

void search_find(struct search *search, uint64_t id, search_rows_fn *done, void *data)
{
	struct search_job *job = job_new(search, run_find, answer_rows, data);
	job->done.rows = done;
	job->id = id;
	job_ask(job);
}

static void answer_count(struct search_job *job)
{
	job->done.count(job->data, job->number, job->code);
}

void search_count_failed(struct search *search, uint64_t except_id, uint64_t machine, struct str state, struct str error,
			 int64_t since_ms, search_count_fn *done, void *data)
{
	struct search_job *job = job_new(search, run_count_failed, answer_count, data);
	job->done.count = done;
	job->id = except_id;
	job->machine = machine;
	job->text = arena_str(&job->arena, state);
	job->text2 = arena_str(&job->arena, error);
	job->since_ms = since_ms;
	job_ask(job);
}

static void answer_texts(struct search_job *job)
{
	job->done.texts(job->data, job->texts, job->code ? 0 : job->count, job->code);
}

void search_texts(struct search *search, enum query_kind kind, struct str prefix, uint32_t limit, search_texts_fn *done,
		  void *data)
{
	struct search_job *job = job_new(search, run_texts, answer_texts, data);
	job->done.texts = done;
	job->kind = kind;
	job->text = arena_str(&job->arena, prefix);
	job->limit = limit;
	job_ask(job);
}

static void answer_durations(struct search_job *job)
{
	job->done.durations(job->data, job->durations, job->code ? 0 : job->count, job->code);
}

void search_durations(struct search *search, uint64_t machine, int64_t since_ms, search_durations_fn *done, void *data)
{
	struct search_job *job = job_new(search, run_durations, answer_durations, data);
	job->done.durations = done;
	job->machine = machine;
	job->since_ms = since_ms;
	job_ask(job);
}

/* ---- the thread -------------------------------------------------------------------------------------------- */

static struct search_job *take_job(struct search *search, bool *ret_reopen)
{
	pthread_mutex_lock(&search->lock);
	while ((!search->jobs || !search->opened) && !search->stop)
		pthread_cond_wait(&search->asked, &search->lock);
	struct search_job *job = search->stop ? NULL : search->jobs;
	if (job) {
		search->jobs = job->next;
		if (!search->jobs)
			search->jobs_tail = &search->jobs;
	} else {
		for (const struct search_job *left = search->jobs; left; left = left->next)
			search->jobs_open--; /* freed with the search */
	}
	*ret_reopen = search->reopen;
	search->reopen = false;
	pthread_mutex_unlock(&search->lock);
	return job;
}

void *search_reader(void *data)
{
	struct search *search = data;
	struct file file = { 0 };
	bool reopen;
	for (struct search_job *job; (job = take_job(search, &reopen));) {
		if (reopen && file.db)
			file_close(&file);
		if (!file.db)
			job->code = file_open(&file, search->path, false, NULL);
		if (job->code == 0)
			job->run(job, &file);
		loop_post(search->loop, &job->post);
	}
	if (file.db)
		file_close(&file);
	return NULL;
}
