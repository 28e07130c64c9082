/* sim.c: one run from its beginning to its end, and the program around it.
 *
 *     simulation                     seeds 1 … 2000, in two processes
 *     simulation --seeds N           seeds 1 … N            --from M     beginning with M            --jobs N     in so many processes
 *     simulation --seed N            that one, in this process; --trace prints what happens, --log what the engine logs
 *     simulation --replays N         seeds 1 … N, each twice: both runs must be the same, event by event
 *     simulation --no-faults         without faults only
 *     simulation --first             ends with the first failure
 *
 * Each seed is run with faults and without, and both must come to what the oracle says, and to the same. The order of things: whoever has
 * something to do at the present time is chosen by chance; when nobody has, time jumps to the next that has. */
#include "tests/simulation/sim.h"
#include "base/hash.h"
#include "base/log.h"
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SEED_MAX_S 120
#define JOBS_MAX 64
#define FAILURES_MAX 20 /* then it gives up */
#define TELL_SEEDS 5000 /* after so many it says how far it is */
#define STEPS_MAX 4000000
#define TIME_MAX_MS (INT64_C(3000000) * 1000)
#define BOUNDARY_RECORDS_MAX 60

bool sim_trace;

/* ---- what the parts ask ------------------------------------------------------------------------ */

void sim_fail(struct sim *sim, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	printf("seed %llu, %s faults, at %lld ms: ", (unsigned long long)sim->seed, sim->temper.faults ? "with" : "without",
	       (long long)(sim->now_ms - SIM_START_MS));
	vprintf(format, args);
	printf("\n");
	va_end(args);
	fflush(stdout);
	_exit(1);
}

void sim_note(struct sim *sim, const char *what, uint64_t a, uint64_t b)
{
	sim->digest = hash_bytes(str_of(what), sim->digest ^ hash_u64(a ^ hash_u64(b ^ (uint64_t)sim->now_ms)));
	if (sim_trace)
		printf("%10lld %s %llx %llu\n", (long long)(sim->now_ms - SIM_START_MS), what, (unsigned long long)a, (unsigned long long)b);
}

bool sim_calm(const struct sim *sim)
{
	return !sim->temper.faults || sim->now_ms >= sim->temper.until_ms;
}

bool sim_happens(struct sim *sim, unsigned parts)
{
	return parts && !sim_calm(sim) && random_below(&sim->chance, 1000) < parts;
}

int64_t sim_delay(struct sim *sim, unsigned most_ms)
{
	return (int64_t)random_below(&sim->chance, (uint64_t)most_ms + 1);
}

int64_t sim_wall_ms(const struct sim *sim)
{
	return sim->now_ms + sim->wall_offset_ms;
}

static int64_t clock_wall_ms(struct clock_source *self)
{
	return sim_wall_ms((struct sim *)((char *)self - offsetof(struct sim, clock)));
}

static int64_t clock_monotonic_us(struct clock_source *self)
{
	return ((struct sim *)((char *)self - offsetof(struct sim, clock)))->now_ms * 1000;
}

/* ---- the plan and the temper ------------------------------------------------------------------------ */

static void make_plan(struct sim *sim)
{
	struct random plan;
	random_seed(&plan, sim->seed);
	bool bulky = random_below(&plan, 6) == 0;
	sim->machines_count = 1 + (unsigned)random_below(&plan, SIM_MACHINES_MAX);
	bool express = sim->machines_count > 1 && random_below(&plan, 3) == 0;
	sim->functions = random_below(&plan, 3) == 0;
	sim->standard_count = sim->machines_count - express;
	for (unsigned i = 0; i < sim->machines_count; i++) {
		struct machine_plan *machine = &sim->machines[i];
		snprintf(machine->name, sizeof machine->name, "machine-%c", 'a' + i);
		machine->express = i >= sim->standard_count;
		machine->definition = generate_machine(&plan, bulky, sim->functions, i, sim->machines_count, express);
		machine->text = json_dumps(machine->definition, JSON_COMPACT);
	}
	sim->starts_count = 1 + (unsigned)random_below(&plan, 8);
	sim->starts = mem_zalloc(sizeof *sim->starts * sim->starts_count);
	sim->outcomes = mem_zalloc(sizeof *sim->outcomes * sim->starts_count);
	for (unsigned i = 0; i < sim->starts_count; i++) {
		struct start_plan *start = &sim->starts[i];
		start->machine = (unsigned)random_below(&plan, sim->standard_count);
		if (random_below(&plan, 5))
			snprintf(start->name, sizeof start->name, "e%u", i);
		start->input = generate_input(&plan, bulky);
		start->text = json_dumps(start->input, JSON_COMPACT);
		start->at_ms = (int64_t)random_below(&plan, 4) ? (int64_t)random_below(&plan, 60000) : 0;
		oracle_run(sim->machines, start->machine, start->input, &start->verdict);
	}
}

/* Not every fault in every run: one that comes all the time hides what others would find. */
static unsigned perhaps(struct sim *sim, unsigned one_in, unsigned most)
{
	return random_below(&sim->chance, one_in) ? 0 : 1 + (unsigned)random_below(&sim->chance, most);
}

static unsigned one_of(struct sim *sim, const unsigned *values, unsigned count)
{
	return values[random_below(&sim->chance, count)];
}

static void draw_temper(struct sim *sim, bool faults)
{
	static const unsigned delays[] = { 0, 1, 5, 50, 400 };
	struct temper *temper = &sim->temper;
	*temper = (struct temper){ .faults = faults };
	temper->write_ms = one_of(sim, delays, 5);
	temper->answer_ms = one_of(sim, delays, 5);
	temper->read_ms = one_of(sim, delays, 5);
	temper->task_ms = one_of(sim, (const unsigned[]){ 0, 10, 1000, 5000 }, 4);
	temper->fail = perhaps(sim, 2, 150);
	temper->no_space = perhaps(sim, 6, 30);
	temper->lose_stored = perhaps(sim, 4, 60);
	temper->lose = perhaps(sim, 6, 20);
	temper->fence = perhaps(sim, 8, 20);
	temper->read_fail = perhaps(sim, 6, 60);
	temper->die_at_effect = perhaps(sim, 2, 300);
	temper->die_at_write = perhaps(sim, 3, 60);
	temper->die_every_ms = random_below(&sim->chance, 3) ? 0 : 500 << random_below(&sim->chance, 9);
	temper->zombie = perhaps(sim, 2, 900);
	temper->twice = perhaps(sim, 2, 400);
	temper->late = perhaps(sim, 2, 900);
	temper->stop = perhaps(sim, 3, 900);
	temper->redrive = perhaps(sim, 2, 900);
	temper->update = perhaps(sim, 2, 900);
	temper->deaf = perhaps(sim, 2, 600);
	temper->cold = perhaps(sim, 2, 500);
	temper->crash = perhaps(sim, 2, 500);
	sim->tells = random_below(&sim->chance, 2);
	temper->jump = perhaps(sim, 6, 30);
	temper->until_ms = sim->now_ms + (5000 << random_below(&sim->chance, 8));
}

static void draw_limits(struct sim *sim)
{
	struct limits *limits = &sim->limits;
	*limits = LIMITS_DEFAULT;
	limits->express_seconds = 1000000; /* that they take long is no failure here */
	limits->payload_bytes = 16 << 20; /* nested copies of a blob are no failure here */
	limits->batches_outstanding = 1 + (int64_t)random_below(&sim->chance, 8);
	if (random_below(&sim->chance, 2))
		limits->turn_inputs = 1 + (int64_t)random_below(&sim->chance, 4);
	if (random_below(&sim->chance, 2))
		limits->tasks_in_flight = 3 + (int64_t)random_below(&sim->chance, 3);
	limits->function_workers = 2 + (int64_t)random_below(&sim->chance, 4);
	if (random_below(&sim->chance, 2))
		limits->cached_executions = 1 + (int64_t)random_below(&sim->chance, 4);
	if (random_below(&sim->chance, 2))
		limits->step_events = 2 + (int64_t)random_below(&sim->chance, 20);
	if (random_below(&sim->chance, 3) == 0)
		limits->map_concurrency = 2;
	if (random_below(&sim->chance, 3))
		limits->snapshot_bytes = 100 << random_below(&sim->chance, 7);
}

/* ---- the run ---------------------------------------------------------------------------------------------- */

static bool all_ended(const struct sim *sim)
{
	for (size_t i = 0; i < sim->model.count; i++)
		if (!sim->model.facts[i]->ended)
			return false;
	return true;
}

static void begin_node(struct sim *sim)
{
	sim->node_again_ms = INT64_MAX;
	sim->node = node_new(sim);
}

/* The process is gone, or somebody believes so. */
static void end_node(struct sim *sim, bool believed)
{
	struct node *node = TAKE(sim->node);
	sim->deaths++;
	sim_note(sim, believed ? "is taken over" : node->why, node->number, 0);
	sim->node_again_ms = sim->now_ms + (believed ? 0 : sim_delay(sim, 3000));
	if (!believed) {
		node_free(node);
		return;
	}
	node->zombie = true;
	node->dies_ms = sim->now_ms + 1 + sim_delay(sim, 10000);
	sim->zombie = node;
}

static void end_zombie(struct sim *sim)
{
	sim->fenced++;
	sim_note(sim, "the old process ends", sim->zombie->number, 0);
	node_free(TAKE(sim->zombie));
}

static bool ends_dying(struct sim *sim)
{
	if (sim->zombie && (sim->zombie->dying || sim->zombie->dies_ms <= sim->now_ms)) {
		end_zombie(sim);
		return true;
	}
	if (sim->node && (sim->node->dying || sim->node->dies_ms <= sim->now_ms)) {
		if (!sim->node->dying)
			sim->node->why = "at any time";
		end_node(sim, !sim->node->dying && !sim->zombie && sim_happens(sim, sim->temper.zombie));
		return true;
	}
	return false;
}

enum { WHO_NODE, WHO_ZOMBIE, WHO_CLIENT, WHO_DRIVER, WHO_BEGINS, WHO_DIES, WHO_ZOMBIE_DIES, WHO };

static int64_t when(const struct sim *sim, int who)
{
	switch (who) {
	case WHO_NODE:
		return sim->node ? node_next_ms(sim->node) : INT64_MAX;
	case WHO_ZOMBIE:
		return sim->zombie ? node_next_ms(sim->zombie) : INT64_MAX;
	case WHO_CLIENT:
		return client_next_ms(sim->client);
	case WHO_DRIVER:
		return driver_next_ms(sim->driver);
	case WHO_BEGINS:
		return sim->node ? INT64_MAX : sim->node_again_ms;
	case WHO_DIES:
		return sim->node ? sim->node->dies_ms : INT64_MAX;
	default:
		return sim->zombie ? sim->zombie->dies_ms : INT64_MAX;
	}
}

static void act(struct sim *sim, int who)
{
	switch (who) {
	case WHO_NODE:
		node_iterate(sim->node);
		break;
	case WHO_ZOMBIE:
		node_iterate(sim->zombie);
		break;
	case WHO_CLIENT:
		client_act(sim->client);
		break;
	case WHO_DRIVER:
		driver_act(sim->driver);
		break;
	case WHO_BEGINS:
		begin_node(sim);
		break;
	default:
		break;
	}
}

/* Nobody has anything to do now: time moves on. */
static void pass_time(struct sim *sim, int64_t next_ms)
{
	if (sim->node && !sim->zombie && node_at_rest(sim->node))
		model_check_rest(&sim->model, sim->node);
	sim->now_ms = next_ms;
	if (sim_happens(sim, sim->temper.jump)) {
		sim->wall_offset_ms += (int64_t)random_below(&sim->chance, 60000) - 30000;
		sim_note(sim, "the clock jumps", (uint64_t)sim->wall_offset_ms, 0);
	}
}

static void step(struct sim *sim)
{
	int64_t times[WHO], next_ms = INT64_MAX;
	for (int i = 0; i < WHO; i++) {
		times[i] = when(sim, i);
		if (times[i] < next_ms)
			next_ms = times[i];
	}
	if (next_ms == INT64_MAX)
		sim_fail(sim, "nothing more can happen");
	if (next_ms > sim->now_ms) {
		pass_time(sim, next_ms);
		return;
	}
	unsigned ready = 0;
	for (int i = 0; i < WHO; i++)
		ready += times[i] <= sim->now_ms;
	uint64_t chosen = random_below(&sim->chance, ready);
	for (int i = 0; i < WHO; i++)
		if (times[i] <= sim->now_ms && chosen-- == 0) {
			act(sim, i);
			return;
		}
}

static bool express_run(const struct engine *engine)
{
	size_t at = 0;
	for (const struct u64_map_entry *entry; (entry = u64_map_next(&engine->residents, &at));)
		if (((const struct resident *)entry->value)->express)
			return true;
	return false;
}

static bool is_over(const struct sim *sim)
{
	return client_satisfied(sim->client) && driver_satisfied(sim->driver) && sim_calm(sim) && all_ended(sim) && sim->node && !sim->zombie && node_at_rest(sim->node) &&
	       !sim->node->tasks_running && !sim->node->engine->inputs_queued && !express_run(sim->node->engine) && children_at_rest(sim->node->engine) &&
	       !sim->model.changes_left;
}

static void check_end(struct sim *sim)
{
	struct engine_stats stats;
	engine_stats(sim->node->engine, &stats);
	if (stats.open || stats.tasks_in_flight || stats.queued_inputs)
		sim_fail(sim, "at the end %llu are said to be open, %llu tasks in flight, %llu inputs queued", (unsigned long long)stats.open,
			 (unsigned long long)stats.tasks_in_flight, (unsigned long long)stats.queued_inputs);
	if (sim->model.inbox.count)
		sim_fail(sim, "all have ended, and %zu messages are left", sim->model.inbox.count);
	if (sim->model.queued.count)
		sim_fail(sim, "all have ended, and %zu tasks still wait for a worker", sim->model.queued.count);
	client_check_end(sim->client);
	struct fact *fact = sim->model.count ? sim->model.facts[random_below(&sim->chance, sim->model.count)] : NULL;
	if (fact && fact->records_count <= BOUNDARY_RECORDS_MAX)
		model_check_boundaries(&sim->model, fact);
}

static void sim_run(struct sim *sim, uint64_t seed, bool faults)
{
	*sim = (struct sim){ .seed = seed, .now_ms = SIM_START_MS, .clock = { clock_wall_ms, clock_monotonic_us }, .node_again_ms = SIM_START_MS };
	random_seed(&sim->chance, hash_u64(seed));
	sim->temper.faults = faults; /* for messages */
	make_plan(sim);
	draw_limits(sim);
	draw_temper(sim, faults);
	disk_init(&sim->disk, sim);
	model_init(&sim->model, sim);
	sim->client = client_new(sim);
	sim->driver = driver_new(sim);
	while (!is_over(sim)) {
		if (ends_dying(sim))
			continue;
		if (++sim->steps > STEPS_MAX || sim->now_ms > SIM_START_MS + TIME_MAX_MS)
			sim_fail(sim, "it does not come to an end");
		step(sim);
	}
	check_end(sim);
	node_free(TAKE(sim->node));
}

static void sim_done(struct sim *sim)
{
	client_free(sim->client);
	driver_free(sim->driver);
	model_done(&sim->model);
	disk_done(&sim->disk);
	for (unsigned i = 0; i < sim->machines_count; i++) {
		json_decref(sim->machines[i].definition);
		free(sim->machines[i].text);
	}
	for (unsigned i = 0; i < sim->starts_count; i++) {
		json_decref(sim->starts[i].input);
		free(sim->starts[i].text);
		verdict_done(&sim->starts[i].verdict);
		free(sim->outcomes[i].output);
		free(sim->outcomes[i].error);
		free(sim->outcomes[i].cause);
	}
	free(sim->starts);
	free(sim->outcomes);
}

/* ---- a seed --------------------------------------------------------------------------------------------- */

struct figures {
	uint64_t seeds, executions, compared, ambiguous, deaths, fenced, batches, failed_writes, rests, tasks, folds, snapshots, steps, redrives, children, express, jobs, job_redrives,
		discards, updates, moved, misfits, told, called, invocations, workers, crashes;
};

static void add_figures(struct figures *figures, const struct sim *sim)
{
	figures->executions += sim->model.count;
	figures->compared += sim->compared;
	figures->ambiguous += sim->ambiguous;
	figures->deaths += sim->deaths;
	figures->fenced += sim->fenced;
	figures->batches += sim->batches;
	figures->failed_writes += sim->failed_writes;
	figures->rests += sim->rests;
	figures->tasks += sim->tasks;
	figures->folds += sim->model.folds;
	figures->snapshots += sim->snapshots;
	figures->steps += sim->steps;
	figures->redrives += sim->redrives;
	figures->children += sim->children;
	figures->express += sim->express;
	figures->jobs += sim->jobs;
	figures->job_redrives += sim->job_redrives;
	figures->discards += sim->discards;
	figures->updates += sim->updates;
	figures->moved += sim->moved;
	figures->misfits += sim->misfits;
	figures->told += sim->told;
	figures->called += sim->called;
	figures->invocations += sim->invocations;
	figures->workers += sim->workers;
	figures->crashes += sim->crashes;
}

static bool same(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : !a && !b;
}

static void compare_runs(struct sim *with, const struct sim *without)
{
	for (unsigned i = 0; i < with->starts_count; i++) {
		const struct came_to *a = &with->outcomes[i], *b = &without->outcomes[i];
		if (!a->there || !b->there || a->stopped || b->stopped)
			continue;
		if (a->end != b->end || !same(a->output, b->output) || !same(a->error, b->error))
			sim_fail(with, "%s ended otherwise than without faults: %s %s %s, not %s %s %s", with->starts[i].name, event_type_name(a->end),
				 a->output, a->error, event_type_name(b->end), b->output, b->error);
	}
}

static volatile uint64_t seed_now;

/* An assertion, a fault, or a run that never ends: the seed is what matters. */
static void on_signal(int number)
{
	char text[80];
	int len = snprintf(text, sizeof text, "seed %llu: %s\n", (unsigned long long)seed_now,
			   number == SIGALRM ? "it takes too long" : strsignal(number));
	_exit(write(STDOUT_FILENO, text, (size_t)len) == len ? 1 : 2);
}

static uint64_t run_seed(uint64_t seed, bool with_faults, struct figures *figures)
{
	struct sim without, with;
	seed_now = seed;
	alarm(SEED_MAX_S);
	sim_run(&without, seed, false);
	add_figures(figures, &without);
	uint64_t digest = without.digest;
	if (with_faults) {
		sim_run(&with, seed, true);
		add_figures(figures, &with);
		compare_runs(&with, &without);
		digest ^= hash_u64(with.digest);
		sim_done(&with);
	}
	sim_done(&without);
	figures->seeds++;
	return digest;
}

/* ---- the program --------------------------------------------------------------------------------------------- */

struct options {
	uint64_t first, count, jobs;
	bool one, with_faults, first_only;
};

/* What the processes share: they take one seed after the other, and each adds up its own figures. */
struct shared {
	_Atomic uint64_t next;
	struct figures figures[JOBS_MAX];
};

static void work(const struct options *options, struct shared *shared, uint64_t job)
{
	for (uint64_t i; (i = shared->next++) < options->count;) {
		if (i && i % TELL_SEEDS == 0) {
			printf("%llu of %llu seeds\n", (unsigned long long)i, (unsigned long long)options->count);
			fflush(stdout);
		}
		run_seed(options->first + i, options->with_faults, &shared->figures[job]);
	}
	_exit(0);
}

static double now_s(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void print_figures(const struct figures *f, double took_s)
{
	printf("%llu seeds in %.1f s (%.0f/s): %llu executions, %llu steps of the loop, %llu tasks, %llu batches of which %llu were refused, "
	       "%llu processes died, %llu were fenced off; compared with the oracle: %llu (%llu ambiguous); states checked at rest: %llu; "
	       "records folded: %llu; snapshots: %llu; children: %llu; redrives: %llu, of them by %llu jobs: %llu; Express answers: %llu; "
	       "letters discarded: %llu; definitions changed: %llu, executions that went on with another: %llu, that could not: %llu; targets told: %llu; "
	       "tokens given to children: %llu; events given to %llu workers of functions: %llu, of which %llu failed for no reason of their own\n",
	       (unsigned long long)f->seeds, took_s, (double)f->seeds / took_s, (unsigned long long)f->executions, (unsigned long long)f->steps,
	       (unsigned long long)f->tasks, (unsigned long long)f->batches, (unsigned long long)f->failed_writes, (unsigned long long)f->deaths,
	       (unsigned long long)f->fenced, (unsigned long long)f->compared, (unsigned long long)f->ambiguous, (unsigned long long)f->rests,
	       (unsigned long long)f->folds, (unsigned long long)f->snapshots, (unsigned long long)f->children, (unsigned long long)f->redrives,
	       (unsigned long long)f->jobs, (unsigned long long)f->job_redrives, (unsigned long long)f->express, (unsigned long long)f->discards,
	       (unsigned long long)f->updates, (unsigned long long)f->moved, (unsigned long long)f->misfits, (unsigned long long)f->told,
	       (unsigned long long)f->called, (unsigned long long)f->workers, (unsigned long long)f->invocations, (unsigned long long)f->crashes);
}

static struct figures sum(const struct shared *shared)
{
	struct figures total = { 0 };
	for (size_t job = 0; job < JOBS_MAX; job++)
		for (size_t i = 0; i < sizeof total / sizeof(uint64_t); i++)
			((uint64_t *)&total)[i] += ((const uint64_t *)&shared->figures[job])[i];
	return total;
}

static pid_t begin_job(const struct options *options, struct shared *shared, uint64_t job)
{
	pid_t pid = fork();
	if (pid == 0)
		work(options, shared, job);
	return pid;
}

/* A process ends with the first seed that fails; another goes on behind it. */
static int run_many(const struct options *options)
{
	double began_s = now_s();
	int failed = 0;
	pid_t children[JOBS_MAX] = { 0 };
	struct shared *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return 2;
	for (uint64_t job = 0; job < options->jobs; job++)
		if ((children[job] = begin_job(options, shared, job)) < 0)
			return 2;
	for (uint64_t left = options->jobs; left;) {
		int status;
		pid_t ended = wait(&status);
		failed += status != 0;
		bool again = status && !options->first_only && failed < FAILURES_MAX;
		for (uint64_t job = 0; job < options->jobs; job++) {
			if (children[job] == ended)
				children[job] = again ? begin_job(options, shared, job) : 0;
			else if (failed && options->first_only && children[job])
				kill(children[job], SIGKILL);
		}
		left -= !again;
	}
	if (failed && options->first_only)
		return 1;
	struct figures total = sum(shared);
	print_figures(&total, now_s() - began_s);
	printf("%llu passed, %d failed\n", (unsigned long long)total.seeds, failed);
	return failed ? 1 : 0;
}

/* The same seed is the same run. */
static int check_replays(uint64_t count)
{
	struct figures figures = { 0 };
	uint64_t different = 0;
	for (uint64_t seed = 1; seed <= count; seed++)
		if (run_seed(seed, true, &figures) != run_seed(seed, true, &figures)) {
			printf("seed %llu: two runs of it differ\n", (unsigned long long)seed);
			different++;
		}
	printf("%llu passed, %llu failed\n", (unsigned long long)(count - different), (unsigned long long)different);
	return different > 0;
}

int main(int argc, char **argv)
{
	static const struct option long_options[] = { { "seed", required_argument, NULL, 's' }, { "seeds", required_argument, NULL, 'n' },
						      { "from", required_argument, NULL, 'f' }, { "jobs", required_argument, NULL, 'j' },
						      { "trace", no_argument, NULL, 't' }, { "no-faults", no_argument, NULL, 'c' },
						      { "log", no_argument, NULL, 'l' }, { "first", no_argument, NULL, '1' },
						      { "replays", required_argument, NULL, 'r' },
						      { NULL, 0, NULL, 0 } };
	struct options options = { .first = 1, .count = 2000, .jobs = 2, .with_faults = true };
	bool logs = false;
	uint64_t replays = 0;
	for (int c; (c = getopt_long(argc, argv, "", long_options, NULL)) >= 0;) {
		switch (c) {
		case 's':
			options.one = true;
			options.first = strtoull(optarg, NULL, 10);
			break;
		case 'n':
			options.count = strtoull(optarg, NULL, 10);
			break;
		case 'f':
			options.first = strtoull(optarg, NULL, 10);
			break;
		case 'j':
			options.jobs = strtoull(optarg, NULL, 10);
			break;
		case 't':
			sim_trace = true;
			break;
		case 'c':
			options.with_faults = false;
			break;
		case 'r':
			replays = strtoull(optarg, NULL, 10);
			break;
		case '1':
			options.first_only = true;
			break;
		case 'l':
			logs = true;
			break;
		default:
			return 2;
		}
	}
	if (options.jobs < 1 || options.jobs > JOBS_MAX)
		return 2;
	log_setup(logs ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR + 1, false);
	for (size_t i = 0; i < 4; i++)
		signal((const int[]){ SIGABRT, SIGSEGV, SIGBUS, SIGALRM }[i], on_signal);
	if (replays)
		return check_replays(replays);
	if (!options.one)
		return run_many(&options);
	struct figures figures = { 0 };
	uint64_t digest = run_seed(options.first, options.with_faults, &figures);
	printf("seed %llu: digest %016llx\n", (unsigned long long)options.first, (unsigned long long)digest);
	return 0;
}
