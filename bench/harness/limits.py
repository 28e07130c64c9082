"""What this machine can do at most, measured in the same run (bench/limits)."""

import json
import os
import subprocess
import tempfile


def measure(options):
    seconds = "0.2" if options.quick else "2"
    with tempfile.TemporaryDirectory(prefix="ratchet-bench-", dir=os.environ.get("RATCHET_BENCH_DIR")) as folder:
        def program(name):
            return json.loads(subprocess.run([f"{options.build}/bench/limits/{name}", folder, seconds], stdout=subprocess.PIPE, check=True).stdout)

        syncs, rows, transition = program("fsync"), program("rows"), program("transition")
    figures = {"fdatasync/s, appending 4 KiB": syncs["append_per_s"], "fdatasync/s, writing over": syncs["overwrite_per_s"]}
    for batch, per_s in rows.items():
        figures[f"SQLite rows/s, {batch} in a transaction"] = per_s
    figures["durable transitions/s"] = transition["transitions_per_s"]
    figures["JSON read, changed and printed/s (jansson)"] = transition["json_only_per_s"]
    figures["libmicrohttpd requests/s"] = http(options)
    return figures


def http(options):
    """A server that answers at once, under the same load as ours."""
    process = subprocess.Popen([f"{options.build}/bench/function", "0"], stdout=subprocess.PIPE)
    try:
        port = process.stdout.readline().decode().strip()
        with tempfile.NamedTemporaryFile("w") as file:
            file.write("{}")
            file.flush()
            out = subprocess.run([f"{options.build}/bench/load", "127.0.0.1", port, "arn", file.name, "2000" if options.quick else "100000", "200"],
                                 stdout=subprocess.PIPE, check=True)
        return json.loads(out.stdout)["per_s"]
    finally:
        process.kill()
        process.wait()
