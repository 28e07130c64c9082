/* token.h: task tokens and page tokens.
 *
 * A task token is the task's id (execution, scheduled event) and an HMAC of it under a key that is kept in the store,
 * in base64url: nothing has to be remembered for it, and it is valid after a restart. A page token is what the next
 * page needs, in base64url. */
#pragma once
#include "base/buffer.h"
#include "connectors/connector.h"
#include <nettle/hmac.h>
#include <stdint.h>

#define TOKEN_KEY_BYTES 32

/* A key, and what SHA-256 makes of it before any message: half of the work of a short HMAC. */
struct token_key {
	uint8_t bytes[TOKEN_KEY_BYTES];
	struct hmac_sha256_ctx keyed;
};
void token_key_set(struct token_key *key, const uint8_t bytes[TOKEN_KEY_BYTES]);

void token_make(const struct token_key *key, struct task_key task, struct buffer *out);
bool token_read(const struct token_key *key, struct str token, struct task_key *ret_task);

/* Two numbers as an opaque text. */
void page_token_make(char kind, uint64_t a, uint64_t b, struct buffer *out);
bool page_token_read(struct str token, char kind, uint64_t *ret_a, uint64_t *ret_b);

/* SHA-256 of a text, the first 16 bytes. */
void token_hash(struct str text, uint8_t ret_hash[16]);
/* HMAC-SHA-256 of bytes under the key, the first 8 bytes as a number. */
uint64_t token_check(const struct token_key *key, const char *purpose, uint64_t number);
