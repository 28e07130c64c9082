/* figures.c: histograms of durations (figures.h). */
#include "search/figures.h"

/* Bucket 0 holds 0 ms; bucket n those below lower_bound(n + 1). While a quarter is less than a millisecond the bounds
 * grow by one. */
static const int64_t lower[FIGURE_BUCKETS] = {
		0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 18, 22, 27, 33, 41, 51, 63, 78, 97, 121, 151, 188, 235, 293, 366, 457, 571, 713, 891, 1113, 1391, 1738,
		2172, 2715, 3393, 4241, 5301, 6626, 8282, 10352, 12940, 16175, 20218, 25272, 31590, 39487, 49358, 61697, 77121, 96401, 120501, 150626,
		188282, 235352, 294190, 367737, 459671, 574588, 718235, 897793, 1122241, 1402801, 1753501, 2191876, 2739845, 3424806, 4281007, 5351258,
		6689072, 8361340, 10451675, 13064593, 16330741, 20413426, 25516782, 31895977, 39869971, 49837463, 62296828, 77871035, 97338793, 121673491,
		152091863, 190114828, 237643535, 297054418, 371318022, 464147527, 580184408, 725230510, 906538137, 1133172671, 1416465838, 1770582297,
		2213227871, 2766534838, 3458168547, 4322710683, 5403388353, 6754235441, 8442794301, 10553492876, 13191866095, 16489832618, 20612290772,
		25765363465
};

void figure_add_duration(struct figure *figure, int64_t ms)
{
	unsigned low = 0, high = FIGURE_BUCKETS - 1;
	while (low < high) {
		unsigned middle = (low + high + 1) / 2;
		if (lower[middle] <= ms)
			low = middle;
		else
			high = middle - 1;
	}
	figure->buckets[low]++;
}

void figure_add(struct figure *figure, const struct figure *other)
{
	figure->count += other->count;
	figure->failed += other->failed;
	figure->retries += other->retries;
	figure->started += other->started;
	for (unsigned i = 0; i < FIGURE_BUCKETS; i++)
		figure->buckets[i] += other->buckets[i];
}

int64_t figure_percentile(const struct figure *figure, double share)
{
	uint64_t all = 0, below = 0;
	for (unsigned i = 0; i < FIGURE_BUCKETS; i++)
		all += figure->buckets[i];
	if (!all)
		return -1;
	double rank = share * (double)all;
	for (unsigned i = 0; i < FIGURE_BUCKETS; i++) {
		below += figure->buckets[i];
		if ((double)below >= rank)
			return i + 1 < FIGURE_BUCKETS ? (lower[i] + lower[i + 1]) / 2 : lower[i];
	}
	return lower[FIGURE_BUCKETS - 1];
}

void figure_encode(const struct figure *figure, struct buffer *out)
{
	buffer_byte(out, 1);
	for (unsigned i = 0; i < FIGURE_BUCKETS; i++)
		if (figure->buckets[i]) {
			buffer_varint(out, i);
			buffer_varint(out, figure->buckets[i]);
		}
}

bool figure_decode(struct str bytes, struct figure *figure)
{
	struct reader in = reader_of(bytes);
	uint8_t version;
	if (!reader_byte(&in, &version) || version != 1)
		return false;
	while (in.at < in.end) {
		uint64_t index, count;
		if (!reader_varint(&in, &index) || !reader_varint(&in, &count) || index >= FIGURE_BUCKETS)
			return false;
		figure->buckets[index] += (uint32_t)count;
	}
	return true;
}
