/* server.h: HTTP in front of the engine, on libmicrohttpd, whose epoll descriptor the loop watches: everything on the
 * loop's thread; a request that waits for the engine is suspended, and costs a connection and nothing else.
 *
 *     POST /              the Step Functions API: AWS JSON 1.0, X-Amz-Target: AWSStepFunctions.OPERATION
 *     GET  /              the console, and its paths (console.h)
 *     GET  /v1/info       {version, region, account, store, durable, uptime_s}: for the command line
 *     GET  /healthz       200 "ok" once requests are served
 *     GET  /metrics       Prometheus text
 *
 * Without authentication a listener that is not loopback is refused, and Host must name the listener or localhost, and
 * Origin, where there is one, the same: pages of other origins and rebound names get 403. With it (auth.h) Host may be any
 * name, or one of those configured, because a rebound name has neither a signature nor our cookie; and Origin must be
 * what Host says. */
#pragma once
#include "engine/engine.h"

struct server;

struct server_options {
	struct engine *engine;
	struct loop *loop;
	struct clock_source *clock;
	const char *listen;     /* "HOST:PORT", "[::1]:PORT"; port 0: any */
	const char *store_name; /* shown by /v1/info; borrowed */
	struct search *search;  /* the search file; NULL: none; borrowed */
	struct logs *logs;      /* for /metrics; NULL: none; borrowed */
	struct functions *functions; /* NULL: none; borrowed */
	struct keys *keys;      /* access keys; borrowed */
	struct auth *auth;      /* who may ask what; NULL: no authentication; borrowed */
	const char *hosts;      /* names that Host may have besides, a comma between them; empty: with authentication any */
	const char *tls_certificate, *tls_key; /* PEM files; empty: no TLS */
};

/* Listens. ERR(INVALID): the address is wrong or not loopback; ERR(BUSY): it is taken. */
int server_new(const struct server_options *options, struct server **ret_server, struct wf_error *err);
/* "http://127.0.0.1:8083", with the port that was taken. Lives as long as the server. */
const char *server_url(const struct server *server);
/* From now on API requests that come are answered 503, as is /healthz; those under way are answered as the engine
 * replies. */
void server_drain(struct server *server);
/* Calls `idle` (from within, or later) when no request is under way: the answers that there are have been sent. */
void server_when_idle(struct server *server, void (*idle)(void *data), void *data);
/* Answers 503 to whatever waits for the engine, closes every connection, and frees. The engine must be freed next,
 * without a turn between: it holds what it was asked. */
void server_free(struct server *server);
