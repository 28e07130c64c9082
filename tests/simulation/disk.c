/* disk.c: what survives a process, and the door through which a process writes to it.
 *
 * The disk is a memory store: a batch is applied whole or not at all, in the order of the sequence. The door is a store of its own: it
 * keeps batches in line, writes one or several together after a while, fails some, loses answers, and gives what it has to say back in order, a
 * while later. Reads are made at one time and answered at another, so they may be old, and may pass each other; the reading of the sequence and
 * purges stand in line with the batches. What was still in line when the process died was never written. */
#include "tests/simulation/sim.h"
#include <stdlib.h>

/* ---- the disk ---------------------------------------------------------------------------------- */

static struct disk *disk_of(struct loop *loop)
{
	return (struct disk *)((char *)loop - offsetof(struct disk, loop));
}

static void disk_post(struct loop *loop, struct loop_post *item)
{
	struct disk *disk = disk_of(loop);
	item->next = NULL;
	*disk->posts_tail = item;
	disk->posts_tail = &item->next;
}

static void disk_run(struct disk *disk)
{
	for (struct loop_post *item; (item = disk->posts);) {
		if (!(disk->posts = item->next))
			disk->posts_tail = &disk->posts;
		item->callback(item);
	}
}

void disk_init(struct disk *disk, struct sim *sim)
{
	*disk = (struct disk){ .sim = sim, .loop = { .post = disk_post } };
	disk->posts_tail = &disk->posts;
	struct store_options options = { 0 };
	if (memory_store_open("", &options, &disk->loop, &disk->inner, NULL) < 0)
		sim_fail(sim, "there is no disk");
}

void disk_done(struct disk *disk)
{
	store_close(disk->inner);
	disk_run(disk);
}

struct applied {
	enum store_result result;
	struct wf_error err;
};

static void on_applied(struct store_batch *batch, enum store_result result, const struct wf_error *err)
{
	struct applied *applied = batch->data;
	applied->result = result;
	if (err)
		applied->err = *err;
}

/* Carries a batch out, now. */
static struct applied apply(struct disk *disk, struct store_batch *batch)
{
	struct applied applied = { 0 };
	void (*done)(struct store_batch *, enum store_result, const struct wf_error *) = batch->done;
	void *data = batch->data;
	batch->done = on_applied;
	batch->data = &applied;
	store_submit(disk->inner, batch);
	disk_run(disk);
	batch->done = done;
	batch->data = data;
	if (applied.result == STORE_COMMITTED)
		model_commit(&disk->sim->model, batch);
	return applied;
}

/* ---- the door ------------------------------------------------------------------------------------- */

struct line { /* something in line */
	struct store_answer answer; /* first; of a batch */
	struct line *next;
	struct store_batch *batch;
	struct store_request *request; /* instead */
	struct applied applied;
};

struct reading {
	struct reading *next;
	struct loop_timer timer;
	struct front *front;
	struct store_request *request;
	bool made; /* it only has to be answered */
};

struct front {
	struct store store; /* first */
	struct node *node;
	struct disk *disk;
	LIST(struct line) waiting;
	LIST(struct line) written; /* and not answered */
	struct loop_timer writer, answerer;
	unsigned waiting_count;
	struct wf_error last_err; /* of the batch that failed last: those behind it fail for it */
	struct reading *readings;
	bool dropped;
};

static void line_deliver(struct store *store, struct store_answer *answer)
{
	struct line *line = (struct line *)answer;
	store_end_batch(store, line->batch, line->applied.result, &line->applied.err);
	free(line);
}

static void arm(struct front *front, struct loop_timer *timer, unsigned most_ms)
{
	if (!timer->active)
		loop_timer_set(front->store.loop, timer, sim_delay(front->node->sim, most_ms));
}

static void fail_line(struct line *line, enum store_result result, int code, const char *why)
{
	line->applied.result = result;
	error_set(&line->applied.err, code, "%s", why);
}

/* A zombie's lease is old: the disk refuses it by itself. */
static void write_batch(struct front *front, struct line *line)
{
	struct sim *sim = front->node->sim;
	const struct temper *temper = &sim->temper;
	if (sim_happens(sim, temper->no_space))
		front->disk->full_until_ms = sim->now_ms + sim_delay(sim, 5000);
	if (sim->now_ms < front->disk->full_until_ms && !sim_calm(sim)) {
		fail_line(line, STORE_FAILED, ERR(NO_SPACE), "the disk is full");
	} else if (sim_happens(sim, temper->fail)) {
		fail_line(line, STORE_FAILED, random_below(&sim->chance, 2) ? ERR(IO) : ERR(BUSY), "the write failed");
	} else if (sim_happens(sim, temper->lose)) {
		fail_line(line, STORE_UNKNOWN, ERR(IO), "the answer was lost, and so was the batch");
	} else if (sim_happens(sim, temper->fence)) {
		fail_line(line, STORE_FENCED, ERR(FENCED), "somebody else has the lease");
	} else {
		line->applied = apply(front->disk, line->batch);
		if (line->applied.result == STORE_FAILED && line->applied.err.code == ERR(CANCELLED) && front->last_err.code)
			line->applied.err = front->last_err;
		if (line->applied.result == STORE_COMMITTED && sim_happens(sim, temper->lose_stored))
			fail_line(line, STORE_UNKNOWN, ERR(IO), "the answer was lost");
	}
	if (line->applied.result == STORE_FAILED) {
		front->last_err = line->applied.err;
		sim->failed_writes++;
	}
	sim_note(sim, "write", line->batch->sequence, line->applied.result);
	sim->batches++;
}

static void writer_runs(struct loop_timer *timer)
{
	struct front *front = timer->data;
	struct sim *sim = front->node->sim;
	/* One transaction: one batch, or several. */
	for (unsigned group = 1 + (unsigned)random_below(&sim->chance, 4); group && front->waiting.first; group--) {
		struct line *line = LIST_TAKE(&front->waiting);
		if (line->request)
			memory_read((struct memory_store *)front->disk->inner, line->request);
		else {
			write_batch(front, line);
			front->waiting_count--;
		}
		LIST_ADD(&front->written, line);
		if (sim_happens(sim, sim->temper.die_at_write)) {
			front->node->dying = true;
			front->node->why = "between two writes";
			return;
		}
	}
	arm(front, &front->answerer, sim->temper.answer_ms);
	if (front->waiting.first)
		arm(front, &front->writer, sim->temper.write_ms);
}

static void answerer_runs(struct loop_timer *timer)
{
	struct front *front = timer->data;
	struct sim *sim = front->node->sim;
	for (unsigned group = 1 + (unsigned)random_below(&sim->chance, 4); group && front->written.first; group--) {
		struct line *line = LIST_TAKE(&front->written);
		if (line->request) {
			store_post(&front->store, &line->request->answer);
			free(line);
		} else {
			store_post(&front->store, &line->answer);
		}
	}
	if (front->written.first)
		arm(front, &front->answerer, sim->temper.answer_ms);
}

static struct line *stand_in_line(struct front *front)
{
	struct line *line = NEW(struct line);
	line->answer.deliver = line_deliver;
	LIST_ADD(&front->waiting, line);
	arm(front, &front->writer, front->node->sim->temper.write_ms);
	return line;
}

static void front_submit(struct store *store, struct store_batch *batch)
{
	struct front *front = (struct front *)store;
	struct sim *sim = front->node->sim;
	if (node_effect(front->node)) /* sent; what a dead process sends is never written */
		sim_note(sim, "submit", batch->sequence, batch->ops_count);
	if (++front->waiting_count > (unsigned)sim->limits.batches_outstanding)
		sim_fail(sim, "more than %lld batches are outstanding", (long long)sim->limits.batches_outstanding);
	stand_in_line(front)->batch = batch;
}

/* ---- reads --------------------------------------------------------------------------------------------- */

static void free_reading(struct reading *reading)
{
	for (struct reading **at = &reading->front->readings; *at; at = &(*at)->next)
		if (*at == reading) {
			*at = reading->next;
			break;
		}
	loop_timer_clear(reading->front->store.loop, &reading->timer);
	free(reading);
}

static void reading_runs(struct loop_timer *timer)
{
	struct reading *reading = timer->data;
	struct front *front = reading->front;
	struct sim *sim = front->node->sim;
	if (!reading->made) {
		reading->made = true;
		/* What a process reads once, at its beginning, fails more often. */
		const struct store_request *request = reading->request;
		bool once = request->kind == REQUEST_MESSAGES || request->kind == REQUEST_LIST_OPEN || request->kind == REQUEST_COUNT_OPEN;
		if (sim_happens(sim, sim->temper.read_fail * (once ? 5 : 1)))
			reading->request->code = error_set(&reading->request->err, ERR(IO), "the read failed");
		else
			memory_read((struct memory_store *)front->disk->inner, reading->request);
		loop_timer_set(front->store.loop, timer, sim_delay(sim, sim->temper.read_ms));
		return;
	}
	store_post(&front->store, &reading->request->answer);
	free_reading(reading);
}

static void front_request(struct store *store, struct store_request *request)
{
	struct front *front = (struct front *)store;
	if (request->kind == REQUEST_SEQUENCE || request->kind == REQUEST_PURGE) {
		stand_in_line(front)->request = request;
		return;
	}
	struct reading *reading = NEW(struct reading);
	*reading = (struct reading){ .front = front, .request = request, .next = front->readings,
				     .timer = { .callback = reading_runs, .data = reading } };
	front->readings = reading;
	loop_timer_set(store->loop, &reading->timer, sim_delay(front->node->sim, front->node->sim->temper.read_ms));
}

/* ---- life ------------------------------------------------------------------------------------------------- */

static int front_acquire(struct store *store, struct store_lease *ret_lease, struct wf_error *err)
{
	return store_acquire(((struct front *)store)->disk->inner, ret_lease, err);
}

static int front_each_item(struct store *store, void (*visit)(void *data, const struct store_item *item), void *data, struct wf_error *err)
{
	return store_each_item(((struct front *)store)->disk->inner, visit, data, err);
}

static void front_stats(struct store *store, struct store_stats *ret_stats)
{
}

/* Nothing more is written; all who wait are told, so that what they hold is freed. */
static void front_finish(struct store *store)
{
	struct front *front = (struct front *)store;
	for (struct line *line; (line = LIST_TAKE(&front->written)) || (line = LIST_TAKE(&front->waiting));) {
		if (line->request) {
			line->request->code = ERR(CANCELLED);
			store_post(store, &line->request->answer);
			free(line);
		} else {
			fail_line(line, STORE_FAILED, ERR(CANCELLED), "the power is gone");
			store_post(store, &line->answer);
		}
	}
	while (front->readings) {
		front->readings->request->code = ERR(CANCELLED);
		store_post(store, &front->readings->request->answer);
		free_reading(front->readings);
	}
	loop_timer_clear(store->loop, &front->writer);
	loop_timer_clear(store->loop, &front->answerer);
}

static void front_close(struct store *store)
{
	store_done(store);
	free(store);
}

static const struct store_backend backend = {
	.name = "simulated",
	.acquire = front_acquire,
	.each_item = front_each_item,
	.submit = front_submit,
	.request = front_request,
	.stats = front_stats,
	.finish = front_finish,
	.close = front_close,
};

struct store *front_new(struct node *node)
{
	struct front *front = NEW(struct front);
	store_init(&front->store, &backend, &node->loop);
	front->node = node;
	front->disk = &node->sim->disk;
	LIST_INIT(&front->waiting);
	LIST_INIT(&front->written);
	front->writer = (struct loop_timer){ .callback = writer_runs, .data = front };
	front->answerer = (struct loop_timer){ .callback = answerer_runs, .data = front };
	return &front->store;
}

void front_drop(struct store *store)
{
	store_close(store);
}

bool front_at_rest(const struct store *store)
{
	return !store->batches_waiting && !store->requests_waiting;
}
