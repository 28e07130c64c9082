/* functions_eval.c: $eval: a text of the language, evaluated where it stands, seeing the variables of its caller. */
#include "dsl/jsonata/functions.h"

#define ARG(i) (call->arguments[i])

/* The one place where an error is caught: it comes out again as $eval's own. */
static struct item guarded(struct evaluation *e, const struct jsonata *program, struct item input, struct frame *frame)
{
	jmp_buf outer;
	memcpy(&outer, &e->escape, sizeof outer);
	const struct jsonata *outer_program = e->program;
	struct call_site *calls = e->calls;
	if (setjmp(e->escape)) {
		memcpy(&e->escape, &outer, sizeof outer);
		e->program = outer_program;
		e->calls = calls;
		if (strcmp(e->error->code, "U1001") == 0)
			longjmp(e->escape, 1); /* a spent budget stays what it is */
		throw_message(e, JSONATA_D3121, e->error->message);
	}
	e->program = program;
	e->calls = NULL;
	struct item result = evaluate(e, program->root, input, frame);
	memcpy(&e->escape, &outer, sizeof outer);
	e->program = outer_program;
	e->calls = calls;
	return result;
}

NATIVE(native_eval)
{
	if (is_nothing(ARG(0)))
		return NOTHING;
	struct item input = call->input;
	if (!is_nothing(ARG(1))) {
		input = ARG(1);
		if (is_array(input) && !is_sequence(input)) {
			struct array *wrapper = array_new(e, 1, ARRAY_SEQUENCE | ARRAY_OUTER);
			array_add(e, wrapper, input);
			input = item_array(wrapper);
		}
	}
	spend(e, 1000 + ARG(0).len);
	struct jsonata_error error;
	struct jsonata *program = compile_more(e, item_str(ARG(0)), &error);
	if (!program)
		throw_message(e, JSONATA_D3120, error.message);
	return guarded(e, program, input, call->frame);
}
