/* runtime_path.c: reading what the Runtime API is asked: pure, for the fuzzer too. */
#include "connectors/function/room.h"

#define RUNTIME_PREFIX "/2018-06-01/runtime/"
#define REQUEST_ID_MAX 64

static const struct {
	const char *method, *path; /* with * for the request's id */
	enum runtime_call call;
} rows[] = {
	{ "GET", "invocation/next", RUNTIME_NEXT },
	{ "POST", "invocation/*/response", RUNTIME_RESPONSE },
	{ "POST", "invocation/*/error", RUNTIME_ERROR },
	{ "POST", "init/error", RUNTIME_INIT_ERROR },
};

static bool matches(const char *pattern, const char *path, struct str *ret_id)
{
	for (; *pattern; pattern++) {
		if (*pattern != '*') {
			if (*path++ != *pattern)
				return false;
			continue;
		}
		size_t length = strcspn(path, "/?");
		if (!length || length > REQUEST_ID_MAX)
			return false;
		*ret_id = (struct str){ path, length };
		path += length;
	}
	return !*path;
}

enum runtime_call runtime_route(const char *method, const char *path, struct str *ret_request_id)
{
	enum runtime_call found = RUNTIME_UNKNOWN;
	*ret_request_id = STR_EMPTY;
	if (strncmp(path, RUNTIME_PREFIX, sizeof RUNTIME_PREFIX - 1) != 0)
		return found;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct str id = STR_EMPTY;
		if (!matches(rows[i].path, path + sizeof RUNTIME_PREFIX - 1, &id))
			continue;
		found = RUNTIME_WRONG_METHOD;
		if (strcmp(method, rows[i].method) != 0)
			continue;
		*ret_request_id = id;
		return rows[i].call;
	}
	return found;
}

bool runtime_payload_valid(struct str body)
{
	struct value *value = NULL;
	bool good = body.len <= RESPONSE_BYTES_MAX && value_parse(body, NULL, &value, NULL) == 0;
	value_unref(value);
	return good;
}
