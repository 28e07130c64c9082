/* fuzz_intrinsic.c: any text as the value of a field "x.$" in a payload template. */
#include "base/mem.h"
#include "dsl/expr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char sample[] =
	    "{\"a\":[3,-2.5,\"x,y\",null,true,{\"b\":[[],{}]}],\"o\":{\"p\":{}},\"s\":\"{\\\"q\\\":[1]}\",\"n\":2}";
	_cleanup_(arena_done) struct arena arena = { 0 };
	_cleanup_(value_unrefp) struct value *document = NULL, *result = NULL, *template = value_new_object(1);
	struct limits limits = LIMITS_DEFAULT;
	struct random random;
	struct expr_template_problem *problems;
	struct expr_failure failure;
	random_seed(&random, 1);
	limits.expression_steps = 20000;
	limits.expression_bytes = 1 << 20;
	value_parse(str_of(sample), NULL, &document, NULL);
	value_object_take(template, STR("x.$"), value_from_string((struct str){ (const char *)data, size }));
	struct expr_env env = { .input = document, .random = &random, .limits = &limits, .field = "Parameters" };
	const struct expr *expr = expr_compile_template(&arena, template, &problems);
	if (expr_eval(expr, &env, &arena, &result, &failure) == 0)
		value_text(result);
	return 0;
}
