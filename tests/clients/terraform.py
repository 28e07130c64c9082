#!/usr/bin/env python3
"""terraform.py --ratchet RATCHET: the calls that Terraform's AWS provider makes for aws_sfn_state_machine, aws_sfn_alias and aws_sfn_activity, in its
order, over raw HTTP: a plan validates the definition; every read describes, lists the versions and the tags; an update goes on reading until it sees
what it wrote; a delete goes on describing until nothing is there. What is read must be what was written, else Terraform would plan a change forever.

Every answer is held against AWS's model of the API, where that is there. The last line is 'N passed, N failed, N skipped'."""

import argparse
import json
import os
import sys
import tempfile
import time
import traceback

here = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(here, "..", "server"), here]
from driver import ROLE, Server  # noqa: E402
import api_model  # noqa: E402

DEFINITION = {"StartAt": "A", "States": {"A": {"Type": "Pass", "End": True}}}


class Provider:
    """The provider's side: its calls as its SDK sends them, and what it keeps of a resource."""

    def __init__(self, server):
        self.server, self.model, self.called, self.wrong = server, api_model.read(), set(), []

    def send(self, operation, **request):
        """→ (the error's name or None, the answer)."""
        now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        status, headers, body = self.server.post(
            operation, request, Accept_Encoding="identity", Amz_Sdk_Invocation_Id="6b1bbd4a-9a5f-4d0e-bd0d-0a4d6dbdf4d0",
            Amz_Sdk_Request="attempt=1; max=25", X_Amz_Date=now, Authorization=f"AWS4-HMAC-SHA256 Credential=test/{now[:8]}/us-east-1/states/aws4_request, "
            f"SignedHeaders=content-type;host;x-amz-date;x-amz-target, Signature={'0' * 64}",
            User_Agent="APN/1.0 HashiCorp/1.0 Terraform/1.11.4 terraform-provider-aws/6.0.0 aws-sdk-go-v2/1.36 api/sfn#1.35")
        self.called.add(operation)
        answer = json.loads(body)
        if self.model:
            self.wrong += api_model.answer_problems(self.model, operation, status, body)
        if not headers.get("x-amzn-RequestId"):
            self.wrong.append(f"{operation} was answered without a request id")
        return (None, answer) if status == 200 else (answer["__type"], answer)

    def call(self, operation, **request):
        error, answer = self.send(operation, **request)
        assert not error, f"{operation} was refused: {answer}"
        return answer

    def tags(self, arn):
        return {tag["key"]: tag["value"] for tag in self.call("ListTagsForResource", resourceArn=arn).get("tags", [])}

    def update_tags(self, arn, old, new):
        gone = [key for key in old if key not in new]
        if gone:
            self.call("UntagResource", resourceArn=arn, tagKeys=gone)
        changed = [{"key": key, "value": value} for key, value in new.items() if old.get(key) != value]
        if changed:
            self.call("TagResource", resourceArn=arn, tags=changed)

    # ---- aws_sfn_state_machine --------------------------------------------------------------------------------------------

    def plan_machine(self, definition, type="STANDARD"):
        answer = self.call("ValidateStateMachineDefinition", definition=definition, type=type)
        return answer["result"] == "OK", answer["diagnostics"]

    def create_machine(self, **wanted):
        tags = wanted.pop("tags", {})
        request = {"publish": False, "type": "STANDARD", "roleArn": ROLE, **wanted}
        if tags:
            request["tags"] = [{"key": key, "value": value} for key, value in tags.items()]
        return self.call("CreateStateMachine", **request)["stateMachineArn"]

    def read_machine(self, arn):
        """What goes into the state; None: it is gone."""
        error, seen = self.send("DescribeStateMachine", stateMachineArn=arn)
        if error == "StateMachineDoesNotExist":
            return None
        assert not error, seen
        versions = self.call("ListStateMachineVersions", stateMachineArn=arn)["stateMachineVersions"]
        kept = {name: seen.get(name) for name in ("stateMachineArn", "name", "definition", "roleArn", "type", "status", "revisionId", "description",
                                                  "loggingConfiguration", "tracingConfiguration", "encryptionConfiguration")}
        kept["version"] = versions[0]["stateMachineVersionArn"] if versions else None
        kept["tags"] = self.tags(arn)
        return kept

    def update_machine(self, arn, **wanted):
        self.call("UpdateStateMachine", stateMachineArn=arn, **{"publish": False, "roleArn": ROLE, **wanted})
        for _ in range(50):
            seen = self.call("DescribeStateMachine", stateMachineArn=arn)
            if json.loads(seen["definition"]) == json.loads(wanted["definition"]):
                return self.read_machine(arn)
            time.sleep(0.1)
        raise AssertionError("the update is never seen")

    def delete_machine(self, arn):
        self.call("DeleteStateMachine", stateMachineArn=arn)
        seen = set()
        for _ in range(100):
            error, answer = self.send("DescribeStateMachine", stateMachineArn=arn)
            if error:
                assert error == "StateMachineDoesNotExist", answer
                return seen
            seen.add(answer["status"])
            time.sleep(0.05)
        raise AssertionError("the machine does not go")

    # ---- aws_sfn_alias, aws_sfn_activity ----------------------------------------------------------------------------------

    def read_alias(self, arn):
        error, seen = self.send("DescribeStateMachineAlias", stateMachineAliasArn=arn)
        assert error in (None, "ResourceNotFound"), seen
        return None if error else {name: seen.get(name) for name in ("stateMachineAliasArn", "name", "description", "routingConfiguration")}

    def read_activity(self, arn):
        error, seen = self.send("DescribeActivity", activityArn=arn)
        if error == "ActivityDoesNotExist":
            return None
        assert not error and seen["creationDate"] > 0, seen
        return {"name": seen["name"], "encryption": seen["encryptionConfiguration"], "tags": self.tags(arn)}


# ---- what a user of Terraform does ----------------------------------------------------------------------------------------------


def a_plan_shows_what_is_wrong_in_a_definition(provider):
    assert provider.plan_machine(json.dumps(DEFINITION)) == (True, [])
    good, diagnostics = provider.plan_machine(json.dumps({"StartAt": "B", "States": DEFINITION["States"]}))
    assert not good and all(d["severity"] and d["code"] and d["message"] for d in diagnostics), diagnostics
    good, diagnostics = provider.plan_machine("no JSON")
    assert not good and diagnostics, diagnostics


def what_is_applied_is_what_is_read(provider):
    """Blanks and line ends in a heredoc stay, and defaults are there from the first read on: the next plan is empty."""
    definition = json.dumps(DEFINITION, indent=2) + "\n"
    arn = provider.create_machine(name="first", definition=definition, tags={"team": "films"})
    first = provider.read_machine(arn)
    assert first["definition"] == definition and first["tags"] == {"team": "films"} and first["version"] is None, first
    assert first["loggingConfiguration"] == {"level": "OFF", "includeExecutionData": False}, first
    assert first["tracingConfiguration"] == {"enabled": False} and first["encryptionConfiguration"]["type"] == "AWS_OWNED_KEY", first
    assert provider.read_machine(arn) == first
    provider.delete_machine(arn)


def configurations_come_back_as_they_were_given(provider):
    group = "arn:aws:logs:us-east-1:000000000000:log-group:films:*"
    logging = {"level": "ERROR", "includeExecutionData": True, "destinations": [{"cloudWatchLogsLogGroup": {"logGroupArn": group}}]}
    arn = provider.create_machine(name="configured", definition=json.dumps(DEFINITION), type="EXPRESS", loggingConfiguration=logging,
                                  tracingConfiguration={"enabled": True}, encryptionConfiguration={"type": "AWS_OWNED_KEY"})
    seen = provider.read_machine(arn)
    assert seen["loggingConfiguration"] == logging and seen["tracingConfiguration"] == {"enabled": True} and seen["type"] == "EXPRESS", seen
    seen = provider.update_machine(arn, definition=json.dumps(DEFINITION), loggingConfiguration={**logging, "level": "ALL"},
                                   tracingConfiguration={"enabled": False})
    assert seen["loggingConfiguration"]["level"] == "ALL" and seen["tracingConfiguration"] == {"enabled": False}, seen
    provider.delete_machine(arn)


def an_update_publishes_and_an_alias_follows(provider):
    arn = provider.create_machine(name="published", definition=json.dumps(DEFINITION), publish=True)
    first = provider.read_machine(arn)
    assert first["version"] == arn + ":1", first
    alias = provider.call("CreateStateMachineAlias", name="live", description="", routingConfiguration=[
        {"stateMachineVersionArn": first["version"], "weight": 100}])["stateMachineAliasArn"]
    seen = provider.read_alias(alias)
    assert seen["name"] == "live" and seen["routingConfiguration"] == [{"stateMachineVersionArn": arn + ":1", "weight": 100}], seen
    # A new definition; the provider publishes with an empty description.
    second = provider.update_machine(arn, definition=json.dumps({**DEFINITION, "Comment": "2"}), publish=True, versionDescription="")
    assert second["version"] == arn + ":2" and second["revisionId"] and second["revisionId"] != first["revisionId"], second
    provider.call("UpdateStateMachineAlias", stateMachineAliasArn=alias, routingConfiguration=[
        {"stateMachineVersionArn": arn + ":1", "weight": 10}, {"stateMachineVersionArn": arn + ":2", "weight": 90}])
    seen = provider.read_alias(alias)
    assert [route["weight"] for route in seen["routingConfiguration"]] == [10, 90], seen
    provider.call("DeleteStateMachineAlias", stateMachineAliasArn=alias)
    assert provider.read_alias(alias) is None
    provider.delete_machine(arn)


def tags_are_changed_apart(provider):
    arn = provider.create_machine(name="tagged", definition=json.dumps(DEFINITION), tags={"a": "1", "b": "2"})
    provider.update_tags(arn, {"a": "1", "b": "2"}, {"b": "3", "c": "4"})
    assert provider.read_machine(arn)["tags"] == {"b": "3", "c": "4"}
    provider.delete_machine(arn)


def a_machine_that_still_runs_is_waited_for(provider):
    """Its status is DELETING until the execution has ended; a new one of its name can be made then."""
    arn = provider.create_machine(name="busy", definition=json.dumps({"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 1, "End": True}}}))
    provider.call("StartExecution", stateMachineArn=arn)
    assert provider.delete_machine(arn) == {"DELETING"}
    assert provider.read_machine(arn) is None
    again = provider.create_machine(name="busy", definition=json.dumps(DEFINITION))
    assert again == arn
    provider.delete_machine(arn)


def a_machine_that_somebody_deleted_leaves_the_state(provider):
    assert provider.read_machine("arn:aws:states:us-east-1:000000000000:stateMachine:nothing") is None


def an_activity_lives_and_goes(provider):
    arn = provider.call("CreateActivity", name="paint", tags=[{"key": "team", "value": "films"}])["activityArn"]
    assert provider.read_activity(arn) == {"name": "paint", "encryption": {"type": "AWS_OWNED_KEY"}, "tags": {"team": "films"}}
    provider.update_tags(arn, {"team": "films"}, {})
    assert provider.read_activity(arn)["tags"] == {}
    provider.call("DeleteActivity", activityArn=arn)
    assert provider.read_activity(arn) is None


TESTS = (a_plan_shows_what_is_wrong_in_a_definition, what_is_applied_is_what_is_read, configurations_come_back_as_they_were_given,
         an_update_publishes_and_an_alias_follows, tags_are_changed_apart, a_machine_that_still_runs_is_waited_for,
         a_machine_that_somebody_deleted_leaves_the_state, an_activity_lives_and_goes)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ratchet", required=True)
    arguments = parser.parse_args()
    passed, failed = 0, 0
    with tempfile.TemporaryDirectory() as folder, Server(os.path.abspath(arguments.ratchet), folder, store=f"sqlite:{folder}/store.db") as server:
        provider = Provider(server)
        for test in TESTS:
            try:
                provider.wrong = []
                test(provider)
                assert not provider.wrong, "\n".join(provider.wrong)
                passed += 1
            except Exception:
                print(f"FAILED {test.__name__}")
                traceback.print_exc(file=sys.stdout)
                failed += 1
    print(f"{len(provider.called)} operations called")
    print(f"{passed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
