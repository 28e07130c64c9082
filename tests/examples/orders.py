#!/usr/bin/env python3
"""Runs the transcript in the order example's README word by word, and its workflow on a store that is killed.

    orders.py --ratchet BINARY [-k PART] [--write]

--write puts what the commands printed into the README. Compared is all but what a clock, a port or a token decides.
Needs node and curl. The last line is 'N passed, N failed, N skipped'."""

import argparse
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
import urllib.parse
import urllib.request

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
EXAMPLE = os.path.join(ROOT, "examples", "order-fulfilment")
README = os.path.join(EXAMPLE, "README.md")
END = "----- end of what the command printed -----"

# What differs from run to run.
VARIABLE = ((r"\d+(\.\d+)? (ms|s|min|h|d)\b( \d+ (s|min|h)\b)*", "TIME"), (r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+Z)?", "MOMENT"), (r"127\.0\.0\.1:\d+", "ADDRESS"),
            (r'"trace":\[.*?\]\}', "STACK"))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def read_blocks(text):
    """Lists of (command, lines that it printed), with where each block stands: its lines from and to."""
    lines, blocks, at = text.split("\n"), [], 0
    while at < len(lines):
        if lines[at] == "```console":
            begin = end = at + 1
            while lines[end] != "```":
                end += 1
            commands = []
            for line in lines[begin:end]:
                if line.startswith("$ "):
                    commands.append((line[2:], []))
                elif line != "" or commands[-1][1]:
                    commands[-1][1].append(line)
            blocks.append((begin, end, commands))
            at = end
        at += 1
    return blocks


def plain(lines):
    text = "\n".join(lines).strip()
    for pattern, word in VARIABLE:
        text = re.sub(pattern, word, text)
    return text


class Shell:
    """One bash that gets a reader's commands."""

    def __init__(self, folder, ratchet):
        # No program but the one under test is called ratchet; ports of our own, as the README's may be taken.
        os.makedirs(f"{folder}/path")
        os.symlink(ratchet, f"{folder}/path/ratchet")
        api, page = free_port(), free_port()
        env = {name: value for name, value in os.environ.items() if not name.startswith("RATCHET_")}
        self.env = {**env, "PATH": f"{folder}/path:{env['PATH']}", "HOME": folder, "RATCHET_LISTEN": f"127.0.0.1:{api}",
                    "RATCHET_ENDPOINT": f"http://127.0.0.1:{api}", "APPROVALS_LISTEN": f"127.0.0.1:{page}"}
        self.process = subprocess.Popen(["bash"], cwd=folder, env=self.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        text=True, start_new_session=True)

    def run(self, command):
        self.process.stdin.write(f"{command}\necho '{END}'\n")
        self.process.stdin.flush()
        lines = []
        while True:
            line = self.process.stdout.readline()
            assert line, f"the shell ended at: {command}"
            if line.rstrip("\n").endswith(END):
                return lines + ([line[:line.index(END)]] if not line.startswith(END) else [])
            lines.append(line.rstrip("\n"))

    def end(self):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def copy_example(folder):
    os.makedirs(f"{folder}/examples")
    shutil.copytree(EXAMPLE, f"{folder}/examples/order-fulfilment", ignore=shutil.ignore_patterns("out", "__pycache__"))
    return f"{folder}/examples/order-fulfilment"


def the_readmes_transcript_is_what_happens(ratchet, folder, write):
    copy_example(folder)
    with open(README) as file:
        text = file.read()
    lines, blocks = text.split("\n"), read_blocks(text)
    assert sum(len(commands) for _, _, commands in blocks) > 20, "the README has no transcript"
    shell, wrong = Shell(folder, ratchet), []
    signal.signal(signal.SIGALRM, lambda *_: shell.end())
    signal.alarm(240)
    try:
        for begin, end, commands in blocks:
            printed = []
            for command, wanted in commands:
                found = shell.run(command)
                printed += ["$ " + command, *found]
                if plain(found) != plain(wanted):
                    wrong.append(f"$ {command}\nwanted:\n{plain(wanted)}\nfound:\n{plain(found)}")
            lines[begin:end] = [None] * (end - begin - 1) + ["\n".join(printed)]
    finally:
        signal.alarm(0)
        shell.end()
    if write:
        with open(README, "w") as file:
            file.write("\n".join(line for line in lines if line is not None).replace(folder, "/srv/ratchet"))
    else:
        assert not wrong, "\n\n".join(wrong)


class Server:
    def __init__(self, ratchet, example):
        self.ratchet, self.example, self.port = ratchet, example, free_port()
        self.env = {name: value for name, value in os.environ.items() if not name.startswith("RATCHET_")}
        self.env["RATCHET_ENDPOINT"] = f"http://127.0.0.1:{self.port}"

    def start(self):
        self.process = subprocess.Popen([self.ratchet, "serve", "--config", f"{self.example}/ratchet.yaml", "--store", f"sqlite:{self.example}/out/orders.db",
                                         "--listen", f"127.0.0.1:{self.port}", "--log-level", "warn"], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, env=self.env)
        assert self.process.stdout.readline().strip()

    def command(self, *arguments):
        done = subprocess.run([self.ratchet, *arguments], capture_output=True, text=True, timeout=60, env=self.env, stdin=subprocess.DEVNULL)
        assert done.returncode == 0, (arguments, done.stdout, done.stderr)
        return done.stdout

    def states(self, name):
        events = json.loads(self.command("history", "--json", f"orders:{name}"))
        return [event["stateEnteredEventDetails"]["name"] for event in events if "stateEnteredEventDetails" in event]


def wait_until(question, seconds, what):
    deadline = time.monotonic() + seconds
    while not (answer := question()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.05)
    return answer


def a_link_is_good_after_the_server_was_killed(ratchet, folder, _):
    """And what was charged before is not charged again."""
    example = copy_example(folder)
    os.makedirs(f"{example}/out")
    server = Server(ratchet, example)
    page = subprocess.Popen([sys.executable, f"{example}/approve.py", "127.0.0.1:0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            stdin=subprocess.DEVNULL, env=server.env, text=True)
    try:
        assert page.stdout.readline().strip()
        server.start()
        server.command("deploy", "orders", f"{example}/workflow.asl.json")
        server.command("start", "orders", "--name", "1", "--input", json.dumps(
            {"order": "1", "items": {"teapot": 1}, "total": 600, "card": "good", "address": "Main Street 1"}))
        wait_until(lambda: os.path.exists(f"{example}/out/mail/1.txt"), 30, "the mail")
        server.process.kill()
        server.process.wait()
        with open(f"{example}/out/mail/1.txt") as file:
            link = file.read().strip()
        try:
            urllib.request.urlopen(link, b"decision=approve", timeout=20)
            raise AssertionError("nobody can have taken the answer")
        except urllib.error.HTTPError as error:
            assert error.code == 502 and b"does not answer" in error.read()
        server.start()
        with urllib.request.urlopen(link, b"decision=approve", timeout=20) as answer:
            assert answer.read() == b"order 1: approved\n"
        wait_until(lambda: server.states("1")[-1] == "AwaitPickup", 20, "it goes on")
        assert server.states("1") == ["ReserveStock", "ChargePayment", "IsLarge", "AskApproval", "AwaitPickup"]
        for body, status in ((b"decision=approve", 400), (b"decision=perhaps", 400), (b"", 400), (b"x" * 10000, 400)):
            try:
                urllib.request.urlopen(link, body, timeout=20)
                raise AssertionError(f"{body[:30]} was taken")
            except urllib.error.HTTPError as error:
                assert error.code == status, (body[:30], error.code)
        with open(f"{example}/out/ledger.txt") as file:
            assert file.read() == "1: reserved 1 teapot\n1: charged 600\n"
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(30) == 0
        page.kill()
        told = page.communicate()[1]
        assert "POST / 200" in told and "token" not in told, told
    finally:
        server.process.kill()
        page.kill()
        server.process.wait()
        page.wait()


TESTS = (the_readmes_transcript_is_what_happens, a_link_is_good_after_the_server_was_killed)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--ratchet", required=True)
    parser.add_argument("-k", metavar="PART", default="", help="only tests with PART in their name")
    parser.add_argument("--write", action="store_true", help="put what was printed into the README")
    options = parser.parse_args()
    missing = [tool for tool in ("node", "curl", "bash") if not shutil.which(tool)]
    if missing:
        print(f"skipped: {', '.join(missing)} missing\n0 passed, 0 failed, 1 skipped")
        sys.exit(77)
    passed = failed = 0
    for test in TESTS:
        if options.k not in test.__name__:
            continue
        with tempfile.TemporaryDirectory() as folder:
            try:
                test(os.path.abspath(options.ratchet), folder, options.write)
                passed += 1
            except Exception:
                failed += 1
                print(f"FAILED {test.__name__}")
                traceback.print_exc(file=sys.stdout)
    print(f"{passed} passed, {failed} failed, 0 skipped")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
