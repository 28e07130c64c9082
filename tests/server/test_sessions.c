/* Sessions end by the clock, and guesses are counted: with a clock that stands still until it is told. */
#include "server/sessions.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
/* after its needs */
#include <cmocka.h>

#define MINUTE_MS (60 * 1000LL)

static struct clock_manual now;

static struct sessions *begin(void)
{
	clock_manual_init(&now, 1700000000000);
	return sessions_new(&now.source);
}

static struct str text(const char token[SESSION_TOKEN + 1])
{
	return (struct str){ token, SESSION_TOKEN };
}

static const struct access_key key = { .id = "AKIAEXAMPLE", .role = ROLE_READ };

static void a_session_is_found_by_its_token_only(void **state)
{
	struct sessions *sessions = begin();
	char token[SESSION_TOKEN + 1], other[SESSION_TOKEN + 1];
	struct session *session = session_open(sessions, &key, token);
	assert_string_equal(session->key_id, "AKIAEXAMPLE");
	assert_int_equal(strlen(session->csrf), SESSION_TOKEN);
	assert_string_not_equal(session->csrf, token);
	assert_ptr_equal(session_find(sessions, text(token)), session);
	memcpy(other, token, sizeof other);
	other[10] ^= 1;
	assert_null(session_find(sessions, text(other)));
	assert_null(session_find(sessions, str_sub(text(token), 0, 63)));
	assert_null(session_find(sessions, STR("")));
	session_close(session);
	assert_null(session_find(sessions, text(token)));
	sessions_free(sessions);
}

static void a_session_ends_after_an_hour_without_use(void **state)
{
	struct sessions *sessions = begin();
	char token[SESSION_TOKEN + 1];
	session_open(sessions, &key, token);
	now.now_ms += 59 * MINUTE_MS;
	assert_non_null(session_find(sessions, text(token)));
	now.now_ms += 59 * MINUTE_MS;
	assert_non_null(session_find(sessions, text(token)));
	now.now_ms += 60 * MINUTE_MS;
	assert_null(session_find(sessions, text(token)));
	now.now_ms -= 30 * MINUTE_MS;
	assert_null(session_find(sessions, text(token))); /* for good */
	sessions_free(sessions);
}

static void a_session_ends_after_twelve_hours_of_use(void **state)
{
	struct sessions *sessions = begin();
	char token[SESSION_TOKEN + 1];
	struct session *session = session_open(sessions, &key, token);
	for (int i = 0; i < 23; i++) {
		now.now_ms += 30 * MINUTE_MS;
		assert_ptr_equal(session_find(sessions, text(token)), session);
	}
	assert_int_equal(session_left_ms(sessions, session), 30 * MINUTE_MS);
	now.now_ms += 30 * MINUTE_MS;
	assert_null(session_find(sessions, text(token)));
	sessions_free(sessions);
}

static void the_one_that_is_idle_longest_makes_room(void **state)
{
	struct sessions *sessions = begin();
	char tokens[SESSIONS_MAX + 1][SESSION_TOKEN + 1];
	for (int i = 0; i < SESSIONS_MAX; i++, now.now_ms++)
		session_open(sessions, &key, tokens[i]);
	assert_non_null(session_find(sessions, text(tokens[0]))); /* used: now the second is the oldest */
	session_open(sessions, &key, tokens[SESSIONS_MAX]);
	assert_non_null(session_find(sessions, text(tokens[0])));
	assert_null(session_find(sessions, text(tokens[1])));
	assert_non_null(session_find(sessions, text(tokens[2])));
	assert_non_null(session_find(sessions, text(tokens[SESSIONS_MAX])));
	sessions_free(sessions);
}

static void ten_guesses_then_one_every_three_seconds(void **state)
{
	struct sessions *sessions = begin();
	unsigned wait_s;
	for (int i = 0; i < 10; i++) {
		assert_true(sessions_may_try(sessions, &wait_s));
		sessions_failed(sessions);
	}
	assert_false(sessions_may_try(sessions, &wait_s));
	assert_int_equal(wait_s, 3);
	now.now_ms += 2999;
	assert_false(sessions_may_try(sessions, &wait_s));
	now.now_ms += 1;
	assert_true(sessions_may_try(sessions, &wait_s));
	sessions_failed(sessions);
	assert_false(sessions_may_try(sessions, &wait_s));
	/* A day later there are ten again, not more. */
	now.now_ms += 24 * 60 * MINUTE_MS;
	for (int i = 0; i < 10; i++) {
		assert_true(sessions_may_try(sessions, &wait_s));
		sessions_failed(sessions);
	}
	assert_false(sessions_may_try(sessions, &wait_s));
	sessions_free(sessions);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_session_is_found_by_its_token_only),
		cmocka_unit_test(a_session_ends_after_an_hour_without_use),
		cmocka_unit_test(a_session_ends_after_twelve_hours_of_use),
		cmocka_unit_test(the_one_that_is_idle_longest_makes_room),
		cmocka_unit_test(ten_guesses_then_one_every_three_seconds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
