/* Timestamps from anywhere: what is read and printed reads back as the same time. */
#include "base/timestamp.h"
#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int64_t ms, back;
	char text[TIMESTAMP_TEXT_MAX];
	if (!timestamp_parse((struct str){ (const char *)data, size }, &ms))
		return 0;
	timestamp_format(ms, text);
	/* An offset may lead out of the years 0000 to 9999, which only our own printing goes beyond. */
	if (ms >= -62167219200000 && ms < 253402300800000) {
		bool readable = timestamp_parse(str_of(text), &back);
		assert(readable && back == ms);
	}
	return 0;
}
