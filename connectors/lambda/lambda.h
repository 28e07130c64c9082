/* lambda.h: what the connector for local functions shares with the one that speaks to a Lambda API. */
#pragma once
#include "connectors/http/client.h"
#include "connectors/outcome.h"

/* A task's event, as its function gets it. Borrowed from the request. */
struct str lambda_event(const struct task_request *request);

/* Makes the outcome of an Invoke answer; `response` NULL: there is no such function. `plain`: the payload is the result, as
 * with a function's ARN as the resource; else it is wrapped, as with lambda:invoke. */
void lambda_outcome(bool plain, const char *function, const struct http_response *response, struct outcome *outcome);
