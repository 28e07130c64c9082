/* bench_jsonata.c: compiles and evaluates each expression on each document, and prints "name TAB document TAB
 * nanoseconds" and last "peak TAB KiB". The document is parsed before, as the reference's is; its tree is there after
 * the first run.
 *
 *     bench_jsonata EXPRESSIONS FOLDER */
#include "base/clock.h"
#include "base/mem.h"
#include "dsl/jsonata/jsonata.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

static struct value *read_json(const char *path)
{
	_cleanup_(buffer_done) struct buffer text = { 0 };
	FILE *file = fopen(path, "rb");
	char bytes[65536];
	if (!file) {
		perror(path);
		exit(2);
	}
	for (size_t n; (n = fread(bytes, 1, sizeof bytes, file)) > 0;)
		buffer_append(&text, bytes, n);
	fclose(file);
	struct value *value = NULL;
	struct wf_error err = { 0 };
	if (value_parse(buffer_str(&text), NULL, &value, &err) < 0) {
		fprintf(stderr, "%s: %s\n", path, err.message);
		exit(2);
	}
	return value;
}

static void run_once(struct str expr, const struct value *input)
{
	_cleanup_(arena_done) struct arena arena = { 0 };
	struct jsonata_env env = {
		.input = input, .now_ms = 1700000000000, .bytes_max = 2000000000, .steps_max = 1000000000
	};
	struct jsonata_error error = { 0 };
	struct value *value = NULL;
	struct jsonata *program = jsonata_compile(&arena, expr, NULL, &error);
	if (!program || jsonata_evaluate(program, &env, &arena, &value, &error) != JSONATA_VALUE) {
		fprintf(stderr, "%.*s: %.*s\n", STR_FMT(expr), STR_FMT(error.message));
		exit(2);
	}
	value_unref(value);
}

static double measure(struct str expr, const struct value *input)
{
	struct clock_source *clock = clock_system();
	double best = 0;
	run_once(expr, input);
	for (int round = 0; round < 5; round++) {
		int64_t start = clock->monotonic_us(clock), spent;
		int runs = 0;
		do {
			run_once(expr, input);
			runs++;
			spent = clock->monotonic_us(clock) - start;
		} while (spent < 100000);
		double each = (double)spent * 1000 / runs;
		best = round == 0 || each < best ? each : best;
	}
	return best;
}

int main(int argc, char **argv)
{
	static const char *const documents[] = { "1KB", "100KB", "10MB" };
	if (argc != 3) {
		fprintf(stderr, "usage: %s EXPRESSIONS FOLDER\n", argv[0]);
		return 2;
	}
	struct value *expressions = read_json(argv[1]);
	for (int d = 0; d < 3; d++) {
		char path[1024];
		snprintf(path, sizeof path, "%s/%s.json", argv[2], documents[d]);
		struct value *input = read_json(path);
		for (size_t i = 0; i < value_count(expressions); i++) {
			const struct value *row = value_at(expressions, i);
			printf("%.*s\t%s\t%.0f\n", STR_FMT(value_string(value_getz(row, "name"))), documents[d],
			       measure(value_string(value_getz(row, "expr")), input));
			fflush(stdout);
		}
		value_unref(input);
	}
	value_unref(expressions);
	struct rusage usage;
	getrusage(RUSAGE_SELF, &usage);
	printf("peak\t%ld\n", usage.ru_maxrss);
	return 0;
}
