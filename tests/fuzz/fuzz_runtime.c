/* What workers send to the Runtime API, as far as it is ours to read: method and path, and payloads. A request id that is
 * found is a part of the path; a payload that may be passed on is JSON. */
#include "connectors/function/room.h"
#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const methods[] = { "GET", "POST", "PUT", "" };
	struct str id;
	if (!size)
		return 0;
	char *path = mem_strndup((const char *)data + 1, size - 1);
	enum runtime_call call = runtime_route(methods[*data & 3], path, &id);
	if (call == RUNTIME_RESPONSE || call == RUNTIME_ERROR)
		assert(id.len && id.len <= 64 && id.ptr > path && id.ptr + id.len < path + strlen(path) &&
		       !memchr(id.ptr, '/', id.len));
	free(path);
	struct str body = { (const char *)data, size };
	if (runtime_payload_valid(body)) {
		struct value *value = NULL;
		assert(value_parse(body, NULL, &value, NULL) == 0);
		value_unref(value);
	}
	struct value *source = NULL;
	struct settings settings;
	if (value_parse(body, NULL, &source, NULL) == 0 && settings_init(&settings, source, "/nowhere", NULL) == 0)
		settings_done(&settings);
	value_unref(source);
	return 0;
}
