/* context.c: the context object that the state sees: the one in the request, checked, or one as an execution of its own
 * would have. */
#include "base/random.h"
#include "base/timestamp.h"
#include "server/test_state/test_state.h"

/* ---- given ------------------------------------------------------------------------------------------------ */

/* What may stand in it. Deeper places (Map's Item) are rows of their own: `parent` names where. */
static const struct {
	const char *parent, *name;
	enum value_kind kind;
	bool any;
} fields[] = {
	{ "", "Execution", VALUE_OBJECT },
	{ "", "State", VALUE_OBJECT },
	{ "", "StateMachine", VALUE_OBJECT },
	{ "", "Task", VALUE_OBJECT },
	{ "", "Map", VALUE_OBJECT },
	{ "Execution", "Id", VALUE_STRING },
	{ "Execution", "Input", VALUE_OBJECT, .any = true },
	{ "Execution", "Name", VALUE_STRING },
	{ "Execution", "RoleArn", VALUE_STRING },
	{ "Execution", "StartTime", VALUE_STRING },
	{ "Execution", "RedriveCount", VALUE_NUMBER },
	{ "Execution", "RedriveTime", VALUE_STRING },
	{ "State", "EnteredTime", VALUE_STRING },
	{ "State", "Name", VALUE_STRING },
	{ "State", "RetryCount", VALUE_NUMBER },
	{ "StateMachine", "Id", VALUE_STRING },
	{ "StateMachine", "Name", VALUE_STRING },
	{ "Task", "Token", VALUE_STRING },
	{ "Map", "Item", VALUE_OBJECT },
	{ "Map.Item", "Index", VALUE_NUMBER },
	{ "Map.Item", "Value", VALUE_OBJECT, .any = true },
	{ "Map.Item", "Key", VALUE_STRING },
	{ "Map.Item", "Source", VALUE_STRING },
};

static const char *const kind_words[] = {
	[VALUE_NULL] = "null",       [VALUE_BOOL] = "a boolean", [VALUE_NUMBER] = "a number",
	[VALUE_STRING] = "a string", [VALUE_ARRAY] = "an array", [VALUE_OBJECT] = "an object",
};

static bool refuse_field(struct test_state *t, struct str key)
{
	api_refuse(t->call, "ValidationException", "Invalid Context object provided: Field '%.*s' is not allowed",
		   STR_FMT(str_sub(key, 0, 256)));
	return false;
}

/* Goes as deep as the table does. */
static bool check_object(struct test_state *t, const char *path, const struct value *object)
{
	for (size_t i = 0; i < value_count(object); i++) {
		struct str key = value_key_at(object, i);
		const struct value *value = value_at(object, i);
		unsigned row = 0, rows = sizeof fields / sizeof *fields;
		while (row < rows && !(strcmp(fields[row].parent, path) == 0 && str_eqz(key, fields[row].name)))
			row++;
		if (row == rows)
			return refuse_field(t, key);
		if (fields[row].any)
			continue;
		char *place = arena_printf(&t->call->arena, "%s%s%s", path, path[0] ? "." : "", fields[row].name);
		if (!value_is(value, fields[row].kind)) {
			api_refuse(t->call, "ValidationException", "Invalid Context object provided: %s must be %s",
				   place, kind_words[fields[row].kind]);
			return false;
		}
		if (value_is(value, VALUE_OBJECT) && !check_object(t, place, value))
			return false;
	}
	return true;
}

static bool read_given(struct test_state *t)
{
	const struct value *context = test_state_parse(t, api_text(t->call, "context"));
	t->test.context = context;
	if (context && value_is(context, VALUE_OBJECT))
		return check_object(t, "", context);
	api_refuse(t->call, "ValidationException",
		   "Invalid Context object provided: Context must be a valid JSON object");
	return false;
}

/* ---- made --------------------------------------------------------------------------------------------------- */

static void set_text(struct value *object, const char *key, struct str text)
{
	value_object_take(object, str_of(key), value_from_string(text));
}

static struct value *about_execution(struct test_state *t, const char *machine, const char *name, const char *time)
{
	struct arena *arena = &t->call->arena;
	const struct engine *engine = t->call->engine;
	struct value *object = value_new_object(5);
	set_text(object, "Id",
		 arena_format(arena, "arn:aws:states:%s:%s:express:%s:%s", engine_region(engine),
			      engine_account(engine), machine, name));
	value_object_set(object, STR("Input"), t->input);
	set_text(object, "StartTime", str_of(time));
	set_text(object, "Name", str_of(name));
	if (api_has(t->call, "roleArn"))
		set_text(object, "RoleArn", api_text(t->call, "roleArn"));
	else
		value_object_take(object, STR("RoleArn"), value_new_null());
	return object;
}

static struct value *about_machine(struct test_state *t, const char *machine)
{
	const struct engine *engine = t->call->engine;
	struct value *object = value_new_object(2);
	set_text(object, "Id",
		 arena_format(&t->call->arena, "arn:aws:states:%s:%s:stateMachine:%s", engine_region(engine),
			      engine_account(engine), machine));
	set_text(object, "Name", str_of(machine));
	return object;
}

static struct value *about_state(const struct test_state *t, const char *time)
{
	enum state_type type = t->state->type;
	struct value *object = value_new_object(3);
	set_text(object, "Name", STR(TEST_STATE_NAME));
	set_text(object, "EnteredTime", str_of(time));
	if (type == STATE_TASK || type == STATE_PARALLEL || type == STATE_MAP)
		value_object_take(object, STR("RetryCount"), value_from_int(t->retries > 0 ? t->retries : 0));
	return object;
}

/* Nobody will answer the token: it only has to be there. */
static struct value *about_task(struct random *random)
{
	char token[37];
	struct value *object = value_new_object(1);
	random_uuid(random, token);
	set_text(object, "Token", str_of(token));
	return object;
}

static void make(struct test_state *t)
{
	struct random random;
	uint64_t seed;
	char machine[37], name[37], time[TIMESTAMP_TEXT_MAX];
	random_secure(&seed, sizeof seed);
	random_seed(&random, seed);
	random_uuid(&random, machine);
	random_uuid(&random, name);
	timestamp_format(t->env.now_ms, time);

	struct value *context = value_new_object(4);
	value_object_take(context, STR("Execution"), about_execution(t, machine, name, time));
	value_object_take(context, STR("StateMachine"), about_machine(t, machine));
	value_object_take(context, STR("State"), about_state(t, time));
	if (t->state->type == STATE_TASK && t->state->task.resource.pattern == PATTERN_WAIT_FOR_TASK_TOKEN)
		value_object_take(context, STR("Task"), about_task(&random));
	t->test.context = test_state_keep(t, context);
}

bool test_state_read_context(struct test_state *t)
{
	if (api_has(t->call, "context"))
		return read_given(t);
	make(t);
	return true;
}
