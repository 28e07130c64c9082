/* request.c: TestState's nested members (the table in api.c checks only the outer ones), and what may not stand
 * together. */
#include "server/test_state/test_state.h"

#define RESULT_MOST 262144
#define ERROR_MOST 256
#define CAUSE_MOST 32768

/* ---- members of members ----------------------------------------------------------------------------- */

/* A member that is there and not null. */
static const struct value *member(const struct value *object, const char *name)
{
	const struct value *value = object ? value_getz(object, name) : NULL;
	return value && !value_is(value, VALUE_NULL) ? value : NULL;
}

static bool refuse_kind(struct test_state *t, const char *path, const char *wanted, const struct value *value)
{
	api_refuse(t->call, "SerializationException", "%s must be %s, not %s", path, wanted,
		   value_kind_name(value_kind(value)));
	return false;
}

/* *ret_text has ptr NULL if the member is not there. */
static bool read_text(struct test_state *t, const struct value *object, const char *path, size_t most,
		      struct str *ret_text)
{
	const char *name = strrchr(path, '.') + 1;
	const struct value *value = member(object, name);
	*ret_text = (struct str){ NULL, 0 };
	if (!value)
		return true;
	if (!value_is(value, VALUE_STRING))
		return refuse_kind(t, path, "a string", value);
	*ret_text = value_string(value);
	if (ret_text->len <= most)
		return true;
	api_refuse(t->call, "ValidationException",
		   "1 validation error detected: Value at '%s' failed to satisfy constraint: Member must have length "
		   "less than or equal to %zu",
		   path, most);
	return false;
}

/* -1 if the member is not there. */
static bool read_count(struct test_state *t, const struct value *object, const char *path, int64_t *ret_count)
{
	const struct value *value = member(object, strrchr(path, '.') + 1);
	*ret_count = -1;
	if (!value)
		return true;
	if (!value_int64(value, ret_count))
		return refuse_kind(t, path, "an integer", value);
	if (*ret_count >= 0)
		return true;
	api_refuse(t->call, "ValidationException",
		   "1 validation error detected: Value '%lld' at '%s' failed to satisfy constraint: Member must have "
		   "value greater than or equal to 0",
		   (long long)*ret_count, path);
	return false;
}

static bool read_mode(struct test_state *t, struct str text)
{
	if (!text.ptr || str_eqz(text, "STRICT"))
		t->mode = VALIDATE_STRICT;
	else if (str_eqz(text, "PRESENT"))
		t->mode = VALIDATE_PRESENT;
	else if (str_eqz(text, "NONE"))
		t->mode = VALIDATE_NONE;
	else {
		api_refuse(t->call, "ValidationException",
			   "1 validation error detected: Value '%.*s' at 'mock.fieldValidationMode' failed to satisfy "
			   "constraint: Member must satisfy "
			   "enum value set: [PRESENT, STRICT, NONE]",
			   STR_FMT(str_sub(text, 0, 100)));
		return false;
	}
	return true;
}

static bool read_error_output(struct test_state *t)
{
	const struct value *output = member(t->mock, "errorOutput");
	t->has_error_output = output != NULL;
	if (!output)
		return true;
	if (!value_is(output, VALUE_OBJECT))
		return refuse_kind(t, "mock.errorOutput", "an object", output);
	if (!read_text(t, output, "mock.errorOutput.error", ERROR_MOST, &t->answer.error) ||
	    !read_text(t, output, "mock.errorOutput.cause", CAUSE_MOST, &t->answer.cause))
		return false;
	t->answer.has_error = t->answer.error.ptr != NULL;
	t->answer.has_cause = t->answer.cause.ptr != NULL;
	if (t->answer.has_error)
		return true;
	api_refuse(t->call, "ValidationException",
		   "1 validation error detected: Value null at 'mock.errorOutput.error' failed to satisfy constraint: "
		   "Member must not be null");
	return false;
}

static bool read_members(struct test_state *t)
{
	struct str mode;
	t->mock = api_member_value(t->call, "mock");
	t->configuration = api_member_value(t->call, "stateConfiguration");
	if (!read_text(t, t->mock, "mock.result", RESULT_MOST, &t->result_text) ||
	    !read_text(t, t->mock, "mock.fieldValidationMode", SIZE_MAX, &mode) || !read_mode(t, mode) ||
	    !read_error_output(t))
		return false;
	t->has_result = t->result_text.ptr != NULL;
	return read_count(t, t->configuration, "stateConfiguration.retrierRetryCount", &t->retries) &&
	       read_count(t, t->configuration, "stateConfiguration.mapIterationFailureCount", &t->failed_iterations) &&
	       read_text(t, t->configuration, "stateConfiguration.errorCausedByState", 80, &t->error_state) &&
	       read_text(t, t->configuration, "stateConfiguration.mapItemReaderData", RESULT_MOST, &t->reader_data);
}

/* ---- what goes together ----------------------------------------------------------------------------- */

static bool refuse(struct test_state *t, const char *format, const char *what)
{
	api_refuse(t->call, "ValidationException", format, what);
	return false;
}

/* What only means something beside a mock. */
static bool check_unmocked(struct test_state *t)
{
	const struct {
		bool given;
		const char *name;
	} members[] = {
		{ t->retries >= 0, "RetrierRetryCount" },
		{ t->failed_iterations >= 0, "MapIterationFailureCount" },
		{ t->error_state.ptr != NULL, "ErrorCausedByState" },
		{ t->reader_data.ptr != NULL, "MapItemReaderData" },
		{ api_has(t->call, "context"), "Context" },
	};
	for (unsigned i = 0; i < sizeof members / sizeof *members; i++)
		if (members[i].given)
			return refuse(t, "TestState does not support %s when a mock is not specified.",
				      members[i].name);
	return true;
}

bool test_state_read_request(struct test_state *t)
{
	if (!read_members(t))
		return false;
	if (!t->mock)
		return check_unmocked(t);
	if (t->has_result == t->has_error_output)
		return refuse(t, "A test mock should have %s one of the following fields: [result, errorOutput].",
			      t->has_result ? "only" : "at least");
	if (api_flag(t->call, "revealSecrets", false))
		return refuse(t, "TestState does not support %s when a mock is specified.", "RevealSecrets");
	return true;
}
