/* record.c: events as bytes and back (the layout is in record.h).
 *
 * The writer encodes each event at once into one buffer, and the payloads it names into a table beside it; closing a
 * record puts header, payloads and events together. Fields are driven by one table, in the order of their bits. Due
 * times are stored as distances from the event's own time. */
#include "engine/core/record.h"
#include "base/mem.h"
#include "engine/core/payloads.h"
#include <assert.h>
#include <stddef.h>
#include <stdlib.h>

enum field_kind { KIND_STR, KIND_VALUE, KIND_NUMBER, KIND_SIGNED, KIND_FRAME, KIND_DUE };

static const struct field {
	enum event_field bit;
	enum field_kind kind;
	size_t offset;
} fields[] = {
	{ FIELD_NAME, KIND_STR, offsetof(struct event, name) },
	{ FIELD_PAYLOAD, KIND_VALUE, offsetof(struct event, payload) },
	{ FIELD_PARAMETERS, KIND_VALUE, offsetof(struct event, parameters) },
	{ FIELD_VARIABLES, KIND_VALUE, offsetof(struct event, variables) },
	{ FIELD_ERROR, KIND_STR, offsetof(struct event, error) },
	{ FIELD_CAUSE, KIND_STR, offsetof(struct event, cause) },
	{ FIELD_RESOURCE, KIND_STR, offsetof(struct event, resource) },
	{ FIELD_RESOURCE_TYPE, KIND_STR, offsetof(struct event, resource_type) },
	{ FIELD_TIMEOUT, KIND_SIGNED, offsetof(struct event, timeout_s) },
	{ FIELD_HEARTBEAT, KIND_SIGNED, offsetof(struct event, heartbeat_s) },
	{ FIELD_WORKER, KIND_STR, offsetof(struct event, worker) },
	{ FIELD_INDEX, KIND_NUMBER, offsetof(struct event, index) },
	{ FIELD_LENGTH, KIND_NUMBER, offsetof(struct event, length) },
	{ FIELD_RAW, KIND_STR, offsetof(struct event, raw) },
	{ FIELD_ROLE, KIND_STR, offsetof(struct event, role_arn) },
	{ FIELD_PARENT, KIND_FRAME, offsetof(struct event, parent) },
	{ FIELD_DUE, KIND_DUE, offsetof(struct event, due_ms) },
	{ FIELD_DUE2, KIND_DUE, offsetof(struct event, heartbeat_due_ms) },
	{ FIELD_NEXT, KIND_STR, offsetof(struct event, next) },
	{ FIELD_ATTEMPT, KIND_NUMBER, offsetof(struct event, attempt) },
	{ FIELD_ARN, KIND_STR, offsetof(struct event, arn) },
	{ FIELD_LOCATION, KIND_STR, offsetof(struct event, location) },
	{ FIELD_REGION, KIND_STR, offsetof(struct event, region) },
	{ FIELD_CREDENTIALS, KIND_VALUE, offsetof(struct event, credentials) },
	{ FIELD_CONCURRENCY, KIND_NUMBER, offsetof(struct event, concurrency) },
	{ FIELD_TOLERATED, KIND_NUMBER, offsetof(struct event, tolerated) },
};
enum { FIELDS = sizeof fields / sizeof *fields };
static_assert(EVENT_FIELDS_ALL == (1u << FIELDS) - 1, "each field has a row, in the order of its bit");

enum { PAYLOAD_INLINE = 0, PAYLOAD_OUT_OF_LINE = 1, PAYLOAD_LIKE = 2 };

/* The most that an event without strings and payloads takes, and what a payload's head does. */
enum { EVENT_BYTES_MAX = 160, PAYLOAD_HEAD_MAX = 12, LIKE_HEAD_MAX = 8, HEADER_BYTES_MAX = 40 };

/* What most records fit into. */
enum { FIRST_BYTES = 1000 };

/* What the inline payloads of a record come to when they are whole: a record is closed by what it would hold without
 * likenesses, so only one whose last event is large goes beyond RECORD_BYTES_MAX, by that event's payloads. */
enum { INLINE_BYTES_MAX = RECORD_BYTES_MAX + 8 * RECORD_INLINE_MAX };

/* ---- writing ---------------------------------------------------------------------------- */

struct record_writer {
	struct arena *arena;
	struct payload_table table;
	struct buffer payloads, events; /* of the record being written */
	struct str last_inline;		/* the newest inline payload's text, or empty */
	size_t payload_bytes;		/* of the record's payloads if none were like another */
	uint32_t events_count, public_count, blobs_count;
	bool begins_elsewhere; /* it has the start of an execution that does not begin at StartAt */
	uint64_t next_id, first_id;
	int64_t base_ms, last_ms;
	struct record *records;
	uint32_t records_count, records_capacity;
	struct payload_table kept; /* values whose text a closed record's blobs point into */
	size_t total_events, total_bytes;
};

static void writer_release(void *data)
{
	struct record_writer *writer = data;
	payload_table_done(&writer->table);
	payload_table_done(&writer->kept);
	buffer_done(&writer->payloads);
	buffer_done(&writer->events);
}

struct record_writer *record_writer_new(struct arena *arena, uint64_t next_event_id)
{
	struct record_writer *writer = ARENA_NEW(arena, struct record_writer);
	writer->arena = arena;
	writer->next_id = writer->first_id = next_event_id;
	writer->last_inline = STR_EMPTY;
	buffer_reserve(&writer->payloads, FIRST_BYTES);
	buffer_reserve(&writer->events, FIRST_BYTES);
	arena_on_reset(arena, writer_release, writer);
	return writer;
}

size_t record_writer_events(const struct record_writer *writer)
{
	return writer->total_events;
}

size_t record_writer_bytes(const struct record_writer *writer)
{
	return writer->total_bytes + writer->payload_bytes + writer->events.len;
}

static size_t payload_bytes(const struct value *value)
{
	size_t len = value_text_len(value);
	return PAYLOAD_HEAD_MAX + (len > RECORD_INLINE_MAX ? 0 : len);
}

/* What the event adds to the record at most; `exact` looks for payloads that are there already. */
static size_t event_bytes(const struct record_writer *writer, const struct event *event, bool exact)
{
	size_t bytes = EVENT_BYTES_MAX;
	for (uint32_t left = event->fields; left; left &= left - 1) {
		unsigned i = (unsigned)__builtin_ctz(left);
		const char *at = (const char *)event + fields[i].offset;
		if (fields[i].kind == KIND_STR)
			bytes += ((const struct str *)at)->len;
		else if (fields[i].kind == KIND_VALUE &&
			 (!exact || payload_table_find(&writer->table, *(struct value *const *)at) == PAYLOAD_NONE))
			bytes += payload_bytes(*(struct value *const *)at);
	}
	return bytes;
}

/* How many bytes two texts have in common at their beginnings. */
static size_t common_prefix(struct str a, struct str b)
{
	size_t most = a.len < b.len ? a.len : b.len, len = 0;
	for (uint64_t x, y; most - len >= sizeof x; len += sizeof x) {
		memcpy(&x, a.ptr + len, sizeof x);
		memcpy(&y, b.ptr + len, sizeof y);
		if (x != y)
			break;
	}
	while (len < most && a.ptr[len] == b.ptr[len])
		len++;
	return len;
}

/* At their ends. */
static size_t common_suffix(struct str a, struct str b)
{
	size_t most = a.len < b.len ? a.len : b.len, len = 0;
	for (uint64_t x, y; most - len >= sizeof x; len += sizeof x) {
		memcpy(&x, a.ptr + a.len - len - sizeof x, sizeof x);
		memcpy(&y, b.ptr + b.len - len - sizeof y, sizeof y);
		if (x != y)
			break;
	}
	while (len < most && a.ptr[a.len - len - 1] == b.ptr[b.len - len - 1])
		len++;
	return len;
}

/* Whole, or as what differs from the one before it. The two ends do not overlap, so a text is never longer than the one
 * before it and what is stored of itself. */
static void add_inline(struct record_writer *writer, struct str text)
{
	struct str last = writer->last_inline;
	size_t prefix = common_prefix(last, text);
	size_t suffix = common_suffix(str_sub(last, prefix, last.len), str_sub(text, prefix, text.len));
	if (prefix + suffix > LIKE_HEAD_MAX) {
		buffer_byte(&writer->payloads, PAYLOAD_LIKE);
		buffer_varint(&writer->payloads, prefix);
		buffer_varint(&writer->payloads, suffix);
		buffer_blob(&writer->payloads, str_sub(text, prefix, text.len - prefix - suffix));
	} else {
		buffer_byte(&writer->payloads, PAYLOAD_INLINE);
		buffer_blob(&writer->payloads, text);
	}
	writer->last_inline = text;
}

static void add_payload(struct record_writer *writer, const struct value *value)
{
	uint32_t before = writer->table.count;
	uint32_t number = payload_table_put(&writer->table, value);
	if (number == before) {
		struct str text = value_text(value);
		if (text.len > RECORD_INLINE_MAX) {
			buffer_byte(&writer->payloads, PAYLOAD_OUT_OF_LINE);
			buffer_varint(&writer->payloads, writer->blobs_count++);
			buffer_varint(&writer->payloads, text.len);
			writer->total_bytes += text.len;
		} else {
			add_inline(writer, text);
		}
		writer->payload_bytes += payload_bytes(value);
	}
	buffer_varint(&writer->events, number);
}

static void add_field(struct record_writer *writer, const struct event *event, const struct field *field)
{
	const char *at = (const char *)event + field->offset;
	switch (field->kind) {
	case KIND_STR:
		buffer_blob(&writer->events, *(const struct str *)at);
		break;
	case KIND_VALUE:
		add_payload(writer, *(struct value *const *)at);
		break;
	case KIND_NUMBER:
		buffer_varint(&writer->events, *(const uint64_t *)at);
		break;
	case KIND_SIGNED:
		buffer_svarint(&writer->events, *(const int64_t *)at);
		break;
	case KIND_FRAME:
		buffer_varint(&writer->events, *(const uint32_t *)at);
		break;
	case KIND_DUE:
		buffer_svarint(&writer->events,
			       (int64_t)((uint64_t) * (const int64_t *)at - (uint64_t)event->timestamp_ms));
		break;
	}
}

static void close_record(struct record_writer *writer)
{
	char space[64]; /* more than it takes: it never grows */
	struct buffer header = { .data = space, .capacity = sizeof space };
	buffer_byte(&header, writer->begins_elsewhere ? RECORD_VERSION : RECORD_VERSION_PLAIN);
	buffer_varint(&header, writer->first_id);
	buffer_varint(&header, writer->events_count);
	buffer_svarint(&header, writer->base_ms);
	buffer_varint(&header, writer->table.count);

	assert(header.data == space);
	size_t len = header.len + writer->payloads.len + writer->events.len;
	char *bytes = arena_alloc(writer->arena, len + 1), *at = bytes;
	at = mempcpy(at, header.data, header.len);
	if (writer->payloads.len)
		at = mempcpy(at, writer->payloads.data, writer->payloads.len);
	mempcpy(at, writer->events.data, writer->events.len);

	if (writer->records_count == writer->records_capacity) {
		uint32_t capacity = writer->records_capacity ? writer->records_capacity * 2 : 4;
		struct record *records = ARENA_ARRAY(writer->arena, struct record, capacity);
		if (writer->records_count)
			memcpy(records, writer->records, writer->records_count * sizeof *records);
		writer->records = records;
		writer->records_capacity = capacity;
	}
	struct record *record = &writer->records[writer->records_count++];
	*record = (struct record){ .first_event_id = writer->first_id,
				   .public_events = writer->public_count,
				   .bytes = { bytes, len },
				   .blobs_count = writer->blobs_count };
	if (writer->blobs_count) {
		record->blobs = ARENA_ARRAY(writer->arena, struct str, writer->blobs_count);
		uint32_t blob = 0;
		for (uint32_t i = 0; i < writer->table.count; i++)
			if (value_text_len(writer->table.entries[i].value) > RECORD_INLINE_MAX) {
				uint32_t kept = payload_table_put(&writer->kept, writer->table.entries[i].value);
				record->blobs[blob++] = value_text(writer->kept.entries[kept].value);
			}
	}
	writer->total_bytes += writer->payload_bytes + writer->events.len;
	writer->last_inline = STR_EMPTY;
	writer->payload_bytes = 0;
	payload_table_clear(&writer->table);
	buffer_clear(&writer->payloads);
	buffer_clear(&writer->events);
	writer->events_count = writer->public_count = writer->blobs_count = 0;
	writer->begins_elsewhere = false;
	writer->first_id = writer->next_id;
}

void record_writer_add(struct record_writer *writer, const struct event *event)
{
	size_t used = HEADER_BYTES_MAX + writer->payload_bytes + writer->events.len;
	if (writer->events_count && used + event_bytes(writer, event, false) > RECORD_BYTES_MAX &&
	    used + event_bytes(writer, event, true) > RECORD_BYTES_MAX)
		close_record(writer);
	if (!writer->events_count)
		writer->base_ms = writer->last_ms = event->timestamp_ms;

	bool public = event_is_public(event->type);
	buffer_byte(&writer->events, (char)event->type);
	buffer_varint(&writer->events, event->fields);
	buffer_varint(&writer->events, event->frame);
	buffer_svarint(&writer->events, event->timestamp_ms - writer->last_ms);
	if (public) {
		assert(event->id == writer->next_id);
		buffer_svarint(&writer->events, (int64_t)(event->id - event->previous_id));
		writer->next_id++;
		writer->public_count++;
	}
	for (uint32_t left = event->fields; left; left &= left - 1)
		add_field(writer, event, &fields[__builtin_ctz(left)]);
	writer->begins_elsewhere |= event->type == EVENT_EXECUTION_STARTED && event->fields & FIELD_NEXT;
	writer->last_ms = event->timestamp_ms;
	writer->events_count++;
	writer->total_events++;
}

void record_writer_finish(struct record_writer *writer, struct record **ret_records, uint32_t *ret_count)
{
	if (writer->events_count)
		close_record(writer);
	/* The arena lives for longer; the next writer takes up this memory while it is warm. */
	buffer_done(&writer->payloads);
	buffer_done(&writer->events);
	*ret_records = writer->records;
	*ret_count = writer->records_count;
}

/* ---- reading ---------------------------------------------------------------------------- */

static int corrupt(struct wf_error *err, const char *what)
{
	return error_set(err, ERR(CORRUPT), "a journal record is damaged: %s", what);
}

struct payloads_held {
	struct value **values;
	uint32_t count;
};

static void payloads_release(void *data)
{
	struct payloads_held *held = data;
	for (uint32_t i = 0; i < held->count; i++)
		value_unref(held->values[i]);
}

/* A text that is put together lives in the arena. */
static int read_like(struct record_reader *reader, struct str last, struct str *ret_text, struct wf_error *err)
{
	uint64_t prefix, suffix;
	struct str between;
	if (!reader_varint(&reader->in, &prefix) || !reader_varint(&reader->in, &suffix) || !reader_blob(&reader->in, &between))
		return corrupt(err, "it ends within a payload");
	if (prefix > last.len || suffix > last.len - prefix)
		return corrupt(err, "a payload is like more than there was of the one before it");
	char *text = arena_alloc(reader->arena, prefix + between.len + suffix + 1), *at = text;
	at = mempcpy(at, last.ptr, prefix);
	at = mempcpy(at, between.ptr, between.len);
	at = mempcpy(at, last.ptr + last.len - suffix, suffix);
	*at = 0;
	*ret_text = (struct str){ text, (size_t)(at - text) };
	return 0;
}

/* `last` is the newest inline payload, `total` what they come to. */
static int read_payload(struct record_reader *reader, const struct record *record, struct str *last, size_t *total,
			struct str *ret_text, struct wf_error *err)
{
	uint8_t kind;
	uint64_t blob, len;
	if (!reader_byte(&reader->in, &kind))
		return corrupt(err, "it ends within its payloads");
	if (kind == PAYLOAD_INLINE || kind == PAYLOAD_LIKE) {
		if (kind == PAYLOAD_INLINE && !reader_blob(&reader->in, last))
			return corrupt(err, "it ends within a payload");
		int r = kind == PAYLOAD_LIKE ? read_like(reader, *last, last, err) : 0;
		*ret_text = *last;
		*total += last->len;
		return r < 0 || *total <= INLINE_BYTES_MAX + record->bytes.len ? r : corrupt(err, "its payloads come to more than a record holds");
	}
	if (kind != PAYLOAD_OUT_OF_LINE)
		return corrupt(err, "a payload is of no known kind");
	if (!reader_varint(&reader->in, &blob) || !reader_varint(&reader->in, &len))
		return corrupt(err, "it ends within a payload's reference");
	if (blob >= record->blobs_count || record->blobs[blob].len != len)
		return corrupt(err, "a large payload that it names is missing");
	*ret_text = record->blobs[blob];
	return 0;
}

/* Steps over a payload. */
static int skip_payload(struct record_reader *reader, struct wf_error *err)
{
	uint8_t kind;
	uint64_t number;
	struct str text;
	if (!reader_byte(&reader->in, &kind))
		return corrupt(err, "it ends within its payloads");
	if ((kind != PAYLOAD_INLINE && (!reader_varint(&reader->in, &number) || !reader_varint(&reader->in, &number))) ||
	    (kind != PAYLOAD_OUT_OF_LINE && !reader_blob(&reader->in, &text)))
		return corrupt(err, "it ends within a payload");
	return 0;
}

static int open_record(const struct record *record, bool bare, struct arena *arena, struct record_reader *ret_reader,
		       struct wf_error *err)
{
	struct record_reader reader = { .in = reader_of(record->bytes), .arena = arena };
	uint8_t version;
	uint64_t events, payloads;
	if (!reader_byte(&reader.in, &version))
		return corrupt(err, "it is empty");
	if (version < RECORD_VERSION_LEAST || version > RECORD_VERSION)
		return error_set(err, ERR(VERSION), "a journal record has version %d, this program reads %d to %d", version,
				 RECORD_VERSION_LEAST, RECORD_VERSION);
	if (!reader_varint(&reader.in, &reader.next_id) || !reader_varint(&reader.in, &events) ||
	    !reader_svarint(&reader.in, &reader.timestamp_ms) || !reader_varint(&reader.in, &payloads))
		return corrupt(err, "its header is incomplete");
	/* Each payload takes two bytes at least, each event four: counts beyond that are not allocated for. */
	if (payloads > record->bytes.len / 2 || events > record->bytes.len / 4)
		return corrupt(err, "its header counts more than it can hold");

	struct payloads_held *held = ARENA_NEW(arena, struct payloads_held);
	held->values = reader.payloads = ARENA_ARRAY(arena, struct value *, payloads + 1);
	arena_on_reset(arena, payloads_release, held);
	struct str last = STR_EMPTY;
	size_t total = 0;
	for (; held->count < payloads; held->count++) {
		struct str text;
		int r = bare ? skip_payload(&reader, err) : read_payload(&reader, record, &last, &total, &text, err);
		if (r < 0)
			return r;
		held->values[held->count] = bare ? NULL : value_from_trusted_text(text);
	}
	reader.payloads_count = (uint32_t)payloads;
	reader.events_left = (uint32_t)events;
	*ret_reader = reader;
	return 0;
}

int record_open(const struct record *record, struct arena *arena, struct record_reader *ret_reader,
		struct wf_error *err)
{
	return open_record(record, false, arena, ret_reader, err);
}

int record_open_bare(const struct record *record, struct arena *arena, struct record_reader *ret_reader,
		     struct wf_error *err)
{
	return open_record(record, true, arena, ret_reader, err);
}

/* Nearly all numbers of an event are one byte. */
static inline bool read_number(struct reader *in, uint64_t *ret_number)
{
	if (in->at == in->end || *in->at >= 0x80)
		return reader_varint(in, ret_number);
	*ret_number = *in->at++;
	return true;
}

static inline bool read_signed(struct reader *in, int64_t *ret_number)
{
	if (in->at == in->end || *in->at >= 0x80)
		return reader_svarint(in, ret_number);
	*ret_number = (*in->at >> 1) ^ -(*in->at & 1);
	in->at++;
	return true;
}

static bool read_field(struct record_reader *reader, const struct field *field, struct event *event)
{
	char *at = (char *)event + field->offset;
	uint64_t number;
	int64_t distance;
	switch (field->kind) {
	case KIND_STR:
		return reader_blob(&reader->in, (struct str *)at);
	case KIND_VALUE:
		if (!read_number(&reader->in, &number) || number >= reader->payloads_count)
			return false;
		*(struct value **)at = reader->payloads[number];
		return true;
	case KIND_NUMBER:
		return read_number(&reader->in, (uint64_t *)at);
	case KIND_SIGNED:
		return read_signed(&reader->in, (int64_t *)at);
	case KIND_FRAME:
		if (!read_number(&reader->in, &number) || number > UINT32_MAX)
			return false;
		*(uint32_t *)at = (uint32_t)number;
		return true;
	case KIND_DUE:
		if (!read_signed(&reader->in, &distance))
			return false;
		*(int64_t *)at = (int64_t)((uint64_t)event->timestamp_ms + (uint64_t)distance);
		return true;
	}
	return false;
}

int record_next(struct record_reader *reader, struct event *ret_event, struct wf_error *err)
{
	if (!reader->events_left)
		return reader->in.at == reader->in.end ? 0 : corrupt(err, "bytes follow its last event");

	struct event event = { 0 };
	uint8_t type;
	uint64_t mask, frame;
	int64_t delta, back;
	if (!reader_byte(&reader->in, &type) || !read_number(&reader->in, &mask) ||
	    !read_number(&reader->in, &frame) || !read_signed(&reader->in, &delta))
		return corrupt(err, "it ends within an event");
	event.type = (enum event_type)type;
	if (!event_type_name(event.type))
		return error_set(err, ERR(VERSION),
				 "a journal record holds an event of type %d, which this program does not know", type);
	if (mask & ~(uint64_t)EVENT_FIELDS_ALL || frame > UINT32_MAX)
		return corrupt(err, "an event has fields that do not exist");
	event.fields = (uint32_t)mask;
	event.frame = (uint32_t)frame;
	event.timestamp_ms = (int64_t)((uint64_t)reader->timestamp_ms + (uint64_t)delta);
	if (event_is_public(event.type)) {
		if (!read_signed(&reader->in, &back) || reader->next_id == UINT64_MAX)
			return corrupt(err, "it ends within an event");
		event.id = reader->next_id;
		event.previous_id = event.id - (uint64_t)back;
		if (event.previous_id >= event.id)
			return corrupt(err, "an event follows one that is later");
		reader->next_id++;
	}
	for (uint32_t left = event.fields; left; left &= left - 1)
		if (!read_field(reader, &fields[__builtin_ctz(left)], &event))
			return corrupt(err, "it ends within an event's fields");
	reader->timestamp_ms = event.timestamp_ms;
	reader->events_left--;
	*ret_event = event;
	return 1;
}
