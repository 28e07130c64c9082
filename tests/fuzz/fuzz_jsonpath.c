/* fuzz_jsonpath.c: any text as a path, evaluated on a document that has all kinds of values. The first line of the
 * input is the path; what follows, if it is JSON, is the document. */
#include "base/mem.h"
#include "dsl/expr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct value *no_context(void *data)
{
	return NULL;
}

static const struct value *variable(void *data, struct str name)
{
	return name.len == 1 ? data : NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char sample[] =
	    "{\"a\":[1,-2.5,\"x\",null,true,{\"b\":[[],{}],\"c\":\"x\"}],\"b\":{\"a\":{\"b\":1}},\"c\":\"10\"}";
	const char *text = (const char *)data, *newline = size ? memchr(text, '\n', size) : NULL;
	struct str path = { text, newline ? (size_t)(newline - text) : size };
	_cleanup_(arena_done) struct arena arena = { 0 };
	_cleanup_(value_unrefp) struct value *document = NULL, *result = NULL, *put = NULL, *present = NULL;
	struct limits limits = LIMITS_DEFAULT;
	struct expr_problem problem;
	struct expr_failure failure;
	limits.expression_steps = 20000;
	limits.expression_bytes = 1 << 20;
	if (!newline ||
	    value_parse(str_sub((struct str){ text, size }, path.len + 1, SIZE_MAX), NULL, &document, NULL) < 0)
		value_parse(str_of(sample), NULL, &document, NULL);
	struct expr_env env = { .input = document,
				.context = no_context,
				.variable = variable,
				.data = document,
				.limits = &limits,
				.field = "InputPath" };
	const struct expr *expr = expr_compile_path(&arena, path, &problem);
	if (expr) {
		if (expr_eval(expr, &env, &arena, &result, &failure) == 0)
			value_text(result);
		expr_eval_present(expr, &env, &arena, &present);
	}
	expr = expr_compile_reference_path(&arena, path, &problem);
	if (expr && expr_put(expr, document, document, &arena, &put, &failure) == 0)
		value_text(put);
	return 0;
}
