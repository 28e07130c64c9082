"""driver.py: what the tests of the server and of the command line share: a server of one's own, raw HTTP, and a runner that takes every
function of a module whose name is a sentence.

A test is a function whose first parameter is the context, a class with what the tests share; it fails by an exception."""

import argparse
import http.client
import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback

ROLE = "arn:aws:iam::000000000000:role/test"
STATES = "arn:aws:states:us-east-1:000000000000:"


class Skipped(Exception):
    pass


def clean_environment(folder, **more):
    """The environment without what would change the program's settings."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("RATCHET_", "AWS_", "XDG_", "http_", "HTTP_"))}
    env.update(HOME=folder, XDG_DATA_HOME=os.path.join(folder, "data"), **more)
    return env


class Server:
    """`ratchet serve` with a folder of its own."""

    def __init__(self, ratchet, folder, *arguments, store="memory:", config=None, env=None):
        self.folder, self.stderr_path = folder, os.path.join(folder, "stderr")
        command = [ratchet, "serve", "--listen", "127.0.0.1:0", "--store", store, *arguments]
        if config is not None:
            path = os.path.join(folder, "ratchet.yaml")
            with open(path, "w") as file:
                file.write(config if isinstance(config, str) else json.dumps(config))
            command += ["--config", path]
        self.stderr = open(self.stderr_path, "w+")
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.stderr, stdin=subprocess.DEVNULL, text=True,
                                        env=env or clean_environment(folder))
        self.url = self.process.stdout.readline().strip() if select.select([self.process.stdout], [], [], 30)[0] else ""
        if not self.url:
            self.process.kill()
            raise AssertionError("the server did not start: " + self.log())
        self.port = int(self.url.rsplit(":", 1)[1])

    def log(self):
        with open(self.stderr_path) as file:
            return file.read()

    def connect(self, timeout=20):
        return socket.create_connection(("127.0.0.1", self.port), timeout)

    def request(self, method, path, body=None, headers=None, timeout=20):
        """One request on a connection of its own → (status, headers, body)."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def post(self, operation, body, timeout=20, **headers):
        data = body if isinstance(body, (bytes, str)) else json.dumps(body)
        named = {"X-Amz-Target": "AWSStepFunctions." + operation, "Content-Type": "application/x-amz-json-1.0"}
        named.update({name.replace("_", "-"): value for name, value in headers.items()})
        return self.request("POST", "/", data, named, timeout)

    def call(self, operation, **request):
        """An operation that must succeed."""
        status, _, body = self.post(operation, request)
        assert status == 200, f"{operation} answered {status}: {body[:500]}"
        return json.loads(body)

    def refused(self, operation, request, status=400):
        """An operation that must be refused → (the error's name, its message)."""
        got, headers, body = self.post(operation, request)
        answer = json.loads(body)
        assert got == status, f"{operation} answered {got}, not {status}: {body[:500]}"
        assert headers["x-amzn-ErrorType"] == answer["__type"], (dict(headers), answer)
        return answer["__type"], answer["message"]

    def create(self, name, definition):
        return self.call("CreateStateMachine", name=name, definition=json.dumps(definition), roleArn=ROLE)["stateMachineArn"]

    def wait(self, arn, *statuses, timeout=20):
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            answer = self.call("DescribeExecution", executionArn=arn)
            if answer["status"] in (statuses or ("SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED")):
                return answer
            time.sleep(0.02)
        raise AssertionError("the execution did not end: " + json.dumps(answer))

    def memory_kib(self):
        with open(f"/proc/{self.process.pid}/status") as file:
            return int(re.search(r"VmRSS:\s+(\d+)", file.read()).group(1))

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def stop(self, number=signal.SIGTERM, timeout=20):
        """The exit status after a signal."""
        if self.process.poll() is None and number:
            self.process.send_signal(number)
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError("the server did not end: " + self.log())
        finally:
            self.process.stdout.close()
            self.stderr.close()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        status = self.stop()
        if kind is None:
            assert status == 0, f"the server ended with status {status}: {self.log()}"
        elif status != 0:
            print(f"the server ended with status {status}: {self.log()}")


def main(tests, make_context, description):
    """Runs the tests (functions, by their names), each with make_context(ratchet, folder)."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--ratchet", required=True)
    parser.add_argument("-k", metavar="PART", default="", help="only tests with PART in their name")
    arguments = parser.parse_args()
    ratchet, counts = os.path.abspath(arguments.ratchet), {"passed": 0, "failed": 0, "skipped": 0}
    for test in tests:
        if arguments.k not in test.__name__:
            continue
        with tempfile.TemporaryDirectory() as folder:
            try:
                with make_context(ratchet, folder) as context:
                    test(context)
                counts["passed"] += 1
            except Skipped as reason:
                print(f"skipped: {test.__name__}: {reason}")
                counts["skipped"] += 1
            except BaseException as failure:
                if isinstance(failure, KeyboardInterrupt):
                    raise
                print(f"FAILED {test.__name__}")
                traceback.print_exc(file=sys.stdout)
                counts["failed"] += 1
        sys.stdout.flush()
    print(", ".join(f"{count} {word}" for word, count in counts.items()))
    sys.exit(1 if counts["failed"] else 0)


def tests_of(names):
    """The functions of a module in their order that are tests: public, made there, and with `context` as their first parameter."""
    return [value for name, value in names.items()
            if callable(value) and not name.startswith("_") and getattr(value, "__module__", "") == names["__name__"]
            and getattr(value, "__code__", None) and value.__code__.co_varnames[:1] == ("context",)]
