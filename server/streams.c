/* streams.c: answers without an end of their own (route.h): what is written waits until the library asks for it; a stream that has
 * nothing to say costs a suspended connection. */
#include "base/mem.h"
#include "server/http.h"
#include <stdlib.h>

/* A stream under way (route.h). */
struct route_stream {
	struct exchange *exchange;
	struct buffer out;
	size_t sent;  /* of `out` */
	bool ended, queued; /* queued: the library has the response */
	void (*closed)(void *data);
	void *data;
};

/* The library wants more: it gets what waits, or is suspended until something does. */
static ssize_t read_stream(void *data, uint64_t position, char *bytes, size_t most)
{
	struct route_stream *stream = data;
	size_t left = stream->out.len - stream->sent;
	if (!left) {
		if (stream->ended)
			return MHD_CONTENT_READER_END_OF_STREAM;
		exchange_suspend(stream->exchange);
		return 0;
	}
	size_t length = left < most ? left : most;
	memcpy(bytes, stream->out.data + stream->sent, length);
	stream->sent += length;
	if (stream->sent == stream->out.len) {
		buffer_clear(&stream->out);
		stream->sent = 0;
	} else if (stream->sent > 65536) {
		buffer_consume(&stream->out, stream->sent);
		stream->sent = 0;
	}
	return (ssize_t)length;
}

void *stream_begin(struct route_call *call, void (*closed)(void *data), void *data)
{
	struct exchange *exchange = call->data;
	struct route_stream *stream = NEW(struct route_stream);
	*stream = (struct route_stream){ .exchange = exchange, .closed = closed, .data = data };
	exchange->streaming = stream;
	exchange->server->under_way--; /* who waits for the others to be answered does not wait for it */
	return stream;
}

enum MHD_Result stream_respond(struct exchange *exchange)
{
	struct route_call *call = &exchange->route;
	struct MHD_Response *response =
	    MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 16384, read_stream, exchange->streaming, NULL);
	if (!response)
		return MHD_NO;
	exchange->status = 200;
	exchange->streaming->queued = true;
	MHD_add_response_header(response, "Content-Type", call->type);
	MHD_add_response_header(response, "Cache-Control", "no-store");
	MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
	for (unsigned i = 0; i < call->headers_count; i++)
		MHD_add_response_header(response, call->headers[i].name, call->headers[i].value);
	enum MHD_Result result = MHD_queue_response(exchange->connection, 200, response);
	MHD_destroy_response(response);
	return result;
}

struct route_stream *route_stream_begin(struct route_call *call, void (*closed)(void *data), void *data)
{
	return call->stream(call, closed, data);
}

void route_stream_write(struct route_stream *stream, struct str bytes)
{
	buffer_add(&stream->out, bytes);
	exchange_go_on(stream->exchange);
}

size_t route_stream_waiting(const struct route_stream *stream)
{
	return stream->out.len - stream->sent;
}

void route_stream_drop(struct route_stream *stream)
{
	size_t keep = stream->sent; /* a message that is being sent is sent whole */
	while (keep && keep < stream->out.len && (keep < 2 || memcmp(stream->out.data + keep - 2, "\n\n", 2) != 0))
		keep++;
	stream->out.len = keep < stream->out.len ? keep : stream->out.len;
}

void route_stream_end(struct route_stream *stream)
{
	stream->ended = true;
	exchange_go_on(stream->exchange);
}

void stream_close(struct exchange *exchange)
{
	struct route_stream *stream = TAKE(exchange->streaming);
	stream->closed(stream->data);
	buffer_done(&stream->out);
	free(stream);
}
