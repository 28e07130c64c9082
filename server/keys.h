/* keys.h: access keys: who may call, with which secret and which role. They live in the store, as records of the engine, and all in
 * memory.
 *
 *     record "keys/AKIA…"    version · secret · name · role · flags · created · last used
 *
 * A secret is kept as it is, because a signature can only be verified with it: whoever reads the store's file can sign.
 * One more key may come from the configuration (root_key); it administers and is not stored. Loop's thread only. */
#pragma once
#include "engine/engine.h"
#include "server/auth.h"
#include "server/sigv4.h"

#define KEYS_MAX 1000
#define KEY_ID_MAX 128
#define KEY_SECRET_MAX 256
#define KEY_NAME_MAX 64
#define SIGNING_KEPT 4

struct access_key {
	char id[KEY_ID_MAX + 1], secret[KEY_SECRET_MAX + 1], name[KEY_NAME_MAX + 1];
	enum role role;
	bool disabled, configured;
	int64_t created_ms;
	int64_t used_ms;	/* 0: never */
	int64_t used_stored_ms; /* as the store has it: an hour old at most */
	/* Signing keys that it gave: by scope; the oldest goes. */
	struct {
		char scope[96];
		uint8_t key[SIGV4_KEY_BYTES];
	} signing[SIGNING_KEPT];
	unsigned signing_next;
	struct access_key *next; /* by creation, oldest first */
};

struct keys;

/* Reads them from the engine's records; ones that cannot be read are left out, and logged. */
struct keys *keys_new(struct engine *engine);
void keys_free(struct keys *keys);

/* Adds the configuration's. ERR(INVALID): the id or the secret cannot be one. */
int keys_configure(struct keys *keys, struct str id, struct str secret, struct wf_error *err);

struct access_key *keys_first(const struct keys *keys);
unsigned keys_count(const struct keys *keys);
/* NULL: there is none. Valid until the next turn. */
struct access_key *keys_find(const struct keys *keys, struct str id);
/* Whether somebody could administer with a key that is not `but`. */
bool keys_can_administer(const struct keys *keys, const struct access_key *but);

/* Why a name cannot be one; NULL: it can. */
const char *keys_name_problem(struct str name);
/* A new key with a secret from the system's randomness; NULL: there are KEYS_MAX. `done` when it is stored. */
struct access_key *keys_add(struct keys *keys, struct str name, enum role role, engine_done_fn *done, void *data);
void keys_set_disabled(struct keys *keys, struct access_key *key, bool disabled, engine_done_fn *done, void *data);
/* `key` is gone when it returns. */
void keys_remove(struct keys *keys, struct access_key *key, engine_done_fn *done, void *data);
/* It was used: noted in memory, and in the store when what stands there is an hour old. */
void keys_used(struct keys *keys, struct access_key *key);
/* The signing key for a claim's scope, kept for the next request. NULL if the scope is longer than any is. */
const uint8_t *keys_signing(struct access_key *key, const struct sigv4_claim *claim);
