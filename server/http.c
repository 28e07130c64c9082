/* http.c: libmicrohttpd as the transport (server.h).
 *
 * The daemon has no thread of its own: the loop watches its epoll descriptor and runs it. A request's body is gathered
 * as it comes; when it is complete the call begins, and if its answer is not there at once the connection is suspended
 * until it is.
 *
 *     headers → body … → allowed? → route → api_begin ──(answered at once)────────► respond
 *                                              └─ suspended … answered → resume ──► respond
 *
 * A client that goes away while its connection is suspended is not noticed until its answer is there and cannot be
 * sent; it costs a connection until then, and the engine answers every call. A body beyond request_bytes is read on,
 * and dropped, up to twice that, because a client that still sends does not look for an answer; beyond it the
 * connection is closed. */
#include "base/mem.h"
#include "server/api.h"
#include "server/route.h"
#include "server/server.h"
#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <microhttpd.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#define CONNECTION_IDLE_S 75
#define CONNECTION_MEMORY (24 * 1024)
#define DESCRIPTORS_KEPT 256 /* for the store, tasks and their like: connections leave them free */

struct server {
	struct engine *engine;
	struct loop *loop;
	struct MHD_Daemon *daemon;
	struct loop_watch watch;
	struct loop_timer timer;
	struct services services;
	char *url;
	char *host; /* as in the URL, without the port */
	uint16_t port;
	struct random random;       /* request ids */
	struct exchange *suspended; /* list */
	unsigned under_way;         /* requests whose answer is owed or being sent */
	void (*idle)(void *data);
	void *idle_data;
	bool draining, running;
};

/* One request, from its first header to its end. */
struct exchange {
	struct server *server;
	struct MHD_Connection *connection;
	struct api_call call;
	struct route_call route; /* the call, where it is not the API's */
	struct buffer body;
	struct exchange *next, *previous; /* in server->suspended */
	uint64_t body_bytes;              /* read, kept or not */
	char *path; /* as sent, without the query */
	char request_id[37];
	bool is_api, headed, begun, suspended;
};

/* ---- who may ask ------------------------------------------------------------------------------ */

/* Whether "HOST[:PORT]" names this listener: its own host, localhost, a loopback address, or one of these with AWS's
 * "sync-" before it. */
static bool host_is_ours(const struct server *server, const char *text)
{
	static const char *const names[] = { "localhost", "127.0.0.1", "[::1]" };
	char port[8];
	if (strncasecmp(text, "sync-", 5) == 0)
		text += 5;
	const char *colon = text[0] == '[' ? strchr(text, ']') : text;
	colon = colon ? strchr(colon, ':') : NULL;
	struct str host = { text, colon ? (size_t)(colon - text) : strlen(text) };
	snprintf(port, sizeof port, "%u", server->port);
	if (colon && strcmp(colon + 1, port) != 0)
		return false;
	for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++)
		if (host.len == strlen(names[i]) && strncasecmp(host.ptr, names[i], host.len) == 0)
			return true;
	return host.len == strlen(server->host) && strncasecmp(host.ptr, server->host, host.len) == 0;
}

/* Browsers send Host, and Origin with requests that other pages make: a rebound name or a foreign page gets no answer.
 */
static bool is_allowed(struct exchange *exchange)
{
	const char *host = MHD_lookup_connection_value(exchange->connection, MHD_HEADER_KIND, "Host");
	const char *origin = MHD_lookup_connection_value(exchange->connection, MHD_HEADER_KIND, "Origin");
	if (host && !host_is_ours(exchange->server, host))
		return false;
	if (!origin)
		return true;
	return strncmp(origin, "http://", 7) == 0 && host_is_ours(exchange->server, origin + 7);
}

/* ---- answering -------------------------------------------------------------------------------- */

static enum MHD_Result respond(struct exchange *exchange, unsigned status, const char *type, const char *error,
			       struct buffer *body)
{
	size_t length = body->len;
	struct MHD_Response *response =
	    MHD_create_response_from_buffer(length, buffer_take(body), MHD_RESPMEM_MUST_FREE);
	if (!response)
		return MHD_NO;
	MHD_add_response_header(response, "Content-Type", type);
	if (exchange->is_api)
		MHD_add_response_header(response, "x-amzn-RequestId", exchange->request_id);
	if (error)
		MHD_add_response_header(response, "x-amzn-ErrorType", error);
	if (status == 503)
		MHD_add_response_header(response, "Retry-After", "1");
	if (status == 405)
		MHD_add_response_header(response, "Allow", "GET, HEAD");
	if (status == 413 || exchange->server->draining)
		MHD_add_response_header(response, "Connection", "close");
	MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
	for (unsigned i = 0; i < exchange->route.headers_count; i++)
		MHD_add_response_header(response, exchange->route.headers[i].name, exchange->route.headers[i].value);
	if (!MHD_get_response_header(response, "Cache-Control"))
		MHD_add_response_header(response, "Cache-Control", "no-store");
	enum MHD_Result result = MHD_queue_response(exchange->connection, status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result respond_error(struct exchange *exchange, unsigned status, const char *error, const char *message)
{
	struct buffer body = { 0 };
	buffer_byte(&body, '{');
	api_put_text(&body, "__type", str_of(error));
	api_put_text(&body, "message", str_of(message));
	buffer_byte(&body, '}');
	return respond(exchange, status, "application/x-amz-json-1.0", error, &body);
}

static enum MHD_Result respond_call(struct exchange *exchange)
{
	struct api_call *call = &exchange->call;
	return respond(exchange, call->status, "application/x-amz-json-1.0", call->error, &call->body);
}

static enum MHD_Result respond_route(struct exchange *exchange)
{
	struct route_call *call = &exchange->route;
	return respond(exchange, call->status, call->type ? call->type : "application/json", NULL, &call->out);
}

static enum MHD_Result respond_too_large(struct exchange *exchange)
{
	return respond_error(exchange, 413, "RequestEntityTooLargeException",
			     "the request is larger than limits.request_bytes allows");
}

/* ---- running the daemon ----------------------------------------------------------------------- */

static void run_daemon(struct server *server)
{
	MHD_UNSIGNED_LONG_LONG timeout_ms;
	if (server->running)
		return;
	server->running = true;
	MHD_run(server->daemon);
	server->running = false;
	if (MHD_get_timeout(server->daemon, &timeout_ms) == MHD_YES)
		loop_timer_set(server->loop, &server->timer, timeout_ms > 60000 ? 60000 : (int64_t)timeout_ms);
	else
		loop_timer_clear(server->loop, &server->timer);
}

static void on_ready(struct loop_watch *watch, int fd, unsigned events)
{
	run_daemon(watch->data);
}

static void on_timer(struct loop_timer *timer)
{
	run_daemon(timer->data);
}

static void suspend(struct exchange *exchange)
{
	struct server *server = exchange->server;
	exchange->suspended = true;
	exchange->next = server->suspended;
	if (exchange->next)
		exchange->next->previous = exchange;
	server->suspended = exchange;
	MHD_suspend_connection(exchange->connection);
}

static void resume(struct exchange *exchange)
{
	exchange->suspended = false;
	if (exchange->next)
		exchange->next->previous = exchange->previous;
	if (exchange->previous)
		exchange->previous->next = exchange->next;
	else
		exchange->server->suspended = exchange->next;
	exchange->next = exchange->previous = NULL;
	MHD_resume_connection(exchange->connection);
}

/* The answer of a suspended call is there: its connection goes on in the next iteration, with all others that were
 * answered in this turn. */
static void go_on(struct exchange *exchange)
{
	if (!exchange->suspended)
		return;
	resume(exchange);
	loop_timer_set(exchange->server->loop, &exchange->server->timer, 0);
}

static void call_answered(struct api_call *call)
{
	go_on(call->data);
}

static void route_answered(struct route_call *call)
{
	go_on(call->data);
}

/* Whether the client has hung up: what it would read is at its end. */
static bool has_hung_up(struct exchange *exchange)
{
	const union MHD_ConnectionInfo *info =
	    MHD_get_connection_info(exchange->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	char byte;
	ssize_t got = info ? recv(info->connect_fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) : 1;
	return got == 0 || (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

static bool call_gone(struct api_call *call)
{
	return has_hung_up(call->data);
}

static bool route_gone(struct route_call *call)
{
	return has_hung_up(call->data);
}

static const char *route_query_text(struct route_call *call, const char *name)
{
	const struct exchange *exchange = call->data;
	return MHD_lookup_connection_value(exchange->connection, MHD_GET_ARGUMENT_KIND, name);
}

static const char *route_header_text(struct route_call *call, const char *name)
{
	const struct exchange *exchange = call->data;
	return MHD_lookup_connection_value(exchange->connection, MHD_HEADER_KIND, name);
}

/* ---- one request -------------------------------------------------------------------------------- */

static enum MHD_Result begin_call(struct exchange *exchange)
{
	static const char prefix[] = "AWSStepFunctions.";
	const char *target = MHD_lookup_connection_value(exchange->connection, MHD_HEADER_KIND, "X-Amz-Target");
	if (!target || strncmp(target, prefix, sizeof prefix - 1) != 0)
		return respond_error(exchange, 400, "UnknownOperationException",
				     "X-Amz-Target must be AWSStepFunctions.OPERATION");
	exchange->call = (struct api_call){
		.engine = exchange->server->engine, .gone = call_gone, .answered = call_answered, .data = exchange
	};
	api_begin(&exchange->call, str_of(target + sizeof prefix - 1), buffer_str(&exchange->body));
	buffer_done(&exchange->body);
	if (exchange->call.status)
		return respond_call(exchange);
	suspend(exchange);
	return MHD_YES;
}

static enum MHD_Result begin_route(struct exchange *exchange, const char *method)
{
	struct route_call *call = &exchange->route;
	*call = (struct route_call){ .services = &exchange->server->services,
				     .engine = exchange->server->engine,
				     .identity = { .role = ROLE_ADMINISTER },
				     .body = buffer_str(&exchange->body),
				     .query = route_query_text,
				     .header = route_header_text,
				     .gone = route_gone,
				     .answered = route_answered,
				     .data = exchange };
	unsigned status;
	call->route = routes_find(call, method, exchange->path, &status);
	if (!call->route)
		route_refuse(call, status, status == 405 ? "MethodNotAllowed" : "NotFound",
			     status == 405 ? "%s cannot be done here" : "there is nothing here for %s", method);
	else
		call->route->handle(call);
	if (call->status)
		return respond_route(exchange);
	suspend(exchange);
	return MHD_YES;
}

static enum MHD_Result answer_request(struct exchange *exchange, const char *method)
{
	struct server *server = exchange->server;
	if (!is_allowed(exchange))
		return respond_error(exchange, 403, "AccessDeniedException",
				     "Host or Origin does not name this server");
	if (exchange->body_bytes > (uint64_t)engine_limits(server->engine)->request_bytes)
		return respond_too_large(exchange);
	if (exchange->is_api)
		return server->draining
			   ? respond_error(exchange, 503, "ServiceUnavailable", "the server is ending; try again")
			   : begin_call(exchange);
	return begin_route(exchange, method);
}

/* The headers are there. A body that is announced as too large is refused before it is sent, if the client waits for
 * our word (Expect: 100-continue) or if it is more than we would read on and drop. */
static enum MHD_Result begin_exchange(struct exchange *exchange, const char *method)
{
	const char *length = MHD_lookup_connection_value(exchange->connection, MHD_HEADER_KIND, "Content-Length");
	uint64_t announced = length ? strtoull(length, NULL, 10) : 0;
	uint64_t most = (uint64_t)engine_limits(exchange->server->engine)->request_bytes;
	exchange->headed = true;
	exchange->is_api = strcmp(method, "POST") == 0 && strcmp(exchange->path, "/") == 0;
	random_uuid(&exchange->server->random, exchange->request_id);
	if (MHD_lookup_connection_value(exchange->connection, MHD_HEADER_KIND, "Expect") == NULL)
		most *= 2;
	return announced > most ? respond_too_large(exchange) : MHD_YES;
}

static enum MHD_Result take_body(struct exchange *exchange, const char *bytes, size_t length)
{
	uint64_t most = (uint64_t)engine_limits(exchange->server->engine)->request_bytes;
	exchange->body_bytes += length;
	if (exchange->body_bytes <= most)
		buffer_append(&exchange->body, bytes, length);
	else
		buffer_done(&exchange->body);
	return exchange->body_bytes <= most * 2 ? MHD_YES : MHD_NO;
}

/* The request line is there. The library decodes the path that it hands on later, so that "%2F" could not be told from
 * "/": this is the one as it was sent. */
static void *on_line(void *data, const char *uri, struct MHD_Connection *connection)
{
	struct exchange *exchange = NEW(struct exchange);
	exchange->server = data;
	exchange->connection = connection;
	exchange->path = mem_strndup(uri, strcspn(uri, "?"));
	return exchange;
}

static enum MHD_Result on_request(void *data, struct MHD_Connection *connection, const char *url, const char *method,
				  const char *version, const char *upload, size_t *upload_size, void **state)
{
	struct server *server = data;
	struct exchange *exchange = *state;
	if (!exchange->headed)
		return begin_exchange(exchange, method);
	if (*upload_size) {
		size_t length = *upload_size;
		*upload_size = 0;
		return take_body(exchange, upload, length);
	}
	if (exchange->call.status)
		return respond_call(exchange); /* resumed */
	if (exchange->route.status)
		return respond_route(exchange);
	if (exchange->begun)
		return MHD_YES;
	exchange->begun = true;
	server->under_way++;
	return answer_request(exchange, method);
}

static void on_completed(void *data, struct MHD_Connection *connection, void **state,
			 enum MHD_RequestTerminationCode code)
{
	struct server *server = data;
	struct exchange *exchange = *state;
	if (!exchange)
		return;
	if (exchange->begun && --server->under_way == 0 && server->idle)
		server->idle(server->idle_data);
	api_call_done(&exchange->call);
	buffer_done(&exchange->body);
	buffer_done(&exchange->route.out);
	arena_done(&exchange->route.arena);
	free(exchange->path);
	free(exchange);
	*state = NULL;
}

/* ---- life --------------------------------------------------------------------------------------- */

/* Splits "HOST:PORT" or "[HOST]:PORT"; host to be freed. */
static int split_address(const char *listen, char **ret_host, char **ret_port, struct wf_error *err)
{
	const char *colon = strrchr(listen, ':');
	if (!colon || colon == listen)
		return error_set(err, ERR(INVALID), "listen must be HOST:PORT, not '%s'", listen);
	char *rest;
	long port = strtol(colon + 1, &rest, 10);
	if (!colon[1] || *rest || port < 0 || port > 65535)
		return error_set(err, ERR(INVALID), "the port in '%s' must be a number from 0 to 65535", listen);
	bool bracketed = listen[0] == '[' && colon[-1] == ']';
	*ret_host = mem_strndup(listen + bracketed, (size_t)(colon - listen) - (bracketed ? 2 : 0));
	*ret_port = mem_strdup(colon + 1);
	return 0;
}

static bool is_loopback(const struct sockaddr *address)
{
	if (address->sa_family == AF_INET)
		return ntohl(((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr) >> 24 == 127;
	return address->sa_family == AF_INET6 &&
	       IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)(const void *)address)->sin6_addr);
}

/* A listening socket, or a negative code. */
static int open_socket(const char *listen_text, const struct addrinfo *info, struct wf_error *err)
{
	if (!is_loopback(info->ai_addr))
		return error_set(err, ERR(INVALID),
				 "%s is not a loopback address: without authentication, only this machine may connect",
				 listen_text);
	int fd = socket(info->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return error_errno(err, errno, "cannot open a socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
	if (bind(fd, info->ai_addr, info->ai_addrlen) != 0 || listen(fd, 1024) != 0) {
		int saved = errno;
		close(fd);
		error_errno(err, saved, "cannot listen on %s", listen_text);
		return saved == EADDRINUSE ? ERR(BUSY) : ERR(IO);
	}
	return fd;
}

static int listen_on(struct server *server, const char *listen_text, struct wf_error *err)
{
	_cleanup_free_ char *host = NULL, *port = NULL;
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV }, *found = NULL;
	int code = split_address(listen_text, &host, &port, err);
	if (code)
		return code;
	int failed = getaddrinfo(host, port, &hints, &found);
	if (failed)
		return error_set(err, ERR(INVALID), "cannot find the address '%s': %s", host, gai_strerror(failed));
	/* A name may have several, of which this machine has not all: localhost is ::1 too. */
	int fd = ERR(IO);
	for (const struct addrinfo *info = found; info && fd < 0 && fd != ERR(INVALID) && fd != ERR(BUSY);
	     info = info->ai_next)
		fd = open_socket(listen_text, info, err);
	freeaddrinfo(found);
	if (fd < 0)
		return fd;
	struct sockaddr_storage address;
	socklen_t length = sizeof address;
	getsockname(fd, (struct sockaddr *)&address, &length);
	bool six = address.ss_family == AF_INET6;
	server->port =
	    ntohs(six ? ((struct sockaddr_in6 *)&address)->sin6_port : ((struct sockaddr_in *)&address)->sin_port);
	server->host = six ? mem_printf("[%s]", host) : mem_strdup(host);
	server->url = mem_printf("http://%s:%u", server->host, server->port);
	return fd;
}

/* As configured, but never so many that no descriptor is left for anything else. */
static unsigned connections_most(const struct engine *engine)
{
	struct rlimit descriptors;
	uint64_t most = (uint64_t)engine_limits(engine)->http_connections;
	if (getrlimit(RLIMIT_NOFILE, &descriptors) != 0 || descriptors.rlim_cur == RLIM_INFINITY)
		return (unsigned)most;
	uint64_t room = descriptors.rlim_cur > 2 * DESCRIPTORS_KEPT ? descriptors.rlim_cur - DESCRIPTORS_KEPT
								    : descriptors.rlim_cur / 2;
	return (unsigned)(most < room ? most : room);
}

static void ignore_log(void *data, const char *format, va_list args)
{
	/* What the library has to say of clients' mistakes is no news. */
}

int server_new(const struct server_options *options, struct server **ret_server, struct wf_error *err)
{
	struct server *server = NEW(struct server);
	server->engine = options->engine;
	server->loop = options->loop;
	server->services = (struct services){ .engine = options->engine,
					      .clock = options->clock,
					      .started_us = options->clock->monotonic_us(options->clock),
					      .store_name = options->store_name };
	uint64_t seed;
	random_secure(&seed, sizeof seed);
	random_seed(&server->random, seed);
	int fd = listen_on(server, options->listen, err);
	if (fd < 0) {
		server_free(server);
		return fd;
	}
	server->daemon = MHD_start_daemon(
	    MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, NULL, NULL, on_request, server,
	    MHD_OPTION_EXTERNAL_LOGGER, ignore_log, NULL, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_URI_LOG_CALLBACK,
	    on_line, server, MHD_OPTION_NOTIFY_COMPLETED, on_completed, server, MHD_OPTION_CONNECTION_TIMEOUT, CONNECTION_IDLE_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
	    (size_t)CONNECTION_MEMORY, MHD_OPTION_CONNECTION_LIMIT, connections_most(options->engine), MHD_OPTION_END);
	if (!server->daemon) {
		close(fd);
		server_free(server);
		return error_set(err, ERR(INTERNAL), "cannot start the HTTP server");
	}
	server->watch = (struct loop_watch){ .callback = on_ready, .data = server };
	server->timer = (struct loop_timer){ .callback = on_timer, .data = server };
	loop_watch_fd(server->loop, &server->watch,
		      MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd, LOOP_READ);
	run_daemon(server);
	*ret_server = server;
	return 0;
}

const char *server_url(const struct server *server)
{
	return server->url;
}

void server_drain(struct server *server)
{
	server->draining = server->services.draining = true;
}

void server_when_idle(struct server *server, void (*idle)(void *data), void *data)
{
	server->idle = idle;
	server->idle_data = data;
	if (server->under_way == 0)
		idle(data);
}

/* What still waits for the engine when the server ends. */
static void give_up(struct exchange *exchange)
{
	if (exchange->is_api)
		api_refuse(&exchange->call, "ServiceUnavailable", "the server has ended; try again");
	else
		route_refuse(&exchange->route, 503, "ServiceUnavailable", "the server has ended; try again");
}

void server_free(struct server *server)
{
	if (!server)
		return;
	if (server->daemon) {
		server->idle = NULL;
		loop_unwatch(server->loop, &server->watch);
		/* The engine will not answer these any more, and the daemon must not be stopped with connections
		 * suspended. */
		while (server->suspended)
			give_up(server->suspended);
		MHD_run(server->daemon);
		loop_timer_clear(server->loop, &server->timer);
		MHD_stop_daemon(server->daemon);
	}
	free(server->host);
	free(server->url);
	free(server);
}
