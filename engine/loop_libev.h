/* loop_libev.h: the real event loop (libev). loop_libev.c is the only file that includes ev.h. */
#pragma once
#include "base/loop.h"

/* A new loop (never NULL). SIGINT and SIGTERM call `on_signal` on the loop's thread, if it is given. */
struct loop *loop_libev_new(void (*on_signal)(void *data, int signal), void *data);
