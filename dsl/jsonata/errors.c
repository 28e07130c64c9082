/* errors.c: from a code and its parameters to a sentence. */
#include "dsl/jsonata/errors.h"
#include "base/buffer.h"
#include "base/mem.h"
#include "value/value.h"

static const struct {
	const char *name, *text;
} rows[JSONATA_CODES] = {
#define X(code, text) [JSONATA_##code] = { #code, text },
	JSONATA_ERRORS(X)
#undef X
};

const char *jsonata_code_name(enum jsonata_code code)
{
	return rows[code].name ? rows[code].name : "";
}

const char *jsonata_code_text(enum jsonata_code code)
{
	return rows[code].text ? rows[code].text : "";
}

static void add_parameter(struct buffer *out, struct str name, const struct jsonata_parameters *p)
{
	bool plain = name.len && name.ptr[0] == '!';
	if (plain)
		name = str_sub(name, 1, name.len);
	if (str_eqz(name, "token")) {
		if (plain || p->token_is_json || !p->token.ptr)
			buffer_add(out, p->token.ptr ? p->token : STR("undefined"));
		else
			value_write_string(p->token, out);
	} else if (str_eqz(name, "value")) {
		buffer_add(out, plain ? p->value : p->value_json);
	} else if (str_eqz(name, "value2")) {
		buffer_add(out, plain ? p->value2 : p->value2_json);
	} else if (str_eqz(name, "index")) {
		buffer_printf(out, "%d", p->index);
	} else if (str_eqz(name, "type")) {
		value_write_string(str_of(p->type), out);
	} else if (str_eqz(name, "exp")) {
		value_write_double(p->exp, out);
	}
}

struct str jsonata_message(struct arena *arena, enum jsonata_code code, const struct jsonata_parameters *parameters)
{
	_cleanup_(buffer_done) struct buffer out = { 0 };
	for (const char *at = jsonata_code_text(code); *at;) {
		const char *end = *at == '{' ? strchr(at, '}') : NULL;
		if (!end) {
			buffer_byte(&out, *at++);
			continue;
		}
		add_parameter(&out, (struct str){ at + 1, (size_t)(end - at - 1) }, parameters);
		at = end + 1;
	}
	return arena_str(arena, buffer_str(&out));
}
