/* sessions.c: browsers' sessions (sessions.h). */
#include "server/sessions.h"
#include "base/mem.h"
#include "base/random.h"
#include <nettle/memops.h>
#include <nettle/sha2.h>
#include <stdlib.h>

#define ATTEMPTS_MAX 10
#define ATTEMPT_MS 3000 /* in which one comes back */

struct sessions {
	struct clock_source *clock;
	struct session all[SESSIONS_MAX];
	unsigned attempts;
	int64_t attempts_ms; /* when they were counted */
};

static int64_t now_ms(const struct sessions *sessions)
{
	return sessions->clock->monotonic_us(sessions->clock) / 1000 + 1;
}

struct sessions *sessions_new(struct clock_source *clock)
{
	struct sessions *sessions = NEW(struct sessions);
	sessions->clock = clock;
	sessions->attempts = ATTEMPTS_MAX;
	sessions->attempts_ms = now_ms(sessions);
	return sessions;
}

void sessions_free(struct sessions *sessions)
{
	if (sessions)
		explicit_bzero(sessions, sizeof *sessions);
	free(sessions);
}

static void hash_token(struct str token, uint8_t ret_hash[32])
{
	struct sha256_ctx context;
	sha256_init(&context);
	sha256_update(&context, token.len, (const uint8_t *)token.ptr);
	sha256_digest(&context, 32, ret_hash);
}

static void draw_token(char ret_token[SESSION_TOKEN + 1])
{
	uint8_t bytes[SESSION_TOKEN / 2];
	random_secure(bytes, sizeof bytes);
	sigv4_hex(bytes, sizeof bytes, ret_token);
	ret_token[SESSION_TOKEN] = 0;
}

static bool has_ended(const struct session *session, int64_t now)
{
	return now - session->opened_ms >= SESSION_MOST_MS || now - session->used_ms >= SESSION_IDLE_MS;
}

struct session *session_open(struct sessions *sessions, const struct access_key *key, char ret_token[SESSION_TOKEN + 1])
{
	int64_t now = now_ms(sessions);
	struct session *session = &sessions->all[0];
	for (unsigned i = 0; i < SESSIONS_MAX; i++) {
		if (sessions->all[i].opened_ms && has_ended(&sessions->all[i], now))
			session_close(&sessions->all[i]);
		if (sessions->all[i].used_ms < session->used_ms)
			session = &sessions->all[i];
	}
	*session = (struct session){ .opened_ms = now, .used_ms = now };
	memcpy(session->key_id, key->id, sizeof session->key_id);
	draw_token(ret_token);
	draw_token(session->csrf);
	hash_token((struct str){ ret_token, SESSION_TOKEN }, session->hash);
	return session;
}

struct session *session_find(struct sessions *sessions, struct str token)
{
	uint8_t hash[32];
	int64_t now = now_ms(sessions);
	if (token.len != SESSION_TOKEN)
		return NULL;
	hash_token(token, hash);
	for (unsigned i = 0; i < SESSIONS_MAX; i++) {
		struct session *session = &sessions->all[i];
		if (!session->opened_ms || !memeql_sec(hash, session->hash, sizeof hash))
			continue;
		if (has_ended(session, now)) {
			session_close(session);
			return NULL;
		}
		session->used_ms = now;
		return session;
	}
	return NULL;
}

bool session_lasts(const struct sessions *sessions, const uint8_t hash[32])
{
	for (unsigned i = 0; i < SESSIONS_MAX; i++) {
		const struct session *session = &sessions->all[i];
		if (session->opened_ms && memeql_sec(hash, session->hash, sizeof session->hash))
			return !has_ended(session, now_ms(sessions));
	}
	return false;
}

void session_close(struct session *session)
{
	explicit_bzero(session, sizeof *session);
}

int64_t session_left_ms(const struct sessions *sessions, const struct session *session)
{
	return session->opened_ms + SESSION_MOST_MS - now_ms(sessions);
}

static void refill(struct sessions *sessions)
{
	int64_t now = now_ms(sessions), back = (now - sessions->attempts_ms) / ATTEMPT_MS;
	if (back > 0) {
		sessions->attempts = back > ATTEMPTS_MAX ? ATTEMPTS_MAX : sessions->attempts + (unsigned)back;
		sessions->attempts_ms = now;
	}
	if (sessions->attempts > ATTEMPTS_MAX)
		sessions->attempts = ATTEMPTS_MAX;
}

bool sessions_may_try(struct sessions *sessions, unsigned *ret_wait_s)
{
	refill(sessions);
	*ret_wait_s = (ATTEMPT_MS + 999) / 1000;
	return sessions->attempts > 0;
}

void sessions_failed(struct sessions *sessions)
{
	if (sessions->attempts == ATTEMPTS_MAX)
		sessions->attempts_ms = now_ms(sessions);
	if (sessions->attempts)
		sessions->attempts--;
}
