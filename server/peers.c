/* peers.c: see peers.h. */
#include "server/peers.h"
#include "base/mem.h"
#include <stdlib.h>
#include <sys/socket.h>

static int64_t time_for(size_t bytes)
{
	return (int64_t)bytes * 1000000 / PEER_BYTES_PER_SECOND;
}

struct peer *peers_add(struct peers *peers, int fd, int64_t now_us)
{
	struct peer *peer = NEW(struct peer);
	*peer = (struct peer){ .next = peers->first, .at = &peers->first, .fd = fd };
	if (peer->next)
		peer->next->at = &peer->next;
	peers->first = peer;
	peers_expect(peers, peer, 0, now_us);
	return peer;
}

void peer_remove(struct peer *peer)
{
	if (!peer)
		return;
	*peer->at = peer->next;
	if (peer->next)
		peer->next->at = peer->at;
	free(peer);
}

void peers_expect(const struct peers *peers, struct peer *peer, size_t bytes, int64_t now_us)
{
	if (peer)
		peer->until_us = now_us + peers->patience_us + time_for(bytes);
}

void peer_moves(struct peer *peer, size_t bytes)
{
	if (peer && peer->until_us != INT64_MAX)
		peer->until_us += time_for(bytes);
}

void peer_rests(struct peer *peer)
{
	if (peer)
		peer->until_us = INT64_MAX;
}

unsigned peers_sweep(struct peers *peers, int64_t now_us)
{
	unsigned count = 0;
	for (struct peer *peer = peers->first; peer; peer = peer->next)
		if (peer->until_us <= now_us) {
			shutdown(peer->fd, SHUT_RDWR);
			peer->until_us = INT64_MAX;
			count++;
		}
	return count;
}
