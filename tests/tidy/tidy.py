#!/usr/bin/env python3
"""House rules that a script can check, over every file that git knows.

  floors      a room includes only itself and the rooms below it
  libraries   a library's header is included only where it belongs
  heads       a source begins with a comment that says what it holds; a header has #pragma once
  banned      calls that overflow, or that run a shell
  length      a source reads in one sitting
  leftovers   no words that mark unfinished work, no paths of a developer's machine, no registry addresses

The last line is 'N passed, N failed, N skipped': a rule each."""

import os
import re
import subprocess
import sys

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))

BELOW = {
    "base": [],
    "value": ["base"],
    "dsl/jsonata": ["value", "base"],
    "dsl": ["dsl/jsonata", "value", "base"],
    "engine/core": ["dsl", "value", "base"],
    "state-store": ["base"],
    "connectors": ["value", "base"],
    "engine": ["engine/core", "state-store", "connectors", "dsl", "value", "base"],
    "visualizer": ["dsl", "value", "base"],
    "search": ["engine", "engine/core", "state-store", "value", "base"],
    "server": ["search", "engine", "engine/core", "visualizer", "state-store", "connectors", "dsl", "value", "base"],
    "cli": ["server", "search", "engine", "engine/core", "visualizer", "state-store", "connectors", "dsl", "dsl/jsonata", "value", "base"],
}

# A library's header → the places that may include it.
LIBRARIES = {
    r"ev\.h": ["engine/loop_libev.c"],
    r"sqlite3\.h": ["state-store/sqlite/", "search/", "bench/", "tests/"],
    r"microhttpd\.h": ["server/http.h", "connectors/function/runtime_api.c", "bench/", "tests/"],
    r"curl/curl\.h": ["connectors/http/", "cli/client.c", "tests/"],
    r"yaml\.h": ["value/yaml_reader.c"],
    r"jansson\.h": ["bench/limits/", "tests/"],  # the common library: an oracle, and what our own reader is measured against
    r"pthread\.h": ["state-store/", "search/", "base/log.c", "connectors/", "engine/loop_libev.c", "tests/", "bench/"],
}

BANNED = ["strcpy", "strcat", "sprintf", "vsprintf", "gets", "strtok", "system", "popen", "alloca", "tmpnam", "mktemp", "asctime", "ctime", "rand", "srand"]
LINES_MOST = 1200


def room_of(path):
    """The room that a file, or an include, belongs to; the longest name wins."""
    found = [room for room in BELOW if path.startswith(room + "/")]
    return max(found, key=len) if found else None


def tracked():
    out = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout.decode()
    return [path for path in out.split("\0") if path and os.path.isfile(os.path.join(ROOT, path))]


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8", errors="replace") as file:
        return file.read()


def without_comments_and_strings(text):
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', " ", text, flags=re.S)


def floors(sources):
    for path, text in sources.items():
        room = room_of(path)
        if not room:
            continue
        for include in re.findall(r'^#include "([^"]+)"', text, re.M):
            other = room_of(include)
            if other and other != room and other not in BELOW[room]:
                yield f"{path}: {room} may not include {include}"


def libraries(sources):
    for path, text in sources.items():
        for header, places in LIBRARIES.items():
            if re.search(rf"^#include <{header}>", text, re.M) and not any(path.startswith(place) for place in places):
                yield f"{path}: <{header}> belongs to {', '.join(places)}".replace("\\", "")


def heads(sources):
    for path, text in sources.items():
        if not re.match(r"/\* \S", text):
            yield f"{path}: does not begin with a comment that says what it holds"
        if path.endswith(".h") and "#pragma once" not in text:
            yield f"{path}: has no #pragma once"


def banned(sources):
    call = re.compile(r"(?<![\w.>])(" + "|".join(BANNED) + r")\s*\(")
    for path, text in sources.items():
        if path.startswith(("tests/", "bench/")):
            continue
        for found in call.finditer(without_comments_and_strings(text)):
            yield f"{path}: {found.group(1)}() is banned"


def length(sources):
    for path, text in sources.items():
        lines = text.count("\n")
        if lines > LINES_MOST:
            yield f"{path}: {lines} lines; split it by noun"


def leftovers(sources):
    marks = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
    places = re.compile(r"(?<![\w.])/(?:work|home/\w+|root|Users/\w+)/|registry\.npmjs|artifactory")
    for path in tracked():
        if path.startswith("tests/tidy/") or path in ("LICENSE",):
            continue
        text = read(path)
        for number, line in enumerate(text.splitlines(), 1):
            if marks.search(line) and path.endswith((".c", ".h", ".py", ".sh", ".ts", ".tsx")):
                yield f"{path}:{number}: {marks.search(line).group(1)}"
            if places.search(line):
                yield f"{path}:{number}: {places.search(line).group(0)}"


def main():
    if subprocess.run(["git", "rev-parse"], cwd=ROOT, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL).returncode:
        print("skipped: this is no git checkout\n0 passed, 0 failed, 1 skipped")
        sys.exit(77)
    sources = {path: read(path) for path in tracked() if path.endswith((".c", ".h"))}
    passed = failed = 0
    for rule in (floors, libraries, heads, banned, length, leftovers):
        problems = list(rule(sources))
        for problem in problems:
            print(f"{rule.__name__}: {problem}")
        passed, failed = passed + (not problems), failed + bool(problems)
    print(f"{passed} passed, {failed} failed, 0 skipped")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
