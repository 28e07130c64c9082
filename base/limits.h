/* limits.h: every bound of the engine, in one place.
 *
 * The default is AWS's where AWS has one. Each can be raised by configuration under `limits:` by
 * its name here; 0 is never "unlimited". X(name, default, smallest, largest, what it bounds) */
#pragma once
#include <stdint.h>

#define LIMITS(X)                                                                                                          \
	X(payload_bytes, 262144, 1024, 1073741824, "input, output or result of a task, state or execution, as UTF-8")      \
	X(definition_bytes, 1048576, 1024, 67108864, "a state machine's definition")                                      \
	X(request_bytes, 1048576, 1024, 1073741824, "one API request's body")                                             \
	X(history_events, 25000, 100, 100000000, "events in one execution's history")                                     \
	X(error_bytes, 256, 16, 65536, "an error's name; longer ones are cut")                                            \
	X(cause_bytes, 32768, 256, 16777216, "an error's cause; longer ones are cut")                                     \
	X(name_chars, 80, 8, 255, "characters in the name of a state machine, execution, state or variable")             \
	X(json_depth, 512, 16, 4096, "nesting of JSON values")                                                            \
	X(state_depth, 64, 4, 256, "nesting of Map and Parallel states")                                                  \
	X(states, 10000, 10, 1000000, "states in one definition")                                                         \
	X(variables_bytes, 10485760, 1024, 1073741824, "all variables of an execution")                                   \
	X(assign_bytes, 262144, 1024, 1073741824, "all variables of one Assign")                                          \
	X(map_concurrency, 40, 1, 100000, "iterations of one inline Map that run at once")                                \
	X(intrinsic_depth, 10, 1, 100, "intrinsic functions nested in one field")                                         \
	X(array_range_items, 1000, 1, 1000000, "items that States.ArrayRange makes")                                      \
	X(hash_input_bytes, 10000, 100, 1073741824, "input of States.Hash and the Base64 functions")                      \
	X(expression_steps, 10000000, 1000, 100000000000, "steps that evaluating one expression may take")               \
	X(expression_depth, 100, 16, 10000, "nesting while one expression is evaluated")                                  \
	X(expression_bytes, 268435456, 65536, 17179869184, "memory that evaluating one expression may take")              \
	X(expression_value_bytes, 20971520, 1024, 17179869184, "one value that a JSONata expression makes: 24 bytes an item, 4 a character") \
	X(step_events, 4096, 16, 1000000, "events of one step before an execution goes to the back of the queue")         \
	X(step_bytes, 1048576, 65536, 1073741824, "payload bytes of one step before the same")                            \
	X(snapshot_bytes, 65536, 256, 1073741824, "journal since the last snapshot, beyond which an execution gets a new one") \
	X(turn_inputs, 1024, 1, 1000000, "inputs that one turn takes")                                                    \
	X(batches_outstanding, 8, 1, 1024, "batches handed to the store and not yet answered")                            \
	X(input_queue, 100000, 100, 100000000, "inputs waiting for a turn; starts beyond it are refused with 503")        \
	X(cached_executions, 20000, 10, 100000000, "executions kept in memory while they wait")                           \
	X(cache_bytes, 536870912, 1048576, 1099511627776, "their memory, about")                                          \
	X(redrive_days, 14, 1, 36500, "days after its end in which an execution can be redriven")                        \
	X(express_seconds, 300, 1, 86400, "how long an Express execution may take")                                       \
	X(open_executions, 1000000, 10, 1000000000, "open executions")                                                    \
	X(tasks_in_flight, 10000, 1, 10000000, "tasks handed to connectors and not yet answered")                         \
	X(http_connections, 20000, 10, 1000000, "client connections to the server")                                       \
	X(request_seconds, 90, 1, 86400, "what a client may take to send a request, or to take its answer; 1 s more for each 16 KiB") \
	X(exec_output_bytes, 262144, 1024, 1073741824, "what an exec task may print on stdout")                           \
	X(exec_log_bytes, 1048576, 1024, 1073741824, "what is kept of an exec task's stderr (its end)")                   \
	X(function_workers, 100, 1, 100000, "workers of all functions together")                                           \
	X(http_response_bytes, 6291556, 1024, 1073741824, "the body of an http or lambda answer")                         \
	X(retention_days, 90, 1, 36500, "days that an ended execution is kept")

struct limits {
#define X(name, value, least, most, text) int64_t name;
	LIMITS(X)
#undef X
};

#define LIMITS_DEFAULT                                             \
	((struct limits){                                          \
	LIMITS_DEFAULT_FIELDS_ })
#define LIMITS_FIELD_(name, value, least, most, text) .name = (value),
#define LIMITS_DEFAULT_FIELDS_ LIMITS(LIMITS_FIELD_)

/* A row for each, in order: for configuration, --help and documentation. */
struct limit_row {
	const char *name;
	int64_t value, least, most;
	const char *text;
	uint32_t offset; /* of the field in struct limits */
};
extern const struct limit_row limit_rows[];
extern const unsigned limit_rows_count;
