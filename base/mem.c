/* mem.c: the one place that decides what happens when memory runs out. */
#include "base/mem.h"
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Noreturn void out_of_memory(size_t size)
{
	fprintf(stderr, "ratchet: out of memory (%zu bytes asked for)\n", size);
	abort();
}

void *mem_alloc(size_t size)
{
	void *p = malloc(size ? size : 1);
	if (!p)
		out_of_memory(size);
	return p;
}

void *mem_zalloc(size_t size)
{
	void *p = calloc(1, size ? size : 1);
	if (!p)
		out_of_memory(size);
	return p;
}

void *mem_realloc(void *p, size_t size)
{
	p = realloc(p, size ? size : 1);
	if (!p)
		out_of_memory(size);
	return p;
}

char *mem_strndup(const char *text, size_t len)
{
	if (len == SIZE_MAX)
		out_of_memory(len);
	char *copy = mem_alloc(len + 1);
	if (len)
		memcpy(copy, text, len);
	copy[len] = 0;
	return copy;
}

char *mem_strdup(const char *text)
{
	return mem_strndup(text, strlen(text));
}

char *mem_printf(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	char *text = NULL;
	int len = vasprintf(&text, format, args);
	va_end(args);
	if (len < 0)
		out_of_memory(0);
	return text;
}

void *mem_grow(void *array, size_t *capacity, size_t needed, size_t element_size)
{
	if (needed <= *capacity)
		return array;
	size_t wanted = *capacity < 8 ? 8 : *capacity;
	while (wanted < needed) {
		if (wanted > SIZE_MAX / 2)
			out_of_memory(needed);
		wanted *= 2;
	}
	size_t bytes;
	if (__builtin_mul_overflow(wanted, element_size, &bytes))
		out_of_memory(SIZE_MAX);
	array = mem_realloc(array, bytes);
	*capacity = wanted;
	return array;
}

void mem_freep(void *pointer_to_pointer)
{
	void **p = pointer_to_pointer;
	free(*p);
	*p = NULL;
}
