/* yaml_reader.c: libyaml's events, turned into a value with an explicit stack (depth is bounded by YAML_DEPTH_MAX). */
#include "server/yaml_reader.h"
#include "base/mem.h"
#include <assert.h>
#include <stdio.h>
#include <yaml.h>

#define YAML_DEPTH_MAX 128

/* An open sequence or mapping. */
struct level {
	struct value *container;
	struct str key; /* mapping: the key whose value comes next; ptr NULL: a key comes next */
};

struct builder {
	struct arena arena;
	struct level levels[YAML_DEPTH_MAX];
	int depth;
	struct value *root;
};

static int fail_at(struct wf_error *err, yaml_mark_t mark, const char *what)
{
	int code = error_set(err, ERR(INVALID), "%s", what);
	error_where(err, "line %zu, column %zu", mark.line + 1, mark.column + 1);
	return code;
}

static struct value *scalar_value(struct str text, yaml_scalar_style_t style)
{
	struct value *value = NULL;
	if (style != YAML_PLAIN_SCALAR_STYLE)
		return value_from_string(text);
	if (text.len == 0 || str_eqz(text, "~") || str_eqz(text, "null"))
		return value_new_null();
	/* true, false and numbers are written as in JSON; a plain word that is none of them is a string. */
	bool json_like = text.ptr[0] == '-' || text.ptr[0] == 't' || text.ptr[0] == 'f' ||
			 (text.ptr[0] >= '0' && text.ptr[0] <= '9');
	if (json_like && value_parse(text, NULL, &value, NULL) == 0)
		return value;
	return value_from_string(text);
}

/* Puts a finished value where it belongs; takes it over. */
static void place(struct builder *builder, struct value *value)
{
	struct level *level = builder->depth ? &builder->levels[builder->depth - 1] : NULL;
	if (!level) {
		builder->root = value;
	} else if (value_is(level->container, VALUE_ARRAY)) {
		value_array_take(level->container, value);
	} else {
		assert(level->key.ptr);
		value_object_take(level->container, level->key, value);
		level->key = (struct str){ 0 };
	}
}

static bool expects_key(const struct builder *builder)
{
	const struct level *level = builder->depth ? &builder->levels[builder->depth - 1] : NULL;
	return level && value_is(level->container, VALUE_OBJECT) && !level->key.ptr;
}

static int take_key(struct builder *builder, const yaml_event_t *event, struct wf_error *err)
{
	struct level *level = &builder->levels[builder->depth - 1];
	if (event->type != YAML_SCALAR_EVENT)
		return fail_at(err, event->start_mark, "a key must be a plain name");
	struct str key = { (const char *)event->data.scalar.value, event->data.scalar.length };
	if (value_get(level->container, key)) {
		int code = error_set(err, ERR(INVALID), "the key '%.*s' stands twice", STR_FMT(key));
		error_where(err, "line %zu, column %zu", event->start_mark.line + 1, event->start_mark.column + 1);
		return code;
	}
	level->key = arena_str(&builder->arena, key);
	return 0;
}

static int open_level(struct builder *builder, struct value *container, yaml_mark_t mark, struct wf_error *err)
{
	if (builder->depth == YAML_DEPTH_MAX) {
		value_unref(container);
		return fail_at(err, mark, "it is nested too deeply");
	}
	builder->levels[builder->depth++] = (struct level){ .container = container };
	return 0;
}

static int take_event(struct builder *builder, const yaml_event_t *event, struct wf_error *err)
{
	switch (event->type) {
	case YAML_SCALAR_EVENT:
		if (event->data.scalar.anchor || (event->data.scalar.tag && event->data.scalar.plain_implicit == 0 &&
						  event->data.scalar.quoted_implicit == 0))
			return fail_at(err, event->start_mark, "anchors and tags are not supported");
		if (expects_key(builder))
			return take_key(builder, event, err);
		place(builder,
		      scalar_value((struct str){ (const char *)event->data.scalar.value, event->data.scalar.length },
				   event->data.scalar.style));
		return 0;
	case YAML_SEQUENCE_START_EVENT:
		if (event->data.sequence_start.anchor || !event->data.sequence_start.implicit)
			return fail_at(err, event->start_mark, "anchors and tags are not supported");
		if (expects_key(builder))
			return take_key(builder, event, err);
		return open_level(builder, value_new_array(0), event->start_mark, err);
	case YAML_MAPPING_START_EVENT:
		if (event->data.mapping_start.anchor || !event->data.mapping_start.implicit)
			return fail_at(err, event->start_mark, "anchors and tags are not supported");
		if (expects_key(builder))
			return take_key(builder, event, err);
		return open_level(builder, value_new_object(0), event->start_mark, err);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT: {
		struct value *container = builder->levels[--builder->depth].container;
		place(builder, container);
		return 0;
	}
	case YAML_ALIAS_EVENT:
		return fail_at(err, event->start_mark, "aliases are not supported");
	case YAML_DOCUMENT_START_EVENT:
		if (builder->root)
			return fail_at(err, event->start_mark, "there is a second document");
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
static int fail_parser(struct wf_error *err, const yaml_parser_t *parser, struct str text)
{
	yaml_mark_t mark = parser->problem_mark;
	if (parser->error == YAML_READER_ERROR) {
		mark = (yaml_mark_t){ 0 };
		for (size_t i = 0; i < parser->problem_offset && i < text.len; i++) {
			mark.column = text.ptr[i] == '\n' ? 0 : mark.column + 1;
			mark.line += text.ptr[i] == '\n';
		}
	}
	return fail_at(err, mark, parser->problem ? parser->problem : "it is not YAML");
}

int yaml_parse(struct str text, struct value **ret_value, struct wf_error *err)
{
	yaml_parser_t parser;
	struct builder builder = { 0 };
	int code = 0;
	bool more = true;

	if (!yaml_parser_initialize(&parser))
		return error_set(err, ERR(INTERNAL), "the YAML reader cannot be set up");
	yaml_parser_set_input_string(&parser, (const unsigned char *)text.ptr, text.len);
	while (more && code == 0) {
		yaml_event_t event;
		if (!yaml_parser_parse(&parser, &event)) {
			code = fail_parser(err, &parser, text);
			break;
		}
		more = event.type != YAML_STREAM_END_EVENT;
		code = take_event(&builder, &event, err);
		yaml_event_delete(&event);
	}
	yaml_parser_delete(&parser);
	if (code) {
		while (builder.depth)
			value_unref(builder.levels[--builder.depth].container);
		value_unref(builder.root);
	} else {
		*ret_value = builder.root ? builder.root : value_new_object(0);
	}
	arena_done(&builder.arena);
	return code;
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
	yaml_parser_set_input_string(&parser, (const unsigned char *)text.ptr, text.len);
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
