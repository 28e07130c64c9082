/* activities.c: tasks that workers fetch (GetActivityTask), and the activities themselves.
 *
 *     scheduled ─► a row, in the batch of its step ─► committed: queued here ─► a worker polls ─► INPUT_TASK_STARTED for its execution
 *                                                         └─ cancelled: gone         └─ accepted and committed: token and input leave; the row goes
 *
 * A queued task is a row of the store, so the queue is there again after a restart, in its order, without loading an execution. A row is
 * written and deleted in the batch of the step that it belongs to; the queue in memory follows when that is committed. A task that a worker was
 * given is off the queue; if the core refuses the start, because the task timed out meanwhile, the worker goes on waiting in its old place. */
#include "engine/runtime.h"
#include "engine/token.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define ACTIVITY_VERSION 1
#define TASK_VERSION 1
#define POLL_MS 60000

struct activity_task {
	struct task_key key;
	struct activity *activity;
	int64_t scheduled_ms;
	struct activity_task *next, *previous;
};

/* A worker that waits. Lives in its request's arena. */
struct activity_poll {
	struct request *request;
	struct activity *activity;
	struct str worker;
	int64_t deadline_ms;
	bool (*gone)(void *data);
	bool given; /* the core has accepted the start */
	struct activity_poll *next, *previous; /* of the activity */
	struct activity_poll *later, *earlier; /* of all */
};

struct activity {
	struct activity_info info;
	struct value *encryption, *tags;
	char *texts;
	bool deleted;
	struct activity_task *tasks_first, *tasks_last;
	struct activity_poll *polls_first, *polls_last;
};

/* ---- the activities ------------------------------------------------------------------------------ */

static struct activity *activity_new(struct engine *engine, struct str name)
{
	struct activity *activity = NEW(struct activity);
	activity->texts = mem_printf("%.*s%carn:aws:states:%s:%s:activity:%.*s", STR_FMT(name), 0, engine->region, engine->account, STR_FMT(name));
	activity->info.name = (struct str){ activity->texts, name.len };
	activity->info.arn = str_of(activity->texts + name.len + 1);
	str_map_put(&engine->activities.by_name, activity->info.name, activity);
	return activity;
}

struct activity *activities_find(struct engine *engine, struct str name)
{
	struct activity *activity = str_map_get(&engine->activities.by_name, name);
	return activity && !activity->deleted ? activity : NULL;
}

struct value **activity_tags(struct activity *activity)
{
	return &activity->tags;
}

bool activities_exists(void *data, struct str text)
{
	const struct resident *resident = data;
	_cleanup_(arena_done) struct arena arena = { 0 };
	struct arn arn;
	if (arn_parse(&arena, text, "activity", &arn))
		return false;
	const struct activity *activity = activities_find(resident->engine, arn.machine);
	return (activity && str_eq(activity->info.arn, text)) || mocks_activity(resident, text);
}

/* The activity of an ARN; NULL with the error. */
static struct activity *ask(struct engine *engine, struct str text, struct arena *arena, struct engine_error *ret_error)
{
	struct arn arn;
	const char *problem = arn_parse(arena, text, "activity", &arn);
	if (problem) {
		*ret_error = (struct engine_error){ ENGINE_INVALID_ARN, arena_format(arena, "Invalid Arn: '%s'", problem) };
		return NULL;
	}
	struct activity *activity = activities_find(engine, arn.machine);
	if (activity && str_eq(activity->info.arn, text))
		return activity;
	*ret_error = (struct engine_error){ ENGINE_ACTIVITY_DOES_NOT_EXIST, arena_format(arena, "Activity Does Not Exist: '%.*s'", STR_FMT(text)) };
	return NULL;
}

const struct activity_info *engine_find_activity(struct engine *engine, struct str arn, struct arena *arena, struct engine_error *ret_error)
{
	struct activity *activity = ask(engine, arn, arena, ret_error);
	if (!activity)
		return NULL;
	activity->info.encryption = activity->encryption;
	return &activity->info;
}

static void unlink_poll(struct engine *engine, struct activity_poll *poll);

static int by_name(const void *a, const void *b)
{
	return str_cmp((*(const struct activity_info *const *)a)->name, (*(const struct activity_info *const *)b)->name);
}

uint32_t engine_list_activities(struct engine *engine, struct str after, const struct activity_info **ret_activities, uint32_t count)
{
	_cleanup_free_ const struct activity_info **found = mem_alloc(sizeof *found * (engine->activities.by_name.count + 1));
	size_t at = 0, total = 0;
	for (struct str_map_entry *entry; (entry = str_map_next(&engine->activities.by_name, &at));) {
		struct activity *activity = entry->value;
		if (!activity->deleted && str_cmp(activity->info.name, after) > 0)
			found[total++] = &activity->info;
	}
	qsort(found, total, sizeof *found, by_name);
	uint32_t given = total < count ? (uint32_t)total : count;
	if (given)
		memcpy(ret_activities, found, given * sizeof *found);
	return given;
}

void activities_put_change(struct engine *engine, struct activity *activity, struct request *request)
{
	struct change *change = NEW(struct change);
	change->activity = activity;
	change->request = request;
	if (request)
		request->carried = true;
	LIST_ADD(&engine->changes, change);
}

static void answer_activity(struct request *request)
{
	struct engine_error error = request_error(request);
	request->done.activity(request->data, &error, request->error ? NULL : &request->activity->info);
}

static bool same_value(const struct value *a, const struct value *b)
{
	return !a || !b ? a == b : value_equal(a, b);
}

void engine_create_activity(struct engine *engine, struct str name, const struct value *encryption, const struct value *tags,
			    engine_activity_fn *done, void *data)
{
	struct request *request = request_new(engine, answer_activity, data);
	request->done.activity = done;
	if (engine->draining) {
		request_refuse(request, ENGINE_UNAVAILABLE, "The server is shutting down");
		return;
	}
	if (!arn_name_valid(name, &engine->limits)) {
		request_fail_name(request, name);
		request_hold(request, 0);
		return;
	}
	struct activity *activity = str_map_get(&engine->activities.by_name, name);
	if (activity && !activity->deleted && !same_value(activity->encryption, encryption)) {
		request_refuse(request, ENGINE_ACTIVITY_ALREADY_EXISTS, "Activity Already Exists: '%.*s'", STR_FMT(activity->info.arn));
		return;
	}
	if (!activity)
		activity = activity_new(engine, name);
	if (activity->deleted || !activity->info.created_ms) {
		activity->deleted = false;
		activity->info.created_ms = engine_now_ms(engine);
		value_unref(activity->encryption);
		value_unref(activity->tags);
		activity->encryption = encryption ? value_ref(encryption) : NULL;
		activity->tags = tags ? value_ref(tags) : NULL;
	}
	request->activity = activity;
	activities_put_change(engine, activity, request);
}

void engine_delete_activity(struct engine *engine, struct str arn, engine_done_fn *done, void *data)
{
	struct request *request = request_new(engine, request_answer_plain, data);
	request->done.plain = done;
	struct engine_error error;
	struct activity *activity = ask(engine, arn, &request->arena, &error);
	if (!activity) {
		if (error.code != ENGINE_ACTIVITY_DOES_NOT_EXIST) {
			request->error = error.code;
			request->message = error.message;
		}
		request_hold(request, 0);
		return;
	}
	activity->deleted = true;
	while (activity->polls_first) {
		struct activity_poll *poll = activity->polls_first;
		unlink_poll(engine, poll);
		request_hold(poll->request, 0);
	}
	activities_put_change(engine, activity, request);
}

/* ---- rows ------------------------------------------------------------------------------------------ */

void activities_write(struct store_batch *batch, struct change *change)
{
	const struct activity *activity = change->activity;
	_cleanup_(buffer_done) struct buffer out = { 0 };
	buffer_byte(&out, ACTIVITY_VERSION);
	buffer_svarint(&out, activity->info.created_ms);
	buffer_blob(&out, activity->encryption ? value_text(activity->encryption) : STR_EMPTY);
	buffer_blob(&out, activity->tags ? value_text(activity->tags) : STR_EMPTY);
	registry_put_item(batch, activity->deleted ? STORE_DELETE_ITEM : STORE_PUT_ITEM, ITEM_ACTIVITY, activity->texts,
			  activity->deleted ? NULL : &out);
}

static void task_row_key(uint64_t execution_id, uint64_t task_id, char ret_key[40])
{
	snprintf(ret_key, 40, "%016" PRIx64 "/%016" PRIx64, execution_id, task_id);
}

static struct str activity_name(struct str arn)
{
	_cleanup_(arena_done) struct arena arena = { 0 };
	struct arn parsed;
	return arn_parse(&arena, arn, "activity", &parsed) ? STR_EMPTY : parsed.machine;
}

void activities_step(struct engine *engine, struct store_batch *batch, struct resident *resident, const struct core_result *result,
		     const struct input *inputs, int64_t now_ms)
{
	char key[40];
	if (!engine->activities.by_name.count)
		return;
	for (uint32_t i = 0; i < result->commands_count; i++) {
		const struct command *command = &result->commands[i];
		task_row_key(resident->id, command->task_id, key);
		if (command->kind == COMMAND_CANCEL_TASK) {
			registry_put_item(batch, STORE_DELETE_ITEM, ITEM_ACTIVITY_TASK, key, NULL); /* most have no row, which is fine */
		} else if (command->resource.kind == RESOURCE_ACTIVITY) {
			_cleanup_(buffer_done) struct buffer out = { 0 };
			buffer_byte(&out, TASK_VERSION);
			buffer_varint(&out, resident->id);
			buffer_varint(&out, command->task_id);
			buffer_svarint(&out, now_ms);
			buffer_blob(&out, activity_name(command->resource.arn));
			registry_put_item(batch, STORE_PUT_ITEM, ITEM_ACTIVITY_TASK, key, &out);
		}
	}
	for (const struct input *input = inputs; input; input = input->next)
		if (input->kind == INPUT_TASK_STARTED && input->request && input->outcome == CORE_ACCEPTED) {
			task_row_key(resident->id, input->task_id, key);
			registry_put_item(batch, STORE_DELETE_ITEM, ITEM_ACTIVITY_TASK, key, NULL);
		}
}

static struct str key_text(const struct task_key *key)
{
	return (struct str){ (const char *)key, sizeof *key };
}

static void add_task(struct engine *engine, struct activity *activity, struct task_key key, int64_t scheduled_ms)
{
	if (str_map_get(&engine->activities.tasks, key_text(&key)))
		return;
	struct activity_task *task = NEW(struct activity_task);
	*task = (struct activity_task){ .key = key, .activity = activity, .scheduled_ms = scheduled_ms, .previous = activity->tasks_last };
	*(activity->tasks_last ? &activity->tasks_last->next : &activity->tasks_first) = task;
	activity->tasks_last = task;
	str_map_put(&engine->activities.tasks, key_text(&task->key), task);
}

static void drop_task(struct engine *engine, struct activity_task *task)
{
	struct activity *activity = task->activity;
	*(task->previous ? &task->previous->next : &activity->tasks_first) = task->next;
	*(task->next ? &task->next->previous : &activity->tasks_last) = task->previous;
	str_map_remove(&engine->activities.tasks, key_text(&task->key));
	free(task);
}

static bool load_activity(struct engine *engine, struct str name, struct reader in)
{
	struct activity *activity = activity_new(engine, name);
	struct str encryption, tags;
	if (!reader_svarint(&in, &activity->info.created_ms) || !reader_blob(&in, &encryption) || !reader_blob(&in, &tags))
		return false;
	activity->encryption = encryption.len ? value_from_trusted_text(encryption) : NULL;
	activity->tags = tags.len ? value_from_trusted_text(tags) : NULL;
	return true;
}

bool activities_load(struct engine *engine, const struct store_item *item)
{
	struct reader in = reader_of(item->bytes);
	uint8_t version;
	if (!reader_byte(&in, &version) || version != ACTIVITY_VERSION)
		return false;
	if (item->kind == ITEM_ACTIVITY)
		return load_activity(engine, item->key, in);
	struct task_key key;
	int64_t scheduled_ms;
	struct str name;
	if (!reader_varint(&in, &key.execution_id) || !reader_varint(&in, &key.event_id) || !reader_svarint(&in, &scheduled_ms) ||
	    !reader_blob(&in, &name))
		return false;
	struct activity *activity = str_map_get(&engine->activities.by_name, name);
	if (!activity) { /* deleted, with tasks in its queue */
		activity = activity_new(engine, name);
		activity->deleted = true;
	}
	add_task(engine, activity, key, scheduled_ms);
	return true;
}

static int by_time(const void *a, const void *b)
{
	const struct activity_task *one = *(struct activity_task *const *)a, *other = *(struct activity_task *const *)b;
	if (one->scheduled_ms != other->scheduled_ms)
		return one->scheduled_ms < other->scheduled_ms ? -1 : 1;
	if (one->key.execution_id != other->key.execution_id)
		return one->key.execution_id < other->key.execution_id ? -1 : 1;
	return one->key.event_id < other->key.event_id ? -1 : one->key.event_id > other->key.event_id;
}

static void sort_tasks(struct activity *activity)
{
	struct activity_task **tasks = NULL;
	size_t count = 0, capacity = 0;
	for (struct activity_task *task = activity->tasks_first; task; task = task->next) {
		MEM_GROW(tasks, capacity, count + 1);
		tasks[count++] = task;
	}
	if (count)
		qsort(tasks, count, sizeof *tasks, by_time);
	activity->tasks_first = activity->tasks_last = NULL;
	for (size_t i = 0; i < count; i++) {
		tasks[i]->next = NULL;
		tasks[i]->previous = activity->tasks_last;
		*(activity->tasks_last ? &activity->tasks_last->next : &activity->tasks_first) = tasks[i];
		activity->tasks_last = tasks[i];
	}
	free(tasks);
}

void activities_loaded(struct engine *engine)
{
	size_t at = 0;
	for (struct str_map_entry *entry; (entry = str_map_next(&engine->activities.by_name, &at));)
		sort_tasks(entry->value);
}

/* ---- workers ------------------------------------------------------------------------------------------- */

static void unlink_poll(struct engine *engine, struct activity_poll *poll)
{
	struct activity *activity = poll->activity;
	struct activities *all = &engine->activities;
	*(poll->previous ? &poll->previous->next : &activity->polls_first) = poll->next;
	*(poll->next ? &poll->next->previous : &activity->polls_last) = poll->previous;
	*(poll->earlier ? &poll->earlier->later : &all->polls_first) = poll->later;
	*(poll->later ? &poll->later->earlier : &all->polls_last) = poll->earlier;
	all->polls_count--;
}

/* In the order of the deadlines; one that comes back goes to its old place. */
static void link_poll(struct engine *engine, struct activity_poll *poll)
{
	struct activity *activity = poll->activity;
	struct activities *all = &engine->activities;
	struct activity_poll *before = activity->polls_last;
	while (before && before->deadline_ms > poll->deadline_ms)
		before = before->previous;
	poll->previous = before;
	poll->next = before ? before->next : activity->polls_first;
	*(before ? &before->next : &activity->polls_first) = poll;
	*(poll->next ? &poll->next->previous : &activity->polls_last) = poll;

	before = all->polls_last;
	while (before && before->deadline_ms > poll->deadline_ms)
		before = before->earlier;
	poll->earlier = before;
	poll->later = before ? before->later : all->polls_first;
	*(before ? &before->later : &all->polls_first) = poll;
	*(poll->later ? &poll->later->earlier : &all->polls_last) = poll;
	all->polls_count++;
}

static void settle_poll(struct request *request, struct resident *resident, enum core_outcome outcome)
{
	request->poll->given = outcome == CORE_ACCEPTED;
	if (outcome != CORE_ACCEPTED)
		return;
	_cleanup_(buffer_done) struct buffer token = { 0 };
	token_make(&resident->engine->key, (struct task_key){ resident->id, request->task_id }, &token);
	request->token = arena_str(&request->arena, buffer_str(&token));
	const struct value *parameters = execution_task_parameters(resident->execution, request->task_id);
	request->input = parameters ? arena_str(&request->arena, value_text(parameters)) : STR("{}");
}

/* The oldest tasks go to the oldest workers. */
static void match(struct engine *engine, struct activity *activity)
{
	const struct str absent = { NULL, 0 };
	while (activity->tasks_first && activity->polls_first) {
		struct activity_poll *poll = activity->polls_first;
		struct request *request = poll->request;
		unlink_poll(engine, poll);
		if (poll->gone && poll->gone(request->data)) {
			request_hold(request, 0); /* nobody hears it */
			continue;
		}
		struct task_key key = activity->tasks_first->key;
		drop_task(engine, activity->tasks_first);
		request->task_id = key.event_id;
		request->settle = settle_poll;
		request->carried = true;
		struct input *input = input_new(INPUT_TASK_STARTED, key.event_id, NULL, poll->worker, absent, absent);
		input->request = request;
		mailbox_put(engine, key.execution_id, input);
	}
}

void activities_queue(struct engine *engine, uint64_t execution_id, const struct command *command)
{
	struct activity *activity = str_map_get(&engine->activities.by_name, activity_name(command->resource.arn));
	if (!activity)
		return; /* none of that name was ever made; the core has let it pass only if there was */
	add_task(engine, activity, (struct task_key){ execution_id, command->task_id }, engine_now_ms(engine));
	match(engine, activity);
}

void activities_cancel(struct engine *engine, uint64_t execution_id, uint64_t task_id)
{
	struct task_key key = { execution_id, task_id };
	struct activity_task *task = str_map_get(&engine->activities.tasks, key_text(&key));
	if (task)
		drop_task(engine, task);
}

static void answer_poll(struct request *request);

static void wait_for_task(struct engine *engine, struct activity *activity, struct str worker, int64_t deadline_ms, bool (*gone)(void *data),
			  engine_activity_task_fn *done, void *data)
{
	struct request *request = request_new(engine, answer_poll, data);
	request->done.activity_task = done;
	struct activity_poll *poll = request->poll = ARENA_NEW(&request->arena, struct activity_poll);
	*poll = (struct activity_poll){ .request = request, .activity = activity, .worker = arena_str(&request->arena, worker),
					.deadline_ms = deadline_ms, .gone = gone };
	request->token = request->input = STR_EMPTY;
	link_poll(engine, poll);
	match(engine, activity);
}

static void answer_poll(struct request *request)
{
	struct activity_poll *poll = request->poll;
	struct engine *engine = request->engine;
	bool lost = request->task_id && (!poll->given || request->error == ENGINE_TASK_DOES_NOT_EXIST);
	if (lost && !engine->draining && !poll->activity->deleted && engine_now_ms(engine) < poll->deadline_ms) {
		wait_for_task(engine, poll->activity, poll->worker, poll->deadline_ms, poll->gone, request->done.activity_task, request->data);
		return;
	}
	struct engine_error error = lost ? (struct engine_error){ .code = ENGINE_OK, .message = STR_EMPTY } : request_error(request);
	request->done.activity_task(request->data, &error, lost ? STR_EMPTY : request->token, lost ? STR_EMPTY : request->input);
}

static void answer_refused(struct request *request)
{
	struct engine_error error = request_error(request);
	request->done.activity_task(request->data, &error, STR_EMPTY, STR_EMPTY);
}

void engine_get_activity_task(struct engine *engine, struct str arn, struct str worker, bool (*gone)(void *data), engine_activity_task_fn *done,
			      void *data)
{
	_cleanup_(arena_done) struct arena arena = { 0 };
	struct engine_error error = { .code = ENGINE_UNAVAILABLE, .message = STR("The server is shutting down") };
	struct activity *activity = engine->draining ? NULL : ask(engine, arn, &arena, &error);
	if (activity) {
		wait_for_task(engine, activity, worker, engine_now_ms(engine) + POLL_MS, gone, done, data);
		return;
	}
	struct request *request = request_new(engine, answer_refused, data);
	request->done.activity_task = done;
	request_refuse(request, error.code, "%.*s", STR_FMT(error.message));
}

void activities_run(struct engine *engine, int64_t now_ms)
{
	for (struct activity_poll *poll; (poll = engine->activities.polls_first) && (engine->draining || poll->deadline_ms <= now_ms);) {
		unlink_poll(engine, poll);
		request_hold(poll->request, 0);
	}
}

int64_t activities_next_ms(const struct engine *engine)
{
	return engine->activities.polls_first ? engine->activities.polls_first->deadline_ms : INT64_MAX;
}

/* ---- life ----------------------------------------------------------------------------------------------- */

void activities_free(struct engine *engine)
{
	size_t at = 0;
	for (struct str_map_entry *entry; (entry = str_map_next(&engine->activities.by_name, &at));) {
		struct activity *activity = entry->value;
		for (struct activity_task *next, *task = activity->tasks_first; task; task = next) {
			next = task->next;
			free(task);
		}
		value_unref(activity->encryption);
		value_unref(activity->tags);
		free(activity->texts);
		free(activity);
	}
	str_map_done(&engine->activities.by_name);
	str_map_done(&engine->activities.tasks);
}
