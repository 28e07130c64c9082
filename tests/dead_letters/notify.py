#!/usr/bin/env python3
"""Targets are told of status changes: in the shape of EventBridge, signed, again after a refusal and after a kill.

    notify.py --ratchet BINARY

The last line is 'N passed, N failed, N skipped'."""

import argparse
import hashlib
import hmac
import http.server
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "examples", "notifications"))
sys.dont_write_bytecode = True
import receiver  # noqa: E402
from redrive import Checks, Server, wait_until  # noqa: E402

DEFINITION = {
    "StartAt": "Work",
    "States": {"Work": {"Type": "Pass", "Parameters": {"value.$": "$.missing"}, "Next": "Pause"}, "Pause": {"Type": "Wait", "Seconds": 1, "End": True}},
}
MEMBERS = {"executionArn", "stateMachineArn", "name", "status", "startDate", "stopDate", "input", "inputDetails", "output", "outputDetails", "error", "cause",
           "stateMachineVersionArn", "stateMachineAliasArn", "redriveCount", "redriveDate", "redriveStatus"}


class Target(http.server.BaseHTTPRequestHandler):
    taken, refusals, lock = [], {}, threading.Lock()

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        event = json.loads(body)
        with self.lock:
            refuse = self.refusals.get(event["id"], 0) < 1  # each is refused once
            self.refusals[event["id"]] = self.refusals.get(event["id"], 0) + 1
            if not refuse:
                self.taken.append((event, self.headers.get("X-Ratchet-Signature", ""), body))
        self.send_response(503 if refuse else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments):
        pass


class ConfiguredServer(Server):
    def start(self):
        os.environ["RATCHET_CONFIG"] = f"{self.folder}/ratchet.yaml"
        super().start()


def signature_is_good(signature, body):
    """As the documented receiver does it."""
    return receiver.is_genuine(b"s3cret", signature, body)


def the_documented_receiver(options, folder, checks):
    """examples/notifications/receiver.py as it stands, told by a server; and what it must refuse."""
    good = lambda body, secret=b"s3cret", at=None: "t={0},v1={1}".format(  # noqa: E731
        at or int(time.time()), hmac.new(secret, str(at or int(time.time())).encode() + b"." + body, hashlib.sha256).hexdigest())
    checks.that(receiver.is_genuine(b"s3cret", good(b"{}"), b"{}"), "a good signature is taken")
    for what, signature, body in (("another body", good(b"{}"), b"{ }"), ("another secret", good(b"{}", b"other"), b"{}"), ("an old one", good(b"{}", at=int(time.time()) - 301), b"{}"),
                                  ("one of the future", good(b"{}", at=int(time.time()) + 301), b"{}"), ("none", None, b"{}"), ("an empty one", "", b"{}"),
                                  ("a broken one", "t=x,v1=y", b"{}"), ("one that is no ASCII", "t=\u0661,v1=\u00e9", b"{}"), ("half of one", good(b"{}").split(",")[0], b"{}")):
        checks.that(not receiver.is_genuine(b"s3cret", signature, body), f"{what} is refused")
    os.makedirs(f"{folder}/receiver")
    process = subprocess.Popen([sys.executable, receiver.__file__, "0"], stdout=subprocess.PIPE, text=True, env={**os.environ, "OPS_SECRET": "s3cret"})
    try:
        url = process.stdout.readline().strip()
        with open(f"{folder}/receiver/ratchet.yaml", "w") as file:
            json.dump({"targets": {"ops": {"url": url, "secret": {"env": "NOTIFY_SECRET"}}}}, file)
        server = ConfiguredServer(options.ratchet, f"{folder}/receiver", store="memory:")
        server.start()
        try:
            machine = server.call("CreateStateMachine", {"name": "m", "definition": json.dumps(DEFINITION), "roleArn": "arn:aws:iam::000000000000:role/test"})["stateMachineArn"]
            arn = server.call("StartExecution", {"stateMachineArn": machine, "name": "e", "input": "{}"})["executionArn"]
            line = process.stdout.readline()
            checks.that(line.endswith(f"Step Functions Execution Status Change FAILED {arn}\n"), line)
        finally:
            server.kill()
    finally:
        process.kill()
        process.wait()


def run(options, folder, checks):
    target = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Target)
    threading.Thread(target=target.serve_forever, daemon=True).start()
    os.environ["NOTIFY_SECRET"] = "s3cret"
    with open(f"{folder}/ratchet.yaml", "w") as file:
        json.dump({"targets": {"ops": {"url": f"http://127.0.0.1:{target.server_port}/events", "secret": {"env": "NOTIFY_SECRET"},
                                       "events": ["RUNNING", "SUCCEEDED", "FAILED", "ABORTED"], "machines": ["told*"]}}}, file)
    server = ConfiguredServer(options.ratchet, folder)
    server.start()
    try:
        told, quiet = (server.call("CreateStateMachine", {"name": name, "definition": json.dumps(DEFINITION), "roleArn": "arn:aws:iam::000000000000:role/test"})
                       ["stateMachineArn"] for name in ("told", "quiet"))
        arns = [server.call("StartExecution", {"stateMachineArn": told, "name": f"e{n}", "input": json.dumps({"missing": 1} if n else {})})["executionArn"]
                for n in range(4)]
        server.call("StartExecution", {"stateMachineArn": quiet, "name": "q", "input": "{}"})
        server.call("StopExecution", {"executionArn": arns[3], "error": "Stop", "cause": "by hand"})
        server.kill()
        server.start()
        wait_until(lambda: len({event["id"] for event, _, _ in Target.taken}) >= 8, 30, "every change is told")
        wait_until(lambda: server.call("DescribeExecution", {"executionArn": arns[1]})["status"] == "SUCCEEDED", 10, "it ends")
        time.sleep(0.5)
    finally:
        server.kill()
        target.shutdown()
    events = {event["id"]: event for event, _, _ in Target.taken}
    found = sorted((event["detail"]["name"], event["detail"]["status"]) for event in events.values())
    expected = sorted([(f"e{n}", "RUNNING") for n in range(4)] + [("e0", "FAILED"), ("e1", "SUCCEEDED"), ("e2", "SUCCEEDED"), ("e3", "ABORTED")])
    checks.that(found == expected, f"each change once, by id, and no other: {found}")
    checks.that(all(signature_is_good(signature, body) for _, signature, body in Target.taken), "every signature is good")
    checks.that(all(set(event["detail"]) == MEMBERS for event in events.values()), "the detail has EventBridge's members")
    checks.that(all(event["source"] == "aws.states" and event["detail-type"] == "Step Functions Execution Status Change"
                    and event["resources"] == [event["detail"]["executionArn"]] for event in events.values()), "and the event its own")
    by_change = {(event["detail"]["name"], event["detail"]["status"]): event["detail"] for event in events.values()}
    failed, succeeded, aborted = (by_change.get(change, {}) for change in (("e0", "FAILED"), ("e1", "SUCCEEDED"), ("e3", "ABORTED")))
    checks.that(failed.get("error") == "States.Runtime" and failed.get("input") == "{}" and failed.get("output") is None and failed.get("stopDate"), f"{failed}")
    checks.that(json.loads(succeeded.get("output") or "null") == {"value": 1} and succeeded.get("outputDetails") == {"included": True}, f"{succeeded}")
    checks.that(aborted.get("error") == "Stop" and aborted.get("cause") == "by hand", f"{aborted}")
    checks.that(all(count >= 2 for count in Target.refusals.values()), "one that was refused is sent again")


def expiring(options, folder, checks):
    """Letters that expire soon are told once a day, on a clock whose day has 9 s."""
    os.makedirs(f"{folder}/expiring")
    Target.taken.clear()
    target = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Target)
    threading.Thread(target=target.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{target.server_port}/events"
    with open(f"{folder}/expiring/ratchet.yaml", "w") as file:
        json.dump({"store": "memory:", "time_scale": 10000, "machines": {"soon": {"dead_letters": {"retentionDays": 2, "warnDays": 1}}},
                   "targets": {"ops": {"url": url, "secret": {"env": "NOTIFY_SECRET"}, "events": ["EXPIRING"], "timeout_s": 300, "give_up_hours": 2160},
                               "other": {"url": url, "machines": ["late*"]}, "quiet": {"url": url, "events": ["SUCCEEDED"]}}}, file)
    server = ConfiguredServer(options.ratchet, f"{folder}/expiring", store="memory:")
    server.start()
    try:
        for name in ("soon", "late"):
            machine = server.call("CreateStateMachine", {"name": name, "definition": json.dumps(DEFINITION), "roleArn": "arn:aws:iam::000000000000:role/test"})["stateMachineArn"]
            failed = server.call("StartExecution", {"stateMachineArn": machine, "name": "e", "input": "{}"})["executionArn"]
            if name == "soon":
                arn = failed
        kind = "Ratchet Dead Letters Expiring"
        told = lambda: [(event, signature, body) for event, signature, body in Target.taken if event["detail-type"] == kind]  # noqa: E731
        wait_until(told, 70, "targets are told that letters expire soon")
        metrics = server.send("GET", "/metrics", raw=True)
        wait_until(lambda: server.send("GET", "/v1/dead-letters?machine=soon")["deadLetters"] == [], 90, "the letter goes")
        execution = server.call("DescribeExecution", {"executionArn": arn})
    finally:
        server.kill()
        target.shutdown()
    event, signature, body = told()[0]
    detail = event["detail"]
    checks.that(len({event["id"] for event, _, _ in told()}) <= 2, f"once a day: {told()}")
    checks.that(event["source"] == "ratchet" and event["resources"] == [detail["stateMachineArn"]] and signature_is_good(signature, body), f"{event}")
    checks.that(detail["stateMachineName"] == "soon" and detail["deadLetters"] == 1 and detail["expiryDate"] - detail["oldestDate"] == 2 * 86400000, f"{detail}")
    checks.that(not [event for event, _, _ in Target.taken if event["detail-type"] != kind and event["detail"]["name"] == "e" and "soon" in event["detail"]["stateMachineArn"]],
                "who asks for EXPIRING only is told nothing else")
    checks.that('ratchet_dead_letters_expire_seconds{state_machine="soon"}' in metrics and "ratchet_dead_letters_expiry_warnings_total 1" in metrics
                and '"late"' not in metrics.split("expire_seconds")[2], metrics[metrics.find("ratchet_dead_letters"):][:1500])
    checks.that(execution["status"] == "FAILED", "the execution stays")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--ratchet", required=True)
    folder, checks = tempfile.mkdtemp(prefix="ratchet-notify-"), Checks()
    try:
        options = parser.parse_args()
        run(options, folder, checks)
        the_documented_receiver(options, folder, checks)
        expiring(options, folder, checks)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{checks.passed} passed, {checks.failed} failed, 0 skipped")
    return checks.failed > 0


if __name__ == "__main__":
    sys.exit(main())
