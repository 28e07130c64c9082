/* embedded.c: the engine without its server: executions are started from inside the process, so that the engine's own cost shows.
 *
 *     embedded STORE_URL DEFINITION_FILE INPUT_FILE COUNT CONCURRENCY
 *
 * Keeps CONCURRENCY starts under way; a start's answer comes when its first step is durable. Ends when COUNT executions have ended, and prints one
 * JSON line: {"count", "seconds", "workflows_per_s", "events_per_s", "cpu_s_per_1000", "p50_ms", "p99_ms"}. */
#include "base/mem.h"
#include "base/random.h"
#include "engine/engine.h"
#include "engine/loop_libev.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

struct slot {
	int64_t asked_us;
};

static struct {
	struct loop *loop;
	struct engine *engine;
	struct clock_source *clock;
	struct str machine, input;
	struct loop_timer poll;
	long wanted, asked, answered;
	double *latencies_ms;
} bench;

static void fail(const char *what)
{
	fprintf(stderr, "embedded: %s\n", what);
	exit(1);
}

static struct str read_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	if (!file)
		fail(path);
	char *text = mem_alloc(1 << 20);
	size_t length = fread(text, 1, 1 << 20, file);
	fclose(file);
	return (struct str){ text, length };
}

static void start_next(struct slot *slot);

static void started(void *data, const struct engine_error *error, const struct execution_info *execution)
{
	struct slot *slot = data;
	if (error->code)
		fail(error->message.ptr);
	bench.latencies_ms[bench.answered++] = (double)(bench.clock->monotonic_us(bench.clock) - slot->asked_us) / 1e3;
	start_next(slot);
}

static void start_next(struct slot *slot)
{
	if (bench.asked == bench.wanted)
		return;
	bench.asked++;
	slot->asked_us = bench.clock->monotonic_us(bench.clock);
	struct start_request request = { .machine_arn = bench.machine, .input = bench.input };
	engine_start(bench.engine, &request, started, slot);
}

/* Once all are started: have all ended? */
static void poll(struct loop_timer *timer)
{
	struct engine_stats stats;
	engine_stats(bench.engine, &stats);
	if (stats.succeeded + stats.failed >= (uint64_t)bench.wanted)
		bench.loop->stop(bench.loop);
	else
		loop_timer_set(bench.loop, timer, 1);
}

static void created(void *data, const struct engine_error *error, const struct machine_info *machine)
{
	if (error->code)
		fail(error->message.ptr);
	bench.machine = (struct str){ mem_strndup(machine->arn.ptr, machine->arn.len), machine->arn.len };
	bench.loop->stop(bench.loop);
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static double cpu_s(void)
{
	struct rusage usage;
	getrusage(RUSAGE_SELF, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) + (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6;
}

static void measure(long concurrency)
{
	struct slot *slots = mem_zalloc((size_t)concurrency * sizeof *slots);
	int64_t begin_us = bench.clock->monotonic_us(bench.clock);
	double cpu = cpu_s();
	for (long i = 0; i < concurrency; i++)
		start_next(&slots[i]);
	bench.poll.callback = poll;
	loop_timer_set(bench.loop, &bench.poll, 1);
	bench.loop->run(bench.loop);
	double seconds = (double)(bench.clock->monotonic_us(bench.clock) - begin_us) / 1e6;
	cpu = cpu_s() - cpu;
	struct engine_stats stats;
	engine_stats(bench.engine, &stats);
	qsort(bench.latencies_ms, (size_t)bench.wanted, sizeof *bench.latencies_ms, by_size);
	printf("{\"count\": %ld, \"seconds\": %.4f, \"workflows_per_s\": %.0f, \"events_per_s\": %.0f, \"cpu_s_per_1000\": %.4f, \"p50_ms\": %.3f, "
	       "\"p99_ms\": %.3f}\n",
	       bench.wanted, seconds, (double)bench.wanted / seconds, (double)stats.events / seconds, cpu * 1000 / (double)bench.wanted,
	       bench.latencies_ms[bench.wanted / 2], bench.latencies_ms[bench.wanted * 99 / 100]);
	free(slots);
}

int main(int argc, char **argv)
{
	struct wf_error err = { 0 };
	if (argc != 6 || atol(argv[4]) < 1 || atol(argv[5]) < 1) {
		fprintf(stderr, "usage: embedded STORE_URL DEFINITION_FILE INPUT_FILE COUNT CONCURRENCY\n");
		return 2;
	}
	bench.wanted = atol(argv[4]);
	bench.latencies_ms = mem_zalloc((size_t)bench.wanted * sizeof *bench.latencies_ms);
	bench.input = read_file(argv[3]);
	bench.clock = clock_system();
	bench.loop = loop_libev_new(NULL, NULL);
	struct store *store;
	struct engine_options options = { .loop = bench.loop, .clock = bench.clock, .limits = LIMITS_DEFAULT };
	if (store_open(argv[1], &(struct store_options){ 0 }, bench.loop, &store, &err))
		fail(err.message);
	options.store = store;
	if (engine_new(&options, &bench.engine, &err))
		fail(err.message);
	engine_recover(bench.engine);
	struct machine_request machine = { .name = STR("bench"), .definition = read_file(argv[2]), .role_arn = STR("arn:aws:iam::000000000000:role/bench"),
					   .type = STR("STANDARD") };
	engine_create_machine(bench.engine, &machine, created, NULL);
	bench.loop->run(bench.loop);
	measure(atol(argv[5]));
	engine_free(bench.engine);
	store_close(store);
	return 0;
}
