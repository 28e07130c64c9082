/* api_shape.c: an answer against the shape in its operation's row (api_shape.h). One walk reads the shape and looks at the value beside it;
 * where there is no value, the shape is only read over. */
#include "server/api_shape.h"
#include "base/mem.h"

/* Errors that no row names, since any call may meet them. */
static const char common_errors[] = "ValidationException SerializationException UnknownOperationException AccessDeniedException "
				    "ServiceUnavailable InternalFailure";

struct check {
	struct buffer *problem;
};

static void complain(struct check *check, struct str name, const char *what)
{
	if (!check->problem->len)
		buffer_printf(check->problem, "%.*s %s", STR_FMT(name), what);
}

static bool is_word(const char *words, struct str word)
{
	while (*words) {
		size_t len = strcspn(words, " ");
		if (word.len == len && memcmp(word.ptr, words, len) == 0)
			return true;
		words += len;
		words += strspn(words, " ");
	}
	return false;
}

static const char *check_members(struct check *check, struct str name, const char *shape, const struct value *object);

/* One kind, from behind its colon; returns where it ends. */
static const char *check_kind(struct check *check, struct str name, const char *shape, const struct value *value)
{
	static const struct {
		const char *word;
		enum value_kind kind;
	} kinds[] = {
		{ "integer", VALUE_NUMBER }, { "float", VALUE_NUMBER }, { "time", VALUE_NUMBER },
		{ "flag", VALUE_BOOL },	     { "map", VALUE_OBJECT },
	};
	if (*shape == '{')
		return check_members(check, name, shape + 1, value) + 1;
	if (*shape == '[') {
		const char *end = check_kind(check, name, shape + 1, NULL);
		if (value && !value_is(value, VALUE_ARRAY))
			complain(check, name, "is no list");
		else if (value)
			for (size_t i = 0; i < value_count(value); i++)
				check_kind(check, name, shape + 1, value_at(value, i));
		return end + 1;
	}
	struct str word = { shape, strcspn(shape, "! ]}") };
	enum value_kind wanted = VALUE_STRING;
	int64_t whole;
	for (unsigned i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
		if (str_eqz(word, kinds[i].word))
			wanted = kinds[i].kind;
	if (value && !str_eqz(word, "any") &&
	    (!value_is(value, wanted) || (str_eqz(word, "integer") && !value_int64(value, &whole))))
		complain(check, name, "is of another type");
	return shape + word.len;
}

/* The members from `shape` on; returns where they end: at a } or at the end of the text. */
static const char *check_members(struct check *check, struct str name, const char *shape, const struct value *object)
{
	size_t known = 0;
	if (object && !value_is(object, VALUE_OBJECT)) {
		complain(check, name, "is no object");
		object = NULL;
	}
	while (*shape && *shape != '}') {
		struct str member = { shape, strcspn(shape, ":! }") };
		const struct value *value = object ? value_get(object, member) : NULL;
		shape += member.len;
		if (*shape == ':')
			shape = check_kind(check, member, shape + 1, value);
		else
			check_kind(check, member, "", value);
		if (*shape == '!' && object && !value)
			complain(check, member, "is missing");
		known += value != NULL;
		shape += strspn(shape, "! ");
	}
	if (object && known != value_count(object))
		complain(check, name, "has a member that its shape does not have");
	return shape;
}

bool api_answer_fits(const struct api_call *call, struct buffer *problem)
{
	_cleanup_(value_unrefp) struct value *answer = NULL;
	const struct api_operation *operation = call->operation;
	struct check check = { problem };
	struct str name = str_of(operation ? operation->name : "the answer");
	if (value_parse(buffer_str(&call->body), NULL, &answer, NULL) != 0) {
		complain(&check, name, "answered with what is no JSON");
		return false;
	}
	if (call->status != 200) {
		struct str error = str_of(call->error);
		check_members(&check, name, "__type! message!", answer);
		if (!is_word(common_errors, error) && !(operation && is_word(operation->errors, error)))
			buffer_printf(problem, "%.*s refused with %s, which is not among its errors", STR_FMT(name), call->error);
	} else {
		check_members(&check, name, operation && operation->output ? operation->output : "", answer);
	}
	return problem->len == 0;
}
