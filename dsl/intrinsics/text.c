/* text.c: the intrinsic functions that make or read text: Format, StringToJson, JsonToString, StringSplit, Base64,
 * Hash, UUID. */
#include "dsl/intrinsics/intrinsics.h"
#include <assert.h>
#include <nettle/base64.h>
#include <nettle/md5.h>
#include <nettle/nettle-meta.h>
#include <nettle/sha1.h>
#include <nettle/sha2.h>

/* Hands the buffer's text over as a value, within the budget; frees the buffer. */
static struct value *finish(const struct intrinsic_run *run, struct buffer *out)
{
	struct value *text = evaluation_bytes(run->evaluation, out->len) ? value_from_string(buffer_str(out)) : NULL;
	buffer_done(out);
	return text;
}

/* Each {} is replaced by the next argument; \{ \} \' \\ stand for the character. The template is read as it was
 * written, so that an escaped brace is not taken for a place. */
struct value *intrinsic_format(const struct intrinsic_run *run)
{
	const struct intrinsic_argument *first = &run->call->arguments[0];
	if (!intrinsic_wants(run, 0, VALUE_STRING))
		return NULL;
	struct str template = first->kind == ARGUMENT_CONSTANT ? first->raw : value_string(run->arguments[0]);
	struct buffer out = { 0 };
	size_t used = 1, places = 0;
	for (size_t i = 0; i < template.len; i++) {
		char c = template.ptr[i];
		char next = i + 1 < template.len ? template.ptr[i + 1] : '\0';
		if (c == '\\' && next && strchr("'{}\\", next)) {
			buffer_byte(&out, next);
			i++;
		} else if (c == '{' && next == '}') {
			places++;
			if (used < run->count &&
			    !evaluation_natural_text(run->evaluation, run->arguments[used++], &out))
				break;
			i++;
		} else {
			buffer_byte(&out, c);
		}
	}
	if (!run->evaluation->exceeded && places != run->count - 1) {
		buffer_done(&out);
		return intrinsic_fail(run,
				      "The template has %zu occurrences of {} but there are %zu arguments for them",
				      places, run->count - 1);
	}
	return finish(run, &out);
}

/* A text of nothing but white space gives null, as on AWS. */
struct value *intrinsic_string_to_json(const struct intrinsic_run *run)
{
	if (!intrinsic_wants(run, 0, VALUE_STRING))
		return NULL;
	struct str text = value_string(run->arguments[0]);
	size_t blanks = 0;
	while (blanks < text.len && strchr(" \t\r\n", text.ptr[blanks]) && text.ptr[blanks])
		blanks++;
	if (blanks == text.len)
		return value_new_null();
	if (!evaluation_bytes(run->evaluation, text.len))
		return NULL;
	struct value_parse_options options = { .depth_max = (int)run->evaluation->limits->json_depth };
	struct value *json = NULL;
	struct wf_error err = { 0 };
	if (value_parse(text, &options, &json, &err) < 0)
		return intrinsic_fail(run, "The argument 1 is not valid JSON: %s%s%s", err.message,
				      err.where[0] ? " at " : "", err.where);
	return json;
}

struct value *intrinsic_json_to_string(const struct intrinsic_run *run)
{
	struct str text = value_text(run->arguments[0]);
	return evaluation_bytes(run->evaluation, text.len) ? value_from_string(text) : NULL;
}

/* How many bytes the UTF-8 character at `i` has. */
static size_t character_len(struct str text, size_t i)
{
	size_t len = 1;
	while (i + len < text.len && (text.ptr[i + len] & 0xc0) == 0x80)
		len++;
	return len;
}

static bool is_separator(struct str separators, struct str character)
{
	for (size_t i = 0; i < separators.len;) {
		size_t len = character_len(separators, i);
		if (str_eq(str_sub(separators, i, len), character))
			return true;
		i += len;
	}
	return false;
}

/* The second argument is a set of characters; empty parts are left out. */
struct value *intrinsic_string_split(const struct intrinsic_run *run)
{
	if (!intrinsic_wants(run, 0, VALUE_STRING) || !intrinsic_wants(run, 1, VALUE_STRING))
		return NULL;
	struct str text = value_string(run->arguments[0]), separators = value_string(run->arguments[1]);
	struct value *parts = value_new_array(0);
	size_t start = 0, i = 0;
	while (i <= text.len) {
		size_t len = i < text.len ? character_len(text, i) : 1;
		if (i == text.len || is_separator(separators, str_sub(text, i, len))) {
			if (i > start)
				value_array_take(parts, value_from_string(str_sub(text, start, i - start)));
			start = i + len;
		}
		i += len;
		if (!evaluation_steps(run->evaluation, 1 + (int64_t)separators.len) ||
		    !evaluation_bytes(run->evaluation, 16))
			break;
	}
	return parts;
}

struct value *intrinsic_base64_encode(const struct intrinsic_run *run)
{
	struct str text;
	if (!intrinsic_short_text(run, 0, &text))
		return NULL;
	struct buffer out = { 0 };
	size_t len = BASE64_ENCODE_RAW_LENGTH(text.len);
	base64_encode_raw(buffer_reserve(&out, len + 1), text.len, (const uint8_t *)text.ptr);
	out.len += len;
	return finish(run, &out);
}

struct value *intrinsic_base64_decode(const struct intrinsic_run *run)
{
	struct str text;
	if (!intrinsic_short_text(run, 0, &text))
		return NULL;
	struct buffer out = { 0 };
	struct base64_decode_ctx context;
	size_t len = BASE64_DECODE_LENGTH(text.len);
	base64_decode_init(&context);
	if (!base64_decode_update(&context, &len, (uint8_t *)buffer_reserve(&out, len + 1), text.len, text.ptr) ||
	    !base64_decode_final(&context)) {
		buffer_done(&out);
		return intrinsic_fail(run, "The argument 1 is not valid Base64");
	}
	out.len += len;
	return finish(run, &out);
}

/* Lower-case hexadecimal. What is no string is hashed as its JSON text. */
struct value *intrinsic_hash(const struct intrinsic_run *run)
{
	static const struct {
		const char *name;
		const struct nettle_hash *algorithm;
	} algorithms[] = {
		{ "MD5", &nettle_md5 },        { "SHA-1", &nettle_sha1 },     { "SHA-256", &nettle_sha256 },
		{ "SHA-384", &nettle_sha384 }, { "SHA-512", &nettle_sha512 },
	};
	const struct value *data = run->arguments[0];
	struct str text = value_is(data, VALUE_STRING) ? value_string(data) : value_text(data);
	if (!intrinsic_wants(run, 1, VALUE_STRING))
		return NULL;
	if ((int64_t)text.len > run->evaluation->limits->hash_input_bytes)
		return intrinsic_fail(run, "The argument 1 has %zu bytes, more than the limit of %lld", text.len,
				      (long long)run->evaluation->limits->hash_input_bytes);
	for (size_t i = 0; i < sizeof(algorithms) / sizeof(*algorithms); i++) {
		const struct nettle_hash *algorithm = algorithms[i].algorithm;
		if (!str_eqz(value_string(run->arguments[1]), algorithms[i].name))
			continue;
		union {
			struct md5_ctx md5;
			struct sha1_ctx sha1;
			struct sha256_ctx sha256;
			struct sha512_ctx sha512;
		} context;
		uint8_t digest[SHA512_DIGEST_SIZE];
		struct buffer out = { 0 };
		assert(algorithm->context_size <= sizeof(context) && algorithm->digest_size <= sizeof(digest));
		algorithm->init(&context);
		algorithm->update(&context, text.len, (const uint8_t *)text.ptr);
		algorithm->digest(&context, algorithm->digest_size, digest);
		for (unsigned d = 0; d < algorithm->digest_size; d++)
			buffer_printf(&out, "%02x", digest[d]);
		return finish(run, &out);
	}
	return intrinsic_fail(run, "The argument 2 must be one of MD5, SHA-1, SHA-256, SHA-384, SHA-512");
}

struct value *intrinsic_uuid(const struct intrinsic_run *run)
{
	char text[37];
	assert(run->evaluation->env->random);
	random_uuid(run->evaluation->env->random, text);
	return value_from_string(str_of(text));
}
