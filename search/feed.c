/* feed.c: the search file's life, and the loop's side of its queue (search.h). */
#include "base/log.h"
#include "search/internal.h"
#include <stdlib.h>

/* ---- feeding --------------------------------------------------------------------------------- */

static void on_commit(void *data, const struct engine_commit *commit)
{
	struct search *search = data;
	struct entry entry = { .kind = ENTRY_FEED,
			       .id = commit->execution_id,
			       .machine = commit->machine,
			       .status = commit->status,
			       .start_ms = commit->start_ms,
			       .stop_ms = commit->stop_ms,
			       .begun = commit->begun,
			       .version = commit->version,
			       .parent = commit->parent.execution_id,
			       .name = commit->name,
			       .records_count = commit->records_count };
	pthread_mutex_lock(&search->lock);
	bool wake = !search->queue.len;
	if (search->lost || search->queue.len > SEARCH_QUEUE_BYTES) {
		search->lost = true;
	} else {
		entry_put(&search->queue, &entry);
		for (uint32_t i = 0; i < commit->records_count; i++)
			entry_put_record(&search->queue, commit->records[i]);
	}
	if (wake)
		pthread_cond_signal(&search->wake);
	pthread_mutex_unlock(&search->lock);
}

/* ---- from the writer --------------------------------------------------------------------------- */

static void on_post(struct loop_post *post)
{
	struct search *search = (struct search *)(void *)((char *)post - offsetof(struct search, post));
	pthread_mutex_lock(&search->lock);
	search->posted = false;
	struct changed *told = TAKE(search->told);
	struct wanted *need = TAKE(search->need);
	size_t need_count = search->need_count;
	bool catch_up = search->catch_up;
	uint64_t from = search->catch_up_from;
	search->need_count = search->need_capacity = 0;
	search->catch_up = false;
	pthread_mutex_unlock(&search->lock);
	if (!search->closing) {
		if (told && search->changed)
			search->changed(search->changed_data, told->rows, told->count, told->more);
		for (size_t i = 0; i < need_count; i++)
			catchup_add(search, need[i]);
		if (catch_up)
			catchup_begin(search, from);
		catchup_run(search);
	}
	free(need);
	if (told) {
		arena_done(&told->arena);
		free(told);
	}
}

void search_on_change(struct search *search, search_changed_fn *changed, void *data)
{
	search->changed = changed;
	search->changed_data = data;
}

void search_rebuild(struct search *search)
{
	pthread_mutex_lock(&search->lock);
	search->again = true;
	search->ready = false;
	pthread_cond_signal(&search->wake);
	pthread_mutex_unlock(&search->lock);
}

/* ---- life ----------------------------------------------------------------------------------------- */

int search_open(const struct search_options *options, struct search **ret_search, struct wf_error *err)
{
	struct search *search = NEW(struct search);
	search->path = mem_strdup(options->path);
	search->loop = options->loop;
	search->store = options->store;
	search->engine = options->engine;
	search->clock = options->clock;
	search->oldest.name = STR_EMPTY;
	search->jobs_tail = &search->jobs;
	const char *tracked_most = getenv("RATCHET_TEST_SEARCH_TRACKED"); /* tests forget sooner */
	const char *retention_ms = getenv("RATCHET_TEST_SEARCH_RETENTION_MS");
	search->tracked_most = tracked_most && atoi(tracked_most) > 0 ? (uint32_t)atoi(tracked_most) : SEARCH_TRACKED;
	search->post.callback = on_post;
	search->retention_ms = retention_ms ? atoll(retention_ms) : engine_limits(options->engine)->retention_days * 86400000;
	pthread_mutex_init(&search->lock, NULL);
	pthread_cond_init(&search->wake, NULL);
	pthread_cond_init(&search->asked, NULL);
	search->writer_runs = pthread_create(&search->writer_thread, NULL, search_writer, search) == 0;
	search->reader_runs = pthread_create(&search->reader_thread, NULL, search_reader, search) == 0;
	if (!search->writer_runs || !search->reader_runs) {
		search_close(search);
		return error_set(err, ERR(IO), "cannot start the search file's threads");
	}
	engine_on_commit(search->engine, on_commit, search);
	*ret_search = search;
	return 0;
}

static void free_jobs(struct search *search)
{
	while (search->jobs) {
		struct search_job *job = search->jobs;
		search->jobs = job->next;
		arena_done(&job->arena);
		free(job);
	}
}

static void free_search(struct search *search)
{
	memory_clear(search);
	tracked_set_text(&search->oldest.name, STR_EMPTY);
	free_jobs(search);
	if (search->told) {
		arena_done(&search->told->arena);
		free(search->told);
	}
	free(search->need);
	free(search->path);
	buffer_done(&search->queue);
	pthread_mutex_destroy(&search->lock);
	pthread_cond_destroy(&search->wake);
	pthread_cond_destroy(&search->asked);
	free(search);
}

/* The loop may still hold a post of ours, and the store a question: freed by the last of them. */
static void drop(struct search *search)
{
	if (!search->posted && !search->questions && !search->jobs_open)
		free_search(search);
}

static void on_last_post(struct loop_post *post)
{
	struct search *search = (struct search *)(void *)((char *)post - offsetof(struct search, post));
	search->posted = false;
	drop(search);
}

void search_question_over(struct search *search);
void search_question_over(struct search *search)
{
	if (search->closing)
		drop(search);
}

void search_close(struct search *search)
{
	if (!search)
		return;
	engine_on_commit(search->engine, NULL, NULL);
	catchup_done(search);
	pthread_mutex_lock(&search->lock);
	search->stop = true;
	pthread_cond_signal(&search->wake);
	pthread_cond_signal(&search->asked);
	pthread_mutex_unlock(&search->lock);
	if (search->writer_runs)
		pthread_join(search->writer_thread, NULL);
	if (search->reader_runs)
		pthread_join(search->reader_thread, NULL);
	search->closing = true;
	search->post.callback = on_last_post;
	drop(search);
}
