/* generate.c: workflows at random, always valid.
 *
 * A scope is a row of steps; each becomes one to three states and goes on to the step behind it, or by Choice and Catch to any later one, so
 * that only the bounded loops go back. What flows through is an object with a whole number `n`; results land beside it ("$.r"), replace it, or
 * are dropped, and every Parallel, Map and Task narrows its input to `n`, so that documents stay small however deep they nest. */
#include "tests/simulation/sim.h"
#include <string.h>

#define STEPS_MAX 5
#define DEPTH_MAX 3

struct maker {
	struct random *plan;
	unsigned names;
	bool bulky, functions;
	int budget; /* states that may still be made */
	unsigned index, count; /* this machine, and how many there are */
	bool express, express_last; /* this one is Express; the last one is */
	bool assigned[DEPTH_MAX + 1]; /* the scope at this depth around has a variable, "$v0" … */
};

static unsigned draw(struct maker *maker, unsigned below)
{
	return (unsigned)random_below(maker->plan, below);
}

static bool one_in(struct maker *maker, unsigned n)
{
	return draw(maker, n) == 0;
}

static char *new_name(struct maker *maker)
{
	return mem_printf("S%u", ++maker->names);
}

/* Where a step goes: `next` is NULL at the end of its scope. */
static void go_on(json_t *state, const char *next)
{
	if (next)
		json_object_set_new(state, "Next", json_string(next));
	else
		json_object_set_new(state, "End", json_true());
}

static void put(json_t *states, const char *name, json_t *state)
{
	json_object_set_new(states, name, state);
}

static json_t *narrowed(void)
{
	return json_pack("{s:s}", "n.$", "$.n");
}

/* "$v0" …, of this scope or one around it, if there is one. */
static bool pick_variable(struct maker *maker, unsigned depth, char ret_name[8])
{
	unsigned at = draw(maker, depth + 1);
	snprintf(ret_name, 8, "$v%u", at);
	return maker->assigned[at];
}

/* ---- Retry and Catch --------------------------------------------------------------------------- */

static json_t *some_errors(struct maker *maker)
{
	static const char *const sets[][3] = { { "States.ALL" }, { "States.TaskFailed" }, { "States.Timeout" }, { "Sim.Flaky" },
					       { "Sim.A", "Sim.Odd" }, { "Sim.Flaky", "Sim.B", "States.Timeout" }, { "Sim.Called" } };
	const char *const *set = sets[draw(maker, sizeof sets / sizeof *sets)];
	json_t *errors = json_array();
	for (unsigned i = 0; i < 3 && set[i]; i++)
		json_array_append_new(errors, json_string(set[i]));
	return errors;
}

static bool is_all(json_t *errors)
{
	return strcmp(json_string_value(json_array_get(errors, 0)), "States.ALL") == 0;
}

static void add_retry(struct maker *maker, json_t *state)
{
	json_t *retriers = json_array();
	for (unsigned i = 1 + draw(maker, 2); i; i--) {
		json_t *errors = some_errors(maker);
		bool last = is_all(errors);
		json_t *retrier = json_pack("{s:o, s:i, s:i}", "ErrorEquals", errors, "IntervalSeconds", 1 + (int)draw(maker, 15),
					    "MaxAttempts", (int)draw(maker, 4));
		if (one_in(maker, 2))
			json_object_set_new(retrier, "BackoffRate", json_real(1.0 + 0.5 * draw(maker, 3)));
		if (one_in(maker, 3))
			json_object_set_new(retrier, "MaxDelaySeconds", json_integer(30));
		if (one_in(maker, 3))
			json_object_set_new(retrier, "JitterStrategy", json_string("FULL"));
		json_array_append_new(retriers, retrier);
		if (last)
			break;
	}
	json_object_set_new(state, "Retry", retriers);
}

static void add_catch(struct maker *maker, json_t *state, const char *const *later, unsigned later_count)
{
	json_t *catchers = json_array();
	for (unsigned i = 1 + draw(maker, 2); i; i--) {
		json_t *errors = one_in(maker, 2) ? json_pack("[s]", "States.ALL") : some_errors(maker);
		bool last = is_all(errors);
		json_t *catcher = json_pack("{s:o, s:s}", "ErrorEquals", errors, "Next", later[draw(maker, later_count)]);
		if (one_in(maker, 4))
			json_object_set_new(catcher, "ResultPath", json_null());
		else
			json_object_set_new(catcher, "ResultPath", json_string("$.e"));
		json_array_append_new(catchers, catcher);
		if (last)
			break;
	}
	json_object_set_new(state, "Catch", catchers);
}

static void add_handlers(struct maker *maker, json_t *state, const char *const *later, unsigned later_count)
{
	if (one_in(maker, 2))
		add_retry(maker, state);
	if (later_count && draw(maker, 10) < 6)
		add_catch(maker, state, later, later_count);
}

/* What of a result is kept, and where. `object`: it is an object with an n. */
static void add_result(struct maker *maker, json_t *state, bool object)
{
	if (object && one_in(maker, 4))
		json_object_set_new(state, "ResultSelector", narrowed());
	if (object && one_in(maker, 3))
		return;
	if (one_in(maker, 5))
		json_object_set_new(state, "ResultPath", json_null());
	else
		json_object_set_new(state, "ResultPath", json_string(one_in(maker, 3) ? "$.q" : "$.r"));
}

/* ---- steps ------------------------------------------------------------------------------------------ */

static json_t *make_scope(struct maker *maker, unsigned depth);

struct step {
	json_t *states;
	const char *name, *next; /* next NULL: the scope ends behind it */
	const char *const *later; /* the names of the steps behind it */
	unsigned later_count, depth;
};

static void make_pass(struct maker *maker, const struct step *step)
{
	json_t *state = json_pack("{s:s}", "Type", "Pass");
	char variable[8];
	switch (draw(maker, 6)) {
	case 5:
		if (maker->assigned[step->depth]) {
			snprintf(variable, sizeof variable, "v%u.$", step->depth);
			json_object_set_new(state, "Assign", json_pack("{s:s}", variable, "$.n"));
		}
		break;
	case 4:
		if (pick_variable(maker, step->depth, variable)) {
			json_object_set_new(state, "Parameters", json_pack("{s:s}", "n.$", variable));
			json_object_set_new(state, "ResultPath", json_string(one_in(maker, 2) ? "$.p" : "$"));
		}
		break;
	case 0:
		json_object_set_new(state, "Result", json_pack("{s:i, s:s}", "n", (int)draw(maker, 6), "k", "v"));
		if (one_in(maker, 2))
			json_object_set_new(state, "ResultPath", json_string("$.p"));
		break;
	case 1:
		json_object_set_new(state, "Parameters", json_pack("{s:s, s:[s,i]}", "n.$", "$.n", "fixed", "a", 1));
		break;
	case 2:
		json_object_set_new(state, "Parameters", narrowed());
		json_object_set_new(state, "ResultPath", json_string("$.p"));
		break;
	case 3:
		break;
	}
	go_on(state, step->next);
	put(step->states, step->name, state);
}

/* The same in JSONata: its own narrowing, sums, and where a result goes. */
static void make_jsonata(struct maker *maker, const struct step *step)
{
	json_t *state;
	char variable[8], text[60];
	if (one_in(maker, 2)) {
		if (pick_variable(maker, step->depth, variable) && one_in(maker, 2))
			snprintf(text, sizeof text, "{%% %s + %u %%}", variable, draw(maker, 4));
		else
			snprintf(text, sizeof text, "{%% $states.input.n + %u %%}", draw(maker, 4));
		state = json_pack("{s:s, s:s, s:{s:s, s:s}}", "Type", "Pass", "QueryLanguage", "JSONata", "Output", "n", "{% $states.input.n + 0 %}", "q", text);
	} else {
		state = json_pack("{s:s, s:s, s:s, s:{s:s}, s:s}", "Type", "Task", "QueryLanguage", "JSONata", "Resource", "arn:ratchet:sim:::add",
				  "Arguments", "n", "{% $states.input.n + 0 %}", "Output", "{% $merge([$states.input, {'r': $states.result}]) %}");
	}
	go_on(state, step->next);
	put(step->states, step->name, state);
}

static void make_task(struct maker *maker, const struct step *step)
{
	static const char *const apis[] = { "echo", "echo", "add", "add", "add", "flaky-1", "flaky-2", "odd", "fail-a", "fail-b", "refuse",
					    "never", "silent", "beat", "token", "token", "token-fail", "bulk", "blob" };
	const char *api = maker->bulky && one_in(maker, 2) ? "bulk" : apis[draw(maker, sizeof apis / sizeof *apis)];
	if (maker->express && strncmp(api, "token", 5) == 0)
		api = "add";
	bool token = strncmp(api, "token", 5) == 0;
	bool lambda = !token && one_in(maker, 6);
	char *resource = lambda ? mem_printf("arn:aws:lambda:us-east-1:000000000000:function:%s", api) :
				  mem_printf("arn:ratchet:sim:::%s%s", api, token ? ".waitForTaskToken" : "");
	json_t *state = json_pack("{s:s, s:s}", "Type", "Task", "Resource", resource);
	free(resource);
	if (token)
		json_object_set_new(state, "Parameters", json_pack("{s:s, s:o}", "token.$", "$$.Task.Token", "in", narrowed()));
	else
		json_object_set_new(state, "Parameters", narrowed());
	if (strcmp(api, "never") == 0)
		json_object_set_new(state, "TimeoutSeconds", json_integer(3 + draw(maker, 60)));
	if (strcmp(api, "silent") == 0 || strcmp(api, "beat") == 0) {
		json_object_set_new(state, "TimeoutSeconds", json_integer(9000));
		json_object_set_new(state, "HeartbeatSeconds", json_integer(api[0] == 's' ? 20 : 900));
	} else if (one_in(maker, 6) && strcmp(api, "never") != 0) {
		json_object_set_new(state, "TimeoutSeconds", json_integer(9000));
	}
	add_result(maker, state, !token);
	add_handlers(maker, state, step->later, step->later_count);
	go_on(state, step->next);
	put(step->states, step->name, state);
}

/* An execution of a later machine. That the store could not be read or written for a while is no failure of it. */
static void make_child(struct maker *maker, const struct step *step)
{
	static const char *const resources[] = { ".sync:2", ".sync:2", ".sync", "", ".waitForTaskToken" };
	unsigned pattern = draw(maker, 5), target = maker->index + 1 + draw(maker, maker->count - maker->index - 1);
	if (maker->express_last && target == maker->count - 1)
		pattern = 3; /* nobody can wait for it */
	char *arn = mem_printf("arn:aws:states:us-east-1:000000000000:stateMachine:machine-%c", 'a' + target);
	char *resource = mem_printf("arn:aws:states:::states:startExecution%s", resources[pattern]);
	json_t *state = json_pack("{s:s, s:s, s:{s:s, s:{s:s, s:i}}}", "Type", "Task", "Resource", resource, "Parameters", "StateMachineArn", arn, "Input",
				  "n.$", "$.n", "child", 1);
	if (pattern == 4) { /* its token goes along, and somebody uses it */
		json_object_set_new(json_object_get(json_object_get(state, "Parameters"), "Input"), "token.$", json_string("$$.Task.Token"));
		json_object_set_new(state, "ResultPath", json_string("$.r"));
	} else if (pattern < 2) {
		json_object_set_new(state, "ResultSelector", json_pack("{s:s}", "n.$", "$.Output.n"));
		json_object_set_new(state, "ResultPath", json_string("$.r"));
	} else {
		json_object_set_new(state, "ResultPath", json_null());
	}
	free(resource);
	free(arn);
	if (step->later_count && draw(maker, 10) < 6)
		add_catch(maker, state, step->later, step->later_count);
	go_on(state, step->next);
	put(step->states, step->name, state);
}

/* A worker fetches it. One that is lost with its worker times out, and is done again until it is done. */
static void make_activity(struct maker *maker, const struct step *step)
{
	json_t *state = json_pack("{s:s, s:s, s:i, s:o, s:[{s:[s], s:i, s:i, s:f}]}", "Type", "Task", "Resource",
				  "arn:aws:states:us-east-1:000000000000:activity:work", "TimeoutSeconds", 100, "Parameters", narrowed(), "Retry",
				  "ErrorEquals", "States.Timeout", "IntervalSeconds", 1 + (int)draw(maker, 5), "MaxAttempts", 1000, "BackoffRate", 1.0);
	add_result(maker, state, true);
	go_on(state, step->next);
	put(step->states, step->name, state);
}

/* A function of ours. That its worker could not begin, crashed or was too slow is no failure of it. */
static void make_function(struct maker *maker, const struct step *step)
{
	static const char *const names[] = { "fn-echo", "fn-add", "fn-odd" };
	char *arn = mem_printf("arn:aws:lambda:us-east-1:000000000000:function:%s", names[draw(maker, 3)]);
	json_t *state = json_pack("{s:s, s:s, s:o, s:[{s:[s,s,s,s,s], s:i, s:i, s:f}]}", "Type", "Task", "Resource", arn, "Parameters", narrowed(), "Retry",
				  "ErrorEquals", "Runtime.ExitError", "Runtime.StartFailed", "Runtime.InvalidEntrypoint", "Sandbox.Timedout",
				  "Lambda.TooManyRequestsException", "IntervalSeconds", 2 + (int)draw(maker, 10), "MaxAttempts", 1000, "BackoffRate", 1.0);
	free(arn);
	add_result(maker, state, true);
	if (step->later_count && one_in(maker, 2))
		add_catch(maker, state, step->later, step->later_count);
	go_on(state, step->next);
	put(step->states, step->name, state);
}

static void make_wait(struct maker *maker, const struct step *step)
{
	static const int seconds[] = { 1, 2, 3, 7, 20, 65, 90, 300 };
	json_t *state = json_pack("{s:s}", "Type", "Wait");
	if (one_in(maker, 5))
		json_object_set_new(state, "SecondsPath", json_string("$.n"));
	else
		json_object_set_new(state, "Seconds", json_integer(seconds[draw(maker, 8)]));
	go_on(state, step->next);
	put(step->states, step->name, state);
}

static json_t *make_test(struct maker *maker, unsigned depth, const struct step *step)
{
	char variable[8];
	static const char *const operators[] = { "NumericEquals", "NumericLessThan", "NumericGreaterThan", "NumericLessThanEquals",
						 "NumericGreaterThanEquals" };
	switch (depth ? draw(maker, 7) : 5) {
	case 0:
		return json_pack("{s:[o,o]}", "And", make_test(maker, depth - 1, step), make_test(maker, depth - 1, step));
	case 1:
		return json_pack("{s:[o,o]}", "Or", make_test(maker, depth - 1, step), make_test(maker, depth - 1, step));
	case 2:
		return json_pack("{s:o}", "Not", make_test(maker, depth - 1, step));
	case 3:
		return json_pack("{s:s, s:b}", "Variable", "$.e", "IsPresent", (int)draw(maker, 2));
	case 4:
		if (pick_variable(maker, step->depth, variable))
			return json_pack("{s:s, s:i}", "Variable", variable, operators[draw(maker, 5)], (int)draw(maker, 6));
		/* fall through */
	default:
		return json_pack("{s:s, s:i}", "Variable", "$.n", operators[draw(maker, 5)], (int)draw(maker, 6));
	}
}

static void make_choice(struct maker *maker, const struct step *step)
{
	if (!step->later_count) {
		make_pass(maker, step);
		return;
	}
	json_t *rules = json_array();
	bool jsonata = one_in(maker, 4);
	for (unsigned i = 1 + draw(maker, 3); i; i--) {
		char text[40];
		snprintf(text, sizeof text, "{%% $states.input.n < %u %%}", draw(maker, 6));
		json_t *rule = jsonata ? json_pack("{s:s}", "Condition", text) : make_test(maker, 2, step);
		json_object_set_new(rule, "Next", json_string(step->later[draw(maker, step->later_count)]));
		json_array_append_new(rules, rule);
	}
	json_t *state = json_pack("{s:s, s:o}", "Type", "Choice", "Choices", rules);
	if (jsonata)
		json_object_set_new(state, "QueryLanguage", json_string("JSONata"));
	if (!one_in(maker, 12)) /* without: States.NoChoiceMatched, perhaps */
		json_object_set_new(state, "Default", json_string(step->later[draw(maker, step->later_count)]));
	put(step->states, step->name, state);
}

/* Counts in "$.c" up to a bound. */
static void make_loop(struct maker *maker, const struct step *step)
{
	char *body = new_name(maker), *check = new_name(maker), *after = new_name(maker);
	json_t *init = json_pack("{s:s, s:{s:i}, s:s, s:s}", "Type", "Pass", "Result", "n", 0, "ResultPath", "$.c", "Next", body);
	json_t *task = json_pack("{s:s, s:s, s:{s:s}, s:s, s:s}", "Type", "Task", "Resource",
				 maker->bulky ? "arn:ratchet:sim:::add" : "arn:ratchet:sim:::add", "Parameters", "n.$", "$.c.n", "ResultPath",
				 "$.c", "Next", check);
	json_t *test = json_pack("{s:s, s:[{s:s, s:i, s:s}], s:s}", "Type", "Choice", "Choices", "Variable", "$.c.n", "NumericLessThan",
				 2 + (int)draw(maker, maker->bulky ? 12 : 4), "Next", body, "Default", after);
	json_t *end = json_pack("{s:s}", "Type", "Pass");
	go_on(end, step->next);
	put(step->states, step->name, init);
	put(step->states, body, task);
	put(step->states, check, test);
	put(step->states, after, end);
	free(body);
	free(check);
	free(after);
}

static void make_parallel(struct maker *maker, const struct step *step)
{
	json_t *branches = json_array();
	for (unsigned i = 2 + draw(maker, 2); i; i--)
		json_array_append_new(branches, make_scope(maker, step->depth + 1));
	json_t *state = json_pack("{s:s, s:o, s:o}", "Type", "Parallel", "Branches", branches, "Parameters", narrowed());
	add_result(maker, state, false);
	add_handlers(maker, state, step->later, step->later_count);
	go_on(state, step->next);
	put(step->states, step->name, state);
}

static void make_map(struct maker *maker, const struct step *step)
{
	char *map = new_name(maker);
	json_t *items = json_array();
	for (unsigned i = draw(maker, 7); i; i--)
		json_array_append_new(items, json_integer(draw(maker, 6)));
	put(step->states, step->name, json_pack("{s:s, s:o, s:s, s:s}", "Type", "Pass", "Result", items, "ResultPath", "$.items", "Next", map));
	json_t *state = json_pack("{s:s, s:s, s:{s:s, s:s}, s:o, s:i}", "Type", "Map", "ItemsPath", "$.items", "ItemSelector", "n.$",
				  "$$.Map.Item.Value", "i.$", "$$.Map.Item.Index", "ItemProcessor", make_scope(maker, step->depth + 1),
				  "MaxConcurrency", (int)draw(maker, 4));
	if (one_in(maker, 4))
		json_object_set_new(state, "ToleratedFailureCount", json_integer(1 + draw(maker, 2)));
	add_result(maker, state, false);
	add_handlers(maker, state, step->later, step->later_count);
	go_on(state, step->next);
	put(step->states, map, state);
	free(map);
}

static void make_end(struct maker *maker, const struct step *step)
{
	if (one_in(maker, 2))
		put(step->states, step->name, json_pack("{s:s}", "Type", "Succeed"));
	else
		put(step->states, step->name,
		    json_pack("{s:s, s:s, s:s}", "Type", "Fail", "Error", one_in(maker, 2) ? "Sim.A" : "Sim.End", "Cause", "as written"));
}

static void make_step(struct maker *maker, const struct step *step)
{
	bool nests = step->depth < DEPTH_MAX && maker->budget > 0;
	maker->budget--;
	unsigned kind = draw(maker, 20);
	if (!step->next && one_in(maker, 5))
		make_end(maker, step);
	else if (kind < 4 && maker->functions)
		make_function(maker, step);
	else if (kind < 5)
		make_task(maker, step);
	else if (kind < 7 && maker->index + 1 < maker->count)
		make_child(maker, step);
	else if (kind < 8 && !maker->express)
		make_activity(maker, step);
	else if (kind < 9)
		make_jsonata(maker, step);
	else if (kind < 10)
		make_pass(maker, step);
	else if (kind < 12)
		make_wait(maker, step);
	else if (kind < 14)
		make_choice(maker, step);
	else if (kind < 15)
		make_loop(maker, step);
	else if (nests && kind < 18)
		make_parallel(maker, step);
	else if (nests)
		make_map(maker, step);
	else
		make_task(maker, step);
}

static void reach(json_t *states, json_t *reached, const char *name)
{
	if (!name || json_object_get(reached, name))
		return;
	json_t *state = json_object_get(states, name), *way;
	json_object_set(reached, name, state);
	reach(states, reached, json_string_value(json_object_get(state, "Next")));
	reach(states, reached, json_string_value(json_object_get(state, "Default")));
	size_t i;
	json_array_foreach(json_object_get(state, "Choices"), i, way)
		reach(states, reached, json_string_value(json_object_get(way, "Next")));
	json_array_foreach(json_object_get(state, "Catch"), i, way)
		reach(states, reached, json_string_value(json_object_get(way, "Next")));
}

/* What a Choice always passes over would make the definition invalid. */
static void drop_unreachable(json_t *states, const char *first)
{
	json_t *reached = json_object();
	reach(states, reached, first);
	json_object_clear(states);
	json_object_update(states, reached);
	json_decref(reached);
}

static json_t *make_scope(struct maker *maker, unsigned depth)
{
	json_t *states = json_object();
	maker->assigned[depth] = one_in(maker, 3);
	unsigned count = 1 + draw(maker, depth ? STEPS_MAX - 2 : STEPS_MAX);
	char *names[STEPS_MAX];
	for (unsigned i = 0; i < count; i++)
		names[i] = new_name(maker);
	for (unsigned i = 0; i < count; i++) {
		struct step step = { .states = states, .name = names[i], .next = i + 1 < count ? names[i + 1] : NULL,
				     .later = (const char *const *)names + i + 1, .later_count = count - i - 1, .depth = depth };
		make_step(maker, &step);
	}
	drop_unreachable(states, names[0]);
	char *first = maker->assigned[depth] ? new_name(maker) : mem_strdup(names[0]);
	if (maker->assigned[depth]) {
		char variable[8];
		snprintf(variable, sizeof variable, "v%u.$", depth);
		put(states, first, json_pack("{s:s, s:{s:s}, s:s}", "Type", "Pass", "Assign", variable, "$.n", "Next", names[0]));
	}
	maker->assigned[depth] = false;
	json_t *scope = json_pack("{s:s, s:o}", "StartAt", first, "States", states);
	free(first);
	for (unsigned i = 0; i < count; i++)
		free(names[i]);
	return scope;
}

static bool has_open_end(json_t *machine)
{
	const char *name;
	json_t *state;
	json_object_foreach(json_object_get(machine, "States"), name, state)
		if (json_object_get(state, "End"))
			return true;
	return false;
}

json_t *generate_machine(struct random *plan, bool bulky, bool functions, unsigned index, unsigned count, bool express_last)
{
	struct maker maker = { .plan = plan, .bulky = bulky, .functions = functions, .budget = 14, .index = index, .count = count, .express_last = express_last,
			       .express = express_last && index == count - 1 };
	json_t *machine = make_scope(&maker, 0);
	if (!functions && one_in(&maker, 10) && has_open_end(machine)) { /* pools are looked after every second */
		/* Whatever it does first, it then waits beyond the time it has. */
		json_t *states = json_object_get(machine, "States");
		const char *name;
		json_t *state;
		json_object_foreach(states, name, state) {
			if (json_object_get(state, "End")) {
				json_object_del(state, "End");
				json_object_set_new(state, "Next", json_string("Last"));
			}
		}
		put(states, "Last", json_pack("{s:s, s:i, s:b}", "Type", "Wait", "Seconds", 60000, "End", 1));
		json_object_set_new(machine, "TimeoutSeconds", json_integer(40000));
	}
	return machine;
}

json_t *generate_revision(json_t *machine, unsigned number, bool before)
{
	json_t *revision = json_deep_copy(machine), *states = json_object_get(revision, "States"), *state;
	char name[16];
	const char *key;
	snprintf(name, sizeof name, "%c%u", before ? 'F' : 'T', number);
	json_object_set_new(revision, "Comment", json_string(name)); /* it may have no end but a Succeed */
	if (before) {
		put(states, name, json_pack("{s:s, s:O}", "Type", "Pass", "Next", json_object_get(revision, "StartAt")));
		json_object_set_new(revision, "StartAt", json_string(name));
	} else if (has_open_end(revision)) {
		json_object_foreach(states, key, state) {
			if (json_object_del(state, "End") == 0)
				json_object_set_new(state, "Next", json_string(name));
		}
		put(states, name, json_pack("{s:s, s:b}", "Type", "Pass", "End", 1));
	}
	return revision;
}

json_t *generate_input(struct random *plan, bool bulky)
{
	json_t *input = json_pack("{s:i}", "n", (int)random_below(plan, 6));
	if (bulky || random_below(plan, 10) == 0) {
		char text[400];
		memset(text, 'i', sizeof text - 1);
		text[sizeof text - 1] = 0;
		json_object_set_new(input, "text", json_string(text));
	}
	return input;
}
