/* arena.c: a chain of blocks, newest first; allocation moves a mark in the newest one.
 *
 *     arena.newest → [block 16K: objects…|free] → [block 8K: objects…] → [one large object] → NULL
 *
 * An object too large for a block of the usual size gets a block of its own, put behind the
 * newest, so that the free rest of the newest is not wasted. What is to be called on reset is
 * listed in the block that was the newest then: walking blocks and lists gives newest first. */
#include "base/arena.h"
#include "base/mem.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

/* Under AddressSanitizer the unused part of a block is poisoned, so that going past an object is seen. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POISONING 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define POISONING 1
#endif
#ifdef POISONING
#include <sanitizer/asan_interface.h>
#define POISON(p, size) __asan_poison_memory_region((p), (size))
#define UNPOISON(p, size) __asan_unpoison_memory_region((p), (size))
#define GAP 16 /* poisoned bytes between objects */
#else
#define POISON(p, size) ((void)(p), (void)(size))
#define UNPOISON(p, size) ((void)(p), (void)(size))
#define GAP 0
#endif

enum {
	ALIGNMENT = _Alignof(max_align_t),
	BLOCK_FIRST = 992, /* with its head 1,024: malloc keeps such at hand; many an arena needs no more */
	BLOCK_LARGEST = 256 * 1024, /* blocks stop doubling here */
	BLOCK_KEPT = 1024 * 1024,   /* a larger one is not kept over a reset */
};

struct on_reset {
	void (*function)(void *data);
	void *data;
	struct on_reset *older;
};

struct arena_block {
	struct arena_block *older;
	struct on_reset *on_reset;
	size_t size, used; /* of bytes[] */
	_Alignas(max_align_t) char bytes[];
};

static struct arena_block *block_new(size_t size)
{
	struct arena_block *block = mem_alloc(sizeof *block + size);
	*block = (struct arena_block){ .size = size };
	POISON(block->bytes, size);
	return block;
}

static void block_free(struct arena_block *block)
{
	UNPOISON(block->bytes, block->size);
	free(block);
}

static void *block_take(struct arena_block *block, size_t size, size_t rounded)
{
	void *p = block->bytes + block->used;
	block->used += rounded;
	UNPOISON(p, size);
	return p;
}

void *arena_alloc(struct arena *arena, size_t size)
{
	assert(size < SIZE_MAX / 2);
	size_t rounded = (size + GAP + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
	struct arena_block *newest = arena->newest;
	arena->bytes += size;
	if (newest && rounded <= newest->size - newest->used)
		return block_take(newest, size, rounded);

	size_t next = !newest ? BLOCK_FIRST : newest->size < BLOCK_LARGEST / 2 ? newest->size * 2 : BLOCK_LARGEST;
	if (newest && rounded > next / 4) {
		struct arena_block *own = block_new(rounded);
		own->older = newest->older;
		newest->older = own;
		return block_take(own, size, rounded);
	}
	struct arena_block *block = block_new(rounded > next ? rounded : next);
	block->older = newest;
	arena->newest = block;
	return block_take(block, size, rounded);
}

void *arena_zalloc(struct arena *arena, size_t size)
{
	return memset(arena_alloc(arena, size), 0, size);
}

char *arena_strdup(struct arena *arena, struct str text)
{
	char *copy = arena_alloc(arena, text.len + 1);
	if (text.len)
		memcpy(copy, text.ptr, text.len);
	copy[text.len] = 0;
	return copy;
}

struct str arena_str(struct arena *arena, struct str text)
{
	return (struct str){ arena_strdup(arena, text), text.len };
}

struct str arena_vformat(struct arena *arena, const char *format, va_list args)
{
	char small[256];
	va_list again;
	va_copy(again, args);
	int len = vsnprintf(small, sizeof small, format, args);
	assert(len >= 0);
	struct str text = { small, (size_t)len };
	if (text.len < sizeof small) {
		text = arena_str(arena, text);
	} else {
		char *large = arena_alloc(arena, text.len + 1);
		vsnprintf(large, text.len + 1, format, again);
		text.ptr = large;
	}
	va_end(again);
	return text;
}

struct str arena_format(struct arena *arena, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	struct str text = arena_vformat(arena, format, args);
	va_end(args);
	return text;
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	struct str text = arena_vformat(arena, format, args);
	va_end(args);
	return (char *)text.ptr;
}

bool arena_over_limit(const struct arena *arena)
{
	return arena->bytes_max && arena->bytes > arena->bytes_max;
}

void arena_on_reset(struct arena *arena, void (*function)(void *data), void *data)
{
	struct on_reset *entry = arena_alloc(arena, sizeof *entry);
	/* An object this small is in the newest block. */
	*entry = (struct on_reset){ function, data, arena->newest->on_reset };
	arena->newest->on_reset = entry;
}

/* Every function is called before any memory goes: what it is given may point anywhere in the arena. */
static void call_all(struct arena *arena)
{
	for (struct arena_block *block = arena->newest; block; block = block->older)
		for (struct on_reset *entry = block->on_reset; entry; entry = entry->older)
			entry->function(entry->data);
}

static void free_from(struct arena_block *block)
{
	while (block) {
		struct arena_block *older = block->older;
		block_free(block);
		block = older;
	}
}

void arena_reset(struct arena *arena)
{
	call_all(arena);
	struct arena_block *kept = arena->newest;
	if (kept && kept->size > BLOCK_KEPT) {
		free_from(kept);
		kept = NULL;
	} else if (kept) {
		free_from(kept->older);
		kept->older = NULL;
		kept->on_reset = NULL;
		kept->used = 0;
		POISON(kept->bytes, kept->size);
	}
	arena->newest = kept;
	arena->bytes = 0;
}

void arena_done(struct arena *arena)
{
	call_all(arena);
	free_from(arena->newest);
	arena->newest = NULL;
	arena->bytes = 0;
}
