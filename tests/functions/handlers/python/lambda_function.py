# Handlers as AWS documents them.
import decimal
import json
import os
import sys
import time

COLD = time.time()
calls = 0


class OrderProblem(Exception):
    pass


def lambda_handler(event, context):
    global calls
    calls += 1
    print("event:", json.dumps(event))
    return {"statusCode": 200, "body": json.dumps({"hello": event.get("name", "world")}), "calls": calls}


def show_context(event, context):
    remaining = context.get_remaining_time_in_millis()
    custom = context.client_context.custom if context.client_context else None
    return {
        "request_id": context.aws_request_id, "arn": context.invoked_function_arn, "name": context.function_name,
        "version": context.function_version, "memory": context.memory_limit_in_mb, "group": context.log_group_name,
        "stream": context.log_stream_name, "remaining": remaining, "custom": custom, "identity": context.identity.cognito_identity_id,
        "trace": os.environ.get("_X_AMZN_TRACE_ID"), "root": os.environ["LAMBDA_TASK_ROOT"], "handler": os.environ["_HANDLER"],
        "region": os.environ["AWS_REGION"], "secret": os.environ.get("SECRET"), "cwd": os.getcwd(), "key": context.idempotency_key,
    }


def raises(event, context):
    print("about to fail")
    raise OrderProblem("order %s is bad" % event.get("order"))


def exits(event, context):
    print("last words", file=sys.stderr)
    sys.exit(event.get("status", 1))


def killed(event, context):
    os.kill(os.getpid(), 9)


def sleeps(event, context):
    print("sleeping")
    time.sleep(event.get("seconds", 1))
    return "slept"


def who(event, context):
    time.sleep(event.get("seconds", 0) if isinstance(event, dict) else 0)
    return os.getpid()


def large(event, context):
    return "a" * (7 * 1024 * 1024)


def strange(event, context):
    return object()


def numbers(event, context):
    return {"decimal": decimal.Decimal("1.5"), "text": "grün ☃", "event": event}


def progress(event, context):
    for i in range(4):
        print(json.dumps({"progress": i / 4}), flush=True)
        print("step", i, flush=True)
        time.sleep(0.4)
    return "done"


def hungry(event, context):
    return len(bytearray(event["mb"] << 20))


def burns(event, context):
    while True:
        pass


class NotYet(Exception):
    pass


def third_time(event, context):
    """Notes its request id; goes well from attempt number `good` on."""
    with open(event["path"], "a") as file:
        file.write(context.aws_request_id + "\n")
    if len(open(event["path"]).read().split()) < event["good"]:
        raise NotYet("not yet")
    time.sleep(event.get("seconds", 0))


def long_answer(event, context):
    return "x" * 300000


def notes(event, context):
    """A target that is told of status changes."""
    detail = event["detail"]
    print("was told", detail["status"], detail["error"], detail["executionArn"].split(":execution:")[1], json.loads(detail["input"])["path"])
