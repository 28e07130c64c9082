#!/usr/bin/env python3
"""Operations as clients meet them: activities and task tokens, versions and aliases, tags, Express, children, redrive; across kills too."""

import json
import os
import signal
import threading
import time

from driver import ROLE, STATES, Server, main, tests_of

PASSES = {"StartAt": "P", "States": {"P": {"Type": "Pass", "End": True}}}


def _activity_machine(name, **more):
    return {"StartAt": "A", "States": {"A": {"Type": "Task", "Resource": STATES + "activity:" + name, "End": True, **more}}}


class _Stage:
    """A server on a file, which can be killed and started again."""

    def __init__(self, ratchet, folder):
        self.ratchet, self.folder, self.server = ratchet, folder, None
        self.begin()

    def begin(self):
        self.server = Server(self.ratchet, self.folder, store="sqlite:" + os.path.join(self.folder, "store.db"))

    def kill_and_begin(self):
        self.server.stop(signal.SIGKILL)
        self.begin()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        status = self.server.stop()
        if kind is None:
            assert status == 0, f"the server ended with status {status}: {self.server.log()}"


def _start(server, arn, value=None, **more):
    return server.call("StartExecution", stateMachineArn=arn, input=json.dumps(value if value is not None else {}), **more)["executionArn"]


def _events(server, arn):
    return server.call("GetExecutionHistory", executionArn=arn, maxResults=1000)["events"]


def _types(server, arn):
    return [event["type"] for event in _events(server, arn)]


def _poll(server, name, worker="w", timeout=20):
    status, _, body = server.post("GetActivityTask", {"activityArn": STATES + "activity:" + name, "workerName": worker}, timeout)
    assert status == 200, body
    return json.loads(body)


# ---- activities ---------------------------------------------------------------------------------


def a_worker_gets_the_oldest_task_and_its_name_is_recorded(context):
    server = context.server
    server.call("CreateActivity", name="a")
    arn = server.create("m", _activity_machine("a"))
    runs = [_start(server, arn, {"n": n}) for n in range(3)]
    for n in range(3):
        task = _poll(server, "a", f"worker {n}")
        assert json.loads(task["input"]) == {"n": n}, task
        server.call("SendTaskSuccess", taskToken=task["taskToken"], output=json.dumps({"done": n}))
        assert json.loads(server.wait(runs[n], "SUCCEEDED")["output"]) == {"done": n}
        started = [event for event in _events(server, runs[n]) if event["type"] == "ActivityStarted"]
        assert started[0]["activityStartedEventDetails"] == {"workerName": f"worker {n}"}, started


def a_worker_that_waits_is_given_the_task_that_comes(context):
    server, got = context.server, []
    server.call("CreateActivity", name="a")
    arn = server.create("m", _activity_machine("a"))
    thread = threading.Thread(target=lambda: got.append(_poll(server, "a")))
    thread.start()
    time.sleep(0.3)
    _start(server, arn, {"x": 1})
    thread.join(10)
    assert got and json.loads(got[0]["input"]) == {"x": 1}, got


def a_worker_that_has_left_gets_no_task(context):
    server = context.server
    server.call("CreateActivity", name="a")
    arn = server.create("m", _activity_machine("a"))
    body = json.dumps({"activityArn": STATES + "activity:a", "workerName": "gone"}).encode()
    for _ in range(5):
        with server.connect() as connection:
            connection.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nX-Amz-Target: AWSStepFunctions.GetActivityTask\r\n"
                               b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
            time.sleep(0.1)
    time.sleep(0.2)
    run = _start(server, arn)
    task = _poll(server, "a", "here")
    server.call("SendTaskSuccess", taskToken=task["taskToken"], output="1")
    server.wait(run, "SUCCEEDED")
    started = [event for event in _events(server, run) if event["type"] == "ActivityStarted"]
    assert started[0]["activityStartedEventDetails"] == {"workerName": "here"}, started


def queued_tasks_and_tokens_outlive_a_kill(context):
    server = context.server
    server.call("CreateActivity", name="a")
    arn = server.create("m", _activity_machine("a"))
    runs = [_start(server, arn, {"n": n}) for n in range(4)]
    held = _poll(server, "a")
    context.kill_and_begin()
    server = context.server
    server.call("SendTaskHeartbeat", taskToken=held["taskToken"])
    server.call("SendTaskSuccess", taskToken=held["taskToken"], output='"first"')
    assert server.wait(runs[0], "SUCCEEDED")["output"] == '"first"'
    for n in (1, 2, 3):
        task = _poll(server, "a")
        assert json.loads(task["input"]) == {"n": n}, (n, task)
        server.call("SendTaskSuccess", taskToken=task["taskToken"], output="0")
        server.wait(runs[n], "SUCCEEDED")
        assert _types(server, runs[n]).count("ActivityStarted") == 1


def a_task_that_timed_out_is_not_given_and_its_token_is_refused(context):
    server = context.server
    server.call("CreateActivity", name="a")
    arn = server.create("m", _activity_machine("a", TimeoutSeconds=1))
    queued = _start(server, arn, {"n": 1})
    assert server.wait(queued, "FAILED")["error"] == "States.Timeout"
    assert "ActivityTimedOut" in _types(server, queued)
    taken = _start(server, arn, {"n": 2})
    task = _poll(server, "a")
    assert json.loads(task["input"]) == {"n": 2}, task
    server.wait(taken, "FAILED")
    assert server.refused("SendTaskSuccess", {"taskToken": task["taskToken"], "output": "1"})[0] == "TaskTimedOut"


def tokens_and_outputs_that_are_none_are_refused(context):
    server = context.server
    server.call("CreateActivity", name="a")
    run = _start(server, server.create("m", _activity_machine("a")))
    token = _poll(server, "a")["taskToken"]
    assert server.refused("SendTaskSuccess", {"taskToken": "x" * 44, "output": "1"})[0] == "InvalidToken"
    changed = token[:-1] + ("A" if token[-1] != "A" else "B")
    assert server.refused("SendTaskHeartbeat", {"taskToken": changed})[0] == "InvalidToken"
    assert server.refused("SendTaskSuccess", {"taskToken": token, "output": "{"})[0] == "InvalidOutput"
    server.call("SendTaskFailure", taskToken=token, error="E", cause="c")
    answer = server.wait(run, "FAILED")
    assert (answer["error"], answer["cause"]) == ("E", "c"), answer
    assert server.refused("SendTaskFailure", {"taskToken": token})[0] == "TaskTimedOut"


def a_deleted_activity_is_gone_and_may_be_made_again(context):
    server = context.server
    arn = server.call("CreateActivity", name="a", tags=[{"key": "k", "value": "v"}])["activityArn"]
    assert server.call("ListTagsForResource", resourceArn=arn)["tags"] == [{"key": "k", "value": "v"}]
    server.call("DeleteActivity", activityArn=arn)
    assert server.refused("DescribeActivity", {"activityArn": arn})[0] == "ActivityDoesNotExist"
    assert server.refused("GetActivityTask", {"activityArn": arn})[0] == "ActivityDoesNotExist"
    context.kill_and_begin()
    server = context.server
    assert server.call("ListActivities")["activities"] == []
    server.call("CreateActivity", name="a")
    assert server.call("ListTagsForResource", resourceArn=arn)["tags"] == []


def activities_are_listed_in_pages(context):
    server = context.server
    names = [f"a{n}" for n in range(7)]
    for name in reversed(names):
        server.call("CreateActivity", name=name)
    got, token = [], {}
    while True:
        page = server.call("ListActivities", maxResults=3, **token)
        got += [activity["name"] for activity in page["activities"]]
        if "nextToken" not in page:
            break
        token = {"nextToken": page["nextToken"]}
    assert got == names, got


def a_poll_ends_when_the_server_does(context):
    server, got = context.server, []
    server.call("CreateActivity", name="a")
    thread = threading.Thread(target=lambda: got.append(server.post("GetActivityTask", {"activityArn": STATES + "activity:a"})))
    thread.start()
    time.sleep(0.3)
    began = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - began < 5
    thread.join(5)
    context.begin()


# ---- versions, aliases, tags ------------------------------------------------------------------------


def a_version_runs_what_was_published_after_a_kill_too(context):
    server = context.server
    arn = server.create("m", {"StartAt": "P", "States": {"P": {"Type": "Pass", "Result": 1, "End": True}}})
    first = server.call("PublishStateMachineVersion", stateMachineArn=arn)["stateMachineVersionArn"]
    server.call("UpdateStateMachine", stateMachineArn=arn, definition=json.dumps(
        {"StartAt": "P", "States": {"P": {"Type": "Pass", "Result": 2, "End": True}}}))
    second = server.call("PublishStateMachineVersion", stateMachineArn=arn, description="two")["stateMachineVersionArn"]
    alias = server.call("CreateStateMachineAlias", name="live",
                        routingConfiguration=[{"stateMachineVersionArn": first, "weight": 100}])["stateMachineAliasArn"]
    context.kill_and_begin()
    server = context.server
    for target, output in ((first, "1"), (second, "2"), (alias, "1"), (arn, "2")):
        answer = server.wait(_start(server, target), "SUCCEEDED")
        assert answer["output"] == output, (target, answer)
        assert answer.get("stateMachineVersionArn") == {arn: None, alias: first}.get(target, target), answer
        assert answer.get("stateMachineAliasArn") == (alias if target == alias else None), answer
    assert len(server.call("ListExecutions", stateMachineArn=alias)["executions"]) == 1
    assert len(server.call("ListExecutions", stateMachineArn=first)["executions"]) == 2
    assert len(server.call("ListExecutions", stateMachineArn=arn)["executions"]) == 4
    assert server.call("DescribeStateMachine", stateMachineArn=second)["description"] == "two"
    error, message = server.refused("DeleteStateMachineVersion", {"stateMachineVersionArn": first})
    assert error == "ConflictException" and "[live]" in message, message


def an_alias_divides_starts_by_its_weights(context):
    server = context.server
    arn = server.create("m", PASSES)
    first = server.call("PublishStateMachineVersion", stateMachineArn=arn)["stateMachineVersionArn"]
    server.call("UpdateStateMachine", stateMachineArn=arn, roleArn=ROLE + "2")
    second = server.call("PublishStateMachineVersion", stateMachineArn=arn)["stateMachineVersionArn"]
    routes = [{"stateMachineVersionArn": first, "weight": 80}, {"stateMachineVersionArn": second, "weight": 20}]
    alias = server.call("CreateStateMachineAlias", name="live", routingConfiguration=routes)["stateMachineAliasArn"]
    for _ in range(200):
        _start(server, alias)
    count = len(server.call("ListExecutions", stateMachineArn=first, maxResults=1000)["executions"])
    assert 120 < count < 190, count
    routes[0]["weight"] = 10
    assert server.refused("UpdateStateMachineAlias", {"stateMachineAliasArn": alias, "routingConfiguration": routes})[0] == "ValidationException"


def tags_are_merged_and_outlive_a_kill(context):
    server = context.server
    arn = server.call("CreateStateMachine", name="m", definition=json.dumps(PASSES), roleArn=ROLE,
                      tags=[{"key": "a", "value": "1"}, {"key": "b", "value": "2"}])["stateMachineArn"]
    server.call("TagResource", resourceArn=arn, tags=[{"key": "b", "value": "3"}, {"key": "c", "value": ""}])
    server.call("UntagResource", resourceArn=arn, tagKeys=["a", "none"])
    context.kill_and_begin()
    tags = context.server.call("ListTagsForResource", resourceArn=arn)["tags"]
    assert tags == [{"key": "b", "value": "3"}, {"key": "c", "value": ""}], tags
    many = [{"key": f"k{n}", "value": "v"} for n in range(49)]
    assert context.server.refused("TagResource", {"resourceArn": arn, "tags": many})[0] == "TooManyTags"
    assert context.server.refused("ListTagsForResource", {"resourceArn": arn + "x"})[0] == "ResourceNotFound"


# ---- Express ---------------------------------------------------------------------------------------------


def _express(server, name, definition):
    return server.call("CreateStateMachine", name=name, definition=json.dumps(definition), roleArn=ROLE, type="EXPRESS")["stateMachineArn"]


def a_synchronous_execution_answers_with_its_end(context):
    server = context.server
    arn = _express(server, "e", {"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 1, "Next": "P"},
                                                            "P": {"Type": "Pass", "Result": {"r": 1}, "End": True}}})
    began = time.monotonic()
    answer = server.call("StartSyncExecution", stateMachineArn=arn, input='{"a": 1}', name="n")
    assert 0.9 < time.monotonic() - began < 5
    assert (answer["status"], answer["output"], answer["input"], answer["name"]) == ("SUCCEEDED", '{"r":1}', '{"a": 1}', "n"), answer
    assert answer["executionArn"].startswith(STATES + "express:e:n:"), answer
    assert answer["billingDetails"]["billedDurationInMilliseconds"] >= 1000
    assert server.refused("DescribeExecution", {"executionArn": answer["executionArn"]})[0] == "InvalidArn"
    assert server.refused("ListExecutions", {"stateMachineArn": arn})[0] == "StateMachineTypeNotSupported"
    first, second = (_start(server, arn, name="same") for _ in range(2))
    assert first != second


def a_synchronous_failure_and_a_timeout_are_answers(context):
    server = context.server
    fails = _express(server, "f", {"StartAt": "F", "States": {"F": {"Type": "Fail", "Error": "E", "Cause": "c"}}})
    answer = server.call("StartSyncExecution", stateMachineArn=fails)
    assert (answer["status"], answer["error"], answer["cause"]) == ("FAILED", "E", "c"), answer
    slow = _express(server, "s", {"TimeoutSeconds": 1, "StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 60, "End": True}}})
    assert server.call("StartSyncExecution", stateMachineArn=slow)["status"] == "TIMED_OUT"
    standard = server.create("m", PASSES)
    assert server.refused("StartSyncExecution", {"stateMachineArn": standard})[0] == "StateMachineTypeNotSupported"


def a_synchronous_call_is_told_when_the_server_ends(context):
    server, got = context.server, []
    arn = _express(server, "e", {"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 60, "End": True}}})
    thread = threading.Thread(target=lambda: got.append(server.post("StartSyncExecution", {"stateMachineArn": arn})[0]))
    thread.start()
    time.sleep(0.3)
    assert server.stop() == 0
    thread.join(5)
    assert got == [503], got
    context.begin()


# ---- children ------------------------------------------------------------------------------------------------


def _parent(server, child, pattern=".sync:2", name="parent", **more):
    return server.create(name, {"StartAt": "C", "States": {"C": {
        "Type": "Task", "Resource": "arn:aws:states:::states:startExecution" + pattern, "End": True,
        "Parameters": {"StateMachineArn": child, "Input.$": "$"}, **more}}})


def _children(server, child):
    return server.call("ListExecutions", stateMachineArn=child)["executions"]


def a_child_goes_on_through_a_kill_and_its_end_reaches_the_parent_once(context):
    server = context.server
    child = server.create("child", {"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 2, "End": True}}})
    runs = [_start(server, _parent(server, child, name=f"p{n}"), {"n": n}) for n in range(5)]
    time.sleep(0.5)
    context.kill_and_begin()
    server = context.server
    for n, run in enumerate(runs):
        answer = server.wait(run, "SUCCEEDED")
        assert json.loads(answer["output"])["Output"] == {"n": n}, answer
        types = _types(server, run)
        assert types.count("TaskSubmitted") == 1 and types.count("TaskSucceeded") == 1, types
    assert len(_children(server, child)) == 5


def a_child_that_ended_while_nobody_looked_is_found(context):
    server = context.server
    server.call("CreateActivity", name="a")
    child = server.create("child", _activity_machine("a"))
    run = _start(server, _parent(server, child))
    task = _poll(server, "a")
    server.post("SendTaskSuccess", {"taskToken": task["taskToken"], "output": "7"})
    context.kill_and_begin()
    answer = context.server.wait(run, "SUCCEEDED")
    assert json.loads(answer["output"])["Output"] == 7, answer
    assert len(_children(context.server, child)) == 1


def a_failed_child_fails_the_task_with_its_description(context):
    server = context.server
    child = server.create("child", {"StartAt": "F", "States": {"F": {"Type": "Fail", "Error": "E", "Cause": "c"}}})
    answer = server.wait(_start(server, _parent(server, child)), "FAILED")
    assert answer["error"] == "States.TaskFailed", answer
    assert json.loads(answer["cause"])["Error"] == "E", answer


def a_stopped_parent_stops_its_synchronous_child_only(context):
    server = context.server
    child = server.create("child", {"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 600, "End": True}}})
    run = _start(server, _parent(server, child))
    while not _children(server, child):
        time.sleep(0.05)
    time.sleep(0.2)
    server.call("StopExecution", executionArn=run)
    server.wait(_children(server, child)[0]["executionArn"], "ABORTED")
    free = server.create("free", {"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 600, "End": True}}})
    run = _start(server, _parent(server, free, "", name="plain"))
    server.wait(run, "SUCCEEDED")
    assert _children(server, free)[0]["status"] == "RUNNING"


def a_stop_of_the_parent_reaches_the_child_though_the_server_is_killed(context):
    server = context.server
    child = server.create("child", {"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 600, "End": True}}})
    parent = _parent(server, child)
    for count in range(1, 6):
        run = _start(server, parent)
        while len(_children(server, child)) < count or "TaskSubmitted" not in _types(server, run):
            time.sleep(0.02)
        time.sleep(0.1)
        server.call("StopExecution", executionArn=run)
        context.kill_and_begin()
        server = context.server
        for execution in _children(server, child):
            server.wait(execution["executionArn"], "ABORTED")


def an_execution_reports_on_the_task_of_another(context):
    server = context.server
    server.call("CreateActivity", name="a")
    run = _start(server, server.create("m", _activity_machine("a")))
    reporter = server.create("r", {"StartAt": "S", "States": {"S": {
        "Type": "Task", "Resource": "arn:aws:states:::aws-sdk:sfn:sendTaskSuccess", "End": True,
        "Parameters": {"TaskToken.$": "$.token", "Output": {"by": "another"}}}}})
    token = _poll(server, "a")["taskToken"]
    server.wait(_start(server, reporter, {"token": token}), "SUCCEEDED")
    assert json.loads(server.wait(run, "SUCCEEDED")["output"]) == {"by": "another"}
    assert server.wait(_start(server, reporter, {"token": token}), "FAILED")["error"] == "Sfn.TaskTimedOutException"


# ---- redrive ----------------------------------------------------------------------------------------------------


def a_redriven_execution_goes_on_at_the_state_that_failed(context):
    server = context.server
    server.call("CreateActivity", name="a")
    definition = _activity_machine("a")
    definition["States"]["First"] = {"Type": "Pass", "Result": {"kept": 1}, "Next": "A"}
    definition["StartAt"] = "First"
    run = _start(server, server.create("m", definition))
    server.call("SendTaskFailure", taskToken=_poll(server, "a")["taskToken"], error="E")
    before = server.wait(run, "FAILED")
    assert before["redriveStatus"] == "REDRIVABLE" and before["redriveCount"] == 0, before
    context.kill_and_begin()
    server = context.server
    server.call("RedriveExecution", executionArn=run)
    assert server.refused("RedriveExecution", {"executionArn": run})[0] == "ExecutionNotRedrivable"
    task = _poll(server, "a")
    assert json.loads(task["input"]) == {"kept": 1}, task
    context.kill_and_begin()
    server = context.server
    server.call("SendTaskSuccess", taskToken=task["taskToken"], output="2")
    answer = server.wait(run, "SUCCEEDED")
    assert answer["output"] == "2" and answer["redriveCount"] == 1 and "redriveDate" in answer, answer
    events = _events(server, run)
    assert [event["id"] for event in events] == list(range(1, len(events) + 1))
    types = [event["type"] for event in events]
    at = types.index("ExecutionRedriven")
    assert types[at - 1:at + 3] == ["ExecutionFailed", "ExecutionRedriven", "ActivityScheduled", "ActivityStarted"], types
    assert events[at]["executionRedrivenEventDetails"] == {"redriveCount": 1}, events[at]
    assert types.count("PassStateEntered") == 1
    assert server.refused("RedriveExecution", {"executionArn": run})[0] == "ExecutionNotRedrivable"


def a_redrive_runs_only_the_branches_that_did_not_end_well(context):
    server = context.server
    for name in ("good", "bad", "cut"):
        server.call("CreateActivity", name=name)
    branches = [{"StartAt": name, "States": {name: {"Type": "Task", "Resource": STATES + "activity:" + name, "End": True}}}
                for name in ("good", "bad", "cut")]
    run = _start(server, server.create("m", {"StartAt": "P", "States": {"P": {"Type": "Parallel", "Branches": branches, "End": True}}}))
    server.call("SendTaskSuccess", taskToken=_poll(server, "good")["taskToken"], output='"g"')
    server.call("SendTaskFailure", taskToken=_poll(server, "bad")["taskToken"], error="E")
    server.wait(run, "FAILED")
    server.call("RedriveExecution", executionArn=run)
    for name in ("bad", "cut"):
        server.call("SendTaskSuccess", taskToken=_poll(server, name)["taskToken"], output=json.dumps(name))
    answer = server.wait(run, "SUCCEEDED")
    assert json.loads(answer["output"]) == ["g", "bad", "cut"], answer
    assert _types(server, run).count("ActivityScheduled") == 5


def a_stopped_wait_and_a_timed_out_execution_are_redriven(context):
    server = context.server
    wait = server.create("w", {"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 1, "End": True}}})
    run = _start(server, wait)
    server.call("StopExecution", executionArn=run)
    server.call("RedriveExecution", executionArn=run)
    server.wait(run, "SUCCEEDED")
    server.call("CreateActivity", name="a")
    timed = server.create("t", {"TimeoutSeconds": 1, **_activity_machine("a")})
    run = _start(server, timed)
    server.wait(run, "TIMED_OUT")
    server.call("RedriveExecution", executionArn=run)
    server.call("SendTaskSuccess", taskToken=_poll(server, "a")["taskToken"], output="1")
    server.wait(run, "SUCCEEDED")


def there_are_no_map_runs(context):
    server = context.server
    run = _start(server, server.create("m", PASSES))
    assert server.call("ListMapRuns", executionArn=run) == {"mapRuns": []}
    arn = STATES + "mapRun:m/l:u"
    assert server.refused("DescribeMapRun", {"mapRunArn": arn})[0] == "ResourceNotFound"
    assert server.refused("UpdateMapRun", {"mapRunArn": arn, "maxConcurrency": 1})[0] == "ResourceNotFound"


YAML = """# how it is written
StartAt: A
States:
  A:
    Type: Pass
    Result: {x: yes}
    End: true
"""


def a_definition_may_be_yaml(context):
    arn = context.server.call("CreateStateMachine", name="yaml", definition=YAML, roleArn=ROLE)["stateMachineArn"]
    assert context.server.call("DescribeStateMachine", stateMachineArn=arn)["definition"] == YAML
    assert context.server.call("CreateStateMachine", name="yaml", definition=YAML, roleArn=ROLE)["stateMachineArn"] == arn
    started = context.server.call("StartExecution", stateMachineArn=arn)["executionArn"]
    assert json.loads(context.server.wait(started)["output"]) == {"x": "yes"}
    assert context.server.call("ValidateStateMachineDefinition", definition=YAML) == {"result": "OK", "diagnostics": [], "truncated": False}
    context.server.call("UpdateStateMachine", stateMachineArn=arn, definition=YAML.replace("yes", "no"))
    assert context.server.call("TestState", definition="Type: Pass\nResult: [1]\nEnd: true\n", roleArn=ROLE, input="{}")["output"] == "[1]"
    assert context.server.call("TestState", definition=YAML, stateName="A", roleArn=ROLE, input="{}")["output"] == '{"x":"yes"}'


def a_mistake_in_yaml_is_told_like_one_in_json(context):
    name, message = context.server.refused("CreateStateMachine", {"name": "m", "definition": YAML.replace("StartAt: A", "StartAt: B"), "roleArn": ROLE})
    assert name == "InvalidDefinition" and "MISSING_TRANSITION_TARGET" in message and "/StartAt" in message, message
    name, message = context.server.refused("CreateStateMachine", {"name": "m", "definition": YAML + "  *x", "roleArn": ROLE})
    assert name == "InvalidDefinition" and "Invalid YAML" in message, message
    for text in ("not json", "- StartAt", "StartAt", "[]", "", "{StartAt: A}"):
        answer = context.server.post("CreateStateMachine", {"name": "m", "definition": text, "roleArn": ROLE})[2].decode()
        assert "YAML" not in answer, (text, answer)


def a_description_may_hold_any_character(context):
    server, text = context.server, "before\0behind"
    arn = server.create("described", {"StartAt": "P", "States": {"P": {"Type": "Pass", "End": True}}})
    version = server.call("PublishStateMachineVersion", stateMachineArn=arn, description=text)["stateMachineVersionArn"]
    alias = server.call("CreateStateMachineAlias", name="live", description=text,
                        routingConfiguration=[{"stateMachineVersionArn": version, "weight": 100}])["stateMachineAliasArn"]
    assert server.call("DescribeStateMachine", stateMachineArn=version)["description"] == text
    assert server.call("DescribeStateMachineAlias", stateMachineAliasArn=alias)["description"] == text
    server.call("UpdateStateMachineAlias", stateMachineAliasArn=alias, description=text * 2)
    context.kill_and_begin()
    assert context.server.call("DescribeStateMachineAlias", stateMachineAliasArn=alias)["description"] == text * 2


if __name__ == "__main__":
    main(tests_of(globals()), _Stage, __doc__)
