"""A server of our own build on a fresh store, its figures, and load on it."""

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import http.client

BENCH = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ROLE = "arn:aws:iam::000000000000:role/bench"


def stat_cpu_s(pid):
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_kib(pid, what="VmRSS"):
    for line in open(f"/proc/{pid}/status"):
        if line.startswith(what + ":"):
            return int(line.split()[1])
    return 0


class Server:
    """`ratchet serve` on a fresh folder. `flags` are added to its command line."""

    def __init__(self, build, flags=(), config=None, folder=None):
        self.build = build
        self.flags = list(flags)
        self.folder = folder or tempfile.mkdtemp(prefix="ratchet-bench-", dir=os.environ.get("RATCHET_BENCH_DIR"))
        if config is not None:
            path = os.path.join(self.folder, "ratchet.yaml")
            with open(path, "w") as file:
                json.dump(config, file)
            self.flags += ["--config", path]
        self.start()

    def start(self):
        self.connection = None
        begin = time.monotonic()
        self.process = subprocess.Popen([f"{self.build}/ratchet", "serve", "--listen", "127.0.0.1:0", "--log-level", "warn",
                                         "--store", f"sqlite:{self.folder}/store.db", *self.flags], stdout=subprocess.PIPE)
        self.begun = begin
        self.url = self.process.stdout.readline().decode().strip()
        self.port = int(self.url.rsplit(":", 1)[1])
        self.get("/healthz")
        self.ready_s = time.monotonic() - begin

    def exchange(self, method, path, body=None, headers={}):
        """One request on a connection that is kept; the server closes one that was idle for long."""
        if self.connection is not None and time.monotonic() - self.used > 10:
            self.connection.close()
            self.connection = None
        if self.connection is None:
            self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
        self.used = time.monotonic()
        self.connection.request(method, path, body, headers)
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {text[:300]}")
        return text.decode()

    def get(self, path):
        return self.exchange("GET", path)

    def call(self, operation, **params):
        return json.loads(self.exchange("POST", "/", json.dumps(params),
                                        {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "AWSStepFunctions." + operation}))

    def create(self, name, definition):
        return self.call("CreateStateMachine", name=name, roleArn=ROLE, definition=definition)["stateMachineArn"]

    def metric(self, name):
        """The sum of a metric over its labels."""
        total = 0.0
        for line in self.get("/metrics").splitlines():
            if line.startswith("ratchet_" + name) and line[8 + len(name)] in " {":
                total += float(line.rsplit(" ", 1)[1])
        return total

    def end_percentile(self, share):
        """A percentile of accept-to-terminal-commit, ms: the upper bound of its bucket in the server's histogram."""
        rows = [line for line in self.get("/metrics").splitlines() if line.startswith("ratchet_accept_to_end_seconds_bucket")]
        counts = [(line.split('le="')[1].split('"')[0], float(line.rsplit(" ", 1)[1])) for line in rows]
        for bound, below in counts:
            if counts[-1][1] and below >= share * counts[-1][1]:
                return float("inf") if bound == "+Inf" else 1000 * float(bound)
        return 0.0

    def cpu_s(self):
        return stat_cpu_s(self.process.pid)

    def resident_mib(self, what="VmRSS"):
        return resident_kib(self.process.pid, what) / 1024

    def wait_ended(self, count):
        """Asks ever less often, to a hundredth of what it has waited: printing the metrics is the server's work too."""
        begin = time.monotonic()
        while self.metric("executions_ended_total") < count:
            time.sleep(max(0.002, (time.monotonic() - begin) / 100))

    def load(self, machine, input_file, count, concurrency):
        """Starts `count` executions and waits until all have ended; the load's figures, with workflows per second until the last end."""
        before, cpu = self.metric("executions_ended_total"), self.cpu_s()
        begin = time.monotonic()
        out = subprocess.run([f"{self.build}/bench/load", "127.0.0.1", str(self.port), machine, input_file, str(count), str(concurrency)],
                             stdout=subprocess.PIPE, check=True)
        figures = json.loads(out.stdout)
        self.wait_ended(before + count)
        seconds = time.monotonic() - begin
        figures["workflows_per_s"] = count / seconds
        figures["cpu_ms_each"] = (self.cpu_s() - cpu) * 1000 / count
        if self.call("ListExecutions", stateMachineArn=machine, statusFilter="RUNNING")["executions"]:
            raise SystemExit("some are still running")
        return figures

    def check_histories(self, machine, events, sample=100):
        """`sample` of the newest executions have succeeded, with exactly so many events, numbered without a gap."""
        for execution in self.call("ListExecutions", stateMachineArn=machine, maxResults=sample)["executions"]:
            history = self.call("GetExecutionHistory", executionArn=execution["executionArn"], maxResults=1000)["events"]
            if execution["status"] != "SUCCEEDED" or [event["id"] for event in history] != list(range(1, events + 1)):
                raise SystemExit(f"{execution['executionArn']}: {execution['status']} with {len(history)} events, not {events}")

    def disk_bytes(self):
        """All files of the store; search and work folders are not counted."""
        return sum(os.path.getsize(os.path.join(self.folder, name)) for name in os.listdir(self.folder) if name in ("store.db", "store.db-wal"))

    def stop(self):
        if self.connection:
            self.connection.close()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def remove(self):
        if self.process.poll() is None:
            self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
