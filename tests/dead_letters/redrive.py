#!/usr/bin/env python3
"""Fails many executions, and redrives all of them in one job while the server is killed.

    redrive.py --ratchet BINARY [--executions N] [--rate N] [--kills N] [--keep]

Four of five executions fail because a member of their input is missing, and are redriven with another input; every fifth
stands at a Fail state, and fails again. What must hold, whenever the server was killed (SIGKILL):

  - each of them is a dead letter, in the group of its state and error, and is found by a member of its input;
  - the preview names all of them, and the job's outcome list has each of them once, with the outcome that it must have;
  - each history has exactly one ExecutionRedriven;
  - a job with a canary stops at the first that fails again, and touches no other;
  - `ratchet check` finds nothing wrong with the store.

Prints figures; the last line is 'N passed, N failed, N skipped'."""

import argparse
import concurrent.futures
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

DEFINITION = {
    "StartAt": "Which",
    "States": {
        "Which": {"Type": "Choice", "Choices": [{"Variable": "$.bad", "BooleanEquals": True, "Next": "Never"}], "Default": "Work"},
        "Work": {"Type": "Pass", "Parameters": {"value.$": "$.missing"}, "Next": "Pause"},
        "Pause": {"Type": "Wait", "Seconds": 1, "Next": "Done"},
        "Done": {"Type": "Succeed"},
        "Never": {"Type": "Fail", "Error": "Order.Refused", "Cause": "it is refused, always"},
    },
}
local = threading.local()


class Server:
    def __init__(self, binary, folder, store=None):
        self.binary, self.folder, self.process, self.port = binary, folder, None, 0
        self.store = store or f"sqlite:{folder}/db"

    def start(self):
        log = open(os.path.join(self.folder, "serve.log"), "ab")
        self.process = subprocess.Popen(
            [self.binary, "serve", "--listen", f"127.0.0.1:{self.port}", "--store", self.store],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log)
        line = self.process.stdout.readline().decode().strip()
        self.port = int(line.rsplit(":", 1)[1])

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=60)
        self.process.stdout.close()

    def send(self, method, path, body=None, headers=None, raw=False):
        """One request on the thread's own connection, again when the server went away under it."""
        for attempt in range(100):
            connection = getattr(local, "connection", None)
            if connection is None:
                connection = local.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
            try:
                connection.request(method, path, json.dumps(body) if body is not None else None, headers or {})
                answer = connection.getresponse()
                text = answer.read()
            except (OSError, http.client.HTTPException):
                connection.close()
                local.connection = None
                time.sleep(0.05)
                continue
            if answer.status >= 300:
                raise RuntimeError(f"{method} {path}: {answer.status} {text[:300]!r}")
            return text.decode() if raw else json.loads(text)
        raise RuntimeError(f"{method} {path}: no answer")

    def call(self, operation, body):
        return self.send("POST", "/", body, {"X-Amz-Target": f"AWSStepFunctions.{operation}", "Content-Type": "application/x-amz-json-1.0"})


class Checks:
    def __init__(self):
        self.passed = self.failed = 0

    def that(self, good, what):
        if good:
            self.passed += 1
        else:
            self.failed += 1
            print(f"FAILED: {what}", flush=True)


def wait_until(question, seconds, what):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        answer = question()
        if answer:
            return answer
        time.sleep(0.1)
    raise RuntimeError(f"not within {seconds} s: {what}")


def pages(server, path, member):
    cursor, found = "", []
    while True:
        answer = server.send("GET", path + (f"&cursor={urllib.parse.quote(cursor)}" if cursor else ""))
        found += answer[member]
        cursor = answer.get("next")
        if not cursor:
            return found


def fail_all(server, pool, machine, count):
    def begin(n):
        server.call("StartExecution", {"stateMachineArn": machine, "name": f"e{n}", "input": json.dumps({"n": n, "bad": n % 5 == 4})})

    started = time.monotonic()
    list(pool.map(begin, range(count)))
    wait_until(lambda: server.send("GET", "/v1/dead-letters/groups")["total"] == count, 120, "all are dead letters")
    return time.monotonic() - started


def check_groups(server, checks, count):
    began = time.monotonic()
    answer = server.send("GET", "/v1/dead-letters/groups?machine=orders&hours=2")
    took = time.monotonic() - began
    found = {(g["error"], g["state"], g["revision"]): g for g in answer["groups"]}
    bad = sum(1 for n in range(count) if n % 5 == 4)
    checks.that(len(found) == 2, f"two groups, found {sorted(map(str, found))}")
    refused, missing = found.get(("Order.Refused", "Never", 1)), found.get(("States.Runtime", "Work", 1))
    checks.that(refused and refused["count"] == bad and sum(refused["hourly"]) == bad, f"{bad} refused: {refused}")
    checks.that(missing and missing["count"] == count - bad, f"{count - bad} with something missing: {missing}")
    return took


def kill_during(server, job, total, kills):
    """Kills the server when the job has come so far; says how long it took to redrive all, and until all had ended, without the time that
    the server was away. (A redriven execution takes a second, so the two differ by that.)"""
    began, away, killed = time.monotonic(), 0.0, 0
    last, redriven = -1, None
    while True:
        state = server.send("GET", f"/v1/redrive-jobs/{job}")
        done = total - state["pending"]
        if done == total and not redriven:
            redriven = time.monotonic() - began - away
        if state["state"] != "RUNNING":
            return state, redriven, time.monotonic() - began - away
        if killed < kills and done >= total * (killed + 1) // (kills + 1) and done != last:
            gone = time.monotonic()
            server.kill()
            server.start()
            killed += 1
            away += time.monotonic() - gone
        last = done
        time.sleep(0.05)
        if time.monotonic() - began > 600:
            raise RuntimeError(f"the job does not end: {state}")


def check_outcomes(server, checks, job, machine, count):
    outcomes = pages(server, f"/v1/redrive-jobs/{job}/outcomes?limit=1000", "outcomes")
    arns = [o["executionArn"] for o in outcomes]
    checks.that(len(arns) == count and len(set(arns)) == count, f"{count} outcomes, each execution once: {len(arns)}, {len(set(arns))}")
    wrong = []
    for outcome in outcomes:
        n = int(outcome["executionArn"].rsplit(":e", 1)[1])
        expected = "FAILED_AGAIN" if n % 5 == 4 else "SUCCEEDED"
        if outcome["outcome"] != expected or outcome["repeated"] != (expected == "FAILED_AGAIN"):
            wrong.append(outcome)
    checks.that(not wrong, f"{len(wrong)} outcomes are wrong: {wrong[:3]}")


def check_histories(server, pool, checks, machine, count):
    base = machine.replace(":stateMachine:", ":execution:")

    def redriven(n):
        events = server.call("GetExecutionHistory", {"executionArn": f"{base}:e{n}", "maxResults": 1000})["events"]
        ids = [e["id"] for e in events]
        if ids != list(range(1, len(ids) + 1)):
            return -1
        return sum(1 for e in events if e["type"] == "ExecutionRedriven")

    counts = list(pool.map(redriven, range(count)))
    wrong = [n for n, found in enumerate(counts) if found != 1]
    checks.that(not wrong, f"{len(wrong)} histories have not exactly one ExecutionRedriven: {[(n, counts[n]) for n in wrong[:5]]}")


def check_canary(server, checks, count):
    """What is left are those that fail always."""
    bad = sum(1 for n in range(count) if n % 5 == 4)
    preview = server.send("POST", "/v1/dead-letters/preview", {"filter": {"machine": "orders", "error": "Order.*"}})
    checks.that(preview["count"] == bad, f"{bad} dead letters are left: {preview['count']}")
    job = server.send("POST", "/v1/redrive-jobs", {"preview": preview["preview"], "rate": 1000})
    job = wait_until(lambda: (lambda j: j if j["state"] != "RUNNING" else None)(server.send("GET", f"/v1/redrive-jobs/{job['id']}")), 30, "the canary stops")
    checks.that(job["state"] == ("STOPPED" if bad > 1 else "COMPLETED") and job["failedAgain"] == 1 and job["pending"] == bad - 1, f"the canary stopped it: {job}")
    if bad > 1:
        job = server.send("POST", f"/v1/redrive-jobs/{job['id']}/cancel")
        checks.that(job["state"] == "CANCELLED", f"cancelled: {job}")
    preview = server.send("POST", "/v1/dead-letters/preview", {"filter": {"machine": "orders"}})
    gone = server.send("POST", "/v1/dead-letters/discard", {"preview": preview["preview"]})
    none = server.send("POST", "/v1/dead-letters/discard", {"filter": {"machine": "orders"}})
    checks.that(none["discarded"] == 0, f"none are left to be discarded: {none}")
    checks.that(gone["discarded"] == bad and server.send("GET", "/v1/dead-letters/groups")["total"] == 0, f"all are discarded: {gone}")


def run(options, folder, checks):
    server = Server(options.ratchet, folder)
    server.start()
    try:
        machine = server.call("CreateStateMachine", {"name": "orders", "definition": json.dumps(DEFINITION), "roleArn": "arn:aws:iam::000000000000:role/test"})["stateMachineArn"]
        count = options.executions
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            fail_s = fail_all(server, pool, machine, count)
            groups_s = check_groups(server, checks, count)
            found = pages(server, "/v1/dead-letters?machine=orders&limit=100&input=n=17", "deadLetters")
            checks.that([f["name"] for f in found] == ["e17"], f"one is found by its input: {found}")
            preview = server.send("POST", "/v1/dead-letters/preview", {"filter": {"machine": "orders"}})
            checks.that(preview["count"] == count and not preview["more"], f"the preview has all: {preview['count']}")
            job = server.send("POST", "/v1/redrive-jobs", {"preview": preview["preview"], "rate": options.rate, "canary": False, "stopErrorRate": 1,
                                                           "input": {"missing": 1}})
            state, redriven_s, job_s = kill_during(server, job["id"], count, options.kills)
            checks.that(state["state"] == "COMPLETED" and state["running"] == state["pending"] == state["skipped"] == 0, f"the job has ended: {state}")
            check_outcomes(server, checks, job["id"], machine, count)
            check_histories(server, pool, checks, machine, count)
        check_canary(server, checks, count)
        server.stop()
    except BaseException:
        server.process.kill()
        raise
    check = subprocess.run([options.ratchet, "check", f"sqlite:{folder}/db"], capture_output=True, text=True, timeout=300)
    checks.that(check.returncode == 0, f"ratchet check: {check.stdout[-500:]}{check.stderr[-500:]}")
    print(f"dead letters: {count} in {fail_s:.1f} s ({count / fail_s:.0f}/s, through {8} clients); groups in {groups_s * 1000:.0f} ms; "
          f"redriven at {count / redriven_s:.0f}/s (asked for {options.rate}/s) with {options.kills} kills, all ended after {job_s:.1f} s", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--ratchet", required=True)
    parser.add_argument("--executions", type=int, default=10000)
    parser.add_argument("--rate", type=int, default=500)
    parser.add_argument("--kills", type=int, default=2)
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="ratchet-dead-")
    checks = Checks()
    try:
        run(options, folder, checks)
    finally:
        if options.keep:
            print(f"kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    print(f"{checks.passed} passed, {checks.failed} failed, 0 skipped")
    return checks.failed > 0


if __name__ == "__main__":
    sys.exit(main())
