/* history.h: history events: what happened in an execution, in AWS's words, and a few private ones.
 *
 * One flat struct holds any event; the table says which fields a type has, and from it come the stored form (record.h), the
 * JSON of GetExecutionHistory (history_event_json) and the tests. Public events are numbered 1, 2, 3 … without gaps;
 * private ones (what the state needs and AWS does not show: a timer, a drawn jitter, a branch's frame) have id 0 and never leave the store.
 *
 * All strings and values in an event are borrowed from whoever made it (a step's arena, a record being read). */
#pragma once
#include "base/buffer.h"
#include "base/limits.h"
#include "value/value.h"

/* X(ENUM, wire name, member of HistoryEvent that holds the details ("" for none)). The order is part of the stored format: append only. */
#define HISTORY_EVENTS(X)                                                                    \
	X(EXECUTION_STARTED, "ExecutionStarted", "executionStartedEventDetails")             \
	X(EXECUTION_SUCCEEDED, "ExecutionSucceeded", "executionSucceededEventDetails")       \
	X(EXECUTION_FAILED, "ExecutionFailed", "executionFailedEventDetails")                \
	X(EXECUTION_TIMED_OUT, "ExecutionTimedOut", "executionTimedOutEventDetails")         \
	X(EXECUTION_ABORTED, "ExecutionAborted", "executionAbortedEventDetails")             \
	X(EXECUTION_REDRIVEN, "ExecutionRedriven", "executionRedrivenEventDetails")          \
	X(TASK_STATE_ENTERED, "TaskStateEntered", "stateEnteredEventDetails")                \
	X(TASK_STATE_EXITED, "TaskStateExited", "stateExitedEventDetails")                   \
	X(TASK_STATE_ABORTED, "TaskStateAborted", "")                                        \
	X(PASS_STATE_ENTERED, "PassStateEntered", "stateEnteredEventDetails")                \
	X(PASS_STATE_EXITED, "PassStateExited", "stateExitedEventDetails")                   \
	X(CHOICE_STATE_ENTERED, "ChoiceStateEntered", "stateEnteredEventDetails")            \
	X(CHOICE_STATE_EXITED, "ChoiceStateExited", "stateExitedEventDetails")               \
	X(WAIT_STATE_ENTERED, "WaitStateEntered", "stateEnteredEventDetails")                \
	X(WAIT_STATE_EXITED, "WaitStateExited", "stateExitedEventDetails")                   \
	X(WAIT_STATE_ABORTED, "WaitStateAborted", "")                                        \
	X(SUCCEED_STATE_ENTERED, "SucceedStateEntered", "stateEnteredEventDetails")          \
	X(SUCCEED_STATE_EXITED, "SucceedStateExited", "stateExitedEventDetails")             \
	X(FAIL_STATE_ENTERED, "FailStateEntered", "stateEnteredEventDetails")                \
	X(PARALLEL_STATE_ENTERED, "ParallelStateEntered", "stateEnteredEventDetails")        \
	X(PARALLEL_STATE_STARTED, "ParallelStateStarted", "")                                \
	X(PARALLEL_STATE_SUCCEEDED, "ParallelStateSucceeded", "")                            \
	X(PARALLEL_STATE_FAILED, "ParallelStateFailed", "")                                  \
	X(PARALLEL_STATE_ABORTED, "ParallelStateAborted", "")                                \
	X(PARALLEL_STATE_EXITED, "ParallelStateExited", "stateExitedEventDetails")           \
	X(MAP_STATE_ENTERED, "MapStateEntered", "stateEnteredEventDetails")                  \
	X(MAP_STATE_STARTED, "MapStateStarted", "mapStateStartedEventDetails")               \
	X(MAP_STATE_SUCCEEDED, "MapStateSucceeded", "")                                      \
	X(MAP_STATE_FAILED, "MapStateFailed", "")                                            \
	X(MAP_STATE_ABORTED, "MapStateAborted", "")                                          \
	X(MAP_STATE_EXITED, "MapStateExited", "stateExitedEventDetails")                     \
	X(MAP_ITERATION_STARTED, "MapIterationStarted", "mapIterationStartedEventDetails")   \
	X(MAP_ITERATION_SUCCEEDED, "MapIterationSucceeded", "mapIterationSucceededEventDetails") \
	X(MAP_ITERATION_FAILED, "MapIterationFailed", "mapIterationFailedEventDetails")      \
	X(MAP_ITERATION_ABORTED, "MapIterationAborted", "mapIterationAbortedEventDetails")   \
	X(MAP_RUN_STARTED, "MapRunStarted", "mapRunStartedEventDetails")                     \
	X(MAP_RUN_SUCCEEDED, "MapRunSucceeded", "")                                          \
	X(MAP_RUN_FAILED, "MapRunFailed", "mapRunFailedEventDetails")                        \
	X(MAP_RUN_ABORTED, "MapRunAborted", "")                                              \
	X(MAP_RUN_REDRIVEN, "MapRunRedriven", "mapRunRedrivenEventDetails")                  \
	X(LAMBDA_FUNCTION_SCHEDULED, "LambdaFunctionScheduled", "lambdaFunctionScheduledEventDetails") \
	X(LAMBDA_FUNCTION_SCHEDULE_FAILED, "LambdaFunctionScheduleFailed", "lambdaFunctionScheduleFailedEventDetails") \
	X(LAMBDA_FUNCTION_STARTED, "LambdaFunctionStarted", "")                              \
	X(LAMBDA_FUNCTION_START_FAILED, "LambdaFunctionStartFailed", "lambdaFunctionStartFailedEventDetails") \
	X(LAMBDA_FUNCTION_SUCCEEDED, "LambdaFunctionSucceeded", "lambdaFunctionSucceededEventDetails") \
	X(LAMBDA_FUNCTION_FAILED, "LambdaFunctionFailed", "lambdaFunctionFailedEventDetails") \
	X(LAMBDA_FUNCTION_TIMED_OUT, "LambdaFunctionTimedOut", "lambdaFunctionTimedOutEventDetails") \
	X(ACTIVITY_SCHEDULED, "ActivityScheduled", "activityScheduledEventDetails")          \
	X(ACTIVITY_SCHEDULE_FAILED, "ActivityScheduleFailed", "activityScheduleFailedEventDetails") \
	X(ACTIVITY_STARTED, "ActivityStarted", "activityStartedEventDetails")                \
	X(ACTIVITY_SUCCEEDED, "ActivitySucceeded", "activitySucceededEventDetails")          \
	X(ACTIVITY_FAILED, "ActivityFailed", "activityFailedEventDetails")                   \
	X(ACTIVITY_TIMED_OUT, "ActivityTimedOut", "activityTimedOutEventDetails")            \
	X(TASK_SCHEDULED, "TaskScheduled", "taskScheduledEventDetails")                      \
	X(TASK_STARTED, "TaskStarted", "taskStartedEventDetails")                            \
	X(TASK_START_FAILED, "TaskStartFailed", "taskStartFailedEventDetails")               \
	X(TASK_SUBMITTED, "TaskSubmitted", "taskSubmittedEventDetails")                      \
	X(TASK_SUBMIT_FAILED, "TaskSubmitFailed", "taskSubmitFailedEventDetails")            \
	X(TASK_SUCCEEDED, "TaskSucceeded", "taskSucceededEventDetails")                      \
	X(TASK_FAILED, "TaskFailed", "taskFailedEventDetails")                               \
	X(TASK_TIMED_OUT, "TaskTimedOut", "taskTimedOutEventDetails")                        \
	X(EVALUATION_FAILED, "EvaluationFailed", "evaluationFailedEventDetails")

/* Private events. X(ENUM, name for people). Append only, too. */
#define PRIVATE_EVENTS(X)                                                                                              \
	X(BRANCH_STARTED, "BranchStarted") /* a Parallel branch's frame opens: frame, parent, index, input */          \
	X(FRAME_SUCCEEDED, "FrameSucceeded") /* a branch or iteration ended well: frame, output */                     \
	X(FRAME_CLOSED, "FrameClosed") /* a frame goes away (aborted with its siblings) */                             \
	X(WAIT_SCHEDULED, "WaitScheduled") /* frame, due_ms */                                                         \
	X(RETRY_SCHEDULED, "RetryScheduled") /* frame, retrier index, attempt, due_ms (jitter already drawn) */        \
	X(HEARTBEAT_RECORDED, "HeartbeatRecorded") /* frame, due_ms: the new deadline */                               \
	X(STATE_FAILED, "StateFailed") /* frame, error, cause: what stands at a failed frame, for redrive */           \
	X(INPUT_SEEN, "InputSeen") /* a dedupe key of an inbox message: payload string */

enum event_type {
#define X(name, wire, details) EVENT_##name,
	HISTORY_EVENTS(X)
#undef X
	EVENT_PUBLIC_COUNT,
	EVENT_PRIVATE_FIRST = 128, /* so that public types can be appended */
	EVENT_PRIVATE_BEFORE_ = EVENT_PRIVATE_FIRST - 1,
#define X(name, text) EVENT_##name,
	PRIVATE_EVENTS(X)
#undef X
};

/* Which fields an event carries; the order is the order in the stored form. Append only. */
enum event_field {
	FIELD_NAME = 1u << 0, /* name */
	FIELD_PAYLOAD = 1u << 1, /* payload: the input, the output, the item … */
	FIELD_PARAMETERS = 1u << 2, /* parameters */
	FIELD_VARIABLES = 1u << 3, /* variables */
	FIELD_ERROR = 1u << 4, /* error */
	FIELD_CAUSE = 1u << 5, /* cause */
	FIELD_RESOURCE = 1u << 6, /* resource */
	FIELD_RESOURCE_TYPE = 1u << 7, /* resource_type */
	FIELD_TIMEOUT = 1u << 8, /* timeout_s */
	FIELD_HEARTBEAT = 1u << 9, /* heartbeat_s */
	FIELD_WORKER = 1u << 10, /* worker */
	FIELD_INDEX = 1u << 11, /* index */
	FIELD_LENGTH = 1u << 12, /* length */
	FIELD_RAW = 1u << 13, /* raw: the caller's text where it differs from the compact payload */
	FIELD_ROLE = 1u << 14, /* role_arn */
	FIELD_PARENT = 1u << 15, /* parent: frame (private) */
	FIELD_DUE = 1u << 16, /* due_ms (private) */
	FIELD_DUE2 = 1u << 17, /* heartbeat_due_ms (private) */
	FIELD_NEXT = 1u << 18, /* next: the state that follows (private) */
	FIELD_ATTEMPT = 1u << 19, /* attempt (private) */
	FIELD_ARN = 1u << 20, /* arn: full resource ARN (private), map run ARN, version ARN */
	FIELD_LOCATION = 1u << 21, /* location: EvaluationFailed */
	FIELD_REGION = 1u << 22, /* region */
	FIELD_CREDENTIALS = 1u << 23, /* credentials: {"RoleArn": …} */
	FIELD_CONCURRENCY = 1u << 24, /* concurrency (private): a map's bound */
	FIELD_TOLERATED = 1u << 25, /* tolerated (private): how many iterations of a map may fail */
};
#define EVENT_FIELDS_ALL ((1u << 26) - 1)

struct event {
	enum event_type type;
	uint32_t fields; /* which of the below are set: enum event_field bits */
	uint64_t id; /* 0: private */
	uint64_t previous_id;
	int64_t timestamp_ms; /* never decreases within an execution */
	uint32_t frame; /* the frame it happened in; 0 is the root */

	struct str name;
	struct value *payload, *parameters, *variables, *credentials;
	struct str error, cause;
	struct str resource, resource_type, region, arn;
	int64_t timeout_s, heartbeat_s;
	struct str worker, raw, role_arn, next, location;
	uint64_t index, length, attempt, concurrency, tolerated;
	uint32_t parent;
	int64_t due_ms, heartbeat_due_ms;
};

const char *event_type_name(enum event_type type); /* "TaskScheduled"; private ones too */
bool event_is_public(enum event_type type);
/* The type with this wire name; false if there is none. */
bool event_type_parse(struct str name, enum event_type *ret_type);

/* Appends the event as one HistoryEvent JSON object, as GetExecutionHistory answers it (timestamp as epoch seconds with
 * fraction). With include_data false, payloads are left out as `includeExecutionData=false` wants. Public events only. */
void history_event_json(const struct event *event, bool include_data, struct buffer *out);
/* Appends the event as execution logging writes it (CloudWatch Logs: ids and times are strings, times in ms). Without data, inputs and
 * outputs and their …Details are left out; an event that would be longer than bytes_max has them left out and says "truncated": true. */
void history_event_log_json(const struct event *event, struct str execution_arn, uint64_t redrives, bool include_data, size_t bytes_max,
			    struct buffer *out);
