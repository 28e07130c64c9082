/* fields.h: which fields the language has, where each may stand, and what JSON it takes: one table, read by the
 * compiler, the documentation and the tests. A new field is a name, a row, and the lines that compile it. */
#pragma once
#include "dsl/definition_json.h"
#include "dsl/program.h"

/* Every field name, but for the Choice operators (program.h: CHOICE_OPERATORS). */
/* clang-format off */
#define FIELD_NAMES(X) \
	X(Arguments) X(Assign) X(BackoffRate) X(BatchInput) X(Branches) X(CSVDelimiter) X(CSVHeaderLocation) \
	X(CSVHeaders) X(Catch) X(Cause) X(CausePath) X(Choices) X(Comment) X(Condition) X(Credentials) \
	X(Default) X(End) X(Error) X(ErrorEquals) X(ErrorPath) X(ExecutionType) X(HeartbeatSeconds) \
	X(HeartbeatSecondsPath) X(InputPath) X(InputType) X(IntervalSeconds) X(ItemBatcher) X(ItemProcessor) \
	X(ItemReader) X(ItemSelector) X(Items) X(ItemsPath) X(ItemsPointer) X(Iterator) X(JitterStrategy) \
	X(Label) X(ManifestType) X(MaxAttempts) X(MaxConcurrency) X(MaxConcurrencyPath) X(MaxDelaySeconds) \
	X(MaxInputBytesPerBatch) X(MaxInputBytesPerBatchPath) X(MaxItems) X(MaxItemsPath) X(MaxItemsPerBatch) \
	X(MaxItemsPerBatchPath) X(Mode) X(Next) X(Output) X(OutputPath) X(Parameters) X(ProcessorConfig) \
	X(QueryLanguage) X(ReaderConfig) X(Resource) X(Result) X(ResultPath) X(ResultSelector) X(ResultWriter) \
	X(Retry) X(Seconds) X(SecondsPath) X(StartAt) X(States) X(TimeoutSeconds) X(TimeoutSecondsPath) \
	X(Timestamp) X(TimestampPath) X(ToleratedFailureCount) X(ToleratedFailureCountPath) \
	X(ToleratedFailurePercentage) X(ToleratedFailurePercentagePath) X(Transformation) X(Type) X(Version) \
	X(WriterConfig)

enum field {
#define X(name) F_##name,
	FIELD_NAMES(X)
#undef X
	FIELD_COUNT
};
/* clang-format on */
const char *field_name(enum field field);

/* What a field may belong to: a state of each type (numbered as enum state_type), and the objects around and inside
 * states. */
enum field_owner {
	OWNER_STATE = 0,
	OWNER_MACHINE = STATE_MAP + 1,
	OWNER_BRANCH,
	OWNER_PROCESSOR, /* ItemProcessor, Iterator */
	OWNER_PROCESSOR_CONFIG,
	OWNER_RETRIER,
	OWNER_CATCHER,
	OWNER_RULE, /* one of Choices */
	OWNER_ITEM_READER,
	OWNER_READER_CONFIG,
	OWNER_ITEM_BATCHER,
	OWNER_RESULT_WRITER,
	OWNER_COUNT
};

enum field_flags {
	FIELD_REQUIRED = 1,
	FIELD_JSONATA = 2, /* a "{% … %}" string may stand in the value's place */
	FIELD_INTEGER = 4,
	FIELD_RANGE = 8,      /* low … high hold */
	FIELD_NOT_EMPTY = 16, /* strings and arrays must not be empty */
};

struct field_row {
	enum field field;
	uint32_t owners;   /* bits 1 << enum field_owner */
	uint8_t languages; /* bits 1 << enum query_language */
	uint8_t kinds;     /* bits 1 << enum value_kind */
	uint8_t flags;
	double low, high;
};
extern const struct field_row field_rows[];
extern const unsigned field_rows_count;

/* The row of a field of this owner; NULL if it has none by that name in that language. */
const struct field_row *field_row(enum field_owner owner, enum query_language language, struct str name);

/* Fields of which an owner may have at most one. */
struct field_conflict {
	uint32_t owners;
	enum field first, second;
};
extern const struct field_conflict field_conflicts[];
extern const unsigned field_conflicts_count;

/* "Pass", "an item processor" … */
const char *field_owner_name(enum field_owner owner);

/* An object's fields, found. `at` is NULL when the field is absent or of a wrong kind; `members` tells the two apart.
 */
struct fields {
	const struct djson *object;
	enum field_owner owner;
	const struct djson *at[FIELD_COUNT];
	const struct djson *members[FIELD_COUNT];
};
