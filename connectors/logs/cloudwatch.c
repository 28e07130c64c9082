/* cloudwatch.c: lines to a CloudWatch Logs API (Logs_20140328: CreateLogStream, PutLogEvents), on the loop.
 *
 *     stream (group, state machine):   NEW ─► CreateLogStream ─► READY ─► PutLogEvents, one at a time, what came meanwhile next
 *                                                   └─ the group is not there: what waits is dropped, tried again later
 *
 * The stream's name is AWS's form, states/MACHINE/DATE/random. What fails in a way that may pass (no answer, 429, 5xx,
 * throttling) is sent again after a pause that grows; what is refused is dropped. Requests are not signed. */
#include "base/buffer.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/random.h"
#include "connectors/http/client.h"
#include "connectors/logs/logs.h"
#include "connectors/text.h"
#include <stdlib.h>
#include <time.h>

#define BATCH_EVENTS_MAX 10000
#define BATCH_BYTES_MAX 1048576
#define EVENT_OVERHEAD 26
#define BATCH_SPAN_MS (INT64_C(23) * 3600 * 1000) /* AWS takes 24 hours */
#define GATHER_MS 50
#define RETRY_FIRST_MS 100
#define RETRY_MAX_MS 30000
#define ABSENT_MS 30000 /* until a group that is not there is asked for again */
#define STREAMS_MAX 1000
#define TIMEOUT_MS 30000
#define ANSWER_BYTES (64 << 10)
#define DRAIN_MS 3000

struct entry {
	int64_t time_ms;
	uint32_t bytes, number;
	size_t at; /* of its text */
};

struct stream {
	struct log_cloud *cloud;
	char *key, *name;
	struct str group; /* within key */
	struct loop_timer timer;
	struct http_call *call; /* under way */
	bool created;
	unsigned failures; /* in a row */
	int64_t absent_until_us;

	struct buffer texts; /* of the entries that wait; those taken for a batch are consumed */
	struct entry *entries;
	size_t count, capacity;

	struct buffer body; /* the batch being sent, kept until it is settled */
	uint64_t body_events;
	size_t body_bytes;
	bool recreated; /* for this batch */
};

struct log_cloud {
	struct loop *loop;
	struct clock_source *clock;
	struct http_client *client;
	char *endpoint;
	size_t queue_bytes, queued;
	struct log_warner warner;
	struct random random;
	struct str_map streams; /* "GROUP\nMACHINE" */
	bool failing;
	uint64_t sent, dropped_full, dropped_failed;
	void (*drained)(void *data);
	void *drained_data;
	struct loop_timer patience;
};

static void go_on(struct stream *stream);

/* ---- the streams -------------------------------------------------------------------------------- */

static void on_timer(struct loop_timer *timer)
{
	go_on(timer->data);
}

static void stream_free(struct stream *stream)
{
	loop_timer_clear(stream->cloud->loop, &stream->timer);
	if (stream->call)
		http_call_cancel(stream->call);
	buffer_done(&stream->texts);
	buffer_done(&stream->body);
	free(stream->entries);
	free(stream->key);
	free(stream->name);
	free(stream);
}

static bool is_idle(const struct stream *stream)
{
	return !stream->call && !stream->count && !stream->body.len;
}

/* Room for one more: an idle one goes. */
static bool make_room(struct log_cloud *cloud)
{
	if (cloud->streams.count < STREAMS_MAX)
		return true;
	size_t i = 0;
	for (struct str_map_entry *entry; (entry = str_map_next(&cloud->streams, &i));) {
		struct stream *stream = entry->value;
		if (!is_idle(stream))
			continue;
		str_map_remove(&cloud->streams, str_of(stream->key));
		stream_free(stream);
		return true;
	}
	return false;
}

static struct stream *find_stream(struct log_cloud *cloud, struct str group, struct str machine)
{
	_cleanup_free_ char *key = mem_printf("%.*s\n%.*s", STR_FMT(group), STR_FMT(machine));
	struct stream *stream = str_map_get(&cloud->streams, str_of(key));
	if (stream || !make_room(cloud))
		return stream;
	char date[32];
	time_t now = (time_t)(cloud->clock->wall_ms(cloud->clock) / 1000);
	struct tm parts;
	gmtime_r(&now, &parts);
	strftime(date, sizeof date, "%Y-%m-%d-%H-%M", &parts);
	stream = NEW(struct stream);
	stream->cloud = cloud;
	stream->name = mem_printf("states/%.*s/%s/%08llx", STR_FMT(machine), date,
				  (unsigned long long)(random_u64(&cloud->random) & 0xffffffff));
	stream->key = TAKE(key);
	stream->group = (struct str){ stream->key, group.len };
	stream->timer = (struct loop_timer){ .callback = on_timer, .data = stream };
	str_map_put(&cloud->streams, str_of(stream->key), stream);
	return stream;
}

/* ---- what has gone wrong -------------------------------------------------------------------------- */

static void warn(struct log_cloud *cloud, struct str group, struct str why)
{
	if (!cloud->failing && cloud->warner.warn) {
		_cleanup_free_ char *message = mem_printf("the log of executions cannot be sent to %s, log group %.*s: %.*s", cloud->endpoint,
							  STR_FMT(group), STR_FMT(why));
		cloud->warner.warn(cloud->warner.data, message);
	}
	cloud->failing = true;
}

static void drop_batch(struct stream *stream, bool failed)
{
	struct log_cloud *cloud = stream->cloud;
	if (failed)
		cloud->dropped_failed += stream->body_events;
	else
		cloud->sent += stream->body_events;
	cloud->queued -= stream->body_bytes;
	stream->body_events = stream->body_bytes = 0;
	stream->recreated = false;
	if (stream->body.capacity > ANSWER_BYTES)
		buffer_done(&stream->body);
	else
		buffer_clear(&stream->body);
}

static void drop_waiting(struct stream *stream)
{
	struct log_cloud *cloud = stream->cloud;
	cloud->dropped_failed += stream->count;
	cloud->queued -= stream->texts.len + stream->count * EVENT_OVERHEAD;
	stream->count = 0;
	buffer_done(&stream->texts);
}

static void try_later(struct stream *stream)
{
	int64_t delay_ms = RETRY_FIRST_MS << (stream->failures < 10 ? stream->failures : 10);
	stream->failures++;
	loop_timer_set(stream->cloud->loop, &stream->timer, delay_ms < RETRY_MAX_MS ? delay_ms : RETRY_MAX_MS);
}

static void look_drained(struct log_cloud *cloud)
{
	size_t i = 0;
	if (!cloud->drained)
		return;
	for (struct str_map_entry *entry; (entry = str_map_next(&cloud->streams, &i));)
		if (!is_idle(entry->value))
			return;
	loop_timer_clear(cloud->loop, &cloud->patience);
	void (*drained)(void *data) = TAKE(cloud->drained);
	drained(cloud->drained_data);
}

/* ---- requests ----------------------------------------------------------------------------------------- */

/* The error's name of an answer: __type or the header, without what stands around it. */
static struct str error_name(const struct http_response *response, struct value **ret_body)
{
	struct str type = http_response_header(response, "x-amzn-ErrorType");
	if (!type.ptr && value_parse(response->body, NULL, ret_body, NULL) == 0 && value_is(*ret_body, VALUE_OBJECT)) {
		const struct value *member = value_getz(*ret_body, "__type");
		type = member && value_is(member, VALUE_STRING) ? value_string(member) : STR_EMPTY;
	}
	if (!type.ptr)
		return STR_EMPTY;
	const char *hash = memrchr(type.ptr, '#', type.len);
	if (hash)
		type = str_sub(type, (size_t)(hash - type.ptr) + 1, type.len);
	const char *colon = memchr(type.ptr, ':', type.len);
	return colon ? str_sub(type, 0, (size_t)(colon - type.ptr)) : type;
}

enum verdict { DONE, AGAIN, NO_GROUP, REFUSED };

static enum verdict judge(struct stream *stream, const struct http_response *response)
{
	_cleanup_(value_unrefp) struct value *body = NULL;
	if (response->failure != HTTP_ANSWERED) {
		warn(stream->cloud, stream->group, response->failure_text);
		return AGAIN;
	}
	if (response->status >= 200 && response->status < 300)
		return DONE;
	struct str name = error_name(response, &body);
	if (str_eqz(name, "ResourceAlreadyExistsException") || str_eqz(name, "DataAlreadyAcceptedException"))
		return DONE;
	_cleanup_(buffer_done) struct buffer why = { 0 };
	buffer_printf(&why, "status %ld %.*s ", response->status, STR_FMT(name));
	text_clean(text_head(response->body, 200), &why);
	warn(stream->cloud, stream->group, buffer_str(&why));
	if (str_eqz(name, "ResourceNotFoundException"))
		return NO_GROUP;
	bool passes = response->status >= 500 || response->status == 429 || str_eqz(name, "ThrottlingException") ||
		      str_eqz(name, "OperationAbortedException") || str_eqz(name, "ServiceUnavailableException");
	return passes ? AGAIN : REFUSED;
}

static void send(struct stream *stream, const char *target, struct str body, http_done *done)
{
	struct log_cloud *cloud = stream->cloud;
	const struct http_header headers[] = { { STR("Content-Type"), STR("application/x-amz-json-1.1") },
					       { STR("X-Amz-Target"), str_of(target) } };
	struct http_request request = { .method = STR("POST"),
					.url = str_of(cloud->endpoint),
					.headers = headers,
					.headers_count = 2,
					.body = body,
					.has_body = true,
					.timeout_ms = TIMEOUT_MS,
					.response_bytes_max = ANSWER_BYTES };
	struct wf_error err = { 0 };
	if (http_client_send(cloud->client, &request, done, stream, &stream->call, &err) < 0) {
		warn(cloud, stream->group, str_of(err.message));
		stream->call = NULL;
		try_later(stream);
	}
}

static void on_created(void *data, const struct http_response *response)
{
	struct stream *stream = data;
	stream->call = NULL;
	switch (judge(stream, response)) {
	case DONE:
		stream->created = true;
		stream->failures = 0;
		break;
	case AGAIN:
		try_later(stream);
		return;
	case NO_GROUP:
	case REFUSED:
		stream->absent_until_us =
		    stream->cloud->clock->monotonic_us(stream->cloud->clock) + ABSENT_MS * INT64_C(1000);
		if (stream->body.len)
			drop_batch(stream, true);
		drop_waiting(stream);
		break;
	}
	go_on(stream);
	look_drained(stream->cloud);
}

static void create(struct stream *stream)
{
	_cleanup_(buffer_done) struct buffer body = { 0 };
	buffer_addz(&body, "{\"logGroupName\":");
	value_write_string(stream->group, &body);
	buffer_addz(&body, ",\"logStreamName\":");
	value_write_string(str_of(stream->name), &body);
	buffer_byte(&body, '}');
	send(stream, "Logs_20140328.CreateLogStream", buffer_str(&body), on_created);
}

static void on_put(void *data, const struct http_response *response)
{
	struct stream *stream = data;
	stream->call = NULL;
	switch (judge(stream, response)) {
	case DONE:
		stream->failures = 0;
		stream->cloud->failing = false;
		drop_batch(stream, false);
		break;
	case AGAIN:
		try_later(stream);
		return;
	case NO_GROUP: /* or the stream was deleted: made again once */
		if (stream->recreated) {
			drop_batch(stream, true);
		} else {
			stream->recreated = true;
			stream->created = false;
		}
		break;
	case REFUSED:
		drop_batch(stream, true);
		break;
	}
	go_on(stream);
	look_drained(stream->cloud);
}

static int by_time(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	if (x->time_ms != y->time_ms)
		return x->time_ms < y->time_ms ? -1 : 1;
	return x->number < y->number ? -1 : x->number > y->number;
}

/* The entries from the front that one request may carry, in the order of time as AWS wants them. */
static void make_batch(struct stream *stream)
{
	size_t count = 0, bytes = 0, texts = 0;
	int64_t first_ms = INT64_MAX, last_ms = INT64_MIN;
	for (; count < stream->count && count < BATCH_EVENTS_MAX; count++) {
		const struct entry *entry = &stream->entries[count];
		int64_t first = entry->time_ms < first_ms ? entry->time_ms : first_ms;
		int64_t last = entry->time_ms > last_ms ? entry->time_ms : last_ms;
		if (count && (bytes + entry->bytes + EVENT_OVERHEAD > BATCH_BYTES_MAX || last - first > BATCH_SPAN_MS))
			break;
		first_ms = first;
		last_ms = last;
		bytes += entry->bytes + EVENT_OVERHEAD;
		texts += entry->bytes;
		stream->entries[count].number = (uint32_t)count;
	}
	qsort(stream->entries, count, sizeof *stream->entries, by_time);
	struct buffer *body = &stream->body;
	buffer_addz(body, "{\"logGroupName\":");
	value_write_string(stream->group, body);
	buffer_addz(body, ",\"logStreamName\":");
	value_write_string(str_of(stream->name), body);
	buffer_addz(body, ",\"logEvents\":[");
	for (size_t i = 0; i < count; i++) {
		const struct entry *entry = &stream->entries[i];
		buffer_printf(body, "%s{\"timestamp\":%lld,\"message\":", i ? "," : "", (long long)entry->time_ms);
		value_write_string((struct str){ stream->texts.data + entry->at, entry->bytes }, body);
		buffer_byte(body, '}');
	}
	buffer_addz(body, "]}");
	stream->body_events = count;
	stream->body_bytes = bytes;
	stream->count -= count;
	memmove(stream->entries, stream->entries + count, stream->count * sizeof *stream->entries);
	for (size_t i = 0; i < stream->count; i++)
		stream->entries[i].at -= texts;
	if (stream->count)
		buffer_consume(&stream->texts, texts);
	else if (stream->texts.capacity > ANSWER_BYTES)
		buffer_done(&stream->texts);
	else
		buffer_clear(&stream->texts);
}

static void go_on(struct stream *stream)
{
	if (stream->call || (!stream->count && !stream->body.len))
		return;
	if (!stream->created) {
		create(stream);
		return;
	}
	if (!stream->body.len)
		make_batch(stream);
	send(stream, "Logs_20140328.PutLogEvents", buffer_str(&stream->body), on_put);
}

/* ---- from outside -------------------------------------------------------------------------------------- */

void log_cloud_write(struct log_cloud *cloud, struct str group, const struct log_line *line)
{
	size_t bytes = line->text.len + EVENT_OVERHEAD;
	struct stream *stream = cloud->queued + bytes <= cloud->queue_bytes ? find_stream(cloud, group, line->machine) : NULL;
	if (!stream) {
		cloud->dropped_full++;
		return;
	}
	if (stream->absent_until_us && cloud->clock->monotonic_us(cloud->clock) < stream->absent_until_us) {
		cloud->dropped_failed++;
		return;
	}
	stream->absent_until_us = 0;
	MEM_GROW(stream->entries, stream->capacity, stream->count + 1);
	stream->entries[stream->count++] =
	    (struct entry){ .time_ms = line->time_ms, .bytes = (uint32_t)line->text.len, .at = stream->texts.len };
	buffer_add(&stream->texts, line->text);
	cloud->queued += bytes;
	if (!stream->call && !stream->body.len && !stream->timer.active)
		loop_timer_set(cloud->loop, &stream->timer, GATHER_MS);
}

static void out_of_patience(struct loop_timer *timer)
{
	struct log_cloud *cloud = timer->data;
	void (*drained)(void *data) = TAKE(cloud->drained);
	if (drained)
		drained(cloud->drained_data);
}

void log_cloud_drain(struct log_cloud *cloud, void (*done)(void *data), void *data)
{
	cloud->drained = done;
	cloud->drained_data = data;
	loop_timer_set(cloud->loop, &cloud->patience, DRAIN_MS);
	size_t i = 0;
	for (struct str_map_entry *entry; (entry = str_map_next(&cloud->streams, &i));) {
		struct stream *stream = entry->value;
		loop_timer_clear(cloud->loop, &stream->timer);
		go_on(stream);
	}
	look_drained(cloud);
}

void log_cloud_stats(const struct log_cloud *cloud, struct logs_stats *stats)
{
	stats->sent += cloud->sent;
	stats->dropped_full += cloud->dropped_full;
	stats->dropped_failed += cloud->dropped_failed;
	stats->queued_bytes += cloud->queued;
}

int log_cloud_new(struct loop *loop, struct loop *io, struct clock_source *clock, const char *endpoint, size_t queue_bytes,
		  struct log_warner warner, struct log_cloud **ret_cloud, struct wf_error *err)
{
	struct http_client_options options = { .connections_per_host_max = 4 };
	struct http_client *client = NULL;
	int r = http_client_new(loop, io, &options, &client, err);
	if (r < 0)
		return r;
	struct log_cloud *cloud = NEW(struct log_cloud);
	*cloud = (struct log_cloud){ .loop = loop,
				     .clock = clock,
				     .client = client,
				     .endpoint = mem_strdup(endpoint),
				     .queue_bytes = queue_bytes,
				     .warner = warner };
	cloud->patience = (struct loop_timer){ .callback = out_of_patience, .data = cloud };
	uint64_t seed;
	random_secure(&seed, sizeof seed);
	random_seed(&cloud->random, seed);
	*ret_cloud = cloud;
	return 0;
}

void log_cloud_free(struct log_cloud *cloud)
{
	if (!cloud)
		return;
	size_t i = 0;
	for (struct str_map_entry *entry; (entry = str_map_next(&cloud->streams, &i));)
		stream_free(entry->value);
	str_map_done(&cloud->streams);
	loop_timer_clear(cloud->loop, &cloud->patience);
	http_client_free(cloud->client);
	free(cloud->endpoint);
	free(cloud);
}
