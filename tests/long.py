#!/usr/bin/env python3
"""The long set: what ./test.sh --long runs beside the quick suites. Alone:

    tests/long.py                   all parts
    tests/long.py kill fuzz         only these

It says first how long that will take, then each minute how far it is, and ends with a table of what ran and its figures, which stays in
build-long/table.txt. What each step printed is in build-long/logs. Ctrl-C ends every process and prints the table so far. Any failure, also a
process that a step leaves behind, is exit status 1; a part whose tools are missing is skipped, and its row says so."""

import argparse
import collections
import contextlib
import ctypes
import fcntl
import glob
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
import time
import traceback

import tally

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FOLDER = os.path.join(ROOT, os.environ.get("RATCHET_LONG_BUILD", "build-long"))
CPUS = os.cpu_count() or 1
TELL_EVERY_S = 60
FIGURES_WIDTH = 110
LEFT_BEHIND_S = 5  # so long may what a step started outlive it
MINUTES_MOST = 30  # a step may take this and ten times what it should

# How much of each: option, environment variable, default, what it means.
AMOUNTS = [
    ("seeds", "RATCHET_SIMULATION_SEEDS", 100000, "seeds of the simulator"),
    ("rounds", "RATCHET_KILL_ROUNDS", 500, "kills of the server"),
    ("minutes", "RATCHET_LONG_MINUTES_PER_FUZZER", 10, "minutes for each fuzzer; may be a fraction"),
    ("power-seeds", "RATCHET_POWER_SEEDS", 2000, "seeds of power losses, of the store and of the engine"),
    ("thread-seeds", "RATCHET_TSAN_SEEDS", 60, "seeds of power losses and faults under ThreadSanitizer"),
    ("chunks", "RATCHET_CHUNKS", 1800, "chunks of the media example's video"),
]

# What has threads: the store's writer and readers, the search file's writer, logs to files, packages of functions, outgoing HTTP.
# The binary's tests drive all of them at once.
THREADED = ["store_contract", "store_power", "store_file", "search", "engine_loop", "engine_engine", "engine_children", "engine_dead_letters",
            "engine_trouble", "engine_faults", "engine_power", "connectors_exec", "connectors_function", "connectors_http", "connectors_lambda",
            "server_logs", "server_http", "console_api", "functions", "notify", "dead_letters"]

# What programs say of how much they did.
FIGURES = re.compile(r"^\s*(?:\d+ (?:seeds|kills)\b|\d+ of \d+ seeds lose|seeds \d+ to|\d+ allocations,|\d+ passed)|\[ +PASSED")


# ---- processes ------------------------------------------------------------------------------------


def adopt():
    """Whatever a step starts and orphans becomes our child, so that nothing gets away."""
    PR_SET_CHILD_SUBREAPER = 36
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def processes():
    """All that we started, and what those started: id → name."""
    parents = {}
    for path in glob.glob("/proc/[0-9]*/stat"):
        with contextlib.suppress(OSError):
            with open(path, encoding="utf-8", errors="replace") as file:
                before, _, after = file.read().rpartition(")")
            pid, _, name = before.partition(" (")
            state, parent = after.split()[:2]
            if state != "Z":
                parents[int(pid)] = (int(parent), name)
    mine, found = {os.getpid()}, {}
    while more := {pid: name for pid, (parent, name) in parents.items() if parent in mine and pid not in found}:
        mine |= set(more)
        found.update(more)
    return found


def reap(running=()):
    """Collects orphans that have ended; those in `running` are left to their owners."""
    with contextlib.suppress(ChildProcessError):
        while ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            if ended.si_pid in running:
                return
            os.waitpid(ended.si_pid, 0)


def end_all():
    """First they are asked, so that they can remove their files; then they are killed."""
    for number, patience_s in (signal.SIGINT, 3), (signal.SIGKILL, 10):
        until = time.monotonic() + patience_s
        asked = set()
        while (left := processes()) and time.monotonic() < until:
            for pid in left.keys() - asked:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
            if number == signal.SIGINT:
                asked |= set(left)
            time.sleep(0.1)
            reap()


class Step:
    """One command with a row in the table. `figures` says what it did, `judge` what is wrong though its exit status is 0, `why` what to show if it
    failed; any file that begins with `reports` is a sanitizer's and a failure."""

    def __init__(self, name, command, env=None, minutes=1.0, figures=None, judge=None, why=None, reports=None):
        self.name, self.command, self.minutes, self.judge, self.reports = name, command, minutes, judge, reports
        self.figures, self.why = figures or program_figures, why or (lambda step: last_lines(step.output()))
        self.env = {**os.environ, **(env or {})}
        self.log = f"{FOLDER}/logs/{re.sub('[^a-z0-9_]+', '_', name)}.txt"
        self.said = ""

    def begin(self):
        for path in glob.glob(f"{self.reports}*") if self.reports else []:
            os.unlink(path)
        self.began, self.told = time.monotonic(), time.monotonic()
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(self.command, cwd=ROOT, env=self.env, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            start_new_session=True)

    def output(self):
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return log.read()

    def last_line(self):
        with open(self.log, "rb") as log:
            log.seek(max(0, os.path.getsize(self.log) - 4000))
            lines = [line for line in re.split(r"[\r\n]+", log.read().decode(errors="replace")) if re.search("[a-z]", line)]
        return lines[-1].strip() if lines else ""

    def tell(self):
        """What it said last, once a minute."""
        if time.monotonic() - self.told < TELL_EVERY_S:
            return
        self.told = time.monotonic()
        if self.last_line() != self.said:
            self.said = self.last_line()
            say(f"  {clock(self.seconds())} {self.name}: {self.said[:FIGURES_WIDTH]}")

    def seconds(self):
        return time.monotonic() - self.began

    def too_long(self):
        return self.seconds() > 60 * (MINUTES_MOST + 10 * self.minutes)

    def kill(self):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def end(self, problem=None):
        """Judges it: by its exit status, a sanitizer's reports, and `problem`."""
        self.took_s = self.seconds()
        found = [path for path in glob.glob(f"{self.reports}*") if os.path.getsize(path)] if self.reports else []
        if found:
            problem = f"{len(found)} reports of the sanitizer, the first: {found[0]}"
        elif not problem and self.process.returncode < 0:
            problem = f"ended by {signal.Signals(-self.process.returncode).name}"
        elif not problem and self.process.returncode:
            problem = f"exit status {self.process.returncode}"
        elif not problem and self.judge:
            problem = self.judge(self)
        self.status = "FAILED" if problem else "ok"
        self.line = "; ".join(text for text in (problem, self.figures(self)) if text)
        say(f"  {clock(self.took_s)} {self.name}: {self.status}{': ' * bool(self.line)}{self.line}")
        if problem:
            say(quoted(self.why(self) + "".join(open(path, encoding="utf-8", errors="replace").read() for path in found[:1])))
            say(f"    the whole: {self.log}")


def quoted(text):
    return "\n".join(f"    | {line.rstrip()[:200]}" for line in text.splitlines())


def last_lines(text, count=40):
    return "\n".join(text.splitlines()[-count:]) + "\n"


def program_figures(step):
    """The lines of a program that say how much it did."""
    lines = [re.sub(r"\[ +PASSED +\] (\d+) test\(s\)\.", r"\1 tests passed", line.strip()) for line in step.output().splitlines() if FIGURES.search(line)]
    return "; ".join(re.sub("; seed .*", "", line) for line in lines)[:700]


def suites_log(pattern):
    return [json.loads(line) for path in glob.glob(pattern) for line in open(path, encoding="utf-8")]


def counts_of(test):
    with contextlib.redirect_stdout(None):
        return tally.tally(test)[0]


def suites_figures(pattern):
    """What meson's tests came to, as tally.py counts."""
    tests, counts = suites_log(pattern), collections.Counter()
    for test in tests:
        counts.update(counts_of(test))
    failed = [test["name"] for test in tests if counts_of(test)["FAILED"]]
    return (f"{len(tests)} programs: {counts['PASSED']} passed, {counts['FAILED']} failed, {counts['SKIPPED']} skipped"
            + (f"; failed: {', '.join(failed)}" if failed else ""))


def suites_failures(pattern):
    """The last lines of each that failed."""
    return "".join(f"{test['name']}: {test['result']}\n" + last_lines((test.get("stdout") or "") + "\n" + (test.get("stderr") or ""), 25)
                   for test in suites_log(pattern) if counts_of(test)["FAILED"])


# ---- the run ---------------------------------------------------------------------------------------


def say(text):
    print(text, flush=True)


def clock(seconds):
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes:4}:{seconds:02}" if minutes < 600 else f"{minutes // 60:2}h{minutes % 60:02}:{seconds:02}"


class Failed(Exception):
    """A part cannot go on."""


class Run:
    """The parts' hands: builds, runs, and keeps the rows."""

    def __init__(self, amounts):
        self.amounts = amounts
        self.rows = []  # name, seconds, status, figures
        self.running = {}

    def __getattr__(self, name):
        try:
            return self.amounts[name]
        except KeyError:
            raise AttributeError(name) from None

    def row(self, name, seconds, status, figures):
        self.rows.append((name, seconds, status, figures))

    def note(self, name, result, text):
        """For tally.py, as meson writes it."""
        with open(f"{FOLDER}/testlog.json", "a", encoding="utf-8") as log:
            log.write(json.dumps({"name": name, "stdout": text[-200000:], "stderr": "", "result": result}) + "\n")

    def steps(self, steps, at_once=1):
        """Runs these; keeps a row of each that was begun."""
        waiting = list(steps)
        while waiting or self.running:
            while waiting and len(self.running) < at_once:
                step = waiting.pop(0)
                step.begin()
                self.running[step.process.pid] = step
            time.sleep(0.2)
            reap(self.running)
            for pid, step in list(self.running.items()):
                problem = None
                if step.too_long():
                    problem = "it took too long"
                    step.kill()
                if step.process.poll() is None:
                    step.tell()
                    continue
                del self.running[pid]
                left = None if self.running else self.left_behind()
                step.end(problem or left)
                self.row(step.name, step.took_s, step.status, step.line)
        return steps

    def left_behind(self):
        until = time.monotonic() + LEFT_BEHIND_S
        while left := processes():
            if time.monotonic() > until:
                end_all()
                return "left behind: " + ", ".join(sorted(f"{name} {pid}" for pid, name in left.items()))
            time.sleep(0.1)
            reap()
        return None

    def run(self, name, command, **more):
        """A step that is one test for tally.py, or as many as it says."""
        for step in self.steps([Step(name, command, **more)]):
            self.note(step.name, "OK" if step.status == "ok" else "FAIL", step.output())

    def build(self, build, *options, targets=(), env=None):
        """Sets a build up and compiles it → its folder. Has a row only if it fails."""
        folder = f"{FOLDER}/{build}"
        commands = [["ninja", "-C", folder, *targets]]
        if not os.path.exists(f"{folder}/build.ninja"):
            commands.insert(0, ["meson", "setup", folder, "-Dtests=enabled", *options])
        for command in commands:
            step = Step(f"{build}: {command[0]}", command, env=env, minutes=20, figures=lambda step: "")
            rows = len(self.rows)
            self.steps([step])
            if step.status != "ok":
                self.note(step.name, "FAIL", step.output())
                raise Failed
            del self.rows[rows:]
        return folder

    def suites(self, name, folder, *arguments, minutes, env=None, sanitizer=None):
        """Meson's tests of that build. Servers have the tests' environment, so a sanitizer writes to files, and none is overlooked."""
        reports = f"{FOLDER}/logs/{name}.report" if sanitizer else None
        if sanitizer:
            env = {variable: f"{value}:log_path={reports}" for variable, value in sanitizer.items()} | (env or {})
        logs = f"{folder}/meson-logs/testlog*.json"  # it adds a wrapper's name
        for path in glob.glob(logs):
            os.unlink(path)
        self.steps([Step(f"{name}: suites", ["meson", "test", "-C", folder, "--no-rebuild", "--print-errorlogs", *arguments], env=env,
                         minutes=minutes, figures=lambda step: suites_figures(logs), why=lambda step: suites_failures(logs) or last_lines(step.output()),
                         judge=lambda step: None if suites_log(logs) else "no test ran", reports=reports)])
        for test in suites_log(logs):
            self.note(f"{name}: {test['name']}", test["result"], (test.get("stdout") or "") + "\n" + (test.get("stderr") or ""))
        if self.rows[-1][2] != "ok":
            self.note(f"{name}: suites", "FAIL", "")

    def table(self, began, not_run):
        for step in self.running.values():
            self.row(step.name, step.seconds(), "stopped", step.said)
        for name in not_run:
            self.row(name, 0, "not run", "")
        count = collections.Counter(status for _, _, status, _ in self.rows)
        rows = self.rows + [("all", time.monotonic() - began, "", ", ".join(f"{number} {status}" for status, number in count.items()))]
        width = max(len(name) for name in ["what ran"] + [row[0] for row in rows])
        lines = [f"| {'what ran':{width}} | min:s   | {'':7} | figures"]
        for name, seconds, status, figures in rows:
            first, *more = textwrap.wrap(figures, FIGURES_WIDTH) or [""]
            lines.append(f"| {name:{width}} | {clock(seconds)} | {status:7} | {first}")
            lines += [f"| {'':{width}} | {'':7} | {'':7} | {line}" for line in more]
        return "\n".join(lines)


# ---- the parts ---------------------------------------------------------------------------------------

PARTS = {}


def part(minutes, needs=lambda: None):
    """A function that is a part: its docstring is the help. `minutes` says how long it takes on two quiet cores, without compiling; `needs` what is missing."""

    def add(function):
        function.minutes, function.needs = minutes, needs
        PARTS[function.__name__] = function
        return function

    return add


def tool(name):
    return lambda: None if shutil.which(name) else f"needs {name} (scripts/packages long installs it)"


def libfuzzer():
    missing = tool("clang")()
    if missing:
        return missing
    program = "int LLVMFuzzerTestOneInput(const char *p, unsigned long n) { return 0; }"
    linked = subprocess.run(["clang", "-fsanitize=fuzzer", "-xc", "-", "-o", "/dev/null"], input=program.encode(), capture_output=True, check=False)
    return None if linked.returncode == 0 else "needs clang's fuzzing runtime (scripts/packages long installs it)"


def in_memory():
    """The environment of what simulates its own disk, or fails by itself: a real one only makes it slow."""
    return {"TMPDIR": "/dev/shm"} if os.access("/dev/shm", os.W_OK) else {}


def release(run, *targets):
    return run.build("release", targets=targets)


@part(lambda run: 15)
def asan(run):
    """the unit, store, sim, conformance, api, faults and crash suites under AddressSanitizer and UndefinedBehaviorSanitizer"""
    folder = run.build("asan", "-Dbuildtype=debugoptimized", "-Db_sanitize=address,undefined")
    run.suites("asan", folder, *(word for suite in ("unit", "store", "sim", "conformance", "api", "faults", "crash") for word in ("--suite", suite)),
               "--timeout-multiplier", "10", minutes=15,
               sanitizer={"ASAN_OPTIONS": "detect_leaks=1", "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1"})


@part(lambda run: 5 + run.thread_seeds / 30)
def tsan(run):
    """what has threads under ThreadSanitizer: the store, the engine, search, connectors, and the server with logs, streams and functions"""
    folder = run.build("tsan", "-Dbuildtype=debugoptimized", "-Db_sanitize=thread")
    run.suites("tsan", folder, "--timeout-multiplier", "20", *THREADED, minutes=tsan.minutes(run), env={"RATCHET_SEEDS": str(run.thread_seeds)},
               sanitizer={"TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1"})


@part(lambda run: 12, tool("valgrind"))
def valgrind(run):
    """the programs of the unit suite under valgrind, leaks included"""
    folder = run.build("valgrind", "-Dbuildtype=debugoptimized", "-Dc_args=-DRATCHET_WITHOUT_JIT")
    tests = json.loads(subprocess.run(["meson", "introspect", "--tests", folder], stdout=subprocess.PIPE, check=True).stdout)
    # Not the scripts: valgrind would not follow the servers that they start. Not what starts itself again by /proc/self/exe, which is valgrind then.
    programs = [test["name"] for test in tests if "ratchet:unit" in test["suite"] and test["cmd"][0].startswith(folder)
                and test["name"] not in ("connectors_exec", "connectors_function")]
    wrapper = "valgrind --quiet --leak-check=full --errors-for-leak-kinds=definite --error-exitcode=99 --child-silent-after-fork=yes"
    run.suites("valgrind", folder, "--timeout-multiplier", "60", "--wrapper", wrapper, *programs, minutes=12)


@part(lambda run: run.power_seeds / 500)
def power(run):
    """power losses over many seeds, of the store and of a whole engine"""
    folder = release(run, "tests/store/test_store_power", "tests/engine/test_engine_power")
    env = {"RATCHET_SEEDS": str(run.power_seeds), **in_memory()}
    steps = [Step(f"power: {name}", [f"{folder}/tests/{name}/test_{name}_power"], env=env, minutes=power.minutes(run)) for name in ("store", "engine")]
    for step in run.steps(steps, at_once=CPUS):
        run.note(step.name, "OK" if step.status == "ok" else "FAIL", step.output())


@part(lambda run: 3)
def allocation(run):
    """each single allocation of the store's script fails once, our own and SQLite's"""
    folder = release(run, "tests/store/test_store_allocation")
    run.run("allocation", [f"{folder}/tests/store/test_store_allocation"], env={"RATCHET_TEST_ALL": "1", **in_memory()}, minutes=3)


@part(lambda run: run.rounds / 60 + 2)
def kill(run):
    """the server is killed again and again under load"""
    folder = release(run, "ratchet")
    run.run("kill", ["tests/crash/kill.py", "--ratchet", f"{folder}/ratchet", "--rounds", str(run.rounds)], minutes=kill.minutes(run))


@part(lambda run: 2)
def faults(run):
    """full and damaged disks, locks, backups"""
    folder = release(run, "ratchet")
    run.run("faults", ["tests/faults/faults.py", "--ratchet", f"{folder}/ratchet"], minutes=2)


@part(lambda run: 3 + run.chunks / 180)
def examples(run):
    """the examples, the media example with a long video"""
    folder = release(run, "ratchet")
    run.run("examples: media", ["tests/examples/media.py", "--ratchet", f"{folder}/ratchet", "--chunks", str(run.chunks)], minutes=examples.minutes(run))
    run.run("examples: orders", ["tests/examples/orders.py", "--ratchet", f"{folder}/ratchet"])


@part(lambda run: run.seeds / 80 / 60)
def simulation(run):
    """the simulator over many seeds"""
    folder = release(run, "tests/simulation/simulation")
    run.run("simulation", [f"{folder}/tests/simulation/simulation", "--seeds", str(run.seeds), "--jobs", str(CPUS)], minutes=simulation.minutes(run))


def fuzz_targets():
    return sorted(os.path.basename(path)[len("fuzz_"):-2] for path in glob.glob(f"{ROOT}/tests/fuzz/fuzz_*.c"))


@part(lambda run: len(fuzz_targets()) * run.minutes / CPUS, libfuzzer)
def fuzz(run):
    """each libFuzzer target; what they find grows in build-long/fuzz/corpus"""
    targets = fuzz_targets()
    folder = run.build("fuzz", "-Dfuzz=true", "-Dbuildtype=debugoptimized", "-Db_sanitize=address,undefined", "-Db_lundef=false",
                       "-Dc_args=-fsanitize=fuzzer-no-link", targets=[f"tests/fuzz/fuzz_{name}" for name in targets], env={"CC": "clang"})

    def figures(step):
        text = step.output()
        runs = re.search(r"stat::number_of_executed_units: *(\d+)", text)
        cover = re.findall(r"cov: (\d+)", text)
        found = re.findall(r"(?:ERROR: .*|.*runtime error: .*|.*Assertion.*|Test unit written to .*)", text)
        return "; ".join([f"{runs[1] if runs else '?'} runs, cover {cover[-1] if cover else '?'}"] + found[:4])

    steps = []
    for name in targets:
        corpus, found = f"{folder}/corpus/{name}", f"{folder}/found/{name}/"
        os.makedirs(corpus, exist_ok=True)
        os.makedirs(found, exist_ok=True)
        given = f"{ROOT}/tests/fuzz/corpus/{name}"
        steps.append(Step(f"fuzz: {name}", [f"{folder}/tests/fuzz/fuzz_{name}", f"-max_total_time={round(60 * run.minutes)}", "-timeout=30",
                                            "-rss_limit_mb=3000", "-print_final_stats=1", f"-artifact_prefix={found}", corpus]
                          + [given] * os.path.isdir(given), env={"UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1"}, minutes=run.minutes, figures=figures))
    for step in run.steps(steps, at_once=CPUS):
        run.note(step.name, "OK" if step.status == "ok" else "FAIL", step.line)


# ---- the program -----------------------------------------------------------------------------------------


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="parts:\n" + "\n".join(f"  {name:11} {function.__doc__}" for name, function in PARTS.items()))
    for option, variable, default, meaning in AMOUNTS:
        kind = float if option == "minutes" else int
        parser.add_argument(f"--{option}", type=kind, metavar="N", default=kind(os.environ.get(variable) or default),
                            help=f"{meaning} (default: {variable}, or {default})")
    parser.add_argument("parts", nargs="*", metavar="PART", help="of those below; all if none is named")
    options = parser.parse_args()
    unknown = [name for name in options.parts if name not in PARTS]
    if unknown:
        parser.error(f"there is no part {unknown[0]!r}; there are {', '.join(PARTS)}")
    return options


def interrupt(number, frame):
    raise KeyboardInterrupt


def main():
    options = parse()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    adopt()
    os.environ.setdefault("RATCHET_TEST_DATA", f"{ROOT}/../shared")
    os.makedirs(f"{FOLDER}/logs", exist_ok=True)
    lock = open(f"{FOLDER}/lock", "w", encoding="utf-8")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit(f"long.py: another run is using {FOLDER} (RATCHET_LONG_BUILD names another folder)")
    open(f"{FOLDER}/testlog.json", "w", encoding="utf-8").close()

    run = Run({option.replace("-", "_"): getattr(options, option.replace("-", "_")) for option, *_ in AMOUNTS})
    waiting = options.parts or list(PARTS)
    missing = {name: PARTS[name].needs() for name in waiting}
    minutes = {name: PARTS[name].minutes(run) for name in waiting if not missing[name]}
    say(f"The long set: about {clock_of_minutes(sum(minutes.values()))} on two quiet cores, and some minutes of compiling.")
    for name in waiting:
        say(f"  {name:11} {f'skipped: {missing[name]}' if missing[name] else clock_of_minutes(minutes[name])}")
    began = time.monotonic()
    stopped = False
    try:
        while waiting:
            name = waiting.pop(0)
            run_part(run, name, missing[name])
    except KeyboardInterrupt:
        stopped = True
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        say("stopped: ending what runs")
        for step in run.running.values():
            step.said = step.last_line()
    finally:
        end_all()
    table = run.table(began, waiting)
    with open(f"{FOLDER}/table.txt", "w", encoding="utf-8") as file:
        file.write(table + "\n")
    say("\n" + table)
    return 130 if stopped else 1 if any(status == "FAILED" for _, _, status, _ in run.rows) else 0


def run_part(run, name, missing):
    say(f"---- {name}: {PARTS[name].__doc__}")
    if missing:
        say(f"skipped: {missing}")
        run.row(name, 0, "skipped", missing)
        run.note(name, "SKIP", f"skipped: {missing}")
        return
    try:
        PARTS[name](run)
    except Failed:
        pass  # it has its row
    except Exception as error:  # of ours: no reason to lose the other parts
        say(traceback.format_exc())
        end_all()
        run.running.clear()
        run.row(name, 0, "FAILED", f"{type(error).__name__}: {error}")
        run.note(name, "FAIL", traceback.format_exc())


def clock_of_minutes(minutes):
    hours, minutes = divmod(max(1, round(minutes)), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


if __name__ == "__main__":
    sys.exit(main())
