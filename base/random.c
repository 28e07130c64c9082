/* random.c: xoshiro256** (Blackman and Vigna) seeded by splitmix64, as its authors advise; and the
 * operating system's randomness. */
#include "base/random.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

static uint64_t splitmix64(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

void random_seed(struct random *random, uint64_t seed)
{
	for (int i = 0; i < 4; i++)
		random->s[i] = splitmix64(&seed);
}

static inline uint64_t rotate_left(uint64_t x, int bits)
{
	return x << bits | x >> (64 - bits);
}

uint64_t random_u64(struct random *random)
{
	uint64_t *s = random->s;
	uint64_t result = rotate_left(s[1] * 5, 7) * 9, t = s[1] << 17;
	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotate_left(s[3], 45);
	return result;
}

uint64_t random_below(struct random *random, uint64_t bound)
{
	if (!bound)
		return 0;
	/* The numbers below 2^64 mod bound are drawn again: what is left divides evenly. */
	uint64_t uneven = -bound % bound, number;
	do
		number = random_u64(random);
	while (number < uneven);
	return number % bound;
}

double random_double(struct random *random)
{
	return (double)(random_u64(random) >> 11) * 0x1p-53;
}

void random_uuid(struct random *random, char ret_text[37])
{
	uint64_t high = random_u64(random), low = random_u64(random);
	high = (high & ~0xf000ull) | 0x4000;      /* version 4 */
	low = (low & ~(3ull << 62)) | 2ull << 62; /* variant 1 */
	snprintf(ret_text, 37, "%08x-%04x-%04x-%04x-%012llx", (unsigned)(high >> 32), (unsigned)(high >> 16 & 0xffff),
		 (unsigned)(high & 0xffff), (unsigned)(low >> 48), (unsigned long long)(low & 0xffffffffffff));
}

void random_secure(void *ret_bytes, size_t len)
{
	char *at = ret_bytes;
	while (len) {
		ssize_t got = getrandom(at, len, 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			perror("ratchet: the operating system gives no random bytes");
			abort();
		}
		at += got;
		len -= (size_t)got;
	}
}
