#!/usr/bin/env python3
"""The console's API (docs/console-api.md) against the real binary.

    test_console_api.py RATCHET [NAME ...]

Each test_… function is a sentence about the server; it gets a running one with an empty store."""

import http.client
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import urllib.error
import urllib.parse
import urllib.request

ROLE = "arn:aws:iam::000000000000:role/test"
BINARY = sys.argv[1]


class Server:
    def __init__(self, *flags):
        self.folder = tempfile.mkdtemp(prefix="ratchet-console-")
        self.flags = flags
        self.start()

    def start(self):
        with open(f"{self.folder}/log", "a") as log:
            self.process = subprocess.Popen(
                [BINARY, "serve", "--listen", "127.0.0.1:0", "--log-level", "warn", "--store", f"sqlite:{self.folder}/store.db", *self.flags],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log)
        self.url = self.process.stdout.readline().decode().strip()

    def restart_at(self, address):
        self.flags = (*self.flags, "--listen", address)
        self.start()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)

    def remove(self):
        if self.process.poll() is None:
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def request(self, path, body=None, method=None, headers={}):
        request = urllib.request.Request(self.url + path, None if body is None else json.dumps(body).encode(), headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def get(self, place, /, **query):
        text = "&".join(f"{key}={urllib.parse.quote(str(value), safe='')}" for key, value in query.items())
        status, answer = self.request(place + ("?" + text if text else ""))
        assert status == 200, (place, query, status, answer)
        return answer

    def of(self, arn, what="", **query):
        return self.get("/v1/executions/" + urllib.parse.quote(arn, safe="") + what, **query)

    def call(self, operation, **params):
        request = urllib.request.Request(self.url + "/", json.dumps(params).encode(),
                                         {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "AWSStepFunctions." + operation})
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.loads(answer.read())

    def machine(self, name, states, start, **more):
        definition = {"StartAt": start, "States": states, **more}
        return self.call("CreateStateMachine", name=name, definition=json.dumps(definition), roleArn=ROLE)["stateMachineArn"]

    def run(self, machine, **params):
        if "input" in params:
            params["input"] = json.dumps(params["input"])
        return self.call("StartExecution", stateMachineArn=machine, **params)["executionArn"]

    def wait_ended(self, arn):
        return until(lambda: self.call("DescribeExecution", executionArn=arn)["status"] != "RUNNING")

    def rows(self, q=""):
        return [row["name"] for row in self.get("/v1/executions", q=q)["executions"]]

    def history(self, arn):
        events, token = [], None
        while True:
            page = self.call("GetExecutionHistory", executionArn=arn, maxResults=1000, **({"nextToken": token} if token else {}))
            events += page["events"]
            token = page.get("nextToken")
            if not token:
                return events


def until(what, seconds=15):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        answer = what()
        if answer:
            return answer
        time.sleep(0.05)
    raise AssertionError("did not come to be")


class Stream:
    """A reader of server-sent events that can be left half read."""

    def __init__(self, server, topics, last=None):
        host, port = server.url[7:].split(":")
        self.socket = socket.create_connection((host, int(port)), timeout=20)
        lines = [f"GET /v1/events?topics={urllib.parse.quote(topics, safe='')} HTTP/1.1", f"Host: 127.0.0.1:{port}"]
        if last:
            lines.append(f"Last-Event-ID: {last}")
        self.socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        self.file = self.socket.makefile("rb")
        assert b"200" in self.file.readline()
        while self.file.readline().strip():
            pass
        self.text = b""
        self.id = None

    def _chunk(self):
        size = self.file.readline()
        if not size:
            return False
        length = int(size, 16)
        self.text += self.file.read(length)
        self.file.readline()
        return length > 0

    def next(self):
        while True:
            while b"\n\n" not in self.text:
                if not self._chunk():
                    return None
            message, self.text = self.text.split(b"\n\n", 1)
            fields = {}
            for line in message.decode().split("\n"):
                if line and not line.startswith(":"):
                    key, value = line.split(": ", 1)
                    fields[key] = value
            if "id" in fields:
                self.id = fields["id"]
            if "data" in fields:
                return fields.get("event", "message"), json.loads(fields["data"])
            if "id" in fields:
                return "id", None

    def until(self, wanted):
        while True:
            event, data = self.next() or (None, None)
            assert event, "the stream ended"
            if wanted(event, data):
                return event, data

    def close(self):
        self.file.close()
        self.socket.close()


# ---- an independent fold: by the public history alone ----

FAILURES = {"TaskFailed", "TaskTimedOut", "TaskStartFailed", "TaskSubmitFailed", "LambdaFunctionFailed", "LambdaFunctionTimedOut",
            "LambdaFunctionScheduleFailed", "LambdaFunctionStartFailed", "ActivityFailed", "ActivityTimedOut", "ActivityScheduleFailed",
            "EvaluationFailed", "MapStateFailed", "ParallelStateFailed"}
ATTEMPTS = {"TaskScheduled", "LambdaFunctionScheduled", "ActivityScheduled", "MapStateStarted", "ParallelStateStarted"}


def details(event):
    for key, value in event.items():
        if key.endswith("EventDetails"):
            return value
    return {}


def fold(events, count):
    """Follows previousEventId: each event belongs to the visit of the event before it. What is failed, aborted or running
    among the visits that have not exited is told apart only as far as the public history can: their sum is compared."""
    visit_of, states, attempts = {}, {}, {}
    by_id = {event["id"]: event for event in events}
    for event in events[:count]:
        kind, id = event["type"], event["id"]
        if kind.endswith("StateEntered"):
            name = details(event)["name"]
            visit_of[id] = id
            state = states.setdefault(name, {"entered": 0, "succeeded": 0, "caught": 0, "retries": 0})
            state["entered"] += 1
            attempts[id] = [name, 0]
        elif kind.endswith("StateExited"):
            previous = by_id[event["previousEventId"]]
            states[details(event)["name"]]["caught" if previous["type"] in FAILURES else "succeeded"] += 1
            visit_of[id] = visit_of.get(event["previousEventId"])
        else:
            visit_of[id] = visit_of.get(event["previousEventId"])
            if kind in ("MapStateStarted", "ParallelStateStarted"):  # a retry points into the branch that failed
                around = event["previousEventId"]
                while by_id[around]["type"] != kind.replace("Started", "Entered"):
                    around = by_id[around]["previousEventId"]
                visit_of[id] = around
            if kind in ATTEMPTS and visit_of[id]:
                name, made = attempts[visit_of[id]]
                states[name]["retries"] += made > 0
                attempts[visit_of[id]][1] += 1
    return states


def check_folds(server, arn):
    events = server.history(arn)
    order = list(range(1, len(events) + 1))
    redriven = next((event["id"] for event in events if event["type"] == "ExecutionRedriven"), 0)
    order += order[::7]  # back again: a kept fold must not show the future
    for k in order:
        answer = server.of(arn, "/state", event=k)
        assert answer["event"] == k, (k, answer["event"])
        expected = fold(events, k)
        for name, state in answer["states"].items():
            total = sum(state[key] for key in ("running", "succeeded", "caught", "failed", "aborted"))
            assert total == state["entered"], (k, name, state)
            for key, value in expected[name].items():
                # Behind a redrive, exits point at it: the public history does not say whose they are.
                if redriven and k > redriven and key in ("succeeded", "caught"):
                    continue
                assert state[key] == value, (k, name, key, state, expected[name])
        assert set(answer["states"]) == set(expected), k
    return events


# ---- the tests ----


def test_the_overview_counts_what_runs_and_what_failed(server):
    machine = server.machine("Orders", {"W": {"Type": "Wait", "SecondsPath": "$.s", "Next": "C"},
                                        "C": {"Type": "Choice", "Choices": [{"Variable": "$.bad", "BooleanEquals": True, "Next": "F"}], "Default": "S"},
                                        "F": {"Type": "Fail", "Error": "Carrier.RateLimited"}, "S": {"Type": "Succeed"}}, "W")
    for i in range(5):
        server.run(machine, name=f"ok-{i}", input={"s": 0, "bad": False})
    for i in range(3):
        server.run(machine, name=f"bad-{i}", input={"s": 0, "bad": True})
    server.run(machine, name="waits", input={"s": 1000, "bad": False})
    answer = until(lambda: (lambda o: o["running"] == 1 and o["failed_last_hour"] == 3 and o)(server.get("/v1/overview")))
    row = answer["machines"][0]
    assert answer["dead_letters"] == 3 and answer["started_last_hour"] == 9, answer
    assert answer["oldest_running"]["name"] == "waits"
    assert row["name"] == "Orders" and row["running"] == 1 and row["ended_24h"] == 8 and row["failed_24h"] == 3, row
    assert sum(pair[0] for pair in row["sparkline"]) == 5 and len(row["sparkline"]) == 24
    _, preview = server.request("/v1/dead-letters/preview", {"filter": {"error": "Carrier.*"}})
    server.request("/v1/dead-letters/discard", {"preview": preview["preview"]})
    answer = server.get("/v1/overview")
    assert answer["dead_letters"] == 0 and answer["failed_last_hour"] == 3, answer


def test_a_query_finds_what_it_says(server):
    machine = server.machine("Orders", {"C": {"Type": "Choice", "Choices": [{"Variable": "$.bad", "BooleanEquals": True, "Next": "Ship"}], "Default": "S"},
                                        "Ship": {"Type": "Fail", "Error": "Carrier.RateLimited"}, "S": {"Type": "Succeed"}}, "C")
    other = server.machine("Other-Machine", {"S": {"Type": "Wait", "Seconds": 1000, "End": True}}, "S")
    for i in range(30):
        server.run(machine, name=f"order-{i:02}", input={"bad": i % 10 == 0, "customer": {"id": i, "tags": ["a", f"t{i}"]}})
    server.run(other, name="Long-Wait", input={"bad": False})
    until(lambda: len(server.rows()) == 31)
    cases = json.load(open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "queries.json")))
    for case in cases:
        if "error" in case:
            status, answer = server.request("/v1/executions?q=" + urllib.parse.quote(case["q"], safe=""))
            assert status == 400 and answer["error"]["code"] == "InvalidQuery", (case, answer)
            assert [answer["error"]["at"], answer["error"]["length"]] == case["error"], (case, answer)
        else:
            found = server.rows(case["q"])
            assert found == case["names"] if "names" in case else len(found) == case["count"], (case, found)


def test_pages_of_the_list_follow_each_other(server):
    machine = server.machine("M", {"S": {"Type": "Succeed"}}, "S")
    for i in range(25):
        server.run(machine, name=f"e{i}")
    until(lambda: len(server.rows()) == 25)
    names, cursor = [], None
    while True:
        page = server.get("/v1/executions", limit=10, **({"cursor": cursor} if cursor else {}))
        assert all("input" not in row for row in page["executions"])
        names += [row["name"] for row in page["executions"]]
        cursor = page.get("next")
        if not cursor:
            break
    assert names == [f"e{i}" for i in range(24, -1, -1)], names


def test_a_limit_is_a_number_from_1_on(server):
    machine = server.machine("M", {"S": {"Type": "Succeed"}}, "S")
    arn = server.run(machine)
    server.wait_ended(arn)
    of = "/v1/executions/" + urllib.parse.quote(arn, safe="")
    for path in ("/v1/executions", "/v1/machines", "/v1/dead-letters", of + "/events", of + "/timeline", "/v1/redrive-jobs/1/outcomes"):
        for limit in ("-5", "0", "", "x", "5x", "%205", "99999999999999999999999", "-9223372036854775809"):
            status, answer = server.request(f"{path}?limit={limit}")
            assert status == 400 and "limit must be a number" in answer["error"]["message"], (path, limit, status, answer)
        if not path.endswith("outcomes"):
            server.get(path, limit=1 << 53)
    for event in ("9223372036854775807", "99999999999999999999", "-9223372036854775809"):
        server.request(f"{of}/graph?event={event}")
        server.get(of + "/events", **{"from": event})
    status, answer = server.request("/v1/dead-letters/preview", {"filter": {"input": "=="}})
    assert status == 400 and "PATH=VALUE" in answer["error"]["message"], answer
    status, answer = server.request("/v1/dead-letters?from=99999999999999999999")
    assert status == 400 and "from must be a number" in answer["error"]["message"], answer


READERS = ["/v1/overview", "/v1/executions", "/v1/executions/complete", "/v1/executions/*", "/v1/executions/*/graph", "/v1/executions/*/state",
           "/v1/executions/*/events", "/v1/executions/*/timeline", "/v1/executions/*/inspect", "/v1/executions/*/payload", "/v1/executions/*/log",
           "/v1/executions/*/mock-test", "/v1/machines", "/v1/machines/*", "/v1/machines/*/graph", "/v1/machines/*/durations", "/v1/dead-letters",
           "/v1/dead-letters/groups", "/v1/dead-letters/*", "/v1/redrive-jobs", "/v1/redrive-jobs/*", "/v1/redrive-jobs/*/outcomes", "/v1/search",
           "/v1/state-machines/*/dead-letter-policy", "/v1/functions", "/v1/functions/*", "/v1/functions/*/logs", "/v1/views", "/v1/info"]
MEMBERS = ["q", "cursor", "limit", "at", "event", "from", "to", "path", "state", "visit", "field", "map", "task", "fold", "collapse", "direction", "version",
           "window", "hours", "machine", "error", "status", "revision", "input", "outcome", "after", "reverse", "data"]


def test_no_reader_is_upset_by_what_is_asked(server):
    machine = server.machine("Rich", RICH, "Begin")
    arn = server.run(machine, name="r", input={"items": [1, 2]})
    server.wait_ended(arn)
    parts = [urllib.parse.quote(part, safe="") for part in (arn, machine, "Rich", "r", "1", "arn:", "arn:aws:states:us-east-1:000000000000:execution:Rich:",
                                                           "x" * 5000, "\u2713\U0001f600", "../..", "a\r\nb", '"', "*", "%", ":" * 400)] + ["%ff%fe", "%ed%a0%80", "a%00b"]
    values = ["", "0", "-1", "1", "9007199254740993", "99999999999999999999999999", "-9223372036854775808", "1e308", "NaN", "%00", "1%00", "%ff", "%zz", "x" * 3000,
              "%22%5c%0a", "Items%5B0%5D", "Items%5B99999999999999999999%5D", "%2F" * 200, "status%3A" * 100, "%2A" * 300, "%5C", "%2C" * 900, "input", "down",
              "%F0%9F%98%80"]
    asked, bad = 0, []
    connection = http.client.HTTPConnection(server.url[7:], timeout=20)

    def ask(path):
        nonlocal asked
        asked += 1
        connection.request("GET", path)
        answer = connection.getresponse()
        status, answer = answer.status, json.loads(answer.read())
        if status >= 500 or not isinstance(answer, dict):
            bad.append((path[:200], status, answer))
        return status, answer

    for reader in READERS:
        for part in parts if "*" in reader else [""]:
            status, answer = ask(reader.replace("*", part))
            if "%00" in part or "%ff" in part or "%ed" in part:
                assert status == 400 and "part of the path" in answer["error"]["message"], (reader, part, status, answer)
        good = reader.replace("*", parts[0] if "executions" in reader or "letters/" in reader else "Rich")
        for m, member in enumerate(MEMBERS):
            for value in ["%00", "%ff"] + values[m % 4::4]:
                status, answer = ask(f"{good}?{member}={value}")
                if value in ("%00", "1%00", "%ff"):
                    assert status == 400, (reader, member, value, status, answer)
        status, answer = ask(good + "?from=1&from=2")
        assert status == 400 and "twice" in answer["error"]["message"], (reader, status, answer)
        assert ask(good + "?" + "&".join(f"a{i}=1" for i in range(33)))[0] == 400
        ask(good + "?&&=&=x")
    assert not bad, (len(bad), bad[:10])
    print(f"    {asked} requests")


def test_the_query_bar_is_completed(server):
    machine = server.machine("MyMachine", {"Ship": {"Type": "Fail", "Error": "Carrier.Late"}}, "Ship")
    server.run(machine)
    until(lambda: server.rows("status:failed"))
    texts = lambda q: [item["text"] for item in server.get("/v1/executions/complete", q=q)["items"]]
    assert texts("sta") == ["status:", "state:", "started"], texts("sta")
    assert texts("status:f") == ["failed"]
    assert texts("machine:My") == ["MyMachine"]
    assert texts("error:") == ["Carrier.Late"] and texts("state:S") == ["Ship"]
    answer = server.get("/v1/executions/complete", q="status:failed,ab")
    assert answer["items"][0]["text"] == "aborted" and answer["from"] == 14 and answer["to"] == 16, answer


RICH = {
    "Begin": {"Type": "Pass", "Next": "Both"},
    "Both": {"Type": "Parallel", "Next": "Items", "Catch": [{"ErrorEquals": ["Nope"], "Next": "Items"}],
             "Branches": [{"StartAt": "L", "States": {"L": {"Type": "Pass", "End": True}}},
                          {"StartAt": "R", "States": {"R": {"Type": "Wait", "Seconds": 1, "End": True}}}], "ResultPath": None},
    "Items": {"Type": "Map", "ItemsPath": "$.items", "MaxConcurrency": 3, "ResultPath": None, "Next": "Guard",
              "ItemProcessor": {"StartAt": "Inner", "States": {
                  "Inner": {"Type": "Parallel", "End": True, "Branches": [{"StartAt": "X", "States": {"X": {"Type": "Pass", "End": True}}}]}}}},
    "Guard": {"Type": "Parallel", "Branches": [{"StartAt": "Bad", "States": {"Bad": {"Type": "Fail", "Error": "Inner.Bad"}}},
                                              {"StartAt": "Slow", "States": {"Slow": {"Type": "Wait", "Seconds": 60, "End": True}}}],
              "Retry": [{"ErrorEquals": ["Inner.Bad"], "MaxAttempts": 1, "IntervalSeconds": 1}],
              "Catch": [{"ErrorEquals": ["Inner.Bad"], "Next": "Loop", "ResultPath": "$.caught"}], "Next": "Loop"},
    "Loop": {"Type": "Choice", "Choices": [{"Variable": "$.stop", "IsPresent": True, "Next": "Last"}], "Default": "Again"},
    "Again": {"Type": "Pass", "Result": True, "ResultPath": "$.stop", "Next": "Loop"},
    "Last": {"Type": "Map", "ItemsPath": "$.items", "End": True,
             "ItemProcessor": {"StartAt": "Check", "States": {
                 "Check": {"Type": "Choice", "Choices": [{"Variable": "$", "NumericEquals": 3, "Next": "Broken"}], "Default": "Fine"},
                 "Fine": {"Type": "Pass", "End": True}, "Broken": {"Type": "Fail", "Error": "Item.Broken"}}}},
}


def test_the_state_at_every_event_is_an_independent_fold(server):
    machine = server.machine("Rich", RICH, "Begin")
    arn = server.run(machine, input={"items": [1, 2, 3, 4]})
    server.wait_ended(arn)
    events = check_folds(server, arn)
    assert events[-1]["type"] == "ExecutionFailed"
    last = server.of(arn, "/state")
    assert last["states"]["Guard"]["caught"] == 1 and last["states"]["Guard"]["retries"] == 1, last["states"]["Guard"]
    assert last["states"]["Broken"]["failed"] == 1 and last["states"]["Last"]["failed"] == 1, last["states"]
    assert last["maps"]["Items"] == {"length": 4, "started": 4, "succeeded": 4, "failed": 0, "aborted": 0, "running": 0}
    assert not any(state["running"] for state in last["states"].values())
    one = server.of(arn, "/state", path="Items[2]")
    assert {name: state["entered"] for name, state in one["states"].items()} == {"Inner": 1, "X": 1}, one
    header = server.of(arn)
    assert header["failed_state"] == "Broken" and header["error"] == "Item.Broken" and header["events"] == len(events), header
    status, answer = server.request("/v1/executions/" + urllib.parse.quote(arn, safe="") + "/redrive", {}, "POST")
    assert status == 200 and answer["redrive_ms"], answer
    server.wait_ended(arn)
    check_folds(server, arn)
    until(lambda: server.rows("redrives>0"))
    assert server.of(arn)["redrive_count"] == 1


def test_a_history_of_many_events_is_folded_quickly(server):
    machine = server.machine("Wide", {"M": {"Type": "Map", "End": True, "MaxConcurrency": 40, "ItemProcessor": {
        "StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "B"}, "B": {"Type": "Pass", "End": True}}}}}, "M")
    arn = server.run(machine, input=list(range(4000)))
    server.wait_ended(arn)
    begin = time.monotonic()
    answer = server.of(arn, "/state")
    first = time.monotonic() - begin
    assert answer["events"] == answer["event"] and answer["event"] > 20000, answer["event"]
    assert answer["maps"]["M"]["succeeded"] == 4000
    begin = time.monotonic()
    server.of(arn, "/state")
    again = time.monotonic() - begin
    print(f"    {answer['event']} events: {first * 1000:.0f} ms, kept: {again * 1000:.1f} ms")
    assert first < 2 and again < 0.2
    items = server.of(arn, "/timeline", map="M")
    assert items["slots"] == 40 and items["length"] == 4000 and len(items["items"]) == 4000 and items["succeeded"] == 4000, items["slots"]
    pages, cursor = 0, ""
    while True:
        page = server.of(arn, "/timeline", limit=3000, cursor=cursor)
        pages += len(page["visits"])
        cursor = page.get("next")
        if not cursor:
            break
    assert pages == 8001, pages


def test_events_come_in_pages_both_ways(server):
    machine = server.machine("Rich", RICH, "Begin")
    arn = server.run(machine, input={"items": [1]})
    server.wait_ended(arn)
    history = server.history(arn)
    for reverse in (0, 1):
        ids, start = [], None
        while True:
            page = server.of(arn, "/events", limit=7, reverse=reverse, data=1, **({"from": start} if start else {}))
            for event in page["events"]:
                ids.append(event["id"])
                theirs = history[event["id"] - 1]
                assert event["type"] == theirs["type"] and details(event) == details(theirs), (event, theirs)
            start = page.get("next")
            if not start:
                break
        assert ids == sorted((event["id"] for event in history), reverse=bool(reverse)), ids


def test_pages_behind_the_end_come_to_it(server):
    machine = server.machine("M", {"P": {"Type": "Pass", "End": True}}, "P")
    arn = server.run(machine)
    server.wait_ended(arn)
    page = server.of(arn, "/events", reverse=1, **{"from": 1 << 50})
    assert page == {"events": [], "next": 4}, page
    assert [event["id"] for event in server.of(arn, "/events", reverse=1, **{"from": page["next"]})["events"]] == [4, 3, 2, 1]
    assert server.of(arn, "/events", **{"from": 1 << 50}) == {"events": []}


def test_items_of_a_map_are_counted_over_a_redrive(server):
    """Also those that are not on the page."""
    machine = server.machine("R", {"M": {"Type": "Map", "ItemsPath": "$", "MaxConcurrency": 2, "End": True, "ItemProcessor": {
        "StartAt": "C", "States": {"C": {"Type": "Choice", "Choices": [{"Variable": "$", "NumericEquals": 3, "Next": "F"}], "Default": "W"},
                                   "W": {"Type": "Wait", "Seconds": 1, "End": True}, "F": {"Type": "Fail", "Error": "E.1"}}}}}, "M")
    arn = server.run(machine, input=[1, 2, 3, 4])
    server.wait_ended(arn)
    sums = lambda answer: {key: answer[key] for key in ("length", "succeeded", "failed", "running")}
    for redrive in range(2):
        first, whole = server.of(arn, "/timeline", map="M", limit=1), server.of(arn, "/timeline", map="M")
        of_state = server.of(arn, "/state")["maps"]["M"]
        assert sums(first) == sums(whole) == {"length": 4, "succeeded": 2, "failed": 1, "running": 0}, (first, whole)
        assert {key: of_state[key] for key in sums(whole)} == sums(whole)
        assert len(first["items"]) == 1 and first["next"] == "1" and whole["slots"] == 2, (first, whole)
        assert [item[4] for item in whole["items"]][:3] == ["succeeded", "succeeded", "failed"], whole
        if not redrive:
            server.call("RedriveExecution", executionArn=arn)
            server.wait_ended(arn)


def test_a_visit_shows_its_data_on_its_way(server):
    machine = server.machine("Flow", {
        "P": {"Type": "Pass", "InputPath": "$.a", "Parameters": {"x.$": "$.b", "k": 1}, "ResultPath": "$.p", "OutputPath": "$.p", "Next": "Q"},
        "Q": {"Type": "Pass", "End": True}}, "P")
    arn = server.run(machine, input={"a": {"b": 7}})
    server.wait_ended(arn)
    answer = server.of(arn, "/inspect", state="P")
    assert answer["input"] == {"json": {"a": {"b": 7}}} and answer["output"] == {"json": {"x": 7, "k": 1}}, answer
    flow = {stage["stage"]: stage.get("value", {}).get("json") for stage in answer["flow"]}
    assert flow["InputPath"] == {"b": 7} and flow["Parameters"] == {"x": 7, "k": 1} and flow["OutputPath"] == {"x": 7, "k": 1}, flow
    assert answer["definition"]["InputPath"] == "$.a" and answer["outcome"] == "succeeded"
    assert server.of(arn, "/inspect", event=answer["event"])["event"] == answer["event"]
    jsonata = server.machine("Jsonata", {
        "A": {"Type": "Pass", "Assign": {"v": "{% $states.input.n + 1 %}"}, "Next": "B"},
        "B": {"Type": "Pass", "Output": {"sum": "{% $v + $states.input.n %}"}, "End": True}}, "A", QueryLanguage="JSONata")
    arn = server.run(jsonata, input={"n": 20})
    server.wait_ended(arn)
    answer = server.of(arn, "/inspect", state="B")
    assert answer["variables"] == {"v": 21} and answer["output"]["json"] == {"sum": 41}, answer
    assert server.of(arn, "/inspect", state="A")["assigned"] == {"v": 21}


def test_a_large_payload_is_fetched_by_itself(server):
    machine = server.machine("Big", {"P": {"Type": "Pass", "End": True}}, "P")
    text = "x" * 100000
    arn = server.run(machine, input={"t": text})
    server.wait_ended(arn)
    header = server.of(arn)
    assert "input" not in header and header["input_bytes"] > 100000 and "output" not in header
    visit = server.of(arn, "/inspect", state="P")
    assert visit["input"]["bytes"] > 100000, visit["input"]
    assert server.of(arn, "/payload", event=visit["input"]["event"], field=visit["input"]["field"]) == {"t": text}


def test_the_stream_tells_what_happens_and_goes_on_where_it_was_left(server):
    machine = server.machine("S", {"W": {"Type": "Wait", "Seconds": 1, "End": True}}, "W")
    arn = "arn:aws:states:us-east-1:000000000000:execution:S:one"
    stream = Stream(server, f"overview,executions,execution:{arn}")
    assert stream.next()[0] == "id"
    server.run(machine, name="one")
    types = []
    while "ExecutionSucceeded" not in types:
        event, data = stream.until(lambda e, d: e == "execution")
        types.append(data["event"]["type"])
    assert types == ["ExecutionStarted", "WaitStateEntered", "WaitStateExited", "ExecutionSucceeded"], types
    stream.until(lambda e, d: e == "executions" and d["status"] == "SUCCEEDED")
    left = stream.id
    stream.close()
    second = server.run(machine, name="two")
    until(lambda: "two" in server.rows("status:running"))
    time.sleep(0.2)
    stream = Stream(server, "executions", last=left)
    event, data = stream.until(lambda e, d: e != "id")
    assert event == "executions" and data["name"] == "two" and data["status"] == "RUNNING", (event, data)
    stream.close()
    stream = Stream(server, f"execution:{second}", last=left)
    assert stream.next() == ("resync", {"reason": "gap"})
    stream.close()
    server.kill()
    server.start()
    stream = Stream(server, "executions", last=left)
    assert stream.next() == ("resync", {"reason": "restart"})
    stream.until(lambda e, d: e == "executions" and d["name"] == "two" and d["status"] == "SUCCEEDED")
    assert server.stop() == 0
    while stream.next():
        pass


def places(events):
    return {event["id"]: (event["type"], event.get("state"), event.get("path")) for event in events}


def test_events_of_the_stream_say_where_they_belong(server):
    machine = server.machine("Rich", RICH, "Begin")
    arn = "arn:aws:states:us-east-1:000000000000:execution:Rich:one"
    stream = Stream(server, f"execution:{arn}")
    server.run(machine, name="one", input={"items": [1, 2, 3]})
    until(lambda: "R" in server.of(arn, "/state")["states"])  # it waits within Parallel
    late = Stream(server, f"execution:{arn}")  # from here on: what was before is read from the store
    assert late.next()[0] == "id"
    server.wait_ended(arn)
    server.request("/v1/executions/" + urllib.parse.quote(arn, safe="") + "/redrive", {}, "POST")
    server.wait_ended(arn)
    events, start = [], 1
    while start:
        page = server.of(arn, "/events", limit=1000, **{"from": start})
        events, start = events + page["events"], page.get("next")
    expected = places(events)
    for reader, first in (stream, 1), (late, None):
        told = []
        while not told or told[-1]["id"] < len(events):
            told.append(reader.until(lambda e, d: e == "execution")[1]["event"])
        first = first or told[0]["id"]
        assert [event["id"] for event in told] == list(range(first, len(events) + 1))
        assert places(told) == {id: place for id, place in expected.items() if id >= first}
        by_id = {event["id"]: event for event in events}
        assert all(event == by_id[event["id"]] for event in told), told[:3]
    assert first > 3 and ("PassStateEntered", "X", "Items[2]/Inner[0]") in expected.values(), expected


def test_letters_are_told_in_and_out(server):
    machine = server.machine("M", {"F": {"Type": "Fail", "Error": "E.1"}}, "F")
    waits = server.machine("W", {"W": {"Type": "Wait", "Seconds": 1000, "End": True}}, "W")
    assert server.request("/v1/state-machines/W/dead-letter-policy", {"aborted": True}, "PUT")[0] == 200
    stream = Stream(server, "dead-letters")
    letter = lambda: {key: value for key, value in stream.until(lambda e, d: e == "dead-letters")[1].items() if key != "topic"}
    failed = server.run(machine)
    assert letter() == {"arn": failed, "entered": True, "change": "entered", "count": 1}
    aborted = server.run(waits)
    server.call("StopExecution", executionArn=aborted)
    assert letter() == {"arn": aborted, "entered": True, "change": "entered", "count": 1}
    server.call("RedriveExecution", executionArn=aborted)
    assert letter() == {"arn": aborted, "entered": False, "change": "redriven", "count": 1}
    _, preview = server.request("/v1/dead-letters/preview", {"filter": {}})
    server.request("/v1/dead-letters/discard", {"preview": preview["preview"]})
    assert letter() == {"entered": False, "change": "discarded", "count": 1}
    stream.close()


def watch(server, *arguments, url=None):
    return subprocess.Popen([BINARY, "watch", "--endpoint", url or server.url, *arguments], stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)


class Between:
    """Stands between a client and the server, and writes down what is asked; `refused` paths are answered with 503."""

    def __init__(self, server, refused=None):
        self.server, self.refused, self.paths = server, refused, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            host, port = self.server.url[7:].split(":")
            behind = socket.create_connection((host, int(port)))
            threading.Thread(target=self._up, args=(client, behind), daemon=True).start()
            threading.Thread(target=self._down, args=(behind, client), daemon=True).start()

    def _up(self, client, behind):
        asked = b""
        try:
            while data := client.recv(65536):
                asked += data
                while b"\r\n\r\n" in asked:
                    head, asked = asked.split(b"\r\n\r\n", 1)
                    path = head.split(b" ")[1].decode()
                    self.paths.append(path)
                    if self.refused and path.startswith(self.refused):
                        client.sendall(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 2\r\n\r\n{}")
                    else:
                        behind.sendall(head.replace(self.url[7:].encode(), self.server.url[7:].encode()) + b"\r\n\r\n")
        except OSError:
            pass
        behind.close()

    def _down(self, behind, client):
        try:
            while data := behind.recv(65536):
                client.sendall(data)
        except OSError:
            pass
        client.close()

    def close(self):
        self.listener.close()


def test_watch_follows_the_stream(server):
    machine = server.machine("W", {"W": {"Type": "Wait", "Seconds": 3, "End": True}}, "W")
    server.run(machine, name="one")
    watching = watch(server, "W:one")
    out, _ = watching.communicate(timeout=30)
    assert watching.returncode == 0 and b"W / one  SUCCEEDED" in out and "✓ W".encode() in out, out
    fail = server.machine("F", {"W": {"Type": "Wait", "Seconds": 2, "Next": "F"}, "F": {"Type": "Fail", "Error": "E.1", "Cause": "why"}}, "W")
    server.run(fail, name="two")
    watching = watch(server, "F:two", "--json")
    time.sleep(0.7)
    server.kill()
    address = server.url.split("//")[1]
    server.restart_at(address)
    out, err = watching.communicate(timeout=30)
    assert watching.returncode == 1 and json.loads(out)["status"] == "FAILED" and b"E.1" in err, (out, err)
    assert watch(server, "F:nobody").wait(20) == 2


def test_watch_asks_little_while_nothing_happens(server):
    machine = server.machine("W", {"W": {"Type": "Wait", "Seconds": 6, "End": True}}, "W")
    server.run(machine, name="one")
    between = Between(server)
    watching = watch(server, "W:one", url=between.url)
    until(lambda: len([path for path in between.paths if path.endswith("/state")]) >= 2)  # at its start, and when the stream has begun
    time.sleep(0.5)
    asked = len(between.paths)
    time.sleep(2)
    assert len(between.paths) == asked, between.paths
    assert watching.wait(20) == 0
    assert any(path.startswith("/v1/events") for path in between.paths) and len(between.paths) < asked + 6, between.paths
    between.close()


def test_watch_polls_a_server_that_refuses_the_stream(server):
    machine = server.machine("W", {"W": {"Type": "Wait", "Seconds": 2, "End": True}}, "W")
    server.run(machine, name="one")
    between = Between(server, refused="/v1/events")
    watching = watch(server, "W:one", url=between.url)
    out, _ = watching.communicate(timeout=30)
    assert watching.returncode == 0 and b"SUCCEEDED" in out, out
    assert len([path for path in between.paths if path.startswith("/v1/events")]) == 1 and len(between.paths) > 8, between.paths
    between.close()


def test_a_reader_that_does_not_read_is_told_so(server):
    machine = server.machine("L", {"M": {"Type": "Map", "ItemProcessor": {"StartAt": "P", "States": {"P": {"Type": "Pass", "End": True}}}, "End": True}}, "M")
    topics = ",".join(f"execution:arn:aws:states:us-east-1:000000000000:execution:L:x{i}" for i in range(8))
    stream = Stream(server, topics)
    for i in range(8):
        arn = server.run(machine, name=f"x{i}", input=list(range(4000)))
        server.wait_ended(arn)
    event, data = stream.until(lambda e, d: e == "resync")
    assert data["reason"] == "slow", data
    stream.close()


def test_the_search_file_may_be_lost(server):
    machine = server.machine("M", {"F": {"Type": "Fail", "Error": "E.1"}}, "F")
    waits = server.machine("W", {"W": {"Type": "Wait", "Seconds": 2, "End": True}}, "W")
    for i in range(40):
        server.run(machine, name=f"f{i}", input={"n": i})
    server.run(waits, name="w")
    until(lambda: len(server.rows("error:E.*")) == 40)
    before = server.get("/v1/machines/M/durations")
    server.kill()
    for name in os.listdir(server.folder):
        if ".search" in name:
            os.unlink(f"{server.folder}/{name}")
    server.start()
    until(lambda: server.get("/v1/overview")["search"]["ready"] and len(server.rows("error:E.*")) == 40)
    assert {os.stat(f"{server.folder}/store.db.search{end}").st_mode & 0o777 for end in ("", "-wal", "-shm")} == {0o600}
    assert server.rows("input.n=17") == ["f17"]
    assert server.get("/v1/machines/M/durations") == before
    until(lambda: server.rows("machine:W status:succeeded"))
    server.kill()
    with open(f"{server.folder}/store.db.search", "r+b") as file:
        file.seek(0)
        file.write(b"garbage" * 1000)
    server.start()
    until(lambda: server.get("/v1/overview")["search"]["ready"] and len(server.rows("error:E.*")) == 40)
    status, _ = server.request("/v1/search/rebuild", {}, "POST")
    assert status == 202
    until(lambda: server.get("/v1/overview")["search"]["ready"] and len(server.rows("error:E.*")) == 40)
    assert server.get("/v1/machines/M/durations") == before
    assert server.get("/v1/overview")["dead_letters"] == 40


def test_a_search_file_that_cannot_forget_a_part_is_made_anew(server):
    machine = server.machine("M", {"P": {"Type": "Pass", "End": True}}, "P")
    for i in range(3):
        server.run(machine, name=f"p{i}", input={"n": i})
    until(lambda: server.rows("input.n=1") == ["p1"])
    server.stop()
    database = sqlite3.connect(f"{server.folder}/store.db.search")
    database.executescript("""
        CREATE VIRTUAL TABLE words_2 USING fts5(text, content='', detail=none, columnsize=0, tokenize='ascii');
        INSERT INTO part(number, first, made) SELECT 2, 1, made FROM part;  -- nothing is below 1, so the first part would go
        CREATE TRIGGER kept BEFORE DELETE ON part BEGIN SELECT RAISE(ABORT, 'it stays'); END""")
    database.close()
    server.start()
    server.run(machine, name="p3", input={"n": 3})  # the first pass sweeps
    until(lambda: server.rows("input.n=3") == ["p3"])
    assert server.rows("input.n=1") == ["p1"]


def test_what_ends_while_the_search_file_is_away_is_caught_up(server):
    waits = server.machine("W", {"W": {"Type": "Wait", "Seconds": 1, "End": True}}, "W")
    for i in range(20):
        server.run(waits, name=f"w{i}")
    until(lambda: len(server.rows("status:running")) == 20)
    server.kill()
    shutil.copytree(server.folder, server.folder + ".old")
    server.start()
    until(lambda: len(server.rows("status:succeeded")) == 20)
    server.run(waits, name="late")
    until(lambda: server.call("DescribeExecution", executionArn="arn:aws:states:us-east-1:000000000000:execution:W:late")["status"] == "SUCCEEDED")
    server.kill()
    for name in os.listdir(server.folder):  # the search file of an earlier day
        if ".search" in name:
            os.unlink(f"{server.folder}/{name}")
    for name in os.listdir(server.folder + ".old"):
        if ".search" in name:
            shutil.copy(f"{server.folder}.old/{name}", server.folder)
    shutil.rmtree(server.folder + ".old")
    server.start()
    until(lambda: len(server.rows("status:succeeded")) == 21)
    states = server.get("/v1/machines/W/durations")["states"]
    assert [state["count"] for state in states] == [21], states


def figures(server):
    """Everything that the search file knows, whatever the order of its lists."""
    machines = server.get("/v1/overview")["machines"]
    for machine in machines:
        machine.pop("started_last_hour", None)
    rows = server.get("/v1/executions")["executions"]
    durations = {machine["name"]: sorted(server.get(f"/v1/machines/{machine['name']}/durations")["states"], key=lambda state: state["state"])
                 for machine in machines}
    return rows, durations, sorted(machines, key=lambda machine: machine["name"])


def test_what_is_forgotten_is_followed_on_by_its_row(server):
    server.stop()
    os.environ["RATCHET_TEST_SEARCH_TRACKED"] = "2"
    try:
        server.start()
        follow_many_at_once(server)
    finally:
        del os.environ["RATCHET_TEST_SEARCH_TRACKED"]


def follow_many_at_once(server):
    wait = {"Type": "Wait", "Seconds": 1}
    machine = server.machine("M", {
        "First": {**wait, "Next": "Both"},
        "Both": {"Type": "Parallel", "Next": "Each", "Branches": [
            {"StartAt": "Left", "States": {"Left": {**wait, "Next": "After"}, "After": {"Type": "Pass", "End": True}}},
            {"StartAt": "Right", "States": {"Right": {"Type": "Pass", "End": True}}}], "ResultPath": None},
        "Each": {"Type": "Map", "ItemsPath": "$.items", "ItemProcessor": {"StartAt": "Item", "States": {"Item": {**wait, "End": True}}},
                 "ResultPath": None, "Next": "Which"},
        "Which": {"Type": "Choice", "Choices": [{"Variable": "$.bad", "BooleanEquals": True, "Next": "Bad"}], "Default": "Good"},
        "Bad": {"Type": "Fail", "Error": "E.1"}, "Good": {"Type": "Pass", "End": True}}, "First")
    waits = server.machine("W", {"W": {"Type": "Wait", "Seconds": 1000, "End": True}}, "W")
    oldest = server.run(waits, name="oldest")
    arns = []
    for i in range(16):
        arns.append(server.run(machine, name=f"m{i}", input={"items": [1, 2, 3], "bad": i % 4 == 0}))
        time.sleep(0.05)
    until(lambda: len(server.rows("machine:M status:running")) == 16)
    server.kill()  # in the midst of them
    server.start()
    until(lambda: len(server.rows("machine:M status:succeeded")) == 12 and len(server.rows("status:failed")) == 4)
    for i in range(0, 16, 8):
        server.call("RedriveExecution", executionArn=arns[i])
    until(lambda: len(server.rows("redrives>0 status:failed")) == 2)
    until(lambda: server.get("/v1/overview")["search"]["ready"])
    assert server.get("/v1/overview")["oldest_running"]["arn"] == oldest
    live = figures(server)
    counts = {state["state"]: state["count"] for state in live[1]["M"]}
    assert counts["Item"] == 48 and counts["Left"] == 16 and counts["First"] == 16 and counts["Bad"] == 6, counts
    assert server.request("/v1/search/rebuild", {}, "POST")[0] == 202
    until(lambda: server.get("/v1/overview")["search"]["ready"] and len(server.rows("redrives>0")) == 2)
    assert figures(server) == live, (figures(server), live)
    server.call("StopExecution", executionArn=oldest, error="Enough")
    until(lambda: server.rows("error:Enough state:W") == ["oldest"])


def word_tables(server):
    database = sqlite3.connect(f"file:{server.folder}/store.db.search?mode=ro", uri=True)
    parts = [f"words_{number}" for number, in database.execute("SELECT number FROM part ORDER BY first")]
    tables = [name for name, in database.execute("SELECT name FROM sqlite_master WHERE name GLOB 'words_[0-9]*' AND sql LIKE 'CREATE VIRTUAL%'")]
    rows = database.execute("SELECT count(*) FROM execution").fetchone()[0]
    database.close()
    assert set(parts) == set(tables), (parts, tables)
    return parts, rows


def test_a_list_goes_through_all_parts_of_the_words(server):
    machine = server.machine("M", {"P": {"Type": "Pass", "End": True}}, "P")
    server.stop()
    os.environ["RATCHET_TEST_SEARCH_RETENTION_MS"] = "24000"  # a part lasts 2 s
    try:
        server.start()
    finally:
        del os.environ["RATCHET_TEST_SEARCH_RETENTION_MS"]
    for batch in range(3):
        for i in range(20):
            server.run(machine, name=f"batch-{batch}-{i}", input={"all": 1, "batch": batch})
        until(lambda: len(server.rows(f"input.batch={batch}")) == 20)
        time.sleep(2.1)
    server.run(machine, name="last", input={"all": 1, "batch": 3})
    until(lambda: server.rows("input.batch=3") == ["last"])
    assert len(word_tables(server)[0]) >= 4, word_tables(server)
    expected = ["last"] + [f"batch-{batch}-{i}" for batch in (2, 1, 0) for i in range(19, -1, -1)]
    for limit in 500, 7, 20, 1:  # pages over the parts' borders
        names, cursor = [], None
        while True:
            page = server.get("/v1/executions", q="input.all=1", limit=limit, **({"cursor": cursor} if cursor else {}))
            names += [row["name"] for row in page["executions"]]
            cursor = page.get("next")
            if not cursor:
                break
        assert names == expected, (limit, names)
    assert server.rows("batch input.batch=1") == [f"batch-1-{i}" for i in range(19, -1, -1)]


def test_a_made_name_is_found_by_its_beginning(server):
    machine = server.machine("M", {"P": {"Type": "Pass", "End": True}}, "P")
    name = server.run(machine, input={"n": 1}).rsplit(":", 1)[1]
    server.run(machine, name="12345678-Abc-x", input={"n": 2})
    until(lambda: len(server.rows()) == 2)
    for query in name, name.upper(), name[:8], name[:11], name[:30], f"name:{name}", f"{name} input.n=1":
        assert server.rows(query) == [name], query
    for query in "12345678-ab", "12345678-abc-x", "12345678", "abc", "name:12345678-Abc-x", "12345678-abc input.n=2":
        assert server.rows(query) == ["12345678-Abc-x"], query
    for query in name[:30] + "g", "12345678-abd", f"{name} input.n=2":
        assert server.rows(query) == [], query


def test_actions_do_what_the_api_does(server):
    waits = server.machine("W", {"W": {"Type": "Wait", "Seconds": 1000, "End": True}}, "W")
    status, answer = server.request("/v1/executions", {"machine": "W", "name": "mine", "input": {"a": 1}}, "POST")
    assert status == 201 and answer["name"] == "mine", answer
    status, stopped = server.request("/v1/executions/" + urllib.parse.quote(answer["arn"], safe="") + "/stop", {"error": "Enough"}, "POST")
    assert status == 200 and stopped["stop_ms"]
    header = server.of(answer["arn"])
    assert header["status"] == "ABORTED" and header["error"] == "Enough" and header["input"] == {"a": 1}
    assert server.request("/v1/executions", {"machine": "Nobody"}, "POST")[0] == 404
    assert server.request("/v1/executions", {}, "POST")[0] == 400
    for body in {"machine": 5}, {"machine": "W", "name": 7}, {"machine": None}, {"machine": "W", "name": ["x"]}:
        assert server.request("/v1/executions", body, "POST")[0] == 400, body
    assert server.request("/v1/executions/" + urllib.parse.quote(answer["arn"], safe="") + "/stop", {"error": 5}, "POST")[0] == 400
    machine = server.get("/v1/machines/W")
    assert machine["definition"] and machine["versions"] == [] and machine["tags"] == {}, machine
    graph = server.get("/v1/machines/W/graph", direction="right")
    for path in ("graph?direction=up", "durations?window=5", "durations?window=5days", "durations?window=91d", "durations?window=-1h"):
        status, answer = server.request(f"/v1/machines/W/{path}")
        assert status == 400 and answer["error"]["code"] == "InvalidRequest", (path, answer)
    assert graph["direction"] == "right" and [node["name"] for node in graph["nodes"] if node["kind"] == "state"] == ["W"]


def test_an_execution_becomes_a_test(server):
    """Recorded with real programs and workers; played without any."""
    server.stop()
    with open(f"{server.folder}/config.json", "w") as file:
        count = f"{server.folder}/count"
        json.dump({"exec": {
            "flaky": {"program": "/bin/sh", "args": ["-c", f"cat >/dev/null; test -e {count} && echo '{{\"ok\": 1}}' || {{ touch {count}; echo no >&2; exit 3; }}"],
                      "output": "json"},
            "twice": {"program": "/bin/sh", "args": ["-c", "cat"], "output": "json"}}}, file)
    server.flags = ("--config", f"{server.folder}/config.json")
    server.start()
    activity = server.call("CreateActivity", name="work")["activityArn"]
    task = lambda name: {"Type": "Task", "Resource": f"arn:ratchet:exec:::{name}"}
    states = {
        "Flaky": {**task("flaky"), "Retry": [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1}], "ResultPath": "$.flaky", "Next": "Each"},
        "Each": {"Type": "Map", "ItemsPath": "$.items", "MaxConcurrency": 1, "ResultPath": "$.each", "Next": "Work",
                 "ItemProcessor": {"StartAt": "Twice", "States": {"Twice": {**task("twice"), "End": True}}}},
        "Work": {"Type": "Task", "Resource": activity, "ResultPath": "$.work", "Next": "Which",
                 "Catch": [{"ErrorEquals": ["Work.Bad"], "ResultPath": "$.bad", "Next": "Which"}]},
        "Which": {"Type": "Choice", "Choices": [{"Variable": "$.end", "StringEquals": "fail", "Next": "Fail"},
                                                {"Variable": "$.end", "StringEquals": "never", "Next": "Never"}], "Default": "Done"},
        "Fail": {"Type": "Fail", "Error": "Asked.For", "Cause": "why"}, "Never": {**task("twice"), "Next": "Done"}, "Done": {"Type": "Succeed"}}
    machine = server.machine("Test-Me", states, "Flaky")
    with open(f"{server.folder}/definition.json", "w") as file:
        json.dump({"StartAt": "Flaky", "States": states}, file)

    def work(**answer):
        token = until(lambda: server.call("GetActivityTask", activityArn=activity).get("taskToken"), 70)
        server.call("SendTask" + ("Failure" if "error" in answer else "Success"), taskToken=token, **answer)

    def play(arn, change=None):
        got = subprocess.run([BINARY, "history", arn, "--as-test", "--endpoint", server.url], capture_output=True, timeout=30)
        assert got.returncode == 0, got
        test = json.loads(got.stdout)
        assert test == server.of(arn, "/mock-test")
        if change:
            change(test)
        with open(f"{server.folder}/test.json", "w") as file:
            json.dump(test, file)
        played = subprocess.run([BINARY, "run", f"{server.folder}/definition.json", "--test", f"{server.folder}/test.json", "--time-scale", "100"],
                                capture_output=True, timeout=60)
        return played, test

    for end, answer in ("ok", {"output": '{"done": true}'}), ("fail", {"error": "Work.Bad", "cause": "broken"}):
        arn = server.run(machine, name=end, input={"items": [{"n": 1}, {"n": 2}], "end": end})
        work(**answer)
        server.wait_ended(arn)
        described = server.call("DescribeExecution", executionArn=arn)
        assert described["status"] == ("SUCCEEDED" if end == "ok" else "FAILED"), described
        played, test = play(arn)
        assert played.returncode == 0 and b"as expected" in played.stderr, played
        assert test["Ratchet"]["Concurrent"] == [] and test["Ratchet"]["CutOff"] == [], test
        assert test["StateMachines"]["Test-Me"]["TestCases"][end] == {"Flaky": "Flaky", "Twice": "Twice", "Work": "Work", "Never": "Not recorded"}, test
        assert list(test["MockedResponses"]["Twice"]) == ["0", "1"]
    assert test["Ratchet"]["Error"] == "Asked.For" and "Output" not in test["Ratchet"]
    # A state may be called what those that were never invoked are answered with.
    odd = server.machine("Odd", {"Which": {"Type": "Choice", "Choices": [{"Variable": "$.n", "NumericEquals": 1, "Next": "Not recorded"}], "Default": "Other"},
                                 "Not recorded": {**task("twice"), "End": True}, "Other": {**task("twice"), "End": True}}, "Which")
    called = server.run(odd, name="odd", input={"n": 1})
    server.wait_ended(called)
    test = server.of(called, "/mock-test")
    assert test["StateMachines"]["Odd"]["TestCases"]["odd"] == {"Not recorded": "Not recorded", "Other": "Not recorded."}, test
    assert "Return" in test["MockedResponses"]["Not recorded"]["0"] and "Throw" in test["MockedResponses"]["Not recorded."]["0-999999"], test
    played, _ = play(arn, lambda test: test["Ratchet"].update(Error="Another"))
    assert played.returncode == 1 and b'Error differs: expected "Another", found "Asked.For"' in played.stderr, played
    played, _ = play(arn, lambda test: test["MockedResponses"]["Work"].update({"0": {"Throw": {"Error": "Work.Worse"}}}))
    assert played.returncode == 1 and b'found "Work.Worse"' in played.stderr, played
    waits = server.machine("W", {"W": {"Type": "Wait", "Seconds": 100, "End": True}}, "W")
    running = server.run(waits)
    refused = lambda arn: server.request("/v1/executions/" + urllib.parse.quote(arn, safe="") + "/mock-test")
    assert refused(running)[0] == 409 and "not ended" in refused(running)[1]["error"]["message"]
    server.call("StopExecution", executionArn=running)
    server.wait_ended(running)
    assert refused(running)[0] == 409
    server.call("RedriveExecution", executionArn=arn)
    server.wait_ended(arn)
    assert refused(arn)[0] == 409 and "redriven" in refused(arn)[1]["error"]["message"]
    nothing = subprocess.run([BINARY, "run", f"{server.folder}/definition.json", "--test", f"{server.folder}/config.json"], capture_output=True)
    assert nothing.returncode == 2 and b"is no test" in nothing.stderr, nothing


def test_an_execution_runs_again_from_one_of_its_states(server):
    machine = server.machine("Sum", {
        "A": {"Type": "Pass", "Assign": {"first": "{% $states.input.n %}", "old": "yes"}, "Output": {"n": "{% $states.input.n + 1 %}"}, "Next": "B"},
        "B": {"Type": "Pass", "Assign": {"second": "{% $first * 10 %}"}, "Output": {"n": "{% $states.input.n + 1 %}"}, "Next": "C"},
        "C": {"Type": "Map", "Items": [1], "Output": {"n": "{% $states.input.n %}", "first": "{% $first %}", "second": "{% $second %}"}, "Next": "W",
              "ItemProcessor": {"StartAt": "Inner", "States": {"Inner": {"Type": "Pass", "End": True}}}},
        "W": {"Type": "Wait", "Seconds": 1, "Next": "D"},
        "D": {"Type": "Choice", "Choices": [{"Condition": "{% $states.input.n > 100 %}", "Next": "Good"}], "Default": "F"},
        "F": {"Type": "Fail", "Error": "Small"}, "Good": {"Type": "Succeed"}}, "A", QueryLanguage="JSONata")
    arn = server.run(machine, input={"n": 5})
    server.wait_ended(arn)
    rerun = lambda arn, body: server.request("/v1/executions/" + urllib.parse.quote(arn, safe="") + "/rerun", body, "POST")
    server.call("UpdateStateMachine", stateMachineArn=machine, definition=json.dumps({"StartAt": "X", "States": {"X": {"Type": "Succeed"}}}))
    status, again = rerun(arn, {"state": "C"})
    assert status == 201 and again["arn"] != arn, again
    server.kill()  # while it waits
    server.start()
    assert server.wait_ended(again["arn"])
    events = server.history(again["arn"])
    assert [details(event).get("name") for event in events if event["type"].endswith("Entered")] == ["C", "Inner", "W", "D", "F"], events
    entered = json.loads(details(events[1])["input"])
    left = [event for event in events if event["type"] == "MapStateExited"][0]
    assert entered == {"n": 7} and json.loads(details(left)["output"]) == {"n": 7, "first": 5, "second": 50}, (entered, left)
    header = server.of(again["arn"])
    assert header["rerun_of"] == arn and header["rerun_state"] == "C" and header["definition_current"] is False and header["error"] == "Small", header
    assert "rerun_of" not in server.of(arn)
    status, edited = rerun(again["arn"], {"state": "C", "input": {"n": 1000}})
    assert status == 201 and server.wait_ended(edited["arn"])
    answer = server.call("DescribeExecution", executionArn=edited["arn"])
    assert answer["status"] == "SUCCEEDED" and json.loads(answer["output"]) == {"n": 1000, "first": 5, "second": 50}, answer
    for body, code in (({}, 400), ({"state": 5}, 400), ({"state": "Inner"}, 409), ({"state": "Inner", "input": 1}, 400), ({"state": "Nobody", "input": 1}, 400),
                       ({"state": "Good"}, 409)):
        assert rerun(arn, body)[0] == code, (body, rerun(arn, body))
    assert rerun(arn, {"state": "Good", "input": {"n": 3}})[0] == 201
    assert rerun("arn:aws:states:us-east-1:000000000000:execution:Sum:nobody", {"state": "A"})[0] == 404
    server.call("RedriveExecution", executionArn=again["arn"])
    server.wait_ended(again["arn"])
    assert server.of(again["arn"])["redrive_count"] == 1
    server.stop()
    checked = subprocess.run([BINARY, "check", f"{server.folder}/store.db"], capture_output=True)
    assert checked.returncode == 0, checked


def test_containers_collapse_by_name(server):
    machine = server.machine("Rich", RICH, "Begin")
    arn = server.run(machine, input={"items": [1]})
    server.wait_ended(arn)
    whole, folded = server.of(arn, "/graph"), server.of(arn, "/graph", collapse="Items,Nobody,Guard,Inner")
    by_name = {node["name"]: node for node in folded["nodes"] if node["kind"] == "state"}
    assert by_name["Items"]["collapsed"] and by_name["Items"]["folded"] == ["Inner", "X"], by_name["Items"]
    assert by_name["Guard"]["container"] and by_name["Guard"]["folded"] == ["Bad", "Slow"]
    assert "collapsed" not in by_name["Both"] and "L" in by_name
    assert folded["folded"] == 4 and folded["states"] == whole["states"]
    ends = lambda graph: {(graph["nodes"][e["from"]]["name"], graph["nodes"][e["to"]]["name"]) for e in graph["edges"]}
    assert ends(folded) <= ends(whole) and ("Items", "Guard") in ends(folded)
    assert server.get("/v1/machines/Rich/graph", collapse="Items,Nobody,Guard,Inner") == folded


def test_views_are_kept_and_bounded(server):
    put = lambda name, body: server.request("/v1/views/" + urllib.parse.quote(name, safe=""), body, "PUT")
    assert server.get("/v1/views") == {"views": []}
    status, view = put("Late / \u2713", {"query": "status:failed duration>1h"})
    assert status == 200 and view["name"] == "Late / \u2713" and view["shared"] and view["updated_ms"], view
    assert put("All", {"query": ""})[0] == 200
    assert put("Late / \u2713", {"query": "status:aborted"})[0] == 200
    expected = [("All", ""), ("Late / \u2713", "status:aborted")]
    assert [(view["name"], view["query"]) for view in server.get("/v1/views")["views"]] == expected
    server.kill()
    server.start()
    assert [(view["name"], view["query"]) for view in server.get("/v1/views")["views"]] == expected
    for name, body, code in (("a" * 101, {"query": ""}, "InvalidRequest"), ("a\nb", {"query": ""}, "InvalidRequest"), ("x", {}, "InvalidRequest"),
                             ("x", {"query": 5}, "InvalidRequest"), ("x", {"query": "a" * 2001}, "InvalidRequest"),
                             ("x", {"query": "status:nonsense"}, "InvalidQuery"), ("x", {"query": "", "shared": "yes"}, "InvalidRequest"),
                             ("x", [1], "InvalidRequest")):
        status, answer = put(name, body)
        assert status == 400 and answer["error"]["code"] == code, (name, body, answer)
    for i in range(98):
        assert put(f"v{i}", {"query": f"input.n={i}"})[0] == 200
    status, answer = put("one more", {"query": ""})
    assert status == 409 and answer["error"]["code"] == "LimitExceeded", answer
    assert put("v7", {"query": "changed"})[0] == 200
    for view in server.get("/v1/views")["views"]:
        assert server.request("/v1/views/" + urllib.parse.quote(view["name"], safe=""), method="DELETE") == (200, {})
    assert server.get("/v1/views") == {"views": []} and server.request("/v1/views/All", method="DELETE")[0] == 404


def test_views_of_ones_own_are_nobody_elses(server):
    server.stop()
    with open(f"{server.folder}/config.json", "w") as file:
        json.dump({"auth": "sigv4", "root_key": {"id": "AKIAROOTROOTROOTROOT", "secret": "a-secret-of-the-root-key"}}, file)
    server.flags = ("--config", f"{server.folder}/config.json")
    server.start()

    def sign_in(key, secret):
        request = urllib.request.Request(server.url + "/v1/session", json.dumps({"accessKeyId": key, "secretAccessKey": secret}).encode())
        with urllib.request.urlopen(request, timeout=20) as answer:
            headers = {"Cookie": answer.headers["Set-Cookie"].split(";")[0], "X-Ratchet-Csrf": json.loads(answer.read())["csrf"],
                       "Origin": server.url}
        return lambda method, path, body=None: server.request(path, body, method, headers)

    root = sign_in("AKIAROOTROOTROOTROOT", "a-secret-of-the-root-key")
    keys = [root("POST", "/v1/keys", {"name": f"n{role}", "role": role})[1] for role in ("read", "operate")]
    reader, operator = [sign_in(key["id"], key["secret"]) for key in keys]
    assert reader("PUT", "/v1/views/Mine", {"query": "a"})[1]["shared"] is False
    status, answer = reader("PUT", "/v1/views/Ours", {"query": "b", "shared": True})
    assert status == 403 and "operate" in answer["error"]["message"], answer
    assert operator("PUT", "/v1/views/Mine", {"query": "c"})[0] == 200
    assert operator("PUT", "/v1/views/Mine", {"query": "d", "shared": True})[0] == 200
    seen = lambda who: [(view["query"], view["shared"]) for view in who("GET", "/v1/views")[1]["views"]]
    assert seen(reader) == [("a", False), ("d", True)] and seen(operator) == [("c", False), ("d", True)] and seen(root) == [("d", True)]
    assert reader("DELETE", "/v1/views/Mine?shared=1")[0] == 403
    assert reader("DELETE", "/v1/views/Mine")[0] == 200 and seen(reader) == [("d", True)]
    assert operator("DELETE", "/v1/views/Mine?shared=1")[0] == 200 and seen(operator) == [("c", False)]
    assert root("DELETE", "/v1/keys/" + keys[1]["id"])[0] == 200
    assert server.request("/v1/views")[0] == 401


def test_without_a_search_file_the_rest_is_there(server):
    server.stop()
    server.flags = ("--search", "off")
    server.start()
    machine = server.machine("M", {"P": {"Type": "Pass", "End": True}}, "P")
    arn = server.run(machine)
    server.wait_ended(arn)
    assert server.request("/v1/executions")[0] == 503
    assert server.get("/v1/overview")["search"]["enabled"] is False
    assert server.of(arn)["status"] == "SUCCEEDED" and server.of(arn, "/state")["states"]["P"]["succeeded"] == 1


def main():
    tests = [(name, test) for name, test in globals().items() if name.startswith("test_") and callable(test)]
    wanted = sys.argv[2:]
    failed = 0
    if wanted:
        tests = [(name, test) for name, test in tests if name in wanted]
    for name, test in tests:
        server = Server()
        try:
            test(server)
            if server.process.poll() is None:
                code = server.stop()
                assert code == 0, f"the server ended with {code}"
            print(f"ok   {name}", flush=True)
        except Exception:
            failed += 1
            print(f"FAIL {name}", flush=True)
            traceback.print_exc()
            print(open(f"{server.folder}/log").read()[-2000:])
        finally:
            server.remove()
    print(f"{len(tests) - failed} passed, {failed} failed")
    sys.exit(failed != 0)


main()
