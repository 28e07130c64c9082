/* mailbox.c: what waits to be decided: inputs queued at their execution, executions queued for a step.
 *
 * An execution stands in the queue once however many inputs it has: they go into one step. One that is not in memory is
 * loaded first, and joins the queue when it is there. An execution that spent its budget goes to the back, so an
 * endless one starves nobody. */
#include "engine/runtime.h"
#include <stdlib.h>

struct input *input_new(enum core_input_kind kind, uint64_t task_id, const struct value *value, struct str raw,
			struct str error, struct str cause)
{
	struct input *input = mem_zalloc(sizeof *input + raw.len + error.len + cause.len);
	char *at = (char *)(input + 1);
	struct str *fields[3] = { &input->raw, &input->error, &input->cause };
	const struct str texts[3] = { raw, error, cause };
	for (int i = 0; i < 3; i++) {
		if (!texts[i].ptr)
			continue;
		if (texts[i].len)
			memcpy(at, texts[i].ptr, texts[i].len);
		*fields[i] = (struct str){ at, texts[i].len };
		at += texts[i].len;
	}
	input->kind = kind;
	input->task_id = task_id;
	input->value = value ? value_ref(value) : NULL;
	return input;
}

void input_free(struct input *input)
{
	value_unref(input->value);
	value_unref(input->variables);
	free(input);
}

void mailbox_ready(struct engine *engine, struct resident *resident)
{
	if (resident->ready || resident->state == RESIDENT_LOADING || !resident->inputs.first)
		return;
	resident->ready = true;
	LIST_ADD(&engine->ready, resident);
	engine->ready_count++;
}

void mailbox_put_resident(struct engine *engine, struct resident *resident, struct input *input)
{
	input->resident = resident;
	LIST_ADD(&resident->inputs, input);
	resident->inputs_count++;
	engine->inputs_queued++;
	mailbox_ready(engine, resident);
}

void mailbox_put(struct engine *engine, uint64_t execution_id, struct input *input)
{
	mailbox_put_resident(engine, cache_get(engine, execution_id), input);
}

void mailbox_put_back(struct engine *engine, struct resident *resident, struct input *input)
{
	input->next = resident->inputs.first;
	resident->inputs.first = input;
	if (!input->next)
		resident->inputs.tail = &input->next;
	resident->inputs_count++;
	engine->inputs_queued++;
	mailbox_ready(engine, resident);
}

static struct input *bare_input(enum core_input_kind kind)
{
	const struct str absent = { NULL, 0 };
	return input_new(kind, 0, NULL, absent, absent, absent);
}

void mailbox_wake(struct engine *engine, uint64_t execution_id)
{
	struct resident *resident = cache_get(engine, execution_id);
	if (resident->wake_queued)
		return;
	resident->wake_queued = true;
	mailbox_put_resident(engine, resident, bare_input(INPUT_WAKE));
}

void mailbox_continue(struct engine *engine, struct resident *resident)
{
	if (resident->continue_queued)
		return;
	resident->continue_queued = true;
	mailbox_put_resident(engine, resident, bare_input(INPUT_CONTINUE));
}

bool mailbox_has_ready(const struct engine *engine)
{
	return engine->ready.first;
}

struct resident *mailbox_take(struct engine *engine)
{
	struct resident *resident = LIST_TAKE(&engine->ready);
	if (resident) {
		resident->ready = false;
		engine->ready_count--;
	}
	return resident;
}

bool mailbox_full(const struct engine *engine)
{
	return engine->inputs_queued >= (uint64_t)engine->limits.input_queue;
}

void mailbox_forget(struct engine *engine, struct resident *resident)
{
	if (!resident->ready)
		return;
	LIST(struct resident) others;
	LIST_INIT(&others);
	for (struct resident *other; (other = LIST_TAKE(&engine->ready));)
		if (other != resident)
			LIST_ADD(&others, other);
	for (struct resident *other; (other = LIST_TAKE(&others));)
		LIST_ADD(&engine->ready, other);
	resident->ready = false;
	engine->ready_count--;
}
