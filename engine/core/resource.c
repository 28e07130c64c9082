/* resource.c: what an ARN says of how its task is run, and which events such tasks leave.
 *
 *     arn:PARTITION:lambda:REGION:ACCOUNT:function:NAME      LambdaFunction…
 *     arn:PARTITION:states:REGION:ACCOUNT:activity:NAME      Activity…
 *     arn:PARTITION:states:::SERVICE:API[.PATTERN]           Task…
 *     arn:ratchet:CONNECTOR:::NAME[.PATTERN]                 Task…
 *
 * The compiler has parsed the definition's ARNs already; this reads those that the history kept, which may be of an
 * older definition. */
#include "engine/core/step.h"

static const struct {
	struct str suffix;
	enum integration_pattern pattern;
} patterns[] = {
	{ STR(".waitForTaskToken"), PATTERN_WAIT_FOR_TASK_TOKEN },
	{ STR(".sync:2"), PATTERN_SYNC2 },
	{ STR(".sync"), PATTERN_SYNC },
};

/* Splits off what stands before the next colon. */
static bool next_part(struct str *rest, struct str *ret_part)
{
	const char *colon = rest->len ? memchr(rest->ptr, ':', rest->len) : NULL;
	if (!colon)
		return false;
	*ret_part = str_sub(*rest, 0, (size_t)(colon - rest->ptr));
	*rest = str_sub(*rest, ret_part->len + 1, rest->len);
	return true;
}

bool resource_parse(struct str arn, struct resource *ret_resource)
{
	struct str rest = arn, scheme, partition, service, region, account;
	if (!str_starts(arn, STR("arn:")) && memmem(arn.ptr, arn.len, "${", 2)) {
		/* A function whose ARN a deployment would have filled in. */
		*ret_resource = (struct resource){ .kind = RESOURCE_LAMBDA_ARN, .arn = arn, .type = STR("lambda"), .name = arn, .api = arn };
		return true;
	}
	if (!next_part(&rest, &scheme) || !next_part(&rest, &partition) || !next_part(&rest, &service) ||
	    !next_part(&rest, &region) || !next_part(&rest, &account) || !str_eqz(scheme, "arn"))
		return false;
	struct resource resource = { .arn = arn, .pattern = PATTERN_REQUEST_RESPONSE };
	if (str_eqz(partition, "ratchet")) {
		resource.kind = RESOURCE_RATCHET;
		resource.type = service;
	} else if (str_eqz(service, "lambda")) {
		resource.kind = RESOURCE_LAMBDA_ARN;
		resource.type = service;
	} else if (account.len) {
		resource.kind = RESOURCE_ACTIVITY;
		resource.type = STR("activity");
	} else {
		resource.kind = RESOURCE_SERVICE;
		for (unsigned i = 0;
		     i < sizeof patterns / sizeof *patterns && resource.pattern == PATTERN_REQUEST_RESPONSE; i++)
			if (str_ends(rest, patterns[i].suffix))
				resource.pattern = patterns[i].pattern;
		/* The last colon but that of ".sync:2" parts service and call. */
		size_t end = rest.len - (resource.pattern == PATTERN_SYNC2 ? 2 : 0), colon = end;
		while (colon && rest.ptr[colon - 1] != ':')
			colon--;
		if (!colon)
			return false;
		resource.type = str_sub(rest, 0, colon - 1);
		rest = str_sub(rest, colon, rest.len);
	}
	resource.name = resource.api = rest;
	for (unsigned i = 0; i < sizeof patterns / sizeof *patterns; i++)
		if (resource.kind != RESOURCE_LAMBDA_ARN && resource.kind != RESOURCE_ACTIVITY &&
		    str_ends(rest, patterns[i].suffix)) {
			resource.pattern = patterns[i].pattern;
			resource.api = str_sub(rest, 0, rest.len - patterns[i].suffix.len);
			break;
		}
	*ret_resource = resource;
	return true;
}

static const struct task_events service_events = {
	EVENT_TASK_SCHEDULED, EVENT_TASK_STARTED,   EVENT_TASK_SUCCEEDED,
	EVENT_TASK_FAILED,    EVENT_TASK_TIMED_OUT, EVENT_TASK_START_FAILED
};
static const struct task_events lambda_events = {
	EVENT_LAMBDA_FUNCTION_SCHEDULED, EVENT_LAMBDA_FUNCTION_STARTED,   EVENT_LAMBDA_FUNCTION_SUCCEEDED,
	EVENT_LAMBDA_FUNCTION_FAILED,    EVENT_LAMBDA_FUNCTION_TIMED_OUT, EVENT_LAMBDA_FUNCTION_SCHEDULE_FAILED
};
static const struct task_events activity_events = { EVENT_ACTIVITY_SCHEDULED, EVENT_ACTIVITY_STARTED,
						    EVENT_ACTIVITY_SUCCEEDED, EVENT_ACTIVITY_FAILED,
						    EVENT_ACTIVITY_TIMED_OUT, EVENT_ACTIVITY_SCHEDULE_FAILED };

const struct task_events *resource_events(enum resource_kind kind)
{
	switch (kind) {
	case RESOURCE_LAMBDA_ARN:
		return &lambda_events;
	case RESOURCE_ACTIVITY:
		return &activity_events;
	case RESOURCE_SERVICE:
	case RESOURCE_RATCHET:
		break;
	}
	return &service_events;
}
