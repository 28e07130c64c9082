/* Arguments of exec programs: texts with values of the task's input in them.
 *
 *     "-i"                    as it is
 *     "{$.path}"              one argument; an array gives several, null none, an object its JSON text
 *     "scale={$.width}:-2"    the value inside the text; null is empty, arrays and objects their JSON text
 *     "{{$.x}"                the plain text {$.x}
 *
 * A path is $ with any of .name, ['name'] and [0] behind it. No shell sees the result: a value is one argument,
 * whatever is in it. */
#include "base/mem.h"
#include "connectors/exec/exec.h"

/* A cursor in a path. */
struct path {
	struct str text; /* the whole, for messages */
	size_t at;
};

struct step {
	struct str name;
	int64_t index; /* -1: a name */
};

static int path_broken(const struct path *path, struct wf_error *err)
{
	return error_set(err, ERR(INVALID), "\"%.*s\" is no path: expected $ followed by .name, ['name'] or [0]",
			 STR_FMT(path->text));
}

/* The next step; 1, 0 at the end, negative if it is no path. */
static int path_next(struct path *path, struct step *step, struct wf_error *err)
{
	struct str rest = str_sub(path->text, path->at, path->text.len);
	if (!rest.len)
		return 0;
	*step = (struct step){ .index = -1 };
	size_t end = 1;
	if (rest.ptr[0] == '.') {
		while (end < rest.len && rest.ptr[end] != '.' && rest.ptr[end] != '[')
			end++;
		step->name = str_sub(rest, 1, end - 1);
		path->at += end;
		return step->name.len ? 1 : path_broken(path, err);
	}
	if (rest.ptr[0] != '[' || rest.len < 3)
		return path_broken(path, err);
	if (rest.ptr[1] == '\'' || rest.ptr[1] == '"') {
		const char *close = memchr(rest.ptr + 2, rest.ptr[1], rest.len - 2);
		if (!close || close + 1 >= rest.ptr + rest.len || close[1] != ']')
			return path_broken(path, err);
		step->name = (struct str){ rest.ptr + 2, (size_t)(close - rest.ptr) - 2 };
		path->at += step->name.len + 4;
		return 1;
	}
	step->index = 0;
	for (; end < rest.len && rest.ptr[end] >= '0' && rest.ptr[end] <= '9' && end < 12; end++)
		step->index = step->index * 10 + (rest.ptr[end] - '0');
	if (end == 1 || end >= rest.len || rest.ptr[end] != ']')
		return path_broken(path, err);
	path->at += end + 1;
	return 1;
}

/* What stands at `text` ("$.a[0]") in `input`; borrowed. With input NULL only the path is read. */
static int path_find(struct str text, const struct value *input, const struct value **ret_value, struct wf_error *err)
{
	struct path path = { text, 1 };
	struct step step;
	const struct value *at = input;
	int r;
	while ((r = path_next(&path, &step, err)) > 0) {
		if (!input)
			continue;
		at = step.index < 0              ? value_get(at, step.name)
		     : value_is(at, VALUE_ARRAY) ? value_at(at, (size_t)step.index)
						 : NULL;
		if (!at)
			return error_set(err, ERR(INVALID), "the task's input has nothing at %.*s", STR_FMT(text));
	}
	*ret_value = at;
	return r;
}

/* Appends a value's text as it stands in an argument. */
static int append_value(const struct value *value, struct str path, struct buffer *out, struct wf_error *err)
{
	switch (value_kind(value)) {
	case VALUE_NULL:
		return 0;
	case VALUE_STRING: {
		struct str text = value_string(value);
		if (memchr(text.ptr, 0, text.len))
			return error_set(err, ERR(INVALID),
					 "the text at %.*s has a NUL character, which no argument can hold",
					 STR_FMT(path));
		buffer_add(out, text);
		return 0;
	}
	case VALUE_BOOL:
	case VALUE_NUMBER:
	case VALUE_ARRAY:
	case VALUE_OBJECT:
		buffer_add(out, value_text(value));
		return 0;
	}
	return 0;
}

static int add_argument(const struct value *value, struct str path, struct buffer *out, uint32_t *count,
			struct wf_error *err)
{
	_cleanup_(buffer_done) struct buffer text = { 0 };
	int r = append_value(value, path, &text, err);
	if (r < 0)
		return r;
	buffer_blob(out, buffer_str(&text));
	++*count;
	return 0;
}

/* An element that is nothing but a path. */
static int expand_whole(struct str path, const struct value *input, struct buffer *out, uint32_t *count,
			struct wf_error *err)
{
	const struct value *value;
	int r = path_find(path, input, &value, err);
	if (r < 0 || !input || value_is(value, VALUE_NULL))
		return r;
	if (!value_is(value, VALUE_ARRAY))
		return add_argument(value, path, out, count, err);
	for (size_t i = 0; i < value_count(value) && r == 0; i++)
		r = add_argument(value_at(value, i), path, out, count, err);
	return r;
}

/* Where the path that begins at `from` ends: at its "}", which may also stand inside a quoted name. */
static bool path_end(struct str element, size_t from, size_t *ret_end)
{
	char quote = 0;
	for (size_t i = from; i < element.len; i++) {
		char c = element.ptr[i];
		if (quote)
			quote = c == quote ? 0 : quote;
		else if ((c == '\'' || c == '"') && element.ptr[i - 1] == '[')
			quote = c;
		else if (c == '}') {
			*ret_end = i;
			return true;
		}
	}
	return false;
}

int exec_argument_expand(struct str element, const struct value *input, struct buffer *out, uint32_t *count,
			 struct wf_error *err)
{
	if (memchr(element.ptr, 0, element.len))
		return error_set(err, ERR(INVALID), "an argument cannot hold a NUL character");
	_cleanup_(buffer_done) struct buffer text = { 0 };
	for (size_t i = 0; i < element.len;) {
		struct str rest = str_sub(element, i, element.len);
		if (str_starts(rest, STR("{{$"))) {
			buffer_addz(&text, "{$");
			i += 3;
			continue;
		}
		if (!str_starts(rest, STR("{$"))) {
			buffer_byte(&text, element.ptr[i++]);
			continue;
		}
		size_t end;
		if (!path_end(element, i + 1, &end))
			return error_set(err, ERR(INVALID),
					 "\"%.*s\" has a {$ without its }; a plain {$ is written {{$",
					 STR_FMT(element));
		struct str path = str_sub(element, i + 1, end - i - 1);
		if (i == 0 && end + 1 == element.len)
			return expand_whole(path, input, out, count, err);
		const struct value *value;
		int r = path_find(path, input, &value, err);
		if (r == 0 && input)
			r = append_value(value, path, &text, err);
		if (r < 0)
			return r;
		i = end + 1;
	}
	buffer_blob(out, buffer_str(&text));
	++*count;
	return 0;
}
