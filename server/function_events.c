/* function_events.c: see function_events.h.
 *
 * An event is the input of an execution, named by its request id, of a state machine with one state that invokes the function:
 *
 *     keep ─► state machine lambda.NAME[.QUALIFIER]: is there and as it must be? ── no ─► created, or updated
 *                               └─ yes ─► engine_start ─► committed ─► accepted
 *
 * So all that executions have holds for events: they survive a crash, wait on disk for their next attempt, are dead letters when
 * none went well, and targets are told. The machine's definition says what the function's settings say:
 *
 *     the function failed                  again after 1 and 2 minutes (event_retries), as on AWS
 *     it was throttled, or the service's   again after 1 s, 2 s, 4 s … 5 minutes
 *     event_age_s is over                  it has timed out; an attempt that began before may end
 *     its answer is too large to be kept   it went well: nobody waits for the answer */
#include "server/function_events.h"
#include "base/hash.h"
#include "base/mem.h"
#include <stdio.h>
#include <stdlib.h>

#define MACHINE_NAME_MAX 80
#define MARK "An event of the Lambda function "
#define RETRY_S 60
#define BUSY_RETRY_MOST_S 300

struct events {
	struct function_events base;
	struct engine *engine;
	struct keeping *keeping; /* under way */
};

/* An event while it is being kept; its texts live in the arena. */
struct keeping {
	struct arena arena;
	struct events *events;
	struct keeping *next, *previous;
	struct engine *engine;
	struct str machine_name, machine_arn, definition, id, input, trace;
	void (*done)(void *data, const struct wf_error *err);
	void *data;
};

/* lambda.NAME.QUALIFIER; one that is too long has a hash instead of its end. */
static struct str machine_name(struct arena *arena, const struct function_event *event)
{
	struct str name = arena_format(arena, FUNCTION_EVENTS "%.*s%s%.*s", STR_FMT(event->function),
				       event->qualifier.len ? "." : "", STR_FMT(event->qualifier));
	/* What a name of a state machine cannot have: "$LATEST". */
	for (size_t i = 0; i < name.len; i++)
		if (name.ptr[i] == '$')
			((char *)name.ptr)[i] = '_';
	if (name.len <= MACHINE_NAME_MAX)
		return name;
	return arena_format(arena, "%.*s-%016llx", MACHINE_NAME_MAX - 17, name.ptr,
			    (unsigned long long)hash_bytes(name, 0));
}

static struct str definition(struct arena *arena, const struct function_event *event)
{
	int64_t age_s = (event->age_ms + event->timeout_ms + 999) / 1000;
	return arena_format(
	    arena,
	    "{\"Comment\":\"" MARK "%.*s (InvocationType Event)\",\"StartAt\":\"Invoke\",\"TimeoutSeconds\":%lld,"
	    "\"States\":{\"Invoke\":{\"Type\":\"Task\",\"Resource\":\"%.*s\",\"Retry\":["
	    "{\"ErrorEquals\":[\"Lambda.ResourceNotFoundException\",\"States.DataLimitExceeded\"],\"MaxAttempts\":0},"
	    "{\"ErrorEquals\":[\"Lambda.TooManyRequestsException\",\"Lambda.ServiceException\","
	    "\"Lambda.InvalidRuntimeException\",\"Lambda.SdkClientException\"],\"IntervalSeconds\":1,\"BackoffRate\":2,"
	    "\"MaxDelaySeconds\":%d,\"MaxAttempts\":99999999},"
	    "{\"ErrorEquals\":[\"States.ALL\"],\"IntervalSeconds\":%d,\"BackoffRate\":2,\"MaxAttempts\":%u}],"
	    "\"Catch\":[{\"ErrorEquals\":[\"States.DataLimitExceeded\"],\"ResultPath\":null,\"Next\":\"Handled\"}],"
	    "\"End\":true},\"Handled\":{\"Comment\":\"What it answered is too large to be kept\",\"Type\":\"Succeed\"}}}",
	    STR_FMT(event->function), (long long)age_s, STR_FMT(event->arn), BUSY_RETRY_MOST_S, RETRY_S,
	    event->retries);
}

static void keeping_free(struct keeping *keeping)
{
	*(keeping->previous ? &keeping->previous->next : &keeping->events->keeping) = keeping->next;
	if (keeping->next)
		keeping->next->previous = keeping->previous;
	arena_done(&keeping->arena);
	free(keeping);
}

static void finish(struct keeping *keeping, const struct engine_error *error)
{
	struct wf_error err = { 0 };
	if (error->code == ENGINE_VALIDATION) /* all else of the request is ours */
		error_set(&err, ERR(LIMIT), "Request must be smaller than %lld bytes for the InvokeFunction operation (limits.payload_bytes)",
			  (long long)engine_limits(keeping->engine)->payload_bytes);
	else if (error->code != ENGINE_OK)
		error_set(&err, ERR(IO), "%.*s", STR_FMT(error->message));
	keeping->done(keeping->data, error->code != ENGINE_OK ? &err : NULL);
	keeping_free(keeping);
}

static void on_started(void *data, const struct engine_error *error, const struct execution_info *execution)
{
	/* The same event, from a task that runs again: it was kept before. */
	struct engine_error good = { .code = ENGINE_OK, .message = STR_EMPTY };
	finish(data, error->code == ENGINE_EXECUTION_ALREADY_EXISTS ? &good : error);
}

static void start(struct keeping *keeping)
{
	bool root = str_starts(keeping->trace, STR("Root="));
	struct start_request request = { .machine_arn = keeping->machine_arn,
					 .name = keeping->id,
					 .input = keeping->input,
					 .trace_header = root ? keeping->trace : STR_EMPTY,
					 .trace_parent = root ? STR_EMPTY : keeping->trace };
	engine_start(keeping->engine, &request, on_started, keeping);
}

static void on_machine(void *data, const struct engine_error *error, const struct machine_info *machine)
{
	struct keeping *keeping = data;
	if (error->code != ENGINE_OK)
		finish(keeping, error);
	else
		start(keeping);
}

static struct keeping *keeping_new(struct events *events, void (*done)(void *data, const struct wf_error *err), void *data)
{
	struct keeping *keeping = NEW(struct keeping);
	*keeping = (struct keeping){
		.events = events, .next = events->keeping, .engine = events->engine, .done = done, .data = data
	};
	if (keeping->next)
		keeping->next->previous = keeping;
	events->keeping = keeping;
	return keeping;
}

static void keep(struct function_events *events, const struct function_event *event,
		 void (*done)(void *data, const struct wf_error *err), void *data)
{
	struct keeping *keeping = keeping_new((struct events *)events, done, data);
	struct engine *engine = keeping->engine;
	struct arena *arena = &keeping->arena;
	keeping->machine_name = machine_name(arena, event);
	keeping->machine_arn = arena_format(arena, "arn:aws:states:%s:%s:stateMachine:%.*s", engine_region(engine),
					    engine_account(engine), STR_FMT(keeping->machine_name));
	keeping->definition = definition(arena, event);
	keeping->id = arena_str(arena, event->id);
	keeping->input = arena_str(arena, event->event);
	keeping->trace = arena_str(arena, event->trace);
	const struct machine_info *machine = engine_find_machine(engine, keeping->machine_arn);
	if (machine && str_eq(machine->definition, keeping->definition)) {
		start(keeping);
		return;
	}
	struct machine_request request = { .name = keeping->machine_name,
					   .arn = keeping->machine_arn,
					   .definition = keeping->definition,
					   .role_arn = arena_format(arena, "arn:aws:iam::%s:role/lambda", engine_account(engine)),
					   .type = STR("STANDARD"),
					   .has_definition = true };
	/* One that somebody else made under that name is left alone: creating says that it is there. */
	if (machine && memmem(machine->definition.ptr, machine->definition.len, MARK, strlen(MARK)))
		engine_update_machine(engine, &request, on_machine, keeping);
	else
		engine_create_machine(engine, &request, on_machine, keeping);
}

struct function_events *function_events_new(struct engine *engine)
{
	struct events *events = NEW(struct events);
	*events = (struct events){ .base = { .keep = keep }, .engine = engine };
	return &events->base;
}

void function_events_free(struct function_events *events)
{
	struct events *ended = (struct events *)events;
	while (ended && ended->keeping)
		keeping_free(ended->keeping);
	free(ended);
}
