/* route.h: everything that is answered beside `POST /`: one table a file, one handler a row.
 *
 *     routes_find ─► the row's role is checked (auth.h) ─► handler ─► route_answer / route_refuse    once, now or later
 *
 * A pattern is a path whose `*` parts each match one non-empty part: "/v1/executions/" "*" "/graph". What they matched is
 * percent-decoded. A handler reads the request, asks the engine, and answers at once or from the engine's callback:
 * always exactly once. Everything happens on the loop's thread.
 *
 * Errors of /v1 are {"error": {"code": "NotFound", "message": "…"}}. */
#pragma once
#include "base/arena.h"
#include "base/buffer.h"
#include "engine/engine.h"
#include "server/auth.h"

#define ROUTE_PARTS_MOST 4
#define ROUTE_HEADERS_MOST 6

struct route_call;

struct route {
	const char *method; /* "GET" (HEAD too), "POST", "PUT", "DELETE" */
	const char *pattern;
	enum role role; /* the least that may call it; ROLE_NONE: anybody, also without a signature */
	void (*handle)(struct route_call *call);
};

/* What handlers reach beside the engine; made by `ratchet serve`, borrowed by all. Members that a build or a
 * configuration does not have are NULL. */
struct services {
	struct engine *engine;
	struct clock_source *clock;
	const char *store_name;
	int64_t started_us; /* monotonic */
	bool draining;
	struct auth *auth;           /* NULL: no authentication */
	struct keys *keys;           /* access keys, whether they are asked for or not */
	bool secure;                 /* the listener speaks TLS */
	struct functions *functions; /* connectors/function/function.h */
	struct search *search;       /* the search file: lists by text, figures by state */
	struct live *live;           /* the stream of changes */
	struct v1_folds *folds;      /* v1_folds.h; made when first needed */
	struct dead_letters *dead_letters;
	struct logs *logs; /* the log of executions; NULL: none */
};

/* One call under way; the transport makes and frees it. */
struct route_call {
	struct services *services;
	struct engine *engine;
	const struct route *route;
	struct identity identity; /* who asks */
	struct str parts[ROUTE_PARTS_MOST]; /* what the stars matched, decoded */
	unsigned parts_count;
	struct str body;     /* as sent; borrowed until the answer */
	struct arena arena;  /* lives as long as the call */
	/* The answer. */
	struct buffer out;
	unsigned status; /* 0: not answered yet */
	const char *type; /* NULL: application/json */
	struct {
		const char *name, *value; /* static, or in the arena */
	} headers[ROUTE_HEADERS_MOST];
	unsigned headers_count;
	/* The transport's. */
	const char *query_text; /* the whole query as sent */
	const char *(*query)(struct route_call *call, const char *name);  /* decoded; NULL: absent */
	const char *(*header)(struct route_call *call, const char *name); /* NULL: absent */
	bool (*gone)(struct route_call *call);
	void (*answered)(struct route_call *call);
	void *(*stream)(struct route_call *call, void (*closed)(void *data), void *data);
	void *data;
};

/* The tables, one a file; ended by a NULL method. */
extern const struct route routes_functions[]; /* v1_functions.c */
extern const struct route routes_lambda[];    /* lambda_api.c */
extern const struct route routes_console[]; /* console.c */
extern const struct route routes_dead_letters[]; /* v1_dead_letters.c */
extern const struct route routes_redrive_jobs[]; /* v1_redrive_jobs.c */
extern const struct route routes_pages[]; /* pages.c */
extern const struct route routes_keys[]; /* routes_keys.c */
extern const struct route routes_v1_overview[], routes_v1_executions[], routes_v1_execution[], routes_v1_machines[], routes_v1_stream[], routes_v1_timeline[], routes_v1_inspect[], routes_v1_views[],
    routes_v1_rerun[], routes_v1_mock_test[];

/* The row for a request, with call->parts filled; NULL: there is none, and *ret_status is 404 or 405. `path` is as sent
 * (not decoded), without the query. */
const struct route *routes_find(struct route_call *call, const char *method, const char *path, unsigned *ret_status);

/* Calls the row's handler, unless it is one of /v1 and what is asked cannot be: parts of the path or the query that are no text, a member of
 * the query that is there twice, a `limit` that is none. */
void route_handle(struct route_call *call);

/* A member of the query: its text (ptr NULL: absent), its number or `otherwise` (also if it is none). */
struct str route_query(struct route_call *call, const char *name);
int64_t route_query_number(struct route_call *call, const char *name, int64_t otherwise);
/* A decimal number, with a minus perhaps; false if it is none, or is beyond what a double holds exactly. */
#define ROUTE_NUMBER_MOST (INT64_C(1) << 53)
bool route_number(struct str text, int64_t *ret_number);
/* The body as a JSON object; NULL after it refused the call. Unreferenced by the caller. */
struct value *route_body(struct route_call *call);

/* A stream: an answer without an end of its own. Begun from within the handler, instead of an answer, with call->type and headers set; the
 * call stays as long as the stream. `closed` is called once, on the loop's thread: the client has gone, or the stream was ended and sent; the
 * stream is no more then. */
struct route_stream;
struct route_stream *route_stream_begin(struct route_call *call, void (*closed)(void *data), void *data);
/* Queues bytes; the loop sends them. How many wait is for the caller to bound. */
void route_stream_write(struct route_stream *stream, struct str bytes);
size_t route_stream_waiting(const struct route_stream *stream);
/* Drops what waits and is not yet being sent. */
void route_stream_drop(struct route_stream *stream);
/* No more comes: closed when what waits is sent. */
void route_stream_end(struct route_stream *stream);

void route_header(struct route_call *call, const char *name, const char *value);
/* Answers with what was written to call->out; status 200. */
void route_answer(struct route_call *call);
void route_answer_status(struct route_call *call, unsigned status);
/* {"error": {code, message}}. */
void route_refuse(struct route_call *call, unsigned status, const char *code, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* The same for an engine's error, with the status that suits it. */
void route_refuse_engine(struct route_call *call, const struct engine_error *error);
