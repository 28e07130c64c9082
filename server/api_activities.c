/* api_activities.c: operations on activities, and the long poll of their workers. */
#include "server/api.h"

static void put_activity(struct buffer *out, const struct activity_info *activity, bool named)
{
	api_put_text(out, "activityArn", activity->arn);
	if (named)
		api_put_text(out, "name", activity->name);
	api_put_time(out, "creationDate", activity->created_ms);
}

static void created(void *data, const struct engine_error *error, const struct activity_info *activity)
{
	struct api_call *call = data;
	if (error->code) {
		api_refuse_engine(call, error);
		return;
	}
	buffer_byte(&call->body, '{');
	put_activity(&call->body, activity, false);
	buffer_byte(&call->body, '}');
	api_answer(call);
}

void api_create_activity(struct api_call *call)
{
	if (!api_check_tags(call) || !api_check_configurations(call))
		return;
	engine_create_activity(call->engine, api_text(call, "name"), api_member_value(call, "encryptionConfiguration"),
			       api_member_value(call, "tags"), created, call);
}

void api_describe_activity(struct api_call *call)
{
	struct engine_error error;
	const struct activity_info *activity = engine_find_activity(call->engine, api_text(call, "activityArn"), &call->arena, &error);
	struct buffer *out = &call->body;
	if (!activity) {
		api_refuse_engine(call, &error);
		return;
	}
	buffer_byte(out, '{');
	put_activity(out, activity, true);
	api_put_encryption(out, activity->encryption);
	buffer_byte(out, '}');
	api_answer(call);
}

void api_list_activities(struct api_call *call)
{
	const struct activity_info *activities[1001];
	int64_t wanted = api_number(call, "maxResults", 0);
	uint32_t page = wanted ? (uint32_t)wanted : 100;
	/* The token is the last name of the page before; one more than the page tells whether there is a next. */
	uint32_t count = engine_list_activities(call->engine, api_text(call, "nextToken"), activities, page + 1);
	struct buffer *out = &call->body;
	buffer_addz(out, "{\"activities\":[");
	for (uint32_t i = 0; i < count && i < page; i++) {
		buffer_addz(out, i ? ",{" : "{");
		put_activity(out, activities[i], true);
		buffer_byte(out, '}');
	}
	buffer_byte(out, ']');
	if (count > page)
		api_put_text(out, "nextToken", activities[page - 1]->name);
	buffer_byte(out, '}');
	api_answer(call);
}

static void deleted(void *data, const struct engine_error *error)
{
	struct api_call *call = data;
	if (error->code)
		api_refuse_engine(call, error);
	else
		api_answer(call);
}

void api_delete_activity(struct api_call *call)
{
	engine_delete_activity(call->engine, api_text(call, "activityArn"), deleted, call);
}

/* ---- workers ------------------------------------------------------------------------------------ */

static bool worker_gone(void *data)
{
	struct api_call *call = data;
	return call->gone && call->gone(call);
}

static void given(void *data, const struct engine_error *error, struct str token, struct str input)
{
	struct api_call *call = data;
	if (error->code) {
		api_refuse_engine(call, error);
		return;
	}
	buffer_byte(&call->body, '{');
	if (token.len) {
		api_put_text(&call->body, "taskToken", token);
		api_put_text(&call->body, "input", input);
	}
	buffer_byte(&call->body, '}');
	api_answer(call);
}

void api_get_activity_task(struct api_call *call)
{
	engine_get_activity_task(call->engine, api_text(call, "activityArn"), api_text(call, "workerName"), worker_gone, given, call);
}
