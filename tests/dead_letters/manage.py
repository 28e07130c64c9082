#!/usr/bin/env python3
"""Policies, filters, newest definitions, edited inputs, pausing: dead letters as a person works with them.

    manage.py --ratchet BINARY

The last line is 'N passed, N failed, N skipped'."""

import argparse
import json
import os
import shutil
import sys
import tempfile
import threading
import time
import urllib.parse

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
from redrive import Checks, Server, wait_until  # noqa: E402

ROLE = "arn:aws:iam::000000000000:role/test"


def task(**members):
    return {"Type": "Task", "Resource": "arn:ratchet:exec:::broken",
            "Retry": [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "MaxAttempts": 1}], **members}


def definition(first="Pass", **members):
    prepare = {"Type": "Pass"} if first == "Pass" else {"Type": "Wait", "Seconds": 0}
    return json.dumps({"StartAt": "Prepare", "States": {"Prepare": {**prepare, "Next": "Work"}, "Work": task(Next="Done", **members), "Done": {"Type": "Succeed"}}})


def refused(question):
    try:
        question()
    except RuntimeError as error:
        return str(error)
    return ""


class Story:
    def __init__(self, server, checks):
        self.server, self.checks = server, checks
        self.machine = server.call("CreateStateMachine", {"name": "work", "definition": definition(), "roleArn": ROLE})["stateMachineArn"]

    def begin(self, name, value=1, machine=None):
        return self.server.call("StartExecution", {"stateMachineArn": machine or self.machine, "name": name, "input": json.dumps({"order": {"items": [{"n": value}]}})})["executionArn"]

    def letters(self, query):
        return [letter["name"] for letter in self.server.send("GET", f"/v1/dead-letters?{query}")["deadLetters"]]

    def types(self, arn):
        return [event["type"] for event in self.server.call("GetExecutionHistory", {"executionArn": arn, "maxResults": 1000})["events"]]

    def job(self, body):
        job = self.server.send("POST", "/v1/redrive-jobs", body)
        return wait_until(lambda: (lambda j: j if j["state"] != "RUNNING" else None)(self.server.send("GET", f"/v1/redrive-jobs/{job['id']}")), 30, "the job ends")

    def policies(self):
        path = "/v1/state-machines/work/dead-letter-policy"
        self.checks.that(self.server.send("GET", path) == {"policy": {"aborted": True}, "from": "configuration"}, "the configuration's policy holds")
        stopped = self.begin("stopped")
        self.server.call("StopExecution", {"executionArn": stopped, "error": "Stop"})
        wait_until(lambda: self.letters("status=ABORTED") == ["stopped"], 5, "one that was stopped is a dead letter, by policy")
        put = self.server.send("PUT", path, {"skipRetry": ["Exec.*"], "retentionDays": 7})
        self.checks.that(put["from"] == "store" and put["policy"]["skipRetry"] == ["Exec.*"], f"{put}")
        skipped = self.begin("skipped")
        wait_until(lambda: "skipped" in self.letters("error=Exec.*"), 5, "it fails")
        self.checks.that(self.types(skipped).count("TaskFailed") == 1, "an error of the policy is not retried")
        self.server.kill()
        self.server.start()
        self.checks.that(self.server.send("GET", path)["from"] == "store", "a policy that was put survives a kill")
        for bad in ({"skipRetry": "x"}, {"aborted": 1}, {"retentionDays": 0}, {"other": 1}):
            self.checks.that("400" in refused(lambda: self.server.send("PUT", path, bad)), f"{bad} is refused")
        self.checks.that(self.server.send("DELETE", path)["from"] == "configuration", "without it the configuration's holds again")

    def looking(self):
        arn = self.begin("tried", 7)
        wait_until(lambda: "tried" in self.letters("error=Exec.Exit.3"), 10, "it fails")
        self.checks.that(self.letters("input=" + urllib.parse.quote("order.items.0.n=7")) == ["tried"], "it is found by a member of its input")
        self.checks.that(self.letters("input=" + urllib.parse.quote("order.items.9.n=7")) == [], "and not by one that is not there")
        letter = self.server.send("GET", "/v1/dead-letters/" + urllib.parse.quote(arn, safe=""))
        failures = [(attempt["type"], attempt["state"]) for attempt in letter["attempts"]]
        self.checks.that(failures == [("ExecutionFailed", "Work"), ("TaskFailed", "Work"), ("TaskFailed", "Work")], f"every attempt is there: {failures}")
        self.checks.that(letter["stateInput"] == letter["input"] == {"order": {"items": [{"n": 7}]}} and letter["editable"], f"{letter}")
        for path in ("/v1/dead-letters?input=x", "/v1/dead-letters?status=GONE", "/v1/dead-letters?cursor=x", "/v1/dead-letters?from=x", "/v1/dead-letters?machine=nobody",
                     "/v1/dead-letters/x", "/v1/redrive-jobs/99", "/v1/redrive-jobs/99/outcomes"):
            self.checks.that(refused(lambda: self.server.send("GET", path)).find(": 4") > 0, f"{path} is refused")

    def redriving(self):
        arn = self.server.send("GET", "/v1/dead-letters?error=Exec.Exit.3")["deadLetters"][0]["executionArn"]
        self.server.call("UpdateStateMachine", {"stateMachineArn": self.machine, "definition": definition(first="Wait")})
        preview = self.server.send("POST", "/v1/dead-letters/preview", {"executions": [arn, arn], "definition": "newest"})
        self.checks.that(preview["count"] == 1 and not preview["executions"][0]["compatible"] and "WaitStateEntered" in preview["executions"][0]["divergence"], f"{preview}")
        job = self.job({"preview": preview["preview"], "definition": "newest"})
        outcome = self.server.send("GET", f"/v1/redrive-jobs/{job['id']}/outcomes")["outcomes"][0]
        self.checks.that(job["skipped"] == 1 and outcome["outcome"] == "SKIPPED" and "WaitStateEntered" in outcome["detail"], f"{job} {outcome}")
        self.checks.that("404" in refused(lambda: self.server.send("POST", "/v1/redrive-jobs", {"preview": preview["preview"]})), "a preview serves once")
        self.server.call("UpdateStateMachine", {"stateMachineArn": self.machine, "definition": definition(Catch=[{"ErrorEquals": ["Exec.Exit.3"], "Next": "Done"}])})
        job = self.job({"executions": [arn], "definition": "newest", "input": {"edited": True}})
        self.checks.that(job["state"] == "COMPLETED" and job["succeeded"] == 1, f"{job}")
        events = self.server.call("GetExecutionHistory", {"executionArn": arn, "maxResults": 1000})["events"]
        again = events[[event["type"] for event in events].index("ExecutionRedriven"):]
        self.checks.that(again[0]["executionRedrivenEventDetails"] == {"redriveCount": 1}, f"the event is as AWS has it: {again[0]}")
        self.checks.that(json.loads(again[1]["taskScheduledEventDetails"]["parameters"]) == {"edited": True}, f"the state has the other input: {again[1]}")
        described = self.server.call("DescribeStateMachineForExecution", {"executionArn": arn})
        self.checks.that("Catch" in described["definition"], "it runs the newest definition")

    def previews(self):
        arn = self.server.send("GET", "/v1/dead-letters")["deadLetters"][0]["executionArn"]
        preview = self.server.send("POST", "/v1/dead-letters/preview", {"executions": [arn]})["preview"]
        self.server.kill()
        self.server.start()
        for path in ("/v1/redrive-jobs", "/v1/dead-letters/discard"):
            problem = refused(lambda: self.server.send("POST", path, {"preview": preview}))
            self.checks.that("404" in problem and "There is no such preview, or it has expired: make one again" in problem, f"a preview ends with its server: {problem}")

    def long_histories(self):
        """A long history is replayed in slices: others are served meanwhile."""
        def loop(resource):
            return json.dumps({"StartAt": "Begin", "States": {
                "Begin": {"Type": "Pass", "Result": {"n": 0}, "Next": "Enough"},
                "Enough": {"Type": "Choice", "Choices": [{"Variable": "$.n", "NumericGreaterThanEquals": 75000, "Next": "Work"}], "Default": "More"},
                "More": {"Type": "Pass", "Parameters": {"n.$": "States.MathAdd($.n, 1)"}, "Next": "Enough"},
                "Work": {"Type": "Task", "Resource": resource, "End": True}}})
        machine = self.server.call("CreateStateMachine", {"name": "long", "definition": loop("arn:ratchet:exec:::broken"), "roleArn": ROLE})["stateMachineArn"]
        arn = self.begin("long", machine=machine)
        wait_until(lambda: self.letters("machine=long") == ["long"], 60, "it fails")
        self.server.call("UpdateStateMachine", {"stateMachineArn": machine, "definition": loop("arn:ratchet:exec:::fine")})
        answers = []
        asking = threading.Thread(target=lambda: answers.append(self.server.send("POST", "/v1/dead-letters/preview", {"executions": [arn], "definition": "newest"})))
        asking.start()
        began, worst = time.monotonic(), 0
        while not answers and asking.is_alive():
            asked = time.monotonic()
            self.server.call("DescribeExecution", {"executionArn": arn})
            worst = max(worst, time.monotonic() - asked)
        asking.join()
        took = time.monotonic() - began
        self.checks.that(answers[0]["executions"][0]["compatible"], f"300,000 events are replayed: {answers}")
        self.checks.that(worst < max(took / 3, 0.05), f"others are served meanwhile: it took {took:.3f} s, and another waited {worst:.3f} s")
        job = self.job({"executions": [arn], "definition": "newest"})
        self.checks.that(job["succeeded"] == 1, f"{job}")

    def pausing(self):
        machine = self.server.call("CreateStateMachine", {"name": "slow", "definition": definition(), "roleArn": ROLE})["stateMachineArn"]
        for n in range(6):
            self.begin(f"s{n}", n, machine)
        wait_until(lambda: len(self.letters("machine=slow")) == 6, 15, "they fail")
        for bad in ({"rate": 0}, {"rate": "x"}, {"canary": "no"}, {"stopErrorRate": 2}, {"definition": "other"}, {"executions": [1]}, {"filter": []},
                    {"filter": {"machine": "slow", "eror": "X"}}, {"filter": {"machine": ""}}, {"filter": {"machine": None}}, {"filter": {"status": ""}}):
            self.checks.that("400" in refused(lambda: self.server.send("POST", "/v1/redrive-jobs", {"filter": {"machine": "slow"}, **bad})), f"{bad} is refused")
        job = self.server.send("POST", "/v1/redrive-jobs", {"filter": {"machine": "slow"}, "rate": 2, "canary": False, "stopErrorRate": 1})
        path = f"/v1/redrive-jobs/{job['id']}"
        wait_until(lambda: self.server.send("GET", path)["pending"] < 6, 5, "it begins")
        paused = self.server.send("POST", path + "/pause")
        time.sleep(1.5)
        self.server.kill()
        self.server.start()
        still = wait_until(lambda: (lambda j: j if j["total"] == j["pending"] + j["running"] + j["failedAgain"] else None)(self.server.send("GET", path)), 10, "counts")
        self.checks.that(still["state"] == "PAUSED" and still["pending"] >= paused["pending"] - 1 and still["pending"] > 0, f"it stays paused: {paused} {still}")
        self.server.send("POST", path + "/resume")
        done = wait_until(lambda: (lambda j: j if j["state"] == "COMPLETED" else None)(self.server.send("GET", path)), 30, "it ends")
        self.checks.that(done["failedAgain"] == 6, f"{done}")
        self.checks.that("409" in refused(lambda: self.server.send("POST", path + "/pause")), "what has ended is not paused")
        outcomes = self.server.send("GET", path + "/outcomes?limit=4")
        rest = self.server.send("GET", path + "/outcomes?limit=4&cursor=" + urllib.parse.quote(outcomes["next"]))
        self.checks.that(len(outcomes["outcomes"]) == 4 and len(rest["outcomes"]) == 2 and "next" not in rest, "outcomes come in pages")
        listed, cursor = [], ""
        while cursor is not None:
            page = self.server.send("GET", f"/v1/redrive-jobs?limit=1{cursor}")
            listed += [one["id"] for one in page["jobs"]]
            cursor = f"&cursor={page['next']}" if page.get("next") else None
        self.checks.that(listed == sorted(set(listed), key=int, reverse=True) and job["id"] in listed and len(listed) > 1, f"jobs come in pages: {listed}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--ratchet", required=True)
    options = parser.parse_args()
    folder, checks = tempfile.mkdtemp(prefix="ratchet-dead-"), Checks()
    with open(f"{folder}/ratchet.yaml", "w") as file:
        json.dump({"exec": {"broken": {"program": "/bin/sh", "args": ["-c", "exit 3"], "max_concurrent": 4}, "fine": {"program": "/bin/true"}},
                   "limits": {"history_events": 400000}, "machines": {"wo*": {"dead_letters": {"aborted": True}}}}, file)
    os.environ["RATCHET_CONFIG"] = f"{folder}/ratchet.yaml"
    server = Server(options.ratchet, folder)
    server.start()
    try:
        story = Story(server, checks)
        story.policies()
        story.looking()
        story.redriving()
        story.previews()
        story.pausing()
        story.long_histories()
    finally:
        server.kill()
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{checks.passed} passed, {checks.failed} failed, 0 skipped")
    return checks.failed > 0


if __name__ == "__main__":
    sys.exit(main())
