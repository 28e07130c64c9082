/* progress.h: long tests say how far they are, so that nobody who waits takes them for dead. */
#pragma once
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#define PROGRESS_EVERY_S 20

/* Prints "DONE of ALL WHAT" if nothing was printed for a while; a short test stays quiet. */
static inline void print_progress(uint64_t done, uint64_t all, const char *what)
{
	static time_t told;
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	if (!told)
		told = now.tv_sec;
	if (now.tv_sec - told < PROGRESS_EVERY_S)
		return;
	told = now.tv_sec;
	printf("%" PRIu64 " of %" PRIu64 " %s\n", done, all, what);
	fflush(stdout);
}
