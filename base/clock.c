/* clock.c: the machine's clocks, and one that tests wind by hand. */
#include "base/clock.h"
#include <time.h>

static int64_t system_wall_ms(struct clock_source *self)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t system_monotonic_us(struct clock_source *self)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

struct clock_source *clock_system(void)
{
	static struct clock_source source = { system_wall_ms, system_monotonic_us };
	return &source;
}

static int64_t manual_wall_ms(struct clock_source *self)
{
	return ((struct clock_manual *)self)->now_ms;
}

static int64_t manual_monotonic_us(struct clock_source *self)
{
	return ((struct clock_manual *)self)->now_ms * 1000;
}

void clock_manual_init(struct clock_manual *clock, int64_t now_ms)
{
	*clock = (struct clock_manual){ { manual_wall_ms, manual_monotonic_us }, now_ms };
}
