/* eval.c: evaluates a call: its arguments first, then the row's function. And the table of functions. */
#include "dsl/intrinsics/intrinsics.h"
#include <math.h>

const struct intrinsic_row intrinsic_rows[] = {
#define X(name, least, most, function) { "States." #name, least, most, intrinsic_##function },
	INTRINSICS(X)
#undef X
};
const unsigned intrinsic_rows_count = sizeof(intrinsic_rows) / sizeof(*intrinsic_rows);

/* AWS's sentence around every failure inside a function. */
#define FUNCTION_FAILED "The function '%.*s' had the following error: "

struct value *intrinsic_fail(const struct intrinsic_run *run, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	struct str why = arena_vformat(run->evaluation->arena, format, args);
	va_end(args);
	evaluation_fail(run->evaluation, "States.IntrinsicFailure", FUNCTION_FAILED "%.*s", STR_FMT(run->call->text),
			STR_FMT(why));
	return NULL;
}

bool intrinsic_wants(const struct intrinsic_run *run, size_t index, enum value_kind kind)
{
	enum value_kind found = value_kind(run->arguments[index]);
	if (found == kind)
		return true;
	intrinsic_fail(run, "The argument %zu must be %s %s but was %s %s", index + 1,
		       kind == VALUE_ARRAY || kind == VALUE_OBJECT ? "an" : "a", value_kind_name(kind),
		       found == VALUE_ARRAY || found == VALUE_OBJECT ? "an" : "a", value_kind_name(found));
	return false;
}

bool intrinsic_integer(const struct intrinsic_run *run, size_t index, int64_t *ret_number)
{
	if (!intrinsic_wants(run, index, VALUE_NUMBER))
		return false;
	if (value_int64(run->arguments[index], ret_number))
		return true;
	double rounded = floor(value_number(run->arguments[index]) + 0.5);
	if (!(rounded >= -9223372036854775808.0 && rounded < 9223372036854775808.0)) {
		intrinsic_fail(run, "The argument %zu is out of range: %.*s", index + 1,
			       STR_FMT(value_number_text(run->arguments[index])));
		return false;
	}
	*ret_number = (int64_t)rounded;
	return true;
}

bool intrinsic_short_text(const struct intrinsic_run *run, size_t index, struct str *ret_text)
{
	if (!intrinsic_wants(run, index, VALUE_STRING))
		return false;
	struct str text = value_string(run->arguments[index]);
	if ((int64_t)text.len > run->evaluation->limits->hash_input_bytes) {
		intrinsic_fail(run, "The argument %zu has %zu bytes, more than the limit of %lld", index + 1, text.len,
			       (long long)run->evaluation->limits->hash_input_bytes);
		return false;
	}
	*ret_text = text;
	return true;
}

static int eval_path(const struct intrinsic_call *call, const struct jsonpath *path, struct evaluation *evaluation,
		     struct value **ret_value)
{
	struct jsonpath_miss miss;
	switch (jsonpath_eval(path, evaluation, ret_value, &miss)) {
	case JSONPATH_FOUND:
		return 0;
	case JSONPATH_EXCEEDED:
		return evaluation_fail_exceeded(evaluation, call->text);
	case JSONPATH_MISSING:
	case JSONPATH_INVALID:
		break;
	}
	if (!path->definite) {
		*ret_value = value_new_array(0);
		return 0;
	}
	return evaluation_fail(evaluation, "States.Runtime",
			       FUNCTION_FAILED
			       "The JsonPath argument for the field '%.*s' could not be found in the input '%.*s'",
			       STR_FMT(call->text), STR_FMT(path->text), STR_FMT(value_text(evaluation->env->input)));
}

static int eval_argument(const struct intrinsic_call *call, const struct intrinsic_argument *argument,
			 struct evaluation *evaluation, struct value **ret_value)
{
	switch (argument->kind) {
	case ARGUMENT_CONSTANT:
		*ret_value = value_ref(argument->constant);
		return 0;
	case ARGUMENT_PATH:
		return eval_path(call, argument->path, evaluation, ret_value);
	case ARGUMENT_CALL:
		return intrinsic_eval(argument->call, evaluation, ret_value);
	}
	return -1;
}

static int run_function(const struct intrinsic_call *call, struct evaluation *evaluation, struct value **arguments,
			struct value **ret_value)
{
	struct intrinsic_run run = {
		.evaluation = evaluation,
		.call = call,
		.arguments = (const struct value *const *)arguments,
		.count = call->count,
	};
	struct value *result = call->row->function(&run);
	if (evaluation->exceeded) {
		value_unref(result);
		return evaluation_fail_exceeded(evaluation, call->text);
	}
	if (!result)
		return -1;
	*ret_value = result;
	return 0;
}

int intrinsic_eval(const struct intrinsic_call *call, struct evaluation *evaluation, struct value **ret_value)
{
	if (call->depth > evaluation->limits->intrinsic_depth)
		return evaluation_fail(evaluation, "States.IntrinsicFailure",
				       FUNCTION_FAILED "more than %lld functions are nested", STR_FMT(call->text),
				       (long long)evaluation->limits->intrinsic_depth);
	if (!evaluation_enter(evaluation))
		return evaluation_fail_exceeded(evaluation, call->text);
	struct value **arguments = ARENA_ARRAY(evaluation->arena, struct value *, call->count + 1);
	int r = 0;
	for (uint32_t i = 0; r == 0 && i < call->count; i++)
		r = eval_argument(call, &call->arguments[i], evaluation, &arguments[i]);
	if (r == 0)
		r = run_function(call, evaluation, arguments, ret_value);
	for (uint32_t i = 0; i < call->count; i++)
		value_unref(arguments[i]);
	evaluation_leave(evaluation);
	return r;
}
