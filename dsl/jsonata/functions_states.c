/* functions_states.c: the functions that the States Language adds. */
#include "dsl/jsonata/functions.h"
#include <nettle/md5.h>
#include <nettle/sha1.h>
#include <nettle/sha2.h>

#define ARG(i) (call->arguments[i])

/* Numbers that stand for counts are cut to whole ones. */
static double whole(struct item item)
{
	return item.kind == ITEM_NUMBER ? trunc(item.number) : NAN;
}

NATIVE(native_partition)
{
	double size = whole(ARG(1));
	uint32_t count = array_count(ARG(0));
	if (count == 0 || !(size >= 1))
		return NOTHING;
	struct array *result = sequence_new(e), *chunk = NULL;
	spend(e, count);
	result->flags |= ARRAY_KEEP_SINGLETON;
	for (uint32_t i = 0; i < count; i++) {
		if (!chunk || chunk->count >= size) {
			chunk = array_new(e, 0, 0);
			array_add(e, result, item_array(chunk));
		}
		array_add(e, chunk, array_at(e, ARG(0), i));
	}
	return item_array(result);
}

NATIVE(native_range)
{
	double first = whole(ARG(0)), last = whole(ARG(1)), step = whole(ARG(2));
	double count = floor((last - first) / step) + 1;
	if (!(step != 0) || !(count >= 1))
		return NOTHING;
	if (count > 1e7)
		THROW(e, .code = JSONATA_D3163, .value = item_number(1e7), .has_value = true);
	claim_items(e, count, true);
	spend(e, (int64_t)count / 8);
	struct array *result = array_new(e, (uint32_t)count, ARRAY_SEQUENCE);
	for (uint32_t i = 0; i < (uint32_t)count; i++)
		array_add(e, result, item_number(first + i * step));
	return item_array(result);
}

/* ---- $hash ------------------------------------------------------------------------------ */

#define HASHES(X)                                                                                                      \
	X("MD5", md5, MD5_DIGEST_SIZE)                                                                                 \
	X("SHA-1", sha1, SHA1_DIGEST_SIZE)                                                                             \
	X("SHA-256", sha256, SHA256_DIGEST_SIZE)                                                                       \
	X("SHA-384", sha384, SHA384_DIGEST_SIZE)                                                                       \
	X("SHA-512", sha512, SHA512_DIGEST_SIZE)

#define X(name, prefix, size)                                                                                          \
	static void digest_##prefix(struct str text, uint8_t *digest)                                                  \
	{                                                                                                              \
		struct prefix##_ctx context;                                                                           \
		prefix##_init(&context);                                                                               \
		prefix##_update(&context, text.len, (const uint8_t *)text.ptr);                                        \
		prefix##_digest(&context, size, digest);                                                               \
	}
HASHES(X)
#undef X

static const struct {
	const char *name;
	void (*digest)(struct str text, uint8_t *digest);
	unsigned size;
} hashes[] = {
#define X(name, prefix, size) { name, digest_##prefix, size },
	HASHES(X)
#undef X
};

NATIVE(native_hash)
{
	if (is_nothing(ARG(0)) || is_nothing(ARG(1)))
		return NOTHING;
	for (size_t i = 0; i < sizeof hashes / sizeof *hashes; i++) {
		if (!str_eqz(item_str(ARG(1)), hashes[i].name))
			continue;
		uint8_t digest[64];
		hashes[i].digest(item_str(ARG(0)), digest);
		spend(e, ARG(0).len / 16);
		char *text = ev_alloc(e, 2u * hashes[i].size);
		for (unsigned b = 0; b < hashes[i].size; b++) {
			text[2 * b] = "0123456789abcdef"[digest[b] >> 4];
			text[2 * b + 1] = "0123456789abcdef"[digest[b] & 15];
		}
		return item_text((struct str){ text, 2u * hashes[i].size });
	}
	THROW(e, .code = JSONATA_D3161, .value = ARG(1), .has_value = true);
}

/* ---- $random, $uuid --------------------------------------------------------------------- */

/* Java's java.util.Random: a linear congruential generator of 48 bits. */
static uint64_t java_bits(uint64_t *state, int bits)
{
	*state = (*state * 0x5DEECE66Dull + 0xB) & ((1ull << 48) - 1);
	return *state >> (48 - bits);
}

NATIVE(native_random_seeded)
{
	double seed = whole(ARG(0));
	if (!isnan(seed)) {
		int64_t number = seed >= 9223372036854775807.0    ? INT64_MAX
				 : seed <= -9223372036854775808.0 ? INT64_MIN
								  : (int64_t)seed;
		uint64_t state = ((uint64_t)number ^ 0x5DEECE66Dull) & ((1ull << 48) - 1);
		uint64_t high = java_bits(&state, 26), low = java_bits(&state, 27);
		return item_number((double)((high << 27) + low) * 0x1p-53);
	}
	return native_random(e, call);
}

NATIVE(native_uuid)
{
	if (!e->env->random)
		THROW(e, .code = JSONATA_D3162);
	char text[37];
	random_uuid(e->env->random, text);
	return item_text(ev_str(e, str_of(text)));
}

/* ---- $parse ----------------------------------------------------------------------------- */

static void release(void *value)
{
	value_unref(value);
}

/* Strings in single quotes are taken too: they are rewritten with double ones. */
static struct str without_single_quotes(struct evaluation *e, struct str text)
{
	struct buffer *out = ev_buffer(e);
	char quote = 0;
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];
		if (!quote && (c == '"' || c == '\'')) {
			quote = c;
			buffer_byte(out, '"');
		} else if (quote && c == '\\' && i + 1 < text.len) {
			c = text.ptr[++i];
			if (c != '\'')
				buffer_byte(out, '\\');
			buffer_byte(out, c);
		} else if (c == quote) {
			quote = 0;
			buffer_byte(out, '"');
		} else {
			if (quote == '\'' && c == '"')
				buffer_byte(out, '\\');
			buffer_byte(out, c);
		}
	}
	return ev_buffer_take(e, out);
}

static bool all_finite(struct evaluation *e, const struct value *value)
{
	if (value_is(value, VALUE_NUMBER))
		return isfinite(value_number(value));
	for (size_t i = 0, n = value_count(value); i < n; i++) {
		spend(e, 1);
		if (!all_finite(e, value_at(value, i)))
			return false;
	}
	return true;
}

NATIVE(native_parse)
{
	if (is_nothing(ARG(0)))
		return NOTHING;
	struct str text = item_str(ARG(0));
	spend(e, (int64_t)(text.len / 16));
	ev_claim(e, text.len * 8);
	const struct value_parse_options options = { .refuse_duplicate_keys = true };
	struct wf_error err = { 0 };
	struct value *value = NULL;
	int result = value_parse(text, &options, &value, &err);
	if (result < 0 && memchr(text.ptr, '\'', text.len))
		result = value_parse(without_single_quotes(e, text), &options, &value, &err);
	if (result < 0)
		throw_message(e, JSONATA_D3160, arena_str(e->arena, str_of(err.message)));
	arena_on_reset(e->arena, release, value);
	if (!all_finite(e, value))
		throw_message(e, JSONATA_D3160, STR("a number is out of range"));
	return item_from_value(e, value);
}
