/* track.c: one execution as the search file's writer follows it: what its row says, and how long its states take.
 *
 * A visit of a state lasts from its StateEntered to its StateExited in the same frame. Records whose figures are in the
 * file already are folded again, after a restart, to know the visits that are open; they do not count again. */
#include "search/internal.h"
#include <stdlib.h>

enum { HOUR_MS = 3600000, MINUTE_MS = 60000 };

struct tracked *tracked_new(const struct search_row *row)
{
	struct tracked *tracked = NEW(struct tracked);
	tracked->row = *row;
	tracked->row.name = tracked->row.error = tracked->row.state = STR_EMPTY;
	tracked_set_text(&tracked->row.name, row->name);
	tracked_set_text(&tracked->row.error, row->error);
	tracked_set_text(&tracked->row.state, row->state);
	return tracked;
}

static void free_visits(struct tracked *tracked)
{
	size_t i = 0;
	for (struct u64_map_entry *entry; (entry = u64_map_next(&tracked->visits, &i));)
		free(entry->value);
	u64_map_done(&tracked->visits);
	tracked->visits = (struct u64_map){ 0 };
}

void tracked_restart(struct tracked *tracked)
{
	free_visits(tracked);
	tracked->root = (struct visit){ 0 };
	tracked->failing = false;
	tracked->seen = 0;
	tracked->row.status = EXECUTION_RUNNING;
	tracked->row.stop_ms = 0;
	tracked->row.redrives = 0;
	tracked_set_text(&tracked->row.error, STR_EMPTY);
	tracked_set_text(&tracked->row.state, STR_EMPTY);
}

void tracked_set_text(struct str *place, struct str text)
{
	char *copy = text.len ? mem_strndup(text.ptr, text.len) : NULL;
	if (place->len)
		free((char *)place->ptr);
	*place = copy ? (struct str){ copy, text.len } : STR_EMPTY;
}

void tracked_free(struct tracked *tracked)
{
	free_visits(tracked);
	tracked_set_text(&tracked->row.name, STR_EMPTY);
	tracked_set_text(&tracked->row.error, STR_EMPTY);
	tracked_set_text(&tracked->row.state, STR_EMPTY);
	buffer_done(&tracked->words);
	free(tracked);
}

/* ---- figures ------------------------------------------------------------------------------------ */

const char *writer_intern(struct writer *writer, struct str text)
{
	/* The same few come again and again. */
	unsigned slot = text.len ? (unsigned)(text.len * 31 + (unsigned char)text.ptr[0] * 7 + (unsigned char)text.ptr[text.len - 1]) %
				       WRITER_RECENT
				 : 0;
	struct str recent = writer->recent_strings[slot];
	if (recent.ptr && recent.len == text.len && memcmp(recent.ptr, text.ptr, text.len) == 0)
		return recent.ptr;
	char *kept = str_map_get(&writer->strings, text);
	if (!kept) {
		kept = mem_strndup(text.ptr, text.len);
		str_map_put(&writer->strings, text, kept);
	}
	writer->recent_strings[slot] = (struct str){ kept, text.len };
	return kept;
}

struct figure *writer_figure(struct writer *writer, uint64_t machine, const char *state, int64_t time_ms)
{
	struct {
		uint64_t machine;
		int64_t hour;
		const char *state;
	} key = { machine, time_ms / HOUR_MS, state };
	struct delta **recent = &writer->recent_deltas[((uintptr_t)state / 16 + machine) % WRITER_RECENT];
	if (*recent && (*recent)->state == state && (*recent)->machine == machine && (*recent)->hour == key.hour)
		return &(*recent)->figure;
	struct str bytes = { (const char *)&key, sizeof key };
	struct delta *delta = str_map_get(&writer->deltas, bytes);
	if (!delta) {
		delta = NEW(struct delta);
		delta->machine = machine;
		delta->hour = key.hour;
		delta->state = state;
		str_map_put(&writer->deltas, bytes, delta);
	}
	*recent = delta;
	return &delta->figure;
}

struct minute_delta *writer_minute(struct writer *writer, uint64_t machine, int64_t time_ms)
{
	int64_t minute = time_ms / MINUTE_MS;
	for (size_t i = writer->minutes_count; i-- > 0;)
		if (writer->minutes[i].machine == machine && writer->minutes[i].minute == minute)
			return &writer->minutes[i];
	MEM_GROW(writer->minutes, writer->minutes_capacity, writer->minutes_count + 1);
	struct minute_delta *delta = &writer->minutes[writer->minutes_count++];
	*delta = (struct minute_delta){ .machine = machine, .minute = minute };
	return delta;
}

/* ---- words --------------------------------------------------------------------------------------- */

static void add_word(struct str word, struct buffer *out)
{
	buffer_byte(out, 'n');
	for (size_t i = 0; i < word.len; i++)
		if (word.ptr[i] != '-')
			buffer_byte(out, word.ptr[i] >= 'A' && word.ptr[i] <= 'Z' ? (char)(word.ptr[i] | 0x20) : word.ptr[i]);
	buffer_byte(out, ' ');
}

/* Most names are made: five words that nothing else has would cost more than all the rest. */
static void add_words_of_name(struct str name, struct buffer *out)
{
	size_t at = 0;
	if (name.len == 36 && search_uuid_begins(name)) {
		add_word(name, out);
		return;
	}
	for (struct str word; (word = search_word(name, &at)).len;)
		add_word(word, out);
}

struct flattening {
	struct buffer path, *out;
	unsigned fields;
};

static struct str scalar_text(const struct value *value)
{
	switch (value_kind(value)) {
	case VALUE_STRING:
		return value_string(value);
	case VALUE_NUMBER:
		return value_number_text(value);
	case VALUE_BOOL:
		return value_bool(value) ? STR("true") : STR("false");
	case VALUE_NULL:
		return STR("null");
	case VALUE_ARRAY:
	case VALUE_OBJECT:
		break;
	}
	return STR_EMPTY;
}

static void add_number(struct buffer *out, size_t number)
{
	char digits[20];
	unsigned at = sizeof digits;
	do
		digits[--at] = (char)('0' + number % 10);
	while (number /= 10);
	buffer_append(out, digits + at, sizeof digits - at);
}

/* Recurses no deeper than SEARCH_FIELD_DEPTH_MAX. */
static void flatten(struct flattening *f, const struct value *value, unsigned depth)
{
	bool object = value_is(value, VALUE_OBJECT);
	if (!object && !value_is(value, VALUE_ARRAY)) {
		struct str text = scalar_text(value);
		if (text.len > SEARCH_FIELD_BYTES_MAX || !f->path.len || f->fields++ >= SEARCH_FIELDS_MAX)
			return;
		search_field_word(buffer_str(&f->path), text, f->out);
		buffer_byte(f->out, ' ');
		return;
	}
	if (depth == SEARCH_FIELD_DEPTH_MAX)
		return;
	for (size_t i = 0, count = value_count(value); i < count && f->fields < SEARCH_FIELDS_MAX; i++) {
		size_t length = f->path.len;
		if (length)
			buffer_byte(&f->path, '.');
		if (object)
			buffer_add(&f->path, value_key_at(value, i));
		else
			add_number(&f->path, i);
		if (f->path.len <= SEARCH_FIELD_BYTES_MAX)
			flatten(f, value_at(value, i), depth + 1);
		f->path.len = length;
	}
}

static void add_words(struct tracked *tracked, const struct value *input)
{
	struct flattening f = { .out = &tracked->words };
	buffer_clear(&tracked->words);
	add_words_of_name(tracked->row.name, &tracked->words);
	if (input)
		flatten(&f, input, 0);
	buffer_done(&f.path);
}

static struct visit *visit_of(struct tracked *tracked, uint32_t frame, bool make)
{
	if (!frame)
		return &tracked->root;
	struct visit *visit = u64_map_get(&tracked->visits, frame);
	if (!visit && make) {
		visit = NEW(struct visit);
		u64_map_put(&tracked->visits, frame, visit);
	}
	return visit;
}

/* ---- open visits, as a row keeps them -------------------------------------------------------------- */

static void write_visit(const struct visit *visit, uint64_t frame, struct buffer *out)
{
	buffer_varint(out, frame);
	buffer_byte(out, (char)(visit->stopped | (visit->state != NULL) << 1));
	buffer_blob(out, visit->state ? str_of(visit->state) : STR_EMPTY);
	buffer_svarint(out, visit->entered_ms);
	buffer_varint(out, visit->attempts);
}

void tracked_write_visits(const struct tracked *tracked, struct buffer *out)
{
	size_t i = 0;
	if (tracked->seen != tracked->records || tracked->visits.count > SEARCH_VISITS_KEPT ||
	    tracked->row.status == EXECUTION_SUCCEEDED_)
		return;
	buffer_byte(out, (char)(tracked->failing | (tracked->failed_state != NULL) << 1));
	buffer_varint(out, tracked->failed_frame);
	buffer_blob(out, tracked->failed_state ? str_of(tracked->failed_state) : STR_EMPTY);
	write_visit(&tracked->root, 0, out);
	for (struct u64_map_entry *entry; (entry = u64_map_next(&tracked->visits, &i));)
		write_visit(entry->value, entry->key, out);
}

bool tracked_read_visits(struct writer *writer, struct tracked *tracked, struct str bytes)
{
	struct reader in = reader_of(bytes);
	uint8_t flags;
	uint64_t frame, attempts;
	struct str state;
	if (!reader_byte(&in, &flags) || !reader_varint(&in, &frame) || !reader_blob(&in, &state))
		return false;
	tracked->failing = flags & 1;
	tracked->failed_frame = (uint32_t)frame;
	tracked->failed_state = flags & 2 ? writer_intern(writer, state) : NULL;
	while (in.at < in.end) {
		struct visit read = { 0 };
		if (!reader_varint(&in, &frame) || !reader_byte(&in, &flags) || !reader_blob(&in, &state) ||
		    !reader_svarint(&in, &read.entered_ms) || !reader_varint(&in, &attempts))
			return false;
		read.state = flags & 2 ? writer_intern(writer, state) : NULL;
		read.stopped = flags & 1;
		read.attempts = (uint32_t)attempts;
		*visit_of(tracked, (uint32_t)frame, true) = read;
	}
	tracked->seen = tracked->records;
	return true;
}

/* ---- events ---------------------------------------------------------------------------------------- */

static void enter(struct writer *writer, struct tracked *tracked, const struct event *event)
{
	struct visit *visit = visit_of(tracked, event->frame, true);
	*visit = (struct visit){ .state = writer_intern(writer, event->name), .entered_ms = event->timestamp_ms };
}

static void leave(struct writer *writer, struct tracked *tracked, const struct event *event, bool failed, bool counts)
{
	struct visit *visit = visit_of(tracked, event->frame, false);
	if (!visit || !visit->state || visit->stopped)
		return;
	if (counts) {
		struct figure *figure =
		    writer_figure(writer, tracked->row.machine, visit->state, event->timestamp_ms);
		figure->count++;
		figure->failed += failed;
		figure->retries += visit->attempts > 1 ? visit->attempts - 1 : 0;
		figure_add_duration(figure, event->timestamp_ms - visit->entered_ms);
	}
	if (failed)
		visit->stopped = true;
	else
		visit->state = NULL;
}

static void close_frame(struct tracked *tracked, uint32_t frame)
{
	if (frame)
		free(u64_map_remove(&tracked->visits, frame));
}

static void fails(struct tracked *tracked, const struct event *event)
{
	const struct visit *visit = visit_of(tracked, event->frame, false);
	tracked->failing = visit && visit->state;
	tracked->failed_frame = event->frame;
	tracked->failed_state = tracked->failing ? visit->state : NULL;
}

static void redriven(struct tracked *tracked, int64_t time_ms)
{
	size_t i = 0;
	struct u64_map_entry *entry;
	tracked->row.redrives++;
	tracked->row.stop_ms = 0;
	tracked->row.status = EXECUTION_RUNNING;
	tracked_set_text(&tracked->row.error, STR_EMPTY);
	tracked_set_text(&tracked->row.state, STR_EMPTY);
	tracked->failing = false;
	for (struct visit *visit = &tracked->root; visit;
	     visit = (entry = u64_map_next(&tracked->visits, &i)) ? entry->value : NULL)
		if (visit->stopped || visit->state) {
			visit->stopped = false;
			visit->entered_ms = time_ms;
			visit->attempts = 0;
		}
}

static void ended(struct writer *writer, struct tracked *tracked, const struct event *event,
		  enum execution_status status, bool counts)
{
	bool failed = status == EXECUTION_FAILED_ || status == EXECUTION_TIMED_OUT_;
	const struct visit *root = &tracked->root;
	const char *state = tracked->failing ? tracked->failed_state : root->state;
	tracked->row.status = status;
	tracked->row.stop_ms = event->timestamp_ms;
	if (status != EXECUTION_SUCCEEDED_) {
		tracked_set_text(&tracked->row.error, event->fields & FIELD_ERROR ? event->error : STR_EMPTY);
		tracked_set_text(&tracked->row.state, state ? str_of(state) : STR_EMPTY);
		struct event at_root = *event;
		at_root.frame = 0;
		leave(writer, tracked, &at_root, true, counts && failed);
	}
	if (!counts || status == EXECUTION_ABORTED_)
		return;
	struct figure *figure = writer_figure(writer, tracked->row.machine, "", event->timestamp_ms);
	figure->count++;
	figure->failed += failed;
	figure_add_duration(figure, event->timestamp_ms - tracked->row.start_ms);
	if (failed)
		writer_minute(writer, tracked->row.machine, event->timestamp_ms)->failed++;
}

static void apply(struct writer *writer, struct tracked *tracked, const struct event *event, bool counts)
{
	struct visit *visit;
	switch (event->type) {
	case EVENT_EXECUTION_STARTED:
		tracked->row.start_ms = event->timestamp_ms;
		if (!tracked->in_file)
			add_words(tracked, event->payload);
		if (counts) {
			writer_figure(writer, tracked->row.machine, "", event->timestamp_ms)->started++;
			writer_minute(writer, tracked->row.machine, event->timestamp_ms)->started++;
		}
		break;
	case EVENT_EXECUTION_SUCCEEDED:
		ended(writer, tracked, event, EXECUTION_SUCCEEDED_, counts);
		break;
	case EVENT_EXECUTION_FAILED:
		ended(writer, tracked, event, EXECUTION_FAILED_, counts);
		break;
	case EVENT_EXECUTION_TIMED_OUT:
		ended(writer, tracked, event, EXECUTION_TIMED_OUT_, counts);
		break;
	case EVENT_EXECUTION_ABORTED:
		ended(writer, tracked, event, EXECUTION_ABORTED_, counts);
		break;
	case EVENT_EXECUTION_REDRIVEN:
		redriven(tracked, event->timestamp_ms);
		break;

	case EVENT_FAIL_STATE_ENTERED:
		enter(writer, tracked, event);
		fails(tracked, event);
		break;
	case EVENT_TASK_STATE_ENTERED:
	case EVENT_PASS_STATE_ENTERED:
	case EVENT_CHOICE_STATE_ENTERED:
	case EVENT_WAIT_STATE_ENTERED:
	case EVENT_SUCCEED_STATE_ENTERED:
	case EVENT_PARALLEL_STATE_ENTERED:
	case EVENT_MAP_STATE_ENTERED:
		enter(writer, tracked, event);
		break;
	case EVENT_TASK_STATE_EXITED:
	case EVENT_PASS_STATE_EXITED:
	case EVENT_CHOICE_STATE_EXITED:
	case EVENT_WAIT_STATE_EXITED:
	case EVENT_SUCCEED_STATE_EXITED:
	case EVENT_PARALLEL_STATE_EXITED:
	case EVENT_MAP_STATE_EXITED:
		leave(writer, tracked, event, false, counts);
		if (event->frame == tracked->failed_frame || !event->frame)
			tracked->failing = false;
		break;

	case EVENT_LAMBDA_FUNCTION_SCHEDULED:
	case EVENT_ACTIVITY_SCHEDULED:
	case EVENT_TASK_SCHEDULED:
	case EVENT_PARALLEL_STATE_STARTED:
	case EVENT_MAP_STATE_STARTED:
		visit = visit_of(tracked, event->frame, false);
		if (visit)
			visit->attempts++;
		break;

	case EVENT_LAMBDA_FUNCTION_SCHEDULE_FAILED:
	case EVENT_LAMBDA_FUNCTION_START_FAILED:
	case EVENT_LAMBDA_FUNCTION_FAILED:
	case EVENT_LAMBDA_FUNCTION_TIMED_OUT:
	case EVENT_ACTIVITY_SCHEDULE_FAILED:
	case EVENT_ACTIVITY_FAILED:
	case EVENT_ACTIVITY_TIMED_OUT:
	case EVENT_TASK_START_FAILED:
	case EVENT_TASK_SUBMIT_FAILED:
	case EVENT_TASK_FAILED:
	case EVENT_TASK_TIMED_OUT:
	case EVENT_EVALUATION_FAILED:
		fails(tracked, event);
		break;
	case EVENT_RETRY_SCHEDULED:
		if (event->frame == tracked->failed_frame)
			tracked->failing = false;
		break;

	case EVENT_STATE_FAILED:
	case EVENT_MAP_ITERATION_FAILED:
		leave(writer, tracked, event, true, counts);
		if (event->fields & FIELD_PAYLOAD) /* tolerated: the frame is closed */
			close_frame(tracked, event->frame);
		break;
	case EVENT_MAP_ITERATION_ABORTED:
	case EVENT_FRAME_CLOSED:
		visit = visit_of(tracked, event->frame, false);
		if (visit)
			visit->stopped = true;
		break;
	case EVENT_FRAME_SUCCEEDED:
	case EVENT_MAP_ITERATION_SUCCEEDED:
		close_frame(tracked, event->frame);
		break;

	case EVENT_TASK_STATE_ABORTED:
	case EVENT_WAIT_STATE_ABORTED:
	case EVENT_PARALLEL_STATE_SUCCEEDED:
	case EVENT_PARALLEL_STATE_FAILED:
	case EVENT_PARALLEL_STATE_ABORTED:
	case EVENT_MAP_STATE_SUCCEEDED:
	case EVENT_MAP_STATE_FAILED:
	case EVENT_MAP_STATE_ABORTED:
	case EVENT_MAP_ITERATION_STARTED:
	case EVENT_MAP_RUN_STARTED:
	case EVENT_MAP_RUN_SUCCEEDED:
	case EVENT_MAP_RUN_FAILED:
	case EVENT_MAP_RUN_ABORTED:
	case EVENT_MAP_RUN_REDRIVEN:
	case EVENT_LAMBDA_FUNCTION_STARTED:
	case EVENT_LAMBDA_FUNCTION_SUCCEEDED:
	case EVENT_ACTIVITY_STARTED:
	case EVENT_ACTIVITY_SUCCEEDED:
	case EVENT_PUBLIC_COUNT:
	case EVENT_TASK_STARTED:
	case EVENT_TASK_SUBMITTED:
	case EVENT_TASK_SUCCEEDED:
	case EVENT_BRANCH_STARTED:
	case EVENT_WAIT_SCHEDULED:
	case EVENT_HEARTBEAT_RECORDED:
	case EVENT_INPUT_SEEN:
	case EVENT_PRIVATE_BEFORE_:
		break;
	}
}

int tracked_record(struct writer *writer, struct tracked *tracked, const struct record *record, bool counts,
		   struct arena *arena)
{
	struct record_reader reader;
	struct event event;
	/* Only the input is looked into. */
	bool bare = tracked->in_file || tracked->seen;
	int code = bare ? record_open_bare(record, arena, &reader, NULL) : record_open(record, arena, &reader, NULL);
	while (code >= 0 && (code = record_next(&reader, &event, NULL)) > 0)
		apply(writer, tracked, &event, counts);
	return code;
}
