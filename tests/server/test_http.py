#!/usr/bin/env python3
"""HTTP as the real binary speaks it: who may ask, bodies of every kind, clients that vanish, many connections, the end."""

import json
import os
import random
import signal
import shutil
import socket
import struct
import subprocess
import threading
import time

from driver import STATES, Server, Skipped, clean_environment, main, tests_of

LIST = "X-Amz-Target: AWSStepFunctions.ListStateMachines\r\n"
# Slow enough that a call on it waits: an activity has no task for a worker.
WAITS = {"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 600, "End": True}}}
PASSES = {"StartAt": "P", "States": {"P": {"Type": "Pass", "End": True}}}


def _raw(server, data, timeout=10, end=True):
    """Sends bytes, and reads until the server closes (or, unless `end`, once)."""
    with server.connect(timeout) as connection:
        connection.sendall(data)
        got = b""
        while True:
            part = connection.recv(65536)
            got += part
            if not part or not end:
                return got


def _post(body, headers="", host="localhost", version="1.1"):
    head = f"POST / HTTP/{version}\r\nHost: {host}\r\n{LIST}Content-Length: {len(body)}\r\n{headers}\r\n"
    return head.encode() + body


def _read_answer(connection):
    """One answer with a Content-Length → (status, headers in lower case, body)."""
    data = b""
    while b"\r\n\r\n" not in data:
        part = connection.recv(65536)
        assert part, f"closed after {data!r}"
        data += part
    head, rest = data.split(b"\r\n\r\n", 1)
    lines = head.decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines[1:])
    length = int(headers.get("content-length", 0))
    while len(rest) < length:
        part = connection.recv(65536)
        assert part, "closed in the middle of an answer"
        rest += part
    assert len(rest) == length, rest
    return int(lines[0].split()[1]), headers, rest


def _reset(connection):
    """Closes so that the other side sees a reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def _long_poll(context, arn, name="worker"):
    """A connection with a call under way that has no answer for a minute."""
    body = json.dumps({"activityArn": arn, "workerName": name}).encode()
    connection = context.connect()
    connection.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nX-Amz-Target: AWSStepFunctions.GetActivityTask\r\n"
                       b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
    return connection


# ---- answers --------------------------------------------------------------------------------------------------


def an_answer_names_its_request(context):
    seen = set()
    for _ in range(3):
        status, headers, body = context.post("ListStateMachines", {})
        assert (status, json.loads(body)) == (200, {"stateMachines": []})
        assert headers["Content-Type"] == "application/x-amz-json-1.0"
        seen.add(headers["x-amzn-RequestId"])
    assert len(seen) == 3 and all(len(one) == 36 for one in seen), seen


def an_error_has_aws_shape(context):
    status, headers, body = context.post("DescribeStateMachine", {"stateMachineArn": STATES + "stateMachine:none"})
    answer = json.loads(body)
    assert status == 400 and set(answer) == {"__type", "message"}, body
    assert answer["__type"] == "StateMachineDoesNotExist" == headers["x-amzn-ErrorType"]
    assert answer["message"] == f"State Machine Does Not Exist: '{STATES}stateMachine:none'"
    assert len(headers["x-amzn-RequestId"]) == 36


def an_unknown_operation_is_refused(context):
    assert context.refused("MakeCoffee", {})[0] == "UnknownOperationException"
    assert context.refused("", {})[0] == "UnknownOperationException"
    status, headers, body = context.request("POST", "/", "{}")
    assert status == 400 and json.loads(body)["__type"] == "UnknownOperationException" and headers["x-amzn-RequestId"]
    status, _, body = context.request("POST", "/", "{}", {"X-Amz-Target": "DynamoDB_20120810.ListTables"})
    assert status == 400 and json.loads(body)["__type"] == "UnknownOperationException"


def pages_are_there(context):
    assert context.request("GET", "/healthz")[2] == b"ok\n"
    info = json.loads(context.request("GET", "/v1/info")[2])
    assert info["region"] == "us-east-1" and info["account"] == "000000000000" and info["store"] == "memory:"
    assert b"ratchet_executions_started_total 0\n" in context.request("GET", "/metrics")[2]
    assert b"Ratchet" in context.request("GET", "/")[2]
    assert context.request("GET", "/nothing")[0] == 404
    assert context.request("GET", "/../etc/passwd")[0] == 404
    assert context.request("GET", "/healthz?x=%00")[0] == 200


def head_has_no_body(context):
    for path in ("/", "/healthz", "/metrics", "/v1/info"):
        status, headers, body = context.request("HEAD", path)
        assert status == 200 and body == b"" and int(headers["Content-Length"]) > 0, path


def other_methods_are_refused(context):
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"):
        status, headers, _ = context.request(method, "/")
        assert status == 405 and headers["Allow"] == "GET, HEAD", (method, status)
    assert context.request("POST", "/healthz", "x")[0] == 405
    assert context.request("POST", "/nothing", "x")[0] == 404


# ---- who may ask ----------------------------------------------------------------------------------------------


def only_our_own_names_are_served(context):
    def status(host):
        return int(_raw(context, _post(b"{}", host=host, headers="Connection: close\r\n")).split()[1])
    port = context.port
    for host in ("localhost", f"localhost:{port}", "LocalHost", f"127.0.0.1:{port}", f"[::1]:{port}", f"sync-localhost:{port}",
                 f"sync-127.0.0.1:{port}"):
        assert status(host) == 200, host
    for host in ("evil.example", f"evil.example:{port}", f"localhost:{port + 1}", "localhost.evil.example", "127.0.0.1.evil.example",
                 f"127.0.0.2:{port}", "[::1", "[", "", ":", "sync-", f"localhost:{port}x", f"localhost:0{port}", "localhost@evil.example"):
        assert status(host) == 403, host


def pages_of_others_are_refused(context):
    for origin, wanted in (("http://localhost", 200), (f"http://localhost:{context.port}", 200), (f"http://127.0.0.1:{context.port}", 200),
                           ("http://evil.example", 403), ("null", 403), ("https://localhost", 403), ("", 403), ("http://", 403),
                           (f"http://localhost:{context.port + 1}", 403)):
        status, headers, body = context.post("ListStateMachines", {}, Origin=origin)
        assert status == wanted, (origin, status)
        if wanted == 403:
            assert json.loads(body)["__type"] == "AccessDeniedException" == headers["x-amzn-ErrorType"]
    assert context.request("GET", "/metrics", headers={"Origin": "http://evil.example"})[0] == 403


def nobody_outside_is_listened_to(context):
    for listen, words in (("0.0.0.0:0", "loopback"), ("[::]:0", "loopback"), ("nonsense", "HOST:PORT"), ("localhost:99999", "0 to 65535"),
                          (":80", "HOST:PORT"), ("127.0.0.1:x", "0 to 65535"), ("127.0.0.1:", "0 to 65535")):
        run = subprocess.run([context.process.args[0], "serve", "--listen", listen, "--store", "memory:"], capture_output=True, text=True,
                             timeout=20)
        assert run.returncode == 2 and words in run.stderr and run.stdout == "", (listen, run)
    run = subprocess.run([context.process.args[0], "serve", "--listen", f"127.0.0.1:{context.port}", "--store", "memory:"],
                         capture_output=True, text=True, timeout=20)
    assert run.returncode == 2 and "Address already in use" in run.stderr, run


# ---- bodies ---------------------------------------------------------------------------------------------------


def a_connection_serves_many_requests(context):
    with context.connect() as connection:
        for _ in range(200):
            connection.sendall(_post(b"{}"))
            assert _read_answer(connection)[0] == 200


def requests_may_follow_each_other_unanswered(context):
    with context.connect() as connection:
        connection.sendall(_post(b"{}") * 20 + _post(b"{}", "Connection: close\r\n"))
        data = b""
        while part := connection.recv(65536):
            data += part
    assert data.count(b"HTTP/1.1 200 OK\r\n") == 21 and data.count(b'{"stateMachines":[]}') == 21


def http_1_0_is_served(context):
    got = _raw(context, f"POST / HTTP/1.0\r\n{LIST}Content-Length: 2\r\n\r\n{{}}".encode())
    assert got.split()[1] == b"200" and got.endswith(b'{"stateMachines":[]}'), got


def a_body_may_come_in_chunks(context):
    text = json.dumps({"name": "chunked", "definition": json.dumps(PASSES), "roleArn": "arn:aws:iam::000000000000:role/x"}).encode()
    with context.connect() as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nX-Amz-Target: AWSStepFunctions.CreateStateMachine\r\n"
                           b"Transfer-Encoding: chunked\r\n\r\n")
        for at in range(0, len(text), 7):
            part = text[at:at + 7]
            connection.sendall(b"%x\r\n%s\r\n" % (len(part), part))
        connection.sendall(b"0\r\n\r\n")
        status, _, body = _read_answer(connection)
        assert status == 200, body
        connection.sendall(_post(b"{}"))
        assert b'"chunked"' in _read_answer(connection)[2]


def a_client_may_wait_for_100(context):
    with context.connect() as connection:
        connection.sendall(f"POST / HTTP/1.1\r\nHost: localhost\r\n{LIST}Content-Length: 2\r\nExpect: 100-continue\r\n\r\n".encode())
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"{}")
        assert _read_answer(connection)[0] == 200


def a_body_too_large_gets_413_and_the_end(context):
    """Small ones are read to their end, so that a client that only writes hears why; large ones are not."""
    body = b" " * (1048576 + 1)
    with context.connect() as connection:
        connection.sendall(_post(body))
        status, headers, text = _read_answer(connection)
        assert status == 413 and headers["connection"] == "close" and b"RequestEntityTooLargeException" in text
        assert headers["x-amzn-errortype"].lower() == "requestentitytoolargeexception"
        assert connection.recv(1) == b""
    assert context.post("ListStateMachines", b" " * 1048574 + b"{}")[0] == 200


def a_body_that_is_announced_as_huge_is_not_read(context):
    with context.connect() as connection:
        connection.sendall(f"POST / HTTP/1.1\r\nHost: localhost\r\n{LIST}Content-Length: 99999999999\r\n\r\n".encode())
        assert _read_answer(connection)[0] == 413
    with context.connect() as connection:
        connection.sendall(f"POST / HTTP/1.1\r\nHost: localhost\r\n{LIST}Content-Length: 1048577\r\nExpect: 100-continue\r\n\r\n".encode())
        assert _read_answer(connection)[0] == 413


def chunks_without_end_are_cut_off(context):
    before, sent = context.memory_kib(), 0
    with context.connect() as connection:
        connection.sendall(f"POST / HTTP/1.1\r\nHost: localhost\r\n{LIST}Transfer-Encoding: chunked\r\n\r\n".encode())
        chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
        try:
            while sent < 200 << 20:
                connection.sendall(chunk)
                sent += len(chunk)
        except (ConnectionResetError, BrokenPipeError):
            pass
    assert sent < 32 << 20, f"{sent} bytes were taken"
    assert context.memory_kib() - before < 32 << 10


def garbage_does_no_harm(context):
    draw = random.Random(1)
    samples = [b"\0" * 1000, b"\r\n" * 5000, b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\xff" * 500,
               b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n", b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n",
               b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
               b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
               b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 20000 + b"\r\n",
               b"GET /%ff%00%2e%2e/ HTTP/1.1\r\nHost: localhost\r\n\r\n"]
    samples += [bytes(draw.randrange(256) for _ in range(draw.randrange(1, 2000))) for _ in range(100)]
    for sample in samples:
        with context.connect(0.05) as connection:
            try:
                connection.sendall(sample)
                while connection.recv(65536):
                    pass
            except (ConnectionResetError, BrokenPipeError, TimeoutError):
                pass
    assert context.post("ListStateMachines", {})[0] == 200


def a_body_that_is_no_json_is_refused(context):
    for body in (b"", b"{}"):
        assert context.post("ListStateMachines", body)[0] == 200
    for body in (b"{", b"[]", b"1", b"null", b"\xff\xfe", b'{"a":1}x', b"[" * 100000, b'{"maxResults":"1"}', b'{"maxResults":1.5}', b"\0"):
        name, message = context.refused("ListStateMachines", body)
        assert name == "SerializationException" and message, body
    deep = '{"a":' * 1000 + "1" + "}" * 1000
    assert context.refused("ListStateMachines", deep)[0] == "SerializationException"


def the_aws_command_line_is_served(context):
    aws = shutil.which("aws")
    if not aws:
        raise Skipped("aws is not here")
    env = clean_environment(context.folder, AWS_ACCESS_KEY_ID="x", AWS_SECRET_ACCESS_KEY="y", AWS_DEFAULT_REGION="us-east-1", AWS_PAGER="",
                            AWS_EC2_METADATA_DISABLED="true")

    def call(*arguments, refused=False):
        done = subprocess.run([aws, "--endpoint-url", context.url, "stepfunctions", *arguments], capture_output=True, text=True, timeout=60, env=env)
        assert refused == (done.returncode != 0), (arguments, done)
        return done.stderr if refused else json.loads(done.stdout or "{}")

    arn = call("create-state-machine", "--name", "é", "--role-arn", "arn:aws:iam::000000000000:role/x", "--definition",
               json.dumps(dict(PASSES, Comment="ü" * 5000)))["stateMachineArn"]
    execution = call("start-execution", "--state-machine-arn", arn, "--name", "e", "--input", '{"a": "ö"}')["executionArn"]
    context.wait(execution)
    assert json.loads(call("describe-execution", "--execution-arn", execution)["output"]) == {"a": "ö"}
    assert [event["type"] for event in call("get-execution-history", "--execution-arn", execution)["events"]][-1] == "ExecutionSucceeded"
    assert "(StateMachineDoesNotExist)" in call("describe-state-machine", "--state-machine-arn", STATES + "stateMachine:none", refused=True)


# ---- clients that vanish, wait, crawl ---------------------------------------------------------------------------


def clients_that_vanish_while_they_wait_leave_nothing(context):
    arn = context.call("CreateActivity", name="vanishing")["activityArn"]
    before = context.descriptors()
    polls = [_long_poll(context, arn, f"w{i}") for i in range(20)]
    time.sleep(0.3)
    for i, poll in enumerate(polls):
        _reset(poll) if i % 2 else poll.close()
    task = {"StartAt": "T", "States": {"T": {"Type": "Task", "Resource": arn, "TimeoutSeconds": 60, "End": True}}}
    machine = context.create("vanishing", task)
    execution = context.call("StartExecution", stateMachineArn=machine)["executionArn"]
    got = context.call("GetActivityTask", activityArn=arn, workerName="real")
    assert got.get("taskToken"), "the task went to a worker that had gone"
    context.call("SendTaskSuccess", taskToken=got["taskToken"], output="1")
    assert context.wait(execution)["status"] == "SUCCEEDED"
    deadline = time.monotonic() + 70
    while context.descriptors() > before + 4 and time.monotonic() < deadline:
        time.sleep(0.5)
    assert context.descriptors() <= before + 4, "connections of clients that have gone are kept"  # the search file may have been opened


def a_client_that_leaves_before_its_answer_does_no_harm(context):
    machine = context.create("leaving", PASSES)
    before = context.descriptors()
    for i in range(300):
        body = json.dumps({"stateMachineArn": machine, "name": f"e{i}"}).encode()
        connection = context.connect()
        connection.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nX-Amz-Target: AWSStepFunctions.StartExecution\r\nContent-Length: %d\r\n\r\n%s"
                           % (len(body), body))
        _reset(connection) if i % 2 else connection.close()
    time.sleep(0.5)
    assert context.post("ListStateMachines", {})[0] == 200
    assert context.descriptors() <= before + 4


def two_thousand_idle_connections_are_nothing(context):
    import resource
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 4000 and hard != resource.RLIM_INFINITY:
        raise Skipped("too few descriptors are allowed here")
    if "TSAN_OPTIONS" in os.environ:
        raise Skipped("ThreadSanitizer's own memory would be counted")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 4000), hard))
    before, connections = context.memory_kib(), []
    try:
        connections = [context.connect() for _ in range(2000)]
        for connection in connections[::100]:
            connection.sendall(_post(b"{}"))
            assert _read_answer(connection)[0] == 200
        began = time.monotonic()
        for _ in range(50):
            assert context.post("ListStateMachines", {})[0] == 200
        assert time.monotonic() - began < 5
        grown = context.memory_kib() - before
        assert grown < 80 << 10, f"{grown} KiB for 2,000 idle connections"
    finally:
        for connection in connections:
            connection.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def a_slow_client_holds_nobody_up(context):
    with context.connect() as slow:
        for byte in _post(b"{}")[:60]:
            slow.sendall(bytes([byte]))
        began = time.monotonic()
        assert context.post("ListStateMachines", {})[0] == 200
        assert time.monotonic() - began < 2
        slow.sendall(_post(b"{}")[60:])
        assert _read_answer(slow)[0] == 200


def a_client_that_does_not_read_holds_nobody_up(context):
    text = json.dumps(dict(PASSES, Comment="x" * 900000))
    arn = context.call("CreateStateMachine", name="large", definition=text, roleArn="arn:aws:iam::000000000000:role/x")["stateMachineArn"]
    body = json.dumps({"stateMachineArn": arn}).encode()
    request = b"POST / HTTP/1.1\r\nHost: localhost\r\nX-Amz-Target: AWSStepFunctions.DescribeStateMachine\r\nContent-Length: %d\r\n\r\n%s" % (
        len(body), body)
    with context.connect() as lazy:
        lazy.sendall(request * 50)
        time.sleep(0.5)
        assert context.post("ListStateMachines", {})[0] == 200
        data = 0
        lazy.sendall(_post(b"{}", "Connection: close\r\n"))
        while part := lazy.recv(1 << 20):
            data += len(part)
        assert data > 50 * 900000


# ---- the end --------------------------------------------------------------------------------------------------


def _server(context, **options):
    folder = os.path.join(context.folder, "other")
    os.makedirs(folder, exist_ok=True)
    return Server(context.process.args[0], folder, **options)


def sigterm_and_sigint_end_it_cleanly(context):
    for number in (signal.SIGTERM, signal.SIGINT):
        server = _server(context, store=f"sqlite:{context.folder}/end.db")
        server.create(f"m{number}", WAITS)
        server.call("StartExecution", stateMachineArn=f"{STATES}stateMachine:m{number}", name="e")
        with server.connect():
            began = time.monotonic()
            assert server.stop(number) == 0
            assert time.monotonic() - began < 5
    with _server(context, store=f"sqlite:{context.folder}/end.db") as server:
        for number in (signal.SIGTERM, signal.SIGINT):
            assert server.call("DescribeExecution", executionArn=f"{STATES}execution:m{number}:e")["status"] == "RUNNING"


def who_waits_is_answered_when_it_ends(context):
    server = _server(context)
    arn = server.call("CreateActivity", name="a")["activityArn"]
    with _long_poll(server, arn) as poll:
        time.sleep(0.2)
        server.process.send_signal(signal.SIGTERM)
        status, headers, body = _read_answer(poll)
        assert status in (200, 503) and headers["connection"] == "close", (status, headers, body)
        assert poll.recv(1) == b""
    assert server.stop(0) == 0


def two_signals_at_once_leave_nobody_hanging(context):
    """Whether the engine still answers or not: who waits gets an answer."""
    for _ in range(5):
        server = _server(context)
        arn = server.call("CreateActivity", name="a")["activityArn"]
        polls = [_long_poll(server, arn, f"w{i}") for i in range(20)]
        time.sleep(0.2)
        server.process.send_signal(signal.SIGTERM)
        server.process.send_signal(signal.SIGINT)
        for poll in polls:
            with poll:
                assert _read_answer(poll)[0] in (200, 503)
        # Once the loop is gone the signal has its usual effect.
        status = server.stop(0, timeout=2)
        assert status in (0, -signal.SIGINT, -signal.SIGTERM), (status, server.log())


def _wait_until_idle(server):
    """Until it has taken no time of the processor for a while: it has read and written all that it could."""
    before = None
    while (now := open(f"/proc/{server.process.pid}/stat").read().rpartition(")")[2].split()[11:13]) != before:
        before = now
        time.sleep(0.3)


def a_second_signal_ends_it_at_once(context):
    """An activity's worker waits, and a client that does not read its answer keeps the first signal from being enough."""
    server = _server(context)
    text = json.dumps(dict(PASSES, Comment="x" * 900000))
    arn = server.call("CreateStateMachine", name="large", definition=text, roleArn="arn:aws:iam::000000000000:role/x")["stateMachineArn"]
    body = json.dumps({"stateMachineArn": arn}).encode()
    with server.connect() as lazy:
        lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        lazy.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nX-Amz-Target: AWSStepFunctions.DescribeStateMachine\r\n"
                     b"Content-Length: %d\r\n\r\n%s" % (len(body), body) * 8)
        _wait_until_idle(server)
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        assert server.process.poll() is None, "it did not wait for an answer that was being sent"
        # While it drains: no new calls, not healthy, figures still there.
        status, headers, answer = server.post("ListStateMachines", {})
        assert status == 503 and headers["Retry-After"] == "1" and json.loads(answer)["__type"] == "ServiceUnavailable"
        assert server.request("GET", "/healthz")[0] == 503
        assert server.request("GET", "/metrics")[0] == 200
        began = time.monotonic()
        assert server.stop(signal.SIGTERM) == 0
        assert time.monotonic() - began < 2


def replies_under_way_are_given(context):
    """Every start is either acknowledged, and then there after the end, or refused or cut off."""
    url = f"sqlite:{context.folder}/under-way.db"
    server, acknowledged, lock = _server(context, store=url), [], threading.Lock()
    machine = server.create("m", WAITS)

    def start(worker):
        for i in range(100000):
            try:
                status, _, body = server.post("StartExecution", {"stateMachineArn": machine, "name": f"e{worker}-{i}"})
            except OSError:
                return
            if status == 503:
                return
            assert status == 200, body
            with lock:
                acknowledged.append(json.loads(body)["executionArn"])

    threads = [threading.Thread(target=start, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    assert server.stop() == 0
    for thread in threads:
        thread.join()
    assert acknowledged
    with _server(context, store=url) as server:
        for arn in acknowledged:
            assert server.call("DescribeExecution", executionArn=arn)["status"] == "RUNNING"


def a_client_that_dawdles_is_cut_off_and_one_that_waits_is_not(context):
    with _server(context, config={"limits": {"request_seconds": 1}}) as server:
        arn = server.call("CreateActivity", name="a")["activityArn"]
        poll = _long_poll(server, arn)
        header, body = server.connect(), server.connect()
        body.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\n" + LIST.encode() + b"Content-Length: 100000\r\n\r\n{")
        cut, began = set(), time.monotonic()
        while len(cut) < 2 and time.monotonic() < began + 10:
            for connection in (header, body):
                try:
                    connection.sendall(b" " if connection is body else b"P")
                except OSError:
                    cut.add(connection)
            time.sleep(0.2)
        assert len(cut) == 2 and 1 <= time.monotonic() - began < 6, (len(cut), time.monotonic() - began)
        poll.settimeout(0.5)
        try:
            assert not poll.recv(1), "the poll was answered"
            raise AssertionError("the poll was cut off")
        except TimeoutError:
            pass
        machine = server.create("m", {"StartAt": "T", "States": {"T": {"Type": "Task", "Resource": arn, "End": True}}})
        server.call("StartExecution", stateMachineArn=machine)
        poll.settimeout(10)
        status, _, answer = _read_answer(poll)
        assert status == 200 and json.loads(answer)["taskToken"]
        poll.close()


if __name__ == "__main__":
    main(tests_of(globals()), Server, __doc__)
