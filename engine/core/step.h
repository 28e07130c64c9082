/* step.h: what the deciding half shares. Internal to engine/core.
 *
 * decide never writes the state: it emits events, which evolve folds at once. One call of a handler is one unit of
 * work: it emits at least one event and leaves the state such that the next unit, in this step or after a crash in
 * another, finds what to do from the state alone. Values that decide makes belong to the step (step_keep) and live
 * until its arena is reset, so nothing here frees. */
#pragma once
#include "base/random.h"
#include "engine/core/state.h"
#include "engine/core/test.h"

struct core_step {
	struct execution *execution;
	const struct core_env *env;
	struct arena *arena;
	struct record_writer *writer; /* made with the first event */
	struct random random;
	struct command *commands;
	uint32_t commands_count, commands_capacity;
	bool cancels;      /* a COMMAND_CANCEL_TASK is among them */
	bool history_full; /* an event was refused: the execution is to fail */
	struct value **kept;
	size_t kept_count, kept_capacity;

	/* The context object that was made last, and for what. */
	const struct value *context;
	const struct frame *context_frame;
	uint64_t context_entered_id, context_item;
	uint32_t context_retries;
	bool context_token;
};

/* A workflow error on its way to Retry and Catch. */
struct failure {
	struct str error, cause; /* the cause with its prefix */
	bool has_error, has_cause;
	struct str location; /* of a JSONata expression; else empty */
	bool evaluation;     /* a States.QueryEvaluationError of this state: EvaluationFailed is recorded first */
	bool heartbeat_missed;
};

#define NO_ITEM UINT64_MAX

/* ---- step.c ----------------------------------------------------------------------------- */

/* Completes the event (id, time, frame), folds and records it. Refused, with history_full set, when the history is as
 * long as it may be. */
void step_emit(struct core_step *step, struct frame *frame, struct event *event);
/* Hands a reference over to the step; returns it. */
struct value *step_keep(struct core_step *step, struct value *value);
struct command *step_command(struct core_step *step, enum command_kind kind, uint64_t task_id);
/* Cancels what the frame's open task asked of a connector. */
void step_cancel_task(struct core_step *step, const struct frame *frame);
/* The terminal event, with cancels for all that is open. */
void step_end_execution(struct core_step *step, struct event *event);
/* The state that the frame's state name means: the one it is in, or when READY the one to enter. NULL if the definition
 * has none such. */
const struct state *frame_state(struct core_step *step, struct frame *frame);

/* ---- flow.c: data on its way through a state -------------------------------------------- */

/* What an expression sees. */
struct view {
	const struct value *input;                 /* `$`, or $states.input */
	const struct value *result, *error_output; /* JSONata */
	uint64_t item; /* which of a Map's items the context object shows; NO_ITEM: the frame's own */
	bool token;    /* the context object has the token of the task that is about to be scheduled */
};

/* Each returns 0, or -1 with *ret_failure. What they return belongs to the step or to the state. */
int step_evaluate(struct core_step *step, struct frame *frame, const struct expr *expr, const char *field,
		  const struct view *view, const struct value **ret_value, struct failure *ret_failure);
/* Whether a path finds something. */
bool step_evaluate_present(struct core_step *step, struct frame *frame, const struct expr *path,
			   const struct view *view, const struct value **ret_value);
/* The raw input after InputPath. */
int step_effective_input(struct core_step *step, struct frame *frame, const struct state *state,
			 const struct value **ret_input, struct failure *ret_failure);
/* What goes to the task, or into the branches: InputPath and Parameters, or Arguments. */
int step_effective_arguments(struct core_step *step, struct frame *frame, const struct state *state, bool token,
			     const struct value **ret_arguments, struct failure *ret_failure);
/* A constant, a path or an expression that must give a non-negative integer. -1 in *ret_number if the field is absent.
 */
int step_evaluate_number(struct core_step *step, struct frame *frame, const struct number_field *number,
			 const struct value *input, int64_t *ret_number, struct failure *ret_failure);
/* An Assign, which stands at `field` of the state; *ret_assigned is NULL if there is nothing to assign. */
int step_evaluate_assign(struct core_step *step, struct frame *frame, const struct assignment *assign,
			 const char *field, const struct view *view, const struct value **ret_assigned,
			 struct failure *ret_failure);
/* Whether a value is a whole number, or a string that is one, as the …Path fields take it. */
bool is_whole_number(const struct value *value, int64_t *ret_number);

/* How a state leaves: to `next` (STATE_NONE: it ends its scope). */
struct leaving {
	const struct value *output, *assigned;
	uint32_t next;
};
/* Output and variables from the result: ResultSelector, Assign, ResultPath, OutputPath; or Output and Assign. Output
 * and Assign stand in the state at `within`: "", or "Choices[1]/". */
int leave_with(struct core_step *step, struct frame *frame, const struct state *state, const char *within,
	       const struct value *result, struct leaving *ret_leaving, struct failure *ret_failure);
/* Records the exit. */
void exit_state(struct core_step *step, struct frame *frame, const struct state *state, const struct leaving *leaving);
/* Both, or the failure. */
void complete_state(struct core_step *step, struct frame *frame, const struct state *state, const char *within,
		    const struct value *result);

/* ---- failures ---------------------------------------------------------------------------- */

/* At most so many bytes of it, whole characters. */
struct str text_cut(struct str text, int64_t most);
/* Fills *failure with a cause that is given the prefix "An error occurred while executing the state …"; returns -1. */
int fail_with(struct core_step *step, const struct frame *frame, struct failure *failure, const char *error,
	      const char *format, ...) __attribute__((format(printf, 5, 6)));
/* A JSONata field gave what it must not; the same. */
int fail_evaluation(struct core_step *step, const struct frame *frame, struct failure *failure, const char *location,
		    const char *format, ...) __attribute__((format(printf, 5, 6)));
int fail_wrong_type(struct core_step *step, const struct frame *frame, struct failure *failure, const struct expr *expr,
		    const char *field, const char *expected, const struct value *found);
/* States.DataLimitExceeded of `name`. */
int fail_data_limit(struct core_step *step, struct failure *failure, struct str name);
bool exceeds_payload_limit(const struct core_step *step, const struct value *value);

/* The frame's state has failed: retry, catch, or fail its scope. */
void fail_state(struct core_step *step, struct frame *frame, const struct state *state, const struct failure *failure);
/* The same for a frame that stands in FAILING. */
void resume_failing(struct core_step *step, struct frame *frame, const struct state *state);

bool error_matches(const struct str *names, uint32_t count, const struct failure *failure);
/* retry.c: true if a retry was scheduled. catch.c: true if a catcher took it, or failed doing so (then *failure is what
 * it failed with). */
bool retry_failure(struct core_step *step, struct frame *frame, const struct state *state,
		   const struct failure *failure);
enum caught { CAUGHT_NOT, CAUGHT, CAUGHT_FAILED };
enum caught catch_failure(struct core_step *step, struct frame *frame, const struct state *state,
			  struct failure *failure);

/* ---- states: each is called for a frame that is inside one ------------------------------- */

void run_pass(struct core_step *step, struct frame *frame, const struct state *state);
void run_succeed(struct core_step *step, struct frame *frame, const struct state *state);
void run_fail(struct core_step *step, struct frame *frame, const struct state *state);
void run_choice(struct core_step *step, struct frame *frame, const struct state *state);
void run_wait(struct core_step *step, struct frame *frame, const struct state *state);
void end_wait(struct core_step *step, struct frame *frame, const struct state *state);
void run_task(struct core_step *step, struct frame *frame, const struct state *state);
void task_timed_out(struct core_step *step, struct frame *frame);
enum core_outcome task_input(struct core_step *step, const struct core_input *input);
void run_parallel(struct core_step *step, struct frame *frame, const struct state *state);
void run_map(struct core_step *step, struct frame *frame, const struct state *state);
/* One more iteration of a Map. */
void begin_iteration(struct core_step *step, struct frame *frame, const struct state *state);
void advance_fan(struct core_step *step, struct frame *frame, const struct state *state);
/* A branch or iteration has ended, well or not. */
void end_child(struct core_step *step, struct frame *child);
void fail_child(struct core_step *step, struct frame *child, const struct failure *failure);
/* Those below the frame whose last state has exited end well, before the others are aborted. */
void end_exited_children(struct core_step *step, struct frame *frame);
/* Whatever still runs below the frame is aborted; the events point at `after_id`. */
void abort_children(struct core_step *step, struct frame *frame, uint64_t after_id);

/* choice.c: whether rule number `rule` holds: 1, 0, or -1 with *ret_failure. */
int choice_holds(struct core_step *step, struct frame *frame, const struct choice_test *test, uint32_t rule,
		 const struct value *input, struct failure *ret_failure);

/* context.c: the context object as the frame sees it. */
const struct value *context_object(struct core_step *step, struct frame *frame, uint64_t item, bool token);

/* resource.c: a resource from its ARN; its texts point into `arn`. False if it is none that a Task may name. */
bool resource_parse(struct str arn, struct resource *ret_resource);
/* The kind of events that a resource's tasks leave. */
struct task_events {
	enum event_type scheduled, started, succeeded, failed, timed_out, start_failed;
};
const struct task_events *resource_events(enum resource_kind kind);

/* test.c: what a state under test tells (test.h), and what it is given. */
void test_saw(struct core_test *test, enum test_stage stage, const struct value *value);
void test_saw_number(struct core_test *test, enum test_stage stage, double number);
void test_failed(struct core_test *test, const struct failure *failure);
void test_left(struct core_test *test, const struct leaving *leaving, struct str next);
const struct value *test_context(struct core_step *step, uint64_t item);
void end_tested_fan(struct core_step *step, struct frame *frame, const struct state *state, const struct value *items);
static inline void step_saw(const struct core_step *step, enum test_stage stage, const struct value *value)
{
	if (step->env->test)
		test_saw(step->env->test, stage, value);
}

/* The events of a state type. */
enum event_type entered_event(enum state_type type);
enum event_type exited_event(enum state_type type);
