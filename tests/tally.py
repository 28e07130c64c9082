#!/usr/bin/env python3
"""Adds up what the test programs of a meson run said, and prints 'N passed, N failed, N skipped' as the last line.

A program that ends with such a line itself counts by it; a cmocka program by its '[ PASSED ] N test(s)' lines;
anything else counts as one. A program that failed without naming a failed test counts as one failure. Failures of a program that
succeeded are known misses, and count as skipped."""

import json
import re
import sys

PLAIN = re.compile(r"^(?:\w+: )?(\d+) passed, (\d+) failed(?:, (\d+) skipped)?", re.M)
CMOCKA = re.compile(r"\[\s+(PASSED|FAILED|SKIPPED)\s+\] (\d+) test\(s\)")


def tally(run):
    text = (run.get("stdout") or "") + "\n" + (run.get("stderr") or "")
    counts = {"PASSED": 0, "FAILED": 0, "SKIPPED": 0}
    plain = PLAIN.findall(text)
    if plain:
        counts["PASSED"], counts["FAILED"], counts["SKIPPED"] = (int(n or 0) for n in plain[-1])
    else:
        for word, number in CMOCKA.findall(text):
            counts[word] += int(number)
        if not sum(counts.values()):
            counts["SKIPPED" if run["result"] == "SKIP" else "PASSED"] = 1 if run["result"] in ("OK", "SKIP") else 0
    if run["result"] not in ("OK", "SKIP", "EXPECTEDFAIL"):
        counts["FAILED"] = max(counts["FAILED"], 1)
    elif counts["FAILED"]:
        # A program that is content with its failures has a list of known misses, each with its reason.
        print(f"{run['name']}: {counts['FAILED']} known misses")
        counts["SKIPPED"] += counts["FAILED"]
        counts["FAILED"] = 0
    return counts, [line for line in text.splitlines() if line.startswith("skipped: ")]


def main(paths):
    total = {"PASSED": 0, "FAILED": 0, "SKIPPED": 0}
    programs = 0
    for path in paths:
        with open(path, encoding="utf-8") as log:
            for line in log:
                run = json.loads(line)
                counts, skips = tally(run)
                programs += 1
                for word, number in counts.items():
                    total[word] += number
                for skip in skips:
                    print(f"{run['name']}: {skip}")
                if counts["FAILED"]:
                    print(f"{run['name']}: {counts['FAILED']} failed")
    if not programs:
        print("no test ran")
    print(f"{total['PASSED']} passed, {total['FAILED']} failed, {total['SKIPPED']} skipped")
    return 1 if total["FAILED"] or not programs else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
