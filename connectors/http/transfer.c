/* libcurl's multi interface driven by a loop.
 *
 *     loop: descriptor ready, timer ──► curl_multi_socket_action ──► on_socket: what to watch next
 *                                                              ├──► on_timer: when to be called
 *                                                              └──► take_ended: ended()
 *
 * libcurl must not be entered from within its own callbacks, so those only note things.
 *
 * A handle that has been used is kept with what is the same for every request; what is dear about a request is making
 * all that, not sending it. One whose last request was out of the ordinary (it had a password, or it failed) is wiped
 * first: nothing of a request may be left to the next. */
#include "connectors/http/transfer.h"
#include "base/clock.h"
#include "base/mem.h"
#include "connectors/http/curl_library.h"
#include "connectors/text.h"
#include <stdlib.h>

#define CONNECTIONS_KEPT 1024
#define HEADER_BYTES_MAX (128 << 10)
#define HEADERS_MAX 300
#define IDLE_TRANSFERS_MAX 512
#define ROUNDS_MAX 20 /* of calling curl because it wants to be called again at once */

/* A descriptor of curl's that the loop watches. */
struct transfer_socket {
	struct loop_watch watch;
	struct transfers *transfers;
	struct transfer_socket *next_idle;
};

/* A handle of curl's, and the call that it works for. */
struct transfer {
	CURL *easy;
	struct transfers *owner;
	struct http_call *call;             /* NULL: idle */
	struct transfer *next, *previous;   /* running, or idle (next only) */
	struct curl_slist *lines;           /* points into the call's */
	size_t lines_capacity;
	bool ready;                         /* has what set_fixed sets, and nothing else that matters */
	bool too_large;
	char error[CURL_ERROR_SIZE];
};

struct transfers {
	struct loop *loop;
	const struct http_client_options *options;
	void (*ended)(void *data, struct http_call *call);
	void *data;
	CURLM *multi; /* made with the first transfer */
	char *no_proxy;
	struct loop_timer timer;
	int64_t due_us, armed_us; /* when curl wants to be called (0: at once), when the timer calls; INT64_MAX: not at all */
	struct transfer *running, *idle;
	uint32_t idle_count;
	struct transfer_socket *idle_sockets;
};

static int64_t now_us(void)
{
	struct clock_source *clock = clock_system();
	return clock->monotonic_us(clock);
}

/* ---- what the server says */

static size_t on_body(char *bytes, size_t size, size_t count, void *data)
{
	struct transfer *transfer = data;
	struct http_call *call = transfer->call;
	size_t len = size * count;
	if (len > call->body_max - call->body.len) {
		transfer->too_large = true;
		return 0;
	}
	buffer_append(&call->body, bytes, len);
	return len;
}

/* "HTTP/1.1 404 Not Found": a new head begins (there may have been one of 1xx before). */
static void take_status_line(struct http_call *call, struct str line)
{
	buffer_clear(&call->header_bytes);
	buffer_clear(&call->status_text);
	call->headers_count = 0;
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
	struct transfer *transfer = data;
	struct http_call *call = transfer->call;
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
		transfer->too_large = true;
		return 0;
	}
	MEM_GROW(call->places, call->places_capacity, call->headers_count + 1);
	struct header_place *place = &call->places[call->headers_count++];
	size_t name_len = (size_t)(colon - line.ptr);
	place->name = add_text(call, str_sub(line, 0, name_len), &place->name_len);
	place->value = add_text(call, str_sub(line, name_len + 1, line.len), &place->value_len);
	return len;
}

/* ---- handles */

static void set_fixed(struct transfer *transfer)
{
	const struct transfers *transfers = transfer->owner;
	CURL *easy = transfer->easy;
	curl.easy_setopt(easy, CURLOPT_PRIVATE, transfer);
	curl.easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->error);
	curl.easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	/* A request that ends while its name is looked up leaves that thread alone; else all would wait for the resolver. */
	curl.easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
	curl.easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl.easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl.easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	curl.easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
	curl.easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	curl.easy_setopt(easy, CURLOPT_HEADERDATA, transfer);
	curl.easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	curl.easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	curl.easy_setopt(easy, CURLOPT_NOPROXY, transfers->no_proxy);
	curl.easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)transfers->options->connect_timeout_ms);
	if (transfers->options->ca_file)
		curl.easy_setopt(easy, CURLOPT_CAINFO, transfers->options->ca_file);
	transfer->ready = true;
}

static struct transfer *transfer_take(struct transfers *transfers)
{
	struct transfer *transfer = transfers->idle;
	if (transfer) {
		transfers->idle = transfer->next;
		transfers->idle_count--;
	} else {
		transfer = NEW(struct transfer);
		transfer->owner = transfers;
		transfer->easy = curl.easy_init();
	}
	if (!transfer->ready)
		set_fixed(transfer);
	transfer->error[0] = 0;
	transfer->too_large = false;
	return transfer;
}

static void transfer_free(struct transfer *transfer)
{
	curl.easy_cleanup(transfer->easy);
	free(transfer->lines);
	free(transfer);
}

/* Back to the pool. It must not be in the multi handle any more. */
static void transfer_rest(struct transfer *transfer)
{
	struct transfers *transfers = transfer->owner;
	transfer->call->transfer = NULL;
	transfer->call = NULL;
	if (transfers->idle_count >= IDLE_TRANSFERS_MAX) {
		transfer_free(transfer);
		return;
	}
	if (!transfer->ready)
		curl.easy_reset(transfer->easy);
	transfer->next = transfers->idle;
	transfers->idle = transfer;
	transfers->idle_count++;
}

static void transfer_enter(struct transfer *transfer)
{
	struct transfers *transfers = transfer->owner;
	transfer->previous = NULL;
	transfer->next = transfers->running;
	if (transfer->next)
		transfer->next->previous = transfer;
	transfers->running = transfer;
}

static void transfer_leave(struct transfer *transfer)
{
	struct transfers *transfers = transfer->owner;
	curl.multi_remove_handle(transfers->multi, transfer->easy);
	*(transfer->previous ? &transfer->previous->next : &transfers->running) = transfer->next;
	if (transfer->next)
		transfer->next->previous = transfer->previous;
}

/* ---- the request */

/* Curl only reads the list, so it is made of our own memory. */
static void set_lines(struct transfer *transfer)
{
	const struct http_call *call = transfer->call;
	MEM_GROW(transfer->lines, transfer->lines_capacity, call->lines_count + 1);
	char *line = call->lines.data;
	for (size_t i = 0; i < call->lines_count; i++) {
		struct curl_slist *next = i + 1 < call->lines_count ? &transfer->lines[i + 1] : NULL;
		transfer->lines[i] = (struct curl_slist){ .data = line, .next = next };
		line += strlen(line) + 1;
	}
	curl.easy_setopt(transfer->easy, CURLOPT_HTTPHEADER, call->lines_count ? transfer->lines : NULL);
}

static void set_method(struct transfer *transfer)
{
	const struct http_call *call = transfer->call;
	struct str method = buffer_str(&call->method);
	const char *implied = call->has_body ? "POST" : "GET";
	CURL *easy = transfer->easy;
	if (call->has_body) {
		curl.easy_setopt(easy, CURLOPT_POST, 1L);
		curl.easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->sent_body.len);
		curl.easy_setopt(easy, CURLOPT_POSTFIELDS, call->sent_body.len ? call->sent_body.data : "");
	} else if (str_eqz(method, "HEAD")) {
		implied = "HEAD";
		curl.easy_setopt(easy, CURLOPT_NOBODY, 1L);
		transfer->ready = false;
	} else {
		curl.easy_setopt(easy, CURLOPT_HTTPGET, 1L);
	}
	if (!str_eqz(method, implied)) {
		curl.easy_setopt(easy, CURLOPT_CUSTOMREQUEST, call->method.data);
		transfer->ready = false;
	}
}

static void set_user(struct transfer *transfer)
{
	const struct http_call *call = transfer->call;
	if (!call->has_user)
		return;
	curl.easy_setopt(transfer->easy, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
	curl.easy_setopt(transfer->easy, CURLOPT_USERNAME, call->user.len ? call->user.data : "");
	curl.easy_setopt(transfer->easy, CURLOPT_PASSWORD, call->password.len ? call->password.data : "");
	transfer->ready = false;
}

/* ---- the end of a transfer */

static enum http_failure failure_of(const struct transfer *transfer, CURLcode code)
{
	if (transfer->too_large)
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

static void end_call(struct transfer *transfer, enum http_failure failure, const char *text)
{
	struct transfers *transfers = transfer->owner;
	struct http_call *call = transfer->call;
	call->failure = failure;
	if (failure != HTTP_ANSWERED) {
		buffer_addz(&call->failure_text, text);
		transfer->ready = false;
	}
	transfer_rest(transfer);
	transfers->ended(transfers->data, call);
}

static void take_ended(struct transfers *transfers)
{
	CURLMsg *message;
	int left;
	while ((message = curl.multi_info_read(transfers->multi, &left))) {
		if (message->msg != CURLMSG_DONE)
			continue;
		CURLcode code = message->data.result;
		struct transfer *transfer;
		curl.easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&transfer);
		curl.easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &transfer->call->status);
		transfer_leave(transfer);
		enum http_failure failure = failure_of(transfer, code);
		end_call(transfer, failure,
			 failure == HTTP_TOO_LARGE ? "The answer is larger than the limit."
			 : transfer->error[0]      ? transfer->error
						   : curl.easy_strerror(code));
	}
}

/* ---- curl and the loop */

/* Calls curl for as long as it wants to be called at once, then sees to it that the timer calls in time. A timer that
 * comes too early does no harm: most requests end long before their timeouts, and the timer need not follow each. */
void transfers_go_on(struct transfers *transfers)
{
	int running;
	if (!transfers->multi)
		return;
	take_ended(transfers);
	int64_t now = transfers->due_us == INT64_MAX ? 0 : now_us();
	for (int round = 0; round < ROUNDS_MAX && transfers->due_us <= now; round++) {
		transfers->due_us = INT64_MAX;
		curl.multi_socket_action(transfers->multi, CURL_SOCKET_TIMEOUT, 0, &running);
		take_ended(transfers);
	}
	if (transfers->due_us >= transfers->armed_us)
		return;
	transfers->armed_us = transfers->due_us;
	loop_timer_set(transfers->loop, &transfers->timer,
		       transfers->due_us <= now ? 0 : (transfers->due_us - now + 999) / 1000);
}

static void on_timeout(struct loop_timer *timer)
{
	struct transfers *transfers = timer->data;
	transfers->armed_us = INT64_MAX;
	transfers_go_on(transfers);
}

static int on_timer(CURLM *multi, long timeout_ms, void *data)
{
	struct transfers *transfers = data;
	transfers->due_us = timeout_ms < 0 ? INT64_MAX : timeout_ms == 0 ? 0 : now_us() + timeout_ms * 1000;
	return 0;
}

static void on_ready(struct loop_watch *watch, int fd, unsigned events)
{
	struct transfer_socket *socket = watch->data;
	struct transfers *transfers = socket->transfers;
	int what = (events & LOOP_READ ? CURL_CSELECT_IN : 0) | (events & LOOP_WRITE ? CURL_CSELECT_OUT : 0), running;
	curl.multi_socket_action(transfers->multi, fd, what, &running);
	transfers_go_on(transfers);
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *data, void *socket_data)
{
	struct transfers *transfers = data;
	struct transfer_socket *socket = socket_data;
	if (what == CURL_POLL_REMOVE) {
		if (socket) {
			loop_unwatch(transfers->loop, &socket->watch);
			curl.multi_assign(transfers->multi, fd, NULL);
			socket->next_idle = transfers->idle_sockets;
			transfers->idle_sockets = socket;
		}
		return 0;
	}
	if (!socket) {
		socket = transfers->idle_sockets;
		if (socket)
			transfers->idle_sockets = socket->next_idle;
		else
			socket = NEW(struct transfer_socket);
		*socket = (struct transfer_socket){ .watch = { .callback = on_ready, .data = socket },
						    .transfers = transfers };
		curl.multi_assign(transfers->multi, fd, socket);
	}
	loop_watch_fd(transfers->loop, &socket->watch, fd,
		      (what & CURL_POLL_IN ? LOOP_READ : 0u) | (what & CURL_POLL_OUT ? LOOP_WRITE : 0u));
	return 0;
}

/* ---- starting and stopping */

static bool make_multi(struct transfers *transfers)
{
	CURLM *multi = transfers->multi = curl.multi_init();
	if (!multi)
		return false;
	curl.multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl.multi_setopt(multi, CURLMOPT_SOCKETDATA, transfers);
	curl.multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer);
	curl.multi_setopt(multi, CURLMOPT_TIMERDATA, transfers);
	curl.multi_setopt(multi, CURLMOPT_MAX_HOST_CONNECTIONS, transfers->options->connections_per_host_max);
	curl.multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long)CONNECTIONS_KEPT);
	return true;
}

void transfers_start(struct transfers *transfers, struct http_call *call)
{
	struct transfer *transfer = transfer_take(transfers);
	transfer->call = call;
	call->transfer = transfer;
	set_method(transfer);
	set_lines(transfer);
	set_user(transfer);
	curl.easy_setopt(transfer->easy, CURLOPT_TIMEOUT_MS, (long)call->timeout_ms);
	CURLcode code = curl.easy_setopt(transfer->easy, CURLOPT_URL, call->url.data);
	CURLMcode added = CURLM_OUT_OF_MEMORY;
	if (code == CURLE_OK && (transfers->multi || make_multi(transfers)))
		added = curl.multi_add_handle(transfers->multi, transfer->easy);
	if (added == CURLM_OK)
		transfer_enter(transfer);
	else
		end_call(transfer, HTTP_BROKEN, code != CURLE_OK ? curl.easy_strerror(code) : curl.multi_strerror(added));
}

void transfers_stop(struct transfers *transfers, struct http_call *call)
{
	struct transfer *transfer = call->transfer;
	transfer_leave(transfer);
	transfer->ready = false;
	transfer_rest(transfer);
}

/* What the environment says, and this machine: a workflow that calls its neighbour must not go through the company's
 * proxy. */
static char *no_proxy_list(void)
{
	const char *given = getenv("no_proxy");
	given = given ? given : getenv("NO_PROXY");
	return mem_printf("localhost,127.0.0.1,::1%s%s", given && *given ? "," : "", given ? given : "");
}

struct transfers *transfers_new(struct loop *io, const struct http_client_options *options,
				void (*ended)(void *data, struct http_call *call), void *data)
{
	struct transfers *transfers = NEW(struct transfers);
	*transfers = (struct transfers){ .loop = io,
					 .options = options,
					 .ended = ended,
					 .data = data,
					 .no_proxy = no_proxy_list(),
					 .timer = { .callback = on_timeout, .data = transfers },
					 .due_us = INT64_MAX,
					 .armed_us = INT64_MAX };
	return transfers;
}

void transfers_free(struct transfers *transfers)
{
	if (!transfers)
		return;
	while (transfers->running)
		transfers_stop(transfers, transfers->running->call);
	for (struct transfer *transfer; (transfer = transfers->idle);) {
		transfers->idle = transfer->next;
		transfer_free(transfer);
	}
	if (transfers->multi)
		curl.multi_cleanup(transfers->multi); /* closes the connections, which unwatches them */
	for (struct transfer_socket *socket; (socket = transfers->idle_sockets);) {
		transfers->idle_sockets = socket->next_idle;
		free(socket);
	}
	loop_timer_clear(transfers->loop, &transfers->timer);
	free(transfers->no_proxy);
	free(transfers);
}
