#!/usr/bin/env python3
"""Many connections at once: what each costs, and whether some harm the others. Standard library only.

    polls.py --ratchet BINARY [--connections 2000] [--tasks 200] [--json]

Starts a server and measures, in this order:

  idle     N connections that have asked once and stay open: memory of the server for each
  polls    N GetActivityTask at once: memory for each; then tasks handed out one by one: from the call of StartExecution to
           the answer of the poll that gets it
  slow     N clients that send one byte a second of their headers, or of a body announced as large, while another client asks
           on: its answers' times; memory; and that they are cut off in the end
  drain    N polls wait; SIGTERM: how long until all are answered and the server has ended

Exit status 1 if an answer is wrong, is missing, or is later than --latency-most."""

import argparse
import json
import os
import resource
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROLE = "arn:aws:iam::000000000000:role/bench"


def request_bytes(operation, **members):
    body = json.dumps(members).encode()
    return (f"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-amz-json-1.0\r\nX-Amz-Target: AWSStepFunctions.{operation}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n").encode() + body


class Client:
    """One connection; answers are read whole."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.read = b""

    def fileno(self):
        return self.socket.fileno()

    def send(self, operation, **members):
        self.socket.sendall(request_bytes(operation, **members))

    def take(self):
        """What has come, once; the answer (status, body) if it is whole, else None. A closed connection is an EOFError."""
        got = self.socket.recv(65536)
        if not got:
            raise EOFError
        self.read += got
        return self.parsed()

    def parsed(self):
        head, mark, rest = self.read.partition(b"\r\n\r\n")
        if not mark:
            return None
        lines = head.decode("latin-1").split("\r\n")
        length = next(int(line.split(":")[1]) for line in lines if line.lower().startswith("content-length:"))
        if len(rest) < length:
            return None
        self.read = rest[length:]
        return int(lines[0].split()[1]), json.loads(rest[:length] or b"null")

    def answer(self):
        while True:
            got = self.take()
            if got:
                return got

    def call(self, operation, **members):
        self.send(operation, **members)
        status, body = self.answer()
        if status != 200:
            raise RuntimeError(f"{operation}: {status} {body}")
        return body


class Server:
    def __init__(self, binary, folder):
        self.log = open(os.path.join(folder, "log"), "wb")
        self.process = subprocess.Popen(
            [binary, "serve", "--listen", "127.0.0.1:0", "--store", f"sqlite:{folder}/store.db", "--log-level", "warn"],
            stdout=subprocess.PIPE, stderr=self.log)
        self.port = int(self.process.stdout.readline().decode().rsplit(":", 1)[1])

    def resident(self):
        with open(f"/proc/{self.process.pid}/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")

    def metric(self, name):
        connection = socket.create_connection(("127.0.0.1", self.port))
        connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        text = b""
        while True:
            got = connection.recv(65536)
            if not got:
                break
            text += got
        connection.close()
        return next(float(line.split()[-1]) for line in text.decode().splitlines() if line.startswith(name + " "))


def percentile(sorted_values, part):
    return sorted_values[min(len(sorted_values) - 1, int(len(sorted_values) * part))]


def times(values):
    values = sorted(values)
    return {"p50_ms": round(percentile(values, 0.5) * 1000, 3), "p99_ms": round(percentile(values, 0.99) * 1000, 3),
            "max_ms": round(values[-1] * 1000, 3)}


def measure_idle(server, count):
    before = server.resident()
    clients = [Client(server.port) for _ in range(count)]
    for client in clients:
        client.send("ListActivities")
    for client in clients:
        client.answer()
    time.sleep(0.5)
    cost = server.resident() - before
    return clients, {"connections": count, "bytes_each": cost // count}


def begin_polls(server, clients, activity):
    before = server.resident()
    for i, client in enumerate(clients):
        client.send("GetActivityTask", activityArn=activity, workerName=f"w{i}")
    until = time.monotonic() + 30
    while server.metric("ratchet_activity_polls") < len(clients):
        if time.monotonic() > until:
            raise RuntimeError("the polls did not all arrive")
        time.sleep(0.05)
    return server.resident() - before


def measure_polls(server, clients, activity, machine, tasks):
    cost = begin_polls(server, clients, activity)
    selector = selectors.DefaultSelector()
    for client in clients:
        selector.register(client, selectors.EVENT_READ)
    caller, taken = Client(server.port), []
    for _ in range(tasks):
        began = time.monotonic()
        caller.call("StartExecution", stateMachineArn=machine, input='{"n":1}')
        while True:
            ready = selector.select(timeout=10)
            if not ready:
                raise RuntimeError("no poll was given the task")
            client = ready[0][0].fileobj
            answer = client.take()
            if answer:
                break
        taken.append(time.monotonic() - began)
        if answer[0] != 200 or not answer[1].get("taskToken"):
            raise RuntimeError(f"a poll was answered {answer}")
        caller.call("SendTaskSuccess", taskToken=answer[1]["taskToken"], output="{}")
        client.send("GetActivityTask", activityArn=activity, workerName="again")
    return {"polls": len(clients), "bytes_each": cost // len(clients), "tasks": tasks, "start_to_worker": times(taken)}


def measure_slow(server, count, seconds):
    before = server.resident()
    slow, cut = [], 0
    for i in range(count):
        client = socket.create_connection(("127.0.0.1", server.port))
        if i % 2:
            client.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\nX-Amz-Target: AWSStepFunctions.ListActivities\r\n\r\n{")
        slow.append(client)
    other, taken = Client(server.port), []
    began, most, beat = time.monotonic(), 0, 0.0
    while time.monotonic() < began + seconds:
        if time.monotonic() >= beat:
            beat = time.monotonic() + 1
            for client in list(slow):
                try:
                    client.send(b"X")
                except OSError:
                    slow.remove(client)
                    cut += 1
        asked = time.monotonic()
        other.call("ListActivities")
        taken.append(time.monotonic() - asked)
        most = max(most, server.resident())
        time.sleep(0.01)
    result = {"clients": count, "seconds": seconds, "cut_off": cut, "bytes_each_most": (most - before) // count, "others": times(taken)}
    for client in slow:
        client.close()
    return result


def measure_drain(server, clients, activity):
    began = time.monotonic()
    server.process.send_signal(signal.SIGTERM)
    answered = 0
    for client in clients:
        client.socket.settimeout(15)
        try:
            answered += client.answer()[0] == 200
        except (EOFError, OSError):
            pass
    took = time.monotonic() - began
    status = server.process.wait(15)
    return {"polls": len(clients), "answered": answered, "answered_s": round(took, 3), "ended_s": round(time.monotonic() - began, 3),
            "exit_status": status}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ratchet", required=True)
    parser.add_argument("--connections", type=int, default=2000)
    parser.add_argument("--tasks", type=int, default=200)
    parser.add_argument("--slow-seconds", type=float, default=10)
    parser.add_argument("--latency-most", type=float, default=2.0, help="seconds that any answer may take")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    count = options.connections
    with tempfile.TemporaryDirectory() as folder:
        server = Server(options.ratchet, folder)
        try:
            api = Client(server.port)
            activity = api.call("CreateActivity", name="work")["activityArn"]
            definition = {"StartAt": "T", "States": {"T": {"Type": "Task", "Resource": activity, "End": True}}}
            machine = api.call("CreateStateMachine", name="m", definition=json.dumps(definition), roleArn=ROLE)["stateMachineArn"]
            figures = {}
            clients, figures["idle"] = measure_idle(server, count)
            figures["polls"] = measure_polls(server, clients, activity, machine, options.tasks)
            figures["slow"] = measure_slow(server, count, options.slow_seconds)
            figures["drain"] = measure_drain(server, clients, activity)
        finally:
            if server.process.poll() is None:
                server.process.kill()
                server.process.wait()
    if options.json:
        print(json.dumps(figures))
    else:
        for name, figure in figures.items():
            print(f"{name:6} " + "  ".join(f"{k}={v}" for k, v in figure.items()))
    bad = [name for name, part in (("polls", "start_to_worker"), ("slow", "others")) if figures[name][part]["max_ms"] > options.latency_most * 1000]
    drain = figures["drain"]
    if drain["answered"] != drain["polls"] or drain["exit_status"] != 0:
        bad.append("drain")
    if bad:
        print("FAIL " + ", ".join(bad), file=sys.stderr)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
