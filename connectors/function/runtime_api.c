/* runtime_api.c: the Lambda Runtime API that workers speak to.
 *
 *     GET  /2018-06-01/runtime/invocation/next             waits for an event
 *     POST /2018-06-01/runtime/invocation/ID/response      what the handler gave
 *     POST /2018-06-01/runtime/invocation/ID/error         what it failed with
 *     POST /2018-06-01/runtime/init/error                  it could not begin
 *
 * Public runtime clients split AWS_LAMBDA_RUNTIME_API at its colon and drop a path, so a worker is known by the address it
 * speaks to: each has a loopback address 127.x.y.z of its own, all on one port. One libmicrohttpd daemon without a listener
 * serves them all; the loop watches its descriptor, and a request for the next event is suspended until there is one. */
#include "connectors/function/room.h"
#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTION_MEMORY (16 * 1024)
#define LISTEN_TRIES 200
#define INIT_ERROR_BYTES_MAX 262144

struct runtime_api {
	struct functions *functions;
	struct MHD_Daemon *daemon;
	struct loop_watch watch;
	struct loop_timer timer;
	struct exchange *suspended;
	uint16_t port; /* 0: not chosen yet */
	uint32_t last_address;
	bool running;
};

/* One request, from its first header to its end. */
struct exchange {
	struct runtime_api *api;
	struct MHD_Connection *connection;
	struct exchange *next, *previous; /* in api->suspended */
	uint32_t address;                 /* whose worker asks */
	char *path;
	struct buffer body;
	uint64_t body_bytes;
	bool headed, begun, suspended;
	/* The answer. */
	unsigned status;
	struct buffer out;
	char *headers; /* name NUL value NUL …, ended by an empty name */
};

/* ---- running the daemon --------------------------------------------------------------------------------- */

static void run_daemon(struct runtime_api *api)
{
	MHD_UNSIGNED_LONG_LONG timeout_ms;
	if (api->running)
		return;
	api->running = true;
	MHD_run(api->daemon);
	api->running = false;
	struct loop *loop = api->functions->host->loop;
	if (MHD_get_timeout(api->daemon, &timeout_ms) == MHD_YES)
		loop_timer_set(loop, &api->timer, timeout_ms > 60000 ? 60000 : (int64_t)timeout_ms);
	else
		loop_timer_clear(loop, &api->timer);
}

static void on_ready(struct loop_watch *watch, int fd, unsigned events)
{
	run_daemon(watch->data);
}

static void on_timer(struct loop_timer *timer)
{
	run_daemon(timer->data);
}

/* ---- answering -------------------------------------------------------------------------------------------- */

static enum MHD_Result respond(struct exchange *exchange)
{
	size_t length = exchange->out.len;
	struct MHD_Response *response =
	    MHD_create_response_from_buffer(length, buffer_take(&exchange->out), MHD_RESPMEM_MUST_FREE);
	if (!response)
		return MHD_NO;
	MHD_add_response_header(response, "Content-Type", "application/json");
	for (const char *name = exchange->headers; name && *name;) {
		const char *text = name + strlen(name) + 1;
		MHD_add_response_header(response, name, text);
		name = text + strlen(text) + 1;
	}
	if (exchange->status == 413)
		MHD_add_response_header(response, "Connection", "close");
	enum MHD_Result result = MHD_queue_response(exchange->connection, exchange->status, response);
	MHD_destroy_response(response);
	return result;
}

/* The answer is there: at once if the request is still being handled, else when the daemon comes to it. */
static void answer(struct exchange *exchange, unsigned status)
{
	struct runtime_api *api = exchange->api;
	exchange->status = status;
	if (!exchange->suspended)
		return;
	exchange->suspended = false;
	*(exchange->previous ? &exchange->previous->next : &api->suspended) = exchange->next;
	if (exchange->next)
		exchange->next->previous = exchange->previous;
	exchange->next = exchange->previous = NULL;
	MHD_resume_connection(exchange->connection);
	loop_timer_set(api->functions->host->loop, &api->timer, 0);
}

static void refuse(struct exchange *exchange, unsigned status, const char *type, const char *message)
{
	buffer_clear(&exchange->out);
	buffer_addz(&exchange->out, "{\"errorMessage\":");
	value_write_string(str_of(message), &exchange->out);
	buffer_addz(&exchange->out, ",\"errorType\":");
	value_write_string(str_of(type), &exchange->out);
	buffer_byte(&exchange->out, '}');
	answer(exchange, status);
}

static void accept_it(struct exchange *exchange)
{
	buffer_addz(&exchange->out, "{\"status\":\"OK\"}\n");
	answer(exchange, 202);
}

/* A header's value must not have line ends or other control characters: what came from outside loses them. */
static void add_header(struct buffer *headers, const char *name, const char *text)
{
	buffer_append(headers, name, strlen(name) + 1);
	for (; *text; text++)
		buffer_byte(headers, (unsigned char)*text < 32 || *text == 127 ? ' ' : *text);
	buffer_byte(headers, 0);
}

void runtime_api_deliver(struct exchange *exchange, const struct invocation *invocation)
{
	struct buffer headers = { 0 };
	char deadline[24];
	snprintf(deadline, sizeof deadline, "%lld", (long long)invocation->deadline_ms);
	add_header(&headers, "Lambda-Runtime-Aws-Request-Id", invocation->request_id);
	add_header(&headers, "Lambda-Runtime-Deadline-Ms", deadline);
	add_header(&headers, "Lambda-Runtime-Invoked-Function-Arn", invocation->arn);
	add_header(&headers, "Lambda-Runtime-Trace-Id", invocation->trace_id);
	if (invocation->client_context)
		add_header(&headers, "Lambda-Runtime-Client-Context", invocation->client_context);
	if (invocation->idempotency_key)
		add_header(&headers, "Ratchet-Idempotency-Key", invocation->idempotency_key);
	buffer_byte(&headers, 0);
	exchange->headers = buffer_take(&headers);
	buffer_append(&exchange->out, invocation->event, invocation->event_len);
	answer(exchange, 200);
}

void runtime_api_abandon(struct exchange *exchange)
{
	refuse(exchange, 410, "Runtime.Ended", "This worker is to end");
}

/* ---- what is asked ------------------------------------------------------------------------------------------- */

static struct worker *worker_of(const struct exchange *exchange)
{
	struct worker *worker = u64_map_get(&exchange->api->functions->by_address, exchange->address);
	return worker && worker->state != WORKER_ENDING ? worker : NULL;
}

/* The header that says which kind of error it is, or ptr NULL. */
static const char *header(const struct exchange *exchange, const char *name)
{
	return MHD_lookup_connection_value(exchange->connection, MHD_HEADER_KIND, name);
}

static void next(struct exchange *exchange, struct worker *worker)
{
	if (worker->waiting || worker->invocation) {
		refuse(exchange, 403, "InvalidStateTransition",
		       "Transition to Ready is not allowed: the event before has no answer yet");
		return;
	}
	worker->waiting = exchange;
	worker_asks(worker);
}

static void finish(struct exchange *exchange, struct worker *worker, bool error)
{
	struct invocation *invocation = worker->invocation;
	const char *mode = header(exchange, "Lambda-Runtime-Function-Response-Mode");
	worker_drain_logs(worker);
	if (!error && mode && strcasecmp(mode, "streaming") == 0) {
		invocation_break(invocation, "Runtime.ResponseStreamingUnsupported",
				 "Response streaming is not supported; return the whole response");
		refuse(exchange, 400, "ResponseStreamingUnsupported",
		       "Response streaming is not supported; send the response as one body");
		return;
	}
	if (exchange->body_bytes > RESPONSE_BYTES_MAX) {
		invocation_break(invocation, "Function.ResponseSizeTooLarge",
				 "Response payload size exceeded maximum allowed payload size (%d bytes).",
				 RESPONSE_BYTES_MAX);
		refuse(exchange, 413, "RequestEntityTooLarge", "Exceeded maximum allowed payload size (6291556 bytes).");
		return;
	}
	struct str body = buffer_str(&exchange->body);
	if (error && !runtime_payload_valid(body)) {
		const char *type = header(exchange, "Lambda-Runtime-Function-Error-Type");
		invocation_break(invocation, type && *type ? type : "Unhandled", "%.*s", STR_FMT(str_sub(body, 0, 1000)));
	} else if (error) {
		invocation_fail(invocation, body);
	} else {
		invocation_return(invocation, body);
	}
	accept_it(exchange);
}

/* What a runtime posts as an error must be JSON with an errorType; if it is not, its header tells. */
static void init_error(struct exchange *exchange, struct worker *worker)
{
	if (worker->state != WORKER_STARTING || worker->reported) {
		refuse(exchange, 403, "InvalidStateTransition", "Transition to InitError is not allowed");
		return;
	}
	struct version *version = worker->version;
	struct str body = buffer_str(&exchange->body);
	const char *type = header(exchange, "Lambda-Runtime-Function-Error-Type");
	worker_drain_logs(worker);
	worker->reported = true;
	accept_it(exchange);
	if (body.len <= INIT_ERROR_BYTES_MAX && runtime_payload_valid(body))
		pool_start_failed(version, body, NULL, NULL);
	else
		pool_start_failed(version, STR_EMPTY, type && *type ? type : "Runtime.Unknown",
				  "The runtime could not be initialized");
}

static void handle(struct exchange *exchange, const char *method)
{
	struct worker *worker = worker_of(exchange);
	struct str id;
	enum runtime_call call = runtime_route(method, exchange->path, &id);
	if (header(exchange, "Origin")) {
		refuse(exchange, 403, "Forbidden", "This address is for runtime clients only");
		return;
	}
	if (!worker) {
		runtime_api_abandon(exchange);
		return;
	}
	switch (call) {
	case RUNTIME_NEXT:
		next(exchange, worker);
		return;
	case RUNTIME_RESPONSE:
	case RUNTIME_ERROR:
		if (!worker->invocation || !str_eqz(id, worker->invocation->request_id))
			refuse(exchange, 400, "InvalidRequestID", "Invalid request ID");
		else
			finish(exchange, worker, call == RUNTIME_ERROR);
		return;
	case RUNTIME_INIT_ERROR:
		init_error(exchange, worker);
		return;
	case RUNTIME_WRONG_METHOD:
		refuse(exchange, 405, "MethodNotAllowed", "That method is not for this path");
		return;
	case RUNTIME_UNKNOWN:
		refuse(exchange, 404, "NotFound", "The Runtime API has invocation/next, invocation/ID/response, invocation/ID/error and init/error");
		return;
	}
}

/* ---- one request --------------------------------------------------------------------------------------------------- */

static void suspend(struct exchange *exchange)
{
	struct runtime_api *api = exchange->api;
	exchange->suspended = true;
	exchange->next = api->suspended;
	if (exchange->next)
		exchange->next->previous = exchange;
	api->suspended = exchange;
	MHD_suspend_connection(exchange->connection);
}

/* A body beyond what is taken is read on, and dropped, up to four times that: a client that still sends does not look for
 * an answer. */
static enum MHD_Result take_body(struct exchange *exchange, const char *bytes, size_t length)
{
	exchange->body_bytes += length;
	if (exchange->body_bytes <= RESPONSE_BYTES_MAX)
		buffer_append(&exchange->body, bytes, length);
	else
		buffer_done(&exchange->body);
	return exchange->body_bytes <= 4ull * RESPONSE_BYTES_MAX ? MHD_YES : MHD_NO;
}

static void *on_line(void *data, const char *uri, struct MHD_Connection *connection)
{
	struct exchange *exchange = NEW(struct exchange);
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	exchange->api = data;
	exchange->connection = connection;
	exchange->address = info ? (uint32_t)(uintptr_t)info->socket_context : 0;
	exchange->path = mem_strndup(uri, strcspn(uri, "?"));
	return exchange;
}

static enum MHD_Result on_request(void *data, struct MHD_Connection *connection, const char *url, const char *method,
				  const char *version, const char *upload, size_t *upload_size, void **state)
{
	struct exchange *exchange = *state;
	if (!exchange->headed) {
		exchange->headed = true;
		return MHD_YES;
	}
	if (*upload_size) {
		size_t length = *upload_size;
		*upload_size = 0;
		return take_body(exchange, upload, length);
	}
	if (!exchange->begun) {
		exchange->begun = true;
		handle(exchange, method);
		buffer_done(&exchange->body);
	} else if (!exchange->status) {
		return MHD_YES;
	}
	if (exchange->status)
		return respond(exchange);
	suspend(exchange);
	return MHD_YES;
}

static void on_completed(void *data, struct MHD_Connection *connection, void **state,
			 enum MHD_RequestTerminationCode code)
{
	struct exchange *exchange = *state;
	if (!exchange)
		return;
	buffer_done(&exchange->body);
	buffer_done(&exchange->out);
	free(exchange->headers);
	free(exchange->path);
	free(exchange);
	*state = NULL;
}

/* The address that a connection was made to came with it (below); all its requests are that worker's. */
static void on_connection(void *data, struct MHD_Connection *connection, void **socket_context,
			  enum MHD_ConnectionNotificationCode code)
{
	if (code != MHD_CONNECTION_NOTIFY_STARTED)
		return;
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	const struct sockaddr_in *address = (const struct sockaddr_in *)(const void *)info->client_addr;
	*socket_context = (void *)(uintptr_t)ntohl(address->sin_addr.s_addr);
}

/* ---- addresses ------------------------------------------------------------------------------------------------------ */

static void on_connect(struct loop_watch *watch, int fd, unsigned events)
{
	struct worker *worker = watch->data;
	struct runtime_api *api = worker->functions->api;
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(worker->address),
				       .sin_port = htons(api->port) };
	int socket = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (socket < 0)
		return;
	/* Ours, not the client's: it tells whose connection it is. */
	if (MHD_add_connection(api->daemon, socket, (struct sockaddr *)&address, sizeof address) != MHD_YES)
		return; /* it is closed */
	run_daemon(api);
}

static int listen_at(uint32_t at, uint16_t port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(at), .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
	if (bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && listen(fd, 16) == 0)
		return fd;
	int saved = errno;
	close(fd);
	return -saved;
}

/* 127.0.1.0 to 127.255.254.255: not 127.0.0.x, where people have servers. */
static uint32_t next_address(struct runtime_api *api)
{
	uint32_t first = 127u << 24 | 256, last = 127u << 24 | 0xfffeff;
	api->last_address = api->last_address < first || api->last_address >= last ? first : api->last_address + 1;
	return api->last_address;
}

int runtime_api_listen(struct runtime_api *api, struct worker *worker, struct wf_error *err)
{
	int fd = -EADDRINUSE;
	for (int tries = 0; tries < LISTEN_TRIES && fd == -EADDRINUSE; tries++) {
		worker->address = next_address(api);
		fd = u64_map_get(&api->functions->by_address, worker->address) ? -EADDRINUSE
									       : listen_at(worker->address, api->port);
	}
	if (fd < 0) {
		worker->address = 0;
		return error_errno(err, -fd, "cannot listen on a loopback address for a worker");
	}
	if (!api->port) {
		struct sockaddr_in address;
		socklen_t length = sizeof address;
		getsockname(fd, (struct sockaddr *)&address, &length);
		api->port = ntohs(address.sin_port);
	}
	worker->listener = fd;
	worker->listen_watch = (struct loop_watch){ .callback = on_connect, .data = worker };
	loop_watch_fd(api->functions->host->loop, &worker->listen_watch, fd, LOOP_READ);
	u64_map_put(&api->functions->by_address, worker->address, worker);
	return 0;
}

void runtime_api_unlisten(struct runtime_api *api, struct worker *worker)
{
	loop_unwatch(api->functions->host->loop, &worker->listen_watch);
	close(worker->listener);
	worker->listener = -1;
	u64_map_remove(&api->functions->by_address, worker->address);
}

uint16_t runtime_api_port(const struct runtime_api *api)
{
	return api->port;
}

/* ---- life -------------------------------------------------------------------------------------------------------------- */

static void ignore_log(void *data, const char *format, va_list args)
{
	/* What the library has to say of clients' mistakes is no news. */
}

int runtime_api_new(struct functions *functions, struct runtime_api **ret_api, struct wf_error *err)
{
	struct runtime_api *api = NEW(struct runtime_api);
	api->functions = functions;
	api->last_address = 127u << 24 | (uint32_t)(256 + random_below(&functions->random, 0xfe0000));
	api->daemon = MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG,
				       0, NULL, NULL, on_request, api, MHD_OPTION_EXTERNAL_LOGGER, ignore_log, NULL,
				       MHD_OPTION_URI_LOG_CALLBACK, on_line, api, MHD_OPTION_NOTIFY_COMPLETED, on_completed,
				       api, MHD_OPTION_NOTIFY_CONNECTION, on_connection, api,
				       MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY,
				       MHD_OPTION_CONNECTION_LIMIT, 100000u, MHD_OPTION_END);
	if (!api->daemon) {
		free(api);
		return error_set(err, ERR(INTERNAL), "cannot start the Runtime API");
	}
	api->watch = (struct loop_watch){ .callback = on_ready, .data = api };
	api->timer = (struct loop_timer){ .callback = on_timer, .data = api };
	loop_watch_fd(functions->host->loop, &api->watch,
		      MHD_get_daemon_info(api->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd, LOOP_READ);
	*ret_api = api;
	return 0;
}

void runtime_api_free(struct runtime_api *api)
{
	if (!api)
		return;
	while (api->suspended)
		runtime_api_abandon(api->suspended);
	MHD_run(api->daemon);
	loop_unwatch(api->functions->host->loop, &api->watch);
	loop_timer_clear(api->functions->host->loop, &api->timer);
	MHD_stop_daemon(api->daemon);
	free(api);
}
