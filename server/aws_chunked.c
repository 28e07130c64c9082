/* aws_chunked.c: decodes aws-chunked bodies (aws_chunked.h). What is written in place never overtakes what is read: each
 * chunk's data is shorter than the chunk. */
#include "server/aws_chunked.h"
#include "base/buffer.h"
#include "base/mem.h"
#include <nettle/sha2.h>
#include <stdio.h>

#define TRAILERS_MAX 16

struct reading {
	const struct aws_chunked *how;
	const char *at, *end;
	char last[SIGV4_HEX]; /* the signature before */
	const char *problem;
};

static bool fail(struct reading *in, const char *problem)
{
	in->problem = problem;
	return false;
}

/* A line up to CRLF; what follows it is next. */
static bool take_line(struct reading *in, struct str *ret_line)
{
	const char *end = memchr(in->at, '\r', (size_t)(in->end - in->at));
	if (!end || in->end - end < 2 || end[1] != '\n')
		return fail(in, "a line of the chunked body does not end");
	*ret_line = (struct str){ in->at, (size_t)(end - in->at) };
	in->at = end + 2;
	return true;
}

/* "400;chunk-signature=…" */
static bool read_head(struct reading *in, struct str line, size_t *ret_size, struct str *ret_signature)
{
	static const char word[] = ";chunk-signature=";
	size_t size = 0, digits = 0;
	while (digits < line.len && digits < 8 && hex_digit(line.ptr[digits]) >= 0)
		size = size << 4 | (size_t)hex_digit(line.ptr[digits++]);
	if (!digits)
		return fail(in, "a chunk does not begin with its size");
	struct str rest = str_sub(line, digits, line.len);
	if (in->how->key) {
		if (!str_starts(rest, STR(";chunk-signature=")) || rest.len != sizeof word - 1 + SIGV4_HEX)
			return fail(in, "a chunk has no signature");
		*ret_signature = str_sub(rest, sizeof word - 1, SIGV4_HEX);
	} else if (rest.len) {
		return fail(in, "a chunk's size is followed by something else");
	}
	*ret_size = size;
	return true;
}

/* The signature of a chunk, or of the trailers, continues the one before. */
static bool check(struct reading *in, bool trailer, struct str data, struct str signature)
{
	static const char empty[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
	_cleanup_(buffer_done) struct buffer text = { 0 };
	struct sha256_ctx hash;
	uint8_t digest[SHA256_DIGEST_SIZE];
	char hex[SIGV4_HEX], right[SIGV4_HEX];
	sha256_init(&hash);
	sha256_update(&hash, data.len, (const uint8_t *)data.ptr);
	sha256_digest(&hash, sizeof digest, digest);
	sigv4_hex(digest, sizeof digest, hex);
	buffer_printf(&text, "AWS4-HMAC-SHA256-%s\n%.*s\n%.*s\n", trailer ? "TRAILER" : "PAYLOAD", STR_FMT(in->how->timestamp),
		      STR_FMT(in->how->scope));
	buffer_append(&text, in->last, SIGV4_HEX);
	buffer_byte(&text, '\n');
	if (!trailer)
		buffer_printf(&text, "%s\n", empty);
	buffer_append(&text, hex, SIGV4_HEX);
	sigv4_sign(in->how->key, buffer_str(&text), right);
	memcpy(in->last, right, SIGV4_HEX);
	return sigv4_same(right, signature.ptr) || fail(in, "the signature of a chunk does not match");
}

static struct str trimmed(struct str text)
{
	while (text.len && (text.ptr[0] == ' ' || text.ptr[0] == '\t'))
		text = str_sub(text, 1, text.len);
	while (text.len && (text.ptr[text.len - 1] == ' ' || text.ptr[text.len - 1] == '\t'))
		text.len--;
	return text;
}

/* "name:value" lines up to an empty one; the last of signed ones is their signature. */
static bool take_trailers(struct reading *in)
{
	static const char name[] = "x-amz-trailer-signature:";
	_cleanup_(buffer_done) struct buffer canonical = { 0 };
	struct str line, signature = STR_EMPTY;
	for (unsigned count = 0;; count++) {
		if (!take_line(in, &line))
			return false;
		if (!line.len)
			break;
		const char *colon = memchr(line.ptr, ':', line.len);
		if (!in->how->trailer || !colon || count == TRAILERS_MAX || signature.len)
			return fail(in, "the chunked body has trailers that are not expected");
		if (str_starts(line, STR("x-amz-trailer-signature:"))) {
			signature = trimmed(str_sub(line, sizeof name - 1, line.len));
			if (signature.len != SIGV4_HEX)
				return fail(in, "the trailers' signature is none");
			continue;
		}
		struct str value = trimmed(str_sub(line, (size_t)(colon + 1 - line.ptr), line.len));
		for (const char *c = line.ptr; c < colon; c++)
			buffer_byte(&canonical, *c >= 'A' && *c <= 'Z' ? (char)(*c | 0x20) : *c);
		buffer_printf(&canonical, ":%.*s\n", STR_FMT(value));
	}
	if (!in->how->key || !in->how->trailer)
		return true;
	if (!signature.len)
		return fail(in, "the trailers have no signature");
	return check(in, true, buffer_str(&canonical), signature);
}

bool aws_chunked_decode(const struct aws_chunked *how, char *bytes, size_t *length, const char **ret_problem)
{
	struct reading in = { .how = how, .at = bytes, .end = bytes + *length };
	size_t used = 0, size;
	struct str line, signature = STR_EMPTY;
	if (how->key)
		memcpy(in.last, how->seed.ptr, SIGV4_HEX);
	bool good;
	do {
		good = take_line(&in, &line) && read_head(&in, line, &size, &signature);
		if (good && ((size_t)(in.end - in.at) < size || (size && (size_t)(in.end - in.at) - size < 2)))
			good = fail(&in, "a chunk is shorter than its size says");
		if (good && how->key)
			good = check(&in, false, (struct str){ in.at, size }, signature);
		if (!good || !size)
			break;
		memmove(bytes + used, in.at, size);
		used += size;
		in.at += size;
		if (in.at[0] != '\r' || in.at[1] != '\n')
			good = fail(&in, "a chunk is longer than its size says");
		in.at += 2;
	} while (good);
	good = good && take_trailers(&in);
	if (good && in.at != in.end)
		good = fail(&in, "something stands behind the last chunk");
	if (!good) {
		*ret_problem = in.problem;
		return false;
	}
	*length = used;
	return true;
}
