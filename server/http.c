/* http.c: libmicrohttpd as the transport (server.h).
 *
 * The daemon has no thread of its own: the loop watches its epoll descriptor and runs it. A request's body is gathered
 * as it comes; when it is complete the call begins, and if its answer is not there at once the connection is suspended
 * until it is.
 *
 *     headers → body … → allowed? → route → api_begin ──(answered at once)────────► respond
 *                                              └─ suspended … answered → resume ──► respond
 *
 * With authentication there is a gate: headers → auth_begin … body → auth_finish → who it is. A body is kept only for
 * requests whose headers may belong to somebody.
 *
 * A client that goes away while its connection is suspended is not noticed until its answer is there and cannot be
 * sent; it costs a connection until then, and the engine answers every call. A body beyond request_bytes is read on,
 * and dropped, up to twice that, because a client that still sends does not look for an answer; beyond it the
 * connection is closed. */
#include "base/log.h"
#include "base/mem.h"
#include "server/http.h"
#include "server/live.h"
#include "server/v1_folds.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define INVOKE_BYTES_MAX (6291556 + 65536) /* an event, and what stands around it */
#define CONNECTION_IDLE_S 75
#define CONNECTION_MEMORY (24 * 1024)
#define OPEN_BODY_BYTES 4096 /* of a request by who need not say who they are */
#define SWEEP_MS 1000

const char *exchange_header(const struct exchange *exchange, const char *name)
{
	return MHD_lookup_connection_value(exchange->connection, MHD_HEADER_KIND, name);
}

/* ---- answering -------------------------------------------------------------------------------- */

static int64_t now_us(const struct server *server)
{
	return server->services.clock->monotonic_us(server->services.clock);
}

static enum MHD_Result respond(struct exchange *exchange, unsigned status, const char *type, const char *error,
			       struct buffer *body)
{
	size_t length = body->len;
	exchange->status = status;
	peers_expect(&exchange->server->peers, exchange->peer, length, now_us(exchange->server));
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

/* In the words of where it was asked: the API's, the Lambda API's, or those of /v1. */
static enum MHD_Result respond_refusal(struct exchange *exchange, const struct auth_refusal *refusal)
{
	struct buffer body = { 0 };
	if (exchange->is_api)
		return respond_error(exchange, 400, refusal->aws, refusal->message);
	bool lambda = exchange->path[0] && exchange->path[1] >= '0' && exchange->path[1] <= '9';
	buffer_addz(&body, lambda ? "{" : "{\"error\":{");
	if (!lambda)
		api_put_text(&body, "code", str_of(refusal->code));
	api_put_text(&body, "message", str_of(refusal->message));
	buffer_addz(&body, lambda ? "}" : "}}");
	return respond(exchange, lambda ? 403 : refusal->status, "application/json", lambda ? refusal->aws : NULL, &body);
}

static enum MHD_Result respond_denied(struct exchange *exchange, const struct identity *identity, const char *action, enum role needed)
{
	struct auth_refusal refusal;
	auth_refuse(&refusal, AUTH_DENIED, "User: %.*s (%.*s) is not authorized to perform: %.100s; its role is %s, and %s is needed",
		    STR_FMT(identity->name), STR_FMT(identity->key_id), action, role_name(identity->role), role_name(needed));
	return respond_refusal(exchange, &refusal);
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

void exchange_suspend(struct exchange *exchange)
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
void exchange_go_on(struct exchange *exchange)
{
	if (!exchange->suspended)
		return;
	resume(exchange);
	loop_timer_set(exchange->server->loop, &exchange->server->timer, 0);
}

static void call_answered(struct api_call *call)
{
	exchange_go_on(call->data);
}

static void route_answered(struct route_call *call)
{
	exchange_go_on(call->data);
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
	return exchange_header(call->data, name);
}

/* ---- one request -------------------------------------------------------------------------------- */

static enum MHD_Result begin_call(struct exchange *exchange, const struct identity *identity)
{
	static const char prefix[] = "AWSStepFunctions.";
	const char *target = exchange_header(exchange, "X-Amz-Target");
	if (!target || strncmp(target, prefix, sizeof prefix - 1) != 0)
		return respond_error(exchange, 400, "UnknownOperationException",
				     "X-Amz-Target must be AWSStepFunctions.OPERATION");
	const struct api_operation *operation = api_find(str_of(target + sizeof prefix - 1));
	if (operation && !role_allows(identity->role, operation->role)) {
		_cleanup_free_ char *action = mem_printf("states:%s", operation->name);
		return respond_denied(exchange, identity, action, operation->role);
	}
	exchange->call = (struct api_call){
		.engine = exchange->server->engine, .gone = call_gone, .answered = call_answered, .data = exchange
	};
	exchange->call.trace_parent = str_of(exchange_header(exchange, "traceparent"));
	exchange->call.trace_id = str_of(exchange_header(exchange, "X-Amzn-Trace-Id"));
	api_begin(&exchange->call, str_of(target + sizeof prefix - 1), buffer_str(&exchange->body));
	buffer_done(&exchange->body);
	if (exchange->call.status)
		return respond_call(exchange);
	exchange_suspend(exchange);
	return MHD_YES;
}

static enum MHD_Result begin_route(struct exchange *exchange, const char *method, const struct identity *identity)
{
	struct route_call *call = &exchange->route;
	*call = (struct route_call){ .services = &exchange->server->services,
				     .engine = exchange->server->engine,
				     .identity = *identity,
				     .body = buffer_str(&exchange->body),
				     .query_text = exchange->query ? exchange->query : "",
				     .query = route_query_text,
				     .header = route_header_text,
				     .gone = route_gone,
				     .answered = route_answered,
				     .stream = stream_begin,
				     .data = exchange };
	unsigned status;
	call->route = routes_find(call, method, exchange->path, &status);
	if (call->route && !role_allows(identity->role, call->route->role)) {
		_cleanup_free_ char *action = mem_printf("%s %s", method, exchange->path);
		return respond_denied(exchange, identity, action, call->route->role);
	}
	if (!call->route)
		route_refuse(call, status, status == 405 ? "MethodNotAllowed" : "NotFound",
			     status == 405 ? "%s cannot be done here" : "there is nothing here for %s", method);
	else
		route_handle(call);
	if (call->status)
		return respond_route(exchange);
	if (exchange->streaming)
		return stream_respond(exchange);
	exchange_suspend(exchange);
	return MHD_YES;
}

/* How large its body may be. The event of a function may be as large as Lambda takes it, whatever holds for the rest. */
static uint64_t body_bytes_max(const struct exchange *exchange)
{
	uint64_t most = (uint64_t)engine_limits(exchange->server->engine)->request_bytes;
	struct str path = str_of(exchange->path);
	bool invokes = (str_starts(path, STR("/2015-03-31/functions/")) && str_ends(path, STR("/invocations"))) ||
		       (str_starts(path, STR("/v1/functions/")) && str_ends(path, STR("/invoke")));
	return invokes && most < INVOKE_BYTES_MAX ? INVOKE_BYTES_MAX : most;
}

static enum MHD_Result answer_request(struct exchange *exchange, const char *method)
{
	struct server *server = exchange->server;
	if (!gate_names_us(exchange))
		return respond_error(exchange, 403, "AccessDeniedException",
				     "Host or Origin does not name this server");
	if (exchange->body_bytes > body_bytes_max(exchange))
		return respond_too_large(exchange);
	struct identity identity;
	if (!gate_pass(exchange, &identity))
		return respond_refusal(exchange, &exchange->gate->refusal);
	if (exchange->is_api)
		return server->draining
			   ? respond_error(exchange, 503, "ServiceUnavailable", "the server is ending; try again")
			   : begin_call(exchange, &identity);
	return begin_route(exchange, method, &identity);
}

/* The headers are there. A body that is announced as too large is refused before it is sent, if the client waits for
 * our word (Expect: 100-continue) or if it is more than we would read on and drop. */
static enum MHD_Result begin_exchange(struct exchange *exchange, const char *method)
{
	const char *length = exchange_header(exchange, "Content-Length");
	uint64_t announced = length ? strtoull(length, NULL, 10) : 0;
	uint64_t most = body_bytes_max(exchange);
	exchange->headed = true;
	exchange->began_us = exchange->server->services.clock->monotonic_us(exchange->server->services.clock);
	exchange->is_api = strcmp(method, "POST") == 0 && strcmp(exchange->path, "/") == 0;
	random_uuid(&exchange->server->random, exchange->request_id);
	if (exchange->server->services.auth)
		gate_open(exchange, method);
	if (exchange_header(exchange, "Expect") == NULL)
		most *= 2;
	return announced > most ? respond_too_large(exchange) : MHD_YES;
}

static enum MHD_Result take_body(struct exchange *exchange, const char *bytes, size_t length)
{
	uint64_t most = body_bytes_max(exchange);
	const struct gate *gate = exchange->gate;
	exchange->body_bytes += length;
	peer_moves(exchange->peer, length);
	if (gate && gate->open && exchange->body_bytes > OPEN_BODY_BYTES)
		return MHD_NO;
	if (exchange->body_bytes <= most && !(gate && gate->refused))
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
	exchange->peer = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
	size_t length = strcspn(uri, "?");
	exchange->path = mem_strndup(uri, length);
	if (exchange->server->services.auth || uri[length])
		exchange->query = mem_strdup(uri[length] ? uri + length + 1 : "");
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
	peer_rests(exchange->peer);
	return answer_request(exchange, method);
}

static void log_request(const struct exchange *exchange)
{
	struct clock_source *clock = exchange->server->services.clock;
	char status[16], duration[32];
	if (!log_wanted(LOG_LEVEL_DEBUG) || !exchange->headed)
		return;
	snprintf(status, sizeof status, "%u", exchange->status);
	snprintf(duration, sizeof duration, "%lld", (long long)(clock->monotonic_us(clock) - exchange->began_us));
	bool named = exchange->is_api && exchange->call.operation;
	log_fields(LOG_LEVEL_DEBUG, "http",
		   LOG_FIELDS({ "request_id", str_of(exchange->request_id) },
			      { "operation", str_of(named ? exchange->call.operation->name : exchange->path) },
			      { "status", str_of(status) }, { "error", str_of(exchange->call.error) },
			      { "duration_us", str_of(duration) }),
		   "request");
}

static void on_completed(void *data, struct MHD_Connection *connection, void **state,
			 enum MHD_RequestTerminationCode code)
{
	struct server *server = data;
	struct exchange *exchange = *state;
	if (!exchange)
		return;
	if (exchange->streaming)
		stream_close(exchange);
	else if (exchange->begun && --server->under_way == 0 && server->idle)
		server->idle(server->idle_data);
	log_request(exchange);
	peers_expect(&server->peers, exchange->peer, 0, now_us(server));
	api_call_done(&exchange->call);
	buffer_done(&exchange->body);
	buffer_done(&exchange->route.out);
	arena_done(&exchange->route.arena);
	gate_free(exchange->gate);
	free(exchange->path);
	free(exchange->query);
	free(exchange);
	*state = NULL;
}

static void on_connection(void *data, struct MHD_Connection *connection, void **socket_context,
			  enum MHD_ConnectionNotificationCode code)
{
	struct server *server = data;
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	if (code == MHD_CONNECTION_NOTIFY_STARTED)
		*socket_context = info ? peers_add(&server->peers, info->connect_fd, now_us(server)) : NULL;
	else
		peer_remove(TAKE(*socket_context));
}

static void on_sweep(struct loop_timer *timer)
{
	struct server *server = timer->data;
	if (peers_sweep(&server->peers, now_us(server)))
		run_daemon(server);
	loop_timer_set(server->loop, &server->sweep, SWEEP_MS);
}

/* ---- life --------------------------------------------------------------------------------------- */

/* What the library has to say of clients' mistakes is no news; of its start it is. */
static void keep_log(void *data, const char *format, va_list args)
	__attribute__((format(printf, 2, 0)));
static void keep_log(void *data, const char *format, va_list args)
{
	struct server *server = data;
	if (server->daemon)
		return;
	vsnprintf(server->trouble, sizeof server->trouble, format, args);
	server->trouble[strcspn(server->trouble, "\n")] = 0;
}

/* Plain, or TLS 1.2 and 1.3. */
static struct MHD_Daemon *start_daemon(struct server *server, int fd)
{
	const struct MHD_OptionItem tls[] = {
		{ MHD_OPTION_HTTPS_MEM_CERT, 0, server->certificate },
		{ MHD_OPTION_HTTPS_MEM_KEY, 0, server->private_key },
		{ MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)"NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2" },
		{ MHD_OPTION_END, 0, NULL },
	};
	const struct MHD_OptionItem plain[] = { { MHD_OPTION_END, 0, NULL } };
	return MHD_start_daemon(
	    MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG | (server->certificate ? MHD_USE_TLS : 0), 0, NULL, NULL,
	    on_request, server, MHD_OPTION_EXTERNAL_LOGGER, keep_log, server, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_URI_LOG_CALLBACK,
	    on_line, server, MHD_OPTION_NOTIFY_COMPLETED, on_completed, server, MHD_OPTION_NOTIFY_CONNECTION, on_connection, server,
	    MHD_OPTION_CONNECTION_TIMEOUT, CONNECTION_IDLE_S,
	    MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY, MHD_OPTION_CONNECTION_LIMIT,
	    listener_connections(server->engine), MHD_OPTION_ARRAY, server->certificate ? tls : plain, MHD_OPTION_END);
}

int server_new(const struct server_options *options, struct server **ret_server, struct wf_error *err)
{
	struct server *server = NEW(struct server);
	server->engine = options->engine;
	server->loop = options->loop;
	server->services = (struct services){ .engine = options->engine,
					      .clock = options->clock,
					      .started_us = options->clock->monotonic_us(options->clock),
					      .search = options->search,
					      .logs = options->logs,
					      .functions = options->functions,
					      .store_name = options->store_name,
					      .auth = options->auth,
					      .keys = options->keys };
	server->services.live = live_new(&(struct live_options){ .engine = options->engine,
								 .loop = options->loop,
								 .clock = options->clock,
								 .search = options->search });
	server->peers.patience_us = engine_limits(options->engine)->request_seconds * 1000000;
	server->hosts = options->hosts ? options->hosts : "";
	uint64_t seed;
	random_secure(&seed, sizeof seed);
	random_seed(&server->random, seed);
	int fd = listener_take_tls(server, options, err);
	if (fd == 0)
		fd = listener_open(server, options->listen, err);
	if (fd < 0) {
		server_free(server);
		return fd;
	}
	server->daemon = start_daemon(server, fd);
	if (!server->daemon) {
		close(fd);
		int code = error_set(err, server->certificate ? ERR(INVALID) : ERR(INTERNAL), "cannot start the HTTP server%s%s",
				     *server->trouble ? ": " : "", server->trouble);
		server_free(server);
		return code;
	}
	server->watch = (struct loop_watch){ .callback = on_ready, .data = server };
	server->timer = (struct loop_timer){ .callback = on_timer, .data = server };
	loop_watch_fd(server->loop, &server->watch,
		      MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd, LOOP_READ);
	run_daemon(server);
	server->sweep = (struct loop_timer){ .callback = on_sweep, .data = server };
	loop_timer_set(server->loop, &server->sweep, SWEEP_MS);
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
	if (server->services.live)
		live_drain(server->services.live);
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
	if (exchange->streaming)
		route_stream_end(exchange->streaming);
	else if (exchange->is_api)
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
		loop_timer_clear(server->loop, &server->sweep);
		MHD_stop_daemon(server->daemon);
	}
	if (server->private_key)
		explicit_bzero(server->private_key, strlen(server->private_key));
	free(server->private_key);
	free(server->certificate);
	v1_folds_free(server->services.folds);
	live_free(server->services.live);
	free(server->host);
	free(server->url);
	free(server);
}
