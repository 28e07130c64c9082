/* buffer.h: a growing byte string.
 *
 * A zeroed struct buffer is an empty one. `data` is always followed by a NUL that `len` does not
 * count (once anything was appended), so it can be given to C functions. Not thread-safe.
 *
 *     _cleanup_(buffer_done) struct buffer b = { 0 };
 *     buffer_printf(&b, "%d items", n); */
#pragma once
#include "base/str.h"
#include <stdarg.h>
#include <stdint.h>

struct buffer {
	char *data;
	size_t len;
	size_t capacity;
};

void buffer_append(struct buffer *buffer, const void *bytes, size_t len);
void buffer_add(struct buffer *buffer, struct str text);
void buffer_addz(struct buffer *buffer, const char *text);
static inline void buffer_byte(struct buffer *buffer, char byte);
void buffer_printf(struct buffer *buffer, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buffer_vprintf(struct buffer *buffer, const char *format, va_list args);
/* Room for at least `len` more bytes and a NUL; returns where they go. Add them to `len` after writing (and write
 * the NUL, if the data is used before anything else is appended). */
static inline char *buffer_reserve(struct buffer *buffer, size_t len);
char *buffer_grow(struct buffer *buffer, size_t len); /* where buffer_reserve has no room; not for others */
/* Drops the first `len` bytes, moving the rest to the front. */
void buffer_consume(struct buffer *buffer, size_t len);

/* Integers for stored formats: little-endian fixed width, and LEB128 variable length. */
void buffer_u32(struct buffer *buffer, uint32_t number);
void buffer_u64(struct buffer *buffer, uint64_t number);
static inline void buffer_varint(struct buffer *buffer, uint64_t number);
void buffer_long_varint(struct buffer *buffer, uint64_t number); /* of more than a byte; not for others */
/* Signed, zigzag. */
void buffer_svarint(struct buffer *buffer, int64_t number);
/* varint length, then the bytes. */
void buffer_blob(struct buffer *buffer, struct str bytes);

/* Most of what is written fits: so that is looked at in place. */
static inline char *buffer_reserve(struct buffer *buffer, size_t len)
{
	return len < buffer->capacity - buffer->len ? buffer->data + buffer->len : buffer_grow(buffer, len);
}

static inline void buffer_byte(struct buffer *buffer, char byte)
{
	char *to = buffer_reserve(buffer, 1);
	to[0] = byte;
	to[1] = 0;
	buffer->len++;
}

/* Most are small. */
static inline void buffer_varint(struct buffer *buffer, uint64_t number)
{
	if (number < 0x80)
		buffer_byte(buffer, (char)number);
	else
		buffer_long_varint(buffer, number);
}

static inline struct str buffer_str(const struct buffer *buffer)
{
	return buffer->len ? (struct str){ buffer->data, buffer->len } : STR_EMPTY;
}

/* len = 0, memory kept / memory freed. */
void buffer_clear(struct buffer *buffer);
void buffer_done(struct buffer *buffer);
/* Hands the bytes over (to be freed; NUL-terminated, never NULL) and leaves the buffer empty. */
char *buffer_take(struct buffer *buffer);

/* Reading such formats back. Every function returns false, and moves nothing, when the bytes end
 * early or a varint does not fit 64 bits: stored bytes are as hostile as any. */
struct reader {
	const unsigned char *at;
	const unsigned char *end;
};
static inline struct reader reader_of(struct str bytes)
{
	return (struct reader){ (const unsigned char *)bytes.ptr, (const unsigned char *)bytes.ptr + bytes.len };
}
bool reader_byte(struct reader *reader, uint8_t *ret_byte);
bool reader_u32(struct reader *reader, uint32_t *ret_number);
bool reader_u64(struct reader *reader, uint64_t *ret_number);
bool reader_varint(struct reader *reader, uint64_t *ret_number);
bool reader_svarint(struct reader *reader, int64_t *ret_number);
/* The str points into the bytes being read. */
bool reader_blob(struct reader *reader, struct str *ret_bytes);
