/* v1_dead_letters.h: what the routes of dead letters (v1_dead_letters.c) and of redrive jobs (v1_redrive_jobs.c) share. */
#pragma once
#include "base/mem.h"
#include "engine/dead_letters.h"
#include "server/api.h"
#include "server/route.h"

/* Members of the answer: null if they are not there; a job's number as text, 0: none. */
void letters_put_text(struct buffer *out, const char *name, struct str text, bool there);
void letters_put_number(struct buffer *out, const char *name, int64_t number, bool there);
void letters_put_job_id(struct buffer *out, const char *name, uint64_t number);

/* Closes the object that was written, and answers with it. */
void letters_end(struct route_call *call);
/* Refuses the call if there is an error: whether there was. */
bool letters_refused(struct route_call *call, const struct engine_error *error);
/* A member of the query; empty if it is absent. */
struct str letters_query(struct route_call *call, const char *name);

/* What is to follow a preview that the body asks for with `executions` or `filter`. */
struct chosen {
	struct route_call *call;
	struct value *body;
	void (*then)(struct chosen *chosen, struct str preview);
	bool newest;
};

/* Reads the body, and what it names: a preview that is there, or one that is made of its executions or filter; `then` goes on with it
 * (NULL: the preview is the answer). */
void letters_choose(struct route_call *call, void (*then)(struct chosen *chosen, struct str preview));
