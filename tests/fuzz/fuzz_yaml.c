/* fuzz_yaml.c: any text as YAML: it is read or refused with a place; what is read prints as JSON that reads back the same, and every member has a place. */
#include "base/mem.h"
#include "value/yaml_reader.h"
#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = { (const char *)data, size };
	_cleanup_(value_unrefp) struct value *read = NULL, *again = NULL;
	struct wf_error err = { 0 };
	size_t line, column;
	if (yaml_parse(text, &read, &err) < 0) {
		assert(err.code < 0 && err.message[0]);
		return 0;
	}
	/* NULs and ill-formed text must not have come through. */
	assert(value_parse(value_text(read), NULL, &again, NULL) == 0);
	assert(str_eq(value_text(read), value_text(again)));
	yaml_place(text, "/a/0/b", &line, &column);
	return 0;
}
