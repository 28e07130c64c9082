/* fuzz_definition.c: any bytes as a definition: it compiles or has diagnostics, each of them with a place inside the
 * text.
 *
 * Built with clang -fsanitize=fuzzer it is a fuzz target. Built alone (-DFUZZ_ALONE) it mutates the definitions
 * that are given as files by itself: fuzz_definition ROUNDS SEED FILE... */
#include "dsl/program.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	struct arena arena = { 0 };
	struct diagnostics diagnostics;
	struct program *program = NULL;
	struct buffer out = { 0 };
	struct str text = { (const char *)bytes, length };
	struct program_options options = { .express = length % 2 };
	int result = program_compile(text, &options, &arena, &diagnostics, &program);
	assert((result == 0) == (diagnostics.errors == 0) && (result == 0) == (program != NULL));
	size_t before = 0;
	for (const struct diagnostic *d = diagnostics.first; d; d = d->next) {
		assert(d->offset >= before && d->offset <= length && d->length <= length - d->offset + 1 &&
		       d->line >= 1 && d->column >= 1);
		before = d->offset;
		diagnostic_print(d, "-", text, true, &out);
	}
	if (program)
		program_explain(program, &out);
	program_unref(program);
	buffer_done(&out);
	arena_done(&arena);
	return 0;
}

#ifdef FUZZ_ALONE
/* Words that matter to the compiler: bytes alone would seldom hit them. */
static const char *const words[] = { "\"Next\"",
				     "\"End\":true",
				     "\"States\"",
				     "\"Type\":\"Map\"",
				     "\"Type\":\"Choice\"",
				     "\"Choices\":[",
				     "\"$.a[*]\"",
				     "\"$$\"",
				     "null",
				     "-1",
				     "1e999",
				     "{",
				     "}",
				     "[",
				     "]",
				     "\"\\ud800\"",
				     "\"States.ALL\"",
				     "\"ItemProcessor\":{",
				     "\"Assign\":{",
				     "\"x.$\":",
				     "\"QueryLanguage\":\"JSONata\"",
				     "\"{% 1 %}\"",
				     "\"And\":[",
				     "\"Not\":{",
				     ",",
				     ":",
				     "\"\"" };

static void mutate(struct buffer *text, struct random *random)
{
	for (uint64_t changes = 1 + random_below(random, 4); changes; changes--) {
		size_t at = random_below(random, text->len + 1);
		size_t cut = random_below(random, 2) ? random_below(random, 20) : 0;
		struct buffer out = { 0 };
		buffer_append(&out, text->data, at);
		if (random_below(random, 3))
			buffer_addz(&out, words[random_below(random, sizeof words / sizeof *words)]);
		else
			buffer_byte(&out, (char)random_u64(random));
		size_t rest = at + cut < text->len ? at + cut : text->len;
		buffer_append(&out, text->data + rest, text->len - rest);
		buffer_done(text);
		*text = out;
	}
}

int main(int argc, char **argv)
{
	if (argc < 4) {
		fprintf(stderr, "usage: %s ROUNDS SEED FILE...\n", argv[0]);
		return 2;
	}
	unsigned long rounds = strtoul(argv[1], NULL, 10);
	struct random random;
	random_seed(&random, strtoull(argv[2], NULL, 10));
	for (unsigned long round = 0; round < rounds; round++) {
		FILE *file = fopen(argv[3 + random_below(&random, (uint64_t)(argc - 3))], "rb");
		struct buffer text = { 0 };
		size_t n;
		if (!file)
			return 2;
		while ((n = fread(buffer_reserve(&text, 65536), 1, 65536, file)) > 0)
			text.len += n;
		fclose(file);
		for (unsigned step = 0; step < 10; step++) {
			mutate(&text, &random);
			LLVMFuzzerTestOneInput((const uint8_t *)text.data, text.len);
		}
		buffer_done(&text);
	}
	printf("%lu rounds\n", rounds);
	return 0;
}
#endif
