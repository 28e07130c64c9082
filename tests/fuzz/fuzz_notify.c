/* fuzz_notify.c: what targets are to be told, as it is stored: messages that a damaged store or another version may hold. The input is cut into messages
 * for one target, of an execution that is there; another engine reads them. Whatever they hold: each is told once or given up, in order, and goes. */
#include "engine/dead.h"
#include "base/hash.h"
#include "tests/fuzz/engine_loop.h"

#define MESSAGES_MAX 4
#define TARGET "t"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- who is told --------------------------------------------------------------------------------- */

struct teller {
	struct connector connector;
	struct task_key running[MESSAGES_MAX + 1];
	unsigned running_count, told;
};

static bool accepts(const struct connector *connector, struct str type, struct str api)
{
	return str_eqz(type, "exec");
}

static int start(struct connector *connector, const struct task_request *request, struct wf_error *err)
{
	struct teller *teller = (struct teller *)connector;
	struct value *told = NULL;
	int code = value_parse(value_text(request->parameters), NULL, &told, err);
	assert(code == 0 && value_string(value_getz(told, "id")).len == 36 && value_getz(told, "detail"));
	value_unref(told);
	assert(teller->running_count <= MESSAGES_MAX);
	teller->running[teller->running_count++] = request->key;
	teller->told++;
	return 0;
}

static void cancel(struct connector *connector, struct task_key key) {}

static uint32_t running(const struct connector *connector)
{
	return ((const struct teller *)connector)->running_count;
}

static void forget(struct connector *connector) {}

static const struct connector_class class = { "exec", accepts, start, cancel, running, forget };

/* It takes all that it was told. */
static void take_all(struct teller *teller)
{
	for (unsigned round = 0; round < 3 * MESSAGES_MAX; round++) {
		settle();
		while (teller->running_count) {
			const struct task_result good = { .end = TASK_SUCCEEDED };
			teller->connector.host->finished(teller->connector.host, teller->running[--teller->running_count], &good);
		}
		loop.clock.now_ms += 1000;
	}
}

/* ---- what is stored -------------------------------------------------------------------------------- */

static uint64_t execution_id;

static void on_started(void *data, const struct engine_error *error, const struct execution_info *info)
{
	assert(!error->code);
	execution_id = info->id;
}

static void on_created(void *data, const struct engine_error *error, const struct machine_info *machine)
{
	assert(!error->code);
}

static void on_stored(struct store_batch *batch, enum store_result result, const struct wf_error *err)
{
	assert(result == STORE_COMMITTED);
	store_batch_free(batch);
}

static unsigned store_messages(struct engine *engine, const uint8_t *data, size_t size)
{
	struct store_batch *batch = store_batch_new();
	batch->epoch = engine->epoch;
	batch->sequence = engine->next_sequence;
	batch->done = on_stored;
	unsigned count = 0;
	uint64_t number = hash_bytes(STR(TARGET), 0) % 0x7fff + 1;
	for (; count < MESSAGES_MAX && (size || !count); count++) {
		size_t length = size && data[0] % 64 < size ? data[0] % 64 : size;
		store_batch_add(batch, STORE_APPEND_MESSAGE)->message = (struct store_message){ .target_id = NOTIFY_TARGETS | number,
			.sender_id = length && data[length - 1] & 1 ? 1 : execution_id, .sender_event = number << 47 | (count + 1),
			.bytes = arena_str(&batch->arena, (struct str){ (const char *)data + (length > 0), length - (length > 0) }) };
		data += length;
		size -= length;
	}
	store_submit(engine->store, batch);
	settle();
	return count;
}

static void on_left(void *data, const struct store_message *messages, uint32_t count, int code, const struct wf_error *err)
{
	assert(code == 0 && count == 0);
	*(bool *)data = true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct store *store;
	struct engine *engine = begin(&store);
	struct machine_request asked = { .name = STR("f"), .definition = STR("{\"StartAt\":\"F\",\"States\":{\"F\":{\"Type\":\"Fail\",\"Error\":\"E\"}}}"),
					 .has_definition = true, .has_role_arn = true, .role_arn = STR("arn:aws:iam::000000000000:role/r") };
	engine_create_machine(engine, &asked, on_created, NULL);
	settle();
	struct start_request starting = { .machine_arn = STR("arn:aws:states:us-east-1:000000000000:stateMachine:f"), .name = STR_EMPTY, .input = STR("{}"),
					  .trace_header = STR_EMPTY };
	engine_start(engine, &starting, on_started, NULL);
	settle();
	unsigned count = store_messages(engine, data, size);
	engine_free(engine);
	loop.turn = NULL;
	settle();

	struct engine_options options = { .loop = &loop.loop, .clock = &loop.clock.source, .store = store, .limits = LIMITS_DEFAULT, .seed = 2 };
	struct wf_error err = { 0 };
	int code = engine_new(&options, &engine, &err);
	assert(code == 0);
	struct teller teller = { .connector = { &class, engine_host(engine) } };
	struct value *targets = NULL;
	code = value_parse(STR("{\"" TARGET "\":{\"exec\":\"page\"}}"), NULL, &targets, &err);
	assert(code == 0 && engine_configure_targets(engine, targets, NULL, &err) == 0);
	value_unref(targets);
	engine_add_connector(engine, &teller.connector);
	engine_recover(engine);
	take_all(&teller);
	assert(teller.told <= count);
	bool looked = false;
	store_list_messages(store, NOTIFY_TARGETS | (hash_bytes(STR(TARGET), 0) % 0x7fff + 1), 0, 10, on_left, &looked);
	settle();
	assert(looked);
	engine_free(engine);
	loop.turn = NULL;
	settle();
	store_close(store);
	settle();
	return 0;
}
