/* fuzz_jsonata.c: libFuzzer target for the JSONata language: any text is compiled and, if it can be, evaluated over a
 * small document, as the library and as the dialect, with a small budget.
 *
 *     ./fuzz_jsonata CORPUS_FOLDER       (make_jsonata_corpus.py writes the corpus from the shared suite) */
#include "base/mem.h"
#include "dsl/jsonata/jsonata.h"

static const char document[] =
    "{\"Account\":{\"Name\":\"Firefly\",\"Order\":[{\"id\":\"o1\",\"Product\":[{\"Price\":34.45,\"Quantity\":2,"
    "\"Description\":{\"Colour\":\"Purple\",\"Weight\":0.75}},{\"Price\":21,\"Quantity\":1}]},{\"id\":\"o2\","
    "\"Product\":[{\"Price\":107.99,\"Quantity\":4}]}]},\"a\":[1,[2,[3]],{\"b\":null}],\"t\":\"2018-01-01T00:00:00Z\","
    "\"e\":\"\\ud83d\\ude00 x \\ud800\",\"big\":12345678901234567890}";

static const struct value *variable(void *data, struct str name)
{
	return name.len == 1 ? value_getz(data, "a") : NULL;
}

static void run(struct str text, const struct value *input, enum jsonata_flavour flavour)
{
	_cleanup_(arena_done) struct arena arena = { 0 };
	_cleanup_(value_unrefp) struct value *value = NULL;
	struct jsonata_options options = { .flavour = flavour, .states_fields = JSONATA_STATES_ALL };
	struct jsonata_error error = { 0 };
	struct jsonata *program = jsonata_compile(&arena, text, &options, &error);
	if (!program)
		return;
	struct random random;
	random_seed(&random, 1);
	struct jsonata_states states = { .input = input };
	struct jsonata_env env = { .input = input,
				   .variable = variable,
				   .data = (void *)(uintptr_t)input,
				   .states = &states,
				   .random = &random,
				   .now_ms = 1700000000000,
				   .steps_max = 200000,
				   .depth_max = 200,
				   .bytes_max = 32 << 20 };
	if (jsonata_evaluate(program, &env, &arena, &value, &error) == JSONATA_VALUE)
		value_text(value);
	_cleanup_(buffer_done) struct buffer tree = { 0 };
	jsonata_explain(program, &tree);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static struct value *input;
	if (!input && value_parse(STR(document), NULL, &input, NULL) < 0)
		__builtin_trap();
	if (size > 4096)
		return 0;
	struct str text = { (const char *)bytes, size };
	/* Expressions are UTF-8: the definition they stand in was checked. */
	struct value *checked = value_from_string(text);
	run(value_string(checked), input, JSONATA_LIBRARY);
	run(value_string(checked), input, JSONATA_STATES);
	value_unref(checked);
	return 0;
}
