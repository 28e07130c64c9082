/* mem.h: allocation that cannot fail, and cleanup at the end of a scope.
 *
 * Running out of memory for a small allocation ends the process with one line on stderr
 * (exit by abort): an engine whose every acknowledged step is on disk recovers from that
 * better than from a thousand half-tested error paths. Sizes that come from outside are
 * checked against limits.h before they get here. */
#pragma once
#include <stddef.h>

/* Never return NULL; mem_zalloc's memory is zero. Free with free() or mem_freep. */
void *mem_alloc(size_t size) __attribute__((malloc, returns_nonnull));
void *mem_zalloc(size_t size) __attribute__((malloc, returns_nonnull));
void *mem_realloc(void *p, size_t size) __attribute__((returns_nonnull));
char *mem_strdup(const char *text) __attribute__((malloc, returns_nonnull, nonnull));
char *mem_strndup(const char *text, size_t len) __attribute__((malloc, returns_nonnull));
/* A formatted string, to be freed. */
char *mem_printf(const char *format, ...) __attribute__((malloc, returns_nonnull, format(printf, 1, 2)));

#define NEW(type) ((type *)mem_zalloc(sizeof(type)))

/* Grows `array` (of any element type) so that it holds at least `needed` elements; doubles. */
#define MEM_GROW(array, capacity, needed) \
	((array) = mem_grow((array), &(capacity), (needed), sizeof *(array)))
void *mem_grow(void *array, size_t *capacity, size_t needed, size_t element_size);

/* Declares a variable whose `cleanup` function runs at the end of the scope:
 *     _cleanup_(buffer_done) struct buffer b = { 0 };
 *     _cleanup_free_ char *text = mem_strdup("x");
 * A pointer that is handed over is taken out first: return TAKE(text); */
#define _cleanup_(function) __attribute__((cleanup(function)))
#define _cleanup_free_ _cleanup_(mem_freep)
void mem_freep(void *pointer_to_pointer);

#define TAKE(p)                    \
	({                         \
		__typeof__(p) taken_ = (p); \
		(p) = NULL;        \
		taken_;            \
	})
