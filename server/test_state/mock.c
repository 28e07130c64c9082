/* mock.c: the mocked result: JSON of the kind that the state's work gives. */
#include "base/mem.h"
#include "server/test_state/test_state.h"

static bool refuse(struct test_state *t, const char *text)
{
	api_refuse(t->call, "ValidationException", "%s", text);
	return false;
}

static bool check_kind(struct test_state *t, const struct value *result)
{
	switch (t->state->type) {
	case STATE_MAP:
		/* With a ResultWriter it is the place of the results. */
		if (value_getz(t->object, "ResultWriter"))
			return value_is(result, VALUE_OBJECT) || refuse(t, "Mocked result must be a JSON object.");
		return value_is(result, VALUE_ARRAY) || refuse(t, "Mocked result must be an array.");
	case STATE_PARALLEL:
		return value_is(result, VALUE_ARRAY) || refuse(t, "Mocked result must be an array.");
	case STATE_TASK:
		return test_state_check_shape(t, result);
	case STATE_PASS:
	case STATE_CHOICE:
	case STATE_WAIT:
	case STATE_SUCCEED:
	case STATE_FAIL:
		break;
	}
	return true;
}

bool test_state_read_mock(struct test_state *t)
{
	if (!t->mock)
		return true;
	t->test.mock = &t->answer;
	if (!t->has_result)
		return true;
	t->answer.result = test_state_parse(t, t->result_text);
	if (!t->answer.result)
		return refuse(t, "Mocked result must be valid JSON");
	return check_kind(t, t->answer.result);
}

/* Only an array of JSON is read as a reader would. Of anything else the mocked results say how many items there are. */
const struct value *test_state_items(struct test_state *t)
{
	if (t->state->type != STATE_MAP || !value_getz(t->object, "ItemReader"))
		return NULL;
	const struct value *items = t->reader_data.ptr ? test_state_parse(t, t->reader_data) : NULL;
	if (items && value_is(items, VALUE_ARRAY))
		return items;
	if (t->answer.result && value_is(t->answer.result, VALUE_ARRAY))
		return t->answer.result;
	t->failed_iterations = 0; /* of how many, nobody knows */
	return test_state_keep(t, value_new_array(0));
}
