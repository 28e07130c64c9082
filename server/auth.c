/* auth.c: roles, and from a request to who it is (auth.h). */
#include "server/auth.h"
#include "base/clock.h"
#include "base/mem.h"
#include "server/keys.h"
#include "server/sessions.h"
#include <stdio.h>
#include <stdlib.h>

#define COOKIE "ratchet_session"
#define PRESIGNED_MAX 4096

/* A presigned request that changed something: its signature is good once. */
struct used_signature {
	char signature[32]; /* the first half is enough */
	int64_t until_ms;   /* 0: free */
};

struct auth {
	struct keys *keys;
	struct sessions *sessions;
	struct clock_source *clock;
	struct used_signature *used; /* PRESIGNED_MAX; made at the first */
};

/* ---- roles ---------------------------------------------------------------------------------------- */

static const char *const names[] = {
	[ROLE_NONE] = "none", [ROLE_READ] = "read", [ROLE_OPERATE] = "operate", [ROLE_ADMINISTER] = "administer"
};

const char *role_name(enum role role)
{
	return names[role];
}

bool role_parse(struct str name, enum role *ret_role)
{
	for (unsigned i = ROLE_READ; i < sizeof names / sizeof names[0]; i++) {
		if (!str_eqz(name, names[i]))
			continue;
		*ret_role = (enum role)i;
		return true;
	}
	return false;
}

/* ---- refusing ------------------------------------------------------------------------------------- */

static const struct {
	const char *aws, *code;
	unsigned status;
} problems[] = {
	[AUTH_MISSING] = { "MissingAuthenticationTokenException", "MissingAuthenticationToken", 401 },
	[AUTH_INCOMPLETE] = { "IncompleteSignatureException", "IncompleteSignature", 403 },
	[AUTH_INVALID] = { "InvalidSignatureException", "InvalidSignature", 403 },
	[AUTH_UNKNOWN_KEY] = { "UnrecognizedClientException", "UnrecognizedClient", 403 },
	[AUTH_DENIED] = { "AccessDeniedException", "AccessDenied", 403 },
	[AUTH_NO_CSRF] = { "AccessDeniedException", "CsrfRequired", 403 },
	[AUTH_REPLAYED] = { "InvalidSignatureException", "InvalidSignature", 403 },
};

void auth_refuse(struct auth_refusal *refusal, enum auth_problem problem, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	*refusal = (struct auth_refusal){ .aws = problems[problem].aws, .code = problems[problem].code, .status = problems[problem].status };
	vsnprintf(refusal->message, sizeof refusal->message, format, args);
	va_end(args);
}

static bool refuse_signature(struct auth_refusal *refusal, const struct sigv4_refusal *why)
{
	auth_refuse(refusal,
		    why->problem == SIGV4_MISSING      ? AUTH_MISSING
		    : why->problem == SIGV4_INCOMPLETE ? AUTH_INCOMPLETE
						       : AUTH_INVALID,
		    "%s", why->message);
	return false;
}

/* ---- life ------------------------------------------------------------------------------------------- */

struct auth *auth_new(struct keys *keys, struct sessions *sessions, struct clock_source *clock)
{
	struct auth *auth = NEW(struct auth);
	*auth = (struct auth){ .keys = keys, .sessions = sessions, .clock = clock };
	return auth;
}

void auth_free(struct auth *auth)
{
	if (!auth)
		return;
	free(auth->used);
	free(auth);
}

struct keys *auth_keys(const struct auth *auth)
{
	return auth->keys;
}

struct sessions *auth_sessions(const struct auth *auth)
{
	return auth->sessions;
}

/* ---- sessions --------------------------------------------------------------------------------------- */

/* The token in "a=1; ratchet_session=…; b=2"; empty: none. */
static struct str token_of(struct str cookie)
{
	static const char name[] = COOKIE "=";
	while (cookie.len) {
		const char *end = memchr(cookie.ptr, ';', cookie.len);
		struct str part = { cookie.ptr, end ? (size_t)(end - cookie.ptr) : cookie.len };
		cookie = str_sub(cookie, part.len + (end != NULL), cookie.len);
		while (part.len && part.ptr[0] == ' ')
			part = str_sub(part, 1, part.len);
		if (str_starts(part, STR(COOKIE "=")))
			return str_sub(part, sizeof name - 1, part.len);
	}
	return STR_EMPTY;
}

static void identify(struct arena *arena, const struct access_key *key, struct session *session, struct identity *ret_identity)
{
	*ret_identity = (struct identity){ .role = key->role,
					   .key_id = arena_str(arena, str_of(key->id)),
					   .name = arena_str(arena, str_of(key->name)),
					   .session = session };
}

static struct session *find_session(struct auth *auth, struct str cookie)
{
	struct session *session = session_find(auth->sessions, token_of(cookie));
	if (!session)
		return NULL;
	const struct access_key *key = keys_find(auth->keys, str_of(session->key_id));
	if (key && !key->disabled)
		return session;
	session_close(session);
	return NULL;
}

struct auth_stay auth_stay_of(const struct identity *identity)
{
	struct auth_stay stay = { .key_id = identity->key_id, .by_session = identity->session };
	if (identity->session)
		memcpy(stay.session, identity->session->hash, sizeof stay.session);
	return stay;
}

bool auth_stays(const struct auth *auth, const struct auth_stay *stay)
{
	const struct access_key *key = keys_find(auth->keys, stay->key_id);
	return key && !key->disabled && (!stay->by_session || session_lasts(auth->sessions, stay->session));
}

void auth_peek(struct auth *auth, struct arena *arena, struct str cookie, struct identity *ret_identity)
{
	*ret_identity = (struct identity){ 0 };
	struct session *session = find_session(auth, cookie);
	if (session)
		identify(arena, keys_find(auth->keys, str_of(session->key_id)), session, ret_identity);
}

static bool changes_something(struct str method)
{
	return !str_eqz(method, "GET") && !str_eqz(method, "HEAD");
}

/* What changes something must come from a page of ours, which alone can read the session's second text. */
static bool check_csrf(const struct auth_request *request, const struct session *session, struct auth_refusal *refusal)
{
	if (!changes_something(request->http.method))
		return true;
	if (!request->same_origin) {
		auth_refuse(refusal, AUTH_DENIED, "with a session, Origin must be this server's own");
		return false;
	}
	if (request->csrf.len == SESSION_TOKEN && sigv4_same(request->csrf.ptr, session->csrf))
		return true;
	auth_refuse(refusal, AUTH_NO_CSRF, "with a session, X-Ratchet-Csrf must be what GET /v1/session gives");
	return false;
}

/* ---- signatures --------------------------------------------------------------------------------------- */

/* The service that a signature must be for: the API and /v1 are "states", paths of the Lambda API (they begin with a date)
 * "lambda". */
static const char *service_of(struct str path)
{
	return path.len > 1 && path.ptr[1] >= '0' && path.ptr[1] <= '9' ? "lambda" : "states";
}

static struct access_key *find_key(struct auth *auth, const struct sigv4_claim *claim, struct auth_refusal *refusal)
{
	struct access_key *key = keys_find(auth->keys, claim->key_id);
	if (key && !key->disabled)
		return key;
	auth_refuse(refusal, AUTH_UNKNOWN_KEY, "The security token included in the request is invalid.");
	return NULL;
}

static bool begin_signed(struct auth *auth, struct arena *arena, const struct auth_request *request, struct auth_proof *proof,
			 struct auth_refusal *refusal)
{
	struct sigv4_refusal why;
	const struct sigv4_claim *claim = &proof->claim;
	proof->is_signed = true;
	if (!sigv4_read(arena, &request->http, &proof->claim, &why))
		return refuse_signature(refusal, &why);
	const char *service = service_of(request->http.path);
	if (!str_eqz(claim->service, service)) {
		auth_refuse(refusal, AUTH_INVALID, "Credential should be scoped to correct service: '%s'.", service);
		return false;
	}
	if (!sigv4_check_time(claim, auth->clock->wall_ms(auth->clock), &why))
		return refuse_signature(refusal, &why);
	if (!find_key(auth, claim, refusal))
		return false;
	if (claim->token.ptr) {
		auth_refuse(refusal, AUTH_UNKNOWN_KEY,
			    "The security token included in the request is invalid: keys of this server have no session token; "
			    "unset AWS_SESSION_TOKEN");
		return false;
	}
	return true;
}

/* Remembers a presigned request's signature until it expires; false if it was used. The one that expires first makes room. */
static bool use_once(struct auth *auth, const struct sigv4_claim *claim)
{
	int64_t now_ms = auth->clock->wall_ms(auth->clock);
	if (!auth->used)
		auth->used = mem_zalloc(PRESIGNED_MAX * sizeof *auth->used);
	struct used_signature *place = &auth->used[0];
	for (unsigned i = 0; i < PRESIGNED_MAX; i++) {
		struct used_signature *used = &auth->used[i];
		if (used->until_ms >= now_ms && memcmp(used->signature, claim->signature.ptr, sizeof used->signature) == 0)
			return false;
		if (used->until_ms < place->until_ms)
			place = used;
	}
	memcpy(place->signature, claim->signature.ptr, sizeof place->signature);
	place->until_ms = claim->time_ms + claim->expires_s * 1000;
	return true;
}

static bool finish_signed(struct auth *auth, struct arena *arena, const struct auth_request *request, const struct sigv4_claim *claim,
			  char *body, size_t *length, struct identity *ret_identity, struct auth_refusal *refusal)
{
	struct sigv4_refusal why;
	struct access_key *key = find_key(auth, claim, refusal);
	if (!key)
		return false;
	const uint8_t *signing = keys_signing(key, claim);
	if (!signing) {
		auth_refuse(refusal, AUTH_INCOMPLETE, "the credential's scope is too long");
		return false;
	}
	if (!sigv4_verify(arena, &request->http, claim, signing, body, length, &why))
		return refuse_signature(refusal, &why);
	if (claim->presigned && changes_something(request->http.method) && !use_once(auth, claim)) {
		auth_refuse(refusal, AUTH_REPLAYED, "This presigned request was used already; what changes something is good once.");
		return false;
	}
	keys_used(auth->keys, key);
	identify(arena, key, NULL, ret_identity);
	return true;
}

/* ---- a request ------------------------------------------------------------------------------------------ */

bool auth_begin(struct auth *auth, struct arena *arena, const struct auth_request *request, struct auth_proof *ret_proof,
		struct auth_refusal *ret_refusal)
{
	*ret_proof = (struct auth_proof){ 0 };
	if (sigv4_is_signed(&request->http))
		return begin_signed(auth, arena, request, ret_proof, ret_refusal);
	if (token_of(request->cookie).len) {
		struct session *session = find_session(auth, request->cookie);
		if (session)
			return check_csrf(request, session, ret_refusal);
		auth_refuse(ret_refusal, AUTH_MISSING, "The session has ended: sign in again");
		return false;
	}
	auth_refuse(ret_refusal, AUTH_MISSING, "Missing Authentication Token");
	return false;
}

bool auth_finish(struct auth *auth, struct arena *arena, const struct auth_request *request, const struct auth_proof *proof, char *body,
		 size_t *length, struct identity *ret_identity, struct auth_refusal *ret_refusal)
{
	if (proof->is_signed)
		return finish_signed(auth, arena, request, &proof->claim, body, length, ret_identity, ret_refusal);
	/* Looked for again: it may have ended while the body came. */
	struct session *session = find_session(auth, request->cookie);
	if (!session) {
		auth_refuse(ret_refusal, AUTH_MISSING, "The session has ended: sign in again");
		return false;
	}
	if (!check_csrf(request, session, ret_refusal))
		return false;
	struct access_key *key = keys_find(auth->keys, str_of(session->key_id));
	keys_used(auth->keys, key);
	identify(arena, key, session, ret_identity);
	return true;
}
