/* yaml_reader.c: libyaml's events, written as JSON text with an explicit stack (depth is bounded by YAML_DEPTH_MAX); a value is that
 * text, parsed. */
#include "value/yaml_reader.h"
#include "base/map.h"
#include "base/mem.h"
#include <stdio.h>
#include <stdlib.h>
#include <yaml.h>

#define YAML_DEPTH_MAX 128

/* An open sequence or mapping. */
struct level {
	bool mapping;
	bool value_next;     /* mapping: a key has been read */
	size_t count;        /* what was written */
	struct str_map keys; /* mapping, if they are to be unique */
};

struct writer {
	struct str yaml;
	struct yaml_json *out;
	struct level levels[YAML_DEPTH_MAX];
	int depth;
	bool unique; /* a repeated key is refused */
	bool rooted; /* a document was read */
	/* The library counts characters: where a count that was asked for before stands in bytes. */
	size_t characters, bytes;
	struct arena arena; /* of keys */
	yaml_mark_t mark;   /* of a failure */
};

/* ---- places in the text ------------------------------------------------------------------------- */

static size_t walk(struct str text, size_t bytes, size_t characters)
{
	for (; characters && bytes < text.len; characters--)
		do
			bytes++;
		while (bytes < text.len && ((unsigned char)text.ptr[bytes] & 0xc0) == 0x80);
	return bytes;
}

/* Of a byte order mark in front. */
static size_t mark_bytes(struct str text)
{
	return str_starts(text, STR("\xef\xbb\xbf")) ? 3 : 0;
}

static void set_input(yaml_parser_t *parser, struct str text)
{
	struct str rest = str_sub(text, mark_bytes(text), text.len);
	yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(parser, (const unsigned char *)rest.ptr, rest.len);
}

/* Marks come in the order of the text, nearly: it is walked once. */
static size_t byte_of(struct writer *w, size_t characters)
{
	if (characters < w->characters || !w->bytes) {
		w->characters = 0;
		w->bytes = mark_bytes(w->yaml);
	}
	w->bytes = walk(w->yaml, w->bytes, characters - w->characters);
	w->characters = characters;
	return w->bytes;
}

static void add_piece(struct writer *w, size_t json, const yaml_event_t *event)
{
	struct yaml_json *out = w->out;
	size_t start = byte_of(w, event->start_mark.index);
	size_t end = walk(w->yaml, start, event->end_mark.index - event->start_mark.index);
	/* A block's mark of its end is where the next token begins. */
	while (end > start + 1 && strchr(" \t\r\n", w->yaml.ptr[end - 1]) && w->yaml.ptr[end - 1])
		end--;
	MEM_GROW(out->pieces, out->capacity, out->count + 1);
	out->pieces[out->count++] = (struct yaml_piece){ json, out->text.len - json, start, end - start };
}

static int fail_at(struct writer *w, struct wf_error *err, yaml_mark_t mark, const char *format, struct str what)
{
	int code = error_set(err, ERR(INVALID), format, STR_FMT(what));
	error_where(err, "line %zu, column %zu", mark.line + 1, mark.column + 1);
	w->mark = mark;
	return code;
}

/* ---- writing ---------------------------------------------------------------------------------------- */

static void write_plain(struct str text, struct buffer *out)
{
	_cleanup_(value_unrefp) struct value *value = NULL;
	if (text.len == 0 || str_eqz(text, "~"))
		buffer_addz(out, "null");
	else if (str_eqz(text, "null") || str_eqz(text, "true") || str_eqz(text, "false"))
		buffer_add(out, text);
	else if ((text.ptr[0] == '-' || (text.ptr[0] >= '0' && text.ptr[0] <= '9')) &&
		 value_parse(text, NULL, &value, NULL) == 0 && value_is(value, VALUE_NUMBER))
		buffer_add(out, text);
	else
		value_write_string(text, out);
}

/* What stands between this node and the one before. */
static void separate(struct writer *w, bool *ret_key)
{
	struct level *level = w->depth ? &w->levels[w->depth - 1] : NULL;
	*ret_key = level && level->mapping && !level->value_next;
	if (!level)
		return;
	if (level->mapping && level->value_next)
		buffer_byte(&w->out->text, ':');
	else if (level->count++)
		buffer_byte(&w->out->text, ',');
	if (level->mapping)
		level->value_next = !level->value_next;
}

static int take_scalar(struct writer *w, const yaml_event_t *event, struct wf_error *err)
{
	struct str text = { (const char *)event->data.scalar.value, event->data.scalar.length };
	struct buffer *out = &w->out->text;
	bool key;
	separate(w, &key);
	if (key && w->unique) {
		struct str_map *keys = &w->levels[w->depth - 1].keys;
		struct str kept = arena_str(&w->arena, text);
		if (str_map_put(keys, kept, w))
			return fail_at(w, err, event->start_mark, "the key '%.*s' stands twice", text);
	}
	size_t at = out->len;
	if (key || event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
		value_write_string(text, out);
	else
		write_plain(text, out);
	add_piece(w, at, event);
	return 0;
}

static int open_level(struct writer *w, const yaml_event_t *event, bool mapping, struct wf_error *err)
{
	bool key;
	separate(w, &key);
	if (key)
		return fail_at(w, err, event->start_mark, "a key must be a plain name%.*s", STR_EMPTY);
	if (w->depth == YAML_DEPTH_MAX)
		return fail_at(w, err, event->start_mark, "it is nested too deeply%.*s", STR_EMPTY);
	w->levels[w->depth++] = (struct level){ .mapping = mapping };
	size_t at = w->out->text.len;
	buffer_byte(&w->out->text, mapping ? '{' : '[');
	add_piece(w, at, event);
	return 0;
}

static int take_event(struct writer *w, const yaml_event_t *event, struct wf_error *err)
{
	static const char unsupported[] = "anchors and tags are not supported%.*s";
	switch (event->type) {
	case YAML_SCALAR_EVENT:
		if (event->data.scalar.anchor || (event->data.scalar.tag && event->data.scalar.plain_implicit == 0 &&
						  event->data.scalar.quoted_implicit == 0))
			return fail_at(w, err, event->start_mark, unsupported, STR_EMPTY);
		return take_scalar(w, event, err);
	case YAML_SEQUENCE_START_EVENT:
		if (event->data.sequence_start.anchor || !event->data.sequence_start.implicit)
			return fail_at(w, err, event->start_mark, unsupported, STR_EMPTY);
		return open_level(w, event, false, err);
	case YAML_MAPPING_START_EVENT:
		if (event->data.mapping_start.anchor || !event->data.mapping_start.implicit)
			return fail_at(w, err, event->start_mark, unsupported, STR_EMPTY);
		return open_level(w, event, true, err);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		str_map_done(&w->levels[--w->depth].keys);
		buffer_byte(&w->out->text, w->levels[w->depth].mapping ? '}' : ']');
		return 0;
	case YAML_ALIAS_EVENT:
		return fail_at(w, err, event->start_mark, "aliases are not supported%.*s", STR_EMPTY);
	case YAML_DOCUMENT_START_EVENT:
		if (w->rooted)
			return fail_at(w, err, event->start_mark, "there is a second document%.*s", STR_EMPTY);
		w->rooted = true;
		return 0;
	case YAML_NO_EVENT:
	case YAML_STREAM_START_EVENT:
	case YAML_STREAM_END_EVENT:
	case YAML_DOCUMENT_END_EVENT:
		return 0;
	}
	return 0;
}

/* What the library found wrong. Where bytes are no text it only knows how many it has read. */
static int fail_parser(struct writer *w, const yaml_parser_t *parser, struct wf_error *err)
{
	yaml_mark_t mark = parser->problem_mark;
	struct str text = str_sub(w->yaml, mark_bytes(w->yaml), w->yaml.len);
	if (parser->error == YAML_READER_ERROR) {
		mark = (yaml_mark_t){ 0 };
		for (size_t i = 0; i < parser->problem_offset && i < text.len; i++) {
			mark.column = text.ptr[i] == '\n' ? 0 : mark.column + 1;
			mark.line += text.ptr[i] == '\n';
			mark.index += ((unsigned char)text.ptr[i] & 0xc0) != 0x80;
		}
	}
	return fail_at(w, err, mark, "%.*s", str_of(parser->problem ? parser->problem : "it is not YAML"));
}

static int write_json(struct writer *w, struct wf_error *err)
{
	yaml_parser_t parser;
	int code = 0;
	bool more = true;
	if (!yaml_parser_initialize(&parser))
		return error_set(err, ERR(INTERNAL), "the YAML reader cannot be set up");
	set_input(&parser, w->yaml);
	while (more && code == 0) {
		yaml_event_t event;
		if (!yaml_parser_parse(&parser, &event)) {
			code = fail_parser(w, &parser, err);
			break;
		}
		more = event.type != YAML_STREAM_END_EVENT;
		code = take_event(w, &event, err);
		yaml_event_delete(&event);
	}
	yaml_parser_delete(&parser);
	while (w->depth)
		str_map_done(&w->levels[--w->depth].keys);
	arena_done(&w->arena);
	return code;
}

int yaml_to_json(struct str text, struct yaml_json *ret_json, size_t *ret_offset, struct wf_error *err)
{
	struct writer w = { .yaml = text, .out = ret_json };
	int code = write_json(&w, err);
	if (code == 0 && !ret_json->text.len)
		buffer_addz(&ret_json->text, "null");
	if (code)
		*ret_offset = byte_of(&w, w.mark.index);
	return code;
}

int yaml_parse(struct str text, struct value **ret_value, struct wf_error *err)
{
	struct yaml_json json = { 0 };
	struct writer w = { .yaml = text, .out = &json, .unique = true };
	int code = write_json(&w, err);
	if (code == 0 && !json.text.len)
		*ret_value = value_new_object(0);
	else if (code == 0)
		code = value_parse(buffer_str(&json.text), NULL, ret_value, err);
	yaml_json_done(&json);
	return code;
}

void yaml_json_done(struct yaml_json *json)
{
	buffer_done(&json->text);
	free(json->pieces);
	*json = (struct yaml_json){ 0 };
}

/* ---- from the JSON back to the YAML -------------------------------------------------------------------------- */

/* The last piece that begins at or before `offset`; NULL if none does. */
static const struct yaml_piece *find_piece(const struct yaml_json *json, size_t offset)
{
	size_t low = 0, high = json->count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (json->pieces[middle].json <= offset)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? &json->pieces[low - 1] : NULL;
}

void yaml_json_place(const struct yaml_json *json, struct str yaml, size_t offset, size_t length, size_t *ret_offset, size_t *ret_length)
{
	const struct yaml_piece *piece = find_piece(json, offset);
	*ret_offset = piece ? piece->yaml : 0;
	*ret_length = piece ? piece->yaml_length : 0;
	size_t into = piece ? offset - piece->json : 0;
	if (!piece || into == 0 || into >= piece->json_length || piece->json_length < 2)
		return;
	/* Within a string: the same characters, if they stand in the YAML as they do in the JSON, with quotes around them or without. */
	struct str content = { json->text.data + piece->json + 1, piece->json_length - 2 };
	struct str written = str_sub(yaml, piece->yaml, piece->yaml_length);
	bool quoted = written.len == content.len + 2 && str_eq(str_sub(written, 1, content.len), content);
	if (!quoted && !str_eq(written, content))
		return;
	into -= quoted ? 0 : 1;
	*ret_offset = piece->yaml + into;
	*ret_length = length < piece->yaml_length - into ? length : piece->yaml_length - into;
}

size_t yaml_json_end(const struct yaml_json *json, size_t offset)
{
	const struct yaml_piece *piece = offset ? find_piece(json, offset - 1) : NULL;
	return piece ? piece->yaml + piece->yaml_length : 0;
}

/* ---- places ---------------------------------------------------------------------------------------------------- */

/* A container that is open while a place is looked for. */
struct path_level {
	bool mapping, on_path;
	bool value_next; /* mapping: a key has been read */
	bool hit;        /* mapping: that key is the one on the path */
	size_t index;    /* sequence: elements so far */
};

struct search {
	const char *pointer;
	struct path_level levels[YAML_DEPTH_MAX];
	int depth;
	bool found;
	yaml_mark_t mark;
};

/* The pointer's segment number `index`; a str without a pointer if it has none. */
static struct str segment(const char *pointer, int index)
{
	const char *slash = pointer;
	for (int i = 0; *slash == '/' && i < index; i++)
		slash += 1 + strcspn(slash + 1, "/");
	return *slash == '/' ? (struct str){ slash + 1, strcspn(slash + 1, "/") } : (struct str){ 0 };
}

static void hit(struct search *search, yaml_mark_t mark)
{
	search->found = true;
	search->mark = mark;
}

/* A node begins: whether it is on the path, or (a key) leads there. */
static bool node_on_path(struct search *search, const yaml_event_t *event)
{
	if (search->depth == 0)
		return true;
	struct path_level *level = &search->levels[search->depth - 1];
	struct str wanted = segment(search->pointer, search->depth - 1);
	char number[24];
	if (!level->mapping) {
		int length = snprintf(number, sizeof number, "%zu", level->index++);
		bool on_path = level->on_path && wanted.ptr && str_eq(wanted, (struct str){ number, (size_t)length });
		if (on_path)
			hit(search, event->start_mark);
		return on_path;
	}
	level->value_next = !level->value_next;
	if (!level->value_next)
		return level->hit;
	struct str key = { 0 };
	if (event->type == YAML_SCALAR_EVENT)
		key = (struct str){ (const char *)event->data.scalar.value, event->data.scalar.length };
	level->hit = level->on_path && wanted.ptr && key.ptr && str_eq(key, wanted);
	if (level->hit)
		hit(search, event->start_mark);
	return false;
}

/* False when the search is over. */
static bool search_event(struct search *search, const yaml_event_t *event)
{
	bool mapping = event->type == YAML_MAPPING_START_EVENT;
	if (event->type == YAML_SCALAR_EVENT) {
		node_on_path(search, event);
	} else if (mapping || event->type == YAML_SEQUENCE_START_EVENT) {
		bool on_path = node_on_path(search, event);
		if (search->depth == YAML_DEPTH_MAX)
			return false;
		search->levels[search->depth++] = (struct path_level){ .mapping = mapping, .on_path = on_path };
	} else if (event->type == YAML_MAPPING_END_EVENT || event->type == YAML_SEQUENCE_END_EVENT) {
		search->depth--;
	}
	return event->type != YAML_STREAM_END_EVENT;
}

bool yaml_place(struct str text, const char *pointer, size_t *ret_line, size_t *ret_column)
{
	yaml_parser_t parser;
	struct search search = { .pointer = pointer };
	bool more = true;
	if (!yaml_parser_initialize(&parser))
		return false;
	set_input(&parser, text);
	while (more) {
		yaml_event_t event;
		if (!yaml_parser_parse(&parser, &event))
			break;
		more = search_event(&search, &event);
		yaml_event_delete(&event);
	}
	yaml_parser_delete(&parser);
	if (!search.found)
		return false;
	*ret_line = search.mark.line + 1;
	*ret_column = search.mark.column + 1;
	return true;
}
