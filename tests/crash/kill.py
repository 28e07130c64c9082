#!/usr/bin/env python3
"""Kills the server again and again under load, and checks that nothing acknowledged was lost.

    kill.py --ratchet BINARY [--rounds N] [--seed N] [--keep]

Each round starts executions of several kinds from a few clients, kills the server (SIGKILL) at a random moment, starts it
again on the same store, and goes on. The checker knows only what clients were told and what the API answers:

  - a start that was acknowledged is there, under its ARN, with its input;
  - a start whose answer was lost may or may not be there, and starting it again by name is harmless;
  - an execution that was seen to have ended has the same end ever after;
  - every history has the ids 1, 2, 3 …, begins with ExecutionStarted, and has at most one terminal event, its last;
  - a history that was read only grows: what was seen is still its beginning;
  - in the end every execution has ended, with the outcome that its kind must have;
  - when the process that ran them was killed, and in the end, no program of a task is left running;
  - `ratchet check` finds nothing wrong with the store;
  - a task's program was started under the same idempotency key whenever it was started again, and never twice at once;
  - an activity's task is given to one worker; an answer by token that was acknowledged is what the execution came to, and no other is;
  - a task that starts an execution starts one, with an end of its own; children of one that was stopped are stopped;
  - one that was redriven goes on in the same history, once for each redrive that was acknowledged;
  - a bulk redrive job redrives each of its executions once, and its list of outcomes says of each what its history says;
  - one that goes on with the newest definition is one that this definition could have led to where it stands;
  - a dead letter that was discarded is gone, and no other is;
  - a target is told of every end at least once, of those of an execution in their order, under one id each, and of nothing that was not;
  - Express executions may vanish with their process, but none is run twice, and the answer of a synchronous one is its own.

Prints the seed; the last line is 'N passed, N failed, N skipped'."""

import argparse
import collections
import http.client
import http.server
import json
import os
import queue
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

TERMINAL = {"ExecutionSucceeded", "ExecutionFailed", "ExecutionTimedOut", "ExecutionAborted"}
ROLE = "arn:aws:iam::000000000000:role/test"
MACHINE = "arn:aws:states:us-east-1:000000000000:stateMachine:"
ACTIVITY = "arn:aws:states:us-east-1:000000000000:activity:work"


def letter_definition(function_url, first=None, last=None):
    """With a state before all, one that has failed cannot go on with it; with another behind all, it can."""
    call = {"Type": "Task", "Resource": "arn:aws:states:::http:invoke", "ResultPath": None, **({"Next": last} if last else {"End": True}),
            "Parameters": {"ApiEndpoint": function_url + "mended", "Method": "POST", "RequestBody": {"n.$": "$.n"}}}
    return {"StartAt": first or "H", "States": {**({first: {"Type": "Pass", "Next": "H"}} if first else {}), "H": call,
                                                **({last: {"Type": "Pass", "End": True}} if last else {})}}


def definitions(function_url):
    http_task = {
        "Type": "Task",
        "Resource": "arn:aws:states:::http:invoke",
        "Parameters": {"ApiEndpoint": function_url, "Method": "POST", "RequestBody.$": "$"},
        "ResultSelector": {"answer.$": "$.ResponseBody"},
        "Retry": [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "MaxAttempts": 5, "BackoffRate": 1}],
    }
    pass_state = {"Type": "Pass"}
    return {
        "passes": {"StartAt": "P0", "States": {f"P{i}": {**pass_state, **({"Next": f"P{i + 1}"} if i < 9 else {"End": True})} for i in range(10)}},
        "wait": {"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 1, "Next": "P"}, "P": {**pass_state, "End": True}}},
        "http": {"StartAt": "A", "States": {"A": {**http_task, "ResultPath": "$.a", "Next": "B"}, "B": {**http_task, "ResultPath": "$.b", "End": True}}},
        "exec": {"StartAt": "A", "States": {"A": {"Type": "Task", "Resource": "arn:ratchet:exec:::work", "ResultPath": "$.a", "Next": "B"},
                                           "B": {"Type": "Task", "Resource": "arn:ratchet:exec:::work", "ResultPath": "$.b", "End": True}}},
        "map": {"StartAt": "M", "States": {"M": {"Type": "Map", "ItemsPath": "$.items", "MaxConcurrency": 3, "End": True, "ItemProcessor": {
            "StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 1, "Next": "P"}, "P": {**pass_state, "End": True}}}}}},
        "parallel": {"StartAt": "X", "States": {"X": {"Type": "Parallel", "End": True, "Branches": [
            {"StartAt": "H", "States": {"H": {**http_task, "End": True}}},
            {"StartAt": "V", "States": {"V": {"Type": "Wait", "Seconds": 1, "End": True}}}]}}},
        "lambda": {"StartAt": "A", "States": {
            "A": {"Type": "Task", "Resource": "arn:aws:lambda:us-east-1:000000000000:function:work", "ResultPath": "$.a", "Retry": http_task["Retry"], "Next": "B"},
            "B": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Parameters": {"FunctionName": "work", "Payload.$": "$"},
                  "ResultSelector": {"answer.$": "$.Payload"}, "ResultPath": "$.b", "Retry": http_task["Retry"], "End": True}}},
        # Of our own workers, who end with their server: what a call came to is its own.
        "function": {"StartAt": "A", "States": {"A": {
            "Type": "Task", "Resource": "arn:aws:lambda:us-east-1:000000000000:function:double", "ResultPath": "$.a", "End": True}}},
        # Workers, who poll: one that was lost with its task's token lets it time out.
        "activity": {"StartAt": "A", "States": {"A": {
            "Type": "Task", "Resource": "arn:aws:states:us-east-1:000000000000:activity:work", "TimeoutSeconds": 4, "ResultPath": "$.a", "End": True,
            "Retry": [{"ErrorEquals": ["States.Timeout"], "IntervalSeconds": 1, "MaxAttempts": 100000, "BackoffRate": 1}]}}},
        # The token leaves by a request, and by a program; somebody answers later.
        "callback": {"StartAt": "A", "States": {
            "A": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken", "ResultPath": "$.a", "Retry": http_task["Retry"], "Next": "B",
                  "Parameters": {"FunctionName": "work", "Payload": {"token.$": "$$.Task.Token", "n.$": "$.n"}}},
            "B": {"Type": "Task", "Resource": "arn:ratchet:exec:::note.waitForTaskToken", "ResultPath": "$.b", "End": True,
                  "Parameters": {"token.$": "$$.Task.Token", "n.$": "$.n"}}}},
        "parent": {"StartAt": "C", "States": {
            "C": {"Type": "Task", "Resource": "arn:aws:states:::states:startExecution.sync:2", "ResultPath": "$.c", "Next": "D",
                  "Parameters": {"StateMachineArn": MACHINE + "child", "Input": {"n.$": "$.n", "from": "C"}}},
            "D": {"Type": "Task", "Resource": "arn:aws:states:::states:startExecution", "ResultPath": "$.d", "Next": "E",
                  "Parameters": {"StateMachineArn": MACHINE + "child", "Input": {"n.$": "$.n", "from": "D"}}},
            "E": {"Type": "Task", "Resource": "arn:aws:states:::states:startExecution.sync", "ResultPath": "$.e", "End": True,
                  "Parameters": {"StateMachineArn": MACHINE + "child", "Input": {"n.$": "$.n", "from": "E"}}}}},
        "child": {"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 1, "Next": "H"}, "H": {**http_task, "ResultPath": "$.h", "End": True}}},
        "stopped_parent": {"StartAt": "C", "States": {
            "C": {"Type": "Task", "Resource": "arn:aws:states:::states:startExecution.sync:2", "End": True,
                  "Parameters": {"StateMachineArn": MACHINE + "forever", "Input": {"n.$": "$.n", "from": "C"}}}}},
        # The token goes to a child, who gives it away.
        "calling": {"StartAt": "C", "States": {
            "C": {"Type": "Task", "Resource": "arn:aws:states:::states:startExecution.waitForTaskToken", "ResultPath": "$.c", "End": True,
                  "Parameters": {"StateMachineArn": MACHINE + "called", "Input": {"n.$": "$.n", "from": "T", "token.$": "$$.Task.Token"}}}}},
        "called": {"StartAt": "H", "States": {"H": {**http_task, "Parameters": {"ApiEndpoint": function_url + "called", "Method": "POST", "RequestBody.$": "$"}, "End": True}}},
        # Fails until it is mended, and is then redriven.
        "redrive": {"StartAt": "P", "States": {"P": {**pass_state, "Next": "H"}, "H": {
            "Type": "Task", "Resource": "arn:aws:states:::http:invoke", "ResultSelector": {"answer.$": "$.ResponseBody"}, "ResultPath": "$.h", "Next": "Q",
            "Parameters": {"ApiEndpoint": function_url + "mended", "Method": "POST", "RequestBody": {"n.$": "$.n"}}}, "Q": {**pass_state, "End": True}}},
        # The same, redriven by jobs only, and corrected now and then (letter_definitions).
        "letter": letter_definition(function_url),
        "fails": {"StartAt": "F", "States": {"F": {"Type": "Fail", "Error": "Planned", "Cause": "as it should"}}},
        "forever": {"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 3600, "End": True}}},
    }


EXPECTED = {"fails": "FAILED", "forever": "ABORTED", "stopped_parent": "ABORTED"}
STOPPED = {"forever", "stopped_parent"}
INNER = {"child", "called"}  # started by others only


def express_definitions(function_url):
    call = {"Type": "Task", "Resource": "arn:aws:states:::http:invoke", "ResultSelector": {"answer.$": "$.ResponseBody"}, "ResultPath": "$.h", "End": True,
            "Parameters": {"ApiEndpoint": function_url + "express", "Method": "POST", "RequestBody": {"n.$": "$.n"}}}
    return {"express": {"StartAt": "P", "States": {"P": {"Type": "Pass", "Next": "H"}, "H": call}}}


class Function(http.server.BaseHTTPRequestHandler):
    """What http and lambda tasks call: a function at /, and the Invoke API of Lambda with a function 'work', who may be given a task's token. /mended
    fails for each n until it is in `mended`; /express counts; /called is given a token too; /told is told of ends, and refuses some at first."""

    invoked = 0
    tokens = queue.SimpleQueue()  # (token, n, who gave it)
    mended = set()
    express = collections.Counter()
    told = []  # (ARN, times redriven, status, id) that were taken, in their order
    deaf = 0.2
    lock = threading.Lock()

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        payload = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b'{"done":true}'
        status = 200
        if self.path.startswith("/2015-03-31/functions/"):
            Function.invoked += 1
            known = self.path.split("/")[3].endswith("work") and self.path.endswith("/invocations") and isinstance(json.loads(payload), dict)
            status = 200 if known else 404
            if "token" in json.loads(payload):
                asked = json.loads(payload)
                Function.tokens.put((asked["token"], asked["n"], "lambda"))
        elif self.path == "/mended":
            status = 200 if json.loads(payload)["n"] in Function.mended else 500
        elif self.path == "/express":
            Function.express[json.loads(payload)["n"]] += 1
        elif self.path == "/called":
            asked = json.loads(payload)
            Function.tokens.put((asked["token"], asked["n"], "called"))
        elif self.path == "/told":
            event = json.loads(payload)
            detail = event["detail"]
            with Function.lock:
                if random.random() < Function.deaf:
                    status = 503
                else:
                    Function.told.append((detail["executionArn"], detail["redriveCount"], detail["status"], event["id"]))
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


class FunctionServer(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """A caller that was killed is no error here."""


class Refused(Exception):
    def __init__(self, name, message):
        super().__init__(f"{name}: {message}")
        self.name = name


class Server:
    def __init__(self, binary, folder, options=()):
        self.binary, self.folder, self.options, self.process, self.port = binary, folder, list(options), None, None
        self.recoveries = []

    def start(self):
        begin = time.monotonic()
        self.log = open(f"{self.folder}/server.log", "ab")
        self.process = subprocess.Popen(
            [self.binary, "serve", "--listen", f"127.0.0.1:{self.port or 0}", "--store", f"sqlite:{self.folder}/store.db",
             "--config", f"{self.folder}/ratchet.yaml", *self.options], stdout=subprocess.PIPE, stderr=self.log, start_new_session=True)
        line = self.process.stdout.readline().decode().strip()
        if not line.startswith("http://"):
            raise SystemExit(f"the server did not start: {line!r}; its log:\n" + open(f"{self.folder}/server.log").read()[-3000:])
        self.port = int(line.rsplit(":", 1)[1])
        self.recoveries.append(time.monotonic() - begin)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)

    def call(self, operation, **params):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request("POST", "/", json.dumps(params),
                               {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "AWSStepFunctions." + operation})
            answer = connection.getresponse()
            body = json.loads(answer.read())
        finally:
            connection.close()
        if answer.status != 200:
            raise Refused(body.get("__type", "?"), body.get("message", ""))
        return body

    def v1(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, "/v1/" + path, None if body is None else json.dumps(body), {"Content-Type": "application/json"})
            answer = connection.getresponse()
            text = answer.read()
            body = json.loads(text)
        finally:
            connection.close()
        if answer.status >= 300:
            raise Refused("ServiceUnavailable" if answer.status == 503 else str(answer.status), text.decode())
        return body


class Checker:
    def __init__(self, server, seed):
        self.server, self.random = server, random.Random(seed)
        self.lock = threading.Lock()
        self.known = {}      # name -> {kind, input, arn or None, stop}
        self.histories = {}  # arn -> events as last seen
        self.ends = {}       # arn -> describe answer once it had ended
        self.recent = collections.deque(maxlen=200)  # of `known`: the last ones that have an ARN
        self.recent_redrivable = collections.deque(maxlen=30)
        self.recent_letters = collections.deque(maxlen=60)
        self.jobs = {}       # of bulk redrive: id -> the ARNs that were asked for, acknowledged
        self.job_outcomes = collections.Counter()
        self.updates = 0     # of definitions
        self.discarded, self.discard_tried = set(), set()
        self.recent_wasted = collections.deque(maxlen=60)
        self.problems = []
        self.counter = 0
        self.checks = 0
        self.given = {}      # activity token -> how often it was given
        self.answered = {}   # token -> (n, state, nonce), acknowledged
        self.redriven = collections.Counter()  # arn -> redrives that were acknowledged
        self.express = {}    # n -> "asynchronous", or "synchronous"
        self.express_answers = 0
        self.children = 0
        self.ended = threading.Event()  # of the test

    def problem(self, text):
        with self.lock:
            self.problems.append(text)
        print("FAILED:", text, flush=True)

    # -- load ------------------------------------------------------------------------------------

    def start_one(self, rng):
        kind = rng.choice(self.kinds)
        if kind == "express":
            self.run_express(rng)
            return
        with self.lock:
            self.counter += 1
            name = f"{kind}-{self.counter}"
            record = {"kind": kind, "input": {"n": self.counter, "items": [1, 2, 3, 4, 5]}, "arn": None}
            self.known[name] = record
        self.submit(name, record)
        if kind in STOPPED and record["arn"] and rng.random() < 0.8:
            time.sleep(rng.choice([0, 0, 0.05, 0.3]))
            self.server.call("StopExecution", executionArn=record["arn"], error="Test", cause="stopped")

    def submit(self, name, record):
        try:
            arn = self.server.call("StartExecution", stateMachineArn=self.machines[record["kind"]], name=name,
                                   input=json.dumps(record["input"]))["executionArn"]
        except Refused as refusal:
            if refusal.name != "ExecutionAlreadyExists" or "lost" not in record:
                raise
            arn = str(refusal).split("'")[1]  # the start whose answer was lost was taken, and has ended
        if record["arn"] not in (None, arn):
            self.problem(f"{name}: another ARN for the same start")
        with self.lock:
            if record["arn"] is None:
                self.recent.append(record)
                if record["kind"] == "redrive":
                    self.recent_redrivable.append(record)
                if record["kind"] == "letter":
                    self.recent_letters.append(record)
                if record["kind"] == "fails":
                    self.recent_wasted.append(record)
            record["arn"] = arn

    def client(self, seed, until):
        rng = random.Random(seed)
        while not until.is_set():
            try:
                chance = rng.random()
                if chance < 0.7:
                    self.start_one(rng)
                elif chance < 0.8:
                    self.redrive_one(rng)
                elif chance < 0.86:
                    self.work_on_jobs(rng)
                elif chance < 0.88:
                    self.correct(rng)
                elif chance < 0.90:
                    self.discard(rng)
                else:
                    with self.lock:
                        record = rng.choice(self.recent) if self.recent else None
                    if record:
                        self.look(record["arn"])
            except (OSError, http.client.HTTPException, json.JSONDecodeError):
                time.sleep(0.01)  # the server was killed: the answer is lost
            except Refused as refusal:
                if refusal.name != "ServiceUnavailable":
                    self.problem(f"refused: {refusal}")

    def run_express(self, rng):
        synchronous = rng.random() < 0.5
        with self.lock:
            self.counter += 1
            n = self.counter
            self.express[n] = "synchronous" if synchronous else "asynchronous"
        answer = self.server.call("StartSyncExecution" if synchronous else "StartExecution", stateMachineArn=self.machines["express"],
                                  input=json.dumps({"n": n}))
        if not synchronous:
            return
        if answer["status"] != "SUCCEEDED" or json.loads(answer["output"]) != {"n": n, "h": {"answer": {"done": True}}}:
            self.problem(f"express {n} is answered with {answer}")
        self.express_answers += 1

    def redrive_one(self, rng):
        with self.lock:
            record = rng.choice(self.recent_redrivable) if self.recent_redrivable else None
        if record:
            if rng.random() < 0.7:
                Function.mended.add(record["input"]["n"])
            self.redrive(record["arn"])

    def redrive(self, arn):
        """An answer that was lost may have been a redrive too: counts are bounds."""
        try:
            self.server.call("RedriveExecution", executionArn=arn)
            with self.lock:
                self.redriven[arn] += 1
        except Refused as refusal:
            if refusal.name != "ExecutionNotRedrivable":
                raise

    def correct(self, rng):
        """Another definition of the letters, which comes to the same."""
        with self.lock:
            self.updates += 1
            number = self.updates
        first, last = (f"Z{number}", None) if rng.random() < 0.3 else (None, f"Q{number}")
        self.server.call("UpdateStateMachine", stateMachineArn=self.machines["letter"], definition=json.dumps(letter_definition(self.function_url, first, last)))

    def discard(self, rng):
        with self.lock:
            arns = [record["arn"] for record in rng.sample(list(self.recent_wasted), min(5, len(self.recent_wasted)))]
            self.discard_tried.update(arns)
        try:
            if arns:
                self.server.v1("POST", "dead-letters/discard", {"executions": arns})
                with self.lock:
                    self.discarded.update(arns)
        except Refused as refusal:
            if refusal.name != "400":  # none of them is a dead letter
                raise

    def work_on_jobs(self, rng):
        """Begins a bulk redrive, or pauses, resumes or cancels one."""
        with self.lock:
            chosen = rng.sample(list(self.recent_letters), min(12, len(self.recent_letters)))
            job = rng.choice(list(self.jobs)) if self.jobs else None
        if job and rng.random() < 0.5:
            try:
                self.server.v1("POST", f"redrive-jobs/{job}/{rng.choice(['pause', 'pause', 'resume', 'resume', 'resume', 'cancel'])}")
            except Refused as refusal:
                if refusal.name != "409":
                    raise
            return
        Function.mended.update(record["input"]["n"] for record in chosen if rng.random() < 0.7)
        arns = [record["arn"] for record in chosen]
        try:
            begun = self.server.v1("POST", "redrive-jobs", {"executions": arns, "rate": rng.choice([5, 50, 1000]), "canary": rng.random() < 0.5,
                                                            "definition": rng.choice(["same", "newest"]), "stopErrorRate": rng.choice([0.5, 1])})
        except Refused as refusal:
            if refusal.name != "400":  # none of them is a dead letter
                raise
            return
        with self.lock:
            self.jobs[begun["id"]] = set(arns)

    def answer(self, rng, token, n, state):
        """An answer by token, until somebody says what became of it, however long the server is away."""
        while not self.ended.is_set():
            nonce = f"{state}-{rng.randrange(1 << 40)}"
            try:
                self.server.call("SendTaskSuccess", taskToken=token, output=json.dumps({"nonce": nonce}))
                with self.lock:
                    if token in self.answered:
                        self.problems.append(f"task {state} of {n}: two answers were taken")
                    self.answered[token] = (n, state, nonce)
                return
            except (OSError, http.client.HTTPException, json.JSONDecodeError):
                pass
            except Refused as refusal:
                if refusal.name == "TaskTimedOut":
                    return  # taken, though the answer was lost; or too late
                if refusal.name != "ServiceUnavailable":
                    self.problem(f"a token of {n} is refused: {refusal}")
                    return
            time.sleep(0.02)

    def worker(self, seed):
        """Polls for the activity's tasks, and sometimes forgets one."""
        rng = random.Random(seed)
        while not self.ended.is_set():
            try:
                task = self.server.call("GetActivityTask", activityArn=ACTIVITY, workerName="w")
            except (OSError, http.client.HTTPException, json.JSONDecodeError, Refused):
                time.sleep(0.02)
                continue
            if not task.get("taskToken"):
                continue
            token, n = task["taskToken"], json.loads(task["input"])["n"]
            with self.lock:
                self.given[token] = self.given.get(token, 0) + 1
                if self.given[token] > 1:
                    self.problems.append(f"a task of {n} is given to two workers")
            if rng.random() < 0.9:
                self.answer(rng, token, n, "activity")

    def caller(self, seed, spool):
        """Answers the tokens that requests and programs have given away."""
        rng, seen = random.Random(seed), 0
        while not self.ended.is_set():
            if os.path.exists(spool):
                with open(spool, encoding="utf-8") as notes:
                    lines = [line for line in notes.readlines() if line.endswith("\n")]
                for line in lines[seen:]:
                    Function.tokens.put((*json.loads(line), "exec"))
                seen = len(lines)
            try:
                token, n, state = Function.tokens.get(timeout=0.05)
            except queue.Empty:
                continue
            if token not in self.answered:
                self.answer(rng, token, n, state)

    # -- checks ------------------------------------------------------------------------------------

    def read_history(self, arn):
        events, token = [], None
        while True:
            page = self.server.call("GetExecutionHistory", executionArn=arn, maxResults=1000, **({"nextToken": token} if token else {}))
            events += page["events"]
            token = page.get("nextToken")
            if not token:
                return events

    def look(self, arn):
        with self.lock:
            before = self.histories.get(arn, [])
        events = self.read_history(arn)
        description = self.server.call("DescribeExecution", executionArn=arn)
        self.checks += 1
        if [e["id"] for e in events] != list(range(1, len(events) + 1)):
            self.problem(f"{arn}: ids are {[e['id'] for e in events]}")
        if events[0]["type"] != "ExecutionStarted":
            self.problem(f"{arn}: begins with {events[0]['type']}")
        ends = [e for e in events if e["type"] in TERMINAL]
        reopened = [e for e in events if e["type"] == "ExecutionRedriven"]
        follows = {e["id"]: after["type"] for e, after in zip(events, events[1:])}
        if any(follows.get(e["id"], "ExecutionRedriven") != "ExecutionRedriven" for e in ends) or len(ends) - len(reopened) not in (0, 1):
            self.problem(f"{arn}: terminal events {[(e['id'], e['type']) for e in ends]} of {len(events)}")
        if any(e["previousEventId"] >= e["id"] for e in events):
            self.problem(f"{arn}: an event precedes itself")
        if any(a["timestamp"] > b["timestamp"] for a, b in zip(events, events[1:])):
            self.problem(f"{arn}: time runs backwards")
        if events[:len(before)] != before:
            self.problem(f"{arn}: {len(before)} events were seen before, and now they are {len(events)} others")
        with self.lock:
            if len(events) >= len(self.histories.get(arn, [])):
                self.histories[arn] = events
            if description["status"] != "RUNNING":
                end = {k: description.get(k) for k in ("status", "output", "error", "cause", "stopDate")}
                which = (arn, description.get("redriveCount", 0))
                if self.ends.setdefault(which, end) != end:
                    self.problems.append(f"{arn}: it ended as {self.ends[which]}, and now as {end}")
        return description, events

    def check_all(self, patience_s):
        """Everything known must end, and as it should, each within a while of being looked at."""
        for name, record in self.known.items():
            if record["arn"] is None:
                record["lost"] = True
                self.submit(name, record)  # its answer was lost: harmless to ask again
        Function.mended.update(range(self.counter + 1))
        self.finish_jobs(time.monotonic() + patience_s)
        for name, record in self.known.items():
            if record["kind"] in STOPPED:
                self.server.call("StopExecution", executionArn=record["arn"], error="Test", cause="stopped")
            deadline = time.monotonic() + patience_s
            while True:
                description, events = self.look(record["arn"])
                if description["status"] == "FAILED" and record["kind"] == "redrive":
                    self.redrive(record["arn"])
                elif description["status"] != "RUNNING":
                    break
                if time.monotonic() > deadline:
                    self.problem(f"{name} is stuck: {[e['type'] for e in events][-3:]}")
                    break
                time.sleep(0.1)
            if description["status"] != EXPECTED.get(record["kind"], "SUCCEEDED"):
                self.problem(f"{name} ended {description['status']}: {description.get('error')} {description.get('cause')}")
            if json.loads(description["input"]) != record["input"]:
                self.problem(f"{name}: its input is {description['input']}")
            record["output"] = json.loads(description.get("output") or "null")
            if record["kind"] == "function" and record["output"] and record["output"]["a"] != {"doubled": 2 * record["input"]["n"]}:
                self.problem(f"{name} was given another's answer: {record['output']}")
            redrives = sum(e["type"] == "ExecutionRedriven" for e in events)
            if redrives != description.get("redriveCount", 0) or redrives < self.redriven[record["arn"]]:
                self.problem(f"{name}: {redrives} redrives in its history, {description.get('redriveCount')} described, "
                             f"{self.redriven[record['arn']]} acknowledged")
        self.check_jobs()
        self.check_answers()
        self.check_discarded()
        self.check_definitions()
        self.check_children(time.monotonic() + patience_s)
        self.check_told(time.monotonic() + patience_s)
        for n, count in Function.express.items():
            if count > 1 or n not in self.express:
                self.problem(f"express {n} was run {count} times")

    def all_jobs(self):
        found, cursor = [], ""
        while cursor is not None:
            page = self.server.v1("GET", f"redrive-jobs{cursor}")
            found += page["jobs"]
            cursor = f"?cursor={page['next']}" if page.get("next") else None
        return found

    def finish_jobs(self, deadline):
        """All jobs go on to their end; what is still in the queue then goes by one more."""
        while time.monotonic() < deadline:
            jobs = self.all_jobs()
            for job in jobs:
                if job["state"] in ("PAUSED", "STOPPED"):
                    self.server.v1("POST", f"redrive-jobs/{job['id']}/resume")
            if all(job["state"] in ("COMPLETED", "CANCELLED") for job in jobs):
                preview = self.server.v1("POST", "dead-letters/preview", {"filter": {"machine": "letter"}})
                waits = any(record["kind"] == "letter" and self.server.call("DescribeExecution", executionArn=record["arn"])["status"] == "RUNNING"
                            for record in self.known.values())
                if not preview["count"] and not waits:
                    return
                if preview["count"]:
                    self.server.v1("POST", "redrive-jobs", {"preview": preview["preview"], "rate": 1000, "canary": False, "stopErrorRate": 1})
            time.sleep(0.2)
        self.problem(f"jobs do not come to an end: {jobs}")

    def outcomes(self, job):
        found, cursor = [], ""
        while cursor is not None:
            page = self.server.v1("GET", f"redrive-jobs/{job}/outcomes?limit=50{cursor}")
            found += page["outcomes"]
            cursor = f"&cursor={page['next']}" if page.get("next") else None
        return found

    def check_jobs(self):
        """What the jobs say of an execution is what its history says."""
        told = collections.defaultdict(collections.Counter)  # arn -> outcomes
        jobs = {job["id"]: job for job in self.all_jobs()}
        for job in jobs.values():
            rows = self.outcomes(job["id"])
            counts = collections.Counter(row["outcome"] for row in rows)
            said = {"PENDING": job["pending"], "RUNNING": job["running"], "SUCCEEDED": job["succeeded"], "FAILED_AGAIN": job["failedAgain"], "SKIPPED": job["skipped"]}
            if counts != collections.Counter(said) or len({row["executionArn"] for row in rows}) != job["total"]:
                self.problem(f"job {job['id']} says {job}, its outcomes are {counts}")
            if counts["RUNNING"] or (counts["PENDING"] and job["state"] != "CANCELLED"):
                self.problem(f"job {job['id']} is {job['state']}, and its outcomes are {counts}")
            for row in rows:
                told[row["executionArn"]][row["outcome"]] += 1
                if row["executionArn"] not in self.jobs.get(job["id"], {row["executionArn"]}):
                    self.problem(f"job {job['id']} has an execution that was not asked for: {row}")
            self.job_outcomes += counts
        for lost in self.jobs.keys() - jobs.keys():
            self.problem(f"job {lost} was acknowledged, and is lost")
        for record in self.known.values():
            if record["kind"] == "letter":
                types = collections.Counter(event["type"] for event in self.histories[record["arn"]])
                by_jobs = told[record["arn"]]
                if (types["ExecutionRedriven"] != by_jobs["SUCCEEDED"] + by_jobs["FAILED_AGAIN"] or types["ExecutionFailed"] - 1 != by_jobs["FAILED_AGAIN"] and types["ExecutionFailed"]
                        or by_jobs["SUCCEEDED"] != (types["ExecutionRedriven"] > 0)):
                    self.problem(f"{record['arn']}: jobs say {by_jobs}, its history has {types}")

    def check_discarded(self):
        """A discard takes exactly its letters. One that was asked for twice, or whose answer was lost, may have done it."""
        listed, cursor = set(), ""
        while cursor is not None:
            page = self.server.v1("GET", f"dead-letters?machine=fails&limit=100{cursor}")
            listed.update(letter["executionArn"] for letter in page["deadLetters"])
            cursor = f"&cursor={page['next']}" if page.get("next") else None
        for arn in listed & self.discarded:
            self.problem(f"{arn} was discarded, and is listed")
        for record in self.known.values():
            if record["kind"] == "fails" and record["arn"] not in listed | self.discard_tried:
                self.problem(f"{record['arn']} has failed, and is no dead letter")

    def check_definitions(self):
        """None goes on with a definition that would have begun otherwise."""
        for record in self.known.values():
            if record["kind"] == "letter":
                names = [event["stateEnteredEventDetails"]["name"] for event in self.histories[record["arn"]] if "stateEnteredEventDetails" in event]
                if any(name[0] == "Z" for name in names[1:]) or any(name[0] == "Q" for name in names[:-1]):
                    self.problem(f"{record['arn']} went through {names}")

    def check_told(self, deadline):
        statuses = {"ExecutionSucceeded": "SUCCEEDED", "ExecutionFailed": "FAILED", "ExecutionTimedOut": "TIMED_OUT", "ExecutionAborted": "ABORTED"}
        Function.deaf = 0
        for record in self.known.values():
            if record["kind"] in ("redrive", "letter"):  # they may have gone on since they were read
                self.look(record["arn"])
        for arn in [arn for arn, events in self.histories.items() if events[-1]["type"] not in statuses]:
            self.look(arn)  # it was seen while it ran, and the answer of its start was lost
        wanted = {}  # ARN -> ends in their order
        for arn, events in self.histories.items():
            ends = [statuses[event["type"]] for event in events if event["type"] in statuses]
            wanted[arn] = list(enumerate(ends))
        while time.monotonic() < deadline:
            with Function.lock:
                taken = {(arn, redrives, status) for arn, redrives, status, _ in Function.told}
            missing = [(arn, *end) for arn, ends in wanted.items() for end in ends if (arn, *end) not in taken]
            if not missing:
                break
            time.sleep(0.2)
        for change in missing[:5]:
            self.problem(f"nobody was told of {change} ({len(missing)} such)")
        first, ids = collections.defaultdict(list), {}
        with Function.lock:
            for arn, redrives, status, number in Function.told:
                if (redrives, status) not in first[arn]:
                    first[arn].append((redrives, status))
                if ids.setdefault((arn, redrives, status), number) != number:
                    self.problem(f"{arn}: {status} was told under two ids")
        for arn, ends in first.items():
            if arn in wanted and ends != wanted[arn]:
                self.problem(f"{arn} came to {wanted[arn]}, and told was {ends}")
        self.told = (len(Function.told), len(ids))

    def check_answers(self):
        """What a worker or a caller was told that it was taken, is what came of it."""
        places = {"activity": "a", "lambda": "a", "exec": "b", "called": "c"}
        outputs = {record["input"]["n"]: record for record in self.known.values()}
        for n, state, nonce in self.answered.values():
            output = outputs[n]["output"]
            if not output or output.get(places[state]) != {"nonce": nonce}:
                self.problem(f"an answer of {state} for {n} was taken, and is lost: {output}, not {nonce}")

    def list_all(self, machine):
        executions, token = [], None
        while True:
            page = self.server.call("ListExecutions", stateMachineArn=self.machines[machine], maxResults=1000, **({"nextToken": token} if token else {}))
            executions += page["executions"]
            token = page.get("nextToken")
            if not token:
                return executions

    def check_children(self, deadline):
        begun = collections.Counter()
        for machine, status in (("child", "SUCCEEDED"), ("called", "SUCCEEDED"), ("forever", "ABORTED")):
            for execution in self.list_all(machine):
                arn = execution["executionArn"]
                description = self.server.call("DescribeExecution", executionArn=arn)
                asked = json.loads(description["input"])
                if "from" not in asked:
                    continue
                begun[asked["n"], asked["from"]] += 1
                while description["status"] == "RUNNING" and time.monotonic() < deadline:
                    time.sleep(0.1)
                    description = self.server.call("DescribeExecution", executionArn=arn)
                self.look(arn)
                if description["status"] != status:
                    self.problem(f"a child of {asked} is {description['status']}, not {status}")
        for record in self.known.values():
            n = record["input"]["n"]
            if record["kind"] == "parent":
                if any(begun[n, state] != 1 for state in "CDE"):
                    self.problem(f"parent {n} began children: {[(state, begun[n, state]) for state in 'CDE']}")
                elif record["output"]["c"]["Output"]["n"] != n or json.loads(record["output"]["e"]["Output"])["n"] != n:
                    self.problem(f"parent {n} was told of other children: {record['output']}")
            elif record["kind"] == "calling" and begun[n, "T"] != 1:
                self.problem(f"parent {n} began {begun[n, 'T']} children that were given its token")
            elif record["kind"] == "stopped_parent" and begun[n, "C"] > 1:
                self.problem(f"parent {n} began {begun[n, 'C']} children")
        self.children = sum(begun.values())


WORK = """#!/bin/sh
# One run of a task: notes its key, holds a lock while it works, and says if somebody else holds it.
cat >/dev/null
key=$RATCHET_IDEMPOTENCY_KEY
exec 9>"$1/lock.$key"
flock -n 9 || echo "twice at once: $key" >>"$1/problems"
echo "$key" >>"$1/runs"
sleep 0.05
echo '{"worked":true}'
"""


# Gives its task's token away, and ends.
NOTE = """#!/bin/sh
exec python3 -c 'import json, sys
asked = json.load(sys.stdin)
with open(sys.argv[1], "a") as notes:
    notes.write(json.dumps([asked["token"], asked["n"]]) + "\\n")
print("{}")' "$1/tokens"
"""


DOUBLE = """import time


def lambda_handler(event, context):
    time.sleep(0.02)
    return {"doubled": 2 * event["n"]}
"""


def processes_of(folder):
    """Commands that are still running out of the folder."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            line = open(f"/proc/{pid}/cmdline", "rb").read().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if folder in line and int(pid) != os.getpid():
            found.append(line)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--ratchet", default="build/ratchet")
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--keep", action="store_true", help="keep the folder of the run")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}", flush=True)

    folder = tempfile.mkdtemp(prefix="ratchet-kill-")
    with open(f"{folder}/work", "w") as script:
        script.write(WORK)
    with open(f"{folder}/note", "w") as script:
        script.write(NOTE)
    os.mkdir(f"{folder}/double")
    with open(f"{folder}/double/lambda_function.py", "w") as handler:
        handler.write(DOUBLE)
    os.chmod(f"{folder}/work", 0o755)
    os.chmod(f"{folder}/note", 0o755)
    function = FunctionServer(("127.0.0.1", 0), Function)
    threading.Thread(target=function.serve_forever, daemon=True).start()
    with open(f"{folder}/ratchet.yaml", "w") as config:
        config.write(f"targets:\n  ends:\n    url: http://127.0.0.1:{function.server_port}/told\n    events: [SUCCEEDED, FAILED, TIMED_OUT, ABORTED]\n")
        config.write(f"functions:\n  double:\n    handler: {folder}/double\n    max_concurrent: 2\n    timeout_s: 300\nexec:\n" + "".join(f"  {name}:\n    program: {folder}/{name}\n    args: [{folder}]\n    max_concurrent: 4\n" for name in ("work", "note")))

    server = Server(os.path.abspath(options.ratchet), folder, ["--lambda-endpoint", f"http://127.0.0.1:{function.server_port}"])
    checker = Checker(server, seed)
    server.start()
    checker.machines = {}
    checker.function_url = f"http://127.0.0.1:{function.server_port}/"
    server.call("CreateActivity", name="work")
    for kind, definition in definitions(f"http://127.0.0.1:{function.server_port}/").items():
        checker.machines[kind] = server.call("CreateStateMachine", name=kind, roleArn=ROLE, definition=json.dumps(definition))["stateMachineArn"]
    for kind, definition in express_definitions(f"http://127.0.0.1:{function.server_port}/").items():
        checker.machines[kind] = server.call("CreateStateMachine", name=kind, roleArn=ROLE, type="EXPRESS", definition=json.dumps(definition))["stateMachineArn"]
    checker.kinds = [kind for kind in checker.machines if kind not in INNER]
    seeds = iter([checker.random.randrange(1 << 32) for _ in range(8)])
    answering = [threading.Thread(target=checker.worker, args=(next(seeds),), daemon=True) for _ in range(2)]
    answering += [threading.Thread(target=checker.caller, args=(next(seeds), f"{folder}/tokens"), daemon=True)]
    for thread in answering:
        thread.start()

    def check_left_behind(what):
        """Programs of tasks end with the process that ran them: none may be left a second later, before anything is started again."""
        time.sleep(1)
        for line in processes_of(folder):
            checker.problem(f"{what}: {line}")

    for round_number in range(options.rounds):
        until = threading.Event()
        clients = [threading.Thread(target=checker.client, args=(checker.random.randrange(1 << 32), until)) for _ in range(options.clients)]
        for client in clients:
            client.start()
        time.sleep(checker.random.uniform(0.02, 0.6))
        server.kill()
        until.set()
        for client in clients:
            client.join()
        if round_number % 10 == 9:
            check_left_behind("left behind by a process that was killed")
            print(f"round {round_number + 1} of {options.rounds}: {len(checker.known)} executions", flush=True)
        server.start()
    server.kill()
    check_left_behind("left behind by a process that was killed")
    server.start()
    checker.check_all(patience_s=120)
    checker.ended.set()
    status = server.stop()
    if status != 0:
        checker.problem(f"asked to end, the server exited with {status}")

    verified = subprocess.run([server.binary, "check", f"{folder}/store.db"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if verified.returncode != 0:
        checker.problem(f"ratchet check: {verified.stdout[-2000:]}")

    runs = open(f"{folder}/runs").read().split() if os.path.exists(f"{folder}/runs") else []
    if os.path.exists(f"{folder}/problems"):
        for line in open(f"{folder}/problems"):
            checker.problem(line.strip())
    time.sleep(0.3)
    for line in processes_of(folder):
        checker.problem(f"left behind: {line}")

    times = sorted(server.recoveries[1:])
    print(f"{options.rounds} kills, {len(checker.known)} executions, {checker.checks} histories checked, "
          f"{len(runs)} runs of {len(set(runs))} tasks, {Function.invoked} calls of Lambda, {len(checker.given)} tasks given to workers, "
          f"{len(checker.answered)} answers by token, {checker.children} children, {sum(checker.redriven.values())} redrives, "
          f"{len(checker.jobs)} redrive jobs with {sum(checker.job_outcomes.values())} outcomes "
          f"({checker.job_outcomes['SUCCEEDED']} succeeded, {checker.job_outcomes['FAILED_AGAIN']} failed again, {checker.job_outcomes['SKIPPED']} skipped, {checker.job_outcomes['PENDING']} cancelled), "
          f"{checker.updates} corrections, {len(checker.discarded)} letters discarded, {checker.told[1]} ends told {checker.told[0]} times, "
          f"{len(checker.express)} Express executions of which {sum(kind == 'synchronous' for kind in checker.express.values())} synchronous "
          f"({checker.express_answers} answered); ready again after {1000 * times[len(times) // 2]:.0f} ms (median), {1000 * times[-1]:.0f} ms (most)")
    failed = len(checker.problems)
    if failed or options.keep:
        print(f"kept: {folder}")
    else:
        shutil.rmtree(folder)
    print(f"{options.rounds if not failed else 0} passed, {failed} failed, 0 skipped")
    sys.stdout.flush()
    os._exit(1 if failed else 0)


if __name__ == "__main__":
    main()
