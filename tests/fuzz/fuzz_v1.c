/* fuzz_v1.c: requests of the console, each a line as a client would write it: a method, a path with its query, and perhaps a body.
 *
 *     POST /v1/dead-letters/preview {"filter": {"machine": "f"}}
 *     GET /v1/executions/$0/events?limit=2&reverse=1
 *     +30
 *
 * `$` and a digit stand for something that an earlier answer gave: ARNs, names, cursors; `$P` for the last preview. A line `+N` lets N seconds pass. Each input has an engine of its own.
 * What must hold: every request is answered once, or becomes a stream; nothing is an internal error; what is said to be JSON is. */
#include "server/keys.h"
#include "server/live.h"
#include "server/route.h"
#include "server/v1_folds.h"
#include "tests/fuzz/engine_loop.h"
#include <stdio.h>

#define CALLS_MAX 48
#define POOL_MAX 32
#define ARN "arn:aws:states:us-east-1:000000000000:"

struct member {
	const char *name, *text;
};

struct pending {
	struct route_call call;
	struct member members[40];
	unsigned members_count, answers;
};

/* ---- what answers gave ---------------------------------------------------------------------------------------------- */

static char *pool[POOL_MAX]; /* percent-encoded */
static unsigned pool_count;
static char preview[32];

static void keep(struct str text)
{
	_cleanup_(buffer_done) struct buffer out = { 0 };
	for (size_t i = 0; i < text.len; i++) {
		bool plain = memchr("-_.~", text.ptr[i], 4) || (text.ptr[i] >= '0' && text.ptr[i] <= '9') || ((text.ptr[i] | 32) >= 'a' && (text.ptr[i] | 32) <= 'z');
		buffer_printf(&out, plain ? "%c" : "%%%02x", (unsigned char)text.ptr[i]);
	}
	buffer_byte(&out, 0);
	free(pool[pool_count % POOL_MAX]);
	pool[pool_count++ % POOL_MAX] = mem_strdup(out.data);
}

static void gather(const struct value *value, unsigned depth)
{
	for (size_t i = 0; depth < 6 && i < value_count(value); i++) {
		const struct value *item = value_at(value, i);
		if (value_is(item, VALUE_OBJECT) || value_is(item, VALUE_ARRAY)) {
			gather(item, depth + 1);
		} else if (value_is(item, VALUE_STRING) && value_is(value, VALUE_OBJECT)) {
			struct str key = value_key_at(value, i);
			if (str_eqz(key, "preview"))
				snprintf(preview, sizeof preview, "%.*s", STR_FMT(value_string(item)));
			if (str_ends(key, STR("Arn")) || str_eqz(key, "arn") || str_eqz(key, "next") || str_eqz(key, "id"))
				keep(value_string(item));
		}
	}
}

/* ---- the transport ----------------------------------------------------------------------------------------------------- */

struct route_stream {
	size_t waiting;
	bool ended;
	void (*closed)(void *data);
	void *data;
	struct route_stream *next;
};
static struct route_stream *streams;

struct route_stream *route_stream_begin(struct route_call *call, void (*closed)(void *data), void *data)
{
	struct route_stream *stream = NEW(struct route_stream);
	*stream = (struct route_stream){ .closed = closed, .data = data, .next = streams };
	streams = stream;
	((struct pending *)call->data)->answers++;
	return stream;
}

void route_stream_write(struct route_stream *stream, struct str bytes)
{
	assert(!stream->ended);
	stream->waiting += bytes.len;
	if (stream->waiting > 100000) /* it is read now and then */
		stream->waiting = 0;
}

size_t route_stream_waiting(const struct route_stream *stream)
{
	return stream->waiting;
}

void route_stream_drop(struct route_stream *stream)
{
	stream->waiting = 0;
}

void route_stream_end(struct route_stream *stream)
{
	stream->ended = true;
}

static void close_streams(void)
{
	while (streams) {
		struct route_stream *stream = streams;
		streams = stream->next;
		stream->closed(stream->data);
		free(stream);
	}
}

static const char *query(struct route_call *call, const char *name)
{
	const struct pending *pending = call->data;
	for (unsigned i = 0; i < pending->members_count; i++)
		if (strcmp(pending->members[i].name, name) == 0)
			return pending->members[i].text;
	return NULL;
}

static const char *header(struct route_call *call, const char *name)
{
	return NULL;
}

static bool gone(struct route_call *call)
{
	return false;
}

static bool loud; /* FUZZ_V1_SHOW: every request and answer on stderr */

static void answered(struct route_call *call)
{
	struct pending *pending = call->data;
	struct value *answer = NULL;
	pending->answers++;
	if (loud)
		fprintf(stderr, "    %u %.*s\n", call->status, STR_FMT(buffer_str(&call->out)));
	assert(call->status >= 200 && call->status < 600 && call->status != 500);
	if (call->type && strcmp(call->type, "application/json") != 0)
		return;
	if (call->out.len && value_parse(buffer_str(&call->out), NULL, &answer, NULL) != 0) {
		fprintf(stderr, "no JSON: %.*s\n", STR_FMT(buffer_str(&call->out)));
		abort();
	}
	if (answer)
		gather(answer, 0);
	value_unref(answer);
}

static int hex(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

/* As the transport decodes: a plus is a space, and a text ends at a NUL. */
static const char *decoded(struct arena *arena, const char *text, size_t length)
{
	char *out = arena_alloc(arena, length + 1), *at = out;
	for (size_t i = 0; i < length; i++) {
		bool escape = text[i] == '%' && i + 2 < length && hex(text[i + 1]) >= 0 && hex(text[i + 2]) >= 0;
		*at++ = escape ? (char)(hex(text[i + 1]) << 4 | hex(text[i + 2])) : text[i] == '+' ? ' ' : text[i];
		i += escape ? 2 : 0;
	}
	*at = 0;
	return out;
}

static void read_query(struct pending *pending, const char *text)
{
	struct arena *arena = &pending->call.arena;
	pending->call.query_text = text;
	for (const char *at = text; *at && pending->members_count < 40;) {
		size_t length = strcspn(at, "&"), name = strcspn(at, "=&");
		pending->members[pending->members_count++] = (struct member){ decoded(arena, at, name), decoded(arena, at + name + (name < length), name < length ? length - name - 1 : 0) };
		at += length + (at[length] == '&');
	}
}

/* ---- lines --------------------------------------------------------------------------------------------------------------- */

/* `$0` … `$9`: the newest, and those before it. */
static void fill(struct str line, struct buffer *out)
{
	for (size_t i = 0; i < line.len; i++) {
		bool given = line.ptr[i] == '$' && i + 1 < line.len && line.ptr[i + 1] >= '0' && line.ptr[i + 1] <= '9';
		unsigned back = given ? (unsigned)(line.ptr[i + 1] - '0') + 1 : 0;
		bool previewed = line.ptr[i] == '$' && i + 1 < line.len && line.ptr[i + 1] == 'P';
		if (previewed)
			buffer_addz(out, preview);
		else if (given && back <= pool_count)
			buffer_addz(out, pool[(pool_count - back) % POOL_MAX]);
		else if (line.ptr[i])
			buffer_byte(out, line.ptr[i]);
		i += previewed || (given && back <= pool_count);
	}
	buffer_byte(out, 0);
}

static void request(struct services *services, struct pending *pending, struct str line)
{
	_cleanup_(buffer_done) struct buffer filled = { 0 };
	struct arena *arena = &pending->call.arena;
	unsigned status;
	fill(line, &filled);
	char *text = arena_alloc(arena, filled.len);
	memcpy(text, filled.data, filled.len);
	char *path = strchr(text, ' '), *body = path ? strchr(path + 1, ' ') : NULL;
	if (!path)
		return;
	*path++ = 0;
	if (body)
		*body++ = 0;
	char *question = strchr(path, '?');
	if (question)
		*question++ = 0;
	pending->call = (struct route_call){ .services = services, .engine = services->engine, .identity = { .role = ROLE_ADMINISTER }, .arena = *arena,
					     .body = body ? str_of(body) : STR_EMPTY, .query = query, .header = header, .gone = gone, .answered = answered,
					     .data = pending };
	read_query(pending, question ? question : "");
	if (loud)
		fprintf(stderr, "%s %s ?%s %s\n", text, path, pending->call.query_text, body ? body : "");
	pending->call.route = strncmp(path, "/v1/", 4) == 0 ? routes_find(&pending->call, text, path, &status) : NULL;
	if (pending->call.route)
		route_handle(&pending->call);
}

static const char prelude[] = "POST /v1/executions {\"machine\":\"f\",\"input\":{\"a\":1}}\nPOST /v1/executions {\"machine\":\"w\",\"input\":{}}\n"
			      "GET /v1/executions\nPOST /v1/dead-letters/preview {\"filter\":{\"machine\":\"f\"}}\n";

static void created(void *data, const struct engine_error *error, const struct machine_info *machine)
{
	assert(!error->code);
}

static void create(struct engine *engine, const char *name, const char *definition)
{
	struct machine_request asked = { .name = str_of(name), .definition = str_of(definition), .has_definition = true, .has_role_arn = true,
					 .role_arn = STR("arn:aws:iam::000000000000:role/r") };
	engine_create_machine(engine, &asked, created, NULL);
	settle();
}

static unsigned run(struct services *services, struct pending *calls, unsigned count, struct str text)
{
	while (text.len && count < CALLS_MAX) {
		const char *end = memchr(text.ptr, '\n', text.len);
		struct str line = { text.ptr, end ? (size_t)(end - text.ptr) : text.len };
		text = str_sub(text, line.len + 1, text.len);
		if (line.len && line.ptr[0] == '+') {
			loop.clock.now_ms += line.len > 1 && line.ptr[1] >= '0' && line.ptr[1] <= '9' ? 1000 * (line.ptr[1] - '0') * (line.len > 2 ? 100 : 1) : 1;
		} else {
			request(services, &calls[count], line);
			assert(calls[count].answers <= 1);
			count++;
		}
		settle();
	}
	return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct store *store;
	struct engine *engine = begin(&store);
	struct pending *calls = mem_zalloc(CALLS_MAX * sizeof *calls);
	struct live_options listening = { .engine = engine, .loop = &loop.loop, .clock = &loop.clock.source };
	struct services services = { .engine = engine, .clock = &loop.clock.source, .store_name = "memory:", .keys = keys_new(engine) };
	services.live = live_new(&listening);
	loud = getenv("FUZZ_V1_SHOW") != NULL;
	create(engine, "f", "{\"StartAt\":\"A\",\"States\":{\"A\":{\"Type\":\"Pass\",\"Next\":\"F\"},\"F\":{\"Type\":\"Fail\",\"Error\":\"E\"}}}");
	create(engine, "w", "{\"StartAt\":\"M\",\"States\":{\"M\":{\"Type\":\"Map\",\"ItemsPath\":\"$$.Execution.Name\",\"Catch\":[{\"ErrorEquals\":[\"States.ALL\"],\"Next\":\"W\"}],"
			    "\"ItemProcessor\":{\"StartAt\":\"P\",\"States\":{\"P\":{\"Type\":\"Pass\",\"End\":true}}},\"Next\":\"W\"},"
			    "\"W\":{\"Type\":\"Wait\",\"Seconds\":30,\"End\":true}}}");
	unsigned count = run(&services, calls, 0, STR(prelude));
	count = run(&services, calls, count, (struct str){ (const char *)data, size });
	settle();
	loop.clock.now_ms += 120000;
	settle();
	live_drain(services.live);
	close_streams();
	settle();
	for (unsigned i = 0; i < count; i++)
		assert(calls[i].answers <= 1);
	live_free(services.live);
	engine_free(engine);
	keys_free(services.keys);
	v1_folds_free(services.folds);
	loop.turn = NULL;
	settle();
	store_close(store);
	settle();
	for (unsigned i = 0; i < count; i++) {
		buffer_done(&calls[i].call.out);
		arena_done(&calls[i].call.arena);
	}
	free(calls);
	for (unsigned i = 0; i < POOL_MAX; i++)
		free(TAKE(pool[i]));
	pool_count = 0;
	preview[0] = 0;
	return 0;
}
