#!/usr/bin/env python3
"""documented.py TABLE PAGE: the page names every setting, with its variable and its default, and every limit with its default and bounds.

The last line is 'N passed, N failed, N skipped': a setting or a limit each."""

import json
import re
import subprocess
import sys


def main():
    tables = json.loads(subprocess.run([sys.argv[1]], stdout=subprocess.PIPE, check=True).stdout)
    with open(sys.argv[2], encoding="utf-8") as file:
        page = file.read()
    # | `name` | … | … |
    rows = {cells[0].strip().strip("`"): [cell.strip().strip("`") for cell in cells[1:]]
            for cells in (line.strip("|").split("|") for line in page.splitlines() if line.startswith("| `"))}
    problems = []
    for name, default in tables["settings"].items():
        row = rows.get(name, [])
        wanted = ["--" + name.replace("_", "-"), "RATCHET_" + name.upper()] + ([default] if default else [])
        if not all(any(re.fullmatch(re.escape(word), cell) for cell in row) for word in wanted):
            problems.append(f"{name}: the page has {row}, not {wanted}")
    for name, numbers in tables["limits"].items():
        if [cell.replace(",", "") for cell in rows.get(name, [])[:3]] != [str(number) for number in numbers]:
            problems.append(f"limits.{name}: the page has {rows.get(name, [])[:3]}, not {numbers}")
    for problem in problems:
        print(problem)
    count = len(tables["settings"]) + len(tables["limits"])
    print(f"{count - len(problems)} passed, {len(problems)} failed, 0 skipped")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
