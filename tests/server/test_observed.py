#!/usr/bin/env python3
"""What the server says of itself: structured log lines, traces handed on, idempotency keys, and /metrics by a strict reader of Prometheus's text."""

import http.server
import json
import os
import re
import threading

from driver import Server, main, tests_of

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"
LAMBDA = "arn:aws:lambda:us-east-1:000000000000:function:f"


class Echo(http.server.BaseHTTPRequestHandler):
    """Any request: its headers are kept."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"] or 0))
        with self.server.lock:
            self.server.seen.append(dict(self.headers))
            failing = self.server.failures > 0
            self.server.failures -= failing
        body = b"{}"
        self.send_response(500 if failing else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def _echo(failures=0):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    server.seen, server.lock, server.failures = [], threading.Lock(), failures
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def _other(context, *arguments, store="memory:", **config):
    folder = os.path.join(context.folder, "other")
    os.makedirs(folder, exist_ok=True)
    return Server(context.process.args[0], folder, *arguments, store=store, config=config)


def _lambda(**more):
    return {"StartAt": "T", "States": {"T": {"Type": "Task", "Resource": LAMBDA, "End": True, **more}}}


def _http(echo, headers):
    return {"StartAt": "T", "States": {"T": {"Type": "Task", "Resource": "arn:aws:states:::http:invoke", "End": True, "Parameters": {
        "ApiEndpoint": f"http://127.0.0.1:{echo.server_port}/", "Method": "POST", "Headers": headers, "RequestBody": {}}}}}


def _start(server, machine, headers=None, **request):
    status, _, body = server.post("StartExecution", {"stateMachineArn": machine, **request}, **(headers or {}))
    assert status == 200, body
    arn = json.loads(body)["executionArn"]
    server.wait(arn)
    return arn


def _span(header):
    version, trace, span, flags = header.split("-")
    assert version == "00" and re.fullmatch("[0-9a-f]{16}", span) and int(span, 16)
    return trace, span, flags


# ---- traces ---------------------------------------------------------------------------------------------------


def a_trace_goes_on_with_every_task(context):
    echo = _echo()
    with _other(context, lambda_endpoint=f"http://127.0.0.1:{echo.server_port}") as server:
        two = {"StartAt": "T", "States": {"T": {"Type": "Task", "Resource": LAMBDA, "Next": "U"}, "U": {"Type": "Task", "Resource": LAMBDA, "End": True}}}
        _start(server, server.create("m", two), {"traceparent": PARENT})
    spans = [_span(headers["traceparent"]) for headers in echo.seen]
    assert [span[0] for span in spans] == [TRACE] * 2 and [span[2] for span in spans] == ["01"] * 2
    assert len({span[1] for span in spans} | {"b7ad6b7169203331"}) == 3
    assert echo.seen[0]["X-Amzn-Trace-Id"] == f"Root=1-{TRACE[:8]}-{TRACE[8:]};Parent={spans[0][1]};Sampled=1"


def each_attempt_is_a_span_of_its_own(context):
    echo = _echo(failures=2)
    with _other(context, lambda_endpoint=f"http://127.0.0.1:{echo.server_port}") as server:
        retry = [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "MaxAttempts": 3, "BackoffRate": 1}]
        _start(server, server.create("m", _lambda(Retry=retry)), {"traceparent": PARENT})
    assert len(echo.seen) == 3
    assert len({headers["traceparent"] for headers in echo.seen}) == 3
    assert len({headers["Idempotency-Key"] for headers in echo.seen}) == 3


def an_x_ray_header_is_a_trace_too(context):
    echo = _echo()
    xray = f"Root=1-{TRACE[:8]}-{TRACE[8:]};Parent=53995c3f42cd8ad8;Sampled=1"
    with _other(context, lambda_endpoint=f"http://127.0.0.1:{echo.server_port}") as server:
        machine = server.create("m", _lambda())
        arn = _start(server, machine, traceHeader=xray)
        assert server.call("DescribeExecution", executionArn=arn)["traceHeader"] == xray
        arn = _start(server, machine, {"X-Amzn-Trace-Id": xray})
        assert server.call("DescribeExecution", executionArn=arn)["traceHeader"] == xray
    assert [_span(headers["traceparent"])[0] for headers in echo.seen] == [TRACE] * 2


def a_trace_that_is_none_is_ignored(context):
    echo = _echo()
    hostile = [PARENT.upper(), PARENT[:-1], PARENT + "-x", "ff" + PARENT[2:], PARENT.replace("-", "_"), "00-" + "0" * 32 + PARENT[35:],
               PARENT[:36] + "0" * 16 + "-01", "x" * 300, "", PARENT[:53] + "zz"]
    with _other(context, lambda_endpoint=f"http://127.0.0.1:{echo.server_port}") as server:
        machine = server.create("m", _lambda())
        for header in hostile:
            _start(server, machine, {"traceparent": header})
        _start(server, machine, {"traceparent": "01" + PARENT[2:] + "-more"})
    assert ["traceparent" in headers for headers in echo.seen] == [False] * len(hostile) + [True]


def a_trace_is_kept_with_the_execution(context):
    echo, store = _echo(), f"sqlite:{context.folder}/store.db"
    waits = {"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 1, "Next": "T"}, **_lambda()["States"]}}
    with _other(context, store=store) as server:
        machine = server.create("m", waits)
        status, _, body = server.post("StartExecution", {"stateMachineArn": machine}, traceparent=PARENT)
        arn = json.loads(body)["executionArn"]
    with _other(context, store=store, lambda_endpoint=f"http://127.0.0.1:{echo.server_port}") as server:
        server.wait(arn)
        assert "traceHeader" not in server.call("DescribeExecution", executionArn=arn)
    assert _span(echo.seen[0]["traceparent"])[0] == TRACE


def a_program_and_a_child_execution_have_it_too(context):
    echo = _echo()
    with _other(context, lambda_endpoint=f"http://127.0.0.1:{echo.server_port}",
                exec={"env": {"program": "/usr/bin/env", "output": "text"}}) as server:
        program = {"StartAt": "T", "States": {"T": {"Type": "Task", "Resource": "arn:ratchet:exec:::env", "End": True}}}
        arn = _start(server, server.create("p", program), {"traceparent": PARENT})
        text = json.loads(server.call("DescribeExecution", executionArn=arn)["output"])
        found = re.search(r"^TRACEPARENT=(.*)$", text, re.M).group(1)
        child = server.create("child", _lambda())
        parent = {"StartAt": "T", "States": {"T": {"Type": "Task", "Resource": "arn:aws:states:::states:startExecution.sync:2", "End": True,
                                                  "Parameters": {"StateMachineArn": child}}}}
        _start(server, server.create("parent", parent), {"traceparent": PARENT})
    assert _span(found)[0] == TRACE and _span(echo.seen[0]["traceparent"])[0] == TRACE


def a_definition_may_set_these_headers_itself(context):
    echo = _echo()
    with _other(context) as server:
        _start(server, server.create("a", _http(echo, {"idempotency-key": "mine", "Traceparent": "mine-too"})), {"traceparent": PARENT})
        arn = _start(server, server.create("b", _http(echo, {})), {"traceparent": PARENT})
        assert server.call("DescribeExecution", executionArn=arn)["status"] == "SUCCEEDED"
    lower = [{name.lower(): value for name, value in headers.items()} for headers in echo.seen]
    assert (lower[0]["idempotency-key"], lower[0]["traceparent"]) == ("mine", "mine-too")
    assert re.fullmatch(r"x-[0-9a-f]+-\d+", lower[1]["idempotency-key"]) and _span(lower[1]["traceparent"])[0] == TRACE


# ---- log lines -----------------------------------------------------------------------------------------------------


def every_line_is_json_and_says_what_it_is_about(context):
    echo = _echo()
    with _other(context, "--log-format", "json", "--log-level", "debug", lambda_endpoint=f"http://127.0.0.1:{echo.server_port}") as server:
        machine = server.create("m", _lambda())
        arn = _start(server, machine, {"traceparent": PARENT})
        server.refused("DescribeStateMachine", {"stateMachineArn": machine + 'x"\\\u00fc'})
        assert server.stop() == 0
        lines = [json.loads(line) for line in open(server.stderr_path)]
    assert all({"time", "level", "area", "message"} <= set(line) for line in lines), lines
    about = [line for line in lines if line.get("execution_arn") == arn]
    assert [line["message"] for line in about] == ["the execution has started", "the task starts", "the task has succeeded",
                                                    "the execution has ended: SUCCEEDED"], about
    task = about[1]
    assert (task["state"], task["task"], task["resource"]) == ("T", "3", LAMBDA) and task["trace_parent"] == echo.seen[0]["traceparent"]
    requests = {line["operation"]: line for line in lines if line["area"] == "http"}
    assert requests["StartExecution"]["status"] == "200" and int(requests["StartExecution"]["duration_us"]) > 0
    assert len(requests["StartExecution"]["request_id"]) == 36
    assert requests["DescribeStateMachine"]["status"] == "400" and requests["DescribeStateMachine"]["error"]


def at_the_usual_level_requests_are_not_logged(context):
    with _other(context, "--log-format", "json") as server:
        _start(server, server.create("m", {"StartAt": "P", "States": {"P": {"Type": "Pass", "End": True}}}))
        assert server.stop() == 0
        assert not [line for line in open(server.stderr_path) if '"http"' in line or "execution_arn" in line]


# ---- metrics ---------------------------------------------------------------------------------------------------------


def _parse(text):
    """Prometheus's text format, strictly → ({name: type}, {sample: value}); histograms are checked as a whole."""
    types, helped, samples, current = {}, set(), {}, None
    assert text.endswith("\n")
    for line in text.splitlines():
        if line.startswith("# HELP "):
            name = re.fullmatch(r"# HELP ([a-z_:][a-z0-9_:]*) \S.*", line).group(1)
            assert name not in helped, f"{name} has two HELP lines"
            helped.add(name)
        elif line.startswith("# TYPE "):
            name, kind = re.fullmatch(r"# TYPE ([a-z_:][a-z0-9_:]*) (counter|gauge|histogram)", line).groups()
            assert name in helped and name not in types, name
            assert (kind == "counter") == name.endswith("_total"), name
            types[name], current = kind, name
        else:
            name, labels, value = re.fullmatch(r'([a-z_:][a-z0-9_:]*)(\{(?:[a-z_]+="(?:[^"\\\n]|\\.)*",?)+\})? (\S+)', line).groups()
            allowed = {current} if types[current] != "histogram" else {current + end for end in ("_bucket", "_sum", "_count")}
            assert name in allowed, f"{name} does not belong to {current}"
            assert name + (labels or "") not in samples, line
            samples[name + (labels or "")] = float(value)
    assert helped == set(types)
    for name in (name for name, kind in types.items() if kind == "histogram"):
        series = {}
        for sample, value in samples.items():
            found = re.fullmatch(re.escape(name) + r'_bucket\{(.*?),?le="([^"]+)"\}', sample)
            if found:
                series.setdefault(found.group(1), []).append((float(found.group(2)), value))
        for labels, buckets in series.items():
            assert buckets == sorted(buckets) and buckets[-1][0] == float("inf"), (name, labels)
            assert [value for _, value in buckets] == sorted(value for _, value in buckets), (name, labels)
            tail = "{" + labels + "}" if labels else ""
            assert samples[f"{name}_count{tail}"] == buckets[-1][1] and samples[f"{name}_sum{tail}"] >= 0, (name, labels)
    return types, samples


def _metrics(server):
    status, headers, body = server.request("GET", "/metrics")
    assert status == 200 and headers["Content-Type"].startswith("text/plain; version=0.0.4")
    return _parse(body.decode())


def metrics_read_strictly_and_count_what_happened(context):
    echo = _echo(failures=1)
    with _other(context, lambda_endpoint=f"http://127.0.0.1:{echo.server_port}") as server:
        types, before = _metrics(server)
        machine = server.create("m", _lambda())
        _start(server, machine)
        for _ in range(3):
            _start(server, machine)
        waiting = server.create("w", {"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 600, "End": True}}})
        server.call("StartExecution", stateMachineArn=waiting)
        types, after = _metrics(server)

    def grown(name):
        return after[name] - before[name]

    assert grown("ratchet_executions_started_total") == 5 and after["ratchet_executions_open"] == 1
    assert grown('ratchet_executions_ended_total{status="SUCCEEDED"}') == 3 and grown('ratchet_executions_ended_total{status="FAILED"}') == 1
    assert after['ratchet_task_seconds_count{connector="lambda"}'] == 4 and after['ratchet_task_seconds_count{connector="exec"}'] == 0
    assert after["ratchet_commit_seconds_count"] >= 5 and after["ratchet_accept_to_end_seconds_count"] == 4
    assert 0 < after["ratchet_accept_to_end_seconds_sum"] < 20
    for name in ("inputs_queued", "tasks_queued", "tasks_in_flight", "store_bytes", "activity_polls", "batches_outstanding"):
        assert types["ratchet_" + name] == "gauge" and after["ratchet_" + name] >= 0, name


def metrics_do_not_grow_with_what_runs(context):
    with _other(context) as server:
        _, before = _metrics(server)
        for i in range(30):
            _start(server, server.create(f"m{i}", {"StartAt": f"P{i}", "States": {f"P{i}": {"Type": "Pass", "End": True}}}))
        _, after = _metrics(server)
    assert set(before) == set(after)


if __name__ == "__main__":
    main(tests_of(globals()), Server, __doc__)
