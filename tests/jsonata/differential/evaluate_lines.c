/* evaluate_lines.c: reads lines of {"expr": …, "input": …} and prints for each what evaluating it gives, as one line of
 * JSON:
 * {"value": …}, {"undefined": true}, {"function": true} or {"code", "position", "token", "message", "value"}.
 * differential.js compares that with the reference. */
#include "base/mem.h"
#include "dsl/jsonata/jsonata.h"
#include <stdio.h>
#include <stdlib.h>

static void add_text(struct value *object, const char *key, struct str text)
{
	value_object_take(object, str_of(key), value_from_string(text));
}

static struct value *outcome_of(enum jsonata_outcome outcome, struct value *value, const struct jsonata_error *error)
{
	struct value *line = value_new_object(5);
	switch (outcome) {
	case JSONATA_VALUE:
		value_object_take(line, STR("value"), value);
		return line;
	case JSONATA_UNDEFINED:
		value_object_take(line, STR("undefined"), value_new_bool(true));
		return line;
	case JSONATA_FUNCTION:
		value_object_take(line, STR("function"), value_new_bool(true));
		return line;
	case JSONATA_ERROR:
		add_text(line, "code", str_of(error->code));
		value_object_take(line, STR("position"), value_from_int((int64_t)error->position));
		add_text(line, "token", error->token);
		add_text(line, "message", error->message);
		return line;
	}
	return line;
}

static void run_line(struct str text)
{
	_cleanup_(arena_done) struct arena arena = { 0 };
	_cleanup_(value_unrefp) struct value *test = NULL, *line = NULL;
	struct wf_error err = { 0 };
	if (value_parse(text, NULL, &test, &err) < 0) {
		printf("{\"broken\":true}\n");
		return;
	}
	struct random random;
	random_seed(&random, 1);
	struct jsonata_env env = {
		.input = value_getz(test, "input"), .random = &random, .now_ms = 1700000000000, .depth_max = 1000
	};
	struct jsonata_error error = { 0 };
	struct value *value = NULL;
	struct jsonata *program = jsonata_compile(&arena, value_string(value_getz(test, "expr")), NULL, &error);
	enum jsonata_outcome outcome =
	    program ? jsonata_evaluate(program, &env, &arena, &value, &error) : JSONATA_ERROR;
	line = outcome_of(outcome, value, &error);
	struct str printed = value_text(line);
	fwrite(printed.ptr, 1, printed.len, stdout);
	putchar('\n');
}

int main(void)
{
	char *line = NULL;
	size_t capacity = 0;
	for (ssize_t length; (length = getline(&line, &capacity, stdin)) > 0;) {
		run_line((struct str){ line, (size_t)length });
		fflush(stdout);
	}
	free(line);
	return 0;
}
