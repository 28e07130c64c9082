/* client.c: blocking API calls with libcurl (client.h). */
#include "cli/client.h"
#include "base/clock.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "connectors/http/curl_library.h"
#include "server/sigv4.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER_BYTES_MAX ((size_t)1 << 30)
#define SILENCE_S_MAX 60L /* no call here waits that long for its answer */
#define STREAM_SILENCE_US_MAX 40000000 /* a server says each 15 s that it is still there */
#define MESSAGE_BYTES_MAX ((size_t)16 << 20)

struct client {
	CURL *easy;     /* made by the first request */
	char *endpoint; /* without a slash at the end */
};

struct client *client_new(const char *endpoint)
{
	struct client *client = NEW(struct client);
	if (!endpoint)
		endpoint = getenv("RATCHET_ENDPOINT");
	client->endpoint = mem_strdup(endpoint && *endpoint ? endpoint : "http://127.0.0.1:8083");
	size_t len = strlen(client->endpoint);
	if (len && client->endpoint[len - 1] == '/')
		client->endpoint[len - 1] = 0;
	return client;
}

void client_free(struct client *client)
{
	if (!client)
		return;
	if (client->easy)
		curl.easy_cleanup(client->easy);
	free(client->endpoint);
	free(client);
}

void client_freep(struct client **client)
{
	client_free(*client);
}

static size_t take_bytes(char *bytes, size_t size, size_t count, void *data)
{
	struct buffer *answer = data;
	if (answer->len + size * count > ANSWER_BYTES_MAX)
		return 0;
	buffer_append(answer, bytes, size * count);
	return size * count;
}

/* An error answer's name and text: {"__type": "…#Name", "message": "…"}. */
static int refused(long status, const struct value *answer, struct wf_error *err)
{
	const struct value *inner = value_getz(answer, "error"); /* /v1's: {"error": {"code": …, "message": …}} */
	if (inner && value_is(inner, VALUE_OBJECT))
		answer = inner;
	struct str type = cli_text(answer, inner == answer ? "code" : "__type");
	const char *hash = type.len ? memrchr(type.ptr, '#', type.len) : NULL;
	struct str name = hash ? (struct str){ hash + 1, type.len - (size_t)(hash + 1 - type.ptr) } : type;
	struct str message = cli_text(answer, "message");
	if (!message.len)
		message = cli_text(answer, "Message");
	if (str_starts(name, STR("MissingAuthenticationToken")))
		error_set(err, ERR(INVALID),
			  "the server wants signed requests: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY to an access key of it (see "
			  "`ratchet keys --help`)");
	else if (message.len)
		error_set(err, ERR(INVALID), "%.*s", STR_FMT(message));
	else
		error_set(err, ERR(INVALID), "the server answered with status %ld", status);
	if (err && name.len)
		error_where(err, "%.*s", STR_FMT(name));
	return status >= 500 ? ERR(UNREACHABLE) : ERR(INVALID);
}

/* The server is on this machine, or behind a tunnel: the environment's proxy is not for it. Besides what NO_PROXY says.
 */
static char *without_proxy(void)
{
	const char *named = getenv("no_proxy");
	if (!named)
		named = getenv("NO_PROXY");
	return mem_printf("localhost,127.0.0.1,::1%s%s", named && *named ? "," : "", named ? named : "");
}

/* ---- signing ------------------------------------------------------------------------------------ */

static const char *variable(const char *name)
{
	const char *text = getenv(name);
	return text && *text ? text : NULL;
}

#define SIGNED_MOST 8

/* Adds X-Amz-Date and Authorization, if there is a key. `host` and what is in `headers` ("Name: value") is signed. */
static struct curl_slist *sign(struct arena *arena, const char *method, const char *host, const char *path, const char *body,
			       struct curl_slist *headers)
{
	bool own = variable("RATCHET_ACCESS_KEY_ID");
	const char *id = own ? variable("RATCHET_ACCESS_KEY_ID") : variable("AWS_ACCESS_KEY_ID");
	const char *secret = own ? variable("RATCHET_SECRET_ACCESS_KEY") : variable("AWS_SECRET_ACCESS_KEY");
	const char *region = variable("AWS_REGION") ? variable("AWS_REGION") : variable("AWS_DEFAULT_REGION");
	if (!id || !secret)
		return headers;
	char timestamp[17];
	struct sigv4_header signed_headers[SIGNED_MOST + 2];
	unsigned count = 0;
	sigv4_timestamp(clock_system()->wall_ms(clock_system()), timestamp);
	signed_headers[count++] = (struct sigv4_header){ STR("Host"), str_of(host) };
	signed_headers[count++] = (struct sigv4_header){ STR("X-Amz-Date"), str_of(timestamp) };
	for (const struct curl_slist *row = headers; row && count < SIGNED_MOST; row = row->next) {
		const char *colon = strchr(row->data, ':');
		if (!colon || !colon[1])
			continue; /* "Expect:": is not sent */
		signed_headers[count++] = (struct sigv4_header){ { row->data, (size_t)(colon - row->data) }, str_of(colon + 2) };
	}
	size_t length = strcspn(path, "?");
	struct sigv4_request request = { .method = str_of(method),
					 .path = { path, length },
					 .query = str_of(path[length] ? path + length + 1 : ""),
					 .headers = signed_headers,
					 .headers_count = count };
	struct str authorization = sigv4_authorization(arena, &request, str_of(id), str_of(secret), str_of(region ? region : "us-east-1"),
						       STR("states"), str_of(timestamp), str_of(body));
	headers = curl.slist_append(headers, arena_printf(arena, "X-Amz-Date: %s", timestamp));
	return curl.slist_append(headers, arena_printf(arena, "Authorization: %.*s", STR_FMT(authorization)));
}

/* "HOST[:PORT]" of a URL without a path, and where its path begins. */
static struct str host_of(const char *url, const char **ret_path)
{
	const char *host = strstr(url, "://");
	host = host ? host + 3 : url;
	const char *end = host + strcspn(host, "/?#"), *at = memrchr(host, '@', (size_t)(end - host));
	*ret_path = *end == '/' ? end : "";
	if (at)
		host = at + 1;
	return (struct str){ host, (size_t)(end - host) };
}

/* ---- requests ----------------------------------------------------------------------------------- */

static int prepare(struct client *client, struct wf_error *err)
{
	int code = client->easy ? 0 : curl_library_load(err);
	if (code == 0 && !client->easy)
		client->easy = curl.easy_init();
	return code == 0 && !client->easy ? error_set(err, ERR(INTERNAL), "libcurl cannot be initialized") : code;
}

/* Sets up a request. `lines` are headers, "Name: value", up to a NULL; `body` is borrowed until it is done. The headers are the caller's to
 * free, behind it. */
static struct curl_slist *set_request(struct client *client, CURL *easy, const char *method, const char *path,
				      const char *const *lines, const char *body)
{
	_cleanup_free_ char *url = mem_printf("%s%s", client->endpoint, path);
	_cleanup_free_ char *direct = without_proxy();
	_cleanup_(arena_done) struct arena arena = { 0 };
	const char *prefix;
	struct str host = host_of(client->endpoint, &prefix);
	char *host_text = arena_strdup(&arena, host);
	struct curl_slist *headers = NULL;
	while (*lines)
		headers = curl.slist_append(headers, *lines++);
	headers = sign(&arena, method, host_text, arena_printf(&arena, "%s%s", prefix, path), body, headers);
	headers = curl.slist_append(headers, arena_printf(&arena, "Host: %s", host_text));

	curl.easy_reset(easy);
	curl.easy_setopt(easy, CURLOPT_URL, url);
	curl.easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl.easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
	curl.easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl.easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, 10L);
	curl.easy_setopt(easy, CURLOPT_NOPROXY, direct);
	curl.easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
	if (variable("RATCHET_CA_FILE"))
		curl.easy_setopt(easy, CURLOPT_CAINFO, variable("RATCHET_CA_FILE"));
	if (body)
		curl.easy_setopt(easy, CURLOPT_POSTFIELDS, body);
	if (strcmp(method, body ? "POST" : "GET") != 0)
		curl.easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
	return headers;
}

static int perform(struct client *client, const char *method, const char *path, const char *const *lines, const char *body,
		   struct value **ret_answer, struct wf_error *err)
{
	int code = prepare(client, err);
	if (code)
		return code;
	_cleanup_(buffer_done) struct buffer text = { 0 };
	char curl_message[CURL_ERROR_SIZE] = "";
	CURL *easy = client->easy;
	struct curl_slist *headers = set_request(client, easy, method, path, lines, body);
	curl.easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_bytes);
	curl.easy_setopt(easy, CURLOPT_WRITEDATA, &text);
	curl.easy_setopt(easy, CURLOPT_ERRORBUFFER, curl_message);
	curl.easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl.easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, SILENCE_S_MAX);
	CURLcode failed = curl.easy_perform(easy);
	curl.slist_free_all(headers);
	if (failed == CURLE_PEER_FAILED_VERIFICATION || failed == CURLE_SSL_CACERT_BADFILE)
		return error_set(err, ERR(UNREACHABLE), "%s shows a certificate that is not trusted: %s (--ca-file, RATCHET_CA_FILE)",
				 client->endpoint, *curl_message ? curl_message : curl.easy_strerror(failed));
	if (failed)
		return error_set(
		    err, ERR(UNREACHABLE),
		    "cannot reach a server at %s: %s; is `ratchet serve` running? (--endpoint, RATCHET_ENDPOINT)",
		    client->endpoint, *curl_message ? curl_message : curl.easy_strerror(failed));
	long status = 0;
	curl.easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
	_cleanup_(value_unrefp) struct value *answer = NULL;
	if (value_parse(buffer_str(&text), NULL, &answer, NULL) != 0)
		return error_set(err, ERR(UNREACHABLE),
				 "%s is no Ratchet server: it answered with status %ld and no JSON", client->endpoint,
				 status);
	if (status < 200 || status > 299)
		return refused(status, answer, err);
	*ret_answer = TAKE(answer);
	return 0;
}

int client_call(struct client *client, const char *operation, const struct value *request, struct value **ret_answer,
		struct wf_error *err)
{
	_cleanup_free_ char *target = mem_printf("X-Amz-Target: AWSStepFunctions.%s", operation);
	const char *const headers[] = { "Content-Type: application/x-amz-json-1.0", target, "Expect:", NULL };
	struct str text = value_text(request);
	_cleanup_free_ char *body = mem_strndup(text.ptr, text.len);
	return perform(client, "POST", "/", headers, body, ret_answer, err);
}

int client_get(struct client *client, const char *path, struct value **ret_answer, struct wf_error *err)
{
	const char *const headers[] = { NULL };
	return perform(client, "GET", path, headers, NULL, ret_answer, err);
}

int client_send(struct client *client, const char *method, const char *path, const struct value *body, struct value **ret_answer,
		struct wf_error *err)
{
	const char *const headers[] = { "Content-Type: application/json", body ? "Expect:" : NULL, NULL };
	_cleanup_free_ char *text = NULL;
	if (body) {
		struct str json = value_text(body);
		text = mem_strndup(json.ptr, json.len);
	}
	return perform(client, method, path, headers, text, ret_answer, err);
}

/* ---- streams ------------------------------------------------------------------------------------ */

struct client_stream {
	CURLM *multi;
	CURL *easy;
	struct curl_slist *headers;
	struct buffer text;
	size_t taken;       /* of it, in messages that were given */
	int64_t heard_us;   /* when the last bytes came */
	char last_id[64];
};

static size_t take_stream(char *bytes, size_t size, size_t count, void *data)
{
	struct client_stream *stream = data;
	if (stream->text.len - stream->taken + size * count > MESSAGE_BYTES_MAX)
		return 0;
	buffer_append(&stream->text, bytes, size * count);
	stream->heard_us = clock_system()->monotonic_us(clock_system());
	return size * count;
}

struct client_stream *client_stream_open(struct client *client, const char *path, const char *last_id)
{
	struct client_stream *stream = NEW(struct client_stream);
	struct wf_error err = { 0 };
	_cleanup_free_ char *last = last_id && *last_id ? mem_printf("Last-Event-ID: %s", last_id) : NULL;
	const char *const lines[] = { "Accept: text/event-stream", last, NULL };
	if (prepare(client, &err) != 0)
		return stream; /* the first client_stream_next says that it has ended */
	snprintf(stream->last_id, sizeof stream->last_id, "%s", last_id ? last_id : "");
	stream->easy = curl.easy_init();
	stream->multi = curl.multi_init();
	stream->headers = set_request(client, stream->easy, "GET", path, lines, NULL);
	curl.easy_setopt(stream->easy, CURLOPT_WRITEFUNCTION, take_stream);
	curl.easy_setopt(stream->easy, CURLOPT_WRITEDATA, stream);
	curl.multi_add_handle(stream->multi, stream->easy);
	stream->heard_us = clock_system()->monotonic_us(clock_system());
	return stream;
}

void client_stream_close(struct client_stream *stream)
{
	if (!stream)
		return;
	if (stream->multi) {
		curl.multi_remove_handle(stream->multi, stream->easy);
		curl.easy_cleanup(stream->easy);
		curl.multi_cleanup(stream->multi);
		curl.slist_free_all(stream->headers);
	}
	buffer_done(&stream->text);
	free(stream);
}

const char *client_stream_last_id(const struct client_stream *stream)
{
	return stream->last_id;
}

/* Takes the next whole message; its event is empty when it has only an id. False: there is none yet. */
static bool take_message(struct client_stream *stream, struct str *ret_event)
{
	for (;;) {
		struct str rest = str_sub(buffer_str(&stream->text), stream->taken, stream->text.len);
		const char *end = rest.len ? memmem(rest.ptr, rest.len, "\n\n", 2) : NULL;
		if (!end)
			return false;
		bool told = false;
		*ret_event = STR_EMPTY;
		for (const char *line = rest.ptr, *next; line < end; line = next + 1) {
			next = memchr(line, '\n', (size_t)(end - line) + 1);
			struct str text = { line, (size_t)(next - line) };
			if (str_starts(text, STR("event: ")))
				*ret_event = str_sub(text, 7, text.len);
			else if (str_starts(text, STR("id: ")))
				snprintf(stream->last_id, sizeof stream->last_id, "%.*s", STR_FMT(str_sub(text, 4, text.len)));
			told |= *line != ':'; /* a comment */
		}
		stream->taken += (size_t)(end - rest.ptr) + 2;
		if (told)
			return true;
	}
}

int client_stream_next(struct client_stream *stream, int timeout_ms, struct str *ret_event)
{
	int running = 0, messages;
	if (take_message(stream, ret_event))
		return 1;
	buffer_consume(&stream->text, stream->taken);
	stream->taken = 0;
	if (!stream->multi)
		return ERR(INVALID);
	curl.multi_perform(stream->multi, &running);
	bool came = take_message(stream, ret_event);
	if (running && !came) {
		curl.multi_poll(stream->multi, NULL, 0, timeout_ms, NULL);
		curl.multi_perform(stream->multi, &running);
		came = take_message(stream, ret_event);
	}
	long status = 0;
	curl.easy_getinfo(stream->easy, CURLINFO_RESPONSE_CODE, &status);
	if (status && status != 200)
		return ERR(INVALID);
	if (came)
		return 1;
	int64_t silent_us = clock_system()->monotonic_us(clock_system()) - stream->heard_us;
	return !running || curl.multi_info_read(stream->multi, &messages) || silent_us > STREAM_SILENCE_US_MAX ? ERR(UNREACHABLE) : 0;
}

int client_exit_status(int code)
{
	return code == ERR(UNREACHABLE) ? EXIT_UNREACHABLE : EXIT_USAGE;
}

static int make_arn(struct client *client, const char *kind, const char *name, char **ret_arn, struct wf_error *err)
{
	_cleanup_(value_unrefp) struct value *info = NULL;
	if (strncmp(name, "arn:", 4) == 0) {
		*ret_arn = mem_strdup(name);
		return 0;
	}
	int code = client_get(client, "/v1/info", &info, err);
	if (code)
		return code;
	struct str region = cli_text(info, "region"), account = cli_text(info, "account");
	if (!region.len || !account.len)
		return error_set(err, ERR(UNREACHABLE),
				 "%s is no Ratchet server: it does not say its region and account", client->endpoint);
	*ret_arn = mem_printf("arn:aws:states:%.*s:%.*s:%s:%s", STR_FMT(region), STR_FMT(account), kind, name);
	return 0;
}

int client_machine_arn(struct client *client, const char *name, char **ret_arn, struct wf_error *err)
{
	return make_arn(client, "stateMachine", name, ret_arn, err);
}

int client_execution_arn(struct client *client, const char *name, char **ret_arn, struct wf_error *err)
{
	if (strncmp(name, "arn:", 4) != 0 && !strchr(name, ':'))
		return error_set(err, ERR(INVALID), "'%s' is no execution: give its ARN or MACHINE:NAME", name);
	return make_arn(client, "execution", name, ret_arn, err);
}
