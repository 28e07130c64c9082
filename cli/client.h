/* client.h: the command line's side of the API: blocking calls over HTTP to a server.
 *
 * Requests are signed when the environment has a key: RATCHET_ACCESS_KEY_ID and RATCHET_SECRET_ACCESS_KEY, else
 * AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY. RATCHET_CA_FILE: certificates to trust instead of the system's. */
#pragma once
#include "base/error.h"
#include "value/value.h"

struct client;

/* `endpoint` NULL: RATCHET_ENDPOINT, else http://127.0.0.1:8083. Never fails; the first call may. */
struct client *client_new(const char *endpoint);
void client_free(struct client *client);
void client_freep(struct client **client);

/* Calls a Step Functions operation. 0 and *ret_answer (yours). ERR(UNREACHABLE) if the server cannot be reached or
 * cannot answer now (5xx); ERR(INVALID) for another error answer. For an error answer err->where is its name
 * ("StateMachineDoesNotExist"), err->message its text. */
int client_call(struct client *client, const char *operation, const struct value *request, struct value **ret_answer,
		struct wf_error *err);
/* Any other request ("PUT", "/v1/keys/AKIA…"): `body` is JSON, or NULL; *ret_answer too. */
int client_send(struct client *client, const char *method, const char *path, const struct value *body, struct value **ret_answer,
		struct wf_error *err);
/* GET of a JSON document ("/v1/info"). */
int client_get(struct client *client, const char *path, struct value **ret_answer, struct wf_error *err);

/* Server-sent events ("/v1/events?topics=…"). `last_id` is where to go on (client_stream_last_id of the stream that ended); NULL: from now. Never
 * fails; the first client_stream_next may. The client must outlive it, and can be used for calls meanwhile. */
struct client_stream;
struct client_stream *client_stream_open(struct client *client, const char *path, const char *last_id);
void client_stream_close(struct client_stream *stream);
/* 1: a message of this event came (empty: the stream has begun); 0: none did in that time, or earlier; ERR(UNREACHABLE): the stream has
 * ended, or nothing was heard of the server for long; ERR(INVALID): it was refused. */
int client_stream_next(struct client_stream *stream, int timeout_ms, struct str *ret_event);
const char *client_stream_last_id(const struct client_stream *stream);

/* Percent-encodes a part of a path or a query (search.c). */
void client_escape(struct str text, struct buffer *out);

/* The exit status that belongs to a failed call. */
int client_exit_status(int code);

/* A machine given by name or ARN, an execution given by ARN or as MACHINE:NAME, as an ARN (to be freed): asks the
 * server for its region and account. */
int client_machine_arn(struct client *client, const char *name, char **ret_arn, struct wf_error *err);
int client_execution_arn(struct client *client, const char *name, char **ret_arn, struct wf_error *err);
