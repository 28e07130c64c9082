/* program.h: a state machine's definition, compiled: immutable, reference-counted, shared by all its executions.
 *
 * The struct is open to read: engine/core interprets it, visualizer/ draws it. Nobody writes it after program_compile. It and
 * everything in it lives in its own arena. States of all scopes stand in one array; a scope (the machine itself, a Parallel branch,
 * an item processor) names its start state. A state is found by index at run time; an execution's records name states by name, so that
 * a corrected definition can load an old execution.
 *
 * program_unref and program_ref: one thread (the loop's). */
#pragma once
#include "dsl/diagnostic.h"
#include "dsl/expr.h"

enum state_type { STATE_TASK, STATE_PASS, STATE_CHOICE, STATE_WAIT, STATE_SUCCEED, STATE_FAIL, STATE_PARALLEL, STATE_MAP };
const char *state_type_name(enum state_type type); /* "Task" … */

#define STATE_NONE UINT32_MAX /* no such state; as `next`: this state ends its scope */

/* Standard error names of the language; also what retriers and catchers treat apart. */
#define ERROR_NAMES(X)                                             \
	X(ALL, "States.ALL")                                       \
	X(TIMEOUT, "States.Timeout")                               \
	X(HEARTBEAT_TIMEOUT, "States.HeartbeatTimeout")            \
	X(TASK_FAILED, "States.TaskFailed")                        \
	X(PERMISSIONS, "States.Permissions")                       \
	X(RESULT_PATH_MATCH_FAILURE, "States.ResultPathMatchFailure") \
	X(PARAMETER_PATH_FAILURE, "States.ParameterPathFailure")   \
	X(QUERY_EVALUATION_ERROR, "States.QueryEvaluationError")   \
	X(BRANCH_FAILED, "States.BranchFailed")                    \
	X(NO_CHOICE_MATCHED, "States.NoChoiceMatched")             \
	X(INTRINSIC_FAILURE, "States.IntrinsicFailure")            \
	X(EXCEED_TOLERATED_FAILURE_THRESHOLD, "States.ExceedToleratedFailureThreshold") \
	X(ITEM_READER_FAILED, "States.ItemReaderFailed")           \
	X(RESULT_WRITER_FAILED, "States.ResultWriterFailed")       \
	X(DATA_LIMIT_EXCEEDED, "States.DataLimitExceeded")         \
	X(RUNTIME, "States.Runtime")
/* ERROR_NAME_TIMEOUT is the text "States.Timeout". */
#define ERROR_NAME_ALL "States.ALL"
#define ERROR_NAME_TIMEOUT "States.Timeout"
#define ERROR_NAME_HEARTBEAT_TIMEOUT "States.HeartbeatTimeout"
#define ERROR_NAME_TASK_FAILED "States.TaskFailed"
#define ERROR_NAME_RUNTIME "States.Runtime"
#define ERROR_NAME_DATA_LIMIT_EXCEEDED "States.DataLimitExceeded"
#define ERROR_NAME_NO_CHOICE_MATCHED "States.NoChoiceMatched"
#define ERROR_NAME_QUERY_EVALUATION_ERROR "States.QueryEvaluationError"
#define ERROR_NAME_BRANCH_FAILED "States.BranchFailed"
#define ERROR_NAME_RESULT_PATH_MATCH_FAILURE "States.ResultPathMatchFailure"
#define ERROR_NAME_PARAMETER_PATH_FAILURE "States.ParameterPathFailure"
#define ERROR_NAME_INTRINSIC_FAILURE "States.IntrinsicFailure"

/* ---- one state ---------------------------------------------------------------------------- */

struct assignment { /* a whole Assign object: evaluates to an object, name → value */
	struct expr *values; /* NULL: nothing is assigned */
};

struct retrier {
	struct str *errors; /* ErrorEquals */
	uint32_t errors_count;
	int64_t interval_s; /* default 1 */
	int64_t max_attempts; /* default 3; 0 never retries */
	double backoff_rate; /* default 2.0, at least 1.0 */
	int64_t max_delay_s; /* 0: none */
	bool jitter_full;
};

struct catcher {
	struct str *errors;
	uint32_t errors_count;
	uint32_t next;
	struct expr *result_path; /* JSONPath: reference path; NULL: default `$` */
	bool result_path_null; /* ResultPath: null discards the error output */
	struct expr *output; /* JSONata Output, NULL: default */
	struct assignment assign;
};

/* A number that may be given as a constant, a reference path, or a JSONata expression. */
struct number_field {
	struct expr *expr; /* NULL: use `value` */
	int64_t value; /* -1 if the field is absent */
	const char *field; /* "TimeoutSeconds" or "TimeoutSecondsPath"… for causes */
};

/* Choice operators. X(name in the language, kind of comparison, operand type) - each typed one has a …Path variant. */
#define CHOICE_OPERATORS(X)                                      \
	X(StringEquals, EQ, STRING)                              \
	X(StringLessThan, LT, STRING)                            \
	X(StringGreaterThan, GT, STRING)                         \
	X(StringLessThanEquals, LE, STRING)                      \
	X(StringGreaterThanEquals, GE, STRING)                   \
	X(NumericEquals, EQ, NUMERIC)                            \
	X(NumericLessThan, LT, NUMERIC)                          \
	X(NumericGreaterThan, GT, NUMERIC)                       \
	X(NumericLessThanEquals, LE, NUMERIC)                    \
	X(NumericGreaterThanEquals, GE, NUMERIC)                 \
	X(BooleanEquals, EQ, BOOLEAN)                            \
	X(TimestampEquals, EQ, TIMESTAMP)                        \
	X(TimestampLessThan, LT, TIMESTAMP)                      \
	X(TimestampGreaterThan, GT, TIMESTAMP)                   \
	X(TimestampLessThanEquals, LE, TIMESTAMP)                \
	X(TimestampGreaterThanEquals, GE, TIMESTAMP)
/* Beside those: StringMatches (no Path variant), IsNull, IsPresent, IsNumeric, IsString, IsBoolean, IsTimestamp. */

enum choice_comparison { CHOICE_EQ, CHOICE_LT, CHOICE_GT, CHOICE_LE, CHOICE_GE };
enum choice_operand { CHOICE_STRING, CHOICE_NUMERIC, CHOICE_BOOLEAN, CHOICE_TIMESTAMP };
enum choice_node {
	CHOICE_AND, CHOICE_OR, CHOICE_NOT, /* children */
	CHOICE_COMPARE, /* variable, comparison, operand, operand_type */
	CHOICE_MATCHES, /* variable, pattern */
	CHOICE_IS_NULL, CHOICE_IS_PRESENT, CHOICE_IS_NUMERIC, CHOICE_IS_STRING, CHOICE_IS_BOOLEAN, CHOICE_IS_TIMESTAMP, /* variable, wanted */
	CHOICE_CONDITION, /* JSONata: condition */
};

struct choice_test {
	enum choice_node node;
	struct choice_test *children; /* array */
	uint32_t children_count;
	struct expr *variable;
	enum choice_comparison comparison;
	enum choice_operand operand_type;
	struct value *operand; /* the constant; NULL when operand_path is used */
	struct expr *operand_path;
	int64_t operand_ms; /* TIMESTAMP constants, parsed */
	struct str pattern; /* StringMatches, as written (`*` any, backslash escapes) */
	bool wanted; /* IsX: true or false */
	struct expr *condition;
};

struct choice_rule {
	struct choice_test test;
	uint32_t next;
	struct assignment assign;
	struct expr *output; /* JSONata */
};

/* How a Task's resource is to be run. X(ENUM, what it is) */
enum resource_kind {
	RESOURCE_LAMBDA_ARN, /* arn:aws:lambda:…:function:NAME: LambdaFunction* events */
	RESOURCE_ACTIVITY, /* arn:aws:states:…:activity:NAME: Activity* events */
	RESOURCE_SERVICE, /* arn:aws:states:::SERVICE:API[.pattern]: Task* events */
	RESOURCE_RATCHET, /* arn:ratchet:CONNECTOR:::NAME[.pattern]: Task* events */
};
enum integration_pattern { PATTERN_REQUEST_RESPONSE, PATTERN_SYNC, PATTERN_SYNC2, PATTERN_WAIT_FOR_TASK_TOKEN };

struct resource {
	enum resource_kind kind;
	enum integration_pattern pattern;
	struct str arn; /* as written */
	struct str type; /* history's resourceType: "lambda", "http", "sqs", "exec" */
	struct str name; /* history's resource, pattern's suffix included: "invoke", "sendMessage.waitForTaskToken" */
	struct str api; /* without the suffix: "invoke" */
};

struct scope {
	uint32_t start; /* index of the start state */
	uint32_t first, count; /* its states stand at [first, first+count) ... of program->states, in the order of the text */
	uint32_t owner; /* the Parallel or Map state it belongs to, STATE_NONE for the machine */
	uint32_t branch; /* which branch of it */
	struct str comment;
};

struct state {
	enum state_type type;
	struct str name, comment;
	enum query_language language;
	uint32_t index; /* of itself */
	uint32_t scope; /* index into program->scopes */
	uint32_t next; /* STATE_NONE: ends its scope (End: true; Succeed; Fail; Choice) */
	size_t offset, length; /* its object in the source text */

	/* JSONPath I/O. A NULL expr means the default. */
	struct expr *input_path;
	bool input_path_null; /* InputPath: null → {} */
	struct expr *parameters; /* also Map's ItemSelector when it stands in old Parameters: see item_selector */
	struct expr *result_selector;
	struct expr *result_path;
	bool result_path_null;
	struct expr *output_path;
	bool output_path_null;
	/* JSONata I/O */
	struct expr *arguments, *output;
	/* both */
	struct assignment assign;
	struct retrier *retriers;
	uint32_t retriers_count;
	struct catcher *catchers;
	uint32_t catchers_count;

	union {
		struct {
			struct resource resource;
			struct number_field timeout_s, heartbeat_s;
			struct expr *credentials; /* NULL or a template giving {"RoleArn": …} */
		} task;
		struct {
			struct value *result; /* Result, NULL if absent */
		} pass;
		struct {
			struct choice_rule *rules;
			uint32_t rules_count;
			uint32_t fallback; /* Default, or STATE_NONE */
			/* Assign and Output of the state itself apply when Default is taken */
		} choice;
		struct {
			struct number_field seconds; /* Seconds or SecondsPath */
			struct expr *timestamp_path; /* TimestampPath, or JSONata Timestamp */
			bool has_timestamp;
			int64_t timestamp_ms; /* constant Timestamp */
			struct str timestamp; /* as written */
		} wait;
		struct {
			struct expr *error, *cause; /* constants, ErrorPath/CausePath (path or intrinsic) or JSONata; NULL if absent */
		} fail;
		struct {
			uint32_t *branches; /* scope indexes */
			uint32_t branches_count;
		} parallel;
		struct {
			uint32_t processor; /* scope index */
			struct expr *items; /* ItemsPath (reference path) or JSONata Items; NULL: the effective input */
			struct expr *item_selector; /* ItemSelector or the old Parameters */
			struct number_field max_concurrency;
			struct number_field tolerated_count; /* inline Map: 0 unless given */
			struct expr *tolerated_percentage;
		} map;
	};
};

struct program {
	struct state *states;
	uint32_t states_count;
	struct scope *scopes; /* [0] is the machine */
	uint32_t scopes_count;
	int64_t timeout_s; /* the machine's TimeoutSeconds; 0: none */
	enum query_language language;
	struct str comment, version;
	struct str source; /* the definition as it was given */
	bool uses_context_task_token; /* any expression reads $$.Task.Token */
	struct arena arena;
	uint32_t refs;
};

struct program_options {
	bool express; /* Express rules: no .sync, no .waitForTaskToken, no activities */
	bool distributed; /* takes a Distributed Map, which is not run then (TestState) */
	const struct limits *limits; /* NULL: defaults */
};

/* Compiles JSON text, or YAML (definition_yaml.h). Always fills *ret_diagnostics (living in `arena`; errors and warnings in source order). Returns 0 and
 * *ret_program (yours; program_unref) when there are no errors, else ERR(INVALID). */
int program_compile(struct str text, const struct program_options *options, struct arena *arena,
		    struct diagnostics *ret_diagnostics, struct program **ret_program);
struct program *program_ref(const struct program *program);
void program_unref(const struct program *program);

/* The state of a scope by name; NULL if there is none. */
const struct state *program_state(const struct program *program, uint32_t scope, struct str name);

/* Prints the compiled program for people: scopes, states, expressions, retriers (`ratchet explain`). */
void program_explain(const struct program *program, struct buffer *out);

/* StringMatches: `*` matches any characters, `\*` and `\\` are literal. No recursion, linear in practice. */
bool choice_pattern_matches(struct str pattern, struct str text);
