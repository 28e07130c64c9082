"""The rows of bench/run: each takes the options and gives {figure: number} of one run."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time

from harness.server import BENCH, Server


def source(name):
    return open(os.path.join(BENCH, name)).read()


@contextlib.contextmanager
def fresh(options, **more):
    server = Server(options.build, **more)
    try:
        yield server
    finally:
        server.remove()


@contextlib.contextmanager
def local_function(options):
    """The URL of a function that answers {"ok":true} at once."""
    process = subprocess.Popen([f"{options.build}/bench/function", "0"], stdout=subprocess.PIPE)
    try:
        yield f"http://127.0.0.1:{process.stdout.readline().decode().strip()}/"
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def input_file(value):
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        file.write(value if isinstance(value, str) else json.dumps(value))
        file.flush()
        yield file.name


def throughput(options, name, definition, input_path, count, count_one, events):
    with fresh(options) as server:
        machine = server.create(name, definition)
        server.load(machine, input_path, max(count // 20, 10), 50)  # warm
        many = server.load(machine, input_path, count, 200)
        peak = server.resident_mib("VmHWM")
        end99 = server.end_percentile(0.99)
        one = server.load(machine, input_path, count_one, 1)
        server.check_histories(machine, events)
        total = server.metric("executions_ended_total")
        server.stop()
        return {"workflows/s at 200": many["workflows_per_s"], "p50 ms at 200": many["p50_ms"], "p99 ms at 200": many["p99_ms"],
                "p50 ms at 1": one["p50_ms"], "p99 ms at 1": one["p99_ms"], "accept to end p99 ms at 200 (bucket)": end99,
                "cpu ms each": many["cpu_ms_each"], "peak MiB": peak, "bytes on disk each": server.disk_bytes() / total}


def w1(options):
    count = 2000 if options.quick else 60000
    return throughput(options, "w1", source("w1.asl.json"), os.path.join(BENCH, "w1-input.json"), count, max(count // 20, 200), 22)


def w1_embedded(options):
    with tempfile.TemporaryDirectory(prefix="ratchet-bench-", dir=os.environ.get("RATCHET_BENCH_DIR")) as folder:
        out = subprocess.run([f"{options.build}/bench/embedded", f"sqlite:{folder}/store.db", os.path.join(BENCH, "w1.asl.json"),
                              os.path.join(BENCH, "w1-input.json"), str(2000 if options.quick else 100000), "200"], stdout=subprocess.PIPE, check=True)
    figures = json.loads(out.stdout)
    return {"workflows/s": figures["workflows_per_s"], "transitions/s": figures["workflows_per_s"] * 10, "p50 ms": figures["p50_ms"],
            "p99 ms": figures["p99_ms"], "cpu ms each": figures["cpu_s_per_1000"]}


def w2(options):
    with local_function(options) as url, input_file({"endpoint": url}) as path:
        return throughput(options, "w2", source("w2.asl.json"), path, 1000 if options.quick else 10000, 100 if options.quick else 500, 27)


def run_one(server, machine, value):
    """Seconds from the start's request to the answer that says it has succeeded."""
    text = json.dumps(value)
    begin = time.monotonic()
    arn = server.call("StartExecution", stateMachineArn=machine, input=text)["executionArn"]
    while (status := server.call("DescribeExecution", executionArn=arn, includedData="METADATA_ONLY")["status"]) == "RUNNING":
        time.sleep(0.0005)
    if status != "SUCCEEDED":
        raise SystemExit(f"{arn}: {status}")
    return time.monotonic() - begin


def map_of(states, **more):
    return {"Type": "Map", "ItemProcessor": {"StartAt": next(iter(states)), "States": states}, "End": True, **more}


def w3(options):
    items = list(range(100 if options.quick else 1000))
    flat = {"StartAt": "M", "States": {"M": map_of({"P": {"Type": "Pass", "End": True}}, ItemsPath="$.items")}}
    nested = {"StartAt": "M", "States": {"M": map_of({"N": map_of({"P": {"Type": "Pass", "End": True}}, ItemsPath="$.items")}, ItemsPath="$.lists")}}
    task = {"Type": "Task", "Resource": "arn:aws:states:::http:invoke", "End": True, "ResultSelector": {"status.$": "$.StatusCode"},
            "Parameters": {"ApiEndpoint.$": "$.endpoint", "Method": "POST", "RequestBody": {"step": 1}}}
    called = {"StartAt": "M", "States": {"M": map_of({"T": task}, ItemsPath="$.items", ItemSelector={"endpoint.$": "$.endpoint"})}}
    figures = {}
    # A nested map of 40,000 items has more events than AWS's 25,000 and more payload than its 256 KiB.
    limits = {"limits": {"history_events": 1000000, "payload_bytes": 64 << 20}}
    with fresh(options, config=limits) as server, local_function(options) as url:
        machine = server.create("flat", json.dumps(flat))
        figures["ms, 1,000 items (Pass)"] = min(run_one(server, machine, {"items": items}) for _ in range(5)) * 1000
        machine = server.create("nested", json.dumps(nested))
        lists = [{"items": items} for _ in range(4 if options.quick else 40)]
        figures["ms, 40 x 1,000 items"] = run_one(server, machine, {"lists": lists}) * 1000
        machine = server.create("called", json.dumps(called))
        figures["ms, 1,000 http tasks"] = run_one(server, machine, {"endpoint": url, "items": items}) * 1000
        figures["peak MiB"] = server.resident_mib("VmHWM")
    return figures


def w4(options):
    count = 2000 if options.quick else options.waiting
    figures = {}
    with fresh(options, config={"limits": {"open_executions": count + 100000}}) as server:
        machine, other = server.create("wait", source("wait.asl.json")), server.create("w1", source("w1.asl.json"))
        with input_file({}) as path:
            subprocess.run([f"{options.build}/bench/load", "127.0.0.1", str(server.port), machine, path, str(count), "100"],
                           stdout=subprocess.DEVNULL, check=True)
        figures["MiB before the restart"] = server.resident_mib()
        server.stop()
        figures["bytes on disk each"] = server.disk_bytes() / count
        with fresh(options) as empty:
            idle = empty.resident_mib()
        server.start()
        server.call("StartExecution", stateMachineArn=other, input=source("w1-input.json"))
        figures["restart to first W1 done, ms"] = (time.monotonic() - server.begun) * 1000
        time.sleep(2)
        figures["bytes resident each after a restart"] = max(server.resident_mib() - idle, 0) * 1048576 / count
        after = server.load(other, os.path.join(BENCH, "w1-input.json"), 500 if options.quick else 20000, 200)
        figures["new W1/s beside them"] = after["workflows_per_s"]
        figures["new W1 p99 ms beside them"] = after["p99_ms"]
    return figures


def w5(options):
    """200 activity workers polling, 10,000 tasks."""
    tasks, workers = (200, 20) if options.quick else (10000, 200)
    with fresh(options) as server:
        activity = server.call("CreateActivity", name="work")["activityArn"]
        machine = server.create("w5", json.dumps({"StartAt": "T", "States": {"T": {"Type": "Task", "Resource": activity, "End": True}}}))
        out = subprocess.Popen([f"{options.build}/bench/workers", "127.0.0.1", str(server.port), activity, str(tasks), str(workers)],
                               stdout=subprocess.PIPE)
        time.sleep(0.3)
        cpu = server.cpu_s()
        begin = time.monotonic()
        with input_file({"a": 1}) as path:
            subprocess.run([f"{options.build}/bench/load", "127.0.0.1", str(server.port), machine, path, str(tasks), "100"],
                           stdout=subprocess.DEVNULL, check=True)
        server.wait_ended(tasks)
        seconds = time.monotonic() - begin
        figures = json.loads(out.communicate(timeout=60)[0])
        server.check_histories(machine, 7)
        return {"tasks/s": tasks / seconds, "task taken and answered p50 ms": figures["p50_ms"], "p99 ms": figures["p99_ms"],
                "cpu ms each": (server.cpu_s() - cpu) * 1000 / tasks, "peak MiB": server.resident_mib("VmHWM")}


def w6(options):
    """A mixed soak at about half saturation: W1, W2, W3 and waits side by side; resident memory is to stay flat."""
    duration = 3 if options.quick else options.duration
    with local_function(options) as url, fresh(options) as server, input_file({"endpoint": url}) as w2_input:
        one, two = server.create("w1", source("w1.asl.json")), server.create("w2", source("w2.asl.json"))
        soak = json.dumps({"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 2, "Next": "M"},
                                                      "M": map_of({"P": {"Type": "Pass", "End": True}}, ItemsPath="$.items")}})
        three = server.create("w6", soak)
        samples, end, failed = [], time.monotonic() + duration, []

        def repeat(machine, path, count, pause):
            while time.monotonic() < end:
                run = subprocess.run([f"{options.build}/bench/load", "127.0.0.1", str(server.port), machine, path, str(count), "20"],
                                     stdout=subprocess.DEVNULL)
                if run.returncode:
                    failed.append(machine)
                time.sleep(pause)

        with input_file({"items": list(range(100))}) as w6_input:
            threads = [threading.Thread(target=repeat, args=args) for args in ((one, os.path.join(BENCH, "w1-input.json"), 1000, 0.15),
                                                                               (two, w2_input, 200, 0.15), (three, w6_input, 50, 0.3))]
            for thread in threads:
                thread.start()
            while time.monotonic() < end:
                time.sleep(min(5, duration / 10))
                samples.append(server.resident_mib())
            for thread in threads:
                thread.join()
        server.wait_ended(server.metric("executions_started_total"))
        if failed:
            raise SystemExit("some starts were refused")
        tail = samples[len(samples) // 2:]
        return {"seconds": duration, "executions": server.metric("executions_ended_total"), "MiB at a quarter": samples[len(samples) // 4],
                "MiB, least of the second half": min(tail), "MiB, most of the second half": max(tail), "MiB at the end": samples[-1]}


def start(options):
    with fresh(options) as server:
        ready = server.ready_s * 1000
        time.sleep(0.3)
        idle = server.resident_mib()
    with tempfile.NamedTemporaryFile() as file:
        subprocess.run(["strip", "-o", file.name, f"{options.build}/ratchet"], check=True)
        size = os.path.getsize(file.name)
    return {"start to first answer, ms": ready, "idle resident MB": idle * 1.048576, "stripped binary MB": size / 1e6}


def polls(options):
    """Thousands of connections at once (bench/polls.py)."""
    sizes = ["--connections", "200", "--tasks", "20", "--slow-seconds", "2"] if options.quick else []
    done = subprocess.run([sys.executable, os.path.join(BENCH, "polls.py"), "--ratchet", f"{options.build}/ratchet", "--json", *sizes], stdout=subprocess.PIPE, check=True)
    found = json.loads(done.stdout)
    return {"bytes each idle connection": found["idle"]["bytes_each"], "bytes more each poll": found["polls"]["bytes_each"],
            "start to worker, p50 ms": found["polls"]["start_to_worker"]["p50_ms"], "start to worker, p99 ms": found["polls"]["start_to_worker"]["p99_ms"],
            "beside slow clients, p99 ms": found["slow"]["others"]["p99_ms"], "bytes each slow client": found["slow"]["bytes_each_most"],
            "polls answered at the end within, s": found["drain"]["answered_s"]}


ROWS = {"start": start, "w1": w1, "w1-embedded": w1_embedded, "w2": w2, "w3": w3, "w4": w4, "w5": w5, "w6": w6, "polls": polls}
