/* harness.c: see harness.h. */
#include "tests/engine/harness.h"
#include "base/mem.h"
#include "engine/check.h"
#include "state-store/backend.h"
#include "tests/store/power_vfs.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE_MS 900 /* how long a thread may keep everybody waiting before time moves on without it */

char harness_last_token[256];

/* ---- the loop --------------------------------------------------------------------------- */

static struct virtual_loop *of(struct loop *loop)
{
	return (struct virtual_loop *)loop;
}

static void no_watch(struct loop *loop, struct loop_watch *watch, int fd, unsigned events)
{
	fail_msg("nothing here watches descriptors");
}

static void no_unwatch(struct loop *loop, struct loop_watch *watch) {}

static void timer_clear(struct loop *loop, struct loop_timer *timer)
{
	struct virtual_loop *self = of(loop);
	for (size_t i = 0; timer->active && i < self->timers_count; i++)
		if (self->timers[i] == timer) {
			memmove(&self->timers[i], &self->timers[i + 1],
				(--self->timers_count - i) * sizeof *self->timers);
			break;
		}
	timer->active = false;
}

static int64_t time_of(const struct loop_timer *timer)
{
	return (int64_t)(intptr_t)timer->impl;
}

static void timer_set(struct loop *loop, struct loop_timer *timer, int64_t delay_ms)
{
	struct virtual_loop *self = of(loop);
	timer_clear(loop, timer);
	timer->impl = (void *)(intptr_t)(self->clock.now_ms + (delay_ms > 0 ? delay_ms : 0));
	timer->active = true;
	MEM_GROW(self->timers, self->timers_capacity, self->timers_count + 1);
	self->timers[self->timers_count++] = timer;
}

static void post(struct loop *loop, struct loop_post *item)
{
	struct virtual_loop *self = of(loop);
	item->next = NULL;
	pthread_mutex_lock(&self->mutex);
	*self->posts_tail = item;
	self->posts_tail = &item->next;
	pthread_cond_signal(&self->posted);
	pthread_mutex_unlock(&self->mutex);
}

static void set_turn(struct loop *loop, bool (*callback)(void *data), void *data)
{
	of(loop)->turn = callback;
	of(loop)->turn_data = data;
}

static bool run_posts(struct virtual_loop *self)
{
	pthread_mutex_lock(&self->mutex);
	struct loop_post *item = self->posts;
	self->posts = NULL;
	self->posts_tail = &self->posts;
	pthread_mutex_unlock(&self->mutex);
	bool any = item;
	while (item) {
		struct loop_post *next = item->next;
		item->callback(item);
		item = next;
	}
	return any;
}

static struct loop_timer *next_timer(const struct virtual_loop *self)
{
	struct loop_timer *next = NULL;
	for (size_t i = 0; i < self->timers_count; i++)
		if (!next || time_of(self->timers[i]) < time_of(next))
			next = self->timers[i];
	return next;
}

static bool run_timers(struct virtual_loop *self)
{
	bool any = false;
	for (struct loop_timer *timer; (timer = next_timer(self)) && time_of(timer) <= self->clock.now_ms; any = true) {
		timer_clear(&self->loop, timer);
		timer->callback(timer);
		if (any)
			break; /* one that arms itself again must not keep us here */
	}
	return any;
}

/* Whether a thread of the store has yet to answer. */
static bool store_busy(const struct harness *harness)
{
	return harness->inner->batches_waiting || harness->inner->requests_waiting;
}

/* Waits for a post of a thread; false if none comes. */
static bool wait_for_post(struct virtual_loop *self)
{
	struct timespec until;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += PATIENCE_MS * 1000000L;
	until.tv_sec += until.tv_nsec / 1000000000L;
	until.tv_nsec %= 1000000000L;
	pthread_mutex_lock(&self->mutex);
	while (!self->posts && pthread_cond_timedwait(&self->posted, &self->mutex, &until) == 0)
		;
	bool any = self->posts;
	pthread_mutex_unlock(&self->mutex);
	return any;
}

static bool has_posts(struct virtual_loop *self)
{
	pthread_mutex_lock(&self->mutex);
	bool any = self->posts;
	pthread_mutex_unlock(&self->mutex);
	return any;
}

bool harness_iterate(struct harness *harness, bool may_sleep)
{
	struct virtual_loop *self = &harness->loop;
	while (harness->in_step && (store_busy(harness) ? wait_for_post(self) : faulty_next(harness->store)))
		run_posts(self);
	bool any = run_posts(self);
	any |= run_timers(self);
	bool more = self->turn && self->turn(self->turn_data);
	if (any || more || has_posts(self))
		return true;
	if (store_busy(harness) && wait_for_post(self))
		return true;
	struct loop_timer *timer = next_timer(self);
	if (!may_sleep || !timer)
		return false;
	if (time_of(timer) > self->clock.now_ms)
		self->clock.now_ms = time_of(timer);
	return true;
}

void harness_until(struct harness *harness, const bool *flag)
{
	for (unsigned i = 0; !*flag; i++) {
		if (harness->fatal)
			fail_msg("the engine halted: %s", harness->fatal);
		if (!harness_iterate(harness, true) && !*flag)
			fail_msg("nothing more can happen");
		if (i > 2000000)
			fail_msg("it takes too long");
	}
}

void harness_run_for(struct harness *harness, int64_t ms)
{
	struct virtual_loop *self = &harness->loop;
	int64_t until_ms = self->clock.now_ms + ms;
	for (unsigned i = 0; i < 2000000; i++) {
		if (harness_iterate(harness, false))
			continue;
		struct loop_timer *timer = next_timer(self);
		if (!timer || time_of(timer) > until_ms)
			break;
		if (time_of(timer) > self->clock.now_ms)
			self->clock.now_ms = time_of(timer);
	}
	if (self->clock.now_ms < until_ms)
		self->clock.now_ms = until_ms;
}

/* ---- the connector -------------------------------------------------------------------------- */

struct scripted_task {
	struct scripted_task *next;
	struct scripted *scripted;
	struct task_key key;
	struct loop_timer timer;
	char *name;
	struct value *parameters;
	uint32_t attempt;
};

static bool scripted_accepts(const struct connector *connector, struct str type, struct str api)
{
	return str_eqz(type, "test");
}

static void drop(struct scripted *scripted, struct scripted_task *task)
{
	for (struct scripted_task **at = &scripted->tasks; *at; at = &(*at)->next)
		if (*at == task) {
			*at = task->next;
			break;
		}
	scripted->running_now--;
	loop_timer_clear(&scripted->harness->loop.loop, &task->timer);
	value_unref(task->parameters);
	free(task->name);
	free(task);
}

static void task_over(struct loop_timer *timer)
{
	struct scripted_task *task = timer->data;
	struct scripted *scripted = task->scripted;
	struct connector_host *host = scripted->connector.host;
	struct task_result result = { .end = TASK_SUCCEEDED, .output = task->parameters };
	bool fails = strcmp(task->name, "fail") == 0 || (strcmp(task->name, "flaky") == 0 && task->attempt < 2);
	if (fails)
		result = (struct task_result){ .end = TASK_FAILED,
					       .error = STR("Test.Failed"),
					       .cause = STR("as it was told") };
	host->finished(host, task->key, &result);
	drop(scripted, task);
}

/* echo: its parameters, at once. slow: the same after ten seconds. never. fail. flaky: fails twice. beat: a heartbeat
 * each second for 20 seconds, then as echo. refuse: cannot be started. log: prints two lines, then as echo. */
static void beat(struct loop_timer *timer)
{
	struct scripted_task *task = timer->data;
	struct connector_host *host = task->scripted->connector.host;
	host->heartbeat(host, task->key);
	if (++task->attempt >= 20)
		timer->callback = task_over;
	loop_timer_set(&task->scripted->harness->loop.loop, timer, 1000);
}

static int scripted_start(struct connector *connector, const struct task_request *request, struct wf_error *err)
{
	struct scripted *scripted = (struct scripted *)connector;
	buffer_printf(&scripted->trail, "start %.*s@%llx/%llu;", STR_FMT(request->api),
		      (unsigned long long)request->key.execution_id, (unsigned long long)request->key.event_id);
	scripted->starts++;
	scripted->last_event_id = request->key.event_id;
	if (str_eqz(request->api, "refuse"))
		return error_set(err, ERR(INVALID), "told to refuse");
	struct scripted_task *task = NEW(struct scripted_task);
	*task = (struct scripted_task){ .next = scripted->tasks,
					.scripted = scripted,
					.key = request->key,
					.name = mem_strndup(request->api.ptr, request->api.len),
					.parameters = value_ref(request->parameters),
					.attempt = request->attempt };
	task->timer = (struct loop_timer){ .callback = task_over, .data = task };
	scripted->tasks = task;
	if (++scripted->running_now > scripted->running_max)
		scripted->running_max = scripted->running_now;
	const struct value *token = value_getz(request->parameters, "token");
	if (token)
		snprintf(harness_last_token, sizeof harness_last_token, "%.*s", STR_FMT(value_string(token)));
	struct loop *loop = &scripted->harness->loop.loop;
	if (strcmp(task->name, "beat") == 0) {
		task->timer.callback = beat;
		task->attempt = 0;
		loop_timer_set(loop, &task->timer, 1000);
	} else if (strcmp(task->name, "never") != 0) {
		loop_timer_set(loop, &task->timer, strcmp(task->name, "slow") == 0 ? 10000 : 0);
	}
	if (strcmp(task->name, "log") == 0) {
		connector->host->log(connector->host, request->key, STR("one"));
		connector->host->log(connector->host, request->key, STR("two"));
	}
	return 0;
}

static void scripted_cancel(struct connector *connector, struct task_key key)
{
	struct scripted *scripted = (struct scripted *)connector;
	for (struct scripted_task *task = scripted->tasks; task; task = task->next)
		if (task->key.execution_id == key.execution_id && task->key.event_id == key.event_id) {
			scripted->cancels++;
			buffer_printf(&scripted->trail, "cancel %s;", task->name);
			drop(scripted, task);
			return;
		}
}

static uint32_t scripted_running(const struct connector *connector)
{
	return ((const struct scripted *)connector)->running_now;
}

static void scripted_free(struct connector *connector)
{
	struct scripted *scripted = (struct scripted *)connector;
	while (scripted->tasks)
		drop(scripted, scripted->tasks);
	buffer_done(&scripted->trail);
	free(scripted);
}

static const struct connector_class scripted_class = { "test",          scripted_accepts, scripted_start,
						       scripted_cancel, scripted_running, scripted_free };

/* ---- all together ------------------------------------------------------------------------------ */

static enum fault decide(void *data, const struct store_batch *batch)
{
	struct harness *harness = data;
	uint32_t number = harness->batches_seen++;
	if (number >= harness->fault_at && number - harness->fault_at < harness->fault_count)
		return harness->fault;
	return harness->delay_all ? FAULT_DELAY : FAULT_NONE;
}

void harness_fault(struct harness *harness, enum fault fault, uint32_t at, uint32_t count)
{
	harness->fault = fault;
	harness->fault_at = at;
	harness->fault_count = count;
	harness->batches_seen = 0;
}

static void on_fatal(void *data, const char *reason)
{
	struct harness *harness = data;
	free(harness->fatal);
	harness->fatal = mem_strdup(reason);
}

static bool try_open_store(struct harness *harness, struct wf_error *err)
{
	struct store_options options = { .durability = harness->vfs ? STORE_FULL : STORE_RELAXED,
					.vfs = harness->vfs };
	/* In step, each batch is a transaction of its own: how many wait together depends on threads. */
	if (harness->power)
		options = (struct store_options){ .vfs = "ratchet-power", .batch_bytes_max = harness->in_step };
	if (store_open(harness->url, &options, &harness->loop.loop, &harness->inner, err) < 0)
		return false;
	harness->store = faulty_store_new(harness->inner, &harness->loop.loop);
	faulty_set(harness->store, decide, harness);
	faulty_fail_reads(harness->store, harness->reads_fail);
	faulty_pass_reads(harness->store, harness->reads_pass);
	if (harness->in_step)
		faulty_set_in_step(harness->store);
	return true;
}

static void open_store(struct harness *harness)
{
	struct wf_error err = { 0 };
	if (!try_open_store(harness, &err))
		fail_msg("%s: %s", harness->url, err.message);
}

static void make_engine(struct harness *harness)
{
	struct engine_options options = { .loop = &harness->loop.loop,
					  .clock = &harness->loop.clock.source,
					  .store = harness->store,
					  .limits = harness->limits,
					  .seed = ++harness->seed,
					  .fatal = on_fatal,
					  .fatal_data = harness,
					  .work_root = harness->work_root,
					  .crash_notes = harness->crash_notes };
	struct wf_error err = { 0 };
	if (engine_new(&options, &harness->engine, &err) < 0)
		fail_msg("%s", err.message);
	struct scripted *scripted = NEW(struct scripted);
	*scripted =
	    (struct scripted){ .connector = { &scripted_class, engine_host(harness->engine) }, .harness = harness };
	harness->scripted = scripted;
	engine_add_connector(harness->engine, &scripted->connector);
	engine_recover(harness->engine);
}

char *harness_folder(void)
{
	const char *parent = getenv("TMPDIR");
	char *folder = mem_printf("%s/ratchet-engine-XXXXXX", parent ? parent : P_tmpdir);
	assert_non_null(mkdtemp(folder));
	return folder;
}

static int64_t wall_ms(struct clock_source *source)
{
	const struct virtual_loop *loop = (const struct virtual_loop *)((char *)source - offsetof(struct virtual_loop, clock.source));
	return loop->clock.now_ms + loop->wall_jump_ms;
}

static struct harness *new_harness(void)
{
	struct harness *harness = NEW(struct harness);
	struct virtual_loop *loop = &harness->loop;
	loop->loop = (struct loop){ .watch = no_watch,
				    .unwatch = no_unwatch,
				    .timer_set = timer_set,
				    .timer_clear = timer_clear,
				    .post = post,
				    .set_turn = set_turn };
	clock_manual_init(&loop->clock, START_MS);
	loop->clock.source.wall_ms = wall_ms;
	pthread_mutex_init(&loop->mutex, NULL);
	pthread_cond_init(&loop->posted, NULL);
	loop->posts_tail = &loop->posts;
	harness->limits = LIMITS_DEFAULT;
	harness->seed = 7;
	return harness;
}

struct harness *harness_new(const char *backend)
{
	struct harness *harness = new_harness();
	if (strcmp(backend, "memory") == 0) {
		harness->url = mem_strdup("memory:");
	} else {
		char *folder = harness_folder();
		harness->url = mem_printf("sqlite:%s/ratchet.db", folder);
		free(folder);
	}
	open_store(harness);
	make_engine(harness);
	return harness;
}

struct harness *harness_new_on_power(uint64_t seed, bool in_step)
{
	struct harness *harness = new_harness();
	char *folder = harness_folder();
	power_vfs_begin(folder, seed);
	harness->url = mem_printf("sqlite:%s/ratchet.db", folder);
	harness->power = true;
	harness->in_step = in_step;
	free(folder);
	open_store(harness);
	make_engine(harness);
	return harness;
}

static void first_problem(void *data, const char *where, const char *what)
{
	char *problem = data;
	if (!*problem)
		snprintf(problem, 300, "%s: %s", where, what);
}

bool harness_lose_power(struct harness *harness, char ret_problem[300])
{
	engine_free(TAKE(harness->engine));
	power_vfs_cut();
	store_close(TAKE(harness->store));
	power_vfs_restore();
	free(TAKE(harness->fatal));
	struct wf_error err = { 0 };
	struct check_options options = { .problem = first_problem, .data = ret_problem };
	struct check_result result = { 0 };
	*ret_problem = 0;
	if (!try_open_store(harness, &err) || engine_check(harness->inner, &options, &result, &err) < 0)
		snprintf(ret_problem, 300, "the store cannot be opened: %.250s", err.message);
	if (*ret_problem)
		return false;
	make_engine(harness);
	return true;
}

void harness_restart(struct harness *harness)
{
	engine_free(harness->engine);
	free(harness->fatal);
	harness->fatal = NULL;
	/* What the dead process had submitted is stored, or not, before another one begins. */
	for (int i = 0;
	     i < 10000 && (store_busy(harness) || harness->store->batches_waiting || harness->store->requests_waiting);
	     i++)
		harness_iterate(harness, true);
	make_engine(harness);
}

void harness_reopen(struct harness *harness)
{
	engine_free(harness->engine);
	store_close(harness->store);
	open_store(harness);
	make_engine(harness);
}

static struct answer *answers[20000];
static size_t answers_count;

static struct answer *new_answer(void)
{
	assert_true(answers_count < sizeof answers / sizeof *answers);
	return answers[answers_count++] = NEW(struct answer);
}

static void free_answers(void)
{
	while (answers_count) {
		struct answer *answer = answers[--answers_count];
		char *texts[] = { answer->message,     answer->arn,        answer->name,  answer->input,
				  answer->output,      answer->error_name, answer->cause, answer->token,
				  answer->revision_id, answer->definition, answer->text };
		for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
			free(texts[i]);
		free(answer);
	}
}

void harness_free(struct harness *harness)
{
	engine_free(harness->engine);
	store_close(harness->store);
	if (str_starts(str_of(harness->url), STR("sqlite:"))) {
		static const char *const endings[] = { "", "-wal", "-shm", "-owner" };
		for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
			char *path = mem_printf("%s%s", harness->url + 7, endings[i]);
			unlink(path);
			free(path);
		}
		*strrchr(harness->url, '/') = 0;
		rmdir(harness->url + 7);
	}
	if (harness->power)
		power_vfs_end();
	run_posts(&harness->loop);
	assert_int_equal(harness->loop.timers_count, 0);
	free(harness->loop.timers);
	pthread_mutex_destroy(&harness->loop.mutex);
	pthread_cond_destroy(&harness->loop.posted);
	free(harness->url);
	free(harness->work_root);
	free(harness->crash_notes);
	free(harness->fatal);
	free(harness);
	free_answers();
}

/* ---- requests --------------------------------------------------------------------------------------- */

static char *copy(struct str text)
{
	return text.ptr ? mem_strndup(text.ptr, text.len) : NULL;
}

static void note_error(struct answer *answer, const struct engine_error *error)
{
	if (answer->done)
		fail_msg("answered twice");
	answer->done = true;
	answer->error = error->code;
	answer->message = copy(error->message);
}

static void on_machine(void *data, const struct engine_error *error, const struct machine_info *machine)
{
	struct answer *answer = data;
	note_error(answer, error);
	if (!machine)
		return;
	answer->arn = copy(machine->arn);
	answer->revision_id = copy(machine->revision_id);
	answer->start_ms = machine->created_ms;
	answer->definition = copy(machine->definition);
}

static void on_execution(void *data, const struct engine_error *error, const struct execution_info *execution)
{
	struct answer *answer = data;
	note_error(answer, error);
	if (!execution)
		return;
	answer->arn = copy(execution->arn);
	answer->name = copy(execution->name);
	answer->input = copy(execution->input);
	answer->output = execution->output ? copy(value_text(execution->output)) : NULL;
	answer->error_name = copy(execution->error);
	answer->cause = copy(execution->cause);
	answer->status = execution->status;
	answer->start_ms = execution->start_ms;
	answer->stop_ms = execution->stop_ms;
	answer->definition = copy(execution->definition);
	answer->revision_id = copy(execution->revision_id);
}

static void on_plain(void *data, const struct engine_error *error)
{
	note_error(data, error);
}

static void on_events(void *data, const struct engine_error *error, const struct event *events, uint32_t count,
		      struct str token)
{
	struct answer *answer = data;
	note_error(answer, error);
	struct buffer text = { 0 };
	for (uint32_t i = 0; i < count; i++) {
		buffer_printf(&text, "%llu %s", (unsigned long long)events[i].id, event_type_name(events[i].type));
		if (events[i].fields & FIELD_NAME)
			buffer_printf(&text, " %.*s", STR_FMT(events[i].name));
		if (events[i].fields & FIELD_ERROR)
			buffer_printf(&text, " %.*s", STR_FMT(events[i].error));
		buffer_byte(&text, '\n');
	}
	answer->text = buffer_take(&text);
	answer->count = count;
	answer->token = copy(token);
}

static void on_list(void *data, const struct engine_error *error, const struct execution_info *executions,
		    uint32_t count, struct str token)
{
	struct answer *answer = data;
	note_error(answer, error);
	struct buffer text = { 0 };
	for (uint32_t i = 0; i < count; i++)
		buffer_printf(&text, "%.*s %s\n", STR_FMT(executions[i].name),
			      execution_status_name(executions[i].status));
	answer->text = buffer_take(&text);
	answer->count = count;
	answer->token = copy(token);
}

struct answer *harness_await(struct harness *harness, struct answer *answer)
{
	harness_until(harness, &answer->done);
	return answer;
}

void harness_machine_arn(struct harness *harness, const char *name, char ret_arn[256])
{
	snprintf(ret_arn, 256, "arn:aws:states:us-east-1:000000000000:stateMachine:%s", name);
}

struct answer *harness_create(struct harness *harness, const char *name, const char *definition)
{
	struct answer *answer = new_answer();
	struct machine_request request = { .name = str_of(name),
					   .definition = str_of(definition),
					   .role_arn = STR("arn:aws:iam::0:role/x") };
	engine_create_machine(harness->engine, &request, on_machine, answer);
	return harness_await(harness, answer);
}

struct answer *harness_update(struct harness *harness, const char *machine, const char *definition, const char *role)
{
	struct answer *answer = new_answer();
	char arn[256];
	harness_machine_arn(harness, machine, arn);
	struct machine_request request = { .arn = str_of(arn),
					   .definition = str_of(definition),
					   .has_definition = definition,
					   .role_arn = str_of(role),
					   .has_role_arn = role };
	engine_update_machine(harness->engine, &request, on_machine, answer);
	return harness_await(harness, answer);
}

struct answer *harness_delete(struct harness *harness, const char *machine)
{
	struct answer *answer = new_answer();
	char arn[256];
	harness_machine_arn(harness, machine, arn);
	engine_delete_machine(harness->engine, str_of(arn), on_machine, answer);
	return harness_await(harness, answer);
}

struct answer *harness_begin(struct harness *harness, const char *machine, const char *name, const char *input)
{
	struct answer *answer = new_answer();
	char arn[256];
	harness_machine_arn(harness, machine, arn);
	struct start_request request = { .machine_arn = str_of(arn),
					 .name = str_of(name),
					 .input = input ? str_of(input) : (struct str){ NULL, 0 } };
	engine_start(harness->engine, &request, on_execution, answer);
	return answer;
}

struct answer *harness_start(struct harness *harness, const char *machine, const char *name, const char *input)
{
	return harness_await(harness, harness_begin(harness, machine, name, input));
}

struct answer *harness_begin_redrive(struct harness *harness, const char *arn)
{
	struct answer *answer = new_answer();
	engine_redrive(harness->engine, str_of(arn), on_execution, answer);
	return answer;
}

struct answer *harness_begin_stop(struct harness *harness, const char *arn, const char *error, const char *cause)
{
	struct answer *answer = new_answer();
	const struct str absent = { NULL, 0 };
	engine_stop(harness->engine, str_of(arn), error ? str_of(error) : absent, cause ? str_of(cause) : absent,
		    on_execution, answer);
	return answer;
}

struct answer *harness_stop(struct harness *harness, const char *arn, const char *error, const char *cause)
{
	return harness_await(harness, harness_begin_stop(harness, arn, error, cause));
}

struct answer *harness_begin_describe(struct harness *harness, const char *arn)
{
	struct answer *answer = new_answer();
	engine_describe(harness->engine, str_of(arn), on_execution, answer);
	return answer;
}

struct answer *harness_describe(struct harness *harness, const char *arn)
{
	return harness_await(harness, harness_begin_describe(harness, arn));
}

struct answer *harness_wait_end(struct harness *harness, const char *arn)
{
	for (unsigned i = 0; i < 100000; i++) {
		struct answer *answer = harness_describe(harness, arn);
		if (answer->error || answer->status != EXECUTION_RUNNING)
			return answer;
		answers_count--;
		char *texts[] = { answer->message, answer->arn,        answer->name,
				  answer->input,   answer->definition, answer->revision_id };
		for (size_t t = 0; t < sizeof texts / sizeof *texts; t++)
			free(texts[t]);
		free(answer);
		if (!harness_iterate(harness, true))
			fail_msg("nothing more can happen, and it has not ended");
	}
	fail_msg("it does not end");
	return NULL;
}

struct answer *harness_history(struct harness *harness, const char *arn, bool reverse, uint32_t count,
			       const char *token)
{
	struct answer *answer = new_answer();
	struct history_request request = {
		.execution_arn = str_of(arn), .reverse = reverse, .count = count, .token = str_of(token)
	};
	engine_history(harness->engine, &request, on_events, answer);
	return harness_await(harness, answer);
}

struct answer *harness_list(struct harness *harness, const char *machine, int status, uint32_t count, const char *token)
{
	struct answer *answer = new_answer();
	char arn[256];
	harness_machine_arn(harness, machine, arn);
	struct list_request request = {
		.machine_arn = str_of(arn), .status = status, .count = count, .token = str_of(token)
	};
	engine_list(harness->engine, &request, on_list, answer);
	return harness_await(harness, answer);
}

struct answer *harness_task_success(struct harness *harness, const char *token, const char *output)
{
	struct answer *answer = new_answer();
	engine_task_success(harness->engine, str_of(token), str_of(output), on_plain, answer);
	return harness_await(harness, answer);
}
