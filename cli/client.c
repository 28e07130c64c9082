/* client.c: blocking API calls with libcurl (client.h). */
#include "cli/client.h"
#include "base/mem.h"
#include "cli/cli.h"
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER_BYTES_MAX ((size_t)1 << 30)
#define SILENCE_S_MAX 60L /* no call here waits that long for its answer */

struct client {
	CURL *curl;
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
	curl_global_init(CURL_GLOBAL_DEFAULT);
	client->curl = curl_easy_init();
	return client;
}

void client_free(struct client *client)
{
	if (!client)
		return;
	curl_easy_cleanup(client->curl);
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

static struct str text_of(const struct value *json, const char *key)
{
	const struct value *value = value_getz(json, key);
	return value ? value_string(value) : STR_EMPTY;
}

/* An error answer's name and text: {"__type": "…#Name", "message": "…"}. */
static int refused(long status, const struct value *answer, struct wf_error *err)
{
	struct str type = text_of(answer, "__type");
	const char *hash = type.len ? memrchr(type.ptr, '#', type.len) : NULL;
	struct str name = hash ? (struct str){ hash + 1, type.len - (size_t)(hash + 1 - type.ptr) } : type;
	struct str message = text_of(answer, "message");
	if (!message.len)
		message = text_of(answer, "Message");
	if (message.len)
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

static int perform(struct client *client, const char *path, struct curl_slist *headers, const char *body,
		   struct value **ret_answer, struct wf_error *err)
{
	_cleanup_(buffer_done) struct buffer text = { 0 };
	_cleanup_free_ char *url = mem_printf("%s%s", client->endpoint, path);
	_cleanup_free_ char *direct = without_proxy();
	char curl_message[CURL_ERROR_SIZE] = "";
	CURL *curl = client->curl;

	curl_easy_reset(curl);
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_bytes);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, &text);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, curl_message);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, 10L);
	curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, SILENCE_S_MAX);
	curl_easy_setopt(curl, CURLOPT_NOPROXY, direct);
	if (body)
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
	CURLcode failed = curl_easy_perform(curl);
	if (failed)
		return error_set(
		    err, ERR(UNREACHABLE),
		    "cannot reach a server at %s: %s; is `ratchet serve` running? (--endpoint, RATCHET_ENDPOINT)",
		    client->endpoint, *curl_message ? curl_message : curl_easy_strerror(failed));
	long status = 0;
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	_cleanup_(value_unrefp) struct value *answer = NULL;
	if (value_parse(buffer_str(&text), NULL, &answer, NULL) != 0)
		return error_set(err, ERR(UNREACHABLE),
				 "%s is no Ratchet server: it answered with status %ld and no JSON", client->endpoint,
				 status);
	if (status != 200)
		return refused(status, answer, err);
	*ret_answer = TAKE(answer);
	return 0;
}

int client_call(struct client *client, const char *operation, const struct value *request, struct value **ret_answer,
		struct wf_error *err)
{
	_cleanup_free_ char *target = mem_printf("X-Amz-Target: AWSStepFunctions.%s", operation);
	struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/x-amz-json-1.0");
	headers = curl_slist_append(headers, target);
	headers = curl_slist_append(headers, "Expect:");
	struct str text = value_text(request);
	_cleanup_free_ char *body = mem_strndup(text.ptr, text.len);
	int code = perform(client, "/", headers, body, ret_answer, err);
	curl_slist_free_all(headers);
	return code;
}

int client_get(struct client *client, const char *path, struct value **ret_answer, struct wf_error *err)
{
	return perform(client, path, NULL, NULL, ret_answer, err);
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
	struct str region = text_of(info, "region"), account = text_of(info, "account");
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
