/* loop_libev.h: the real event loop (libev). loop_libev.c is the only file that includes ev.h. */
#pragma once
#include "base/loop.h"

/* A new loop (never NULL). SIGINT and SIGTERM call `on_signal` on the loop's thread, if it is given. */
struct loop *loop_libev_new(void (*on_signal)(void *data, int signal), void *data);

/* A loop that runs on a thread of its own (never NULL): loop->start() starts it, and until then it takes next to no
 * memory; free() ends and joins it. Between the two, all but post happens on that thread. `name` (15 bytes at most,
 * static) is the thread's. */
struct loop *loop_libev_new_threaded(const char *name);
