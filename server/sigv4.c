/* sigv4.c: AWS Signature Version 4 (sigv4.h). The canonical request is never built: its parts go into the hash one by one.
 *
 *     method \n path \n query, sorted \n name:value\n … \n names \n hash of the payload */
#include "server/sigv4.h"
#include "base/buffer.h"
#include "base/mem.h"
#include "base/timestamp.h"
#include "server/aws_chunked.h"
#include <nettle/hmac.h>
#include <nettle/memops.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define ALGORITHM "AWS4-HMAC-SHA256"
#define SIGNED_HEADERS_MAX 64
#define PAIRS_MAX 512

#define MISMATCH                                                                                                       \
	"The request signature we calculated does not match the signature you provided. Check your AWS Secret Access " \
	"Key and signing method. Consult the service documentation for details."

static bool refuse(struct sigv4_refusal *refusal, enum sigv4_problem problem, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
static bool refuse(struct sigv4_refusal *refusal, enum sigv4_problem problem, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	refusal->problem = problem;
	vsnprintf(refusal->message, sizeof refusal->message, format, args);
	va_end(args);
	return false;
}

/* What is shown of a client's text. */
#define SHOWN(text) STR_FMT(str_sub(text, 0, 80))

/* ---- small things ------------------------------------------------------------------------------- */

void sigv4_hex(const uint8_t *bytes, size_t count, char *ret_hex)
{
	static const char digits[] = "0123456789abcdef";
	for (size_t i = 0; i < count; i++) {
		ret_hex[2 * i] = digits[bytes[i] >> 4];
		ret_hex[2 * i + 1] = digits[bytes[i] & 15];
	}
}

bool sigv4_same(const char *a, const char *b)
{
	return memeql_sec(a, b, SIGV4_HEX);
}

static void hmac(const uint8_t *key, size_t key_bytes, struct str text, uint8_t ret_digest[SIGV4_KEY_BYTES])
{
	struct hmac_sha256_ctx context;
	hmac_sha256_set_key(&context, key_bytes, key);
	hmac_sha256_update(&context, text.len, (const uint8_t *)text.ptr);
	hmac_sha256_digest(&context, SIGV4_KEY_BYTES, ret_digest);
}

void sigv4_sign(const uint8_t key[SIGV4_KEY_BYTES], struct str text, char ret_hex[SIGV4_HEX])
{
	uint8_t digest[SIGV4_KEY_BYTES];
	hmac(key, SIGV4_KEY_BYTES, text, digest);
	sigv4_hex(digest, sizeof digest, ret_hex);
}

void sigv4_signing_key(struct str secret, const struct sigv4_claim *claim, uint8_t ret_key[SIGV4_KEY_BYTES])
{
	_cleanup_free_ char *first = mem_printf("AWS4%.*s", STR_FMT(secret));
	hmac((const uint8_t *)first, strlen(first), claim->date, ret_key);
	hmac(ret_key, SIGV4_KEY_BYTES, claim->region, ret_key);
	hmac(ret_key, SIGV4_KEY_BYTES, claim->service, ret_key);
	hmac(ret_key, SIGV4_KEY_BYTES, STR("aws4_request"), ret_key);
	explicit_bzero(first, strlen(first));
}

static void add(struct sha256_ctx *hash, struct str text)
{
	sha256_update(hash, text.len, (const uint8_t *)text.ptr);
}

static void finish_hex(struct sha256_ctx *hash, char ret_hex[SIGV4_HEX])
{
	uint8_t digest[SHA256_DIGEST_SIZE];
	sha256_digest(hash, sizeof digest, digest);
	sigv4_hex(digest, sizeof digest, ret_hex);
}

static bool is_hex(struct str text)
{
	if (text.len != SIGV4_HEX)
		return false;
	for (size_t i = 0; i < text.len; i++)
		if (!((text.ptr[i] >= '0' && text.ptr[i] <= '9') || (text.ptr[i] >= 'a' && text.ptr[i] <= 'f')))
			return false;
	return true;
}

static bool same_name(struct str a, struct str b)
{
	return a.len == b.len && strncasecmp(a.ptr, b.ptr, a.len) == 0;
}

/* The value of a header; ptr NULL if it is absent. */
static struct str header(const struct sigv4_request *request, const char *name)
{
	for (unsigned i = 0; i < request->headers_count; i++)
		if (same_name(request->headers[i].name, str_of(name)))
			return request->headers[i].value;
	return (struct str){ 0 };
}

/* The next part of *rest up to `separator`, which is skipped; false at the end. */
static bool next_part(struct str *rest, char separator, struct str *ret_part)
{
	if (!rest->ptr)
		return false;
	const char *end = rest->len ? memchr(rest->ptr, separator, rest->len) : NULL;
	*ret_part = (struct str){ rest->ptr, end ? (size_t)(end - rest->ptr) : rest->len };
	*rest = end ? (struct str){ end + 1, rest->len - ret_part->len - 1 } : (struct str){ 0 };
	return true;
}

static bool is_plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
	       c == '.' || c == '~';
}

static struct str decoded(struct arena *arena, struct str text)
{
	char *out = arena_alloc(arena, text.len + 1);
	size_t used = 0;
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] == '%' && i + 2 < text.len && hex_digit(text.ptr[i + 1]) >= 0 && hex_digit(text.ptr[i + 2]) >= 0) {
			out[used++] = (char)(hex_digit(text.ptr[i + 1]) << 4 | hex_digit(text.ptr[i + 2]));
			i += 2;
		} else {
			out[used++] = text.ptr[i] == '+' ? ' ' : text.ptr[i];
		}
	}
	out[used] = 0;
	return (struct str){ out, used };
}

static struct str encoded(struct arena *arena, struct str text, bool keep_slashes)
{
	static const char digits[] = "0123456789ABCDEF";
	char *out = arena_alloc(arena, text.len * 3 + 1);
	size_t used = 0;
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];
		if (is_plain((char)c) || (keep_slashes && c == '/')) {
			out[used++] = (char)c;
			continue;
		}
		out[used++] = '%';
		out[used++] = digits[c >> 4];
		out[used++] = digits[c & 15];
	}
	out[used] = 0;
	return (struct str){ out, used };
}

/* ---- what a request claims ----------------------------------------------------------------------- */

/* "20260131T235959Z" */
static bool read_time(struct str text, int64_t *ret_ms)
{
	static const char pattern[] = "ddddddddTddddddZ";
	int part[6];
	if (text.len != sizeof pattern - 1)
		return false;
	for (size_t i = 0; i < text.len; i++)
		if (pattern[i] == 'd' ? text.ptr[i] < '0' || text.ptr[i] > '9' : text.ptr[i] != pattern[i])
			return false;
	static const struct {
		uint8_t at, digits;
	} parts[6] = { { 0, 4 }, { 4, 2 }, { 6, 2 }, { 9, 2 }, { 11, 2 }, { 13, 2 } };
	for (int i = 0; i < 6; i++) {
		part[i] = 0;
		for (int d = 0; d < parts[i].digits; d++)
			part[i] = part[i] * 10 + (text.ptr[parts[i].at + d] - '0');
	}
	if (part[1] < 1 || part[1] > 12 || part[2] < 1 || part[2] > 31 || part[3] > 23 || part[4] > 59 || part[5] > 59)
		return false;
	int64_t days = timestamp_days_from_civil(part[0], part[1], part[2]);
	*ret_ms = (((days * 24 + part[3]) * 60 + part[4]) * 60 + part[5]) * 1000;
	return true;
}

const char *sigv4_timestamp(int64_t ms, char buffer[17])
{
	char text[TIMESTAMP_TEXT_MAX]; /* 2026-01-31T23:59:59.123Z */
	timestamp_format(ms, text);
	size_t used = 0;
	for (size_t i = 0; text[i] && text[i] != '.' && used < 15; i++)
		if (text[i] != '-' && text[i] != ':')
			buffer[used++] = text[i];
	buffer[used++] = 'Z';
	buffer[used] = 0;
	return buffer;
}

/* "AKIA…/20260131/us-east-1/states/aws4_request" */
static bool read_credential(struct sigv4_claim *claim, struct str text, struct sigv4_refusal *refusal)
{
	struct str parts[5], rest = text;
	unsigned count = 0;
	for (struct str part; next_part(&rest, '/', &part); count++) {
		if (count == 5 || !part.len)
			return refuse(refusal, SIGV4_INCOMPLETE,
				      "Credential must have exactly 5 slash-delimited elements, e.g. "
				      "keyid/date/region/service/term, got '%.*s'",
				      SHOWN(text));
		parts[count] = part;
	}
	if (count != 5)
		return refuse(refusal, SIGV4_INCOMPLETE,
			      "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '%.*s'",
			      SHOWN(text));
	claim->key_id = parts[0];
	claim->date = parts[1];
	claim->region = parts[2];
	claim->service = parts[3];
	claim->scope = str_sub(text, parts[0].len + 1, text.len);
	if (!str_eqz(parts[4], "aws4_request"))
		return refuse(refusal, SIGV4_INVALID,
			      "Credential should be scoped with a valid terminator: 'aws4_request', not '%.*s'.", SHOWN(parts[4]));
	return true;
}

static struct str without_blanks(struct str text)
{
	while (text.len && (text.ptr[0] == ' ' || text.ptr[0] == '\t'))
		text = str_sub(text, 1, text.len);
	while (text.len && (text.ptr[text.len - 1] == ' ' || text.ptr[text.len - 1] == '\t'))
		text.len--;
	return text;
}

/* "AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…" */
static bool read_authorization(const struct sigv4_request *request, struct sigv4_claim *claim, struct sigv4_refusal *refusal)
{
	struct str text = header(request, "Authorization"), credential = { 0 };
	if (!str_starts(text, STR(ALGORITHM)) || text.len == sizeof ALGORITHM - 1 ||
	    (text.ptr[sizeof ALGORITHM - 1] != ' ' && text.ptr[sizeof ALGORITHM - 1] != '\t'))
		return refuse(refusal, SIGV4_INCOMPLETE,
			      "Authorization header must begin with " ALGORITHM ": other ways to sign are not supported");
	struct str rest = str_sub(text, sizeof ALGORITHM, text.len);
	for (struct str part; next_part(&rest, ',', &part);) {
		part = without_blanks(part);
		if (str_starts(part, STR("Credential=")) && !credential.ptr)
			credential = str_sub(part, 11, part.len);
		else if (str_starts(part, STR("SignedHeaders=")) && !claim->signed_headers.ptr)
			claim->signed_headers = str_sub(part, 14, part.len);
		else if (str_starts(part, STR("Signature=")) && !claim->signature.ptr)
			claim->signature = str_sub(part, 10, part.len);
		else
			return refuse(refusal, SIGV4_INCOMPLETE, "Authorization header has a part that is not known: '%.*s'",
				      SHOWN(str_sub(part, 0, 24)));
	}
	claim->timestamp = header(request, "X-Amz-Date");
	claim->token = header(request, "X-Amz-Security-Token");
	if (!credential.len || !claim->signed_headers.len || !claim->signature.len || !claim->timestamp.len)
		return refuse(refusal, SIGV4_INCOMPLETE, "Authorization header requires %s",
			      !credential.len		? "'Credential' parameter."
			      : !claim->signature.len	? "'Signature' parameter."
			      : !claim->signed_headers.len ? "'SignedHeaders' parameter."
							: "existence of an 'X-Amz-Date' header.");
	return read_credential(claim, credential, refusal);
}

/* The value of a member of the query, decoded; ptr NULL if it is absent. */
static struct str query_member(struct arena *arena, const struct sigv4_request *request, const char *name)
{
	struct str rest = request->query, part;
	size_t length = strlen(name);
	while (next_part(&rest, '&', &part))
		if (part.len > length && part.ptr[length] == '=' && memcmp(part.ptr, name, length) == 0)
			return decoded(arena, str_sub(part, length + 1, part.len));
	return (struct str){ 0 };
}

static bool read_presigned(struct arena *arena, const struct sigv4_request *request, struct sigv4_claim *claim,
			   struct sigv4_refusal *refusal)
{
	struct str algorithm = query_member(arena, request, "X-Amz-Algorithm");
	struct str credential = query_member(arena, request, "X-Amz-Credential");
	struct str expires = query_member(arena, request, "X-Amz-Expires");
	claim->presigned = true;
	claim->timestamp = query_member(arena, request, "X-Amz-Date");
	claim->signed_headers = query_member(arena, request, "X-Amz-SignedHeaders");
	claim->signature = query_member(arena, request, "X-Amz-Signature");
	claim->token = query_member(arena, request, "X-Amz-Security-Token");
	claim->payload = query_member(arena, request, "X-Amz-Content-Sha256");
	if (!str_eqz(algorithm, ALGORITHM))
		return refuse(refusal, SIGV4_INCOMPLETE, "X-Amz-Algorithm must be " ALGORITHM);
	if (!credential.len || !claim->timestamp.len || !claim->signed_headers.len || !claim->signature.len || !expires.len)
		return refuse(refusal, SIGV4_INCOMPLETE,
			      "AWS query-string parameters must include X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, "
			      "X-Amz-Date, X-Amz-SignedHeaders and X-Amz-Expires");
	for (size_t i = 0; i < expires.len; i++) {
		if (expires.ptr[i] < '0' || expires.ptr[i] > '9' || i > 6)
			claim->expires_s = SIGV4_EXPIRES_S_MAX + 1;
		else
			claim->expires_s = claim->expires_s * 10 + (expires.ptr[i] - '0');
	}
	if (claim->expires_s < 1 || claim->expires_s > SIGV4_EXPIRES_S_MAX)
		return refuse(refusal, SIGV4_INCOMPLETE, "X-Amz-Expires must be from 1 to %d seconds", SIGV4_EXPIRES_S_MAX);
	return read_credential(claim, credential, refusal);
}

static bool is_listed(struct str names, struct str name)
{
	for (struct str part; next_part(&names, ';', &part);)
		if (same_name(part, name))
			return true;
	return false;
}

/* Small letters, in order, and with all that says what the request means. */
static bool check_signed_headers(const struct sigv4_request *request, const struct sigv4_claim *claim, struct sigv4_refusal *refusal)
{
	struct str rest = claim->signed_headers, before = STR_EMPTY;
	unsigned count = 0;
	for (struct str part; next_part(&rest, ';', &part); before = part) {
		bool good = part.len && str_cmp(before, part) < 0 && ++count <= SIGNED_HEADERS_MAX;
		for (size_t i = 0; i < part.len && good; i++)
			good = is_plain(part.ptr[i]) && !(part.ptr[i] >= 'A' && part.ptr[i] <= 'Z');
		if (!good)
			return refuse(refusal, SIGV4_INCOMPLETE,
				      "SignedHeaders must be names in small letters, in order, with semicolons between");
	}
	if (!is_listed(claim->signed_headers, STR("host")))
		return refuse(refusal, SIGV4_INVALID, "'Host' must be a 'SignedHeader' in the AWS Authorization.");
	for (unsigned i = 0; i < request->headers_count; i++) {
		struct str name = request->headers[i].name;
		if (name.len > 6 && strncasecmp(name.ptr, "x-amz-", 6) == 0 && !is_listed(claim->signed_headers, name))
			return refuse(refusal, SIGV4_INVALID, "There were headers present in the request which were not signed: %.*s",
				      SHOWN(name));
	}
	return true;
}

bool sigv4_is_signed(const struct sigv4_request *request)
{
	if (header(request, "Authorization").ptr)
		return true;
	struct str rest = request->query;
	for (struct str part; rest.len && next_part(&rest, '&', &part);)
		if (str_starts(part, STR("X-Amz-Signature=")) || str_starts(part, STR("X-Amz-Algorithm=")))
			return true;
	return false;
}

bool sigv4_read(struct arena *arena, const struct sigv4_request *request, struct sigv4_claim *ret_claim,
		struct sigv4_refusal *ret_refusal)
{
	struct sigv4_claim claim = { 0 };
	if (!sigv4_is_signed(request))
		return refuse(ret_refusal, SIGV4_MISSING, "Missing Authentication Token");
	bool presigned = query_member(arena, request, "X-Amz-Signature").ptr || query_member(arena, request, "X-Amz-Algorithm").ptr;
	if (presigned && header(request, "Authorization").ptr)
		return refuse(ret_refusal, SIGV4_INCOMPLETE, "The request is signed twice: by its Authorization header and by its query");
	if (!(presigned ? read_presigned(arena, request, &claim, ret_refusal) : read_authorization(request, &claim, ret_refusal)))
		return false;
	if (header(request, "X-Amz-Content-Sha256").ptr)
		claim.payload = header(request, "X-Amz-Content-Sha256");
	if (!read_time(claim.timestamp, &claim.time_ms))
		return refuse(ret_refusal, SIGV4_INCOMPLETE,
			      "Date must be in ISO-8601 'basic format'. Got '%.*s'. See http://en.wikipedia.org/wiki/ISO_8601",
			      SHOWN(claim.timestamp));
	if (!str_eq(claim.date, str_sub(claim.timestamp, 0, 8)))
		return refuse(ret_refusal, SIGV4_INVALID,
			      "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '%.*s' != "
			      "'%.*s', from '%.*s'.",
			      SHOWN(claim.date), STR_FMT(str_sub(claim.timestamp, 0, 8)), STR_FMT(claim.timestamp));
	if (!is_hex(claim.signature))
		return refuse(ret_refusal, SIGV4_INVALID, MISMATCH);
	if (!check_signed_headers(request, &claim, ret_refusal))
		return false;
	*ret_claim = claim;
	return true;
}

bool sigv4_check_time(const struct sigv4_claim *claim, int64_t now_ms, struct sigv4_refusal *ret_refusal)
{
	char now[17], edge[17];
	int64_t late_ms = claim->presigned ? claim->time_ms + claim->expires_s * 1000 : claim->time_ms + SIGV4_SKEW_MS;
	sigv4_timestamp(now_ms, now);
	if (claim->time_ms > now_ms + SIGV4_SKEW_MS)
		return refuse(ret_refusal, SIGV4_INVALID, "Signature not yet current: %.*s is still later than %s (%s + 5 min.)",
			      STR_FMT(claim->timestamp), sigv4_timestamp(now_ms + SIGV4_SKEW_MS, edge), now);
	if (now_ms <= late_ms)
		return true;
	if (claim->presigned)
		return refuse(ret_refusal, SIGV4_INVALID, "Signature expired: %.*s and %lld s are earlier than %s",
			      STR_FMT(claim->timestamp), (long long)claim->expires_s, now);
	return refuse(ret_refusal, SIGV4_INVALID, "Signature expired: %.*s is now earlier than %s (%s - 5 min.)",
		      STR_FMT(claim->timestamp), sigv4_timestamp(now_ms - SIGV4_SKEW_MS, edge), now);
}

/* ---- the canonical request -------------------------------------------------------------------- */

struct pair {
	struct str name, value; /* encoded */
};

static int by_name_and_value(const void *a, const void *b)
{
	const struct pair *one = a, *other = b;
	int order = str_cmp(one->name, other->name);
	return order ? order : str_cmp(one->value, other->value);
}

/* False if there are more members than anybody needs. */
static bool canonical_query(struct arena *arena, const struct sigv4_request *request, bool presigned, struct str *ret_text)
{
	struct pair *pairs = NULL;
	struct str rest = request->query;
	size_t count = 0, total = 0;
	*ret_text = STR_EMPTY;
	if (!rest.len)
		return true;
	for (struct str part; next_part(&rest, '&', &part);) {
		const char *equals = part.len ? memchr(part.ptr, '=', part.len) : NULL;
		struct str name = equals ? str_sub(part, 0, (size_t)(equals - part.ptr)) : part;
		struct str value = equals ? str_sub(part, name.len + 1, part.len) : STR_EMPTY;
		if (!part.len || (presigned && str_eqz(name, "X-Amz-Signature")))
			continue;
		if (count == PAIRS_MAX)
			return false;
		if (!pairs)
			pairs = ARENA_ARRAY(arena, struct pair, PAIRS_MAX);
		pairs[count].name = encoded(arena, decoded(arena, name), false);
		pairs[count].value = encoded(arena, decoded(arena, value), false);
		total += pairs[count].name.len + pairs[count].value.len + 2;
		count++;
	}
	if (!count)
		return true;
	qsort(pairs, count, sizeof *pairs, by_name_and_value);
	char *out = arena_alloc(arena, total + 1), *at = out;
	for (size_t i = 0; i < count; i++) {
		if (i)
			*at++ = '&';
		at = mempcpy(at, pairs[i].name.ptr, pairs[i].name.len);
		*at++ = '=';
		at = mempcpy(at, pairs[i].value.ptr, pairs[i].value.len);
	}
	*ret_text = (struct str){ out, (size_t)(at - out) };
	return true;
}

/* Without blanks around it, several inside as one. */
static void add_header_value(struct sha256_ctx *hash, struct str value)
{
	value = without_blanks(value);
	size_t from = 0;
	for (size_t i = 0; i < value.len; i++) {
		if (value.ptr[i] != ' ' || i + 1 >= value.len || value.ptr[i + 1] != ' ')
			continue;
		add(hash, str_sub(value, from, i + 1 - from));
		while (i + 1 < value.len && value.ptr[i + 1] == ' ')
			i++;
		from = i + 1;
	}
	add(hash, str_sub(value, from, value.len));
}

static void add_headers(struct sha256_ctx *hash, const struct sigv4_request *request, struct str names)
{
	for (struct str name; next_part(&names, ';', &name);) {
		bool first = true;
		add(hash, name);
		add(hash, STR(":"));
		for (unsigned i = 0; i < request->headers_count; i++) {
			if (!same_name(request->headers[i].name, name))
				continue;
			if (!first)
				add(hash, STR(","));
			first = false;
			add_header_value(hash, request->headers[i].value);
		}
		add(hash, STR("\n"));
	}
}

static void signature_of(const struct sigv4_request *request, const struct sigv4_claim *claim, struct str path, struct str query,
			 struct str payload, const uint8_t key[SIGV4_KEY_BYTES], char ret_hex[SIGV4_HEX])
{
	struct sha256_ctx hash;
	char hex[SIGV4_HEX];
	sha256_init(&hash);
	add(&hash, request->method);
	add(&hash, STR("\n"));
	add(&hash, path);
	add(&hash, STR("\n"));
	add(&hash, query);
	add(&hash, STR("\n"));
	add_headers(&hash, request, claim->signed_headers);
	add(&hash, STR("\n"));
	add(&hash, claim->signed_headers);
	add(&hash, STR("\n"));
	add(&hash, payload);
	finish_hex(&hash, hex);

	struct hmac_sha256_ctx mac;
	uint8_t digest[SIGV4_KEY_BYTES];
	const struct str parts[] = { STR(ALGORITHM "\n"), claim->timestamp, STR("\n"), claim->scope, STR("\n"), { hex, sizeof hex } };
	hmac_sha256_set_key(&mac, SIGV4_KEY_BYTES, key);
	for (unsigned i = 0; i < sizeof parts / sizeof parts[0]; i++)
		hmac_sha256_update(&mac, parts[i].len, (const uint8_t *)parts[i].ptr);
	hmac_sha256_digest(&mac, sizeof digest, digest);
	sigv4_hex(digest, sizeof digest, ret_hex);
}

static void hash_of(struct str body, char ret_hex[SIGV4_HEX])
{
	struct sha256_ctx hash;
	sha256_init(&hash);
	add(&hash, body);
	finish_hex(&hash, ret_hex);
}

/* ---- verifying ---------------------------------------------------------------------------------- */

enum payload_kind { PAYLOAD_HASH, PAYLOAD_UNSIGNED, PAYLOAD_CHUNKED };

static const struct {
	const char *text;
	enum payload_kind kind;
	bool chunks_signed, trailer;
} payloads[] = {
	{ "UNSIGNED-PAYLOAD", PAYLOAD_UNSIGNED, false, false },
	{ "STREAMING-UNSIGNED-PAYLOAD-TRAILER", PAYLOAD_CHUNKED, false, true },
	{ "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", PAYLOAD_CHUNKED, true, false },
	{ "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", PAYLOAD_CHUNKED, true, true },
};

static bool decode_chunks(const struct sigv4_request *request, const struct sigv4_claim *claim, unsigned kind, const uint8_t *key,
			  char *body, size_t *length, struct sigv4_refusal *refusal)
{
	struct aws_chunked how = { .key = payloads[kind].chunks_signed ? key : NULL,
				   .timestamp = claim->timestamp,
				   .scope = claim->scope,
				   .seed = claim->signature,
				   .trailer = payloads[kind].trailer };
	const char *problem = NULL;
	if (!aws_chunked_decode(&how, body, length, &problem))
		return refuse(refusal, SIGV4_INVALID, "The body cannot be taken: %s", problem);
	struct str announced = header(request, "X-Amz-Decoded-Content-Length");
	char number[24];
	snprintf(number, sizeof number, "%zu", *length);
	if (announced.ptr && !str_eqz(announced, number))
		return refuse(refusal, SIGV4_INVALID, "The body cannot be taken: X-Amz-Decoded-Content-Length is not its length");
	return true;
}

bool sigv4_verify(struct arena *arena, const struct sigv4_request *request, const struct sigv4_claim *claim,
		  const uint8_t key[SIGV4_KEY_BYTES], char *body, size_t *length, struct sigv4_refusal *ret_refusal)
{
	enum payload_kind kind = PAYLOAD_HASH;
	unsigned row = 0;
	for (unsigned i = 0; i < sizeof payloads / sizeof payloads[0]; i++)
		if (str_eqz(claim->payload, payloads[i].text)) {
			kind = payloads[i].kind;
			row = i;
		}
	if (kind == PAYLOAD_HASH && claim->payload.len && !is_hex(claim->payload))
		return refuse(ret_refusal, SIGV4_INCOMPLETE,
			      "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, "
			      "STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a sha256 in hex.");
	char hash[SIGV4_HEX];
	struct str payload = claim->payload, query;
	if (kind == PAYLOAD_HASH) {
		hash_of((struct str){ body, *length }, hash);
		if (payload.len && !sigv4_same(payload.ptr, hash))
			return refuse(ret_refusal, SIGV4_INVALID,
				      "The provided 'x-amz-content-sha256' header does not match what was computed.");
		payload = (struct str){ hash, sizeof hash };
	}
	if (!canonical_query(arena, request, claim->presigned, &query))
		return refuse(ret_refusal, SIGV4_INCOMPLETE, "The query has more than %d members", PAIRS_MAX);
	/* The path encoded once more, as every SDK does (but for S3); else as it was sent, as curl does. */
	char right[SIGV4_HEX];
	struct str path = encoded(arena, request->path, true);
	signature_of(request, claim, path, query, payload, key, right);
	bool good = sigv4_same(right, claim->signature.ptr);
	if (!good && !str_eq(path, request->path)) {
		signature_of(request, claim, request->path, query, payload, key, right);
		good = sigv4_same(right, claim->signature.ptr);
	}
	if (!good)
		return refuse(ret_refusal, SIGV4_INVALID, MISMATCH);
	return kind != PAYLOAD_CHUNKED || decode_chunks(request, claim, row, key, body, length, ret_refusal);
}

/* ---- signing ------------------------------------------------------------------------------------- */

static int by_text(const void *a, const void *b)
{
	return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

struct str sigv4_authorization(struct arena *arena, const struct sigv4_request *request, struct str key_id, struct str secret,
			       struct str region, struct str service, struct str timestamp, struct str body)
{
	struct str *names = ARENA_ARRAY(arena, struct str, request->headers_count + 1);
	_cleanup_(buffer_done) struct buffer list = { 0 };
	for (unsigned i = 0; i < request->headers_count; i++) {
		char *name = arena_strdup(arena, request->headers[i].name);
		for (char *c = name; *c; c++)
			*c = *c >= 'A' && *c <= 'Z' ? (char)(*c | 0x20) : *c;
		names[i] = str_of(name);
	}
	qsort(names, request->headers_count, sizeof *names, by_text);
	for (unsigned i = 0; i < request->headers_count; i++) {
		buffer_addz(&list, i ? ";" : "");
		buffer_add(&list, names[i]);
	}
	struct sigv4_claim claim = { .date = str_sub(timestamp, 0, 8),
				     .region = region,
				     .service = service,
				     .timestamp = timestamp,
				     .signed_headers = buffer_str(&list) };
	claim.scope = arena_format(arena, "%.*s/%.*s/%.*s/aws4_request", STR_FMT(claim.date), STR_FMT(region), STR_FMT(service));
	uint8_t key[SIGV4_KEY_BYTES];
	char hash[SIGV4_HEX], signature[SIGV4_HEX];
	struct str query;
	canonical_query(arena, request, false, &query);
	hash_of(body, hash);
	sigv4_signing_key(secret, &claim, key);
	signature_of(request, &claim, encoded(arena, request->path, true), query, (struct str){ hash, sizeof hash }, key, signature);
	return arena_format(arena, ALGORITHM " Credential=%.*s/%.*s, SignedHeaders=%.*s, Signature=%.*s", STR_FMT(key_id),
			    STR_FMT(claim.scope), STR_FMT(claim.signed_headers), SIGV4_HEX, signature);
}
