/* libcurl's multi interface driven by our loop.
 *
 *     loop: descriptor ready, timer ──► curl_multi_socket_action ──► on_socket: what to watch next
 *                                                              ├──► on_timer: when to be called
 *                                                              └──► take_ended: done()
 *
 * libcurl must not be entered from within its own callbacks, so those only note things; `done` is called from
 * take_ended, where sending and cancelling are fine. A handle that has been used is reset and kept with its buffers:
 * what is dear about a request is making all that, not sending it. */
#include "connectors/http/client.h"
#include "base/mem.h"
#include "connectors/http/curl_library.h"
#include "connectors/text.h"
#include <stdlib.h>

#define CONNECT_TIMEOUT_MS 10000
#define CONNECTIONS_PER_HOST 512
#define CONNECTIONS_KEPT 1024
#define HEADER_BYTES_MAX (128 << 10)
#define HEADERS_MAX 300
#define IDLE_CALLS_MAX 512
#define IDLE_BUFFER_MAX (64 << 10) /* larger ones are given back */

/* A descriptor of curl's that the loop watches. */
struct http_socket {
	struct loop_watch watch;
	struct http_client *client;
	struct http_socket *next_idle;
};

struct header_place {
	size_t name, name_len, value, value_len; /* offsets into header_bytes */
};

struct http_call {
	struct http_client *client;
	struct http_call *next, *previous; /* running, or idle (next only) */
	CURL *easy;
	struct curl_slist *sent_headers;
	struct buffer sent_body, body, header_bytes, status_text;
	struct header_place *places;
	struct http_header *headers; /* made of places when all is there */
	size_t headers_count, places_capacity, headers_capacity;
	size_t body_max;
	bool too_large;
	http_done *done;
	void *data;
	char error[CURL_ERROR_SIZE];
};

struct http_client {
	struct loop *loop;
	CURLM *multi;
	struct loop_timer timer;
	struct http_client_options options;
	char *ca_file, *no_proxy;
	struct http_call *running, *idle;
	uint32_t running_count, idle_count;
	struct http_socket *idle_sockets;
};

static void take_ended(struct http_client *client);

/* ---- curl and the loop */

static void on_ready(struct loop_watch *watch, int fd, unsigned events)
{
	struct http_socket *socket = watch->data;
	struct http_client *client = socket->client;
	int what = (events & LOOP_READ ? CURL_CSELECT_IN : 0) | (events & LOOP_WRITE ? CURL_CSELECT_OUT : 0), running;
	curl.multi_socket_action(client->multi, fd, what, &running);
	take_ended(client);
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *data, void *socket_data)
{
	struct http_client *client = data;
	struct http_socket *socket = socket_data;
	if (what == CURL_POLL_REMOVE) {
		if (socket) {
			loop_unwatch(client->loop, &socket->watch);
			curl.multi_assign(client->multi, fd, NULL);
			socket->next_idle = client->idle_sockets;
			client->idle_sockets = socket;
		}
		return 0;
	}
	if (!socket) {
		socket = client->idle_sockets;
		if (socket)
			client->idle_sockets = socket->next_idle;
		else
			socket = NEW(struct http_socket);
		*socket = (struct http_socket){ .watch = { .callback = on_ready, .data = socket }, .client = client };
		curl.multi_assign(client->multi, fd, socket);
	}
	loop_watch_fd(client->loop, &socket->watch, fd,
		      (what & CURL_POLL_IN ? LOOP_READ : 0u) | (what & CURL_POLL_OUT ? LOOP_WRITE : 0u));
	return 0;
}

static int on_timer(CURLM *multi, long timeout_ms, void *data)
{
	struct http_client *client = data;
	if (timeout_ms < 0)
		loop_timer_clear(client->loop, &client->timer);
	else
		loop_timer_set(client->loop, &client->timer, timeout_ms);
	return 0;
}

static void on_timeout(struct loop_timer *timer)
{
	struct http_client *client = timer->data;
	int running;
	curl.multi_socket_action(client->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	take_ended(client);
}

/* ---- what the server says */

static size_t on_body(char *bytes, size_t size, size_t count, void *data)
{
	struct http_call *call = data;
	size_t len = size * count;
	if (len > call->body_max - call->body.len) {
		call->too_large = true;
		return 0;
	}
	buffer_append(&call->body, bytes, len);
	return len;
}

/* "HTTP/1.1 404 Not Found": a new head begins (there may have been one of 1xx before). */
static void take_status_line(struct http_call *call, struct str line)
{
	call->header_bytes.len = 0;
	call->headers_count = 0;
	buffer_clear(&call->status_text);
	const char *space = memchr(line.ptr, ' ', line.len);
	struct str rest = space ? str_sub(line, (size_t)(space - line.ptr) + 1, line.len) : STR_EMPTY;
	text_clean(text_trim(str_sub(rest, 3, rest.len)), &call->status_text);
}

/* Header text is bytes; what is not UTF-8 is replaced. */
static size_t add_text(struct http_call *call, struct str text, size_t *ret_len)
{
	size_t at = call->header_bytes.len;
	text_clean(text_trim(text), &call->header_bytes);
	*ret_len = call->header_bytes.len - at;
	return at;
}

static size_t on_header(char *bytes, size_t size, size_t count, void *data)
{
	struct http_call *call = data;
	struct str line = { bytes, size * count };
	size_t len = line.len;
	if (str_starts(line, STR("HTTP/"))) {
		take_status_line(call, line);
		return len;
	}
	const char *colon = memchr(line.ptr, ':', line.len);
	if (!colon)
		return len;
	if (call->header_bytes.len + len > HEADER_BYTES_MAX || call->headers_count >= HEADERS_MAX) {
		call->too_large = true;
		return 0;
	}
	MEM_GROW(call->places, call->places_capacity, call->headers_count + 1);
	struct header_place *place = &call->places[call->headers_count++];
	size_t name_len = (size_t)(colon - line.ptr);
	place->name = add_text(call, str_sub(line, 0, name_len), &place->name_len);
	place->value = add_text(call, str_sub(line, name_len + 1, line.len), &place->value_len);
	return len;
}

/* ---- calls */

static void buffer_rest(struct buffer *buffer)
{
	if (buffer->capacity > IDLE_BUFFER_MAX)
		buffer_done(buffer);
	else
		buffer_clear(buffer);
}

static void call_free(struct http_call *call)
{
	curl.easy_cleanup(call->easy);
	curl.slist_free_all(call->sent_headers);
	buffer_done(&call->sent_body);
	buffer_done(&call->body);
	buffer_done(&call->header_bytes);
	buffer_done(&call->status_text);
	free(call->places);
	free(call->headers);
	free(call);
}

static struct http_call *call_take(struct http_client *client)
{
	struct http_call *call = client->idle;
	if (call) {
		client->idle = call->next;
		client->idle_count--;
	} else {
		call = NEW(struct http_call);
		call->client = client;
		call->easy = curl.easy_init();
	}
	return call;
}

/* Back to the pool. It must not be in the multi handle any more. */
static void call_rest(struct http_call *call)
{
	struct http_client *client = call->client;
	curl.easy_reset(call->easy);
	curl.slist_free_all(TAKE(call->sent_headers));
	if (client->idle_count >= IDLE_CALLS_MAX) {
		call_free(call);
		return;
	}
	buffer_rest(&call->sent_body);
	buffer_rest(&call->body);
	buffer_rest(&call->header_bytes);
	buffer_clear(&call->status_text);
	call->headers_count = 0;
	call->too_large = false;
	call->previous = NULL;
	call->next = client->idle;
	client->idle = call;
	client->idle_count++;
}

static void call_leave(struct http_call *call)
{
	struct http_client *client = call->client;
	curl.multi_remove_handle(client->multi, call->easy);
	*(call->previous ? &call->previous->next : &client->running) = call->next;
	if (call->next)
		call->next->previous = call->previous;
	client->running_count--;
}

void http_call_cancel(struct http_call *call)
{
	call_leave(call);
	call_rest(call);
}

/* ---- the end of a transfer */

static enum http_failure failure_of(const struct http_call *call, CURLcode code)
{
	if (call->too_large)
		return HTTP_TOO_LARGE;
	switch ((int)code) {
	case CURLE_OK:
		return HTTP_ANSWERED;
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
		return HTTP_UNRESOLVED;
	case CURLE_COULDNT_CONNECT:
	case CURLE_INTERFACE_FAILED:
		return HTTP_UNCONNECTED;
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CIPHER:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_ISSUER_ERROR:
	case CURLE_SSL_INVALIDCERTSTATUS:
		return HTTP_UNTRUSTED;
	case CURLE_OPERATION_TIMEDOUT:
		return HTTP_TIMED_OUT;
	case CURLE_FILESIZE_EXCEEDED:
		return HTTP_TOO_LARGE;
	}
	return HTTP_BROKEN;
}

static void call_report(struct http_call *call, CURLcode code)
{
	struct http_response response = { .failure = failure_of(call, code),
					  .status_text = buffer_str(&call->status_text),
					  .headers_count = call->headers_count,
					  .body = buffer_str(&call->body) };
	if (response.failure == HTTP_TOO_LARGE)
		response.failure_text = STR("The answer is larger than the limit.");
	else if (response.failure != HTTP_ANSWERED)
		response.failure_text = str_of(call->error[0] ? call->error : curl.easy_strerror(code));
	curl.easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &response.status);
	MEM_GROW(call->headers, call->headers_capacity, call->headers_count + 1);
	for (size_t i = 0; i < call->headers_count; i++) {
		const struct header_place *place = &call->places[i];
		call->headers[i].name = (struct str){ call->header_bytes.data + place->name, place->name_len };
		call->headers[i].value = (struct str){ call->header_bytes.data + place->value, place->value_len };
	}
	response.headers = call->headers;
	call->done(call->data, &response);
}

static void take_ended(struct http_client *client)
{
	CURLMsg *message;
	int left;
	while ((message = curl.multi_info_read(client->multi, &left))) {
		if (message->msg != CURLMSG_DONE)
			continue;
		CURLcode code = message->data.result;
		struct http_call *call;
		curl.easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&call);
		call_leave(call);
		call_report(call, code);
		call_rest(call);
	}
}

/* ---- sending */

/* Letters, digits and the marks that RFC 9110 allows in tokens. */
static bool is_token(struct str text)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];
		if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
		      (c && strchr("!#$%&'*+-.^_`|~", c))))
			return false;
	}
	return text.len > 0;
}

/* No control characters but tabs: a line break would smuggle in a header or a request. */
static bool is_field_value(struct str text)
{
	for (size_t i = 0; i < text.len; i++)
		if (((unsigned char)text.ptr[i] < 0x20 && text.ptr[i] != '\t') || text.ptr[i] == 0x7f)
			return false;
	return true;
}

static bool is_url(struct str url)
{
	if (!str_starts(url, STR("http://")) && !str_starts(url, STR("https://")))
		return false;
	for (size_t i = 0; i < url.len; i++)
		if ((unsigned char)url.ptr[i] <= 0x20 || url.ptr[i] == 0x7f)
			return false;
	return true;
}

static int check(const struct http_request *request, struct wf_error *err)
{
	if (!is_url(request->url))
		return error_set(
		    err, ERR(INVALID),
		    "expected a URL that begins with http:// or https:// and has no spaces, found \"%.*s\"",
		    (int)(request->url.len < 200 ? request->url.len : 200), request->url.ptr);
	if (!is_token(request->method))
		return error_set(err, ERR(INVALID), "\"%.*s\" is no HTTP method",
				 (int)(request->method.len < 40 ? request->method.len : 40), request->method.ptr);
	for (size_t i = 0; i < request->headers_count; i++)
		if (!is_token(request->headers[i].name) || !is_field_value(request->headers[i].value))
			return error_set(err, ERR(INVALID),
					 "the header \"%.*s\" cannot be sent: its name or value has characters that "
					 "headers cannot hold",
					 (int)(request->headers[i].name.len < 80 ? request->headers[i].name.len : 80),
					 request->headers[i].name.ptr);
	return 0;
}

static void add_header(struct http_call *call, struct buffer *scratch, struct str name, struct str value)
{
	buffer_clear(scratch);
	buffer_add(scratch, name);
	/* "Name;" is how curl is told to send a header without a value. */
	buffer_addz(scratch, value.len ? ": " : ";");
	buffer_add(scratch, value);
	call->sent_headers = curl.slist_append(call->sent_headers, scratch->data);
}

static void set_headers(struct http_call *call, const struct http_request *request)
{
	_cleanup_(buffer_done) struct buffer scratch = { 0 };
	bool has_type = false;
	for (size_t i = 0; i < request->headers_count; i++) {
		add_header(call, &scratch, request->headers[i].name, request->headers[i].value);
		has_type |= text_same(request->headers[i].name, STR("content-type"));
	}
	/* "Name:" takes out what curl would add by itself. */
	if (request->has_body) {
		call->sent_headers = curl.slist_append(call->sent_headers, "Expect:");
		if (!has_type)
			call->sent_headers = curl.slist_append(call->sent_headers, "Content-Type:");
	}
	curl.easy_setopt(call->easy, CURLOPT_HTTPHEADER, call->sent_headers);
}

static void set_method(struct http_call *call, const struct http_request *request)
{
	_cleanup_free_ char *method = mem_strndup(request->method.ptr, request->method.len);
	if (request->has_body) {
		buffer_add(&call->sent_body, request->body);
		curl.easy_setopt(call->easy, CURLOPT_POST, 1L);
		curl.easy_setopt(call->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->sent_body.len);
		curl.easy_setopt(call->easy, CURLOPT_POSTFIELDS, call->sent_body.len ? call->sent_body.data : "");
		if (strcmp(method, "POST") != 0)
			curl.easy_setopt(call->easy, CURLOPT_CUSTOMREQUEST, method);
	} else if (strcmp(method, "HEAD") == 0) {
		curl.easy_setopt(call->easy, CURLOPT_NOBODY, 1L);
	} else if (strcmp(method, "GET") != 0) {
		curl.easy_setopt(call->easy, CURLOPT_CUSTOMREQUEST, method);
	}
}

static void set_fixed(struct http_call *call)
{
	struct http_client *client = call->client;
	CURL *easy = call->easy;
	call->error[0] = 0;
	curl.easy_setopt(easy, CURLOPT_PRIVATE, call);
	curl.easy_setopt(easy, CURLOPT_ERRORBUFFER, call->error);
	curl.easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl.easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl.easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl.easy_setopt(easy, CURLOPT_USERAGENT, "ratchet/" RATCHET_VERSION);
	curl.easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	curl.easy_setopt(easy, CURLOPT_WRITEDATA, call);
	curl.easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	curl.easy_setopt(easy, CURLOPT_HEADERDATA, call);
	curl.easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	curl.easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	curl.easy_setopt(easy, CURLOPT_NOPROXY, client->no_proxy);
	curl.easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)client->options.connect_timeout_ms);
	if (client->ca_file)
		curl.easy_setopt(easy, CURLOPT_CAINFO, client->ca_file);
}

/* The first request loads the library: many a client never sends one. */
static int make_multi(struct http_client *client, struct wf_error *err)
{
	int r = curl_library_load(err);
	if (r < 0)
		return r;
	client->multi = curl.multi_init();
	if (!client->multi)
		return error_set(err, ERR(INTERNAL), "libcurl cannot be initialized");
	curl.multi_setopt(client->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl.multi_setopt(client->multi, CURLMOPT_SOCKETDATA, client);
	curl.multi_setopt(client->multi, CURLMOPT_TIMERFUNCTION, on_timer);
	curl.multi_setopt(client->multi, CURLMOPT_TIMERDATA, client);
	curl.multi_setopt(client->multi, CURLMOPT_MAX_HOST_CONNECTIONS, client->options.connections_per_host_max);
	curl.multi_setopt(client->multi, CURLMOPT_MAXCONNECTS, (long)CONNECTIONS_KEPT);
	return 0;
}

int http_client_send(struct http_client *client, const struct http_request *request, http_done *done, void *data,
		     struct http_call **ret_call, struct wf_error *err)
{
	int r = check(request, err);
	if (r == 0 && !client->multi)
		r = make_multi(client, err);
	if (r < 0)
		return r;
	struct http_call *call = call_take(client);
	_cleanup_free_ char *url = mem_strndup(request->url.ptr, request->url.len);
	set_fixed(call);
	set_method(call, request);
	set_headers(call, request);
	if (request->user) {
		curl.easy_setopt(call->easy, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
		curl.easy_setopt(call->easy, CURLOPT_USERNAME, request->user);
		curl.easy_setopt(call->easy, CURLOPT_PASSWORD, request->password ? request->password : "");
	}
	curl.easy_setopt(call->easy, CURLOPT_TIMEOUT_MS, (long)(request->timeout_ms > 0 ? request->timeout_ms : 1));
	call->body_max = request->response_bytes_max;
	call->done = done;
	call->data = data;
	CURLcode code = curl.easy_setopt(call->easy, CURLOPT_URL, url);
	CURLMcode added = code == CURLE_OK ? curl.multi_add_handle(client->multi, call->easy) : CURLM_OK;
	if (code != CURLE_OK || added != CURLM_OK) {
		call_rest(call);
		return error_set(err, ERR(INVALID), "the request cannot be made: %s",
				 code != CURLE_OK ? curl.easy_strerror(code) : curl.multi_strerror(added));
	}
	call->previous = NULL;
	call->next = client->running;
	if (call->next)
		call->next->previous = call;
	client->running = call;
	client->running_count++;
	*ret_call = call;
	return 0;
}

uint32_t http_client_running(const struct http_client *client)
{
	return client->running_count;
}

struct str http_response_header(const struct http_response *response, const char *name)
{
	for (size_t i = 0; i < response->headers_count; i++)
		if (text_same(response->headers[i].name, str_of(name)))
			return response->headers[i].value;
	return (struct str){ NULL, 0 };
}

/* ---- the client */

/* What the environment says, and this machine: a workflow that calls its neighbour must not go through the company's
 * proxy. */
static char *no_proxy_list(void)
{
	const char *given = getenv("no_proxy");
	given = given ? given : getenv("NO_PROXY");
	return mem_printf("localhost,127.0.0.1,::1%s%s", given && *given ? "," : "", given ? given : "");
}

int http_client_new(struct loop *loop, const struct http_client_options *options, struct http_client **ret_client,
		    struct wf_error *err)
{
	struct http_client *client = NEW(struct http_client);
	client->loop = loop;
	client->options = *options;
	if (!client->options.connect_timeout_ms)
		client->options.connect_timeout_ms = CONNECT_TIMEOUT_MS;
	if (!client->options.connections_per_host_max)
		client->options.connections_per_host_max = CONNECTIONS_PER_HOST;
	client->ca_file = options->ca_file ? mem_strdup(options->ca_file) : NULL;
	client->no_proxy = no_proxy_list();
	client->timer = (struct loop_timer){ .callback = on_timeout, .data = client };
	*ret_client = client;
	return 0;
}

void http_client_free(struct http_client *client)
{
	if (!client)
		return;
	while (client->running) {
		struct http_call *call = client->running;
		call_leave(call);
		call_free(call);
	}
	for (struct http_call *call; (call = client->idle);) {
		client->idle = call->next;
		call_free(call);
	}
	if (client->multi)
		curl.multi_cleanup(client->multi); /* closes the connections, which unwatches them */
	for (struct http_socket *socket; (socket = client->idle_sockets);) {
		client->idle_sockets = socket->next_idle;
		free(socket);
	}
	loop_timer_clear(client->loop, &client->timer);
	free(client->ca_file);
	free(client->no_proxy);
	free(client);
}
