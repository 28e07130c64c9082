/* token.c: opaque texts that prove themselves: task tokens, page tokens, checks.
 *
 *     task token   base64url of: version 1 · execution id (8) · event id (8) · HMAC-SHA-256 of the 17 bytes before,
 * first 16 page token   base64url of: kind · two numbers (8 each). Not secret: a forged one only reads another page.
 */
#include "engine/token.h"
#include <nettle/base64.h>
#include <nettle/hmac.h>
#include <nettle/memops.h>
#include <nettle/sha2.h>

enum {
	TOKEN_VERSION = 1,
	TOKEN_BODY = 17,
	TOKEN_MAC = 16,
	TOKEN_BYTES = TOKEN_BODY + TOKEN_MAC,
	PAGE_BYTES = 17
};

static void put_u64(uint8_t *bytes, uint64_t number)
{
	for (int i = 0; i < 8; i++)
		bytes[i] = (uint8_t)(number >> (56 - 8 * i));
}

static uint64_t get_u64(const uint8_t *bytes)
{
	uint64_t number = 0;
	for (int i = 0; i < 8; i++)
		number = number << 8 | bytes[i];
	return number;
}

static void encode(const uint8_t *bytes, size_t len, struct buffer *out)
{
	struct base64_encode_ctx context;
	base64url_encode_init(&context);
	char *at = buffer_reserve(out, BASE64_ENCODE_LENGTH(len) + BASE64_ENCODE_FINAL_LENGTH);
	size_t made = base64_encode_update(&context, at, len, bytes);
	made += base64_encode_final(&context, at + made);
	while (made && at[made - 1] == '=')
		made--;
	out->len += made;
	out->data[out->len] = 0;
}

/* Exactly `len` bytes, else false. */
static bool decode(struct str text, uint8_t *ret_bytes, size_t len)
{
	char padded[64];
	uint8_t bytes[BASE64_DECODE_LENGTH(sizeof padded)];
	size_t chars = text.len;
	if (chars != (len * 8 + 5) / 6 || chars + 3 > sizeof padded)
		return false;
	memcpy(padded, text.ptr, chars);
	while (chars % 4)
		padded[chars++] = '=';
	struct base64_decode_ctx context;
	base64url_decode_init(&context);
	size_t made = sizeof bytes;
	if (!base64_decode_update(&context, &made, bytes, chars, padded) || !base64_decode_final(&context) ||
	    made != len)
		return false;
	memcpy(ret_bytes, bytes, len);
	return true;
}

void token_key_set(struct token_key *key, const uint8_t bytes[TOKEN_KEY_BYTES])
{
	memcpy(key->bytes, bytes, TOKEN_KEY_BYTES);
	hmac_sha256_set_key(&key->keyed, TOKEN_KEY_BYTES, bytes);
}

static void mac(const struct token_key *key, const uint8_t *bytes, size_t len, size_t mac_len, uint8_t *ret_mac)
{
	struct hmac_sha256_ctx context = key->keyed;
	hmac_sha256_update(&context, len, bytes);
	hmac_sha256_digest(&context, mac_len, ret_mac);
}

void token_make(const struct token_key *key, struct task_key task, struct buffer *out)
{
	uint8_t bytes[TOKEN_BYTES] = { TOKEN_VERSION };
	put_u64(bytes + 1, task.execution_id);
	put_u64(bytes + 9, task.event_id);
	mac(key, bytes, TOKEN_BODY, TOKEN_MAC, bytes + TOKEN_BODY);
	encode(bytes, sizeof bytes, out);
}

bool token_read(const struct token_key *key, struct str token, struct task_key *ret_task)
{
	uint8_t bytes[TOKEN_BYTES], wanted[TOKEN_MAC];
	if (!decode(token, bytes, sizeof bytes) || bytes[0] != TOKEN_VERSION)
		return false;
	mac(key, bytes, TOKEN_BODY, TOKEN_MAC, wanted);
	if (!memeql_sec(wanted, bytes + TOKEN_BODY, TOKEN_MAC))
		return false;
	*ret_task = (struct task_key){ get_u64(bytes + 1), get_u64(bytes + 9) };
	return true;
}

void page_token_make(char kind, uint64_t a, uint64_t b, struct buffer *out)
{
	uint8_t bytes[PAGE_BYTES] = { (uint8_t)kind };
	put_u64(bytes + 1, a);
	put_u64(bytes + 9, b);
	encode(bytes, sizeof bytes, out);
}

bool page_token_read(struct str token, char kind, uint64_t *ret_a, uint64_t *ret_b)
{
	uint8_t bytes[PAGE_BYTES];
	if (!decode(token, bytes, sizeof bytes) || bytes[0] != (uint8_t)kind)
		return false;
	*ret_a = get_u64(bytes + 1);
	*ret_b = get_u64(bytes + 9);
	return true;
}

void token_hash(struct str text, uint8_t ret_hash[16])
{
	struct sha256_ctx context;
	sha256_init(&context);
	sha256_update(&context, text.len, (const uint8_t *)text.ptr);
	sha256_digest(&context, 16, ret_hash);
}

uint64_t token_check(const struct token_key *key, const char *purpose, uint64_t number)
{
	uint8_t bytes[64] = { 0 }, digest[8];
	size_t len = strnlen(purpose, sizeof bytes - 8);
	memcpy(bytes, purpose, len);
	put_u64(bytes + len, number);
	mac(key, bytes, len + 8, sizeof digest, digest);
	return get_u64(digest);
}
