/* context.c: the context object (`$$`, $states.context), made when an expression first asks for it and kept for the
 * next in the same place. */
#include "base/mem.h"
#include "base/timestamp.h"
#include "engine/core/step.h"

static void set_string(struct value *object, const char *key, struct str text)
{
	value_object_take(object, str_of(key), value_from_string(text));
}

static void set_time(struct value *object, const char *key, int64_t ms)
{
	char text[TIMESTAMP_TEXT_MAX];
	value_object_setz(object, key, timestamp_format(ms, text));
}

static struct value *about_execution(const struct core_step *step)
{
	const struct core_env *env = step->env;
	struct value *object = value_new_object(6);
	set_string(object, "Id", env->execution_arn);
	value_object_set(object, STR("Input"), step->execution->input);
	set_time(object, "StartTime", step->execution->start_ms);
	set_string(object, "Name", env->execution_name);
	set_string(object, "RoleArn", env->role_arn);
	if (step->execution->redrives)
		set_time(object, "RedriveTime", step->execution->redriven_ms);
	if (!step->env->synchronous)
		value_object_take(object, STR("RedriveCount"), value_from_int((int64_t)step->execution->redrives));
	return object;
}

static struct value *about_machine(const struct core_step *step)
{
	struct value *object = value_new_object(2);
	set_string(object, "Id", step->env->state_machine_arn);
	set_string(object, "Name", step->env->state_machine_name);
	return object;
}

static struct value *about_state(struct core_step *step, struct frame *frame)
{
	struct value *object = value_new_object(3);
	set_string(object, "Name", kept_text_str(&frame->state));
	set_time(object, "EnteredTime", frame->entered_ms);
	const struct state *state = frame_state(step, frame);
	if (state && (state->type == STATE_TASK || state->type == STATE_PARALLEL || state->type == STATE_MAP))
		value_object_take(object, STR("RetryCount"), value_from_int(frame->retries));
	return object;
}

/* The item: that of the frame's own Map which is about to begin, or of the nearest iteration around it. */
static struct value *about_item(const struct frame *frame, uint64_t item)
{
	const struct frame *map = item == NO_ITEM ? NULL : frame;
	for (; !map && frame->parent; frame = frame->parent)
		if (frame->parent->fan && frame->parent->fan->map) {
			map = frame->parent;
			item = frame->index;
		}
	if (!map || !map->fan)
		return NULL;
	struct value *inner = value_new_object(2), *outer = value_new_object(1);
	value_object_take(inner, STR("Index"), value_from_int((int64_t)item));
	value_object_set(inner, STR("Value"), value_at(map->fan->items, item));
	value_object_take(outer, STR("Item"), inner);
	return outer;
}

static struct value *about_task(const struct core_step *step)
{
	struct buffer token = { 0 };
	struct value *object = value_new_object(1);
	step->env->task_token(step->env->data, step->execution->next_id, &token);
	set_string(object, "Token", buffer_str(&token));
	buffer_done(&token);
	return object;
}

const struct value *context_object(struct core_step *step, struct frame *frame, uint64_t item, bool token)
{
	if (step->env->test)
		return test_context(step, item);
	token = token && step->env->task_token;
	if (step->context && step->context_frame == frame && step->context_entered_id == frame->entered_id &&
	    step->context_item == item && step->context_retries == frame->retries && step->context_token == token)
		return step->context;

	struct value *object = value_new_object(5);
	value_object_take(object, STR("Execution"), about_execution(step));
	value_object_take(object, STR("StateMachine"), about_machine(step));
	value_object_take(object, STR("State"), about_state(step, frame));
	if (token)
		value_object_take(object, STR("Task"), about_task(step));
	struct value *map = about_item(frame, item);
	if (map)
		value_object_take(object, STR("Map"), map);

	step->context = step_keep(step, object);
	step->context_frame = frame;
	step->context_entered_id = frame->entered_id;
	step->context_item = item;
	step->context_retries = frame->retries;
	step->context_token = token;
	return object;
}
