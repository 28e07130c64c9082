/* compile_map.c: Map and Parallel: the states that have scopes inside. The scopes themselves wait in the queue
 * (compile.h). */
#include "dsl/compile.h"

void compile_parallel(struct compiler *c, const struct fields *fields, struct state *state)
{
	const struct djson *branches = fields->at[F_Branches];
	if (!branches)
		return;
	state->parallel.branches = ARENA_ARRAY(c->arena, uint32_t, branches->count);
	state->parallel.branches_count = branches->count;
	for (const struct djson *branch = branches->first; branch; branch = branch->next) {
		if (branch->kind == VALUE_OBJECT)
			state->parallel.branches[branch->index] =
			    compile_scope_later(c, branch, OWNER_BRANCH, state->index, branch->index);
		else
			report_value(c, branch, STR("an object with StartAt and States"),
				     "Expected value of type Object");
	}
}

/* ---- Distributed Map: read and checked, and refused as long as the engine cannot run it ---- */

/* A Label becomes a part of names: 40 characters at most, and none that a name may not have. */
static bool label_character(uint32_t code)
{
	if (code <= 0x20 || (code >= 0x7f && code <= 0xa0) || code == 0xfffe || code == 0xffff || code == 0x10ffff ||
	    (code >= 0xd800 && code < 0xe000))
		return false;
	if (code == 0x1680 || (code >= 0x2000 && code <= 0x200a) || code == 0x2028 || code == 0x2029 ||
	    code == 0x202f || code == 0x205f || code == 0x3000)
		return false; /* white space beyond ASCII */
	return code >= 0x80 || !strchr("?*<>{}[]\"#%\\^|~`$&,;:/", (int)code);
}

/* The next character of well-formed UTF-8. */
static uint32_t next_character(struct str text, size_t *at)
{
	unsigned char c = (unsigned char)text.ptr[(*at)++];
	uint32_t code = c < 0x80 ? c : c < 0xe0 ? c & 0x1fu : c < 0xf0 ? c & 0x0fu : c & 0x07u;
	while (*at < text.len && ((unsigned char)text.ptr[*at] & 0xc0) == 0x80)
		code = code << 6 | ((unsigned char)text.ptr[(*at)++] & 0x3fu);
	return code;
}

static void check_label(struct compiler *c, const struct djson *label)
{
	enum { LABEL_CHARS_MAX = 40 };
	unsigned characters = 0;
	bool bad = false;
	for (size_t at = 0; at < label->text.len; characters++)
		bad |= !label_character(next_character(label->text, &at));
	if (bad)
		report(c,
		       &(struct report){
			   AT_VALUE(label), .code = DIAGNOSTIC_INVALID_LABEL_NAME,
			   .expected =
			       STR("a label without white space, control characters and ?*<>{}[]\"#%\\^|~`$&,;:/") },
		       "Label contains invalid characters");
	if (characters > LABEL_CHARS_MAX)
		report(c,
		       &(struct report){ AT_VALUE(label), .code = DIAGNOSTIC_INVALID_LABEL_NAME,
					 .expected = expecting(c, "at most %d characters", LABEL_CHARS_MAX) },
		       "Label cannot exceed %d characters", LABEL_CHARS_MAX);
	if (str_map_put(&c->labels, label->text, (void *)label))
		report(c,
		       &(struct report){ AT_VALUE(label), .code = DIAGNOSTIC_DUPLICATE_LABEL_NAME,
					 .expected = STR("a label of its own for each Map") },
		       "Duplicate label name: %.*s", STR_FMT(str_sub(label->text, 0, 100)));
}

static void check_one_of(struct compiler *c, const struct djson *node, const char *name, const char *first,
			 const char *second)
{
	if (node && !str_eqz(node->text, first) && !str_eqz(node->text, second))
		report_value(c, node, expecting(c, "%s or %s", first, second),
			     "The field '%s' should have one of these values: [%s, %s]", name, first, second);
}

/* Only checks: compiles what can be compiled, and drops it. */
static void check_reader(struct compiler *c, const struct djson *reader, enum query_language language)
{
	struct fields fields, config;
	if (!reader)
		return;
	fields_read(c, reader, OWNER_ITEM_READER, language, false, &fields);
	compile_template(c, fields.at[F_Parameters], QUERY_JSONPATH);
	compile_template(c, fields.at[F_Arguments], QUERY_JSONATA);
	if (fields.at[F_ReaderConfig]) {
		fields_read(c, fields.at[F_ReaderConfig], OWNER_READER_CONFIG, language, true, &config);
		compile_number(c, &config, F_MaxItems, F_MaxItemsPath);
	}
}

static void check_batcher(struct compiler *c, const struct djson *batcher, enum query_language language)
{
	struct fields fields;
	if (!batcher)
		return;
	fields_read(c, batcher, OWNER_ITEM_BATCHER, language, false, &fields);
	compile_number(c, &fields, F_MaxItemsPerBatch, F_MaxItemsPerBatchPath);
	compile_number(c, &fields, F_MaxInputBytesPerBatch, F_MaxInputBytesPerBatchPath);
	compile_template(c, fields.at[F_BatchInput], language);
}

static void check_writer(struct compiler *c, const struct djson *writer, enum query_language language)
{
	struct fields fields;
	if (!writer)
		return;
	fields_read(c, writer, OWNER_RESULT_WRITER, language, true, &fields);
	compile_template(c, fields.at[F_Parameters], QUERY_JSONPATH);
	compile_template(c, fields.at[F_Arguments], QUERY_JSONATA);
}

/* Whether the processor says DISTRIBUTED; its ProcessorConfig is checked here. */
static bool read_mode(struct compiler *c, const struct djson *processor, enum query_language language)
{
	const struct djson *config = djson_get(processor, STR("ProcessorConfig"));
	if (!config || config->kind != VALUE_OBJECT)
		return false;
	struct fields fields;
	fields_read(c, config, OWNER_PROCESSOR_CONFIG, language, false, &fields);
	const struct djson *mode = fields.at[F_Mode];
	check_one_of(c, mode, "Mode", "INLINE", "DISTRIBUTED");
	check_one_of(c, fields.at[F_ExecutionType], "ExecutionType", "STANDARD", "EXPRESS");
	if (!mode || !str_eqz(mode->text, "DISTRIBUTED"))
		return false;
	if (!fields.members[F_ExecutionType])
		report_object(c, config, STR("ExecutionType STANDARD or EXPRESS"),
			      "These fields are required: [ExecutionType]");
	if (!c->distributed)
		report_value(c, mode, STR("INLINE, which is also the default"), "Distributed Map is not supported yet");
	return true;
}

static void compile_items(struct compiler *c, const struct fields *fields, struct state *state)
{
	const struct djson *const *at = fields->at, *items = at[F_Items];
	if (state->language == QUERY_JSONATA)
		state->map.items = items && items->kind == VALUE_ARRAY && !items->first
				       ? compile_constant(c, items)
				       : compile_template(c, items, QUERY_JSONATA);
	else
		state->map.items = compile_path(c, at[F_ItemsPath], PATH_REFERENCE);
	state->map.item_selector =
	    compile_template(c, at[F_ItemSelector] ? at[F_ItemSelector] : at[F_Parameters], state->language);
	state->map.max_concurrency = compile_number(c, fields, F_MaxConcurrency, F_MaxConcurrencyPath);
	state->map.tolerated_count = compile_number(c, fields, F_ToleratedFailureCount, F_ToleratedFailureCountPath);
	const struct djson *percentage = at[F_ToleratedFailurePercentage];
	if (percentage && percentage->kind == VALUE_NUMBER)
		state->map.tolerated_percentage = compile_constant(c, percentage);
	else if (percentage)
		state->map.tolerated_percentage = compile_template(c, percentage, QUERY_JSONATA);
	else
		state->map.tolerated_percentage = compile_path(c, at[F_ToleratedFailurePercentagePath], PATH_REFERENCE);
}

void compile_map(struct compiler *c, const struct fields *fields, struct state *state)
{
	static const enum field distributed_only[] = { F_ItemReader, F_ItemBatcher, F_ResultWriter };
	const struct djson *processor =
	    fields->at[F_ItemProcessor] ? fields->at[F_ItemProcessor] : fields->at[F_Iterator];
	bool distributed = processor && read_mode(c, processor, state->language);
	compile_items(c, fields, state);
	check_reader(c, fields->at[F_ItemReader], state->language);
	check_batcher(c, fields->at[F_ItemBatcher], state->language);
	check_writer(c, fields->at[F_ResultWriter], state->language);
	if (fields->at[F_Label])
		check_label(c, fields->at[F_Label]);
	for (unsigned i = 0; i < sizeof distributed_only / sizeof *distributed_only && !distributed; i++) {
		const struct djson *member = fields->members[distributed_only[i]];
		if (member)
			report_key(
			    c, fields->object, member, STR("it in a Map whose ProcessorConfig has Mode DISTRIBUTED"),
			    "Field '%s' is supported in a Distributed Map only", field_name(distributed_only[i]));
	}
	if (processor)
		state->map.processor = compile_scope_later(c, processor, OWNER_PROCESSOR, state->index, 0);
	else if (!fields->members[F_ItemProcessor] && !fields->members[F_Iterator])
		report_object(c, fields->object, STR("a Map state with ItemProcessor"),
			      "These fields are required: [ItemProcessor]");
}
