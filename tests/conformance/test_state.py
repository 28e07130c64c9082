#!/usr/bin/env python3
"""Runs the project's own cases of TestState against a server: test_state/*.json beside this file.

    test_state.py --ratchet BINARY [-k PART] [-v] [--write] [FILE ...]

A case file is {"cases": [{
    "id": "a_wait_is_not_waited_for",        a sentence
    "call": {…},                             TestState's members; definition, input, context, variables, mock.result and
                                             stateConfiguration.mapItemReaderData are JSON values, sent as texts
    "resources": [{"service": "lambda", "name": "f", "answers": [answer …]}],     as in own.py; the function is {{lambda:f}}
    "least_s": 1, "most_s": 3,               how long the answer may take
    "expected": {…}                          the whole answer, its JSON texts as values; or {"refused": "CODE: message"}
}]}
"*" matches any value. A member "definition_text", "input_text", … is sent to the letter instead.

--write prints the cases with "expected" as the server answers now: to be read before it is believed.
The last line is 'N passed, N failed, N skipped'."""

import argparse
import http.server
import json
import os
import subprocess
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True
import own  # noqa: E402: beside this file

HERE = os.path.dirname(os.path.abspath(__file__))
TEXTS = {("definition",), ("input",), ("context",), ("variables",), ("mock", "result"), ("stateConfiguration", "mapItemReaderData")}
PARSED = ("input", "output", "result", "variables")


def as_sent(value, path=()):
    """The call with its JSON values as texts."""
    if path in TEXTS:
        return json.dumps(value)
    if not isinstance(value, dict):
        return value
    return {key[:-5] if key.endswith("_text") else key: part if key.endswith("_text") else as_sent(part, path + (key,)) for key, part in value.items()}


def as_read(answer):
    """The answer with its JSON texts as values."""
    return {key: as_read(value) if key == "inspectionData" else json.loads(value) if key in PARSED or key.startswith("after") else value
            for key, value in answer.items()}


def run(api, case, number):
    names = {}
    for resource in case.get("resources", []):
        real = f"{resource['name']}-{number}"
        own.Functions.scripts[real] = resource["answers"]
        names[f"lambda:{resource['name']}"] = f"arn:aws:lambda:us-east-1:000000000000:function:{real}"
    call = json.loads(own.fill(case["call"], names))
    began = time.monotonic()
    status, answer = api.call("TestState", **as_sent(call))
    took = time.monotonic() - began
    if not case.get("least_s", 0) <= took <= case.get("most_s", 20):
        return {"problem": f"it took {took:.2f} s"}
    return as_read(answer) if status == 200 else {"refused": f"{answer['__type']}: {answer['message']}"}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ratchet", required=True)
    parser.add_argument("-k", default="", metavar="PART", help="only cases whose id contains this")
    parser.add_argument("-v", action="store_true", help="show what was expected and what was found")
    parser.add_argument("--write", action="store_true", help="print the cases with what the server answers now")
    parser.add_argument("files", nargs="*")
    options = parser.parse_args()
    folder = os.path.join(HERE, "test_state")
    files = options.files or sorted(os.path.join(folder, name) for name in os.listdir(folder) if name.endswith(".json"))

    functions = http.server.ThreadingHTTPServer(("127.0.0.1", 0), own.Functions)
    functions.daemon_threads = True
    threading.Thread(target=functions.serve_forever, daemon=True).start()
    store = tempfile.TemporaryDirectory()
    server = subprocess.Popen([options.ratchet, "serve", "--listen", "127.0.0.1:0", "--store", f"sqlite:{store.name}/store.db", "--log-level", "warn",
                               "--lambda-endpoint", f"http://127.0.0.1:{functions.server_port}"], stdout=subprocess.PIPE)
    passed = failed = 0
    try:
        url = server.stdout.readline().decode().strip()
        if not url:
            sys.exit("the server did not start")
        own.Functions.api = own.Api(url)
        ids = set()
        for path in files:
            with open(path, encoding="utf-8") as file:
                topic = json.load(file)
            for case in topic["cases"]:
                assert case["id"] not in ids, f"two cases are called {case['id']}"
                ids.add(case["id"])
                if options.k not in case["id"]:
                    continue
                found = run(own.Functions.api, case, len(ids))
                if options.write:
                    case["expected"] = found
                    continue
                right = own.matches(case["expected"], found)
                passed, failed = passed + right, failed + (not right)
                if not right:
                    print(f"FAILED {case['id']}")
                    if options.v:
                        print(f"  expected {json.dumps(case['expected'])}\n  found    {json.dumps(found)}")
            if options.write:
                print(own.pretty(topic))
    finally:
        server.terminate()
        if server.wait(30):
            print(f"FAILED the server's end: {server.returncode}")
            failed += 1
    if not options.write:
        print(f"{passed} passed, {failed} failed, 0 skipped")
        sys.exit(1 if failed or not passed else 0)


if __name__ == "__main__":
    main()
