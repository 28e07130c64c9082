/* auth.h: who asks, and what they may do.
 *
 * Roles grow: who operates may read, who administers may operate.
 *
 *     read         describe, list, histories, the console's pages
 *     operate      start, stop, redrive, tokens, activities' workers
 *     administer   state machines, functions, keys, settings
 *
 * Without authentication everybody who reaches the listener (loopback only) administers. With it, a request proves who it is by an AWS
 * signature (sigv4.h) with an access key (keys.h), or by the cookie of a session (sessions.h):
 *
 *     headers ─► auth_begin: signature formed, for now, of a known key? or a session? ─► body ─► auth_finish: is the signature right?
 *
 * so that a body is kept only for who may be known. Loop's thread only. */
#pragma once
#include "base/arena.h"
#include "base/str.h"
#include "server/sigv4.h"

enum role { ROLE_NONE, ROLE_READ, ROLE_OPERATE, ROLE_ADMINISTER };

struct auth;
struct clock_source;
struct keys;
struct session;
struct sessions;

struct identity {
	enum role role;
	struct str key_id; /* access key id; empty without authentication. Lives as long as the call. */
	struct str name; /* the key's; the same */
	struct session *session; /* NULL: signed, or nobody. For the handler's own turn only. */
};

static inline bool role_allows(enum role has, enum role needs) { return has >= needs; }
const char *role_name(enum role role); /* "read" */
bool role_parse(struct str name, enum role *ret_role);

/* Borrows all three. */
struct auth *auth_new(struct keys *keys, struct sessions *sessions, struct clock_source *clock);
void auth_free(struct auth *auth);
struct keys *auth_keys(const struct auth *auth);
struct sessions *auth_sessions(const struct auth *auth);

enum auth_problem {
	AUTH_MISSING,
	AUTH_INCOMPLETE,
	AUTH_INVALID,
	AUTH_UNKNOWN_KEY,
	AUTH_DENIED,
	AUTH_NO_CSRF,
	AUTH_REPLAYED,
};

/* A refusal in AWS's terms and in /v1's. */
struct auth_refusal {
	const char *aws; /* "InvalidSignatureException" */
	const char *code; /* "InvalidSignature" */
	unsigned status; /* of /v1; the API answers 400 */
	char message[600];
};
void auth_refuse(struct auth_refusal *refusal, enum auth_problem problem, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

struct auth_request {
	struct sigv4_request http;
	struct str cookie; /* the Cookie header */
	struct str csrf; /* X-Ratchet-Csrf */
	bool same_origin; /* there is an Origin, and it is the server's own */
};

/* What auth_begin has found; its texts point into the request and the arena. */
struct auth_proof {
	bool is_signed;
	struct sigv4_claim claim; /* if it is */
};

/* Whether the headers may belong to somebody; false with *ret_refusal. */
bool auth_begin(struct auth *auth, struct arena *arena, const struct auth_request *request, struct auth_proof *ret_proof,
		struct auth_refusal *ret_refusal);
/* Whether they do. A body in aws-chunked form is decoded in place. */
bool auth_finish(struct auth *auth, struct arena *arena, const struct auth_request *request, const struct auth_proof *proof, char *body,
		 size_t *length, struct identity *ret_identity, struct auth_refusal *ret_refusal);
/* For answers that go on and on: whether who asked may still read. */
struct auth_stay {
	struct str key_id;
	bool by_session;
	uint8_t session[32]; /* its hash */
};
/* The key's id is borrowed from the identity. */
struct auth_stay auth_stay_of(const struct identity *identity);
bool auth_stays(const struct auth *auth, const struct auth_stay *stay);
/* Who has signed in here with the cookie of a request, if anybody has; for pages that are open to all. */
void auth_peek(struct auth *auth, struct arena *arena, struct str cookie, struct identity *ret_identity);
