#!/usr/bin/env python3
"""What the program does when the machine fails it: a clear error, nothing lost, and work that goes on where the cause goes away.

    faults.py --ratchet BINARY [NAME…]

Each test is a function below; its name says what must hold. A test that needs something this machine does not allow (mounting a small
file system) is skipped, and says so. The last line is 'N passed, N failed, N skipped'."""

import argparse
import contextlib
import glob
import json
import os
import resource
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import traceback

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "crash"))
from kill import ROLE, Refused, Server  # noqa: E402

BINARY = None
PASS = {"StartAt": "P", "States": {"P": {"Type": "Pass", "End": True}}}
WAIT = {"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 2, "Next": "P"}, "P": {"Type": "Pass", "End": True}}}
MAP = {"StartAt": "M", "States": {"M": {"Type": "Map", "ItemsPath": "$.items", "MaxConcurrency": 2, "End": True, "ItemProcessor": {
    "StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 1, "Next": "P"}, "P": {"Type": "Pass", "End": True}}}}}}


class Skip(Exception):
    pass


def check(condition, message):
    if not condition:
        raise AssertionError(message)


@contextlib.contextmanager
def folder():
    path = tempfile.mkdtemp(prefix="ratchet-faults-")
    try:
        with open(f"{path}/ratchet.yaml", "w") as config:
            config.write("{}\n")
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def small_disk(size):
    """A file system of its own."""
    path = tempfile.mkdtemp(prefix="ratchet-disk-")
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", path], stderr=subprocess.DEVNULL).returncode != 0:
        os.rmdir(path)
        raise Skip("no file system can be mounted here")
    try:
        with open(f"{path}/ratchet.yaml", "w") as config:
            config.write("{}\n")
        yield path
    finally:
        subprocess.run(["umount", "-l", path], check=False)
        os.rmdir(path)


@contextlib.contextmanager
def serving(path):
    server = Server(BINARY, path)
    server.start()
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.kill()


def create(server, **definitions):
    return {name: server.call("CreateStateMachine", name=name, roleArn=ROLE, definition=json.dumps(definition))["stateMachineArn"]
            for name, definition in definitions.items()}


def start(server, machine, name=None, data=None):
    return server.call("StartExecution", stateMachineArn=machine, input=json.dumps(data if data is not None else {}),
                       **({"name": name} if name else {}))["executionArn"]


def wait_end(server, arn, patience_s=30):
    deadline = time.monotonic() + patience_s
    while True:
        described = server.call("DescribeExecution", executionArn=arn)
        if described["status"] != "RUNNING":
            return described
        check(time.monotonic() < deadline, f"{arn} is stuck")
        time.sleep(0.05)


def run(*arguments, **options):
    return subprocess.run([BINARY, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60, text=True, **options)


def cannot_serve(path, *words, store=None):
    """The server refuses to start, at once, with one clear line."""
    done = run("serve", "--listen", "127.0.0.1:0", "--store", store or f"sqlite:{path}/store.db", "--config", f"{path}/ratchet.yaml")
    check(done.returncode not in (0, 70) and done.returncode > 0, f"exit status {done.returncode}: {done.stderr}")
    lines = [line for line in done.stderr.splitlines() if line.startswith("ratchet: ")]
    check(len(lines) == 1, f"expected one line of error, found: {done.stderr}")
    for word in words:
        check(word in lines[0], f"'{word}' is not in: {lines[0]}")
    return lines[0]


def good(path):
    done = run("check", f"{path}/store.db")
    check(done.returncode == 0, f"check: {done.stdout}{done.stderr}")


# ---- disks ------------------------------------------------------------------------------------------------------


def a_full_disk_refuses_starts_loses_nothing_and_goes_on_when_there_is_room():
    with small_disk("8m") as path, serving(path) as server:
        machines = create(server, **{"pass": PASS, "wait": WAIT})
        acknowledged = [start(server, machines["wait"], f"before{i}") for i in range(20)]
        ended = start(server, machines["pass"], "ended")
        filler = open(f"{path}/filler", "wb")
        with contextlib.suppress(OSError):
            while True:
                filler.write(b"x" * 65536)
                filler.flush()
        with contextlib.suppress(OSError):
            filler.close()
        # Starts go on until one is refused, or waits: what was under way when the disk filled is kept, and answered when there is room.
        during, enough = [], threading.Event()

        def starts():
            with contextlib.suppress(Refused):
                while not enough.is_set():
                    i = len(during)
                    during.append(start(server, machines["pass"], f"during{i}", {"text": "y" * 2000}))

        starter = threading.Thread(target=starts)
        starter.start()
        seen = -1
        while starter.is_alive() and seen < len(during):
            seen = len(during)
            time.sleep(1.5)
        try:
            start(server, machines["pass"], "refused")
            check(False, "the disk is full, and a start was acknowledged")
        except Refused as refusal:
            check(refusal.name == "ServiceUnavailable", f"the disk is full, and the answer was {refusal}")
        check(server.call("DescribeExecution", executionArn=ended)["status"] == "SUCCEEDED", "reads do not go on")
        time.sleep(2.5)
        check(server.process.poll() is None, "the server ended")
        enough.set()
        os.unlink(f"{path}/filler")
        deadline = time.monotonic() + 20
        while True:
            try:
                acknowledged.append(start(server, machines["pass"], "after"))
                break
            except Refused:
                check(time.monotonic() < deadline, "there is room again, and starts are still refused")
                time.sleep(0.2)
        starter.join(30)
        for arn in acknowledged + during:
            check(wait_end(server, arn)["status"] == "SUCCEEDED", arn)
        check(server.stop() == 0, "it did not end well")
        good(path)


def a_disk_that_is_full_from_the_beginning_says_so():
    with small_disk("64k") as path:
        cannot_serve(path)


def a_read_only_disk_says_so_and_can_be_checked():
    with small_disk("16m") as path:
        with serving(path) as server:
            arn = start(server, create(server, **{"pass": PASS})["pass"], "one")
            check(server.stop() == 0, "it did not end well")
            server.log.close()
        before = open(f"{path}/store.db", "rb").read()
        check(subprocess.run(["mount", "-o", "remount,ro", path]).returncode == 0, "remount")
        cannot_serve(path, f"{path}/store.db")
        good(path)
        check(subprocess.run(["mount", "-o", "remount,rw", path]).returncode == 0, "remount")
        check(open(f"{path}/store.db", "rb").read() == before, "the file was changed")
        with serving(path) as server:
            check(server.call("DescribeExecution", executionArn=arn)["status"] == "SUCCEEDED", "it is gone")


# ---- files --------------------------------------------------------------------------------------------------------


def a_file_of_another_program_is_refused_and_left_untouched():
    with folder() as path:
        other = sqlite3.connect(f"{path}/store.db")
        other.executescript("CREATE TABLE song(name TEXT); INSERT INTO song VALUES('x')")
        other.close()
        for text in (open(f"{path}/store.db", "rb").read(), b"dear diary\n", os.urandom(10000)):
            with open(f"{path}/store.db", "wb") as file:
                file.write(text)
            cannot_serve(path, "untouched")
            for command in ("check",), ("backup",):
                done = run(*command, f"{path}/store.db", *([f"{path}/copy"] if command == ("backup",) else []))
                check(done.returncode == 2 and "untouched" in done.stderr, f"{command}: {done.returncode} {done.stderr}")
            check(open(f"{path}/store.db", "rb").read() == text, "the file was changed")
            check(not os.path.exists(f"{path}/copy"), "a backup was made of it")


def what_is_no_file_is_refused():
    with folder() as path:
        os.mkdir(f"{path}/store.db")
        cannot_serve(path, "is not a file")
        cannot_serve(path, "sqlite:PATH", store="postgresql:nowhere")
        cannot_serve(path, store="sqlite:/proc/self/nowhere/store.db")


def a_newer_schema_is_refused_and_left_untouched():
    with folder() as path:
        with serving(path) as server:
            create(server, **{"pass": PASS})
            server.stop()
        raw = sqlite3.connect(f"{path}/store.db")
        version = raw.execute("PRAGMA user_version").fetchone()[0]
        raw.execute(f"PRAGMA user_version = {version + 1}")
        raw.close()
        before = open(f"{path}/store.db", "rb").read()
        cannot_serve(path, f"version {version + 1}", "newer ratchet")
        check(run("check", f"{path}/store.db").returncode == 2, "check opened it")
        check(open(f"{path}/store.db", "rb").read() == before, "the file was changed")
        raw = sqlite3.connect(f"{path}/store.db")
        raw.execute(f"PRAGMA user_version = {version}")
        raw.close()
        with serving(path) as server:
            check(len(server.call("ListStateMachines")["stateMachines"]) == 1, "the state machine is gone")


def pages_of(path, table):
    """The numbers of the pages of a table, by walking its tree."""
    file = open(path, "rb").read()
    raw = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    size = raw.execute("PRAGMA page_size").fetchone()[0]
    todo, leaves = [raw.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", (table,)).fetchone()[0]], []
    raw.close()
    while todo:
        number = todo.pop()
        page = file[(number - 1) * size:number * size]
        if page[0] == 0x05:
            cells = int.from_bytes(page[3:5], "big")
            todo.append(int.from_bytes(page[8:12], "big"))
            for i in range(cells):
                at = int.from_bytes(page[12 + 2 * i:14 + 2 * i], "big")
                todo.append(int.from_bytes(page[at:at + 4], "big"))
        else:
            leaves.append(number)
    return leaves, size


def a_damaged_page_is_found_by_check_and_leaves_the_others_alone():
    with folder() as path:
        with serving(path) as server:
            machines = create(server, **{"pass": PASS})
            arns = [start(server, machines["pass"], f"e{i}", {"n": i, "text": "z" * 300}) for i in range(300)]
            server.stop()
        good(path)
        leaves, size = pages_of(f"{path}/store.db", "record")
        check(len(leaves) > 10, f"{len(leaves)} pages of records")
        with open(f"{path}/store.db", "r+b") as file:
            file.seek((leaves[len(leaves) // 2] - 1) * size)
            file.write(os.urandom(size))
        done = run("check", "--json", f"{path}/store.db")
        check(done.returncode == 1, f"check: {done.returncode} {done.stdout} {done.stderr}")
        found = json.loads(done.stdout)
        check(found["result"] == "DAMAGED" and any("execution" in p["where"] for p in found["problems"]), done.stdout)
        with serving(path) as server:
            whole = refused = 0
            for arn in arns:
                try:
                    described = server.call("DescribeExecution", executionArn=arn)
                    check(json.loads(described["input"])["n"] == int(arn.rsplit("e", 1)[1]), "another input")
                    whole += 1
                except Refused as refusal:
                    check(refusal.name == "InternalFailure", f"{refusal}")
                    refused += 1
            check(whole > 200 and refused > 0, f"{whole} whole, {refused} refused")


def a_wrong_row_is_found_by_check():
    with folder() as path:
        with serving(path) as server:
            machines = create(server, **{"pass": PASS, "wait": {"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 9999, "End": True}}}})
            start(server, machines["pass"], "ended")
            start(server, machines["wait"], "open")
            server.stop()
        good(path)
        whole = open(f"{path}/store.db", "rb").read()
        for sql, word in (("DELETE FROM open", "no open row"),
                          ("UPDATE open SET wake = wake + 1", "open row says"),
                          ("UPDATE execution SET status = 2 WHERE status = 1", "the list says FAILED"),
                          ("UPDATE execution SET start = start + 1", "the list says"),
                          ("DELETE FROM record WHERE number = 0", "no records"),
                          ("UPDATE record SET bytes = x'01020304' WHERE number = 0", "cannot be folded"),
                          ("UPDATE record SET bytes = substr(bytes, 1, length(bytes) - 1)", "cannot be folded"),
                          ("INSERT INTO snapshot SELECT id, 9, x'01' FROM execution", "snapshot"),
                          ("INSERT INTO open VALUES(77, 5)", "no execution"),
                          ("DELETE FROM item WHERE kind = 3", "definition"),
                          ("UPDATE execution SET machine = 99", "state machine"),
                          ("UPDATE lease SET last_execution = 1", "larger than the largest")):
            with open(f"{path}/store.db", "wb") as file:
                file.write(whole)
            raw = sqlite3.connect(f"{path}/store.db", isolation_level=None)
            raw.execute(sql)
            raw.close()
            done = run("check", f"{path}/store.db")
            check(done.returncode == 1 and word in done.stdout, f"{sql}: {done.returncode} {done.stdout} {done.stderr}")


# ---- other processes ------------------------------------------------------------------------------------------------


def a_second_server_on_a_store_is_refused():
    with folder() as path, serving(path) as server:
        cannot_serve(path, f"in use by process {server.process.pid}")
        start(server, create(server, **{"pass": PASS})["pass"])


def a_store_locked_by_another_program_is_waited_for():
    with folder() as path, serving(path) as server:
        machines = create(server, **{"pass": PASS, "wait": WAIT})
        arns = [start(server, machines["wait"], f"before{i}") for i in range(5)]
        raw = sqlite3.connect(f"{path}/store.db", isolation_level=None)
        raw.execute("BEGIN IMMEDIATE")
        answers = []

        def ask(i):
            while True:
                try:
                    answers.append(start(server, machines["pass"], f"during{i}"))
                    return
                except Refused as refusal:
                    check(refusal.name == "ServiceUnavailable", f"{refusal}")
                    time.sleep(0.1)

        threads = [threading.Thread(target=ask, args=(i,)) for i in range(5)]
        for thread in threads:
            thread.start()
        time.sleep(7)  # longer than the store waits for a lock
        check(not answers, "something was acknowledged while nothing could be written")
        check(server.process.poll() is None, "the server ended")
        server.call("DescribeExecution", executionArn=arns[0])
        raw.execute("ROLLBACK")
        raw.close()
        for thread in threads:
            thread.join(30)
        check(len(answers) == 5, f"{len(answers)} answers")
        for arn in arns + answers:
            check(wait_end(server, arn)["status"] == "SUCCEEDED", arn)
        check(server.stop() == 0, "it did not end well")
        good(path)


def without_descriptors_it_waits_and_goes_on():
    with folder() as path:
        server = Server(BINARY, path)
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, before[1]))
        wrapper = f"{path}/limited"
        with open(wrapper, "w") as script:
            script.write(f"#!/bin/sh\nulimit -Hn 64\nulimit -Sn 64\nexec {BINARY} \"$@\"\n")
        os.chmod(wrapper, 0o755)
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
        server.binary = wrapper
        server.start()
        try:
            machines = create(server, **{"pass": PASS, "wait": WAIT})
            arns = [start(server, machines["wait"], f"before{i}") for i in range(10)]
            hogs = []
            for _ in range(100):
                hog = socket.socket()
                hog.settimeout(1)
                try:
                    hog.connect(("127.0.0.1", server.port))
                except OSError:
                    break
                hogs.append(hog)
            time.sleep(2.5)
            check(server.process.poll() is None, "the server ended")
            for hog in hogs:
                hog.close()
            deadline = time.monotonic() + 30
            while True:
                try:
                    arns.append(start(server, machines["pass"], "after"))
                    break
                except OSError:
                    check(time.monotonic() < deadline, "the connections are closed, and it does not answer")
                    time.sleep(0.2)
            for arn in arns:
                check(wait_end(server, arn)["status"] == "SUCCEEDED", arn)
            check(server.stop() == 0, "it did not end well")
            good(path)
        finally:
            if server.process.poll() is None:
                server.kill()


# ---- check and backup beside a server ---------------------------------------------------------------------------------


@contextlib.contextmanager
def load(server, machines):
    """Starts all the time; yields the list of what was acknowledged."""
    acknowledged, until = [], threading.Event()

    def client(number):
        i = 0
        while not until.is_set():
            i += 1
            kind = ("pass", "wait", "map")[i % 3]
            try:
                acknowledged.append(start(server, machines[kind], f"{kind}-{number}-{i}", {"items": [1, 2, 3]}))
            except OSError:
                return

    threads = [threading.Thread(target=client, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    try:
        yield acknowledged
    finally:
        until.set()
        for thread in threads:
            thread.join()


def check_beside_a_writing_server_finds_nothing():
    with folder() as path, serving(path) as server:
        with load(server, create(server, **{"pass": PASS, "wait": WAIT, "map": MAP})):
            for _ in range(5):
                time.sleep(0.3)
                good(path)


def a_backup_of_a_running_server_is_restored_and_every_execution_goes_on():
    with folder() as path:
        with serving(path) as server:
            machines = create(server, **{"pass": PASS, "wait": WAIT, "map": MAP})
            with load(server, machines) as acknowledged:
                time.sleep(1.0)
                before = list(acknowledged)
                os.mkdir(f"{path}/copy")
                done = run("backup", "--json", f"{path}/store.db", f"{path}/copy/store.db")
                check(done.returncode == 0 and json.loads(done.stdout)["file"] == f"{path}/copy/store.db", f"{done.stdout}{done.stderr}")
                time.sleep(0.3)
            done = run("backup", f"{path}/store.db", f"{path}/copy/store.db")
            check(done.returncode == 2 and "is there already" in done.stderr, "a backup was written over another")
            server.kill()
        check(sorted(os.listdir(f"{path}/copy")) == ["store.db"], f"left behind: {os.listdir(f'{path}/copy')}")
        good(f"{path}/copy")
        opened = run("check", "--json", f"{path}/copy/store.db")
        check(json.loads(opened.stdout)["open"] > 0, "nothing was under way in the copy, so nothing is shown")
        shutil.copy(f"{path}/ratchet.yaml", f"{path}/copy/ratchet.yaml")
        with serving(f"{path}/copy") as server:
            for arn in before:
                check(wait_end(server, arn)["status"] == "SUCCEEDED", arn)
            start(server, machines["pass"], "a-new-one")
            check(server.stop() == 0, "it did not end well")
        good(f"{path}/copy")


def an_interrupted_backup_leaves_nothing():
    with folder() as path:
        with serving(path) as server:
            create(server, **{"pass": PASS})
            server.stop()
        raw = sqlite3.connect(f"{path}/store.db")
        raw.execute("CREATE TABLE ballast(bytes BLOB)")
        raw.execute("INSERT INTO ballast VALUES(zeroblob(200000000))")
        raw.commit()
        raw.close()
        process = subprocess.Popen([BINARY, "backup", f"{path}/store.db", f"{path}/copy.db"], stderr=subprocess.PIPE)
        while process.poll() is None and not glob.glob(f"{path}/copy.db*"):
            time.sleep(0.001)
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=60)
        left = [name for name in os.listdir(path) if name.startswith("copy.db")]
        check(process.returncode == 2 and not left or left == ["copy.db"] and process.returncode == 0, f"{process.returncode} {left} {error}")


TESTS = [value for value in list(globals().values()) if callable(value) and getattr(value, "__code__", None) and value.__code__.co_filename == __file__
         and value.__code__.co_argcount == 0 and value.__name__ not in ("folder", "main", "run")]


def main():
    global BINARY
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--ratchet", default="build/ratchet")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    BINARY = os.path.abspath(options.ratchet)
    passed = failed = skipped = 0
    for test in TESTS:
        if options.names and test.__name__ not in options.names:
            continue
        begin = time.monotonic()
        try:
            test()
            passed += 1
            print(f"{test.__name__}: good ({time.monotonic() - begin:.1f} s)", flush=True)
        except Skip as reason:
            skipped += 1
            print(f"skipped: {test.__name__}: {reason}", flush=True)
        except (Exception, SystemExit):
            failed += 1
            print(f"{test.__name__}: FAILED\n{traceback.format_exc()}", flush=True)
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
