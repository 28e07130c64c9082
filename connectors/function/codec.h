/* codec.h: Base64. */
#pragma once
#include "base/buffer.h"

void encode_base64(struct str bytes, struct buffer *out);
/* False, and nothing appended, if it is none. */
bool decode_base64(struct str text, struct buffer *out);
