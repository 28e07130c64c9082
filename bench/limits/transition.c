/* transition.c: the "durable transition" ceiling: what an engine could do that reads a state's JSON input with a common library, looks at one path,
 * prints it again, writes two history rows and the execution's row, and commits 256 of these with one sync.
 *
 *     transition FOLDER SECONDS
 *
 * One thread reads and prints, a second one writes: {"transitions_per_s", "json_only_per_s"}. 200 executions of ten steps each are under way at once. */
#include "sqlite.h"
#include <jansson.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#define BATCH 256
#define QUEUE 4096

struct transition {
	long execution;
	int step;
	char *output;
};

static struct {
	struct transition items[QUEUE];
	long head, tail;
	bool ended;
	pthread_mutex_t mutex;
	pthread_cond_t filled, drained;
} queue = { .mutex = PTHREAD_MUTEX_INITIALIZER, .filled = PTHREAD_COND_INITIALIZER, .drained = PTHREAD_COND_INITIALIZER };

static const char input[] = "{\"order\":{\"id\":\"o-123456\",\"total\":129.95,\"items\":[1,2,3]},\"customer\":{\"name\":\"Ada Lovelace\",\"vip\":true},"
			    "\"retry\":0,\"note\":\"a note of some length, as people write them into forms\"}";

static char *evaluate(long number)
{
	json_t *document = json_loads(input, 0, NULL);
	json_t *total = json_object_get(json_object_get(document, "order"), "total");
	if (!json_is_number(total))
		exit(1);
	json_object_set_new(document, "n", json_integer(number));
	char *output = json_dumps(document, JSON_COMPACT);
	json_decref(document);
	return output;
}

static struct transition next(long number)
{
	long block = number / 2000, rest = number % 2000;
	return (struct transition){ block * 200 + rest % 200, (int)(rest / 200), evaluate(number) };
}

struct writer {
	sqlite3 *db;
	sqlite3_stmt *history, *execution;
	long written;
};

static void write_one(struct writer *writer, struct transition *transition)
{
	int length = (int)strlen(transition->output);
	for (int event = 0; event < 2; event++) {
		sqlite3_bind_int64(writer->history, 1, transition->execution);
		sqlite3_bind_int(writer->history, 2, transition->step * 2 + event);
		sqlite3_bind_text(writer->history, 3, "State7", -1, SQLITE_STATIC);
		sqlite3_bind_text(writer->history, 4, transition->output, length, SQLITE_STATIC);
		step(writer->db, writer->history);
	}
	sqlite3_bind_int64(writer->execution, 1, transition->execution);
	sqlite3_bind_int(writer->execution, 2, transition->step == 9);
	sqlite3_bind_text(writer->execution, 3, transition->output, length, SQLITE_STATIC);
	step(writer->db, writer->execution);
	free(transition->output);
}

static void *write_all(void *data)
{
	struct writer *writer = data;
	static struct transition batch[BATCH];
	for (;;) {
		int count = 0;
		pthread_mutex_lock(&queue.mutex);
		while (queue.head == queue.tail && !queue.ended)
			pthread_cond_wait(&queue.filled, &queue.mutex);
		while (count < BATCH && queue.tail != queue.head)
			batch[count++] = queue.items[queue.tail++ % QUEUE];
		pthread_cond_signal(&queue.drained);
		pthread_mutex_unlock(&queue.mutex);
		if (!count)
			return NULL;
		run(writer->db, "begin immediate");
		for (int i = 0; i < count; i++)
			write_one(writer, &batch[i]);
		run(writer->db, "commit");
		writer->written += count;
	}
}

static void put(struct transition *items, int count)
{
	pthread_mutex_lock(&queue.mutex);
	while (queue.head - queue.tail > QUEUE - count)
		pthread_cond_wait(&queue.drained, &queue.mutex);
	for (int i = 0; i < count; i++)
		queue.items[queue.head++ % QUEUE] = items[i];
	pthread_cond_signal(&queue.filled);
	pthread_mutex_unlock(&queue.mutex);
}

static double transitions_per_s(const char *path, double seconds)
{
	struct writer writer = { .db = open_new(path, "create table history (execution, event, state, detail);"
						      "create table executions (id integer primary key, ended, state)") };
	writer.history = prepare(writer.db, "insert into history values (?, ?, ?, ?)");
	writer.execution = prepare(writer.db, "insert into executions values (?1, ?2, ?3) on conflict (id) do update set ended = ?2, state = ?3");
	pthread_t thread;
	pthread_create(&thread, NULL, write_all, &writer);
	double begin = now_s(), end = begin + seconds;
	long number = 0;
	while (now_s() < end) {
		struct transition items[64];
		for (int i = 0; i < 64; i++)
			items[i] = next(number++);
		put(items, 64);
	}
	pthread_mutex_lock(&queue.mutex);
	queue.ended = true;
	pthread_cond_signal(&queue.filled);
	pthread_mutex_unlock(&queue.mutex);
	pthread_join(thread, NULL);
	double took = now_s() - begin;
	sqlite3_finalize(writer.history);
	sqlite3_finalize(writer.execution);
	sqlite3_close(writer.db);
	remove_files(path);
	return (double)writer.written / took;
}

static double json_per_s(double seconds)
{
	double begin = now_s(), end = begin + seconds, now;
	long count = 0;
	do {
		for (int i = 0; i < 256; i++)
			free(evaluate(count++));
	} while ((now = now_s()) < end);
	return (double)count / (now - begin);
}

int main(int argc, char **argv)
{
	char path[4096];
	if (argc != 3) {
		fprintf(stderr, "usage: transition FOLDER SECONDS\n");
		return 2;
	}
	snprintf(path, sizeof path, "%s/transition.limit", argv[1]);
	double transitions = transitions_per_s(path, atof(argv[2]));
	printf("{\"transitions_per_s\": %.0f, \"json_only_per_s\": %.0f}\n", transitions, json_per_s(1));
	return 0;
}
