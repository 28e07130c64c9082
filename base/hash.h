/* hash.h: hashing for tables (not for secrets). */
#pragma once
#include "base/str.h"
#include <stdint.h>

/* wyhash-like, 64 bits, stable over machines and versions: hash(machine, name) decides an execution's shard, so it is
 * part of the stored format and never changes (a test holds known values). */
uint64_t hash_bytes(struct str bytes, uint64_t seed);
uint64_t hash_u64(uint64_t number);
