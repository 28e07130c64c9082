/* resource.c: what a Task's Resource names.
 *
 * One table holds the services that AWS calls "optimized": which actions they have and in which patterns;
 * `aws-sdk:SERVICE:ACTION` is taken for any service. Whether a connector for it is there is known only when the task
 * runs.
 *
 * Definitions in repositories often hold `${Name}` in the place of what a deployment fills in. Such a piece is taken as
 * one opaque word, so that these definitions can be checked, drawn and run with local functions. */
#include "dsl/compile.h"

enum {
	RR = 1 << PATTERN_REQUEST_RESPONSE,
	SYNC = 1 << PATTERN_SYNC,
	SYNC2 = 1 << PATTERN_SYNC2,
	TOKEN = 1 << PATTERN_WAIT_FOR_TASK_TOKEN,
};

static const struct service_row {
	const char *service;
	const char *actions; /* between blanks */
	unsigned patterns;
} services[] = {
	{ "lambda", " invoke ", RR | TOKEN },
	{ "sns", " publish ", RR | TOKEN },
	{ "sqs", " sendMessage ", RR | TOKEN },
	{ "dynamodb", " getItem putItem deleteItem updateItem ", RR },
	{ "events", " putEvents ", RR | TOKEN },
	{ "states", " startExecution ", RR | SYNC | SYNC2 | TOKEN },
	{ "http", " invoke ", RR },
	{ "apigateway", " invoke ", RR | TOKEN },
	{ "batch", " submitJob ", RR | SYNC },
	{ "ecs", " runTask ", RR | SYNC | TOKEN },
	{ "codebuild", " startBuild startBuildBatch ", RR | SYNC },
	{ "codebuild",
	  " stopBuild batchDeleteBuilds batchGetReports stopBuildBatch retryBuild retryBuildBatch deleteBuildBatch ",
	  RR },
	{ "glue", " startJobRun ", RR | SYNC },
	{ "databrew", " startJobRun ", RR | SYNC },
	{ "athena", " startQueryExecution ", RR | SYNC },
	{ "athena", " stopQueryExecution getQueryExecution getQueryResults ", RR },
	{ "sagemaker",
	  " createTrainingJob createTransformJob createHyperParameterTuningJob createLabelingJob createProcessingJob "
	  "createAutoMLJob ",
	  RR | SYNC },
	{ "sagemaker", " createModel createEndpoint createEndpointConfig updateEndpoint ", RR },
	{ "elasticmapreduce", " createCluster addStep terminateCluster ", RR | SYNC },
	{ "elasticmapreduce",
	  " setClusterTerminationProtection cancelStep modifyInstanceFleetByName modifyInstanceGroupByName ", RR },
	{ "emr-containers", " createVirtualCluster deleteVirtualCluster startJobRun ", RR | SYNC },
	{ "emr-serverless",
	  " createApplication startApplication stopApplication deleteApplication startJobRun cancelJobRun ",
	  RR | SYNC },
	{ "eks", " call ", RR },
	{ "eks",
	  " runJob createCluster deleteCluster createNodegroup deleteNodegroup createFargateProfile "
	  "deleteFargateProfile ",
	  RR | SYNC },
	{ "mediaconvert", " createJob ", RR | SYNC },
	{ "bedrock", " invokeModel ", RR },
	{ "bedrock", " createModelCustomizationJob ", RR | SYNC },
	{ "s3", " getObject putObject listObjectsV2 ", RR },
};

/* Whether every character is one of letters, digits and `others`; "${…}" counts as one good character. */
static bool is_word(struct str text, const char *others)
{
	for (size_t i = 0; i < text.len; i++) {
		char ch = text.ptr[i];
		const char *close = ch == '$' && i + 1 < text.len && text.ptr[i + 1] == '{'
					? memchr(text.ptr + i, '}', text.len - i)
					: NULL;
		if (close) {
			i = (size_t)(close - text.ptr);
			continue;
		}
		bool alnum = (unsigned)((ch | 0x20) - 'a') < 26u || (unsigned)(ch - '0') < 10u;
		if (!alnum && !(ch && strchr(others, ch)))
			return false;
	}
	return text.len > 0;
}

/* Splits at colons outside of "${…}", into at most `max` parts; the last takes the rest. */
static unsigned split(struct str text, struct str *parts, unsigned max)
{
	unsigned count = 0;
	size_t start = 0;
	for (size_t i = 0; i < text.len && count + 1 < max; i++) {
		const char *close = text.ptr[i] == '$' && i + 1 < text.len && text.ptr[i + 1] == '{'
					? memchr(text.ptr + i, '}', text.len - i)
					: NULL;
		if (close) {
			i = (size_t)(close - text.ptr);
		} else if (text.ptr[i] == ':') {
			parts[count++] = str_sub(text, start, i - start);
			start = i + 1;
		}
	}
	parts[count++] = str_sub(text, start, text.len);
	return count;
}

static bool has_substitution(struct str text)
{
	const char *open = memmem(text.ptr, text.len, "${", 2);
	return open && memchr(open, '}', text.len - (size_t)(open - text.ptr));
}

/* Takes ".sync", ".sync:2" or ".waitForTaskToken" off. */
static enum integration_pattern take_pattern(struct str *name)
{
	static const struct {
		const char *suffix;
		enum integration_pattern pattern;
	} suffixes[] = { { ".sync", PATTERN_SYNC },
			 { ".sync:2", PATTERN_SYNC2 },
			 { ".waitForTaskToken", PATTERN_WAIT_FOR_TASK_TOKEN } };
	for (unsigned i = 0; i < sizeof suffixes / sizeof *suffixes; i++)
		if (str_ends(*name, str_of(suffixes[i].suffix))) {
			*name = str_sub(*name, 0, name->len - strlen(suffixes[i].suffix));
			return suffixes[i].pattern;
		}
	return PATTERN_REQUEST_RESPONSE;
}

static bool in_list(const char *list, struct str word)
{
	for (const char *at = list; (at = strchr(at, ' ')) && at[1]; at++)
		if (str_starts(str_of(at + 1), word) && at[1 + word.len] == ' ')
			return word.len > 0;
	return false;
}

/* "SERVICE:ACTION[.PATTERN]" or "aws-sdk:SERVICE:ACTION[.PATTERN]". */
static bool parse_service(struct str rest, struct resource *resource)
{
	struct str parts[3];
	unsigned count = split(rest, parts, 2);
	if (count != 2)
		return false;
	bool sdk = str_eqz(parts[0], "aws-sdk");
	if (sdk && split(rest, parts, 3) != 3)
		return false;
	struct str action = parts[sdk ? 2 : 1];
	resource->kind = RESOURCE_SERVICE;
	resource->name = action;
	resource->pattern = take_pattern(&action);
	resource->api = action;
	resource->type = sdk ? str_sub(rest, 0, sizeof "aws-sdk:" - 1 + parts[1].len) : parts[0];
	if (sdk)
		return is_word(parts[1], "-") && is_word(action, "") &&
		       (resource->pattern == PATTERN_REQUEST_RESPONSE ||
			resource->pattern == PATTERN_WAIT_FOR_TASK_TOKEN);
	for (unsigned i = 0; i < sizeof services / sizeof *services; i++)
		if (str_eqz(parts[0], services[i].service) && in_list(services[i].actions, action))
			return services[i].patterns & 1u << resource->pattern;
	return false;
}

static bool is_partition(struct str partition)
{
	return str_eqz(partition, "aws") || str_starts(partition, STR("aws-")) || has_substitution(partition);
}

/* arn:PARTITION:lambda:REGION:ACCOUNT:function:NAME[:QUALIFIER] */
static bool parse_lambda(struct str rest, struct resource *resource)
{
	struct str parts[4];
	unsigned count = split(rest, parts, 4);
	resource->kind = RESOURCE_LAMBDA_ARN;
	resource->type = STR("lambda");
	if (count < 2 || count > 3 || !str_eqz(parts[0], "function") || !is_word(parts[1], "-_"))
		return false;
	resource->name = resource->api = parts[1];
	return count == 2 || str_eqz(parts[2], "$LATEST") || is_word(parts[2], "-_");
}

/* arn:ratchet:CONNECTOR:::NAME[.waitForTaskToken] */
static bool parse_ratchet(const struct str parts[6], struct resource *resource)
{
	enum { NAME_CHARS_MAX = 64 };
	struct str name = parts[5];
	resource->kind = RESOURCE_RATCHET;
	resource->type = parts[2];
	resource->name = name;
	resource->pattern = take_pattern(&name);
	resource->api = name;
	return is_word(parts[2], "-_") && !parts[3].len && !parts[4].len && is_word(name, "-_") &&
	       !memchr(name.ptr, '$', name.len) && name.len <= NAME_CHARS_MAX &&
	       (resource->pattern == PATTERN_REQUEST_RESPONSE || resource->pattern == PATTERN_WAIT_FOR_TASK_TOKEN);
}

static bool parse(struct str arn, struct resource *resource)
{
	struct str parts[6], rest[2];
	unsigned count = split(arn, parts, 6);
	if (count < 6 || !str_eqz(parts[0], "arn")) {
		/* "${FunctionArn}": most such stand for a function. */
		resource->kind = RESOURCE_LAMBDA_ARN;
		resource->type = STR("lambda");
		resource->name = resource->api = arn;
		return !str_starts(arn, STR("arn:")) && has_substitution(arn);
	}
	if (str_eqz(parts[1], "ratchet"))
		return parse_ratchet(parts, resource);
	if (!is_partition(parts[1]))
		return false;
	if (str_eqz(parts[2], "lambda"))
		return parse_lambda(parts[5], resource);
	if (!str_eqz(parts[2], "states"))
		return false;
	if (split(parts[5], rest, 2) == 2 && str_eqz(rest[0], "activity")) {
		resource->kind = RESOURCE_ACTIVITY;
		resource->type = rest[0];
		resource->name = resource->api = rest[1];
		return rest[1].len > 0 && !memchr(rest[1].ptr, ':', rest[1].len);
	}
	return parse_service(parts[5], resource) || (has_substitution(parts[5]) && resource->kind == RESOURCE_SERVICE);
}

void compile_resource(struct compiler *c, const struct djson *node, struct resource *resource)
{
	*resource = (struct resource){
		.arn = arena_str(c->arena, node->text), .type = STR_EMPTY, .name = STR_EMPTY, .api = STR_EMPTY
	};
	if (!parse(resource->arn, resource)) {
		report_value(
		    c, node,
		    STR("arn:aws:lambda:REGION:ACCOUNT:function:NAME, arn:aws:states:REGION:ACCOUNT:activity:NAME, "
			"arn:aws:states:::SERVICE:ACTION or arn:ratchet:CONNECTOR:::NAME"),
		    "The resource provided %.*s is not recognized. The value is not a valid resource ARN, or the "
		    "resource is not available in this region.",
		    STR_FMT(str_sub(node->text, 0, 1000)));
		return;
	}
	if (!c->express)
		return;
	/* The second text ends with a blank, as on AWS. */
	if (resource->kind == RESOURCE_ACTIVITY)
		report_value(c, node, STR("a Standard state machine"),
			     "Express state machine does not support Activity ARN");
	else if (resource->pattern == PATTERN_SYNC || resource->pattern == PATTERN_SYNC2)
		report_value(c, node, STR("a Standard state machine"),
			     "Express state machine does not support '.sync' service integration");
	else if (resource->pattern == PATTERN_WAIT_FOR_TASK_TOKEN)
		report_value(c, node, STR("a Standard state machine"),
			     "Express state machine does not support '.waitForTaskToken' service integration ");
}
