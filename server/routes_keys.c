/* routes_keys.c: /v1/session (signing in with a browser) and /v1/keys (access keys). docs/console-api.md says what they
 * answer. */
#include "base/mem.h"
#include "server/api.h"
#include "server/keys.h"
#include "server/route.h"
#include "server/sessions.h"
#include "server/v1.h"
#include <nettle/memops.h>
#include <nettle/sha2.h>
#include <stdio.h>

/* ---- sessions --------------------------------------------------------------------------------------- */

static struct str text_of(const struct value *body, const char *name)
{
	const struct value *value = value_getz(body, name);
	return value && value_is(value, VALUE_STRING) ? value_string(value) : STR_EMPTY;
}

static void put_session(struct route_call *call)
{
	const struct services *services = call->services;
	const struct identity *identity = &call->identity;
	struct buffer *out = &call->out;
	buffer_byte(out, '{');
	api_put_flag(out, "auth", services->auth != NULL);
	if (identity->role != ROLE_NONE) {
		if (identity->key_id.len) {
			api_put_text(out, "key", identity->key_id);
			api_put_text(out, "name", identity->name);
		}
		api_put_text(out, "role", str_of(role_name(identity->role)));
	}
	if (identity->session) {
		int64_t left_ms = session_left_ms(auth_sessions(services->auth), identity->session);
		api_put_text(out, "csrf", str_of(identity->session->csrf));
		api_put_number(out, "expires_ms", services->clock->wall_ms(services->clock) + left_ms);
		api_put_number(out, "idle_ms", SESSION_IDLE_MS);
	}
	buffer_byte(out, '}');
}

static void answer_session(struct route_call *call)
{
	put_session(call);
	route_answer(call);
}

/* The page came by https: from this server, or from what stands before it. */
static bool is_secure(struct route_call *call)
{
	const char *origin = call->header(call, "Origin");
	return call->services->secure || (origin && strncmp(origin, "https://", 8) == 0);
}

static void set_cookie(struct route_call *call, const char *token, int64_t seconds)
{
	route_header(call, "Set-Cookie",
		     arena_printf(&call->arena, "ratchet_session=%s; Path=/; HttpOnly; SameSite=Strict; Max-Age=%lld%s", token,
				  (long long)seconds, is_secure(call) ? "; Secure" : ""));
}

/* Whether a secret is the key's, in a time that does not depend on it. */
static bool has_secret(const struct access_key *key, struct str secret)
{
	uint8_t hashes[2][SHA256_DIGEST_SIZE];
	const struct str both[2] = { key ? str_of(key->secret) : STR("no key"), secret };
	for (int i = 0; i < 2; i++) {
		struct sha256_ctx context;
		sha256_init(&context);
		sha256_update(&context, both[i].len, (const uint8_t *)both[i].ptr);
		sha256_digest(&context, sizeof hashes[i], hashes[i]);
	}
	return memeql_sec(hashes[0], hashes[1], sizeof hashes[0]) && key && !key->disabled;
}

static void sign_in(struct route_call *call)
{
	const struct services *services = call->services;
	unsigned wait_s;
	if (!services->auth) {
		route_refuse(call, 404, "NotFound", "this server asks nobody to sign in (auth: none)");
		return;
	}
	struct sessions *sessions = auth_sessions(services->auth);
	if (!sessions_may_try(sessions, &wait_s)) {
		route_header(call, "Retry-After", arena_printf(&call->arena, "%u", wait_s));
		route_refuse(call, 429, "TooManyAttempts", "too many failed attempts to sign in: try again in %u seconds", wait_s);
		return;
	}
	_cleanup_(value_unrefp) struct value *body = route_body(call);
	if (!body)
		return;
	struct str id = text_of(body, "accessKeyId"), secret = text_of(body, "secretAccessKey");
	if (!id.len || !secret.len) {
		route_refuse(call, 400, "InvalidRequest", "accessKeyId and secretAccessKey must be given");
		return;
	}
	struct access_key *key = keys_find(services->keys, id);
	if (!has_secret(key, secret)) {
		sessions_failed(sessions);
		route_refuse(call, 403, "InvalidCredentials", "there is no such access key, or its secret is another");
		return;
	}
	char token[SESSION_TOKEN + 1];
	if (call->identity.session)
		session_close(call->identity.session);
	struct session *session = session_open(sessions, key, token);
	keys_used(services->keys, key);
	call->identity = (struct identity){ .role = key->role,
					    .key_id = arena_str(&call->arena, str_of(key->id)),
					    .name = arena_str(&call->arena, str_of(key->name)),
					    .session = session };
	set_cookie(call, token, SESSION_MOST_MS / 1000);
	put_session(call);
	route_answer(call);
}

static void sign_out(struct route_call *call)
{
	struct session *session = call->identity.session;
	const char *csrf = call->header(call, "X-Ratchet-Csrf");
	if (session && (!csrf || strlen(csrf) != SESSION_TOKEN || !sigv4_same(csrf, session->csrf))) {
		route_refuse(call, 403, "CsrfRequired", "with a session, X-Ratchet-Csrf must be what GET /v1/session gives");
		return;
	}
	if (session)
		session_close(session);
	set_cookie(call, "", 0);
	buffer_addz(&call->out, "{}");
	route_answer(call);
}

/* ---- keys ------------------------------------------------------------------------------------------- */

static void put_key(struct buffer *out, const struct access_key *key)
{
	api_put_text(out, "id", str_of(key->id));
	api_put_text(out, "name", str_of(key->name));
	api_put_text(out, "role", str_of(role_name(key->role)));
	api_put_flag(out, "disabled", key->disabled);
	if (key->created_ms)
		api_put_number(out, "created_ms", key->created_ms);
	if (key->used_ms)
		api_put_number(out, "last_used_ms", key->used_ms);
	api_put_text(out, "source", key->configured ? STR("configuration") : STR("store"));
}

static void list_keys(struct route_call *call)
{
	buffer_addz(&call->out, "{\"keys\":[");
	for (const struct access_key *key = keys_first(call->services->keys); key; key = key->next) {
		buffer_addz(&call->out, key == keys_first(call->services->keys) ? "{" : ",{");
		put_key(&call->out, key);
		buffer_byte(&call->out, '}');
	}
	buffer_addz(&call->out, "]}");
	route_answer(call);
}

static void stored(void *data, const struct engine_error *error)
{
	struct route_call *call = data;
	if (error->code)
		route_refuse_engine(call, error);
	else
		route_answer_status(call, strcmp(call->route->method, "POST") == 0 ? 201 : 200);
}

static void add_key(struct route_call *call)
{
	_cleanup_(value_unrefp) struct value *body = route_body(call);
	enum role role;
	if (!body)
		return;
	struct str name = text_of(body, "name");
	const char *problem = keys_name_problem(name);
	if (problem || !role_parse(text_of(body, "role"), &role)) {
		route_refuse(call, 400, "InvalidRequest", "%s", problem ? problem : "role must be read, operate or administer");
		return;
	}
	const struct access_key *key = keys_add(call->services->keys, name, role, stored, call);
	if (!key) {
		route_refuse(call, 409, "LimitExceeded", "there are %d access keys already", KEYS_MAX);
		return;
	}
	buffer_byte(&call->out, '{');
	put_key(&call->out, key);
	api_put_text(&call->out, "secret", str_of(key->secret));
	buffer_byte(&call->out, '}');
}

/* The key in the path, if it may be taken away; NULL after it refused the call. */
static struct access_key *key_to_change(struct route_call *call, bool taken_away)
{
	struct keys *keys = call->services->keys;
	struct access_key *key = keys_find(keys, call->parts[0]);
	if (!key)
		route_refuse(call, 404, "NotFound", "there is no access key %.*s", STR_FMT(str_sub(call->parts[0], 0, 80)));
	else if (key->configured)
		route_refuse(call, 409, "Conflict", "%s is the key of the configuration (root_key), and can be changed only there", key->id);
	else if (taken_away && key->role == ROLE_ADMINISTER && !key->disabled && !keys_can_administer(keys, key))
		route_refuse(call, 409, "Conflict", "%s is the last key that administers: nobody could make another", key->id);
	else
		return key;
	return NULL;
}

static void change_key(struct route_call *call)
{
	_cleanup_(value_unrefp) struct value *body = route_body(call);
	if (!body)
		return;
	const struct value *disabled = value_getz(body, "disabled");
	if (!disabled || !value_is(disabled, VALUE_BOOL)) {
		route_refuse(call, 400, "InvalidRequest", "disabled must be true or false");
		return;
	}
	struct access_key *key = key_to_change(call, value_bool(disabled));
	if (!key)
		return;
	keys_set_disabled(call->services->keys, key, value_bool(disabled), stored, call);
	buffer_byte(&call->out, '{');
	put_key(&call->out, key);
	buffer_byte(&call->out, '}');
}

static void remove_key(struct route_call *call)
{
	struct access_key *key = key_to_change(call, true);
	if (!key)
		return;
	v1_forget_views(call->engine, str_of(key->id));
	keys_remove(call->services->keys, key, stored, call);
	buffer_addz(&call->out, "{}");
}

const struct route routes_keys[] = {
	{ "GET", "/v1/session", ROLE_NONE, answer_session },
	{ "POST", "/v1/session", ROLE_NONE, sign_in },
	{ "DELETE", "/v1/session", ROLE_NONE, sign_out },
	{ "GET", "/v1/keys", ROLE_ADMINISTER, list_keys },
	{ "POST", "/v1/keys", ROLE_ADMINISTER, add_key },
	{ "PUT", "/v1/keys/*", ROLE_ADMINISTER, change_key },
	{ "DELETE", "/v1/keys/*", ROLE_ADMINISTER, remove_key },
	{ 0 },
};
