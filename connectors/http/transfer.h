/* transfer.h: libcurl on its loop. For client.c alone.
 *
 * A call is one request and its answer. It belongs to its owner's loop until transfers_start, to the transfers' loop from
 * then until `ended` has been called with it or transfers_stop has returned, and then to the owner's again. The two may
 * be different threads: client.c carries calls from one to the other, and whoever has a call may touch all of it but
 * `place`, `next` and `previous`. */
#pragma once
#include "connectors/http/client.h"

struct transfers;
struct transfer;

/* Where a call is; who has it then. */
enum call_place {
	CALL_IDLE,      /* in the pool; nobody */
	CALL_SENT,      /* on its way to the transfers' loop; the owner may take it back */
	CALL_RUNNING,   /* the transfers' loop */
	CALL_CANCELLED, /* the same, which is to drop it */
	CALL_ENDED,     /* on its way back; the owner may drop it */
	CALL_REPORTED,  /* the owner, in its callback */
	CALL_PLACES
};

struct header_place {
	size_t name, name_len, value, value_len; /* offsets into header_bytes */
};

struct http_call {
	/* client.c's, under its mutex */
	enum call_place place;
	struct http_call *next, *previous; /* in the list of its place */

	/* the owner's */
	struct http_client *client;
	http_done *done;
	void *data;
	struct http_header *headers; /* for the response: made of `places` */
	size_t headers_capacity;

	/* the request */
	struct buffer url, method, lines; /* lines: "Name: value", each with a NUL behind it */
	struct buffer sent_body, user, password;
	size_t lines_count;
	bool has_body, has_user;
	int64_t timeout_ms;
	size_t body_max;

	/* the answer */
	enum http_failure failure;
	struct buffer failure_text, status_text, header_bytes, body;
	long status;
	struct header_place *places;
	size_t headers_count, places_capacity;

	struct transfer *transfer; /* while it is with the transfers */
};

/* `ended` is called on `io` with each call that was started and has not been stopped; possibly from within
 * transfers_start. It must not call transfers_*. `options` are borrowed until transfers_free. */
struct transfers *transfers_new(struct loop *io, const struct http_client_options *options,
				void (*ended)(void *data, struct http_call *call), void *data);
/* Stops all that is under way and frees. Takes NULL. */
void transfers_free(struct transfers *transfers);

void transfers_start(struct transfers *transfers, struct http_call *call);
/* After one or several were started: lets libcurl send them. */
void transfers_go_on(struct transfers *transfers);
/* Drops one that was started and has not ended: without a call of `ended`. */
void transfers_stop(struct transfers *transfers, struct http_call *call);
