"""Rows about size: does it stay as fast when much is stored, while much is deleted, and when one thing is very large?"""

import json
import os
import random
import sqlite3
import statistics
import subprocess
import tempfile
import time

from harness.rows import fresh, map_of, run_one, source
from harness.server import BENCH, Server

DAY_MS = 86400000
W1_INPUT = os.path.join(BENCH, "w1-input.json")


def fill(options, folder, count):
    """A store with `count` W1 executions that have ended, made without HTTP; their machine is called bench. The system has written it to the disk when
    this returns: else it would do so while something is measured."""
    subprocess.run([f"{options.build}/bench/embedded", f"sqlite:{folder}/store.db", os.path.join(BENCH, "w1.asl.json"), W1_INPUT, str(count), "500"],
                   stdout=subprocess.DEVNULL, check=True)
    os.sync()


def open_server(options, folder, **more):
    """On a store that was filled; its machine's ARN. No search file: it would be filled at the same time."""
    server = Server(options.build, folder=folder, flags=["--search", "off"], **more)
    return server, server.call("ListStateMachines")["stateMachines"][0]["stateMachineArn"]


def p50_ms(call, times=200):
    taken = []
    for _ in range(times):
        begin = time.monotonic()
        call()
        taken.append(time.monotonic() - begin)
    return statistics.median(taken) * 1000


def growth(options):
    """W1 and reads with --stored executions in the store, each beside the first size."""
    sizes = [1000, 5000] if options.quick else [int(size) for size in options.stored.split(",")]
    figures = {}
    for size in sizes:
        with tempfile.TemporaryDirectory(prefix="ratchet-bench-", dir=os.environ.get("RATCHET_BENCH_DIR")) as folder:
            fill(options, folder, size)
            server, machine = open_server(options, folder)
            try:
                server.load(machine, W1_INPUT, 500, 50)  # warm
                some = [row["executionArn"] for row in server.call("ListExecutions", stateMachineArn=machine, maxResults=1000)["executions"]]
                loads = [server.load(machine, W1_INPUT, 1000 if options.quick else 20000, 200) for _ in range(1 if options.quick else 5)]
                load = {name: statistics.median(load[name] for load in loads) for name in ("workflows_per_s", "cpu_ms_each", "p99_ms")}
                row = {"workflows/s": load["workflows_per_s"], "cpu ms each": load["cpu_ms_each"], "p99 ms": load["p99_ms"],
                       "list 100, p50 ms": p50_ms(lambda: server.call("ListExecutions", stateMachineArn=machine, maxResults=100)),
                       "list 100 that failed, p50 ms": p50_ms(lambda: server.call("ListExecutions", stateMachineArn=machine, statusFilter="FAILED", maxResults=100)),
                       "describe, p50 ms": p50_ms(lambda: server.call("DescribeExecution", executionArn=random.choice(some))),
                       "history, p50 ms": p50_ms(lambda: server.call("GetExecutionHistory", executionArn=random.choice(some), maxResults=100)),
                       "resident MiB": server.resident_mib()}
                server.stop()
                begin = time.monotonic()
                server.start()
                row["restart, ms"] = (time.monotonic() - begin) * 1000
            finally:
                server.stop()
            figures.update({f"{name}, {size:,} stored": value for name, value in row.items()})
    for name in ("workflows/s", "cpu ms each", "list 100, p50 ms", "describe, p50 ms"):
        figures[f"{name}: most of the least, x"] = (max(figures[f"{name}, {size:,} stored"] for size in sizes) /
                                                     min(figures[f"{name}, {size:,} stored"] for size in sizes))
    return figures


def age(folder, days):
    """All that is stored becomes so much older."""
    with sqlite3.connect(f"{folder}/store.db") as store:
        store.execute("UPDATE execution SET start = start - ?1, stop = stop - ?1", (days * DAY_MS,))
    store.close()


def left_to_purge(folder, before_ms):
    store = sqlite3.connect(f"file:{folder}/store.db?mode=ro", uri=True)
    found = store.execute("SELECT 1 FROM execution INDEXED BY execution_by_start WHERE start < ? LIMIT 1", (before_ms,)).fetchone()
    store.close()
    return found is not None


def purge(options):
    """Starts while executions beyond their retention are deleted in the background (--purged)."""
    count, burst = (2000, 200) if options.quick else (options.purged, 2000)
    with tempfile.TemporaryDirectory(prefix="ratchet-bench-", dir=os.environ.get("RATCHET_BENCH_DIR")) as folder:
        fill(options, folder, count)
        age(folder, 100)
        before_ms = int(time.time() * 1000) - 50 * DAY_MS
        full = os.path.getsize(f"{folder}/store.db")
        server, machine = open_server(options, folder)
        begin, during = time.monotonic(), []
        try:
            while not during or left_to_purge(folder, before_ms):
                during.append(server.load(machine, W1_INPUT, burst, 50))
                # Half of the time nothing is asked, so that it is no race of who writes more.
                time.sleep(during[-1]["seconds"] if "seconds" in during[-1] else 0.2)
            seconds = time.monotonic() - begin
            without = [server.load(machine, W1_INPUT, burst, 50) for _ in range(max(3, min(len(during), 20)))]
        finally:
            server.stop()
        added = burst * (len(during) + len(without))
        return {"purged/s, starts beside it": count / seconds, "starts p99 ms, during": statistics.median(run["p99_ms"] for run in during),
                "starts p99 ms, without": statistics.median(run["p99_ms"] for run in without),
                "p99: during of without, x": statistics.median(run["p99_ms"] for run in during) / statistics.median(run["p99_ms"] for run in without),
                "file MiB, full": full / 1048576, f"file MiB, after {added:,} more": os.path.getsize(f"{folder}/store.db") / 1048576}


def count_to(turns):
    """A loop of Choice and Pass: four events a turn."""
    return {"StartAt": "C", "States": {
        "C": {"Type": "Choice", "Choices": [{"Variable": "$.n", "NumericLessThan": turns, "Next": "P"}], "Default": "S"},
        "P": {"Type": "Pass", "Parameters": {"n.$": "States.MathAdd($.n, 1)"}, "Next": "C"}, "S": {"Type": "Succeed"}}}


def large(options):
    """One execution of --events events, one payload of 50 MB, one Map of 100,000 items, each on a fresh server: time, and its memory at most."""
    events, payload, items = (4000, 1 << 20, 1000) if options.quick else (options.events, 50 * 1000 * 1000, 100000)
    limits = {"limits": {"history_events": 100000000, "payload_bytes": 1 << 30, "request_bytes": 1 << 30, "variables_bytes": 1 << 30,
                         "expression_bytes": 1 << 33}}
    one = {"StartAt": "P", "States": {"P": {"Type": "Pass", "Next": "Q"}, "Q": {"Type": "Pass", "Result": 1, "ResultPath": "$.more", "End": True}}}
    mapped = {"StartAt": "M", "States": {"M": map_of({"P": {"Type": "Pass", "End": True}}, ItemsPath="$.items")}}
    figures = {}
    for name, definition, value in ((f"{events:,} events", count_to(events // 4), {"n": 0}), (f"payload of {payload / 1e6:,.0f} MB", one, {"text": "x" * payload}),
                                    (f"map of {items:,} items", mapped, {"items": list(range(items))})):
        with fresh(options, config=limits) as server:
            machine = server.create("large", json.dumps(definition))
            figures[f"{name}, s"] = run_one(server, machine, value)
            figures[f"{name}, peak MiB"] = server.resident_mib("VmHWM")
            begin = time.monotonic()
            execution = server.call("ListExecutions", stateMachineArn=machine)["executions"][0]["executionArn"]
            server.call("GetExecutionHistory", executionArn=execution, maxResults=10, reverseOrder=True, includeExecutionData=False)
            figures[f"{name}, its last events, ms"] = (time.monotonic() - begin) * 1000
    return figures


def thread_seconds(pid):
    """CPU seconds of each thread."""
    seconds = {}
    for tid in os.listdir(f"/proc/{pid}/task"):
        fields = open(f"/proc/{pid}/task/{tid}/stat").read().rsplit(")", 1)[1].split()
        seconds[int(tid)] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return seconds


def threads(options):
    """Who works while W1 is started over HTTP: the loop (HTTP, deciding), the store's writer, all others."""
    with fresh(options) as server:
        machine = server.create("w1", source("w1.asl.json"))
        server.load(machine, W1_INPUT, 500, 50)
        pid = server.process.pid
        before, begin = thread_seconds(pid), time.monotonic()
        server.load(machine, W1_INPUT, 2000 if options.quick else 60000, 200)
        seconds = time.monotonic() - begin
        used = {tid: (after - before.get(tid, 0)) / seconds for tid, after in thread_seconds(pid).items()}
        others = sorted((share for tid, share in used.items() if tid != pid), reverse=True)
        return {"cores: the loop": used[pid], "cores: the busiest other": others[0], "cores: all others": sum(others[1:])}


ROWS = {"growth": growth, "purge": purge, "large": large, "threads": threads}
