/* script.c: what tasks do, by the name of their resource: a function of (name, attempt, parameters), so that a task that is run again after
 * a crash does the same, and the oracle knows the answer. */
#include "tests/simulation/sim.h"
#include <string.h>

static void fails(struct script *script, const char *error)
{
	script->end = SCRIPT_FAILS;
	snprintf(script->error, sizeof script->error, "%s", error);
	snprintf(script->cause, sizeof script->cause, "as scripted");
}

static json_t *with_next_n(json_t *parameters)
{
	json_t *output = json_deep_copy(parameters);
	if (json_is_object(output))
		json_object_set_new(output, "n", json_integer(json_integer_value(json_object_get(parameters, "n")) + 1));
	return output;
}

static json_t *with_text(json_t *parameters, size_t bytes)
{
	json_t *output = json_deep_copy(parameters);
	/* Not the same for each: equal payloads would be kept once. */
	char *text = mem_printf("%0*lld", (int)bytes, (long long)json_integer_value(json_object_get(parameters, "n")));
	json_object_set_new(output, "text", json_string(text));
	free(text);
	return output;
}

void script_of(const char *api, unsigned attempt, json_t *parameters, struct script *ret_script)
{
	struct script script = { .end = SCRIPT_ANSWERS };
	unsigned until;
	if (strncmp(api, "fn-", 3) == 0) /* functions do what tasks do */
		api += 3;
	if (strcmp(api, "echo") == 0) {
		script.output = json_incref(parameters);
	} else if (strcmp(api, "add") == 0 || strcmp(api, "work") == 0) {
		script.output = with_next_n(parameters);
	} else if (strcmp(api, "bulk") == 0) {
		script.output = with_text(parameters, 3000);
	} else if (strcmp(api, "blob") == 0) {
		script.output = with_text(parameters, 20000);
	} else if (sscanf(api, "flaky-%u", &until) == 1) {
		if (attempt < until)
			fails(&script, "Sim.Flaky");
		else
			script.output = with_next_n(parameters);
	} else if (strcmp(api, "odd") == 0) {
		if (json_integer_value(json_object_get(parameters, "n")) % 2)
			fails(&script, "Sim.Odd");
		else
			script.output = json_incref(parameters);
	} else if (strcmp(api, "fail-a") == 0) {
		fails(&script, "Sim.A");
	} else if (strcmp(api, "fail-b") == 0) {
		fails(&script, "Sim.B");
	} else if (strcmp(api, "refuse") == 0) {
		fails(&script, "Sim.StartFailed");
		script.end = SCRIPT_REFUSES;
	} else if (strcmp(api, "beat") == 0) {
		script.end = SCRIPT_BEATS;
		script.output = json_incref(parameters);
	} else if (strcmp(api, "token") == 0) {
		script.by_token = true;
		script.output = json_pack("{s:O}", "called", json_object_get(parameters, "in"));
	} else if (strcmp(api, "token-fail") == 0) {
		script.by_token = true;
		fails(&script, "Sim.Called");
	} else {
		script.end = SCRIPT_NEVER;
	}
	*ret_script = script;
}
