/* test_loop.h: a small event loop for tests: poll, an eventfd for posts. Everything of struct loop works; nothing is quick. */
#pragma once
#include "base/loop.h"

struct loop *test_loop_new(void);
/* Runs the loop until *flag is true; fails the test after `seconds`. */
void test_loop_until(struct loop *loop, const bool *flag, int seconds);
