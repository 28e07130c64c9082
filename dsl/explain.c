/* explain.c: the compiled program, printed for people (`ratchet explain`). One line a state, more under it where it has
 * more to say. */
#include "base/timestamp.h"
#include "dsl/program.h"

static void print_expr(struct buffer *out, const char *label, const struct expr *expr)
{
	if (expr)
		buffer_printf(out, "\n      %-16s %.*s", label, STR_FMT(expr_text(expr)));
}

static void print_nullable(struct buffer *out, const char *label, const struct expr *expr, bool null)
{
	if (null)
		buffer_printf(out, "\n      %-16s null", label);
	print_expr(out, label, expr);
}

static void print_number(struct buffer *out, const char *label, const struct number_field *number)
{
	if (number->expr)
		print_expr(out, label, number->expr);
	else if (number->value >= 0)
		buffer_printf(out, "\n      %-16s %lld", label, (long long)number->value);
}

static void print_target(const struct program *program, struct buffer *out, uint32_t target, const char *otherwise)
{
	if (target == STATE_NONE)
		buffer_printf(out, "-> %s", otherwise);
	else
		buffer_printf(out, "-> %.*s (%u)", STR_FMT(program->states[target].name), target);
}

static void print_errors(struct buffer *out, const struct str *errors, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		buffer_printf(out, "%s%.*s", i ? ", " : "", STR_FMT(errors[i]));
}

static const char *comparison_text(enum choice_comparison comparison)
{
	switch (comparison) {
	case CHOICE_EQ:
		return "=";
	case CHOICE_LT:
		return "<";
	case CHOICE_GT:
		return ">";
	case CHOICE_LE:
		return "<=";
	case CHOICE_GE:
		return ">=";
	}
	return "";
}

static const char *operand_text(enum choice_operand operand)
{
	switch (operand) {
	case CHOICE_STRING:
		return "string";
	case CHOICE_NUMERIC:
		return "number";
	case CHOICE_BOOLEAN:
		return "boolean";
	case CHOICE_TIMESTAMP:
		return "timestamp";
	}
	return "";
}

static const char *is_text(enum choice_node node)
{
	switch (node) {
	case CHOICE_IS_NULL:
		return "null";
	case CHOICE_IS_PRESENT:
		return "present";
	case CHOICE_IS_NUMERIC:
		return "a number";
	case CHOICE_IS_STRING:
		return "a string";
	case CHOICE_IS_BOOLEAN:
		return "a boolean";
	case CHOICE_IS_TIMESTAMP:
		return "a timestamp";
	case CHOICE_AND:
	case CHOICE_OR:
	case CHOICE_NOT:
	case CHOICE_COMPARE:
	case CHOICE_MATCHES:
	case CHOICE_CONDITION:
		break;
	}
	return "";
}

static void print_text(struct buffer *out, const struct expr *expr)
{
	if (expr)
		buffer_add(out, expr_text(expr));
}

/* Nested as the definition is, which the reader bounded. */
static void print_test(struct buffer *out, const struct choice_test *test)
{
	switch (test->node) {
	case CHOICE_AND:
	case CHOICE_OR:
		buffer_byte(out, '(');
		for (uint32_t i = 0; i < test->children_count; i++) {
			if (i)
				buffer_addz(out, test->node == CHOICE_AND ? " and " : " or ");
			print_test(out, &test->children[i]);
		}
		buffer_byte(out, ')');
		return;
	case CHOICE_NOT:
		buffer_addz(out, "not ");
		print_test(out, test->children);
		return;
	case CHOICE_COMPARE:
		print_text(out, test->variable);
		buffer_printf(out, " %s %s ", comparison_text(test->comparison), operand_text(test->operand_type));
		if (test->operand)
			value_write(test->operand, out);
		print_text(out, test->operand_path);
		return;
	case CHOICE_MATCHES:
		print_text(out, test->variable);
		buffer_addz(out, " matches ");
		value_write_string(test->pattern, out);
		return;
	case CHOICE_CONDITION:
		print_text(out, test->condition);
		return;
	case CHOICE_IS_NULL:
	case CHOICE_IS_PRESENT:
	case CHOICE_IS_NUMERIC:
	case CHOICE_IS_STRING:
	case CHOICE_IS_BOOLEAN:
	case CHOICE_IS_TIMESTAMP:
		print_text(out, test->variable);
		buffer_printf(out, " is %s%s", test->wanted ? "" : "not ", is_text(test->node));
		return;
	}
}

static void print_choice(const struct program *program, const struct state *state, struct buffer *out)
{
	for (uint32_t i = 0; i < state->choice.rules_count; i++) {
		const struct choice_rule *rule = &state->choice.rules[i];
		buffer_printf(out, "\n      if ");
		print_test(out, &rule->test);
		buffer_byte(out, ' ');
		print_target(program, out, rule->next, "?");
		print_expr(out, "  assign", rule->assign.values);
		print_expr(out, "  output", rule->output);
	}
	buffer_addz(out, "\n      else ");
	print_target(program, out, state->choice.fallback, ERROR_NAME_NO_CHOICE_MATCHED);
}

static void print_type(const struct program *program, const struct state *state, struct buffer *out)
{
	switch (state->type) {
	case STATE_TASK:
		buffer_printf(out, "\n      %-16s %.*s", "resource", STR_FMT(state->task.resource.arn));
		print_number(out, "timeout s", &state->task.timeout_s);
		print_number(out, "heartbeat s", &state->task.heartbeat_s);
		print_expr(out, "credentials", state->task.credentials);
		return;
	case STATE_PASS:
		if (state->pass.result)
			buffer_printf(out, "\n      %-16s %.*s", "result", STR_FMT(value_text(state->pass.result)));
		return;
	case STATE_CHOICE:
		print_choice(program, state, out);
		return;
	case STATE_WAIT:
		print_number(out, "seconds", &state->wait.seconds);
		print_expr(out, "until", state->wait.timestamp_path);
		if (state->wait.has_timestamp) {
			char text[TIMESTAMP_TEXT_MAX];
			buffer_printf(out, "\n      %-16s %s", "until",
				      timestamp_format(state->wait.timestamp_ms, text));
		}
		return;
	case STATE_SUCCEED:
		return;
	case STATE_FAIL:
		print_expr(out, "error", state->fail.error);
		print_expr(out, "cause", state->fail.cause);
		return;
	case STATE_PARALLEL:
		for (uint32_t i = 0; i < state->parallel.branches_count; i++)
			buffer_printf(out, "\n      branch %-9u scope %u", i, state->parallel.branches[i]);
		return;
	case STATE_MAP:
		buffer_printf(out, "\n      %-16s scope %u", "processor", state->map.processor);
		print_expr(out, "items", state->map.items);
		print_expr(out, "item selector", state->map.item_selector);
		print_number(out, "concurrency", &state->map.max_concurrency);
		print_number(out, "tolerated", &state->map.tolerated_count);
		print_expr(out, "tolerated %", state->map.tolerated_percentage);
		return;
	}
}

static void print_retry_and_catch(const struct program *program, const struct state *state, struct buffer *out)
{
	for (uint32_t i = 0; i < state->retriers_count; i++) {
		const struct retrier *retrier = &state->retriers[i];
		buffer_addz(out, "\n      retry            ");
		print_errors(out, retrier->errors, retrier->errors_count);
		buffer_printf(out, ": %lld times, after %lld s, x %g", (long long)retrier->max_attempts,
			      (long long)retrier->interval_s, retrier->backoff_rate);
		if (retrier->max_delay_s)
			buffer_printf(out, ", at most %lld s", (long long)retrier->max_delay_s);
		if (retrier->jitter_full)
			buffer_addz(out, ", full jitter");
	}
	for (uint32_t i = 0; i < state->catchers_count; i++) {
		const struct catcher *catcher = &state->catchers[i];
		buffer_addz(out, "\n      catch            ");
		print_errors(out, catcher->errors, catcher->errors_count);
		buffer_byte(out, ' ');
		print_target(program, out, catcher->next, "?");
		print_nullable(out, "  result path", catcher->result_path, catcher->result_path_null);
		print_expr(out, "  assign", catcher->assign.values);
		print_expr(out, "  output", catcher->output);
	}
}

static void print_state(const struct program *program, const struct state *state, struct buffer *out)
{
	buffer_printf(out, "  %3u %-8s %.*s", state->index, state_type_name(state->type), STR_FMT(state->name));
	if (state->type != STATE_CHOICE && state->type != STATE_FAIL) {
		buffer_byte(out, ' ');
		print_target(program, out, state->next, "end");
	}
	if (state->language == QUERY_JSONATA)
		buffer_addz(out, "  [JSONata]");
	print_nullable(out, "input path", state->input_path, state->input_path_null);
	print_expr(out, "parameters", state->parameters);
	print_expr(out, "arguments", state->arguments);
	print_type(program, state, out);
	print_expr(out, "result selector", state->result_selector);
	print_nullable(out, "result path", state->result_path, state->result_path_null);
	print_nullable(out, "output path", state->output_path, state->output_path_null);
	print_expr(out, "output", state->output);
	print_expr(out, "assign", state->assign.values);
	print_retry_and_catch(program, state, out);
	buffer_byte(out, '\n');
}

void program_explain(const struct program *program, struct buffer *out)
{
	for (uint32_t i = 0; i < program->scopes_count; i++) {
		const struct scope *scope = &program->scopes[i];
		if (scope->owner == STATE_NONE)
			buffer_addz(out, "machine");
		else
			buffer_printf(out, "scope %u of %.*s (%u), branch %u", i,
				      STR_FMT(program->states[scope->owner].name), scope->owner, scope->branch);
		buffer_printf(out, ": %u states, starts at %.*s (%u)", scope->count,
			      STR_FMT(program->states[scope->start].name), scope->start);
		if (scope->owner == STATE_NONE && program->timeout_s)
			buffer_printf(out, ", times out after %lld s", (long long)program->timeout_s);
		buffer_byte(out, '\n');
		for (uint32_t k = 0; k < scope->count; k++)
			print_state(program, &program->states[scope->first + k], out);
	}
}
