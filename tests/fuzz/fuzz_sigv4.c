/* fuzz_sigv4.c: any bytes as a signed request:
 *
 *     METHOD PATH[?QUERY] \n  NAME:VALUE \n …  \n  BODY
 *
 * What is read must not be written beyond; a claim's texts are whole; a body decoded in place only gets shorter. Signatures that are
 * right are not found by chance, so the body is decoded as aws-chunked besides, without signatures and with one that continues. */
#include "base/buffer.h"
#include "base/mem.h"
#include "server/aws_chunked.h"
#include "server/sigv4.h"
#include <assert.h>
#include <stdlib.h>

#define HEADERS_MOST 20

static struct str take(struct str *rest, char until)
{
	const char *end = rest->len ? memchr(rest->ptr, until, rest->len) : NULL;
	struct str part = { rest->ptr, end ? (size_t)(end - rest->ptr) : rest->len };
	*rest = str_sub(*rest, part.len + (end != NULL), rest->len);
	return part;
}

/* Decoded in a copy of exactly its size, so that a byte beyond it is noticed. */
static void decode(struct str body, const uint8_t *key, bool trailer)
{
	static const char seed[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
	struct aws_chunked how = { .key = key, .timestamp = STR("20260101T000000Z"), .scope = STR("20260101/a/b/aws4_request"),
				   .seed = STR(seed), .trailer = trailer };
	char *copy = mem_alloc(body.len ? body.len : 1);
	size_t length = body.len;
	const char *problem = NULL;
	memcpy(copy, body.ptr, body.len);
	bool good = aws_chunked_decode(&how, copy, &length, &problem);
	assert(good ? length < body.len : problem != NULL);
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t key[SIGV4_KEY_BYTES] = { 1, 2, 3 };
	struct str rest = { (const char *)data, size };
	struct sigv4_header headers[HEADERS_MOST];
	struct sigv4_request request = { .headers = headers };
	_cleanup_(arena_done) struct arena arena = { 0 };
	struct sigv4_refusal refusal = { 0 };
	struct sigv4_claim claim;

	struct str line = take(&rest, '\n');
	request.method = take(&line, ' ');
	request.path = take(&line, '?');
	request.query = line;
	while (request.headers_count < HEADERS_MOST) {
		struct str header = take(&rest, '\n');
		if (!header.len)
			break;
		headers[request.headers_count].name = take(&header, ':');
		headers[request.headers_count++].value = header;
	}
	decode(rest, NULL, false);
	decode(rest, NULL, true);
	decode(rest, key, true);
	if (!sigv4_read(&arena, &request, &claim, &refusal)) {
		assert(refusal.problem && refusal.message[0]);
		return 0;
	}
	assert(claim.signature.len == SIGV4_HEX && claim.key_id.len && claim.scope.len);
	sigv4_check_time(&claim, claim.time_ms, &refusal);
	char *body = mem_alloc(rest.len + 1);
	size_t length = rest.len;
	memcpy(body, rest.ptr, rest.len);
	if (!sigv4_verify(&arena, &request, &claim, key, body, &length, &refusal))
		assert(refusal.problem && refusal.message[0]);
	free(body);
	return 0;
}
