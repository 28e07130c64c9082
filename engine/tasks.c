/* tasks.c: SendTaskSuccess, SendTaskFailure, SendTaskHeartbeat: inputs that come by task token. */
#include "engine/runtime.h"
#include "engine/token.h"

static void settle_task(struct request *request, struct resident *resident, enum core_outcome outcome)
{
	(void)resident;
	switch (outcome) {
	case CORE_ACCEPTED:
		break;
	case CORE_CLOSED:
		request_fail(request, ENGINE_TASK_TIMED_OUT, "Task Timed Out: 'Provided task does not exist anymore'");
		break;
	case CORE_UNKNOWN:
		request_fail(request, ENGINE_TASK_DOES_NOT_EXIST,
			     "Task Does Not Exist: 'Provided task does not exist'");
		break;
	}
}

/* The task of a token; answers with an error and returns NULL if it is none of ours. */
static struct request *task_request(struct engine *engine, struct str token, engine_done_fn *done, void *data,
				    struct task_key *ret_key)
{
	struct request *request = request_new(engine, request_answer_plain, data);
	request->done.plain = done;
	if (!token_read(&engine->key, token, ret_key)) {
		request_refuse(request, ENGINE_INVALID_TOKEN, "Invalid Token: 'Invalid token'");
		return NULL;
	}
	request->task_id = ret_key->event_id;
	request->settle = settle_task;
	request->carried = true;
	return request;
}

static void put(struct request *request, struct task_key key, enum core_input_kind kind, struct str error,
		struct str cause)
{
	const struct str absent = { NULL, 0 };
	struct input *input = input_new(kind, key.event_id, request->value, absent, error, cause);
	input->token = true;
	input->request = request;
	mailbox_put(request->engine, key.execution_id, input);
}

void engine_task_success(struct engine *engine, struct str token, struct str output, engine_done_fn *done, void *data)
{
	const struct str absent = { NULL, 0 };
	struct task_key key;
	struct request *request = task_request(engine, token, done, data, &key);
	if (!request)
		return;
	if (request_parse_json(request, output, ENGINE_INVALID_OUTPUT, "Invalid Output"))
		put(request, key, INPUT_TASK_SUCCEEDED, absent, absent);
	else
		request_hold(request, 0);
}

void engine_task_failure(struct engine *engine, struct str token, struct str error, struct str cause,
			 engine_done_fn *done, void *data)
{
	struct task_key key;
	struct request *request = task_request(engine, token, done, data, &key);
	if (request)
		put(request, key, INPUT_TASK_FAILED, error, cause);
}

void engine_task_heartbeat(struct engine *engine, struct str token, engine_done_fn *done, void *data)
{
	const struct str absent = { NULL, 0 };
	struct task_key key;
	struct request *request = task_request(engine, token, done, data, &key);
	if (request)
		put(request, key, INPUT_TASK_HEARTBEAT, absent, absent);
}
