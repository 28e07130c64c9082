/* test_state.h: one TestState call, from its request to its answer. Internal to server/test_state and api_test_state.c.
 *
 *     request.c      its members, and what may not stand together
 *     definition.c   one state, compiled
 *     mock.c, shapes.c, context.c    what is given with it
 *     engine/core/test.h             plays it; a real task goes to its connector (engine_try_task)
 *     answer.c       what came of it
 *
 * Each test_state_… step returns false after it has refused the call. */
#pragma once
#include "engine/core/test.h"
#include "server/api.h"

/* The state under test has this name, whatever its definition calls it: recorded so. */
#define TEST_STATE_NAME "StateName"

enum validation_mode { VALIDATE_STRICT, VALIDATE_PRESENT, VALIDATE_NONE };

/* Lives in the call's arena, and all it holds goes with it. */
struct test_state {
	struct api_call *call;

	/* The request. */
	const struct value *mock;          /* an object; NULL: none */
	const struct value *configuration; /* stateConfiguration, an object; NULL: none */
	bool has_result, has_error_output;
	struct str result_text;
	enum validation_mode mode;
	int64_t retries, failed_iterations; /* -1: not given */
	struct str error_state;             /* errorCausedByState; empty: none */
	struct str reader_data;             /* mapItemReaderData; ptr NULL: none */

	/* The definition. */
	struct program *program;
	const struct state *state;
	const struct value *object; /* the state as JSON */

	/* What the play is given. */
	const struct value *input;
	struct test_mock answer;
	struct core_test test;
	struct core_env env;
};

/* Hands a reference over to the call; returns it. */
const struct value *test_state_keep(struct test_state *t, struct value *value);
/* Reads JSON that the request carries as a text; NULL if it is none. */
const struct value *test_state_parse(struct test_state *t, struct str text);

bool test_state_read_request(struct test_state *t);
bool test_state_read_definition(struct test_state *t);
bool test_state_read_mock(struct test_state *t);
bool test_state_read_context(struct test_state *t);
/* Whether a mocked result agrees with what the task's API answers (shapes.c). */
bool test_state_check_shape(struct test_state *t, const struct value *result);
/* What a Map's ItemReader would read; NULL if that is not known. */
const struct value *test_state_items(struct test_state *t);

/* Writes the answer to the call. */
void test_state_answer(struct test_state *t, enum test_status status);
