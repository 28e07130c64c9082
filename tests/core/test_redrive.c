/* test_redrive.c: an execution that has ended goes on in the same history. A twin folds every record as it is made, through a snapshot each
 * time, and must always be in the same state. */
#include "base/mem.h"
#include "engine/core/replay.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

struct hand {
	struct arena compiled, step;
	struct program *program;
	struct limits limits;
	struct core_env env;
	struct execution *execution, *twin;
	struct core_result result;
};

static void hand_init(struct hand *hand, const char *definition)
{
	struct diagnostics diagnostics;
	*hand = (struct hand){ .limits = LIMITS_DEFAULT };
	assert_int_equal(program_compile(str_of(definition), NULL, &hand->compiled, &diagnostics, &hand->program), 0);
	hand->env = (struct core_env){ .program = hand->program, .limits = &hand->limits, .now_ms = 1700000000000, .seed = 1,
				       .execution_arn = STR("arn:e"), .execution_name = STR("e"), .state_machine_arn = STR("arn:m"),
				       .state_machine_name = STR("m"), .role_arn = STR("arn:r"), .region = STR("us-east-1") };
	hand->execution = execution_new();
	hand->twin = execution_new();
}

static void hand_done(struct hand *hand)
{
	execution_free(hand->execution);
	execution_free(hand->twin);
	program_unref(hand->program);
	arena_done(&hand->step);
	arena_done(&hand->compiled);
}

static void follow(struct hand *hand)
{
	struct wf_error err = { 0 };
	for (uint32_t i = 0; i < hand->result.records_count; i++)
		if (execution_fold(hand->twin, &hand->result.records[i], &err) < 0)
			fail_msg("%s", err.message);
	_cleanup_(buffer_done) struct buffer own = { 0 }, other = { 0 };
	execution_snapshot(hand->execution, &own);
	execution_snapshot(hand->twin, &other);
	assert_true(str_eq(buffer_str(&own), buffer_str(&other)));
	execution_free(TAKE(hand->twin));
	assert_int_equal(execution_from_snapshot(buffer_str(&other), &hand->twin, &err), 0);
}

static enum core_outcome apply(struct hand *hand, struct core_input input)
{
	arena_reset(&hand->step);
	struct core_step *step = core_begin(hand->execution, &hand->env, &hand->step);
	enum core_outcome outcome = core_apply(step, &input);
	core_finish(step, &hand->result);
	follow(hand);
	return outcome;
}

static enum core_outcome answer(struct hand *hand, uint64_t task_id, const char *json)
{
	_cleanup_(value_unrefp) struct value *value = NULL;
	assert_int_equal(value_parse(str_of(json), NULL, &value, NULL), 0);
	return apply(hand, (struct core_input){ .kind = task_id ? INPUT_TASK_SUCCEEDED : INPUT_START, .task_id = task_id, .value = value });
}

static enum core_outcome fail_task(struct hand *hand, uint64_t task_id)
{
	return apply(hand, (struct core_input){ .kind = INPUT_TASK_FAILED, .task_id = task_id, .error = STR("E"), .has_error = true });
}

static enum core_outcome redrive(struct hand *hand)
{
	return apply(hand, (struct core_input){ .kind = INPUT_REDRIVE });
}

#define TASK(name, rest) "\"" name "\":{\"Type\":\"Task\",\"Resource\":\"arn:ratchet:exec:::x\"" rest "}"

static void what_runs_or_has_succeeded_is_not_redriven(void **state)
{
	struct hand hand;
	hand_init(&hand, "{\"StartAt\":\"A\",\"States\":{" TASK("A", ",\"End\":true") "}}");
	assert_int_equal(redrive(&hand), CORE_UNKNOWN);
	answer(&hand, 0, "{}");
	assert_int_equal(redrive(&hand), CORE_CLOSED);
	answer(&hand, 3, "1");
	assert_int_equal(execution_status(hand.execution), EXECUTION_SUCCEEDED_);
	assert_int_equal(redrive(&hand), CORE_CLOSED);
	hand_done(&hand);
}

static void a_failed_task_is_scheduled_again_with_its_input_and_all_its_retries(void **state)
{
	struct hand hand;
	hand_init(&hand, "{\"StartAt\":\"A\",\"States\":{" TASK("A", ",\"End\":true,\"Retry\":[{\"ErrorEquals\":[\"E\"],\"MaxAttempts\":1}]") "}}");
	answer(&hand, 0, "{\"n\":1}");
	for (int round = 0; round < 3; round++) {
		for (int attempt = 0; attempt < 2; attempt++) {
			assert_int_equal(hand.result.commands_count, 1);
			assert_true(str_eqz(value_text(hand.result.commands[0].parameters), "{\"n\":1}"));
			fail_task(&hand, hand.result.commands[0].task_id);
			hand.env.now_ms += 1000;
			if (attempt == 0)
				apply(&hand, (struct core_input){ .kind = INPUT_WAKE });
		}
		assert_int_equal(execution_status(hand.execution), EXECUTION_FAILED_);
		assert_int_equal(execution_redrives(hand.execution), round);
		assert_int_equal(redrive(&hand), CORE_ACCEPTED);
		assert_int_equal(execution_redriven_ms(hand.execution), hand.env.now_ms);
		assert_int_equal(execution_stop_ms(hand.execution), 0);
	}
	answer(&hand, hand.result.commands[0].task_id, "5");
	assert_int_equal(execution_status(hand.execution), EXECUTION_SUCCEEDED_);
	hand_done(&hand);
}

static void branches_that_ended_well_keep_their_results(void **state)
{
	struct hand hand;
	hand_init(&hand, "{\"StartAt\":\"P\",\"States\":{\"P\":{\"Type\":\"Parallel\",\"End\":true,\"Branches\":["
			 "{\"StartAt\":\"A\",\"States\":{" TASK("A", ",\"End\":true") "}},"
			 "{\"StartAt\":\"B\",\"States\":{\"B\":{\"Type\":\"Pass\",\"Next\":\"C\"}," TASK("C", ",\"End\":true") "}},"
			 "{\"StartAt\":\"D\",\"States\":{" TASK("D", ",\"End\":true") "}}]}}}");
	answer(&hand, 0, "{}");
	assert_int_equal(hand.result.commands_count, 3);
	uint64_t ids[3] = { hand.result.commands[0].task_id, hand.result.commands[1].task_id, hand.result.commands[2].task_id };
	answer(&hand, ids[0], "\"first\"");
	fail_task(&hand, ids[1]);
	assert_int_equal(execution_status(hand.execution), EXECUTION_FAILED_);
	assert_int_equal(redrive(&hand), CORE_ACCEPTED);
	assert_int_equal(hand.result.commands_count, 2);
	uint64_t again[2] = { hand.result.commands[0].task_id, hand.result.commands[1].task_id };
	assert_int_equal(answer(&hand, ids[2], "0"), CORE_CLOSED);
	answer(&hand, again[1], "\"b\"");
	answer(&hand, again[0], "\"a\"");
	assert_int_equal(execution_status(hand.execution), EXECUTION_SUCCEEDED_);
	assert_int_equal(value_count(execution_output(hand.execution)), 3);
	assert_true(str_eqz(value_string(value_at(execution_output(hand.execution), 0)), "first"));
	hand_done(&hand);
}

/* One is answered and the other fails before either is heard: the first has left its last state, and is not yet said to have succeeded, when the second
 * fails the whole. */
static void what_had_exited_when_another_failed_does_not_run_again(void **state)
{
	static const char *const fans[] = {
		"{\"StartAt\":\"M\",\"States\":{\"M\":{\"Type\":\"Map\",\"End\":true,\"ItemProcessor\":"
		"{\"StartAt\":\"A\",\"States\":{" TASK("A", ",\"End\":true") "}}}}}",
		"{\"StartAt\":\"M\",\"States\":{\"M\":{\"Type\":\"Parallel\",\"End\":true,\"Branches\":["
		"{\"StartAt\":\"A\",\"States\":{" TASK("A", ",\"End\":true") "}},{\"StartAt\":\"B\",\"States\":{" TASK("B", ",\"End\":true") "}}]}}}",
	};
	for (size_t i = 0; i < sizeof fans / sizeof *fans; i++) {
		struct hand hand;
		hand_init(&hand, fans[i]);
		answer(&hand, 0, "[1,2]");
		assert_int_equal(hand.result.commands_count, 2);
		uint64_t ids[2] = { hand.result.commands[0].task_id, hand.result.commands[1].task_id };
		hand.limits.step_events = 1;
		answer(&hand, ids[0], "\"first\"");
		fail_task(&hand, ids[1]);
		assert_true(hand.result.more);
		hand.limits.step_events = 1000;
		apply(&hand, (struct core_input){ .kind = INPUT_CONTINUE });
		assert_int_equal(execution_status(hand.execution), EXECUTION_FAILED_);
		assert_int_equal(redrive(&hand), CORE_ACCEPTED);
		assert_int_equal(hand.result.commands_count, 1);
		answer(&hand, hand.result.commands[0].task_id, "\"second\"");
		assert_int_equal(execution_status(hand.execution), EXECUTION_SUCCEEDED_);
		assert_true(str_eqz(value_text(execution_output(hand.execution)), "[\"first\",\"second\"]"));
		hand_done(&hand);
	}
}

static void iterations_that_never_began_are_begun_after_a_redrive(void **state)
{
	struct hand hand;
	hand_init(&hand, "{\"StartAt\":\"M\",\"States\":{\"M\":{\"Type\":\"Map\",\"MaxConcurrency\":1,\"End\":true,\"ItemProcessor\":"
			 "{\"StartAt\":\"A\",\"States\":{" TASK("A", ",\"End\":true") "}}}}}");
	answer(&hand, 0, "[1,2,3]");
	fail_task(&hand, hand.result.commands[0].task_id);
	assert_int_equal(redrive(&hand), CORE_ACCEPTED);
	for (int i = 1; i <= 3; i++) {
		assert_int_equal(hand.result.commands_count, 1);
		assert_int_equal((int)value_number(hand.result.commands[0].parameters), i);
		answer(&hand, hand.result.commands[0].task_id, "0");
	}
	assert_int_equal(execution_status(hand.execution), EXECUTION_SUCCEEDED_);
	hand_done(&hand);
}

static void a_stopped_wait_waits_anew_and_a_deadline_begins_anew(void **state)
{
	struct hand hand;
	hand_init(&hand, "{\"TimeoutSeconds\":10,\"StartAt\":\"W\",\"States\":{\"W\":{\"Type\":\"Wait\",\"Seconds\":8,\"End\":true}}}");
	answer(&hand, 0, "{}");
	hand.env.now_ms += 5000;
	apply(&hand, (struct core_input){ .kind = INPUT_STOP });
	assert_int_equal(execution_status(hand.execution), EXECUTION_ABORTED_);
	hand.env.now_ms += 60000;
	assert_int_equal(redrive(&hand), CORE_ACCEPTED);
	assert_int_equal(execution_wake_ms(hand.execution), hand.env.now_ms + 8000);
	hand.env.now_ms += 8000;
	apply(&hand, (struct core_input){ .kind = INPUT_WAKE });
	assert_int_equal(execution_status(hand.execution), EXECUTION_SUCCEEDED_);
	hand_done(&hand);
}

/* ---- what a bulk job adds ------------------------------------------------------------------------------------ */

static enum core_outcome redrive_with(struct hand *hand, uint64_t job, uint64_t revision, const char *json)
{
	_cleanup_(value_unrefp) struct value *value = NULL;
	if (json)
		assert_int_equal(value_parse(str_of(json), NULL, &value, NULL), 0);
	return apply(hand, (struct core_input){ .kind = INPUT_REDRIVE, .job = job, .revision = revision, .value = value });
}

static void a_repeat_by_the_same_job_is_dropped(void **state)
{
	struct hand hand;
	hand_init(&hand, "{\"StartAt\":\"A\",\"States\":{" TASK("A", ",\"End\":true") "}}");
	answer(&hand, 0, "{}");
	fail_task(&hand, hand.result.commands[0].task_id);
	assert_int_equal(redrive_with(&hand, 7, 0, NULL), CORE_ACCEPTED);
	assert_int_equal(execution_redrive_job(hand.execution), 7);
	fail_task(&hand, hand.result.commands[0].task_id);
	assert_int_equal(redrive_with(&hand, 7, 0, NULL), CORE_CLOSED);
	assert_int_equal(execution_redrives(hand.execution), 1);
	assert_int_equal(redrive_with(&hand, 8, 3, NULL), CORE_ACCEPTED);
	assert_int_equal(execution_revision(hand.execution), 3);
	fail_task(&hand, hand.result.commands[0].task_id);
	assert_int_equal(redrive(&hand), CORE_ACCEPTED);
	assert_int_equal(execution_redrive_job(hand.execution), 0);
	assert_int_equal(execution_revision(hand.execution), 3);
	hand_done(&hand);
}

static void an_edited_input_is_the_failed_states_and_nobody_elses(void **state)
{
	struct hand hand;
	hand_init(&hand, "{\"StartAt\":\"M\",\"States\":{\"M\":{\"Type\":\"Map\",\"MaxConcurrency\":1,\"End\":true,\"ItemProcessor\":"
			 "{\"StartAt\":\"A\",\"States\":{" TASK("A", ",\"End\":true") "}}}}}");
	answer(&hand, 0, "[1,2]");
	fail_task(&hand, hand.result.commands[0].task_id);
	const struct value *input;
	bool editable;
	assert_true(str_eqz(execution_failed_state(hand.execution, &input, &editable), "A"));
	assert_true(editable && str_eqz(value_text(input), "1"));
	assert_int_equal(redrive_with(&hand, 1, 0, "{\"n\":9}"), CORE_ACCEPTED);
	assert_true(str_eqz(value_text(hand.result.commands[0].parameters), "{\"n\":9}"));
	answer(&hand, hand.result.commands[0].task_id, "0");
	assert_true(str_eqz(value_text(hand.result.commands[0].parameters), "2"));
	assert_true(str_eqz(execution_input_text(hand.execution), "[1,2]"));
	hand_done(&hand);
}

static void an_error_of_the_policy_is_neither_retried_nor_caught(void **state)
{
	static const struct str names[] = { { "Pay*", 4 } };
	for (int dead = 0; dead < 2; dead++) {
		struct hand hand;
		hand_init(&hand, "{\"StartAt\":\"A\",\"States\":{" TASK("A", ",\"End\":true,\"Retry\":[{\"ErrorEquals\":[\"States.ALL\"]}],"
				 "\"Catch\":[{\"ErrorEquals\":[\"States.ALL\"],\"Next\":\"B\"}]") ",\"B\":{\"Type\":\"Succeed\"}}}");
		hand.env.dead_errors = names;
		hand.env.dead_errors_count = 1;
		answer(&hand, 0, "{}");
		apply(&hand, (struct core_input){ .kind = INPUT_TASK_FAILED, .task_id = hand.result.commands[0].task_id,
						  .error = dead ? STR("Payment") : STR("Other"), .has_error = true });
		assert_int_equal(execution_status(hand.execution), dead ? EXECUTION_FAILED_ : EXECUTION_RUNNING);
		hand_done(&hand);
	}
}

/* ---- replaying with another definition --------------------------------------------------------------------------- */

#define TWO(a, b) "{\"StartAt\":\"A\",\"States\":{" a ",\"P\":{\"Type\":\"Pass\",\"Next\":\"B\"}," b "}}"
#define OLD TWO(TASK("A", ",\"Next\":\"P\",\"Retry\":[{\"ErrorEquals\":[\"E\"]}]"), TASK("B", ",\"End\":true"))

/* `events` at a time, `piece` records at a time. */
static struct replay_result replay_in_steps(const struct record *records, uint32_t count, const struct core_env *env, uint32_t events,
					    uint32_t piece)
{
	struct wf_error err = { 0 };
	struct replay *replay = replay_new(env);
	for (uint32_t i = 0; i < count; i++)
		assert_int_equal(replay_fold(replay, &records[i], &err), 0);
	assert_int_equal(replay_begin(replay, &err), 0);
	uint32_t at = 0;
	int state;
	while ((state = replay_run(replay, events, at == count, &err)) != REPLAY_ENDED) {
		assert_true(state >= 0);
		for (uint32_t i = 0; state == REPLAY_WANTS && i < piece && at < count; i++)
			assert_int_equal(replay_add(replay, &records[at++], &err), 0);
	}
	struct replay_result result = *replay_result(replay);
	replay_free(replay);
	return result;
}

/* One try of A fails, the next one is answered; B fails. */
static struct replay_result replayed(const char *definition)
{
	struct record records[8];
	struct arena kept = { 0 };
	uint32_t count = 0;
	struct hand hand;
	hand_init(&hand, OLD);
	for (int i = 0; i < 5; i++) {
		uint64_t task = i && hand.result.commands_count ? hand.result.commands[0].task_id : 0;
		if (i == 2) {
			hand.env.now_ms += 60000;
			apply(&hand, (struct core_input){ .kind = INPUT_WAKE });
		} else if (i == 1 || i == 4) {
			fail_task(&hand, task);
		} else {
			answer(&hand, task, "{\"k\":1}");
		}
		for (uint32_t k = 0; k < hand.result.records_count; k++) {
			records[count] = hand.result.records[k];
			records[count++].bytes = arena_str(&kept, hand.result.records[k].bytes);
		}
	}
	assert_int_equal(execution_status(hand.execution), EXECUTION_FAILED_);
	struct diagnostics diagnostics;
	struct arena compiled = { 0 };
	struct program *program;
	assert_int_equal(program_compile(str_of(definition), NULL, &compiled, &diagnostics, &program), 0);
	struct core_env env = hand.env;
	env.program = program;
	struct replay_result result = replay_in_steps(records, count, &env, 1000, count);
	/* However small the steps and the pieces are. */
	struct replay_result small = replay_in_steps(records, count, &env, 1, 1);
	assert_true(result.compatible == small.compatible && result.event_id == small.event_id &&
		    strcmp(result.what, small.what) == 0);
	program_unref(program);
	arena_done(&compiled);
	arena_done(&kept);
	hand_done(&hand);
	return result;
}

static void a_definition_is_compatible_if_it_would_have_gone_the_same_way(void **state)
{
	static const struct {
		const char *definition, *divergence; /* NULL: none */
	} cases[] = {
		{ OLD, NULL },
		/* Where it stands everything may change but the type. */
		{ TWO(TASK("A", ",\"Next\":\"P\",\"Retry\":[{\"ErrorEquals\":[\"E\"],\"MaxAttempts\":9}]"),
		      "\"B\":{\"Type\":\"Task\",\"Resource\":\"arn:ratchet:exec:::other\",\"Next\":\"C\"},\"C\":{\"Type\":\"Succeed\"}"), NULL },
		/* No retry: the first failure would have been the end. */
		{ TWO(TASK("A", ",\"Next\":\"P\""), TASK("B", ",\"End\":true")), "ExecutionFailed" },
		{ TWO(TASK("A", ",\"Next\":\"P\",\"Retry\":[{\"ErrorEquals\":[\"E\"]}]"), "\"B\":{\"Type\":\"Succeed\"}"), "another type" },
		{ TWO(TASK("A", ",\"Next\":\"P\",\"Retry\":[{\"ErrorEquals\":[\"E\"]}]"), TASK("C", ",\"End\":true")
		      ",\"B\":{\"Type\":\"Task\",\"Resource\":\"arn:ratchet:exec:::x\",\"Next\":\"C\"}"), NULL },
		{ TWO("\"A\":{\"Type\":\"Task\",\"Resource\":\"arn:ratchet:exec:::y\",\"Next\":\"P\"}", TASK("B", ",\"End\":true")), "TaskScheduled" },
		{ "{\"StartAt\":\"A\",\"States\":{" TASK("A", ",\"Next\":\"B\",\"Retry\":[{\"ErrorEquals\":[\"E\"]}]") "," TASK("B", ",\"End\":true") "}}",
		  "PassStateEntered" },
		{ "{\"StartAt\":\"A\",\"States\":{" TASK("A", ",\"End\":true") "}}", "is not in the new definition" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct replay_result result = replayed(cases[i].definition);
		if (result.compatible != !cases[i].divergence || (cases[i].divergence && !strstr(result.what, cases[i].divergence)))
			fail_msg("case %zu: %s", i, result.compatible ? "compatible" : result.what);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_runs_or_has_succeeded_is_not_redriven),
		cmocka_unit_test(a_failed_task_is_scheduled_again_with_its_input_and_all_its_retries),
		cmocka_unit_test(branches_that_ended_well_keep_their_results),
		cmocka_unit_test(what_had_exited_when_another_failed_does_not_run_again),
		cmocka_unit_test(iterations_that_never_began_are_begun_after_a_redrive),
		cmocka_unit_test(a_stopped_wait_waits_anew_and_a_deadline_begins_anew),
		cmocka_unit_test(a_repeat_by_the_same_job_is_dropped),
		cmocka_unit_test(an_edited_input_is_the_failed_states_and_nobody_elses),
		cmocka_unit_test(an_error_of_the_policy_is_neither_retried_nor_caught),
		cmocka_unit_test(a_definition_is_compatible_if_it_would_have_gone_the_same_way),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
