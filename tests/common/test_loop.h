/* test_loop.h: a small event loop on poll(2) for tests: the real clock, one thread, all of struct loop. */
#pragma once
#include "base/loop.h"

struct loop *test_loop_new(void);

/* Runs until done(data) says true, or until timeout_ms have passed; returns whether it did. done is asked after each
 * iteration. */
bool test_loop_until(struct loop *loop, bool (*done)(void *data), void *data, int64_t timeout_ms);
/* Runs until *flag is true; ends the program with a line if it is not within `seconds`. */
void test_loop_until_true(struct loop *loop, const bool *flag, int seconds);
/* Runs for that long. */
void test_loop_for(struct loop *loop, int64_t duration_ms);
/* Descriptors that are watched and timers that are armed now: 0 when everybody has tidied up. */
unsigned test_loop_armed(const struct loop *loop);
