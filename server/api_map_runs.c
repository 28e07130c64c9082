/* api_map_runs.c: operations on map runs. Distributed Map states do not run yet, so there is never one: lists are empty, and one that is named
 * is not found. */
#include "server/api.h"

static void described(void *data, const struct engine_error *error, const struct execution_info *execution)
{
	struct api_call *call = data;
	if (error->code) {
		api_refuse_engine(call, error);
		return;
	}
	buffer_addz(&call->body, "{\"mapRuns\":[]}");
	api_answer(call);
}

void api_list_map_runs(struct api_call *call)
{
	engine_describe(call->engine, api_text(call, "executionArn"), described, call);
}

/* arn:…:mapRun:MACHINE/LABEL:UUID */
static void refuse_unknown(struct api_call *call)
{
	struct str arn = api_text(call, "mapRunArn");
	if (!str_starts(arn, STR("arn:")))
		api_refuse(call, "InvalidArn", "Invalid Arn: 'Invalid ARN prefix: %.*s'", STR_FMT(arn));
	else
		api_refuse(call, "ResourceNotFound", "Resource not found: '%.*s'", STR_FMT(arn));
}

void api_describe_map_run(struct api_call *call)
{
	refuse_unknown(call);
}

void api_update_map_run(struct api_call *call)
{
	if (!api_has(call, "maxConcurrency") && !api_has(call, "toleratedFailureCount") && !api_has(call, "toleratedFailurePercentage"))
		api_refuse(call, "ValidationException",
			   "At least one of maxConcurrency, toleratedFailureCount and toleratedFailurePercentage must be specified");
	else
		refuse_unknown(call);
}
