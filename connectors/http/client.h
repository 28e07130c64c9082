/* client.h: HTTP requests: what http, lambda and others that speak HTTP stand on.
 *
 *     the owner's loop ── http_client_send ──► libcurl, on the loop `io`
 *                      ◄── done ───────────
 *
 * Connections are kept and shared by all requests of a client; handles and buffers are pooled. Certificates are
 * verified, redirects are answers like any other, and nothing but http and https is ever spoken. A proxy is taken from
 * the environment (https_proxy …) as usual, but never for this machine itself.
 *
 * Everything here is called, and calls back, on the owner's loop's thread; `done` comes from the loop, never from within
 * http_client_send. `io` may be the owner's loop: then there is one thread. Or it is a loop with a thread of its own,
 * which several clients may share: the first request starts it, and requests and answers go over in batches, as many as
 * there are when the other side wakes. */
#pragma once
#include "base/buffer.h"
#include "base/error.h"
#include "base/loop.h"

struct http_client;
struct http_call;

struct http_client_options {
	int64_t connect_timeout_ms;    /* 0: 10 s */
	long connections_per_host_max; /* 0: 512 */
	const char *ca_file;           /* NULL: the system's */
};

struct http_header {
	struct str name, value;
};

/* Borrowed during http_client_send. */
struct http_request {
	struct str method; /* as it goes out: "GET", "POST" … */
	struct str url;    /* http:// or https:// */
	const struct http_header *headers;
	size_t headers_count;
	struct str body;
	bool has_body;               /* an empty body is one too (Content-Length: 0) */
	const char *user, *password; /* basic authentication; NULL: none */
	int64_t timeout_ms;          /* for the whole request */
	size_t response_bytes_max;
};

enum http_failure {
	HTTP_ANSWERED,   /* whatever the status */
	HTTP_UNRESOLVED, /* the name has no address */
	HTTP_UNCONNECTED,
	HTTP_UNTRUSTED, /* TLS: certificate or handshake */
	HTTP_TIMED_OUT,
	HTTP_BROKEN,    /* it closed early, or what it said is not HTTP */
	HTTP_TOO_LARGE, /* more than response_bytes_max */
};

/* Borrowed during the callback. */
struct http_response {
	enum http_failure failure;
	struct str failure_text; /* a sentence, unless HTTP_ANSWERED */
	long status;
	struct str status_text;            /* "OK"; empty with HTTP/2 */
	const struct http_header *headers; /* names as the server wrote them */
	size_t headers_count;
	struct str body;
};

typedef void http_done(void *data, const struct http_response *response);

/* `io` must live until http_client_free has returned, `loop` until what was posted to it has run; NULL: the same loop. */
int http_client_new(struct loop *loop, struct loop *io, const struct http_client_options *options,
		    struct http_client **ret_client, struct wf_error *err);
/* Cancels what is under way, without calls; waits until the other thread has let go. Not from within `done`. Takes
 * NULL. */
void http_client_free(struct http_client *client);

/* Sends a request; `done` is called once, unless it is cancelled. ERR(INVALID) if the URL, the method or a header is
 * not one that can be sent, ERR(UNSUPPORTED) without libcurl: then it is not called. */
int http_client_send(struct http_client *client, const struct http_request *request, http_done *done, void *data,
		     struct http_call **ret_call, struct wf_error *err);
/* Drops it: `done` will not be called, wherever the request or its answer is. */
void http_call_cancel(struct http_call *call);
/* Requests whose `done` has neither been called nor cancelled. */
uint32_t http_client_running(const struct http_client *client);

/* The value of the first header of that name, whatever its case; ptr NULL if there is none. */
struct str http_response_header(const struct http_response *response, const char *name);
