/* test_step.c: what a step promises its caller: outcomes, budgets, commands, records and their sizes. */
#include "base/mem.h"
#include "tests/core/driver.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* ---- one execution, driven by hand ---------------------------------------------------------- */

struct hand {
	struct arena compiled, step;
	struct program *program;
	struct limits limits;
	struct core_env env;
	struct execution *execution;
	struct core_result result;
};

static void hand_init(struct hand *hand, const char *definition)
{
	struct diagnostics diagnostics;
	*hand = (struct hand){ .limits = LIMITS_DEFAULT };
	int r = program_compile(str_of(definition), NULL, &hand->compiled, &diagnostics, &hand->program);
	if (r < 0)
		fail_msg("%.*s", STR_FMT(diagnostics.first->message));
	hand->env = (struct core_env){ .program = hand->program,
				       .limits = &hand->limits,
				       .now_ms = DRIVER_START_MS,
				       .seed = 1,
				       .execution_arn = STR("arn:e"),
				       .execution_name = STR("e"),
				       .state_machine_arn = STR("arn:m"),
				       .state_machine_name = STR("m"),
				       .role_arn = STR("arn:r"),
				       .region = STR("us-east-1") };
	hand->execution = execution_new();
}

static void hand_done(struct hand *hand)
{
	execution_free(hand->execution);
	program_unref(hand->program);
	arena_done(&hand->step);
	arena_done(&hand->compiled);
}

static enum core_outcome apply(struct hand *hand, struct core_input input)
{
	arena_reset(&hand->step);
	struct core_step *step = core_begin(hand->execution, &hand->env, &hand->step);
	enum core_outcome outcome = core_apply(step, &input);
	core_finish(step, &hand->result);
	return outcome;
}

static enum core_outcome apply_value(struct hand *hand, enum core_input_kind kind, uint64_t task_id, const char *json)
{
	_cleanup_(value_unrefp) struct value *value = NULL;
	assert_int_equal(value_parse(str_of(json), NULL, &value, NULL), 0);
	return apply(hand, (struct core_input){ .kind = kind, .task_id = task_id, .value = value });
}

#define TASK(name, rest) "\"" name "\":{\"Type\":\"Task\",\"Resource\":\"arn:ratchet:exec:::x\"" rest "}"
#define ONE_TASK "{\"StartAt\":\"A\",\"States\":{" TASK("A", ",\"End\":true") "}}"
#define TOKEN_TASK                                                                                                     \
	"{\"StartAt\":\"A\",\"States\":{\"A\":{\"Type\":\"Task\",\"Resource\":\"arn:aws:states:::sqs:sendMessage."     \
	"waitForTaskToken\",\"End\":true}}}"
#define LOOP                                                                                                           \
	"{\"StartAt\":\"A\",\"States\":{\"A\":{\"Type\":\"Pass\",\"Next\":\"B\"},\"B\":{\"Type\":\"Choice\","          \
	"\"Default\":\"A\","                                                                                           \
	"\"Choices\":[{\"Variable\":\"$.x\",\"IsPresent\":true,\"Next\":\"C\"}]},\"C\":{\"Type\":\"Succeed\"}}}"

static void the_first_answer_counts(void **state)
{
	struct hand hand;
	hand_init(&hand, ONE_TASK);
	assert_int_equal(apply_value(&hand, INPUT_TASK_SUCCEEDED, 3, "1"), CORE_UNKNOWN);
	assert_false(hand.result.changed);
	assert_int_equal(apply_value(&hand, INPUT_START, 0, "{}"), CORE_ACCEPTED);
	assert_int_equal(hand.result.commands_count, 1);
	uint64_t id = hand.result.commands[0].task_id;
	assert_int_equal(id, 3);
	assert_true(str_eqz(hand.result.commands[0].resource.name, "x"));
	assert_true(str_eqz(hand.result.commands[0].state_name, "A"));
	assert_int_equal(execution_tasks_in_flight(hand.execution), 1);
	assert_int_equal(apply_value(&hand, INPUT_START, 0, "{}"), CORE_CLOSED);
	assert_int_equal(apply_value(&hand, INPUT_TASK_SUCCEEDED, 99, "1"), CORE_UNKNOWN);
	assert_int_equal(apply_value(&hand, INPUT_TASK_SUCCEEDED, 2, "1"), CORE_CLOSED);
	assert_int_equal(apply_value(&hand, INPUT_TASK_SUCCEEDED, id, "1"), CORE_ACCEPTED);
	assert_int_equal(execution_status(hand.execution), EXECUTION_SUCCEEDED_);
	assert_int_equal(apply_value(&hand, INPUT_TASK_SUCCEEDED, id, "2"), CORE_CLOSED);
	assert_int_equal(apply(&hand, (struct core_input){ .kind = INPUT_STOP }), CORE_CLOSED);
	assert_false(hand.result.changed);
	assert_int_equal(execution_tasks_in_flight(hand.execution), 0);
	hand_done(&hand);
}

static void a_wake_that_is_too_early_does_nothing(void **state)
{
	struct hand hand;
	hand_init(&hand, "{\"StartAt\":\"A\",\"States\":{\"A\":{\"Type\":\"Wait\",\"Seconds\":5,\"End\":true}}}");
	apply_value(&hand, INPUT_START, 0, "{}");
	assert_int_equal(execution_wake_ms(hand.execution), DRIVER_START_MS + 5000);
	hand.env.now_ms += 4999;
	assert_int_equal(apply(&hand, (struct core_input){ .kind = INPUT_WAKE }), CORE_ACCEPTED);
	assert_false(hand.result.changed);
	hand.env.now_ms += 1;
	apply(&hand, (struct core_input){ .kind = INPUT_WAKE });
	assert_int_equal(execution_status(hand.execution), EXECUTION_SUCCEEDED_);
	assert_true(execution_wake_ms(hand.execution) == INT64_MAX);
	hand_done(&hand);
}

static void an_endless_loop_gives_way_when_its_budget_is_spent(void **state)
{
	struct hand hand;
	hand_init(&hand, LOOP);
	hand.limits.step_events = 1000;
	hand.limits.history_events = 100000;
	apply_value(&hand, INPUT_START, 0, "{}");
	assert_true(hand.result.more);
	assert_true(execution_runnable(hand.execution));
	uint64_t events = execution_next_event_id(hand.execution) - 1;
	assert_in_range(events, 1000, 1004);
	apply(&hand, (struct core_input){ .kind = INPUT_CONTINUE });
	assert_true(hand.result.more);
	assert_in_range(execution_next_event_id(hand.execution) - 1 - events, 1000, 1004);
	assert_int_equal(apply(&hand, (struct core_input){ .kind = INPUT_STOP }), CORE_ACCEPTED);
	assert_false(hand.result.more);
	hand_done(&hand);
}

static void a_loop_in_one_branch_starves_no_other(void **state)
{
	struct hand hand;
	hand_init(&hand, "{\"StartAt\":\"P\",\"States\":{\"P\":{\"Type\":\"Parallel\",\"End\":true,\"Branches\":[" LOOP
			 ",{\"StartAt\":\"X\",\"States\":{\"X\":{\"Type\":\"Pass\",\"Next\":\"Y\"},\"Y\":{\"Type\":"
			 "\"Fail\",\"Error\":\"E\"}}}]}}}");
	apply_value(&hand, INPUT_START, 0, "{}");
	assert_false(hand.result.more);
	assert_int_equal(execution_status(hand.execution), EXECUTION_FAILED_);
	hand_done(&hand);
}

static void large_payloads_spend_the_budget_too(void **state)
{
	struct hand hand;
	_cleanup_(buffer_done) struct buffer input = { 0 };
	hand_init(&hand, LOOP);
	hand.limits.step_bytes = 100000;
	buffer_byte(&input, '"');
	for (int i = 0; i < 150000; i++)
		buffer_byte(&input, 'x');
	buffer_byte(&input, '"');
	apply_value(&hand, INPUT_START, 0, input.data);
	assert_true(hand.result.more);
	assert_in_range(execution_next_event_id(hand.execution), 2, 4);
	hand_done(&hand);
}

static void a_task_started_and_cancelled_in_one_step_leaves_no_command(void **state)
{
	struct hand hand;
	hand_init(&hand, "{\"StartAt\":\"P\",\"States\":{\"P\":{\"Type\":\"Parallel\",\"End\":true,\"Branches\":[{"
			 "\"StartAt\":\"X\",\"States\":{" TASK(
			     "X", ",\"End\":true") "}},{\"StartAt\":\"Y\",\"States\":{\"Y\":{\"Type\":\"Fail\"}}}]}}}");
	apply_value(&hand, INPUT_START, 0, "{}");
	assert_int_equal(execution_status(hand.execution), EXECUTION_FAILED_);
	assert_int_equal(hand.result.commands_count, 0);
	hand_done(&hand);
}

static void what_is_open_is_cancelled_at_the_end(void **state)
{
	struct hand hand;
	hand_init(&hand, ONE_TASK);
	apply_value(&hand, INPUT_START, 0, "{}");
	apply(&hand, (struct core_input){ .kind = INPUT_STOP });
	assert_int_equal(hand.result.commands_count, 1);
	assert_int_equal(hand.result.commands[0].kind, COMMAND_CANCEL_TASK);
	assert_int_equal(hand.result.commands[0].task_id, 3);
	hand_done(&hand);
}

static void redispatch(struct hand *hand, uint32_t expected)
{
	struct command *commands;
	uint32_t count;
	arena_reset(&hand->step);
	core_redispatch(hand->execution, &hand->env, &hand->step, &commands, &count);
	assert_int_equal(count, expected);
	if (count) {
		assert_int_equal(commands[0].task_id, 3);
		assert_true(str_eqz(commands[0].state_name, "A"));
		assert_true(value_getz(commands[0].parameters, "k") != NULL);
	}
	assert_int_equal(execution_tasks_in_flight(hand->execution), expected);
}

static void an_unanswered_task_is_started_again_after_a_recovery(void **state)
{
	struct hand hand;
	hand_init(&hand, ONE_TASK);
	apply_value(&hand, INPUT_START, 0, "{\"k\":1}");
	redispatch(&hand, 1);
	apply(&hand, (struct core_input){ .kind = INPUT_TASK_STARTED, .task_id = 3 });
	redispatch(&hand, 1);
	apply_value(&hand, INPUT_TASK_SUCCEEDED, 3, "1");
	redispatch(&hand, 0);
	hand_done(&hand);
}

static void a_submitted_task_that_waits_for_its_token_is_not_started_again(void **state)
{
	struct hand hand;
	hand_init(&hand, TOKEN_TASK);
	apply_value(&hand, INPUT_START, 0, "{\"k\":1}");
	redispatch(&hand, 1);
	/* The connector's success is the submission: the task goes on waiting. */
	assert_int_equal(apply_value(&hand, INPUT_TASK_SUCCEEDED, 3, "{}"), CORE_ACCEPTED);
	assert_int_equal(execution_status(hand.execution), EXECUTION_RUNNING);
	redispatch(&hand, 0);
	_cleanup_(value_unrefp) struct value *ok = value_from_string(STR("ok"));
	assert_int_equal(
	    apply(&hand, (struct core_input){ .kind = INPUT_TASK_SUCCEEDED, .task_id = 3, .token = true, .value = ok }),
	    CORE_ACCEPTED);
	assert_int_equal(execution_status(hand.execution), EXECUTION_SUCCEEDED_);
	hand_done(&hand);
}

static void a_definition_without_the_state_fails_the_execution(void **state)
{
	struct hand hand, other;
	hand_init(&hand, ONE_TASK);
	hand_init(&other, LOOP);
	apply_value(&hand, INPUT_START, 0, "{}");
	hand.env.program = other.program;
	/* State A of the other definition is a Pass: a task's answer is taken as its result. */
	assert_int_equal(apply_value(&hand, INPUT_TASK_SUCCEEDED, 3, "{\"x\":1}"), CORE_ACCEPTED);
	assert_int_equal(execution_status(hand.execution), EXECUTION_SUCCEEDED_);
	hand_done(&hand);

	hand_init(&hand, "{\"StartAt\":\"Z\",\"States\":{" TASK("Z", ",\"End\":true") "}}");
	apply_value(&hand, INPUT_START, 0, "{}");
	hand.env.program = other.program;
	apply_value(&hand, INPUT_TASK_SUCCEEDED, 3, "1");
	assert_int_equal(execution_status(hand.execution), EXECUTION_FAILED_);
	hand_done(&hand);
	hand_done(&other);
}

/* ---- how much is written --------------------------------------------------------------------- */

static size_t bytes_of_map(int items)
{
	_cleanup_(buffer_done) struct buffer text = { 0 };
	_cleanup_(value_unrefp) struct value *scenario = NULL;
	struct driver driver = { 0 };
	buffer_addz(&text, "{\"limits\":{\"history_events\":1000000},\"tasks\":{\"X\":[{\"echo\":true,\"after_s\":1}]},"
			   "\"definition\":{\"StartAt\":"
			   "\"A\",\"States\":{\"A\":{\"Type\":\"Map\",\"MaxConcurrency\":10,\"End\":true,"
			   "\"ItemProcessor\":{\"StartAt\":\"X\",\"States\":"
			   "{" TASK("X", ",\"End\":true") "}}}}},\"input\":[");
	for (int i = 0; i < items; i++)
		buffer_printf(&text, "%s{\"number\":%d}", i ? "," : "", 100000 + i);
	buffer_addz(&text, "]}");
	assert_int_equal(value_parse(buffer_str(&text), NULL, &scenario, NULL), 0);
	assert_true(driver_play(&driver, scenario, &(struct driver_options){ 0 }));
	assert_int_equal(execution_status(driver.execution), EXECUTION_SUCCEEDED_);
	size_t bytes = driver.bytes_written;
	driver_done(&driver);
	return bytes;
}

static void the_bytes_that_a_map_of_tasks_writes_grow_linearly(void **state)
{
	size_t few = bytes_of_map(200), many = bytes_of_map(800);
	if (many > few * 9 / 2)
		fail_msg("200 items write %zu bytes, 800 items %zu", few, many);
}

static void a_payload_that_passes_through_is_written_once(void **state)
{
	struct hand hand;
	_cleanup_(buffer_done) struct buffer input = { 0 };
	hand_init(
	    &hand,
	    "{\"StartAt\":\"A\",\"States\":{\"A\":{\"Type\":\"Pass\",\"Next\":\"B\"},\"B\":{\"Type\":\"Succeed\"}}}");
	buffer_byte(&input, '"');
	for (int i = 0; i < 10000; i++)
		buffer_byte(&input, 'x');
	buffer_byte(&input, '"');
	apply_value(&hand, INPUT_START, 0, input.data);
	assert_int_equal(hand.result.records_count, 1);
	assert_int_equal(hand.result.records[0].public_events, 6);
	assert_in_range(hand.result.records[0].bytes.len, 10000, 10400);
	hand_done(&hand);
}

static void large_payloads_go_out_of_line_and_records_stay_small(void **state)
{
	struct hand hand;
	_cleanup_(buffer_done) struct buffer input = { 0 };
	hand_init(&hand, "{\"StartAt\":\"A\",\"States\":{\"A\":{\"Type\":\"Map\",\"End\":true,\"ItemProcessor\":{"
			 "\"StartAt\":\"X\",\"States\":"
			 "{\"X\":{\"Type\":\"Pass\",\"End\":true}}}}}}");
	hand.limits.step_bytes = 16777216;
	buffer_byte(&input, '[');
	for (int i = 0; i < 16; i++) {
		buffer_printf(&input, "%s\"%d", i ? "," : "", i);
		for (int k = 0; k < 15000; k++)
			buffer_byte(&input, 'x');
		buffer_byte(&input, '"');
	}
	buffer_byte(&input, ']');
	apply_value(&hand, INPUT_START, 0, input.data);
	assert_int_equal(execution_status(hand.execution), EXECUTION_SUCCEEDED_);
	assert_true(hand.result.records_count > 3);
	uint64_t next = 1;
	for (uint32_t i = 0; i < hand.result.records_count; i++) {
		const struct record *record = &hand.result.records[i];
		assert_true(record->bytes.len <= RECORD_BYTES_MAX);
		assert_int_equal(record->first_event_id, next);
		next += record->public_events;
	}
	assert_int_equal(next, execution_next_event_id(hand.execution));
	assert_int_equal(hand.result.records[0].blobs_count, 1);
	assert_true(str_eq(hand.result.records[0].blobs[0], buffer_str(&input)));
	hand_done(&hand);
}

/* ---- what the store kept yesterday ------------------------------------------------------------ */

/* A record of version 1: ExecutionStarted and the PassStateEntered of A, input {"a":1}. */
static const unsigned char record_1[] = {
	1,   1,    2,    0x80, 0xa0, 0xab, 0xfe, 0xf9, 0x62, /* version, first event, events, 1700000000000 zigzag */
	1,   0,    7,    '{',  '"',  'a',  '"',  ':',  '1',  '}', /* one payload, inline */
	0,   0x82, 0x80, 1,    0,    0,    2,    0,    5,    'a',
	'r', 'n',  ':',  'r',                       /* ExecutionStarted: payload and role */
	9,   3,    0,    0,    4,    1,    'A',  0, /* PassStateEntered: name and payload */
};

static void a_record_of_the_first_version_is_read(void **state)
{
	struct record record = { .bytes = { (const char *)record_1, sizeof record_1 } };
	struct execution *execution = execution_new();
	struct wf_error err = { 0 };
	if (execution_fold(execution, &record, &err) < 0)
		fail_msg("%s", err.message);
	assert_int_equal(execution_next_event_id(execution), 3);
	assert_true(execution_start_ms(execution) == 1700000000000);
	assert_true(str_eqz(execution_input_text(execution), "{\"a\":1}"));
	assert_true(execution_runnable(execution));
	assert_int_equal(execution_fold(execution, &record, &err), ERR(CORRUPT));
	execution_free(execution);
}

static void records_and_snapshots_of_a_later_version_are_refused(void **state)
{
	struct record record = { .bytes = STR("\x7f") };
	struct execution *execution = execution_new(), *other;
	assert_int_equal(execution_fold(execution, &record, NULL), ERR(VERSION));
	assert_int_equal(execution_from_snapshot(STR("\x7f"), &other, NULL), ERR(VERSION));
	assert_int_equal(execution_from_snapshot(STR(""), &other, NULL), ERR(CORRUPT));
	execution_free(execution);
}

static void every_event_type_has_a_name_that_reads_back(void **state)
{
	for (int i = 0; i < 256; i++) {
		enum event_type type;
		const char *name = event_type_name((enum event_type)i);
		if (!name)
			continue;
		assert_true(event_type_parse(str_of(name), &type));
		assert_int_equal(type, i);
		assert_int_equal(event_is_public(type), i < EVENT_PUBLIC_COUNT);
	}
}

static void an_event_prints_as_aws_prints_it(void **state)
{
	_cleanup_(value_unrefp) struct value *payload = value_from_string(STR("a\"b"));
	_cleanup_(value_unrefp) struct value *variables = value_new_object(1);
	_cleanup_(buffer_done) struct buffer with = { 0 }, without = { 0 };
	value_object_set(variables, STR("x"), payload);
	struct event event = { .type = EVENT_PASS_STATE_EXITED,
			       .fields = FIELD_NAME | FIELD_PAYLOAD | FIELD_VARIABLES | FIELD_NEXT,
			       .id = 3,
			       .previous_id = 2,
			       .timestamp_ms = 1700000000042,
			       .name = STR("A"),
			       .payload = payload,
			       .variables = variables,
			       .next = STR("B") };
	history_event_json(&event, true, &with);
	history_event_json(&event, false, &without);
	assert_string_equal(
	    with.data,
	    "{\"timestamp\":1700000000.042,\"type\":\"PassStateExited\",\"id\":3,\"previousEventId\":2,"
	    "\"stateExitedEventDetails\":{\"assignedVariables\":{\"x\":\"\\\"a\\\\\\\"b\\\"\"},"
	    "\"assignedVariablesDetails\":{\"truncated\":false},\"name\":\"A\",\"output\":\"\\\"a\\\\\\\"b\\\"\","
	    "\"outputDetails\":{\"truncated\":false}}}");
	assert_string_equal(
	    without.data,
	    "{\"timestamp\":1700000000.042,\"type\":\"PassStateExited\",\"id\":3,\"previousEventId\":2,"
	    "\"stateExitedEventDetails\":{\"assignedVariablesDetails\":{\"truncated\":false},\"name\":\"A\","
	    "\"outputDetails\":{\"truncated\":false}}}");
}

static void an_event_is_logged_as_aws_logs_it(void **state)
{
	_cleanup_(value_unrefp) struct value *payload = value_from_string(STR("a\"b"));
	_cleanup_(buffer_done) struct buffer with = { 0 }, without = { 0 }, cut = { 0 };
	struct event event = { .type = EVENT_PASS_STATE_EXITED,
			       .fields = FIELD_NAME | FIELD_PAYLOAD | FIELD_NEXT,
			       .id = 3,
			       .previous_id = 2,
			       .timestamp_ms = 1700000000042,
			       .name = STR("A"),
			       .payload = payload,
			       .next = STR("B") };
	history_event_log_json(&event, STR("arn:x"), 1, true, 1000, &with);
	history_event_log_json(&event, STR("arn:x"), 1, false, 1000, &without);
	history_event_log_json(&event, STR("arn:x"), 1, true, 100, &cut);
#define LOGGED(details)                                                                                              \
	"{\"id\":\"3\",\"type\":\"PassStateExited\",\"details\":" details                                           \
	",\"redrive_count\":\"1\",\"previous_event_id\":\"2\",\"event_timestamp\":\"1700000000042\",\"execution_arn\":\"arn:x\"}"
	assert_string_equal(with.data, LOGGED("{\"name\":\"A\",\"output\":\"\\\"a\\\\\\\"b\\\"\",\"outputDetails\":{\"truncated\":false}}"));
	assert_string_equal(without.data, LOGGED("{\"name\":\"A\"}"));
	assert_string_equal(cut.data, LOGGED("{\"name\":\"A\",\"outputDetails\":{\"truncated\":true}}"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_answer_counts),
		cmocka_unit_test(a_wake_that_is_too_early_does_nothing),
		cmocka_unit_test(an_endless_loop_gives_way_when_its_budget_is_spent),
		cmocka_unit_test(a_loop_in_one_branch_starves_no_other),
		cmocka_unit_test(large_payloads_spend_the_budget_too),
		cmocka_unit_test(a_task_started_and_cancelled_in_one_step_leaves_no_command),
		cmocka_unit_test(what_is_open_is_cancelled_at_the_end),
		cmocka_unit_test(an_unanswered_task_is_started_again_after_a_recovery),
		cmocka_unit_test(a_submitted_task_that_waits_for_its_token_is_not_started_again),
		cmocka_unit_test(a_definition_without_the_state_fails_the_execution),
		cmocka_unit_test(the_bytes_that_a_map_of_tasks_writes_grow_linearly),
		cmocka_unit_test(a_payload_that_passes_through_is_written_once),
		cmocka_unit_test(large_payloads_go_out_of_line_and_records_stay_small),
		cmocka_unit_test(a_record_of_the_first_version_is_read),
		cmocka_unit_test(records_and_snapshots_of_a_later_version_are_refused),
		cmocka_unit_test(every_event_type_has_a_name_that_reads_back),
		cmocka_unit_test(an_event_prints_as_aws_prints_it),
		cmocka_unit_test(an_event_is_logged_as_aws_logs_it),
	};
	return cmocka_run_group_tests_name("core step", tests, NULL, NULL);
}
