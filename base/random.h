/* random.h: randomness as a value (a generator with a seed) and its one source in the machine. */
#pragma once
#include <stddef.h>
#include <stdint.h>

/* xoshiro256**: deterministic, not for secrets. The same seed gives the same numbers on every machine. */
struct random {
	uint64_t s[4];
};
void random_seed(struct random *random, uint64_t seed);
uint64_t random_u64(struct random *random);
/* Evenly from [0, bound); bound 0 gives 0. */
uint64_t random_below(struct random *random, uint64_t bound);
/* Evenly from [0, 1). */
double random_double(struct random *random);
/* A version 4 UUID as text: 36 characters and a NUL. */
void random_uuid(struct random *random, char ret_text[37]);

/* Bytes fit for keys and tokens, from the operating system (getrandom). Ends the process if there are none. */
void random_secure(void *ret_bytes, size_t len);
