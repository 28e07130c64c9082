/* fuzz_yaml.c: any text as YAML: it is read or refused with a place; what is read prints as JSON that reads back the same, and every member has a place.
 * The same text as a definition: every diagnostic lies within it. */
#include "base/mem.h"
#include "dsl/program.h"
#include "value/yaml_reader.h"
#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_places(struct str text)
{
	struct yaml_json json = { 0 };
	size_t offset = 0, length = 0;
	if (yaml_to_json(text, &json, &offset, NULL) < 0)
		assert(offset <= text.len);
	for (size_t at = 0; at < json.text.len; at += 1 + json.text.len / 64) {
		yaml_json_place(&json, text, at, 3, &offset, &length);
		assert(offset <= text.len && length <= text.len - offset);
		assert(yaml_json_end(&json, at) <= text.len);
	}
	yaml_json_done(&json);
}

static void check_definition(struct str text)
{
	_cleanup_(arena_done) struct arena arena = { 0 };
	struct diagnostics diagnostics = { 0 };
	struct program *program = NULL;
	struct limits limits = LIMITS_DEFAULT;
	const struct program_options options = { .limits = &limits };
	if (program_compile(text, &options, &arena, &diagnostics, &program) == 0)
		for (uint32_t i = 0; i < program->states_count; i++)
			assert(program->states[i].offset + program->states[i].length <= text.len);
	else
		assert(diagnostics.first);
	for (const struct diagnostic *d = diagnostics.first; d; d = d->next)
		assert(d->offset <= text.len && d->line && d->column);
	program_unref(program);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = { (const char *)data, size };
	_cleanup_(value_unrefp) struct value *read = NULL, *again = NULL;
	struct wf_error err = { 0 };
	size_t line, column;
	check_places(text);
	check_definition(text);
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
