/* hash.c: 64-bit hashing by multiplying to 128 bits and folding.
 *
 * Part of the stored format (an execution's shard), so nothing here may ever change: not a
 * constant, not the order of reading. The fold keeps its operands (a ^ low, b ^ high), so that a
 * block chosen to make a factor zero does not wipe out the rest of the text. */
#include "base/hash.h"

/* Digits of pi; odd. */
#define K0 0x243f6a8885a308d3u
#define K1 0xa4093822299f31d1u
#define K2 0x082efa98ec4e6c89u
#define K3 0x452821e638d01377u

static inline uint64_t mix(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;
	return a ^ b ^ (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t read64(const char *p)
{
	uint64_t n;
	memcpy(&n, p, sizeof n);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	n = __builtin_bswap64(n);
#endif
	return n;
}

static inline uint64_t read32(const char *p)
{
	uint32_t n;
	memcpy(&n, p, sizeof n);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	n = __builtin_bswap32(n);
#endif
	return n;
}

uint64_t hash_bytes(struct str bytes, uint64_t seed)
{
	const char *p = bytes.ptr;
	size_t len = bytes.len;
	uint64_t a = 0, b = 0, state = mix(seed ^ K0, K1);

	for (; len > 16; p += 16, len -= 16)
		state = mix(read64(p) ^ K2, read64(p + 8) ^ state);
	/* The last 0–16 bytes, read as two words that may overlap. */
	if (len >= 8) {
		a = read64(p);
		b = read64(p + len - 8);
	} else if (len >= 4) {
		a = read32(p);
		b = read32(p + len - 4);
	} else if (len) {
		a = (uint64_t)(unsigned char)p[0] << 16 | (uint64_t)(unsigned char)p[len / 2] << 8 |
		    (unsigned char)p[len - 1];
	}
	return mix(mix(a ^ K3, b ^ state) ^ K1, bytes.len ^ K0);
}

uint64_t hash_u64(uint64_t number)
{
	return mix(mix(number ^ K0, K1), K2);
}
