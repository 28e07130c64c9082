/* peers.h: connections that may not take for ever: a request must have come whole, and its answer have been taken, within a time and at
 * a least speed. The HTTP library only ends connections that say nothing at all; a byte now and then would hold one, and its memory, as
 * long as its client likes. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#define PEER_BYTES_PER_SECOND 16384

struct peer {
	struct peer *next, **at;
	int fd;
	int64_t until_us; /* INT64_MAX: nothing is expected of it */
};

struct peers {
	struct peer *first;
	int64_t patience_us;
};

struct peer *peers_add(struct peers *peers, int fd, int64_t now_us);
void peer_remove(struct peer *peer);
/* Something is expected from now on: a request, or that `bytes` of an answer are taken. */
void peers_expect(const struct peers *peers, struct peer *peer, size_t bytes, int64_t now_us);
/* It has sent some of it / it waits for us. Both take NULL. */
void peer_moves(struct peer *peer, size_t bytes);
void peer_rests(struct peer *peer);
/* Shuts down those whose time is over (their descriptors stay open: the library hears the end and closes them); how many. */
unsigned peers_sweep(struct peers *peers, int64_t now_us);
