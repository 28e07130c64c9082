/* clock.h: time as a vtable, so that tests and the simulator own it. Any thread may call. */
#pragma once
#include <stdint.h>

struct clock_source {
	/* Wall clock, ms since 1970 UTC: due times and event timestamps. May jump. */
	int64_t (*wall_ms)(struct clock_source *self);
	/* Never jumps back; its zero is arbitrary: durations and timeouts of requests. Microseconds. */
	int64_t (*monotonic_us)(struct clock_source *self);
};

/* The machine's clocks. */
struct clock_source *clock_system(void);

/* A clock that stands still until it is told: for tests. */
struct clock_manual {
	struct clock_source source;
	int64_t now_ms;
};
void clock_manual_init(struct clock_manual *clock, int64_t now_ms);
