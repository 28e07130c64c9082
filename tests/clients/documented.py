#!/usr/bin/env python3
"""documented.py --ratchet RATCHET docs/clients.md: runs the page's examples as they stand, against a server of its own whose address takes the
place of the page's, and compares what each prints with what the page says that it prints.

An example is a block of sh, python or js followed by «prints» and a block of text. One whose client is not installed is skipped."""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile

here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(here, "..", "server"))
from driver import Server, clean_environment  # noqa: E402

EXAMPLE = re.compile(r"^```(sh|python|js)\n(.*?)^```\n\nprints\n\n```text\n(.*?)^```$", re.M | re.S)
ADDRESS = "127.0.0.1:8083"


def has_boto3(python):
    return subprocess.run([python, "-c", "import boto3"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0


def command_of(language, text, folder):
    """→ the command that runs it, or why it cannot be run."""
    if language == "sh":
        needed = "aws" if re.search(r"\baws ", text) else "curl"
        return ["bash", "-euo", "pipefail", "-c", text] if shutil.which(needed) else f"{needed} is not installed"
    if language == "python":
        found = [python for python in ("/usr/bin/python3", sys.executable) if os.path.exists(python) and has_boto3(python)]
        return [found[0], "-c", text] if found else "boto3 is not installed"
    tools = subprocess.run(["bash", "-c", 'skip() { echo "skip: $1"; exit; }; here=$0; . "$here/js_tools.sh"; echo "$node"', here], stdout=subprocess.PIPE,
                           text=True).stdout.strip()
    if tools.startswith("skip: ") or not tools:
        return tools[6:]
    os.symlink(os.path.join(here, "js", "node_modules"), os.path.join(folder, "node_modules"))
    path = os.path.join(folder, "example.mjs")
    with open(path, "w") as file:
        file.write(text)
    return [tools, path]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ratchet", required=True)
    parser.add_argument("page")
    arguments = parser.parse_args()
    with open(arguments.page) as file:
        examples = EXAMPLE.findall(file.read())
    passed = failed = skipped = 0
    with tempfile.TemporaryDirectory() as folder, Server(os.path.abspath(arguments.ratchet), folder) as server:
        env = clean_environment(folder, AWS_EC2_METADATA_DISABLED="true")
        for language, text, wanted in examples:
            command = command_of(language, text.replace(ADDRESS, f"127.0.0.1:{server.port}"), folder)
            if isinstance(command, str):
                print(f"skipped: the example in {language}: {command}")
                skipped += 1
                continue
            run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, env=env, cwd=folder, timeout=120)
            if run.returncode == 0 and run.stdout.rstrip("\n") == wanted.rstrip("\n"):
                passed += 1
            else:
                failed += 1
                print(f"FAILED the example in {language}: status {run.returncode}, printed {run.stdout!r}, not {wanted!r}\n{run.stderr[-2000:]}")
    if len(examples) < 4:
        failed += 1
        print(f"FAILED only {len(examples)} examples were found")
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
