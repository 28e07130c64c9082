#!/usr/bin/env python3
"""The shared conformance cases of the topic `mocked`: each case brings a mock configuration, which is written to the server's
file before its steps begin (the server reads it again when it has changed).

    mocked.py RATCHET [OPTIONS of the cases' own runner]"""

import os
import shlex
import socket
import sys
import tempfile

ratchet, options = os.path.abspath(sys.argv[1]), sys.argv[2:]
here = os.path.dirname(os.path.abspath(__file__))
data = os.path.join(os.environ.get("RATCHET_TEST_DATA", os.path.join(here, "..", "..", "..", "shared")), "conformance")
if not os.path.exists(os.path.join(data, "run.py")):
    print("skipped: the shared conformance cases are not there (set RATCHET_TEST_DATA)")
    print("0 passed, 0 failed, 1 skipped")
    sys.exit(77)
sys.path.insert(0, data)
sys.dont_write_bytecode = True
import json

import run

folder = tempfile.TemporaryDirectory()
path = os.path.join(folder.name, "mocks.json")


def write(config):
    with open(path + ".new", "w") as file:
        json.dump(config, file)
    os.rename(path + ".new", path)


def filled(case, value):
    if isinstance(value, dict):
        return {case.resolve(k): filled(case, v) for k, v in value.items()}
    if isinstance(value, list):
        return [filled(case, v) for v in value]
    return case.resolve(value)


go = run.Run.go


def with_mocks(self):
    write(filled(self, self.case["mock_config"]))
    return go(self)


run.Run.go = with_mocks
write({"StateMachines": {}, "MockedResponses": {}})
with socket.socket() as s:
    s.bind(("127.0.0.1", 0))
    port = s.getsockname()[1]
engine = [ratchet, "serve", "--listen", f"127.0.0.1:{port}", "--store", f"sqlite:{folder.name}/s.db", "--log-level", "warn", "--mock-config", path]
sys.argv = ["run.py", "--engine", shlex.join(engine), "--endpoint", f"http://127.0.0.1:{port}", "--topic", "mocked", "--have", "mock-config", "--jobs", "1",
            "-f", *options]
sys.exit(run.main())
