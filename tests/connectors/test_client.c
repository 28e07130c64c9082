/* The HTTP client between its two loops: what is sent is answered once, what is cancelled never, wherever it is at that
 * moment. Everything with one loop for both, and with a second one on a thread of its own. */
#include "base/mem.h"
#include "base/random.h"
#include "connectors/http/client.h"
#include "tests/connectors/harness.h"
#include "tests/connectors/server.h"
#include <dlfcn.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define REQUESTS 600
#define AT_ONCE 80

static struct server server;

struct request {
	struct http_call *call; /* while it may be answered or cancelled */
	unsigned number, answers;
	bool slow, put, has_user, cancelled;
};

struct world {
	struct loop *loop, *io; /* io: the same, or with `thread` */
	pthread_t thread;
	bool started;
	struct loop_post end;
	struct http_client *client;
	struct random random;
	struct request requests[REQUESTS];
	unsigned sent, done, cancelled;
	bool cancelling;
	int fds_before;
};

/* ---- a loop with a thread of its own */

static struct world *world;

static void *run_io(void *data)
{
	world->io->run(world->io);
	return NULL;
}

static int start_io(struct loop *loop, struct wf_error *err)
{
	if (!world->started)
		assert_int_equal(pthread_create(&world->thread, NULL, run_io, NULL), 0);
	world->started = true;
	return 0;
}

static void end_io(struct loop_post *post)
{
	world->io->stop(world->io);
}

static void make_client(void)
{
	struct wf_error err = { 0 };
	struct http_client_options options = { .connections_per_host_max = 40 };
	assert_int_equal(http_client_new(world->loop, world->io, &options, &world->client, &err), 0);
}

static void begin(bool threaded)
{
	if (!server.port)
		skip();
	world = NEW(struct world);
	world->fds_before = count_fds();
	world->loop = world->io = test_loop_new();
	random_seed(&world->random, 42);
	if (threaded) {
		world->io = test_loop_new();
		world->io->start = start_io;
	}
	make_client();
}

static void end(void)
{
	http_client_free(world->client);
	if (world->io != world->loop) {
		world->end.callback = end_io;
		if (world->started) {
			loop_post(world->io, &world->end);
			pthread_join(world->thread, NULL);
		}
		assert_int_equal(test_loop_armed(world->io), 0);
		world->io->free(world->io);
	}
	assert_int_equal(test_loop_armed(world->loop), 0);
	world->loop->free(world->loop); /* runs what is posted: what was freed under way ends here */
	assert_int_equal(count_fds(), world->fds_before);
	free(world);
}

/* ---- requests */

static void send_next(void);

static void cancel(struct request *request)
{
	if (!request->call)
		return;
	http_call_cancel(TAKE(request->call));
	request->cancelled = true;
	world->cancelled++;
}

/* The server says what it was sent: this request, and nothing of the one before it over the same handle. */
static void check_echo(const struct request *request, struct str body)
{
	_cleanup_free_ char *text = mem_strndup(body.ptr, body.len);
	_cleanup_free_ char *number = mem_printf("\"body\": \"<%u>\"", request->number);
	assert_text_contains(text, number);
	assert_text_contains(text, request->put ? "\"method\": \"PUT\"" : "\"method\": \"POST\"");
	assert_int_equal(strstr(text, "\"authorization\"") != NULL, request->has_user);
}

static void on_done(void *data, const struct http_response *response)
{
	struct request *request = data;
	assert_false(request->cancelled);
	assert_int_equal(request->answers++, 0);
	request->call = NULL;
	world->done++;
	assert_int_equal(response->failure, HTTP_ANSWERED);
	assert_int_equal(response->status, 200);
	if (!request->slow)
		check_echo(request, response->body);
	/* From within an answer: another may be dropped, and one be sent. */
	if (world->cancelling && random_u64(&world->random) % 3 == 0)
		cancel(&world->requests[random_u64(&world->random) % world->sent]);
	send_next();
}

static void send_one(const char *path)
{
	struct request *request = &world->requests[world->sent];
	unsigned number = world->sent++;
	/* Of several kinds, so that a handle serves one after the other. */
	*request = (struct request){ .number = number,
				     .slow = strcmp(path, "/echo") != 0,
				     .put = number % 5 == 0,
				     .has_user = number % 7 == 0 };
	_cleanup_free_ char *url = mem_printf("http://127.0.0.1:%d%s", server.port, path);
	char body[16];
	snprintf(body, sizeof body, "<%u>", number);
	struct http_request sent = { .method = request->put ? STR("PUT") : STR("POST"),
				     .url = str_of(url),
				     .has_body = true,
				     .body = str_of(body),
				     .user = request->has_user ? "u" : NULL,
				     .password = request->has_user ? "secret" : NULL,
				     .timeout_ms = 30000,
				     .response_bytes_max = 100000 };
	struct wf_error err = { 0 };
	unsigned answers = world->done;
	if (http_client_send(world->client, &sent, on_done, request, &request->call, &err) < 0)
		fail_msg("%s", err.message);
	assert_int_equal(world->done, answers); /* never from within */
}

static void send_next(void)
{
	if (world->sent < REQUESTS)
		send_one("/echo");
}

static bool all_are_settled(void *data)
{
	return world->done + world->cancelled == REQUESTS;
}

static void run_all(void)
{
	for (int i = 0; i < AT_ONCE; i++)
		send_next();
	if (!test_loop_until(world->loop, all_are_settled, NULL, 60000))
		fail_msg("%u answered and %u cancelled of %u after 60 s", world->done, world->cancelled, world->sent);
	assert_int_equal(http_client_running(world->client), 0);
}

static void every_request_is_answered_once(void **state)
{
	begin(*state != NULL);
	run_all();
	test_loop_for(world->loop, 20);
	for (unsigned i = 0; i < REQUESTS; i++)
		assert_int_equal(world->requests[i].answers, 1);
	end();
}

/* One that cancels as it goes keeps AT_ONCE under way only by sending more. */
static void what_is_cancelled_is_never_answered(void **state)
{
	begin(*state != NULL);
	world->cancelling = true;
	for (unsigned round = 0; !all_are_settled(NULL); round++) {
		assert_true(round < 100000);
		while (http_client_running(world->client) < AT_ONCE && world->sent < REQUESTS)
			send_next();
		/* At once, while it is on its way, or when its answer is: whatever the moment brings. */
		if (random_u64(&world->random) % 2)
			cancel(&world->requests[random_u64(&world->random) % world->sent]);
		test_loop_for(world->loop, (int64_t)(random_u64(&world->random) % 3));
	}
	test_loop_for(world->loop, 50);
	assert_int_equal(http_client_running(world->client), 0);
	for (unsigned i = 0; i < REQUESTS; i++)
		assert_int_equal(world->requests[i].answers, world->requests[i].cancelled ? 0 : 1);
	assert_in_range(world->cancelled, 20, REQUESTS - 20);
	end();
}

/* Freed with requests in every place; another client goes on over the same loops. */
static void a_client_is_freed_under_load(void **state)
{
	begin(*state != NULL);
	for (int round = 0; round < 25; round++) {
		world->sent = world->done = world->cancelled = 0;
		for (int i = 0; i < AT_ONCE; i++)
			send_one(i % 2 ? "/slow/3" : "/echo");
		test_loop_for(world->loop, round % 10);
		for (int i = 0; i < AT_ONCE / 4; i++)
			cancel(&world->requests[random_u64(&world->random) % world->sent]);
		unsigned done = world->done;
		http_client_free(world->client);
		test_loop_for(world->loop, round % 3);
		assert_int_equal(world->done, done);
		make_client();
	}
	end();
}

static void a_client_that_sends_nothing_starts_no_thread(void **state)
{
	begin(*state != NULL);
	test_loop_for(world->loop, 5);
	assert_false(world->started);
	end();
}

/* ---- a resolver that does not answer */

#define SLOW_NAME "slow.invalid"
static atomic_bool resolver_waits;
static atomic_uint resolving;

/* In front of the C library's, for libcurl too. */
int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **ret_list)
{
	int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **) = dlsym(RTLD_NEXT, "getaddrinfo");
	if (!name || strcmp(name, SLOW_NAME) != 0)
		return real(name, service, hints, ret_list);
	resolving++;
	for (int rounds = 0; resolver_waits && rounds < 1000; rounds++)
		usleep(10000);
	resolving--;
	return EAI_NONAME;
}

static void note_failure(void *data, const struct http_response *response)
{
	*(enum http_failure *)data = response->failure;
}

static void a_name_that_nobody_resolves_holds_up_nothing(void **state)
{
	enum http_failure failure = HTTP_ANSWERED;
	struct http_request request = {
		.method = STR("GET"), .url = STR("http://" SLOW_NAME "/"), .timeout_ms = 200, .response_bytes_max = 1000
	};
	struct http_call *call;
	begin(*state != NULL);
	resolver_waits = true;
	assert_int_equal(http_client_send(world->client, &request, note_failure, &failure, &call, NULL), 0);
	test_loop_for(world->loop, 100);
	assert_int_equal(resolving, 1);
	test_loop_for(world->loop, 1000);
	assert_int_equal(failure, HTTP_TIMED_OUT);
	assert_int_equal(resolving, 1); /* still */
	resolver_waits = false;
	while (resolving)
		usleep(1000);
	usleep(100000); /* its thread closes what it has */
	end();
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	unsetenv("http_proxy");
	if (!server_start(&server, NULL, NULL)) {
		server.port = 0;
		printf("skipped: no python3 for the test server\n");
	}
#define BOTH(test)                                                                                                     \
	{ .name = #test " (one loop)", .test_func = test },                                                           \
	{ .name = #test " (two loops)", .test_func = test, .initial_state = &server }
	const struct CMUnitTest tests[] = {
		BOTH(every_request_is_answered_once),
		BOTH(what_is_cancelled_is_never_answered),
		BOTH(a_client_is_freed_under_load),
		BOTH(a_client_that_sends_nothing_starts_no_thread),
		BOTH(a_name_that_nobody_resolves_holds_up_nothing),
	};
	int failed = cmocka_run_group_tests_name("client", tests, NULL, NULL);
	if (server.port)
		server_stop(&server);
	return failed;
}
