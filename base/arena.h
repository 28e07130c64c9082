/* arena.h: memory that is dropped as a whole.
 *
 * One arena per step, per request, per compiled program: allocate as you go, free nothing,
 * reset or release at the end. Not thread-safe; an arena belongs to who made it.
 *
 *     _cleanup_(arena_done) struct arena arena = { 0 };
 *     char *text = arena_printf(&arena, "%d", 42);
 *
 * A zeroed struct arena is an empty one. Allocation never fails (mem.h), except that an
 * arena with `bytes_max` set reports going past it through arena_over_limit(): allocation still
 * succeeds, so that callers need no check in the middle, and whoever loops must ask. */
#pragma once
#include "base/str.h"
#include <stdarg.h>
#include <stdint.h>

struct arena_block;

struct arena {
	struct arena_block *newest;
	size_t bytes; /* handed out since the last reset */
	size_t bytes_max; /* 0: no limit */
};

/* Memory aligned for any type; not zeroed / zeroed. */
void *arena_alloc(struct arena *arena, size_t size) __attribute__((returns_nonnull));
void *arena_zalloc(struct arena *arena, size_t size) __attribute__((returns_nonnull));
#define ARENA_NEW(arena, type) ((type *)arena_zalloc((arena), sizeof(type)))
#define ARENA_ARRAY(arena, type, count) ((type *)arena_zalloc((arena), sizeof(type) * (count)))

/* Copies; always followed by a NUL that is not counted. */
struct str arena_str(struct arena *arena, struct str text);
char *arena_strdup(struct arena *arena, struct str text);
char *arena_printf(struct arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));
struct str arena_vformat(struct arena *arena, const char *format, va_list args);
struct str arena_format(struct arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* True once more than bytes_max bytes were handed out. */
bool arena_over_limit(const struct arena *arena);

/* Calls function(data) when the arena is reset or released (newest first): for the reference
 * counted things that an arena's objects hold. */
void arena_on_reset(struct arena *arena, void (*function)(void *data), void *data);

/* Drops everything but keeps one block for reuse / gives all memory back. */
void arena_reset(struct arena *arena);
void arena_done(struct arena *arena);
