#!/usr/bin/env python3
"""Runs the project's own conformance cases against a server.

    own.py --ratchet BINARY [-k PART] [-v] [--write] [FILE ...]

A case file is {"topic": …, "cases": [{
    "id": "a_choice_without_a_match_fails",      a sentence
    "definition": {…}, "input": …,               or definition_text, input_text to the letter
    "type": "STANDARD",
    "resources": [{"service": "lambda", "name": "f", "answers": [{"return": …} | {"error": "E", "message": "m"} | {"status": 500}]}],
    "stop_after_s": 0.2,                         stop it then
    "expected": {"status", "output", "error", "cause", "history": [event …], "refused": ["CODE at /where", …]}
}]}
Expected fields that are left out are not compared. A history event is written [type, previousEventId, details] with ids 1, 2, 3 …
by their place; details are the event's details member, in which inputs and outputs are JSON values, not texts, and
fields that are left out must be absent too. "refused" is for definitions that CreateStateMachine must refuse. Answers of a
function are given in turn; the last one repeats; its ARN is "{{lambda:f}}" in a definition. "*" matches any value.

--write prints the cases of the files with "expected" as the server answers now: to be read before it is believed.
The last line is 'N passed, N failed, N skipped'."""

import argparse
import http.client
import http.server
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time

ROLE = "arn:aws:iam::000000000000:role/test"
HERE = os.path.dirname(os.path.abspath(__file__))


class Functions(http.server.BaseHTTPRequestHandler):
    """The functions that lambda tasks invoke: each answers by its script."""

    protocol_version = "HTTP/1.1"
    scripts, calls, lock = {}, {}, threading.Lock()

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
                body = event if answer.get("return") == "{{event}}" else answer.get("return")
        data = json.dumps(body).encode()
        self.send_response(status)
        for header, value in {"Content-Type": "application/json", "Content-Length": str(len(data)), **headers}.items():
            self.send_header(header, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args):
        pass


class Api:
    def __init__(self, url):
        self.host = url[len("http://"):]
        self.connection = None

    def call(self, operation, **params):
        """(status, body)"""
        if not self.connection:
            self.connection = http.client.HTTPConnection(self.host, timeout=30)
        self.connection.request("POST", "/", json.dumps(params),
                                {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "AWSStepFunctions." + operation})
        answer = self.connection.getresponse()
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


def fill(value, names):
    """Replaces {{lambda:f}} in every text of a definition."""
    text = json.dumps(value) if not isinstance(value, str) else value
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
        self.api, self.count = api, 0

    def run(self, case):
        """What the server answers to a case, in the form of its "expected"."""
        self.count += 1
        names = {}
        for resource in case.get("resources", []):
            real = f"{resource['name']}-{self.count}"
            Functions.scripts[real] = resource["answers"]
            names[f"lambda:{resource['name']}"] = f"arn:aws:lambda:us-east-1:000000000000:function:{real}"
        definition = fill(case.get("definition_text", case.get("definition")), names)
        status, machine = self.api.call("CreateStateMachine", name=f"case-{self.count}", roleArn=ROLE, definition=definition,
                                        type=case.get("type", "STANDARD"))
        if status != 200:
            assert machine["__type"] == "InvalidDefinition", machine
            inner = re.fullmatch(r"Invalid State Machine Definition: '(.*)'", machine["message"], re.S).group(1)
            return {"refused": re.split(r", (?=[A-Z_]{8,}:)", inner)}
        text = case.get("input_text", json.dumps(case.get("input", {})))
        status, execution = self.api.call("StartExecution", stateMachineArn=machine["stateMachineArn"], input=text)
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
        found["history"] = json.loads(json.dumps([compact_event(event) for event in events]).replace(arn, "{{execution}}"))
        return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ratchet", required=True)
    parser.add_argument("-k", default="", metavar="PART", help="only cases whose id contains this")
    parser.add_argument("-v", action="store_true", help="show what was expected and what was found")
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
        runner = Runner(Api(url))
        ids = set()
        for path in files:
            with open(path, encoding="utf-8") as file:
                topic = json.load(file)
            for case in topic["cases"]:
                assert case["id"] not in ids, f"two cases are called {case['id']}"
                ids.add(case["id"])
                if options.k not in case["id"]:
                    continue
                try:
                    found = runner.run(case)
                except AssertionError as problem:
                    found = {"problem": str(problem)}
                if options.write:
                    case["expected"] = found
                    continue
                expected = case["expected"]
                assert expected, case["id"]
                wrong = [key for key in expected if key not in found or not matches(expected[key], found[key])]
                wrong += [key for key in ("error", "cause", "output", "problem") if key in found and key not in expected and "status" in expected]
                passed, failed = passed + (not wrong), failed + bool(wrong)
                if wrong:
                    print(f"FAILED {topic['topic']}: {case['id']}: {', '.join(wrong)}")
                    if options.v:
                        for key in wrong:
                            print(f"  {key} expected {json.dumps(expected.get(key))}\n  {key} found    {json.dumps(found.get(key))}")
            if options.write:
                print(json.dumps(topic, indent=1, ensure_ascii=False))
    finally:
        server.terminate()
        server.wait(30)
    if not options.write:
        print(f"{passed} passed, {failed} failed, 0 skipped")
        sys.exit(1 if failed or not passed else 0)


if __name__ == "__main__":
    main()
