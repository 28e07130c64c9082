#!/usr/bin/env python3
"""The command line as a person or a script meets it: every command, its help, what it prints and where, and its exit status."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "server"))
from driver import STATES, Server, clean_environment, main, tests_of

PASSES = {"StartAt": "Greet", "States": {"Greet": {"Type": "Pass", "Result": {"hello": "world"}, "End": True}}}
ECHOES = {"StartAt": "E", "States": {"E": {"Type": "Pass", "End": True}}}
FAILS = {"StartAt": "F", "States": {"F": {"Type": "Fail", "Error": "Sad", "Cause": "it \u001b[31mrained"}}}
WAITS = {"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 600, "End": True}}}
NAPS = {"StartAt": "N", "States": {"N": {"Type": "Wait", "Seconds": 1, "Next": "M"}, "M": {"Type": "Pass", "End": True}}}
NESTED = {"StartAt": "Both", "States": {"Both": {"Type": "Parallel", "End": True, "Branches": [
    {"StartAt": "Left", "States": {"Left": {"Type": "Pass", "End": True}}},
    {"StartAt": "Each", "States": {"Each": {"Type": "Map", "ItemsPath": "$.items", "End": True, "ItemProcessor": {
        "StartAt": "One", "States": {"One": {"Type": "Pass", "End": True}}}}}}]}}}


class Context:
    """A folder, and a server when a test asks for it."""

    def __init__(self, ratchet, folder):
        self.ratchet, self.folder, self.server = ratchet, folder, None
        self.env = clean_environment(folder)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if self.server:
            status = self.server.stop()
            assert kind or status == 0, self.server.log()

    def serve(self, **options):
        folder = os.path.join(self.folder, "server")
        os.makedirs(folder, exist_ok=True)
        self.server = Server(self.ratchet, folder, **options)
        self.env["RATCHET_ENDPOINT"] = self.server.url
        return self.server

    def file(self, name, content):
        path = os.path.join(self.folder, name)
        with open(path, "wb") as file:
            file.write(content if isinstance(content, bytes) else json.dumps(content).encode() if not isinstance(content, str) else content.encode())
        return path

    def run(self, *arguments, status=0, stdin=b"", env=None, **more):
        """→ (stdout, stderr); fails unless it ends with `status`."""
        done = subprocess.run([self.ratchet, *arguments], input=stdin, capture_output=True, timeout=30, env={**self.env, **(env or {})},
                              cwd=self.folder, **more)
        out, err = done.stdout.decode(), done.stderr.decode()
        assert done.returncode == status, f"{arguments} ended with {done.returncode}, not {status}\n{out}\n{err}"
        return out, err

    def commands(self):
        return re.findall(r"^  (\w+) ", self.run("--help")[0], re.M)


# ---- the frame ------------------------------------------------------------------------------------------------


def every_command_has_help(context):
    commands = context.commands()
    assert {"serve", "run", "validate", "explain", "deploy", "start", "stop", "ls", "show", "history"} <= set(commands)
    for command in commands:
        out, err = context.run(command, "--help")
        assert out.startswith(f"usage: ratchet {command} [OPTIONS]") and "--help" in out and not err, out
        assert all(len(line) <= 120 and line == line.rstrip() for line in out.splitlines()), out
        assert context.run(command, "-h")[0] == context.run("help", command)[0] == out
    out, _ = context.run("help")
    assert out == context.run("-h")[0] == context.run("--help")[0] and "Exit status" in out
    assert re.fullmatch(r"ratchet \d+\.\d+\.\d+\n", context.run("--version")[0])


def every_command_and_option_is_documented(context):
    """A command by name and with its help as it is; its options at least in one place of the page, or in the page of settings."""
    docs = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs")
    text = "".join(open(os.path.join(docs, name), encoding="utf-8").read() for name in ("cli.md", "configuration.md"))
    for command in context.commands():
        assert re.search(rf"ratchet {command}\b", text), f"ratchet {command} is not in docs/cli.md"
        help = context.run(command, "--help")[0]
        assert help in text, f"docs/cli.md shows another ratchet {command} --help"
        for option in re.findall(r"^  (--[\w-]+)", help, re.M):
            assert re.search(rf"{option}\b", text), f"{command} {option} is not in docs/cli.md"


def what_is_not_understood_ends_with_2(context):
    file = context.file("ok.json", PASSES)
    for arguments, words in (((), "usage"), (("brew",), "there is no command 'brew'"), (("help", "brew"), "there is no command 'brew'"),
                             (("run",), "usage: ratchet run"), (("run", file, file), "too many arguments"), (("run", "--colour", file), "no option --colour"),
                             (("run", "-x", file), "unknown option -x"), (("run", file, "--input"), "--input needs a value"),
                             (("run", file, "--json=yes"), "--json takes no value"), (("run", file, "--time-scale", "0"), "--time-scale must be"),
                             (("run", file, "--time-scale", "nan"), "--time-scale must be"), (("ls", "--limit", "5000"), "--limit must be"),
                             (("dlq", "jobs", "x/../y"), "by its number"), (("dlq", "pause", "1?"), "by its number"), (("dlq", "cancel", ""), "by its number"),
                             (("functions", "invoke", "f", "g"), "functions invoke NAME"), (("functions", "ls", "f"), "functions ls"),
                             (("functions", "alias", "f"), "functions alias NAME ALIAS"), (("functions", "rm"), "functions rm NAME"),
                             (("ls", "--status", "RUNNING"), "goes with a MACHINE"), (("serve", "--log-level", "loud"), "debug, info, warn or error"),
                             (("serve", "--time-scale", "0.5"), "from 1 to 1000000"), (("serve", "--time-scale", "2"), "only with the store memory:"),
                             (("show", "no-colon"), "give its ARN or MACHINE:NAME"), (("run", "absent.json"), "cannot read absent.json"),
                             (("run", "."), "cannot read ."), (("run", "-", "--input", "-"), "standard input cannot be both"),
                             (["run"] + ["-h"] * 65 + [file], "too many options"), (("validate", "--type", "FAST", file), "STANDARD or EXPRESS")):
        out, err = context.run(*arguments, status=2)
        assert words in err and out == "", (arguments, out, err)


def every_option_that_is_a_number_is_checked(context):
    """What is no number, or beyond its bounds, is said with what was expected; nothing is asked or done."""
    file = context.file("ok.json", PASSES)
    for command, bad in (("ls --limit", "1001"), ("search x --limit", "0"), (f"run {file} --time-scale", "1e10"), (f"graph {file} --fold", "1"),
                         ("dlq ls --limit", "0"), ("dlq export --limit", "-1"), ("dlq ls --revision", "0"), ("dlq ls --from", "2026-13-01"),
                         ("dlq ls --to", "2026-01-31 24:00:00"), ("dlq redrive --all --rate", "10001"),
                         ("dlq redrive --all --stop-error-rate", "1.5"), ("functions add f --timeout", "-"), ("functions add f --memory", "x"),
                         ("functions add f --event-retries", "x"), ("serve --store memory: --time-scale", "1000001")):
        option = command.split()[-1]
        for text in (bad, "abc", "", "1x", "99999999999999999999", "nan"):
            if text.isdigit() and (option in ("--from", "--to") or command.startswith("functions")):  # a time; bounds that the server knows
                continue
            out, err = context.run(*command.split(), text, status=2)
            assert option.lstrip("-").split("-")[0] in err and "must be" in err and out == "", (command, text, out, err)


def options_are_given_in_either_way(context):
    file = context.file("echo.json", ECHOES)
    assert json.loads(context.run("run", "--input=[1]", file)[0]) == json.loads(context.run("run", file, "--input", "[1]")[0]) == [1]
    assert json.loads(context.run("run", "--input", "1", "--input", "2", "--", file)[0]) == 2


def a_result_that_cannot_be_written_is_no_success(context):
    file = context.file("ok.json", PASSES)
    for command in (["--help"], ["run", file], ["explain", file], ["validate", file]):
        with open("/dev/full", "w") as full:
            done = subprocess.run([context.ratchet, *command], stdout=full, stderr=subprocess.PIPE, env=context.env, timeout=30)
        assert done.returncode == 1 and b"cannot write the result" in done.stderr, (command, done)
        closed = subprocess.run(["sh", "-c", 'exec "$0" "$@" >&-', context.ratchet, *command], stderr=subprocess.PIPE, env=context.env, timeout=30)
        assert closed.returncode == 1 and b"cannot write the result" in closed.stderr, (command, closed)
    done = subprocess.run(["sh", "-c", 'exec "$0" run - <&-', context.ratchet], capture_output=True, env=context.env, timeout=30)
    assert done.returncode == 2 and b"cannot read -" in done.stderr, done
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as pipe:
        done = subprocess.run([context.ratchet, "run", file], stdout=pipe, stderr=subprocess.PIPE, env=context.env, timeout=30)
    assert done.returncode in (1, -signal.SIGPIPE), done


# ---- definitions ----------------------------------------------------------------------------------------------


def validate_shows_every_mistake_with_its_place(context):
    text = '{\n  "StartAt": "A",\n  "States": {\n    "A": {"Type": "Pass", "Next": "B"},\n    "C": {"Type": "Pss", "End": true}\n  }\n}\n'
    path = context.file("bad.json", text)
    out, err = context.run("validate", path, status=2)
    assert re.search(r"bad\.json: \d+ errors\n", out), out
    assert re.search(r"bad\.json:4:\d+", err) and re.search(r"bad\.json:5:\d+", err) and "^" in err, err
    lines = err.splitlines()
    caret = next(i for i, line in enumerate(lines) if re.fullmatch(r"[\s|]*\^~*.*", line))
    assert lines[caret - 1].strip(" |").endswith(text.splitlines()[3].strip()) or text.splitlines()[4].strip() in lines[caret - 1], err
    answer = json.loads(context.run("validate", "--json", path, status=2)[0])
    assert answer["file"] == path and answer["result"] == "FAIL" and len(answer["diagnostics"]) >= 2
    assert all({"severity", "code", "message", "location", "line", "column"} <= set(d) for d in answer["diagnostics"])
    assert {d["line"] for d in answer["diagnostics"]} >= {4, 5}


def validate_takes_many_files_and_standard_input(context):
    good, bad = context.file("good.json", PASSES), context.file("bad.json", "{")
    assert context.run("validate", good)[0] == f"{good}: valid\n"
    out, err = context.run("validate", bad, "absent.json", good, status=2)
    assert f"{bad}: 1 error\n" in out and f"{good}: valid\n" in out and "cannot read absent.json" in err
    assert context.run("validate", "-", stdin=json.dumps(PASSES).encode())[0] == "-: valid\n"
    assert json.loads(context.run("validate", "--json", good)[0]) == {"file": good, "result": "OK", "diagnostics": []}
    for text in (b"", b"[]", b"null", b"\xff\xfe", b"{}" * 2, b"[" * 100000, b'{"a":' * 100000):
        assert context.run("validate", "-", stdin=text, status=2)[1], text[:20]


def explain_prints_the_states(context):
    out, err = context.run("explain", context.file("nested.json", NESTED))
    assert "Each" in out and "One" in out and out.endswith("\n") and not err
    assert context.run("explain", context.file("bad.json", "{}"), status=2)[0] == ""


# ---- run ------------------------------------------------------------------------------------------------------


def run_prints_the_output_and_nothing_else(context):
    out, err = context.run("run", context.file("ok.json", PASSES))
    assert json.loads(out) == {"hello": "world"} and re.fullmatch(r"✓ Greet  \d+ ms\n", err), (out, err)
    answer = json.loads(context.run("run", "--json", "ok.json")[0])
    assert answer["status"] == "SUCCEEDED" and answer["output"] == {"hello": "world"} and answer["duration_ms"] >= 0


def run_takes_its_input_from_everywhere(context):
    file, given = context.file("echo.json", ECHOES), context.file("in.json", '{"n": 0.10, "big": 123456789012345678901234567890}')
    assert json.loads(context.run("run", file)[0]) == {}
    assert "0.10" in context.run("run", file, "--input", "@" + given)[0] and "123456789012345678901234567890" in context.run("run", file, "--input", "@" + given)[0]
    assert json.loads(context.run("run", file, "--input", "-", stdin=b"[1, 2]")[0]) == [1, 2]
    assert json.loads(context.run("run", "-", "--input", "3", stdin=json.dumps(ECHOES).encode())[0]) == 3
    for wrong in ("{", "", "\xff", "nope"):
        assert "InvalidExecutionInput" in context.run("run", file, "--input", wrong, status=2)[1]
    assert "cannot read absent" in context.run("run", file, "--input", "@absent", status=2)[1]


def run_ends_with_1_when_the_execution_fails(context):
    out, err = context.run("run", context.file("fails.json", FAILS), status=1)
    assert out == "" and "✗ F" in err and "FAILED: Sad: it  [31mrained\n" in err and "\033" not in err, err
    answer = json.loads(context.run("run", "--json", "fails.json", status=1)[0])
    assert answer["status"] == "FAILED" and answer["error"] == "Sad" and answer["cause"] == FAILS["States"]["F"]["Cause"]


def run_refuses_an_invalid_definition(context):
    out, err = context.run("run", context.file("bad.json", '{"StartAt": "A", "States": {}}'), status=2)
    assert out == "" and "bad.json:1:" in err and "^" in err


def run_is_faster_by_time_scale(context):
    began = time.monotonic()
    out, err = context.run("run", context.file("waits.json", WAITS), "--time-scale", "1000")
    assert time.monotonic() - began < 10 and json.loads(out) == {} and "10 min" in err, err


def an_interrupt_stops_a_run(context):
    path = context.file("waits.json", WAITS)
    for number in (signal.SIGINT, signal.SIGTERM):
        process = subprocess.Popen([context.ratchet, "run", path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=context.env)
        time.sleep(0.5)
        process.send_signal(number)
        out, err = process.communicate(timeout=10)
        assert process.returncode == 1 and b"ABORTED: Ratchet.Interrupted" in err and out == b"", (process.returncode, err)


def run_leaves_no_folder_behind(context):
    temporary = os.path.join(context.folder, "tmp")
    os.mkdir(temporary)
    config = context.file("c.yaml", "exec:\n  touch: {program: touch, args: [here], output: text}\n")
    machine = context.file("t.json", {"StartAt": "T", "States": {"T": {"Type": "Task", "Resource": "arn:ratchet:exec:::touch", "End": True}}})
    context.run("run", machine, "--config", config, env={"TMPDIR": temporary})
    assert os.listdir(temporary) == []
    assert "cannot make a folder" in context.run("run", machine, env={"TMPDIR": "/proc/nowhere"}, status=2)[1]


def a_function_without_an_endpoint_is_not_found(context):
    task = {"Type": "Task", "Resource": "arn:aws:lambda:us-east-1:000000000000:function:f", "End": True}
    _, err = context.run("run", context.file("l.json", {"StartAt": "T", "States": {"T": task}}), status=1)
    assert "Lambda.ResourceNotFoundException" in err, err
    # Nobody listens there.
    _, err = context.run("run", "l.json", "--lambda-endpoint", "http://127.0.0.1:9", status=1)
    assert "Lambda." in err and "ResourceNotFound" not in err, err
    assert "http://" in context.run("run", "l.json", "--lambda-endpoint", "nonsense", status=2)[1]


def names_are_made_safe(context):
    for name in ("héllo wörld.asl.json", ".hidden", "x" * 200 + ".json", "a b;c.json"):
        assert json.loads(context.run("run", context.file(name, PASSES))[0])
    state = {"StartAt": "A\u001b[2J\u009b5mB\n", "States": {"A\u001b[2J\u009b5mB\n": {"Type": "Pass", "End": True}}}
    err = context.run("run", context.file("state.json", state))[1]
    assert "\033" not in err and "\u009b" not in err and err.count("\n") == 1, repr(err)


# ---- drawing --------------------------------------------------------------------------------------------------


def _on_a_terminal(context, *arguments, rows=24, columns=80, timeout=20):
    """What the program draws on a terminal of that size, as it stands at the end: a list of lines. Understands what tree.c uses."""
    import fcntl
    import struct
    import termios
    main_end, other = pty.openpty()
    fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    process = subprocess.Popen([context.ratchet, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=other, env=context.env,
                               cwd=context.folder)
    os.close(other)
    data, deadline = b"", time.monotonic() + timeout
    while time.monotonic() < deadline:
        if not select.select([main_end], [], [], 1)[0]:
            continue
        try:
            part = os.read(main_end, 65536)
        except OSError:
            break
        if not part:
            break
        data += part
    os.close(main_end)
    status = process.wait(5)
    screen, row, frames = [""], 0, 0
    for piece in re.findall(r"\x1b\[[?\d;]*[A-Za-z]|\r\n|\r|\n|[^\x1b\r\n]+", data.decode()):
        if piece in ("\r\n", "\n"):
            row += 1
            while len(screen) <= row:
                screen.append("")
        elif piece.endswith("A") and piece[0] == "\x1b":
            assert int(piece[2:-1]) < (rows or 24), "it goes back further than the screen has rows"
            row, frames = row - int(piece[2:-1]), frames + 1
            column_zero = True
        elif piece == "\x1b[J":
            del screen[row + 1:]
            screen[row] = ""
        elif piece == "\x1b[K" or piece[0] == "\x1b" or piece == "\r":
            pass
        else:
            screen[row] = piece
    return status, [line for line in screen if line], frames


def a_tree_is_redrawn_in_place(context):
    status, screen, frames = _on_a_terminal(context, "run", context.file("naps.json", NAPS))
    assert status == 0 and frames >= 3 and len(screen) == 2, screen
    assert screen[0].startswith("✓ N  1.0 s") and screen[1].startswith("✓ M  "), screen


def a_small_terminal_is_enough(context):
    machine = {"StartAt": "S0", "States": {f"S{i}": {"Type": "Wait", "Seconds": 1, **({"Next": f"S{i + 1}"} if i < 29 else {"End": True})} for i in range(30)}}
    path = context.file("long.json", machine)
    for rows, columns in ((6, 30), (3, 10), (1, 1), (2, 200), (0, 0)):
        status, screen, _ = _on_a_terminal(context, "run", path, "--time-scale", "20", rows=rows, columns=columns)
        assert status == 0 and screen[-1].startswith("✓"[:max(columns - 1, 1)] if columns else "✓ S29"), (rows, columns, screen)
        if rows > 3:
            assert len(screen) <= rows - 2 and "more above" in screen[0] and all(len(line) < columns for line in screen), screen


def many_iterations_are_folded(context):
    machine = {"StartAt": "M", "States": {"M": {"Type": "Map", "End": True, "ItemProcessor": {"StartAt": "P", "States": {"P": {"Type": "Pass", "End": True}}}}}}
    context.file("in.json", list(range(500)))
    status, screen, _ = _on_a_terminal(context, "run", context.file("map.json", machine), "--input", "@in.json")
    assert status == 0 and len(screen) == 1 and screen[0].startswith("✓ M  500/500"), screen


def what_failed_is_told_from_what_was_aborted(context):
    machine = {"StartAt": "P", "States": {"P": {"Type": "Parallel", "End": True, "Branches": [
        {"StartAt": "Slow", "States": {"Slow": {"Type": "Wait", "Seconds": 60, "End": True}}},
        {"StartAt": "Map", "States": {"Map": {"Type": "Map", "ItemsPath": "$", "End": True, "ItemProcessor": {"StartAt": "Odd", "States": {
            "Odd": {"Type": "Choice", "Choices": [{"Variable": "$", "NumericEquals": 2, "Next": "Bad"}], "Default": "Nap"},
            "Nap": {"Type": "Wait", "Seconds": 60, "End": True}, "Bad": {"Type": "Fail", "Error": "Two"}}}}}}]}}}
    _, err = context.run("run", context.file("m.json", machine), "--input", "[1, 2, 3]", status=1)
    lines = {re.sub(r"  .*", "", line[2:]): line[0] for line in err.splitlines()}
    assert lines["P › Slow"] == "∅" and lines["P › Map"] == "✗" and lines["P"] == "✗" and lines["P › Map#1 › Bad"] == "✗", err
    assert lines["P › Map#0 › Nap"] == "∅" and err.splitlines()[-1] == "FAILED: Two", err


def retries_are_counted(context):
    task = {"Type": "Task", "Resource": "arn:aws:lambda:us-east-1:000000000000:function:f", "End": True,
            "Retry": [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 2, "IntervalSeconds": 1, "BackoffRate": 1}]}
    path = context.file("r.json", {"StartAt": "T", "States": {"T": task}})
    _, err = context.run("run", path, "--time-scale", "10", status=1)
    assert re.match(r"✗ T  \S+ \S+  attempt 3  Lambda.ResourceNotFoundException: ", err), err
    status, screen, _ = _on_a_terminal(context, "run", path, "--time-scale", "10")
    assert status == 1 and "attempt 3" in screen[0], screen


# ---- with a server --------------------------------------------------------------------------------------------


def without_a_server_the_status_is_3(context):
    file = context.file("ok.json", PASSES)
    for arguments in (["deploy", "m", file], ["start", "m"], ["stop", "m:e"], ["ls"], ["ls", "m"], ["show", "m:e"], ["history", "m:e"]):
        out, err = context.run(*arguments, "--endpoint", "http://127.0.0.1:9", status=3)
        assert out == "" and "cannot reach a server at http://127.0.0.1:9" in err and "ratchet serve" in err, (arguments, err)
    context.run("ls", "--endpoint", "ftp://127.0.0.1", status=3)
    context.run("ls", "--endpoint", "nonsense://", status=3)
    context.run("ls", env={"RATCHET_ENDPOINT": "http://127.0.0.1:9"}, status=3)


def what_is_no_ratchet_server_is_told(context):
    import http.server
    answers = [b"<html>", b"{}", b"[]", b"1", b'{"message": 5, "__type": []}', b"", b'{"region": "x"}']

    class Other(http.server.BaseHTTPRequestHandler):
        def answer(self):
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(self.server.status)
            self.send_header("Content-Length", str(len(self.server.answer)))
            self.end_headers()
            self.wfile.write(self.server.answer)
        do_GET = do_POST = answer

        def log_message(self, *_):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Other)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    file = context.file("ok.json", PASSES)
    for server.status in (200, 404, 500, 503):
        for server.answer in answers:
            for command in (["ls", "m"], ["start", "m"], ["ls"], ["history", "m:e"], ["show", "arn:x"], ["deploy", "m", file]):
                done = subprocess.run([context.ratchet, *command, "--endpoint", f"http://127.0.0.1:{server.server_address[1]}"], capture_output=True,
                                      timeout=20, env=context.env)
                assert done.returncode in (0, 1, 2, 3), (command, server.status, server.answer, done)
                if server.status != 200:
                    assert done.returncode in (2, 3) and done.stderr, (command, server.status, server.answer, done)
    server.shutdown()


def a_proxy_of_the_environment_is_not_for_it(context):
    context.serve()
    context.run("ls", env={"http_proxy": "http://127.0.0.1:9", "all_proxy": "http://127.0.0.1:9"})


def deploy_creates_and_updates(context):
    server = context.serve()
    arn = STATES + "stateMachine:greet"
    assert context.run("deploy", "greet", context.file("a.json", PASSES)) == (arn + "\n", "")
    assert json.loads(context.run("start", "greet", "--follow")[0]) == {"hello": "world"}
    assert context.run("deploy", "greet", "-", stdin=json.dumps(ECHOES).encode())[0] == arn + "\n"
    assert json.loads(context.run("start", "greet", "--follow", "--input", "7")[0]) == 7
    answer = json.loads(context.run("deploy", "--json", "greet", "a.json", "--role", "arn:aws:iam::000000000000:role/other")[0])
    assert answer["stateMachineArn"] == arn and "updateDate" in answer
    assert server.call("DescribeStateMachine", stateMachineArn=arn)["roleArn"].endswith("/other")
    assert "creationDate" in json.loads(context.run("deploy", "--json", "second", "a.json")[0])
    assert "another type" in context.run("deploy", "greet", "a.json", "--type", "EXPRESS", status=2)[1]
    out, err = context.run("deploy", "greet", context.file("bad.json", '{"StartAt": "A",\n "States": {"A": {"Type": "Pss"}}}'), status=2)
    assert out == "" and re.search(r"bad\.json:2:\d+", err) and "^" in err, err
    assert "InvalidName" in context.run("deploy", "a b", "a.json", status=2)[1]
    assert "is not UTF-8" in context.run("deploy", "greet", context.file("latin.json", b'{"Comment":"\xe9"}'), status=2)[1]


def start_follows_to_the_end(context):
    context.serve()
    context.run("deploy", "naps", context.file("naps.json", NAPS))
    context.run("deploy", "fails", context.file("fails.json", FAILS))
    context.run("deploy", "nested", context.file("nested.json", NESTED))
    out, err = context.run("start", "naps", "--follow", "--name", "n1", "--input", '{"a": 1}')
    assert json.loads(out) == {"a": 1} and err.splitlines()[0] == STATES + "execution:naps:n1", err
    assert [line[0] for line in err.splitlines()[1:]] == ["✓", "✓"], err
    out, err = context.run("start", "fails", "--follow", status=1)
    assert out == "" and err.endswith("FAILED: Sad: it  [31mrained\n") and "\033" not in err, err
    answer = json.loads(context.run("start", "fails", "--follow", "--json", status=1)[0])
    assert answer["status"] == "FAILED" and answer["error"] == "Sad"
    _, err = context.run("start", "nested", "--follow", "--input", json.dumps({"items": list(range(400))}))
    assert err.count("One") == 400 and "✓ Both › Each  400/400" in err
    # The same name and input again is the same execution; another input is refused.
    assert context.run("start", "naps", "--name", "n1", "--input", "[]", status=2)[1].startswith("ratchet: ExecutionAlreadyExists")
    assert "StateMachineDoesNotExist" in context.run("start", "absent", status=2)[1]
    assert "InvalidExecutionInput" in context.run("start", "naps", "--input", "{", status=2)[1]


def start_follow_outlives_a_restart_of_the_server(context):
    store = f"sqlite:{context.folder}/store.db"
    server = context.serve(store=store)
    machine = {"StartAt": "N", "States": {"N": {"Type": "Wait", "Seconds": 3, "End": True}}}
    context.run("deploy", "slow", context.file("slow.json", machine))
    process = subprocess.Popen([context.ratchet, "start", "slow", "--follow", "--input", "5"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=context.env)
    time.sleep(1)
    server.stop(signal.SIGKILL)
    time.sleep(0.5)
    context.server = Server(context.ratchet, server.folder, "--listen", f"127.0.0.1:{server.port}", store=store)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 0 and json.loads(out) == 5, err


def stop_ends_an_execution(context):
    server = context.serve()
    context.run("deploy", "waits", context.file("waits.json", WAITS))
    arn = context.run("start", "waits", "--name", "e")[0].strip()
    assert arn == STATES + "execution:waits:e"
    follower = subprocess.Popen([context.ratchet, "start", "waits", "--name", "e", "--follow"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=context.env)
    time.sleep(0.5)
    assert context.run("stop", "waits:e", "--error", "Enough", "--cause", "of it") == ("", "")
    _, err = follower.communicate(timeout=10)
    assert follower.returncode == 1 and err.decode().endswith("ABORTED: Enough: of it\n") and "∅ W" in err.decode(), err
    answer = server.call("DescribeExecution", executionArn=arn)
    assert (answer["status"], answer["error"], answer["cause"]) == ("ABORTED", "Enough", "of it")
    assert "stopDate" in json.loads(context.run("stop", "--json", arn)[0])
    assert "ExecutionDoesNotExist" in context.run("stop", "waits:absent", status=2)[1]


def ls_lists_machines_and_executions(context):
    server = context.serve()
    out, err = context.run("ls")
    assert out == "" and "no state machines" in err
    context.run("deploy", "greet", context.file("a.json", PASSES))
    context.run("deploy", "größe", context.file("f.json", FAILS))
    out, _ = context.run("ls")
    assert [line.split()[:2] for line in out.splitlines()] == [["greet", "STANDARD"], ["größe", "STANDARD"]]
    assert len({line.index("STANDARD") for line in out.splitlines()}) == 1, out
    assert [m["name"] for m in json.loads(context.run("ls", "--json")[0])["stateMachines"]] == ["greet", "größe"]
    assert "no such executions" in context.run("ls", "greet")[1]
    for i in range(3):
        context.run("start", "greet", "--name", f"e{i}", "--follow")
    out, err = context.run("ls", "greet", "--limit", "2")
    assert len(out.splitlines()) == 2 and "there are more" in err
    out, err = context.run("ls", "greet", "--status", "SUCCEEDED")
    assert [line.split()[:2] for line in out.splitlines()] == [[f"e{i}", "SUCCEEDED"] for i in (2, 1, 0)] and err == "", out
    assert context.run("ls", "greet", "--status", "FAILED")[0] == ""
    assert "ValidationException" in context.run("ls", "greet", "--status", "LOST", status=2)[1]
    assert len(json.loads(context.run("ls", "greet", "--json")[0])["executions"]) == 3
    assert len(json.loads(context.run("ls", STATES + "stateMachine:greet", "--json")[0])["executions"]) == 3
    assert "StateMachineDoesNotExist" in context.run("ls", "absent", status=2)[1]


def show_and_history_tell_what_happened(context):
    server = context.serve()
    context.run("deploy", "nested", context.file("n.json", NESTED))
    context.run("deploy", "fails", context.file("f.json", FAILS))
    context.run("start", "nested", "--name", "e", "--follow", "--input", '{"items": [1, 2]}')
    context.run("start", "fails", "--name", "e", "--follow", status=1)
    out, err = context.run("show", "nested:e")
    assert out.startswith(STATES + "execution:nested:e\nSUCCEEDED  started ") and "input: {" in out and "output: [" in out and err == "", out
    assert "\n  ✓ Each  2/2  " in out and "\n    ✓ #1  " in out and "\n      ✓ One  " in out, out
    assert "Sad: it  [31mrained" in context.run("show", "fails:e")[0]
    assert json.loads(context.run("show", "--json", "nested:e")[0])["status"] == "SUCCEEDED"
    events = json.loads(context.run("history", "--json", "nested:e")[0])
    assert events == server.call("GetExecutionHistory", executionArn=STATES + "execution:nested:e", maxResults=1000)["events"]
    assert [e["id"] for e in json.loads(context.run("history", "--json", "--reverse", "nested:e")[0])] == [e["id"] for e in reversed(events)]
    out, _ = context.run("history", "nested:e")
    assert [line.split()[2] for line in out.splitlines()] == [e["type"] for e in events]
    assert "\033" not in context.run("history", "fails:e")[0]
    for command in ("show", "history"):
        assert "ExecutionDoesNotExist" in context.run(command, "nested:absent", status=2)[1]
        assert "InvalidArn" in context.run(command, "arn:nonsense", status=2)[1]


def a_long_history_is_read_in_pages(context):
    server = context.serve()
    machine = {"StartAt": "M", "States": {"M": {"Type": "Map", "End": True, "ItemProcessor": {"StartAt": "P", "States": {"P": {"Type": "Pass", "End": True}}}}}}
    context.run("deploy", "many", context.file("m.json", machine))
    _, err = context.run("start", "many", "--name", "e", "--follow", "--input", json.dumps(list(range(700))))
    assert "✓ M  700/700" in err and err.count("› P") + err.count("#") >= 700
    events = json.loads(context.run("history", "--json", "many:e")[0])
    assert [e["id"] for e in events] == list(range(1, len(events) + 1)) and len(events) > 2800
    reverse = json.loads(context.run("history", "--json", "--reverse", "many:e")[0])
    assert reverse == events[::-1]
    assert context.run("show", "many:e")[0].count("✓ #") == 700


# ---- serve ----------------------------------------------------------------------------------------------------


def serve_says_what_is_wrong_with_its_configuration(context):
    def refused(text, *words, **more):
        path = context.file("c.yaml", text)
        out, err = context.run("serve", "--config", path, "--store", "memory:", "--listen", "127.0.0.1:0", status=2, **more)
        assert out == "" and all(word in err for word in words), (text, err)
    refused("listn: x\n", "c.yaml: line 1, column 1: /listn", "no setting named 'listn'")
    refused("limits:\n  states: 1\n", "line 2, column 3: /limits/states", "from 10 to")
    refused("exec:\n  a:\n    program: /bin/true\n    colour: red\n", "c.yaml: line 4, column 5: /exec/a/colour")
    refused("exec:\n  a:\n    program: /bin/true\n    args: ['x', 5]\n", "c.yaml: line 4, column 17: /exec/a/args/1", "expected a text")
    refused("exec:\n  a: {}\n", "c.yaml: line 2, column 3: /exec/a", "program")
    refused("http:\n  timeout_s: -1\n", "c.yaml: line 2, column 3: /http/timeout_s")
    refused("lambda:\n  endpoint: here\n", "c.yaml: line 2, column 3: /lambda/endpoint", "http://")
    refused("http: {nonsense: 1}\n", "c.yaml: line 1, column 8: /http/nonsense", "no such setting")
    refused("a: &x 1\nb: *x\n", "line 1, column 4", "anchors")
    refused("targets:\n  ops: { url: nowhere }\n", "c.yaml: line 2, column 3: /targets/ops", "http://")
    refused("exec:\n  a: { program: /bin/true }\ntargets:\n  ops: { exec: b }\n", "c.yaml: line 4, column 10: /targets/ops/exec", "no program")
    refused("auth: sigv4\n", "no access key that administers", "root_key")
    refused("region: ok\n", "RATCHET_ACCOUNT", "twelve digits", env={"RATCHET_ACCOUNT": "x"})
    assert "absent.yaml" in context.run("serve", "--config", "absent.yaml", status=2)[1]


def serve_takes_flags_before_variables_before_the_file(context):
    path = context.file("c.yaml", "region: from-file\naccount: 111111111111\n")
    def info(*flags, **env):
        with Server(context.ratchet, context.folder, "--config", path, *flags, env={**context.env, **env}) as server:
            answer = json.loads(server.request("GET", "/v1/info")[2])
            return answer["region"], answer["account"]
    assert info() == ("from-file", "111111111111")
    assert info(RATCHET_REGION="from-env") == ("from-env", "111111111111")
    assert info("--region", "from-flag", RATCHET_REGION="from-env") == ("from-flag", "111111111111")


def serve_refuses_a_store_that_it_cannot_have(context):
    def refused(store, *words):
        out, err = context.run("serve", "--store", store, "--listen", "127.0.0.1:0", status=2)
        assert out == "" and all(word in err for word in words), (store, err)
    refused("nonsense", "sqlite:PATH or memory:")
    refused("sqlite:", "sqlite:PATH or memory:")
    refused("sqlite:/proc/nowhere/x.db", "/proc/nowhere")
    text = context.file("text.db", "this is no database, but a text that is long enough to be told from one " * 10)
    refused("sqlite:" + text, "text.db")
    assert open(text).read().startswith("this is no database")
    import sqlite3
    foreign = os.path.join(context.folder, "foreign.db")
    with sqlite3.connect(foreign) as database:
        database.execute("create table theirs (a)")
        database.execute("insert into theirs values (1)")
    refused("sqlite:" + foreign, "foreign.db")
    with sqlite3.connect(foreign) as database:
        assert database.execute("select name from sqlite_master").fetchall() == [("theirs",)]
    context.serve(store=f"sqlite:{context.folder}/locked.db")
    refused(f"sqlite:{context.folder}/locked.db", "locked.db")
    if os.geteuid() != 0:
        os.mkdir(os.path.join(context.folder, "closed"), 0o500)
        refused(f"sqlite:{context.folder}/closed/x.db", "closed")


def serve_makes_its_folders_and_takes_a_free_port(context):
    process = subprocess.Popen([context.ratchet, "serve", "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=context.env)
    url = process.stdout.readline().decode().strip()
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", url), url
    assert os.path.exists(os.path.join(context.folder, "data", "ratchet", "ratchet.db"))
    process.terminate()
    assert process.wait(10) == 0
    process.stdout.close()
    process.stderr.close()


def serve_logs_as_it_is_told(context):
    with Server(context.ratchet, context.folder, "--log-format", "json", "--log-level", "debug") as server:
        pass
    lines = server.log().splitlines()
    assert lines and all(isinstance(json.loads(line), dict) for line in lines), lines
    with Server(context.ratchet, context.folder, "--log-level", "error") as server:
        pass
    assert server.log() == "", server.log()


if __name__ == "__main__":
    main(tests_of(globals()), Context, __doc__)
