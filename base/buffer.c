/* buffer.c: a growing byte string, and the integers of the stored formats. */
#include "base/buffer.h"
#include "base/mem.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

char *buffer_grow(struct buffer *buffer, size_t len)
{
	assert(len < SIZE_MAX / 4);
	size_t needed = buffer->len + len + 1; /* the NUL */
	buffer->data = mem_grow(buffer->data, &buffer->capacity, needed < 64 ? 64 : needed, 1);
	return buffer->data + buffer->len;
}

void buffer_append(struct buffer *buffer, const void *bytes, size_t len)
{
	char *to = buffer_reserve(buffer, len);
	if (len)
		memcpy(to, bytes, len);
	to[len] = 0;
	buffer->len += len;
}

void buffer_add(struct buffer *buffer, struct str text)
{
	buffer_append(buffer, text.ptr, text.len);
}

void buffer_addz(struct buffer *buffer, const char *text)
{
	buffer_append(buffer, text, strlen(text));
}

void buffer_vprintf(struct buffer *buffer, const char *format, va_list args)
{
	va_list again;
	va_copy(again, args);
	char *to = buffer_reserve(buffer, 128);
	int len = vsnprintf(to, 129, format, args);
	assert(len >= 0);
	if (len > 128) {
		to = buffer_reserve(buffer, (size_t)len);
		vsnprintf(to, (size_t)len + 1, format, again);
	}
	va_end(again);
	buffer->len += (size_t)len;
}

void buffer_printf(struct buffer *buffer, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	buffer_vprintf(buffer, format, args);
	va_end(args);
}

void buffer_consume(struct buffer *buffer, size_t len)
{
	assert(len <= buffer->len);
	if (!len)
		return;
	buffer->len -= len;
	memmove(buffer->data, buffer->data + len, buffer->len);
	buffer->data[buffer->len] = 0;
}

static void append_little_endian(struct buffer *buffer, uint64_t number, int bytes)
{
	char *to = buffer_reserve(buffer, (size_t)bytes);
	for (int i = 0; i < bytes; i++, number >>= 8)
		to[i] = (char)(number & 0xff);
	to[bytes] = 0;
	buffer->len += (size_t)bytes;
}

void buffer_u32(struct buffer *buffer, uint32_t number)
{
	append_little_endian(buffer, number, 4);
}

void buffer_u64(struct buffer *buffer, uint64_t number)
{
	append_little_endian(buffer, number, 8);
}

void buffer_long_varint(struct buffer *buffer, uint64_t number)
{
	char *to = buffer_reserve(buffer, 10);
	size_t len = 0;
	for (; number >= 0x80; number >>= 7)
		to[len++] = (char)(0x80 | (number & 0x7f));
	to[len++] = (char)number;
	to[len] = 0;
	buffer->len += len;
}

void buffer_svarint(struct buffer *buffer, int64_t number)
{
	buffer_varint(buffer, ((uint64_t)number << 1) ^ (number < 0 ? UINT64_MAX : 0));
}

void buffer_blob(struct buffer *buffer, struct str bytes)
{
	buffer_varint(buffer, bytes.len);
	buffer_add(buffer, bytes);
}

void buffer_clear(struct buffer *buffer)
{
	buffer->len = 0;
	if (buffer->data)
		buffer->data[0] = 0;
}

void buffer_done(struct buffer *buffer)
{
	free(buffer->data);
	*buffer = (struct buffer){ 0 };
}

char *buffer_take(struct buffer *buffer)
{
	buffer_reserve(buffer, 0)[0] = 0;
	char *data = buffer->data;
	*buffer = (struct buffer){ 0 };
	return data;
}

/* ---- reading ---------------------------------------------------------------------------- */

static bool read_little_endian(struct reader *reader, int bytes, uint64_t *ret_number)
{
	if (reader->end - reader->at < bytes)
		return false;
	uint64_t number = 0;
	for (int i = bytes; i-- > 0;)
		number = number << 8 | reader->at[i];
	reader->at += bytes;
	*ret_number = number;
	return true;
}

bool reader_byte(struct reader *reader, uint8_t *ret_byte)
{
	if (reader->at == reader->end)
		return false;
	*ret_byte = *reader->at++;
	return true;
}

bool reader_u32(struct reader *reader, uint32_t *ret_number)
{
	uint64_t number;
	if (!read_little_endian(reader, 4, &number))
		return false;
	*ret_number = (uint32_t)number;
	return true;
}

bool reader_u64(struct reader *reader, uint64_t *ret_number)
{
	return read_little_endian(reader, 8, ret_number);
}

bool reader_varint(struct reader *reader, uint64_t *ret_number)
{
	uint64_t number = 0;
	const unsigned char *at = reader->at;
	for (int shift = 0; at < reader->end; shift += 7) {
		unsigned char byte = *at++;
		/* The tenth byte has room for one bit. */
		if (shift == 63 && byte > 1)
			return false;
		number |= (uint64_t)(byte & 0x7f) << shift;
		if (byte < 0x80) {
			reader->at = at;
			*ret_number = number;
			return true;
		}
	}
	return false;
}

bool reader_svarint(struct reader *reader, int64_t *ret_number)
{
	uint64_t zigzag;
	if (!reader_varint(reader, &zigzag))
		return false;
	*ret_number = (int64_t)(zigzag >> 1 ^ (zigzag & 1 ? UINT64_MAX : 0));
	return true;
}

bool reader_blob(struct reader *reader, struct str *ret_bytes)
{
	struct reader ahead = *reader;
	uint64_t len;
	if (!reader_varint(&ahead, &len) || len > (uint64_t)(ahead.end - ahead.at))
		return false;
	*ret_bytes = (struct str){ (const char *)ahead.at, (size_t)len };
	reader->at = ahead.at + len;
	return true;
}
