/* compile_retry.c: Retry and Catch. */
#include "base/mem.h"
#include "dsl/compile.h"

static bool is_standard_error(struct str name)
{
	static const char *const names[] = {
#define X(id, text) text,
		ERROR_NAMES(X)
#undef X
	};
	for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
		if (str_eqz(name, names[i]))
			return true;
	return str_starts(name, STR("States.Http."));
}

/* ErrorEquals: names, States.ALL alone and in the last element of Retry or Catch. */
static struct str *compile_errors(struct compiler *c, const struct djson *element, const struct djson *errors,
				  uint32_t *ret_count)
{
	if (!errors)
		return NULL;
	struct str *names = ARENA_ARRAY(c->arena, struct str, errors->count);
	for (const struct djson *error = errors->first; error; error = error->next) {
		names[error->index] = compile_str(c, error);
		if (error->kind != VALUE_STRING) {
			report_value(c, error, expecting(c, "an error name, not %s", value_kind_name(error->kind)),
				     "Expected value of type String");
		} else if (str_eqz(error->text, ERROR_NAME_ALL)) {
			if (errors->count > 1)
				report(c,
				       &(struct report){ .location = errors,
							 .offset = error->offset,
							 .length = error->length,
							 .expected = STR("States.ALL alone") },
				       "States.ALL must appear alone in ErrorEquals");
			if (element->next)
				report(c,
				       &(struct report){ .location = errors,
							 .offset = error->offset,
							 .length = error->length,
							 .expected = STR("the element with States.ALL at the end") },
				       "States.ALL must appear in the last element of %s",
				       element->parent->key.len ? arena_strdup(c->scratch, element->parent->key)
								: "the array");
		} else if (str_starts(error->text, STR("States.")) && !is_standard_error(error->text)) {
			report(c,
			       &(struct report){ AT_VALUE(error), .severity = DIAGNOSTIC_WARNING,
						 .expected = STR("one of the language's own error names") },
			       "'%.*s' is no error name of the language; nothing will match it",
			       STR_FMT(str_sub(error->text, 0, 100)));
		}
	}
	*ret_count = errors->count;
	return names;
}

static bool read_element(struct compiler *c, const struct djson *element, enum field_owner owner,
			 enum query_language language, struct fields *ret_fields)
{
	if (element->kind == VALUE_OBJECT) {
		fields_read(c, element, owner, language, false, ret_fields);
		return true;
	}
	report_value(c, element, str_of(field_owner_name(owner)), "Expected value of type Object");
	return false;
}

static double number_of(struct compiler *c, const struct djson *node, double otherwise)
{
	return node ? compile_double(c, node) : otherwise;
}

static void compile_retrier(struct compiler *c, const struct djson *element, enum query_language language,
			    struct retrier *retrier)
{
	struct fields fields;
	if (!read_element(c, element, OWNER_RETRIER, language, &fields))
		return;
	const struct djson *const *at = fields.at, *jitter = at[F_JitterStrategy];
	retrier->errors = compile_errors(c, element, at[F_ErrorEquals], &retrier->errors_count);
	retrier->interval_s = (int64_t)number_of(c, at[F_IntervalSeconds], 1);
	retrier->max_attempts = (int64_t)number_of(c, at[F_MaxAttempts], 3);
	retrier->backoff_rate = number_of(c, at[F_BackoffRate], 2);
	retrier->max_delay_s = (int64_t)number_of(c, at[F_MaxDelaySeconds], 0);
	retrier->jitter_full = jitter && str_eqz(jitter->text, "FULL");
	if (jitter && !retrier->jitter_full && !str_eqz(jitter->text, "NONE"))
		report_value(c, jitter, STR("FULL or NONE"),
			     "The field 'JitterStrategy' should have one of these values: [FULL, NONE]");
	if (retrier->max_delay_s && retrier->max_delay_s < retrier->interval_s)
		report(c,
		       &(struct report){ AT_VALUE(at[F_MaxDelaySeconds]), .severity = DIAGNOSTIC_WARNING,
					 .expected = expecting(c, "at least %lld", (long long)retrier->interval_s) },
		       "MaxDelaySeconds is less than IntervalSeconds");
}

void compile_retry(struct compiler *c, const struct djson *array, struct state *state)
{
	if (!array)
		return;
	state->retriers = ARENA_ARRAY(c->arena, struct retrier, array->count);
	state->retriers_count = array->count;
	for (const struct djson *element = array->first; element; element = element->next)
		compile_retrier(c, element, state->language, &state->retriers[element->index]);
}

void compile_catch(struct compiler *c, const struct djson *array, struct state *state)
{
	if (!array)
		return;
	state->catchers = ARENA_ARRAY(c->arena, struct catcher, array->count);
	state->catchers_count = array->count;
	for (const struct djson *element = array->first; element; element = element->next) {
		struct catcher *catcher = &state->catchers[element->index];
		struct fields fields;
		catcher->next = STATE_NONE;
		if (!read_element(c, element, OWNER_CATCHER, state->language, &fields))
			continue;
		const struct djson *path = fields.at[F_ResultPath];
		catcher->errors = compile_errors(c, element, fields.at[F_ErrorEquals], &catcher->errors_count);
		catcher->next = compile_target(c, fields.at[F_Next]);
		catcher->result_path_null = path && path->kind == VALUE_NULL;
		if (!catcher->result_path_null)
			catcher->result_path = compile_path(c, path, PATH_RESULT);
		c->states_fields = EXPR_STATES_ERROR_OUTPUT;
		catcher->output = compile_template(c, fields.at[F_Output], state->language);
		catcher->assign = compile_assign(c, fields.at[F_Assign], state->language);
		c->states_fields = 0;
	}
}
