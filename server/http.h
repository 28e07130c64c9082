/* http.h: what the transport's sources share (http.c, gate.c, streams.c, listener.c) and nobody else includes: the server,
 * a request with all that belongs to it, and what each of the sources does for the others. */
#pragma once
#include "base/random.h"
#include "server/api.h"
#include "server/auth.h"
#include "server/peers.h"
#include "server/route.h"
#include "server/server.h"
#include <microhttpd.h>

struct server {
	struct engine *engine;
	struct loop *loop;
	struct MHD_Daemon *daemon;
	struct loop_watch watch;
	struct loop_timer timer;
	struct services services;
	char *url;
	char *host; /* as in the URL, without the port */
	uint16_t port;
	struct random random;       /* request ids */
	struct exchange *suspended; /* list */
	struct peers peers;
	struct loop_timer sweep;
	unsigned under_way;         /* requests whose answer is owed or being sent */
	void (*idle)(void *data);
	void *idle_data;
	bool draining, running;
	const char *hosts;                /* server_options */
	char *certificate, *private_key;  /* PEM; NULL: no TLS */
	char trouble[256];                /* what the library said last, while it starts */
};

/* Who a request comes from, as far as it is known. */
struct gate {
	struct arena arena;
	struct auth_request request;
	struct auth_proof proof;
	struct auth_refusal refusal;
	bool open;    /* nobody need say who they are */
	bool refused; /* `refusal` says why; the body is not kept */
};

/* One request, from its first header to its end. */
struct exchange {
	struct server *server;
	struct MHD_Connection *connection;
	struct api_call call;
	struct route_call route; /* the call, where it is not the API's */
	struct buffer body;
	struct exchange *next, *previous; /* in server->suspended */
	uint64_t body_bytes;              /* read, kept or not */
	char *path;                       /* as sent, without the query */
	char *query;                      /* as sent; with a gate only */
	struct gate *gate;                /* NULL: no authentication */
	char request_id[37];
	struct peer *peer;
	unsigned status; /* of the answer; 0: none was given */
	int64_t began_us;
	bool is_api, headed, begun, suspended;
	struct route_stream *streaming; /* NULL: none */
};

/* ---- http.c ---- */

/* Sets the connection aside until its answer is there, or the next bytes of its stream. */
void exchange_suspend(struct exchange *exchange);
/* It goes on in the loop's next iteration, if it is suspended. */
void exchange_go_on(struct exchange *exchange);
/* A header as the client sent it; NULL: it did not. */
const char *exchange_header(const struct exchange *exchange, const char *name);

/* ---- gate.c: who may ask ---- */

/* Whether Host and Origin, where they are sent, name this server. */
bool gate_names_us(const struct exchange *exchange);
/* The headers are there: makes exchange->gate, and finds out whether they may belong to somebody. */
void gate_open(struct exchange *exchange, const char *method);
/* The body is there: who it is. False: exchange->gate->refusal says why not. */
bool gate_pass(struct exchange *exchange, struct identity *ret_identity);
void gate_free(struct gate *gate);

/* ---- streams.c: answers without an end of their own ---- */

/* route_call.stream. */
void *stream_begin(struct route_call *call, void (*closed)(void *data), void *data);
enum MHD_Result stream_respond(struct exchange *exchange);
/* The client has gone, or all is sent. */
void stream_close(struct exchange *exchange);

/* ---- listener.c: the listening socket, and TLS ---- */

/* Reads the certificate and its key, if they are configured. */
int listener_take_tls(struct server *server, const struct server_options *options, struct wf_error *err);
/* Listens at "HOST:PORT" and fills server->url, host and port: the descriptor, or a negative code (server_new). */
int listener_open(struct server *server, const char *listen_text, struct wf_error *err);
/* Client connections that are taken: as configured, but never so many that no descriptor is left for anything else. */
unsigned listener_connections(const struct engine *engine);
