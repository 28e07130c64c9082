#!/usr/bin/env python3
"""The console's files as one C source: build.py OUT.c DEPFILE WORKDIR

With Node.js and npm at hand: npm ci, esbuild (build.mjs), and every file of the bundle becomes a row of console_assets[]
(server/console.h), as it is and gzipped. Without them, or when the packages cannot be fetched, the only row is a page that
says so: the program is complete but for its console, and the next build tries again.

Prints what a browser loads to show the first page. tests/console holds it to its budget.
"""
import gzip
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
READY = HERE / "node_modules" / ".ready"  # holds the hash of the lock file that node_modules was made from
TYPES = {".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8",
         ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}


def run(*command, timeout):
    """Runs it here; its output only when it fails."""
    done = subprocess.run(command, cwd=HERE, timeout=timeout, stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        raise RuntimeError(done.stdout.strip()[-2000:] or f"{command[0]}: exit status {done.returncode}")
    return done.stdout


def fetch_packages():
    """node_modules as the lock file says; done once for each lock file, by one build at a time."""
    import fcntl
    wanted = hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()
    with open(HERE / "package-lock.json", "rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if READY.exists() and READY.read_text() == wanted:
            return
        run("npm", "ci", "--prefer-offline", "--fetch-retries=1", "--fetch-timeout=30000", timeout=300)
        READY.write_text(wanted)


def bundle(out):
    for program in ("node", "npm"):
        if not shutil.which(program):
            raise RuntimeError(f"{program} is not installed")
    fetch_packages()
    run("node", "build.mjs", str(out), timeout=120)


def fallback(out, reason):
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    page = (HERE / "without.html").read_text()
    (out / "index.html").write_text(page)
    print(f"console: left out of this build, its address answers a page that says so: {reason}", file=sys.stderr)


def c_bytes(data):
    return "".join(f"{byte}," for byte in data)


def write_source(out, target):
    """A row for each file, in the order of their names, so that the same files make the same source."""
    files = sorted(path for path in out.rglob("*") if path.is_file())
    rows, arrays = [], []
    for index, path in enumerate(files):
        data = path.read_bytes()
        packed = gzip.compress(data, 9, mtime=0)
        arrays.append(f"static const unsigned char plain_{index}[] = {{{c_bytes(data)}}};\n"
                      f"static const unsigned char packed_{index}[] = {{{c_bytes(packed)}}};\n")
        name = json.dumps(str(path.relative_to(out).as_posix()).removeprefix("assets/"))
        tag = hashlib.sha256(data).hexdigest()[:16]
        rows.append(f"\t{{ {name}, \"{TYPES[path.suffix]}\", \"\\\"{tag}\\\"\", \"\\\"{tag}-gzip\\\"\", "
                    f"plain_{index}, {len(data)}, packed_{index}, {len(packed)} }},\n")
    target.write_text("/* The console's files, made by visualizer/web/build.py. */\n#include \"server/console.h\"\n\n"
                      + "".join(arrays) + "\nconst struct console_asset console_assets[] = {\n" + "".join(rows)
                      + "\t{ 0 },\n};\n")


def print_sizes(out):
    sizes = {path.name: len(gzip.compress(path.read_bytes(), 9, mtime=0)) for path in out.rglob("*") if path.is_file()}
    first = sum(sizes.values())  # nothing is left for later yet
    listed = ", ".join(f"{name} {size / 1024:.1f}" for name, size in sorted(sizes.items()))
    print(f"console: first load {first / 1024:.1f} KiB gzipped (KiB: {listed})", file=sys.stderr)


def main():
    target, depfile, out = (pathlib.Path(argument).resolve() for argument in sys.argv[1:4])
    inputs = [HERE / name for name in ("build.py", "build.mjs", "package.json", "package-lock.json", "without.html")]
    inputs += sorted(path for path in (HERE / "src").rglob("*") if path.is_file())
    try:
        bundle(out)
        print_sizes(out)
    except (RuntimeError, OSError, subprocess.TimeoutExpired) as error:
        fallback(out, error)
        inputs.append(READY.with_name(".missing"))  # never there: the next build comes here again
    write_source(out, target)
    listed = " ".join(str(path).replace(" ", "\\ ") for path in inputs)
    depfile.write_text(f"{sys.argv[1]}: {listed}\n")


main()
