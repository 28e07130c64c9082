/* api_tags.c: tags of state machines and activities. The table does not know what stands inside lists: that is checked here. */
#include "base/mem.h"
#include "server/api.h"
#include <stdio.h>

/* ---- checks ------------------------------------------------------------------------------------ */

static bool refuse_member(struct api_call *call, const char *where, const char *constraint)
{
	api_refuse(call, "ValidationException", "1 validation error detected: Value at '%s' failed to satisfy constraint: %s", where, constraint);
	return false;
}

static bool check_text(struct api_call *call, const struct value *value, const char *where, size_t least, size_t most)
{
	if (!value || !value_is(value, VALUE_STRING))
		return refuse_member(call, where, value ? "Member must be a string" : "Member must not be null");
	size_t length = 0;
	struct str text = value_string(value);
	for (size_t i = 0; i < text.len; i++)
		length += (text.ptr[i] & 0xc0) != 0x80;
	if (length < least)
		return refuse_member(call, where, "Member must have length greater than or equal to 1");
	return length <= most || refuse_member(call, where, most == 128 ? "Member must have length less than or equal to 128" :
									 "Member must have length less than or equal to 256");
}

bool api_check_tags(struct api_call *call)
{
	const struct value *tags = api_member_value(call, "tags");
	char where[64];
	for (size_t i = 0; tags && i < value_count(tags); i++) {
		const struct value *tag = value_at(tags, i);
		snprintf(where, sizeof where, "tags.%zu.member.key", i + 1);
		if (!check_text(call, value_getz(tag, "key"), where, 1, 128))
			return false;
		snprintf(where, sizeof where, "tags.%zu.member.value", i + 1);
		if (value_getz(tag, "value") && !check_text(call, value_getz(tag, "value"), where, 0, 256))
			return false;
	}
	return true;
}

/* ---- operations ------------------------------------------------------------------------------------ */

static void changed(void *data, const struct engine_error *error)
{
	struct api_call *call = data;
	if (error->code)
		api_refuse_engine(call, error);
	else
		api_answer(call);
}

void api_tag_resource(struct api_call *call)
{
	if (api_check_tags(call))
		engine_tag(call->engine, api_text(call, "resourceArn"), api_member_value(call, "tags"), changed, call);
}

void api_untag_resource(struct api_call *call)
{
	const struct value *keys = api_member_value(call, "tagKeys");
	char where[64];
	for (size_t i = 0; i < value_count(keys); i++) {
		snprintf(where, sizeof where, "tagKeys.%zu.member", i + 1);
		if (!check_text(call, value_at(keys, i), where, 1, 128))
			return;
	}
	engine_untag(call->engine, api_text(call, "resourceArn"), keys, changed, call);
}

void api_list_tags_for_resource(struct api_call *call)
{
	struct engine_error error;
	const struct value *tags = NULL;
	if (!engine_tags(call->engine, api_text(call, "resourceArn"), &call->arena, &tags, &error)) {
		api_refuse_engine(call, &error);
		return;
	}
	buffer_byte(&call->body, '{');
	api_put_json(&call->body, "tags", tags ? value_text(tags) : STR("[]"));
	buffer_byte(&call->body, '}');
	api_answer(call);
}
