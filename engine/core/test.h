/* test.h: one state played by itself, in memory: what TestState does.
 *
 * The interpreter plays it as it plays any state. A struct core_test in core_env is the whole difference: it gives what
 * would else come from an execution's past (context object, variables, retries made) or from branches and iterations
 * (the result of a Parallel or Map), and keeps what the data looked like on their way. Nothing is recorded.
 *
 *     core_test_begin ─► SUCCEEDED, CAUGHT_ERROR, RETRIABLE, FAILED
 *                     └► TASK: a task waits ─► core_test_answer ─► one of the above
 *
 * The state under test is the program's start state; the play is over when it is left. A Wait does not wait. */
#pragma once
#include "engine/core/core.h"

enum test_status { TEST_SUCCEEDED, TEST_FAILED, TEST_RETRIABLE, TEST_CAUGHT_ERROR, TEST_TASK };

/* After which step of its way a value was seen. */
enum test_stage {
	TEST_INPUT_PATH,
	TEST_PARAMETERS,
	TEST_ARGUMENTS,
	TEST_ITEMS_PATH,
	TEST_ITEM_SELECTOR, /* the inputs of all iterations; not seen if they are too large together */
	TEST_RESULT,
	TEST_RESULT_SELECTOR,
	TEST_RESULT_PATH,
	TEST_OUTPUT,
	TEST_MAX_CONCURRENCY,
	TEST_TOLERATED_COUNT,
	TEST_TOLERATED_PERCENTAGE,
	TEST_STAGES,
};

/* How a task, or a Parallel or Map instead of running what is in it, ends. */
struct test_mock {
	const struct value *result; /* NULL: it fails */
	struct str error, cause;
	bool has_error, has_cause;
};

struct core_test {
	/* Given, and borrowed as long as the test. */
	const struct value *context;   /* the whole context object */
	const struct value *variables; /* an object; NULL: none */
	const struct test_mock *mock;  /* NULL: only for states without branches or iterations */
	const struct value *items;     /* what an ItemReader has read; NULL: ask Items or ItemsPath */
	uint64_t failed_iterations;    /* of a Map that has given its result all the same */
	uint32_t retries;              /* made before, by whichever retrier takes the error */

	/* Found; as long as the test. */
	const struct value *seen[TEST_STAGES]; /* NULL: it did not come that far */
	int64_t retrier, catcher;              /* the one that the error matched; -1: none */
	int64_t backoff_s;                     /* RETRIABLE; else -1 */
	struct str next;                       /* the next state; empty: none */
	struct str error, cause;
	bool has_error, has_cause;
	bool too_many_failures; /* more failed_iterations than iterations: the question makes no sense */
	struct command task;    /* TASK */

	/* Its own. */
	struct arena arena;
	struct execution *execution;
	bool left;
};

/* `test` is zeroed but for what is given, and env->test is `test`. No state may be run that has branches or iterations
 * unless there is a mock. */
enum test_status core_test_begin(struct core_test *test, const struct core_env *env, const struct value *input);
/* Ends the task. */
enum test_status core_test_answer(struct core_test *test, const struct core_env *env, const struct test_mock *answer);
const struct value *core_test_variables(const struct core_test *test); /* as they are now; NULL: none */
void core_test_done(struct core_test *test);
