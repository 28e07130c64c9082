#!/usr/bin/env python3
"""Runs the project's own conformance cases against a server.

    own.py --ratchet BINARY [-k PART] [-v] [--jobs N] [--write] [FILE ...]

A case file is {"topic": …, "cases": [{
    "id": "a_choice_without_a_match_fails",      a sentence
    "definition": {…}, "input": …,               or definition_text, input_text to the letter
    "type": "STANDARD",
    "resources": [{"service": "lambda", "name": "f", "answers": [answer …]}],
    "stop_after_s": 0.2,                         stop it then
    "expected": {"status", "output", "output_text", "error", "cause", "history": [event …], "refused": ["CODE: text at /where", …]}
}]}
An answer is {"return": value}, {"error": "E", "message": "m"}, {"status": 500} or {"text": "not JSON"}, with "after_s" to be slow; "{{event}}" returns
the event. "then": [{"after_s", "heartbeat": true} | {"success": value} | {"failure": {"error", "cause"}} …] reports by the event's member "token" once
the function has answered. "output_text" is the output to the letter.
Expected fields that are left out are not compared. A history event is written [type, previousEventId, details] with ids 1, 2, 3 …
by their place; details are the event's details member, in which inputs and outputs are JSON values, not texts, and
fields that are left out must be absent too. "refused" is for definitions that CreateStateMachine must refuse. Answers of a
function are given in turn; the last one repeats; its ARN is "{{lambda:f}}" in a definition. "*" matches any value. "{{1000 times x}}" within a text stands
for 1,000 x, except in "expected".

--write prints the cases of the files with "expected" as the server answers now: to be read before it is believed.
The last line is 'N passed, N failed, N skipped'."""

import argparse
import http.client
import http.server
import itertools
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor

ROLE = "arn:aws:iam::000000000000:role/test"
HERE = os.path.dirname(os.path.abspath(__file__))


class Functions(http.server.BaseHTTPRequestHandler):
    """The functions that lambda tasks invoke: each answers by its script."""

    protocol_version = "HTTP/1.1"
    scripts, calls, lock, api = {}, {}, threading.Lock(), None

    def report(self, token, steps):
        """Reports on a task by its token, as a worker somewhere would."""
        for step in steps:
            time.sleep(step.get("after_s", 0))
            if "success" in step:
                self.api.call("SendTaskSuccess", taskToken=token, output=json.dumps(step["success"]))
            elif "failure" in step:
                self.api.call("SendTaskFailure", taskToken=token, **step["failure"])
            else:
                self.api.call("SendTaskHeartbeat", taskToken=token)

    def do_POST(self):
        event = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"null")
        name = re.sub(r"^arn(:|%3A).*function(:|%3A)", "", self.path.split("/")[3])
        with self.lock:
            script = self.scripts.get(name)
            turn = self.calls[name] = self.calls.get(name, -1) + 1
        status, headers, body = 200, {}, None
        if script is None:
            status, headers["X-Amzn-ErrorType"] = 404, "ResourceNotFoundException"
            body = {"Type": "User", "Message": f"Function not found: {name}"}
        else:
            answer = script[min(turn, len(script) - 1)]
            time.sleep(answer.get("after_s", 0))
            if "error" in answer:
                headers["X-Amz-Function-Error"] = "Unhandled"
                body = {"errorMessage": answer.get("message", ""), "errorType": answer["error"]}
            elif "status" in answer:
                status, body = answer["status"], {"Message": "no"}
            else:
                body = event if answer.get("return") == "{{event}}" else json.loads(repeat(json.dumps(answer.get("return"))))
        data = repeat(answer["text"]).encode() if script and "text" in answer else json.dumps(body).encode()
        self.send_response(status)
        for header, value in {"Content-Type": "application/json", "Content-Length": str(len(data)), **headers}.items():
            self.send_header(header, value)
        self.end_headers()
        try:
            self.wfile.write(data)
        except OSError:  # nobody waits for it any more: the task has timed out
            return
        if script and "then" in answer:
            threading.Thread(target=self.report, args=(event["token"], answer["then"]), daemon=True).start()

    def log_message(self, *args):
        pass


class Api:
    def __init__(self, url):
        self.host = url[len("http://"):]
        self.local = threading.local()

    def call(self, operation, **params):
        """(status, body)"""
        connection = getattr(self.local, "connection", None)
        if not connection:
            connection = self.local.connection = http.client.HTTPConnection(self.host, timeout=30)
        connection.request("POST", "/", json.dumps(params),
                           {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "AWSStepFunctions." + operation})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())


def parsed(text):
    try:
        return json.loads(text)
    except ValueError:
        return text


def compact_event(event):
    """[type, previousEventId, details] with payloads as values and what never differs left out."""
    details = next((value for key, value in event.items() if key.endswith("EventDetails")), None)
    short = [event["type"], event["previousEventId"]]
    if details is None:
        return short
    kept = {}
    for key, value in details.items():
        if key.endswith("Details") or key in ("roleArn",):
            continue
        if key in ("input", "output", "parameters"):
            value = parsed(value)
        if key == "assignedVariables":
            value = {name: parsed(text) for name, text in value.items()}
        kept[key] = value
    return short + [kept] if kept else short


def repeat(text):
    return re.sub(r"\{\{(\d+) times (.)\}\}", lambda found: found[2] * int(found[1]), text)


def fill(value, names):
    """Replaces {{lambda:f}} in every text of a definition."""
    text = repeat(json.dumps(value) if not isinstance(value, str) else value)
    for name, real in names.items():
        text = text.replace("{{" + name + "}}", real)
    return text


def matches(expected, found):
    if expected == "*":
        return True
    if isinstance(expected, dict) and isinstance(found, dict):
        return expected.keys() == found.keys() and all(matches(expected[key], found[key]) for key in expected)
    if isinstance(expected, list) and isinstance(found, list):
        return len(expected) == len(found) and all(map(matches, expected, found))
    return type(expected) is type(found) and expected == found or (
        isinstance(expected, (int, float)) and isinstance(found, (int, float)) and
        not isinstance(expected, bool) and not isinstance(found, bool) and expected == found)


class Runner:
    def __init__(self, api):
        self.api, self.numbers = api, itertools.count(1)

    def run(self, case):
        """What the server answers to a case, in the form of its "expected"."""
        number = next(self.numbers)
        names = {}
        for resource in case.get("resources", []):
            real = f"{resource['name']}-{number}"
            Functions.scripts[real] = resource["answers"]
            names[f"lambda:{resource['name']}"] = f"arn:aws:lambda:us-east-1:000000000000:function:{real}"
        definition = fill(case.get("definition_text", case.get("definition")), names)
        status, machine = self.api.call("CreateStateMachine", name=f"case-{number}", roleArn=ROLE, definition=definition,
                                        type=case.get("type", "STANDARD"))
        if status != 200:
            assert machine["__type"] == "InvalidDefinition", machine
            inner = re.fullmatch(r"Invalid State Machine Definition: '(.*)'", machine["message"], re.S).group(1)
            return {"refused": re.split(r", (?=[A-Z_]{8,}:)", inner)}
        text = {}
        if "input_text" in case or "input" in case:
            text["input"] = repeat(case.get("input_text", json.dumps(case.get("input"))))
        status, execution = self.api.call("StartExecution", stateMachineArn=machine["stateMachineArn"], **text)
        assert status == 200, execution
        arn = execution["executionArn"]
        if "stop_after_s" in case:
            time.sleep(case["stop_after_s"])
            self.api.call("StopExecution", executionArn=arn, error="Stopped", cause="by the test")
        deadline = time.monotonic() + 60
        while True:
            _, description = self.api.call("DescribeExecution", executionArn=arn)
            if description["status"] != "RUNNING":
                break
            assert time.monotonic() < deadline, "it does not end"
            time.sleep(0.01)
        events, token = [], None
        while True:
            _, page = self.api.call("GetExecutionHistory", executionArn=arn, maxResults=1000, **({"nextToken": token} if token else {}))
            events += page["events"]
            token = page.get("nextToken")
            if not token:
                break
        assert [event["id"] for event in events] == list(range(1, len(events) + 1)), "ids have gaps"
        found = {"status": description["status"]}
        for key in ("error", "cause"):
            if key in description:
                found[key] = description[key]
        if "output" in description:
            found["output"] = parsed(description["output"])
            found["output_text"] = description["output"]
        found["history"] = json.loads(json.dumps([compact_event(event) for event in events]).replace(arn, "{{execution}}"))
        return found


def attempt(runner, case):
    try:
        return runner.run(case)
    except (AssertionError, OSError, http.client.HTTPException) as problem:
        return {"problem": f"{type(problem).__name__}: {problem}"}


def differences(case, found):
    """The names of what is not as expected."""
    expected = case["expected"]
    assert expected, case["id"]
    wrong = [key for key in expected if key not in found or not matches(expected[key], found[key])]
    unasked = ("problem", "refused") + (("error", "cause", "output") if "status" in expected else ())
    return wrong + [key for key in unasked if key in found and key not in expected and not (key == "output" and "output_text" in expected)]


def pretty(value, indent=0, width=150):
    """JSON with every value on one line that has room there."""
    line = json.dumps(value, ensure_ascii=False)
    if len(line) + indent <= width or not isinstance(value, (dict, list)) or not value:
        return line
    pad = " " * (indent + 1)
    if isinstance(value, list):
        return "[\n" + ",\n".join(pad + pretty(item, indent + 1, width) for item in value) + "\n" + " " * indent + "]"
    return "{\n" + ",\n".join(f"{pad}{json.dumps(key)}: {pretty(item, indent + 1, width)}" for key, item in value.items()) + "\n" + " " * indent + "}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ratchet", required=True)
    parser.add_argument("-k", default="", metavar="PART", help="only cases whose id contains this")
    parser.add_argument("-v", action="store_true", help="show what was expected and what was found")
    parser.add_argument("--jobs", type=int, default=16, help="cases at once")
    parser.add_argument("--write", action="store_true", help="print the cases with what the server answers now")
    parser.add_argument("files", nargs="*")
    options = parser.parse_args()
    files = options.files or sorted(os.path.join(HERE, "cases", name) for name in os.listdir(os.path.join(HERE, "cases")) if name.endswith(".json"))

    functions = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Functions)
    functions.daemon_threads = True
    threading.Thread(target=functions.serve_forever, daemon=True).start()
    folder = tempfile.TemporaryDirectory()
    server = subprocess.Popen([options.ratchet, "serve", "--listen", "127.0.0.1:0", "--store", f"sqlite:{folder.name}/store.db", "--log-level", "warn",
                               "--lambda-endpoint", f"http://127.0.0.1:{functions.server_port}"], stdout=subprocess.PIPE)
    passed = failed = 0
    try:
        url = server.stdout.readline().decode().strip()
        if not url:
            sys.exit("the server did not start")
        Functions.api = Api(url)
        runner = Runner(Functions.api)
        topics, ids = [], set()
        for path in files:
            with open(path, encoding="utf-8") as file:
                topics.append(json.load(file))
        with ThreadPoolExecutor(options.jobs) as pool:
            runs = []
            for topic in topics:
                for case in topic["cases"]:
                    assert case["id"] not in ids, f"two cases are called {case['id']}"
                    ids.add(case["id"])
                    if options.k in case["id"]:
                        runs.append((topic, case, pool.submit(attempt, runner, case)))
            for topic, case, run in runs:
                found = run.result()
                if options.write:
                    case["expected"] = found
                    continue
                wrong = differences(case, found)
                passed, failed = passed + (not wrong), failed + bool(wrong)
                if wrong:
                    print(f"FAILED {topic['topic']}: {case['id']}: {', '.join(wrong)}")
                    if options.v:
                        for key in wrong:
                            print(f"  {key} expected {json.dumps(case['expected'].get(key))}\n  {key} found    {json.dumps(found.get(key))}")
        if options.write:
            for topic in topics:
                print(pretty(topic))
    finally:
        server.terminate()
        server.wait(30)
    if not options.write:
        print(f"{passed} passed, {failed} failed, 0 skipped")
        sys.exit(1 if failed or not passed else 0)


if __name__ == "__main__":
    main()
