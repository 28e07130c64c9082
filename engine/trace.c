/* trace.c: see trace.h. */
#include "engine/trace.h"
#include "base/hash.h"
#include <inttypes.h>

#define TRACE_AT 3
#define TRACE_HEX 32
#define SPAN_AT 36
#define SPAN_HEX 16
#define FLAGS_AT 53

static bool is_hex(struct str text)
{
	for (size_t i = 0; i < text.len; i++)
		if (!((text.ptr[i] >= '0' && text.ptr[i] <= '9') || (text.ptr[i] >= 'a' && text.ptr[i] <= 'f')))
			return false;
	return text.len > 0;
}

static bool is_id(struct str text)
{
	size_t zeros = 0;
	while (zeros < text.len && text.ptr[zeros] == '0')
		zeros++;
	return is_hex(text) && zeros < text.len;
}

struct str trace_parent_read(struct arena *arena, struct str header)
{
	if (header.len < TRACE_PARENT_LENGTH || header.ptr[2] != '-' || header.ptr[SPAN_AT - 1] != '-' ||
	    header.ptr[FLAGS_AT - 1] != '-')
		return STR_EMPTY;
	struct str version = str_sub(header, 0, 2), flags = str_sub(header, FLAGS_AT, 2);
	bool longer = header.len > TRACE_PARENT_LENGTH;
	/* Later versions may have more behind a dash. */
	if (!is_hex(version) || str_eqz(version, "ff") || !is_hex(flags) ||
	    (longer && (str_eqz(version, "00") || header.ptr[TRACE_PARENT_LENGTH] != '-')) ||
	    !is_id(str_sub(header, TRACE_AT, TRACE_HEX)) || !is_id(str_sub(header, SPAN_AT, SPAN_HEX)))
		return STR_EMPTY;
	bool sampled = strchr("13579bdf", flags.ptr[1]);
	return arena_format(arena, "00-%.*s-%s", SPAN_AT + SPAN_HEX - TRACE_AT, header.ptr + TRACE_AT, sampled ? "01" : "00");
}

/* The value of NAME in "NAME=value;…". */
static struct str xray_field(struct str header, const char *name)
{
	while (header.len) {
		const char *end = memchr(header.ptr, ';', header.len);
		size_t length = end ? (size_t)(end - header.ptr) : header.len;
		struct str field = str_sub(header, 0, length);
		header = str_sub(header, length + 1, header.len);
		while (field.len && field.ptr[0] == ' ')
			field = str_sub(field, 1, field.len);
		if (str_starts(field, str_of(name)) && field.len > strlen(name) && field.ptr[strlen(name)] == '=')
			return str_sub(field, strlen(name) + 1, field.len);
	}
	return STR_EMPTY;
}

struct str trace_parent_from_xray(struct arena *arena, struct str header)
{
	struct str root = xray_field(header, "Root"), parent = xray_field(header, "Parent");
	if (root.len != 35 || !str_starts(root, STR("1-")) || root.ptr[10] != '-')
		return STR_EMPTY;
	/* Without a parent the root itself stands for one: what counts is the trace. */
	if (parent.len != SPAN_HEX)
		parent = str_sub(root, 19, SPAN_HEX);
	struct str text = arena_format(arena, "00-%.*s%.*s-%.*s-%s", 8, root.ptr + 2, 24, root.ptr + 11, STR_FMT(parent),
				       str_eqz(xray_field(header, "Sampled"), "1") ? "01" : "00");
	return trace_parent_read(arena, text);
}

struct str trace_parent_of_task(struct arena *arena, struct str parent, struct task_key key)
{
	if (parent.len != TRACE_PARENT_LENGTH)
		return STR_EMPTY;
	uint64_t words[2] = { key.execution_id, key.event_id };
	uint64_t seed = hash_bytes(str_sub(parent, TRACE_AT, TRACE_HEX), 0);
	uint64_t span = hash_bytes((struct str){ (const char *)words, sizeof words }, seed);
	return arena_format(arena, "%.*s%016" PRIx64 "%.*s", SPAN_AT, parent.ptr, span ? span : 1,
			    TRACE_PARENT_LENGTH - SPAN_AT - SPAN_HEX, parent.ptr + SPAN_AT + SPAN_HEX);
}
