/* fuzz_http.c: the body of any API request, against a whole engine on a memory store: the first line of the input is the operation, what follows the body. Each call is
 * answered once, with JSON, and the engine goes on; it is a new one every some hundred calls, so that what calls leave behind matters, and stays small. */
#include "base/log.h"
#include "base/mem.h"
#include "server/api.h"
#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CALLS_OF_AN_ENGINE = 500, TURNS_OF_A_CALL = 200 };

/* ---- a loop whose time stands still ------------------------------------------------------------- */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct loop_post *posts, **posts_tail = &posts;
static bool (*turn)(void *data);
static void *turn_data;

static void set_timer(struct loop *loop, struct loop_timer *timer, int64_t delay_ms)
{
	timer->active = true;
}

static void clear_timer(struct loop *loop, struct loop_timer *timer)
{
	timer->active = false;
}

static void post(struct loop *loop, struct loop_post *item)
{
	pthread_mutex_lock(&mutex);
	item->next = NULL;
	*posts_tail = item;
	posts_tail = &item->next;
	pthread_mutex_unlock(&mutex);
}

static void set_turn(struct loop *loop, bool (*callback)(void *data), void *data)
{
	turn = callback;
	turn_data = data;
}

static bool iterate(void)
{
	pthread_mutex_lock(&mutex);
	struct loop_post *item = posts;
	posts = NULL;
	posts_tail = &posts;
	pthread_mutex_unlock(&mutex);
	bool any = item;
	while (item) {
		struct loop_post *next = item->next;
		item->callback(item);
		item = next;
	}
	return (turn && turn(turn_data)) || any;
}

static struct loop loop = { .timer_set = set_timer, .timer_clear = clear_timer, .post = post, .set_turn = set_turn };

/* ---- the engine ------------------------------------------------------------------------------------ */

static struct clock_manual now;
static struct store *store;
static struct engine *engine;
static unsigned calls;

static void end_engine(void)
{
	engine_free(engine);
	store_close(store);
	engine = NULL;
	turn = NULL;
	iterate();
}

static void begin_engine(void)
{
	clock_manual_init(&now, 1700000000000);
	if (store_open("memory:", NULL, &loop, &store, NULL) < 0)
		abort();
	struct engine_options options = { .loop = &loop, .clock = &now.source, .store = store, .limits = LIMITS_DEFAULT, .seed = 1 };
	/* Small enough for a fuzzer's patience. */
	options.limits.expression_steps = 100000;
	options.limits.expression_bytes = 16 << 20;
	options.limits.history_events = 500;
	if (engine_new(&options, &engine, NULL) < 0)
		abort();
	engine_recover(engine);
	calls = 0;
}

/* ---- a call ------------------------------------------------------------------------------------------ */

struct outcome {
	struct api_call call; /* first */
	bool answered;
};

static void on_answered(struct api_call *call)
{
	struct outcome *outcome = (struct outcome *)call;
	assert(!outcome->answered && call->status >= 200 && call->status < 600);
	outcome->answered = true;
	_cleanup_(value_unrefp) struct value *body = NULL;
	int read = value_parse(buffer_str(&call->body), NULL, &body, NULL);
	assert(read == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data, *newline = size ? memchr(text, '\n', size) : NULL;
	if (!newline)
		return 0;
	struct str operation = { text, (size_t)(newline - text) }, body = { newline + 1, size - operation.len - 1 };
	if (str_eqz(operation, "GetActivityTask"))
		return 0; /* waits for a time that does not come */
	if (!engine) {
		log_setup(LOG_LEVEL_ERROR + 1, false);
		begin_engine();
	}
	struct outcome *outcome = NEW(struct outcome);
	outcome->call = (struct api_call){ .engine = engine, .answered = on_answered };
	api_begin(&outcome->call, operation, body);
	for (unsigned i = 0; i < TURNS_OF_A_CALL && (iterate() || !outcome->answered); i++)
		;
	if (!outcome->answered || ++calls >= CALLS_OF_AN_ENGINE)
		end_engine(); /* one that waits, as for an execution that goes on and on, is answered no more */
	api_call_done(&outcome->call);
	free(outcome);
	return 0;
}
