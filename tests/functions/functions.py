#!/usr/bin/env python3
"""Functions: unmodified handlers as AWS documents them, a runtime of the provided kind, shell commands; through Task states, the
Lambda API and the command line; versions, limits, and what is left when the server dies."""

import base64
import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "server"))
from driver import ROLE, STATES, Server, Skipped, clean_environment, main, tests_of

HANDLERS = os.path.join(HERE, "handlers")
ARN = "arn:aws:lambda:us-east-1:000000000000:function:"
BOOTSTRAP = os.environ.get("RATCHET_TEST_BOOTSTRAP", "")


class Context:
    def __init__(self, ratchet, folder):
        self.ratchet, self.folder, self.server = ratchet, folder, None
        self.env = clean_environment(folder)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if self.server:
            status = self.server.stop()
            assert kind or status == 0, self.server.log()

    def serve(self, functions=None, store="memory:", **config):
        folder = os.path.join(self.folder, "server")
        os.makedirs(folder, exist_ok=True)
        self.server = Server(self.ratchet, folder, store=store, config={"functions": functions or {}, **config})
        self.env["RATCHET_ENDPOINT"] = self.server.url
        return self.server

    def run(self, *arguments, status=0, **more):
        done = subprocess.run([self.ratchet, "functions", *arguments], capture_output=True, text=True, timeout=60, env=self.env,
                              cwd=self.folder, **more)
        assert done.returncode == status, f"{arguments} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def invoke(self, name, event=None, status=200, **headers):
        """→ (payload, headers); the payload parsed."""
        got, answer, body = self.server.request("POST", f"/2015-03-31/functions/{name}/invocations", json.dumps(event),
                                                {k.replace("_", "-"): v for k, v in headers.items()}, timeout=60)
        assert got == status, (got, body[:500])
        return (json.loads(body) if body else None), answer

    def good(self, name, event=None, **headers):
        payload, answer = self.invoke(name, event, **headers)
        assert "X-Amz-Function-Error" not in answer, payload
        return payload

    def bad(self, name, event=None, **headers):
        payload, answer = self.invoke(name, event, **headers)
        assert answer["X-Amz-Function-Error"] == "Unhandled", payload
        return payload

    def show(self, name):
        return json.loads(self.server.request("GET", f"/v1/functions/{name}")[2])

    def wait_for(self, what, timeout=15):
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            result = what()
            if result:
                return result
            time.sleep(0.02)
        raise AssertionError("it did not happen in time")


def python(function, **more):
    return {"handler": os.path.join(HANDLERS, "python"), "entry": "lambda_function." + function, "timeout_s": 20, **more}


def node(function, folder="node", module="index", **more):
    if not shutil.which("node"):
        raise Skipped("node is not here")
    return {"handler": os.path.join(HANDLERS, folder), "entry": f"{module}.{function}", "timeout_s": 20, **more}


def broken(entry, **more):
    if entry.endswith(".mjs"):
        if not shutil.which("node"):
            raise Skipped("node is not here")
        return {"handler": os.path.join(HANDLERS, "broken"), "entry": entry[:-4] + ".handler", "runtime": "nodejs", **more}
    return {"handler": os.path.join(HANDLERS, "broken"), "entry": entry + ".handler", "runtime": "python", **more}


def _provided(context):
    if not BOOTSTRAP:
        raise Skipped("RATCHET_TEST_BOOTSTRAP is not set")
    folder = os.path.join(context.folder, "provided")
    os.makedirs(folder, exist_ok=True)
    shutil.copy(BOOTSTRAP, os.path.join(folder, "bootstrap"))
    return {"handler": folder, "timeout_s": 5}


def task(resource, **more):
    return {"StartAt": "T", "States": {"T": {"Type": "Task", "Resource": resource, "End": True, **more}}}


def execute(server, name, definition, value):
    arn = server.create(name, definition)
    started = server.call("StartExecution", stateMachineArn=arn, input=json.dumps(value))
    return server.wait(started["executionArn"], timeout=60)


# ---- Python -------------------------------------------------------------------------------------------------


def a_python_handler_runs_as_it_is(context):
    context.serve({"hello": {"handler": os.path.join(HANDLERS, "python")}})
    first = context.good("hello", {"name": "you"})
    assert first == {"statusCode": 200, "body": '{"hello": "you"}', "calls": 1}, first
    assert context.good("hello", {})["calls"] == 2, "the second call was not warm"


def the_python_context_has_what_aws_documents(context):
    context.serve({"f": python("show_context", memory_mb=512, env={"SECRET": {"file": __file__}})})
    custom = base64.b64encode(b'{"custom": {"a": "b"}}').decode()
    got = context.good("f", {}, X_Amz_Client_Context=custom, X_Amzn_Trace_Id="Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1")
    assert re.fullmatch(r"[0-9a-f-]{36}", got["request_id"]) and got["arn"] == ARN + "f" and got["name"] == "f", got
    assert got["version"] == "$LATEST" and got["memory"] == "512" and got["group"] == "/aws/lambda/f", got
    assert re.match(r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}$", got["stream"]), got
    assert 15000 < got["remaining"] <= 20000 and got["custom"] == {"a": "b"} and got["identity"] is None, got
    assert got["trace"] == "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1", got
    assert got["root"] == got["cwd"] == os.path.realpath(os.path.join(HANDLERS, "python")) and got["region"] == "us-east-1", got
    assert got["secret"] == open(__file__).read().rstrip("\n") and got["key"] is None, got


def a_python_exception_has_lambdas_shape(context):
    context.serve({"f": python("raises")})
    got = context.bad("f", {"order": 7})
    assert got["errorType"] == "OrderProblem" and got["errorMessage"] == "order 7 is bad", got
    assert len(got["stackTrace"]) == 1 and "lambda_function.py" in got["stackTrace"][0] and "in raises" in got["stackTrace"][0], got
    assert re.fullmatch(r"[0-9a-f-]{36}", got["requestId"]), got


def python_values_go_through_as_json(context):
    context.serve({"f": python("numbers"), "strange": python("strange")})
    assert context.good("f", {"x": [1, 0.1, None]}) == {"decimal": 1.5, "text": "grün ☃", "event": {"x": [1, 0.1, None]}}
    got = context.bad("strange")
    assert got["errorType"] == "Runtime.MarshalError" and "not JSON serializable" in got["errorMessage"], got


def an_exit_during_an_invocation_is_told_as_on_aws(context):
    context.serve({"f": python("exits"), "k": python("killed")})
    got = context.bad("f", {"status": 3})
    assert got["errorType"] == "Runtime.ExitError", got
    assert re.fullmatch(r"RequestId: [0-9a-f-]{36} Error: Runtime exited with error: exit status 3", got["errorMessage"]), got
    assert context.bad("f", {"status": 0})["errorMessage"].endswith("Error: Runtime exited without providing a reason")
    assert context.bad("k")["errorMessage"].endswith("Error: Runtime exited with error: signal: killed")


def a_timeout_ends_the_worker_with_awss_words(context):
    context.serve({"f": python("sleeps", timeout_s=1)})
    began = time.monotonic()
    got = context.bad("f", {"seconds": 30})
    assert 0.9 < time.monotonic() - began < 5 and got["errorType"] == "Sandbox.Timedout", got
    assert re.fullmatch(r"RequestId: [0-9a-f-]{36} Error: Task timed out after 1.00 seconds", got["errorMessage"]), got
    assert context.good("f", {"seconds": 0}) == "slept"
    assert context.show("f")["figures"]["timeouts"] == 1


def a_response_that_is_too_large_is_refused(context):
    context.serve({"f": python("large")})
    got = context.bad("f")
    assert got["errorType"] == "Function.ResponseSizeTooLarge" and "6291556 bytes" in got["errorMessage"], got


def large_events_and_answers_go_through_and_too_large_ones_cost_no_worker(context):
    functions = {"python": python("numbers")}
    if shutil.which("node"):
        functions["node"] = node("promised")
        functions["node_large"] = node("large")
    context.serve({**functions, "large": python("large")})
    for text in ("ü" * 900_000, "x" * 5_000_000, "a\r\n\r\nb" * 300_000):
        assert context.good("python", [text])["event"] == [text]
        if "node" in functions:
            assert context.good("node", [text]) == {"promised": [text]}
    for name in ("large", "node_large"):
        for _ in range(2 if name in functions or name == "large" else 0):
            assert context.bad(name)["errorType"] == "Function.ResponseSizeTooLarge"
            assert context.show(name)["figures"]["cold_starts"] == 1, "its worker goes on"


def a_handler_that_cannot_be_loaded_says_why(context):
    context.serve({"missing": broken("missing"), "bad": broken("bad"), "nohandler": python("there_is_none"), "dies": broken("dies"),
                   "slow": broken("slow", init_timeout_s=1)})
    got = context.bad("missing")
    assert got["errorType"] == "Runtime.ImportModuleError", got
    assert got["errorMessage"] == "Unable to import module 'missing': No module named 'a_module_that_does_not_exist'", got
    assert context.bad("missing")["errorType"] == "Runtime.ImportModuleError", "the second time too"
    assert context.bad("bad")["errorType"] == "Runtime.UserCodeSyntaxError"
    got = context.bad("nohandler")
    assert got["errorType"] == "Runtime.HandlerNotFound" and got["errorMessage"] == "Handler 'there_is_none' missing on module 'lambda_function'", got
    got = context.bad("dies")
    assert got["errorType"] == "Runtime.ExitError" and got["errorMessage"].endswith("exit status 9"), got
    got = context.bad("slow")
    assert got["errorType"] == "Sandbox.Timedout" and got["errorMessage"].endswith("timed out after 1.00 seconds"), got


# ---- Node.js ------------------------------------------------------------------------------------------------


def node_handlers_run_as_they_are(context):
    names = ["handler", "promised", "called", "done", "plain", "nothing"]
    context.serve({name: node(name) for name in names})
    assert context.good("handler", {"a": 1}) == {"statusCode": 200, "name": "handler"}
    assert context.good("promised", [1]) == {"promised": [1]} and context.good("called", "x") == {"called": "x"}
    assert context.good("done") == "old style" and context.good("plain") == {"plain": True} and context.good("nothing") is None


def a_module_of_the_new_kind_runs(context):
    context.serve({"esm": node("handler", "esm", "app"), "guessed": {"handler": os.path.join(HANDLERS, "esm"), "timeout_s": 20}})
    want = {"greeting": "hello from a module", "event": {"x": "é"}, "own": True}
    assert context.good("esm", {"x": "é"}) == want and context.good("guessed", {"x": "é"}) == want


def the_node_context_has_what_aws_documents(context):
    context.serve({"context": node("context")})
    custom = base64.b64encode('{"custom": {"a": "ü"}}'.encode()).decode()
    got = context.good("context", {}, X_Amz_Client_Context=custom)
    assert got["arn"] == ARN + "context" and got["version"] == "$LATEST" and got["memory"] == "128", got
    assert got["custom"] == {"a": "ü"} and 15000 < got["remaining"] <= 20000 and got["group"] == "/aws/lambda/context", got


def node_errors_have_lambdas_shape(context):
    context.serve({name: node(name) for name in ("throws", "throwsText", "calledWithError", "calledWithText", "rejectsLater", "throwsLater", "exits")})
    got = context.bad("throws")
    assert got["errorType"] == "OrderProblem" and got["errorMessage"] == "no such order" and "index.js" in got["trace"][1], got
    assert context.bad("throwsText") == {"errorType": "string", "errorMessage": "thrown text", "trace": []}
    assert context.bad("calledWithError")["errorType"] == "TypeError" and context.bad("calledWithText")["errorMessage"] == "just text"
    got = context.bad("rejectsLater")
    assert got["errorType"] == "Runtime.UnhandledPromiseRejection" and got["errorMessage"] == "Error: nobody listens", got
    got = context.bad("throwsLater")
    assert got["errorType"] == "RangeError" and got["errorMessage"] == "too late", got
    got = context.bad("exits")
    assert got["errorType"] == "Runtime.ExitError" and got["errorMessage"].endswith("exit status 7"), got


def an_idle_worker_that_is_killed_is_replaced(context):
    context.serve({"f": python("who")})
    first = context.good("f", {})
    os.kill(first, signal.SIGKILL)
    context.wait_for(lambda: not alive(first), 5)
    context.wait_for(lambda: context.show("f")["pool"]["workers"] == 0, 5)
    assert context.good("f", {}) != first


def a_node_worker_that_ends_between_two_events_takes_none_with_it(context):
    context.serve({"throwsAfterwards": node("throwsAfterwards")})
    assert context.good("throwsAfterwards", 1) == "gone"
    time.sleep(1)
    assert context.good("throwsAfterwards", 0) == "gone" and context.show("throwsAfterwards")["figures"]["cold_starts"] == 2


def a_node_module_that_cannot_be_loaded_says_why(context):
    context.serve({"syntax": broken("bad.mjs"), "throws": broken("throws.mjs"), "none": node("x", module="nowhere"), "nohandler": node("missing")})
    assert context.bad("syntax")["errorType"] == "Runtime.UserCodeSyntaxError"
    assert context.bad("throws")["errorMessage"] == "at the top"
    assert context.bad("none")["errorType"] == "Runtime.ImportModuleError"
    got = context.bad("nohandler")
    assert got["errorType"] == "Runtime.HandlerNotFound" and got["errorMessage"] == "index.missing is undefined or not exported", got


# ---- the Runtime API, spoken to by a bootstrap --------------------------------------------------------------------


def a_bootstrap_runs_as_it_is(context):
    context.serve({"p": _provided(context)})
    for _ in range(3):
        assert context.good("p", {"x": 1}) == {"x": 1}
    got = context.good("p", "headers")
    assert re.fullmatch(r"Root=1-[0-9a-f]{8}-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=[01]", got["trace"]), got
    assert 0 < got["deadline"] - time.time() * 1000 < 5000 and re.fullmatch(r"[0-9a-f-]{36}", got["id"]), got
    assert context.show("p")["runtime"] == "provided"


def the_runtime_api_refuses_what_it_must(context):
    context.serve({"p": _provided(context)})
    assert context.good("p", "unknown") == {"status": 400} and context.good("p", "twice") == {"status": 403}
    assert context.good("p", "paths") == {"statuses": [404, 405, 403, 405]}
    assert context.bad("p", "error")["errorType"] == "Custom.Kind"
    assert context.bad("p", "error json") == {"errorType": "Custom.Json", "errorMessage": "said so"}
    got = context.bad("p", "streaming")
    assert got["errorType"] == "Runtime.ResponseStreamingUnsupported" and "not supported" in got["errorMessage"], got
    got = context.bad("p", "exit")
    assert got["errorMessage"].endswith("exit status 1"), got
    assert context.good("p", 1) == 1, "it comes back"


def a_worker_waits_for_its_next_event_without_end(context):
    context.serve({"p": _provided(context)})
    context.good("p", 1)
    pool = context.show("p")["pool"]
    time.sleep(2)
    assert context.good("p", 2) == 2 and context.show("p")["figures"]["cold_starts"] == 1, pool


def nothing_but_a_worker_is_let_in(context):
    """Each worker has a loopback address of its own; the public listener does not speak the Runtime API."""
    server = context.serve({"p": _provided(context)})
    context.good("p", 1)
    assert server.request("GET", "/2018-06-01/runtime/invocation/next")[0] == 404
    listening = subprocess.run(["ss", "-ltnH"], capture_output=True, text=True).stdout if shutil.which("ss") else ""
    for line in listening.splitlines():
        assert line.split()[3].startswith("127.") or not line.split()[3].endswith(f":{server.port}"), line


def the_public_client_for_node_runs_as_it_is(context):
    """aws-lambda-ric from npm, in the folder RATCHET_TEST_RIC: npm install aws-lambda-ric there."""
    client = os.path.join(os.environ.get("RATCHET_TEST_RIC", "/nowhere"), "node_modules", "aws-lambda-ric")
    if not os.path.exists(os.path.join(client, "bin", "index.mjs")) or not shutil.which("node"):
        raise Skipped("RATCHET_TEST_RIC names no folder with aws-lambda-ric")
    functions = {}
    for name in ("handler", "called", "throws", "context", "exits"):
        folder = os.path.join(context.folder, name)
        shutil.copytree(os.path.join(HANDLERS, "node"), folder)
        with open(os.path.join(folder, "bootstrap"), "w") as file:
            file.write(f"#!/bin/sh\nexec node {client}/bin/index.mjs $_HANDLER\n")
        os.chmod(os.path.join(folder, "bootstrap"), 0o755)
        functions[name] = {"handler": folder, "runtime": "provided.al2023", "entry": "index." + name, "timeout_s": 20}
    context.serve(functions)
    for _ in range(3):
        assert context.good("handler", {"a": 1}) == {"statusCode": 200, "name": "handler"}
    assert context.good("called", "x") == {"called": "x"}
    got = context.bad("throws")
    assert got["errorType"] == "OrderProblem" and got["errorMessage"] == "no such order", got
    custom = base64.b64encode(b'{"custom": {"a": 1}}').decode()
    got = context.good("context", {}, X_Amz_Client_Context=custom)
    assert got["arn"] == ARN + "context" and got["custom"] == {"a": 1} and 10000 < got["remaining"] <= 20000, got
    assert context.bad("exits")["errorType"] == "Runtime.ExitError"


# ---- commands ---------------------------------------------------------------------------------------------------


def a_shell_command_takes_the_event_and_gives_the_result(context):
    context.serve({"up": {"command": "tr a-z A-Z"}, "text": {"command": "echo hello; echo aside >&2"}, "none": {"command": "cat >/dev/null"},
                   "fails": {"command": "echo why >&2; exit 4"}, "env": {"command": 'echo "\\"$X $AWS_LAMBDA_FUNCTION_NAME\\""', "env": {"X": "1"}},
                   "slow": {"command": "sleep 60 & sleep 60", "timeout_s": 0.5}})
    assert context.good("up", {"a": "b"}) == {"A": "B"} and context.good("text") == "hello" and context.good("none") is None
    assert context.bad("fails")["errorMessage"].endswith("exit status 4") and context.good("env") == "1 env"
    assert context.bad("slow")["errorType"] == "Sandbox.Timedout"


# ---- Task states --------------------------------------------------------------------------------------------------


def a_task_with_a_functions_arn_calls_it(context):
    server = context.serve({"f": python("lambda_handler"), "r": python("raises")})
    done = execute(server, "plain", task(ARN + "f"), {"name": "x"})
    assert done["status"] == "SUCCEEDED" and json.loads(done["output"])["body"] == '{"hello": "x"}', done
    done = execute(server, "invoke", task("arn:aws:states:::lambda:invoke", Parameters={"FunctionName": "f", "Payload.$": "$"}), {"name": "y"})
    output = json.loads(done["output"])
    assert output["Payload"]["body"] == '{"hello": "y"}' and output["StatusCode"] == 200 and output["ExecutedVersion"] == "$LATEST", output
    assert output["SdkHttpMetadata"]["HttpStatusCode"] == 200 and output["SdkResponseMetadata"]["RequestId"], output
    done = execute(server, "fails", task(ARN + "r"), {"order": 1})
    assert done["status"] == "FAILED" and done["error"] == "OrderProblem" and json.loads(done["cause"])["errorMessage"] == "order 1 is bad", done


def a_function_that_is_not_there_fails_the_task(context):
    server = context.serve()
    done = execute(server, "none", task(ARN + "nobody"), {})
    assert done["error"] == "Lambda.ResourceNotFoundException", done
    _, answer = context.invoke("nobody", {}, status=404)
    assert answer["x-amzn-ErrorType"] == "ResourceNotFoundException"


def a_crash_fails_the_task_with_what_it_printed_last(context):
    server = context.serve({"f": python("exits")})
    done = execute(server, "crash", task(ARN + "f"), {"status": 5})
    cause = json.loads(done["cause"])
    assert done["error"] == "Runtime.ExitError" and "last words" in cause["log"] and cause["errorMessage"].endswith("exit status 5"), done


def a_retrier_matches_the_functions_error(context):
    server = context.serve({"f": python("raises")})
    definition = task(ARN + "f", Retry=[{"ErrorEquals": ["OrderProblem"], "IntervalSeconds": 1, "MaxAttempts": 1}],
                      Catch=[{"ErrorEquals": ["OrderProblem"], "Next": "C"}])
    definition["States"]["C"] = {"Type": "Pass", "End": True}
    done = execute(server, "retry", definition, {"order": 2})
    assert done["status"] == "SUCCEEDED" and json.loads(done["output"])["Error"] == "OrderProblem", done
    assert context.show("f")["figures"]["errors"] == 2


def a_task_tells_the_handler_its_idempotency_key(context):
    server = context.serve({"f": python("show_context")})
    got = json.loads(execute(server, "key", task(ARN + "f"), {})["output"])
    assert got["custom"]["idempotencyKey"] == got["key"] and got["key"].startswith("x-") and got["custom"]["state"] == "T", got
    assert got["custom"]["executionArn"].startswith(STATES + "execution:key:"), got


def an_event_is_not_waited_for_and_a_dry_run_runs_nothing(context):
    server = context.serve({"f": python("sleeps")})
    began = time.monotonic()
    done = execute(server, "event", task("arn:aws:states:::lambda:invoke", Parameters={"FunctionName": "f", "InvocationType": "Event", "Payload": {"seconds": 3}}), {})
    assert json.loads(done["output"])["StatusCode"] == 202 and time.monotonic() - began < 2.5, done
    assert context.invoke("f", {"seconds": 1}, status=202, X_Amz_Invocation_Type="Event")[0] is None
    assert context.invoke("f", {}, status=204, X_Amz_Invocation_Type="DryRun")[0] is None
    context.wait_for(lambda: context.show("f")["figures"]["invocations"] == 2)
    assert context.show("f")["figures"]["events"] == 2
    context.invoke("nobody", {}, status=404, X_Amz_Invocation_Type="Event")
    context.invoke("f:7", {}, status=404, X_Amz_Invocation_Type="Event")


# ---- events that nobody waits for -------------------------------------------------------------------------------------


def _event(context, name, event, status=202):
    """→ its request id, which is the name of its execution."""
    return context.invoke(name, event, status=status, X_Amz_Invocation_Type="Event")[1]["x-amzn-RequestId"]


def _attempts(path):
    return open(path).read().split() if os.path.exists(path) else []


def an_event_that_fails_is_tried_again_and_keeps_its_request_id(context):
    server = context.serve({"f": python("third_time")}, time_scale=120)
    path = os.path.join(context.folder, "attempts")
    name = _event(context, "f", {"path": path, "good": 3})
    done = server.wait(STATES + "execution:lambda.f:" + name, timeout=30)
    assert done["status"] == "SUCCEEDED" and _attempts(path) == [name] * 3, (done, _attempts(path))


def an_event_that_never_goes_well_is_a_dead_letter(context):
    server = context.serve({"f": python("third_time", event_retries=1)}, time_scale=120)
    path = os.path.join(context.folder, "attempts")
    name = _event(context, "f", {"path": path, "good": 3})
    done = server.wait(STATES + "execution:lambda.f:" + name, timeout=30)
    assert done["status"] == "FAILED" and done["error"] == "NotYet" and _attempts(path) == [name] * 2, done
    letters = json.loads(server.request("GET", "/v1/dead-letters?machine=lambda.f")[2])["deadLetters"]
    assert [letter["executionArn"] for letter in letters] == [done["executionArn"]], letters
    # It can be repaired and sent on, as any other.
    server.call("RedriveExecution", executionArn=done["executionArn"])
    assert server.wait(done["executionArn"], timeout=30)["status"] == "SUCCEEDED" and len(_attempts(path)) == 3


def a_function_is_told_of_an_event_that_could_not_be_handled(context):
    """A target may be a function: what AWS calls an on-failure destination."""
    server = context.serve({"f": python("third_time", event_retries=0), "told": python("notes")}, time_scale=20,
                           targets={"failed": {"function": "told", "machines": ["lambda.*"], "events": ["FAILED", "TIMED_OUT"], "timeout_s": 300}})
    path = os.path.join(context.folder, "attempts")
    name = _event(context, "f", {"path": path, "good": 2})
    told = context.wait_for(lambda: [line for line in context.run("logs", "told").splitlines() if "was told" in line])
    assert f"FAILED NotYet lambda.f:{name}" in told[0] and path in told[0], told


def an_events_settings_may_change_and_its_function_may_be_busy(context):
    """One worker and a queue of one: most attempts are throttled, and none is lost."""
    store = "sqlite:" + os.path.join(context.folder, "s.db")
    server = context.serve({"f": python("sleeps", max_concurrent=1, queue=1)}, store=store)
    names = [_event(context, "f", {"seconds": 0.1}) for _ in range(6)]
    for name in names:
        assert server.wait(STATES + "execution:lambda.f:" + name, timeout=60)["status"] == "SUCCEEDED"
    first = server.call("DescribeStateMachine", stateMachineArn=STATES + "stateMachine:lambda.f")["definition"]
    assert server.stop() == 0
    server = context.serve({"f": python("sleeps", event_retries=0, event_age_s=60)}, store=store)
    name = _event(context, "f", {"seconds": 0})
    assert server.wait(STATES + "execution:lambda.f:" + name)["status"] == "SUCCEEDED"
    second = server.call("DescribeStateMachine", stateMachineArn=STATES + "stateMachine:lambda.f")["definition"]
    assert json.loads(first)["TimeoutSeconds"] == 21620 and json.loads(second)["TimeoutSeconds"] == 80, (first, second)


def an_event_too_old_is_given_up(context):
    server = context.serve({"f": python("third_time", event_age_s=60, timeout_s=3)}, time_scale=60)
    path = os.path.join(context.folder, "attempts")
    done = server.wait(STATES + "execution:lambda.f:" + _event(context, "f", {"path": path, "good": 3}), timeout=30)
    assert done["status"] == "TIMED_OUT" and len(_attempts(path)) in (1, 2), (done, _attempts(path))


def an_event_with_an_answer_too_large_to_be_kept_went_well(context):
    server = context.serve({"f": python("long_answer")}, time_scale=120)
    done = server.wait(STATES + "execution:lambda.f:" + _event(context, "f", {}), timeout=30)
    assert done["status"] == "SUCCEEDED" and context.show("f")["figures"]["invocations"] == 1, done
    status, headers, body = server.request("POST", "/2015-03-31/functions/f/invocations", json.dumps("x" * 300000),
                                           {"X-Amz-Invocation-Type": "Event"})
    assert status == 413 and headers["x-amzn-ErrorType"] == "RequestTooLargeException" and b"262144 bytes" in body, body


def an_accepted_event_is_not_lost_by_a_crash(context):
    store = "sqlite:" + os.path.join(context.folder, "s.db")
    path = os.path.join(context.folder, "attempts")
    functions = {"f": python("third_time", max_concurrent=2), "once": python("third_time")}
    server = context.serve(functions, store=store)
    names = [_event(context, "f", {"path": path + str(i), "good": 1, "seconds": 0.5}) for i in range(8)]
    waits = _event(context, "once", {"path": path, "good": 2})  # fails, and waits a minute
    waiting = STATES + "execution:lambda.once:" + waits
    context.wait_for(lambda: any(event["type"] == "LambdaFunctionFailed" for event in
                                 server.call("GetExecutionHistory", executionArn=waiting)["events"]))
    server.process.send_signal(signal.SIGKILL)
    server.process.wait()
    server.stop(None)
    server = context.serve(functions, store=store)
    for i, name in enumerate(names):
        assert server.wait(STATES + "execution:lambda.f:" + name, timeout=30)["status"] == "SUCCEEDED"
        assert set(_attempts(path + str(i))) == {name}
    assert server.call("DescribeExecution", executionArn=waiting)["status"] == "RUNNING" and _attempts(path) == [waits]


def a_machine_of_that_name_that_is_somebodys_own_is_left_alone(context):
    server = context.serve({"f": python("lambda_handler")})
    arn = server.create("lambda.f", {"StartAt": "P", "States": {"P": {"Type": "Pass", "End": True}}})
    context.invoke("f", {}, status=500, X_Amz_Invocation_Type="Event")
    assert "Pass" in server.call("DescribeStateMachine", stateMachineArn=arn)["definition"]


def a_task_that_sends_an_event_again_after_a_crash_sends_one(context):
    """The id of the event is made of the task's idempotency key; the task's answer and all attempts have it."""
    server = context.serve({"f": python("third_time")}, time_scale=120)
    path = os.path.join(context.folder, "attempts")
    done = execute(server, "event", task("arn:aws:states:::lambda:invoke", Parameters={"FunctionName": "f:$LATEST", "InvocationType": "Event", "Payload": {"path": path, "good": 3}}), {})
    assert done["status"] == "SUCCEEDED", done
    name = json.loads(done["output"])["SdkHttpMetadata"]["HttpHeaders"]["x-amzn-RequestId"]
    listed = server.call("ListExecutions", stateMachineArn=STATES + "stateMachine:lambda.f._LATEST")["executions"]
    assert [one["name"] for one in listed] == [name] and re.fullmatch("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", name), (name, listed)
    assert server.wait(listed[0]["executionArn"], timeout=30)["status"] == "SUCCEEDED" and _attempts(path) == [name] * 3, _attempts(path)


def a_tasks_timeout_takes_the_worker_with_it(context):
    server = context.serve({"f": python("sleeps", timeout_s=60)})
    done = execute(server, "timeout", task(ARN + "f", TimeoutSeconds=1), {"seconds": 50})
    assert done["status"] in ("FAILED", "TIMED_OUT") and done.get("error") == "States.Timeout", done
    context.wait_for(lambda: context.show("f")["pool"]["workers"] == 0)


def a_line_is_a_heartbeat_and_progress_is_told(context):
    server = context.serve({"f": python("progress")})
    done = execute(server, "beats", task(ARN + "f", HeartbeatSeconds=1, TimeoutSeconds=20), {})
    assert done["status"] == "SUCCEEDED" and json.loads(done["output"]) == "done", done


def waiting_for_a_worker_is_no_missed_heartbeat(context):
    """Three tasks and one worker: the last waits longer than HeartbeatSeconds."""
    server = context.serve({"f": python("sleeps", max_concurrent=1)})
    each = {"StartAt": "M", "States": {"M": {"Type": "Map", "End": True, "ItemProcessor": task(ARN + "f", HeartbeatSeconds=3)}}}
    done = execute(server, "queued", each, [{"seconds": 2}] * 3)
    assert done["status"] == "SUCCEEDED", done


# ---- the Lambda API ---------------------------------------------------------------------------------------------------


def the_log_comes_with_the_answer_if_asked(context):
    context.serve({"f": python("raises")})
    _, answer = context.invoke("f", {"order": 1}, X_Amz_Log_Type="Tail")
    log = base64.b64decode(answer["X-Amz-Log-Result"]).decode()
    assert log.startswith("START RequestId: ") and "about to fail" in log and "\nREPORT RequestId: " in log and "OrderProblem" in log, log
    assert answer["X-Amz-Executed-Version"] == "$LATEST" and answer["x-amzn-RequestId"], dict(answer)


def what_is_no_json_is_refused(context):
    server = context.serve({"f": python("lambda_handler")})
    for method, path in (("POST", "/invocations"), ("GET", ""), ("GET", "/configuration"), ("GET", "/versions")):
        status, headers, body = server.request(method, f"/2015-03-31/functions/f%00g%0A{path}", "{}" if method == "POST" else None)
        assert status == 400 and headers["x-amzn-ErrorType"] == "ValidationException" and b"'f%00g%0A'" in body, (path, status, body)
    status, headers, body = server.request("POST", "/2015-03-31/functions/f/invocations", "{nope")
    assert status == 400 and headers["x-amzn-ErrorType"] == "InvalidRequestContentException" and b"json" in body, body
    status, headers, _ = server.request("POST", "/2015-03-31/functions/f/invocations", "{}", {"X-Amz-Invocation-Type": "Nope"})
    assert status == 400 and headers["x-amzn-ErrorType"] == "InvalidParameterValueException"


def boto3_speaks_to_it(context):
    try:
        import boto3
    except ImportError:
        raise Skipped("boto3 is not here")
    server = context.serve({"f": python("lambda_handler")})
    client = boto3.client("lambda", endpoint_url=server.url, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="y")
    answer = client.invoke(FunctionName="f", Payload=b'{"name": "boto"}', LogType="Tail")
    assert json.loads(answer["Payload"].read())["body"] == '{"hello": "boto"}' and answer["ExecutedVersion"] == "$LATEST"
    assert "START" in base64.b64decode(answer["LogResult"]).decode() and answer["StatusCode"] == 200
    assert client.invoke(FunctionName=ARN + "f:$LATEST", Payload=b"{}")["StatusCode"] == 200
    assert [f["FunctionName"] for f in client.list_functions()["Functions"]] == ["f"]
    assert client.get_function(FunctionName="f")["Configuration"]["Handler"] == "lambda_function.lambda_handler"
    assert client.list_versions_by_function(FunctionName="f")["Versions"][0]["Version"] == "$LATEST"
    try:
        client.invoke(FunctionName="nobody", Payload=b"{}")
        assert False
    except client.exceptions.ResourceNotFoundException as e:
        assert "Function not found" in str(e)


# ---- pools ----------------------------------------------------------------------------------------------------------------


def _many(context, name, count, event):
    results, threads = [], []
    for _ in range(count):
        threads.append(threading.Thread(target=lambda: results.append(context.invoke(name, event)[0])))
        threads[-1].start()
    for thread in threads:
        thread.join()
    return results


def a_pool_grows_by_demand_and_no_further(context):
    context.serve({"f": python("who", max_concurrent=3)})
    began = time.monotonic()
    results = _many(context, "f", 9, {"seconds": 0.3})
    took = time.monotonic() - began
    assert len(set(results)) <= 3 and len(results) == 9 and took >= 0.85, (results, took)
    assert context.show("f")["pool"]["workers"] <= 3


def calls_one_after_the_other_share_a_worker(context):
    context.serve({"f": python("who")})
    assert len({context.good("f", {}) for _ in range(30)}) <= 2, "a worker that is about to be free is waited for"


def an_idle_worker_goes(context):
    context.serve({"f": python("who", idle_s=1)})
    context.good("f", {})
    context.wait_for(lambda: context.show("f")["pool"]["workers"] == 0)
    assert isinstance(context.good("f", {}), int)


def a_warm_function_has_its_workers_ready(context):
    context.serve({"f": python("who", warm=2, idle_s=1)})
    context.wait_for(lambda: context.show("f")["pool"]["idle"] == 2)
    time.sleep(2.5)
    assert context.show("f")["pool"]["workers"] == 2


def one_function_does_not_starve_another(context):
    """With room for two workers in all, and one of them reserved, the second function answers while the first is flooded."""
    context.serve({"greedy": python("who", max_concurrent=10), "small": python("who", reserved=1, max_concurrent=1),
                   "third": python("who")}, limits={"function_workers": 2})
    flood = threading.Thread(target=lambda: _many(context, "greedy", 8, {"seconds": 0.4}))
    flood.start()
    time.sleep(0.3)
    began = time.monotonic()
    assert isinstance(context.good("small", {}), int)
    small = time.monotonic() - began
    assert isinstance(context.good("third", {}), int), "not even in turn"
    flood.join()
    assert small < 1.5, f"the function with a reserved worker waited {small:.1f} s"


def a_full_queue_refuses(context):
    context.serve({"f": python("who", max_concurrent=1, queue=2)})
    context.good("f", {})
    codes = []
    threads = [threading.Thread(target=lambda: codes.append(context.server.request(
        "POST", "/2015-03-31/functions/f/invocations", '{"seconds": 0.5}')[0])) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes.count(200) in (2, 3) and codes.count(429) == 6 - codes.count(200), codes


def memory_and_processor_time_are_limited(context):
    context.serve({"small": python("hungry", memory_mb=64), "burns": python("burns", cpu_s=1)})
    assert context.good("small", {"mb": 4}) == 4 << 20
    got = context.bad("small", {"mb": 200})
    assert got["errorType"] in ("MemoryError", "Runtime.ExitError"), got
    got = context.bad("burns")
    assert got["errorMessage"].endswith("signal: CPU time limit exceeded"), got


def _delegated_group():
    """A cgroup v2 of our own with the controllers for memory, processors and processes, to put a server into."""
    for line in open("/proc/mounts"):
        if line.split()[2] != "cgroup2":
            continue
        own = line.split()[1] + next(row[3:].strip().rstrip("/") for row in open("/proc/self/cgroup") if row.startswith("0::"))
        controllers = open(os.path.join(own, "cgroup.controllers")).read().split()
        if not {"memory", "cpu", "pids"} <= set(controllers):
            raise Skipped("cgroups v2 are here without a controller for memory: " + (" ".join(controllers) or "none"))
        group = os.path.join(own, f"ratchet-test-{os.getpid()}")
        try:
            with open(os.path.join(own, "cgroup.subtree_control"), "w") as file:
                file.write("+memory +cpu +pids")
            os.mkdir(group)
        except OSError as problem:
            raise Skipped(f"no cgroup can be made: {problem}")
        return group
    raise Skipped("cgroups v2 are not here")


def a_memory_hog_is_killed_and_told_as_on_aws(context):
    group = _delegated_group()
    try:
        wrapper = os.path.join(context.folder, "in-group")
        with open(wrapper, "w") as file:
            file.write(f'#!/bin/sh\necho 0 > {group}/cgroup.procs\nexec {context.ratchet} "$@"\n')
        os.chmod(wrapper, 0o755)
        context.ratchet = wrapper
        context.serve({"small": python("hungry", memory_mb=64), "half": python("burns", cpus=0.25, timeout_s=2)})
        assert context.good("small", {"mb": 4}) == 4 << 20
        workers = [name for name in os.listdir(group) if "-small-" in name]
        assert len(workers) == 1 and open(f"{group}/{workers[0]}/memory.max").read().strip() == str(64 << 20), os.listdir(group)
        got = context.bad("small", {"mb": 200})
        assert got["errorType"] == "Runtime.ExitError", got
        assert re.fullmatch(r"RequestId: [0-9a-f-]{36} Error: Runtime exited with error: signal: killed", got["errorMessage"]), got
        assert context.good("small", {"mb": 4}) == 4 << 20, "the next one has a new worker"
        burning = threading.Thread(target=lambda: context.bad("half"))
        burning.start()
        name = context.wait_for(lambda: [name for name in os.listdir(group) if "-half-" in name])[0]
        context.wait_for(lambda: open(f"{group}/{name}/cpu.max").read().split() == ["25000", "100000"])
        burning.join()
        assert context.server.stop() == 0
        context.server = None
        # What still ran when the server ended is gone soon, and its group when the next server needs one.
        left = [name for name in os.listdir(group) if "-small-" in name or "-half-" in name]
        context.wait_for(lambda: all("populated 0" in open(f"{group}/{name}/cgroup.events").read() for name in left))
        with open(f"{group}/cgroup.subtree_control", "w") as file:
            file.write("-memory -cpu -pids")  # no process may begin in a group that hands them on
        context.serve({"other": python("hungry", memory_mb=64)})
        assert context.good("other", {"mb": 1}) == 1 << 20
        assert not [name for name in left if os.path.exists(f"{group}/{name}")], os.listdir(group)
    finally:
        if context.server:
            context.server.stop(signal.SIGKILL)
            context.server = None
        for name in os.listdir(group):
            if os.path.isdir(os.path.join(group, name)):
                _ignore(lambda: os.rmdir(os.path.join(group, name)))
        _ignore(lambda: os.rmdir(group))


# ---- versions -----------------------------------------------------------------------------------------------------------------


def _write(context, text):
    folder = os.path.join(context.folder, "code")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "app.py"), "w") as file:
        file.write(f"def handler(event, context):\n    return {text!r}, context.function_version\n")
    return folder


def a_function_is_added_published_named_rolled_back_and_removed(context):
    store = "sqlite:" + os.path.join(context.folder, "s.db")
    context.serve(store=store)
    folder = _write(context, "one")
    assert context.run("add", "f", "--handler", folder, "--timeout", "20").strip() == ARN + "f"
    assert context.good("f") == ["one", "$LATEST"] and context.run("publish", "f").strip() == "1" and context.run("publish", "f").strip() == "1"
    _write(context, "two")
    assert context.good("f:1") == ["one", "1"], "a version never changes"
    context.run("add", "f", "--handler", folder, "--timeout", "20")
    assert context.good("f") == ["two", "$LATEST"] and context.run("publish", "f", "--description", "second").strip() == "2"
    context.run("alias", "f", "live", "1")
    assert context.good(ARN + "f:live") == ["one", "1"]
    context.run("alias", "f", "live", "2")
    assert context.good("f:live") == ["two", "2"]
    context.run("rollback", "f", "--alias", "live")
    assert context.good("f:live") == ["one", "1"]
    context.run("rollback", "f", "1")
    assert context.good("f") == ["one", "$LATEST"]
    # All of it is there after a restart.
    assert context.server.stop() == 0
    context.serve(store=store)
    assert context.good("f") == ["one", "$LATEST"] and context.good("f:live") == ["one", "1"] and context.good("f:2") == ["two", "2"]
    shown = context.show("f")
    assert shown["latest_version"] == 2 and shown["aliases"]["live"]["version"] == 1 and shown["versions"][1]["description"] == "second", shown
    context.invoke("f:7", status=404)
    context.invoke("f:nobody", status=404)
    context.run("rm", "f")
    context.invoke("f", status=404)
    assert context.server.stop() == 0
    context.serve(store=store)
    context.invoke("f", status=404)
    assert os.listdir(store[7:] + ".functions/packages") == []


def the_configurations_functions_are_changed_there_only(context):
    context.serve({"f": python("who")})
    folder = _write(context, "x")
    context.run("add", "f", "--handler", folder, status=2)
    context.run("publish", "f", status=2)
    context.run("rm", "f", status=2)
    context.run("add", "bad/name", "--handler", folder, status=2)
    context.run("add", "g", "--handler", "/nowhere", status=2)
    context.run("add", "g", status=2)
    context.run("show", "nobody", status=2)


def the_command_line_calls_and_shows(context):
    context.serve({"f": python("raises"), "g": python("lambda_handler")})
    assert json.loads(context.run("invoke", "g", "--payload", '{"name": "cli"}'))["body"] == '{"hello": "cli"}'
    assert json.loads(context.run("invoke", "f", "--payload", '{"order": 9}', status=1))["errorType"] == "OrderProblem"
    assert re.search(r"f +python +version - .*invocations 1  errors 1", context.run("ls"))
    assert "about to fail" in context.run("logs", "f") and json.loads(context.run("show", "g", "--json"))["runtime"] == "python"


def an_update_lets_what_runs_go_on(context):
    context.serve(store="sqlite:" + os.path.join(context.folder, "s.db"))
    folder = os.path.join(context.folder, "code")
    os.makedirs(folder)
    with open(os.path.join(folder, "app.py"), "w") as file:
        file.write("import time\ndef handler(event, context):\n    time.sleep(event)\n    return 'old'\n")
    context.run("add", "f", "--handler", folder, "--timeout", "20")
    results = []
    slow = threading.Thread(target=lambda: results.append(context.good("f", 1.5)))
    slow.start()
    time.sleep(0.7)
    _write(context, "new")
    context.run("add", "f", "--handler", folder, "--timeout", "20")
    assert context.good("f", 0)[0] == "new"
    slow.join()
    assert results == ["old"]


# ---- the end of the server ---------------------------------------------------------------------------------------------------------


def alive(pid):
    try:
        return open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def no_worker_outlives_the_server(context):
    nap = f"sleep 1000.{os.getpid()}"
    context.serve({"f": python("who"), "child": {"command": f"{nap} & {nap}", "timeout_s": 900}})
    pids = _many(context, "f", 4, {"seconds": 0.3})
    busy = threading.Thread(target=lambda: _ignore(lambda: context.invoke("child")))
    busy.start()
    context.wait_for(lambda: context.show("child")["pool"]["busy"] == 1)
    time.sleep(0.3)
    context.server.process.send_signal(signal.SIGKILL)
    context.server.process.wait()
    busy.join()
    context.wait_for(lambda: not any(alive(pid) for pid in pids), 5)
    left = subprocess.run(["pgrep", "-f", nap], capture_output=True, text=True).stdout.split()
    context.wait_for(lambda: not any(alive(pid) for pid in left), 5)
    context.server.stop(None)
    context.server = None


def _ignore(call):
    try:
        call()
    except (OSError, http.client.HTTPException, AssertionError):
        pass


def a_server_that_ends_takes_its_workers_along(context):
    context.serve({"f": python("who")})
    pid = context.good("f", {})
    assert alive(pid) and context.server.stop() == 0
    context.server = None
    context.wait_for(lambda: not alive(pid), 5)


def an_execution_goes_on_after_the_server_was_killed(context):
    store = "sqlite:" + os.path.join(context.folder, "s.db")
    functions = {"f": python("sleeps")}
    server = context.serve(functions, store=store)
    arn = server.create("m", task(ARN + "f"))
    execution = server.call("StartExecution", stateMachineArn=arn, input='{"seconds": 2}')["executionArn"]
    context.wait_for(lambda: context.show("f")["pool"]["busy"] == 1)
    server.process.send_signal(signal.SIGKILL)
    server.process.wait()
    server.stop(None)
    server = context.serve(functions, store=store)
    assert server.wait(execution, timeout=30)["status"] == "SUCCEEDED"


if __name__ == "__main__":
    main(tests_of(globals()), Context, __doc__)
