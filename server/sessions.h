/* sessions.h: who has signed in with a browser. A session is a cookie's random token, of which only the hash is kept, and a second
 * text that pages send with what changes something (csrf). They live in memory: a restart ends them.
 *
 * Failed sign-ins take from a store of attempts that fills up again slowly, one for the whole process: guessing is slow,
 * whoever guesses. */
#pragma once
#include "base/clock.h"
#include "server/keys.h"

#define SESSIONS_MAX 256
#define SESSION_TOKEN 64 /* hex digits */
#define SESSION_MOST_MS (12 * 60 * 60 * 1000LL)
#define SESSION_IDLE_MS (60 * 60 * 1000LL)

struct session {
	uint8_t hash[32]; /* of the token */
	char csrf[SESSION_TOKEN + 1];
	char key_id[KEY_ID_MAX + 1];
	int64_t opened_ms, used_ms; /* monotonic; opened 0: free */
};

struct sessions;

struct sessions *sessions_new(struct clock_source *clock);
void sessions_free(struct sessions *sessions);
/* Opens one; the one that has been idle longest goes if there are too many. */
struct session *session_open(struct sessions *sessions, const struct access_key *key, char ret_token[SESSION_TOKEN + 1]);
/* The session of a token, now used; NULL: none, or it has ended. */
struct session *session_find(struct sessions *sessions, struct str token);
/* Whether the session with this hash goes on; it is not used by that. */
bool session_lasts(const struct sessions *sessions, const uint8_t hash[32]);
void session_close(struct session *session);
/* When it ends at the latest, from now. */
int64_t session_left_ms(const struct sessions *sessions, const struct session *session);

/* Whether another attempt to sign in may be made now; if not, in how many seconds. A failed one is counted. */
bool sessions_may_try(struct sessions *sessions, unsigned *ret_wait_s);
void sessions_failed(struct sessions *sessions);
