/* fields.c: the table of fields.h. */
#include "dsl/fields.h"

const char *field_name(enum field field)
{
	static const char *const names[] = {
#define X(name) #name,
		FIELD_NAMES(X)
#undef X
	};
	return names[field];
}

#define BIT(x) (1u << (x))
#define TASK BIT(STATE_TASK)
#define PASS BIT(STATE_PASS)
#define CHOICE BIT(STATE_CHOICE)
#define WAIT BIT(STATE_WAIT)
#define SUCCEED BIT(STATE_SUCCEED)
#define FAIL BIT(STATE_FAIL)
#define PARALLEL BIT(STATE_PARALLEL)
#define MAP BIT(STATE_MAP)
#define STATES (TASK | PASS | CHOICE | WAIT | SUCCEED | FAIL | PARALLEL | MAP)
#define WORKING (TASK | PARALLEL | MAP) /* have results, and may fail */
#define GOING_ON (WORKING | PASS | WAIT) /* Next or End */
#define MACHINE BIT(OWNER_MACHINE)
#define BRANCH BIT(OWNER_BRANCH)
#define PROCESSOR BIT(OWNER_PROCESSOR)
#define CONFIG BIT(OWNER_PROCESSOR_CONFIG)
#define RETRIER BIT(OWNER_RETRIER)
#define CATCHER BIT(OWNER_CATCHER)
#define RULE BIT(OWNER_RULE)
#define READER BIT(OWNER_ITEM_READER)
#define READER_CONFIG BIT(OWNER_READER_CONFIG)
#define BATCHER BIT(OWNER_ITEM_BATCHER)
#define WRITER BIT(OWNER_RESULT_WRITER)

#define PATH BIT(QUERY_JSONPATH)
#define ATA BIT(QUERY_JSONATA)
#define BOTH (PATH | ATA)

#define S BIT(VALUE_STRING)
#define N BIT(VALUE_NUMBER)
#define B BIT(VALUE_BOOL)
#define O BIT(VALUE_OBJECT)
#define A BIT(VALUE_ARRAY)
#define Z BIT(VALUE_NULL)
#define ANY (S | N | B | O | A | Z)

#define REQUIRED FIELD_REQUIRED
#define OR_ATA FIELD_JSONATA
#define INTEGER (FIELD_INTEGER | FIELD_RANGE)
#define RANGE FIELD_RANGE
#define FILLED FIELD_NOT_EMPTY
#define SECONDS_MAX 99999999

const struct field_row field_rows[] = {
	/* the machine and other scopes */
	{ F_StartAt, MACHINE | BRANCH | PROCESSOR, BOTH, S, REQUIRED },
	{ F_States, MACHINE | BRANCH | PROCESSOR, BOTH, O, REQUIRED | FILLED },
	{ F_Version, MACHINE, BOTH, S, 0 },
	{ F_TimeoutSeconds, MACHINE, BOTH, N, INTEGER, 1, SECONDS_MAX },
	{ F_QueryLanguage, MACHINE | STATES, BOTH, S, 0 },
	{ F_ProcessorConfig, PROCESSOR, BOTH, O, 0 },
	{ F_Mode, CONFIG, BOTH, S, 0 },
	{ F_ExecutionType, CONFIG, BOTH, S, 0 },
	{ F_Comment, MACHINE | BRANCH | PROCESSOR | STATES | RETRIER | CATCHER | RULE, BOTH, S, 0 },

	/* all or most states */
	{ F_Type, STATES, BOTH, S, REQUIRED },
	{ F_Next, GOING_ON, BOTH, S, 0 },
	{ F_End, GOING_ON, BOTH, B, 0 },
	{ F_InputPath, GOING_ON | CHOICE | SUCCEED, PATH, S | Z, 0 },
	{ F_OutputPath, GOING_ON | CHOICE | SUCCEED, PATH, S | Z, 0 },
	{ F_Parameters, WORKING | PASS, PATH, ANY, 0 },
	{ F_ResultSelector, WORKING, PATH, O, 0 },
	{ F_ResultPath, WORKING | PASS, PATH, S | Z, 0 },
	{ F_Arguments, TASK | PARALLEL, ATA, O, OR_ATA },
	{ F_Output, GOING_ON | CHOICE | SUCCEED, ATA, ANY, 0 },
	{ F_Assign, GOING_ON | CHOICE, BOTH, O, 0 },
	{ F_Retry, WORKING, BOTH, A, 0 },
	{ F_Catch, WORKING, BOTH, A, 0 },

	/* Task */
	{ F_Resource, TASK | READER, BOTH, S, REQUIRED },
	{ F_TimeoutSeconds, TASK, BOTH, N, INTEGER | OR_ATA, 1, SECONDS_MAX },
	{ F_TimeoutSecondsPath, TASK, PATH, S, 0 },
	{ F_HeartbeatSeconds, TASK, BOTH, N, INTEGER | OR_ATA, 1, SECONDS_MAX },
	{ F_HeartbeatSecondsPath, TASK, PATH, S, 0 },
	{ F_Credentials, TASK, BOTH, O, OR_ATA },

	/* Pass, Choice, Wait, Fail */
	{ F_Result, PASS, PATH, ANY, 0 },
	{ F_Choices, CHOICE, BOTH, A, REQUIRED | FILLED },
	{ F_Default, CHOICE, BOTH, S, 0 },
	{ F_Condition, RULE, ATA, B, REQUIRED | OR_ATA },
	{ F_Next, RULE, BOTH, S, REQUIRED },
	{ F_Assign, RULE, BOTH, O, 0 },
	{ F_Output, RULE, ATA, ANY, 0 },
	{ F_Seconds, WAIT, BOTH, N, INTEGER | OR_ATA, 0, SECONDS_MAX },
	{ F_SecondsPath, WAIT, PATH, S, 0 },
	{ F_Timestamp, WAIT, BOTH, S, OR_ATA },
	{ F_TimestampPath, WAIT, PATH, S, 0 },
	{ F_Error, FAIL, BOTH, S, OR_ATA },
	{ F_Cause, FAIL, BOTH, S, OR_ATA },
	{ F_ErrorPath, FAIL, PATH, S, 0 },
	{ F_CausePath, FAIL, PATH, S, 0 },

	/* Parallel and Map */
	{ F_Branches, PARALLEL, BOTH, A, REQUIRED | FILLED },
	{ F_ItemProcessor, MAP, BOTH, O, 0 },
	{ F_Iterator, MAP, BOTH, O, 0 },
	{ F_Items, MAP, ATA, A | O, OR_ATA },
	{ F_ItemsPath, MAP, PATH, S, 0 },
	{ F_ItemSelector, MAP, BOTH, O, OR_ATA },
	{ F_MaxConcurrency, MAP, BOTH, N, INTEGER | OR_ATA, 0, INT32_MAX },
	{ F_MaxConcurrencyPath, MAP, PATH, S, 0 },
	{ F_ToleratedFailureCount, MAP, BOTH, N, INTEGER | OR_ATA, 0, INT32_MAX },
	{ F_ToleratedFailureCountPath, MAP, PATH, S, 0 },
	{ F_ToleratedFailurePercentage, MAP, BOTH, N, RANGE | OR_ATA, 0, 100 },
	{ F_ToleratedFailurePercentagePath, MAP, PATH, S, 0 },
	{ F_Label, MAP, BOTH, S, FILLED },
	{ F_ItemReader, MAP, BOTH, O, 0 },
	{ F_ItemBatcher, MAP, BOTH, O, 0 },
	{ F_ResultWriter, MAP, BOTH, O, 0 },
	{ F_Parameters, READER | WRITER, PATH, ANY, 0 },
	{ F_Arguments, READER | WRITER, ATA, O, OR_ATA },
	{ F_ReaderConfig, READER, BOTH, O, 0 },
	{ F_InputType, READER_CONFIG, BOTH, S, 0 },
	{ F_Transformation, READER_CONFIG, BOTH, S, 0 },
	{ F_ManifestType, READER_CONFIG, BOTH, S, 0 },
	{ F_CSVDelimiter, READER_CONFIG, BOTH, S, 0 },
	{ F_CSVHeaderLocation, READER_CONFIG, BOTH, S, 0 },
	{ F_CSVHeaders, READER_CONFIG, BOTH, A, 0 },
	{ F_ItemsPointer, READER_CONFIG, BOTH, S, 0 },
	{ F_MaxItems, READER_CONFIG, BOTH, N, INTEGER | OR_ATA, 0, 100000000 },
	{ F_MaxItemsPath, READER_CONFIG, PATH, S, 0 },
	{ F_MaxItemsPerBatch, BATCHER, BOTH, N, INTEGER | OR_ATA, 0, INT32_MAX },
	{ F_MaxItemsPerBatchPath, BATCHER, PATH, S, 0 },
	{ F_MaxInputBytesPerBatch, BATCHER, BOTH, N, INTEGER | OR_ATA, 0, 262144 },
	{ F_MaxInputBytesPerBatchPath, BATCHER, PATH, S, 0 },
	{ F_BatchInput, BATCHER, BOTH, O, OR_ATA },
	{ F_Resource, WRITER, BOTH, S, 0 },
	{ F_WriterConfig, WRITER, BOTH, O, 0 },

	/* retriers and catchers */
	{ F_ErrorEquals, RETRIER | CATCHER, BOTH, A, REQUIRED | FILLED },
	{ F_IntervalSeconds, RETRIER, BOTH, N, INTEGER, 1, SECONDS_MAX },
	{ F_MaxAttempts, RETRIER, BOTH, N, INTEGER, 0, SECONDS_MAX },
	{ F_BackoffRate, RETRIER, BOTH, N, RANGE, 1, 1e9 },
	{ F_MaxDelaySeconds, RETRIER, BOTH, N, INTEGER, 1, 31622400 },
	{ F_JitterStrategy, RETRIER, BOTH, S, 0 },
	{ F_Next, CATCHER, BOTH, S, REQUIRED },
	{ F_ResultPath, CATCHER, PATH, S | Z, 0 },
	{ F_Assign, CATCHER, BOTH, O, 0 },
	{ F_Output, CATCHER, ATA, ANY, 0 },
};
const unsigned field_rows_count = sizeof field_rows / sizeof *field_rows;

const struct field_conflict field_conflicts[] = {
	{ TASK, F_TimeoutSeconds, F_TimeoutSecondsPath },
	{ TASK, F_HeartbeatSeconds, F_HeartbeatSecondsPath },
	{ FAIL, F_Error, F_ErrorPath },
	{ FAIL, F_Cause, F_CausePath },
	{ MAP, F_ItemProcessor, F_Iterator },
	{ MAP, F_ItemSelector, F_Parameters },
	{ MAP, F_Items, F_ItemsPath },
	{ MAP, F_MaxConcurrency, F_MaxConcurrencyPath },
	{ MAP, F_ToleratedFailureCount, F_ToleratedFailureCountPath },
	{ MAP, F_ToleratedFailurePercentage, F_ToleratedFailurePercentagePath },
	{ READER_CONFIG, F_MaxItems, F_MaxItemsPath },
	{ BATCHER, F_MaxItemsPerBatch, F_MaxItemsPerBatchPath },
	{ BATCHER, F_MaxInputBytesPerBatch, F_MaxInputBytesPerBatchPath },
};
const unsigned field_conflicts_count = sizeof field_conflicts / sizeof *field_conflicts;

const struct field_row *field_row(enum field_owner owner, enum query_language language, struct str name)
{
	for (unsigned i = 0; i < field_rows_count; i++) {
		const struct field_row *row = &field_rows[i];
		if ((row->owners & BIT(owner)) && (row->languages & BIT(language)) && str_eqz(name, field_name(row->field)))
			return row;
	}
	return NULL;
}

const char *field_owner_name(enum field_owner owner)
{
	static const char *const names[OWNER_COUNT] = {
		[STATE_TASK] = "a Task state", [STATE_PASS] = "a Pass state", [STATE_CHOICE] = "a Choice state",
		[STATE_WAIT] = "a Wait state", [STATE_SUCCEED] = "a Succeed state", [STATE_FAIL] = "a Fail state",
		[STATE_PARALLEL] = "a Parallel state", [STATE_MAP] = "a Map state", [OWNER_MACHINE] = "a state machine",
		[OWNER_BRANCH] = "a branch", [OWNER_PROCESSOR] = "an item processor", [OWNER_PROCESSOR_CONFIG] = "ProcessorConfig",
		[OWNER_RETRIER] = "a retrier", [OWNER_CATCHER] = "a catcher", [OWNER_RULE] = "a choice rule",
		[OWNER_ITEM_READER] = "ItemReader", [OWNER_READER_CONFIG] = "ReaderConfig",
		[OWNER_ITEM_BATCHER] = "ItemBatcher", [OWNER_RESULT_WRITER] = "ResultWriter",
	};
	return names[owner];
}
