/* http.c: libmicrohttpd as the transport (server.h).
 *
 * The daemon has no thread of its own: the loop watches its epoll descriptor and runs it. A request's body is gathered as it comes; when it is
 * complete the call begins, and if its answer is not there at once the connection is suspended until it is.
 *
 *     headers → allowed? → body … → route → api_begin ──(answered at once)──────────► respond
 *                                              └─ suspended … answered → resume ──► respond */
#include "base/mem.h"
#include "server/api.h"
#include "server/pages.h"
#include "server/server.h"
#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <microhttpd.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CONNECTION_IDLE_S 75
#define CONNECTION_MEMORY (24 * 1024)

struct server {
	struct engine *engine;
	struct loop *loop;
	struct MHD_Daemon *daemon;
	struct loop_watch watch;
	struct loop_timer timer;
	struct pages_info info;
	char *url;
	char *host; /* as in the URL, without the port */
	uint16_t port;
	struct random random; /* request ids */
	bool draining, running;
};

/* One request, from its first header to its end. */
struct exchange {
	struct server *server;
	struct MHD_Connection *connection;
	struct api_call call;
	struct buffer body;
	struct page page;
	char request_id[37];
	bool is_api, begun, suspended, too_large;
};

/* ---- who may ask ------------------------------------------------------------------------------ */

/* Whether "HOST[:PORT]" names this listener: its own host, localhost, a loopback address, or one of these with AWS's "sync-" before it. */
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

/* Browsers send Host, and Origin with requests that other pages make: a rebound name or a foreign page gets no answer. */
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

static enum MHD_Result respond(struct exchange *exchange, unsigned status, const char *type, struct buffer *body)
{
	size_t length = body->len;
	struct MHD_Response *response = MHD_create_response_from_buffer(length, buffer_take(body), MHD_RESPMEM_MUST_FREE);
	if (!response)
		return MHD_NO;
	MHD_add_response_header(response, "Content-Type", type);
	if (exchange->is_api)
		MHD_add_response_header(response, "x-amzn-RequestId", exchange->request_id);
	if (exchange->call.error)
		MHD_add_response_header(response, "x-amzn-ErrorType", exchange->call.error);
	if (status == 503)
		MHD_add_response_header(response, "Retry-After", "1");
	MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
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
	return respond(exchange, status, "application/x-amz-json-1.0", &body);
}

static enum MHD_Result respond_call(struct exchange *exchange)
{
	return respond(exchange, exchange->call.status, "application/x-amz-json-1.0", &exchange->call.body);
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

/* The answer of a suspended call is there: its connection goes on in the next iteration, with all others that were answered in this turn. */
static void answered(struct api_call *call)
{
	struct exchange *exchange = call->data;
	if (!exchange->suspended)
		return;
	exchange->suspended = false;
	MHD_resume_connection(exchange->connection);
	loop_timer_set(exchange->server->loop, &exchange->server->timer, 0);
}

/* Whether the client has hung up: what it would read is at its end. */
static bool client_gone(struct api_call *call)
{
	struct exchange *exchange = call->data;
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(exchange->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	char byte;
	ssize_t got = info ? recv(info->connect_fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) : 1;
	return got == 0 || (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

/* ---- one request -------------------------------------------------------------------------------- */

static enum MHD_Result begin_call(struct exchange *exchange)
{
	static const char prefix[] = "AWSStepFunctions.";
	const char *target = MHD_lookup_connection_value(exchange->connection, MHD_HEADER_KIND, "X-Amz-Target");
	random_uuid(&exchange->server->random, exchange->request_id);
	exchange->is_api = true;
	if (!target || strncmp(target, prefix, sizeof prefix - 1) != 0)
		return respond_error(exchange, 400, "UnknownOperationException", "X-Amz-Target must be AWSStepFunctions.OPERATION");
	exchange->call = (struct api_call){ .engine = exchange->server->engine, .gone = client_gone, .answered = answered, .data = exchange };
	api_begin(&exchange->call, str_of(target + sizeof prefix - 1), buffer_str(&exchange->body));
	buffer_done(&exchange->body);
	if (exchange->call.status)
		return respond_call(exchange);
	exchange->suspended = true;
	MHD_suspend_connection(exchange->connection);
	return MHD_YES;
}

static enum MHD_Result answer_request(struct exchange *exchange, const char *url, const char *method)
{
	if (exchange->too_large)
		return respond_error(exchange, 413, "RequestEntityTooLargeException", "the request is larger than limits.request_bytes allows");
	if (!is_allowed(exchange))
		return respond_error(exchange, 403, "AccessDeniedException", "Host or Origin does not name this server");
	if (exchange->server->draining)
		return respond_error(exchange, 503, "ServiceUnavailable", "the server is ending; try again");
	if (strcmp(method, "POST") == 0 && strcmp(url, "/") == 0)
		return begin_call(exchange);
	exchange->page = (struct page){ 0 };
	pages_answer(&exchange->server->info, method, url, &exchange->page);
	return respond(exchange, exchange->page.status, exchange->page.type, &exchange->page.body);
}

static enum MHD_Result on_request(void *data, struct MHD_Connection *connection, const char *url, const char *method, const char *version,
				  const char *upload, size_t *upload_size, void **state)
{
	struct server *server = data;
	struct exchange *exchange = *state;
	if (!exchange) {
		exchange = NEW(struct exchange);
		exchange->server = server;
		exchange->connection = connection;
		*state = exchange;
		return MHD_YES;
	}
	if (*upload_size) {
		if (exchange->body.len + *upload_size > (size_t)engine_limits(server->engine)->request_bytes)
			exchange->too_large = true;
		else
			buffer_append(&exchange->body, upload, *upload_size);
		*upload_size = 0;
		return MHD_YES;
	}
	if (exchange->call.status)
		return respond_call(exchange); /* resumed */
	if (exchange->begun)
		return MHD_YES;
	exchange->begun = true;
	return answer_request(exchange, url, method);
}

static void on_completed(void *data, struct MHD_Connection *connection, void **state, enum MHD_RequestTerminationCode code)
{
	struct exchange *exchange = *state;
	if (!exchange)
		return;
	api_call_done(&exchange->call);
	buffer_done(&exchange->body);
	buffer_done(&exchange->page.body);
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
	return address->sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)(const void *)address)->sin6_addr);
}

/* A listening socket, or a negative code. */
static int open_socket(const char *listen_text, const struct addrinfo *info, struct wf_error *err)
{
	if (!is_loopback(info->ai_addr))
		return error_set(err, ERR(INVALID), "%s is not a loopback address: without authentication, only this machine may connect", listen_text);
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
	int fd = open_socket(listen_text, found, err);
	freeaddrinfo(found);
	if (fd < 0)
		return fd;
	struct sockaddr_storage address;
	socklen_t length = sizeof address;
	getsockname(fd, (struct sockaddr *)&address, &length);
	bool six = address.ss_family == AF_INET6;
	server->port = ntohs(six ? ((struct sockaddr_in6 *)&address)->sin6_port : ((struct sockaddr_in *)&address)->sin_port);
	server->host = six ? mem_printf("[%s]", host) : mem_strdup(host);
	server->url = mem_printf("http://%s:%u", server->host, server->port);
	return fd;
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
	server->info = (struct pages_info){ .engine = options->engine,
					    .clock = options->clock,
					    .started_us = options->clock->monotonic_us(options->clock),
					    .store_name = mem_strdup(options->store_name) };
	uint64_t seed;
	random_secure(&seed, sizeof seed);
	random_seed(&server->random, seed);
	int fd = listen_on(server, options->listen, err);
	if (fd < 0) {
		server_free(server);
		return fd;
	}
	server->daemon = MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, NULL, NULL, on_request, server,
					  MHD_OPTION_EXTERNAL_LOGGER, ignore_log, NULL, MHD_OPTION_LISTEN_SOCKET, fd,
					  MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL, MHD_OPTION_CONNECTION_TIMEOUT, CONNECTION_IDLE_S,
					  MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY, MHD_OPTION_CONNECTION_LIMIT,
					  (unsigned)engine_limits(options->engine)->http_connections, MHD_OPTION_END);
	if (!server->daemon) {
		close(fd);
		server_free(server);
		return error_set(err, ERR(INTERNAL), "cannot start the HTTP server");
	}
	server->watch = (struct loop_watch){ .callback = on_ready, .data = server };
	server->timer = (struct loop_timer){ .callback = on_timer, .data = server };
	loop_watch_fd(server->loop, &server->watch, MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd, LOOP_READ);
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
	server->draining = true;
}

void server_free(struct server *server)
{
	if (!server)
		return;
	if (server->daemon) {
		loop_unwatch(server->loop, &server->watch);
		loop_timer_clear(server->loop, &server->timer);
		MHD_stop_daemon(server->daemon);
	}
	free(server->info.store_name);
	free(server->host);
	free(server->url);
	free(server);
}
