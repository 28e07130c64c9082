/* arn.c: ARNs read part by part, rules for names, and the names of executions that were started without one. */
#include "engine/arn.h"
#include "base/hash.h"

/* The part up to the next colon; the rest follows it. False if there is no colon. */
static bool take_part(struct str *rest, struct str *ret_part)
{
	const char *colon = rest->len ? memchr(rest->ptr, ':', rest->len) : NULL;
	if (!colon)
		return false;
	*ret_part = str_sub(*rest, 0, (size_t)(colon - rest->ptr));
	*rest = str_sub(*rest, ret_part->len + 1, rest->len);
	return true;
}

const char *arn_parse(struct arena *arena, struct str text, const char *type, struct arn *ret_arn)
{
	struct arn arn = { 0 };
	struct str rest = text, prefix;
	if (!take_part(&rest, &prefix) || !str_eqz(prefix, "arn"))
		return arena_printf(arena, "Invalid ARN prefix: %.*s", STR_FMT(text));
	if (!take_part(&rest, &arn.partition) || !take_part(&rest, &arn.service) || !take_part(&rest, &arn.region) ||
	    !take_part(&rest, &arn.account) || !take_part(&rest, &arn.type))
		return arena_printf(arena, "Invalid ARN: %.*s", STR_FMT(text));
	if (!str_eqz(arn.service, "states"))
		return arena_printf(arena, "Invalid ARN: service %.*s is not states: %.*s", STR_FMT(arn.service),
				    STR_FMT(text));
	if (!str_eqz(arn.type, type))
		return arena_printf(arena, "Resource type not valid in this context: %.*s", STR_FMT(arn.type));
	if (str_eqz(arn.type, "execution")) {
		if (!take_part(&rest, &arn.machine))
			return arena_printf(arena, "Invalid ARN: %.*s", STR_FMT(text));
		arn.name = rest;
	} else {
		arn.machine = rest;
		if (str_eqz(arn.type, "stateMachine") && take_part(&rest, &arn.machine))
			arn.qualifier = rest;
	}
	if (arn.machine.len == 0 || (str_eqz(arn.type, "execution") && arn.name.len == 0))
		return arena_printf(arena, "Invalid ARN: %.*s", STR_FMT(text));
	*ret_arn = arn;
	return NULL;
}

bool arn_name_valid(struct str name, const struct limits *limits)
{
	static const char refused[] = "<>{}[]?*\"#%\\^|~`$&,;:/ ";
	int64_t chars = 0;
	for (size_t i = 0; i < name.len; i++) {
		unsigned char c = (unsigned char)name.ptr[i];
		if (c < 0x20 || c == 0x7f || memchr(refused, c, sizeof refused - 1))
			return false;
		/* U+0080 to U+009F, the other controls */
		if (c == 0xc2 && i + 1 < name.len && (unsigned char)name.ptr[i + 1] < 0xa0)
			return false;
		chars += (c & 0xc0) != 0x80;
	}
	return chars >= 1 && chars <= limits->name_chars;
}

/* ---- generated names ------------------------------------------------------------------------
 *
 *     16 bytes:  id ^ mask (8) · check (8), laid out so that a UUID's version and variant bits stay free:
 *
 *     xxxxxxxx-xxxx-4xxx-vccc-cccccccccccc     60 bits of the masked id in the x's, its last 4 and 58 of the check
 * behind
 */

static uint64_t check_of(const struct token_key *key, uint64_t execution_id)
{
	return token_check(key, "execution name", execution_id) >> 6; /* 58 bits */
}

void execution_name_make(const struct token_key *key, uint64_t execution_id, char ret_name[EXECUTION_NAME_LENGTH + 1])
{
	static const char hex[] = "0123456789abcdef";
	uint64_t check = check_of(key, execution_id), masked = execution_id ^ hash_u64(check);
	/* 122 free bits: masked (64), check (58); as 128 bits with version and variant put in */
	uint64_t high = (masked >> 16 << 16) | 0x4000 | (masked >> 4 & 0xfff);
	uint64_t low = UINT64_C(2) << 62 | (masked & 0xf) << 58 | check;
	char *at = ret_name;
	for (int i = 0; i < 32; i++) {
		if (i == 8 || i == 12 || i == 16 || i == 20)
			*at++ = '-';
		*at++ = hex[(i < 16 ? high >> (60 - 4 * i) : low >> (60 - 4 * (i - 16))) & 0xf];
	}
	*at = 0;
}

bool execution_name_read(const struct token_key *key, struct str name, uint64_t *ret_execution_id)
{
	if (name.len != EXECUTION_NAME_LENGTH)
		return false;
	uint64_t half[2] = { 0, 0 };
	for (unsigned i = 0, digits = 0; i < EXECUTION_NAME_LENGTH; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;
		int digit = name.ptr[i] >= 'A' && name.ptr[i] <= 'F' ? -1 : hex_digit(name.ptr[i]);
		if (dash ? name.ptr[i] != '-' : digit < 0)
			return false;
		if (!dash) {
			half[digits / 16] = half[digits / 16] << 4 | (unsigned)digit;
			digits++;
		}
	}
	if ((half[0] >> 12 & 0xf) != 4 || half[1] >> 62 != 2)
		return false;
	uint64_t check = half[1] & ((UINT64_C(1) << 58) - 1);
	uint64_t masked = (half[0] >> 16 << 16) | (half[0] & 0xfff) << 4 | (half[1] >> 58 & 0xf);
	uint64_t id = masked ^ hash_u64(check);
	if (id == 0 || check_of(key, id) != check)
		return false;
	*ret_execution_id = id;
	return true;
}
