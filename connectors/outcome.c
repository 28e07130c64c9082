/* Making and reporting results. */
#include "connectors/outcome.h"
#include "base/mem.h"

void outcome_succeeded(struct outcome *outcome, struct value *output)
{
	value_unref(outcome->result.output);
	outcome->result = (struct task_result){ .end = TASK_SUCCEEDED, .output = output };
}

void outcome_failed(struct outcome *outcome, enum task_end end, struct str error)
{
	value_unref(outcome->result.output);
	outcome->result = (struct task_result){ .end = end };
	buffer_clear(&outcome->error);
	buffer_add(&outcome->error, error);
}

void outcome_report(struct outcome *outcome, struct connector_host *host, struct task_key key)
{
	if (outcome->result.end != TASK_SUCCEEDED) {
		outcome->result.error = buffer_str(&outcome->error);
		outcome->result.cause = buffer_str(&outcome->cause);
	}
	host->finished(host, key, &outcome->result);
	value_unref(outcome->result.output);
	buffer_done(&outcome->error);
	buffer_done(&outcome->cause);
	outcome->result = (struct task_result){ 0 };
}

bool progress_line(struct str line, double *ret_fraction)
{
	_cleanup_(value_unrefp) struct value *object = NULL;
	if (!line.len || line.ptr[0] != '{' ||
	    value_parse(line, &(struct value_parse_options){ .depth_max = 16 }, &object, NULL) < 0)
		return false;
	const struct value *progress = value_getz(object, "progress");
	if (!progress || !value_is(progress, VALUE_NUMBER))
		return false;
	double fraction = value_number(progress);
	*ret_fraction = fraction >= 0 && fraction <= 1 ? fraction : -1;
	return true;
}
