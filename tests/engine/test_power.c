/* A whole engine (core, turn, timers, recovery, the SQLite store with its threads, a scripted connector) on a disk whose power goes at any write, again and
 * again. After each loss:
 *
 *   - the store opens, its file is sound, every execution folds, from the start and from its snapshot, to what its rows say (engine_check);
 *   - every start that was answered is there; one that was seen to have ended has the same end;
 *   - the new engine goes on; in the end every execution ends as its definition says, with a history without a gap and with one end.
 *
 * One seed is one run. Even seeds run in step with the store's threads and replay exactly; odd ones let them run.
 * RATCHET_SEED runs one seed, RATCHET_SEEDS sets how many. The same runs must lose something when syncs do nothing. */
#include "base/log.h"
#include "base/mem.h"
#include "base/random.h"
#include "tests/common/progress.h"
#include "tests/engine/harness.h"
#include "tests/store/power_vfs.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define TASK(name) "{\"Type\":\"Task\",\"Resource\":\"arn:ratchet:test:::" name "\""
enum { EXECUTIONS = 24, LOSSES = 6, ROUNDS = 60, BIG_BYTES = 60000 };

/* `big`: the input is a string of BIG_BYTES, which is stored beside its record. */
static const struct machine_case {
	const char *name, *definition, *input;
	bool big, stopped;
} machines[] = {
	{ "linear", "{\"StartAt\":\"A\",\"States\":{\"A\":{\"Type\":\"Pass\",\"Next\":\"B\"},\"B\":" TASK("echo") ",\"End\":true}}}", "{\"n\":1.0}" },
	{ "wait", "{\"StartAt\":\"W\",\"States\":{\"W\":{\"Type\":\"Wait\",\"Seconds\":30,\"Next\":\"B\"},\"B\":" TASK("slow") ",\"End\":true}}}", "[0.1]" },
	{ "retry",
	  "{\"StartAt\":\"T\",\"States\":{\"T\":" TASK("flaky") ",\"Retry\":[{\"ErrorEquals\":[\"Test.Failed\"],\"IntervalSeconds\":3,"
	  "\"MaxAttempts\":9}],\"End\":true}}}", "{}" },
	{ "map",
	  "{\"StartAt\":\"M\",\"States\":{\"M\":{\"Type\":\"Map\",\"MaxConcurrency\":3,\"ItemProcessor\":{\"StartAt\":\"P\",\"States\":{\"P\":"
	  "{\"Type\":\"Wait\",\"Seconds\":2,\"Next\":\"T\"},\"T\":" TASK("echo") ",\"End\":true}}},\"End\":true}}}", "[1,2,3,4,5,6,7,8,9]" },
	{ "big", "{\"StartAt\":\"A\",\"States\":{\"A\":" TASK("slow") ",\"Next\":\"B\"},\"B\":" TASK("echo") ",\"End\":true}}}", NULL, .big = true },
	{ "stopped", "{\"StartAt\":\"W\",\"States\":{\"W\":{\"Type\":\"Wait\",\"Seconds\":100000,\"End\":true}}}", "1", .stopped = true },
};
enum { MACHINES = sizeof machines / sizeof *machines };

struct run {
	struct harness *h;
	struct random random;
	uint64_t seed;
	char big[BIG_BYTES + 3];
	struct known {
		struct answer *start, *described, *stop; /* of this life; NULL: not asked */
		bool acknowledged, stopped, ended;
		enum execution_status status;
		char *output;
	} known[EXECUTIONS];
	unsigned acknowledged, losses;
	unsigned problems;
	char problem[400];
};

static void problem(struct run *run, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void problem(struct run *run, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	if (!run->problems++)
		vsnprintf(run->problem, sizeof run->problem, format, args);
	va_end(args);
}

static const struct machine_case *machine_of(unsigned which)
{
	return &machines[which % MACHINES];
}

static const char *input_of(struct run *run, unsigned which)
{
	return machine_of(which)->big ? run->big : machine_of(which)->input;
}

static void arn_of(unsigned which, char ret_arn[160])
{
	snprintf(ret_arn, 160, "arn:aws:states:us-east-1:000000000000:execution:%s:e%u", machine_of(which)->name, which);
}

/* ---- what was told ------------------------------------------------------------------------------------- */

static void take_description(struct run *run, unsigned which, const struct answer *described)
{
	struct known *known = &run->known[which];
	if (described->error == ENGINE_EXECUTION_DOES_NOT_EXIST && known->acknowledged)
		problem(run, "e%u was acknowledged and is not there: %s", which, described->message);
	if (described->error)
		return;
	known->acknowledged = true; /* what was read may not be taken back either */
	if (strcmp(described->input, input_of(run, which)) != 0)
		problem(run, "e%u has another input", which);
	if (known->ended && (described->status != known->status || strcmp(described->output ? described->output : "", known->output) != 0))
		problem(run, "e%u ended as %s, and now it is %s", which, execution_status_name(known->status), execution_status_name(described->status));
	if (known->stopped && described->status != EXECUTION_ABORTED_)
		problem(run, "e%u was stopped, and now it is %s", which, execution_status_name(described->status));
	if (described->status == EXECUTION_RUNNING || known->ended)
		return;
	known->ended = true;
	known->status = described->status;
	known->output = mem_strdup(described->output ? described->output : "");
}

static void take_answers(struct run *run)
{
	for (unsigned i = 0; i < EXECUTIONS; i++) {
		struct known *known = &run->known[i];
		/* First: it was asked before the others were answered, so it need not know of them. */
		if (known->described && known->described->done) {
			take_description(run, i, known->described);
			known->described = NULL;
		}
		if (known->start && known->start->done) {
			known->acknowledged |= !known->start->error;
			known->start = NULL;
		}
		if (known->stop && known->stop->done) {
			known->stopped |= !known->stop->error;
			known->stop = NULL;
		}
	}
}

/* ---- one life ------------------------------------------------------------------------------------------------ */

static void ask_something(struct run *run)
{
	unsigned which = (unsigned)random_below(&run->random, EXECUTIONS);
	struct known *known = &run->known[which];
	char name[16], arn[160];
	snprintf(name, sizeof name, "e%u", which);
	arn_of(which, arn);
	if (!known->start && !known->ended && (!known->acknowledged || random_below(&run->random, 8) == 0))
		known->start = harness_begin(run->h, machine_of(which)->name, name, input_of(run, which));
	else if (machine_of(which)->stopped && known->acknowledged && !known->stop && random_below(&run->random, 3) == 0)
		known->stop = harness_begin_stop(run->h, arn, "Test", "stopped");
	else if (known->acknowledged && !known->described)
		known->described = harness_begin_describe(run->h, arn);
}

static void live(struct run *run)
{
	struct harness *h = run->h;
	power_vfs.steps_left = (int)random_below(&run->random, 1u << (4 + random_below(&run->random, 7)));
	for (unsigned round = 0; round < ROUNDS && !power_vfs_is_off() && !h->fatal; round++) {
		ask_something(run);
		for (uint64_t i = random_below(&run->random, 20); i && !power_vfs_is_off() && !h->fatal; i--)
			harness_iterate(h, random_below(&run->random, 3) == 0);
		take_answers(run);
	}
	if (h->fatal && !power_vfs_is_off())
		problem(run, "the engine stopped: %s", h->fatal);
	for (unsigned i = 0; i < EXECUTIONS; i++)
		run->known[i].start = run->known[i].stop = run->known[i].described = NULL; /* their engine is gone */
}

static void look(struct run *run)
{
	char arn[160];
	for (unsigned i = 0; i < EXECUTIONS && !run->problems; i++) {
		arn_of(i, arn);
		if (run->known[i].acknowledged)
			take_description(run, i, harness_describe(run->h, arn));
	}
}

/* ---- the end ---------------------------------------------------------------------------------------------------- */

static void check_history(struct run *run, unsigned which, const char *arn)
{
	unsigned long long expected = 1, ends = 0;
	struct answer *page = harness_history(run->h, arn, false, 1000, "");
	for (char *end, *line = page->text; line && *line; line = end + 1) {
		end = strchr(line, '\n');
		*end = 0;
		if (ends || strtoull(line, NULL, 10) != expected++)
			problem(run, "e%u: its history is wrong at '%s'", which, line);
		ends += strstr(line, "ExecutionSucceeded") || strstr(line, "ExecutionFailed") || strstr(line, "ExecutionAborted");
	}
	if (ends != 1)
		problem(run, "e%u: %llu ends in its history", which, ends);
}

static void finish(struct run *run)
{
	char arn[160], name[16];
	for (unsigned i = 0; i < EXECUTIONS; i++) {
		snprintf(name, sizeof name, "e%u", i);
		arn_of(i, arn);
		if (!run->known[i].ended) {
			struct answer *start = harness_start(run->h, machine_of(i)->name, name, input_of(run, i));
			/* One whose answer was lost may have ended unseen. */
			if (start->error && start->error != ENGINE_EXECUTION_ALREADY_EXISTS)
				problem(run, "e%u cannot be started: %s", i, start->message);
		}
		if (machine_of(i)->stopped && !run->known[i].ended)
			harness_stop(run->h, arn, "Test", "stopped");
	}
	harness_run_for(run->h, 400000);
	for (unsigned i = 0; i < EXECUTIONS && !run->problems; i++) {
		arn_of(i, arn);
		struct answer *end = harness_describe(run->h, arn);
		enum execution_status wanted = machine_of(i)->stopped ? EXECUTION_ABORTED_ : EXECUTION_SUCCEEDED_;
		if (end->error || end->status != wanted)
			problem(run, "e%u is %s in the end", i, end->error ? end->message : execution_status_name(end->status));
		else if (wanted == EXECUTION_SUCCEEDED_ && strcmp(end->output, input_of(run, i)) != 0)
			problem(run, "e%u has another output", i);
		else
			check_history(run, i, arn);
	}
	struct engine_stats stats;
	engine_stats(run->h->engine, &stats);
	if (stats.open)
		problem(run, "%llu executions are still open", (unsigned long long)stats.open);
}

/* ---- seeds ---------------------------------------------------------------------------------------------------------- */

struct totals {
	uint64_t runs, bad, losses, acknowledged, first_bad;
	char problem[400];
};

static void run_seed(uint64_t seed, bool lie, struct totals *totals)
{
	struct run *run = NEW(struct run);
	run->seed = seed;
	random_seed(&run->random, seed);
	memset(run->big, 'b', sizeof run->big - 1);
	run->big[0] = run->big[sizeof run->big - 2] = '"';
	struct harness *h = run->h = harness_new_on_power(seed, seed % 2 == 0);
	for (unsigned i = 0; i < MACHINES; i++)
		assert_int_equal(harness_create(h, machines[i].name, machines[i].definition)->error, ENGINE_OK);
	for (unsigned i = 0; i < LOSSES && !run->problems; i++) {
		char text[300];
		power_vfs.syncs_lie = lie;
		live(run);
		bool whole = harness_lose_power(h, text);
		power_vfs.syncs_lie = false;
		if (!whole)
			problem(run, "%s", text);
		else
			look(run);
	}
	if (!run->problems)
		finish(run);
	char text[300];
	if (!run->problems && !harness_lose_power(h, text))
		problem(run, "%s", text);
	for (unsigned i = 0; i < EXECUTIONS; i++) {
		totals->acknowledged += run->known[i].acknowledged;
		free(run->known[i].output);
	}
	if (run->problems && !totals->bad++) {
		totals->first_bad = seed;
		strcpy(totals->problem, run->problem);
	}
	totals->runs++;
	harness_free(h);
	free(run);
}

static struct totals run_seeds(uint64_t count, bool lie)
{
	const char *one = lie ? NULL : getenv("RATCHET_SEED"), *many = lie ? NULL : getenv("RATCHET_SEEDS");
	uint64_t first = one ? strtoull(one, NULL, 10) : 1, cuts = power_vfs.cuts, dropped = power_vfs.dropped, torn = power_vfs.torn;
	struct totals totals = { 0 };
	count = one ? 1 : many ? strtoull(many, NULL, 10) : count;
	for (uint64_t seed = first; seed < first + count; seed++) {
		run_seed(seed, lie, &totals);
		print_progress(totals.runs, count, "seeds");
	}
	if (!lie)
		print_message("           seeds %llu to %llu: the power went %llu times; %llu executions acknowledged; %llu sectors dropped, %llu writes torn\n",
			      (unsigned long long)first, (unsigned long long)(first + count - 1), (unsigned long long)(power_vfs.cuts - cuts),
			      (unsigned long long)totals.acknowledged, (unsigned long long)(power_vfs.dropped - dropped), (unsigned long long)(power_vfs.torn - torn));
	return totals;
}

static void after_a_power_loss_every_acknowledged_execution_goes_on(void **state)
{
	struct totals totals = run_seeds(100, false);
	if (totals.bad)
		fail_msg("%llu of %llu seeds failed; RATCHET_SEED=%llu: %s", (unsigned long long)totals.bad, (unsigned long long)totals.runs,
			 (unsigned long long)totals.first_bad, totals.problem);
}

static void without_syncs_executions_would_be_lost(void **state)
{
	struct totals totals = run_seeds(20, true);
	print_message("           %llu of %llu seeds lose something, as they must; seed %llu: %s\n", (unsigned long long)totals.bad,
		      (unsigned long long)totals.runs, (unsigned long long)totals.first_bad, totals.problem);
	assert_true(totals.bad > 10);
}

int main(void)
{
	log_setup(LOG_LEVEL_ERROR + 1, false);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(after_a_power_loss_every_acknowledged_execution_goes_on),
		cmocka_unit_test(without_syncs_executions_would_be_lost),
	};
	return cmocka_run_group_tests_name("power", tests, NULL, NULL);
}
