#!/usr/bin/python3
"""boto.py --ratchet RATCHET: boto3 (Debian's python3-boto3) walks through the whole API, in the order of a story: a machine is checked, made,
published, given an alias and started; tasks wait for a token and for a worker; what failed is redriven; all is tagged, listed and deleted.

Debian's boto3 is older than half of the operations: it gets the current model through AWS_DATA_PATH. Every answer is also held, as it came over
the wire, against the model's shape and the operation's errors. The last line is 'N passed, N failed, N skipped'; below 37 operations it fails."""

import argparse
import json
import os
import sys
import tempfile
import time
import traceback

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "server"))
sys.path.insert(1, os.path.dirname(os.path.abspath(__file__)))
from driver import ROLE, Server  # noqa: E402
import api_model  # noqa: E402

try:
    import boto3
    import botocore
    import botocore.config
except ImportError:
    print("skipped: boto3 is not installed (Debian package python3-boto3)\n0 passed, 0 failed, 1 skipped")
    sys.exit(77)

OPERATIONS = 37
PASS = {"StartAt": "A", "States": {"A": {"Type": "Pass", "Result": {"b": 2}, "ResultPath": "$.a", "Next": "B"}, "B": {"Type": "Succeed"}}}
WAITS = {"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 3600, "End": True}}}


def task(resource, **more):
    return {"StartAt": "T", "States": {"T": {"Type": "Task", "Resource": resource, "End": True, **more}}}


class Walk:
    def __init__(self, url):
        # StartSyncExecution and TestState would be sent to sync-127.0.0.1.
        settings = botocore.config.Config(inject_host_prefix=False, retries={"max_attempts": 0}, read_timeout=90)
        self.sfn = boto3.client("stepfunctions", endpoint_url=url, region_name="us-east-1", config=settings,
                                aws_access_key_id="test", aws_secret_access_key="test")
        self.known = set(self.sfn.meta.service_model.operation_names)
        self.called, self.wrong, self.passed, self.failed = set(), [], 0, 0
        self.model = api_model.read()
        self.sfn.meta.events.register("response-received.sfn", self.answered)
        self.sfn.meta.events.register("response-received.stepfunctions", self.answered)

    def answered(self, response_dict=None, event_name="", **_):
        """Every answer, as it came."""
        operation = event_name.rsplit(".", 1)[1]
        self.called.add(operation)
        if self.model and response_dict:
            self.wrong += api_model.answer_problems(self.model, operation, response_dict["status_code"], response_dict["body"])

    def step(self, name, holds, shown=""):
        if holds:
            self.passed += 1
        else:
            self.failed += 1
            print(f"FAILED {name}: {shown}")

    def refused(self, what, error, call, /, **request):
        try:
            answer = call(**request)
        except botocore.exceptions.ClientError as refusal:
            self.step(what, refusal.response["Error"]["Code"] == error, refusal)
            # Modelled errors are classes of their own.
            self.step(f"{what} (its class)", error == "ValidationException" or isinstance(refusal, getattr(self.sfn.exceptions, error)), type(refusal))
        else:
            self.step(what, False, answer)

    def knows(self, *operations):
        return self.known.issuperset(operations)

    def create(self, name, definition, **more):
        return self.sfn.create_state_machine(name=name, definition=json.dumps(definition), roleArn=ROLE, **more)

    def ended(self, arn):
        for _ in range(300):
            answer = self.sfn.describe_execution(executionArn=arn)
            if answer["status"] != "RUNNING":
                return answer
            time.sleep(0.05)
        raise AssertionError(f"{arn} does not end")

    # ---- the story --------------------------------------------------------------------------------------------------------

    def machines(self):
        sfn = self.sfn
        if self.knows("ValidateStateMachineDefinition"):
            good = sfn.validate_state_machine_definition(definition=json.dumps(PASS), type="STANDARD", severity="WARNING", maxResults=10)
            self.step("a good definition is valid", good["result"] == "OK" and good["diagnostics"] == [] and good["truncated"] is False, good)
            bad = sfn.validate_state_machine_definition(definition='{"StartAt": "A"}')
            self.step("a bad one has diagnostics", bad["result"] == "FAIL" and bad["diagnostics"][0]["severity"] == "ERROR", bad)
        made = self.create("orders", PASS, tags=[{"key": "team", "value": "films"}])
        self.orders = made["stateMachineArn"]
        self.step("a machine is made", self.orders.endswith(":stateMachine:orders") and made["creationDate"].timestamp() > time.time() - 60, made)
        self.refused("its name is taken", "StateMachineAlreadyExists", self.create, name="orders", definition=WAITS)
        self.refused("a bad definition is refused", "InvalidDefinition", self.create, name="bad", definition={"StartAt": "A"})
        self.refused("a bad name is refused", "InvalidName", self.create, name="a b", definition=PASS)
        seen = sfn.describe_state_machine(stateMachineArn=self.orders)
        self.step("it is described", json.loads(seen["definition"]) == PASS and seen["status"] == "ACTIVE" and seen["type"] == "STANDARD" and
                  seen["loggingConfiguration"] == {"level": "OFF", "includeExecutionData": False}, seen)
        self.waits = self.create("waits", WAITS)["stateMachineArn"]
        pages = list(sfn.get_paginator("list_state_machines").paginate(PaginationConfig={"PageSize": 1}))
        self.step("machines are listed, page by page", [p["stateMachines"][0]["name"] for p in pages] == ["orders", "waits"], pages)
        self.refused("an unknown one is not described", "StateMachineDoesNotExist", sfn.describe_state_machine, stateMachineArn=self.orders + "x")

    def versions(self):
        sfn = self.sfn
        if not self.knows("PublishStateMachineVersion", "CreateStateMachineAlias"):
            updated = sfn.update_state_machine(stateMachineArn=self.orders, roleArn=ROLE)
            self.step("a machine is updated", updated["updateDate"].timestamp() > 0, updated)
            return
        first = sfn.publish_state_machine_version(stateMachineArn=self.orders, description="the first")["stateMachineVersionArn"]
        second = sfn.update_state_machine(stateMachineArn=self.orders, definition=json.dumps({**PASS, "Comment": "2"}), publish=True,
                                          versionDescription="the second")["stateMachineVersionArn"]
        self.step("two versions are published", (first, second) == (self.orders + ":1", self.orders + ":2"), (first, second))
        listed = sfn.list_state_machine_versions(stateMachineArn=self.orders, maxResults=1)
        rest = sfn.list_state_machine_versions(stateMachineArn=self.orders, nextToken=listed["nextToken"])
        self.step("the newest comes first", [v["stateMachineVersionArn"] for v in listed["stateMachineVersions"] + rest["stateMachineVersions"]] ==
                  [second, first], (listed, rest))
        alias = self.alias = sfn.create_state_machine_alias(name="live", routingConfiguration=[{"stateMachineVersionArn": first, "weight": 100}]
                                                            )["stateMachineAliasArn"]
        sfn.update_state_machine_alias(stateMachineAliasArn=alias, description="what customers get", routingConfiguration=[
            {"stateMachineVersionArn": first, "weight": 0}, {"stateMachineVersionArn": second, "weight": 100}])
        seen = sfn.describe_state_machine_alias(stateMachineAliasArn=alias)
        self.step("an alias routes", seen["description"] == "what customers get" and [r["weight"] for r in seen["routingConfiguration"]] == [0, 100], seen)
        listed = sfn.list_state_machine_aliases(stateMachineArn=self.orders)
        self.step("aliases are listed", [a["stateMachineAliasArn"] for a in listed["stateMachineAliases"]] == [alias], listed)
        self.refused("a version in use stays", "ConflictException", sfn.delete_state_machine_version, stateMachineVersionArn=second)
        started = sfn.start_execution(stateMachineArn=alias, name="by-alias", input="{}")
        seen = self.ended(started["executionArn"])
        self.step("an alias is started", seen["stateMachineAliasArn"] == alias and seen["stateMachineVersionArn"] == second, seen)

    def executions(self):
        sfn = self.sfn
        one = sfn.start_execution(stateMachineArn=self.orders, name="one", input='{"n": 1.50}')["executionArn"]
        seen = self.ended(one)
        self.step("an execution succeeds", seen["status"] == "SUCCEEDED" and seen["output"] == '{"n":1.50,"a":{"b":2}}', seen)
        self.refused("its name is taken", "ExecutionAlreadyExists", sfn.start_execution, stateMachineArn=self.orders, name="one", input="{}")
        self.refused("an input must be JSON", "InvalidExecutionInput", sfn.start_execution, stateMachineArn=self.orders, input="{")
        run = sfn.describe_state_machine_for_execution(executionArn=one)
        self.step("it says what it runs", run["name"] == "orders" and run["roleArn"] == ROLE, run)
        if self.model:
            part = sfn.describe_state_machine_for_execution(executionArn=one, includedData="METADATA_ONLY")
            self.step("metadata only is an empty definition", part["definition"] == "{}", part)
        pages = list(sfn.get_paginator("get_execution_history").paginate(executionArn=one, PaginationConfig={"PageSize": 4}))
        events = [event["type"] for page in pages for event in page["events"]]
        self.step("its history is whole", len(pages) == 2 and events == ["ExecutionStarted", "PassStateEntered", "PassStateExited",
                                                                         "SucceedStateEntered", "SucceedStateExited", "ExecutionSucceeded"], pages)
        sfn.start_execution(stateMachineArn=self.orders, name="two")
        names = [e["name"] for page in sfn.get_paginator("list_executions").paginate(stateMachineArn=self.orders, PaginationConfig={"PageSize": 1})
                 for e in page["executions"]]
        self.step("executions are listed, the newest first", names[:2] == ["two", "one"], names)
        # The service has no waiters: neither its own model nor this client.
        self.step("there are no waiters", sfn.waiter_names == [], sfn.waiter_names)

    def tokens(self):
        """A child gets the token of the task that started it, and somebody else, who reads it there, answers for it."""
        sfn = self.sfn
        asks = self.create("asks", task("arn:aws:states:::states:startExecution.waitForTaskToken", HeartbeatSeconds=600, Parameters={
            "StateMachineArn": self.waits, "Input": {"token.$": "$$.Task.Token"}}))["stateMachineArn"]
        for name, answer, wanted in (("good", lambda t: sfn.send_task_success(taskToken=t, output='{"approved":true}'), "SUCCEEDED"),
                                     ("bad", lambda t: sfn.send_task_failure(taskToken=t, error="Refused", cause="too dear"), "FAILED")):
            parent = sfn.start_execution(stateMachineArn=asks, name=name)["executionArn"]
            token = self.token_of_child()
            self.step("a heartbeat is heard", sfn.send_task_heartbeat(taskToken=token)["ResponseMetadata"]["HTTPStatusCode"] == 200)
            answer(token)
            seen = self.ended(parent)
            self.step(f"a task ends by its token: {wanted}", seen["status"] == wanted, seen)
            self.refused("a token is used once", "TaskTimedOut", sfn.send_task_success, taskToken=token, output="{}")
        self.refused("a foreign token is refused", "InvalidToken", sfn.send_task_heartbeat, taskToken="nothing")

    def token_of_child(self):
        """Of the newest child, which is then stopped."""
        for _ in range(200):
            running = self.sfn.list_executions(stateMachineArn=self.waits, statusFilter="RUNNING")["executions"]
            if running:
                child = running[0]["executionArn"]
                given = json.loads(self.sfn.describe_execution(executionArn=child)["input"])
                stopped = self.sfn.stop_execution(executionArn=child, error="Enough", cause="its token is known")
                self.step("an execution is stopped", stopped["stopDate"].timestamp() > 0, stopped)
                return given["token"]
            time.sleep(0.05)
        raise AssertionError("no child was started")

    def workers(self):
        """A worker fails its task; the execution is redriven, and the worker does it right."""
        sfn = self.sfn
        activity = sfn.create_activity(name="paint", tags=[{"key": "team", "value": "films"}])["activityArn"]
        seen = sfn.describe_activity(activityArn=activity)
        self.step("an activity is made", seen["name"] == "paint" and seen["activityArn"] == activity, seen)
        sfn.create_activity(name="sand")
        names = [a["name"] for page in sfn.get_paginator("list_activities").paginate(PaginationConfig={"PageSize": 1}) for a in page["activities"]]
        self.step("activities are listed, page by page", names == ["paint", "sand"], names)
        machine = self.create("paints", task(activity))["stateMachineArn"]
        painted = sfn.start_execution(stateMachineArn=machine, name="red", input='{"colour":"red"}')["executionArn"]
        given = sfn.get_activity_task(activityArn=activity, workerName="ann")
        self.step("a worker is given the task", json.loads(given["input"]) == {"colour": "red"}, given)
        sfn.send_task_failure(taskToken=given["taskToken"], error="NoPaint", cause="the pot is empty")
        self.step("its failure is the execution's", self.ended(painted)["error"] == "NoPaint")
        if self.knows("RedriveExecution"):
            self.refused("what runs is not redriven", "ExecutionDoesNotExist", sfn.redrive_execution, executionArn=painted + "x")
            redriven = sfn.redrive_execution(executionArn=painted, clientToken="once")
            again = sfn.redrive_execution(executionArn=painted, clientToken="once")
            self.step("a redrive goes on, once", redriven["redriveDate"] == again["redriveDate"], (redriven, again))
            given = sfn.get_activity_task(activityArn=activity)
            sfn.send_task_success(taskToken=given["taskToken"], output='"done"')
            seen = self.ended(painted)
            self.step("it succeeds then", seen["status"] == "SUCCEEDED" and seen["redriveCount"] == 1 and seen["redriveStatus"] == "NOT_REDRIVABLE", seen)
            listed = sfn.list_executions(stateMachineArn=machine)["executions"][0]
            self.step("the list counts it", listed["redriveCount"] == 1 and listed["redriveDate"] == redriven["redriveDate"], listed)
        self.activity = activity

    def map_runs(self):
        sfn = self.sfn
        if not self.knows("ListMapRuns"):
            return
        started = self.sfn.start_execution(stateMachineArn=self.orders, name="three")["executionArn"]
        runs = [run for page in sfn.get_paginator("list_map_runs").paginate(executionArn=started) for run in page["mapRuns"]]
        self.step("an execution without a distributed Map has no map runs", runs == [], runs)
        unknown = "arn:aws:states:us-east-1:000000000000:mapRun:orders/label:6b1bbd4a-9a5f-4d0e-bd0d-0a4d6dbdf4d0"
        self.refused("an unknown map run is not described", "ResourceNotFound", sfn.describe_map_run, mapRunArn=unknown)
        self.refused("nor changed", "ResourceNotFound", sfn.update_map_run, mapRunArn=unknown, maxConcurrency=2)

    def express(self):
        sfn = self.sfn
        machine = self.create("quick", PASS, type="EXPRESS")["stateMachineArn"]
        seen = sfn.start_sync_execution(stateMachineArn=machine, input="{}")
        self.step("an Express execution is waited for", seen["status"] == "SUCCEEDED" and json.loads(seen["output"]) == {"a": {"b": 2}} and
                  seen["billingDetails"]["billedMemoryUsedInMB"] == 64, seen)
        if self.knows("TestState"):
            seen = sfn.test_state(definition=json.dumps(PASS["States"]["A"]), input="{}", inspectionLevel="DEBUG")
            self.step("a state is tested", seen["status"] == "SUCCEEDED" and seen["nextState"] == "B" and json.loads(seen["output"]) == {"a": {"b": 2}} and
                      json.loads(seen["inspectionData"]["result"]) == {"b": 2}, seen)

    def tags(self):
        sfn = self.sfn
        sfn.tag_resource(resourceArn=self.orders, tags=[{"key": "stage", "value": "test"}])
        tags = sfn.list_tags_for_resource(resourceArn=self.orders)["tags"]
        self.step("tags are listed", {t["key"]: t["value"] for t in tags} == {"team": "films", "stage": "test"}, tags)
        sfn.untag_resource(resourceArn=self.orders, tagKeys=["team"])
        tags = sfn.list_tags_for_resource(resourceArn=self.orders)["tags"]
        self.step("and taken away", tags == [{"key": "stage", "value": "test"}], tags)
        self.refused("an unknown resource has no tags", "ResourceNotFound", sfn.list_tags_for_resource, resourceArn=self.orders + "x")

    def end(self):
        sfn = self.sfn
        if self.knows("DeleteStateMachineAlias"):
            sfn.delete_state_machine_alias(stateMachineAliasArn=self.alias)
            sfn.delete_state_machine_version(stateMachineVersionArn=self.orders + ":1")
            left = [v["stateMachineVersionArn"] for v in sfn.list_state_machine_versions(stateMachineArn=self.orders)["stateMachineVersions"]]
            self.step("alias and version are deleted", left == [self.orders + ":2"], left)
        sfn.delete_activity(activityArn=self.activity)
        self.refused("the activity is gone", "ActivityDoesNotExist", sfn.describe_activity, activityArn=self.activity)
        sfn.delete_state_machine(stateMachineArn=self.orders)
        for _ in range(100):
            left = [m["name"] for m in sfn.list_state_machines()["stateMachines"]]
            if "orders" not in left:
                break
            time.sleep(0.05)
        self.step("the machine is gone", "orders" not in left and "paints" in left, left)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ratchet", required=True)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = api_model.data_path(os.path.join(folder, "models"))
        for name in [name for name in os.environ if name.startswith("AWS_") or name.lower().endswith("_proxy")]:
            del os.environ[name]
        os.environ.update(HOME=folder, AWS_EC2_METADATA_DISABLED="true", AWS_CONFIG_FILE=os.path.join(folder, "none"))
        if data:
            os.environ["AWS_DATA_PATH"] = data
        else:
            print(f"skipped: {api_model.MISSING}")
        with Server(os.path.abspath(arguments.ratchet), folder, store=f"sqlite:{folder}/store.db") as server:
            walk = Walk(server.url)
            for chapter in (walk.machines, walk.versions, walk.executions, walk.tokens, walk.workers, walk.map_runs, walk.express, walk.tags, walk.end):
                try:
                    chapter()
                except Exception:
                    traceback.print_exc(file=sys.stdout)
                    walk.step(f"the chapter {chapter.__name__}", False, "broke off")
            walk.step("every answer has AWS's shape", not walk.wrong, "\n  ".join(walk.wrong[:20]))
            wanted = OPERATIONS if data else len(walk.known)
            walk.step(f"{wanted} operations are called", len(walk.called) >= wanted, f"only {len(walk.called)}: not {sorted(walk.known - walk.called)}")
    print(f"boto3 {boto3.__version__}: {len(walk.called)} operations called")
    print(f"{walk.passed} passed, {walk.failed} failed, {0 if data else 1} skipped")
    return 1 if walk.failed else 0


if __name__ == "__main__":
    sys.exit(main())
