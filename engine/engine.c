/* engine.c: the engine's life: made, recovered, drained, freed. */
#include "engine/dead.h"
#include <assert.h>
#include <stdlib.h>

static const char *const error_names[] = {
#define X(id, name) [ENGINE_##id] = name,
	ENGINE_ERRORS(X)
#undef X
};

const char *engine_error_name(enum engine_error_code code)
{
	return code == ENGINE_OK ? "" : error_names[code];
}

static void on_timer(struct loop_timer *timer)
{
	struct engine *engine = timer->data;
	engine->timer_at_ms = INT64_MAX; /* that the loop woke is all: the turn looks what is due */
}

/* A setting of the store wins; a different one that was asked for is a mistake. */
static int settle_setting(char **setting, const char *wanted, const char *fallback, const char *what,
			  struct wf_error *err)
{
	if (*setting && wanted && strcmp(*setting, wanted) != 0)
		return error_set(err, ERR(INVALID),
				 "the store was made for %s %s, not %s: leave the setting out, or use another store",
				 what, *setting, wanted);
	if (!*setting)
		*setting = mem_strdup(wanted ? wanted : fallback);
	return 0;
}

static int load(struct engine *engine, const struct engine_options *options, struct wf_error *err)
{
	struct store_lease lease;
	int r = store_acquire(engine->store, &lease, err);
	if (r < 0)
		return r;
	engine->epoch = lease.epoch;
	engine->committed = lease.sequence;
	engine->next_sequence = lease.sequence + 1;
	engine->last_execution = lease.last_execution_id >> 8;
	engine->recovered_below = (engine->last_execution + 1) << 8;
	r = registry_load(engine, err);
	if (r < 0)
		return r;
	bool first = !engine->region;
	uint8_t key[TOKEN_KEY_BYTES];
	r = settle_setting(&engine->region, options->region, "us-east-1", "region", err);
	if (r == 0)
		r = settle_setting(&engine->account, options->account, "000000000000", "account", err);
	if (r < 0 || !first)
		return r;
	/* A new store: the key and the settings go into its first batch, before anything that needs them leaves. */
	if (options->seed)
		for (int i = 0; i < TOKEN_KEY_BYTES; i++)
			key[i] = (uint8_t)random_u64(&engine->random);
	else
		random_secure(key, sizeof key);
	token_key_set(&engine->key, key);
	registry_put_change(engine, NULL, NULL);
	return 0;
}

int engine_new(const struct engine_options *options, struct engine **ret_engine, struct wf_error *err)
{
	struct engine *engine = NEW(struct engine);
	*engine = (struct engine){ .loop = options->loop,
				   .io = options->io,
				   .clock = options->clock,
				   .store = options->store,
				   .limits = options->limits,
				   .work_root = options->work_root ? mem_strdup(options->work_root) : NULL,
				   .time_scale = options->time_scale > 0 ? options->time_scale : 1,
				   .fatal = options->fatal,
				   .fatal_data = options->fatal_data,
				   .timer_at_ms = INT64_MAX,
				   .crash_fd = -1 };
	engine->scale_base_ms = engine->clock->wall_ms(engine->clock);
	uint64_t seed = options->seed;
	if (!seed)
		random_secure(&seed, sizeof seed);
	random_seed(&engine->random, seed);
	LIST_INIT(&engine->batches);
	LIST_INIT(&engine->failed);
	LIST_INIT(&engine->ready);
	LIST_INIT(&engine->changes);
	LIST_INIT(&engine->due);
	engine->timer = (struct loop_timer){ .callback = on_timer, .data = engine };
	dispatch_init(engine);
	children_init(engine);
	dead_init(engine);
	sdk_sfn_init(engine);

	int r = load(engine, options, err);
	if (r == 0 && options->crash_notes)
		r = crash_notes_open(engine, options->crash_notes, err);
	if (r < 0) {
		engine_free(engine);
		return r;
	}
	engine->recovery.active =
	    true; /* until engine_recover has gone through: what is loaded is brought back to life */
	engine->housekeeping_ms = engine_now_ms(engine) + 1000;
	recovery_count(engine);
	engine->loop->set_turn(engine->loop, engine_turn, engine);
	*ret_engine = engine;
	return 0;
}

void engine_drain(struct engine *engine, void (*done)(void *data), void *data)
{
	assert(!engine->draining);
	engine->draining = true;
	engine->drained = done;
	engine->drained_data = data;
	loop_timer_set(engine->loop, &engine->timer, 0);
}

void engine_free(struct engine *engine)
{
	if (!engine)
		return;
	engine->loop->set_turn(engine->loop, NULL, NULL);
	loop_timer_clear(engine->loop, &engine->timer);
	loop_timer_clear(engine->loop, &engine->recovery.again);
	crash_notes_close(engine);
	dispatch_free(engine);
	activities_free(engine);
	mocks_free(engine->mocks);
	records_free(engine);
	batches_free(engine);
	for (struct change *change; (change = LIST_TAKE(&engine->changes));)
		change_free(engine, change, false);
	dead_free(engine);
	cache_free(engine);
	for (struct request *next, *request = engine->requests; request; request = next) {
		next = request->older;
		if (request->reading)
			request->engine = NULL; /* the store's answer frees it */
		else
			request_free(request);
	}
	for (struct errand *errand = engine->errands; errand; errand = errand->next)
		errand->engine = NULL;
	size_t i = 0;
	for (struct str_map_entry *entry; (entry = str_map_next(&engine->namings, &i));) {
		struct naming *naming = entry->value;
		free((char *)naming->key.ptr);
		free(naming);
	}
	str_map_done(&engine->namings);
	registry_free(engine);
	timers_done(&engine->timers);
	u64_map_done(&engine->recovery.redispatched);
	str_map_done(&engine->watchers);
	free(engine->region);
	free(engine->account);
	free(engine->work_root);
	if (engine->sweep)
		closedir(engine->sweep);
	free(engine);
}

int64_t engine_now_ms(const struct engine *engine)
{
	int64_t wall_ms = engine->clock->wall_ms(engine->clock);
	if (engine->time_scale == 1)
		return wall_ms;
	return engine->scale_base_ms + (int64_t)((double)(wall_ms - engine->scale_base_ms) * engine->time_scale);
}

void engine_halt(struct engine *engine, const char *format, ...)
{
	if (engine->halted)
		return;
	va_list args;
	va_start(args, format);
	_cleanup_(buffer_done) struct buffer reason = { 0 };
	buffer_vprintf(&reason, format, args);
	va_end(args);
	engine->halted = true;
	log_error("engine", "cannot go on: %s", reason.data);
	if (engine->fatal)
		engine->fatal(engine->fatal_data, reason.data);
}

struct errand *errand_new(struct engine *engine, void *data)
{
	struct errand *errand = NEW(struct errand);
	*errand = (struct errand){ .engine = engine, .next = engine->errands, .data = data };
	if (engine->errands)
		engine->errands->previous = errand;
	engine->errands = errand;
	return errand;
}

struct engine *errand_done(struct errand *errand, void **ret_data)
{
	struct engine *engine = errand->engine;
	if (ret_data)
		*ret_data = errand->data;
	if (engine) {
		if (errand->next)
			errand->next->previous = errand->previous;
		if (errand->previous)
			errand->previous->next = errand->next;
		else
			engine->errands = errand->next;
	}
	free(errand);
	return engine;
}

const char *engine_region(const struct engine *engine)
{
	return engine->region;
}

const char *engine_account(const struct engine *engine)
{
	return engine->account;
}

const struct limits *engine_limits(const struct engine *engine)
{
	return &engine->limits;
}

struct connector_host *engine_host(struct engine *engine)
{
	return &engine->dispatch.host;
}

void engine_add_connector(struct engine *engine, struct connector *connector)
{
	struct dispatch *dispatch = &engine->dispatch;
	MEM_GROW(dispatch->connectors, dispatch->connectors_capacity, dispatch->connectors_count + 1);
	dispatch->connectors[dispatch->connectors_count++] = connector;
}

void engine_stats(struct engine *engine, struct engine_stats *ret_stats)
{
	*ret_stats = engine->stats;
	ret_stats->cached = engine->residents_count;
	ret_stats->queued_inputs = engine->inputs_queued;
	ret_stats->tasks_in_flight = engine->dispatch.running;
	ret_stats->recovering = engine->recovery.active;
	ret_stats->tasks_queued = engine->dispatch.queued;
	ret_stats->activity_polls = engine->activities.polls_count;
	ret_stats->activity_tasks = engine->activities.tasks.count;
	ret_stats->batches_outstanding = engine->outstanding;
	ret_stats->memory_bytes = engine->memory_bytes;
	for (size_t i = 0; i < engine->dispatch.connectors_count && i < ENGINE_CONNECTORS_MAX; i++) {
		const struct connector *connector = engine->dispatch.connectors[i];
		ret_stats->tasks[i].connector = connector->class->name;
		ret_stats->tasks[i].running = connector->class->running(connector);
		ret_stats->tasks_count = (uint32_t)i + 1;
	}
	store_stats(engine->store, &ret_stats->store);
}
