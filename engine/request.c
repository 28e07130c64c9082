/* request.c: those who wait for an answer. A request is answered when the newest batch that its answer depends on is
 * committed; if that batch fails, what carries it (an input, a change) is done again, and a query is read again. */
#include "engine/runtime.h"
#include <stdlib.h>

struct request *request_new(struct engine *engine, void (*answer)(struct request *), void *data)
{
	struct request *request = NEW(struct request);
	request->engine = engine;
	request->answer = answer;
	request->data = data;
	request->older = engine->requests;
	if (engine->requests)
		engine->requests->newer = request;
	engine->requests = request;
	engine->requests_count++;
	LIST_INIT(&request->events);
	return request;
}

void request_free(struct request *request)
{
	struct engine *engine = request->engine;
	if (engine) {
		if (request->older)
			request->older->newer = request->newer;
		if (request->newer)
			request->newer->older = request->older;
		else
			engine->requests = request->older;
		engine->requests_count--;
	}
	value_unref(request->value);
	value_unref(request->variables);
	arena_done(&request->arena);
	free(request);
}

bool request_fail(struct request *request, enum engine_error_code code, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	request->error = code;
	request->message = arena_vformat(&request->arena, format, args);
	va_end(args);
	return false;
}

bool request_fail_name(struct request *request, struct str name)
{
	_cleanup_(buffer_done) struct buffer message = { 0 };
	buffer_addz(&message, "Invalid Name: '");
	buffer_add(&message, name); /* it may hold a NUL, where a format would end it */
	buffer_byte(&message, '\'');
	request->error = ENGINE_INVALID_NAME;
	request->message = arena_str(&request->arena, buffer_str(&message));
	return false;
}

void request_refuse(struct request *request, enum engine_error_code code, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	request->error = code;
	request->message = arena_vformat(&request->arena, format, args);
	va_end(args);
	request_hold(request, 0);
}

void request_hold(struct request *request, uint64_t sequence)
{
	struct engine *engine = request->engine;
	struct batch *batch = sequence > engine->committed ? batch_find(engine, sequence) : NULL;
	if (batch)
		LIST_ADD(&batch->requests, request);
	else
		LIST_ADD(&engine->due, request);
}

void requests_answer(struct engine *engine)
{
	/* Only those that are due now: a callback that asks again is answered in the next turn. */
	LIST(struct request) due;
	due.first = engine->due.first;
	LIST_INIT(&engine->due);
	for (struct request *next, *request = due.first; request; request = next) {
		next = request->next;
		request->answer(request);
		request_free(request);
	}
}

struct engine_error request_error(const struct request *request)
{
	return (struct engine_error){ request->error, request->message, request->error && request->passing };
}

void request_answer_execution(struct request *request)
{
	struct engine_error error = request_error(request);
	request->done.execution(request->data, &error, request->error ? NULL : &request->info);
}

void request_answer_plain(struct request *request)
{
	struct engine_error error = request_error(request);
	request->done.plain(request->data, &error);
}

void *request_read(struct request *request)
{
	request->reading = true;
	return request;
}

bool request_read_done(struct request *request)
{
	request->reading = false;
	if (request->engine)
		return true;
	request_free(request);
	return false;
}

void request_store_failed(struct request *request, int code, const struct wf_error *err)
{
	log_error("engine", "reading the store failed: %s", err ? err->message : error_code_text(code));
	request->passing = true;
	request_refuse(request, ENGINE_INTERNAL, "The store could not be read: %s",
		       err ? err->message : error_code_text(code));
}
