/* record.h: the stored form of events: one journal record holds what one step of one execution appended.
 *
 *     byte version (2 or 3) · varint first_event_id · varint events · svarint base timestamp
 *     varint payloads · each: byte kind, then
 *             0 inline: its text as a blob
 *             1 out of line: varint blob index, varint length
 *             2 like the one before it: varint prefix, varint suffix, blob of what stands between
 *     each event: byte type · varint fields · varint frame · svarint timestamp delta · svarint (id - previous_id) if public · its fields in bit order
 *
 * Equal payloads of one record are stored once. A state mostly passes on what it was given and changes a part, so a payload's text
 * is stored as what differs from the inline one before it, wherever that is shorter. A payload longer than RECORD_INLINE_MAX goes out of line: the record names blob
 * 0, 1, … and the store keeps those beside it, so a record stays within RECORD_BYTES_MAX unless a single event does not fit.
 * Whoever reads hands the blobs in. Old versions stay readable: tests keep samples. Version 1 had no kind 2. Version 3 holds the
 * start of an execution that does not begin at StartAt: who does not know of that must not read it; all others are of version 2. */
#pragma once
#include "base/arena.h"
#include "engine/core/history.h"

#define RECORD_VERSION 3
#define RECORD_VERSION_PLAIN 2 /* what nearly all are written as */
#define RECORD_VERSION_LEAST 1
#define RECORD_BYTES_MAX 65536
#define RECORD_INLINE_MAX 16384

/* One record as it is stored. */
struct record {
	uint64_t first_event_id; /* of its first public event; if it has none, of the next one */
	uint32_t public_events;
	struct str bytes;
	struct str *blobs;
	uint32_t blobs_count;
};

struct record_writer; /* one per step; lives in the step's arena */
struct record_writer *record_writer_new(struct arena *arena, uint64_t next_event_id);
/* Appends an event (its values are referenced until the arena is reset). */
void record_writer_add(struct record_writer *writer, const struct event *event);
size_t record_writer_events(const struct record_writer *writer);
size_t record_writer_bytes(const struct record_writer *writer); /* approximate: distinct payloads and fields */
/* Encodes all, split into records; the array lives in the arena. */
void record_writer_finish(struct record_writer *writer, struct record **ret_records, uint32_t *ret_count);

struct record_reader {
	struct reader in;
	struct arena *arena;
	struct value **payloads;
	uint32_t payloads_count;
	uint32_t events_left;
	uint64_t next_id;
	int64_t timestamp_ms;
};
/* Opens a record; `arena` holds what is decoded (payload values are released with it). ERR(CORRUPT) or ERR(VERSION) if it is none. */
int record_open(const struct record *record, struct arena *arena, struct record_reader *ret_reader, struct wf_error *err);
/* The same without payloads, for who only looks at what happened: blobs are not needed, and every value of an event is NULL. */
int record_open_bare(const struct record *record, struct arena *arena, struct record_reader *ret_reader, struct wf_error *err);
/* The next event. 1: *ret_event is filled; 0: no more; ERR(CORRUPT). */
int record_next(struct record_reader *reader, struct event *ret_event, struct wf_error *err);
