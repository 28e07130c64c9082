/* definition_yaml.c: tells YAML from JSON (definition_yaml.h). */
#include "dsl/definition_yaml.h"

static bool names_field(struct str line)
{
	static const char *const fields[] = { "StartAt", "States", "Type" };
	bool quoted = line.len && (line.ptr[0] == '"' || line.ptr[0] == '\'');
	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
		struct str field = str_of(fields[i]);
		struct str rest = str_sub(line, quoted, line.len);
		if (!str_starts(rest, field))
			continue;
		rest = str_sub(rest, field.len, rest.len);
		if (quoted && rest.len && rest.ptr[0] == line.ptr[0])
			rest = str_sub(rest, 1, rest.len);
		if (rest.len && rest.ptr[0] == ':' && (rest.len == 1 || strchr(" \t\r", rest.ptr[1])))
			return true;
	}
	return false;
}

bool definition_is_yaml(struct str text)
{
	bool first = true;
	while (text.len) {
		const char *newline = memchr(text.ptr, '\n', text.len);
		size_t length = newline ? (size_t)(newline - text.ptr) : text.len;
		struct str line = str_sub(text, 0, length);
		text = str_sub(text, length + 1, text.len);
		while (line.len && (line.ptr[0] == ' ' || line.ptr[0] == '\t' || line.ptr[0] == '\r'))
			line = str_sub(line, 1, line.len);
		if (!line.len)
			continue;
		if (first && line.ptr[0] && strchr("{[", line.ptr[0]))
			return false;
		first = false;
		if (names_field(line))
			return true;
	}
	return false;
}

struct str definition_as_json(struct str text, struct arena *arena)
{
	struct yaml_json json = { 0 };
	size_t offset;
	if (definition_is_yaml(text) && yaml_to_json(text, &json, &offset, NULL) == 0)
		text = arena_str(arena, buffer_str(&json.text));
	yaml_json_done(&json);
	return text;
}
