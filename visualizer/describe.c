/* describe.c: states, rules, catchers and retriers in few words. See describe.h. */
#include "visualizer/describe.h"
#include "base/mem.h"
#include "base/utf8.h"
#include <stdio.h>

enum {
	WORDS_MAX = 400,   /* bytes of one text */
	OPERAND_MAX = 120, /* bytes of one operand */
	NESTING_MAX = 12,  /* And, Or and Not inside of each other that are written out */
};

/* ---- texts with an end ---------------------------------------------------------------------- */

struct words {
	char text[WORDS_MAX + sizeof "…"];
	size_t len;
	bool full; /* it was cut; what is said from now on is not heard */
};

static void say(struct words *out, struct str text)
{
	if (out->full)
		return;
	struct str part = str_sub(text, 0, WORDS_MAX - out->len);
	out->full = part.len < text.len;
	while (out->full && part.len && utf8_is_tail((unsigned char)text.ptr[part.len]))
		part.len--;
	memcpy(out->text + out->len, part.ptr, part.len);
	out->len += part.len;
	if (out->full) {
		memcpy(out->text + out->len, "…", sizeof "…" - 1);
		out->len += sizeof "…" - 1;
	}
}

static void sayz(struct words *out, const char *text)
{
	say(out, str_of(text));
}

static struct str said(struct arena *arena, const struct words *words)
{
	return arena_str(arena, (struct str){ words->text, words->len });
}

/* An expression as it is written, without a JSON string's quotes and JSONata's marks. */
static void say_expr(struct words *out, const struct expr *expr)
{
	_cleanup_(value_unrefp) struct value *json = NULL;
	struct str text = expr ? expr_text(expr) : STR_EMPTY;
	if (text.len && text.ptr[0] == '"' && value_parse(text, NULL, &json, NULL) == 0)
		text = value_string(json);
	if (expr_is_jsonata(text)) {
		text = str_sub(text, 2, text.len - 4);
		while (text.len && strchr(" \t\r\n", text.ptr[0]))
			text = str_sub(text, 1, text.len);
		while (text.len && strchr(" \t\r\n", text.ptr[text.len - 1]))
			text.len--;
	}
	say(out, text);
}

/* ---- rules of a Choice ---------------------------------------------------------------------- */

static const char *comparison_sign(enum choice_comparison comparison)
{
	switch (comparison) {
	case CHOICE_EQ:
		return " = ";
	case CHOICE_LT:
		return " < ";
	case CHOICE_GT:
		return " > ";
	case CHOICE_LE:
		return " ≤ ";
	case CHOICE_GE:
		return " ≥ ";
	}
	return " ";
}

static void say_operand(struct words *out, const struct choice_test *test)
{
	_cleanup_(buffer_done) struct buffer text = { 0 };
	if (test->operand_path) {
		say_expr(out, test->operand_path);
	} else if (test->operand && value_is(test->operand, VALUE_STRING)) {
		sayz(out, "\"");
		say(out, str_sub(value_string(test->operand), 0, OPERAND_MAX));
		sayz(out, "\"");
	} else if (test->operand) {
		value_write(test->operand, &text);
		say(out, buffer_str(&text));
	}
}

/* "$.x is a number", "$.x is absent" */
static void say_kind(struct words *out, const struct choice_test *test, const char *is, const char *is_not)
{
	say_expr(out, test->variable);
	sayz(out, test->wanted ? is : is_not);
}

static void say_test(struct words *out, const struct choice_test *test, unsigned depth);

/* "a and b"; in brackets when it stands inside of another. */
static void say_children(struct words *out, const struct choice_test *test, const char *word, unsigned depth)
{
	if (depth >= NESTING_MAX) {
		sayz(out, "…");
		return;
	}
	bool brackets = depth > 0 && test->children_count > 1;
	sayz(out, brackets ? "(" : "");
	for (uint32_t i = 0; i < test->children_count && !out->full; i++) {
		sayz(out, i ? word : "");
		say_test(out, &test->children[i], depth + 1);
	}
	sayz(out, brackets ? ")" : "");
}

static void say_test(struct words *out, const struct choice_test *test, unsigned depth)
{
	switch (test->node) {
	case CHOICE_AND:
		say_children(out, test, " and ", depth);
		return;
	case CHOICE_OR:
		say_children(out, test, " or ", depth);
		return;
	case CHOICE_NOT:
		sayz(out, "not ");
		say_children(out, test, "", depth);
		return;
	case CHOICE_COMPARE:
		say_expr(out, test->variable);
		sayz(out, comparison_sign(test->comparison));
		say_operand(out, test);
		return;
	case CHOICE_MATCHES:
		say_expr(out, test->variable);
		sayz(out, " matches ");
		say(out, str_sub(test->pattern, 0, OPERAND_MAX));
		return;
	case CHOICE_IS_NULL:
		say_kind(out, test, " is null", " is not null");
		return;
	case CHOICE_IS_PRESENT:
		say_kind(out, test, " is present", " is absent");
		return;
	case CHOICE_IS_NUMERIC:
		say_kind(out, test, " is a number", " is no number");
		return;
	case CHOICE_IS_STRING:
		say_kind(out, test, " is a string", " is no string");
		return;
	case CHOICE_IS_BOOLEAN:
		say_kind(out, test, " is a boolean", " is no boolean");
		return;
	case CHOICE_IS_TIMESTAMP:
		say_kind(out, test, " is a timestamp", " is no timestamp");
		return;
	case CHOICE_CONDITION:
		say_expr(out, test->condition);
		return;
	}
}

struct str describe_rule(struct arena *arena, const struct choice_rule *rule)
{
	struct words out = { 0 };
	say_test(&out, &rule->test, 0);
	return said(arena, &out);
}

/* ---- errors and retriers -------------------------------------------------------------------- */

static void say_errors(struct words *out, const struct str *errors, uint32_t count)
{
	for (uint32_t i = 0; i < count && !out->full; i++) {
		sayz(out, i ? ", " : "");
		say(out, errors[i]);
	}
}

struct str describe_errors(struct arena *arena, const struct str *errors, uint32_t count)
{
	struct words out = { 0 };
	say_errors(&out, errors, count);
	return said(arena, &out);
}

struct str describe_retries(struct arena *arena, const struct state *state, int64_t *ret_attempts)
{
	struct words out = { 0 };
	int64_t most = 0;
	for (uint32_t i = 0; i < state->retriers_count; i++) {
		const struct retrier *retrier = &state->retriers[i];
		char words[128];
		most = retrier->max_attempts > most ? retrier->max_attempts : most;
		sayz(&out, i ? "\n" : "");
		say_errors(&out, retrier->errors, retrier->errors_count);
		snprintf(words, sizeof words, ": %lld time%s, after %lld s × %g%s", (long long)retrier->max_attempts,
			 retrier->max_attempts == 1 ? "" : "s", (long long)retrier->interval_s, retrier->backoff_rate,
			 retrier->jitter_full ? ", jittered" : "");
		sayz(&out, words);
	}
	*ret_attempts = most;
	return said(arena, &out);
}

/* ---- states --------------------------------------------------------------------------------- */

/* Behind the last `mark` in `text`; all of it without one. */
static struct str behind_last(struct str text, char mark)
{
	const char *found = text.len ? memrchr(text.ptr, mark, text.len) : NULL;
	return found ? str_sub(text, (size_t)(found - text.ptr) + 1, text.len) : text;
}

/* The function's name in "NAME", "ARN:function:NAME", "NAME:ALIAS" or "${Placeholder}". */
static struct str function_name(struct str text)
{
	static const char mark[] = ":function:";
	const char *found = text.len ? memmem(text.ptr, text.len, mark, sizeof mark - 1) : NULL;
	if (found)
		text = str_sub(text, (size_t)(found - text.ptr) + sizeof mark - 1, text.len);
	const char *end = str_starts(text, STR("${")) ? memchr(text.ptr, '}', text.len) : text.ptr;
	const char *alias = end ? memchr(end, ':', text.len - (size_t)(end - text.ptr)) : NULL;
	return alias ? str_sub(text, 0, (size_t)(alias - text.ptr)) : text;
}

/* What lambda:invoke invokes, from its arguments; false if they leave it open. */
static bool say_invoked_function(struct words *out, const struct state *state)
{
	const struct expr *arguments = state->arguments ? state->arguments : state->parameters;
	_cleanup_(value_unrefp) struct value *json = NULL;
	if (!arguments || value_parse(expr_text(arguments), NULL, &json, NULL) != 0)
		return false;
	const struct value *function = value_getz(json, "FunctionName");
	struct str name = function ? function_name(value_string(function)) : STR_EMPTY;
	if (!name.len || expr_is_jsonata(name))
		return false;
	say(out, name);
	return true;
}

static const char *pattern_words(enum integration_pattern pattern)
{
	switch (pattern) {
	case PATTERN_REQUEST_RESPONSE:
		return "";
	case PATTERN_SYNC:
	case PATTERN_SYNC2:
		return ", sync";
	case PATTERN_WAIT_FOR_TASK_TOKEN:
		return ", waits for token";
	}
	return "";
}

static void say_task(struct words *out, const struct state *state)
{
	const struct resource *resource = &state->task.resource;
	switch (resource->kind) {
	case RESOURCE_LAMBDA_ARN:
		sayz(out, "lambda · ");
		say(out, function_name(resource->arn));
		return;
	case RESOURCE_ACTIVITY:
		sayz(out, "activity · ");
		say(out, behind_last(resource->arn, ':'));
		return;
	case RESOURCE_SERVICE:
	case RESOURCE_RATCHET:
		say(out, behind_last(resource->type, ':'));
		sayz(out, " · ");
		if (!str_eqz(resource->type, "lambda") || !say_invoked_function(out, state))
			say(out, resource->api.len ? resource->api : resource->name);
		sayz(out, pattern_words(resource->pattern));
		return;
	}
}

/* "45 s", "1 h 30 min", "2 d" */
static void say_seconds(struct words *out, int64_t seconds)
{
	static const struct {
		int64_t seconds;
		const char *name;
	} units[] = { { 86400, "d" }, { 3600, "h" }, { 60, "min" }, { 1, "s" } };
	unsigned parts = 0;
	for (unsigned i = 0; i < 4 && parts < 2; i++) {
		int64_t count = seconds / units[i].seconds;
		char words[40];
		if (!count && !(i == 3 && !parts))
			continue;
		snprintf(words, sizeof words, "%s%lld %s", parts++ ? " " : "", (long long)count, units[i].name);
		sayz(out, words);
		seconds %= units[i].seconds;
	}
}

static void say_wait(struct words *out, const struct state *state)
{
	if (state->wait.has_timestamp || state->wait.timestamp_path) {
		sayz(out, "wait until ");
		if (state->wait.timestamp_path)
			say_expr(out, state->wait.timestamp_path);
		else
			say(out, state->wait.timestamp);
	} else if (state->wait.seconds.expr) {
		sayz(out, "wait ");
		say_expr(out, state->wait.seconds.expr);
		sayz(out, " s");
	} else {
		sayz(out, "wait ");
		say_seconds(out, state->wait.seconds.value);
	}
}

static void say_count(struct words *out, uint32_t count, const char *one, const char *more)
{
	char words[64];
	snprintf(words, sizeof words, "%u %s", count, count == 1 ? one : more);
	sayz(out, words);
}

static void say_map(struct words *out, const struct state *state)
{
	const struct number_field *concurrency = &state->map.max_concurrency;
	sayz(out, "for each");
	if (state->map.items) {
		sayz(out, " of ");
		say_expr(out, state->map.items);
	}
	if (concurrency->expr) {
		sayz(out, " · ");
		say_expr(out, concurrency->expr);
		sayz(out, " at a time");
	} else if (concurrency->value > 0) {
		char words[48];
		snprintf(words, sizeof words, " · %lld at a time", (long long)concurrency->value);
		sayz(out, words);
	}
}

struct str describe_state(struct arena *arena, const struct state *state)
{
	struct words out = { 0 };
	switch (state->type) {
	case STATE_TASK:
		say_task(&out, state);
		break;
	case STATE_PASS:
		sayz(&out, "pass");
		break;
	case STATE_CHOICE:
		say_count(&out, state->choice.rules_count, "rule", "rules");
		break;
	case STATE_WAIT:
		say_wait(&out, state);
		break;
	case STATE_SUCCEED:
		sayz(&out, "succeed");
		break;
	case STATE_FAIL:
		if (state->fail.error)
			say_expr(&out, state->fail.error);
		if (!out.len)
			sayz(&out, "fail");
		break;
	case STATE_PARALLEL:
		say_count(&out, state->parallel.branches_count, "branch", "branches");
		break;
	case STATE_MAP:
		say_map(&out, state);
		break;
	}
	return said(arena, &out);
}
