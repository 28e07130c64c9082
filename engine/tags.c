/* tags.c: tags of state machines and activities: arrays of {key, value}, kept in the order in which the keys came. */
#include "engine/runtime.h"

#define TAGS_MAX 50

/* Where the tags of what an ARN names are kept; NULL with the error. One of *ret_machine and *ret_activity is set. */
static struct value **ask(struct engine *engine, struct str text, struct arena *arena, struct machine **ret_machine, struct activity **ret_activity,
			  struct engine_error *ret_error)
{
	struct arn arn;
	*ret_machine = NULL;
	*ret_activity = NULL;
	bool activity = !arn_parse(arena, text, "activity", &arn);
	const char *problem = activity ? NULL : arn_parse(arena, text, "stateMachine", &arn);
	if (problem) {
		*ret_error = (struct engine_error){ ENGINE_INVALID_ARN, arena_format(arena, "Invalid Arn: '%s'", problem) };
		return NULL;
	}
	struct machine *machine = activity ? NULL : registry_find(engine, arn.machine);
	if (activity && (*ret_activity = activities_find(engine, arn.machine)))
		return activity_tags(*ret_activity);
	if (machine && !machine->deleted && str_eq(machine->info.arn, text)) {
		*ret_machine = machine;
		return &machine->tags;
	}
	*ret_error = (struct engine_error){ ENGINE_RESOURCE_NOT_FOUND, arena_format(arena, "Resource not found: '%.*s'", STR_FMT(text)) };
	return NULL;
}

bool engine_tags(struct engine *engine, struct str arn, struct arena *arena, const struct value **ret_tags, struct engine_error *ret_error)
{
	struct machine *machine;
	struct activity *activity;
	struct value **tags = ask(engine, arn, arena, &machine, &activity, ret_error);
	if (tags)
		*ret_tags = *tags;
	return tags;
}

static struct str key_of(const struct value *tag)
{
	const struct value *key = value_getz(tag, "key");
	return key ? value_string(key) : STR_EMPTY;
}

/* The tag of a key, the last one if there are several. */
static const struct value *find(const struct value *tags, struct str key)
{
	for (size_t i = tags ? value_count(tags) : 0; i--;)
		if (str_eq(key_of(value_at(tags, i)), key))
			return value_at(tags, i);
	return NULL;
}

/* Old ones keep their place and get new values; new ones follow. */
static struct value *merged(const struct value *old, const struct value *added)
{
	struct value *tags = value_new_array(0);
	for (size_t i = 0; old && i < value_count(old); i++) {
		const struct value *newer = find(added, key_of(value_at(old, i)));
		value_array_add(tags, newer ? newer : value_at(old, i));
	}
	for (size_t i = 0; i < value_count(added); i++) {
		const struct value *tag = value_at(added, i);
		if (!find(old, key_of(tag)) && find(added, key_of(tag)) == tag)
			value_array_add(tags, tag);
	}
	return tags;
}

static struct value *without(const struct value *old, const struct value *keys)
{
	struct value *tags = value_new_array(0);
	for (size_t i = 0; old && i < value_count(old); i++) {
		bool kept = true;
		for (size_t k = 0; k < value_count(keys) && kept; k++)
			kept = !str_eq(key_of(value_at(old, i)), value_string(value_at(keys, k)));
		if (kept)
			value_array_add(tags, value_at(old, i));
	}
	return tags;
}

static void change(struct engine *engine, struct str arn, const struct value *given, struct value *(*changed)(const struct value *, const struct value *),
		   engine_done_fn *done, void *data)
{
	struct request *request = request_new(engine, request_answer_plain, data);
	request->done.plain = done;
	struct machine *machine;
	struct activity *activity;
	struct engine_error error;
	struct value **tags = ask(engine, arn, &request->arena, &machine, &activity, &error);
	if (!tags) {
		request->error = error.code;
		request->message = error.message;
		request_hold(request, 0);
		return;
	}
	struct value *now = changed(*tags, given);
	if (value_count(now) > TAGS_MAX) {
		value_unref(now);
		request_refuse(request, ENGINE_TOO_MANY_TAGS, "Too many tags: '%.*s' may have at most %d", STR_FMT(arn), TAGS_MAX);
		return;
	}
	value_unref(*tags);
	*tags = now;
	if (machine)
		registry_put_change(engine, machine, request);
	else
		activities_put_change(engine, activity, request);
}

void engine_tag(struct engine *engine, struct str arn, const struct value *tags, engine_done_fn *done, void *data)
{
	change(engine, arn, tags, merged, done, data);
}

void engine_untag(struct engine *engine, struct str arn, const struct value *keys, engine_done_fn *done, void *data)
{
	change(engine, arn, keys, without, done, data);
}
