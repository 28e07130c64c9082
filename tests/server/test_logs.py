#!/usr/bin/env python3
"""The log of executions, as files and over the API of CloudWatch Logs: levels, data, Express, rotation, bounds, and what goes wrong."""

import http.server
import json
import os
import re
import shutil
import threading
import time

from driver import ROLE, Server, main, tests_of

GROUP = "/aws/vendedlogs/states/tests"
FILE = "+aws+vendedlogs+states+tests.log"
PASSES = {"StartAt": "P", "States": {"P": {"Type": "Pass", "End": True}}}
FAILS = {"StartAt": "F", "States": {"F": {"Type": "Fail", "Error": "E", "Cause": "because"}}}
CATCHES = {"StartAt": "T", "States": {
    "T": {"Type": "Task", "Resource": "arn:aws:lambda:us-east-1:000000000000:function:none", "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "P"}],
          "End": True},
    "P": {"Type": "Pass", "End": True}}}


class CloudWatch(http.server.BaseHTTPRequestHandler):
    """Keeps what is put. `script`: an answer (status, error name) for each request that comes, in turn; then all is well."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        data = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        target = self.headers["X-Amz-Target"]
        server = self.server
        with server.lock:
            server.calls.append((target, data))
            status, name = server.script.pop(0) if server.script else (200, None)
            if status == 200 and target == "Logs_20140328.PutLogEvents":
                server.events += data["logEvents"]
        body = b"{}" if status == 200 else json.dumps({"__type": name, "message": "no"}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def _cloud(script=()):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), CloudWatch)
    server.calls, server.events, server.lock, server.script = [], [], threading.Lock(), list(script)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def _other(context, logs, store="memory:"):
    folder = os.path.join(context.folder, "other")
    os.makedirs(folder, exist_ok=True)
    return Server(context.process.args[0], folder, store=store, config={"logs": logs})


def _logged(level="ALL", data=True, group=GROUP):
    return {"level": level, "includeExecutionData": data, "destinations": [
        {"cloudWatchLogsLogGroup": {"logGroupArn": f"arn:aws:logs:us-east-1:000000000000:log-group:{group}:*"}}]}


def _machine(server, name, definition, logging, kind="STANDARD"):
    return server.call("CreateStateMachine", name=name, definition=json.dumps(definition), roleArn=ROLE, type=kind,
                       loggingConfiguration=logging)["stateMachineArn"]


def _run(server, machine, text="{}"):
    arn = server.call("StartExecution", stateMachineArn=machine, input=text)["executionArn"]
    if ":express:" not in arn:
        server.wait(arn)
    return arn


def _metric(server, name):
    _, _, body = server.request("GET", "/metrics")
    return float(re.search(rf"^{re.escape(name)} (\S+)$", body.decode(), re.M).group(1))


def _lines(path):
    if not os.path.exists(path):
        return []
    with open(path) as file:
        return [json.loads(line) for line in file.read().splitlines()]


def _until(what, timeout=15):
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        got = what()
        if got:
            return got
        time.sleep(0.02)
    raise AssertionError("it did not happen")


# ---- files --------------------------------------------------------------------------------------------------------


def every_event_of_an_execution_is_a_line_in_the_file_of_its_group(context):
    with _other(context, {"folder": "logs"}) as server:
        arn = _run(server, _machine(server, "m", PASSES, _logged()), '{"a": 1}')
        path = os.path.join(server.folder, "logs", FILE)
        lines = _until(lambda: len(_lines(path)) == 4 and _lines(path))
    first, second, last = lines[0], lines[1], lines[-1]
    assert set(first) == {"id", "type", "details", "redrive_count", "previous_event_id", "event_timestamp", "execution_arn"}, first
    assert (first["id"], first["type"], first["previous_event_id"], first["redrive_count"]) == ("1", "ExecutionStarted", "0", "0")
    assert first["details"] == {"input": '{"a": 1}', "inputDetails": {"truncated": False}, "roleArn": ROLE}
    assert second["details"] == {"input": '{"a":1}', "inputDetails": {"truncated": False}, "name": "P"}
    assert last["type"] == "ExecutionSucceeded" and all(line["execution_arn"] == arn for line in lines)
    assert abs(int(last["event_timestamp"]) / 1000 - time.time()) < 60


def a_level_says_which_events_are_logged(context):
    wanted = {("ALL", "f"): ["ExecutionStarted", "FailStateEntered", "ExecutionFailed"], ("ERROR", "f"): ["FailStateEntered", "ExecutionFailed"],
              ("FATAL", "f"): ["ExecutionFailed"], ("OFF", "f"): [], ("FATAL", "c"): [], ("ERROR", "c"): ["LambdaFunctionFailed"], ("ERROR", "p"): []}
    definitions = {"f": FAILS, "c": CATCHES, "p": PASSES}
    with _other(context, {"folder": "logs"}) as server:
        for (level, which), types in wanted.items():
            machine = _machine(server, f"m-{level}-{which}", definitions[which], _logged(level, group=f"{level}/{which}"))
            _run(server, machine)
        folder = os.path.join(server.folder, "logs")
        assert server.stop() == 0
    for (level, which), types in wanted.items():
        found = [line["type"] for line in _lines(os.path.join(folder, f"{level}+{which}.log"))]
        assert found == types, (level, which, found)


def without_data_no_input_or_output_is_logged(context):
    with _other(context, {"folder": "logs"}) as server:
        _run(server, _machine(server, "m", PASSES, _logged(data=False)), '{"secret": "s3cr3t"}')
        path = os.path.join(server.folder, "logs", FILE)
        lines = _until(lambda: len(_lines(path)) == 4 and _lines(path))
    assert lines[-1]["details"] == {} and lines[1]["details"] == {"name": "P"}
    assert "s3cr3t" not in json.dumps(lines)


def an_express_execution_is_logged_too(context):
    with _other(context, {"folder": "logs"}) as server:
        machine = _machine(server, "m", PASSES, _logged(), "EXPRESS")
        arn = _run(server, machine)
        sync = server.call("StartSyncExecution", stateMachineArn=machine)["executionArn"]
        path = os.path.join(server.folder, "logs", FILE)
        lines = _until(lambda: len(_lines(path)) == 8 and _lines(path))
    assert [line["execution_arn"] for line in lines] == [arn] * 4 + [sync] * 4
    assert [line["id"] for line in lines[:4]] == ["1", "2", "3", "4"]


def an_event_that_is_too_long_says_that_it_was_cut(context):
    with _other(context, {"folder": "logs"}) as server:
        _run(server, _machine(server, "m", PASSES, _logged()), json.dumps("x" * 262100))
        path = os.path.join(server.folder, "logs", FILE)
        lines = _until(lambda: len(_lines(path)) == 4 and _lines(path))
    assert lines[1]["details"] == {"inputDetails": {"truncated": True}, "name": "P"}, str(lines[1])[:300]


def a_file_is_put_aside_when_it_is_full(context):
    with _other(context, {"folder": "logs", "max_bytes": 4096, "files": 3}) as server:
        machine = _machine(server, "m", PASSES, _logged())
        for _ in range(40):
            _run(server, machine)
        folder = os.path.join(server.folder, "logs")
        assert server.stop() == 0
    assert sorted(os.listdir(folder)) == [FILE, FILE + ".1", FILE + ".2"], os.listdir(folder)
    for name in os.listdir(folder):
        assert 0 < os.path.getsize(os.path.join(folder, name)) <= 4096
        assert _lines(os.path.join(folder, name)), name


def a_group_cannot_name_a_file_elsewhere(context):
    with _other(context, {"folder": "logs"}) as server:
        for i, group in enumerate(("../../up", "..", "/etc/passwd", "x" * 500, "a b\u00fc%", "y" * 500 + "z")):
            _run(server, _machine(server, f"m{i}", PASSES, _logged(group=group)))
        folder = os.path.join(server.folder, "logs")
        assert server.stop() == 0
    names = sorted(os.listdir(folder))
    assert len(names) == 6 and all(len(name) < 256 and name.endswith(".log") for name in names), names
    assert "%2E.+..+up.log" in names and "%2E..log" in names and "+etc+passwd.log" in names, names


def a_folder_that_is_gone_stops_no_execution(context):
    with _other(context, {"folder": "logs"}) as server:
        machine, folder = _machine(server, "m", PASSES, _logged()), os.path.join(server.folder, "logs")
        shutil.rmtree(folder)
        for _ in range(5):
            assert server.wait(_run(server, machine))["status"] == "SUCCEEDED"
        _until(lambda: _metric(server, 'ratchet_log_lines_dropped_total{reason="failed"}') == 20)
        assert server.log().count("the log of executions cannot") == 1, server.log()


def what_logging_says_survives_a_restart(context):
    store = f"sqlite:{context.folder}/store.db"
    with _other(context, {"folder": "logs"}, store) as server:
        machine, path = _machine(server, "m", PASSES, _logged()), os.path.join(server.folder, "logs", FILE)
    with _other(context, {"folder": "logs"}, store) as server:
        _run(server, machine)
    assert len(_lines(path)) == 4


def the_logging_of_a_machine_can_be_changed(context):
    with _other(context, {"folder": "logs"}) as server:
        machine, path = server.create("m", PASSES), os.path.join(server.folder, "logs", FILE)
        _run(server, machine)
        server.call("UpdateStateMachine", stateMachineArn=machine, loggingConfiguration=_logged())
        _run(server, machine)
        server.call("UpdateStateMachine", stateMachineArn=machine, loggingConfiguration={"level": "OFF"})
        _run(server, machine)
    assert len(_lines(path)) == 4


def mistakes_in_the_settings_are_named(context):
    for logs, where in (({"folder": 7}, "/logs/folder"), ({"files": 0}, "/logs/files"), ({"max_byte": 1}, "/logs/max_byte"),
                        ({"endpoint": "ftp://x"}, "/logs/endpoint")):
        try:
            _other(context, logs).stop()
        except AssertionError as error:
            assert "line 1" in str(error) or where in str(error), error
        else:
            raise AssertionError(f"{logs} was taken")


# ---- CloudWatch Logs -----------------------------------------------------------------------------------------------


def _types(cloud):
    return [json.loads(event["message"])["type"] for event in cloud.events]


def events_are_put_into_a_stream_of_the_group(context):
    cloud = _cloud()
    with _other(context, {"endpoint": f"http://127.0.0.1:{cloud.server_port}"}) as server:
        _run(server, _machine(server, "m", PASSES, _logged()))
        _until(lambda: len(cloud.events) == 4)
        _until(lambda: _metric(server, "ratchet_log_lines_sent_total") == 4)
    (create, made), (put, batch) = cloud.calls[0], cloud.calls[1]
    assert (create, put) == ("Logs_20140328.CreateLogStream", "Logs_20140328.PutLogEvents")
    assert made["logGroupName"] == batch["logGroupName"] == GROUP and made["logStreamName"] == batch["logStreamName"]
    assert re.fullmatch(r"states/m/\d{4}(-\d\d){4}/[0-9a-f]{8}", made["logStreamName"]), made
    times = [event["timestamp"] for event in batch["logEvents"]]
    assert times == sorted(times) and json.loads(batch["logEvents"][0]["message"])["event_timestamp"] == str(times[0])


def what_fails_for_a_while_is_sent_again_once_each(context):
    cloud = _cloud([(500, "InternalFailure"), (200, None), (400, "ThrottlingException"), (503, "ServiceUnavailable")])
    with _other(context, {"endpoint": f"http://127.0.0.1:{cloud.server_port}"}) as server:
        _run(server, _machine(server, "m", PASSES, _logged()))
        _until(lambda: len(cloud.events) >= 4)
        assert _types(cloud) == ["ExecutionStarted", "PassStateEntered", "PassStateExited", "ExecutionSucceeded"]


def what_is_refused_for_good_is_dropped_and_counted(context):
    cloud = _cloud([(200, None), (400, "InvalidParameterException")])
    with _other(context, {"endpoint": f"http://127.0.0.1:{cloud.server_port}"}) as server:
        machine = _machine(server, "m", PASSES, _logged())
        _run(server, machine)
        _until(lambda: _metric(server, 'ratchet_log_lines_dropped_total{reason="failed"}') == 4)
        _run(server, machine)
        _until(lambda: len(cloud.events) == 4)
        assert server.log().count("cannot be sent") == 1, server.log()


def a_group_that_is_not_there_stops_no_execution(context):
    cloud = _cloud([(400, "ResourceNotFoundException")] * 1000)
    with _other(context, {"endpoint": f"http://127.0.0.1:{cloud.server_port}"}) as server:
        machine = _machine(server, "m", PASSES, _logged())
        _run(server, machine)
        _until(lambda: _metric(server, 'ratchet_log_lines_dropped_total{reason="failed"}') == 4)
        _run(server, machine)
        assert len(cloud.calls) == 1


def an_endpoint_that_is_gone_costs_a_bounded_number_of_bytes(context):
    cloud = _cloud()
    port = cloud.server_port
    cloud.shutdown()
    cloud.server_close()
    with _other(context, {"endpoint": f"http://127.0.0.1:{port}", "queue_bytes": 1 << 20}) as server:
        machine = _machine(server, "m", PASSES, _logged())
        for _ in range(8):
            _run(server, machine, json.dumps("x" * 100000))
        assert _metric(server, "ratchet_log_queued_bytes") <= 1 << 20
        assert _metric(server, 'ratchet_log_lines_dropped_total{reason="queue_full"}') > 0
        began = time.monotonic()
        assert server.stop() == 0 and time.monotonic() - began < 8


def what_waits_is_sent_before_the_server_ends(context):
    cloud = _cloud()
    with _other(context, {"endpoint": f"http://127.0.0.1:{cloud.server_port}"}) as server:
        machine = _machine(server, "m", PASSES, _logged())
        for _ in range(20):
            server.call("StartExecution", stateMachineArn=machine)
        assert server.stop() == 0
    assert len(cloud.events) == 80, len(cloud.events)


if __name__ == "__main__":
    main(tests_of(globals()), Server, __doc__)
