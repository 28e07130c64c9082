/* text.h: strings as JavaScript sees them, kept as UTF-8.
 *
 * A lone surrogate is kept as its three bytes (WTF-8). Two halves that come together become one character again:
 * whoever joins strings must do it through wtf8_append or text_concat (item.h). Private to dsl/jsonata/. */
#pragma once
#include "base/buffer.h"
#include "base/str.h"
#include <stdint.h>

/* Bytes of the character at the start of a non-empty text; never more than there are; 1 for a stray byte. */
size_t character_length(struct str text);
/* The character at the start, and its length. */
uint32_t utf8_decode(struct str text, size_t *ret_length);
/* Writes up to 4 bytes; returns how many. Surrogates are written as three. */
size_t utf8_encode(uint32_t character, char bytes[4]);
/* Characters (code points) in a text. */
size_t utf8_count(struct str text);
/* The byte offset of character `index`, or text.len. */
size_t utf8_offset(struct str text, size_t index);
/* UTF-16 code units in a text. */
size_t utf16_count(struct str text);
/* True if every byte is ASCII. */
bool text_is_ascii(struct str text);
/* Orders by UTF-16 code units. */
int utf16_compare(struct str a, struct str b);
/* Whether `left` ends with a high surrogate and `right` begins with a low one. */
bool wtf8_halves_meet(struct str left, struct str right);
/* The character that those two halves are. */
uint32_t wtf8_joined(struct str left, struct str right);
/* Appends, joining halves. */
void wtf8_append(struct buffer *buffer, struct str text);
