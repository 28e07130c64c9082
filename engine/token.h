/* token.h: task tokens and page tokens.
 *
 * A task token is the task's id (execution, scheduled event) and an HMAC of it under a key that is kept in the store,
 * in base64url: nothing has to be remembered for it, and it is valid after a restart. A page token is what the next
 * page needs, in base64url. */
#pragma once
#include "base/buffer.h"
#include "connectors/connector.h"
#include <stdint.h>

void token_make(const uint8_t *key, struct task_key task, struct buffer *out);
bool token_read(const uint8_t *key, struct str token, struct task_key *ret_task);

/* Two numbers as an opaque text. */
void page_token_make(char kind, uint64_t a, uint64_t b, struct buffer *out);
bool page_token_read(struct str token, char kind, uint64_t *ret_a, uint64_t *ret_b);

/* SHA-256 of a text, the first 16 bytes. */
void token_hash(struct str text, uint8_t ret_hash[16]);
/* HMAC-SHA-256 of bytes under the key, the first 8 bytes as a number. */
uint64_t token_check(const uint8_t *key, const char *purpose, uint64_t number);
