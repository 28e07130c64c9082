#!/usr/bin/env python3
"""Definitions in YAML: yaml/*.yaml. Lines that begin with "#!" say which mistakes `ratchet validate` must name, all of them: LINE:COLUMN CODE
LOCATION; a file without any is valid, and compiles to what the .json file of its name does. Then hostile texts, made here: each must be
answered within seconds and in bounded memory.

    yaml.py --ratchet BINARY

The last line is 'N passed, N failed, N skipped'."""

import argparse
import glob
import json
import os
import resource
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
HEAD = "StartAt: A\nStates:\n  A:\n    Type: Pass\n    End: true\n    Result: "

HOSTILE = {
    "brackets": lambda n: HEAD + "[" * n,
    "closed_brackets": lambda n: HEAD + "[" * n + "]" * n,
    "dashes": lambda n: HEAD + "\n" + "- " * n + "x",
    "questions": lambda n: HEAD + "\n" + "? " * n + "x",
    "braces": lambda n: HEAD + "{a: " * n,
    "keys": lambda n: HEAD + "\n" + "".join(f"      k{i}: {i}\n" for i in range(n // 16)),
    "same_keys": lambda n: HEAD + "\n" + "      k: 1\n" * (n // 11),
    "quotes": lambda n: HEAD + '"' + "\\" * n,
    "escapes": lambda n: HEAD + '"' + "\\0" * (n // 2) + '"',
    "long_line": lambda n: HEAD + "x" * n,
    "colons": lambda n: HEAD + ":" * n,
    "blank_lines": lambda n: HEAD + "|\n" + "\n" * n,
    "anchors": lambda n: HEAD + "&a " * (n // 3),
    "comments": lambda n: HEAD + "1\n" + "#\n" * (n // 2),
    "flow_items": lambda n: HEAD + "[" + "a," * (n // 2) + "]",
    "documents": lambda n: HEAD + "1\n" + "---\n" * (n // 4),
    "directives": lambda n: "%YAML 1.1\n" * (n // 10) + HEAD,
    "wide_text": lambda n: HEAD + "\u00fc" * (n // 2),
    "states": lambda n: "StartAt: A\nStates:\n" + "".join(f"  A{i}: {{Type: Succeed}}\n" for i in range(n // 25)),
}
BYTES = 1000000
SECONDS = 20
MEMORY = 1 << 30


def run(binary, *arguments):
    return subprocess.run([binary, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)


def check_case(binary, path):
    with open(path, encoding="utf-8") as file:
        wanted = sorted(line[2:].strip() for line in file if line.startswith("#!"))
    answer = json.loads(run(binary, "validate", "--json", path).stdout)
    found = sorted(f"{d['line']}:{d['column']} {d['code']} {d['location']}".strip() for d in answer["diagnostics"])
    if found != wanted:
        return f"wanted {wanted}, found {found}: {[d['message'] for d in answer['diagnostics']]}"
    twin = path[:-5] + ".json"
    if os.path.exists(twin):
        ours, theirs = run(binary, "explain", path), run(binary, "explain", twin)
        if ours.returncode or ours.stdout != theirs.stdout:
            return f"it compiles to something else: {ours.stderr.decode()}"
    return None


def bound_memory():
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def check_hostile(binary, make, folder):
    path = os.path.join(folder, "definition.yaml")
    with open(path, "w", encoding="utf-8") as file:
        file.write(make(BYTES))
    began = time.monotonic()
    sanitized = b"__asan_init" in open(binary, "rb").read()
    done = subprocess.run([binary, "validate", "--json", path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120,
                          preexec_fn=None if sanitized else bound_memory)
    took = time.monotonic() - began
    if done.returncode not in (0, 2):
        return f"exit status {done.returncode}: {done.stderr[-300:]}"
    if took > SECONDS:
        return f"it took {took:.1f} s"
    json.loads(done.stdout)
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ratchet", required=True)
    options = parser.parse_args()
    checks = [(os.path.basename(path), lambda path=path: check_case(options.ratchet, path))
              for path in sorted(glob.glob(os.path.join(HERE, "yaml", "*.yaml")))]
    with tempfile.TemporaryDirectory() as folder:
        checks += [("hostile_" + name, lambda make=make: check_hostile(options.ratchet, make, folder)) for name, make in HOSTILE.items()]
        failed = 0
        for name, check in checks:
            problem = check()
            if problem:
                failed += 1
                print(f"FAIL {name}: {problem}")
    print(f"{len(checks) - failed} passed, {failed} failed, 0 skipped")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
