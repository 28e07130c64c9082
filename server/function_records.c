/* function_records.c: see function_records.h. */
#include "server/function_records.h"
#include "base/mem.h"
#include <stdlib.h>

#define PREFIX "functions/"

struct records {
	struct function_records base;
	struct engine *engine;
};

struct put {
	void (*done)(void *data, const struct wf_error *err);
	void *data;
};

static void on_put(void *data, const struct engine_error *error)
{
	struct put *put = data;
	struct wf_error err = { 0 };
	if (error->code != ENGINE_OK)
		error_set(&err, ERR(IO), "%.*s", STR_FMT(error->message));
	put->done(put->data, error->code != ENGINE_OK ? &err : NULL);
	free(put);
}

static void put(struct function_records *records, struct str key, struct str bytes,
		void (*done)(void *data, const struct wf_error *err), void *data)
{
	_cleanup_(buffer_done) struct buffer whole = { 0 };
	struct put *waiting = NEW(struct put);
	*waiting = (struct put){ done, data };
	buffer_addz(&whole, PREFIX);
	buffer_add(&whole, key);
	engine_put_record(((struct records *)records)->engine, buffer_str(&whole), bytes, on_put, waiting);
}

struct visiting {
	void (*visit)(void *data, struct str key, struct str bytes);
	void *data;
};

static void on_record(void *data, struct str key, struct str bytes)
{
	const struct visiting *visiting = data;
	visiting->visit(visiting->data, str_sub(key, sizeof PREFIX - 1, key.len), bytes);
}

static void each(struct function_records *records, void (*visit)(void *data, struct str key, struct str bytes), void *data)
{
	struct visiting visiting = { visit, data };
	engine_each_record(((struct records *)records)->engine, STR(PREFIX), on_record, &visiting);
}

struct function_records *function_records_new(struct engine *engine)
{
	struct records *records = NEW(struct records);
	*records = (struct records){ .base = { .put = put, .each = each }, .engine = engine };
	return &records->base;
}
