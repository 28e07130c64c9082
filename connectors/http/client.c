/* Requests as their owner sees them.
 *
 *     owner: http_client_send ──► SENT ──► io: transfers_start ──► RUNNING ──► ended ──► ENDED ──► owner: done()
 *
 * A call is always in one list, that of its place, and who may touch it follows from that (transfer.h). The mutex guards
 * lists and places and nothing else, and is held for a few instructions. What is new in SENT or CANCELLED is posted to the
 * loop `io`, what is new in ENDED to the owner's; one post is under way at most, and takes all that has come meanwhile.
 * With one loop for both, all is the same. */
#include "connectors/http/client.h"
#include "base/mem.h"
#include "connectors/http/curl_library.h"
#include "connectors/http/transfer.h"
#include "connectors/text.h"
#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#define CONNECT_TIMEOUT_MS 10000
#define CONNECTIONS_PER_HOST 512
#define IDLE_CALLS_MAX 512
#define IDLE_BUFFER_MAX (64 << 10) /* larger ones are given back */
#define STARTS_MAX 32
#define AGENT "User-Agent: ratchet/" RATCHET_VERSION

/* All of a call's, which are kept with it. */
#define CALL_BUFFERS(call)                                                                                             \
	{ &(call)->url,       &(call)->method,       &(call)->lines,       &(call)->sent_body,    &(call)->user,         \
	  &(call)->password,  &(call)->failure_text, &(call)->status_text, &(call)->header_bytes, &(call)->body }

struct call_list {
	struct http_call *first, *last;
	uint32_t count;
};

struct http_client {
	struct loop *loop, *io;
	struct http_client_options options;
	char *ca_file;
	struct transfers *transfers; /* io's */
	bool closing;                /* io's: they are to be freed */
	uint32_t running;            /* the owner's */
	bool begun;                  /* the owner's: something has been sent */
	bool closed;                 /* the owner's: freed but for posts that are under way */

	pthread_mutex_t mutex; /* guards what follows */
	pthread_cond_t changed;
	struct call_list lists[CALL_PLACES];
	struct loop_post to_io, to_owner, to_close;
	bool to_io_posted, to_owner_posted, io_closed;
};

/* ---- places: with the mutex held */

static void call_leave(struct http_call *call)
{
	struct call_list *list = &call->client->lists[call->place];
	*(call->previous ? &call->previous->next : &list->first) = call->next;
	*(call->next ? &call->next->previous : &list->last) = call->previous;
	list->count--;
}

static void call_enter(struct http_call *call, enum call_place place)
{
	struct call_list *list = &call->client->lists[place];
	call->place = place;
	call->next = NULL;
	call->previous = list->last;
	*(list->last ? &list->last->next : &list->first) = call;
	list->last = call;
	list->count++;
}

static void call_move(struct http_call *call, enum call_place place)
{
	call_leave(call);
	call_enter(call, place);
}

/* The first of a place, which is now in another; NULL if there is none. */
static struct http_call *call_take(struct http_client *client, enum call_place from, enum call_place to)
{
	pthread_mutex_lock(&client->mutex);
	struct http_call *call = client->lists[from].first;
	if (call)
		call_move(call, to);
	pthread_mutex_unlock(&client->mutex);
	return call;
}

/* ---- calls and their pool */

static void buffer_rest(struct buffer *buffer)
{
	if (buffer->capacity > IDLE_BUFFER_MAX)
		buffer_done(buffer);
	else
		buffer_clear(buffer);
}

static void call_free(struct http_call *call)
{
	struct buffer *buffers[] = CALL_BUFFERS(call);
	for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
		buffer_done(buffers[i]);
	free(call->places);
	free(call->headers);
	free(call);
}

static struct http_call *call_new(struct http_client *client)
{
	struct http_call *call = NEW(struct http_call);
	call->client = client;
	return call;
}

/* Back to the pool, from whoever has it. */
static void call_rest(struct http_call *call)
{
	struct http_client *client = call->client;
	struct buffer *buffers[] = CALL_BUFFERS(call);
	for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
		buffer_rest(buffers[i]);
	call->lines_count = call->headers_count = 0;
	call->status = 0;
	pthread_mutex_lock(&client->mutex);
	call_leave(call);
	bool full = client->lists[CALL_IDLE].count >= IDLE_CALLS_MAX;
	if (!full)
		call_enter(call, CALL_IDLE);
	pthread_mutex_unlock(&client->mutex);
	if (full)
		call_free(call);
}

/* ---- on the loop `io` */

static void on_ended(void *data, struct http_call *call)
{
	struct http_client *client = data;
	pthread_mutex_lock(&client->mutex);
	bool cancelled = call->place == CALL_CANCELLED, post = !cancelled && !client->to_owner_posted;
	if (!cancelled) {
		call_move(call, CALL_ENDED);
		client->to_owner_posted = true;
	}
	pthread_mutex_unlock(&client->mutex);
	if (cancelled)
		call_rest(call);
	if (post)
		loop_post(client->loop, &client->to_owner);
}

static void client_release(struct http_client *client);

static void close_io(struct http_client *client)
{
	transfers_free(client->transfers);
	pthread_mutex_lock(&client->mutex);
	client->io_closed = true;
	pthread_cond_signal(&client->changed);
	pthread_mutex_unlock(&client->mutex);
}

/* No more than STARTS_MAX, then the loop has its turn: answers come meanwhile, and their connections serve again. All at
 * once would only make more of them, among which curl looks for a free one each time. */
static void on_sent(struct loop_post *post)
{
	struct http_client *client = (struct http_client *)((char *)post - offsetof(struct http_client, to_io));
	pthread_mutex_lock(&client->mutex);
	bool more = client->to_io_posted = client->lists[CALL_SENT].count > STARTS_MAX && !client->closed && !client->closing;
	pthread_mutex_unlock(&client->mutex);
	if (client->closed) {
		client_release(client);
		return;
	}
	if (client->closing) {
		close_io(client);
		return;
	}
	struct http_call *call;
	for (int left = STARTS_MAX; left && (call = call_take(client, CALL_SENT, CALL_RUNNING)); left--)
		transfers_start(client->transfers, call);
	if (more)
		loop_post(client->io, post);
	while ((call = call_take(client, CALL_CANCELLED, CALL_CANCELLED))) {
		transfers_stop(client->transfers, call);
		call_rest(call);
	}
	transfers_go_on(client->transfers);
}

/* A post of ours that is behind this one must find us. */
static void on_close(struct loop_post *post)
{
	struct http_client *client = (struct http_client *)((char *)post - offsetof(struct http_client, to_close));
	pthread_mutex_lock(&client->mutex);
	client->closing = client->to_io_posted;
	pthread_mutex_unlock(&client->mutex);
	if (!client->closing)
		close_io(client);
}

/* ---- answers */

static void call_report(struct http_call *call)
{
	struct http_response response = { .failure = call->failure,
					  .failure_text = buffer_str(&call->failure_text),
					  .status = call->status,
					  .status_text = buffer_str(&call->status_text),
					  .headers_count = call->headers_count,
					  .body = buffer_str(&call->body) };
	MEM_GROW(call->headers, call->headers_capacity, call->headers_count + 1);
	for (size_t i = 0; i < call->headers_count; i++) {
		const struct header_place *place = &call->places[i];
		call->headers[i].name = (struct str){ call->header_bytes.data + place->name, place->name_len };
		call->headers[i].value = (struct str){ call->header_bytes.data + place->value, place->value_len };
	}
	response.headers = call->headers;
	call->done(call->data, &response);
}

/* Of those that were there when it began: what comes meanwhile has a post of its own, and the loop its turn before. */
static void on_answered(struct loop_post *post)
{
	struct http_client *client = (struct http_client *)((char *)post - offsetof(struct http_client, to_owner));
	pthread_mutex_lock(&client->mutex);
	client->to_owner_posted = false;
	uint32_t count = client->lists[CALL_ENDED].count;
	pthread_mutex_unlock(&client->mutex);
	if (client->closed) {
		client_release(client);
		return;
	}
	for (struct http_call *call; count && (call = call_take(client, CALL_ENDED, CALL_REPORTED)); count--) {
		client->running--;
		call_report(call);
		call_rest(call);
	}
}

struct str http_response_header(const struct http_response *response, const char *name)
{
	for (size_t i = 0; i < response->headers_count; i++)
		if (text_same(response->headers[i].name, str_of(name)))
			return response->headers[i].value;
	return (struct str){ NULL, 0 };
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

static void add_line(struct http_call *call, struct str line)
{
	buffer_append(&call->lines, line.ptr, line.len);
	buffer_byte(&call->lines, 0);
	call->lines_count++;
}

static void write_lines(struct http_call *call, const struct http_request *request)
{
	bool has_type = false, has_agent = false;
	for (size_t i = 0; i < request->headers_count; i++) {
		struct str name = request->headers[i].name, value = request->headers[i].value;
		buffer_add(&call->lines, name);
		/* "Name;" is how curl is told to send a header without a value. */
		buffer_addz(&call->lines, value.len ? ": " : ";");
		add_line(call, value);
		has_type |= text_same(name, STR("content-type"));
		has_agent |= text_same(name, STR("user-agent"));
	}
	if (!has_agent)
		add_line(call, STR(AGENT));
	/* "Name:" takes out what curl would add by itself. */
	if (request->has_body)
		add_line(call, STR("Expect:"));
	if (request->has_body && !has_type)
		add_line(call, STR("Content-Type:"));
}

static void write_request(struct http_call *call, const struct http_request *request)
{
	buffer_add(&call->method, request->method);
	buffer_add(&call->url, request->url);
	write_lines(call, request);
	call->has_body = request->has_body;
	if (request->has_body)
		buffer_add(&call->sent_body, request->body);
	call->has_user = request->user;
	if (request->user) {
		buffer_addz(&call->user, request->user);
		buffer_addz(&call->password, request->password ? request->password : "");
	}
	call->timeout_ms = request->timeout_ms > 0 ? request->timeout_ms : 1;
	call->body_max = request->response_bytes_max;
}

/* The first request loads the library and starts the thread: many a client never sends one. */
static int begin(struct http_client *client, struct wf_error *err)
{
	int r = curl_library_load(err);
	if (r == 0 && client->io->start)
		r = client->io->start(client->io, err);
	client->begun = r == 0;
	return r;
}

int http_client_send(struct http_client *client, const struct http_request *request, http_done *done, void *data,
		     struct http_call **ret_call, struct wf_error *err)
{
	int r = check(request, err);
	if (r == 0 && !client->begun)
		r = begin(client, err);
	if (r < 0)
		return r;
	struct http_call *call = call_take(client, CALL_IDLE, CALL_REPORTED);
	bool fresh = !call;
	if (fresh)
		call = call_new(client);
	write_request(call, request);
	call->done = done;
	call->data = data;
	pthread_mutex_lock(&client->mutex);
	if (!fresh)
		call_leave(call);
	call_enter(call, CALL_SENT);
	bool post = !client->to_io_posted;
	client->to_io_posted = true;
	pthread_mutex_unlock(&client->mutex);
	if (post)
		loop_post(client->io, &client->to_io);
	client->running++;
	*ret_call = call;
	return 0;
}

void http_call_cancel(struct http_call *call)
{
	struct http_client *client = call->client;
	pthread_mutex_lock(&client->mutex);
	assert(call->place == CALL_SENT || call->place == CALL_RUNNING || call->place == CALL_ENDED);
	bool elsewhere = call->place == CALL_RUNNING, post = elsewhere && !client->to_io_posted;
	call_move(call, elsewhere ? CALL_CANCELLED : CALL_REPORTED);
	client->to_io_posted |= elsewhere;
	pthread_mutex_unlock(&client->mutex);
	client->running--;
	if (!elsewhere)
		call_rest(call);
	if (post)
		loop_post(client->io, &client->to_io);
}

uint32_t http_client_running(const struct http_client *client)
{
	return client->running;
}

/* ---- the client */

int http_client_new(struct loop *loop, struct loop *io, const struct http_client_options *options,
		    struct http_client **ret_client, struct wf_error *err)
{
	struct http_client *client = NEW(struct http_client);
	*client = (struct http_client){ .loop = loop,
					.io = io ? io : loop,
					.options = *options,
					.to_io = { .callback = on_sent },
					.to_owner = { .callback = on_answered },
					.to_close = { .callback = on_close } };
	if (!client->options.connect_timeout_ms)
		client->options.connect_timeout_ms = CONNECT_TIMEOUT_MS;
	if (!client->options.connections_per_host_max)
		client->options.connections_per_host_max = CONNECTIONS_PER_HOST;
	client->ca_file = options->ca_file ? mem_strdup(options->ca_file) : NULL;
	client->options.ca_file = client->ca_file;
	client->transfers = transfers_new(client->io, &client->options, on_ended, client);
	pthread_mutex_init(&client->mutex, NULL);
	pthread_cond_init(&client->changed, NULL);
	*ret_client = client;
	return 0;
}

/* A post that is under way must find what it points at. */
static void client_release(struct http_client *client)
{
	if (client->to_io_posted || client->to_owner_posted)
		return;
	pthread_mutex_destroy(&client->mutex);
	pthread_cond_destroy(&client->changed);
	free(client->ca_file);
	free(client);
}

void http_client_free(struct http_client *client)
{
	if (!client)
		return;
	if (client->begun && client->io != client->loop) {
		loop_post(client->io, &client->to_close);
		pthread_mutex_lock(&client->mutex);
		while (!client->io_closed)
			pthread_cond_wait(&client->changed, &client->mutex);
		pthread_mutex_unlock(&client->mutex);
	} else {
		transfers_free(client->transfers);
	}
	for (size_t place = 0; place < CALL_PLACES; place++)
		for (struct http_call *call; (call = client->lists[place].first);) {
			call_leave(call);
			call_free(call);
		}
	client->closed = true;
	client_release(client);
}
