/* codec.c: Base64, as the Lambda API has client contexts and logs in it. */
#include "connectors/function/codec.h"
#include <nettle/base64.h>

void encode_base64(struct str bytes, struct buffer *out)
{
	size_t length = BASE64_ENCODE_RAW_LENGTH(bytes.len);
	base64_encode_raw(buffer_reserve(out, length + 1), bytes.len, (const uint8_t *)bytes.ptr);
	out->len += length;
	out->data[out->len] = 0;
}

bool decode_base64(struct str text, struct buffer *out)
{
	struct base64_decode_ctx context;
	base64_decode_init(&context);
	size_t length = BASE64_DECODE_LENGTH(text.len);
	uint8_t *to = (uint8_t *)buffer_reserve(out, length + 1);
	if (!base64_decode_update(&context, &length, to, text.len, text.ptr) || !base64_decode_final(&context))
		return false;
	out->len += length;
	out->data[out->len] = 0;
	return true;
}
