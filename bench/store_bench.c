/* store_bench.c: what the store does without an engine: rows per second by batch size, bytes on disk per execution, reads.
 *
 *     store_bench [URL [EXECUTIONS [RECORD_BYTES]]]      default: sqlite:./store-bench.db 100000 1200; the file must not exist
 *
 * An execution is what a short workflow leaves: one row, already ended, and one record. So it is two rows of tables and three or four of indexes. */
#include "base/clock.h"
#include "base/mem.h"
#include "base/random.h"
#include "state-store/store.h"
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { OUTSTANDING = 8 };

/* ---- the least of a loop: posts only ----------------------------------------------------------- */

struct post_loop {
	struct loop loop; /* first */
	int fd;
	pthread_mutex_t mutex;
	struct loop_post *first, **tail;
};

static void post(struct loop *loop, struct loop_post *p)
{
	struct post_loop *l = (struct post_loop *)loop;
	p->next = NULL;
	pthread_mutex_lock(&l->mutex);
	*l->tail = p;
	l->tail = &p->next;
	pthread_mutex_unlock(&l->mutex);
	uint64_t one = 1;
	if (write(l->fd, &one, sizeof one) < 0)
		abort();
}

static void run_posts(struct post_loop *l)
{
	uint64_t ignored;
	if (read(l->fd, &ignored, sizeof ignored) < 0)
		abort();
	pthread_mutex_lock(&l->mutex);
	struct loop_post *p = l->first;
	l->first = NULL;
	l->tail = &l->first;
	pthread_mutex_unlock(&l->mutex);
	while (p) {
		struct loop_post *next = p->next;
		p->callback(p);
		p = next;
	}
}

/* ---- writing ------------------------------------------------------------------------------------ */

struct bench {
	struct post_loop loop;
	struct store *store;
	struct store_lease lease;
	struct random random;
	char *bytes; /* of records: any place in it */
	size_t record_bytes;
	uint64_t next, until;
	unsigned per_batch, outstanding;
};

static double now_s(void)
{
	return (double)clock_system()->monotonic_us(clock_system()) / 1e6;
}

static void fail(const char *what, const struct wf_error *err)
{
	fprintf(stderr, "store_bench: %s: %s\n", what, err ? err->message : "");
	exit(1);
}

static void go(struct bench *b);

static void batch_done(struct store_batch *batch, enum store_result result, const struct wf_error *err)
{
	struct bench *b = batch->data;
	if (result != STORE_COMMITTED)
		fail("a batch failed", err);
	store_batch_free(batch);
	b->outstanding--;
	go(b);
}

static void add_execution(struct bench *b, struct store_batch *batch)
{
	uint64_t id = ++b->next << 8 | random_below(&b->random, 256);
	store_batch_add(batch, STORE_INSERT_EXECUTION)->execution = (struct store_execution){
		.id = id, .machine_id = 7, .start_ms = 1750000000000 + (int64_t)b->next / 50, .stop_ms = 1750000000005 + (int64_t)b->next / 50,
		.status = 1, .attributes = { b->bytes, 24 } };
	/* As the engine does, the bytes are put into the batch. */
	struct str bytes = { b->bytes + random_below(&b->random, 60000), b->record_bytes };
	store_batch_add(batch, STORE_APPEND_RECORD)->record =
		(struct store_record){ .execution_id = id, .first_event_id = 1, .bytes = arena_str(&batch->arena, bytes) };
}

static void go(struct bench *b)
{
	while (b->outstanding < OUTSTANDING && b->next < b->until) {
		struct store_batch *batch = store_batch_new();
		batch->epoch = b->lease.epoch;
		batch->sequence = ++b->lease.sequence;
		for (unsigned i = 0; i < b->per_batch && b->next < b->until; i++)
			add_execution(b, batch);
		batch->done = batch_done;
		batch->data = b;
		b->outstanding++;
		store_submit(b->store, batch);
	}
}

static void write_some(struct bench *b, unsigned per_batch, uint64_t count)
{
	struct store_stats before, after;
	store_stats(b->store, &before);
	b->per_batch = per_batch;
	b->until = b->next + count;
	double start = now_s();
	go(b);
	while (b->outstanding)
		run_posts(&b->loop);
	double took = now_s() - start;
	store_stats(b->store, &after);
	printf("%6u to a batch: %8.0f executions/s  %8.0f rows/s  %6.0f commits/s  %7.0f log bytes each\n", per_batch, (double)count / took,
	       (double)count * 2 / took, (double)(after.commits - before.commits) / took,
	       (double)(after.bytes_written - before.bytes_written) / (double)count);
}

/* ---- reading ------------------------------------------------------------------------------------ */

static unsigned reads_left;

static void loaded(void *data, const struct store_loaded *found, int code, const struct wf_error *err)
{
	if (code < 0 && code != ERR(NOT_FOUND))
		fail("a load failed", err);
	reads_left--;
}

static void listed(void *data, const struct store_execution *rows, uint32_t count, int code, const struct wf_error *err)
{
	if (code < 0)
		fail("a list failed", err);
	reads_left--;
}

static void read_some(struct bench *b, unsigned count)
{
	double start = now_s();
	reads_left = count;
	for (unsigned i = 0; i < count; i++)
		store_load(b->store, (1 + random_below(&b->random, b->next)) << 8 | random_below(&b->random, 256), loaded, b);
	while (reads_left)
		run_posts(&b->loop);
	printf("loads (most find nothing): %.0f/s", count / (now_s() - start));
	start = now_s();
	reads_left = count / 10;
	for (unsigned i = 0; i < count / 10; i++) {
		struct store_list_request page = { i % 2 ? 7 : 0, i % 3 ? 1 : -1, 1750000000000 + (int64_t)random_below(&b->random, b->next / 50 + 1), 0, 100 };
		store_list(b->store, &page, listed, b);
	}
	while (reads_left)
		run_posts(&b->loop);
	printf("  pages of 100 anywhere in the list: %.0f/s\n", count / 10 / (now_s() - start));
}

int main(int argc, char **argv)
{
	const char *url = argc > 1 ? argv[1] : "sqlite:./store-bench.db";
	uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 10) : 100000;
	static struct bench b;
	b.record_bytes = argc > 3 ? strtoull(argv[3], NULL, 10) : 1200;
	b.loop = (struct post_loop){ .loop.post = post, .fd = eventfd(0, EFD_CLOEXEC), .tail = &b.loop.first, .mutex = PTHREAD_MUTEX_INITIALIZER };
	random_seed(&b.random, 1);
	b.bytes = mem_alloc(60000 + b.record_bytes + 8);
	for (size_t i = 0; i < 60000 + b.record_bytes; i++)
		b.bytes[i] = (char)random_u64(&b.random);
	struct wf_error err = { 0 };
	if (store_open(url, NULL, &b.loop.loop, &b.store, &err) < 0 || store_acquire(b.store, &b.lease, &err) < 0)
		fail("cannot open the store", &err);
	if (b.lease.sequence)
		fail("the store is not empty", NULL);

	static const struct {
		unsigned per_batch, share; /* of the executions, in 1/1000 */
	} phases[] = { { 1, 20 }, { 10, 80 }, { 100, 300 }, { 1000, 600 } };
	for (size_t i = 0; i < sizeof phases / sizeof *phases; i++)
		write_some(&b, phases[i].per_batch, count * phases[i].share / 1000);
	read_some(&b, 20000);
	struct store_stats stats;
	store_stats(b.store, &stats);
	printf("file and log now: %.0f bytes an execution of one record of %zu bytes\n", (double)stats.file_bytes / (double)b.next, b.record_bytes);
	store_close(b.store);
	if (store_open(url, &(struct store_options){ .read_only = true }, &b.loop.loop, &b.store, &err) == 0) {
		store_stats(b.store, &stats);
		printf("closed: %.0f bytes an execution\n", (double)stats.file_bytes / (double)b.next);
		store_close(b.store);
	}
	free(b.bytes);
	return 0;
}
