/* keys.c: access keys (keys.h). */
#include "server/keys.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/random.h"
#include <stdio.h>
#include <stdlib.h>

#define PREFIX "keys/"
#define KEY_VERSION 1
#define USED_STEP_MS (60 * 60 * 1000)

enum key_flag { KEY_DISABLED = 1 };

struct keys {
	struct engine *engine;
	struct access_key *first;
	unsigned count; /* stored ones */
};

/* ---- records -------------------------------------------------------------------------------------- */

static bool take_text(struct reader *in, char *to, size_t most)
{
	struct str text;
	if (!reader_blob(in, &text) || text.len > most || memchr(text.ptr, 0, text.len))
		return false;
	memcpy(to, text.ptr, text.len);
	to[text.len] = 0;
	return true;
}

static bool decode(struct access_key *key, struct str bytes)
{
	struct reader in = reader_of(bytes);
	uint8_t version, role, flags;
	if (!reader_byte(&in, &version) || version != KEY_VERSION || !take_text(&in, key->secret, KEY_SECRET_MAX) ||
	    !take_text(&in, key->name, KEY_NAME_MAX) || !reader_byte(&in, &role) || !reader_byte(&in, &flags) ||
	    !reader_svarint(&in, &key->created_ms) || !reader_svarint(&in, &key->used_stored_ms))
		return false;
	if (role < ROLE_READ || role > ROLE_ADMINISTER)
		return false;
	key->role = (enum role)role;
	key->disabled = flags & KEY_DISABLED;
	key->used_ms = key->used_stored_ms;
	return true;
}

static void store(struct keys *keys, struct access_key *key, bool deleted, engine_done_fn *done, void *data)
{
	_cleanup_(buffer_done) struct buffer out = { 0 };
	_cleanup_free_ char *name = mem_printf(PREFIX "%s", key->id);
	key->used_stored_ms = key->used_ms;
	buffer_byte(&out, KEY_VERSION);
	buffer_blob(&out, str_of(key->secret));
	buffer_blob(&out, str_of(key->name));
	buffer_byte(&out, (char)key->role);
	buffer_byte(&out, key->disabled ? KEY_DISABLED : 0);
	buffer_svarint(&out, key->created_ms);
	buffer_svarint(&out, key->used_stored_ms);
	engine_put_record(keys->engine, str_of(name), deleted ? (struct str){ 0 } : buffer_str(&out), done, data);
	explicit_bzero(out.data, out.len);
}

static void insert(struct keys *keys, struct access_key *key)
{
	struct access_key **at = &keys->first;
	while (*at && ((*at)->created_ms < key->created_ms ||
		       ((*at)->created_ms == key->created_ms && strcmp((*at)->id, key->id) < 0)))
		at = &(*at)->next;
	key->next = *at;
	*at = key;
}

static void free_key(struct access_key *key)
{
	explicit_bzero(key, sizeof *key);
	free(key);
}

static void load(void *data, struct str name, struct str bytes)
{
	struct keys *keys = data;
	struct access_key *key = NEW(struct access_key);
	struct str id = str_sub(name, sizeof PREFIX - 1, name.len);
	if (id.len > KEY_ID_MAX || !decode(key, bytes)) {
		log_warn("server", "the access key %.*s in the store cannot be read", STR_FMT(id));
		free_key(key);
		return;
	}
	memcpy(key->id, id.ptr, id.len);
	insert(keys, key);
	keys->count++;
}

struct keys *keys_new(struct engine *engine)
{
	struct keys *keys = NEW(struct keys);
	keys->engine = engine;
	engine_each_record(engine, STR(PREFIX), load, keys);
	return keys;
}

void keys_free(struct keys *keys)
{
	if (!keys)
		return;
	for (struct access_key *next, *key = keys->first; key; key = next) {
		next = key->next;
		free_key(key);
	}
	free(keys);
}

int keys_configure(struct keys *keys, struct str id, struct str secret, struct wf_error *err)
{
	if (id.len < 3 || id.len > KEY_ID_MAX)
		return error_set(err, ERR(INVALID), "the key's id must have 3 to %d characters", KEY_ID_MAX);
	for (size_t i = 0; i < id.len; i++)
		if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-", id.ptr[i]) || !id.ptr[i])
			return error_set(err, ERR(INVALID), "the key's id must be of letters, digits, _ and -");
	if (secret.len < 16 || secret.len > KEY_SECRET_MAX || memchr(secret.ptr, 0, secret.len))
		return error_set(err, ERR(INVALID), "the key's secret must have 16 to %d characters", KEY_SECRET_MAX);
	struct access_key *key = keys_find(keys, id);
	if (key)
		return error_set(err, ERR(INVALID), "the store has a key with the id %.*s already", STR_FMT(id));
	key = NEW(struct access_key);
	memcpy(key->id, id.ptr, id.len);
	memcpy(key->secret, secret.ptr, secret.len);
	memcpy(key->name, "root", 5);
	key->role = ROLE_ADMINISTER;
	key->configured = true;
	insert(keys, key);
	return 0;
}

/* ---- looking ---------------------------------------------------------------------------------------- */

struct access_key *keys_first(const struct keys *keys)
{
	return keys->first;
}

unsigned keys_count(const struct keys *keys)
{
	return keys->count;
}

struct access_key *keys_find(const struct keys *keys, struct str id)
{
	for (struct access_key *key = keys->first; key; key = key->next)
		if (str_eqz(id, key->id))
			return key;
	return NULL;
}

bool keys_can_administer(const struct keys *keys, const struct access_key *but)
{
	for (const struct access_key *key = keys->first; key; key = key->next)
		if (key != but && !key->disabled && key->role == ROLE_ADMINISTER)
			return true;
	return false;
}

const char *keys_name_problem(struct str name)
{
	if (!name.len || name.len > KEY_NAME_MAX)
		return "a key's name must have 1 to 64 characters";
	for (size_t i = 0; i < name.len; i++)
		if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.@+", name.ptr[i]) || !name.ptr[i])
			return "a key's name must be of letters, digits and _ - . @ +";
	return NULL;
}

/* ---- changing --------------------------------------------------------------------------------------- */

/* `count` characters of an alphabet, evenly: bytes beyond its last whole multiple are thrown away. */
static void draw(const char *alphabet, size_t count, char *to)
{
	size_t letters = strlen(alphabet);
	for (size_t made = 0; made < count;) {
		uint8_t bytes[64];
		random_secure(bytes, sizeof bytes);
		for (size_t i = 0; i < sizeof bytes && made < count; i++)
			if (bytes[i] < 256 - 256 % letters)
				to[made++] = alphabet[bytes[i] % letters];
	}
	to[count] = 0;
}

struct access_key *keys_add(struct keys *keys, struct str name, enum role role, engine_done_fn *done, void *data)
{
	if (keys->count >= KEYS_MAX)
		return NULL;
	struct access_key *key = NEW(struct access_key);
	do {
		memcpy(key->id, "AKIA", 4);
		draw("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 16, key->id + 4);
	} while (keys_find(keys, str_of(key->id)));
	draw("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", 40, key->secret);
	memcpy(key->name, name.ptr, name.len < KEY_NAME_MAX ? name.len : KEY_NAME_MAX);
	key->role = role;
	key->created_ms = engine_now_ms(keys->engine);
	insert(keys, key);
	keys->count++;
	store(keys, key, false, done, data);
	return key;
}

void keys_set_disabled(struct keys *keys, struct access_key *key, bool disabled, engine_done_fn *done, void *data)
{
	key->disabled = disabled;
	store(keys, key, false, done, data);
}

void keys_remove(struct keys *keys, struct access_key *key, engine_done_fn *done, void *data)
{
	struct access_key **at = &keys->first;
	while (*at != key)
		at = &(*at)->next;
	*at = key->next;
	keys->count--;
	store(keys, key, true, done, data);
	free_key(key);
}

void keys_used(struct keys *keys, struct access_key *key)
{
	key->used_ms = engine_now_ms(keys->engine);
	if (!key->configured && key->used_ms - key->used_stored_ms >= USED_STEP_MS)
		store(keys, key, false, NULL, NULL);
}

const uint8_t *keys_signing(struct access_key *key, const struct sigv4_claim *claim)
{
	for (unsigned i = 0; i < SIGNING_KEPT; i++)
		if (key->signing[i].scope[0] && str_eqz(claim->scope, key->signing[i].scope))
			return key->signing[i].key;
	if (claim->scope.len >= sizeof key->signing[0].scope || memchr(claim->scope.ptr, 0, claim->scope.len))
		return NULL;
	unsigned at = key->signing_next++ % SIGNING_KEPT;
	memcpy(key->signing[at].scope, claim->scope.ptr, claim->scope.len);
	key->signing[at].scope[claim->scope.len] = 0;
	sigv4_signing_key(str_of(key->secret), claim, key->signing[at].key);
	return key->signing[at].key;
}
