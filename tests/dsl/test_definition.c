/* test_definition.c: definitions and what the validator says of them, from cases/definitions.txt; the table of fields,
 * cell by cell; what the compiled program holds; StringMatches; how diagnostics are printed. */
#include "dsl/fields.h"
#include "dsl/program.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* ---- the cases -------------------------------------------------------------------------- */

static void print_found(const struct diagnostics *diagnostics, struct buffer *out)
{
	for (const struct diagnostic *d = diagnostics->first; d; d = d->next) {
		buffer_printf(out, "%u:%u %s %s ", d->line, d->column,
			      d->severity == DIAGNOSTIC_ERROR ? "error" : "warning", diagnostic_code_name(d->code));
		buffer_add(out, d->location.len ? d->location : STR("-"));
		buffer_printf(out, " | %.*s\n", STR_FMT(d->message));
	}
}

/* Whether each found line begins with the wanted one. */
static bool lines_agree(struct str found, struct str wanted)
{
	while (found.len && wanted.len) {
		const char *end_found = memchr(found.ptr, '\n', found.len),
			   *end_wanted = memchr(wanted.ptr, '\n', wanted.len);
		struct str f = str_sub(found, 0, (size_t)(end_found - found.ptr)),
			   w = str_sub(wanted, 0, (size_t)(end_wanted - wanted.ptr));
		if (!str_starts(f, w))
			return false;
		found = str_sub(found, f.len + 1, found.len);
		wanted = str_sub(wanted, w.len + 1, wanted.len);
	}
	return !found.len && !wanted.len;
}

static bool run_case(const char *name, struct str definition, struct str wanted)
{
	struct arena arena = { 0 };
	struct diagnostics diagnostics;
	struct program *program = NULL;
	struct program_options options = { .express = strstr(name, "[express]") != NULL };
	int result = program_compile(definition, &options, &arena, &diagnostics, &program);
	struct buffer found = { 0 };
	print_found(&diagnostics, &found);
	bool ok = lines_agree(buffer_str(&found), wanted) && (result == 0) == (diagnostics.errors == 0);
	if (!ok)
		fprintf(stderr, "%s\n--- wanted\n%.*s--- found\n%.*s\n", name, STR_FMT(wanted),
			STR_FMT(buffer_str(&found)));
	buffer_done(&found);
	program_unref(program);
	arena_done(&arena);
	return ok;
}

static void the_cases_get_their_diagnostics(void **state)
{
	FILE *file = fopen(CASES "/definitions.txt", "r");
	assert_non_null(file);
	char *line = NULL, name[256] = "";
	size_t capacity = 0;
	ssize_t length;
	struct buffer definition = { 0 }, wanted = { 0 };
	enum { BETWEEN, DEFINITION, DIAGNOSTICS } part = BETWEEN;
	unsigned cases = 0, failed = 0;
	do {
		length = getline(&line, &capacity, file);
		bool ends = length < 0 || *line == '\n';
		if (part == DIAGNOSTICS && ends) {
			cases++;
			failed += !run_case(name, buffer_str(&definition), buffer_str(&wanted));
			buffer_clear(&definition);
			buffer_clear(&wanted);
			part = BETWEEN;
		} else if (part == BETWEEN && length > 0 && !strncmp(line, "## ", 3)) {
			snprintf(name, sizeof name, "%.*s", (int)length - 1, line);
			part = DEFINITION;
		} else if (part == DEFINITION && length > 0 && !strcmp(line, "--\n")) {
			part = DIAGNOSTICS;
		} else if (length > 0 && part != BETWEEN) {
			buffer_append(part == DEFINITION ? &definition : &wanted, line, (size_t)length);
		}
	} while (length >= 0);
	assert_int_equal(part, BETWEEN);
	free(line);
	fclose(file);
	buffer_done(&definition);
	buffer_done(&wanted);
	print_message("%u cases\n", cases);
	assert_int_equal(failed, 0);
	assert_true(cases > 70);
}

/* ---- the table of fields ---------------------------------------------------------------- */

static void compile(const char *text, struct arena *arena, struct diagnostics *diagnostics,
		    struct program **ret_program)
{
	*ret_program = NULL;
	program_compile(str_of(text), NULL, arena, diagnostics, ret_program);
}

static bool has_message(const struct diagnostics *diagnostics, const char *message)
{
	for (const struct diagnostic *d = diagnostics->first; d; d = d->next)
		if (str_eqz(d->message, message))
			return true;
	return false;
}

static void a_field_is_refused_exactly_where_the_table_has_none(void **state)
{
	for (unsigned type = STATE_TASK; type <= STATE_MAP; type++)
		for (unsigned language = QUERY_JSONPATH; language <= QUERY_JSONATA; language++)
			for (unsigned field = 0; field < FIELD_COUNT; field++) {
				const char *name = field_name(field);
				bool is_type = field == F_Type, is_language = field == F_QueryLanguage;
				struct arena arena = { 0 };
				struct diagnostics diagnostics;
				struct program *program;
				char *text = arena_printf(
				    &arena,
				    "{\"StartAt\":\"A\",\"States\":{\"A\":{\"Type\":\"%s\",\"QueryLanguage\":\"%s\"%s%"
				    "s%s}}}",
				    state_type_name(type), language == QUERY_JSONATA ? "JSONata" : "JSONPath",
				    is_type || is_language ? "" : ",\"", is_type || is_language ? "" : name,
				    is_type || is_language ? "" : "\":[[]]");
				compile(text, &arena, &diagnostics, &program);
				char *message = arena_printf(&arena, "Field '%s' is not supported", name);
				bool refused = has_message(&diagnostics, message),
				     wanted = !field_row(OWNER_STATE + type, language, str_of(name));
				if (refused != wanted)
					fail_msg("%s of %s in language %u: refused %d", name, state_type_name(type),
						 language, refused);
				program_unref(program);
				arena_done(&arena);
			}
}

static void every_field_has_a_row_and_every_row_an_owner(void **state)
{
	for (unsigned field = 0; field < FIELD_COUNT; field++) {
		bool found = false;
		for (unsigned i = 0; i < field_rows_count; i++)
			found |= field_rows[i].field == field;
		if (!found)
			fail_msg("%s has no row", field_name(field));
	}
	for (unsigned i = 0; i < field_rows_count; i++) {
		const struct field_row *row = &field_rows[i];
		assert_true(row->owners && row->languages && row->kinds && row->owners < 1u << OWNER_COUNT);
		for (unsigned k = 0; k < i; k++)
			if (field_rows[k].field == row->field && (field_rows[k].owners & row->owners) &&
			    (field_rows[k].languages & row->languages))
				fail_msg("two rows for %s", field_name(row->field));
	}
	for (unsigned owner = 0; owner < OWNER_COUNT; owner++)
		assert_non_null(field_owner_name(owner));
}

/* ---- the program ------------------------------------------------------------------------ */

static const char nested[] =
    "{ \"StartAt\": \"P\", \"Comment\": \"all\", \"TimeoutSeconds\": 60, \"States\": {\n"
    "  \"P\": { \"Type\": \"Parallel\", \"Next\": \"M\", \"Branches\": [\n"
    "    { \"StartAt\": \"A1\", \"States\": { \"A1\": { \"Type\": \"Pass\", \"Next\": \"A2\" }, \"A2\": { \"Type\": "
    "\"Succeed\" } } },\n"
    "    { \"StartAt\": \"B1\", \"States\": { \"B1\": { \"Type\": \"Pass\", \"Result\": [1.0, 1E6], \"End\": true } } "
    "} ] },\n"
    "  \"M\": { \"Type\": \"Map\", \"MaxConcurrency\": 3, \"End\": true,\n"
    "    \"Retry\": [ { \"ErrorEquals\": [ \"X\", \"Y\" ], \"IntervalSeconds\": 5, \"BackoffRate\": 1.5, "
    "\"JitterStrategy\": \"FULL\" }, { \"ErrorEquals\": [ \"States.ALL\" ] } ],\n"
    "    \"ItemProcessor\": { \"StartAt\": \"C1\", \"States\": { \"C1\": { \"Type\": \"Wait\", \"Seconds\": 7, "
    "\"End\": true } } } }\n"
    "} }";

static void each_scopes_states_stand_together(void **state)
{
	struct arena arena = { 0 };
	struct diagnostics diagnostics;
	struct program *program;
	compile(nested, &arena, &diagnostics, &program);
	assert_non_null(program);
	assert_int_equal(program->scopes_count, 4);
	assert_int_equal(program->states_count, 6);
	for (uint32_t i = 0; i < program->scopes_count; i++) {
		const struct scope *scope = &program->scopes[i];
		assert_true(scope->start >= scope->first && scope->start < scope->first + scope->count);
		for (uint32_t k = scope->first; k < scope->first + scope->count; k++) {
			assert_int_equal(program->states[k].index, k);
			assert_int_equal(program->states[k].scope, i);
		}
	}
	const struct state *p = program_state(program, 0, STR("P")), *m = program_state(program, 0, STR("M"));
	assert_null(program_state(program, 0, STR("A1")));
	assert_int_equal(p->next, m->index);
	assert_int_equal(m->next, STATE_NONE);
	assert_int_equal(p->parallel.branches_count, 2);
	assert_int_equal(program->scopes[p->parallel.branches[1]].branch, 1);
	assert_int_equal(program->scopes[p->parallel.branches[1]].owner, p->index);
	const struct state *b1 = program_state(program, p->parallel.branches[1], STR("B1"));
	assert_true(str_eqz(value_text(b1->pass.result), "[1.0,1E6]"));
	assert_int_equal(program_state(program, m->map.processor, STR("C1"))->wait.seconds.value, 7);
	assert_int_equal(program->timeout_s, 60);
	assert_true(str_starts(str_sub(program->source, m->offset, m->length), STR("{ \"Type\": \"Map\"")));
	program_unref(program);
	arena_done(&arena);
}

static void retriers_have_their_defaults(void **state)
{
	struct arena arena = { 0 };
	struct diagnostics diagnostics;
	struct program *program;
	compile(nested, &arena, &diagnostics, &program);
	const struct state *m = program_state(program, 0, STR("M"));
	assert_int_equal(m->retriers_count, 2);
	assert_int_equal(m->retriers[0].errors_count, 2);
	assert_int_equal(m->retriers[0].interval_s, 5);
	assert_true(m->retriers[0].backoff_rate == 1.5 && m->retriers[0].jitter_full);
	assert_int_equal(m->retriers[1].interval_s, 1);
	assert_int_equal(m->retriers[1].max_attempts, 3);
	assert_true(m->retriers[1].backoff_rate == 2.0 && !m->retriers[1].jitter_full &&
		    m->retriers[1].max_delay_s == 0);
	assert_int_equal(m->map.max_concurrency.value, 3);
	assert_int_equal(m->map.tolerated_count.value, -1);
	program_unref(program);
	arena_done(&arena);
}

static void a_program_lives_until_its_last_reference(void **state)
{
	struct arena arena = { 0 };
	struct diagnostics diagnostics;
	struct program *program;
	compile(nested, &arena, &diagnostics, &program);
	arena_done(&arena);
	struct program *other = program_ref(program);
	program_unref(program);
	assert_true(str_eqz(other->comment, "all"));
	struct buffer out = { 0 };
	program_explain(other, &out);
	assert_non_null(strstr(out.data, "scope 3 of M"));
	assert_non_null(strstr(out.data, "retry            X, Y: 3 times, after 5 s, x 1.5, full jitter"));
	buffer_done(&out);
	program_unref(other);
}

static void a_program_knows_that_it_hands_out_task_tokens(void **state)
{
	static const struct {
		const char *path;
		bool uses;
	} rows[] = {
		{ "$$.Task.Token", true }, { "$$", true }, { "$$.Execution.Id", false }, { "$.Task.Token", false }
	};
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct arena arena = { 0 };
		struct diagnostics diagnostics;
		struct program *program;
		compile(arena_printf(&arena,
				     "{\"StartAt\":\"A\",\"States\":{\"A\":{\"Type\":\"Pass\",\"Parameters\":{\"a\":[{"
				     "\"t.$\":\"%s\"}]},\"End\":true}}}",
				     rows[i].path),
			&arena, &diagnostics, &program);
		assert_non_null(program);
		if (program->uses_context_task_token != rows[i].uses)
			fail_msg("%s: %d", rows[i].path, program->uses_context_task_token);
		program_unref(program);
		arena_done(&arena);
	}
}

static void resources_are_taken_apart(void **state)
{
	static const struct {
		const char *arn;
		enum resource_kind kind;
		enum integration_pattern pattern;
		const char *type, *name, *api;
	} rows[] = {
		{ "arn:aws:lambda:us-east-1:123456789012:function:f:prod", RESOURCE_LAMBDA_ARN,
		  PATTERN_REQUEST_RESPONSE, "lambda", "f", "f" },
		{ "arn:aws:states:us-east-1:123456789012:activity:work", RESOURCE_ACTIVITY, PATTERN_REQUEST_RESPONSE,
		  "activity", "work", "work" },
		{ "arn:aws:states:::lambda:invoke", RESOURCE_SERVICE, PATTERN_REQUEST_RESPONSE, "lambda", "invoke",
		  "invoke" },
		{ "arn:aws:states:::sqs:sendMessage.waitForTaskToken", RESOURCE_SERVICE, PATTERN_WAIT_FOR_TASK_TOKEN,
		  "sqs", "sendMessage.waitForTaskToken", "sendMessage" },
		{ "arn:aws:states:::states:startExecution.sync", RESOURCE_SERVICE, PATTERN_SYNC, "states",
		  "startExecution.sync", "startExecution" },
		{ "arn:aws:states:::states:startExecution.sync:2", RESOURCE_SERVICE, PATTERN_SYNC2, "states",
		  "startExecution.sync:2", "startExecution" },
		{ "arn:aws:states:::aws-sdk:s3:getObject", RESOURCE_SERVICE, PATTERN_REQUEST_RESPONSE, "aws-sdk:s3",
		  "getObject", "getObject" },
		{ "arn:ratchet:exec:::ffmpeg-hls", RESOURCE_RATCHET, PATTERN_REQUEST_RESPONSE, "exec", "ffmpeg-hls",
		  "ffmpeg-hls" },
		{ "arn:ratchet:http:::approve.waitForTaskToken", RESOURCE_RATCHET, PATTERN_WAIT_FOR_TASK_TOKEN, "http",
		  "approve.waitForTaskToken", "approve" },
	};
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct arena arena = { 0 };
		struct diagnostics diagnostics;
		struct program *program;
		compile(
		    arena_printf(
			&arena,
			"{\"StartAt\":\"A\",\"States\":{\"A\":{\"Type\":\"Task\",\"Resource\":\"%s\",\"End\":true}}}",
			rows[i].arn),
		    &arena, &diagnostics, &program);
		if (!program)
			fail_msg("%s is refused", rows[i].arn);
		const struct resource *r = &program->states[0].task.resource;
		if (r->kind != rows[i].kind || r->pattern != rows[i].pattern || !str_eqz(r->arn, rows[i].arn) ||
		    !str_eqz(r->type, rows[i].type) || !str_eqz(r->name, rows[i].name) || !str_eqz(r->api, rows[i].api))
			fail_msg("%s: kind %d pattern %d type %.*s name %.*s api %.*s", rows[i].arn, r->kind,
				 r->pattern, STR_FMT(r->type), STR_FMT(r->name), STR_FMT(r->api));
		program_unref(program);
		arena_done(&arena);
	}
}

/* ---- bounds ----------------------------------------------------------------------------- */

static void nesting_of_states_is_bounded(void **state)
{
	struct buffer text = { 0 };
	const unsigned depth = 100;
	for (unsigned i = 0; i < depth; i++)
		buffer_printf(
		    &text,
		    "%s\"StartAt\":\"M%u\",\"States\":{\"M%u\":{\"Type\":\"Map\",\"End\":true,\"ItemProcessor\":",
		    i ? "{" : "{", i, i);
	buffer_printf(&text, "{\"StartAt\":\"Z\",\"States\":{\"Z\":{\"Type\":\"Succeed\"}}}");
	for (unsigned i = 0; i < depth; i++)
		buffer_addz(&text, "}}}");
	struct arena arena = { 0 };
	struct diagnostics diagnostics;
	struct program *program;
	compile(text.data, &arena, &diagnostics, &program);
	assert_null(program);
	assert_int_equal(diagnostics.errors, 1);
	assert_int_equal(diagnostics.first->code, DIAGNOSTIC_TOO_DEEPLY_NESTED);
	arena_done(&arena);
	buffer_done(&text);
}

static void nesting_of_json_is_bounded(void **state)
{
	struct buffer text = { 0 };
	for (unsigned i = 0; i < 100000; i++)
		buffer_addz(&text, "{\"a\":[");
	struct arena arena = { 0 };
	struct diagnostics diagnostics;
	struct program *program;
	compile(text.data, &arena, &diagnostics, &program);
	assert_null(program);
	assert_int_equal(diagnostics.first->code, DIAGNOSTIC_INVALID_JSON_DESCRIPTION);
	arena_done(&arena);
	buffer_done(&text);
}

static void a_flood_of_mistakes_is_counted_but_not_kept(void **state)
{
	struct buffer text = { 0 };
	buffer_addz(&text, "{\"StartAt\":\"A\",\"States\":{\"A\":{\"Type\":\"Succeed\"");
	for (unsigned i = 0; i < 20000; i++)
		buffer_printf(&text, ",\"f%u\":1", i);
	buffer_addz(&text, "}}}");
	struct arena arena = { 0 };
	struct diagnostics diagnostics;
	struct program *program;
	compile(text.data, &arena, &diagnostics, &program);
	unsigned kept = 0;
	for (const struct diagnostic *d = diagnostics.first; d; d = d->next)
		kept++;
	assert_int_equal(diagnostics.errors, 20000);
	assert_int_equal(kept, 1000);
	arena_done(&arena);
	buffer_done(&text);
}

static void limits_can_be_lowered(void **state)
{
	struct limits limits = LIMITS_DEFAULT;
	struct arena arena = { 0 };
	struct diagnostics diagnostics;
	struct program *program = NULL;
	limits.definition_bytes = 100;
	assert_int_not_equal(program_compile(str_of(nested), &(struct program_options){ .limits = &limits }, &arena,
					     &diagnostics, &program),
			     0);
	limits.definition_bytes = 100000;
	limits.states = 3;
	assert_int_not_equal(program_compile(str_of(nested), &(struct program_options){ .limits = &limits }, &arena,
					     &diagnostics, &program),
			     0);
	assert_true(has_message(&diagnostics, "The definition has too many states"));
	arena_done(&arena);
}

/* ---- StringMatches ---------------------------------------------------------------------- */

static void patterns_match(void **state)
{
	static const struct {
		const char *pattern, *text;
		bool matches;
	} rows[] = {
		{ "", "", true },
		{ "", "a", false },
		{ "*", "", true },
		{ "*", "abc", true },
		{ "a", "a", true },
		{ "a", "ab", false },
		{ "a*", "abc", true },
		{ "*c", "abc", true },
		{ "a*c", "abc", true },
		{ "a*c", "ac", true },
		{ "a*c", "abcd", false },
		{ "*b*", "abc", true },
		{ "*x*", "abc", false },
		{ "a**c", "abc", true },
		{ "*.log", "foo.log", true },
		{ "foo*.log", "foobar.txt", false },
		{ "*ab*ab", "abxab", true },
		{ "*ab*ab", "ab", false },
		{ "*aab", "aaab", true },
		{ "a\\*c", "a*c", true },
		{ "a\\*c", "abc", false },
		{ "\\\\*", "\\abc", true },
		{ "\\\\", "\\", true },
		{ "a\\", "a\\", true },
		{ "\\*\\*", "**", true },
		{ "*\\**", "a*b", true },
		{ "*\\**", "ab", false },
		{ "ä*ö", "äxö", true },
		{ "a?c", "abc", false },
		{ "*a", "a\na", true },
	};
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++)
		if (choice_pattern_matches(str_of(rows[i].pattern), str_of(rows[i].text)) != rows[i].matches)
			fail_msg("\"%s\" and \"%s\" should%s match", rows[i].pattern, rows[i].text,
				 rows[i].matches ? "" : " not");
}

static void a_hostile_pattern_takes_no_time(void **state)
{
	enum { LENGTH = 20000 };
	struct buffer pattern = { 0 }, text = { 0 };
	for (unsigned i = 0; i < LENGTH; i++) {
		buffer_byte(&text, 'a');
		if (i < LENGTH / 10)
			buffer_addz(&pattern, "a*");
	}
	buffer_addz(&pattern, "b");
	assert_false(choice_pattern_matches(buffer_str(&pattern), buffer_str(&text)));
	buffer_done(&pattern);
	buffer_done(&text);
}

/* ---- printing --------------------------------------------------------------------------- */

static void a_caret_stands_under_the_place(void **state)
{
	const char *text = "{ \"StartAt\": \"ä\",\n  \"States\": { \"ä\": { \"Type\": \"Pass\", \"Next\": \"ö\" } } }";
	struct arena arena = { 0 };
	struct diagnostics diagnostics;
	struct program *program;
	struct buffer out = { 0 };
	compile(text, &arena, &diagnostics, &program);
	diagnostic_print(diagnostics.first, "m.json", str_of(text), true, &out);
	assert_string_equal(out.data, "m.json:2:46: error: MISSING_TRANSITION_TARGET: Missing 'Next' target: ö at "
				      "/States/ä/Next (expected a state of the same scope: ä)\n"
				      "     2 |   \"States\": { \"ä\": { \"Type\": \"Pass\", \"Next\": \"ö\" } } }\n"
				      "       |                                              ^~~\n");
	buffer_done(&out);
	arena_done(&arena);
}

static void a_place_inside_an_escaped_string_is_found(void **state)
{
	const char *text =
	    "{\"StartAt\":\"A\",\"States\":{\"A\":{\"Type\":\"Pass\",\"InputPath\":\"$.\\u00e4[\\\"\",\"End\":true}}}";
	struct arena arena = { 0 };
	struct diagnostics diagnostics;
	struct program *program;
	compile(text, &arena, &diagnostics, &program);
	assert_int_equal(diagnostics.errors, 1);
	size_t start = (size_t)(strstr(text, "\"$.") - text);
	assert_true(diagnostics.first->offset >= start &&
		    diagnostics.first->offset <= start + strlen("\"$.\\u00e4[\\\""));
	arena_done(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_cases_get_their_diagnostics),
		cmocka_unit_test(a_field_is_refused_exactly_where_the_table_has_none),
		cmocka_unit_test(every_field_has_a_row_and_every_row_an_owner),
		cmocka_unit_test(each_scopes_states_stand_together),
		cmocka_unit_test(retriers_have_their_defaults),
		cmocka_unit_test(a_program_lives_until_its_last_reference),
		cmocka_unit_test(a_program_knows_that_it_hands_out_task_tokens),
		cmocka_unit_test(resources_are_taken_apart),
		cmocka_unit_test(nesting_of_states_is_bounded),
		cmocka_unit_test(nesting_of_json_is_bounded),
		cmocka_unit_test(a_flood_of_mistakes_is_counted_but_not_kept),
		cmocka_unit_test(limits_can_be_lowered),
		cmocka_unit_test(patterns_match),
		cmocka_unit_test(a_hostile_pattern_takes_no_time),
		cmocka_unit_test(a_caret_stands_under_the_place),
		cmocka_unit_test(a_place_inside_an_escaped_string_is_found),
	};
	return cmocka_run_group_tests_name("definition", tests, NULL, NULL);
}
