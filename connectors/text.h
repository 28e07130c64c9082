/* text.h: small text helpers that the connectors share. */
#pragma once
#include "base/buffer.h"

/* Appends `bytes` with everything that is not UTF-8 replaced by U+FFFD, one for each byte that cannot begin or go on.
 * NUL counts as such. */
void text_clean(struct str bytes, struct buffer *out);

/* The end of `text`, at most `len` bytes, beginning at a character. */
struct str text_tail(struct str text, size_t len);

/* Its beginning, cut before a character that does not fit. */
struct str text_head(struct str text, size_t len);

/* Without white space at both ends. */
struct str text_trim(struct str text);

/* X-Ray's form of a traceparent (version 00): "Root=1-8hex-24hex;Parent=16hex;Sampled=0|1". Empty if it is none. */
void text_trace_id(struct str trace_parent, char *ret_text, size_t size);

/* Equality that ignores the case of ASCII letters: names of headers. */
bool text_same(struct str a, struct str b);
