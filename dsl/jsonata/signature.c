/* signature.c: function signatures: parsing them, checking and completing arguments.
 *
 * A signature is a small regular expression over the kinds of the arguments: each argument is one letter (s string, n
 * number, b boolean, l null, a array, o object, f function, m missing), each parameter a set of letters that may be
 * optional (`?`, or `-` where the context stands in) or repeated (`+`). Matching is greedy and tries again with less.
 */
#include "dsl/jsonata/signature.h"
#include "dsl/jsonata/functions.h"

static const char letters[] = "snblaofm";
enum { ANYTHING = 0xFF, MISSING = 0x80, ARRAYS = 0x10, FUNCTIONS = 0x40 };

struct parameter {
	uint8_t set; /* bits of `letters` */
	char type;
	char subtype; /* of an array's items; 0: any */
	bool optional, repeated, context;
};

struct signature {
	struct parameter *parameters;
	uint32_t count;
};

static uint8_t letter_set(char letter)
{
	const char *found = letter ? strchr(letters, letter) : NULL;
	return found ? (uint8_t)(1u << (found - letters)) : 0;
}

/* ---- parsing ---------------------------------------------------------------------------- */

static size_t matching(struct str text, size_t at, char open, char close)
{
	int depth = 0;
	for (; at < text.len; at++) {
		depth += text.ptr[at] == open;
		depth -= text.ptr[at] == close;
		if (depth == 0)
			return at;
	}
	return text.len;
}

/* `text` without the outer brackets, up to the colon. */
static bool parse_parameters(struct signature *s, struct str text, enum jsonata_code *ret_code, struct str *ret_value)
{
	for (size_t at = 0; at < text.len && text.ptr[at] != ':'; at++) {
		char letter = text.ptr[at];
		struct parameter *last = s->count ? &s->parameters[s->count - 1] : NULL;
		struct parameter next = { .type = letter };
		if (letter && strchr("snblo", letter)) {
			next.set = letter_set(letter) | MISSING;
		} else if (letter == 'a' || letter == 'x') {
			next.set = ANYTHING;
		} else if (letter == 'f') {
			next.set = FUNCTIONS;
		} else if (letter == 'j') {
			next.set = ANYTHING & ~FUNCTIONS;
		} else if (letter == '(') {
			size_t end = matching(text, at, '(', ')');
			struct str choice = str_sub(text, at + 1, end - at - 1);
			if (memchr(choice.ptr, '<', choice.len)) {
				*ret_code = JSONATA_S0402;
				*ret_value = choice;
				return false;
			}
			next.set = MISSING;
			for (size_t i = 0; i < choice.len; i++)
				next.set |= letter_set(choice.ptr[i]);
			at = end;
		} else {
			if (letter == '-' && last)
				last->context = last->optional = true;
			else if (letter == '?' && last)
				last->optional = true;
			else if (letter == '+' && last)
				last->repeated = true;
			else if (letter == '<') {
				size_t end = matching(text, at, '<', '>');
				if (!last || (last->type != 'a' && last->type != 'f')) {
					*ret_code = JSONATA_S0401;
					*ret_value = str_sub(text, at - 1, last ? 1 : 0);
					return false;
				}
				if (end > at + 1)
					last->subtype = text.ptr[at + 1];
				at = end;
			}
			continue;
		}
		s->parameters[s->count++] = next;
	}
	return true;
}

struct signature *signature_parse(struct arena *arena, struct str text, enum jsonata_code *ret_code,
				  struct str *ret_value, size_t *ret_offset)
{
	struct signature *s = ARENA_NEW(arena, struct signature);
	s->parameters = ARENA_ARRAY(arena, struct parameter, text.len);
	if (text.len && text.ptr[0] == '<')
		text = str_sub(text, 1, text.len);
	if (text.len && text.ptr[text.len - 1] == '>')
		text.len--;
	const char *start = text.ptr;
	if (parse_parameters(s, text, ret_code, ret_value))
		return s;
	*ret_offset = ret_value->ptr ? (size_t)(ret_value->ptr - start) + (*ret_code == JSONATA_S0401 ? 2 : 0) : 1;
	return NULL;
}

/* ---- matching --------------------------------------------------------------------------- */

static uint8_t kind_set(struct item item)
{
	static const char kinds[] = {
		[ITEM_NOTHING] = 'm',      [ITEM_NULL] = 'l',     [ITEM_BOOLEAN] = 'b', [ITEM_NUMBER] = 'n',
		[ITEM_STRING] = 's',       [ITEM_ARRAY] = 'a',    [ITEM_OBJECT] = 'o',  [ITEM_VALUE_ARRAY] = 'a',
		[ITEM_VALUE_OBJECT] = 'o', [ITEM_FUNCTION] = 'f', [ITEM_TUPLE] = 'o',
	};
	return letter_set(kinds[item.kind]);
}

/* How many arguments each of the first `count` parameters takes; `whole`: all arguments must be taken. Returns how many
 * were taken in all, or -1. */
static int64_t match(struct evaluation *e, const struct signature *s, uint32_t count, const struct item *arguments,
		     uint32_t argument_count, bool whole, uint32_t *taken)
{
	uint32_t p = 0, at = 0;
	bool back = false;
	for (;;) {
		spend(e, 1);
		if (!back && p == count && (!whole || at == argument_count))
			return at;
		if (!back && p < count) {
			const struct parameter *parameter = &s->parameters[p];
			uint32_t n = 0, most = parameter->repeated ? UINT32_MAX : 1;
			while (n < most && at + n < argument_count && (kind_set(arguments[at + n]) & parameter->set))
				n++;
			if (n > 0 || parameter->optional) {
				taken[p++] = n;
				at += n;
				continue;
			}
		}
		/* Give one back, at the nearest place that can. */
		back = true;
		if (p == 0)
			return -1;
		const struct parameter *parameter = &s->parameters[--p];
		at -= taken[p];
		if (taken[p] > 1 || (taken[p] == 1 && parameter->optional)) {
			at += --taken[p];
			p++;
			back = false;
		}
	}
}

static _Noreturn void mismatch(struct evaluation *e, const struct signature *s, const struct item *arguments,
			       uint32_t count, uint32_t *taken, struct str token)
{
	int64_t good = 0;
	for (uint32_t i = 0; i < s->count; i++) {
		int64_t reached = match(e, s, i + 1, arguments, count, false, taken);
		if (reached < 0)
			break;
		good = reached;
	}
	THROW(e, .code = JSONATA_T0410, .token = token, .value = good < count ? arguments[good] : NOTHING,
	      .has_value = true, .index = (int)good + 1);
}

static const char *plural(char subtype)
{
	switch (subtype) {
	case 'a':
		return "arrays";
	case 'b':
		return "booleans";
	case 'f':
		return "functions";
	case 'n':
		return "numbers";
	case 'o':
		return "objects";
	default:
		return "strings";
	}
}

static bool items_fit(struct evaluation *e, struct item item, char subtype)
{
	uint8_t set = letter_set(subtype);
	if (!is_array(item))
		return kind_set(item) & set;
	uint32_t count = array_count(item);
	spend(e, count / 16);
	for (uint32_t i = 0; i < count; i++)
		if (!(kind_set(array_at(e, item, i)) & set))
			return false;
	return true;
}

static struct item as_array(struct evaluation *e, struct item item)
{
	struct array *array = array_new(e, 1, 0);
	array_add(e, array, item);
	return item_array(array);
}

struct completion {
	struct item *items;
	uint32_t count;
};

static void complete(struct evaluation *e, const struct signature *s, const struct item *arguments, uint32_t count,
		     const uint32_t *taken, struct item context, struct str token, struct completion *out)
{
	uint32_t at = 0;
	for (uint32_t p = 0; p < s->count; p++) {
		const struct parameter *parameter = &s->parameters[p];
		if (taken[p] == 0) {
			if (!parameter->context)
				out->items[out->count++] = at < count ? arguments[at] : NOTHING, at++;
			else if (kind_set(context) & parameter->set)
				out->items[out->count++] = context;
			else
				THROW(e, .code = JSONATA_T0411, .token = token, .value = context, .has_value = true,
				      .index = (int)at + 1);
		}
		for (uint32_t i = 0; i < taken[p]; i++, at++) {
			struct item item = arguments[at];
			if (parameter->type == 'a' && !is_nothing(item)) {
				if (parameter->subtype && !items_fit(e, item, parameter->subtype))
					THROW(e, .code = JSONATA_T0412, .token = token, .value = item,
					      .has_value = true, .index = (int)at + 1,
					      .type = plural(parameter->subtype));
				if (!is_array(item))
					item = as_array(e, item);
			}
			out->items[out->count++] = item;
		}
	}
}

enum { PARAMETERS_INLINE = 8 };

struct item *signature_apply(struct evaluation *e, const struct signature *s, const struct item *arguments,
			     uint32_t count, struct item input, uint32_t *ret_count)
{
	uint32_t *taken = EV_ARRAY(e, uint32_t, s->count + 1);
	if (match(e, s, s->count, arguments, count, true, taken) < 0)
		mismatch(e, s, arguments, count, taken, (struct str){ 0 });
	struct completion out = { .items = EV_ARRAY(e, struct item, s->count + count) };
	complete(e, s, arguments, count, taken, input, (struct str){ 0 }, &out);
	*ret_count = out.count;
	return out.items;
}

struct signature *signature_of_native(struct evaluation *e, const struct native *native)
{
	size_t index = (size_t)(native - natives);
	if (!e->signatures) {
		e->signatures = EV_ARRAY(e, struct signature *, natives_count);
		memset(e->signatures, 0, sizeof *e->signatures * (size_t)natives_count);
	}
	if (!e->signatures[index]) {
		enum jsonata_code code;
		struct str value;
		size_t offset;
		e->signatures[index] = signature_parse(e->arena, str_of(native->signature), &code, &value, &offset);
	}
	return e->signatures[index];
}

void signature_apply_text(struct evaluation *e, const struct native *native, const struct item *arguments,
			  uint32_t count, struct item input, struct call *call)
{
	const struct signature *s = signature_of_native(e, native);
	uint32_t taken[PARAMETERS_INLINE];
	if (match(e, s, s->count, arguments, count, true, taken) < 0)
		mismatch(e, s, arguments, count, taken, (struct str){ 0 });
	struct completion out = { .items = call->arguments };
	if (s->count + count > call->count)
		call->arguments = out.items = EV_ARRAY(e, struct item, s->count + count);
	complete(e, s, arguments, count, taken, input, (struct str){ 0 }, &out);
	for (uint32_t i = out.count; i < call->count; i++)
		call->arguments[i] = NOTHING;
	call->count = out.count;
}
