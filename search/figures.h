/* figures.h: counts and durations, kept by the hour as histograms whose buckets grow by a quarter.
 *
 * A percentile read from one is within 12 % of the truth, whatever the number of samples, and two histograms add up
 * to that of both: so an hour's figures are kept for good and any window is their sum. */
#pragma once
#include "base/buffer.h"
#include <stdint.h>

enum { FIGURE_BUCKETS = 108 }; /* the last begins beyond 200 days */

struct figure {
	uint64_t count, failed, retries, started; /* count: ended, failed ones too */
	uint32_t buckets[FIGURE_BUCKETS];
};

void figure_add_duration(struct figure *figure, int64_t ms);
/* Adds what `other` has. */
void figure_add(struct figure *figure, const struct figure *other);
/* The duration below which `share` (0.5, 0.95 …) of the samples lie; -1 if there is none. */
int64_t figure_percentile(const struct figure *figure, double share);
/* The buckets as they are stored, and back (adding); false if the bytes are none. */
void figure_encode(const struct figure *figure, struct buffer *out);
bool figure_decode(struct str bytes, struct figure *figure);
