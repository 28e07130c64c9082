/* text.c: why a path found nothing, in the words that AWS lets through from its JSONPath library. */
#include "dsl/jsonpath/jsonpath.h"

static void write_token(const struct jsonpath_token *token, struct buffer *out)
{
	switch (token->kind) {
	case JSONPATH_PROPERTY:
	case JSONPATH_FUNCTION:
		buffer_printf(out, "['%.*s']", STR_FMT(token->name));
		break;
	case JSONPATH_PROPERTIES:
		for (uint32_t i = 0; i < token->count; i++)
			buffer_printf(out, "%s'%.*s'", i ? "," : "[", STR_FMT(token->names[i]));
		buffer_byte(out, ']');
		break;
	case JSONPATH_INDEX:
		buffer_printf(out, "[%lld]", (long long)token->index);
		break;
	case JSONPATH_INDEXES:
		for (uint32_t i = 0; i < token->count; i++)
			buffer_printf(out, "%s%lld", i ? "," : "[", (long long)token->indexes[i]);
		buffer_byte(out, ']');
		break;
	case JSONPATH_SLICE:
		buffer_byte(out, '[');
		if (token->has_from)
			buffer_printf(out, "%lld", (long long)token->index);
		buffer_byte(out, ':');
		if (token->has_to)
			buffer_printf(out, "%lld", (long long)token->to);
		buffer_byte(out, ']');
		break;
	case JSONPATH_WILDCARD:
		buffer_addz(out, "[*]");
		break;
	case JSONPATH_SCAN:
		buffer_addz(out, "..");
		break;
	case JSONPATH_FILTER:
		buffer_addz(out, "[?]");
		break;
	}
}

/* Tokens [from, to), with a `$` before them if it starts at the root. */
static struct str path_text(const struct jsonpath *path, uint32_t from, uint32_t to, struct arena *arena)
{
	struct buffer out = { 0 };
	if (from == 0)
		buffer_byte(&out, '$');
	for (uint32_t i = from; i < to; i++)
		write_token(&path->tokens[i], &out);
	struct str text = arena_str(arena, buffer_str(&out));
	buffer_done(&out);
	return text;
}

/* What the library calls a value's kind. */
static const char *class_name(const struct value *value)
{
	int64_t number;
	switch (value_kind(value)) {
	case VALUE_NULL:
		return "null";
	case VALUE_BOOL:
		return "java.lang.Boolean";
	case VALUE_NUMBER:
		if (memchr(value_number_text(value).ptr, '.', value_number_text(value).len))
			return "java.lang.Double";
		if (!value_int64(value, &number))
			return "java.math.BigInteger";
		return number >= INT32_MIN && number <= INT32_MAX ? "java.lang.Integer" : "java.lang.Long";
	case VALUE_STRING:
		return "java.lang.String";
	case VALUE_ARRAY:
		return "java.util.ArrayList";
	case VALUE_OBJECT:
		return "java.util.LinkedHashMap";
	}
	return "null";
}

static struct str natural(struct evaluation *evaluation, const struct value *value)
{
	struct buffer out = { 0 };
	if (value)
		evaluation_natural_text(evaluation, value, &out);
	struct str text = arena_str(evaluation->arena, buffer_str(&out));
	buffer_done(&out);
	return text;
}

struct str jsonpath_miss_text(const struct jsonpath *path, const struct jsonpath_miss *miss,
			      struct evaluation *evaluation)
{
	struct arena *arena = evaluation->arena;
	/* The path that led there; the token that did not apply (and all behind it). */
	uint32_t at = miss->token < path->count ? miss->token : path->count;
	struct str whole = path_text(path, 0, path->count, arena);
	struct str before = path_text(path, 0, at, arena);
	struct str through = path_text(path, 0, at < path->count ? at + 1 : at, arena);
	struct str rest = str_sub(whole, before.len, SIZE_MAX);
	struct str token = str_sub(through, before.len, SIZE_MAX);
	switch (miss->kind) {
	case MISS_NO_RESULTS:
		return arena_format(arena, "No results for path: %.*s", STR_FMT(whole));
	case MISS_PROPERTY:
		return arena_format(arena, "Missing property in path %.*s", STR_FMT(through));
	case MISS_NOT_OBJECT:
		return arena_format(
		    arena,
		    "Expected to find an object with property %.*s in path %.*s but found '%s'. This is "
		    "not a json object according to the JsonProvider: "
		    "'com.jayway.jsonpath.spi.json.JacksonJsonProvider'.",
		    STR_FMT(token), STR_FMT(before), class_name(miss->at));
	case MISS_NOT_ARRAY:
		return arena_format(arena, "Filter: %.*s can only be applied to arrays. Current context is: %.*s",
				    STR_FMT(rest), STR_FMT(natural(evaluation, miss->at)));
	case MISS_NULL:
		return arena_format(arena, "The path %.*s is null", STR_FMT(before));
	case MISS_FUNCTION:
		return arena_format(arena, "Property %.*s not found in path %.*s", STR_FMT(token), STR_FMT(before));
	case MISS_PRIMITIVE:
		return arena_format(arena, "Filter: %.*s can not be applied to primitives. Current context is: %.*s",
				    STR_FMT(rest), STR_FMT(natural(evaluation, miss->at)));
	case MISS_VARIABLE:
		return arena_format(arena, "The variable '$%.*s' is not defined", STR_FMT(path->variable));
	case MISS_CONTEXT:
		return arena_format(arena, "There is no context object");
	}
	return STR_EMPTY;
}
