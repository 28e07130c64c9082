/* shapes.c: what the answers of some AWS operations look like, and whether a mocked result agrees.
 *
 * Step Functions checks a mock against the model of whatever operation the task calls. We know those below, which tasks
 * call most; a mock of any other is taken as it is. Names are as Step Functions has them: with a capital. A member that
 * the shape does not name is nobody's business, and so is SdkHttpMetadata. STRICT also wants what the operation always
 * answers.
 *
 * Not followed further: attribute values of DynamoDB (maps of anything), patterns, and lengths of what is carried as
 * base64. */
#include "server/test_state/test_state.h"

enum shape_kind { SHAPE_ANY, SHAPE_TEXT, SHAPE_NUMBER, SHAPE_FLAG, SHAPE_OBJECT, SHAPE_LIST, SHAPE_MAP };

struct shape {
	const char *name;
	enum shape_kind kind;
	bool required;
	int64_t least, most;         /* a text's characters or a number; most 0: unbounded */
	const char *choices;         /* " A B C "; NULL: any */
	const struct shape *members; /* of an OBJECT, of each in a LIST or MAP; NULL: not looked into */
	enum shape_kind each;        /* of a LIST or MAP without members */
};

/* clang-format off */
#define ANY(name_) { .name = name_, .kind = SHAPE_ANY }
#define TEXT(name_) { .name = name_, .kind = SHAPE_TEXT }
#define TEXT_OF(name_, least_, most_) { .name = name_, .kind = SHAPE_TEXT, .least = least_, .most = most_ }
#define NEEDED_TEXT(name_, least_, most_) \
	{ .name = name_, .kind = SHAPE_TEXT, .required = true, .least = least_, .most = most_ }
#define ONE_OF(name_, choices_) { .name = name_, .kind = SHAPE_TEXT, .choices = " " choices_ " " }
#define NUMBER(name_) { .name = name_, .kind = SHAPE_NUMBER, .least = INT64_MIN }
#define NUMBER_OF(name_, least_, most_) { .name = name_, .kind = SHAPE_NUMBER, .least = least_, .most = most_ }
#define FLAG(name_) { .name = name_, .kind = SHAPE_FLAG }
#define OBJECT(name_, members_) { .name = name_, .kind = SHAPE_OBJECT, .members = members_ }
#define LIST(name_, members_) { .name = name_, .kind = SHAPE_LIST, .members = members_, .each = SHAPE_OBJECT }
#define TEXTS(name_) { .name = name_, .kind = SHAPE_LIST, .each = SHAPE_TEXT }
#define NUMBERS(name_) { .name = name_, .kind = SHAPE_LIST, .each = SHAPE_NUMBER }
#define MAP(name_, members_) { .name = name_, .kind = SHAPE_MAP, .members = members_, .each = SHAPE_OBJECT }
#define TEXT_MAP(name_) { .name = name_, .kind = SHAPE_MAP, .each = SHAPE_TEXT }
#define END { .name = NULL }
/* clang-format on */

/* ---- Lambda ---------------------------------------------------------------------------------------------- */

static const struct shape lambda_invoke[] = { NUMBER("StatusCode"),
					      TEXT("FunctionError"),
					      TEXT("LogResult"),
					      ANY("Payload"),
					      TEXT_OF("ExecutedVersion", 1, 1024),
					      END };
static const struct shape lambda_invoke_raw[] = { NUMBER("StatusCode"),
						  TEXT("FunctionError"),
						  TEXT("LogResult"),
						  TEXT("Payload"),
						  TEXT_OF("ExecutedVersion", 1, 1024),
						  END };

static const struct shape lambda_error[] = { TEXT("ErrorCode"), TEXT("Message"), END };
static const struct shape lambda_vpc[] = { TEXTS("SubnetIds"), TEXTS("SecurityGroupIds"), TEXT("VpcId"),
					   FLAG("Ipv6AllowedForDualStack"), END };
static const struct shape lambda_dead_letters[] = { TEXT("TargetArn"), END };
static const struct shape lambda_environment[] = { TEXT_MAP("Variables"), OBJECT("Error", lambda_error), END };
static const struct shape lambda_tracing[] = { ONE_OF("Mode", "Active PassThrough"), END };
static const struct shape lambda_layer[] = { TEXT_OF("Arn", 1, 140), NUMBER("CodeSize"),
					     TEXT("SigningProfileVersionArn"), TEXT("SigningJobArn"), END };
static const struct shape lambda_file_system[] = { NEEDED_TEXT("Arn", 0, 256), NEEDED_TEXT("LocalMountPath", 0, 160),
						   END };
static const struct shape lambda_image[] = { TEXTS("EntryPoint"), TEXTS("Command"),
					     TEXT_OF("WorkingDirectory", 0, 1000), END };
static const struct shape lambda_image_answer[] = { OBJECT("ImageConfig", lambda_image), OBJECT("Error", lambda_error),
						    END };
static const struct shape lambda_storage[] = {
	{ .name = "Size", .kind = SHAPE_NUMBER, .required = true, .least = 512, .most = 10240 },
	END,
};
static const struct shape lambda_snap_start[] = { ONE_OF("ApplyOn", "PublishedVersions None"),
						  ONE_OF("OptimizationStatus", "On Off"), END };
static const struct shape lambda_logging[] = { ONE_OF("LogFormat", "JSON Text"),
					       ONE_OF("ApplicationLogLevel", "TRACE DEBUG INFO WARN ERROR FATAL"),
					       ONE_OF("SystemLogLevel", "DEBUG INFO WARN"), TEXT_OF("LogGroup", 1, 512),
					       END };
static const struct shape lambda_configuration[] = {
	TEXT_OF("FunctionName", 1, 256),
	TEXT_OF("FunctionArn", 0, 10000),
	TEXT("Runtime"),
	TEXT("Role"),
	TEXT_OF("Handler", 0, 128),
	NUMBER("CodeSize"),
	TEXT_OF("Description", 0, 256),
	NUMBER_OF("Timeout", 1, 0),
	NUMBER_OF("MemorySize", 128, 10240),
	TEXT("LastModified"),
	TEXT("CodeSha256"),
	TEXT_OF("Version", 1, 1024),
	OBJECT("VpcConfig", lambda_vpc),
	OBJECT("DeadLetterConfig", lambda_dead_letters),
	OBJECT("Environment", lambda_environment),
	TEXT("KmsKeyArn"),
	OBJECT("TracingConfig", lambda_tracing),
	TEXT("MasterArn"),
	TEXT("RevisionId"),
	LIST("Layers", lambda_layer),
	ONE_OF("State", "Pending Active Inactive Failed Deactivating Deactivated ActiveNonInvocable Deleting"),
	TEXT("StateReason"),
	TEXT("StateReasonCode"),
	ONE_OF("LastUpdateStatus", "Successful Failed InProgress"),
	TEXT("LastUpdateStatusReason"),
	TEXT("LastUpdateStatusReasonCode"),
	LIST("FileSystemConfigs", lambda_file_system),
	ONE_OF("PackageType", "Zip Image"),
	OBJECT("ImageConfigResponse", lambda_image_answer),
	TEXT("SigningProfileVersionArn"),
	TEXT("SigningJobArn"),
	TEXTS("Architectures"),
	OBJECT("EphemeralStorage", lambda_storage),
	OBJECT("SnapStart", lambda_snap_start),
	OBJECT("LoggingConfig", lambda_logging),
	END,
};
static const struct shape lambda_code[] = { TEXT("RepositoryType"), TEXT("Location"), TEXT("ImageUri"),
					    TEXT("ResolvedImageUri"), END };
static const struct shape lambda_concurrency[] = { NUMBER_OF("ReservedConcurrentExecutions", 0, 0), END };
static const struct shape lambda_function[] = { OBJECT("Configuration", lambda_configuration),
						OBJECT("Code", lambda_code), TEXT_MAP("Tags"),
						OBJECT("Concurrency", lambda_concurrency), END };

/* ---- KMS, S3 ---------------------------------------------------------------------------------------------- */

#define KMS_ALGORITHM ONE_OF("EncryptionAlgorithm", "SYMMETRIC_DEFAULT RSAES_OAEP_SHA_1 RSAES_OAEP_SHA_256 SM2PKE")
static const struct shape kms_encrypt[] = { TEXT_OF("CiphertextBlob", 1, 0), TEXT_OF("KeyId", 1, 2048), KMS_ALGORITHM,
					    END };
static const struct shape kms_decrypt[] = { TEXT_OF("KeyId", 1, 2048), TEXT_OF("Plaintext", 1, 0), KMS_ALGORITHM, END };

#define S3_CHECKSUMS                                                                                                   \
	TEXT("ChecksumCRC32"), TEXT("ChecksumCRC32C"), TEXT("ChecksumCRC64NVME"), TEXT("ChecksumSHA1"),                \
	    TEXT("ChecksumSHA256"), ONE_OF("ChecksumType", "COMPOSITE FULL_OBJECT")
#define S3_ENCRYPTION                                                                                                  \
	ONE_OF("ServerSideEncryption", "AES256 aws:fsx aws:kms aws:kms:dsse"), TEXT("SSECustomerAlgorithm"),           \
	    TEXT("SSECustomerKeyMD5"), TEXT("SSEKMSKeyId"), FLAG("BucketKeyEnabled")
static const struct shape s3_get_object[] = {
	ANY("Body"),
	FLAG("DeleteMarker"),
	TEXT("AcceptRanges"),
	TEXT("Expiration"),
	TEXT("Restore"),
	TEXT("LastModified"),
	NUMBER("ContentLength"),
	TEXT("ETag"),
	S3_CHECKSUMS,
	NUMBER("MissingMeta"),
	TEXT("VersionId"),
	TEXT("CacheControl"),
	TEXT("ContentDisposition"),
	TEXT("ContentEncoding"),
	TEXT("ContentLanguage"),
	TEXT("ContentRange"),
	TEXT("ContentType"),
	TEXT("Expires"),
	TEXT("WebsiteRedirectLocation"),
	S3_ENCRYPTION,
	TEXT_MAP("Metadata"),
	ONE_OF("StorageClass", "STANDARD REDUCED_REDUNDANCY STANDARD_IA ONEZONE_IA INTELLIGENT_TIERING GLACIER "
			       "DEEP_ARCHIVE OUTPOSTS GLACIER_IR SNOW "
			       "EXPRESS_ONEZONE FSX_OPENZFS FSX_ONTAP"),
	ONE_OF("RequestCharged", "requester"),
	ONE_OF("ReplicationStatus", "COMPLETE PENDING FAILED REPLICA COMPLETED"),
	NUMBER("PartsCount"),
	NUMBER("TagCount"),
	ONE_OF("ObjectLockMode", "GOVERNANCE COMPLIANCE"),
	TEXT("ObjectLockRetainUntilDate"),
	ONE_OF("ObjectLockLegalHoldStatus", "ON OFF"),
	END,
};
static const struct shape s3_put_object[] = { TEXT("Expiration"),
					      TEXT("ETag"),
					      S3_CHECKSUMS,
					      TEXT("VersionId"),
					      S3_ENCRYPTION,
					      NUMBER("Size"),
					      ONE_OF("RequestCharged", "requester"),
					      END };

/* ---- DynamoDB, EventBridge, SQS, SNS --------------------------------------------------------------------- */

#define CAPACITY NUMBER("ReadCapacityUnits"), NUMBER("WriteCapacityUnits"), NUMBER("CapacityUnits")
static const struct shape dynamodb_capacity[] = { CAPACITY, END };
static const struct shape dynamodb_consumed[] = { TEXT_OF("TableName", 1, 1024),
						  CAPACITY,
						  OBJECT("Table", dynamodb_capacity),
						  MAP("LocalSecondaryIndexes", dynamodb_capacity),
						  MAP("GlobalSecondaryIndexes", dynamodb_capacity),
						  END };
static const struct shape dynamodb_metrics[] = { MAP("ItemCollectionKey", NULL), NUMBERS("SizeEstimateRangeGB"), END };
static const struct shape dynamodb_get[] = { MAP("Item", NULL), OBJECT("ConsumedCapacity", dynamodb_consumed), END };
static const struct shape dynamodb_change[] = { MAP("Attributes", NULL), OBJECT("ConsumedCapacity", dynamodb_consumed),
						OBJECT("ItemCollectionMetrics", dynamodb_metrics), END };

static const struct shape events_entry[] = { TEXT_OF("EventId", 0, 64), TEXT("ErrorCode"), TEXT("ErrorMessage"), END };
static const struct shape events_put[] = { NUMBER("FailedEntryCount"), LIST("Entries", events_entry), END };

static const struct shape sqs_send[] = {
	TEXT("MD5OfMessageBody"), TEXT("MD5OfMessageAttributes"), TEXT("MD5OfMessageSystemAttributes"),
	TEXT("MessageId"),        TEXT("SequenceNumber"),         END
};
static const struct shape sns_publish[] = { TEXT("MessageId"), TEXT("SequenceNumber"), END };

/* ---- Step Functions --------------------------------------------------------------------------------------- */

static const struct shape sfn_start[] = { NEEDED_TEXT("ExecutionArn", 1, 256), NEEDED_TEXT("StartDate", 0, 0), END };
#define SFN_DETAILS TEXT_OF("Error", 0, 256), TEXT_OF("Cause", 0, 32768), TEXT("TraceHeader"), TEXT_OF("Name", 1, 80)
static const struct shape sfn_start_sync[] = {
	NEEDED_TEXT("ExecutionArn", 1, 256),
	TEXT_OF("StateMachineArn", 1, 256),
	NEEDED_TEXT("StartDate", 0, 0),
	NEEDED_TEXT("StopDate", 0, 0),
	{ .name = "Status", .kind = SHAPE_TEXT, .required = true, .choices = " SUCCEEDED FAILED TIMED_OUT " },
	SFN_DETAILS,
	TEXT("Input"),
	TEXT("Output"),
	END
};
/* Of a finished execution: what .sync gives; .sync:2 gives JSON where the others give its text. */
static const struct shape sfn_describe[] = {
	NEEDED_TEXT("ExecutionArn", 1, 256),
	NEEDED_TEXT("StateMachineArn", 1, 256),
	{ .name = "Status",
	  .kind = SHAPE_TEXT,
	  .required = true,
	  .choices = " RUNNING SUCCEEDED FAILED TIMED_OUT ABORTED PENDING_REDRIVE " },
	NEEDED_TEXT("StartDate", 0, 0),
	SFN_DETAILS,
	TEXT("StopDate"),
	ANY("Input"),
	ANY("Output"),
	NUMBER("RedriveCount"),
	TEXT("RedriveDate"),
	END,
};

/* ---- which operation ------------------------------------------------------------------------------------------ */

static const struct operation_shape {
	const char *type, *api;
	bool sync;
	const struct shape *answer;
} operations[] = {
	{ "lambda", "invoke", false, lambda_invoke },
	{ "aws-sdk:lambda", "invoke", false, lambda_invoke_raw },
	{ "aws-sdk:lambda", "getFunction", false, lambda_function },
	{ "aws-sdk:kms", "encrypt", false, kms_encrypt },
	{ "aws-sdk:kms", "decrypt", false, kms_decrypt },
	{ "aws-sdk:s3", "getObject", false, s3_get_object },
	{ "aws-sdk:s3", "putObject", false, s3_put_object },
	{ "dynamodb", "getItem", false, dynamodb_get },
	{ "dynamodb", "putItem", false, dynamodb_change },
	{ "dynamodb", "updateItem", false, dynamodb_change },
	{ "dynamodb", "deleteItem", false, dynamodb_change },
	{ "events", "putEvents", false, events_put },
	{ "aws-sdk:eventbridge", "putEvents", false, events_put },
	{ "sqs", "sendMessage", false, sqs_send },
	{ "sns", "publish", false, sns_publish },
	{ "states", "startExecution", false, sfn_start },
	{ "states", "startExecution", true, sfn_describe },
	{ "aws-sdk:sfn", "startExecution", false, sfn_start },
	{ "aws-sdk:sfn", "startSyncExecution", false, sfn_start_sync },
	{ "aws-sdk:sfn", "describeExecution", false, sfn_describe },
};

/* The SDK's operations are called by "aws-sdk:" too where there is an integration of their own. */
static bool is_type(struct str type, const char *wanted)
{
	return str_eqz(type, wanted) ||
	       (str_starts(type, STR("aws-sdk:dynamodb")) && strcmp(wanted, "dynamodb") == 0) ||
	       (str_eqz(type, "aws-sdk:sqs") && strcmp(wanted, "sqs") == 0) ||
	       (str_eqz(type, "aws-sdk:sns") && strcmp(wanted, "sns") == 0);
}

static const struct shape *answer_of(const struct resource *resource)
{
	/* What comes back with a task token is nobody's API. */
	if (resource->kind != RESOURCE_SERVICE || resource->pattern == PATTERN_WAIT_FOR_TASK_TOKEN)
		return NULL;
	bool sync = resource->pattern != PATTERN_REQUEST_RESPONSE;
	for (unsigned i = 0; i < sizeof operations / sizeof *operations; i++)
		if (operations[i].sync == sync && str_eqz(resource->api, operations[i].api) &&
		    is_type(resource->type, operations[i].type))
			return operations[i].answer;
	return NULL;
}

/* ---- checking ----------------------------------------------------------------------------------------------- */

struct check {
	bool strict;
	struct arena *arena;
	struct str problem; /* the first; empty: none */
};

static bool disagree(struct check *check, const char *name, const char *how)
{
	check->problem = arena_format(check->arena, "Field '%s' %s", name, how);
	return false;
}

static int64_t characters(struct str text)
{
	int64_t count = 0;
	for (size_t i = 0; i < text.len; i++)
		count += (text.ptr[i] & 0xc0) != 0x80;
	return count;
}

static bool is_choice(struct check *check, const char *choices, struct str text)
{
	return text.len && !memchr(text.ptr, ' ', text.len) && strlen(choices) > text.len &&
	       strstr(choices, arena_printf(check->arena, " %.*s ", STR_FMT(text)));
}

static bool check_text(struct check *check, const struct shape *shape, const struct value *value)
{
	if (!value_is(value, VALUE_STRING))
		return disagree(check, shape->name, "must be a string");
	struct str text = value_string(value);
	int64_t length = characters(text);
	if (length < shape->least)
		return disagree(check, shape->name, "is smaller than the minimum length");
	if (shape->most && length > shape->most)
		return disagree(check, shape->name, "exceeds the maximum length");
	return !shape->choices || is_choice(check, shape->choices, text) ||
	       disagree(check, shape->name, "is not an expected value");
}

static bool check_number(struct check *check, const struct shape *shape, const struct value *value)
{
	if (!value_is(value, VALUE_NUMBER))
		return disagree(check, shape->name, "must be a number");
	double number = value_number(value);
	if (shape->least != INT64_MIN && number < (double)shape->least)
		return disagree(check, shape->name, "is less than the minimum value");
	return !shape->most || number <= (double)shape->most ||
	       disagree(check, shape->name, "exceeds the maximum value");
}

static bool check_value(struct check *check, const struct shape *shape, const struct value *value);

static bool check_object(struct check *check, const struct shape *members, const struct value *object)
{
	for (const struct shape *shape = members; shape && shape->name; shape++) {
		const struct value *value = value_getz(object, shape->name);
		if (value && !value_is(value, VALUE_NULL)) {
			if (!check_value(check, shape, value))
				return false;
		} else if (shape->required && check->strict) {
			check->problem = arena_format(check->arena, "Required field '%s' is missing", shape->name);
			return false;
		}
	}
	return true;
}

/* Each element of a list, each value of a map. */
static bool check_each(struct check *check, const struct shape *shape, const struct value *values)
{
	const struct shape element = { .name = shape->name,
				       .kind = shape->each,
				       .members = shape->members,
				       .least = shape->each == SHAPE_NUMBER ? INT64_MIN : 0 };
	for (size_t i = 0; i < value_count(values); i++)
		if (!check_value(check, &element, value_at(values, i)))
			return false;
	return true;
}

/* As deep as the table goes. */
static bool check_value(struct check *check, const struct shape *shape, const struct value *value)
{
	switch (shape->kind) {
	case SHAPE_ANY:
		return true;
	case SHAPE_TEXT:
		return check_text(check, shape, value);
	case SHAPE_NUMBER:
		return check_number(check, shape, value);
	case SHAPE_FLAG:
		return value_is(value, VALUE_BOOL) || disagree(check, shape->name, "must be a boolean");
	case SHAPE_OBJECT:
		return value_is(value, VALUE_OBJECT) ? check_object(check, shape->members, value)
						     : disagree(check, shape->name, "must be an object");
	case SHAPE_LIST:
		return value_is(value, VALUE_ARRAY) ? check_each(check, shape, value)
						    : disagree(check, shape->name, "must be an array");
	case SHAPE_MAP:
		return value_is(value, VALUE_OBJECT) ? check_each(check, shape, value)
						     : disagree(check, shape->name, "must be an object");
	}
	return true;
}

bool test_state_check_shape(struct test_state *t, const struct value *result)
{
	const struct shape *answer = answer_of(&t->state->task.resource);
	if (!answer || t->mode == VALIDATE_NONE)
		return true;
	struct check check = { .strict = t->mode == VALIDATE_STRICT, .arena = &t->call->arena };
	if (!value_is(result, VALUE_OBJECT)) {
		api_refuse(t->call, "ValidationException", "Mocked result must be a JSON object.");
		return false;
	}
	if (check_object(&check, answer, result))
		return true;
	api_refuse(t->call, "ValidationException", "Mock result schema validation error: %.*s", STR_FMT(check.problem));
	return false;
}
