/* oracle.c: what a generated workflow must come to: the simplest interpreter that could be written, recursive, without time, history or
 * storage. It knows the states, paths and errors that generate.c uses, and nothing of the engine.
 *
 * Branches run one after the other. If several fail, which failure is seen depends on time: the verdict is then ambiguous, unless all
 * failures are the same. */
#include "tests/simulation/sim.h"
#include <assert.h>
#include <string.h>

#define STEPS_MAX 200000

struct oracle {
	const struct machine_plan *machines;
	struct verdict *verdict;
	json_t *token; /* stands for a task's token */
	unsigned steps;
};

/* What is seen from within a scope: of the innermost Map around, for $$; and the variables of this scope and those around it. */
struct item {
	json_t *value;
	long long index;
	json_t *variables;
};

struct failing {
	char error[64], cause[64];
	bool any_cause; /* the cause is a sentence of the engine's */
	bool no_cause;
};

/* Runs a scope. Its output, or NULL and *ret_failing. */
static json_t *run_scope(struct oracle *oracle, json_t *scope, json_t *input, const struct item *item, struct failing *ret_failing);

/* ---- paths ------------------------------------------------------------------------------------- */

/* What stands at "$v0", or NULL if this is not such a path. */
static json_t *variable_at(const char *path, const struct item *item)
{
	return path[0] == '$' && path[1] == 'v' ? json_object_get(item->variables, path + 1) : NULL;
}

/* What stands at "$.a.b" or "$$.Map.Item.Value"; borrowed; NULL if nothing does. */
static json_t *at_path(json_t *input, const char *path)
{
	json_t *value = input;
	char copy[64];
	snprintf(copy, sizeof copy, "%s", path + 1);
	char *rest = NULL;
	for (char *part = strtok_r(copy, ".", &rest); part && value; part = strtok_r(NULL, ".", &rest))
		value = json_object_get(value, part);
	return value;
}

static json_t *evaluate(struct oracle *oracle, const char *path, json_t *input, const struct item *item)
{
	if (strcmp(path, "$$.Map.Item.Value") == 0)
		return json_incref(item->value);
	if (strcmp(path, "$$.Map.Item.Index") == 0)
		return json_integer(item->index);
	if (strcmp(path, "$$.Task.Token") == 0)
		return json_incref(oracle->token);
	json_t *value = variable_at(path, item);
	if (!value)
		value = at_path(input, path);
	assert(value);
	return json_incref(value);
}

/* "{% $states.input.n + 2 %}", "{% $v0 + 2 %}", or what is none. */
static json_t *evaluate_jsonata(json_t *text, json_t *input, const struct item *item)
{
	char operand[40];
	int add;
	if (sscanf(json_string_value(text), "{%% %39s + %d %%}", operand, &add) != 2)
		return json_incref(text);
	json_t *value = strcmp(operand, "$states.input.n") == 0 ? json_object_get(input, "n") : variable_at(operand, item);
	assert(value);
	return json_integer(json_integer_value(value) + add);
}

static json_t *fill_jsonata(json_t *template, json_t *input, const struct item *item)
{
	json_t *filled = json_object(), *value;
	const char *key;
	json_object_foreach(template, key, value)
		json_object_set_new(filled, key, evaluate_jsonata(value, input, item));
	return filled;
}

static json_t *fill_template(struct oracle *oracle, json_t *template, json_t *input, const struct item *item)
{
	if (!json_is_object(template))
		return json_incref(template);
	json_t *filled = json_object(), *value;
	const char *key;
	json_object_foreach(template, key, value) {
		size_t len = strlen(key);
		if (len > 2 && strcmp(key + len - 2, ".$") == 0) {
			char *bare = strndup(key, len - 2);
			json_object_set_new(filled, bare, evaluate(oracle, json_string_value(value), input, item));
			free(bare);
		} else {
			json_object_set_new(filled, key, fill_template(oracle, value, input, item));
		}
	}
	return filled;
}

/* Input with a result put at the state's ResultPath. Takes the result. */
static json_t *put_result(json_t *state, json_t *input, json_t *result)
{
	json_t *path = json_object_get(state, "ResultPath");
	if (!path || (json_is_string(path) && strcmp(json_string_value(path), "$") == 0))
		return result;
	if (json_is_null(path)) {
		json_decref(result);
		return json_incref(input);
	}
	json_t *output = json_is_object(input) ? json_copy(input) : json_object();
	json_object_set_new(output, json_string_value(path) + 2, result);
	return output;
}

/* ---- failures -------------------------------------------------------------------------------------- */

static bool matches(json_t *handler, const struct failing *failing)
{
	json_t *name;
	size_t i;
	json_array_foreach(json_object_get(handler, "ErrorEquals"), i, name) {
		const char *text = json_string_value(name);
		if (strcmp(text, "States.ALL") == 0 || strcmp(text, failing->error) == 0)
			return true;
		if (strcmp(text, "States.TaskFailed") == 0 && strcmp(failing->error, "States.Timeout") != 0)
			return true;
	}
	return false;
}

/* Whether the first retrier that names the error has an attempt left. */
static bool retries(json_t *state, const struct failing *failing, unsigned *made)
{
	json_t *retrier;
	size_t i;
	json_array_foreach(json_object_get(state, "Retry"), i, retrier)
		if (matches(retrier, failing))
			return made[i]++ < (unsigned)json_integer_value(json_object_get(retrier, "MaxAttempts"));
	return false;
}

/* The output behind a catcher, and where it leads; NULL if none catches. */
static json_t *caught(json_t *state, json_t *input, const struct failing *failing, const char **ret_next)
{
	json_t *catcher;
	size_t i;
	json_array_foreach(json_object_get(state, "Catch"), i, catcher) {
		if (!matches(catcher, failing))
			continue;
		*ret_next = json_string_value(json_object_get(catcher, "Next"));
		const char *cause = failing->any_cause ? "*" : failing->cause;
		return put_result(catcher, input, json_pack("{s:s, s:s}", "Error", failing->error, "Cause", cause));
	}
	return NULL;
}

static void set_failing(struct failing *failing, const char *error, const char *cause)
{
	*failing = (struct failing){ 0 };
	snprintf(failing->error, sizeof failing->error, "%s", error);
	snprintf(failing->cause, sizeof failing->cause, "%s", cause ? cause : "");
	failing->no_cause = !cause;
}

/* ---- states ------------------------------------------------------------------------------------------ */

/* The answer of startExecution.sync:2, as far as it is used: {"Output": …}. One that is not waited for may do what it will. */
static json_t *run_child(struct oracle *oracle, const char *resource, json_t *parameters, struct failing *ret_failing)
{
	if (strstr(resource, ".waitForTaskToken")) /* what the token brings */
		return json_pack("{s:O}", "n", json_object_get(json_object_get(parameters, "Input"), "n"));
	if (!strstr(resource, ".sync"))
		return json_object();
	const char *arn = json_string_value(json_object_get(parameters, "StateMachineArn"));
	unsigned index = (unsigned)(arn[strlen(arn) - 1] - 'a');
	struct verdict verdict;
	oracle_run(oracle->machines, index, json_object_get(parameters, "Input"), &verdict);
	/* One that times out may take its parent's time with it. */
	oracle->verdict->ambiguous |= verdict.ambiguous || verdict.end == VERDICT_TIMES_OUT;
	json_t *result = verdict.end == VERDICT_SUCCEEDS ? json_pack("{s:O}", "Output", verdict.output) : NULL;
	verdict_done(&verdict);
	if (!result) {
		set_failing(ret_failing, "States.TaskFailed", "");
		ret_failing->any_cause = true;
	}
	return result;
}

static json_t *run_task(struct oracle *oracle, json_t *state, json_t *input, unsigned attempt, struct failing *ret_failing)
{
	const char *resource = json_string_value(json_object_get(state, "Resource"));
	char api[64];
	if (strstr(resource, ":states:startExecution"))
		return run_child(oracle, resource, input, ret_failing);
	snprintf(api, sizeof api, "%s", strrchr(resource, ':') + 1);
	char *suffix = strstr(api, ".waitForTaskToken");
	if (suffix)
		*suffix = 0;
	struct script script = { 0 };
	script_of(api, attempt, input, &script);
	switch (script.end) {
	case SCRIPT_ANSWERS:
	case SCRIPT_BEATS:
		return script.output;
	case SCRIPT_FAILS:
	case SCRIPT_REFUSES:
		set_failing(ret_failing, script.error, script.cause);
		ret_failing->any_cause = strncmp(api, "fn-", 3) == 0; /* all that it answered */
		return NULL;
	case SCRIPT_NEVER:
		set_failing(ret_failing, "States.Timeout", NULL);
		return NULL;
	}
	return NULL;
}

static bool same_failing(const struct failing *a, const struct failing *b)
{
	return strcmp(a->error, b->error) == 0 && strcmp(a->cause, b->cause) == 0 && a->any_cause == b->any_cause && a->no_cause == b->no_cause;
}

/* Gathers what branches or iterations came to. */
struct gathering {
	json_t *outputs;
	struct failing failing;
	bool fails;
	bool differ; /* its failures do: which is seen depends on time */
};

static void gather(struct gathering *gathering, json_t *output, const struct failing *failing)
{
	if (output) {
		json_array_append_new(gathering->outputs, output);
		return;
	}
	if (gathering->fails && !same_failing(&gathering->failing, failing))
		gathering->differ = true;
	gathering->fails = true;
	gathering->failing = *failing;
}

static json_t *gathered(struct oracle *oracle, struct gathering *gathering, struct failing *ret_failing)
{
	if (!gathering->fails)
		return gathering->outputs;
	oracle->verdict->ambiguous |= gathering->differ;
	json_decref(gathering->outputs);
	*ret_failing = gathering->failing;
	return NULL;
}

static json_t *run_parallel(struct oracle *oracle, json_t *state, json_t *input, const struct item *item, struct failing *ret_failing)
{
	struct gathering gathering = { .outputs = json_array() };
	json_t *branch;
	size_t i;
	json_array_foreach(json_object_get(state, "Branches"), i, branch) {
		struct failing failing;
		gather(&gathering, run_scope(oracle, branch, input, item, &failing), &failing);
	}
	return gathered(oracle, &gathering, ret_failing);
}

/* What stands in the result for an iteration that failed, and that is tolerated. */
static json_t *tolerated(const struct failing *failing)
{
	json_t *result = json_pack("{s:s, s:s}", "Status", "FAILED", "Error", failing->error);
	if (!failing->no_cause)
		json_object_set_new(result, "Cause", json_string(failing->any_cause ? "*" : failing->cause));
	return result;
}

static json_t *run_map(struct oracle *oracle, json_t *state, json_t *input, const struct item *around, struct failing *ret_failing)
{
	struct gathering gathering = { .outputs = json_array() };
	long long tolerance = json_integer_value(json_object_get(state, "ToleratedFailureCount")), failed = 0;
	json_t *value;
	size_t i;
	json_array_foreach(at_path(input, json_string_value(json_object_get(state, "ItemsPath"))), i, value) {
		struct item item = { value, (long long)i, around->variables };
		json_t *chosen = fill_template(oracle, json_object_get(state, "ItemSelector"), input, &item);
		struct failing failing;
		json_t *output = run_scope(oracle, json_object_get(state, "ItemProcessor"), chosen, &item, &failing);
		json_decref(chosen);
		failed += !output;
		gather(&gathering, output, &failing);
		if (!output)
			json_array_append_new(gathering.outputs, tolerated(&failing));
	}
	gathering.fails = failed > tolerance; /* else all that failed stand in the result, whichever was first */
	if (tolerance && gathering.fails) {
		gathering.differ = false;
		set_failing(&gathering.failing, "States.ExceedToleratedFailureThreshold", "The specified tolerated failure threshold was exceeded");
	}
	return gathered(oracle, &gathering, ret_failing);
}

static bool holds(json_t *test, json_t *input, const struct item *item)
{
	json_t *part;
	int below;
	if ((part = json_object_get(test, "Condition")) && sscanf(json_string_value(part), "{%% $states.input.n < %d", &below) == 1)
		return json_integer_value(json_object_get(input, "n")) < below;
	size_t i;
	if ((part = json_object_get(test, "Not")))
		return !holds(part, input, item);
	json_t *all = json_object_get(test, "And"), *any = json_object_get(test, "Or");
	json_array_foreach(all ? all : any, i, part)
		if (holds(part, input, item) != !!all)
			return !all;
	if (all || any)
		return !!all;
	const char *path = json_string_value(json_object_get(test, "Variable"));
	json_t *value = variable_at(path, item), *bound;
	if (!value)
		value = at_path(input, path);
	if ((bound = json_object_get(test, "IsPresent")))
		return !!value == json_is_true(bound);
	long long number = json_integer_value(value);
	if ((bound = json_object_get(test, "NumericEquals")))
		return number == json_integer_value(bound);
	if ((bound = json_object_get(test, "NumericLessThan")))
		return number < json_integer_value(bound);
	if ((bound = json_object_get(test, "NumericGreaterThan")))
		return number > json_integer_value(bound);
	if ((bound = json_object_get(test, "NumericLessThanEquals")))
		return number <= json_integer_value(bound);
	bound = json_object_get(test, "NumericGreaterThanEquals");
	return number >= json_integer_value(bound);
}

static const char *choose(json_t *state, json_t *input, const struct item *item, struct failing *ret_failing)
{
	json_t *rule;
	size_t i;
	json_array_foreach(json_object_get(state, "Choices"), i, rule)
		if (holds(rule, input, item))
			return json_string_value(json_object_get(rule, "Next"));
	json_t *fallback = json_object_get(state, "Default");
	if (!fallback) {
		set_failing(ret_failing, "States.NoChoiceMatched", "");
		ret_failing->any_cause = true;
	}
	return json_string_value(fallback);
}

/* Task, Parallel, Map: with Parameters before and ResultSelector, ResultPath behind. */
static json_t *run_work(struct oracle *oracle, json_t *state, const char *type, json_t *input, const struct item *item, unsigned attempt,
			struct failing *ret_failing)
{
	json_t *template = json_object_get(state, "Parameters"), *selector = json_object_get(state, "ResultSelector");
	json_t *arguments = json_object_get(state, "Arguments");
	json_t *effective = arguments ? fill_jsonata(arguments, input, item) : template ? fill_template(oracle, template, input, item) : json_incref(input);
	json_t *result = strcmp(type, "Task") == 0 ? run_task(oracle, state, effective, attempt, ret_failing) :
			 strcmp(type, "Map") == 0  ? run_map(oracle, state, effective, item, ret_failing) :
						     run_parallel(oracle, state, effective, item, ret_failing);
	json_decref(effective);
	if (!result)
		return NULL;
	if (json_object_get(state, "Arguments")) { /* JSONata: merged as "r" */
		json_t *output = json_copy(input);
		json_object_set_new(output, "r", result);
		return output;
	}
	if (selector) {
		json_t *selected = fill_template(oracle, selector, result, item);
		json_decref(result);
		result = selected;
	}
	return put_result(state, input, result);
}

static json_t *run_tried(struct oracle *oracle, json_t *state, const char *type, json_t *input, const struct item *item,
			 struct failing *ret_failing, const char **ret_next)
{
	unsigned made[4] = { 0 };
	for (unsigned attempt = 0;; attempt++) {
		json_t *output = run_work(oracle, state, type, input, item, attempt, ret_failing);
		if (output)
			return output;
		if (!retries(state, ret_failing, made))
			break;
	}
	return caught(state, input, ret_failing, ret_next);
}

static json_t *run_pass(struct oracle *oracle, json_t *state, json_t *input, const struct item *item)
{
	json_t *assigned = json_object_get(state, "Assign"), *output = json_object_get(state, "Output");
	if (assigned) {
		json_t *filled = fill_template(oracle, assigned, input, item);
		json_object_update(item->variables, filled);
		json_decref(filled);
	}
	if (output)
		return fill_jsonata(output, input, item);
	json_t *result = json_object_get(state, "Result"), *template = json_object_get(state, "Parameters");
	if (result)
		return put_result(state, input, json_incref(result));
	return put_result(state, input, template ? fill_template(oracle, template, input, item) : json_incref(input));
}

static json_t *run_states(struct oracle *oracle, json_t *scope, json_t *input, const struct item *item, struct failing *ret_failing)
{
	const char *name = json_string_value(json_object_get(scope, "StartAt"));
	json_t *value = json_incref(input);
	while (name) {
		assert(++oracle->steps < STEPS_MAX);
		json_t *state = json_object_get(json_object_get(scope, "States"), name);
		const char *type = json_string_value(json_object_get(state, "Type"));
		json_t *output = NULL;
		name = json_string_value(json_object_get(state, "Next"));
		if (strcmp(type, "Pass") == 0) {
			output = run_pass(oracle, state, value, item);
		} else if (strcmp(type, "Wait") == 0 || strcmp(type, "Succeed") == 0) {
			if (json_integer_value(json_object_get(state, "Seconds")) >= 60000)
				oracle->verdict->end = VERDICT_TIMES_OUT;
			output = json_incref(value);
		} else if (strcmp(type, "Choice") == 0) {
			name = choose(state, value, item, ret_failing);
			output = name ? json_incref(value) : NULL;
		} else if (strcmp(type, "Fail") == 0) {
			set_failing(ret_failing, json_string_value(json_object_get(state, "Error")),
				    json_string_value(json_object_get(state, "Cause")));
		} else {
			output = run_tried(oracle, state, type, value, item, ret_failing, &name);
		}
		json_decref(value);
		if (!output)
			return NULL;
		value = output;
	}
	return value;
}

static json_t *run_scope(struct oracle *oracle, json_t *scope, json_t *input, const struct item *around, struct failing *ret_failing)
{
	struct item item = { around ? around->value : NULL, around ? around->index : 0, around ? json_copy(around->variables) : json_object() };
	json_t *output = run_states(oracle, scope, input, &item, ret_failing);
	json_decref(item.variables);
	return output;
}

void oracle_run(const struct machine_plan *machines, unsigned index, json_t *input, struct verdict *ret_verdict)
{
	*ret_verdict = (struct verdict){ 0 };
	struct oracle oracle = { .machines = machines, .verdict = ret_verdict, .token = json_string("token") };
	struct failing failing;
	json_t *output = run_scope(&oracle, machines[index].definition, input, NULL, &failing);
	json_decref(oracle.token);
	if (ret_verdict->end == VERDICT_TIMES_OUT) {
		json_decref(output);
	} else if (output) {
		ret_verdict->end = VERDICT_SUCCEEDS;
		ret_verdict->output = output;
	} else {
		ret_verdict->end = VERDICT_FAILS;
		ret_verdict->error = mem_strdup(failing.error);
		ret_verdict->cause = failing.any_cause ? NULL : mem_strdup(failing.cause);
	}
}

void verdict_done(struct verdict *verdict)
{
	json_decref(verdict->output);
	free(verdict->error);
	free(verdict->cause);
	*verdict = (struct verdict){ 0 };
}
